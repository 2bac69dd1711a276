"""What indicators are made of: Parts, descriptions of one sum per zone, and what is measured of a zone as a whole.

The engine evaluates them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, is_dataclass

from qpgis.amounts import WHOLE_UNITS
from qpgis.errors import ConfigError, MissingAmounts, MissingAmountUnit, MissingLayer, NoneOfClass
from qpgis.layers import AbsentLayer, AnyLayer, Layer


@dataclass(frozen=True)
class Zones:
    """Stands for the zones in an indicator: ``parts.area(zones)`` is each zone's own area."""


@dataclass(frozen=True)
class Walk:
    """Holds for what lies within a walk of the nearest target, along lines, the way from and to the lines included.

    Attributes
    ----------
    targets : Layer
        Points.
    lines : tuple of Layer
        What is walked on.
    limit_m : float
        The longest walk.
    snap_within_m : float
        What is further than this from every line isn't reached.
    barriers : tuple of Layer
        What the way to the lines doesn't cross: water, motorways.
    beside_m : float
        0: polygons count whole, reached at a point inside. Else of polygons the ground that is reached: their isochrone
        with so much ground beside the streets, see :mod:`qpgis.measures.isochrones`.
    """

    targets: Layer
    lines: tuple[Layer, ...]
    limit_m: float
    snap_within_m: float
    barriers: tuple[Layer, ...] = ()
    beside_m: float = 0.0

    def layers(self) -> tuple[Layer, ...]:
        """Every layer that the rule reads."""
        return (self.targets, *self.lines, *self.barriers)


@dataclass(frozen=True)
class Near:
    """Holds for what lies within a straight line of the nearest target; measured in the plane."""

    targets: Layer
    limit_m: float

    def layers(self) -> tuple[Layer, ...]:
        """The layer that the rule reads."""
        return (self.targets,)


@dataclass(frozen=True)
class AtLeast:
    """Holds for what so many of several rules hold for."""

    number: int
    rules: tuple[Walk | Near | AtLeast, ...]

    def layers(self) -> tuple[Layer, ...]:
        """Every layer that the rules read."""
        return tuple(layer for rule in self.rules for layer in rule.layers())


@dataclass(frozen=True)
class Wide:
    """Holds for stretches of axes along which a corridor is wide enough, net of barriers.

    Attributes
    ----------
    matrix : tuple of Layer
        Green and water.
    built, roads : Layer or None
        Barriers: polygons, and lines of ``road_width_m``.
    min_width_m : float
        The net width wanted.
    road_width_m : float
    offset_m : float
        How far beside a sketched axis the corridor may run.
    """

    matrix: tuple[Layer, ...]
    built: Layer | None
    roads: Layer | None
    min_width_m: float
    road_width_m: float
    offset_m: float = 0.0

    def layers(self) -> tuple[Layer, ...]:
        """Every layer that the rule reads."""
        return (*self.matrix, *(one for one in (self.built, self.roads) if one is not None))


@dataclass(frozen=True)
class Linked:
    """Holds for the lines of networks that are long enough, or of the longest one.

    Attributes
    ----------
    gap_within_m : float
        Lines that come this close are connected.
    least_m : float or None
        How long a network must be; ``None``: only the longest of the layer counts.
    """

    gap_within_m: float
    least_m: float | None = None

    def layers(self) -> tuple[Layer, ...]:
        """No layer but the one that it chooses from."""
        return ()


@dataclass(frozen=True)
class Nodes:
    """Takes of the network of lines its junctions and dead ends, as points with half their chains as amount.

    See :func:`qpgis.measures.junctions.nodes`. A dead end on the border of what was surveyed isn't known to be one, and
    left out; of a layer that doesn't say what was, on the border of the whole area.

    Attributes
    ----------
    which : str
        ``junctions``, ``ends``, or ``all``.
    merge_within_m : float
        Junctions this near along the lines are one.
    """

    which: str
    merge_within_m: float

    def layers(self) -> tuple[Layer, ...]:
        """No other layer is read."""
        return ()


@dataclass(frozen=True)
class Crossings:
    """Takes of the network of lines the places where it crosses water, as points.

    See :func:`qpgis.measures.crossings.crossings`.

    Attributes
    ----------
    water : Layer
    others : tuple of Layer
        Further lines of the network.
    merge_within_m : float
        Crossings of one water this near to each other are one.
    least_depth_m : float
        A line that gets no further than this from the shore runs along it.
    """

    water: Layer
    others: tuple[Layer, ...]
    merge_within_m: float
    least_depth_m: float

    def layers(self) -> tuple[Layer, ...]:
        """The water, and the other lines."""
        return (self.water, *self.others)


