"""qpgis: planning indicators, held against the plan's targets. Exact, traceable, offline.

>>> import qpgis as qp
>>> ws = qp.open_workspace()
>>> ws.name
'青浦区'

The names below are imported when they are first used, so that ``import qpgis`` and ``qpgis --help`` are instant.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qpgis.indicators import Definition, indicator
    from qpgis.notebook import (
        Answer,
        ControlChecks,
        Result,
        assess,
        compare,
        control_checks,
        gap,
        scenario_table,
        what_if,
    )
    from qpgis.parts import Ratio, Total
    from qpgis.scenarios.what_if import Change
    from qpgis.workspace.loading import open_workspace
    from qpgis.workspace.osm import osm_workspace

__version__ = "0.1.0"
__all__ = [
    "Answer",
    "Change",
    "ControlChecks",
    "Definition",
    "Ratio",
    "Result",
    "Total",
    "assess",
    "compare",
    "control_checks",
    "gap",
    "indicator",
    "open_workspace",
    "osm_workspace",
    "scenario_table",
    "what_if",
]

_HOMES = {
    "Answer": "qpgis.notebook",
    "Change": "qpgis.scenarios.what_if",
    "ControlChecks": "qpgis.notebook",
    "Definition": "qpgis.indicators",
    "Ratio": "qpgis.parts",
    "Result": "qpgis.notebook",
    "Total": "qpgis.parts",
    "assess": "qpgis.notebook",
    "compare": "qpgis.notebook",
    "control_checks": "qpgis.notebook",
    "gap": "qpgis.notebook",
    "indicator": "qpgis.indicators",
    "open_workspace": "qpgis.workspace.loading",
    "osm_workspace": "qpgis.workspace.osm",
    "scenario_table": "qpgis.notebook",
    "what_if": "qpgis.notebook",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'qpgis' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
