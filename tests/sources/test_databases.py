"""GeoPackage, FlatGeobuf, GeoParquet and the bytes of geometries: every row comes back, or is named."""

from __future__ import annotations

import json
import math
import sqlite3
import struct
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet as pq
from shapely import MultiPolygon, Point, Polygon, box

from qpgis.errors import SourceError
from qpgis.findings import Findings, Severity
from qpgis.sources import RawFeatures, Request, geopackage
from qpgis.sources.curves import Straightening, straight
from qpgis.sources.reading import layer_names, read_features
from qpgis.sources.wkb import geometries
from tests.conftest import SHARED_DATA

BAD = SHARED_DATA / "bad_inputs"
ONCE = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def read(path: Path, layer: str | None = None) -> tuple[RawFeatures, dict[str, list[str]]]:
    """What is read, and the features that each finding names."""
    request = Request(path, path.name, layer=layer)
    raw = read_features(request)
    return raw, named(request.findings)


def named(findings: Findings) -> dict[str, list[str]]:
    rules: dict[str, list[str]] = {}
    for finding in findings:
        rules.setdefault(finding.rule, []).append(finding.feature_id)
    return rules


def shared(path: str) -> Path:
    if not (BAD / path).exists():
        pytest.skip("../shared/data isn't here")
    return BAD / path


def squares(count: int = 10, **columns: Sequence) -> gpd.GeoDataFrame:
    """Squares of 100 m2 side by side in EPSG:4549."""
    shapes = [box(600_000 + 10 * i, 3_450_000, 600_010 + 10 * i, 3_450_010) for i in range(count)]
    return gpd.GeoDataFrame({"code": [f"01{i:02d}" for i in range(count)], **columns}, geometry=shapes, crs="EPSG:4549")


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A GeoPackage with ten squares in the layer ``land``."""
    path = tmp_path / "land.gpkg"
    squares().to_file(path, layer="land", driver="GPKG")
    return path


@contextmanager
def edited(path: Path) -> Iterator[sqlite3.Connection]:
    """The database, to break it; triggers that need GDAL's functions are dropped."""
    with closing(sqlite3.connect(path)) as database:
        names = database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for (name,) in names:
            database.execute(f'DROP TRIGGER "{name}"')
        yield database
        database.commit()


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# GeoPackage


def test_stale_count_is_no_limit() -> None:
    raw, found = read(shared("gpkg/d_ogr_contents_count_wrong/d_ogr_contents_count_wrong.gpkg"))
    assert len(raw.frame) == 10
    assert raw.frame.area.sum() == pytest.approx(3894420, abs=5)  # as the manifest states it
    assert found == {"gpkg_stored_count": [""]}


@pytest.mark.parametrize("stored", [0, 3, 11])
def test_any_stored_count_reads_all_rows(package: Path, stored: int) -> None:
    with edited(package) as database:
        database.execute("UPDATE gpkg_ogr_contents SET feature_count = ?", (stored,))
    raw, found = read(package)
    assert raw.frame.area.sum() == pytest.approx(1000)
    assert list(found) == ["gpkg_stored_count"]


def test_same_as_gdal_reads_it(tmp_path: Path) -> None:
    frame = squares(
        4,
        whole=[1, -2, 3, 4],
        gaps=pd.array([1, None, 3, 2**40], dtype="Int64"),
        real=[0.5, None, -1e300, 3],
        flag=[True, False, True, False],
        text=["村", None, "", "a'b"],
        day=pd.to_datetime(["2024-01-31", None, "1954-10-01", "2024-02-29"]),
        time=pd.to_datetime(["2024-01-31 12:00:01.5", None, "1954-10-01", "2024-02-29"], format="ISO8601"),
    )
    frame.loc[1, "geometry"] = None
    frame.to_file(tmp_path / "a.gpkg", driver="GPKG")
    raw, found = read(tmp_path / "a.gpkg")
    theirs = pyogrio.read_dataframe(tmp_path / "a.gpkg")
    ours = raw.frame.drop(columns="feature_id")
    pd.testing.assert_frame_equal(pd.DataFrame(ours), pd.DataFrame(theirs), check_dtype=False)
    assert ours.crs == theirs.crs
    assert raw.frame["feature_id"].tolist() == ["1", "2", "3", "4"]
    assert found == {}


def test_nulls_of_every_type_are_missing() -> None:
    raw, found = read(shared("gpkg/pyogrio_test_gpkg_nulls/test_gpkg_nulls.gpkg"))
    gaps = raw.frame.drop(columns=["geometry", "feature_id"]).isna()
    assert len(gaps) == 4
    assert gaps.any().all()
    assert not (raw.frame.drop(columns="geometry")[gaps.any(axis=1)] == 0).any(axis=None)
    assert found == {}


