"""Rows of results: a value with all that makes it, and the columns of ``indicators.csv``."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass

from qpgis.amounts import Amount
from qpgis.catalogue import Lang, clauses, text
from qpgis.errors import ConfigError, did_you_mean
from qpgis.indicators.declaration import REPORTED, STATISTICS
from qpgis.plans import Baseline, Light, Status, Target
from qpgis.provenance import Grade, Secrecy
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


@dataclass(frozen=True)
class Zone:
    """A zone as results name it."""

    id: str
    name: str
    level: str


@dataclass(frozen=True)
class Judgement:
    """A value held against one target.

    Attributes
    ----------
    target : Target
        With the number that it was held against.
    asked : Target
        As the document has it, which may be words.
    baseline : Baseline or None
    status : Status
    progress, elapsed : float or None
        完成度 and 时序进度: how much of the way is done, and of its time is over.
    light : Light or None
    note : str
        What is to be said of value and target.
    """

    target: Target
    asked: Target
    baseline: Baseline | None
    status: Status
    progress: float | None
    elapsed: float | None
    light: Light | None
    note: str


@dataclass(frozen=True)
class Row:
    """One value with all that makes it: a row of ``indicators.csv``.

    Attributes
    ----------
    indicator, definition, unit : str
    zone : Zone
    value : float or None
        ``None`` is missing, with the reason in ``note``.
    numerator, denominator : Amount or None
        In whole millionths, so sums of groups are exact; a total has no denominator.
    target : Target or None
        Only in the zone that the target is for.
    baseline : Baseline or None
    progress : float or None
    status : Status
    grade : Grade or None
        The worst of the data that fed the value.
    note, source : str
    competes : bool
        False for a definition that is only part of the indicator or a comparison: no target is held against it.
    low, high : float or None
        Between what the value lies, as far as the accuracy of its data tells; ``None`` where it doesn't.
    period : str
        Where the value is of another period than the workspace: which.
    judgements : tuple of Judgement
        One for each target of this indicator and zone, the one that is due next first: ``target`` and the like are its.
    secrecy : Secrecy
        The strictest of all that fed value and note.
    quoted : tuple of str
        What of the note are features' own words, such as their names.
    """

    indicator: str
    definition: str
    unit: str
    zone: Zone
    value: float | None
    numerator: Amount | None = None
    denominator: Amount | None = None
    target: Target | None = None
    baseline: Baseline | None = None
    progress: float | None = None
    status: Status = Status.NO_TARGET
    grade: Grade | None = None
    note: str = ""
    source: str = ""
    competes: bool = True
    low: float | None = None
    high: float | None = None
    period: str = ""
    judgements: tuple[Judgement, ...] = ()
    secrecy: Secrecy = Secrecy.PUBLIC
    quoted: tuple[str, ...] = ()

    @property
    def published(self) -> bool:
        """True for a value that stands in a table, not one that was computed."""
        return self.definition == STATISTICS or self.definition.startswith(REPORTED)

    @property
    def names(self) -> dict[str, object]:
        """What it is a value of and where, with the first columns of tables."""
        zone = {"zone_id": self.zone.id, "zone_name": self.zone.name, "level": self.zone.level}
        return {"indicator": self.indicator, "definition": self.definition, **zone}

    @property
    def light(self) -> Light | None:
        """The light of the target that is due next."""
        return self.judgements[0].light if self.judgements else None


def record(row: Row, workspace: Workspace) -> dict[str, object]:
    """A row with the columns of ``indicators.csv``; numerator and denominator in the units that they are shown in."""
    above, below, target = row.numerator, row.denominator, row.target
    return {
        **row.names,
        "period": row.period or workspace.period,
        "value": row.value,
        "unit": row.unit,
        "numerator": above.shown if above else None,
        "numerator_unit": above.shown_unit if above else "",
        "denominator": below.shown if below else None,
        "denominator_unit": below.shown_unit if below else "",
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
        "value_low": row.low,
        "value_high": row.high,
        "source": row.source,
    }


FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def number_text(value: object) -> str:
    """A number as outputs print it: 12 significant digits, nothing for a missing one.

    >>> number_text(100 / 3), number_text(70.0), number_text(None)
    ('33.3333333333', '70', '')
    """
    if value is None or value != value:
        return ""
    return f"{value:.12g}"


def safe_text(value: object) -> str:
    """Text that no spreadsheet runs as a formula.

    >>> safe_text("=cmd|x"), safe_text("青浦")
    ("'=cmd|x", '青浦')
    """
    words = "" if value is None else str(value)
    return f"'{words}" if words.startswith(FORMULA_STARTS) else words


def row_cells(row: Row, workspace: Workspace) -> list[str]:
    """The cells of one row of ``indicators.csv``."""
    texts = {
        name: number_text(v) if isinstance(v, int | float) or v is None else safe_text(v)
        for name, v in record(row, workspace).items()
    }
    for name, amount in (("numerator", row.numerator), ("denominator", row.denominator)):
        texts[name] = amount.exact if amount else ""
    return [texts[column] for column in CSV_COLUMNS]


def rows_csv(rows: Iterable[Row], workspace: Workspace) -> bytes:
    """What ``indicators.csv`` holds; its hash is that of the result, which people sign."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\r\n")
    writer.writerow(CSV_COLUMNS)
    writer.writerows(row_cells(row, workspace) for row in rows)
    return stream.getvalue().encode("utf-8-sig")


def zones_of(workspace: Workspace) -> list[Zone]:
    """Every zone of every level of a workspace, smallest zones first, each level by id."""
    area = workspace.area
    zones = [Zone(i, n, s.level) for s in area.zone_sets for i, n in zip(s.ids, s.names, strict=True)]
    zones += [Zone(g.id, g.name, g.level) for g in area.groups]
    return sorted(zones, key=lambda zone: (area.levels.index(zone.level), zone.id))


def zones_called(asked: str, zones: Iterable[Zone]) -> list[Zone]:
    """The zones of an id, else of a name.

    Raises
    ------
    ConfigError
        If there are none.
    """
    there = list(zones)
    found = [zone for zone in there if zone.id == asked] or [zone for zone in there if zone.name == asked]
    if not found:
        known = {name for zone in there for name in (zone.id, zone.name)}
        raise ConfigError(f"no zone {asked!r}; {did_you_mean(asked, known)}")
    return found


def status_text(status: Status, target: Target | None, lang: Lang) -> str:
    """A status in words; a target without a number is told from none."""
    return text(status_key(status, targeted=target is not None), lang)


def status_key(status: str, *, targeted: bool) -> str:
    """The word of the catalogue for a status, as ``indicators.csv`` prints it, where there is a target or none."""
    return "status_words_only" if targeted and status == Status.NO_TARGET else f"status_{status}"


def joined(lang: Lang, *notes: str) -> str:
    """Notes as one, each once, without the empty ones."""
    return clauses(dict.fromkeys(note for note in notes if note), lang)
