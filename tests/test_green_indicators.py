"""Greenways, parks, water quality and blue lines in towns of a square kilometre, worked by hand."""

from __future__ import annotations

import math
from random import Random

import geopandas as gpd
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shapely import LineString

import qpgis as qp
from tests.conftest import EAST, NORTH, Maker, frame, layer, square
from tests.test_access import at, values

# Towns a (west) and b (east) are the southern squares of 1000 m; c and d lie north of them.
PEOPLE = layer("residents", 'amount_field = "people"')


def way(*spots: tuple[float, float]) -> LineString:
    return LineString([(EAST + x, NORTH + y) for x, y in spots])


# --------------------------------------------------------------------------------------------------------- greenways


def test_greenways_are_long_where_they_run(workspace: Maker) -> None:
    """600 m in a and 400 m in b, drawn twice; 300 m along the border of a and c, half to each."""
    lines = [way((400, 500), (1400, 500)), way((800, 500), (1200, 500)), way((0, 1000), (300, 1000))]
    ws = qp.open_workspace(workspace(layer("greenways"), greenways=frame(lines)))
    found = values(ws, "greenway_length", "of_the_state")
    assert [found[zone] for zone in "abcd"] == pytest.approx([0.75, 0.4, 0.15, 0], rel=1e-3)
    assert found["all"] == pytest.approx(1.3, rel=1e-3)


NETWORK = [
    way((0, 100), (900, 100)),  # 900 m in a
    way((940, 100), (1300, 100)),  # 40 m on: 60 m in a and 300 m in b
    way((1300, 160), (1500, 160)),  # 60 m beside it: 200 m in b
    way((100, 900), (200, 900)),  # 100 m in a
]


def test_the_longest_network_and_gaps_that_are_bridged(workspace: Maker) -> None:
    """Gaps of 40 m are bridged, of 60 m not: the longest network is 900 + 60 m in a, 300 m in b; all is 1060 + 500."""
    ws = qp.open_workspace(workspace(layer("greenways"), greenways=frame(NETWORK)))
    found = values(ws, "greenway_continuity", "longest_network")
    assert found["a"] == pytest.approx(100 * 960 / 1060, rel=1e-4)
    assert found["b"] == pytest.approx(100 * 300 / 500, rel=1e-4)
    assert found["all"] == pytest.approx(100 * 1260 / 1560, rel=1e-4)
    assert math.isnan(found["c"])  # no greenway runs there
    wider = values(ws, "greenway_continuity", "longest_network[gap_within_m=61]")
    assert (wider["a"], wider["b"]) == pytest.approx((100 * 960 / 1060, 100), rel=1e-4)
    none = values(ws, "greenway_continuity", "longest_network[gap_within_m=0]")
    assert (none["a"], none["b"]) == pytest.approx((100 * 900 / 1060, 0), rel=1e-4, abs=1e-6)


def test_networks_that_are_long_enough(workspace: Maker) -> None:
    """Networks of 1260, 200 and 100 m."""
    ws = qp.open_workspace(workspace(layer("greenways"), greenways=frame(NETWORK)))
    for least_km, counted in ((1.3, 0), (0.19, 1460), (0.05, 1560)):
        found = values(ws, "greenway_continuity", f"networks_10km[least_km={least_km}]")
        assert found["all"] == pytest.approx(100 * counted / 1560, rel=1e-4, abs=1e-6)
    assert values(ws, "greenway_continuity", "networks_10km")["all"] == 0
    result = qp.assess(ws, definitions={"greenway_continuity": ["networks_10km[least_km=0.19]"]})
    (missed,) = result.missed["greenway_continuity", "networks_10km[least_km=0.19]"]
    assert missed.frame["feature_id"].tolist() == ["4"]


def test_links_that_are_missing_between_networks_are_features(workspace: Maker) -> None:
    """(1300, 100) to (1300, 160) is 60 m, the street of 40 m is bridged; (200, 900) to (200, 100) is 800 m."""
    ws = qp.open_workspace(workspace(layer("greenways"), greenways=frame(NETWORK)))
    result = qp.assess(ws, definitions={"greenway_continuity": ["longest_network"]})
    (links,) = result.features["greenway_continuity", "longest_network"]
    assert links.frame["show_length_m"].tolist() == [60, 800]


