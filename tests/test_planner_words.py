"""Mistakes that planners make in qpgis.toml and in tables: the line, the cause and the remedy stand in the message."""

from __future__ import annotations

from pathlib import Path

import pytest

import qpgis as qp
from qpgis.catalogue import parsed_toml
from qpgis.errors import ConfigError, did_you_mean
from qpgis.quality.areas import read_control_areas
from qpgis.workspace.config import read_config
from qpgis.workspace.tables import read_baselines, read_statistics, read_targets
from tests.conftest import HEAD, Maker

ZONES = {"a": "朱家角镇", "b": "练塘镇", "c": "同名", "d": "同名"}


@pytest.mark.parametrize(
    ("word", "known", "expected"),
    [
        ("DLMB", ["DLBM", "DLMC"], "did you mean 'DLBM'?"),
        ("DLCM", ["DLBM", "DLMC"], "did you mean 'DLMC'?"),
        ("dlbm", ["DLBM", "DLMC"], "did you mean 'DLBM'?"),
        ("sandaio", ["sandiao", "sanddio"], "did you mean 'sandiao'?"),
        ("watr", ["water", "roads"], "did you mean 'water'?"),
        ("xyz", ["water", "roads"], "known: roads, water"),
    ],
)
def test_exchanged_letters_come_first(word: str, known: list[str], expected: str) -> None:
    assert did_you_mean(word, known) == expected


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        ("file = “data/a.shp”", "Chinese punctuation (“)"),
        ("file = ‘data/a.shp’", "Chinese punctuation (‘)"),
        ('file = "data/a.shp”', "Chinese punctuation (”)"),
        ('file ＝ "data/a.shp"', "Chinese punctuation (＝)"),
        ("［zones］", "Chinese punctuation (［)"),
        ('members = ["甲"，"乙"]', "Chinese punctuation (，)"),
        ('file = "D:\\资料\\a.shp"', "write / in paths"),
        ('file = "C:\\Users\\a.shp"', "write / in paths"),
        ("[layers.?]", "fill in"),
    ],
)
def test_what_is_no_toml_names_line_and_cause(line: str, cause: str) -> None:
    with pytest.raises(ValueError, match="line 2") as caught:
        parsed_toml(f'name = "甲，“乙”"\n{line}\n')
    assert cause in str(caught.value)


def test_other_mistakes_name_no_cause_that_isn_t_theirs() -> None:
    with pytest.raises(ValueError, match="line 2") as caught:
        parsed_toml('name = "甲，乙"\n"甲，“乙”" = # ，\n')
    assert "punctuation" not in str(caught.value)
    assert parsed_toml('name = "甲，“乙”"')["name"] == "甲，“乙”"


