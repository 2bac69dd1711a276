"""GeoJSON."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from qpgis.sources import Bounds, RawFeatures, Request
from qpgis.sources.local import aside
from qpgis.sources.ogr import ogr_layers, read_ogr

DRIVER = "GeoJSON"


def layers(path: Path, name: str) -> tuple[str, ...]:
    """The name of the one layer that the file is."""
    with aside(path) as plain:
        return ogr_layers(plain, name, DRIVER)


def read(request: Request) -> RawFeatures:
    """Every feature."""
    with aside(request.path) as plain:
        # boxes in the headers of other formats are those of their features, written by the software: they state nothing
        return replace(read_ogr(request, plain, DRIVER), bounds=_flat_bounds(_stated_bbox(request.path)))


def _stated_bbox(path: Path) -> Any:
    """The ``bbox`` member of a GeoJSON file, if it has one."""
    try:
        return json.loads(path.read_bytes()).get("bbox")
    except (ValueError, AttributeError):
        return None


def _flat_bounds(stated: Any) -> Bounds | None:
    """West, south, east, north of a stated 2D or 3D box, ``None`` where there is none."""
    numbers = isinstance(stated, list) and all(isinstance(v, int | float) for v in stated)
    values = [float(v) for v in stated] if numbers else []
    if len(values) == 6:
        values = values[0:2] + values[3:5]
    if len(values) != 4 or any(v != v or abs(v) == float("inf") for v in values):
        return None
    west, south, east, north = values
    return west, south, east, north
