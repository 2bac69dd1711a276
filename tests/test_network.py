"""Networks to walk on, held against networkx and against distances worked out by hand."""

from __future__ import annotations

from itertools import pairwise

import geopandas as gpd
import networkx as nx
import numpy as np
import pytest
import shapely
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from shapely import LineString, Point, box

from qpgis.crs import Plane
from qpgis.measures import reach
from qpgis.measures.network import NOWHERE, Network

PLANE = Plane(121, 31)


def lines(*paths: list[tuple[float, float]]) -> np.ndarray:
    return np.array([LineString(path) for path in paths], dtype=object)


def points(*xy: tuple[float, float]) -> np.ndarray:
    return np.array([Point(one) for one in xy], dtype=object)


def walked(
    roads: np.ndarray, sources: np.ndarray, people: np.ndarray, *, limit_m: float = 1e9, **options: object
) -> np.ndarray:
    """How far each of some people walks to the nearest source."""
    network = Network.of(roads, PLANE)
    ends = (network.feet(places, snap_within_m=300, **options) for places in (sources, people))  # type: ignore[arg-type]
    return network.walks(*ends, limit_m=limit_m)


def test_points_snap_to_edges_and_the_way_to_them_counts() -> None:
    # along a street of 1000 m: 30 m to it, 400 m along, 20 m from it
    found = walked(lines([(0, 0), (1000, 0)]), points((300, 30)), points((700, -20)))
    assert found == pytest.approx([450], abs=1e-3)


def test_two_points_on_one_edge_meet_without_its_nodes() -> None:
    found = walked(lines([(0, 0), (1000, 0)]), points((500, 0)), points((510, 0), (510, 0), (490, 10)))
    assert found == pytest.approx([10, 10, 20], abs=1e-4)


def test_lines_meet_at_common_vertices_only() -> None:
    over = lines([(0, 0), (1000, 0)], [(500, -500), (500, 500)])
    met = lines([(0, 0), (500, 0), (1000, 0)], [(500, -500), (500, 0), (500, 500)])
    assert np.isinf(walked(over, points((500, 400)), points((100, 0)))).all()
    assert walked(met, points((500, 400)), points((100, 0))) == pytest.approx([800], abs=1e-3)


def test_an_end_that_touches_an_edge_is_joined_to_it() -> None:
    roads = lines([(0, 0), (1000, 0)], [(500, 0.004), (500, 500)])
    assert walked(roads, points((500, 400)), points((100, 0))) == pytest.approx([800], abs=0.01)
    apart = lines([(0, 0), (1000, 0)], [(500, 1), (500, 500)])
    assert np.isinf(walked(apart, points((500, 400)), points((100, 0)))).all()


def test_barriers_are_crossed_on_bridges_only() -> None:
    canal = np.array([box(-100, 40, 1100, 60)], dtype=object)
    south, north = [(0, 0), (1000, 0)], [(0, 200), (1000, 200)]
    house = points((500, 70))  # 70 m from the southern street, 130 m from the northern one, the canal between
    stop = points((500, 0))
    assert walked(lines(south, north), stop, house) == pytest.approx([70], abs=1e-3)
    assert np.isinf(walked(lines(south, north), stop, house, barriers=canal)).all()
    bridge = [(1000, 0), (1000, 200)]
    found = walked(lines(south, north, bridge), stop, house, barriers=canal)
    assert found == pytest.approx([130 + 500 + 200 + 500], abs=1e-2)


def test_too_far_from_any_line_is_nowhere() -> None:
    network, node = Network.of(lines([(0, 0), (100, 0)]), PLANE).with_points(
        points((0, 301), (0, 299)), snap_within_m=300
    )
    assert node[0] == NOWHERE
    assert network.xy[node[1]].tolist() == [0, 299]


def test_nothing_is_reached_from_nowhere_and_beyond_the_limit() -> None:
    street = lines([(0, 0), (1000, 0)])
    assert np.isinf(walked(street, points(), points((10, 0)))).all()
    assert np.isinf(walked(np.empty(0, dtype=object), points((0, 0)), points((0, 0)))).all()
    found = walked(street, points((0, 0)), points((500, 0), (501, 0)), limit_m=500.5)
    assert np.isfinite(found).tolist() == [True, False]


