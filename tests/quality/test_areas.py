"""Area control, worked by hand on squares of the plane: stated against drawn, parts against the whole, two bases."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import box

import qpgis as qp
from qpgis.crs import Plane, parse
from qpgis.errors import ConfigError
from qpgis.findings import Finding, Findings
from qpgis.quality.areas import (
    ControlArea,
    check_control_areas,
    check_deductions,
    check_stated_areas,
    land_areas,
    numbers,
    read_control_areas,
)
from qpgis.quality.geometry import Subject
from tests.conftest import Maker, frame, layer, square

PLANE = Plane(121, 31)


def squares(count: int, side: float = 100) -> np.ndarray:
    """Squares side by side in the plane, a kilometre from its centre."""
    return np.array([box(1000 + side * n, 1000, 1000 + side * (n + 1), 1000 + side) for n in range(count)])


def checked(stated: list[float], shapes: np.ndarray | None = None) -> dict[str, list[Finding]]:
    """The findings about stated areas of squares of a hectare, by rule."""
    findings = Findings("en")
    shapes = squares(len(stated)) if shapes is None else shapes
    ids = [f"p{n}" for n in range(len(stated))]
    subject = Subject.measured(shapes, ids, PLANE, role="landuse", file="x", findings=findings)
    check_stated_areas(subject, np.array(stated, dtype=float), field="TBMJ")
    by_rule: dict[str, list[Finding]] = {}
    for finding in findings:
        by_rule.setdefault(finding.rule, []).append(finding)
    return by_rule


def test_areas_that_agree_only_give_their_totals() -> None:
    rules = checked([10_000, 10_000.4, 9999.8])
    (totals,) = rules["area_totals"]
    assert set(rules) == {"area_totals"}
    assert totals.value == "+0.2 m2"
    assert "30000.2 m2" in totals.message
    assert "30000.0 m2" in totals.message


def test_areas_that_differ_are_named_the_worst_first() -> None:
    rules = checked([10_000, 12_000, 9_000, 10_005])
    assert {f.feature_id: f.value for f in rules["area_field_differs"]} == {
        "p1": "12000.00 / 10000.00 m2 (+20.00%)",
        "p2": "9000.00 / 10000.00 m2 (-10.00%)",
    }
    (total,) = rules["areas_differ_in_all"]
    assert total.value == "+1000.0 m2"


@pytest.mark.parametrize(("unit", "m2"), [("亩", 2000 / 3), ("ha", 1e4), ("km2", 1e6), ("万亩", 2e7 / 3)])
def test_another_unit_is_named_and_the_wrong_parcel_still_found(unit: str, m2: float) -> None:
    rules = checked([10_000 / m2, 10_000 / m2, 10_000 / m2, 20_000 / m2])
    (named,) = rules["area_field_unit"]
    assert named.value == unit
    assert [f.feature_id for f in rules["area_field_differs"]] == ["p3"]


def test_areas_of_the_projection_are_told_from_ellipsoidal_ones() -> None:
    # 1.1 degrees from the meridian Gauss-Krueger areas are larger by (x / R)**2, about 270 ppm
    x = 105_000.0
    there = np.array([square(x - 100_000 + 300 * n, 0, 300) for n in range(5)])
    plane = Plane.around(gpd.GeoSeries(there, crs=4549).to_crs(4326).to_numpy())
    shapes = plane.project(there, parse("EPSG:4549", what="x"), what="x")
    findings = Findings("en")
    subject = Subject.measured(shapes, list("abcde"), plane, role="landuse", file="x", findings=findings)
    check_stated_areas(subject, np.full(5, 90_000.0), field="TBMJ")
    (planar,) = [f for f in findings if f.rule == "area_field_planar"]
    assert float(planar.value.removesuffix(" ppm")) == pytest.approx((x / 6_371_000) ** 2 * 1e6, abs=10)
    assert {f.rule for f in findings} == {"area_field_planar", "area_totals"}


def test_missing_areas_are_counted() -> None:
    rules = checked([10_000, np.nan])
    assert [f.value for f in rules["area_not_stated"]] == ["1"]
    assert set(checked([np.nan])) == {"area_not_stated"}


def test_numbers_are_read_from_text_without_guessing() -> None:
    column = pd.Series(["12.5", "", None, "1,000", "7"])
    assert np.array_equal(numbers(column), [12.5, np.nan, np.nan, np.nan, 7], equal_nan=True)


# ------------------------------------------------------------------------------------------------------- control areas


def controls(tmp_path: Path, text: str) -> dict[str, ControlArea]:
    path = tmp_path / "control.csv"
    path.write_text(text, encoding="utf-8-sig")
    return read_control_areas(path, {"a": "甲", "b": "乙"})


def test_control_areas_come_in_the_units_of_planners(tmp_path: Path) -> None:
    found = controls(tmp_path, "zone_id,area,unit,source\na,1.5,平方公里,三调\nb,15,亩,三调\n")
    assert {zone: one.m2 for zone, one in found.items()} == pytest.approx({"a": 1_500_000, "b": 10_000})


def test_every_mistake_of_a_control_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        controls(tmp_path, 'zone_id,area,unit,source\nx,"1,5",acre,\n')
    assert len(error.value.mistakes) == 4
    assert all(mistake.startswith("line 2: ") for mistake in error.value.mistakes)
    with pytest.raises(ConfigError, match="no column 'unit'"):
        controls(tmp_path, "zone_id,area,source\n")
    with pytest.raises(ConfigError, match="stands twice"):
        controls(tmp_path, "zone_id,area,unit,source\na,1,km2,x\na,1,km2,x\n")


def test_the_residual_is_printed_whether_it_matters_or_not() -> None:
    findings = Findings("en")
    control = {"a": ControlArea(10_000, "三调"), "b": ControlArea(10_000, "三调"), "other": ControlArea(1, "x")}
    check_control_areas({"a": 10_001, "b": 9_000}, control, layer="landuse", file="x", findings=findings)
    assert [(f.rule, f.feature_id, f.value) for f in findings] == [
        ("control_area_missed", "b", "-1000.00 m2"),
        ("control_area_residual", "a", "+1.00 m2"),
    ]


# ---------------------------------------------------------------------------------------------------- sums of land use


def test_a_cut_parcel_is_prorated_and_ridges_come_off() -> None:
    # two zones of a hectare; parcel 0 lies across both (3/4 in a), parcel 1 fills the rest of b
    zones = squares(2)
    parcels = np.array([box(1025, 1000, 1125, 1100), box(1125, 1000, 1200, 1100), box(1000, 1000, 1025, 1100)])
    table = land_areas(
        ["a", "b"],
        zones,
        parcels,
        ["0101", "1101", "0101"],
        stated_m2=np.array([10_400.0, 7_500.0, np.nan]),
        deduction=np.array([0.1, np.nan, np.nan]),
        basis="field",
        control={"a": ControlArea(10_000, "三调")},
    ).set_index(["zone_id", "class"])
    assert list(table.index) == [("a", ""), ("a", "0101"), ("b", ""), ("b", "0101"), ("b", "1101")]
    columns = ["geometry_m2", "field_m2", "net_m2", "dike_m2"]
    assert list(table.loc[("a", "0101"), columns]) == pytest.approx([10_000, 7800 + 2500, 7020 + 2500, 780])
    assert list(table.loc[("b", "0101"), columns]) == pytest.approx([2500, 2600, 2340, 260])
    assert list(table.loc[("b", "1101"), columns]) == pytest.approx([7500, 7500, 7500, 0])
    assert table.loc[("a", ""), "residual_m2"] == pytest.approx(300)
    assert np.isnan(table.loc[("b", ""), "residual_m2"])
    assert np.isnan(table.loc[("a", "0101"), "control_m2"])


def test_a_stated_net_area_counts_before_the_coefficient() -> None:
    table = land_areas(["a"], squares(1), squares(1), ["0101"], net_m2=np.array([8_000.0]), deduction=np.array([0.1]))
    assert list(table["dike_m2"]) == pytest.approx([2000, 2000])


def test_overlaps_count_once_by_shape_and_as_stated_by_field() -> None:
    table = land_areas(["a"], squares(1), np.concatenate([squares(1), squares(1)]), ["0101", "0101"])
    assert list(table["geometry_m2"]) == pytest.approx([10_000, 10_000])
    assert list(table["field_m2"]) == pytest.approx([20_000, 20_000])


def test_no_parcels_are_zero_everywhere() -> None:
    table = land_areas(["a"], squares(1), np.empty(0, dtype=object), [])
    assert list(table["class"]) == [""]
    assert list(table["field_m2"]) == [0]


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.floats(1001, 1299), min_size=1, max_size=6, unique=True),
    st.lists(st.floats(1, 1e6), min_size=7, max_size=7),
)
def test_pieces_add_up_to_what_is_stated_to_the_last_millionth(cuts: list[float], stated: list[float]) -> None:
    edges = [1000.0, *sorted(cuts), 1300.0]
    parcels = np.array([box(w, 1000, e, 1100) for w, e in pairwise(edges)])
    amounts = np.array(stated[: len(parcels)])
    table = land_areas(list("abc"), squares(3), parcels, ["x"] * len(parcels), stated_m2=amounts)
    whole = table[table["class"] == ""]
    assert round(whole["field_m2"].sum() * 1e6) == sum(round(amount * 1e6) for amount in amounts)
    assert whole["geometry_m2"].sum() == pytest.approx(shapely.area(parcels).sum(), abs=1e-5)


def test_deductions_are_fractions_and_fit_the_areas() -> None:
    findings = Findings("en")
    subject = Subject.measured(squares(4), list("abcd"), PLANE, role="landuse", file="x", findings=findings)
    stated, factor = np.full(4, 10_000.0), np.array([0.1, 0.1, 11.05, np.nan])
    check_deductions(subject, stated, np.array([9000.0, 8000.0, 8895.0, 10_000.0]), factor, field="TBDLMJ")
    assert [(f.rule, f.feature_id, f.severity.value) for f in findings] == [
        ("deduction_no_fraction", "c", "error"),
        ("net_area_differs", "b", "warning"),
    ]


def test_a_whole_column_in_percent_is_one_finding() -> None:
    findings = Findings("en")
    subject = Subject.measured(squares(4), list("abcd"), PLANE, role="landuse", file="x", findings=findings)
    factor = np.array([11.05, 9.5, 12.0, 0.0])
    stated = np.full(4, 10_000.0)
    check_deductions(subject, stated, stated * (1 - factor / 100), factor, field="TBDLMJ")
    assert [(f.rule, f.value) for f in findings] == [("deduction_in_percent", "11.05")]


@pytest.mark.parametrize(("off", "named"), [(0.0, []), (0.02, ["b"])])
def test_rounding_in_mu_is_no_difference(off: float, named: list[str]) -> None:
    """10,000 m2 are 15 mu; 0.01 mu are 6.7 m2, which is what two decimals can't tell."""
    findings = Findings("en")
    subject = Subject.measured(squares(3), list("abc"), PLANE, role="landuse", file="x", findings=findings)
    stated, factor = np.array([15.01, 15.02, 15.03]), np.full(3, 0.1337)
    net = np.round(stated * (1 - factor), 2) + np.array([0, off, 0])
    check_deductions(subject, stated, net, factor, field="TBDLMJ", unit_m2=2000 / 3)
    assert [f.feature_id for f in findings] == named


