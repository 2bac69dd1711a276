"""Outputs, inputs and the log tampered with by hand: ``qpgis verify`` says what and where."""

from __future__ import annotations

import csv
import hashlib
import json
import multiprocessing
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pytest

import qpgis as qp
from qpgis.cli import main
from qpgis.provenance import seal
from qpgis.verifying import Check, Source, Verdict, verify
from qpgis.verifying.runlog import append_run, log_path, read_log
from tests.conftest import HEAD, Maker, four_towns, frame, layer, square, write

CARD = """
[indicators.green_land]
zh = "陆域绿地面积"
en = "Green land"
unit = "km2"
theme = "ecology"
[indicators.green_land.definitions.on_land]
zh = "水域以外的林地"
en = "Forest outside water"
numerator = {measure = "area", of = "forest", outside = "water"}
"""
TOML = '[definitions]\nforest_cover = ["total_area"]\n' + layer("forest") + layer("water", 'class_field = "class"')


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a workspace ``land`` and the outputs ``out`` of its one run."""
    home = tmp_path_factory.mktemp("verify")
    (home / "land").mkdir()
    (home / "land" / "qpgis.toml").write_text('indicators = ["own.toml"]\n' + HEAD + TOML, encoding="utf-8")
    (home / "land" / "own.toml").write_text(CARD, encoding="utf-8")
    towns = four_towns()
    towns.loc[1, "name"] = "甲"  # two towns of one name
    water = frame([square(0, 500, 2000, 300)], **{"class": ["lake"]})
    forest = frame([square(0, 0, 333, 1000), square(1000, 0, 250, 1000)])
    write(home / "land", {"towns": towns, "forest": forest, "water": water})
    assert main(["run", str(home / "land"), "--out", str(home / "out")]) == 0
    return home


@pytest.fixture
def home(made: Path, tmp_path: Path) -> Path:
    """A copy to tamper with."""
    return Path(shutil.copytree(made, tmp_path / "home"))


def failed(checks: tuple[Check, ...], part: str) -> dict[str, Check]:
    return {check.subject: check for check in checks if check.part == part and check.verdict is Verdict.FAILS}


def fails(checks: tuple[Check, ...]) -> list[tuple[str, str]]:
    return [(check.part, check.subject) for check in checks if check.verdict is Verdict.FAILS]


def test_what_was_just_written_holds(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(home / "out"), "--workspace", str(home / "land")]) == 0
    out = capsys.readouterr().out
    assert "[符合] 重算 map.html: 重算结果与文件逐字节相同" in out
    assert "[不符]" not in out
    compared = {c.subject for c in verify(home / "out") if c.part == "values" and c.verdict is Verdict.HOLDS}
    assert compared == {"indicators.xlsx", "indicators.gpkg", "map.html"}


# ---- a changed cell in each format ----


def forest_of(folder: Path, zone: str = "a", percent: float = 33.3) -> str:
    """The forest cover of a town as the table prints it: 333 of 1000 m, but for the projection's stretch."""
    with (folder / "indicators.csv").open(encoding="utf-8-sig", newline="") as stream:
        found = [r for r in csv.DictReader(stream) if (r["indicator"], r["zone_id"]) == ("forest_cover", zone)]
    assert float(found[0]["value"]) == pytest.approx(percent, abs=1e-3)
    return found[0]["value"]


def change_csv(path: Path) -> tuple[str, str, str]:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.reader(stream))
    column = rows[0].index("value")
    n = next(n for n, row in enumerate(rows) if row[0] == "forest_cover" and row[2] == "a")
    before, rows[n][column] = rows[n][column], "34.3"
    with path.open("w", encoding="utf-8-sig", newline="") as stream:
        csv.writer(stream, lineterminator="\r\n").writerows(rows)
    return f"{n + 1}:value", "34.3", before


def change_xlsx(path: Path) -> tuple[str, str, str]:
    book = openpyxl.load_workbook(path)
    sheet = book["指标值"]
    before = forest_of(path.parent)
    row = next(r for r in range(4, 99) if sheet.cell(r, 5).value == float(before))
    sheet.cell(row, 5).value = 34.3
    book.save(path)
    return f"指标值!E{row}", "34.3", before


def change_gpkg(path: Path) -> tuple[str, str, str]:
    base = sqlite3.connect(path)
    base.execute("UPDATE indicators SET note = '改过' WHERE indicator = 'forest_cover' AND zone_id = 'b'")
    fid = base.execute("SELECT fid FROM indicators WHERE note = '改过'").fetchone()[0]
    base.commit()
    base.close()
    return f"indicators/{fid}/note", "改过", ""


