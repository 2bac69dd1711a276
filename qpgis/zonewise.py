"""The sums of a part zone by zone, each under the hash of those features that decide it: a change touches few zones."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import shapely
from numpy.typing import NDArray

from qpgis.area import ZoneSet
from qpgis.crs import COINCIDENT_M, Geometries
from qpgis.incremental import MEETING
from qpgis.kernels import PARTIAL, Mask, amounts_of, features_of, left_out_of
from qpgis.parts import Part
from qpgis.remembered import Remembered

Ints = NDArray[np.int64]
Words = NDArray[np.uint64]
MOST_ZONES = 64
"""A bit each; of finer sets, such as grids, all zones are one."""
WORDS = 4
"""So many 64-bit words has the hash of a feature. That of a set is their sum: its order doesn't matter."""


def zonewise(part: Part, zones: ZoneSet) -> bool:
    """Whether the sum of each zone is decided by the features near it alone, so that it is worth telling them apart."""
    return part.where is None and part.kernel in PARTIAL and part.kernel != "ground" and len(zones) <= MOST_ZONES


class Deciding:
    """Tells which features decide the sums of which zones of a set.

    Parameters
    ----------
    zones : ZoneSet
        At most :data:`MOST_ZONES`.
    """

    def __init__(self, zones: ZoneSet) -> None:
        self._zones = zones.geometry
        self._bits = np.left_shift(np.uint64(1), np.arange(len(zones), dtype=np.uint64))
        self._near = Remembered(self._places)
        self._hashes = Remembered(lambda shapes: (_hashes(shapes),))

    def zones_of(self, part: Part) -> tuple[Words, Words]:
        """For each feature, and for each that is left out, a bit for each zone whose sum it may have a part in.

        A line or point decides the zones that it comes near to, an area those that it has ground in common with. As
        areas are cut out of each other, so does what meets one that lies in several zones, or partly in none.
        """
        features, outside = features_of(part), left_out_of(part)
        (near, common, whole), (near_outside, common_outside, _) = self._near.of(features), self._near.of(outside)
        if part.kernel not in MEETING:
            return near, near_outside
        crossing = np.flatnonzero((common > 0) & ~whole)
        of = shapely.STRtree(features[crossing]), common[crossing]
        return _with_met(common, features, *of), _with_met(common_outside, outside, *of)

    def names(self, part: Part, base: str) -> list[str]:
        """What the sum of each zone is kept under."""
        sides = tuple(zip(self.zones_of(part), self._words(part), strict=True))
        about = f"{base}\n{part.kernel} {part.unit} {part.settings}"
        found = []
        for n, bit in enumerate(self._bits):
            sums = []
            for decided, words in sides:
                of_zone = words[(decided & bit) > 0]
                sums.append((len(of_zone), of_zone.sum(axis=0, dtype=np.uint64).tolist()))
            found.append(hashlib.sha256(f"{about}\n{n} {sums}".encode()).hexdigest())
        return found

    def only(self, part: Part, wanted: Sequence[int]) -> Mask:
        """Which features may contribute to some of the zones."""
        near, _, _ = self._near.of(features_of(part))
        return np.asarray((near & np.bitwise_or.reduce(self._bits[list(wanted)])) > 0)

    def _words(self, part: Part) -> tuple[Words, Words]:
        """The hashes of features, of those that stand for amounts with these, and of those that are left out."""
        (outside,) = self._hashes.of(left_out_of(part))
        if part.kernel == "amount":
            return _hashes(features_of(part), amounts_of(part).astype("<f8")), outside
        (features,) = self._hashes.of(features_of(part))
        return features, outside

    def _places(self, shapes: Geometries) -> tuple[Words, Words, Mask]:
        """The zones that shapes come near to, those whose inside they have a part in, and if they lie in one wholly."""
        shapely.prepare(self._zones)
        shape, zone = shapely.STRtree(self._zones).query(shapes, predicate="dwithin", distance=COINCIDENT_M)
        whole = shapely.contains_properly(self._zones[zone], shapes[shape])
        common = whole.copy()
        rest = np.flatnonzero(~whole)
        pairs = self._zones[zone[rest]], shapes[shape[rest]]
        whole[rest] = shapely.covers(*pairs)
        common[rest] = shapely.intersects(*pairs) & ~shapely.touches(*pairs)
        wholly = np.zeros(len(shapes), dtype=bool)
        wholly[shape[whole & common]] = True
        return self._marked(shape, zone, len(shapes)), self._marked(shape[common], zone[common], len(shapes)), wholly

    def _marked(self, shape: Ints, zone: Ints, count: int) -> Words:
        """A bit for each zone of a pair, by shape."""
        marked = np.zeros(count, dtype=np.uint64)
        np.bitwise_or.at(marked, shape, self._bits[zone])
        return marked


def _with_met(near: Words, shapes: Geometries, crossing: shapely.STRtree, zones: Words) -> Words:
    """The zones of shapes, with those of features that lie in several zones, or partly in none, if their boxes meet."""
    found = near.copy()
    shape, met = crossing.query(shapes)
    np.bitwise_or.at(found, shape, zones[met])
    return found


def _hashes(shapes: Geometries, amounts: NDArray | None = None) -> Words:
    """A hash of each shape, with its amount."""
    wkb = shapely.to_wkb(shapes)
    each = wkb if amounts is None else [one + amount.tobytes() for one, amount in zip(wkb, amounts, strict=True)]
    joined = b"".join(hashlib.blake2b(one, digest_size=8 * WORDS).digest() for one in each)
    return np.frombuffer(joined, dtype=np.uint64).reshape(len(shapes), WORDS).copy()
