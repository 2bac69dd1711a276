"""What changed between two runs: row by row, and what else differs between them."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from decimal import Context, Decimal, InvalidOperation
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qpgis.amounts import SHOWN, next_to_nothing
from qpgis.catalogue import Lang, clauses, keys, listed, text, unit_text
from qpgis.errors import ConfigError, SourceError
from qpgis.indicators import registry
from qpgis.indicators.declaration import REPORTED, STATISTICS
from qpgis.provenance import Grade, sha256_of, worst
from qpgis.rows import CSV_COLUMNS

if TYPE_CHECKING:
    import pandas as pd

    from qpgis.scenarios.explain import Explanation
    from qpgis.workspace import Workspace

VALUES, MANIFEST = "indicators.csv", "manifest.json"
"""What a folder of a run must hold to be compared."""
_AMOUNTS = ("numerator", "denominator")
_PAIRED = ("period", "value", "target", "status", "grade", "note")
NUMBERS = (
    *("value_before", "value_after", "difference", "relative"),
    *(f"{amount}_{which}" for amount in _AMOUNTS for which in ("before", "after", "difference")),
    *("target_before", "target_after"),
)
"""The columns of numbers; empty is missing."""
COLUMNS = (
    *("indicator", "definition", "zone_id", "zone_name", "level", "period_before", "period_after"),
    *("value_before", "value_after", "difference", "relative", "unit"),
    *(f"{amount}_{which}" for amount in _AMOUNTS for which in ("before", "after", "difference", "unit")),
    *("target_before", "target_after", "status_before", "status_after", "grade_before", "grade_after", "grade"),
    *("only", "unlike", "note", "note_before", "note_after"),
)
"""The columns of a comparison.

``relative`` is a share of the value before; ``grade`` the worst of both; ``only`` is ``before`` or ``after`` where the
row is in one of them only, with the reason in ``note``; ``unlike`` tells how definitions differ that were compared all
the same.
"""
EMERGED = 1000
"""A value that grew more than so many times began near nothing: its relative change would say nothing."""
NOTHING = Decimal("1e-9")
"""So small a value is near nothing in any unit."""
_TABLES = ("outputs", "state", "plane", "versions", "thresholds", "titles")
_LISTS = {
    "definitions": {"indicator", "definition"},
    "inputs": {"role", "name", "rows", "sha256"},
    "plans": {"id", "targets"},
    "zones": {"id", "name", "area_km2", "shape"},
}
"""What a manifest holds: tables, and lists of tables with what each has at least."""
LISTED = 40
"""How many changed rows :meth:`Comparison.text` lists."""


@dataclass(frozen=True)
class Recorded:
    """A run as it was written: what is compared is what was printed.

    Attributes
    ----------
    name : str
        What the comparison calls it.
    rows : tuple of mapping
        The rows of ``indicators.csv``, cell by cell.
    about : mapping
        What ``manifest.json`` tells.
    altered : bool
        True where the table isn't the one that the manifest was written for.
    """

    name: str
    rows: tuple[Mapping[str, str], ...] = field(repr=False)
    about: Mapping[str, Any] = field(repr=False)
    altered: bool = False

    @classmethod
    def read(cls, folder: Path) -> Recorded:
        """The run that ``qpgis run`` wrote into a folder.

        Raises
        ------
        SourceError
            If a file is missing or isn't what ``qpgis run`` writes.
        """
        for name in (VALUES, MANIFEST):
            if not (folder / name).is_file():
                raise SourceError(f"{folder / name} is missing; name the folder that `qpgis run --out` wrote")
        try:
            about = json.loads((folder / MANIFEST).read_text("utf-8"))
            with (folder / VALUES).open(encoding="utf-8-sig", newline="") as stream:
                reader = csv.DictReader(stream, strict=True)
                rows, columns = tuple(reader), reader.fieldnames or ()
        except (ValueError, csv.Error) as error:
            raise SourceError(f"{folder}: {error}; run `qpgis run` again") from error
        if not _is_manifest(about):
            raise SourceError(f"{folder / MANIFEST} is no manifest of a run; run `qpgis run` again")
        if lacking := [name for name in CSV_COLUMNS if name not in columns]:
            raise SourceError(f"{folder / VALUES}: no column {lacking[0]!r}; run `qpgis run` again")
        if any(None in row or None in row.values() for row in rows):
            raise SourceError(f"{folder / VALUES}: rows with more or fewer cells than columns; run `qpgis run` again")
        altered = about.get("outputs", {}).get(VALUES) != sha256_of(folder / VALUES)
        return cls(str(folder), rows, about, altered)

    @cached_property
    def by_key(self) -> Mapping[tuple[str, str, str], Mapping[str, str]]:
        """Rows by indicator, definition and zone."""
        return {(row["indicator"], row["definition"], row["zone_id"]): row for row in self.rows}

    @cached_property
    def definitions(self) -> Mapping[str, Mapping[str, str]]:
        """The unit of each definition of each indicator, in the order of the rows."""
        found: dict[str, dict[str, str]] = {}
        for row in self.rows:
            found.setdefault(row["indicator"], {}).setdefault(row["definition"], row["unit"])
        return found

    @cached_property
    def defined(self) -> Mapping[tuple[str, str], Mapping[str, Any]]:
        """What the manifest tells of each definition."""
        return {(one["indicator"], one["definition"]): one for one in self.about["definitions"]}

    @cached_property
    def zones(self) -> Mapping[str, Mapping[str, str]]:
        """Name, level, area and shape of each zone by id; nothing where the run didn't record them."""
        return {zone["id"]: zone for zone in self.about.get("zones", ())}

    @cached_property
    def computed(self) -> frozenset[str]:
        """The zones that have rows."""
        return frozenset(row["zone_id"] for row in self.rows)


