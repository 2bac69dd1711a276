"""Closing a gap: the fewest, or cheapest, candidates that bring values to their targets, as a scenario.

Where candidates add up, as facilities to walk to do, what each reaches by itself is found once, and the best set is
that of a whole-number programme. Otherwise sets are tried. Either way the answer is computed again as a scenario: only
what is confirmed so is reported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Any

from qpgis.assessment import Assessment
from qpgis.catalogue import Lang, clauses, text, unit_text
from qpgis.control.placing import PLACED
from qpgis.errors import ConfigError, did_you_mean
from qpgis.findings import Finding
from qpgis.indicators.declaration import Indicator
from qpgis.layers import SHOW, Layer
from qpgis.measures.contributions import MICRO
from qpgis.plans import Status, Target, limit
from qpgis.rows import Judgement, Row
from qpgis.scenarios.candidates import Candidates
from qpgis.scenarios.closing import Additive, Goal, Problem, additive, never_less
from qpgis.scenarios.cover import SECONDS, TRIES, Choice, Chosen, Cover, cheapest, exhausted, tried
from qpgis.scenarios.shortfall import WORK_UNITS, zone_called
from qpgis.scenarios.what_if import Change, scenario
from qpgis.workspace import Workspace

if TYPE_CHECKING:
    import geopandas as gpd

AGAIN = 5
"""So often a plan is looked for again that the scenario didn't confirm."""
KIND = "chosen"
"""The layer of what was chosen, on maps and in tables."""


