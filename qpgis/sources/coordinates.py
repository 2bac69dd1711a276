"""Where a table's coordinates stand, and the geometries that they make.

Names are data (``data/schemes/coordinates.toml``); what they leave open, the numbers decide where they can, and what
was taken is said. What neither settles is refused with the words that settle it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import shapely

from qpgis.catalogue import read_toml
from qpgis.crs import Floats, Geometries
from qpgis.crs.china import DOMAIN
from qpgis.errors import did_you_mean
from qpgis.findings import Severity
from qpgis.sources import Request
from qpgis.sources.grid import Table, plain, row_list
from qpgis.sources.wkb import geometries

if TYPE_CHECKING:
    from pyproj import CRS

Kind = Literal["degrees", "east_north", "xy", "given"]
_SAMPLE = 200
_WKT = re.compile(
    r"\s*(?:SRID=\d+;)?\s*(?:(?:MULTI)?(?:POINT|LINESTRING|POLYGON|CURVE|SURFACE)|GEOMETRYCOLLECTION|CIRCULARSTRING"
    r"|COMPOUNDCURVE|CURVEPOLYGON|POLYHEDRALSURFACE|TIN|TRIANGLE)\s*(?:ZM|Z|M)?\s*(?:\(|EMPTY)",
    re.IGNORECASE,
)
_WKB = re.compile(r"\s*(?:\\x|0x)?(0[01][0-9A-Fa-f]{16,})\s*")
"""Hexadecimal well-known binary, as PostgreSQL or SQL Server mark bytes too."""
_CURVED = re.compile(r"\s*(?:CIRC|COMPOUND|(?:MULTI)?(?:CURVE|SURF)|GEOMETRYC)", re.IGNORECASE)
"""Well-known text that shapely can't be given alone, or that may be nested without end."""
_DEEPEST = 32
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_PAIR = re.compile(r"\s*[\[(]?\s*([^\s,;，；、]+)\s*[,;，；、\s]\s*([^\s,;，；、\])]+)\s*[\])]?\s*")
_HEAD, _TAIL = r"(?P<head>[NSEW])?", r"(?P<tail>[NSEW])?"
_DMS = re.compile(
    _HEAD
    + r"(?P<sign>[+-])?(?P<d>\d{1,3})(?:[°d:]|-(?=\d{1,2}[-'m]))(?:(?P<m>\d{1,2}(?:\.\d+)?)(?:['m:-]|$|(?=[NSEW]))"
    r"(?:(?P<s>\d{1,2}(?:\.\d+)?)(?:\"|'')?s?)?)?" + _TAIL
)
_DECIMAL = re.compile(_HEAD + r"(?P<d>[+-]?\d{1,3}(?:\.\d+)?)°?" + _TAIL)
_DOTTED = re.compile(_HEAD + r"(?P<d>\d{1,3})\.(?P<m>\d{2})\.(?P<s>\d{2}(?:\.\d+)?)" + _TAIL)
_TWO_DOTS = re.compile(r"\d{1,3}\.\d+\.\d+(?:\.\d+)?")
_SIGNS = str.maketrans(
    {
        "º": "°",
        "度": "°",
        "˚": "°",
        "′": "'",
        "‘": "'",
        "’": "'",
        "分": "'",
        "`": "'",
        "″": '"',
        "“": '"',
        "”": '"',
        "秒": '"',
        "−": "-",
        " ": None,
    }
)
_HEMISPHERES = {"东经": "E", "西经": "W", "北纬": "N", "南纬": "S", "东": "E", "西": "W", "北": "N", "南": "S"}


@dataclass(frozen=True)
class Located:
    """The geometries of a table.

    Attributes
    ----------
    geometry : array of geometries
        None where a row has none.
    crs : CRS or None
        What extended well-known text or binary says itself; degrees where columns are called so.
    replaced : str
        The column that the geometries were made of and that they replace; empty for coordinates, which stay.
    """

    geometry: Geometries
    crs: CRS | None = None
    replaced: str = ""


@dataclass(frozen=True)
class _Columns:
    x: str
    y: str
    kind: Kind


