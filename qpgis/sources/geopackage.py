"""GeoPackage, read as the SQLite database that it is: every row, as it stands there.

GDAL allocates by the count of features that a file stores of itself, and makes a null of a damaged geometry; both would
go unseen. The file is opened read-only and immutable, so nothing appears beside it; only what an editing program hasn't
merged yet (``-wal``, ``-journal``) is merged, in a copy.
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely

from qpgis.errors import SourceError
from qpgis.findings import Severity, ids_text
from qpgis.sources import RawFeatures, Request
from qpgis.sources.arrow import located
from qpgis.sources.domains import Range, report_outside
from qpgis.sources.local import aside
from qpgis.sources.ogr import chosen_layer
from qpgis.sources.wkb import compare_boxes

if TYPE_CHECKING:
    import pandas as pd
    from pyproj import CRS

DRIVER = "GPKG"
MAGIC = b"SQLite format 3\0"
CHECK_AT_MOST_S = 10.0
"""How long the whole database is checked for damage; rows are checked as they are read in any case."""
READ_AT_MOST_S = 300.0
"""How long one query may take: a view may be endless."""
_PENDING = ("-wal", "-journal")
_ENVELOPE_BYTES = np.array([0, 32, 48, 48, 64, 0, 0, 0])


def layers(path: Path, name: str) -> tuple[str, ...]:
    """The names of the layers in the file, those without geometry too."""
    with _opened(path, name) as database:
        return _layer_names(database, name)


def read(request: Request) -> RawFeatures:
    """Every feature of one layer."""
    with _opened(request.path, request.what, request) as database:
        layer = _layer(database, chosen_layer(request, _layer_names(database, request.what)), request)
        names, rows = _rows(database, layer, request)
        ids = _ids(layer, names, rows)
        frame, blobs = _columns(request, layer, names, rows, ids)
        heads = _heads(blobs or [])
        wkb = None if blobs is None else _bodies(request, layer, blobs, heads, ids)
        made = located(request, frame, wkb, ids, layer.crs)
        if blobs is not None:
            _compare_boxes(request, made.geometry.to_numpy(), blobs, heads, ids)
        _compare_counts(database, layer, len(rows), request)
        aliases, domains, ranges = _dictionary(database, layer.name)
    report_outside(request, made, ranges)
    return RawFeatures(
        made,
        request.name,
        DRIVER,
        layer=layer.name,
        aliases=aliases,
        domains=domains,
        spatial=layer.geometry is not None,
    )


@contextmanager
def _opened(path: Path, what: str, request: Request | None = None) -> Iterator[sqlite3.Connection]:
    """The database, read-only, with SQLite's errors as ours."""
    with path.open("rb") as file:
        head = file.read(100)
    if not head.startswith(MAGIC):
        raise SourceError(f"{what}: it is no GeoPackage (no SQLite database at all); give it its true suffix")
    _whole(path, head, what)
    with _plain(path, request) as (plain, merged):
        try:
            mode = "mode=rw" if merged else "mode=ro&immutable=1"
            with closing(sqlite3.connect(f"{plain.as_uri()}?{mode}", uri=True)) as database:
                database.execute("PRAGMA trusted_schema = OFF")  # no view calls what reaches beyond the file
                database.execute("PRAGMA cell_size_check = ON")
                _check(database, what)
                yield database
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise SourceError(
                f"{what}: can't be read as GeoPackage: {error}; it is damaged or incomplete: copy it again, or mend it "
                "where it was made (VACUUM INTO a new file)"
            ) from error


def _whole(path: Path, head: bytes, what: str) -> None:
    """Raise if the file is shorter than its header says."""
    page = int.from_bytes(head[16:18], "big")
    page = 65536 if page == 1 else page
    pages = int.from_bytes(head[28:32], "big")
    size = path.stat().st_size
    if head[24:28] == head[92:96] and pages * page > size:  # else the stated count of pages is out of date
        raise SourceError(
            f"{what}: it is cut off: {size:,} of {pages * page:,} bytes are there; copy or download it again"
        )


