"""Hostile inputs: nothing is run, nothing reaches out, nothing is written elsewhere, and every refusal is one line."""

from __future__ import annotations

import ast
import csv
import json
import os
import socket
import sqlite3
import zipfile
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path

import geopandas as gpd
import openpyxl
import pytest

from tests.browser import CHROMIUM, FLAGS
from tests.conftest import HEAD, NO_NETWORK, four_towns, frame, layer, square
from tests.conftest import write as write_layers
from tests.warm import ROOT, Done, Warm


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warm]:
    process = Warm(tmp_path_factory.mktemp("said"))
    yield process
    process.close()


@pytest.fixture(scope="module")
def trap() -> Iterator[int]:
    """A port that waits for connections; at the end, nobody has come."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(64)
        listening.setblocking(False)
        yield listening.getsockname()[1]
        with pytest.raises(BlockingIOError):
            listening.accept()


def refused(done: Done, *words: str) -> None:
    """Exit status 2, one message, no traceback."""
    assert done.status == 2, (done.status, done.out[-500:], done.err[-1500:])
    message = "".join(line for line in done.err.splitlines(keepends=True) if not line.startswith("["))  # no stages
    assert message.startswith("qpgis "), done.err
    assert "Traceback" not in message, done.err
    assert [word for word in words if word not in done.err] == [], done.err


# --- text that would run ---------------------------------------------------------------------------------------------

SCRIPTS = [
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(2)>",
    "<!--<script>",
    "]]>\u2028\u2029'\"`${alert(3)}",
    "{{7*7}}{% raise %}{# #}",
    "javascript:alert(4)",
    "&lt;b&gt;&#60;svg onload=alert(5)&#62;",
]


def hostile(folder: Path, texts: list[str]) -> Path:
    """A workspace in which everything that can be named bears one of four to eight texts."""
    folder.mkdir()
    towns, texts = four_towns(), (texts * 8)[:8]
    towns["name"] = texts[:4]
    names = [text.replace("/", "_")[:60] for text in texts]
    shape = square(0, 0, 300, 300)
    forest = frame([shape, shape, square(900, 900, 300, 300)], label=texts[4:7], **{texts[0]: texts[:3]})
    write_layers(folder, {"towns": towns, "forest": forest})
    (folder / "forest.gpkg").rename(folder / f"{names[1]}.gpkg")
    q = json.dumps
    toml = (
        HEAD.replace('"四镇"', q(texts[5])).replace('"南片"', q(texts[6]))
        + f'[layers.forest]\nfile = {q(names[1] + ".gpkg")}\ngrade = "surveyed"\nextent = "area"\n'
        + 'name_field = "label"\n'
        + f"source = {q(texts[2])}\nlicence = {q(texts[3])}\nshow = [{q(texts[0])}]\n"
        + f'[reference.other]\nfile = {q(names[1] + ".gpkg")}\ngrade = "open"\ntitle = {q(texts[4])}\n'
        + f'name_field = "label"\nshown = true\n[outputs]\ntitle = {q(texts[7])}\nmap_approval = {q(texts[1])}\n'
    )
    (folder / "qpgis.toml").write_text(toml, encoding="utf-8")
    return folder


class Page(HTMLParser):
    """The elements of a page with the names of their attributes, and the texts of its blocks of data."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, tuple[str, ...]]] = []
        self.data: list[str] = []
        self._in_data = False
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, tuple(name for name, _ in attrs)))
        self._in_data = ("type", "application/json") in attrs

    def handle_endtag(self, tag: str) -> None:
        self.elements.append((f"/{tag}", ()))
        self._in_data = False

    def handle_data(self, data: str) -> None:
        if self._in_data:
            self.data.append(data)

    handle_comment = handle_data


