"""Drawings: outlines, curves, blocks, text and what can't be read, each worked out by hand."""

from __future__ import annotations

import json
import math
import struct
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
from qpgis.sources.dxf import layers, read
from qpgis.sources.dxf_shapes import Draughtsman
from qpgis.sources.dxf_tags import resolved
from tests.conftest import SHARED_DATA

BAD = SHARED_DATA / "bad_inputs" / "dxf"
Loaded = tuple[RawFeatures, Findings]


def load(path: Path, layer: str | None = None, **options: str) -> Loaded:
    findings = Findings("en")
    return read(Request(path, path.name, "", findings, layer=layer, **options)), findings


def rules(findings: Findings, severity: Severity | None = None) -> set[str]:
    return {f.rule for f in findings if severity in (None, f.severity)}


def r12(*entities: str, header: str = "", blocks: str = "") -> str:
    """A drawing as AutoCAD R12 wrote them, from ``code value code value ...`` entities."""

    def tags(text: str) -> list[str]:
        return [line for pair in text.split("|") if pair for line in pair.split(" ", 1)]

    lines = ["0", "SECTION", "2", "HEADER", *tags(header), "0", "ENDSEC"]
    lines += ["0", "SECTION", "2", "BLOCKS", *tags(blocks), "0", "ENDSEC"]
    lines += ["0", "SECTION", "2", "ENTITIES", *(line for e in entities for line in tags(e)), "0", "ENDSEC", "0", "EOF"]
    return "\n".join(lines) + "\n"


def outline(*points: tuple[float, float], closed: bool = True, layer: str = "0") -> str:
    vertices = "".join(f"|0 VERTEX|8 {layer}|10 {x}|20 {y}|30 0" for x, y in points)
    return f"0 POLYLINE|8 {layer}|66 1|70 {int(closed)}|10 0|20 0|30 0{vertices}|0 SEQEND|8 {layer}"


Writer = Callable[..., Path]


@pytest.fixture
def drawing(tmp_path: Path) -> Writer:
    def write(text: str, encoding: str = "ascii") -> Path:
        path = tmp_path / "图.dxf"
        path.write_bytes(text.encode(encoding))
        return path

    return write


@pytest.fixture
def modern(tmp_path: Path) -> Callable[[Callable], Path]:
    """A drawing that ezdxf writes: ``modern(lambda doc, space: space.add_line(...))``."""

    def write(draw: Callable, version: str = "R2010", **options: str) -> Path:
        import ezdxf

        document = ezdxf.new(version)
        draw(document, document.modelspace())
        path = tmp_path / "made.dxf"
        document.saveas(path, **options)
        return path

    return write


def test_closed_outlines_are_polygons_and_open_ones_lines(drawing: Writer) -> None:
    square = ((0, 0), (100, 0), (100, 50), (0, 50))
    raw, findings = load(
        drawing(r12(outline(*square), outline(*square, closed=False), outline(*square, (0, 0), closed=False)))
    )
    assert list(raw.frame.geom_type) == ["Polygon", "LineString", "Polygon"]
    assert list(raw.frame.area) == [5000, 0, 5000]
    assert raw.frame.crs is None
    assert raw.driver == "DXF"
    assert not rules(findings)


def test_outline_that_nearly_closes_is_closed_and_said(drawing: Writer) -> None:
    points = ((0, 0), (100, 0), (100, 50), (0, 50), (0, 0.0004))
    raw, findings = load(drawing(r12(outline(*points, closed=False))))
    assert raw.frame.area[0] == pytest.approx(5000)
    assert [(f.rule, f.feature_id) for f in findings] == [("dxf_nearly_closed", raw.frame.feature_id[0])]
    raw, findings = load(drawing(r12(outline(*points[:4], (0, 0.4), closed=False))))
    assert raw.frame.geom_type[0] == "LineString"


def test_a_small_outline_in_degrees_isnt_closed_by_a_tolerance_of_metres(drawing: Writer) -> None:
    points = ((121, 31), (121.001, 31), (121.001, 31.001), (121.0005, 31.0005))
    raw, _ = load(drawing(r12(outline(*points, closed=False))))
    assert raw.frame.geom_type[0] == "LineString"


