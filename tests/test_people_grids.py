"""People in the cells of a raster: each cell's people by its ground in a zone, reached at its middle."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely
from exactextract import exact_extract
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from rasterio.transform import Affine, from_origin
from shapely import affinity

import qpgis as qp
from qpgis.assessment import Assessment
from qpgis.crs import parse
from qpgis.errors import ConfigError, LayerError, SourceError
from qpgis.shapes import spots
from tests.conftest import EAST, HEAD, NORTH, four_towns, frame, layer, square
from tests.test_access import at, services

METRES = "EPSG:4549"
GRID = '[layers.residents]\nfile = "people.tif"\ngrade = "modelled"\n'
TOTAL, DENSITY = GRID + 'amount_is = "total"\n', GRID + 'amount_is = "per_km2"\n'
PLACE = from_origin(EAST, NORTH + 2000, 500, 500)
"""Four by four cells of 500 m over the four towns, four a town."""
SIXTEEN = np.arange(1, 17, dtype="float32").reshape(4, 4)
BY_TOWN = {"a": 9 + 10 + 13 + 14, "b": 11 + 12 + 15 + 16, "c": 1 + 2 + 5 + 6, "d": 3 + 4 + 7 + 8}


def tif(path: Path, cells: np.ndarray, place: Affine = PLACE, crs: str = METRES, **options: Any) -> Path:
    height, width = cells.shape
    profile = {"crs": crs, "transform": place, "dtype": cells.dtype, **options}
    with rasterio.open(path, "w", "GTiff", width, height, 1, **profile) as file:
        file.write(cells, 1)
    return path


Run = Callable[..., Assessment]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def run(toml: str = TOTAL, towns: gpd.GeoDataFrame | None = None, **layers: gpd.GeoDataFrame) -> Assessment:
        shapes = {"towns": four_towns() if towns is None else towns, "park": frame([square(0, 0, 10)]), **layers}
        for name, one in shapes.items():
            (tmp_path / f"{name}.gpkg").unlink(missing_ok=True)
            one.to_file(tmp_path / f"{name}.gpkg", layer=name)
        (tmp_path / "qpgis.toml").write_text(HEAD + layer("park") + toml, encoding="utf-8")
        return qp.assess(qp.open_workspace(tmp_path), lang="en")

    return run


def rows(result: Assessment) -> pd.DataFrame:
    return result["park_area_per_person"].set_index("zone_id")


def people(result: Assessment) -> dict[str, float]:
    """The denominators of park area a head, town by town."""
    return rows(result)["denominator"].loc[list("abcd")].to_dict()


class TestByHand:
    def test_whole_cells(self, run: Run, tmp_path: Path) -> None:
        tif(tmp_path / "people.tif", SIXTEEN)
        result = run()
        assert people(result) == pytest.approx(BY_TOWN, abs=1e-4)
        assert rows(result)["denominator"].loc[["south", "all"]].tolist() == pytest.approx([46 + 54, 136], abs=1e-4)

    def test_a_cut_cell_gives_by_its_ground(self, run: Run, tmp_path: Path) -> None:
        """Cells of 800 m from 200 m west and south of the towns: a has 0.6 km + 0.4 km of its width and height."""
        cells = np.array([[1, 2, 3], [4, 5, 6], [7, 8, 9]], dtype="int32")
        tif(tmp_path / "people.tif", cells, from_origin(EAST - 200, NORTH + 2200, 800, 800))
        # town a: of the columns 600/800, 400/800, 0; of the rows from the south 600/800, 400/800, 0
        share = np.array([0.75, 0.5, 0])
        expected = share[::-1] @ cells @ share
        assert people(run())["a"] == pytest.approx(expected, rel=1e-6)

    def test_densities_count_by_the_ground_of_the_cell(self, run: Run, tmp_path: Path) -> None:
        """400 a square kilometre are 100 in a cell of 500 m, but for the scale of the plane 100 km from its middle."""
        tif(tmp_path / "people.tif", np.full((4, 4), 400, "float32"))
        result = run(DENSITY)
        west, south, east, north = square(0, 0).bounds
        corners = gpd.GeoSeries([shapely.box(west, south, east, north)], crs=METRES)
        area = result.workspace.area
        ground = shapely.area(area.plane.project(corners.to_numpy(), parse(METRES, what="test"), what="test"))[0]
        assert people(result)["a"] == pytest.approx(400 * ground / 1e6, rel=1e-9)
        assert people(result)["a"] == pytest.approx(400, rel=3e-4)

    def test_scale_and_offset_are_applied(self, run: Run, tmp_path: Path) -> None:
        with rasterio.open(tif(tmp_path / "people.tif", SIXTEEN.astype("int16")), "r+") as file:
            file.scales, file.offsets = (10,), (2,)
        result = run()
        assert people(result)["c"] == pytest.approx(10 * BY_TOWN["c"] + 4 * 2, abs=1e-4)
        assert not [one for one in result.findings if one.rule == "raster_scaled"]

    def test_nobody_is_not_unknown(self, run: Run, tmp_path: Path) -> None:
        """In town a nobody lives; of b half wasn't surveyed, of c nothing."""
        cells = SIXTEEN.copy()
        cells[2:, :2], cells[2:, 3], cells[:2, :2] = 0, -1, -1
        tif(tmp_path / "people.tif", cells, nodata=-1)
        result = run()
        table = rows(result)
        assert table.loc["a", "note"] == "the denominator is 0"
        assert table.loc["b", "denominator"] == pytest.approx(11 + 15, abs=1e-4)
        assert "50.00%" in table.loc["b", "note"]
        assert np.isnan(table.loc["c", "value"])
        assert "outside the layers' extent" in table.loc["c", "note"]
        assert table.loc["d", "denominator"] == pytest.approx(BY_TOWN["d"], abs=1e-4)
        told = [(one.rule, one.feature_id) for one in result.findings if one.rule == "partly_surveyed"]
        assert told == [("partly_surveyed", "b"), ("partly_surveyed", "c")]

    def test_a_raster_that_ends_in_a_town(self, run: Run, tmp_path: Path) -> None:
        tif(tmp_path / "people.tif", SIXTEEN[:3])
        table = rows(run())
        assert table.loc["a", "denominator"] == pytest.approx(9 + 10, abs=1e-4)
        assert "50.00%" in table.loc["a", "note"]


