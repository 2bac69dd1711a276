"""Opening a workspace: a folder with ``qpgis.toml``."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path, PureWindowsPath
from typing import Any

import numpy as np
import shapely

from qpgis.area import ALL, Group, StudyArea, study_area, with_own_zones
from qpgis.catalogue import Lang, data_dir, read_toml
from qpgis.classified import MapSample
from qpgis.crs import COINCIDENT_M, LONLAT, Floats, Geometries, label, parse
from qpgis.errors import ConfigError, LayerError, SourceError, ZoneError, did_you_mean
from qpgis.findings import Findings, Severity, ids_text
from qpgis.indicators.declaration import Declared
from qpgis.kept import Store
from qpgis.layers import Fields, Layer, Ledger, State, prepare, text_of
from qpgis.measures.areas import area_contributions
from qpgis.naming import field_for
from qpgis.periods import first_day, last_day
from qpgis.plans import Baseline, Baselines, Plan, Thresholds, by_key, read_plan, shipped_plans
from qpgis.provenance import Grade, Secrecy, Source, Stamp, sha256_of, worst
from qpgis.quality.areas import read_control_areas
from qpgis.quality.fields import check_fields
from qpgis.shapes import near
from qpgis.sources import Bounds, RawFeatures, Request, regular_file
from qpgis.sources.osm import OsmExtract, is_osm, read_osm
from qpgis.sources.postgis import is_table, read_table
from qpgis.sources.raster import DRIVER as RASTER
from qpgis.sources.reading import read_features
from qpgis.workspace import InputFile, Workspace
from qpgis.workspace.checks import check_quality
from qpgis.workspace.codes import classes_of, report_translation, with_codes
from qpgis.workspace.config import (
    CONFIG_NAME,
    ApprovalTable,
    Config,
    FileTable,
    JoinTable,
    LayerTable,
    ZonesTable,
    read_config,
)
from qpgis.workspace.datums import check_against, check_layer, check_own_zones, check_zones, converted
from qpgis.workspace.frozen import read_frozen, report_frozen, report_statistics
from qpgis.workspace.increments import brought_up_to_date
from qpgis.workspace.joins import joined
from qpgis.workspace.reference import Reference, reference
from qpgis.workspace.samples import read_sample
from qpgis.workspace.tables import read_baselines, read_reported, read_statistics, read_targets
from qpgis.workspace.unchanged import READ_LAYER, Files, ReadLayer, Unchanged, comes_back, content_of_area

Progress = Callable[[str], None]
CACHE = Path(".qpgis", "cache.sqlite")
"""Beside qpgis.toml: what runs found out."""
AROUND_DEG = 0.03
OF_STATE = frozenset({"other_status", "opened_later", "other_period"})
"""Findings that say which features a state leaves out."""
NO_PARCELS, ALL_PARCELS = 0.02, 0.999
"""A zone with less than the first share of its area under parcels has no land-use survey; below the second, gaps."""


def silent(stage: str) -> None:
    """Report no progress."""


def embedded_workspace() -> Path:
    """The folder of the embedded Qingpu workspace."""
    return Path(str(data_dir())) / "workspaces" / "qingpu"


@dataclass
class Reader:
    """Reads the files of one workspace, each once, and keeps what the manifest needs."""

    folder: Path
    findings: Findings
    progress: Progress
    inputs: dict[tuple[str, ...], InputFile] = field(default_factory=dict)
    extracts: dict[Path, OsmExtract] = field(default_factory=dict)
    hashes: dict[Path, str] = field(default_factory=dict)
    window: Bounds | None = None
    database: str | None = None
    unchanged: Unchanged = field(default_factory=Unchanged)
    secrecy: Secrecy = Secrecy.INTERNAL

    def features(self, table: FileTable | LayerTable, role: str) -> tuple[RawFeatures, Source]:
        """The features and the source of one file of the workspace."""
        assert table.file is not None
        path = self.folder / table.file
        name = _display_name(table.file)
        self.progress(f"reading {name}")
        if is_osm(path):
            extract = self.extract(path, name)
            if role not in extract.layers:
                raise ConfigError(f"{role}: OpenStreetMap has no such layer; {did_you_mean(role, extract.layers)}")
            raw = extract.layers[role]
        elif is_table(table.file):
            raw = self._from_database(self._request(path, table.file, role, table), path)
        else:
            raw = read_features(self._request(path, name, role, table))
        if not raw.spatial:
            raise SourceError(
                f"{role}: {name} is a table without geometries; name its columns with x_field and y_field, or wkt_field"
            )
        raw = self._converted(raw, table, role)
        if table.join is not None:
            raw = self._joined(raw, table.join, role, table.secrecy or self.secrecy)
        grade, secrecy = self._grade(raw, table, role, name), table.secrecy or self.secrecy
        source = Source(name, grade, table.source, table.licence, table.date, self.hash(path), secrecy)
        self.note(raw, role, source, crs=table.frame_crs, layer=table.layer or "")
        for remark in raw.remarks:
            self.findings.add(Severity.WARNING, "reader_remark", layer=role, file=name, value=remark)
        return raw, source

    def _converted(self, raw: RawFeatures, table: FileTable | LayerTable, role: str) -> RawFeatures:
        """The features as their declared datum says, with the file of control points among the inputs."""
        if table.control_points:
            path, name = self.folder / table.control_points, _display_name(table.control_points)
            regular_file(path, what=f"[{role}] control_points")
            entry = InputFile(name, role, self.hash(path), 0, None, secrecy=table.secrecy or self.secrecy)
            self.inputs[name, role, "control_points"] = entry
        return converted(raw, table, folder=self.folder, role=role, findings=self.findings)

    def _from_database(self, request: Request, path: Path) -> RawFeatures:
        """The rows of a table of the workspace's database, whose hash stands for that of a file."""
        if self.database is None:
            raise request.refusal('name its database in qpgis.toml: [database] url = "postgresql://user@host/name"')
        raw, self.hashes[path] = read_table(request, self.database)
        return raw

    def _joined(self, raw: RawFeatures, table: JoinTable, role: str, secrecy: Secrecy) -> RawFeatures:
        """The features with the columns of the table that their join names."""
        path, name = self.folder / table.file, _display_name(table.file)
        if not path.exists():
            raise SourceError(f"[{role}.join] file {table.file!r} doesn't exist in {self.folder}")
        rows = read_features(Request(path, name, role, self.findings, layer=table.layer, encoding=table.encoding))
        entry = InputFile(name, role, self.hash(path), len(rows.frame), None, secrecy=secrecy)
        self.inputs[name, role, "join"] = entry
        return joined(raw, rows, on=table.on, key=table.key or table.on, role=role, findings=self.findings)

    def files(self, table: FileTable | LayerTable) -> Files | None:
        """Every file that the features of a table are read from; a table of a database is none."""
        if self.unchanged.store is None or table.file is None or is_table(table.file):
            return None
        changes = table.changes if isinstance(table, LayerTable) else []
        named = (table.file, *changes, table.control_points, table.join.file if table.join else None)
        return Files((self.folder / name for name in named if name), self.hash)

    def _request(self, path: Path, name: str, role: str, table: FileTable | LayerTable) -> Request:
        """What a table of the workspace asks for."""
        options = {key: getattr(table, key) for key in ("encoding", "x_field", "y_field", "wkt_field", "crs", "datum")}
        amounts = isinstance(table, LayerTable) and table.amount_is is not None
        return Request(
            path, name, role, self.findings, layer=table.layer, window=self.window, amounts=amounts, **options
        )

    def _grade(self, raw: RawFeatures, table: FileTable | LayerTable, role: str, name: str) -> Grade:
        """The declared grade, or the worst that the rows of the file say of themselves."""
        assert table.grade is not None
        grade = worst([table.grade, *raw.grades])
        assert grade is not None
        if grade is not table.grade:
            words = {"layer": role, "file": name, "value": str(grade)}
            self.findings.add(Severity.WARNING, "grade_overstated", **words, declared=str(table.grade))
        return grade

    def extract(self, path: Path, name: str) -> OsmExtract:
        """An OpenStreetMap extract, read once."""
        if path not in self.extracts:
            self.extracts[path] = read_osm(path, name=name, findings=self.findings)
        return self.extracts[path]

    def hash(self, path: Path) -> str:
        """The hash of a file, computed once."""
        if path not in self.hashes:
            self.hashes[path] = sha256_of(path)
        return self.hashes[path]

    def note(self, raw: RawFeatures, role: str, source: Source, *, crs: str | None = None, layer: str = "") -> None:
        """Enter a file into the list of inputs."""
        system = crs or raw.frame.crs
        words = (source.sha256, len(raw.frame), source.grade, label(parse(system, what=raw.file)) if system else "")
        entry = InputFile(source.file, role, *words, source.name, source.licence, source.date, source.secrecy)
        self.inputs[source.file, role, layer] = entry