def test_outline_that_encloses_nothing_is_named(drawing: Writer) -> None:
    raw, findings = load(drawing(r12(outline((0, 0), (5, 0), (0, 0)))))
    assert raw.frame.geom_type[0] == "LineString"
    assert rules(findings, Severity.WARNING) == {"dxf_encloses_nothing"}


@pytest.mark.parametrize("radius", [0.5, 50, 20_000])
def test_circle_has_its_area(drawing: Writer, radius: float) -> None:
    raw, findings = load(drawing(r12(f"0 CIRCLE|8 0|10 7|20 8|30 0|40 {radius}")))
    assert raw.frame.area[0] == pytest.approx(math.pi * radius**2, rel=2e-4)
    ring = shapely.get_coordinates(raw.frame.geometry[0])
    middle = (ring[1:] + ring[:-1]) / 2
    strays = radius - np.hypot(*(middle - (7, 8)).T)
    assert 0 < strays.max() <= min(1e-3, 1e-4 * radius) * 1.000001
    assert float(next(f.value for f in findings if f.rule == "dxf_curves_straightened")) == pytest.approx(
        strays.max(), rel=0.05
    )


@given(st.floats(0.02, 20), st.floats(-1, 1), st.floats(-1, 1))
@settings(max_examples=60, deadline=None)
def test_a_bulge_is_an_arc_through_both_ends_whose_height_it_gives(bulge: float, x: float, y: float) -> None:
    start, end = np.array([x, y]), np.array([x + 10, y + 3])
    points = Draughtsman(1e-3)._bulged(np.array([start, end]), np.array([bulge, 0.0]), closed=False)
    assert (points[0] == start).all()
    assert (points[-1] == end).all()
    chord = end - start
    height = (points - start) @ np.array([chord[1], -chord[0]]) / np.hypot(*chord)
    half = np.hypot(*chord) / 2
    strays = 1e-4 * half * (1 + bulge**2) / (2 * bulge)
    assert height.max() == pytest.approx(bulge * half, abs=strays)  # a bulge is height over half a chord
    assert height.min() >= -1e-9


def test_bulged_outline_of_two_points_is_a_circle(modern: Callable) -> None:
    path = modern(lambda doc, space: space.add_lwpolyline([(0, 0, 1), (10, 0, 1)], format="xyb", close=True))
    raw, _ = load(path)
    assert raw.frame.area[0] == pytest.approx(math.pi * 25, rel=2e-4)


def test_arc_ellipse_and_spline(modern: Callable) -> None:
    def draw(doc: object, space: object) -> None:
        space.add_arc((0, 0), 10, 350, 20)
        space.add_ellipse((5, 5), (20, 0), 0.5)
        space.add_ellipse((0, 0), (0, 20), 0.5, 0, math.pi)
        space.add_open_spline([(0, 0), (10, 0), (10, 10)], degree=2)

    raw, _ = load(modern(draw))
    assert list(raw.frame.geom_type) == ["LineString", "Polygon", "LineString", "LineString"]
    assert raw.frame.length[0] == pytest.approx(math.radians(30) * 10, rel=1e-4)
    assert raw.frame.area[1] == pytest.approx(math.pi * 20 * 10, rel=2e-4)
    assert raw.frame.bounds.loc[2].round(2).tolist() == [-10, -20, 0, 20]
    parabola = 10 * (1 + math.asinh(1) / math.sqrt(2))  # a quadratic Bezier with right-angled legs of 10
    assert raw.frame.length[3] == pytest.approx(parabola, rel=1e-3)


def test_circle_without_radius_is_kept_as_a_row_and_named(drawing: Writer) -> None:
    raw, findings = load(
        drawing(r12("0 CIRCLE|5 A1|8 0|10 0|20 0|30 0|40 0", "0 CIRCLE|5 A2|8 0|10 0|20 0|30 0|40 -1"))
    )
    assert list(raw.frame.feature_id) == ["A1", "A2"]
    assert raw.frame.geometry.isna().all()
    assert [(f.rule, f.feature_id, f.value) for f in findings] == [
        ("dxf_no_radius", "A1", "0"),
        ("dxf_no_radius", "A2", "-1"),
    ]


