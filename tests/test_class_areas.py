"""Areas of a raster's classes: cells worked by hand, the vector kernel, and laws that hold for any raster and zone."""

from __future__ import annotations

from math import atanh, radians, sin, sqrt
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Transformer
from rasterio.transform import Affine, from_origin
from shapely import MultiPolygon, Polygon, box

from qpgis.errors import CRSError, SourceError
from qpgis.measures import area_within, class_areas_within
from qpgis.sources import Request
from qpgis.sources.raster import read
from tests.gridcells import squares, star

A, F = 6378137.0, 1 / 298.257222101
E2 = F * (2 - F)
E = sqrt(E2)
WEST, NORTH, STEP = 121.0, 31.03, 0.01
NINE = np.arange(1, 10, dtype="uint8").reshape(3, 3)
MICRO_M2 = 1e-6
EDGE_M2 = 0.01
"""A zone's edge along a parallel is drawn to 5 micrometres: over a kilometre, that is half a square decimetre."""


def band_m2(south: float, north: float) -> float:
    """Area between two parallels over one STEP of longitude: a**2 / 2 * (width) * (q(north) - q(south))."""

    def q(latitude: float) -> float:
        s = sin(radians(latitude))
        return (1 - E2) * (s / (1 - E2 * s * s) + atanh(E * s) / E)

    return A * A / 2 * radians(STEP) * (q(north) - q(south))


def cell_m2(row: float, height: float = 1) -> float:
    """Area of a cell of the three by three, or of a part of its height; rows count from the north."""
    return band_m2(NORTH - (row + height) * STEP, NORTH - row * STEP)


def degrees(x0: float, y0: float, x1: float, y1: float) -> Polygon:
    """A box in columns and rows of the three by three."""
    return box(WEST + x0 * STEP, NORTH - y1 * STEP, WEST + x1 * STEP, NORTH - y0 * STEP)


def tif(path: Path, cells: np.ndarray, crs: Any = "EPSG:4490", place: Affine | None = None, **options: Any) -> Path:
    """A GeoTIFF of one band; by default in hundredths of a degree from the north-west corner."""
    place = place or from_origin(WEST, NORTH, STEP, STEP)
    height, width = cells.shape
    with rasterio.open(
        path, "w", "GTiff", width, height, 1, crs=crs, transform=place, dtype=cells.dtype, **options
    ) as f:
        f.write(cells, 1)
    return path


def zones(*shapes: Any, crs: Any = "EPSG:4490", index: Any = None) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame(geometry=list(shapes), crs=crs, index=index)


def row(table: pd.DataFrame, at: Any = 0) -> dict[int, float]:
    """The classes of one zone that aren't 0."""
    values = table.loc[at]
    return {int(c): float(v) for c, v in values.items() if v != 0}


