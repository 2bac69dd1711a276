"""Candidates for closing a gap: features of a layer, each with an id and a cost, in an order that isn't the file's."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import shapely

from qpgis.errors import LayerError, did_you_mean
from qpgis.findings import Findings, ids_text
from qpgis.measures.contributions import MICRO
from qpgis.provenance import Grade
from qpgis.scenarios.what_if import COLUMNS, Change, with_ids
from qpgis.shapes import equal_rows
from qpgis.workspace import InputFile, Workspace
from qpgis.workspace.config import ChangeTable
from qpgis.workspace.loading import Reader

if TYPE_CHECKING:
    import geopandas as gpd
    import pandas as pd


@dataclass(frozen=True)
class Candidates:
    """Features of a layer that could be added.

    Attributes
    ----------
    kind : str
        The layer.
    frame : GeoDataFrame
        By id, which is in ``feature_id``.
    costs : tuple of int
        In millionths of the cost field's unit; without one a million each.
    cost_field : str
        Empty where the fewest are looked for.
    grade : Grade
    file : str
        Where they come from, empty for a frame.
    inputs : tuple of InputFile
    """

    kind: str
    frame: gpd.GeoDataFrame = field(repr=False, compare=False)
    costs: tuple[int, ...]
    cost_field: str = ""
    grade: Grade = Grade.SCHEMATIC
    file: str = ""
    inputs: tuple[InputFile, ...] = ()

    @classmethod
    def of(
        cls,
        frame: gpd.GeoDataFrame,
        kind: str,
        workspace: Workspace,
        *,
        cost_field: str | None = None,
        grade: Grade | str = Grade.SCHEMATIC,
        file: str = "",
        inputs: tuple[InputFile, ...] = (),
    ) -> Candidates:
        """Candidates of a frame, checked.

        Raises
        ------
        LayerError
            If there is none; if one has no geometry, the id of another, or what another has; if a cost is no number or
            less than nothing.
        """
        import geopandas as gpd

        what = f"{file}: candidates for {kind!r}" if file else f"candidates for {kind!r}"
        if not isinstance(frame, gpd.GeoDataFrame):
            raise LayerError(f"{what}: a {type(frame).__name__} has no geometries; give a GeoDataFrame")
        if not len(frame):
            raise LayerError(f"{what}: there are no rows; give at least one candidate")
        own = workspace.tables.get(kind)
        made = with_ids(frame, own)
        ids, shapes = made["feature_id"], made.geometry.to_numpy()
        _refuse(ids[ids.duplicated()], what, "stands twice as an id; give each candidate its own")
        blank = shapely.is_missing(shapes) | shapely.is_empty(shapes)
        _refuse(ids[blank], what, "no geometry; draw it or leave the row out")
        named = (own.class_field if own else None, *COLUMNS["class_field"])
        column = next((name for name in named if name and name in made), None)
        costs = _costs(made, cost_field, what)
        content = ["" if column is None else str(one) for one in (made[column] if column else ids)]
        for rows in equal_rows(shapes):
            alike = [(content[row], costs[row]) if column else costs[row] for row in rows]
            twice = rows[[one in alike[:n] for n, one in enumerate(alike)]]
            _refuse(ids.iloc[twice], what, "the same thing at the same place as another row; leave one out")
        order = sorted(range(len(made)), key=lambda n: _rank(ids.iloc[n]))
        ordered = made.iloc[order].reset_index(drop=True)
        return cls(kind, ordered, tuple(costs[n] for n in order), cost_field or "", Grade(grade), file, inputs)

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def ids(self) -> tuple[str, ...]:
        """The id of each, in order."""
        return tuple(self.frame["feature_id"])

    def change(self, chosen: Iterable[int]) -> tuple[Change, ...]:
        """What adds some of them; nothing for none."""
        rows = list(chosen)
        return (Change(self.kind, self.frame.iloc[rows], grade=self.grade, source=self.file),) if rows else ()


def read_candidates(
    file: Path, kind: str, workspace: Workspace, *, cost_field: str | None = None, findings: Findings | None = None
) -> Candidates:
    """Candidates of a file of any format that layers come in, its columns called as in the layer's own file.

    Raises
    ------
    SourceError, CRSError, LayerError
        If it can't be read, states no reference system, or as :meth:`Candidates.of`.
    """
    reader = Reader(file.parent, findings or Findings(), lambda stage: None)
    table = ChangeTable(kind=kind, file=file.name)
    raw, source = reader.features(table.features(), kind)
    frame = raw.frame.drop(columns="feature_id")  # numbers of rows, where the file has no ids of its own
    inputs = tuple(reader.inputs.values())
    return Candidates.of(
        frame, kind, workspace, cost_field=cost_field, grade=source.grade, file=file.name, inputs=inputs
    )


def _rank(id_: str) -> tuple[int, str]:
    """Words by their letters, numbers by their size."""
    return (len(id_.lstrip("0")), id_) if id_.isdecimal() else (0, id_)


def _refuse(ids: pd.Series, what: str, why: str) -> None:
    if len(ids):
        raise LayerError(f"{what}: row {ids_text(map(str, ids))}: {why}")


def _costs(frame: gpd.GeoDataFrame, cost_field: str | None, what: str) -> tuple[int, ...]:
    """The costs in millionths; a million each where none are asked for."""
    import pandas as pd

    if cost_field is None:
        return (MICRO,) * len(frame)
    if cost_field not in frame:
        raise LayerError(f"{what}: no column {cost_field!r}; {did_you_mean(cost_field, list(map(str, frame.columns)))}")
    costs = pd.to_numeric(frame[cost_field], errors="coerce").to_numpy(dtype=float)
    wrong = ~np.isfinite(costs) | (costs < 0)
    ids = frame["feature_id"]
    if wrong.any():
        said = frame[cost_field].iloc[int(np.argmax(wrong))]
        _refuse(ids[wrong], what, f"{cost_field} = {said} is no cost; write a number of 0 or more")
    return tuple(math.floor(one * MICRO + 0.5) for one in costs)