def test_hatch_is_filled_by_the_even_odd_rule(modern: Callable) -> None:
    rings = [[(0, 0), (10, 0), (10, 10), (0, 10)], [(2, 2), (8, 2), (8, 8), (2, 8)], [(4, 4), (6, 4), (6, 6), (4, 6)]]

    def draw(doc: object, space: object) -> None:
        for style in (0, 1, 2):
            hatch = space.add_hatch()
            hatch.dxf.hatch_style = style
            for ring in rings:
                hatch.paths.add_polyline_path(ring)

    raw, _ = load(modern(draw))
    assert list(raw.frame.area) == [100 - 36 + 4, 100 - 36, 100]


def test_hatch_of_edges_in_any_direction(modern: Callable) -> None:
    def draw(doc: object, space: object) -> None:
        edges = space.add_hatch().paths.add_edge_path()
        edges.add_line((10, 0), (0, 0))
        edges.add_arc((10, 5), 5, -90, 90)
        edges.add_line((0, 10), (10, 10))
        edges.add_line((0, 10), (0, 0))
        edges = space.add_hatch().paths.add_edge_path()
        edges.add_line((0, 0), (10, 0))
        edges.add_line((10, 0), (10, 10))

    raw, findings = load(modern(draw))
    assert raw.frame.area[0] == pytest.approx(100 + math.pi * 25 / 2, rel=1e-4)
    assert raw.frame.geometry[1] is None
    assert [f.feature_id for f in findings if f.rule == "dxf_hatch_open"] == [raw.frame.feature_id[1]]


def test_a_plane_seen_from_below_is_mirrored(modern: Callable) -> None:
    attributes = {"extrusion": (0, 0, -1), "elevation": 7}
    path = modern(
        lambda doc, space: space.add_lwpolyline([(10, 0), (20, 0), (20, 5)], close=True, dxfattribs=attributes)
    )
    raw, _ = load(path)
    assert raw.frame.geometry[0].equals(shapely.Polygon([(-10, 0), (-20, 0), (-20, 5)]))
    assert raw.frame.elevation[0] == -7


def test_blocks_are_taken_apart_where_they_are_placed(modern: Callable) -> None:
    """Twice as wide, mirrored, turned by 90 degrees about its base point, as the matrices say by hand."""

    def draw(doc: object, space: object) -> None:
        doc.layers.add("图块", color=5)
        block = doc.blocks.new("符号", base_point=(1, 1))
        block.add_lwpolyline([(1, 1), (3, 1), (3, 2), (1, 2)], close=True)
        block.add_line((1, 1), (2, 1), dxfattribs={"layer": "别层", "color": 1})
        place = {"layer": "图块", "xscale": 2, "yscale": -1, "rotation": 90}
        space.add_blockref("符号", (100, 200), dxfattribs=place).add_attrib("名称", "甲", (0, 0))

    path = modern(draw)
    assert layers(path, "x") == ("别层", "图块")
    raw, _ = load(path, "图块")
    assert list(raw.frame.entity_type) == ["INSERT", "LWPOLYLINE"]
    assert raw.frame.geometry[0].equals(shapely.Point(100, 200))
    assert raw.frame.geometry[1].equals(shapely.box(100, 200, 101, 204))
    assert set(raw.frame.colour) == {"5"}
    assert set(raw.frame.block) == {"符号"}
    assert json.loads(raw.frame.attributes[1]) == {"名称": "甲"}
    line, _ = load(path, "别层")
    assert line.frame.geometry[0].equals(shapely.LineString([(100, 200), (100, 202)]))
    assert line.frame.colour[0] == "1"


def test_nested_blocks_and_arrays(modern: Callable) -> None:
    def draw(doc: object, space: object) -> None:
        doc.blocks.new("树").add_circle((0, 0), 1)
        doc.blocks.new("林").add_blockref("树", (10, 0))
        array = {"xscale": 3, "yscale": 3, "row_count": 2, "column_count": 3, "row_spacing": 50, "column_spacing": 20}
        space.add_blockref("林", (1000, 0), dxfattribs=array)

    raw, _ = load(modern(draw))
    circles = raw.frame[raw.frame.entity_type == "CIRCLE"]
    symbols = raw.frame[raw.frame.entity_type == "INSERT"]
    assert sorted((p.x, p.y) for p in symbols.geometry) == [(x, y) for x in (1030, 1050, 1070) for y in (0, 50)]
    assert circles.area.tolist() == pytest.approx([9 * math.pi] * 6, rel=2e-4)
    assert raw.frame.feature_id.is_unique


