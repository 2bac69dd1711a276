"""Tables: structure, codes and coordinates, each case written out, and the silent errors of other readers."""

from __future__ import annotations

import csv
import io
import math
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from qpgis.errors import SourceError
from qpgis.findings import Findings, Severity
from qpgis.sources import RawFeatures, Request
from qpgis.sources.coordinates import _parsed
from qpgis.sources.tabular import layers, read
from tests.conftest import SHARED_DATA

BAD = SHARED_DATA / "bad_inputs" / "csv"
Loaded = tuple[RawFeatures, Findings]
Loader = Callable[..., Loaded]


def load(path: Path, layer: str | None = None, **options: str) -> Loaded:
    findings = Findings("en")
    return read(Request(path, path.name, "", findings, layer=layer, **options)), findings


def rules(findings: Findings, *, above_info: bool = False) -> set[str]:
    return {f.rule for f in findings if not above_info or f.severity is not Severity.INFO}


def values(findings: Findings, rule: str) -> list[str]:
    return [f.value for f in findings if f.rule == rule]


@pytest.fixture
def table(tmp_path: Path) -> Loader:
    """Writes a text table and reads it."""

    def write(text: str | bytes, name: str = "t.csv", encoding: str = "utf-8", **options: str) -> Loaded:
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
        return load(path, **options)

    return write


def points(raw: RawFeatures) -> list[tuple[float, float] | None]:
    return [None if p is None else (p.x, p.y) for p in raw.frame.geometry]


