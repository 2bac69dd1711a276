"""``qpgis.toml``: its keys, and every mistake in it with line and remedy."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    field_validator,
    model_validator,
)

from qpgis.catalogue import LANGUAGES, read_toml, text
from qpgis.crs.trust import Datum
from qpgis.errors import ConfigError, SourceError, did_you_mean
from qpgis.indicators import registry
from qpgis.indicators.declaration import Declared
from qpgis.landuse import crosswalk, scheme
from qpgis.layers import INACCURATE_M, LAYERS, PRESENT
from qpgis.periods import last_day
from qpgis.provenance import Grade, Secrecy
from qpgis.sources.raster import SUFFIXES as RASTER_SUFFIXES
from qpgis.styles import layer_styles
from qpgis.workspace.mistakes import Lines, explained, in_order, key_lines, line_of, read_table
from qpgis.workspace.own import indicators_of

CONFIG_NAME = "qpgis.toml"
Positive = Annotated[float, Field(gt=0)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Box = tuple[float, float, float, float]


def _not_grid(level: str) -> str:
    if level == "grid":
        raise ValueError("grid is the level of the cells that grid_cell_m makes; choose another name")
    return level


Level = Annotated[str, AfterValidator(_not_grid)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class JoinTable(_Table):
    """``[layers.<kind>.join]``: a table whose columns describe the features.

    Attributes
    ----------
    file, layer, encoding : str
        The table, the sheet or layer in it, and its encoding.
    on : str
        The field of the features that says which row is theirs.
    key : str
        The table's field with the same values; by default called as ``on``.
    """

    file: str
    on: str
    key: str = ""
    layer: str | None = None
    encoding: str | None = None


class ParametersTable(_Table):
    """``parameters = {...}``: 4 parameters between planes, or 7 from an old datum to CGCS2000, as you were given them.

    Attributes
    ----------
    dx_m, dy_m, scale_ppm : float
    rotation_arcsec, axes
        Of 4 parameters: the turn, and whether the set's x is east (``east_north``) or north (``north_east``).
    dz_m, rx_arcsec, ry_arcsec, rz_arcsec, convention
        Of 7: and which way the turns count, ``position_vector`` or ``coordinate_frame``.
    """

    dx_m: Finite
    dy_m: Finite
    scale_ppm: Finite
    rotation_arcsec: Finite | None = None
    axes: Literal["east_north", "north_east"] | None = None
    dz_m: Finite | None = None
    rx_arcsec: Finite | None = None
    ry_arcsec: Finite | None = None
    rz_arcsec: Finite | None = None
    convention: Literal["position_vector", "coordinate_frame"] | None = None

    @model_validator(mode="after")
    def _four_or_seven(self) -> ParametersTable:
        given = set(self.given())
        common = {"dx_m", "dy_m", "scale_ppm"}
        four = common | {"rotation_arcsec", "axes"}
        seven = common | {"dz_m", "rx_arcsec", "ry_arcsec", "rz_arcsec", "convention"}
        wanted = seven if given & (seven - common) else four
        if given != wanted:
            wrong = [f"without {key}" for key in sorted(wanted - given)] + [
                f"with {key}" for key in sorted(given - wanted)
            ]
            raise ValueError(
                f"{', '.join(wrong)} this is neither a set of 4 ({', '.join(sorted(four))}) nor of 7 "
                f"({', '.join(sorted(seven))})"
            )
        return self

    def given(self) -> dict[str, Any]:
        """The parameters that are there."""
        return self.model_dump(exclude_none=True)


class ReadTable(_Table):
    """How a file is read, where the file itself doesn't say.

    Attributes
    ----------
    layer, crs : str, optional
        Layer within the file; coordinate reference system.
    encoding : str, optional
        Encoding of its text, by default found as ``qpgis inspect`` tells.
    x_field, y_field, wkt_field : str, optional
        Of tables: the columns with coordinates, or with geometries as well-known text.
    join : table, optional
        A table whose columns describe the features, see :class:`JoinTable`.
    datum : str, optional
        The datum of the coordinates where ``crs`` can't say it; ``gcj02`` and ``bd09`` are converted, ``beijing54``,
        ``xian80`` and ``local`` need ``control_points`` or ``parameters``. For ``local``, ``crs`` is where these lead.
    control_points : str, optional
        A CSV file with the columns ``x, y, x_true, y_true``, the latter in the declared ``crs``.
    parameters : table, optional
        See :class:`ParametersTable`.
    source, licence, date : str
        Title, licence and date of the source.
    secrecy : Secrecy, optional
        Who may see the features; by default what the workspace says of all.
    """

    layer: str | None = None
    crs: str | None = None
    encoding: str | None = None
    x_field: str | None = None
    y_field: str | None = None
    wkt_field: str | None = None
    join: JoinTable | None = None
    datum: Datum | None = None
    control_points: str | None = None
    parameters: ParametersTable | None = None
    source: str = ""
    licence: str = ""
    date: str = ""
    secrecy: Secrecy | None = None

    @model_validator(mode="after")
    def _parameters_where_needed(self) -> Self:
        given = [key for key in ("control_points", "parameters") if getattr(self, key) is not None]
        if self.datum in ("beijing54", "xian80", "local"):
            if len(given) != 1:
                raise ValueError(
                    f'datum = "{self.datum}" needs either control_points or parameters: there are no public ones'
                )
        elif given:
            raise ValueError(f'{given[0]} goes with datum = "beijing54", "xian80" or "local"')
        return self

    @property
    def frame_crs(self) -> str | None:
        """The system that the workspace declares for the features once they are read: with a datum they carry it."""
        return self.crs if self.datum is None else None


class FileTable(ReadTable):
    """What every file of a workspace says of itself.

    Attributes
    ----------
    file : str
        Path, from the folder of ``qpgis.toml``.
    grade : Grade
        How good it is; mandatory.
    """

    file: str
    grade: Grade


class ZonesTable(FileTable):
    """``[zones]``: the zones that are measured; everything else is a sum of them.

    ``show`` names further attributes, of the file or of what is joined to it, that map and GeoPackage show of a zone.
    """

    id_field: str = "zone_id"
    name_field: str = "name"
    level: Level = "town"
    overlapping: bool = False
    show: list[str] = []
    grid_cell_m: Positive | None = None


class OwnZonesTable(FileTable):
    """``[[own_zones]]``: zones that are no sums of the others (a planned new town), each measured by itself."""

    id_field: str = "zone_id"
    name_field: str = "name"
    level: Level = "own"
    overlapping: bool = False
    show: list[str] = []


class GroupTable(_Table):
    """``[[groups]]``: a zone that is the sum of members; ``members = "all"`` takes every zone."""

    id: str
    name: str
    level: Level = "group"
    members: list[str] | Literal["all"]


class AccuracyTable(_Table):
    """``[layers.landuse.accuracy]``: how accurate the map is, by a sample of ground truth.

    Attributes
    ----------
    file : str
        A confusion matrix, see :func:`qpgis.workspace.samples.read_sample`.
    confidence : float
        Of intervals.
    zone : str
        The zone or group that the sample was drawn on; by default the whole study area.
    """

    file: str
    confidence: Annotated[float, Field(ge=0.01, le=0.9999)] = 0.95
    zone: str = ""


class LayerTable(ReadTable):
    """``[layers.<kind>]``: a file, or a selection of classes of another layer, or the statement that there is none.

    Attributes
    ----------
    file, grade
        As in :class:`FileTable`, together.
    from_ : str
        ``from``: another layer of the workspace whose classes make up this one.
    classes : list of str
        With ``from``: the codes to take, instead of the scheme's own choice.
    empty_because : str
        There is no such thing in the area, and why that is known; then the layer is measured and empty.
    changes : list of str
        With ``file``: files of the same fields with what changed since (变更调查增量), the oldest first. What lies
        beneath one of their polygons goes. Alone, in a period: these are laid over the layer of the same name.
    scheme : str
        Which land-use scheme the codes are of; mandatory for ``landuse``, and only for it.
    report_scheme : str
        With ``scheme``: the scheme by whose classes layers are selected from it, see ``qpgis list crosswalks``; what
        may be several of its classes is named with its area.
    extent : "area", "file" or a box in degrees
        Where the layer was surveyed; by default ``file``: the bounds that the file itself states (the header of an
        OSM extract, the ``bbox`` of a GeoJSON file; other formats only repeat the box of their features).
    *_field : str
        Which attribute holds what. ``area_field`` is the stated area (TBMJ), ``net_area_field`` that without ridges
        (TBDLMJ), ``deduction_field`` the coefficient between them (KCXS).
    amount_field : str
        The field that holds what each feature stands for: how many people, jobs, or square metres.
    accuracy_m, accuracy_field : float, str
        How far borders may be from where they are drawn, in metres, of the whole layer or of each feature; values of
        areas then get bounds.
    observed_field : str
        The field that says when something was observed, as a day, month, quarter or year; only rows of the
        period count.
    amount_is : "total" or "per_km2"
        What such a number is of: the whole feature, by default, or each square kilometre of its ground. Of a raster of
        people it says so of a cell, and can't be left out.
    amount_unit : "people", "jobs", "m2" or "beds"
        What these amounts count. Areas of facilities are only summed where it says ``m2``; layers of people need none.
    area_basis : "geometry" or "field"
        Whether sums of land use, and what remains to control areas, go by drawn or by stated areas.
    show : list of str
        Further attributes that the map shows of each feature.
    shown : bool
        Whether the map opens with it; by default as the style of its kind says.
    class_map : table
        The file's class words to qpgis's.
    oneway_map : table
        The file's words for the direction of traffic to forward, backward, both.
    accuracy : table, optional
        A sample of ground truth of land use, see :class:`AccuracyTable`.
    """

    file: str | None = None
    grade: Grade | None = None
    from_: str | None = Field(None, alias="from")
    classes: list[str] | None = None
    empty_because: str | None = None
    changes: list[str] = []
    scheme: str | None = None
    report_scheme: str | None = None
    extent: Any = "file"
    id_field: str | None = None
    name_field: str | None = None
    class_field: str | None = None
    status_field: str | None = None
    opened_field: str | None = None
    oneway_field: str | None = None
    ref_field: str | None = None
    area_field: str | None = None
    net_area_field: str | None = None
    deduction_field: str | None = None
    amount_field: str | None = None
    amount_is: Literal["total", "per_km2"] | None = None
    accuracy_m: Annotated[Finite, Field(ge=0, le=INACCURATE_M)] | None = None
    accuracy_field: str | None = None
    observed_field: str | None = None
    amount_unit: Literal["people", "jobs", "m2", "beds"] | None = None
    area_basis: Literal["geometry", "field"] = "geometry"
    show: list[str] = []
    shown: bool | None = None
    class_map: dict[str, str] = {}
    oneway_map: dict[str, Literal["forward", "backward", "both"]] = {}
    accuracy: AccuracyTable | None = None

    @property
    def only_changes(self) -> bool:
        """True for what is laid over the layer of the same name, of another period."""
        return self.model_fields_set == {"changes"}

    def measured_fields(self) -> list[str]:
        """The fields that hold numbers, those that are named."""
        fields = (self.area_field, self.net_area_field, self.deduction_field, self.amount_field)
        return [name for name in fields if name]

    @model_validator(mode="after")
    def _one_origin(self) -> LayerTable:
        origins = [
            key
            for key, value in (("file", self.file), ("from", self.from_), ("empty_because", self.empty_because))
            if value
        ]
        if self.only_changes and self.changes:
            return self
        if len(origins) != 1:
            raise ValueError(
                f"needs exactly one of file, from, empty_because; it has {' and '.join(origins) or 'none'}"
            )
        if self.file and self.grade is None:
            raise ValueError(f"grade is missing; add grade = one of {', '.join(Grade)}")
        if self.file is None and self.grade is not None:
            raise ValueError("grade belongs to a layer with a file of its own; remove it")
        if self.classes is not None and self.from_ is None:
            raise ValueError("classes goes with from")
        if self.from_ and self.secrecy is not None:
            raise ValueError("secrecy belongs to the layer that has the file; say it there")
        if self.file is None and (self.accuracy_m is not None or self.accuracy_field):
            raise ValueError("accuracy belongs to the layer that has the file; say it there")
        if self.amount_unit is not None and self.amount_field is None:
            raise ValueError("amount_unit goes with amount_field")
        return self

    @field_validator("scheme", "report_scheme")
    @classmethod
    def _known_scheme(cls, value: str | None) -> str | None:
        if value is not None:
            scheme(value)
        return value

    @field_validator("extent")
    @classmethod
    def _area_file_or_box(cls, value: Any) -> str | Box:
        if value in ("area", "file"):
            return value
        if (
            isinstance(value, list)
            and len(value) == 4
            and all(isinstance(v, int | float) and math.isfinite(v) for v in value)
        ):
            west, south, east, north = (float(v) for v in value)
            if west < east and south < north:
                return west, south, east, north
        raise ValueError('use "area", "file" or [west, south, east, north] in degrees, west < east and south < north')


class ReferenceTable(FileTable):
    """``[reference.<id>]``: what the map shows beside the layers, in every plan status; no number comes from it.

    Attributes
    ----------
    title, title_en : str
        Its name on the map; by default the id.
    style : str
        How it is drawn, see ``qpgis list styles``; by default as its id, where there is such a style.
    shown : bool
        Whether the map opens with it.
    *_field : str
        Which attribute holds what.
    show : list of str
        Further attributes that the map shows of each feature.
    """

    title: str = ""
    title_en: str = ""
    style: str = ""
    shown: bool = False
    id_field: str | None = None
    name_field: str | None = None
    class_field: str | None = None
    status_field: str | None = None
    show: list[str] = []

    @field_validator("style")
    @classmethod
    def _known_style(cls, value: str) -> str:
        if value and value not in layer_styles():
            raise ValueError(f"unknown style; {did_you_mean(value, layer_styles())}")
        return value


class SynthTable(_Table):
    """``[synth]``: what ``qpgis synth`` makes for this workspace.

    Attributes
    ----------
    seed, parcels : int
        Where chance begins; how many parcels, about.
    digits : int
        Decimals of a degree that coordinates keep; 6 (a decimetre) makes smaller files than 7, which more than
        100,000 parcels take in any case.
    calibration : str
        A calibration that qpgis ships, or a TOML file.
    water, forest, roads, seats : str, optional
        Files that the synthetic land keeps as they are.
    """

    seed: Annotated[int, Field(ge=0)] = 1
    parcels: Annotated[int, Field(ge=1)] = 5000
    digits: Literal[6, 7] = 7
    calibration: str = "generic"
    water: str | None = None
    forest: str | None = None
    roads: str | None = None
    seats: str | None = None


class StateTable(_Table):
    """``[state]``: which features are there."""

    as_of: date | None = None
    statuses: list[Literal["existing", "under_construction", "planned", "studied"]] = ["existing"]


Status = Literal["existing", "under_construction", "planned", "studied"]


class ChangeTable(ReadTable):
    """``[[scenarios.<id>.changes]]``: what a scenario does to one layer, see :class:`qpgis.scenarios.what_if.Change`.

    Attributes
    ----------
    kind : str
        The layer.
    how : "add", "replace" or "remove"
    file, grade
        As in :class:`FileTable`; its columns are called as in the layer's own file, or by the standard names.
    ids : list of str
        With ``remove``, instead of a file: features of the layer.
    """

    kind: str
    how: Literal["add", "replace", "remove"] = "add"
    file: str | None = None
    grade: Grade = Grade.SCHEMATIC
    ids: list[str] = []

    @field_validator("kind")
    @classmethod
    def _known_kind(cls, value: str) -> str:
        if value not in LAYERS:
            raise ValueError(f"unknown layer {value!r}; {did_you_mean(value, LAYERS)}")
        return value

    @model_validator(mode="after")
    def _file_or_ids(self) -> Self:
        if bool(self.file) == bool(self.ids) or (self.ids and self.how != "remove"):
            raise ValueError('needs file, or with how = "remove" ids, not both')
        return self

    def features(self) -> FileTable:
        """How its file is read."""
        return FileTable(**self.model_dump(exclude={"kind", "how", "ids"}))


class ScenarioTable(_Table):
    """``[scenarios.<id>]``: what would be different.

    Attributes
    ----------
    title : str
        What results call it; by default the id.
    statuses, as_of : optional
        Which features count as there, instead of those of ``[state]``; with further statuses whatever their date.
    changes : list of ChangeTable
        One after the other.
    """

    title: str = ""
    statuses: list[Status] | None = None
    as_of: date | None = None
    changes: list[ChangeTable] = []


class DatabaseTable(_Table):
    """``[database]``: where the tables are that ``file = "postgis:schema.table"`` names; the password is PGPASSWORD's.

    Attributes
    ----------
    url : str
        ``postgresql://user@host:5432/database``.
    """

    url: str


class TablesTable(_Table):
    """``[tables]``: CSV files with values that aren't computed from layers."""

    statistics: str | None = None
    reported: str | None = None
    baselines: str | None = None
    targets: str | None = None
    control_areas: str | None = None
    secrecy: Secrecy | None = None

    def files(self) -> dict[str, str]:
        """The tables that are named."""
        return {key: file for key, file in self.model_dump(exclude={"secrecy"}).items() if file is not None}


