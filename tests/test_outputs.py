"""The files of a run, opened again by other means."""

from __future__ import annotations

import csv
import hashlib
import json
import re
from decimal import Decimal
from pathlib import Path

import geopandas as gpd
import numpy as np
import openpyxl
import pyogrio
import pytest

from qpgis.cli import main
from qpgis.provenance import sha256_of
from tests.conftest import Maker, four_towns, frame, layer, square

CONTRACT = re.split(
    ", ",
    "indicator, definition, zone_id, zone_name, level, period, value, unit, numerator, numerator_unit, denominator, "
    "denominator_unit, target, operator, target_text, target_year, property, progress, status, grade, note, scenario, "
    "value_low, value_high, source",
)


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture
def out(workspace: Maker, tmp_path: Path) -> Path:
    """Outputs of a run with a formula for a zone's name and a script for a forest's."""
    towns = four_towns()
    towns.loc[0, "name"] = "=cmd|'/C calc'!A0"
    forest = frame([square(0, 0, 500, 1000)], label=["<script>alert(1)</script>"])
    folder = workspace(layer("forest", 'name_field = "label"'), towns=towns, forest=forest)
    assert main(["run", str(folder), "--definitions", "all", "--out", str(tmp_path / "out")]) == 0
    return tmp_path / "out"


def test_columns_are_the_contract(out: Path) -> None:
    raw = (out / "indicators.csv").read_bytes()
    assert raw.startswith(b"\xef\xbb\xbfindicator,")
    assert list(rows_of(out / "indicators.csv")[0]) == CONTRACT
    findings = (out / "findings.csv").read_text("utf-8-sig").splitlines()[0]
    assert findings == "severity,rule,layer,file,feature_id,location,value,message,action"


def test_a_value_is_numerator_over_denominator(out: Path) -> None:
    factor = {"%": 100, "km/km2": 1}
    checked = 0
    for row in rows_of(out / "indicators.csv"):
        if row["definition"] in ("pc_1000m", "iic_1000m"):
            assert (row["numerator"], row["denominator"]) == ("", "")  # they are no quotients
        elif row["value"]:
            quotient = Decimal(row["numerator"]) / Decimal(row["denominator"]) * factor[row["unit"]]
            assert float(row["value"]) == pytest.approx(float(quotient), rel=1e-11)
            checked += 1
        else:
            assert row["status"] == "not_computable"
            assert row["note"]
    # forest_cover of four towns, the south and the whole; connectivity of a, the south and the whole by two definitions
    assert checked == 12


def test_groups_are_exact_sums(out: Path) -> None:
    rows = {r["zone_id"]: r for r in rows_of(out / "indicators.csv") if r["indicator"] == "forest_cover"}
    for column in ("numerator", "denominator"):
        assert Decimal(rows["south"][column]) == Decimal(rows["a"][column]) + Decimal(rows["b"][column])
        assert Decimal(rows["all"][column]) == sum(Decimal(rows[z][column]) for z in "abcd")


def test_a_formula_arrives_as_text(out: Path) -> None:
    assert rows_of(out / "indicators.csv")[0]["zone_name"] == "'=cmd|'/C calc'!A0"
    sheet = openpyxl.load_workbook(out / "indicators.xlsx").worksheets[0]
    cells = [cell for row in sheet.iter_rows() for cell in row if isinstance(cell.value, str) and "cmd" in cell.value]
    assert cells
    assert {cell.data_type for cell in cells} == {"s"}


def test_workbook_and_geopackage_hold_the_numbers_of_the_csv(out: Path) -> None:
    rows = rows_of(out / "indicators.csv")
    sheet = openpyxl.load_workbook(out / "indicators.xlsx")["指标值"]
    heads = [cell.value for cell in sheet[3]]
    assert heads[:5] == ["指标", "分区", "层级", "时期", "现状值"]
    values = [sheet.cell(4 + n, 5).value for n in range(len(rows))]
    assert values == [float(r["value"]) if r["value"] else None for r in rows]

    zones = gpd.read_file(out / "indicators.gpkg", layer="zones")
    assert zones.crs.to_epsg() == 4326
    by_zone = zones.set_index("zone_id")["forest_cover"]
    for r in rows:
        if r["indicator"] == "forest_cover":
            assert by_zone[r["zone_id"]] == float(r["value"])
    table = pyogrio.read_dataframe(out / "indicators.gpkg", layer="indicators", read_geometry=False)
    assert list(table.columns) == CONTRACT
    np.testing.assert_allclose(
        table["value"], [float(r["value"]) if r["value"] else np.nan for r in rows], rtol=1e-11, equal_nan=True
    )


