"""What each feature contributes to each zone, in whole millionths, so that no order of summing can change a sum."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

MICRO = 1_000_000
"""Contributions are rounded to 1e-6 m2 or 1e-6 m and summed as whole numbers."""


@dataclass(frozen=True)
class Contributions:
    """Pairs of feature and zone with the feature's share of the zone's sum.

    Attributes
    ----------
    feature, zone : int arrays
        Positions in the kernel's input arrays.
    micro : int array
        The contribution in millionths of the unit (m2, m; for counts a million each).
    zones : int
        How many zones there are.
    redone : tuple of int
        Features whose overlay broke a law of areas and was done again on a grid.
    """

    feature: NDArray[np.int64]
    zone: NDArray[np.int64]
    micro: NDArray[np.int64]
    zones: int
    redone: tuple[int, ...] = ()

    @classmethod
    def of(cls, feature: NDArray, zone: NDArray, amount: NDArray[np.float64], zones: int) -> Contributions:
        """Round amounts to whole millionths, sort by zone and feature, and drop the zeros."""
        micro = np.rint(np.asarray(amount, dtype=float) * MICRO).astype(np.int64)
        order = np.lexsort((feature, zone))
        order = order[micro[order] != 0]
        return cls(np.asarray(feature)[order], np.asarray(zone)[order], micro[order], zones)

    def of_features(self, source: NDArray) -> Contributions:
        """The same contributions (none done again), of the features that pieces or selected rows belong to."""
        return replace(
            self, feature=np.asarray(source)[self.feature], redone=tuple(int(source[n]) for n in self.redone)
        )

    def where(self, mask: NDArray[np.bool_]) -> Contributions:
        """The contributions of some features, told by a mask over all of them."""
        kept = mask[self.feature]
        redone = tuple(n for n in self.redone if mask[n])
        return Contributions(self.feature[kept], self.zone[kept], self.micro[kept], self.zones, redone)

    def per_zone(self) -> list[int]:
        """The sum of each zone, in millionths, as unbounded integers."""
        totals = [0] * self.zones
        low, high = np.zeros(self.zones, np.int64), np.zeros(self.zones, np.int64)
        np.add.at(high, self.zone, self.micro >> 32)
        np.add.at(low, self.zone, self.micro & 0xFFFFFFFF)
        for n in range(self.zones):
            totals[n] = (int(high[n]) << 32) + int(low[n])
        return totals
