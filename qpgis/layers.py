"""Layers: one declared kind each, cleaned, in the study area's plane, cut to one state."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import shapely

from qpgis.crs import Floats, Geometries, Plane, label, lonlat, parse
from qpgis.dissolving import Dissolving
from qpgis.errors import (
    ConfigError,
    LayerError,
    MissingClasses,
    MissingLayer,
    MissingStatuses,
    RepeatedNames,
    did_you_mean,
)
from qpgis.findings import Findings, Severity, ids_text
from qpgis.landuse import class_words, oneway_of, plan_status_of, scheme, water_classes
from qpgis.periods import first_day, last_day
from qpgis.provenance import Source
from qpgis.shapes import (
    equal_rows,
    first_met,
    invalid_because,
    near,
    repaired,
    single_parts,
    spots,
    still_valid,
)

if TYPE_CHECKING:
    import geopandas as gpd
    import pandas as pd
    from pyproj import CRS
    from shapely import Geometry

    from qpgis.sources import RawFeatures

GeometryType = Literal["polygon", "line", "point"]

_POLYGONS: tuple[GeometryType, ...] = ("polygon",)
_LINES: tuple[GeometryType, ...] = ("line",)
_POINTS: tuple[GeometryType, ...] = ("point",)
_PLACES: tuple[GeometryType, ...] = ("point", "polygon")

LAYERS: Mapping[str, tuple[GeometryType, ...]] = {
    "water": _POLYGONS,
    "wetland": _POLYGONS,
    "forest": _POLYGONS,
    "farmland": _POLYGONS,
    "orchard": _POLYGONS,
    "grass": _POLYGONS,
    "park": _POLYGONS,
    "landuse": _POLYGONS,
    "construction": _POLYGONS,
    "residential": _POLYGONS,
    "public_land": _POLYGONS,
    "buildings": _POLYGONS,
    "optional": _POLYGONS,
    "basic_farmland": _POLYGONS,
    "redline": _POLYGONS,
    "growth_boundary": _POLYGONS,
    "corridors": _POLYGONS,
    "blue_lines": _POLYGONS,
    "green_lines": _POLYGONS,
    "water_protection": _POLYGONS,
    "reduction_areas": _POLYGONS,
    "corridor_axes": _LINES,
    "roads": _LINES,
    "links": _LINES,
    "service": _LINES,
    "track": _LINES,
    "path": _LINES,
    "greenways": _LINES,
    "rail": _LINES,
    "waterways": _LINES,
    "stations": _POINTS,
    "exits": _POINTS,
    "residents": _PLACES,
    "registered": _PLACES,
    "actual": _PLACES,
    "served": _PLACES,
    "jobs": _PLACES,
    "facilities": _POINTS,
    "sections": _POINTS,
    "villages": _PLACES,
    "projects": _PLACES,
}
"""Every kind of layer and what its features may be. The names planners read are in the catalogue, ``layer_<kind>``."""

_DIMENSION = {"point": 0, "line": 1, "polygon": 2}
_UNITED = {"polygon": shapely.union_all, "line": shapely.multilinestrings, "point": shapely.multipoints}
_PARTS = {"point": {0, 4}, "line": {1, 5}, "polygon": {3, 6}}
NEVER_CUT = frozenset({"projects"})
"""Kinds that keep features of every plan status and date: indicators tell them by it."""
SHOW = "show_"
"""Begins the names of columns that maps show and nothing else reads."""
COLUMNS = (
    "feature_id",
    "name",
    "class_",
    "plan_status",
    "opened",
    "oneway",
    "ref",
    "area",
    "net_area",
    "deduction",
    "amount",
    "accuracy",
    "observed",
)


PRESENT = "present"
"""The scenario of what is there."""


@dataclass(frozen=True)
class State:
    """The state of the world that indicators see: a date, the plan statuses that count, a scenario.

    Attributes
    ----------
    as_of : date
        Features opened later are not there yet.
    statuses : frozenset of str
        Plan statuses that count as there; only 现状 (``existing``) by default.
    scenario : str
        Name of the scenario, ``present`` where there is none.
    since : date
        Observations from before this day or after ``as_of`` are of another period.
    until : date, optional
        Instead of ``as_of``, for observations; scenarios look further ahead than what was observed.
    """

    as_of: date
    statuses: frozenset[str] = frozenset({"existing"})
    scenario: str = PRESENT
    since: date = date.min
    until: date | None = None

    def __str__(self) -> str:
        return f"{self.as_of} {'+'.join(sorted(self.statuses))} {self.scenario}"


@dataclass(frozen=True)
class Fields:
    """Which attribute of the file holds what; ``None`` where it holds no such thing."""

    id: str | None = None
    name: str | None = None
    class_: str | None = None
    plan_status: str | None = None
    opened: str | None = None
    oneway: str | None = None
    ref: str | None = None
    area: str | None = None
    net_area: str | None = None
    deduction: str | None = None
    amount: str | None = None
    accuracy: str | None = None
    observed: str | None = None
    show: tuple[str, ...] = ()

    def given(self) -> dict[str, str]:
        """The declared fields by the column they fill."""
        pairs = {"feature_id": self.id} | {c: getattr(self, c) for c in COLUMNS[1:]}
        return {column: name for column, name in pairs.items() if name is not None}

    def shown(self) -> dict[str, str]:
        """The attributes that are only shown, by the column they fill: ``show_<name>``."""
        return {f"{SHOW}{name}": name for name in self.show}


@dataclass(frozen=True)
class Layer:
    """Features of one kind, ready to be measured.

    Attributes
    ----------
    kind : str
        A key of :data:`LAYERS`.
    frame : DataFrame
        ``feature_id``, ``name``, ``class_`` and, where the file has them, further :data:`COLUMNS`; ``show_<name>`` for
        attributes that are only shown. No geometry.
    geometry : array of shapely geometries
        In the study area's plane (metres), valid, one a row of ``frame``.
    source : Source
        File, grade, licence, hash.
    extent : shapely geometry or None
        Where the layer was surveyed, in the plane. Inside it no feature means none. ``None``: not stated.
    key : str
        Identifies the content: two layers with equal keys hold the same features.
    unclassified : int
        Features that a selection by class left out because their class isn't known.
    selected_from : str
        The layer whose classes it was selected from, empty for a file of its own.
    scheme : str
        The land-use scheme of its codes, empty for other layers.
    codes : mapping of code to class, or None
        Which codes of the land use that it was selected from make it up, each with its class in it; ``None`` where it
        isn't all the ground of some codes.
    amount_unit : str
        What its amounts count: ``people``, ``m2``, ...; empty where the workspace doesn't say.
    dissolving : Dissolving
        Remembers how polygons were dissolved; what is selected or changed from a layer shares it.
    """

    kind: str
    frame: pd.DataFrame = field(repr=False, compare=False)
    geometry: Geometries = field(repr=False, compare=False)
    source: Source
    extent: Geometry | None = field(repr=False, compare=False)
    key: str
    unclassified: int = 0
    selected_from: str = ""
    scheme: str = ""
    codes: Mapping[str, str] | None = field(default=None, repr=False, compare=False)
    amount_unit: str = ""
    dissolving: Dissolving = field(default_factory=Dissolving, repr=False, compare=False)

    @classmethod
    def empty(cls, kind: str, source: Source, extent: Geometry | None = None) -> Layer:
        """A layer without features."""
        return cls(
            kind, _no_rows(), np.empty(0, dtype=object), source, extent, f"{kind}: none, {source.name}", codes={}
        )

    def __repr__(self) -> str:
        return f"<Layer {self.kind}: {len(self.frame)} features, grade {self.source.grade}, from {self.source.file}>"

    def __len__(self) -> int:
        return len(self.frame)

    @cached_property
    def content(self) -> str:
        """SHA-256 of all that it holds and says of itself, but for the hash of its file."""
        about = (self.kind, self.unclassified, self.selected_from, self.scheme, self.codes, self.amount_unit)
        digest = hashlib.sha256(repr((about, replace(self.source, sha256=""))).encode())
        digest.update(self.surveyed)
        digest.update(b"".join(shapely.to_wkb(self.geometry)))
        for name, column in self.frame.items():
            digest.update(f"\n{name} {len(column)} ".encode())
            digest.update("\0".join(map(repr, column.tolist())).encode())
        return digest.hexdigest()

    @cached_property
    def surveyed(self) -> bytes:
        """The WKB of its extent; empty where it has none."""
        return b"" if self.extent is None else shapely.to_wkb(self.extent)

    @property
    def accuracy_m(self) -> Floats:
        """How far the border of each feature may be from where it is drawn; 0 where nothing is said of it."""
        if "accuracy" not in self.frame:
            return np.zeros(len(self))
        return self.frame["accuracy"].to_numpy(dtype=float)

    @property
    def elsewhere(self) -> bool:
        """True if the area lies wholly outside what the layer was surveyed on."""
        return self.extent is not None and self.extent.is_empty

    def where(self, classes: str | Iterable[str]) -> Layer:
        """The features of some classes only; ``"all"`` is the layer itself.

        Parameters
        ----------
        classes : str or iterable of str
            Class names, or the name of a group of water classes (``data/schemes/water.toml``).

        Raises
        ------
        ConfigError
            If a class is unknown to this kind of layer.
        MissingClasses
            If the layer has features, and none has a class: nothing can be chosen, which isn't the same as none.
        """
        if classes == "all":
            return self
        wanted = water_classes(classes) if isinstance(classes, str) else frozenset(classes)
        known = set(class_words(self.kind).values())
        if known and wanted - known:
            word = min(wanted - known)
            raise ConfigError(f"{self.kind}: no class {word!r}; {did_you_mean(word, known)}")
        if not len(self):
            return self
        if wanted not in self._chosen:
            self._chosen[wanted] = self._of_classes(wanted)
        return self._chosen[wanted]

    @cached_property
    def _chosen(self) -> dict[frozenset[str], Layer]:
        """The features of those classes that were asked for before: definitions ask for the same again and again."""
        return {}

    def _of_classes(self, wanted: frozenset[str]) -> Layer:
        mask = self.frame["class_"].isin(wanted).to_numpy()
        unknown = int((self.frame["class_"] == "").sum())
        if unknown and unknown == len(self):
            raise MissingClasses(self.kind)
        codes = None if self.codes is None else {code: one for code, one in self.codes.items() if one in wanted}
        why = f"class in {'+'.join(sorted(wanted))}"
        return self.select(mask, why, unclassified=self.unclassified + unknown, codes=codes)

    def parcels(self, kinds: Iterable[str]) -> Layer:
        """The land-use parcels that the layer's scheme counts to some kinds of layer: forest, water, park, ..."""
        if not self.scheme:
            return self
        codes = self.frame["class_"].unique()
        wanted = {code for kind in kinds for code in scheme(self.scheme).members(kind, codes)}
        return self.select(self.frame["class_"].isin(wanted).to_numpy(), f"parcels of {'+'.join(sorted(kinds))}")

    @cached_property
    def dissolved(self) -> Geometries:
        """The ground of polygons; what overlaps or adjoins is one."""
        return self.dissolving.of(self.geometry)

    def of_status(self, statuses: Iterable[str]) -> Layer:
        """The features of some plan statuses, of a kind that isn't cut to them (:data:`NEVER_CUT`).

        Raises
        ------
        MissingStatuses
            If the file has no plan statuses.
        """
        if "plan_status" not in self.frame:
            if len(self):
                raise MissingStatuses(self.kind)
            return self
        wanted = sorted(set(statuses))
        mask = self.frame["plan_status"].map(plan_status_of).isin(wanted).to_numpy()
        return self.select(mask, f"status in {'+'.join(wanted)}")

    def of_size(self, least_m2: float, under_m2: float = math.inf) -> Layer:
        """The polygons with an area of at least one figure and under another; those that touch are one."""
        area = shapely.area(self.dissolved)
        whole = self.dissolved[(area >= least_m2) & (area < under_m2)]
        mask = np.zeros(len(self), dtype=bool)
        inside = shapely.point_on_surface(self.geometry)  # at a corner a small one only touches a large one
        mask[shapely.STRtree(inside).query(whole, predicate="intersects")[1]] = True
        return self.select(mask, f"{least_m2:g} <= m2 < {under_m2:g}")

    def one_each(self) -> Layer:
        """The layer itself, if no name stands twice in it.

        Raises
        ------
        RepeatedNames
            If one does.
        """
        names = self.frame["name"]
        twice = names[(names != "") & names.duplicated()]
        if len(twice):
            raise RepeatedNames(self.kind, sorted(set(twice)))
        return self

    def united(self) -> Layer:
        """Polygons that touch made one feature, with the attributes of the first of them."""
        first = first_met(self.dissolved, self.geometry)
        order = np.argsort(first, kind="stable")
        first, wholes = first[order], self.dissolved[order]
        frame = self.frame.iloc[first].reset_index(drop=True)
        return replace(self, frame=frame, geometry=wholes, key=f"{self.key} | united")

    def doors(self, *, every_m: float) -> Layer:
        """Places along the outlines of polygons, at most so far apart: where one goes in if gates aren't known."""
        rings, row = shapely.get_rings(self.geometry, return_index=True)
        count = np.ceil(shapely.length(rings) / every_m).astype(int)
        ring = np.repeat(np.arange(len(rings)), count)
        along = (np.arange(len(ring)) - np.repeat(np.cumsum(count) - count, count)) / count[ring]
        places = shapely.line_interpolate_point(rings[ring], along, normalized=True)
        frame = self.frame.iloc[row[ring]].reset_index(drop=True)
        return replace(self, frame=frame, geometry=places, key=f"{self.key} | doors every {every_m:g} m")

    def near(self, other: Layer, within_m: float) -> tuple[Layer, Layer]:
        """The features within a distance of any of another layer's, in the plane, and those that aren't."""
        mask = near(self.geometry, other.geometry, within_m=within_m)
        why = f"within {within_m:g} m of {other.key}"
        return self.select(mask, why), self.select(~mask, f"not {why}")

    def classed_by(self, ground: AnyLayer) -> Layer:
        """The layer with classes: a feature without any has that of the polygon of another layer that it lies on.

        Of several polygons, the first with a class; where there is none, the class isn't known.

        Raises
        ------
        MissingLayer
            If no feature has a class of its own, and the other layer is absent.
        """
        bare = np.flatnonzero((self.frame["class_"] == "").to_numpy())
        if not len(bare) or (isinstance(ground, AbsentLayer) and len(bare) < len(self)):
            return self
        told = ground.where("all")
        told = told.select((told.frame["class_"] != "").to_numpy(), "with a class")
        spot, polygon = shapely.STRtree(told.geometry).query(spots(self.geometry[bare]), predicate="intersects")
        spot, first = np.unique(spot, return_index=True)
        frame = self.frame.copy()
        frame.loc[bare[spot], "class_"] = told.frame["class_"].to_numpy()[polygon[first]]
        return replace(self, frame=frame, key=f"{self.key} | class by {told.key}")

    def select(self, mask: np.ndarray, why: str, **changes: Any) -> Layer:
        """Some of the features; ``why`` says which, and the key tells others of the same ``why`` apart."""
        chosen = hashlib.sha256(np.asarray(mask).tobytes()).hexdigest()[:16]
        return replace(
            self,
            frame=self.frame[mask].reset_index(drop=True),
            geometry=self.geometry[mask],
            key=f"{self.key} | {why} {chosen}",
            **{"codes": None, **changes},
        )


