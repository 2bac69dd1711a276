"""KML, KMZ and GML: every placemark and feature is there or named, axes are right, nothing is fetched or written."""

from __future__ import annotations

import json
import math
import re
import socket
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import geopandas as gpd
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qpgis.errors import SourceError
from qpgis.findings import Finding
from qpgis.sources import RawFeatures, Request, gml, kml
from qpgis.sources.xml import MOST_DEEP
from tests.conftest import SHARED_DATA

BAD = SHARED_DATA / "bad_inputs" / "kml_gml"
Reader = Callable[..., tuple[RawFeatures, list[Finding]]]
LAUGHS = "<!DOCTYPE x [" + "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10 if n else "ha"}">' for n in range(12)) + "]>"


@pytest.fixture
def read(tmp_path: Path) -> Reader:
    """Writes text or bytes to a file and reads it."""

    def reading(said: str | bytes, name: str = "地块.kml", **options: str) -> tuple[RawFeatures, list[Finding]]:
        path = tmp_path / name
        path.write_bytes(said.encode() if isinstance(said, str) else said)
        request = Request(path, name, "water", **options)  # type: ignore[arg-type]
        module = gml if path.suffix == ".gml" else kml
        raw = module.read(request)
        assert list(tmp_path.iterdir()) == [path], "nothing is written beside the input"
        path.unlink()
        return raw, list(request.findings)

    return reading


@pytest.fixture
def listener() -> Iterator[tuple[str, list[bytes]]]:
    """An address on this machine, and who came to it."""
    server = socket.create_server(("127.0.0.1", 0))
    server.settimeout(0.2)
    came: list[bytes] = []
    stop = threading.Event()

    def listen() -> None:
        while not stop.is_set():
            try:
                connection, _ = server.accept()
            except TimeoutError:
                continue
            came.append(connection.recv(100))
            connection.close()

    thread = threading.Thread(target=listen)
    thread.start()
    yield f"http://127.0.0.1:{server.getsockname()[1]}", came
    stop.set()
    thread.join()
    server.close()


def rules(findings: list[Finding]) -> dict[str, str]:
    return {finding.rule: str(finding.severity) for finding in findings}


def refusal(read: Reader, said: str | bytes, name: str = "地块.kml", **options: str) -> str:
    with pytest.raises(SourceError) as caught:
        read(said, name, **options)
    assert name in str(caught.value)
    return str(caught.value)


def document(*children: str, namespace: str = ' xmlns="http://www.opengis.net/kml/2.2"') -> str:
    return f"<kml{namespace}><Document>{''.join(children)}</Document></kml>"


def mark(shape: str = "<Point><coordinates>121.1,31.1</coordinates></Point>", *more: str, name: str = "甲") -> str:
    return f"<Placemark><name>{name}</name>{''.join(more)}{shape}</Placemark>"


def folder(name: str, *children: str) -> str:
    return f"<Folder><name>{name}</name>{''.join(children)}</Folder>"


def line(coordinates: str) -> str:
    return f"<LineString><coordinates>{coordinates}</coordinates></LineString>"


def ring(coordinates: str) -> str:
    return f"<LinearRing><coordinates>{coordinates}</coordinates></LinearRing>"


def polygon(outer: str, *inner: str) -> str:
    holes = "".join(f"<innerBoundaryIs>{ring(one)}</innerBoundaryIs>" for one in inner)
    return f"<Polygon><outerBoundaryIs>{ring(outer)}</outerBoundaryIs>{holes}</Polygon>"


SQUARE = "121,31 121.1,31 121.1,31.1 121,31.1 121,31"
HOLE = "121.02,31.02 121.08,31.02 121.08,31.08 121.02,31.08 121.02,31.02"


# the shared bad inputs


def shared(case: str) -> Path:
    if not (BAD / case).is_dir():
        pytest.skip(f"shared data aren't beside the project: {case}")
    return next(path for path in sorted((BAD / case).iterdir()) if path.suffix in (".kml", ".gml"))


@pytest.mark.parametrize(("case", "words"), [("d_latlon_kml", "latitude 121.4"), ("d_xxe_http", "DOCTYPE")])
def test_hostile_and_swapped_files_are_refused(case: str, words: str) -> None:
    path = shared(case)
    with pytest.raises(SourceError, match=words):
        kml.read(Request(path, path.name))


