"""Samples of ground truth that a workspace has of its land-cover map: confusion matrices in CSV files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from qpgis.area import StudyArea
from qpgis.classified import MapSample
from qpgis.errors import ConfigError, did_you_mean
from qpgis.landuse import Scheme, scheme
from qpgis.measures.accuracy import ConfusionMatrix
from qpgis.sources.csvtable import Row, is_number, named_rows
from qpgis.workspace.config import AccuracyTable

CLASS = "class"
"""The column of the map's classes; every other column is a reference class."""


def read_sample(path: Path, table: AccuracyTable, scheme_name: str, area: StudyArea, *, file: str) -> MapSample:
    """A confusion matrix: a row a class of the map, a column a class of the ground truth, counts of samples.

    Classes are codes or names of the map's scheme.

    Raises
    ------
    SourceError, ConfigError
        If the file can't be read; with every class that the scheme doesn't know, every count that is none; if it names
        a zone that isn't there.
    """
    known = scheme(scheme_name)
    rows = named_rows(path, (CLASS,), what="confusion matrix")
    columns = [name for name in (rows[0] if rows else {}) if name != CLASS]
    mistakes = [*_mistakes(rows, columns, known)]
    if mistakes:
        raise ConfigError(mistakes, file=path.name)
    counts = [[float(row[name] or 0) for name in columns] for row in rows]
    codes, reference = ([known.read(name).code for name in names] for names in ([r[CLASS] for r in rows], columns))
    matrix = ConfusionMatrix.of(counts, codes, reference, what=path.name)
    return MapSample(matrix, _zones(table, area), table.confidence, file)


def _mistakes(rows: list[Row], columns: list[str], known: Scheme) -> Iterator[str]:
    if not rows or not columns:
        yield f"no matrix: write {CLASS} and the reference classes in line 1, a class of the map in each line below"
    for name in columns:
        if not known.read(name).code:
            yield f"line 1: {name!r} is no class of scheme {known.id!r}; totals and shares don't belong into the matrix"
    for line, row in enumerate(rows, 2):
        if not known.read(row[CLASS]).code:
            yield f"line {line}: {row[CLASS]!r} is no class of scheme {known.id!r}"
        yield from (
            f"line {line}: {row[name]!r} under {name} is no number of samples"
            for name in columns
            if row[name] and not is_number(row[name])
        )


def _zones(table: AccuracyTable, area: StudyArea) -> tuple[str, ...]:
    """The zones that the sample was drawn on: the one that is named, or whatever is the whole area."""
    if table.zone:
        ids = {name: zone for zone, name in area.names.items()} | {zone: zone for zone in area.names}
        if table.zone not in ids:
            raise ConfigError(f"accuracy: zone = {table.zone!r} is no zone; {did_you_mean(table.zone, ids)}")
        return (ids[table.zone],)
    whole = [group.id for group in area.groups if set(group.members) == set(area.base.ids)]
    return (*whole, *(area.base.ids if len(area.base) == 1 else ()))
