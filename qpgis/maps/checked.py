"""Findings on a map: each at its place, in the colour of its severity."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import astuple, replace

import geopandas as gpd
import shapely

from qpgis.assessment import Assessment
from qpgis.catalogue import Lang, text
from qpgis.crs import LONLAT
from qpgis.findings import COLUMNS, Finding, Severity
from qpgis.layers import SHOW
from qpgis.maps import Scene, SceneLayer
from qpgis.maps.result import scene_of

_SHOWN = ("rule", "layer", "file", "value", "action")


def checked_scene(assessment: Assessment) -> Scene:
    """The scene of an assessment with its findings on top."""
    scene, lang = scene_of(assessment), assessment.lang
    title = text("title_checked", lang, name=assessment.workspace.title, count=len(assessment.findings))
    return replace(scene, title=title, layers=(*finding_layers(assessment.findings, lang), *scene.layers))


def places(findings: Iterable[Finding]) -> gpd.GeoDataFrame:
    """The findings that have a place, as points in degrees, with the columns of ``findings.csv``."""
    located = [f for f in findings if f.location]
    points = [shapely.Point(*map(float, f.location.split())) for f in located]
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