def test_tabs_between_coordinates_are_said() -> None:
    path = shared("gdal_tab_separated_coord_triplet")
    request = Request(path, path.name)
    assert [g.wkt for g in kml.read(request).frame.geometry] == ["LINESTRING (1 2, 4 5)"]
    assert rules(list(request.findings)) == {"kml_tabs": "warning"}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # what GDAL says of names and styles
def test_the_sample_of_google_is_read_as_gdal_reads_it() -> None:
    path = shared("gdal_samples")
    names = kml.layers(path, path.name)
    counts = {"Placemarks": 3, "Styles and Markup": 1, "Highlighted Icon": 1, "Paths": 6, "Google Campus": 4}
    counts |= {"Extruded Polygon": 1, "Absolute and Relative": 4}
    assert len(names) == len(counts)
    for name in names:
        request = Request(path, path.name, layer=name)
        frame = kml.read(request).frame
        assert len(frame) == counts[name]
        other = gpd.read_file(path, layer=name)
        assert list(frame["name"]) == list(other["Name"])
        assert shapely.equals_identical(
            frame.geometry.to_numpy(), shapely.force_2d(other.geometry.to_numpy())
        ).tolist() == [g is not None for g in frame.geometry]
        assert {f.severity for f in request.findings} <= {"info"}
    with pytest.raises(SourceError, match=r"it holds 7 layers \(Placemarks, "):
        kml.read(Request(path, path.name))


def test_arcs_of_gml_become_edges_that_lie_on_the_circle() -> None:
    path = shared("fiona_multicurve_gml")
    before = sorted(one.name for one in path.parent.iterdir())
    request = Request(path, path.name)
    raw = gml.read(request)
    assert sorted(one.name for one in path.parent.iterdir()) == before
    assert raw.frame.crs is None
    assert rules(list(request.findings)) == {"curves_straightened": "warning"}
    (shape,) = raw.frame.geometry
    xy = shapely.get_coordinates(shape)
    assert (xy[0].tolist(), xy[-1].tolist()) == ([-0.9105691, 47.21951], [-0.9243407, 46.72668])
    arc = xy[1:-1]
    (ax, ay), (bx, by), (cx, cy) = (1.414634, 47.17073), (2.423818, 47.48377), (1.407531, 46.72668)
    d = 2 * (ax * (by - cy) + bx * (cy - ay) + cx * (ay - by))
    a2, b2, c2 = ax * ax + ay * ay, bx * bx + by * by, cx * cx + cy * cy
    ux = (a2 * (by - cy) + b2 * (cy - ay) + c2 * (ay - by)) / d
    uy = (a2 * (cx - bx) + b2 * (ax - cx) + c2 * (bx - ax)) / d
    radii = [math.hypot(x - ux, y - uy) for x, y in arc]
    assert radii == pytest.approx([math.hypot(ax - ux, ay - uy)] * len(arc), rel=1e-9)
    turn = math.atan2(ay - uy, ax - ux) - math.atan2(cy - uy, cx - ux)
    straight = math.dist(xy[0], (ax, ay)) + math.dist((cx, cy), xy[-1])
    assert shape.length == pytest.approx(straight + radii[0] * (turn % math.tau), rel=1e-8)
    assert shape.length == pytest.approx(8.39459167219456, rel=2e-6), "SHAPE_Length of the file"


# XML


@pytest.mark.parametrize("name", ["a.kml", "a.gml"])
@pytest.mark.parametrize(
    "head",
    [
        LAUGHS,
        '<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd">',
        '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE x [<!ENTITY % p SYSTEM "http://127.0.0.1:9/p"> %p;]>',
        '<!-- fine --><?pi?>\n<!DOCTYPE x [<!ENTITY a "b">]>',
        '<!ENTITY a "b">',
    ],
)
def test_document_types_are_refused_in_every_encoding(read: Reader, name: str, head: str) -> None:
    text = f'<?xml version="1.0"?>{head}' + document(mark(name="&l11;"))
    for data in (text.encode(), text.encode("utf-8-sig"), text.encode("utf-16"), text.encode("utf-16-le")):
        assert "DOCTYPE" in refusal(read, data, name)


def test_a_document_type_within_a_description_is_only_text(read: Reader) -> None:
    page = "<!DOCTYPE html><html>&amp;</html>"
    raw, _ = read(document(mark("", f"<description><![CDATA[{page}]]></description>")))
    assert list(raw.frame["description"]) == [page]


