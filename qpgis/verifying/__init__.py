"""``qpgis verify``: are outputs still what was written, do they agree, and would today's inputs give them again?"""

from __future__ import annotations

import json
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from qpgis.catalogue import LANGUAGES, Lang, clauses, listed, text
from qpgis.errors import QpgisError, SourceError
from qpgis.provenance import seal, sha256_of
from qpgis.report.outputs import MANIFEST
from qpgis.signing import SIGNERS
from qpgis.sources.osm import is_osm
from qpgis.verifying.checks import Check, Difference, Verdict, check_lines
from qpgis.verifying.formats import READ, Book, Line, Record, Wanted, csv_records, format_of
from qpgis.verifying.runlog import read_log
from qpgis.workspace.config import read_config
from qpgis.workspace.loading import config_path

__all__ = ["Check", "Difference", "Source", "Verdict", "check_lines", "verify"]

Manifest = Mapping[str, Any]
_SETTINGS = ("workspace", "title", "period", "language", "state", "plane", "zones", "thresholds", "plans", "asked")
"""What of a manifest is no file and no definition, but decides values."""
RESULT = "indicators.csv"
"""What people sign."""
_UNREADABLE = (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError)


@dataclass(frozen=True)
class Source:
    """What outputs are computed from again.

    Attributes
    ----------
    place : Path or None
        The workspace, or the OpenStreetMap extract; ``None`` is the embedded workspace.
    zones : Path or None
        The file that replaced the workspace's zones, where one did.
    """

    place: Path | None = None
    zones: Path | None = None


def verify(
    folder: str | Path,
    *,
    source: Source | None = None,
    lang: Lang | None = None,
    progress: Callable[[str], None] = lambda stage: None,
) -> tuple[Check, ...]:
    """Verify the outputs of a run.

    Parameters
    ----------
    folder : path
        Where they are, with their ``manifest.json``.
    source : Source, optional
        What to compute them from again; without it, only the files are verified.
    lang : "zh" or "en", optional
        Of the words; that of the outputs by default.
    progress : callable, optional
        Called with the name of each stage.

    Raises
    ------
    SourceError
        If there is no manifest, or none of this version of qpgis.
    """
    folder = Path(folder)
    manifest = _read_manifest(folder / MANIFEST)
    own: Lang = manifest["language"]
    outputs = _Outputs(folder, manifest, lang or own)
    try:
        found = [*outputs.checks()]
        if source is None:
            found.append(outputs.check("recomputed", "", Verdict.TOLD, "not_recomputed"))
        else:
            found += [*outputs.of_frozen(source), *outputs.recomputed(source, progress)]
    except QpgisError:
        raise
    except (KeyError, TypeError, AttributeError, ValueError) as error:  # whatever else an edited manifest may be
        raise SourceError(f"{folder / MANIFEST}: is no manifest of qpgis ({error!r})") from error
    return tuple(found)


def _read_manifest(path: Path) -> Manifest:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SourceError(f"{path}: can't be read ({error.strerror}); give the folder that a run wrote") from error
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{path}: is no manifest of qpgis ({error})") from error
    needed = {"outputs", "inputs", "definitions", "versions", "rows", "titles", "sha256", "code", "secrecy", *_SETTINGS}
    if not isinstance(found, dict) or found.get("language") not in LANGUAGES:
        raise SourceError(f"{path}: is no manifest of qpgis")
    if lacking := needed - found.keys():
        raise SourceError(f"{path}: lacks {', '.join(sorted(lacking))}; an older qpgis wrote it, run again")
    return found