@cache
def _no_rows() -> pd.DataFrame:
    """The rows of a layer without features; nobody changes the rows of a layer."""
    import pandas as pd

    return pd.DataFrame({c: pd.Series([], dtype="str") for c in ("feature_id", "name", "class_")})


@dataclass(frozen=True)
class AbsentLayer:
    """Stands for a layer that the workspace doesn't have: whoever uses it raises :class:`MissingLayer`."""

    kind: str

    def where(self, classes: str | Iterable[str]) -> Layer:
        """Raise: there is nothing to select from."""
        raise MissingLayer(self.kind)

    def parcels(self, kinds: Iterable[str]) -> Layer:
        """Raise: there is nothing to select from."""
        raise MissingLayer(self.kind)

    def of_status(self, statuses: Iterable[str]) -> Layer:
        """Raise: there is nothing to select from."""
        raise MissingLayer(self.kind)

    def near(self, other: Layer, within_m: float) -> tuple[Layer, Layer]:
        """Raise: there is nothing to select from."""
        raise MissingLayer(self.kind)

    def classed_by(self, ground: AnyLayer) -> Layer:
        """Raise: there is nothing to class."""
        raise MissingLayer(self.kind)

    def of_size(self, least_m2: float, under_m2: float = math.inf) -> Layer:
        """Raise: there is nothing to select from."""
        raise MissingLayer(self.kind)

    def united(self) -> Layer:
        """Raise: there is nothing to unite."""
        raise MissingLayer(self.kind)

    def doors(self, *, every_m: float) -> Layer:
        """Raise: there is nothing to go into."""
        raise MissingLayer(self.kind)


