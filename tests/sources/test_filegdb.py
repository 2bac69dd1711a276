"""File geodatabases: made by GDAL and broken byte by byte, and real ones of ArcGIS where they are at hand."""

from __future__ import annotations

import shutil
import sqlite3
import struct
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import pytest
import shapely
from shapely import Polygon, box

from qpgis.errors import SourceError
from qpgis.findings import Findings, Severity
from qpgis.sources import RawFeatures, Request, filegdb
from qpgis.sources.arrow import read_table
from qpgis.sources.domains import Range
from qpgis.sources.gdbtable import gdb_table
from qpgis.sources.reading import layer_names, read_features
from tests.conftest import SHARED_DATA

BAD = SHARED_DATA / "bad_inputs" / "filegdb"
TABLE = "a00000009.gdbtable"
"""The first table after the eight that GDAL writes for the geodatabase itself."""
Spoil = Callable[[Path], object]


def read(path: Path, layer: str | None = None) -> tuple[RawFeatures, Findings]:
    request = Request(path, path.name, layer=layer, findings=Findings("en"))
    return read_features(request), request.findings


def rules(findings: Findings) -> list[tuple[str, str]]:
    return [(finding.rule, finding.feature_id) for finding in findings]


def unpacked(name: str, folder: Path) -> Path:
    if not (BAD / name).exists():
        pytest.skip("../shared/data isn't here")
    with zipfile.ZipFile(BAD / name) as archive:
        archive.extractall(folder)
    return next(folder.glob("*.gdb"))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Fifty squares of one square metre in the feature class ``land``."""
    shapes = [box(i, 0, i + 1, 1) for i in range(50)]
    names = [f"第{i}块" for i in range(50)]
    frame = gpd.GeoDataFrame({"DLBM": ["0101"] * 50, "name": names}, geometry=shapes, crs="EPSG:4549")
    pyogrio.write_dataframe(frame, tmp_path / "data.gdb", driver="OpenFileGDB", layer="land")
    return tmp_path / "data.gdb"


def test_everything_comes_back(database: Path) -> None:
    raw, findings = read(database)
    assert layer_names(database, "data.gdb") == ("land",)
    assert raw.frame.area.tolist() == pytest.approx([1] * 50)
    assert raw.frame.crs.to_epsg() == 4549
    assert raw.frame["DLBM"].tolist() == ["0101"] * 50
    assert raw.frame["name"].tolist() == [f"第{i}块" for i in range(50)]
    assert raw.frame["feature_id"].tolist() == [str(i) for i in range(1, 51)]
    assert (raw.driver, raw.layer, raw.spatial, raw.remarks, len(findings)) == ("OpenFileGDB", "land", True, (), 0)


def test_types_of_fields(tmp_path: Path) -> None:
    frame = gpd.GeoDataFrame(
        {
            "small": pd.array([1, None], dtype="Int16"),
            "real": [0.25, None],
            "day": pd.to_datetime(["1954-10-01", None]),
            "text": ["", None],
        },
        geometry=[box(0, 0, 1, 1), None],
        crs="EPSG:4490",
    )
    pyogrio.write_dataframe(frame, tmp_path / "a.gdb", driver="OpenFileGDB", layer="a")
    found = read(tmp_path / "a.gdb")[0].frame
    assert found.isna().loc[1, ["small", "real", "day", "text", "geometry"]].all()
    assert found.loc[0, ["small", "real", "text"]].tolist() == [1, 0.25, ""]
    assert found["day"][0] == pd.Timestamp("1954-10-01")


def test_missing_and_empty_shapes_are_no_damage(tmp_path: Path) -> None:
    shapes = [None, Polygon(), box(0, 0, 1, 1)]
    frame = gpd.GeoDataFrame({"n": ["a", "b", "c"]}, geometry=shapes, crs="EPSG:4549")
    pyogrio.write_dataframe(frame, tmp_path / "a.gdb", driver="OpenFileGDB", layer="a", geometry_type="MultiPolygon")
    raw, findings = read(tmp_path / "a.gdb")
    assert rules(findings) == []
    assert (raw.frame.geometry.isna() | raw.frame.geometry.is_empty).tolist() == [True, True, False]


@pytest.mark.parametrize("name", ["三调 2024!.gdb", "a#b?c%20.gdb", "UP.GDB", "-x.gdb"])
def test_nothing_is_written_beside_or_within(database: Path, name: str) -> None:
    folder = database.parent / "图层"
    folder.mkdir()
    path = database.rename(folder / name)
    before = contents(path)
    for place in (path, folder):
        place.chmod(0o555)
    try:
        assert len(read(path)[0].frame) == 50
        assert layer_names(path, name) == ("land",)
    finally:
        for place in (path, folder):
            place.chmod(0o755)
    assert contents(path) == before
    assert [one.name for one in folder.iterdir()] == [name]


def shorter(name: str, share: float) -> Spoil:
    def spoil(path: Path) -> None:
        whole = (path / name).read_bytes()
        (path / name).write_bytes(whole[: int(len(whole) * share)])

    return spoil


def without(name: str) -> Spoil:
    return lambda path: (path / name).unlink()


def header(name: str, at: int, count: int) -> Spoil:
    def spoil(path: Path) -> None:
        data = bytearray((path / name).read_bytes())
        data[at : at + 4] = struct.pack("<i", count)
        (path / name).write_bytes(data)

    return spoil


@pytest.mark.parametrize(
    "spoil",
    [
        *(shorter(TABLE, share) for share in (0, 0.005, 0.2, 0.5, 0.9, 0.999)),
        *(shorter("a00000009.gdbtablx", share) for share in (0, 0.5, 0.99)),
        without(TABLE),
        without("a00000009.gdbtablx"),
        *(header(TABLE, 4, count) for count in (-1, 0, 30, 90)),
        header("a00000009.gdbtablx", 12, 9),
        without("a00000001.gdbtable"),
        shorter("a00000001.gdbtable", 0.5),
        shorter("a00000004.gdbtable", 0.5),
    ],
)
def test_a_damaged_table_is_refused_with_a_remedy(database: Path, spoil: Spoil) -> None:
    spoil(database)
    with pytest.raises(SourceError, match=r"data\.gdb.*(copy the whole|export)") as caught:
        read(database)
    assert "/vcpkg" not in str(caught.value)
    assert str(database.parent) not in str(caught.value)


def row(database: Path, number: int) -> int:
    """Where a row begins, worked out from the index: five bytes an offset after a header of 16."""
    index = (database / "a00000009.gdbtablx").read_bytes()
    return int.from_bytes(index[16 + 5 * (number - 1) : 21 + 5 * (number - 1)], "little")


def test_a_damaged_shape_is_named(database: Path) -> None:
    """Behind its length and flags a row has the shape's length and then its type, for which there is no 0x7F."""
    data = bytearray((database / TABLE).read_bytes())
    data[row(database, 20) + 6] = 0x7F
    (database / TABLE).write_bytes(data)
    raw, findings = read(database)
    assert [(f.severity, f.rule, f.feature_id) for f in findings] == [(Severity.ERROR, "gdb_damaged_shape", "20")]
    assert raw.frame.geometry.isna().tolist() == [i == 20 for i in range(1, 51)]


