"""Towns and villages, facilities with minutes of their own, buildings and jobs: a street that is worked by hand."""

from __future__ import annotations

import math
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory

import geopandas as gpd
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import qpgis as qp
from qpgis.indicators import registry
from qpgis.landuse import facility_walks
from tests.conftest import HEAD, Maker, four_towns, frame, layer, square, write
from tests.test_access import FOUR, STREET, TABLES, at, homes, services, streets, values

CIRCLE, WALKS = "living_circle_15min", "facility_walk_coverage"
VILLAGE = ("卫生室", "养老院", "文化站", "健身中心", "村委会")
TOWN = (*FOUR, "体育场")
LIVING = layer("residents", 'amount_field = "people"', 'class_field = "level"')


def people(*spots: tuple[float, float, float, str]) -> gpd.GeoDataFrame:
    return frame([at(x, y) for x, y, _, _ in spots], people=[n for *_, n, _ in spots], level=[one for *_, one in spots])


def offered(x: float, names: tuple[str, ...]) -> list[tuple[float, float, str]]:
    return [(x, 500, name) for name in names]


# ---- towns and villages


def test_towns_and_villages_are_held_to_lists_of_their_own(workspace: Maker) -> None:
    """Town services lie at x = 100, a village's five at x = 1900; who is reached walks at most 1080 m.

    Of 60 townspeople 40 live at x = 150 and 20 at x = 1850; of 40 villagers 30 live at 1850 and 10 at 150, where there
    is no village centre. Twice 5 people are of no known level.
    """
    made = {
        "residents": people(
            (150, 500, 40, "城镇"), (1850, 500, 20, "社区"), (1850, 510, 30, "农村"), (150, 510, 10, "rural"),
            (150, 520, 5, ""), (1850, 520, 5, ""),
        ),
        "facilities": services(*offered(100, TOWN), *offered(1900, VILLAGE)),
        "roads": streets(STREET),
    }  # fmt: skip
    tables = TABLES.replace(layer("residents", 'amount_field = "people"'), LIVING)
    ws = qp.open_workspace(workspace(tables + layer("residential"), residential=frame([square(0, 600)]), **made))
    assert values(ws, CIRCLE, "people_urban")["south"] == pytest.approx(100 * 40 / 60)
    assert values(ws, CIRCLE, "people_rural")["south"] == pytest.approx(100 * 30 / 40)
    # each by the list of their own level: 40 + 30 of 60 + 40; the ten of no level are in neither
    assert values(ws, CIRCLE, "people_by_level")["south"] == pytest.approx(70)
    # everyone alike by the five of towns: all at x = 150, of all 110
    assert values(ws, CIRCLE, "people_all")["south"] == pytest.approx(100 * 55 / 110)
    rows = qp.assess(ws, definitions={CIRCLE: ["people_urban"]})
    assert "2" in rows[CIRCLE]["note"].iloc[0]  # as many residents whose class isn't known
    assert "unclassified" in {finding.rule for finding in rows.findings}


def test_residents_without_a_level_have_that_of_the_land_they_live_on(workspace: Maker) -> None:
    land = frame(
        [square(100, 450, 100, 100), square(200, 450, 100, 100), square(1800, 450, 100, 100)],
        level=["城镇住宅用地", "农村宅基地", "农村宅基地"],
    )
    folder = workspace(
        TABLES + layer("residential", 'class_field = "level"'),
        residents=homes((150, 500, 40), (250, 500, 7), (1850, 500, 3), (1000, 500, 1)),
        residential=land,
        facilities=services(*offered(100, TOWN), *offered(100, VILLAGE)),
        roads=streets(STREET),
    )
    ws = qp.open_workspace(folder)
    found = qp.assess(ws, definitions={CIRCLE: ["people_urban", "people_rural", "land_urban", "land_rural"]})[CIRCLE]
    south = found[found["zone_id"] == "south"].set_index("definition")
    # the village parcel at 200 is reached, the other one is 1700 m away; who lives on no parcel is of no level
    assert south["denominator"].loc[["people_urban", "people_rural"]].tolist() == [40, 10]
    assert south["value"].tolist() == pytest.approx([100, 70, 100, 50], rel=1e-4)


