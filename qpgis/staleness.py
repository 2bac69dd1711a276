"""What a run would bring up to date, and why: each definition with the zones whose values aren't the last one's."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from qpgis.assessment import Assessment, definitions_of
from qpgis.catalogue import Lang, keys, listed, text
from qpgis.engine import Engine
from qpgis.errors import NotComputable
from qpgis.findings import Finding
from qpgis.indicators.declaration import Definition, Indicator
from qpgis.layers import PRESENT
from qpgis.parts import Measure, PerZone
from qpgis.workspace import Workspace


@dataclass(frozen=True)
class ChangedInput:
    """A file that isn't what the last run read.

    Attributes
    ----------
    name, role : str
        The file, and what it is read as.
    change : str
        ``changed``, ``new`` or ``gone``.
    """

    name: str
    role: str
    change: str


@dataclass(frozen=True)
class Outdated:
    """A definition with values that a run would compute again, or that aren't those of the last run.

    Attributes
    ----------
    indicator, definition : str
    zones : tuple of str
        Ids of the zones and groups that are measured again, and of groups with other members; the sums of other groups
        follow from them.
    why : tuple of str
        Layers by their kind; ``zones``, ``definition``, ``code``, ``first`` (never computed), ``dropped`` (not kept).
    """

    indicator: str
    definition: str
    zones: tuple[str, ...]
    why: tuple[str, ...]


@dataclass(frozen=True)
class Staleness:
    """What has changed since the last run, and what the next one computes.

    Attributes
    ----------
    ever : bool
        Whether there was a run whose results are kept.
    inputs : tuple of ChangedInput
    outdated : tuple of Outdated
    fresh : int
        How many definitions are as the last run left them.
    frozen : tuple of Finding
        Files of frozen periods that aren't what was published.
    """

    ever: bool
    inputs: tuple[ChangedInput, ...]
    outdated: tuple[Outdated, ...]
    fresh: int
    frozen: tuple[Finding, ...] = ()

    def lines(self, workspace: Workspace, lang: Lang) -> Iterator[str]:
        """What it comes to, for planners."""
        for found in self.frozen:
            yield text("stale_frozen", lang, file=found.file, message=found.message, action=found.action)
        for one in self.inputs:
            yield text(f"stale_input_{one.change}", lang, name=one.name, role=_layer(one.role, lang))
        names = workspace.area.names
        groups: dict[tuple[tuple[str, ...], tuple[str, ...]], list[Outdated]] = {}
        for each in self.outdated:
            groups.setdefault((each.why, each.zones), []).append(each)
        for (why, zones), several in groups.items():
            titles = dict.fromkeys(workspace.indicators[one.indicator].title(lang) for one in several)
            everywhere = set(zones) >= {one for base in workspace.area.measured for one in base.ids}
            where = text("stale_everywhere", lang) if everywhere else listed((names.get(z, z) for z in zones), lang)
            words = {"why": listed((_reason(one, lang) for one in why), lang), "where": where, "count": len(several)}
            yield text("stale_group", lang, **words, names=listed(titles, lang))
        comes_to = "stale_summary" if self.outdated else "stale_nothing"
        yield text(comes_to, lang, count=len(self.outdated), fresh=self.fresh)


def _layer(kind: str, lang: Lang) -> str:
    return next((text(key, lang) for key in (f"layer_{kind}", f"input_{kind}") if key in keys()), kind)


def _reason(why: str, lang: Lang) -> str:
    return text(f"stale_why_{why}", lang) if f"stale_why_{why}" in keys() else _layer(why, lang)


def staleness(workspace: Workspace) -> Staleness:
    """What a run of a workspace would compute again; nothing is computed, and nothing kept.

    Parameters
    ----------
    workspace : Workspace
        As it is opened now.
    """
    last = _last(workspace)
    outdated, fresh = [], 0
    for indicator, definition, made, found in _measured(workspace):
        before = last.get("definitions", {}).get(f"{indicator.id} {definition.name}")
        values = {} if before is None else before["zones"]
        now = found if made is not None else dict.fromkeys(values)  # what was measured, and can't be any more
        same = {zone: values.get(zone, value) == value is not None for zone, value in now.items()}
        zones = tuple(dict.fromkeys(zone.partition(" ")[2] for zone in same if not same[zone]))
        if zones:
            why = tuple(_why(workspace, indicator, definition, made, last))
            outdated.append(Outdated(indicator.id, definition.name, zones, why))
        else:
            fresh += 1
    frozen = tuple(one for one in workspace.findings if one.rule.startswith("frozen_"))
    return Staleness(bool(last), tuple(_changed(workspace, last)) if last else (), tuple(outdated), fresh, frozen)


def remember(assessment: Assessment) -> None:
    """Keep what a run of the whole present read and found, so that the next one can say what has changed since."""
    workspace = assessment.workspace
    usual = {(indicator.id, one.name) for indicator, chosen in definitions_of(workspace) for one in chosen}
    whole = usual <= assessment.definitions.keys() and workspace.state.scenario == PRESENT
    if whole and workspace.known.kept is not None:
        store = workspace.known.kept.store
        store.put(_name(workspace), json.dumps(_now(workspace)).encode())
        store.flush()


def _name(workspace: Workspace) -> str:
    opened = json.dumps(workspace.opened, sort_keys=True, ensure_ascii=False)
    return f"last run of {workspace.period} {opened}, zone by zone"


def _now(workspace: Workspace) -> dict[str, Any]:
    assert workspace.known.kept is not None
    return {
        "code": workspace.known.kept.code,
        "inputs": [[one.name, one.role, one.sha256] for one in workspace.inputs],
        "layers": {kind: [layer.content, layer.source.sha256] for kind, layer in workspace.layers.items()},
        "zones": [workspace.known.kept.content_of_zones(zones) for zones in _sets(workspace)],
        "definitions": {
            f"{indicator.id} {definition.name}": {
                "made": _settings(workspace, indicator, definition),
                "zones": {zone: value for zone, value in found.items() if value is not None},
            }
            for indicator, definition, _, found in _measured(workspace)
        },
    }


def _settings(workspace: Workspace, indicator: Indicator, definition: Definition) -> str:
    """What decides how a definition measures, beside the program: its settings, the file that declares it."""
    file = [one.sha256 for one in workspace.inputs if one.role == "indicators" and one.name == indicator.file]
    return repr((sorted({**indicator.settings, **definition.settings}.items()), file))


Found = dict[str, str | None]
"""By level and id of zones what is known of them, ``None`` where something would be computed."""


def _measured(workspace: Workspace) -> Iterator[tuple[Indicator, Definition, Measure | None, Found]]:
    """Every definition, what it measures, and what is known of that."""
    engine = Engine(workspace.area, workspace.known, layers=workspace.layers.values())
    usual = ((one, chosen) for one, chosen in definitions_of(workspace) if isinstance(one, Indicator))
    for indicator, definition in ((one, definition) for one, chosen in usual for definition in chosen):
        made = _made(workspace, indicator, definition)
        yield indicator, definition, made, {} if made is None else _found(workspace, engine, made)


def _found(workspace: Workspace, engine: Engine, made: Measure) -> Found:
    whole = isinstance(made, PerZone)
    groups = () if whole else workspace.area.groups  # their sums follow from those of their members
    found: Found = {f"{group.level} {group.id}": " ".join(group.members) for group in groups}
    for zones in _sets(workspace) if whole else workspace.area.zone_sets:
        names = [f"{zones.level} {zone}" for zone in zones.ids]
        try:
            known = engine.kept(made, zones)
        except NotComputable as reason:  # a run ends there too
            return found | dict.fromkeys(names, type(reason).__name__)
        short = (None if one is None else hashlib.sha256(repr(one).encode()).hexdigest()[:16] for one in known)
        found |= zip(names, short, strict=True)
    return found


def _last(workspace: Workspace) -> dict[str, Any]:
    """What the last run read; empty if there was none."""
    if workspace.known.kept is None:
        return {}
    stored = workspace.known.kept.store.get(_name(workspace))
    return {} if stored is None else dict(json.loads(stored))


def _sets(workspace: Workspace) -> tuple[Any, ...]:
    return (*workspace.area.zone_sets, *workspace.area.group_sets)


def _changed(workspace: Workspace, last: Mapping[str, Any]) -> Iterator[ChangedInput]:
    before = {(name, role): sha for name, role, sha in last["inputs"]}
    now = {(one.name, one.role): one.sha256 for one in workspace.inputs}
    for key in dict.fromkeys([*now, *before]):
        if before.get(key) != now.get(key):
            yield ChangedInput(*key, "gone" if key not in now else "new" if key not in before else "changed")


def _made(workspace: Workspace, indicator: Indicator, definition: Definition) -> Measure | None:
    """What a definition measures; nothing where a layer lacks."""
    try:
        return indicator(workspace.layers, definition)
    except NotComputable:
        return None


def _why(
    workspace: Workspace, indicator: Indicator, definition: Definition, made: Measure | None, last: Mapping[str, Any]
) -> Iterable[str]:
    """What differs from the last run of all that a definition depends on."""
    before = last.get("definitions", {}).get(f"{indicator.id} {definition.name}")
    if before is None:
        return ["first"]
    kept = workspace.known.kept
    assert kept is not None
    found = [] if last["code"] == kept.code else ["code"]
    if last["zones"] != [kept.content_of_zones(zones) for zones in _sets(workspace)]:
        found.append("zones")
    if before["made"] != _settings(workspace, indicator, definition):
        found.append("definition")
    read = set(indicator.layers) if made is None else {layer.kind for layer in made.read()}
    read |= set(indicator.layers) - workspace.layers.keys()
    kinds = [kind for kind in {**workspace.layers, **last["layers"]} if kind in read]
    found += [kind for kind in kinds if _differs(workspace, kind, last, moved="zones" in found)]
    return found or ["dropped"]


def _differs(workspace: Workspace, kind: str, last: Mapping[str, Any], *, moved: bool) -> bool:
    """Whether a layer holds something else; one that was surveyed in the whole area does so as soon as zones move."""
    layer = workspace.layers.get(kind)
    content, file = last["layers"].get(kind, ("", ""))
    return layer is None or bool(content != layer.content and (not moved or file != layer.source.sha256))
