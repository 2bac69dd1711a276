"""Confidence intervals of shares by a land-cover map, from a confusion matrix in the workspace to the table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from rasterio.transform import from_origin

import qpgis as qp
from qpgis.assessment import Assessment
from qpgis.errors import ConfigError, SourceError
from tests.conftest import EAST, HEAD, NORTH, four_towns, square
from tests.test_raster_shares import TOML, tif

ACCURACY = '[layers.landuse.accuracy]\nfile = "confusion.csv"\n'
Z = 1.959964
"""Of a normal distribution: 95 % lie within so many standard errors."""


def map_of(folder: Path, *cells: tuple[int, int], width: int) -> None:
    """A raster over the four towns with so many cells of each class, row by row."""
    values = np.concatenate([np.full(count, code) for code, count in cells]).reshape(-1, width)
    high = 2000 / len(values)
    tif(folder / "cover.tif", values, from_origin(EAST, NORTH + 2000, 2000 / width, high))


Run = Callable[..., Assessment]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def run(confusion: str, toml: str = TOML + ACCURACY, head: str = HEAD) -> Assessment:
        four_towns().to_file(tmp_path / "towns.gpkg", layer="towns")
        (tmp_path / "qpgis.toml").write_text(head + toml, encoding="utf-8")
        (tmp_path / "confusion.csv").write_text(confusion, encoding="utf-8")
        return qp.assess(qp.open_workspace(tmp_path), lang="en")

    return run


def row(result: Assessment, indicator: str, zone: str = "all") -> pd.Series:
    return result[indicator].set_index("zone_id").loc[zone]


def spans(result: Assessment, indicator: str, zone: str = "all") -> list[float]:
    return row(result, indicator, zone)[["value_low", "value", "value_high"]].tolist()


# Olofsson et al. 2014, table 8: loss, gain, stable forest and the rest as classes 20, 30, 10 and 40 of the land cover;
# mapped 2, 1.5, 32 and 64.5 % of 900,000 ha
OLOFSSON = """class,20,30,10,40
20,66,0,5,4
30,0,55,8,12
10,1,0,153,11
40,2,1,9,313
"""
SHARES = ((20, 800), (30, 600), (10, 12_800), (40, 25_800))
HA = 900_000


class TestOlofsson:
    @pytest.mark.parametrize(
        ("code", "mapped", "hectares", "half"),
        [
            ("20", 2.0, 21_158, 6_158),
            ("30", 1.5, 11_686, 3_756),
            ("10", 32, 285_770, 15_510),
            ("40", 64.5, 581_386, 16_282),
        ],
    )
    def test_published_areas(
        self, run: Run, tmp_path: Path, code: str, mapped: float, hectares: int, half: int
    ) -> None:
        map_of(tmp_path, *SHARES, width=200)
        chosen = TOML.replace(
            '[layers.forest]\nfrom = "landuse"', f'[layers.forest]\nfrom = "landuse"\nclasses = ["{code}"]'
        )
        result = run(OLOFSSON, chosen + ACCURACY)
        low, value, high = spans(result, "forest_cover")
        assert value == pytest.approx(mapped, abs=1e-3)
        assert (low, high) == pytest.approx((100 * (hectares - half) / HA, 100 * (hectares + half) / HA), abs=1e-3)
        assert f"it is {100 * hectares / HA:.4g} %, 95% confidence interval" in row(result, "forest_cover")["note"]

    def test_overall_accuracy_is_told(self, run: Run, tmp_path: Path) -> None:
        map_of(tmp_path, *SHARES, width=200)
        (told,) = (one for one in run(OLOFSSON).findings if one.rule == "map_accuracy")
        assert (told.feature_id, told.severity) == ("all", "info")
        # 0.02 * 66/75 + 0.015 * 55/75 + 0.32 * 153/165 + 0.645 * 313/325 = 0.9465; published: 0.95 +- 0.02
        assert told.value == "94.7% (92.8%–96.5%)"

    def test_totals(self, run: Run, tmp_path: Path) -> None:
        map_of(tmp_path, *SHARES, width=200)
        low, value, high = spans(run(OLOFSSON), "farmland_area")
        km2 = value / 0.645
        assert (low / km2, high / km2) == pytest.approx(((581_386 - 16_282) / HA, (581_386 + 16_282) / HA), abs=1e-5)

    def test_only_the_ground_that_was_sampled(self, run: Run, tmp_path: Path) -> None:
        map_of(tmp_path, *SHARES, width=200)
        table = run(OLOFSSON)["forest_cover"].set_index("zone_id")
        assert table["value"].notna().all()
        assert table.index[table["value_low"].notna()].tolist() == ["all"]
        assert table.index[table["note"].str.contains("confidence interval")].tolist() == ["all"]

    def test_a_zone_that_is_named(self, run: Run, tmp_path: Path) -> None:
        """In the north, c and d, everything that isn't cropland is mapped; in town c that was sampled."""
        map_of(tmp_path, (10, 400), (40, 1200), width=40)
        matrix = "class,10,40\n10,8,2\n40,1,9\n"
        result = run(matrix, TOML + ACCURACY + 'zone = "丙"\n')
        table = result["forest_cover"].set_index("zone_id")
        assert table.index[table["value_low"].notna()].tolist() == ["c"]
        # half of c is forest: 0.5 * 0.8 + 0.5 * 0.1 = 0.45; variance 0.25 * 0.16 / 9 + 0.25 * 0.09 / 9
        half = Z * (0.25 * 0.25 / 9) ** 0.5
        assert spans(result, "forest_cover", "c") == pytest.approx([45 - 100 * half, 50, 45 + 100 * half], abs=1e-3)


