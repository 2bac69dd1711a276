"""What a file is: driver, layers, encoding, reference system, extent, fields, problems, and how a workspace uses it.

Nothing is computed for a plan here, and nothing is written. A file that can't be used is told of like any other, with
the reason.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely

from qpgis.catalogue import Lang
from qpgis.crs import LONLAT, Geometries, Plane, densify, judge_magnitudes, label, lonlat, parse
from qpgis.crs.systems import to_lonlat
from qpgis.crs.trust import DATUMS, Datum, trusted
from qpgis.errors import ConfigError, CRSError, QpgisError, did_you_mean
from qpgis.findings import Finding, Findings, Severity, has_errors, ids_text
from qpgis.layers import as_text
from qpgis.naming import field_for, folded, meaning_of
from qpgis.provenance import worst
from qpgis.quality.coverage import check_features
from qpgis.quality.datum import LEAST_SHARE, DatumJudgement, check_datum, nearest_reference
from qpgis.quality.fields import check_fields
from qpgis.quality.geometry import WIDEST_DEG, finite
from qpgis.shapes import repaired, still_valid
from qpgis.sources import Bounds, RawFeatures, Request
from qpgis.sources.osm import is_osm, summary
from qpgis.sources.raster import MOST_CELLS, RasterInfo, raster_info
from qpgis.sources.raster import SUFFIXES as RASTER_SUFFIXES
from qpgis.sources.reading import layer_names, read_features
from qpgis.workspace.joins import match, report
from qpgis.workspace.suggestion import suggested_layer, suggested_raster

if TYPE_CHECKING:
    import pandas as pd
    from pyproj import CRS

EXAMPLES = 3
"""How many values of a field are shown."""
TABLES = ("CSV", "XLSX")
AXES = (("x", "y"), ("东", "北"), ("横", "纵"), ("经", "纬"))
"""What two columns of coordinates are called; else their names are the same."""


@dataclass(frozen=True)
class FieldView:
    """One field of a layer.

    Attributes
    ----------
    name, alias : str
        As the file writes it, and as it calls it for people.
    meaning : str
        What the databases' specification says it is; empty where it doesn't know it.
    kind : str
        ``text``, ``integer``, ``number``, ``date``, ``boolean`` or ``other``.
    filled, distinct : int
        Rows that have a value; different values.
    examples : tuple of str
        The first values, and what the file's own code list calls them.
    """

    name: str
    alias: str
    meaning: str
    kind: str
    filled: int
    distinct: int
    examples: tuple[str, ...]


@dataclass(frozen=True)
class LayerView:
    """One layer of a file, as far as it could be read.

    Attributes
    ----------
    name : str
        As ``layer = "..."`` takes it.
    refusal : str
        Why it can't be used; empty where it can.
    features, usable : int
        Rows, and rows with a geometry that can be measured or counted; the others are named in findings.
    geometry : mapping of str to int
        How many features there are of each type of geometry.
    crs, crs_origin : str
        Reference system, and who said so: ``file``, ``format`` (GeoJSON's default), ``columns`` (a table's, called
        longitude and latitude), ``declared`` or nobody.
    datum : str
        What the coordinates fit, where there is something to hold them against.
    own_extent, extent : tuple or None
        West, south, east, north of the features: in the file's coordinates, and in degrees.
    sum_m2, area_m2, plane_area, length_m : float or None
        Of polygons the sum of their ellipsoidal areas, the ground that they cover together, and the plane sum in the
        file's own units; of lines their geodesic length.
    encoding : str
        Encoding of the text and how it was found.
    grade : str
        The worst that its rows say of themselves.
    fields : tuple of FieldView
    toml : str
        The lines of ``qpgis.toml`` that use it.
    shifted_datum : str
        ``gcj02`` or ``bd09`` where the coordinates fit only that.
    unplaced : str
        What the coordinates look like (``?`` where there are none), where no reference system is known.
    objects, date : mapping of str to int, str
        Of an OpenStreetMap extract: nodes, ways and relations, and the date that it states.
    raster : RasterInfo or None
        Of a raster: its grid and its bands.
    """

    name: str
    refusal: str = ""
    driver: str = ""
    features: int = 0
    usable: int = 0
    geometry: Mapping[str, int] = field(default_factory=dict)
    crs: str = ""
    crs_origin: str = ""
    datum: str = ""
    own_extent: Bounds | None = None
    extent: Bounds | None = None
    sum_m2: float | None = None
    area_m2: float | None = None
    plane_area: float | None = None
    length_m: float | None = None
    encoding: str = ""
    grade: str = ""
    fields: tuple[FieldView, ...] = ()
    toml: str = ""
    shifted_datum: str = ""
    unplaced: str = ""
    objects: Mapping[str, int] = field(default_factory=dict)
    date: str = ""
    raster: RasterInfo | None = None


@dataclass(frozen=True)
class Inspection:
    """What ``qpgis inspect`` tells of a file."""

    file: str
    size_bytes: int
    layers: tuple[LayerView, ...]
    findings: tuple[Finding, ...]

    @property
    def refused(self) -> bool:
        """True if nothing in the file can be used."""
        return all(layer.refusal for layer in self.layers)

    def as_record(self) -> dict[str, Any]:
        """Everything as JSON takes it; a raster's system stands with its layer."""
        layers = [replace(one, raster=replace(one.raster, crs=None)) if one.raster else one for one in self.layers]
        return {**asdict(replace(self, layers=tuple(layers))), "refused": self.refused}

    @property
    def faulty(self) -> bool:
        """True if a finding is an error, or the layer that is wanted can't be used."""
        return self.refused or has_errors(self.findings)


