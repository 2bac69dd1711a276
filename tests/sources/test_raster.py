"""GeoTIFF: every cell counted or named, classes as polygons along exact cell edges, nothing but the file opened."""

from __future__ import annotations

import socket
import struct
import subprocess
import sys
import warnings
from collections import Counter
from contextlib import suppress
from pathlib import Path
from select import select
from typing import Any

import numpy as np
import pytest
import rasterio
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pyproj import CRS
from rasterio.control import GroundControlPoint
from rasterio.features import shapes as polygonized_by_gdal
from rasterio.transform import Affine, from_origin
from shapely.geometry import shape

from qpgis.errors import SourceError
from qpgis.findings import Findings
from qpgis.sources import RawFeatures, Request
from qpgis.sources import raster as reader
from qpgis.sources.patches import BLOCK, patches
from qpgis.sources.raster import RasterInfo, layers, raster_info, read
from qpgis.sources.reading import layer_names, read_features
from tests.conftest import SHARED_DATA

REAL = SHARED_DATA / "bad_inputs" / "geotiff"
PLACE = from_origin(600_000, 3_450_300, 100, 100)
"""Cells of a hundred metres in EPSG:4549, near Qingpu."""
NINE = np.arange(1, 10, dtype="uint8").reshape(3, 3)


def tif(path: Path, cells: Any, crs: str | None = "EPSG:4549", place: Affine | None = PLACE, **options: Any) -> Path:
    """A GeoTIFF of one band (rows x columns) or several (bands x rows x columns)."""
    bands = np.asarray(cells)
    bands = bands[None] if bands.ndim == 2 else bands
    count, height, width = bands.shape
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with rasterio.open(
            path, "w", "GTiff", width, height, count, crs=crs, transform=place, dtype=bands.dtype, **options
        ) as file:
            file.write(bands)
    return path


def with_nodata(data: bytes, text: bytes) -> bytes:
    """A TIFF whose tag of the nodata value says something else, written at the end of the file."""
    big = data[2] == 43
    tag = data.index(struct.pack("<HH", 42113, 2))
    text += b"\0" + bytes(8)
    number = "<Q" if big else "<I"
    entry = struct.pack("<HH", 42113, 2) + struct.pack(number, len(text)) + struct.pack(number, len(data))
    return data[:tag] + entry + data[tag + len(entry) :] + text


def looked_at(path: Path) -> tuple[RasterInfo, Counter[str], Findings]:
    """What the raster is, the rules that fired, and the findings."""
    findings = Findings("en")
    info = raster_info(path, path.name, findings)
    return info, Counter(f.rule for f in findings), findings


def classes(path: Path, **options: Any) -> tuple[RawFeatures, Counter[str]]:
    """The raster as a layer, and the rules that fired."""
    findings = Findings("en")
    raw = read(Request(path, path.name, "landuse", findings, **options))
    return raw, Counter(f.rule for f in findings)


def areas(raw: RawFeatures) -> dict[str, float]:
    """Plane area of each class."""
    return raw.frame.geometry.area.groupby(raw.frame["class"]).sum().to_dict()


def real(name: str) -> Path:
    """A file of the collection of bad inputs."""
    found = sorted((REAL / name).glob("*.tif"))
    if not found:
        pytest.skip("the shared data aren't here")
    return found[0]


