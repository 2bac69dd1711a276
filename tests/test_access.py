"""Living circle and transit in a town that can be worked by hand: a street, homes beside it, services along it."""

from __future__ import annotations

import math
from pathlib import Path
from tempfile import TemporaryDirectory

import geopandas as gpd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import LineString, Point

import qpgis as qp
from qpgis.cli import main
from tests.conftest import EAST, HEAD, NORTH, Maker, four_towns, frame, layer, square, write

# Towns a (west) and b (east) are squares of 1000 m; the street runs through both, 500 m from their southern border.
STREET = LineString([(EAST, NORTH + 500), (EAST + 1000, NORTH + 500), (EAST + 2000, NORTH + 500)])
TABLES = (
    layer("residents", 'amount_field = "people"')
    + layer("facilities", 'class_field = "class"')
    + layer("roads", 'class_field = "class"')
)
FOUR = ("医院", "养老院", "小学", "文化站")


def at(x: float, y: float) -> Point:
    return Point(EAST + x, NORTH + y)


def homes(*spots: tuple[float, float, float]) -> gpd.GeoDataFrame:
    return frame([at(x, y) for x, y, _ in spots], people=[n for _, _, n in spots])


def services(*spots: tuple[float, float, str]) -> gpd.GeoDataFrame:
    return frame([at(x, y) for x, y, _ in spots], **{"class": [c for _, _, c in spots]})


def streets(*lines: LineString, classes: list[str] | None = None) -> gpd.GeoDataFrame:
    return frame(list(lines), **{"class": classes or ["residential"] * len(lines)})


def values(ws: qp.Workspace, indicator: str, definition: str) -> dict[str, float]:
    found = qp.assess(ws, definitions={indicator: [definition]})[indicator]
    return dict(zip(found["zone_id"], found["value"], strict=True))


def test_who_is_within_a_walk(workspace: Maker) -> None:
    """1080 m to a clinic at x = 1700: from x = 650 it is 1050 m and 20 m off the street, from x = 600 it is 1100 m."""
    ws = qp.open_workspace(
        workspace(
            TABLES,
            residents=homes((650, 520, 30), (600, 500, 50), (500, 900, 20), (1900, 450, 7)),
            facilities=services((1700, 500, "卫生站")),
            roads=streets(STREET),
        )
    )
    found = values(ws, "living_circle_15min", "people_medical")
    # the clinic lies in b and serves a too; whoever lives 400 m off the street reaches nothing
    assert found["a"] == pytest.approx(30)
    assert found["b"] == pytest.approx(100)
    assert found["south"] == pytest.approx(100 * 37 / 107)
    assert math.isnan(found["c"])  # nobody lives there
    # of all five services there are four nowhere: that nobody counted them is likelier than that there are none
    rows = qp.assess(ws)["living_circle_15min"]
    assert set(rows["status"]) == {"not_computable"}
    assert "没有任何文化、教育、养老、体育设施" in rows["note"].iloc[0]


def test_whoever_is_not_reached_is_listed_and_drawn(workspace: Maker, tmp_path: Path) -> None:
    folder = workspace(
        TABLES,
        residents=homes((100, 500, 60), (100, 900, 40)),
        facilities=services(*((150, 500, name) for name in (*FOUR, "体育场"))),
        roads=streets(STREET),
    )
    assert main(["run", str(folder), "--out", str(tmp_path / "out")]) == 0
    missed = gpd.read_file(tmp_path / "out" / "indicators.gpkg", layer="missed")
    (row,) = missed[missed["indicator"] == "living_circle_15min"].itertuples()
    assert (row.definition, row.layer, row.feature_id, row.amount) == ("people_all", "residents", "2", 40)
    assert row.geometry.distance(gpd.GeoSeries([at(100, 900)], crs=4549).to_crs(4326)[0]) < 1e-9
    assert "未覆盖：社区15分钟生活圈覆盖率" in (tmp_path / "out" / "map.html").read_text("utf-8")


