"""DXF drawings: their layers by name, closed outlines as polygons, blocks taken apart, text in its right characters.

Read by ezdxf, never by GDAL, which garbles Chinese. A drawing has no reference system; its coordinates stay as drawn.
"""

from __future__ import annotations

import io
import logging
import os
import re
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely

from qpgis.crs import Floats, Geometries
from qpgis.errors import SourceError
from qpgis.findings import Severity
from qpgis.shapes import polygonal
from qpgis.sources import RawFeatures, Request
from qpgis.sources.curves import WITHIN_M
from qpgis.sources.dxf_shapes import Shape
from qpgis.sources.dxf_tags import (
    defined_blocks,
    entity_counts,
    odd_counts,
    refused_as,
    text_of,
    versioned,
    without_broken,
)
from qpgis.sources.dxf_walk import Feature, Said, Unusable, Walk
from qpgis.sources.ogr import chosen_layer

if TYPE_CHECKING:
    import pandas as pd
    from ezdxf.document import Drawing as Document

DRIVER = "DXF"
_METRES: Mapping[int, tuple[str, float]] = {
    1: ("inch", 0.0254),
    2: ("foot", 0.3048),
    3: ("mile", 1609.344),
    4: ("millimetre", 0.001),
    5: ("centimetre", 0.01),
    6: ("metre", 1.0),
    7: ("kilometre", 1000.0),
    10: ("yard", 0.9144),
    13: ("micrometre", 1e-6),
    14: ("decimetre", 0.1),
}
"""The units of $INSUNITS and their metres; what is missing here is nowhere used."""
_SHOWN = 10


@dataclass(frozen=True)
class _Drawing:
    """A drawing read through: every feature, and what there is to say, by layer."""

    table: pd.DataFrame
    geometry: Geometries
    layers: tuple[str, ...]
    said: Said
    remarks: tuple[str, ...]


def layers(path: Path, name: str) -> tuple[str, ...]:
    """The names of the drawing's layers that hold something.

    Raises
    ------
    SourceError
        If it can't be read.
    """
    return _drawing(Request(path, name))[0].layers


def read(request: Request) -> RawFeatures:
    """Every feature of one layer; capitals in its name don't matter, as they don't in CAD.

    Raises
    ------
    SourceError
        If it is no DXF drawing, damaged, or refers to what isn't in it, or if its layer isn't, or isn't alone.
    """
    import geopandas as gpd

    drawing, encoding = _drawing(request)
    layer = chosen_layer(request.at(request.path, layer=_spelt(request.layer, drawing.layers)), drawing.layers)
    for concerned, severity, rule, words in drawing.said.findings:
        if concerned in ("", layer):
            request.note(severity, rule, **{"feature_id": "", "value": "", **words})
    here = (drawing.table["layer"] == layer).to_numpy(dtype=bool)
    frame = gpd.GeoDataFrame(drawing.table[here].reset_index(drop=True), geometry=drawing.geometry[here])
    _say_texts(request, frame, layer)
    return RawFeatures(frame, request.name, DRIVER, remarks=drawing.remarks, layer=layer, encoding=encoding)


def _spelt(layer: str | None, known: tuple[str, ...]) -> str | None:
    """A layer's name as the drawing spells it."""
    return next((name for name in known if layer is not None and name.casefold() == layer.casefold()), layer)


def _say_texts(request: Request, frame: pd.DataFrame, layer: str) -> None:
    """Texts are points: where points are counted, whoever counts has to know."""
    texts = int(frame["entity_type"].isin(["TEXT", "MTEXT"]).sum())
    if texts:
        others = int((frame["entity_type"].isin(["POINT", "INSERT"])).sum())
        severity = Severity.WARNING if others else Severity.INFO
        request.note(severity, "dxf_texts_as_points", value=str(texts), name=layer)


def _drawing(request: Request) -> tuple[_Drawing, str]:
    """The drawing, and the encoding of its text."""
    _, encoding = text_of(request)
    status = request.path.stat()
    try:
        seen = (
            str(request.path.absolute()),
            encoding.codec,
            status.st_size,
            status.st_mtime_ns,
            status.st_ctime_ns,
            status.st_ino,
        )
        return _read_once(*seen), str(encoding)
    except Unusable as error:
        raise request.refusal(str(error)) from error
    except (SourceError, MemoryError):
        raise
    except Exception as error:  # ezdxf trusts structure and raises anything on a broken one
        raise refused_as(request, error) from error