class TestVerdicts:
    """Real files, and what the manifest expects of them."""

    @pytest.mark.parametrize(
        ("name", "why"),
        [
            ("d_zero_byte", "0 bytes"),
            ("gdal_byte_rpc", "RPC"),
            ("gdal_complex_float32", "complex"),
            ("gdal_lzw_corrupted", "block 0, 0 .* damaged"),
            ("gdal_many_blocks_truncated", "block .* damaged"),
            ("gdal_missing_tilebytecounts_and_offsets", "block 0, 0 .* damaged"),
            ("gdal_tiff_srs_iau_2015_30110", "isn't on the Earth"),
        ],
    )
    def test_refused(self, name: str, why: str) -> None:
        path = real(name)
        with pytest.raises(SourceError, match=rf"^{path.name}: .*{why}"):
            looked_at(path)
        with pytest.raises(SourceError, match=path.name):
            classes(path)

    @pytest.mark.parametrize(
        ("name", "rule"),
        [
            ("gdal_geomatrix", "raster_rotated"),
            ("gdal_miniswhite", "raster_min_is_white"),
            ("gdal_nan32", "raster_not_a_number"),
            ("gdal_twoimages", "raster_several_images"),
        ],
    )
    def test_warned(self, name: str, rule: str) -> None:
        _, rules, findings = looked_at(real(name))
        assert rules[rule] == 1
        assert not any(f.severity == "error" for f in findings)

    @pytest.mark.parametrize("name", ["rio_float_raster_with_nodata", "rio_float_raster_with_extra_nodata"])
    def test_accepted(self, name: str) -> None:
        path = real(name)
        info, rules, _ = looked_at(path)
        with rasterio.open(path) as file:
            kept = file.read(1, masked=True).compressed()
        band = info.bands[0]
        assert set(rules) == {"raster_no_data"}
        assert (band.valid, band.minimum, band.maximum) == (len(kept), kept.min(), kept.max())
        assert band.mean == pytest.approx(kept.mean(), rel=1e-6)
        assert (band.valid, band.no_data) == (98, info.width * info.height - 98)
        with pytest.raises(SourceError, match="measurements, no classes"):
            classes(path)

    def test_slanting_cells_are_used_as_they_are(self) -> None:
        raw, rules = classes(real("gdal_geomatrix"))
        cell = abs(1.5 * -1.5 - -5.0 * -5.0)
        assert sum(areas(raw).values()) == pytest.approx(400 * cell, rel=1e-9)
        assert areas(raw)["107"] == pytest.approx(57 * cell, rel=1e-9)
        assert raw.bounds is None
        assert rules["raster_rotated"] == 1

    def test_a_picture_without_a_place_is_no_layer(self) -> None:
        with pytest.raises(SourceError, match="without a place"):
            classes(real("gdal_twoimages"))