@contextmanager
def _plain(path: Path, request: Request | None) -> Iterator[tuple[Path, bool]]:
    """The file under a plain name; a copy with its pending edits where there are some."""
    pending = [ending for ending in _PENDING if _size(path.with_name(path.name + ending))]
    if not pending:
        with aside(path) as plain:
            yield plain, False
        return
    if request is not None:
        request.note(Severity.WARNING, "gpkg_pending_edits", value=", ".join(path.name + end for end in pending))
    with tempfile.TemporaryDirectory(prefix="qpgis-") as folder:
        plain = Path(folder) / "data.gpkg"
        for ending in ("", *pending):
            shutil.copyfile(path.with_name(path.name + ending), plain.with_name(plain.name + ending))
        yield plain, True


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _check(database: sqlite3.Connection, what: str) -> None:
    """Raise if SQLite finds the database damaged, or if it is no GeoPackage."""
    tables = {name.lower() for (name,) in database.execute("SELECT name FROM sqlite_master")}
    if "gpkg_contents" not in tables:
        raise SourceError(f"{what}: it is an SQLite database, but no GeoPackage: it has no table gpkg_contents")
    with _at_most(database, CHECK_AT_MOST_S):
        try:
            faults = [row[0] for row in database.execute("PRAGMA quick_check(3)")]
        except sqlite3.OperationalError as error:
            if "interrupted" not in str(error):
                raise
            return
    if faults != ["ok"]:
        raise SourceError(f"{what}: the database is damaged: {'; '.join(faults)}; copy it again, or mend it")


@contextmanager
def _at_most(database: sqlite3.Connection, seconds: float) -> Iterator[None]:
    """Interrupt what SQLite does after some time."""
    end = time.monotonic() + seconds
    database.set_progress_handler(lambda: time.monotonic() > end, 100_000)
    try:
        yield
    finally:
        database.set_progress_handler(None, 0)


@dataclass(frozen=True)
class _Layer:
    """What the database says of one layer."""

    name: str
    geometry: str | None
    key: str | None
    types: dict[str, str]
    crs: CRS | None
    srs_id: int | None


def _layer_names(database: sqlite3.Connection, what: str) -> tuple[str, ...]:
    kinds = dict(database.execute("SELECT table_name, lower(data_type) FROM gpkg_contents ORDER BY rowid").fetchall())
    found = tuple(name for name, kind in kinds.items() if kind in ("features", "attributes", "aspatial"))
    if not found:
        only = f"only {', '.join(sorted(set(map(str, kinds.values()))))}" if kinds else "it is empty"
        raise SourceError(f"{what}: it holds no features ({only})")
    return found