# of 10 forest samples 8 are forest, of 10 water samples all are water, of 5 others 1 is forest;
# 600, 200 and 400 cells of 1200 are mapped: forest 600 * 0.8 + 400 * 0.2 = 560, land 1200 - 200 = 1000
HAND = "class,10,80,40\n10,8,0,2\n80,0,10,0\n40,1,0,4\n"


class TestByHand:
    def cells(self, folder: Path) -> None:
        map_of(folder, (10, 600), (80, 200), (40, 400), width=40)

    def test_shares_and_ratios(self, run: Run, tmp_path: Path) -> None:
        """Standard error of forest: sqrt(600^2 * 0.16 / 9 + 400^2 * 0.16 / 4) = sqrt(12800) cells."""
        self.cells(tmp_path)
        result = run(HAND)
        half = 100 * Z * 12_800**0.5
        cover, land = half / 1200, half / 1000
        assert spans(result, "forest_cover") == pytest.approx([560 / 12 - cover, 50, 560 / 12 + cover], abs=2e-3)
        assert spans(result, "forest_cover_of_land") == pytest.approx([56 - land, 60, 56 + land], abs=2e-3)
        assert spans(result, "water_surface_share") == pytest.approx([100 / 6] * 3, abs=2e-3)
        # nothing mapped as built, and no sample says that anything was
        assert spans(result, "development_intensity") == [0, 0, 0]

    def test_names_as_classes_another_confidence_and_the_zone_within_it(self, run: Run, tmp_path: Path) -> None:
        self.cells(tmp_path)
        result = run(
            "class,树木覆盖,永久水体,耕地\n树木覆盖,8,,2\n永久水体,,10,\n耕地,1,,4\n",
            TOML + ACCURACY + "confidence = 0.5\n",
        )
        half = 100 * 0.6744898 * 12_800**0.5 / 1200
        assert spans(result, "forest_cover") == pytest.approx([560 / 12 - half, 50, 560 / 12 + half], abs=2e-3)

    def test_a_class_that_only_the_ground_truth_has(self, run: Run, tmp_path: Path) -> None:
        """Nothing is mapped as built; 2 of the 10 samples of forest are: 600 * 0.2 = 120 of 1200 cells."""
        self.cells(tmp_path)
        result = run("class,10,80,40,50\n10,8,0,0,2\n80,0,10,0,0\n40,1,0,4,0\n")
        half = 100 * Z * (600**2 * 0.16 / 9) ** 0.5 / 1200
        assert spans(result, "development_intensity") == pytest.approx(
            [0, 0, 10 + half], abs=2e-3
        )  # 10 - 13 is less than none

    def test_a_map_without_errors_is_itself(self, run: Run, tmp_path: Path) -> None:
        self.cells(tmp_path)
        result = run("class,10,80,40\n10,5,0,0\n80,0,5,0\n40,0,0,5\n")
        for name in ("forest_cover", "forest_cover_of_land", "water_surface_share", "blue_green_share"):
            low, value, high = spans(result, name)
            assert (low, high) == pytest.approx((value, value), rel=1e-9)

    def test_parcels_are_a_map_too(self, run: Run, tmp_path: Path) -> None:
        self.cells(tmp_path)
        by_raster = run(HAND)
        # from the north: 600, 200 and 400 of 1200 cells are 1000 m, 333.3 m and 666.7 m of 2000 m
        strips = [square(0, y0, 2000, y1 - y0) for y0, y1 in ((1000, 2000), (2000 / 3, 1000), (0, 2000 / 3))]
        parcels = gpd.GeoDataFrame({"class": ["10", "80", "40"]}, geometry=strips, crs="EPSG:4549")
        parcels.to_file(tmp_path / "cover.gpkg", layer="cover")
        result = run(HAND, TOML.replace('cover.tif"', 'cover.gpkg"\nclass_field = "class"\nextent = "area"') + ACCURACY)
        for name in ("forest_cover", "forest_cover_of_land"):
            assert spans(result, name) == pytest.approx(spans(by_raster, name), abs=1e-3)


