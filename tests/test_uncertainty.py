"""Bounds of values by the accuracy of borders, and what definitions make of a target: towns of a square kilometre."""

from __future__ import annotations

import math

import pandas as pd
import pytest
from shapely import LineString

import qpgis as qp
from qpgis.errors import ConfigError, LayerError
from tests.conftest import Maker, frame, layer, square
from tests.test_access import at

ARC = math.pi * 25
"""The corners of a square that grew by 5 m are quarters of a circle."""
STRETCH = 3e-4
"""The towns are drawn in 4549, whose areas are 0.02 % too large."""


def rows(ws: qp.Workspace, indicator: str, definition: str) -> pd.DataFrame:
    return qp.assess(ws, definitions={indicator: [definition]})[indicator].set_index("zone_id")


def test_a_wood_that_may_be_off_by_five_metres(workspace: Maker) -> None:
    """100 m by 100 m: at least 90 by 90, at most 100 by 100 with strips of 5 m beside it and round corners."""
    tables = layer("forest", "accuracy_m = 5.0")
    ws = qp.open_workspace(workspace(tables, forest=frame([square(400, 400, 100, 100)])))
    found = rows(ws, "forest_cover", "total_area").loc["a"]
    assert found["value"] == pytest.approx(1.0, rel=STRETCH)
    assert found["value_low"] == pytest.approx(0.81, rel=STRETCH)
    assert found["value_high"] == pytest.approx((10_000 + 2_000 + ARC) / 1e4, rel=1e-3)
    assert "±5 m" in found["note"]
    assert "不是置信区间" in found["note"]


def test_without_an_accuracy_nothing_is_said(workspace: Maker) -> None:
    ws = qp.open_workspace(workspace(layer("forest"), forest=frame([square(400, 400, 100, 100)])))
    found = rows(ws, "forest_cover", "total_area")
    assert found[["value_low", "value_high"]].isna().all(axis=None)
    assert not found["note"].str.contains("上下界").any()


def test_each_feature_its_own_accuracy(workspace: Maker) -> None:
    tables = layer("forest", 'accuracy_field = "metres"', "accuracy_m = 5.0")
    woods = [square(100, 100, 100, 100), square(600, 600, 100, 100), square(1300, 400, 100, 100)]
    ws = qp.open_workspace(workspace(tables, forest=frame(woods, metres=["10", "0", ""])))
    found = rows(ws, "forest_cover", "total_area")
    assert found.loc["a", "value_low"] == pytest.approx((80 * 80 + 100 * 100) / 1e4, rel=STRETCH)
    assert found.loc["b", "value_low"] == pytest.approx(0.81, rel=STRETCH)  # nothing in its field: as the layer
    assert "±0–10 m" in found.loc["a", "note"]


def test_an_accuracy_that_is_none(workspace: Maker) -> None:
    wood = frame([square(100, 100, 100, 100)], metres=["1e300"])
    with pytest.raises(LayerError, match="accuracy_field has no metres for 1 features"):
        qp.open_workspace(workspace(layer("forest", 'accuracy_field = "metres"'), forest=wood))
    with pytest.raises(ConfigError, match=r"accuracy_m = 1e\+300: .*less than or equal to 100000"):
        qp.open_workspace(workspace(layer("forest", "accuracy_m = 1e300"), forest=wood))


def test_bounds_of_a_group_are_its_own(workspace: Maker) -> None:
    """A wood of 100 m by 100 m half in each of two towns: what one may lose to the other isn't lost to both."""
    ws = qp.open_workspace(workspace(layer("forest", "accuracy_m = 5.0"), forest=frame([square(950, 400, 100, 100)])))
    found = rows(ws, "forest_cover", "total_area")
    for town in "ab":
        assert found.loc[town, "value_low"] == pytest.approx((45 * 90) / 1e4, rel=STRETCH)
    group = found.loc["south"]
    assert group["value_low"] == pytest.approx((90 * 90) / 2e4, rel=STRETCH)
    assert group["value_high"] == pytest.approx((12_000 + ARC) / 2e4, rel=1e-3)


def test_where_the_survey_ends_is_no_border(workspace: Maker) -> None:
    """A wood up to the outer border of town a, 200 m wide: cut off there, or surveyed as far and going on."""
    wood = frame([square(0, 400, 200, 100)])
    tables = layer("forest", "accuracy_m = 5.0")
    cut = qp.open_workspace(workspace(tables.replace('extent = "area"', ""), forest=wood))
    assert rows(cut, "forest_cover", "total_area").loc["a", "value_low"] == pytest.approx(1.71, rel=STRETCH)
    ends = qp.open_workspace(workspace(tables, forest=wood))
    found = rows(ends, "forest_cover", "total_area").loc["a"]
    assert found["value_low"] == pytest.approx(195 * 90 / 1e4, rel=STRETCH)
    assert found["value_high"] == pytest.approx((200 * 110 + 5 * 100 + ARC / 2) / 1e4, rel=1e-3)


def test_forest_and_water_bound_a_share_of_land(workspace: Maker) -> None:
    """Wood 100 m by 100 m (5 m), a lake of 500 m by 500 m apart from it (10 m)."""
    tables = layer("forest", "accuracy_m = 5.0") + layer("water", "accuracy_m = 10.0")
    made = {"forest": frame([square(800, 800, 100, 100)]), "water": frame([square(100, 100, 500, 500)])}
    ws = qp.open_workspace(workspace(tables, **made))
    found = rows(ws, "forest_cover_of_land", "all_water").loc["a"]
    most_water = 500 * 500 + 4 * 500 * 10 + math.pi * 100
    assert found["value_low"] == pytest.approx(100 * 8100 / (1e6 - 480 * 480), rel=1e-3)
    assert found["value"] == pytest.approx(100 * 10_000 / 750_000, rel=STRETCH)
    assert found["value_high"] == pytest.approx(100 * (12_000 + ARC) / (1e6 - most_water), rel=1e-3)


