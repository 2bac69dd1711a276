"""A walk through a drawing: every entity of its model space; blocks are drawn once and placed as often as used."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from math import ceil, log2
from typing import TYPE_CHECKING, Any

import numpy as np

from qpgis.crs import Floats
from qpgis.findings import Severity
from qpgis.sources.dxf_shapes import NOTHING, Draughtsman, Shape, Solid
from qpgis.sources.dxf_tags import resolved

if TYPE_CHECKING:
    from ezdxf.document import Drawing as Document

MOST_FEATURES = 2_000_000
MOST_LEVELS = 50
_DIMENSIONS = ["DIMENSION", "ARC_DIMENSION", "LARGE_RADIAL_DIMENSION"]
ANNOTATION = frozenset([*_DIMENSIONS, "LEADER", "MULTILEADER", "MLEADER", "TOLERANCE", "VIEWPORT", "ATTDEF"])
"""Types that describe the drawing: nothing of the ground is lost with them."""
_BYLAYER, _BYBLOCK = "BYLAYER", "BYBLOCK"


class Unusable(Exception):
    """Why a drawing can't be used."""


@dataclass(frozen=True, slots=True)
class Style:
    """Where an entity stands and how it looks."""

    layer: str
    colour: str
    linetype: str


@dataclass(frozen=True, slots=True)
class Feature:
    """An entity in its place.

    Attributes
    ----------
    feature_id : str
        Its handle; within a block after those of the references that lead to it: ``2A/1F``, ``2A[3]/1F`` in an array.
    block, attributes : str
        The block that it is from, and the attributes of its reference as JSON.
    """

    shape: Shape
    feature_id: str
    entity_type: str
    style: Style
    text: str
    xdata: str
    block: str = ""
    attributes: str = ""


@dataclass
class Said:
    """What is to be said of a drawing, each with the layer that it concerns; of all layers where that is empty."""

    findings: list[tuple[str, Severity, str, dict[str, Any]]] = field(default_factory=list)

    def note(self, severity: Severity, rule: str, layer: str = "", **words: Any) -> None:
        """Keep a finding for whoever asks for the layer."""
        self.findings.append((layer, severity, rule, words))


@dataclass(frozen=True)
class _Reference:
    """The place of a block: how its system lies in the drawing, and what its entities take from it."""

    matrix: Floats
    path: str
    style: Style
    block: str
    written: Mapping[str, str]


