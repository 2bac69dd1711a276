"""Layers: one declared kind each, cleaned, in the study area's plane, cut to one state."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import shapely

from qpgis.crs import Geometries, Plane, lonlat, parse
from qpgis.errors import LayerError, MissingClasses, MissingLayer, did_you_mean
from qpgis.findings import Findings, Severity
from qpgis.landuse import class_words, plan_status_of, water_group
from qpgis.provenance import Source
from qpgis.shapes import repaired, still_valid

if TYPE_CHECKING:
    import geopandas as gpd
    import pandas as pd
    from pyproj import CRS
    from shapely import Geometry

    from qpgis.sources import RawFeatures

GeometryType = Literal["polygon", "line", "point"]

LAYERS: Mapping[str, GeometryType] = {
    "water": "polygon",
    "wetland": "polygon",
    "forest": "polygon",
    "farmland": "polygon",
    "orchard": "polygon",
    "grass": "polygon",
    "park": "polygon",
    "landuse": "polygon",
    "construction": "polygon",
    "corridors": "polygon",
    "roads": "line",
    "links": "line",
    "service": "line",
    "track": "line",
    "path": "line",
    "rail": "line",
    "waterways": "line",
    "stations": "point",
}
"""Every kind of layer and what its features are. The names planners read are in the catalogue, ``layer_<kind>``."""

_DIMENSION = {"point": 0, "line": 1, "polygon": 2}
_PARTS = {"point": {0, 4}, "line": {1, 5}, "polygon": {3, 6}}
COLUMNS = ("feature_id", "name", "class_", "plan_status", "opened", "oneway", "ref")


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
    """

    as_of: date
    statuses: frozenset[str] = frozenset({"existing"})
    scenario: str = "present"


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

    def given(self) -> dict[str, str]:
        """The declared fields by the column they fill."""
        pairs = {"feature_id": self.id} | {c: getattr(self, c) for c in COLUMNS[1:]}
        return {column: name for column, name in pairs.items() if name is not None}


@dataclass(frozen=True)
class Layer:
    """Features of one kind, ready to be measured.

    Attributes
    ----------
    kind : str
        A key of :data:`LAYERS`.
    frame : DataFrame
        ``feature_id``, ``name``, ``class_`` and, where the file has them, further :data:`COLUMNS`. No geometry.
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
    """

    kind: str
    frame: pd.DataFrame = field(repr=False, compare=False)
    geometry: Geometries = field(repr=False, compare=False)
    source: Source
    extent: Geometry | None = field(repr=False, compare=False)
    key: str
    unclassified: int = 0

    def __repr__(self) -> str:
        return f"<Layer {self.kind}: {len(self.frame)} features, grade {self.source.grade}, from {self.source.file}>"

    def __len__(self) -> int:
        return len(self.frame)

    def where(self, classes: str | Iterable[str]) -> Layer:
        """The features of some classes only; ``"all"`` is the layer itself.

        Parameters
        ----------
        classes : str or iterable of str
            Class names, or the name of a group of water classes (``data/schemes/water.toml``).

        Raises
        ------
        MissingClasses
            If the layer has features, and none has a class: nothing can be chosen, which isn't the same as none.
        """
        if classes == "all":
            return self
        wanted = water_group(classes) if isinstance(classes, str) else frozenset(classes)
        mask = self.frame["class_"].isin(wanted).to_numpy()
        unknown = int((self.frame["class_"] == "").sum())
        if unknown and unknown == len(self):
            raise MissingClasses(self.kind)
        return self._select(mask, f"class in {'+'.join(sorted(wanted))}", unclassified=self.unclassified + unknown)

    def _select(self, mask: np.ndarray, why: str, **changes: Any) -> Layer:
        return replace(
            self,
            frame=self.frame[mask].reset_index(drop=True),
            geometry=self.geometry[mask],
            key=f"{self.key} | {why}",
            **changes,
        )