def test_without_any_level_it_is_asked_for(workspace: Maker) -> None:
    folder = workspace(
        TABLES + layer("residential"),
        residents=homes((150, 500, 40)),
        residential=frame([square(100, 450, 100, 100)]),
        facilities=services(*offered(100, TOWN)),
        roads=streets(STREET),
    )
    rows = qp.assess(qp.open_workspace(folder), definitions={CIRCLE: ["people_urban", "land_urban"]})[CIRCLE]
    assert set(rows["status"]) == {"not_computable"}
    assert rows["note"].str.contains("class_field").all()
    with pytest.raises(qp.errors.ConfigError, match="level"):
        registry()[CIRCLE].definition("people_all[level=hamlet]")


# ---- 5, 10 and 15 minutes


def test_every_facility_has_minutes_of_its_own(workspace: Maker) -> None:
    """At 1.2 m/s 5, 10 and 15 minutes are 360, 720 and 1080 m; everything lies at x = 0.

    10 people at 350 m reach all nine, 20 at 700 m all but those of 5 minutes, 30 at 1070 m those of 15 only, 40 at
    1500 m none.
    """
    everything = ("医院", "文化站", "体育场", "中学", "小学", "菜市场", "养老院", "幼儿园", "公园")
    folder = workspace(
        TABLES,
        residents=homes((350, 500, 10), (700, 500, 20), (1070, 500, 30), (1500, 500, 40)),
        facilities=services(*offered(0, everything)),
        roads=streets(STREET),
    )
    ws = qp.open_workspace(folder)
    expected = {
        15: ("medical", "culture", "sports", "middle_school"),
        10: ("primary_school", "market"),
        5: ("elderly_care", "kindergarten", "park"),
    }
    served = {15: 60, 10: 30, 5: 10}
    for minutes, names in expected.items():
        for name in names:
            assert values(ws, WALKS, f"people_{name}")["south"] == pytest.approx(served[minutes]), name
            assert facility_walks()[name].minutes == minutes
    assert set(facility_walks()) == {name for names in expected.values() for name in names}
    assert values(ws, WALKS, "people_all")["south"] == pytest.approx(10)
    for number, share in ((4, 60), (5, 30), (6, 30), (7, 10)):
        assert values(ws, WALKS, f"people_seven_of_nine[at_least={number}]")["south"] == pytest.approx(share)
    # as the crow flies at 360 / 1.3 = 277 m nobody has all nine
    assert values(ws, WALKS, "people_all_straight")["south"] == 0
    assert values(ws, WALKS, "people_all_straight[detour=1]")["south"] == pytest.approx(10)


def test_a_school_of_no_stated_kind_is_primary_and_middle(workspace: Maker) -> None:
    folder = workspace(
        TABLES,
        residents=homes((100, 500, 10)),
        facilities=services((150, 500, "学校"), (150, 500, "幼儿园")),
        roads=streets(STREET),
    )
    ws = qp.open_workspace(folder)
    for name in ("primary_school", "middle_school"):
        assert values(ws, WALKS, f"people_{name}")["a"] == 100
    rows = qp.assess(ws)[WALKS]  # all nine by default
    assert set(rows["status"]) == {"not_computable"}
    assert "没有任何卫生、文化、体育、菜市场、养老、公园设施" in rows["note"].iloc[0]


def test_residential_land_within_minutes_of_its_own(workspace: Maker) -> None:
    tables = TABLES.replace(layer("residents", 'amount_field = "people"'), layer("residential"))
    folder = workspace(
        tables,
        residential=frame([square(300, 490, 20, 20), square(600, 490, 60, 20)]),
        facilities=services(*offered(0, ("幼儿园", "小学"))),
        roads=streets(STREET),
    )
    ws = qp.open_workspace(folder)
    # by a point in each: both are within 720 m of the school, only the smaller one within 360 m of the kindergarten
    both = "land_all[required=kindergarten+primary_school]"
    assert values(ws, WALKS, both)["a"] == pytest.approx(25, rel=1e-4)
    assert values(ws, WALKS, "land_all[required=primary_school]")["a"] == pytest.approx(100)


def test_buildings_count_one_each(workspace: Maker) -> None:
    tables = TABLES.replace(layer("residents", 'amount_field = "people"'), layer("buildings"))
    folder = workspace(
        tables,
        # near, near and large, far, and one that begins in b and has its point in a
        buildings=frame(
            [square(100, 510, 10), square(200, 510, 50), square(400, 850, 10), square(700, 505, 320, 10)],
        ),
        facilities=services(*offered(0, TOWN)),
        roads=streets(STREET),
    )
    rows = qp.assess(qp.open_workspace(folder), definitions={CIRCLE: ["buildings_all"]})[CIRCLE].set_index("zone_id")
    assert rows["value"]["a"] == pytest.approx(75)
    assert rows["numerator"]["a"] == 3
    assert rows["denominator"]["a"] == 4
    assert math.isnan(rows["value"]["b"])


