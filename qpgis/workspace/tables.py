"""The CSV tables of a workspace: statistics, baselines, targets of its own."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from qpgis.errors import ConfigError, did_you_mean
from qpgis.periods import year_of
from qpgis.plans import (
    OPERATORS,
    WORD_OPERATORS,
    Baseline,
    Baselines,
    Target,
    by_key,
    operator_of,
    target_mistakes,
    usual_direction,
    usual_kind,
)
from qpgis.provenance import Grade, grade_words
from qpgis.sources.csvtable import Row, is_number, named_rows, with_ids
from qpgis.workspace import Statistic


def read_statistics(path: Path, zones: Mapping[str, str]) -> tuple[Statistic, ...]:
    """Rows ``indicator, zone, period, value, grade, source``; grade and source are mandatory.

    An optional column ``department`` (数据责任部门) names who publishes the value. There may be several periods.
    In this table and the others, ``zone`` is the id of a zone, or its name where no other is called so; ``zones`` maps
    ids to names.

    Raises
    ------
    SourceError, ConfigError
        If the file can't be read; with every wrong cell and its line.
    """
    rows = _rows(path, ("indicator", "zone", "period", "value", "grade", "source"), zones)
    return tuple(
        Statistic(
            indicator=r["indicator"],
            zone=r["zone"],
            period=r["period"],
            value=float(r["value"]),
            grade=Grade(r["grade"]),
            source=r["source"],
            department=r.get("department", ""),
        )
        for r in rows
    )


def read_reported(path: Path, zones: Mapping[str, str]) -> tuple[Statistic, ...]:
    """Rows ``indicator, zone, period, value, department, document``: what a bureau published, as its document says.

    An optional column ``grade`` is ``official`` where it isn't there.
    """
    rows = _rows(path, ("indicator", "zone", "period", "value", "department", "document"), zones)
    return tuple(
        Statistic(
            indicator=r["indicator"],
            zone=r["zone"],
            period=r["period"],
            value=float(r["value"]),
            grade=Grade(r.get("grade") or Grade.OFFICIAL),
            source=r["document"],
            department=r["department"],
        )
        for r in rows
    )


def read_baselines(path: Path, zones: Mapping[str, str]) -> Baselines:
    """Rows ``indicator, zone, period, value, source`` by indicator and zone; there may be several years."""
    rows = _rows(path, ("indicator", "zone", "period", "value", "source"), zones)
    return by_key(
        ((r["indicator"], r["zone"]), Baseline(float(r["value"]), year_of(r["period"]), r["source"])) for r in rows
    )


def read_targets(path: Path, zones: Mapping[str, str]) -> tuple[Target, ...]:
    """Rows ``indicator, zone, year, operator, value, text, property, kind, direction, document`` (分解目标).

    ``document`` is mandatory: a target that no document sets is none. ``operator`` is ge, gt, le, lt, about or
    about_cumulative; a target that is only words has one of ``WORD_OPERATORS``, a text and no value. ``kind``,
    ``direction`` and ``base_year`` may be left out.
    """
    columns = ("indicator", "zone", "year", "operator", "value", "text", "property", "document")
    rows = _rows(path, columns, zones)
    targets = tuple(_as_target(row) for row in rows)
    mistakes = [f"line {n}: {m}" for n, target in enumerate(targets, 2) for m in target_mistakes(target)]
    if mistakes:
        raise ConfigError(mistakes, file=path.name)
    return targets


def _as_target(row: Row) -> Target:
    return Target(
        indicator=row["indicator"],
        zone=row["zone"],
        text=row["text"] or row["value"],
        operator=row["operator"],
        value=float(row["value"]) if row["value"] else None,
        year=year_of(row["year"]),
        document=row["document"],
        property=row["property"],
        kind=row.get("kind") or usual_kind(row["operator"]),
        direction=row.get("direction") or usual_direction(row["operator"]),
        base_year=year_of(row["base_year"]) if row.get("base_year") else None,
        clause=row["document"],
    )


_MAY_BE_EMPTY = {"text", "property"}
_KEYS = ("indicator", "zone", "period", "year", "department")
"""What makes a row one of its kind: a table that says two things of the same is refused."""


def _rows(path: Path, columns: tuple[str, ...], zones: Mapping[str, str]) -> list[Row]:
    """The rows of a CSV file, every cell checked."""
    rows = with_ids(named_rows(path, columns), "zone", zones)
    rows = [row | {"operator": operator_of(row.get("operator", ""))} for row in rows]
    mistakes = [f"line {n}: {m}" for n, row in enumerate(rows, 2) for m in _mistakes(row, columns, zones)]
    first: dict[tuple[str, ...], int] = {}
    for n, row in enumerate(rows, 2):
        line = first.setdefault(tuple(row[key] for key in _KEYS if key in row), n)
        if line != n:
            mistakes.append(f"line {n}: says the same as line {line} again; keep one")
    if mistakes:
        raise ConfigError(mistakes, file=path.name)
    return list(rows)


def _mistakes(row: Row, columns: tuple[str, ...], zones: Collection[str]) -> Iterator[str]:
    optional = {*_MAY_BE_EMPTY, "value"} - {"text"} if row.get("operator") in WORD_OPERATORS else _MAY_BE_EMPTY
    yield from (f"{column} is empty" for column in columns if not row[column] and column not in optional)
    if row["zone"] and row["zone"] not in zones:
        yield f"zone {row['zone']!r} is no zone; write its id or name; {did_you_mean(row['zone'], zones)}"
    if row["value"] and not is_number(row["value"]):
        yield f"value {row['value']!r} is no number (write 68500 or 60, not 68,500 or 60%)"
    for column in ("period", "year", "base_year"):
        if row.get(column):
            try:
                year_of(row[column])
            except ConfigError as error:
                yield f"{column} {error}"
    if row.get("grade") and row["grade"] not in tuple(Grade):
        yield f"grade {row['grade']!r} is not known; use {grade_words()}"
    known = OPERATORS if row["value"] else (*OPERATORS, *WORD_OPERATORS)
    if "operator" in columns and row["operator"] and row["operator"] not in known:
        yield f"operator {row['operator']!r} is not known; {did_you_mean(row['operator'], known)}"
