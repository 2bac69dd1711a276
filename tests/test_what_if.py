"""Scenarios: planned features laid over the present, counted by hand on four towns of a square kilometre."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import geopandas as gpd
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyproj import Geod
from shapely import Geometry, LineString, Point

import qpgis as qp
from qpgis.assessment import assess
from qpgis.cli import main
from qpgis.errors import ConfigError, CRSError, LayerError
from qpgis.maps.result import scene_of
from qpgis.scenarios.named import differing_lines, named_scenario
from qpgis.workspace import Workspace
from qpgis.workspace.loading import restated
from tests.conftest import EAST, HEAD, NORTH, Maker, four_towns, frame, layer, square, write

LAND = layer("landuse", 'scheme = "sandiao"', 'class_field = "code"', 'id_field = "id"') + "".join(
    f'[layers.{kind}]\nfrom = "landuse"\n' for kind in ("farmland", "forest", "construction", "water", "park")
)


def road(*points: tuple[float, float]) -> Geometry:
    return LineString([(EAST + x, NORTH + y) for x, y in points])


def point(x: float, y: float) -> Geometry:
    return Point(EAST + x, NORTH + y)


def value(result: qp.Result, indicator: str, zone: str) -> float:
    found = result[indicator]
    return float(found.loc[found["zone_id"] == zone, "value"].iloc[0])


def grade(result: qp.Result, indicator: str, zone: str) -> str:
    found = result[indicator]
    return str(found.loc[found["zone_id"] == zone, "grade"].iloc[0])


@pytest.fixture
def roads(workspace: Maker) -> Workspace:
    """A road of half a kilometre in a, one of a kilometre in b."""
    lines = frame([road((0, 500), (500, 500)), road((1000, 300), (2000, 300))], id=["r1", "r2"], class_=["primary"] * 2)
    toml = layer("roads", 'id_field = "id"', 'class_field = "class_"')
    return qp.open_workspace(workspace(toml, roads=lines))


@pytest.fixture
def land(workspace: Maker) -> Workspace:
    """a and b are farmland, c forest, d built."""
    parcels = [square(0, 0), square(1000, 0), square(0, 1000), square(1000, 1000)]
    uses = frame(parcels, id=["p1", "p2", "p3", "p4"], code=["0101", "0101", "0301", "0601"])
    return qp.open_workspace(workspace(LAND, landuse=uses))


def hectares(result: qp.Result, kind: str) -> float:
    return float(sum(one.area for one in result.workspace.layers[kind].dissolved)) / 1e4


def geodesic(shape: Geometry) -> float:
    """Hectares on the ellipsoid, by another library than ours."""
    (degrees,) = frame([shape]).to_crs(4490).geometry
    return abs(Geod(ellps="GRS80").geometry_area_perimeter(degrees)[0]) / 1e4


DENSITY = "road_density"
ONLY = {"indicators": [DENSITY]}


def test_a_road_added_raises_density_by_its_length(roads: Workspace) -> None:
    present = qp.assess(roads, indicators=[DENSITY])
    planned = frame([road((500, 500), (1000, 500))], class_=["主干路"])
    result = qp.what_if(roads, roads=planned.to_crs(4326), name="方案一", settings=ONLY)
    ground = (present[DENSITY]["numerator"] / present[DENSITY]["value"]).iloc[0]
    assert value(result, DENSITY, "a") == pytest.approx(value(present, DENSITY, "a") + 0.5 / ground, rel=1e-4)
    assert value(result, DENSITY, "a") == pytest.approx(2 * value(present, DENSITY, "a"), rel=1e-6)
    assert value(result, DENSITY, "b") == value(present, DENSITY, "b")
    assert set(result.table["scenario"]) == {"方案一"}
    assert set(present.table["scenario"]) == {"present"}
    assert "情景：方案一" in result.heading
    assert grade(result, DENSITY, "a") == "schematic"
    assert grade(present, DENSITY, "a") == "surveyed"
    assert "情景：方案一" in result[DENSITY]["source"].iloc[0]


def test_a_road_drawn_along_another_is_no_more_road(roads: Workspace) -> None:
    along = frame([road((0, 500), (500, 500))], class_=["primary"])
    result = qp.what_if(roads, roads=along, settings=ONLY)
    assert value(result, DENSITY, "a") == value(qp.assess(roads, indicators=[DENSITY]), DENSITY, "a")


@pytest.mark.parametrize("crs", [4326, 4490, 32651])
def test_a_road_handed_back_in_another_system_is_the_same_road(roads: Workspace, crs: int) -> None:
    """Coordinates come back some nanometres off: drawn again it is no more road, replaced or removed it is gone."""
    present = qp.assess(roads, indicators=[DENSITY])
    again = frame([road((0, 500), (500, 500)), road((1000, 300), (2000, 300))], class_=["primary"] * 2).to_crs(crs)
    for how in ("add", "replace"):
        result = qp.what_if(roads, qp.Change("roads", again, how=how), settings=ONLY)
        for zone in "ab":
            assert value(result, DENSITY, zone) == pytest.approx(value(present, DENSITY, zone), rel=1e-9)
    result = qp.what_if(roads, qp.Change("roads", again, how="remove"), settings=ONLY)
    assert (value(result, DENSITY, "a"), value(result, DENSITY, "b")) == (0, 0)


def test_a_road_that_crosses_another_stays_whole(roads: Workspace) -> None:
    """At right angles, nearly along it, and ending on it."""
    present = value(qp.assess(roads, indicators=[DENSITY]), DENSITY, "a")
    across = [road((100, 400), (100, 600)), road((0, 450), (500, 550)), road((300, 500), (300, 700))]
    length = 0.2 + sum(shape.length for shape in across[1:]) / 1000
    result = qp.what_if(roads, roads=frame(across, class_=["primary"] * 3).to_crs(4326), settings=ONLY)
    assert value(result, DENSITY, "a") == pytest.approx(present * (1 + length / 0.5), rel=1e-6)
    assert (shapely.get_num_geometries(result.workspace.layers["roads"].geometry) == 1).all()


def test_roads_that_only_pass_are_named(roads: Workspace) -> None:
    """The road runs from (0, 500) to (500, 500): one crosses it, others end on it, or have a vertex at its end."""
    drawn = [road((137, 423), (137, 600)), road((200, 500), (200, 700)), road((500, 400), (500, 500), (500, 600))]
    planned = frame(drawn, id=["over", "from", "end"], class_=["primary"] * 3).to_crs(4326)
    (told,) = (one for one in qp.what_if(roads, roads=planned, settings=ONLY).findings if one.rule == "roads_pass")
    assert (told.feature_id, told.value, told.severity) == ("over", "1", "info")


def test_what_leaves_a_road_goes_on_from_it(roads: Workspace) -> None:
    """200 m along the road, then 300 m off it: these are new, and joined to it."""
    drawn = frame([road((100, 500), (300, 500), (300, 800))], class_=["primary"]).to_crs(4326)
    present = value(qp.assess(roads, indicators=[DENSITY]), DENSITY, "a")
    result = qp.what_if(roads, roads=drawn, settings=ONLY)
    assert value(result, DENSITY, "a") == pytest.approx(present * 1.6, rel=1e-6)
    old, _, new = result.workspace.layers["roads"].geometry
    assert shapely.distance(old, shapely.points(shapely.get_coordinates(new)[0])) < 1e-9


def test_several_changes_leave_the_worst_grade(roads: Workspace) -> None:
    """Also where the scenario is called by a word of the layer's source."""
    planned = frame([road((0, 900), (100, 900))], class_=["primary"])
    changes = [qp.Change("roads", planned, grade=grade) for grade in ("official", "synthetic")]
    result = qp.what_if(roads, *changes, name="roads", settings=ONLY)
    assert grade(result, DENSITY, "a") == "synthetic"
    assert result[DENSITY]["source"].iloc[0].count("情景：roads") == 1