@dataclass(frozen=True)
class Difference:
    """Something that isn't the same for two runs, beside their values.

    Attributes
    ----------
    what : str
        ``period``, ``scenario``, ``input``, ``zone``, ``definition``, ``threshold``, ...
    name : str
        Which of them; empty where there is only one.
    before, after : str
        Empty where it isn't there.
    """

    what: str
    name: str
    before: str
    after: str

    def text(self, lang: Lang = "zh") -> str:
        """One line."""
        none = text("diff_none", lang)
        words = {"what": text(f"diff_{self.what}", lang), "name": self.name and f" {self.name}"}
        return text("diff_line", lang, **words, before=self.before or none, after=self.after or none)


@dataclass(frozen=True)
class Comparison:
    """The result of :func:`qpgis.compare`.

    Attributes
    ----------
    before, after : str
        What was compared.
    records : tuple of dict
        Rows with the columns of :data:`COLUMNS`; numbers are exact decimals, ``None`` is missing.
    differences : tuple of Difference
        What else differs between the two.
    titles : mapping of str to str
        What planners call the indicators.
    lang : "zh" or "en"
    inputs : pair of Workspace or None
        What the runs were computed from, where it is at hand.
    """

    before: str
    after: str
    records: tuple[Mapping[str, Any], ...] = field(repr=False)
    differences: tuple[Difference, ...] = field(repr=False)
    titles: Mapping[str, str] = field(repr=False)
    lang: Lang = "zh"
    inputs: tuple[Workspace | None, Workspace | None] = field(default=(None, None), repr=False, compare=False)

    def __repr__(self) -> str:
        return f"<Comparison of {self.before} with {self.after}: {self._counts()}; {len(self.differences)} differences>"

    @cached_property
    def table(self) -> pd.DataFrame:
        """All rows as an ordinary DataFrame; missing numbers are NaN."""
        import pandas as pd

        frame = pd.DataFrame(self.records, columns=list(COLUMNS))
        frame[list(NUMBERS)] = frame[list(NUMBERS)].astype(float)
        return frame

    def changed(self) -> pd.DataFrame:
        """The rows whose value, numerator, denominator, target or status isn't what it was, and those of one run."""
        return self.table[[_has_changed(one) for one in self.records]].reset_index(drop=True)

    def explain(
        self, indicator: str, zone: str | None = None, definition: str | None = None, *, top: int = 10
    ) -> Explanation:
        """What made an indicator change, see :func:`qpgis.scenarios.explain.explain`."""
        from qpgis.scenarios.explain import explain

        return explain(self, indicator, zone, definition, top=top)

    def text(self) -> str:
        """What differs between the two runs, then the rows that changed, those with another status first."""
        return "\n".join(self._lines())

    def as_record(self) -> dict[str, Any]:
        """Everything as JSON takes it."""
        rows = [{k: float(v) if isinstance(v, Decimal) else v for k, v in one.items()} for one in self.records]
        ordered = [{name: row[name] for name in COLUMNS} for row in rows]
        differences = [asdict(one) for one in self.differences]
        return {"before": self.before, "after": self.after, "differences": differences, "rows": ordered}

    def _counts(self) -> str:
        both = [one for one in self.records if not one["only"]]
        numbers = {
            "both": len(both),
            "changed": sum(_has_changed(one) for one in both),
            "unlike": sum(bool(one["unlike"]) for one in both),
            **{which: sum(one["only"] == which for one in self.records) for which in ("before", "after")},
        }
        return text("diff_counts", self.lang, **numbers)

    def _lines(self) -> Iterator[str]:
        yield text("diff_title", self.lang, before=self.before, after=self.after)
        yield text("diff_runs", self.lang)
        yield from (f"  {one.text(self.lang)}" for one in self.differences)
        if not self.differences:
            yield f"  {text('diff_none', self.lang)}"
        yield self._counts()
        both = [one for one in self.records if not one["only"] and _has_changed(one)]
        both.sort(key=lambda one: one["status_before"] == one["status_after"])
        yield from (f"  {self._line(one)}" for one in both[:LISTED])
        if len(both) > LISTED:
            yield f"  {text('diff_more', self.lang, count=len(both) - LISTED)}"
        alone: dict[tuple[str, str, str], int] = {}
        for one in self.records:
            if one["only"]:
                key = (one["only"], one["indicator"], one["note"])
                alone[key] = alone.get(key, 0) + 1
        for (which, indicator, why), count in alone.items():
            words = {"name": self.titles.get(indicator, indicator), "count": count, "why": why}
            yield f"  {text(f'diff_only_{which}', self.lang, **words)}"

    def _line(self, one: Mapping[str, Any]) -> str:
        points = text("unit_points", self.lang) if one["unit"] == "%" else unit_text(one["unit"], self.lang)
        shown = {which: _shown(one[f"value_{which}"]) for which in ("before", "after")}
        words = {
            "name": self.titles.get(one["indicator"], one["indicator"]),
            "zone": one["zone_name"],
            "definition": one["definition"],
            "unit": unit_text(one["unit"], self.lang),
            **{which: value or text("diff_none", self.lang) for which, value in shown.items()},
        }
        said = [text("diff_row", self.lang, **words)]
        if one["difference"] is not None:
            said.append(f"{one['difference']:+.6g} {points}")
        if one["relative"] is not None:
            said.append(f"{one['relative']:+.2%}")
        if one["status_before"] != one["status_after"]:
            said.append(
                " → ".join(text(f"status_{one[f'status_{which}']}", self.lang) for which in ("before", "after"))
            )
        if one["grade"]:
            said.append(text(f"grade_{one['grade']}", self.lang))
        return clauses([*said, *filter(None, [one["note"]])], self.lang)


