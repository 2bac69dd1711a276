"""``manifest.json``: what a run read, how it was set, and what it wrote."""

from __future__ import annotations

import importlib.metadata
import json
import platform
from dataclasses import asdict
from pathlib import Path
from typing import Any

import qpgis
from qpgis.amounts import Amount
from qpgis.area import ALL, StudyArea
from qpgis.assessment import Assessment
from qpgis.engine import Engine
from qpgis.plantables import threshold_lines
from qpgis.provenance import DECIDING_LIBRARIES, code_sha256, seal, sha256_of
from qpgis.shapes import border_sha256


def manifest(assessment: Assessment, outputs: Path, *, frozen: bool = False) -> dict[str, Any]:
    """What a run read and wrote, without clock, machine or absolute path.

    Parameters
    ----------
    assessment : Assessment
    outputs : Path
        The folder that holds all outputs but the manifest.
    frozen : bool
        Whether nothing is to be written over these outputs any more.
    """
    written = {path.name: sha256_of(path) for path in sorted(outputs.iterdir())}
    found = {**about_run(assessment), "outputs": written, **({"frozen": True} if frozen else {})}
    return {**found, "sha256": seal(found)}


def about_run(assessment: Assessment) -> dict[str, Any]:
    """What a run read and how it was set."""
    workspace = assessment.workspace
    plane = workspace.area.plane
    definitions = [
        {
            "indicator": indicator,
            "definition": name,
            "file": workspace.indicators[indicator].file,
            "source": d.source,
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
        "asked": {**workspace.opened, **assessment.asked},
        "workspace": workspace.name,
        "period": workspace.period,
        "language": assessment.lang,
        "signoff": _signoff(assessment),
        "state": {
            "as_of": workspace.state.as_of.isoformat(),
            "statuses": sorted(workspace.state.statuses),
            "scenario": workspace.state.scenario,
        },
        "plane": {"name": str(plane), "definition": plane.definition, "centre_deg": [plane.lon_deg, plane.lat_deg]},
        "zones": _zones(workspace.area),
        "titles": {row.indicator: assessment.title(row.indicator) for row in assessment.rows},
        "plans": [
            {
                **{key: getattr(p, key) for key in ("id", "title", "document", "scope", "sha256")},
                "targets": len(p.targets),
            }
            for p in workspace.plans
        ],
        "thresholds": {
            **asdict(workspace.thresholds),
            "said": list(threshold_lines(workspace.thresholds, assessment.lang)),
        },
        "definitions": definitions,
        "inputs": [{**asdict(i), "grade": str(i.grade or "")} for i in workspace.inputs],
        "secrecy": {
            "level": str(assessment.secrecy),
            "audience": str(assessment.audience or ""),
            "withheld": asdict(assessment.withheld),
            "map_approval": workspace.map_approval,
        },
        "rows": {kind: asdict(ledger) for kind, ledger in workspace.ledgers.items()},
        "values": len(assessment.rows),
        "findings": len(assessment.findings),
        "versions": _versions(),
        "code": code_sha256(),
    }


def _signoff(assessment: Assessment) -> dict[str, Any]:
    """Who signed which result, whether it is this one, and the hash of this one."""
    signoff = assessment.workspace.signoff
    said = {} if signoff is None else signoff.model_dump(mode="json", exclude={"result"})
    signed = signoff.result if signoff is not None else ""
    return {**said, "status": str(assessment.signing), "signed": signed, "result": assessment.result_sha256}


def _zones(area: StudyArea) -> list[dict[str, str]]:
    """Every zone and group with its area and a hash of its border; not the cells of a grid, which follow from them."""
    engine, found = Engine(area), []
    areas = dict(zip(area.base.ids, engine.zone_areas(area.base), strict=True))
    for group in area.groups:
        members = area.base.ids if group.members == ALL else group.members
        areas[group.id] = sum(areas[member] for member in members)
    for zones in area.own:
        areas |= dict(zip(zones.ids, engine.zone_areas(zones), strict=True))
    for zones in (*area.measured, *area.group_sets):
        for id_, name, border in zip(zones.ids, zones.names, border_sha256(zones.lonlat), strict=True):
            said = {"id": id_, "name": name, "level": zones.level, "area_km2": Amount(areas[id_], "m2").exact}
            found.append({**said, "shape": border})
    return found


def write_manifest(assessment: Assessment, folder: Path, *, frozen: bool = False) -> None:
    """Write ``manifest.json`` beside the other outputs, keys sorted."""
    words = json.dumps(manifest(assessment, folder, frozen=frozen), ensure_ascii=False, indent=2, sort_keys=True)
    (folder / "manifest.json").write_text(words + "\n", encoding="utf-8")


def _versions() -> dict[str, str]:
    """The versions of qpgis and of everything that can change a digit."""
    import pyogrio
    import pyproj
    import shapely

    libraries = {name: importlib.metadata.version(name) for name in DECIDING_LIBRARIES}
    engines = {
        "GDAL": pyogrio.__gdal_version_string__,
        "GEOS": shapely.geos_version_string,
        "PROJ": pyproj.proj_version_str,
    }
    return {"qpgis": qpgis.__version__, "Python": platform.python_version(), **libraries, **engines}
