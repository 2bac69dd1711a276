"""What candidates for closing a gap come to: values of scenarios with some of them; what each reaches by itself."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from qpgis.access import AREAL, QUAD_SEGS, by_ground
from qpgis.amounts import Amount, Outcome, outcome, value_of
from qpgis.area import ZoneSet
from qpgis.assessment import assess
from qpgis.catalogue import Lang
from qpgis.crs import Geometries
from qpgis.dissolving import dissolved
from qpgis.engine import Engine, Known
from qpgis.errors import ConfigError, CRSError, LayerError, NotComputable
from qpgis.indicators.declaration import Indicator
from qpgis.layers import Layer
from qpgis.parts import AtLeast, Measure, Near, Part, PerZone, Quotient, Rule, Walk
from qpgis.plans import Target, holds
from qpgis.rows import Row, Zone
from qpgis.scenarios.candidates import Candidates
from qpgis.scenarios.cover import Chosen, Demand
from qpgis.scenarios.shortfall import least
from qpgis.scenarios.what_if import scenario
from qpgis.shapes import polygonal
from qpgis.workspace import Workspace

Ints = NDArray[np.int64]
Leaf = Walk | Near
"""What one service is reached by."""
HAIR = 10**7
"""Pieces of ground may come to this part less than the whole: each is rounded, and drawn by itself."""


@dataclass(frozen=True)
class Goal:
    """A value that is to meet a target.

    Attributes
    ----------
    zone : Zone
    target : Target
    limit : float
        From where on it is met.
    before : float or None
        The value today.
    most : float or None
        With all candidates.
    after : float or None
        With those that were chosen, as the scenario has it; ``None`` without a plan.
    """

    zone: Zone
    target: Target
    limit: float
    before: float | None
    most: float | None = None
    after: float | None = None


@dataclass(frozen=True)
class _Place:
    """Where a goal's value is measured: a zone of a set, or the members of a group."""

    zones: ZoneSet
    members: tuple[int, ...]


@dataclass(frozen=True)
class Problem:
    """An indicator, the goals that are set, and the candidates; values of scenarios with some of these."""

    workspace: Workspace
    indicator: Indicator
    definition: str
    candidates: Candidates
    name: str
    lang: Lang
    goals: tuple[Goal, ...] = ()

    def state(self, chosen: Chosen) -> Workspace:
        """The workspace with some of the candidates.

        Raises
        ------
        LayerError, CRSError
            If one can't be used; with its file.
        """
        if not chosen:
            return self.workspace
        try:
            return scenario(self.workspace, self.candidates.change(chosen), name=self.name, lang=self.lang)
        except (LayerError, CRSError) as error:
            raise type(error)(f"{self.candidates.file}: {error}" if self.candidates.file else str(error)) from error

    def measure(self, chosen: Chosen) -> Measure:
        """What the indicator measures with some of the candidates."""
        return self.indicator(self.state(chosen).layers, self.indicator.definition(self.definition))

    def outcomes(self, chosen: Chosen) -> list[Outcome]:
        """What every goal's zone comes to with some of the candidates."""
        try:
            made = self.measure(chosen)
        except NotComputable:
            return [Outcome(None)] * len(self.goals)
        known = self.workspace.known if not chosen else self.workspace.known.copy()
        engine = Engine(self.workspace.area, known)
        return [self._outcome(engine, made, self.place(goal.zone, made)) for goal in self.goals]

    def _outcome(self, engine: Engine, made: Measure, place: _Place) -> Outcome:
        if isinstance(made, PerZone):
            return engine.outcomes(made, place.zones)[place.members[0]]
        above = sum(engine.values(made.numerator, place.zones)[n] for n in place.members)
        if made.denominator is None:
            return outcome(self.indicator.unit, Amount(above, made.numerator.unit))
        below = sum(engine.values(made.denominator, place.zones)[n] for n in place.members)
        ground = sum(engine.zone_areas(place.zones)[n] for n in place.members)
        amounts = Amount(above, made.numerator.unit), Amount(below, made.denominator.unit)
        return outcome(self.indicator.unit, *amounts, zone=ground)

    def place(self, zone: Zone, made: Measure) -> _Place:
        """Where the value of a zone is measured."""
        area = self.workspace.area
        for group in area.groups:
            if group.id == zone.id and not isinstance(made, PerZone):
                return _Place(area.base, tuple(area.base.ids.index(one) for one in group.members))
        for zones in (*area.zone_sets, *area.group_sets):
            if zones.level == zone.level and zone.id in zones.ids:
                return _Place(zones, (zones.ids.index(zone.id),))
        raise ConfigError(f"no zone {zone.id!r}")

    def holds(self, goal: Goal, value: float | None) -> bool:
        """Whether a value meets a goal."""
        return value is not None and holds(goal.target, value, self.workspace.thresholds)

    def lacks(self, chosen: Chosen) -> tuple[float, ...]:
        """What a set lacks of each goal, as a share of what is lacking today; 0 where it is met."""
        found = []
        for goal, one in zip(self.goals, self.outcomes(chosen), strict=True):
            if self.holds(goal, one.value):
                found.append(0.0)
            elif one.value is None or goal.before is None or goal.before == goal.limit:
                found.append(1.0)
            else:
                found.append(max((goal.limit - one.value) / (goal.limit - goal.before), 1e-12))
        return tuple(found)

    def rows(self, workspace: Workspace, known: Known) -> dict[str, Row]:
        """What an assessment makes of the indicator, by zone."""
        key = self.indicator.id
        asked: dict[str, Any] = {"indicators": [key], "definitions": {key: [self.definition]}, "lang": self.lang}
        rows = assess(workspace, known=known, **asked).rows
        return {row.zone.id: row for row in rows if row.definition == self.definition}

    def confirmed(self, chosen: Chosen) -> tuple[Goal, ...]:
        """The goals with the values that an assessment of the scenario gives them."""
        rows = self.rows(self.state(chosen), self.workspace.known.copy())
        return tuple(replace(goal, after=rows[goal.zone.id].value) for goal in self.goals)