# ---------------------------------------------------------------------------------------------------------- workspaces


def test_a_workspace_holds_both_bases_side_by_side(workspace: Maker) -> None:
    parcels = frame(
        [square(0, 0, 2000, 1000), square(0, 1000), square(1000, 1000)],
        code=["0101", "1101", "0101"],
        TBMJ=[2_200_000.0, 1_000_000.0, 1_000_000.0],
        KCXS=[0.1, 0.0, 0.0],
    )
    toml = layer(
        "landuse", 'scheme = "sandiao"', 'class_field = "code"', 'area_field = "TBMJ"', 'deduction_field = "KCXS"'
    )
    folder = workspace(toml + 'area_basis = "field"\n[tables]\ncontrol_areas = "control.csv"\n', landuse=parcels)
    (folder / "control.csv").write_text("zone_id,area,unit,source\na,1,km2,三调\n", encoding="utf-8")
    ws = qp.open_workspace(folder, lang="en")
    assert ws.land_areas is not None
    table = ws.land_areas.set_index(["zone_id", "class"])
    assert table.loc[("a", "0101"), "field_m2"] == pytest.approx(1_100_000, rel=1e-5)
    assert table.loc[("a", "0101"), "dike_m2"] == pytest.approx(110_000, rel=1e-5)
    assert table.loc[("a", "0101"), "geometry_m2"] == pytest.approx(1_000_000, rel=1e-3)
    (missed,) = [f for f in ws.findings if f.rule == "control_area_missed"]
    assert missed.feature_id == "a"
    assert float(missed.value.removesuffix(" m2")) == pytest.approx(100_000, rel=1e-3)
    assert "area_field_differs" in {f.rule for f in ws.findings}


def test_a_basis_without_its_field_is_refused(workspace: Maker) -> None:
    toml = layer("landuse", 'scheme = "sandiao"', 'class_field = "code"', 'area_basis = "field"')
    with pytest.raises(ConfigError, match="needs area_field"):
        qp.open_workspace(workspace(toml, landuse=frame([square(0, 0)], code=["0101"])))