def change_zones(path: Path) -> tuple[str, str, str]:
    base = sqlite3.connect(path)
    for (name,) in base.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        base.execute(f'DROP TRIGGER "{name}"')  # they ask for functions that only GDAL has
    base.execute("UPDATE zones SET forest_cover = 26 WHERE zone_id = 'b'")
    fid = base.execute("SELECT fid FROM zones WHERE zone_id = 'b'").fetchone()[0]
    base.commit()
    base.close()
    return f"zones/{fid}/forest_cover", "26.0", forest_of(path.parent, "b", 25)


def change_html(path: Path) -> tuple[str, str, str]:
    page = path.read_text("utf-8")
    head, series, tail = page.partition('"indicator":"forest_cover",')
    changed = tail.replace('"value":{"w":["33.30 %"', '"value":{"w":["33.31 %"', 1)
    path.write_text(head + series + changed, "utf-8", newline="\n")
    return "levels/town/value/0", "33.31 %", "33.30 %"


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("indicators.csv", change_csv),
        ("indicators.xlsx", change_xlsx),
        ("indicators.gpkg", change_gpkg),
        ("indicators.gpkg", change_zones),
        ("map.html", change_html),
    ],
)
def test_a_changed_cell_is_named(name: str, change: Callable[[Path], tuple[str, str, str]], home: Path) -> None:
    place, found, wanted = change(home / "out" / name)
    checks = verify(home / "out")
    assert fails(checks) == [("output", name), ("values", name)]
    (difference,) = failed(checks, "values")[name].differences
    assert difference.place.endswith(place)
    assert (difference.found, difference.wanted) == (found, wanted)
    again = failed(verify(home / "out", source=Source(home / "land")), "recomputed")
    assert list(again) == [name]
    assert "文件写成后被改动" in again[name].said
    assert found in {one.found for one in again[name].differences}


def test_a_changed_finding_is_named_by_computing_again(home: Path) -> None:
    path = home / "out" / "findings.csv"
    path.write_text(path.read_text("utf-8") + "error,x,,,,,,made up,\r\n", "utf-8", newline="")
    checks = verify(home / "out", source=Source(home / "land"))
    assert fails(checks) == [("manifest", path.name), ("output", path.name), ("recomputed", path.name)]
    assert "made up" in {one.found for one in failed(checks, "recomputed")[path.name].differences}


def test_a_row_too_few_or_too_many(home: Path) -> None:
    path = home / "out" / "indicators.csv"
    lines = path.read_text("utf-8").splitlines()
    path.write_text("\r\n".join([*lines[:2], *lines[3:], lines[1].replace(",a,", ",z,")]) + "\r\n", "utf-8")
    differences = failed(verify(home / "out"), "values")[path.name].differences
    assert [(bool(one.found), bool(one.wanted)) for one in differences] == [(False, True), (True, False)]


def test_files_missing_damaged_and_additional(home: Path) -> None:
    (home / "out" / "findings.csv").unlink()
    (home / "out" / "other.csv").write_text("x")
    (home / "out" / "README.md").write_text("nobody takes this for an output")
    xlsx = home / "out" / "indicators.xlsx"
    xlsx.write_bytes(xlsx.read_bytes()[:1000])
    assert fails(verify(home / "out")) == [
        ("output", "findings.csv"),
        ("output", "indicators.xlsx"),
        ("output", "other.csv"),
        ("values", "indicators.xlsx"),
    ]


def test_a_folder_holds_the_outputs_of_one_run(home: Path) -> None:
    """What only the run before wrote goes; what nobody wrote stays."""
    evidence = home / "out" / "evidence.gpkg"
    assert main(["run", str(home / "land"), "--evidence", "--out", str(home / "out")]) == 0
    assert fails(verify(home / "out", source=Source(home / "land"))) == []
    assert evidence.exists()
    assert main(["run", str(home / "land"), "--out", str(home / "out")]) == 0
    assert not evidence.exists()
    assert fails(verify(home / "out")) == []
    evidence.write_bytes(b"one's own")
    assert main(["run", str(home / "land"), "--out", str(home / "out")]) == 0
    assert fails(verify(home / "out")) == [("output", "evidence.gpkg")]


def test_a_run_over_other_zones_is_computed_again_over_them(home: Path) -> None:
    towns = four_towns()
    towns.loc[0, "geometry"] = square(0, 0, 900, 1000)
    write(home, {"towns": towns})
    zones = home / "towns.gpkg"
    asked = ["--zones", str(zones), "--zones-grade", "open", "--out", str(home / "other")]
    assert main(["run", str(home / "land"), *asked]) == 0
    assert main(["verify", str(home / "other"), "--workspace", str(home / "land"), "--zones", str(zones)]) == 0
    (check,) = failed(verify(home / "other", source=Source(home / "land")), "recomputed").values()
    assert "name that file (--zones)" in check.said


