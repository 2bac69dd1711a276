"""Tables with coordinates or well-known text, CSV and XLSX."""

from __future__ import annotations

from pathlib import Path

from qpgis.sources import RawFeatures, Request


def layers(path: Path, name: str) -> tuple[str, ...]:
    """The names of the layers in the file."""
    raise NotImplementedError


def read(request: Request) -> RawFeatures:
    """Every feature of one layer."""
    raise NotImplementedError