def test_parallel_edges_count_by_the_shorter() -> None:
    roads = lines([(0, 0), (50, 200), (100, 0)], [(0, 0), (100, 0)])
    assert walked(roads, points((0, 0)), points((100, 0))) == pytest.approx([100], abs=1e-3)


MOVES = {"n": (0, 10), "s": (0, -10), "e": (10, 0), "w": (-10, 0)}
corners = st.tuples(st.integers(0, 5), st.integers(0, 5))
walks = st.lists(st.sampled_from("nsew"), min_size=1, max_size=6)
spots = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=5, unique=True)


def street_of(corner: tuple[int, int], moves: list[str]) -> list[tuple[float, float]]:
    path = [(10 * corner[0], 10 * corner[1])]
    for move in moves:
        path.append((path[-1][0] + MOVES[move][0], path[-1][1] + MOVES[move][1]))
    return path


@settings(max_examples=100, deadline=None)
@given(st.lists(st.builds(street_of, corners, walks), min_size=1, max_size=6), spots, spots)
def test_equal_to_networkx(streets: list, sources: list, people: list) -> None:
    """Streets from corner to corner of a grid of 10 m, so that lines that meet share a vertex."""
    roads = lines(*streets)
    edges = sorted({tuple(sorted(edge)) for path in streets for edge in pairwise(path)})
    graph = nx.Graph()
    on: dict[tuple, list] = {edge: [] for edge in edges}
    for node in (*(("source", *spot) for spot in sources), *(("person", *spot) for spot in people)):
        spot = Point(node[1] + 0.31, node[2] + 0.17)  # nowhere equally near to two streets, but at corners
        away, nearest = min((LineString(edge).distance(spot), edge) for edge in edges)
        along = LineString(nearest).project(spot)
        assume(0 < along < 10 or sum(np.isclose(LineString(edge).distance(spot), away) for edge in edges) == 1)
        on[nearest].append((along, node))
        graph.add_edge(node, ("foot", node), weight=away)
    for edge, feet in on.items():
        chain = [(0.0, edge[0]), *((along, ("foot", node)) for along, node in sorted(feet)), (10.0, edge[1])]
        for (here, one), (there, other) in pairwise(chain):
            graph.add_edge(one, other, weight=there - here)
    moved = [points(*((x + 0.31, y + 0.17) for x, y in some)) for some in (sources, people)]
    reached = nx.multi_source_dijkstra_path_length(graph, {("source", *spot) for spot in sources})
    expected = [reached.get(("person", *spot), np.inf) for spot in people]
    assert walked(roads, *moved) == pytest.approx(expected, rel=1e-4, abs=1e-3)


def test_reach_gives_the_metres_of_every_node() -> None:
    roads = gpd.GeoSeries(PLANE.unproject(lines([(0, 0), (500, 0), (1000, 0)], [(500, 0), (500, 300)])), crs=4326)
    source = gpd.GeoSeries(PLANE.unproject(points((200, 40))), crs=4326)
    found = reach(roads, source, 700)
    away = {tuple(xy): metres for xy, metres in zip(metres_of(found), found["distance_m"], strict=True)}
    assert away[0, 0] == pytest.approx(240, abs=0.01)  # a straight line of degrees is none of the plane
    assert away[500, 300] == pytest.approx(640, abs=0.01)
    assert away[1000, 0] == np.inf  # 840 m


def metres_of(nodes: gpd.GeoDataFrame) -> list[tuple[int, int]]:
    xy = PLANE.forward(shapely.get_coordinates(nodes.geometry.to_numpy()))
    return [(round(x), round(y)) for x, y in xy]


def test_components_are_told_apart() -> None:
    network = Network.of(lines([(0, 0), (10, 0)], [(10, 0), (20, 0)], [(0, 50), (10, 50)]), PLANE)
    piece = network.components()
    assert len(set(piece.tolist())) == 2
    assert shapely.length(network.edges).sum() == pytest.approx(30)
