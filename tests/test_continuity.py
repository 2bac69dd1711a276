"""Pieces of greenways and open shores, held against streets and ponds by hand, networkx and plain distances."""

from __future__ import annotations

from functools import partial
from itertools import combinations, pairwise

import networkx as nx
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import LineString, MultiPolygon, Polygon, box

from qpgis.crs import Plane
from qpgis.measures.continuity import OpenShore, gaps, networks, open_shore, shorelines
from qpgis.measures.spans import Chainage, Spans

PLANE = Plane(121, 31)
POND = box(0, 0, 100, 100)


def some(*shapes: shapely.Geometry | None) -> np.ndarray:
    return np.array(shapes, dtype=object)


def line(*xy: tuple[float, float]) -> LineString:
    return LineString(xy)


# ---------------------------------------------------------------------------------------------------------- networks


def sizes(ways: np.ndarray, tolerance_m: float = 1.0) -> list[float]:
    """The length of each network, in the order of their numbers."""
    lines, _, network = networks(ways, PLANE, tolerance_m=tolerance_m)
    return np.bincount(network, PLANE.lengths(lines)).tolist()


def test_networks_and_gaps_of_a_broken_greenway() -> None:
    # 200 m with a gap that is tolerated, 100 m of nothing, 20 m; far away 50 m more
    near = line((0, 0), (100, 0)), line((100.5, 0), (200.5, 0)), line((300.5, 0), (320.5, 0))
    ways = some(*near, line((0, 5000), (50, 5000)))
    assert sizes(ways) == pytest.approx([200, 50, 20], rel=1e-6)
    links, ends = gaps(ways)
    assert [one.length for one in links] == pytest.approx([100])
    assert {*ends[0].tolist()} == {1, 2}
    assert shapely.equals(links[0], line((200.5, 0), (300.5, 0)))
    assert len(sizes(ways, 0.4)) == 4
    assert len(gaps(ways, within_m=6000)[0]) == 2


def test_gaps_begin_at_the_lines_that_were_given() -> None:
    both = shapely.MultiLineString([[(0, 0), (10, 0)], [(60, 0), (70, 0)]])
    links, ends = gaps(some(None, LineString(), line((0, 30), (5, 30)), both))
    assert [one.length for one in links] == pytest.approx([30, 50])
    assert np.sort(ends, axis=1).tolist() == [[2, 3], [3, 3]]


def test_without_lines_there_is_no_gap() -> None:
    assert len(gaps(some(None, LineString()))[0]) == 0
    with pytest.raises(ValueError, match="the lines hold points or polygons"):
        gaps(some(POND))


walks = st.lists(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=2, max_size=4, unique=True).map(LineString),
    min_size=1,
    max_size=8,
)


@settings(max_examples=60, deadline=None)
@given(walks, st.sampled_from([0.25, 2.25, 5.25]))
def test_networks_and_gaps_equal_networkx(ways: list[LineString], tolerance_m: float) -> None:
    graph = nx.Graph()
    graph.add_nodes_from(range(len(ways)))
    for a, b in combinations(range(len(ways)), 2):
        graph.add_edge(a, b, weight=ways[a].distance(ways[b]))
    near = nx.Graph([(a, b) for a, b, away in graph.edges(data="weight") if away <= tolerance_m])
    near.add_nodes_from(graph)
    expected = sorted((sum(ways[n].length for n in group) for group in nx.connected_components(near)), reverse=True)
    tree = nx.minimum_spanning_tree(graph)
    apart = sorted(away for _, _, away in tree.edges(data="weight") if away > tolerance_m)
    assert sizes(some(*ways), tolerance_m) == pytest.approx(expected, rel=1e-6)
    links, ends = gaps(some(*ways), tolerance_m=tolerance_m)
    assert shapely.length(links) == pytest.approx(apart)
    joined = nx.Graph([*near.edges, *ends.tolist()])
    joined.add_nodes_from(graph)
    assert nx.is_connected(joined)
    again, _ = gaps(some(*(shapely.reverse(way) for way in ways[::-1])), tolerance_m=tolerance_m)
    assert shapely.length(again) == pytest.approx(apart)


