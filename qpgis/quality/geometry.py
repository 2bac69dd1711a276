"""Faults of single shapes: spikes, needles, repeated points, tiny rings, slivers, broken and doubled polygons.

Nothing is moved here. What is repaired is repaired by the even-odd rule (:mod:`qpgis.shapes`); each repair is a row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS

from qpgis.crs import Floats, Geometries, Plane, lonlat
from qpgis.findings import Findings, Severity, ids_text
from qpgis.measures.coverage import SLIVER_WIDTH_M, TOLERANCE_M, mean_width
from qpgis.shapes import AREAL, POLYGON, broken_areas, equal_rows, invalid_because, repaired, single_parts, still_valid

NAMED = 20
"""How many features of one fault are named one by one, the worst first; the others are counted."""
NEEDLE_DEG = 1.0
"""A corner sharper than this is a needle."""
TINY_RING_M2 = 1.0
"""A ring around less ground than this is a slip of the hand."""

WIDEST_DEG = 60
"""Features that spread further are not measured in one plane."""

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Subject:
    """The features of one file that are checked, and where findings about them go.

    Attributes
    ----------
    ids : array of str
        One a feature.
    raw : array of geometries
        As the file has them.
    shapes : array of geometries
        In the plane; polygons mended.
    plane : Plane
        Where areas and lengths are measured.
    crs : CRS or None
        The system of ``raw``; ``None`` where that is the plane already.
    role, file : str
        The layer and the file that findings name.
    wide : bool
        True if the features spread too far for one plane to measure them.
    """

    ids: NDArray[np.object_]
    raw: Geometries
    shapes: Geometries
    plane: Plane
    crs: CRS | None
    role: str
    file: str
    findings: Findings
    wide: bool = False

    @classmethod
    def of(
        cls, geometry: Geometries, ids: Iterable[str], crs: CRS, *, role: str, file: str, findings: Findings
    ) -> Subject:
        """The features of a file; what has coordinates that are no numbers is taken for missing.

        Raises
        ------
        CRSError
            If the coordinates don't fit the system.
        """
        flat: Geometries = shapely.force_2d(np.asarray(geometry, dtype=object))
        flat[~finite(flat)] = None
        degrees = lonlat(flat, crs, what=file)
        west, south, east, north = shapely.total_bounds(degrees) if len(degrees) else [np.nan] * 4
        plane = Plane.around(degrees) if np.isfinite(west) else Plane(0, 0)
        shapes = _still_valid(plane.project(repaired(flat), crs, what=file))
        names = np.array([str(one) for one in ids], dtype=object)
        wide = bool(max(east - west, north - south) > WIDEST_DEG)
        return cls(names, flat, shapes, plane, crs, role, file, findings, wide)

    @classmethod
    def measured(
        cls, shapes: Geometries, ids: Iterable[str], plane: Plane, *, role: str, file: str, findings: Findings
    ) -> Subject:
        """Features that have been cleaned and brought into a plane."""
        return cls(np.array([str(one) for one in ids], dtype=object), shapes, shapes, plane, None, role, file, findings)

    def in_plane(self, raw: Geometries) -> Geometries:
        """Shapes of the file in the plane, their edges as straight as in the file."""
        return raw if self.crs is None else self.plane.project(raw, self.crs, what=self.file)

    def vertices_in_plane(self, raw: Geometries) -> Geometries:
        """Shapes of the file in the plane, vertex by vertex."""
        if self.crs is None:
            return raw
        return shapely.transform(lonlat(raw, self.crs, what=self.file), self.plane.forward)

    def place(self, shape: shapely.Geometry) -> str:
        """A point on a shape of the plane as findings write it."""
        if shape is None or shape.is_empty:
            return ""
        lon, lat = shapely.get_coordinates(self.plane.unproject(np.array([shapely.point_on_surface(shape)])))[0]
        return f"{lon:.6f} {lat:.6f}"

    def note(
        self, severity: Severity, rule: str, *, feature_id: str = "", at: shapely.Geometry = None, **words: Any
    ) -> None:
        """Enter a finding about these features; ``at`` is a shape of the plane."""
        about = {"layer": self.role, "file": self.file, "feature_id": feature_id, "location": self.place(at)}
        self.findings.add(severity, rule, **about, **words)

    def worst(
        self, severity: Severity, rule: str, rows: Ints, size: Floats, value: Callable[[int], str], at: Geometries
    ) -> None:
        """Name the worst rows of one fault each by itself, and count the others.

        Parameters
        ----------
        rows : int array
            The features that have the fault; ``size`` and ``at``, one a row, are how bad it is and where in the plane.
        value : callable
            From the position in ``rows`` to the value of the finding.
        """
        order = np.lexsort((self.ids[rows].astype(str), -size))
        for n in order[:NAMED]:
            self.note(severity, rule, feature_id=self.ids[rows[n]], at=at[n], value=value(int(n)))
        if len(order) > NAMED:
            self.note(Severity.INFO, "more_of_a_rule", value=str(len(order) - NAMED), rule_name=rule)


def finite(geometry: Geometries) -> Mask:
    """Which geometries have no coordinate that is no number."""
    xy, owner = shapely.get_coordinates(geometry, return_index=True)
    good = np.ones(len(geometry), dtype=bool)
    good[owner[~np.isfinite(xy).all(axis=1)]] = False
    return good


def _still_valid(shapes: Geometries) -> Geometries:
    """The shapes, polygons among them mended where projecting made them invalid."""
    polygons = np.isin(shapely.get_type_id(shapes), AREAL)
    shapes = shapes.copy()
    shapes[polygons] = still_valid(shapes[polygons])
    return shapes


def check_integrity(subject: Subject, geometry: Geometries) -> None:
    """What layers and zones name as they read, for a file that is only looked at: none, no number, broken, doubled."""
    for row in np.flatnonzero(shapely.is_missing(geometry) | shapely.is_empty(geometry)):
        subject.note(Severity.WARNING, "no_geometry", feature_id=subject.ids[row])
    for row in np.flatnonzero(~finite(geometry)):
        subject.note(Severity.ERROR, "coordinates_not_finite", feature_id=subject.ids[row])
    broken = np.flatnonzero(broken_areas(subject.raw))
    for row, value in zip(broken, _mendings(subject, broken), strict=True):
        about = {"feature_id": subject.ids[row], "at": subject.shapes[row], "value": value}
        subject.note(Severity.WARNING, "invalid_geometry", **about)
    _report_doubled(subject)
    if (high := int((shapely.has_z(geometry) | shapely.has_m(geometry)).sum())) > 0:
        subject.note(Severity.INFO, "heights_ignored", value=str(high))


def check_shapes(subject: Subject, *, sliver_width_m: float = SLIVER_WIDTH_M) -> None:
    """Of polygons: broken rings by name, spikes, needles, repeated points, tiny rings, slivers."""
    if not ((shapely.get_dimensions(subject.raw) == 2) & ~shapely.is_empty(subject.raw)).any():
        return
    _report_rings_by_name(subject)
    _report_corners(subject)
    _report_tiny_rings(subject)
    parts, owner = shapely.get_parts(subject.shapes, return_index=True)
    width = mean_width(parts)
    thin = np.flatnonzero((width < sliver_width_m) & (shapely.get_dimensions(parts) == 2) & ~shapely.is_empty(parts))
    words = [f"{shapely.area(parts[n]):.2f} m2, {width[n]:.3f} m" for n in thin]
    subject.worst(Severity.WARNING, "sliver_polygon", owner[thin], -width[thin], words.__getitem__, parts[thin])


def _mendings(subject: Subject, rows: Ints) -> list[str]:
    """For some broken polygons what was wrong, and their area before and after they were mended."""
    reasons = invalid_because(subject.raw[rows], subject.findings.lang)
    if subject.wide:
        return reasons
    before = shapely.area(subject.in_plane(subject.raw[rows]))
    after = shapely.area(subject.shapes[rows])
    return [f"{why}; {a:.1f} -> {b:.1f} m2" for why, a, b in zip(reasons, before, after, strict=True)]


def _report_doubled(subject: Subject) -> None:
    """Name the features that have the same shape, most of a kind first; points may well (a station of each line)."""
    there = np.flatnonzero(~(shapely.is_missing(subject.raw) | shapely.is_empty(subject.raw)))
    groups = sorted((there[same] for same in equal_rows(subject.raw[there])), key=lambda rows: (-len(rows), rows[0]))
    for rows in groups[:NAMED]:
        about = {"feature_id": ids_text(subject.ids[rows]), "at": subject.shapes[rows[0]], "value": str(len(rows))}
        points = shapely.get_dimensions(subject.raw[rows[0]]) == 0
        subject.note(Severity.INFO if points else Severity.WARNING, "duplicate_geometry", **about)
    if len(groups) > NAMED:
        subject.note(Severity.INFO, "more_of_a_rule", value=str(len(groups) - NAMED), rule_name="duplicate_geometry")


def _report_rings_by_name(subject: Subject) -> None:
    """Holes outside their shell, rings that run around twice, parts that overlap: what the even-odd rule decided on."""
    for row in np.flatnonzero(broken_areas(subject.raw)):
        raw = subject.raw[row]
        about = {"feature_id": subject.ids[row], "at": subject.shapes[row]}
        polygons, _ = single_parts(np.array([raw], dtype=object))
        polygons = polygons[shapely.get_type_id(polygons) == POLYGON]
        parts = subject.in_plane(repaired(polygons))
        shared = float(shapely.area(parts).sum() - subject.shapes[row].area)
        if outside := sum(map(_holes_outside, polygons)):
            subject.note(Severity.WARNING, "hole_outside_shell", **about, value=str(outside))
        if twice := sum(map(_runs_again, shapely.get_rings(polygons))):
            subject.note(Severity.WARNING, "ring_runs_twice", **about, value=str(twice))
        if shared > TOLERANCE_M * (1 + subject.shapes[row].length):
            subject.note(Severity.WARNING, "parts_overlap", **about, value=f"{shared:.1f} m2")


def _holes_outside(part: shapely.Geometry) -> int:
    """How many holes of a polygon have no ground in common with its shell."""
    shell, *holes = repaired(shapely.polygons(shapely.get_rings(part)))
    return int((shapely.area(shapely.intersection(shell, np.array(holes, dtype=object))) == 0).sum())


def _runs_again(ring: shapely.Geometry) -> bool:
    """True if a ring runs along most of its edges more than once in the same direction."""
    xy = shapely.get_coordinates(ring)
    edges = np.hstack([xy[:-1], xy[1:]])
    return len(np.unique(edges, axis=0)) <= len(edges) / 2


@dataclass(frozen=True)
class _Corners:
    """Every corner of the rings of polygons, in metres, without repeated points."""

    owner: Ints
    before: Floats
    at: Floats
    after: Floats

    def angle_and_stray(self) -> tuple[Floats, Floats, Floats]:
        """Of each corner the angle (degrees), how far its shorter side strays from the other, and its length (m)."""
        u, v = self.before - self.at, self.after - self.at
        along, across = (u * v).sum(axis=1), u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]
        one, other = np.linalg.norm(u, axis=1), np.linalg.norm(v, axis=1)
        longer = np.maximum(one, other)
        stray = np.divide(np.abs(across), longer, out=np.zeros(len(longer)), where=longer > 0)
        return np.degrees(np.abs(np.arctan2(across, along))), stray, np.minimum(one, other)


def _corners(subject: Subject) -> tuple[_Corners, Ints]:
    """The corners of all polygons, and the owners of points that stand twice in a row."""
    polygons = np.flatnonzero((shapely.get_dimensions(subject.raw) == 2) & ~shapely.is_empty(subject.raw))
    parts, part_of = single_parts(subject.raw[polygons])
    areal = shapely.get_type_id(parts) == POLYGON
    parts, part_of = parts[areal], part_of[areal]
    rings, ring_of = shapely.get_rings(parts, return_index=True)
    xy, ring = shapely.get_coordinates(rings, return_index=True)
    same_ring = np.append(ring[1:] == ring[:-1], False)
    again = np.append((xy[1:] == xy[:-1]).all(axis=1), False) & same_ring
    owner = polygons[part_of[ring_of[ring]]]
    repeated = owner[again]
    keep = same_ring & ~again  # the closing point is the first one
    metres = shapely.get_coordinates(subject.vertices_in_plane(rings))[keep]
    ring, owner = ring[keep], owner[keep]
    number = np.arange(len(ring))
    first = np.searchsorted(ring, ring)
    last = np.searchsorted(ring, ring, side="right") - 1
    before = np.where(number == first, last, number - 1)
    after = np.where(number == last, first, number + 1)
    return _Corners(owner, metres[before], metres, metres[after]), repeated


def _report_corners(subject: Subject) -> None:
    """Spikes that go out and back on one line, needles, and points that stand twice in a row."""
    corners, repeated = _corners(subject)
    if len(repeated):
        value = str(len(repeated))
        subject.note(Severity.INFO, "repeated_points", value=value, count=len(np.unique(repeated)))
    angle, stray, length = corners.angle_and_stray()
    spike = np.flatnonzero((stray <= TOLERANCE_M) & (angle < NEEDLE_DEG) & (length > TOLERANCE_M))
    tips = shapely.points(corners.at[spike])
    words = [f"{length[n]:.1f} m" for n in spike]
    subject.worst(Severity.WARNING, "spike", corners.owner[spike], length[spike], words.__getitem__, tips)
    needle = np.flatnonzero((stray > TOLERANCE_M) & (angle < NEEDLE_DEG))
    tips = shapely.points(corners.at[needle])
    words = [f"{angle[n]:.2f}°" for n in needle]
    subject.worst(Severity.INFO, "needle_angle", corners.owner[needle], -angle[needle], words.__getitem__, tips)


def _report_tiny_rings(subject: Subject) -> None:
    """Parts and holes around next to no ground."""
    parts, part_of = shapely.get_parts(subject.shapes, return_index=True)
    rings, ring_of = shapely.get_rings(parts, return_index=True)
    area = shapely.area(shapely.polygons(rings))
    tiny = np.flatnonzero(area < TINY_RING_M2)
    words = [f"{area[n]:.4f} m2" for n in tiny]
    owner = part_of[ring_of[tiny]]
    subject.worst(Severity.INFO, "tiny_ring", owner, -area[tiny], words.__getitem__, rings[tiny])
