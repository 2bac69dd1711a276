"""On which datum coordinates truly are: each candidate held against borders, stations or roads whose place is known.

GCJ-02 and BD-09 look like WGS-84 and lie 0.5 and 1.1 km off. A layer that is on one of them fits a reference only once
it is converted. What fits no candidate, or several, is said not to be judged: a guess would be worse than none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from types import MappingProxyType
from typing import Literal

import numpy as np
import shapely
from numpy.typing import NDArray

from qpgis.catalogue import Lang, data_dir, read_toml, text
from qpgis.crs import Bounds, Floats, Geometries, Plane
from qpgis.crs.china import bd09_to_wgs84, covers, gcj02_to_wgs84, wgs84_to_bd09, wgs84_to_gcj02
from qpgis.findings import Findings, Severity
from qpgis.shapes import single_parts

Outcome = Literal["fits", "shifted", "unsure", "apart"]
ReferenceKind = Literal["outline", "stations", "rail", "roads", "zones"]
Convert = Callable[[Floats], Floats]


def _same(xy: Floats) -> Floats:
    return xy


CANDIDATES: Mapping[str, tuple[Convert, Convert]] = MappingProxyType(
    {
        "wgs84": (_same, _same),
        "gcj02": (gcj02_to_wgs84, wgs84_to_gcj02),
        "bd09": (bd09_to_wgs84, wgs84_to_bd09),
        "overcorrected": (wgs84_to_gcj02, gcj02_to_wgs84),
    }
)
"""What coordinates may be, and the way from there to WGS-84 and back.

``overcorrected`` were WGS-84 and somebody took them for GCJ-02.
"""

APART_DEG = 0.05
APART_M = 5000
"""What lies this far beyond the box of the reference is left out at once."""
NEAR_M = 1500
"""Points further from the reference than this under every candidate have nothing to do with it."""
MOST_POINTS = 2000
MOST_EDGES = 100_000
"""Of more edges, each few that follow one another are taken as one."""
CELL_M = 500
"""Points in one cell of this width share their errors: they count as one."""
LEAST_CELLS, LEAST_NAMED = 8, 3
"""In how many cells points must lie; points that are paired by name tell more."""
CERTAIN = 4.0
"""By how many standard errors the best candidate must beat each other one."""
LEAST_SPREAD = 1.0
"""Few points that agree by chance aren't certain: their spread is taken as at least this (of log-likelihood)."""
HUGS = 2.0
LEAST_SHARE = 0.35
"""This share of the points must lie within ``HUGS`` times the reference's accuracy."""
MOST_SHIFT_M = 300
SHIFTED_SHARE = 0.5
WORST_CONDITION = 100.0
STEPS = 12
AREAL, COLLECTION = 2, 7
COLLINEAR_DEG = 2e-6
RUN = 64
"""Lines are kept in runs of so many edges: short enough to find the nearest fast."""


@dataclass(frozen=True)
class DatumReference:
    """Things whose place is known, in degrees of WGS-84 or CGCS2000.

    Attributes
    ----------
    kind : str
        ``outline``, ``stations``, ``rail``, ``roads`` or ``zones``.
    geometry : array of shapely geometries
        Points, lines, or polygons whose common outline counts.
    accuracy_m : float
        How near to the truth its vertices are.
    names : tuple of str
        Of points: their names, one each.
    """

    kind: ReferenceKind
    geometry: Geometries = field(repr=False, compare=False)
    accuracy_m: float
    names: tuple[str, ...] = field(default=(), repr=False)

    @cached_property
    def shape(self) -> _Shape:
        """Its vertices and edges."""
        return _shape(self.geometry)

    @cached_property
    def plane(self) -> Plane:
        """Where distances to it are measured."""
        return Plane.around(self.geometry)


