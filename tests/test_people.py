"""People as points and as polygons: both are counted by what they stand for, polygons by their ground."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from shapely import GeometryCollection

import qpgis as qp
from qpgis.measures.points import amount_contributions, count_contributions
from tests.conftest import Maker, frame, layer, square
from tests.test_access import at, services, values

PEOPLE = layer("residents", 'amount_field = "people"')
PARK = layer("park")


def people(ws: qp.Workspace) -> dict[str, float]:
    """The denominators of park area a head, zone by zone."""
    found = qp.assess(ws)["park_area_per_person"]
    return dict(zip(found["zone_id"], found["denominator"], strict=True))


def test_a_town_table_on_town_polygons_is_exact(workspace: Maker) -> None:
    """Towns a and b are squares of 1000 m; what stands in their row is what they have."""
    towns = frame([square(0, 0, 1000, 1000), square(1000, 0, 1000, 1000)], people=[12345, 67890])
    ws = qp.open_workspace(workspace(PARK + PEOPLE, park=frame([square(0, 0, 10, 10)]), residents=towns))
    found = people(ws)
    assert (found["a"], found["b"], found["south"]) == (12345, 67890, 80235)


def test_a_polygon_across_a_border_is_prorated_and_points_stand_beside(workspace: Maker) -> None:
    """A quarter of the field lies in town a, three quarters in b; 7 more people live at a point in a."""
    mixed = frame([square(900, 0, 400, 100), at(10, 10)], people=[1000, 7])
    ws = qp.open_workspace(workspace(PARK + PEOPLE, park=frame([square(0, 0, 10, 10)]), residents=mixed))
    found = people(ws)
    assert (found["a"], found["b"]) == pytest.approx((257, 750), rel=1e-6)


def test_of_a_collection_the_ground_is_taken(workspace: Maker) -> None:
    both = GeometryCollection([square(0, 0, 100, 100), at(1500, 10)])
    ws = qp.open_workspace(
        workspace(PARK + PEOPLE, park=frame([square(0, 0, 10, 10)]), residents=frame([both], people=[50]))
    )
    assert people(ws)["a"] == pytest.approx(50)
    assert [one.rule for one in ws.findings if one.layer == "residents"] == ["parts_left_out"]


def test_near_a_stop_are_the_people_of_the_ground_near_it(workspace: Maker) -> None:
    """A field of 200 m by 1 m begins at the stop: 150 m of it are within 150 m; so is one of two points."""
    mixed = frame([square(500, 500, 200, 0.01), at(500, 640), at(500, 660)], people=[200, 30, 70])
    tables = PEOPLE + layer("facilities", 'class_field = "class"')
    ws = qp.open_workspace(workspace(tables, residents=mixed, facilities=services((500, 500, "公交站"))))
    found = values(ws, "bus_stop_coverage", "people_300m[limit_m=150]")
    assert found["a"] == pytest.approx(100 * (150 + 30) / 300, rel=1e-3)


polygons = st.lists(st.tuples(st.integers(0, 900), st.integers(1, 400), st.integers(0, 500)), min_size=1, max_size=5)


@given(polygons, st.permutations(range(6)))
def test_amounts_add_up_over_zones_in_any_order(fields: list[tuple[int, int, int]], order: list[int]) -> None:
    shapes = np.array([shapely.box(x, 10, x + w, 20) for x, w, _ in fields] + [shapely.Point(5, 5)], dtype=object)
    amounts = np.array([n for _, _, n in fields] + [3.0])
    zones = np.array([shapely.box(0, 0, 500, 100), shapely.box(500, 0, 2000, 100)], dtype=object)
    sums = amount_contributions(zones, shapes, amounts).per_zone()
    whole = amount_contributions(np.array([shapely.box(0, 0, 2000, 100)], dtype=object), shapes, amounts).per_zone()
    assert sum(sums) == pytest.approx(whole[0], abs=len(fields) + 1)
    assert whole[0] == pytest.approx(amounts.sum() * 1e6, abs=len(fields) + 1)
    mixed = np.array([n for n in order if n <= len(fields)])
    assert amount_contributions(zones, shapes[mixed], amounts[mixed]).per_zone() == sums


def test_polygons_count_once_where_a_point_of_them_lies() -> None:
    zones = np.array([shapely.box(0, 0, 100, 100), shapely.box(100, 0, 200, 100)], dtype=object)
    across = np.array([shapely.box(90, 10, 180, 20), shapely.box(10, 10, 20, 20)], dtype=object)
    assert count_contributions(zones, across).per_zone() == [1_000_000, 1_000_000]


def test_more_people_than_there_can_be_are_not_counted(workspace: Maker) -> None:
    homes = frame([at(100, 100), at(200, 200)], people=["10", "1e300"])
    ws = qp.open_workspace(workspace(PEOPLE, residents=homes))
    (found,) = [one for one in ws.findings if one.rule == "amount_impossible"]
    assert (found.feature_id, found.severity) == ("2", "error")
    assert ws.layers["residents"].frame["amount"].sum() == 10
