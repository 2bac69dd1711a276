"""Holding values against the targets of every plan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cached_property
from types import MappingProxyType

from qpgis.catalogue import Lang, listed, text, unit_text
from qpgis.errors import did_you_mean
from qpgis.findings import Findings, Severity
from qpgis.periods import year_of
from qpgis.plans import (
    WORD_OPERATORS,
    Baseline,
    Status,
    Target,
    attainment,
    baseline_of,
    elapsed,
    has_way,
    judge,
    progress,
)
from qpgis.provenance import strictest
from qpgis.rows import Judgement, Row, joined, zones_of
from qpgis.workspace import Workspace

_FROM_DOCUMENT = ("operator", "value", "kind", "direction", "operator_inferred", "document")
"""What a target of words takes from the document that gives it its number."""
ALIKE = 0.8
"""Names that have more than this in common may be meant for one another."""
Key = tuple[str, str]
Values = Mapping[tuple[str, str, str], Row]
"""Rows by indicator, definition and zone."""


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
    def targets(self) -> Mapping[Key, tuple[Target, ...]]:
        """Every target by indicator and zone: those of the plans in their order, then the workspace's own."""
        by_key: dict[Key, tuple[Target, ...]] = {}
        for target in (*(t for plan in self.workspace.plans for t in plan.targets), *self.workspace.targets):
            key = (target.indicator, target.zone)
            by_key[key] = (*by_key.get(key, ()), target)
        return by_key

    def judged(self, rows: Sequence[Row], rivals: Sequence[Row] = ()) -> list[Row]:
        """The rows with targets, baselines, progress, status and what is to be said of them.

        A target of words is judged by the number that a document of the workspace gives it, or by the value of the zone
        that its operator names. Of several targets the one that is due next is the row's own.

        Parameters
        ----------
        rows : sequence of Row
        rivals : sequence of Row
            What definitions that compete make of the same indicators: whether a status hangs on which is taken.
        """
        values = {(row.indicator, row.definition, row.zone.id): row for row in (*rivals, *rows)}
        competing: dict[Key, list[Row]] = {}
        for rival in rivals:
            if (rival.indicator, rival.zone.id) in self.targets:
                competing.setdefault((rival.indicator, rival.zone.id), []).append(self._judged(rival, values))
        return [self._judged(row, values, competing) for row in rows]

    def _judged(self, row: Row, values: Values, competing: Mapping[Key, Sequence[Row]] = MappingProxyType({})) -> Row:
        key = (row.indicator, row.zone.id)
        targets = self.targets.get(key, ())
        if key in self._of_tables:
            row = replace(row, secrecy=strictest([row.secrecy, self.workspace.tables_secrecy]))
        found = [self._judgement(row, target, values) for target in targets] if row.competes else []
        if not found:
            status = judge(None, row.value, self._year(row), None, self.workspace.thresholds)
            note = joined(self.lang, row.note, text("note_not_judged", self.lang)) if targets else row.note
            baseline = baseline_of(None, self.workspace.baselines.get(key, ())) if row.competes else None
            return replace(row, baseline=baseline, status=status, note=note)
        if not row.published:
            rivals = competing.get(key, ())
            found = [replace(one, note=joined(self.lang, one.note, self._span(row, one, rivals))) for one in found]
            row = replace(row, secrecy=strictest([row.secrecy, *(rival.secrecy for rival in rivals)]))
        judgements = tuple(sorted(found, key=self._due))
        first = judgements[0]
        return replace(
            row,
            target=first.target,
            baseline=first.baseline,
            progress=first.progress,
            status=first.status,
            note=first.note,
            judgements=judgements,
        )

    def _due(self, judgement: Judgement) -> tuple[bool, bool, int]:
        """Numbers before words, what is due next before what is due later, and before what is past."""
        target = judgement.target
        past = target.year < self.workspace.year
        return target.value is None, past, -target.year if past else target.year

    def _judgement(self, row: Row, asked: Target, values: Values) -> Judgement:
        target, resolved = asked, ""
        if asked.value is None:
            target, resolved = self._in_numbers(asked, row, values)
        year = self._year(row)
        baseline = baseline_of(target, self.workspace.baselines.get((row.indicator, row.zone.id), ()), year)
        status = judge(target, row.value, year, baseline, self.workspace.thresholds)
        notes = (*self._notes(target, row.value, year, baseline), self._doubt(row, target, baseline, status))
        return Judgement(
            target,
            asked,
            baseline,
            status,
            progress(target, row.value, baseline),
            elapsed(target, year, baseline),
            self.workspace.thresholds.light(target, status),
            joined(self.lang, row.note, resolved, *notes),
        )

    def _doubt(self, row: Row, target: Target, baseline: Baseline | None, status: Status) -> str:
        """What is to be said where the status isn't the same at both bounds of the value."""
        if row.value is None or status is Status.NO_TARGET:
            return ""
        ends = {end: value for end, value in (("low", row.low), ("high", row.high)) if value is not None}
        year, thresholds = self._year(row), self.workspace.thresholds
        others = {end: judge(target, value, year, baseline, thresholds) for end, value in ends.items()}
        if all(other is status for other in others.values()):
            return ""
        said = [
            text(f"at_{end}", self.lang, status=text(f"status_{other}", self.lang)) for end, other in others.items()
        ]
        return text("note_in_doubt", self.lang, ends=listed(said, self.lang))

    def _span(self, row: Row, judgement: Judgement, rivals: Sequence[Row]) -> str:
        """Between what the definitions lie in a zone, and whether the status hangs on which is taken."""
        if judgement.target.value is None or row.value is None:
            return ""
        there = [
            (other.value, other.definition, one.status)
            for other in rivals
            for one in other.judgements
            if other.value is not None and one.asked == judgement.asked
        ]
        if len(there) < 2:
            return ""
        values = [value for value, _, _ in there]
        words = {"low": f"{min(values):.4g}", "high": f"{max(values):.4g}", "count": len(there)}
        if len({status for _, _, status in there}) == 1:
            return text("note_span", self.lang, **words) if words["low"] != words["high"] else ""
        said = [f"{definition} {text(f'status_{status}', self.lang)}" for _, definition, status in there]
        return text("note_span_flips", self.lang, **words, said=listed(said, self.lang))

    def _year(self, row: Row) -> int:
        return year_of(row.period) if row.period else self.workspace.year

    def _in_numbers(self, words: Target, row: Row, values: Values) -> tuple[Target, str]:
        """A target of words with the number that a document gives it, or that the zone around it has in this run."""
        for own in self.workspace.targets:
            same = (own.indicator, own.zone, own.year) == (words.indicator, words.zone, words.year)
            if same and own.value is not None:
                return replace(words, **{key: getattr(own, key) for key in _FROM_DOCUMENT}), ""
        side, level = WORD_OPERATORS.get(words.operator, ("", ""))
        around = self._around(row.zone.id, level)
        found = values.get((row.indicator, row.definition, around)) if around else None
        if found is None or found.value is None or _is_total(found):
            return words, ""
        number = {"zone": found.zone.name, "value": f"{found.value:.6g}", "unit": unit_text(found.unit, self.lang)}
        return replace(words, operator=side, value=found.value), text("note_target_of_zone", self.lang, **number)

    def _around(self, zone: str, level: str) -> str:
        """The id of the zone of a level that holds another; empty without exactly one."""
        groups = {group.id: set(group.members) for group in self.workspace.area.groups}
        members = groups.get(zone, {zone})
        around = [g.id for g in self.workspace.area.groups if g.level == level and members < groups[g.id]]
        return around[0] if len(around) == 1 else ""

    @cached_property
    def _of_tables(self) -> frozenset[Key]:
        """What the workspace's own tables give targets or baselines, by indicator and zone."""
        own = ((target.indicator, target.zone) for target in self.workspace.targets)
        return frozenset((*own, *self.workspace.baselines))

    @cached_property
    def _plan_documents(self) -> frozenset[str]:
        return frozenset(target.document for plan in self.workspace.plans for target in plan.targets)

    def _notes(self, target: Target, value: float | None, year: int, baseline: Baseline | None) -> Iterator[str]:
        if target.value is None:
            yield text("note_words_only", self.lang)
            return
        if target.document not in self._plan_documents:
            yield text("note_target_document", self.lang, document=target.document)
        elif target.operator_inferred:
            yield text("note_operator_inferred", self.lang)
        if target.operator.startswith("about"):
            yield text(f"note_about_{target.direction}", self.lang, share=f"{self._about(target):g}%")
        if target.kind == "growth":
            yield text("note_growth", self.lang)
        if value is not None:
            yield from self._notes_on_progress(target, value, year, baseline)

    def _notes_on_progress(self, target: Target, value: float, year: int, baseline: Baseline | None) -> Iterator[str]:
        """How far the value has come, beside how much of the time is over."""
        reached = attainment(target, value)
        if target.kind == "stock" and baseline is None and reached is not None:
            yield text("note_attainment", self.lang, share=f"{reached:.1%}")
        if target.kind == "stock" and baseline is not None:
            if not has_way(target, baseline):
                yield text("note_no_way", self.lang)
            if target.base_year not in (None, baseline.year):
                yield text("note_baseline_year", self.lang, year=baseline.year, base=target.base_year)
        over = elapsed(target, year, baseline)
        if over is not None and target.kind != "growth":
            done = progress(target, value, baseline)
            words = {"elapsed": f"{over:.1%}", "year": year, "target_year": target.year}
            key = "note_elapsed" if done is None or target.kind == "floor" else "note_progress_elapsed"
            yield text(key, self.lang, **words, progress="" if done is None else f"{done:.1%}")

    def _about(self, target: Target) -> float:
        """From which share of its number on, in %, a target that says "about" counts as met."""
        tolerance = self.workspace.thresholds.about_tolerance
        return round(100 * (1 - tolerance if target.direction == "up" else 1 + tolerance), 9)

    def report_unused(self) -> None:
        """Name plans whose zone isn't there, and targets and baselines of indicators that nobody knows."""
        workspace = self.workspace
        zones = {zone.id for zone in zones_of(workspace)}
        for plan in workspace.plans:
            for scope in dict.fromkeys(target.zone for target in plan.targets):
                if scope not in zones:
                    self.findings.add(Severity.WARNING, "plan_scope_missing", value=scope, title=plan.title)
        planned = {target.indicator for plan in workspace.plans for target in plan.targets}
        planned |= {indicator for plan in workspace.plans for indicator, _ in plan.baselines}
        known = {*workspace.indicators, *planned, *(s.indicator for s in workspace.statistics)}
        own = {target.indicator for target in workspace.targets}
        expected = {*workspace.indicators, *planned, *own}
        for indicator in sorted({s.indicator for s in workspace.statistics} - expected):
            if near := get_close_matches(indicator, expected, n=1, cutoff=ALIKE):
                self.findings.add(Severity.WARNING, "statistic_unknown", value=indicator, near=near[0])
        given = {*workspace.indicators, *(s.indicator for s in workspace.statistics)}
        for indicator in sorted(planned - given):
            if near := get_close_matches(indicator, workspace.indicators, n=1, cutoff=ALIKE):
                remedy = did_you_mean(indicator, near)
                self.findings.add(Severity.WARNING, "target_unknown", value=indicator, remedy=remedy)
        for indicator in sorted(own - known):
            remedy = did_you_mean(indicator, known)
            self.findings.add(Severity.WARNING, "target_unknown", value=indicator, remedy=remedy)
        for indicator in sorted({name for name, _ in workspace.baselines} - known - own):
            self.findings.add(Severity.WARNING, "baseline_unused", value=indicator)


def _is_total(row: Row) -> bool:
    """True for a sum: the sum of a larger zone is no mean that a smaller one could reach."""
    return row.numerator is not None and row.denominator is None