def _is_manifest(about: Any) -> bool:
    """Whether what was read can be a manifest; what older versions didn't write may lack."""
    if not isinstance(about, dict) or "definitions" not in about:
        return False
    lists = [(about.get(name, []), needed) for name, needed in _LISTS.items()]
    return all(isinstance(about.get(name, {}), dict) for name in _TABLES) and all(
        isinstance(found, list) and all(isinstance(one, dict) and needed <= one.keys() for one in found)
        for found, needed in lists
    )


def compared(
    before: Recorded,
    after: Recorded,
    *,
    unlike: bool = False,
    lang: Lang = "zh",
    inputs: tuple[Workspace | None, Workspace | None] = (None, None),
) -> Comparison:
    """Two runs, row by row.

    Parameters
    ----------
    before, after : Recorded
    unlike : bool
        Compare definitions too that aren't the same, and mark their rows.
    lang : "zh" or "en"
    inputs : pair of Workspace or None
        What the runs were computed from, where it is at hand.

    Raises
    ------
    ConfigError
        If definitions aren't alike and ``unlike`` isn't given.
    """
    refused = [*_unlike(before, after)]
    if refused and not unlike:
        head = "unlike definitions aren't compared; compute both by the same, or tell so with unlike=True (--unlike)"
        raise ConfigError([f"{indicator}: {why}" for indicator, _, _, why in refused], file=head)
    why = {(indicator, one, other): text("diff_unlike", lang, why=said) for indicator, one, other, said in refused}
    pairing = _Pairing(before, after, why, lang)
    titles = {name: _title(name, before, after, lang) for name in (*before.definitions, *after.definitions)}
    records, differences = tuple(pairing.records()), tuple(_differences(before, after, titles, lang))
    return Comparison(before.name, after.name, records, differences, titles, lang, inputs)