def test_each_and_all_and_some_of_the_services(workspace: Maker) -> None:
    ws = qp.open_workspace(
        workspace(
            TABLES,
            residents=homes((100, 500, 60), (1100, 500, 40)),
            facilities=services(
                (150, 500, "医院"),
                (150, 500, "养老院"),
                (150, 500, "小学"),
                (150, 500, "文化站"),
                (1500, 500, "体育场"),
            ),
            roads=streets(STREET),
        )
    )
    # 100 -> sports at 1500 is 1400 m; 1100 -> the four at 150 is 950 m, sports 400 m
    assert values(ws, "living_circle_15min", "people_all")["south"] == pytest.approx(40)
    assert values(ws, "living_circle_15min", "people_four_of_five")["south"] == pytest.approx(100)
    for service, share in {"sports": 40, "medical": 100, "elderly": 100, "education": 100, "culture": 100}.items():
        assert values(ws, "living_circle_15min", f"people_{service}")["south"] == pytest.approx(share)
    assert values(ws, "living_circle_15min", "people_all[minutes=20]")["south"] == pytest.approx(100)


def test_paths_among_the_roads_are_no_layer_that_is_lacking(workspace: Maker) -> None:
    for classes, lacking in ((["residential"], True), (["path"], False)):
        drawn = {"residents": homes((0, 500, 1)), "roads": streets(STREET, classes=classes)}
        ws = qp.open_workspace(workspace(TABLES, facilities=services((9, 500, "卫生站")), **drawn))
        rows = qp.assess(ws, definitions={"living_circle_15min": ["people_medical"]})["living_circle_15min"]
        assert ("没有步道与小径、机耕路" in rows["note"].iloc[0]) is lacking
        assert "机耕路" in rows["note"].iloc[0]


def test_what_different_targets_reach_are_different_layers(workspace: Maker) -> None:
    """Both rules are for one clinic of one file, which their names don't tell apart."""
    places = services((100, 500, "卫生站"), (900, 500, "文化站"))
    made = {"residents": homes((100, 500, 1), (900, 500, 1)), "roads": streets(STREET)}
    ws = qp.open_workspace(workspace(TABLES, facilities=places, **made))
    both = ["people_all_straight[required=medical]", "people_all_straight[required=culture, minutes=15]"]
    result = qp.assess(ws, definitions={"living_circle_15min": [f"{one[:-1]}, speed_m_s=0.5]" for one in both]})
    one, other = (layers[0] for (name, _), layers in result.missed.items() if name == "living_circle_15min")
    assert (one.frame["feature_id"].tolist(), other.frame["feature_id"].tolist()) == (["2"], ["1"])
    assert one != other


def test_water_and_motorways_part_homes_from_streets(workspace: Maker) -> None:
    canal = frame([square(0, 540, 2000, 20)], **{"class": ["河流"]})
    tables = TABLES + layer("water", 'class_field = "class"')
    people, clinic = homes((100, 600, 10), (100, 480, 5)), services((200, 500, "卫生站"))
    dry = qp.open_workspace(workspace(TABLES, residents=people, facilities=clinic, roads=streets(STREET)))
    assert values(dry, "living_circle_15min", "people_medical")["a"] == pytest.approx(100)
    parted = workspace(tables, residents=people, facilities=clinic, roads=streets(STREET), water=canal)
    assert values(qp.open_workspace(parted), "living_circle_15min", "people_medical")["a"] == pytest.approx(100 / 3)
    bridge = LineString([(EAST + 300, NORTH + 700), (EAST + 300, NORTH + 500)])
    north = LineString([(EAST, NORTH + 700), (EAST + 300, NORTH + 700)])
    joined = LineString([(EAST, NORTH + 500), (EAST + 300, NORTH + 500), (EAST + 2000, NORTH + 500)])
    over = workspace(tables, residents=people, facilities=clinic, roads=streets(joined, bridge, north), water=canal)
    # 100 m to the northern street, 200 m along, 200 m over the bridge, 100 m back: 600 m
    assert values(qp.open_workspace(over), "living_circle_15min", "people_medical[minutes=8.4]")["a"] == pytest.approx(
        100
    )
    assert values(qp.open_workspace(over), "living_circle_15min", "people_medical[minutes=8.2]")["a"] == pytest.approx(
        100 / 3
    )


