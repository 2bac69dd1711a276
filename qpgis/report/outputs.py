"""All outputs of a run, written whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from qpgis.assessment import Assessment, Withheld
from qpgis.disclosure import said_of, seen_by
from qpgis.errors import OutputError
from qpgis.maps import html, planning_map
from qpgis.maps.result import scene_of
from qpgis.provenance import Audience, Secrecy, staged_outputs
from qpgis.report.evidence import write_evidence
from qpgis.report.manifest import write_manifest
from qpgis.report.tables import write_findings_csv, write_gpkg, write_indicators_csv, write_land_areas_csv, write_xlsx

Writer = Callable[[Assessment, Path], None]


def write_map(assessment: Assessment, path: Path) -> None:
    """``map.html``: one file that opens anywhere, without a network."""
    path.write_text(html(planning_map(scene_of(assessment))), encoding="utf-8", newline="\n")


MANIFEST = "manifest.json"
"""What is written last, of all the others."""
OUTPUTS: dict[str, Writer] = {
    "indicators.csv": write_indicators_csv,
    "indicators.xlsx": write_xlsx,
    "indicators.gpkg": write_gpkg,
    "findings.csv": write_findings_csv,
    "map.html": write_map,
}
"""Every output by its name, in the order of writing."""
LAND_AREAS: dict[str, Writer] = {"land_areas.csv": write_land_areas_csv}
"""What is written where the workspace names fields of stated areas, or control areas."""


def write_secrecy(assessment: Assessment, path: Path) -> None:
    """``secrecy.txt``: what tables of fixed columns can't say, their level and what was left out."""
    path.write_text("".join(f"{line}\n" for line in said_of(assessment)), encoding="utf-8", newline="\n")


SECRECY: dict[str, Writer] = {"secrecy.txt": write_secrecy}
"""What is written where not everything is for everybody."""
EVIDENCE: dict[str, Writer] = {"evidence.gpkg": write_evidence}
"""What is written where it is asked for."""


def _of_earlier_runs(folder: Path, outputs: Mapping[str, Writer]) -> list[str]:
    """What the run that is being replaced wrote, and this one doesn't: a folder holds the outputs of one run."""
    try:
        written = json.loads((folder / MANIFEST).read_text("utf-8"))["outputs"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return []
    optional = (
        name for name in (*LAND_AREAS, *SECRECY, *EVIDENCE) if name not in outputs and (folder / name).is_file()
    )
    return [name for name in optional if isinstance(written, dict) and name in written]


def write_file(write: Writer, assessment: Assessment, path: Path) -> None:
    """Write one output; a library's own errors of a full or read-only disk become ours."""
    from xlsxwriter.exceptions import XlsxWriterException

    try:
        write(assessment, path)
    except XlsxWriterException as error:
        raise OutputError(f"{path.name}: writing failed ({error}); the old outputs are untouched") from error


def write_level(several: Iterable[Assessment], folder: Path) -> tuple[Path, ...]:
    """``secrecy.txt`` beside a table of fixed columns, of the strictest result in it; none where all is public."""
    most = max(several, key=lambda one: list(Secrecy).index(one.secrecy))
    if most.secrecy is Secrecy.PUBLIC and most.withheld == Withheld():
        return ()
    with staged_outputs(folder) as stage:
        for name, write in SECRECY.items():
            write_file(write, most, stage / name)
    return tuple(folder / name for name in SECRECY)


def write_outputs(
    assessment: Assessment,
    folder: Path,
    *,
    audience: Audience | str = Audience.LEADER,
    evidence: bool = False,
    frozen: bool = False,
    progress: Callable[[str], None] = lambda stage: None,
) -> tuple[Path, ...]:
    """Write every output and ``manifest.json`` into a folder; what the values are made of too, if ``evidence``.

    They hold what the audience may see, see :mod:`qpgis.disclosure`.

    Nothing in the folder changes before all files have been written; the manifest comes last. What only the run before
    wrote there is removed. Over ``frozen`` outputs nothing is ever written.

    Raises
    ------
    OutputError
        If the folder can't be written; the old outputs are untouched.
    ConfigError
        If the audience may see no value, or no borders of zones.
    """
    assessment = seen_by(assessment, audience)
    secrecy = SECRECY if assessment.secrecy is not Secrecy.PUBLIC or assessment.withheld != Withheld() else {}
    land_areas = LAND_AREAS if assessment.workspace.land_areas is not None else {}
    outputs = {**OUTPUTS, **land_areas, **secrecy, **(EVIDENCE if evidence else {})}
    with staged_outputs(folder, without=lambda: _of_earlier_runs(folder, outputs)) as stage:
        for name, write in outputs.items():
            progress(f"writing {name}")
            write_file(write, assessment, stage / name)
        write_manifest(assessment, stage, frozen=frozen)
    return tuple(folder / name for name in (*outputs, MANIFEST))
