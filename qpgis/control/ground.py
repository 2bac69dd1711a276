"""Ground of parcels, cut: by lines, by towns, by what it was before; slivers told apart from patches.

Change is found by geometry alone. What parcels are called, how they are split and in which order they stand decides
nothing: ground is new where it is covered now and wasn't before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from qpgis.crs import Floats, Geometries
from qpgis.layers import Layer
from qpgis.measures.areas import disjoint
from qpgis.measures.contributions import MICRO
from qpgis.measures.coverage import TOLERANCE_M, mean_width
from qpgis.quality.areas import numbers, stated_square_metres
from qpgis.shapes import clipped, single_parts, united_by

Ints = NDArray[np.int64]
AREAL = 2


@dataclass(frozen=True)
class Ground:
    """Pieces of the features of a layer, no two with ground in common.

    Attributes
    ----------
    layer : Layer
        Whose features they are pieces of.
    row : int array
        Which feature each is a piece of.
    shapes : array of polygons
    """

    layer: Layer
    row: Ints
    shapes: Geometries

    @classmethod
    def of(cls, layer: Layer) -> Ground:
        """All ground of a layer; what features share is the larger one's."""
        return cls(layer, np.arange(len(layer)), disjoint(layer.geometry))._there()

    def __len__(self) -> int:
        return len(self.row)

    def inside(self, ground: Geometries) -> Ground:
        """What lies on other ground."""
        return Ground(self.layer, self.row, clipped(self.shapes, ground)[0])._there()

    def outside(self, ground: Geometries) -> Ground:
        """What doesn't."""
        return Ground(self.layer, self.row, clipped(self.shapes, ground)[1])._there()

    def patches_and_slivers(self, width_m: float) -> tuple[Ground, Ground]:
        """What is part of something wide enough, and what isn't.

        Pieces that adjoin count as one, so that no splitting of parcels makes slivers of them.
        """
        parts, owner = single_parts(self.shapes)
        wholes = shapely.get_parts(shapely.union_all(parts)) if len(parts) else parts
        broad = wholes[mean_width(wholes) >= width_m]
        part, _ = shapely.STRtree(broad).query(shapely.point_on_surface(parts), predicate="intersects")
        wide = np.zeros(len(parts), dtype=bool)
        wide[part] = True
        return self._of_parts(parts[wide], owner[wide]), self._of_parts(parts[~wide], owner[~wide])

    def by(self, shapes: Geometries) -> tuple[Ground, Ints]:
        """Cut by others that have no ground in common, such as towns; which of them each piece lies in."""
        shapely.prepare(shapes)
        piece, other = shapely.STRtree(shapes).query(self.shapes, predicate="intersects")
        cut = self.shapes[piece].copy()
        across = ~shapely.covers(shapes[other], cut)
        cut[across] = polygons_of(shapely.intersection(cut[across], shapes[other[across]]))
        there = mean_width(cut) > TOLERANCE_M  # what only touches, and what projecting made of a common border
        order = np.lexsort((other[there], piece[there]))
        return Ground(self.layer, self.row[piece[there][order]], cut[there][order]), other[there][order]

    def classes_before(self, before: Layer | None) -> tuple[Ground, NDArray[np.object_], Ints]:
        """Cut by the classes of what was there, empty where nothing tells; and which piece each was cut from."""
        if before is None or not len(before):
            return self, np.full(len(self), "", dtype=object), np.arange(len(self))
        near = shapely.STRtree(before.geometry).query(self.shapes, predicate="intersects")[1]
        old = Ground.of(before.select(np.isin(np.arange(len(before)), near), "near"))
        names, number = np.unique(old.layer.frame["class_"].to_numpy(dtype=object)[old.row], return_inverse=True)
        grounds = united_by(old.shapes, number, len(names)) if len(names) else old.shapes
        numbered = Ground(self.layer, np.arange(len(self)), self.shapes)
        cut, of = numbered.by(grounds)
        rest = numbered.outside(old.shapes)
        bare = mean_width(rest.shapes) > TOLERANCE_M
        row = np.concatenate([cut.row, rest.row[bare]])
        shapes = np.concatenate([cut.shapes, rest.shapes[bare]])
        said = np.concatenate([names[of], np.full(int(bare.sum()), "", dtype=object)])
        order = np.argsort(row, kind="stable")
        return Ground(self.layer, self.row[row[order]], shapes[order]), said[order], row[order]

    @property
    def micro(self) -> Ints:
        """The area of each piece, in whole millionths of a square metre."""
        return np.rint(shapely.area(self.shapes) * MICRO).astype(np.int64)

    @property
    def stated_micro(self) -> list[int | None]:
        """The same by the file's own areas: a piece has the share of its feature's; ``None`` where none is stated."""
        if "area" not in self.layer.frame:
            return [None] * len(self)
        drawn = shapely.area(self.layer.geometry)
        stated = stated_square_metres(numbers(self.layer.frame["area"]), drawn)[self.row]
        amount: Floats = stated * (shapely.area(self.shapes) / drawn[self.row]) * MICRO
        return [round(one) if np.isfinite(one) else None for one in amount.tolist()]

    def column(self, name: str) -> Sequence[str]:
        """What the features say in a column."""
        return self.layer.frame[name].astype(str).to_numpy(dtype=object)[self.row].tolist()

    def ids_meeting(self, layer: Layer) -> list[str]:
        """The ids of another layer's features that each piece has ground in common with."""
        piece, other = shapely.STRtree(layer.geometry).query(self.shapes, predicate="intersects")
        shapely.prepare(layer.geometry)
        common = ~shapely.touches(layer.geometry[other], self.shapes[piece])
        ids = layer.frame["feature_id"].to_numpy(dtype=object)
        found: list[list[str]] = [[] for _ in range(len(self))]
        for n, m in sorted(zip(piece[common].tolist(), other[common].tolist(), strict=True)):
            found[n].append(str(ids[m]))
        return ["; ".join(one) for one in found]

    def _there(self) -> Ground:
        left = ~shapely.is_empty(self.shapes)
        return Ground(self.layer, self.row[left], self.shapes[left])

    def _of_parts(self, parts: Geometries, owner: Ints) -> Ground:
        """Pieces of parts, each of which belongs to one of these pieces."""
        owners, of = np.unique(owner, return_inverse=True)
        order = np.argsort(of, kind="stable")
        starts = np.flatnonzero(np.diff(of[order], prepend=-1))
        several = np.split(parts[order], starts[1:]) if len(owners) else []
        joined = [one[0] if len(one) == 1 else shapely.multipolygons(one) for one in several]
        shapes = np.empty(len(joined), dtype=object)
        shapes[:] = joined
        return Ground(self.layer, self.row[owners], shapes)


def polygons_of(shapes: Geometries) -> Geometries:
    """What an overlay left, without points and lines."""
    mixed = np.flatnonzero(shapely.get_type_id(shapes) == shapely.GeometryType.GEOMETRYCOLLECTION)
    for n in mixed:
        parts = shapely.get_parts(shapes[n])
        shapes[n] = shapely.union_all(parts[shapely.get_dimensions(parts) == AREAL])
    shapes[shapely.get_dimensions(shapes) < AREAL] = shapely.Polygon()
    return shapes
