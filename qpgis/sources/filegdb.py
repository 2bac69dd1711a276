"""File geodatabase (``.gdb``): feature classes and tables, with its aliases, code lists and subtypes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np
import shapely

from qpgis.errors import SourceError
from qpgis.findings import Severity, ids_text
from qpgis.shapes import even_odd
from qpgis.sources import RawFeatures, Request
from qpgis.sources.arrow import read_table
from qpgis.sources.domains import Range, report_outside
from qpgis.sources.gdbtable import GdbTable, gdb_table
from qpgis.sources.local import aside
from qpgis.sources.ogr import chosen_layer, explained, ogr_layers, remarks_of

if TYPE_CHECKING:
    import geopandas as gpd
    import pandas as pd

DRIVER = "OpenFileGDB"
_CATALOGUE = "a00000001.gdbtable"
_REMEDY = "copy the whole .gdb folder again, or export the layer in ArcGIS (Recover File Geodatabase mends some)"
_LOCKS = {"sr": "open", "rd": "read", "ed": "edited", "wr": "written"}
"""What the kinds of lock files mean."""


def layers(path: Path, name: str) -> tuple[str, ...]:
    """The names of the feature classes and tables, those in feature datasets too; no system tables."""
    _whole(path, name)
    with aside(path) as plain, _named(plain, name):
        try:
            return ogr_layers(plain, name, DRIVER)
        except SourceError as error:
            reason = str(error.__cause__).split(";")[0]
            raise SourceError(f"{name}: the geodatabase is damaged or not whole: {reason}; {_REMEDY}") from error


def read(request: Request) -> RawFeatures:
    """Every row of one feature class or table."""
    layer = chosen_layer(request, layers(request.path, request.what))
    _report_locks(request)
    with aside(request.path) as plain, _named(plain, request.name):
        table = _table(request, plain, layer)
        frame, spatial, remarks = read_table(request, plain, DRIVER, layer)
        words = _dictionary(request, plain, layer)
    if table is not None:
        _compare(request, frame, spatial, table, words.nullable)
    if words.shape_type == "esriGeometryPolygon":
        frame = frame.set_geometry(_wound(request, frame))
    report_outside(request, frame, words.ranges)
    aliases = {name: alias for name, alias in words.aliases.items() if name in frame}
    domains = {name: codes for name, codes in words.domains.items() if name in frame}
    return RawFeatures(
        frame, request.name, DRIVER, remarks=remarks, layer=layer, aliases=aliases, domains=domains, spatial=spatial
    )


def _whole(path: Path, what: str) -> None:
    """Raise unless the folder looks like a file geodatabase that can be read."""
    if not path.is_dir():
        raise SourceError(f"{what}: a file geodatabase is a folder, this is a file; copy the folder itself")
    if (path / _CATALOGUE).is_file():
        try:
            gdb_table(path / _CATALOGUE)
        except ValueError as error:
            raise SourceError(f"{what}: the geodatabase's table of contents is damaged: {error}; {_REMEDY}") from error
        return
    if any(path.glob("*.cdf")):
        raise SourceError(f"{what}: the geodatabase is compressed (CDF); uncompress it in ArcGIS first")
    inside = sorted(one.name for one in path.glob("*.gdb"))
    hint = f"; it holds {', '.join(inside)}: name that" if inside else f"; {_REMEDY}"
    raise SourceError(f"{what}: it is no file geodatabase, or only a part of one: {_CATALOGUE} is missing{hint}")


@contextmanager
def _named(plain: Path, name: str) -> Iterator[None]:
    """Errors speak of the file by its own name."""
    try:
        yield
    except SourceError as error:
        raise SourceError(str(error).replace(str(plain), name)) from error


def _report_locks(request: Request) -> None:
    """Say who has the geodatabase open; the files are called ``<table>.<computer>.<process>.<thread>.<kind>.lock``."""
    held = set()
    for lock in request.path.glob("*.lock"):
        parts = lock.name.split(".")
        computer = ".".join(parts[1:-4]) or "?"
        held.add(f"{computer}: {parts[0]} ({_LOCKS.get(parts[-2], parts[-2])})")
    if held:
        request.note(Severity.WARNING, "gdb_locked", value="; ".join(sorted(held)))


def _table(request: Request, plain: Path, layer: str) -> GdbTable | None:
    """The layer's own table, by the number that the geodatabase's catalogue gives it."""
    catalogue = _system_table(request, plain, "GDB_SystemCatalog")
    if catalogue is None:
        return None
    numbers = catalogue.index[catalogue["Name"].str.lower() == layer.lower()]
    if len(numbers) != 1:
        return None
    path = request.path / f"a{numbers[0]:08x}.gdbtable"
    if not path.exists() and path.with_suffix(".cdf").exists():
        raise request.refusal(f"{layer!r} is compressed (CDF); uncompress it in ArcGIS first")
    try:
        return gdb_table(path)
    except ValueError as error:
        raise request.refusal(f"{layer!r} is damaged: {error}; {_REMEDY}") from error


def _system_table(request: Request, plain: Path, name: str) -> pd.DataFrame | None:
    """A table in which the geodatabase describes itself, by row number; ``None`` where it has no such table."""
    import pyarrow as pa
    import pyogrio
    from pyogrio.errors import DataLayerError

    with explained(request.what, DRIVER), remarks_of(request):
        try:
            _, table = pyogrio.raw.read_arrow(plain, layer=name, return_fids=True)
            table.validate(full=True)
            frame = table.to_pandas()
        except DataLayerError:
            return None
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise request.refusal(f"its table {name} is damaged: {error}; {_REMEDY}") from error
    return frame.set_index(frame.columns[0])


def _compare(request: Request, frame: gpd.GeoDataFrame, spatial: bool, table: GdbTable, nullable: int) -> None:
    """Hold the rows against what the table's own headers say."""
    if len(frame) != table.valid:
        raise request.refusal(f"it is damaged: it holds {table.valid} rows, {len(frame)} can be read; {_REMEDY}")
    if not spatial or not nullable:
        return
    missing = frame.loc[frame.geometry.isna().to_numpy(), "feature_id"]
    try:
        drawn = table.drawn(missing.astype(int), nullable=nullable)
    except ValueError as error:
        raise request.refusal(f"it is damaged: {error}; {_REMEDY}") from error
    for number in drawn:
        request.note(Severity.ERROR, "gdb_damaged_shape", feature_id=str(number))