def test_columns_as_pandas_leaves_them(roads: Workspace) -> None:
    planned = frame([road((0, 900), (500, 900))], class_=["primary"])
    odd = planned.rename_geometry("geom").assign(geometry="x", **{"n": 1}).rename(columns={"n": 0})
    present = qp.assess(roads, indicators=[DENSITY])
    result = qp.what_if(roads, roads=odd, settings=ONLY)
    assert value(result, DENSITY, "a") == pytest.approx(2 * value(present, DENSITY, "a"), rel=1e-6)
    twice = planned.set_axis(["geometry", "class_"], axis=1).assign(x="primary").rename(columns={"x": "class_"})
    with pytest.raises(LayerError, match="several columns are called 'class_'"):
        qp.what_if(roads, roads=twice, settings=ONLY)


def test_people_go_with_the_ground_that_is_taken(workspace: Maker) -> None:
    """800 people on a square kilometre: without a quarter of it 600; who is added without a number is told."""
    toml = layer("residents", 'amount_field = "people"', 'id_field = "id"') + layer("park")
    people = frame([square(0, 0), square(1000, 0)], people=[800, 100], id=["p", "q"])
    ws = qp.open_workspace(workspace(toml, residents=people, park=frame([square(0, 0, 100, 100)])))
    only = {"indicators": ["park_area_per_person"]}

    def heads(*changes: qp.Change) -> dict[str, float]:
        table = qp.what_if(ws, *changes, settings=only)["park_area_per_person"]
        return dict(zip(table["zone_id"], table["denominator"], strict=True))

    quarter = frame([square(0, 0, 250, 1000)], people=[7])
    taken = heads(qp.Change("residents", quarter, how="remove"))
    assert (taken["a"], taken["b"]) == (pytest.approx(600, abs=1e-3), 100)
    assert heads(qp.Change("residents", quarter, how="replace"))["a"] == pytest.approx(607, abs=1e-3)
    assert heads(qp.Change("residents", quarter, how="add"))["a"] == 807
    unknown = qp.what_if(ws, residents=frame([point(10, 10)]), name="方案", settings=only)
    assert [one.feature_id for one in unknown.findings if one.rule == "amount_missing"] == ["0"]


