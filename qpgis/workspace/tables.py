"""The CSV tables of a workspace: statistics, baselines, targets of its own."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from qpgis.errors import ConfigError, SourceError, did_you_mean
from qpgis.plans import Baseline, Target
from qpgis.sources import regular_file
from qpgis.workspace import Statistic

Row = Mapping[str, str]


def read_statistics(path: Path, zones: Iterable[str]) -> tuple[Statistic, ...]:
    """Rows ``indicator, zone, period, value, source``; the source is mandatory.

    Raises
    ------
    SourceError, ConfigError
        If the file can't be read; with every wrong cell and its line.
    """
    rows = _rows(path, ("indicator", "zone", "period", "value", "source"), zones)
    return tuple(Statistic(r["indicator"], r["zone"], r["period"], float(r["value"]), r["source"]) for r in rows)


def read_baselines(path: Path, zones: Iterable[str]) -> dict[tuple[str, str], Baseline]:
    """Rows ``indicator, zone, period, value, source`` by indicator and zone."""
    rows = _rows(path, ("indicator", "zone", "period", "value", "source"), zones)
    return {(r["indicator"], r["zone"]): Baseline(float(r["value"]), int(r["period"][:4]), r["source"]) for r in rows}


def read_targets(path: Path, zones: Iterable[str]) -> tuple[Target, ...]:
    """Rows ``indicator, zone, year, operator, value, text, property, kind, direction, document`` (分解目标).

    ``document`` is mandatory: a target that no document sets is none. ``value`` may be empty where the target is words;
    ``operator`` is ge, gt, le, lt or about.
    """
    rows = _rows(path, ("indicator", "zone", "year", "operator", "value", "text", "property", "document"), zones)
    return tuple(
        Target(
            indicator=r["indicator"],
            zone=r["zone"],
            text=r["text"] or r["value"],
            operator=r["operator"],
            value=float(r["value"]) if r["value"] else None,
            year=int(r["year"]),
            document=r["document"],
            property=r["property"],
            kind=r.get("kind") or "stock",
            direction=r.get("direction") or ("down" if r["operator"] in ("le", "lt") else "up"),
        )
        for r in rows
    )


_MAY_BE_EMPTY = {"text", "property"}
_OPERATORS = ("about", "ge", "gt", "le", "lt")


def _rows(path: Path, columns: tuple[str, ...], zones: Iterable[str]) -> list[Row]:
    """The rows of a CSV file, every cell checked."""
    regular_file(path, what=f"table {path.name}")
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream, strict=True)
            rows = [{k: (v or "").strip() for k, v in row.items() if k} for row in reader]
            found = [name.strip() for name in reader.fieldnames or ()]
    except (UnicodeDecodeError, csv.Error) as error:
        raise SourceError(f"table {path.name} can't be read as UTF-8 CSV: {error}; save it as CSV UTF-8") from error
    missing = [c for c in columns if c not in found]
    if missing:
        raise ConfigError([f"no column {c!r}; {did_you_mean(c, found)}" for c in missing], file=path.name)
    known = set(zones)
    mistakes = [f"line {n}: {m}" for n, row in enumerate(rows, 2) for m in _mistakes(row, columns, known)]
    if mistakes:
        raise ConfigError(mistakes, file=path.name)
    return list(rows)


def _mistakes(row: Row, columns: tuple[str, ...], zones: set[str]) -> Iterator[str]:
    words_only = "operator" in columns and row["text"] and not row["value"]
    for column in columns:
        if not row[column] and column not in _MAY_BE_EMPTY and not (column == "value" and words_only):
            yield f"{column} is empty"
    if row["zone"] and row["zone"] not in zones:
        yield f"zone {row['zone']!r} is no zone; {did_you_mean(row['zone'], zones)}"
    if row["value"] and not _is_number(row["value"]):
        yield f"value {row['value']!r} is no number (write 68500, not 68,500 or 68500%)"
    for column in ("period", "year"):
        if column in columns and row[column] and not row[column][:4].isdigit():
            yield f"{column} {row[column]!r} doesn't begin with a year"
    if "operator" in columns and row["operator"] and row["operator"] not in _OPERATORS:
        yield f"operator {row['operator']!r} is not known; {did_you_mean(row['operator'], _OPERATORS)}"


def _is_number(text: str) -> bool:
    try:
        return abs(float(text)) < float("inf")
    except ValueError:
        return False