def locate(request: Request, table: Table, numbers: Mapping[str, Floats]) -> Located | None:
    """The geometries of a table's rows; None where it has no coordinates.

    Parameters
    ----------
    request : Request
        Its ``wkt_field``, or ``x_field`` and ``y_field``, name the columns; without them, known names do.
    table : Table
    numbers : mapping of column to array
        The columns that are numbers throughout.

    Raises
    ------
    SourceError
        If a named column isn't there, if several could be meant, or if what they hold can't be coordinates.
    """
    if request.wkt_field:
        return _from_text(request, table, _named(request, table, request.wkt_field))
    if request.x_field or request.y_field:
        if not (request.x_field and request.y_field):
            raise request.refusal("x_field and y_field belong together; name both")
        given = _Columns(_named(request, table, request.x_field), _named(request, table, request.y_field), "given")
        return _from_columns(request, table, numbers, given)
    texts = _text_columns(table)
    columns = list(_coordinate_columns(table))
    if len(texts) > 1:
        raise request.refusal(f'columns {", ".join(texts)} all hold geometries; say which with wkt_field = "..."')
    if texts:
        if columns:
            _say_others(request, texts[0], columns)
        return _from_text(request, table, texts[0])
    pair = next((name for name in table.columns if plain(name) in _words("pair", "pair_latitude_first")), None)
    if columns:
        return _from_columns(request, table, numbers, _chosen(request, columns))
    if pair is not None and _mostly_pairs(table.columns[pair]):
        return _from_pair(request, table, pair)
    _say_half(request, table)
    return None


def is_code(name: str) -> bool:
    """True if a column's name says that its digits name things.

    >>> is_code("DLBM"), is_code("行政区代码"), is_code("flow")
    (True, True, False)
    >>> is_code("zone_id"), is_code("zoneId"), is_code("grid")
    (True, True, False)
    """
    called = plain(name)
    return any(called.endswith(word) and _ends_apart(name, word) for word in _words("codes"))


def _ends_apart(name: str, word: str) -> bool:
    """True if a name ends in a word of its own: a short Latin one may also be the end of another."""
    rest, end = name[: -len(word)], name[-len(word) :]
    return (
        not word.isascii() or len(word) > 3 or not rest or not rest[-1].isalpha() or name.isupper() or end[0].isupper()
    )


@cache
def sum_words() -> str:
    r"""The words that begin a row of sums, as a pattern for a whole cell, whatever blanks are in it.

    >>> [bool(re.fullmatch(sum_words(), cell)) for cell in ("合 计", "青浦区合计（个）", "合计划生育", "new total")]
    [True, True, False, False]
    """
    words = (r"\s*".join(map(re.escape, word.replace(" ", ""))) for word in _scheme()["sums"])
    return rf"(?i)\s*[\u4e00-\u9fff]{{0,8}}\s*(?:{'|'.join(words)})\s*(?:[(（][^)）]*[)）])?\s*[:：]?\s*"


@cache
def _scheme() -> Mapping[str, Any]:
    return read_toml("schemes", "coordinates.toml")


@cache
def _words(*keys: str) -> frozenset[str]:
    return frozenset(plain(word) for key in keys for word in _scheme()[key])


def _named(request: Request, table: Table, name: str) -> str:
    found = next((column for column in table.columns if column == name), None)
    found = found or next((column for column in table.columns if plain(column) == plain(name)), None)
    if found is None:
        raise request.refusal(f"no column {name!r}; {did_you_mean(name, table.columns)}")
    return found


def _sample(column: Sequence[str]) -> list[str]:
    """The first cells that aren't empty."""
    return [cell for cell in column[: _SAMPLE * 50] if cell.strip()][:_SAMPLE]


def _text_columns(table: Table) -> list[str]:
    """Columns of geometries: by what they hold; of binary ones by their names too."""
    found = []
    for name, column in table.columns.items():
        sample = _sample(column)
        named = plain(name) in _words("wkt")
        fits = [bool(_WKT.match(cell)) or (named and bool(_WKB.fullmatch(cell))) for cell in sample]
        if fits and (all(fits) or (named and any(fits))):
            found.append(name)
    return found


def _coordinate_columns(table: Table) -> Iterator[_Columns]:
    """Pairs of columns whose names say that they are coordinates, whichever they are."""
    by_name = {plain(name): name for name in reversed(table.columns)}
    seen: set[tuple[str, str]] = set()
    kinds: tuple[Kind, ...] = ("degrees", "east_north", "xy")
    for kind in kinds:
        for x_name, y_name in ([plain(word) for word in pair] for pair in _scheme()[kind]):
            for called, x in by_name.items():
                stem = called.removesuffix(x_name)
                y = by_name.get(stem + y_name)
                whole = called == x_name or (called.endswith(x_name) and _stands_out(x_name))
                if not whole or y is None or (x, y) in seen:
                    continue
                if kind == "degrees" or _mostly_numbers(table.columns[x], table.columns[y]):
                    seen.add((x, y))
                    yield _Columns(x, y, kind)


