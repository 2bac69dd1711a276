"""KML and KMZ: the placemarks of each folder are a layer. Read without GDAL, which drops and invents in silence."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qpgis.crs import LONLAT
from qpgis.findings import Severity, ids_text
from qpgis.sources import RawFeatures, Request
from qpgis.sources.archives import unpacked
from qpgis.sources.ids import feature_ids
from qpgis.sources.jsonshapes import Features, Wrong, first_wrong, frame_columns, no_collector
from qpgis.sources.ogr import chosen_layer
from qpgis.sources.places import check_degrees, check_near
from qpgis.sources.xml import exact_numbers, safe_text, tree

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    import geopandas as gpd

DRIVER = "KML"
_CONTAINERS = ("Document", "Folder")
_MULTI = ("MultiGeometry", "MultiPoint", "MultiLineString", "MultiPolygon")
"""Only the first is KML; the others are written nevertheless."""
_SHAPES = ("Point", "LineString", "LinearRing", "Polygon", *_MULTI)
_UNREAD_SHAPES = ("Model", "Track", "MultiTrack")
_TEXTS = ("name", "description", "address", "phoneNumber", "Snippet", "snippet")
_STAMPS = ("TimeStamp", "TimeSpan")
_TIMES = {"when": "timestamp", "begin": "begin", "end": "end"}
_OWN = (*_TEXTS, *_TIMES.values())
"""Fields of KML itself; extended data of these names get an underscore."""
_PICTURES = ("GroundOverlay", "ScreenOverlay", "PhotoOverlay", "Tour")
_ASIDE = frozenset(
    [
        *_TEXTS,
        *("Style", "StyleMap", "Schema", "styleUrl", "LookAt", "Camera", "Region", "TimeStamp", "TimeSpan"),
        *("visibility", "open", "author", "link", "AddressDetails", "ExtendedData", "Metadata", "NetworkLinkControl"),
        *("CascadingStyle", "balloonVisibility", "ViewerOptions", "altitudeMode", "AbstractViewGroup"),
    ]
)
"""What stands beside placemarks and is none."""
_NUMBERS = re.compile(r"[-+0-9.eE,\s]*")
_LOOSE = re.compile(r"\s*,\s*")
_SPACED = re.compile(r"\s,|,\s")
_TAB = re.compile(r"\S *\t[ \t]*\S")
AT_ONCE = 2_000
"""How many placemarks become shapes at a time."""


def layers(path: Path, name: str) -> tuple[str, ...]:
    """The folders that have placemarks of their own."""
    with _document(Request(path, name)) as (document, _):
        return tuple(document.layers)


def read(request: Request) -> RawFeatures:
    """Every placemark of one folder; those of folders within are layers of their own.

    Longitude and latitude are WGS 84, as KML is. A placemark without geometry is kept.

    Raises
    ------
    SourceError
        If it isn't KML, isn't safe, or if a placemark's coordinates are broken or no degrees; it is named.
    """
    with no_collector(), _document(request) as (document, encoding):
        layer = chosen_layer(request, tuple(document.layers))
        _say_unread(request, document)
        placemarks = _Placemarks(document.layers[layer])
        features = placemarks.features(request)
        check_near(request, features.geometry(), placemarks.called)
        if request.crs is None:
            check_degrees(request, features.geometry(), placemarks.called, because="as KML has to be")
        _say_oddities(request, placemarks, features)
        frame = _frame(request, features, document.texts)
        return RawFeatures(frame, request.name, DRIVER, layer=layer, encoding=encoding, default_crs=True)


@dataclass
class _Document:
    """The layers of a file and what is none.

    Attributes
    ----------
    layers : dict of str to list of elements
        The placemarks of each folder that has any.
    unread : Counter
        What is left out, by its name.
    links : list of str
        Addresses that are never fetched.
    texts : set of str
        Fields that a schema declares as text.
    """

    layers: dict[str, list[Element]] = field(default_factory=dict)
    unread: Counter[str] = field(default_factory=Counter)
    links: list[str] = field(default_factory=list)
    texts: set[str] = field(default_factory=set)


@contextmanager
def _document(request: Request) -> Iterator[tuple[_Document, str]]:
    if request.path.suffix.lower() != ".kmz":
        yield _read_document(request, request.path.stem)
        return
    with unpacked(request.path, request.what) as folder:
        yield _read_document(request.at(_main(request, folder)), request.path.stem)


def _main(request: Request, folder: Path) -> Path:
    """The document of a KMZ: the only .kml, or ``doc.kml``; any other is named.

    GDAL, and so QGIS, writes a layer into a second one, to which ``doc.kml`` only links.
    """
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() == ".kml" and path.is_file())
    main = found if len(found) == 1 else [path for path in found if path.name.lower() == "doc.kml"]
    if len(found) == 2 and len(main) == 1 and _only_links(main[0]):
        return next(path for path in found if path != main[0])
    if len(main) != 1:
        names = ", ".join(path.relative_to(folder).as_posix() for path in found) or "none"
        raise request.refusal(f"a KMZ has to have one document, doc.kml; there is: {names}")
    others = [path.relative_to(folder).as_posix() for path in found if path != main[0]]
    if others:
        request.note(Severity.WARNING, "kmz_other_documents", value=ids_text(others))
    return main[0]


def _only_links(path: Path) -> bool:
    """True for a document without a placemark of its own that links to others."""
    body = path.read_bytes()
    return b"<NetworkLink" in body and b"Placemark" not in body


def _read_document(request: Request, stem: str) -> tuple[_Document, str]:
    text, encoding = safe_text(request, DRIVER)
    root = tree(request, text)
    if root.tag not in ("kml", *_CONTAINERS):
        raise request.refusal(f"it is no KML: its outermost element is <{root.tag}>")
    document = _Document(texts=_declared_texts(root))
    found = [(path, marks) for path, marks in _folders(root, (), document) if marks]
    if not found:
        links = f"; it only links to {document.links[0]}, which is never fetched: save that" if document.links else ""
        raise request.refusal(f"it holds no placemarks{links}")
    bearers = Counter(_short(path, stem) for path, _ in found)
    for path, marks in found:
        name = _short(path, stem)
        name = name if bearers[name] == 1 else " / ".join(part or stem for part in path) or stem
        document.layers[_free(name, document.layers)] = marks
    return document, encoding


def _declared_texts(root: Element) -> set[str]:
    fields = [one for schema in root.iter("Schema") for one in schema.iter("SimpleField")]
    return {one.get("name", "") for one in fields if one.get("type") == "string"}


_Path = tuple[str, ...]


def _folders(element: Element, path: _Path, document: _Document) -> Iterator[tuple[_Path, list[Element]]]:
    """Each folder with its placemarks, the outer before the inner."""
    marks = [child for child in element if child.tag == "Placemark"]
    yield path, marks
    for child in element:
        if child.tag in _CONTAINERS:
            name = (child.findtext("name") or "").strip()
            yield from _folders(child, path if child.tag == "Document" and not name else (*path, name), document)
        elif child.tag == "NetworkLink":
            document.unread["NetworkLink"] += 1
            document.links += [(href.text or "").strip() for href in child.iter("href")]
        elif child.tag not in _ASIDE and child.tag != "Placemark":
            document.unread[child.tag] += 1


def _short(path: _Path, stem: str) -> str:
    """A folder's name; where others bear it too, those of the folders around it are put before it."""
    return (path[-1] if path else "") or stem