def test_a_scenario_is_computed_again(home: Path) -> None:
    toml = home / "land" / "qpgis.toml"
    more = '[scenarios.more]\n[[scenarios.more.changes]]\nkind = "forest"\nfile = "more.gpkg"\ngrade = "schematic"\n'
    toml.write_text(toml.read_text("utf-8") + more, "utf-8")
    write(home / "land", {"more": frame([square(1500, 0, 100, 100)])})
    out = home / "out"
    assert main(["what-if", str(home / "land"), "--scenario", "more", "--out", str(out)]) == 0
    assert fails(verify(out, source=Source(home / "land"))) == []
    write(home / "land", {"more": frame([square(1500, 0, 100, 200)])})
    assert ("recomputed", "indicators.csv") in fails(verify(out, source=Source(home / "land")))
    qp.what_if(qp.open_workspace(home / "land"), forest=frame([square(1500, 0, 100, 100)])).write(home / "python")
    (check,) = failed(verify(home / "python", source=Source(home / "land")), "recomputed").values()
    assert "made in Python" in check.said


# ---- the manifest ----


def edit(path: Path, change: Callable[[dict], object], *, sealed: bool = False) -> None:
    found = json.loads(path.read_text("utf-8"))
    change(found)
    found["sha256"] = seal(found) if sealed else found["sha256"]
    path.write_text(json.dumps(found, ensure_ascii=False), "utf-8")


def test_an_edited_manifest_is_told(home: Path) -> None:
    edit(home / "out" / "manifest.json", lambda found: found["inputs"][2].update(grade="official"))
    checks = verify(home / "out", source=Source(home / "land"))
    assert fails(checks) == [("manifest", "manifest.json"), ("log", ""), ("input", "towns.gpkg zones")]


def test_a_manifest_that_was_edited_and_sealed_anew_fits_neither_its_files_nor_the_log(home: Path) -> None:
    def change(found: dict) -> None:
        found["values"] += 1
        found["rows"]["forest"]["used"] += 1

    edit(home / "out" / "manifest.json", change, sealed=True)
    assert fails(verify(home / "out")) == [("manifest", "forest"), ("manifest", "indicators.csv"), ("log", "")]


@pytest.mark.parametrize("words", ["", "[]", '{"language": "zh"}', "[" * 100_000])
def test_what_is_no_manifest_is_refused(words: str, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "out" / "manifest.json").write_text(words)
    assert main(["verify", str(home / "out")]) == 2
    assert "manifest.json: " in capsys.readouterr().err
    (home / "out" / "manifest.json").unlink()
    assert main(["verify", str(home / "out")]) == 2


def test_the_manifest_says_what_decides(made: Path) -> None:
    found = json.loads((made / "out" / "manifest.json").read_text("utf-8"))
    assert {"qpgis", "GEOS", "PROJ", "GDAL", "shapely", "pyproj", "numpy", "scipy"} <= set(found["versions"])
    assert found["plane"]["centre_deg"] == [121, 31]
    assert len(found["code"]) == 64
    assert str(made) not in json.dumps(found)


def test_a_shipped_plan_has_its_hash(workspace: Maker) -> None:
    (plan,) = qp.open_workspace(workspace(head='plans = ["qingxi_2021_2025"]\n' + HEAD)).plans
    shipped = Path(__file__).parents[1] / "data" / "plans" / "qingxi_2021_2025.toml"
    assert plan.sha256 == hashlib.sha256(shipped.read_bytes()).hexdigest()


# ---- inputs and definitions ----


def test_a_changed_input_outdates_what_it_feeds(home: Path) -> None:
    write(home / "land", {"forest": frame([square(0, 0, 400, 1000), square(1000, 0, 250, 1000)])})
    checks = verify(home / "out", source=Source(home / "land"))
    assert set(fails(checks)) == {
        ("input", "forest.gpkg forest"),
        *(("recomputed", name) for name in ("indicators.csv", "indicators.xlsx", "indicators.gpkg", "map.html")),
    }
    csv_ = failed(checks, "recomputed")["indicators.csv"]
    assert "输入变化：forest.gpkg forest" in csv_.said
    assert forest_of(home / "out") in {one.found for one in csv_.differences}