class TestText:
    @pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
    @pytest.mark.parametrize(
        ("encoding", "found"),
        [("utf-8", "UTF-8"), ("utf-8-sig", "UTF-8"), ("gb18030", "GB18030"), ("utf-16", "UTF-16")],
    )
    @pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
    def test_any_delimiter_encoding_and_line_end(
        self, table: Loader, delimiter: str, encoding: str, found: str, newline: str
    ) -> None:
        rows = [["名称", "lon", "lat"], [f"朱{delimiter}家角", "121.05", "31.1"], ["金泽镇人民政府", "120.92", "31.04"]]
        text = newline.join(delimiter.join(f'"{cell}"' if delimiter in cell else cell for cell in row) for row in rows)
        raw, findings = table(text, encoding=encoding)
        assert list(raw.frame["名称"]) == [f"朱{delimiter}家角", "金泽镇人民政府"]
        assert points(raw) == [(121.05, 31.1), (120.92, 31.04)]
        assert raw.encoding.startswith(found)
        assert raw.frame.crs == "EPSG:4326"
        assert rules(findings) == {"table_coordinates", "table_datum_not_stated"}

    def test_text_separated_by_blanks(self, table: Loader) -> None:
        raw, _ = table("id x y\n1 512345.6 3450123.4\n2 512346.6 3450124.4\n", "points.txt")
        assert points(raw) == [(512345.6, 3450123.4), (512346.6, 3450124.4)]

    @pytest.mark.parametrize(
        ("text", "why"),
        [
            ('a,b\n1,2\n"3,4\n5,6\n', "line 3: a quote is opened and never closed"),
            ('a,b\n1,2\n"3"x,4\n', "line 3: its quotes are wrong"),
            ("a,b,c\n1,2,3\n1,68,500,3\n4,5,6\n", "most rows have 3 columns, but line 3 has 4"),
            ("a,b,c\n1,2,3\n4,5\n6,7,8\n", "line 3 has 2"),
            ("a,b,c,d\n1,2,3\n4,5,6\n", "line 1 has 4"),
            ("\n\n", "no rows"),
            (b"a,b\x00\n1,2\n", "NUL"),
            (b"PK\x03\x04....", "workbook or zip"),
            (b"\xd0\xcf\x11\xe0....", "old Excel"),
            ("<html><table></table></html>", "web page"),
            ("名称,b\n青浦,1\n".encode()[:-3] + "朱".encode()[:2], "cut short"),
            (
                "名称,编码\n".encode() + "青浦,1\n".encode() * 9000 + b"\xff\xfe,2\n",
                "line 9002 isn't legal UTF-8|can't be told",
            ),
        ],
    )
    def test_what_doesnt_add_up_is_refused_with_its_line(self, table: Loader, text: str | bytes, why: str) -> None:
        with pytest.raises(SourceError, match=why):
            table(text)

    def test_names_of_line_breaks_duplicates_and_nothing(self, table: Loader) -> None:
        raw, findings = table('a,"b\nc",a,,a (2)\n1,2,3,4,5\n')
        assert list(raw.frame.columns) == ["feature_id", "a", "b c", "a (2)", "column_4", "a (2) (2)", "geometry"]
        assert values(findings, "table_duplicate_column") == ["a", "a (2)"]
        assert not raw.spatial

    def test_titles_above_and_empty_rows_and_columns(self, table: Loader) -> None:
        raw, findings = table("2023年设施一览表,,,\n,,,\n名称,lon,lat,\n甲,121,31,\n,,,\n乙,121.5,31,\n")
        assert list(raw.frame.feature_id) == ["4", "6"]
        assert list(raw.frame["名称"]) == ["甲", "乙"]
        assert "column_4" not in raw.frame
        assert values(findings, "table_header_found") == ["3"]

    def test_without_header(self, table: Loader) -> None:
        raw, findings = table("1,121.1,31.1\n2,121.2,31.2\n", x_field="column_2", y_field="column_3")
        assert points(raw) == [(121.1, 31.1), (121.2, 31.2)]
        assert "table_without_header" in rules(findings)

    def test_rows_over_several_lines_are_said_and_numbers_of_lines_stay_right(self, table: Loader) -> None:
        raw, findings = table('n,lon,lat\n"a\nb",121,31\nc,,\n')
        assert list(raw.frame.feature_id) == ["2", "4"]
        assert values(findings, "table_record_over_lines") == ["2"]
        assert values(findings, "table_without_coordinates") == ["4"]

    def test_only_a_header(self, table: Loader) -> None:
        raw, findings = table("a,lon,lat\n")
        assert len(raw.frame) == 0
        assert raw.spatial
        assert "table_without_rows" in rules(findings)

    def test_a_geometry_longer_than_pythons_limit(self, table: Loader) -> None:
        ring = shapely.Point(121, 31).buffer(0.1, quad_segs=2000)
        raw, _ = table(f'id,wkt\n1,"{shapely.to_wkt(ring)}"\n')
        assert raw.frame.area[0] == pytest.approx(ring.area)
        assert csv.field_size_limit() == 131072

    @given(
        st.lists(
            st.lists(
                st.text(
                    st.characters(codec="utf-8", exclude_characters="\r\0\x1f", exclude_categories=["Cs", "Cc"]),
                    max_size=6,
                ),
                min_size=3,
                max_size=3,
            ),
            min_size=1,
            max_size=8,
        )
    )
    @settings(max_examples=60, deadline=None)
    def test_cells_come_back_as_they_were_written(
        self, tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]]
    ) -> None:
        buffer = io.StringIO()
        csv.writer(buffer, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows([["甲名", "乙名", "丙名"], *rows])
        path = tmp_path_factory.mktemp("cells") / "t.csv"
        path.write_text(buffer.getvalue(), encoding="utf-8", newline="")
        raw, _ = load(path, encoding="utf-8")
        kept = [row for row in rows if any(row)]
        assert len(raw.frame) == len(kept)
        for name, column in zip(
            ("甲名", "乙名", "丙名"), zip(*kept, strict=True) if kept else ((), (), ()), strict=True
        ):
            if name in raw.frame and raw.frame[name].dtype.kind not in "if":
                assert [cell or "" for cell in raw.frame[name].fillna("")] == [cell.strip() for cell in column]


class TestValues:
    def test_codes_keep_what_a_number_would_lose(self, table: Loader) -> None:
        raw, _ = table(
            "DLBM,zone_id,leading,mixed,long,flow,share\n"
            "1101,310118001001,0101,3.1,1234567890123456789,1223,0.5\n"
            "1202,310118001002,1101,3.10,1234567890123456788,90,\n"
        )
        assert list(raw.frame["DLBM"]) == ["1101", "1202"]
        assert list(raw.frame["zone_id"]) == ["310118001001", "310118001002"]
        assert list(raw.frame["leading"]) == ["0101", "1101"]
        assert list(raw.frame["mixed"]) == ["3.1", "3.10"]
        assert list(raw.frame["long"]) == ["1234567890123456789", "1234567890123456788"]
        assert raw.frame["flow"].tolist() == [1223, 90]
        assert raw.frame["flow"].dtype == np.int64
        assert raw.frame["share"].dtype == np.float64
        assert np.isnan(raw.frame["share"][1])

    @pytest.mark.parametrize("name", ["编码", "人口"])
    def test_codes_that_excel_destroyed_are_an_error(self, table: Loader, name: str) -> None:
        raw, findings = table(f"{name},n\n3.10118E+11,a\n3.10118E+11,b\n")
        assert list(raw.frame[name]) == ["3.10118E+11"] * 2
        assert [(str(f.severity), f.value) for f in findings if f.rule == "table_codes_destroyed"] == [("error", name)]

    def test_thousands_are_never_cut_at_the_comma(self, table: Loader) -> None:
        raw, findings = table('n,pop,area\na,"68,500","1,234.5"\nb,900,12\nc,"1,200,300","2,000"\n')
        assert raw.frame["pop"].tolist() == [68500, 900, 1200300]
        assert raw.frame["area"].tolist() == [1234.5, 12, 2000]
        assert values(findings, "table_thousands") == ["area", "pop"]

    def test_commas_that_may_mean_either_stay_text(self, table: Loader) -> None:
        raw, findings = table("n;pop\na;68,500\nb;1,200\n")
        assert list(raw.frame["pop"]) == ["68,500", "1,200"]
        assert [str(f.severity) for f in findings if f.rule == "table_commas_unclear"] == ["error"]
        for text in ('n,pop\na,"68,500"\nb,4500\n', "n;pop\na;68,500\nb;4500\n"):
            raw, findings = table(text)
            assert list(raw.frame["pop"]) == ["68,500", "4500"]
            assert "table_commas_unclear" in rules(findings)
        raw, _ = table("n;pop\na;68,500\nb;1,25\n")
        assert raw.frame["pop"].tolist() == [68.5, 1.25]

    def test_sums_are_named(self, table: Loader) -> None:
        raw, findings = table("镇,lon,lat\n金泽,121,31\n合 计,,\n合计镇,121,31\n")
        assert values(findings, "table_sum_rows") == ["3"]
        assert len(raw.frame) == 3

    def test_text_is_only_text(self, table: Loader) -> None:
        raw, _ = table("n,b\n=cmd|' /C calc'!A0,1\n<script>,2\n")
        assert list(raw.frame["n"]) == ["=cmd|' /C calc'!A0", "<script>"]


class TestCoordinates:
    @pytest.mark.parametrize(
        "names",
        [
            "lon,lat",
            "LNG,LAT",
            "Longitude,Latitude",
            "经度,纬度",
            "经度（°）,纬度（°）",
            "gcj02_lng,gcj02_lat",
            "百度经度,百度纬度",
            "x,y",
            "X坐标,Y坐标",
            "POINT_X,POINT_Y",
        ],
    )
    def test_known_names(self, table: Loader, names: str) -> None:
        raw, _ = table(f"n,{names}\na,121.1,31.2\n")
        assert points(raw) == [(121.1, 31.2)]

    def test_amaps_single_column(self, table: Loader) -> None:
        raw, findings = table('n,location\na,"121.1,31.2"\nb,\n')
        assert points(raw) == [(121.1, 31.2), None]
        assert values(findings, "table_without_coordinates") == ["3"]
        raw, findings = table('n,location\na,"31.2,121.1"\n')
        assert points(raw) == [(121.1, 31.2)]
        assert "table_latitude_first" in rules(findings)

    @pytest.mark.parametrize(
        ("cell", "degrees"),
        [
            ("121°06'03.6\"E", 121.101),
            ("121°06′03.6″", 121.101),
            ("东经121度6分3.6秒", 121.101),
            ("E121°6'3.6''", 121.101),
            ("121 ° 06 ' 03.6 \"", 121.101),
            ("121-06-03.6", 121.101),
            ("121:06:03.6", 121.101),
            ("121.06.03.6", 121.101),
            ("121.06.36", 121.11),
            ("121°06.06'E", 121.101),
            ("121.101°E", 121.101),
            ("W121°30'", -121.5),
            ("１２１．５", 121.5),
        ],
    )
    def test_degrees_minutes_and_seconds(self, cell: str, degrees: float) -> None:
        assert _parsed(cell, "x") == pytest.approx(degrees, abs=1e-11)

    @pytest.mark.parametrize(
        "cell", ["31°10'N", "121°66'03\"", "121°06'63\"", "一二一", "121,5", "#N/A", "nan", "inf", "121°6.5'3\""]
    )
    def test_what_is_no_longitude(self, cell: str) -> None:
        assert _parsed(cell, "x") is None

    @given(st.integers(0, 179), st.integers(0, 59), st.integers(0, 59_999))
    def test_any_angle(self, degrees: int, minutes: int, milliseconds: int) -> None:
        written = f"{degrees}°{minutes:02}'{milliseconds / 1000:06.3f}\"E"
        expected = (degrees * 3_600_000 + minutes * 60_000 + milliseconds) / 3_600_000
        assert _parsed(written, "x") == pytest.approx(expected, abs=1e-11)

    def test_an_angle_that_may_be_two_is_refused(self, table: Loader) -> None:
        with pytest.raises(SourceError, match=r"row 2: '121\.06\.032' in column 'lon' may be read in several ways"):
            table("n,lon,lat\na,121.06.032,31.10.205\n")

    @pytest.mark.parametrize("fields", [{}, {"x_field": "lon", "y_field": "lat"}])
    def test_exchanged_degrees_are_refused_with_the_remedy(self, table: Loader, fields: dict[str, str]) -> None:
        with pytest.raises(SourceError, match="longitude and latitude are exchanged"):
            table("n,lon,lat\na,31.1,121.2\nb,31.2,121.3\n", **fields)

    def test_a_declared_datum_needs_no_warning(self, table: Loader) -> None:
        raw, findings = table("n,lon,lat\na,121,31\n", datum="gcj02")
        assert raw.frame.crs is None
        assert "table_datum_not_stated" not in rules(findings)

    @pytest.mark.parametrize(("datum", "said"), [("gcj02", [("error", "3, 5")]), ("", [])])
    def test_rows_outside_the_declared_datum_are_named(self, table: Loader, datum: str, said: list) -> None:
        options = {"datum": datum} if datum else {}
        raw, findings = table("n,lon,lat\na,121.2,31\nb,12.6512,31\nc,121,31.5\nd,121.3,0.1\ne,121,31\n", **options)
        assert [(str(f.severity), f.value) for f in findings if f.rule == "table_outside_datum"] == said
        assert [p is not None for p in points(raw)] == [True, not datum, True, not datum, True]

    def test_single_rows_that_cant_be_are_named_and_kept(self, table: Loader) -> None:
        raw, findings = table("n,lon,lat\na,121,31\nb,121,131\nc,x,31\nd,,\ne,0,0\nf,121.5,31\ng,121.5,31.5\n")
        assert [p is not None for p in points(raw)] == [True, False, False, False, False, True, True]
        said = {f.rule: (str(f.severity), f.value) for f in findings if f.severity is not Severity.INFO}
        assert said == {
            "table_outside_degrees": ("error", "3"),
            "table_bad_coordinates": ("error", "4"),
            "table_without_coordinates": ("warning", "5"),
            "table_zero_coordinates": ("warning", "6"),
            "table_datum_not_stated": ("warning", "lon, lat"),
        }

    @pytest.mark.parametrize("east", [512345.6, 40512345.6])
    def test_surveyors_x_is_north(self, table: Loader, east: float) -> None:
        raw, findings = table(f"点号,X坐标(m),Y坐标(m)\n1,3450123.4,{east}\n")
        assert points(raw) == [(east, 3450123.4)]
        assert "table_x_is_north" in rules(findings)
        raw, findings = table(f"点号,x,y\n1,{east},3450123.4\n")
        assert points(raw) == [(east, 3450123.4)]
        assert "table_x_is_north" not in rules(findings)
        raw, findings = table(f"点号,纵坐标,横坐标\n1,3450123.4,{east}\n")
        assert points(raw) == [(east, 3450123.4)]
        assert "table_x_is_north" not in rules(findings)

    def test_a_declared_system_of_other_sizes_isnt_turned(self, table: Loader) -> None:
        text = "n,x,y\na,3450123,512345\n"
        assert points(table(text, crs="EPSG:3857")[0]) == [(3450123, 512345)]
        assert points(table(text, crs="EPSG:4549")[0]) == [(512345, 3450123)]

    def test_names_against_numbers_are_refused(self, table: Loader) -> None:
        with pytest.raises(SourceError, match='x_field = "北坐标" and y_field = "东坐标"'):
            table("n,东坐标,北坐标\na,3450123,512345\n")
        with pytest.raises(SourceError, match="hold no degrees"):
            table("n,经度,纬度\na,512345,3450123\n")
        with pytest.raises(SourceError, match="row 2: columns lon, lat hold no coordinates: 'foo', 'bar'"):
            table("n,lon,lat\na,foo,bar\n")

    def test_several_columns_have_to_be_chosen(self, table: Loader) -> None:
        text = "起点经度,起点纬度,终点经度,终点纬度\n121,31,121.1,31.1\n"
        with pytest.raises(SourceError, match="several columns hold coordinates"):
            table(text)
        assert points(table(text, x_field="终点经度", y_field="终点纬度")[0]) == [(121.1, 31.1)]
        raw, findings = table("lng,lat,bd_lng,bd_lat\n121,31,121.1,31.1\n")
        assert points(raw) == [(121, 31)]
        assert values(findings, "table_other_coordinates") == ["bd_lng, bd_lat"]
        with pytest.raises(SourceError, match="no column 'lonn'; known: lat, lng"):
            table("lng,lat\n121,31\n", x_field="lonn", y_field="lat")
        with pytest.raises(SourceError, match="belong together"):
            table("lng,lat\n121,31\n", x_field="lng")

    def test_names_alone_make_no_coordinates(self, table: Loader) -> None:
        raw, _ = table("x,y\nfoo,bar\n")
        assert not raw.spatial
        assert raw.frame.geometry.isna().all()
        raw, findings = table("n,lon\na,121\n")
        assert not raw.spatial
        assert values(findings, "table_half_coordinates") == ["lon"]

    def test_decimal_commas_in_coordinates(self, table: Loader) -> None:
        raw, _ = table("n;lon;lat\na;121,15;31,1\nb;121,2567;31,2\n")
        assert points(raw) == [(121.15, 31.1), (121.2567, 31.2)]
        with pytest.raises(SourceError, match="hold no coordinates: '121,155'"):
            table("n;lon;lat\na;121,155;31,123\n")


class TestGeometries:
    def test_well_known_text_with_a_system(self, table: Loader) -> None:
        raw, findings = table(
            'id,geom\n1,SRID=4490;POINT(121 31)\n2,"SRID=4490;POLYGON((0 0,1 0,1 1,0 0))"\n'
            '3,\n4,"SRID=4490;POLYGON((0 0,1 0"\n'
        )
        assert raw.frame.crs == "EPSG:4490"
        assert [None if g is None else g.geom_type for g in raw.frame.geometry] == ["Point", "Polygon", None, None]
        assert values(findings, "table_bad_geometry") == ["5"]
        assert values(findings, "table_without_coordinates") == ["4"]
        assert "geom" not in raw.frame

    def test_binary_and_named_columns(self, table: Loader) -> None:
        point = shapely.to_wkb(shapely.set_srid(shapely.Point(121, 31), 4326), hex=True, include_srid=True)
        raw, _ = table(f"id,wkb_geometry\n1,{point}\n")
        assert (points(raw), raw.frame.crs) == ([(121, 31)], "EPSG:4326")
        for marked in (f"\\x{point}", f"0x{point}"):
            assert points(table(f"id,geom\n1,{marked}\n")[0]) == [(121, 31)]
        raw, _ = table(f"id,边界\n1,{point}\n", wkt_field="边界")
        assert points(raw) == [(121, 31)]

    def test_arcs_become_chords_and_are_said(self, table: Loader) -> None:
        # half a disc of radius 100 and a straight edge; a whole disc of two arcs as binary
        half = "CURVEPOLYGON(COMPOUNDCURVE(CIRCULARSTRING(0 0,100 100,200 0),(200 0,0 0)))"
        raw, findings = table(
            f'id,wkt\n1,"{half}"\n2,"GEOMETRYCOLLECTION(CIRCULARSTRING(0 0,1 1,2 0))"\n', crs="EPSG:4549"
        )
        assert raw.frame.area[0] == pytest.approx(math.pi * 100**2 / 2, rel=1e-5)
        assert raw.frame.length[1] == pytest.approx(math.pi, rel=1e-4)
        assert rules(findings, above_info=True) == {"curves_straightened"}
        arcs = struct.pack("<BII10d", 1, 8, 5, 0, 0, 100, 100, 200, 0, 100, -100, 0, 0)
        disc = struct.pack("<BII", 1, 10, 1) + arcs
        raw, findings = table(f"id,wkb\n1,{disc.hex()}\n", crs="EPSG:4549")
        assert raw.frame.area[0] == pytest.approx(math.pi * 100**2, rel=1e-5)
        assert rules(findings, above_info=True) == {"curves_straightened"}

    def test_geometries_nested_without_end_are_refused(self, table: Loader) -> None:
        deep = "GEOMETRYCOLLECTION(" * 100_000 + "POINT(1 2)" + ")" * 100_000
        raw, findings = table(f'id,wkt\n1,"{deep}"\n2,POINT(1 2)\n')
        assert points(raw) == [None, (1, 2)]
        assert values(findings, "table_bad_geometry") == ["2"]
        deep = struct.pack("<BII", 1, 7, 1) * 100_000 + shapely.Point(1, 2).wkb
        with pytest.raises(SourceError, match="row 2"):
            table(f"id,wkb\n1,{deep.hex()}\n")

    def test_a_single_column_whose_commas_are_its_own(self, table: Loader) -> None:
        raw, _ = table("wkt\nPOLYGON((0 0,1 0,1 1,0 0))\nPOLYGON((0 0,2 0,2 2,0 2,0 0))\n")
        assert list(raw.frame.area) == [0.5, 4]

    @pytest.mark.parametrize(
        ("text", "why"),
        [
            ('id,wkt\n1,"POLYGON((0 0,1"\n', "row 2: column 'wkt' holds no geometry"),
            ("id,wkt\n1,SRID=4490;POINT(1 2)\n2,SRID=4326;POINT(1 2)\n", "several systems"),
            ("id,wkt\n1,SRID=999999;POINT(1 2)\n", "SRID 999999, which isn't known"),
            ("id,wkt\n1,POINT(31 121)\n", "longitude and latitude are exchanged"),
            ("id,a,b\n1,POINT(1 2),POINT(3 4)\n", 'say which with wkt_field = "..."'),
        ],
    )
    def test_what_cant_be_read(self, table: Loader, text: str, why: str) -> None:
        with pytest.raises(SourceError, match=why):
            table(text)


def test_digits_that_are_told_to_be_text_lose_what_tells_it(table: Loader) -> None:
    raw, _ = table('编码,"名称",v\n="0101",a,1\n"=""0102""",="b",2\n')
    assert raw.frame.drop(columns=["feature_id", "geometry"]).to_numpy().tolist() == [
        ["0101", "a", 1],
        ["0102", "b", 2],
    ]


def test_a_second_byte_order_mark_is_no_part_of_the_first_name(table: Loader) -> None:
    raw, _ = table("\ufeffx坐标,y坐标\n510000,3450000\n", encoding="utf-8-sig", crs="EPSG:4549")
    assert points(raw) == [(510000, 3450000)]


def test_a_number_beyond_any_stays_text(table: Loader) -> None:
    raw, _ = table("a\n1e400\n2\n")
    assert raw.frame["a"].tolist() == ["1e400", "2"]


@pytest.mark.parametrize(
    ("names", "datum"), [("gcj02_lng,gcj02_lat", "gcj02"), ("百度经度,百度纬度", "bd09"), ("bd_lon,bd_lat", "bd09")]
)
def test_columns_called_after_a_shifted_datum_need_it_declared(table: Loader, names: str, datum: str) -> None:
    text = f"名称,{names}\na,121.1,31.1\n"
    for options in ({}, {"crs": "EPSG:4326"}):
        raw, findings = table(text, **options)
        assert points(raw) == [(121.1, 31.1)]
        (said,) = (f for f in findings if f.rule == "table_datum_by_name")
        assert said.severity is Severity.ERROR
        assert f'datum = "{datum}"' in said.action
    for declared in (datum, "wgs84"):
        assert "table_datum_by_name" not in rules(table(text, datum=declared)[1])


def test_the_end_mark_of_dos_is_no_row_and_a_pointer_of_git_no_table(table: Loader) -> None:
    raw, _ = table("x,y\n1,2\n\x1a", crs="EPSG:4549")
    assert points(raw) == [(1, 2)]
    with pytest.raises(SourceError, match="git lfs pull"):
        table("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")


class TestPair:
    @pytest.mark.parametrize("between", ["，", "；", "、", ", "])
    def test_any_comma_between_them(self, table: Loader, between: str) -> None:
        raw, _ = table(f'名称,坐标\na,"121.1{between}31.1"\nb,"121.2{between}31.2"\n')
        assert points(raw) == [(121.1, 31.1), (121.2, 31.2)]

    def test_a_cell_that_is_none_is_named_and_the_others_are_read(self, table: Loader) -> None:
        raw, findings = table('name,location\na,"121.1,31.1"\nb,未知\nc,31\nd,\ne,"121.2,31.2"\n')
        assert points(raw) == [(121.1, 31.1), None, None, None, (121.2, 31.2)]
        assert values(findings, "table_bad_coordinates") == ["3, 4"]
        assert values(findings, "table_without_coordinates") == ["5"]

    def test_addresses_are_no_coordinates(self, table: Loader) -> None:
        raw, _ = table("name,location\na,青浦区 公园路\nb,公园路 100\n")
        assert not raw.spatial


Sheets = Callable[..., Path]


@pytest.fixture
def workbook(tmp_path: Path) -> Sheets:
    """A workbook that openpyxl writes: ``workbook(lambda book, sheet: sheet.append([...]))``."""

    def write(fill: Callable, name: str = "t.xlsx") -> Path:
        import openpyxl

        book = openpyxl.Workbook()
        fill(book, book.active)
        book.save(tmp_path / name)
        return tmp_path / name

    return write


def rewritten(path: Path, change: Callable[[str, bytes], bytes], **more: bytes) -> Path:
    """The workbook with its parts changed."""
    target = path.with_name("changed.xlsx")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
        for name, data in more.items():
            new.writestr(name, data)
    return target


class TestWorkbooks:
    def test_a_planners_sheet(self, workbook: Sheets) -> None:
        """A title, a header of two rows, codes that Excel holds as numbers, an error, dates."""
        import datetime

        def fill(book: object, sheet: object) -> None:
            sheet["A1"] = "青浦区公共设施一览表"
            for cell, text in {
                "A2": "名称",
                "B2": "代码",
                "C2": "坐标",
                "C3": "经度",
                "D3": "纬度",
                "E2": "日期",
            }.items():
                sheet[cell] = text
            for merged in ("A1:E1", "A2:A3", "B2:B3", "C2:D2", "E2:E3"):
                sheet.merge_cells(merged)
            sheet.append(["学校", 310118001.0, 121.05, 31.1, datetime.datetime(2024, 12, 31)])
            sheet.append(["#N/A", 310118002, "121.06", "31.2", True])
            sheet["A5"].data_type = "e"

        raw, findings = load(workbook(fill))
        assert list(raw.frame.columns) == ["feature_id", "名称", "代码", "坐标 经度", "坐标 纬度", "日期", "geometry"]
        assert list(raw.frame["代码"]) == ["310118001", "310118002"]
        assert list(raw.frame["日期"]) == ["2024-12-31", "TRUE"]
        assert points(raw) == [(121.05, 31.1), (121.06, 31.2)]
        assert list(raw.frame.feature_id) == ["4", "5"]
        assert values(findings, "table_header_found") == ["2"]
        assert values(findings, "table_error_cells") == ["A5 #N/A"]
        assert rules(findings, above_info=True) == {"table_error_cells", "table_datum_not_stated"}

    def test_sheets_are_layers(self, workbook: Sheets) -> None:
        def fill(book: object, sheet: object) -> None:
            sheet.append(["a"])
            book.create_sheet("空")
            book.create_sheet("二").append(["b"])
            hidden = book.create_sheet("隐")
            hidden.append(["c"])
            hidden.sheet_state = "hidden"

        path = workbook(fill)
        assert layers(path, "x") == ("Sheet", "二")
        with pytest.raises(SourceError, match=r"2 layers \(Sheet, 二\)"):
            load(path)
        raw, findings = load(path, "二")
        assert "b" in raw.frame
        assert values(findings, "table_hidden_sheets") == ["隐"]

    def test_formulas_without_values_hidden_rows_and_lost_digits(self, workbook: Sheets) -> None:
        def fill(book: object, sheet: object) -> None:
            sheet.append(["a", "b", "c"])
            sheet.append(["x", "=1+1", 12345678901234567])
            sheet.append(["y", 5, 1])
            sheet.row_dimensions[3].hidden = True
            sheet.column_dimensions["C"].hidden = True

        raw, findings = load(workbook(fill))
        assert len(raw.frame) == 2
        said = {f.rule: (str(f.severity), f.value) for f in findings}
        assert said["table_formulas_without_values"] == ("error", "B2")
        assert said["table_digits_lost"] == ("error", "C2")
        assert said["table_hidden_cells"] == ("warning", "1 + 1")

    def test_formulas_with_values_are_read(self, workbook: Sheets) -> None:
        path = workbook(lambda book, sheet: (sheet.append(["a", "b"]), sheet.append(["=1+1", "x"])))

        def computed(name: str, data: bytes) -> bytes:
            return data.replace(b"<v></v>", b"<v>2</v>").replace(b"<v />", b"<v>2</v>").replace(b"<v/>", b"<v>2</v>")

        raw, findings = load(rewritten(path, computed))
        assert raw.frame["a"].tolist() == [2]
        assert not rules(findings)

    def test_rows_that_stand_twice_are_refused(self, workbook: Sheets) -> None:
        path = workbook(lambda book, sheet: [sheet.append(row) for row in (["a"], ["x"], ["y"])])
        twice = rewritten(path, lambda name, data: data.replace(b'<row r="3"', b'<row r="2"'))
        with pytest.raises(SourceError, match="row 2 of the sheet stands twice"):
            load(twice)

    def test_strict_workbooks_are_called_so(self, workbook: Sheets) -> None:
        path = workbook(lambda book, sheet: sheet.append(["a"]))
        usual = b"http://schemas.openxmlformats.org/spreadsheetml/2006/main"
        strict = rewritten(
            path, lambda name, data: data.replace(usual, b"http://purl.oclc.org/ooxml/spreadsheetml/main")
        )
        with pytest.raises(SourceError, match="strict Open XML"):
            load(strict)

    def test_merged_words_are_repeated_numbers_arent(self, workbook: Sheets) -> None:
        def fill(book: object, sheet: object) -> None:
            for row in (["镇", "DLBM", "面积"], ["金泽", 101, 5], [None, 1101, None]):
                sheet.append(row)
            sheet["B2"].number_format = "0000"
            sheet.merge_cells("A2:A3")
            sheet.merge_cells("C2:C3")

        raw, findings = load(workbook(fill))
        assert list(raw.frame["镇"]) == ["金泽", "金泽"]
        assert list(raw.frame["DLBM"]) == ["0101", "1101"]
        assert raw.frame["面积"].sum() == 5
        assert values(findings, "table_merged_cells") == ["2"]

    def test_damaged_locked_and_hostile_ones_are_refused(self, workbook: Sheets) -> None:
        path = workbook(lambda book, sheet: sheet.append(["a", "b"]))
        whole = path.read_bytes()
        cases: dict[str, bytes] = {
            "cut": whole[: len(whole) // 2],
            "old Excel format": b"\xd0\xcf\x11\xe0" + b"\0" * 99,
            "protected by a password": b"\xd0\xcf\x11\xe0" + "EncryptedPackage".encode("utf-16-le"),
            "no Excel workbook": b"a,b\n1,2\n",
            "declares XML entities": rewritten(
                path, lambda n, d: b'<!DOCTYPE x [<!ENTITY a "b">]>' + d if n.endswith("sheet1.xml") else d
            ).read_bytes(),
            "holds macros": rewritten(path, lambda n, d: d, **{"xl/vbaProject.bin": b"x"}).read_bytes(),
            "damaged": rewritten(path, lambda n, d: d[: len(d) // 2] if n.endswith("sheet1.xml") else d).read_bytes(),
            "takes 60 MB": rewritten(path, lambda n, d: d, **{"xl/bomb.xml": b"0" * 60_000_000}).read_bytes(),
        }
        for why, data in cases.items():
            path.write_bytes(data)
            with pytest.raises(SourceError, match=why):
                load(path)

    def test_an_empty_one(self, workbook: Sheets) -> None:
        with pytest.raises(SourceError, match="empty"):
            layers(workbook(lambda book, sheet: None), "x")

    @pytest.mark.parametrize("suffix", [".xls", ".xlsm", ".xlsb", ".ods", ".et"])
    def test_other_formats_say_what_to_do(self, tmp_path: Path, suffix: str) -> None:
        path = tmp_path / f"t{suffix}"
        path.write_bytes(b"x")
        with pytest.raises(SourceError, match=r"save it as \.xlsx"):
            layers(path, path.name)


@pytest.mark.skipif(not BAD.is_dir(), reason="the shared data isn't there")
class TestRealFiles:
    def test_header_with_line_break(self) -> None:
        raw, _ = load(BAD / "gdal_header_with_line_break" / "header_with_line_break.csv")
        assert len(raw.frame.columns) == 7 + 2
        assert raw.frame["Column with a line break"].tolist() == [3, 6, 9]
        assert not raw.spatial

    def test_well_known_text(self) -> None:
        raw, _ = load(BAD / "ms_wkt" / "wkt.csv")
        assert points(raw) == [(8.8249, 47.2274), (8.5435, 47.3768), (7.4397, 46.9487)]
        assert list(raw.frame["city"].fillna("")) == ["Rapperswil", "Zürich", ""]
        assert raw.frame.crs is None

    def test_metro(self) -> None:
        stops, _ = load(BAD / "shanghai_metro_od" / "metrostop2.csv")
        flows, _ = load(BAD / "shanghai_metro_od" / "metrodata-sample.csv")
        assert stops.spatial
        assert points(stops)[0] == (121.29487927379664, 31.19026886327993)
        assert not flows.spatial
        assert flows.frame["FLOW"].tolist()[:2] == [1223, 1785]
