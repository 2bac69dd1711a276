"""What ``qpgis check`` writes and says: the findings as a table, their places as a GeoPackage, a map of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from qpgis.assessment import Assessment
from qpgis.catalogue import Lang, text
from qpgis.contracts import Breach
from qpgis.disclosure import seen_by
from qpgis.indicators.declaration import Declared
from qpgis.maps import html, planning_map
from qpgis.maps.checked import checked_scene, places
from qpgis.provenance import Audience, dateless_gpkg, require_rows, staged_outputs
from qpgis.report.outputs import Writer, write_file
from qpgis.report.tables import write_findings_csv
from qpgis.rows import Row


def write_places(assessment: Assessment, path: Path) -> None:
    """``findings.gpkg``: a point for every finding that has a place, with the columns of ``findings.csv``."""
    import pyogrio

    frame = places(assessment.findings)
    with dateless_gpkg(path) as plain:
        pyogrio.write_dataframe(frame, plain, layer="findings", driver="GPKG", geometry_type="Point")
        require_rows(plain, "findings", len(frame))


def write_findings_map(assessment: Assessment, path: Path) -> None:
    """``findings.html``: the findings on the map of the workspace."""
    path.write_text(html(planning_map(checked_scene(assessment))), encoding="utf-8", newline="\n")


def missing_lines(assessment: Assessment) -> Iterator[str]:
    """The indicators that have no value anywhere, each with the reason."""
    rows: dict[str, list[Row]] = {}
    for row in assessment.rows:
        rows.setdefault(row.indicator, []).append(row)
    for indicator, found in rows.items():
        if all(row.value is None for row in found):
            words = {"name": assessment.title(indicator), "reason": found[0].note}
            yield text("check_not_computable", assessment.lang, **words)


def breach_lines(breaches: Iterable[Breach], indicators: Mapping[str, Declared], lang: Lang) -> Iterator[str]:
    """The contracts that indicators break: of each indicator its name, and a line for each that it breaks."""
    told = ""
    for one in breaches:
        if one.indicator != told:
            told = one.indicator
            yield f"{indicators[told].title(lang)} {told}" + (f" ({one.file})" if one.file else "")
        yield f"  {one.definition}: {text(f'contract_{one.contract}', lang)}: {one.why}"


CHECKS: dict[str, Writer] = {
    "findings.csv": write_findings_csv,
    "findings.gpkg": write_places,
    "findings.html": write_findings_map,
}
"""Every file of a check by its name."""


def write_checks(
    assessment: Assessment, folder: Path, *, audience: Audience | str = Audience.INTERNAL
) -> tuple[Path, ...]:
    """Write the findings into a folder, whole or not at all; by default for those who mend the data.

    Raises
    ------
    OutputError
        If the folder can't be written; the old files are untouched.
    """
    assessment = seen_by(assessment, audience)
    with staged_outputs(folder) as stage:
        for name, write in CHECKS.items():
            write_file(write, assessment, stage / name)
    return tuple(folder / name for name in CHECKS)
