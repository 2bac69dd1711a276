"""Tables of an assessment: CSV, XLSX and GeoPackage, the same numbers in each and the same bytes every time."""

from __future__ import annotations

import csv
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import astuple, replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import shapely

from qpgis.amounts import Amount
from qpgis.assessment import Assessment, Withheld
from qpgis.catalogue import Lang, keys, text, unit_text
from qpgis.crs import LONLAT
from qpgis.disclosure import said_of
from qpgis.findings import COLUMNS as FINDING_COLUMNS
from qpgis.findings import Finding
from qpgis.indicators.declaration import REPORTED
from qpgis.landuse import scheme
from qpgis.layers import PRESENT, SHOW
from qpgis.plantables import PLAN_COLUMNS, threshold_lines
from qpgis.projects import LIST, PROGRESS, project_progress, project_records
from qpgis.provenance import FIXED_TIME, Grade, dateless_gpkg, require_rows, staged_outputs, worst
from qpgis.quality.areas import TOTAL, WITHOUT_CODE
from qpgis.rows import Row, number_text, row_cells, rows_csv, safe_text, status_text, zones_of
from qpgis.scenarios.compare import COLUMNS as COMPARED
from qpgis.scenarios.compare import Comparison
from qpgis.scenarios.explain import COLUMNS as EXPLAINED
from qpgis.scenarios.explain import Explanation
from qpgis.scenarios.gap import Answer
from qpgis.scenarios.shortfall import COLUMNS as SHORTFALL_COLUMNS
from qpgis.scenarios.shortfall import Shortfall
from qpgis.scenarios.trajectory import summaries
from qpgis.styles import lights

if TYPE_CHECKING:
    import geopandas as gpd
    import pandas as pd
    from xlsxwriter import Workbook
    from xlsxwriter.format import Format

CELL_CHARACTERS, ROW_LINES = 32_767, 27
"""As many characters a cell holds, and as many lines a row can show."""
_NO_XML = re.compile("[\ud800-\udfff\ufffe\uffff]")
WIDEST = 60
"""Columns of text are at most this wide; what is longer runs over several lines."""


def csv_record(row: Row, assessment: Assessment) -> list[str]:
    """The cells of one row of ``indicators.csv``."""
    return row_cells(row, assessment.workspace)


def write_indicators_csv(assessment: Assessment, path: Path) -> None:
    """``indicators.csv``: UTF-8 with byte-order mark, one row per zone, indicator and definition; empty is missing."""
    path.write_bytes(rows_csv(assessment.rows, assessment.workspace))


def write_comparison_csv(comparison: Comparison, path: Path) -> None:
    """A comparison of two runs, every row; amounts and differences are exact decimals."""
    rows = ([_compared_cell(one[name]) for name in COMPARED] for one in comparison.records)
    with staged_outputs(path.parent) as stage:
        _write_csv(stage / path.name, COMPARED, rows)


def write_explanation_csv(explanation: Explanation, path: Path) -> None:
    """What made values change, a row for each zone and factor; contributions and differences are exact decimals."""
    rows = ([_compared_cell(one[name]) for name in EXPLAINED] for one in explanation.records)
    with staged_outputs(path.parent) as stage:
        _write_csv(stage / path.name, EXPLAINED, rows)


def _compared_cell(value: object) -> str:
    return f"{value:f}" if isinstance(value, Decimal) else safe_text(value)


def write_findings_csv(assessment: Assessment, path: Path) -> None:
    """``findings.csv``: the findings, worst first."""
    _write_csv(path, FINDING_COLUMNS, ([safe_text(cell) for cell in astuple(f)] for f in assessment.findings))


SCENARIOS = "scenarios.csv"


def write_scenarios(table: pd.DataFrame, folder: Path, lang: Lang) -> Path:
    """``scenarios.csv``: the values of scenarios side by side; empty is missing."""
    table = table.rename(columns={PRESENT: text("scenario_present", lang)})
    rows = ([safe_text(v) if isinstance(v, str) else number_text(v) for v in row] for row in table.to_numpy())
    with staged_outputs(folder) as stage:
        _write_csv(stage / SCENARIOS, (safe_text(name) for name in table.columns), rows)
    return folder / SCENARIOS