def _stands_out(name: str) -> bool:
    """True for names that are hardly ever the end of another word."""
    return len(name) > 2 or not name.isascii()


def _mostly_numbers(*columns: Sequence[str]) -> bool:
    cells = [cell for column in columns for cell in _sample(column)]
    return 2 * sum(_parsed(cell, "") is not None for cell in cells) > len(cells)


def _mostly_pairs(column: Sequence[str]) -> bool:
    cells = _sample(column)
    halves = [half for cell in cells if (match := _PAIR.fullmatch(cell)) for half in match.groups()]
    return sum(_parsed(half, "") is not None for half in halves) >= len(cells)


def _chosen(request: Request, columns: Sequence[_Columns]) -> _Columns:
    """The only pair; else the one whose names stand alone, without a word before them."""
    if len(columns) == 1:
        return columns[0]
    bare = [c for c in columns if [plain(c.x), plain(c.y)] in ([*map(plain, pair)] for pair in _scheme()[c.kind])]
    if len({c.kind for c in bare}) < len(bare) or not bare:
        listed = "; ".join(f"{c.x}, {c.y}" for c in columns)
        raise request.refusal(
            f'several columns hold coordinates ({listed}); say which with x_field = "..." and y_field = "..."'
        )
    _say_others(request, f"{bare[0].x}, {bare[0].y}", [c for c in columns if c != bare[0]])
    return bare[0]


def _say_others(request: Request, taken: str, others: Sequence[_Columns]) -> None:
    request.note(
        Severity.WARNING, "table_other_coordinates", value="; ".join(f"{c.x}, {c.y}" for c in others), taken=taken
    )


def _say_half(request: Request, table: Table) -> None:
    """A column of one coordinate without the other."""
    pairs = [[plain(word) for word in pair] for kind in ("degrees", "xy") for pair in _scheme()[kind]]
    here = {plain(name): name for name in table.columns}
    whole = {word for pair in pairs if here.keys() >= {*pair} for word in pair}
    halves = sorted({here[word] for pair in pairs for word in pair if word in here and word not in whole})
    if halves:
        request.note(Severity.WARNING, "table_half_coordinates", value=", ".join(halves))


def _from_text(request: Request, table: Table, name: str) -> Located:
    """Geometries from well-known text or hexadecimal binary, extended or not."""
    cells = np.array(table.columns[name], dtype=object)
    filled = np.array([bool(cell.strip()) for cell in table.columns[name]], dtype=bool)
    binary = np.array([bool(_WKB.fullmatch(cell)) for cell in _sample(table.columns[name])], dtype=bool)
    geometry = np.full(len(cells), None, dtype=object)
    srids = np.zeros(len(cells), dtype=int)
    ids = [str(number) for number, there in zip(table.numbers, filled, strict=True) if there]
    if binary.size and binary.all():
        geometry[filled], srids[filled] = _from_binary(request, cells[filled], ids)
    else:
        split = [re.match(r"\s*(?:SRID=(\d+);)?(.*)", cell, re.IGNORECASE | re.DOTALL) for cell in cells[filled]]
        srids[filled] = [int(match[1] or 0) if match else 0 for match in split]
        geometry[filled] = _parsed_text(request, [match[2] if match else "" for match in split], ids)
    wrong = np.flatnonzero(filled & shapely.is_missing(geometry))
    lines = [table.numbers[row] for row in wrong]
    if len(wrong) and len(wrong) == filled.sum():
        raise request.refusal(
            f"row {lines[0]}: column {name!r} holds no geometry that can be read: {cells[wrong[0]][:60]!r}"
        )
    if len(wrong):
        request.note(Severity.ERROR, "table_bad_geometry", value=row_list(lines), count=len(wrong), column=name)
    _refuse_turned(request, shapely.get_coordinates(geometry), name)
    _say_missing(request, table, np.flatnonzero(~filled))
    request.note(Severity.INFO, "table_coordinates", value=name)
    return Located(geometry, _system(request, srids[filled & ~shapely.is_missing(geometry)]), name)


def _from_binary(request: Request, cells: Any, ids: Sequence[str]) -> tuple[Geometries, Any]:
    """Geometries of hexadecimal well-known binary, and the systems that they name, 0 where they name none."""
    blobs = [_bytes(cell) for cell in cells]
    return geometries(request, blobs, ids), np.array([_srid(blob or b"") for blob in blobs])