@dataclass(frozen=True)
class AbsentLayer:
    """Stands for a layer that the workspace doesn't have: whoever uses it raises :class:`MissingLayer`."""

    kind: str

    def where(self, classes: str | Iterable[str]) -> Layer:
        """Raise: there is nothing to select from."""
        raise MissingLayer(self.kind)


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
    extent: Geometry | None = None,
    key: str = "",
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
    extent : shapely geometry, optional
        Where the layer was surveyed, in the plane.

    Raises
    ------
    CRSError
        If neither file nor workspace names a usable system.
    LayerError
        If a declared field isn't in the file.
    """
    what = f"layer {kind!r} ({raw.file})"
    system = parse(crs if crs is not None else raw.frame.crs, what=what)
    table = _standard_columns(raw.frame, fields, what)
    report = _Report(
        kind, raw.file, table["feature_id"].to_numpy(dtype=object), raw.frame.geometry.to_numpy(), system, findings
    )
    ledger = Ledger(read=len(table))
    geometry, keep = _clean(raw.frame.geometry.to_numpy(), LAYERS[kind], report)
    ledger.dropped = int((~keep).sum())
    table, geometry = table[keep].reset_index(drop=True), geometry[keep]
    _report_repetitions(table, geometry, report, keep)
    projected = plane.project(geometry, system, what=what)
    projected = still_valid(projected) if LAYERS[kind] == "polygon" else projected
    _name_classes(table, class_map or {}, report)
    layer = Layer(kind, table, projected, source, extent, key or f"{kind}@{source.sha256 or raw.file}")
    cut = _at_state(layer, state, report)
    ledger.other_state = len(layer) - len(cut)
    ledger.used = len(cut)
    return cut, ledger


def _standard_columns(frame: gpd.GeoDataFrame, fields: Fields, what: str) -> pd.DataFrame:
    import pandas as pd

    attributes = [c for c in frame.columns if c != frame.geometry.name]
    wrong = [name for name in fields.given().values() if name not in attributes]
    if wrong:
        raise LayerError("; ".join(f"{what}: no field {name!r}, {did_you_mean(name, attributes)}" for name in wrong))
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
    for column in table.columns.difference(["oneway", "opened"]):
        table[column] = _as_text(table[column])
    if "oneway" in table:
        table["oneway"] = _as_text(table["oneway"]).str.lower().isin(["true", "1", "1.0", "yes", "y", "t", "是"])
    return table


def _name_classes(table: pd.DataFrame, class_map: Mapping[str, str], report: _Report) -> None:
    """The file's class words turned into the classes of the kind; words that nothing knows are named and cleared."""
    table["class_"] = table["class_"].map(lambda word: class_map.get(word, word)).astype("str")
    known = class_words(report.layer)
    if not known:
        return
    for word in sorted(set(table["class_"]) - set(known) - {""}):
        _count(report, Severity.ERROR, "unknown_class", table[(table["class_"] == word).to_numpy()], word)
    table["class_"] = table["class_"].map(lambda word: known.get(word, "")).astype("str")


def _as_text(column: pd.Series) -> pd.Series:
    """Values as text, missing ones empty, whole numbers without a decimal point."""

    def as_text(value: Any) -> str:
        if value is None or value != value:
            return ""
        if isinstance(value, float) and value.is_integer():
            return str(int(value))
        return str(value).strip()

    return column.map(as_text).astype("str")


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

    def _place(self, row: int) -> str:
        geometry = self.raw[row]
        if geometry is None or geometry.is_empty:
            return ""
        first = shapely.points(shapely.get_coordinates(geometry)[:1])
        if not np.isfinite(shapely.get_coordinates(first)).all():
            return ""
        x, y = shapely.get_coordinates(lonlat(first, self.crs, what=self.file))[0]
        return f"{x:.6f} {y:.6f}"


def _clean(geometry: Geometries, wanted: GeometryType, report: _Report) -> tuple[Geometries, np.ndarray]:
    """Geometries of the wanted type, repaired, and which rows are kept."""
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
    fits = np.isin(shapely.get_type_id(geometry), list(_PARTS[wanted]))
    wrong = np.flatnonzero(keep & ~fits)
    report.rows(Severity.WARNING, "wrong_geometry_type", wrong, [report.raw[row].geom_type for row in wrong])
    return geometry, keep & fits


