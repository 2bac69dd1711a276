"""The way to a target, worked by hand: straight paths, on or behind, and the year at which it would be met."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import openpyxl
import pytest

from qpgis.cli import main
from qpgis.errors import ConfigError
from qpgis.plans import Baseline, Target, Thresholds, due, start_of
from qpgis.scenarios.trajectory import arrival
from tests.conftest import Maker
from tests.test_plan_tables import assessed, plan

UP = Target("x", "zone", "70", "ge", 70.0, 2025, "a document", base_year=2020)
DOWN = replace(UP, operator="le", value=30.0, direction="down", text="30")
ABOUT = replace(UP, operator="about", value=100.0)
SUM = replace(UP, operator="ge", value=100.0, kind="cumulative")
SMALL = replace(UP, value=0.6)


@pytest.mark.parametrize(
    ("target", "start", "value", "year", "pace"),
    [
        (UP, 40.0, 55.0, 2026, 5.0),  # 15 in 3 years, 15 to go
        (UP, 40.0, 56.0, 2026, 16 / 3),  # 14 to go at 5 1/3 a year are 2.6 years
        (replace(UP, operator="gt"), 40.0, 55.0, 2027, 5.0),  # at 70 in 2026, over it a year later
        (DOWN, 50.0, 44.0, 2030, -2.0),  # 14 to go
        (replace(DOWN, kind="floor"), 50.0, 44.0, 2030, -2.0),
        (ABOUT, 80.0, 89.0, 2025, 3.0),  # holds from 95 on
        (SMALL, 0.0, 0.3, 2026, 0.1),  # in floats 0.3 / 0.1 is over 3
    ],
)
def test_the_year_at_this_pace(target: Target, start: float, value: float, year: int, pace: float) -> None:
    found = arrival(target, Baseline(start, 2020, "s"), value, 2023, Thresholds())
    assert (found.year, found.extrapolated, found.pace) == (year, True, pytest.approx(pace))
    assert "外推，不是预测" in found.said
    assert ("不晚于目标年" if year <= 2025 else f"晚于目标年 {year - 2025} 年") in found.said


def test_a_sum_begins_at_nothing_in_its_base_year() -> None:
    start = start_of(SUM, Baseline(30.0, 2021, "another kind of value"))
    assert start == Baseline(0.0, 2020, "")
    assert arrival(SUM, start, 40.0, 2024, Thresholds()).year == 2030  # 10 a year
    assert due(SUM, 2023, None) == 60


@pytest.mark.parametrize(
    ("target", "start", "value", "why"),
    [
        (UP, Baseline(40.0, 2020, "s"), 35.0, "背离目标"),
        (DOWN, Baseline(40.0, 2020, "s"), 45.0, "背离目标"),
        (UP, Baseline(40.0, 2020, "s"), 40.0, "没有变化"),
        (UP, Baseline(40.0, 2020, "s"), 40.001, "100 年内不会达标"),
        (UP, Baseline(40.0, 2023, "s"), 45.0, "同一年"),
        (UP, None, 45.0, "没有基期值"),
        (UP, Baseline(40.0, 2020, "s"), None, "没有数值"),
        (replace(UP, kind="growth"), Baseline(40.0, 2020, "s"), 45.0, "增速"),
        (replace(UP, value=None, operator="user"), Baseline(40.0, 2020, "s"), 45.0, "文字"),
        (None, Baseline(40.0, 2020, "s"), 45.0, "未设目标"),
    ],
)
def test_where_there_is_no_year_it_says_why(
    target: Target | None, start: Baseline | None, value: float | None, why: str
) -> None:
    found = arrival(target, start, value, 2023, Thresholds())
    assert (found.year, found.extrapolated) == (None, False)
    assert why in found.said


def test_the_way_of_a_value_that_is_computed(workspace: Maker, tmp_path: Path) -> None:
    """50 % in 2024, 20 in 2020, 60 wanted in 2025: 7.5 a year, and the path is at 52."""
    result = assessed(workspace, plans=(plan("p", "a", "value = 60"),), baselines="forest_cover,a,2020,20,年鉴\n")
    found = result.trajectory("forest_cover", "甲")
    assert found.path == ((2020, 20), (2021, 28), (2022, 36), (2023, 44), (2024, 52), (2025, 60))
    assert list(found.table["period"]) == ["2020", "2024"]
    assert list(found.table["due"]) == [20, 52]
    assert list(found.table["status"]) == ["on_path", "behind"]
    assert list(found.table["elapsed"]) == [0, 0.8]
    assert found.met_year == 2026  # 10 more at 7.5 a year
    assert "2026 年可达标，晚于目标年 1 年（外推，不是预测" in found.text()
    assert found.arrival.said in repr(found)
    (row,) = result.trajectories().to_dict("records")
    assert (row["zone_id"], row["due"], row["status"], row["met_year"]) == ("a", 52, "behind", 2026)
    assert (row["baseline"], row["baseline_year"], row["pace"]) == (20, 2020, pytest.approx(7.5, rel=1e-5))
    assert main(["run", str(tmp_path / "workspace"), "--out", str(tmp_path / "out")]) == 0
    sheet = openpyxl.load_workbook(tmp_path / "out" / "indicators.xlsx")["时间进程"]
    shown = dict(zip((cell.value for cell in sheet[3]), (cell.value for cell in sheet[4]), strict=True))
    assert (shown["分区"], shown["序时应达值"], shown["达标年（外推）"], shown["状态"]) == (
        "甲",
        52,
        2026,
        "滞后于序时",
    )
    assert "不是预测" in shown["备注"]


def test_statistics_by_year_are_held_against_the_path(workspace: Maker) -> None:
    rows = "".join(f"trips,a,{period},{value},official,s,\n" for period, value in
                   [("2021", 46), ("2022", 57), ("2023", 58), ("2025", 50)])  # fmt: skip
    result = assessed(
        workspace, statistics=rows, targets="trips,a,2025,ge,57,,,,,d\n", baselines="trips,a,2020,45,年鉴\n"
    )
    found = result.trajectory("trips", "a")
    # the path rises by 12 in 5 years
    assert list(found.table["due"]) == pytest.approx([45, 47.4, 49.8, 52.2, 57])
    assert list(found.table["status"]) == ["on_path", "behind", "met", "met", "breached"]
    assert (found.met_year, found.arrival.extrapolated) == (2022, False), "what is later than this run doesn't count"
    assert "2022 年起" in found.text()


def test_a_break_begins_anew(workspace: Maker) -> None:
    rows = "".join(f"trips,a,{2020 + n},{value},official,s,\n" for n, value in enumerate([58, 50, 60, 61]))
    result = assessed(workspace, statistics=rows, targets="trips,a,2030,ge,57,,,,,d\n")
    assert result.trajectory("trips", "a").met_year == 2022


def test_without_a_baseline_there_is_no_path(workspace: Maker) -> None:
    result = assessed(workspace, plans=(plan("p", "a", "value = 60"),), statistics="trips,b,2024,1,official,s,\n")
    found = result.trajectory("forest_cover", "a")
    assert (found.path, found.met_year, list(found.table["status"])) == ((), None, ["unmet"])
    assert "没有基期值" in found.text()
    untargeted = result.trajectory("forest_cover", "b")
    assert list(untargeted.table["status"]) == [""]
    assert "未设目标" in untargeted.text()


def test_of_several_targets_one_is_chosen(workspace: Maker) -> None:
    goals = (plan("five", "a", "value = 60"), plan("long", "a", "value = 80", year=2035))
    result = assessed(workspace, plans=goals, baselines="forest_cover,a,2020,20,年鉴\n")
    assert result.trajectory("forest_cover", "a").path[-1] == (2025, 60)
    far = result.trajectory("forest_cover", "a", target_year=2035)
    assert far.path[-1] == (2035, 80)
    assert far.met_year == 2028  # 30 more at 7.5 a year: four years
    assert list(result.trajectories()["met_year"]) == [2026, 2028]
    with pytest.raises(KeyError, match="no target for 2030"):
        result.trajectory("forest_cover", "a", target_year=2030)
    with pytest.raises(KeyError, match="did you mean 'forest_cover'"):
        result.trajectory("forest_cove", "a")
    with pytest.raises(ConfigError, match="no zone '戊'"):
        result.trajectory("forest_cover", "戊")
