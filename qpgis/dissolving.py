"""The ground of polygons that overlap or adjoin, each connected piece once; of nearly the same ones only what differs.

Polygons that meet, directly or over others, are one body, which is dissolved by itself: bodies of the very same
polygons are the same, however many others there are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from qpgis.crs import Geometries
from qpgis.remembered import NEW, Shapes, nearly
from qpgis.shapes import connected, single_parts, united_by

Ints = NDArray[np.int64]
AREAL = 2


def dissolved(polygons: Geometries) -> Geometries:
    """The ground of polygons that overlap or adjoin: their union, each connected part a polygon.

    Parts that meet in a point stay two. In an order that doesn't depend on the polygons'.
    """
    return Dissolving().of(polygons)


class Dissolving:
    """Dissolves polygons, and remembers the bodies that they made up."""

    def __init__(self) -> None:
        self._known: list[_Bodies] = []

    def of(self, polygons: Geometries) -> Geometries:
        """The ground of polygons, see :func:`dissolved`; pieces of bodies that are known are the same objects."""
        polygons = polygons[~(shapely.is_missing(polygons) | shapely.is_empty(polygons))]
        alike = nearly(polygons, [one.shapes for one in self._known])
        if alike is not None:
            which, at = alike
            return self._known[which].pieces_of(polygons, at)
        self._known.append(_Bodies.of(polygons))
        return self._known[-1].pieces


@dataclass(frozen=True)
class _Bodies:
    """Polygons, the body of each, the pieces that these come to, and the body of each piece."""

    shapes: Shapes
    body: Ints
    pieces: Geometries
    owner: Ints

    @classmethod
    def of(cls, polygons: Geometries) -> _Bodies:
        one, other = shapely.STRtree(polygons).query(polygons, predicate="intersects")
        body = connected(one, other, len(polygons))
        order = _order(polygons)
        parts, owner = single_parts(united_by(polygons[order], body[order], body.max(initial=-1) + 1))
        areal = (shapely.get_dimensions(parts) == AREAL) & ~shapely.is_empty(parts)
        parts, owner = shapely.normalize(parts[areal]), owner[areal]
        order = _order(parts)
        return cls(Shapes(polygons), body, parts[order], owner[order])

    def pieces_of(self, polygons: Geometries, at: Ints) -> Geometries:
        """The pieces of other polygons, told where each stands among these: other bodies are dissolved anew."""
        came, gone = at == NEW, ~self.shapes.kept(at)
        met = self.shapes.boxes.query(polygons[came], predicate="intersects")[1]
        anew = np.zeros(self.body.max(initial=-1) + 1, dtype=bool)
        anew[self.body[gone]] = anew[self.body[met]] = True
        again = came | np.append(anew, True)[np.where(came, -1, self.body[at])]
        pieces = np.concatenate([self.pieces[~anew[self.owner]], _Bodies.of(polygons[again]).pieces])
        return pieces[_order(pieces)]


def _order(polygons: Geometries) -> Ints:
    """The order of polygons by where they are."""
    centres = shapely.get_coordinates(shapely.centroid(polygons))
    return np.lexsort((*centres.T, *shapely.bounds(polygons).T[::-1]))
