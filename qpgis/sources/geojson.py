"""GeoJSON (RFC 7946): checked strictly, read without GDAL, which lets much pass in silence.

``jsontext`` takes the file apart, feature by feature; ``jsonshapes`` makes geometries and columns of them, on whole
arrays. Here stands what needs all features: ids, the reference system, stated boxes.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import shapely

from qpgis.crs import LONLAT
from qpgis.findings import Severity, ids_text
from qpgis.sources import Bounds, RawFeatures, Request
from qpgis.sources.ids import feature_ids, say_repeated
from qpgis.sources.jsonshapes import (
    GEOMETRIES,
    Features,
    Wrong,
    as_text,
    column,
    first_wrong,
    flat_bounds,
    frame_columns,
    no_collector,
)
from qpgis.sources.jsontext import Document
from qpgis.sources.ogr import chosen_layer
from qpgis.sources.places import check_degrees, check_near
from qpgis.sources.srs import named_system

if TYPE_CHECKING:
    import geopandas as gpd
    from pyproj import CRS

DRIVER = "GeoJSON"
FEATURES_AT_ONCE = 2_000
"""How many features stand in memory as JSON at any time."""
ROUNDED = 1e-6
"""A stated box may be rounded by this much."""
MISPLACED = frozenset(["coordinates", "geometries", "geometry", "properties", "features"])
"""Members that mean something, but elsewhere."""
OTHER_FORMATS = {
    "Topology": "TopoJSON; convert it to GeoJSON (mapshaper: -o format=geojson)",
    "CityJSON": "CityJSON; export its outlines as GeoJSON",
}
_ESRI = "Esri JSON (from an ArcGIS service); fetch it with f=geojson, or export it as GeoJSON"


def layers(path: Path, name: str) -> tuple[str, ...]:
    """The name of the one layer that the file is."""
    return (path.stem,)


def read(request: Request) -> RawFeatures:
    """Every feature.

    A member ``crs`` of the older GeoJSON 2008 is heeded; without one the coordinates are WGS 84, as the standard says.

    Raises
    ------
    SourceError
        If it isn't GeoJSON, if a geometry is broken, if the coordinates are no degrees and no system says what they
        are, or if a feature crosses the antimeridian. Feature and remedy are named; features count from 0.
    """
    try:
        return _read(request)
    except RecursionError:
        raise request.refusal("it isn't GeoJSON: brackets within brackets, hundreds deep") from None


def _read(request: Request) -> RawFeatures:
    document = Document(request)
    features = _features(request, document)
    _check_outermost(request, document)
    if request.layer is not None and request.layer != document.members.get("name"):
        chosen_layer(request, layers(request.path, request.name))
    geometry, ids = features.geometry(), _ids(request, features)
    said = _said_system(request, document, features)
    _check_places(request, features, geometry, said)
    _note_faults(request, features, geometry, ids)
    frame = _frame(request, features, geometry, ids)
    return RawFeatures(
        frame.set_crs(LONLAT if said is None else said or None),
        request.name,
        DRIVER,
        _stated_bounds(request, document, geometry),
        layer=request.layer or request.path.stem,
        encoding=document.encoding,
        default_crs=said is None,
    )


# structure


def _features(request: Request, document: Document) -> Features:
    """The features of the file, some at a time; of broken ones the first is named."""
    features, coming = Features(), document.features()
    with no_collector():
        while some := list(islice(coming, FEATURES_AT_ONCE)):
            try:
                features.add(some)
            except Wrong as why:
                raise _broken(request, some, len(features), str(why)) from None
    return features


def _broken(request: Request, some: Sequence[Any], first: int, why: str) -> Exception:
    """The refusal of some features, of which the first wrong one is named."""
    found = first_wrong(some)
    if found is None:
        return request.refusal(f"feature {first}: {why}")
    return _not_geojson(request, some[found[0]], first + found[0], found[1])


def _not_geojson(request: Request, feature: Any, number: int, why: str) -> Exception:
    if isinstance(feature, dict):
        if "attributes" in feature and "type" not in feature:
            return request.refusal(f"it is no GeoJSON but {_ESRI}")
        id_ = feature.get("id")
        if id_ is not None:
            return request.refusal(f"can't be read as GeoJSON: feature {number} (id {id_!r}): {why}")
    return request.refusal(f"can't be read as GeoJSON: feature {number}: {why}")


def _check_outermost(request: Request, document: Document) -> None:
    """The outermost object is a FeatureCollection, or a Feature or geometry that was read as the one feature."""
    members = document.members
    said = members.get("type")
    if "type" not in members and ("geometryType" in members or "spatialReference" in members):
        raise request.refusal(f"it is no GeoJSON but {_ESRI}")
    if said == "FeatureCollection":
        if "features" not in members:
            raise request.refusal("can't be read as GeoJSON: the FeatureCollection has no 'features'; export it again")
        misplaced = sorted((MISPLACED - {"features"}) & set(members))
        if misplaced:
            request.note(Severity.WARNING, "geojson_foreign_members", value=ids_text(misplaced))
    elif document.listed and said in ("Feature", *GEOMETRIES):
        raise request.refusal(f"can't be read as GeoJSON: a {said} with a list of 'features'; take one of them out")
    elif isinstance(said, str) and said in OTHER_FORMATS:
        raise request.refusal(f"it is no GeoJSON but {OTHER_FORMATS[said]}")
    elif said not in ("Feature", *GEOMETRIES):
        raise request.refusal(
            f"can't be read as GeoJSON: its 'type' is {json.dumps(said, ensure_ascii=False)}; "
            "it has to be 'FeatureCollection', 'Feature' or the type of a geometry, in this spelling"
        )


# ids and columns


def _ids(request: Request, features: Features) -> np.ndarray:
    """The features' ids; where none has one, their places, and a property ``id`` ought to be unique."""
    if not any(id_ is not None for id_ in features.ids):
        say_repeated(request, [as_text(value) for value in features.columns.get("id", ()) if value is not None])
    return feature_ids(request, features.ids)


