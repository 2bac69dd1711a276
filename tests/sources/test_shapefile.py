"""Shapefiles: made byte by byte here, so that what is in them is known; and real broken ones where they are at hand."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pyogrio
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shapely import MultiPolygon, Point, Polygon

from qpgis.errors import SourceError
from qpgis.findings import Findings, Severity
from qpgis.sources import RawFeatures, Request
from qpgis.sources.reading import read_features
from tests.conftest import SHARED_DATA

BAD = SHARED_DATA / "bad_inputs" / "shapefile"
Ring = Sequence[tuple[float, float]]
POINT, LINE, POLYGON = 1, 3, 5


def square(x: float, y: float, width: float = 1.0) -> list[tuple[float, float]]:
    """A closed square, clockwise as shells of shapefiles are."""
    return [(x, y), (x, y + width), (x + width, y + width), (x + width, y), (x, y)]


def rings(*parts: Ring, shape: int = POLYGON, starts: Sequence[int] | None = None, tail: bytes = b"") -> bytes:
    """The content of a record of lines or polygons."""
    points = [p for part in parts for p in part]
    begin = list(starts) if starts is not None else [sum(map(len, parts[:n])) for n in range(len(parts))]
    xs, ys = zip(*points, strict=True) if points else ((0.0,), (0.0,))
    head = struct.pack("<i4d2i", shape, min(xs), min(ys), max(xs), max(ys), len(begin), len(points))
    return head + struct.pack(f"<{len(begin)}i", *begin) + b"".join(struct.pack("<2d", *p) for p in points) + tail


def point(x: float, y: float) -> bytes:
    return struct.pack("<i2d", POINT, x, y)


NULL = struct.pack("<i", 0)


def shp(*contents: bytes, shape: int = POLYGON, numbers: Sequence[int] | None = None) -> tuple[bytes, bytes]:
    """A .shp of records and its .shx."""
    body, index = b"", b""
    for number, content in zip(numbers or range(1, len(contents) + 1), contents, strict=True):
        index += struct.pack(">2i", (100 + len(body)) // 2, len(content) // 2)
        body += struct.pack(">2i", number, len(content) // 2) + content
    return head(len(body), shape) + body, head(len(index), shape) + index


def head(size: int, shape: int) -> bytes:
    return struct.pack(">7i", 9994, 0, 0, 0, 0, 0, (100 + size) // 2) + struct.pack("<2i8d", 1000, shape, *[0.0] * 8)


def dbf(fields: Sequence[tuple[bytes, str, int, int]], *rows: Sequence[bytes], driver: int = 0, **odd: Any) -> bytes:
    """A table; a row whose first value begins with ``*`` as its own item is given by ``deleted``."""
    record = 1 + sum(width for _, _, width, _ in fields)
    length = 32 + 32 * len(fields) + 1
    count = odd.get("count", len(rows))
    top = struct.pack("<4BIHH16xBBxx", odd.get("version", 3), 124, 1, 1, count, length, record, 0, driver)
    described = b"".join(
        name.ljust(11, b"\0")[:11] + kind.encode() + bytes(4) + bytes([width, decimals]) + bytes(14)
        for name, kind, width, decimals in fields
    )
    deleted = odd.get("deleted", ())
    body = b"".join(
        (b"*" if n in deleted else b" ") + b"".join(v.ljust(f[2], b" ") for v, f in zip(row, fields, strict=True))
        for n, row in enumerate(rows)
    )
    return top + described + b"\r" + body + b"\x1a"


def names(*values: bytes, width: int = 20, field: bytes = b"NAME", **odd: Any) -> bytes:
    """A table of one text field."""
    return dbf([(field, "C", width, 0)], *[[v] for v in values], **odd)


def write(folder: Path, stem: str = "parcels", **files: bytes | str | None) -> Path:
    """Files of one name by suffix; the path of the .shp, or of the .dbf where there is none."""
    for suffix, data in files.items():
        if data is not None:
            (folder / f"{stem}.{suffix}").write_bytes(data.encode() if isinstance(data, str) else data)
    return folder / f"{stem}.{'shp' if 'shp' in files else 'dbf'}"


def read(path: Path, **declared: Any) -> tuple[RawFeatures, Findings]:
    findings = Findings("en")
    return read_features(Request(path, path.name, findings=findings, **declared)), findings


def rules(findings: Findings, *severities: Severity) -> list[str]:
    return [f.rule for f in findings if not severities or f.severity in severities]


def two_squares(folder: Path, table: bytes | None = None, **files: bytes | str | None) -> Path:
    main, index = shp(rings(square(0, 0)), rings(square(5, 5, 2)))
    return write(folder, **{"shp": main, "shx": index, "dbf": table or names(b"a", b"b"), **files})


# --- text ---

QU_XIAN = ("宝山区", "杨浦区")
ENCODED = [
    ("gbk", 0x4D, None, "GB18030 (DBF language driver 0x4D)", []),
    ("gbk", 0x7A, None, "GB18030 (DBF language driver 0x7A)", []),
    ("gbk", 0, "GBK", "GB18030 (.cpg: GBK)", []),
    ("gbk", 0, "ANSI 936\r\n", "GB18030 (.cpg: ANSI 936)", []),
    ("gbk", 0, None, "GB18030 (strict GB18030)", []),
    ("gbk", 0x57, None, "GB18030 (strict GB18030)", []),
    ("utf-8", 0, None, "UTF-8 (strict UTF-8)", []),
    ("utf-8", 0, "\ufeffUTF-8", "UTF-8 (.cpg: UTF-8)", []),
    ("utf-8", 0, "65001", "UTF-8 (.cpg: 65001)", []),
    ("utf-8", 0x4D, None, "UTF-8 (strict UTF-8)", ["encoding_claim_wrong"]),
    ("gbk", 0, "UTF-8", "GB18030 (strict GB18030)", ["encoding_claim_wrong"]),
    ("gbk", 0x4D, "UTF-8", "GB18030 (DBF language driver 0x4D)", ["encoding_claim_wrong"]),
    ("utf-8", 0, "GBK", "UTF-8 (strict UTF-8)", ["encoding_claim_wrong"]),
    ("utf-8", 0, "ISO-8859-1", "UTF-8 (strict UTF-8)", ["encoding_claim_wrong"]),
    ("gbk", 0x03, None, "GB18030 (strict GB18030)", ["encoding_claim_wrong"]),
    ("gbk", 0, "ISO 8859-1", "GB18030 (strict GB18030)", ["encoding_claim_wrong"]),
    ("big5", 0x4F, None, "CP950 (DBF language driver 0x4F)", []),
]


@pytest.mark.parametrize(("codec", "driver", "cpg", "said", "wrong"), ENCODED)
def test_text_arrives_whatever_the_file_says_of_it(
    tmp_path: Path, codec: str, driver: int, cpg: str | None, said: str, wrong: list[str]
) -> None:
    words = ("寶山區", "楊浦區") if codec == "big5" else QU_XIAN
    raw, findings = read(two_squares(tmp_path, names(*[w.encode(codec) for w in words], driver=driver), cpg=cpg))
    assert tuple(raw.frame["NAME"]) == words
    assert raw.encoding == said
    assert rules(findings) == wrong
    if wrong:
        (finding,) = findings
        assert said in finding.action
        assert "0x" in finding.value or ".cpg" in finding.value


@pytest.mark.parametrize(
    ("codec", "driver", "cpg", "word"),
    [
        ("cp1251", 0xC9, None, "РУССКИЙ"),
        ("cp1251", 0, "1251", "МОСКВА"),
        ("cp1252", 0x03, None, "São José"),
        ("iso8859-15", 0, "8859_15", "cœur €"),
        ("cp437", 0, "OEM 437", "Müller"),
        ("cp866", 0x26, None, "улица"),
        ("cp932", 0x13, None, "東京ソ"),
        ("cp949", 0, "949", "서울"),
        ("cp874", 0x50, None, "กรุงเทพ"),
        ("utf-8", 0, "utf8", "Zürich"),
    ],
)
def test_other_encodings_are_believed(tmp_path: Path, codec: str, driver: int, cpg: str | None, word: str) -> None:
    raw, findings = read(two_squares(tmp_path, names(word.encode(codec), b"x", driver=driver), cpg=cpg))
    assert raw.frame["NAME"][0] == word
    assert not len(findings)


def test_ansi_of_the_west_is_a_guess(tmp_path: Path) -> None:
    raw, findings = read(two_squares(tmp_path, names("São Paulo, é".encode("cp1252"), b"x", driver=0x57)))
    assert raw.frame["NAME"][0] == "São Paulo, é"
    assert rules(findings, Severity.WARNING) == ["encoding_guessed"]


@pytest.mark.parametrize(("cpg", "words"), [("KLINGON", "KLINGON.*isn't known"), ("UTF-16", "UTF-16.*can't be in")])
def test_impossible_cpg_is_refused(tmp_path: Path, cpg: str, words: str) -> None:
    with pytest.raises(SourceError, match=rf"parcels\.shp: the \.cpg names '{words}; .*encoding ="):
        read(two_squares(tmp_path, cpg=cpg))


def test_declared_encoding_wins_over_cpg(tmp_path: Path) -> None:
    path = two_squares(tmp_path, names("区".encode("gbk"), b"x"), cpg="KLINGON")
    raw, _ = read(path, encoding="GBK")
    assert raw.frame["NAME"][0] == "区"
    assert raw.encoding == "GB18030 (declared)"


def test_declared_encoding_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    path = two_squares(tmp_path, names("宝山区".encode("gbk"), b"x"))
    with pytest.raises(SourceError, match='encoding = "utf-8" doesn\'t fit'):
        read(path, encoding="utf-8")
    with pytest.raises(SourceError, match='encoding = "elvish" isn\'t known'):
        read(path, encoding="elvish")


@pytest.mark.parametrize(
    ("codec", "declared", "towns", "doubted"),
    [
        ("gbk", "big5", ("赵巷镇", "夏阳街道", "练塘镇"), True),
        ("gbk", "latin1", ("赵巷镇", "夏阳街道"), True),
        ("gbk", "gbk", ("赵巷镇", "夏阳街道"), False),
        ("big5", "big5", ("趙巷鎮", "陽山鎮", "臺北市"), False),
        ("cp932", "cp932", ("東京都", "新宿区", "千代田区"), False),
        ("euc_kr", "euc-kr", ("서울특별시", "강남구"), False),
        ("cp1251", "cp1251", ("МОСКВА", "ТВЕРСКАЯ"), False),
        ("latin1", "latin1", ("São Paulo", "Évora"), False),
    ],
)
def test_a_declared_encoding_that_garbles_chinese_is_doubted(
    tmp_path: Path, codec: str, declared: str, towns: tuple[str, ...], doubted: bool
) -> None:
    fields = [(b"NAME", "C", 20, 0)]
    path = write(tmp_path, dbf=dbf(fields, *[[town.encode(codec)] for town in towns]))
    _, findings = read(path, encoding=declared)
    assert rules(findings, Severity.WARNING) == ["encoding_unlike"] * doubted


def test_text_that_nothing_fits_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r'encoding of its text can\'t be told; write encoding = "gbk"'):
        read(two_squares(tmp_path, names("São José".encode("latin-1"), b"x")))


def test_one_damaged_text_does_not_turn_utf8_to_mojibake(tmp_path: Path) -> None:
    words = ["青浦区".encode(), "金泽镇".encode(), "练塘".encode(), b"\xff\xff"]
    table = names(*words, driver=0)
    main, index = shp(*[rings(square(n, 0)) for n in range(4)])
    with pytest.raises(SourceError, match="can't be told"):
        read(write(tmp_path, shp=main, shx=index, dbf=table))


def test_text_cut_within_a_character(tmp_path: Path) -> None:
    cut = "上海市青浦区".encode()[:10]
    raw, findings = read(two_squares(tmp_path, names(cut, "青浦".encode(), width=10), cpg="UTF-8"))
    assert list(raw.frame["NAME"]) == ["上海市", "青浦"]
    assert [(f.rule, f.feature_id, f.value) for f in findings] == [("text_cut", "0", "NAME")]


def test_field_names_cut_and_alike(tmp_path: Path) -> None:
    fields = [("用地面积".encode()[:10], "C", 3, 0), ("用地面积二".encode()[:10], "C", 3, 0), (b"", "C", 3, 0)]
    fields += [(b"geometry", "C", 3, 0)]
    table = dbf(fields, [b"1", b"2", b"3", b"4"], [b"5", b"6", b"7", b"8"])
    raw, findings = read(two_squares(tmp_path, table))
    assert list(raw.frame.columns) == ["用地面", "用地面_2", "field_3", "geometry_2", "geometry", "feature_id"]
    assert list(raw.frame["用地面_2"]) == ["2", "6"]
    assert sorted(rules(findings)) == ["field_name_cut"] * 2 + ["field_renamed"] * 3


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    words=st.lists(
        st.text(st.characters(min_codepoint=0x4E00, max_codepoint=0x9FA5), min_size=1, max_size=6),
        min_size=1,
        max_size=8,
    ),
    codec=st.sampled_from(["utf-8", "gbk"]),
)
def test_any_chinese_comes_back(tmp_path: Path, words: list[str], codec: str) -> None:
    raw, _ = read(write(tmp_path, dbf=names(*[w.encode(codec) for w in words]), cpg=codec))
    assert list(raw.frame["NAME"]) == words
    assert not raw.spatial


# --- values ---

FIELDS = [
    (b"BSM", "N", 18, 0),
    (b"LONG", "N", 20, 0),
    (b"DLBM", "C", 5, 0),
    (b"TBMJ", "N", 12, 2),
    (b"RQ", "D", 8, 0),
    (b"OK", "L", 1, 0),
]


def test_values_are_exact(tmp_path: Path) -> None:
    table = dbf(
        FIELDS,
        [b"310118000000000001", b"12345678901234567890", b"0101", b"1234.50", b"20240229", b"T"],
        [b"", b"", b"", b"", b"", b"?"],
    )
    frame, findings = read(two_squares(tmp_path, table))[0].frame, read(tmp_path / "parcels.shp")[1]
    assert frame.loc[0, "BSM"] == "310118000000000001"
    assert frame.loc[0, "LONG"] == "12345678901234567890"
    assert frame.loc[0, "DLBM"] == "0101"
    assert frame.loc[0, "TBMJ"] == 1234.5
    assert frame.loc[0, "RQ"].isoformat().startswith("2024-02-29")
    assert frame.loc[0, "OK"] is True
    assert frame.loc[1, ["BSM", "LONG", "DLBM", "TBMJ", "RQ", "OK"]].isna().all()
    assert not len(findings)


def test_whole_numbers_stay_whole(tmp_path: Path) -> None:
    table = dbf([(b"BSM", "N", 18, 0)], [b"310118000000000001"], [b"310118000000000002"])
    frame = read(two_squares(tmp_path, table))[0].frame
    assert list(frame["BSM"]) == [310118000000000001, 310118000000000002]
    assert frame["BSM"].dtype == np.int64


def test_values_that_are_none_are_named(tmp_path: Path) -> None:
    table = dbf(
        [(b"N", "N", 6, 0), (b"F", "F", 8, 2), (b"D", "D", 8, 0), (b"L", "L", 1, 0)],
        [b"******", b"12,5", b"20241301", b"X"],
        [b"7", b"1.5", b"00000000", b"n"],
    )
    raw, findings = read(two_squares(tmp_path, table))
    assert np.isnan(raw.frame.loc[0, "N"])
    assert raw.frame.loc[1, "N"] == 7
    assert raw.frame.loc[1, "F"] == 1.5
    assert raw.frame.loc[1, "L"] is False
    assert raw.frame.loc[0, ["F", "D", "L"]].isna().all()
    assert {(f.rule, f.feature_id, f.value) for f in findings} == {
        ("dbf_number_too_wide", "0", "N"),
        ("dbf_number_unreadable", "0", "F"),
        ("dbf_date_unreadable", "0", "D"),
        ("dbf_truth_unreadable", "0", "L"),
    }
    assert "'12,5'" in next(f.message for f in findings if f.rule == "dbf_number_unreadable")


def test_numbers_behind_zero_bytes_are_named(tmp_path: Path) -> None:
    table = dbf([(b"N", "N", 6, 0)], [b"\0\0\0 12"], [bytes(6)])
    raw, findings = read(two_squares(tmp_path, table))
    assert raw.frame["N"].isna().all()
    assert [(f.rule, f.feature_id) for f in findings] == [("dbf_number_unreadable", "0")]


def test_numbers_that_only_python_writes_are_none(tmp_path: Path) -> None:
    table = dbf([(b"N", "N", 6, 0)], [b"1_000"], [b"nan"])
    raw, findings = read(two_squares(tmp_path, table))
    assert raw.frame["N"].isna().all()
    assert rules(findings) == ["dbf_number_unreadable"]


def test_memo_is_left_out_with_a_word(tmp_path: Path) -> None:
    table = dbf([(b"NOTE", "M", 10, 0), (b"NAME", "C", 4, 0)], [b"1", b"a"], [b"2", b"b"])
    raw, findings = read(two_squares(tmp_path, table))
    assert "NOTE" not in raw.frame
    assert list(raw.frame["NAME"]) == ["a", "b"]
    assert [(f.rule, f.value) for f in findings] == [("dbf_field_unread", "NOTE")]


def test_long_texts_and_what_stands_behind_a_zero(tmp_path: Path) -> None:
    wide = (b"W", "C", 300 % 256, 300 // 256)
    record = 1 + 300
    data = dbf([wide], count=2)
    data = data[:10] + struct.pack("<H", record) + data[12:-1]
    data += b" " + b"x" * 300 + b" " + b"ab\0rubbish".ljust(300)
    raw, findings = read(two_squares(tmp_path, data))
    assert list(raw.frame["W"]) == ["x" * 300, "ab"]
    assert not len(findings)


def test_same_as_gdal_on_what_gdal_reads_well(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    n = 200
    holes = [Polygon(square(i * 4, 0, 3), [square(i * 4 + 1, 1, 1)[::-1]]) for i in range(n)]
    parts = [MultiPolygon([Polygon(square(i * 4, 9, 1)), Polygon(square(i * 4, 20, 2))]) for i in range(n)]
    frame = gpd.GeoDataFrame(
        {
            "id": np.arange(n),
            "code": [f"0{i % 7}01" for i in range(n)],
            "名称": [None if i % 9 == 0 else f"第{i}号" for i in range(n)],
            "area": rng.uniform(0, 1e6, n).round(3),
            "day": [date(2024, 5, 1 + i % 28) for i in range(n)],
        },
        geometry=[holes[i] if i % 2 else parts[i] for i in range(n)],
        crs=4549,
    )
    path = tmp_path / "x.shp"
    frame.to_file(path, encoding="UTF-8")
    raw, findings = read(path)
    oracle = pyogrio.read_dataframe(path)
    assert not len(findings)
    assert raw.frame.crs.equals(oracle.crs)
    assert shapely.equals_exact(raw.frame.geometry.to_numpy(), oracle.geometry.to_numpy(), 0).all()
    for column in oracle.columns.drop("geometry"):
        assert [*raw.frame[column].fillna("-")] == [*oracle[column].fillna("-")], column
    assert list(raw.frame["feature_id"]) == [str(i) for i in range(n)]


# --- rows ---


def test_table_and_shapes_that_do_not_belong_together(tmp_path: Path) -> None:
    for table in (names(b"a"), names(b"a", b"b", b"c")):
        with pytest.raises(SourceError, match=r"its \.shp has 2 records, its \.dbf [13]: they don't belong together"):
            read(two_squares(tmp_path, table))


def test_deleted_rows_are_named(tmp_path: Path) -> None:
    raw, findings = read(two_squares(tmp_path, names(b"a", b"b", deleted={0})))
    assert list(raw.frame["NAME"]) == ["b"]
    assert list(raw.frame["feature_id"]) == ["1"]
    assert raw.frame.geometry[0].area == 4
    assert [(f.rule, f.feature_id) for f in findings] == [("dbf_rows_deleted", "0")]


def test_table_says_more_or_fewer_rows_than_it_has(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="cut off: its header says 3 records, 2 are there"):
        read(two_squares(tmp_path, names(b"a", b"b", count=3)))
    with pytest.raises(SourceError, match="more than the 1 records"):
        read(two_squares(tmp_path, names(b"a", b"b", count=1)))


@pytest.mark.parametrize(
    ("at", "value", "words"),
    [
        (15, b"\x01", "encrypted"),
        (0, b"\x04", "dBASE 7"),
        (10, b"\x01\x00", "fields of the .dbf take"),
        (8, b"\xff\xff", "cut"),
    ],
)
def test_tables_of_other_kinds_are_refused(tmp_path: Path, at: int, value: bytes, words: str) -> None:
    table = names(b"a", b"b")
    with pytest.raises(SourceError, match=words):
        read(two_squares(tmp_path, table[:at] + value + table[at + len(value) :]))


def test_records_that_do_not_line_up_are_refused(tmp_path: Path) -> None:
    table = bytearray(names(b"a", b"b"))
    table[65] = ord("x")
    with pytest.raises(SourceError, match=r"record 1 of the \.dbf doesn't begin"):
        read(two_squares(tmp_path, bytes(table)))


def test_missing_table_is_named(tmp_path: Path) -> None:
    main, index = shp(rings(square(0, 0)))
    raw, findings = read(write(tmp_path, shp=main, shx=index))
    assert len(raw.frame) == 1
    assert raw.spatial
    assert rules(findings, Severity.WARNING) == ["dbf_missing"]


# --- structure ---


@pytest.mark.parametrize("suffix", ["shp", "dbf", "shx"])
def test_cut_off_anywhere(tmp_path: Path, suffix: str) -> None:
    """Whole, or refused: never fewer features, no null in place of a shape. The mark of the .dbf's end may go."""
    path = two_squares(tmp_path, names("区".encode("gbk"), b"b", driver=0x4D))
    target = path.with_suffix(f".{suffix}")
    whole = target.read_bytes()
    lost = 0 if suffix == "shx" else len(whole) - (suffix == "dbf")
    for size in range(len(whole)):
        target.write_bytes(whole[:size])
        if size < lost:
            with pytest.raises(SourceError, match=r"^parcels\.shp: "):
                read(path)
            continue
        raw, findings = read(path)
        assert rules(findings) == (["shx_rebuilt"] if suffix == "shx" else [])
        assert [g.area for g in raw.frame.geometry] == [1, 4]
        assert list(raw.frame["NAME"]) == ["区", "b"]


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_any_damaged_byte_is_survived(tmp_path: Path, data: st.DataObject) -> None:
    path = two_squares(tmp_path, names("区".encode("gbk"), b"b", driver=0x4D))
    target = path.with_suffix(data.draw(st.sampled_from([".shp", ".shx", ".dbf"])))
    content = bytearray(target.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    target.write_bytes(content)
    try:
        raw, findings = read(path)
    except SourceError:
        return
    kept = len(raw.frame) + sum(len(f.feature_id.split("; ")) for f in findings if f.rule == "dbf_rows_deleted")
    assert kept == 2
    unread = {f.feature_id for f in findings if f.rule in ("shp_without_points", "shp_shape_unread", "wkb_damaged")}
    for row, feature_id in enumerate(raw.frame["feature_id"]):
        assert (raw.frame.geometry[row] is None) <= (feature_id in unread or target.suffix == ".shp")


def test_index_missing_is_rebuilt_and_nothing_written_beside(tmp_path: Path) -> None:
    path = two_squares(tmp_path)
    path.with_suffix(".shx").unlink()
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    raw, findings = read(path)
    assert [g.area for g in raw.frame.geometry] == [1, 4]
    assert rules(findings) == ["shx_missing"]
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


def swapped(main: bytes) -> bytes:
    """The index of two records of equal length whose rows are the other way round."""
    length = (len(main) - 100) // 2
    pairs = struct.pack(">4i", (100 + length) // 2, (length - 8) // 2, 50, (length - 8) // 2)
    return head(len(pairs), POLYGON) + pairs


def test_records_in_another_order(tmp_path: Path) -> None:
    main, _ = shp(rings(square(0, 0)), rings(square(5, 5, 2)), numbers=[2, 1])
    path = write(tmp_path, shp=main, shx=swapped(main), dbf=names(b"big", b"small"))
    raw, findings = read(path)
    assert list(zip(raw.frame["NAME"], raw.frame.geometry.area, strict=True)) == [("big", 4), ("small", 1)]
    assert not len(findings)
    path.with_suffix(".shx").unlink()
    rebuilt, _ = read(path)
    assert list(rebuilt.frame.geometry.area) == [4, 1], "the numbers of the records say which row is which"


def test_stale_index_does_not_lose_rows(tmp_path: Path) -> None:
    main, index = shp(rings(square(0, 0)), rings(square(5, 5, 2)))
    stale = head(8, POLYGON) + index[100:108]
    raw, findings = read(write(tmp_path, shp=main, shx=stale, dbf=names(b"a", b"b")))
    assert list(raw.frame.geometry.area) == [1, 4]
    assert rules(findings) == ["shx_rebuilt"]


def test_space_left_by_editing_is_named(tmp_path: Path) -> None:
    main, index = shp(rings(square(0, 0)), rings(square(5, 5, 2)), rings(square(9, 9, 3)))
    kept = head(16, POLYGON) + index[100:108] + index[116:124]
    raw, findings = read(write(tmp_path, shp=main, shx=kept, dbf=names(b"a", b"c")))
    assert list(raw.frame.geometry.area) == [1, 9]
    assert [(f.rule, f.value) for f in findings] == [("shp_unlisted", "136")]


def test_header_with_another_length_is_named(tmp_path: Path) -> None:
    path = two_squares(tmp_path)
    data = path.read_bytes()
    path.write_bytes(data[:24] + struct.pack(">i", 50) + data[28:])
    raw, findings = read(path)
    assert list(raw.frame.geometry.area) == [1, 4]
    assert rules(findings) == ["shp_length_odd"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (rings(square(0, 0), starts=[2]), r"record 2 .*part 1 begins at point 2"),
        (rings(square(0, 0), starts=[0, 9]), r"record 2 .*part 2 begins at point 9"),
        (rings(square(0, 0), square(2, 0), starts=[0, -5]), r"record 2 .*part 2 begins at point -5"),
        (rings(square(0, 0))[:60], r"record 2 .*has 60 bytes, its shape takes 128"),
        (struct.pack("<i4d2i", 5, 0, 0, 1, 1, -1, 4), r"record 2 .*says that it has -1 parts"),
        (struct.pack("<i4d2i", 5, 0, 0, 1, 1, 1, 2**30), r"record 2 .*its shape takes"),
        (point(1, 1), r"record 2 .*is point \(1\) in a file of type polygon"),
        (struct.pack("<i", 77), r"record 2 .*is of unknown type \(77\)"),
        (b"\0\0", r"record 2 .*has only 2 bytes"),
    ],
)
def test_records_that_contradict_themselves_are_refused(tmp_path: Path, content: bytes, words: str) -> None:
    main, index = shp(rings(square(0, 0)), content)
    with pytest.raises(SourceError, match=words):
        read(write(tmp_path, shp=main, shx=index, dbf=names(b"a", b"b")))


@pytest.mark.parametrize(("shape", "words"), [(31, "multipatch"), (7, "unknown type of shapes 7"), (33, "shapes 33")])
def test_other_shapes_are_refused(tmp_path: Path, shape: int, words: str) -> None:
    main, index = shp(shape=shape)
    with pytest.raises(SourceError, match=words):
        read(write(tmp_path, shp=main, shx=index))


def test_other_files_called_shp_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no shapefile"):
        read(write(tmp_path, shp=b"SQLite format 3\0" * 10))


def test_no_records_at_all(tmp_path: Path) -> None:
    main, index = shp()
    raw, findings = read(write(tmp_path, shp=main, shx=index, dbf=names()))
    assert raw.frame.empty
    assert "NAME" in raw.frame
    assert not len(findings)


def test_null_shapes_are_kept_as_rows(tmp_path: Path) -> None:
    main, index = shp(point(1, 2), NULL, point(3, 4), shape=POINT)
    raw, _ = read(write(tmp_path, shp=main, shx=index, dbf=names(b"a", b"b", b"c")))
    assert list(raw.frame.geometry) == [Point(1, 2), None, Point(3, 4)]
    assert list(raw.frame["NAME"]) == ["a", "b", "c"]


def test_shapes_without_points_are_named(tmp_path: Path) -> None:
    main, index = shp(rings(square(0, 0)), rings(), shape=POLYGON)
    raw, findings = read(write(tmp_path, shp=main, shx=index, dbf=names(b"a", b"b")))
    assert raw.frame.geometry[1] is None or raw.frame.geometry[1].is_empty
    assert [(f.rule, f.feature_id) for f in findings] == [("shp_without_points", "1")]


@pytest.mark.parametrize(
    ("content", "shape"),
    [
        (rings(square(0, 0), [], square(3, 0)), POLYGON),  # GDAL gives up at the empty ring
        (rings(square(0, 0), shape=15, tail=bytes(20)), 15),  # heights of five points take 56 bytes
    ],
)
def test_points_that_make_no_shape_are_an_error(tmp_path: Path, content: bytes, shape: int) -> None:
    sound = rings(square(5, 0), shape=shape, tail=bytes(56) if shape == 15 else b"")
    main, index = shp(content, sound, shape=shape)
    raw, findings = read(write(tmp_path, shp=main, shx=index, dbf=names(b"a", b"b")))
    assert [shape is None for shape in raw.frame.geometry] == [True, False]
    unread = [f for f in findings if f.rule == "shp_shape_unread"]
    assert [(f.feature_id, f.severity) for f in unread] == [("0", Severity.ERROR)]


def test_heights_and_measures_are_left_out_with_a_word(tmp_path: Path) -> None:
    extra = struct.pack("<2d5d", 0, 9, 1, 2, 3, 4, 1)
    for shape, name in ((15, "Z"), (25, "M")):
        main, index = shp(rings(square(0, 0), shape=shape, tail=extra), shape=shape)
        raw, findings = read(write(tmp_path, shp=main, shx=index, dbf=names(b"a")))
        assert not raw.frame.geometry[0].has_z
        assert raw.frame.geometry[0].area == 1
        assert [(f.severity, f.rule, f.value) for f in findings] == [("info", "shp_ordinates_dropped", name)]
        assert raw.remarks == ()


def test_points_lines_multipoints(tmp_path: Path) -> None:
    line = rings([(0, 0), (3, 4)], [(10, 0), (10, 1)], shape=LINE)
    many = struct.pack("<i4di4d", 8, 0, 0, 1, 1, 2, 0, 0, 1, 1)
    for shape, content, wkt in (
        (LINE, line, "MULTILINESTRING ((0 0, 3 4), (10 0, 10 1))"),
        (8, many, "MULTIPOINT ((0 0), (1 1))"),
        (POINT, point(1, 2), "POINT (1 2)"),
    ):
        main, index = shp(content, shape=shape)
        raw, findings = read(write(tmp_path, shp=main, shx=index, dbf=names(b"a")))
        assert raw.frame.geometry[0].equals(shapely.from_wkt(wkt))
        assert not len(findings)


# --- rings ---


def polygons(folder: Path, *contents: bytes) -> tuple[RawFeatures, Findings]:
    main, index = shp(*contents)
    return read(write(folder, shp=main, shx=index, dbf=names(*[b"x"] * len(contents))))


def test_ring_that_is_not_closed_is_named(tmp_path: Path) -> None:
    raw, findings = polygons(tmp_path, rings(square(0, 0)), rings(square(5, 5)[:-1]))
    assert [(f.rule, f.feature_id) for f in findings] == [("wkb_ring_closed", "1")]
    assert raw.frame.geometry[1].area == 1


def test_holes_and_islands_are_no_fault(tmp_path: Path) -> None:
    island = rings(square(0, 0, 9), square(1, 1, 7)[::-1], square(2, 2, 5))
    raw, findings = polygons(tmp_path, island)
    assert raw.frame.geometry[0].area == 81 - 49 + 25
    assert not len(findings)


def test_hole_outside_its_shell_is_named(tmp_path: Path) -> None:
    _, findings = polygons(tmp_path, rings(square(0, 0, 3), square(10, 0, 1)[::-1]))
    assert [(f.rule, f.severity, f.feature_id) for f in findings] == [("rings_disagree", "warning", "0")]
    (finding,) = findings
    assert finding.value == "8"
    assert "even-odd rule 10 " in finding.message


def test_ring_wound_twice_is_an_error(tmp_path: Path) -> None:
    twice = square(0, 0, 3)[:-1] + square(0, 0, 3)
    _, findings = polygons(tmp_path, rings(square(5, 5)), rings(twice))
    assert [(f.rule, f.severity, f.feature_id) for f in findings] == [("ring_wound_again", "error", "1")]
    (finding,) = findings
    assert "18 by its direction, 9 with each edge once, 0 by" in finding.message


def test_overlapping_shells_are_named(tmp_path: Path) -> None:
    _, findings = polygons(tmp_path, rings(square(0, 0, 2), square(1, 0, 2)))
    (finding,) = findings
    assert finding.rule in ("rings_disagree", "ring_wound_again")
    assert finding.value == "8"


# --- reference system ---

WGS84 = (
    'GEOGCS["GCS_WGS_1984",DATUM["D_WGS_1984",SPHEROID["WGS_1984",6378137.0,298.257223563]],'
    'PRIMEM["Greenwich",0.0],UNIT["Degree",0.0174532925199433]]'
)


@pytest.mark.parametrize(
    "prj", [WGS84, "\ufeff" + WGS84, WGS84.encode("utf-16"), WGS84.encode() + b"\0", "\n" + WGS84 + "\r\n"]
)
def test_prj_in_any_dress(tmp_path: Path, prj: bytes | str) -> None:
    raw, findings = read(two_squares(tmp_path, prj=prj))
    assert raw.frame.crs.to_epsg() == 4326
    assert not len(findings)


@pytest.mark.parametrize("prj", ["no such system", "<html>404</html>", "\x01\x02", "GEOGCS[", 'PROJCS["x"]'])
def test_prj_that_nobody_knows_is_named_not_guessed(tmp_path: Path, prj: str) -> None:
    raw, findings = read(two_squares(tmp_path, prj=prj))
    assert raw.frame.crs is None
    assert rules(findings) == ["prj_unknown"]


@pytest.mark.parametrize("prj", [None, "", " \n"])
def test_without_prj_there_is_no_system(tmp_path: Path, prj: str | None) -> None:
    raw, findings = read(two_squares(tmp_path, prj=prj))
    assert raw.frame.crs is None
    assert not len(findings)


# --- names ---


def test_companions_of_another_case(tmp_path: Path) -> None:
    main, index = shp(rings(square(0, 0)))
    table = names("区".encode())
    for suffix, data in (("SHP", main), ("SHX", index), ("DBF", table), ("CPG", b"UTF-8"), ("Prj", WGS84.encode())):
        (tmp_path / f"PARCELS.{suffix}").write_bytes(data)
    raw, findings = read(tmp_path / "PARCELS.SHP")
    assert raw.frame["NAME"][0] == "区"
    assert raw.frame.crs is not None
    assert not len(findings)


@pytest.mark.parametrize("stem", ["地块 #1%20", "a!b", "it's & that?", "-dash", "new\nline", "[x]*"])
def test_odd_names(tmp_path: Path, stem: str) -> None:
    main, index = shp(rings(square(0, 0)))
    path = write(tmp_path, stem, shp=main, shx=index, dbf=names(b"a"), prj=WGS84)
    raw, findings = read(path)
    assert raw.frame.geometry[0].area == 1
    assert raw.layer == stem
    assert not len(findings)


def test_lone_table(tmp_path: Path) -> None:
    raw, findings = read(write(tmp_path, dbf=names("区".encode("gbk"), b"b", deleted={1})))
    assert not raw.spatial
    assert list(raw.frame["NAME"]) == ["区"]
    assert raw.frame.geometry.isna().all()
    assert rules(findings) == ["dbf_rows_deleted"]


# --- real files ---


REAL = {
    "d_cpg_unknown": (r"\.cpg names 'KLINGON'", None),
    "d_missing_shx": (17, ["shx_missing"]),
    "gbk_no_cpg_ldid4d_shanghai": (17, []),
    "gdal_buggymultipoly2": (r"record 1 .*index of parts is broken", None),
    "gdal_emptymultipoly": (1, ["shp_without_points"]),
    "gdal_polygonm_without_m": (2, ["dbf_missing", "wkb_ring_closed", "wkb_ring_closed"]),
    "gdal_prjwithutf8bom": (1, []),
    "gdal_weird_header_length": (1, ["dbf_header_odd"]),
    "mb_null": (9, []),
    "ms_519_max_callstack": (138, []),
    "ms_cpg_utf16": (r"\.cpg names 'UTF-16'", None),
    "ms_cpg_win1251": (1, []),
    "ms_dbf_gb2312": (1, []),
    "ms_ldid_chinese": (1, []),
    "pyshp_corrupt_too_long": (r"record 11 .*is cut off", None),
    "utf8_cpg_no_prj_shenzhen": (10, []),
}


@pytest.mark.skipif(not BAD.is_dir(), reason="the shared broken files aren't here")
@pytest.mark.parametrize("case", sorted(REAL))
def test_real_files(case: str) -> None:
    folder = BAD / case
    before = sorted((p.name, p.stat().st_mtime_ns) for p in folder.iterdir())
    path = next(iter([*folder.glob("*.shp"), *folder.glob("*.dbf")]))
    rows, named = REAL[case]
    if isinstance(rows, str):
        with pytest.raises(SourceError, match=rows):
            read(path)
    else:
        raw, findings = read(path)
        assert len(raw.frame) == rows
        assert rules(findings, Severity.ERROR, Severity.WARNING) == named
    assert sorted((p.name, p.stat().st_mtime_ns) for p in folder.iterdir()) == before


@pytest.mark.skipif(not BAD.is_dir(), reason="the shared broken files aren't here")
def test_real_names() -> None:
    assert list(read(BAD / "gbk_no_cpg_ldid4d_shanghai" / "区县界_area.shp")[0].frame["NAME"][:2]) == [
        "宝山区",
        "杨浦区",
    ]
    assert read(BAD / "ms_dbf_gb2312" / "gb2312.dbf")[0].frame["NAME"][0] == "简体国语"
    assert read(BAD / "ms_ldid_chinese" / "chinese.shp")[0].frame["NAME"][0] == "简体"
    assert read(BAD / "ms_cpg_win1251" / "win1251.dbf")[0].frame["NAME"][0] == "РУССКИЙ"
