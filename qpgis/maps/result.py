"""From an assessment to the scene that the map draws."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from qpgis.assessment import Assessment
from qpgis.catalogue import Lang, keys, text, unit_text
from qpgis.crs import LONLAT, Geometries, Plane
from qpgis.disclosure import said_of
from qpgis.kept import Codec, Kept
from qpgis.landuse import Scheme, scheme
from qpgis.layers import SHOW, Layer
from qpgis.maps import Lamp, Scene, SceneLayer
from qpgis.maps.thematic import class_breaks, class_labels, display_json
from qpgis.plantables import is_judged, light_meanings, threshold_lines
from qpgis.provenance import Grade, Source, worst
from qpgis.rows import Row, status_text
from qpgis.styles import layer_style, ramp
from qpgis.workspace.reference import Reference

MAP_DECIMALS = {"%": 2, "km/km2": 3, "count": 0, "people": 0}
"""Decimals of a value on the map, by unit."""
SHADED_BY = {"patches": f"{SHOW}dpc"}
"""Of features that an indicator singles out, the attribute that their colour tells."""
WORTH_KEEPING = 1000
"""Vertices from which display copies are made again more slowly than they are found."""
DRAWN = Codec("drawn", lambda made: json.dumps(made).encode(), json.loads)


def scene_of(assessment: Assessment) -> Scene:
    """The scene of an assessment: its zones and values, every layer, and the lines at the foot."""
    workspace = assessment.workspace
    zones = workspace.area.frame()
    return Scene(
        title=assessment.heading,
        zones=zones[zones["zone_id"].isin({row.zone.id for row in assessment.rows})].reset_index(drop=True),
        values=pd.DataFrame([_value(assessment, row) for row in _mapped(assessment)]),
        layers=(
            *(_scene_layer(layer, workspace.area.plane, assessment) for layer in _drawn(assessment)),
            *(_scene_added(layer, assessment) for layer in _drawn(assessment) if _is_added(layer, assessment).any()),
            *(_scene_reached(key, layers, assessment) for key, layers in assessment.reached.items()),
            *(_scene_missed(key, layers, assessment) for key, layers in assessment.missed.items()),
            *(_scene_features(key, one, assessment) for key, some in assessment.features.items() for one in some),
            *(_scene_reference(one, assessment.lang) for one in workspace.references),
        ),
        footer=tuple(_footer(assessment)),
        lang=assessment.lang,
        draw=partial(_drawn_before, workspace.known.kept),
        **_judging(assessment),
    )


def _drawn_before(kept: Kept | None, shapes: Geometries) -> Any:
    """What a page is given of shapes, as it was made by an earlier run."""
    if kept is None or shapely.get_num_coordinates(shapes).sum() < WORTH_KEEPING:
        return display_json(shapes)
    content = hashlib.sha256(b"".join(shapely.to_wkb(shapes))).hexdigest()
    return kept.made(DRAWN, content, lambda: display_json(shapes))


def _judging(assessment: Assessment) -> dict[str, Any]:
    """What the lights mean and by which settings values are judged, where any is."""
    if not is_judged(assessment.rows):
        return {}
    thresholds, lang = assessment.workspace.thresholds, assessment.lang
    lamps = (Lamp(id, text(f"light_{id}", lang), said) for id, said in light_meanings(thresholds, lang))
    return {"lights": tuple(lamps), "judging": threshold_lines(thresholds, lang, lights=False)}


def _mapped(assessment: Assessment) -> list[Row]:
    """The rows of indicators that have values by zone; the map opens with the first: what it is to, or any value."""
    rows = [row for row in assessment.rows if (row.indicator, row.definition) in assessment.definitions]
    filled = {row.indicator for row in rows if row.value is not None}

    def place(row: Row) -> tuple[bool, bool, bool]:
        opens = assessment.opens or ("", "")
        return (row.indicator, row.definition) != opens, row.indicator != opens[0], row.indicator not in filled

    return sorted(rows, key=place)


def _value(assessment: Assessment, row: Row) -> dict[str, object]:
    lang = assessment.lang
    return {
        "indicator": row.indicator,
        "indicator_name": assessment.title(row.indicator),
        "definition": row.definition,
        "definition_text": assessment.definition_text(row),
        "zone_id": row.zone.id,
        "level": row.zone.level,
        "value": float("nan") if row.value is None else round(row.value, _decimals(row)),
        "value_text": value_text(row, lang),
        "unit": unit_text(row.unit, lang),
        "theme": assessment.workspace.indicators[row.indicator].theme,
        "status": str(row.status),
        "status_text": status_text(row.status, row.target, lang),
        "light": str(row.light or ""),
        "target_text": row.target.text if row.target else "",
        "grade": str(row.grade or ""),
        "grade_said": text(f"grade_{row.grade}", lang) if row.grade else "",
        "note": row.note,
    }


def value_text(row: Row, lang: Lang) -> str:
    """A value with its unit as a map shows it; empty where it is missing."""
    if row.value is None:
        return ""
    return f"{row.value:.{_decimals(row)}f} {unit_text(row.unit, lang)}".rstrip()


def _decimals(row: Row) -> int:
    """Decimals of a value on the map; classes are made of what is printed, so equal labels have equal colours."""
    return MAP_DECIMALS.get(row.unit, 2)


def _drawn(assessment: Assessment) -> Iterator[Layer]:
    """The layers to draw: what was selected from the land use is seen there in its colours, and drawn only if shown."""
    hidden = assessment.withheld.layers
    for layer in (one for kind, one in assessment.workspace.layers.items() if kind not in hidden):
        if not layer.selected_from or layer_style(layer.kind).shown:
            yield layer


def _scene_layer(layer: Layer, plane: Plane, assessment: Assessment) -> SceneLayer:
    show = tuple(c.removeprefix(SHOW) for c in map(str, layer.frame.columns) if c.startswith(SHOW))
    columns = [
        c for c in ("feature_id", "name", "class_", "plan_status", *(SHOW + c for c in show)) if c in layer.frame
    ]
    frame = gpd.GeoDataFrame(layer.frame[columns].copy(), geometry=plane.unproject(layer.geometry), crs=LONLAT)
    legend = _coloured(frame, scheme(layer.scheme)) if layer.scheme else ()
    title = text(f"layer_{layer.kind}", assessment.lang)
    shown = assessment.workspace.shown.get(layer.kind)
    drawn = SceneLayer(layer.kind, title, frame, *_graded(layer.source, assessment.lang), show, shown, legend)
    return _worded(drawn, assessment.lang)


def _is_added(layer: Layer, assessment: Assessment) -> NDArray[np.bool_]:
    """Which features of a layer a scenario added; what a gap chose is shown as that."""
    of_gap = any(one.kind == "chosen" for some in assessment.features.values() for one in some)
    if of_gap or layer.selected_from or not len(layer):
        return np.zeros(len(layer), dtype=bool)
    prefix = f"{assessment.workspace.state.scenario}:"
    return layer.frame["feature_id"].str.startswith(prefix).to_numpy(dtype=bool)


def _scene_added(layer: Layer, assessment: Assessment) -> SceneLayer:
    """What a scenario adds to a layer, in the style of what is chosen; shown as the map opens."""
    drawn = _scene_layer(
        layer.select(_is_added(layer, assessment), "added"), assessment.workspace.area.plane, assessment
    )
    title = text("layer_added", assessment.lang, name=drawn.title)
    frame = drawn.frame.drop(columns="fill", errors="ignore")
    return replace(drawn, kind="chosen", title=title, frame=frame, shown=True, legend=())


def _scene_missed(key: tuple[str, str], layers: tuple[Layer, ...], assessment: Assessment) -> SceneLayer:
    """Whom an indicator of coverage leaves out; hidden until it is asked for."""
    frame = assessment.missed_features(*key).rename(columns={"amount": f"{SHOW}amount"})
    return _scene_coverage("missed", key, frame, layers, assessment, ("amount",))


def _scene_reached(key: tuple[str, str], layers: tuple[Layer, ...], assessment: Assessment) -> SceneLayer:
    """The ground within the walks of an indicator of coverage; hidden until it is asked for."""
    frame = assessment.reached_ground(*key).assign(feature_id="", name="")
    return _scene_coverage("reached", key, frame, layers, assessment)


def _scene_coverage(
    style: str,
    key: tuple[str, str],
    frame: gpd.GeoDataFrame,
    layers: tuple[Layer, ...],
    assessment: Assessment,
    show: tuple[str, ...] = (),
) -> SceneLayer:
    """A layer of an indicator of coverage, titled by it, and by its definition where there are several."""
    grade = worst(layer.source.grade for layer in layers)
    named = assessment.title(key[0])
    several = sum(indicator == key[0] for indicator, _ in getattr(assessment, style)) > 1
    title = text(f"layer_{style}", assessment.lang, name=f"{named} {key[1]}" if several else named)
    return SceneLayer(style, title, frame, str(grade), text(f"grade_{grade}", assessment.lang), show, False)


def _scene_features(key: tuple[str, str], layer: Layer, assessment: Assessment) -> SceneLayer:
    """What an indicator singles out, shaded by what each feature is worth."""
    lang = assessment.lang
    frame = assessment.drawn(layer)
    legend: tuple[tuple[str, str], ...] = ()
    if (worth := SHADED_BY.get(layer.kind)) is not None:
        breaks = class_breaks(frame[worth].to_numpy())
        colours = ramp(assessment.workspace.indicators[key[0]].theme, len(breaks) + 1)
        frame["fill"] = [colours[n] for n in np.searchsorted([float(edge) for edge in breaks], frame[worth], "right")]
        legend = tuple(zip(class_labels(breaks, lang), colours, strict=False)) if breaks else ()
    show = tuple(c.removeprefix(SHOW) for c in map(str, frame.columns) if c.startswith(SHOW))
    for column in frame.select_dtypes("number"):
        frame[column] = [f"{value:.3g}" for value in frame[column]]
    named = assessment.title(key[0])
    several = sum(indicator == key[0] for indicator, _ in assessment.features) > 1
    title = text(f"layer_{layer.kind}", lang, name=f"{named} {key[1]}" if several else named)
    return _worded(SceneLayer(layer.kind, title, frame, *_graded(layer.source, lang), show, None, legend), lang)


def _coloured(frame: gpd.GeoDataFrame, table: Scheme) -> tuple[tuple[str, str], ...]:
    """Name and colour each parcel by its code; the colours that occur, with the classes that they mean."""
    codes = frame["class_"]
    rows = {code: (table.lookup(code), table.coloured(code)) for code in sorted(codes.unique())}
    frame["class_"] = codes.map({code: f"{code} {own.name}" if own else code for code, (own, _) in rows.items()})
    frame["fill"] = codes.map({code: shade.colour if shade else "" for code, (_, shade) in rows.items()})
    return tuple(dict.fromkeys((shade.name, shade.colour) for _, shade in rows.values() if shade))


def _scene_reference(one: Reference, lang: Lang) -> SceneLayer:
    drawn = SceneLayer(one.style, one.name(lang), one.frame, *_graded(one.source, lang), one.show, one.shown)
    return _worded(drawn, lang)


def _graded(source: Source, lang: Lang) -> tuple[str, str]:
    """A source's grade, and the word for it."""
    return str(source.grade), text(f"grade_{source.grade}", lang)


