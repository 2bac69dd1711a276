"""``qpgis synth``: what it makes for files and workspaces, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import geopandas as gpd
import pytest
import shapely
from pyproj import Geod
from shapely import LineString

from qpgis.cli import main
from qpgis.synth.command import for_workspace, for_zones
from tests.conftest import EAST, HEAD, NORTH, Maker, four_towns, frame, square

FEW = {"parcels": 150, "seed": 3}


@pytest.fixture
def zones(tmp_path: Path) -> Path:
    """The four towns in degrees, with ids as a float column too."""
    towns = four_towns().to_crs(4326)
    towns["code"] = [1.0, 2.0, 3.0, 4.0]
    towns.to_file(tmp_path / "zones.geojson")
    return tmp_path / "zones.geojson"


def said(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().err


def test_a_file_of_zones_is_enough(zones: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert main(["synth", "--zones", str(zones), "--parcels", "150", "--out", str(out), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [Path(p).name for p in told["written"]] == [
        "facilities.geojson",
        "landuse.geojson",
        "residents.geojson",
        "roads.geojson",
    ]
    assert told["tangled"] == 0
    parcels = gpd.read_file(out / "landuse.geojson")
    assert set(parcels["zone_id"]) == {"a", "b", "c", "d"}
    assert json.loads((out / "landuse.geojson").read_text("utf-8"))["grade"] == "synthetic"
    assert shapely.coverage_is_valid(parcels.geometry.to_numpy())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--seed", "-1"], "seed: a whole number from 0 is wanted, not -1"),
        (["--parcels", "0"], "parcels: a whole number from 1 is wanted, not 0"),
        (["--parcels", "1000000000"], "parcels: at most 5,000,000 at once"),
        (["--zones-id", "cod"], "no field 'cod', did you mean 'code'"),
        (["--calibration", "gneric"], "did you mean 'generic'"),
        (["--water", "nowhere.geojson"], "nowhere.geojson"),
    ],
)
def test_what_cannot_be_used_is_refused(
    zones: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    assert main(["synth", "--zones", str(zones), *options, "--out", str(tmp_path / "out")]) == 2
    assert message in said(capsys)
    assert not (tmp_path / "out").exists()


def test_ids_are_those_that_a_run_uses(zones: Path) -> None:
    assert set(for_zones(zones, "code", FEW).landuse["zone_id"]) == {"1", "2", "3", "4"}


def test_a_zone_without_id_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    towns = four_towns()
    towns["zone_id"] = ["a", None, "c", "d"]
    towns.to_file(tmp_path / "z.gpkg")
    assert main(["synth", "--zones", str(tmp_path / "z.gpkg"), "--out", str(tmp_path / "out")]) == 2
    assert "zone 2 of 4 has no 'zone_id'" in said(capsys)


def test_inputs_are_never_written_over(zones: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    roads = tmp_path / "roads.geojson"
    frame([LineString([(EAST, NORTH + 50), (EAST + 900, NORTH + 50)])], **{"class": ["primary"]}).to_crs(4326).to_file(
        roads
    )
    before = roads.read_bytes()
    assert main(["synth", "--zones", str(zones), "--roads", str(roads), "--out", str(tmp_path)]) == 2
    assert "roads.geojson would be written over" in said(capsys)
    assert roads.read_bytes() == before


def test_a_given_road_that_meets_nothing_is_kept(zones: Path, tmp_path: Path) -> None:
    roads = tmp_path / "given.geojson"
    line = LineString([(EAST + 500, NORTH + 500), (EAST + 510, NORTH + 500)])
    frame([line], **{"class": ["primary"]}).to_crs(4326).to_file(roads)
    made = for_zones(zones, "zone_id", {**FEW, "roads": str(roads)})
    assert "primary" in set(made.roads["class"])


@pytest.mark.parametrize("status", ["typo", "", None])
def test_a_given_feature_of_unknown_status_is_named(
    zones: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], status: str | None
) -> None:
    lake = frame([square(200, 200, 300)], **{"class": ["lake"], "plan_status": [status]}).to_crs(4326)
    lake.to_file(tmp_path / "lake.gpkg")
    command = ["synth", "--zones", str(zones), "--water", str(tmp_path / "lake.gpkg"), "--out", str(tmp_path / "out")]
    assert main(command) == 2
    assert f"water: plan_status {status or ''!r} is not known" in said(capsys)


def test_zones_in_metres_are_covered_to_their_edges(workspace: Maker) -> None:
    """Edges are straight in the file's system; 40 km of them bend by metres in degrees."""
    big = frame([square(0, 0, 40_000)], zone_id=["z"], name=["大"])
    made = for_workspace(workspace(head=HEAD.split("[[groups]]")[0], towns=big), FEW)
    land = shapely.union_all(made.landuse.geometry.to_numpy())
    true = big.geometry.segmentize(100).to_crs(4326).iloc[0]
    off = shapely.symmetric_difference(land, true)
    assert abs(Geod(ellps="GRS80").geometry_area_perimeter(off)[0]) < 2_000  # of 1.6e9 m2


def test_the_zones_are_those_of_the_main_period(workspace: Maker, tmp_path: Path) -> None:
    toml = '[periods.2024.zones]\nfile = "one.gpkg"\ngrade = "open"\n'
    head = HEAD.split("[[groups]]")[0]
    folder = workspace(toml, head=head, one=frame([square(0, 0)], zone_id=["only"], name=["一"]))
    assert set(for_workspace(folder, FEW).landuse["zone_id"]) == {"only"}


def test_the_settings_of_the_workspace_hold_unless_replaced(workspace: Maker) -> None:
    folder = workspace("[synth]\nseed = 9\nparcels = 120\n")
    assert for_workspace(folder, {}).seed == 9
    assert for_workspace(folder, {"seed": 4}).seed == 4


def test_a_run_on_what_synth_made_for_a_single_parcel(zones: Path, tmp_path: Path) -> None:
    """Files without features are layers without features, in every format."""
    out = tmp_path / "w"
    assert main(["synth", "--zones", str(zones), "--parcels", "1", "--out", str(out)]) == 0
    toml = f"""
name = "x"
period = "2024"
[zones]
file = "{zones.as_posix()}"
grade = "open"
[layers.roads]
file = "roads.geojson"
grade = "synthetic"
id_field = "id"
class_field = "class"
extent = "area"
"""
    (out / "qpgis.toml").write_text(toml, "utf-8")
    assert main(["run", str(out), "--out", str(tmp_path / "result")]) == 0
