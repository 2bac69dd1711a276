"""Connectivity of the woods of Liechtenstein by networkx, from the raw file; areas and distances in Albers' cone."""

from __future__ import annotations

import math
import tomllib
from importlib.resources import files
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
import shapely

import qpgis as qp
from qpgis.workspace.osm import osm_workspace
from tests.test_liechtenstein import ALBERS, EXTRACT, Extract, has_any

DISTANCE_M, LEAST_M2 = 1000, 5000
TOWNS = ("Balzers", "Gamprin", "Mauren", "Triesen", "Vaduz")


@pytest.fixture(scope="module")
def extract_file() -> Path:
    if not EXTRACT.exists():
        pytest.skip("shared data aren't beside the project: liechtenstein.osm.pbf")
    return EXTRACT


def flat(shape: shapely.Geometry) -> shapely.Geometry:
    """Into the cone; edges are straight in degrees, so they are cut to 2 m first."""
    fine = shapely.segmentize(shape, 2e-5)
    return shapely.transform(fine, lambda xy: np.column_stack(ALBERS.transform(xy[:, 0], xy[:, 1])))


def test_woods_of_municipalities_by_networkx(extract_file: Path) -> None:
    rule = tomllib.loads(files("qpgis.data").joinpath("schemes", "osm.toml").read_text("utf-8"))["layers"]["forest"]
    woods, towns = [], {}
    for number, tags, polygon in Extract(extract_file).polygons():
        if tags.get("boundary") == "administrative" and tags.get("name") in TOWNS:
            towns[number] = polygon
        if has_any(tags, rule["any"]) and not has_any(tags, rule.get("none", [])):
            woods.append(polygon)
    assert len(towns) == len(TOWNS)
    ws = osm_workspace(extract_file, zones_level=8, groups_level=6)
    chosen = {"patch_connectivity": ["eca_1000m[least_probability=1e-09]", "iic_1000m"]}
    rows = qp.assess(ws, definitions=chosen)["patch_connectivity"].set_index(["definition", "zone_id"])["value"]
    ground = shapely.union_all(woods)
    for zone, town in towns.items():
        parts = [part for part in shapely.get_parts(flat(ground & town)) if part.area >= LEAST_M2]
        assert len(parts) > 1
        area = [part.area for part in parts]
        probable, linked = nx.empty_graph(len(parts)), nx.empty_graph(len(parts))
        for i in range(len(parts)):
            for j in range(i):
                apart = parts[i].distance(parts[j])
                probable.add_edge(i, j, weight=apart)
                if apart <= DISTANCE_M:
                    linked.add_edge(i, j)
        ways = nx.all_pairs_dijkstra_path_length(probable)
        steps = nx.all_pairs_shortest_path_length(linked)
        pc = sum(area[i] * area[j] * 0.5 ** (d / DISTANCE_M) for i, metres in ways for j, d in metres.items())
        iic = sum(area[i] * area[j] / (1 + n) for i, links in steps for j, n in links.items())
        eca = 100 * math.sqrt(pc) / sum(area)
        assert rows["eca_1000m[least_probability=1e-09]", zone] == pytest.approx(eca, rel=1e-5)
        assert rows["iic_1000m", zone] == pytest.approx(100 * iic / flat(town).area ** 2, rel=1e-5)
