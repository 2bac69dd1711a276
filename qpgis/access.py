"""What the rules of parts hold for: within a walk or a straight line of a target, along a corridor wide enough."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import combinations
from typing import TypeGuard

import numpy as np
import shapely
from numpy.typing import NDArray

from qpgis.area import StudyArea
from qpgis.crs import Floats, Geometries
from qpgis.errors import NoSuchBorder, UnknownBeyond
from qpgis.layers import SHOW, Layer, shapes_of
from qpgis.measures import borders, continuity, junctions
from qpgis.measures.corridors import REACH_M, Corridors, Layout, bands, corridors
from qpgis.measures.crossings import crossings
from qpgis.measures.isochrones import BESIDE_M, isochrone
from qpgis.measures.network import Feet, Ints, Network
from qpgis.parts import (
    AtLeast,
    BorderEnds,
    Crossings,
    Gap,
    Linked,
    Made,
    Near,
    Nodes,
    OpenShore,
    Rule,
    Shore,
    Walk,
    Wide,
    content_of,
)
from qpgis.provenance import worst
from qpgis.remembered import Locally, Remembered
from qpgis.shapes import clipped, near, spots, touching

Mask = NDArray[np.bool_]
Pieces = tuple[NDArray[np.int64], Geometries]
"""Stretches of lines, and the row that each is of."""
_Way = tuple[tuple[Layer, ...], tuple[Layer, ...], float]
"""What walks are on: lines, barriers, and how far off one gets on them."""
Stretched = Wide | Linked | Shore | OpenShore
"""Rules that hold for stretches of lines, not for whole features."""
AREAL = 2
DIVISION = 6
"""The code of an administrative division has at least so many digits; the first two are its province's."""
EDGE_M = 1.0
"""A line that ends this close to the border of what was surveyed may go on."""
QUAD_SEGS = 128
"""Corners of a quarter circle: its area is right to 3e-5."""