def _display_name(file: str) -> str:
    """A file's name for outputs: never an absolute path, and always text, whatever bytes the system calls it by."""
    absolute = PureWindowsPath(file) if PureWindowsPath(file).is_absolute() else Path(file)
    name = absolute.name if absolute.is_absolute() else absolute.as_posix()
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def open_workspace(
    folder: str | Path | None = None,
    *,
    period: str | None = None,
    lang: Lang = "zh",
    zones: ZonesTable | None = None,
    grid_cell_m: float | None = None,
    cache: bool = True,
    progress: Progress = silent,
) -> Workspace:
    """A workspace, read and checked.

    Parameters
    ----------
    folder : path, optional
        A folder with ``qpgis.toml``, or that file; the embedded Qingpu workspace by default.
    period : str, optional
        Which of its periods; the one that ``qpgis.toml`` names by default.
    lang : "zh" or "en"
        Language of the findings.
    zones : ZonesTable, optional
        Zones to use instead of the workspace's own; ``file`` is relative to the current folder.
    grid_cell_m : float, optional
        Adds a grid of square cells as a further level.
    cache : bool
        Whether results are kept in ``.qpgis/`` of the workspace, and taken from there; not of the embedded one.
    progress : callable, optional
        Called with the name of each stage.

    Raises
    ------
    ConfigError, SourceError, CRSError, LayerError, ZoneError
        See :mod:`qpgis.errors`.
    """
    path = config_path(folder)
    whole = read_config(path)
    config = whole.at(period)
    _require_files(config, path.parent)
    url = config.database.url if config.database else None
    store = Store(path.parent / CACHE) if cache and folder is not None else None
    unchanged = Unchanged(store)
    reader = Reader(path.parent, Findings(lang), progress, database=url, unchanged=unchanged, secrecy=config.secrecy)
    _report_inherited(whole, config, reader.findings)
    area = _read_area(config, reader, zones, grid_cell_m)
    reader.window = _window(area)
    state = _state(config)
    samples = _read_samples(config, reader, area)
    layers, ledgers = _read_layers(config, reader, area, state, samples)
    references = tuple(_read_references(config, reader, area))
    for layer in layers.values():
        check_against(layer, references, area, reader.findings)
    plans = tuple(_read_plans(config, reader))
    tables = _read_tables(config, path.parent, area.names, reader)
    tables = _by_id(tables, plans, config.registry)
    tables["baselines"] = _all_baselines(tables["baselines"], plans)
    control = tables.pop("control_areas", {})
    land = check_quality(layers, config.layers, area, control, reader.findings, reader.unchanged)
    reader.unchanged.close()
    frozen = read_frozen(path.parent, whole)
    report_frozen(frozen, whole, path.parent, reader.hash, reader.findings, config.period)
    report_statistics(frozen.get(config.period), tables.get("statistics", ()), config, reader.findings)
    own = [InputFile(path.name, "workspace", config.sha256(), 0, None), *_own_indicators(config, path.parent)]
    return Workspace(
        name=config.name,
        title=config.outputs.title or config.name,
        period=config.period,
        area=area,
        layers=layers,
        state=state,
        indicators=config.registry,
        definitions=_definitions(config),
        plans=plans,
        thresholds=Thresholds.changed(config.thresholds.model_dump(exclude_none=True)),
        inputs=(*own, *reader.inputs.values()),
        ledgers=ledgers,
        findings=tuple(reader.findings),
        map_approval=config.outputs.map_approval,
        references=references,
        shown={kind: table.shown for kind, table in config.layers.items() if table.shown is not None},
        land_areas=land,
        samples=samples,
        files=(path, *reader.hashes, *_named_tables(config, path.parent)),
        tables=config.layers,
        opened=_opened(zones, grid_cell_m),
        stamps=_stamps(path, reader, config),
        cache=store,
        frozen=frozen,
        approvals=_approvals(config),
        signoff=config.signoff,
        tables_secrecy=_tables_secrecy(config),
        public_values=frozenset(config.outputs.public_values),
        boundary_changes=tuple(config.boundary_changes),
        **tables,
    )