def _free(name: str, taken: Container[str]) -> str:
    return next(one for one in chain([name], (f"{name} (#{n})" for n in count(2))) if one not in taken)


def _say_unread(request: Request, document: _Document) -> None:
    """Name what is no placemark: pictures and tours, which are no data; links, which may be."""
    pictures = {tag: count for tag, count in document.unread.items() if tag in _PICTURES}
    others = {tag: count for tag, count in document.unread.items() if tag not in (*_PICTURES, "NetworkLink")}
    if document.links:
        request.note(Severity.WARNING, "kml_link", value=ids_text(document.links), count=len(document.links))
    if pictures:
        request.note(Severity.INFO, "kml_pictures", value=_counts(pictures))
    if others:
        request.note(Severity.WARNING, "kml_unread", value=_counts(others))


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {tag}" for tag, count in sorted(counts.items()))


# placemarks


@dataclass(frozen=True)
class _Placemarks:
    """The placemarks of one folder.

    ``called`` is what messages call one: its place in the folder, from 0, and its name.
    """

    marks: Sequence[Element]

    def called(self, row: int) -> str:
        name = (self.marks[row].findtext("name") or "").strip()
        return f"placemark {row}" + (f" ({name[:60]!r})" if name else "")

    def where(self, rows: Sequence[bool]) -> dict[str, Any]:
        """Some of them, for a finding."""
        names = [self.called(row) for row, there in enumerate(rows) if there]
        return {"feature_id": ids_text(names), "count": len(names)}

    def features(self, request: Request) -> Features:
        """All of them, as GeoJSON features would be."""
        features = Features()
        for first in range(0, len(self.marks), AT_ONCE):
            some = [self._feature(request, row) for row in range(first, min(first + AT_ONCE, len(self.marks)))]
            try:
                features.add(some)
            except Wrong as why:
                row, reason = first_wrong(some) or (0, str(why))
                raise request.refusal(f"{self.called(first + row)}: {reason}") from None
        return features

    def _feature(self, request: Request, row: int) -> dict[str, Any]:
        mark = self.marks[row]
        shapes = [child for child in mark if child.tag in _SHAPES]
        several = len(shapes) > 1 or any(shape.tag in _MULTI for shape in shapes)
        try:
            made = {"type": "Feature", "geometry": _geometry(shapes, several=several), "properties": _properties(mark)}
        except Wrong as why:
            raise request.refusal(f"{self.called(row)}: {why}") from None
        return made if mark.get("id") is None else made | {"id": mark.get("id")}


