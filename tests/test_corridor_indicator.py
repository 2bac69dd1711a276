"""How much of a corridor has its width, on strips that can be measured with a ruler."""

from __future__ import annotations

import math
from pathlib import Path
from tempfile import TemporaryDirectory

import geopandas as gpd
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import LineString, box

import qpgis as qp
from qpgis.cli import main
from qpgis.crs import Plane
from qpgis.errors import ConfigError
from qpgis.indicators import registry
from qpgis.measures.corridors import longest_within
from tests.conftest import EAST, HEAD, NORTH, Maker, four_towns, frame, layer, square, write
from tests.test_access import values

AXIS = LineString([(EAST, NORTH + 500), (EAST + 2000, NORTH + 500)])
HAIR = 1e-6
"""In %; lengths of pieces are rounded to millionths of a metre."""
GREEN = ("forest", "water", "wetland", "farmland", "grass", "orchard", "park")


def tables(*present: str) -> str:
    empty = "".join(f'[layers.{kind}]\nempty_because = "没有"\n' for kind in GREEN if kind not in present)
    return layer("corridor_axes") + "".join(layer(kind) for kind in present) + empty


def test_a_corridor_counts_where_it_is_wide_enough(workspace: Maker) -> None:
    """Wood 150 m wide for the first 800 m, 60 m for the next 800 m, then none for 400 m; towns end at 1000 m."""
    wood = frame([square(0, 425, 800, 150), square(800, 470, 800, 60)])
    ws = qp.open_workspace(workspace(tables("forest"), corridor_axes=frame([AXIS]), forest=wood))
    full = values(ws, "corridor_full_width", "net_100m")
    assert (full["a"], full["b"], full["south"]) == pytest.approx((80, 0, 40), abs=0.1)
    half = values(ws, "corridor_full_width", "net_50m")
    assert (half["a"], half["b"], half["south"]) == pytest.approx((100, 60, 80), abs=0.1)


def test_water_counts_with_wood_and_built_land_breaks_it(workspace: Maker) -> None:
    made = {
        "corridor_axes": frame([AXIS]),
        "forest": frame([square(0, 440, 2000, 60)]),
        "water": frame([square(0, 500, 2000, 60)], **{"class": ["river"]}),
    }
    ws = qp.open_workspace(workspace(tables("forest", "water"), **made))
    assert values(ws, "corridor_full_width", "net_100m")["south"] == pytest.approx(100, abs=0.1)
    built = frame([square(500, 430, 100, 140)])
    cut = workspace(
        tables("forest", "water").replace('"water.gpkg"\ngrade = "surveyed"', '"water.gpkg"\ngrade = "schematic"')
        + layer("construction"),
        construction=built,
        **made,
    )
    found = values(qp.open_workspace(cut), "corridor_full_width", "net_100m")
    assert found["a"] == pytest.approx(90, abs=2.6)  # sections stand every 25 m
    assert found["b"] == pytest.approx(100, abs=0.1)
    (gaps,) = qp.assess(qp.open_workspace(cut)).features["corridor_full_width", "net_100m"]
    assert gaps.source.grade == "schematic"  # that of the water, the worst that it was made of
    assert sum(line.length for line in gaps.geometry) == pytest.approx(100, abs=26)


# A wood 150 m wide along the axis, broken by nothing in particular from 600 to 700 m, by houses from 1300 to 1400 m,
# by a motorway of 40 m at 1700 m; sections stand every 25 m, so that the last gap is from 1675 to 1725 m.
WOOD = [square(0, 425, 600, 150), square(700, 425, 1300, 150)]
HOUSES = [square(1300, 400, 100, 200)]
MOTORWAY = [LineString([(EAST + 1700, NORTH), (EAST + 1700, NORTH + 1000)])]


def broken(workspace: Maker, **more: gpd.GeoDataFrame) -> Path:
    made = {
        "corridor_axes": frame([AXIS]),
        "forest": frame(WOOD),
        "construction": frame(HOUSES),
        "roads": frame(MOTORWAY, **{"class": ["motorway"]}),
        **more,
    }
    toml = tables("forest") + layer("construction") + layer("roads", 'class_field = "class"')
    return workspace(toml, **made)