def _frame(request: Request, features: Features, geometry: np.ndarray, ids: np.ndarray) -> gpd.GeoDataFrame:
    """Properties, ids and geometries, yet without a system."""
    import geopandas as gpd
    import pandas as pd

    try:
        columns, mixed = frame_columns(features.columns)
    except Wrong as why:
        raise request.refusal(str(why)) from None
    if mixed:
        request.note(Severity.INFO, "geojson_mixed_values", value=ids_text(mixed))
    if any(id_ is not None for id_ in features.ids):
        columns.setdefault("id", column(features.ids)[0])
    columns.setdefault("feature_id", pd.Series(ids, dtype="str"))
    return gpd.GeoDataFrame(columns, geometry=geometry)


# the reference system


def _said_system(request: Request, document: Document, features: Features) -> CRS | Literal[False] | None:
    """What the members ``crs`` say: a system; False for ``null``; ``None`` where there is no such member."""
    said = [document.members["crs"]] if "crs" in document.members else []
    if features.systems and not said and document.members.get("type") == "FeatureCollection":
        request.note(Severity.WARNING, "geojson_crs_in_feature", value=as_text(features.systems[0])[:200])
    said += [crs for crs in features.systems if crs not in said]
    if not said:
        return None
    if len(said) > 1:
        raise request.refusal("its features name different reference systems in 'crs'; export one file for each")
    if said[0] is None:
        return False
    system = named_system(_system_name(said[0]))
    if system is None and request.crs is None:
        raise request.refusal(
            f"its member 'crs' names no reference system that PROJ knows: {as_text(said[0])}; declare the true one, "
            'e.g. crs = "EPSG:4549", or take the member out if the coordinates are WGS 84 degrees'
        )
    if system is None:
        request.note(Severity.WARNING, "geojson_unknown_crs", value=as_text(said[0]), declared=request.crs)
    return system or False


