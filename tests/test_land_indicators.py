"""Land and parks in towns of a square kilometre, worked by hand."""

from __future__ import annotations

import math

import pytest

import qpgis as qp
from qpgis.landuse import class_words, scheme
from tests.conftest import Maker, frame, layer, square
from tests.test_access import STREET, at, streets, values


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


def test_parks_within_five_minutes_on_foot(workspace: Maker) -> None:
    """A street along y = 500, a park on it, homes at (450, 505) and (430, 520); a walk is 360 m at most.

    To a park from x = 800 on it is 5 + 350 m from the one home, 20 + 370 m from the other.
    """
    homes = [square(445, 500, 10), square(425, 500, 10, 40)]  # 100 and 400 m2
    made = {
        "roads": streets(STREET),
        "residential": frame(homes),
        "residents": frame([one.centroid for one in homes], people=[30, 70]),
    }
    tables = layer("park") + layer("residential") + layer("roads", 'class_field = "class"')
    tables += layer("residents", 'amount_field = "people"')
    for park, reached, straight in (
        (square(800, 500, 21), 20, 0),  # of 441 m2
        (square(800, 500, 19), 0, 0),  # too small
        (square(700, 500, 21), 100, 100),
        (square(724, 500, 21), 100, 30),  # 274 m and 294 m as the crow flies, 277 is near enough
    ):
        ws = qp.open_workspace(workspace(tables, park=frame([park]), **made))
        assert values(ws, "park_walk_5min", "residential_land")["a"] == pytest.approx(reached, abs=0.05)
        assert values(ws, "park_walk_5min", "people")["a"] == (30 if reached == 20 else reached)
        assert values(ws, "park_walk_5min", "people_straight")["a"] == straight
    plaza = layer("optional", 'class_field = "class"')
    square_ = frame([square(800, 500, 21)], **{"class": ["广场"]})
    ws = qp.open_workspace(workspace(tables + plaza, park=frame([square(800, 500, 19)]), optional=square_, **made))
    assert values(ws, "park_walk_5min", "people")["a"] == 30


def test_a_park_beyond_the_border_serves_too(workspace: Maker) -> None:
    tables = layer("park") + layer("residential")
    made = {"park": frame([square(1000, 0, 100, 100)]), "residential": frame([square(600, 0, 200, 100)])}
    ws = qp.open_workspace(workspace(tables, **made))
    assert values(ws, "park_service_radius", "residential_land")["a"] == pytest.approx(100)


USES = ("housing", "public", "commercial", "industry", "storage", "transport", "utility", "open_space", "other_built")
SURVEYED = layer("landuse", 'class_field = "code"', 'scheme = "sandiao"') + '[layers.construction]\nfrom = "landuse"\n'


def test_built_land_by_use(workspace: Maker) -> None:
    """Strips of the survey's codes, each a hectare a code: two of housing, and so on; the rest is fields."""
    codes = ["0701", "0702", "08H1", "08H2", "05H1", "0601", "0508", "1003", "0809", "1109", "0810", "09", "1201"]
    hectares = dict(zip(USES, (2, 2, 1, 1, 1, 1, 2, 1, 2), strict=True))
    strips = [square(0, 10 * n, 1000, 10) for n in range(len(codes))]
    rest = square(0, 10 * len(codes), 1000, 1000 - 10 * len(codes))
    parcels = frame([*strips, rest, square(1000, 0, 1000, 1000)], code=[*codes, "0101", "0101"])
    ws = qp.open_workspace(workspace(SURVEYED, landuse=parcels))
    for use in USES:
        found = values(ws, "construction_use_area", use)
        assert (found["a"], found["b"]) == pytest.approx((hectares[use] / 100, 0), rel=1e-3, abs=1e-9)
        share = values(ws, "construction_use_share", use)
        assert share["a"] == pytest.approx(100 * hectares[use] / 13, rel=1e-4)
        assert math.isnan(share["b"])  # nothing is built there
    total = sum(values(ws, "construction_use_area", use)["a"] for use in USES)
    assert total == pytest.approx(values(ws, "construction_area", "drawn")["a"], rel=1e-9)


def test_a_use_that_the_codes_do_not_tell_is_not_none(workspace: Maker) -> None:
    """05 alone may be shops or storage: neither can be said, though it is built."""
    parcels = frame([square(0, 0, 1000, 500), square(0, 500, 1000, 500)], code=["05", "0701"])
    ws = qp.open_workspace(workspace(SURVEYED, landuse=parcels))
    result = qp.assess(ws, definitions={"construction_use_area": ["storage", "housing"]})["construction_use_area"]
    rows = result[result["zone_id"] == "a"].set_index("definition")
    assert math.isnan(rows.loc["storage", "value"])
    assert "仓储用地" in rows.loc["storage", "note"]
    assert rows.loc["housing", "value"] == pytest.approx(0.5, rel=1e-3)
    assert "没有类别" in rows.loc["housing", "note"]


@pytest.mark.parametrize("name", ["sandiao", "gbt21010_2017", "ydyh_2020", "ydyh_2023"])
def test_every_built_code_has_one_use_but_for_those_above_several(name: str) -> None:
    table = scheme(name)
    built = [code for code, row in table.classes.items() if row.construction]
    uses = table.members("construction", built)
    unclear = {code for code, use in uses.items() if not use}
    below = {code: {uses[one] for one in built if one.startswith(code) and one != code} for code in unclear}
    assert all(len(found) > 1 for found in below.values()), below
    assert set(uses.values()) - {""} == set(USES) == set(class_words("construction").values())
