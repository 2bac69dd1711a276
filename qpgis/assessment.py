"""Values of all indicators, held against the targets: one row per zone, indicator and definition."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING

from qpgis.area import ZoneSet
from qpgis.catalogue import Lang, text
from qpgis.engine import Engine
from qpgis.errors import ConfigError, MissingLayer, NotComputable, did_you_mean
from qpgis.findings import Finding, Findings, Severity
from qpgis.indicators import registry
from qpgis.indicators.declaration import UNITS, Definition, Indicator
from qpgis.layers import AbsentLayer, Layer
from qpgis.parts import Ratio
from qpgis.plans import Baseline, Status, Target, attainment, judge, progress
from qpgis.provenance import Grade, worst
from qpgis.workspace import Statistic, Workspace

if TYPE_CHECKING:
    import pandas as pd

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
_SURVEYED_WHOLLY = 1 - 1e-6
NO_AREA = 10**7
"""A denominator under the ten-millionth part of its zone is what rounding leaves of nothing."""


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


@dataclass(frozen=True)
class Assessment:
    """The result of :func:`assess`.

    Attributes
    ----------
    workspace : Workspace
        What it was computed from.
    rows : tuple of Row
        In the order of outputs.
    findings : tuple of Finding
        Of the data and of the computation, worst first.
    definitions : mapping of (indicator, definition name) to Definition
        Every definition that was used.
    lang : "zh" or "en"
    """

    workspace: Workspace
    rows: tuple[Row, ...] = field(repr=False)
    findings: tuple[Finding, ...] = field(repr=False)
    definitions: Mapping[tuple[str, str], Definition] = field(repr=False)
    lang: Lang = "zh"

    def __repr__(self) -> str:
        judged = sum(row.target is not None for row in self.rows)
        of = f"{self.workspace.name}, {self.workspace.period}"
        return f"<Assessment of {of}: {len(self.rows)} values, {judged} with a target>"

    @cached_property
    def table(self) -> pd.DataFrame:
        """All rows as an ordinary DataFrame with the columns of ``indicators.csv``; missing numbers are NaN."""
        import pandas as pd

        records = [record(row, self.workspace) for row in self.rows]
        frame = pd.DataFrame(records, columns=list(CSV_COLUMNS))
        numbers = ["value", "numerator", "denominator", "target", "progress", "value_low", "value_high"]
        frame[numbers] = frame[numbers].astype(float)
        return frame

    def shortfalls(self) -> pd.DataFrame:
        """The rows below their target, with the plan's own words."""
        below = (Status.BREACHED, Status.BEHIND, Status.UNMET)
        columns = ["indicator", "definition", "zone_name", "value", "unit", "target_text", "status", "note"]
        return self.table[self.table["status"].isin(below)][columns].reset_index(drop=True)

    def __getitem__(self, indicator: str) -> pd.DataFrame:
        """The rows of one indicator."""
        found = self.table[self.table["indicator"] == indicator].reset_index(drop=True)
        if not len(found):
            raise KeyError(f"no indicator {indicator!r}; {did_you_mean(indicator, set(self.table['indicator']))}")
        return found

    def title(self, indicator: str) -> str:
        """What planners call an indicator."""
        if indicator in registry():
            return registry()[indicator].title(self.lang)
        named = [t for plan in self.workspace.plans for t in plan.targets if t.indicator == indicator]
        return (named[0].name if self.lang == "zh" else named[0].name_en) if named else indicator

    def definition_text(self, row: Row) -> str:
        """What a row's definition divides by what."""
        if row.definition == STATISTICS:
            return text("definition_statistics", self.lang)
        return self.definitions[row.indicator, row.definition].text(self.lang)


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