@dataclass(frozen=True)
class Declared:
    """What the user says of a file, where it doesn't say so itself; see :class:`qpgis.workspace.config.ReadTable`."""

    layer: str | None = None
    crs: str | None = None
    datum: str | None = None
    encoding: str | None = None
    x_field: str | None = None
    y_field: str | None = None
    wkt_field: str | None = None

    def known_datum(self) -> Datum | None:
        """The declared datum.

        Raises
        ------
        ConfigError
            If there is none of that name.
        """
        for datum in DATUMS:
            if datum == self.datum:
                return datum
        if self.datum is not None:
            raise ConfigError(f"datum {self.datum!r} is not known; {did_you_mean(self.datum, DATUMS)}")
        return None


def inspect(*paths: str | Path, declared: Declared | None = None, lang: Lang = "zh") -> tuple[Inspection, ...]:
    """Look at files, layer by layer, and at how tables without geometry join to the others.

    Raises
    ------
    SourceError
        If one isn't a file that qpgis reads; what is wrong within a layer is its ``refusal``.
    """
    looked = [_look(Path(path), declared or Declared(), Findings(lang)) for path in paths]
    tables = [(raw, look) for look in looked for raw in look.raws if not raw.spatial]
    features = [raw for look in looked for raw in look.raws if raw.spatial]
    for table, look in tables:
        for raw in features:
            _try_join(raw, table, look.findings)
    return tuple(Inspection(look.path.name, _size(look.path), look.views, tuple(look.findings)) for look in looked)


@dataclass(frozen=True)
class _Look:
    """A file, what was read of it, and what was found."""

    path: Path
    findings: Findings
    views: tuple[LayerView, ...]
    raws: tuple[RawFeatures, ...]


def _look(path: Path, declared: Declared, findings: Findings) -> _Look:
    if is_osm(path):
        return _Look(path, findings, (_of_osm(path, findings),), ())
    if path.suffix.lower() in RASTER_SUFFIXES:
        return _Look(path, findings, (_of_raster(path, declared, findings),), ())
    names = layer_names(path, path.name)
    wanted = names if declared.layer is None else (declared.layer,)
    seen = [_view(path, name, declared, findings) for name in wanted]
    _report_unplaced([view for view, _ in seen], path.name, findings)
    views = tuple(_with_toml(view, raw, path, declared, findings.lang, lone=len(names) == 1) for view, raw in seen)
    return _Look(path, findings, views, tuple(raw for _, raw in seen if raw is not None))


def _with_toml(
    view: LayerView, raw: RawFeatures | None, path: Path, declared: Declared, lang: Lang, *, lone: bool
) -> LayerView:
    """A layer with the lines that use it; its name stands in them where the file holds several."""
    if raw is None or not raw.spatial or view.refusal:
        return view
    given = vars(declared) | {"layer": None if lone else view.name, "datum": declared.datum or view.shifted_datum}
    called = (view.name, path.stem) if lone else (view.name,)
    raw = replace(raw, file=_as_given(path))
    return replace(view, toml=suggested_layer(raw, given=given, grade=view.grade, called=called, lang=lang))


def _as_given(path: Path) -> str:
    """A path as ``qpgis.toml`` takes it: no file of a workspace is named by where it lies on one machine."""
    return path.name if path.is_absolute() else path.as_posix()