@dataclass(frozen=True)
class Shore:
    """Holds for the shore of polygons of water: their border with land.

    Pieces of water that touch and bear one name and class are one body. What borders on other water, or on ground
    beyond the layer's extent, is no shore.

    Attributes
    ----------
    others : Layer
        All water.
    """

    others: Layer

    def layers(self) -> tuple[Layer, ...]:
        """The layer that the rule reads."""
        return (self.others,)


@dataclass(frozen=True)
class Gap:
    """Takes of the axes of corridors their gaps: the middle of each stretch without the width, as points.

    Attributes
    ----------
    wide : Wide
    barrier : str
        ``any``; ``built`` or ``roads``: only gaps where such a barrier is; ``none``: where there is none, just too
        little green and water.
    """

    wide: Wide
    barrier: str = "any"

    def layers(self) -> tuple[Layer, ...]:
        """Every layer that the rule reads."""
        return self.wide.layers()


@dataclass(frozen=True)
class OpenShore:
    """Holds for the stretches of the shore that people get to.

    Attributes
    ----------
    shore : Shore
        What of the border of the water is shore.
    paths, grounds : tuple of Layer
        Lines and polygons that people may use.
    closed : tuple of Layer
        Polygons that close the shore before them; paths through them aren't used.
    within_m : float
        How near a path or ground has to be.
    least_m : float
        How long a stretch has to be.
    """

    shore: Shore
    paths: tuple[Layer, ...]
    grounds: tuple[Layer, ...]
    closed: tuple[Layer, ...]
    within_m: float
    least_m: float

    def layers(self) -> tuple[Layer, ...]:
        """Every layer that the rule reads."""
        return (*self.shore.layers(), *self.paths, *self.grounds, *self.closed)


@dataclass(frozen=True)
class BorderEnds:
    """Takes of the network of lines the dead ends at a border, as points.

    See :func:`qpgis.measures.borders.border_ends`; each has a link that is missing to a road on the other side.

    Attributes
    ----------
    others : tuple of Layer
        Further roads, on which one may go on.
    border : str
        ``outer``, that of the whole area; ``zones``, those between its zones; ``province``, those between zones whose
        ids, the codes of administrative divisions, begin with other two digits.
    border_within_m, continue_within_m, link_within_m : float
        How near an end is to the border, a road beyond that goes on, one to which a link is missing.
    least_known : float
        Of the outer border at least this share must have a road wholly beyond it within ``link_within_m``.
    """

    others: tuple[Layer, ...]
    border: str
    border_within_m: float
    continue_within_m: float
    link_within_m: float
    least_known: float

    def layers(self) -> tuple[Layer, ...]:
        """The further roads."""
        return self.others


Made = Nodes | Crossings | Gap | BorderEnds
"""Rules that make other features of a layer's, and leave none out."""
Rule = Walk | Near | AtLeast | Wide | Linked | Shore | OpenShore | Made


def content_of(rule: object) -> str:
    """A rule, or one of its values, as a text that differs wherever its layers hold something else."""
    if isinstance(rule, Layer):
        return f"<{rule.key}>"
    if isinstance(rule, tuple):
        return f"({', '.join(map(content_of, rule))})"
    if is_dataclass(rule):
        values = ", ".join(f"{one.name}={content_of(getattr(rule, one.name))}" for one in fields(rule))
        return f"{type(rule).__name__}({values})"
    return repr(rule)


@dataclass(frozen=True)
class Part:
    """One sum per zone.

    Attributes
    ----------
    kernel : str
        Which measure evaluates it: ``zone_area``, ``area``, ``ground``, ``length``, ``centreline_length``, ``count``,
        ``amount``.
    unit : str
        ``m2``, ``m``, ``people`` or ``count``.
    layers, outside : tuple of Layer
        What is measured, and what is left out of it.
    settings : tuple of (str, float)
        Settings of the kernel.
    context_m : float
        How far outside its zone it looks.
    where : rule, optional
        Only what it holds for is measured: of polygons near a target that ground, by walks the polygons that are
        reached at a point inside, or that ground. Targets beyond the zone count. Without layers the ground itself.
    """

    kernel: str
    unit: str
    layers: tuple[Layer, ...] = ()
    outside: tuple[Layer, ...] = ()
    settings: tuple[tuple[str, float], ...] = ()
    context_m: float = 0.0
    where: Rule | None = None

    def read(self) -> tuple[Layer, ...]:
        """Every layer that it depends on."""
        return (*self.layers, *self.outside, *(self.where.layers() if self.where else ()))

    def terms(self) -> Iterator[tuple[int, Part]]:
        """The part itself, counted once."""
        yield 1, self

    def __add__(self, other: Part | Sum) -> Sum:
        return Sum((*self.terms(), *other.terms()))

    def __sub__(self, other: Part | Sum) -> Sum:
        return Sum((*self.terms(), *((-sign, part) for sign, part in other.terms())))


