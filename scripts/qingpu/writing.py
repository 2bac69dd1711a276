"""GeoJSON in one spelling: the same features give the same bytes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from shapely import Polygon
from shapely.geometry import MultiPolygon, mapping
from shapely.geometry.base import BaseGeometry

from qingpu.geometry import canonical, rounded

Feature = dict[str, Any]


def feature(geometry: BaseGeometry, /, **properties: Any) -> Feature:
    """A GeoJSON feature; properties keep the order in which they are given."""
    if isinstance(geometry, Polygon | MultiPolygon):
        geometry = canonical(geometry)
    return {"type": "Feature", "properties": properties, "geometry": _listed(mapping(rounded(geometry)))}


def _listed(geometry: dict[str, Any]) -> dict[str, Any]:
    return {"type": geometry["type"], "coordinates": geometry["coordinates"]}


def write(path: Path, features: list[Feature]) -> None:
    """One feature a line, UTF-8, ending in a newline."""
    name = json.dumps(path.stem)
    lines = ",\n".join(json.dumps(f, ensure_ascii=False, separators=(",", ":")) for f in features)
    path.parent.mkdir(parents=True, exist_ok=True)
    text = f'{{"type":"FeatureCollection","name":{name},"features":[\n{lines}\n]}}\n'
    path.write_text(text, encoding="utf-8", newline="\n")
