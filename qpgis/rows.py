"""Rows of results: a value with all that makes it, and the columns of ``indicators.csv``."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from qpgis.indicators.declaration import UNITS
from qpgis.plans import Baseline, Status, Target
from qpgis.provenance import Grade
from qpgis.workspace import Workspace

CSV_COLUMNS = (
    "indicator",
    "definition",
    "zone_id",
    "zone_name",
    "level",
    "period",
    "value",
    "unit",
    "numerator",
    "numerator_unit",
    "denominator",
    "denominator_unit",
    "target",
    "operator",
    "target_text",
    "target_year",
    "property",
    "progress",
    "status",
    "grade",
    "note",
    "scenario",
    "value_low",
    "value_high",
    "source",
)
"""The columns of ``indicators.csv``, a promise to the outside."""

STATISTICS = "statistics"


@dataclass(frozen=True)
class Zone:
    """A zone as results name it."""

    id: str
    name: str
    level: str


@dataclass(frozen=True)
class Row:
    """One value with all that makes it: a row of ``indicators.csv``.

    Attributes
    ----------
    indicator, definition, unit : str
    zone : Zone
    value : float or None
        ``None`` is missing, with the reason in ``note``.
    numerator, denominator : int or None
        Whole millionths of square metres or metres; sums of groups are exact.
    target : Target or None
        Only in the zone that the target is for.
    baseline : Baseline or None
    progress : float or None
    status : Status
    grade : Grade or None
        The worst of the data that fed the value.
    note, source : str
    """

    indicator: str
    definition: str
    unit: str
    zone: Zone
    value: float | None
    numerator: int | None = None
    denominator: int | None = None
    target: Target | None = None
    baseline: Baseline | None = None
    progress: float | None = None
    status: Status = Status.NO_TARGET
    grade: Grade | None = None
    note: str = ""
    source: str = ""


def record(row: Row, workspace: Workspace) -> dict[str, object]:
    """A row with the columns of ``indicators.csv``; numerator and denominator in the units that they are shown in."""
    units = UNITS[row.unit][:2] if row.numerator is not None else ("", "")
    target = row.target
    return {
        "indicator": row.indicator,
        "definition": row.definition,
        "zone_id": row.zone.id,
        "zone_name": row.zone.name,
        "level": row.zone.level,
        "period": workspace.period,
        "value": row.value,
        "unit": row.unit,
        "numerator": shown(row.numerator, units[0]),
        "numerator_unit": units[0],
        "denominator": shown(row.denominator, units[1]),
        "denominator_unit": units[1],
        "target": target.value if target else None,
        "operator": target.operator if target else "",
        "target_text": target.text if target else "",
        "target_year": str(target.year) if target else "",
        "property": target.property if target else "",
        "progress": row.progress,
        "status": str(row.status),
        "grade": str(row.grade or ""),
        "note": row.note,
        "scenario": workspace.state.scenario,
        "value_low": None,
        "value_high": None,
        "source": row.source,
    }


PER_MILLIONTH = {"km2": 12, "km": 9}
"""Decimals of a unit that one millionth of a square metre or metre takes."""


def shown(micro: int | None, unit: str) -> float | None:
    """A sum in millionths in its shown unit.

    >>> shown(19_700_000_000_000, "km2")
    19.7
    """
    return None if micro is None else float(Fraction(micro, 10 ** PER_MILLIONTH[unit]))


def zones_of(workspace: Workspace) -> list[Zone]:
    """Every zone of every level of a workspace, smallest zones first, each level by id."""
    area = workspace.area
    zones = [Zone(i, n, s.level) for s in area.zone_sets for i, n in zip(s.ids, s.names, strict=True)]
    zones += [Zone(g.id, g.name, g.level) for g in area.groups]
    return sorted(zones, key=lambda zone: (area.levels.index(zone.level), zone.id))