def test_nobody_walks_on_a_motorway(workspace: Maker) -> None:
    people, clinic = homes((100, 500, 10)), services((200, 500, "卫生站"))
    far = LineString([(EAST, NORTH + 50), (EAST + 10, NORTH + 50)])
    folder = workspace(
        TABLES, residents=people, facilities=clinic, roads=streets(STREET, far, classes=["高速公路", "支路"])
    )
    assert values(qp.open_workspace(folder), "living_circle_15min", "people_medical")["a"] == 0


def test_residential_land_counts_by_parcel(workspace: Maker) -> None:
    tables = (
        layer("residential") + layer("facilities", 'class_field = "class"') + layer("roads", 'class_field = "class"')
    )
    parcels = frame([square(100, 510, 100, 100), square(100, 900, 100, 100), square(1000, 510, 200, 100)])
    everything = [(150, 500, name) for name in (*FOUR, "体育场")]
    folder = workspace(tables, residential=parcels, facilities=services(*everything), roads=streets(STREET))
    found = values(qp.open_workspace(folder), "living_circle_15min", "land_all")
    assert found["a"] == pytest.approx(50, rel=1e-4)
    assert found["south"] == pytest.approx(75, rel=1e-4)


def test_as_the_crow_flies_needs_no_street(workspace: Maker) -> None:
    tables = layer("residents", 'amount_field = "people"') + layer("facilities", 'class_field = "class"')
    everything = [(0, 0, name) for name in (*FOUR, "体育场")]
    limit = 15 * 60 * 1.2 / 1.3  # 830.8 m
    people = homes((limit - 1, 0, 4), (limit + 1, 0, 6))
    ws = qp.open_workspace(workspace(tables, residents=people, facilities=services(*everything)))
    assert values(ws, "living_circle_15min", "people_all_straight")["a"] == pytest.approx(40)
    blank = qp.assess(ws)["living_circle_15min"]
    assert set(blank["status"]) == {"not_computable"}
    assert "roads" in blank["note"].iloc[0]


def test_residents_without_a_number_field_are_asked_for_it(workspace: Maker) -> None:
    tables = TABLES.replace('amount_field = "people"', "")
    folder = workspace(tables, residents=homes((1, 1, 1)), facilities=services((1, 1, "医院")), roads=streets(STREET))
    rows = qp.assess(qp.open_workspace(folder))["living_circle_15min"]
    assert set(rows["status"]) == {"not_computable"}
    assert "amount_field" in rows["note"].iloc[0]


def test_amounts_that_are_none_are_named_and_not_counted(workspace: Maker) -> None:
    people = frame([at(100, 500), at(200, 500), at(300, 500)], people=[10.0, None, -5.0])
    folder = workspace(TABLES, residents=people, facilities=services((150, 500, "医院")), roads=streets(STREET))
    ws = qp.open_workspace(folder)
    rules = {f.rule: (str(f.severity), f.feature_id) for f in ws.findings}
    assert rules["amount_missing"] == ("warning", "2")
    assert rules["amount_impossible"] == ("error", "3")
    rows = qp.assess(ws, definitions={"living_circle_15min": ["people_medical"]})["living_circle_15min"]
    assert rows.set_index("zone_id").loc["a", "denominator"] == 10


# ---- transit


def stations(*spots: tuple[float, float, str]) -> gpd.GeoDataFrame:
    return frame([at(x, y) for x, y, _ in spots], opened=[day for _, _, day in spots])


STATIONS = layer("stations", 'opened_field = "opened"')