class Walk:
    """Takes the features of a drawing's model space.

    Parameters
    ----------
    document : ezdxf Drawing
    defined : set of str
        The names of the blocks that the file defines, in lower case; ezdxf makes empty ones of those that it lacks.
    within : float
        How far a curve and its chords are apart at most, in units of the drawing.
    said : Said
        Takes what is to be said.

    Attributes
    ----------
    layers : set of str
        The layers that hold more than annotation.
    deviation : float
        How far a curve and its chords are apart in fact.
    """

    def __init__(self, document: Document, defined: frozenset[str], within: float, said: Said) -> None:
        self.document = document
        self.said = said
        self.within = within
        self.deviation = 0.0
        self.layers: set[str] = set()
        self._defined = defined
        self._layers = {layer.dxf.name.casefold(): layer for layer in document.layers}
        self._spelling = {key: resolved(layer.dxf.name) for key, layer in self._layers.items()}
        self._drawn: dict[tuple[str, int], list[tuple[Feature, Any]]] = {}
        self._ignored: dict[str, Counter[str]] = defaultdict(Counter)
        self._hidden: Counter[str] = Counter()
        self._xrefs: dict[str, str] = {}
        self._sizes: dict[str, int] = {}

    def features(self) -> list[Feature]:
        """Every feature; what can't be one is counted and said.

        Raises
        ------
        Unusable
            If a block is missing, holds itself, or is used so often that the drawing can't be held.
        """
        space = self.document.modelspace()
        if self._size(space, ()) > MOST_FEATURES:
            raise Unusable(
                f"its blocks make more than {MOST_FEATURES} entities; export only the layers that are needed"
            )
        found = list(self._taken(self._draw(space, 0), None))
        self.layers = {feature.style.layer for feature in found}
        self.layers |= {layer for layer, kinds in self._ignored.items() if not kinds.keys() <= ANNOTATION}
        self._conclude()
        return found

    @property
    def named_layers(self) -> tuple[str, ...]:
        """Every layer that the drawing names; layer 0, which each has, where it names none."""
        return tuple(self._spelling.values()) or ("0",)

    def _size(self, entities: Iterable[Any], inside: tuple[str, ...]) -> int:
        """How many entities there are once all blocks are taken apart."""
        return sum(self._size_of(e, inside) if e.dxftype() == "INSERT" else 1 for e in entities)

    def _size_of(self, insert: Any, inside: tuple[str, ...]) -> int:
        name = insert.dxf.get("name", "")
        key = name.lower()
        where = f"INSERT {insert.dxf.handle or ''} on layer {insert.dxf.layer!r}"
        if key not in self._defined:
            raise Unusable(
                f"{where} places block {resolved(name)!r}, which the drawing doesn't define; "
                "insert or purge it in CAD (AUDIT) and export again"
            )
        if key in inside or len(inside) > MOST_LEVELS:
            raise Unusable(
                f"{where}: block {resolved(name)!r} holds itself, or blocks are nested too deep; mend it in CAD"
            )
        if key not in self._sizes:
            block = self.document.blocks.get(name)
            self._sizes[key] = 0 if _is_external(block) else self._size(block, (*inside, key))
        return 1 + _copies(insert) * self._sizes[key]

    def _draw(self, entities: Iterable[Any], fineness: int) -> list[tuple[Feature, Any]]:
        """The entities of a space or block in its own system; references with the entity, to be taken apart later."""
        drawer = Draughtsman(self.within / 2**fineness)
        drawn = [one for entity in entities for one in self._drawn_entity(entity, drawer)]
        self.deviation = max(self.deviation, drawer.deviation * 2**fineness)
        return drawn

    def _drawn_entity(self, entity: Any, drawer: Draughtsman) -> Iterator[tuple[Feature, Any]]:
        if not entity.dxf.is_supported("layer"):
            yield self._foreign(entity), None
            return
        kind, style = entity.dxftype(), self._style(entity)
        if kind == "MLINE":
            for number, line in enumerate(entity.virtual_entities()):
                for feature, reference in self._drawn_entity(line, drawer):
                    handle = f"{entity.dxf.handle}.{number}"
                    yield replace(feature, feature_id=handle, entity_type=kind, style=style), reference
            return
        handle = str(entity.dxf.handle or "")
        feature = Feature(NOTHING, handle, kind, style, "", _xdata(entity))
        if entity.dxf.get("invisible", 0):
            self._hidden[style.layer] += 1
        if kind == "INSERT":
            yield feature, entity
        elif kind not in drawer.types:
            yield replace(feature, shape=Shape("none", fault="ignored")), None
        else:
            yield self._finished(entity, feature, drawer), None

    def _foreign(self, entity: Any) -> Feature:
        """An entity of a program that extends CAD, such as TCH_WALL; ezdxf keeps its tags and knows nothing of it."""
        layer = next((value for tags in entity.xtags.subclasses for code, value in tags if code == 8), "0")
        style = Style(self._spelling.setdefault(layer.casefold(), resolved(layer)), "7", "Continuous")
        return Feature(Shape("none", fault="ignored"), str(entity.dxf.handle or ""), entity.dxftype(), style, "", "")

    def _finished(self, entity: Any, feature: Feature, drawer: Draughtsman) -> Feature:
        try:
            shape = drawer.shape(entity)
            text = _plain(entity) if feature.entity_type in ("TEXT", "MTEXT", "ATTRIB") else ""
            return replace(feature, shape=shape, text=text)
        except Solid:
            return replace(feature, shape=Shape("none", fault="ignored"))
        except MemoryError:
            raise
        except Exception as error:  # ezdxf trusts values and raises anything on broken ones
            return replace(feature, shape=Shape("none", fault="unreadable", value=f"{type(error).__name__}: {error}"))

    def _taken(self, drawn: list[tuple[Feature, Any]], place: _Reference | None) -> Iterator[Feature]:
        """Features at a place, those of blocks placed among them."""
        for feature, insert in drawn:
            placed = feature if place is None else _placed(feature, place)
            placed = replace(placed, style=self._resolved(placed.style, place))
            if insert is not None:
                yield from self._apart(placed, insert, place)
            elif placed.shape.fault == "ignored":
                self._ignored[placed.style.layer][placed.entity_type] += 1
            else:
                self._name_fault(placed)
                yield placed

    def _apart(self, reference: Feature, insert: Any, place: _Reference | None) -> Iterator[Feature]:
        """A block reference taken apart; and its point, unless the block has points or symbols: it counts once."""
        name = insert.dxf.name
        block: Any = self.document.blocks.get(name)
        if _is_external(block):
            self._xrefs[resolved(name)] = resolved(block.block.dxf.get("xref_path", "") or name)
            return
        if _is_clipped(insert):
            about = {"feature_id": reference.feature_id, "value": resolved(name)}
            self.said.note(Severity.WARNING, "dxf_block_clipped", **about)
        own = {resolved(a.dxf.tag): _plain(a) for a in insert.attribs}
        written = {**(place.written if place else {}), **own}
        reference = replace(reference, block=resolved(name), attributes=_json(written), text=" ".join(own.values()))
        several = _copies(insert) > 1
        for number, matrix in enumerate(_matrices(insert)):
            whole = matrix if place is None else matrix @ place.matrix
            drawn = self._block(block, whole)
            path = f"{reference.feature_id}[{number}]" if several else reference.feature_id
            if not any(inner.entity_type in ("POINT", "INSERT") for inner, _ in drawn):
                point = Shape("point", ((np.array([[*_base(block), 1.0]]) @ whole)[:, :3],))
                yield replace(reference, shape=point, feature_id=path)
            yield from self._taken(drawn, _Reference(whole, path, reference.style, reference.block, written))

    def _block(self, block: Any, matrix: Floats) -> list[tuple[Feature, Any]]:
        """A block's entities, drawn as finely as its scale asks for."""
        scale = float(np.linalg.norm(matrix[:3, :3], axis=1).max())
        fineness = max(ceil(log2(scale)), 0) if 1 < scale < 1e9 else 0
        key = block.name.lower(), fineness
        if key not in self._drawn:
            self._drawn[key] = self._draw((e for e in block if e.dxftype() != "ATTDEF"), fineness)
        return self._drawn[key]

    def _style(self, entity: Any) -> Style:
        dxf = entity.dxf
        layer = dxf.get("layer", "0") or "0"
        colour = f"#{dxf.true_color & 0xFFFFFF:06X}" if dxf.hasattr("true_color") else str(dxf.get("color", 256))
        linetype = dxf.get("linetype", _BYLAYER) or _BYLAYER
        special = {"256": _BYLAYER, "0": _BYBLOCK}
        named = linetype.upper()
        return Style(
            self._spelling.setdefault(layer.casefold(), resolved(layer)),
            special.get(colour, colour),
            named if named in (_BYLAYER, _BYBLOCK) else resolved(linetype),
        )

    def _resolved(self, style: Style, place: _Reference | None) -> Style:
        """What is drawn on layer 0 of a block, or in its colour, takes them from the reference."""
        outer = place.style if place is not None else Style("0", "7", "Continuous")
        name = outer.layer if place is not None and style.layer == "0" else style.layer
        colour = outer.colour if style.colour == _BYBLOCK else style.colour
        linetype = outer.linetype if style.linetype == _BYBLOCK else style.linetype
        layer = self._layers.get(name.casefold())
        if colour == _BYLAYER:
            colour = _layer_colour(layer) if layer is not None else "7"
        if linetype == _BYLAYER:
            linetype = resolved(layer.dxf.get("linetype", "Continuous")) if layer is not None else "Continuous"
        return Style(name, colour, linetype)

    def _name_fault(self, feature: Feature) -> None:
        shape, layer = feature.shape, feature.style.layer
        about = {"layer": layer, "feature_id": feature.feature_id, "value": shape.value, "kind": feature.entity_type}
        if shape.fault == "unreadable":
            self.said.note(Severity.ERROR, "dxf_entity_unreadable", **about)
        elif shape.fault == "radius":
            self.said.note(Severity.WARNING, "dxf_no_radius", **about)
        elif shape.fault == "closed":
            self.said.note(Severity.WARNING, "dxf_nearly_closed", **about)
        elif shape.fault == "flat":
            self.said.note(Severity.WARNING, "dxf_encloses_nothing", **about)
        elif shape.fault == "gap":
            self.said.note(Severity.ERROR, "dxf_hatch_open", **about)

    def _conclude(self) -> None:
        """What is said once for each layer, or for the drawing."""
        for layer, counts in self._ignored.items():
            for kind, count in counts.items():
                value = f"{kind} × {count}"
                if kind in ANNOTATION:
                    concerned = layer if layer in self.layers else ""
                    self.said.note(Severity.INFO, "dxf_annotation_ignored", layer=concerned, value=value)
                else:
                    self.said.note(Severity.WARNING, "dxf_entities_ignored", layer=layer, value=value)
        for layer, count in self._hidden.items():
            self.said.note(Severity.INFO, "dxf_invisible", layer=layer, value=str(count))
        for key, entry in self._layers.items():
            if entry.is_off() or entry.is_frozen():
                self.said.note(Severity.INFO, "dxf_layer_hidden", layer=self._spelling[key])
        for name, path in self._xrefs.items():
            self.said.note(Severity.WARNING, "dxf_xref", value=name, path=path)