def _say_oddities(request: Request, placemarks: _Placemarks, features: Features) -> None:
    """What was written loosely, closed or left out."""
    texts = ["\0".join(one.text or "" for one in mark.iter("coordinates")) for mark in placemarks.marks]
    loose, tabs = ([pattern.search(text) is not None for text in texts] for pattern in (_SPACED, _TAB))
    if any(loose):
        request.note(Severity.WARNING, "kml_spaces", **placemarks.where(loose))
    if any(tabs):
        request.note(Severity.WARNING, "kml_tabs", **placemarks.where(tabs))
    unread = [any(one.tag in _UNREAD_SHAPES for one in mark.iter()) for mark in placemarks.marks]
    if any(unread):
        request.note(Severity.WARNING, "kml_no_shape", **placemarks.where(unread))
    closed = set(features.rows["closed"])
    if closed:
        where = placemarks.where([row in closed for row in range(len(features))])
        request.note(Severity.WARNING, "text_ring_closed", **where)


def _geometry(shapes: Iterable[Element], *, several: bool) -> dict[str, Any] | None:
    """Shapes as one geometry, as GeoJSON has it; ``None`` where there are no coordinates."""
    parts = [part for shape in shapes if shape.tag in _SHAPES for part in _parts(shape)]
    if not parts:
        return None
    if len(parts) == 1 and not several:
        return parts[0]
    kinds = {part["type"] for part in parts}
    if len(kinds) > 1:
        return {"type": "GeometryCollection", "geometries": parts}
    return {"type": f"Multi{kinds.pop()}", "coordinates": [part["coordinates"] for part in parts]}


