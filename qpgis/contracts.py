"""What every indicator promises, ours and a workspace's own, tried on a made square kilometre.

A contract is one function of :data:`CONTRACTS`: it tells how a definition breaks it. Its words for planners are
``contract_<name>`` in the catalogue.
"""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from types import MappingProxyType

import numpy as np
import shapely

from qpgis.amounts import Amount, outcome
from qpgis.area import StudyArea, ZoneSet
from qpgis.crs import Geometries, Plane
from qpgis.engine import Engine
from qpgis.errors import MissingLayer, NotComputable
from qpgis.indicators.declaration import Definition, Indicator
from qpgis.landuse import class_words, scheme
from qpgis.layers import LAYERS, AbsentLayer, Layer
from qpgis.parts import AnyLayer, Measure, PerZone
from qpgis.provenance import Grade, Source

WIDTH_M = 1000.0
CUT_M = 430.0
"""Where the square kilometre is cut in two; no made feature ends there."""
SCHEME = "sandiao"
"""Of the codes of the made land use."""
STATUSES = ("existing", "planned", "under_construction", "studied")
TOLERANCE = 1e-9
MADE = Source("made", Grade.SYNTHETIC)
Layers = Mapping[str, AnyLayer]


@dataclass(frozen=True)
class Breach:
    """A contract that a definition of an indicator breaks.

    Attributes
    ----------
    indicator, definition : str
    contract : str
        A key of :data:`CONTRACTS`.
    why : str
        How it shows.
    file : str
        The workspace's file that declares the indicator, empty for qpgis's own.
    """

    indicator: str
    definition: str
    contract: str
    why: str
    file: str


def breaches(indicator: Indicator) -> Iterator[Breach]:
    """Every contract that an indicator breaks; an exception breaks the one that was tried."""
    grounds = Grounds(indicator)
    for definition in indicator.definitions:
        for name, contract in CONTRACTS.items():
            about = (indicator.id, definition.name, name)
            try:
                yield from (Breach(*about, why, indicator.file) for why in contract(indicator, definition, grounds))
            except NotComputable:  # found as it was summed: the made ground has no such thing
                continue
            except Exception as error:
                yield Breach(*about, f"{type(error).__name__}: {error}", indicator.file)


# ---- a made square kilometre ----


@cache
def _area() -> StudyArea:
    """A square kilometre as the zone, and as own zones the same cut in two."""
    plane = Plane(121, 31)
    whole = shapely.box(0, 0, WIDTH_M, WIDTH_M)
    halves = [shapely.box(0, 0, CUT_M, WIDTH_M), shapely.box(CUT_M, 0, WIDTH_M, WIDTH_M)]
    sets = []
    for level, shapes in (("town", [whole]), ("own", halves)):
        planar = np.array(shapes, dtype=object)
        ids = tuple(f"{level}{n}" for n in range(len(shapes)))
        sets.append(ZoneSet(level, ids, ids, plane.unproject(planar), planar, MADE))
    return StudyArea("made", plane, sets[0], own=(sets[1],))


LEAST: Mapping[str, int] = MappingProxyType({"polygon": 16, "line": 16, "point": 200})
"""How many features are made of a kind at least; so many homes that a few lie beside whatever is looked for."""