Judged = Literal["met", "on_path", "behind", "unmet", "breached"]
Shown = Literal["green", "yellow", "orange", "red", "none"]


class LightsTable(_Table):
    """``[thresholds.lights]``: the light of each status, of targets that are 约束性 and of all others."""

    binding: dict[Judged, Shown] = {}
    expected: dict[Judged, Shown] = {}


class ThresholdsTable(_Table):
    """``[thresholds]``: settings of judging, see :class:`qpgis.plans.Thresholds`; the usual ones where it says none."""

    about_tolerance: Annotated[float, Field(ge=0, lt=1)] | None = None
    path_tolerance: Annotated[float, Field(ge=0, lt=1)] | None = None
    lights: LightsTable = LightsTable()


class OutputsTable(_Table):
    """``[outputs]``: what stands on maps and reports, and which indicators' values were cleared for everybody."""

    title: str = ""
    map_approval: str = ""
    public_values: list[str] = []


Layers = dict[str, LayerTable]


class SignatureTable(_Table):
    """Who signed, and when."""

    name: Annotated[str, Field(min_length=1)]
    date: date


class SignoffTable(_Table):
    """``[signoff]``: 编制, 校核, 审定 of a period's result; a period never takes those of another one.

    Attributes
    ----------
    compiled, checked, approved : SignatureTable, optional
    result : str
        What was signed: the SHA-256 of ``indicators.csv``, which ``qpgis run`` tells.
    """

    compiled: SignatureTable | None = None
    checked: SignatureTable | None = None
    approved: SignatureTable | None = None
    result: Annotated[str, Field(pattern="^([0-9a-f]{64})?$")] = ""


