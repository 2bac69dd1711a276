"""Own zones, reference layers and the word for synthetic data, on four towns of one kilometre square."""

from __future__ import annotations

import json
from pathlib import Path

import openpyxl
import pytest
from shapely import LineString, Point

import qpgis as qp
from qpgis.cli import main
from qpgis.errors import ConfigError, LayerError, SourceError, ZoneError
from qpgis.provenance import Grade
from qpgis.workspace.config import ZonesTable
from tests.conftest import EAST, NORTH, Maker, frame, layer, square

OWN = """
[[own_zones]]
file = "core.gpkg"
grade = "schematic"
"""
REFERENCE = """
[reference.plans]
title = "规划线路"
title_en = "Planned lines"
file = "lines.gpkg"
grade = "schematic"
id_field = "key"
name_field = "label"
status_field = "plan_status"
show = ["clause"]
"""


def core() -> object:
    """A zone of half a square kilometre over the middle of the four towns."""
    return frame([square(500, 750, 1000, 500)], zone_id=["core"], name=["中心"])


def lake() -> object:
    """A quarter of a square kilometre, wholly in the core's west half: 500 m by 500 m."""
    return frame([square(500, 750, 500, 500)], **{"class": ["lake"]})


def share(ws: object, zone: str) -> float:
    table = qp.assess(ws)["water_surface_share"]
    return float(table.set_index("zone_id").loc[zone, "value"])


def test_an_own_zone_is_measured_by_itself(workspace: Maker) -> None:
    ws = qp.open_workspace(workspace(OWN + layer("water", 'class_field = "class"'), core=core(), water=lake()))
    assert share(ws, "core") == pytest.approx(50, rel=1e-5)
    assert share(ws, "a") == pytest.approx(12.5, rel=1e-5)  # 500 m x 250 m of one square kilometre
    assert share(ws, "all") == pytest.approx(6.25, rel=1e-5)  # the core is no part of the sum
    assert ws.area.levels == ("town", "group", "district", "own")


def test_the_grade_of_an_own_zone_is_that_of_its_own_border(workspace: Maker) -> None:
    ws = qp.open_workspace(workspace(OWN + layer("water", 'class_field = "class"'), core=core(), water=lake()))
    grades = qp.assess(ws)["water_surface_share"].set_index("zone_id")["grade"]
    assert (grades["core"], grades["a"]) == ("schematic", "surveyed")


def test_an_own_zone_stands_in_every_output(workspace: Maker, tmp_path: Path) -> None:
    folder = workspace(OWN + layer("water", 'class_field = "class"'), core=core(), water=lake())
    assert main(["run", str(folder), "--out", str(tmp_path / "out")]) == 0
    assert "water_surface_share,rivers_lakes_reservoirs,core,中心,own" in (tmp_path / "out/indicators.csv").read_text(
        "utf-8-sig"
    )
    assert "重点区域" in (tmp_path / "out/map.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("zone", "extra", "message"),
    [
        ("a", "", "'a' is the id of another zone"),
        ("south", "", "'south' is the id of another zone"),
        ("core", 'level = "town"\n', "the level 'town' is that of the zones"),
    ],
)
def test_own_zones_have_ids_and_levels_of_their_own(workspace: Maker, zone: str, extra: str, message: str) -> None:
    folder = workspace(OWN + extra, core=frame([square(0, 0)], zone_id=[zone], name=["x"]))
    with pytest.raises(ConfigError, match=message):
        qp.open_workspace(folder)


def test_a_missing_file_of_own_zones_is_named(workspace: Maker) -> None:
    with pytest.raises(SourceError, match=r"\[own_zones\] file 'core.gpkg'"):
        qp.open_workspace(workspace(OWN))


def lines() -> object:
    statuses = ["规划", "研究", "现状"]
    shapes = [LineString([(EAST, NORTH + n), (EAST + 900, NORTH + n)]) for n in (100, 200, 300)]
    return frame(
        shapes, key=["p", "s", "e"], label=["甲线", "乙线", "丙线"], plan_status=statuses, clause=["四", "五", ""]
    )


def test_a_reference_layer_keeps_every_plan_status_and_feeds_nothing(workspace: Maker) -> None:
    folder = workspace(REFERENCE, lines=lines())
    ws = qp.open_workspace(folder)
    (shown,) = ws.references
    assert list(shown.frame["plan_status"]) == ["规划", "研究", "现状"]
    assert (shown.name("zh"), shown.name("en")) == ("规划线路", "Planned lines")
    assert ws.layers == {}
    assert ("lines.gpkg", "reference.plans") in {(i.name, i.role) for i in ws.inputs}
    assert "schematic" in ws.grades