def _system_name(member: Any) -> str:
    """The name in ``{"type": "name", "properties": {"name": ...}}``, or the code of earlier drafts; else empty."""
    if not isinstance(member, dict) or not isinstance(properties := member.get("properties"), dict):
        return ""
    if member.get("type") == "name" and isinstance(name := properties.get("name"), str):
        return name
    return f"EPSG:{properties.get('code')}" if member.get("type") == "EPSG" else ""


def _check_places(
    request: Request, features: Features, geometry: np.ndarray, said: CRS | Literal[False] | None
) -> None:
    """No coordinate is beyond reason; degrees are degrees."""

    def called(row: int) -> str:
        return f"feature {row}" + (f" (id {id_!r})" if (id_ := features.ids[row]) is not None else "")

    check_near(request, geometry, called)
    if said and said.is_geographic:
        check_degrees(request, geometry, called, because="as its 'crs' says")
    elif said is None and request.crs is None:
        check_degrees(request, geometry, called, because="as GeoJSON without 'crs' has to be")


# what is said besides


def _note_faults(request: Request, features: Features, geometry: np.ndarray, ids: np.ndarray) -> None:
    """What was mended or left out."""
    rows = features.rows

    def of(some: list[int]) -> dict[str, Any]:
        return {"feature_id": ids_text(ids[some].tolist()), "count": len(some)}

    if rows["closed"]:
        request.note(Severity.WARNING, "text_ring_closed", **of(rows["closed"]))
    if rows["more"]:
        request.note(Severity.WARNING, "geojson_more_numbers", **of(rows["more"]))
    if rows["heights"]:
        request.note(Severity.INFO, "geojson_heights", **of(rows["heights"]))
    if rows["bare"]:
        request.note(Severity.WARNING, "geojson_without_properties", **of(rows["bare"]))
    if rows["odd_ids"]:
        request.note(Severity.WARNING, "geojson_odd_id", **of(rows["odd_ids"]))
    boxes = sorted({row for row, box in features.boxes if not _may_hold(box, geometry[row])})
    if boxes:
        request.note(Severity.WARNING, "geojson_bbox_of_feature", **of(boxes))
    if features.foreign:
        severity = Severity.WARNING if features.foreign & MISPLACED else Severity.INFO
        request.note(severity, "geojson_foreign_members", value=ids_text(sorted(features.foreign)))


def _may_hold(box: Any, geometry: shapely.Geometry | None) -> bool:
    """True if a stated box is one, and the geometry isn't wholly elsewhere."""
    bounds = flat_bounds(box)
    return bounds is not None and (geometry is None or geometry.is_empty or _meet(bounds, geometry.bounds))


def _meet(one: Bounds, other: Bounds) -> bool:
    """True if two boxes touch, but for a rounding in the ninth decimal."""
    near = 1e-9
    apart = [one[n] - other[n + 2] > near or other[n] - one[n + 2] > near for n in (0, 1)]
    return not any(apart)


def _stated_bounds(request: Request, document: Document, geometry: np.ndarray) -> Bounds | None:
    """The box that the file states; ``None`` where it states none or it isn't one of these features."""
    stated = document.members.get("bbox")
    if stated is None or document.members["type"] != "FeatureCollection":
        return None
    bounds = flat_bounds(stated)
    if bounds is None:
        request.note(Severity.WARNING, "geojson_bbox", value=as_text(stated)[:200])
        return None
    if shapely.is_missing(geometry).all():
        return bounds
    hull = shapely.total_bounds(geometry)
    if not _meet(bounds, hull):
        request.note(Severity.WARNING, "geojson_bbox", value=as_text(stated)[:200])
        return None
    if (np.array([bounds[0] - hull[0], bounds[1] - hull[1], hull[2] - bounds[2], hull[3] - bounds[3]]) > ROUNDED).any():
        request.note(Severity.WARNING, "geojson_bbox_exceeded", value=as_text(stated)[:200])
    return bounds