class ApprovalTable(_Table):
    """``[[approvals]]``: which version of a definition is in force since when, and who approved it.

    Attributes
    ----------
    indicator, definition : str
        As under ``[definitions]``, settings in brackets included.
    version, approved_by : str
    valid_from : str
        The period that it is in force from.
    """

    indicator: str
    definition: str
    version: str = "1"
    valid_from: str = ""
    approved_by: str = ""

    @field_validator("valid_from")
    @classmethod
    def _is_a_period(cls, value: str) -> str:
        if value:
            last_day(value)
        return value


class BoundaryChangeTable(_Table):
    """``[[boundary_changes]]``: when the ground of a zone changed, as where a sub-district is split off (析出街道).

    Attributes
    ----------
    zone : str
        Whose ground became less, or more.
    to : list of str
        The zones that got it, or gave it.
    date : date
        Values of periods that end before it are of the former ground.
    text : str
        What happened, and the document.
    """

    zone: str
    to: list[str] = []
    date: date
    text: str = ""


class PeriodTable(_Table):
    """``[periods.<year>]``: what differs in that period; a layer named here replaces the one of the same name.

    Attributes
    ----------
    from_ : str
        ``from``: the period that everything else is taken from; by default what stands outside ``[periods]``.
    tables, definitions : optional
        Replace those of the same name.
    approvals : list of ApprovalTable, optional
        Replace all others.
    signoff : SignoffTable
    frozen : str
        The hash of what ``qpgis run --freeze`` published, see :mod:`qpgis.workspace.frozen`.
    """

    from_: str = Field("", alias="from")
    zones: ZonesTable | None = None
    groups: list[GroupTable] | None = None
    own_zones: list[OwnZonesTable] | None = None
    layers: Layers = {}
    state: StateTable | None = None
    tables: TablesTable | None = None
    definitions: dict[str, list[str]] = {}
    approvals: list[ApprovalTable] | None = None
    signoff: SignoffTable | None = None
    frozen: Annotated[str, Field(pattern="^([0-9a-f]{64})?$")] = ""

    def over(self, layers: Layers) -> Layers:
        """The layers of the workspace as they are in the period."""
        found = {**layers, **self.layers}
        for kind in layers.keys() & self.layers.keys():
            if self.layers[kind].only_changes:
                changes = [*layers[kind].changes, *self.layers[kind].changes]
                found[kind] = layers[kind].model_copy(update={"changes": changes})
        return found


