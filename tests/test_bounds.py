"""Bounds of areas whose borders may be off: squares worked by hand, pieces of ground tried one by one, and laws."""

from __future__ import annotations

from math import pi, sqrt
from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import LineString, MultiPolygon, Point, Polygon, affinity, box

from qpgis.errors import ConfigError
from qpgis.measures.areas import area_contributions
from qpgis.measures.bounds import AreaBounds, Ground, area_bounds
from qpgis.measures.contributions import MICRO

ARC = 0.002
"""Arcs are drawn by 64 pieces: 0.16 % of a circle is left out."""


def shapes(*geometries: Any) -> np.ndarray:
    return np.array(geometries, dtype=object)


def m2(zones: np.ndarray, features: np.ndarray, outside: np.ndarray | None = None) -> list[float]:
    return [micro / MICRO for micro in area_contributions(zones, features, outside).per_zone()]


def bounds_of(
    zones: np.ndarray,
    features: np.ndarray,
    accuracy_m: Any,
    *,
    outside: np.ndarray | None = None,
    outside_accuracy_m: Any = 0.0,
) -> AreaBounds:
    left_out = Ground.of(shapes() if outside is None else outside, outside_accuracy_m)
    return area_bounds(zones, Ground.of(features, accuracy_m), outside=left_out)


WORLD = shapes(box(-1000, -1000, 2000, 2000))
PARK = box(0, 0, 100, 100)


class TestByHand:
    def test_a_square(self) -> None:
        found = bounds_of(WORLD, shapes(PARK), 5)
        assert found.value.tolist() == [10_000]
        assert found.low == pytest.approx([90 * 90])
        assert found.high == pytest.approx([10_000 + 4 * 100 * 5 + pi * 25], abs=ARC * pi * 25)

    def test_a_hole(self) -> None:
        found = bounds_of(WORLD, shapes(Polygon(PARK.exterior, [box(40, 40, 60, 60).exterior])), 5)
        assert found.low == pytest.approx([90 * 90 - (20 * 20 + 4 * 20 * 5 + pi * 25)], abs=ARC * pi * 25)
        assert found.high == pytest.approx([10_000 + 2000 + pi * 25 - 10 * 10], abs=ARC * pi * 25)

    def test_what_is_narrower_than_twice_the_accuracy_may_not_be_there(self) -> None:
        found = bounds_of(WORLD, shapes(box(0, 0, 9, 100), box(200, 0, 300, 100)), 5)
        assert found.low == pytest.approx([8100])

    def test_zone_borders_are_certain(self) -> None:
        zones = shapes(box(0, 0, 50, 200), box(50, 0, 200, 200), box(-50, -50, 0, 200))
        found = bounds_of(zones, shapes(PARK), 10)
        # shrunk it is 10 to 90, cut at 50; grown it reaches into the third zone, where nothing is drawn
        assert found.low == pytest.approx([40 * 80, 40 * 80, 0])
        assert found.value.tolist() == [5000, 5000, 0]
        corner = pi * 100 / 4
        assert found.high == pytest.approx(
            [50 * 110, 50 * 110 + 10 * 100 + corner, 10 * 120 - 2 * 100 + 2 * corner], abs=1
        )

    def test_a_border_between_features_is_none_of_the_layer(self) -> None:
        halves = shapes(box(0, 0, 50, 100), box(50, 0, 100, 100))
        hairline = shapes(box(0, 0, 50, 100), box(50.001, 0, 100, 100))
        apart = shapes(box(0, 0, 50, 100), box(50.1, 0, 100, 100))
        overlapping = shapes(box(0, 0, 60, 100), box(40, 0, 100, 100))
        low = [bounds_of(WORLD, one, 5).low[0] for one in (halves, hairline, overlapping, apart)]
        assert low == pytest.approx([8100, 8100, 8100, 8100 - 10.1 * 90], abs=0.2)

    def test_each_feature_its_own_accuracy(self) -> None:
        # the left half is off by 2, the right one by 10: shrunk they are 2 to 50 and 50 to 90 wide, 2 to 98 and 10 to
        # 90 high; but what the right border takes reaches 10 to the left of where it begins
        halves = shapes(box(0, 0, 50, 100), box(50, 0, 100, 100))
        found = bounds_of(WORLD, halves, [2, 10])
        bitten = pi * 100 / 4 - (2 * sqrt(100 - 4) / 2 + 100 * np.arcsin(0.2) / 2)  # of a quarter of a circle, beyond 2
        assert found.low == pytest.approx([48 * 96 + 40 * 80 - 2 * bitten], abs=0.7)
        # grown: 2 around the left one; around the right one 10, with two quarters of a circle also over the left one
        grown = 52 * 104 - (8 - 2 * pi) + 50 * 120 + 10 * 100 + pi * 50 + 2 * bitten
        assert found.high == pytest.approx([grown], abs=0.7)

    def test_a_certain_feature_beside_one_that_isnt(self) -> None:
        found = bounds_of(WORLD, shapes(PARK, box(500, 0, 600, 100)), [0, 5])
        assert found.low == pytest.approx([10_000 + 8100], abs=1e-3)

    def test_what_is_left_out_moves_the_other_way(self) -> None:
        pond = box(20, 20, 40, 40)
        found = bounds_of(WORLD, shapes(PARK), 5, outside=shapes(pond), outside_accuracy_m=2)
        assert found.value.tolist() == [9600]
        assert found.low == pytest.approx([8100 - (400 + 160 + pi * 4)], abs=ARC * pi * 4)
        assert found.high == pytest.approx([12_000 + pi * 25 - 16 * 16], abs=ARC * pi * 25)
        certain = bounds_of(WORLD, shapes(PARK), 0, outside=shapes(pond), outside_accuracy_m=2)
        assert certain.low == pytest.approx([10_000 - (400 + 160 + pi * 4)], abs=ARC * pi * 4)
        assert certain.high == pytest.approx([10_000 - 256])

    def test_not_more_than_the_zone(self) -> None:
        found = bounds_of(shapes(PARK), shapes(box(1, 1, 99, 99)), 5)
        assert found.high.tolist() == [10_000]

    def test_missing_and_empty(self) -> None:
        zones = shapes(PARK, None, Polygon())
        found = bounds_of(zones, shapes(None, Polygon(), PARK), 5, outside=shapes(None), outside_accuracy_m=[3])
        assert found.low == pytest.approx([8100, np.nan, np.nan], nan_ok=True)
        for accuracy in (0, 5, []):
            none = bounds_of(zones, shapes(), accuracy)
            for side in (none.low, none.value, none.high):
                assert side == pytest.approx([0, np.nan, np.nan], nan_ok=True)

    def test_bounds_of_groups_arent_sums(self) -> None:
        # the true border may lie left or right of the towns' common one, not both
        towns = shapes(box(0, 0, 50, 100), box(50, 0, 100, 100))
        lake = shapes(box(0, -100, 50, 200))
        apart = bounds_of(towns, lake, 5)
        together = bounds_of(shapes(box(0, 0, 100, 100)), lake, 5)
        assert together.high == pytest.approx([5500])
        assert apart.high == pytest.approx([5000, 500])
        assert apart.low == pytest.approx([4000, 0])


