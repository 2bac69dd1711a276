"""``qpgis release``: may a folder of outputs go out to an audience?

Beside all that verifying tells without the inputs: whom the outputs were made for, what they are computed from, whether
anything of what was left out stands in them after all, how fine their coordinates are, and the number of map approval.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from qpgis.catalogue import Lang, text
from qpgis.provenance import Audience, Secrecy
from qpgis.report.outputs import MANIFEST
from qpgis.verifying import verify
from qpgis.verifying.checks import Check, Verdict
from qpgis.verifying.formats import csv_records, page_blocks

METRES_PER_DEGREE = 111_320
WIDER = tuple(Audience)
"""The audiences, the widest first: what is for one may go to those after it."""


def release(
    folder: str | Path, audience: Audience | str, *, lang: Lang = "zh", progress: Callable[[str], None] = lambda _: None
) -> tuple[Check, ...]:
    """Check a folder of outputs before it goes out.

    Parameters
    ----------
    folder : path
        What a run wrote, with its ``manifest.json``.
    audience : Audience
        To whom it goes.
    lang : "zh" or "en"
        Of the words.
    progress : callable, optional
        Called with the name of each stage.

    Raises
    ------
    SourceError
        If there is no manifest, or none of this version of qpgis.
    """
    verified = verify(folder, lang=lang, progress=progress)
    manifest = json.loads((Path(folder) / MANIFEST).read_text(encoding="utf-8"))
    return (*_Release(Path(folder), manifest, Audience(audience), lang).checks(), *verified)


@dataclass(frozen=True)
class _Release:
    folder: Path
    manifest: Mapping[str, Any]
    audience: Audience
    lang: Lang

    def _check(self, part: str, subject: str, verdict: Verdict, key: str, /, **words: object) -> Check:
        return Check(part, subject, verdict, text(f"release_{key}", self.lang, **words))

    def checks(self) -> Iterator[Check]:
        yield from self._of_audience()
        yield from self._of_inputs()
        for path in sorted(path for path in self.folder.iterdir() if path.is_file()):
            yield from self._of_file(path)
        if (self.folder / ".qpgis").exists():
            yield self._check("attributes", ".qpgis", Verdict.TOLD, "log")
        if self.audience is Audience.PUBLIC:
            number = self.manifest["secrecy"]["map_approval"]
            verdict, key = (Verdict.HOLDS, "approved") if number else (Verdict.FAILS, "not_approved")
            yield self._check("approval", "", verdict, key, number=number)

    def _of_audience(self) -> Iterator[Check]:
        """Whom the outputs were made for, and the strictest level of what they are computed from."""
        said = self.manifest["secrecy"]
        made_for = said["audience"]
        fits = made_for in list(Audience) and WIDER.index(Audience(made_for)) <= WIDER.index(self.audience)
        words = {"made_for": made_for, "audience": self.audience}
        verdict, key = (Verdict.HOLDS, "audience") if fits else (Verdict.FAILS, "other_audience")
        yield self._check("audience", MANIFEST, verdict, key, **words)
        level = Secrecy(said["level"])
        fits = level is not Secrecy.SECRET and level.within(self.audience.values)
        words = {"level": text(f"secrecy_{level}", self.lang), "audience": self.audience}
        verdict, key = (Verdict.HOLDS, "level") if fits else (Verdict.FAILS, "too_strict")
        yield self._check("audience", MANIFEST, verdict, key, **words)

    def _of_inputs(self) -> Iterator[Check]:
        """Layers above the audience whose files are named, and paths that lead into a machine."""
        hidden = text("withheld_file")
        for one in self.manifest["inputs"]:
            if not Secrecy(one["secrecy"]).within(self.audience.values) and one["name"] != hidden:
                yield self._check("layers", one["role"], Verdict.FAILS, "names_file", name=one["name"])
        files = [one["name"] for one in self.manifest["inputs"]] + [one["file"] for one in self.manifest["definitions"]]
        for name in files:
            if PurePosixPath(name).is_absolute() or PureWindowsPath(name).is_absolute():
                yield self._check("layers", name, Verdict.FAILS, "absolute")
        names = self.manifest["secrecy"]["withheld"]["layers"].values()
        if names:
            said = ("、" if self.lang == "zh" else ", ").join(dict.fromkeys(names))
            yield self._check("layers", "", Verdict.TOLD, "withheld", names=said)

    def _of_file(self, path: Path) -> Iterator[Check]:
        """What a file holds of layers that were left out, where it hides things, and how fine its coordinates are."""
        look = {".csv": _in_csv, ".xlsx": _in_xlsx, ".gpkg": _in_gpkg, ".html": _in_html}.get(path.suffix)
        if look is None:
            return
        try:
            places = list(look(path, self.manifest["secrecy"]["withheld"]["layers"]))
        except Exception as error:  # libraries raise anything on a damaged file
            yield self._check("attributes", path.name, Verdict.FAILS, "unreadable", reason=error)
            return
        for place in places:
            yield self._check("attributes", path.name, Verdict.FAILS, "leaks", place=place)
        if not places:
            yield self._check("attributes", path.name, Verdict.HOLDS, "clean")
        if path.suffix == ".html":
            yield self._check("precision", path.name, Verdict.TOLD, "precision", metres=f"{_finest_m(path):.2g}")
        elif path.suffix == ".gpkg":
            yield self._check("precision", path.name, Verdict.TOLD, "full_precision")


Withheld = Mapping[str, str]


def _in_csv(path: Path, withheld: Withheld) -> Iterator[str]:
    """Rows of findings that name a feature or a place of a layer that was left out."""
    head, *rows = csv_records(path)
    for n, row in enumerate(rows, 2):
        cells = dict(zip(head, row, strict=False))
        if cells.get("layer") in withheld and (cells.get("feature_id") or cells.get("location")):
            yield f"{n}: {cells['layer']}"


def _in_xlsx(path: Path, withheld: Withheld) -> Iterator[str]:
    """Sheets, rows and columns that are hidden, and comments; findings that name a place of a layer left out."""
    import openpyxl

    book = openpyxl.load_workbook(path)
    with closing(book):
        for sheet in book.worksheets:
            if sheet.sheet_state != "visible":
                yield sheet.title
            sizes = {**sheet.row_dimensions, **sheet.column_dimensions}
            yield from (f"{sheet.title}!{key}" for key, size in sizes.items() if size.hidden)
            yield from (f"{sheet.title}!{one.coordinate}" for row in sheet.iter_rows() for one in row if one.comment)


def _in_gpkg(path: Path, withheld: Withheld) -> Iterator[str]:
    """Features of layers that were left out, in any table that says of its rows which layer they are of."""
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as base:
        for (table,) in base.execute("SELECT table_name FROM gpkg_contents").fetchall():
            columns = [column for _, column, *_ in base.execute(f'PRAGMA table_info("{table}")')]
            if "layer" in columns and "feature_id" in columns:
                rows = base.execute(f'SELECT layer, COUNT(*) FROM "{table}" WHERE feature_id != "" GROUP BY layer')
                yield from (f"{table}: {layer} ({count})" for layer, count in rows if layer in withheld)


def _in_html(path: Path, withheld: Withheld) -> Iterator[str]:
    """Layers of the map that were left out."""
    titles = set(withheld.values())
    for block in page_blocks(path).values():
        if isinstance(block, dict) and block.get("title") in titles and block.get("features"):
            yield str(block["title"])


def _finest_m(path: Path) -> float:
    """The finest step of the coordinates of a page, in metres."""
    blocks = (block for block in page_blocks(path).values() if isinstance(block, dict))
    return METRES_PER_DEGREE / max((block["scale"] for block in blocks if "scale" in block), default=METRES_PER_DEGREE)
