"""Zip archives: what is in them is read, and nothing that a hostile one asks for is done."""

from __future__ import annotations

import io
import stat
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import geopandas as gpd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shapely import box

from qpgis.errors import SourceError
from qpgis.findings import Findings
from qpgis.sources import Request
from qpgis.sources.archives import unpacked
from qpgis.sources.reading import layer_names, read_features
from tests.conftest import SHARED_DATA, frame, square
from tests.sources.test_shapefile import names, rings, shp
from tests.sources.test_shapefile import square as ring

BAD = SHARED_DATA / "bad_inputs"
GEOJSON = b'{"type":"FeatureCollection","features":[{"type":"Feature","properties":{},"geometry":null}]}'


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of temporary files, empty again after each test: archives leave nothing behind."""
    home = tmp_path / "temporary"
    home.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(home))
    yield home
    assert not list(home.iterdir())


def archive(path: Path, *members: tuple[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as out:
        for name, data in members:
            out.writestr(name, data)
    return path


def raw_zip(*members: tuple[bytes, bytes], flags: int = 0, offset: int | None = None) -> bytes:
    """Stored members with names as bytes; every entry of the directory may be made to lie."""
    out, directory = b"", b""
    for name, data in members:
        at = len(out) if offset is None else offset
        sizes = struct.pack("<III", zlib.crc32(data), len(data), len(data))
        common = struct.pack("<HHHHH", 20, flags, 0, 0, 33) + sizes
        directory += b"PK\x01\x02" + struct.pack("<H", 20) + common
        directory += struct.pack("<HHHHHII", len(name), 0, 0, 0, 0, 0, at) + name
        out += b"PK\x03\x04" + common + struct.pack("<HH", len(name), 0) + name + data
    end = struct.pack("<HHHHIIH", 0, 0, len(members), len(members), len(directory), len(out), 0)
    return out + directory + b"PK\x05\x06" + end


def held(path: Path, **limits: int) -> dict[str, bytes]:
    """What an archive holds, by place."""
    with unpacked(path, "x.zip", **limits) as folder:
        files = [one for one in folder.rglob("*") if one.is_file()]
        return {one.relative_to(folder).as_posix(): one.read_bytes() for one in files}


def refused(path: Path, words: str, **limits: int) -> None:
    with pytest.raises(SourceError, match=f"^x.zip: .*{words}"):
        held(path, **limits)


def shapefile(stem: str) -> list[tuple[str, bytes]]:
    main, index = shp(rings(ring(0, 0)))
    return [(f"{stem}.shp", main), (f"{stem}.shx", index), (f"{stem}.dbf", names("区".encode()))]


# --- names ---


@pytest.mark.parametrize("codec", ["gbk", "utf-8"])
def test_unmarked_names_are_chinese_where_they_are(tmp_path: Path, codec: str) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(raw_zip(*[(f"区县/{name}".encode(codec), data) for name, data in shapefile("现状用地")]))
    assert layer_names(path, "a.zip") == ("现状用地",)
    raw = read_features(Request(path, "a.zip"))
    assert raw.file == "a.zip/区县/现状用地.shp"
    assert raw.frame["NAME"][0] == "区"


def test_unmarked_names_of_the_west(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(raw_zip(("Zürich é.geojson".encode("cp437"), GEOJSON)))
    assert set(held(path)) == {"Zürich é.geojson"}


def test_names_decoded_wrongly_and_then_marked(tmp_path: Path) -> None:
    garbled = "区县".encode("gbk").decode("cp437")
    path = archive(tmp_path / "a.zip", (f"{garbled}.geojson", GEOJSON))
    assert set(held(path)) == {"区县.geojson"}


def test_marked_names_are_kept(tmp_path: Path) -> None:
    members = [("青浦é.geojson", GEOJSON), ("café.geojson", GEOJSON), ("кафе.geojson", GEOJSON)]
    assert set(held(archive(tmp_path / "a.zip", *members))) == {name for name, _ in members}


def test_decomposed_names_are_composed(tmp_path: Path) -> None:
    assert set(held(archive(tmp_path / "a.zip", ("cafe\u0301.geojson", GEOJSON)))) == {"café.geojson"}


def test_what_systems_leave_in_folders_is_ignored(tmp_path: Path) -> None:
    noise = ["__MACOSX/._a.geojson", ".DS_Store", "x/Thumbs.db", "x/._a.geojson", "x/~$表.xlsx"]
    path = archive(tmp_path / "a.zip", ("x/a.geojson", GEOJSON), *[(name, b"\0") for name in noise])
    assert set(held(path)) == {"x/a.geojson"}


# --- hostile ---


@pytest.mark.parametrize(
    "name",
    [
        "/etc/x.geojson",
        "../x.geojson",
        "a/../../x.geojson",
        "..\\b.geojson",
        "\\b.geojson",
        "C:/x.geojson",
        "c:x.geojson",
        "a\nb.geojson",
    ],
)
def test_places_outside_are_refused(tmp_path: Path, name: str) -> None:
    path = archive(tmp_path / "a.zip", ("good.geojson", GEOJSON), (name, GEOJSON))
    refused(path, "no plain path within it")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.zip", "temporary"]


def test_zero_in_a_name_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(raw_zip((b"a.geojson\0.txt", GEOJSON)))
    refused(path, "no plain path within it")


@pytest.mark.parametrize(
    ("kind", "words"),
    [(stat.S_IFLNK, "a link"), (stat.S_IFCHR, "no regular file"), (stat.S_IFIFO, "no regular file")],
)
def test_links_and_devices_are_refused(tmp_path: Path, kind: int, words: str) -> None:
    member = zipfile.ZipInfo("a.geojson")
    member.create_system = 3
    member.external_attr = (kind | 0o777) << 16
    refused(archive(tmp_path / "a.zip", (member, b"/etc/passwd")), f"'a.geojson' in the archive is {words}")


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    ("one", "other", "words"),
    [
        ("a.geojson", "a.geojson", "one name twice"),
        ("a.geojson", "A.GeoJSON", "one name twice"),
        ("caf\u00e9.shp", "cafe\u0301.shp", "one name twice"),
        ("a.geojson", "./a.geojson", "one name twice"),
        ("a", "a/b.geojson", "a file and a folder"),
        ("a/b.geojson", "A", "a file and a folder"),
    ],
)
def test_one_place_for_two_is_refused(tmp_path: Path, one: str, other: str, words: str) -> None:
    refused(archive(tmp_path / "a.zip", (one, GEOJSON), (other, b"x")), words)


def test_encrypted_members_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(raw_zip((b"a.geojson", GEOJSON), flags=1))
    refused(path, "'a.geojson' in the archive is encrypted; pack it without a password")


def zeros(size: int) -> bytes:
    """Deflated zeros, without ever holding them."""
    packer, out = zlib.compressobj(9, zlib.DEFLATED, -15), []
    block = bytes(1 << 20)
    for _ in range(size >> 20):
        out.append(packer.compress(block))
    return b"".join(out) + packer.flush()


def bomb(path: Path, size: int, claim: int) -> Path:
    """An archive of zeros that says that there are fewer or more."""
    data, name = zeros(size), b"a.geojson"
    common = struct.pack("<HHHHHIII", 20, 0, 8, 0, 33, 0, len(data), claim)
    local = b"PK\x03\x04" + common + struct.pack("<HH", len(name), 0) + name + data
    entry = b"PK\x01\x02" + struct.pack("<H", 20) + common + struct.pack("<HHHHHII", len(name), 0, 0, 0, 0, 0, 0) + name
    path.write_bytes(local + entry + b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 1, 1, len(entry), len(local), 0))
    return path


def test_bombs_are_refused(tmp_path: Path) -> None:
    size = 512 << 20
    path = bomb(tmp_path / "a.zip", size, size)
    assert path.stat().st_size < 1 << 20
    refused(path, "200 times its own size")
    refused(bomb(path, 1 << 20, (4 << 30) - 2), "200 times")
    refused(path, r"more than 1 GiB", most_bytes=1 << 30)
    refused(bomb(path, 64 << 20, 10), "'a.geojson' in the archive can't be unpacked")
    refused(bomb(path, 1 << 20, 2 << 20), "'a.geojson' in the archive (has|can't)")


def test_much_that_is_well_packed_is_no_bomb(tmp_path: Path) -> None:
    size = 8 << 20
    assert set(held(archive(tmp_path / "a.zip", ("a.geojson", b"0" * size)))) == {"a.geojson"}
    refused(archive(tmp_path / "a.zip", ("a.geojson", b"0" * size)), "times its own size", ratio_from_bytes=1 << 20)


def test_too_many_members_are_refused(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.zip", *[(f"{n}.geojson", b"{}") for n in range(30)])
    assert len(held(path, most_members=30)) == 30
    refused(path, "30 members, more than 29", most_members=29)


def test_directories_that_fill_the_memory_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    data = raw_zip((b"a.geojson", GEOJSON))
    path.write_bytes(data[:-10] + struct.pack("<I", 1 << 30) + data[-6:])
    refused(path, "directory alone has 1073741824 bytes")


def test_members_that_share_bytes_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(raw_zip((b"a.geojson", GEOJSON), (b"a.geojson", GEOJSON), offset=0).replace(b"a.geo", b"b.geo", 1))
    refused(path, "overlap|overlapped|differ")
    data = raw_zip((b"a.json", raw_zip((b"b.json", GEOJSON))), (b"b.json", GEOJSON))
    inner = data.index(b"PK\x03\x04", 4)
    entry = data.rindex(b"PK\x01\x02")
    path.write_bytes(data[: entry + 42] + struct.pack("<I", inner) + data[entry + 46 :])
    refused(path, "'a.json' and 'b.json' overlap")


def test_archives_within_archives_are_not_opened(tmp_path: Path) -> None:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as out:
        out.writestr("a.geojson", GEOJSON)
    path = archive(tmp_path / "a.zip", ("deep/42.zip", inner.getvalue()))
    with pytest.raises(SourceError, match=r"a\.zip: the archive holds 'deep/42\.zip'.*unpack that first"):
        layer_names(path, "a.zip")
    path = archive(tmp_path / "a.zip", ("deep/42.zip", inner.getvalue()), ("b.geojson", GEOJSON))
    findings = Findings("en")
    read_features(Request(path, "a.zip", findings=findings))
    assert ("archive_member_unread", "deep/42.zip") in [(f.rule, f.value) for f in findings]


# --- damaged ---


def test_cut_off_anywhere(tmp_path: Path) -> None:
    path = archive(tmp_path / "whole.zip", *shapefile("roads"))
    whole = path.read_bytes()
    cut = tmp_path / "a.zip"
    for size in [*range(0, len(whole), 7), *range(len(whole) - 30, len(whole))]:
        cut.write_bytes(whole[:size])
        refused(cut, "again$")


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_any_damaged_byte_is_survived(tmp_path: Path, data: st.DataObject) -> None:
    content = dict(shapefile("roads"))
    path = archive(tmp_path / "whole.zip", *content.items())
    damaged = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(damaged)
    try:
        found = held(path)
    except SourceError:
        return
    assert set(found.values()) <= set(content.values()), "what comes out is what went in"


def test_wrong_checksum_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(raw_zip((b"a.geojson", GEOJSON)).replace(b"Feature", b"Faeture", 1))
    refused(path, "'a.geojson' in the archive can't be unpacked: Bad CRC")


@pytest.mark.parametrize("data", [b"Rar!\x1a\x07\x00" * 9, b"<html>404</html>", b"PK"])
def test_other_files_called_zip_are_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(data)
    refused(path, "no zip archive|cut off")


# --- what is in it ---


def test_layers_by_name(tmp_path: Path) -> None:
    two = frame([square(0, 0)])
    two.to_file(tmp_path / "town.gpkg", layer="zones")
    two.to_file(tmp_path / "town.gpkg", layer="roads", mode="a")
    town = (tmp_path / "town.gpkg").read_bytes()
    members = [*shapefile("a/water"), ("b/water.geojson", GEOJSON), ("town.gpkg", town), ("readme.txt", b"see b")]
    path = archive(tmp_path / "a.zip", *members)
    named = ("a/water.shp", "b/water.geojson", "town / roads", "town / zones")
    assert sorted(layer_names(path, "a.zip")) == sorted(named)
    with pytest.raises(SourceError, match=r'4 layers \(.*town / zones.*\); say which with layer = "\.\.\."'):
        read_features(Request(path, "a.zip"))
    assert read_features(Request(path, "a.zip", layer="a/water.shp")).file == "a.zip/a/water.shp"
    assert read_features(Request(path, "a.zip", layer="town / roads")).layer == "roads"
    assert read_features(Request(path, "a.zip", layer="zones")).layer == "zones"
    with pytest.raises(SourceError, match="no layer 'town / road'; did you mean 'town / roads'"):
        read_features(Request(path, "a.zip", layer="town / road"))


def test_companions_of_another_case_are_companions(tmp_path: Path) -> None:
    members = [(name.upper().replace("ROADS.DBF", "Roads.Dbf"), data) for name, data in shapefile("roads")]
    assert layer_names(archive(tmp_path / "a.zip", *members), "a.zip") == ("ROADS",)


def test_shapefile_without_its_shp(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.zip", *shapefile("roads")[1:])
    with pytest.raises(SourceError, match=r"parts of the shapefile 'roads' but no roads\.shp"):
        read_features(Request(path, "a.zip"))
    findings = Findings("en")
    path = archive(tmp_path / "a.zip", *shapefile("roads")[1:], *shapefile("water"))
    assert read_features(Request(path, "a.zip", findings=findings)).layer == "water"
    assert [(f.rule, f.value) for f in findings] == [("archive_member_unread", "roads.shx")]


def test_lone_table_and_lone_text(tmp_path: Path) -> None:
    assert layer_names(archive(tmp_path / "a.zip", ("t.dbf", names(b"a"))), "a.zip") == ("t",)
    path = archive(tmp_path / "a.zip", ("t.txt", b"id,lon,lat\n1,121.1,31.1\n"))
    assert layer_names(path, "a.zip") == ("t",)


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ([], "holds nothing"),
        ([("a.pdf", b"x"), ("b/c.doc", b"x")], r"only a\.pdf, b/c\.doc"),
        ([("x/", b"")], "nothing"),
    ],
)
def test_nothing_to_read_is_said(tmp_path: Path, members: list[tuple[str, bytes]], words: str) -> None:
    path = archive(tmp_path / "a.zip", *members)
    with pytest.raises(SourceError, match=words):
        read_features(Request(path, "a.zip"))


def test_one_broken_dataset_does_not_hide_the_others(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.zip", ("broken.gpkg", b"no database"), *shapefile("roads"))
    assert sorted(layer_names(path, "a.zip")) == ["broken", "roads"]
    assert len(read_features(Request(path, "a.zip", layer="roads")).frame) == 1
    with pytest.raises(SourceError, match=r"a\.zip"):
        read_features(Request(path, "a.zip", layer="broken"))


@pytest.mark.parametrize("home", ["", "town.gdb/", "my town.gdb/", "deep/town/"])
def test_geodatabases_wherever_they_stand(tmp_path: Path, home: str) -> None:
    gpd.GeoDataFrame({"n": ["a"]}, geometry=[box(0, 0, 1, 1)], crs=4549).to_file(
        tmp_path / "t.gdb", layer="parcels", driver="OpenFileGDB"
    )
    members = [(f"{home}{one.name}", one.read_bytes()) for one in (tmp_path / "t.gdb").iterdir()]
    path = archive(tmp_path / "town.gdb.zip", *members)
    raw = read_features(Request(path, "town.gdb.zip"))
    assert raw.layer == "parcels"
    assert raw.frame.geometry[0].area == 1


def test_input_stays_as_it_is(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.zip", *shapefile("roads"))
    before = path.read_bytes(), sorted(tmp_path.iterdir())
    read_features(Request(path, "a.zip"))
    assert (path.read_bytes(), sorted(tmp_path.iterdir())) == before


# --- real files ---


@pytest.mark.skipif(not BAD.is_dir(), reason="the shared broken files aren't here")
def test_real_files() -> None:
    raw = read_features(Request(BAD / "zip_hostile/gbk_member_names/gbk_names.zip", "gbk_names.zip"))
    assert (raw.layer, len(raw.frame), raw.frame["NAME"][0]) == ("区县", 17, "宝山区")
    with pytest.raises(SourceError, match="in the archive"):
        read_features(Request(BAD / "zip_hostile/abs_symlink_dup/abs_symlink_dup.zip", "x.zip"))
    with pytest.raises(SourceError, match="cut off"):
        layer_names(BAD / "filegdb/d_truncated_zip/t.gdb.zip", "t.gdb.zip")
    winding = BAD / "filegdb/gdal_weird_winding_order_fgdb/weird_winding_order_fgdb.zip"
    assert layer_names(winding, "x.zip") == ("roads_clip Drawing",)