class Access:
    """Evaluates rules in one study area, each once for a layer.

    Parameters
    ----------
    area : StudyArea
        Its plane, and its borders.
    """

    def __init__(self, area: StudyArea) -> None:
        self._area = area
        self._plane = area.plane
        self._networks: dict[tuple[Layer, ...], Network] = {}
        self._feet: dict[tuple[Layer, _Way], Feet] = {}
        self._ways: dict[tuple[tuple[Layer, ...], float], Locally] = {}
        self._circles: dict[float, Remembered] = {}
        self._clip = Locally(_clipped)
        self._walked: dict[tuple[Layer, Walk], Floats] = {}
        self._split: dict[tuple[Layer, Stretched], tuple[Pieces, Pieces]] = {}
        self._junctions: dict[tuple[Layer, float], junctions.Nodes] = {}
        self._layouts: dict[tuple[Layer, float], Layout] = {}
        self._corridors: dict[tuple[Layer, Wide], Corridors] = {}
        self._ends: dict[tuple[Layer, BorderEnds], borders.BorderEnds] = {}
        self._grounds: dict[Near | Walk | AtLeast, Geometries] = {}
        self._chosen: dict[tuple[Layer, Rule], tuple[Layer, Layer]] = {}

    def chosen(self, layer: Layer, rule: Rule) -> Layer:
        """The features of a layer that a rule holds for; where it goes by the ground, of polygons that ground."""
        return self._parted(layer, rule)[0]

    def missed(self, layer: Layer, rule: Rule) -> Layer:
        """The features of a layer that a rule doesn't hold for; where it goes by the ground, of polygons the rest."""
        return self._parted(layer, rule)[1]

    def _parted(self, layer: Layer, rule: Rule) -> tuple[Layer, Layer]:
        """The layer in two: what a rule holds for, and what it doesn't hold for."""
        if (layer, rule) not in self._chosen:
            why = content_of(rule)
            if isinstance(rule, Stretched):
                met, gaps = self._pieces(layer, rule)
                two = _stretches(layer, met, f"where {why}"), _stretches(layer, gaps, f"not where {why}")
            elif isinstance(rule, Made):
                two = self._made(layer, rule), layer.select(np.zeros(len(layer), dtype=bool), "none")
            elif by_ground(rule) and (shapely.get_dimensions(layer.geometry) == AREAL).any():
                two = self._parted_ground(layer, rule)
            else:
                holds = self.holds(layer, rule)
                two = layer.select(holds, f"where {why}"), layer.select(~holds, f"not where {why}")
            self._chosen[layer, rule] = two
        return self._chosen[layer, rule]

    def _parted_ground(self, layer: Layer, rule: Near | Walk | AtLeast) -> tuple[Layer, Layer]:
        """The ground of polygons that a rule holds for, and the points that it does; and the rest of both.

        What a polygon stands for, its people, is spread evenly over it.
        """
        areal = shapely.get_dimensions(layer.geometry) == AREAL
        ground, rest, share = layer.geometry.copy(), layer.geometry.copy(), np.ones(len(layer))
        ground[areal], rest[areal] = self._clip.of(layer.geometry[areal], self.ground(rule))
        share[areal] = shapely.area(ground[areal]) / shapely.area(layer.geometry[areal])
        share[~areal] = self.holds(layer.select(~areal, "points"), rule)

        def part(shapes: Geometries, share: Floats, why: str) -> Layer:
            frame = layer.frame.assign(amount=layer.frame["amount"] * share) if "amount" in layer.frame else layer.frame
            left = (share > 0) & ~shapely.is_empty(shapes)
            return replace(layer, frame=frame, geometry=shapes).select(left, why)

        why = content_of(rule)
        return part(ground, share, f"within {why}"), part(rest, 1 - share, f"not within {why}")

    def reached(self, rule: Rule) -> Layer:
        """The ground that a rule holds for as a layer of polygons without attributes; walks as isochrones."""
        import pandas as pd

        if isinstance(rule, Stretched | Made):
            raise TypeError("a rule for stretches of lines, or what is made of them, holds for no ground")
        shapes, first = self.ground(rule), rule.layers()[0]
        frame = pd.DataFrame("", index=range(len(shapes)), columns=["feature_id", "name", "class_"], dtype="str")
        return Layer(first.kind, frame, shapes, first.source, None, f"ground within {content_of(rule)}")

    def ground(self, rule: Near | Walk | AtLeast) -> Geometries:
        """The ground that a rule holds for, as polygons, which may overlap: circles, isochrones, where these meet."""
        if rule not in self._grounds:
            self._grounds[rule] = self._drawn(rule)
        return self._grounds[rule]

    def _drawn(self, rule: Near | Walk | AtLeast) -> Geometries:
        if isinstance(rule, Near):
            circles = Remembered(partial(_circles, rule.limit_m))
            return self._circles.setdefault(rule.limit_m, circles).of(rule.targets.geometry)[0]
        if isinstance(rule, Walk):
            self._reach([rule])
            return self._grounds[rule]
        self._reach([one for one in rule.rules if isinstance(one, Walk)])
        grounds = [self.ground(one) for one in rule.rules]
        if rule.number == 1:
            return np.concatenate(grounds)
        united = sorted(map(_united, rule.rules, grounds), key=shapely.area)
        met = [shapely.intersection_all(some) for some in combinations(united, rule.number)]
        parts = shapely.get_parts(met)
        return np.asarray(parts[(shapely.get_dimensions(parts) == AREAL) & ~shapely.is_empty(parts)])

    def _reach(self, rules: Sequence[Walk]) -> None:
        """Draw the isochrones that aren't drawn yet."""
        for rule in rules:
            if rule not in self._grounds:
                places, feet = spots(rule.targets.geometry), self._feet_of(rule.targets, rule)
                network, sources = self._network(rule.lines).tied(places, feet)
                beside_m = rule.beside_m or BESIDE_M
                self._grounds[rule] = isochrone(network, sources, limit_m=rule.limit_m, beside_m=beside_m)

    def holds(self, layer: Layer, rule: Rule) -> Mask:
        """For which features of a layer a rule holds."""
        if isinstance(rule, Near):
            return near(spots(layer.geometry), rule.targets.geometry, within_m=rule.limit_m)
        if isinstance(rule, Stretched | Made):
            raise TypeError(f"{type(rule).__name__} holds for parts of lines, not for whole features")
        rules = (rule,) if isinstance(rule, Walk) else rule.rules
        self._walk(layer, [one for one in rules if isinstance(one, Walk)])
        if isinstance(rule, Walk):
            return self._walked[layer, rule] <= rule.limit_m
        return np.sum([self.holds(layer, one) for one in rules], axis=0, dtype=int) >= rule.number

    def reached_each(self, layer: Layer, rules: Sequence[Walk | Near]) -> dict[Walk | Near, tuple[Ints, Ints]]:
        """Which features of a layer each target of some rules reaches by itself: pairs of target and feature."""
        found: dict[Walk | Near, tuple[Ints, Ints]] = {}
        for rule in rules:
            if isinstance(rule, Near):
                tree = shapely.STRtree(rule.targets.geometry)
                feature, target = tree.query(spots(layer.geometry), predicate="dwithin", distance=rule.limit_m)
                found[rule] = target, feature
            else:
                ends = self._feet_of(rule.targets, rule), self._feet_of(layer, rule)
                found[rule] = self._network(rule.lines).within(*ends, limit_m=rule.limit_m)
        return found

    def copy(self) -> Access:
        """One that begins with what is known, and keeps what it finds to itself."""
        made = Access(self._area)
        for name, known in vars(self).items():
            if isinstance(known, dict):
                setattr(made, name, {key: _copied(one) for key, one in known.items()})
        made._clip = self._clip.copy()
        return made

    def _pieces(self, layer: Layer, rule: Stretched) -> tuple[Pieces, Pieces]:
        """The stretches that a rule holds for, and those that it doesn't."""
        if (layer, rule) not in self._split:
            self._split[layer, rule] = self._splitting(layer, rule)
        return self._split[layer, rule]

    def _splitting(self, layer: Layer, rule: Stretched) -> tuple[Pieces, Pieces]:
        if isinstance(rule, Wide):
            return self._by_width(layer, rule)
        if isinstance(rule, Linked):
            return self._by_network(layer, rule)
        if isinstance(rule, OpenShore):
            return self._by_access(layer, rule)
        return self._shore(layer, rule), (np.empty(0, dtype=np.int64), np.empty(0, dtype=object))

    def _shore(self, layer: Layer, rule: Shore) -> Pieces:
        row, waters = _bodies(layer)
        return row, continuity.shorelines(waters, others=rule.others.geometry, surveyed=layer.extent)

    def _by_access(self, layer: Layer, rule: OpenShore) -> tuple[Pieces, Pieces]:
        (row, shores), _ = self._pieces(layer, rule.shore)
        found = continuity.open_shore(
            shores,
            shapes_of(rule.paths),
            self._plane,
            within_m=rule.within_m,
            grounds=shapes_of(rule.grounds),
            closed=shapes_of(rule.closed),
            least_m=rule.least_m,
        )
        return (row[found.body], found.stretches), (row[found.closed_body], found.closed_stretches)

    def gaps(self, layer: Layer, rule: Wide) -> Layer:
        """The stretches of axes without the width: what breaks them, how long and how narrow they are."""
        gaps = self._along(layer, rule).gaps
        found = _stretches(layer, (gaps.axis, gaps.geometry), f"gaps of {content_of(rule)}")
        frame = found.frame[["feature_id", "name"]].assign(
            class_=["_".join(("gap", *(kinds or ("none",)))) for kinds in gaps.barriers],
            **{f"{SHOW}length_m": gaps.length_m, f"{SHOW}narrowest_m": gaps.narrowest_m},
        )
        grade = worst(one.source.grade for one in (layer, *rule.layers())) or layer.source.grade
        return replace(found, kind="gaps", frame=frame, source=replace(layer.source, grade=grade))

    def _middles(self, layer: Layer, rule: Gap) -> Layer:
        """The middle of each gap where a kind of barrier is."""
        gaps = self._along(layer, rule.wide).gaps
        there = np.array([rule.barrier in ("any", *(kinds or ("none",))) for kinds in gaps.barriers], dtype=bool)
        middles = shapely.line_interpolate_point(gaps.geometry[there], 0.5, normalized=True)
        return _stretches(layer, (gaps.axis[there], middles), f"middles of {content_of(rule)}")

    def _by_width(self, layer: Layer, rule: Wide) -> tuple[Pieces, Pieces]:
        found = self._along(layer, rule)
        return (found.met_axis, found.met), (found.gaps.axis, found.gaps.geometry)

    def _along(self, layer: Layer, rule: Wide) -> Corridors:
        if (layer, rule) not in self._corridors:
            reach_m = reach_of(rule)
            if (layer, reach_m) not in self._layouts:
                self._layouts[layer, reach_m] = Layout.of(layer.geometry, self._plane, reach_m=reach_m)
            self._corridors[layer, rule] = corridors(
                layer.geometry,
                matrix_of(rule),
                self._plane,
                barriers=barriers_of(rule),
                min_width_m=rule.min_width_m,
                offset_m=rule.offset_m,
                reach_m=reach_m,
                layout=self._layouts[layer, reach_m],
            )
        return self._corridors[layer, rule]

    def _by_network(self, layer: Layer, rule: Linked) -> tuple[Pieces, Pieces]:
        lines, owner, network = continuity.networks(layer.geometry, self._plane, tolerance_m=rule.gap_within_m)
        met = network == 0
        if rule.least_m is not None:
            met = np.bincount(network, self._plane.lengths(lines))[network] >= rule.least_m
        return (owner[met], lines[met]), (owner[~met], lines[~met])

    def _made(self, layer: Layer, rule: Made) -> Layer:
        if isinstance(rule, Nodes):
            return self._nodes(layer, rule)
        if isinstance(rule, Crossings):
            return self._crossings(layer, rule)
        if isinstance(rule, BorderEnds):
            return _places(layer, self._border_ends(layer, rule).at, content_of(rule))
        return self._middles(layer, rule)

    def _nodes(self, layer: Layer, rule: Nodes) -> Layer:
        key = layer, rule.merge_within_m
        if key not in self._junctions:
            self._junctions[key] = junctions.nodes(self._network((layer,)), merge_within_m=rule.merge_within_m)
        found = self._junctions[key]
        points, end = shapely.points(found.xy), found.degree == 1
        surveyed = self._area.outline if layer.extent is None else layer.extent  # most files are cut at the district
        known = ~(end & (shapely.distance(points, shapely.boundary(surveyed)) <= EDGE_M))
        wanted = {"all": known, "ends": known & end, "junctions": found.degree >= junctions.JUNCTION}[rule.which]
        return _places(layer, points[wanted], content_of(rule), amount=found.degree[wanted] / 2)

    def _crossings(self, layer: Layer, rule: Crossings) -> Layer:
        network = self._network((layer, *rule.others))
        metres = {"merge_within_m": rule.merge_within_m, "least_depth_m": rule.least_depth_m}
        return _places(layer, shapely.points(crossings(network, rule.water.geometry, **metres)), content_of(rule))

    def links(self, layer: Layer, rule: BorderEnds) -> Layer:
        """The links that are missing from dead ends at a border to roads beyond it, each with its length."""
        found = self._border_ends(layer, rule)
        return _missing_links(layer, found.line, found.links, content_of(rule))

    def joins(self, layer: Layer, rule: Linked) -> Layer:
        """The shortest links that would join the networks of a layer's lines, each with its length."""
        links, ends = continuity.gaps(layer.geometry, tolerance_m=rule.gap_within_m)
        return _missing_links(layer, ends[:, 0], links, content_of(rule))

    def _border_ends(self, layer: Layer, rule: BorderEnds) -> borders.BorderEnds:
        key = layer, rule
        if key not in self._ends:
            network = self._network((layer, *rule.others))
            sides, own = self._sides(layer, rule)
            metres = {name: getattr(rule, name) for name in ("border_within_m", "continue_within_m", "link_within_m")}
            self._ends[key] = borders.border_ends(network, network.line < len(layer), sides, own, **metres)
        return self._ends[key]

    def _sides(self, layer: Layer, rule: BorderEnds) -> tuple[Geometries, Mask]:
        """The ground on each side of a border, and on which of them ends are looked for."""
        base = self._area.base
        if rule.border == "outer":
            lines = np.concatenate([one.geometry for one in (layer, *rule.others)])
            known = borders.known_beyond(lines, self._area.outline, within_m=rule.link_within_m)
            if known < max(rule.least_known, np.finfo(float).tiny):
                raise UnknownBeyond(layer.kind)
            box = shapely.box(*shapely.total_bounds(np.append(lines, self._area.outline)))
            beyond = shapely.difference(shapely.buffer(box, rule.link_within_m), self._area.outline)
            return np.array([self._area.outline, beyond]), np.array([True, False])
        if rule.border == "province":
            codes = [one[:2] if one.isdecimal() and len(one) >= DIVISION else "" for one in base.ids]
            groups = [base.geometry[[code == one for one in codes]] for code in sorted({*codes} - {""})]
            sides = np.array([shapely.union_all(group) for group in groups])
        else:
            sides = base.geometry
        if len(sides) < 2:
            raise NoSuchBorder(layer.kind)
        return sides, np.ones(len(sides), dtype=bool)

    def _walk(self, layer: Layer, rules: Sequence[Walk]) -> None:
        """Measure the walks of a layer that aren't measured yet."""
        for rule in rules:
            if (layer, rule) not in self._walked:
                ends = self._feet_of(rule.targets, rule), self._feet_of(layer, rule)
                self._walked[layer, rule] = self._network(rule.lines).walks(*ends, limit_m=rule.limit_m)

    def _feet_of(self, layer: Layer, rule: Walk) -> Feet:
        """Where the features of a layer get on the lines of a walk."""
        way = rule.lines, rule.barriers, rule.snap_within_m
        if (layer, way) not in self._feet:
            self._feet[layer, way] = Feet(*self._getting_on(*way[::2]).of(layer.geometry, shapes_of(rule.barriers)))
        return self._feet[layer, way]

    def _getting_on(self, lines: tuple[Layer, ...], snap_within_m: float) -> Locally:
        """Finds where features get on lines, among barriers."""
        if (lines, snap_within_m) not in self._ways:
            network = self._network(lines)

            def feet(barriers: Geometries, features: Geometries) -> tuple[Ints, Floats, Floats]:
                found = network.feet(spots(features), snap_within_m=snap_within_m, barriers=barriers)
                return found.edge, found.share, found.away_m

            self._ways[lines, snap_within_m] = Locally(feet, within_m=snap_within_m)
        return self._ways[lines, snap_within_m]

    def _network(self, lines: tuple[Layer, ...]) -> Network:
        if lines not in self._networks:
            self._networks[lines] = Network.of(np.concatenate([one.geometry for one in lines]), self._plane)
        return self._networks[lines]


