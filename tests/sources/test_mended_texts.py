"""Files that say too little or something odd of themselves: what is mended is said, what can't be told is refused."""

from __future__ import annotations

import json
import struct
import zipfile
from pathlib import Path

import pytest
import shapely

from qpgis.errors import SourceError
from qpgis.findings import Findings, Severity
from qpgis.sources import Request, dxf, geojson, gml, osm, shapefile, tabular
from qpgis.sources.archives import unpacked

HERE = "121.12 31.15"


def ask(path: Path, **options: str) -> tuple[Request, Findings]:
    findings = Findings("en")
    return Request(path, path.name, "", findings, **options), findings


def said(findings: Findings, rule: str) -> list[str]:
    return [str(f.value) for f in findings if f.rule == rule]


def drawing(path: Path, *entities: str) -> Path:
    """A DXF of nothing but entities; groups are parted by bars."""
    groups = "|".join(["0 SECTION", "2 ENTITIES", *entities, "0 ENDSEC", "0 EOF"]).split("|")
    path.write_text("".join(f"{code}\n{value}\n" for code, _, value in (group.partition(" ") for group in groups)))
    return path


def polyline(count: int, closed: int = 1) -> str:
    head = f"0 LWPOLYLINE|5 A1|100 AcDbEntity|8 0|100 AcDbPolyline|90 {count}|70 {closed}"
    return f"{head}|10 0|20 0|10 100|20 0|10 100|20 100"


LINE = "0 LINE|5 B2|8 0|10 0|20 0|11 9|21 9"


@pytest.mark.parametrize("head", [(), ("0 SECTION|2 HEADER|9 $INSUNITS|70 6|0 ENDSEC",)])
def test_a_drawing_without_version_keeps_closed_outlines(tmp_path: Path, head: tuple[str, ...]) -> None:
    path = drawing(tmp_path / "a.dxf", polyline(3), polyline(3, closed=0).replace("A1", "A2"))
    if head:
        groups = "".join("{}\n{}\n".format(*group.split(" ")) for group in head[0].split("|"))
        path.write_text(groups + path.read_text())
    raw = dxf.read(ask(path)[0])
    assert raw.frame.geom_type.tolist() == ["Polygon", "LineString"]
    assert raw.frame.area.tolist() == [5000, 0]


def test_a_wrong_count_of_vertices_is_said(tmp_path: Path) -> None:
    faces = "0 3DFACE|8 0|10 0|20 0|30 0|11 1|21 0|31 0|12 1|22 1|32 0|13 0|23 1|33 0"
    request, findings = ask(
        drawing(tmp_path / "a.dxf", polyline(400000000), faces, polyline(3).replace("A1", "A2"), faces)
    )
    assert dxf.read(request).frame.area.tolist() == [5000, 5000]
    assert [(f.feature_id, f.value) for f in findings if f.rule == "dxf_vertex_count"] == [("A1", "400000000")]


def test_decimal_commas_are_refused_with_their_line(tmp_path: Path) -> None:
    path = drawing(tmp_path / "a.dxf", LINE.replace("10 0|", "10 500000,5|"))
    line = path.read_text().split("\n").index("500000,5") + 1
    with pytest.raises(SourceError, match=f"LINE B2, line {line}: '500000,5' has a decimal comma"):
        dxf.read(ask(path)[0])


def test_commas_in_texts_are_no_decimal_commas(tmp_path: Path) -> None:
    path = drawing(tmp_path / "a.dxf", "0 TEXT|8 0|10 1|20 2|40 2.5|1 500000,5")
    assert dxf.read(ask(path)[0]).frame["text"].tolist() == ["500000,5"]


@pytest.mark.parametrize(
    "broken",
    [
        "0 LINE|5 C3|8 0|10 500000|11 9|21 9",
        "0 POLYLINE|5 C3|8 0|66 1|0 VERTEX|8 0|10 1|20 1|0 VERTEX|8 0|10 5|0 VERTEX|8 0|10 9|20 1|0 SEQEND",
    ],
)
def test_no_y_is_made_up(tmp_path: Path, broken: str) -> None:
    request, findings = ask(drawing(tmp_path / "a.dxf", LINE, broken, polyline(3)))
    assert dxf.read(request).frame.geom_type.tolist() == ["LineString", "Polygon"]
    named = [f for f in findings if f.rule == "dxf_entity_unreadable"]
    assert [f.severity for f in named] == [Severity.ERROR]
    assert [f.feature_id for f in named] == ["C3"]
    assert all(said(findings, "dxf_recovered"))
    assert not said(findings, "dxf_entities_lost")


