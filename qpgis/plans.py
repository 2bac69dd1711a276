"""Plans and their targets from ``data/plans/``; whether a value meets a target, and how far it has come."""

from __future__ import annotations

import hashlib
import math
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from qpgis.catalogue import data_dir, parsed_toml, read_toml
from qpgis.errors import ConfigError, did_you_mean


class Status(StrEnum):
    """How a value stands to its target, in the words of ``indicators.csv``."""

    MET = "met"
    BREACHED = "breached"
    ON_PATH = "on_path"
    BEHIND = "behind"
    UNMET = "unmet"
    NO_TARGET = "no_target"
    NOT_COMPUTABLE = "not_computable"


JUDGED = (Status.MET, Status.ON_PATH, Status.BEHIND, Status.UNMET, Status.BREACHED)
"""The statuses of values that have a number to reach, best first."""


class Light(StrEnum):
    """A traffic light (预警), best first."""

    GREEN = "green"
    YELLOW = "yellow"
    ORANGE = "orange"
    RED = "red"


@dataclass(frozen=True)
class Target:
    """What a document demands of one indicator in one zone.

    Attributes
    ----------
    indicator, zone : str
        Ids; a target is judged in this zone only.
    text : str
        The document's own words.
    operator : str
        ``ge, gt, le, lt, about, about_cumulative``, or what a user must supply (``user, le_user, ...``).
    value : float or None
        ``None`` where the target is only words.
    year : int
        When it is due.
    property : str
        约束性 or 预期性, as printed; empty where the document doesn't say.
    kind : str
        ``stock, cumulative, growth, floor, qualitative``: decides what progress means.
    direction : str
        ``up`` where more is better, else ``down``.
    operator_inferred : bool
        True where the document doesn't print the operator.
    document : str
        What it stands in.
    name, name_en, unit, domain : str
        As the plan prints them; ``number`` its row.
    spatial : bool
        Whether map layers could give the value.
    unit_text : str
        The unit in the plan's own words.
    plan : str
        Id of the plan that sets it; empty for targets of the workspace itself.
    clause : str
        Where in the document it stands.
    base_year : int or None
        Where the time to reach it begins; ``None`` leaves that to the baseline.
    """

    indicator: str
    zone: str
    text: str
    operator: str
    value: float | None
    year: int
    document: str
    property: str = ""
    kind: str = "stock"
    direction: str = "up"
    operator_inferred: bool = False
    name: str = ""
    name_en: str = ""
    unit: str = ""
    domain: str = ""
    number: int = 0
    spatial: bool = False
    unit_text: str = ""
    plan: str = ""
    clause: str = ""
    base_year: int | None = None


def is_binding(target: Target) -> bool:
    """Whether the document calls a target 约束性; what it doesn't call so is 预期性."""
    return target.property.startswith("约束")


@dataclass(frozen=True)
class Baseline:
    """Where the way to a target began: a value, its year, and who says so."""

    value: float
    year: int
    source: str


Baselines = Mapping[tuple[str, str], tuple[Baseline, ...]]
"""Baselines by indicator and zone, the earliest first."""


@dataclass(frozen=True)
class Plan:
    """A planning document with its targets.

    Attributes
    ----------
    id, title, document : str
    short : str
        What a sheet of its targets is called.
    target_year : int
    base_year : int or None
        Where the time to reach the targets begins.
    scope, scope_name : str
        The zone whose targets these are.
    targets : tuple of Target
        In the document's order.
    baselines : mapping of (indicator, zone) to Baseline
        The values of the base year that the document itself tells.
    sha256 : str
        Hash of the text that it was read from.
    """

    id: str
    title: str
    document: str
    target_year: int
    scope: str
    scope_name: str
    targets: tuple[Target, ...]
    short: str = ""
    base_year: int | None = None
    baselines: Baselines = field(default_factory=dict)
    sha256: str = field(default="", compare=False)


@cache
def usual_thresholds() -> Mapping[str, Any]:
    """The thresholds that hold where a workspace says nothing, from ``data/schemes/thresholds.toml``."""
    return MappingProxyType(read_toml("schemes", "thresholds.toml"))


