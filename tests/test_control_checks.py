"""Control checks on four towns of a square kilometre: planted cases, counted by hand."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pyogrio
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from shapely import Geometry, LineString
from shapely.affinity import translate

import qpgis as qp
from qpgis.cli import main
from qpgis.control.ground import Ground
from qpgis.landuse import scheme, schemes
from qpgis.layers import Layer
from qpgis.measures.contributions import MICRO
from qpgis.provenance import Grade, Source
from qpgis.scenarios.named import named_scenario
from tests.conftest import EAST, HEAD, NORTH, Maker, frame, layer, square

HEAD_OF_TWO = HEAD + '[periods."2023"]\n'
FARM, BUILT, WOOD = "0103", "0601", "0301"
TARGETS = "indicator,zone,year,operator,value,text,property,document"
HECTARE = 10_000.0
Cells = tuple[int, int, int, int]
LINES = ("basic_farmland", "redline", "growth_boundary")
PARCEL_LAYERS = "".join(f'[layers.{kind}]\nfrom = "landuse"\n' for kind in ("construction", "farmland", "forest"))


def land_table(name: str, *extra: str, at: str = "layers") -> str:
    keys = ('grade = "surveyed"', 'extent = "area"', 'scheme = "sandiao"', 'class_field = "code"', 'id_field = "id"')
    return "\n".join([f"[{at}.landuse]", f'file = "{name}.gpkg"', *keys, *extra]) + "\n"


def parcels(*rows: tuple[str, str, Geometry], **columns: list) -> gpd.GeoDataFrame:
    """Parcels ``(id, code, shape)`` in a town's corner; the rest of all towns is woodland."""
    ids, codes, shapes = (list(column) for column in zip(*rows, strict=True))
    rest = square(0, 0, 2000)
    for shape in shapes:
        rest = rest.difference(shape)
    stated = {name: [*column, None] for name, column in columns.items()}
    return frame([*shapes, rest], id=[*ids, "rest"], code=[*codes, WOOD], **stated)


class Case:
    """A workspace of two periods, and what its checks found."""

    def __init__(
        self,
        workspace: Maker,
        before: gpd.GeoDataFrame,
        after: gpd.GeoDataFrame,
        old: str = "",
        targets: list[str] | None = None,
        **lines: gpd.GeoDataFrame,
    ) -> None:
        fields = ('area_field = "TBMJ"',) if "TBMJ" in after else ()
        tables = land_table("now", *fields) + PARCEL_LAYERS
        named = [kind for kind in lines if not kind.endswith("_old")]
        tables += "".join(layer(kind, 'id_field = "id"') for kind in named)
        tables += '[tables]\ntargets = "targets.csv"\n' if targets else ""
        tables += land_table("then", *(fields if "TBMJ" in before else ()), at='periods."2023".layers') + old
        self.folder = workspace(tables, then=before, now=after, **lines)
        if targets:
            (self.folder / "targets.csv").write_text("\n".join([TARGETS, *targets]) + "\n", "utf-8")
        self.now = qp.open_workspace(self.folder)
        self.checks = qp.control_checks(self.now, before="2023")

    def row(self, check: str, line: str = "", zone: str = "") -> dict:
        table = self.checks.table
        (found,) = table[(table.check == check) & (table.line == line) & (table.zone_id == zone)].to_dict("records")
        return found

    def patches(self, check: str, line: str = "") -> gpd.GeoDataFrame:
        every = self.checks.patches
        return every[(every.check == check) & (every.line == line)].reset_index(drop=True)


def line(shape: Geometry, id_: str = "l1") -> gpd.GeoDataFrame:
    return frame([shape], id=[id_])