def test_a_symbol_that_draws_its_own_point_counts_once(modern: Callable) -> None:
    def draw(doc: object, space: object) -> None:
        doc.blocks.new("高程点").add_point((0, 0))
        space.add_blockref("高程点", (3, 4)).add_attrib("H", "12.5", (0, 0))

    raw, _ = load(modern(draw))
    assert [(p.x, p.y) for p in raw.frame.geometry] == [(3, 4)]
    assert json.loads(raw.frame.attributes[0]) == {"H": "12.5"}


@pytest.mark.parametrize(
    ("draw", "why"),
    [
        (
            lambda doc, space: space.add_blockref("NOPE", (0, 0)),
            "INSERT .* places block 'NOPE', which the drawing doesn't",
        ),
        (
            lambda doc, space: (
                doc.blocks.new("A").add_blockref("B", (0, 0)),
                doc.blocks.new("B").add_blockref("A", (0, 0)),
                space.add_blockref("A", (0, 0)),
            ),
            "holds itself",
        ),
        (
            lambda doc, space: (
                [
                    block.add_point((0, 0)) if not n else block.add_blockref(f"L{n - 1}", (k, 0))
                    for n in range(9)
                    for block in [doc.blocks.new(f"L{n}")]
                    for k in range(10)
                ],
                space.add_blockref("L8", (0, 0)),
            ),
            "its blocks make more than",
        ),
        (
            lambda doc, space: (
                doc.blocks.new("P").add_point((0, 0)),
                space.add_blockref(
                    "P",
                    (0, 0),
                    dxfattribs={"row_count": 9999, "column_count": 9999, "row_spacing": 1, "column_spacing": 1},
                ),
            ),
            "its blocks make more than",
        ),
    ],
)
def test_blocks_that_cant_be_taken_apart_are_refused(modern: Callable, draw: Callable, why: str) -> None:
    path = modern(draw)
    with pytest.raises(SourceError, match=why):
        load(path)


def test_external_reference_is_named(modern: Callable) -> None:
    def draw(doc: object, space: object) -> None:
        doc.add_xref_def("底图.dwg", "底图")
        space.add_blockref("底图", (0, 0))
        space.add_point((1, 1))

    raw, findings = load(modern(draw))
    assert list(raw.frame.entity_type) == ["POINT"]
    assert [f.value for f in findings if f.rule == "dxf_xref"] == ["底图"]


def test_text_is_right_whatever_its_encoding(drawing: Writer) -> None:
    text = r12("0 TEXT|8 水系|10 1|20 2|30 0|40 2|1 淀山湖%%d", header="9 $DWGCODEPAGE|3 ANSI_936|9 $ACADVER|1 AC1009")
    for encoding in ("gb18030", "utf-8"):
        raw, _ = load(drawing(text, encoding))
        assert list(raw.frame.text) == ["淀山湖°"]
        assert raw.layer == "水系"
        assert raw.encoding.startswith(encoding.upper())
    bare = text.replace("9\n$DWGCODEPAGE\n3\nANSI_936\n", "")
    raw, _ = load(drawing(bare, "gb18030"), encoding="gbk")
    assert (list(raw.frame.text), raw.layer) == (["淀山湖°"], "水系")


def test_escapes_are_the_characters_they_stand_for(drawing: Writer) -> None:
    raw, _ = load(drawing(r12(r"0 TEXT|8 \U+6C34\U+7CFB|10 1|20 2|30 0|40 2|1 \M+5C7E0\M+5C6D6 \U+00FC")))
    assert raw.layer == "水系"
    assert list(raw.frame.text) == ["青浦 ü"]


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFFFF, exclude_categories=["Cs"]), max_size=8))
def test_any_character_survives_its_escape(text: str) -> None:
    assert resolved("".join(f"\\U+{ord(c):04X}" for c in text)) == text


def test_formatted_text_is_plain(modern: Callable) -> None:
    raw, findings = load(modern(lambda doc, space: space.add_mtext(r"{\fSimSun;金泽镇}\P\C1;第二行")))
    assert list(raw.frame.text) == ["金泽镇\n第二行"]
    assert rules(findings) == {"dxf_texts_as_points"}


