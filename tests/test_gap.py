"""Closing gaps: the work that is missing by hand, plans against brute force, answers held against what-if."""

from __future__ import annotations

import json
import math
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from itertools import combinations
from pathlib import Path

import geopandas as gpd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import qpgis as qp
from qpgis.amounts import Amount, value_of
from qpgis.cli import main
from qpgis.errors import ConfigError, CRSError, LayerError
from qpgis.plans import Target, Thresholds, holds
from qpgis.scenarios.closing import Goal, Problem
from qpgis.scenarios.cover import Cover, Demand, cheapest, tried
from qpgis.scenarios.shortfall import Lack
from qpgis.workspace import Workspace
from tests.conftest import HEAD, Maker, four_towns, frame, layer, square, write
from tests.test_what_if import point, road

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
    assert main(["gap", folder, "--indicator", "road_length", "--target", "2", "--zone", "乙"]) == 2
    assert "--candidates" in capsys.readouterr().err


def test_gap_of_one_indicator(short: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    folder = short.files[0].parent
    with (folder / "targets.csv").open("a", encoding="utf-8") as table:
        table.write("rd_expenditure_share,all,ge,30,2035,规划,,\n")
    assert main(["gap", str(folder), "--indicator", "road_length"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("道路长度")
    assert main(["gap", str(folder), "--indicator", "road_length", "--zone", "丁"]) == 0
    said = capsys.readouterr().out
    assert "所问分区没有可比的目标，或已达标" in said
    assert "未达标的是：乙" in said


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


@settings(max_examples=40, deadline=None)
@given(cover=covers())
def test_out_of_time_it_says_what_is_proven(cover: Cover) -> None:
    found, truth = cheapest(cover, seconds=1e-9), best_by_force(cover)
    assert (found is None) == (truth is None)
    if found is not None and truth is not None:
        assert reaches(cover, found.chosen)
        assert found.bound <= truth[0] <= found.cost


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


# --------------------------------------------------------------------------------------- answers, held against what-if


STOPS = [(1500, 1500), (300, 500), (900, 500), (900, 1500), (1700, 500), (500, 1900), (1250, 1100)]
HOMES = [(100 + 400 * i, 100 + 400 * j) for i in range(5) for j in range(5)]


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Streets every 200 m, a home at every other corner, one bus stop; three in four people are to have one."""
    folder = tmp_path_factory.mktemp("city")
    streets = [road(*((x, y) for x in range(0, 2001, 100))) for y in range(100, 2000, 200)]
    streets += [road(*((x, y) for y in range(0, 2001, 100))) for x in range(100, 2000, 200)]
    homes = frame(
        [point(*one) for one in HOMES], id=[f"h{n}" for n in range(25)], people=[10 + n * n for n in range(25)]
    )
    stops = frame([point(*STOPS[0])], id=["s0"], kind=["bus_stop"])
    toml = layer("roads", 'id_field = "id"', 'class_field = "class_"')
    toml += layer("residents", 'id_field = "id"', 'amount_field = "people"')
    toml += layer("facilities", 'id_field = "id"', 'class_field = "kind"')
    toml += '[definitions]\nbus_stop_coverage = ["people_500m_walk"]\n[tables]\ntargets = "targets.csv"\n'
    (folder / "qpgis.toml").write_text(HEAD + toml, encoding="utf-8")
    lines = frame(streets, id=[str(n) for n in range(len(streets))], class_=["residential"] * len(streets))
    write(folder, {"towns": four_towns(), "roads": lines, "residents": homes, "facilities": stops})
    (folder / "targets.csv").write_text(TARGETS + "bus_stop_coverage,all,ge,75,2035,规划,,\n", encoding="utf-8")
    return qp.open_workspace(folder)


def stops(**columns: list) -> gpd.GeoDataFrame:
    """Six places where a stop could be."""
    columns = {
        "id": [f"c{n}" for n in range(1, 7)],
        "kind": ["bus_stop"] * 6,
        "万元": [40, 20, 50, 30, 10, 60],
        **columns,
    }
    return frame([point(*one) for one in STOPS[1:]], **columns)


ROUTES = {"people_500m_walk": 75.0, "people_500m": 80.0}


@dataclass(frozen=True)
class Asked:
    """Which of some features of a layer bring a definition of an indicator to goals in the whole area."""

    workspace: Workspace
    indicator: str
    definition: str
    kind: str
    given: gpd.GeoDataFrame

    @cached_property
    def values(self) -> dict[tuple[int, ...], float]:
        """What the scenario of every set comes to."""
        return {chosen: self._value(chosen) for chosen in every_set(len(self.given))}

    def _value(self, chosen: tuple[int, ...]) -> float:
        changes = [qp.Change(self.kind, self.given.iloc[list(chosen)])] if chosen else []
        asked = {"indicators": [self.indicator], "definitions": {self.indicator: [self.definition]}}
        rows = qp.what_if(self.workspace, *changes, settings=asked)[self.indicator]
        (found,) = rows[(rows["zone_id"] == "all") & (rows["definition"] == self.definition)]["value"]
        return float(found)

    def best(self, goal: float, costs: Sequence[float]) -> tuple[float, int] | None:
        """The least cost, and sum of numbers, among all sets whose scenario reaches a goal."""
        sets = (one for one, value in self.values.items() if value >= goal)
        return min(((sum(costs[n] for n in one), sum(n + 1 for n in one)) for one in sets), default=None)

    def check(self, goal: float, *, additive: bool = True, cost_field: str | None = None) -> qp.Answer:
        """Ours, which is the best of all scenarios, in whatever order the candidates are."""
        about = {"layer": self.kind, "zone": "全区", "definition": self.definition, "cost_field": cost_field}
        given = self.given.sample(frac=1, random_state=3).to_crs(4326)
        answer = qp.gap(self.workspace, self.indicator, given, target=goal, **about)
        truth = self.best(goal, self.given[cost_field].tolist() if cost_field else [1] * len(self.given))
        assert answer.additive is additive
        if truth is None or answer.choice is None:
            assert truth is answer.choice is None
            assert answer.every_set
            return answer
        assert answer.choice.proven
        cost, numbers = answer.choice.cost / 1e6, sum(one + 1 for one in answer.choice.chosen)
        assert (cost, numbers) == truth if additive else cost == truth[0]
        return answer


@pytest.mark.parametrize("definition", ["people_500m_walk", "people_500m"])
def test_the_plan_is_the_best_of_all_scenarios(city: Workspace, definition: str) -> None:
    asked = Asked(city, "bus_stop_coverage", definition, "facilities", stops())
    for goal in (30, 60, 75, 85, 99):
        answers = [asked.check(goal, cost_field=field) for field in (None, "万元")]
    answer = asked.check(75)
    assert answer.choice is not None
    rows = answer.result["bus_stop_coverage"].set_index(["definition", "zone_id"]).loc[(definition, "all")]
    assert rows["value"] == answer.goals[0].after >= 75
    assert set(answer.chosen["feature_id"]) == {f"c{n + 1}" for n in answer.choice.chosen}
    present = qp.assess(city, definitions={"bus_stop_coverage": [definition]})["bus_stop_coverage"].set_index("zone_id")
    assert answer.chosen["adds"].sum() == pytest.approx(rows["numerator"] - present.loc["all", "numerator"])
    assert {answer.reached for answer in answers} == {False}


def test_by_trying_sets_it_is_the_same(city: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    about = {"layer": "facilities", "zone": "all"}
    computed = qp.gap(city, "bus_stop_coverage", stops(), **about)
    monkeypatch.setattr("qpgis.scenarios.gap.additive", lambda problem: None)
    by_trying = qp.gap(city, "bus_stop_coverage", stops(), **about)
    assert not by_trying.additive
    assert by_trying.choice is not None
    assert computed.choice is not None
    assert by_trying.choice.cost == by_trying.choice.bound == computed.choice.cost
    assert by_trying.goals[0].after >= 75
    short = qp.gap(city, "bus_stop_coverage", stops(), tries=8, **about)
    assert short.choice is not None
    assert short.choice.bound <= computed.choice.cost <= short.choice.cost
    assert not short.choice.factor


def test_what_all_candidates_together_do_not_reach(city: Workspace) -> None:
    answer = qp.gap(city, "bus_stop_coverage", stops(), layer="facilities", zone=["a", "d"], target=100)
    everything = qp.what_if(city, facilities=stops(), settings={"indicators": ["bus_stop_coverage"]})
    values = everything["bus_stop_coverage"].set_index("zone_id")["value"]
    assert not answer.reached
    assert [goal.most for goal in answer.goals] == [values["a"], values["d"]]
    assert "已证明：这些候选的任何组合都达不到" in answer.text()
    with pytest.raises(ConfigError, match="no plan"):
        answer.scenario()
    several = qp.gap(city, "bus_stop_coverage", stops(), layer="facilities", zone=["a", "b"], target=50)
    assert several.reached
    assert all(goal.after is not None and goal.after >= 50 for goal in several.goals)


def test_no_plan_is_given_that_the_scenario_does_not_confirm(city: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(problem: Problem, chosen: tuple[int, ...]) -> tuple[Goal, ...]:
        return tuple(replace(goal, after=goal.before) for goal in problem.goals)

    monkeypatch.setattr(Problem, "confirmed", never)
    answer = qp.gap(city, "bus_stop_coverage", stops(), layer="facilities")
    assert not answer.reached
    assert answer.unconfirmed
    assert not answer.every_set
    assert answer.changes == ()
    assert len(answer.chosen) == 0
    assert "不予采用" in answer.text()


def test_connectivity_is_tried(workspace: Maker) -> None:
    """Three pieces of greenway; two of the links between them make one network of it."""
    lines = frame(
        [road((0, 100), (600, 100)), road((800, 100), (1400, 100)), road((1600, 100), (1900, 100))], id=list("123")
    )
    folder = workspace(layer("greenways", 'id_field = "id"'), greenways=lines)
    links = [road((100, 900), (300, 900)), road((600, 100), (800, 100)), road((1400, 100), (1600, 100))]
    answer = qp.gap(
        qp.open_workspace(folder),
        "greenway_continuity",
        frame(links, id=["far", "west", "east"]),
        layer="greenways",
        zone="all",
        target=99,
        definition="longest_network",
    )
    assert not answer.additive
    assert answer.reached
    assert set(answer.chosen["feature_id"]) == {"west", "east"}
    assert answer.choice is not None
    assert answer.choice.how == "tried"
    assert answer.choice.proven


@pytest.mark.parametrize(
    ("made", "error", "said"),
    [
        (lambda: stops().set_crs(None, allow_override=True), CRSError, "facilities"),
        (lambda: stops(kind=["bus_stop"] * 5 + ["站台子"]), LayerError, "row c6: .*站台子"),
        (lambda: stops(id=["c1", "c2", "c3", "c4", "c5", "c1"]), LayerError, "row c1: stands twice as an id"),
        (lambda: stops(万元=[1, 2, 3, 4, 5, -6]), LayerError, "row c6: 万元 = -6.* write a number of 0 or more"),
        (lambda: stops(万元=[1, 2, 3, 4, None, 6]), LayerError, "row c5: 万元 = "),
        (lambda: stops(万元=[1, 2, 3, 4, "贵", 6]), LayerError, "row c5: 万元 = 贵"),
        (lambda: stops().drop(columns="万元"), LayerError, "no column '万元'"),
        (lambda: stops().iloc[:0], LayerError, "no rows"),
        (lambda: stops().set_geometry([None, *stops().geometry[1:]], crs=4549), LayerError, "row c1: no geometry"),
        (
            lambda: frame([point(9, 9)] * 2, id=["x", "y"], kind=["bus_stop"] * 2, 万元=[1, 1]),
            LayerError,
            "row y: the same thing at the same place",
        ),
    ],
)
def test_candidates_that_cannot_be_used(
    city: Workspace, made: Callable[[], gpd.GeoDataFrame], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        qp.gap(city, "bus_stop_coverage", made(), layer="facilities", cost_field="万元")


def test_questions_that_cannot_be_asked(city: Workspace) -> None:
    for about, said in (
        ({"zone": "戊"}, "no zone"),
        ({"target": 5}, "of which zone"),
        ({"zone": "all", "target": 5, "operator": "is"}, "operator"),
        ({"definition": "people_9m"}, "people_9m"),
    ):
        with pytest.raises(ConfigError, match=said):
            qp.gap(city, "bus_stop_coverage", stops(), layer="facilities", **about)
    with pytest.raises(ConfigError, match="bus_stop_coverage"):
        qp.gap(city, "bus_stop_cover", stops(), layer="facilities")
    with pytest.raises(LayerError, match=r"add \[layers.stations\]"):
        qp.gap(city, "bus_stop_coverage", stops(), layer="stations")


def test_a_plan_on_the_command_line(city: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, file, out = str(city.files[0].parent), tmp_path / "places.geojson", tmp_path / "out"
    stops().to_crs(4326).to_file(file, driver="GeoJSON")
    ask = ["gap", folder, "--indicator", "bus_stop_coverage", "--candidates", str(file)]
    assert main([*ask, "--layer", "facilities", "--out", str(out)]) == 0
    said = capsys.readouterr()
    assert "已证明最省：2 处" in said.out
    chosen = gpd.read_file(out / "chosen.gpkg")
    assert len(chosen) == 2
    page = (out / "map.html").read_text("utf-8")
    assert "补短板选定" in page
    first = json.loads(re.findall(r'"series":\s*\[\s*(\{"indicator":\s*"\w+")', page)[0] + "}")
    assert first == {"indicator": "bus_stop_coverage"}  # the map opens with it
    # what was chosen, as a scenario of qpgis.toml by the lines that were told, comes to the same
    assert "先把 chosen.gpkg 复制到 qpgis.toml 所在文件夹" in said.err
    toml = said.err[said.err.index("[scenarios.gap]") :].replace("chosen.gpkg", str(out / "chosen.gpkg"))
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    (other / "qpgis.toml").write_text((other / "qpgis.toml").read_text("utf-8") + toml, encoding="utf-8")
    assert main(["what-if", str(other), "--scenario", "gap", "--out", str(tmp_path / "again")]) == 0
    rows = [(one / "indicators.csv").read_text("utf-8-sig").splitlines() for one in (out, tmp_path / "again")]
    assert [row.split(",")[:9] for row in rows[0]] == [row.split(",")[:9] for row in rows[1]]
    capsys.readouterr()
    assert main([*ask, "--layer", "facilities", "--zone", "all", "--target", "100", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["reached"] is False
    for wrong in ([], ["--layer", "facilities", "--level", "town"], ["--layer", "facilities", "--cost-field", "万"]):
        assert main([*ask, *wrong]) == 2


def test_the_order_of_candidates_does_not_matter(city: Workspace) -> None:
    answers = [
        qp.gap(city, "bus_stop_coverage", stops().iloc[order], layer="facilities").as_record()
        for order in ([0, 1, 2, 3, 4, 5], [5, 3, 1, 0, 2, 4])
    ]
    assert answers[0] == answers[1]
    assert [one["order"] for one in answers[0]["chosen"]] == [1, 2]


@pytest.mark.parametrize("needed", [1, 2])
def test_two_services_at_once(city: Workspace, needed: int) -> None:
    """Who needs a clinic and a place of culture isn't served by one of them."""
    kinds = ["clinic", "culture", "culture", "clinic", "clinic", "culture"]
    both = frame([point(*STOPS[0])] * 2, id=["a", "b"], kind=["clinic", "culture"])
    base = qp.what_if(city, facilities=both, name="基础", settings={"indicators": []}).workspace
    definition = f"people_all[at_least={needed}, minutes=8, required=culture+medical]"
    asked = Asked(base, "living_circle_15min", definition, "facilities", stops(kind=kinds).iloc[:5])
    for goal in (30, 55, 70, 90):
        asked.check(goal)


def test_ground_of_the_zones_themselves(city: Workspace) -> None:
    base = qp.what_if(city, facilities=stops(kind=["clinic"] * 6).iloc[:1], name="基础", settings={"indicators": []})
    definition = "area_all[minutes=7, required=medical, route=straight]"
    given = stops(kind=["clinic"] * 6).iloc[1:5]
    asked = Asked(base.workspace, "living_circle_15min", definition, "facilities", given)
    for goal in (15, 25, 30, 99):
        asked.check(goal)


def test_ground_beside_streets_is_tried_unless_hopeless(city: Workspace) -> None:
    base = qp.what_if(city, facilities=stops(kind=["clinic"] * 6).iloc[:1], name="基础", settings={"indicators": []})
    definition = "area_all[minutes=7, required=medical]"
    asked = Asked(base.workspace, "living_circle_15min", definition, "facilities", stops(kind=["clinic"] * 6).iloc[3:])
    most = max(asked.values.values())
    asked.check(most - 1, additive=False)
    about = {"layer": "facilities", "zone": "all", "target": most + 1, "definition": definition, "tries": 1}
    hopeless = qp.gap(base.workspace, "living_circle_15min", asked.given, **about)
    assert not hopeless.reached
    assert hopeless.every_set


def test_parks_that_grow_together(city: Workspace, workspace: Maker) -> None:
    """An existing park is too small to count until one beside it makes them one."""
    toml = layer("park", 'id_field = "id"') + layer("residents", 'id_field = "id"', 'amount_field = "people"')
    toml += layer("roads", 'id_field = "id"', 'class_field = "class_"')
    folder = workspace(toml, park=frame([square(470, 470, 15), square(1500, 1500, 60)], id=["small", "large"]))
    for name in ("residents", "roads"):
        shutil.copy(city.files[0].parent / f"{name}.gpkg", folder)
    places = [square(485, 470, 15), square(1700, 500, 60), square(900, 1700, 30), square(500, 900, 10)]
    asked = Asked(qp.open_workspace(folder), "park_walk_5min", "people", "park", frame(places, id=list("1234")))
    assert asked.values[0,] > asked.values[()]
    for goal in (20, 30, 40, 101):
        asked.check(goal)


def test_kilometres_of_road(short: Workspace) -> None:
    rows = [(0, 300, 700), (0, 900, 900), (1100, 1900, 700), (0, 700, 500)]  # the last runs along a road for 500 m
    lines = [road((west, y), (east, y)) for west, east, y in rows]
    given = frame(lines, id=list("1234"), class_=["primary"] * 4)
    asked = Asked(short, "road_density", "carriageway", "roads", given)
    for goal in (0.4, 0.6, 0.8, 9.0):
        asked.check(goal)


def test_connectivity_of_patches_is_tried(workspace: Maker) -> None:
    """A stepping stone between two woods is worth more than a larger wood far away."""
    woods = frame([square(100, 100, 400), square(1100, 100, 400)], id=["w1", "w2"])
    folder = workspace(layer("forest", 'id_field = "id"'), forest=woods)
    places = [square(1500, 1500, 200), square(700, 200, 200), square(100, 1500, 200)]
    key, given = "patch_connectivity", frame(places, id=list("123"))
    ws = qp.open_workspace(folder)
    definition = ws.indicators[key].definitions[0].name
    asked = Asked(ws, key, definition, "forest", given)
    values = sorted(asked.values.values())
    assert values[0] < values[-1]
    for goal in ((values[3] + values[4]) / 2, values[-1], values[-1] * 1.1):
        asked.check(goal, additive=False)


def test_ground_within_circles_that_overlap(workspace: Maker) -> None:
    """Parks serve land, greenways ground: what two of them reach counts once."""
    toml = layer("park", 'id_field = "id"') + layer("residential", 'id_field = "id"')
    toml += layer("greenways", 'id_field = "id"')
    homes = [square(0, 0, 700, 700), square(900, 900, 800, 500), square(1200, 100, 700, 300)]
    folder = workspace(
        toml,
        park=frame([square(100, 100, 50)], id=["p"]),
        residential=frame(homes, id=list("abc")),
        greenways=frame([road((0, 1900), (300, 1900))], id=["g"]),
    )
    ws = qp.open_workspace(folder)
    places = [square(450, 450, 60), square(800, 1000, 80), square(1300, 800, 80), square(1500, 450, 50)]
    parks = Asked(ws, "park_service_radius", "residential_land", "park", frame(places, id=list("1234")))
    for goal in (40, 60, 75, 85, 100):
        parks.check(goal)
    lines = [road((0, 1000), (900, 1000)), road((300, 1500), (300, 200)), road((1500, 300), (1900, 900))]
    definition = ws.indicators["greenway_coverage"].definitions[0].name
    ways = Asked(ws, "greenway_coverage", definition, "greenways", frame(lines, id=list("123")))
    for goal in (20, 35, 99):
        ways.check(goal)