@pytest.mark.parametrize("name", ["a.kml", "a.gml"])
def test_elements_without_end_are_refused(read: Reader, name: str) -> None:
    root = "kml" if name == "a.kml" else "gml"
    for depth in (MOST_DEEP + 1, 200_000):
        assert "deep" in refusal(read, f"<{root}>{'<Folder>' * depth}{'</Folder>' * depth}</{root}>", name)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("<!DOCTYPE html><html></html>", "web page"),
        ("<html><body>404</body></html>", "web page"),
        ('{"type": "FeatureCollection"}', "JSON"),
        (b"PK\x03\x04abc", "zip"),
        ("<osm version='0.6'></osm>", "OpenStreetMap"),
        ("<gpx></gpx>", "no KML"),
        ("hello", "no KML"),
        (" ", "no KML"),
        (document(mark())[:-3], "ends too early"),
        (document(mark()) + "junk", "line 1"),
        (document(mark(name="a&nbsp;b")), "entity"),
        ("<?xml version='1.0' encoding='klingon'?>" + document(mark()), "klingon"),
    ],
)
def test_what_is_no_kml_is_refused_by_name(read: Reader, said: str | bytes, words: str) -> None:
    assert words in refusal(read, said)


@pytest.mark.parametrize("encoding", ["GBK", "GB2312", "gb18030", "UTF-8", "utf-16", "Big5"])
def test_text_is_in_the_encoding_that_is_declared(read: Reader, encoding: str) -> None:
    text = f'<?xml version="1.0" encoding="{encoding}"?>' + document(mark(name="河流"))
    raw, findings = read(text.encode(encoding))
    assert list(raw.frame["name"]) == ["河流"]
    assert not findings


def test_bytes_that_belie_the_declared_encoding_are_refused_unless_the_true_one_is_given(read: Reader) -> None:
    data = document(mark(name="河流")).encode("gbk")
    message = refusal(read, data)
    assert f"byte {data.index('河'.encode('gbk'))}" in message
    assert 'encoding = "gbk"' in message
    raw, findings = read(data, encoding="gbk")
    assert list(raw.frame["name"]) == ["河流"]
    assert rules(findings) == {"xml_encoding": "warning"}
    assert "doesn't fit" in refusal(read, data, encoding="ascii")


# KML: folders


def test_folders_with_placemarks_are_layers(tmp_path: Path, read: Reader) -> None:
    text = document(
        mark(name="root"),
        folder("空", folder("内", mark(name="a"), mark(name="b"))),
        folder("甲", mark(name="c"), folder("水", mark(name="d"))),
        folder("乙", folder("水", mark(name="e"))),
        folder("甲", mark(name="f")),
        folder("", mark(name="g")),
    )
    path = tmp_path / "地块.kml"
    path.write_text(text, "utf-8")
    names = kml.layers(path, path.name)
    assert names == ("地块", "内", "甲", "甲 / 水", "乙 / 水", "甲 (#2)", "地块 (#2)")
    found = {name: list(kml.read(Request(path, path.name, layer=name)).frame["name"]) for name in names}
    assert list(found.values()) == [["root"], ["a", "b"], ["c"], ["d"], ["e"], ["f"], ["g"]]
    assert "no layer '丙'" in refusal(read, text, layer="丙")


@pytest.mark.parametrize(
    "namespace",
    ["", ' xmlns="http://earth.google.com/kml/2.1"', ' xmlns="http://www.opengis.net/kml/2.2"', ' xmlns="urn:x"'],
)
def test_any_version_of_kml_is_read(read: Reader, namespace: str) -> None:
    raw, _ = read(document(mark(), namespace=namespace))
    assert [g.wkt for g in raw.frame.geometry] == ["POINT (121.1 31.1)"]
    assert raw.frame.crs.to_epsg() == 4326
    assert not raw.states_crs


def test_prefixes_may_be_written_and_even_undeclared(read: Reader) -> None:
    text = document(mark()).replace("<", "<kml:").replace("<kml:/", "</kml:").replace("xmlns=", "xmlns:kml=")
    assert len(read(text)[0].frame) == 1
    raw, findings = read(document(mark("<gx:Track><gx:coord>1 2 3</gx:coord></gx:Track>")))
    assert raw.frame.geometry[0] is None
    assert rules(findings) == {"kml_no_shape": "warning"}


# KML: shapes


