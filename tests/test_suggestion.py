"""The lines of qpgis.toml that inspect suggests are lines that open."""

from __future__ import annotations

import json
from pathlib import Path

import geopandas as gpd
import pytest

import qpgis as qp
from qpgis.cli import main
from tests.conftest import EAST, NORTH, Maker, frame, square


def lines(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    main(["inspect", "--json", *arguments])
    (told,) = json.loads(capsys.readouterr().out)
    return told["layers"][0]["toml"].splitlines()


def written(tmp_path: Path, name: str, shapes: gpd.GeoDataFrame) -> str:
    shapes.to_file(tmp_path / name, driver="GPKG")
    return str(tmp_path / name)


def test_parcels_of_the_survey(tmp_path: Path, workspace: Maker, capsys: pytest.CaptureFixture[str]) -> None:
    columns = {"BSM": ["1"], "DLBM": ["1101"], "TBMJ": [1e6], "TBDLMJ": [1e6], "KCXS": [0.0]}
    told = lines(capsys, written(tmp_path, "DLTB.gpkg", frame([square(0, 0)], **columns)))
    assert told[:2] == ["[layers.landuse]", 'file = "DLTB.gpkg"']
    assert told[2].startswith('grade = "?"')
    assert {'class_field = "DLBM"', 'area_field = "TBMJ"', 'net_area_field = "TBDLMJ"', 'deduction_field = "KCXS"'} <= {
        *told
    }
    filled = "\n".join(told).replace('grade = "?"', 'grade = "official"').replace('scheme = "?"', 'scheme = "sandiao"')
    folder = workspace(filled)
    (tmp_path / "DLTB.gpkg").rename(folder / "DLTB.gpkg")
    assert list(qp.open_workspace(folder).layers["landuse"].frame["class_"]) == ["1101"]


def test_codes_without_a_known_name_and_how_schemes_fit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shapes = frame([square(0, 0), square(1000, 0)], what=["0810A", "05H1"])
    told = lines(capsys, written(tmp_path, "x.gpkg", shapes))
    assert 'class_field = "what"' in told
    assert any(line.startswith('scheme = "?"  # sandiao 100%') for line in told)


def test_towns_are_zones(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    towns = frame([square(0, 0)], XZQDM=["310118001"], XZQMC=["夏阳街道"])
    told = lines(capsys, written(tmp_path, "towns.gpkg", towns))
    assert told[0] == "[zones]"
    assert told[3:] == ['id_field = "XZQDM"', 'name_field = "XZQMC"']


def test_one_of_several_layers_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a", "b"):
        frame([square(0, 0)]).to_file(tmp_path / "two.gpkg", layer=name, driver="GPKG")
    assert 'layer = "b"' in lines(capsys, str(tmp_path / "two.gpkg"), "--layer", "b")


def test_what_was_declared_stands_in_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "p.csv"
    path.write_text(f"n,x,y\na,{EAST},{NORTH}\n", encoding="utf-8")
    assert 'crs = "EPSG:4549"' in lines(capsys, str(path), "--crs", "EPSG:4549")