def test_layers_are_picked_whatever_their_capitals(drawing: Writer) -> None:
    path = drawing(
        r12(
            outline((0, 0), (1, 0), (1, 1), layer="Roads"),
            "0 POINT|8 ROADS|10 1|20 1|30 0",
            "0 POINT|8 b|10 1|20 1|30 0",
        )
    )
    assert layers(path, "x") == ("Roads", "b")
    assert len(load(path, "roads")[0].frame) == 2
    with pytest.raises(SourceError, match=r"2 layers \(Roads, b\); say which"):
        load(path)
    with pytest.raises(SourceError, match="no layer 'rods'; did you mean 'Roads'"):
        load(path, "rods")


def test_bodies_are_counted_annotation_too(modern: Callable) -> None:
    def draw(doc: object, space: object) -> None:
        space.add_lwpolyline([(0, 0), (1, 0), (1, 1)], close=True)
        space.add_3dface([(0, 0, 0), (1, 0, 0), (1, 1, 1)])
        space.add_circle((0, 0), 1, dxfattribs={"extrusion": (1, 0, 0)})
        space.add_linear_dim((0, 5), (0, 0), (10, 0)).render()
        doc.paperspace().add_line((0, 0), (1, 1))

    raw, findings = load(modern(draw))
    assert len(raw.frame) == 1
    said = {(str(f.severity), f.rule, f.value) for f in findings}
    assert said == {
        ("warning", "dxf_entities_ignored", "3DFACE × 1"),
        ("warning", "dxf_entities_ignored", "CIRCLE × 1"),
        ("info", "dxf_annotation_ignored", "DIMENSION × 1"),
        ("info", "dxf_paper_ignored", "1"),
    }


def test_units_hidden_layers_colours_and_extended_data(modern: Callable) -> None:
    def draw(doc: object, space: object) -> None:
        doc.units = 4
        doc.layers.add("地块", color=3).freeze()
        doc.appids.add("SOUTH")
        space.add_point((1, 2, 3), dxfattribs={"layer": "地块"}).set_xdata("SOUTH", [(1000, "141101"), (1040, 2.5)])
        space.add_point((1, 2), dxfattribs={"layer": "地块", "true_color": 0x00FF80})

    raw, findings = load(modern(draw))
    assert list(raw.frame.colour) == ["3", "#00FF80"]
    assert json.loads(raw.frame.xdata[0]) == {"SOUTH": ["141101", 2.5]}
    assert list(raw.frame.elevation) == [3, 0]
    assert {(f.rule, f.value) for f in findings} == {("dxf_units", "millimetre"), ("dxf_layer_hidden", "")}


@pytest.mark.parametrize("version", ["R12", "R2000", "R2004", "R2007", "R2018"])
def test_binary_drawings_say_the_same(modern: Callable, tmp_path: Path, version: str) -> None:
    def draw(doc: object, space: object) -> None:
        doc.encoding = "gbk"
        doc.header["$DWGCODEPAGE"] = "ANSI_936"
        if version != "R12":
            doc.units = 6
        space.add_polyline2d([(0, 0), (4, 0), (4, 3)], close=True, dxfattribs={"layer": "水系"})
        space.add_text("淀山湖", dxfattribs={"layer": "水系"})

    text, _ = load(modern(draw, version))
    binary, _ = load(modern(draw, version, fmt="bin"))
    assert binary.frame.drop(columns="geometry").equals(text.frame.drop(columns="geometry"))
    assert list(binary.frame.geometry) == list(text.frame.geometry)
    assert binary.frame.area[0] == 6
    assert list(binary.frame.text.dropna()) == ["淀山湖"]
    data = (tmp_path / "made.dxf").read_bytes()
    (tmp_path / "cut.dxf").write_bytes(data[: len(data) // 2])
    with pytest.raises(SourceError, match="cut short"):
        load(tmp_path / "cut.dxf")


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"AC1027\0\0\0\0", "DWG drawing.*save it as DXF"),
        (b"hello\nworld\n", "isn't a DXF drawing"),
        (b"\0" * 100, "nothing but blanks"),
        (b"PK\x03\x04" + b"\0" * 50, "isn't a DXF drawing"),
        (r12("0 POINT|8 0|10 1|20 1|30 0").encode()[:-10], "cut short"),
        (r12("0 POINT|8 0|10 abc|20 1|30 0").encode(), "structure is damaged"),
        (
            b"AutoCAD Binary DXF\r\n\x1a\0" + struct.pack("<H", 0) + b"SECTION\0" + struct.pack("<Hd", 40, 1.0)[:5],
            "cut short",
        ),
    ],
)
def test_what_is_no_drawing_is_refused(tmp_path: Path, data: bytes, why: str) -> None:
    path = tmp_path / "x.dxf"
    path.write_bytes(data)
    with pytest.raises(SourceError, match=why):
        load(path)
    with pytest.raises(SourceError, match=why):
        layers(path, "x.dxf")


