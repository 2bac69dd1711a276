"""The drawn waters on the real outlines of Qingpu's 11 towns, against a computation with other calls than qpgis's."""

from __future__ import annotations

import csv
import json
from decimal import Decimal
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import shapely
from pyproj import Geod, Transformer

from qpgis.cli import main

TOWNS = Path(__file__).resolve().parents[2] / "shared" / "data" / "qingpu_11_towns_osm_wgs84.geojson"
GEOD = Geod(ellps="GRS80")
ALBERS = Transformer.from_crs(
    4326, "+proj=aea +lat_1=31.0 +lat_2=31.2 +lat_0=31.1 +lon_0=121.1 +ellps=GRS80", always_xy=True
)
GROUPS = {
    "青东": {"徐泾", "华新", "重固", "白鹤", "赵巷"},
    "新城": {"夏阳", "盈浦", "香花桥"},
    "青西三镇": {"朱家角", "金泽", "练塘"},
}
GROUPS["青浦区"] = set.union(*GROUPS.values())
CLASSES = {
    "rivers_lakes_reservoirs": {"river", "lake", "reservoir"},
    "with_ponds": {"river", "lake", "reservoir", "pond"},
    "all_water": {"river", "lake", "reservoir", "pond", "canal", "tidal_flat", "other"},
}


WORKSPACE = f"""
name = "青浦区"
secrecy = "public"
period = "2024"
[zones]
file = "{TOWNS.as_posix()}"
id_field = "code"
grade = "open"
[layers.water]
file = "{files("qpgis.data").joinpath("layers", "water.geojson")}"
grade = "schematic"
class_field = "class"
status_field = "plan_status"
extent = "area"
"""


def _group(name: str, members: set[str], codes: dict[str, str]) -> str:
    listed = ", ".join(f'"{codes[member]}"' for member in sorted(members))
    return f'[[groups]]\nid = "{name}"\nname = "{name}"\nmembers = [{listed}]\n'


def square_metres(geometry: shapely.Geometry) -> float:
    """Area in an equal-area cone, edges straight in degrees and cut to 2 m."""
    fine = shapely.segmentize(geometry, 2e-5)
    return shapely.transform(fine, lambda xy: np.column_stack(ALBERS.transform(xy[:, 0], xy[:, 1]))).area


def features(text: str) -> list[tuple[dict, shapely.Geometry]]:
    return [(f["properties"], shapely.from_geojson(json.dumps(f["geometry"]))) for f in json.loads(text)["features"]]


@pytest.fixture(scope="module")
def towns() -> dict[str, shapely.Geometry]:
    if not TOWNS.exists():
        pytest.skip("shared data aren't beside the project: qingpu_11_towns_osm_wgs84.geojson")
    return {properties["name"]: polygon for properties, polygon in features(TOWNS.read_text("utf-8"))}


@pytest.fixture(scope="module")
def water() -> dict[str, shapely.Geometry]:
    """The union of the existing water of each definition's classes."""
    read = features(files("qpgis.data").joinpath("layers", "water.geojson").read_text("utf-8"))
    existing = [(p["class"], polygon) for p, polygon in read if p["plan_status"] == "现状"]
    return {
        name: shapely.union_all([polygon for class_, polygon in existing if class_ in classes])
        for name, classes in CLASSES.items()
    }


@pytest.fixture(scope="module")
def rows(towns: dict[str, shapely.Geometry], tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    out = tmp_path_factory.mktemp("qingpu")
    codes = {p["name"]: p["code"] for p, _ in features(TOWNS.read_text("utf-8"))}
    (out / "qpgis.toml").write_text(WORKSPACE + "".join(_group(name, GROUPS[name], codes) for name in GROUPS), "utf-8")
    assert main(["run", str(out), "--definitions", "all", "--out", str(out)]) == 0
    with (out / "indicators.csv").open(encoding="utf-8-sig", newline="") as stream:
        found = list(csv.DictReader(stream))
    return [row for row in found if row["indicator"] == "water_surface_share"]


def test_every_town_group_and_definition_is_there_once(rows: list[dict[str, str]], towns: dict) -> None:
    keys = sorted((row["definition"], row["zone_name"]) for row in rows)
    assert keys == sorted((name, zone) for name in CLASSES for zone in (*towns, *GROUPS))
    assert len(towns) == 11


def test_zone_areas_are_geodesic(rows: list[dict[str, str]], towns: dict[str, shapely.Geometry]) -> None:
    for row in rows:
        members = GROUPS.get(row["zone_name"], {row["zone_name"]})
        fine = [shapely.segmentize(towns[name], 2e-5) for name in members]
        geodesic = sum(abs(GEOD.geometry_area_perimeter(polygon)[0]) for polygon in fine)
        assert float(row["denominator"]) * 1e6 == pytest.approx(geodesic, rel=1e-6), row["zone_name"]


def test_water_equals_the_oracle(rows: list[dict[str, str]], towns: dict, water: dict) -> None:
    for row in rows:
        members = GROUPS.get(row["zone_name"], {row["zone_name"]})
        wet = sum(square_metres(shapely.intersection(water[row["definition"]], towns[name])) for name in members)
        total = sum(square_metres(towns[name]) for name in members)
        where = (row["definition"], row["zone_name"])
        assert float(row["numerator"]) * 1e6 == pytest.approx(wet, rel=1e-6, abs=0), where
        assert float(row["value"]) == pytest.approx(100 * wet / total, rel=1e-6, abs=0), where


def test_sums_are_exact(rows: list[dict[str, str]]) -> None:
    printed = {(row["definition"], row["zone_name"]): row for row in rows}
    for definition in CLASSES:
        for group, members in GROUPS.items():
            for part in ("numerator", "denominator"):
                total = sum(Decimal(printed[definition, name][part]) for name in members)
                assert Decimal(printed[definition, group][part]) == total, (definition, group, part)


def test_a_town_without_water_is_measured_and_none(rows: list[dict[str, str]], towns: dict, water: dict) -> None:
    for row in rows:
        if row["zone_name"] in towns:
            dry = not shapely.intersects(water[row["definition"]], towns[row["zone_name"]])
            assert (row["value"] == "0") == (row["numerator"] == "0") == dry, row["zone_name"]