class TestSums:
    def test_sums(self) -> None:
        one, other = (AreaBounds(*(np.array([v]) for v in values)) for values in ((1.0, 2.0, 4.0), (10.0, 20.0, 40.0)))
        added, taken = one + other, other - one
        assert [side[0] for side in (added.low, added.value, added.high)] == [11, 22, 44]
        assert [side[0] for side in (taken.low, taken.value, taken.high)] == [6, 18, 39]


def blob(rng: np.random.Generator) -> Polygon | MultiPolygon:
    """A polygon or several, with spikes, holes and long sides."""
    corners = int(rng.integers(3, 20))
    angle, radius = np.sort(rng.uniform(0, 2 * pi, corners)), rng.uniform(2, 60, corners)
    middle = rng.uniform(0, 200, 2)
    outline = Polygon(middle + np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])).buffer(0)
    return outline.difference(Point(*middle).buffer(rng.uniform(0, 10), quad_segs=2))


def layer(seed: int, most: int = 6) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return shapes(*[blob(rng) for _ in range(int(rng.integers(1, most + 1)))])


GRID = shapes(*[box(100 * i - 100, 100 * j - 100, 100 * i, 100 * j) for i in range(4) for j in range(4)])
seeds = st.integers(0, 2**32 - 1)
accuracies = st.one_of(st.sampled_from([0.0, 1e-3, 0.01, 1.0]), st.floats(0, 50))


