"""The indicators: one file a theme, one function an indicator, its definitions beside it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from qpgis.indicators import (
    control_lines,
    ecology,
    facilities,
    greenways,
    habitat,
    land,
    parks,
    roads,
    services,
    transit,
    villages,
    water,
)
from qpgis.indicators.declaration import Definition, Indicator, indicator

__all__ = ["Definition", "Indicator", "indicator", "registry"]


def registry() -> Mapping[str, Indicator]:
    """Every indicator by its id, in the order of outputs."""
    modules = (
        ecology,
        facilities,
        greenways,
        habitat,
        land,
        control_lines,
        parks,
        roads,
        services,
        transit,
        villages,
        water,
    )
    declared = [value for module in modules for value in vars(module).values() if isinstance(value, Indicator)]
    return MappingProxyType({one.id: one for one in declared})