def _placed(feature: Feature, place: _Reference) -> Feature:
    """A block's entity where the block is placed."""
    strings = tuple(_moved(string, place.matrix) for string in feature.shape.strings)
    return replace(
        feature,
        shape=replace(feature.shape, strings=strings),
        feature_id=f"{place.path}/{feature.feature_id}",
        block=place.block,
        attributes=_json(place.written),
    )


def _moved(points: Floats, matrix: Floats) -> Floats:
    return points @ matrix[:3, :3] + matrix[3, :3]


def _matrices(insert: Any) -> Iterator[Floats]:
    """How a block's system lies in the one around it, for each copy of an array; rows are axes and origin."""
    first = np.array(list(insert.matrix44()), dtype=float).reshape(4, 4)
    if _copies(insert) == 1:
        yield first
        return
    dxf = insert.dxf
    scale = np.array([dxf.xscale or 1.0, dxf.yscale or 1.0])[:, None]
    along, up = first[:2, :3] / scale  # an array's spacing isn't scaled with the block
    rows, columns = _array(insert)
    for row in range(rows):
        for column in range(columns):
            matrix = first.copy()
            matrix[3, :3] += along * column * dxf.column_spacing + up * row * dxf.row_spacing
            yield matrix


def _copies(insert: Any) -> int:
    rows, columns = _array(insert)
    return rows * columns


