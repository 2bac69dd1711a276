"""Tables of a real PostGIS database: Debian's PostgreSQL, started here on loopback with a folder of its own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from shapely import box

import qpgis as qp
from qpgis.errors import SourceError
from qpgis.sources import Request
from qpgis.sources.postgis import read_table
from tests.conftest import EAST, NORTH, Maker

BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin")) if Path("/usr/lib/postgresql").is_dir() else []
PASSWORD = "not-in-any-file"


def as_postgres(*command: str | Path) -> None:
    """Run a command as a user whom PostgreSQL accepts: it refuses root."""
    words = [str(word) for word in command]
    prefix = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    done = subprocess.run([*prefix, *words], capture_output=True, text=True, check=False, cwd="/")
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an empty database with PostGIS."""
    if not BINARIES:
        pytest.skip("PostgreSQL isn't installed")
    home = Path("/tmp") / f"qpgis-postgres-{os.getpid()}"
    home.mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (home / "password").write_text(PASSWORD, encoding="ascii")
    if os.geteuid() == 0:
        shutil.chown(home, "postgres")
        shutil.chown(home / "password", "postgres")
    tools = BINARIES[-1]
    try:
        secret = ("--auth=scram-sha-256", f"--pwfile={home / 'password'}", "--username=planner")
        as_postgres(tools / "initdb", "--pgdata", home / "data", "--encoding=UTF8", "--no-locale", *secret)
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={home} -c fsync=off"
        as_postgres(tools / "pg_ctl", "--pgdata", home / "data", "--wait", "-o", options, "-l", home / "log", "start")
        try:
            yield f"postgresql://planner@127.0.0.1:{port}/postgres"
        finally:
            as_postgres(tools / "pg_ctl", "--pgdata", home / "data", "--mode=immediate", "stop")
    finally:
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def planned(database: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The database with two lakes and what else may stand in a schema."""
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    west, east = box(EAST, NORTH, EAST + 100, NORTH + 100), box(EAST + 500, NORTH, EAST + 700, NORTH + 100)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS postgis")
        connection.execute('DROP SCHEMA IF EXISTS "规划" CASCADE')
        connection.execute('CREATE SCHEMA "规划"')
        connection.execute(
            'CREATE TABLE "规划"."水 域" (bsm varchar PRIMARY KEY, "名称" text, mj numeric(12, 2), n int, day date,'
            " kind text DEFAULT '湖泊',"
            " geom geometry(Polygon, 4549))"
        )
        insert = (
            'INSERT INTO "规划"."水 域" (bsm, "名称", mj, n, day, geom) '
            "VALUES (%s, %s, %s, %s, %s, ST_GeomFromText(%s, 4549))"
        )
        connection.execute(insert, ("0002", "汾湖", "20000.25", None, "2024-05-01", east.wkt))
        connection.execute(insert, ("0001", "元荡'; DROP TABLE x; --", "10000.50", 7, None, west.wkt))
        connection.execute('CREATE VIEW "规划".lakes AS SELECT * FROM "规划"."水 域"')
        connection.execute('CREATE MATERIALIZED VIEW "规划".kept AS SELECT * FROM "规划"."水 域"')
        connection.execute('CREATE TABLE "规划".nowhere (id int, geom geometry(Polygon))')
        connection.execute('CREATE TABLE "规划".two (id int, a geometry(Point, 4490), b geometry(Point, 4490))')
        connection.execute('CREATE TABLE "规划".globe (id int PRIMARY KEY, g geography(Point))')
        connection.execute("INSERT INTO \"规划\".globe VALUES (1, 'POINT(121.1 31.1)')")
        connection.execute('CREATE TABLE "规划".round (id int PRIMARY KEY, g geometry(CurvePolygon, 4549))')
        ring = "600100 3450000, 600000 3450100, 599900 3450000, 600000 3449900, 600100 3450000"
        circle = f"CURVEPOLYGON(CIRCULARSTRING({ring}))"
        connection.execute('INSERT INTO "规划".round VALUES (1, ST_GeomFromText(%s, 4549))', (circle,))
    return database


def lakes(url: str, table: str = "规划.水 域", **options: str) -> object:
    return read_table(Request(Path(table), f"postgis:{table}", "water", **options), url)


def test_rows_types_and_system_of_a_table(planned: str) -> None:
    raw, digest = lakes(planned)
    frame = raw.frame
    assert frame["feature_id"].tolist() == ["0001", "0002"]  # by primary key, whatever the order of writing
    assert frame["名称"].tolist() == ["元荡'; DROP TABLE x; --", "汾湖"]
    assert frame["mj"].tolist() == [10000.5, 20000.25]
    assert frame["n"].isna().tolist() == [False, True]
    assert frame.geometry.area.tolist() == [10_000, 20_000]
    assert frame.crs.to_epsg() == 4549
    assert lakes(planned)[1] == digest
    assert raw.states_crs


def test_the_hash_follows_the_rows(planned: str) -> None:
    before = lakes(planned)[1]
    with psycopg.connect(planned, autocommit=True) as connection:
        connection.execute("UPDATE \"规划\".\"水 域\" SET 名称 = '汾 湖' WHERE bsm = '0002'")
    assert lakes(planned)[1] != before


@pytest.mark.parametrize("name", ["规划.lakes", "规划.kept"])
def test_views_are_tables(planned: str, name: str) -> None:
    assert len(lakes(planned, name)[0].frame) == 2


def test_geographies_and_curves(planned: str) -> None:
    globe = lakes(planned, "规划.globe")[0].frame
    assert (globe.crs.to_epsg(), globe.geometry[0].wkt) == (4326, "POINT (121.1 31.1)")
    circle = lakes(planned, "规划.round")[0].frame.geometry[0]
    assert circle.area == pytest.approx(31415.926535897932, rel=1e-5)


def test_a_plain_column_named_geometry_is_kept(planned: str) -> None:
    with psycopg.connect(planned, autocommit=True) as connection:
        connection.execute('CREATE TABLE "规划".named (geometry text, geom geometry(Point, 4549))')
        connection.execute(
            "INSERT INTO \"规划\".named VALUES ('round', ST_GeomFromText('POINT(1 2)', 4549)), (NULL, NULL)"
        )
    frame = lakes(planned, "规划.named")[0].frame
    assert sorted(frame["geometry"].dropna()) == ["round"]
    assert frame.geometry.name != "geometry"
    assert sorted(str(shape) for shape in frame.geometry) == ["None", "POINT (1 2)"]


def test_a_table_without_system_has_none(planned: str) -> None:
    assert lakes(planned, "规划.nowhere")[0].frame.crs is None


def test_mistakes_are_named_without_the_password(planned: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SourceError, match=r"no table with geometries 规划.水域; did you mean '规划.水 域'"):
        lakes(planned, "规划.水域")
    with pytest.raises(SourceError, match=r"2 geometry columns \(a, b\); say which"):
        lakes(planned, "规划.two")
    with pytest.raises(SourceError, match="no geometry column 'c'"):
        lakes(planned, "规划.two", layer="c")
    with pytest.raises(SourceError, match="holds a password; take it out and set PGPASSWORD"):
        lakes(planned.replace("planner@", f"planner:{PASSWORD}@"))
    with pytest.raises(SourceError, match="url can't be read"):
        lakes("postgresql://a b c")
    monkeypatch.setenv("PGPASSWORD", "wrong")
    with pytest.raises(SourceError, match="authentication failed") as caught:
        lakes(planned)
    assert "wrong" not in str(caught.value)
    assert PASSWORD not in str(caught.value)


def test_no_server_is_a_clear_error() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(SourceError, match=rf"the database 127.0.0.1:{port}/x says: .*refused"):
        lakes(f"postgresql://planner@127.0.0.1:{port}/x")


def test_nothing_is_written(planned: str) -> None:
    lakes(planned)
    with psycopg.connect(planned) as connection:
        count = connection.execute('SELECT count(*) FROM "规划"."水 域"').fetchone()
    assert count == (2,)


def test_a_table_is_a_layer_of_a_workspace(workspace: Maker, planned: str) -> None:
    toml = (
        f'[database]\nurl = "{planned}"\n[layers.water]\nfile = "postgis:规划.水 域"\ngrade = "surveyed"\n'
        'extent = "area"\nname_field = "名称"\nclass_field = "kind"\n'
    )
    opened = qp.open_workspace(workspace(toml))
    assert [one.name for one in opened.inputs if one.role == "water"] == ["postgis:规划.水 域"]
    result = qp.assess(opened)
    row = result.table.query("indicator == 'water_surface_share' and zone_id == 'a'").iloc[0]
    assert row["numerator"] == pytest.approx(0.03, rel=5e-4)  # the plane of EPSG:4549 stretches by 2.2e-4 here


def test_a_table_needs_a_database(workspace: Maker) -> None:
    toml = '[layers.water]\nfile = "postgis:public.water"\ngrade = "surveyed"\n'
    with pytest.raises(SourceError, match=r"name its database in qpgis\.toml"):
        qp.open_workspace(workspace(toml))