def test_a_parcel_half_inside_a_line(workspace: Maker) -> None:
    """A hectare is built on farmland, half of it in basic farmland; the file says 0.98 ha."""
    plot = square(100, 100, 100)
    case = Case(
        workspace,
        parcels(("p1", FARM, plot)),
        parcels(("p1", BUILT, plot), TBMJ=[9800.0]),
        basic_farmland=line(square(150, 0, 500)),
        redline=line(square(500, 500, 100)),
    )
    (patch,) = case.patches("new_built", "basic_farmland").to_dict("records")
    assert (patch["feature_id"], patch["zone_id"], patch["zone_name"], patch["line_id"]) == ("p1", "a", "甲", "l1")
    assert (patch["class_before"], patch["class_after"]) == ("0103 旱地", "0601 工业用地")
    assert patch["geometry_m2"] == pytest.approx(HECTARE / 2, rel=1e-3)  # the plane isn't EPSG:4549
    assert patch["field_m2"] == pytest.approx(9800 / 2, abs=0.01)
    row = case.row("new_built", "basic_farmland")
    assert (row["status"], row["patches"], row["slivers"], row["grade"]) == ("found", 1, 0, "surveyed")
    assert row["difference_m2"] == pytest.approx(patch["geometry_m2"] - patch["field_m2"], abs=2e-6)
    assert case.row("new_built", "redline")["status"] == "passed"
    missing = case.row("new_built", "growth_boundary")
    assert (missing["status"], missing["note"]) == ("not_computable", "2024 缺少图层：城镇开发边界")


def test_touching_a_line_is_not_crossing_it(workspace: Maker) -> None:
    plot = square(100, 100, 100)
    case = Case(
        workspace,
        parcels(("p1", FARM, plot)),
        parcels(("p1", BUILT, plot)),
        basic_farmland=line(square(200, 100, 100)),
        redline=line(square(200, 200, 100)),  # in a corner
        growth_boundary=line(plot),
    )
    for kind in LINES:
        row = case.row("new_built", kind)
        assert (row["status"], row["patches"], row["slivers"]) == ("passed", 0, 0), kind


def test_a_sliver_is_told_and_no_patch(workspace: Maker) -> None:
    """Built 0.5 m into the line over 100 m, and 3 m elsewhere: 50 m2 told, 300 m2 a patch."""
    one, two = square(100, 100, 100), square(400, 100, 100)
    case = Case(
        workspace,
        parcels(("p1", FARM, one), ("p2", FARM, two)),
        parcels(("p1", BUILT, one), ("p2", BUILT, two)),
        redline=frame([square(100, 199.5, 100), square(400, 197, 100)], id=["l1", "l2"]),
    )
    (patch,) = case.patches("new_built", "redline").to_dict("records")
    assert (patch["feature_id"], patch["line_id"]) == ("p2", "l2")
    assert patch["geometry_m2"] == pytest.approx(300, rel=1e-3)
    row = case.row("new_built", "redline")
    assert row["slivers"] == 1
    assert row["sliver_m2"] == pytest.approx(50, rel=1e-3)
    (told,) = [one for one in case.checks.findings if one.rule == "control_slivers"]
    assert (told.feature_id, str(told.severity)) == ("p1", "info")


def test_what_was_built_before_is_not_new(workspace: Maker) -> None:
    """Split, renumbered, of another built class, redrawn by 30 cm: the ground was built, all in basic farmland."""
    old = [square(100 + 200 * n, 100, 100) for n in range(4)]
    halves = [square(100, 100, 50, 100), square(150, 100, 50, 100)]
    redrawn = translate(old[3], 0.3, 0.3)
    case = Case(
        workspace,
        parcels(*(("p" + str(n), BUILT, shape) for n, shape in enumerate(old))),
        parcels(
            ("p0", BUILT, halves[0]),
            ("p9", BUILT, halves[1]),
            ("x7", BUILT, old[1]),
            ("p2", "0701", old[2]),
            ("p3", BUILT, redrawn),
        ),
        basic_farmland=line(square(0, 0, 1000)),
    )
    row = case.row("new_built", "basic_farmland")
    assert (row["status"], row["patches"]) == ("passed", 0)
    assert row["sliver_m2"] == pytest.approx(HECTARE - 99.7**2, rel=1e-3)


def test_a_patch_that_is_split_into_strips_is_no_sliver(workspace: Maker) -> None:
    """A hectare, newly built, in 200 parcels of half a metre."""
    strips = [(f"s{n}", BUILT, square(100 + n / 2, 100, 0.5, 100)) for n in range(200)]
    whole = parcels(("p", FARM, square(100, 100, 100)))
    case = Case(workspace, whole, parcels(*strips), redline=line(square(0, 0, 900)))
    row = case.row("new_built", "redline")
    assert (row["patches"], row["slivers"]) == (200, 0)
    assert row["geometry_m2"] == pytest.approx(HECTARE, rel=1e-3)


