"""Shares of a land-cover raster through a whole workspace: exactextract's fractions, the same cells as vectors.

The rule: each cell counts with the exact share of it that lies in the zone, and with its own area on the ellipsoid.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from pyproj import Geod, Transformer
from rasterio.transform import Affine, from_origin
from shapely import affinity

import qpgis as qp
from qpgis.measures import class_areas_within
from qpgis.sources import Request
from qpgis.sources.geotiff import Raster
from qpgis.sources.raster import read
from tests.conftest import EAST, HEAD, NORTH, four_towns, square
from tests.gridcells import squares

NODATA = 255
CLASSES = (10, 20, 30, 40, 50, 80, 90)
GEOD = Geod(ellps="GRS80")
SELECTED = ("forest", "water", "construction", "farmland", "grass", "wetland")
TOML = (
    '[layers.landuse]\nfile = "cover.tif"\ngrade = "open"\nscheme = "worldcover"\n'
    + "".join(f'[layers.{kind}]\nfrom = "landuse"\n' for kind in SELECTED)
    + "".join(f'[layers.{kind}]\nempty_because = "none here"\n' for kind in ("orchard", "park", "optional"))
    + '[definitions]\nwater_surface_share = ["all_water"]\nforest_cover_of_land = ["all_water"]\n'
    + 'blue_green_share = ["ecological_only"]\n'
)
COUNTED: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "forest_cover": ((10,), ()),
    "water_surface_share": ((80,), ()),
    "development_intensity": ((50,), ()),
    "blue_green_share": ((10, 20, 30, 80, 90, 95), ()),
    "forest_cover_of_land": ((10,), (80,)),
}
"""The classes of each share, and those that its denominator leaves out."""


def tif(path: Path, cells: np.ndarray, place: Affine, crs: str = "EPSG:4549", **options: Any) -> Path:
    height, width = cells.shape
    profile = {"crs": crs, "transform": place, "dtype": "uint8", "nodata": NODATA, **options}
    with rasterio.open(path, "w", "GTiff", width, height, 1, **profile) as file:
        file.write(cells.astype("uint8"), 1)
    return path


def cover(seed: int, rows: int, columns: int, gaps: float = 0.0) -> np.ndarray:
    """Land cover in clumps, with some cells without data."""
    random = np.random.default_rng(seed)
    coarse = random.choice(CLASSES, (rows // 3 + 1, columns // 3 + 1))
    cells = np.kron(coarse, np.ones((3, 3), dtype=int))[:rows, :columns]
    return np.where(random.random(cells.shape) < gaps, NODATA, cells)


def shares(folder: Path, towns: gpd.GeoDataFrame | None = None, toml: str = TOML, *, head: str = HEAD) -> pd.DataFrame:
    """The table of a workspace of a raster ``cover.tif``, its values by indicator (columns) and zone."""
    (four_towns() if towns is None else towns).to_file(folder / "towns.gpkg", layer="towns")
    (folder / "qpgis.toml").write_text(head + toml, encoding="utf-8")
    table = qp.assess(qp.open_workspace(folder)).table
    return table[table["indicator"].isin(COUNTED)].pivot(index="zone_id", columns="indicator", values="value")


def turned(degrees: float) -> gpd.GeoDataFrame:
    """The four towns, turned about their common corner."""
    towns = four_towns()
    middle = (EAST + 1000, NORTH + 1000)
    return towns.set_geometry([affinity.rotate(one, degrees, origin=middle) for one in towns.geometry], crs=towns.crs)


def cell_m2(place: Affine, shape: tuple[int, ...], crs: str) -> np.ndarray:
    """The area of every cell on the ellipsoid: geodesic polygons, by pyproj, corner by corner and with side middles."""
    degrees = Transformer.from_crs(crs, 4490, always_xy=True)
    dense = shapely.segmentize(squares(place, shape), abs(place.a) / 2)
    return np.array([abs(GEOD.polygon_area_perimeter(*degrees.transform(*one.exterior.xy))[0]) for one in dense])


def by_exactextract(path: Path, towns: gpd.GeoDataFrame) -> dict[str, dict[str, float]]:
    """The same shares by exactextract's fractions of cells and pyproj's areas of cells."""
    exactextract = pytest.importorskip("exactextract", reason="exactextract isn't installed: an oracle is missing")
    with rasterio.open(path) as file:
        place, crs, cells = file.transform, file.crs.to_string(), file.read(1)
    area = cell_m2(place, cells.shape, crs)
    drawn = towns.set_geometry(shapely.segmentize(towns.geometry.to_numpy(), 1.0), crs=towns.crs).to_crs(crs)
    found: dict[str, dict[str, float]] = {name: {} for name in COUNTED}
    for zone, _, ids, part in exactextract.exact_extract(
        str(path), drawn, ["cell_id", "coverage"], include_cols=["zone_id", "name"], output="pandas"
    ).itertuples(index=False):
        values, inside = cells.ravel()[ids], part * area[ids]
        shape = towns.geometry[towns["zone_id"] == zone].to_crs(4490).iloc[0]
        whole = abs(GEOD.geometry_area_perimeter(shape)[0])
        for name, (classes, left_out) in COUNTED.items():
            below = whole - inside[np.isin(values, left_out)].sum()
            found[name][zone] = 100 * inside[np.isin(values, classes)].sum() / below
    return found


few = settings(max_examples=4, deadline=None, derandomize=True, phases=[Phase.explicit, Phase.generate])
"""Each example runs whole workspaces; its seed says all about it."""

METRES = "EPSG:4549"
BORDERS = 1e-5
"""In %: borders are drawn to 5 micrometres; 20 km of them round a class are 0.1 m2 of a zone's 1,000,000."""
CASES: dict[str, tuple[str, Affine, tuple[int, int], float, float]] = {
    "cells along the borders": (METRES, from_origin(EAST, NORTH + 2000, 50, 50), (40, 40), 0.0, 0.0),
    "offset cells": (METRES, from_origin(EAST - 213, NORTH + 2107, 37, 37), (64, 64), 0.0, 0.0),
    "turned zones": (METRES, from_origin(EAST - 600, NORTH + 2600, 41, 41), (80, 80), 0.0, 17.0),
    "cells without data": (METRES, from_origin(EAST - 613, NORTH + 2607, 41, 41), (80, 80), 0.1, 17.0),
    "degrees": ("EPSG:4490", from_origin(121.035, 31.197, 0.00061, 0.00047), (80, 80), 0.05, 31.0),
    "partly covering": (METRES, from_origin(EAST + 311, NORTH + 1512, 37, 37), (30, 30), 0.0, 5.0),
}
"""Reference system, place, size, share of cells without data, and how far the zones are turned."""