def test_text_that_is_not_utf8_is_refused_by_name(database: Path) -> None:
    data = (database / TABLE).read_bytes()
    at = data.index("第33块".encode())
    (database / TABLE).write_bytes(data[:at] + b"\xb5\xda3" + data[at + 3 :])
    with pytest.raises(SourceError, match="feature 34: field 'name' isn't UTF-8"):
        read(database)


def test_row_offsets_with_and_without_blocks_left_out(tmp_path: Path) -> None:
    """Three blocks of 1024 rows, of which the middle one was never filled: rows 1 and 2049 are there."""
    table, index = tmp_path / "a0000000a.gdbtable", tmp_path / "a0000000a.gdbtablx"
    table.write_bytes(struct.pack("<iiiiqqq", 3, 2, 0, 5, 0, 100, 40) + bytes(60))
    block = (50).to_bytes(5, "little") + bytes(5 * 1023)
    index.write_bytes(
        struct.pack("<iiii", 3, 2, 2049, 5) + 2 * block + struct.pack("<iiii", 1, 3, 2, 1) + b"\x05\0\0\0"
    )
    found = gdb_table(table)
    assert found is not None
    assert np.flatnonzero(found.offsets).tolist() == [0, 2048]
    index.write_bytes(
        struct.pack("<iiii", 3, 2, 2049, 5) + 2 * block + struct.pack("<iiii", 1, 3, 2, 1) + b"\x01\0\0\0"
    )
    with pytest.raises(ValueError, match="contradicts"):
        gdb_table(table)


