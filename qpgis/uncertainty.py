"""Between which bounds values lie because the borders of their layers are only known to some metres."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import shapely

from qpgis.amounts import Amount, value_of
from qpgis.area import ZoneSet
from qpgis.crs import Floats, Geometries
from qpgis.engine import Engine
from qpgis.layers import Layer
from qpgis.measures.bounds import AreaBounds, area_bounds
from qpgis.measures.contributions import MICRO
from qpgis.parts import Expression, Part, Quotient

CERTAIN = ("zone_area", "amount")
"""Kernels whose sums don't depend on where the border of a layer is drawn."""


class Bounds(NamedTuple):
    """What a value is at least and at most; ``None`` where nothing bounds it."""

    low: float | None
    high: float | None


def inaccurate(quotient: Quotient) -> tuple[Layer, ...]:
    """The layers of a quotient whose borders may be off, where bounds can be told.

    They can't where it isn't made of areas: of lengths, of counts, or of what a rule chooses.
    """
    parts = quotient.parts()
    if any(part.where is not None or part.kernel not in (*CERTAIN, "area") for part in parts):
        return ()
    return tuple(layer for layer in quotient.read() if layer.accuracy_m.any())


def value_bounds(quotient: Quotient, unit: str, zones: ZoneSet, engine: Engine) -> list[Bounds]:
    """The bounds of a quotient's value in each zone, its layers shrunk and grown by their accuracy.

    Bounds, no confidence interval: every border is off all along, in one direction. They belong to these zones: what
    one may lose another may gain, so those of a group are computed from its own outline, never summed.

    Parameters
    ----------
    quotient : Quotient
        One that has :func:`inaccurate` layers.
    unit : str
        The unit of its value.
    zones : ZoneSet
    engine : Engine
        Knows the sums of its :data:`CERTAIN` parts.
    """
    above = _bounds(quotient.numerator, zones, engine)
    if quotient.denominator is None:
        least = most = np.full(len(zones), np.nan)
    else:
        below = _bounds(quotient.denominator, zones, engine)
        least, most = below.low, below.high

    def value(numerator: float, denominator: float) -> float | None:
        divisor = None
        if quotient.denominator is not None:
            if denominator <= 0:
                return None
            divisor = _amount(denominator, quotient.denominator)
        found = value_of(unit, _amount(max(numerator, 0.0), quotient.numerator), divisor)
        return min(found, 100.0) if unit == "%" else found

    rows = zip(above.low, above.high, least, most, strict=True)
    return [Bounds(value(low, large), value(high, small)) for low, high, small, large in rows]


def _amount(amount: float, expression: Expression) -> Amount:
    return Amount(round(amount * MICRO), expression.unit)


def _bounds(expression: Expression, zones: ZoneSet, engine: Engine) -> AreaBounds:
    """The bounds of a sum of parts for each zone."""
    found = AreaBounds.certain(np.zeros(len(zones)))
    for sign, part in expression.terms():
        if part.kernel in CERTAIN:
            one = AreaBounds.certain(np.array(engine.sums(part, zones), dtype=float) / MICRO)
        else:
            one = _area(part, zones)
        found = found + one if sign > 0 else found - one
    return found


def _area(part: Part, zones: ZoneSet) -> AreaBounds:
    """The bounds of an area within each zone."""
    outside, outside_accuracy = _features(part.outside)
    features, accuracy = _features(part.layers)
    return area_bounds(
        zones.geometry,
        features,
        accuracy,
        outside=outside,
        outside_accuracy_m=outside_accuracy,
        surveyed=_surveyed(part.layers),
        outside_surveyed=_surveyed(part.outside),
    )


def _features(layers: tuple[Layer, ...]) -> tuple[Geometries, Floats]:
    if not layers:
        return np.empty(0, dtype=object), np.empty(0)
    return np.concatenate([one.geometry for one in layers]), np.concatenate([one.accuracy_m for one in layers])


def _surveyed(layers: tuple[Layer, ...]) -> shapely.Geometry | None:
    """Where any of some layers was surveyed; ``None`` where one of them doesn't say."""
    extents = [layer.extent for layer in layers]
    return shapely.union_all(extents) if extents and all(one is not None for one in extents) else None