def test_shapes_of_all_sorts(read: Reader) -> None:
    def multi(*parts: str) -> str:
        return f"<MultiGeometry>{''.join(parts)}</MultiGeometry>"

    point = "<Point><coordinates> 121,31,5 </coordinates></Point>"
    shapes = {
        point: "POINT (121 31)",
        line("121,31\n  122,32,7 "): "LINESTRING (121 31, 122 32)",
        ring("0,0 1,0 1,1 0,0"): "LINESTRING (0 0, 1 0, 1 1, 0 0)",
        polygon("0,0 9,0 9,9 0,0", "5,1 6,1 6,2 5,1"): "POLYGON ((0 0, 9 0, 9 9, 0 0), (5 1, 6 1, 6 2, 5 1))",
        multi(point): "MULTIPOINT ((121 31))",
        multi(point, point.replace("121", "122")): "MULTIPOINT ((121 31), (122 31))",
        multi(line("0,0 1,1"), multi(line("2,2 3,3"))): "MULTILINESTRING ((0 0, 1 1), (2 2, 3 3))",
        multi(polygon("0,0 9,0 9,9 0,0")): "MULTIPOLYGON (((0 0, 9 0, 9 9, 0 0)))",
        multi(point, line("0,0 1,1")): "GEOMETRYCOLLECTION (POINT (121 31), LINESTRING (0 0, 1 1))",
        "<MultiPolygon>" + polygon("0,0 9,0 9,9 0,0") + "</MultiPolygon>": "MULTIPOLYGON (((0 0, 9 0, 9 9, 0 0)))",
        multi(): None,
        "": None,
        "<Polygon/>": None,
        line(" \n "): None,
        polygon(""): None,
        "<Model><Location/></Model>": None,
    }
    raw, findings = read(document(*map(mark, shapes)))
    assert [g and g.wkt for g in raw.frame.geometry] == list(shapes.values())
    assert {f.rule: f.feature_id for f in findings} == {"kml_no_shape": "placemark 15 ('甲')"}


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        (line("121,31 122"), "122"),
        (line("121,31 122,32,1,5"), "no tuple"),
        (line("121,31 122,x"), "'122,x'"),
        (line("121,31 122,"), "tuples of numbers"),
        (line("121,31 nan,31"), "nan"),
        (line("121,31 1_2,31"), "1_2"),
        (line("121,31 1e999,31"), "too large"),
        (line("121,31"), "line"),
        (line("121;31 122;31"), "121;31"),
        (line("121°5′,31"), "121°5′"),
        ("<Point><coordinates>1,2 3,4</coordinates></Point>", "2 positions"),
        (polygon("0,0 1,1 0,0"), "ring"),
        (polygon("", HOLE), "ring"),
        (f"<Polygon><innerBoundaryIs>{ring(HOLE)}</innerBoundaryIs></Polygon>", "0 outer rings"),
        (polygon(SQUARE).replace("</outer", f"{ring(HOLE)}</outer"), "2 outer rings"),
        ("<Point><coordinates>31.1,121.1</coordinates></Point>", "swapped"),
        ("<Point><coordinates>600000,3450000</coordinates></Point>", "EPSG:4549"),
        (line("179,1 -179,1"), "antimeridian"),
    ],
)
def test_broken_coordinates_are_refused_with_the_placemark(read: Reader, shape: str, words: str) -> None:
    message = refusal(read, document(mark(name="好"), mark(shape, name="坏")))
    assert "placemark 1 ('坏')" in message
    assert words in message


def test_blanks_beside_commas_and_open_rings_are_mended_and_said(read: Reader) -> None:
    raw, findings = read(
        document(mark(line("121, 31 122 ,32")), mark(polygon(SQUARE.removesuffix(" 121,31")), name="乙"))
    )
    assert raw.frame.geometry[0].wkt == "LINESTRING (121 31, 122 32)"
    assert raw.frame.geometry[1].equals(shapely.box(121, 31, 121.1, 31.1))
    assert {f.rule: f.feature_id for f in findings} == {
        "kml_spaces": "placemark 0 ('甲')",
        "text_ring_closed": "placemark 1 ('乙')",
    }


positions = st.tuples(st.floats(100, 140), st.floats(-90, 90))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(st.lists(st.lists(positions, min_size=2, max_size=6), min_size=1, max_size=5))
def test_coordinates_are_exact_and_gdal_reads_the_same(
    read: Reader, tmp_path_factory: pytest.TempPathFactory, lines: list[list[tuple[float, float]]]
) -> None:
    text = document(*(mark(line(" ".join(f"{x!r},{y!r}" for x, y in one))) for one in lines))
    raw, _ = read(text)
    assert [list(g.coords) for g in raw.frame.geometry] == lines
    path = tmp_path_factory.mktemp("gdal") / "a.kml"
    path.write_text(text, "utf-8")
    other = gpd.read_file(path)
    assert shapely.equals_exact(raw.frame.geometry.to_numpy(), shapely.force_2d(other.geometry.to_numpy()), 1e-12).all()