def _copied(known: object) -> object:
    """What is known, so that what is added isn't added there."""
    return known.copy() if isinstance(known, Locally) else known


def _clipped(ground: Geometries, polygons: Geometries) -> tuple[Geometries, Geometries]:
    return clipped(polygons, ground)


def _circles(radius_m: float, targets: Geometries) -> tuple[Geometries]:
    return (np.asarray(shapely.buffer(targets, radius_m, quad_segs=QUAD_SEGS), dtype=object),)


def matrix_of(rule: Wide) -> Geometries:
    """The green and water of a corridor."""
    return np.concatenate([one.geometry for one in rule.matrix])


def barriers_of(rule: Wide) -> dict[str, Geometries]:
    """The barriers of a corridor by kind, as polygons."""
    found = {"built": rule.built.geometry} if rule.built else {}
    if rule.roads:
        found["roads"] = bands(rule.roads.geometry, rule.road_width_m)
    return found


def reach_of(rule: Wide) -> float:
    """How far to either side of an axis is looked."""
    return max(REACH_M, rule.min_width_m + rule.offset_m)


def _stretches(layer: Layer, pieces: Pieces, why: str) -> Layer:
    """Stretches as a layer, each with the attributes of the feature that it is of, and in ``of`` its row."""
    row, lines = pieces
    frame = layer.frame.iloc[row].reset_index(drop=True).assign(of=row)
    return replace(layer, frame=frame, geometry=lines, key=f"{layer.key} | {why}")