class TestByHand:
    def test_whole_cells(self, tmp_path: Path) -> None:
        table = class_areas_within(zones(degrees(0, 0, 3, 3)), tif(tmp_path / "a.tif", NINE))
        assert table.columns.tolist() == list(range(1, 10))
        for value in range(1, 10):
            assert table.loc[0, value] == pytest.approx(cell_m2((value - 1) // 3), abs=EDGE_M2)

    def test_parts_of_cells(self, tmp_path: Path) -> None:
        table = class_areas_within(zones(degrees(0.25, 0.5, 1.75, 1.5)), tif(tmp_path / "a.tif", NINE))
        assert row(table) == pytest.approx(
            {
                1: 0.75 * cell_m2(0.5, 0.5),
                2: 0.75 * cell_m2(0.5, 0.5),
                4: 0.75 * cell_m2(1, 0.5),
                5: 0.75 * cell_m2(1, 0.5),
            },
            abs=EDGE_M2,
        )

    def test_a_zone_within_one_cell(self, tmp_path: Path) -> None:
        table = class_areas_within(zones(degrees(1.2, 1.1, 1.7, 1.9)), tif(tmp_path / "a.tif", NINE))
        assert row(table) == pytest.approx({5: 0.5 * cell_m2(1.1, 0.8)}, abs=EDGE_M2)
        assert table.columns.tolist() == [5]

    def test_holes_and_parts(self, tmp_path: Path) -> None:
        shell, hole = degrees(0, 0, 3, 2), degrees(1, 0.5, 2, 1.5)
        zone = MultiPolygon([shapely.difference(shell, hole), degrees(2.5, 2, 3, 3)])
        table = class_areas_within(zones(zone), tif(tmp_path / "a.tif", NINE))
        assert row(table) == pytest.approx(
            {
                1: cell_m2(0),
                2: cell_m2(0, 0.5),
                3: cell_m2(0),
                4: cell_m2(1),
                5: cell_m2(1.5, 0.5),
                6: cell_m2(1),
                9: 0.5 * cell_m2(2),
            },
            abs=EDGE_M2,
        )

    def test_equal_classes_add_up_and_nodata_is_none(self, tmp_path: Path) -> None:
        path = tif(tmp_path / "a.tif", np.array([[7, 7, 0], [3, 7, 0], [0, 0, 0]], dtype="uint8"), nodata=0)
        table = class_areas_within(zones(degrees(0, 0, 3, 3)), path)
        assert row(table) == pytest.approx({3: cell_m2(1), 7: 2 * cell_m2(0) + cell_m2(1)}, abs=EDGE_M2)

    def test_missing_isnt_zero(self, tmp_path: Path) -> None:
        path = tif(tmp_path / "a.tif", np.array([[1, 2, 0], [1, 1, 0]], dtype="uint8"), nodata=0)
        shapes = {
            "inside": degrees(0, 0, 1, 1),
            "half outside": degrees(-1, 0, 1, 1),
            "outside": degrees(5, 5, 6, 6),
            "no data": degrees(2, 0, 3, 2),
            "none": None,
            "empty": Polygon(),
        }
        table = class_areas_within(zones(*shapes.values(), index=list(shapes)), path)
        assert table.index.tolist() == list(shapes)
        assert table.loc["inside"].tolist() == pytest.approx([cell_m2(0), 0], abs=EDGE_M2)
        assert table.loc["half outside"].tolist() == pytest.approx([cell_m2(0), 0], abs=EDGE_M2)
        assert table.loc[["outside", "no data", "none", "empty"]].isna().all(axis=None)

    def test_no_zone_meets_the_raster(self, tmp_path: Path) -> None:
        table = class_areas_within(zones(degrees(5, 5, 6, 6), index=["a"]), tif(tmp_path / "a.tif", NINE))
        assert table.shape == (1, 0)

    def test_another_band_another_type(self, tmp_path: Path) -> None:
        place = from_origin(WEST, NORTH, STEP, STEP)
        path = tmp_path / "a.tif"
        with rasterio.open(path, "w", "GTiff", 3, 3, 2, crs="EPSG:4490", transform=place, dtype="float32") as f:
            f.write(NINE.astype("float32") / 2, 1)
            f.write(NINE.astype("float32") - 5, 2)
        assert row(class_areas_within(zones(degrees(0, 0, 1, 1)), path, band=2)) == pytest.approx(
            {-4: cell_m2(0)}, abs=EDGE_M2
        )
        with pytest.raises(SourceError, match="measurements, no classes"):
            class_areas_within(zones(degrees(0, 0, 1, 1)), path)
        with pytest.raises(SourceError, match="no band 3; it has 1, 2"):
            class_areas_within(zones(degrees(0, 0, 1, 1)), path, band=3)

    def test_unusable_rasters(self, tmp_path: Path) -> None:
        with pytest.raises(CRSError, match=r"a\.tif: no coordinate reference system"):
            class_areas_within(zones(degrees(0, 0, 1, 1)), tif(tmp_path / "a.tif", NINE, crs=None))
        with pytest.raises(SourceError, match="doesn't exist"):
            class_areas_within(zones(degrees(0, 0, 1, 1)), tmp_path / "b.tif")


GRIDS = {
    "Gauss-Krueger": ("EPSG:4549", from_origin(600_000, 3_461_000, 10, 10)),
    "degrees": ("EPSG:4326", from_origin(121, 31.2, 1 / 12_000, 1 / 12_000)),
    "south-up": ("EPSG:4549", Affine(10, 0, 600_000, 0, 10, 3_460_000)),
    "rotated": ("EPSG:4549", Affine(9, 2, 600_000, 3, -8, 3_461_000)),
    "mirrored and sheared": ("EPSG:32651", Affine(-30, 4, 300_000, 1, -25, 3_461_000)),
    "Mercator": ("EPSG:3857", from_origin(13_470_000, 3_660_000, 100, 100)),
    "equal-area": ("EPSG:3035", from_origin(4_800_000, 3_461_000, 100, 100)),
    "half a metre": ("EPSG:4549", from_origin(600_000, 3_460_100, 0.5, 0.5)),
    "coarse": ("EPSG:4490", from_origin(118, 33, 0.1, 0.1)),
}
HEIGHT, WIDTH = 40, 50


def cells_as_squares(cells: np.ndarray, place: Affine, crs: str) -> gpd.GeoDataFrame:
    """Every cell as a polygon of its own."""
    return gpd.GeoDataFrame({"value": cells.ravel()}, geometry=squares(place, cells.shape), crs=crs)


class TestAgainstVectors:
    @pytest.mark.parametrize("name", GRIDS)
    def test_any_zone_on_any_grid(self, name: str, tmp_path: Path) -> None:
        crs, place = GRIDS[name]
        rng = np.random.default_rng(len(name))
        cells = rng.integers(1, 5, (HEIGHT, WIDTH)).astype("uint8")
        shapes = zones(*[star(rng, place, (WIDTH, HEIGHT)) for _ in range(6)], crs=crs)
        table = class_areas_within(shapes, tif(tmp_path / "a.tif", cells, crs, place))
        squares = cells_as_squares(cells, place, crs)
        whole = area_within(shapes, shapes)
        for value in range(1, 5):
            drawn = area_within(shapes, squares[squares["value"] == value])
            assert (table[value] - drawn).abs().max() < 1e-9 * whole.max() + 500 * MICRO_M2
        assert (table.sum(axis=1) - whole).abs().max() < 1e-9 * whole.max() + 10 * MICRO_M2

    def test_zones_in_another_system(self, tmp_path: Path) -> None:
        crs, place = GRIDS["Gauss-Krueger"]
        rng = np.random.default_rng(11)
        cells = rng.integers(1, 5, (300, 400)).astype("uint8")
        to_degrees = Transformer.from_crs(4549, 4490, always_xy=True)
        corners = [to_degrees.transform(*(place * point)) for point in ((5, 5), (390, 20), (380, 290), (10, 250))]
        shapes = zones(Polygon(corners), crs="EPSG:4490")
        table = class_areas_within(shapes, tif(tmp_path / "a.tif", cells, crs, place))
        whole = area_within(shapes, shapes)[0]
        assert table.loc[0].sum() == pytest.approx(whole, rel=1e-9)
        squares = cells_as_squares(cells, place, crs)
        for value in range(1, 5):
            drawn = area_within(shapes, squares[squares["value"] == value])[0]
            assert table.loc[0, value] == pytest.approx(drawn, abs=1e-9 * whole + 0.1)

    def test_the_layer_of_the_same_raster(self, tmp_path: Path) -> None:
        crs, place = GRIDS["rotated"]
        rng = np.random.default_rng(12)
        cells = rng.integers(0, 4, (HEIGHT, WIDTH)).astype("uint8")
        path = tif(tmp_path / "a.tif", cells, crs, place, nodata=0)
        shapes = zones(*[star(rng, place, (WIDTH, HEIGHT)) for _ in range(6)], crs=crs)
        table = class_areas_within(shapes, path)
        layer = read(Request(path, "a.tif")).frame
        assert table.columns.tolist() == [1, 2, 3]
        for value in table.columns:
            drawn = area_within(shapes, layer[layer["class"] == str(value)])
            assert table[value].to_list() == pytest.approx(drawn.to_list(), rel=1e-9, abs=100 * MICRO_M2)


class TestLaws:
    @given(st.integers(0, 2**32), st.sampled_from(sorted(GRIDS)), st.floats(-0.5, 0.5), st.floats(0.05, 3))
    @settings(max_examples=60, deadline=None, derandomize=True)
    def test_classes_make_up_the_zone_and_add_up(
        self, tmp_path_factory: pytest.TempPathFactory, seed: int, name: str, shift: float, scale: float
    ) -> None:
        crs, place = GRIDS[name]
        rng = np.random.default_rng(seed)
        path = tif(
            tmp_path_factory.mktemp("grid") / "a.tif",
            rng.integers(1, 4, (HEIGHT, WIDTH)).astype("uint8"),
            crs,
            place * Affine.translation(shift, shift),
        )
        shape = shapely.affinity.scale(star(rng, place, (WIDTH, HEIGHT)), scale, scale)
        inside = Polygon(
            [place * point for point in ((1, 1), (WIDTH - 1, 1), (WIDTH - 1, HEIGHT - 1), (1, HEIGHT - 1))]
        )
        shape = shapely.intersection(shape, inside)
        west, south, east, north = shape.bounds
        middle = (west + east) / 2
        halves = [
            shapely.intersection(shape, box(*b)) for b in ((west, south, middle, north), (middle, south, east, north))
        ]
        table = class_areas_within(zones(shape, *halves, crs=crs), path)
        whole = area_within(zones(shape, crs=crs), zones(shape, crs=crs))[0]
        near = 1e-9 * whole + 10 * MICRO_M2
        assert (table.to_numpy() >= 0).all()
        assert table.loc[0].sum() == pytest.approx(whole, abs=near)
        crossing = 2e-5 * max(1.0, whole**0.5) if name != "coarse" else 1e-7 * whole
        assert table.loc[1].add(table.loc[2]).to_list() == pytest.approx(table.loc[0].to_list(), abs=near + crossing)

    def test_storage_order_and_threads_dont_matter(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        crs, place = GRIDS["Gauss-Krueger"]
        rng = np.random.default_rng(13)
        cells = rng.integers(0, 4, (HEIGHT, WIDTH)).astype("uint8")
        shapes = zones(*[star(rng, place, (WIDTH, HEIGHT)) for _ in range(5)], crs=crs)
        first = class_areas_within(shapes, tif(tmp_path / "a.tif", cells, crs, place, nodata=0))
        south_up = place * Affine.translation(0, HEIGHT) * Affine.scale(1, -1)
        others = [
            tif(tmp_path / "b.tif", cells[::-1], crs, south_up, nodata=0),
            tif(tmp_path / "c.tif", cells, crs, place, nodata=0, tiled=True, blockxsize=16, blockysize=16),
            tif(tmp_path / "d.tif", np.where(cells == 0, 200, cells).astype("uint8"), crs, place, nodata=200),
        ]
        for path in others:
            again = class_areas_within(shapes, path)
            assert np.abs(again - first).max(axis=None) <= 2 * MICRO_M2
        turned = class_areas_within(shapes.iloc[::-1], tmp_path / "a.tif")
        pd.testing.assert_frame_equal(turned.iloc[::-1], first)
        monkeypatch.setattr("qpgis.measures.rasters.CELLS_AT_ONCE", 100)
        piecewise = class_areas_within(shapes, tmp_path / "a.tif")
        assert np.abs(piecewise - first).max(axis=None) <= 100 * MICRO_M2

    def test_ring_start_and_direction_dont_matter(self, tmp_path: Path) -> None:
        crs, place = GRIDS["degrees"]
        rng = np.random.default_rng(14)
        path = tif(tmp_path / "a.tif", rng.integers(0, 4, (HEIGHT, WIDTH)).astype("uint8"), crs, place)
        shape = star(rng, place, (WIDTH, HEIGHT))
        ring = list(shape.exterior.coords)[:-1]
        table = class_areas_within(zones(shape, Polygon(ring[::-1]), Polygon(ring[3:] + ring[:3]), crs=crs), path)
        assert (table.max() - table.min()).max() <= 2 * MICRO_M2
