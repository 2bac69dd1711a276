"""The inputs of a run that was written into a folder, opened again to be replayed."""

from __future__ import annotations

from pathlib import Path

from qpgis.errors import SourceError
from qpgis.scenarios.compare import MANIFEST, Recorded
from qpgis.scenarios.named import as_it_was
from qpgis.workspace import Workspace
from qpgis.workspace.loading import Progress, silent
from qpgis.workspace.reopening import inputs_changed, reopened


def inputs_of(run: Recorded, place: Path | Workspace | None, *, progress: Progress = silent) -> Workspace:
    """The workspace of a run as the run had it.

    Parameters
    ----------
    run : Recorded
    place : Path, Workspace or None
        Where it is, or itself as it was opened; ``None`` is the embedded workspace.
    progress : callable, optional
        Called with the name of each stage.

    Raises
    ------
    SourceError
        If it isn't what the run read, with the files that aren't.
    """
    try:
        workspace = place if isinstance(place, Workspace) else _opened(run, place, progress)
        changed = inputs_changed(run.about, workspace)
    except (KeyError, TypeError, AttributeError) as error:  # whatever else an edited manifest may be
        raise SourceError(f"{run.name}/{MANIFEST}: is no manifest of qpgis ({error!r}); run again") from error
    if changed:
        raise SourceError(
            f"{_name(place)}: {', '.join(changed)} not as {run.name} read it, so its values can't be "
            "replayed; name the workspace as it was then, or leave it out to compare only"
        )
    return workspace


def _opened(run: Recorded, place: Path | None, progress: Progress) -> Workspace:
    """The workspace, in the run's scenario."""
    return as_it_was(reopened(run.about, place, progress=progress), run.about)


def _name(place: Path | Workspace | None) -> str:
    return place.name if isinstance(place, Workspace) else str(place or "embedded")