@dataclass(frozen=True)
class Additive:
    """What candidates reach, as demands; and what each goal has and needs, in millionths of the numerator.

    ``slack`` is by how much less of each goal the demands may come to than the scenario: where ground is cut into
    pieces, each is rounded.
    """

    demands: tuple[Demand, ...] = field(repr=False)
    goals: tuple[int, ...]
    before: tuple[int, ...]
    slack: tuple[int, ...]
    unit: str


_Changed = list[tuple[int, Part, Part]]
"""The parts of a numerator that candidates change: which term, without any of them, with all."""


def _changed(problem: Problem) -> tuple[Quotient, _Changed] | None:
    """What the indicator measures, and what candidates add to; ``None`` where they change more than that."""
    try:
        now, then = problem.measure(()), problem.measure(tuple(range(len(problem.candidates))))
    except NotComputable:
        return None
    if not isinstance(now, Quotient) or not isinstance(then, Quotient) or now.denominator != then.denominator:
        return None
    terms = [*now.numerator.terms()], [*then.numerator.terms()]
    if len(terms[0]) != len(terms[1]) or any(goal.target.direction != "up" for goal in problem.goals):
        return None
    found = [(n, a, b) for n, (a, b) in enumerate(zip(*terms, strict=True)) if a != b]
    if any(a[0] != 1 or b[0] != 1 for _, a, b in found):
        return None
    return now, [(n, a[1], b[1]) for n, a, b in found]


def never_less(problem: Problem) -> bool:
    """Whether more candidates surely reach no less: they bring targets to what is counted, and take nothing away."""
    found = _changed(problem)
    return found is not None and all(_targeted(problem, *one) is not None for one in found[1])