def test_large_whole_numbers_stay_exact_beside_gaps(tmp_path: Path) -> None:
    numbers = [2**60 + 1, None, 310_118_000_001]
    squares(3, id=pd.array(numbers, dtype="Int64")).to_file(tmp_path / "a.gpkg", driver="GPKG")
    assert read(tmp_path / "a.gpkg")[0].frame["id"].tolist() == numbers


@pytest.mark.parametrize(
    "spoil", [lambda b: b[:-9], lambda b: b"XX" + b[2:], lambda b: b"", lambda b: b[:40] + b"\x07" + b[41:]]
)
def test_damaged_geometry_is_named(package: Path, spoil: object) -> None:
    with edited(package) as database:
        (blob,) = database.execute("SELECT geom FROM land WHERE fid = 4").fetchone()
        database.execute("UPDATE land SET geom = ? WHERE fid = 4", (spoil(blob),))  # type: ignore[operator]
    raw, found = read(package)
    assert found["wkb_damaged"] == ["4"]
    assert len(raw.frame) == 10
    assert raw.frame.geometry.isna().tolist() == [i == 3 for i in range(10)]
    assert raw.frame["code"].tolist() == [f"01{i:02d}" for i in range(10)]


def test_text_in_place_of_a_geometry_is_named(package: Path) -> None:
    with edited(package) as database:
        database.execute("UPDATE land SET geom = 'POINT (1 2)' WHERE fid = 1")
    assert read(package)[1]["wkb_damaged"] == ["1"]


def test_coordinates_that_contradict_their_own_box_are_named(package: Path) -> None:
    with edited(package) as database:
        (blob,) = database.execute("SELECT geom FROM land WHERE fid = 7").fetchone()
        moved = blob[:-80] + b"".join(struct.pack("<d", v + 5000) for v in struct.unpack("<10d", blob[-80:]))
        database.execute("UPDATE land SET geom = ? WHERE fid = 7", (moved,))
    assert read(package)[1] == {"wkb_other_box": ["7"]}


def test_nothing_readable_is_refused(package: Path) -> None:
    with edited(package) as database:
        database.execute("UPDATE land SET geom = substr(geom, 1, 50)")
    with pytest.raises(SourceError, match="none of its 10 geometries"):
        read(package)


def test_other_formats_of_the_same_name_are_refused(tmp_path: Path) -> None:
    text, lite = tmp_path / "text.gpkg", tmp_path / "lite.gpkg"
    text.write_text("hello", encoding="utf-8")
    with closing(sqlite3.connect(lite)) as database:
        database.execute("CREATE TABLE a (b)")
        database.commit()
    for path, why in ((text, "no GeoPackage"), (lite, "gpkg_contents")):
        with pytest.raises(SourceError, match=why):
            layer_names(path, path.name)
        with pytest.raises(SourceError, match=why):
            read(path)


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.9, 0.999])
def test_cut_file_is_refused(package: Path, share: float) -> None:
    whole = package.read_bytes()
    package.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(SourceError, match=r"land\.gpkg.*(cut off|damaged|GeoPackage)"):
        read(package)


def test_damaged_page_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.gpkg"
    squares(2000).to_file(path, driver="GPKG")
    with closing(sqlite3.connect(path)) as database:
        (page,) = database.execute("SELECT rootpage FROM sqlite_master WHERE name = 'a'").fetchone()
        (size,) = database.execute("PRAGMA page_size").fetchone()
    data = bytearray(path.read_bytes())
    data[(page - 1) * size : page * size] = b"\xff" * size
    path.write_bytes(data)
    with pytest.raises(SourceError, match="damaged"):
        read(path)


@ONCE
@given(place=st.floats(0, 1), junk=st.binary(min_size=1, max_size=300))
def test_no_other_error_whatever_is_broken(tmp_path: Path, place: float, junk: bytes) -> None:
    path = tmp_path / "a.gpkg"
    if not (tmp_path / "whole").exists():
        squares(3).to_file(path, driver="GPKG")
        path.rename(tmp_path / "whole")
    data = bytearray((tmp_path / "whole").read_bytes())
    at = int(place * (len(data) - 1))
    data[at : at + len(junk)] = junk[: len(data) - at]
    path.write_bytes(data)
    try:
        raw, found = read(path)
    except SourceError:
        return
    lost = int(raw.frame.geometry.isna().sum())
    assert lost == len(found.get("wkb_damaged", []))
    assert len(raw.frame) + len(found.get("gpkg_stored_count", [])) >= 3


