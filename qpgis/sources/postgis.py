"""Tables and views of a PostGIS database, read in one snapshot that nothing can write through.

The database is named in the workspace; the password never is: libpq takes it from ``PGPASSWORD`` or ``~/.pgpass``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qpgis.errors import did_you_mean
from qpgis.sources import RawFeatures, Request
from qpgis.sources.arrow import located
from qpgis.sources.ogr import chosen_layer

if TYPE_CHECKING:
    import pandas as pd
    from psycopg import Connection
    from pyproj import CRS

DRIVER = "PostGIS"
PREFIX = "postgis:"
"""Begins ``file = "postgis:schema.table"``."""
TIMEOUT_S = 10
"""How long to wait for the server to answer at all."""
SEGMENTS = 256
"""Chords of a quarter circle; they stray from it by a two-hundred-thousandth of its radius."""


@dataclass(frozen=True)
class _Table:
    """A table with geometries: where it is, its geometry column, its reference system and its primary key."""

    schema: str
    name: str
    geometry: str
    srid: int
    key: tuple[str, ...]


def is_table(file: str) -> bool:
    """True for what names a table instead of a file."""
    return file.startswith(PREFIX)


def read_table(request: Request, url: str) -> tuple[RawFeatures, str]:
    """Every row of a table or view, and a hash of what was read.

    Parameters
    ----------
    request : Request
        Its ``name`` is ``postgis:schema.table`` (``public`` where no schema is named); ``layer`` is the geometry column
        where a table has several.
    url : str
        ``postgresql://user@host:port/database``, without a password.

    Raises
    ------
    SourceError
        If the server can't be reached or refuses, if there is no such table or column, or if rows get lost.
    """
    try:
        from psycopg import Error
    except ImportError as error:
        raise request.refusal(f"databases need psycopg ({error}); pip install 'qpgis[postgis]'") from error

    try:
        with _snapshot(request, url) as connection:
            table = _described(connection, request)
            system = _system(connection, table, request)
            frame, digest = _rows(connection, table, request)
    except Error as error:
        reason = " ".join(str(error).split())
        raise request.refusal(f"the database {_shown(url)} says: {reason}") from error
    blobs = frame.pop(table.geometry).tolist()
    features = located(request, frame, blobs, _ids(frame, table.key), system)
    return RawFeatures(features, request.name, DRIVER, layer=table.geometry), digest


def _shown(url: str) -> str:
    """A database's address without whatever secret someone put into it."""
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    return f"{parts.hostname or 'localhost'}{f':{parts.port}' if parts.port else ''}{parts.path}"


@contextmanager
def _snapshot(request: Request, url: str) -> Iterator[Connection]:
    """A connection whose one transaction sees the database as it is now and can't change it."""
    import psycopg
    from psycopg.conninfo import conninfo_to_dict

    try:
        secret = conninfo_to_dict(url).get("password")
    except psycopg.Error as error:
        raise request.refusal('[database] url can\'t be read; write "postgresql://user@host:5432/database"') from error
    if secret:
        raise request.refusal("[database] url holds a password; take it out and set PGPASSWORD instead")
    with psycopg.connect(url, connect_timeout=TIMEOUT_S, client_encoding="utf8") as connection:
        connection.read_only = True
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        yield connection


def _described(connection: Connection, request: Request) -> _Table:
    schema, _, name = request.name.removeprefix(PREFIX).rpartition(".")
    found = connection.execute(
        "SELECT f_table_schema, f_table_name, f_geometry_column, srid FROM geometry_columns UNION ALL "
        "SELECT f_table_schema, f_table_name, f_geography_column, srid FROM geography_columns"
    ).fetchall()
    schema = schema or "public"
    fitting = [row for row in found if row[:2] == (schema, name)]
    if not fitting:
        tables = {f"{row[0]}.{row[1]}" for row in found}
        raise request.refusal(
            f"there is no table with geometries {schema}.{name}; {did_you_mean(f'{schema}.{name}', tables)}"
        )
    column = chosen_layer(request, tuple(sorted(row[2] for row in fitting)), called="geometry column")
    srid = next(row[3] for row in fitting if row[2] == column)
    return _Table(schema, name, column, srid, _primary_key(connection, schema, name))