class Config(_Table):
    """A whole ``qpgis.toml``.

    Attributes
    ----------
    indicators : list of str
        Files with own indicators, see :mod:`qpgis.workspace.own`; what they and qpgis declare is :attr:`registry`.
    secrecy : Secrecy
        Who may see what doesn't say so itself.
    """

    name: str
    period: str
    secrecy: Secrecy = Secrecy.INTERNAL
    zones: ZonesTable
    groups: list[GroupTable] = []
    own_zones: list[OwnZonesTable] = []
    layers: Layers = {}
    reference: dict[str, ReferenceTable] = {}
    database: DatabaseTable | None = None
    state: StateTable = StateTable()
    plans: list[str] = []
    tables: TablesTable = TablesTable()
    indicators: list[str] = []
    definitions: dict[str, list[str]] = {}
    approvals: list[ApprovalTable] = []
    signoff: SignoffTable = SignoffTable()
    boundary_changes: list[BoundaryChangeTable] = []
    thresholds: ThresholdsTable = ThresholdsTable()
    outputs: OutputsTable = OutputsTable()
    synth: SynthTable = SynthTable()
    periods: dict[str, PeriodTable] = {}
    scenarios: dict[str, ScenarioTable] = {}
    _registry: Mapping[str, Declared] = PrivateAttr(default_factory=registry)

    @property
    def registry(self) -> Mapping[str, Declared]:
        """Every indicator of the workspace: those of qpgis and its own."""
        return self._registry

    @field_validator("period")
    @classmethod
    def _is_a_period(cls, value: str) -> str:
        last_day(value)
        return value

    @field_validator("periods")
    @classmethod
    def _named_by_periods(cls, value: dict[str, PeriodTable]) -> dict[str, PeriodTable]:
        for period in value:
            last_day(period)
        for period in value:
            line, one = {period}, value[period].from_
            while one:
                if one in line:
                    raise ValueError(f"from of {period!r} leads back to {one!r}; go on from an earlier period")
                line.add(one)
                one = value[one].from_ if one in value else ""
        return value

    def at(self, period: str | None) -> Config:
        """The workspace as it is in one period, by default the one that ``period`` names.

        Raises
        ------
        ConfigError
            If there is no such period.
        """
        chosen = period or self.period
        if chosen not in self.periods:
            if chosen != self.period:
                raise ConfigError(f"no period {chosen!r}; {did_you_mean(chosen, {self.period, *self.periods})}")
            return self
        own = self.periods[chosen]
        base = self.at(own.from_) if own.from_ else self
        changes: dict[str, Any] = {
            "period": chosen,
            "layers": own.over(base.layers),
            "definitions": {**base.definitions, **own.definitions},
        }
        if chosen != self.period:
            changes |= {"state": base.state.model_copy(update={"as_of": None}), "signoff": SignoffTable()}
        if own.tables is not None:
            changes["tables"] = base.tables.model_copy(update=own.tables.model_dump(exclude_none=True))
        keys = ("zones", "groups", "own_zones", "state", "approvals", "signoff")
        changes |= {key: value for key in keys if (value := getattr(own, key)) is not None}
        return base.model_copy(update=changes)

    def origin(self, period: str, kind: str) -> str:
        """The period whose layer, or ``zones``, one takes; the workspace's own where none before it has one."""
        while period in self.periods:
            own = self.periods[period]
            if kind in own.layers or (kind == "zones" and own.zones is not None):
                return period
            period = own.from_ or self.period
            if period == self.period:
                break
        return self.period

    def sha256(self) -> str:
        """A hash of all that it says of its period; of what it says in other words, or of other periods, it isn't."""
        return hashlib.sha256(self.model_dump_json(exclude={"periods"}, exclude_defaults=True).encode()).hexdigest()