@dataclass(frozen=True)
class DatumJudgement:
    """Which datum a layer's coordinates fit.

    Attributes
    ----------
    outcome : str
        ``fits``: one candidate, and no other; ``shifted``: none, but all would with one constant shift; ``unsure``: too
        few points, or several candidates fit alike; ``apart``: the layer has nothing to do with the reference.
    datum : str
        The candidate that fits best, see :data:`CANDIDATES`; empty if ``apart``.
    residuals_m : mapping of str to float
        The median distance to the reference under each candidate.
    compared : int
        How many points were held against the reference.
    share : float
        How many of them lie as near to it as its accuracy allows.
    shift_m : pair or None
        East and north of the reference, where ``shifted``.
    reference : str
        What it was held against.
    """

    outcome: Outcome
    datum: str = ""
    residuals_m: Mapping[str, float] = field(default_factory=dict)
    compared: int = 0
    share: float = 0.0
    shift_m: tuple[float, float] | None = None
    reference: str = ""

    @property
    def confident(self) -> bool:
        """True if the datum is told."""
        return self.outcome == "fits"

    @property
    def residual_m(self) -> float:
        """The median distance to the reference under the best candidate."""
        return self.residuals_m.get(self.datum, float("nan"))

    @property
    def runner_up(self) -> str:
        """The second candidate by distance."""
        others = sorted((residual, name) for name, residual in self.residuals_m.items() if name != self.datum)
        return others[0][1] if others else ""

    @property
    def remedy(self) -> str:
        """What to write into ``qpgis.toml``: ``datum = "gcj02"``."""
        return f'datum = "{self.datum}"' if self.confident and self.datum in ("gcj02", "bd09") else ""

    def words(self, lang: Lang = "zh") -> str:
        """The judgement in a sentence."""
        held = text(f"held_against_{self.reference}", lang) if self.reference else ""
        if self.outcome == "apart":
            return text("datum_apart", lang)
        if self.outcome == "shifted" and self.shift_m is not None:
            east, north = self.shift_m
            return text("datum_shifted", lang, reference=held, east=f"{east:.0f}", north=f"{north:.0f}")
        name = text(f"datum_{self.datum}", lang)
        return text(f"datum_judged_{self.outcome}", lang, reference=held, datum=name, residuals=self.listed(lang))

    def listed(self, lang: Lang = "zh") -> str:
        """The residuals of all candidates: ``GCJ-02 26 m, WGS-84 289 m``."""
        by_size = sorted(self.residuals_m.items(), key=lambda pair: pair[1])
        return ", ".join(f"{text(f'datum_{name}', lang)} {residual:.0f} m" for name, residual in by_size)


@dataclass(frozen=True)
class _Shape:
    """Vertices and edges of a layer, of polygons only those of their common outline.

    Attributes
    ----------
    xy : array (n x 2)
        Points, or the vertices of lines.
    start, end : array (m x 2)
        The ends of each edge; empty for points.
    """

    xy: Floats
    start: Floats
    end: Floats

    def spacing_m(self, project: Convert) -> float:
        """The median length of an edge; of many, of a sample. Points are infinitely far apart."""
        if not len(self.start):
            return float("inf")
        edges = _sample(np.arange(len(self.start)))
        return float(np.median(np.linalg.norm(project(self.end[edges]) - project(self.start[edges]), axis=1)))

    def within(self, low: Floats, high: Floats) -> _Shape:
        """What lies in a box."""
        inside = np.asarray(((self.xy >= low) & (self.xy <= high)).all(axis=1))
        edges = inside if len(self.start) else inside[:0]
        return _Shape(self.xy[inside], self.start[edges], self.end[edges])

    def runs(self, project: Convert) -> Geometries:
        """Its points, or its edges in runs of those that follow one another; in metres."""
        if not len(self.start):
            return np.asarray(shapely.points(project(self.xy)))
        first = np.flatnonzero(_breaks(self.start, self.end) | (np.arange(len(self.start)) % RUN == 0))
        last = np.append(first[1:], len(self.start)) - 1
        xy = np.insert(project(self.start), last + 1, project(self.end[last]), axis=0)
        offsets = np.concatenate([[0], np.cumsum(last - first + 2)])
        return np.asarray(shapely.from_ragged_array(shapely.GeometryType.LINESTRING, xy, (offsets,)))