@pytest.mark.parametrize("srs", [0, -1, 99999, 424242])
def test_a_system_that_is_not_known_is_none(package: Path, srs: int) -> None:
    with edited(package) as database:
        database.execute(
            "INSERT OR IGNORE INTO gpkg_spatial_ref_sys (srs_name, srs_id, organization, organization_coordsys_id, "
            "definition) VALUES ('Undefined SRS', 99999, 'NONE', 99999, 'undefined')"
        )
        database.execute("PRAGMA foreign_keys = OFF")
        database.execute("UPDATE gpkg_geometry_columns SET srs_id = ?", (srs,))
    assert read(package)[0].frame.crs is None


@pytest.mark.parametrize(
    "name", ["ms_null_crs_gdal/null_crs_gdal", "ms_missing_crs_mixed_ranges/missing_crs_mixed_ranges"]
)
def test_real_layers_without_a_system(name: str) -> None:
    path = shared(f"gpkg/{name}.gpkg")
    assert {read(path, layer)[0].frame.crs for layer in layer_names(path, path.name)} == {None}


def test_features_of_another_system_than_their_layer_are_said(package: Path) -> None:
    with edited(package) as database:
        database.execute(
            "UPDATE land SET geom = CAST(substr(geom, 1, 4) || x'E6100000' || substr(geom, 9) AS BLOB) "
            "WHERE fid IN (2, 3)"
        )
    findings = Findings("en")
    read_features(Request(package, "land.gpkg", findings=findings))
    (finding,) = findings
    assert finding.rule == "gpkg_other_system"
    assert finding.value == "4326"
    assert "2; 3" in finding.message
    assert "4549" in finding.message


def test_one_of_several_layers_must_be_named() -> None:
    path = shared("gpkg/ms_same_crs_points/same_crs_points.gpkg")
    assert layer_names(path, path.name) == ("oregon_cities", "washington_cities")
    with pytest.raises(SourceError, match="2 layers"):
        read(path)
    assert [len(read(path, layer)[0].frame) for layer in layer_names(path, path.name)] == [5, 6]


def test_table_without_geometry_is_not_spatial(package: Path) -> None:
    pyogrio.write_dataframe(pd.DataFrame({"XZQDM": ["310118", "310118109"]}), package, layer="towns", append=True)
    assert layer_names(package, package.name) == ("land", "towns")
    raw, found = read(package, "towns")
    assert not raw.spatial
    assert raw.frame.geometry.isna().all()
    assert found == {}
    assert raw.frame["XZQDM"].tolist() == ["310118", "310118109"]


def test_listed_layer_without_table_is_refused(package: Path) -> None:
    with edited(package) as database:
        database.execute("ALTER TABLE land RENAME TO gone")
        database.execute("UPDATE gpkg_contents SET table_name = 'land'")
    with pytest.raises(SourceError, match="no such table"):
        read(package)


def test_values_of_another_type_are_left_and_named(package: Path) -> None:
    with edited(package) as database:
        database.execute("ALTER TABLE land ADD COLUMN area REAL")
        database.execute("UPDATE land SET area = 100")
        database.execute("UPDATE land SET area = '1,234' WHERE fid = 5")
        database.execute("ALTER TABLE land ADD COLUMN since DATE")
        database.execute("UPDATE land SET since = 'last year' WHERE fid = 1")
    raw, found = read(package)
    assert len(found["gpkg_other_type"]) == 2
    assert raw.frame["area"][4] == "1,234"
    assert raw.frame["area"][0] == 100
    assert raw.frame["since"][0] == "last year"


def test_text_that_is_not_utf8_is_refused_by_name(package: Path) -> None:
    with edited(package) as database:
        database.execute("UPDATE land SET code = CAST(x'C9CF' AS TEXT) WHERE fid = 6")
    with pytest.raises(SourceError, match=r"feature 6: field 'code' isn't UTF-8"):
        read(package)


def dictionary(package: Path) -> None:
    """Give the field ``code`` a title and a code list, ``storeys`` a range."""
    with edited(package) as database:
        database.executescript(
            """
            ALTER TABLE land ADD COLUMN storeys INTEGER;
            UPDATE land SET storeys = fid;
            CREATE TABLE gpkg_data_columns (table_name TEXT, column_name TEXT, name TEXT, title TEXT, description TEXT,
                mime_type TEXT, constraint_name TEXT);
            CREATE TABLE gpkg_data_column_constraints (constraint_name TEXT, constraint_type TEXT, value TEXT,
                min NUMERIC, min_is_inclusive BOOLEAN, max NUMERIC, max_is_inclusive BOOLEAN, description TEXT);
            INSERT INTO gpkg_data_columns VALUES ('land', 'code', NULL, '地类编码', NULL, NULL, 'dlbm'),
                ('land', 'storeys', '层数', NULL, NULL, NULL, 'cs');
            INSERT INTO gpkg_data_column_constraints VALUES
                ('dlbm', 'enum', '0100', NULL, NULL, NULL, NULL, '水田'),
                ('dlbm', 'enum', '0101', NULL, NULL, NULL, NULL, NULL),
                ('cs', 'range', NULL, 1, 1, 8, 1, NULL);
            """
        )