def read_config(path: Path, *, home: Path | None = None) -> Config:
    """A checked ``qpgis.toml``.

    Parameters
    ----------
    path : Path
    home : Path, optional
        The folder of the workspace, where it is another one.

    Raises
    ------
    SourceError
        If it isn't there.
    ConfigError
        With every mistake, its line and its remedy.
    """
    if not path.exists():
        raise SourceError(f"{path} doesn't exist; make one with: qpgis init {path.parent}")
    table, text = read_table(path)
    lines = dict(key_lines(text))
    indicators = indicators_of(home or path.parent, _listed(table, "indicators"), LAYERS)
    mistakes = [*_unknown_names(table, indicators, lines), *_escapes(text)]
    try:
        config = Config.model_validate(table)
    except ValidationError as error:
        mistakes += [explained(e, lines, _known_keys) for e in error.errors()]
        raise ConfigError(in_order(mistakes), file=path.name) from error
    mistakes += _cross_check(config, indicators, lines)
    if mistakes:
        raise ConfigError(in_order(mistakes), file=path.name)
    config._registry = indicators
    return config


def _unknown_names(table: Mapping[str, Any], indicators: Mapping[str, Declared], lines: Lines) -> Iterator[str]:
    """Layers, indicators and definitions that qpgis doesn't know."""
    places = [("layers",), *(("periods", period, "layers") for period in _tables(table, "periods"))]
    for place in places:
        parent = table if len(place) == 1 else table["periods"][place[1]]
        for kind in _tables(parent, "layers"):
            if kind not in LAYERS:
                yield f"{line_of((*place, kind), lines)}unknown layer {kind!r}; {did_you_mean(kind, LAYERS)}"
    for name in _listed(_tables(table, "outputs"), "public_values"):
        if name not in indicators:
            at = line_of(("outputs", "public_values"), lines)
            yield f"{at}unknown indicator {name!r}; {did_you_mean(name, indicators)}"
    tables: list[tuple[tuple[str, ...], Any]] = [
        (("definitions", name), chosen) for name, chosen in _tables(table, "definitions").items()
    ]
    for period in _tables(table, "periods"):
        of = _tables(table["periods"][period], "definitions")
        tables += [(("periods", period, "definitions", name), chosen) for name, chosen in of.items()]
    for place, chosen in tables:
        name, at = place[-1], line_of(place, lines)
        if name not in indicators:
            yield f"{at}unknown indicator {name!r}; {did_you_mean(name, indicators)}"
        elif isinstance(chosen, list):
            named: list[str] = []
            for text in chosen or [""]:
                try:
                    named.append(indicators[name].definition(str(text)).name)
                except ConfigError as error:
                    yield at + str(error)
            yield from (f"{at}{name}: {one!r} stands twice" for one in sorted(set(named)) if named.count(one) > 1)