@dataclass(frozen=True)
class _Outputs:
    """The outputs of one run."""

    folder: Path
    manifest: Manifest
    lang: Lang

    def check(
        self, part: str, subject: str, verdict: Verdict, key: str, /, *differences: Difference, **words: object
    ) -> Check:
        """A check, its words from the catalogue."""
        return Check(part, subject, verdict, text(f"verify_{key}", self.lang, **words), differences)

    def checks(self) -> Iterator[Check]:
        """All that can be told from the folder alone."""
        yield from self._of_manifest()
        yield from self._of_files()
        yield from self._of_values()
        yield from self._of_signoff()
        yield from self._of_log()

    @cached_property
    def names(self) -> list[str]:
        """The outputs that the manifest names."""
        return [name for name in self.manifest["outputs"] if Path(name).name == name and name != MANIFEST]

    @cached_property
    def hashes(self) -> dict[str, str]:
        """The hash of every output that is there."""
        return {name: sha256_of(self.folder / name) for name in self.names if (self.folder / name).is_file()}

    def intact(self, name: str) -> bool:
        """Whether an output is what the manifest says."""
        return self.hashes.get(name) == self.manifest["outputs"].get(name)

    # ---- manifest and files ----

    def _of_manifest(self) -> Iterator[Check]:
        sealed = seal(self.manifest) == self.manifest["sha256"]
        yield self.check("manifest", MANIFEST, *_verdict(sealed, "sealed", "edited"))
        for kind, ledger in self.manifest["rows"].items():
            spent = sum(count for fate, count in ledger.items() if fate != "read")
            if spent != ledger["read"]:
                yield self.check("manifest", kind, Verdict.FAILS, "ledger", read=ledger["read"], sum=spent)
        for key, name in (("values", "indicators.csv"), ("findings", "findings.csv")):
            if name in self.hashes:
                yield from self._of_count(name, self.manifest[key])

    def _of_count(self, name: str, said: int) -> Iterator[Check]:
        try:
            found = max(len(csv_records(self.folder / name)) - 1, 0)
        except _UNREADABLE:
            return  # said with its values, or by its hash
        if found != said:
            yield self.check("manifest", name, Verdict.FAILS, "counts", said=said, found=found)

    def _of_files(self) -> Iterator[Check]:
        for name in self.manifest["outputs"]:
            if name not in self.names:
                yield self.check("output", name, Verdict.FAILS, "name")
            elif name not in self.hashes:
                yield self.check("output", name, Verdict.FAILS, "missing")
            else:
                yield self.check("output", name, *_verdict(self.intact(name), "unchanged", "changed"))
        there = sorted(path.name for path in self.folder.iterdir() if not path.name.startswith("."))
        written = {Path(name).suffix for name in self.manifest["outputs"]}
        for name in there:
            if name not in (*self.manifest["outputs"], MANIFEST):
                looks_written = Path(name).suffix in written  # it could be taken for an output; a README couldn't
                yield self.check("output", name, Verdict.FAILS if looks_written else Verdict.TOLD, "additional")

    # ---- the same numbers in every file ----

    def _of_values(self) -> Iterator[Check]:
        found = self._reference()
        if found is None:
            return
        reference, rows = found
        own = self.manifest["language"]
        computed = frozenset((one["indicator"], one["definition"]) for one in self.manifest["definitions"])
        book = Book(own, self.manifest["titles"], computed)
        for name in self.hashes:
            form = format_of(name)
            if form is None:
                yield self.check("values", name, Verdict.TOLD, "not_opened")
            elif form.shown and form.wanted and name != reference:
                try:
                    lines = list(form.shown(self.folder / name, book))
                except Exception as error:  # libraries raise anything on a damaged file
                    yield self.check("values", name, Verdict.FAILS, "unreadable", reason=_reason(error))
                    continue
                cells, differences = self._compared(lines, form.wanted(rows, book))
                if differences:
                    words = {"count": len(differences), "reference": reference}
                    yield self.check("values", name, Verdict.FAILS, "other_values", *differences, **words)
                else:
                    words = {"count": cells, "reference": reference}
                    yield self.check("values", name, Verdict.HOLDS, "same_values", **words)

    def _reference(self) -> tuple[str, list[Record]] | None:
        """The rows that the others are held against: of the first file that is as written, else of the first at all."""
        for name in sorted((name for name in READ if name in self.hashes), key=lambda name: not self.intact(name)):
            try:
                return name, READ[name](self.folder / name)
            except Exception:  # libraries raise anything on a damaged file; it is told with its values
                continue
        return None

    def _compared(self, shown: Iterable[Line], wanted: Iterable[Wanted]) -> tuple[int, list[Difference]]:
        """How many cells were compared, and those that differ."""
        lines: dict[tuple[str, ...], list[Line]] = defaultdict(list)
        for line in shown:
            lines[line.key].append(line)
        cells, found = 0, []
        for want in wanted:
            row = text("verify_row", self.lang, row=" ".join(want.key))
            if not lines[want.key]:
                found.append(Difference(row, "", " ".join(words[0] for words in want.cells.values() if words[0])))
                continue
            # the one that fits best: zones of one name stand in the order of their ids here, of the file there
            likely = lines[want.key]
            costs = [sum(1 for _ in _differing(line, want, self.lang)) for line in likely] if likely[1:] else [0]
            best = likely.pop(costs.index(min(costs)))
            found += _differing(best, want, self.lang)
            cells += len(want.cells)
        for left in lines.values():
            for line in left:
                place = next((cell.place for cell in line.cells.values()), "")
                found.append(Difference(place, " ".join(line.key), ""))
        return cells, found

    # ---- what was signed ----

    def _of_signoff(self) -> Iterator[Check]:
        """Whether the result that is there is the one that was signed."""
        signoff = self.manifest.get("signoff", {})
        signed, cut = signoff.get("signed"), self.manifest.get("secrecy", {}).get("withheld", {}).get("indicators")
        written = signoff.get("result") if cut else self.hashes.get(RESULT)  # an audience may see a part of it only
        if not signed or signoff.get("status") == "open":
            yield self.check("signoff", "", Verdict.TOLD, "unsigned")
        elif not signed == signoff.get("result") == written or not self.intact(RESULT):
            yield self.check("signoff", RESULT, Verdict.FAILS, "signed_other", signed=signed[:12])
        else:
            names = listed((signoff[who]["name"] for who in SIGNERS), self.lang)
            yield self.check("signoff", RESULT, Verdict.HOLDS, "signed_same", names=names)

    # ---- the log ----

    def _of_log(self) -> Iterator[Check]:
        found = read_log(self.folder)
        if found is None:
            yield self.check("log", "", Verdict.TOLD, "log_none")
            return
        lines, broken = found
        own = sha256_of(self.folder / MANIFEST)
        last = max((n for n, line in enumerate(lines, 1) if line.get("manifest") == own), default=None)
        if broken:
            yield self.check("log", "", Verdict.FAILS, "log_broken", lines=", ".join(map(str, broken)))
        if last is None:
            yield self.check("log", "", Verdict.FAILS, "log_unknown")
        elif not broken:
            yield self.check("log", "", Verdict.HOLDS, "log_whole", count=len(lines), line=last)

    # ---- what was frozen ----

    def of_frozen(self, source: Source) -> Iterator[Check]:
        """Whether these are the outputs that the workspace froze, where it froze their period."""
        if source.place is None or is_osm(source.place) or not config_path(source.place).is_file():
            return
        config, period = read_config(config_path(source.place)), self.manifest["period"]
        digest = config.periods[period].frozen if period in config.periods else ""
        if digest and self.manifest.get("frozen"):
            same = seal(self.manifest) == digest
            yield self.check("frozen", period, *_verdict(same, "frozen_same", "frozen_other"))
        elif digest:
            yield self.check("frozen", period, Verdict.TOLD, "frozen_beside")

    # ---- computed again ----

    def recomputed(self, source: Source, progress: Callable[[str], None]) -> Iterator[Check]:
        """What changed since, and which outputs today's inputs give again."""
        with tempfile.TemporaryDirectory() as name:
            again = Path(name)
            try:
                _run_again(self.manifest, source, again, progress)
            except QpgisError as error:
                yield self.check("recomputed", "", Verdict.FAILS, "no_inputs", reason=" ".join(str(error).split()))
                return
            new = _read_manifest(again / MANIFEST)
            causes: dict[str, list[str]] = {}
            for part, checks in (
                ("input", self._of_inputs(new)),
                ("definition", self._of_definitions(new)),
                ("setting", self._of_settings(new)),
                ("version", self._of_versions(new)),
            ):
                for check in checks:
                    yield check
                    if check.subject:
                        causes.setdefault(part, []).append(check.subject)
            yield from self._again(new, again, causes)

    def _of_inputs(self, new: Manifest) -> Iterator[Check]:
        old_ones, new_ones = (_keyed(m["inputs"], "name", "role") for m in (self.manifest, new))
        yield from self._of_entries("input", old_ones, new_ones, "inputs_same")

    def _of_definitions(self, new: Manifest) -> Iterator[Check]:
        old_ones, new_ones = (_keyed(m["definitions"], "indicator", "definition") for m in (self.manifest, new))
        yield from self._of_entries("definition", old_ones, new_ones, "definitions_same")

    def _of_entries(self, part: str, old: Mapping[str, Any], new: Mapping[str, Any], same: str) -> Iterator[Check]:
        fails = 0
        for key in dict.fromkeys((*old, *new)):
            if key not in new or key not in old:
                fails += 1
                yield self.check(part, key, Verdict.FAILS, f"{part}_{'gone' if key not in new else 'new'}")
            elif differences := _fields(old[key], new[key]):
                fails += 1
                what = listed((one.place for one in differences), self.lang)
                yield self.check(part, key, Verdict.FAILS, f"{part}_changed", *differences, what=what)
        if not fails:
            yield self.check(part, "", Verdict.HOLDS, same, count=len(old))

    def _of_settings(self, new: Manifest) -> Iterator[Check]:
        for key in _SETTINGS:
            if differences := _fields({key: self.manifest[key]}, {key: new[key]}):
                what = listed((one.place for one in differences), self.lang)
                yield self.check("setting", key, Verdict.FAILS, "setting_changed", *differences, what=what)

    def _of_versions(self, new: Manifest) -> Iterator[Check]:
        """Told, not judged: whether it matters is seen in the outputs."""
        old_ones, new_ones = ({**m["versions"], "code": m["code"][:12]} for m in (self.manifest, new))
        changed = [key for key in dict.fromkeys((*old_ones, *new_ones)) if old_ones.get(key) != new_ones.get(key)]
        for key in changed:
            words = {"said": old_ones.get(key, "—"), "found": new_ones.get(key, "—")}
            yield self.check("version", key, Verdict.TOLD, "version_changed", **words)
        if not changed:
            yield self.check("version", "", Verdict.HOLDS, "versions_same")

    def _again(self, new: Manifest, again: Path, causes: Mapping[str, list[str]]) -> Iterator[Check]:
        for name, digest in self.hashes.items():
            if name not in new["outputs"]:
                yield self.check("recomputed", name, Verdict.FAILS, "no_longer")
            elif new["outputs"][name] == digest:
                yield self.check("recomputed", name, Verdict.HOLDS, "still_holds")
            else:
                differences = _cells_differing(self.folder / name, again / name)
                why = self._why(name, new["outputs"][name], causes)
                yield self.check("recomputed", name, Verdict.FAILS, "outdated", *differences, why=why)

    def _why(self, name: str, recomputed: str, causes: Mapping[str, list[str]]) -> str:
        """Why an output differs from what is computed today."""
        reasons = [] if self.intact(name) else [text("verify_why_edited", self.lang)]
        if recomputed != self.manifest["outputs"][name]:
            for part, names in causes.items():
                reasons.append(text(f"verify_why_{part}", self.lang, names=listed(names, self.lang)))
        return clauses(reasons, self.lang) or text("verify_why_unknown", self.lang)