def test_a_patch_is_cut_by_town_and_by_what_it_was(workspace: Maker) -> None:
    """2 ha over the border of a and b, of each the southern half farmland, the northern woodland."""
    plot = square(900, 100, 200, 100)
    case = Case(
        workspace,
        parcels(("p1", FARM, square(900, 100, 200, 50))),
        parcels(("n1", BUILT, plot)),
        growth_boundary=line(square(0, 1500, 100), "g"),
    )
    found = case.patches("new_built", "growth_boundary")
    assert sorted(zip(found.zone_id, found.class_before, strict=True)) == [
        ("a", "0103 旱地"),
        ("a", "0301 乔木林地"),
        ("b", "0103 旱地"),
        ("b", "0301 乔木林地"),
    ]
    assert found.geometry_m2.to_numpy() == pytest.approx([HECTARE / 2] * 4, rel=1e-3)
    assert set(found.line_id) == {""}
    by_town = case.checks.by_town.query("check == 'new_built'").set_index("zone_id")
    assert by_town.loc["a", "patches"] == 2
    assert by_town["geometry_m2"].sum() == pytest.approx(case.row("new_built", "growth_boundary")["geometry_m2"])


def test_a_moved_line_makes_nothing_new(workspace: Maker) -> None:
    """The line moves over what was built before: no new built land, 1 ha taken in, 1 ha let go."""
    plot = square(300, 100, 100)
    same = parcels(("p1", BUILT, plot), ("p2", FARM, square(0, 800, 10)))
    other = parcels(("p1", BUILT, plot), ("p2", WOOD, square(0, 800, 10)))
    old = layer("redline", 'id_field = "id"').replace("[layers.", '[periods."2023".layers.')
    old = old.replace("redline.gpkg", "redline_old.gpkg")
    lines = {"redline": line(square(200, 100, 200, 100)), "redline_old": line(square(100, 100, 200, 100))}
    case = Case(workspace, same, other, old=old, **lines)
    assert case.row("new_built", "redline")["status"] == "passed"
    moved = case.row("lines_moved", "redline")
    assert (moved["status"], moved["patches"]) == ("moved", 2)
    found = case.patches("lines_moved", "redline")
    assert [*zip(found.class_before, found.class_after, strict=True)] == [("线内", "线外"), ("线外", "线内")]
    assert found.geometry_m2.to_numpy() == pytest.approx([HECTARE, HECTARE], rel=1e-3)


def test_one_file_for_both_periods_tells_of_no_change(workspace: Maker) -> None:
    uses = parcels(("p1", BUILT, square(100, 100, 100)))
    tables = land_table("now") + PARCEL_LAYERS + layer("redline")
    folder = workspace(tables, head=HEAD_OF_TWO, now=uses, redline=line(square(0, 0, 1000)))
    checks = qp.control_checks(qp.open_workspace(folder), before="2023")
    row = checks.table.set_index(["check", "line"]).loc[("new_built", "redline")]
    assert row["status"] == "not_computable"
    assert "同一个文件（now.gpkg）" in row["note"]


def test_other_classes_within_basic_farmland(workspace: Maker) -> None:
    """Of 4 ha of basic farmland 3 are farmland, 1 is built; nothing needs an earlier state."""
    uses = parcels(("p1", FARM, square(0, 0, 300, 100)), ("p2", BUILT, square(300, 0, 200, 100)))
    tables = land_table("now") + PARCEL_LAYERS + layer("basic_farmland", 'id_field = "id"')
    folder = workspace(tables, now=uses, basic_farmland=line(square(0, 0, 400, 100)))
    checks = qp.control_checks(qp.open_workspace(folder))
    (patch,) = checks.patches.to_dict("records")
    assert (patch["check"], patch["feature_id"], patch["class_after"]) == ("non_farmland", "p2", "0601 工业用地")
    assert patch["geometry_m2"] == pytest.approx(HECTARE, rel=1e-3)
    assert set(checks.table.set_index("check").loc["new_built", "note"]) == {"没有前一时期，无从比较"}