@settings(max_examples=30, deadline=None)
@given(walks)
def test_splitting_at_vertices_changes_no_network(ways: list[LineString]) -> None:
    split = [line(*xy[n : n + 2]) for way in ways for xy in [list(way.coords)] for n in range(len(xy) - 1)]
    assert sizes(some(*split)) == pytest.approx(sizes(some(*ways)))
    assert shapely.length(gaps(some(*split))[0]) == pytest.approx(shapely.length(gaps(some(*ways))[0]))


# -------------------------------------------------------------------------------------------------------- shorelines


def test_what_bodies_of_water_share_is_no_shore() -> None:
    found = shorelines(some(POND, box(100, 0, 150, 100), None, box(300, 0, 310, 10)))
    assert shapely.length(found) == pytest.approx([300, 200, 0, 40], abs=1e-6)
    assert found[2].is_empty
    # cut in two, the same river
    parts = shorelines(some(MultiPolygon([box(0, 0, 50, 10), box(50.01, 0, 90, 10)])))
    assert shapely.length(parts) == pytest.approx([50 + 39.99 + 50 + 39.99 + 20], abs=1e-6)


def test_a_shore_that_two_layers_draw_belongs_to_both() -> None:
    found = shorelines(some(POND, POND, box(0, 0, 50, 50)))
    assert shapely.length(found) == pytest.approx([400, 400, 100], abs=1e-6)


def test_islands_have_a_shore_unless_they_are_small() -> None:
    lake = Polygon(POND.exterior, [box(10, 10, 20, 20).exterior, box(40, 40, 80, 80).exterior])
    assert shapely.length(shorelines(some(lake))) == pytest.approx([400 + 40 + 160])
    assert shapely.length(shorelines(some(lake), least_island_m2=101)) == pytest.approx([400 + 160])


def test_shores_run_with_the_water_to_their_left() -> None:
    assert shapely.is_ccw(shorelines(some(POND, shapely.reverse(POND)))).tolist() == [True, True]


# -------------------------------------------------------------------------------------------------------- open shores


def opened(waters: np.ndarray, *paths: shapely.Geometry, **options: object) -> OpenShore:
    return open_shore(shorelines(waters), some(*paths), PLANE, **options)  # type: ignore[arg-type]


def test_a_path_along_one_side_opens_it_and_a_little_around_the_corners() -> None:
    # 10 m south of the pond: 100 m, and at both sides what is within 30 m of the path's ends
    found = opened(some(POND), line((0, -10), (100, -10)))
    assert found.open_m == pytest.approx([140], rel=1e-6)
    assert found.length_m == pytest.approx([400], rel=1e-6)
    assert found.share == pytest.approx([0.35])
    assert found.longest_m == pytest.approx([140], rel=1e-6)
    assert shapely.equals_exact(found.stretches[0], line((0, 20), (0, 0), (100, 0), (100, 20)), 1e-6)
    part = opened(some(POND), line((30, -18), (60, -18)))
    assert part.open_m == pytest.approx([30 + 2 * 24], rel=1e-6)  # 18, 24, 30
    assert opened(some(POND), line((0, -31), (100, -31))).share.tolist() == [0]


def test_stretches_run_on_where_a_ring_happens_to_begin() -> None:
    # the western path: that side, and 20 m around both corners; the other: 100 - 90 + sqrt(800), and 20 m
    for turn in range(4):
        corners = np.roll(shapely.get_coordinates(POND)[:-1], turn, axis=0)
        found = opened(some(Polygon(corners)), line((-10, -10), (-10, 200), (200, 200)), line((200, -10), (90, -10)))
        assert len(found.stretches) == 2
        assert found.stretch_m == pytest.approx([140, 10 + np.sqrt(800) + 20], rel=1e-6)
        assert found.longest_m == pytest.approx([140], rel=1e-6)
        assert shapely.get_type_id(found.stretches).tolist() == [1, 1]
    around = opened(some(POND), shapely.buffer(POND, 5).exterior)
    assert around.share == pytest.approx([1])
    assert len(around.stretches) == 1