@dataclass(frozen=True)
class Sum:
    """Parts added and subtracted; all of one unit."""

    signed: tuple[tuple[int, Part], ...]

    def __post_init__(self) -> None:
        units = {part.unit for _, part in self.signed}
        if len(units) != 1:
            raise ValueError(f"parts of different units can't be added: {', '.join(sorted(units))}")

    @property
    def unit(self) -> str:
        """The common unit of the parts."""
        return self.signed[0][1].unit

    def terms(self) -> Iterator[tuple[int, Part]]:
        """Every part with its sign."""
        yield from self.signed

    __add__ = Part.__add__
    __sub__ = Part.__sub__


Expression = Part | Sum


@dataclass(frozen=True)
class Quotient:
    """What an indicator makes of parts; its sums add up over zones, so groups and districts are exact.

    Attributes
    ----------
    numerator : Part or Sum
    denominator : Part, Sum or None
    """

    numerator: Expression
    denominator: Expression | None

    def parts(self) -> tuple[Part, ...]:
        """Every part that it needs."""
        sides = (self.numerator, self.denominator)
        return tuple(part for side in sides if side is not None for _, part in side.terms())

    def read(self) -> tuple[Layer, ...]:
        """Every layer that it depends on, each once."""
        return tuple(dict.fromkeys(layer for part in self.parts() for layer in part.read()))


@dataclass(frozen=True)
class Ratio(Quotient):
    """A sum over another."""

    denominator: Expression


@dataclass(frozen=True)
class Total(Quotient):
    """A sum that is the value itself."""

    denominator: None = None


Setting = float | str | bool


@dataclass(frozen=True)
class PerZone:
    """What is measured of each zone as a whole, such as how connected its patches are.

    It doesn't add up: a group is measured on the union of its members.

    Attributes
    ----------
    kernel : str
        Which of :data:`qpgis.wholes.WHOLES` measures it.
    unit : str
        One of :data:`qpgis.amounts.WHOLE_UNITS`, the indicator's.
    layers : tuple of Layer
        What it is measured of.
    settings : tuple of (str, value)
        Settings of the kernel.
    context_m : float
        How far outside its zone it looks.
    where : rule, optional
        The kernel then gets after the layers what the rule chooses of each.

    Raises
    ------
    ValueError
        If the unit isn't known.
    """

    kernel: str
    unit: str
    layers: tuple[Layer, ...]
    settings: tuple[tuple[str, Setting], ...] = ()
    context_m: float = 0.0
    where: Rule | None = None

    def __post_init__(self) -> None:
        if self.unit not in WHOLE_UNITS:
            raise ValueError(f"{self.unit!r} is no unit of a zone's value; known: {', '.join(sorted(WHOLE_UNITS))}")

    def read(self) -> tuple[Layer, ...]:
        """Every layer that it depends on, each once."""
        return tuple(dict.fromkeys((*self.layers, *(self.where.layers() if self.where else ()))))


Measure = Quotient | PerZone
"""What an indicator gives."""


def walk(
    targets: AnyLayer,
    *,
    lines: tuple[AnyLayer, ...],
    limit_m: float,
    snap_within_m: float,
    barriers: tuple[AnyLayer, ...] = (),
    beside_m: float = 0.0,
) -> Walk:
    """Within a walk of the nearest target; see :class:`Walk`.

    Raises
    ------
    MissingLayer
        If the workspace lacks one of the layers.
    ConfigError
        If a length is less than nothing, or none at all.
    """
    (present,) = _present((targets,))
    limit_m, beside_m = metres("limit_m", limit_m), metres("beside_m", beside_m)
    snap_within_m = metres("snap_within_m", snap_within_m, positive=True)
    return Walk(present, _present(lines), limit_m, snap_within_m, _present(barriers), beside_m)


def near(targets: AnyLayer, *, limit_m: float) -> Near:
    """Within a straight line of the nearest target; see :class:`Near`."""
    return Near(_present((targets,))[0], metres("limit_m", limit_m))