def _tables_secrecy(config: Config) -> Secrecy:
    """Who may see the values of the workspace's tables; where there are none, there is nothing to hide."""
    return config.tables.secrecy or config.secrecy if config.tables.files() else Secrecy.PUBLIC


def _stamps(path: Path, reader: Reader, config: Config) -> dict[Path, Stamp]:
    """What every file was as it was read; tables of databases are no files."""
    named = dict.fromkeys((path, *_named_tables(config, path.parent)))
    return {file: Stamp.at(file, sha256) for file, sha256 in {**reader.hashes, **named}.items() if file.exists()}


def _opened(zones: ZonesTable | None, grid_cell_m: float | None) -> dict[str, object]:
    """What a workspace was opened with, as the manifest tells it."""
    found: dict[str, object] = {} if grid_cell_m is None else {"grid_cell_m": grid_cell_m}
    if zones is not None:
        found["zones"] = zones.model_dump(mode="json", exclude_unset=True) | {"file": _display_name(zones.file)}
    return found


def restated(workspace: Workspace, state: State, *, lang: Lang = "zh") -> Workspace:
    """A workspace with its layers read again, cut to another state; its area is the same."""
    path = workspace.files[0]
    config = read_config(path).at(workspace.period)
    url = config.database.url if config.database else None
    window = _window(workspace.area)
    reader = Reader(path.parent, Findings(lang), silent, database=url, window=window, secrecy=config.secrecy)
    layers, ledgers = _read_layers(config, reader, workspace.area, state, workspace.samples)
    kept = (finding for finding in workspace.findings if finding.rule not in OF_STATE)
    return replace(workspace, state=state, layers=layers, ledgers=ledgers, findings=(*kept, *reader.findings))


def config_path(folder: str | Path | None) -> Path:
    """The ``qpgis.toml`` of a workspace's folder, of the embedded one by default."""
    path = Path(folder) if folder is not None else embedded_workspace()
    if path.is_file() and path.suffix != ".toml":
        raise SourceError(f"{path} is no workspace; give a folder with {CONFIG_NAME} (qpgis init makes one)")
    return path if path.suffix == ".toml" and not path.is_dir() else path / CONFIG_NAME