class TestInfo:
    def test_what_a_raster_is(self, tmp_path: Path) -> None:
        path = tif(tmp_path / "九.tif", [[1, 1, 2], [0, 2, 2]], nodata=0, place=from_origin(1000, 2000, 10, 5))
        info, rules, _ = looked_at(path)
        band = info.bands[0]
        assert (info.width, info.height, info.images, info.pixel_is, info.compression) == (3, 2, 1, "area", "")
        assert info.crs is not None
        assert info.crs.to_epsg() == 4549
        assert info.transform == (10, 0, 1000, 0, -5, 2000)
        assert info.bounds == (1000, 1990, 1030, 2000)
        assert (band.name, band.dtype, band.nodata) == ("九", "int64", 0)
        assert (band.valid, band.no_data, band.not_a_number, band.not_stored) == (5, 1, 0, 0)
        assert (band.minimum, band.maximum, band.mean) == (1, 2, 8 / 5)
        assert band.classes == {1: 2, 2: 3}
        assert band.is_classes
        assert set(rules) == {"raster_no_data"}

    def test_measurements_have_no_classes(self, tmp_path: Path) -> None:
        info, _, _ = looked_at(tif(tmp_path / "a.tif", np.array([[0.5, 1], [2, 3]], dtype="float32")))
        assert info.bands[0].classes is None

    @pytest.mark.parametrize("dtype", ["uint8", "uint16"])
    def test_colours_of_the_classes(self, tmp_path: Path, dtype: str) -> None:
        path = tif(tmp_path / "a.tif", NINE.astype(dtype))
        with rasterio.open(path, "r+") as file:
            file.write_colormap(1, {1: (10, 20, 30, 255), 200: (1, 1, 1, 255)})
        colours = looked_at(path)[0].bands[0].colours
        assert colours is not None
        assert colours[1] == (10, 20, 30, 255)
        assert set(colours) == set(range(1, 10))

    def test_huge_rasters_are_not_counted(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(reader, "MOST_COUNTED", 8)
        info, rules, _ = looked_at(tif(tmp_path / "a.tif", NINE))
        assert rules == Counter(["raster_not_counted"])
        assert (info.bands[0].valid, info.bands[0].mean, info.bands[0].classes) == (None, None, None)

    def test_windows_cover_every_cell_once(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("qpgis.sources.geotiff.WINDOW_CELLS", 2000)
        cells = np.random.default_rng(1).integers(0, 9, (70, 90)).astype("uint8")
        for options in ({}, {"tiled": True, "blockxsize": 16, "blockysize": 32, "compress": "deflate"}):
            info, _, _ = looked_at(tif(tmp_path / "a.tif", cells, **options))
            assert info.bands[0].classes == dict(sorted(Counter(cells.ravel().tolist()).items()))

    def test_a_point_is_the_middle_of_its_cell(self, tmp_path: Path) -> None:
        path = tif(tmp_path / "a.tif", NINE)
        with rasterio.open(path, "r+") as file:
            file.update_tags(AREA_OR_POINT="Point")
        info, _, _ = looked_at(path)
        assert info.pixel_is == "point"
        assert info.bounds == (600_000, 3_450_000, 600_300, 3_450_300)


class TestOddities:
    def test_pictures(self, tmp_path: Path) -> None:
        path = tif(tmp_path / "scan.tif", np.zeros((3, 2, 2), dtype="uint8"), photometric="RGB")
        info, rules, _ = looked_at(path)
        assert [band.name for band in info.bands] == ["band 1", "band 2", "band 3"]
        assert rules["raster_picture"] == 1

    def test_loss(self, tmp_path: Path) -> None:
        cells = np.full((16, 16), 7, dtype="uint8")
        assert looked_at(tif(tmp_path / "a.tif", cells, compress="jpeg"))[1]["raster_lossy"] == 1
        assert not looked_at(tif(tmp_path / "b.tif", cells, compress="deflate"))[1]

    def test_scale_and_offset(self, tmp_path: Path) -> None:
        path = tif(tmp_path / "a.tif", NINE)
        with rasterio.open(path, "r+") as file:
            file.scales, file.offsets = (0.1,), (2,)
        raw, rules = classes(path)
        assert rules["raster_scaled"] == 1
        assert list(raw.frame["class"]) == [str(n) for n in range(1, 10)]

    @pytest.mark.parametrize("text", [b"-9", b"256", b"1.5", b"nan", b"-9999.25"])
    @pytest.mark.parametrize("big", ["YES", "NO"])
    def test_a_nodata_value_that_no_cell_can_have(self, tmp_path: Path, text: bytes, big: str) -> None:
        path = tif(tmp_path / "a.tif", NINE, nodata=99, BIGTIFF=big)
        path.write_bytes(with_nodata(path.read_bytes(), text))
        raw, rules = classes(path)
        assert rules == Counter(["raster_impossible_nodata"])
        assert len(raw.frame) == 9

    def test_blocks_that_are_not_there_are_no_data(self, tmp_path: Path) -> None:
        path = tmp_path / "a.tif"
        blocks = {"tiled": True, "blockxsize": 16, "blockysize": 16, "sparse_ok": True}
        with rasterio.open(
            path, "w", "GTiff", 32, 32, 1, crs="EPSG:4549", transform=PLACE, dtype="uint8", **blocks
        ) as file:
            file.write(np.eye(16, dtype="uint8")[None], window=((16, 32), (0, 16)))
        info, rules, _ = looked_at(path)
        assert rules == Counter(["raster_not_stored"])
        assert info.bands[0].classes == {0: 240, 1: 16}
        assert info.bands[0].not_stored == 3 * 256
        raw, _ = classes(path)
        assert sum(areas(raw).values()) == pytest.approx(256 * 10_000)

    def test_alpha_and_masks_are_heeded(self, tmp_path: Path) -> None:
        alpha = np.array([[255, 0, 255], [255, 255, 255], [1, 255, 255]], dtype="uint8")
        path = tif(tmp_path / "alpha.tif", np.stack([NINE, alpha]), photometric="MINISBLACK", ALPHA="YES")
        assert layers(path, "alpha.tif") == ("alpha",)
        assert sorted(areas(classes(path)[0])) == ["1", "3", "4", "5", "6", "7", "8", "9"]
        for inside in (True, False):
            path = tif(tmp_path / f"mask{inside}.tif", NINE)
            with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=inside), rasterio.open(path, "r+") as file:
                file.write_mask(NINE != 5)
            assert path.with_name(f"{path.name}.msk").exists() is not inside
            raw, rules = classes(path)
            assert sorted(areas(raw)) == ["1", "2", "3", "4", "6", "7", "8", "9"]
            assert rules["raster_no_data"] == 1

    def test_nodata_may_be_nan(self, tmp_path: Path) -> None:
        cells = np.array([[1, np.nan], [2, 2]], dtype="float32")
        raw, rules = classes(tif(tmp_path / "a.tif", cells, nodata=np.nan))
        assert areas(raw) == {"1": 10_000, "2": 20_000}
        assert set(rules) == {"raster_no_data"}

    def test_infinity_is_no_class(self, tmp_path: Path) -> None:
        raw, rules = classes(tif(tmp_path / "a.tif", np.array([[1, np.inf], [2, -np.inf]], dtype="float64")))
        assert areas(raw) == {"1": 10_000, "2": 10_000}
        assert rules["raster_not_a_number"] == 1

    @pytest.mark.parametrize(
        ("says", "rule"),
        [
            ("<PAMRasterBand><NoDataValue>5</NoDataValue></PAMRasterBand>", "raster_sidecar_nodata"),
            ("<SRS>EPSG:3857</SRS>", "raster_sidecar_place"),
            ("<Histograms/>", None),
        ],
    )
    def test_what_stands_beside_is_named(self, tmp_path: Path, says: str, rule: str | None) -> None:
        path = tif(tmp_path / "a.tif", NINE)
        path.with_name("a.tif.aux.xml").write_text(f"<PAMDataset>{says}</PAMDataset>")
        info, rules, _ = looked_at(path)
        assert set(rules) == ({rule} if rule else set())
        assert info.bands[0].valid == 9
        assert info.crs is not None
        assert info.crs.to_epsg() == 4549

    @pytest.mark.parametrize(("x", "fires"), [(600_050, 0), (600_000, 0), (600_149, 0), (600_160, 1)])
    def test_a_world_file_that_says_otherwise_is_named(self, tmp_path: Path, x: float, fires: int) -> None:
        path = tif(tmp_path / "a.tif", NINE)
        (tmp_path / "a.tfw").write_text(f"100\n0\n0\n-100\n{x}\n3450250\n")
        info, rules, _ = looked_at(path)
        assert info.bounds == (600_000, 3_450_000, 600_300, 3_450_300)
        assert rules["raster_world_file"] == fires

    def test_world_file_and_prj(self, tmp_path: Path) -> None:
        path = tif(tmp_path / "a.tif", NINE, crs=None, place=None)
        path.with_suffix(".TFW").write_text("100\n0\n0\n-100\n600050\n3450250\n")
        raw, _ = classes(path)
        assert raw.frame.crs is None
        assert raw.bounds == (600_000, 3_450_000, 600_300, 3_450_300)
        path.with_suffix(".prj").write_text(CRS.from_epsg(4549).to_wkt("WKT1_ESRI"))
        raw, _ = classes(path)
        assert raw.frame.crs.to_epsg() == 4549


class TestRefusals:
    def test_control_points_only(self, tmp_path: Path) -> None:
        points = [GroundControlPoint(0, 0, 121, 31), GroundControlPoint(3, 3, 122, 30)]
        path = tif(tmp_path / "a.tif", NINE, crs="EPSG:4326", place=None, gcps=points)
        with pytest.raises(SourceError, match="2 control points"):
            looked_at(path)

    def test_grids_of_no_width(self, tmp_path: Path) -> None:
        path = tif(tmp_path / "a.tif", NINE, place=Affine(10, 10, 0, 10, 10, 0))
        with pytest.raises(SourceError, match="makes no grid"):
            looked_at(path)

    def test_blocks_too_large_to_be_decoded(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("qpgis.sources.geotiff.MOST_BLOCK_BYTES", 8)
        with pytest.raises(SourceError, match="write it tiled"):
            looked_at(tif(tmp_path / "a.tif", NINE))

    def test_a_system_named_in_gbk(self, tmp_path: Path) -> None:
        wkt = 'LOCAL_CS["QINGPU LOCAL",UNIT["metre",1],AXIS["Easting",EAST],AXIS["Northing",NORTH]]'
        path = tif(tmp_path / "a.tif", NINE, crs=wkt)
        path.write_bytes(path.read_bytes().replace(b"QINGPU", "青浦局".encode("gbk")))
        with pytest.raises(SourceError, match="isn't in UTF-8; state the system again"):
            looked_at(path)

    def test_no_data_at_all(self, tmp_path: Path) -> None:
        path = tif(tmp_path / "a.tif", np.zeros((2, 2), dtype="uint8"), nodata=0)
        assert looked_at(path)[0].bands[0].mean is None
        with pytest.raises(SourceError, match="no cell has data"):
            classes(path)

    def test_large_numbers_are_no_codes(self, tmp_path: Path) -> None:
        with pytest.raises(SourceError, match="row 1, column 2"):
            classes(tif(tmp_path / "a.tif", np.array([[1, 3e38]], dtype="float32")))

    def test_several_bands_need_a_name(self, tmp_path: Path) -> None:
        path = tif(tmp_path / "a.tif", np.stack([NINE, NINE[::-1]]))
        with pytest.raises(SourceError, match=r'band 1, band 2.*layer = "\.\.\."'):
            classes(path)
        raw, _ = classes(path, layer="band 2")
        assert raw.frame["class"][0] == "7"
        with pytest.raises(SourceError, match="did you mean 'band 2'"):
            classes(path, layer="band2")

    def test_too_many_cells_or_polygons(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = tif(tmp_path / "a.tif", NINE)
        monkeypatch.setattr(reader, "MOST_PATCHES", 8)
        with pytest.raises(SourceError, match="more than 8 polygons"):
            classes(path)
        monkeypatch.setattr(reader, "MOST_CELLS", 8)
        with pytest.raises(SourceError, match="9 cells are too many"):
            classes(path)

    @pytest.mark.parametrize("compress", ["deflate", "lzw", "zstd", "jpeg", "packbits", None])
    def test_truncated_files(self, tmp_path: Path, compress: str | None) -> None:
        cells = np.random.default_rng(2).integers(0, 250, (64, 64)).astype("uint8")
        path = tif(tmp_path / "a.tif", cells, compress=compress)
        path.write_bytes(path.read_bytes()[:-700])
        with pytest.raises(SourceError, match=r"band 1, block \d+, 0 \(rows|can't be read as GeoTIFF"):
            looked_at(path)

    @given(st.integers(8, 2500), st.integers(0, 255))
    @settings(max_examples=150, deadline=None, derandomize=True)
    def test_one_wrong_byte_never_raises_anything_else(
        self, tmp_path_factory: pytest.TempPathFactory, at: int, value: int
    ) -> None:
        path = tmp_path_factory.mktemp("damaged") / "a.tif"
        cells = np.random.default_rng(3).integers(0, 9, (40, 40)).astype("uint8")
        data = bytearray(tif(path, cells, compress="lzw").read_bytes())
        data[at % len(data)] = value
        path.write_bytes(data)
        for look in (looked_at, classes):
            with suppress(SourceError):
                look(path)


class TestSafety:
    @pytest.mark.parametrize(
        "content",
        [
            b'<VRTDataset rasterXSize="1" rasterYSize="1"><SRS>EPSG:4326</SRS></VRTDataset>',
            b"<GDAL_WMS><Service name='TMS'><ServerUrl>http://127.0.0.1:9/</ServerUrl></Service></GDAL_WMS>",
            b"<MRF_META><Raster><Size x='1' y='1'/></Raster></MRF_META>",
            b"\x89PNG\r\n\x1a\n" + bytes(40),
            b"II*",
            b"not a raster",
        ],
    )
    def test_other_formats_under_a_false_name(self, tmp_path: Path, content: bytes) -> None:
        path = tmp_path / "a.tif"
        path.write_bytes(content)
        with pytest.raises(SourceError, match="no TIFF"):
            looked_at(path)

    def test_folders_and_missing_files(self, tmp_path: Path) -> None:
        for path in (tmp_path, tmp_path / "none.tif"):
            with pytest.raises(SourceError):
                looked_at(path)

    def test_overviews_elsewhere_are_not_fetched(self, tmp_path: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            path = tif(tmp_path / "a.tif", NINE, nodata=9)
            with rasterio.open(path, "r+") as file:
                file.update_tags(ns="OVERVIEWS", OVERVIEW_FILE=f"http://127.0.0.1:{port}/a.ovr")
            path.with_name("a.tif.aux.xml").write_text(
                f'<PAMDataset><Metadata domain="OVERVIEWS"><MDI key="OVERVIEW_FILE">http://127.0.0.1:{port}/b</MDI>'
                "</Metadata></PAMDataset>"
            )
            path.with_name("a.tif.msk").write_text(
                f'<VRTDataset rasterXSize="3" rasterYSize="3"><VRTRasterBand><SimpleSource><SourceFilename>/vsicurl/'
                f"http://127.0.0.1:{port}/c.tif</SourceFilename></SimpleSource></VRTRasterBand></VRTDataset>"
            )
            code = f"""
from pathlib import Path
from qpgis.findings import Findings
from qpgis.sources import Request
from qpgis.sources.raster import raster_info, read
path = Path({str(path)!r})
assert raster_info(path, "a.tif", Findings()).bands[0].valid == 8
assert len(read(Request(path, "a.tif")).frame) == 8
"""
            subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
            assert not select([server], [], [], 0)[0]

    def test_nothing_is_written(self, tmp_path: Path) -> None:
        path = tif(tmp_path / "a !b #%.tif", NINE)
        before = path.read_bytes(), path.stat().st_mtime_ns
        path.chmod(0o444)
        looked_at(path)
        classes(path)
        assert [p.name for p in tmp_path.iterdir()] == [path.name]
        assert (path.read_bytes(), path.stat().st_mtime_ns) == before

    def test_a_hundred_thousand_squared_within_a_gibibyte(self, tmp_path: Path) -> None:
        path = tmp_path / "big.tif"
        size, blocks = 100_000, {"tiled": True, "blockxsize": 256, "blockysize": 256, "sparse_ok": True}
        with rasterio.open(
            path,
            "w",
            "GTiff",
            size,
            size,
            1,
            crs="EPSG:4326",
            transform=from_origin(121, 32, 1e-5, 1e-5),
            dtype="uint8",
            nodata=0,
            BIGTIFF="YES",
            **blocks,
        ) as file:
            file.write(np.ones((1, 300, 300), dtype="uint8"), window=((50_000, 50_300), (50_000, 50_300)))
        code = f"""
import resource
from pathlib import Path
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
from qpgis.errors import SourceError
from qpgis.findings import Findings
from qpgis.sources import Request
from qpgis.sources.raster import raster_info, read
path = Path({str(path)!r})
assert raster_info(path, "big.tif", Findings()).width == 100_000
try:
    read(Request(path, "big.tif"))
except SourceError as error:
    assert "too many" in str(error)
raw = read(Request(path, "big.tif", window=(121.49, 31.49, 121.51, 31.51)))
print(round(raw.frame.geometry.area.sum() / 1e-10))
"""
        done = subprocess.run([sys.executable, "-c", code], check=True, timeout=120, capture_output=True, text=True)
        assert done.stdout == "90000\n"


class TestLayer:
    def test_nine_cells(self, tmp_path: Path) -> None:
        path = tif(tmp_path / "nine.tif", NINE)
        raw, rules = classes(path)
        frame = raw.frame
        assert not rules
        assert list(frame["class"]) == [str(n) for n in range(1, 10)]
        assert list(frame["feature_id"]) == [f"R{r}C{c}" for r in (1, 2, 3) for c in (1, 2, 3)]
        assert frame.geometry[4].equals(shapely.box(600_100, 3_450_100, 600_200, 3_450_200))
        assert (raw.driver, raw.layer, raw.file) == ("GTiff", "nine", "nine.tif")
        assert raw.bounds == (600_000, 3_450_000, 600_300, 3_450_300)
        assert raw.states_crs
        assert frame.crs.to_epsg() == 4549

    def test_by_the_one_door(self, tmp_path: Path) -> None:
        path = tif(tmp_path / "nine.TIFF", NINE)
        assert layer_names(path, "nine.TIFF") == ("nine",)
        assert len(read_features(Request(path, "nine.TIFF")).frame) == 9

    def test_cells_meet_at_sides_not_at_corners(self, tmp_path: Path) -> None:
        cells = np.array([[1, 2, 2], [2, 1, 2], [2, 2, 2]], dtype="int16")
        raw, _ = classes(tif(tmp_path / "a.tif", cells))
        assert list(raw.frame["class"]) == ["1", "2", "1"]
        assert raw.frame.geometry.area.to_list() == [10_000, 70_000, 10_000]
        assert raw.frame.geometry.is_valid.all()

    def test_negative_codes_and_whole_floats(self, tmp_path: Path) -> None:
        assert areas(classes(tif(tmp_path / "a.tif", np.array([[-1, 101]], dtype="int32")))[0]) == {
            "-1": 10_000,
            "101": 10_000,
        }
        assert areas(classes(tif(tmp_path / "b.tif", np.array([[-1, 101]], dtype="float64")))[0]) == {
            "-1": 10_000,
            "101": 10_000,
        }

    def test_the_same_ground_however_it_is_stored(self, tmp_path: Path) -> None:
        cells = np.random.default_rng(4).integers(0, 4, (60, 56)).astype("uint8").repeat(5, axis=0).repeat(5, axis=1)
        south_up = Affine(100, 0, 600_000, 0, 100, 3_450_300 - 30_000)
        mirrored = Affine(-100, 0, 628_000, 0, -100, 3_450_300)
        stored = [
            tif(tmp_path / "a.tif", cells, nodata=0),
            tif(tmp_path / "b.tif", cells, nodata=0, tiled=True, blockxsize=64, blockysize=32, compress="lzw"),
            tif(tmp_path / "c.tif", cells[::-1], nodata=0, place=south_up),
            tif(tmp_path / "d.tif", cells[:, ::-1], nodata=0, place=mirrored),
            tif(tmp_path / "e.tif", np.where(cells == 0, 255, cells), nodata=255),
            tif(tmp_path / "f.tif", np.where(cells == 0, np.nan, cells), nodata=np.nan),
        ]
        first = classes(stored[0])[0]
        whole = {key: shapely.union_all(rows.geometry) for key, rows in first.frame.groupby("class")}
        for path in stored[1:]:
            raw, _ = classes(path)
            assert raw.bounds == first.bounds
            assert areas(raw) == pytest.approx(areas(first), rel=1e-12)
            for key, rows in raw.frame.groupby("class"):
                assert shapely.symmetric_difference(shapely.union_all(rows.geometry), whole[key]).area < 1e-6

    def test_a_window_limits_what_is_read(self, tmp_path: Path) -> None:
        cells = np.random.default_rng(5).integers(1, 4, (1200, 1300)).astype("uint8")
        path = tif(tmp_path / "a.tif", cells, crs="EPSG:4326", place=from_origin(121, 32, 1e-4, 1e-4))
        whole, _ = classes(path)
        part, _ = classes(path, window=(121.03, 31.95, 121.04, 31.96))
        assert part.bounds == whole.bounds
        window = shapely.box(121.03, 31.95, 121.04, 31.96)
        wanted = whole.frame[whole.frame.intersects(window)]
        assert set(wanted["feature_id"]) <= set(part.frame["feature_id"])
        assert len(part.frame) < len(whole.frame) / 4
        both = part.frame.merge(whole.frame, on="feature_id")
        assert len(both) == len(part.frame)
        assert (both["class_x"] == both["class_y"]).all()
        assert shapely.equals(both["geometry_x"], both["geometry_y"]).all()
        assert classes(path, window=(100, 20, 101, 21))[0].frame.empty

    def test_a_window_of_another_system(self, tmp_path: Path) -> None:
        cells = np.random.default_rng(6).integers(1, 4, (700, 700)).astype("uint8")
        path = tif(tmp_path / "a.tif", cells, crs=None)
        window = (121.1, 31.1, 121.2, 31.15)
        part, _ = classes(path, crs="EPSG:4549", window=window)
        whole, _ = classes(path)
        inside = whole.frame.set_crs("EPSG:4549").to_crs("EPSG:4326").intersects(shapely.box(*window))
        assert inside.any()
        assert set(whole.frame["feature_id"][inside]) <= set(part.frame["feature_id"])
        assert len(part.frame) < len(whole.frame)

    def test_unsurveyed_cells_are_counted(self, tmp_path: Path) -> None:
        findings = Findings("en")
        path = tif(tmp_path / "a.tif", NINE, nodata=5)
        read(Request(path, "a.tif", "landuse", findings))
        assert [(f.severity, f.rule, f.layer, f.value) for f in findings] == [
            ("info", "raster_no_data", "landuse", "11.11%")
        ]

    def test_bigtiff_and_big_endian(self, tmp_path: Path) -> None:
        path = tif(tmp_path / "a.tif", NINE, BIGTIFF="YES")
        assert struct.unpack("<2sH", path.read_bytes()[:4]) == (b"II", 43)
        assert len(classes(path)[0].frame) == 9
        path = tif(tmp_path / "b.tif", NINE, ENDIANNESS="BIG")
        assert path.read_bytes()[:4] == b"MM\0*"
        assert len(classes(path)[0].frame) == 9


def bordered(cells: np.ndarray, valid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """With a row and column of nothing on every side."""
    return np.pad(cells, 1), np.pad(valid, 1)


class TestPatches:
    @given(
        arrays(np.int64, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.integers(0, 2)),
        st.integers(0, 2**32),
    )
    @settings(max_examples=300, deadline=None, derandomize=True)
    def test_as_gdal_groups_them(self, cells: np.ndarray, seed: int) -> None:
        valid = np.random.default_rng(seed).random(cells.shape) > 0.1
        found = patches(*bordered(cells, valid), 0, 0)
        theirs = [(value, shape(one)) for one, value in polygonized_by_gdal(cells.astype("int32"), mask=valid)]
        ours = list(zip(cells[found.row, found.column], found.polygons, strict=True))

        def keys(groups: list) -> list:
            return sorted((value, one.bounds, one.area, one.length, len(one.interiors)) for value, one in groups)

        assert keys(ours) == keys(theirs)
        assert shapely.is_valid(found.polygons).all()
        assert shapely.coverage_is_valid(found.polygons)
        middles = shapely.points(found.column + 0.5, found.row + 0.5)
        assert shapely.contains(found.polygons, middles).all()

    @pytest.mark.parametrize("kinds", [1, 2, 5])
    def test_cut_at_blocks_without_gaps(self, kinds: int) -> None:
        cells = np.random.default_rng(kinds).integers(0, kinds, (BLOCK + 3, 2 * BLOCK + 1))
        valid = np.random.default_rng(0).random(cells.shape) > 0.01
        found = patches(*bordered(cells, valid), 0, 0)
        assert shapely.area(found.polygons).sum() == valid.sum()
        assert shapely.is_valid(found.polygons).all()
        assert shapely.coverage_is_valid(found.polygons)
        west, south, east, north = shapely.bounds(found.polygons).T
        for low, high in ((west, east), (south, north)):
            assert (low // BLOCK == (high - 1) // BLOCK).all()

    def test_parts_fit_together(self) -> None:
        cells = np.random.default_rng(8).integers(0, 3, (2 * BLOCK, 2 * BLOCK))
        padded, valid = bordered(cells, np.ones(cells.shape, dtype=bool))
        whole = patches(padded, valid, 0, 0)
        parts = [
            patches(padded[r : r + BLOCK + 2, c : c + BLOCK + 2], valid[r : r + BLOCK + 2, c : c + BLOCK + 2], r, c)
            for r in (0, BLOCK)
            for c in (0, BLOCK)
        ]
        together = np.concatenate([part.polygons for part in parts])
        assert shapely.coverage_is_valid(together)
        assert sorted(shapely.to_wkb(together)) == sorted(shapely.to_wkb(whole.polygons))


def test_a_flipped_bit_of_deflated_cells_is_named_even_where_gdal_unpacks_something(tmp_path: Path) -> None:
    cells = np.random.default_rng(1).integers(0, 4, (256, 256)).astype("uint8")
    path = tif(tmp_path / "a.tif", cells, compress="deflate", tiled=True, blockxsize=64, blockysize=64)
    whole = path.read_bytes()
    with rasterio.open(path) as file:
        offset, size = (int(file.get_tag_item(f"BLOCK_{what}_2_1", "TIFF", 1)) for what in ("OFFSET", "SIZE"))
    silent = 0
    for at in range(offset + 100, offset + size - 8, 97):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :])
        with suppress(rasterio.errors.RasterioIOError), rasterio.open(path) as file:
            silent += (file.read(1) != cells).any()
        with pytest.raises(SourceError, match=r"block 1, 2 \(rows 64 to 127, columns 128 to 191\)"):
            classes(path)
    assert silent
    path.write_bytes(whole)
    assert looked_at(path)[0].bands[0].valid == cells.size