def test_tables_with_ids_of_64_bits_are_left_to_gdal(tmp_path: Path) -> None:
    (tmp_path / "a.gdbtable").write_bytes(struct.pack("<i", 4) + bytes(60))
    assert gdb_table(tmp_path / "a.gdbtable") is None


@pytest.mark.parametrize("version", [0, 2, 5])
def test_tables_of_no_known_version_are_damaged(tmp_path: Path, version: int) -> None:
    """GDAL takes a head of zeros for a table without rows."""
    (tmp_path / "a.gdbtable").write_bytes(struct.pack("<i", version) + bytes(60))
    with pytest.raises(ValueError, match="version"):
        gdb_table(tmp_path / "a.gdbtable")


def test_arcs_become_edges(tmp_path: Path) -> None:
    """Half a disc of 100 m: an arc, and its diameter."""
    arc = struct.pack("<BII6d", 1, 8, 3, 1000, 0, 1100, 100, 1200, 0)
    diameter = struct.pack("<BII4d", 1, 2, 2, 1200, 0, 1000, 0)
    half = struct.pack("<BII", 1, 10, 1) + struct.pack("<BII", 1, 9, 2) + arc + diameter
    shapes, names = np.array([half], dtype=object), [np.array(["a"], dtype=object)]
    about = {"driver": "OpenFileGDB", "layer": "a", "geometry_type": "MultiPolygon", "crs": "EPSG:4549"}
    pyogrio.raw.write(tmp_path / "a.gdb", shapes, names, ["name"], **about)
    raw, findings = read(tmp_path / "a.gdb")
    (finding,) = findings
    assert raw.frame.area.sum() == pytest.approx(np.pi * 100**2 / 2, rel=2e-5)
    assert (finding.severity, finding.rule) == (Severity.WARNING, "curves_straightened")
    assert 0 < float(finding.value.removesuffix(" mm")) <= 1


def test_locks_say_who_has_it_open(database: Path) -> None:
    (database / "land.DESKTOP-7.office.4321.1234.ed.lock").touch()
    (database / "_gdb.PC1.99.1.sr.lock").touch()
    raw, findings = read(database)
    (finding,) = findings
    assert len(raw.frame) == 50
    assert (finding.severity, finding.rule) == (Severity.WARNING, "gdb_locked")
    assert finding.value == "DESKTOP-7.office: land (edited); PC1: _gdb (open)"


def test_what_is_no_geodatabase_is_refused(database: Path, tmp_path: Path) -> None:
    file, empty, outer, packed = (tmp_path / f"{name}.gdb" for name in ("file", "empty", "outer", "packed"))
    file.write_bytes(b"x")
    for folder in (empty, outer, packed):
        folder.mkdir()
    shutil.copytree(database, outer / "inner.gdb")
    (packed / "a00000009.cdf").touch()
    for path, why in {file: "is a folder", empty: "missing", outer: r"inner\.gdb", packed: "compressed"}.items():
        with pytest.raises(SourceError, match=rf"{path.name}: .*{why}"):
            layer_names(path, path.name)
    (database / TABLE).rename(database / "a00000009.cdf")
    with pytest.raises(SourceError, match=r"compressed|not whole"):
        read(database)


def test_a_table_without_shapes_is_not_spatial(database: Path) -> None:
    pyogrio.write_dataframe(
        pd.DataFrame({"XZQMC": ["金泽镇"]}), database, layer="towns", append=True, driver="OpenFileGDB"
    )
    assert layer_names(database, "data.gdb") == ("land", "towns")
    raw, _ = read(database, "towns")
    assert not raw.spatial
    assert raw.frame["XZQMC"].tolist() == ["金泽镇"]
    with pytest.raises(SourceError, match="2 layers"):
        read(database)


def test_an_empty_feature_class(tmp_path: Path) -> None:
    frame = gpd.GeoDataFrame({"a": pd.Series([], dtype="str")}, geometry=[], crs="EPSG:4549")
    pyogrio.write_dataframe(frame, tmp_path / "a.gdb", driver="OpenFileGDB", layer="a", geometry_type="MultiPolygon")
    raw, findings = read(tmp_path / "a.gdb")
    assert (len(raw.frame), raw.spatial, len(findings)) == (0, True, 0)


