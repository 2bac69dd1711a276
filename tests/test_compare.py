"""Comparing two runs: differences worked by hand, unlike definitions refused, folders as good as results."""

from __future__ import annotations

import csv
import json
from fractions import Fraction
from pathlib import Path

import pandas as pd
import pytest

import qpgis as qp
from qpgis.cli import main
from qpgis.errors import ConfigError, SourceError
from qpgis.scenarios.compare import COLUMNS, Comparison
from tests.conftest import HEAD, Maker, four_towns, frame, layer, square

FOREST = layer("forest")
ASKED = '[definitions]\nforest_cover_of_land = ["{}"]\n'


def result(workspace: Maker, width: float, *, toml: str = "", head: str = HEAD, **layers: object) -> qp.notebook.Result:
    """Town a has forest over so many metres of its kilometre."""
    forest = frame([square(0, 0, width, 1000)])
    return qp.assess(qp.open_workspace(workspace(FOREST + toml, head=head, forest=forest, **layers)))


def row(found: Comparison, zone: str, indicator: str = "forest_cover") -> pd.Series:
    of = found.table[(found.table["indicator"] == indicator) & (found.table["zone_id"] == zone)]
    assert len(of) == 1
    return of.iloc[0]


def test_differences_are_those_of_what_was_printed(workspace: Maker) -> None:
    before, after = result(workspace, 400), result(workspace, 500)
    found = qp.compare(before, after)
    town = row(found, "a")
    assert town["value_before"] == pytest.approx(40, rel=1e-5)
    assert town["difference"] == pytest.approx(10, rel=1e-5)
    assert town["relative"] == pytest.approx(0.25, rel=1e-5)  # 10 of 40
    assert row(found, "south")["difference"] == pytest.approx(5, rel=1e-5)  # half as much in twice the land
    assert (town["only"], town["unlike"], town["grade"]) == ("", "", "surveyed")
    still = row(found, "b")
    assert (still["value_before"], still["value_after"], still["difference"]) == (0, 0, 0)
    assert pd.isna(still["relative"]), "nothing has no relative change"
    amounts = {one.zone.id: one.numerator.micro for one in after.rows if one.indicator == "forest_cover"}
    for one in before.rows:
        if one.indicator == "forest_cover":
            record = next(r for r in found.records if (r["indicator"], r["zone_id"]) == ("forest_cover", one.zone.id))
            exact = Fraction(amounts[one.zone.id] - one.numerator.micro, 10**12)
            assert Fraction(record["numerator_difference"]) == exact, "whole millionths, km2"
            assert record["denominator_difference"] == 0


def test_what_began_near_nothing_has_no_relative_change(workspace: Maker) -> None:
    town = row(qp.compare(result(workspace, 0.0001), result(workspace, 500)), "a")  # 0.1 m2 before
    assert town["value_before"] > 0
    assert pd.isna(town["relative"])
    town = row(qp.compare(result(workspace, 0.00005), result(workspace, 0.00009)), "a")  # under 1e-7 of the town
    assert town["difference"] > 0
    assert pd.isna(town["relative"])


def test_it_says_what_else_differs(workspace: Maker) -> None:
    before = result(workspace, 400)
    towns = four_towns()
    towns.loc[0, "geometry"] = square(0, 0, 1000, 900)
    head = HEAD.replace('"2024"', '"2025"')
    after = result(workspace, 400, head=head, towns=towns, toml="[thresholds]\npath_tolerance = 0.1\n")
    found = qp.compare(before, after)
    told = {(one.what, one.name) for one in found.differences}
    assert {("period", ""), ("as_of", ""), ("threshold", "path_tolerance")} <= told
    assert {name for what, name in told if what == "zone"} == {"a", "south", "all"}, "b, c and d are as they were"
    assert {what for what, _ in told} == {"period", "as_of", "threshold", "zone", "input"}
    area = next(one for one in found.differences if (one.what, one.name) == ("zone", "a"))
    km2 = [float(said.split()[1]) for said in (area.before, area.after)]
    assert km2[1] / km2[0] == pytest.approx(0.9, rel=1e-5)
    assert row(found, "a")["note"] == "分区界线不同"
    assert row(found, "b")["note"] == ""
    assert "时期：2024 → 2025" in found.text()
    assert "评价设定 path_tolerance：0.0 → 0.1" in found.text()