AnyLayer = Layer | AbsentLayer


def shapes_of(layers: Iterable[Layer]) -> Geometries:
    """The features of layers, one layer after the other."""
    return np.concatenate([np.empty(0, dtype=object), *(layer.geometry for layer in layers)])


@dataclass
class Ledger:
    """What became of each row: read = used + outside every zone + in another state + dropped with a finding."""

    read: int = 0
    used: int = 0
    outside: int = 0
    other_state: int = 0
    dropped: int = 0


def prepare(
    raw: RawFeatures,
    *,
    kind: str,
    fields: Fields,
    source: Source,
    crs: CRS | str | None,
    plane: Plane,
    state: State,
    findings: Findings,
    class_map: Mapping[str, str] | None = None,
    oneway_map: Mapping[str, str] | None = None,
    extent: Geometry | None = None,
    accuracy_m: float | None = None,
    per_km2: bool = False,
    key: str,
) -> tuple[Layer, Ledger]:
    """A layer from a file's rows: fields named, faults found and mended or dropped, projected, cut to a state.

    Every row that isn't used is counted, or named in a finding.

    Parameters
    ----------
    raw : RawFeatures
        What the file holds.
    crs : CRS, str or None
        The system declared in the workspace; ``None`` takes the file's own.
    class_map : mapping, optional
        The file's class words to the classes of the layer.
    oneway_map : mapping, optional
        The file's words for the direction of traffic to ``forward``, ``backward`` and ``both``.
    extent : shapely geometry, optional
        Where the layer was surveyed, in the plane.
    accuracy_m : float, optional
        How far borders may be from where they are drawn, of features whose field doesn't say.
    per_km2 : bool
        The amounts of polygons are densities: so many a square kilometre of their ground.
    key : str
        Identifies the content, see :class:`Layer`.

    Raises
    ------
    CRSError
        If neither file nor workspace names a usable system.
    LayerError
        If a declared field isn't in the file.
    """
    what = f"layer {kind!r} ({raw.file})"
    system = _system(raw, crs, kind, what, findings)
    table = _standard_columns(raw.frame, fields, what)
    report = _Report(
        kind, raw.file, table["feature_id"].to_numpy(dtype=object), raw.frame.geometry.to_numpy(), system, findings
    )
    ledger = Ledger(read=len(table))
    geometry, keep = _clean(raw.frame.geometry.to_numpy(), LAYERS[kind], report)
    ledger.dropped = int((~keep).sum())
    keep[keep] = there = _there(table[keep], state, report)
    ledger.other_state = int((~there).sum())
    rows = np.flatnonzero(keep)
    table, geometry = table[keep].reset_index(drop=True), geometry[keep]
    if "oneway" in table:
        geometry = _directed(table, geometry, oneway_map or {}, report)
    once = _repetitions(table, geometry, rows, report)
    if kind in ("roads", "greenways"):
        geometry[once] = _without_overlaps(geometry[once], rows[once], report)
        once &= ~shapely.is_empty(geometry)
    table, geometry = table[once].reset_index(drop=True), geometry[once]
    ledger.dropped += int((~once).sum())
    _name_classes(table, class_map or {}, report)
    if accuracy_m is not None or "accuracy" in table:
        table["accuracy"] = _accuracies(table, accuracy_m, what)
    projected = plane.project(geometry, system, what=what)
    projected = still_valid(projected) if "polygon" in LAYERS[kind] else projected
    if "amount" in table:
        table["amount"] = _amounts(table, _square_kilometres(projected, what) if per_km2 else 1.0, report)
    ledger.used = len(table)
    return Layer(kind, table, projected, source, extent, key), ledger


