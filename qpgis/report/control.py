"""What control checks write: ``control_checks.xlsx`` and ``control_checks.gpkg``, whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qpgis.catalogue import text
from qpgis.control.checks import LEDGER_COLUMNS, PATCH_COLUMNS, TABLE_COLUMNS, ControlChecks, line_text
from qpgis.errors import OutputError
from qpgis.provenance import FIXED_TIME, dateless_gpkg, require_rows, staged_outputs
from qpgis.report.tables import Sheet, write_sheet

if TYPE_CHECKING:
    import pandas as pd

XLSX, GPKG = "control_checks.xlsx", "control_checks.gpkg"
OUTPUTS = (XLSX, GPKG)


def write_control_checks(checks: ControlChecks, folder: Path) -> tuple[Path, ...]:
    """Write the table of checks, the list of patches and the ledger of farmland.

    Raises
    ------
    OutputError
        If the folder can't be written; the old files are untouched.
    """
    from xlsxwriter.exceptions import XlsxWriterException

    with staged_outputs(folder) as stage:
        try:
            _write_xlsx(checks, stage / XLSX)
        except XlsxWriterException as error:
            raise OutputError(f"{XLSX}: writing failed ({error}); the old outputs are untouched") from error
        _write_gpkg(checks, stage / GPKG)
    return tuple(folder / name for name in OUTPUTS)


def _write_xlsx(checks: ControlChecks, path: Path) -> None:
    import xlsxwriter

    with xlsxwriter.Workbook(path, {"strings_to_formulas": False, "strings_to_urls": False}) as book:
        book.set_properties({"created": FIXED_TIME, "title": checks.title})
        for sheet in _sheets(checks):
            write_sheet(book, sheet.name, sheet, checks.lang)


def _sheets(checks: ControlChecks) -> Iterator[Sheet]:
    named = (
        ("checks", TABLE_COLUMNS, checks.table),
        ("patches", PATCH_COLUMNS, checks.patches),
        ("towns", tuple(checks.by_town.columns), checks.by_town),
        ("ledger", LEDGER_COLUMNS, checks.ledger),
    )
    for key, columns, frame in named:
        rows = (_cells(row, checks) for row in frame[list(columns)].to_dict("records"))
        yield Sheet(text(f"control_sheet_{key}", checks.lang), checks.title, columns, rows)


def _cells(row: dict[Any, Any], checks: ControlChecks) -> list[Any]:
    """A row in words: checks, lines, layers and statuses by their names; missing numbers empty."""
    lang = checks.lang
    said = {name: None if value != value else value for name, value in row.items()}
    said["check"] = text(f"control_{row['check']}", lang) if "check" in row else None
    said["line"] = line_text(row["line"], lang) if row.get("line") else None
    said["status"] = text(f"control_status_{row['status']}", lang) if "status" in row else None
    said["layer"] = text(f"layer_{row['layer']}", lang) if "layer" in row else None
    said["grade"] = text(f"grade_{row['grade']}", lang) if "grade" in row else None
    return [said[str(name)] for name in row]


def _write_gpkg(checks: ControlChecks, path: Path) -> None:
    """``patches`` with their polygons, ``checks`` and ``ledger`` as tables."""
    import pyogrio

    tables: dict[str, pd.DataFrame] = {"patches": checks.patches, "checks": checks.table, "ledger": checks.ledger}
    with dateless_gpkg(path) as plain:
        for layer, frame in tables.items():
            shapes = {"geometry_type": "MultiPolygon", "promote_to_multi": True} if layer == "patches" else {}
            pyogrio.write_dataframe(frame, plain, layer=layer, driver="GPKG", append=layer != "patches", **shapes)
            require_rows(plain, layer, len(frame))