def test_the_map_says_what_a_reference_layer_says_of_itself(workspace: Maker, tmp_path: Path) -> None:
    folder = workspace(REFERENCE, lines=lines())
    assert main(["map", str(folder), "--out", str(tmp_path / "map.html")]) == 0
    page = (tmp_path / "map.html").read_text("utf-8")
    for word in ("规划线路", "乙线", "条款", "studied", "planned"):
        assert word in page


def test_an_unknown_plan_status_is_an_error_in_a_reference_layer(workspace: Maker) -> None:
    wrong = lines()
    wrong["plan_status"] = ["规划", "研就", "现状"]
    ws = qp.open_workspace(workspace(REFERENCE, lines=wrong))
    (finding,) = [f for f in ws.findings if f.rule == "unknown_status"]
    assert (finding.severity, finding.feature_id, finding.value) == ("error", "s", "研就")


def test_a_reference_layer_names_a_field_that_is_not_there(workspace: Maker) -> None:
    with pytest.raises(LayerError, match="no field 'claus', did you mean 'clause'"):
        qp.open_workspace(workspace(REFERENCE.replace('"clause"', '"claus"'), lines=lines()))


def test_a_row_without_geometry_is_named_and_left_out(workspace: Maker) -> None:
    some = lines()
    some.loc[1, "geometry"] = None
    ws = qp.open_workspace(workspace(REFERENCE, lines=some))
    assert list(ws.references[0].frame["feature_id"]) == ["p", "e"]
    assert [f.feature_id for f in ws.findings if f.rule == "no_geometry"] == ["s"]


def test_synthetic_data_are_said_in_title_table_and_map(workspace: Maker, tmp_path: Path) -> None:
    toml = layer("water", 'class_field = "class"').replace("surveyed", "synthetic")
    folder = workspace(toml, water=lake())
    out = tmp_path / "out"
    assert main(["run", str(folder), "--out", str(out)]) == 0
    assert "<title>四镇 规划指标（合成数据，仅供试用）（草稿）</title>" in (out / "map.html").read_text("utf-8")
    sheet = openpyxl.load_workbook(out / "indicators.xlsx").worksheets[0]
    assert "合成数据" in sheet["A1"].value
    assert "合成数据" in json.loads((out / "manifest.json").read_text("utf-8"))["title"]
    rows = [r for r in (out / "indicators.csv").read_text("utf-8-sig").splitlines() if ",synthetic," in r]
    assert rows
    assert all("合成数据，不反映现状" in row for row in rows)


def test_data_that_are_not_synthetic_are_not_called_so(workspace: Maker, tmp_path: Path) -> None:
    folder = workspace(layer("water", 'class_field = "class"'), water=lake())
    assert main(["run", str(folder), "--out", str(tmp_path / "out")]) == 0
    for name in ("map.html", "indicators.csv", "manifest.json"):
        assert "合成数据，" not in (tmp_path / "out" / name).read_text("utf-8-sig")


def test_points_can_be_shown(workspace: Maker) -> None:
    spots = frame([Point(EAST + 10, NORTH + 10)], key=["x"], label=["站"], plan_status=["规划"], clause=[""])
    assert len(qp.open_workspace(workspace(REFERENCE, lines=spots)).references[0].frame) == 1


@pytest.mark.parametrize(("metres", "said"), [(500, False), (300_000, True)])
def test_a_reference_that_lies_elsewhere_is_said(workspace: Maker, metres: float, said: bool) -> None:
    spots = frame([Point(EAST + metres, NORTH)], key=["x"], label=["站"], plan_status=["规划"], clause=[""])
    findings = qp.open_workspace(workspace(REFERENCE, lines=spots)).findings
    assert ("reference_elsewhere" in {f.rule for f in findings}) is said


def test_other_zones_leave_out_the_groups_that_they_cannot_make(workspace: Maker, tmp_path: Path) -> None:
    folder = workspace(
        '[[groups]]\nid = "wide"\nname = "大片"\nmembers = ["a", "gone"]\n',
        towns=frame([square(0, 0), square(5000, 0)], zone_id=["a", "gone"], name=["甲", "远"]),
        head='name = "x"\nperiod = "2024"\n[zones]\nfile = "towns.gpkg"\ngrade = "surveyed"\n',
    )
    other = tmp_path / "other.gpkg"
    frame([square(0, 0, 900)], XZQDM=["a"], XZQMC=["甲"]).to_file(other)
    table = ZonesTable(file=str(other), grade=Grade.OPEN)
    ws = qp.open_workspace(folder, zones=table)
    assert [(f.rule, f.feature_id, f.value) for f in ws.findings if f.rule == "group_left_out"] == [
        ("group_left_out", "gone", "大片")
    ]
    assert ws.area.groups == ()