def _worded(layer: SceneLayer, lang: Lang) -> SceneLayer:
    """The layer with its classes and its features' own grades in planners' words."""
    frame = layer.frame.copy()
    for column, about in (("class_", "class"), (f"{SHOW}grade", "grade")):
        if column in frame:
            frame[column] = [_word(about, value, lang) for value in frame[column]]
    return replace(layer, frame=frame)


def _word(about: str, value: str, lang: Lang) -> str:
    """What planners call a class or grade; words that qpgis doesn't know stay as they are."""
    key = f"{about}_{value}"
    return text(key, lang) if key in keys() else value


def _footer(assessment: Assessment) -> Iterator[str]:
    workspace, lang = assessment.workspace, assessment.lang
    yield from said_of(assessment)
    yield text("footer_period", lang, period=workspace.period, as_of=workspace.state.as_of.isoformat())
    sources = dict.fromkeys(
        str(source)
        for source in (
            *(zones.source for zones in workspace.area.zone_sets),
            *(layer.source for layer in workspace.layers.values()),
            *(one.source for one in workspace.references),
        )
    )
    yield text("footer_sources", lang, sources="；".join(sources) if lang == "zh" else "; ".join(sources))
    to_say = [text(f"grade_{grade}", lang) for grade in Grade if grade in workspace.grades and grade.must_be_said]
    if to_say:
        yield text("footer_grade", lang, grades="、".join(to_say) if lang == "zh" else ", ".join(to_say))
    yield text("footer_crs", lang)
    yield assessment.signatures
    if workspace.map_approval:
        yield text("footer_approval", lang, number=workspace.map_approval)
    else:
        yield text("footer_no_approval", lang)