def assess(
    workspace: Workspace,
    *,
    level: str | None = None,
    definitions: Mapping[str, Iterable[str]] | None = None,
    lang: Lang = "zh",
    progress_to: Callable[[str], None] = lambda stage: None,
) -> Assessment:
    """All indicators of a workspace for all its zones, held against the targets.

    Parameters
    ----------
    workspace : Workspace
    level : str, optional
        Only zones of this level; all levels by default.
    definitions : mapping of indicator to definitions, optional
        Instead of the workspace's choice; ``["all"]`` takes every preset.
    lang : "zh" or "en"
        Language of notes.
    progress_to : callable, optional
        Called with the name of each stage.

    Raises
    ------
    ConfigError
        If a level, indicator or definition is unknown.
    """
    if level is not None and level not in workspace.area.levels:
        raise ConfigError(f"no level {level!r}; {did_you_mean(level, workspace.area.levels)}")
    findings = Findings(lang)
    judging = _Judging(workspace, lang)
    run = _Run(workspace, Engine(workspace.area), judging, findings, lang)
    rows: list[Row] = []
    used: dict[tuple[str, str], Definition] = {}
    for indicator, chosen in _chosen(workspace, definitions or {}):
        progress_to(f"computing {indicator.id}")
        for definition in chosen:
            used[indicator.id, definition.name] = definition
            rows += run.rows(indicator, definition)
    rows += _statistic_rows(workspace, judging, findings, lang)
    kept = tuple(row for row in rows if level in (None, row.zone.level))
    everything = sorted(
        {*workspace.findings, *findings},
        key=lambda f: (list(Severity).index(f.severity), f.rule, f.layer, f.feature_id),
    )
    return Assessment(workspace, kept, tuple(everything), used, lang)


def _chosen(
    workspace: Workspace, override: Mapping[str, Iterable[str]]
) -> Iterator[tuple[Indicator, tuple[Definition, ...]]]:
    """Every indicator with the definitions that are asked for."""
    indicators = registry()
    for name in override:
        if name not in indicators:
            raise ConfigError(f"unknown indicator {name!r}; {did_you_mean(name, indicators)}")
    for name, indicator in indicators.items():
        asked = list(override.get(name) or workspace.definitions.get(name) or [indicator.definitions[0].name])
        if asked == ["all"]:
            own = [*workspace.definitions.get(name, ()), *(d.name for d in indicator.definitions)]
            asked = list(dict.fromkeys(own))
        yield indicator, tuple(indicator.definition(text) for text in asked)


@dataclass(frozen=True)
class _Judging:
    """Targets, baselines and the notes about them."""

    workspace: Workspace
    lang: Lang

    @cached_property
    def targets(self) -> dict[tuple[str, str], Target]:
        """The target of each indicator and zone: the first plan's, words filled in by the workspace's own number."""
        found: dict[tuple[str, str], Target] = {}
        for target in (*(t for plan in self.workspace.plans for t in plan.targets), *self.workspace.targets):
            first = found.setdefault((target.indicator, target.zone), target)
            if first.value is None and target.value is not None:
                found[target.indicator, target.zone] = replace(target, text=first.text, property=first.property)
        return found

    def judged(self, row: Row) -> Row:
        """The row with target, baseline, progress, status and what is to be said of them."""
        key = (row.indicator, row.zone.id)
        target, baseline = self.targets.get(key), self.workspace.baselines.get(key)
        thresholds = self.workspace.thresholds
        status = judge(target, row.value, self.workspace.year, baseline, thresholds)
        note = "; ".join(part for part in (row.note, *self._notes(target, row.value, baseline)) if part)
        done = progress(target, row.value, baseline)
        return replace(row, target=target, baseline=baseline, progress=done, status=status, note=note)

    @cached_property
    def _plan_documents(self) -> frozenset[str]:
        return frozenset(target.document for plan in self.workspace.plans for target in plan.targets)

    def _notes(self, target: Target | None, value: float | None, baseline: Baseline | None) -> Iterator[str]:
        if target is None:
            return
        if target.value is None:
            yield text("note_words_only", self.lang)
            return
        if target.document not in self._plan_documents:
            yield text("note_target_document", self.lang, document=target.document)
        elif target.operator_inferred:
            yield text("note_operator_inferred", self.lang)
        if target.operator.startswith("about"):
            yield text("note_about", self.lang, tolerance=f"{self.workspace.thresholds.about_tolerance:.0%}")
        if target.kind == "growth":
            yield text("note_growth", self.lang)
        reached = attainment(target, value)
        if target.kind == "stock" and baseline is None and reached is not None:
            yield text("note_attainment", self.lang, share=f"{reached:.1%}")


