"""Land use by drawn and stated areas, side by side with the control areas, as planners get it."""

from __future__ import annotations

import csv
from pathlib import Path

import geopandas as gpd
import openpyxl
import pytest

from qpgis.cli import main
from tests.conftest import Maker, frame, layer, square

EXTRA = (
    'scheme = "sandiao"',
    'class_field = "DLBM"',
    'area_field = "TBMJ"',
    'net_area_field = "TBDLMJ"',
    'deduction_field = "KCXS"',
)
CONTROL = "zone_id,area,unit,source\na,1000500,m2,县级控制面积表\n"


def land(folder: Path, out: Path) -> dict[tuple[str, str], dict[str, str]]:
    assert main(["run", str(folder), "--out", str(out)]) in (0, 1)
    with (out / "land_areas.csv").open(encoding="utf-8-sig") as stream:
        return {(row["zone_id"], row["class"]): row for row in csv.DictReader(stream)}


@pytest.fixture
def surveyed(workspace: Maker) -> Path:
    """Farmland over the south (a and b), half in each, with a tenth of ridges; water over the north."""
    parcels = frame(
        [square(0, 0, 2000, 1000), square(0, 1000, 2000, 1000)],
        BSM=["1", "2"],
        DLBM=["0101", "1101"],
        TBMJ=[2_001_000.0, 2_000_000.0],
        TBDLMJ=[1_800_900.0, 2_000_000.0],
        KCXS=[0.1, 0.0],
    )
    toml = layer("landuse", *EXTRA) + '[tables]\ncontrol_areas = "control.csv"\n'
    folder = workspace(toml, landuse=parcels)
    (folder / "control.csv").write_text(CONTROL, encoding="utf-8")
    return folder


def test_a_parcel_that_a_zone_cuts_is_prorated(surveyed: Path, tmp_path: Path) -> None:
    found = land(surveyed, tmp_path / "out")
    farmland = found["a", "0101"]
    assert farmland["class_name"] == "水田"
    # half of the parcel's drawn area lies in a, up to how a Gauss-Krueger plane stretches from west to east
    assert float(farmland["field_m2"]) == pytest.approx(1_000_500, rel=1e-5)
    assert float(farmland["net_m2"]) == pytest.approx(900_450, rel=1e-5)
    assert float(farmland["dike_m2"]) == pytest.approx(100_050, rel=1e-5)
    assert float(found["a", "0101"]["field_m2"]) + float(found["b", "0101"]["field_m2"]) == pytest.approx(2_001_000)
    assert found["a", "1101"]["dike_m2"] == "0" if ("a", "1101") in found else True


def test_both_bases_and_the_residual_stand_side_by_side(surveyed: Path, tmp_path: Path) -> None:
    whole = land(surveyed, tmp_path / "out")["a", ""]
    assert whole["control_m2"] == "1000500"
    assert float(whole["residual_m2"]) == pytest.approx(float(whole["geometry_m2"]) - 1_000_500, abs=1e-3)
    text = (surveyed / "qpgis.toml").read_text("utf-8").replace("[tables]", 'area_basis = "field"\n[tables]')
    (surveyed / "qpgis.toml").write_text(text, encoding="utf-8")
    by_field = land(surveyed, tmp_path / "field")["a", ""]
    assert by_field["area_m2"] == by_field["field_m2"]
    assert abs(float(by_field["residual_m2"])) < 15
    assert by_field["geometry_m2"] == whole["geometry_m2"]


def test_the_workbook_has_the_same(surveyed: Path, tmp_path: Path) -> None:
    found = land(surveyed, tmp_path / "out")
    sheet = openpyxl.load_workbook(tmp_path / "out" / "indicators.xlsx")["地类面积"]
    rows = {(row[0], row[2] or ""): row for row in sheet.iter_rows(min_row=4, values_only=True)}
    assert rows["a", "0101"][5] == pytest.approx(float(found["a", "0101"]["field_m2"]))
    assert set(rows) == set(found)


def test_no_fields_no_table(workspace: Maker, tmp_path: Path) -> None:
    assert main(["run", str(workspace()), "--out", str(tmp_path / "out")]) == 0
    assert not (tmp_path / "out" / "land_areas.csv").exists()


def test_areas_stated_in_mu_are_square_metres_in_the_table(surveyed: Path, tmp_path: Path) -> None:
    before = land(surveyed, tmp_path / "m2")
    parcels = gpd.read_file(surveyed / "landuse.gpkg")
    parcels[["TBMJ", "TBDLMJ"]] *= 3 / 2000  # a 亩 has 2000/3 m2
    (surveyed / "landuse.gpkg").unlink()
    parcels.to_file(surveyed / "landuse.gpkg", driver="GPKG")
    after = land(surveyed, tmp_path / "mu")
    for key, row in before.items():
        for column in ("field_m2", "net_m2", "dike_m2"):
            assert float(after[key][column]) == pytest.approx(float(row[column]), rel=1e-9, abs=1e-3)


def test_groups_are_the_sums_of_their_zones_and_have_control_areas_too(surveyed: Path, tmp_path: Path) -> None:
    with (surveyed / "control.csv").open("a", encoding="utf-8") as stream:
        stream.write("south,2000000,m2,县级控制面积表\n")
    found = land(surveyed, tmp_path / "out")
    assert found["south", ""]["zone_name"] == "南片"
    assert float(found["south", "0101"]["field_m2"]) == 2_001_000  # the whole parcel
    assert float(found["south", "0101"]["dike_m2"]) == pytest.approx(200_100)
    assert float(found["all", ""]["field_m2"]) == 4_001_000
    assert float(found["all", "1101"]["field_m2"]) == 2_000_000
    drawn = float(found["south", ""]["geometry_m2"])
    assert float(found["south", ""]["residual_m2"]) == pytest.approx(drawn - 2_000_000, abs=1e-5)
    with (tmp_path / "out" / "findings.csv").open(encoding="utf-8-sig") as stream:
        rules = {(row["rule"], row["feature_id"]) for row in csv.DictReader(stream)}
    assert ("control_area_residual", "south") in rules


def test_zones_of_their_own_have_their_land_use_too(surveyed: Path, tmp_path: Path) -> None:
    own = frame([square(500, 500, 1000, 1000)], zone_id=["parlour"], name=["客厅"])
    own.to_file(surveyed / "own.gpkg")
    with (surveyed / "qpgis.toml").open("a", encoding="utf-8") as stream:
        stream.write('[[own_zones]]\nfile = "own.gpkg"\nlevel = "parlour"\ngrade = "surveyed"\n')
    found = land(surveyed, tmp_path / "out")
    assert found["parlour", ""]["zone_name"] == "客厅"
    # half of it is farmland: a quarter of that parcel, up to how a Gauss-Krueger plane stretches
    assert float(found["parlour", "0101"]["field_m2"]) == pytest.approx(2_001_000 / 4, rel=1e-5)
