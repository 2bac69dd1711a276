"""GeoJSON in one spelling: the same features give the same bytes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from shapely import Polygon
from shapely.geometry import MultiPolygon, mapping
from shapely.geometry.base import BaseGeometry

from qingpu.geometry import canonical, rounded
from qpgis.synth.writing import write_feature_collection

Feature = dict[str, Any]


def feature(geometry: BaseGeometry, /, **properties: Any) -> Feature:
    """A GeoJSON feature; properties keep the order in which they are given."""
    if isinstance(geometry, Polygon | MultiPolygon):
        geometry = canonical(geometry)
    shape = mapping(rounded(geometry))
    written = {key: shape[key] for key in ("type", "coordinates")}
    return {"type": "Feature", "properties": properties, "geometry": written}


def write(path: Path, features: list[Feature]) -> None:
    """A file of features, in their order."""
    write_feature_collection(path, (json.dumps(f, ensure_ascii=False, separators=(",", ":")) for f in features))