def _window(area: StudyArea) -> Bounds:
    """What of a raster is needed: the area's box in degrees, and around it what a shifted datum may be off."""
    west, south, east, north = (float(v) for v in shapely.bounds(area.plane.unproject(np.array([area.whole])))[0])
    return west - AROUND_DEG, south - AROUND_DEG, east + AROUND_DEG, north + AROUND_DEG


def _definitions(config: Config) -> dict[str, tuple[str, ...]]:
    """The chosen definitions; where the water is OpenStreetMap's, by default those that need no water classes."""
    water = config.layers.get("water")
    by_default: dict[str, str] = {}
    if water is not None and water.file and is_osm(Path(water.file)):
        by_default = read_toml("schemes", "osm.toml")["scheme"]["water_definitions"]
    asked = {name: tuple(chosen) for name, chosen in config.definitions.items()}
    return {**{name: (chosen,) for name, chosen in by_default.items()}, **asked}


def _approvals(config: Config) -> dict[tuple[str, str], ApprovalTable]:
    """What is said of definitions, by indicator and the definition's full name."""
    known = config.registry
    return {(one.indicator, known[one.indicator].definition(one.definition).name): one for one in config.approvals}


def _by_id(tables: dict[str, Any], plans: tuple[Plan, ...], indicators: Mapping[str, Declared]) -> dict[str, Any]:
    """The tables with indicators by their ids, also where they were written by their names."""
    names = {target.name: target.indicator for plan in plans for target in plan.targets}
    names |= {name: one.id for one in indicators.values() for name in (one.zh, one.en)}
    for key in ("statistics", "targets"):
        tables[key] = tuple(replace(r, indicator=names.get(r.indicator, r.indicator)) for r in tables.get(key, ()))
    named = ((key, one) for key, several in tables.get("baselines", {}).items() for one in several)
    tables["baselines"] = by_key(((names.get(indicator, indicator), zone), one) for (indicator, zone), one in named)
    said: dict[str, list[tuple[object, ...]]] = {
        "statistics": [(s.indicator, s.zone, s.period, s.department) for s in tables["statistics"]],
        "targets": [(t.indicator, t.zone, t.year) for t in tables["targets"]],
        "baselines": [(*key, one.year) for key, several in tables["baselines"].items() for one in several],
    }
    for key, rows in said.items():
        if twice := [row for row, often in Counter(rows).items() if often > 1]:
            named_twice = ", ".join(map(str, twice[0]))
            raise ConfigError(f"{key}: {named_twice} stands twice, by id and by name or in one year; keep one")
    return tables


def _all_baselines(own: Baselines, plans: tuple[Plan, ...]) -> Baselines:
    """The baselines of the workspace's table, and those that its plans tell where it has none of that year."""
    every = [(key, one) for key, several in own.items() for one in several]
    told = [(key, one) for plan in plans for key, several in plan.baselines.items() for one in several]
    first: dict[tuple[str, str, int], tuple[tuple[str, str], Baseline]] = {}
    for key, one in (*every, *told):
        first.setdefault((*key, one.year), (key, one))
    return by_key(first.values())


def _read_plans(config: Config, reader: Reader) -> Iterator[Plan]:
    read: dict[str, str] = {}
    for name in config.plans:
        path = reader.folder / name
        plan = read_plan(name, folder=reader.folder)
        if name not in shipped_plans():
            shown = _display_name(name)
            reader.inputs[shown, "plan"] = InputFile(shown, "plan", sha256_of(path), len(plan.targets), None)
        if plan.id in read:
            raise ConfigError(f"plans: {read[plan.id]!r} and {name!r} have one id, {plan.id!r}; give each its own")
        read[plan.id] = name
        yield plan


def _report_inherited(whole: Config, chosen: Config, findings: Findings) -> None:
    """Name the layers that a period takes from another one."""
    if chosen.period != whole.period:
        own = whole.periods[chosen.period].layers
        for kind, table in chosen.layers.items():
            if table.file and kind not in own:
                origin = whole.origin(chosen.period, kind)
                findings.add(Severity.WARNING, "layer_of_main_period", layer=kind, file=table.file, value=origin)
                about = {"layer": kind, "file": _display_name(table.file), "value": whole.period}
                findings.add(Severity.WARNING, "layer_of_main_period", **about)


def _named_tables(config: Config, folder: Path) -> Iterator[Path]:
    """Where the plans, tables and own indicators stand that a workspace names."""
    named = (*config.plans, *config.tables.files().values(), *config.indicators)
    yield from (folder / name for name in named if name)


def _own_indicators(config: Config, folder: Path) -> Iterator[InputFile]:
    """The files of own indicators, as the manifest names them."""
    for file in config.indicators:
        declared = sum(one.file == file for one in config.registry.values())
        yield InputFile(_display_name(file), "indicators", sha256_of(folder / file), declared, None)