@dataclass(frozen=True)
class Thresholds:
    """Settings of judging, printed in every output.

    Attributes
    ----------
    about_tolerance : float
        Share of the target by which a value may miss one that says "about" (左右).
    path_tolerance : float
        Share of the way by which a value may lag behind the straight line and still be on path.
    lights : mapping of "binding" or "expected" to a mapping of status to light
        The light (预警) of each status, for targets that are 约束性 and for all others; ``"none"`` shows no light.
    """

    about_tolerance: float = field(default_factory=lambda: usual_thresholds()["about_tolerance"])
    path_tolerance: float = field(default_factory=lambda: usual_thresholds()["path_tolerance"])
    lights: Mapping[str, Mapping[str, str]] = field(
        default_factory=lambda: {kind: dict(lights) for kind, lights in usual_thresholds()["lights"].items()}
    )

    @classmethod
    def changed(cls, given: Mapping[str, Any]) -> Thresholds:
        """The usual thresholds, but those that are given; of lights each by itself."""
        changes = dict(given)
        lights = changes.pop("lights", {})
        usual = cls(**changes)
        merged = {kind: {**usual.lights[kind], **lights.get(kind, {})} for kind in usual.lights}
        return cls(usual.about_tolerance, usual.path_tolerance, merged)

    def light(self, target: Target | None, status: Status) -> Light | None:
        """The light of a status; ``None`` without a target to judge by, or a value."""
        if target is None:
            return None
        name = self.lights["binding" if is_binding(target) else "expected"].get(status, "none")
        return None if name == "none" else Light(name)


def shipped_plans() -> tuple[str, ...]:
    """The ids of the plans that qpgis ships."""
    files = data_dir().joinpath("plans").iterdir()
    return tuple(sorted(f.name.removesuffix(".toml") for f in files if f.name.endswith(".toml")))


def read_plan(name: str, *, folder: Path | None = None) -> Plan:
    """A plan by the id of a shipped one, or by the path of a TOML file of the same form.

    Raises
    ------
    ConfigError
        If there is none, or a key is missing.
    """
    if name in shipped_plans():
        text = data_dir().joinpath("plans", f"{name}.toml").read_text(encoding="utf-8")
    elif folder is not None and (folder / name).is_file():
        text = _plan_text(folder / name)
    else:
        raise ConfigError(f"plan {name!r} is neither a file nor shipped; {did_you_mean(name, shipped_plans())}")
    try:
        table = parsed_toml(text)
        if wrong := [*_form_mistakes(table)]:
            raise ConfigError(wrong, file=f"plan {name!r}")
        head = table["plan"]
        targets = tuple(_target(row, head, n) for n, row in enumerate(table["targets"], 1))
        words = {key: head[key] for key in ("id", "title", "document", "scope", "scope_name")}
        told = {"short": head.get("short", ""), "base_year": head.get("base_year")}
        told["sha256"] = hashlib.sha256(text.encode()).hexdigest()
        baselines = by_key(_baseline(row, head) for row in table.get("baselines", ()))
        plan = Plan(**words, **told, target_year=head["target_year"], targets=targets, baselines=baselines)
    except KeyError as error:
        raise ConfigError(f"plan {name!r}: {error.args[0]} is missing") from error
    except ConfigError:
        raise
    except (ValueError, TypeError, AttributeError) as error:
        raise ConfigError(f"plan {name!r} isn't written as a plan is: {error}") from error
    mistakes = [f"target {t.number or t.indicator} {m}" for t in targets for m in target_mistakes(t)]
    asked = [replace(target, number=0) for target in targets]
    twice = dict.fromkeys(one for one in asked if asked.count(one) > 1)
    mistakes += [f"{one.indicator} in {one.zone} for {one.year} stands twice; keep one" for one in twice]
    if mistakes:
        raise ConfigError(mistakes, file=f"plan {name!r}")
    return plan


