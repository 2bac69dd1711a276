"""指标体系表: the targets of each plan in its own order and words, with baseline, value, progress and light."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from qpgis.catalogue import Lang, clauses, listed, text, unit_text
from qpgis.indicators.declaration import REPORTED
from qpgis.plans import JUDGED, Light, Plan, Target, Thresholds
from qpgis.published import likely_causes, reported_of
from qpgis.rows import Judgement, Row, status_text, zones_of
from qpgis.workspace import Workspace

PLAN_COLUMNS = (
    *("number", "domain", "indicator", "unit", "property", "baseline", "baseline_year", "reported", "reported_by"),
    *("value", "value_period", "difference", "cause"),
    *("target", "target_year", "progress", "elapsed", "status", "light", "zone", "definition", "grade", "clause"),
    "note",
)
"""The columns of a plan's table; numbers are numbers or missing, all else is text as planners read it."""
OWN = "targets"
"""The id of the table of targets that the workspace itself sets (分解目标)."""


@dataclass(frozen=True)
class PlanTable:
    """The table of one plan, or of the workspace's own targets.

    Attributes
    ----------
    id : str
        The plan's id, or ``targets``.
    title : str
        The plan, its document, and whom it is for.
    short : str
        A few words for a sheet's name.
    records : tuple of dict
        Rows with the columns of ``PLAN_COLUMNS``; ``light`` is an id such as ``red``.
    """

    id: str
    title: str
    short: str
    records: tuple[dict[str, object], ...]


def plan_tables(
    workspace: Workspace, rows: Sequence[Row], lang: Lang, title_of: Callable[[str], str]
) -> tuple[PlanTable, ...]:
    """The table of every plan, and of the workspace's own targets where it has any.

    A target has a row for each definition that was computed for its zone, the default one first. A target whose zone
    the workspace doesn't have is listed and judged nowhere.

    Parameters
    ----------
    workspace : Workspace
    rows : sequence of Row
        Judged.
    lang : "zh" or "en"
    title_of : callable
        What planners call an indicator.
    """
    tables = _Tables(workspace, rows, lang, title_of)
    found = [
        PlanTable(plan.id, tables.title(plan), plan.short or plan.id, tuple(tables.records(plan.targets)))
        for plan in workspace.plans
    ]
    if workspace.targets:
        own = text("plan_own_targets", lang)
        found.append(PlanTable(OWN, own, own, tuple(tables.records(workspace.targets))))
    return tuple(found)