LANDUSE = layer("landuse", 'scheme = "sandiao"', 'class_field = "DLBM"') + '[layers.forest]\nfrom = "landuse"\n'


def test_a_zone_without_parcels_is_not_surveyed(workspace: Maker) -> None:
    """Land use leaves no ground out: a zone without parcels has no value, a zone partly without says so."""
    parcels = frame([square(0, 0), square(1000, 0, 500, 1000)], DLBM=["0301", "0101"])
    ws = qp.open_workspace(workspace(LANDUSE, landuse=parcels))
    missing = {f.feature_id for f in ws.findings if f.rule == "landuse_missing"}
    gaps = {f.feature_id: f.value for f in ws.findings if f.rule == "landuse_gap"}
    assert (missing, gaps) == ({"c", "d"}, {"b": "50.00%"})
    table = qp.assess(ws)["forest_cover"].set_index("zone_id")
    assert table.loc["a", "value"] == pytest.approx(100)
    assert table.loc["b", "value"] == 0
    assert table.loc[["c", "d"], "value"].isna().all()
    assert set(table.loc[["c", "d"], "status"]) == {"not_computable"}
    assert "50.00%" in table.loc["b", "note"]
    assert "37.50%" in table.loc["all", "note"]  # one and a half of four towns


def test_parcels_that_cover_everything_are_complete(workspace: Maker) -> None:
    ws = qp.open_workspace(workspace(LANDUSE, landuse=frame([square(0, 0, 2000)], DLBM=["0301"])))
    assert not [f for f in ws.findings if f.rule.startswith("landuse_")]


def test_a_file_that_calls_itself_synthetic_is_synthetic(workspace: Maker) -> None:
    lakes = lake()
    lakes["grade"] = ["synthetic"]
    ws = qp.open_workspace(workspace(layer("water", 'class_field = "class"'), water=lakes))
    assert ws.layers["water"].source.grade == "synthetic"
    (finding,) = [f for f in ws.findings if f.rule == "grade_overstated"]
    assert (finding.layer, finding.value) == ("water", "synthetic")
    assert "合成数据" in qp.assess(ws).heading


def test_a_file_that_calls_itself_better_stays_what_the_workspace_says(workspace: Maker) -> None:
    lakes = lake()
    lakes["grade"] = ["official"]
    ws = qp.open_workspace(workspace(layer("water", 'class_field = "class"'), water=lakes))
    assert ws.layers["water"].source.grade == "surveyed"
    assert not [f for f in ws.findings if f.rule == "grade_overstated"]


def test_what_is_synthetic_but_feeds_no_value_is_not_in_the_title(workspace: Maker) -> None:
    toml = layer("water", 'class_field = "class"') + layer("residents").replace("surveyed", "synthetic")
    spots = frame([Point(EAST + 10, NORTH + 10)])
    result = qp.assess(qp.open_workspace(workspace(toml, water=lake(), residents=spots)))
    assert result.heading == "四镇 规划指标（草稿）"
    assert "synthetic" in result.workspace.grades


def test_groups_say_which_members_are_missing_in_one_line(workspace: Maker) -> None:
    head = (
        'name = "x"\nperiod = "2024"\n[zones]\nfile = "towns.gpkg"\ngrade = "open"\n[[groups]]\nid = "g"\nname = "片"\n'
    )
    with pytest.raises(ConfigError, match="group 'g': members 'x', 'y' are not among the zones; add them, or remove"):
        qp.open_workspace(workspace('members = ["a", "x", "y"]', head=head))
    with pytest.raises(ConfigError, match=r"none of its members is among the zones \(a, b, c ...\); check id_field"):
        qp.open_workspace(workspace('members = ["x", "y"]', head=head))


def test_an_unknown_style_is_refused(workspace: Maker) -> None:
    with pytest.raises(ConfigError, match="unknown style; did you mean 'corridors'"):
        qp.open_workspace(workspace(REFERENCE + 'style = "coridors"\n', lines=lines()))


def test_a_measured_layer_can_show_more_of_its_features(workspace: Maker, tmp_path: Path) -> None:
    lakes = lake()
    lakes["accuracy_m"] = [30]
    toml = layer("water", 'class_field = "class"', 'show = ["accuracy_m"]')
    folder = workspace(toml, water=lakes)
    assert main(["map", str(folder), "--out", str(tmp_path / "map.html")]) == 0
    assert '["精度（约，米）", "30"]' in (tmp_path / "map.html").read_text("utf-8").replace('","', '", "')
    with pytest.raises(LayerError, match="no field 'accuracy'"):
        qp.open_workspace(workspace(toml.replace("accuracy_m", "accuracy"), water=lakes))