def _report_unplaced(views: list[LayerView], file: str, findings: Findings) -> None:
    """Name the layers without a reference system; where others have one, that keeps nobody from using those."""
    unplaced = [view for view in views if view.unplaced]
    placed = any(view.crs for view in views)
    for view in unplaced:
        severity = Severity.WARNING if placed else Severity.ERROR
        words = {"feature_id": view.name if len(views) > 1 else "", "value": view.unplaced.removeprefix("?")}
        findings.add(severity, "no_crs", file=file, **words)


def _of_osm(path: Path, findings: Findings) -> LayerView:
    """An OpenStreetMap extract: what it holds, without assembling it."""
    found = summary(path, path.name, findings)
    objects = {"nodes": found.nodes, "ways": found.ways, "relations": found.relations}
    toml = f"# qpgis run --osm {json.dumps(_as_given(path), ensure_ascii=False)} --zones-level 8\n"
    settled = {"crs": label(LONLAT), "crs_origin": "format", "extent": found.bounds, "date": found.date, "toml": toml}
    return LayerView(path.name, driver="OSM", features=sum(objects.values()), objects=objects, **settled)  # type: ignore[arg-type]


def _of_raster(path: Path, declared: Declared, findings: Findings) -> LayerView:
    """A raster: its grid, its bands, and where it lies."""
    found = raster_info(path, path.name, findings)
    view = LayerView(path.name, driver="GTiff", features=found.width * found.height, own_extent=found.bounds)
    _report_no_layer(found, findings)
    classes = next((band.classes for band in found.bands if band.classes), None)
    toml = suggested_raster(_as_given(path), classes, crs=declared.crs) if classes and found.transform else ""
    view = replace(view, raster=found, toml=toml)
    try:
        system = parse(declared.crs or found.crs, what=path.name)
        view = replace(view, crs=label(system), crs_origin="declared" if declared.crs else "file")
        if found.bounds is None:
            return view
        corners = densify(np.array([shapely.box(*found.bounds)]), to_lonlat(system.to_wkt(), path.name))
        return replace(view, extent=_box(lonlat(corners, system, what=path.name)))
    except CRSError as error:  # its cells can be counted all the same; as a layer it will be refused
        findings.add(Severity.WARNING, "raster_unplaced", file=path.name, value=str(error))
        return view


def _report_no_layer(found: RasterInfo, findings: Findings) -> None:
    """Say why a raster, whatever can be told of it, won't do as a layer."""
    if found.width * found.height > MOST_CELLS:
        words = {"value": f"{found.width * found.height:,}", "most": f"{MOST_CELLS:,}"}
        findings.add(Severity.WARNING, "raster_too_large", file=found.file, **words)
    measured = [band.name for band in found.bands if band.valid and not band.is_classes]
    if measured:
        findings.add(Severity.INFO, "raster_measures", file=found.file, value=", ".join(measured))


def _size(path: Path) -> int:
    return sum(part.stat().st_size for part in path.rglob("*")) if path.is_dir() else path.stat().st_size


def _view(path: Path, name: str, declared: Declared, findings: Findings) -> tuple[LayerView, RawFeatures | None]:
    """A layer as it is told of, and its features if they could be read."""
    options = {key: value for key, value in vars(declared).items() if key != "layer"}
    view, raw = LayerView(name), None
    try:
        raw = read_features(Request(path, path.name, "", findings, layer=name, **options))
        view = _described(raw, view, findings.lang)
        if raw.spatial:
            return _measured(raw, declared, view, findings), raw
        _hint_at_coordinates(raw, findings)
        return view, raw
    except QpgisError as error:
        return replace(view, refusal=str(error)), raw


def _hint_at_coordinates(raw: RawFeatures, findings: Findings) -> None:
    """Name columns of numbers that are called like two coordinates, and what would read them."""
    import pandas as pd

    if raw.driver not in TABLES:
        return
    numeric = {folded(str(c)): str(c) for c in raw.frame.columns if pd.api.types.is_numeric_dtype(raw.frame[c])}
    others = ((x, called.replace(*axes)) for called, x in numeric.items() for axes in AXES if axes[0] in called)
    for x, y in ((x, numeric[other]) for x, other in others if other in numeric):
        lows, highs = raw.frame[[x, y]].min().tolist(), raw.frame[[x, y]].max().tolist()
        judged = judge_magnitudes((*lows, *highs))
        x, y = (y, x) if judged.swapped else (x, y)
        words = {"value": f"{x}, {y}", "x": x, "y": y, "crs": judged.codes[0] if judged.codes else "EPSG:…"}
        findings.add(Severity.INFO, "coordinates_possible", file=raw.file, **words)


