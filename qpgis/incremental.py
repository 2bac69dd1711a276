"""Sums of parts whose features are nearly those of a part that was evaluated before: only what differs is computed.

What a feature contributes to a zone depends on the feature, the zones, and for areas on the features that it meets. So
the contributions of all others are the same to the digit, and the sums are what a full computation gives.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from qpgis.area import ZoneSet
from qpgis.crs import Geometries, Plane
from qpgis.kernels import PARTIAL, amounts_of, contributions, features_of, left_out_of
from qpgis.parts import Part
from qpgis.remembered import NEW, Shapes, differing, nearly

Ints = NDArray[np.int64]
MEETING = frozenset({"area", "ground"})
"""Kernels in which features that meet change each other's contributions."""


@dataclass(frozen=True)
class Evaluated:
    """A part without a rule, its sums for each zone of a set, and the features whose overlay had to be done again."""

    part: Part
    sums: Sequence[int]
    redone: tuple[int, ...]

    @cached_property
    def features(self) -> Shapes:
        """The features of its layers."""
        return Shapes(features_of(self.part))

    @cached_property
    def left_out(self) -> Shapes:
        """What it leaves out."""
        return Shapes(left_out_of(self.part))


def form(part: Part) -> tuple[object, ...]:
    """What parts must have in common so that one can be told from the other."""
    kinds = tuple(layer.kind for layer in part.layers), tuple(layer.kind for layer in part.outside)
    return part.kernel, part.unit, part.settings, *kinds


def updated(part: Part, known: Iterable[Evaluated], zones: ZoneSet, plane: Plane) -> Evaluated | None:
    """The sums of a part from those of one that was evaluated before; ``None`` where none is alike.

    Parameters
    ----------
    part : Part
        Without a rule, as the engine resolves it.
    known : iterable of Evaluated
        Parts of the same :func:`form`, for the same zones.
    zones : ZoneSet
    plane : Plane
    """
    if part.kernel not in PARTIAL:
        return None
    features, parts = features_of(part), list(known)
    alike = nearly(features, [one.features for one in parts])
    if alike is None:
        return None
    which, at = alike
    return _updated(part, features, at, parts[which], zones, plane)


def _updated(part: Part, features: Geometries, at: Ints, known: Evaluated, zones: ZoneSet, plane: Plane) -> Evaluated:
    """The sums of what is known without the features that are gone or changed, and with those that came or changed."""
    before = known.features.shapes
    came, gone = at == NEW, ~known.features.kept(at)
    if part.kernel == "amount":
        changed = ~came & (amounts_of(part) != _taken(amounts_of(known.part), at))
        came |= changed
        gone[at[changed]] = True
    if part.kernel in MEETING:
        outside = left_out_of(part)
        others = differing(outside, known.left_out, known.left_out.positions(outside))
        boxes = np.concatenate([features[came], before[gone], others])
        gone[known.features.boxes.query(boxes)[1]] = True
        came |= np.append(gone, True)[at]
    anew = contributions(zones, part, plane, came)
    old = contributions(zones, known.part, plane, gone)
    sums = [whole - left + new for whole, left, new in zip(known.sums, old.per_zone(), anew.per_zone(), strict=True)]
    place = np.full(len(before), NEW)
    place[at[at != NEW]] = np.flatnonzero(at != NEW)
    kept = {int(place[n]) for n in known.redone if not gone[n]}
    return Evaluated(part, sums, tuple(sorted({*kept, *anew.redone})))


def _taken(values: NDArray, at: Ints) -> NDArray:
    """The values at some positions; of :data:`NEW` ones any."""
    return values[np.maximum(at, 0)] if len(values) else np.zeros(len(at))
