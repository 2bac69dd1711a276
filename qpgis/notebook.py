"""The public face in a notebook: an assessment that draws its own map and writes its own files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qpgis.assessment import Assessment
from qpgis.assessment import assess as _assess
from qpgis.catalogue import Lang
from qpgis.control.checks import ControlChecks as _ControlChecks
from qpgis.scenarios.gap import Answer as _Answer
from qpgis.workspace import Workspace

if TYPE_CHECKING:
    import folium
    import geopandas as gpd
    import pandas as pd

    from qpgis.evidence import Evidence
    from qpgis.scenarios.compare import Comparison, Recorded
    from qpgis.scenarios.trajectory import Trajectory
    from qpgis.scenarios.what_if import Change


class Result(Assessment):
    """An :class:`~qpgis.assessment.Assessment` with a map and files."""

    def _repr_html_(self) -> str:
        """What a notebook shows: what it is, under a banner if the files it was computed from have changed since."""
        return f"{self.workspace.banner(self.lang)}<p>{escape(repr(self))}</p>"

    def map(self, *, audience: str = "internal") -> folium.Map:
        """The map of all zones, indicators and layers; it shows itself in a notebook, ``.save()`` writes a file.

        It is the planner's own screen: internal features are on it, unless ``audience`` is ``leader`` or ``public``;
        secret ones never are.
        """
        from qpgis.disclosure import seen_by
        from qpgis.maps import planning_map
        from qpgis.maps.result import scene_of

        return planning_map(scene_of(seen_by(self, audience)))

    def evidence(self, indicator: str, zone: str | None = None, definition: str | None = None) -> Evidence:
        """What values are made of: features used with their contributions, dropped, repaired.

        Takes what :func:`qpgis.evidence.evidence` takes: a zone's id or name, all by default; a definition, by default
        the first.
        """
        from qpgis.evidence import evidence

        return evidence(self, indicator, zone, definition)

    def trajectory(
        self, indicator: str, zone: str, *, definition: str | None = None, target_year: int | None = None
    ) -> Trajectory:
        """How an indicator goes on to its target in a zone, see :func:`qpgis.scenarios.trajectory.trajectory`."""
        from qpgis.scenarios.trajectory import trajectory

        return trajectory(self, indicator, zone, definition=definition, target_year=target_year)

    def projects(self, *, progress: bool = False) -> pd.DataFrame:
        """Every project with zone, status, date and amount; or how far they have come, by zone and status.

        See :mod:`qpgis.projects`.
        """
        import pandas as pd

        from qpgis.projects import LIST, PROGRESS, project_progress, project_records

        if progress:
            return pd.DataFrame(list(project_progress(self.workspace, self.lang)), columns=list(PROGRESS))
        return pd.DataFrame(project_records(self.workspace, self.lang), columns=list(LIST))

    def trajectories(self) -> pd.DataFrame:
        """One row for each value and target: where its straight path stands, and when it would be met at this pace."""
        import pandas as pd

        from qpgis.scenarios.trajectory import SUMMARY, summaries

        return pd.DataFrame(summaries(self), columns=list(SUMMARY))

    def shortfall_work(self, *, level: str | None = None) -> pd.DataFrame:
        """What each value lacks until its target is met: km of road, ha of forest, people to be served.

        A row for each target that isn't met, see :data:`qpgis.scenarios.shortfall.COLUMNS`; with ``level`` for the
        zones of that level, by the target of the zone that holds them where they have none.
        """
        import pandas as pd

        from qpgis.scenarios.shortfall import COLUMNS, shortfalls

        return pd.DataFrame([one.record() for one in shortfalls(self, level=level)], columns=list(COLUMNS))

    def write(self, folder: str | Path, *, audience: str = "leader", evidence: bool = False) -> tuple[Path, ...]:
        """Write every output of ``qpgis run`` into a folder, whole or not at all, and return their paths.

        With ``evidence`` also ``evidence.gpkg``, what every value is made of. They hold what the ``audience`` may see:
        ``public``, ``leader`` (values of zones, features of public layers) or ``internal``.
        """
        from qpgis.report.outputs import write_outputs

        return write_outputs(self, Path(folder), audience=audience, evidence=evidence)


def what_if(
    workspace: Workspace,
    *changes: Change,
    name: str = "情景",
    lang: Lang = "zh",
    settings: Mapping[str, Any] | None = None,
    **frames: gpd.GeoDataFrame,
) -> Result:
    """All indicators again with changes laid over the present; what reads no changed layer isn't computed again.

    Parameters
    ----------
    workspace : Workspace
    *changes : Change
        Laid over the layers one after the other, see :class:`qpgis.scenarios.what_if.Change`.
    name : str
        What results call the scenario.
    lang : "zh" or "en"
    settings : mapping, optional
        Further settings of :func:`assess`: ``level``, ``definitions``, ``indicators``.
    **frames : GeoDataFrame
        By layer, features to add: ``roads=planned``.
    """
    from qpgis.scenarios.what_if import Change, scenario

    added = [Change(kind, frame) for kind, frame in frames.items()]
    made = scenario(workspace, [*changes, *added], name=name, lang=lang)
    return assess(made, **{"known": workspace.known, "lang": lang, **(settings or {})})


class Answer(_Answer):
    """An :class:`~qpgis.scenarios.gap.Answer` with a map and files."""

    @cached_property
    def result(self) -> Result:
        """Every indicator in the scenario; what was chosen is a layer of its map."""
        usual = self.present.definitions.get(self.indicator) or [
            self.present.indicators[self.indicator].definitions[0].name
        ]
        asked = {self.indicator: [*usual, self.definition]}
        made = assess(self.scenario(), definitions=asked, known=self.present.known, lang=self.lang)
        given = {f.name: getattr(made, f.name) for f in fields(made)}
        return Result(**{**given, "features": self.shown_on(made), "opens": (self.indicator, self.definition)})

    def map(self) -> folium.Map:
        """The map of the scenario, with what was chosen."""
        return self.result.map()

    def write(self, folder: str | Path) -> tuple[Path, ...]:
        """Write the outputs of the scenario, and ``chosen.gpkg``, what was chosen, which a scenario may name.

        They are for planners (audience ``internal``): what was chosen are features.
        """
        from qpgis.report.outputs import write_outputs
        from qpgis.report.tables import write_chosen

        return *write_outputs(self.result, Path(folder), audience="internal"), write_chosen(self, Path(folder))


def gap(
    workspace: Workspace,
    indicator: str,
    candidates: gpd.GeoDataFrame | str | Path,
    *,
    layer: str,
    zone: str | Iterable[str] | None = None,
    cost_field: str | None = None,
    **settings: Any,
) -> Answer:
    """The fewest, or with ``cost_field`` the cheapest, candidates that bring an indicator to its target.

    Parameters
    ----------
    workspace : Workspace
    indicator : str
    candidates : GeoDataFrame or path
        Features of a layer that could be added, columns called as in the layer's own file.
    layer : str
        Which layer they would be in.
    zone : str or iterable of str, optional
        Ids or names of zones; by default every one whose target isn't met.
    cost_field : str, optional
        The column with what each costs.
    **settings
        Of :func:`qpgis.scenarios.gap.close`: ``definition``, ``target``, ``operator``, ``name``, ``seconds``,
        ``tries``, ``lang``.
    """
    from qpgis.scenarios.candidates import Candidates, read_candidates
    from qpgis.scenarios.gap import close

    if isinstance(candidates, str | Path):
        given = read_candidates(Path(candidates), layer, workspace, cost_field=cost_field)
    else:
        given = Candidates.of(candidates, layer, workspace, cost_field=cost_field)
    found = close(workspace, indicator, given, zones=[zone] if isinstance(zone, str) else zone, **settings)
    return Answer(**{f.name: getattr(found, f.name) for f in fields(found)})


class ControlChecks(_ControlChecks):
    """The :class:`~qpgis.control.checks.ControlChecks` of a workspace, with files."""

    def write(self, folder: str | Path, *, audience: str = "internal") -> tuple[Path, ...]:
        """Write ``control_checks.xlsx`` and ``control_checks.gpkg``, whole or not at all, and return their paths.

        They are for those who look after the patches, unless ``audience`` is ``leader`` or ``public``.
        """
        from qpgis.disclosure import checks_seen_by
        from qpgis.report.control import write_control_checks

        return write_control_checks(checks_seen_by(self, audience), Path(folder))


def control_checks(
    workspace: Workspace, before: Workspace | str | Path | None = None, *, lang: Lang = "zh"
) -> ControlChecks:
    """Control lines checked (管控线校核): of one state, and with ``before`` between two.

    Parameters
    ----------
    workspace : Workspace
        Its towns, lines and figures count.
    before : Workspace, str or path, optional
        The same area earlier: a period of the workspace, or another workspace.
    lang : "zh" or "en"

    Raises
    ------
    ConfigError
        If there is no such period, or the zones may overlap.
    """
    from qpgis.control.checks import control_checks as checks

    earlier = before if isinstance(before, Workspace) or before is None else _earlier(workspace, before, lang)
    found = checks(workspace, earlier, lang=lang)
    return ControlChecks(**{f.name: getattr(found, f.name) for f in fields(found)})


def _earlier(workspace: Workspace, before: str | Path, lang: Lang) -> Workspace:
    """A workspace by its folder, or by the period of another one."""
    from qpgis.workspace.loading import open_workspace

    if Path(before).exists():
        return open_workspace(before, lang=lang)
    return open_workspace(workspace.files[0], period=str(before), lang=lang, cache=workspace.cache is not None)


def run_scenarios(workspace: Workspace, names: Iterable[str] | None = None, **settings: Any) -> dict[str, Result]:
    """The present and several scenarios, by name: those that plan statuses make, and those of ``qpgis.toml``.

    Parameters
    ----------
    workspace : Workspace
    names : iterable of str, optional
        Ids of scenarios; every one by default.
    **settings
        Of :func:`assess`.
    """
    from qpgis.scenarios.named import named_scenario, scenario_tables

    lang = settings.get("lang", "zh")
    wanted = scenario_tables(workspace, lang) if names is None else names
    found = {"present": assess(workspace, **settings)}
    for name in wanted:
        made = named_scenario(workspace, name, lang=lang)
        found[name] = assess(made, **{"known": workspace.known, **settings})
    return found


def scenario_table(
    workspace: Workspace,
    several: Iterable[str | Assessment] | None = None,
    *,
    audience: str = "internal",
    **settings: Any,
) -> pd.DataFrame:
    """The values of the present and of several scenarios side by side.

    Parameters
    ----------
    workspace : Workspace
    several : iterable of str or Result, optional
        Ids of scenarios, or what :func:`what_if` gave; every one that can be named by default.
    audience : str
        Whom the values are for, see :func:`qpgis.disclosure.seen_by`.
    **settings
        Of :func:`assess`.
    """
    from qpgis.disclosure import seen_by
    from qpgis.scenarios.named import scenario_table as side_by_side

    wanted = None if several is None else list(several)
    named = run_scenarios(
        workspace, None if wanted is None else [one for one in wanted if isinstance(one, str)], **settings
    )
    shown: list[Assessment] = list(named.values())
    if wanted is not None:
        shown = [named["present"]] + [named[one] if isinstance(one, str) else one for one in wanted]
    return side_by_side([seen_by(one, audience) for one in shown])


def assess(workspace: Workspace, **settings: Any) -> Result:
    """All indicators of a workspace for all its zones, held against the targets.

    Takes the settings of :func:`qpgis.assessment.assess`: ``level``, ``definitions``, ``indicators``, ``lang``.
    """
    from qpgis.staleness import remember

    assessment = _assess(workspace, **{"known": workspace.known, **settings})
    remember(assessment)
    return Result(**{f.name: getattr(assessment, f.name) for f in fields(assessment)})


def compare(
    before: Assessment | str | Path,
    after: Assessment | str | Path,
    *,
    unlike: bool = False,
    lang: Lang = "zh",
    workspaces: tuple[Workspace | str | Path | None, Workspace | str | Path | None] = (None, None),
) -> Comparison:
    """What changed between two results: row by row, and what else differs between the runs.

    ``.explain(indicator)`` of what it gives tells what made a value change, where the inputs are at hand.

    Parameters
    ----------
    before, after : Assessment or path
        A result, or a folder that ``qpgis run`` wrote.
    unlike : bool
        Compare definitions too that aren't the same, and mark their rows.
    lang : "zh" or "en"
        Language of notes.
    workspaces : pair of Workspace, path or None
        Of folders, what each run was computed from, so that changes can be explained; ``"embedded"`` is the embedded
        workspace. A result has its own.

    Raises
    ------
    ConfigError
        If definitions aren't alike and ``unlike`` isn't given.
    SourceError
        If a folder holds no run; if a workspace isn't what a run was computed from, with the files that aren't.
    """
    from qpgis.scenarios.compare import compared

    runs = _recorded(before), _recorded(after)
    first = _inputs_of(before, runs[0], workspaces[0])
    second = _inputs_of(after, runs[1], workspaces[1])
    return compared(*runs, unlike=unlike, lang=lang, inputs=(first, second))


def _inputs_of(
    run: Assessment | str | Path, recorded: Recorded, given: Workspace | str | Path | None
) -> Workspace | None:
    """What a run was computed from, where it is at hand."""
    from qpgis.scenarios.inputs import inputs_of

    if given is None:
        return run.workspace if isinstance(run, Assessment) else None
    if isinstance(given, Workspace):
        return inputs_of(recorded, given)
    embedded = str(given) == "embedded" and not Path(given).exists()
    return inputs_of(recorded, None if embedded else Path(given))


def _recorded(run: Assessment | str | Path) -> Recorded:
    """A run as it was written, or as it would be."""
    import json

    from qpgis.report.manifest import about_run
    from qpgis.report.tables import csv_record
    from qpgis.rows import CSV_COLUMNS
    from qpgis.scenarios.compare import Recorded

    if not isinstance(run, Assessment):
        return Recorded.read(Path(run))
    rows = tuple(dict(zip(CSV_COLUMNS, csv_record(row, run), strict=True)) for row in run.rows)
    about = json.loads(json.dumps(about_run(run), ensure_ascii=False))
    name = f"{run.workspace.name} {run.workspace.period} {run.workspace.state.scenario}"
    return Recorded(name, rows, about)