def _try_join(features: RawFeatures, table: RawFeatures, findings: Findings) -> None:
    """Say what a join of a table to features would lose, by the pair of fields that match best, if any do."""
    ours, theirs = _keys(features), _keys(table)
    pairs = [(len(ours[on] & theirs[key]), key, on) for key in theirs for on in ours]
    matches, key, on = max(pairs, default=(0, "", ""))
    if not matches:
        return
    found = match(as_text(features.frame[on]), as_text(table.frame[key]))
    words: dict[str, Any] = {"matched": int((found.rows >= 0).sum()), "features": len(features.frame)}
    words |= {"file": table.file, "value": f"{key} = {on}", "other": features.file}
    findings.add(Severity.INFO, "join_possible", **words)
    report(found, table.file, len(features.frame), "", findings)


def _keys(raw: RawFeatures) -> dict[str, set[str]]:
    """What each field of text holds, folded as keys are: so each column is folded once."""
    return {name: {folded(word) for word in as_text(raw.frame[name]).unique()} - {""} for name in _texts(raw)}


def _texts(raw: RawFeatures) -> list[str]:
    """The fields of text, which may be keys."""
    import pandas as pd

    names = [c for c in raw.frame.columns if c not in ("feature_id", raw.frame.geometry.name)]
    return [c for c in names if pd.api.types.is_string_dtype(raw.frame[c])]


def _described(raw: RawFeatures, view: LayerView, lang: Lang) -> LayerView:
    """What the rows say, whatever the coordinates mean."""
    for_types = raw.frame.geometry.geom_type.fillna("none") if raw.spatial else []
    types = {str(kind): int(count) for kind, count in _counts(for_types)}
    return replace(
        view,
        driver=raw.driver,
        features=len(raw.frame),
        geometry=types,
        encoding=raw.encoding,
        grade=str(worst(raw.grades) or ""),
        fields=tuple(_fields(raw, lang)),
    )


def _counts(words: Any) -> list[tuple[object, int]]:
    from collections import Counter

    return sorted(Counter(words).items(), key=str)


def _fields(raw: RawFeatures, lang: Lang) -> Iterator[FieldView]:
    for name in raw.frame.columns:
        if name in (raw.frame.geometry.name, "feature_id"):
            continue
        column, alias = raw.frame[name], raw.aliases.get(name, "")
        words = as_text(column)
        values = words[words != ""]
        codes = raw.domains.get(name, {})
        examples = tuple(f"{v} = {codes[v]}" if v in codes else v for v in values.unique()[:EXAMPLES])
        known = meaning_of(str(name), alias)
        meaning = known.text(lang) if known else ""
        yield FieldView(str(name), alias, meaning, _kind(column), len(values), values.nunique(), examples)


def _kind(column: pd.Series) -> str:
    import pandas as pd

    tests = {
        "boolean": pd.api.types.is_bool_dtype,
        "integer": pd.api.types.is_integer_dtype,
        "number": pd.api.types.is_float_dtype,
        "date": pd.api.types.is_datetime64_any_dtype,
        "text": pd.api.types.is_string_dtype,
    }
    return next((kind for kind, fits in tests.items() if fits(column)), "other")


