"""The lines of qpgis.toml that inspect suggests are lines that open, and guess no more than the file says."""

from __future__ import annotations

import json
from pathlib import Path

import geopandas as gpd
import pytest
from shapely import LineString, Point, Polygon
from shapely.affinity import translate

import qpgis as qp
from qpgis.cli import main
from qpgis.layers import LAYERS
from qpgis.workspace.suggestion import known_words
from tests.conftest import EAST, NORTH, Maker, frame, square

ROAD = LineString([(EAST, NORTH), (EAST + 1000, NORTH)])
PLACE = Point(EAST, NORTH)


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict:
    main(["inspect", "--json", *arguments])
    (one,) = json.loads(capsys.readouterr().out)
    return one


def lines(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    return told(capsys, *arguments)["layers"][0]["toml"].splitlines()


def written(tmp_path: Path, name: str, shapes: gpd.GeoDataFrame) -> str:
    shapes.to_file(tmp_path / name, driver="GPKG")
    return str(tmp_path / name)


def test_parcels_of_the_survey(tmp_path: Path, workspace: Maker, capsys: pytest.CaptureFixture[str]) -> None:
    columns = {"BSM": ["1"], "DLBM": ["1101"], "TBMJ": [1e6], "TBDLMJ": [1e6], "KCXS": [0.0]}
    told = lines(capsys, written(tmp_path, "DLTB.gpkg", frame([square(0, 0)], **columns)))
    assert told[:2] == ["[layers.landuse]", 'file = "DLTB.gpkg"']
    assert told[2].startswith('grade = "?"')
    assert {'class_field = "DLBM"', 'area_field = "TBMJ"', 'net_area_field = "TBDLMJ"', 'deduction_field = "KCXS"'} <= {
        *told
    }
    assert 'extent = "area"' in told
    assert told[-2:] == ["# [layers.water]", '# from = "landuse"'], "only what its codes are classes of"
    filled = "\n".join(told).replace('grade = "?"', 'grade = "official"').replace('scheme = "?"', 'scheme = "sandiao"')
    folder = workspace(filled.replace("# [layers", "[layers").replace("# from", "from"))
    (tmp_path / "DLTB.gpkg").rename(folder / "DLTB.gpkg")
    layers = qp.open_workspace(folder).layers
    assert list(layers["landuse"].frame["class_"]) == ["1101"]
    assert list(layers["water"].frame["class_"]) == ["river"]


def test_codes_without_a_known_name_and_how_schemes_fit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shapes = frame([square(0, 0), square(1000, 0)], what=["0810A", "05H1"])
    told = lines(capsys, written(tmp_path, "x.gpkg", shapes))
    assert 'class_field = "what"' in told
    assert any(line.startswith('scheme = "?"  # sandiao 100%') for line in told)


def test_towns_are_zones(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    towns = frame([square(0, 0)], XZQDM=["310118001"], XZQMC=["夏阳街道"])
    told = lines(capsys, written(tmp_path, "towns.gpkg", towns))
    assert told[0] == "[zones]"
    assert told[3:] == ['id_field = "XZQDM"', 'name_field = "XZQMC"']


def test_one_of_several_layers_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a", "b"):
        frame([square(0, 0)]).to_file(tmp_path / "two.gpkg", layer=name, driver="GPKG")
    assert 'layer = "b"' in lines(capsys, str(tmp_path / "two.gpkg"), "--layer", "b")


def test_what_was_declared_stands_in_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "p.csv"
    path.write_text(f"n,x,y\na,{EAST},{NORTH}\n", encoding="utf-8")
    assert 'crs = "EPSG:4549"' in lines(capsys, str(path), "--crs", "EPSG:4549")


@pytest.mark.parametrize(
    ("name", "shape", "section"),
    [
        ("城市公园", square(0, 0), "[layers.park]"),
        ("parks_2024", square(0, 0), "[layers.park]"),
        ("现状水系", square(0, 0), "[layers.water]"),
        ("现状水系", ROAD, "[layers.waterways]"),
        ("道路中心线", ROAD, "[layers.roads]"),
        ("内部道路", ROAD, "[layers.service]"),
        ("轨道站点_百度", PLACE, "[layers.stations]"),
        ("公共服务设施", PLACE, "[layers.facilities]"),
        ("乡镇界线", square(0, 0), "[zones]"),
        # no evidence, or against it
        ("用地红线", square(0, 0), "[layers.?]"),
        ("标注", PLACE, "[layers.?]"),
        ("道路用地", square(0, 0), "[layers.?]"),
        ("道路红线", ROAD, "[layers.?]"),
        ("公交站点", PLACE, "[layers.?]"),
        ("湿地公园", square(0, 0), "[layers.?]"),
        ("parking", square(0, 0), "[layers.?]"),
    ],
)
def test_a_name_is_evidence(
    name: str, shape: object, section: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lines(capsys, written(tmp_path, f"{name}.gpkg", frame([shape])))[0] == section  # type: ignore[list-item]


def test_without_evidence_the_kinds_that_take_the_geometry_are_listed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = lines(capsys, written(tmp_path, "x.gpkg", frame([ROAD])))
    assert told[0] == "[layers.?]"
    assert told[1].startswith("#")
    assert all(kind in told[1] for kind in ("roads 道路", "rail 轨道交通", "waterways", "qpgis list layers"))
    assert "water 水域" not in told[1]


def test_the_file_s_name_says_nothing_of_each_of_several_layers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("水系", "其他"):
        frame([square(0, 0)]).to_file(tmp_path / "公园.gpkg", layer=name, driver="GPKG")
    views = told(capsys, str(tmp_path / "公园.gpkg"))["layers"]
    assert {view["name"]: view["toml"].splitlines()[0] for view in views} == {
        "水系": "[layers.water]",
        "其他": "[layers.?]",
    }


def test_values_are_evidence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    columns = {
        "LXMC": ["甲路", "乙路"],
        "GLDJ": ["国道", "县道"],
        "ZT": ["现状", "规划"],
        "通车日期": ["2020", "2027-01-01"],
    }
    told = lines(capsys, written(tmp_path, "x.gpkg", frame([ROAD, ROAD], **columns)))
    assert told[0] == "[layers.roads]"
    assert told[3:] == [
        'name_field = "LXMC"',
        'class_field = "GLDJ"',
        'status_field = "ZT"',
        'opened_field = "通车日期"',
    ]


def test_other_words_are_no_classes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    columns = {"等级": ["甲", "乙"], "备注": ["现状", "待定"], "通车日期": ["不详", "待定"]}
    told = lines(capsys, written(tmp_path, "道路.gpkg", frame([ROAD, ROAD], **columns)))
    assert told[0] == "[layers.roads]"
    assert len(told) == 3


def test_fields_of_facilities_and_towns(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shapes = frame([PLACE, PLACE], 编号=["F1", "F2"], 名称=["甲", "乙"], 类别=["小学", "小学"])
    told = lines(capsys, written(tmp_path, "公共服务设施.gpkg", shapes))
    assert told[3:] == ['id_field = "编号"', 'name_field = "名称"', 'class_field = "类别"']
    told = lines(capsys, written(tmp_path, "街道.gpkg", frame([square(0, 0)], 街道名称=["甲"])))
    assert told[0] == "[zones]"
    assert told[3:] == ['id_field = "?"', 'name_field = "街道名称"']


def test_a_system_that_nobody_knows_is_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "p.csv"
    path.write_text(f"n,x,y\na,{EAST},{NORTH}\n", encoding="utf-8")
    assert 'crs = "?"  # EPSG:4549' in lines(capsys, str(path))


def test_of_no_features_nothing_is_guessed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frame([], crs=None).to_parquet(tmp_path / "x.parquet")
    told = lines(capsys, str(tmp_path / "x.parquet"))
    assert told[0] == "[layers.?]"
    assert 'crs = "?"' in told


def test_a_relative_path_is_as_it_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "data").mkdir()
    path = written(tmp_path / "data", "x.gpkg", frame([ROAD]))
    monkeypatch.chdir(tmp_path)
    one = told(capsys, "data/x.gpkg")
    assert one["file"] == "x.gpkg"
    assert 'file = "data/x.gpkg"' in one["layers"][0]["toml"].splitlines()
    assert 'file = "x.gpkg"' in lines(capsys, path)


def test_every_kind_of_words_is_a_kind() -> None:
    words = known_words("kinds")
    assert set(words) <= {*LAYERS, "zones", "none"}
    assert all(word == word.casefold() for one in words.values() for word in one)
    assert set(known_words("fields")) == {"id", "name", "class", "opened"}


# -------------------------------------------------------------------------------------------------------- what is told


def test_who_said_which_system(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "p.csv"
    path.write_text("n,lon,lat\na,121.1,31.1\n", encoding="utf-8")
    main(["inspect", str(path)])
    assert "EPSG:4326 (按经纬度列推定)" in capsys.readouterr().out
    path = tmp_path / "w.csv"
    path.write_text('n,wkt\na,"SRID=4326;POINT(121.1 31.1)"\n', encoding="utf-8")
    main(["inspect", str(path)])
    assert "EPSG:4326 (文件声明)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("head", "first", "second", "taken"),
    [
        ("项目X,项目Y", EAST, NORTH, "--x-field 项目X --y-field 项目Y --crs EPSG:4549"),
        ("X_2000,Y_2000", NORTH, EAST, "--x-field Y_2000 --y-field X_2000 --crs EPSG:4549"),
        ("拐点东坐标值,拐点北坐标值", EAST, NORTH, "--x-field 拐点东坐标值 --y-field 拐点北坐标值 --crs EPSG:4549"),
    ],
)
def test_columns_that_may_be_coordinates_are_hinted_at(
    head: str, first: int, second: int, taken: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "p.csv"
    path.write_text(f"n,{head}\na,{first},{second}\nb,{first + 5},{second + 9}\n", encoding="utf-8")
    assert main(["inspect", str(path)]) == 0
    assert taken in capsys.readouterr().out
    arguments = taken.split()
    assert main(["inspect", str(path), *arguments]) == 0, "what is hinted at works"
    assert "Point 2" in capsys.readouterr().out


def test_other_columns_are_no_coordinates(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "p.csv"
    path.write_text("name,tax,total\na,1,2\nb,3,4\n", encoding="utf-8")
    assert main(["inspect", str(path)]) == 0
    assert "--x-field" not in capsys.readouterr().out


def test_what_lies_near_nothing_known_isn_t_held_against_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # west of Qingpu, within the box of what is known and hardly anything of it near
    places = [Point(EAST - 45_000 + 1500 * i, NORTH + 5000 + 1500 * j) for i in range(12) for j in range(8)]
    main(["inspect", written(tmp_path, "x.gpkg", frame(list(places)))])
    out = capsys.readouterr().out
    assert "中位偏差" not in out
    assert "附近没有可对照的" in out


def test_many_findings_alike_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tie = Polygon([(EAST, NORTH), (EAST + 9, NORTH + 9), (EAST + 9, NORTH), (EAST, NORTH + 9)])
    ties = [translate(tie, 20 * n) for n in range(30)]
    for lang, words in (("zh", "另有 10 条同类"), ("en", "10 more alike")):
        main(["inspect", "--lang", lang, written(tmp_path, f"{lang}.gpkg", frame(ties))])
        printed = capsys.readouterr().out.splitlines()
        assert sum("invalid_geometry: " in line for line in printed) == 20
        (more,) = [line for line in printed if words in line]
        assert "findings.csv" not in more