@pytest.mark.parametrize("name", CASES)
def test_shares_are_exactextracts_and_those_of_the_cells_as_vectors(name: str, tmp_path: Path) -> None:
    crs, place, size, gaps, turn = CASES[name]
    path = tif(tmp_path / "cover.tif", cover(len(name), *size, gaps), place, crs)
    towns = turned(turn)
    found = shares(tmp_path, towns)
    assert found.loc[list("abcd")].notna().all(axis=None)
    for indicator, zones in by_exactextract(path, towns).items():
        # exactextract's fractions of cells are floats of 32 bits; a zone has thousands of cells, 100 % in all
        assert found.loc[list("abcd"), indicator].to_dict() == pytest.approx(zones, abs=2e-4), indicator

    layer = read(Request(path, "cover.tif")).frame
    alone = squares(place, size)
    values = rasterio.open(path).read(1).ravel()
    drawn = gpd.GeoDataFrame({"class": values.astype(str)}, geometry=alone, crs=crs)[values != NODATA]
    for cells in (layer, drawn):
        cells.to_file(tmp_path / "cover.gpkg", layer="cover")
        toml = TOML.replace('cover.tif"', 'cover.gpkg"\nclass_field = "class"\nextent = "area"')
        same = shares(tmp_path, towns, toml)
        assert same.to_numpy() == pytest.approx(found.to_numpy(), rel=0, abs=BORDERS)


def test_a_zone_that_the_raster_partly_covers_keeps_its_value_with_its_surveyed_share(tmp_path: Path) -> None:
    """Their north lies beyond the raster; a quarter of the cells of the second one's south has no data."""
    cells = np.full((10, 40), 10)
    cells[:5, 20:30] = NODATA
    tif(tmp_path / "cover.tif", cells, from_origin(EAST, NORTH + 500, 50, 50))
    four_towns().iloc[:2].to_file(tmp_path / "towns.gpkg", layer="towns")
    (tmp_path / "qpgis.toml").write_text(HEAD + TOML, encoding="utf-8")
    rows = qp.assess(qp.open_workspace(tmp_path))["forest_cover"].set_index("zone_id")
    # a: 500 m of 1000 m; b: 500 x 1000 m less 250 x 500 m
    assert rows.loc[["a", "b", "all"], "value"].tolist() == pytest.approx([50, 37.5, 43.75], abs=1e-4)
    assert ["50.00%" in rows.loc["a", "note"], "37.50%" in rows.loc["b", "note"]] == [True, True]