def _missing_links(layer: Layer, row: Ints, links: Geometries, why: str) -> Layer:
    """Links that are missing, each with its length and the name of the feature that it begins at."""
    frame = layer.frame.iloc[row][["feature_id", "name"]].reset_index(drop=True)
    frame[f"{SHOW}length_m"] = np.rint(shapely.length(links))
    return replace(layer, kind="missing_links", frame=frame, geometry=links, key=f"{layer.key} | missing links {why}")


def _places(layer: Layer, points: Geometries, why: str, **columns: NDArray) -> Layer:
    """Points that were found on a layer's lines as a layer; they are numbered, and have no other attributes."""
    import pandas as pd

    frame = pd.DataFrame({"feature_id": np.arange(len(points)).astype(str), "name": "", "class_": "", **columns})
    return replace(layer, frame=frame, geometry=points, key=f"{layer.key} | {why}")


def _bodies(layer: Layer) -> Pieces:
    """Polygons that touch and bear one name and class, as one body each, and its first row."""
    rows, bodies = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=object)]
    for members in layer.frame.groupby(["name", "class_"], sort=False).indices.values():
        first, whole = touching(layer.geometry[members])
        rows.append(np.asarray(members)[first])
        bodies.append(whole)
    return np.concatenate(rows), np.concatenate(bodies)


def _united(rule: Near | Walk | AtLeast, ground: Geometries) -> shapely.Geometry:
    """The ground that a rule holds for as one; isochrones don't overlap."""
    return shapely.multipolygons(ground) if isinstance(rule, Walk) else shapely.union_all(ground)


def walked(rule: Rule) -> bool:
    """True if a rule consists of walks."""
    if isinstance(rule, AtLeast):
        return all(map(walked, rule.rules))
    return isinstance(rule, Walk)


def by_ground(rule: Rule) -> TypeGuard[Near | Walk | AtLeast]:
    """True if a rule takes the ground of polygons, not whole features: where any of some distances will do."""
    if isinstance(rule, AtLeast):
        return rule.number == 1 and all(map(by_ground, rule.rules))
    return isinstance(rule, Near) or (isinstance(rule, Walk) and rule.beside_m > 0)
