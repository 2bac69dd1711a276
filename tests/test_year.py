"""A bureau's year: a period rolled forward, a definition changed, a year frozen, signed, verified."""

from __future__ import annotations

import csv
import hashlib
import json
import zipfile
from pathlib import Path

import openpyxl
import pandas as pd
import pytest

import qpgis as qp
from qpgis.cli import main
from qpgis.errors import ConfigError, SourceError
from qpgis.verifying import Source, Verdict, verify
from tests.conftest import EAST, HEAD, NORTH, four_towns, frame, layer, square, write

CARD = """
[indicators.green_land]
zh = "绿地面积"
en = "Green land"
unit = "km2"
theme = "ecology"
[indicators.green_land.definitions.whole]
zh = "林地"
en = "Forest"
version = "{version}"
valid_from = "{since}"
approved_by = "局办〔2024〕1号"
numerator = {{measure = "area", of = "forest"{outside}}}
"""
STATISTICS = "indicator,zone,period,value,grade,source,department\nforest_cover,a,2024,40,official,统计年鉴,林业站\n"


@pytest.fixture
def land(tmp_path: Path) -> Path:
    """A workspace of 2024: four towns, forest on 30 % of town a, half of it over water."""
    home = tmp_path / "land"
    home.mkdir()
    tables = '[tables]\nstatistics = "statistics.csv"\n[definitions]\nforest_cover = ["total_area"]\n'
    toml = 'indicators = ["own.toml"]\n' + HEAD + tables + layer("forest") + layer("water", 'class_field = "class"')
    (home / "qpgis.toml").write_text(toml, encoding="utf-8")
    (home / "own.toml").write_text(CARD.format(version=1, since="2020", outside=""), encoding="utf-8")
    (home / "statistics.csv").write_text(STATISTICS, encoding="utf-8")
    water = frame([square(0, 500, 1000, 500)], **{"class": ["lake"]})
    write(home, {"towns": four_towns(), "forest": frame([square(0, 0, 300, 1000)]), "water": water})
    return home


def run(land: Path, period: str, out: str, *more: str) -> int:
    return main(["run", str(land), "--period", period, "--out", str(land.parent / out), *more])


def values(folder: Path, indicator: str, zone: str = "a") -> dict[str, float]:
    with (folder / "indicators.csv").open(encoding="utf-8-sig", newline="") as stream:
        rows = [r for r in csv.DictReader(stream) if (r["indicator"], r["zone_id"]) == (indicator, zone)]
    return {row["definition"]: float(row["value"]) for row in rows}


def rules(workspace: qp.Workspace) -> set[tuple[str, str, str]]:
    return {(f.rule, f.file, f.severity) for f in workspace.findings if f.rule.startswith("frozen")}