# KML: fields


def test_fields_and_ids_are_exact(read: Reader) -> None:
    schema = (
        '<Schema name="S" id="S"><SimpleField name="DLBM" type="string"/><SimpleField name="n" type="int"/>'
        '<SimpleField name="码" type="string"/></Schema>'
    )

    def data(**values: str) -> str:
        simple = "".join(f'<SimpleData name="{key}">{value}</SimpleData>' for key, value in values.items())
        return f'<ExtendedData><SchemaData schemaUrl="#S">{simple}</SchemaData></ExtendedData>'

    untyped = (
        '<ExtendedData><Data name="k"><displayName>键</displayName><value>007</value></Data>'
        '<Data name="面积"><value>12.5</value></Data><Data name="name"><value>别名</value></Data>'
        "<x:note>注</x:note></ExtendedData><TimeStamp><when>2024-06-01</when></TimeStamp>"
        "<description>a <b>粗</b> &lt;i&gt;</description>"
    )
    raw, findings = read(
        document(
            schema,
            mark("", data(DLBM="0101", n="5", 码="12"), name="甲").replace("<Placemark>", '<Placemark id="p1">'),
            mark("", data(DLBM="12", n="-3", 码="13"), untyped, name="<![CDATA[<script>乙</script>]]>"),
            mark("", data(DLBM="", n="900719925474099301", 码="13"), name="甲").replace(
                "<Placemark>", '<Placemark id="p1">'
            ),
        )
    )
    frame = raw.frame
    assert list(frame["name"]) == ["甲", "<script>乙</script>", "甲"]
    assert frame["DLBM"].tolist()[:2] == ["0101", "12"]
    assert frame["DLBM"].isna().tolist() == [False, False, True]
    assert frame["n"].tolist() == [5, -3, 900719925474099301]
    assert list(frame["码"]) == ["12", "13", "13"], "text, as the schema says"
    row = frame.iloc[1]
    assert (row["k"], row["面积"], row["name_"], row["note"]) == ("007", 12.5, "别名", "注")
    assert (row["timestamp"], row["description"]) == ("2024-06-01", "a 粗 <i>")
    assert list(frame["feature_id"]) == ["p1", "#1", "p1"]
    assert rules(findings) == {"text_ids_repeated": "warning", "text_ids_missing": "warning"}


# KML: what is not read


def test_what_is_no_placemark_is_named(read: Reader, listener: tuple[str, list[bytes]]) -> None:
    address, came = listener
    text = document(
        mark(),
        f"<NetworkLink><name>x</name><Link><href>{address}/l.kml</href></Link></NetworkLink>",
        f"<GroundOverlay><Icon><href>{address}/x.png</href></Icon></GroundOverlay>",
        "<ScreenOverlay/><gx:Tour/>",
        "<Parcel><Point/></Parcel>",
        f"<Style><IconStyle><Icon><href>{address}/i.png</href></Icon></IconStyle></Style>",
    )
    raw, findings = read(text)
    assert len(raw.frame) == 1
    assert {f.rule: (str(f.severity), f.value) for f in findings} == {
        "kml_link": ("warning", f"{address}/l.kml"),
        "kml_pictures": ("info", "1 GroundOverlay, 1 ScreenOverlay, 1 Tour"),
        "kml_unread": ("warning", "1 Parcel"),
    }
    assert not came
    only = document(f"<NetworkLink><Link><href>{address}/l.kml</href></Link></NetworkLink>")
    assert f"only links to {address}/l.kml" in refusal(read, only)
    assert "no placemarks" in refusal(read, document())
    assert not came


# KMZ


def kmz(path: Path, **members: str) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in members.items():
            archive.writestr(name.replace("__", "/"), text)
    return path


