"""The shapes of a drawing's entities: points, lines and rings in the plan, curves straightened.

Each entity is drawn in its own system; ``Draughtsman`` turns it into one in which its block, or the drawing, stands.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import acos, ceil, hypot, inf, isfinite, pi, radians
from typing import Any, Literal

import numpy as np

from qpgis.crs import Floats

FLAT = 1e-4
"""Chords stray from a curve by no more than this share of its radius, whatever the unit of the drawing is."""
CLOSES = 1e-4
"""An open outline is taken for closed if its ends are no further apart than this share of its size."""
_MOST_EDGES = 100_000
_UPRIGHT = 1e-6
_FULL = 2 * pi - 1e-9
_NEEDED = {
    "POINT": ("location",),
    "LINE": ("start", "end"),
    "CIRCLE": ("center", "radius"),
    "ARC": ("center", "radius"),
    "ELLIPSE": ("center", "major_axis"),
    "TEXT": ("insert",),
    "MTEXT": ("insert",),
}
"""What an entity can't be without."""
Kind = Literal["point", "line", "polygon", "hatch", "union", "outer", "none"]


class Solid(Exception):
    """The entity is a body or a tilted surface: it has no plan that could be measured."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What an entity is in the plan.

    Attributes
    ----------
    kind : str
        ``hatch``, ``union`` and ``outer`` are polygons of several rings, to be combined by the even-odd rule, united,
        or by the even-odd rule without islands within holes.
    strings : tuple of arrays, n x 3
        The vertices; one string but for those of several rings.
    fault : str
        What had to be decided: ``closed`` (ends nearly met), ``flat`` (closed, but encloses nothing), ``radius`` (a
        circle without one), ``gap`` (edges of a hatch don't meet); of a walk ``ignored`` and ``unreadable``.
    value : str
        Its size.
    """

    kind: Kind
    strings: tuple[Floats, ...] = ()
    fault: str = ""
    value: str = ""


NOTHING = Shape("none")