def test_a_line_without_start_has_no_shape(tmp_path: Path) -> None:
    request, findings = ask(drawing(tmp_path / "a.dxf", LINE, "0 LINE|5 D4|8 0|11 9|21 9"))
    assert dxf.read(request).frame.geometry.isna().tolist() == [False, True]
    assert [f.feature_id for f in findings if f.rule == "dxf_entity_unreadable"] == ["D4"]


def test_big5_is_not_taken_for_gb18030(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("名稱,lon,lat\n臺北市立醫院,121.12,31.15\n".encode("big5"))
    with pytest.raises(SourceError, match="encoding of its text can't be told"):
        tabular.read(ask(path)[0])
    assert tabular.read(ask(path, encoding="big5")[0]).frame["名稱"].tolist() == ["臺北市立醫院"]


@pytest.mark.parametrize("delimiter", [";", ",", "\t"])
def test_excel_says_its_delimiter(tmp_path: Path, delimiter: str) -> None:
    path = tmp_path / "a.csv"
    rows = [["name", "lon", "lat"], ["a", "121.12", "31.15"]]
    path.write_text(f"sep={delimiter}\n" + "".join(delimiter.join(row) + "\n" for row in rows))
    raw = tabular.read(ask(path)[0])
    assert raw.frame.geometry.to_wkt().tolist() == [f"POINT ({HERE})"]
    assert raw.frame["feature_id"].tolist() == ["3"]


def test_a_header_of_decimals_may_be_data(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a,121.12,31.15\nb,121.2,31.2\n")
    request, findings = ask(path)
    tabular.read(request)
    assert said(findings, "table_header_like_data") == ["121.12, 31.15"]
    path.write_text("code,2020,2021\nb,1,2\n")
    request, findings = ask(path)
    tabular.read(request)
    assert not said(findings, "table_header_like_data")


def test_a_column_called_geometry_is_one(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('id,geometry\n1,"{""type"":""Point"",""coordinates"":[121,31]}"\n')
    request, findings = ask(path)
    assert tabular.read(request).frame["geometry (2)"][0].startswith('{"type"')
    assert said(findings, "table_geometry_unread") == ["geometry (2)"]
    assert not said(findings, "table_duplicate_column")


def test_some_rows_may_name_the_declared_system(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"id,WKT\n1,POINT ({HERE})\n2,SRID=4326;POINT ({HERE})\n")
    request, findings = ask(path, crs="EPSG:4326")
    assert tabular.read(request).frame.crs.to_epsg() == 4326
    assert said(findings, "table_srid_partly") == ["4326"]
    for options in ({}, {"crs": "EPSG:4490"}):
        with pytest.raises(SourceError, match="some of its geometries name SRID 4326, 1 name none"):
            tabular.read(ask(path, **options)[0])


def extract(path: Path, body: str) -> Path:
    path.write_text(f'<?xml version="1.0"?><osm version="0.6">{body}</osm>')
    return path


def test_nodes_are_on_earth(tmp_path: Path) -> None:
    path = extract(tmp_path / "a.osm", '<node id="7" lat="131" lon="121"/>')
    with pytest.raises(SourceError, match="node/7 is nowhere on Earth"):
        osm.summary(path, path.name)


def test_ways_without_all_nodes_are_counted(tmp_path: Path) -> None:
    nodes = '<node id="1" lat="31" lon="121"/><node id="2" lat="31.1" lon="121"/>'
    ways = ([1, 2], [1, 99], [98, 2], [1])
    written = "".join(
        f'<way id="{n}">' + "".join(f'<nd ref="{ref}"/>' for ref in refs) + "</way>" for n, refs in enumerate(ways, 1)
    )
    findings = Findings("en")
    assert osm.summary(extract(tmp_path / "a.osm", nodes + written), "a.osm", findings).ways == 4
    assert said(findings, "osm_ways_incomplete") == ["2"]


def test_backslashes_part_folders(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(zipfile.ZipInfo("dir\\"), b"")
        archive.writestr(zipfile.ZipInfo("dir\\sub\\a.geojson"), b"{}")
    with unpacked(path, what="a.zip") as folder:
        assert [p.relative_to(folder).as_posix() for p in folder.rglob("*.geojson")] == ["dir/sub/a.geojson"]


def written(folder: Path, cpg: str = "UTF-8") -> Path:
    import geopandas as gpd

    squares = [shapely.box(500000 + n * 100, 3440000, 500100 + n * 100, 3440100) for n in (0, 1)]
    gpd.GeoDataFrame({"name": ["青浦区", "松江区"]}, geometry=squares, crs=4549).to_file(
        folder / "a.shp", encoding="gbk"
    )
    (folder / "a.cpg").write_text(cpg)
    return folder / "a.shp"


@pytest.mark.parametrize("cpg", ["OEM", "ANSI\r\n"])
def test_a_cpg_without_number_says_nothing(tmp_path: Path, cpg: str) -> None:
    request, findings = ask(written(tmp_path, cpg))
    assert shapefile.read(request).frame["name"].tolist() == ["青浦区", "松江区"]
    assert said(findings, "cpg_says_nothing") == [cpg.strip()]


@pytest.mark.parametrize("listed", [True, False])
@pytest.mark.parametrize("rest", [b"\0" * 50, b"\x7f" * 50])
def test_bytes_after_the_stated_end_are_said(tmp_path: Path, rest: bytes, *, listed: bool) -> None:
    path = written(tmp_path, "GBK")
    path.write_bytes(path.read_bytes() + rest)
    if not listed:
        path.with_suffix(".shx").unlink()
    request, findings = ask(path)
    assert shapefile.read(request).frame.area.tolist() == [10000, 10000]
    assert said(findings, "shp_length_odd") == [str(path.stat().st_size - 50)]


def test_a_cut_record_is_still_refused(tmp_path: Path) -> None:
    path = written(tmp_path, "GBK")
    data = path.read_bytes()
    assert struct.unpack_from(">i", data, 24)[0] * 2 == len(data)
    path.write_bytes(data[:-50])
    with pytest.raises(SourceError, match="cut off"):
        shapefile.read(ask(path)[0])


GML = (
    '<?xml version="1.0"?><ogr:FeatureCollection xmlns:ogr="http://ogr.maptools.org/" '
    'xmlns:gml="http://www.opengis.net/gml"><gml:boundedBy><gml:Box srsName="{}"><gml:coordinates>121,31 122,32'
    "</gml:coordinates></gml:Box></gml:boundedBy><gml:featureMember><ogr:a><ogr:geometryProperty><gml:Point>"
    "<gml:coordinates>121,31</gml:coordinates></gml:Point></ogr:geometryProperty></ogr:a></gml:featureMember>"
    "</ogr:FeatureCollection>"
)


def test_the_box_around_gml_names_the_system(tmp_path: Path) -> None:
    path = tmp_path / "a.gml"
    path.write_text(GML.format("EPSG:4326"))
    request, findings = ask(path)
    frame = gml.read(request).frame
    assert frame.crs.to_epsg() == 4326
    assert frame.geometry.to_wkt().tolist() == ["POINT (121 31)"]
    assert said(findings, "gml_system_around") == ["EPSG:4326"]
    path.write_text(GML.format("EPSG:999999"))
    with pytest.raises(SourceError, match="PROJ doesn't know"):
        gml.read(ask(path)[0])


def features(path: Path, *systems: str) -> Path:
    point = {"type": "Point", "coordinates": [40500000, 3440000]}
    rows = [
        {"type": "Feature", "properties": {}, "geometry": point, "crs": {"type": "name", "properties": {"name": name}}}
        for name in systems
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": rows}))
    return path


def test_a_system_within_a_feature_is_said(tmp_path: Path) -> None:
    request, findings = ask(features(tmp_path / "a.geojson", "EPSG:4528", "EPSG:4528"))
    assert geojson.read(request).frame.crs.to_epsg() == 4528
    assert len(said(findings, "geojson_crs_in_feature")) == 1
    with pytest.raises(SourceError, match="different reference systems"):
        geojson.read(ask(features(tmp_path / "b.geojson", "EPSG:4528", "EPSG:4527"))[0])