_ESCAPE = re.compile(
    r'\s*(file|control_points|statistics|reported|baselines|targets|control_areas)\s*=\s*"(?:[^"\\]|\\\\)*\\[bfnrt]'
)


def _escapes(text: str) -> Iterator[str]:
    """Paths with backslashes that TOML takes for tabs and the like, without complaining."""
    for number, line in enumerate(text.splitlines(), 1):
        if found := _ESCAPE.match(line):
            yield f"line {number}: {found[1]}: a backslash means something else in TOML (\\t: a tab); write / in paths"


def _listed(table: Mapping[str, Any], key: str) -> list[str]:
    """The words of a list; none where it isn't one, which validation tells."""
    found = table.get(key, [])
    return found if isinstance(found, list) and all(isinstance(one, str) for one in found) else []


def _tables(table: Any, key: str) -> Mapping[str, Any]:
    found = table.get(key, {}) if isinstance(table, dict) else {}
    return found if isinstance(found, dict) else {}


def _cross_check(config: Config, registry: Mapping[str, Declared], lines: Lines) -> Iterator[str]:
    """Mistakes that only show when layers are seen together."""
    where: list[tuple[tuple[str, ...], Layers, Layers]] = [(("layers",), config.layers, config.layers)]
    for period, table in config.periods.items():
        if table.from_ and table.from_ not in {config.period, *config.periods}:
            at, known = line_of(("periods", period, "from"), lines), {config.period, *config.periods} - {period}
            yield f"{at}no period {table.from_!r}; {did_you_mean(table.from_, known)}"
            return
        where.append((("periods", period, "layers"), table.layers, dict(config.at(period).layers)))
    for path, layers, every in where:
        for kind in layers:
            at = line_of((*path, kind), lines)
            yield from (at + m for m in _layer_mistakes(kind, every[kind], every))
    yield from _scenarios_of_one_name(config.scenarios, lines)
    yield from _unknown_approvals(config, registry)