def _layer(database: sqlite3.Connection, name: str, request: Request) -> _Layer:
    described = database.execute(f"PRAGMA table_info({_quoted(name)})").fetchall()
    if not described:
        raise request.refusal(f"its table of contents lists the layer {name!r}, but there is no such table")
    types = {row[1]: row[2] for row in described}
    keys = [row[1] for row in described if row[5]]
    key = keys[0] if len(keys) == 1 and types[keys[0]].upper() in ("INTEGER", "INT") else None
    kind = database.execute("SELECT lower(data_type) FROM gpkg_contents WHERE table_name = ?", (name,)).fetchone()[0]
    if kind != "features":
        return _Layer(name, None, key, types, None, None)
    found = database.execute(
        "SELECT column_name, srs_id FROM gpkg_geometry_columns WHERE lower(table_name) = lower(?)", (name,)
    ).fetchone()
    if found is None:
        raise request.refusal(f"layer {name!r} has no entry in gpkg_geometry_columns; export it again")
    column = next((known for known in types if known.lower() == str(found[0]).lower()), None)
    if column is None:
        raise request.refusal(f"layer {name!r} has no column {found[0]!r}, in which its geometries ought to be")
    if not isinstance(found[1], int | None):
        raise request.refusal(
            f"layer {name!r} has the reference system {found[1]!r}, which is no number; export it again"
        )
    return _Layer(name, column, key, types, _crs(database, found[1], request), found[1])


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _crs(database: sqlite3.Connection, srs_id: int | None, request: Request) -> CRS | None:
    """The reference system of a number; 0 and -1 mean that there is none."""
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    if srs_id in (None, 0, -1):
        return None
    row = database.execute(
        "SELECT organization, organization_coordsys_id, definition, srs_name FROM gpkg_spatial_ref_sys "
        "WHERE srs_id = ?",
        (srs_id,),
    ).fetchone()
    if row is None:
        return None
    organization, code, definition, name = (str(value or "") for value in row)
    if _nothing(definition) and organization.upper() in ("", "NONE"):
        return None
    for make in (lambda: CRS.from_authority(organization.upper(), code), lambda: CRS.from_wkt(definition)):
        try:
            found = make()
        except CRSError:
            continue
        earthly = found.is_geographic or found.is_projected or found.is_compound
        return found if earthly or not _nothing(found.name) else None
    raise request.refusal(f"PROJ doesn't know its reference system {name!r} ({organization}:{code}); export it again")


def _nothing(words: str) -> bool:
    """True for the words with which programs say that a system isn't known."""
    return words.strip().lower().startswith(("undefined", "unknown")) or not words.strip()


def _rows(database: sqlite3.Connection, layer: _Layer, request: Request) -> tuple[list[str], list[tuple[Any, ...]]]:
    """The columns of a layer (one more for the row's own number where it has no key), and every row."""
    key = "rowid" if layer.key is None and not _is_view(database, layer.name) else None
    query = f"SELECT {f'{key}, ' if key else ''}* FROM {_quoted(layer.name)}"
    with _at_most(database, READ_AT_MOST_S):
        try:
            cursor = database.execute(query)
            rows = cursor.fetchall()
        except sqlite3.OperationalError as error:
            if "interrupted" in str(error):
                raise request.refusal(f"layer {layer.name!r} takes more than {READ_AT_MOST_S:g} s to read") from error
            if "decode" not in str(error):
                raise
            raise request.refusal(_not_text(database, query, layer)) from error
    names = [column[0] for column in cursor.description]
    return (["", *names[1:]] if key else names), rows


def _is_view(database: sqlite3.Connection, name: str) -> bool:
    found = database.execute("SELECT type FROM sqlite_master WHERE lower(name) = lower(?)", (name,)).fetchone()
    return found is not None and found[0] == "view"


def _not_text(database: sqlite3.Connection, query: str, layer: _Layer) -> str:
    """Where a text isn't UTF-8."""
    database.text_factory = lambda raw: _text(raw)
    cursor = database.execute(query)
    names = [column[0] for column in cursor.description]
    for number, row in enumerate(cursor):
        for name, value in zip(names, row, strict=True):
            if isinstance(value, _NotText):
                feature = row[names.index(layer.key)] if layer.key else number
                return f"feature {feature}: field {name!r} isn't UTF-8 ({value.raw!r}); correct it where it was made"
    return "some text isn't UTF-8; export it again"


@dataclass(frozen=True)
class _NotText:
    raw: bytes


def _text(raw: bytes) -> str | _NotText:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return _NotText(raw)


def _ids(layer: _Layer, names: list[str], rows: list[tuple[Any, ...]]) -> list[str]:
    """The features' ids: their key, else the number of their row."""
    if layer.key is None and names[0] != "":
        return [str(number) for number in range(1, len(rows) + 1)]
    place = names.index(layer.key) if layer.key else 0
    return [str(row[place]) for row in rows]