@pytest.fixture(scope="module")
def pages(warm: Warm, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The map and the findings of a harmless and of a hostile workspace."""
    home = tmp_path_factory.mktemp("pages")
    found = {}
    for name, texts in (("harmless", [f"name {n}" for n in range(8)]), ("hostile", SCRIPTS)):
        land = hostile(home / name, texts)
        for command, file in (("run", "map.html"), ("check", "findings.html")):
            out = home / f"{name} {command}"
            done = warm.run(command, land, "--out", out, cwd=home)
            assert done.status in (0, 1), done.err
            found[f"{name} {file}"] = out / file
    return found


@pytest.mark.parametrize("file", ["map.html", "findings.html"])
def test_a_page_has_no_element_of_its_data(pages: dict[str, Path], file: str) -> None:
    """Whatever things are called, the page is made of the same elements; names are read from JSON, letter by letter."""
    harmless, attacked = (Page(pages[f"{kind} {file}"].read_text("utf-8")) for kind in ("harmless", "hostile"))
    assert attacked.elements == harmless.elements
    assert len(attacked.data) == len(harmless.data) > 0
    words = [text for block in attacked.data for text in strings(json.loads(block))]
    for text in SCRIPTS:
        assert any(text in word for word in words), text


def strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, one in value.items():
            yield from (key, *strings(one))
    elif isinstance(value, list):
        for one in value:
            yield from strings(one)


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium")
@pytest.mark.parametrize("file", ["map.html", "findings.html"])
def test_a_browser_runs_nothing_of_it(pages: dict[str, Path], file: str) -> None:
    from playwright.sync_api import sync_playwright

    dialogs: list[str] = []
    errors: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page()
        page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(pages[f"hostile {file}"].as_uri())
        page.wait_for_function("document.getElementById('qp-title').textContent.length > 0")
        page.mouse.move(640, 360)
        page.mouse.click(640, 360)
        page.wait_for_timeout(300)
        assert page.evaluate("document.querySelectorAll('img[onerror], svg[onload]').length") == 0
        assert page.evaluate("document.getElementById('qp-title').textContent").startswith(SCRIPTS[0])
        browser.close()
    assert dialogs == []
    assert errors == []


FORMULAS = ["=cmd|'/C calc'!A0", "+1+1", "-2+3", "@SUM(1)", "\t=1+1", "\r=1+1", '=HYPERLINK("http://x")', "=1,2\n=3"]
STARTS = ("=", "+", "-", "@", "\t", "\r")
NUMBERS = {"value", "numerator", "denominator", "target", "progress", "target_year", "value_low", "value_high"}


def test_no_cell_is_a_formula(warm: Warm, tmp_path: Path) -> None:
    land = hostile(tmp_path / "land", FORMULAS)
    towns = four_towns().assign(name=FORMULAS[:4], zone_id=["=a", "+b", "-c", "@d"])
    write_layers(land, {"towns": towns})
    toml = (land / "qpgis.toml").read_text("utf-8").replace('["a", "b"]', '["=a", "+b"]').replace('"south"', '"=south"')
    (land / "qpgis.toml").write_text(toml, "utf-8")
    for command in ("run", "check"):
        done = warm.run(command, land, "--out", tmp_path / command, cwd=tmp_path)
        assert done.status in (0, 1), done.err
    tables = [tmp_path / "run" / "indicators.csv", *(tmp_path / c / "findings.csv" for c in ("run", "check"))]
    for table in tables:
        with table.open(encoding="utf-8-sig", newline="") as stream:
            rows = list(csv.DictReader(stream))
        assert rows, table
        numbers = NUMBERS if table.name == "indicators.csv" else set()
        live = [cell for row in rows for key, cell in row.items() if key not in numbers and cell.startswith(STARTS)]
        assert live == [], table
        assert any(cell[:2] in ("'=", "'+") for row in rows for cell in row.values()), "nothing hostile arrived"
    book = openpyxl.load_workbook(tmp_path / "run" / "indicators.xlsx")
    cells = [cell for sheet in book for row in sheet.iter_rows() for cell in row if cell.value is not None]
    assert {cell.data_type for cell in cells} <= {"s", "n"}
    assert "=cmd|'/C calc'!A0" in {cell.value for cell in cells}
    assert not any(cell.hyperlink for cell in cells)
    with zipfile.ZipFile(tmp_path / "run" / "indicators.xlsx") as parts:
        assert not any(b"<f>" in parts.read(name) for name in parts.namelist())
    zones = gpd.read_file(tmp_path / "run" / "indicators.gpkg", layer="zones")
    assert set(FORMULAS[:4]) <= set(zones["zone_name"])


def test_a_workbook_holds_any_text(warm: Warm, tmp_path: Path) -> None:
    """Longer than a cell, or characters that XML forbids: the workbook still opens, and CSV has the whole."""
    land = tmp_path / "land"
    land.mkdir()
    names = ["长" * 40_000, "bell\x07\x1b[31m", "\ufffe\uffff", "_x0041_"]
    (land / "qpgis.toml").write_text(HEAD, "utf-8")
    write_layers(land, {"towns": four_towns().assign(name=names)})
    done = warm.run("run", land, "--out", tmp_path / "out", cwd=tmp_path)
    assert done.status == 0, done.err
    book = openpyxl.load_workbook(tmp_path / "out" / "indicators.xlsx")
    seen = {cell.value for row in book.worksheets[0].iter_rows() for cell in row}
    assert "长" * 32_766 + "…" in seen
    with (tmp_path / "out" / "indicators.csv").open(encoding="utf-8-sig", newline="") as stream:
        assert names[0] in {row["zone_name"] for row in csv.DictReader(stream)}


# --- files that reach out, or are none -------------------------------------------------------------------------------


def vrt(port: int) -> bytes:
    url = f"/vsicurl/http://127.0.0.1:{port}/x.geojson"
    layer = f'<OGRVRTLayer name="x"><SrcDataSource>{url}</SrcDataSource></OGRVRTLayer>'
    return f"<OGRVRTDataSource>{layer}</OGRVRTDataSource>".encode()


def raster_vrt(port: int) -> bytes:
    source = f'<SourceFilename relativeToVRT="0">/vsicurl/http://127.0.0.1:{port}/x.tif</SourceFilename>'
    band = f'<VRTRasterBand dataType="Byte" band="1"><SimpleSource>{source}</SimpleSource></VRTRasterBand>'
    return f'<VRTDataset rasterXSize="9" rasterYSize="9">{band}</VRTDataset>'.encode()


def service(port: int) -> bytes:
    return f"<OGRWFSDataSource><URL>http://127.0.0.1:{port}/wfs</URL></OGRWFSDataSource>".encode()


def map_service(port: int) -> bytes:
    return (
        f'<GDAL_WMS><Service name="WMS"><ServerUrl>http://127.0.0.1:{port}/?</ServerUrl></Service></GDAL_WMS>'.encode()
    )


def entity(body: str) -> Callable[[int], bytes]:
    """XML that reads a file, and one from the network, through entities."""

    def made(port: int) -> bytes:
        head = f'<!DOCTYPE x SYSTEM "http://127.0.0.1:{port}/x.dtd" [<!ENTITY e SYSTEM "file:///etc/passwd">'
        head += f'<!ENTITY f SYSTEM "http://127.0.0.1:{port}/y">]>'
        return f'<?xml version="1.0"?>{head}{body}'.encode()

    return made


def laughs(body: str) -> Callable[[int], bytes]:
    """XML of a kilobyte that unfolds to three gigabytes."""

    def made(_: int) -> bytes:
        steps = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
        return f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY l0 "lol">{steps}]>{body.replace("&e;", "&l9;")}'.encode()

    return made


PLACE = "<Placemark><name>&e;</name><Point><coordinates>121,31</coordinates></Point></Placemark>"
KML = f'<kml xmlns="http://www.opengis.net/kml/2.2"><Document>{PLACE}</Document></kml>'
POSITION = '<gml:Point srsName="EPSG:4326"><gml:pos>31 121</gml:pos></gml:Point>'
GML = (
    '<f:C xmlns:f="http://f" xmlns:gml="http://www.opengis.net/gml"><gml:featureMember><f:t gml:id="a"><f:n>&e;</f:n>'
    f"<f:g>{POSITION}</f:g></f:t></gml:featureMember></f:C>"
)
OSM = '<osm version="0.6"><node id="1" lat="31" lon="121"><tag k="name" v="&e;"/></node></osm>'

REACHING: dict[str, Callable[[int], bytes]] = {
    "ogr_vrt.geojson": vrt,
    "ogr_vrt.gml": vrt,
    "ogr_vrt.shp": vrt,
    "ogr_vrt.gpkg": vrt,
    "ogr_vrt.csv.kml": vrt,
    "raster_vrt.tif": raster_vrt,
    "raster_vrt.vrt": raster_vrt,
    "wfs.gml": service,
    "wfs.geojson": service,
    "wms.tif": map_service,
    "link.geojson": lambda port: json.dumps({"type": "Link", "href": f"http://127.0.0.1:{port}/x.geojson"}).encode(),
    "url.geojson": lambda port: f"http://127.0.0.1:{port}/x.geojson".encode(),
    "esri.json": lambda port: json.dumps({"url": f"http://127.0.0.1:{port}/FeatureServer/0/query?f=json"}).encode(),
    "entity.kml": entity(KML),
    "entity.gml": entity(GML),
    "entity.osm": entity(OSM),
    "laughs.kml": laughs(KML),
    "laughs.gml": laughs(GML),
    "laughs.osm": laughs(OSM),
    "project.qgs": entity("<qgis/>"),
    "project.qgz": entity("<qgis/>"),
    "array.npy": lambda _: b"\x93NUMPY\x01\x00",
    "frame.pkl": lambda _: b"cos\nsystem\n(S'touch /tmp/qpgis-was-run'\ntR.",
    "frame.pickle": lambda _: b"cos\nsystem\n(S'touch /tmp/qpgis-was-run'\ntR.",
    "layers.yaml": lambda _: b"!!python/object/apply:os.system ['touch /tmp/qpgis-was-run']",
    "code.py": lambda _: b"import os; os.system('touch /tmp/qpgis-was-run')",
}


@pytest.mark.parametrize("name", REACHING)
def test_a_file_that_reaches_out_or_runs_is_refused(warm: Warm, tmp_path: Path, trap: int, name: str) -> None:
    (tmp_path / name).write_bytes(REACHING[name](trap))
    arguments = ["inspect", name]
    if name.endswith(".osm"):
        arguments = ["run", "--osm", name, "--zones-level", "8", "--out", "out"]
    done = warm.run(*arguments, cwd=tmp_path, limits={"AS": 4 << 30, "CPU": 60})
    refused(done, name)
    assert "root:" not in done.out + done.err, "what stands in /etc/passwd"
    assert {p.name for p in tmp_path.iterdir()} == {name}
    assert not Path("/tmp/qpgis-was-run").exists()


HARMLESS_LINKS: dict[str, Callable[[int], str]] = {
    "link.kml": lambda port: KML.replace(
        "<Document>", f"<Document><NetworkLink><Link><href>http://127.0.0.1:{port}/x.kml</href></Link></NetworkLink>"
    ).replace("&e;", "x"),
    "schema.gml": lambda port: GML.replace("&e;", "x").replace(
        "<f:C ",
        '<f:C xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
        f'xsi:schemaLocation="http://f http://127.0.0.1:{port}/x.xsd" ',
    ),
    "linked.gml": lambda port: GML.replace(
        POSITION, f'<gml:Point xmlns:xlink="http://www.w3.org/1999/xlink" xlink:href="http://127.0.0.1:{port}/p"/>'
    ).replace("&e;", "x"),
    "crs.geojson": lambda port: json.dumps(
        {
            "type": "FeatureCollection",
            "crs": {"type": "link", "properties": {"href": f"http://127.0.0.1:{port}/crs", "type": "ogcwkt"}},
            "features": [],
        }
    ),
    "url.csv": lambda port: f"name,wkt\nhttp://127.0.0.1:{port}/x,POINT (121 31)\n",
}


@pytest.mark.parametrize("name", HARMLESS_LINKS)
def test_links_within_a_file_are_never_followed(warm: Warm, tmp_path: Path, trap: int, name: str) -> None:
    """Read or refused, as each format has it; the trap sees nobody."""
    (tmp_path / name).write_text(HARMLESS_LINKS[name](trap), "utf-8")
    done = warm.run("inspect", name, cwd=tmp_path)
    assert done.status in (0, 1, 2)
    assert "Traceback" not in done.err, done.err
    assert {p.name for p in tmp_path.iterdir()} == {name}


def test_a_database_with_code_of_its_own(warm: Warm, tmp_path: Path, trap: int) -> None:
    """A GeoPackage whose schema opens a source on the network as soon as a reader trusts it."""
    four_towns().to_file(tmp_path / "towns.gpkg")
    base = sqlite3.connect(tmp_path / "towns.gpkg")
    base.execute("PRAGMA writable_schema = ON")
    url = f"/vsicurl/http://127.0.0.1:{trap}/x.geojson"
    table = f"CREATE VIRTUAL TABLE reach USING VirtualOGR('{url}')"
    base.execute("INSERT INTO sqlite_master VALUES ('table', 'reach', 'reach', 0, ?)", (table,))
    view = "CREATE VIEW spy AS SELECT load_extension('/tmp/x.so'), ogr_datasource_load_layers('/etc/passwd')"
    base.execute("INSERT INTO sqlite_master VALUES ('view', 'spy', 'spy', 0, ?)", (view,))
    base.commit()
    base.close()
    done = warm.run("inspect", "towns.gpkg", cwd=tmp_path)
    assert done.status in (0, 1, 2)
    assert "Traceback" not in done.err, done.err


def addresses(port: int) -> list[str]:
    return [
        f"/vsicurl/http://127.0.0.1:{port}/x.gpkg",
        f"http://127.0.0.1:{port}/x.geojson",
        f"PG:host=127.0.0.1 port={port} dbname=x",
        f"postgresql://127.0.0.1:{port}/x",
        f"WFS:http://127.0.0.1:{port}/wfs",
        f"/vsizip/vsicurl/http://127.0.0.1:{port}/x.zip/x.shp",
        f"GeoJSON:http://127.0.0.1:{port}/x.geojson",
        f"\\\\127.0.0.1@{port}\\x.gpkg",
        "/vsimem/x.gpkg",
        "/vsistdin/",
    ]


def test_an_address_is_no_file(warm: Warm, tmp_path: Path, trap: int) -> None:
    land = tmp_path / "land"
    land.mkdir()
    four_towns().to_file(land / "towns.gpkg")
    for address in addresses(trap):
        refused(warm.run("inspect", address, cwd=tmp_path))
        refused(warm.run("run", "--osm", address, "--zones-level", "8", cwd=tmp_path))
        refused(warm.run("synth", "--zones", address, cwd=tmp_path))
        for key in ("zones", "layers", "statistics"):
            toml = {
                "zones": HEAD.replace('"towns.gpkg"', json.dumps(address)),
                "layers": HEAD + layer("forest").replace('"forest.gpkg"', json.dumps(address)),
                "statistics": HEAD + f"[tables]\nstatistics = {json.dumps(address)}\n",
            }[key]
            (land / "qpgis.toml").write_text(toml, "utf-8")
            refused(warm.run("run", land, cwd=tmp_path))
    assert {p.name for p in tmp_path.iterdir()} == {"land"}


@pytest.fixture
def no_files(tmp_path: Path) -> list[Path]:
    """What isn't a regular file with something in it, each with the suffix of one."""
    home = tmp_path / "things"
    home.mkdir()
    (home / "zero.gpkg").symlink_to("/dev/zero")
    (home / "memory.csv").symlink_to("/proc/self/mem")
    (home / "environment.geojson").symlink_to("/proc/self/environ")
    (home / "folder.gpkg").mkdir()
    (home / "loop.shp").symlink_to(home / "back.shp")
    (home / "back.shp").symlink_to(home / "loop.shp")
    (home / "dangling.kml").symlink_to(home / "nothing.kml")
    (home / "folder.gdb").mkdir()
    (home / "turning.gdb").mkdir()
    (home / "turning.gdb" / "again.gdb").symlink_to(home / "turning.gdb")
    os.mkfifo(home / "pipe.geojson")
    for suffix in (
        ".gpkg",
        ".geojson",
        ".shp",
        ".csv",
        ".tif",
        ".kml",
        ".gml",
        ".dxf",
        ".fgb",
        ".parquet",
        ".xlsx",
        ".zip",
    ):
        (home / f"empty{suffix}").touch()
    return sorted(home.iterdir())


def test_what_is_no_file_is_refused(warm: Warm, no_files: list[Path], tmp_path: Path) -> None:
    for path in no_files:
        refused(warm.run("inspect", path, cwd=tmp_path, limits={"AS": 4 << 30}))
    land = tmp_path / "land"
    land.mkdir()
    four_towns().to_file(land / "towns.gpkg")
    extra = {
        "statistics": '[tables]\nstatistics = "{}"\n',
        "forest": '[layers.forest]\nfile = "{}"\ngrade = "open"\n',
        "control points": '[layers.forest]\nfile = "towns.gpkg"\ngrade = "open"\ncrs = "EPSG:4490"\n'
        'datum = "local"\ncontrol_points = "{}"\n',
        "join": '[layers.forest]\nfile = "towns.gpkg"\ngrade = "open"\njoin = {{file = "{}", on = "name"}}\n',
    }
    for path in no_files:
        if path.stem in ("zero", "pipe", "folder", "loop", "memory"):
            for toml in extra.values():
                (land / "qpgis.toml").write_text(HEAD + toml.format(path), "utf-8")
                refused(warm.run("run", land, cwd=tmp_path, limits={"AS": 4 << 30}))
            plans = HEAD.replace("period =", f'plans = ["{path}"]\nperiod =', 1)
            (land / "qpgis.toml").write_text(plans, "utf-8")
            refused(warm.run("run", land, cwd=tmp_path, limits={"AS": 4 << 30}))


@pytest.mark.parametrize("kind", ["/dev/zero", "a pipe", "a folder", "a loop"])
def test_a_workspace_that_is_no_file(warm: Warm, tmp_path: Path, kind: str) -> None:
    config = tmp_path / "land" / "qpgis.toml"
    config.parent.mkdir()
    if kind == "a pipe":
        os.mkfifo(config)
    elif kind == "a folder":
        config.mkdir()
    else:
        config.symlink_to("/dev/zero" if kind == "/dev/zero" else config)
    for given in (config.parent, config):
        refused(warm.run("run", given, cwd=tmp_path, limits={"AS": 4 << 30}), "qpgis.toml")


@pytest.mark.parametrize(
    "member", ["../evil.geojson", "/tmp/qpgis-evil.geojson", "a/../../evil.geojson", "..\\evil.geojson", "link"]
)
def test_an_archive_writes_nowhere_else(warm: Warm, tmp_path: Path, member: str) -> None:
    home = tmp_path / "home"
    home.mkdir()
    with zipfile.ZipFile(home / "x.zip", "w") as archive:
        entry = zipfile.ZipInfo(member)
        if member == "link":
            entry.external_attr = 0o120777 << 16
        archive.writestr(entry, "/etc/passwd" if member == "link" else "{}")
    refused(warm.run("inspect", home / "x.zip", cwd=tmp_path), "x.zip")
    assert [p.name for p in tmp_path.rglob("*")] == ["home", "x.zip"]
    assert not Path("/tmp/qpgis-evil.geojson").exists()


@pytest.mark.parametrize(
    "part", ["xl/workbook.xml", "xl/styles.xml", "xl/worksheets/sheet1.xml", "[Content_Types].xml"]
)
@pytest.mark.parametrize("attack", [entity, laughs])
@pytest.mark.parametrize("hidden", [b"", b"<!--" + b"x" * 10_000 + b"-->"], ids=["at the start", "behind a comment"])
def test_entities_in_a_part_of_a_workbook(
    warm: Warm, tmp_path: Path, trap: int, part: str, attack: Callable[[str], Callable[[int], bytes]], hidden: bytes
) -> None:
    book = openpyxl.Workbook()
    book.active.append(["name", "lon", "lat"])
    book.active.append(["here", 121.0, 31.0])
    book.save(tmp_path / "good.xlsx")
    with zipfile.ZipFile(tmp_path / "good.xlsx") as good, zipfile.ZipFile(tmp_path / "bad.xlsx", "w") as bad:
        for name in good.namelist():
            body = good.read(name).decode()
            if name == part:
                root = body[body.index("?>") + 2 :] if body.startswith("<?xml") else body
                words = attack(root.strip().replace(">", ">&e;", 1))(trap)
                bad.writestr(name, words.replace(b"<!DOCTYPE", hidden + b"<!DOCTYPE", 1))
            else:
                bad.writestr(name, body)
    done = warm.run("inspect", "bad.xlsx", cwd=tmp_path, limits={"AS": 4 << 30, "CPU": 60})
    refused(done, "bad.xlsx")
    assert "root:" not in done.out + done.err


@pytest.mark.skipif(not NO_NETWORK, reason="a place without a network takes root")
def test_a_run_needs_no_network(embedded_run: Path) -> None:
    """That run had none."""
    assert (embedded_run / "maps" / "map.html").exists()


# --- code ------------------------------------------------------------------------------------------------------------

FORBIDDEN_MODULES = {"yaml", "pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "code", "runpy"}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__", "os.system", "os.popen", "read_pickle", "load_module"}
FORBIDDEN_KEYS = {"shell", "allow_pickle"}


def dangers(source: str) -> list[str]:
    """What in a module would run what it reads."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [name.name for name in node.names]
            found += [name for name in names if name.split(".")[0] in FORBIDDEN_MODULES]
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            found += [called] if {called, called.removeprefix("pd.")} & FORBIDDEN_CALLS else []
            found += [key.arg for key in node.keywords if key.arg in FORBIDDEN_KEYS and is_true(key.value)]
    return found


def is_true(value: ast.expr) -> bool:
    return not (isinstance(value, ast.Constant) and value.value is False)


def test_nothing_that_is_read_is_ever_run() -> None:
    found = {path.name: dangers(path.read_text("utf-8")) for path in (ROOT / "qpgis").rglob("*.py")}
    named_in_qpgis_toml = {"own.py": ["exec", "compile"]}  # a workspace's own indicators, run because it says so
    assert {name: danger for name, danger in found.items() if danger} == named_in_qpgis_toml


def test_the_search_for_dangers_finds_them() -> None:
    code = "import yaml, os\nfrom pickle import loads\neval('1')\nos.system('x')\nrun('x', shell=True)\nre.compile('x')"
    assert sorted(dangers(code)) == ["eval", "os.system", "pickle", "shell", "yaml"]


# --- qpgis.toml ------------------------------------------------------------------------------------------------------

TOWNS = '"towns.gpkg"'
TOMLS: dict[str, str | bytes] = {
    "deep list": HEAD + "[outputs]\ntitle = " + "[" * 100_000,
    "deep table": HEAD + "x = " + "{a=" * 5000 + "1" + "}" * 5000,
    "deep key": HEAD + "a" + ".a" * 5000 + " = 1\n",
    "number of 5,000 digits": HEAD + "[synth]\nseed = " + "9" * 5000,
    "number beyond floats": HEAD + "[thresholds]\nabout_tolerance = 1e999",
    "no number": HEAD + "[thresholds]\nabout_tolerance = nan",
    "tiny cells": HEAD.replace(TOWNS, TOWNS + "\ngrid_cell_m = 1e-9"),
    "infinite cells": HEAD.replace(TOWNS, TOWNS + "\ngrid_cell_m = inf"),
    "duplicate key": 'name = "x"\n' + HEAD,
    "duplicate table": HEAD + '[zones]\nfile = "x"\n',
    "not UTF-8": HEAD.encode("gbk"),
    "UTF-16": HEAD.encode("utf-16"),
    "no text": bytes(range(256)) * 10,
    "a zero byte": HEAD + "\0",
    "10 MB of brackets": HEAD + "x = '" + "[" * 10_000_000 + "'",
    "10 MB of members": HEAD + "[[groups]]\nid = 'q'\nname = 'q'\nmembers = [" + "'zz'," * 1_600_000 + "]",
    "wrong types": 'name = 3\nperiod = 2024\nzones = "x"\ngroups = 3\nlayers = []\nperiods = 3\nplans = "x"\n'
    "tables = 1",
    "wrong types within": 'name = "3"\nperiod = "2024"\nzones = []\ngroups = [3]\nlayers = {water = 3}\nplans = [1]\n'
    'periods = {a = 1, "2025" = {layers = 3}}\ndefinitions = 3\nreference = 4',
    "wrong types of definitions": HEAD + "[definitions]\nforest_cover = 3\nroad_density = [[]]\n",
    "a year without end": HEAD.replace('"2024"', '"99999999999"'),
    "a path to a secret": HEAD.replace(TOWNS, '"/etc/passwd"'),
    "a path upwards": HEAD.replace(TOWNS, '"../../../../../../../../etc/passwd"'),
    "no path": HEAD.replace(TOWNS, '""'),
    "this folder": HEAD.replace(TOWNS, '"."'),
    "a path with a zero byte": HEAD.replace(TOWNS, '"a\\u0000b.gpkg"'),
    "a long name": HEAD.replace(TOWNS, f'"{"a" * 300}.gpkg"'),
    "a long path": HEAD.replace(TOWNS, f'"{"a/" * 3000}.gpkg"'),
    "a plan that is a secret": HEAD.replace("period =", 'plans = ["/etc/passwd"]\nperiod =', 1),
    "a plan that is none": HEAD.replace("period =", 'plans = ["plan.toml"]\nperiod =', 1),
    "an unknown system": HEAD.replace(TOWNS, TOWNS + '\ncrs = "http://127.0.0.1:9/crs"'),
    "a system that reaches out": HEAD.replace(
        TOWNS, TOWNS + '\ncrs = "+proj=longlat +nadgrids=http://127.0.0.1:9/x.tif +type=crs +bogus=1 +proj=nonsense"'
    ),
}


@pytest.mark.parametrize("name", TOMLS)
def test_a_hostile_workspace_file_is_refused(warm: Warm, tmp_path: Path, name: str) -> None:
    toml, land = TOMLS[name], tmp_path / "land"
    land.mkdir()
    (land / "qpgis.toml").write_bytes(toml.encode("utf-8") if isinstance(toml, str) else toml)
    (land / "plan.toml").write_text('[plan]\nid = 1\ntarget_year = "x"\ntargets = 7\n', "utf-8")
    four_towns().to_file(land / "towns.gpkg")
    done = warm.run("run", land, "--out", "out", cwd=tmp_path, limits={"CPU": 60})
    refused(done)
    assert len(done.err) < 20_000, "a message that fills the screen"
    assert "root:" not in done.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["calibration", "plan"])
@pytest.mark.parametrize(
    "body", [b"a = " + b"[" * 50_000, b"\xff\xfe", b"n = " + b"9" * 5000, b"[plan]\ntargets = [1]"]
)
def test_other_hostile_toml(warm: Warm, tmp_path: Path, name: str, body: bytes) -> None:
    land = tmp_path / "land"
    land.mkdir()
    (land / "x.toml").write_bytes(body)
    four_towns().to_file(land / "towns.gpkg")
    (land / "qpgis.toml").write_text(HEAD.replace("period =", 'plans = ["x.toml"]\nperiod =', 1), "utf-8")
    arguments = (
        ["run", "land"] if name == "plan" else ["synth", "--zones", "land/towns.gpkg", "--calibration", "land/x.toml"]
    )
    refused(warm.run(*arguments, cwd=tmp_path), "x.toml")
