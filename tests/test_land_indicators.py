"""Land and parks in towns of a square kilometre, worked by hand."""

from __future__ import annotations

import math

import pytest

import qpgis as qp
from tests.conftest import Maker, frame, layer, square
from tests.test_access import at, values


def test_built_land_is_a_share_and_a_sum(workspace: Maker) -> None:
    built = frame([square(0, 0, 500, 1000), square(400, 0, 200, 1000), square(1000, 0, 250, 1000)])
    ws = qp.open_workspace(workspace(layer("construction"), construction=built))
    share = values(ws, "development_intensity", "total_area")
    assert (share["a"], share["b"], share["c"]) == pytest.approx((60, 25, 0), rel=1e-4, abs=1e-6)
    area = values(ws, "construction_area", "drawn")
    assert area["south"] == pytest.approx(0.85, rel=1e-3)  # 4549 stretches by 0.02 %
    rows = qp.assess(ws)["construction_area"].set_index("zone_id")
    assert rows.loc["south", "numerator"] == rows.loc["a", "numerator"] + rows.loc["b", "numerator"]
    assert math.isnan(rows.loc["south", "denominator"])


def test_farmland_is_what_is_drawn(workspace: Maker) -> None:
    ws = qp.open_workspace(workspace(layer("farmland"), farmland=frame([square(0, 0, 100, 1000)])))
    assert values(ws, "farmland_area", "drawn")["a"] == pytest.approx(0.1, rel=1e-3)


def test_parks_a_head(workspace: Maker) -> None:
    tables = layer("park") + layer("residents", 'amount_field = "people"')
    people = frame([at(10, 10), at(1010, 10)], people=[500, 1500])
    ws = qp.open_workspace(workspace(tables, park=frame([square(0, 0, 100, 100)]), residents=people))
    found = values(ws, "park_area_per_person", "residents")
    assert (found["a"], found["b"], found["south"]) == pytest.approx((20, 0, 5), rel=1e-3)
    assert math.isnan(found["c"])


def test_parks_serve_by_their_size(workspace: Maker) -> None:
    """A strip of homes 900 m long; a park of 6000 m2 at its western end reaches 500 m of it, one of 3000 m2 300 m."""
    homes = frame([square(100, 0, 900, 10)])
    tables = layer("park") + layer("residential")
    for parks, reached in (
        ([square(0, 0, 100, 60)], 500),
        ([square(0, 0, 100, 30)], 300),
        ([square(0, 0, 100, 19)], 0),
        ([square(0, 0, 100, 30), square(0, 30, 100, 30)], 500),  # two that touch are one
    ):
        ws = qp.open_workspace(workspace(tables, park=frame(parks), residential=homes))
        assert values(ws, "park_service_radius", "residential_land")["a"] == pytest.approx(
            100 * reached / 900, abs=0.05
        )


def test_a_park_beyond_the_border_serves_too(workspace: Maker) -> None:
    tables = layer("park") + layer("residential")
    made = {"park": frame([square(1000, 0, 100, 100)]), "residential": frame([square(600, 0, 200, 100)])}
    ws = qp.open_workspace(workspace(tables, **made))
    assert values(ws, "park_service_radius", "residential_land")["a"] == pytest.approx(100)
