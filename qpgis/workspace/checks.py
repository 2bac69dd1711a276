"""The quality rules on a whole workspace: its zones, its polygon layers, its stated and control areas."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from qpgis.area import StudyArea
from qpgis.findings import Findings
from qpgis.layers import LAYERS, Layer
from qpgis.quality.areas import (
    TOTAL,
    ControlArea,
    check_control_areas,
    check_deductions,
    check_stated_areas,
    land_areas,
    numbers,
)
from qpgis.quality.coverage import check_layer, check_zones
from qpgis.quality.geometry import Subject
from qpgis.workspace.config import LayerTable
from qpgis.workspace.unchanged import Unchanged, content_of_zones

if TYPE_CHECKING:
    import pandas as pd


def check_quality(
    layers: Mapping[str, Layer],
    tables: Mapping[str, LayerTable],
    area: StudyArea,
    control: Mapping[str, ControlArea],
    findings: Findings,
    unchanged: Unchanged,
) -> pd.DataFrame | None:
    """Check what was read, or say what was found before.

    Returns
    -------
    DataFrame or None
        The land use of each zone by drawn and stated areas, where fields or controls are named.
    """
    unchanged.findings("zones", partial(content_of_zones, area), findings, partial(check_zones, area))
    units_m2: dict[str, float] = {}
    for kind, layer in layers.items():
        if LAYERS[kind] == ("polygon",) and tables[kind].file and len(layer):
            check = partial(check_layer, layer, area.plane)
            unchanged.findings("layer", partial(_content, layer, area), findings, check)
            if tables[kind].area_field:
                units_m2[kind] = _check_fields_of_area(layer, tables[kind], area, findings)
    landuse = layers.get("landuse")
    if landuse is None or not (tables["landuse"].area_field or control):
        return None
    return _land_use(landuse, tables["landuse"], area, control, findings, unit_m2=units_m2.get("landuse", 1.0))


def _content(layer: Layer, area: StudyArea) -> str:
    return f"{area.plane} {area.plane.definition} {layer.content}"


def _check_fields_of_area(layer: Layer, table: LayerTable, area: StudyArea, findings: Findings) -> float:
    """Check the fields of areas; how many square metres their unit has."""
    assert table.area_field is not None
    about = {"role": layer.kind, "file": layer.source.file}
    subject = Subject.measured(layer.geometry, layer.frame["feature_id"], area.plane, **about, findings=findings)
    stated = numbers(layer.frame["area"])
    unit_m2 = check_stated_areas(subject, stated, field=table.area_field)
    if table.deduction_field:
        net = numbers(layer.frame["net_area"]) if table.net_area_field else np.full(len(layer), np.nan)
        field = table.net_area_field or table.deduction_field
        check_deductions(subject, stated, net, numbers(layer.frame["deduction"]), field=field, unit_m2=unit_m2)
    return unit_m2


def _land_use(
    layer: Layer,
    table: LayerTable,
    area: StudyArea,
    control: Mapping[str, ControlArea],
    findings: Findings,
    *,
    unit_m2: float,
) -> pd.DataFrame:
    """Land use of zones and groups by both bases; areas that the file states in another unit are square metres here."""
    import pandas as pd

    columns = {"stated_m2": ("area", unit_m2), "net_m2": ("net_area", unit_m2), "deduction": ("deduction", 1.0)}
    given = {key: numbers(layer.frame[name]) * unit for key, (name, unit) in columns.items() if name in layer.frame}
    groups = {group.id: group.members for group in area.groups}
    settings: dict[str, Any] = {"basis": table.area_basis, "control": control, **given}
    found: pd.DataFrame = pd.concat(
        land_areas(
            zones.ids,
            zones.geometry,
            layer.geometry,
            layer.frame["class_"],
            groups=groups if zones is area.base else None,
            **settings,
        )
        for zones in area.measured
    )
    whole = found[found["class"] == TOTAL]
    sums = dict(zip(whole["zone_id"], whole["area_m2"], strict=True))
    check_control_areas(sums, control, layer=layer.kind, file=layer.source.file, findings=findings)
    return found