def test_kmz_is_read_from_its_document(tmp_path: Path) -> None:
    text = document(mark())
    path = kmz(tmp_path / "园区.kmz", **{"doc.kml": text, "files__x.png": "x"})
    assert kml.layers(path, path.name) == ("园区",)
    request = Request(path, path.name)
    assert len(kml.read(request).frame) == 1
    assert not list(request.findings)
    path = kmz(tmp_path / "b.kmz", **{"doc.kml": text, "files__more.kml": text})
    request = Request(path, path.name)
    assert len(kml.read(request).frame) == 1
    assert {f.rule: f.value for f in request.findings} == {"kmz_other_documents": "files/more.kml"}
    path = kmz(tmp_path / "c.kmz", **{"其他.kml": text})
    assert len(kml.read(Request(path, path.name)).frame) == 1
    for members in ({"a.kml": text, "b.kml": text}, {"a.txt": "x"}):
        path = kmz(tmp_path / "d.kmz", **members)
        with pytest.raises(SourceError, match=r"d\.kmz: a KMZ has to have one document"):
            kml.read(Request(path, path.name))
    (tmp_path / "e.kmz").write_bytes(b"no zip")
    with pytest.raises(SourceError, match=r"e\.kmz"):
        kml.read(Request(tmp_path / "e.kmz", "e.kmz"))


# GML


def collection(*members: str, more: str = "", version: str = "") -> str:
    spaces = (
        f'xmlns:o="urn:o" xmlns:gml="http://www.opengis.net/gml{version}" xmlns:wfs="http://www.opengis.net/wfs/2.0"'
    )
    body = "".join(f"<gml:featureMember>{member}</gml:featureMember>" for member in members)
    return f"<wfs:FeatureCollection {spaces}{more}>{body}</wfs:FeatureCollection>"


def member(shape: str = "", fields: str = "", *, kind: str = "zone", id_: str = "") -> str:
    said = f' gml:id="{id_}"' if id_ else ""
    return f"<o:{kind}{said}>{f'<o:shape>{shape}</o:shape>' if shape else ''}{fields}</o:{kind}>"


def gml_point(position: str, system: str = "", *, version: int = 3) -> str:
    named = f' srsName="{system}"' if system else ""
    tag, text = ("pos", position) if version == 3 else ("coordinates", position.replace(" ", ","))
    return f"<gml:Point{named}><gml:{tag}>{text}</gml:{tag}></gml:Point>"


@pytest.mark.parametrize(
    ("system", "position", "xy"),
    [
        ("urn:ogc:def:crs:EPSG::4326", "31.2 121.5", (121.5, 31.2)),
        ("urn:x-ogc:def:crs:EPSG:4326", "31.2 121.5", (121.5, 31.2)),
        ("http://www.opengis.net/def/crs/EPSG/0/4490", "31.2 121.5", (121.5, 31.2)),
        ("urn:ogc:def:crs:EPSG::4490", "31.2 121.5", (121.5, 31.2)),
        ("EPSG:4326", "121.5 31.2", (121.5, 31.2)),
        ("EPSG:4490", "121.5 31.2", (121.5, 31.2)),
        ("http://www.opengis.net/gml/srs/epsg.xml#4326", "121.5 31.2", (121.5, 31.2)),
        ("urn:ogc:def:crs:OGC:1.3:CRS84", "121.5 31.2", (121.5, 31.2)),
        ("urn:ogc:def:crs:EPSG::4549", "3450000 600000", (600000, 3450000)),
        ("urn:x-ogc:def:crs:EPSG:6.9:4549", "3450000 600000", (600000, 3450000)),
        ("http://www.opengis.net/def/crs/EPSG/0/4549", "3450000 600000", (600000, 3450000)),
        ("EPSG:4549", "600000 3450000", (600000, 3450000)),
    ],
)
@pytest.mark.parametrize("version", ["", "/3.2"])
def test_axes_come_out_easting_first(
    read: Reader, system: str, position: str, xy: tuple[float, float], version: str
) -> None:
    raw, findings = read(collection(member(gml_point(position, system)), version=version), "a.gml")
    assert raw.frame.geometry[0].coords[0] == xy
    assert raw.frame.crs is not None
    assert raw.states_crs
    assert not findings


def test_gml_2_has_coordinates_with_commas(read: Reader) -> None:
    raw, _ = read(collection(member(gml_point("121.5 31.2", "EPSG:4326", version=2))), "a.gml")
    assert raw.frame.geometry[0].coords[0] == (121.5, 31.2)


@pytest.mark.parametrize(
    ("system", "position"),
    [("urn:ogc:def:crs:EPSG::4326", "121.5 31.2"), ("EPSG:4490", "31.2 121.5"), ("EPSG:4326", "600000 3450000")],
)
def test_axes_in_the_wrong_order_are_refused(read: Reader, system: str, position: str) -> None:
    message = refusal(read, collection(member(gml_point(position, system), id_="z.7")), "a.gml")
    assert "feature z.7" in message
    assert "no longitude and latitude" in message