def test_the_three_lines_have_no_ground_in_common(workspace: Maker) -> None:
    """Basic farmland reaches 20 m into the growth boundary, 0.4 m into the red line, which touches the boundary."""
    lines = {
        "basic_farmland": line(square(0, 0, 400, 100), "j"),
        "growth_boundary": line(square(380, 0, 100, 100), "g"),
        "redline": line(square(0, 99.6, 380, 100), "r"),
    }
    tables = "".join(layer(kind, 'id_field = "id"') for kind in lines)
    checks = qp.control_checks(qp.open_workspace(workspace(tables, **lines)))
    rows = checks.table[checks.table.check == "lines_overlap"].set_index("line")
    assert rows["status"].to_dict() == {
        "basic_farmland+redline": "passed",
        "basic_farmland+growth_boundary": "found",
        "redline+growth_boundary": "passed",
    }
    (patch,) = checks.patches.to_dict("records")
    assert (patch["layer"], patch["feature_id"], patch["line_id"]) == ("basic_farmland", "j", "g")
    assert patch["geometry_m2"] == pytest.approx(2000, rel=1e-3)
    assert rows.loc["basic_farmland+redline", "sliver_m2"] == pytest.approx(0.4 * 380, rel=1e-3)
    assert [str(one.severity) for one in checks.findings if one.rule == "control_lines_overlap"] == ["error"]


def test_figures_are_targets_of_towns_and_groups(workspace: Maker) -> None:
    """1 ha is built in a, 2 in b; the figures are 1.5, 1.5, and 4 for both. 3 ha of farmland against 2 and 5."""
    uses = parcels(
        ("p1", BUILT, square(0, 0, 100)),
        ("p2", BUILT, square(1000, 0, 200, 100)),
        ("p3", FARM, square(0, 500, 300, 100)),
        TBMJ=[10100.0, 20000.0, 30000.0],
    )
    tables = land_table("now", 'area_field = "TBMJ"') + PARCEL_LAYERS + '[tables]\ntargets = "targets.csv"\n'
    folder = workspace(tables, now=uses)
    rows = ["construction_area,a,2035,le,0.015,,约束性,甲镇总规", "construction_area,b,2035,le,0.015,,约束性,乙镇总规"]
    rows += ["construction_area,south,2035,le,0.04,,约束性,文", "farmland_area,a,2035,ge,0.02,,约束性,文"]
    rows += ["farmland_area,south,2035,ge,0.05,,约束性,文"]
    (folder / "targets.csv").write_text("\n".join([TARGETS, *rows]) + "\n", "utf-8")
    checks = qp.control_checks(qp.open_workspace(folder))
    table = checks.table.set_index(["check", "zone_id"])
    scale = table.loc["construction_scale"]
    assert scale["status"].to_dict() == {
        "a": "met", "b": "breached", "c": "no_figure", "d": "no_figure", "south": "met",
    }  # fmt: skip
    assert scale.loc["b", "margin_m2"] == pytest.approx(-5000, rel=5e-3)
    assert scale.loc["a", "field_m2"] == pytest.approx(10100)
    assert scale.loc["south", "field_m2"] == pytest.approx(30100)
    assert scale.loc["b", "document"] == "乙镇总规"
    floor = table.loc["farmland_floor"]
    assert (floor.loc["a", "status"], floor.loc["south", "status"]) == ("met", "breached")
    assert [one.feature_id for one in checks.findings if one.rule == "control_figure_missed"] == ["b", "south"]


def test_the_ledger_of_farmland(workspace: Maker) -> None:
    """In a 3 ha of farmland: 1 is built on, 1 planted with trees, 0.5 come in: 1.5 ha are left."""
    case = Case(
        workspace,
        parcels(("f", FARM, square(0, 0, 300, 100))),
        parcels(
            ("f", FARM, square(0, 0, 100)),
            ("b", BUILT, square(100, 0, 100)),
            ("n", FARM, square(500, 0, 50, 100)),
        ),
    )
    ledger = case.checks.ledger.set_index("zone_id")
    expected = {"before": 3, "after": 1.5, "out": 2, "out_to_built": 1, "in": 0.5, "balance": -0.5, "change": -1.5}
    for zone in ("a", "south", "all"):
        for name, hectares in expected.items():
            assert ledger.loc[zone, f"{name}_m2"] == pytest.approx(hectares * HECTARE, rel=1e-3), (zone, name)
    assert (ledger.loc["b"].drop("zone_name") == 0).all()
    assert (ledger["after_m2"] - ledger["before_m2"]).to_numpy() == pytest.approx(ledger["change_m2"], abs=1e-3)
    assert case.row("farmland_balance", zone="a")["status"] == "breached"
    out = case.patches("farmland_out")
    assert [*zip(out.feature_id, out.class_before, out.class_after, strict=True)] == [
        ("f", "0103 旱地", "0301 乔木林地"),
        ("f", "0103 旱地", "0601 工业用地"),
    ]
    assert case.patches("farmland_in").feature_id.to_list() == ["n"]