class Draughtsman:
    """Draws entities with chords that stray at most so far from a curve, and keeps the largest distance.

    Parameters
    ----------
    within : float
        The largest distance between a curve and its chords, in units of the drawing.
    """

    def __init__(self, within: float) -> None:
        self.within = within
        self.deviation = 0.0
        self._by_type: dict[str, Callable[[Any], Shape]] = {
            "POINT": lambda e: Shape("point", (_rows([e.dxf.location]),)),
            "LINE": lambda e: Shape("line", (_rows([e.dxf.start, e.dxf.end]),)),
            "LWPOLYLINE": self._lwpolyline,
            "POLYLINE": self._polyline,
            "CIRCLE": self._circle,
            "ARC": self._arc,
            "ELLIPSE": self._ellipse,
            "SPLINE": self._spline,
            "HATCH": self._hatch,
            "MPOLYGON": self._hatch,
            "SOLID": _filled,
            "TRACE": _filled,
            "TEXT": _text,
            "ATTRIB": _text,
            "MTEXT": lambda e: Shape("point", (_rows([e.dxf.insert]),)),
        }

    @property
    def types(self) -> frozenset[str]:
        """The entity types that it can draw."""
        return frozenset(self._by_type)

    def shape(self, entity: Any) -> Shape:
        """The shape of an entity.

        Raises
        ------
        Solid
            If it isn't flat and level.
        """
        kind = entity.dxftype()
        missing = [name for name in _NEEDED.get(kind, ()) if not entity.dxf.hasattr(name)]
        if missing:  # the library would put it at 0, 0
            raise ValueError(f"{missing[0]} is missing")
        shape = self._by_type[kind](entity)
        if not all(np.isfinite(string).all() for string in shape.strings):
            raise ValueError("a coordinate is no number")
        return shape

    def steps(self, radius: float, sweep: float) -> int:
        """Into how many chords an arc goes."""
        if not (isfinite(radius) and isfinite(sweep)):
            raise ValueError("a curve's radius or angle is no number")
        if radius == 0:
            return 1
        step = 2 * acos(1 - min(self.within / radius, FLAT))
        count = min(max(ceil(abs(sweep) / step), 1), _MOST_EDGES)
        self.deviation = max(self.deviation, radius * (1 - np.cos(sweep / count / 2)))
        return count

    def _lwpolyline(self, entity: Any) -> Shape:
        values = np.array(entity.lwpoints.values, dtype=float).reshape(-1, 5)
        return self._outline(entity, values[:, :2], values[:, 4], float(entity.dxf.elevation), closed=entity.closed)

    def _polyline(self, entity: Any) -> Shape:
        flags = entity.dxf.flags
        if flags & (16 | 64):
            raise Solid
        vertices = [v.dxf for v in entity.vertices if not v.dxf.flags & 16]  # 16: the frame of a spline, not the curve
        points = _rows([v.location for v in vertices])
        closed = bool(flags & 1)
        if flags & 8:
            return self._closed_or_open(points, closed=closed)
        elevation = float(entity.dxf.elevation.z)
        return self._outline(entity, points[:, :2], np.array([v.bulge for v in vertices]), elevation, closed=closed)

    def _outline(self, entity: Any, points: Floats, bulges: Floats, elevation: float, *, closed: bool) -> Shape:
        """A polyline in the plane of its entity."""
        if bulges.any():
            points = self._bulged(points, bulges, closed=closed)
        points = np.column_stack([points, np.full(len(points), elevation)])
        return self._closed_or_open(_upright(entity, points), closed=closed)

    def _bulged(self, points: Floats, bulges: Floats, *, closed: bool) -> Floats:
        """The vertices with those of their arcs between them; a bulge is the tangent of a quarter of an arc's angle."""
        ends = np.roll(points, -1, axis=0) if closed else points[1:]
        pieces: list[Floats] = []
        for start, end, bulge in zip(points, ends, bulges, strict=False):
            pieces.append(start[None])
            chord = end - start
            if bulge and chord.any():
                centre = (start + end) / 2 + (1 - bulge**2) / (4 * bulge) * np.array([-chord[1], chord[0]])
                sweep = 4 * np.arctan(bulge)
                angles = np.linspace(0, sweep, self.steps(hypot(*(start - centre)), sweep) + 1)[1:-1, None]
                arm = start - centre
                across = np.array([-arm[1], arm[0]])
                pieces.append(centre + arm * np.cos(angles) + across * np.sin(angles))
        if not closed:
            pieces.append(points[-1:])
        return np.concatenate(pieces)

    def _closed_or_open(self, points: Floats, *, closed: bool) -> Shape:
        """A ring if the outline is closed, or its ends meet; else a line."""
        if len(points) < 2:
            return NOTHING
        gap = float(np.hypot(*(points[-1] - points[0])[:2]))
        if closed or (gap == 0 and len(points) > 3):
            return _ring(points)
        size = float(np.hypot(*np.ptp(points[:, :2], axis=0)))
        if 0 < gap <= min(self.within, CLOSES * size) and len(points) > 3:
            ring = _ring(np.concatenate([points[:-1], points[:1]]))
            return Shape(ring.kind, ring.strings, ring.fault or "closed", f"{gap:.3g}")
        return Shape("line", (points,))

    def _circle(self, entity: Any) -> Shape:
        if not entity.dxf.radius > 0:
            return Shape("none", (), "radius", f"{entity.dxf.radius:g}")
        return Shape("polygon", (_upright(entity, self._round(entity, 0, 2 * pi)),))

    def _arc(self, entity: Any) -> Shape:
        if not entity.dxf.radius > 0:
            return Shape("none", (), "radius", f"{entity.dxf.radius:g}")
        start, end = radians(entity.dxf.start_angle), radians(entity.dxf.end_angle)
        sweep = (end - start) % (2 * pi) or 2 * pi
        return Shape("line", (_upright(entity, self._round(entity, start, sweep)),))

    def _round(self, entity: Any, start: float, sweep: float) -> Floats:
        """Points of an arc in the plane of its entity; those of a whole circle don't repeat the first."""
        _refuse_tilted(_rows([entity.dxf.extrusion])[0])
        radius, centre = float(entity.dxf.radius), _rows([entity.dxf.center])[0]
        angles = self._angles(radius, start, sweep)
        level = np.full(len(angles), centre[2])
        return np.column_stack([centre[0] + radius * np.cos(angles), centre[1] + radius * np.sin(angles), level])

    def _angles(self, radius: float, start: float, sweep: float) -> Floats:
        return start + np.linspace(0, sweep, self.steps(radius, sweep) + 1)[: -1 if abs(sweep) >= _FULL else None]

    def _ellipse(self, entity: Any) -> Shape:
        dxf = entity.dxf
        normal, major = _rows([dxf.extrusion])[0], _rows([dxf.major_axis])[0]
        _refuse_tilted(normal)
        minor = np.cross(normal / np.linalg.norm(normal), major) * dxf.ratio
        sweep = dxf.end_param - dxf.start_param
        sweep = sweep if abs(sweep) >= _FULL else sweep % (2 * pi)
        if not major.any() or not sweep:
            return Shape("none", (), "radius", "0")
        angles = self._angles(float(np.linalg.norm(major)), dxf.start_param, min(sweep, 2 * pi))[:, None]
        points = _rows([dxf.center]) + major * np.cos(angles) + minor * np.sin(angles)
        return Shape("polygon" if sweep >= _FULL else "line", (points,))

    def _spline(self, entity: Any) -> Shape:
        tool = entity.construction_tool()
        points = self._flattened(tool)
        if len(points) > 2 and (entity.closed or np.allclose(points[0], points[-1], rtol=0, atol=self.within * 1e-3)):
            return _ring(points)
        return Shape("line", (points,))

    def _flattened(self, tool: Any) -> Floats:
        """The points of a spline."""
        rough = _rows(tool.control_points)
        size = float(np.hypot(*np.ptp(rough[:, :2], axis=0)))
        if not isfinite(size):
            raise ValueError("a spline's points are no numbers")
        within = min(self.within, FLAT * size) or self.within
        self.deviation = max(self.deviation, within)
        knots, degree = np.array(tool.knots(), dtype=float), tool.degree
        spans = np.unique(knots[degree:-degree])
        if spans[0] == knots[0] and spans[-1] == knots[-1]:
            return _rows(list(tool.flattening(within, 8)))
        return _within_spans(tool, spans, within)

    def _hatch(self, entity: Any) -> Shape:
        """The area between the boundary paths."""
        elevation = float(entity.dxf.elevation.z)
        loops = [loop for path in entity.paths for loop in self._loops(path)]
        if any(gap for _, gap in loops):
            return Shape("none", (), "gap", f"{max(gap for _, gap in loops):.3g}")
        flat = [np.column_stack([points, np.full(len(points), elevation)]) for points, _ in loops if len(points) > 2]
        if not flat:
            return NOTHING
        if entity.dxf.hasattr("offset_vector") and tuple(entity.dxf.offset_vector)[:2] != (0, 0):
            raise ValueError("an MPOLYGON with an offset")
        kinds: dict[int, Kind] = {1: "outer", 2: "union"}
        style = entity.dxf.get("hatch_style", 0)
        return Shape(kinds.get(style, "hatch"), tuple(_upright(entity, ring) for ring in flat))

    def _loops(self, path: Any) -> list[tuple[Floats, float]]:
        """The closed strings of a boundary path, and by how much each fails to close."""
        if hasattr(path, "vertices"):
            values = np.array([(*v, 0.0)[:3] for v in path.vertices], dtype=float).reshape(-1, 3)
            points = values[:, :2]
            return [(self._bulged(points, values[:, 2], closed=True) if values[:, 2].any() else points, 0.0)]
        return _chained([self._edge(edge) for edge in path.edges], self.within)

    def _edge(self, edge: Any) -> Floats:
        """The points of one edge of a hatch, in its direction."""
        kind = edge.EDGE_TYPE
        if kind == "LineEdge":
            return _rows([edge.start, edge.end])[:, :2]
        if kind == "SplineEdge":
            return self._flattened(edge.construction_tool())[:, :2]
        if kind == "ArcEdge":
            major, ratio, begin, end = np.array([edge.radius, 0.0]), 1.0, edge.start_angle, edge.end_angle
            start, sweep = radians(begin), radians(end - begin)
        else:
            major, ratio = _rows([edge.major_axis])[0, :2], edge.ratio
            start, sweep = edge.start_param, edge.end_param - edge.start_param
        sweep = 2 * pi if abs(sweep) >= _FULL else sweep % (2 * pi)
        minor = np.array([-major[1], major[0]]) * ratio
        angles = (start + np.linspace(0, sweep, self.steps(hypot(*major), sweep) + 1))[:, None]
        points = _rows([edge.center])[:, :2] + major * np.cos(angles) + minor * np.sin(angles)
        return points if edge.ccw else points[::-1]