def test_a_system_may_stand_in_the_envelope(read: Reader) -> None:
    envelope = (
        '<gml:boundedBy><gml:Envelope srsName="urn:ogc:def:crs:EPSG::4326"><gml:lowerCorner>31 121</gml:lowerCorner>'
        "<gml:upperCorner>32 122</gml:upperCorner></gml:Envelope></gml:boundedBy><gml:featureMember>"
    )
    text = collection(member(gml_point("31.2 121.5"))).replace("<gml:featureMember>", envelope, 1)
    raw, _ = read(text, "a.gml")
    assert raw.frame.crs.to_epsg() == 4326
    assert raw.frame.geometry[0].coords[0] == (121.5, 31.2)


def test_no_system_is_none_and_different_ones_are_refused(read: Reader) -> None:
    assert read(collection(member(gml_point("1 2"))), "a.gml")[0].frame.crs is None
    for other in ("urn:ogc:def:crs:EPSG::4490", "EPSG:4326"):
        points = [member(gml_point("31 121", system)) for system in ("urn:ogc:def:crs:EPSG::4326", other)]
        assert "different systems" in refusal(read, collection(*points), "a.gml")
    some = collection(member(gml_point("31 121"), id_="z.0"), member(gml_point("31 121", "urn:ogc:def:crs:EPSG::4326")))
    assert "1 features name no system, others do: z.0" in refusal(read, some, "a.gml")
    unknown = collection(member(gml_point("31 121", "urn:ogc:def:crs:EPSG::999999")))
    assert "999999" in refusal(read, unknown, "a.gml")
    raw, findings = read(unknown, "a.gml", crs="EPSG:4490")
    assert raw.frame.crs is None
    assert rules(findings) == {"gml_unknown_system": "warning"}


def test_types_are_layers_and_rows_without_geometry_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.gml"
    path.write_text(
        collection(
            member(gml_point("1 2"), id_="z.0"),
            member(gml_point("3 4"), kind="road", id_="r.0"),
            member(id_="z.1"),
            member(gml_point("5 6"), id_="z.2"),
        ),
        "utf-8",
    )
    assert set(gml.layers(path, "a.gml")) == {"zone", "road"}
    frame = gml.read(Request(path, "a.gml", layer="zone")).frame
    assert [g and g.wkt for g in frame.geometry] == ["POINT (1 2)", None, "POINT (5 6)"]
    assert list(frame["feature_id"]) == ["z.0", "z.1", "z.2"]
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(SourceError, match="holds 2 layers"):
        gml.read(Request(path, "a.gml"))


def test_fields_of_gml_are_exact(read: Reader) -> None:
    rows = [("31E11", "12", "310118001002", "1.10", "甲"), ("31E12", "7", "900719925474099301", "2.5", "乙")]
    fields = ["".join(f"<o:f{n}>{value}</o:f{n}>" for n, value in enumerate(row)) for row in rows]
    fields[0] += "<o:many>a</o:many><o:many>b</o:many>"
    raw, _ = read(collection(*(member(gml_point("1 2"), text) for text in fields)), "a.gml")
    assert [raw.frame[f"f{n}"].tolist() for n in range(5)] == [
        ["31E11", "31E12"],
        [12, 7],
        [310118001002, 900719925474099301],
        ["1.10", "2.5"],
        ["甲", "乙"],
    ]
    assert json.loads(raw.frame["many"][0]) == ["a", "b"]


def test_members_in_one_list_and_of_wfs(read: Reader) -> None:
    for tag in ("gml:featureMembers", "wfs:member"):
        both = member(gml_point("1 2"), id_="a"), member(gml_point("3 4"), id_="b")
        text = collection(*both).replace("gml:featureMember>", f"{tag}>")
        if tag == "gml:featureMembers":
            text = text.replace(f"</{tag}><{tag}>", "")
        assert list(read(text, "a.gml")[0].frame["feature_id"]) == ["a", "b"]


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        (gml_point("abc 1"), "'abc' is no number"),
        (gml_point("NaN 1"), "'NaN' is no number"),
        (gml_point("1e300 1"), "no reference system"),
        ("<gml:LineString><gml:posList>0 0 1 0 1</gml:posList></gml:LineString>", "a.gml"),
    ],
)
def test_broken_coordinates_of_gml_are_refused(read: Reader, shape: str, words: str) -> None:
    assert words in refusal(read, collection(member(gml_point("1 2")), member(shape)), "a.gml")


