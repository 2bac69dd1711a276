"""Targets, statuses and progress, worked by hand."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest

from qpgis.errors import ConfigError
from qpgis.plans import (
    Baseline,
    Status,
    Target,
    Thresholds,
    attainment,
    baseline_of,
    judge,
    progress,
    read_plan,
    shipped_plans,
)
from tests.conftest import SHARED_DATA

TARGET = Target("x", "zone", "70", "ge", 70.0, 2025, "a document")
BASE = Baseline(60.0, 2020, "yearbook")
EXACT = Thresholds()


@pytest.mark.parametrize(
    ("value", "year", "baseline", "status"),
    [
        (70.0, 2021, None, Status.MET),
        (69.9, 2025, BASE, Status.BREACHED),
        (69.9, 2026, None, Status.BREACHED),
        (69.9, 2024, None, Status.UNMET),
        (64.0, 2022, BASE, Status.ON_PATH),  # the line is at 60 + 10 * 2/5 = 64
        (63.9, 2022, BASE, Status.BEHIND),
        (None, 2022, BASE, Status.NOT_COMPUTABLE),
    ],
)
def test_status_of_a_stock(value: float | None, year: int, baseline: Baseline | None, status: Status) -> None:
    assert judge(TARGET, value, year, baseline, EXACT) is status


def test_a_line_to_hold_is_breached_before_the_target_year() -> None:
    floor = replace(TARGET, kind="floor")
    assert judge(floor, 69.9, 2021, BASE, EXACT) is Status.BREACHED
    assert judge(replace(floor, operator="le", direction="down"), 70.1, 2021, BASE, EXACT) is Status.BREACHED
    assert judge(replace(floor, operator="le", direction="down"), 70.0, 2021, BASE, EXACT) is Status.MET


def test_less_is_better() -> None:
    fewer = replace(TARGET, operator="le", value=50.0, direction="down")
    assert judge(fewer, 56.0, 2022, BASE, EXACT) is Status.ON_PATH  # the line is at 60 - 10 * 2/5 = 56
    assert judge(fewer, 56.1, 2022, BASE, EXACT) is Status.BEHIND


def test_a_ceiling_above_the_baseline_is_no_way_to_go() -> None:
    """From 60 up to at most 70: 75 is over it, and 150 % of no progress."""
    ceiling = replace(TARGET, operator="le", direction="down")
    assert judge(ceiling, 65.0, 2022, BASE, EXACT) is Status.MET
    assert judge(ceiling, 75.0, 2022, BASE, EXACT) is Status.UNMET
    assert progress(ceiling, 75.0, BASE) is None


def test_words_are_no_target() -> None:
    assert judge(replace(TARGET, value=None, operator="user"), 5.0, 2025, None, EXACT) is Status.NO_TARGET
    assert judge(None, 5.0, 2025, None, EXACT) is Status.NO_TARGET


def test_about_has_a_tolerance() -> None:
    about = replace(TARGET, operator="about", value=8.0)
    assert judge(about, 7.6, 2025, None, EXACT) is Status.MET  # 8 - 5 %
    assert judge(about, 7.59, 2025, None, EXACT) is Status.BREACHED
    assert judge(about, 7.59, 2025, None, Thresholds(about_tolerance=0.1)) is Status.MET


def test_progress_by_kind() -> None:
    assert progress(TARGET, 65.0, BASE) == 0.5
    assert progress(TARGET, 65.0, None) is None
    assert progress(replace(TARGET, value=60.0), 65.0, BASE) is None  # target = baseline
    assert progress(replace(TARGET, kind="cumulative", value=800.0), 200.0, None) == 0.25
    assert progress(replace(TARGET, kind="floor"), 77.0, None) == pytest.approx(0.1)
    assert progress(replace(TARGET, kind="floor"), 63.0, None) == pytest.approx(-0.1)
    assert progress(replace(TARGET, kind="growth"), 8.0, BASE) is None
    assert progress(replace(TARGET, value=None), 8.0, BASE) is None
    assert attainment(TARGET, 35.0) == 0.5
    assert attainment(replace(TARGET, operator="le", direction="down"), 105.0) is None  # not 150 % done
    assert progress(replace(TARGET, kind="cumulative", value=-5.0), 4.0, None) is None


@pytest.mark.parametrize(
    ("direction", "start", "value"), [("up", 75.0, 69.0), ("up", 70.0, 72.0), ("down", 65.0, 80.0)]
)
def test_no_share_of_a_way_that_was_none(direction: str, start: float, value: float) -> None:
    """It began at 70 or better: 69 is a loss, not six fifths of the way down to 70."""
    target = replace(TARGET, direction=direction, operator="ge" if direction == "up" else "le")
    assert progress(target, value, Baseline(start, 2020, "yearbook")) is None


def test_a_way_begins_before_the_value_and_the_target() -> None:
    early, late = Baseline(60.0, 2020, "yearbook"), Baseline(66.0, 2023, "yearbook")
    target = replace(TARGET, base_year=2023)
    assert baseline_of(target, (early, late), 2024) is late
    assert baseline_of(target, (early, late), 2022) is early  # a value of 2022 didn't begin in 2023
    assert baseline_of(target, (late,), 2022) is None
    assert baseline_of(TARGET, (Baseline(60.0, 2025, "yearbook"),), 2026) is None


PLAN = """
[plan]
id = "p"
title = "规划"
document = "文件"
base_year = 2020
target_year = 2025
scope = "all"
scope_name = "全区"
[[targets]]
number = 1
indicator = "forest_cover"
name = "森林覆盖率"
name_en = "Forest"
unit = "%"
domain = "生态"
property = "约束性"
target_text = "40"
operator = "ge"
operator_inferred = false
value = 40
kind = "stock"
direction = "up"
[[baselines]]
indicator = "forest_cover"
value = 30
year = 2020
clause = "一"
"""
PLAN_MISTAKES = {
    "a key of the plan": ("base_year", "base_yaer", r"\[plan\]: unknown key 'base_yaer'; did you mean 'base_year'"),
    "a key of a target": ("unit =", "year_ = 2030\nunit =", r"\[\[targets\]\] no. 1: unknown key 'year_'"),
    "a table": ("[[baselines]]", "[[baseline]]", "unknown key 'baseline'; did you mean 'baselines'"),
    "a short year": ("target_year = 2025", "target_year = 25", "target_year = 25 is no year"),
    "no year": ("target_year = 2025", "target_year = true", "target_year = True is no year"),
    "a base value that is none": ("value = 30", "value = nan", r"\[\[baselines\]\] no. 1: value = nan is no number"),
    "a base year in quotes": ("year = 2020\nclause", 'year = "2020"\nclause', "year = '2020' is no year"),
    "a truth for a number": ("value = 40", "value = true", "value = True is no number"),
    "an id that is a number": ('"forest_cover"\nname', "3\nname", "indicator = 3 is no text"),
    "time that runs backwards": ("base_year = 2020", "base_year = 2030", "base_year 2030 isn't before its year 2025"),
    "one target twice": (
        "[[baselines]]",
        PLAN[PLAN.index("[[targets]]") : PLAN.index("[[baselines]]")] + "[[baselines]]",
        "forest_cover in all for 2025 stands twice",
    ),
}


@pytest.mark.parametrize(("old", "new", "message"), PLAN_MISTAKES.values(), ids=PLAN_MISTAKES)
def test_a_mistake_in_a_plan_is_told(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in PLAN
    (tmp_path / "plan.toml").write_text(PLAN, encoding="utf-8")
    assert read_plan("plan.toml", folder=tmp_path).target_year == 2025
    (tmp_path / "plan.toml").write_text(PLAN.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ConfigError, match=f"^plan 'plan.toml': .*{message}"):
        read_plan("plan.toml", folder=tmp_path)


def test_the_plan_has_its_twenty_targets_at_its_scope() -> None:
    plan = read_plan("qingxi_2021_2025")
    assert shipped_plans() == ("qingxi_2021_2025", "qingxi_control_2035", "sfq_2021_2035")
    assert [t.number for t in plan.targets] == [*range(1, 21), *[0] * 5]
    assert {(t.zone, t.year) for t in plan.targets} == {("qingxi", 2025)}
    by_id = {t.indicator: t for t in plan.targets}
    assert (by_id["blue_green_share"].value, by_id["blue_green_share"].property) == (70, "约束性")
    assert (by_id["forest_cover_of_land"].value, by_id["road_density"].value) == (12, 2.23)
    assert by_id["road_density"].operator_inferred
    assert not by_id["water_quality_good_share"].operator_inferred  # 70 以上
    assert by_id["energy_intensity_reduction"].value is None


def test_the_plan_says_what_the_table_of_facts_says() -> None:
    path = SHARED_DATA.parent / "facts" / "plan_targets.csv"
    if not path.exists():
        pytest.skip("the table of facts is not beside this checkout")
    with path.open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream))
    ours = [target for target in read_plan("qingxi_2021_2025").targets if target.clause == "表1"]
    said = [(t.name, t.property, t.text, t.operator, t.value) for t in ours]
    facts = [
        (
            r["indicator"],
            r["property"],
            r["target_text"],
            r["operator"],
            float(r["target_value"]) if r["target_value"] else None,
        )
        for r in rows
    ]
    assert said == facts
