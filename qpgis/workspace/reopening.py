"""Opening a workspace again as a run had it: what its manifest says, and whether the files still are what it read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qpgis.errors import SourceError
from qpgis.provenance import Grade
from qpgis.workspace import Workspace
from qpgis.workspace.config import ZonesTable
from qpgis.workspace.loading import Progress, open_workspace, silent
from qpgis.workspace.osm import osm_workspace

ASKED_OF_ASSESS = ("level", "definitions", "indicators")
"""What of ``asked`` isn't about the workspace."""
TABLES = frozenset({"plan", "statistics", "reported", "baselines", "targets", "control_areas"})
"""Roles of inputs that no value is computed from."""


def reopened(
    manifest: Mapping[str, Any], place: Path | None, *, zones: Path | None = None, progress: Progress = silent
) -> Workspace:
    """The workspace of a run, in its period and with its zones.

    Parameters
    ----------
    manifest : mapping
        What the run's ``manifest.json`` says.
    place : Path or None
        The workspace, or the OpenStreetMap extract; ``None`` is the embedded workspace.
    zones : Path, optional
        The file that replaced the workspace's zones, where one did; by default as the manifest names it.
    progress : callable, optional
        Called with the name of each stage.

    Raises
    ------
    SourceError
        If it was an OpenStreetMap extract and none is given, or other zones that aren't where they were.
    """
    asked = {key: value for key, value in manifest["asked"].items() if key not in ASKED_OF_ASSESS}
    if "zones_level" in asked:
        if place is None:
            raise SourceError("it was computed from an OpenStreetMap extract; name it")
        return osm_workspace(place, **asked, lang=manifest["language"], progress=progress)
    table = asked.pop("zones", None)
    if table is not None:
        if zones is None and not Path(table["file"]).exists():
            raise SourceError(f"it was computed over the zones of {table['file']}; name that file (--zones)")
        table = ZonesTable(**table | {"file": str(zones or table["file"]), "grade": Grade(table["grade"])})
    settings = {"period": manifest["period"], "lang": manifest["language"], "zones": table, "cache": False, **asked}
    return open_workspace(place, **settings, progress=progress)


def inputs_changed(manifest: Mapping[str, Any], workspace: Workspace) -> list[str]:
    """The files that values are computed from and that aren't what a run read; named as the run did, or as today."""
    then = {(one["role"], one["sha256"]): one["name"] for one in manifest["inputs"] if _decides(one["role"])}
    now = {(one.role, one.sha256): one.name for one in workspace.inputs if _decides(one.role)}
    return sorted(
        {name for here, there in ((then, now), (now, then)) for key, name in here.items() if key not in there}
    )


def _decides(role: str) -> bool:
    return not (role in TABLES or role.startswith("reference.") or role.endswith(".accuracy"))