def _title(indicator: str, before: Recorded, after: Recorded, lang: Lang) -> str:
    known = registry()
    if indicator in known:
        return known[indicator].title(lang)
    return {**before.about.get("titles", {}), **after.about.get("titles", {})}.get(indicator, indicator)


# ------------------------------------------------------------------------------------------------------ definitions


def _unlike(before: Recorded, after: Recorded) -> Iterator[tuple[str, str, str, str]]:
    """Indicator, both definitions, and why they can't be compared."""
    for indicator, ours in before.definitions.items():
        theirs = after.definitions.get(indicator, {})
        if not theirs:
            continue
        common = [name for name in ours if name in theirs]
        if not common:
            why = f"no common definition (before: {', '.join(ours)}; after: {', '.join(theirs)})"
            yield indicator, next(iter(ours)), next(iter(theirs)), why
        for name in common:
            redefined = _redefined(before, after, indicator, name)
            if why := "; ".join(f"{what} {one} -> {two}" for what, one, two in redefined):
                yield indicator, name, name, f"{name}: {why}"


def _redefined(before: Recorded, after: Recorded, indicator: str, name: str) -> Iterator[tuple[str, str, str]]:
    """What isn't the same for a definition of one name: what, before and after."""
    units = before.definitions[indicator][name], after.definitions[indicator][name]
    if units[0] != units[1]:
        yield "unit", *units
    one, two = (run.defined.get((indicator, name), {}) for run in (before, after))
    settings = one.get("settings", {}), two.get("settings", {})
    for key in sorted({*settings[0], *settings[1]}):
        values = [_json(of.get(key)) for of in settings]
        if values[0] != values[1]:
            yield key, values[0], values[1]
    for key in ("text", "version"):
        if one.get(key) != two.get(key):
            yield key, str(one.get(key)), str(two.get(key))


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


# ------------------------------------------------------------------------------------------------------------- rows