def _verdict(good: bool, yes: str, no: str) -> tuple[Verdict, str]:
    return (Verdict.HOLDS, yes) if good else (Verdict.FAILS, no)


def _reason(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__} {error}".split())


def _differing(line: Line, want: Wanted, lang: Lang) -> Iterator[Difference]:
    """The cells of a line that are none of the texts that are right."""
    for column, texts in want.cells.items():
        cell = line.cells.get(column)
        if cell is None or not any(_same(cell.text, right) for right in texts):
            place, found = (cell.place, cell.text) if cell else (f"{' '.join(line.key)} {column}", "")
            yield Difference(place, found, text("verify_or", lang).join(texts))


def _same(found: str, wanted: str) -> bool:
    """Whether two texts are equal, or say the same number."""
    if found == wanted:
        return True
    try:
        return float(found) == float(wanted)
    except ValueError:
        return False


def _keyed(entries: Iterable[Mapping[str, Any]], *names: str) -> dict[str, Mapping[str, Any]]:
    """The entries of a list by what names them; those that share a name are counted."""
    found: dict[str, Mapping[str, Any]] = {}
    seen: Counter[str] = Counter()
    for one in entries:
        name = " ".join(str(one[key]) for key in names)
        seen[name] += 1
        found[name if seen[name] == 1 else f"{name} #{seen[name]}"] = one
    return found