def _standard_columns(frame: gpd.GeoDataFrame, fields: Fields, what: str) -> pd.DataFrame:
    import pandas as pd

    wanted = [*fields.given().values(), *fields.shown().values()]
    if len(frame):
        require_fields(frame, wanted, what)
    else:  # a file without features may be without fields
        frame = frame.assign(**{name: "" for name in wanted if name not in frame})
    given = fields.given()
    if "feature_id" not in given and "feature_id" in frame:
        given["feature_id"] = "feature_id"
    table = pd.DataFrame(index=range(len(frame)))
    for column in COLUMNS:
        if column in given:
            table[column] = frame[given[column]].to_numpy()
        elif column == "feature_id":
            table[column] = np.arange(len(frame)).astype(str)
        elif column in ("name", "class_"):
            table[column] = ""
    for column, name in fields.shown().items():
        table[column] = days(frame[name]).to_numpy()
    for column in table.columns.difference(["opened", "observed"]):
        table[column] = as_text(table[column])
    return table


MOST = 1e12
"""No feature stands for more people, or square metres."""


def _amounts(table: pd.DataFrame, times: Floats | float, report: _Report) -> pd.Series:
    """What features stand for as numbers; NaN, and named, where that isn't known, less than nothing, or endless."""
    import pandas as pd

    said = pd.to_numeric(table["amount"].replace("", None), errors="coerce").astype(float)
    found = said.mask(said > MOST, np.inf) * times
    bad = (found < 0) | (found > MOST)
    if bad.any():
        _count(report, Severity.ERROR, "amount_impossible", table[bad], f"{said[bad].iloc[0]:g}")
    missing = found.isna()
    if missing.any():
        _count(report, Severity.WARNING, "amount_missing", table[missing], str(int(missing.sum())))
    return found.mask(bad)


