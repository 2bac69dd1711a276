"""Closing gaps: the work that is missing by hand, plans against brute force, answers held against what-if."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import qpgis as qp
from qpgis.amounts import Amount, value_of
from qpgis.cli import main
from qpgis.plans import Target, Thresholds, holds
from qpgis.scenarios.cover import Cover, Demand, cheapest, tried
from qpgis.scenarios.shortfall import Lack
from qpgis.workspace import Workspace
from tests.conftest import Maker, frame, layer, square
from tests.test_what_if import road

TARGETS = "indicator,zone,operator,value,year,document,text,property\n"


def lack(**changes: object) -> Lack:
    usual = {"unit": "%", "above": "m2", "below": "m2", "how": "add", "basis": "fixed", "in_denominator": False}
    return Lack(**{**usual, "step": 1, "kinds": (), "floor_area": False, **changes})  # type: ignore[arg-type]


def asks(operator: str, value: float) -> tuple[Target, Callable[[float], bool]]:
    target = Target("x", "z", "", operator, value, 2030, "", direction="up" if operator[0] in "ga" else "down")
    return target, lambda found: holds(target, found, Thresholds())


BIG = st.integers(10**6, 10**15)


@given(above=BIG, below=BIG, per_mille=st.integers(1, 999), operator=st.sampled_from(["ge", "gt", "about", "le", "lt"]))
@pytest.mark.parametrize("basis", ["fixed", "both"])
def test_so_much_is_enough_and_a_hair_less_is_not(
    basis: str, above: int, below: int, per_mille: int, operator: str
) -> None:
    above = min(above, below - 1)
    target, met = asks(operator, per_mille / 10)
    how = "add" if target.direction == "up" else "remove"
    work = lack(how=how, basis=basis).work(above, below, met)
    assert work is not None
    sign = 1 if how == "add" else -1

    def value(change: int) -> float:
        under = below + (change if basis == "both" else 0)
        return value_of("%", Amount(above + change, "m2"), Amount(under, "m2"))

    assert met(value(sign * work.millionths))
    assert not work.millionths or not met(value(sign * (work.millionths - 1)))


def test_work_by_hand() -> None:
    km2 = 10**12  # millionths of a square metre
    missing = lack().work(1 * km2, 10 * km2, asks("ge", 12.5)[1])
    assert missing is not None
    assert (missing.amount, missing.shown_unit) == (25, "ha")
    both = lack(basis="both").work(1 * km2, 10 * km2, asks("ge", 25.0)[1])  # (1 + x) / (10 + x) = 1/4
    assert both is not None
    assert both.millionths == 2 * km2
    assert lack(basis="both").work(1 * km2, 10 * km2, asks("ge", 100.0)[1]) is None
    assert lack(how="serve").work(1 * km2, 10 * km2, asks("gt", 100.0)[1]) is None
    away = lack(how="remove", basis="both").work(5 * km2, 10 * km2, asks("le", 20.0)[1])  # (5 - x) / (10 - x) = 1/5
    assert away is not None
    assert away.amount == Fraction(375)
    per_10k = {"unit": "per_10k", "above": "count", "below": "people", "step": 10**6}
    clinics = lack(**per_10k).work(3 * 10**6, 25_000 * 10**6, asks("ge", 2.0)[1])
    assert clinics is not None
    assert clinics.shown == "2"
    parks = lack(unit="people/count", above="people", below="count", in_denominator=True, step=10**6)
    more = parks.work(10_000 * 10**6, 4 * 10**6, asks("le", 1500.0)[1])
    assert more is not None
    assert (more.unit, more.shown) == ("count", "3")


@pytest.fixture
def short(workspace: Maker) -> Workspace:
    """a has half a kilometre of road, b one; a is half wood, of c nothing is known but its border; targets on most."""
    lines = frame([road((0, 500), (500, 500)), road((1000, 300), (2000, 300))], id=["r1", "r2"], class_=["primary"] * 2)
    woods = frame([square(0, 0, 500, 1000)], id=["w"])
    toml = layer("roads", 'id_field = "id"', 'class_field = "class_"') + layer("forest", 'id_field = "id"')
    folder = workspace(toml + '[tables]\ntargets = "targets.csv"\n', roads=lines, forest=woods)
    rows = [
        "road_density,a,ge,2,2035,规划,,",
        "road_density,all,ge,1,2035,规划,,",
        "forest_cover,south,ge,30,2020,规划,,",
        "forest_cover,all,le,5,2035,规划,,",
        "road_length,b,ge,1.5,2035,规划,,",
        "road_length,d,ge,0,2035,规划,,",
        "water_quality_good_share,all,ge,80,2035,规划,,",
    ]
    (folder / "targets.csv").write_text(TARGETS + "\n".join(rows) + "\n", encoding="utf-8")
    return qp.open_workspace(folder)


def test_the_work_of_each_target(short: Workspace) -> None:
    work = qp.assess(short).shortfall_work().set_index(["indicator", "zone_id"])
    assert work.loc[("road_density", "a"), "work"] == pytest.approx(1.5, rel=2e-3)
    assert work.loc[("road_density", "a"), "work_unit"] == "km"
    assert work.loc[("road_density", "all"), "work"] == pytest.approx(2.5, rel=2e-3)
    assert work.loc[("forest_cover", "south"), ["how", "work_unit"]].tolist() == ["add", "ha"]
    assert work.loc[("forest_cover", "south"), "work"] == pytest.approx(10, rel=2e-3)
    assert "目标年已过" in work.loc[("forest_cover", "south"), "note"]
    assert work.loc[("forest_cover", "all"), "how"] == "remove"
    assert work.loc[("forest_cover", "all"), "work"] == pytest.approx(30, rel=2e-3)
    assert work.loc[("road_length", "b"), "work"] == pytest.approx(0.5, rel=2e-3)
    assert ("road_length", "d") not in work.index
    assert math.isnan(work.loc[("water_quality_good_share", "all"), "work"])
    assert "缺少图层" in work.loc[("water_quality_good_share", "all"), "note"]


def test_what_is_added_reaches_the_target(short: Workspace) -> None:
    result = qp.assess(short)
    row = result.shortfall_work().set_index(["indicator", "zone_id"]).loc[("road_length", "b")]
    drawn = 1000 * row["work"] / row["value"]  # what is there is a kilometre of the grid
    for more, status in ((0.01, "met"), (-0.01, "unmet")):
        new = frame([road((1000, 700), (1000 + drawn + more, 700))], class_=["primary"])
        rows = qp.what_if(short, roads=new, settings={"indicators": ["road_length"]})["road_length"]
        assert rows.set_index("zone_id").loc["b", "status"] == status


def test_each_zone_by_the_target_of_the_whole(short: Workspace) -> None:
    work = qp.assess(short).shortfall_work(level="town").set_index(["indicator", "zone_id"])
    assert set(work.loc["road_density"].index) == {"a", "c", "d"}  # b has a kilometre; a its own target
    assert work.loc[("road_density", "c"), "work"] == pytest.approx(1, rel=2e-3)
    assert "按全区的目标计" in work.loc[("road_density", "c"), "note"]
    assert set(work.loc["road_length"].index) == {"b"}


def test_gap_on_the_command_line(short: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(short.files[0].parent)
    assert main(["gap", folder, "--indicator", "road_length", "--zone", "乙", "--out", str(tmp_path / "out")]) == 0
    assert "需新增道路 0.5" in capsys.readouterr().out
    assert (tmp_path / "out" / "gap.csv").read_text("utf-8-sig").startswith("indicator,definition,zone_id,")
    assert main(["gap", folder, "--json", "--lang", "en"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["indicator"] for row in rows} >= {"road_density", "forest_cover", "road_length"}
    for wrong in (["--zone", "戊"], ["--level", "city"], ["--definition", "centreline"], ["--indicator", "road"]):
        assert main(["gap", folder, *wrong]) == 2


# ------------------------------------------------------------------------------------ the optimum, by brute force


@st.composite
def covers(draw: st.DrawFn, *, plain: bool = False) -> Cover:
    """Up to seven candidates, up to eight demands of up to three services, one or two goals, costs of all kinds."""
    count = draw(st.integers(1, 7))
    costs = draw(st.lists(st.one_of(st.just(10**6), st.integers(0, 9 * 10**6)), min_size=count, max_size=count))
    if draw(st.booleans()):
        costs = [1] * count
    goals = draw(st.integers(1, 2))
    some = st.lists(st.integers(0, count - 1), max_size=4).map(tuple)
    services = st.lists(some, min_size=1, max_size=1 if plain else 3).map(tuple)
    worth = st.tuples(*[st.integers(0, 5) | st.integers(0, 10**13)] * goals)
    demands = draw(st.lists(st.builds(Demand, st.integers(1, 1 if plain else 3), services, worth), max_size=8))
    most = Cover.of(costs, demands, [0] * goals).reached(range(count))
    return Cover.of(costs, demands, [draw(st.integers(0, one + 1)) for one in most])


def every_set(count: int) -> Iterator[tuple[int, ...]]:
    return (chosen for size in range(count + 1) for chosen in combinations(range(count), size))


def reaches(cover: Cover, chosen: tuple[int, ...]) -> bool:
    """By the words of the problem, not by its code."""
    sums = [0] * len(cover.goals)
    for demand in cover.demands:
        brought = [any(one in chosen for one in service) for service in demand.services]
        if sum(brought) >= demand.need:
            for n, worth in enumerate(demand.worth):
                sums[n] += worth
    return all(got >= goal for got, goal in zip(sums, cover.goals, strict=True))


def best_by_force(cover: Cover) -> tuple[int, int] | None:
    """The least cost, and the least sum of numbers at that cost."""
    sets = [chosen for chosen in every_set(len(cover.costs)) if reaches(cover, chosen)]
    return min(((cover.cost(one), sum(n + 1 for n in one)) for one in sets), default=None)


@settings(max_examples=150, deadline=None)
@given(cover=covers())
def test_the_programme_is_optimal(cover: Cover) -> None:
    found, truth = cheapest(cover), best_by_force(cover)
    if truth is None or found is None:
        assert found is truth is None
        return
    assert reaches(cover, found.chosen)
    assert (found.cost, sum(n + 1 for n in found.chosen)) == truth
    assert found.proven


@settings(max_examples=150, deadline=None)
@given(cover=covers(plain=True))
def test_greedy_is_within_its_bound(cover: Cover) -> None:
    found, truth = cheapest(cover, seconds=0), best_by_force(cover)
    if truth is None or found is None:
        assert found is truth is None
        return
    assert reaches(cover, found.chosen)
    assert found.bound <= truth[0] <= found.cost
    assert found.factor is None or found.cost <= found.factor * truth[0]
    assert found.factor is not None or not found.chosen


@settings(max_examples=100, deadline=None)
@given(cover=covers(), tries=st.sampled_from([4, 12, 200]))
def test_trying_sets_is_optimal_or_says_what_is_proven(cover: Cover, tries: int) -> None:
    asked: list[tuple[int, ...]] = []

    def missing(chosen: tuple[int, ...]) -> tuple[float, ...]:
        asked.append(chosen)
        reached = cover.reached(chosen)
        return tuple(max(goal - got, 0) / goal if goal else 0.0 for got, goal in zip(reached, cover.goals, strict=True))

    found, truth = tried(cover.costs, missing, tries=tries), best_by_force(cover)
    assert len(asked) == len(set(asked))
    if found is None:
        assert truth is None or tries < 2 ** len(cover.costs)
        return
    assert truth is not None
    assert reaches(cover, found.chosen)
    assert found.bound <= truth[0] <= found.cost
    assert tries < 2 ** len(cover.costs) or found.cost == truth[0]
