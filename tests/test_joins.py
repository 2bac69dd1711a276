"""Tables joined to layers by keys, and fields known by the names that planning databases give them."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import pytest
from shapely import Point

import qpgis as qp
from qpgis.cli import main
from qpgis.errors import LayerError, SourceError
from qpgis.findings import Finding
from tests.conftest import EAST, HEAD, NORTH, Maker, frame, layer, square

JOIN = '[layers.stations.join]\nfile = "riders.csv"\non = "label"\nkey = "站名"\n'


def stops(*names: str) -> object:
    return frame([Point(EAST + 100 * n, NORTH + 100) for n, _ in enumerate(names)], label=list(names))


def table(folder: Path, text: str) -> None:
    (folder / "riders.csv").write_text(text, encoding="utf-8")


def found(findings: tuple[Finding, ...], rule: str) -> list[tuple[str, str]]:
    return [(f.feature_id, f.value) for f in findings if f.rule == rule]


def test_a_join_keeps_every_feature_and_names_what_has_no_partner(workspace: Maker) -> None:
    extra = 'name_field = "label"\nshow = ["人次"]\n' + JOIN
    folder = workspace(layer("stations", extra), stations=stops("朱家角", "西岑", "东方绿舟"))
    table(folder, "站名,人次\n朱家角,1200\n西岑,80\n徐泾北城,5\n")
    opened = qp.open_workspace(folder)
    stations = opened.layers["stations"].frame
    assert dict(zip(stations["name"], stations["show_人次"], strict=True)) == {
        "朱家角": "1200",
        "西岑": "80",
        "东方绿舟": "",
    }
    assert found(opened.findings, "join_without_row") == [("东方绿舟", "1 / 3")]
    assert found(opened.findings, "join_without_feature") == [("徐泾北城", "1")]


def test_what_is_joined_to_zones_is_shown(workspace: Maker, tmp_path: Path) -> None:
    zones = 'grade = "surveyed"\nshow = ["人口"]\n[zones.join]\nfile = "riders.csv"\non = "name"\nkey = "镇"\n'
    folder = workspace(head=HEAD.replace('grade = "surveyed"\n', zones, 1))
    table(folder, "镇,人口\n甲,31000\n乙,28000\n丙,9000\n丁,\n")
    area = qp.open_workspace(folder).area.frame().set_index("zone_id")
    assert area["show_人口"].to_dict() == {"a": "31000", "b": "28000", "c": "9000", "d": "", "south": "", "all": ""}
    assert main(["run", str(folder), "--out", str(tmp_path / "out")]) == 0
    assert '"facts":[["人口",' in (tmp_path / "out" / "map.html").read_text("utf-8").replace(" ", "")
    written = gpd.read_file(tmp_path / "out" / "indicators.gpkg", layer="zones").set_index("zone_id")
    assert written.loc["a", "show_人口"] == "31000"
    (folder / "qpgis.toml").write_text((folder / "qpgis.toml").read_text("utf-8").replace("人口", "人数"), "utf-8")
    with pytest.raises(LayerError, match="no field '人数'"):
        qp.open_workspace(folder)


def test_rows_without_a_key_are_counted(workspace: Maker) -> None:
    folder = workspace(layer("stations", JOIN), stations=stops("朱家角", "西岑"))
    table(folder, "站名,人次\n朱家角,1200\n,7\n西岑,80\n  ,9\n")
    findings = qp.open_workspace(folder).findings
    assert found(findings, "join_row_without_key") == [("", "2")]
    assert not found(findings, "join_without_row")


def test_names_match_across_width_and_traditional_characters(workspace: Maker) -> None:
    folder = workspace(layer("stations", JOIN), stations=stops("漕盈路", "练塘 ", "Ａ站"))
    table(folder, "站名,人次\n漕盈路,1\n練塘,2\na站,3\n")
    findings = qp.open_workspace(folder).findings
    assert not found(findings, "join_without_row")
    assert not found(findings, "join_without_feature")
    assert found(findings, "join_by_folding") == [("练塘; Ａ站", "2")]


def test_a_key_that_stands_twice_is_refused(workspace: Maker) -> None:
    folder = workspace(layer("stations", JOIN), stations=stops("朱家角"))
    table(folder, "站名,人次\n朱家角,1\n朱家角,2\n")
    with pytest.raises(LayerError, match="朱家角 stand more than once in '站名'"):
        qp.open_workspace(folder)


def test_a_missing_key_and_a_missing_table_are_named(workspace: Maker) -> None:
    folder = workspace(layer("stations", JOIN), stations=stops("朱家角"))
    with pytest.raises(SourceError, match=r"riders\.csv"):
        qp.open_workspace(folder)
    table(folder, "站,人次\n朱家角,1\n")
    with pytest.raises(LayerError, match="no field '站名' to join by, did you mean '站'"):
        qp.open_workspace(folder)


def test_a_table_without_coordinates_is_no_layer(workspace: Maker) -> None:
    folder = workspace(layer("stations").replace("stations.gpkg", "riders.csv"))
    table(folder, "站名,人次\n朱家角,1\n")
    with pytest.raises(SourceError, match="table without geometries; name its columns with x_field and y_field"):
        qp.open_workspace(folder)


def test_fields_of_the_database_specification_need_no_naming(workspace: Maker) -> None:
    parcels = frame([square(0, 0, 2000, 2000)], bsm=["310118000000000001"], DLBM=["1101"])
    folder = workspace(layer("landuse", 'scheme = "sandiao"'), landuse=parcels)
    opened = qp.open_workspace(folder)
    rows = opened.layers["landuse"].frame
    assert rows[["feature_id", "class_"]].to_numpy().tolist() == [["310118000000000001", "1101"]]
    assert {value for _, value in found(opened.findings, "field_by_alias")} == {"bsm", "DLBM"}


def test_zones_by_the_names_of_the_specification(workspace: Maker) -> None:
    towns = frame([square(0, 0)], XZQDM=["310118001"], XZQMC=["夏阳街道"])
    head = 'name = "x"\nperiod = "2024"\nsecrecy = "public"\n[zones]\nfile = "towns.gpkg"\ngrade = "surveyed"\n'
    area = qp.open_workspace(workspace(head=head, towns=towns)).area
    assert (area.base.ids, area.base.names) == (("310118001",), ("夏阳街道",))


def test_land_use_without_any_field_of_codes_is_refused(workspace: Maker) -> None:
    folder = workspace(layer("landuse", 'scheme = "sandiao"'), landuse=frame([square(0, 0)], kind=["1101"]))
    with pytest.raises(LayerError, match="name class_field"):
        qp.open_workspace(folder)


def test_inspect_says_how_a_table_joins(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "stops.csv").write_text("站名,lon,lat\n朱家角,121.05,31.1\n西岑,120.96,31.07\n", encoding="utf-8")
    (tmp_path / "riders.csv").write_text("线路,车站,人次\n17,朱家角,1200\n17,徐泾北城,5\n", encoding="utf-8")
    assert main(["inspect", str(tmp_path / "stops.csv"), str(tmp_path / "riders.csv"), "--lang", "en"]) == 0
    told = capsys.readouterr().out
    assert "can be joined to stops.csv by 车站 = 站名: 1 of 2 features have a row" in told
    assert "1 / 2 features have no row in the table: 西岑" in told
    assert "1 keys of the table belong to no feature: 徐泾北城" in told