def _square_kilometres(geometry: Geometries, what: str) -> Floats:
    """The ground of polygons in the equal-area plane.

    Raises
    ------
    LayerError
        If some are points: they have none.
    """
    if (shapely.get_dimensions(geometry) < _DIMENSION["polygon"]).any():
        raise LayerError(f'{what}: amount_is = "per_km2" needs polygons or a raster; points have no ground')
    return np.asarray(shapely.area(geometry) / 1e6)


INACCURATE_M = 1e5
"""A border that may be further off than this isn't known at all."""


def _accuracies(table: pd.DataFrame, otherwise: float | None, what: str) -> pd.Series:
    """How far the border of each feature may be off, in metres.

    Raises
    ------
    LayerError
        If a feature's accuracy is no distance, or neither its field nor the layer says it.
    """
    import pandas as pd

    said = table["accuracy"] if "accuracy" in table else pd.Series("", index=table.index)
    found = pd.to_numeric(said.replace("", None), errors="coerce").astype(float)
    found = found.mask(said == "", math.nan if otherwise is None else otherwise)
    wrong = table[~((found >= 0) & (found <= INACCURATE_M))]
    if len(wrong):
        raise LayerError(
            f"{what}: accuracy_field has no metres for {len(wrong)} features ({ids_text(wrong['feature_id'])}); "
            "write numbers, or accuracy_m = ... for features without one"
        )
    return found