def test_a_path_on_the_opposite_bank_opens_only_that_bank() -> None:
    canal = some(box(0, 0, 1000, 12))
    found = opened(canal, line((0, -3), (1000, -3)))
    # the southern bank, and both ends of 12 m
    assert found.open_m == pytest.approx([1024], rel=1e-6)
    banks = some(line((0, 0), (1000, 0)), line((1000, 12), (0, 12)))
    either = open_shore(banks, some(line((0, -3), (1000, -3))), PLANE, water_left=False)
    assert either.share == pytest.approx([1, 1])


def test_boardwalks_count_as_far_out_as_told() -> None:
    walk = line((0, 4), (100, 4))
    assert opened(some(POND), walk).open_m[0] > 99.9
    assert opened(some(POND), walk, over_water_m=0).open_m[0] < 70  # the sides only


def test_closed_ground_closes_the_shore_before_it_and_the_paths_within() -> None:
    path = line((0, -10), (100, -10))
    behind = opened(some(POND), path, closed=some(box(20, -5, 60, 0)))
    assert behind.open_m == pytest.approx([100], rel=1e-6)
    assert behind.stretch_m == pytest.approx([60, 40], rel=1e-6)
    # the fence stands 0.6 m from the shore
    assert opened(some(POND), path, closed=some(box(20, -5, 60, -0.6))).open_m == pytest.approx([100], rel=1e-6)
    assert opened(some(POND), path, closed=some(box(20, -5, 60, -2))).open_m == pytest.approx([140], rel=1e-6)
    # the path itself is fenced in from 20 on; it reaches sqrt(800) further
    fenced = opened(some(POND), path, closed=some(box(20, -15, 200, -5)))
    assert fenced.open_m == pytest.approx([20 + 20 + np.sqrt(800)], rel=1e-6)


def test_bodies_without_paths_or_shores() -> None:
    found = opened(some(POND, None))
    assert found.share.tolist()[0] == 0
    assert np.isnan(found.share[1])
    assert len(found.stretches) == 0
    with pytest.raises(ValueError, match="the paths hold points or polygons"):
        opened(some(POND), POND)


ponds = st.lists(
    st.builds(lambda x, y, w, h: box(x, y, x + w, y + h), *(st.integers(0, 100),) * 2, *(st.integers(5, 60),) * 2),
    min_size=1,
    max_size=4,
)
tracks = st.lists(
    st.lists(st.tuples(st.integers(-20, 180), st.integers(-20, 180)), min_size=2, max_size=4, unique=True).map(
        LineString
    ),
    max_size=5,
)