def _require_files(config: Config, folder: Path) -> None:
    """Every file that the workspace names must be there; all that are missing are named at once."""
    named = [("zones", config.zones.file), *(("own_zones", table.file) for table in config.own_zones)]
    named += [(f"layers.{kind}", table.file) for kind, table in config.layers.items() if table.file]
    named += [(f"layers.{kind}.changes", file) for kind, table in config.layers.items() for file in table.changes]
    accuracies = ((kind, table.accuracy) for kind, table in config.layers.items())
    named += [(f"layers.{kind}.accuracy", one.file) for kind, one in accuracies if one]
    named += [(f"reference.{id_}", table.file) for id_, table in config.reference.items()]
    named += [(f"tables.{key}", file) for key, file in config.tables.files().items()]
    missing = [
        f"[{key}] file {file!r} doesn't exist in {folder}"
        for key, file in named
        if not (is_table(file) or (folder / file).exists())
    ]
    if missing:
        raise SourceError(
            "; ".join(missing) if len(missing) == 1 else "\n  - ".join([f"{len(missing)} files are missing", *missing])
        )


def _state(config: Config) -> State:
    as_of = config.state.as_of or last_day(config.period)
    return State(as_of, frozenset(config.state.statuses), since=first_day(config.period))


def _read_area(config: Config, reader: Reader, other: ZonesTable | None, grid_cell_m: float | None) -> StudyArea:
    table = config.zones
    if other is not None:
        table = other.model_copy(update={"file": str(Path(other.file).absolute())})
    raw, source = reader.features(table, "zones")
    members = {m for g in config.groups for m in g.members if g.members != "all"}
    id_field, name_field = _zone_fields(
        raw, table, config.zones, members if other is not None else set(), reader.findings
    )
    groups = tuple(Group(g.id, g.name, g.level, ALL if g.members == "all" else tuple(g.members)) for g in config.groups)
    if other is not None:
        groups = _possible(groups, raw, id_field, reader.findings)
    area = study_area(
        raw,
        name=config.name,
        level=table.level,
        id_field=id_field,
        name_field=name_field,
        source=source,
        crs=table.frame_crs,
        findings=reader.findings,
        groups=groups,
        grid_cell_m=grid_cell_m if grid_cell_m is not None else table.grid_cell_m,
        overlapping=table.overlapping,
        show=table.show,
    )
    check_zones(area, reader.findings, declared=table.datum)
    for own in config.own_zones:
        raw, source = reader.features(own, "own_zones")
        area = with_own_zones(
            area,
            raw,
            level=own.level,
            id_field=own.id_field,
            name_field=own.name_field,
            source=source,
            crs=own.frame_crs,
            findings=reader.findings,
            overlapping=own.overlapping,
            show=own.show,
        )
        check_own_zones(area.own[-1], area, reader.findings, declared=own.datum)
    return area


def _zone_fields(
    raw: RawFeatures, table: ZonesTable, own: ZonesTable, members: set[str], findings: Findings
) -> tuple[str, str]:
    """Id and name field of zones: those that are named, the one whose values the groups name, or the specification's.

    Raises
    ------
    ZoneError
        If nothing says which field holds the ids, or the names.
    """
    fields = [c for c in raw.frame.columns if c != raw.frame.geometry.name]
    by_groups = {c: len(members & {text_of(v) for v in raw.frame[c]}) for c in fields}
    found = []
    for key, roles in (("id_field", ("unit", "id")), ("name_field", ("name",))):
        named = [getattr(one, key) for one in (table, own)]
        if key in table.model_fields_set or named[0] in fields:
            found.append(named[0])
        elif key == "id_field" and any(by_groups.values()):
            found.append(max(fields, key=by_groups.__getitem__))
        elif named[1] in fields:
            found.append(named[1])
        else:
            aliases = (_by_alias(key, role, raw, "zones", findings) for role in roles)
            found.append(next((name for name in aliases if name is not None), named[0]))
    if missing := [name for name in found if name not in fields]:
        groups = f", none holds the ids that the groups name ({', '.join(sorted(members)[:3])} ...)" if members else ""
        raise ZoneError(
            f"zones ({raw.file}): no field {missing[0]!r}{groups}, {did_you_mean(missing[0], fields)} "
            "Say which with id_field and name_field, or with --zones-id and --zones-name"
        )
    return found[0], found[1]


def _possible(groups: tuple[Group, ...], raw: RawFeatures, id_field: str, findings: Findings) -> tuple[Group, ...]:
    """The groups whose members are all among zones that replace the workspace's own; the others are named."""
    ids = {text_of(v) for v in raw.frame[id_field]}
    missing = {group: sorted(set(group.members) - ids) if group.members != ALL else [] for group in groups}
    for group, gone in missing.items():
        if gone:
            words = {"layer": "zones", "file": raw.file, "feature_id": ids_text(gone), "value": group.name}
            findings.add(Severity.WARNING, "group_left_out", **words)
    return tuple(group for group, gone in missing.items() if not gone)


