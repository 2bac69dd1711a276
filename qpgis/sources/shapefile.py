"""Shapefile."""

from __future__ import annotations

from pathlib import Path

from qpgis.sources import RawFeatures, Request
from qpgis.sources.ogr import read_ogr

DRIVER = "ESRI Shapefile"


def layers(path: Path, name: str) -> tuple[str, ...]:
    """The name of the one layer that the file is."""
    return (path.stem,)


def read(request: Request) -> RawFeatures:
    """Every feature."""
    return read_ogr(request, request.path, DRIVER)
