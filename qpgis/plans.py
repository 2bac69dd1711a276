"""Plans and their targets from ``data/plans/``; whether a value meets a target, and how far it has come."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from qpgis.catalogue import data_dir, parsed_toml
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


@dataclass(frozen=True)
class Plan:
    """A planning document with its targets.

    Attributes
    ----------
    id, title, document : str
    target_year : int
    scope, scope_name : str
        The zone whose targets these are.
    targets : tuple of Target
        In the document's order.
    """

    id: str
    title: str
    document: str
    target_year: int
    scope: str
    scope_name: str
    targets: tuple[Target, ...]


@dataclass(frozen=True)
class Thresholds:
    """Settings of judging, printed in the manifest.

    Attributes
    ----------
    about_tolerance : float
        Share of the target by which a value may miss one that says "about" (左右).
    path_tolerance : float
        Share of the way by which a value may lag behind the straight line and still be on path.
    """

    about_tolerance: float = 0.05
    path_tolerance: float = 0.0


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
        head = table["plan"]
        targets = tuple(_target(row, head) for row in table["targets"])
        words = {key: head[key] for key in ("id", "title", "document", "scope", "scope_name")}
        plan = Plan(**words, target_year=head["target_year"], targets=targets)
    except KeyError as error:
        raise ConfigError(f"plan {name!r}: {error!s} is missing") from error
    except (ValueError, TypeError, AttributeError) as error:
        raise ConfigError(f"plan {name!r} isn't written as a plan is: {error}") from error
    mistakes = [f"target {target.number} {m}" for target in targets for m in target_mistakes(target)]
    if mistakes:
        raise ConfigError(mistakes, file=f"plan {name!r}")
    return plan


def _plan_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"plan {path.name}: not UTF-8 at byte {error.start}; save it as UTF-8") from error


def _target(row: Mapping[str, Any], head: Mapping[str, Any]) -> Target:
    copied = (
        *("indicator", "operator", "property", "kind", "direction", "operator_inferred"),
        *("name", "name_en", "unit", "domain", "number"),
    )
    return Target(
        **{key: row[key] for key in copied},
        zone=head["scope"],
        text=row["target_text"],
        value=row.get("value"),
        year=head["target_year"],
        document=f"{head['document']} {head.get('table', '')}".strip(),
        spatial=row.get("spatial", "no") != "no",
        unit_text=row.get("unit_text", ""),
    )


OPERATORS = ("ge", "gt", "le", "lt", "about")
WORD_OPERATORS = ("user", "ge_district_user", "gt_city_user", "le_user")
"""What a target of words leaves to the user: the number, and which side of it is good."""
KINDS = ("stock", "cumulative", "growth", "floor", "qualitative")
DIRECTIONS = ("up", "down")


def target_mistakes(target: Target) -> Iterator[str]:
    """What is wrong with a target: its operator, kind, direction or number."""
    operators = (*OPERATORS, "about_cumulative", *(WORD_OPERATORS if target.value is None else ()))
    for key, known in (("operator", operators), ("kind", KINDS), ("direction", DIRECTIONS)):
        given = getattr(target, key)
        if given not in known:
            yield f"{key} {given!r} is not known; {did_you_mean(str(given), known)}"
    if target.value is not None and not (isinstance(target.value, int | float) and math.isfinite(target.value)):
        yield f"value {target.value!r} is no number"
    if not isinstance(target.year, int):
        yield f"year {target.year!r} is no year"


@dataclass(frozen=True)
class Baseline:
    """Where the way to a target began: a value, its year, and who says so."""

    value: float
    year: int
    source: str


def holds(target: Target, value: float, thresholds: Thresholds) -> bool:
    """Whether the target's operator holds for a value.

    "About" holds from the tolerance below the target on where more is better, up to the tolerance above it where less
    is: going beyond a target isn't missing it.
    """
    goal = _number(target)
    if target.operator.startswith("about"):
        slack = thresholds.about_tolerance * abs(goal)
        return value >= goal - slack if target.direction == "up" else value <= goal + slack
    compare = {"ge": operator.ge, "gt": operator.gt, "le": operator.le, "lt": operator.lt}
    return bool(compare[target.operator](value, goal))


def judge(
    target: Target | None, value: float | None, year: int, baseline: Baseline | None, thresholds: Thresholds
) -> Status:
    """The status of a value in a year against its target.

    ``met`` where the operator holds. Else ``breached`` from the target year on, or at once where the target is a line
    to hold; before that ``on_path`` or ``behind`` the straight line from the baseline, ``unmet`` without one. A growth
    rate has no such line: it is ``unmet`` until it is met.
    """
    if value is None:
        return Status.NOT_COMPUTABLE
    if target is None or target.value is None:
        return Status.NO_TARGET
    if holds(target, value, thresholds):
        return Status.MET
    if year >= target.year or target.kind == "floor":
        return Status.BREACHED
    if baseline is None or not baseline.year <= year or baseline.year >= target.year or target.kind == "growth":
        return Status.UNMET
    way = target.value - baseline.value
    done = (year - baseline.year) / (target.year - baseline.year)
    due = baseline.value + way * done
    slack = thresholds.path_tolerance * abs(way)
    on_path = value >= due - slack if target.direction == "up" else value <= due + slack
    return Status.ON_PATH if on_path else Status.BEHIND


def progress(target: Target | None, value: float | None, baseline: Baseline | None) -> float | None:
    """How much of the way to the target is done, by the target's kind; ``None`` where that can't be said.

    stock (存量型): ``(value - baseline) / (target - baseline)``; cumulative (累计型): ``value / target``; floor
    (底线型): the margin to the limit, ``(value - target) / |target|``, negative once it is crossed; growth and words
    have none.
    """
    if value is None or target is None or target.value is None:
        return None
    goal = target.value
    if target.kind == "cumulative":
        return value / goal if goal else None
    if target.kind == "floor":
        margin = value - goal if target.direction == "up" else goal - value
        return margin / abs(goal) if goal else None
    if target.kind == "stock" and baseline is not None and goal != baseline.value:
        return (value - baseline.value) / (goal - baseline.value)
    return None


def attainment(target: Target | None, value: float | None) -> float | None:
    """目标达成率, value over target: what can be said of a stock without a baseline. It is not progress."""
    if value is None or target is None or not target.value:
        return None
    return value / target.value


def _number(target: Target) -> float:
    if target.value is None:
        raise ValueError(f"the target of {target.indicator!r} is words: {target.text!r}")
    return target.value