def test_the_same_run_differs_in_nothing(workspace: Maker) -> None:
    same = result(workspace, 400)
    found = qp.compare(same, same)
    assert (found.differences, len(found.changed())) == ((), 0)
    assert set(found.table["difference"].dropna()) == {0.0}
    assert len(found.table) == len(same.table)


def test_rows_of_one_run_tell_why(workspace: Maker) -> None:
    before = result(workspace, 400, toml=ASKED.format("rivers_lakes_reservoirs"))
    south = '\n[[groups]]\nid = "south"\nname = "南片"\nmembers = ["a", "b"]'
    both = '[definitions]\nforest_cover_of_land = ["rivers_lakes_reservoirs", "all_water"]\n'
    after = result(workspace, 400, toml=both, head=HEAD.replace(south, ""))
    fewer = qp.assess(after.workspace, indicators=["forest_cover", "forest_cover_of_land"], level="town")
    table = qp.compare(before, fewer).table
    gone = table[table["only"] == "before"].set_index(["indicator", "zone_id"])["note"]
    assert gone["forest_cover", "south"] == "另一次没有该分区"
    assert gone["forest_cover", "all"] == "另一次没有计算该分区"
    assert gone["road_density", "a"] == "另一次没有计算该指标"
    new = table[table["only"] == "after"]
    assert set(new["definition"]) == {"all_water"}
    assert set(new["note"]) == {"另一次没有采用该口径"}
    assert new["value_before"].isna().all()


def test_unlike_definitions_are_refused_unless_told(workspace: Maker) -> None:
    before = result(workspace, 400, toml=ASKED.format("rivers_lakes_reservoirs"))
    after = result(workspace, 400, toml=ASKED.format("all_water"))
    with pytest.raises(ConfigError, match=r"forest_cover_of_land: no common definition .*--unlike|--unlike.*no common"):
        qp.compare(before, after)
    found = qp.compare(before, after, unlike=True)
    town = row(found, "a", "forest_cover_of_land")
    assert town["definition"] == "rivers_lakes_reservoirs → all_water"
    assert town["unlike"].startswith("口径不同")
    assert row(found, "a")["unlike"] == ""


