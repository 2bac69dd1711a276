"""Isochrones against closed forms, networkx, and a plain search over every metre of the streets."""

from __future__ import annotations

import geopandas as gpd
import networkx as nx
import numpy as np
import pytest
import shapely
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from shapely import Point

from qpgis.crs import Plane
from qpgis.measures import isochrones
from qpgis.measures.isochrones import isochrone, reached_lines
from qpgis.measures.network import Network
from tests.test_network import lines, points

PLANE = Plane(121, 31)
CROSS = lines([(-1000, 0), (0, 0), (1000, 0)], [(0, -1000), (0, 0), (0, 1000)])


def reached(roads: np.ndarray, sources: np.ndarray, limit_m: float, beside_m: float = 50.0) -> shapely.Geometry:
    network, nodes = Network.of(roads, PLANE).with_points(sources, snap_within_m=300)
    return shapely.union_all(isochrone(network, nodes, limit_m=limit_m, beside_m=beside_m))


def test_a_street_with_a_source_in_its_middle() -> None:
    # 500 - 50 m either way, 50 m to either side, and round ends
    found = reached(lines([(-1000, 0), (1000, 0)]), points((0, 0)), 500)
    assert found.area == pytest.approx(2 * 450 * 100 + np.pi * 50**2, rel=2e-4)
    assert found.bounds == pytest.approx((-500, -50, 500, 50), abs=0.1)


def test_a_crossing() -> None:
    # four arms of 150 m, 100 m wide, which share the square in their middle, and four round ends
    found = reached(CROSS, points((0, 0)), 200)
    assert found.area == pytest.approx(4 * 150 * 100 - 100**2 + 4 * np.pi * 50**2 / 2, rel=5e-4)


def test_the_way_to_the_street_counts() -> None:
    found = reached(lines([(-1000, 0), (1000, 0)]), points((0, 100)), 400)
    # 100 m to the street leave 250 m of it, and 50 m beside
    assert shapely.intersection(found, shapely.LineString([(-1000, 0), (1000, 0)])).length == pytest.approx(
        600, abs=0.5
    )
    assert found.area == pytest.approx(500 * 100 + np.pi * 50**2, rel=4e-4)


def test_nothing_is_reached_in_no_time_and_from_nowhere() -> None:
    assert reached(CROSS, points((0, 0)), 50).is_empty
    assert reached(CROSS, points((5000, 5000)), 500).is_empty
    assert reached(CROSS, points(), 500).is_empty


def test_several_distances_of_one_frame() -> None:
    roads = gpd.GeoSeries(PLANE.unproject(CROSS), crs=4326)
    source = gpd.GeoSeries(PLANE.unproject(points((0, 0))), crs=4326)
    found = isochrones(roads, source, (50, 200, 400))
    assert found["limit_m"].tolist() == [50, 200, 400]
    area = shapely.area(shapely.transform(found.geometry.to_numpy(), PLANE.forward))
    assert area == pytest.approx([0, 50_000 + 5000 * np.pi, 130_000 + 5000 * np.pi], rel=1e-3)
    assert isochrones(roads, source, 200).geometry[0].equals(found.geometry[1])


corners = st.tuples(st.integers(0, 4), st.integers(0, 4))
steps = st.sampled_from([(1, 0), (0, 1)])
streets = st.lists(st.tuples(corners, steps), min_size=1, max_size=14, unique=True)


@settings(max_examples=60, deadline=None)
@given(streets, st.integers(0, 13), st.integers(0, 100), st.integers(10, 350))
def test_reached_streets_equal_networkx(
    blocks: list[tuple[tuple[int, int], tuple[int, int]]], which: int, along: int, limit: int
) -> None:
    """Of each block what is left of the limit at its ends; the source splits its own block."""
    roads = [((100 * x, 100 * y), (100 * (x + dx), 100 * (y + dy))) for (x, y), (dx, dy) in blocks]
    start, end = roads[which % len(roads)]
    source = tuple(a + (b - a) * along / 100 for a, b in zip(start, end, strict=True))
    graph = nx.Graph()
    graph.add_weighted_edges_from([(a, b, 100) for a, b in roads if (a, b) != (start, end)], "metres")
    graph.add_weighted_edges_from([(start, source, along), (source, end, 100 - along)], "metres")
    metres = nx.single_source_dijkstra_path_length(graph, source, weight="metres")
    left = {node: max(limit - metres.get(node, np.inf), 0) for node in graph}
    expected = sum(min(edge["metres"], left[a] + left[b]) for a, b, edge in graph.edges(data=True) if a != b)
    network, nodes = Network.of(lines(*map(list, roads)), PLANE).with_points(points(source), snap_within_m=1)
    found = reached_lines(network, nodes, limit_m=limit)
    assert shapely.length(shapely.union_all(found)) == pytest.approx(expected, abs=0.2)


@settings(max_examples=25, deadline=None)
@given(streets, st.tuples(st.integers(0, 400), st.integers(0, 400)), st.integers(30, 400), st.integers(0, 2**32 - 1))
def test_whoever_is_inside_has_walked_no_further(
    blocks: list[tuple[tuple[int, int], tuple[int, int]]], source: tuple[int, int], limit: int, seed: int
) -> None:
    roads = lines(*[[(100 * x, 100 * y), (100 * (x + dx), 100 * (y + dy))] for (x, y), (dx, dy) in blocks])
    found = reached(roads, points(source), limit, beside_m=25)
    assume(not found.is_empty)
    further, circle = reached(roads, points(source), limit + 60, beside_m=25), Point(source).buffer(limit + 0.1, 64)
    assert further.buffer(0.05).covers(found)  # a longer walk never reaches less
    assert circle.covers(found)  # nor more than the crow
    # every metre of the streets with its distance: from some of it each place inside is within the limit
    network, nodes = Network.of(shapely.segmentize(roads, 1.0), PLANE).with_points(points(source), snap_within_m=300)
    metres = network.distances(nodes, limit_m=1e9)[: len(network)]
    rng = np.random.default_rng(seed)
    west, south, east, north = found.bounds
    spots = rng.uniform((west, south), (east, north), (200, 2))
    spots = spots[shapely.contains_xy(found, *spots.T)]
    if len(spots):
        away = np.hypot(*(spots[:, None] - network.xy[None]).transpose(2, 0, 1)) + metres
        assert away.min(axis=1).max() <= limit + 1.1