def test_parts_of_one_feature_may_be_of_different_networks(workspace: Maker) -> None:
    both = frame([NETWORK[0].union(NETWORK[2])])
    ws = qp.open_workspace(workspace(layer("greenways"), greenways=both))
    assert values(ws, "greenway_continuity", "longest_network")["all"] == pytest.approx(100 * 900 / 1100, rel=1e-4)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.randoms(use_true_random=False))
def test_the_order_of_greenways_changes_nothing(workspace: Maker, random: Random) -> None:
    shuffled = [*NETWORK, way((1000, 1500), (1100, 1500))]
    random.shuffle(shuffled)
    ws = qp.open_workspace(workspace(layer("greenways"), greenways=frame(shuffled)))
    found = values(ws, "greenway_continuity", "longest_network")
    assert (found["all"], found["d"]) == pytest.approx((100 * 1260 / 1660, 0), rel=1e-4)


def test_homes_and_people_near_a_greenway(workspace: Maker) -> None:
    """A greenway along the western border of a; homes 100 m wide from there to 2000 m: 1000 m of them are near."""
    tables = layer("greenways") + layer("residential") + PEOPLE
    made = {
        "greenways": frame([way((0, 0), (0, 1000))]),
        "residential": frame([square(0, 400, 1600, 100)]),
        "residents": frame([at(999, 500), at(1001, 500), at(990, 1000 - 1e-3)], people=[30, 70, 20]),
    }
    ws = qp.open_workspace(workspace(tables, **made))
    land = values(ws, "greenway_coverage", "residential_land")
    assert (land["a"], land["b"], land["south"]) == pytest.approx((100, 0, 100 * 1000 / 1600), abs=0.05)
    nearer = values(ws, "greenway_coverage", "residential_land[limit_m=250]")
    assert nearer["a"] == pytest.approx(25, abs=0.05)
    people = values(ws, "greenway_coverage", "people")
    assert (people["a"], people["b"], people["south"]) == pytest.approx((100, 0, 100 * 50 / 120))


# ------------------------------------------------------------------------------------------------------------- parks


def test_people_to_a_park(workspace: Maker) -> None:
    """a: a park of 6000 m2 in two touching halves; b: one of 3000 m2, one of 1900 m2, which is too small."""
    parks = [
        square(0, 0, 50, 60),
        square(50, 0, 50, 60),
        square(1500, 500, 100, 30),
        square(1500, 900, 100, 19),
    ]
    # 600 m and 400 m east of the first park, 310 and 290 m north of the second
    people = frame([at(700, 0), at(500, 0), at(1500, 840), at(1500, 820)], people=[100, 200, 400, 800])
    ws = qp.open_workspace(workspace(layer("park") + PEOPLE, park=frame(parks), residents=people))
    found = values(ws, "people_per_park", "residents")
    assert (found["a"], found["b"], found["south"]) == pytest.approx((300, 1200, 1500 / 2))
    assert math.isnan(found["c"])  # no park there
    reached = values(ws, "people_per_park", "residents_reached")
    assert (reached["a"], reached["b"], reached["south"]) == pytest.approx((200, 800, 1000 / 2))
    rows = qp.assess(ws)["people_per_park"].set_index("zone_id")
    assert rows.loc["south", ["unit", "numerator", "denominator"]].tolist() == ["people/count", 1500, 2]


def test_a_park_on_a_border_is_one_park(workspace: Maker) -> None:
    parks = frame([square(900, 0, 100, 100), square(1000, 0, 300, 100)])
    ws = qp.open_workspace(workspace(layer("park") + PEOPLE, park=parks, residents=frame([at(1, 1)], people=[7])))
    rows = qp.assess(ws)["people_per_park"].set_index("zone_id")
    assert rows.loc["south", "value"] == 7
    assert rows.loc["b", "denominator"] == 1
    assert rows.loc["a", "status"] == "not_computable"


# ---------------------------------------------------------------------------------------------------- water quality