def _unknown_approvals(config: Config, indicators: Mapping[str, Declared]) -> Iterator[str]:
    """Approvals of definitions that there aren't, and two of one definition."""
    every = [("approvals", config.approvals), *((f"periods.{p}", t.approvals) for p, t in config.periods.items())]
    for at, several in every:
        seen: set[tuple[str, str]] = set()
        for one in several or ():
            if one.indicator not in indicators:
                yield f"[[{at}]] unknown indicator {one.indicator!r}; {did_you_mean(one.indicator, indicators)}"
                continue
            try:
                name = indicators[one.indicator].definition(one.definition).name
            except ConfigError as error:
                yield f"[[{at}]] {error}"
                continue
            if (one.indicator, name) in seen:
                yield f"[[{at}]] {one.indicator} {name!r} stands twice; keep the version that is in force"
            seen.add((one.indicator, name))


def _scenarios_of_one_name(scenarios: Mapping[str, ScenarioTable], lines: Lines) -> Iterator[str]:
    """Scenarios that results would call as another one: columns and manifests know them by it."""
    built = {id_: row for id_, row in read_toml("schemes", "scenarios.toml").items() if id_ not in scenarios}
    taken = {row[lang]: id_ for id_, row in built.items() for lang in LANGUAGES}
    taken |= dict.fromkeys([PRESENT, *(text("scenario_present", lang) for lang in LANGUAGES)], PRESENT)
    for id_, table in scenarios.items():
        name = table.title or id_
        if name in taken:
            at = line_of(("scenarios", id_), lines)
            yield f"{at}scenario {id_!r}: {taken[name]!r} is called {name!r} too; give it a title of its own"
        taken.setdefault(name, id_)