@given(st.integers(0, 10**6), st.floats(0, 45), st.sampled_from([7, 16, 64]))
@few
def test_where_the_file_is_cut_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, seed: int, turn: float, block: int
) -> None:
    """Windows and squares of grouping, and ground around the zones that the file has besides, make no difference."""
    folder = tmp_path_factory.mktemp("cover")
    cells, towns = cover(seed, 70, 70, 0.05), turned(turn)
    tif(folder / "cover.tif", cells, from_origin(EAST - 600, NORTH + 2600, 47, 47))
    first = shares(folder, towns)
    wider = np.pad(cells, 100, constant_values=40)
    tif(folder / "cover.tif", wider, from_origin(EAST - 600 - 4700, NORTH + 2600 + 4700, 47, 47))
    with pytest.MonkeyPatch.context() as patched:
        for name in ("qpgis.sources.raster.BLOCK", "qpgis.sources.patches.BLOCK"):
            patched.setattr(name, block)
        patched.setattr("qpgis.sources.raster.CHUNK_COLUMNS", 2 * block)
        assert shares(folder, towns).to_numpy() == pytest.approx(first.to_numpy(), rel=0, abs=BORDERS)


@given(st.integers(0, 10**6), st.floats(0, 90))
@few
def test_zones_add_up(tmp_path_factory: pytest.TempPathFactory, seed: int, turn: float) -> None:
    """What four towns have is what one zone over them has."""
    folder = tmp_path_factory.mktemp("cover")
    tif(folder / "cover.tif", cover(seed, 70, 70), from_origin(EAST - 600, NORTH + 2600, 47, 47))
    towns = turned(turn)
    by_towns = shares(folder, towns).loc["all"]
    one = gpd.GeoDataFrame({"zone_id": ["a"], "name": ["甲"]}, geometry=[towns.union_all()], crs=towns.crs)
    (folder / "towns.gpkg").unlink()
    head = HEAD.replace('members = ["a", "b"]', 'members = ["a"]')
    assert shares(folder, one, head=head).loc["a"].to_dict() == pytest.approx(by_towns.to_dict(), rel=1e-8)


class TestLargeFiles:
    """20,000 x 20,000 cells of which the file stores a few blocks: only those around the zones are looked at."""

    SIZE, CELL_M, TILE = 20_000, 10, 512

    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        path = tmp_path / "cover.tif"
        half = self.SIZE // 2
        place = from_origin(EAST - half * self.CELL_M, NORTH + half * self.CELL_M, self.CELL_M, self.CELL_M)
        options = {"tiled": True, "blockxsize": self.TILE, "blockysize": self.TILE, "SPARSE_OK": True}
        profile = {"crs": METRES, "transform": place, "dtype": "uint8", "nodata": NODATA, **options}
        with rasterio.open(path, "w", "GTiff", self.SIZE, self.SIZE, 1, **profile) as file:
            first = half - 300  # 3 km north of the towns' south-west corner, and 3 km west of it
            file.write(np.full((600, 600), 40, "uint8"), 1, window=((first, first + 600), (first, first + 600)))
            file.write(np.full((100, 200), 10, "uint8"), 1, window=((half - 100, half), (half, half + 200)))
        assert path.stat().st_size < 10 * self.TILE**2
        return path

    @pytest.fixture
    def windows(self, monkeypatch: pytest.MonkeyPatch) -> Sequence[int]:
        """How many cells are decoded at once, time by time."""
        sizes: list[int] = []
        decoded = Raster._decoded

        def noted(self: Raster, band: int, window: Any, *, mask: bool) -> Any:
            (top, bottom), (left, right) = window
            sizes.append((bottom - top) * (right - left))
            return decoded(self, band, window, mask=mask)

        monkeypatch.setattr(Raster, "_decoded", noted)
        return sizes

    def test_a_layer(self, path: Path, windows: Sequence[int]) -> None:
        # forest is 1000 m high, from the southern towns' south border on
        assert shares(path.parent)["forest_cover"].loc[list("abcd")].tolist() == pytest.approx(
            [100, 100, 0, 0], abs=1e-4
        )
        # the towns are 2 km wide, with 0.03 degrees (3.4 km) around: 9 km x 9 km or 900 x 900 cells, in squares of 256
        assert max(windows) <= (256 + 2) * (1024 + 2)
        assert sum(windows) < 2 * (900 + 2 * 256 + 20) ** 2  # cells, and their mask

    def test_areas_of_classes(self, path: Path, windows: Sequence[int]) -> None:
        found = class_areas_within(four_towns(), path)
        assert found.notna().all(axis=None)
        assert (found[10] / found.sum(axis=1)).tolist() == pytest.approx([1, 1, 0, 0], abs=1e-6)
        assert sum(windows) < 2 * 4 * 110**2


def test_a_square_is_what_it_says() -> None:
    """The oracle's cells: 100 km from the central meridian 50 m are 50 m to 1.3e-4; four of them are one of 100 m."""
    place = from_origin(EAST, NORTH + 2000, 50, 50)
    assert cell_m2(place, (2, 2), METRES) == pytest.approx(np.full(4, 2500), rel=3e-4)
    drawn = gpd.GeoSeries([square(0, 1900, 100)], crs=METRES).to_crs(4490).segmentize(1e-4)[0]
    assert cell_m2(place, (2, 2), METRES).sum() == pytest.approx(abs(GEOD.geometry_area_perimeter(drawn)[0]), rel=1e-6)