@dataclass(frozen=True)
class _Pairing:
    before: Recorded
    after: Recorded
    why: Mapping[tuple[str, str, str], str]
    lang: Lang

    def records(self) -> Iterator[dict[str, Any]]:
        for indicator in dict.fromkeys((*self.before.definitions, *self.after.definitions)):
            for one, other in self._definitions(indicator):
                zones = [
                    row["zone_id"]
                    for run, name in ((self.before, one), (self.after, other))
                    for row in run.rows
                    if (row["indicator"], row["definition"]) == (indicator, name)
                ]
                for zone in dict.fromkeys(zones):
                    a = self.before.by_key.get((indicator, one, zone))
                    b = self.after.by_key.get((indicator, other, zone))
                    yield self._record(a, b, self.why.get((indicator, one, other), ""))

    def _definitions(self, indicator: str) -> Iterator[tuple[str, str]]:
        """The definitions that are held against each other; one that stands alone is held against its own name."""
        ours, theirs = (run.definitions.get(indicator, {}) for run in (self.before, self.after))
        crossed = [(a, b) for of, a, b in self.why if of == indicator and a != b]
        taken = {name for pair in crossed for name in pair}
        yield from crossed
        yield from ((name, name) for name in dict.fromkeys((*ours, *theirs)) if name not in taken)

    def _record(self, a: Mapping[str, str] | None, b: Mapping[str, str] | None, unlike: str) -> dict[str, Any]:
        row = b or a
        assert row is not None
        names = [one["definition"] for one in (a, b) if one is not None]
        found: dict[str, Any] = {name: row[name] for name in ("indicator", "zone_id", "zone_name", "level", "unit")}
        found["definition"] = " → ".join(dict.fromkeys(names))
        for name in _PAIRED:
            for which, one in (("before", a), ("after", b)):
                cell = one[name] if one else ""
                found[f"{name}_{which}"] = _number(cell, one) if name in ("value", "target") else cell
        grades = worst(Grade(one["grade"]) for one in (a, b) if one and one["grade"])
        found |= {"grade": str(grades or ""), "unlike": unlike if a and b else ""}
        found |= {"only": "" if a and b else "before" if a else "after"}
        found |= {"difference": None, "relative": None, "note": self._note(a, b)}
        for amount in _AMOUNTS:
            found |= self._amounts(amount, a, b)
        if a and b and a["unit"] == b["unit"]:
            found["difference"] = _minus(found["value_after"], found["value_before"])
            found["relative"] = self._relative(found, a)
        return found

    def _amounts(self, amount: str, a: Mapping[str, str] | None, b: Mapping[str, str] | None) -> dict[str, Any]:
        before, after = (_number(one[amount], one) if one else None for one in (a, b))
        units = {one[f"{amount}_unit"] for one in (a, b) if one and one[amount]}
        both = _minus(after, before) if len(units) == 1 else None
        cells = {"before": before, "after": after, "difference": both, "unit": " → ".join(sorted(units))}
        return {f"{amount}_{which}": value for which, value in cells.items()}

    def _relative(self, found: Mapping[str, Any], a: Mapping[str, str]) -> Decimal | None:
        """The change as a share of the value before; none where that is near nothing, or on the other side of it."""
        before, after = found["value_before"], found["value_after"]
        if before is None or after is None or before * after < 0:
            return None
        if abs(before) <= max(NOTHING, abs(after) / EMERGED) or self._next_to_nothing(found["numerator_before"], a):
            return None
        return Context(prec=12).divide(found["difference"], abs(before))

    def _next_to_nothing(self, numerator: Decimal | None, a: Mapping[str, str]) -> bool:
        """Whether so much is what rounding, or borders drawn twice, leave of nothing."""
        units = {shown: (unit, places) for unit, (shown, places) in SHOWN.items()}
        if numerator is None or a["numerator_unit"] not in units:
            return False
        unit, places = units[a["numerator_unit"]]
        area = Decimal(self.before.zones.get(a["zone_id"], {}).get("area_km2", 0))
        return abs(numerator).scaleb(places) <= next_to_nothing(unit, int(area.scaleb(SHOWN["m2"][1])))

    def _note(self, a: Mapping[str, str] | None, b: Mapping[str, str] | None) -> str:
        if a and b:
            one, two = (run.zones.get(a["zone_id"]) for run in (self.before, self.after))
            redrawn = one and two and one["shape"] != two["shape"]
            said = ["diff_note_redrawn"] if redrawn else []
            if (a["target"], a["operator"], a["target_year"]) != (b["target"], b["operator"], b["target_year"]):
                said.append("diff_note_target")
            if a["unit"] != b["unit"]:
                said.append("diff_note_unit")
            return clauses((text(key, self.lang) for key in said), self.lang)
        row, run = (a, self.after) if a else (b, self.before)
        assert row is not None
        return text(f"diff_why_{_why_alone(row, run)}", self.lang)


def _why_alone(row: Mapping[str, str], other: Recorded) -> str:
    """Why a row has none beside it in the other run."""
    if row["zone_id"] not in other.computed:
        return "zone_not_computed" if row["zone_id"] in other.zones else "zone"
    if row["indicator"] not in other.definitions:
        return "indicator"
    if row["definition"] in other.definitions[row["indicator"]]:
        return "row"
    published = row["definition"] == STATISTICS or row["definition"].startswith(REPORTED)
    return "published" if published else "definition"


def _number(cell: str, row: Mapping[str, str] | None) -> Decimal | None:
    try:
        number = Decimal(cell) if cell else None
    except InvalidOperation:
        number = Decimal("nan")
    if number is None or number.is_finite():
        return number
    where = f"{row['indicator']}, {row['zone_id']}" if row else ""
    raise SourceError(f"{VALUES}: {cell!r} ({where}) is no number; run `qpgis run` again")


def _minus(after: Decimal | None, before: Decimal | None) -> Decimal | None:
    return None if after is None or before is None else after - before


def _shown(value: Decimal | None) -> str:
    return "" if value is None else f"{float(value):.6g}"