def _columns(
    request: Request, layer: _Layer, names: list[str], rows: list[tuple[Any, ...]], ids: list[str]
) -> tuple[pd.DataFrame, list[Any] | None]:
    """Attributes by their declared types, and the geometries' bytes."""
    import pandas as pd

    columns = list(zip(*rows, strict=True)) if rows else [()] * len(names)
    found = dict(zip(names, columns, strict=True))
    blobs = list(found[layer.geometry]) if layer.geometry else None
    plain = {
        name: _typed(request, name, layer.types.get(name, ""), values, ids)
        for name, values in found.items()
        if name not in ("", layer.key, layer.geometry)
    }
    return pd.DataFrame(plain, index=range(len(rows))), blobs


@dataclass(frozen=True)
class _Type:
    """How values of a declared type become a column."""

    python: tuple[type, ...]
    dtype: str
    words: tuple[str, ...] = field(default=())


_TYPES = (
    _Type((int,), "boolean", ("BOOLEAN",)),
    _Type((int,), "Int64", ("TINYINT", "SMALLINT", "MEDIUMINT", "INT", "INTEGER")),
    _Type((float, int), "float64", ("FLOAT", "REAL", "DOUBLE")),
    _Type((str,), "datetime", ("DATE", "DATETIME", "TIMESTAMP")),
    _Type((str,), "str", ("TEXT",)),
)


def _typed(request: Request, name: str, declared: str, values: Sequence[Any], ids: list[str]) -> pd.Series:
    """A column of the declared type; as it stands, with a finding, where a value is of another (SQLite allows any)."""
    import pandas as pd

    word = declared.split("(")[0].strip().upper()
    kind = next((one for one in _TYPES if word in one.words), None)
    there = pd.Series(list(values), dtype=object)
    if kind is None:
        return there
    other = np.array([value is not None and not isinstance(value, kind.python) for value in values], dtype=bool)
    if not other.any():
        try:
            return _converted(there, kind.dtype)
        except (ValueError, TypeError, OverflowError):
            other |= ~there.isna().to_numpy()
    rows = np.flatnonzero(other)
    words: dict[str, Any] = {
        "field": name,
        "type": declared,
        "count": len(rows),
        "ids": ids_text([ids[row] for row in rows]),
    }
    request.note(Severity.WARNING, "gpkg_other_type", value=str(there.iloc[rows[0]])[:80], **words)
    return there


def _converted(values: pd.Series, dtype: str) -> pd.Series:
    """Values in the type that pandas readers give: whole numbers with gaps as floats, unless those weren't exact."""
    import pandas as pd

    gaps = values.isna().any()
    if dtype == "boolean":
        if not values.dropna().isin([0, 1]).all():
            raise ValueError(dtype)
        return values.map(lambda value: None if value is None else bool(value)).astype(object if gaps else "bool")
    if dtype == "Int64":
        if not gaps:
            return values.astype("int64")
        return values if values.dropna().abs().max() >= 2**53 else values.astype("float64")
    if dtype == "datetime":
        return pd.to_datetime(values, format="ISO8601", utc=True).dt.tz_localize(None).dt.as_unit("ms")
    return values.astype("float64") if dtype == "float64" else values.astype("str")


def _bodies(request: Request, layer: _Layer, blobs: list[Any], heads: np.ndarray, ids: list[str]) -> list[bytes | None]:
    """The well-known binary within each geometry's bytes; what has no proper header stays whole: it is damaged.

    A header of another reference system than the layer's is a finding.
    """
    proper = (heads[:, 0] == ord("G")) & (heads[:, 1] == ord("P")) & (heads[:, 2] == 0) & (heads[:, 3] & 0x20 == 0)
    little = heads[:, 3] & 1 == 1
    srs = np.where(little, *(np.ascontiguousarray(heads[:, 4:8]).view(t)[:, 0] for t in ("<i4", ">i4")))
    other = np.flatnonzero(proper & (srs != layer.srs_id) & (srs > 0) & ((layer.srs_id or 0) > 0))
    if len(other):
        value = ", ".join(str(number) for number in np.unique(srs[other])[:5])
        words: dict[str, Any] = {
            "count": len(other),
            "ids": ids_text([ids[row] for row in other]),
            "layer_srs": layer.srs_id,
        }
        request.note(Severity.WARNING, "gpkg_other_system", value=value, **words)
    starts = np.where(proper, 8 + _ENVELOPE_BYTES[heads[:, 3] >> 1 & 7], 0).tolist()
    return [
        None if blob is None else blob[start:] if isinstance(blob, bytes) else b""
        for blob, start in zip(blobs, starts, strict=True)
    ]