class TestLaws:
    @given(seeds, seeds, st.lists(accuracies, min_size=6, max_size=6), accuracies)
    @settings(max_examples=150, deadline=None)
    def test_low_value_high(self, seed: int, other: int, accuracy: list[float], left_out: float) -> None:
        features, outside = layer(seed), layer(other, 2)
        found = bounds_of(GRID, features, accuracy[: len(features)], outside=outside, outside_accuracy_m=left_out)
        assert found.value.tolist() == m2(GRID, features, outside)
        assert (found.low >= 0).all()
        assert (found.low <= found.value).all()
        assert (found.value <= found.high).all()
        assert (found.high <= 10_000).all()

    @given(seeds, seeds)
    @settings(max_examples=30, deadline=None)
    def test_nothing_moves_that_is_certain(self, seed: int, other: int) -> None:
        features, outside = layer(seed), layer(other, 2)
        found = bounds_of(GRID, features, 0, outside=outside)
        for side in (found.low, found.value, found.high):
            assert side.tolist() == m2(GRID, features, outside)

    @given(seeds, st.lists(st.floats(0, 20), min_size=6, max_size=6), st.integers(0, 5), st.floats(0, 20))
    @settings(max_examples=80, deadline=None)
    def test_less_accurate_is_wider(self, seed: int, accuracy: list[float], which: int, more: float) -> None:
        features = layer(seed)
        first = bounds_of(GRID, features, accuracy[: len(features)])
        accuracy[which] += more
        second = bounds_of(GRID, features, accuracy[: len(features)])
        # arcs are drawn from other places, and stretches of border begin a centimetre elsewhere
        near = 0.01 * np.square(accuracy).max() + 5
        assert (second.low <= first.low + near).all()
        assert (second.high >= first.high - near).all()

    @given(seeds, st.floats(0.1, 30))
    @settings(max_examples=60, deadline=None)
    def test_against_all_points_of_a_grid(self, seed: int, accuracy: float) -> None:
        features = layer(seed)
        whole = shapely.union_all(features)
        found = bounds_of(shapes(box(-200, -200, 400, 400)), features, accuracy)
        x, y = np.meshgrid(np.arange(-200, 400, 4) + 2, np.arange(-200, 400, 4) + 2)
        place = shapely.points(x.ravel(), y.ravel())
        inside, far = shapely.intersects(whole, place), shapely.distance(shapely.boundary(whole), place)
        certain, possible = 16 * (inside & (far >= accuracy)).sum(), 16 * (inside | (far <= accuracy)).sum()
        # what the points say of an area is off by some of the cells along its border
        lost = shapely.length(shapely.boundary(whole)) * 4 * 0.35 + 200
        assert found.low[0] == pytest.approx(certain, abs=lost)
        assert found.high[0] == pytest.approx(possible, abs=lost)

    @given(seeds, st.lists(st.sampled_from([0.0, 2.0, 7.0]), min_size=6, max_size=6))
    @settings(max_examples=60, deadline=None)
    def test_every_border_that_may_be_is_within_the_bounds(self, seed: int, accuracy: list[float]) -> None:
        features = layer(seed)
        rng = np.random.default_rng(seed)
        off = np.array(accuracy[: len(features)])
        found = bounds_of(GRID, features, off)
        # each feature shifted by no more than its accuracy
        angle, far = rng.uniform(0, 2 * pi, len(features)), rng.uniform(0, 1, len(features)) * off
        moved = shapes(
            *[
                affinity.translate(one, d * np.cos(a), d * np.sin(a))
                for one, a, d in zip(features, angle, far, strict=True)
            ]
        )
        true = np.array(m2(GRID, moved))
        assert (true <= found.high + 1).all()
        # of a border inside the layer nothing is said, so features that meet may not be moved apart
        if len(features) == 1 or shapely.area(shapely.union_all(features)) > shapely.area(features).sum() - 1e-9:
            assert (true >= found.low - 1).all()

    @given(seeds, st.lists(st.sampled_from([0.0, 2.0, 7.0]), min_size=6, max_size=6), st.randoms(use_true_random=False))
    @settings(max_examples=40, deadline=None)
    def test_order_place_and_cuts_dont_matter(self, seed: int, accuracy: list[float], random: Any) -> None:
        features = layer(seed)
        off = np.array(accuracy[: len(features)])
        first = bounds_of(GRID, features, off)
        order = random.sample(range(len(features)), len(features))
        turned = bounds_of(GRID, features[order], off[order])
        far = 50_000.0
        moved = bounds_of(*(shapely.transform(one, lambda xy: xy + far) for one in (GRID, features)), off)
        cut = LineString([(-500, 90), (500, 120)])
        halves = [part for one in features for part in shapely.get_parts(shapely.ops.split(one, cut))]
        owner = [n for n, one in enumerate(features) for _ in shapely.get_parts(shapely.ops.split(one, cut))]
        divided = bounds_of(GRID, shapes(*halves), off[owner])
        for again in (turned, moved, divided):
            assert again.low == pytest.approx(first.low, abs=0.5)
            assert again.high == pytest.approx(first.high, abs=0.5)


class TestRefused:
    @pytest.mark.parametrize(
        ("accuracy", "message"),
        [
            (-1, r"accuracy_m = -1 is no distance in metres; 0 means certain"),
            (float("nan"), r"accuracy_m = nan is no distance"),
            (float("inf"), r"accuracy_m = inf is no distance"),
            ([1, -2], r"accuracy_m = -2 \(feature 2 of 2, 1 in all\)"),
            ([1, 2, 3], r"accuracy_m has 3 values for 2 features"),
        ],
    )
    def test_accuracies(self, accuracy: Any, message: str) -> None:
        with pytest.raises(ConfigError, match=message):
            bounds_of(WORLD, shapes(PARK, PARK), accuracy)