def require_fields(frame: gpd.GeoDataFrame, wanted: Iterable[str], what: str) -> None:
    """Raise unless a file has every field that is declared for it.

    Raises
    ------
    LayerError
        With every field that it lacks and the one that may be meant.
    """
    attributes = [c for c in frame.columns if c != frame.geometry.name]
    wrong = [name for name in wanted if name not in attributes]
    if wrong:
        raise LayerError("; ".join(f"{what}: no field {name!r}, {did_you_mean(name, attributes)}" for name in wrong))


def days(column: pd.Series) -> pd.Series:
    """A column of times that are all midnight as days; readers make times of dates."""
    import pandas as pd

    if not pd.api.types.is_datetime64_any_dtype(column) or (column.dropna() != column.dropna().dt.normalize()).any():
        return column
    return column.dt.strftime("%Y-%m-%d")


def _directed(table: pd.DataFrame, geometry: Geometries, oneway_map: Mapping[str, str], report: _Report) -> Geometries:
    """One-way roads run in the direction of travel, ``oneway`` says which are; unknown words are named."""
    words = table["oneway"].map(lambda word: oneway_map.get(word, word))
    direction = words.map(oneway_of)
    _count_words(report, Severity.ERROR, "unknown_oneway", table, words, direction.isna().to_numpy())
    against = (direction == "backward").to_numpy()
    geometry = geometry.copy()
    geometry[against] = shapely.reverse(geometry[against])
    table["oneway"] = direction.isin(["forward", "backward"])
    return geometry


def _name_classes(table: pd.DataFrame, class_map: Mapping[str, str], report: _Report) -> None:
    """The file's class words turned into the classes of the kind; words that nothing knows are named and cleared."""
    table["class_"] = table["class_"].map(lambda word: class_map.get(word, word)).astype("str")
    known = class_words(report.layer)
    if not known:
        return
    unknown = ~table["class_"].isin([*known, ""]).to_numpy()
    _count_words(report, Severity.ERROR, "unknown_class", table, table["class_"], unknown)
    table["class_"] = table["class_"].map(lambda word: known.get(word, "")).astype("str")


def text_of(value: Any) -> str:
    """A value as text, a missing one empty, a whole number without a decimal point."""
    if value is None or value != value:
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()


def as_text(column: pd.Series) -> pd.Series:
    """A column as text, see :func:`text_of`."""
    return column.map(text_of).astype("str")


@dataclass(frozen=True)
class _Report:
    """Writes findings about single rows of one file."""

    layer: str
    file: str
    ids: np.ndarray
    raw: Geometries
    crs: CRS
    findings: Findings

    def rows(self, severity: Severity, rule: str, rows: np.ndarray, values: Iterable[str] | None = None) -> None:
        """One finding for each of some rows."""
        for row, value in zip(rows, values if values is not None else [""] * len(rows), strict=True):
            self.findings.add(
                severity,
                rule,
                layer=self.layer,
                file=self.file,
                feature_id=str(self.ids[row]),
                location=self._place(row),
                value=value,
            )

    def equals(self, severity: Severity, rule: str, groups: Iterable[np.ndarray]) -> None:
        """One finding for each group of rows that are the same."""
        for rows in groups:
            about = {"layer": self.layer, "file": self.file, "feature_id": ids_text(self.ids[rows])}
            self.findings.add(severity, rule, **about, location=self._place(rows[0]), value=str(len(rows)))

    def _place(self, row: int) -> str:
        geometry = self.raw[row]
        if geometry is None or geometry.is_empty:
            return ""
        first = shapely.points(shapely.get_coordinates(geometry)[:1])
        if not np.isfinite(shapely.get_coordinates(first)).all():
            return ""
        x, y = shapely.get_coordinates(lonlat(first, self.crs, what=self.file))[0]
        return f"{x:.6f} {y:.6f}"


