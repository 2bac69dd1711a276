"""Coordinates of a workspace's files made trustworthy: conversion as declared, and layers held against known places."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import shapely

from qpgis.area import StudyArea, ZoneSet
from qpgis.catalogue import text
from qpgis.crs import Bounds, Geometries, label
from qpgis.crs.trust import ControlPoints, Trusted, trusted
from qpgis.errors import ConfigError
from qpgis.findings import Findings, Severity
from qpgis.layers import LAYERS, Layer
from qpgis.provenance import Grade
from qpgis.quality.datum import DatumReference, check_datum, nearest_reference
from qpgis.sources import RawFeatures
from qpgis.sources.csvtable import Row, is_number, named_rows
from qpgis.workspace.reference import Reference

if TYPE_CHECKING:
    from qpgis.crs.local import ControlFit
    from qpgis.workspace.config import ReadTable

COLUMNS = ("x", "y", "x_true", "y_true")
POOR_M = 5.0
"""Control points that miss by more than a 1:10 000 map may (its accuracy) don't make coordinates trustworthy."""
SURVEYED_M, ROUGH_M = 25.0, 50.0
"""How near to the truth zones and reference layers are taken to be, by their grade."""


def converted(raw: RawFeatures, table: ReadTable, *, folder: Path, role: str, findings: Findings) -> RawFeatures:
    """The features in a public system, as the ``datum`` of their table says; they then carry it.

    Raises
    ------
    CRSError
        See :func:`qpgis.crs.trust.trusted`.
    ConfigError, SourceError
        If the file with the control points can't be used.
    """
    if table.datum is None:
        return raw
    what = f"{'zones' if role == 'zones' else f'layer {role!r}'} ({raw.file})"
    points = control_points(folder / table.control_points) if table.control_points else None
    given = table.parameters.given() if table.parameters else None
    crs = table.crs if table.crs is not None else raw.frame.crs

    def trust(geometries: Geometries) -> Trusted:
        return trusted(geometries, crs, datum=table.datum, parameters=given, control_points=points, what=what)

    found = trust(raw.frame.geometry.to_numpy())
    frame = raw.frame.set_geometry(found.geometries).set_crs(found.crs, allow_override=True)
    if found.how != "none":
        about = {"layer": role, "file": raw.file}
        names = {"datum": text(f"datum_{table.datum}", findings.lang), "target": label(found.crs)}
        findings.add(Severity.INFO, "datum_converted", **about, value=text(f"how_{found.how}", findings.lang), **names)
        if found.fit is not None:
            _report_fit(found.fit, about, findings)
    box = None if raw.bounds is None else _box(trust(np.array([shapely.box(*raw.bounds)])).geometries)
    return replace(raw, frame=frame, bounds=box)


def _box(geometries: Geometries) -> Bounds:
    west, south, east, north = shapely.total_bounds(geometries).tolist()
    return west, south, east, north


def _report_fit(fit: ControlFit, about: dict[str, str], findings: Findings) -> None:
    """Say how control points fit, and name the one that doesn't."""
    if not fit.checked:
        findings.add(Severity.WARNING, "control_points_unchecked", **about, value=str(len(fit.names)))
        return
    worst, metres = fit.worst
    listed = "; ".join(f"{name} {math.hypot(*left):.3f}" for name, left in zip(fit.names, fit.residuals_m, strict=True))
    words = {"value": f"{fit.rms_m:.3f} m", "worst": worst, "metres": f"{metres:.3f}", "listed": listed}
    findings.add(Severity.INFO, "control_points_fit", **about, **words)
    if fit.outlier:
        findings.add(Severity.ERROR, "control_point_outlier", **about, feature_id=fit.outlier, value=words["value"])
    elif fit.rms_m > POOR_M:
        findings.add(Severity.ERROR, "control_points_poor", **about, feature_id=worst, value=words["value"])


def control_points(path: Path) -> ControlPoints:
    """Control points from a CSV file with the columns ``x, y, x_true, y_true`` and, if it likes, ``name``.

    Raises
    ------
    SourceError, ConfigError
        If it can't be read; with every wrong cell and its line.
    """
    rows = named_rows(path, COLUMNS, what="control_points")
    if mistakes := [f"line {n}: {m}" for n, row in enumerate(rows, 2) for m in _cell_mistakes(row)]:
        raise ConfigError(mistakes, file=path.name)
    names = tuple(row.get("name") or str(n) for n, row in enumerate(rows, 1))
    table = np.array([[float(row[name]) for name in COLUMNS] for row in rows]).reshape(-1, 4)
    return ControlPoints(names, table[:, :2], table[:, 2:])


def _cell_mistakes(row: Row) -> list[str]:
    return [f"{name} {row[name]!r} is no number in metres" for name in COLUMNS if not is_number(row[name])]


def check_zones(area: StudyArea, findings: Findings, *, declared: str | None) -> None:
    """Hold the zones against what qpgis itself knows the place of, near Qingpu."""
    known = [one for one in nearest_reference(_box(area.base.lonlat)) if one.kind == "outline"]
    file = area.base.source.file
    check_datum(area.base.lonlat, known, layer="zones", file=file, findings=findings, declared=declared)


def check_own_zones(own: ZoneSet, area: StudyArea, findings: Findings, *, declared: str | None) -> None:
    """Hold zones that are measured by themselves against the outline of the others."""
    known = [_outline(area)]
    check_datum(own.lonlat, known, layer="own_zones", file=own.source.file, findings=findings, declared=declared)


def check_layer(layer: Layer, area: StudyArea, findings: Findings, *, declared: str | None) -> None:
    """Hold a layer against what is comparable: polygons against the zones' outline, stations and rail against ours."""
    known: list[DatumReference] = []
    if LAYERS[layer.kind] == ("polygon",):
        known.append(_outline(area))
    if layer.kind in ("stations", "rail"):
        known += [one for one in nearest_reference(_box(area.base.lonlat)) if one.kind == "stations"]
    names = tuple(layer.frame["name"]) if layer.kind == "stations" else ()
    check_datum(
        layer.geometry,
        known,
        layer=layer.kind,
        file=layer.source.file,
        findings=findings,
        declared=declared,
        names=names,
        plane=area.plane,
    )


def check_against(layer: Layer, references: tuple[Reference, ...], area: StudyArea, findings: Findings) -> None:
    """Hold roads, rail and stations against the workspace's reference layers of their kind, where these are good."""
    if layer.kind not in ("roads", "rail", "stations"):
        return
    known = [
        DatumReference(layer.kind, one.frame.geometry.to_numpy(), SURVEYED_M)  # type: ignore[arg-type]
        for one in references
        if one.style == layer.kind and one.source.grade in (Grade.OFFICIAL, Grade.SURVEYED) and len(one.frame)
    ]
    file = layer.source.file
    check_datum(layer.geometry, known, layer=layer.kind, file=file, findings=findings, plane=area.plane)


def _outline(area: StudyArea) -> DatumReference:
    good = area.base.source.grade in (Grade.OFFICIAL, Grade.SURVEYED, Grade.OPEN)
    return DatumReference("zones", area.base.lonlat, SURVEYED_M if good else ROUGH_M)
