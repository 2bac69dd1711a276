"""Composite indicators: the weighted mean of other indicators' values, each first put on 0 to 100."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from qpgis.catalogue import Lang, text, unit_text
from qpgis.indicators.declaration import Declared, Definition, Indicator

WEIGHTED = "weighted"
"""The name of a composite's definition."""


@dataclass(frozen=True)
class Component:
    """What counts in a composite.

    Attributes
    ----------
    indicator : Indicator
    definition : Definition
        Of that indicator.
    worst, best : float
        In the indicator's unit: what scores 0 and 100; ``worst`` above ``best`` where less is better.
    weight : float
        Over 0; only how weights compare counts.
    """

    indicator: Indicator
    definition: Definition
    worst: float
    best: float
    weight: float

    def score(self, value: float) -> float:
        """The value between worst and best (min-max normalisation), from 0 to 100; what lies beyond is clipped."""
        return 100 * min(max((value - self.worst) / (self.best - self.worst), 0.0), 1.0)

    def text(self, lang: Lang) -> str:
        """What it is, and how it is scored."""
        words = {"name": self.indicator.title(lang), "definition": self.definition.name}
        words["unit"] = unit_text(self.indicator.unit, lang)
        words |= {key: f"{getattr(self, key):.12g}" for key in ("worst", "best", "weight")}
        return text("composite_part", lang, **words)


@dataclass(frozen=True)
class Composite(Declared):
    """An indicator that sums up others: it doesn't add up over zones, each zone's is of the zone's own values.

    Attributes
    ----------
    components : tuple of Component
        At least one.
    """

    components: tuple[Component, ...]

    @property
    def formula(self) -> str:
        """The weighted mean of scores."""
        terms = (f"{one.weight:.12g} * score({one.indicator.id}:{one.definition.name})" for one in self.components)
        weights = " + ".join(f"{one.weight:.12g}" for one in self.components)
        return f"`({' + '.join(terms)}) / ({weights})`; `score = 100 * (value - worst) / (best - worst)`, 0 to 100"

    def value(self, values: Sequence[float]) -> float:
        """The weighted mean of the scores of its components' values, which stand in their order."""
        scored = (one.weight * one.score(value) for one, value in zip(self.components, values, strict=True))
        return math.fsum(scored) / math.fsum(one.weight for one in self.components)


def weighted(components: Sequence[Component], *, source: str = "", standing: str = "") -> Definition:
    """The definition of a composite, whose text tells every component."""
    zh, en = "、".join(one.text("zh") for one in components), ", ".join(one.text("en") for one in components)
    said = text("composite_text", "zh", parts=zh), text("composite_text", "en", parts=en)
    settings = {
        f"{one.indicator.id}:{one.definition.name}": {"worst": one.worst, "best": one.best, "weight": one.weight}
        for one in components
    }
    return Definition(WEIGHTED, *said, settings, source, standing)