def _read_layers(
    config: Config, reader: Reader, area: StudyArea, state: State, samples: Mapping[str, MapSample]
) -> tuple[dict[str, Layer], dict[str, Ledger]]:
    layers: dict[str, Layer] = {}
    ledgers: dict[str, Ledger] = {}
    within = "" if reader.unchanged.store is None else content_of_area(area, state)
    for kind, table in config.layers.items():
        if table.file:
            read = _as_read(kind, table, reader, within, partial(_read_layer, kind, table, area=area, state=state))
            layers[kind], ledgers[kind] = read.layer, read.ledger
        elif table.empty_because:
            secrecy = table.secrecy or config.secrecy
            source = Source(CONFIG_NAME, area.base.source.grade, table.empty_because, secrecy=secrecy)
            layers[kind] = Layer.empty(kind, source, area.outline)
    for kind, table in config.layers.items():
        if table.from_:
            sampled = samples[table.from_].matrix.reference if table.from_ in samples else ()
            origin = layers[table.from_], config.layers[table.from_]
            layers[kind] = selected(kind, table, *origin, reader.findings, sampled=[str(code) for code in sampled])
    _report_zones_elsewhere(layers, area, reader.findings)
    return {kind: layers[kind] for kind in config.layers}, ledgers


def _read_samples(config: Config, reader: Reader, area: StudyArea) -> dict[str, MapSample]:
    """What is known of how accurate layers of classes are."""
    found: dict[str, MapSample] = {}
    for kind, layer in config.layers.items():
        if layer.accuracy is None or layer.scheme is None:
            continue
        path, name = reader.folder / layer.accuracy.file, _display_name(layer.accuracy.file)
        found[kind] = read_sample(path, layer.accuracy, layer.scheme, area, file=name)
        rows = len(found[kind].matrix.classes)
        about = (name, f"{kind}.accuracy", reader.hash(path), rows, None)
        reader.inputs[name, kind, "accuracy"] = InputFile(*about, secrecy=layer.secrecy or reader.secrecy)
    return found


def _read_references(config: Config, reader: Reader, area: StudyArea) -> Iterator[Reference]:
    for id_, table in config.reference.items():
        raw, source = reader.features(table, f"reference.{id_}")
        found = reference(id_, raw, table, source, reader.findings)
        if len(found.frame) and _is_far(area.plane.project(found.frame.geometry.to_numpy(), LONLAT, what=id_), area):
            reader.findings.add(Severity.WARNING, "reference_elsewhere", layer=id_, file=raw.file)
        yield found


def _as_read(
    kind: str, table: LayerTable, reader: Reader, within: str, read: Callable[[Reader], tuple[Layer, Ledger]]
) -> ReadLayer:
    """A layer as it was read before, if its files are the same; else as it is read now."""
    files = reader.files(table)
    said = (kind, table.model_dump_json(), str(reader.secrecy), repr(reader.window), within)
    of = None if files is None or files.content is None else "\n".join((*said, files.content))

    def anew(findings: Findings) -> ReadLayer:
        own = replace(reader, findings=findings, inputs={})
        return ReadLayer(*read(own), own.inputs)

    def lasting(found: ReadLayer) -> bool:
        return files is not None and files.same() and comes_back(found.layer)

    found = reader.unchanged.found(READ_LAYER, of, reader.findings, anew, lasting=lasting)
    reader.inputs.update(found.inputs)
    return found


def _read_layer(kind: str, table: LayerTable, reader: Reader, area: StudyArea, state: State) -> tuple[Layer, Ledger]:
    layer, ledger = _prepared(kind, table, reader, area, state)
    for file in table.changes:
        increment = table.model_copy(update={"file": file, "changes": []})
        changes = _prepared(kind, increment, reader, area, state)
        layer, ledger = brought_up_to_date(layer, ledger, *changes, reader.findings)
    check_layer(layer, area, reader.findings, declared=table.datum)
    if table.scheme:
        layer = with_codes(layer, table.scheme, reader.findings)
        if table.report_scheme:
            report_translation(layer, table.report_scheme, reader.findings)
        layer = layer if layer.elsewhere else _as_tessellation(layer, area, reader.findings)
    return layer, ledger


def _prepared(kind: str, table: LayerTable, reader: Reader, area: StudyArea, state: State) -> tuple[Layer, Ledger]:
    raw, source = reader.features(table, kind)
    return prepare_layer(kind, raw, table, source, area, state, reader.findings)


