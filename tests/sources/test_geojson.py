"""GeoJSON: what breaks RFC 7946 is refused by name, what doesn't keep the truth is said, all else is read exactly."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qpgis.errors import SourceError
from qpgis.findings import Finding
from qpgis.sources import RawFeatures, Request, geojson
from tests.conftest import SHARED_DATA

BAD = SHARED_DATA / "bad_inputs"
SQUARE = [[[121.0, 31.0], [121.1, 31.0], [121.1, 31.1], [121.0, 31.1], [121.0, 31.0]]]


def feature(geometry: Any = None, **members: Any) -> dict[str, Any]:
    return {"type": "Feature", "properties": {}, "geometry": geometry, **members}


def shape(kind: str, coordinates: Any) -> dict[str, Any]:
    return {"type": kind, "coordinates": coordinates}


def collection(*features: Any, **members: Any) -> dict[str, Any]:
    return {"type": "FeatureCollection", "features": list(features), **members}


def point(x: float = 121.1, y: float = 31.1, **members: Any) -> dict[str, Any]:
    return feature(shape("Point", [x, y]), **members)


Reader = Callable[..., tuple[RawFeatures, list[Finding]]]


@pytest.fixture
def read(tmp_path: Path) -> Reader:
    """Writes what it is given (JSON, text or bytes) and reads it."""

    def reading(said: Any, **options: Any) -> tuple[RawFeatures, list[Finding]]:
        path = tmp_path / "地块.geojson"
        text = said if isinstance(said, str | bytes) else json.dumps(said, ensure_ascii=False)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        request = Request(path, path.name, "water", **options)
        raw = geojson.read(request)
        assert list(tmp_path.iterdir()) == [path], "nothing is written beside the input"
        return raw, list(request.findings)

    return reading


def rules(findings: list[Finding]) -> dict[str, str]:
    return {finding.rule: str(finding.severity) for finding in findings}


def refusal(read: Reader, said: Any, **options: Any) -> str:
    with pytest.raises(SourceError) as caught:
        read(said, **options)
    assert "地块.geojson" in str(caught.value)
    return str(caught.value)


# the shared bad inputs


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("ch_crosses_antimeridian", ["feature 0", "antimeridian"]),
        ("ch_invalid_feature_geometry_is_string", ["feature 0", "is_a_string"]),
        ("ch_invalid_featurecollection_nulltype", ["'type' is null"]),
        ("ch_invalid_geometry_coordinates_string", ["feature 0", "11.691336"]),
        ("ch_invalid_geometry_depth_shallow_multipolygon", ["feature 0", "nested"]),
        ("ch_invalid_geometry_mislabeled_point", ["feature 0", "-0.087890625"]),
        ("gbk_geojson", ["UTF-8", "byte 79", "GB18030"]),
        ("hint_featurecollection-type-case", ["feature 0", '"feature"']),
        ("hint_short-linearring", ["feature 0", "ring", "one of 3"]),
        ("hint_stringcoord", ["feature 0", '"39.36827914916011"']),
        ("huge_coordinates", ["feature 0", "1e+300"]),
        ("projected_coords_no_crs_cgcs2000_zone", ["feature 0", "EPSG:4528"]),
    ],
)
def test_broken_files_are_refused_by_name(case: str, words: list[str]) -> None:
    (path,) = shared("geojson_broken", case)
    with pytest.raises(SourceError) as caught:
        geojson.read(Request(path, path.name))
    assert not [word for word in [path.name, *words] if word not in str(caught.value)], str(caught.value)


@pytest.mark.parametrize(
    ("family", "case", "count", "expected"),
    [
        ("geojson_broken", "ch_exterior_not_ccw", 1, set()),
        ("geojson_broken", "ch_invalid_geometry_bbox_not_numbers", 1, {"geojson_bbox_of_feature"}),
        ("geojson_broken", "ch_wrong_bbox_coordinate_order", 1, {"geojson_bbox", "geojson_bbox_of_feature"}),
        ("geojson_broken", "gdal_ids_0_1_null_1_null", 5, {"text_ids_repeated"}),
        ("geojson_broken", "gdal_nullvalues", 2, set()),
        ("geojson_broken", "hint_bad-polygon-interiorring-rhr", 1, set()),
        ("geojson_broken", "hint_bbox-contains-string", 1, {"geojson_bbox_of_feature"}),
        ("geojson_broken", "rasterio_issue1446", 7, set()),
        ("polygon_invalid", "multi_with_one_part", 1, set()),
        ("polygon_invalid", "self_intersection_large", 1, set()),
        ("polygon_invalid", "unclosed_ring", 1, {"text_ring_closed"}),
        ("polygon_invalid", "mapshaper_ex14_ogc", 1, set()),
        ("polygon_invalid", "mapshaper_ex23_three_ca_precincts", 3, set()),
        ("injection", "hostile_names", 24, set()),
    ],
)
def test_what_can_be_read_is_read(family: str, case: str, count: int, expected: set[str]) -> None:
    (path,) = shared(family, case)
    request = Request(path, path.name)
    frame = geojson.read(request).frame
    assert len(frame) == count
    assert {finding.rule for finding in request.findings} == expected
    there = [f["geometry"] for f in features_of(json.loads(path.read_text("utf-8"))) if f["geometry"] is not None]
    if case != "unclosed_ring":
        truth = shapely.from_geojson([json.dumps(geometry) for geometry in there])
        assert shapely.equals_identical(frame.geometry.dropna().to_numpy(), truth).all()


def shared(family: str, case: str) -> list[Path]:
    folder = BAD / family / case
    if not folder.is_dir():
        pytest.skip(f"shared data aren't beside the project: {case}")
    return sorted(folder.iterdir())


def features_of(said: dict[str, Any]) -> list[dict[str, Any]]:
    if said["type"] == "FeatureCollection":
        return list(said["features"])
    return [said if said["type"] == "Feature" else {"geometry": said}]


# bytes


def test_a_byte_order_mark_is_no_fault(read: Reader) -> None:
    raw, findings = read("\ufeff" + json.dumps(collection(point())))
    assert len(raw.frame) == 1
    assert not findings


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_other_unicode_is_decoded_and_said(read: Reader, encoding: str) -> None:
    raw, findings = read(json.dumps(collection(point(properties={"名": "水"})), ensure_ascii=False).encode(encoding))
    assert list(raw.frame["名"]) == ["水"]
    assert rules(findings) == {"geojson_not_utf8": "warning"}


def test_utf_16_without_its_mark_is_refused(read: Reader) -> None:
    assert "UTF-16" in refusal(read, json.dumps(collection(point())).encode("utf-16-le"))


def test_gbk_is_decoded_only_when_declared(read: Reader) -> None:
    data = json.dumps(collection(point(properties={"地类": "河流水面"})), ensure_ascii=False).encode("gbk")
    message = refusal(read, data)
    assert f"byte {data.index('地'.encode('gbk'))}" in message
    assert 'encoding = "GB18030"' in message
    raw, findings = read(data, encoding="gbk")
    assert list(raw.frame["地类"]) == ["河流水面"]
    assert rules(findings) == {"geojson_not_utf8": "warning"}
    assert "no encoding 'klingon'" in refusal(read, data, encoding="klingon")
    assert "isn't ascii" in refusal(read, data, encoding="ascii")


def test_utf_8_stays_utf_8_whatever_is_declared(read: Reader) -> None:
    raw, _ = read(collection(point(properties={"地类": "河流水面"})), encoding="gbk")
    assert list(raw.frame["地类"]) == ["河流水面"]


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (b"SQLite format 3\0", "GPKG"),
        (b"PK\x03\x04", "zip"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b"<?xml version='1.0'?>\n<kml xmlns='x'>", "KML"),
        (b"<OGRVRTDataSource>", "VRT"),
        (b"\x1f\x8b\x08", "gzip"),
    ],
)
def test_other_formats_under_this_suffix_are_named(read: Reader, head: bytes, words: str) -> None:
    assert words in refusal(read, head + b"\0" * 50)


# JSON


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"type": "FeatureCollection",\n "features": [}', "line 2, column 15"),
        ('{"type": "FeatureCollection" "features": []}', "',' or '}' is wanted at line 1, column 30"),
        ('{"type": "FeatureCollection", "features": [],}', "comma before '}'"),
        ('{"type": "FeatureCollection", "features": []} x', "more after the end"),
        (
            '{"type": "FeatureCollection", "features": []}{"type": "Topology"}',
            "more after the end",
        ),
        ("{'type': 'Point'}", "line 1, column 2"),
        ('{"a" 1}', "':' is wanted"),
        ("not json", "line 1, column 1"),
        ('{"type": "FeatureCol', "ends too early"),
        ('{"type": "FeatureCollection", "features": [', "ends too early"),
        ("   ", "nothing but blanks"),
        ("[1, 2]", "JSON object"),
        ("false", "JSON object"),
        ('"FeatureCollection"', "JSON object"),
        ("{1: 2}", "double quotes"),
    ],
)
def test_what_is_no_json_is_refused_with_its_place(read: Reader, text: str, words: str) -> None:
    assert words in refusal(read, text)


def test_a_file_cut_anywhere_is_refused(read: Reader) -> None:
    whole = json.dumps(collection(feature(shape("Polygon", SQUARE), id=1), point(id=2)))
    for end in range(1, len(whole)):
        with pytest.raises(SourceError, match="no valid JSON"):
            read(whole[:end])


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity"])
def test_words_for_no_number_are_refused(read: Reader, word: str) -> None:
    good, bad = json.dumps(point()), json.dumps(point(5555, 31)).replace("5555", word)
    assert f"feature 1: {word}" in refusal(read, f'{{"type": "FeatureCollection", "features": [{good}, {bad}]}}')


def test_a_name_twice_with_different_values_is_refused(read: Reader) -> None:
    twice = json.dumps(collection(point(properties={"a": 1}))).replace('"a": 1', '"a": 1, "a": 2')
    assert "feature 0: the name 'a' stands twice" in refusal(read, twice)
    assert "'features' stands twice" in refusal(read, '{"type": "FeatureCollection", "features": [], "features": []}')
    raw, _ = read(json.dumps(collection(point(properties={"a": 1}))).replace('"a": 1', '"a": 1, "a": 1'))
    assert list(raw.frame["a"]) == [1]


@pytest.mark.parametrize("opening", ["[", '{"a":', '{"type":"FeatureCollection","features":['])
def test_brackets_without_end_are_refused(read: Reader, opening: str) -> None:
    assert "brackets" in refusal(read, '{"x":' + opening * 100_000)


def test_deep_values_and_coordinates_are_refused(read: Reader) -> None:
    deep = "[" * 5000 + "]" * 5000
    properties = json.dumps(collection(point(properties={"a": 777}))).replace("777", deep)
    assert "brackets" in refusal(read, properties)
    coordinates = json.dumps(collection(feature(shape("Polygon", 777)))).replace("777", deep)
    assert "brackets" in refusal(read, coordinates)


def test_half_a_character_is_refused_but_not_its_escape(read: Reader) -> None:
    assert "half a character" in refusal(read, json.dumps(collection(point(properties={"a": "\ud800"}))))
    raw, _ = read(json.dumps(collection(point(properties={"a": "\U0001f30a", "b": "\\ud800"}))))
    assert list(raw.frame["a"]) == ["\U0001f30a"]
    assert list(raw.frame["b"]) == ["\\ud800"]


def test_features_one_a_line_are_a_sequence(read: Reader) -> None:
    lines = [json.dumps(point(121 + n / 10, 31, id=n)) for n in range(3)]
    for text in ("\n".join(lines), "\x1e" + "\n\x1e".join(lines) + "\n"):
        raw, findings = read(text)
        assert list(raw.frame["feature_id"]) == ["0", "1", "2"]
        assert rules(findings) == {"geojson_sequence": "info"}
    assert "feature 1" in refusal(read, lines[0] + "\n" + lines[1].replace("121.1", '"121.1"'))


# structure


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (collection("Feature"), ["feature 0", "object"]),
        (collection(None), ["feature 0", "null"]),
        (collection([]), ["feature 0"]),
        (collection(point(), {"geometry": None}), ["feature 1", "'type' is null"]),
        (collection(point(), {"type": "Feature", "properties": {}}), ["feature 1", "no member 'geometry'"]),
        (collection(point(), {"type": "Feature", "geometrie": {}, "properties": {}}), ["feature 1", "'geometry'"]),
        (collection(point(id="a"), point(id="乙", properties=[1])), ["feature 1 (id '乙')", "'properties'"]),
        (collection(point(properties=5)), ["feature 0", "'properties'"]),
        (collection(point(properties="x")), ["feature 0", "'properties'"]),
        (collection(feature([])), ["feature 0", "'geometry'"]),
        (collection(feature({})), ["feature 0", "type of its geometry is null"]),
        (collection(feature(shape("point", [1, 2]))), ["feature 0", '"point"']),
        (collection(feature(shape("Circle", [1, 2]))), ["feature 0", '"Circle"']),
        (collection(feature({"type": ["Point"], "coordinates": [1, 2]})), ["feature 0"]),
        (collection(feature({"type": "Point"})), ["feature 0", "no 'coordinates'"]),
        (collection(feature(shape("Point", None))), ["feature 0"]),
        (collection(feature(shape("Point", {"x": 1, "y": 2}))), ["feature 0"]),
        (collection(feature(shape("Point", [1]))), ["feature 0", "two numbers"]),
        (collection(feature(shape("Point", [None, None]))), ["feature 0", "null"]),
        (collection(feature(shape("Point", [True, 1]))), ["feature 0", "true"]),
        (collection(feature(shape("Point", [[1, 2]]))), ["feature 0"]),
        (collection(feature(shape("LineString", [1, 2]))), ["feature 0"]),
        (collection(feature(shape("LineString", [[1, 2]]))), ["feature 0", "line", "one of 1"]),
        (collection(feature(shape("LineString", [[1, 2], []]))), ["feature 0", "two numbers"]),
        (collection(feature(shape("MultiLineString", [[[1, 2], [3, 4]], [[1, 2]]]))), ["line", "one of 1"]),
        (collection(feature(shape("MultiPoint", [[1, 2], 3]))), ["feature 0"]),
        (collection(feature(shape("Polygon", SQUARE[0]))), ["feature 0"]),
        (collection(feature(shape("Polygon", [SQUARE]))), ["feature 0"]),
        (collection(feature(shape("Polygon", [*SQUARE, []]))), ["feature 0", "one of 0"]),
        (collection(feature(shape("MultiPolygon", SQUARE))), ["feature 0"]),
        (collection(feature(shape("MultiPolygon", [SQUARE, []]))), ["feature 0", "empty part"]),
        (collection(feature(shape("Polygon", [[[1, 2], [3, 4], [1, 2]]]))), ["ring", "one of 3"]),
        (collection(feature({"type": "GeometryCollection"})), ["feature 0", "'geometries'"]),
        (collection(feature({"type": "GeometryCollection", "geometries": [None]})), ["feature 0"]),
        (collection(feature({"type": "GeometryCollection", "geometries": [shape("Point", ["1", 2])]})), ['"1"']),
        ({"type": "FeatureCollection"}, ["no 'features'"]),
        ({"type": "FeatureCollection", "features": {}}, ["'features' are no list"]),
        ({"type": "FeatureCollection", "features": None}, ["'features' are no list"]),
        ({"type": "featurecollection", "features": []}, ['"featurecollection"', "spelling"]),
        ({"features": [point()]}, ["'type' is null"]),
        ({"type": "feature", "geometry": None, "properties": {}}, ['"feature"']),
        ({"type": "polygon", "coordinates": SQUARE}, ['"polygon"']),
        ({"type": "Topology", "objects": {}, "arcs": []}, ["TopoJSON"]),
        ({"type": "CityJSON", "CityObjects": {}}, ["CityJSON"]),
        (
            {"geometryType": "esriGeometryPoint", "features": [{"attributes": {}, "geometry": {"x": 1}}]},
            ["Esri"],
        ),
        ({"geometryType": "esriGeometryPoint", "spatialReference": {"wkid": 4490}, "features": []}, ["Esri"]),
        (feature(shape("Polygon", SQUARE), features=[point()]), ["Feature with a list of 'features'"]),
        ({"hello": "world"}, ["'type' is null"]),
    ],
)
def test_broken_structure_is_refused(read: Reader, said: Any, words: list[str]) -> None:
    message = refusal(read, said)
    assert not [word for word in words if word not in message], message


def test_the_first_broken_feature_of_many_is_named(read: Reader) -> None:
    many = [point(id=str(1000 + n)) for n in range(5000)]
    many[4321] = feature(shape("Point", ["121", 31]), id="5321")
    many[4800] = feature("broken")
    assert "feature 4321 (id '5321')" in refusal(read, collection(*many))


@pytest.mark.parametrize("number", ["1e400", "-1e999", "1" + "0" * 400])
def test_numbers_beyond_numbers_are_refused(read: Reader, number: str) -> None:
    text = json.dumps(collection(feature(shape("Point", [777, 31])))).replace("777", number)
    assert "feature 0: a coordinate is too large" in refusal(read, text)


def test_a_property_too_large_to_be_a_number_is_refused(read: Reader) -> None:
    text = json.dumps(collection(point(properties={"TBMJ": 777}))).replace("777", "1e400")
    assert "property 'TBMJ'" in refusal(read, text)
    assert "5000 digits" in refusal(read, text.replace("1e400", "1" * 5000))


@pytest.mark.parametrize(
    "bare", [shape("Polygon", SQUARE), feature(shape("Polygon", SQUARE)), collection(feature(shape("Polygon", SQUARE)))]
)
def test_outermost_may_be_a_geometry_a_feature_or_a_collection(read: Reader, bare: Any) -> None:
    raw, findings = read(bare)
    assert raw.frame.geometry[0].equals(shapely.box(121, 31, 121.1, 31.1))
    assert raw.frame.crs.to_epsg() == 4326
    assert not raw.states_crs
    assert not findings


def test_unclosed_rings_are_closed_and_named(read: Reader) -> None:
    ring, hole = SQUARE[0], [[121.02, 31.02], [121.08, 31.02], [121.08, 31.08], [121.02, 31.08]]
    said = collection(
        feature(shape("Polygon", [ring]), id="good"),
        feature(shape("Polygon", [ring[:-1], hole]), id="both"),
        feature(shape("MultiPolygon", [[ring], [[*hole, hole[0]]]]), id="fine"),
        feature(shape("MultiPolygon", [[ring, hole]]), id="hole"),
    )
    raw, findings = read(said)
    assert [(f.rule, f.severity, f.feature_id) for f in findings] == [("text_ring_closed", "warning", "both; hole")]
    areas = raw.frame.geometry.to_numpy()
    assert shapely.area(areas) == pytest.approx([0.01, 0.01 - 0.0036, 0.01 + 0.0036, 0.01 - 0.0036])


def test_features_without_geometry_are_kept(read: Reader) -> None:
    said = collection(feature(), point(), feature(shape("Polygon", [])), feature(shape("Point", [])))
    raw, findings = read(said)
    assert list(shapely.is_missing(raw.frame.geometry.to_numpy())) == [True, False, True, True]
    assert not findings


def test_an_empty_collection_has_no_rows(read: Reader) -> None:
    raw, findings = read(collection(bbox=[121, 31, 122, 32]))
    assert len(raw.frame) == 0
    assert raw.bounds == (121, 31, 122, 32)
    assert not findings


def test_collections_and_heights(read: Reader) -> None:
    parts = [shape("Point", [121, 31, 5]), shape("LineString", [[121, 31], [122, 32]]), shape("MultiPoint", [])]
    nested = {"type": "GeometryCollection", "geometries": [{"type": "GeometryCollection", "geometries": parts[:1]}]}
    said = collection(
        feature({"type": "GeometryCollection", "geometries": parts}),
        feature(nested),
        feature(shape("LineString", [[121, 31], [122, 32, 7], [123, 33, 1, 2]])),
        feature({"type": "GeometryCollection", "geometries": []}),
    )
    raw, findings = read(said)
    assert [g.wkt for g in raw.frame.geometry] == [
        "GEOMETRYCOLLECTION (POINT (121 31), LINESTRING (121 31, 122 32))",
        "GEOMETRYCOLLECTION (GEOMETRYCOLLECTION (POINT (121 31)))",
        "LINESTRING (121 31, 122 32, 123 33)",
        "GEOMETRYCOLLECTION EMPTY",
    ]
    assert {f.rule: (f.severity, f.feature_id) for f in findings} == {
        "geojson_heights": ("info", "0; 1; 2"),
        "geojson_more_numbers": ("warning", "2"),
    }


def test_members_that_are_missing_or_misplaced_are_said(read: Reader) -> None:
    bare = {"type": "Feature", "geometry": None}
    raw, findings = read(collection(bare, point()))
    assert len(raw.frame) == 2
    assert rules(findings) == {"geojson_without_properties": "warning"}
    _, findings = read(collection(point(name="湖", title="x"), timeStamp="2024"))
    assert [(f.rule, f.severity, f.value) for f in findings] == [("geojson_foreign_members", "info", "name; title")]
    _, findings = read(collection(point(features=[])))
    assert rules(findings) == {"geojson_foreign_members": "warning"}
    _, findings = read(collection(point(), properties={"a": 1}))
    assert rules(findings) == {"geojson_foreign_members": "warning"}


# ids and values


def test_ids_are_never_lost(read: Reader) -> None:
    raw, findings = read(collection(*(point(id=i) for i in ("0101", 7, 310118001002003004, 1.5, "长三角"))))
    assert list(raw.frame["feature_id"]) == ["0101", "7", "310118001002003004", "1.5", "长三角"]
    assert not findings
    raw, findings = read(collection(point(id="a"), point(), point(id=None), point(id="a"), point(id="3")))
    assert list(raw.frame["feature_id"]) == ["a", "#1", "#2", "a", "3"]
    assert {f.rule: f.value or f.feature_id for f in findings} == {
        "text_ids_repeated": "a",
        "text_ids_missing": "#1; #2",
    }
    raw, findings = read(collection(point(id={"a": 1}), point(id=True)))
    assert list(raw.frame["feature_id"]) == ['{"a": 1}', "true"]
    assert rules(findings) == {"geojson_odd_id": "warning"}


def test_an_id_beside_the_properties_of_the_same_name(read: Reader) -> None:
    raw, _ = read(collection(point(id="m1", properties={"id": "p1", "feature_id": "f1"})))
    assert raw.frame.loc[0, ["id", "feature_id"]].tolist() == ["p1", "f1"]
    raw, _ = read(collection(point(id="m1", properties={"id": "p1"})))
    assert raw.frame.loc[0, ["id", "feature_id"]].tolist() == ["p1", "m1"]
    raw, _ = read(collection(point(id="m1")))
    assert raw.frame.loc[0, ["id", "feature_id"]].tolist() == ["m1", "m1"]


def test_a_property_called_geometry_is_kept(read: Reader) -> None:
    raw, _ = read(collection(point(properties={"geometry": "x", "geometry_": "y", "Geometry": "z"})))
    assert raw.frame.geometry[0].equals(shapely.Point(121.1, 31.1))
    assert raw.frame.loc[0, ["geometry__", "geometry_", "Geometry"]].tolist() == ["x", "y", "z"]


def test_values_are_exact(read: Reader) -> None:
    rows = [
        {"码": "0101", "big": 2**60 + 1, "gap": 2**60 + 1, "n": 1, "f": 0.1, "flag": True, "名": "甲", "Name": "x"},
        {"码": "310118001002", "big": 2**60 + 3, "n": None, "f": 2, "flag": False, "名": None, "name": "y"},
    ]
    raw, findings = read(collection(*(point(properties=row) for row in rows)))
    frame = raw.frame
    assert list(frame["码"]) == ["0101", "310118001002"]
    assert [int(value) for value in frame["big"]] == [2**60 + 1, 2**60 + 3]
    assert frame.loc[0, "gap"] == 2**60 + 1
    assert frame["gap"].isna().tolist() == [False, True]
    assert frame["n"].tolist()[0] == 1
    assert math.isnan(frame["n"].tolist()[1]), "missing, not 0"
    assert frame["f"].tolist() == [0.1, 2]
    assert frame["flag"].tolist() == [True, False]
    assert frame["名"].isna().tolist() == [False, True]
    assert frame["Name"].isna().tolist() == [False, True]
    assert frame["name"].isna().tolist() == [True, False]
    assert not findings


def test_mixed_and_nested_values_are_kept(read: Reader) -> None:
    mixed = [1, "1", True, None, 1.5, {"a": [1, 2]}]
    raw, findings = read(collection(*(point(properties={"v": value, "j": {"甲": [0.1, None]}}) for value in mixed)))
    assert [type(value) for value in raw.frame["v"]][:3] == [int, str, bool]
    assert raw.frame["v"].tolist()[:3] == [1, "1", True]
    assert raw.frame["v"].isna().tolist() == [False, False, False, True, False, False]
    assert json.loads(raw.frame["v"][5]) == mixed[5]
    assert set(raw.frame["j"]) == {'{"甲": [0.1, null]}'}
    assert [(f.rule, f.severity, f.value) for f in findings] == [("geojson_mixed_values", "info", "v")]


def test_sparse_properties_fill_up(read: Reader) -> None:
    raw, _ = read(collection(*(point(properties={f"p{n % 3}": n}) for n in range(4100))))
    for k in range(3):
        column = raw.frame[f"p{k}"]
        assert column.dropna().tolist() == list(range(k, 4100, 3))


plain = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"))
)
positions = st.tuples(st.floats(-180, 180), st.floats(-90, 90)).map(list)
rings = st.lists(positions, min_size=3, max_size=5).map(lambda some: [*some, some[0]])
lines = st.lists(st.tuples(st.floats(100, 150), st.floats(-90, 90)).map(list), min_size=2, max_size=4)
shapes = st.one_of(
    st.builds(shape, st.just("Point"), positions),
    st.builds(shape, st.just("MultiPoint"), st.lists(positions, min_size=1, max_size=3)),
    st.builds(shape, st.just("LineString"), lines),
    st.builds(shape, st.just("MultiLineString"), st.lists(lines, min_size=1, max_size=3)),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
@given(st.lists(st.tuples(st.none() | shapes, st.dictionaries(st.text(st.characters(codec="utf-8")), plain))))
def test_whatever_is_written_is_read_back(read: Reader, rows: list[tuple[Any, dict[str, Any]]]) -> None:
    raw, _ = read(collection(*(feature(geometry, properties=properties) for geometry, properties in rows)))
    assert len(raw.frame) == len(rows)
    for n, (geometry, properties) in enumerate(rows):
        truth = None if geometry is None else shapely.from_geojson(json.dumps(geometry))
        assert (raw.frame.geometry[n] is None) == (truth is None)
        assert truth is None or shapely.equals_identical(raw.frame.geometry[n], truth)
        for name, value in properties.items():
            if name in ("geometry", "geometry_"):
                continue
            found = raw.frame[name][n]
            assert (value is None and found != found) or found is None or found == value


def test_another_reader_sees_the_same(read: Reader, tmp_path: Path) -> None:
    """GDAL, where it can be trusted: sound geometries of every type."""
    hole = [[121.02, 31.02], [121.02, 31.08], [121.08, 31.08], [121.02, 31.02]]
    said = collection(
        feature(shape("Polygon", [*SQUARE, hole]), properties={"a": 1}),
        feature(shape("MultiPolygon", [[*SQUARE, hole], [hole]]), properties={"a": 2}),
        feature(shape("MultiLineString", [[[1, 2], [3, 4]], [[5, 6], [7, 8], [9, 9]]]), properties={"a": 3}),
        feature(shape("MultiPoint", [[1, 2], [3, 4]]), properties={"a": 4}),
        point(properties={"a": 5}),
    )
    raw, _ = read(said)
    other = gpd.read_file(tmp_path / "地块.geojson")
    assert shapely.equals_identical(raw.frame.geometry.to_numpy(), other.geometry.to_numpy()).all()
    assert raw.frame["a"].tolist() == other["a"].tolist()
    assert raw.frame.crs == other.crs


# reference systems


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("urn:ogc:def:crs:OGC:1.3:CRS84", ("OGC", "CRS84")),
        ("urn:ogc:def:crs:OGC::CRS84", ("OGC", "CRS84")),
        ("EPSG:4490", ("EPSG", "4490")),
        ("urn:ogc:def:crs:EPSG::4490", ("EPSG", "4490")),
        ("urn:ogc:def:crs:EPSG:8.9:4490", ("EPSG", "4490")),
        ("http://www.opengis.net/def/crs/EPSG/0/4326", ("EPSG", "4326")),
    ],
)
def test_a_named_system_of_degrees_is_heeded(read: Reader, name: str, code: tuple[str, str]) -> None:
    raw, findings = read(collection(point(121.5, 31.2), crs={"type": "name", "properties": {"name": name}}))
    assert raw.frame.crs.to_authority() == code
    assert shapely.get_coordinates(raw.frame.geometry.to_numpy()).tolist() == [[121.5, 31.2]], "x first, always"
    assert raw.states_crs
    assert not findings


def test_a_named_system_of_metres_is_heeded(read: Reader) -> None:
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::4549"}}
    raw, _ = read(collection(point(600_000, 3_450_000), crs=crs))
    assert raw.frame.crs.to_epsg() == 4549
    lonlat = raw.frame.to_crs(4490).geometry[0]
    assert (round(lonlat.x), round(lonlat.y)) == (121, 31), "easting is x, as GeoJSON says, though EPSG has it second"


def test_the_system_may_stand_after_the_features_or_in_the_geometries(read: Reader) -> None:
    crs = {"type": "name", "properties": {"name": "EPSG:4549"}}
    geometry = shape("Point", [600_000, 3_450_000])
    for said in (
        {"type": "FeatureCollection", "features": [feature(geometry)], "crs": crs},
        collection(feature(geometry | {"crs": crs})),
        collection(feature(geometry, crs=crs)),
        feature(geometry, crs=crs),
        geometry | {"crs": crs},
    ):
        assert read(said)[0].frame.crs.to_epsg() == 4549
    other = {"type": "name", "properties": {"name": "EPSG:4528"}}
    assert "different reference systems" in refusal(read, collection(feature(geometry | {"crs": other}), crs=crs))


@pytest.mark.parametrize(
    "crs",
    [
        "EPSG:4549",
        {},
        {"type": "name"},
        {"type": "name", "properties": {}},
        {"type": "name", "properties": {"name": None}},
        {"type": "name", "properties": {"name": "EPSG:999999"}},
        {"type": "name", "properties": {"name": "Shanghai local"}},
        {"type": "name", "properties": {"name": "../secret.prj"}},
        {"type": "link", "properties": {"href": "http://127.0.0.1:9/crs.wkt", "type": "ogcwkt"}},
        {"type": "EPSG", "properties": {"code": None}},
    ],
)
def test_an_unknown_system_is_refused_unless_declared(read: Reader, crs: Any) -> None:
    said = collection(point(121.5, 31.2), crs=crs)
    assert "'crs' names no reference system" in refusal(read, said)
    raw, findings = read(said, crs="EPSG:4490")
    assert raw.frame.crs is None
    assert rules(findings) == {"geojson_unknown_crs": "warning"}


def test_no_system_is_none(read: Reader) -> None:
    raw, _ = read(collection(point(600_000, 3_450_000), crs=None))
    assert raw.frame.crs is None


@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        (40_500_000, 3_456_000, 'crs = "EPSG:4528"'),
        (600_000, 3_450_000, 'crs = "EPSG:4549"'),
        (31.2, 121.5, "swapped"),
        (181.2, 31.0, "no longitude"),
        (121.0, 91.0, "no longitude"),
    ],
)
def test_what_is_no_degrees_is_refused_with_a_hint(read: Reader, x: float, y: float, words: str) -> None:
    message = refusal(read, collection(point(id="a"), point(x, y, id="b")))
    assert "feature 1 (id 'b')" in message
    assert words in message
    assert len(read(collection(point(x, y)), crs="EPSG:4549")[0].frame) == 1, "a declared system is another's to judge"


@pytest.mark.parametrize("x", [1e10, -3e15])
def test_what_no_system_has_is_refused_even_if_one_is_declared(read: Reader, x: float) -> None:
    assert "no reference system has" in refusal(read, collection(point(x, 1)), crs="EPSG:4549")


def test_the_antimeridian(read: Reader) -> None:
    ring = [[177, -18], [-179, -18], [-179, -16], [177, -16], [177, -18]]
    east, west = ([[x, -18], [x + 1, -18], [x + 1, -16], [x, -18]] for x in (179, -180))
    for geometry in (shape("Polygon", [ring]), shape("MultiPolygon", [[ring]]), shape("LineString", ring[:2])):
        assert "antimeridian" in refusal(read, collection(point(), feature(geometry)))
    assert len(read(collection(feature(shape("MultiPolygon", [[east], [west]]))))[0].frame) == 1, "split there"
    world = [[-180, -90], [180, -90], [180, 90], [-180, 90], [-180, -90]]
    assert len(read(collection(feature(shape("Polygon", [world]))))[0].frame) == 1
    assert len(read(collection(feature(shape("MultiPoint", [[179, 1], [-179, 1]]))))[0].frame) == 1


# stated boxes


@pytest.mark.parametrize(
    ("bbox", "bounds"),
    [
        ([121, 31, 122, 32], (121, 31, 122, 32)),
        ([121, 31, -5, 122, 32, 9], (121, 31, 122, 32)),
    ],
)
def test_a_stated_box_is_kept(read: Reader, bbox: list[float], bounds: tuple[float, ...]) -> None:
    raw, findings = read(collection(point(), bbox=bbox))
    assert raw.bounds == bounds
    assert not findings


@pytest.mark.parametrize(
    "bbox",
    [
        "x",
        5,
        {"a": 1},
        [1, 2],
        [1, 2, 3, 4, 5],
        ["121", 31, 122, 32],
        [31, 121, 32, 122],
        [122, 31, 121, 32],
        [True] * 4,
    ],
)
def test_a_senseless_box_is_ignored_and_said(read: Reader, bbox: Any) -> None:
    raw, findings = read(collection(point(), bbox=bbox))
    assert raw.bounds is None
    assert rules(findings) == {"geojson_bbox": "warning"}
    raw, findings = read(collection(point(bbox=bbox)))
    assert rules(findings) == {"geojson_bbox_of_feature": "warning"}


def test_features_beyond_the_stated_box_are_said(read: Reader) -> None:
    raw, findings = read(collection(feature(shape("Polygon", SQUARE)), bbox=[121, 31, 121.05, 31.05]))
    assert raw.bounds == (121, 31, 121.05, 31.05)
    assert rules(findings) == {"geojson_bbox_exceeded": "warning"}


# layers


def test_the_layer_is_called_as_the_file(read: Reader, tmp_path: Path) -> None:
    assert geojson.layers(tmp_path / "地块.geojson", "地块.geojson") == ("地块",)
    said = collection(point(), name="DLTB")
    assert read(said, layer="地块")[0].layer == "地块"
    assert read(said, layer="DLTB")[0].layer == "DLTB"
    assert "no layer 'DLTN'" in refusal(read, said, layer="DLTN")


def test_odd_names_of_files_are_no_matter(tmp_path: Path) -> None:
    for name in ("a!b.geojson", "# %?&'.geojson", "-x.geojson", "换\n行.geojson"):
        path = tmp_path / name
        path.write_text(json.dumps(collection(point())), "utf-8")
        assert np.array_equal(geojson.read(Request(path, name)).frame.geometry[0].coords, [(121.1, 31.1)])
