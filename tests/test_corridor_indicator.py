"""How much of a corridor has its width, on strips that can be measured with a ruler."""

from __future__ import annotations

import pytest
from shapely import LineString

import qpgis as qp
from tests.conftest import EAST, NORTH, Maker, frame, layer, square
from tests.test_access import values

AXIS = LineString([(EAST, NORTH + 500), (EAST + 2000, NORTH + 500)])
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
    broken = workspace(tables("forest", "water") + layer("construction"), construction=built, **made)
    found = values(qp.open_workspace(broken), "corridor_full_width", "net_100m")
    assert found["a"] == pytest.approx(90, abs=2.6)  # sections stand every 25 m
    assert found["b"] == pytest.approx(100, abs=0.1)
    missed = qp.assess(qp.open_workspace(broken)).missed["corridor_full_width", "net_100m"]
    assert sum(one.length for part in missed for one in part.geometry) == pytest.approx(100, abs=26)