def additive(problem: Problem) -> Additive | None:
    """What each candidate reaches by itself, where that adds up; ``None`` where it doesn't."""
    found = _changed(problem)
    if found is None:
        return None
    now, changed = found
    demands: list[Demand] = []
    for term, part, then in changed:
        reach = _amounts if part.where is None else _demands
        some = reach(problem, now, term, part, then)
        if some is None:
            return None
        demands += some
    before, goals = [], []
    engine = Engine(problem.workspace.area, problem.workspace.known)
    for goal in problem.goals:
        place = problem.place(goal.zone, now)
        above, below = (
            None if side is None else sum(engine.values(side, place.zones)[n] for n in place.members)
            for side in (now.numerator, now.denominator)
        )
        before.append(above or 0)
        goals.append(_needed(problem, goal, now, above or 0, below))
    cut = any(part.where is not None and _by_pieces(part) for _, part in now.numerator.terms())
    slack = tuple(goal // HAIR if cut else 0 for goal in goals)
    return Additive(tuple(demands), tuple(goals), tuple(before), slack, now.numerator.unit)


def _needed(problem: Problem, goal: Goal, made: Quotient, above: int, below: int | None) -> int:
    """How much the numerator lacks, in millionths; more than there can be where no amount is enough."""
    under = None if below is None or made.denominator is None else Amount(below, made.denominator.unit)

    def met(more: int) -> bool:
        return problem.holds(goal, value_of(problem.indicator.unit, Amount(above + more, made.numerator.unit), under))

    most = 1 << 60
    found = least(met, most)
    return most if found is None else found


def _targeted(problem: Problem, term: int, part: Part, then: Part) -> _Owned | None:
    """Whose the targets are that candidates bring to a part; ``None`` where they change it otherwise."""
    before, after = _services(part.where), _services(then.where)
    same = replace(then, where=None) == replace(part, where=None)
    if before is None or after is None or not same or not before.like(after):
        return None
    return _owned(problem, term, before.leaves, after.leaves)


def _demands(problem: Problem, made: Quotient, term: int, part: Part, then: Part) -> list[Demand] | None:
    """Each feature that a part counts with the candidates that reach it; ``None`` where there is more to it."""
    before, owned = _services(part.where), _targeted(problem, term, part, then)
    if before is None or owned is None or len(part.layers) > 1:
        return None
    if _by_pieces(part):
        return _pieces(problem, made, part, owned)
    if part.kernel == "ground":
        return None
    (layer,) = part.layers
    access = problem.workspace.known.access
    access.holds(layer, AtLeast(1, before.leaves))  # all walks at once
    reached_by = access.reached_each(layer, [rule for rule, owner in dict(owned).items() if len(owner)])
    needs, options, leaf = np.full(len(layer), before.number), [], 0
    for some in before.services:
        there = np.logical_or.reduce([access.holds(layer, one) for one in some])
        reach: list[set[int]] = [set() for _ in range(len(layer))]
        for rule, owner in owned[leaf : leaf + len(some)]:
            target, feature = reached_by.get(rule, (np.empty(0, np.int64), np.empty(0, np.int64)))
            for one, row in zip(owner[target].tolist(), feature.tolist(), strict=True):
                reach[row].add(one)
        leaf += len(some)
        needs -= there
        options.append([() if there[row] else tuple(sorted(reach[row])) for row in range(len(layer))])
    worth = _worth(problem, replace(part, where=None), made, len(layer))
    rows = np.flatnonzero((needs > 0) & (worth > 0).any(axis=1))
    return [Demand(int(needs[n]), tuple(one[n] for one in options), tuple(map(int, worth[n]))) for n in rows]


def _by_pieces(part: Part) -> bool:
    """Whether a part counts the ground that a rule holds for, not whole features."""
    areal = any((shapely.get_dimensions(one.geometry) == AREAL).any() for one in part.layers)
    return part.where is not None and by_ground(part.where) and (part.kernel == "ground" or areal)


def _pieces(problem: Problem, made: Quotient, part: Part, owned: _Owned) -> list[Demand] | None:
    """The ground that isn't reached yet, cut where the circles of candidates do, with the candidates that reach it."""
    if not all(isinstance(leaf, Near) for leaf, _ in owned) or not isinstance(part.where, Near | AtLeast):
        return None
    grounds = [shapely.buffer(leaf.targets.geometry, leaf.limit_m, quad_segs=QUAD_SEGS) for leaf, _ in owned]
    circles, owner = np.concatenate(grounds), np.concatenate([owner for _, owner in owned])
    faces = shapely.get_parts(shapely.polygonize([shapely.union_all(shapely.boundary(circles))]))
    face, circle = shapely.STRtree(circles).query(shapely.point_on_surface(faces), predicate="intersects")
    reach: list[set[int]] = [set() for _ in faces]
    for one, by in zip(face.tolist(), owner[circle].tolist(), strict=True):
        reach[one].add(by)
    land = _land(problem, made, part)
    if land is None:
        return None
    polygon, face = shapely.STRtree(faces).query(land.geometry, predicate="intersects")
    shapes = shapely.intersection(land.geometry[polygon], faces[face])
    there = shapely.union_all(problem.workspace.known.access.ground(part.where))
    shapes = np.array([polygonal(one) for one in shapely.difference(shapes, there)], dtype=object)
    left = ~shapely.is_empty(shapes)
    polygon, face, shapes = polygon[left], face[left], shapes[left]
    frame = land.frame.iloc[polygon].reset_index(drop=True)
    if "amount" in frame:
        frame["amount"] *= shapely.area(shapes) / shapely.area(land.geometry[polygon])
    cut = replace(land, frame=frame, geometry=shapes, key=f"{land.key} | pieces")
    kernel = "area" if part.kernel == "ground" else part.kernel
    worth = _worth(problem, replace(part, kernel=kernel, where=None, layers=(cut,)), made, len(cut))
    return [Demand(1, (tuple(sorted(reach[one])),), tuple(map(int, worth[n]))) for n, one in enumerate(face)]


def _land(problem: Problem, made: Quotient, part: Part) -> Layer | None:
    """The polygons whose ground a part counts: of its layer, or the zones; ``None`` where some of it are points."""
    if part.layers:
        (layer,) = part.layers
        return layer if (shapely.get_dimensions(layer.geometry) == AREAL).all() else None
    places = [problem.place(goal.zone, made) for goal in problem.goals]
    zones = np.concatenate([place.zones.geometry[list(place.members)] for place in places])
    ground = dissolved(zones)
    empty = Layer.empty("construction", problem.workspace.area.base.source)
    return replace(empty, frame=empty.frame.reindex(range(len(ground))), geometry=ground, key="ground of zones")


def _amounts(problem: Problem, made: Quotient, term: int, part: Part, then: Part) -> list[Demand] | None:
    """What each candidate itself amounts to; ``None`` where it isn't that whatever else is there."""
    changed = [(a, b) for a, b in zip(part.layers, then.layers, strict=False) if a != b]
    if replace(then, layers=part.layers) != part or len(part.layers) != len(then.layers) or len(changed) != 1:
        return None
    prefix = f"{problem.name}:"
    place = {f"{prefix}{id_}": n for n, id_ in enumerate(problem.candidates.ids)}
    owner = np.concatenate([one.frame["feature_id"].map(place).fillna(-1).to_numpy(int) for one in then.layers])
    if _overlap(changed[0][1].geometry[changed[0][1].frame["feature_id"].isin(place).to_numpy()]):
        return None
    worth = _worth(problem, then, made, len(owner))
    before = _worth(problem, part, made, sum(map(len, part.layers)))
    as_lengths = worth
    if then.kernel == "centreline_length":  # one that runs beside another counts half only as long as both are there
        as_lengths = _worth(problem, replace(then, kernel="length", settings=(), context_m=0.0), made, len(owner))
    ours = owner >= 0
    if (worth[~ours].sum(axis=0) != before.sum(axis=0)).any() or (as_lengths[ours] != worth[ours]).any():
        return None
    each = np.zeros((len(place), len(problem.goals)), dtype=np.int64)
    np.add.at(each, owner[ours], worth[ours])
    return [Demand(1, ((n,),), tuple(map(int, one))) for n, one in enumerate(each)]


def _overlap(shapes: Geometries) -> bool:
    """Whether some shapes have more in common than their borders."""
    one, other = shapely.STRtree(shapes).query(shapes, predicate="intersects")
    one, other = one[one < other], other[one < other]
    common = shapely.intersection(shapes[one], shapes[other])
    return bool((shapely.get_dimensions(common) >= shapely.get_dimensions(shapes[one])).any())


def _worth(problem: Problem, part: Part, made: Quotient, count: int) -> Ints:
    """What each feature of a part counts for each goal, in millionths."""
    engine = Engine(problem.workspace.area, problem.workspace.known)
    worth = np.zeros((count, len(problem.goals)), dtype=np.int64)
    for n, goal in enumerate(problem.goals):
        place = problem.place(goal.zone, made)
        _, found = engine.contributions(part, place.zones)
        inside = np.isin(found.zone, place.members)
        np.add.at(worth[:, n], found.feature[inside], found.micro[inside])
    return worth


@dataclass(frozen=True)
class _Services:
    """So many of some services, each reached by any of some walks or straight lines."""

    number: int
    services: tuple[tuple[Leaf, ...], ...]

    @property
    def leaves(self) -> tuple[Leaf, ...]:
        """Every walk and straight line."""
        return tuple(leaf for some in self.services for leaf in some)

    def like(self, other: _Services) -> bool:
        """Whether other services differ in their targets only."""
        counts = [(one.number, [len(some) for some in one.services]) for one in (self, other)]
        pairs = zip(self.leaves, other.leaves, strict=False)
        return counts[0] == counts[1] and all(type(a) is type(b) and _retargeted(b, a.targets) == a for a, b in pairs)


def _retargeted(leaf: Leaf, targets: Layer) -> Leaf:
    return replace(leaf, targets=targets)


def _services(rule: Rule | None) -> _Services | None:
    """The services that a rule asks for; ``None`` where it asks for something else."""
    if alone := _any_of(rule):
        return _Services(1, (alone,))
    if not isinstance(rule, AtLeast):
        return None
    services = tuple(_any_of(one) for one in rule.rules)
    return _Services(rule.number, services) if all(services) else None


def _any_of(rule: Rule | None) -> tuple[Leaf, ...]:
    """The walks or straight lines of which any will do; nothing where more is asked for."""
    if isinstance(rule, Walk | Near):
        return (rule,)
    if not isinstance(rule, AtLeast) or rule.number != 1:
        return ()
    each = [_any_of(one) for one in rule.rules]
    return tuple(leaf for some in each for leaf in some) if all(each) else ()


_Owned = list[tuple[Leaf, Ints]]
"""For each walk or straight line that of the candidates' targets only, and which candidate each target is of."""


def _owned(problem: Problem, term: int, before: tuple[Leaf, ...], after: tuple[Leaf, ...]) -> _Owned | None:
    """Whose the targets are that candidates bring; ``None`` where they change more than that."""
    prefix = f"{problem.name}:"
    place = {id_: n for n, id_ in enumerate(problem.candidates.ids)}
    found: _Owned = []
    for now, then in zip(before, after, strict=True):
        ids = then.targets.frame["feature_id"]
        ours = ids.str.startswith(prefix).to_numpy()
        if Counter(_keys(then.targets.geometry[~ours])) != Counter(_keys(now.targets.geometry)):
            return _owned_alone(problem, term, before, after)
        owner = np.array([place[one.removeprefix(prefix)] for one in ids[ours]], dtype=np.int64)
        found.append(_of_candidates(now, then.targets.geometry[ours], owner))
    return found


def _owned_alone(problem: Problem, term: int, before: tuple[Leaf, ...], after: tuple[Leaf, ...]) -> _Owned | None:
    """The same, from a scenario with each candidate by itself; ``None`` where together they bring other targets."""
    there = [Counter(_keys(leaf.targets.geometry)) for leaf in before]
    new: list[list[tuple[int, shapely.Geometry]]] = [[] for _ in before]
    for n in range(len(problem.candidates)):
        made = problem.measure((n,))
        assert isinstance(made, Quotient)
        services = _services([*made.numerator.terms()][term][1].where)
        if services is None or len(services.leaves) != len(before):
            return None
        for k, leaf in enumerate(services.leaves):
            keys = _keys(leaf.targets.geometry)
            if _retargeted(leaf, before[k].targets) != before[k] or there[k] - Counter(keys):
                return None
            new[k] += [(n, shape) for key, shape in zip(keys, leaf.targets.geometry, strict=True) if not there[k][key]]
    found: _Owned = []
    for k, now in enumerate(before):
        shapes = np.array([shape for _, shape in new[k]], dtype=object)
        if set(_keys(shapes)) | set(there[k]) != set(_keys(after[k].targets.geometry)):
            return None
        found.append(_of_candidates(now, shapes, np.array([n for n, _ in new[k]], dtype=np.int64)))
    return found


def _of_candidates(leaf: Leaf, shapes: Geometries, owner: Ints) -> tuple[Leaf, Ints]:
    """A walk or straight line to the targets of candidates only."""
    layer = leaf.targets
    only = replace(layer, frame=layer.frame.iloc[:0], geometry=shapes, key=f"{layer.key} | of candidates")
    return replace(leaf, targets=only), owner


def _keys(shapes: Geometries) -> list[bytes]:
    return list(shapely.to_wkb(shapes))