@dataclass(frozen=True)
class _Tables:
    workspace: Workspace
    rows: Sequence[Row]
    lang: Lang
    title_of: Callable[[str], str]

    def title(self, plan: Plan) -> str:
        words = {"title": plan.title, "document": plan.document, "scope": plan.scope_name}
        return text("plan_table_title", self.lang, **words)

    def records(self, targets: Sequence[Target]) -> Iterator[dict[str, object]]:
        names = {zone.id: zone.name for zone in zones_of(self.workspace)}
        scopes = {plan.scope: plan.scope_name for plan in self.workspace.plans}
        for target in targets:
            if target.zone not in names:
                said = {key: text(f"{key}_out_of_scope", self.lang) for key in ("status", "note")}
                yield {**self._of(target), **said, "zone": scopes.get(target.zone, target.zone)}
            for row, judgement in self._judged(target):
                yield {**self._of(target), "zone": row.zone.name, **self._said(row, judgement), **self._reported(row)}

    def _judged(self, target: Target) -> Iterator[tuple[Row, Judgement]]:
        for row in self.rows:
            if (row.indicator, row.zone.id) == (target.indicator, target.zone):
                yield from ((row, one) for one in row.judgements if one.asked == target)

    def _reported(self, row: Row) -> dict[str, object]:
        """What is reported of the same indicator and zone, first by whom it is a duty of, and how ours differs."""
        key = row.indicator, row.zone.id
        several = reported_of(self.rows).get(key, [])
        if row.published or not several:
            return {}
        indicator = self.workspace.indicators.get(row.indicator)
        duty = indicator.department("zh") if indicator else ""
        one = next((r for r in several if duty and r.definition == f"{REPORTED}{duty}"), several[0])
        by = one.definition.removeprefix(REPORTED) if one.definition.startswith(REPORTED) else one.source
        others = (r for r in self.rows if (r.indicator, r.zone.id) == key)
        assert one.value is not None
        return {
            "reported": one.value,
            "reported_by": clauses((by, one.period or self.workspace.period), self.lang),
            "difference": None if row.value is None else row.value - one.value,
            "cause": likely_causes(row, one, others, self.workspace, self.lang) or None,
        }

    def _of(self, target: Target) -> dict[str, object]:
        """What the document says."""
        blank: dict[str, object] = dict.fromkeys(PLAN_COLUMNS)
        printed = target.name if self.lang == "zh" else target.name_en
        return blank | {
            "number": target.number or None,
            "domain": target.domain,
            "indicator": printed or self.title_of(target.indicator),
            "unit": target.unit_text or unit_text(target.unit or self._unit(target), self.lang),
            "property": target.property,
            "target": target.text,
            "target_year": target.year,
            "clause": target.clause,
        }

    def _unit(self, target: Target) -> str:
        """The unit of the target's indicator, for a document that names none."""
        indicator = self.workspace.indicators.get(target.indicator)
        return indicator.unit if indicator else ""

    def _said(self, row: Row, judgement: Judgement) -> dict[str, object]:
        """What this run says."""
        baseline = judgement.baseline
        return {
            "baseline": baseline.value if baseline else None,
            "baseline_year": baseline.year if baseline else None,
            "value": row.value,
            "value_period": (row.period or self.workspace.period) if row.value is not None else None,
            "progress": judgement.progress,
            "elapsed": judgement.elapsed,
            "status": status_text(judgement.status, judgement.target, self.lang),
            "light": str(judgement.light) if judgement.light else None,
            "definition": row.definition,
            "grade": text(f"grade_{row.grade}", self.lang) if row.grade else None,
            "note": judgement.note,
        }


def light_meanings(thresholds: Thresholds, lang: Lang) -> tuple[tuple[str, str], ...]:
    """Every light that the thresholds use, the best first, and for which statuses it stands."""
    found: dict[str, list[str]] = {}
    for status in JUDGED:
        kinds = {kind: thresholds.lights[kind].get(status, "none") for kind in thresholds.lights}
        for light in dict.fromkeys(kinds.values()):
            who = [text(f"target_{kind}", lang) for kind, shown in kinds.items() if shown == light]
            status_said = text(f"status_{status}", lang)
            several = len(who) == len(kinds)
            said = status_said if several else text("light_of", lang, kind=who[0], status=status_said)
            found.setdefault(light, []).append(said)
    return tuple((str(light), listed(found[light], lang)) for light in Light if light in found)


def threshold_lines(thresholds: Thresholds, lang: Lang, *, lights: bool = True) -> tuple[str, ...]:
    """The settings of judging in words, as every output prints them, and how well they are established.

    Without ``lights`` only what a legend of the lights doesn't say.
    """
    about, path = (f"{100 * share:g}%" for share in (thresholds.about_tolerance, thresholds.path_tolerance))
    lines = [text("thresholds_about", lang, share=about), text("thresholds_path", lang, share=path)]
    if lights:
        colon = "：" if lang == "zh" else ": "
        said = (
            f"{text(f'light_{light}', lang)}{colon}{meaning}" for light, meaning in light_meanings(thresholds, lang)
        )
        lines.append(text("thresholds_lights", lang, lights=clauses(said, lang)))
    return (*lines, text("thresholds_standing", lang))


def is_judged(rows: Sequence[Row]) -> bool:
    """True if any row has a light, so that lights have to be explained."""
    return any(judgement.light for row in rows for judgement in row.judgements)