def test_ground_within_the_walk_of_the_whole_zone(workspace: Maker) -> None:
    """Services at x = 0: 1080 - 50 m of street and 50 m beside it, in zone a all of its 1000 m, in b a half circle."""
    tables = TABLES.replace(layer("residents", 'amount_field = "people"'), "")
    folder = workspace(tables, facilities=services(*offered(0, TOWN)), roads=streets(STREET))
    ws = qp.open_workspace(folder)
    found = values(ws, CIRCLE, "area_all")
    assert found["a"] == pytest.approx(100 * 1000 * 100 / 1e6, rel=3e-4)
    assert found["b"] == pytest.approx(100 * (30 * 100 + math.pi * 50**2 / 2) / 1e6, rel=1e-2)
    assert found["c"] == 0
    # two services 600 m apart meet where both are within the walk
    apart = services((0, 500, "医院"), (600, 500, "文化站"))
    ws = qp.open_workspace(workspace(tables, facilities=apart, roads=streets(STREET)))
    either = "area_all[at_least=1, minutes=5, required=culture+medical]"
    both = "area_all[minutes=5, required=culture+medical]"
    # 360 - 50 m either way of each: from 290 to 310 it is both, and round ends of 50 m; from 0 to 910 it is either
    assert values(ws, CIRCLE, both)["a"] == pytest.approx(100 * (20 * 100 + math.pi * 50**2) / 1e6, rel=2e-3)
    assert values(ws, CIRCLE, either)["a"] == pytest.approx(100 * (910 * 100 + math.pi * 50**2 / 2) / 1e6, rel=1e-3)
    with pytest.raises(qp.errors.ConfigError, match="area"):
        registry()[CIRCLE].definition("area_all[level=urban]")


# ---- transit


def test_jobs_count_as_people_do(workspace: Maker) -> None:
    tables = TABLES + layer("jobs", 'amount_field = "jobs"') + layer("stations")
    folder = workspace(
        tables,
        residents=homes((100, 500, 30), (1900, 500, 10)),
        jobs=frame([at(200, 500), at(1800, 500)], jobs=[10, 50]),
        stations=frame([at(0, 500)], name=["站"]),
        facilities=services((0, 500, "公交站")),
        roads=streets(STREET),
    )
    ws = qp.open_workspace(folder)
    for indicator, metres in (("rail_station_coverage", (800, 600)), ("bus_stop_coverage", (500,))):
        for limit in metres:
            assert values(ws, indicator, f"jobs_{limit}m")["south"] == pytest.approx(100 * 10 / 60)
            assert values(ws, indicator, f"people_and_jobs_{limit}m")["south"] == pytest.approx(100 * 40 / 100)


def test_walks_to_stations_and_stops(workspace: Maker) -> None:
    """Everybody lives 100 m off the street, the station lies on it: 500 m along and 100 m beside are 600 m."""
    tables = TABLES + layer("stations") + layer("construction")
    folder = workspace(
        tables,
        residents=homes((195, 600, 1), (399, 600, 2), (499, 600, 4), (501, 600, 8), (699, 600, 16), (701, 600, 32)),
        construction=frame([square(100, 510, 20, 100), square(600, 505, 100, 40), square(810, 505, 100, 40)]),
        stations=frame([at(0, 500)], name=["站"]),
        facilities=services((0, 500, "公交站")),
        roads=streets(STREET),
    )
    ws = qp.open_workspace(folder)
    share = {definition: 100 * served / 63 for definition, served in (("600", 7), ("800", 31), ("500", 3), ("300", 1))}
    for limit in (600, 800):
        found = values(ws, "rail_station_coverage", f"people_{limit}m_walk")["a"]
        assert found == pytest.approx(share[str(limit)])
    for limit in (300, 500):
        found = values(ws, "bus_stop_coverage", f"people_{limit}m_walk")["a"]
        assert found == pytest.approx(share[str(limit)])
    # of land the ground 50 m beside the street: 20 x 40 of 20 x 100 m2, one parcel of 100 x 40, none beyond 800 m
    expected = 100 * (20 * 40 + 100 * 40) / (20 * 100 + 2 * 100 * 40)
    assert values(ws, "rail_station_coverage", "construction_800m_walk")["a"] == pytest.approx(expected, rel=1e-3)
    walk = "construction_500m_walk[limit_m=800]"
    assert values(ws, "bus_stop_coverage", walk)["a"] == pytest.approx(expected, rel=1e-3)
    # all of it within 200 m of streets; as the crow flies there is never less
    assert values(ws, "bus_stop_coverage", "construction_500m_walk[limit_m=1500, beside_m=200]")["a"] == 100


