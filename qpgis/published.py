"""Values that no layer gives: from the table of statistics, each with its own period, beside what we compute."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from qpgis.catalogue import Lang, text, unit_text
from qpgis.findings import Findings, Severity
from qpgis.indicators.declaration import REPORTED, STATISTICS
from qpgis.periods import last_day
from qpgis.plans import Baseline, Target
from qpgis.provenance import Grade, strictest
from qpgis.rows import Row, joined, zones_of
from qpgis.workspace import UNDATED, Statistic, Workspace

Key = tuple[str, str]


@dataclass(frozen=True)
class Published:
    """The statistics of a workspace as rows.

    Attributes
    ----------
    workspace : Workspace
    findings : Findings
        Takes statistics that aren't used.
    lang : "zh" or "en"
    """

    workspace: Workspace
    findings: Findings
    lang: Lang

    def rows(self, computed: Sequence[Row], targets: Mapping[Key, tuple[Target, ...]]) -> list[Row]:
        """Rows of statistics, and of targets that neither layers nor statistics give a value for.

        Of each indicator, zone and department the newest value that isn't later than the workspace's period stands.
        Without a department the definition is ``statistics``, with one ``reported:<department>``; beside a value that
        we compute the note tells the difference.
        """
        zones = {zone.id: zone for zone in zones_of(self.workspace)}
        newest = self._newest()
        ours: dict[Key, Row] = {}
        for row in computed:
            ours.setdefault((row.indicator, row.zone.id), row)
        given: dict[Key, list[Statistic]] = {}
        for statistic in newest:
            given.setdefault((statistic.indicator, statistic.zone), []).append(statistic)
        missing = [key for key in targets if key[0] not in self.workspace.indicators and key[1] in zones]
        wanted = dict.fromkeys([*missing, *given])
        order = {indicator: n for n, indicator in enumerate(dict.fromkeys(indicator for indicator, _ in wanted))}
        position = {zone: n for n, zone in enumerate(zones)}
        rows = []
        for indicator, zone in sorted(wanted, key=lambda key: (order[key[0]], position[key[1]])):
            unit = self._unit(indicator, ours.get((indicator, zone)), targets)
            blank = Row(indicator, STATISTICS, unit, zones[zone], None)
            found = given.get((indicator, zone), ())
            rows += [self._row(blank, one, ours.get((indicator, zone))) for one in found] or [
                self._missing(blank, targets[indicator, zone])
            ]
        return rows

    def _newest(self) -> Iterator[Statistic]:
        """The newest statistic of each indicator, zone and department, up to the workspace's period."""
        end = self._end()
        several: dict[tuple[str, str, str], list[Statistic]] = {}
        for statistic in self.workspace.statistics:
            if statistic.indicator in self.workspace.indicators and not statistic.department:
                self.findings.add(Severity.INFO, "statistic_unused", value=statistic.indicator)
            elif last_day(statistic.period) <= end:
                key = (statistic.indicator, statistic.zone, statistic.department)
                several.setdefault(key, []).append(statistic)
        for statistics in several.values():
            yield max(statistics, key=self._recency)

    def _end(self) -> date:
        if self.workspace.period == UNDATED:
            return self.workspace.state.as_of
        return last_day(self.workspace.period)

    def _recency(self, statistic: Statistic) -> tuple[date, bool, int]:
        """Of periods that end on the same day the workspace's own is taken, then the longest."""
        return last_day(statistic.period), statistic.period == self.workspace.period, -len(statistic.period)

    def _row(self, blank: Row, statistic: Statistic, ours: Row | None) -> Row:
        return replace(
            blank,
            definition=definition_of(statistic),
            value=statistic.value,
            grade=statistic.grade,
            source=statistic.source,
            period=statistic.period,
            secrecy=strictest([self.workspace.tables_secrecy, *([] if ours is None else [ours.secrecy])]),
            note=joined(self.lang, *self._notes(statistic, ours)),
        )

    def _notes(self, statistic: Statistic, ours: Row | None) -> Iterator[str]:
        if statistic.grade is Grade.SYNTHETIC:
            yield text("note_synthetic", self.lang)
        if statistic.period != self.workspace.period:
            words = {"period": statistic.period, "now": self.workspace.period}
            yield text("note_statistic_period", self.lang, **words)
        if ours is not None and ours.value is None:
            yield text("note_not_compared", self.lang, definition=ours.definition)
        elif ours is not None and ours.value is not None:
            difference = {"difference": f"{ours.value - statistic.value:+.6g}", "ours": f"{ours.value:.6g}"}
            unit = unit_text(ours.unit, self.lang)
            gap = text("unit_points", self.lang) if ours.unit == "%" else unit
            words = {**difference, "unit": unit, "gap": gap, "definition": ours.definition}
            yield text("note_difference", self.lang, **words)

    def _missing(self, blank: Row, targets: Iterable[Target]) -> Row:
        note = text("note_no_statistic", self.lang, period=self.workspace.period)
        if any(target.spatial for target in targets):
            note = joined(self.lang, text("note_not_in_version", self.lang), note)
        return replace(blank, note=note)

    def _unit(self, indicator: str, ours: Row | None, targets: Mapping[Key, tuple[Target, ...]]) -> str:
        if ours is not None:
            return ours.unit
        every = (target for (name, _), several in targets.items() if name == indicator for target in several)
        return next((target.unit for target in every if target.unit), "")