def test_the_longest_stretch(workspace: Maker) -> None:
    ws = qp.open_workspace(broken(workspace))
    found = values(ws, "corridor_continuity", "longest_100m")
    # a: 0-600 of 1000; b: 1000-1300 of 1000; the south: 0-600, or 700-1300 over the border, of 2000
    assert (found["a"], found["b"], found["south"]) == pytest.approx((60, 30, 30), abs=0.1)
    assert math.isnan(found["c"])  # no axis runs there
    found = values(ws, "corridor_continuity", "longest_covered")
    assert (found["a"], found["b"], found["south"]) == pytest.approx((60, 30, 30), abs=0.1)
    found = values(ws, "corridor_continuity", "longest_100m[min_width_m=200]")
    assert (found["a"], found["b"]) == (0, 0)


def test_the_longest_stretches_of_several_axes_add_up(workspace: Maker) -> None:
    """A second axis 600 m long, wood along its first 300 m: (600 + 300) m of (1000 + 600) m in a."""
    second = LineString([(EAST + 200, NORTH + 900), (EAST + 800, NORTH + 900)])
    more = {"corridor_axes": frame([AXIS, second]), "forest": frame([*WOOD, square(200, 840, 300, 120)])}
    found = values(qp.open_workspace(broken(workspace, **more)), "corridor_continuity", "longest_100m")
    assert found["a"] == pytest.approx(100 * 900 / 1600, abs=0.1)


def test_what_is_covered_whatever_its_width(workspace: Maker) -> None:
    ws = qp.open_workspace(broken(workspace))
    found = values(ws, "corridor_continuity", "covered")
    # b without 100 m of houses; of the motorway's 40 m, the cells of two sections at most
    assert found["a"] == pytest.approx(90, abs=0.1)
    assert found["b"] == pytest.approx(86, abs=1.1)
    narrow = frame([square(0, 470, 2000, 60)])
    nothing = {"construction": frame([]), "roads": frame([], **{"class": []})}
    ws = qp.open_workspace(broken(workspace, forest=narrow, **nothing))
    assert values(ws, "corridor_continuity", "covered")["south"] == pytest.approx(100, abs=0.1)
    assert values(ws, "corridor_continuity", "longest_100m")["south"] == 0


def test_eroded_by_half_the_width(workspace: Maker) -> None:
    """A neck of 60 m from 400 to 600 m lets no disc of 100 m pass: a is broken, b isn't, the south is."""
    neck = frame([square(0, 425, 400, 150), square(400, 470, 200, 60), square(600, 425, 1400, 150)])
    nothing = {"construction": frame([]), "roads": frame([], **{"class": []})}
    found = values(qp.open_workspace(broken(workspace, forest=neck, **nothing)), "corridor_continuity", "eroded_100m")
    assert (found["a"], found["b"], found["south"]) == pytest.approx((0, 100, 0), abs=0.1)
    # a way round the neck lets it roll on
    round_ = frame([*neck.geometry, square(300, 500, 400, 200)])
    found = values(qp.open_workspace(broken(workspace, forest=round_, **nothing)), "corridor_continuity", "eroded_100m")
    assert (found["a"], found["south"]) == pytest.approx((100, 100), abs=0.1)


def test_gaps_by_barrier(workspace: Maker) -> None:
    ws = qp.open_workspace(broken(workspace))
    expected = {
        "all_100m": (1, 2, 3),
        "construction_100m": (0, 1, 1),
        "motorway_100m": (0, 1, 1),
        "no_corridor_land_100m": (1, 0, 1),
    }
    for definition, counts in expected.items():
        found = values(ws, "corridor_gaps", definition)
        assert (found["a"], found["b"], found["south"]) == counts, definition
        assert found["c"] == 0
    for wrong in ("barrier=moat", "min_width_m=x"):
        with pytest.raises(ConfigError):
            registry()["corridor_gaps"].definition(f"all_100m[{wrong}]")


def test_gaps_by_a_barrier_that_nobody_mapped(workspace: Maker) -> None:
    ws = qp.open_workspace(workspace(tables("forest"), corridor_axes=frame([AXIS]), forest=frame(WOOD)))
    chosen = {"corridor_gaps": ["all_100m", "construction_100m", "motorway_100m"]}
    rows = qp.assess(ws, definitions=chosen)["corridor_gaps"].set_index(["definition", "zone_id"])
    assert rows.loc[("all_100m", "a"), "value"] == 1
    for definition, lacking in (("construction_100m", "construction"), ("motorway_100m", "roads")):
        assert rows.loc[(definition, "a"), "status"] == "not_computable"
        assert lacking in rows.loc[(definition, "a"), "note"]