def test_distances_are_to_the_exits_of_the_stations_that_count(workspace: Maker) -> None:
    """Station one has an exit 300 m east of it, station two none; an exit near no station is nobody's."""
    tables = TABLES + layer("stations", 'opened_field = "opened"') + layer("exits") + layer("construction")
    made = {
        "residents": homes((100, 500, 1), (700, 500, 2), (1500, 500, 4), (1300, 900, 8)),
        "stations": frame([at(200, 500), at(1500, 500)], opened=["2017-12-30", "2017-12-30"]),
        "exits": frame([at(500, 500), at(1300, 950)]),
        "construction": frame([square(0, 0, 2000, 1000)]),
        "facilities": services((0, 0, "公交站")),
        "roads": streets(STREET),
    }
    ws = qp.open_workspace(workspace(tables, **made))
    people_ = "people_600m{}[limit_m=250, exits_within_m={}]"
    # from the exit at 500 that at 700 is near, from the station at 200 the one at 100 would be
    assert values(ws, "rail_station_coverage", people_.format("", 310))["south"] == pytest.approx(100 * 6 / 15)
    assert values(ws, "rail_station_coverage", people_.format("_walk", 310))["south"] == pytest.approx(100 * 6 / 15)
    # at 290 m the exit is too far to be the station's; at 500 m that at (1300, 950) is the other station's
    assert values(ws, "rail_station_coverage", people_.format("", 290))["south"] == pytest.approx(100 * 5 / 15)
    assert values(ws, "rail_station_coverage", people_.format("", 500))["south"] == pytest.approx(100 * 10 / 15)
    # two circles of 250 m, apart from each other: the exit's and the second station's
    land = values(ws, "rail_station_coverage", "construction_600m[limit_m=250, exits_within_m=310]")
    assert land["south"] == pytest.approx(100 * 2 * math.pi * 250**2 / 2_000_000, rel=1e-3)
    # the exit of a station that isn't open yet is no exit
    made["stations"]["opened"] = ["2030-01-01", "2017-12-30"]
    later = qp.open_workspace(workspace(tables, **made))
    assert values(later, "rail_station_coverage", people_.format("", 310))["south"] == pytest.approx(100 * 4 / 15)


def test_planned_stations_count_in_the_plans_state(workspace: Maker) -> None:
    tables = TABLES + layer("stations", 'status_field = "status"')
    made = {
        "residents": homes((100, 500, 1), (1900, 500, 3)),
        "stations": frame([at(100, 500), at(1900, 500)], status=["现状", "规划"]),
    }
    tables = tables.replace(layer("facilities", 'class_field = "class"'), "")
    tables = tables.replace(layer("roads", 'class_field = "class"'), "")
    now = qp.open_workspace(workspace(tables, **made))
    planned = qp.open_workspace(workspace(tables + '[state]\nstatuses = ["existing", "planned"]\n', **made))
    for ws, count, share in ((now, 1, 25), (planned, 2, 100)):
        assert values(ws, "rail_stations", "of_the_state")["south"] == count
        assert values(ws, "rail_station_coverage", "people_800m")["south"] == pytest.approx(share)


