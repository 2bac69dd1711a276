"""What ``qpgis inspect`` prints: a file told to a planner."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

from qpgis.catalogue import Lang, text
from qpgis.findings import Finding
from qpgis.inspection import FieldView, Inspection, LayerView
from qpgis.sources.raster import BandInfo

ALIKE = 20
"""How many findings of one rule in one layer are printed."""
CLASSES = 12
"""How many classes of a band are listed."""
WIDTH = 18
"""Columns that a heading takes; a Chinese character takes two."""


def inspection_lines(inspection: Inspection, lang: Lang) -> Iterator[str]:
    """The lines of a file's description, its problems and the lines of ``qpgis.toml`` that use it."""
    size = f"{inspection.size_bytes:,} B"
    yield text("inspect_file", lang, file=inspection.file, size=size, layers=len(inspection.layers))
    for layer in inspection.layers:
        yield ""
        yield from _layer_lines(layer, lang)
    if len(inspection.layers) > 1:
        yield text("inspect_more", lang)
    yield ""
    if inspection.findings or not inspection.refused:
        yield from finding_lines(inspection.findings, lang, listed=False)
    for layer in inspection.layers:
        if layer.toml:
            yield ""
            yield text("inspect_use", lang)
            yield from layer.toml.splitlines()


def finding_lines(findings: Iterable[Finding], lang: Lang, *, listed: bool = True) -> Iterator[str]:
    """Findings, one a line, worst first; of very many alike the first, and how many more.

    Parameters
    ----------
    findings : iterable of Finding
        Ordered, see :func:`qpgis.findings.ordered`.
    lang : "zh" or "en"
    listed : bool
        Whether ``findings.csv`` has them all.
    """
    found = list(findings)
    yield text("inspect_problems", lang, count=len(found)) if found else text("inspect_no_problems", lang)
    for _, alike in groupby(found, key=lambda f: (f.severity, f.rule, f.layer, f.file)):
        every = list(alike)
        yield from map(_finding_line, every[:ALIKE])
        if len(every) > ALIKE:
            yield text("inspect_alike_listed" if listed else "inspect_alike", lang, count=len(every) - ALIKE)


def _finding_line(f: Finding) -> str:
    place = " ".join(part for part in (f.layer, f.file, f.feature_id, f.location) if part)
    where = f"{place}: " if place else ""
    return f"{f.severity:8}{f.rule}: {where}{f.message}; {f.action}"


def _layer_lines(layer: LayerView, lang: Lang) -> Iterator[str]:
    if not layer.driver:
        yield text("inspect_layer", lang, name=layer.name, driver="?", features="?")
    else:
        yield text("inspect_layer", lang, name=layer.name, driver=layer.driver, features=layer.features)
    for heading, words in _facts(layer, lang):
        if words:
            yield f"  {_padded(text(f'inspect_{heading}', lang))}{words}"
    for field in layer.fields:
        yield f"    {_padded(_field_title(field))}{_field_words(field, layer.features, lang)}"
    if layer.refusal:
        yield "  " + text("inspect_refused", lang, refusal=layer.refusal)


def _facts(layer: LayerView, lang: Lang) -> Iterator[tuple[str, str]]:
    if layer.fields and not layer.geometry:
        yield "geometry", text("inspect_table", lang)
    kinds = {text("inspect_none", lang) if kind == "none" else kind: n for kind, n in layer.geometry.items()}
    yield "geometry", ", ".join(f"{kind} {count}" for kind, count in kinds.items())
    if layer.geometry and layer.usable < layer.features:
        yield "usable", text("inspect_usable_of", lang, usable=layer.usable, features=layer.features)
    yield "encoding", layer.encoding
    origin = text(f"inspect_crs_{layer.crs_origin}", lang) if layer.crs_origin else ""
    yield "crs", f"{layer.crs} ({origin})" if layer.crs else ""
    yield "datum", layer.datum
    yield "own_extent", _box_text(layer.own_extent) if layer.own_extent != layer.extent else ""
    yield "extent", _box_text(layer.extent)
    yield "area", _area_text(layer, lang)
    yield "plane_area", f"{layer.plane_area:,.1f}" if layer.plane_area is not None else ""
    yield "length", f"{layer.length_m:,.1f} m" if layer.length_m is not None else ""
    yield from _object_facts(layer)
    yield from _raster_facts(layer, lang)
    yield "grade", text(f"grade_{layer.grade}", lang) if layer.grade else ""
    yield "fields", str(len(layer.fields)) if layer.fields else ""


def _object_facts(layer: LayerView) -> Iterator[tuple[str, str]]:
    yield "objects", ", ".join(f"{kind} {count:,}" for kind, count in layer.objects.items())
    yield "date", layer.date


def _raster_facts(layer: LayerView, lang: Lang) -> Iterator[tuple[str, str]]:
    if (raster := layer.raster) is None:
        return
    packed = f", {raster.compression}" if raster.compression else ""
    yield "grid", f"{raster.width:,} x {raster.height:,}{packed}, pixel is {raster.pixel_is}"
    for band in raster.bands:
        nodata = "" if band.nodata is None else f", nodata {band.nodata:g}"
        yield "band", f"{band.name}: {band.dtype}{nodata}"
        if band.valid is not None:
            yield "cells", _cells_text(band, lang)
        if band.minimum is not None:
            yield "range", f"{band.minimum:g} - {band.maximum:g}, mean {band.mean:g}"
        if band.classes:
            shown = [f"{value}: {count:,}" for value, count in list(band.classes.items())[:CLASSES]]
            more = len(band.classes) - len(shown)
            yield "classes", ", ".join(shown) + (f" … (+{more})" if more else "")


def _cells_text(band: BandInfo, lang: Lang) -> str:
    """How many cells have a value, and what the others lack."""
    counts = {"valid": band.valid, "no_data": band.no_data, "nan": band.not_a_number, "not_stored": band.not_stored}
    words = (text(f"cells_{kind}", lang, count=f"{n:,}") for kind, n in counts.items() if n or kind == "valid")
    return ", ".join(words)


def _area_text(layer: LayerView, lang: Lang) -> str:
    """The sum of the areas, and the ground they cover where that is less."""
    if layer.sum_m2 is None or layer.area_m2 is None:
        return ""
    summed, covered = (f"{value:,.1f} m2" for value in (layer.sum_m2, layer.area_m2))
    return summed if summed == covered else text("inspect_area_overlap", lang, sum=summed, covered=covered)


def _box_text(box: tuple[float, float, float, float] | None) -> str:
    if box is None:
        return ""
    west, south, east, north = (f"{value:.9g}" for value in box)
    return f"{west} {south} - {east} {north}"


def _field_title(field: FieldView) -> str:
    said = " ".join(dict.fromkeys(word for word in (field.alias, field.meaning) if word and word != field.name))
    return f"{field.name} {said}".strip()


def _field_words(field: FieldView, features: int, lang: Lang) -> str:
    counted = {"filled": field.filled, "features": features, "distinct": field.distinct}
    words = text("inspect_field", lang, kind=text(f"kind_{field.kind}", lang), **counted)
    examples = ", ".join(value.replace("\n", " ")[:40] for value in field.examples)
    return f"{words}  {examples}".rstrip()


def _padded(words: str) -> str:
    """Words followed by blanks up to a column; at least two."""
    from unicodedata import east_asian_width

    taken = sum(2 if east_asian_width(c) in "WF" else 1 for c in words)
    return words + " " * max(WIDTH - taken, 2)