def _within_spans(tool: Any, spans: Floats, within: float) -> Floats:
    """The points of a spline whose first and last knots only lead to it: closed ones of many programs are such.

    The library would also draw what lies beyond, through 0, 0.
    """
    for pieces in 2 ** np.arange(3, 13):
        steps = np.linspace(0, len(spans) - 1, (len(spans) - 1) * int(pieces) + 1)
        points = _rows(list(tool.points(np.interp(steps, np.arange(len(spans)), spans))))
        if np.linalg.norm(points[1::2] - (points[:-2:2] + points[2::2]) / 2, axis=1).max() <= within:
            break
    return points


def _chained(edges: Sequence[Floats], within: float) -> list[tuple[Floats, float]]:
    """Edges in a row joined to rings, each turned so that it begins where the one before ends."""
    loops: list[tuple[Floats, float]] = []
    chain: list[Floats] = []
    reach = max((float(np.hypot(*np.ptp(edge, axis=0))) for edge in edges), default=0.0)
    near = min(within, CLOSES * reach)
    for number, edge in enumerate(edges):
        if not chain:
            following = edges[number + 1] if number + 1 < len(edges) else edge
            chain = [edge if _apart(edge[-1], following) <= _apart(edge[0], following) else edge[::-1]]
        else:
            end = chain[-1][-1]
            straight, turned = hypot(*(edge[0] - end)), hypot(*(edge[-1] - end))
            if min(straight, turned) > near:
                loops.append((np.concatenate(chain), min(straight, turned)))
            chain.append(edge if straight <= turned else edge[::-1])
        gap = hypot(*(chain[-1][-1] - chain[0][0]))
        if gap <= near:
            loops.append((np.concatenate(chain), 0.0))
            chain = []
    if chain:
        loops.append((np.concatenate(chain), float(gap)))
    return loops