def test_codes_stay_codes(tmp_path: Path) -> None:
    """GDAL hands a field with a code list over as names; the code 7 has none."""
    path = tmp_path / "a.gpkg"
    codes = pd.array([2, 1, None, 7], dtype="Int32")
    gpd.GeoDataFrame({"kind": codes}, geometry=[box(0, 0, 1, 1)] * 4, crs="EPSG:4549").to_file(path, layer="a")
    with closing(sqlite3.connect(path)) as base:
        base.executescript(
            """
            CREATE TABLE gpkg_data_columns (table_name TEXT, column_name TEXT, name TEXT, title TEXT, description TEXT,
                mime_type TEXT, constraint_name TEXT);
            CREATE TABLE gpkg_data_column_constraints (constraint_name TEXT, constraint_type TEXT, value TEXT,
                min NUMERIC, min_is_inclusive BOOLEAN, max NUMERIC, max_is_inclusive BOOLEAN, description TEXT);
            INSERT INTO gpkg_extensions VALUES ('gpkg_data_columns', NULL, 'gpkg_schema', 'x', 'read-write'),
                ('gpkg_data_column_constraints', NULL, 'gpkg_schema', 'x', 'read-write');
            INSERT INTO gpkg_data_columns VALUES ('a', 'kind', NULL, NULL, NULL, NULL, 'k');
            INSERT INTO gpkg_data_column_constraints VALUES ('k', 'enum', '1', NULL, NULL, NULL, NULL, 'one'),
                ('k', 'enum', '2', NULL, NULL, NULL, NULL, 'two');
            """
        )
    assert "dictionary" in str(pyogrio.raw.read_arrow(path)[1].schema.field("kind").type)
    frame, _, _ = read_table(Request(path, "a.gpkg"), path, "GPKG", "a")
    assert [None if pd.isna(code) else code for code in frame["kind"]] == [2, 1, None, 7]


DEFINITION = """<typens:DEFeatureClassInfo xmlns:typens="http://www.esri.com/schemas/ArcGIS/10.8">
  <Name>land</Name>
  <GPFieldInfoExs>
    <GPFieldInfoEx><Name>SHAPE</Name><IsNullable>true</IsNullable></GPFieldInfoEx>
    <GPFieldInfoEx><Name>DLBM</Name><AliasName>地类编码</AliasName><DomainName>dl</DomainName></GPFieldInfoEx>
    <GPFieldInfoEx><Name>name</Name><AliasName>name</AliasName><IsNullable>true</IsNullable></GPFieldInfoEx>
    <GPFieldInfoEx><Name>storeys</Name><DomainName>cs</DomainName></GPFieldInfoEx>
    <GPFieldInfoEx><Name>opened</Name><DomainName>days</DomainName></GPFieldInfoEx>
  </GPFieldInfoExs>
  <SubtypeFieldName>kind</SubtypeFieldName>
  <Subtypes>
    <Subtype><SubtypeName>水田</SubtypeName><SubtypeCode>1</SubtypeCode><FieldInfos>
      <SubtypeFieldInfo><FieldName>owner</FieldName><DomainName>o1</DomainName></SubtypeFieldInfo></FieldInfos></Subtype>
    <Subtype><SubtypeName>旱地</SubtypeName><SubtypeCode>2</SubtypeCode><FieldInfos>
      <SubtypeFieldInfo><FieldName>owner</FieldName><DomainName>o2</DomainName></SubtypeFieldInfo></FieldInfos></Subtype>
  </Subtypes>
  <ShapeType>esriGeometryPolygon</ShapeType>
</typens:DEFeatureClassInfo>"""


def coded(name: str, **codes: str) -> str:
    pairs = "".join(f"<CodedValue><Name>{v}</Name><Code>{k[1:]}</Code></CodedValue>" for k, v in codes.items())
    return (
        f'<t:GPCodedValueDomain2 xmlns:t="u"><DomainName>{name}</DomainName><CodedValues>{pairs}</CodedValues>'
        "</t:GPCodedValueDomain2>"
    )