def linked(*, gap_within_m: float, least_m: float | None = None) -> Linked:
    """Of networks that are long enough; see :class:`Linked`.

    Raises
    ------
    ConfigError
        If a length is less than nothing.
    """
    return Linked(metres("gap_within_m", gap_within_m), None if least_m is None else metres("least_m", least_m))


def open_shore(
    water: AnyLayer,
    *,
    paths: tuple[AnyLayer, ...],
    grounds: tuple[AnyLayer, ...] = (),
    closed: tuple[AnyLayer, ...] = (),
    within_m: float,
    least_m: float = 0.0,
) -> OpenShore:
    """The stretches of the shore that people get to; see :class:`OpenShore`.

    Raises
    ------
    ConfigError
        If a length is less than nothing.
    """
    within_m, least_m = metres("within_m", within_m), metres("least_m", least_m)
    border = Shore(_present((water,))[0])
    return OpenShore(border, _present(paths), _present(grounds), _present(closed), within_m, least_m)


def of_class(layer: AnyLayer, classes: Iterable[str], *, complete: bool = True) -> Layer:
    """The features of some classes, where that there is none of them means none.

    Parameters
    ----------
    layer : Layer
    classes : iterable of str
    complete : bool
        Whether the layer holds all that there is, as land use does: then none means none, unless some feature has no
        class. A list of places that names none of a class has most likely not collected them.

    Raises
    ------
    NoneOfClass
        If there is none, which doesn't mean none.
    MissingLayer, MissingClasses
        As :meth:`qpgis.layers.Layer.where`.
    """
    wanted = tuple(classes)
    chosen = layer.where(wanted)
    if not len(chosen) and isinstance(layer, Layer) and (chosen.unclassified or (len(layer) and not complete)):
        raise NoneOfClass(chosen.kind, wanted)
    return chosen


def _present(layers: tuple[AnyLayer, ...]) -> tuple[Layer, ...]:
    for layer in layers:
        if isinstance(layer, AbsentLayer):
            raise MissingLayer(layer.kind)
    return layers  # type: ignore[return-value]


def per_zone(
    kernel: str,
    *layers: AnyLayer,
    unit: str,
    context_m: float = 0.0,
    where: Rule | None = None,
    **settings: Setting,
) -> PerZone:
    """What a kernel measures of each zone as a whole; see :class:`PerZone`.

    Raises
    ------
    MissingLayer
        If the workspace lacks one of the layers.
    """
    return PerZone(kernel, unit, _present(layers), tuple(sorted(settings.items())), context_m, where)


def area(*what: AnyLayer | Zones, outside: AnyLayer | tuple[AnyLayer, ...] = (), where: Rule | None = None) -> Part:
    """Area within each zone (m2): of the zones themselves, or of layers dissolved together.

    Parameters
    ----------
    *what : Zones or layers
        ``area(zones)``, or one or more layers; where they overlap the ground counts once.
    outside : layer or tuple of layers
        What they cover is left out.
    where : rule, optional
        Only the features that it holds for; of the zones the ground, see :func:`ground`.

    Raises
    ------
    MissingLayer
        If the workspace lacks one of the layers.
    """
    left_out = outside if isinstance(outside, tuple) else (outside,)
    layers = tuple(w for w in what if not isinstance(w, Zones))
    if len(layers) < len(what):
        if layers or left_out:
            raise ValueError("zones are measured by themselves: area(zones), without layers")
        return Part("zone_area", "m2") if where is None else ground(where)  # type: ignore[arg-type]
    return Part("area", "m2", _present(layers), _present(left_out), where=where)


def ground(where: Near | Walk | AtLeast) -> Part:
    """Area within each zone (m2) for which a rule holds: the circles around targets, the isochrones of walks."""
    return Part("ground", "m2", where=where)


def length(lines: AnyLayer, *, where: Rule | None = None) -> Part:
    """Geodesic length within each zone (m); a stretch on a shared border counts half to each side."""
    return Part("length", "m", _present((lines,)), where=where)


def wide(
    matrix: tuple[AnyLayer, ...],
    *,
    built: AnyLayer | None,
    roads: AnyLayer | None,
    min_width_m: float,
    road_width_m: float,
    offset_m: float = 0.0,
) -> Wide:
    """Along a corridor that is wide enough; see :class:`Wide`."""
    polygons, lines = (_present((one,))[0] if one is not None else None for one in (built, roads))
    widths = {"min_width_m": min_width_m, "road_width_m": road_width_m, "offset_m": offset_m}
    return Wide(_present(matrix), polygons, lines, **{name: metres(name, value) for name, value in widths.items()})