def test_a_comment_changes_nothing_and_a_setting_its_hash(home: Path) -> None:
    with (home / "land" / "qpgis.toml").open("a", encoding="utf-8") as stream:
        stream.write("# nothing\n")
    assert fails(verify(home / "out", source=Source(home / "land"))) == []
    with (home / "land" / "qpgis.toml").open("a", encoding="utf-8") as stream:
        stream.write("[synth]\nseed = 2\n")
    checks = verify(home / "out", source=Source(home / "land"))
    assert fails(checks) == [("input", "qpgis.toml workspace"), ("recomputed", "indicators.xlsx")]
    (difference,) = failed(checks, "recomputed")["indicators.xlsx"].differences  # its list of sources has the hashes
    inputs = json.loads((home / "out" / "manifest.json").read_text("utf-8"))["inputs"]
    assert difference.found == next(one["sha256"] for one in inputs if one["role"] == "workspace")


def test_a_changed_definition_in_qpgis_toml(home: Path) -> None:
    path = home / "land" / "qpgis.toml"
    changed = path.read_text("utf-8").replace("[definitions]", '[definitions]\nforest_cover_of_land = ["all_water"]')
    path.write_text(changed, "utf-8")
    checks = verify(home / "out", source=Source(home / "land"))
    names = {"forest_cover_of_land rivers_lakes_reservoirs", "forest_cover_of_land all_water"}
    assert set(failed(checks, "definition")) == names
    assert all(name in failed(checks, "recomputed")["indicators.csv"].said for name in names)


def test_a_changed_definition_on_a_card(home: Path) -> None:
    path = home / "land" / "own.toml"
    path.write_text(path.read_text("utf-8").replace("水域以外的林地", "水域以外的林地（新）"), "utf-8")
    checks = verify(home / "out", source=Source(home / "land"))
    assert list(failed(checks, "input")) == ["own.toml indicators"]
    (check,) = failed(checks, "definition").values()
    assert check.subject == "green_land on_land"
    assert [(one.place, one.found, one.wanted) for one in check.differences] == [
        ("text", "水域以外的林地（新）", "水域以外的林地")
    ]


def test_an_input_that_is_gone(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "land" / "forest.gpkg").unlink()
    assert main(["verify", str(home / "out"), "--workspace", str(home / "land"), "--lang", "en"]) == 1
    assert "'forest.gpkg' doesn't exist" in capsys.readouterr().out


def test_other_versions_are_told_and_the_outputs_judged(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qpgis.report.manifest.code_sha256", lambda: "0" * 64)
    checks = verify(home / "out", source=Source(home / "land"))
    assert fails(checks) == []
    assert [c.subject for c in checks if c.part == "version"] == ["code"]


# ---- the log ----


def test_lines_taken_out_of_the_log(home: Path) -> None:
    for _ in range(2):
        assert main(["run", str(home / "land"), "--out", str(home / "out")]) == 0
    path = log_path(home / "out")
    lines = path.read_bytes().splitlines(keepends=True)
    assert len(lines) == 3
    first = json.loads(lines[0])
    assert (first["previous"], first["workspace"], first["period"]) == ("", "四镇", "2024")
    assert first["manifest"] == hashlib.sha256((home / "out" / "manifest.json").read_bytes()).hexdigest()
    assert fails(verify(home / "out")) == []
    for kept in (lines[1:], [lines[0], lines[2]], [lines[0], lines[1].replace(b"2024", b"2025"), lines[2]]):
        path.write_bytes(b"".join(kept))
        assert fails(verify(home / "out")) == [("log", "")]


def test_a_run_may_leave_no_line_and_the_library_never_does(home: Path) -> None:
    assert main(["run", str(home / "land"), "--out", str(home / "a"), "--no-log"]) == 0
    qp.assess(qp.open_workspace(home / "land")).write(home / "b")
    assert not log_path(home / "a").exists()
    assert not log_path(home / "b").exists()
    assert fails(verify(home / "a")) == fails(verify(home / "b")) == []


def _log(folder: Path) -> None:
    for n in range(20):
        append_run(folder, {"n": n})


def test_runs_that_end_at_once_are_all_in_one_chain(tmp_path: Path) -> None:
    processes = [multiprocessing.get_context("spawn").Process(target=_log, args=(tmp_path,)) for _ in range(3)]
    for one in processes:
        one.start()
    for one in processes:
        one.join()
    found = read_log(tmp_path)
    assert found is not None
    assert (len(found[0]), found[1]) == (60, [])


def test_a_torn_line_is_told_and_the_next_run_goes_on(tmp_path: Path) -> None:
    append_run(tmp_path, {})
    with log_path(tmp_path).open("ab") as stream:
        stream.write(b'{"at": "20')
    append_run(tmp_path, {})
    found = read_log(tmp_path)
    assert found is not None
    assert (len(found[0]), found[1]) == (3, [2])