def _is_no_text(junk: bytes) -> bool:
    """Letters over a line's end make another text, which nobody can tell from the one that was meant."""
    return any(byte < 9 or 13 < byte < 26 for byte in junk)


@given(st.integers(0, 10_000), st.binary(min_size=1, max_size=6).filter(_is_no_text))
@settings(max_examples=150, deadline=None, derandomize=True)
def test_no_damage_ends_in_anything_but_a_refusal_all_rows_or_a_word(
    tmp_path_factory: pytest.TempPathFactory, place: int, junk: bytes
) -> None:
    whole = r12(
        outline((0, 0), (1, 0), (1, 1)),
        "0 TEXT|8 a|10 1|20 1|30 0|40 1|1 x",
        "0 ARC|8 0|10 1|20 1|30 0|40 2|50 0|51 90",
    ).encode()
    place %= len(whole)
    path = tmp_path_factory.mktemp("damaged") / "x.dxf"
    path.write_bytes(whole[:place] + junk + whole[place + len(junk) :])
    try:
        loaded = [load(path, layer) for layer in layers(path, "x")]
    except SourceError:
        return
    said = [f for _, findings in loaded for f in findings if f.severity is not Severity.INFO]
    assert said or sum(len(raw.frame) for raw, _ in loaded) == 3


def test_what_structure_loses_is_recovered_or_said(drawing: Writer, capfd: pytest.CaptureFixture[str]) -> None:
    """An older program's order of coordinates, x1 x2 y1 y2, is one that ezdxf only takes in recovery."""
    raw, findings = load(drawing(r12("0 LINE|8 0|10 1|11 3|20 2|21 4|30 0|31 0")))
    assert raw.frame.geometry[0].equals(shapely.LineString([(1, 2), (3, 4)]))
    assert rules(findings) == {"dxf_recovered"}
    assert capfd.readouterr() == ("", "")


def test_nothing_is_written_beside_the_drawing(drawing: Writer) -> None:
    path = drawing(r12("0 POINT|8 0|10 1|20 1|30 0"))
    before = path.read_bytes()
    load(path)
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    assert path.read_bytes() == before


def test_a_changed_file_is_read_anew(drawing: Writer) -> None:
    assert len(load(drawing(r12("0 POINT|8 0|10 1|20 1|30 0")))[0].frame) == 1
    assert len(load(drawing(r12(*["0 POINT|8 0|10 1|20 1|30 0"] * 2)))[0].frame) == 2


@pytest.mark.skipif(not BAD.is_dir(), reason="the shared data isn't there")
class TestRealFiles:
    def test_circles_without_radius(self) -> None:
        raw, findings = load(BAD / "ezdxf_circle_radius_le_0" / "circle_radius_le_0.dxf")
        assert sorted((f.feature_id, f.value) for f in findings) == [("2D", "0"), ("2E", "-1")]
        assert len(raw.frame) == 2

    def test_unicode(self) -> None:
        assert "Tschüss mit ü" in layers(BAD / "ezdxf_dxf_unicode" / "dxf_unicode.dxf", "x")

    def test_missing_block(self) -> None:
        with pytest.raises(SourceError, match="layout 'Layout2' needs block"):
            load(BAD / "ezdxf_layout_missing_block_definition" / "layout_missing_block_definition.dxf")

    def test_bodies(self) -> None:
        _, findings = load(BAD / "gdal_3d" / "3d.dxf")
        ignored = {f.value for f in findings if f.rule == "dxf_entities_ignored"}
        assert {"3DSOLID × 3", "POLYLINE × 1"} <= ignored


