"""What a sample of ground truth makes of shares by a classified map: estimates adjusted for its errors, with intervals.

For the ground only that the sample was drawn on. Smaller zones would need the map to err the same everywhere, which an
interval wouldn't show, so they get none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from qpgis import parts
from qpgis.amounts import RATES, TOTALS
from qpgis.crs import Floats
from qpgis.engine import Engine
from qpgis.layers import Layer
from qpgis.measures.accuracy import Accuracies, ConfusionMatrix, accuracies, adjusted_sum
from qpgis.measures.contributions import MICRO
from qpgis.parts import Expression, Quotient


@dataclass(frozen=True)
class MapSample:
    """A sample of ground truth of a layer of classes.

    Attributes
    ----------
    matrix : ConfusionMatrix
        From samples drawn at random within each class of the map.
    zones : tuple of str
        The ids of the zones and groups that it was drawn on, each as a whole.
    confidence : float
        Of intervals.
    file : str
        Where it stands, as outputs show it.
    """

    matrix: ConfusionMatrix
    zones: tuple[str, ...]
    confidence: float
    file: str


class Interval(NamedTuple):
    """A value adjusted for errors of classification, and its confidence interval."""

    low: float
    adjusted: float
    high: float


class Classified:
    """Adjusts what was measured on a classified map.

    Parameters
    ----------
    landuse : Layer
        The map, with the codes of its classes.
    sample : MapSample
    engine : Engine
        Measures the mapped areas.
    """

    def __init__(self, landuse: Layer, sample: MapSample, engine: Engine) -> None:
        self.landuse, self.sample, self._engine = landuse, sample, engine

    @cached_property
    def codes(self) -> tuple[str, ...]:
        """The classes of the map."""
        return tuple(sorted(self.landuse.frame["class_"].unique()))

    @cached_property
    def mapped_m2(self) -> Mapping[str, Floats]:
        """What is mapped of each of the classes, in each of the zones that the sample was drawn on."""
        area = self._engine.area
        layers = [self.landuse.select((self.landuse.frame["class_"] == c).to_numpy(), f"code {c}") for c in self.codes]
        found: dict[str, Floats] = {}
        for zones in area.measured:
            sums = np.array([self._engine.sums(parts.area(layer), zones) for layer in layers], dtype=float) / MICRO
            found |= dict(zip(zones.ids, sums.reshape(len(layers), len(zones)).T, strict=True))
        for group in area.groups:
            found[group.id] = np.sum([found[member] for member in group.members], axis=0)
        return {zone: found[zone] for zone in self.sample.zones}

    @property
    def lacking(self) -> tuple[str, ...]:
        """The classes that are mapped there and that the sample has none of: without them nothing can be adjusted."""
        there = np.sum([*self.mapped_m2.values(), np.zeros(len(self.codes))], axis=0) > 0
        return tuple(c for c, mapped in zip(self.codes, there, strict=True) if mapped and c not in self._sampled)

    @property
    def _sampled(self) -> frozenset[object]:
        return frozenset(self.sample.matrix.classes)

    def accuracies(self, zone: str) -> Accuracies:
        """How accurate the map is in a zone that the sample was drawn on."""
        return accuracies(self.sample.matrix, self.codes, self.mapped_m2[zone], confidence=self.sample.confidence)

    def intervals(self, made: Quotient, unit: str) -> dict[str, Interval]:
        """A value adjusted for errors, by zone; none where it isn't made of whole classes of the map alone.

        The sum or quotient is estimated as one, so the errors of classes that go together are counted once.
        """
        above = self._weights(made.numerator)
        below = None if made.denominator is None else self._weights(made.denominator)
        factor = RATES.get(unit, {}).get(("m2", "m2")) if made.denominator is not None else _total_factor(unit)
        if above is None or factor is None or (made.denominator is not None and below is None):
            return {}
        if self.lacking or not any(layer.selected_from == self.landuse.kind for layer in made.read()):
            return {}
        found = {}
        for zone, mapped in self.mapped_m2.items():
            one = adjusted_sum(
                self.sample.matrix, self.codes, mapped, above, over=below, confidence=self.sample.confidence
            )
            if np.isfinite(one.value):
                found[zone] = Interval(*(float(v) * factor for v in (one.low, one.value, one.high)))
        return found

    def _weights(self, expression: Expression) -> Floats | None:
        """How often the ground of each true class counts in a sum of parts; ``None`` where ground of no class does."""
        total = np.zeros(len(self.sample.matrix.reference))
        for sign, part in expression.terms():
            if part.kernel == "zone_area":
                total += sign
                continue
            codes = [layer.codes for layer in part.read()]
            if part.kernel != "area" or part.where is not None or any(one is None for one in codes):
                return None
            inside, outside = (
                {code for layer in side for code in layer.codes or ()} for side in (part.layers, part.outside)
            )
            total += sign * np.array([code in inside - outside for code in self.sample.matrix.reference])
        return total


def _total_factor(unit: str) -> float | None:
    """What square metres are multiplied by to be in the unit of a total."""
    summed, factor = TOTALS.get(unit, ("", 0))
    return float(factor) if summed == "m2" else None