def prepare_layer(
    kind: str, raw: RawFeatures, table: LayerTable, source: Source, area: StudyArea, state: State, findings: Findings
) -> tuple[Layer, Ledger]:
    """A layer from a file's rows, as its table in the workspace says."""
    from_osm, amounts = raw.driver == "OSM", raw.driver == RASTER and table.amount_is is not None
    known = _known_fields(kind, raw, table, findings)
    fields = Fields(
        id=known.get("id_field"),
        name=known.get("name_field") or ("name" if from_osm else None),
        class_=known.get("class_field") or ("class" if from_osm or (raw.driver == RASTER and not amounts) else None),
        plan_status=table.status_field,
        opened=table.opened_field,
        oneway=table.oneway_field or ("oneway" if from_osm and "oneway" in raw.frame else None),
        ref=table.ref_field or ("ref" if from_osm and "ref" in raw.frame else None),
        area=table.area_field,
        net_area=table.net_area_field,
        deduction=table.deduction_field,
        amount="amount" if amounts else table.amount_field,
        accuracy=table.accuracy_field,
        observed=table.observed_field,
        show=tuple(table.show),
    )
    layer, ledger = prepare(
        raw,
        kind=kind,
        fields=fields,
        source=source,
        crs=table.frame_crs,
        plane=area.plane,
        state=state,
        findings=findings,
        class_map=table.class_map,
        oneway_map=table.oneway_map,
        extent=_extent(table.extent, raw, table.frame_crs, area),
        accuracy_m=table.accuracy_m,
        per_km2=table.amount_is == "per_km2",
        key=f"{kind}@{source.sha256} {table.model_dump_json(exclude_defaults=True)} {state} {state.since}",
    )
    layer = replace(layer, amount_unit=table.amount_unit or "")
    if not from_osm:
        named = {"id_field": fields.id, "class_field": fields.class_}
        check_fields(raw, findings, role=kind, **named, measured=table.measured_fields())
    if not ledger.read and not from_osm:
        findings.add(Severity.WARNING, "empty_layer", layer=kind, file=raw.file)
    layer = _within(layer, ledger, area, findings)
    if layer.extent is None:
        findings.add(Severity.INFO, "extent_not_stated", layer=kind, file=raw.file)
    if kind == "roads" and fields.class_ is None and len(layer):
        findings.add(Severity.WARNING, "roads_without_classes", layer=kind, file=raw.file)
        layer = replace(layer, frame=layer.frame.assign(class_="road"))
    return layer, ledger


def _known_fields(kind: str, raw: RawFeatures, table: LayerTable, findings: Findings) -> dict[str, str]:
    """The fields of a layer: those that the workspace names, else those that the database specification does.

    Raises
    ------
    LayerError
        If it is land use, and nothing says which field holds the codes.
    """
    roles = {"id_field": "id", "name_field": "name"} | ({"class_field": "class"} if kind == "landuse" else {})
    found = {key: name for key in (*roles, "class_field") if (name := getattr(table, key)) is not None}
    for key, role in roles.items():
        if key not in found and raw.driver != "OSM" and (name := _by_alias(key, role, raw, kind, findings)) is not None:
            found[key] = name
    if raw.driver == RASTER and kind != "landuse" and table.amount_is is None:
        raise LayerError(
            f"layer {kind!r} ({raw.file}): a raster holds classes; read it as [layers.landuse] with its scheme, "
            f'and select: [layers.{kind}] from = "landuse"'
        )
    if kind == "landuse" and "class_field" not in found and raw.driver != RASTER and len(raw.frame):
        raise LayerError(f"layer {kind!r} ({raw.file}): name class_field = ..., the field that holds the land-use code")
    return found


def _by_alias(key: str, role: str, raw: RawFeatures, layer: str, findings: Findings) -> str | None:
    """The field that plays a role by its name in the database specification, with a finding that says so."""
    fields = [c for c in raw.frame.columns if c != raw.frame.geometry.name]
    name = field_for(role, fields, raw.aliases)
    if name is not None:
        findings.add(Severity.INFO, "field_by_alias", layer=layer, file=raw.file, value=name, role_said=key)
    return name


def _within(layer: Layer, ledger: Ledger, area: StudyArea, findings: Findings) -> Layer:
    """Enter the features that touch no zone into the ledger; a layer that lies elsewhere was surveyed nowhere here."""
    zones = np.concatenate([zones.geometry for zones in area.measured])
    outside = ~near(layer.geometry, zones, within_m=COINCIDENT_M)
    ledger.outside = int(outside.sum())
    ledger.used -= ledger.outside
    if not ledger.outside:
        return layer
    about = {"layer": layer.kind, "file": layer.source.file}
    ids = layer.frame["feature_id"].to_numpy(dtype=object)
    if outside.all() and _is_far(layer.geometry, area):
        findings.add(Severity.ERROR, "layer_elsewhere", **about, count=len(layer))
        return replace(layer, extent=shapely.Polygon())
    if outside.all():
        findings.add(Severity.WARNING, "layer_outside", **about, count=len(layer))
        return layer
    words = {"feature_id": ids_text(ids[outside]), "value": str(ledger.outside)}
    findings.add(Severity.INFO, "features_outside", **about, **words, count=ledger.outside)
    away = _metres_away(layer.geometry, area)
    far = away > _far_m(area)
    if far.any():
        words = {"feature_id": ids_text(ids[far]), "value": f"{away[far].max() / 1000:,.0f} km"}
        findings.add(Severity.WARNING, "features_far", **about, **words, count=int(far.sum()))
    return layer


def _report_zones_elsewhere(layers: Mapping[str, Layer], area: StudyArea, findings: Findings) -> None:
    """Say so where no layer of several lies near the zones: then it is the zones that are elsewhere."""
    files = {layer.source.file: layer for layer in layers.values() if len(layer)}
    if len(files) > 1 and all(layer.elsewhere for layer in files.values()):
        about = {"layer": "zones", "file": area.base.source.file, "value": ", ".join(sorted(files))}
        findings.add(Severity.ERROR, "zones_elsewhere", **about, count=len(files))