def sections(classes: list[str], **columns: list) -> gpd.GeoDataFrame:
    spots = [at(100 + 200 * n, 500) for n in range(len(classes))]  # five in a, five in b
    return frame(spots, **{"class": classes, **columns})


QUALITY = layer("sections", 'class_field = "class"')


def test_sections_of_class_iii_or_better(workspace: Maker) -> None:
    """In a two of four that have a class, in b one of one; words as files write them."""
    classes = ["Ⅱ", "III类", "Ⅳ类", "劣V类", "", "3"]
    ws = qp.open_workspace(workspace(QUALITY, sections=sections(classes)))
    found = values(ws, "water_quality_good_share", "sections")
    assert (found["a"], found["b"], found["south"]) == pytest.approx((50, 100, 60))
    assert math.isnan(found["c"])  # no section there
    worse = values(ws, "water_quality_good_share", "sections[worst_class=iv]")
    assert worse["a"] == pytest.approx(75)
    rows = qp.assess(ws)["water_quality_good_share"].set_index("zone_id")
    assert "水质监测断面" in rows.loc["a", "note"]  # one has no class, which is said


def test_sections_without_any_class_say_nothing(workspace: Maker) -> None:
    ws = qp.open_workspace(workspace(QUALITY, sections=sections(["", ""])))
    rows = qp.assess(ws)["water_quality_good_share"]
    assert set(rows["status"]) == {"not_computable"}
    assert "类别" in rows["note"].iloc[0]


def test_classes_of_one_section_are_not_averaged(workspace: Maker) -> None:
    """急水港 has three rows: 2 of 3 samples are good, but what its class of the year is they don't say."""
    rows = sections(["Ⅱ", "Ⅲ", "Ⅴ", "Ⅱ"], name=["急水港", "急水港", "急水港", "千灯浦"])
    ws = qp.open_workspace(workspace(QUALITY + 'name_field = "name"\n', sections=rows))
    found = qp.assess(ws, definitions={"water_quality_good_share": ["all"]})["water_quality_good_share"]
    refused = found[found["definition"] == "sections"]
    assert set(refused["status"]) == {"not_computable"}
    assert "急水港" in refused["note"].iloc[0]
    assert values(ws, "water_quality_good_share", "samples")["a"] == pytest.approx(75)


@pytest.mark.parametrize(
    ("period", "good", "samples"), [("2024", 40, 5), ("2024Q1", 50, 2), ("2024-05", 100, 1), ("2025", 100, 1)]
)
def test_only_rows_of_the_period_count(workspace: Maker, period: str, good: float, samples: int) -> None:
    """Of the year five, of its first quarter January and March, of May one; the year's own row is none of May's."""
    when = ["2024-01-15", "2024年3月", "2024-05", "2024Q3", "2024", "2025-01-01", "2023-12-31"]
    rows = sections(["Ⅱ", "Ⅳ", "Ⅲ", "Ⅴ", "Ⅴ", "Ⅰ", "Ⅰ"], when=when)
    head = f'name = "四镇"\nperiod = "{period}"\n[zones]\nfile = "towns.gpkg"\ngrade = "surveyed"\n'
    head += '[[groups]]\nid = "all"\nname = "全区"\nmembers = "all"\n'
    folder = workspace(QUALITY + 'observed_field = "when"\n', head=head, sections=rows)
    ws = qp.open_workspace(folder)
    found = qp.assess(ws, definitions={"water_quality_good_share": ["samples"]})
    row = found["water_quality_good_share"].set_index("zone_id").loc["all"]
    assert (row["value"], row["denominator"]) == (pytest.approx(good), samples)
    assert ws.ledgers["sections"].other_state == 7 - samples
    assert [one.rule for one in found.findings if one.layer == "sections"] == ["other_period"]


def test_a_date_that_is_none_is_named(workspace: Maker) -> None:
    rows = sections(["Ⅱ", "Ⅳ"], when=["2024-01-15", "去年"])
    found = qp.assess(qp.open_workspace(workspace(QUALITY + 'observed_field = "when"\n', sections=rows)))
    assert found["water_quality_good_share"].set_index("zone_id").loc["a", "value"] == 100
    assert [one.value for one in found.findings if one.rule == "bad_date"] == ["去年"]


