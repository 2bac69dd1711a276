"""Polygons that should tile the ground: their gaps, overlaps and borders that only nearly meet, by name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import numpy as np
import shapely
from pyproj import CRS

from qpgis.area import StudyArea, ZoneSet
from qpgis.crs import Geometries, Plane
from qpgis.findings import Findings, Severity, ids_text
from qpgis.layers import Layer
from qpgis.measures.coverage import GAP_WIDTH_M, TOLERANCE_M, Faults, faults, shared_edges
from qpgis.quality.geometry import NAMED, WIDEST_DEG, Subject, check_integrity, check_shapes
from qpgis.shapes import polygonal

Expect = Literal["coverage", "free"]
SHARED_EDGES = 0.5
"""Where more than this part of all outlines is shared with a neighbour, the polygons are meant to be a coverage."""
LEAST_ZONES = 3
"""Fewer zones may well have no border in common."""


def check_features(
    geometry: Geometries,
    ids: Iterable[str],
    crs: CRS,
    *,
    file: str,
    findings: Findings,
    role: str = "",
    expect: Expect | None = None,
    gap_width_m: float = GAP_WIDTH_M,
) -> None:
    """Everything that is wrong with the shapes of one file, as findings.

    Parameters
    ----------
    geometry : array of shapely geometries
        As the file has them; missing ones are named.
    ids : iterable of str
        The features' ids.
    crs : CRS
        The system they are in.
    file, role : str
        What the findings name as file and layer.
    expect : "coverage" or "free", optional
        Whether polygons should tile the ground (land use, zones), or may overlap and leave ground out (parks). By
        default narrow gaps and overlaps are named, and wide holes too where most borders are shared.
    gap_width_m : float
        How wide a gap that is open at an end may be there.

    Raises
    ------
    CRSError
        If the coordinates don't fit the system.
    """
    subject = Subject.of(geometry, ids, crs, role=role, file=file, findings=findings)
    check_integrity(subject, np.asarray(geometry, dtype=object))
    if subject.wide:
        subject.note(Severity.WARNING, "too_wide", value=f"{WIDEST_DEG}°")
        return
    check_shapes(subject)
    check_coverage(subject, expect=expect, gap_width_m=gap_width_m)


def check_layer(layer: Layer, plane: Plane, findings: Findings) -> None:
    """A layer of a workspace, cleaned already: its parcels should tile the ground, other polygons may overlap."""
    expect: Expect = "coverage" if layer.scheme else "free"
    ids = layer.frame["feature_id"].to_numpy(dtype=object)
    subject = Subject.measured(layer.geometry, ids, plane, role=layer.kind, file=layer.source.file, findings=findings)
    check_shapes(subject)
    check_coverage(subject, expect=expect)


def check_coverage(
    subject: Subject, *, expect: Expect | None = None, gap_width_m: float = GAP_WIDTH_M
) -> Faults | None:
    """Name the gaps and overlaps of polygons, the largest first; ``None`` where there are fewer than two."""
    polygons = subject.shapes.copy()
    polygons[shapely.get_dimensions(polygons) != 2] = None
    mixed = shapely.get_type_id(polygons) == shapely.GeometryType.GEOMETRYCOLLECTION
    polygons[mixed] = [polygonal(one) for one in polygons[mixed]]
    if (shapely.area(polygons) > 0).sum() < 2:
        return None
    found = faults(polygons, gap_width_m=gap_width_m, sliver_width_m=0, tolerance_m=0)
    if expect is None and shared_edges(polygons) > SHARED_EDGES:
        expect = "coverage"
    near = found.width_m <= TOLERANCE_M
    _report_overlaps(subject, found.where((found.kind == "overlap") & ~near), polygons, expect)
    if expect == "free":
        return found
    gaps = (found.kind == "gap") & ~near
    wide = found.width_m > gap_width_m
    _report_gaps(subject, found.where(gaps if expect == "coverage" else gaps & ~wide))
    _report_near(subject, found.where(near))
    return found


def _report_overlaps(subject: Subject, found: Faults, polygons: Geometries, expect: Expect | None) -> None:
    """Name the largest overlaps; of layers where the ground counts once anyway only say how much it is."""
    if not len(found):
        return
    total, union = _sum_and_union(polygons, found)
    words = {"value": f"{total - union:.1f} m2", "sum_m2": f"{total:.1f}", "union_m2": f"{union:.1f}"}
    if expect == "free":
        subject.note(Severity.INFO, "overlaps_count_once", **words, count=len(found))
        return
    subject.note(Severity.WARNING, "overlaps_in_all", **words, count=len(found))
    for n in range(min(len(found), NAMED)):
        about = _named(subject, found, n)
        subject.note(Severity.WARNING, "polygons_overlap", **about, value=_size(found, n))


def _report_gaps(subject: Subject, found: Faults) -> None:
    if not len(found):
        return
    total = f"{found.area_m2.sum():.1f} m2"
    subject.note(Severity.WARNING, "gaps_in_all", value=total, count=len(found))
    for n in range(min(len(found), NAMED)):
        about = _named(subject, found, n)
        subject.note(Severity.WARNING, "polygons_gap", **about, value=_size(found, n))


def _report_near(subject: Subject, found: Faults) -> None:
    """Borders that differ by less than the tolerance: nothing to repair, but said."""
    if not len(found):
        return
    worst = int(np.argmax(found.area_m2))
    about = _named(subject, found, worst)
    value = f"{found.area_m2.sum():.4f} m2"
    words = {"width_m": f"{2 * found.width_m.max():.4f}", "tolerance_m": f"{TOLERANCE_M:g}"}
    subject.note(Severity.WARNING, "borders_nearly_meet", **about, value=value, count=len(found), **words)


def _sum_and_union(polygons: Geometries, found: Faults) -> tuple[float, float]:
    """The sum of all areas, and the ground that they cover: only polygons that overlap need to be united."""
    total = float(np.nansum(shapely.area(polygons)))
    those = polygons[sorted({n for members in found.members for n in members})]
    return total, total - float(shapely.area(those).sum() - shapely.union_all(those).area)


def _named(subject: Subject, found: Faults, n: int) -> dict[str, Any]:
    return {"feature_id": ids_text(subject.ids[list(found.members[n])]), "at": found.geometry[n]}


def _size(found: Faults, n: int) -> str:
    return f"{found.area_m2[n]:.1f} m2, {found.width_m[n]:.3f} m"


def check_zones(area: StudyArea, findings: Findings) -> None:
    """Zones that aren't declared overlapping should be a coverage: name overlaps, what sums count twice, and gaps."""
    for zones in area.measured:
        if not zones.overlapping:
            _check_zone_set(zones, area.plane, findings, gaps=zones is area.base)


