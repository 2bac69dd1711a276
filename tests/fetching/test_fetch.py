"""``qpgis fetch`` against a server on loopback that cuts connections, lies about sizes and sends error pages."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from qpgis.cli import main
from qpgis.errors import FetchError
from qpgis.fetching.http import Patience, ask, download
from qpgis.fetching.osm import fetch_box, fetch_region
from qpgis.fetching.worldcover import fetch_worldcover, tile_names

CONTENT = bytes(range(256)) * 4000  # about a megabyte


@dataclass
class Served:
    """What the server has and how it misbehaves."""

    files: dict[str, bytes] = field(default_factory=dict)
    etags: dict[str, str] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    status: dict[str, int] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    cut_after: list[int] = field(default_factory=list)  # for each request to come: bytes until the line is cut
    announce_more: int = 0
    ranges: bool = True
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    posted: list[bytes] = field(default_factory=list)
    base: str = ""


class Handler(BaseHTTPRequestHandler):
    """Answers as ``served`` says."""

    served: Served
    protocol_version = "HTTP/1.1"

    def log_message(self, *words: object) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        """Answer a query."""
        self.served.posted.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.do_GET()

    def do_GET(self) -> None:
        """Answer a request for a file or a part of it."""
        served, path = self.served, self.path.removeprefix(self.served.base)
        self.served.asked.append((self.command, path, self.headers.get("Range", "")))
        if path in served.redirects:
            self.send_response(302)
            self.send_header("Location", served.redirects[path])
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if path not in served.files or path in served.status:
            self.send_error(served.status.get(path, 404))
            return
        data, etag = served.files[path], served.etags.get(path, '"1"')
        start, stop = self.part(len(data), etag)
        if start >= len(data):
            self.send_response(416)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206 if (start, stop) != (0, len(data)) or "Range" in self.headers else 200)
        if "Range" in self.headers and served.ranges:
            self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{len(data)}")
        self.send_header("ETag", etag)
        self.send_header("Content-Type", served.types.get(path, "application/octet-stream"))
        self.send_header("Content-Length", str(stop - start + served.announce_more))
        self.end_headers()
        cut = served.cut_after.pop(0) if served.cut_after else None
        self.wfile.write(data[start:stop] if cut is None else data[start : min(stop, start + cut)])
        if cut is not None or served.announce_more:
            self.close_connection = True

    def send_response(self, code: int, message: str | None = None) -> None:
        """As ever, but 200 where parts aren't served."""
        super().send_response(200 if code == 206 and not self.served.ranges else code, message)

    def part(self, size: int, etag: str) -> tuple[int, int]:
        """The part that is asked for; the whole if the file is another by now."""
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if wanted is None or not self.served.ranges or self.headers.get("If-Range", etag) != etag:
            return 0, size
        return int(wanted[1]), min(int(wanted[2] or size - 1) + 1, size)


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """A server on loopback, reached directly."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    state = Served()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Own", (Handler,), {"served": state}))
    state.base = ""
    state.url = f"http://127.0.0.1:{server.server_port}"  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield state
    server.shutdown()
    server.server_close()
    thread.join()


def anything(path: Path) -> None:
    """Accept every file."""


def at_once(attempts: int = 5) -> Patience:
    return Patience(attempts, pause_s=0, timeout_s=5)


def get(served: Served, target: Path, check: Callable[[Path], None] = anything, attempts: int = 5) -> bytes:
    download(f"{served.url}/file", target, check=check, patience=at_once(attempts))
    return target.read_bytes()


def test_a_file_arrives_whole(served: Served, tmp_path: Path) -> None:
    served.files["/file"] = CONTENT
    assert get(served, tmp_path / "f") == CONTENT
    assert [p.name for p in tmp_path.iterdir()] == ["f"]


def test_a_cut_connection_is_taken_up_where_it_broke(served: Served, tmp_path: Path) -> None:
    served.files["/file"] = CONTENT
    served.cut_after = [300_000, 0, 500_000]
    assert get(served, tmp_path / "f") == CONTENT
    starts = [wanted for _, _, wanted in served.asked]
    assert starts == ["", "bytes=300000-", "bytes=300000-", "bytes=800000-"]


def test_a_later_run_goes_on_where_the_first_gave_up(served: Served, tmp_path: Path) -> None:
    served.files["/file"] = CONTENT
    served.cut_after = [100_000, 100_000]
    with pytest.raises(FetchError, match=r"broke 2 times, 200,000 bytes are in f\.part; run it again"):
        get(served, tmp_path / "f", attempts=2)
    assert not (tmp_path / "f").exists()
    assert get(served, tmp_path / "f") == CONTENT
    assert served.asked[-1][2] == "bytes=200000-"


def test_parts_of_two_files_are_never_joined(served: Served, tmp_path: Path) -> None:
    served.files["/file"] = CONTENT
    served.cut_after = [100_000]
    with pytest.raises(FetchError):
        get(served, tmp_path / "f", attempts=1)
    served.files["/file"], served.etags["/file"] = CONTENT[::-1], '"2"'
    assert get(served, tmp_path / "f") == CONTENT[::-1]


def test_a_server_without_parts_starts_over(served: Served, tmp_path: Path) -> None:
    served.files["/file"], served.ranges = CONTENT, False
    served.cut_after = [100_000]
    assert get(served, tmp_path / "f") == CONTENT


@pytest.mark.parametrize("attempts", [1, 3])
def test_a_wrong_size_is_never_taken(served: Served, tmp_path: Path, attempts: int) -> None:
    (tmp_path / "f").write_bytes(b"old")
    served.files["/file"], served.announce_more = CONTENT, 10
    with pytest.raises(FetchError, match="broke"):
        get(served, tmp_path / "f", attempts=attempts)
    assert (tmp_path / "f").read_bytes() == b"old"


def test_an_error_page_is_no_file(served: Served, tmp_path: Path) -> None:
    served.files["/file"] = b"<html><head><title>Sign in &amp; pay</title></head></html>"
    served.types["/file"] = "text/html; charset=utf-8"
    with pytest.raises(FetchError, match="sent a page instead of the file: 'Sign in"):
        get(served, tmp_path / "f")
    assert not list(tmp_path.iterdir())


def test_what_the_check_refuses_is_removed(served: Served, tmp_path: Path) -> None:
    served.files["/file"] = b"hello"

    def refuse(path: Path) -> None:
        raise FetchError(f"{path.read_bytes()!r} isn't it")

    with pytest.raises(FetchError, match="b'hello' isn't it"):
        get(served, tmp_path / "f", refuse)
    assert not list(tmp_path.glob("f*[!n]"))


@pytest.mark.parametrize("status", [403, 404, 500, 503])
def test_a_refusal_names_its_status(served: Served, tmp_path: Path, status: int) -> None:
    served.status["/file"] = status
    with pytest.raises(FetchError, match=f"the server says {status}"):
        get(served, tmp_path / "f")


def test_only_http_is_fetched(served: Served, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("x")
    for url in (secret.as_uri(), "ftp://127.0.0.1/x", "data:,x", "myserver/x", "", "C:/x"):
        with pytest.raises(FetchError, match="only http and https"):
            ask(url, timeout_s=1)
    served.redirects["/file"] = secret.as_uri()
    with pytest.raises(FetchError):
        get(served, tmp_path / "f")
    assert not (tmp_path / "f").exists()


def test_no_server_is_a_clear_error(tmp_path: Path, served: Served) -> None:
    with pytest.raises(FetchError, match="can't be reached"):
        download("http://127.0.0.1:9/x", tmp_path / "f", check=anything, patience=at_once(1))


def test_a_proxy_of_the_environment_is_used(served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_PROXY")
    monkeypatch.delenv("no_proxy")
    monkeypatch.setenv("http_proxy", served.url)
    served.base = "http://data.invalid"
    served.files["/file"] = CONTENT
    download("http://data.invalid/file", tmp_path / "f", check=anything)
    assert (tmp_path / "f").read_bytes() == CONTENT


PBF = b"\x00\x00\x00\x0d\x0a\x09OSMHeader" + CONTENT


def region(served: Served, md5: str | None = None) -> None:
    served.files["/europe/x-latest.osm.pbf"] = PBF
    stated = md5 or hashlib.md5(PBF, usedforsecurity=False).hexdigest()
    served.files["/europe/x-latest.osm.pbf.md5"] = f"{stated}  x-latest.osm.pbf\n".encode()


def test_a_region_comes_with_checksum_and_provenance(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    region(served)
    monkeypatch.chdir(tmp_path)
    assert main(["fetch", "osm", "--area", "europe/x", "--server", served.url]) == 0
    assert capsys.readouterr().out == "osm-europe-x.osm.pbf\n"
    assert (tmp_path / "osm-europe-x.osm.pbf").read_bytes() == PBF
    record = json.loads((tmp_path / "osm-europe-x.osm.pbf.source.json").read_text("utf-8"))
    assert record["sha256"] == hashlib.sha256(PBF).hexdigest()
    assert "ODbL" in record["licence"]
    assert record["from"][0]["url"].endswith("/europe/x-latest.osm.pbf")


def test_a_wrong_checksum_is_refused(served: Served, tmp_path: Path) -> None:
    region(served, "0" * 32)
    with pytest.raises(FetchError, match=r"the provider states 0{32}"):
        fetch_region("europe/x", tmp_path / "x.osm.pbf", server=served.url)
    assert not list(tmp_path.glob("*.pbf*t"))


def test_a_region_that_is_no_extract_is_refused(served: Served, tmp_path: Path) -> None:
    served.files["/x-latest.osm.pbf"] = b"no such area"
    served.files["/x-latest.osm.pbf.md5"] = hashlib.md5(b"no such area", usedforsecurity=False).hexdigest().encode()
    with pytest.raises(FetchError, match="no OpenStreetMap extract"):
        fetch_region("x", tmp_path / "x.osm.pbf", server=served.url)


@pytest.mark.parametrize("area", ["../../etc/passwd", "Europe", "a b", "http://x", ""])
def test_strange_regions_are_refused(area: str, tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="is no region"):
        fetch_region(area, tmp_path / "x")


OSM = b"<?xml version='1.0'?><osm version='0.6'><node id='1' lat='31' lon='121'/></osm>\n"
BOX = (121.0, 31.0, 121.1, 31.1)


def test_a_box_is_one_query(served: Served, tmp_path: Path) -> None:
    served.files["/api/interpreter"] = OSM
    fetch_box(BOX, tmp_path / "b.osm", server=served.url)
    assert (tmp_path / "b.osm").read_bytes() == OSM
    assert b"bbox%3A31.0%2C121.0%2C31.1%2C121.1" in served.posted[0]
    assert "ODbL" in (tmp_path / "b.osm.source.json").read_text("utf-8")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (OSM[:-8], "breaks off"),
        (OSM.replace(b"</osm>", b"<remark> runtime error: Query timed out </remark></osm>"), "Query timed out"),
        (b"", "breaks off"),
    ],
)
def test_an_incomplete_box_is_refused(served: Served, tmp_path: Path, answer: bytes, words: str) -> None:
    served.files["/api/interpreter"] = answer or b" "
    with pytest.raises(FetchError, match=words):
        fetch_box(BOX, tmp_path / "b.osm", server=served.url)
    assert not list(tmp_path.iterdir())


def test_a_box_too_large_is_refused_before_asking(served: Served, tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="fetch a region from Geofabrik instead"):
        fetch_box((110, 30, 121, 32), tmp_path / "b.osm", server=served.url)
    assert not served.asked


def tile(folder: Path, west: float, north: float, value: int) -> bytes:
    """A tile of three degrees with cells of a thousandth; its class is ``value``, water in the south-west quarter."""
    cells = np.full((3000, 3000), value, dtype="uint8")
    cells[1500:, :1500] = 80
    path = folder / "tile.tif"
    options = {"driver": "GTiff", "width": 3000, "height": 3000, "count": 1, "dtype": "uint8", "crs": "EPSG:4326"}
    with rasterio.open(
        path, "w", **options, transform=from_origin(west, north, 0.001, 0.001), tiled=True, compress="deflate", nodata=0
    ) as out:
        out.write(cells, 1)
        out.write_colormap(1, {80: (0, 100, 200, 255)})
    return path.read_bytes()


def place(name: str) -> str:
    return f"/v200/2021/map/ESA_WorldCover_10m_2021_v200_{name}_Map.tif"


def test_a_box_over_two_tiles_is_one_raster(served: Served, tmp_path: Path) -> None:
    served.files[place("N30E120")] = tile(tmp_path, 120, 33, 10)
    served.files[place("N30E123")] = tile(tmp_path, 123, 33, 40)
    (tmp_path / "tile.tif").unlink()
    out = fetch_worldcover((122.9, 31.4, 123.1, 31.6), tmp_path / "wc.tif", server=served.url, patience=at_once())
    with rasterio.open(out) as raster:
        cells = raster.read(1)
        assert raster.crs.to_epsg() == 4326
        assert raster.bounds == pytest.approx((122.9, 31.4, 123.1, 31.6))
        assert raster.nodata == 0
        assert raster.colormap(1)[80] == (0, 100, 200, 255)
    assert cells.shape == (200, 200)
    expected = np.full((200, 200), 10)
    expected[:, 100:] = 40
    expected[100:, 100:] = 80  # the south-west quarter of the eastern tile
    assert (cells == expected).all()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["wc.tif", "wc.tif.source.json"]


def test_a_broken_tile_goes_on_from_its_blocks(served: Served, tmp_path: Path) -> None:
    data = tile(tmp_path, 120, 33, 10)
    served.files[place("N30E120")] = data
    box = (120.5, 31.0, 121.9, 32.5)
    served.cut_after = [1, 10]
    with pytest.raises(FetchError, match="run it again to go on"):
        fetch_worldcover(box, tmp_path / "wc.tif", server=served.url, patience=at_once(1))
    fetch_worldcover(box, tmp_path / "wc.tif", server=served.url, patience=at_once())
    assert (tmp_path / "wc.tif").exists()


def test_a_missing_tile_and_a_false_one_are_refused(served: Served, tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="the server says 404"):
        fetch_worldcover(BOX, tmp_path / "wc.tif", server=served.url)
    served.files[place("N30E120")] = CONTENT
    with pytest.raises(FetchError, match="no GeoTIFF"):
        fetch_worldcover(BOX, tmp_path / "wc.tif", server=served.url)
    assert not (tmp_path / "wc.tif").exists()


def test_the_tiles_of_a_box() -> None:
    assert list(tile_names((119.9, 29.9, 120.1, 30.1), 3)) == ["N27E117", "N27E120", "N30E117", "N30E120"]


def test_worldcover_needs_a_box(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fetch", "worldcover", "--area", "europe/x"]) == 2
    assert "W,S,E,N" in capsys.readouterr().err