def test_stations_of_qingpu_count_from_the_days_they_opened(tmp_path: Path) -> None:
    """西岑 opened on 2024-11-30 in 金泽, 练塘 and 苏州南 on 2024-12-26 in 练塘 and 黎里; one more is planned."""
    embedded = files("qpgis.data")
    stations = gpd.read_file(str(embedded.joinpath("layers", "stations.geojson")))
    planned = stations[stations["name"] == "西岑"].assign(id="planned", name="规划站", plan_status="规划", opened="")
    tables = f"""
name = "青浦区"
secrecy = "public"
period = "2024"
[zones]
file = "{embedded.joinpath("boundaries", "qingpu_towns.geojson")}"
id_field = "zone_id"
name_field = "name"
grade = "modelled"
[layers.stations]
file = "stations.gpkg"
grade = "schematic"
id_field = "id"
name_field = "name"
status_field = "plan_status"
opened_field = "opened"
extent = "area"
"""
    found = {}
    for name, state in (
        ("autumn", "as_of = 2024-11-29"),
        ("winter", "as_of = 2024-11-30"),
        ("2024", "as_of = 2024-12-31"),
        ("2025", "as_of = 2025-12-31"),
        ("plan", 'as_of = 2025-12-31\nstatuses = ["existing", "under_construction", "planned"]'),
    ):
        (tmp_path / "qpgis.toml").write_text(f"{tables}[state]\n{state}\n", encoding="utf-8")
        write(tmp_path, {"stations": gpd.GeoDataFrame(pd.concat([stations, planned], ignore_index=True))})
        rows = qp.assess(qp.open_workspace(tmp_path))["rail_stations"]
        found[name] = rows.set_index("zone_name")["value"]
    assert found["autumn"]["练塘镇"] == found["autumn"]["黎里镇"] == 0
    assert (found["winter"] - found["autumn"])[lambda more: more != 0].to_dict() == {"金泽镇": 1}
    assert (found["2024"] - found["winter"])[lambda more: more != 0].to_dict() == {"练塘镇": 1, "黎里镇": 1}
    assert (found["2025"] == found["2024"]).all()
    assert (found["plan"] - found["2025"])[lambda more: more != 0].to_dict() == {"金泽镇": 1}


def test_land_that_no_station_is_near_is_shown_as_land(workspace: Maker, tmp_path: Path) -> None:
    built = frame([square(0, 0, 400), square(1500, 500, 100)])
    folder = workspace(layer("stations") + layer("construction"), stations=frame([at(0, 0)]), construction=built)
    definition = "construction_600m[limit_m=300]"
    result = qp.assess(qp.open_workspace(folder), definitions={"rail_station_coverage": [definition]})
    missed = result.missed_features("rail_station_coverage", definition)
    areas = missed.to_crs(4549).area.to_numpy()
    # of the first square all but a quarter of a circle, the second one whole
    assert areas == pytest.approx([400**2 - math.pi * 300**2 / 4, 100**2], rel=1e-3)


# ---- laws

levels = st.lists(st.tuples(st.integers(0, 1990), st.integers(300, 700)), min_size=1, max_size=5, unique=True)
places = st.lists(st.tuples(st.integers(0, 1990), st.sampled_from(("医院", "文化站", "幼儿园"))), max_size=4)
ONE_EACH = [(0, "医院"), (1000, "文化站"), (1900, "幼儿园")]
THREE = "required=culture+kindergarten+medical"


@settings(max_examples=8, deadline=None)
@given(levels, places, st.tuples(st.integers(0, 1990), st.sampled_from(("医院", "文化站", "幼儿园"))))
def test_laws_of_coverage(spots: list[tuple[int, int]], some: list[tuple[int, str]], further: tuple[int, str]) -> None:
    made = {"towns": four_towns(), "residents": homes(*((x, y, 1 + n) for n, (x, y) in enumerate(spots)))}
    made["roads"] = streets(STREET)
    several = {
        "alone": f"people_all[{THREE}]",
        "two": f"people_all[at_least=2, {THREE}]",
        "one": f"people_all[at_least=1, {THREE}]",
        "faster": f"people_all[speed_m_s=1.5, {THREE}]",
        "straight": f"people_all_straight[detour=1, {THREE}]",
        **{name: f"people_{name}" for name in ("culture", "kindergarten", "medical")},
    }
    found = []
    for offered_ in ([*ONE_EACH, *some], [*ONE_EACH, *some, further]):
        with TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "qpgis.toml").write_text(HEAD + TABLES, encoding="utf-8")
            write(folder, {**made, "facilities": services(*((x, 500, what) for x, what in offered_))})
            table = qp.assess(qp.open_workspace(folder), definitions={WALKS: list(several.values())})[WALKS]
        whole = table[table["zone_id"] == "all"].set_index("definition")["value"]
        found.append({key: whole[registry()[WALKS].definition(text).name] for key, text in several.items()})
    before, after = found
    assert all(after[key] >= before[key] for key in before)  # more facilities never lower coverage
    for one in found:
        assert one["alone"] <= one["two"] <= one["one"]  # of three, two, one
        assert one["alone"] <= min(one["culture"], one["kindergarten"], one["medical"])
        assert one["alone"] <= one["faster"]
        assert one["alone"] <= one["straight"]