_TEXT, _NUMBER, _WHOLE, _YEAR, _FLAG = "text", "number", "whole number", "year", "true or false"
_KINDS_OF_VALUE: Mapping[str, Callable[[Any], bool]] = MappingProxyType(
    {
        _TEXT: lambda v: isinstance(v, str),
        _NUMBER: lambda v: isinstance(v, int | float) and not isinstance(v, bool) and math.isfinite(v),
        _WHOLE: lambda v: isinstance(v, int) and not isinstance(v, bool),
        _YEAR: lambda v: isinstance(v, int) and 1000 <= v <= 9999,
        _FLAG: lambda v: isinstance(v, bool),
    }
)
_FORM: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "plan": {
            **dict.fromkeys(("id", "title", "short", "document", "table", "period"), _TEXT),
            **dict.fromkeys(("scope", "scope_name", "kinds_source"), _TEXT),
            **dict.fromkeys(("base_year", "target_year"), _YEAR),
        },
        "targets": {
            **dict.fromkeys(("domain", "indicator", "name", "name_en", "unit", "unit_text", "zone", "clause"), _TEXT),
            **dict.fromkeys(("property", "target_text", "operator", "kind", "direction", "spatial"), _TEXT),
            **{"number": _WHOLE, "value": _NUMBER, "operator_inferred": _FLAG},
            **dict.fromkeys(("year", "base_year"), _YEAR),
        },
        "baselines": {"indicator": _TEXT, "zone": _TEXT, "clause": _TEXT, "value": _NUMBER, "year": _YEAR},
    }
)
"""The tables of a plan, their keys, and what each of them holds."""


def _form_mistakes(plan: Mapping[str, Any]) -> Iterator[str]:
    """Keys of a plan that mean nothing, and what isn't of their kind."""
    yield from (f"unknown key {key!r}; {did_you_mean(key, _FORM)}" for key in plan if key not in _FORM)
    for table, keys in _FORM.items():
        rows = [plan[table]] if table == "plan" and table in plan else plan.get(table, [])
        for n, row in enumerate(rows, 1):
            at = f"[{table}]" if table == "plan" else f"[[{table}]] no. {n}"
            for key, value in row.items():
                if key not in keys:
                    yield f"{at}: unknown key {key!r}; {did_you_mean(key, keys)}"
                elif not _KINDS_OF_VALUE[keys[key]](value):
                    yield f"{at}: {key} = {value!r} is no {keys[key]}"


def _plan_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"plan {path.name}: not UTF-8 at byte {error.start}; save it as UTF-8") from error


_PRINTED = ("property", "operator_inferred", "name", "name_en", "unit", "unit_text", "domain", "number")
"""Keys of a target that hold what a plan prints, by the same names; a plan that prints none leaves them out."""


def _target(row: Mapping[str, Any], head: Mapping[str, Any], n: int) -> Target:
    for key in ("indicator", "operator", *(() if "value" in row else ("target_text",))):
        if key not in row:
            raise KeyError(f"'{key}' of target {n} ({row.get('indicator') or row.get('name') or '?'})")
    clause = row.get("clause") or head.get("table", "")
    sign = operator_of(row["operator"])
    return Target(
        **{key: row[key] for key in _PRINTED if key in row},
        indicator=row["indicator"],
        operator=sign,
        kind=row.get("kind") or usual_kind(sign),
        direction=row.get("direction") or usual_direction(sign),
        zone=row.get("zone", head["scope"]),
        text=row.get("target_text") or str(row["value"]),
        value=row.get("value"),
        year=row.get("year", head["target_year"]),
        document=f"{head['document']} {clause}".strip(),
        spatial=row.get("spatial", "no") != "no",
        plan=head["id"],
        clause=clause,
        base_year=row.get("base_year", head.get("base_year")),
    )


def _baseline(row: Mapping[str, Any], head: Mapping[str, Any]) -> tuple[tuple[str, str], Baseline]:
    key = (row["indicator"], row.get("zone", head["scope"]))
    return key, Baseline(float(row["value"]), row["year"], f"{head['document']} {row.get('clause', '')}".strip())


def by_key(found: Iterable[tuple[tuple[str, str], Baseline]]) -> Baselines:
    """Baselines by indicator and zone, the earliest first."""
    baselines: dict[tuple[str, str], tuple[Baseline, ...]] = {}
    for key, baseline in found:
        baselines[key] = (*baselines.get(key, ()), baseline)
    return {key: tuple(sorted(several, key=lambda one: one.year)) for key, several in baselines.items()}