class TestNone:
    def test_where_another_file_comes_in(self, run: Run, tmp_path: Path) -> None:
        """How accurate the water of another file is the sample of the map doesn't say."""
        map_of(tmp_path, (10, 800), (40, 800), width=40)
        water = gpd.GeoDataFrame({"name": ["河"]}, geometry=[square(0, 0, 2000, 300)], crs="EPSG:4549")
        water.to_file(tmp_path / "water.gpkg", layer="water")
        own = '[layers.water]\nfile = "water.gpkg"\ngrade = "surveyed"\nextent = "area"\n'
        result = run(
            "class,10,40\n10,8,2\n40,1,9\n", TOML.replace('[layers.water]\nfrom = "landuse"\n', own) + ACCURACY
        )
        assert row(result, "forest_cover")["value_low"] > 0
        assert row(result, "forest_cover_of_land")["value"] > 0
        for name in ("forest_cover_of_land", "water_surface_share"):
            assert row(result, name)[["value_low", "value_high"]].isna().all(), name

    def test_where_the_map_has_gaps(self, run: Run, tmp_path: Path) -> None:
        map_of(tmp_path, (10, 800), (255, 20), (40, 780), width=40)
        result = run("class,10,40\n10,8,2\n40,1,9\n")
        assert row(result, "forest_cover")["value"] == pytest.approx(50, abs=1e-3)
        assert row(result, "forest_cover")[["value_low", "value_high"]].isna().all()

    def test_where_the_sample_lacks_a_class(self, run: Run, tmp_path: Path) -> None:
        map_of(tmp_path, (10, 800), (50, 200), (40, 600), width=40)
        result = run("class,10,40\n10,8,2\n40,1,9\n")
        assert result.table["value_low"].isna().all()
        assert [one.value for one in result.findings if one.rule == "sample_lacks_classes"] == ["50"]

    def test_where_no_zone_is_the_whole_area(self, run: Run, tmp_path: Path) -> None:
        map_of(tmp_path, (10, 800), (40, 800), width=40)
        head = HEAD.replace('members = "all"', 'members = ["a", "b", "c"]')
        result = run("class,10,40\n10,8,2\n40,1,9\n", head=head)
        assert result.table["value_low"].isna().all()
        assert [one.rule for one in result.findings if one.rule.startswith("sample")] == ["sample_without_zone"]