def _has_changed(one: Mapping[str, Any]) -> bool:
    names = (*("value", "target", "status"), *_AMOUNTS)
    return bool(one["only"]) or any(one[f"{name}_before"] != one[f"{name}_after"] for name in names)


# ----------------------------------------------------------------------------------------------- what else differs


def _differences(before: Recorded, after: Recorded, titles: Mapping[str, str], lang: Lang) -> Iterator[Difference]:
    runs = (before, after)
    for what in ("workspace", "period"):
        yield from _differing(what, {"": before.about.get(what)}, {"": after.about.get(what)})
    states = [run.about.get("state", {}) for run in runs]
    for what in ("as_of", "statuses", "scenario"):
        said = [listed(one, lang) if isinstance(one, list) else one for one in (state.get(what) for state in states)]
        yield from _differing(what, {"": said[0]}, {"": said[1]})
    yield from _differing("plane", *({"": run.about.get("plane", {}).get("definition")} for run in runs))
    yield from _inputs(before, after, lang)
    if before.zones and after.zones:
        yield from _differing("zone", *({_zone_name(z): _zone_text(z) for z in run.zones.values()} for run in runs))
    elif before.zones or after.zones:
        yield Difference("zones_unknown", "", *(_said(len(run.zones) or None) for run in runs))
    for key in sorted(before.defined.keys() & after.defined.keys()):
        if key[1] in before.definitions.get(key[0], {}) and key[1] in after.definitions.get(key[0], {}):
            for what, one, two in _redefined(before, after, *key):
                yield Difference("definition", f"{titles[key[0]]} {key[1]} {what}", one, two)
    yield from _differing("threshold", *(_thresholds(run) for run in runs))
    yield from _differing("plan", *({p["id"]: p["targets"] for p in run.about.get("plans", ())} for run in runs))
    yield from _differing("version", *(run.about.get("versions", {}) for run in runs))
    for run in runs:
        if run.altered:
            yield Difference("altered", run.name, text("diff_as_written", lang), text("diff_not_as_written", lang))


def _differing(what: str, before: Mapping[str, object], after: Mapping[str, object]) -> Iterator[Difference]:
    for name in dict.fromkeys((*before, *after)):
        one, two = _said(before.get(name)), _said(after.get(name))
        if one != two:
            yield Difference(what, name, one, two)


def _said(value: object) -> str:
    return "" if value is None else str(value)


def _inputs(before: Recorded, after: Recorded, lang: Lang) -> Iterator[Difference]:
    """Files by what they are for; by their names too where several are for the same."""
    several = {role for run in (before, after) for role in _roles(run) if _roles(run).count(role) > 1}
    found = []
    for run in (before, after):
        files = {}
        for one in run.about.get("inputs", ()):
            role = one["role"]
            named = f"{_layer_title(role, lang)} {one['name']}" if role in several else _layer_title(role, lang)
            files[named] = one
        found.append(files)
    for name in dict.fromkeys((*found[0], *found[1])):
        pair = [files.get(name) for files in found]
        if len({one["sha256"] if one else "" for one in pair}) > 1:
            words = [_file_text(one, lang) if one else "" for one in pair]
            yield Difference("input", name, *words)


def _roles(run: Recorded) -> list[str]:
    return [one["role"] for one in run.about.get("inputs", ())]


def _layer_title(role: str, lang: Lang) -> str:
    return next((text(key, lang) for key in (f"layer_{role}", f"input_{role}") if key in keys()), role)


def _file_text(one: Mapping[str, Any], lang: Lang) -> str:
    return text("diff_file", lang, name=one["name"], rows=one["rows"], sha256=one["sha256"][:12])


def _zone_name(zone: Mapping[str, str]) -> str:
    return zone["id"]


def _zone_text(zone: Mapping[str, str]) -> str:
    return f"{zone['name']} {zone['area_km2']} km² ({zone['shape'][:12]})"


def _thresholds(run: Recorded) -> dict[str, object]:
    given = run.about.get("thresholds", {})
    lights = {f"{kind}.{status}": light for kind, of in given.get("lights", {}).items() for status, light in of.items()}
    return {**{key: given.get(key) for key in ("about_tolerance", "path_tolerance")}, **lights}