@dataclass(frozen=True)
class Answer:
    """Which candidates bring values to their targets.

    Attributes
    ----------
    present : Workspace
    indicator, definition : str
    title, unit : str
        What planners call the indicator, and its unit.
    goals : tuple of Goal
    candidates : Candidates
    choice : Choice or None
        ``None`` where no plan was found that the scenario confirms.
    additive : bool
        True if the candidates add up, so that the best set was computed, not tried.
    every_set : bool
        True if none of the sets that there are can have been overlooked.
    adds : tuple of (int, Fraction)
        The chosen in the order in which they add most, each with what it adds, summed over the goals.
    adds_unit : str
        ``people``, ``ha``, ``km``, ... or the indicator's.
    unconfirmed : bool
        True if a plan was found that the scenario didn't confirm.
    name : str
        What the scenario is called.
    lang : "zh" or "en"
    """

    present: Workspace = field(repr=False)
    indicator: str
    definition: str
    title: str
    unit: str
    goals: tuple[Goal, ...]
    candidates: Candidates
    choice: Choice | None
    additive: bool
    every_set: bool
    adds: tuple[tuple[int, Fraction], ...]
    adds_unit: str
    unconfirmed: bool
    name: str
    lang: Lang = "zh"

    def __repr__(self) -> str:
        found = "no plan" if self.choice is None else f"{len(self.choice.chosen)} of {len(self.candidates)} candidates"
        return f"<Answer for {self.indicator}:{self.definition}: {found}>"

    @property
    def reached(self) -> bool:
        """True if a plan was found, and confirmed by the scenario."""
        return self.choice is not None

    @property
    def changes(self) -> tuple[Change, ...]:
        """What the plan adds to the layers, for :func:`qpgis.what_if`."""
        return self.candidates.change(self.choice.chosen) if self.choice else ()

    @cached_property
    def _made(self) -> Workspace:
        if self.choice is None:
            raise ConfigError(f"no plan was found for {self.indicator!r}, so there is no scenario of it")
        made = scenario(self.present, self.changes, name=self.name, lang=self.lang)
        return replace(made, inputs=(*made.inputs, *self.candidates.inputs))

    @cached_property
    def across(self) -> tuple[Finding, ...]:
        """What of the plan lies across control lines or above a figure, or that it wasn't checked (未作管控校核)."""
        if self.choice is None or not self.choice.chosen:
            return ()
        known = set(self.present.findings)
        return tuple(one for one in self._made.findings if one.rule in PLACED and one not in known)

    def scenario(self) -> Workspace:
        """The workspace with what was chosen.

        Raises
        ------
        ConfigError
            If no plan was found.
        """
        return self._made

    @cached_property
    def chosen(self) -> gpd.GeoDataFrame:
        """The candidates that were chosen, with ``order``, ``adds`` and ``adds_unit``."""
        rows = [one for one, _ in self.adds]
        frame = self.candidates.frame.iloc[rows].reset_index(drop=True)
        added = [float(amount) for _, amount in self.adds]
        return frame.assign(order=range(1, len(rows) + 1), adds=added, adds_unit=self.adds_unit)

    def shown_on(self, assessment: Assessment) -> dict[tuple[str, str], tuple[Layer, ...]]:
        """The features that an assessment of the scenario singles out, with those that were chosen."""
        key = (self.indicator, self.definition)
        there = dict(assessment.features)
        if self.choice and self.choice.chosen:
            there[key] = (*there.get(key, ()), self._layer(assessment.workspace))
        return there

    def _layer(self, made: Workspace) -> Layer:
        """What was chosen as a layer that maps show."""
        layer, prefix = made.layers[self.candidates.kind], f"{self.name}:"
        ours = layer.select(layer.frame["feature_id"].str.startswith(prefix).to_numpy(), KIND)
        ids = ours.frame["feature_id"].str.removeprefix(prefix)
        said = {self.candidates.ids[one]: (n, amount) for n, (one, amount) in enumerate(self.adds, 1)}
        frame = ours.frame[["feature_id", "name", "class_"]].assign(
            feature_id=ids,
            **{
                f"{SHOW}order": [str(said[one][0]) for one in ids],
                f"{SHOW}adds": [self._amount(said[one][1]) for one in ids],
            },
        )
        return replace(ours, kind=KIND, frame=frame)

    def _amount(self, amount: Fraction) -> str:
        digits = f"{float(amount):,.0f}" if self.adds_unit in ("people", "count") else f"{float(amount):,.4g}"
        return f"{digits} {unit_text(self.adds_unit, self.lang)}".strip()

    # ---- in words ----

    def text(self) -> str:
        """The plan, or why there is none, for planners."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        lang, unit = self.lang, unit_text(self.unit, self.lang)
        count = len(self.choice.chosen) if self.choice else 0
        words = {"name": self.title, "definition": self.definition, "count": len(self.candidates), "chosen": count}
        words["layer"] = text(f"layer_{self.candidates.kind}", lang)
        nothing = self.reached and not count
        yield text("gap_met" if nothing else "gap_plan" if self.reached else "gap_no_plan", lang, **words)
        for goal in self.goals:
            shown = {
                key: text("gap_no_value", lang) if value is None else f"{value:.6g} {unit}".strip()
                for key, value in (("before", goal.before), ("after", goal.after), ("most", goal.most))
            }
            words = {**shown, "zone": goal.zone.name, "target": goal.target.text}
            yield "  " + text("gap_goal" if self.reached else "gap_goal_missed", lang, **words)
        yield from (f"  {line}" for line in ([] if nothing else self._standing()))
        for n, (one, amount) in enumerate(self.adds, 1):
            row = self.candidates.frame.iloc[one]
            name = str(row["name"]) if "name" in row and row["name"] == row["name"] else ""
            named = " ".join(filter(None, [self.candidates.ids[one], name]))
            yield "  " + text("gap_chosen", lang, number=n, name=named, adds=self._amount(amount))
        for finding in self.across:
            about = f"{finding.feature_id}: " if finding.feature_id else ""
            yield f"  {about}{clauses([finding.message, finding.action], lang)}"

    def _standing(self) -> Iterator[str]:
        """What is proven of the plan, or of there being none."""
        lang, choice = self.lang, self.choice
        if choice is None:
            if self.unconfirmed:
                yield text("gap_unconfirmed", lang)
            yield text("gap_none_there" if self.every_set else "gap_none_found", lang)
            return
        words = {"cost": self._cost(choice.cost), "bound": self._cost(choice.bound)}
        said = [text(f"gap_how_{choice.how}", lang)]
        said.append(text("gap_cheapest" if choice.proven else "gap_bound_of_cost", lang, **words))
        if not choice.proven:
            factor = choice.factor
            proven = text("gap_factor", lang, factor=f"{float(factor):.4g}") if factor else text("gap_no_factor", lang)
            said.append(proven)
        yield clauses(said, lang)

    def _cost(self, cost: int) -> str:
        if not self.candidates.cost_field:
            return text("gap_so_many", self.lang, count=-(-cost // MICRO))
        return f"{self.candidates.cost_field} {cost / MICRO:,.12g}"

    def toml(self, file: str) -> str:
        """The lines of ``qpgis.toml`` that make it a scenario, with what was chosen in a file."""
        head = f"# {text('gap_copy', self.lang, file=file)}\n"
        head += f'[scenarios.gap]\ntitle = "{self.name}"\n[[scenarios.gap.changes]]\n'
        return head + f'kind = "{self.candidates.kind}"\nfile = "{file}"\ngrade = "{self.candidates.grade}"'

    def as_record(self) -> dict[str, Any]:
        """Everything as JSON takes it."""
        goals = [
            {
                "zone_id": goal.zone.id,
                "zone_name": goal.zone.name,
                "operator": goal.target.operator,
                "limit": goal.limit,
                "target_text": goal.target.text,
                **{key: getattr(goal, key) for key in ("before", "after", "most")},
            }
            for goal in self.goals
        ]
        ids = self.candidates.ids
        chosen = [
            {"id": ids[one], "order": n, "adds": float(amount), "adds_unit": self.adds_unit}
            for n, (one, amount) in enumerate(self.adds, 1)
        ]
        proven: dict[str, Any] = {"every_set": self.every_set}
        if (choice := self.choice) is not None:
            proven = {"how": choice.how, "proven": choice.proven, "cost": choice.cost / MICRO}
            proven |= {"bound": choice.bound / MICRO, "factor": float(choice.factor) if choice.factor else None}
        return {
            "indicator": self.indicator,
            "definition": self.definition,
            "unit": self.unit,
            "layer": self.candidates.kind,
            "candidates": len(self.candidates),
            "goals": goals,
            "reached": self.reached,
            "unconfirmed": self.unconfirmed,
            **proven,
            "chosen": chosen,
            "across": [{"rule": one.rule, "id": one.feature_id, "message": one.message} for one in self.across],
        }


def close(
    workspace: Workspace,
    indicator: str,
    candidates: Candidates,
    *,
    definition: str | None = None,
    zones: Iterable[str] | None = None,
    target: float | None = None,
    operator: str = "ge",
    name: str | None = None,
    seconds: float = SECONDS,
    tries: int = TRIES,
    lang: Lang = "zh",
) -> Answer:
    """The fewest, or cheapest, candidates that bring an indicator to its targets.

    Parameters
    ----------
    workspace : Workspace
    indicator : str
    candidates : Candidates
    definition : str, optional
        By default the first that the workspace asks for.
    zones : iterable of str, optional
        Ids or names; by default every zone whose target isn't met. One without a target has that of the zone that
        holds it.
    target : float, optional
        Instead of those of the plans, for every one of ``zones``.
    operator : str
        Of that target: ``ge``, ``gt``, ``le`` or ``lt``.
    name : str, optional
        What the scenario is called.
    seconds : float
        How long the solver may take; 0: greedily.
    tries : int
        How many sets are tried where candidates don't add up.
    lang : "zh" or "en"

    Raises
    ------
    ConfigError
        If an indicator, definition, zone or target isn't there, or there is no value.
    LayerError, CRSError
        If a candidate can't be used.
    """
    called = name or text("gap_name", lang)
    problem = Problem(workspace, *_chosen(workspace, indicator, definition), candidates, called, lang)
    goals = tuple(_goals(problem, None if zones is None else list(zones), target, operator))
    problem = replace(problem, goals=goals)
    everything = problem.outcomes(tuple(range(len(candidates))))
    most = tuple(replace(goal, most=one.value) for goal, one in zip(goals, everything, strict=True))
    problem = replace(problem, goals=most)
    found = additive(problem)
    return _covering(problem, found, seconds) if found else _trying(problem, tries)


def _chosen(workspace: Workspace, name: str, definition: str | None) -> tuple[Indicator, str]:
    """An indicator and the name of one of its definitions."""
    known = workspace.indicators
    if name not in known:
        raise ConfigError(f"unknown indicator {name!r}; {did_you_mean(name, known)}")
    indicator = known[name]
    if not isinstance(indicator, Indicator):
        raise ConfigError(f"{name!r} is made of other indicators or of no layers; choose one that layers give")
    asked = definition or next(iter(workspace.definitions.get(name) or ()), indicator.definitions[0].name)
    return indicator, indicator.definition(asked).name


def _goals(problem: Problem, names: Sequence[str] | None, number: float | None, operator: str) -> Iterator[Goal]:
    """The targets that are to be met."""
    workspace, key = problem.workspace, problem.indicator.id
    rows = problem.rows(workspace, workspace.known)
    if names is None:
        if number is not None:
            raise ConfigError(f"target = {number:g}: of which zone? name it with zone")
        names = [zone for zone, row in rows.items() if any(one.status is not Status.MET for one in _numbered(row))]
        if not names:
            raise ConfigError(f"{key}:{problem.definition}: no zone is below a target; name a zone and a target")
    for name in names:
        row = rows[zone_called(workspace, name).id]
        target = _target(problem, row, rows, number, operator)
        if row.value is None:
            raise ConfigError(f"{key}:{problem.definition}, {row.zone.name}: no value: {row.note}")
        yield Goal(row.zone, target, limit(target, workspace.thresholds), row.value)


def _numbered(row: Row) -> list[Judgement]:
    return [one for one in row.judgements if one.target.value is not None]


def _target(problem: Problem, row: Row, rows: dict[str, Row], number: float | None, operator: str) -> Target:
    """The target of a row: the number that was given, its own, or that of the zone that holds it."""
    key = problem.indicator.id
    if number is not None:
        sides = {"ge": "up", "gt": "up", "le": "down", "lt": "down"}
        if operator not in sides:
            raise ConfigError(f"operator {operator!r} is not known; {did_you_mean(operator, sides)}")
        year = problem.workspace.year
        return Target(key, row.zone.id, f"{number:g}", operator, number, year, "", direction=sides[operator])
    if own := _numbered(row):
        return next((one for one in own if one.status is not Status.MET), own[0]).target
    groups = {group.id: set(group.members) for group in problem.workspace.area.groups}
    inner = groups.get(row.zone.id, {row.zone.id})
    if row.denominator is not None:
        for other in rows.values():
            if inner < groups.get(other.zone.id, set()) and (outer := _numbered(other)):
                return outer[0].target
    raise ConfigError(f"{key}:{problem.definition}, {row.zone.name}: no target in numbers; give one with target")


# ------------------------------------------------------------------------------------------------------ two ways to it


def _covering(problem: Problem, found: Additive, seconds: float) -> Answer:
    """The best set of a whole-number programme; looked for again where the scenario comes to a hair less."""
    goals = tuple(max(goal - slack, 0) for goal, slack in zip(found.goals, found.slack, strict=True))
    unit, worth, _ = WORK_UNITS.get(found.unit, (found.unit, 1, 0))
    bound = None
    for _ in range(AGAIN):
        cover = Cover.of(problem.candidates.costs, found.demands, goals)
        choice = cheapest(cover, seconds=seconds)
        if choice is not None:  # only the first goals are none but those that were asked for
            bound = choice.bound if bound is None else bound
            choice = replace(choice, bound=min(choice.bound, bound))

        def amounts(chosen: Chosen, cover: Cover = cover) -> Fraction:
            return Fraction(sum(cover.reached(chosen)), MICRO * worth)

        every = choice is None and bound is None
        answer = _answer(problem, choice, amounts, additive=True, every_set=every, adds_unit=unit)
        if choice is None or answer.reached:
            break
        promised = [had + got for had, got in zip(found.before, cover.reached(choice.chosen), strict=True)]
        came = [one.numerator.micro if one.numerator else 0 for one in problem.outcomes(choice.chosen)]
        goals = tuple(
            max(goal, full) + max(said - got, int(goal >= full))
            for goal, full, said, got in zip(goals, found.goals, promised, came, strict=True)
        )
    return replace(answer, unconfirmed=not answer.reached and bound is not None)


def _trying(problem: Problem, tries: int) -> Answer:
    """The best of the sets that are tried."""
    enough = all(problem.holds(goal, goal.most) for goal in problem.goals)
    hopeless = not enough and never_less(problem)
    choice = None if hopeless else tried(problem.candidates.costs, problem.lacks, tries=tries)
    sign = 1 if problem.goals[0].target.direction == "up" else -1

    def amounts(chosen: Chosen) -> Fraction:
        return sign * sum((Fraction(one.value or 0) for one in problem.outcomes(chosen)), Fraction(0))

    every = hopeless or exhausted(problem.candidates.costs, tries)
    return _answer(problem, choice, amounts, additive=False, every_set=every, adds_unit=problem.indicator.unit)


def _answer(problem: Problem, choice: Choice | None, amounts: Callable[[Chosen], Fraction], **about: Any) -> Answer:
    """The answer, with the plan if the scenario confirms it."""
    goals = problem.goals if choice is None else problem.confirmed(choice.chosen)
    right = choice is not None and all(problem.holds(goal, goal.after) for goal in goals)
    return Answer(
        problem.workspace,
        problem.indicator.id,
        problem.definition,
        problem.indicator.title(problem.lang),
        problem.indicator.unit,
        goals if right else problem.goals,
        problem.candidates,
        choice if right else None,
        adds=tuple(_in_turn(choice.chosen, amounts)) if choice is not None and right else (),
        unconfirmed=choice is not None and not right,
        name=problem.name,
        lang=problem.lang,
        **about,
    )


def _in_turn(chosen: Chosen, amounts: Callable[[Chosen], Fraction]) -> Iterator[tuple[int, Fraction]]:
    """The chosen, what adds most by itself first, each with what it adds to those before it."""
    alone = {one: amounts((one,)) for one in chosen}
    taken: Chosen = ()
    reached = amounts(())
    for one in sorted(chosen, key=lambda n: (-alone[n], n)):
        taken = tuple(sorted((*taken, one)))
        now = amounts(taken)
        yield one, now - reached
        reached = now
