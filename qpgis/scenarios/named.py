"""Scenarios by their names: those of ``qpgis.toml``, and those that plan statuses and dates make by themselves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

from qpgis.assessment import Assessment
from qpgis.catalogue import Lang, read_toml, text
from qpgis.control.placing import report_placing
from qpgis.errors import ConfigError, SourceError, did_you_mean
from qpgis.findings import Findings, ordered
from qpgis.layers import PRESENT, Layer
from qpgis.provenance import Secrecy
from qpgis.scenarios.what_if import Change, scenario
from qpgis.workspace import Workspace
from qpgis.workspace.config import ChangeTable, ScenarioTable, read_config
from qpgis.workspace.loading import Reader, restated

if TYPE_CHECKING:
    import pandas as pd

SCENARIO_KEYS = ("indicator", "definition", "zone_id", "zone_name", "level", "unit")
"""What a row of a table of scenarios is of."""


def scenario_tables(workspace: Workspace, lang: Lang = "zh") -> dict[str, ScenarioTable]:
    """Every scenario that can be named: those that statuses make, then the workspace's own."""
    built = {
        name: ScenarioTable(title=row[lang], statuses=row["statuses"])
        for name, row in read_toml("schemes", "scenarios.toml").items()
    }
    return {**built, **read_config(workspace.files[0]).scenarios} if _has_config(workspace) else {}


def named_scenario(workspace: Workspace, name: str, *, lang: Lang = "zh") -> Workspace:
    """The workspace in one of its scenarios.

    Raises
    ------
    ConfigError
        If there is none of that name.
    LayerError, SourceError, CRSError
        If one of its changes can't be made as a whole.
    """
    tables = scenario_tables(workspace, lang)
    if name not in tables:
        raise ConfigError(f"no scenario {name!r}; {did_you_mean(name, tables)}")
    table, title = tables[name], tables[name].title or name
    of_workspace = read_config(workspace.files[0]).secrecy if table.changes else Secrecy.INTERNAL
    reader = Reader(workspace.files[0].parent, Findings(lang), lambda stage: None, secrecy=of_workspace)
    changes = [_change(change, reader, title) for change in table.changes]
    there = _in_state(workspace, table, lang) if table.statuses or table.as_of else workspace
    report_placing(workspace, there.layers, reader.findings, file=text("scenario_file", lang, name=title))
    made = scenario(there, changes, name=title, lang=lang)
    inputs = reader.inputs.values()
    return replace(made, inputs=(*made.inputs, *inputs), findings=ordered((*made.findings, *reader.findings)))


def as_it_was(workspace: Workspace, manifest: Mapping[str, Any]) -> Workspace:
    """A workspace in the scenario that a run was of, as the run's manifest calls it.

    Raises
    ------
    SourceError
        If there is none of that name, such as one that was made in Python.
    """
    lang: Lang = manifest["language"]
    wanted = manifest["state"]["scenario"]
    if wanted == workspace.state.scenario:
        return workspace
    named = {table.title or name: name for name, table in scenario_tables(workspace, lang).items()}
    if wanted not in named:
        raise SourceError(
            f"{workspace.name}: no scenario {wanted!r} in qpgis.toml; {did_you_mean(wanted, named)}; "
            "one that was made in Python is computed again there"
        )
    return named_scenario(workspace, named[wanted], lang=lang)


def scenario_table(results: Iterable[Assessment]) -> pd.DataFrame:
    """The values of several results side by side, one row for each zone, indicator and definition.

    Parameters
    ----------
    results : iterable of Assessment
        Such as the present and its scenarios; a column each, called by the scenario, ``present`` where there is none.

    Raises
    ------
    ConfigError
        If two have the same name.
    """
    import pandas as pd

    keys = list(SCENARIO_KEYS)
    found: dict[str, pd.Series] = {}
    for result in results:
        name = result.workspace.state.scenario
        if name in found:
            raise ConfigError(f"two scenarios are called {name!r}; give each its own name")
        found[name] = result.table.drop_duplicates(keys).set_index(keys)["value"]
    return pd.concat(found, axis=1, sort=False).reset_index()


def differing_lines(table: pd.DataFrame, lang: Lang) -> list[str]:
    """How many values of each scenario of a :func:`scenario_table` aren't those of the present, for planners."""
    said = []
    for name in table.columns.drop([*SCENARIO_KEYS, PRESENT]):
        count = int((~table[name].eq(table[PRESENT]) & ~(table[name].isna() & table[PRESENT].isna())).sum())
        said.append(text("scenario_differs" if count else "scenario_same", lang, name=name, count=count))
    return said


def _has_config(workspace: Workspace) -> bool:
    return bool(workspace.files) and workspace.files[0].suffix == ".toml"


def _in_state(workspace: Workspace, table: ScenarioTable, lang: Lang) -> Workspace:
    """The workspace with the features of other statuses or dates; layers that stay the same are the present's own."""
    present = workspace.state
    wider = set(table.statuses or ()) - present.statuses
    as_of = table.as_of or (date.max if wider else present.as_of)
    statuses = frozenset(table.statuses or present.statuses)
    state = replace(present, as_of=as_of, statuses=statuses, until=present.until or present.as_of)
    made = restated(workspace, state, lang=lang)
    layers = {kind: _same(workspace.layers[kind], layer) for kind, layer in made.layers.items()}
    return replace(made, layers=layers)


def _same(present: Layer, layer: Layer) -> Layer:
    """The present's own layer if another holds the same: what is known of it is known of both."""
    return present if present.source == layer.source and present.content == layer.content else layer


def _change(table: ChangeTable, reader: Reader, title: str) -> Change:
    """A change as ``qpgis.toml`` says it, its file read as every file is."""
    secrecy = table.secrecy or reader.secrecy
    words: dict[str, Any] = {
        "how": table.how,
        "ids": tuple(table.ids),
        "source": table.source,
        "secrecy": secrecy,
    }
    if table.file is None:
        return Change(table.kind, **words)
    raw, source = reader.features(table.features(), table.kind)
    frame = raw.frame.drop(columns="feature_id")  # numbers of rows, where the file has no ids of its own
    return Change(table.kind, frame, grade=source.grade, **words)