def test_a_year_is_rolled_forward(land: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (land / "qpgis.toml").read_text("utf-8")
    assert main(["init", "--from", str(land), "--period", "2025"]) == 0
    said = capsys.readouterr().out
    for one in ("towns.gpkg", "forest.gpkg", "water.gpkg", "statistics.csv", "own.toml", "forest_cover total_area"):
        assert one in said
    after = (land / "qpgis.toml").read_text("utf-8")
    assert after.startswith(before.rstrip())  # nothing that stood there was changed
    (land / "qpgis.toml").write_text(
        after
        + layer("periods.2025.layers.forest")
        .replace("layers.p", "p")
        .replace("periods.2025.layers.forest.gpkg", "forest25.gpkg"),
        encoding="utf-8",
    )
    write(land, {"forest25": frame([square(0, 0, 350, 1000)])})
    assert main(["init", "--from", str(land), "--period", "2025", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["added"] is False
    assert [m["name"] for m in told["missing"] if m["what"] == "layer"] == ["water"]
    assert run(land, "2025", "out25") == 0
    assert values(land.parent / "out25", "forest_cover")["total_area"] == pytest.approx(35, abs=1e-3)
    assert main(["init", "--from", str(land), "--period", "2026"]) == 0  # goes on from 2025, not from 2024
    ws = qp.open_workspace(land, period="2026")
    assert {f.layer: f.value for f in ws.findings if f.rule == "layer_of_main_period"} == {
        "forest": "2025",
        "water": "2024",
    }


@pytest.mark.parametrize("period", ["2024", "2023", "abc"])
def test_what_cant_be_rolled_leaves_everything_as_it_was(land: Path, period: str) -> None:
    before = (land / "qpgis.toml").read_bytes()
    assert main(["init", "--from", str(land), "--period", period]) == 2
    assert (land / "qpgis.toml").read_bytes() == before
    assert not list(land.glob(".qpgis-*"))


def test_ends_of_lines_stay_and_what_cant_be_added_to_is_left(land: Path) -> None:
    toml = land / "qpgis.toml"
    before = toml.read_bytes().replace(b"\n", b"\r\n")
    toml.write_bytes(before)
    assert main(["init", "--from", str(land), "--period", "2025"]) == 0
    after = toml.read_bytes()
    assert after.startswith(before.rstrip())
    assert after.count(b"\n") == after.count(b"\r\n")
    inline = b"periods = {2020 = {}}\r\n" + before
    toml.write_bytes(inline)
    assert run(land, "2024", "out", "--freeze") == 2  # before anything is computed
    assert toml.read_bytes() == inline
    assert not (land.parent / "out").exists()


def test_periods_that_go_in_a_circle_are_refused(land: Path) -> None:
    with (land / "qpgis.toml").open("a", encoding="utf-8") as stream:
        stream.write('[periods.2025]\nfrom = "2026"\n[periods.2026]\nfrom = "2025"\n')
    with pytest.raises(ConfigError, match="leads back"):
        qp.open_workspace(land, period="2025")


def test_a_year_as_one_story(land: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, toml = land.parent / "published", land / "qpgis.toml"
    assert run(land, "2024", "published", "--freeze") == 0
    published = {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}
    assert 'frozen = "' in toml.read_text("utf-8")
    assert run(land, "2024", "published") == 2  # never written over, by nobody
    assert main(["run", "--out", str(out)]) == 2
    assert main(["map", str(land), "--out", str(out / "map.html")]) == 2
    assert "frozen" in capsys.readouterr().err
    assert run(land, "2024", "elsewhere", "--freeze") == 2  # frozen already

    assert main(["init", "--from", str(land), "--period", "2025"]) == 0
    with (land / "statistics.csv").open("a", encoding="utf-8") as stream:
        stream.write("forest_cover,a,2025,41,official,统计年鉴,林业站\n")
    assert rules(qp.open_workspace(land, period="2024")) == set()  # neither a new year nor its rows touch the old one
    checks = verify(out, source=Source(land))
    assert [c for c in checks if c.verdict is Verdict.FAILS] == []
    assert [c.verdict for c in checks if c.part == "frozen"] == [Verdict.HOLDS]
    assert {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()} == published

    write(land, {"forest": frame([square(0, 0, 310, 1000)])})  # a frozen file, changed
    assert rules(qp.open_workspace(land)) == {("frozen_changed", "forest.gpkg", "error")}
    assert ("frozen_changed", "forest.gpkg", "warning") in rules(qp.open_workspace(land, period="2025"))
    assert run(land, "2024", "again") == 1
    capsys.readouterr()
    assert main(["stale", str(land), "--strict"]) == 1
    assert "恢复成冻结时的内容" in capsys.readouterr().out
    (land / "statistics.csv").write_text(STATISTICS.replace(",40,", ",39,"), encoding="utf-8")
    assert ("frozen_statistic", "statistics.csv", "error") in rules(qp.open_workspace(land))
    (land / "frozen" / "2024" / "indicators.csv").write_text("", encoding="utf-8")
    with pytest.raises(SourceError, match=r"bring manifest\.json"):
        qp.open_workspace(land)


def test_a_changed_definition_stands_beside_what_was_published(land: Path) -> None:
    assert run(land, "2024", "published", "--freeze") == 0
    (land / "own.toml").write_text(
        CARD.format(version=2, since="2025", outside=', outside = "water"'), encoding="utf-8"
    )
    result = qp.assess(qp.open_workspace(land))
    (row,) = result["green_land"].query("zone_id == 'a'").to_dict("records")
    assert row["value"] == pytest.approx(0.15, abs=1e-4)  # 300 m x 500 m are left outside water, of 300 m x 1000 m
    assert "发布值 0.2999" in row["note"]  # km2 of the ellipsoid, not of the drawing
    assert "第 1 版" in row["note"]
    assert "第 2 版自 2025 起施行" in row["note"]
    series = result.series("green_land", "a")
    assert list(series["value"]) == pytest.approx([0.3, 0.15], abs=1e-4)
    assert values(land.parent / "published", "green_land")["whole"] == pytest.approx(0.3, abs=1e-4)
    (other,) = result["forest_cover"].query("zone_id == 'a' and definition == 'total_area'").to_dict("records")
    assert "发布值" not in other["note"]  # what didn't change isn't told
    assert result.definitions["green_land", "whole"].approved_by == "局办〔2024〕1号"


def test_any_definition_can_have_a_version(land: Path) -> None:
    toml = (land / "qpgis.toml").read_text("utf-8")
    said = '[[approvals]]\nindicator = "forest_cover"\ndefinition = "total_area"\nversion = "3"\nvalid_from = "2024"\n'
    (land / "qpgis.toml").write_text(toml + said, encoding="utf-8")
    assert qp.assess(qp.open_workspace(land)).definitions["forest_cover", "total_area"].version == "3"
    (land / "qpgis.toml").write_text(toml + said.replace("total_area", "total_arae"), encoding="utf-8")
    with pytest.raises(ConfigError, match="total_arae"):
        qp.open_workspace(land)


def test_a_town_split_off_is_told_in_series_and_comparisons(land: Path) -> None:
    """A tenth of town a becomes e on 1 July 2025."""
    assert run(land, "2024", "published", "--freeze") == 0
    towns = four_towns()
    towns.loc[0, "geometry"] = square(100, 0, 900, 1000)
    split = pd.concat([towns, frame([square(0, 0, 100, 1000)], zone_id=["e"], name=["戊"])], ignore_index=True)
    write(land, {"towns25": split})
    with (land / "qpgis.toml").open("a", encoding="utf-8") as stream:
        stream.write('[[boundary_changes]]\nzone = "a"\nto = ["e"]\ndate = 2025-07-01\ntext = "析出戊街道"\n')
        stream.write('[periods.2025.zones]\nfile = "towns25.gpkg"\ngrade = "surveyed"\n')
    result = qp.assess(qp.open_workspace(land, period="2025"))
    series = result.series("forest_cover", "a").set_index(["period", "definition"])["ground"]
    assert "析出戊街道" in series["2024", "reported:林业站"]
    assert "范围与现在不同" in series["2024", "已发布（total_area，第 1 版）"]
    assert series["2025", "total_area"] == ""
    assert set(result.series("forest_cover", "b")["ground"]) == {""}
    assert run(land, "2025", "out25") == 0
    found = qp.compare(land.parent / "published", land.parent / "out25").table.query("zone_id == 'a'")
    assert all("界线不同" in note for note in found[found["only"] == ""]["note"])


def test_the_plan_s_table_shows_what_is_reported_first(land: Path) -> None:
    """Reported 40 % of 2023, ours 30 % of 2024; outside water it would be 15 of 50, as much."""
    reported = "indicator,zone,period,value,department,document\nforest_cover,a,2023,40,林业站,林业年报\n"
    (land / "reported.csv").write_text(reported, encoding="utf-8")
    targets = "indicator,zone,year,operator,value,text,property,kind,direction,document\n"
    (land / "targets.csv").write_text(targets + "forest_cover,a,2025,ge,35,,约束性,,,某文件\n", encoding="utf-8")
    toml = (land / "qpgis.toml").read_text("utf-8")
    tables = '[tables]\nreported = "reported.csv"\ntargets = "targets.csv"'
    (land / "qpgis.toml").write_text(toml.replace('[tables]\nstatistics = "statistics.csv"', tables), encoding="utf-8")
    result = qp.assess(qp.open_workspace(land))
    table = result.plan_table("targets")
    assert list(table.columns).index("reported") < list(table.columns).index("value")
    ours = table.set_index("definition").loc["total_area"]
    assert (ours["reported"], ours["reported_by"]) == (40, "林业站；2023")
    assert ours["difference"] == pytest.approx(-10, abs=1e-3)
    assert "时期不同：公布 2023，计算 2024" in ours["cause"]


SIGNED = """
[signoff]
compiled = {{name = "张三", date = 2025-03-01}}
checked = {{name = "李四", date = 2025-03-05}}
approved = {{name = "王五", date = 2025-03-10}}
result = "{result}"
"""


def test_a_result_is_a_draft_until_this_very_one_is_signed(land: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, toml = land.parent / "out", land / "qpgis.toml"
    assert run(land, "2024", "out") == 0
    draft = (out / "indicators.csv").read_bytes()
    assert {"草稿" in cell for cell in titles(out)} == {True}
    assert "草稿" in (out / "map.html").read_text("utf-8")
    assert json.loads((out / "manifest.json").read_text("utf-8"))["signoff"]["status"] == "open"
    digest = hashlib.sha256(draft).hexdigest()

    before = toml.read_text("utf-8")
    toml.write_text(before + SIGNED.format(result=""), encoding="utf-8")
    assert run(land, "2024", "out") == 0  # names alone sign nothing in particular
    assert digest in capsys.readouterr().err
    toml.write_text(before + SIGNED.format(result=digest), encoding="utf-8")
    assert run(land, "2024", "out") == 0
    assert (out / "indicators.csv").read_bytes() == draft
    assert not any("草稿" in cell for cell in titles(out))
    assert "草稿" not in (out / "map.html").read_text("utf-8")
    assert "审定 王五 2025-03-10" in (out / "map.html").read_text("utf-8")
    signed = json.loads((out / "manifest.json").read_text("utf-8"))["signoff"]
    assert (signed["status"], signed["signed"], signed["approved"]["name"]) == ("signed", digest, "王五")
    assert [c for c in verify(out, source=Source(land)) if c.verdict is Verdict.FAILS] == []
    assert [c.verdict for c in verify(out) if c.part == "signoff"] == [Verdict.HOLDS]

    assert main(["init", "--from", str(land), "--period", "2025"]) == 0
    assert qp.assess(qp.open_workspace(land, period="2025")).signing == "open"  # nobody signed the next year's
    (out / "indicators.csv").write_bytes(draft.replace(b"\r\n", b"\n"))
    failed = [c.subject for c in verify(out) if c.part == "signoff" and c.verdict is Verdict.FAILS]
    assert failed == ["indicators.csv"]
    write(land, {"forest": frame([square(0, 0, 310, 1000)])})
    result = qp.assess(qp.open_workspace(land))
    assert "signed_other" in {f.rule for f in result.findings}
    assert "草稿" in result.heading


def titles(out: Path) -> list[str]:
    """What stands above every sheet."""
    book = openpyxl.load_workbook(out / "indicators.xlsx")
    return [str(sheet.cell(1, 1).value) for sheet in book]


def test_what_is_handed_over_holds_settings_and_no_data(land: Path) -> None:
    (land / "statistics.csv").write_text(STATISTICS.replace(",40,", ",40.123456,"), encoding="utf-8")
    assert run(land, "2024", "published", "--freeze") == 0
    out = land.parent / "hand.zip"
    assert main(["handover", str(land), "--out", str(out)]) == 0
    with zipfile.ZipFile(out) as archive:
        packed = {name: archive.read(name) for name in archive.namelist()}
    assert packed.keys() == {"qpgis.toml", "own.toml", "frozen/2024/manifest.json", "口径.md", "数据清单.csv"}
    assert packed["qpgis.toml"] == (land / "qpgis.toml").read_bytes()
    rows = list(csv.reader(packed["数据清单.csv"].decode("utf-8-sig").splitlines()))[1:]
    files = ("towns.gpkg", "forest.gpkg", "water.gpkg", "statistics.csv")
    hashes = {name: hashlib.sha256((land / name).read_bytes()).hexdigest() for name in files}
    assert {row[2]: row[3] for row in rows} == hashes
    assert not any(b"40.123456" in content for content in packed.values())  # no values of tables
    assert not any(str(land).encode() in content for content in packed.values())
    first = out.read_bytes()
    assert main(["handover", str(land), "--out", str(out)]) == 2  # never overwrites
    out.unlink()
    assert main(["handover", str(land), "--out", str(out)]) == 0
    assert out.read_bytes() == first


def test_projects_from_a_table_by_zone_and_status(land: Path) -> None:
    """Four projects of a, one of b; in 2024 one that was due in 2023 isn't built, one was, one is due that December."""
    x, y = EAST + 100, NORTH + 100
    rows = [
        f"一号桥,在建,2023,100,{x},{y}",
        f"二号桥,竣工,2023-06,50,{x},{y}",
        f"三号桥,在建,2024-12,20,{x},{y}",
        f"四号桥,规划,,,{x},{y}",
        f"五号桥,在建,2026,7.5,{x + 1000},{y}",
    ]
    head = "名称,状态,计划建成,投资额,x,y\n"
    (land / "projects.csv").write_text(head + "\n".join(rows) + "\n", encoding="utf-8")
    fields = {"name": "名称", "status": "状态", "opened": "计划建成", "amount": "投资额", "x": "x", "y": "y"}
    lines = [f'{key}_field = "{value}"' for key, value in fields.items()]
    table = layer("projects", *lines, 'crs = "EPSG:4549"').replace("projects.gpkg", "projects.csv")
    with (land / "qpgis.toml").open("a", encoding="utf-8") as stream:
        stream.write(table)
    result = qp.assess(qp.open_workspace(land))
    listed = result.projects().set_index("project")
    assert list(listed[listed["overdue"]].index) == ["一号桥"]
    assert dict(listed["zone"]) == {"一号桥": "甲", "二号桥": "甲", "三号桥": "甲", "四号桥": "甲", "五号桥": "乙"}
    come = result.projects(progress=True).set_index(["zone", "project_status"])
    building = come.loc[("南片", "在建")]
    assert (building["project_count"], building["overdue"], building["amount"]) == (3, 1, 127.5)
    planned = come.loc[("甲", "规划")]
    assert (planned["project_count"], planned["amount_known"]) == (1, 0)
    assert pd.isna(planned["amount"])  # not known isn't 0
    result.write(land.parent / "out")
    assert {"重大项目", "项目进展"} <= set(openpyxl.load_workbook(land.parent / "out" / "indicators.xlsx").sheetnames)