def _apart(point: Floats, edge: Floats) -> float:
    return min(hypot(*(edge[0] - point)), hypot(*(edge[-1] - point)))


def _ring(points: Floats) -> Shape:
    """A polygon, or a line where the points enclose nothing."""
    few = set(map(tuple, points[:8, :2].tolist()))
    enough = len(few) > 2 or len(np.unique(points[:, :2], axis=0)) > 2
    return Shape("polygon", (points,)) if enough else Shape("line", (points,), "flat")


def _filled(entity: Any) -> Shape:
    """A filled triangle or quadrangle, whose last two corners are stored crosswise."""
    corners = _rows([entity.dxf.get(name) for name in ("vtx0", "vtx1", "vtx3", "vtx2") if entity.dxf.hasattr(name)])
    return _ring(_upright(entity, corners)) if len(corners) > 2 else NOTHING


def _text(entity: Any) -> Shape:
    return Shape("point", (_upright(entity, _rows([entity.get_placement()[1]])),))


def _upright(entity: Any, points: Floats) -> Floats:
    """Points of an entity's own plane in the system around it; mirrored where the plane is seen from below."""
    if not entity.dxf.hasattr("extrusion"):
        return points
    normal = _rows([entity.dxf.extrusion])[0]
    _refuse_tilted(normal)
    return points if normal[2] > 0 else points * (-1, 1, -1)


def _refuse_tilted(normal: Floats) -> None:
    length = float(np.linalg.norm(normal)) or inf
    if abs(normal[2]) / length < 1 - _UPRIGHT:
        raise Solid


def _rows(points: Sequence[Any]) -> Floats:
    """Points of two or three coordinates as an array, n x 3."""
    rows = [(*point, 0.0)[:3] for point in (tuple(p) for p in points)]
    return np.array(rows, dtype=float).reshape(-1, 3)
