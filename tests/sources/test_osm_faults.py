"""OpenStreetMap files that are cut off, of another kind, or hostile."""

from __future__ import annotations

import bz2
import gzip
from collections.abc import Iterator
from pathlib import Path

import osmium
import pytest

from qpgis.errors import SourceError
from qpgis.findings import Findings
from qpgis.sources.osm import layers, read_osm, rules, summary
from tests.conftest import SHARED_DATA

BAD = SHARED_DATA / "bad_inputs" / "pbf"
XML = """<?xml version="1.0" encoding="UTF-8"?>
<osm version="0.6">
  <bounds minlat="31" minlon="121" maxlat="31.1" maxlon="121.1"/>
  <node id="1" version="1" lat="31.00" lon="121.00"/>
  <node id="2" version="1" lat="31.00" lon="121.01"/>
  <node id="3" version="1" lat="31.01" lon="121.01"/>
  <node id="4" version="1" lat="31.01" lon="121.00"/>
  <way id="10" version="1">
    <nd ref="1"/><nd ref="2"/><nd ref="3"/><nd ref="4"/><nd ref="1"/><tag k="natural" v="water"/>
  </way>
  <way id="11" version="1"><nd ref="1"/><nd ref="3"/><tag k="highway" v="residential"/></way>
  <relation id="20" version="1">
    <member type="way" ref="10" role="outer"/>
    <tag k="type" v="boundary"/><tag k="boundary" v="administrative"/><tag k="admin_level" v="8"/><tag k="name" v="镇"/>
  </relation>
</osm>
"""


@pytest.fixture
def xml(tmp_path: Path) -> Path:
    path = tmp_path / "town.osm"
    path.write_text(XML, encoding="utf-8")
    return path


@pytest.fixture
def pbf(xml: Path, tmp_path: Path) -> Path:
    path = tmp_path / "town.osm.pbf"
    with osmium.SimpleWriter(str(path)) as writer:
        for obj in osmium.FileProcessor(str(xml)):
            writer.add(obj)
    return path


def read(path: Path) -> tuple[dict[str, int], int, set[str]]:
    """Features by layer (those with any), boundaries, and the rules of the findings."""
    findings = Findings()
    found = read_osm(path, name=path.name, findings=findings)
    counts = {layer: len(raw.frame) for layer, raw in found.layers.items() if len(raw.frame)}
    return counts, len(found.boundaries), {finding.rule for finding in findings}


def refused(path: Path, why: str) -> None:
    for look in (lambda: summary(path, path.name), lambda: read(path), lambda: layers(path, path.name)):
        with pytest.raises(SourceError, match=rf"{path.name}.*{why}"):
            look()


def blocks(data: bytes) -> Iterator[int]:
    """Where the blocks of a PBF end: each has the length of its header, the header, and what field 3 of that states."""
    at = 0
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        head = data[at + 4 : at + 4 + length]
        size, shift, place = 0, 0, 2 + head[1] + 1
        while True:
            size |= (head[place] & 0x7F) << shift
            if head[place] < 0x80:
                break
            shift, place = shift + 7, place + 1
        at += 4 + length + size
        yield at


def test_what_an_extract_holds(xml: Path, pbf: Path) -> None:
    for path in (xml, pbf):
        found = summary(path, path.name)
        assert (found.nodes, found.ways, found.relations) == (4, 2, 1)
        assert layers(path, path.name) == tuple(rule.layer for rule in rules())
        assert read(path) == ({"water": 1, "roads": 1}, 1, set())
    assert summary(xml, "town.osm").bounds == pytest.approx((121, 31, 121.1, 31.1))
    assert summary(pbf, "town.osm.pbf").bounds is None


def test_an_answer_that_the_server_gave_up_is_refused(xml: Path) -> None:
    # what overpass-api.de sends, with status 200, when time or memory run out
    remark = '<remark> runtime error: Query timed out in "query" at line 3 after 26 seconds. </remark>\n'
    xml.write_text(XML.replace("</osm>", f"{remark}</osm>"), encoding="utf-8")
    refused(xml, 'gave up .*Query timed out in "query" at line 3')


@pytest.mark.parametrize(("good", "bad"), [('lat="31.01" lon="121.01"', 'lat="nan" lon="121.01"'), ('"31.1"', '"x"')])
def test_a_coordinate_that_is_no_number_is_refused(xml: Path, good: str, bad: str) -> None:
    xml.write_text(XML.replace(good, bad, 1), encoding="utf-8")
    for look in (summary, lambda path, name: read(path)):
        with pytest.raises(SourceError, match=r"town\.osm.*wrong format for coordinate"):
            look(xml, xml.name)


