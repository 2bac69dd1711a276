"""What a scenario adds, held against control lines and the figures for construction land."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
import shapely
from numpy.typing import NDArray

from qpgis.catalogue import listed, text
from qpgis.control.checks import figures, members_of
from qpgis.control.ground import AREAL, Ground
from qpgis.control.rules import Rule, rules
from qpgis.crs import Geometries
from qpgis.findings import Findings, Severity
from qpgis.layers import Layer
from qpgis.measures.areas import area_contributions
from qpgis.measures.contributions import MICRO
from qpgis.plans import holds
from qpgis.workspace import Workspace

POINT = 0
PLACED = frozenset({"placed_across", "placed_over_figure", "placed_figure_in_words", "placed_unchecked"})
"""The rules of findings about what a scenario adds."""
M2_A_KM2 = 1_000_000


def report_placing(present: Workspace, layers: Mapping[str, Layer], findings: Findings, *, file: str) -> None:
    """Name what layers of a scenario have across a line, or above a figure, that isn't there at present.

    A finding for each feature and line that it crosses; where a line isn't at hand, that it wasn't checked.

    Parameters
    ----------
    present : Workspace
        Its lines and figures count.
    layers : mapping of kind to Layer
        Those of the scenario; what is the present's own isn't looked at.
    findings : Findings
    file : str
        What the findings call the scenario.
    """
    changed = {kind for kind, layer in layers.items() if layer is not present.layers.get(kind)}
    missing: set[str] = set()
    for rule in rules().placing:
        if "landuse" in changed:  # without these nobody knows which of it is built, or wooded
            missing |= {rule.kinds[0]} - set(layers)
        for kind in (one for one in rule.kinds if one in changed):
            added = _added(present.layers.get(kind), layers[kind])
            if not len(added):
                continue
            missing |= {line for line in rules().needed if line in (*rule.inside, *rule.outside)} - set(present.layers)
            _report_crossings(rule, added, present, findings, file)
            if kind == "construction":
                _report_figures(added, present, layers[kind], findings, file)
    if missing:
        order = (*rules().needed, *(rule.kinds[0] for rule in rules().placing))
        names = listed((text(f"layer_{one}", findings.lang) for one in order if one in missing), findings.lang)
        findings.add(Severity.INFO, "placed_unchecked", file=file, value=names)


def _added(before: Layer | None, after: Layer) -> Ground:
    """The features of a layer that weren't there; of polygons the ground that was in none before."""
    fresh = after if before is None else after.select(~_in(before, after), "added")
    if not len(fresh) or (shapely.get_dimensions(fresh.geometry) < AREAL).any():
        return Ground(fresh, np.arange(len(fresh)), fresh.geometry)
    ground = Ground.of(fresh)
    if before is not None:
        ground = ground.outside(before.geometry[_met(before, ground.shapes)])
    return ground.patches_and_slivers(rules().sliver_width_m)[0]


def _in(before: Layer, after: Layer) -> NDArray[np.bool_]:
    """Which features of a layer have the shape of one that was there; those left alone are the same objects."""
    same = set(map(id, before.geometry))
    there = np.array([id(one) in same for one in after.geometry], dtype=bool)
    others = after.geometry[~there]
    known = set(shapely.to_wkb(before.geometry[_met(before, others)]).tolist())
    there[~there] = [wkb in known for wkb in shapely.to_wkb(others).tolist()]
    return there


def _met(layer: Layer, shapes: Geometries) -> NDArray[np.int64]:
    """Which features of a layer meet any of some shapes."""
    return np.unique(shapely.STRtree(layer.geometry).query(shapes, predicate="intersects")[1])


def _report_crossings(rule: Rule, added: Ground, present: Workspace, findings: Findings, file: str) -> None:
    """One finding for each feature and line."""
    for line in (*rule.inside, *rule.outside):
        edge = present.layers.get(line)
        if edge is None:
            continue
        side = "inside" if line in rule.inside else "outside"
        for n, value, spot in _crossings(added, edge, side):
            place = present.area.plane.unproject(np.array([spot], dtype=object))[0]
            findings.add(
                Severity.WARNING,
                "placed_across",
                layer=added.layer.kind,
                file=file,
                feature_id=str(added.layer.frame["feature_id"].iloc[n]),
                location=f"{place.x:.6f} {place.y:.6f}",
                value=value,
                line=text(f"layer_{line}", findings.lang),
                side=text(f"control_{side}", findings.lang),
                what=text(f"layer_{added.layer.kind}", findings.lang),
            )


def _crossings(added: Ground, edge: Layer, side: str) -> Iterator[tuple[int, str, shapely.Geometry]]:
    """Features with what of them lies across a line, and a point of it; lines and points may lie outside."""
    dimensions = shapely.get_dimensions(added.shapes)
    if (dimensions == AREAL).all():
        held = added.inside(edge.dissolved) if side == "inside" else added.outside(edge.dissolved)
        held, _ = held.patches_and_slivers(rules().sliver_width_m)
        for row in np.unique(held.row):
            own = replace(held, row=held.row[held.row == row], shapes=held.shapes[held.row == row])
            yield int(row), f"{sum(own.micro.tolist()) / MICRO:.1f} m2", shapely.point_on_surface(own.shapes[0])
    elif side == "inside":
        piece, part = shapely.STRtree(edge.dissolved).query(added.shapes, predicate="intersects")
        for n in np.unique(piece):
            common = shapely.intersection(added.shapes[n], shapely.union_all(edge.dissolved[part[piece == n]]))
            point = dimensions[n] == POINT
            if point or common.length > rules().sliver_width_m:
                yield int(added.row[n]), "" if point else f"{common.length:.1f} m", shapely.point_on_surface(common)


def _report_figures(added: Ground, present: Workspace, made: Layer, findings: Findings, file: str) -> None:
    """Name the zones that come to more construction land than their figure, or whose plan says that they have more."""
    targets = figures(present, dict(rules().figures)["construction_scale"])
    if not targets:
        return
    towns = present.area.base.geometry
    pieces, town = added.by(towns)
    new = [0] * len(towns)
    for n, micro in zip(town.tolist(), pieces.micro.tolist(), strict=True):
        new[n] += micro
    for zone, members in members_of(present.area):
        more = sum(new[n] for n in members) / (MICRO * M2_A_KM2)
        for target in targets.get(zone, ()) if more else ():
            about = {"layer": made.kind, "file": file, "feature_id": zone}
            words = {"zone": present.area.names[zone], "document": target.document}
            if target.value is None:
                said = {"value": f"{more:.6f} km2", "said": target.text}
                findings.add(Severity.WARNING, "placed_figure_in_words", **about, **words, **said)
                continue
            # the whole layer takes long: only where a figure asks for it
            whole = area_contributions(towns[list(members)], made.geometry).per_zone()
            value = sum(whole) / (MICRO * M2_A_KM2)
            if not holds(target, value, present.thresholds):
                said = {"value": f"{value:.6f} km2", "figure": f"{target.value:g}"}
                findings.add(Severity.WARNING, "placed_over_figure", **about, **words, **said)