def _measured(raw: RawFeatures, declared: Declared, view: LayerView, findings: Findings) -> LayerView:
    """The features held against their reference system, their faults named, their extent and sums."""
    geometry = raw.frame.geometry.to_numpy()
    whole = _is_whole(geometry)
    own = _box(geometry[whole])
    view = replace(view, own_extent=own, usable=int(whole.sum()))
    system = declared.crs or raw.frame.crs
    if system is None and declared.datum is None:
        return replace(view, unplaced=judge_magnitudes(own).told(findings.lang) if own else "?")
    if (numbers := _elsewhere(own, system, raw.file, findings.lang)) is not None:
        findings.add(Severity.WARNING, "crs_elsewhere", file=raw.file, value=numbers)
        view = replace(view, plane_area=float(shapely.area(repaired(geometry[whole])).sum()))
        return replace(view, crs=label(parse(system, what=raw.file)), crs_origin=_origin(raw, declared))
    sure = trusted(geometry, system, datum=declared.known_datum(), what=raw.file)
    view = replace(view, crs=label(sure.crs), crs_origin=_origin(raw, declared))
    ids = raw.frame["feature_id"].to_numpy(dtype=object)
    check_features(sure.geometries, ids, sure.crs, file=raw.file, findings=findings)
    check_fields(raw, findings)
    mended = repaired(shapely.force_2d(sure.geometries[whole]))
    degrees = lonlat(mended, sure.crs, what=raw.file)
    view = replace(view, own_extent=_box(mended), extent=_box(degrees))
    if shapely.is_empty(mended).any():
        lost = ids_text(ids[whole][shapely.is_empty(mended)])
        findings.add(Severity.WARNING, "nothing_left", file=raw.file, feature_id=lost)
    judged = _datum(degrees, _names(raw)[whole].tolist(), raw.file, declared, findings)
    if judged is not None:
        shifted = judged.datum if judged.confident and judged.datum in ("gcj02", "bd09") else ""
        view = replace(view, datum=judged.words(findings.lang), shifted_datum=shifted)
    return _summed(view, mended, degrees, sure.crs, raw.file)


def _origin(raw: RawFeatures, declared: Declared) -> str:
    """Who said which system it is."""
    if declared.crs or declared.datum:
        return "declared"
    return "file" if raw.states_crs else "columns" if raw.driver in TABLES else "format"


def _elsewhere(own: Bounds | None, system: Any, what: str, lang: Lang) -> str | None:
    """What the numbers look like, if they are metres far outside the area that their plane system is for.

    A map can't be made of them, but they can be told of; where units contradict the system, nothing can.
    """
    crs = parse(system, what=what) if system is not None else None
    if own is None or crs is None or not crs.is_projected:
        return None
    judged = judge_magnitudes(own, crs)
    in_degrees = judged.kind in ("degrees", "degrees_swapped", "garbage")
    return judged.told(lang) if judged.contradicts and not in_degrees else None


def _datum(
    degrees: Geometries, names: list[str], file: str, declared: Declared, findings: Findings
) -> DatumJudgement | None:
    """Which datum the coordinates fit, where something is known nearby; a misfit is a finding."""
    extent = _box(degrees)
    references = nearest_reference(extent) if extent is not None else ()
    if not references:
        return None
    about = {"layer": "", "file": file, "findings": findings, "declared": declared.datum}
    judged = check_datum(degrees, references, names=names, **about)  # type: ignore[arg-type]
    told = judged.outcome != "unsure" or judged.share >= LEAST_SHARE
    return judged if told else DatumJudgement("apart")


def _names(raw: RawFeatures) -> np.ndarray:
    """What the features are called, where a field says so; empty words otherwise."""
    field = field_for("name", [c for c in raw.frame.columns if c != raw.frame.geometry.name], raw.aliases)
    words = as_text(raw.frame[field]) if field is not None else [""] * len(raw.frame)
    return np.array(words, dtype=object)


def _is_whole(geometry: Geometries) -> np.ndarray:
    """Which geometries are there and have only finite coordinates."""
    return finite(geometry) & ~(shapely.is_missing(geometry) | shapely.is_empty(geometry))


def _box(geometry: Geometries) -> Bounds | None:
    """The box of geometries, ``None`` where they hold nothing."""
    if not len(geometry):
        return None
    west, south, east, north = (float(v) for v in shapely.total_bounds(geometry))
    return None if np.isnan(west) else (west, south, east, north)


def _summed(view: LayerView, geometry: Geometries, degrees: Geometries, system: CRS, what: str) -> LayerView:
    """Areas and lengths of the features, where one plane can hold them."""
    box = view.extent
    if box is None or box[2] - box[0] > WIDEST_DEG or box[3] - box[1] > WIDEST_DEG:
        return view
    plane = Plane.around(degrees)
    polygons = shapely.get_dimensions(geometry) == 2
    lines = shapely.get_dimensions(geometry) == 1
    if polygons.any():
        planar = still_valid(plane.project(geometry[polygons], system, what=what))
        own = float(shapely.area(geometry[polygons]).sum()) if system.is_projected else None
        covered = float(shapely.area(shapely.disjoint_subset_union_all(planar)))
        view = replace(view, sum_m2=float(shapely.area(planar).sum()), area_m2=covered, plane_area=own)
    if lines.any():
        metres = plane.lengths(plane.project(geometry[lines], system, what=what))
        view = replace(view, length_m=float(metres.sum()))
    return view