def _primary_key(connection: Connection, schema: str, name: str) -> tuple[str, ...]:
    rows = connection.execute(
        "SELECT a.attname FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n "
        "ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey) "
        "WHERE i.indisprimary AND n.nspname = %s AND c.relname = %s ORDER BY array_position(i.indkey, a.attnum)",
        (schema, name),
    )
    return tuple(row[0] for row in rows)


def _system(connection: Connection, table: _Table, request: Request) -> CRS | None:
    """The reference system of the column, by its number or else by its words; ``None`` where the column has none."""
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    if not table.srid:
        return None
    row = connection.execute(
        "SELECT auth_name, auth_srid, srtext FROM spatial_ref_sys WHERE srid = %s", (table.srid,)
    ).fetchone()
    if row is None:
        return None
    authority, code, wkt = (str(value or "") for value in row)
    for make in (lambda: CRS.from_authority(authority, code), lambda: CRS.from_wkt(wkt)):
        try:
            return make()
        except CRSError:
            continue
    raise request.refusal(
        f"PROJ doesn't know its reference system {table.srid} ({authority}:{code}); mend it in spatial_ref_sys"
    )


def _rows(connection: Connection, table: _Table, request: Request) -> tuple[pd.DataFrame, str]:
    import pandas as pd
    from psycopg import sql

    place = sql.Identifier(table.schema, table.name)
    shape = sql.Identifier(table.geometry)
    others = {name: kind for name, kind in _columns(connection, table).items() if name != table.geometry}
    straight = sql.SQL("ST_AsBinary(ST_CurveToLine({0}::geometry, {1})) AS {0}").format(shape, SEGMENTS)
    chosen = sql.SQL(", ").join([*(_plain(name, kind) for name, kind in others.items()), straight])
    by_shape = sql.SQL("ST_AsBinary({}::geometry)").format(shape)
    order = sql.SQL(", ").join(sql.Identifier(name) for name in table.key) if table.key else by_shape
    query = sql.SQL("SELECT {} FROM {} ORDER BY {}").format(chosen, place, order)
    rows = connection.execute(query).fetchall()
    counted = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(place)).fetchone()
    if counted is None or counted[0] != len(rows):
        raise request.refusal(f"{counted and counted[0]} rows are counted, {len(rows)} came back; try again")
    return pd.DataFrame(rows, columns=[*others, table.geometry]), _digest(rows)


def _columns(connection: Connection, table: _Table) -> dict[str, str]:
    """The columns of a table, view or materialised view by name, with their types."""
    rows = connection.execute(
        "SELECT a.attname, t.typname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid "
        "JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_type t ON t.oid = a.atttypid "
        "WHERE n.nspname = %s AND c.relname = %s AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum",
        (table.schema, table.name),
    )
    return dict(rows.fetchall())


def _plain(name: str, kind: str) -> Any:
    """A column as numbers, dates or text; other geometries and types that pandas doesn't know become text."""
    from psycopg import sql

    column = sql.Identifier(name)
    if kind == "numeric":
        return sql.SQL("{0}::float8 AS {0}").format(column)
    if kind in ("int2", "int4", "int8", "float4", "float8", "bool", "text", "varchar", "date", "timestamp"):
        return column
    return sql.SQL("{0}::text AS {0}").format(column)


def _ids(frame: pd.DataFrame, key: Sequence[str]) -> list[str]:
    """The rows' own ids, else their primary keys, else their numbers."""
    if "feature_id" in frame:
        return frame["feature_id"].astype(str).tolist()
    if key:
        return [",".join(map(str, row)) for row in frame[list(key)].itertuples(index=False)]
    return [str(number) for number in range(len(frame))]


def _digest(rows: Sequence[Sequence[Any]]) -> str:
    digest = hashlib.sha256()
    for row in rows:
        digest.update(repr(tuple(row)).encode())
    return digest.hexdigest()