@cache
def _layer(kind: str) -> Layer:
    """Features of a kind, of every class that it has, two or more of each; the same at every call."""
    codes = scheme(SCHEME).classes if kind == "landuse" else sorted(set(class_words(kind).values()))
    several = [*codes] or [""]
    classes = max(2, -(-LEAST[LAYERS[kind][0]] // len(several))) * several
    rng = np.random.default_rng(zlib.crc32(kind.encode()))
    shapes = _SHAPES[LAYERS[kind][0]](len(classes), rng)
    frame = Layer.empty(kind, MADE).frame.reindex(range(len(classes)))
    frame["feature_id"] = [str(n) for n in range(len(classes))]
    frame["name"] = ""
    frame["class_"] = classes
    frame["amount"] = rng.integers(1, 100, len(classes)).astype(float)
    frame["oneway"] = np.arange(len(classes)) % 3 == 0
    frame["ref"] = ""
    frame["plan_status"] = [STATUSES[n % len(STATUSES)] for n in range(len(classes))]
    codes_of, unit = SCHEME if kind == "landuse" else "", "m2" if kind == "facilities" else ""
    return Layer(kind, frame, shapes, MADE, None, f"made {kind}", scheme=codes_of, amount_unit=unit)


def _polygons(number: int, rng: np.random.Generator) -> Geometries:
    """Boxes of 30 to 300 m, which overlap, some across the border."""
    west, south = rng.uniform(-50, WIDTH_M - 50, (2, number))
    width, height = rng.uniform(30, 300, (2, number))
    return shapely.box(west, south, west + width, south + height)


def _lines(number: int, rng: np.random.Generator) -> Geometries:
    """Streets across the square, in turn to the east and to the north, with a vertex at every crossing."""
    at = np.sort(rng.uniform(10, WIDTH_M - 10, number))
    along = np.concatenate([[2], at, [WIDTH_M - 2]])  # on the border they might go on
    east = [shapely.linestrings(along, np.full_like(along, y)) for y in at[::2]]
    north = [shapely.linestrings(np.full_like(along, x), along) for x in at[1::2]]
    return np.array([*east, *north], dtype=object)


def _points(number: int, rng: np.random.Generator) -> Geometries:
    return shapely.points(rng.uniform(5, WIDTH_M - 5, (number, 2)))


_SHAPES: Mapping[str, Callable[[int, np.random.Generator], Geometries]] = MappingProxyType(
    {"polygon": _polygons, "line": _lines, "point": _points}
)


def _made(indicator: Indicator) -> dict[str, AnyLayer]:
    return {kind: _layer(kind) for kind in indicator.layers}


def _empty(indicator: Indicator) -> dict[str, AnyLayer]:
    return {kind: Layer.empty(kind, MADE) for kind in indicator.layers}


def _absent(indicator: Indicator) -> dict[str, AnyLayer]:
    return {kind: AbsentLayer(kind) for kind in indicator.layers}


def _shuffled(indicator: Indicator) -> dict[str, AnyLayer]:
    """The made layers with their features in another order."""
    found: dict[str, AnyLayer] = {}
    for kind in indicator.layers:
        layer = _layer(kind)
        order = np.random.default_rng(1).permutation(len(layer))
        frame = layer.frame.iloc[order].reset_index(drop=True)
        found[kind] = replace(layer, frame=frame, geometry=layer.geometry[order])
    return found


@dataclass(frozen=True)
class Ground:
    """Layers on the square kilometre; what one definition measures of them is known to the next."""

    layers: Layers
    engine: Engine = field(default_factory=lambda: Engine(_area()))


@dataclass(frozen=True)
class Grounds:
    """What an indicator is tried on."""

    indicator: Indicator

    @cached_property
    def made(self) -> Ground:
        """The made layers."""
        return Ground(_made(self.indicator))

    @cached_property
    def shuffled(self) -> Ground:
        """The same in another order, known by itself: the layers' keys don't tell them apart."""
        return Ground(_shuffled(self.indicator))

    @cached_property
    def empty(self) -> Ground:
        """Layers without a feature."""
        return Ground(_empty(self.indicator))


# ---- what definitions come to there ----


def _measure(indicator: Indicator, definition: Definition, layers: Layers) -> Measure | None:
    """What a definition makes of layers; none where that can't be computed, of which only the absent are a breach."""
    try:
        return indicator(layers, definition)
    except NotComputable:
        return None


def _sides(made: Measure | None, zones: ZoneSet, engine: Engine) -> Iterator[tuple[str, list[int]]]:
    """The sums of a ratio or total for each zone, in millionths."""
    if made is None or isinstance(made, PerZone):
        return
    yield "numerator", engine.values(made.numerator, zones)
    if made.denominator is not None:
        yield "denominator", engine.values(made.denominator, zones)


def _values(indicator: Indicator, made: Measure | None, zones: ZoneSet, engine: Engine) -> list[float | None]:
    """The value of each zone."""
    if made is None:
        return []
    if isinstance(made, PerZone):
        return [one.value for one in engine.outcomes(made, zones)]
    sides = [values for _, values in _sides(made, zones, engine)]
    units = [side.unit for side in (made.numerator, made.denominator) if side is not None]
    amounts = (map(Amount, sums, units) for sums in zip(*sides, strict=True))
    areas = engine.zone_areas(zones)
    return [outcome(indicator.unit, *both, zone=zone).value for both, zone in zip(amounts, areas, strict=True)]


def _all_values(indicator: Indicator, definition: Definition, ground: Ground) -> list[float | None]:
    """The values of the square kilometre and of its two pieces."""
    made = _measure(indicator, definition, ground.layers)
    return [value for zones in _area().zone_sets for value in _values(indicator, made, zones, ground.engine)]


# ---- the contracts ----


def _described(indicator: Indicator, definition: Definition, _: Grounds) -> Iterator[str]:
    texts = {"zh": indicator.zh, "en": indicator.en, "theme": indicator.theme}
    texts |= {f"{definition.name}: zh": definition.zh, f"{definition.name}: en": definition.en}
    yield from (f"no {what}" for what, said in texts.items() if not said.strip())
    if "Formula" not in (indicator.function.__doc__ or ""):
        yield 'no "Formula: ..." in the docstring'
    if [one.name for one in indicator.definitions].count(definition.name) > 1:
        yield "several definitions of this name"


def _declared(indicator: Indicator, definition: Definition, _: Grounds) -> Iterator[str]:
    unknown = [kind for kind in indicator.layers if kind not in LAYERS]
    yield from (f"unknown layer {kind!r}" for kind in unknown)
    indicator.check(definition)


def _missing(indicator: Indicator, definition: Definition, grounds: Grounds) -> Iterator[str]:
    needed = set(indicator.layers) - indicator.optional
    if needed:
        yield from _without(indicator, definition, _absent(indicator), needed)
    made = _measure(indicator, definition, grounds.made.layers)
    read = {layer.kind for layer in made.read()} if made is not None else set()
    for kind in sorted(needed):
        layers = {**grounds.made.layers, kind: AbsentLayer(kind)}
        yield from _without(indicator, definition, layers, {kind} & read, of={kind})


def _without(
    indicator: Indicator, definition: Definition, layers: Layers, needed: set[str], of: set[str] | None = None
) -> Iterator[str]:
    """What a definition does wrong that lacks layers: it must name one of them, and may do without what it needn't."""
    try:
        indicator(layers, definition)
    except MissingLayer as error:
        if error.layer not in (of or set(indicator.layers)):
            yield f"without {', '.join(sorted(of or needed))} it says that {error.layer} is missing"
    except NotComputable:
        return
    else:
        if needed:
            yield f"without {', '.join(sorted(needed))} it gives a value"


def _empties(indicator: Indicator, definition: Definition, grounds: Grounds) -> Iterator[str]:
    for value in _all_values(indicator, definition, grounds.empty):
        if value is not None and not math.isfinite(value):
            yield f"without any feature it gives {value}"


def _adds_up(indicator: Indicator, definition: Definition, grounds: Grounds) -> Iterator[str]:
    area, made, engine = _area(), _measure(indicator, definition, grounds.made.layers), grounds.made.engine
    pieces = dict(_sides(made, area.own[0], engine))
    for side, (whole,) in _sides(made, area.base, engine):
        if not math.isclose(sum(pieces[side]), whole, rel_tol=TOLERANCE, abs_tol=1000):
            said = " + ".join(f"{part / 1e6:g}" for part in pieces[side])
            yield f"{side}: {said} in the pieces, {whole / 1e6:g} in the whole"


def _any_order(indicator: Indicator, definition: Definition, grounds: Grounds) -> Iterator[str]:
    one = _all_values(indicator, definition, grounds.made)
    other = _all_values(indicator, definition, grounds.shuffled)
    for a, b in zip(one, other, strict=True):
        if a != b and (a is None or b is None or not math.isclose(a, b, rel_tol=TOLERANCE)):
            yield f"{a} in one order, {b} in another"


def _repeatable(indicator: Indicator, definition: Definition, grounds: Grounds) -> Iterator[str]:
    layers = grounds.made.layers
    if _measure(indicator, definition, layers) != _measure(indicator, definition, layers):
        yield "two calls make different parts of the same layers"


_RANGE = re.compile(r"Range\s+({0})\s+to\s+({0})".format(r"-?[\d.]*\d(?:e[+-]?\d+)?"))


def _in_range(indicator: Indicator, definition: Definition, grounds: Grounds) -> Iterator[str]:
    declared = _RANGE.search(indicator.function.__doc__ or "")
    if declared is None:
        return
    low, high = float(declared[1]), float(declared[2])
    for ground in (grounds.made, grounds.empty):
        for value in _all_values(indicator, definition, ground):
            if value is not None and not low <= value <= high:
                yield f"{value:g} isn't within {low:g} to {high:g}"


Contract = Callable[[Indicator, Definition, Grounds], Iterator[str]]
CONTRACTS: Mapping[str, Contract] = MappingProxyType(
    {
        "described": _described,
        "declared": _declared,
        "missing": _missing,
        "empty": _empties,
        "additive": _adds_up,
        "order": _any_order,
        "repeatable": _repeatable,
        "range": _in_range,
    }
)
"""Every contract by its name; ``additive`` asks nothing of what is measured of zones as wholes."""