def test_aliases_code_lists_and_ranges(package: Path) -> None:
    dictionary(package)
    findings = Findings("en")
    raw = read_features(Request(package, "land.gpkg", findings=findings))
    assert raw.aliases == {"code": "地类编码", "storeys": "层数"}
    assert raw.domains == {"code": {"0100": "水田", "0101": "0101"}}
    assert raw.frame["code"].tolist()[:2] == ["0100", "0101"]
    assert [(f.rule, f.value) for f in findings] == [("outside_range", "9")]
    assert "9; 10" in next(iter(findings)).message


def test_edits_that_are_not_merged_yet_are_read(package: Path) -> None:
    with edited(package) as database:
        database.execute("PRAGMA journal_mode = WAL")
    with closing(sqlite3.connect(package)) as editor:
        editor.execute("PRAGMA wal_autocheckpoint = 0")
        editor.execute("UPDATE land SET code = 'new' WHERE fid = 1")
        editor.commit()
        before = contents(package.parent)
        assert before["land.gpkg-wal"]
        raw, found = read(package)
        assert contents(package.parent) == before
    assert raw.frame["code"][0] == "new"
    assert found == {"gpkg_pending_edits": [""]}


def test_half_done_edits_are_rolled_back_in_a_copy(package: Path) -> None:
    """What a program that died in the middle of writing leaves: a changed file and the journal to undo it."""
    old = package.read_bytes()
    with closing(sqlite3.connect(package, isolation_level=None)) as editor:
        for (name,) in editor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            editor.execute(f'DROP TRIGGER "{name}"')
        editor.execute("PRAGMA cache_size = 1")
        editor.execute("PRAGMA cache_spill = ON")
        editor.execute("BEGIN")
        editor.execute("UPDATE land SET code = hex(randomblob(20000))")
        crash = package.parent / "crash"
        crash.mkdir()
        for path in package.parent.glob("land.gpkg*"):
            (crash / path.name).write_bytes(path.read_bytes())
        editor.execute("ROLLBACK")
    assert (crash / "land.gpkg").read_bytes() != old
    assert (crash / "land.gpkg-journal").stat().st_size
    before = contents(crash)
    raw, found = read(crash / "land.gpkg")
    assert raw.frame["code"].tolist() == [f"01{i:02d}" for i in range(10)]
    assert list(found) == ["gpkg_pending_edits"]
    assert contents(crash) == before


@pytest.mark.parametrize("name", ["land.gpkg", "地块 #1?%25!.gpkg", "a'b&c\n.gpkg", "-wal.gpkg"])
def test_nothing_is_written_beside_the_file(package: Path, name: str) -> None:
    folder = package.parent / "图"
    folder.mkdir()
    path = package.rename(folder / name)
    before = contents(folder)
    folder.chmod(0o555)
    try:
        assert len(read(path)[0].frame) == 10
    finally:
        folder.chmod(0o755)
    assert contents(folder) == before


@pytest.mark.parametrize("call", ["load_extension('/tmp/evil')", "readfile('/etc/passwd')", "writefile('x', 'y')"])
def test_views_reach_nothing_outside(package: Path, call: str) -> None:
    with edited(package) as database:
        database.execute(f"CREATE VIEW evil AS SELECT fid, geom, {call} AS a FROM land")
        database.execute("UPDATE gpkg_contents SET table_name = 'evil'")
        database.execute("UPDATE gpkg_geometry_columns SET table_name = 'evil'")
    with pytest.raises(SourceError, match=r"land\.gpkg"):
        read(package)