def test_reduction_is_built_ground_given_up_in_its_areas(workspace: Maker) -> None:
    """Of 2 ha given up one lies in the 198 area of a; the task there is 2 ha."""
    case = Case(
        workspace,
        parcels(("p1", BUILT, square(0, 0, 200, 100))),
        parcels(("p1", FARM, square(0, 0, 200, 100))),
        targets=["construction_reduced_area,a,2025,ge,0.02,,,减量化任务书"],
        reduction_areas=line(square(100, 0, 500), "198"),
    )
    row = case.row("reduction", zone="a")
    assert row["status"] == "unmet"
    assert row["geometry_m2"] == pytest.approx(HECTARE, rel=1e-3)
    assert row["margin_m2"] == pytest.approx(-HECTARE, rel=1e-3)
    (patch,) = case.patches("reduction", "reduction_areas").to_dict("records")
    assert (patch["class_before"], patch["class_after"], patch["line_id"]) == ("0601 工业用地", "0103 旱地", "198")


def test_lines_are_overlays_that_no_class_sum_holds(workspace: Maker) -> None:
    overlays = {*LINES, "blue_lines", "green_lines", "water_protection", "reduction_areas"}
    for name in schemes():
        assert not any(scheme(name).gives(kind) for kind in overlays)
    uses = parcels(("p1", FARM, square(0, 0, 300, 100)), ("p2", BUILT, square(300, 0, 200, 100)))
    tables = land_table("now") + PARCEL_LAYERS
    plain = qp.assess(qp.open_workspace(workspace(tables, now=uses))).table
    lines = {kind: line(square(0, 0, 1500)) for kind in sorted(overlays)}
    drawn = qp.assess(qp.open_workspace(workspace(tables + "".join(map(layer, lines)), now=uses, **lines))).table
    keys = ["indicator", "definition", "zone_id"]
    values = plain.dropna(subset=["value"]).set_index(keys)["value"]
    assert len(values) > 20
    assert values.to_dict() == drawn.set_index(keys)["value"].loc[values.index].to_dict()


# ---- what it writes


