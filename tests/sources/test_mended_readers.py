"""Broken input that made a library's own exception escape, or was passed over in silence."""

from __future__ import annotations

import builtins
import json
import sqlite3
import struct
from contextlib import closing
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import geopandas as gpd
import openpyxl
import pandas as pd
import pyarrow as pa
import pyogrio
import pytest
from pyarrow import parquet as pq
from pyproj import CRS
from shapely import Point, box

from qpgis.errors import SourceError
from qpgis.findings import Findings
from qpgis.quality.fields import check_fields
from qpgis.sources import RawFeatures, Request, postgis, workbook
from qpgis.sources.gdbtable import gdb_table
from qpgis.sources.reading import layer_names, read_features
from qpgis.sources.wkb import geometries

TABLE = "a00000009.gdbtable"
"""The first table after the eight that GDAL writes for a geodatabase itself."""


def read(path: Path) -> tuple[RawFeatures, Findings]:
    request = Request(path, path.name, findings=Findings("en"))
    return read_features(request), request.findings


# Bytes of geometries


def compound(levels: int) -> bytes:
    """A compound curve within a compound curve …, a line of two points in the innermost."""
    line = struct.pack("<BII4d", 1, 2, 2, 0, 0, 1, 1)
    return struct.pack("<BII", 1, 9, 1) * levels + line


@pytest.mark.parametrize("head", [b"", struct.pack("<BII", 1, 10, 1)])
def test_compound_curves_nested_without_end_are_damaged(head: bytes) -> None:
    request = Request(Path("x"), "x", findings=Findings("en"))
    shapes = geometries(request, [head + compound(5000), Point(1, 2).wkb], ["deep", "sound"])
    assert [shape is None for shape in shapes] == [True, False]
    (finding,) = request.findings
    assert (finding.rule, finding.feature_id) == ("wkb_damaged", "deep")
    assert "nested" in finding.value


def test_a_compound_curve_within_another_is_read() -> None:
    request = Request(Path("x"), "x", findings=Findings("en"))
    assert geometries(request, [compound(3)], ["a"])[0].wkt == "LINESTRING (0 0, 1 1)"


# GeoParquet


@pytest.mark.parametrize(
    ("geo", "why"),
    [
        (b"[" * 100_000 + b"]" * 100_000, "metadata is no JSON"),
        (json.dumps({"primary_column": ["geometry"], "columns": {"geometry": {}}}).encode(), "primary geometry column"),
        (json.dumps({"primary_column": {}, "columns": {"geometry": {}}}).encode(), "primary geometry column"),
    ],
)
def test_absurd_geoparquet_metadata_is_refused(tmp_path: Path, geo: bytes, why: str) -> None:
    table = pa.table({"geometry": [Point(1, 2).wkb]}).replace_schema_metadata({b"geo": geo})
    pq.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(SourceError, match=rf"a\.parquet.*{why}"):
        read(tmp_path / "a.parquet")


# GeoPackage


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """Three squares in the layer ``land``, with numbers of storeys."""
    shapes = [box(600_000 + i, 3_450_000, 600_001 + i, 3_450_001) for i in range(3)]
    path = tmp_path / "land.gpkg"
    gpd.GeoDataFrame({"storeys": [1, 2, 99]}, geometry=shapes, crs="EPSG:4549").to_file(path, layer="land")
    return path


def edit(path: Path, script: str) -> None:
    with closing(sqlite3.connect(path)) as database:
        for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            database.execute(f'DROP TRIGGER "{name}"')
        database.executescript(script)
        database.commit()


def test_a_range_of_words_is_no_range(package: Path) -> None:
    edit(
        package,
        """
        CREATE TABLE gpkg_data_columns (table_name TEXT, column_name TEXT, name TEXT, title TEXT, description TEXT,
            mime_type TEXT, constraint_name TEXT);
        CREATE TABLE gpkg_data_column_constraints (constraint_name TEXT, constraint_type TEXT, value TEXT,
            min NUMERIC, min_is_inclusive BOOLEAN, max NUMERIC, max_is_inclusive BOOLEAN, description TEXT);
        INSERT INTO gpkg_data_columns VALUES ('land', 'storeys', NULL, '层数', NULL, NULL, 'cs');
        INSERT INTO gpkg_data_column_constraints VALUES ('cs', 'range', NULL, 'one', 1, 'many', 1, NULL);
        """,
    )
    raw, findings = read(package)
    assert raw.frame["storeys"].tolist() == [1, 2, 99]
    assert raw.aliases == {"storeys": "层数"}
    assert not list(findings)