# -------------------------------------------------------------------------------------------------------- blue lines


def test_built_land_inside_blue_lines(workspace: Maker) -> None:
    """a: a blue line 100 m wide along 1000 m, 200 m of it half built over; overlapping plots count once."""
    made = {
        "blue_lines": frame([square(0, 0, 1000, 100), square(0, 0, 500, 100)]),
        "construction": frame([square(0, 50, 200, 500), square(0, 50, 100, 500), square(1200, 0, 100, 100)]),
    }
    ws = qp.open_workspace(workspace(layer("blue_lines") + layer("construction"), **made))
    found = values(ws, "blue_line_construction", "drawn")
    assert found["a"] == pytest.approx(100 * 200 * 50 / (1000 * 100), rel=1e-4)
    assert math.isnan(found["b"])


def test_a_band_of_water_where_no_blue_line_is_drawn(workspace: Maker) -> None:
    """A river 60 m wide through a and b: with 20 m at both banks 100 m; built land reaches 10 m into it over 300 m."""
    made = {
        "water": frame([square(0, 400, 2000, 60), square(100, 900, 50, 50)], **{"class": ["river", "pond"]}),
        "construction": frame([square(200, 470, 300, 100)]),
    }
    tables = layer("water", 'class_field = "class"') + layer("construction")
    ws = qp.open_workspace(workspace(tables, **made))
    found = values(ws, "blue_line_construction", "band_20m")
    assert found["a"] == pytest.approx(100 * 300 * 10 / (1000 * 100), rel=1e-3)
    assert found["south"] == pytest.approx(100 * 300 * 10 / (2000 * 100), rel=1e-3)
    assert values(ws, "blue_line_construction", "band_20m[band_m=9]")["a"] == 0
    # the pond and 20 m around it: 50 * 50 + 4 * 50 * 20 + pi * 20 * 20
    pond = 50 * 50 + 4 * 50 * 20 + math.pi * 400
    every = values(ws, "blue_line_construction", "band_20m_all_water")
    assert every["a"] == pytest.approx(100 * 3000 / (100_000 + pond), rel=1e-3)
    assert math.isnan(values(ws, "blue_line_construction", "drawn")["a"])


# ------------------------------------------------------------------------------------------------------------ shores


SHORE = layer("water", 'class_field = "class"') + layer("roads", 'class_field = "class"') + layer("residential")
FAR = way((1900, 1900), (1990, 1990))
NOWHERE = {"residential": frame([square(1950, 1950, 10, 10)])}


def ways(*lines: LineString, classes: list[str] | None = None) -> gpd.GeoDataFrame:
    return frame([*lines, FAR], **{"class": [*(classes or ["residential"] * len(lines)), "residential"]})


def test_a_shore_is_open_where_a_street_is_near(workspace: Maker) -> None:
    """A lake of 200 m square in a, a street 20 m south of it: its southern shore and sqrt(30² - 20²) at either side.

    Away from the street's ends only what is within 30 m straight: the sides up to 10 m. A pond isn't counted.
    """
    lakes = frame([square(300, 300, 200, 200), square(600, 300, 50, 50)], **{"class": ["湖泊", "坑塘"]})
    made = {"water": lakes, **NOWHERE}
    ws = qp.open_workspace(workspace(SHORE, roads=ways(way((200, 280), (800, 280))), **made))
    assert values(ws, "open_shore", "within_30m")["a"] == pytest.approx(100 * (200 + 2 * 10) / 800, rel=1e-3)
    # the pond's 50 m and 2 * 10 m too
    assert values(ws, "open_shore", "all_water")["a"] == pytest.approx(100 * (220 + 70) / 1000, rel=1e-3)
    assert values(ws, "open_shore", "within_30m[within_m=19]")["a"] == 0
    assert math.isnan(values(ws, "open_shore", "within_30m")["b"])  # no lake there
    motorway = ways(way((200, 280), (800, 280)), classes=["高速公路"])
    ws = qp.open_workspace(workspace(SHORE, roads=motorway, **made))
    assert values(ws, "open_shore", "within_30m")["a"] == 0
    (missed,) = qp.assess(ws).missed["open_shore", "within_30m"]
    assert sum(one.length for one in missed.geometry) == pytest.approx(800, rel=1e-3)
    assert set(missed.frame["feature_id"]) == {"1"}


