"""Replaying an indicator between two states: the borders, layers and definition of each, in any mixture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import shapely

from qpgis.amounts import exact_value_of
from qpgis.area import StudyArea, ZoneSet
from qpgis.assessment import computed
from qpgis.catalogue import Lang
from qpgis.crs import LONLAT, Geometries, Plane
from qpgis.engine import Known
from qpgis.errors import NotComputable
from qpgis.indicators.composite import Composite
from qpgis.indicators.declaration import Declared, Definition, Indicator
from qpgis.layers import Layer
from qpgis.rows import Row
from qpgis.shapes import still_valid
from qpgis.workspace import InputFile, Workspace

BOUNDARY, DEFINITION, DATA = "boundary", "definition", "data"
STRAIGHT_M = 25.0
"""Pieces of this length are as straight in one plane as in another, to 10 micrometres."""

NEAR_M = 1e-4
"""Shapes of two planes that are closer than this are the same."""
SURVEYED_LESS = 1e-6


class Factor(NamedTuple):
    """Something that isn't the same in two states, and is changed as one.

    Attributes
    ----------
    what : str
        ``boundary``, ``definition`` or ``data``.
    kinds : tuple of str
        The layers, of data.
    """

    what: str
    kinds: tuple[str, ...] = ()


class Mixture(NamedTuple):
    """Which of two states borders and definition are of, and the layers that are of the later one."""

    boundary: bool = False
    definition: bool = False
    kinds: frozenset[str] = frozenset()

    @classmethod
    def of(cls, factors: Sequence[Factor]) -> Mixture:
        """The earlier state with some factors changed."""
        named = {factor.what for factor in factors}
        return cls(BOUNDARY in named, DEFINITION in named, frozenset(k for factor in factors for k in factor.kinds))


@dataclass(frozen=True)
class State:
    """A workspace, and how an indicator is computed there."""

    workspace: Workspace
    declared: Declared
    definition: Definition

    @classmethod
    def named(cls, workspace: Workspace, indicator: str, definition: str) -> State:
        """An indicator of a workspace by its id, and its definition by its name."""
        declared = workspace.indicators[indicator]
        return cls(workspace, declared, declared.definition(definition))


class Replay:
    """Computes an indicator in mixtures of two states, each once.

    Layers that are the same in both go with the borders, those that differ keep where they were surveyed.

    Parameters
    ----------
    before, after : State
    lang : "zh" or "en"
        Of the reasons why a mixture has no value.

    Attributes
    ----------
    factors : tuple of Factor
        What isn't the same: borders, the layers that decide values, definition. A layer of land use and those that
        are selected from it are one.
    """

    def __init__(self, before: State, after: State, lang: Lang = "zh") -> None:
        self.before, self.after, self._lang = before, after, lang
        one, other = before.workspace, after.workspace
        self.moved = not same_area(one.area, other.area)
        self.projected = one.area.plane != other.area.plane
        self._known = _known(one, other, self.moved)
        self._rows: dict[Mixture, dict[str, Row]] = {}
        self._layers = {False: dict(one.layers), True: dict(other.layers)}
        self._brought: dict[tuple[str, bool], Layer] = {}
        redefined = not _same_indicator(before, after)
        differing = self._tell_apart([kind for kind in self._declared() if not self._same(kind)])
        groups = _by_origin([kind for kind in differing if self._decides(kind, differing, redefined)], one, other)
        data = [Factor(DATA, group) for group in groups]
        self.factors = (
            *([Factor(BOUNDARY)] if self.moved else []),
            *data,
            *([Factor(DEFINITION)] if redefined else []),
        )

    def rows(self, mixture: Mixture) -> Mapping[str, Row]:
        """The row of every zone by its id."""
        if mixture not in self._rows:
            state, known = self.state(mixture), self.known(mixture)
            rows = computed(self.workspace(mixture), state.declared, state.definition, known=known, lang=self._lang)
            self._rows[mixture] = {row.zone.id: row for row in rows}
        return self._rows[mixture]

    def value(self, mixture: Mixture, zone: str) -> Fraction | None:
        """A zone's value to the last digit."""
        return exact_value(self.rows(mixture)[zone])

    def workspace(self, mixture: Mixture) -> Workspace:
        """The mixture as a workspace."""
        base = self.after.workspace if mixture.boundary else self.before.workspace
        layers = dict(base.layers)
        for kind in {kind for factor in self.factors for kind in factor.kinds}:
            layers.pop(kind, None)
            if (layer := self.layer(kind, kind in mixture.kinds, mixture.boundary)) is not None:
                layers[kind] = layer
        return replace(base, layers=layers, samples={}, indicators=self.state(mixture).workspace.indicators)

    def state(self, mixture: Mixture) -> State:
        """The state whose definition a mixture has."""
        return self.after if mixture.definition else self.before

    def known(self, mixture: Mixture) -> Known:
        """What was found out of the mixture's area."""
        return self._known[mixture.boundary]

    def layer(self, kind: str, later: bool, boundary: bool) -> Layer | None:
        """A layer of one state over the borders of one, in their plane."""
        layer = self._layers[later].get(kind)
        if layer is None or not self.moved or later == boundary:
            return layer
        if (kind, later) not in self._brought:
            own, other = (self._area(which) for which in (later, boundary))
            land = self._layers[later].get(layer.selected_from or kind, layer)
            layer = _as_surveyed(layer, land, own, other) if land.scheme else layer
            self._brought[kind, later] = _carried(layer, own.plane, other.plane) if self.projected else layer
        return self._brought[kind, later]

    def _area(self, later: bool) -> StudyArea:
        return (self.after if later else self.before).workspace.area

    def zone(self, zone: str, boundary: bool) -> shapely.Geometry:
        """A zone or group as one state draws it."""
        area = self._area(boundary)
        sets = (*area.zone_sets, *area.group_sets)
        return next(zones.geometry[zones.ids.index(zone)] for zones in sets if zone in zones.ids)

    def surveyed(self, kind: str, later: bool, zone: str) -> float | None:
        """What share of a zone as the other state draws it a layer was surveyed in.

        None where that is no less than of the zone as the layer's own state draws it.
        """
        own, other = (self._surveyed(kind, later, boundary, zone) for boundary in (later, not later))
        return other if other < own - SURVEYED_LESS else None

    def _surveyed(self, kind: str, later: bool, boundary: bool, zone: str) -> float:
        layer, shape = self.layer(kind, later, boundary), self.zone(zone, boundary)
        if layer is None or layer.extent is None:
            return 1.0
        return float(shapely.area(shapely.intersection(shape, layer.extent)) / shapely.area(shape))

    # ---- what differs ----

    def _declared(self) -> list[str]:
        """The layers that the indicator may read in either state."""
        states = self.before, self.after
        every = [kind for state in states for one, _ in _measured(state) for kind in one.layers]
        return list(dict.fromkeys(every))

    def _same(self, kind: str) -> bool:
        """Whether both states hold the same of a layer; where borders moved, what was surveyed moves with them."""
        one, other = (self._layers[later].get(kind) for later in (False, True))
        if one is None or other is None or one is other:
            return one is other
        about = ("selected_from", "scheme", "amount_unit", "unclassified")
        if any(getattr(one, name) != getattr(other, name) for name in about):
            return False
        if not self.moved and not _same_extent(one, other):
            return False
        if not one.frame.equals(other.frame):
            return False
        if not self.projected:
            return shapely.to_wkb(one.geometry).tolist() == shapely.to_wkb(other.geometry).tolist()
        return _same_places(one, self._over(kind))

    def _over(self, kind: str) -> Layer:
        layer = self.layer(kind, later=True, boundary=False)
        assert layer is not None
        return layer

    def _tell_apart(self, kinds: list[str]) -> list[str]:
        """Give layers that differ keys that do: of one file they may have other tables joined to them."""
        for kind in kinds:
            pair = [layers[kind] for layers in self._layers.values() if kind in layers]
            if len({layer.key for layer in pair}) < len(pair):
                for layers in self._layers.values():
                    layers[kind] = replace(layers[kind], key=f"{layers[kind].key} # {layers[kind].content}")
        return kinds

    def _decides(self, kind: str, differing: Sequence[str], redefined: bool) -> bool:
        """Whether what the indicator measures isn't the same with a layer of either state, all else as in one."""
        every = frozenset(differing)
        first = self._made(frozenset(), False) != self._made(frozenset({kind}), False)
        return first or self._made(every, redefined) != self._made(every - {kind}, redefined)

    def _made(self, later: frozenset[str], redefined: bool) -> list[Any]:
        """What is measured with some layers of the later state, or which layer lacks."""
        return [
            _attempt(one, definition, self._given(one, later))
            for one, definition in _measured(self.after if redefined else self.before)
        ]

    def _given(self, indicator: Indicator, later: frozenset[str]) -> dict[str, Layer]:
        own = {kind: self._layers[kind in later] for kind in indicator.layers}
        return {kind: layers[kind] for kind, layers in own.items() if kind in layers}