def _repair(geometry: Geometries, wanted: GeometryType, keep: np.ndarray, report: _Report) -> Geometries:
    """Invalid polygons rebuilt from their lines (the even-odd rule); collections reduced to the wanted type."""
    geometry = geometry.copy()
    if wanted == "polygon":
        invalid = np.flatnonzero(keep & ~shapely.is_valid(geometry))
        reasons = shapely.is_valid_reason(geometry[invalid])
        report.rows(Severity.WARNING, "invalid_geometry", invalid, reasons)
        geometry = repaired(geometry)
    collections = np.flatnonzero(keep & (shapely.get_type_id(geometry) == 7))
    for row in collections:
        geometry[row] = _only(geometry[row], wanted)
    return geometry


def _only(collection: Geometry, wanted: GeometryType) -> Geometry:
    """The parts of a collection that have the wanted dimension, as one geometry; the collection if it has none."""
    parts = shapely.get_parts(shapely.get_parts(collection))
    fitting = parts[shapely.get_dimensions(parts) == _DIMENSION[wanted]]
    if not len(fitting):
        return collection
    build = {"polygon": shapely.multipolygons, "line": shapely.multilinestrings, "point": shapely.multipoints}
    return build[wanted](fitting)


def _report_repetitions(table: pd.DataFrame, geometry: Geometries, report: _Report, keep: np.ndarray) -> None:
    """Warn of features that stand twice; they count once, but the file deserves a look."""
    import pandas as pd

    rows = np.flatnonzero(keep)
    wkb = pd.Series(shapely.to_wkb(shapely.normalize(geometry)))
    report.rows(Severity.WARNING, "duplicate_geometry", rows[wkb.duplicated().to_numpy()])
    ids = table["feature_id"]
    report.rows(Severity.WARNING, "duplicate_id", rows[ids.duplicated().to_numpy()])


def _at_state(layer: Layer, state: State, report: _Report) -> Layer:
    """The features that are there in a state; the others are counted in a finding."""
    frame = layer.frame
    there = np.ones(len(frame), dtype=bool)
    if "plan_status" in frame:
        status = frame["plan_status"].map(plan_status_of)
        unknown = status.isna().to_numpy()
        for word in sorted(frame["plan_status"][unknown].unique()):
            _count(report, Severity.ERROR, "unknown_status", frame[(frame["plan_status"] == word).to_numpy()], word)
        there &= status.isin(state.statuses).to_numpy()
        for word in sorted(frame["plan_status"][~there & ~unknown].unique()):
            _count(report, Severity.INFO, "other_status", frame[(frame["plan_status"] == word).to_numpy()], word)
    if "opened" in frame:
        later = np.array([_opens_after(value, state.as_of, report) for value in frame["opened"]], dtype=bool)
        if (later & there).any():
            _count(report, Severity.INFO, "opened_later", frame[later & there], state.as_of.isoformat())
        there &= ~later
    if there.all():
        return layer
    return layer._select(there, f"at {state.as_of} {'+'.join(sorted(state.statuses))}")


def _count(report: _Report, severity: Severity, rule: str, rows: pd.DataFrame, value: str) -> None:
    report.findings.add(
        severity,
        rule,
        layer=report.layer,
        file=report.file,
        feature_id="; ".join(rows["feature_id"]),
        value=value,
        count=len(rows),
    )


def _opens_after(value: Any, as_of: date, report: _Report) -> bool:
    """Whether a feature opens after a date; a feature without an opening date is there."""
    if value is None or value != value or str(value).strip() == "":
        return False
    opened = _date_of(value)
    if opened is None:
        report.findings.add(Severity.ERROR, "bad_date", layer=report.layer, file=report.file, value=str(value))
        return True
    return opened > as_of


def _date_of(value: Any) -> date | None:
    """A date from a date, a timestamp, a year, or ISO text; a year or month means its first day."""
    text = str(value)[:10].replace("/", "-")
    if text.endswith(".0"):
        text = text[:-2]
    for suffix in ("", "-01", "-01-01"):
        try:
            return date.fromisoformat(text + suffix)
        except ValueError:
            continue
    return None