RIVER = frame([square(0, 400, 1000, 20), square(1000, 400, 1000, 20)], **{"class": ["river", "river"]})
"""A river through a and b, cut in two at their border; its western and eastern ends are those of the survey."""


def test_either_bank_of_a_river_is_opened_by_itself(workspace: Maker) -> None:
    """Both banks: 1000 m in a and as much in b. A path 5 m south of it from x = 500 to 1500 opens the southern one.

    At its ends sqrt(30² - 5²) = 29.58 m more; the northern bank, 25 m from it, is across the water. What the river has
    in common with the border of the survey, 20 m at either end, is no shore, and its cut in two none either.
    """
    bank = frame([way((500, 395), (1500, 395))])
    made = {"water": RIVER, "roads": ways(), **NOWHERE}
    ws = qp.open_workspace(workspace(SHORE + layer("path"), path=bank, **made))
    found = qp.assess(ws)["open_shore"].set_index("zone_id")
    assert found.loc[["a", "b", "south"], "denominator"].tolist() == pytest.approx([2, 2, 4], rel=1e-3)
    each = 500 + math.sqrt(30**2 - 5**2)
    assert found.loc[["a", "b"], "value"].tolist() == pytest.approx([100 * each / 2000] * 2, rel=1e-3)
    # 1059 m in one piece, though two towns and two features share it
    for least, share in ((1050, 100 * each / 2000), (1070, 0)):
        long = values(ws, "open_shore", f"continuous_500m[continuous_m={least}]")
        assert (long["a"], long["b"]) == pytest.approx((share, share), rel=1e-3, abs=1e-9)
    greenway = workspace(SHORE + layer("greenways"), greenways=bank, **made)
    assert values(qp.open_workspace(greenway), "open_shore", "within_30m")["a"] == pytest.approx(
        100 * each / 2000, rel=1e-3
    )


def test_short_stretches_are_not_continuous(workspace: Maker) -> None:
    """Two paths 5 m from the southern bank: 600 + 2 * 29.58 m and 300 + 2 * 29.58 m are open."""
    paths = frame([way((100, 395), (700, 395)), way((1200, 395), (1500, 395))])
    ws = qp.open_workspace(workspace(SHORE + layer("path"), path=paths, water=RIVER, roads=ways(), **NOWHERE))
    around = 2 * math.sqrt(30**2 - 5**2)
    every = values(ws, "open_shore", "within_30m")
    assert every["south"] == pytest.approx(100 * (900 + 2 * around) / 4000, rel=1e-3)
    long = values(ws, "open_shore", "continuous_500m")
    assert (long["a"], long["b"]) == pytest.approx((100 * (600 + around) / 2000, 0), rel=1e-3, abs=1e-9)


def test_parks_open_a_shore_and_homes_close_it(workspace: Maker) -> None:
    """The southern bank: a park along x = 100 to 400 m; a path all along it, and homes from 600 to 700 m."""
    park = frame([square(100, 200, 300, 200)])
    made = {"water": RIVER, "roads": ways(), "park": park, **NOWHERE}
    ws = qp.open_workspace(workspace(SHORE + layer("park"), **made))
    # the park's edge is at the shore, so 30 m beyond its corners are near too
    assert values(ws, "open_shore", "within_30m")["a"] == pytest.approx(100 * 360 / 2000, rel=1e-3)
    homes = frame([square(600, 300, 100, 100)])
    path = frame([way((0, 395), (2000, 395))])
    made = {**made, "residential": homes, "path": path}
    ws = qp.open_workspace(workspace(SHORE + layer("park") + layer("path"), **made))
    assert values(ws, "open_shore", "within_30m")["a"] == pytest.approx(50, rel=1e-3)
    closed = values(ws, "open_shore", "not_before_homes")
    assert (closed["a"], closed["b"]) == pytest.approx((45, 50), rel=1e-3)