def _check_zone_set(zones: ZoneSet, plane: Plane, findings: Findings, *, gaps: bool) -> None:
    subject = Subject.measured(
        zones.geometry, zones.ids, plane, role="zones", file=zones.source.file, findings=findings
    )
    found = faults(zones.geometry, sliver_width_m=0, tolerance_m=0)
    near = found.width_m <= TOLERANCE_M
    overlaps = found.where((found.kind == "overlap") & ~near)
    for n in range(len(overlaps)):
        words = _named(subject, overlaps, n)
        subject.note(Severity.WARNING, "zones_overlap", **words, value=f"{overlaps.area_m2[n]:.1f} m2")
    if len(overlaps):
        total, union = _sum_and_union(zones.geometry, overlaps)
        words = {"value": f"{total - union:.1f} m2", "sum_m2": f"{total:.1f}", "union_m2": f"{union:.1f}"}
        subject.note(Severity.WARNING, "zones_counted_twice", **words)
    _report_near(subject, found.where(near))
    holes = found.where((found.kind == "gap") & ~near)
    for n in range(len(holes) if gaps else 0):
        words = _named(subject, holes, n)
        subject.note(Severity.WARNING, "zones_gap", **words, value=f"{holes.area_m2[n]:.1f} m2")
    if gaps:
        _report_apart(subject)


def _report_apart(subject: Subject) -> None:
    """Name zones that border on no other, where most do: a zone that was moved or shrunk leaves no gap with an end."""
    if len(subject.shapes) < LEAST_ZONES:
        return
    tree = shapely.STRtree(subject.shapes)
    (zone, _), distance = tree.query_nearest(subject.shapes, exclusive=True, return_distance=True)
    apart = np.unique(zone[distance > GAP_WIDTH_M])
    if len(apart) > len(subject.shapes) / 2:
        return
    for n in apart:
        words = {"feature_id": subject.ids[n], "at": subject.shapes[n]}
        subject.note(Severity.WARNING, "zone_apart", **words, value=f"{distance[zone == n].min():.1f} m")
