"""Circular arcs as many short straight edges: GEOS, which measures, knows no curves."""

from __future__ import annotations

from dataclasses import dataclass
from math import asin, atan2, ceil, hypot, pi, sin, sqrt, tau

import numpy as np

from qpgis.crs import Floats

WITHIN_M = 1e-3
"""How far an arc and the edges that stand for it are apart at most, metres."""
WITHIN_DEG = 1e-8
"""The same in degrees, about a millimetre on the ground."""
METRES_PER_DEGREE = 111_320.0
_DEGREES_AT_MOST = 360.0
"""Coordinates up to this size are taken for degrees, when only the fineness of edges depends on it."""
_MOST_EDGES = 100_000
_FLAT = 1e-12
"""Three points whose triangle is this thin against its sides are a straight line."""


@dataclass
class Straightening:
    """What straightening the arcs of one geometry changed.

    Attributes
    ----------
    deviation_m : float
        The largest distance between an arc and its edges, roughly where the coordinates are degrees.
    area : float
        The area between arcs and edges, in squares of the coordinates' unit: by no more does that of a polygon differ.
    degrees : bool, optional
        Whether the coordinates are degrees; where that isn't known, each arc is judged by its numbers.
    """

    deviation_m: float = 0.0
    area: float = 0.0
    degrees: bool | None = None

    def fine(self, largest: float) -> bool:
        """True if coordinates up to a size are degrees, or could be."""
        return self.degrees if self.degrees is not None else largest <= _DEGREES_AT_MOST


def straight(points: Floats, done: Straightening) -> Floats:
    """The vertices of a string of arcs.

    Parameters
    ----------
    points : array, n x 2 or n x 3
        Start, a point between, end, a point between, end ...: two points more for each arc. An arc that ends where it
        starts is a whole circle, with the point between opposite.
    done : Straightening
        Takes what was done.

    Returns
    -------
    array
        The first and last point of each arc are kept to the bit; an arc and the same one backwards get the same points.
    """
    pieces = [points[:1]]
    for i in range(0, len(points) - 2, 2):
        a, b, c = points[i : i + 3]
        backwards = tuple(c) < tuple(a)
        arc = _arc(c, b, a, done) if backwards else _arc(a, b, c, done)
        pieces.append((arc[::-1] if backwards else arc)[1:])
    return np.concatenate(pieces)


def _arc(a: Floats, b: Floats, c: Floats, done: Straightening) -> Floats:
    """The vertices from ``a`` through ``b`` to ``c``."""
    (bx, by), (cx, cy) = (b - a)[:2], (c - a)[:2]
    cross = bx * cy - by * cx
    fine = done.fine(float(np.abs(np.stack([a, b, c])[:, :2]).max()))
    whole = cx == 0 and cy == 0
    if not whole and abs(cross) <= _FLAT * hypot(bx, by) * hypot(cx, cy):
        return np.stack([a, b, c])
    if whole:
        ux, uy, turn = bx / 2, by / 2, tau
    else:
        b2, c2 = bx * bx + by * by, cx * cx + cy * cy
        ux, uy = (cy * b2 - by * c2) / (2 * cross), (bx * c2 - cx * b2) / (2 * cross)
        turn = (atan2(cy - uy, cx - ux) - atan2(-uy, -ux)) % tau
        turn = turn if cross > 0 else turn - tau
    radius = hypot(ux, uy)
    if radius == 0:
        return np.stack([a, c])
    edges = _edges(radius, abs(turn), WITHIN_DEG if fine else WITHIN_M)
    step = abs(turn) / edges
    apart = 2 * radius * sin(step / 4) ** 2
    done.deviation_m = max(done.deviation_m, apart * METRES_PER_DEGREE if fine else apart)
    done.area += edges * radius * radius / 2 * (step - sin(step) if step > 1e-3 else step**3 / 6)
    share = np.linspace(0, 1, edges + 1)
    angle = atan2(-uy, -ux) + share * turn
    vertices = np.column_stack([a[0] + ux + radius * np.cos(angle), a[1] + uy + radius * np.sin(angle)])
    if len(a) > 2:  # heights run evenly from end to end
        vertices = np.column_stack([vertices, a[2] + share * (c[2] - a[2])])
    vertices[0], vertices[-1] = a, c
    return vertices


def _edges(radius: float, turn: float, within: float) -> int:
    """How many equal edges keep within a distance of an arc; at least eight to a circle."""
    step = min(4 * asin(sqrt(min(within / (2 * radius), 1))), pi / 4)
    return min(max(ceil(turn / step), 2), _MOST_EDGES)