def centreline_length(roads: AnyLayer, *, opposite_within_m: float) -> Part:
    """Geodesic length within each zone (m), the two carriageways of a divided road counted half each.

    See :func:`qpgis.measures.centrelines.split_dual_carriageways`.
    """
    within_m = metres("opposite_within_m", opposite_within_m, positive=True)
    settings = (("opposite_within_m", within_m),)
    return Part("centreline_length", "m", _present((roads,)), settings=settings, context_m=within_m)


def count(points: AnyLayer, *, where: Rule | None = None) -> Part:
    """Number of features within each zone, polygons at a point inside; one on a shared border goes to the lowest id."""
    return Part("count", "count", _present((points,)), where=where)


def nodes(lines: AnyLayer, *, which: str = "all", merge_within_m: float) -> Part:
    """Number of junctions, dead ends or both of a network within each zone; see :class:`Nodes`."""
    return count(lines, where=Nodes(which, metres("merge_within_m", merge_within_m)))


def chains(lines: AnyLayer, *, merge_within_m: float) -> Part:
    """Number of stretches from node to node within each zone, half of each where its ends are."""
    where = Nodes("all", metres("merge_within_m", merge_within_m))
    return Part("amount", "count", _present((lines,)), where=where)


def crossings(lines: tuple[AnyLayer, ...], water: AnyLayer, *, merge_within_m: float, least_depth_m: float) -> Part:
    """Number of places within each zone where a network crosses water; see :class:`Crossings`."""
    first, *others = _present(lines)
    (wet,) = _present((water,))
    near, depth = metres("merge_within_m", merge_within_m), metres("least_depth_m", least_depth_m)
    where = Crossings(wet, tuple(others), near, depth)
    return count(first, where=where)


def shore(water: AnyLayer, *, others: AnyLayer | None = None) -> Part:
    """Geodesic length within each zone (m) of the border of water with land; see :class:`Shore`.

    Parameters
    ----------
    water : layer
        Whose shore it is.
    others : layer, optional
        All water; by default there is no other.
    """
    return length(water, where=Shore(_present((water if others is None else others,))[0]))


def border_ends(lines: AnyLayer, *, others: tuple[AnyLayer, ...], border: str, **settings: float) -> Part:
    """Number of dead ends at a border within each zone; see :class:`BorderEnds`, whose settings it takes."""
    within = {name: metres(name, value) for name, value in settings.items()}
    return count(lines, where=BorderEnds(_present(others), border, **within))


FARTHEST_M = 4e7
"""Round the Earth: no distance on it is longer."""


def metres(setting: str, value: float, *, positive: bool = False) -> float:
    """The value of a setting that is a distance.

    Raises
    ------
    ConfigError
        If it is no number, less than nothing, or longer than any way on Earth; also if it is 0 and must be positive.
    """
    if not (isinstance(value, int | float) and 0 <= value <= FARTHEST_M and (value or not positive)):
        least = "more than 0" if positive else "at least 0"
        raise ConfigError(f"{setting} = {value!r} is no number of metres of {least} and at most {FARTHEST_M:.0f}")
    return value


def people(residents: AnyLayer, *, where: Rule | None = None) -> Part:
    """Sum of the people that a layer's features stand for (its ``amount_field``) within each zone.

    Polygons that a zone cuts are prorated by their area.

    Raises
    ------
    MissingLayer, MissingAmounts
        If the workspace lacks the layer, or doesn't say which of its fields holds the number of people.
    """
    return _amount(residents, "people", where)


def floor_area(facilities: AnyLayer, *, where: Rule | None = None) -> Part:
    """Sum of the areas (m2) that a layer's features stand for (its ``amount_field``) within each zone.

    Raises
    ------
    MissingLayer, MissingAmounts, MissingAmountUnit
        If the workspace lacks the layer; names no such field, or no feature has its area; or doesn't declare that the
        amounts are areas: ``amount_unit = "m2"``.
    """
    return _amount(facilities, "m2", where)


def _amount(layer: AnyLayer, unit: str, where: Rule | None) -> Part:
    """The sum of a layer's amounts, which must be said to be of the unit; people need not be."""
    (one,) = _present((layer,))
    if len(one) and ("amount" not in one.frame or one.frame["amount"].isna().all()):
        raise MissingAmounts(one.kind)
    if len(one) and one.amount_unit != unit and (one.amount_unit or unit != "people"):
        raise MissingAmountUnit(one.kind, unit)
    return Part("amount", unit, (one,), where=where)