def _bytes(cell: str) -> bytes | None:
    match = _WKB.fullmatch(cell)
    return bytes.fromhex(match[1]) if match and len(match[1]) % 2 == 0 else None


def _srid(blob: bytes) -> int:
    """What extended well-known binary names as its system."""
    order: Literal["little", "big"] = "little" if blob[:1] == b"\1" else "big"
    says = int.from_bytes(blob[1:5], order) & 0x20000000
    return int.from_bytes(blob[5:9], order) if says else 0


def _parsed_text(request: Request, texts: Sequence[str], ids: Sequence[str]) -> Geometries:
    """Geometries of well-known text; None for what is none."""
    hard = np.array([bool(_CURVED.match(text)) for text in texts], dtype=bool)
    wrapped = [
        f"GEOMETRYCOLLECTION({text})" if text.upper().count("GEOMETRYCOLLECTION") <= _DEEPEST else ""
        for text, one in zip(texts, hard, strict=True)
        if one
    ]  # deeper, GEOS would end the process
    found = np.full(len(texts), None, dtype=object)
    with np.errstate(all="ignore"):  # numbers beyond any are no geometry either
        found[~hard] = shapely.from_wkt([t for t, one in zip(texts, hard, strict=True) if not one], on_invalid="ignore")
        blobs = shapely.to_wkb(shapely.from_wkt(wrapped, on_invalid="ignore"))
    straightened = geometries(request, blobs.tolist(), [i for i, one in zip(ids, hard, strict=True) if one])
    found[hard] = shapely.get_geometry(straightened, 0)
    return found


def _system(request: Request, srids: Any) -> CRS | None:
    """The reference system that the geometries name."""
    named = sorted(set(srids.tolist()))
    if len(named) == 2 and not named[0]:
        return _partly_named(request, named[1], srids)
    if len(named) > 1:
        raise request.refusal(
            f"its geometries name several systems (SRID {', '.join(map(str, named))}); keep them in one file each"
        )
    return _of_srid(request, named[0]) if named and named[0] else None


def _of_srid(request: Request, srid: int) -> CRS:
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    try:
        return CRS.from_epsg(srid)
    except CRSError as error:
        raise request.refusal(
            f"its geometries name SRID {srid}, which isn't known; declare the true one as crs"
        ) from error


def _partly_named(request: Request, srid: int, srids: Any) -> CRS:
    """The system that some geometries name and others don't: all are in it only if it is declared for all."""
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    system, without = _of_srid(request, srid), int((srids == 0).sum())
    try:
        agreed = request.crs is not None and CRS.from_user_input(request.crs) == system
    except CRSError:
        agreed = False
    if not agreed:
        raise request.refusal(
            f"some of its geometries name SRID {srid}, {without} name none; "
            f'if all are in it, declare it: crs = "EPSG:{srid}"'
        )
    request.note(Severity.WARNING, "table_srid_partly", value=str(srid), count=without)
    return system


def _from_pair(request: Request, table: Table, name: str) -> Located:
    """Points from one column, ``121.1,31.2``: Amap's order, unless name or numbers say that latitude comes first."""
    cells = table.columns[name]
    halves = [_PAIR.fullmatch(cell) for cell in cells]
    split = Table(
        {
            "first": [m[1] if m else c for m, c in zip(halves, cells, strict=True)],
            "second": [m[2] if m else "" for m in halves],
        },
        table.numbers,
    )
    first, second = _values(request, split, "first", "x"), _values(request, split, "second", "y")
    with np.errstate(invalid="ignore"):
        turned = bool((np.abs(second) > 90).any() and (np.abs(first[~np.isnan(first)]) <= 90).all())
    if plain(name) in _words("pair_latitude_first") or turned:
        first, second = second, first
        request.note(Severity.WARNING, "table_latitude_first", value=name)
    return _points(request, table, _Columns(name, name, "degrees"), first, second)


def _from_columns(request: Request, table: Table, numbers: Mapping[str, Floats], columns: _Columns) -> Located:
    x, y = (
        numbers[name].copy() if name in numbers else _values(request, table, name, axis)
        for name, axis in ((columns.x, "x"), (columns.y, "y"))
    )
    return _points(request, table, columns, x, y)