def definition_of(statistic: Statistic) -> str:
    """What the definition of a statistic is called.

    >>> definition_of(Statistic("x", "a", "2024", 1.0, Grade.OFFICIAL, "yearbook", "水务局"))
    'reported:水务局'
    """
    return f"{REPORTED}{statistic.department}" if statistic.department else STATISTICS


SERIES_COLUMNS = (
    "indicator",
    "zone_id",
    "zone_name",
    "period",
    "value",
    "unit",
    "definition",
    "grade",
    "source",
    "used",
)
"""The columns of a time series; ``used`` tells the values of this run, and those that its progress begins at."""


def series_records(workspace: Workspace, rows: Sequence[Row], lang: Lang) -> list[dict[str, object]]:
    """Everything that is known of each indicator and zone over time: baselines, statistics, the values of this run.

    Only what has a baseline or a statistic is a series; by indicator and zone in the order of the rows, then by period.
    """
    zones = {zone.id: zone for zone in zones_of(workspace)}
    points: dict[tuple[str, str], list[dict[str, object]]] = {}
    begun = {(r.indicator, r.zone.id, base.year) for r in rows for base in _baselines(r)}
    for key, several in workspace.baselines.items():
        for one in several:
            said = {"grade": "", "source": one.source, "used": (*key, one.year) in begun}
            said["definition"] = text("series_baseline", lang)
            points.setdefault(key, []).append({"period": str(one.year), "value": one.value, **said})
    taken = {(r.indicator, r.zone.id, r.definition, r.period or workspace.period) for r in rows if r.value is not None}
    for s in workspace.statistics:
        used = (s.indicator, s.zone, definition_of(s), s.period) in taken
        said = {"definition": definition_of(s), "grade": str(s.grade), "source": s.source, "used": used}
        points.setdefault((s.indicator, s.zone), []).append({"period": s.period, "value": s.value, **said})
    units: dict[str, str] = {}
    order: dict[tuple[str, str], int] = {}
    for row in rows:
        key = (row.indicator, row.zone.id)
        order.setdefault(key, len(order))
        units.setdefault(row.indicator, row.unit)
        if key in points and row.value is not None and not row.period:
            said = {"definition": row.definition, "grade": str(row.grade or ""), "source": row.source, "used": True}
            points[key].append({"period": workspace.period, "value": row.value, **said})
    found = []
    for key in sorted((key for key in points if key[1] in zones), key=lambda key: order.get(key, len(order))):
        of = {"indicator": key[0], "zone_id": key[1], "zone_name": zones[key[1]].name, "unit": units.get(key[0], "")}
        dated = sorted(points[key], key=_place)
        found += [{name: ({**of, **point})[name] for name in SERIES_COLUMNS} for point in dated]
    return found


def _baselines(row: Row) -> Iterator[Baseline]:
    """Where a row's way to its targets begins."""
    yield from (one for one in (row.baseline, *(judged.baseline for judged in row.judgements)) if one is not None)


def _place(point: Mapping[str, object]) -> tuple[date, bool]:
    """Where a point of a series stands: by its period, ours before those that are reported."""
    period = str(point["period"])
    when = date.max if period == UNDATED else last_day(period)
    return when, str(point["definition"]).startswith(REPORTED)
