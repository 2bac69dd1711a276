"""Roads of a town of four square kilometres, worked by hand."""

from __future__ import annotations

import math
from pathlib import Path

import geopandas as gpd
import pytest
from shapely import LineString

import qpgis as qp
from qpgis.cli import main
from tests.conftest import EAST, HEAD, NORTH, Maker, four_towns, frame, layer, square
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


def test_roads_that_are_cut_off_at_the_areas_border_have_no_dead_end_there(workspace: Maker) -> None:
    """A crossing with three dead ends; west of it the file is cut off at x = 0, and doesn't say so."""
    drawn = roads(residential=[line((0, 500), (500, 500), (700, 500)), line((500, 300), (500, 500), (500, 700))])
    ws = qp.open_workspace(workspace(BORDER, roads=drawn))
    assert values(ws, "dead_end_share", "every_node")["a"] == pytest.approx(100 * 3 / 4)


def test_no_roads_make_no_network(workspace: Maker) -> None:
    ws = qp.open_workspace(
        workspace('[layers.roads]\nempty_because = "没有路"\n[layers.construction]\nempty_because = "无"')
    )
    assert values(ws, "intersection_density", "merged_30m")["a"] == 0
    assert math.isnan(values(ws, "dead_end_share", "merged_30m")["a"])


def test_settings_that_mean_nothing_are_refused(town: qp.Workspace) -> None:
    with pytest.raises(qp.errors.ConfigError, match="merge_within_m = -1"):
        values(town, "link_node_ratio", "merged_30m[merge_within_m=-1]")
    with pytest.raises(qp.errors.ConfigError, match="border = 'city' is not known"):
        values(town, "border_dead_ends", "outer[border=city]")


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


BORDER = layer("roads", 'class_field = "kind"').replace('extent = "area"\n', "")


def border_town():
    """Roads at the border of a and b at x = 1000, and at the area's western border at x = 0.

    North to south: y = 900 a road goes through; 700 one of a ends 10 m before the border, one of b 150 m beyond it: a
    link of 160 m, and the end of b lies too far from the border; 500 two meet with 8 m between them; 300 one of a ends
    on the border, the street at x = 1150 lies 150 m beyond; 100 one of a ends 80 m before the border.
    """
    return roads(
        secondary=[
            line((100, 900), (1900, 900)),
            line((500, 700), (990, 700)),
            line((1150, 700), (1400, 700)),
            line((500, 500), (996, 500)),
            line((1004, 500), (1400, 500)),
            line((500, 300), (1000, 300)),
            line((500, 100), (920, 100)),
        ],
        residential=[line((1150, 200), (1150, 700))],
    )


def test_roads_that_end_at_the_border_of_towns(workspace: Maker) -> None:
    ws = qp.open_workspace(workspace(BORDER, roads=border_town()))
    found = values(ws, "border_dead_ends", "zones")
    assert {zone: found[zone] for zone in "abcd"} == {"a": 2, "b": 0, "c": 0, "d": 0}
    assert (found["south"], found["all"]) == (2, 2)
    (links,) = qp.assess(ws, definitions={"border_dead_ends": ["zones"]}).features["border_dead_ends", "zones"]
    assert sorted(one.length for one in links.geometry) == pytest.approx([150, 160], rel=PLANAR)
    assert values(ws, "border_dead_ends", "zones[border_within_m=90]")["a"] == 3
    # the two ends at y = 500 too
    assert values(ws, "border_dead_ends", "zones[continue_within_m=5]")["a"] == 3
    assert values(ws, "border_dead_ends", "zones[continue_within_m=5]")["b"] == 1
    assert values(ws, "border_dead_ends", "zones[link_within_m=155]")["a"] == 1
    # of the residential road both ends lie far from the border
    assert values(ws, "border_dead_ends", "zones[classes=residential]")["all"] == 0


def test_a_road_that_goes_on_as_a_ramp_does_not_end(workspace: Maker) -> None:
    ramp = frame([line((990, 700), (900, 800))])
    ws = qp.open_workspace(workspace(BORDER + layer("links"), roads=border_town(), links=ramp))
    assert values(ws, "border_dead_ends", "zones")["a"] == 1


def test_the_outer_border_needs_roads_beyond_it(workspace: Maker) -> None:
    """Two roads run west from a to the border at x = 0: one stops there, one goes on; a road lies 300 m beyond."""
    inside = [line((500, 300), (0, 300)), line((500, 600), (-300, 600))]
    ws = qp.open_workspace(workspace(BORDER, roads=roads(secondary=inside)))
    rows = qp.assess(ws, definitions={"border_dead_ends": ["outer"]})["border_dead_ends"]
    assert set(rows["status"]) == {"not_computable"}
    assert "界线另一侧" in rows["note"].iloc[0]
    ring = LineString([(EAST + x, NORTH + y) for x, y in ((-300, -300), (-300, 2300), (2300, 2300), (2300, -300))])
    ws = qp.open_workspace(workspace(BORDER, roads=roads(secondary=inside, tertiary=[ring])))
    found = qp.assess(ws, definitions={"border_dead_ends": ["outer"]})
    rows = found["border_dead_ends"].set_index("zone_id")["value"]
    assert (rows["a"], rows["b"], rows["all"]) == (1, 0, 1)
    (links,) = found.features["border_dead_ends", "outer"]
    assert [one.length for one in links.geometry] == pytest.approx([300], rel=PLANAR)


def test_borders_of_provinces_are_told_by_the_codes_of_zones(workspace: Maker) -> None:
    ws = qp.open_workspace(workspace(BORDER, roads=border_town()))
    rows = qp.assess(ws, definitions={"border_dead_ends": ["province"]})["border_dead_ends"]
    assert "没有这种界线" in rows["note"].iloc[0]
    codes = ["310118102", "320509110", "310118103", "320509111"]
    towns = four_towns().assign(zone_id=codes)
    head = HEAD.replace('members = ["a", "b"]', f'members = ["{codes[0]}", "{codes[1]}"]')
    ws = qp.open_workspace(workspace(BORDER, head=head, towns=towns, roads=border_town()))
    found = values(ws, "border_dead_ends", "province")
    assert (found[codes[0]], found[codes[1]]) == (2, 0)


def test_missing_links_are_drawn_and_written(workspace: Maker, tmp_path: Path) -> None:
    folder = workspace(BORDER + '[definitions]\nborder_dead_ends = ["zones"]\n', roads=border_town())
    assert main(["run", str(folder), "--out", str(tmp_path / "out")]) == 0
    links = gpd.read_file(tmp_path / "out" / "indicators.gpkg", layer="missing_links")
    assert sorted(links["length_m"]) == [150, 160]
    assert set(links.geom_type) == {"LineString"}
    assert "缺失连接：省市断头路" in (tmp_path / "out" / "map.html").read_text("utf-8")