def _shape(geometries: Geometries) -> _Shape:
    if (shapely.get_type_id(geometries) == COLLECTION).any():
        geometries, _ = single_parts(geometries)
    geometries = geometries[~(shapely.is_missing(geometries) | shapely.is_empty(geometries))]
    dimensions = shapely.get_dimensions(geometries)
    if not (dimensions > 0).any():
        xy = shapely.get_coordinates(geometries)
        return _Shape(xy[np.isfinite(xy).all(axis=1)], np.empty((0, 2)), np.empty((0, 2)))
    drawn = geometries[dimensions == dimensions.max()]
    start, end = _edges(drawn)
    if dimensions.max() == AREAL and len(drawn) > 1:
        start, end = _outline(start, end)
    finite = np.isfinite(start).all(axis=1) & np.isfinite(end).all(axis=1)
    start, end = _thinned(start[finite], end[finite])
    return _Shape(start, start, end)


def _breaks(start: Floats, end: Floats) -> NDArray[np.bool_]:
    """Which edges don't begin where the one before them ends."""
    return np.append(True, (end[:-1] != start[1:]).any(axis=1))


def _thinned(start: Floats, end: Floats) -> tuple[Floats, Floats]:
    """Of very many edges each few that follow one another drawn as one."""
    few = -(-len(start) // MOST_EDGES)
    if few <= 1:
        return start, end
    line = np.cumsum(_breaks(start, end))
    first = np.arange(0, len(start), few)
    last = np.minimum(first + few, len(start)) - 1
    return start[first], end[np.where(line[first] == line[last], last, first)]


def _edges(shapes: Geometries) -> tuple[Floats, Floats]:
    """The ends of all edges of lines or polygons."""
    _, xy, offsets = shapely.to_ragged_array(shapes, include_z=False)
    inner = np.ones(len(xy), dtype=bool)
    inner[offsets[0][1:] - 1] = False
    before = np.flatnonzero(inner)
    return xy[before], xy[before + 1]


def _outline(start: Floats, end: Floats) -> tuple[Floats, Floats]:
    """The edges that no other polygon shares."""
    codes = _code(start) ^ _code(end)
    order = np.argsort(codes)
    ranked = codes[order]
    same = ranked[1:] == ranked[:-1]
    lone = np.sort(order[~(np.append(same, False) | np.append(False, same))])
    return start[lone], end[lone]


def _code(xy: Floats) -> NDArray[np.uint64]:
    """A number for each coordinate pair, equal for equal ones and hardly ever otherwise."""
    bits = np.ascontiguousarray(xy + 0.0).view(np.uint64)
    mixed = bits[:, 0] * np.uint64(0x9E3779B97F4A7C15) + bits[:, 1] * np.uint64(0xC2B2AE3D27D4EB4F)
    mixed ^= mixed >> np.uint64(29)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    return mixed ^ (mixed >> np.uint64(32))


def judge_datum(
    geometries: Geometries, reference: DatumReference, *, names: Sequence[str] = (), plane: Plane | None = None
) -> DatumJudgement:
    """Which datum the coordinates of a layer fit.

    Of layer and reference, the vertices of the one drawn with longer edges are measured to the edges of the other:
    where a line was simplified its vertices still lie true, its edges don't. Points with the same name are measured to
    each other.

    Parameters
    ----------
    geometries : array of shapely geometries
        In degrees, longitude first, as they are claimed to be WGS-84 or CGCS2000; missing ones are passed over.
    reference : DatumReference
    names : sequence of str, optional
        The name of each geometry: points are then paired with the reference's of the same name, where it has names.
    plane : Plane, optional
        The geometries are in metres of this plane.
    """
    frame = _Frame(plane or reference.plane, metres=plane is not None)
    comparison = _by_name(geometries, names, reference, frame) or _by_place(_shape(geometries), reference, frame)
    if comparison is None:
        return DatumJudgement("apart", reference=reference.kind)
    return _judged(comparison, reference)


@dataclass(frozen=True)
class _Frame:
    """The plane in which distances are measured, and whether the layer's coordinates are of it or in degrees."""

    plane: Plane
    metres: bool

    def project(self, xy: Floats) -> Floats:
        """The layer's coordinates in metres."""
        return xy if self.metres else self.plane.forward(xy)

    def degrees(self, xy: Floats) -> Floats:
        """The layer's coordinates in degrees."""
        return self.plane.inverse(xy) if self.metres else xy

    def box(self, reference: DatumReference) -> tuple[Floats, Floats]:
        """The box of a reference and a margin, in the layer's coordinates."""
        xy, margin = reference.shape.xy, APART_DEG
        if self.metres:
            xy, margin = self.plane.forward(xy), APART_M
        return xy.min(axis=0) - margin, xy.max(axis=0) + margin


@dataclass(frozen=True)
class _Comparison:
    """Points, and how far they lie from what they are held against; all in metres.

    Attributes
    ----------
    points : mapping of str to array (n x 2)
        Where the points are under each candidate.
    offsets : callable
        From points to the nearest place that each may belong to.
    sign : float
        -1 where the points are the reference's, and the layer's edges stay.
    least : int
        In how many cells they must lie.
    """

    points: Mapping[str, Floats]
    offsets: Convert
    sign: float = 1.0
    least: int = LEAST_CELLS


def _by_name(
    geometries: Geometries, names: Sequence[str], reference: DatumReference, frame: _Frame
) -> _Comparison | None:
    """Points held against those of the same name; ``None`` where too few names are the same."""
    if not len(names) or not reference.names:
        return None
    places = {plain_name(name): n for n, name in reversed(list(enumerate(reference.names)))}
    at = np.array([places.get(plain_name(name), -1) for name in names])
    mine = (at >= 0) & (shapely.get_type_id(geometries) == 0) & ~shapely.is_empty(geometries)
    if len(set(at[mine])) < LEAST_NAMED:
        return None
    xy = frame.degrees(shapely.get_coordinates(geometries[mine]))
    if not _all_covered(xy):
        return None
    target = frame.plane.forward(shapely.get_coordinates(reference.geometry)[at[mine]])
    points = {name: frame.plane.forward(to_wgs84(xy)) for name, (to_wgs84, _) in CANDIDATES.items()}
    return _Comparison(points, lambda xy: target - xy, least=LEAST_NAMED)


def plain_name(name: str) -> str:
    """A station's name without what is added to it.

    >>> plain_name("朱家角站 (地铁站)"), plain_name("汇金路")
    ('朱家角', '汇金路')
    """
    bare = re.sub(r"[(（].*?[)）]|\s", "", str(name))
    return re.sub(r"(地铁站|火车站|站)$", "", bare) or bare


def _by_place(layer: _Shape, reference: DatumReference, frame: _Frame) -> _Comparison | None:
    """The vertices of the one drawn with longer edges held against the edges, or points, of the other."""
    known, forward = reference.shape, frame.plane.forward
    layer = layer.within(*frame.box(reference))
    if not len(layer.xy) or not _all_covered(known.xy):
        return None
    known_m, layer_m = known.spacing_m(forward), layer.spacing_m(frame.project)
    if layer_m < known_m:
        xy = _sample(known.xy)
        points = {name: forward(from_wgs84(xy)) for name, (_, from_wgs84) in CANDIDATES.items()}
        return _Comparison(points, _nearest(layer.runs(frame.project)), sign=-1.0)
    xy = frame.degrees(_sample(layer.xy))
    points = {name: forward(to_wgs84(xy)) for name, (to_wgs84, _) in CANDIDATES.items()}
    return _Comparison(points, _nearest(known.runs(forward)))


def _all_covered(xy: Floats) -> bool:
    """True where every candidate is defined, with a margin for those that are beside."""
    (west, south), (east, north) = (xy.min(axis=0) - 2 * APART_DEG).tolist(), (xy.max(axis=0) + 2 * APART_DEG).tolist()
    return covers((west, south, east, north))


def _sample(xy: NDArray) -> NDArray:
    """At most :data:`MOST_POINTS`, evenly from first to last."""
    if len(xy) <= MOST_POINTS:
        return xy
    return xy[np.linspace(0, len(xy) - 1, MOST_POINTS).astype(np.int64)]


def _nearest(shapes: Geometries) -> Convert:
    """From points to the nearest place on any of some shapes."""
    tree = shapely.STRtree(shapes)

    def offsets(xy: Floats) -> Floats:
        points = shapely.points(xy)
        nearest = tree.query_nearest(points, all_matches=False)[1]
        ends = shapely.get_coordinates(shapely.shortest_line(points, shapes[nearest])).reshape(-1, 2, 2)
        return np.asarray(ends[:, 1] - ends[:, 0])

    return offsets


def _judged(comparison: _Comparison, reference: DatumReference) -> DatumJudgement:
    """The candidate under which the points lie on the reference, if it is clear which."""
    offsets = {name: comparison.offsets(xy) for name, xy in comparison.points.items()}
    away = {name: np.minimum(np.linalg.norm(xy, axis=1), NEAR_M) for name, xy in offsets.items()}
    near = np.min(list(away.values()), axis=0) < NEAR_M
    cells = len(np.unique(np.floor(comparison.points["wgs84"][near] / CELL_M), axis=0))
    if cells < comparison.least:
        return DatumJudgement("apart", compared=int(near.sum()), reference=reference.kind)
    likelihood = {name: -np.log1p((metres[near] / reference.accuracy_m) ** 2) for name, metres in away.items()}
    best = max(likelihood, key=lambda name: float(likelihood[name].mean()))
    share = float((away[best][near] <= HUGS * reference.accuracy_m).mean())
    others = [likelihood[best] - other for name, other in likelihood.items() if name != best]
    sure = share >= LEAST_SHARE and all(_certain(gain, cells) for gain in others)
    residuals = {name: float(np.median(metres[near])) for name, metres in away.items()}
    found = DatumJudgement("unsure", best, residuals, int(near.sum()), share, None, reference.kind)
    shift = _shift(comparison, near, reference.accuracy_m, cells) if best == "wgs84" or not sure else None
    if shift is not None:
        return replace(found, outcome="shifted", shift_m=shift)
    return replace(found, outcome="fits") if sure else found


def _certain(gain: Floats, cells: int) -> bool:
    """True if a gain in log-likelihood, point by point, is no chance."""
    return bool(gain.mean() > CERTAIN * max(float(gain.std()), LEAST_SPREAD) / np.sqrt(cells))


def _shift(
    comparison: _Comparison, near: NDArray[np.bool_], accuracy_m: float, cells: int
) -> tuple[float, float] | None:
    """East and north of the reference in metres, where that one shift makes points fit that don't fit as they are.

    Each point pulls only across the line that it is nearest to, the less the further it is.
    """
    start = comparison.points["wgs84"]
    shift = np.zeros(2)
    for _ in range(STEPS):
        offsets = comparison.offsets(start + shift)[near]
        away = np.maximum(np.linalg.norm(offsets, axis=1), 1e-9)
        across, weight = offsets / away[:, None], 1 / (1 + (away / accuracy_m) ** 2)
        matrix = (across * weight[:, None]).T @ across
        if np.linalg.cond(matrix) > WORST_CONDITION:
            return None
        shift = shift + np.linalg.solve(matrix, (across * (weight * away)[:, None]).sum(axis=0))
    size = float(np.linalg.norm(shift))
    if not accuracy_m <= size <= MOST_SHIFT_M:
        return None
    after = np.minimum(np.linalg.norm(comparison.offsets(start + shift), axis=1), NEAR_M)[near]
    if (after <= HUGS * accuracy_m).mean() < SHIFTED_SHARE:
        return None
    likelihood = -np.log1p((after / accuracy_m) ** 2)
    for xy in comparison.points.values():
        before = np.minimum(np.linalg.norm(comparison.offsets(xy), axis=1), NEAR_M)[near]
        if not _certain(likelihood + np.log1p((before / accuracy_m) ** 2), cells):
            return None
    east, north = (-comparison.sign * shift).tolist()
    return east, north


def judge_layer(
    geometries: Geometries,
    references: Iterable[DatumReference],
    *,
    names: Sequence[str] = (),
    plane: Plane | None = None,
) -> DatumJudgement:
    """The surest judgement against several references, see :func:`judge_datum`."""
    order: list[Outcome] = ["fits", "shifted", "unsure", "apart"]
    judged = [judge_datum(geometries, one, names=names, plane=plane) for one in references]
    return min(judged, key=lambda one: order.index(one.outcome), default=DatumJudgement("apart"))


def check_datum(
    geometries: Geometries,
    references: Iterable[DatumReference],
    *,
    layer: str,
    file: str,
    findings: Findings,
    declared: str | None = None,
    names: Sequence[str] = (),
    plane: Plane | None = None,
) -> DatumJudgement:
    """Name a layer whose coordinates fit another datum than the one declared for it, or lie shifted throughout.

    Parameters
    ----------
    geometries, references, names, plane
        As for :func:`judge_layer`; GCJ-02 and BD-09 are converted already, as declared.
    layer, file : str
        Of the findings.
    findings : Findings
    declared : str, optional
        The datum that ``qpgis.toml`` names.

    Returns
    -------
    DatumJudgement
        Of the coordinates as they were before they were converted.
    """
    wanted = declared if declared in ("gcj02", "bd09") else "wgs84"
    if wanted != "wgs84":
        geometries, plane = _as_declared(geometries, wanted, plane), None
    judged = judge_layer(geometries, references, names=names, plane=plane)
    about = {"layer": layer, "file": file}
    held = text(f"held_against_{judged.reference}", findings.lang) if judged.reference else ""
    if judged.outcome == "fits" and judged.datum != wanted:
        fits, claimed = (text(f"datum_{name}", findings.lang) for name in (judged.datum, wanted))
        blamed = "zones_or_" if judged.reference == "zones" and judged.datum == "overcorrected" else ""
        remedy = text(f"remedy_{blamed}{judged.datum}", findings.lang)
        words = {"value": judged.listed(findings.lang), "fits": fits, "declared": claimed, "remedy": remedy}
        findings.add(Severity.ERROR, "datum_mismatch", **about, reference=held, **words)
    elif judged.outcome == "shifted" and judged.shift_m is not None:
        east, north = judged.shift_m
        findings.add(Severity.WARNING, "datum_offset", **about, value=f"{east:+.0f} m, {north:+.0f} m", reference=held)
    elif not judged.confident and wanted != "wgs84":
        findings.add(Severity.INFO, "datum_unverified", **about, value=text(f"datum_{wanted}", findings.lang))
    return judged


def _as_declared(geometries: Geometries, declared: str, plane: Plane | None) -> Geometries:
    """The coordinates as they were before they were converted, in degrees."""
    from_wgs84 = CANDIDATES[declared][1]
    return shapely.transform(geometries, lambda xy: from_wgs84(plane.inverse(xy) if plane else xy))


def nearest_reference(bounds: Bounds) -> tuple[DatumReference, ...]:
    """What qpgis itself knows the place of within a box of degrees; nothing where that isn't around Qingpu."""
    box = shapely.box(*bounds)
    return tuple(
        one for one in embedded_reference() if box.intersects(shapely.box(*shapely.total_bounds(one.geometry)))
    )


@cache
def embedded_reference() -> tuple[DatumReference, ...]:
    """The outlines of Qingpu and the districts around it and the stations of its railways, which travel with qpgis."""
    settings = read_toml("schemes", "datums.toml")["reference"]
    outlines = [_lines(district) for district, _ in _features("boundaries", "district_outlines.geojson")]
    stations = _features("layers", "stations.geojson")
    points, names = zip(*((shape, name) for shape, words in stations for name in _names(words)), strict=True)
    return (
        *(DatumReference("outline", lines, settings["outline_accuracy_m"]) for lines in outlines),
        DatumReference("stations", np.array(points, dtype=object), settings["stations_accuracy_m"], names),
    )


def _lines(polygon: shapely.Geometry) -> Geometries:
    """The rings of a polygon or several as lines, without points on straight edges."""
    return np.asarray(shapely.simplify(shapely.get_parts(shapely.boundary(polygon)), COLLINEAR_DEG))


def _features(*path: str) -> list[tuple[shapely.Geometry, dict[str, str]]]:
    """Shapes and attributes of a GeoJSON file of ``data/``."""
    table = json.loads(data_dir().joinpath(*path).read_text(encoding="utf-8"))
    return [(shapely.geometry.shape(one["geometry"]), one["properties"]) for one in table["features"]]


def _names(words: Mapping[str, str]) -> list[str]:
    """The name of a feature and what else it is called."""
    return [words["name"], *(name for name in (words["aliases"] or "").split(";") if name)]