@dataclass
class _Sums:
    """One indicator's sums for some zones: millionths, and the survey of each layer."""

    numerator: int
    denominator: int
    area: int
    inside: dict[str, int]

    def __add__(self, other: _Sums) -> _Sums:
        inside = {kind: self.inside[kind] + other.inside[kind] for kind in self.inside}
        return _Sums(
            self.numerator + other.numerator, self.denominator + other.denominator, self.area + other.area, inside
        )

    @property
    def surveyed(self) -> float:
        """The share of the area that every layer with a stated extent covers (the least of them)."""
        return min((Fraction(part, self.area) for part in self.inside.values()), default=Fraction(1)).__float__()


@dataclass(frozen=True)
class _Run:
    """Computes rows: base zones and grid by the engine, groups as sums of their members."""

    workspace: Workspace
    engine: Engine
    judging: _Judging
    findings: Findings
    lang: Lang

    def rows(self, indicator: Indicator, definition: Definition) -> list[Row]:
        """The rows of one indicator and definition, for every zone of every level."""
        layers = {kind: self.workspace.layers.get(kind, AbsentLayer(kind)) for kind in indicator.layers}
        try:
            ratio = indicator(layers, definition)
        except NotComputable as reason:
            words = {"layer": text(f"layer_{reason.layer}", self.lang), "kind": reason.layer}
            key = "note_missing_layer" if isinstance(reason, MissingLayer) else "note_missing_classes"
            note = text(key, self.lang, **words)
            blank = Row(indicator.id, definition.name, indicator.unit, Zone("", "", ""), None, note=note)
            return [self.judging.judged(replace(blank, zone=zone)) for zone in _zones(self.workspace)]
        sums = self._sums(ratio)
        return [self._row(indicator, definition, zone, sums[zone], ratio) for zone in _zones(self.workspace)]

    def _sums(self, ratio: Ratio) -> dict[Zone, _Sums]:
        area = self.workspace.area
        found: dict[Zone, _Sums] = {}
        for zones in area.zone_sets:
            found |= self._zone_set_sums(ratio, zones)
        base = {zone.id: sums for zone, sums in found.items() if zone.level == area.base.level}
        for group in area.groups:
            first, *others = (base[member] for member in group.members)
            for other in others:
                first = first + other
            found[Zone(group.id, group.name, group.level)] = first
        return found

    def _zone_set_sums(self, ratio: Ratio, zones: ZoneSet) -> dict[Zone, _Sums]:
        numerator = self.engine.values(ratio.numerator, zones)
        denominator = self.engine.values(ratio.denominator, zones)
        areas = self.engine.zone_areas(zones)
        stated = [layer for layer in ratio.layers() if layer.extent is not None]
        inside = {layer.key: self.engine.surveyed_areas(layer, zones) for layer in stated}
        for layer in stated:
            self._report_unsurveyed(layer, zones, inside[layer.key], areas)
        return {
            Zone(zones.ids[n], zones.names[n], zones.level): _Sums(
                numerator[n], denominator[n], areas[n], {key: values[n] for key, values in inside.items()}
            )
            for n in range(len(zones))
        }

    def _report_unsurveyed(self, layer: Layer, zones: ZoneSet, inside: list[int], areas: list[int]) -> None:
        """Name the zones that a layer's extent doesn't wholly cover."""
        for zone, part, whole in zip(zones.ids, inside, areas, strict=True):
            if part < whole * _SURVEYED_WHOLLY:
                words = {"layer": layer.kind, "file": layer.source.file, "feature_id": zone}
                self.findings.add(Severity.WARNING, "partly_surveyed", **words, value=f"{part / whole:.2%}")

    def _row(self, indicator: Indicator, definition: Definition, zone: Zone, sums: _Sums, ratio: Ratio) -> Row:
        layers = ratio.layers()
        sources = dict.fromkeys(str(layer.source) for layer in layers)
        grades = [*(layer.source.grade for layer in layers), self.workspace.area.base.source.grade]
        row = Row(
            indicator.id,
            definition.name,
            indicator.unit,
            zone,
            None,
            grade=worst(grades),
            note="; ".join(self._layer_notes(layers)),
            source="; ".join(sources),
        )
        if sums.surveyed <= 1 - _SURVEYED_WHOLLY:
            return self._missing(row, "note_outside_extent")
        if sums.denominator <= sums.area // NO_AREA:
            return self._missing(row, "note_zero_denominator")
        value = float(Fraction(sums.numerator * UNITS[indicator.unit][2], sums.denominator))
        row = replace(row, value=value, numerator=sums.numerator, denominator=sums.denominator)
        if sums.surveyed < _SURVEYED_WHOLLY:
            row = replace(
                row, note=self._with_note(row, text("note_surveyed", self.lang, share=f"{sums.surveyed:.2%}"))
            )
        return self.judging.judged(row)

    def _missing(self, row: Row, note: str) -> Row:
        return self.judging.judged(replace(row, note=self._with_note(row, text(note, self.lang))))

    @staticmethod
    def _with_note(row: Row, note: str) -> str:
        return "; ".join(part for part in (row.note, note) if part)

    def _layer_notes(self, layers: tuple[Layer, ...]) -> Iterator[str]:
        for layer in layers:
            if layer.unclassified:
                words = {"layer": text(f"layer_{layer.kind}", self.lang), "count": layer.unclassified}
                yield text("note_unclassified", self.lang, **words)
                self.findings.add(
                    Severity.WARNING,
                    "unclassified",
                    layer=layer.kind,
                    file=layer.source.file,
                    value=str(layer.unclassified),
                )