def test_what_borders_on_other_water_is_no_shore(workspace: Maker) -> None:
    """A lake of 200 m square whose eastern side is a canal's end of 50 m: 750 m of shore."""
    waters = frame([square(300, 300, 200, 200), square(500, 350, 300, 50)], **{"class": ["lake", "canal"]})
    ws = qp.open_workspace(workspace(SHORE, water=waters, roads=ways(), **NOWHERE))
    found = qp.assess(ws)["open_shore"].set_index("zone_id")
    assert found.loc["a", "denominator"] == pytest.approx(0.75, rel=1e-3)


def test_a_shore_on_a_border_is_half_each_towns(workspace: Maker) -> None:
    """A lake in a whose eastern shore is the border of b: 3 sides and half of the fourth, and half of it."""
    lake = frame([square(800, 300, 200, 200)], **{"class": ["lake"]})
    made = {"water": lake, "roads": ways(way((1010, 0), (1010, 1000))), **NOWHERE}
    found = qp.assess(qp.open_workspace(workspace(SHORE, **made)))["open_shore"].set_index("zone_id")
    assert found.loc[["a", "b"], "denominator"].tolist() == pytest.approx([0.7, 0.1], rel=1e-3)
    # the street is 10 m beside that shore, and within 30 m of 20 m of either side at it
    assert found.loc[["a", "b"], "value"].tolist() == pytest.approx([100 * 140 / 700, 100], rel=1e-3)


spans = st.lists(st.tuples(st.integers(0, 1900), st.integers(10, 600), st.integers(370, 450)), max_size=4)


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(spans, spans)
def test_more_ways_never_close_a_shore_and_zones_add_up(
    workspace: Maker, some: list[tuple[int, int, int]], more: list[tuple[int, int, int]]
) -> None:
    found = []
    for chosen in (some, [*some, *more]):
        lines = [way((x, y), (x + length, y)) for x, length, y in chosen]
        ws = qp.open_workspace(workspace(SHORE, water=RIVER, roads=ways(*lines), **NOWHERE))
        table = qp.assess(ws, definitions={"open_shore": ["within_30m", "continuous_500m"]})["open_shore"]
        found.append(table.set_index(["definition", "zone_id"]).loc[pd.IndexSlice[:, ["a", "b", "south"]], :])
    few, many = found
    assert (many["numerator"] >= few["numerator"] - 1e-9).all()
    assert (few.loc["continuous_500m", "numerator"] <= few.loc["within_30m", "numerator"] + 1e-9).all()
    towns = many["numerator"].unstack()
    assert towns[["a", "b"]].sum(axis=1).tolist() == pytest.approx(towns["south"].tolist())


@pytest.mark.parametrize(("beyond", "there"), [(0.0005, False), (2.0, True)])
def test_a_hair_beyond_the_border_is_no_greenway(workspace: Maker, beyond: float, there: bool) -> None:
    """Half a millimetre that the drawing leaves in town b isn't a greenway of which all is continuous."""
    ways = frame([LineString([at(0, 500), at(1000 + beyond, 500)])])
    result = qp.assess(qp.open_workspace(workspace(layer("greenways"), greenways=ways)))
    found = result["greenway_continuity"].set_index("zone_id")
    assert found.loc["a", "value"] == 100
    assert (found.loc["b", "status"] != "not_computable") == there
    assert ("边界误差" in found.loc["b", "note"]) != there


def test_a_hair_of_a_parcel_is_nobody(workspace: Maker) -> None:
    """Town b is lived in by a ten-thousandth of a person: 1000 m2 a head would be ten million."""
    lived = frame([square(0, 0, 1000.0001, 1000)], n=[1000])
    tables = layer("residents", 'amount_field = "n"') + layer("park")
    ws = qp.open_workspace(workspace(tables, residents=lived, park=frame([square(900, 0, 200, 10)])))
    found = qp.assess(ws, indicators=["park_area_per_person"])["park_area_per_person"].set_index("zone_id")
    assert found.loc["a", "value"] == pytest.approx(1, rel=1e-3)
    assert found.loc["b", "status"] == "not_computable"
    assert "边界误差" in found.loc["b", "note"]