def _points(request: Request, table: Table, columns: _Columns, x: Floats, y: Floats) -> Located:
    """Points where there are two coordinates; every other row is named."""
    called = columns.x if columns.x == columns.y else f"{columns.x}, {columns.y}"
    written = [
        bool(a.strip() or b.strip()) for a, b in zip(table.columns[columns.x], table.columns[columns.y], strict=True)
    ]
    filled = np.array(written, dtype=bool)
    there = np.isfinite(x) & np.isfinite(y)
    unread = np.flatnonzero(filled & ~there)
    nowhere = there & (x == 0) & (y == 0)
    there &= ~nowhere
    if filled.any() and len(unread) == filled.sum():
        example = f"{table.columns[columns.x][unread[0]]!r}, {table.columns[columns.y][unread[0]]!r}"
        raise request.refusal(f"row {table.numbers[unread[0]]}: columns {called} hold no coordinates: {example}")
    if len(unread):
        request.note(
            Severity.ERROR, "table_bad_coordinates", value=_lines(table, unread), count=len(unread), column=called
        )
    if nowhere.any():
        request.note(
            Severity.WARNING,
            "table_zero_coordinates",
            value=_lines(table, np.flatnonzero(nowhere)),
            count=int(nowhere.sum()),
        )
    _say_missing(request, table, np.flatnonzero(~filled))
    x, y, there = _judged(request, table, columns, x, y, there)
    request.note(Severity.INFO, "table_coordinates", value=called)
    geometry = np.full(len(x), None, dtype=object)
    geometry[there] = shapely.points(x[there], y[there])
    return Located(geometry, _degrees(request, columns, called))


def _degrees(request: Request, columns: _Columns, called: str) -> CRS | None:
    """What columns called longitude and latitude are in, where nobody says: degrees, but of which datum is a guess.

    Unless the columns themselves are called after one that is hundreds of metres off.
    """
    from pyproj import CRS

    names = plain(columns.x) + plain(columns.y)
    shifted = next((datum for datum, words in _scheme()["datums"].items() if any(w in names for w in words)), "")
    if shifted and request.datum is None and columns.kind in ("degrees", "given"):
        request.note(Severity.ERROR, "table_datum_by_name", value=called, datum=shifted)
    if columns.kind != "degrees" or request.crs is not None or request.datum is not None:
        return None
    if not shifted:
        request.note(Severity.WARNING, "table_datum_not_stated", value=called)
    return CRS.from_epsg(4326)


def _judged(
    request: Request, table: Table, columns: _Columns, x: Floats, y: Floats, there: Any
) -> tuple[Floats, Floats, Any]:
    """The coordinates held against what they are called: exchanged, out of range, or north by the name of x."""
    if not there.any():
        return x, y, there
    east, north = x[there], y[there]
    if columns.kind == "degrees" or (np.abs(east).max() <= 180 and np.abs(north).max() <= 180):
        outside = there & ((np.abs(x) > 180) | (np.abs(y) > 90))
        _refuse_turned(request, np.column_stack([east, north]), f"{columns.x}, {columns.y}")
        if 2 * outside.sum() > there.sum():
            raise request.refusal(
                f"row {table.numbers[np.flatnonzero(outside)[0]]}: {columns.x}, {columns.y} hold no degrees "
                f"({x[outside][0]:g}, {y[outside][0]:g}); name the right columns with x_field and y_field"
            )
        if outside.any():
            lines = _lines(table, np.flatnonzero(outside))
            request.note(Severity.ERROR, "table_outside_degrees", value=lines, count=int(outside.sum()))
        return x, y, _within_datum(request, table, x, y, there & ~outside)
    if _is_china_grid(north, east) and not _is_china_grid(east, north):
        if columns.kind == "east_north":
            raise request.refusal(
                f"{columns.x} holds northings and {columns.y} eastings, against their names "
                f"({east[0]:.0f}, {north[0]:.0f}); "
                f'rename them, or write x_field = "{columns.y}" and y_field = "{columns.x}"'
            )
        if _may_turn(request):
            request.note(
                Severity.WARNING, "table_x_is_north", value=f"{columns.x} = {east[0]:.0f}, {columns.y} = {north[0]:.0f}"
            )
            return y, x, there
    return x, y, there


def _within_datum(request: Request, table: Table, x: Floats, y: Floats, there: Any) -> Any:
    """Which points lie where the declared datum is defined; a few others are named, many are no such coordinates."""
    if request.datum not in ("gcj02", "bd09"):
        return there
    west, south, east, north = DOMAIN
    abroad = there & ((x < west) | (x > east) | (y < south) | (y > north))
    if not abroad.any() or 2 * abroad.sum() > there.sum():
        return there
    rows = np.flatnonzero(abroad)
    example = f"{x[rows[0]]:g}, {y[rows[0]]:g}"
    words = {"value": _lines(table, rows), "example": example, "datum": request.datum}
    request.note(Severity.ERROR, "table_outside_datum", **words, count=len(rows))
    return there & ~abroad