def _array(insert: Any) -> tuple[int, int]:
    """Rows and columns of the copies that a reference makes; those without spacing lie on each other and count once."""
    dxf = insert.dxf
    rows = dxf.get("row_count", 1) if dxf.get("row_spacing", 0) else 1
    columns = dxf.get("column_count", 1) if dxf.get("column_spacing", 0) else 1
    return max(rows, 1), max(columns, 1)


def _base(block: Any) -> tuple[float, float, float]:
    x, y, z = block.block.dxf.get("base_point", (0, 0, 0))
    return x, y, z


def _is_external(block: Any) -> bool:
    return bool(block.block.dxf.get("flags", 0) & (4 | 8)) and not len(block)


def _is_clipped(insert: Any) -> bool:
    """True if CAD shows only a part of the block (XCLIP)."""
    from ezdxf.xclip import XClip

    clip = XClip(insert)
    return bool(clip.has_clipping_path and clip.is_clipping_enabled)


def _layer_colour(layer: Any) -> str:
    if layer.dxf.hasattr("true_color"):
        return f"#{layer.dxf.true_color & 0xFFFFFF:06X}"
    return str(abs(layer.dxf.get("color", 7)))


def _plain(entity: Any) -> str:
    """What a text says, without the codes of its formatting."""
    return resolved(entity.plain_text())


def _xdata(entity: Any) -> str:
    """The data that applications hung on an entity, as JSON: CASS and others keep their feature codes there."""
    if entity.xdata is None:
        return ""
    found = {
        resolved(name): [v if isinstance(v, int | float) else resolved(str(v)) for code, v in tags[1:] if code < 1072]
        for name, tags in entity.xdata.data.items()
        if name != "ACAD"
    }
    return _json(found)


def _json(found: Mapping[str, Any]) -> str:
    return json.dumps(found, ensure_ascii=False) if found else ""
