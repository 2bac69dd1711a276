"""Roads of a town of four square kilometres, worked by hand."""

from __future__ import annotations

import math

import pytest
from shapely import LineString

import qpgis as qp
from tests.conftest import Maker, frame, layer, square
from tests.test_access import values
from tests.test_indicators import PLANAR, line

ROADS = layer("roads", 'class_field = "kind"')


def roads(**lines: list[LineString]):
    """Lines by class."""
    return frame(
        [one for several in lines.values() for one in several],
        kind=[kind for kind, several in lines.items() for _ in several],
    )


def test_length_by_class(workspace: Maker) -> None:
    """Motorway 1000 m, trunk 500, primary 200, secondary 300, tertiary 100, residential 50; and 900 m of path."""
    lengths = {"motorway": 1000, "trunk": 500, "primary": 200, "secondary": 300, "tertiary": 100, "residential": 50}
    lines = {kind: [line((0, 100 + n), (m, 100 + n))] for n, (kind, m) in enumerate((lengths | {"path": 900}).items())}
    ws = qp.open_workspace(workspace(ROADS, roads=roads(**lines)))
    expected = {"motorway": 1.0, "arterial": 0.7, "secondary": 0.3, "local": 0.15, "centreline": 2.15}
    for definition, km in expected.items():
        assert values(ws, "road_length", definition)["a"] == pytest.approx(km, rel=PLANAR)
    water = frame([square(0, 0, 1000, 500)], kind=["river"])
    built = frame([square(0, 0, 500, 500)])
    tables = ROADS + layer("water", 'class_field = "kind"') + layer("construction")
    ws = qp.open_workspace(workspace(tables, roads=roads(**lines), water=water, construction=built))
    for definition, km in expected.items():
        assert values(ws, "road_density", definition)["a"] == pytest.approx(km, rel=PLANAR)
        assert values(ws, "road_density", definition)["south"] == pytest.approx(km / 2, rel=PLANAR)
    found = values(ws, "road_density", "construction_land")
    assert found["a"] == pytest.approx(2.15 / 0.25, rel=PLANAR)
    assert math.isnan(found["b"])  # nothing is built there


@pytest.fixture
def town(workspace: Maker) -> qp.Workspace:
    """Streets whose nodes can be counted.

    a: a street of 800 m with an arm to the north at x = 300 and one to the south at x = 320: 2 junctions 20 m apart, 4
    ends, 5 stretches; merged 1 junction and 4 stretches. b: two streets that pass over each other: 4 ends, 2 stretches.
    c and d: a street from the border of the survey in c to a dead end in d.
    """
    streets = [
        line((100, 500), (300, 500), (320, 500), (900, 500)),
        line((300, 500), (300, 800)),
        line((320, 500), (320, 200)),
        line((1100, 500), (1900, 500)),
        line((1500, 100), (1500, 900)),
        line((0, 1500), (1500, 1500)),
    ]
    drawn = roads(residential=streets, path=[line((500, 500), (500, 700))])
    built = frame([square(0, 0, 500)])
    return qp.open_workspace(workspace(ROADS + layer("construction"), roads=drawn, construction=built))


def test_junctions_per_area(town: qp.Workspace) -> None:
    nodes = values(town, "intersection_density", "every_node")
    assert (nodes["a"], nodes["b"], nodes["c"]) == pytest.approx((2, 0, 0), rel=PLANAR)
    assert nodes["all"] == pytest.approx(0.5, rel=PLANAR)
    merged = values(town, "intersection_density", "merged_30m")
    assert (merged["a"], merged["south"]) == pytest.approx((1, 0.5), rel=PLANAR)
    assert values(town, "intersection_density", "construction_land")["a"] == pytest.approx(1 / 0.25, rel=PLANAR)


def test_stretches_per_node(town: qp.Workspace) -> None:
    each = values(town, "link_node_ratio", "every_node")
    assert (each["a"], each["b"], each["d"]) == pytest.approx((5 / 6, 2 / 4, 0.5 / 1))
    assert each["all"] == pytest.approx((5 + 2 + 0.5) / (6 + 4 + 1))
    assert math.isnan(each["c"])  # its only end lies on the border of what was surveyed
    merged = values(town, "link_node_ratio", "merged_30m")
    assert (merged["a"], merged["south"]) == pytest.approx((4 / 5, (4 + 2) / (5 + 4)))


def test_share_of_dead_ends(town: qp.Workspace) -> None:
    each = values(town, "dead_end_share", "every_node")
    assert (each["a"], each["b"], each["d"]) == pytest.approx((100 * 4 / 6, 100, 100))
    merged = values(town, "dead_end_share", "merged_30m")
    assert (merged["a"], merged["all"]) == pytest.approx((100 * 4 / 5, 100 * (4 + 4 + 1) / (5 + 4 + 1)))


def test_no_roads_make_no_network(workspace: Maker) -> None:
    ws = qp.open_workspace(
        workspace('[layers.roads]\nempty_because = "没有路"\n[layers.construction]\nempty_because = "无"')
    )
    assert values(ws, "intersection_density", "merged_30m")["a"] == 0
    assert math.isnan(values(ws, "dead_end_share", "merged_30m")["a"])


def test_a_distance_that_is_none_is_refused(town: qp.Workspace) -> None:
    with pytest.raises(qp.errors.ConfigError, match="merge_within_m = -1"):
        values(town, "link_node_ratio", "merged_30m[merge_within_m=-1]")


@pytest.fixture
def river(workspace: Maker) -> qp.Workspace:
    """A river 100 m wide through a and b, a pond in c.

    a: a street at x = 200, and a motorway of two carriageways 30 m apart, one crossing; b: a path at x = 1500. A street
    runs over the pond.
    """
    drawn = roads(
        residential=[line((200, 300), (200, 700)), line((400, 1450), (700, 1450))],
        motorway=[line((600, 300), (600, 700)), line((630, 300), (630, 700))],
    )
    water = frame([square(0, 450, 2000, 100), square(500, 1400, 100)], kind=["river", "pond"])
    path = frame([line((1500, 300), (1500, 700))])
    tables = ROADS + layer("water", 'class_field = "kind"') + layer("path")
    return qp.open_workspace(workspace(tables, roads=drawn, water=water, path=path))


CROSSED = {
    "drivable": {"a": 2, "b": 0, "c": 0},
    "walkable": {"a": 1, "b": 1, "c": 0},
    "drivable_all_water": {"a": 2, "b": 0, "c": 1},
    "walkable_all_water": {"a": 1, "b": 1, "c": 1},
}
SHORES_KM = {"a": 2.0, "b": 2.0, "c": 0.4}
"""Both banks, but not where the river leaves the survey; all round the pond."""


@pytest.mark.parametrize("definition", CROSSED)
def test_crossings_and_how_dense_they_are(definition: str, river: qp.Workspace) -> None:
    found = values(river, "river_crossings", definition)
    expected = CROSSED[definition]
    assert {zone: found[zone] for zone in "abc"} == expected
    assert (found["d"], found["all"]) == (0, sum(expected.values()))
    dense = values(river, "river_crossing_density", definition)
    for zone in "abc" if "all_water" in definition else "ab":
        assert dense[zone] == pytest.approx(expected[zone] / SHORES_KM[zone], rel=PLANAR)
    assert math.isnan(dense["d"])
    assert math.isnan(dense["c"]) == ("all_water" not in definition)


def test_carriageways_far_apart_are_two_crossings(river: qp.Workspace) -> None:
    assert values(river, "river_crossings", "drivable[merge_within_m=20]")["a"] == 3