def test_a_cell_is_reached_at_its_middle(run: Run, tmp_path: Path) -> None:
    """A street runs through the middles of a row of cells of 100 m; of ten, those are reached whose middle is near."""
    cells = np.zeros((20, 20), dtype="float32")
    cells[-6, :10] = np.arange(1, 11)  # y from 500 to 600 m; middles at x = 50, 150, ... 950
    tif(tmp_path / "people.tif", cells, from_origin(EAST, NORTH + 2000, 100, 100))
    toml = TOTAL + layer("roads") + layer("facilities", 'class_field = "class"')
    toml += '[definitions]\nliving_circle_15min = ["people_medical[minutes=5]"]\n'
    roads = frame([shapely.LineString([at(0, 550), at(2000, 550)])])
    result = run(toml, roads=roads, facilities=services((0, 550, "医院")))
    found = result["living_circle_15min"].set_index("zone_id").loc["a"]
    # 5 minutes at 1.2 m/s are 360 m: middles at 50, 150, 250 and 350 m
    assert (found["numerator"], found["denominator"]) == (1 + 2 + 3 + 4, 55)


def test_middles(run: Run, tmp_path: Path) -> None:
    """Of cells that run aslant too, a point inside is the middle."""
    place = Affine(90, 20, EAST + 500, 30, -80, NORTH + 1500)
    tif(tmp_path / "people.tif", SIXTEEN, place)
    cells = run().workspace.layers["residents"].geometry
    assert shapely.distance(spots(cells), shapely.centroid(cells)).max() < 1e-3


def test_a_straight_line_reaches_the_ground_near_it(run: Run, tmp_path: Path) -> None:
    """A cell of 1000 m with 100 people round a stop in its middle: 300 m are a circle of 0.2827 km2."""
    tif(tmp_path / "people.tif", np.full((2, 2), 100, "int32"), from_origin(EAST, NORTH + 2000, 1000, 1000))
    toml = TOTAL + layer("facilities", 'class_field = "class"') + '[definitions]\nbus_stop_coverage = ["people_300m"]\n'
    found = run(toml, facilities=services((500, 500, "公交站")))["bus_stop_coverage"].set_index("zone_id")
    assert found.loc["a", "value"] == pytest.approx(100 * np.pi * 0.3**2, rel=1e-3)