def exact_value(row: Row) -> Fraction | None:
    """A row's value before it was rounded: of its sums, where it is their quotient."""
    if row.value is None:
        return None
    if row.numerator is not None:
        try:
            exact = exact_value_of(row.unit, row.numerator, row.denominator)
        except ValueError:  # the sums beside what was measured of a whole aren't in its unit
            return Fraction(row.value)
        if float(exact) == row.value:
            return exact
    return Fraction(row.value)


def same_area(one: StudyArea, other: StudyArea) -> bool:
    """Whether two areas have the same zones and groups, and measure them in the same plane."""
    if one is other:
        return True
    pairs = zip(one.zone_sets, other.zone_sets, strict=False)
    return (
        one.plane == other.plane
        and [(g.id, g.level, g.members) for g in one.groups] == [(g.id, g.level, g.members) for g in other.groups]
        and len(one.zone_sets) == len(other.zone_sets)
        and all(_same_zones(*pair) for pair in pairs)
    )


def _same_zones(one: ZoneSet, other: ZoneSet) -> bool:
    alike = (one.level, one.ids, one.overlapping) == (other.level, other.ids, other.overlapping)
    return alike and shapely.to_wkb(one.geometry).tolist() == shapely.to_wkb(other.geometry).tolist()


def _known(one: Workspace, other: Workspace, moved: bool) -> dict[bool, Known]:
    """What was found out of each area; of one area what is known of either workspace. Mixtures don't add to it."""
    if moved:
        return {False: one.known.copy(), True: other.known.copy()}
    first = other if one.area is other.area and "known" in vars(other) and "known" not in vars(one) else one
    known = first.known.copy()
    return {False: known, True: known}