def test_one_name_for_two_meanings_is_refused(workspace: Maker, tmp_path: Path) -> None:
    """The second run's manifest tells another setting of the same name."""
    one_run, folders = result(workspace, 400), [tmp_path / "0", tmp_path / "1"]
    for folder in folders:
        one_run.write(folder)
    manifest = json.loads((folders[1] / "manifest.json").read_text("utf-8"))
    (one,) = [d for d in manifest["definitions"] if d["indicator"] == "forest_cover_of_land"]
    one["settings"]["water_classes"] = "all"
    (folders[1] / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    with pytest.raises(ConfigError, match='water_classes "rivers_lakes_reservoirs" -> "all"'):
        qp.compare(*folders)
    found = qp.compare(*folders, unlike=True)
    assert set(found.table.loc[found.table["unlike"] != "", "indicator"]) == {"forest_cover_of_land"}
    assert [one.what for one in found.differences] == ["definition"]


def test_targets_that_differ_and_statuses_are_told(workspace: Maker) -> None:
    head = "indicator,zone,year,operator,value,text,property,kind,direction,document\n"
    toml, results = '[tables]\ntargets = "targets.csv"\n', []
    for width, goal in ((400, 35), (300, 50)):
        folder = workspace(FOREST + toml, forest=frame([square(0, 0, width, 1000)]))
        (folder / "targets.csv").write_text(f"{head}forest_cover,a,2030,ge,{goal},{goal},,,,d\n", "utf-8")
        results.append(qp.assess(qp.open_workspace(folder)))
    found = qp.compare(*results)
    town = row(found, "a")
    assert (town["target_before"], town["target_after"], town["note"]) == (35, 50, "目标不同")
    assert (town["status_before"], town["status_after"]) == ("met", "unmet")
    assert "达标 → 尚未达标" in found.text()


def test_folders_are_as_good_as_results(workspace: Maker, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    results = [result(workspace, 400), result(workspace, 500, head=HEAD.replace('"2024"', '"2025"'))]
    folders = [tmp_path / "before", tmp_path / "after"]
    for one, folder in zip(results, folders, strict=True):
        one.write(folder)
    found = qp.compare(*results)
    for pair in (folders, (results[0], folders[1]), (str(folders[0]), results[1])):
        there = qp.compare(*pair)
        pd.testing.assert_frame_equal(there.table, found.table)
        assert there.differences == found.differences
    written = tmp_path / "diff.csv"
    assert main(["diff", *map(str, folders), "--csv", str(written)]) == 0
    assert "森林覆盖率（total_area），甲" in capsys.readouterr().out
    with written.open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert tuple(rows[0]) == COLUMNS
    assert [r["numerator_difference"] for r in rows] == [
        "" if one["numerator_difference"] is None else f"{one['numerator_difference']:f}" for one in found.records
    ]
    assert main(["diff", *map(str, folders), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert len(printed["rows"]) == len(found.table)
    assert {one["what"] for one in printed["differences"]} == {one.what for one in found.differences}


def test_what_is_no_run_is_refused(workspace: Maker, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    run = tmp_path / "run"
    result(workspace, 400).write(run)
    assert main(["diff", str(run), str(tmp_path / "nowhere")]) == 2
    assert "indicators.csv is missing" in capsys.readouterr().err
    assert main(["diff", str(run), str(run), "--csv", str(run / "indicators.csv")]) == 2
    text = (run / "indicators.csv").read_text("utf-8-sig")
    (run / "indicators.csv").write_text(text.replace("total_area,a,甲", "total_area,a,乙", 1), "utf-8-sig")
    (altered, _) = qp.compare(run, run).differences
    assert altered.what == "altered"
    (run / "indicators.csv").write_text(text.replace(",%,0,km2,", ",%,null,km2,", 1), "utf-8-sig")
    with pytest.raises(SourceError, match=r"'null' .* is no number"):
        qp.compare(run, run)
    (run / "indicators.csv").write_text(text.replace("zone_id", "zone", 1), "utf-8-sig")
    with pytest.raises(SourceError, match="no column 'zone_id'"):
        qp.compare(run, run)
    manifest = json.loads((run / "manifest.json").read_text("utf-8"))
    for key, wrong in (("outputs", []), ("plane", None), ("inputs", [{}]), ("definitions", [1]), ("plans", [{}])):
        (run / "manifest.json").write_text(json.dumps(manifest | {key: wrong}), "utf-8")
        with pytest.raises(SourceError, match="is no manifest of a run"):
            qp.compare(run, run)
    (run / "manifest.json").write_text("{", "utf-8")
    with pytest.raises(SourceError, match="run `qpgis run` again"):
        qp.compare(run, run)


def test_a_scenario_against_the_present(workspace: Maker) -> None:
    present = result(workspace, 400)
    found = qp.compare(present, qp.what_if(present.workspace, name="造林", forest=frame([square(1000, 0, 100, 1000)])))
    scenario = next(one for one in found.differences if one.what == "scenario")
    assert (scenario.before, scenario.after) == ("present", "造林")
    assert {one.what for one in found.differences} <= {"scenario", "input"}
    assert row(found, "b")["difference"] == pytest.approx(10, rel=1e-5)
    assert row(found, "a")["difference"] == 0
    assert (row(found, "b")["grade_before"], row(found, "b")["grade"]) == ("surveyed", "schematic")