def test_the_manifest_names_what_was_read_and_written(out: Path, workspace: Maker) -> None:
    manifest = json.loads((out / "manifest.json").read_text("utf-8"))
    folder = workspace()
    inputs = {i["name"]: i for i in manifest["inputs"]}
    assert set(inputs) == {"qpgis.toml", "towns.gpkg", "forest.gpkg"}
    assert inputs["towns.gpkg"]["crs"] == "EPSG:4549"
    assert inputs["forest.gpkg"]["rows"] == 1
    assert inputs["forest.gpkg"]["sha256"] == hashlib.sha256((folder / "forest.gpkg").read_bytes()).hexdigest()
    for name, digest in manifest["outputs"].items():
        assert hashlib.sha256((out / name).read_bytes()).hexdigest() == digest
    assert manifest["rows"]["forest"] == {"read": 1, "used": 1, "outside": 0, "other_state": 0, "dropped": 0}
    assert manifest["plane"]["name"] == "LAEA GRS80 lon 121 lat 31"
    assert str(folder.parent) not in (out / "manifest.json").read_text("utf-8")


def test_english_where_it_is_asked_for(workspace: Maker, tmp_path: Path) -> None:
    folder = workspace(layer("forest"), forest=frame([square(0, 0, 500, 1000), square(0, 0, 500, 1000)]))
    assert main(["run", str(folder), "--lang", "en", "--out", str(tmp_path / "en")]) == 0
    assert "The same shape stands 2 times" in (tmp_path / "en" / "findings.csv").read_text("utf-8-sig")
    assert "missing layers" in rows_of(tmp_path / "en" / "indicators.csv")[0]["note"]
    book = openpyxl.load_workbook(tmp_path / "en" / "indicators.xlsx")
    assert book.sheetnames == ["values", "definitions", "findings", "sources"]
    assert "Forest cover" in (tmp_path / "en" / "map.html").read_text("utf-8")


def test_the_plan_table_of_the_embedded_workspace(embedded_run: Path) -> None:
    sheet = openpyxl.load_workbook(embedded_run / "maps" / "indicators.xlsx")["指标体系表"]
    rows = list(sheet.iter_rows(min_row=4, values_only=True))
    assert [row[0] for row in rows] == [*range(1, 21), *[None] * 5]  # 表1, and what stands outside it
    assert [row[13] for row in rows][:3] == ["8 左右", "累计 800 左右", "8 左右"]
    csv_rows = rows_of(embedded_run / "maps" / "indicators.csv")
    judged = {r["zone_id"] for r in csv_rows if r["target_text"]}
    assert judged == {"qingxi"}
    drawn = ("demonstration_villages", "rail_stations")
    assert {r["grade"] for r in csv_rows if r["value"] and r["indicator"] not in drawn} == {"synthetic"}
    assert {r["grade"] for r in csv_rows if r["indicator"] in drawn} == {"schematic"}


def test_the_hash_of_a_shapefile_is_that_of_its_parts_in_any_case(tmp_path: Path) -> None:
    for folder, upper in (("low", False), ("up", True)):
        (tmp_path / folder).mkdir()
        for suffix in (".shp", ".dbf", ".shx"):
            (tmp_path / folder / f"A{suffix.upper() if upper else suffix}").write_bytes(suffix.encode())
    lower, higher = sha256_of(tmp_path / "low" / "A.shp"), sha256_of(tmp_path / "up" / "A.SHP")
    assert lower == higher == hashlib.sha256(b".dbf.shp.shx").hexdigest()
