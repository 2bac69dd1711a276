"""Where lines cross water: rivers and canals drawn on squared paper."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from shapely import LineString, Polygon, box

from qpgis.crs import Plane
from qpgis.measures.crossings import crossings
from qpgis.measures.network import Network

PLANE = Plane(121, 31)
RIVER = box(0, 0, 1000, 60)  # flows from west to east, 60 m wide


def across(*paths: list[tuple[float, float]], water: list[Polygon] | None = None, **settings: float) -> np.ndarray:
    network = Network.of(np.array([LineString(path) for path in paths], dtype=object), PLANE)
    settings = {"merge_within_m": 0.0, "least_depth_m": 0.0} | settings
    return crossings(network, np.array([RIVER] if water is None else water, dtype=object), **settings)


def bridge(x: float) -> list[tuple[float, float]]:
    return [(x, -100), (x, 200)]


def test_a_bridge_stands_in_the_middle_of_the_river() -> None:
    assert across(bridge(300)) == pytest.approx(np.array([[300, 30]]))


def test_a_bridge_of_several_lines_is_one() -> None:
    assert len(across([(300, -100), (300, 10)], [(300, 10), (300, 50)], [(300, 50), (300, 200)])) == 1
    assert len(across([(300, -100), (300, 0), (300, 25), (300, 60), (300, 200)])) == 1  # vertices on both shores


def test_a_pier_and_a_road_within_the_water_cross_nothing() -> None:
    assert len(across([(300, -100), (300, 30)])) == 0
    assert len(across([(300, 20), (400, 20)])) == 0
    assert len(across([(300, -100), (300, 0)])) == 0  # ends on the shore
    assert len(across([(0, -10), (1000, -10)])) == 0


def test_a_bridge_that_forks_is_one() -> None:
    assert len(across([(300, -100), (300, 30), (300, 200)], [(300, 30), (400, 200)])) == 1


def test_a_river_in_pieces_is_one_river() -> None:
    halves = [box(0, 0, 1000, 30), box(0, 30, 1000, 60)]
    assert len(across(bridge(300), water=halves)) == 1
    apart = [box(0, 0, 1000, 20), box(0, 40, 1000, 60)]  # an island between two arms
    assert len(across(bridge(300), water=apart)) == 2


def test_two_carriageways_are_one_crossing() -> None:
    assert len(across(bridge(300), bridge(330))) == 2
    assert across(bridge(300), bridge(330), merge_within_m=40) == pytest.approx(np.array([[315, 30]]))
    assert len(across(bridge(300), bridge(345), merge_within_m=40)) == 2
    # but not over two waters
    arms = [box(0, 0, 1000, 20), box(0, 40, 1000, 60)]
    assert len(across(bridge(300), water=arms, merge_within_m=40)) == 2


def test_a_road_that_grazes_the_shore_runs_along_it() -> None:
    towpath = [(0, -5), (200, 1.5), (400, 1.5), (600, -5)]
    assert len(across(towpath)) == 1
    assert len(across(towpath, least_depth_m=2)) == 0
    assert len(across(bridge(300), least_depth_m=2)) == 1


def test_nothing_crosses_nothing() -> None:
    assert len(across()) == 0
    assert len(across(bridge(300), water=[])) == 0


@given(
    st.sets(st.tuples(st.integers(0, 8), st.integers(0, 8)), min_size=1, max_size=30),
    st.lists(st.integers(1, 9), min_size=2, max_size=2, unique=True),
    st.integers(2, 6),
)
def test_straight_roads_cross_as_often_as_shapely_finds_parts(cells: set, ends: list[int], pieces: int) -> None:
    """Water of any squares of a board, a road that meets no corner: as many crossings as parts of it lie in water."""
    water = [box(x, y, x + 1, y + 1) for x, y in cells]
    road = LineString([(-1, ends[0] - 0.63), (10, ends[1] - 0.41)])
    wet = shapely.intersection(road, shapely.union_all(water))
    expected = len(shapely.get_parts(shapely.line_merge(wet))) if not wet.is_empty else 0
    cuts = [road.interpolate(n / pieces, normalized=True) for n in range(pieces + 1)]
    parts = [[(a.x * 100, a.y * 100), (b.x * 100, b.y * 100)] for a, b in pairwise(cuts)]
    scaled = [shapely.transform(cell, lambda xy: xy * 100) for cell in water]
    assert len(across(*parts, water=scaled)) == expected