def test_a_total_and_a_share_a_head_have_bounds_too(workspace: Maker) -> None:
    tables = layer("park", "accuracy_m = 5.0") + layer("residents", 'amount_field = "people"')
    made = {"park": frame([square(400, 400, 100, 100)]), "residents": frame([at(10, 10)], people=[100])}
    ws = qp.open_workspace(workspace(tables, **made))
    found = rows(ws, "park_area_per_person", "residents").loc["a"]
    assert found["value_low"] == pytest.approx(81, rel=STRETCH)
    farmland = layer("farmland", "accuracy_m = 5.0")
    ws = qp.open_workspace(workspace(farmland, farmland=frame([square(400, 400, 100, 100)])))
    assert rows(ws, "farmland_area", "drawn").loc["a", "value_low"] == pytest.approx(0.0081, rel=STRETCH)


def test_what_is_selected_from_land_use_is_as_accurate_as_that(workspace: Maker) -> None:
    tables = layer("landuse", 'class_field = "code"', 'scheme = "sandiao"', "accuracy_m = 5.0")
    parcels = frame([square(0, 0, 1000, 500), square(0, 500, 1000, 500)], code=["0301", "0101"])
    ws = qp.open_workspace(workspace(tables + '[layers.forest]\nfrom = "landuse"\n', landuse=parcels))
    found = rows(ws, "forest_cover", "total_area").loc["a"]
    # its border with the farmland is off by 5 m; the other three are the town's own, where parcels end
    assert found["value_low"] == pytest.approx(49.5, rel=1e-3)
    assert found["value_high"] == pytest.approx(50.5, rel=1e-3)


@pytest.mark.parametrize("said", ["wide", "-1", "inf"])
def test_an_accuracy_that_is_no_distance_is_refused(workspace: Maker, said: str) -> None:
    woods = frame([square(0, 0, 10, 10)], metres=[said])
    with pytest.raises(LayerError, match=r"accuracy_field has no metres for 1 features \(1\)"):
        qp.open_workspace(workspace(layer("forest", 'accuracy_field = "metres"'), forest=woods))


TARGET = "indicator,zone,year,operator,value,text,property,kind,direction,document\n"


def with_target(workspace: Maker, tables: str, target: str, **files: object) -> qp.Workspace:
    folder = workspace(tables + '[tables]\ntargets = "targets.csv"\n', **files)
    (folder / "targets.csv").write_text(TARGET + target, encoding="utf-8")
    return qp.open_workspace(folder)


def test_a_status_that_changes_within_the_bounds_says_so(workspace: Maker) -> None:
    """1 % of forest, at least 0.81 %: a target of 0.9 % is met, but not at the lower bound; one of 0.8 % is."""
    wood = frame([square(400, 400, 100, 100)])
    tables = layer("forest", "accuracy_m = 5.0")
    for target, doubtful in (("0.9", True), ("0.8", False)):
        line = f"forest_cover,a,2025,ge,{target},,约束性,stock,up,某文件\n"
        found = rows(with_target(workspace, tables, line, forest=wood), "forest_cover", "total_area").loc["a"]
        assert found["status"] == "met"
        assert ("取下界为“尚未达标”" in found["note"]) is doubtful


def test_a_status_that_hangs_on_the_definition_says_so(workspace: Maker) -> None:
    """A wood of a tenth of the town, half of it a pond's neighbour: 10 % of all, 11.1 % of land without its pond."""
    tables = layer("forest") + layer("water", 'class_field = "class"')
    made = {
        "forest": frame([square(0, 0, 100, 1000)]),
        "water": frame([square(500, 0, 100, 1000)], **{"class": ["坑塘水面"]}),
    }
    for target, flips in ((11, True), (12, False)):
        line = f"forest_cover_of_land,a,2025,ge,{target},,约束性,stock,up,某文件\n"
        found = rows(with_target(workspace, tables, line, **made), "forest_cover_of_land", "all_water").loc["a"]
        assert found["value"] == pytest.approx(100 / 9, rel=STRETCH)
        assert ("结论随口径而变：2 种口径的结果在 10 至 11.11 之间" in found["note"]) is flips
        assert ("2 种口径的结果在 10 至 11.11 之间，结论相同" in found["note"]) is not flips
    dry = {**made, "water": frame([square(1500, 0, 100)], **{"class": ["坑塘水面"]})}  # none in the town
    found = rows(with_target(workspace, tables, line, **dry), "forest_cover_of_land", "all_water").loc["a"]
    assert "种口径的结果" not in found["note"]  # both give 10 %


def test_no_target_is_held_against_a_part_or_a_comparison(workspace: Maker) -> None:
    """A road of 2 km in town a, all of it local: 2 km/km2 meet a target of 1.5, its local part isn't asked."""
    roads = frame([LineString([at(0, 100), at(1000, 100)]), LineString([at(0, 900), at(1000, 900)])])
    line = "road_density,a,2025,ge,1.5,,预期性,stock,up,某文件\n"
    ws = with_target(workspace, layer("roads", 'class_field = "class"'), line, roads=roads.assign(**{"class": "支路"}))
    asked = {"road_density": ["centreline", "local"]}
    found = qp.assess(ws, definitions=asked)["road_density"].query("zone_id == 'a'").set_index("definition")
    assert found.loc["centreline", "status"] == "met"
    assert found.loc["local", "value"] == pytest.approx(2.0, rel=STRETCH)
    assert found.loc["local", "status"] == "no_target"
    assert "不对照目标" in found.loc["local", "note"]
    assert pd.isna(found.loc["local", "target"])
