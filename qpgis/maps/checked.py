"""Findings on a map: listed worst first, each at its place, in the colour of its severity."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, replace

import geopandas as gpd
import shapely

from qpgis.assessment import Assessment
from qpgis.catalogue import Lang, text
from qpgis.crs import LONLAT
from qpgis.findings import COLUMNS, Finding, Severity
from qpgis.layers import SHOW
from qpgis.maps import Notice, Scene, SceneLayer
from qpgis.maps.result import scene_of

_SHOWN = ("rule", "layer", "file", "value", "action")
LISTED = 300
"""How many findings the page lists, the worst first; all of them are in ``findings.csv``."""


def checked_scene(assessment: Assessment) -> Scene:
    """The scene of an assessment with its findings in place of its values."""
    scene, lang = scene_of(assessment), assessment.lang
    findings = [replace(one, layer=assessment.layer_title(one.layer)) for one in assessment.findings]
    return replace(
        scene,
        title=text("title_checked", lang, name=assessment.workspace.title, count=len(findings)),
        values=scene.values.iloc[:0],
        layers=(*finding_layers(findings, lang), *scene.layers),
        notices=tuple(notices(findings, lang)),
    )


def notices(findings: Sequence[Finding], lang: Lang) -> Iterator[Notice]:
    """The findings as the page lists them: what is wrong, where, and what was or should be done."""
    for finding in findings[:LISTED]:
        where = " · ".join(part for part in (finding.layer, finding.file, finding.feature_id) if part)
        about = f"{where} — {finding.action}" if where else finding.action
        yield Notice(f"finding_{finding.severity}", finding.message, about, _place(finding))
    if len(findings) > LISTED:
        more = text("notices_more", lang, count=len(findings) - LISTED)
        yield Notice("finding_info", more, "findings.csv")


def _place(finding: Finding) -> tuple[float, float] | None:
    """Longitude and latitude of a finding, where it has any."""
    if not finding.location:
        return None
    lon, lat = map(float, finding.location.split())
    return lon, lat


def places(findings: Iterable[Finding]) -> gpd.GeoDataFrame:
    """The findings that have a place, as points in degrees, with the columns of ``findings.csv``."""
    located = [f for f in findings if f.location]
    points = [shapely.Point(_place(f)) for f in located]
    rows = {column: [str(astuple(f)[n]) for f in located] for n, column in enumerate(COLUMNS)}
    return gpd.GeoDataFrame(rows, geometry=points, crs=LONLAT)


def finding_layers(findings: Iterable[Finding], lang: Lang) -> Iterator[SceneLayer]:
    """A layer of points for each severity that has any."""
    found = places(findings)
    for severity in Severity:
        frame = found[found["severity"] == severity].reset_index(drop=True)
        if len(frame):
            frame["name"] = frame["message"]
            frame = frame.rename(columns={column: SHOW + column for column in _SHOWN})
            kind = f"finding_{severity}"
            yield SceneLayer(kind, text(f"layer_{kind}", lang), frame, "", "", _SHOWN)
