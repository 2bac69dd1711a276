"""``manifest.json``: what a run read, how it was set, and what it wrote."""

from __future__ import annotations

import importlib.metadata
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import qpgis
from qpgis.assessment import Assessment
from qpgis.plantables import threshold_lines
from qpgis.provenance import sha256_of

DECIDING = ("geopandas", "numpy", "osmium", "pandas", "pyogrio", "pyproj", "shapely")
"""The libraries whose version can change a digit."""


def manifest(assessment: Assessment, outputs: Path) -> dict[str, Any]:
    """What a run read and wrote, without clock, machine or absolute path.

    Parameters
    ----------
    assessment : Assessment
    outputs : Path
        The folder that holds all outputs but the manifest.
    """
    workspace = assessment.workspace
    definitions = [
        {
            "indicator": indicator,
            "definition": name,
            "version": d.version,
            "valid_from": d.valid_from,
            "approved_by": d.approved_by,
            "standing": d.standing,
            "settings": {**workspace.indicators[indicator].settings, **d.settings},
            "text": d.text("zh"),
        }
        for (indicator, name), d in assessment.definitions.items()
    ]
    return {
        "title": assessment.heading,
        "workspace": workspace.name,
        "period": workspace.period,
        "language": assessment.lang,
        "state": {
            "as_of": workspace.state.as_of.isoformat(),
            "statuses": sorted(workspace.state.statuses),
            "scenario": workspace.state.scenario,
        },
        "plane": {"name": str(workspace.area.plane), "definition": workspace.area.plane.definition},
        "plans": [
            {"id": p.id, "title": p.title, "document": p.document, "scope": p.scope, "targets": len(p.targets)}
            for p in workspace.plans
        ],
        "thresholds": {
            **asdict(workspace.thresholds),
            "said": list(threshold_lines(workspace.thresholds, assessment.lang)),
        },
        "definitions": definitions,
        "inputs": [{**asdict(i), "grade": str(i.grade or "")} for i in workspace.inputs],
        "rows": {kind: asdict(ledger) for kind, ledger in workspace.ledgers.items()},
        "findings": len(assessment.findings),
        "outputs": {path.name: sha256_of(path) for path in sorted(outputs.iterdir())},
        "versions": _versions(),
    }


def write_manifest(assessment: Assessment, folder: Path) -> None:
    """Write ``manifest.json`` beside the other outputs, keys sorted."""
    words = json.dumps(manifest(assessment, folder), ensure_ascii=False, indent=2, sort_keys=True)
    (folder / "manifest.json").write_text(words + "\n", encoding="utf-8")


def _versions() -> dict[str, str]:
    """The versions of qpgis and of everything that can change a digit."""
    import pyogrio
    import pyproj
    import shapely

    libraries = {name: importlib.metadata.version(name) for name in DECIDING}
    engines = {
        "GDAL": pyogrio.__gdal_version_string__,
        "GEOS": shapely.geos_version_string,
        "PROJ": pyproj.proj_version_str,
    }
    return {"qpgis": qpgis.__version__, **libraries, **engines}