def _refuse_turned(request: Request, points: Floats, called: str) -> None:
    """Refuse degrees of which most have the latitude where the longitude belongs."""
    if not len(points):
        return
    turned = (np.abs(points[:, 0]) <= 90) & (np.abs(points[:, 1]) > 90) & (np.abs(points[:, 1]) <= 180)
    if 2 * turned.sum() > len(points):
        x, y = points[turned][0]
        raise request.refusal(
            f"{called}: longitude and latitude are exchanged ({x:g}, {y:g}: no latitude is over 90); "
            "exchange the columns, or x_field and y_field"
        )


def _is_china_grid(east: Floats, north: Floats) -> bool:
    """True if these are eastings and northings of China's zones, by their size alone."""
    limits = _scheme()["numbers"]
    norths = limits["north_m"][0] <= north.min() and north.max() <= limits["north_m"][1]
    easts = (limits["east_m"], limits["east_with_zone_m"])
    return bool(norths and any(low <= east.min() and east.max() <= high for low, high in easts))


def _may_turn(request: Request) -> bool:
    """True unless a system is declared whose eastings may be millions of metres."""
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    if not request.crs:
        return True
    try:
        operation = CRS.from_user_input(request.crs).coordinate_operation
    except CRSError:
        return True
    return operation is not None and "Transverse Mercator" in operation.method_name


def _say_missing(request: Request, table: Table, rows: Any) -> None:
    if len(rows):
        request.note(Severity.WARNING, "table_without_coordinates", value=_lines(table, rows), count=len(rows))


def _lines(table: Table, rows: Any) -> str:
    return row_list([table.numbers[row] for row in rows])


def _values(request: Request, table: Table, name: str, axis: str) -> Floats:
    """A column's cells as numbers, degrees, minutes and seconds too; NaN for what is none."""
    values = np.full(len(table.numbers), np.nan)
    sexagesimal = 0
    for row, cell in enumerate(table.columns[name]):
        text = cell.strip()
        if not text:
            continue
        if _NUMBER.fullmatch(text):
            values[row] = float(text)
            continue
        plainer = _plainer(text)
        if _TWO_DOTS.fullmatch(plainer) and not _DOTTED.fullmatch(plainer):
            raise request.refusal(
                f"row {table.numbers[row]}: {text!r} in column {name!r} may be read in several ways; "
                "write degrees with a decimal point, or 121°06'03.2\""
            )
        value = _parsed(text, axis)
        if value is not None:
            values[row] = value
            sexagesimal += 1
    if sexagesimal:
        request.note(Severity.INFO, "table_sexagesimal", value=name, count=sexagesimal)
    return values


def _parsed(cell: str, axis: str) -> float | None:
    """A coordinate; None for what is none, or is one of the other axis.

    >>> _parsed("121°06′03.6″E", "x"), _parsed("北纬31度30分", "y"), _parsed("31°30'N", "x"), _parsed("121.06.36", "")
    (121.101, 31.5, None, 121.11)
    """
    text = _plainer(cell)
    if _NUMBER.fullmatch(text):
        return float(text)
    match = _DECIMAL.fullmatch(text) or _DOTTED.fullmatch(text) or _DMS.fullmatch(text)
    if match is None:
        return None
    found = match.groupdict()
    side = found["head"] or found["tail"] or ""
    if axis and side and side not in {"x": "EW", "y": "NS"}[axis]:
        return None
    minutes, seconds = float(found.get("m") or 0), float(found.get("s") or 0)
    if minutes >= 60 or seconds >= 60 or (minutes % 1 and seconds):
        return None
    degrees = float(found["d"])
    value = round(abs(degrees) + minutes / 60 + seconds / 3600, 12)
    negative = side in ("W", "S") or degrees < 0 or found.get("sign") == "-"
    return -value if negative else value


def _plainer(cell: str) -> str:
    """A coordinate in the plainest signs."""
    text = unicodedata.normalize("NFKC", cell.strip().translate(_SIGNS)).translate(_SIGNS)
    for word, letter in _HEMISPHERES.items():
        text = text.replace(word, letter)
    return text.upper().replace("D", "°").replace("''", '"')