def test_endless_view_ends(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(geopackage, "READ_AT_MOST_S", 0.1)
    with edited(package) as database:
        database.execute(
            "CREATE VIEW evil AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
            "SELECT max(i) AS fid, NULL AS geom FROM n"
        )
        database.execute("UPDATE gpkg_contents SET table_name = 'evil'")
        database.execute("UPDATE gpkg_geometry_columns SET table_name = 'evil'")
    with pytest.raises(SourceError, match="takes more than"):
        read(package)


def test_heights_and_missing_numbers_pass_on() -> None:
    mixed = read(shared("polygon_invalid/mixed_z/x.gpkg"))[0].frame
    assert mixed.area.tolist() == [1_000_000, 1_000_000]
    broken = read(shared("polygon_invalid/nan_vertex/x.gpkg"))[0].frame
    assert len(broken) == 1
    assert np.isnan(shapely.get_coordinates(broken.geometry)).any()


def test_curved_polygon_is_said() -> None:
    raw, found = read(shared("gpkg/pyogrio_curvepolygon/curvepolygon.gpkg"))
    assert list(found) == ["curves_straightened"]
    assert raw.frame.geom_type.tolist() == ["Polygon"]


# geometries as bytes


def line(kind: int, points: Sequence[tuple[float, ...]], *, head: str = "<BI") -> bytes:
    body = b"".join(struct.pack(f"<{len(point)}d", *point) for point in points)
    return struct.pack(head, 1, kind) + struct.pack("<I", len(points)) + body


def gathered(kind: int, *parts: bytes) -> bytes:
    return struct.pack("<BII", 1, kind, len(parts)) + b"".join(parts)


def decoded(*blobs: bytes | None, degrees: bool | None = False) -> tuple[list, dict[str, list[str]], Findings]:
    request = Request(Path("x"), "x", findings=Findings("en"))
    ids = [str(i) for i in range(len(blobs))]
    shapes = geometries(request, blobs, ids, degrees=degrees)
    return list(shapes), named(request.findings), request.findings


@pytest.mark.parametrize("radius", [0.5, 10, 1000, 1e6])
def test_a_disc_keeps_its_area(radius: float) -> None:
    disc = gathered(10, line(8, [(radius, 0), (-radius, 0), (radius, 0)]))
    shapes, found, findings = decoded(disc)
    (shape,) = shapes
    reach = np.hypot(*shapely.get_coordinates(shape).T)
    assert np.allclose(reach, radius, rtol=1e-12)
    middle = shapely.get_coordinates(shape)
    middle = np.hypot(*((middle[1:] + middle[:-1]) / 2).T)
    assert 0 <= radius - middle.min() <= 1.0001e-3  # an edge is furthest from the arc in its middle
    missing = math.pi * radius**2 - shape.area
    (finding,) = findings
    share = float(finding.message.split("areas differ by ")[1].split(" ppm")[0]) / 1e6
    assert list(found) == ["curves_straightened"]
    assert missing / shape.area == pytest.approx(share, rel=1e-2)
    stated = float(finding.value.removesuffix(" mm")) / 1000
    assert stated == pytest.approx(radius - middle.min(), rel=1e-2)


def test_compound_curves_multi_surfaces_and_heights() -> None:
    """Half a disc of 100 m over a diameter, and with a height; a square with a round hole of 10 m."""
    half = gathered(10, gathered(9, line(8, [(1000, 0), (1100, 100), (1200, 0)]), line(2, [(1200, 0), (1000, 0)])))
    high = struct.pack("<BIIBII", 1, 1010, 1, 1, 1009, 2)
    high += line(1008, [(1000, 0, 5), (1100, 100, 5), (1200, 0, 5)]) + line(1002, [(1200, 0, 5), (1000, 0, 5)])
    ring = line(2, [(0, 0), (100, 0), (100, 100), (0, 100), (0, 0)])
    pierced = gathered(10, ring, line(8, [(40, 50), (60, 50), (40, 50)]))
    shapes, found, _ = decoded(half, high, gathered(12, half, pierced), gathered(11, line(8, [(0, 0), (1, 1), (2, 0)])))
    area = math.pi * 100**2 / 2
    assert [shape.geom_type for shape in shapes] == ["Polygon", "Polygon", "MultiPolygon", "MultiLineString"]
    assert shapes[0].area == pytest.approx(area, rel=2e-5)
    assert shapes[1].area == pytest.approx(area, rel=2e-5)
    assert shapes[1].has_z
    assert shapes[2].area == pytest.approx(area + 10_000 - math.pi * 100, rel=2e-5)
    assert shapes[3].length == pytest.approx(math.pi, rel=1e-3)
    assert list(found) == ["curves_straightened"]


coordinates = st.floats(-1e6, 1e6, allow_nan=False).map(lambda v: round(v, 3))
vertices = st.tuples(coordinates, coordinates)


@given(st.lists(vertices, min_size=3, max_size=3, unique=True))
def test_an_arc_backwards_has_the_same_points(points: list[tuple[float, float]]) -> None:
    there = straight(np.array(points), Straightening(degrees=False))
    back = straight(np.array(points[::-1]), Straightening(degrees=False))
    assert np.array_equal(there, back[::-1])
    assert tuple(there[0]) == points[0]
    assert tuple(there[-1]) == points[-1]


def test_three_points_on_a_line_stay_a_line() -> None:
    points = np.array([(0.0, 0.0), (1.0, 1.0), (3.0, 3.0)])
    assert np.array_equal(straight(points, Straightening(degrees=False)), points)


@pytest.mark.parametrize("flavor", ["iso", "extended"])
@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize(
    "text",
    [
        "POINT (1 2)",
        "POINT Z (1 2 3)",
        "POINT EMPTY",
        "LINESTRING (0 0, 1 1, 2 0)",
        "POLYGON ((0 0, 4 0, 4 4, 0 4, 0 0), (1 1, 2 1, 2 2, 1 1))",
        "POLYGON EMPTY",
        "MULTIPOINT (0 0, 1 1)",
        "MULTILINESTRING ((0 0, 1 1), (2 2, 3 3))",
        "MULTIPOLYGON Z (((0 0 1, 4 0 1, 4 4 1, 0 0 1)), ((9 9 2, 10 9 2, 10 10 2, 9 9 2)))",
    ],
)
def test_our_reading_of_collections_is_that_of_geos(text: str, order: int, flavor: str) -> None:
    collection = shapely.GeometryCollection([shapely.from_wkt(text), Point(7, 7)])
    shapes, found, _ = decoded(shapely.to_wkb(collection, byte_order=order, flavor=flavor))
    assert shapely.equals_identical(shapes[0], collection)
    assert found == {}


def test_open_and_collapsed_rings() -> None:
    corners = [(0.0, 0.0), (1000.0, 0.0), (1000.0, 1000.0), (0.0, 1000.0)]
    ring = line(2, corners)[5:]
    spot = line(2, [(5, 5), (5, 5)])[5:]
    opened = struct.pack("<BII", 1, 3, 1) + ring
    holed = struct.pack("<BII", 1, 3, 2) + line(2, [*corners, corners[0]])[5:] + spot
    gone = gathered(6, struct.pack("<BII", 1, 3, 1) + spot, shapely.to_wkb(box(0, 0, 1, 1)))
    shapes, found, _ = decoded(opened, holed, gone)
    assert [shape.area for shape in shapes] == [1e6, 1e6, 1]
    assert found == {"wkb_ring_closed": ["0"], "wkb_ring_collapsed": ["1", "2"]}


def test_lines_of_one_point_have_no_length() -> None:
    spot, stretch = line(2, [(5.0, 5.0)]), line(2, [(0.0, 0.0), (3.0, 4.0)])
    shapes, found, _ = decoded(spot, stretch, gathered(5, spot, stretch), gathered(5, spot))
    assert [shape.length for shape in shapes] == [0, 5, 5, 0]
    assert [shape.is_empty for shape in shapes] == [True, False, False, True]
    assert found == {"wkb_line_collapsed": ["0", "2", "3"]}


def test_surfaces_in_space_are_their_footprints() -> None:
    """Two triangles of a roof over half a square metre each."""
    left = struct.pack("<BII", 1, 1017, 1) + line(2, [(0, 0, 0), (1, 0, 0), (0, 1, 5), (0, 0, 0)])[5:]
    right = struct.pack("<BII", 1, 1017, 1) + line(2, [(1, 0, 0), (1, 1, 5), (0, 1, 5), (1, 0, 0)])[5:]
    shapes, found, _ = decoded(gathered(1016, left, right))
    assert isinstance(shapes[0], MultiPolygon)
    assert shapes[0].area == 1
    assert found == {"wkb_surface": [""]}


@pytest.mark.parametrize("kind", [6, 7, 1007])
def test_deep_nesting_is_named_and_ends_nothing(kind: int) -> None:
    deep = struct.pack("<BII", 1, kind, 1) * 100_000 + shapely.to_wkb(Point(1, 1))
    shapes, found, _ = decoded(deep, shapely.to_wkb(Point(0, 0)))
    assert shapes[0] is None
    assert found == {"wkb_damaged": ["0"]}


def test_counts_beyond_the_bytes_are_damage() -> None:
    for kind in (2, 3, 4, 7, 8, 10, 12):
        shapes, found, _ = decoded(struct.pack("<BII", 1, kind, 2**32 - 1), None)
        assert shapes == [None, None]
        assert found == {"wkb_damaged": ["0"]}


@settings(max_examples=400, deadline=None)
@given(
    st.lists(st.none() | st.binary(max_size=120) | st.binary(max_size=60).map(lambda b: b"\x01\x0a\0\0\0\1\0\0\0" + b))
)
def test_whatever_is_no_geometry_is_named(blobs: list[bytes | None]) -> None:
    try:
        shapes, found, _ = decoded(*blobs)
    except SourceError:
        assert len(blobs) > 1  # not one of several can be read: that is said of the whole file
        return
    lost = [
        str(i) for i, (blob, shape) in enumerate(zip(blobs, shapes, strict=True)) if blob is not None and shape is None
    ]
    assert sorted(found.get("wkb_damaged", [])) == sorted(lost)


# FlatGeobuf


@pytest.mark.parametrize("index", ["YES", "NO"])
def test_flatgeobuf_cut_anywhere_is_refused(tmp_path: Path, index: str) -> None:
    path, cut = tmp_path / "a.fgb", tmp_path / "cut.fgb"
    pyogrio.write_dataframe(squares(), path, driver="FlatGeobuf", SPATIAL_INDEX=index)
    raw, found = read(path)
    assert sorted(raw.frame["code"]) == [f"01{i:02d}" for i in range(10)]
    assert found == {}
    assert raw.frame.crs.to_epsg() == 4549
    assert raw.frame.area.sum() == pytest.approx(1000)
    whole = path.read_bytes()
    for size in range(1, len(whole), 11):
        cut.write_bytes(whole[:size])
        with pytest.raises(SourceError, match=r"cut\.fgb"):
            read(cut)


def test_flatgeobuf_that_states_another_count_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.fgb"
    pyogrio.write_dataframe(squares(3), path, driver="FlatGeobuf", SPATIAL_INDEX="NO")
    last = path.read_bytes()
    path.write_bytes(last + struct.pack("<I", 0))
    with pytest.raises(SourceError, match="says 3 features, but there are 4"):
        read(path)


def test_flatgeobuf_coordinates_that_contradict_the_index_are_named(tmp_path: Path) -> None:
    """The last double of the file is the last ordinate of the last feature: 3,450,010 or 3,450,000 becomes 0."""
    path = tmp_path / "a.fgb"
    pyogrio.write_dataframe(squares()[["geometry"]], path, driver="FlatGeobuf")
    data = path.read_bytes()
    at = max(data.rfind(struct.pack("<d", y)) for y in (3_450_000, 3_450_010))
    path.write_bytes(data[:at] + bytes(8) + data[at + 8 :])
    raw, found = read(path)
    assert found["wkb_other_box"] == ["9"]
    assert len(raw.frame) == 10


@pytest.mark.parametrize("count", [1, 2, 16, 17, 257])
def test_flatgeobuf_of_so_many_features_is_read(tmp_path: Path, count: int) -> None:
    """An index has a root above its boxes, even above one."""
    path = tmp_path / "a.fgb"
    pyogrio.write_dataframe(squares(count), path, driver="FlatGeobuf")
    raw, found = read(path)
    assert len(raw.frame) == count
    assert raw.frame.area.sum() == pytest.approx(100 * count)
    assert found == {}


def test_flatgeobuf_features_without_geometry_are_no_damage(tmp_path: Path) -> None:
    path, frame = tmp_path / "a.fgb", squares(5)
    frame.loc[[0, 2], "geometry"] = None
    frame.loc[3, "geometry"] = Polygon()
    pyogrio.write_dataframe(frame, path, driver="FlatGeobuf", SPATIAL_INDEX="NO")
    raw, found = read(path)
    assert raw.frame.area.fillna(0).tolist() == [0, 100, 0, 0, 100]
    assert raw.frame["code"].tolist() == ["0100", "0101", "0102", "0103", "0104"]
    assert found == {}


def test_flatgeobuf_of_nothing_and_without_system(tmp_path: Path) -> None:
    pyogrio.write_dataframe(squares(0), tmp_path / "none.fgb", driver="FlatGeobuf", geometry_type="Polygon")
    assert len(read(tmp_path / "none.fgb")[0].frame) == 0
    with pytest.warns(UserWarning, match="crs"):
        pyogrio.write_dataframe(squares(2).set_crs(None, allow_override=True), tmp_path / "b.fgb", driver="FlatGeobuf")
    assert read(tmp_path / "b.fgb")[0].frame.crs is None
    (tmp_path / "c.fgb").write_text("{}", encoding="utf-8")
    with pytest.raises(SourceError, match="no FlatGeobuf"):
        read(tmp_path / "c.fgb")


# GeoParquet


def rewritten(path: Path, change: object) -> None:
    """The same table with other ``geo`` metadata."""
    table = pq.read_table(path)
    head = json.loads(table.schema.metadata[b"geo"])
    change(head)  # type: ignore[operator]
    pq.write_table(table.replace_schema_metadata({b"geo": json.dumps(head).encode()}), path)


@pytest.fixture
def parquet(tmp_path: Path) -> Path:
    path = tmp_path / "land.parquet"
    squares(3, id=pd.array([2**60 + 1, None, 5], dtype="Int64"), kind=pd.Categorical(["b", "a", "b"])).to_parquet(path)
    return path


def test_parquet_values(parquet: Path) -> None:
    raw, found = read(parquet)
    assert raw.frame["id"].tolist() == [2**60 + 1, None, 5]
    assert raw.frame["kind"].tolist() == ["b", "a", "b"]
    assert raw.frame["code"].tolist() == ["0100", "0101", "0102"]
    assert raw.frame["feature_id"].tolist() == ["0", "1", "2"]
    assert raw.frame.area.sum() == pytest.approx(300)
    assert raw.frame.crs.to_epsg() == 4549
    assert found == {}


def test_parquet_system_absent_and_unknown_differ(parquet: Path) -> None:
    rewritten(parquet, lambda head: head["columns"]["geometry"].pop("crs"))
    assert read(parquet)[0].frame.crs.to_authority() == ("OGC", "CRS84")
    rewritten(parquet, lambda head: head["columns"]["geometry"].update(crs=None))
    assert read(parquet)[0].frame.crs is None
    rewritten(parquet, lambda head: head["columns"]["geometry"].update(crs={"type": "nonsense"}))
    with pytest.raises(SourceError, match="PROJ doesn't know"):
        read(parquet)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda head: head.pop("primary_column"), "primary geometry column None"),
        (lambda head: head.update(primary_column="geom"), "'geom' isn't described"),
        (lambda head: head.update(primary_column="o", columns={"o": {"encoding": "WKB"}}), "no column 'o'"),
        (lambda head: head.update(columns=[1]), "describes no columns"),
        (lambda head: head["columns"]["geometry"].update(encoding="polygon"), "can't be read"),
    ],
)
def test_parquet_metadata_that_is_wrong(parquet: Path, change: object, why: str) -> None:
    rewritten(parquet, change)
    with pytest.raises(SourceError, match=why):
        read(parquet)