class TestRefused:
    @pytest.mark.parametrize(
        ("confusion", "message"),
        [
            ("class,10,forest\n10,8,2\n", r"line 1: 'forest' is no class of scheme 'worldcover'"),
            ("class,10,合计\n10,8,8\n", r"line 1: '合计' is no class.*totals and shares don't belong"),
            ("class,10,40\n10,8,2\n44,1,9\n", r"line 3: '44' is no class of scheme 'worldcover'"),
            ("class,10,40\n10,8,many\n40,1,9\n", r"line 2: 'many' under 40 is no number of samples"),
            ("class,10,10\n10,1,5\n40,3,97\n", r"confusion\.csv: column '10' stands more than once; keep one"),
            ("class,10,40\n10,1e300,5\n40,1,9\n", r"reference class '10': 1e\+300 is no number of samples"),
            ("class,10,40\n10,8,2.5\n40,1,9\n", r"confusion\.csv.*reference class '40': 2\.5 is no number of samples"),
            ("class,10,40\n10,8,2\n40,1,0\n", r"map class '40' has 1 samples"),
            ("class,10,40\n10,8,2\n10,1,9\n", r"map class '10' stands 2 times"),
            ("class\n10\n", r"no matrix: write class"),
            ("map,10,40\n10,8,2\n", r"no column 'class'"),
        ],
    )
    def test_matrices(self, run: Run, tmp_path: Path, confusion: str, message: str) -> None:
        map_of(tmp_path, (10, 800), (40, 800), width=40)
        with pytest.raises(ConfigError, match=message):
            run(confusion)

    @pytest.mark.parametrize(
        ("toml", "message"),
        [
            (TOML + ACCURACY + 'zone = "嘉定"\n', r"accuracy: zone = '嘉定' is no zone"),
            (TOML + ACCURACY + "confidence = 95\n", r"confidence"),
            (TOML + ACCURACY + "level = 0.9\n", r"unknown key 'level'"),
            (TOML + ACCURACY.replace("landuse", "forest"), r"forest: accuracy goes with landuse"),
        ],
    )
    def test_settings(self, run: Run, tmp_path: Path, toml: str, message: str) -> None:
        map_of(tmp_path, (10, 800), (40, 800), width=40)
        with pytest.raises(ConfigError, match=message):
            run("class,10,40\n10,8,2\n40,1,9\n", toml)

    def test_no_file(self, run: Run, tmp_path: Path) -> None:
        map_of(tmp_path, (10, 800), (40, 800), width=40)
        with pytest.raises(SourceError, match=r"\[layers\.landuse\.accuracy\] file 'none\.csv' doesn't exist"):
            run(HAND, TOML + ACCURACY.replace("confusion", "none"))


def test_the_matrix_is_among_the_inputs(run: Run, tmp_path: Path) -> None:
    map_of(tmp_path, *SHARES, width=200)
    result = run(OLOFSSON)
    assert ["confusion.csv", 4] in [[one.name, one.rows] for one in result.workspace.inputs]
    assert tmp_path / "confusion.csv" in result.workspace.files


def test_what_is_selected_by_size_is_no_whole_class(run: Run, tmp_path: Path) -> None:
    map_of(tmp_path, (10, 800), (40, 800), width=40)
    forest = run("class,10,40\n10,8,2\n40,1,9\n").workspace.layers["forest"]
    assert forest.codes == {"10": ""}
    assert forest.of_size(1).codes is None