def test_land_within_a_circle_around_a_station(workspace: Maker) -> None:
    built = frame([square(0, 0)])
    tables = STATIONS + layer("construction")
    folder = workspace(tables, stations=stations((500, 500, "2017-12-30")), construction=built)
    found = values(qp.open_workspace(folder), "rail_station_coverage", "construction_800m[limit_m=400]")
    assert found["a"] == pytest.approx(100 * math.pi * 400**2 / 1000**2, rel=1e-3)


def test_stations_count_from_the_day_they_open(workspace: Maker) -> None:
    tables = STATIONS + layer("residents", 'amount_field = "people"')
    made = {
        "stations": stations((100, 500, "2017-12-30"), (900, 500, "2025-06-01")),
        "residents": homes((100, 900, 1), (950, 900, 2), (500, 500, 4)),
    }
    for period, count, served in (("2024", 1, 100 * 5 / 7), ("2025", 2, 100)):
        folder = workspace(tables, head=HEAD.replace('period = "2024"', f'period = "{period}"'), **made)
        ws = qp.open_workspace(folder)
        assert values(ws, "rail_stations", "of_the_state")["a"] == count
        assert values(ws, "rail_station_coverage", "people_600m")["a"] == pytest.approx(served)


def test_bus_stops_by_line_and_by_street(workspace: Maker) -> None:
    """The stop is 300 m away over a field, and four times as far by the street."""
    ring = LineString([(EAST + 100, NORTH + 100), (EAST + 500, NORTH + 100), (EAST + 500, NORTH + 400)])
    folder = workspace(
        TABLES,
        residents=homes((100, 400, 10)),
        facilities=services((400, 400, "公交站")),
        roads=streets(ring),
    )
    ws = qp.open_workspace(folder)
    assert values(ws, "bus_stop_coverage", "people_300m[limit_m=301]")["a"] == 100
    assert values(ws, "bus_stop_coverage", "people_300m[limit_m=299]")["a"] == 0
    # 300 m down to the street, 400 m along, 300 m up, and 100 m across to the stop
    walk = "people_500m_walk[limit_m={}, snap_within_m=310]"
    assert values(ws, "bus_stop_coverage", walk.format(1101))["a"] == 100
    assert values(ws, "bus_stop_coverage", walk.format(1099))["a"] == 0


# ---- laws

spots = st.lists(st.tuples(st.integers(0, 1990), st.integers(300, 700)), min_size=1, max_size=6, unique=True)


def town(folder: Path, people: list[tuple[int, int]], stops: list[tuple[int, int]]) -> qp.Workspace:
    (folder / "qpgis.toml").write_text(HEAD + TABLES, encoding="utf-8")
    made = {
        "towns": four_towns(),
        "residents": homes(*((x, y, 1 + n) for n, (x, y) in enumerate(people))),
        "facilities": services(*((x, y, "bus_stop") for x, y in stops)),
        "roads": streets(STREET),
    }
    write(folder, made)
    return qp.open_workspace(folder)


@settings(max_examples=10, deadline=None)
@given(spots, spots, st.tuples(st.integers(0, 1990), st.integers(300, 700)))
def test_more_facilities_never_lower_coverage_and_walks_never_exceed_straight_lines(
    people: list[tuple[int, int]], stops: list[tuple[int, int]], further: tuple[int, int]
) -> None:
    with TemporaryDirectory() as name:
        before = town(Path(name), people, stops)
        after = town(Path(name), people, [*stops, further])
    for definition in ("people_500m", "people_500m_walk"):
        less, more = (values(ws, "bus_stop_coverage", definition) for ws in (before, after))
        assert all(math.isnan(less[zone]) or more[zone] >= less[zone] for zone in less)
    straight, walk = (values(after, "bus_stop_coverage", one) for one in ("people_500m", "people_500m_walk"))
    assert all(math.isnan(straight[zone]) or straight[zone] >= walk[zone] for zone in straight)
