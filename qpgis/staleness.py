"""What a run would compute again, and why: each definition with the zones whose values aren't kept as they would be."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from qpgis.assessment import Assessment, definitions_of
from qpgis.catalogue import Lang, keys, listed, text
from qpgis.engine import Engine
from qpgis.errors import NotComputable
from qpgis.indicators.declaration import Definition, Indicator
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
    """A definition with values that a run would compute again.

    Attributes
    ----------
    indicator, definition : str
    zones : tuple of str
        Ids of the zones and groups that are measured again; the sums of other groups follow from them.
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
    """

    ever: bool
    inputs: tuple[ChangedInput, ...]
    outdated: tuple[Outdated, ...]
    fresh: int

    def lines(self, workspace: Workspace, lang: Lang) -> Iterator[str]:
        """What it comes to, for planners."""
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
    engine = Engine(workspace.area, workspace.known, layers=workspace.layers.values())
    outdated, fresh = [], 0
    for indicator, chosen in definitions_of(workspace):
        if not isinstance(indicator, Indicator):
            continue
        for definition in chosen:
            made = _made(workspace, indicator, definition)
            zones = _unknown(workspace, engine, made) if made is not None else ()
            if made is not None and zones:
                why = tuple(_why(workspace, indicator, definition, made, last))
                outdated.append(Outdated(indicator.id, definition.name, zones, why))
            else:
                fresh += 1
    return Staleness(bool(last), tuple(_changed(workspace, last)) if last else (), tuple(outdated), fresh)


def remember(assessment: Assessment) -> None:
    """Keep what a run read, so that the next one can say what has changed since."""
    workspace = assessment.workspace
    if workspace.known.kept is not None:
        store = workspace.known.kept.store
        store.put(_name(workspace), json.dumps(_now(workspace)).encode())
        store.flush()


def _name(workspace: Workspace) -> str:
    opened = json.dumps(workspace.opened, sort_keys=True, ensure_ascii=False)
    return f"last run of {workspace.period} {opened}"


def _now(workspace: Workspace) -> dict[str, Any]:
    assert workspace.known.kept is not None
    return {
        "code": workspace.known.kept.code,
        "inputs": [[one.name, one.role, one.sha256] for one in workspace.inputs],
        "layers": {kind: [layer.content, layer.source.sha256] for kind, layer in workspace.layers.items()},
        "zones": [workspace.known.kept.content_of_zones(zones) for zones in _sets(workspace)],
        "definitions": {
            f"{indicator.id} {definition.name}": _settings(indicator, definition)
            for indicator, chosen in definitions_of(workspace)
            if isinstance(indicator, Indicator)
            for definition in chosen
        },
    }


def _settings(indicator: Indicator, definition: Definition) -> str:
    return repr(sorted({**indicator.settings, **definition.settings}.items()))


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


def _unknown(workspace: Workspace, engine: Engine, made: Measure) -> tuple[str, ...]:
    """The zones of whose values something would be computed."""
    sets = _sets(workspace) if isinstance(made, PerZone) else workspace.area.zone_sets  # sums of groups follow
    return tuple(dict.fromkeys(zones.ids[n] for zones in sets for n in engine.unknown(made, zones)))


def _made(workspace: Workspace, indicator: Indicator, definition: Definition) -> Measure | None:
    """What a definition measures; nothing where a layer lacks."""
    try:
        return indicator(workspace.layers, definition)
    except NotComputable:
        return None


def _why(
    workspace: Workspace, indicator: Indicator, definition: Definition, made: Measure, last: Mapping[str, Any]
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
    if before != _settings(indicator, definition):
        found.append("definition")
    read = {layer.kind for layer in made.read()}
    kinds = [kind for kind in workspace.layers if kind in read]
    found += [kind for kind in kinds if _differs(workspace, kind, last, moved="zones" in found)]
    return found or ["dropped"]


def _differs(workspace: Workspace, kind: str, last: Mapping[str, Any], *, moved: bool) -> bool:
    """Whether a layer holds something else; one that was surveyed in the whole area does so as soon as zones move."""
    layer = workspace.layers[kind]
    content, file = last["layers"].get(kind, ("", ""))
    return bool(content != layer.content and (not moved or file != layer.source.sha256))
