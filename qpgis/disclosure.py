"""What of an assessment an audience may see: features up to one level, values up to another; what is left out is said.

It is the only place where anything is left out: whatever writes an output for others takes an assessment from here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TypeVar

import numpy as np

from qpgis.assessment import Assessment, LayersOf, Withheld
from qpgis.catalogue import read_toml, text
from qpgis.control.checks import ControlChecks
from qpgis.errors import ConfigError
from qpgis.findings import Finding, ordered
from qpgis.layers import Layer
from qpgis.provenance import Audience, Secrecy, Source, strictest
from qpgis.rows import Row
from qpgis.workspace import InputFile, Workspace

Seen = TypeVar("Seen", bound=Assessment)
Checks = TypeVar("Checks", bound=ControlChecks)


def seen_by(assessment: Seen, audience: Audience | str) -> Seen:
    """An assessment as an audience may see it.

    Layers above the level of its features keep no feature, and findings about them are only counted; gaps, patches and
    the like go by the strictest layer that made them. Rows above the level of its values are dropped. What was left out
    is told in ``withheld``, which outputs print.

    Parameters
    ----------
    assessment : Assessment
    audience : Audience

    Raises
    ------
    ConfigError
        If the borders of zones may not be shown, or no value may.
    """
    audience = Audience(audience)
    if assessment.audience is audience:
        return assessment
    workspace = assessment.workspace
    _require_zones(workspace, audience)
    rows = tuple(_unquoted(row, audience) for row in assessment.rows if shown(row, workspace, audience))
    if not rows:
        raise ConfigError(
            f"nothing may be shown to audience {audience}: every value is computed from layers above it; choose "
            "another audience, or clear values for everybody: [outputs] public_values = [...]"
        )
    kept = {(row.indicator, row.definition) for row in rows}
    open_ = _open_keys(assessment, audience)
    hidden = _hidden(workspace, audience)
    gone = [row.indicator for row in assessment.rows if (row.indicator, row.definition) not in kept]
    seen = replace(
        assessment,
        workspace=_workspace(workspace, audience),
        rows=rows,
        findings=ordered(_findings(assessment, hidden, audience)),
        definitions={key: value for key, value in assessment.definitions.items() if key in kept},
        missed=_of(assessment.missed, open_),
        features=_of(assessment.features, open_),
        reached=_of(assessment.reached, open_),
        audience=audience,
        withheld=Withheld(_names(assessment, hidden, audience), tuple(map(assessment.title, dict.fromkeys(gone)))),
    )
    seen.__dict__["result_sha256"] = assessment.result_sha256  # who signed, signed all of it
    return seen


def checks_seen_by(checks: Checks, audience: Audience | str) -> Checks:
    """Control checks as an audience may see them: without the patches of layers and lines whose features it may not.

    Raises
    ------
    ConfigError
        If it may not see what is computed from the layers that were read.
    """
    audience = Audience(audience)
    if not checks.secrecy.within(audience.values):
        raise ConfigError(
            f"control checks of {checks.secrecy} layers aren't for audience {audience}; choose another one"
        )
    open_ = {"", *(kind for kind, level in checks.levels.items() if level.within(audience.features))}
    named = zip(checks.patches["layer"], checks.patches["line"], strict=True)
    kept = [open_ >= {layer, *line.split("+")} for layer, line in named]
    patches = checks.patches[np.array(kept, dtype=bool)].reset_index(drop=True)
    return replace(checks, patches=patches, withheld=len(kept) - sum(kept))


def shown(row: Row, workspace: Workspace, audience: Audience) -> bool:
    """True if an audience may see a value: by all that fed it, or because its indicator was cleared for everybody."""
    return row.secrecy.within(audience.values) or (
        row.indicator in workspace.public_values and row.secrecy.within(Secrecy.INTERNAL)
    )


def _require_zones(workspace: Workspace, audience: Audience) -> None:
    """Refuse to show values on borders that may not be shown: there is no output without them."""
    for zones in workspace.area.zone_sets:
        level = zones.source.secrecy
        if level is Secrecy.SECRET or not level.within(audience.values):
            raise ConfigError(
                f"zones of level {zones.level!r} ({zones.source.file}) are {level}: audience {audience} may not see "
                'their borders, which stand in every output; where they may be shown add secrecy = "public" to them'
            )


def _unquoted(row: Row, audience: Audience) -> Row:
    """The row without features' own words in its notes, where these may not be seen, nor a source that may not."""
    if not row.secrecy.within(audience.values):  # its indicator was cleared, what it is computed from wasn't
        row = replace(row, source=text("withheld_file"))
    if not row.quoted or row.secrecy.within(audience.features):
        return row

    def cleared(note: str) -> str:
        for words in row.quoted:
            note = note.replace(words, text("withheld_words"))
        return note

    judgements = tuple(replace(one, note=cleared(one.note)) for one in row.judgements)
    return replace(row, note=cleared(row.note), judgements=judgements)


def open_keys(assessment: Assessment) -> frozenset[tuple[str, str]]:
    """The indicators and definitions whose features the audience of an assessment may see."""
    return _open_keys(assessment, assessment.audience or Audience.INTERNAL)