def _clean(geometry: Geometries, wanted: tuple[GeometryType, ...], report: _Report) -> tuple[Geometries, np.ndarray]:
    """Geometries of the wanted types, repaired, and which rows are kept."""
    geometry = shapely.force_2d(geometry)
    missing = shapely.is_missing(geometry) | shapely.is_empty(geometry)
    report.rows(Severity.WARNING, "no_geometry", np.flatnonzero(missing))
    keep = ~missing
    xy, owner = shapely.get_coordinates(geometry, return_index=True)
    infinite = np.zeros(len(geometry), dtype=bool)
    infinite[owner[~np.isfinite(xy).all(axis=1)]] = True
    report.rows(Severity.ERROR, "coordinates_not_finite", np.flatnonzero(infinite))
    keep &= ~infinite
    geometry = _repair(geometry, wanted, keep, report)
    fits = np.isin(shapely.get_type_id(geometry), [part for one in wanted for part in _PARTS[one]])
    wrong = np.flatnonzero(keep & ~fits)
    report.rows(Severity.WARNING, "wrong_geometry_type", wrong, [report.raw[row].geom_type for row in wrong])
    return geometry, keep & fits


def _repair(geometry: Geometries, wanted: tuple[GeometryType, ...], keep: np.ndarray, report: _Report) -> Geometries:
    """Invalid polygons rebuilt from their lines (the even-odd rule); collections reduced to the wanted types."""
    geometry = geometry.copy()
    if "polygon" in wanted:
        invalid = np.flatnonzero(keep & ~shapely.is_valid(geometry))
        why = invalid_because(geometry[invalid], report.findings.lang)
        report.rows(Severity.WARNING, "invalid_geometry", invalid, why)
        geometry[keep] = repaired(geometry[keep])
    collections = np.flatnonzero(keep & (shapely.get_type_id(geometry) == 7))
    for row in collections:
        geometry[row], lost = _only(geometry[row], wanted)
        if lost:
            report.rows(Severity.WARNING, "parts_left_out", np.array([row]), [str(lost)])
    return geometry


def _only(collection: Geometry, wanted: tuple[GeometryType, ...]) -> tuple[Geometry, int]:
    """The parts of a collection that have the highest wanted dimension there is, as one geometry; how many it lost.

    A collection without any such part stays as it is: it doesn't belong to the layer.
    """
    parts, _ = single_parts(np.array([collection], dtype=object))
    for one in sorted(wanted, key=_DIMENSION.__getitem__, reverse=True):
        fits = shapely.get_dimensions(parts) == _DIMENSION[one]
        if fits.any():
            return _UNITED[one](parts[fits]), int((~fits).sum())
    return collection, 0


def _repetitions(table: pd.DataFrame, geometry: Geometries, rows: np.ndarray, report: _Report) -> np.ndarray:
    """Which rows to keep: a line that stands twice in the same direction is left out, anything else only named."""
    import pandas as pd

    if "line" in LAYERS[report.layer]:
        one_way = table["oneway"].to_numpy() if "oneway" in table else np.zeros(len(table), dtype=bool)
        shapes = np.where(one_way, geometry, shapely.normalize(geometry))
        again = pd.Series(shapely.to_wkb(shapes)).duplicated().to_numpy()
        report.rows(Severity.WARNING, "duplicate_line", rows[again])
        return ~again
    report.equals(Severity.WARNING, "duplicate_geometry", (rows[same] for same in _doubles(table, geometry)))
    if report.layer == "stations":
        twice = ((table["name"] != "") & table["name"].duplicated()).to_numpy()
        report.rows(Severity.WARNING, "duplicate_station", rows[twice], table["name"][twice])
    return np.ones(len(table), dtype=bool)


def _doubles(table: pd.DataFrame, geometry: Geometries) -> Iterator[np.ndarray]:
    """Rows that have one shape; points of different classes may well share a place, such as clinic and library."""
    for same in equal_rows(geometry):
        classes = np.unique(table["class_"].to_numpy()[same]) if "class_" in table else ()
        if len(classes) > 1 and shapely.get_dimensions(geometry[same[0]]) == 0:
            alike = (same[table["class_"].to_numpy()[same] == one] for one in classes)
            yield from (rows for rows in alike if len(rows) > 1)
        else:
            yield same


def _without_overlaps(lines: Geometries, rows: np.ndarray, report: _Report) -> Geometries:
    """Each line without the stretches that a longer one covers (of equals, the first by shape); they are named."""
    wkb, length = shapely.to_wkb(shapely.normalize(lines)), shapely.length(lines)
    rank = np.empty(len(lines), dtype=np.int64)
    rank[sorted(range(len(lines)), key=lambda n: (-length[n], wkb[n], n))] = np.arange(len(lines))
    one, other = shapely.STRtree(lines).query(lines, predicate="intersects")
    before = rank[other] < rank[one]
    one, other = one[before], other[before]
    along = shapely.relate_pattern(lines[one], lines[other], "1********")
    covers: dict[int, list[int]] = {}
    for a, b in zip(one[along], other[along], strict=True):
        covers.setdefault(int(a), []).append(int(b))
    left = lines.copy()
    for n, earlier in covers.items():
        left[n] = shapely.difference(lines[n], shapely.union_all(lines[earlier]))
    report.rows(Severity.WARNING, "overlapping_line", rows[sorted(covers)])
    return left