def test_aliases_domains_and_subtypes(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limits = '<t:GPRangeDomain2 xmlns:t="u"><MinValue>{}</MinValue><MaxValue>{}</MaxValue></t:GPRangeDomain2>'
    items = {
        "land": DEFINITION,
        "dl": coded("dl", _0101="水田", _0103="旱地"),
        "o1": coded("o1", _1="国有", _2="集体"),
        "o2": coded("o2", _1="国家", _2="集体"),
        "cs": limits.format(1, 30),
        "days": limits.format("2000-01-01T00:00:00", "2024-01-01T00:00:00"),
        "other": None,
        "evil": '<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]><a>&e;</a>',
        "broken": "<a",
    }
    table = pd.DataFrame({"Name": list(items), "Definition": list(items.values())})
    monkeypatch.setattr(filegdb, "_system_table", lambda _request, _plain, name: table if name == "GDB_Items" else None)
    words = filegdb._dictionary(Request(database, "data.gdb"), database, "land")
    assert words.aliases == {"DLBM": "地类编码"}
    assert words.domains == {
        "DLBM": {"0101": "水田", "0103": "旱地"},
        "kind": {"1": "水田", "2": "旱地"},
        "owner": {"1": "国有 / 国家", "2": "集体"},
    }
    assert words.ranges == {"storeys": Range("cs", 1, 30)}
    assert words.nullable == 2


def test_real_domains() -> None:
    path = BAD / "gdal_Domains" / "Domains.gdb"
    if not path.exists():
        pytest.skip("../shared/data isn't here")
    before = contents(path)
    raw, findings = read(path)
    assert layer_names(path, path.name) == ("Roads",)
    assert raw.domains == {
        "MedianType": {"0": "None", "1": "Cement"},
        "SurfaceType": {"1": "Asphalt", "2": "Gravel", "3": "Oiled Sand", "4": "Dirt"},
    }
    assert raw.frame.crs.to_epsg() == 32620
    assert (len(raw.frame), len(findings)) == (0, 0)
    assert contents(path) == before


def test_all_layers_of_a_large_geodatabase(tmp_path: Path) -> None:
    path = unpacked("gdal_testopenfilegdb/testopenfilegdb.gdb.zip", tmp_path)
    names = layer_names(path, path.name)
    assert len(names) == 37
    assert not [name for name in names if name.startswith("GDB_")]
    found = {name: read(path, name) for name in names}
    rows = {name: len(raw.frame) for name, (raw, _) in found.items()}
    stated = {
        name: pyogrio.read_info(path, layer=name, force_feature_count=True)["features"] for name in ("point", "hole")
    }
    assert {name: rows[name] for name in stated} == stated
    assert (rows["big_layer"], rows["hole"], rows["testnotnullable"], rows["none"]) == (341, 12, 0, 6)
    assert {name for name, (raw, _) in found.items() if not raw.spatial} == {"none", "big_layer", "no_field"}
    assert {name: rules(findings) for name, (_, findings) in found.items() if len(findings)} == {
        "multipatch": [("wkb_surface", "")]
    }
    assert found["several_polygons"][0].frame.area.sum() == pytest.approx(9)
    assert found["point"][0].frame["guid"].str.fullmatch(r"\{[0-9A-F-]{36}\}").all()


def test_rings_that_run_the_wrong_way(tmp_path: Path) -> None:
    path = unpacked("gdal_weird_winding_order_fgdb/weird_winding_order_fgdb.zip", tmp_path)
    raw, findings = read(path)
    assert [(f.rule, f.value) for f in findings] == [("gdb_ring_direction", "1")]
    (shape,) = raw.frame.geometry
    rings = [shapely.polygons(ring) for ring in shapely.get_rings(shapely.get_parts(shape))]
    points = np.random.default_rng(1).uniform(shape.bounds[:2], shape.bounds[2:], (4000, 2))
    inside = sum(shapely.contains_xy(ring, points).astype(int) for ring in rings)
    assert np.array_equal(inside % 2 == 1, shapely.contains_xy(shape, points))


def test_the_direction_of_rings_decides_nothing_if_even_odd_says_otherwise() -> None:
    """A shell and, in it, a "hole" that GDAL took for a second polygon: both wound to the left."""
    drawn = shapely.MultiPolygon([box(0, 0, 10, 10), box(2, 2, 4, 4)])
    frame = gpd.GeoDataFrame({"feature_id": ["1", "2"]}, geometry=[drawn, box(0, 0, 1, 1).reverse()], crs="EPSG:4549")
    request = Request(Path("a.gdb"), "a.gdb")
    assert filegdb._wound(request, frame).area.tolist() == [96, 1]
    assert [f.value for f in request.findings] == ["1"]