@pytest.mark.parametrize("path", ["data\\towns.shp", "data\\new.shp", "data\\bounds.shp", "data\\roads.shp"])
def test_a_backslash_that_toml_takes_for_something_else(path: str, tmp_path: Path) -> None:
    text = HEAD.replace('file = "towns.gpkg"', f'file = "{path}"')
    (tmp_path / "qpgis.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"line 5: file: .*write / in paths"):
        read_config(tmp_path / "qpgis.toml")
    (tmp_path / "qpgis.toml").write_text(text.replace("\\", "\\\\"), encoding="utf-8")
    assert read_config(tmp_path / "qpgis.toml").zones.file == path


@pytest.mark.parametrize("word", ["官方", "正式"])
def test_grades_are_named_with_what_outputs_call_them(word: str, tmp_path: Path) -> None:
    text = HEAD.replace('grade = "surveyed"', f'grade = "{word}"')
    (tmp_path / "qpgis.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=rf"line 6: grade = '{word}'.*use official \(官方\), surveyed \(测绘调查\)"):
        read_config(tmp_path / "qpgis.toml")
    (tmp_path / "s.csv").write_text(f"indicator,zone,period,value,grade,source\nx,a,2024,1,{word},y\n", "utf-8")
    with pytest.raises(ConfigError, match=rf"line 2: grade '{word}'.*use official \(官方\)"):
        read_statistics(tmp_path / "s.csv", ZONES)


@pytest.mark.parametrize(
    ("word", "id", "title"),
    [
        ("三调", "sandiao", "第三次全国国土调查工作分类"),
        ("第三次全国国土调查工作分类", "sandiao", "第三次全国国土调查工作分类"),
        ("土地利用现状", "gbt21010_2017", "土地利用现状分类"),
        ("WorldCover", "worldcover", "欧空局全球土地覆被"),
    ],
)
def test_schemes_are_named_by_id(word: str, id: str, title: str, tmp_path: Path) -> None:
    layer = f'[layers.landuse]\nfile = "x.gpkg"\ngrade = "open"\nscheme = "{word}"\n'
    (tmp_path / "qpgis.toml").write_text(HEAD + layer, encoding="utf-8")
    with pytest.raises(ConfigError, match=rf"unknown land-use scheme '{word}'; did you mean '{id}' \({title}\)"):
        read_config(tmp_path / "qpgis.toml")


# -------------------------------------------------------------------------------------------------------------- tables


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "t.csv"
    path.write_text(text, encoding="utf-8-sig")
    return path


@pytest.mark.parametrize("zone", ["a", "朱家角镇", "朱家角鎮", " 朱家角 镇"])
def test_a_zone_is_named_by_id_or_name(zone: str, tmp_path: Path) -> None:
    path = written(tmp_path, f"indicator,zone,period,value,grade,source\nx,{zone},2024,1,open,y\n")
    assert [one.zone for one in read_statistics(path, ZONES)] == ["a"]
    path = written(tmp_path, f"indicator,zone,period,value,source\nx,{zone},2024,1,y\n")
    assert list(read_baselines(path, ZONES)) == [("x", "a")]
    head = "indicator,zone,year,operator,value,text,property,document"
    path = written(tmp_path, f"{head}\nx,{zone},2035,ge,1,1,,y\n")
    assert [one.zone for one in read_targets(path, ZONES)] == ["a"]
    path = written(tmp_path, f"zone_id,area,unit,source\n{zone},1,km2,y\n")
    assert list(read_control_areas(path, ZONES)) == ["a"]


@pytest.mark.parametrize("zone", ["同名", "朱家角"])
def test_a_name_of_several_or_of_none_is_refused(zone: str, tmp_path: Path) -> None:
    path = written(tmp_path, f"indicator,zone,period,value,source\nx,{zone},2024,1,y\n")
    with pytest.raises(ConfigError, match=f"line 2: zone '{zone}' is no zone"):
        read_baselines(path, ZONES)


def test_id_and_name_of_one_zone_say_the_same_twice(tmp_path: Path) -> None:
    path = written(tmp_path, "indicator,zone,period,value,source\nx,b,2024,1,y\nx,练塘镇,2024,2,y\n")
    with pytest.raises(ConfigError, match="line 3: says the same as line 2"):
        read_baselines(path, ZONES)
    path = written(tmp_path, "zone_id,area,unit,source\nb,1,km2,y\n练塘镇,1,km2,y\n")
    with pytest.raises(ConfigError, match="line 3: zone 'b' stands twice"):
        read_control_areas(path, ZONES)


def test_names_of_zones_and_groups_in_a_workspace(workspace: Maker) -> None:
    folder = workspace('[tables]\nstatistics = "s.csv"\n')
    rows = "indicator,zone,period,value,grade,source\ngreen_trips,全区,2024,61,open,x\ngreen_trips,甲,2024,60,open,x\n"
    (folder / "s.csv").write_text(rows, encoding="utf-8")
    assert [one.zone for one in qp.open_workspace(folder).statistics] == ["all", "a"]


def test_a_column_of_another_name_is_to_be_renamed(tmp_path: Path) -> None:
    path = written(tmp_path, "indicator,zone_id,period,value,source\nx,a,2024,1,y\n")
    with pytest.raises(ConfigError, match="no column 'zone'; there is 'zone_id': rename it to 'zone'"):
        read_baselines(path, ZONES)
    path = written(tmp_path, "甲,乙\n1,2\n")
    with pytest.raises(ConfigError, match="no column 'zone'; known: 乙, 甲"):
        read_baselines(path, ZONES)