def test_an_open_ring_of_gml_is_closed_and_said(read: Reader) -> None:
    shape = (
        "<gml:Polygon><gml:exterior><gml:LinearRing><gml:posList>0 0 1 0 1 1 0 1</gml:posList></gml:LinearRing>"
        "</gml:exterior></gml:Polygon>"
    )
    raw, findings = read(collection(member(shape)), "a.gml")
    assert raw.frame.geometry[0].equals(shapely.box(0, 0, 1, 1))
    assert rules(findings) == {"wkb_ring_closed": "warning"}


def test_a_second_geometry_is_said(read: Reader) -> None:
    two = member(gml_point("1 2"), f"<o:centre>{gml_point('3 4')}</o:centre>", id_="z")
    _, findings = read(collection(two), "a.gml")
    assert {f.rule: f.feature_id for f in findings} == {"gml_geometries": "z"}


def test_gml_that_is_cut_or_empty_is_refused(read: Reader) -> None:
    text = collection(member(gml_point("1 2")), member(gml_point("3 4")))
    for end in range(len(text) - 150, len(text) - 1, 10):
        assert "no valid XML" in refusal(read, text[:end], "a.gml")
    assert "no features" in refusal(read, collection(), "a.gml")
    assert "a.gml" in refusal(read, "<gpx/>", "a.gml")


def test_gml_fetches_nothing(read: Reader, listener: tuple[str, list[bytes]], tmp_path: Path) -> None:
    address, came = listener
    more = (
        f' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xlink="http://www.w3.org/1999/xlink"'
        f' xsi:schemaLocation="urn:o {address}/wfs?service=WFS&amp;request=DescribeFeatureType&amp;typeName=o:zone"'
    )
    link = f'<o:shape xlink:href="{address}/a.gml#x"/><o:other xlink:href="{address}/b.gml"/>'
    raw, _ = read(collection(member(gml_point("1 2")), member("", link), more=more), "a.gml")
    assert len(raw.frame) == 2
    assert raw.frame.geometry[1] is None
    assert not came


def test_a_schema_beside_the_file_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.gml"
    more = ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="urn:o a.xsd"'
    path.write_text(collection(member(gml_point("1 2"), "<o:code>0101</o:code>"), more=more), "utf-8")
    (tmp_path / "a.xsd").write_text("<broken", "utf-8")
    (tmp_path / "a.gfs").write_text("<GMLFeatureClassList></GMLFeatureClassList>", "utf-8")
    assert list(gml.read(Request(path, "a.gml")).frame["code"]) == ["0101"]
    assert sorted(one.name for one in tmp_path.iterdir()) == ["a.gfs", "a.gml", "a.xsd"]


@pytest.mark.parametrize(
    ("stated", "rule", "severity"),
    [
        ('numberMatched="unknown" numberReturned="2"', "", ""),
        ('numberMatched="2" numberReturned="2"', "", ""),
        ('numberMatched="5000" numberReturned="2"', "gml_page", "warning"),
        ('numberMatched="5000" numberReturned="3"', "gml_features_missing", "error"),
        ('numberOfFeatures="3"', "gml_features_missing", "error"),
        ('numberOfFeatures="2"', "", ""),
    ],
)
def test_fewer_features_than_a_server_says_are_named(read: Reader, stated: str, rule: str, severity: str) -> None:
    points = [member(gml_point("31.2 121.5", "urn:ogc:def:crs:EPSG::4326"), id_=one) for one in ("z.1", "z.2")]
    text = collection(*points)
    root = re.search(r"<\w+:FeatureCollection", text)
    assert root
    raw, findings = read(text.replace(root[0], f"{root[0]} {stated}", 1), "a.gml")
    assert len(raw.frame) == 2
    assert rules(findings) == ({rule: severity} if rule else {})


def test_the_error_report_of_a_server_is_called_so(read: Reader) -> None:
    report = '<ows:ExceptionReport xmlns:ows="http://www.opengis.net/ows"><ows:Exception/></ows:ExceptionReport>'
    assert "report of a server's error" in refusal(read, report, "a.gml")


def test_styles_of_google_earth_are_no_data_left_out(read: Reader) -> None:
    style = '<gx:CascadingStyle kml:id="s"><Style/></gx:CascadingStyle><gx:balloonVisibility>1</gx:balloonVisibility>'
    raw, findings = read(document(style, mark()))
    assert len(raw.frame) == 1
    assert not rules(findings)
