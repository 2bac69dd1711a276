"""Values that no layer gives: from the table of statistics, each with its own period, beside what we compute."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from qpgis.catalogue import Lang, clauses, text, unit_text
from qpgis.findings import Findings, Severity
from qpgis.indicators.declaration import REPORTED, STATISTICS, Definition
from qpgis.periods import first_day, last_day
from qpgis.plans import Baseline, Target
from qpgis.provenance import Grade, strictest
from qpgis.rows import Row, joined, zones_of
from qpgis.shapes import border_sha256
from qpgis.workspace import UNDATED, Statistic, Workspace

Key = tuple[str, str]
Definitions = Mapping[Key, Definition]


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


def beside_published(rows: Iterable[Row], assessed: Definitions, workspace: Workspace, lang: Lang) -> list[Row]:
    """Rows whose notes tell what was published of a frozen period, where that is another value, and what is too new.

    Parameters
    ----------
    rows : iterable of Row
    assessed : mapping of (indicator, definition name) to Definition
    workspace : Workspace
    lang : "zh" or "en"
    """
    frozen = workspace.frozen.get(workspace.period)
    end = workspace.state.as_of if workspace.period == UNDATED else last_day(workspace.period)
    found = []
    for row in rows:
        definition = assessed.get((row.indicator, row.definition))
        notes = []
        if definition is not None and definition.valid_from and first_day(definition.valid_from) > end:
            words = {"since": definition.valid_from, "version": definition.version, "period": workspace.period}
            notes.append(text("note_valid_later", lang, **words))
        key = row.indicator, row.definition, row.zone.id
        then = None if frozen is None else frozen.rows.get(key)
        if then is not None and then["value"] != ("" if row.value is None else f"{row.value:.12g}"):
            before = frozen.definitions.get(key[:2], {}) if frozen else {}
            words = {"value": then["value"] or "—", "before": before.get("version", "—")}
            notes.append(text("note_frozen_value", lang, **words, now=definition.version if definition else "—"))
        found.append(replace(row, note=joined(lang, row.note, *notes)) if notes else row)
    return found


def reported_of(rows: Iterable[Row]) -> dict[Key, list[Row]]:
    """What departments and tables report, by indicator and zone."""
    found: dict[Key, list[Row]] = {}
    for row in rows:
        if row.published and row.value is not None:
            found.setdefault((row.indicator, row.zone.id), []).append(row)
    return found


def likely_causes(ours: Row, reported: Row, others: Iterable[Row], workspace: Workspace, lang: Lang) -> str:
    """Why a computed value may differ from a reported one: period, definition, basis; empty where it doesn't differ.

    Parameters
    ----------
    ours, reported : Row
    others : iterable of Row
        The same indicator and zone by other definitions.
    workspace : Workspace
    lang : "zh" or "en"
    """
    if ours.value is None or reported.value is None or _as_printed(ours.value, reported.value):
        return ""
    said = []
    if reported.period and reported.period != workspace.period:
        said.append(text("cause_period", lang, reported=reported.period, ours=workspace.period))
    nearest = min(
        (one for one in others if one.value is not None and not one.published and one.definition != ours.definition),
        key=lambda one: abs(one.value - reported.value),  # type: ignore[operator]
        default=None,
    )
    if nearest is not None and abs(nearest.value - reported.value) < abs(ours.value - reported.value):  # type: ignore[operator]
        said.append(text("cause_definition", lang, definition=nearest.definition, value=f"{nearest.value:.6g}"))
    if ours.grade is not None and ours.grade not in (Grade.OFFICIAL, Grade.SURVEYED):
        said.append(text("cause_basis", lang, grade=text(f"grade_{ours.grade}", lang)))
    return clauses(said or [text("cause_unknown", lang)], lang)


def _as_printed(ours: float, reported: float) -> bool:
    """Whether a value is a reported one but for the digits that were printed of that.

    >>> _as_printed(40.04, 40.0), _as_printed(40.06, 40.0), _as_printed(9.849, 9.85)
    (True, False, True)
    """
    digits = max(len(repr(float(reported)).partition(".")[2]), 1)
    return abs(ours - reported) <= 0.5 * 10.0**-digits


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
    "ground",
)
"""The columns of a time series.