def test_closed_splines_whose_knots_dont_repeat_are_drawn_where_they_are(modern: Callable[[Callable], Path]) -> None:
    x, y = 510000.0, 3450000.0
    square = np.array([(x, y), (x + 100, y), (x + 100, y + 100), (x, y + 100)])
    path = modern(lambda _, space: space.add_spline().set_closed([(*corner, 0) for corner in square.tolist()]))
    raw, findings = load(path)
    # each span of a uniform cubic spline, by its four corners in turn
    basis = np.array([[-1, 3, -3, 1], [3, -6, 3, 0], [-3, 0, 3, 0], [1, 4, 1, 0]]) / 6
    t = np.linspace(0, 1, 2001)[:-1, None] ** [3, 2, 1, 0]
    truth = shapely.Polygon(np.concatenate([t @ basis @ np.roll(square, -n, axis=0) for n in range(4)]))
    (drawn,) = raw.frame.geometry
    assert drawn.area == pytest.approx(truth.area, rel=1e-5)
    assert drawn.bounds == pytest.approx(truth.bounds, abs=0.001)
    assert rules(findings) == {"dxf_curves_straightened"}


PARCEL = (
    "0 LWPOLYLINE|5 A1|100 AcDbEntity|8 地块|100 AcDbPolyline|90 4|70 1|10 0|20 0|10 100|20 0|10 100|20 50|10 0|20 50"
)
"""A closed outline of 5000 square metres as versions since R13 write it."""


def test_a_drawing_that_says_r12_but_has_subclasses_keeps_its_closed_outlines(drawing: Writer) -> None:
    raw, findings = load(drawing(r12(PARCEL, header="9 $ACADVER|1 AC1009"), "utf-8"), encoding="utf-8")
    assert list(raw.frame.area) == [5000]
    assert not rules(findings, Severity.ERROR)


@pytest.mark.parametrize("marked", ["100 AcDbEntity|8 墙|100 TDbWall", "8 墙"])
def test_entities_of_programs_that_extend_cad_are_counted_and_the_others_read(drawing: Writer, marked: str) -> None:
    path = drawing(r12(PARCEL, f"0 TCH_WALL|5 9|{marked}|40 2.5", header="9 $ACADVER|1 AC1021"), "utf-8")
    assert layers(path, path.name) == ("地块", "墙")
    raw, _ = load(path, layer="地块")
    assert list(raw.frame.area) == [5000]
    raw, findings = load(path, layer="墙")
    assert len(raw.frame) == 0
    assert [(f.rule, f.value) for f in findings] == [("dxf_entities_ignored", "TCH_WALL × 1")]


@pytest.mark.parametrize("number", ["nan", "1e400"])
def test_an_outline_with_a_coordinate_that_is_no_number_is_named(drawing: Writer, number: str) -> None:
    broken = PARCEL.replace("10 100", f"10 {number}", 1)
    path = drawing(r12(broken, PARCEL.replace("A1", "A2"), header="9 $ACADVER|1 AC1021"), "utf-8")
    raw, findings = load(path)
    assert [None if one is None else one.area for one in raw.frame.geometry] == [None, 5000]
    assert [(f.rule, f.feature_id) for f in findings] == [("dxf_entity_unreadable", "A1")]


@pytest.mark.parametrize("enabled", [True, False])
def test_clipped_blocks_are_read_whole_and_named(modern: Callable[[Callable], Path], *, enabled: bool) -> None:
    from ezdxf.xclip import XClip

    def draw(document: object, space: object) -> None:
        block = document.blocks.new("底图")
        block.add_lwpolyline([(0, 0), (100, 0), (100, 50), (0, 50)], close=True)
        clip = XClip(space.add_blockref("底图", (0, 0)))
        clip.set_block_clipping_path([(0, 0), (10, 10)])
        clip.enable_clipping() if enabled else clip.disable_clipping()
        space.add_blockref("底图", (500, 0))

    raw, findings = load(modern(draw))
    assert sorted(raw.frame.area) == [0, 0, 5000, 5000]
    assert [f.value for f in findings if f.rule == "dxf_block_clipped"] == ["底图"] * enabled