@pytest.mark.parametrize("srs", ["'EPSG:4549'", "x'11C5'", "4549.5"])
def test_a_reference_system_that_is_no_number_is_refused(package: Path, srs: str) -> None:
    edit(package, f"PRAGMA foreign_keys = OFF; UPDATE gpkg_geometry_columns SET srs_id = {srs}")
    with pytest.raises(SourceError, match=r"layer 'land' has the reference system .* no number"):
        read(package)


# File geodatabase


@pytest.fixture
def geodatabase(tmp_path: Path) -> Path:
    """Three rows in the feature class ``land``, the second without geometry."""
    shapes = [box(0, 0, 1, 1), None, box(2, 0, 3, 1)]
    frame = gpd.GeoDataFrame({"DLBM": ["0101"] * 3}, geometry=shapes, crs="EPSG:4549")
    options = {"LAYER_ALIAS": "地块"}
    pyogrio.write_dataframe(frame, tmp_path / "d.gdb", driver="OpenFileGDB", layer="land", layer_options=options)
    return tmp_path / "d.gdb"


def moved(table: Path, start: int) -> None:
    """Copy the description of a table's fields to another place and let the header point there."""
    data = bytearray(table.read_bytes())
    (old,) = struct.unpack_from("<q", data, 32)
    (size,) = struct.unpack_from("<i", data, old)
    description = data[old : old + 4 + size]
    data += bytes(max(start + len(description) - len(data), 0))
    data[start : start + len(description)] = description
    struct.pack_into("<q", data, 32, start)
    table.write_bytes(data)


def test_fields_described_far_behind_in_a_table_are_found(geodatabase: Path) -> None:
    moved(geodatabase / TABLE, 3 * 2**20)
    table = gdb_table(geodatabase / TABLE)
    assert table is not None
    assert table.drawn([1, 2, 3], nullable=2) == [1, 3]


@pytest.mark.parametrize("start", [-1, 0, 10**12])
def test_fields_described_nowhere_are_an_error(geodatabase: Path, start: int) -> None:
    path = geodatabase / TABLE
    data = bytearray(path.read_bytes())
    struct.pack_into("<q", data, 32, start)
    path.write_bytes(data)
    table = gdb_table(path)
    assert table is not None
    with pytest.raises(ValueError, match="describe its fields"):
        table.drawn([2], nullable=2)


def test_a_description_that_is_cut_off_is_an_error(geodatabase: Path) -> None:
    path = geodatabase / TABLE
    data = bytearray(path.read_bytes())
    struct.pack_into("<q", data, 32, len(data) - 5)
    path.write_bytes(data)
    table = gdb_table(path)
    assert table is not None
    with pytest.raises(ValueError, match="cut off"):
        table.drawn([2], nullable=2)


