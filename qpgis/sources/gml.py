"""GML 2, 3.1 and 3.2: checked here, read by GDAL from a copy that points nowhere."""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qpgis.findings import Severity, ids_text
from qpgis.sources import RawFeatures, Request
from qpgis.sources.arrow import read_table
from qpgis.sources.ids import feature_ids
from qpgis.sources.jsonshapes import frame_columns
from qpgis.sources.ogr import chosen_layer, ogr_layers
from qpgis.sources.places import check_degrees, check_near
from qpgis.sources.srs import named_system
from qpgis.sources.xml import MOST_DEEP, exact_numbers, local, parse, safe_text, too_deep

if TYPE_CHECKING:
    import geopandas as gpd

DRIVER = "GML"
_MEMBERS = frozenset(["featureMember", "featureMembers", "member"])
_GEOMETRIES = frozenset(
    [
        *("Point", "LineString", "LinearRing", "Polygon", "Box", "Curve", "Surface", "Solid", "PolyhedralSurface"),
        *("MultiPoint", "MultiLineString", "MultiPolygon", "MultiCurve", "MultiSurface", "MultiGeometry", "MultiSolid"),
        *("CompositeCurve", "CompositeSurface", "CompositeSolid", "OrientableCurve", "OrientableSurface", "Tin"),
        *("TriangulatedSurface", "GeometricComplex", "Ring"),
    ]
)
_SENT, _THERE = ("numberReturned", "numberOfFeatures"), ("numberMatched",)
"""What an answer of a WFS says of its features: how many it holds (version 2.0, 1.1), and how many the server has."""
_COUNTS = (*_SENT, *_THERE)
_NUMBERS = frozenset(["pos", "posList", "coordinates", "X", "Y", "Z"])
_A_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_DECLARATION = re.compile(r"\A\ufeff?\s*<\?xml.*?\?>", re.DOTALL)
_SCHEMA = re.compile(r"\s[\w.-]+:(?:schemaLocation|noNamespaceSchemaLocation)\s*=\s*(?:\"[^\"]*\"|'[^']*')")
_OLD_URN = re.compile(r"urn:x-ogc:def:crs:EPSG:(?:[\d.]*:)?(\d+)")
_PLAIN = re.compile(r"EPSG:\d+", re.IGNORECASE)
_HEAD = 100_000
"""Schemas are named by the outermost element, which begins within this."""
_TYPES = "GML_FIELDTYPES"
"""GDAL would guess types: 31E5 becomes a number."""


def layers(path: Path, name: str) -> tuple[str, ...]:
    """The types of features in the file."""
    request = Request(path, name)
    with _harmless(request) as (copy, _, _):
        return _layers(request, copy)


def read(request: Request) -> RawFeatures:
    """Every feature of one type.

    Coordinates come out easting (or longitude) first: a system named by a URN or an address of OGC has its axes in its
    own order, ``EPSG:4326`` longitude first, as GML 2 had it. Arcs become edges.

    Raises
    ------
    SourceError
        If it isn't safe or damaged, if features name different systems, or if not all features can be read.
    """
    with _harmless(request) as (copy, census, encoding):
        layer = chosen_layer(request, _layers(request, copy))
        census.check()
        frame, spatial, remarks = read_table(request, copy, DRIVER, layer)
    expected = census.features[local(layer)]
    if expected != len(frame):
        raise request.refusal(
            f"layer {layer!r} has {expected} features, but GDAL reads {len(frame)}; export it in another format"
        )
    frame = _typed(request, frame)
    frame = _with_system(request, census, frame)
    _check_system(request, census, frame)
    return RawFeatures(frame, request.name, DRIVER, remarks=remarks, layer=layer, encoding=encoding, spatial=spatial)