def _wound(request: Request, frame: gpd.GeoDataFrame) -> gpd.GeoSeries:
    """The geometries; by the even-odd rule where rings run the wrong way.

    ArcGIS winds shells to the right and holes to the left, and tells one from the other by that alone.
    """
    import geopandas as gpd

    shapes = frame.geometry.to_numpy().copy()
    parts, rows = shapely.get_parts(shapes, return_index=True)
    rings, owners = shapely.get_rings(parts, return_index=True)
    shell = np.diff(owners, prepend=-1) != 0
    sound = shapely.is_closed(rings) & (shapely.area(shapely.polygons(rings)) > 0)
    odd = np.unique(rows[owners[sound & (shapely.is_ccw(rings) == shell)]])
    if not len(odd):
        return frame.geometry
    for row in odd:
        outer, *others = rings[rows[owners] == row]
        by_rings = even_odd(shapely.polygons(outer, others or None))
        if not np.isclose(by_rings.area, shapes[row].area, rtol=1e-9, atol=0):
            shapes[row] = by_rings
    ids = ids_text([str(frame["feature_id"].iloc[row]) for row in odd])
    request.note(Severity.WARNING, "gdb_ring_direction", value=ids, count=len(odd))
    return gpd.GeoSeries(shapes, crs=frame.crs)