def test_ids_may_be_one_or_numbers(roads: Workspace) -> None:
    assert value(qp.what_if(roads, qp.Change("roads", how="remove", ids="r2"), settings=ONLY), DENSITY, "b") == 0
    with pytest.raises(LayerError, match="no feature '2'"):
        qp.what_if(roads, qp.Change("roads", how="remove", ids=(2,)))


def test_replaced_and_removed(roads: Workspace) -> None:
    present = value(qp.assess(roads, indicators=[DENSITY]), DENSITY, "b")
    shorter = frame([road((1000, 700), (1500, 700))], id=["r2"], class_=["primary"])
    result = qp.what_if(roads, qp.Change("roads", shorter, how="replace", grade="official"), settings=ONLY)
    assert value(result, DENSITY, "b") == pytest.approx(present / 2, rel=1e-6)
    assert grade(result, DENSITY, "b") == "surveyed"
    result = qp.what_if(roads, qp.Change("roads", how="remove", ids=("r2",)), settings=ONLY)
    assert value(result, DENSITY, "b") == 0
    half = frame([square(1250, 0, 500, 1000)])
    result = qp.what_if(roads, qp.Change("roads", half, how="remove"), settings=ONLY)
    assert value(result, DENSITY, "b") == pytest.approx(present / 2, rel=1e-6)


def test_a_conversion_moves_area_between_classes(land: Workspace) -> None:
    shape = square(900, 100, 300, 100)
    lot = frame([shape], class_=["0601"])
    result = qp.what_if(land, landuse=lot)
    present = qp.assess(land)
    moved = hectares(present, "farmland") - hectares(result, "farmland")
    assert moved == pytest.approx(geodesic(shape), rel=1e-6)
    assert hectares(result, "construction") - hectares(present, "construction") == pytest.approx(moved, abs=1e-9)
    assert hectares(result, "landuse") == pytest.approx(hectares(present, "landuse"), abs=1e-9)
    assert result.workspace.layers["forest"] is land.layers["forest"]