def _same_extent(one: Layer, other: Layer) -> bool:
    if one.extent is None or other.extent is None:
        return one.extent is other.extent
    return bool(shapely.equals(one.extent, other.extent))


def _same_places(one: Layer, other: Layer) -> bool:
    """Whether shapes are the same, those of one plane carried into the other."""
    return bool((shapely.hausdorff_distance(one.geometry, other.geometry) < NEAR_M).all())


def _by_origin(kinds: Sequence[str], *workspaces: Workspace) -> list[tuple[str, ...]]:
    """Layers that move as one: those that are selected from one land use in either workspace, and it itself."""
    groups: list[tuple[set[str], list[str]]] = []
    for kind in kinds:
        there = [workspace.layers[kind] for workspace in workspaces if kind in workspace.layers]
        origins = {layer.selected_from or kind for layer in there}
        touching = [group for group in groups if group[0] & origins]
        groups = [group for group in groups if group not in touching]
        joined = [member for _, members in touching for member in members]
        groups.append((origins.union(*(group[0] for group in touching)), [*joined, kind]))
    order = {kind: n for n, kind in enumerate(kinds)}
    return sorted((tuple(sorted(members, key=order.__getitem__)) for _, members in groups), key=lambda g: order[g[0]])


def _measured(state: State) -> Iterator[tuple[Indicator, Definition]]:
    """The indicators that are measured: one, or the components of a composite."""
    if isinstance(state.declared, Composite):
        yield from ((one.indicator, one.definition) for one in state.declared.components)
    elif isinstance(state.declared, Indicator):
        yield state.declared, state.definition


def _attempt(indicator: Indicator, definition: Definition, layers: Mapping[str, Layer]) -> object:
    try:
        return indicator(layers, definition)
    except NotComputable as reason:
        return type(reason), reason.layer


def _same_indicator(one: State, other: State) -> bool:
    """Whether both states compute by the same formula and settings."""
    if isinstance(one.declared, Composite) or isinstance(other.declared, Composite):
        alike = one.declared.definitions[0].settings == other.declared.definitions[0].settings
        pairs = zip(_measured(one), _measured(other), strict=False)
        return alike and all(_same_indicator(State(one.workspace, *a), State(other.workspace, *b)) for a, b in pairs)
    settings = [{**state.declared.settings, **state.definition.settings} for state in (one, other)]
    return settings[0] == settings[1] and _same_function(one, other)


def _same_function(one: State, other: State) -> bool:
    a, b = one.declared, other.declared
    if isinstance(a, Indicator) and isinstance(b, Indicator) and a.function is b.function:
        return True
    return bool(a.file) and a.file == b.file and _files(one, a.file) == _files(other, b.file)


def _files(state: State, file: str) -> set[str]:
    """The hashes of a workspace's own indicators in a file of this name."""
    inputs: Sequence[InputFile] = state.workspace.inputs
    return {one.sha256 for one in inputs if one.role == "indicators" and file.endswith(one.name)}


def _as_surveyed(layer: Layer, land: Layer, own: StudyArea, other: StudyArea) -> Layer:
    """Land use over other borders: beyond its own ones it was surveyed where its parcels are, as reading it finds."""
    beyond = shapely.difference(_between([other.whole], other.plane, own.plane)[0], own.whole)
    parcels = land.geometry[shapely.STRtree(land.geometry).query(beyond, predicate="intersects")]
    ground = shapely.union(own.whole, shapely.intersection(shapely.union_all(parcels), beyond))
    return replace(layer, extent=ground if layer.extent is None else shapely.intersection(layer.extent, ground))


def _carried(layer: Layer, plane: Plane, into: Plane) -> Layer:
    """A layer of one plane in another."""
    extent = layer.extent
    if extent is not None and not extent.is_empty:
        extent = _between([extent], plane, into)[0]
    return replace(layer, geometry=_between(layer.geometry, plane, into), extent=extent)


def _between(shapes: Sequence[shapely.Geometry] | Geometries, plane: Plane, into: Plane) -> Geometries:
    """Shapes of one plane in another."""
    found = np.array(shapes, dtype=object)
    if plane == into or not len(found):
        return found
    close = shapely.segmentize(found, STRAIGHT_M)
    return still_valid(into.project(plane.unproject(close), LONLAT, what=f"from {plane}"))