@lru_cache(maxsize=1)
def _read_once(path: str, codec: str, *_state: int) -> _Drawing:
    """The drawing as its file is now; one of many layers is looked at layer by layer, but read once."""
    text, _ = text_of(Request(Path(path), path, encoding=codec))
    said = Said()
    with _ezdxf_messages() as remarks:
        document, text = _document(versioned(text), said)
        blocks = defined_blocks(text)
        _refuse_lost_layouts(document, blocks)
        for handle, value, count in odd_counts(text):
            said.note(Severity.WARNING, "dxf_vertex_count", feature_id=handle, value=value, count=count)
        _compare_counts(document, entity_counts(text), said)
        within = WITHIN_M / _METRES.get(_units(document), ("", 1.0))[1]
        walk = Walk(document, blocks, within, said)
        features = walk.features()
    _describe(document, walk, said)
    geometry = _geometries([feature.shape for feature in features])
    return _Drawing(_table(features), geometry, tuple(sorted(walk.layers)) or walk.named_layers, said, tuple(remarks))


def _document(text: str, said: Said) -> tuple[Document, str]:
    """What ezdxf makes of the text, and of what text; where it stumbles, what it can recover, and what that changed."""
    ezdxf = _ezdxf()
    try:
        return ezdxf.read(io.StringIO(text.removeprefix("\n"))), text
    except MemoryError:
        raise
    except Exception as error:  # a damaged drawing fails anywhere
        from ezdxf import recover

        text, broken = without_broken(text)  # the library would put a missing y at 0
        for place, kind, group in broken:
            lacking = {"feature_id": place, "kind": kind, "value": f"group {group} is missing"}
            said.note(Severity.ERROR, "dxf_entity_unreadable", **lacking)
        plain = io.BytesIO(text.removeprefix("\n").encode("ascii", errors="dxfreplace"))
        document, auditor = recover.read(plain)
        changes = list(dict.fromkeys(entry.message for entry in (*auditor.errors, *auditor.fixes)))
        more = f" … (+{len(changes) - _SHOWN})" if len(changes) > _SHOWN else ""
        said.note(Severity.WARNING, "dxf_recovered", value="; ".join(changes[:_SHOWN] or [str(error)]) + more)
        return document, text


def _ezdxf() -> Any:
    """The library, without its search of all fonts on the system, whose result it would write into the home folder."""
    import sys

    if "ezdxf" not in sys.modules:
        with tempfile.TemporaryDirectory(prefix="qpgis-") as folder:
            cache = Path(folder) / "ezdxf" / "font_manager_cache.json"
            cache.parent.mkdir()
            cache.write_text('{"version": 0, "font-faces": []}', encoding="utf-8")
            before = os.environ.get("XDG_CACHE_HOME")
            os.environ["XDG_CACHE_HOME"] = folder
            try:
                import ezdxf
            finally:
                if before is None:
                    del os.environ["XDG_CACHE_HOME"]
                else:
                    os.environ["XDG_CACHE_HOME"] = before
    import ezdxf

    return ezdxf