@dataclass
class _Dictionary:
    """What the geodatabase says of a layer's fields."""

    aliases: dict[str, str] = field(default_factory=dict)
    domains: dict[str, dict[str, str]] = field(default_factory=dict)
    ranges: dict[str, Range] = field(default_factory=dict)
    nullable: int = 0
    shape_type: str = ""


def _dictionary(request: Request, plain: Path, layer: str) -> _Dictionary:
    """Aliases, domains and subtypes of a layer's fields."""
    words = _Dictionary()
    _table(request, plain, "GDB_Items")
    items = _system_table(request, plain, "GDB_Items")
    if items is None:
        return words
    roots = {str(name): _parsed(text) for name, text in zip(items["Name"], items["Definition"], strict=True)}
    own = roots.get(layer)
    asked = {layer} if own is None else {(one.text or "").strip() for one in own.iterfind(".//{*}DomainName")} - {""}
    unread = sorted(name for name in asked & roots.keys() if roots[name] is None)
    if unread:
        request.note(Severity.WARNING, "gdb_definition_unread", value=", ".join(unread))
    if own is None:
        return words
    words.shape_type = _text(own, "ShapeType")
    lists = {name: _codes(root) for name, root in roots.items() if _kind(root).startswith("GPCodedValueDomain")}
    ranges = {name: _range(name, root) for name, root in roots.items() if _kind(root).startswith("GPRangeDomain")}
    for info in own.iterfind(".//{*}GPFieldInfoExs/{*}GPFieldInfoEx"):
        name, alias, domain = (_text(info, tag) for tag in ("Name", "AliasName", "DomainName"))
        words.nullable += _text(info, "IsNullable") == "true"
        if alias and alias != name:
            words.aliases[name] = alias
        if domain in lists:
            words.domains[name] = lists[domain]
        limits = ranges.get(domain)
        if limits is not None:
            words.ranges[name] = limits
    _add_subtypes(words, own, lists)
    return words


def _add_subtypes(words: _Dictionary, own: ElementTree.Element, lists: dict[str, dict[str, str]]) -> None:
    """Subtypes are a code list of their field; each may give other fields code lists of their own."""
    subtypes = own.findall(".//{*}Subtypes/{*}Subtype")
    by_field = _text(own, "SubtypeFieldName")
    if not (subtypes and by_field):
        return
    words.domains[by_field] = {_text(one, "SubtypeCode"): _text(one, "SubtypeName") for one in subtypes}
    for one in subtypes:
        for info in one.iterfind(".//{*}SubtypeFieldInfo"):
            name, domain = _text(info, "FieldName"), _text(info, "DomainName")
            known = dict(words.domains.get(name, {}))
            for code, word in lists.get(domain, {}).items():
                other = known.get(code, word)
                known[code] = word if other == word else f"{other} / {word}"
            if known:
                words.domains[name] = known


def _parsed(text: Any) -> ElementTree.Element | None:
    """The root of a definition; none where there is no definition, or one that would have entities expanded."""
    if not isinstance(text, str) or "<!DOCTYPE" in text or "<!ENTITY" in text:
        return None
    try:
        return ElementTree.fromstring(text.rstrip("\0").encode())
    except (ElementTree.ParseError, ValueError):
        return None


def _kind(root: ElementTree.Element | None) -> str:
    return "" if root is None else root.tag.rpartition("}")[2]


def _text(element: ElementTree.Element, tag: str) -> str:
    return (element.findtext(f"{{*}}{tag}") or "").strip()


def _codes(root: ElementTree.Element | None) -> dict[str, str]:
    found = [] if root is None else root.findall(".//{*}CodedValue")
    return {_text(one, "Code"): _text(one, "Name") for one in found}


def _range(name: str, root: ElementTree.Element | None) -> Range | None:
    """The range of numbers that a domain allows; none where it is one of dates."""
    try:
        return None if root is None else Range(name, float(_text(root, "MinValue")), float(_text(root, "MaxValue")))
    except ValueError:
        return None