def _layer_mistakes(kind: str, layer: LayerTable, every: Layers) -> Iterator[str]:
    if kind == "landuse" and layer.file and not layer.scheme:
        yield "landuse needs scheme = ...: the same code means different things in different schemes"
    if layer.area_basis == "field" and not layer.area_field:
        yield f'{kind}: area_basis = "field" needs area_field = ...: the field that states the areas (TBMJ)'
    if kind == "landuse" and layer.from_:
        yield "landuse is what other layers are selected from; it needs a file of its own"
    takes = LAYERS.get(kind, ())
    if layer.only_changes or (layer.changes and not layer.file):
        yield f"{kind}: changes goes with the file of the layer, whose features they bring up to date"
    if layer.changes and takes != ("polygon",):
        yield f"{kind}: changes goes with polygons, which take the ground of those beneath; give a whole file"
    if layer.from_ and takes != ("polygon",):
        features = " or ".join(f"{one}s" for one in takes)
        yield f"{kind}: its features are {features}, which land-use parcels can't give; it needs a file"
    if kind != "landuse" and layer.scheme:
        yield f'{kind}: scheme goes with landuse; read the file as [layers.landuse] and select with from = "landuse"'
    yield from _amount_mistakes(kind, layer)
    if layer.accuracy and not layer.scheme:
        yield f"{kind}: accuracy goes with landuse: it says which classes of a map truly are which"
    if layer.report_scheme and layer.scheme:
        yield from _crosswalk_mistakes(kind, layer.scheme, layer.report_scheme)
    elif layer.report_scheme:
        yield f"{kind}: report_scheme goes with scheme, which says what its codes are"
    if layer.from_:
        yield from _selection_mistakes(kind, layer.from_, layer.classes, every)


def _amount_mistakes(kind: str, layer: LayerTable) -> Iterator[str]:
    raster = layer.file is not None and Path(layer.file).suffix.lower() in RASTER_SUFFIXES
    people = LAYERS.get(kind) == ("point", "polygon")
    if raster and people and layer.amount_is is None:
        yield (
            f'{kind}: say what a cell of the raster holds: amount_is = "total" (people in the cell) or "per_km2" '
            "(people a square kilometre); a file doesn't tell"
        )
    if raster and layer.amount_field:
        yield f"{kind}: the cells of a raster are its amounts, there are no fields; remove amount_field"
    if layer.amount_is and not (layer.amount_field or people):
        yield f"{kind}: amount_is goes with amount_field, or with a raster of people"


def _crosswalk_mistakes(kind: str, source: str, target: str) -> Iterator[str]:
    try:
        crosswalk(source, target)
    except ConfigError as error:
        yield f"{kind}: report_scheme: {error}"


def _selection_mistakes(kind: str, origin: str, classes: list[str] | None, every: Layers) -> Iterator[str]:
    if origin not in every:
        yield f"{kind}: from = {origin!r} is no layer of this workspace; {did_you_mean(origin, every)}"
        return
    name = every[origin].report_scheme or every[origin].scheme
    if name is None:
        yield f"{kind}: from = {origin!r} needs a layer with a land-use scheme"
        return
    if classes is None and not scheme(name).gives(kind):
        yield f"{kind}: no land-use class is one, so none would be selected; it needs a file, or classes = [...]"
    if classes == []:
        yield f"{kind}: classes is empty; name at least one code, or leave it out"
    yield from (
        f"{kind}: no class {code!r} in scheme {name!r}" for code in classes or () if not scheme(name).knows(code)
    )


def _known_keys(path: tuple[str, ...]) -> set[str]:
    """The keys that a table may have."""
    table: type[BaseModel] = Config
    steps: dict[str, type[BaseModel]] = {
        "zones": ZonesTable,
        "groups": GroupTable,
        "own_zones": OwnZonesTable,
        "layers": LayerTable,
        "join": JoinTable,
        "accuracy": AccuracyTable,
        "parameters": ParametersTable,
        "reference": ReferenceTable,
        "database": DatabaseTable,
        "state": StateTable,
        "tables": TablesTable,
        "thresholds": ThresholdsTable,
        "lights": LightsTable,
        "outputs": OutputsTable,
        "synth": SynthTable,
        "periods": PeriodTable,
        "scenarios": ScenarioTable,
        "changes": ChangeTable,
        "signoff": SignoffTable,
        **dict.fromkeys(("compiled", "checked", "approved"), SignatureTable),
        "approvals": ApprovalTable,
        "boundary_changes": BoundaryChangeTable,
    }
    for part in path:
        table = steps.get(part, table)
    return {field.alias or name for name, field in table.model_fields.items()}