def test_gaps_are_drawn_as_stretches_with_what_breaks_them(workspace: Maker, tmp_path: Path) -> None:
    assert main(["run", str(broken(workspace)), "--out", str(tmp_path / "out")]) == 0
    gaps = gpd.read_file(tmp_path / "out" / "indicators.gpkg", layer="gaps").to_crs(4549)
    assert set(gaps["indicator"]) == {"corridor_full_width"}
    assert gaps["class_"].tolist() == ["gap_none", "gap_built", "gap_roads"]
    assert gaps["length_m"].tolist() == pytest.approx([100, 100, 50], abs=1)
    assert gaps["narrowest_m"].tolist() == [0, 0, 0]
    assert gaps.length.to_numpy() == pytest.approx(gaps["length_m"], rel=1e-3)
    page = (tmp_path / "out" / "map.html").read_text("utf-8")
    for words in ("缺口：生态廊道达标率", "建设用地", "高速公路", "非廊道用地或宽度不足"):
        assert words in page


def test_a_corridor_along_a_motorway_is_seen_beside_it(workspace: Maker) -> None:
    """The axis is a motorway of 40 m in a wood of 400 m: nothing on it, 180 m to either side that begin 20 m away."""
    along = {
        "forest": frame([square(0, 300, 2000, 400)]),
        "construction": frame([]),
        "roads": frame([AXIS], **{"class": ["motorway"]}),
    }
    ws = qp.open_workspace(broken(workspace, **along))
    for indicator, on, beside in (
        ("corridor_full_width", "net_100m", "net_100m_beside"),
        ("corridor_continuity", "longest_100m", "longest_100m_beside"),
    ):
        assert values(ws, indicator, on)["south"] == 0
        assert values(ws, indicator, beside)["south"] == pytest.approx(100, abs=0.1)
    assert values(ws, "corridor_full_width", "net_100m_beside[min_width_m=185]")["south"] == 0


def test_a_stretch_that_leaves_a_zone_and_comes_back_is_one() -> None:
    """The axis runs through both arms of a U: 300 m and 400 m; unbroken, though 300 m lie outside."""
    plane = Plane(121, 31)
    zone = shapely.union_all([box(0, 0, 1000, 400), box(0, 400, 300, 600), box(600, 400, 1000, 600)])
    axis = np.array([LineString([(0, 500), (1000, 500)])])
    zones = np.array([zone, box(5000, 0, 6000, 1000)])
    longest, length = longest_within(zones, axis, axis, np.array([0]), plane)
    assert longest.tolist() == length.tolist() == pytest.approx([700, 0], rel=1e-4)
    halves = np.array([LineString([(0, 500), (200, 500)]), LineString([(250, 500), (1000, 500)])])
    longest, _ = longest_within(zones, axis, halves, np.array([0, 0]), plane)
    assert longest[0] == pytest.approx(50 + 400, rel=1e-4)


spans = st.lists(st.tuples(st.integers(0, 38), st.integers(1, 12), st.sampled_from([60, 150])), max_size=6)


@settings(max_examples=8, deadline=None)
@given(spans, st.tuples(st.integers(0, 38), st.integers(1, 12), st.just(150)))
def test_the_longest_stretch_is_part_of_what_is_met_and_more_wood_never_shortens_it(drawn, more) -> None:
    def found(*woods: tuple[int, int, int]) -> dict[tuple[str, str], float]:
        shapes = [square(50 * x, 500 - wide / 2, 50 * long, wide) for x, long, wide in woods]
        with TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "qpgis.toml").write_text(HEAD + tables("forest"), encoding="utf-8")
            write(folder, {"towns": four_towns(), "corridor_axes": frame([AXIS]), "forest": frame(shapes)})
            chosen = {"corridor_full_width": ["net_100m"], "corridor_continuity": ["longest_100m"]}
            rows = qp.assess(qp.open_workspace(folder), definitions=chosen).table
        rows = rows[rows["indicator"].isin(chosen) & rows["zone_id"].isin(["a", "b", "south"])]
        return dict(zip(zip(rows["definition"], rows["zone_id"], strict=True), rows["value"], strict=True))

    before, after = found(*drawn), found(*drawn, more)
    for zone in ("a", "b", "south"):
        longest = before["longest_100m", zone]
        assert longest <= before["net_100m", zone] + HAIR
        assert after["longest_100m", zone] >= longest - HAIR
    assert before["longest_100m", "south"] >= max(before["longest_100m", zone] for zone in "ab") / 2 - 0.1
