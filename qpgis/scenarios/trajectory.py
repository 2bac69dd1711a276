"""The way of a value to its target: the straight path, on it or behind it, and when it would be met at this pace."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from qpgis.assessment import Assessment
from qpgis.catalogue import Lang, clauses, text, unit_text
from qpgis.errors import did_you_mean
from qpgis.indicators.declaration import REPORTED, STATISTICS
from qpgis.periods import year_of
from qpgis.plans import Baseline, Status, Target, Thresholds, due, elapsed, holds, judge, limit, start_of
from qpgis.rows import Judgement, Row, zones_called
from qpgis.workspace import UNDATED, Workspace

if TYPE_CHECKING:
    import pandas as pd

HORIZON = 100
"""So many years ahead nothing is extrapolated."""
SUMMARY = (
    *("indicator", "definition", "zone_id", "zone_name", "unit", "target", "target_year", "baseline", "baseline_year"),
    *("value", "period", "due", "status", "pace", "met_year", "extrapolated", "note"),
)
"""The columns of the table of trajectories.

``baseline`` is where the way begins, nothing for a cumulative target; ``due`` where the straight path stands in the
year of the value; ``pace`` the change a year since the way began; ``extrapolated`` tells years to come, which are no
forecasts, from years in which the target was met.
"""


@dataclass(frozen=True)
class Arrival:
    """When a target is met.

    Attributes
    ----------
    year : int or None
        ``None`` where that can't be said, or never at this pace.
    extrapolated : bool
        True for a year to come: an extrapolation, no forecast.
    pace : float or None
        The change a year since the way began.
    said : str
        In words, also why there is no year.
    """

    year: int | None
    extrapolated: bool
    pace: float | None
    said: str


@dataclass(frozen=True)
class Point:
    """A value of some time, held against the straight path.

    Attributes
    ----------
    period : str
    year : int
    value : float
    due : float or None
        Where the straight path stands at the end of that year.
    elapsed : float or None
        How much of the time to the target was over.
    status : str
        Empty without a target.
    definition, grade, source : str
    used : bool
        True for the value of this run, and where its progress begins.
    """

    period: str
    year: int
    value: float
    due: float | None
    elapsed: float | None
    status: str
    definition: str
    grade: str
    source: str
    used: bool


@dataclass(frozen=True)
class Trajectory:
    """The way of an indicator to its target in a zone.

    Attributes
    ----------
    title : str
        What planners call the indicator.
    row : Row
        The value of this run.
    target : Target or None
    start : Baseline or None
        Where the way begins.
    points : tuple of Point
        Baselines, statistics and the value of this run, by time; each names its definition.
    path : tuple of (year, value)
        The straight path, year by year to the target year; empty where there is none.
    arrival : Arrival
    lang : "zh" or "en"
    """

    title: str
    row: Row
    target: Target | None
    start: Baseline | None
    points: tuple[Point, ...] = field(repr=False)
    path: tuple[tuple[int, float], ...] = field(repr=False)
    arrival: Arrival
    lang: Lang = "zh"

    def __repr__(self) -> str:
        return f"<Trajectory of {self._heading()}: {len(self.points)} values; {self.arrival.said}>"

    @property
    def met_year(self) -> int | None:
        """The year in which the target is, or at this pace would be, met."""
        return self.arrival.year

    @cached_property
    def table(self) -> pd.DataFrame:
        """The values by time, each with where the straight path stands and its status."""
        import pandas as pd

        return pd.DataFrame([asdict(one) for one in self.points], columns=list(Point.__dataclass_fields__))

    def text(self) -> str:
        """The values, the path, and when the target would be met."""
        unit = unit_text(self.row.unit, self.lang)
        lines = [self._heading()]
        for one in self.points:
            words = {"period": one.period, "value": f"{one.value:.6g}", "unit": unit, "definition": one.definition}
            said = [text("trajectory_point", self.lang, **words)]
            if one.due is not None:
                said.append(text("trajectory_due", self.lang, due=f"{one.due:.6g}"))
            if one.status:
                said.append(text(f"status_{one.status}", self.lang))
            if one.grade:
                said.append(text(f"grade_{one.grade}", self.lang))
            lines.append(f"  {clauses(said, self.lang)}")
        if self.path:
            points = ", ".join(f"{year} {value:.6g}" for year, value in self.path)
            lines.append(text("trajectory_path", self.lang, points=points))
        return "\n".join([*lines, self.arrival.said])

    def _heading(self) -> str:
        words = {"name": self.title, "definition": self.row.definition, "zone": self.row.zone.name}
        if self.target is None:
            return text("trajectory_no_target", self.lang, **words)
        return text("trajectory_title", self.lang, **words, target=self.target.text, year=self.target.year)


def trajectory(
    assessment: Assessment,
    indicator: str,
    zone: str,
    *,
    definition: str | None = None,
    target_year: int | None = None,
) -> Trajectory:
    """The way of an indicator to its target in a zone.

    Parameters
    ----------
    assessment : Assessment
    indicator : str
    zone : str
        Id or name.
    definition : str, optional
        By default the first that targets are held against.
    target_year : int, optional
        Of several targets which; by default the one that is due next.

    Raises
    ------
    KeyError
        If there is no such indicator, definition or target.
    ConfigError
        If there is no such zone.
    """
    rows = [row for row in assessment.rows if row.indicator == indicator]
    if not rows:
        raise KeyError(f"no indicator {indicator!r}; {did_you_mean(indicator, {r.indicator for r in assessment.rows})}")
    called = zones_called(zone, dict.fromkeys(row.zone for row in rows))
    there = [row for row in rows if row.zone in called]
    named = [row for row in there if definition in (None, row.definition)]
    if not named:
        raise KeyError(f"{indicator}: no definition {definition!r}; {did_you_mean(str(definition), _names(there))}")
    row = next((row for row in named if row.competes and row.value is not None), named[0])
    judged = [one for one in row.judgements if target_year in (None, one.target.year)]
    if target_year is not None and not judged:
        raise KeyError(f"{indicator}, {row.zone.name}: no target for {target_year}")
    return _trajectory(assessment, row, judged[0] if judged else None)


def _names(rows: list[Row]) -> set[str]:
    return {row.definition for row in rows}


def summaries(assessment: Assessment) -> list[dict[str, Any]]:
    """One record for each value and target, with the columns of :data:`SUMMARY`."""
    return [_summary(assessment, row, judgement) for row in assessment.rows for judgement in row.judgements]


def _summary(assessment: Assessment, row: Row, judgement: Judgement) -> dict[str, Any]:
    found = _trajectory(assessment, row, judgement)
    target, start, year = judgement.target, found.start, _year(row.period, assessment.workspace)
    return {
        "indicator": row.indicator,
        "definition": row.definition,
        "zone_id": row.zone.id,
        "zone_name": row.zone.name,
        "unit": row.unit,
        "target": target.text,
        "target_year": target.year,
        "baseline": start.value if start else None,
        "baseline_year": start.year if start else None,
        "value": row.value,
        "period": row.period or assessment.workspace.period,
        "due": due(target, year, judgement.baseline),
        "status": str(judgement.status),
        "pace": found.arrival.pace,
        "met_year": found.arrival.year,
        "extrapolated": found.arrival.extrapolated,
        "note": found.arrival.said,
    }


def _trajectory(assessment: Assessment, row: Row, judgement: Judgement | None) -> Trajectory:
    target = judgement.target if judgement else None
    baseline = judgement.baseline if judgement else row.baseline
    lang, workspace = assessment.lang, assessment.workspace
    points = tuple(_points(assessment, row, target, baseline))
    start = start_of(target, baseline) if target else baseline
    path: list[tuple[int, float]] = []
    if target is not None and start is not None:
        years = range(start.year, target.year + 1)
        path = [(year, value) for year in years if (value := due(target, year, baseline)) is not None]
    year = _year(row.period, workspace)
    since = _since(points, row, target, workspace.thresholds, year, text("series_baseline", lang))
    arrived = arrival(target, start, row.value, year, workspace.thresholds, since=since, lang=lang)
    return Trajectory(assessment.title(row.indicator), row, target, start, points, tuple(path), arrived, lang)


def arrival(
    target: Target | None,
    start: Baseline | None,
    value: float | None,
    year: int,
    thresholds: Thresholds,
    *,
    since: int | None = None,
    lang: Lang = "zh",
) -> Arrival:
    """When a target is met if a value goes on at the pace since its way began.

    Parameters
    ----------
    target : Target or None
    start : Baseline or None
        Where the way begins.
    value : float or None
        In ``year``.
    year : int
    thresholds : Thresholds
    since : int, optional
        Since when a value that meets its target has met it; ``year`` by default.
    lang : "zh" or "en"
    """

    def none(why: str, pace: float | None = None, **words: object) -> Arrival:
        return Arrival(None, False, pace, text(f"trajectory_{why}", lang, **words))

    if target is None:
        return none("untargeted")
    if target.value is None:
        return none("words")
    if value is None:
        return none("no_value")
    passed = start is not None and start.year < year and target.kind != "growth"
    pace = (value - start.value) / (year - start.year) if passed and start is not None else None
    if holds(target, value, thresholds):
        met = year if since is None else since
        return Arrival(met, False, pace, text("trajectory_met", lang, year=met))
    if target.kind == "growth":
        return none("growth")
    if start is None:
        return none("no_baseline")
    if pace is None:
        return none("no_time")
    if pace == 0:
        return none("still", pace, base=start.year)
    if (pace > 0) != (target.direction == "up"):
        return none("away", pace, base=start.year)
    strict = target.operator in ("gt", "lt")
    years = round((limit(target, thresholds) - value) / pace, 9)  # what floats leave makes no year more
    whole = max(math.floor(years) + 1 if strict else math.ceil(years), 1)
    if whole > HORIZON:
        return none("far", pace, base=start.year, horizon=HORIZON)
    met = year + whole
    late = met - target.year
    said = text("trajectory_late", lang, years=late) if late > 0 else text("trajectory_in_time", lang)
    return Arrival(met, True, pace, text("trajectory_pace", lang, base=start.year, year=met, late=said))


def _points(assessment: Assessment, row: Row, target: Target | None, baseline: Baseline | None) -> Iterator[Point]:
    """Every value that is known by time; of those that are computed only that of the row's own definition."""
    workspace, began = assessment.workspace, text("series_baseline", assessment.lang)
    for one in _series(assessment, row):
        definition, year = str(one["definition"]), _year(str(one["period"]), workspace)
        told = definition in (row.definition, began, STATISTICS) or definition.startswith(REPORTED)
        value = one["value"]
        if not told or not isinstance(value, float | int):
            continue
        counted = target is not None and not (target.kind == "cumulative" and definition == began)
        status = judge(target, value, year, baseline, workspace.thresholds) if counted else Status.NO_TARGET
        yield Point(
            period=str(one["period"]),
            year=year,
            value=value,
            due=due(target, year, baseline),
            elapsed=elapsed(target, year, baseline),
            status="" if status is Status.NO_TARGET else str(status),
            definition=definition,
            grade=str(one["grade"]),
            source=str(one["source"]),
            used=bool(one["used"]),
        )


def _series(assessment: Assessment, row: Row) -> list[dict[str, object]]:
    """The time series of a row's indicator and zone; where there is none, its value alone."""
    key = (row.indicator, row.zone.id)
    known = [one for one in assessment.series_records if (one["indicator"], one["zone_id"]) == key]
    if known or row.value is None:
        return known
    period = row.period or assessment.workspace.period
    said = {"period": period, "value": row.value, "definition": row.definition, "source": row.source}
    return [{**said, "grade": str(row.grade or ""), "used": True}]


def _since(
    points: tuple[Point, ...], row: Row, target: Target | None, thresholds: Thresholds, year: int, began: str
) -> int:
    """Since when a target has been met without a break, by the row's own definition and its baselines."""
    found = year
    for one in reversed(points):
        if one.year > year or one.definition not in (row.definition, began):
            continue
        if target is None or target.value is None or not one.status or not holds(target, one.value, thresholds):
            break
        found = one.year
    return found


def _year(period: str, workspace: Workspace) -> int:
    return workspace.year if not period or period == UNDATED else year_of(period)