def _zones(workspace: Workspace) -> list[Zone]:
    """Every zone of every level, smallest zones first, each level by id."""
    area = workspace.area
    zones = [Zone(i, n, s.level) for s in area.zone_sets for i, n in zip(s.ids, s.names, strict=True)]
    zones += [Zone(g.id, g.name, g.level) for g in area.groups]
    return sorted(zones, key=lambda zone: (area.levels.index(zone.level), zone.id))


def _statistic_rows(workspace: Workspace, judging: _Judging, findings: Findings, lang: Lang) -> list[Row]:
    """Rows of the plan's indicators that no layer gives: from the statistics, or missing with the reason."""
    zones = {zone.id: zone for zone in _zones(workspace)}
    given = _statistics(workspace, findings)
    rows: list[Row] = []
    for plan in workspace.plans:
        if plan.scope not in zones:
            findings.add(Severity.WARNING, "plan_scope_missing", value=plan.scope, title=plan.title)
            continue
        for target in plan.targets:
            if target.indicator not in registry():
                of_indicator = {zone: s for (name, zone), s in given.items() if name == target.indicator}
                for zone in sorted({plan.scope, *of_indicator}, key=list(zones).index):
                    rows.append(_statistic_row(target, zones[zone], of_indicator.get(zone), workspace, judging, lang))
    planned = {target.indicator for plan in workspace.plans for target in plan.targets}
    for (name, zone), statistic in given.items():
        if name not in planned:
            rows.append(
                judging.judged(Row(name, STATISTICS, "", zones[zone], statistic.value, source=statistic.source))
            )
    return rows


def _statistics(workspace: Workspace, findings: Findings) -> dict[tuple[str, str], Statistic]:
    """The statistics of the period; those of computed indicators aren't used, which is said."""
    found: dict[tuple[str, str], Statistic] = {}
    for statistic in workspace.statistics:
        if statistic.indicator in registry():
            findings.add(Severity.INFO, "statistic_unused", value=statistic.indicator)
        elif statistic.period == workspace.period:
            found[statistic.indicator, statistic.zone] = statistic
    return found


def _statistic_row(
    target: Target, zone: Zone, statistic: Statistic | None, workspace: Workspace, judging: _Judging, lang: Lang
) -> Row:
    if statistic is None:
        note = text("note_no_statistic", lang, period=workspace.period)
        return judging.judged(Row(target.indicator, STATISTICS, target.unit, zone, None, note=note))
    row = Row(target.indicator, STATISTICS, target.unit, zone, statistic.value, source=statistic.source)
    return judging.judged(row)