@settings(max_examples=60, deadline=None)
@given(ponds, tracks, ponds)
def test_paths_open_and_fences_close_and_order_changes_nothing(waters: list, paths: list, fences: list) -> None:
    land = partial(opened, within_m=29.3, over_water_m=4.7)  # which no whole numbers meet exactly
    bodies = some(*waters)
    by_paths = [land(bodies, *paths[:n]).open_m for n in range(len(paths) + 1)]
    by_fences = [land(bodies, *paths, closed=some(*fences[:n])).open_m for n in range(len(fences) + 1)]
    assert (np.diff(by_paths, axis=0) >= -1e-6).all()
    assert (np.diff(by_fences, axis=0) <= 1e-6).all()
    turned = land(bodies[::-1], *(shapely.reverse(path) for path in paths[::-1]), closed=some(*fences[::-1]))
    assert turned.open_m[::-1] == pytest.approx(by_fences[-1], abs=1e-6)
    split = [line(*xy[n : n + 2]) for way in paths for xy in [list(way.coords)] for n in range(len(xy) - 1)]
    assert land(bodies, *split).open_m == pytest.approx(by_paths[-1], abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(ponds)
def test_shores_are_the_outline_of_all_water(waters: list) -> None:
    grown = [shapely.buffer(pond, 0.37 * n, join_style="mitre") for n, pond in enumerate(waters)]  # no common borders
    found = shorelines(some(*grown))
    assert shapely.length(found).sum() == pytest.approx(
        shapely.union_all(grown).length, abs=0.05 * 4 * len(waters) ** 2
    )


# ------------------------------------------------------------------------------------------------------------- spans


@settings(max_examples=100, deadline=None)
@given(walks, walks, st.sampled_from([0.5, 3.0, 11.0]))
def test_near_is_what_plain_distances_say(ways: list, others: list, within_m: float) -> None:
    course = Chainage.of(some(*ways))
    near = course.near(Chainage.of(some(*others)), within_m)
    target = shapely.union_all(others)
    share = (np.arange(200) + 0.5) / 200
    for number, way in enumerate(ways):
        start = course.whole.low[number]
        at = share * way.length
        away = np.array([target.distance(way.interpolate(one)) for one in at])
        own = near.line == number
        low, high = near.low[own] - start, near.high[own] - start
        inside = ((at[:, None] > low) & (at[:, None] < high)).any(axis=1)
        clear = np.abs(away - within_m) > 1e-6
        assert (inside == (away < within_m))[clear].all()


@settings(max_examples=100, deadline=None)
@given(walks, ponds)
def test_inside_is_what_an_overlay_says(ways: list, grounds: list) -> None:
    course = Chainage.of(some(*ways))
    polygons = [shapely.affinity.scale(g, 0.3, 0.3, origin=(0.11, 0.23)) for g in grounds]
    found = course.inside(some(*polygons))
    expected = [
        shapely.intersection(LineString([a, b]), shapely.union_all(polygons)).length
        for w in ways
        for a, b in pairwise(w.coords)
    ]
    assert course.lengths(found).sum() == pytest.approx(sum(expected), abs=1e-6)
    for stretch in course.lines(found):
        middle = stretch.interpolate(0.5, normalized=True)
        assert shapely.union_all(polygons).distance(middle) < 1e-6


cuts = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 40), st.integers(1, 15)), max_size=8)


@given(cuts, cuts)
def test_spans_are_sets_of_places(ones: list, others: list) -> None:
    def spans(some_cuts: list) -> tuple[Spans, set]:
        column = np.array(some_cuts, dtype=float).reshape(-1, 3)
        at = 1000 * column[:, 0] + column[:, 1]
        united = Spans.united(column[:, 0].astype(int), at, at + column[:, 2])
        return united, {(row, at + n) for row, at, width in some_cuts for n in range(width)}

    def places(found: Spans) -> set:
        rows = zip(found.line.tolist(), np.rint(found.low).astype(int), np.rint(found.high).astype(int), strict=True)
        return {(row, at - 1000 * row) for row, low, high in rows for at in range(low, high)}

    (one, in_one), (other, in_other) = spans(ones), spans(others)
    assert places(one) == in_one
    assert places(one + other) == in_one | in_other
    assert places(one & other) == in_one & in_other
    assert places(one - other) == in_one - in_other
    met = [bool(places(one[n : n + 1]) & in_other) for n in range(len(one))]
    assert one.meet(other).tolist() == met


def test_places_of_a_course() -> None:
    bent, straight = line((0, 0), (3, 4), (3, 4), (3, 10)), line((50, 0), (60, 0))
    course = Chainage.of(some(bent, None, LineString(), straight))
    assert course.at.tolist() == [0, 5, 11, 12, 22]
    assert course.whole.line.tolist() == [0, 3]
    assert course.metres(np.array([5.0, 11.0, 12.0, 22.0])).tolist() == [5, 11, 11, 21]
    found = course.lines(Spans(np.array([0, 3]), np.array([2.5, 12.0]), np.array([8.0, 17.0])))
    assert [shapely.get_coordinates(one).tolist() for one in found] == [[[1.5, 2], [3, 4], [3, 7]], [[50, 0], [55, 0]]]