OPERATORS = ("ge", "gt", "le", "lt", "about", "about_cumulative")
WORD_OPERATORS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {"user": ("", ""), "le_user": ("le", ""), "ge_district_user": ("ge", "district"), "gt_city_user": ("gt", "city")}
)
"""Operators of targets that are words: which side of the missing number is good, and the level of the zone around the
target's own whose value of the same run is that number; without a level somebody must supply it."""
SIGNS: Mapping[str, str] = MappingProxyType(
    {
        "≥": "ge",
        ">=": "ge",
        ">": "gt",
        "≤": "le",
        "<=": "le",
        "<": "lt",
        "≈": "about",
        "左右": "about",
        "累计左右": "about_cumulative",
    }
)
"""How planners write an operator."""
KINDS = ("stock", "cumulative", "growth", "floor", "qualitative")
DIRECTIONS = ("up", "down")
_SIDES = {"ge": "up", "gt": "up", "le": "down", "lt": "down"}


def operator_of(written: str) -> str:
    """An operator's id from its id or from the sign that planners write."""
    return SIGNS.get(written, written)


def usual_kind(operator: str) -> str:
    """The kind of a target that doesn't say it, by its operator."""
    if operator in WORD_OPERATORS:
        return "qualitative"
    return "cumulative" if operator == "about_cumulative" else "stock"


def usual_direction(operator: str) -> str:
    """Which way is better for a target that doesn't say it, by its operator."""
    return "down" if operator in ("le", "lt", "le_user") else "up"


def target_mistakes(target: Target) -> Iterator[str]:
    """What is wrong with a target: its operator, kind, direction or number."""
    operators = OPERATORS if target.value is not None else (*OPERATORS, *WORD_OPERATORS)
    for key, known in (("operator", operators), ("kind", KINDS), ("direction", DIRECTIONS)):
        given = getattr(target, key)
        if given not in known:
            yield f"{key} {given!r} is not known; {did_you_mean(str(given), known)}"
    if _SIDES.get(target.operator, target.direction) != target.direction and target.direction in DIRECTIONS:
        yield f"operator {target.operator!r} and direction {target.direction!r} contradict each other"
    if target.value is None and target.operator in OPERATORS:
        yield f"operator {target.operator!r} needs a number; targets of words take {', '.join(WORD_OPERATORS)}"
    if target.base_year is not None and target.base_year >= target.year:
        yield f"base_year {target.base_year} isn't before its year {target.year}"


def holds(target: Target, value: float, thresholds: Thresholds) -> bool:
    """Whether the target's operator holds for a value.

    "About" holds from the tolerance below the target on where more is better, up to the tolerance above it where less
    is: going beyond a target isn't missing it.
    """
    sides = {"ge": operator.ge, "gt": operator.gt, "le": operator.le, "lt": operator.lt}
    side = ("ge" if target.direction == "up" else "le") if target.operator.startswith("about") else target.operator
    return bool(sides[side](value, limit(target, thresholds)))


def limit(target: Target, thresholds: Thresholds) -> float:
    """Where a target begins to hold: at its number, where it says "about" the tolerance before it."""
    goal = _number(target)
    if not target.operator.startswith("about"):
        return goal
    slack = thresholds.about_tolerance * abs(goal)
    return goal - slack if target.direction == "up" else goal + slack


def judge(
    target: Target | None, value: float | None, year: int, baseline: Baseline | None, thresholds: Thresholds
) -> Status:
    """The status of a value in a year against its target.

    ``met`` where the operator holds. Else ``breached`` from the target year on, or at once where the target is a line
    to hold; before that ``on_path`` or ``behind`` the straight line from the baseline, ``unmet`` without one. The line
    of a cumulative target begins at nothing in its base year. A growth rate has no such line: it is ``unmet`` until it
    is met.
    """
    if value is None:
        return Status.NOT_COMPUTABLE
    if target is None or target.value is None:
        return Status.NO_TARGET
    if holds(target, value, thresholds):
        return Status.MET
    if year >= target.year or target.kind == "floor":
        return Status.BREACHED
    expected = due(target, year, baseline)
    start = start_of(target, baseline)
    if expected is None or start is None:
        return Status.UNMET
    slack = thresholds.path_tolerance * abs(target.value - start.value)
    on_path = value >= expected - slack if target.direction == "up" else value <= expected + slack
    return Status.ON_PATH if on_path else Status.BEHIND


