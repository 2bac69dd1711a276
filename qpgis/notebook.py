"""The public face in a notebook: an assessment that draws its own map and writes its own files."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qpgis.assessment import Assessment
from qpgis.assessment import assess as _assess
from qpgis.workspace import Workspace

if TYPE_CHECKING:
    import folium


class Result(Assessment):
    """An :class:`~qpgis.assessment.Assessment` with a map and files."""

    def map(self) -> folium.Map:
        """The map of all zones, indicators and layers; it shows itself in a notebook, ``.save()`` writes a file."""
        from qpgis.maps import planning_map
        from qpgis.maps.result import scene_of

        return planning_map(scene_of(self))

    def write(self, folder: str | Path) -> tuple[Path, ...]:
        """Write every output of ``qpgis run`` into a folder, whole or not at all, and return their paths."""
        from qpgis.report.outputs import write_outputs

        return write_outputs(self, Path(folder))


def assess(workspace: Workspace, **settings: Any) -> Result:
    """All indicators of a workspace for all its zones, held against the targets.

    Takes the settings of :func:`qpgis.assessment.assess`: ``level``, ``definitions``, ``indicators``, ``lang``.
    """
    assessment = _assess(workspace, **settings)
    return Result(**{f.name: getattr(assessment, f.name) for f in fields(assessment)})