def test_what_is_planned_by_kind_takes_its_code_from_the_scheme(land: Workspace) -> None:
    one = geodesic(square(0, 0, 100, 100))
    result = qp.what_if(land, forest=frame([square(0, 0, 100, 100)]), park=frame([square(200, 0, 100, 100)]))
    present = qp.assess(land)
    assert hectares(result, "forest") - hectares(present, "forest") == pytest.approx(one, rel=1e-5)
    assert hectares(present, "farmland") - hectares(result, "farmland") == pytest.approx(2 * one, rel=1e-5)
    assert hectares(result, "construction") - hectares(present, "construction") == pytest.approx(one, rel=1e-5)
    assert set(result.workspace.layers["landuse"].frame["class_"]) == {"0101", "0301", "0601", "03", "0810"}
    with pytest.raises(LayerError, match=r"'construction': row 0: .* column class_: .*0601 工业用地"):
        qp.what_if(land, construction=frame([square(0, 0, 100, 100)]))
    pond = qp.what_if(land, water=frame([square(0, 0, 100, 100)], class_=["坑塘"]))
    assert set(pond.workspace.layers["water"].frame["class_"]) == {"pond"}


def test_planned_features_count_whatever_their_status(roads: Workspace) -> None:
    planned = frame([road((500, 500), (1000, 500))], class_=["primary"], plan_status=["规划"], opened=["2030"])
    result = qp.what_if(roads, roads=planned, settings=ONLY)
    present = qp.assess(roads, indicators=[DENSITY])
    assert value(result, DENSITY, "a") == pytest.approx(2 * value(present, DENSITY, "a"), rel=1e-6)


def without_crs() -> gpd.GeoDataFrame:
    return frame([road((0, 0), (9, 9))], crs=None)