def test_parquet_of_points_and_of_several_geometries(tmp_path: Path) -> None:
    frame = squares(2)
    frame.to_parquet(tmp_path / "native.parquet", geometry_encoding="geoarrow")
    assert read(tmp_path / "native.parquet")[0].frame.area.sum() == pytest.approx(200)
    frame.assign(centre=frame.centroid).to_parquet(tmp_path / "two.parquet", write_covering_bbox=True)
    raw, found = read(tmp_path / "two.parquet")
    assert list(found) == ["parquet_more_geometries"]
    assert raw.frame.area.sum() == pytest.approx(200)
    assert set(raw.frame) == {"code", "geometry", "feature_id"}


def test_parquet_without_geometry_metadata_says_what_to_do(tmp_path: Path) -> None:
    pd.DataFrame({"经度": [121.1], "lat": [31.1]}).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(SourceError, match=r"no GeoParquet metadata.*经度, lat.*x_field"):
        read(tmp_path / "a.parquet")
    pd.DataFrame({"n": [1]}).to_parquet(tmp_path / "b.parquet")
    with pytest.raises(SourceError, match="export it as GeoParquet"):
        read(tmp_path / "b.parquet")


def test_parquet_cut_or_broken_is_refused(parquet: Path) -> None:
    whole = parquet.read_bytes()
    for broken in (whole[:-3], whole[: len(whole) // 2], b"PAR1", b"{}", whole[:60] + b"\xff" * 40 + whole[100:]):
        parquet.write_bytes(broken)
        with pytest.raises(SourceError, match=r"land\.parquet"):
            read(parquet)


def test_parquet_damaged_geometry_is_named(parquet: Path) -> None:
    table = pq.read_table(parquet)
    blobs = table.column("geometry").to_pylist()
    broken = table.set_column(table.column_names.index("geometry"), "geometry", [[blobs[0], blobs[1][:20], None]])
    pq.write_table(broken, parquet)
    raw, found = read(parquet)
    assert found == {"wkb_damaged": ["1"]}
    assert raw.frame.geometry.isna().tolist() == [False, True, True]


def test_an_attribute_called_geometry_is_no_victim(package: Path) -> None:
    with edited(package) as database:
        database.execute("ALTER TABLE land ADD COLUMN geometry TEXT")
        database.execute("UPDATE land SET geometry = 'round'")
    raw, _ = read(package)
    assert raw.frame["geometry"].tolist() == ["round"] * 10
    assert raw.frame.geometry.area.sum() == pytest.approx(1000)
    assert isinstance(raw.frame.geometry.iloc[0], Polygon)


def test_severities(package: Path) -> None:
    with edited(package) as database:
        database.execute("UPDATE land SET geom = substr(geom, 1, 50) WHERE fid = 1")
        database.execute("UPDATE gpkg_ogr_contents SET feature_count = 3")
    findings = Findings()
    read_features(Request(package, "land.gpkg", findings=findings))
    assert [(f.severity, f.rule, f.file) for f in findings] == [
        (Severity.ERROR, "wkb_damaged", "land.gpkg"),
        (Severity.INFO, "gpkg_stored_count", "land.gpkg"),
    ]