def _is_far(geometry: Geometries, area: StudyArea) -> bool:
    """True if the box of shapes is further from the area's than the area is wide, or beyond what the plane can show."""
    bounds = shapely.total_bounds(geometry)
    if not np.isfinite(bounds).all():
        return True
    return bool(_metres_away(np.array([shapely.box(*bounds)]), area)[0] > _far_m(area))


def _metres_away(geometry: Geometries, area: StudyArea) -> Floats:
    """How far shapes are from the area's box."""
    return shapely.distance(geometry, shapely.box(*shapely.bounds(area.whole)))


def _far_m(area: StudyArea) -> float:
    """About how wide the area is: what is further away than that is in the wrong place."""
    return max(shapely.length(shapely.box(*shapely.bounds(area.whole))) / 4, 1.0)


def _extent(declared: Any, raw: RawFeatures, crs: str | None, area: StudyArea) -> shapely.Geometry | None:
    """Where a layer was surveyed, in the plane; ``None`` where neither workspace nor file say."""
    if declared == "area":
        return area.outline
    if declared == "file" and raw.surveyed is not None:
        system = parse(crs or raw.frame.crs, what=raw.file)
        return shapely.union_all(area.plane.project(raw.surveyed, system, what=f"extent of {raw.file}"))
    box, system = (raw.bounds, parse(crs or raw.frame.crs, what=raw.file)) if declared == "file" else (declared, LONLAT)
    if box is None or not (box[0] < box[2] and box[1] < box[3]):
        return None
    return area.plane.project(np.array([shapely.box(*box)]), system, what=f"extent of {raw.file}")[0]


def selected(
    kind: str, table: LayerTable, whole: Layer, origin: LayerTable, findings: Findings, *, sampled: Sequence[str]
) -> Layer:
    """The features of another layer whose classes make up this one, their codes turned into its classes."""
    found = classes_of(kind, table, whole, origin, findings, further=sampled)
    mask = whole.frame["class_"].isin(found).to_numpy()
    frame = whole.frame[mask].reset_index(drop=True)
    frame["class_"] = frame["class_"].map(found).astype("str")
    chosen = "+".join(table.classes or [origin.report_scheme or str(origin.scheme)])
    return replace(
        whole,
        kind=kind,
        frame=frame,
        geometry=whole.geometry[mask],
        key=f"{whole.key} | {kind} by {chosen}",
        selected_from=whole.kind,
        scheme="",
        codes=found,
    )


def _as_tessellation(layer: Layer, area: StudyArea, findings: Findings) -> Layer:
    """Land use surveyed where its parcels are: they leave no ground out, so what none covers wasn't surveyed."""
    missed: list[shapely.Geometry] = []
    tree = shapely.STRtree(layer.geometry)
    for zones in area.measured:
        covered = area_contributions(zones.geometry, layer.geometry).per_zone()
        for zone, shape, micro in zip(zones.ids, zones.geometry, covered, strict=True):
            share = micro / 1e6 / shape.area
            about = {"layer": layer.kind, "file": layer.source.file, "feature_id": zone}
            if share < NO_PARCELS:
                missed.append(shape)
                findings.add(Severity.WARNING, "landuse_missing", **about)
            elif share < ALL_PARCELS:
                under = layer.geometry[tree.query(shape, predicate="intersects")]
                missed.append(shapely.difference(shape, shapely.union_all(under)))
                findings.add(Severity.WARNING, "landuse_gap", **about, value=f"{share:.2%}")
    if not missed:
        return layer
    stated = layer.extent if layer.extent is not None else area.whole
    return replace(layer, extent=shapely.difference(stated, shapely.union_all(missed)))


def _read_tables(config: Config, folder: Path, zones: Mapping[str, str], reader: Reader) -> dict[str, Any]:
    found: dict[str, Any] = {}
    readers: dict[str, Callable[[Path, Mapping[str, str]], Any]] = {
        **{"statistics": read_statistics, "baselines": read_baselines, "targets": read_targets},
        "control_areas": read_control_areas,
        "reported": read_reported,
    }
    for key, file in config.tables.files().items():
        path = folder / file
        found[key] = readers[key](path, zones)
        name, digest = _display_name(file), sha256_of(path)
        if key in ("statistics", "reported"):
            own = config.periods.get(config.period)
            if own is not None and own.frozen:  # what was published of a year doesn't change by those of later ones
                end = last_day(config.period)
                found[key] = tuple(one for one in found[key] if last_day(one.period) <= end)
            digest = hashlib.sha256(repr(found[key]).encode()).hexdigest()
        rows = sum(map(len, found[key].values())) if key == "baselines" else len(found[key])
        secrecy = _tables_secrecy(config)
        reader.inputs[name, key] = InputFile(name, key, digest, rows, None, secrecy=secrecy)
    found["statistics"] = (*found.get("statistics", ()), *found.pop("reported", ()))
    return found