GAP = "gap.csv"


def write_gap(found: Iterable[Shortfall], folder: Path) -> Path:
    """``gap.csv``: what each value lacks until its target is met; empty is missing."""
    rows = ([_cell(value) for value in one.record().values()] for one in found)
    with staged_outputs(folder) as stage:
        _write_csv(stage / GAP, SHORTFALL_COLUMNS, rows)
    return folder / GAP


CHOSEN = "chosen.gpkg"


def write_chosen(answer: Answer, folder: Path) -> Path:
    """``chosen.gpkg``: what was chosen to close a gap, with its columns; a scenario of ``qpgis.toml`` may name it."""
    import pyogrio

    frame = answer.chosen
    with staged_outputs(folder) as stage, dateless_gpkg(stage / CHOSEN) as plain:
        pyogrio.write_dataframe(frame, plain, layer="chosen", driver="GPKG")
        require_rows(plain, "chosen", len(frame))
    return folder / CHOSEN


def _cell(value: object) -> str:
    if isinstance(value, float):
        return number_text(value)
    return "" if value is None else safe_text(str(value))


LAND_COLUMNS = (
    *("zone_id", "zone_name", "class", "class_name", "geometry_m2", "field_m2", "net_m2", "dike_m2", "area_m2"),
    *("control_m2", "residual_m2"),
)


def write_land_areas_csv(assessment: Assessment, path: Path) -> None:
    """``land_areas.csv``: land use of each zone drawn and stated; the row without a class is the whole zone."""
    rows = ([safe_text(v) if isinstance(v, str) else number_text(v) for v in row] for row in _land_rows(assessment))
    _write_csv(path, LAND_COLUMNS, rows)


def _land_rows(a: Assessment) -> Iterator[list[Any]]:
    land = a.workspace.land_areas
    assert land is not None
    names = {zone.id: zone.name for zone in zones_of(a.workspace)}
    table = scheme(a.workspace.layers["landuse"].scheme)
    said = {TOTAL: text("land_all", a.lang), WITHOUT_CODE: text("land_unclassified", a.lang)}
    for row in land.itertuples(index=False):
        found = table.lookup(row[1])
        name = found.name if found else said.get(row[1], "")
        yield [row[0], names[row[0]], row[1], name, *(_finite(value) for value in row[2:])]


def _finite(value: float) -> float | None:
    return None if value != value else round(value, 6)