@contextmanager
def _ezdxf_messages() -> Iterator[list[str]]:
    """The warnings that ezdxf logs meanwhile, each once, instead of on the user's screen; filled at the end."""
    messages: list[str] = []
    kept: dict[str, None] = {}

    class Keeper(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if len(kept) < _SHOWN:
                kept.setdefault(record.getMessage())

    log, keeper = logging.getLogger("ezdxf"), Keeper(logging.WARNING)
    propagated, log.propagate = log.propagate, False
    log.addHandler(keeper)
    try:
        yield messages
    finally:
        log.removeHandler(keeper)
        log.propagate = propagated
        messages += kept


def _refuse_lost_layouts(document: Document, defined: frozenset[str]) -> None:
    """A layout whose block isn't in the file: what it showed is lost, and ezdxf would show an empty one."""
    usual = ("*model_space", "*paper_space", "$model_space", "$paper_space")
    for layout in document.layouts:
        block = layout.block_record_name
        if block.lower() not in (*usual, *defined):
            raise Unusable(
                f"layout {layout.name!r} needs block {block!r}, which the drawing doesn't define; "
                "open it in CAD, run AUDIT, export it again as DXF"
            )


def _compare_counts(document: Document, written: Counter[str], said: Said) -> None:
    """Entities that the file has and ezdxf doesn't."""
    loaded = Counter(e.dxftype() for space in (document.modelspace(), document.paperspace()) for e in space)
    for kind, count in sorted((written - loaded).items()):
        said.note(Severity.ERROR, "dxf_entities_lost", value=f"{kind} × {count}")


def _units(document: Document) -> int:
    found = document.header.get("$INSUNITS", 0)
    return found if isinstance(found, int) else 0


def _describe(document: Document, walk: Walk, said: Said) -> None:
    """What holds for the whole drawing."""
    unit, metres = _METRES.get(_units(document), ("", 1.0))
    if unit and metres != 1:
        said.note(Severity.WARNING, "dxf_units", value=unit)
    if walk.deviation:
        said.note(Severity.INFO, "dxf_curves_straightened", value=f"{walk.deviation:.2g}")
    on_paper = sum(len(layout) for layout in document.layouts if layout.name != "Model")
    on_paper -= sum(len(layout.query("VIEWPORT")) for layout in document.layouts if layout.name != "Model")
    if on_paper:
        said.note(Severity.INFO, "dxf_paper_ignored", value=str(on_paper))
    geodata = document.modelspace().get_geodata() if document.dxfversion > "AC1009" else None
    if geodata is not None:
        system = geodata.coordinate_system_definition
        name = re.search(r'CoordinateSystem id="([^"]+)"', system) or re.search(r"\S[^<\n]*", system)
        said.note(Severity.INFO, "dxf_geodata", value=name[name.lastindex or 0] if name else "?")


def _table(features: list[Feature]) -> pd.DataFrame:
    """The columns of the features."""
    import pandas as pd

    columns = {
        "feature_id": [f.feature_id for f in features],
        "layer": [f.style.layer for f in features],
        "entity_type": [f.entity_type for f in features],
        "colour": [f.style.colour for f in features],
        "linetype": [f.style.linetype for f in features],
        "text": [f.text or None for f in features],
        "block": [f.block or None for f in features],
        "attributes": [f.attributes or None for f in features],
        "xdata": [f.xdata or None for f in features],
    }
    table = pd.DataFrame(columns, dtype="str")
    table["elevation"] = _elevations([f.shape for f in features])
    return table


def _elevations(shapes: list[Shape]) -> Floats:
    """The height of each shape; none where its points differ."""
    heights = np.full(len(shapes), np.nan)
    rows = [number for number, shape in enumerate(shapes) if shape.strings]
    if rows:
        counts = [sum(map(len, shapes[row].strings)) for row in rows]
        z = np.concatenate([string[:, 2] for row in rows for string in shapes[row].strings])
        starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
        low, high = np.minimum.reduceat(z, starts), np.maximum.reduceat(z, starts)
        heights[rows] = np.where(high - low <= 1e-9 * np.maximum(1, np.abs(high)), low, np.nan)
    return heights


def _geometries(shapes: list[Shape]) -> Geometries:
    """The shapes as geometries in the plan; None for what has none."""
    made = np.full(len(shapes), None, dtype=object)
    by_kind: dict[str, list[int]] = defaultdict(list)
    for number, shape in enumerate(shapes):
        by_kind[shape.kind].append(number)
    for kind, rows in by_kind.items():
        if kind in ("point", "line", "polygon"):
            strings = [shapes[row].strings[0][:, :2] for row in rows]
            flat = np.concatenate(strings)
            if kind == "point":
                made[rows] = shapely.points(flat)
                continue
            indices = np.repeat(np.arange(len(rows)), [len(string) for string in strings])
            build = shapely.linestrings if kind == "line" else shapely.linearrings
            built = build(flat, indices=indices)
            made[rows] = built if kind == "line" else shapely.polygons(built)
        elif kind != "none":
            made[rows] = [_filled(shapes[row]) for row in rows]
    return made


def _filled(shape: Shape) -> Any:
    """The ground that the rings of a hatch fill."""
    rings = [shapely.make_valid(shapely.Polygon(ring[:, :2])) for ring in shape.strings]
    if shape.kind == "union":
        return polygonal(shapely.union_all(rings))
    filled: shapely.Geometry = shapely.Polygon()
    for ring in rings:
        filled = shapely.symmetric_difference(filled, ring)
    parts = shapely.get_parts(polygonal(filled))
    if shape.kind == "outer":
        shells = shapely.polygons(shapely.get_exterior_ring(parts))
        inside = [
            any(s.contains(p.representative_point()) for s in shells[np.arange(len(parts)) != n])
            for n, p in enumerate(parts)
        ]
        parts = parts[~np.array(inside, dtype=bool)]
    return polygonal(shapely.multipolygons(parts)) if len(parts) else shapely.Polygon()