def _system(raw: RawFeatures, declared: CRS | str | None, kind: str, what: str, findings: Findings) -> CRS:
    """The system to read a file in: the workspace's word counts, and a file that says otherwise is named."""
    geometries = raw.frame.geometry.to_numpy()
    system = parse(declared if declared is not None else raw.frame.crs, what=what, geometries=geometries)
    if declared is not None and raw.states_crs and not system.equals(raw.frame.crs, ignore_axis_order=True):
        value = f"{label(system)}, {label(raw.frame.crs)}"
        findings.add(Severity.WARNING, "crs_overruled", layer=kind, file=raw.file, value=value)
    return system


def _there(frame: pd.DataFrame, state: State, report: _Report) -> np.ndarray:
    """Which features are there in a state; the others are counted in findings."""
    there = np.ones(len(frame), dtype=bool)
    if "plan_status" in frame:
        status = frame["plan_status"].map(plan_status_of)
        unknown = status.isna().to_numpy()
        _count_words(report, Severity.ERROR, "unknown_status", frame, frame["plan_status"], unknown)
        there &= (status.notna() if report.layer in NEVER_CUT else status.isin(state.statuses)).to_numpy()
        _count_words(report, Severity.INFO, "other_status", frame, frame["plan_status"], ~there & ~unknown)
    if "opened" in frame and report.layer not in NEVER_CUT:
        opened = frame["opened"].map(_date_of)
        words = as_text(frame["opened"])
        bad = (opened.isna() & (words != "")).to_numpy()
        _count_words(report, Severity.ERROR, "bad_date", frame, words, bad)
        later = np.array([d is not None and d == d and d > state.as_of for d in opened], dtype=bool)
        if (later & there).any():
            _count(report, Severity.INFO, "opened_later", frame[later & there], state.as_of.isoformat())
        there &= ~later & ~bad
    if "observed" in frame:
        there &= _of_the_period(frame, there, state, report)
    return there


def _of_the_period(frame: pd.DataFrame, there: np.ndarray, state: State, report: _Report) -> np.ndarray:
    """Which features were observed in the period that is computed."""
    spans = frame["observed"].map(span_of)
    words = as_text(frame["observed"])
    bad = spans.isna().to_numpy()
    _count_words(report, Severity.ERROR, "bad_date", frame, words, bad & there)
    until = state.until or state.as_of
    within = np.array([s is not None and state.since <= s[0] and s[1] <= until for s in spans], dtype=bool)
    if (other := there & ~within & ~bad).any():
        value = f"{state.since} – {until}"
        _count(report, Severity.INFO, "other_period", frame[other], value)
    return within


def _count(report: _Report, severity: Severity, rule: str, rows: pd.DataFrame, value: str) -> None:
    report.findings.add(
        severity,
        rule,
        layer=report.layer,
        file=report.file,
        feature_id=ids_text(rows["feature_id"]),
        value=value,
        count=len(rows),
    )


def _count_words(
    report: _Report, severity: Severity, rule: str, table: pd.DataFrame, words: pd.Series, where: np.ndarray
) -> None:
    """One finding for each of the words that stand in some rows, with the rows that have it."""
    for word in sorted(words[where].unique()):
        _count(report, severity, rule, table[where & (words == word).to_numpy()], word)


_DATE = re.compile(r"(\d{4})(?:[-/.年]?(\d{1,2})(?:[-/.月]?(\d{1,2}))?)?[月日]?(?:[T ].*)?")


def _date_of(value: Any) -> date | None:
    """A date from a date, a timestamp, a year, or text such as 2024-12-31 or 2024.6.1; a year means its first day."""
    match = _DATE.fullmatch(text_of(value))
    if match is None:
        return None
    try:
        return date(*(int(part or 1) for part in match.groups()))
    except ValueError:
        return None


def span_of(value: Any) -> tuple[date, date] | None:
    """First and last day of what a value names: a day, a month, a quarter (2024Q1), a half or a year."""
    said = text_of(value)
    if match := _DATE.fullmatch(said):
        said = "-".join(part.zfill(2) for part in match.groups() if part)
    try:
        return first_day(said), last_day(said)
    except ConfigError:
        return None