def test_the_embedded_workspace_can_be_copied(tmp_path: Path, embedded: qp.Workspace) -> None:
    assert main(["init", str(tmp_path / "mine"), "--embedded"]) == 0
    copied = qp.open_workspace(tmp_path / "mine")
    assert repr(copied) == repr(embedded)
    assert {i.sha256 for i in copied.inputs if i.role != "workspace"} == {
        i.sha256 for i in embedded.inputs if i.role != "workspace"
    }
    assert main(["init", str(tmp_path / "mine"), "--embedded"]) == 2


def test_an_own_zone_beside_the_area_is_not_surveyed(workspace: Maker) -> None:
    """`extent = "area"` is the ground of the zones; own zones may lie beside it."""
    beside = frame([square(5000, 0), square(1500, 0)], zone_id=["out", "half"], name=["外", "半"])
    toml = OWN.replace("core.gpkg", "beside.gpkg") + layer("water", 'class_field = "class"')
    result = qp.assess(qp.open_workspace(workspace(toml, beside=beside, water=lake())))
    values = result["water_surface_share"].set_index("zone_id")
    assert values.loc["out", "status"] == "not_computable"
    assert "50" in values.loc["half", "note"]
    assert {f.feature_id for f in result.findings if f.rule == "partly_surveyed"} == {"out", "half"}


def test_an_own_zone_on_another_continent_is_refused(workspace: Maker) -> None:
    far = frame([square(0, 0)], zone_id=["far"], name=["远"]).to_crs(4326)
    far["geometry"] = far.geometry.translate(-190, -62)
    with pytest.raises(ZoneError, match="zone 'far' is too far from the other zones"):
        qp.open_workspace(workspace(OWN.replace("core", "far"), far=far))


def test_a_synthetic_statistic_is_said(workspace: Maker) -> None:
    folder = workspace('[tables]\nstatistics = "s.csv"\n')
    (folder / "s.csv").write_text("indicator,zone,period,value,grade,source\nfoo,a,2024,5,synthetic,x\n", "utf-8")
    result = qp.assess(qp.open_workspace(folder))
    (row,) = [row for row in result.rows if row.indicator == "foo" and row.value is not None]
    assert "合成数据" in row.note
    assert "合成数据" in result.heading


def test_the_manifest_names_every_input(workspace: Maker) -> None:
    folder = workspace(
        OWN + OWN.replace("[[own_zones]]", '[[own_zones]]\nlayer = "second"') + layer("water", 'class_field = "class"'),
        core=core(),
        water=lake(),
    )
    text = (
        (folder / "qpgis.toml")
        .read_text("utf-8")
        .replace("[[own_zones]]\nfile", '[[own_zones]]\nlayer = "core"\nfile', 1)
    )
    reference = '[reference.water]\nfile = "water.gpkg"\ngrade = "synthetic"\n'
    (folder / "qpgis.toml").write_text(text + reference, "utf-8")
    frame([square(0, 0, 100)], zone_id=["two"], name=["二"]).to_file(folder / "core.gpkg", layer="second")
    ws = qp.open_workspace(folder)
    named = sorted((i.name, i.role, str(i.grade)) for i in ws.inputs)
    assert named == [
        ("core.gpkg", "own_zones", "schematic"),
        ("core.gpkg", "own_zones", "schematic"),
        ("qpgis.toml", "workspace", "None"),
        ("towns.gpkg", "zones", "surveyed"),
        ("water.gpkg", "reference.water", "synthetic"),
        ("water.gpkg", "water", "surveyed"),
    ]


def test_shown_attributes_never_replace_declared_ones(workspace: Maker) -> None:
    some = lines().assign(name="x", fill="#ff0000")
    ws = qp.open_workspace(workspace(REFERENCE.replace('["clause"]', '["name", "fill", "key"]'), lines=some))
    frame_ = ws.references[0].frame
    assert list(frame_["name"]) == ["甲线", "乙线", "丙线"]
    assert "fill" not in frame_
    assert list(frame_["show_name"]) == ["x", "x", "x"]


def test_a_line_of_one_point_names_its_file(workspace: Maker) -> None:
    folder = workspace(REFERENCE.replace("lines.gpkg", "one.geojson"))
    geometry = {"type": "LineString", "coordinates": [[121.0, 31.0]]}
    properties = {"key": "a", "label": "b", "plan_status": "现状", "clause": ""}
    feature = {"type": "Feature", "properties": properties, "geometry": geometry}
    (folder / "one.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}), "utf-8")
    with pytest.raises(SourceError, match=r"one\.geojson: can't be read"):
        qp.open_workspace(folder)