def _open_keys(assessment: Assessment, audience: Audience) -> frozenset[tuple[str, str]]:
    levels: dict[tuple[str, str], list[Secrecy]] = {}
    for row in assessment.rows:
        levels.setdefault((row.indicator, row.definition), []).append(row.secrecy)
    return frozenset(key for key, found in levels.items() if strictest(found).within(audience.features))


def _of(layers: Mapping[tuple[str, str], tuple[Layer, ...]], keys: frozenset[tuple[str, str]]) -> LayersOf:
    return {key: found for key, found in layers.items() if key in keys}


def _hidden(workspace: Workspace, audience: Audience) -> dict[str, Secrecy]:
    """The layers and reference layers whose features an audience may not see, by the ids that findings call them by."""
    levels = {kind: layer.source.secrecy for kind, layer in workspace.layers.items()}
    levels |= {f"reference.{one.id}": one.source.secrecy for one in workspace.references}
    return {id_: level for id_, level in levels.items() if not level.within(audience.features)}


def _names(assessment: Assessment, hidden: Mapping[str, Secrecy], audience: Audience) -> dict[str, str]:
    """What the hidden layers are called; a reference layer whose name, too, says more than may be known is none."""
    nameless = text("withheld_reference", assessment.lang)
    secret = {id_ for id_, level in hidden.items() if "." in id_ and not level.within(audience.values)}
    return {id_: nameless if id_ in secret else assessment.layer_title(id_) for id_ in hidden}


def _workspace(workspace: Workspace, audience: Audience) -> Workspace:
    """The workspace without the features that an audience may not see."""
    layers = {kind: _without(layer, audience) for kind, layer in workspace.layers.items()}
    land = workspace.layers.get("landuse")
    tables = workspace.tables_secrecy.within(audience.values)
    areas = land is not None and tables and land.source.secrecy.within(audience.values)
    seen = replace(
        workspace,
        layers=layers,
        references=tuple(one for one in workspace.references if one.source.secrecy.within(audience.features)),
        inputs=tuple(_input(one, audience) for one in workspace.inputs),
        ledgers={k: v for k, v in workspace.ledgers.items() if layers[k].source.secrecy.within(audience.values)},
        land_areas=workspace.land_areas if areas else None,
        statistics=workspace.statistics if tables else (),
        baselines=workspace.baselines if tables else {},
        targets=workspace.targets if tables else (),
    )
    seen.__dict__["known"] = workspace.known  # what was found out of the whole isn't looked for again
    return seen


def _without(layer: Layer, audience: Audience) -> Layer:
    """A layer that keeps its features only where they may be seen, and its source only where values from it may."""
    if layer.source.secrecy.within(audience.features):
        return layer
    source = layer.source
    if not source.secrecy.within(audience.values):
        source = Source("", source.grade, text("withheld_file"), secrecy=source.secrecy)
    return replace(layer, frame=layer.frame.iloc[:0], geometry=layer.geometry[:0], source=source)


def _input(one: InputFile, audience: Audience) -> InputFile:
    """An input as the manifest may name it: its hash tells who has the file which it was."""
    if one.secrecy.within(audience.values):
        return one
    role = one.role.partition(".")[0]
    return replace(one, name=text("withheld_file"), role=role, source="", licence="", date="")


def _findings(assessment: Assessment, hidden: Mapping[str, Secrecy], audience: Audience) -> Iterator[Finding]:
    """The findings; those about hidden layers only counted, by rule."""
    names = _names(assessment, hidden, audience)
    own = {id_.removeprefix("reference."): id_ for id_ in hidden} | {id_: id_ for id_ in hidden}
    own = {id_: key for id_, key in own.items() if id_ == key or id_ not in assessment.workspace.layers}
    two = {*read_toml("schemes", "secrecy.toml")["two_layers"]} if hidden else set()
    counted: Counter[tuple[object, ...]] = Counter()
    for finding in assessment.findings:
        if finding.layer in own or finding.rule in two:  # of two layers, the one that it doesn't name may be hidden
            counted[finding.severity, finding.rule, own.get(finding.layer, finding.layer)] += 1
        else:
            yield finding
    for (severity, rule, id_), count in counted.items():
        name = names.get(str(id_)) or assessment.layer_title(str(id_))
        words = {"layer": name, "count": count}
        said = (text(f"withheld_{part}", assessment.lang, **words) for part in ("finding", "action"))
        layer = str(id_) if str(id_) in assessment.workspace.layers else name
        yield Finding(severity, str(rule), layer, "", "", "", str(count), *said)  # type: ignore[arg-type]


def said_of(assessment: Assessment) -> Iterator[str]:
    """What stands on an output: its level, whom it is for, and what was left out, line by line."""
    lang = assessment.lang
    level = text(f"secrecy_{assessment.secrecy}", lang)
    if assessment.audience is None:
        yield text("secrecy_level", lang, level=level)
        return
    yield text("secrecy_said", lang, level=level, audience=text(f"audience_{assessment.audience}", lang))
    for key, names in (("layers", assessment.withheld.layers.values()), ("values", assessment.withheld.indicators)):
        if names:
            yield text(f"secrecy_withheld_{key}", lang, names=_listed(names, lang == "zh"))


def _listed(names: Iterable[str], chinese: bool) -> str:
    return ("、" if chinese else ", ").join(dict.fromkeys(names))