def _write_csv(path: Path, columns: Iterable[str], rows: Iterable[Iterable[str]]) -> None:
    with path.open("w", encoding="utf-8-sig", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\r\n")
        writer.writerow(columns)
        writer.writerows(rows)


def write_xlsx(assessment: Assessment, path: Path) -> None:
    """``indicators.xlsx``: values, targets, definitions, findings and sources, a sheet each, with real numbers."""
    import xlsxwriter

    with xlsxwriter.Workbook(path, {"strings_to_formulas": False, "strings_to_urls": False}) as book:
        level = text(f"secrecy_{assessment.secrecy}", assessment.lang)
        book.set_properties({"created": FIXED_TIME, "title": assessment.heading, "status": level})
        for sheet in _sheets(assessment):
            name = sheet_name(sheet.name, [one.get_name() for one in book.worksheets()])
            write_sheet(book, name, sheet, assessment.lang, below=assessment.signatures)


class Sheet(NamedTuple):
    """A sheet of the workbook: its name, what stands above it, the keys of its columns, its rows."""

    name: str
    title: str
    columns: tuple[str, ...]
    rows: Iterator[list[Any]]


def _sheet(a: Assessment, key: str, columns: tuple[str, ...], rows: Iterator[list[Any]]) -> Sheet:
    return Sheet(text(f"sheet_{key}", a.lang), a.heading, columns, rows)


VALUE_COLUMNS = (
    *("indicator", "zone", "level", "period", "value", "unit", "target", "property", "progress", "elapsed"),
    *("status", "light", "definition", "numerator", "numerator_unit", "denominator", "denominator_unit"),
    *("grade", "note", "source"),
)
"""The columns of the workbook's first sheet."""
FIRST_ROW = 4
"""The row of a sheet, counted from 1, at which its rows begin; its columns' names stand above it."""
SHEET_NAME = 31
"""As many characters a sheet's name can have."""


def sheet_name(wanted: str, taken: Collection[str]) -> str:
    """A name that a workbook allows and that no other sheet has, near the wanted one.

    >>> sheet_name("a/b", []), sheet_name("x", ["X"])
    ('a b', 'x 2')
    """
    plain = re.sub(r"[\[\]:*?/\\]", " ", wanted).strip(" '")[:SHEET_NAME]
    names = (plain if n == 1 else f"{plain[: SHEET_NAME - 4]} {n}" for n in range(1, 1000))
    used = {name.casefold() for name in taken}
    return next(name for name in names if name.casefold() not in used)


def _sheets(a: Assessment) -> Iterator[Sheet]:
    """Every sheet in its order."""
    yield _sheet(a, "indicators", VALUE_COLUMNS, (_value_row(a, r) for r in a.rows))
    several = len(a.plan_tables) > 1
    for table in a.plan_tables:
        heading = text("sheet_targets", a.lang)
        name = f"{heading} {table.short}" if several else heading
        yield Sheet(name, a.drafted(table.title), PLAN_COLUMNS, (_plan_row(a, record) for record in table.records))
    if a.plan_tables:
        yield _sheet(
            a, "thresholds", ("setting",), ([line] for line in threshold_lines(a.workspace.thresholds, a.lang))
        )
    if a.series_records:
        series = ("indicator", "zone", "period", "value", "unit", "definition", "grade", "source", "used", "ground")
        yield _sheet(a, "series", series, _series_rows(a))
    ways = [one for one in summaries(a) if one["due"] is not None or one["met_year"] is not None]
    if ways:
        yield _sheet(a, "trajectory", TRAJECTORY, (_trajectory_row(a, one) for one in ways))
    if listed := project_records(a.workspace, a.lang):
        yield _sheet(a, "project_progress", PROGRESS, _cells_of(project_progress(a.workspace, a.lang), PROGRESS, a))
        yield _sheet(a, "projects", LIST, _cells_of(listed, LIST, a))
    if a.workspace.land_areas is not None:
        yield _sheet(a, "land_areas", LAND_COLUMNS, _land_rows(a))
    definitions = ("indicator", "definition", "definition_text", "standing", "source", "department")
    yield _sheet(a, "definitions", definitions, _definition_rows(a))
    found = ("severity", "rule", "layer", "file", "feature", "location", "content", "message", "action")
    rows = (_finding_row(a, f) for f in a.findings)
    yield _sheet(a, "findings", found, rows)
    sources = ("file", "layer", "grade", "secrecy", "rows", "crs", "source", "licence", "date", "sha256")
    yield _sheet(a, "sources", sources, _source_rows(a))
    if a.withheld != Withheld():
        yield _sheet(a, "secrecy", ("setting",), ([line] for line in said_of(a)))


def _value_row(a: Assessment, row: Row) -> list[Any]:
    return [
        a.title(row.indicator),
        row.zone.name,
        level_text(row.zone.level, a.lang),
        row.period or a.workspace.period,
        _number(row.value),
        unit_text(row.unit, a.lang),
        row.target.text if row.target else None,
        row.target.property if row.target else None,
        row.progress,
        row.judgements[0].elapsed if row.judgements else None,
        status_text(row.status, row.target, a.lang),
        row.light,
        row.definition,
        *_amount_cells(row.numerator, a.lang),
        *_amount_cells(row.denominator, a.lang),
        text(f"grade_{row.grade}", a.lang) if row.grade else None,
        row.note,
        row.source,
    ]


def _amount_cells(amount: Amount | None, lang: Lang) -> tuple[float | None, str | None]:
    return (amount.shown, unit_text(amount.shown_unit, lang)) if amount else (None, None)


def _number(value: float | None) -> float | None:
    """A value with the digits of ``indicators.csv``, so that both read the same."""
    return None if value is None else float(number_text(value))


def level_text(level: str, lang: Any) -> str:
    """A level's name; levels that a workspace invents keep their own."""
    return text(f"level_{level}", lang) if f"level_{level}" in keys() else level


def _plan_row(a: Assessment, record: dict[str, object]) -> list[Any]:
    cells = dict(record)
    value = cells["value"]
    cells["value"] = _number(value if isinstance(value, float) else None)
    for name in ("reported", "difference"):
        number = cells[name]
        cells[name] = _number(number if isinstance(number, float) else None)
    return [cells[column] for column in PLAN_COLUMNS]


def _series_rows(a: Assessment) -> Iterator[list[Any]]:
    for point in a.series_records:
        grade, used = point["grade"], text("word_yes", a.lang) if point["used"] else None
        said = text(f"grade_{grade}", a.lang) if grade else None
        value, unit = point["value"], unit_text(str(point["unit"]), a.lang)
        number = _number(value if isinstance(value, float) else None)
        cells = (point["zone_name"], point["period"], number, unit, point["definition"])
        yield [a.title(str(point["indicator"])), *cells, said, point["source"], used, point["ground"] or None]


def _cells_of(records: Iterable[Mapping[str, Any]], columns: tuple[str, ...], a: Assessment) -> Iterator[list[Any]]:
    """The cells of records; yes stands as a word, no as nothing."""
    yes = text("word_yes", a.lang)
    for one in records:
        yield [(yes if value else None) if isinstance(value := one[name], bool) else value for name in columns]


TRAJECTORY = (
    *("indicator", "zone", "definition", "unit", "target", "target_year", "baseline", "baseline_year", "value"),
    *("value_period", "due", "status", "pace", "met_year", "note"),
)
"""The columns of the sheet of trajectories."""


def _trajectory_row(a: Assessment, one: dict[str, Any]) -> list[Any]:
    said = {
        "indicator": a.title(one["indicator"]),
        "zone": one["zone_name"],
        "unit": unit_text(one["unit"], a.lang),
        "value_period": one["period"],
        "status": text(f"status_{one['status']}", a.lang),
        **{name: _number(one[name]) for name in ("value", "due", "pace", "baseline")},
    }
    return [said.get(name, one.get(name)) for name in TRAJECTORY]


def _definition_rows(a: Assessment) -> Iterator[list[Any]]:
    for (indicator, name), definition in a.definitions.items():
        department = a.workspace.indicators[indicator].department(a.lang)
        yield [a.title(indicator), name, definition.text(a.lang), definition.standing, definition.source, department]
    published = {row.definition: row for row in a.rows if row.published}
    for name, row in sorted(published.items(), reverse=True):
        department = name.removeprefix(REPORTED) if name.startswith(REPORTED) else ""
        yield [None, name, a.definition_text(row), None, None, department]


def _finding_row(a: Assessment, finding: Finding) -> list[Any]:
    said = replace(finding, layer=a.layer_title(finding.layer))
    return [text(f"severity_{finding.severity}", a.lang), *astuple(said)[1:]]


def _source_rows(a: Assessment) -> Iterator[list[Any]]:
    for i in a.workspace.inputs:
        grade = text(f"grade_{i.grade}", a.lang) if i.grade else None
        level = text(f"secrecy_{i.secrecy}", a.lang)
        yield [i.name, a.layer_title(i.role), grade, level, i.rows, i.crs, i.source, i.licence, i.date, i.sha256]


def write_sheet(book: Workbook, name: str, content: Sheet, lang: Lang, *, below: str = "") -> None:
    """A sheet of a workbook: its title and what stands below it, its columns by their names, its rows."""
    _, title, columns, rows = content
    sheet = book.add_worksheet(name)
    heading = book.add_format({"bold": True, "bg_color": "#E8EFEA", "bottom": 1, "text_wrap": True, "valign": "top"})
    formats = {
        "value": "0.00##",
        "numerator": "0.0000",
        "denominator": "0.0000",
        "progress": "0.0%",
        "elapsed": "0.0%",
        **dict.fromkeys(("baseline", "reported", "difference"), "0.00##"),
        "due": "0.00##",
        "pace": "0.00##",
        **dict.fromkeys((c for c in columns if c.endswith("_m2")), "#,##0.0"),
    }
    cells = {column: book.add_format({"num_format": pattern, "valign": "top"}) for column, pattern in formats.items()}
    plain = book.add_format({"text_wrap": True, "valign": "top"})
    lamps = {
        light: book.add_format({"bg_color": fill, "font_color": ink, "align": "center", "valign": "top"})
        for light, (fill, ink) in lights().items()
    }
    sheet.write_string(0, 0, title, book.add_format({"bold": True, "font_size": 14}))
    sheet.write_string(1, 0, below)
    for n, column in enumerate(columns):
        sheet.write_string(2, n, text(f"column_{column}", lang), heading)
    widths = [8] * len(columns)
    last = FIRST_ROW - 2
    for last, row in enumerate(rows, FIRST_ROW - 1):
        for n, value in enumerate(row):
            if columns[n] == "light" and value:
                sheet.write_string(last, n, text(f"light_{value}", lang), lamps[value])
            else:
                _write_cell(sheet, last, n, value, cells.get(columns[n], plain))
            widths[n] = max(widths[n], min(_display_width(value), WIDEST))
        lines = max(-(-_display_width(value) // WIDEST) for value in row)
        sheet.set_row(last, 15 * min(max(lines, 1), ROW_LINES))
    for n, width in enumerate(widths):
        sheet.set_column(n, n, width + 2)
    sheet.set_landscape()
    sheet.set_paper(8)  # A3
    sheet.fit_to_pages(1, 0)
    sheet.repeat_rows(2)
    sheet.freeze_panes(3, 1)
    sheet.autofilter(2, 0, max(last, 3), len(columns) - 1)


def cell_text(value: object) -> str:
    r"""Text as a cell of a workbook can hold it; what is longer ends in an ellipsis.

    >>> cell_text("\uffff") == "\ufffd", len(cell_text("x" * 40_000))
    (True, 32767)
    """
    words = _NO_XML.sub("\ufffd", str(value))
    return words if len(words) <= CELL_CHARACTERS else words[: CELL_CHARACTERS - 1] + "…"


def _write_cell(sheet: Any, row: int, column: int, value: Any, style: Format) -> None:
    if isinstance(value, int | float):
        sheet.write_number(row, column, value, style)
    elif value:
        sheet.write_string(row, column, cell_text(value), style)


def _display_width(value: Any) -> int:
    """Columns that a value takes; a Chinese character takes two."""
    words = f"{value:.4f}" if isinstance(value, float) else str(value or "")
    return sum(2 if ord(c) > 0x2E7F else 1 for c in words)


def write_gpkg(assessment: Assessment, path: Path) -> None:
    """``indicators.gpkg``: ``zones`` with a column per value, features behind them, table ``indicators`` of all rows.

    A column is named after its indicator; further definitions of the same indicator are named ``indicator:definition``.
    ``grade`` is the worst grade of any value of the zone; attributes that zones show are named ``show_<name>``. GDAL
    takes ``!`` in a path for an archive, so it is written elsewhere first. ``missed`` are those whom an indicator of
    coverage leaves out, ``missed_lines`` and ``missed_areas`` its stretches and land, see
    :data:`MISSED`; ``reached`` is the ground within the walks that it asks for; ``patches`` and the like are features
    that an indicator singles out, with what each is worth; ``secrecy`` tells whom the file is for.
    """
    import pandas as pd
    import pyogrio

    zones = assessment.workspace.area.frame()
    shown_zones = {row.zone.id for row in assessment.rows}
    zones = zones[zones["zone_id"].isin(shown_zones)].reset_index(drop=True)
    columns = zone_columns((row.indicator, row.definition) for row in assessment.rows)
    values = {(row.indicator, row.definition, row.zone.id): _number(row.value) for row in assessment.rows}
    found = {column: [values.get((*key, zone)) for zone in zones["zone_id"]] for key, column in columns.items()}
    zones = zones.join(pd.DataFrame(found, dtype=float))
    grades = _worst_grades(assessment)
    zones["grade"] = [str(grades.get(zone, "")) for zone in zones["zone_id"]]
    with dateless_gpkg(path) as plain:
        pyogrio.write_dataframe(zones, plain, layer="zones", driver="GPKG", promote_to_multi=True)
        pyogrio.write_dataframe(assessment.table, plain, layer="indicators", driver="GPKG", append=True)
        pyogrio.write_dataframe(secrecy_frame(assessment), plain, layer="secrecy", driver="GPKG", append=True)
        require_rows(plain, "zones", len(zones))
        require_rows(plain, "indicators", len(assessment.table))
        for name, type_, frame in (*_missed(assessment), *_reached(assessment)):
            about = {"driver": "GPKG", "geometry_type": type_, "promote_to_multi": type_ != "Point"}
            pyogrio.write_dataframe(frame, plain, layer=name, append=True, **about)
            require_rows(plain, name, len(frame))
        for kind, singled in _features(assessment).items():
            pyogrio.write_dataframe(singled, plain, layer=kind, driver="GPKG", append=True)
            require_rows(plain, kind, len(singled))


def secrecy_frame(assessment: Assessment) -> pd.DataFrame:
    """The level of an output, whom it is for and what was left out, as a table of lines."""
    import pandas as pd

    return pd.DataFrame({"said": list(said_of(assessment))}, dtype="str")


def zone_columns(named: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """The column that ``zones`` has for each indicator and definition.

    >>> zone_columns([("a", "x"), ("a", "y"), ("a", "x")])
    {('a', 'x'): 'a', ('a', 'y'): 'a:y'}
    """
    columns: dict[tuple[str, str], str] = {}
    known: set[str] = set()
    for indicator, definition in named:
        columns.setdefault((indicator, definition), f"{indicator}:{definition}" if indicator in known else indicator)
        known.add(indicator)
    return columns


def _features(assessment: Assessment) -> dict[str, gpd.GeoDataFrame]:
    """The features that indicators single out, by kind."""
    import pandas as pd

    frames: dict[str, list[gpd.GeoDataFrame]] = {}
    for (indicator, definition), layers in assessment.features.items():
        for layer in layers:
            frame = assessment.drawn(layer).rename(columns=lambda name: name.removeprefix(SHOW))
            frame.insert(0, "indicator", indicator)
            frame.insert(1, "definition", definition)
            frames.setdefault(layer.kind, []).append(frame)
    return {kind: pd.concat(found, ignore_index=True) for kind, found in frames.items()}


def _reached(assessment: Assessment) -> Iterator[tuple[str, str, gpd.GeoDataFrame]]:
    """The ground within the walks of the indicators of coverage, one multipolygon a definition."""
    import geopandas as gpd

    if not assessment.reached:
        return
    keys_ = list(assessment.reached)
    grounds = [assessment.reached_ground(*key).union_all() for key in keys_]
    columns = {"indicator": [one for one, _ in keys_], "definition": [one for _, one in keys_]}
    yield "reached", "MultiPolygon", gpd.GeoDataFrame(columns, geometry=grounds, crs=LONLAT)


MISSED = (("missed", "Point"), ("missed_lines", "MultiLineString"), ("missed_areas", "MultiPolygon"))
"""Layers of what indicators of coverage leave out, by dimension: people, stretches, land."""


def _missed(assessment: Assessment) -> Iterator[tuple[str, str, gpd.GeoDataFrame]]:
    """What the indicators of coverage leave out, one row for each of these; a layer for each dimension that occurs."""
    import pandas as pd

    if not assessment.missed:
        return
    frames = []
    for indicator, definition in assessment.missed:
        frame = assessment.missed_features(indicator, definition)
        frame.insert(0, "indicator", indicator)
        frame.insert(1, "definition", definition)
        frames.append(frame)
    everything = pd.concat(frames, ignore_index=True)
    dimension = shapely.get_dimensions(everything.geometry.to_numpy())
    for n, (name, type_) in enumerate(MISSED):
        if (dimension == n).any():
            yield name, type_, everything[dimension == n].reset_index(drop=True)


def _worst_grades(assessment: Assessment) -> dict[str, Grade]:
    """The worst grade of any value of each zone; zones without values are left out."""
    found: dict[str, set[Grade]] = {}
    for row in assessment.rows:
        if row.grade and row.value is not None:
            found.setdefault(row.zone.id, set()).add(row.grade)
    return {zone: grade for zone, grades in found.items() if (grade := worst(grades)) is not None}