def _with_system(request: Request, census: _Census, frame: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """The frame in the system that only the box around the features names, which GDAL overlooks in GML 2.

    Taken only from a plain ``EPSG:4549``: under a URN, coordinates that GDAL hasn't exchanged may be northing first.
    """
    system = named_system(census.systems[0]) if frame.crs is None and census.systems else None
    if system is None or request.crs is not None:
        return frame
    name = census.systems[0]
    if not _PLAIN.fullmatch(name):
        raise request.refusal(
            f"only what is around its geometries names a system, srsName = {name!r}, and not in which order their "
            'coordinates are; look which is the easting, and declare the system, e.g. crs = "EPSG:4549"'
        )
    request.note(Severity.WARNING, "gml_system_around", value=name)
    return frame.set_crs(system)


def _check_system(request: Request, census: _Census, frame: gpd.GeoDataFrame) -> None:
    """The system is known, and the coordinates may be of it."""
    geometry, ids = frame.geometry.to_numpy(), frame["feature_id"].tolist()

    def called(row: int) -> str:
        return f"feature {ids[row]}"

    check_near(request, geometry, called)
    if frame.crs is None and census.systems:
        name = census.systems[0]
        if request.crs is None:
            raise request.refusal(
                f'PROJ doesn\'t know its system srsName = {name!r}; declare the true one, e.g. crs = "EPSG:4549"'
            )
        request.note(Severity.WARNING, "gml_unknown_system", value=name, declared=request.crs)
    if frame.crs is not None and frame.crs.is_geographic:
        check_degrees(request, geometry, called, because="in the order of axes that its srsName has")


@contextmanager
def _harmless(request: Request) -> Iterator[tuple[Path, _Census, str]]:
    """A copy of the file in UTF-8 that names no schema, so GDAL looks for none; what is in it; the file's encoding."""
    import pyogrio

    text, encoding = safe_text(request, DRIVER)
    census = _Census(request)
    parse(request, text, census.start, census.end, census.data)
    text = '<?xml version="1.0" encoding="UTF-8"?>' + _DECLARATION.sub("", text, count=1).lstrip()
    text = _SCHEMA.sub("", text[:_HEAD]) + text[_HEAD:]
    text = _OLD_URN.sub(r"urn:ogc:def:crs:EPSG::\1", text) if "urn:x-ogc" in text else text
    before = pyogrio.get_gdal_config_option(_TYPES)
    with tempfile.TemporaryDirectory(prefix="qpgis-") as folder:
        copy = Path(folder) / "data.gml"
        copy.write_text(text, "utf-8")
        pyogrio.set_gdal_config_options({_TYPES: "ALWAYS_STRING"})
        try:
            yield copy, census, encoding
        finally:
            pyogrio.set_gdal_config_options({_TYPES: before})


def _layers(request: Request, copy: Path) -> tuple[str, ...]:
    found = ogr_layers(copy, request.what, DRIVER)
    if not found:
        raise request.refusal("it holds no features")
    return found


def _typed(request: Request, frame: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """The frame with fields typed where that loses nothing, lists as JSON text, and the file's own ids."""
    import geopandas as gpd
    import pandas as pd

    names = [name for name in frame.columns if name not in (frame.geometry.name, "feature_id")]
    said = {name: [_plain(value) for value in frame[name]] for name in names}
    columns, _ = frame_columns({name: exact_numbers(values) for name, values in said.items()})
    own = next((said[name] for name in ("gml_id", "fid") if name in said), None)
    ids = frame["feature_id"] if own is None else pd.Series(feature_ids(request, own), dtype="str")
    return gpd.GeoDataFrame({**columns, "feature_id": ids}, geometry=frame.geometry.to_numpy(), crs=frame.crs)


def _plain(value: Any) -> Any:
    """A cell without pandas: ``None`` where there is nothing, several values as a list."""
    if hasattr(value, "tolist"):
        return value.tolist()
    return None if value is None or value != value else value


class _Census:
    """What is in the file, counted element by element, since GDAL leaves out in silence what it doesn't understand.

    Attributes
    ----------
    features : Counter
        How many there are of each type.
    systems : list of str
        The different ``srsName`` of geometries.
    """

    def __init__(self, request: Request) -> None:
        self.features: Counter[str] = Counter()
        self.systems: list[str] = []
        self._request = request
        self._around: list[str] = []
        self._feature = self._geometry = self._box = 0  # how deep the one that is open stands; 0: none is
        self._numbers: list[str] | None = None
        self._about = _Feature()
        self._of_collection: list[str] = []
        self._without: list[str] = []
        self._several: list[str] = []
        self._stated: dict[str, int] = {}

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """An element begins."""
        tag, within = local(name), self._around[-1] if self._around else ""
        if not self._around:
            self._begin_file(tag, attributes)
        self._around.append(tag)
        if len(self._around) > MOST_DEEP:
            raise self._request.refusal(too_deep())
        if not self._feature and within in _MEMBERS and not tag.endswith("FeatureCollection"):
            self._begin(tag, attributes)
        elif not self._box and tag == "boundedBy":
            self._box = len(self._around)
        if "srsName" in attributes:
            self._take_system(attributes["srsName"].strip())
        if self._feature and not self._box:
            self._shape(tag, attributes)

    def _begin_file(self, tag: str, attributes: dict[str, str]) -> None:
        """What the outermost element says: that the server failed, or how many features it found and sent."""
        if tag in ("ExceptionReport", "ServiceExceptionReport"):
            raise self._request.refusal("it is the report of a server's error, no data; download it again")
        self._stated = {
            name: int(text) for name, text in attributes.items() if name in _SENT + _THERE and text.isdecimal()
        }

    def _begin(self, tag: str, attributes: dict[str, str]) -> None:
        self._feature = len(self._around)
        self.features[tag] += 1
        ids = (value for key, value in attributes.items() if local(key) in ("id", "fid"))
        self._about = _Feature(next(ids, f"{tag} {self.features[tag] - 1}"))

    def _take_system(self, system: str) -> None:
        if not self._feature:
            self._of_collection.append(system)
        elif not self._box:
            self._about.named = True
            if system not in self.systems:
                self.systems.append(system)

    def _shape(self, tag: str, attributes: dict[str, str]) -> None:
        if tag in _GEOMETRIES and not self._geometry:
            self._geometry = len(self._around)
            self._about.geometries += 1
        elif tag in _NUMBERS and self._geometry and not attributes.keys() & {"decimal", "cs", "ts"}:
            self._numbers = []

    def data(self, text: str) -> None:
        """Text within an element."""
        if self._numbers is not None:
            self._numbers.append(text)

    def end(self, name: str) -> None:
        """An element ends."""
        depth = len(self._around)
        self._around.pop()
        if self._numbers is not None:
            words = "".join(self._numbers).replace(",", " ").split()
            odd = next((word for word in words if not _A_NUMBER.fullmatch(word)), None)
            if odd is not None:
                raise self._request.refusal(f"feature {self._about.id}: the coordinate {odd!r} is no number")
            self._numbers = None
        if depth == self._geometry:
            self._geometry = 0
        elif depth == self._box:
            self._box = 0
        elif depth == self._feature:
            self._feature = 0
            if self._about.geometries and not self._about.named:
                self._without.append(self._about.id)
            if self._about.geometries > 1:
                self._several.append(self._about.id)

    def check(self) -> None:
        """Raise unless all geometries are of one system; name features with more than one geometry, or left out."""
        self._compare_counts()
        if self._without:
            self.systems += [name for name in dict.fromkeys(self._of_collection) if name not in self.systems]
        if len(self.systems) > 1:
            raise self._request.refusal(
                f"its geometries name different systems, or one in different words, with different orders of axes: "
                f"{ids_text(self.systems)}; export one file for each"
            )
        if self.systems and self._without and not self._of_collection:
            raise self._request.refusal(
                f"{len(self._without)} features name no system, others do: {ids_text(self._without)}; export it again"
            )
        if self._several:
            count = len(self._several)
            self._request.note(Severity.WARNING, "gml_geometries", feature_id=ids_text(self._several), count=count)

    def _compare_counts(self) -> None:
        """Say where the server had more features than the file holds: it was cut, or is one page of several."""
        total = sum(self.features.values())
        sent, there = (max(self._stated.get(name, 0) for name in names) for names in (_SENT, _THERE))
        if sent > total:
            self._request.note(Severity.ERROR, "gml_features_missing", value=f"{total} / {sent}")
        elif there > total:
            self._request.note(Severity.WARNING, "gml_page", value=f"{total} / {there}")


@dataclass
class _Feature:
    """What is known of the feature that is open."""

    id: str = ""
    named: bool = False
    geometries: int = 0