@pytest.mark.parametrize(("ending", "pack"), [(".gz", gzip.compress), (".bz2", bz2.compress)])
def test_packed_xml(xml: Path, ending: str, pack: object) -> None:
    whole = pack(xml.read_bytes())  # type: ignore[operator]
    path = xml.with_name(f"town.osm{ending}")
    path.write_bytes(whole)
    assert summary(path, path.name).nodes == 4
    for cut in (whole[:-12], whole[: len(whole) // 2], b"PK\x03\x04 no such thing"):
        path.write_bytes(cut)
        refused(path, "can't be unpacked")


def test_a_pbf_cut_within_a_block_is_refused(pbf: Path) -> None:
    whole = pbf.read_bytes()
    edges = set(blocks(whole))
    assert max(edges) == len(whole)
    for size in set(range(1, len(whole))) - edges:
        pbf.write_bytes(whole[:size])
        refused(pbf, "(unexpected end|no OSM PBF)")


def test_a_pbf_cut_between_two_blocks_is_refused_or_said(pbf: Path) -> None:
    whole = pbf.read_bytes()
    header, *edges = list(blocks(whole))[:-1]
    assert edges
    pbf.write_bytes(whole[:header])
    refused(pbf, "no data")
    for size in edges:
        pbf.write_bytes(whole[:size])
        try:
            _, _, found = read(pbf)
        except SourceError:
            continue
        assert "osm_without_relations" in found


def test_real_pbf_cut_in_half() -> None:
    path = BAD / "d_truncated_half" / "half.osm.pbf"
    if not path.exists():
        pytest.skip("../shared/data isn't here")
    refused(path, "unexpected end of file")


def test_real_pbf_of_two_nodes() -> None:
    path = BAD / "gdal_two_points_pbf" / "two_points.pbf"
    if not path.exists():
        pytest.skip("../shared/data isn't here")
    found = summary(path, path.name)
    assert (found.nodes, found.ways, found.relations) == (2, 0, 0)
    with pytest.raises(SourceError, match="nothing that qpgis uses"):
        read(path)


def test_real_history() -> None:
    path = BAD / "libosmium_deleted_nodes" / "deleted_nodes.osh.pbf"
    if not path.exists():
        pytest.skip("../shared/data isn't here")
    for look in (lambda: summary(path, path.name), lambda: read(path)):
        with pytest.raises(SourceError, match=r"history.*time-filter"):
            look()


@pytest.mark.parametrize("mark", ["visible='false'", 'visible="false"', "action='delete'"])
@pytest.mark.parametrize("padding", [0, 1 << 20, (1 << 20) - 65_536 - 600])
def test_deleted_objects_in_xml_are_refused(xml: Path, mark: str, padding: int) -> None:
    text = XML.replace('<way id="10"', f'<!--{"x" * padding}--><way id="10" {mark}')
    xml.write_text(text, encoding="utf-8")
    refused(xml, "marked as deleted")


def test_two_versions_of_an_object_are_refused(xml: Path) -> None:
    xml.write_text(XML.replace('<node id="4"', '<node id="3" version="2" lat="31.02" lon="121.01"/><node id="4"'))
    with pytest.raises(SourceError, match=r"n3 is in it twice.*history"):
        summary(xml, "town.osm")


@pytest.mark.parametrize("name", ["page.osm.pbf", "page.osm"])
@pytest.mark.parametrize(
    "page", ["<!DOCTYPE html>\n<html>404</html>", "\n<HTML>", '<?xml version="1.0"?>\n<!DOCTYPE html PUBLIC "x"><html>']
)
def test_a_web_page_is_refused(tmp_path: Path, name: str, page: str) -> None:
    (tmp_path / name).write_text(page, encoding="utf-8")
    refused(tmp_path / name, "web page")


@pytest.mark.parametrize(
    "prolog",
    [
        '<!DOCTYPE osm SYSTEM "http://127.0.0.1:9/evil.dtd">',
        '<!DOCTYPE osm [<!ENTITY a SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE osm [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;">]>',
    ],
)
def test_entities_are_refused(xml: Path, prolog: str) -> None:
    xml.write_text(XML.replace("<osm ", f"{prolog}<osm ", 1).replace("镇", "&a;"), encoding="utf-8")
    refused(xml, "entities")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('<?xml version="1.0"?><osmChange version="0.6"><delete/></osmChange>', "file of changes"),
        ('<?xml version="1.0"?><gpx/>', "no OSM file"),
        ("{}", "no OSM file"),
    ],
)
def test_other_files_are_refused(xml: Path, text: str, why: str) -> None:
    xml.write_text(text, encoding="utf-8")
    refused(xml, why)


def test_xml_in_another_encoding_is_refused(xml: Path) -> None:
    xml.write_bytes(XML.replace("UTF-8", "UTF-16").encode("utf-16"))
    refused(xml, "UTF-8")


def test_cut_xml_is_refused(xml: Path) -> None:
    xml.write_text(XML[: XML.index("<relation") + 30], encoding="utf-8")
    for look in (lambda: summary(xml, "town.osm"), lambda: read(xml)):
        with pytest.raises(SourceError, match="damaged or no OSM file"):
            look()


def test_objects_out_of_order_are_refused_with_a_remedy(xml: Path) -> None:
    first, second = XML.index('  <way id="10"'), XML.index('  <way id="11"')
    end = XML.index("  <relation")
    xml.write_text(XML[:first] + XML[second:end] + XML[first:second] + XML[end:], encoding="utf-8")
    with pytest.raises(SourceError, match="osmium sort"):
        read(xml)


def test_nodes_that_are_missing_or_nowhere_are_named(xml: Path) -> None:
    xml.write_text(XML.replace('<nd ref="1"/><nd ref="3"/>', '<nd ref="1"/><nd ref="99"/>'), encoding="utf-8")
    assert read(xml)[0] == {"water": 1}
    assert "osm_no_geometry" in read(xml)[2]
    xml.write_text(XML.replace('<node id="3" version="1" lat="31.01" lon="121.01"/>', '<node id="3" version="1"/>'))
    with pytest.raises(SourceError, match="nothing that qpgis uses"):
        read(xml)


def test_no_objects_at_all(xml: Path) -> None:
    xml.write_text('<osm version="0.6"></osm>', encoding="utf-8")
    with pytest.raises(SourceError, match="no objects"):
        summary(xml, "town.osm")


def test_random_bytes_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.osm.pbf"
    for data in (b"\0", b"\0\0\0\1", b"\0\0\0\5\x0a\x7fOSM", b"\0\0\0\3\x0a\1X", b"\xff" * 100, b"\0\0\0\0" * 9):
        path.write_bytes(data)
        refused(path, "(PBF|unexpected end)")