def _parts(shape: Element) -> Iterator[dict[str, Any]]:
    """The points, lines and polygons that a shape consists of."""
    if shape.tag in _MULTI:
        for part in shape:
            if part.tag in _SHAPES:
                yield from _parts(part)
        return
    coordinates = _rings(shape) if shape.tag == "Polygon" else _positions(shape)
    if shape.tag == "Point" and len(coordinates) > 1:
        raise Wrong(f"a Point of {len(coordinates)} positions")
    if coordinates:
        kind = "LineString" if shape.tag == "LinearRing" else shape.tag
        yield {"type": kind, "coordinates": coordinates[0] if kind == "Point" else coordinates}


def _rings(polygon: Element) -> list[list[list[float]]]:
    """The outer ring and the inner ones; nothing for a polygon without coordinates."""
    outer = [_positions(ring) for ring in polygon.iterfind("outerBoundaryIs/LinearRing")]
    inner = [_positions(ring) for ring in polygon.iterfind("innerBoundaryIs/LinearRing")]
    if len(outer) != 1 and (outer or inner):
        raise Wrong(f"a Polygon of {len(outer)} outer rings")
    return [*outer, *inner] if any(outer + inner) else []


def _positions(shape: Element) -> list[list[float]]:
    """The tuples of a shape: longitude, latitude and, maybe, height."""
    texts = [one.text or "" for one in shape.iterfind("coordinates")]
    if len(texts) > 1:
        raise Wrong(f"a {shape.tag} with {len(texts)} times <coordinates>")
    text = _LOOSE.sub(",", texts[0]) if texts else ""
    if not _NUMBERS.fullmatch(text):
        raise Wrong(f"its coordinates hold {next(word for word in text.split() if not _NUMBERS.fullmatch(word))!r}")
    try:
        positions = [list(map(float, word.split(","))) for word in text.split()]
    except ValueError:
        raise Wrong(f"its coordinates {text.strip()[:60]!r} aren't all tuples of numbers") from None
    odd = [position for position in positions if len(position) not in (2, 3)]
    if odd:
        raise Wrong(f"{odd[0]} is no tuple of longitude, latitude and, maybe, height")
    return positions


# fields


def _properties(mark: Element) -> dict[str, Any]:
    """Name, description, times and extended data of a placemark; what stands several times, as a list."""
    found: dict[str, list[str | None]] = {child.tag: [_text(child)] for child in mark if child.tag in _TEXTS}
    for stamp in mark:
        if stamp.tag in _STAMPS:
            found |= {_TIMES[one.tag]: [_text(one)] for one in stamp if one.tag in _TIMES}
    for name, value in _extended(mark):
        found.setdefault(f"{name}_" if name in _OWN else name, []).append(value)
    return {name: values[0] if len(values) == 1 else values for name, values in found.items()}


def _extended(mark: Element) -> Iterator[tuple[str, str | None]]:
    for child in mark.iterfind("ExtendedData/*"):
        if child.tag == "Data":
            value = child.find("value")
            yield child.get("name", ""), None if value is None else _text(value)
        elif child.tag == "SchemaData":
            yield from ((one.get("name", ""), _text(one)) for one in child.iterfind("SimpleData"))
        else:
            yield child.tag, _text(child)


def _text(element: Element) -> str | None:
    return "".join(element.itertext()).strip() or None


def _frame(request: Request, features: Features, texts: set[str]) -> gpd.GeoDataFrame:
    """The fields, typed where that loses nothing; ``texts`` are those that a schema declares as text."""
    import geopandas as gpd
    import pandas as pd

    asis = texts | set(_OWN)
    typed = {name: some if name in asis else exact_numbers(some) for name, some in features.columns.items()}
    columns, _ = frame_columns(typed)
    columns.setdefault("feature_id", pd.Series(feature_ids(request, features.ids), dtype="str"))
    return gpd.GeoDataFrame(columns, geometry=features.geometry(), crs=LONLAT)