def test_what_the_table_says_of_damage_becomes_a_refusal(geodatabase: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> list[int]:
        raise ValueError("the description of its fields is cut off")

    monkeypatch.setattr("qpgis.sources.gdbtable.GdbTable.drawn", broken)
    with pytest.raises(SourceError, match=r"d\.gdb.*damaged: the description of its fields is cut off; copy the whole"):
        read(geodatabase)


def test_a_damaged_definition_is_said(geodatabase: Path) -> None:
    assert not list(read(geodatabase)[1])
    for path in geodatabase.glob("*.gdbtable"):
        data = path.read_bytes()
        path.write_bytes(data.replace(b"</typens:DEFeatureClassInfo>", b"<//ypens:DEFeatureClassInfo>"))
    raw, findings = read(geodatabase)
    assert len(raw.frame) == 3
    assert [(one.rule, one.value) for one in findings] == [("gdb_definition_unread", "land")]


# PostGIS, without a server: test_postgis.py has one


def system(row: tuple[Any, ...] | None) -> CRS | None:
    connection = SimpleNamespace(execute=lambda *_: SimpleNamespace(fetchone=lambda: row))
    table = postgis._Table("public", "land", "geom", 990001, ())
    return postgis._system(connection, table, Request(Path("x"), "postgis:land"))  # type: ignore[arg-type]


def test_the_system_of_a_table_is_its_number_or_its_words() -> None:
    words = CRS.from_epsg(4549).to_wkt("WKT1_GDAL")
    assert system(("EPSG", 4549, "")).to_epsg() == 4549  # type: ignore[union-attr]
    for authority, code in (("Pudong", 1), (None, None), ("EPSG", 990001)):
        found = system((authority, code, words))
        assert found is not None
        assert found.name == "CGCS2000 / 3-degree Gauss-Kruger CM 120E"
    assert system(None) is None
    with pytest.raises(SourceError, match=r"PROJ doesn't know its reference system 990001 \(Pudong:1\)"):
        system(("Pudong", 1, "no words"))


def test_without_psycopg_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.startswith("psycopg"):
            raise ModuleNotFoundError("No module named 'psycopg'")
        return usual(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(SourceError, match=r"pip install 'qpgis\[postgis\]'"):
        postgis.read_table(Request(Path("x"), "postgis:land"), "postgresql://planner@127.0.0.1/x")


# KML


def test_rings_closed_in_kml_are_named_by_placemark(tmp_path: Path) -> None:
    def mark(name: str, ring: str) -> str:
        edge = f"<outerBoundaryIs><LinearRing><coordinates>{ring}</coordinates></LinearRing></outerBoundaryIs>"
        return f"<Placemark><name>{name}</name><Polygon>{edge}</Polygon></Placemark>"

    marks = mark("whole", "121,31 122,31 122,32 121,31") + mark("open", "121,31 122,31 122,32 121,32")
    text = f'<kml xmlns="http://www.opengis.net/kml/2.2"><Document>{marks}</Document></kml>'
    (tmp_path / "a.kml").write_text(text, encoding="utf-8")
    found = [one for one in read(tmp_path / "a.kml")[1] if one.rule == "text_ring_closed"]
    assert [one.feature_id for one in found] == ["placemark 1 ('open')"]


# Codes outside a file's own list


def test_of_many_unknown_codes_the_first_twenty_are_named() -> None:
    codes = ["0101", *(f"x{n:02d}" for n in range(25)), "x24"]
    frame = gpd.GeoDataFrame({"feature_id": [str(n) for n in range(27)], "DLBM": codes}, geometry=[None] * 27)
    findings = Findings("en")
    check_fields(RawFeatures(frame, "x.gdb", "FileGDB", domains={"DLBM": {"0101": "水田"}}), findings)
    named = {one.value: one.feature_id for one in findings if one.rule == "outside_domain"}
    assert named == {"x24": "25; 26"} | {f"x{n:02d}": str(n + 1) for n in range(19)}
    (rest,) = (one for one in findings if one.rule == "more_of_a_rule")
    assert rest.value == "5"
    assert "DLBM" in rest.message


# Workbooks


@pytest.fixture
def book(tmp_path: Path) -> Path:
    made = openpyxl.Workbook()
    made.active.append(["code", "area"])
    made.active.append(["0101", 12])
    made.save(tmp_path / "a.xlsx")
    return tmp_path / "a.xlsx"


def test_only_what_openpyxl_raises_is_damage(book: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LookupError, match="ours"), workbook._opened(book, "a.xlsx"):
        raise LookupError("ours")
    monkeypatch.setattr("openpyxl.worksheet._read_only.ReadOnlyWorksheet.iter_rows", raising(TypeError("theirs")))
    with pytest.raises(SourceError, match=r"a\.xlsx: the workbook is damaged \(TypeError: theirs\)"):
        layer_names(book, "a.xlsx")
    monkeypatch.setattr("openpyxl.worksheet._read_only.ReadOnlyWorksheet.iter_rows", raising(MemoryError()))
    with pytest.raises(MemoryError):
        layer_names(book, "a.xlsx")


def raising(error: Exception) -> Any:
    def raise_it(*_: object, **__: object) -> None:
        raise error

    return raise_it


def test_lists_and_records_in_parquet_become_json(tmp_path: Path) -> None:
    path = tmp_path / "land.parquet"
    values = {"tags": [["a", "甲"], None], "address": [{"no": 1, "on": date(2024, 5, 6)}, {"no": None, "on": None}]}
    gpd.GeoDataFrame(values, geometry=[Point(121, 31), Point(121.1, 31)], crs=4326).to_parquet(path)
    frame = read_features(Request(path, path.name)).frame
    assert frame["tags"][0] == '["a", "甲"]'
    assert pd.isna(frame["tags"][1])
    assert frame["address"].tolist() == ['{"no": 1, "on": "2024-05-06"}', '{"no": null, "on": null}']