def test_the_command_writes_both_files_the_same_every_time(
    workspace: Maker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plot = square(100, 100, 100)
    lines = {"basic_farmland": line(square(150, 0, 500)), "redline": line(square(700, 0, 100))}
    case = Case(workspace, parcels(("=p1", FARM, plot)), parcels(("=p1", BUILT, plot)), **lines)
    folders = [tmp_path / "one", tmp_path / "two"]
    arguments = ["check", str(case.folder), "--control", "--since", "2023", "--out"]
    assert [main([*arguments, str(folder)]) for folder in folders] == [0, 0]
    printed = capsys.readouterr().out
    assert "新增建设用地 · 永久基本农田: 有图斑，须由主管部门认定；1 块，" in printed
    for name in ("control_checks.xlsx", "control_checks.gpkg"):
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes()
    patches = pyogrio.read_dataframe(folders[0] / "control_checks.gpkg", layer="patches")
    listed = case.checks.patches
    for column in ("feature_id", "zone_id", "line", "class_before", "class_after", "geometry_m2"):
        assert patches[column].to_list() == listed[column].to_list()
    drawn = patches.to_crs("EPSG:4549").area
    assert drawn.to_numpy() == pytest.approx(patches["geometry_m2"].to_numpy(), rel=1e-3)
    assert main([*arguments, str(folders[0]), "--strict"]) == 1
    assert main(["check", str(case.folder), "--since", "2023"]) == 2


def test_nothing_found_is_written_too(workspace: Maker, tmp_path: Path) -> None:
    uses = parcels(("p1", FARM, square(0, 0, 300, 100)))
    folder = workspace(land_table("now") + PARCEL_LAYERS, now=uses)
    written = qp.control_checks(qp.open_workspace(folder)).write(tmp_path / "out")
    assert [path.name for path in written] == ["control_checks.xlsx", "control_checks.gpkg"]
    assert len(pyogrio.read_dataframe(written[1], layer="patches")) == 0


# ---- what scenarios add


def street(x: float, y: float) -> Geometry:
    """250 m to the east."""
    return LineString([(EAST + x, NORTH + y), (EAST + x + 250, NORTH + y)])


@pytest.fixture
def land(workspace: Maker) -> qp.Workspace:
    """In a a farm, its west basic farmland, and wood with a red line; a boundary round 4 ha; a figure of 1.5 ha."""
    uses = parcels(("f", FARM, square(0, 0, 300)))
    lines = {
        "basic_farmland": line(square(0, 0, 100, 300), "j"),
        "redline": line(square(600, 600, 100), "r"),
        "growth_boundary": line(square(200, 0, 200, 200), "g"),
    }
    streets = frame([street(500, 500)], id=["s"])
    tables = "".join(layer(kind, 'id_field = "id"') for kind in (*lines, "roads"))
    tables = land_table("now") + PARCEL_LAYERS + tables + '[tables]\ntargets = "targets.csv"\n'
    folder = workspace(tables, now=uses, roads=streets, **lines)
    figure = "construction_area,a,2035,le,0.015,,约束性,甲镇总规"
    (folder / "targets.csv").write_text(f"{TARGETS}\n{figure}\n", "utf-8")
    return qp.open_workspace(folder)


def told(ws: qp.Workspace, **frames: gpd.GeoDataFrame) -> list[tuple[str, str, str]]:
    result = qp.what_if(ws, **frames, settings={"indicators": ["farmland_area"]})
    return [(one.rule, one.message, one.value) for one in result.findings if one.rule.startswith("placed")]


def test_forest_on_farmland_and_built_land_across_lines_is_told(land: qp.Workspace) -> None:
    """1 ha of trees on the farm, half of it basic farmland; 2 ha are built, of which one within the boundary."""
    trees = told(land, forest=frame([square(50, 0, 100)], id=["t"], class_=[WOOD]))
    assert {message.split("：")[0] for _, message, _ in trees} == {
        "情景在“永久基本农田”线内布置了林地",
        "情景在“耕地”线内布置了林地",
    }
    areas = sorted(float(value.removesuffix(" m2")) for *_, value in trees)
    assert areas == pytest.approx([HECTARE / 2, HECTARE], rel=1e-3)
    across, over = told(land, construction=frame([square(300, 100, 200, 100)], id=["b"], class_=[BUILT]))
    assert across[:2] == ("placed_across", f"情景在“城镇开发边界”线外布置了建设用地：{across[2]}")
    assert float(across[2].removesuffix(" m2")) == pytest.approx(HECTARE, rel=1e-3)
    assert over[0] == "placed_over_figure"
    assert "超过控制数 0.015 km²（甲镇总规）" in over[1]


def test_what_keeps_within_the_lines_is_not_told(land: qp.Workspace) -> None:
    """Trees in the wood are there already; a hectare within the boundary is below the figure; roads may lie outside."""
    assert told(land, forest=frame([square(500, 500, 100)], id=["t"], class_=[WOOD])) == []
    assert told(land, construction=frame([square(250, 50, 100)], id=["b"], class_=[BUILT])) == []
    crossing = frame([street(550, 650)], id=["n"])
    ((rule, message, value),) = told(land, roads=crossing)
    assert (rule, value) == ("placed_across", "100.0 m")
    assert "生态保护红线" in message
    assert told(land, roads=frame([street(850, 850)], id=["n"])) == []


def test_without_the_lines_it_says_not_checked(workspace: Maker) -> None:
    uses = parcels(("f", FARM, square(0, 0, 300)))
    tables = land_table("now") + PARCEL_LAYERS + layer("redline")
    ws = qp.open_workspace(workspace(tables, now=uses, redline=line(square(0, 0, 9))))
    ((rule, message, _),) = told(ws, construction=frame([square(300, 0, 100)], id=["b"], class_=[BUILT]))
    assert (rule, message) == ("placed_unchecked", "未作管控校核：缺少图层 永久基本农田、城镇开发边界")


def test_a_plan_that_closes_a_gap_tells_what_it_places_across_lines(land: qp.Workspace) -> None:
    """91 of 100 ha of a are wood; 92 take a hectare of trees, and there is only the farm to plant them on."""
    trees = frame([square(0, 0, 101)], id=["t"], class_=[WOOD])
    answer = qp.gap(land, "forest_cover", trees, layer="forest", zone="a", target=92.0)
    assert answer.reached
    assert [one.feature_id for one in answer.across] == ["补短板方案:t"] * 2
    assert "情景在“永久基本农田”线内布置了林地" in answer.text()
    assert [one["rule"] for one in answer.as_record()["across"]] == ["placed_across"] * 2


def test_what_is_planned_is_held_against_the_lines_too(workspace: Maker) -> None:
    roads = frame([street(0, 50), street(500, 50)], id=["s", "n"], status=["现状", "规划"])
    tables = layer("roads", 'id_field = "id"', 'status_field = "status"') + "".join(map(layer, LINES))
    lines = {kind: line(square(550 + 300 * n, 0, 100)) for n, kind in enumerate(LINES)}
    made = named_scenario(qp.open_workspace(workspace(tables, roads=roads, **lines)), "planned")
    (told_,) = [one for one in made.findings if one.rule.startswith("placed")]
    assert (told_.rule, told_.feature_id, told_.value) == ("placed_across", "n", "100.0 m")


def test_what_of_land_is_built_must_be_known(workspace: Maker) -> None:
    tables = land_table("now") + '[layers.forest]\nfrom = "landuse"\n' + "".join(map(layer, LINES))
    lines = {kind: line(square(1500, 1500, 100)) for kind in LINES}
    ws = qp.open_workspace(workspace(tables, now=parcels(("f", FARM, square(0, 0, 300))), **lines))
    ((rule, message, _),) = told(ws, landuse=frame([square(0, 0, 100)], id=["b"], class_=[BUILT]))
    assert (rule, message) == ("placed_unchecked", "未作管控校核：缺少图层 建设用地")


boxes = st.lists(st.tuples(*(st.integers(0, 9) for _ in range(4))), min_size=1, max_size=5)


@given(boxes, boxes, boxes)
def test_new_ground_is_that_of_cells(before: list[Cells], after: list[Cells], edge: list[Cells]) -> None:
    """Parcels that overlap in any way, on a grid of 10 m: what is covered now, wasn't before, and lies in the line."""
    cells = [
        {(x + n, y + m) for x, y, w, h in some for n in range(w + 1) for m in range(h + 1)}
        for some in (before, after, edge)
    ]
    then, now, held = (_layer("construction", some) for some in (before, after, edge))
    ground = Ground.of(now).outside(then.dissolved).inside(held.dissolved)
    new = cells[1] - cells[0]
    assert sum(ground.micro.tolist()) == len(new & cells[2]) * 100 * MICRO
    wide, thin = ground.patches_and_slivers(1.0)
    assert len(thin) == 0
    assert sum(wide.micro.tolist()) == sum(ground.micro.tolist())
    tiles = np.array([shapely.box(0, 0, 75, 300), shapely.box(75, 0, 300, 300)], dtype=object)
    cut, classes, of = wide.by(tiles)[0].classes_before(then)
    assert set(classes) <= {""}  # nothing new was there
    assert sum(cut.micro.tolist()) == sum(wide.micro.tolist())
    assert len(cut) == len(of)


def _layer(kind: str, some: list[Cells]) -> Layer:
    """Rectangles of cells: where from, and how many more than one to the east and north."""
    empty = Layer.empty(kind, Source("x", Grade.SURVEYED))
    x, y, wide, high = 10 * np.array(some).T
    shapes = shapely.box(x, y, x + wide + 10, y + high + 10)
    rows = empty.frame.reindex(range(len(some)), fill_value="")
    return Layer(kind, rows, shapes, empty.source, None, f"{kind} {some}")