def _fields(old: Mapping[str, Any], new: Mapping[str, Any], at: str = "") -> list[Difference]:
    """The fields in which two entries differ; ``found`` is today's."""
    found: list[Difference] = []
    for key in dict.fromkeys((*old, *new)):
        before, now = old.get(key), new.get(key)
        if isinstance(before, dict) and isinstance(now, dict):
            found += _fields(before, now, f"{at}{key}.")
        elif before != now:
            found.append(Difference(f"{at}{key}", _shown(now), _shown(before)))
    return found


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else json.dumps(value, ensure_ascii=False)


def _cells_differing(path: Path, right: Path) -> list[Difference]:
    """The cells in which two files of one format differ; none where it can't be told."""
    form = format_of(path.name)
    if form is None:
        return []
    try:
        found, wanted = dict(form.cells(path)), dict(form.cells(right))
    except Exception:  # libraries raise anything on a damaged file, which its hash has told
        return []
    places = (place for place in dict.fromkeys((*wanted, *found)) if found.get(place) != wanted.get(place))
    return [Difference(place, found.get(place, ""), wanted.get(place, "")) for place in places]


def _run_again(manifest: Manifest, source: Source, folder: Path, progress: Callable[[str], None]) -> None:
    """The run of a manifest, computed again from what there is today."""
    from qpgis.assessment import assess
    from qpgis.report.outputs import EVIDENCE, write_outputs
    from qpgis.scenarios.named import as_it_was
    from qpgis.workspace.reopening import ASKED_OF_ASSESS, reopened

    chosen = {key: manifest["asked"].get(key) for key in ASKED_OF_ASSESS}
    lang: Lang = manifest["language"]
    workspace = as_it_was(reopened(manifest, source.place, zones=source.zones, progress=progress), manifest)
    assessment = assess(workspace, **chosen, lang=lang, progress_to=progress)
    evidence = bool(EVIDENCE.keys() & manifest["outputs"].keys())
    write_outputs(assessment, folder, audience=manifest["secrecy"]["audience"], evidence=evidence, progress=progress)