``used`` tells the values of this run, and those that its progress begins at; ``ground`` where a value is of other
ground than the zone's today: of before a change of boundaries.
"""


def series_records(workspace: Workspace, rows: Sequence[Row], lang: Lang) -> list[dict[str, object]]:
    """Everything that is known of each indicator and zone over time: what was published, the values of this run.

    Published are baselines, statistics, and the values of frozen periods. Only what has one of them is a series; by
    indicator and zone in the order of the rows, then by period.
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
    for key, point in _frozen_points(workspace, rows, lang):
        points.setdefault(key, []).append(point)
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
        for point in sorted(points[key], key=_place):
            ground = point.get("ground") or _ground(workspace, key[1], str(point["period"]), lang)
            found.append({name: ({**of, **point, "ground": ground})[name] for name in SERIES_COLUMNS})
    return found


def _frozen_points(workspace: Workspace, rows: Sequence[Row], lang: Lang) -> Iterator[tuple[Key, dict[str, object]]]:
    """The values of frozen periods up to the workspace's, and its own where they aren't those of this run.

    Only of what has a row here: what was left out for an audience isn't told of other years either.
    """
    end = date.max if workspace.period == UNDATED else last_day(workspace.period)
    now = {(r.indicator, r.definition, r.zone.id): "" if r.value is None else f"{r.value:.12g}" for r in rows}
    shapes = _shapes(workspace) if workspace.frozen else {}
    for period, frozen in workspace.frozen.items():
        then = {zone["id"]: zone for zone in frozen.manifest["zones"]}
        for (indicator, definition, zone), row in frozen.rows.items():
            version = frozen.definitions.get((indicator, definition), {}).get("version")
            key = indicator, definition, zone
            own = period == workspace.period and now.get(key) == row["value"]
            if key not in now or version is None or not row["value"] or own or last_day(period) > end:
                continue
            words = {"definition": definition, "version": version}
            said = {"definition": text("series_frozen", lang, **words), "grade": row["grade"], "source": row["source"]}
            redrawn = zone in shapes and zone in then and then[zone]["shape"] != shapes[zone]
            ground = text("series_redrawn", lang, area=then[zone]["area_km2"]) if redrawn else ""
            point = {"period": period, "value": float(row["value"]), **said, "used": False, "ground": ground}
            yield (indicator, zone), point


def _shapes(workspace: Workspace) -> dict[str, str]:
    """A hash of the border of every zone and group, as manifests tell it."""
    sets = (*workspace.area.measured, *workspace.area.group_sets)
    return {id_: border for zones in sets for id_, border in zip(zones.ids, border_sha256(zones.lonlat), strict=True)}


def _ground(workspace: Workspace, zone: str, period: str, lang: Lang) -> str:
    """What is to be said of a value from before a change of boundaries, of a zone or of a group with other ground."""
    if period == UNDATED or workspace.period == UNDATED:
        return ""
    groups = {group.id: set(group.members) for group in workspace.area.groups}
    for change in workspace.boundary_changes:
        parts = {change.zone, *change.to}
        concerns = zone in parts or (zone in groups and parts & groups[zone] and not parts <= groups[zone])
        if concerns and last_day(period) < change.date <= last_day(workspace.period):
            return text("series_ground", lang, date=change.date.isoformat(), text=change.text or change.zone)
    return ""


def _baselines(row: Row) -> Iterator[Baseline]:
    """Where a row's way to its targets begins."""
    yield from (one for one in (row.baseline, *(judged.baseline for judged in row.judgements)) if one is not None)


def _place(point: Mapping[str, object]) -> tuple[date, bool]:
    """Where a point of a series stands: by its period, ours before those that are reported."""
    period = str(point["period"])
    when = date.max if period == UNDATED else last_day(period)
    return when, str(point["definition"]).startswith(REPORTED)
