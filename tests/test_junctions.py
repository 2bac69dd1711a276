"""Junctions and dead ends of networks: worked by hand, and held against networkx's graphs taken apart edge by edge."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from shapely import LineString

from qpgis.crs import Plane
from qpgis.measures.junctions import nodes
from qpgis.measures.network import Network

PLANE = Plane(121, 31)
CELL_M = 20
"""Near the centre of the plane lengths on the ellipsoid are those in it."""


def network(*paths: list[tuple[float, float]]) -> Network:
    return Network.of(np.array([LineString(path) for path in paths], dtype=object), PLANE)


def degrees(*paths: list[tuple[float, float]], merge_within_m: float = 0.0) -> list[int]:
    return sorted(nodes(network(*paths), merge_within_m=merge_within_m).degree.tolist())


def test_a_bend_is_no_node() -> None:
    assert degrees([(0, 0), (50, 10), (100, 0)], [(100, 0), (200, 0)]) == [1, 1]


def test_a_t_and_a_cross() -> None:
    main = [(0, 0), (100, 0), (200, 0)]
    assert degrees(main, [(100, 0), (100, 90)]) == [1, 1, 1, 3]
    assert degrees(main, [(100, -90), (100, 0), (100, 90)]) == [1, 1, 1, 1, 4]
    assert degrees(main, [(150, -90), (150, 90)]) == [1, 1, 1, 1]  # over or under: no common vertex


def test_a_ring_by_itself_has_no_node_and_one_with_an_arm_has_two() -> None:
    ring = [(0, 0), (100, 0), (100, 100), (0, 100), (0, 0)]
    assert degrees(ring) == []
    assert degrees(ring, [(0, 0), (-50, 0)]) == [1, 3]  # the loop counts twice where it begins and ends


def test_nothing_has_no_nodes() -> None:
    assert degrees() == []


def test_where_divided_roads_cross_there_is_one_junction() -> None:
    """Two pairs of carriageways 20 m apart: four nodes, one junction where eight lanes meet."""
    lanes = [[(-200, y), (0, y), (20, y), (220, y)] for y in (0, 20)] + [
        [(x, -200), (x, 0), (x, 20), (x, 220)] for x in (0, 20)
    ]
    assert degrees(*lanes) == [1] * 8 + [4] * 4
    assert degrees(*lanes, merge_within_m=19.9) == [1] * 8 + [4] * 4
    merged = nodes(network(*lanes), merge_within_m=20.1)
    assert sorted(merged.degree.tolist()) == [1] * 8 + [8]
    assert merged.xy[merged.degree == 8] == pytest.approx(np.array([[10, 10]]))


def test_two_streets_a_little_apart_that_join_a_third_are_a_cross() -> None:
    street = [(0, 0), (100, 0), (115, 0), (300, 0)]
    arms = [[(100, 0), (100, 200)], [(115, 0), (115, -200)]]
    assert degrees(street, *arms) == [1, 1, 1, 1, 3, 3]
    assert degrees(street, *arms, merge_within_m=20) == [1, 1, 1, 1, 4]


def test_a_short_dead_end_stays_one() -> None:
    assert degrees([(0, 0), (100, 0), (200, 0)], [(100, 0), (100, 5)], merge_within_m=30) == [1, 1, 1, 3]


def by_networkx(lines: list[LineString], merge_within_m: float) -> list[int]:
    """Degrees by removing nodes of two edges one after the other, then contracting short edges between junctions."""
    graph = nx.MultiGraph()
    for line in lines:
        graph.add_edge(*line.coords, metres=line.length)
    for node in sorted(graph):
        if graph.degree(node) == 2 and not graph.has_edge(node, node):
            (_, one, a), (_, other, b) = graph.edges(node, data="metres")
            graph.remove_node(node)
            graph.add_edge(one, other, metres=a + b)
    graph.remove_nodes_from([node for node in sorted(graph) if graph.degree(node) == 2])  # rings
    short = [
        (a, b, key)
        for a, b, key, metres in graph.edges(keys=True, data="metres")
        if metres <= merge_within_m and min(graph.degree(a), graph.degree(b)) > 2
    ]
    clusters = nx.Graph([(a, b) for a, b, _ in short])
    clusters.add_nodes_from(graph)
    graph.remove_edges_from(short)
    found = [sum(graph.degree(node) for node in cluster) for cluster in nx.connected_components(clusters)]
    return sorted(degree for degree in found if degree not in (0, 2))


@given(
    st.sets(st.tuples(st.integers(0, 4), st.integers(0, 4), st.booleans()), min_size=1),
    st.sampled_from([0.0, 1.5 * CELL_M, 2.5 * CELL_M]),
    st.randoms(),
)
def test_degrees_are_those_of_networkx(blocks: set, merge_within_m: float, dice) -> None:
    """Any part of a grid of streets: each block's edge to the east or to the north."""
    ends = [((x, y), (x + across, y + (not across))) for x, y, across in blocks]
    lines = [LineString(np.array(pair) * CELL_M) for pair in ends]
    expected = by_networkx(lines, merge_within_m)
    dice.shuffle(lines)
    found = nodes(Network.of(np.array(lines, dtype=object), PLANE), merge_within_m=merge_within_m)
    assert sorted(found.degree.tolist()) == expected
    if not merge_within_m:
        # half of each degree sums to the chains, and every node is where lines end
        vertices = {tuple(xy) for line in lines for xy in line.coords}
        assert {tuple(xy) for xy in np.rint(found.xy)} <= vertices
    assert found.degree.sum() % 2 == 0


@given(st.permutations(range(6)))
def test_the_order_of_lines_makes_no_difference(order: list[int]) -> None:
    lanes = [LineString([(-90, 0), (0, 0), (25, 0), (90, 0)]), LineString([(0, 0), (0, 90)])]
    lanes += [LineString([(25, 0), (25, -90)]), LineString([(-90, 0), (-90, 50)]), LineString([(90, 0), (90, 50)])]
    lanes += [LineString([(-90, 0), (-90, -50)])]
    plain = nodes(Network.of(np.array(lanes), PLANE), merge_within_m=30)
    turned = nodes(Network.of(np.array([shapely.reverse(lanes[n]) for n in order]), PLANE), merge_within_m=30)
    assert plain.degree.tolist() == turned.degree.tolist()
    assert plain.xy.tolist() == turned.xy.tolist()
