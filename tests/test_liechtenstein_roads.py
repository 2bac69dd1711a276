"""The road network of a whole country, against networkx and shapely on the nodes of its OSM file.

No call is shared with qpgis.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import combinations, pairwise
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
import shapely
from pyproj import Transformer

from tests.test_liechtenstein import GEOD, Extract, Oracle, csv_bytes, extract_file, has_any, oracle, rows

__all__ = ["csv_bytes", "extract_file", "oracle", "rows"]
MERGED_WITHIN_M = {"merged_30m": 30.0, "construction_land": 30.0, "every_node": 0.0}
Rows = list[dict[str, str]]


@pytest.fixture(scope="module")
def streets(oracle: Oracle) -> nx.MultiGraph:
    """Roads between OSM nodes, those where two meet removed one after the other."""
    graph = nx.Graph(oracle.roads.edges)  # an edge that two ways share is one
    graph = nx.MultiGraph([(a, b, {"metres": GEOD.inv(*a, *b)[2]}) for a, b in graph.edges])
    for node in sorted(graph):
        if graph.degree(node) == 2 and not graph.has_edge(node, node):
            (_, one, a), (_, other, b) = graph.edges(node, data="metres")
            graph.remove_node(node)
            graph.add_edge(one, other, metres=a + b)
    graph.remove_nodes_from([node for node in sorted(graph) if graph.degree(node) == 2])
    return graph


def clusters(graph: nx.MultiGraph, within_m: float) -> list[tuple[shapely.Point, int]]:
    """Where nodes are, and their degree, when chains up to a length between junctions are none."""
    left = graph.copy()
    short = [
        (a, b, key)
        for a, b, key, metres in graph.edges(keys=True, data="metres")
        if metres <= within_m and min(graph.degree(a), graph.degree(b)) > 2
    ]
    left.remove_edges_from(short)
    joined = nx.Graph([(a, b) for a, b, _ in short])
    joined.add_nodes_from(graph)
    found = [
        (shapely.Point(np.mean(list(members), axis=0)), sum(left.degree(node) for node in members))
        for members in nx.connected_components(joined)
    ]
    return [(spot, degree) for spot, degree in found if degree not in (0, 2)]


def by_zone(spots: list[tuple[shapely.Point, float]], oracle: Oracle) -> dict[str, float]:
    """The sum of what stands at spots in each municipality, group and the country; on a border the lowest id has it."""
    tree = shapely.STRtree([spot for spot, _ in spots])
    amount = np.array([amount for _, amount in spots], dtype=float)
    found = {}
    for zone, polygon in sorted(oracle.zones.items()):
        inside = tree.query(polygon, predicate="intersects")
        found[zone] = float(amount[inside].sum())
        amount[inside] = 0
    return found | {group: sum(found[one] for one in members) for group, members in oracle.members.items()}


def sums(rows: Rows, indicator: str, definition: str, side: str) -> dict[str, float]:
    return {
        row["zone_id"]: float(row[side])
        for row in rows
        if row[side] and (row["indicator"], row["definition"]) == (indicator, definition)
    }


@pytest.mark.parametrize("definition", MERGED_WITHIN_M)
def test_junctions_are_those_of_networkx(
    definition: str,
    rows: Rows,
    oracle: Oracle,
    streets: nx.MultiGraph,
) -> None:
    found = clusters(streets, MERGED_WITHIN_M[definition])
    junctions = by_zone([(spot, 1) for spot, degree in found if degree > 2], oracle)
    assert sums(rows, "intersection_density", definition, "numerator") == junctions
    assert sum(junctions.values()) > 1000
    if definition != "construction_land":
        nodes = by_zone([(spot, 1) for spot, _ in found], oracle)
        assert sums(rows, "link_node_ratio", definition, "denominator") == nodes
        assert sums(rows, "dead_end_share", definition, "denominator") == nodes
        ends = by_zone([(spot, 1) for spot, degree in found if degree == 1], oracle)
        assert sums(rows, "dead_end_share", definition, "numerator") == ends
        halves = by_zone([(spot, degree / 2) for spot, degree in found], oracle)
        assert sums(rows, "link_node_ratio", definition, "numerator") == halves


def test_roads_that_end_at_municipal_borders(rows: Rows, oracle: Oracle, extract_file: Path) -> None:
    """End by end, in Lambert's plane around the country: what is across, how near, and that the country is cut off."""
    to_metres = Transformer.from_crs(4326, "+proj=laea +lon_0=9.55 +lat_0=47.15 +ellps=GRS80", always_xy=True)
    rule = oracle.rules["links"]
    ramps = [xy for tags, xy in Extract(extract_file).ways.values() if has_any(tags, rule["any"])]
    ramps = [(tuple(a), tuple(b)) for xy in ramps for a, b in pairwise(xy)]
    graph = nx.Graph([*oracle.roads.edges, *ramps])
    graph.remove_edges_from(list(nx.selfloop_edges(graph)))
    way = defaultdict(set)
    for edge, tags in zip(oracle.roads.edges, oracle.roads.tags, strict=True):
        way[frozenset(edge)].add(tags["way"])
    roads = {end for edge in oracle.roads.edges for end in edge}
    place = {node: np.array(to_metres.transform(*node)) for node in graph}
    edges = [frozenset(edge) for edge in graph.edges]
    lines = np.array([shapely.LineString([place[node] for node in edge]) for edge in graph.edges])
    zones = {
        zone: shapely.transform(polygon, lambda xy: np.column_stack(to_metres.transform(*xy.T)))
        for zone, polygon in sorted(oracle.zones.items())
    }
    ends = []
    for node in (node for node, degree in graph.degree if degree == 1 and node in roads):
        (inner,) = graph[node]
        tip, along = shapely.Point(place[node]), place[inner] - place[node]
        back = shapely.Point(place[node] + along * min(1, 1 / np.hypot(*along)))
        own = next((zone for zone, polygon in zones.items() if polygon.intersects(back)), None)
        others = [polygon for zone, polygon in zones.items() if zone != own and polygon.distance(tip) <= 50]
        if own is None or not others:
            continue
        near = [
            n
            for n in np.flatnonzero(shapely.dwithin(lines, tip, 1000))
            if not way[edges[n]] & way[frozenset((node, inner))]
        ]
        across = shapely.get_parts(shapely.intersection(shapely.union_all(lines[near]), shapely.union_all(others)))
        across = shapely.union_all(across[shapely.length(across) > 0.01])  # not what only touches the border
        if 20 < across.distance(tip) <= 1000:
            ends.append((shapely.Point(to_metres.transform(back.x, back.y, direction="INVERSE")), 1))
    assert sums(rows, "border_dead_ends", "zones", "numerator") == by_zone(ends, oracle)
    assert len(ends) > 20