def _heads(blobs: list[Any]) -> np.ndarray:
    """The first eight bytes of each geometry."""
    joined = b"".join([blob[:8].ljust(8, b"\0") if isinstance(blob, bytes) else bytes(8) for blob in blobs])
    return np.frombuffer(joined, np.uint8).reshape(-1, 8)


def _compare_boxes(request: Request, shapes: np.ndarray, blobs: list[Any], heads: np.ndarray, ids: list[str]) -> None:
    """Hold the geometries against the boxes in their own headers."""
    boxed = np.flatnonzero((heads[:, 3] >> 1 & 7 > 0) & (heads[:, 0] == ord("G")) & ~shapely.is_missing(shapes))
    if not len(boxed):
        return
    raw = b"".join([blobs[row][8:40].ljust(32, b"\0") for row in boxed])
    little = (heads[boxed, 3] & 1 == 1)[:, None]
    stated = np.where(little, *(np.frombuffer(raw, t).reshape(-1, 4) for t in ("<f8", ">f8")))[:, [0, 2, 1, 3]]
    compare_boxes(request, shapes[boxed], stated, [ids[row] for row in boxed])


def _compare_counts(database: sqlite3.Connection, layer: _Layer, read: int, request: Request) -> None:
    """Say where the count that the file stores isn't that of its rows; every row is read all the same."""
    if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'gpkg_ogr_contents'").fetchone():
        return
    query = "SELECT feature_count FROM gpkg_ogr_contents WHERE lower(table_name) = lower(?)"
    stored = database.execute(query, (layer.name,)).fetchone()
    if stored and stored[0] is not None and stored[0] != read:
        request.note(Severity.INFO, "gpkg_stored_count", value=str(stored[0]), count=read)


def _dictionary(
    database: sqlite3.Connection, layer: str
) -> tuple[dict[str, str], dict[str, dict[str, str]], dict[str, Range]]:
    """What the file calls its fields, their code lists and their ranges."""
    tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master")}
    if "gpkg_data_columns" not in tables:
        return {}, {}, {}
    described = database.execute(
        "SELECT column_name, coalesce(nullif(title, ''), name), constraint_name FROM gpkg_data_columns "
        "WHERE lower(table_name) = lower(?)",
        (layer,),
    ).fetchall()
    aliases = {column: alias for column, alias, _ in described if alias and alias != column}
    domains: dict[str, dict[str, str]] = {}
    ranges: dict[str, Range] = {}
    for column, _, constraint in described:
        if constraint is None or "gpkg_data_column_constraints" not in tables:
            continue
        for kind, code, low, high, words in database.execute(
            "SELECT lower(constraint_type), value, min, max, description FROM gpkg_data_column_constraints "
            "WHERE constraint_name = ? ORDER BY rowid",
            (constraint,),
        ):
            if kind == "enum":
                domains.setdefault(column, {})[str(code)] = words or str(code)
            elif kind == "range" and (limits := _range(constraint, low, high)) is not None:
                ranges[column] = limits
    return aliases, domains, ranges


def _range(name: str, low: Any, high: Any) -> Range | None:
    """The range of numbers that a constraint allows; none where a limit is missing or no number."""
    try:
        return None if low is None or high is None else Range(name, float(low), float(high))
    except ValueError:
        return None
