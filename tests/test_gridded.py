"""Amounts of a raster: cells worked by hand, all cells as squares, exactextract, and laws that hold for any grid."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import CRS
from rasterio.transform import Affine, from_origin
from shapely import MultiPolygon, Polygon, box

from qpgis.crs import Plane, parse
from qpgis.errors import CRSError, SourceError
from qpgis.measures.gridded import GriddedAmounts, gridded_amounts
from qpgis.shapes import clipped
from qpgis.sources.geotiff import opened
from tests.gridcells import squares, star

PLANE = Plane(121, 31)
SYSTEM = "EPSG:4549"
NINE = np.arange(1, 10, dtype="float64").reshape(3, 3)
WEST, NORTH = 499_000, 3_450_000
KM = from_origin(WEST, NORTH, 1000, 1000)
"""Three by three cells of a square kilometre at the central meridian: there areas are plane to 1e-7."""


def tif(path: Path, cells: np.ndarray, crs: Any = SYSTEM, place: Affine = KM, **options: Any) -> Path:
    height, width = cells.shape
    with rasterio.open(
        path, "w", "GTiff", width, height, 1, crs=crs, transform=place, dtype=cells.dtype, **options
    ) as f:
        f.write(cells, 1)
    return path


def shapes(*geometries: Any) -> np.ndarray:
    return np.array(geometries, dtype=object)


def amounts(path: Path, *zones: Any, band: int = 1, within: np.ndarray | None = None) -> GriddedAmounts:
    with opened(path, path.name) as raster:
        return gridded_amounts(shapes(*zones), PLANE, raster, band, within=within)


def in_plane(geometries: np.ndarray, crs: str) -> np.ndarray:
    return PLANE.project(geometries, parse(CRS(crs), what="test"), what="test")


def km(x0: float, y0: float, x1: float, y1: float) -> Polygon:
    """A box in columns and rows of the three by three."""
    return ring((x0, y0), (x1, y0), (x1, y1), (x0, y1))


def ring(*corners: tuple[float, float]) -> Polygon:
    """A polygon in columns and rows of the three by three."""
    return in_plane(shapes(Polygon([(WEST + x * 1000, NORTH - y * 1000) for x, y in corners])), SYSTEM)[0]


class TestByHand:
    def test_whole_cells_and_parts(self, tmp_path: Path) -> None:
        path = tif(tmp_path / "people.tif", NINE)
        found = amounts(
            path,
            km(0, 0, 3, 3),
            km(0, 0, 1, 1),
            km(0.25, 0.5, 1.75, 1.5),
            km(1.2, 1.1, 1.7, 1.9),
            ring((0, 0), (0, 3), (3, 3)),
            shapely.difference(km(0, 0, 3, 2), km(1, 0.5, 2, 1.5)),
            MultiPolygon([km(0, 0, 0.5, 1), km(2, 2, 3, 2.5)]),
        )
        diagonal = 4 + 7 + 8 + (1 + 5 + 9) / 2
        expected = [45, 1, 0.375 * (1 + 2 + 4 + 5), 0.4 * 5, diagonal, 21 - 3.5, 0.5 + 4.5]
        assert found.amounts == pytest.approx(expected, abs=1e-5)
        assert found.surveyed_m2 == pytest.approx(np.array([9, 1, 1.5, 0.4, 4.5, 5, 1]) * 1e6, rel=1e-6)

    def test_missing_isnt_zero(self, tmp_path: Path) -> None:
        path = tif(tmp_path / "people.tif", np.array([[1, 0, -99], [4, np.nan, -99]]), nodata=-99)
        zones = {
            "some": (km(0, 0, 2, 2), 5, 3e6),
            "nobody": (km(1, 0, 2, 1), 0, 1e6),
            "half a cell": (km(0.5, 0, 1, 1), 0.5, 5e5),
            "half outside": (km(-1, 0, 1, 1), 1, 1e6),
            "no data": (km(2, 0, 3, 2), np.nan, np.nan),
            "no number": (km(1, 1, 2, 2), np.nan, np.nan),
            "outside": (km(5, 5, 6, 6), np.nan, np.nan),
            "none": (None, np.nan, np.nan),
            "empty": (Polygon(), np.nan, np.nan),
        }
        found = amounts(path, *(zone for zone, _, _ in zones.values()))
        assert found.amounts == pytest.approx([amount for _, amount, _ in zones.values()], abs=1e-5, nan_ok=True)
        assert found.surveyed_m2 == pytest.approx([m2 for _, _, m2 in zones.values()], rel=1e-6, nan_ok=True)

    def test_within(self, tmp_path: Path) -> None:
        path = tif(tmp_path / "people.tif", NINE)
        reached = shapes(km(0, 0, 1.5, 1), km(1, 0, 2, 1), None, km(2.5, 0, 2.75, 3), Polygon())
        zones = km(0, 0, 1, 3), km(1, 0, 3, 3), km(0, 1, 2, 3), None
        found = amounts(path, *zones, within=reached)
        assert found.amounts == pytest.approx([1, 2 + 0.25 * (3 + 6 + 9), 0, np.nan], abs=1e-5, nan_ok=True)
        assert found.surveyed_m2 == pytest.approx([1e6, 1.75e6, 0, np.nan], rel=1e-6, abs=0.01, nan_ok=True)

    def test_within_ground_without_data_is_missing(self, tmp_path: Path) -> None:
        path = tif(tmp_path / "people.tif", np.where(NINE == 9, -1, NINE), nodata=-1)
        zone = km(0, 0, 3, 3)
        assert amounts(path, zone, within=shapes(km(2, 2, 3, 3))).amounts == pytest.approx([np.nan], nan_ok=True)
        assert amounts(path, zone, within=shapes()).amounts.tolist() == [0]
        assert amounts(path, zone, within=shapes(km(2, 1, 3, 3))).amounts == pytest.approx([6])

    def test_scale_and_offset_are_applied(self, tmp_path: Path) -> None:
        path = tif(tmp_path / "people.tif", NINE.astype("int16"))
        with rasterio.open(path, "r+") as f:
            f.scales, f.offsets = (10,), (2,)
        assert amounts(path, km(0, 0, 1.5, 1)).amounts == pytest.approx([12 + 0.5 * 22], abs=1e-5)

    def test_another_band(self, tmp_path: Path) -> None:
        path = tmp_path / "people.tif"
        with rasterio.open(path, "w", "GTiff", 3, 3, 2, crs=SYSTEM, transform=KM, dtype="float32") as f:
            f.write(NINE.astype("float32"), 1)
            f.write(NINE.astype("float32") / 2, 2)
        assert amounts(path, km(0, 0, 3, 3), band=2).amounts == pytest.approx([22.5])
        with pytest.raises(SourceError, match=r"people\.tif: no band 3; it has 1, 2"):
            amounts(path, km(0, 0, 3, 3), band=3)


class TestRefused:
    def test_negative_amounts(self, tmp_path: Path) -> None:
        path = tif(tmp_path / "people.tif", np.where(NINE == 6, -99999, NINE).astype("float32"))
        with pytest.raises(SourceError, match=r"row 2, column 3: -99999.0.*gdal_edit\.py -a_nodata -99999.0"):
            amounts(path, km(0.5, 0.5, 3, 3))
        assert amounts(path, km(0, 0, 1.9, 3)).amounts == pytest.approx([12 + 0.9 * 15], abs=1e-5)

    def test_amounts_too_large_to_be_counted(self, tmp_path: Path) -> None:
        path = tif(tmp_path / "yuan.tif", NINE * 1e12)
        with pytest.raises(SourceError, match=r"amounts of 4\.5e\+13 are too large"):
            amounts(path, km(0, 0, 3, 3))

    def test_no_place(self, tmp_path: Path) -> None:
        path = tmp_path / "people.tif"
        with rasterio.open(path, "w", "GTiff", 3, 3, 1, transform=KM, dtype="float64") as f:
            f.write(NINE, 1)
        with pytest.raises(CRSError, match=r"people\.tif: no coordinate reference system"):
            amounts(path, km(0, 0, 1, 1))


GRIDS = {
    "Gauss-Krueger": ("EPSG:4549", from_origin(600_000, 3_461_000, 100, 100)),
    "degrees": ("EPSG:4326", from_origin(121, 31.2, 1 / 1200, 1 / 1200)),
    "coarse": ("EPSG:4490", from_origin(120.6, 31.4, 0.02, 0.02)),
    "south-up": ("EPSG:4549", Affine(10, 0, 600_000, 0, 10, 3_460_000)),
    "rotated": ("EPSG:4549", Affine(90, 20, 600_000, 30, -80, 3_461_000)),
}
HEIGHT, WIDTH = 30, 40


class TestAgainstCellsAsSquares:
    @pytest.mark.parametrize("name", GRIDS)
    def test_any_zone_on_any_grid(self, name: str, tmp_path: Path) -> None:
        crs, place = GRIDS[name]
        rng = np.random.default_rng(len(name))
        cells = rng.uniform(0, 50, (HEIGHT, WIDTH))
        known = rng.random((HEIGHT, WIDTH)) < 0.9
        path = tif(tmp_path / "a.tif", np.where(known, cells, -1), crs, place, nodata=-1)
        zones = in_plane(shapes(*[star(rng, place, (WIDTH, HEIGHT)) for _ in range(8)]), crs)
        ground = in_plane(squares(place, (HEIGHT, WIDTH)), crs)
        shared = shapely.area(shapely.intersection(zones[:, None], ground)) * known.ravel()
        expected = shared @ (cells.ravel() / shapely.area(ground))
        found = amounts(path, *zones)
        assert found.amounts == pytest.approx(expected, rel=1e-7, abs=1e-5)
        assert found.surveyed_m2 == pytest.approx(shared.sum(axis=1), rel=1e-8, abs=1e-3)


class TestAgainstExactextract:
    def test_sums(self, tmp_path: Path) -> None:
        exactextract = pytest.importorskip("exactextract", reason="exactextract isn't installed: an oracle is missing")
        import geopandas as gpd

        crs, place = GRIDS["Gauss-Krueger"]
        rng = np.random.default_rng(3)
        cells = np.where(rng.random((HEIGHT, WIDTH)) < 0.9, rng.uniform(0, 50, (HEIGHT, WIDTH)), -1)
        path = tif(tmp_path / "a.tif", cells, crs, place, nodata=-1)
        zones = shapes(*[star(rng, place, (WIDTH, HEIGHT)) for _ in range(30)])
        frame = gpd.GeoDataFrame(geometry=zones, crs=crs)
        table = exactextract.exact_extract(str(path), frame, ["sum", "count"], output="pandas")
        found = amounts(path, *in_plane(zones, crs))
        # its shares of cells are floats of 32 bits, and 100 km from the central meridian a metre is a metre to 1.2e-4
        assert found.amounts == pytest.approx(table["sum"].to_numpy(), rel=1e-5)
        assert found.surveyed_m2 == pytest.approx(table["count"].to_numpy() * 10_000, rel=5e-4)


class TestLaws:
    @pytest.mark.parametrize("name", GRIDS)
    def test_a_coverage_holds_all_of_it(self, name: str, tmp_path: Path) -> None:
        crs, place = GRIDS[name]
        rng = np.random.default_rng(7)
        cells = rng.uniform(0, 50, (HEIGHT, WIDTH))
        cells[rng.random((HEIGHT, WIDTH)) < 0.1] = -1
        path = tif(tmp_path / "a.tif", cells, crs, place, nodata=-1)
        corners = rng.uniform(0.1, 0.9, (12, 2)) * (WIDTH, HEIGHT)
        around = shapely.transform(box(-1, -1, WIDTH + 1, HEIGHT + 1), lambda xy: np.array([place * p for p in xy]))
        places = shapely.multipoints(np.array([place * p for p in corners]))
        cover = shapely.intersection(shapely.get_parts(shapely.voronoi_polygons(places, extend_to=around)), around)
        found = amounts(path, *in_plane(cover, crs))
        assert np.nansum(found.amounts) == pytest.approx(cells[cells >= 0].sum(), rel=1e-8)

    @given(st.integers(0, 2**32 - 1), st.sampled_from(sorted(GRIDS)))
    @settings(max_examples=40, deadline=None)
    def test_parts_add_up_and_reach_grows(self, tmp_path_factory: pytest.TempPathFactory, seed: int, name: str) -> None:
        crs, place = GRIDS[name]
        rng = np.random.default_rng(seed)
        cells = rng.integers(0, 9, (HEIGHT, WIDTH)).astype("int32")
        path = tif(tmp_path_factory.mktemp("grid") / "a.tif", cells, crs, place)
        zone, first, second = in_plane(shapes(*[star(rng, place, (WIDTH, HEIGHT)) for _ in range(3)]), crs)
        reached, more = amounts(path, zone, within=shapes(first)), amounts(path, zone, within=shapes(first, second))
        whole, rest = amounts(path, zone, first), amounts(path, shapely.difference(zone, first))
        near = 1e-4 + 1e-6 * whole.amounts[0]
        if shapely.difference(zone, first).area > 1:
            assert reached.amounts[0] + rest.amounts[0] == pytest.approx(whole.amounts[0], abs=near)
        assert reached.amounts[0] <= min(whole.amounts) + near
        assert reached.amounts[0] <= more.amounts[0] + near
        assert more.amounts[0] <= whole.amounts[0] + near

    def test_windows_order_and_storage_dont_matter(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        crs, place = GRIDS["rotated"]
        rng = np.random.default_rng(9)
        cells = rng.uniform(0, 50, (HEIGHT, WIDTH))
        path = tif(tmp_path / "a.tif", cells, crs, place)
        tiled = tif(tmp_path / "b.tif", cells, crs, place, tiled=True, blockxsize=16, blockysize=16)
        zones = in_plane(shapes(*[star(rng, place, (WIDTH, HEIGHT)) for _ in range(5)]), crs)
        first = amounts(path, *zones)
        assert amounts(path, *zones[::-1]).amounts.tolist() == first.amounts[::-1].tolist()
        assert amounts(tiled, *zones).amounts.tolist() == first.amounts.tolist()
        monkeypatch.setattr("qpgis.measures.rasters.CELLS_AT_ONCE", 50)
        assert amounts(path, *zones).amounts == pytest.approx(first.amounts, abs=1e-4)


def test_clipped() -> None:
    zones = shapes(box(0, 0, 10, 10), box(10, 0, 20, 10), None, Polygon(), box(30, 0, 40, 10))
    found = clipped(zones, shapes(box(-5, -5, 12, 5), box(1, 1, 2, 20), box(8, 8, 9, 9), box(40, 0, 50, 10)))
    assert shapely.area(found) == pytest.approx([50 + 5 + 1, 10, np.nan, 0, 0], nan_ok=True)
    assert found[2] is None
    assert shapely.is_valid(found[:2]).all()
    assert shapely.area(clipped(zones, shapes())) == pytest.approx([0, 0, np.nan, 0, 0], nan_ok=True)
