"""Holding values against targets, and the rows that no layer gives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cached_property

from qpgis.catalogue import Lang, text
from qpgis.errors import did_you_mean
from qpgis.findings import Findings, Severity
from qpgis.plans import Baseline, Status, Target, attainment, judge, progress
from qpgis.provenance import Grade
from qpgis.rows import STATISTICS, Row, Zone, zones_of
from qpgis.workspace import Statistic, Workspace

ALIKE = 0.8
"""Names that have more than this in common may be meant for one another."""


@dataclass(frozen=True)
class Judging:
    """The targets and baselines of a workspace, and what is to be said of them.

    Attributes
    ----------
    workspace : Workspace
    findings : Findings
        Takes targets and baselines that aren't used.
    lang : "zh" or "en"
    """

    workspace: Workspace
    findings: Findings
    lang: Lang

    @cached_property
    def targets(self) -> dict[tuple[str, str], Target]:
        """The target of each indicator and zone: of several, the one that is due next.

        A plan's target of words takes the number that a document of the workspace gives it; the words stay.
        """
        by_key: dict[tuple[str, str], list[Target]] = {}
        for target in (*(t for plan in self.workspace.plans for t in plan.targets), *self.workspace.targets):
            by_key.setdefault((target.indicator, target.zone), []).append(target)
        return {key: self._one(targets) for key, targets in by_key.items()}

    def _one(self, targets: list[Target]) -> Target:
        words = [target for target in targets if target.value is None]
        numbers = [target for target in targets if target.value is not None] or words
        due = [target for target in numbers if target.year >= self.workspace.year]
        chosen = min(due, key=lambda t: t.year) if due else max(numbers, key=lambda t: t.year)
        for other in numbers:
            if other is not chosen:
                value = f"{other.indicator} {other.zone} {other.year} {other.text} {other.document}"
                self.findings.add(Severity.WARNING, "target_unused", value=value)
        same_year = [target for target in words if target.year == chosen.year and target is not chosen]
        if not same_year:
            return chosen
        plan = same_year[0]
        return replace(chosen, text=plan.text, property=plan.property, unit=plan.unit)

    def judged(self, row: Row) -> Row:
        """The row with target, baseline, progress, status and what is to be said of them."""
        key = (row.indicator, row.zone.id)
        target, baseline = self.targets.get(key), self.workspace.baselines.get(key)
        status = self._status(row, row.value)
        note = joined(row.note, *self._notes(target, row.value, baseline), self._doubt(row, status))
        done = progress(target, row.value, baseline)
        return replace(row, target=target, baseline=baseline, progress=done, status=status, note=note)

    def _status(self, row: Row, value: float | None) -> Status:
        """The status that a value would have in a row's place."""
        key = (row.indicator, row.zone.id)
        year, thresholds = self.workspace.year, self.workspace.thresholds
        return judge(self.targets.get(key), value, year, self.workspace.baselines.get(key), thresholds)

    def _doubt(self, row: Row, status: Status) -> str:
        """What is to be said where the status isn't the same at both bounds of the value."""
        if row.value is None or status is Status.NO_TARGET:
            return ""
        ends = {"low": row.low, "high": row.high}
        others = {end: self._status(row, value) for end, value in ends.items() if value is not None}
        if all(other is status for other in others.values()):
            return ""
        said = [
            text(f"at_{end}", self.lang, status=text(f"status_{other}", self.lang)) for end, other in others.items()
        ]
        return text("note_in_doubt", self.lang, ends=self._separator.join(said))

    @property
    def _separator(self) -> str:
        return "、" if self.lang == "zh" else ", "

    def compared(self, rows: Sequence[Row], rivals: Sequence[Row]) -> list[Row]:
        """Rows of one indicator, those with a target with what definitions that compete make of it.

        Parameters
        ----------
        rows : sequence of Row
            Judged.
        rivals : sequence of Row
            Those of every definition that competes, judged.
        """
        return [replace(row, note=joined(row.note, self._span(row, rivals))) for row in rows]

    def _span(self, row: Row, rivals: Sequence[Row]) -> str:
        """Between what the definitions lie in a zone with a target, and whether its status hangs on which is taken."""
        if row.target is None or row.target.value is None or row.value is None:
            return ""
        there = [other for other in rivals if other.zone == row.zone and other.value is not None]
        if len(there) < 2:
            return ""
        values = [other.value for other in there if other.value is not None]
        words = {"low": f"{min(values):.4g}", "high": f"{max(values):.4g}", "count": len(there)}
        if len({other.status for other in there}) == 1:
            return text("note_span", self.lang, **words)
        said = [f"{other.definition} {text(f'status_{other.status}', self.lang)}" for other in there]
        return text("note_span_flips", self.lang, **words, said=self._separator.join(said))

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
            yield text("note_about", self.lang, share=f"{self._about(target):g}%")
        if target.kind == "growth":
            yield text("note_growth", self.lang)
        reached = attainment(target, value)
        if target.kind == "stock" and baseline is None and reached is not None:
            yield text("note_attainment", self.lang, share=f"{reached:.1%}")

    def _about(self, target: Target) -> float:
        """From which share of its number on, in %, a target that says "about" counts as met."""
        tolerance = self.workspace.thresholds.about_tolerance
        return round(100 * (1 - tolerance if target.direction == "up" else 1 + tolerance), 9)

    def statistic_rows(self) -> list[Row]:
        """Rows of indicators that no layer gives: from the statistics, or missing with the reason."""
        zones = {zone.id: zone for zone in zones_of(self.workspace)}
        self._report_unused(zones)
        given = self._statistics()
        computed = self.workspace.indicators
        wanted = dict.fromkeys([*(key for key in self.targets if key[0] not in computed and key[1] in zones), *given])
        order = list(dict.fromkeys(indicator for indicator, _ in wanted))
        position = {zone: n for n, zone in enumerate(zones)}
        keys = sorted(wanted, key=lambda key: (order.index(key[0]), position[key[1]]))
        return [self.judged(self._row(key[0], zones[key[1]], given.get(key))) for key in keys]

    def _row(self, indicator: str, zone: Zone, statistic: Statistic | None) -> Row:
        target = self.targets.get((indicator, zone.id))
        unit = next((t.unit for (name, _), t in self.targets.items() if name == indicator and t.unit), "")
        if statistic is not None:
            row = Row(indicator, STATISTICS, unit, zone, statistic.value)
            said = text("note_synthetic", self.lang) if statistic.grade is Grade.SYNTHETIC else ""
            return replace(row, grade=statistic.grade, source=statistic.source, note=said)
        note = text("note_no_statistic", self.lang, period=self.workspace.period)
        if target is not None and target.spatial:
            note = joined(text("note_not_in_version", self.lang), note)
        return Row(indicator, STATISTICS, unit, zone, None, note=note)

    def _statistics(self) -> dict[tuple[str, str], Statistic]:
        """The statistics of the period; those of computed indicators aren't used, which is said."""
        found: dict[tuple[str, str], Statistic] = {}
        for statistic in self.workspace.statistics:
            if statistic.indicator in self.workspace.indicators:
                self.findings.add(Severity.INFO, "statistic_unused", value=statistic.indicator)
            elif statistic.period == self.workspace.period:
                found[statistic.indicator, statistic.zone] = statistic
        return found

    def _report_unused(self, zones: dict[str, Zone]) -> None:
        """Name plans whose zone isn't there, and targets and baselines of indicators that nobody knows."""
        for plan in self.workspace.plans:
            if plan.scope not in zones:
                self.findings.add(Severity.WARNING, "plan_scope_missing", value=plan.scope, title=plan.title)
        planned = {target.indicator for plan in self.workspace.plans for target in plan.targets}
        known = {*self.workspace.indicators, *planned, *(s.indicator for s in self.workspace.statistics)}
        own = {target.indicator for target in self.workspace.targets}
        expected = {*self.workspace.indicators, *planned, *own}
        for indicator in sorted({s.indicator for s in self.workspace.statistics} - expected):
            if near := get_close_matches(indicator, expected, n=1, cutoff=ALIKE):
                self.findings.add(Severity.WARNING, "statistic_unknown", value=indicator, near=near[0])
        for indicator in sorted(own - known):
            remedy = did_you_mean(indicator, known)
            self.findings.add(Severity.WARNING, "target_unknown", value=indicator, remedy=remedy)
        for indicator in sorted({name for name, _ in self.workspace.baselines} - known - own):
            self.findings.add(Severity.WARNING, "baseline_unused", value=indicator)


def joined(*notes: str) -> str:
    """Notes as one, without the empty ones."""
    return "; ".join(note for note in notes if note)