def test_levels_of_road_add_up(rows: Rows) -> None:
    levels = [sums(rows, "road_length", level, "numerator") for level in ("motorway", "arterial", "secondary", "local")]
    for zone, whole in sums(rows, "road_length", "centreline", "numerator").items():
        assert whole == pytest.approx(sum(level[zone] for level in levels), abs=1e-6)


def waterside(oracle: Oracle, extract: Extract, kinds: tuple[str, ...], never: tuple[str, ...], water: str) -> dict:
    """Crossings by zone: what the ways' union has in the water's union, joined; those near each other once."""
    rules = [oracle.rules[kind] for kind in kinds]
    ways = [
        shapely.LineString(xy)
        for tags, xy in extract.ways.values()
        if any(has_any(tags, rule["any"]) and not has_any(tags, rule["none"]) for rule in rules)
        and not has_any(tags, list(never))
    ]
    to_metres = Transformer.from_crs(4326, "+proj=laea +lon_0=9.55 +lat_0=47.15 +ellps=GRS80", always_xy=True)
    lines, waters = (
        shapely.transform(one, lambda xy: np.column_stack(to_metres.transform(*xy.T)))
        for one in (shapely.union_all(ways), oracle.water[water])
    )
    found = []
    for body in shapely.get_parts(waters):
        wet = shapely.get_parts(shapely.intersection(lines, body))
        graph = nx.Graph([(line.coords[0], line.coords[-1]) for line in wet if line.length > 0])
        for nodes in nx.connected_components(graph):
            exits = [xy for xy in nodes if graph.degree(xy) == 1 and body.boundary.distance(shapely.Point(xy)) < 1e-6]
            piece = shapely.union_all([line for line in wet if line.length > 0 and line.coords[0] in nodes])
            if len(exits) > 1:
                found.append((body, piece))
    near = nx.Graph(
        (a, b)
        for a, b in combinations(range(len(found)), 2)
        if found[a][0] is found[b][0] and found[a][1].distance(found[b][1]) < 40
    )
    near.add_nodes_from(range(len(found)))
    places = []
    for cluster in nx.connected_components(near):
        middle = shapely.centroid(shapely.union_all([found[n][1] for n in cluster]))
        places.append((shapely.Point(to_metres.transform(middle.x, middle.y, direction="INVERSE")), 1))
    return by_zone(places, oracle)


@pytest.mark.parametrize(
    ("definition", "kinds", "never", "water"),
    [
        ("drivable_all_water", ("roads",), (), "all_water"),
        ("drivable", ("roads",), (), "rivers_lakes_reservoirs"),
        ("walkable_all_water", ("roads", "path", "track", "service"), ("highway=motorway",), "all_water"),
        ("walkable", ("roads", "path", "track", "service"), ("highway=motorway",), "rivers_lakes_reservoirs"),
    ],
)
def test_crossings_are_parts_of_ways_in_water(
    definition: str,
    kinds: tuple,
    never: tuple,
    water: str,
    rows: Rows,
    oracle: Oracle,
    extract_file: Path,
) -> None:
    expected = waterside(oracle, Extract(extract_file), kinds, never, water)
    assert sums(rows, "river_crossings", definition, "numerator") == expected
    by_shore = sums(rows, "river_crossing_density", definition, "numerator")  # none where there is no shore
    assert by_shore == {zone: expected[zone] for zone in by_shore}
    assert sum(by_shore.values()) == sum(expected.values())
    assert sum(expected.values()) > 0


def test_shores_are_where_the_water_borders_on_land(rows: Rows, oracle: Oracle) -> None:
    for definition, water in (("drivable", "rivers_lakes_reservoirs"), ("drivable_all_water", "all_water")):
        others = shapely.difference(oracle.water["all_water"], oracle.water[water])
        shore = shapely.difference(
            oracle.water[water].boundary, shapely.buffer(others, 1e-7)
        )  # in degrees: a centimetre
        km = sums(rows, "river_crossing_density", definition, "denominator")
        for zone, polygon in oracle.zones.items():
            if zone in km:
                metres = GEOD.geometry_length(shapely.intersection(shore, polygon))
                assert km[zone] == pytest.approx(metres / 1000, abs=1e-3)  # decimetres where waters meet are no shore