@pytest.mark.parametrize(
    ("kind", "made", "error", "said"),
    [
        ("roads", lambda: frame([]), LayerError, "'方案', layer 'roads': the GeoDataFrame has no rows"),
        ("roads", lambda: frame([point(1, 1)]), LayerError, "'方案', layer 'roads': row 0: "),
        ("roads", lambda: frame([road((0, 0), (9, 9)), None]), LayerError, "'方案', layer 'roads': row 1: "),
        ("roads", lambda: frame([road((0, 0), (9, 9))], class_=["大马路"]), LayerError, "row 0: .*大马路"),
        ("roads", without_crs, CRSError, r"layer 'roads': .*frame\.set_crs"),
        ("roads", lambda: frame([road((0, 0), (9, 9))]).drop(columns="geometry"), LayerError, "give a GeoDataFrame"),
        ("forest", lambda: frame([square(0, 0)]), LayerError, r"add \[layers.forest\]"),
        ("roda", lambda: frame([square(0, 0)]), LayerError, "'方案': no layer 'roda'; .*roads"),
    ],
)
def test_what_a_scenario_refuses(
    roads: Workspace, kind: str, made: Callable[[], gpd.GeoDataFrame], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        qp.what_if(roads, qp.Change(kind, made()), name="方案")


def test_what_else_it_refuses(roads: Workspace, land: Workspace) -> None:
    for change, said in (
        (qp.Change("roads", how="remove", ids=("r9",)), "no feature 'r9'"),
        (qp.Change("roads", frame([square(0, 600)]), how="remove"), "nothing would be removed"),
        (qp.Change("roads"), "give a GeoDataFrame"),
    ):
        with pytest.raises(LayerError, match=said):
            qp.what_if(roads, change)
    for name in ("present", " ", "方案\n二"):
        with pytest.raises(ConfigError, match="name of its own"):
            qp.what_if(roads, name=name)
    two = frame([square(0, 0), square(500, 0)], class_=["0601", "0301"])
    with pytest.raises(LayerError, match=r"rows 0 .0601. and 1 .0301. overlap"):
        qp.what_if(land, landuse=two)
    with pytest.raises(LayerError, match="code in a column class_"):
        qp.what_if(land, landuse=frame([square(0, 0)]))
    with pytest.raises(LayerError, match="must become something"):
        qp.what_if(land, qp.Change("forest", frame([square(0, 0)]), how="remove"))


@pytest.fixture
def stages(workspace: Maker) -> Workspace:
    """In a 250 m of road in each plan status; those not there yet open later; qpgis.toml has a scenario of its own."""
    lines = [road((0, y), (250, y)) for y in (100, 200, 300, 400)]
    lines = frame(
        lines,
        id=list("1234"),
        class_=["primary"] * 4,
        status=["现状", "在建", "规划", "研究"],
        opened=["2020", "2026", "2030", ""],
    )
    extra = frame([road((250, 100), (500, 100))], id=["1"], class_=["primary"])
    toml = layer(
        "roads", 'id_field = "id"', 'class_field = "class_"', 'status_field = "status"', 'opened_field = "opened"'
    )
    toml += (
        '[scenarios.a]\ntitle = "方案甲"\n'
        '[[scenarios.a.changes]]\nkind = "roads"\nfile = "extra.gpkg"\ngrade = "official"\n'
        '[[scenarios.a.changes]]\nkind = "roads"\nhow = "remove"\nids = ["1"]\n'
    )
    return qp.open_workspace(workspace(toml, roads=lines, extra=extra))


def test_scenarios_by_name(stages: Workspace) -> None:
    table = qp.scenario_table(stages, **ONLY)
    row = table[table["zone_id"] == "a"].iloc[0]
    times = {name: row[name] / row["present"] for name in table.columns[6:]}
    assert times == {
        "present": 1,
        "现状与在建": pytest.approx(2, rel=1e-6),
        "规划全部建成（不含研究）": pytest.approx(3, rel=1e-6),
        "规划与研究全部建成": pytest.approx(4, rel=1e-6),
        "方案甲": pytest.approx(1, rel=1e-6),
    }
    own = qp.what_if(stages, roads=frame([road((0, 900), (250, 900))], class_=["primary"]), settings=ONLY)
    assert list(qp.scenario_table(stages, ["planned", own], **ONLY).columns[6:]) == [
        "present",
        "规划全部建成（不含研究）",
        "情景",
    ]
    assert differing_lines(table.assign(现状与在建=table["present"]), "zh")[:2] == [
        "情景“现状与在建”：没有数值与现状不同，情景中的要素未被任何指标读到，或没有这样的要素",
        f"情景“规划全部建成（不含研究）”：{(table.iloc[:, 6] != table.iloc[:, 8]).sum()} 个数值与现状不同",
    ]
    with pytest.raises(ConfigError, match=r"no scenario 'plan'; .*planned"):
        qp.scenario_table(stages, ["plan"])


@pytest.mark.parametrize("title", ["方案甲", "a", "规划与研究全部建成", "现状", "present"])
def test_scenarios_of_one_name_are_refused(stages: Workspace, title: str) -> None:
    """Columns, manifests and replays would take one for the other."""
    file = stages.files[0]
    toml = file.read_text("utf-8").replace("方案甲", "a" if title == "a" else "方案甲")
    file.write_text(f'{toml}\n[scenarios.b]\ntitle = "{title}"\nstatuses = ["planned"]\n', encoding="utf-8")
    with pytest.raises(ConfigError, match=rf"line \d+: scenario 'b': '\w+' is called '{title}' too"):
        qp.open_workspace(file.parent)


def test_scenarios_on_the_command_line(stages: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, out = str(stages.files[0].parent), tmp_path / "out"
    assert main(["what-if", folder, "--all", "--out", str(out)]) == 0
    head, *rows = (out / "scenarios.csv").read_text("utf-8-sig").splitlines()
    assert head == "indicator,definition,zone_id,zone_name,level,unit,现状,现状与在建," + (
        "规划全部建成（不含研究）,规划与研究全部建成,方案甲"
    )
    assert any(row.startswith("road_density,") for row in rows)
    assert main(["what-if", folder, "--scenario", "a", "--out", str(out)]) == 0
    assert "方案甲" in (out / "indicators.csv").read_text("utf-8-sig")
    assert "情景：方案甲" in (out / "manifest.json").read_text("utf-8")
    assert main(["what-if", folder, "--scenario", "b", "--out", str(out)]) == 2
    assert "no scenario 'b'" in capsys.readouterr().err


def test_the_embedded_rail_by_status_and_date(embedded: Workspace) -> None:
    """沪苏嘉城际线 is under construction; 西岑 opened on 2024-11-30, 练塘 and 苏州南 on 2024-12-26."""
    present = embedded
    built = named_scenario(present, "under_construction").layers
    new = set(built["rail"].frame["name"]) - set(present.layers["rail"].frame["name"])
    assert new == {"沪苏嘉城际线"}
    assert built["landuse"] is present.layers["landuse"]
    before = restated(present, replace(present.state, as_of=date(2024, 11, 29))).layers["stations"]
    opened = set(present.layers["stations"].frame["name"]) - set(before.frame["name"])
    assert opened == {"西岑", "练塘站", "苏州南站"}


COORDINATE = st.integers(0, 19).map(lambda n: 100 * n)
LOTS = st.lists(
    st.tuples(COORDINATE, COORDINATE, st.sampled_from(["0101", "0301", "0601", "1101", "0810"])), min_size=1, max_size=3
)


def test_the_map_shows_what_a_scenario_adds(roads: Workspace) -> None:
    new = frame([road((0, 900), (250, 900))], class_=["primary"])
    layers = scene_of(qp.what_if(roads, roads=new, name="方案甲")).layers
    added = [one for one in layers if one.title == "情景新增：道路"]
    assert [one.frame["feature_id"].tolist() for one in added] == [["方案甲:0"]]
    assert added[0].shown is True
    assert not any(one.title.startswith("情景新增") for one in scene_of(qp.assess(roads)).layers)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lots=LOTS, ends=st.tuples(COORDINATE, COORDINATE, COORDINATE, COORDINATE).filter(lambda p: p[:2] != p[2:]))
def test_incremental_is_full(both: Workspace, lots: list[tuple[int, int, str]], ends: tuple[int, ...]) -> None:
    """Whatever is changed: what is computed beside what is known is what is computed from nothing."""
    changes = [qp.Change("landuse", frame([square(x, y, 150)], class_=[code])) for x, y, code in lots]
    changes.append(qp.Change("roads", frame([road(ends[:2], ends[2:])], class_=["primary"])))
    result = qp.what_if(both, *changes)
    full = assess(result.workspace)
    assert result.rows == full.rows
    assert result.findings == full.findings
    assert full.rows != qp.assess(both).rows


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Land use, roads, people, a school and an axis, assessed before: so many parcels that a few more are little."""
    folder = tmp_path_factory.mktemp("both")
    parcels = [square(x, y, 100) for x in range(0, 2000, 100) for y in range(0, 2000, 100)]
    codes = ["0101", "0301", "0601", "1101", "0701", "0810", "0101"]
    uses = frame(parcels, id=[f"p{n}" for n in range(400)], code=[codes[n % 7] for n in range(400)])
    lines = frame([road((0, 500), (2000, 500)), road((300, 0), (300, 2000))], id=["r1", "r2"], class_=["primary"] * 2)
    people = frame([point(x, y) for x in range(50, 2000, 190) for y in (450, 1230)], people=range(22))
    schools = frame([point(900, 520)], class_=["小学"])
    roads = layer("roads", 'id_field = "id"', 'class_field = "class_"')
    more = layer("residents", 'amount_field = "people"') + layer("facilities", 'class_field = "class_"')
    axis = frame([road((100, 100), (1900, 1700))], id=["c1"])
    kinds = '[layers.residential]\nfrom = "landuse"\n' + layer("corridor_axes", 'id_field = "id"')
    (folder / "qpgis.toml").write_text(HEAD + LAND + kinds + roads + more, encoding="utf-8")
    write(
        folder,
        {
            "towns": four_towns(),
            "landuse": uses,
            "roads": lines,
            "residents": people,
            "facilities": schools,
            "corridor_axes": axis,
        },
    )
    workspace = qp.open_workspace(folder)
    qp.assess(workspace)
    return workspace