few = settings(max_examples=5, deadline=None, derandomize=True, phases=[Phase.explicit, Phase.generate])
grids = st.sampled_from(
    [
        (METRES, from_origin(EAST + 100, NORTH + 1900, 37, 41)),
        ("EPSG:4326", from_origin(121.05, 31.186, 0.0004, 0.0003)),
        (METRES, Affine(30, 7, EAST + 150, 9, -28, NORTH + 1700)),
    ]
)


@few
@given(st.integers(0, 10**6), grids, st.floats(0, 90))
def test_all_of_the_raster_is_in_zones_that_cover_it_and_each_has_what_exactextract_says(
    tmp_path_factory: pytest.TempPathFactory, seed: int, grid: tuple[str, Affine], turn: float
) -> None:
    folder, random = tmp_path_factory.mktemp("grid"), np.random.default_rng(seed)
    cells = np.where(random.random((40, 40)) < 0.7, random.gamma(0.5, 8, (40, 40)), 0).astype("float32")
    path = tif(folder / "people.tif", cells, grid[1], grid[0])
    around = (EAST + 1000, NORTH + 1000)
    shapes = [
        affinity.scale(affinity.rotate(one, turn, origin=around), 2, 2, origin=around) for one in four_towns().geometry
    ]
    four_towns().set_geometry(shapes, crs=METRES).to_file(folder / "towns.gpkg", layer="towns")
    frame([square(0, 0, 10)]).to_file(folder / "park.gpkg", layer="park")
    (folder / "qpgis.toml").write_text(HEAD + layer("park") + TOTAL, encoding="utf-8")
    result = qp.assess(qp.open_workspace(folder))
    found = people(result)
    # each contribution is rounded to a millionth, edges are met to 5 micrometres of some 40 m
    assert sum(found.values()) == pytest.approx(cells.sum(dtype=float), rel=1e-6)
    if grid[1].is_rectilinear:  # it takes no others
        zones = gpd.GeoDataFrame(geometry=shapes, crs=METRES).to_crs(grid[0])
        expected = exact_extract(str(path), zones, "sum", output="pandas")["sum"]
        assert list(found.values()) == pytest.approx(expected, rel=1e-4, abs=0.01)  # by the ground, not by degrees


class TestRefused:
    def test_undeclared(self, run: Run, tmp_path: Path) -> None:
        tif(tmp_path / "people.tif", SIXTEEN)
        with pytest.raises(ConfigError, match=r'amount_is = "total" \(people in the cell\) or "per_km2".*a file doesn'):
            run(GRID)
        with pytest.raises(ConfigError, match="there are no fields; remove amount_field"):
            run(TOTAL + 'amount_field = "people"\n')
        with pytest.raises(ConfigError, match="amount_is = 'density'"):
            run(GRID + 'amount_is = "density"\n')
        with pytest.raises(ConfigError, match="forest: amount_is goes with amount_field, or with a raster of people"):
            run(TOTAL.replace("residents", "forest"))

    def test_negative(self, run: Run, tmp_path: Path) -> None:
        tif(tmp_path / "people.tif", np.where(SIXTEEN == 6, -99999, SIXTEEN))
        with pytest.raises(
            SourceError, match=r"negative amounts \(row 2, column 2: -99999.0\).*gdal_edit\.py -a_nodata"
        ):
            run()

    def test_no_data_at_all(self, run: Run, tmp_path: Path) -> None:
        tif(tmp_path / "people.tif", np.full((4, 4), -1, "float32"), nodata=-1)
        with pytest.raises(SourceError, match="no cell has data here"):
            run()

    def test_points_have_no_density(self, run: Run) -> None:
        toml = layer("residents", 'amount_field = "people"', 'amount_is = "per_km2"')
        with pytest.raises(LayerError, match="points have no ground"):
            run(toml, residents=frame([at(10, 10)], people=[5]))


def test_polygons_may_have_densities_too(run: Run) -> None:
    toml = layer("residents", 'amount_field = "density"', 'amount_is = "per_km2"')
    found = people(run(toml, residents=frame([square(0, 0, 500), square(0, 500, 1000, 500)], density=[400, 1000])))
    assert found["a"] == pytest.approx(400 * 0.25 + 1000 * 0.5, rel=3e-4)