def due(target: Target | None, year: int, baseline: Baseline | None) -> float | None:
    """Where the straight line to a target stands at the end of a year, from its beginning to the target year.

    ``None`` where there is no line: of words, growth rates and lines to hold, without a baseline, or where that was as
    good as the target.

    >>> due(Target("x", "zone", "70", "ge", 70.0, 2025, ""), 2024, Baseline(20.0, 2020, ""))
    60.0
    """
    if target is None or target.value is None or target.kind in ("growth", "floor"):
        return None
    start = start_of(target, baseline)
    if start is None or not start.year <= year <= target.year or not has_way(target, start):
        return None
    return start.value + (target.value - start.value) * (year - start.year) / (target.year - start.year)


def start_of(target: Target, baseline: Baseline | None) -> Baseline | None:
    """Where the straight line to a target begins."""
    if target.kind != "cumulative":
        return baseline
    year = baseline.year if target.base_year is None and baseline is not None else target.base_year
    return None if year is None else Baseline(0.0, year, "")


def has_way(target: Target, start: Baseline) -> bool:
    """Whether there is any way to go from where a target begins: a ceiling above today's value is nothing to get to."""
    if target.value is None:
        return False
    return target.value > start.value if target.direction == "up" else target.value < start.value


def elapsed(target: Target | None, year: int, baseline: Baseline | None) -> float | None:
    """时序进度: the share of the time to a target that is over at the end of a year, from 0 to 1.

    ``(year - base year) / (target year - base year)``; the base year is the plan's, else the baseline's. ``None``
    without one, and for a target that is only words.

    >>> elapsed(Target("x", "zone", "70", "ge", 70.0, 2025, "", base_year=2020), 2024, None)
    0.8
    """
    if target is None or target.value is None:
        return None
    base = baseline.year if target.base_year is None and baseline is not None else target.base_year
    if base is None or base >= target.year:
        return None
    return min(max((year - base) / (target.year - base), 0.0), 1.0)


def baseline_of(target: Target | None, baselines: tuple[Baseline, ...], year: int | None = None) -> Baseline | None:
    """Which of several baselines a target's way begins at: that of its base year, else the earliest.

    What comes after the year of the value, or not before that of the target, begins no way.
    """
    if target is None:
        return next(iter(baselines), None)
    usable = [one for one in baselines if one.year < target.year and (year is None or one.year <= year)]
    return next((one for one in usable if one.year == target.base_year), next(iter(usable), None))


def progress(target: Target | None, value: float | None, baseline: Baseline | None) -> float | None:
    """How much of the way to the target is done, by the target's kind; ``None`` where that can't be said.

    stock (存量型): ``(value - baseline) / (target - baseline)``, unless the baseline was as good as the target already;
    cumulative (累计型): ``value / target``; floor (底线型): the margin to the limit, ``(value - target) / |target|``,
    negative once it is crossed; growth and words have none.
    """
    if value is None or target is None or target.value is None:
        return None
    goal = target.value
    if target.kind == "cumulative":
        return value / goal if goal > 0 else None
    if target.kind == "floor":
        margin = value - goal if target.direction == "up" else goal - value
        return margin / abs(goal) if goal else None
    if target.kind == "stock" and baseline is not None and has_way(target, baseline):
        return (value - baseline.value) / (goal - baseline.value)
    return None


def attainment(target: Target | None, value: float | None) -> float | None:
    """目标达成率, value over target: what can be said of a stock without a baseline. It is not progress.

    Of a target that asks for less there is none: what is above it isn't more than done.
    """
    if value is None or target is None or not target.value or target.direction == "down":
        return None
    return value / target.value


def _number(target: Target) -> float:
    if target.value is None:
        raise ValueError(f"the target of {target.indicator!r} is words: {target.text!r}")
    return target.value
