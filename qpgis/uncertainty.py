"""Between which bounds values lie because the borders of their layers are only known to some metres."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import shapely

from qpgis.amounts import Amount, value_of
from qpgis.area import ZoneSet
from qpgis.engine import Engine
from qpgis.layers import Layer
from qpgis.measures.bounds import AreaBounds, Ground, area_bounds
from qpgis.measures.contributions import MICRO
from qpgis.parts import Expression, Quotient

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


class Bounding:
    """Tells the bounds of values, the ground of each set of layers shrunk and grown once.

    Parameters
    ----------
    engine : Engine
        Knows the sums that are certain.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._grounds: dict[tuple[Layer, ...], Ground] = {}

    def values(self, quotient: Quotient, unit: str, sets: Sequence[ZoneSet]) -> list[Bounds]:
        """The bounds of a quotient's value in each zone of some sets, its layers shrunk and grown by their accuracy.

        Bounds, no confidence interval: every border is off all along, in one direction. They belong to these zones:
        what one may lose another may gain, so those of a group are computed from its own outline, never summed.

        Parameters
        ----------
        quotient : Quotient
            One that has :func:`inaccurate` layers.
        unit : str
            The unit of its value.
        sets : sequence of ZoneSet
        """
        above = self._sums(quotient.numerator, sets)
        if quotient.denominator is None:
            least = most = np.full(len(above.value), np.nan)
        else:
            below = self._sums(quotient.denominator, sets)
            least, most = below.low, below.high
        rows = zip(above.low, above.high, least, most, strict=True)
        return [
            Bounds(_value(quotient, unit, low, large), _value(quotient, unit, high, small))
            for low, high, small, large in rows
        ]

    def _sums(self, expression: Expression, sets: Sequence[ZoneSet]) -> AreaBounds:
        """The bounds of a sum of parts for each zone."""
        geometry = np.concatenate([zones.geometry for zones in sets])
        found = AreaBounds.certain(np.zeros(len(geometry)))
        for sign, part in expression.terms():
            if part.kernel in CERTAIN:
                sums = [micro for zones in sets for micro in self._engine.sums(part, zones)]
                one = AreaBounds.certain(np.array(sums, dtype=float) / MICRO)
            else:
                one = area_bounds(geometry, self._ground(part.layers), outside=self._ground(part.outside))
            found = found + one if sign > 0 else found - one
        return found

    def _ground(self, layers: tuple[Layer, ...]) -> Ground:
        if layers not in self._grounds:
            features = [one.geometry for one in layers] or [np.empty(0, dtype=object)]
            accuracy = [one.accuracy_m for one in layers] or [np.empty(0)]
            surveyed = _surveyed(layers)
            ground = Ground.of(np.concatenate(features), np.concatenate(accuracy), surveyed=surveyed)
            self._grounds[layers] = ground
        return self._grounds[layers]


def _value(quotient: Quotient, unit: str, numerator: float, denominator: float) -> float | None:
    """What sums in square metres or people come to; a share is at most all."""
    divisor = None
    if quotient.denominator is not None:
        if denominator <= 0:
            return None
        divisor = Amount.of(denominator, quotient.denominator.unit)
    found = value_of(unit, Amount.of(max(numerator, 0.0), quotient.numerator.unit), divisor)
    return min(found, 100.0) if unit == "%" else found


def _surveyed(layers: tuple[Layer, ...]) -> shapely.Geometry | None:
    """Where any of some layers was surveyed; ``None`` where one of them doesn't say."""
    extents = [layer.extent for layer in layers]
    return shapely.union_all(extents) if extents and all(one is not None for one in extents) else None
