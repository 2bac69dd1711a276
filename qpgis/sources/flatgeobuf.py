"""FlatGeobuf."""

from __future__ import annotations

from pathlib import Path

from qpgis.sources import RawFeatures, Request
from qpgis.sources.local import aside
from qpgis.sources.ogr import ogr_layers, read_ogr

DRIVER = "FlatGeobuf"


def layers(path: Path, name: str) -> tuple[str, ...]:
    """The names of the layers in the file."""
    with aside(path) as plain:
        return ogr_layers(plain, name, DRIVER)


def read(request: Request) -> RawFeatures:
    """Every feature of one layer."""
    with aside(request.path) as plain:
        return read_ogr(request, plain, DRIVER)
