"""Parts: frozen descriptions of one sum per zone, which the engine evaluates; and what indicators make of them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from qpgis.errors import ConfigError, MissingLayer
from qpgis.layers import AbsentLayer, Layer

AnyLayer = Layer | AbsentLayer


@dataclass(frozen=True)
class Zones:
    """Stands for the zones in an indicator: ``parts.area(zones)`` is each zone's own area."""


@dataclass(frozen=True)
class Part:
    """One sum per zone.

    Attributes
    ----------
    kernel : str
        Which measure evaluates it: ``zone_area``, ``area``, ``length``, ``centreline_length``, ``count``.
    unit : str
        ``m2``, ``m`` or ``count``.
    layers, outside : tuple of Layer
        What is measured, and what is left out of it.
    settings : tuple of (str, float)
        Settings of the kernel.
    context_m : float
        How far outside its zone it looks.
    """

    kernel: str
    unit: str
    layers: tuple[Layer, ...] = ()
    outside: tuple[Layer, ...] = ()
    settings: tuple[tuple[str, float], ...] = ()
    context_m: float = 0.0

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
class Ratio:
    """A quotient of two sums; both add up over zones, so groups and districts are exact."""

    numerator: Expression
    denominator: Expression

    def parts(self) -> tuple[Part, ...]:
        """Every part that the ratio needs."""
        return tuple(part for side in (self.numerator, self.denominator) for _, part in side.terms())

    def layers(self) -> tuple[Layer, ...]:
        """Every layer that the ratio reads, each once."""
        found = [layer for part in self.parts() for layer in (*part.layers, *part.outside)]
        return tuple(dict.fromkeys(found))


def _present(layers: tuple[AnyLayer, ...]) -> tuple[Layer, ...]:
    for layer in layers:
        if isinstance(layer, AbsentLayer):
            raise MissingLayer(layer.kind)
    return layers  # type: ignore[return-value]


def area(*what: AnyLayer | Zones, outside: AnyLayer | tuple[AnyLayer, ...] = ()) -> Part:
    """Area within each zone (m2): of the zones themselves, or of layers dissolved together.

    Parameters
    ----------
    *what : Zones or layers
        ``area(zones)``, or one or more layers; where they overlap the ground counts once.
    outside : layer or tuple of layers
        What they cover is left out.

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
        return Part("zone_area", "m2")
    return Part("area", "m2", _present(layers), _present(left_out))


def length(lines: AnyLayer) -> Part:
    """Geodesic length within each zone (m); a stretch on a shared border counts half to each side."""
    return Part("length", "m", _present((lines,)))


def centreline_length(roads: AnyLayer, *, opposite_within_m: float) -> Part:
    """Geodesic length within each zone (m), the two carriageways of a divided road counted half each.

    See :func:`qpgis.measures.centrelines.split_dual_carriageways`.
    """
    if not 0 < opposite_within_m < math.inf:
        raise ConfigError(f"opposite_within_m = {opposite_within_m} is no positive number of metres")
    settings = (("opposite_within_m", opposite_within_m),)
    return Part("centreline_length", "m", _present((roads,)), settings=settings, context_m=opposite_within_m)


def count(points: AnyLayer) -> Part:
    """Number of points within each zone; one on a shared border goes to the lowest zone id."""
    return Part("count", "count", _present((points,)))
