"""Facilities in towns of a square kilometre, worked by hand: how many, and how much a head of which population."""

from __future__ import annotations

import math

import geopandas as gpd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import qpgis as qp
from qpgis.errors import ConfigError, MissingServices, NoneOfClass
from qpgis.indicators import registry
from qpgis.layers import Layer
from qpgis.parts import of_class
from qpgis.provenance import Grade, Source
from tests.conftest import Maker, frame, layer, square
from tests.test_access import at, values

FLOORS = layer("facilities", 'class_field = "class"', 'amount_field = "floor"', 'amount_unit = "m2"')
PEOPLE = "".join(layer(kind, 'amount_field = "people"') for kind in ("residents", "registered", "actual", "served"))
# 1000 residents, 500 of them in town b; 800 registered, 2000 present, 4000 served, all of these in a
POPULATIONS = {
    "residents": frame([at(10, 10), at(1010, 10)], people=[500, 500]),
    "registered": frame([at(10, 10)], people=[800]),
    "actual": frame([square(0, 0, 1000, 1000)], people=[2000]),
    "served": frame([at(20, 20)], people=[4000]),
}
BY_POPULATION = ("residents", "registered", "actual", "served")


def places(*rows: tuple[float, float, str, float | None]) -> gpd.GeoDataFrame:
    return frame([at(x, y) for x, y, *_ in rows], **{"class": [r[2] for r in rows], "floor": [r[3] for r in rows]})


@pytest.fixture
def town(workspace: Maker) -> qp.Workspace:
    """Town a: culture 400 m2, sports 600, elderly homes 1000 and 200, a clinic; town b: a hospital and a stadium."""
    facilities = places(
        (100, 100, "图书馆", 400),
        (200, 100, "体育馆", 600),
        (300, 100, "养老院", 1000),
        (400, 100, "日间照料中心", 200),
        (500, 100, "卫生站", 50),
        (600, 100, "小学", 3000),
        (1500, 100, "医院", 9000),
        (1600, 100, "体育场", 5000),
    )
    return qp.open_workspace(workspace(FLOORS + PEOPLE, facilities=facilities, **POPULATIONS))


@pytest.mark.parametrize(
    ("indicator", "in_a", "in_b"),
    [
        ("culture_sport_area_per_person", 1000, 5000),
        ("sports_area_per_person", 600, 5000),
        ("elderly_care_area_per_person", 1200, 0),
        ("elderly_care_per_10k", 2 * 10_000, 0),
        ("health_facilities_per_10k", 1 * 10_000, 1 * 10_000),
    ],
)
def test_a_head_of_each_population(town: qp.Workspace, indicator: str, in_a: float, in_b: float) -> None:
    found = {population: values(town, indicator, population) for population in BY_POPULATION}
    assert (found["residents"]["a"], found["residents"]["b"]) == pytest.approx((in_a / 500, in_b / 500))
    assert found["residents"]["south"] == pytest.approx((in_a + in_b) / 1000)
    assert found["registered"]["a"] == pytest.approx(in_a / 800)
    assert found["actual"]["a"] == pytest.approx(in_a / 2000)
    assert found["served"]["a"] == pytest.approx(in_a / 4000)
    assert math.isnan(found["registered"]["b"])  # nobody is registered there


def test_parks_and_built_land_by_population(workspace: Maker) -> None:
    """A park of a hectare and 20 ha of built land in town a."""
    tables = PEOPLE + layer("park") + layer("construction")
    made = {"park": frame([square(0, 0, 100, 100)]), "construction": frame([square(0, 0, 200, 1000)])}
    ws = qp.open_workspace(workspace(tables, **made, **POPULATIONS))
    for population, people in zip(BY_POPULATION, (500, 800, 2000, 4000), strict=True):
        assert values(ws, "park_area_per_person", population)["a"] == pytest.approx(10_000 / people, rel=1e-3)
        assert values(ws, "construction_area_per_person", population)["a"] == pytest.approx(200_000 / people, rel=1e-3)


def test_each_service_is_counted(town: qp.Workspace) -> None:
    counts = {"culture": (1, 0), "education": (1, 0), "elderly": (2, 0), "medical": (1, 1), "sports": (1, 1)}
    for service, expected in counts.items():
        found = values(town, "facility_count", service)
        assert (found["a"], found["b"]) == expected
        assert found["south"] == sum(expected)


def test_areas_are_summed_only_where_they_are_said_to_be_areas(workspace: Maker) -> None:
    facilities = places((100, 100, "图书馆", 400), (200, 100, "体育馆", 600))
    reasons = {
        FLOORS.replace('amount_unit = "m2"', ""): 'amount_unit = "m2"',
        FLOORS.replace('amount_unit = "m2"', 'amount_unit = "beds"'): 'amount_unit = "m2"',
        FLOORS.replace('amount_unit = "m2"', "").replace('amount_field = "floor"', ""): "amount_field",
    }
    for table, reason in reasons.items():
        ws = qp.open_workspace(workspace(table + PEOPLE, facilities=facilities, **POPULATIONS))
        rows = qp.assess(ws)["culture_sport_area_per_person"]
        assert rows["value"].isna().all()
        assert rows["note"].str.contains(reason, regex=False).all()


def test_people_are_not_square_metres(workspace: Maker) -> None:
    tables = FLOORS + layer("residents", 'amount_field = "people"', 'amount_unit = "m2"')
    facilities = places((100, 100, "图书馆", 400), (200, 100, "体育馆", 600))
    ws = qp.open_workspace(workspace(tables, facilities=facilities, residents=POPULATIONS["residents"]))
    note = qp.assess(ws)["culture_sport_area_per_person"]["note"].iloc[0]
    assert 'amount_unit = "people"' in note


def test_a_unit_without_a_field_is_a_mistake(workspace: Maker) -> None:
    with pytest.raises(ConfigError, match="amount_unit goes with amount_field"):
        qp.open_workspace(workspace(layer("facilities", 'amount_unit = "m2"'), facilities=places((1, 1, "小学", 1))))


def test_a_facility_without_its_area_is_named_and_adds_nothing(workspace: Maker) -> None:
    facilities = places((100, 100, "图书馆", 400), (150, 100, "文化站", None), (200, 100, "体育馆", 600))
    ws = qp.open_workspace(workspace(FLOORS + PEOPLE, facilities=facilities, **POPULATIONS))
    assert values(ws, "culture_sport_area_per_person", "residents")["a"] == pytest.approx(1000 / 500)
    assert [one.rule for one in ws.findings if one.layer == "facilities"] == ["amount_missing"]


def test_where_no_facility_has_its_area_there_is_no_value(workspace: Maker) -> None:
    """Of a and b, homes of 1000 m2 and of nobody knows how many; one more of those in c, where nobody lives."""
    homes = places((300, 100, "养老院", 1000), (400, 100, "养老院", None), (1300, 100, "养老院", None))
    ws = qp.open_workspace(workspace(FLOORS + PEOPLE, facilities=homes, **POPULATIONS))
    rows = qp.assess(ws, indicators=["elderly_care_area_per_person"])["elderly_care_area_per_person"]
    rows = rows.set_index("zone_id")
    assert rows["value"].dropna().to_dict() == pytest.approx({"a": 2, "south": 1, "all": 1})
    assert "有 1 个要素没有数量" in rows.loc["a", "note"]
    assert "有 2 个要素没有数量" in rows.loc["south", "note"]
    assert rows.loc["b", "status"] == "not_computable"
    assert rows.loc["b", "note"].endswith("1 个要素都没有数量")


def test_a_service_without_any_area_is_not_left_out_of_a_sum(workspace: Maker) -> None:
    both = places((300, 100, "图书馆", 400), (400, 100, "体育馆", None))
    ws = qp.open_workspace(workspace(FLOORS + PEOPLE, facilities=both, **POPULATIONS))
    for indicator in ("culture_sport_area_per_person", "sports_area_per_person"):
        rows = qp.assess(ws, indicators=[indicator])[indicator]
        assert rows["value"].isna().all()
        assert set(rows["note"].str[:8]) == {"体育设施都没有面"}


def test_a_service_that_nobody_listed_is_not_none(workspace: Maker) -> None:
    ws = qp.open_workspace(workspace(FLOORS + PEOPLE, facilities=places((1, 1, "小学", 1)), **POPULATIONS))
    rows = qp.assess(ws)["elderly_care_per_10k"]
    assert rows["value"].isna().all()
    assert rows["note"].str.contains("养老").all()


CODES = layer("landuse", 'class_field = "code"', 'scheme = "{}"')
PUBLIC = '[layers.public_land]\nfrom = "landuse"\n'


def test_land_for_culture_and_sports(workspace: Maker) -> None:
    """Town a: 1 ha for culture, 2 ha for sports, 4 ha for schools; 500 people."""
    parcels = [square(0, 0, 100, 100), square(100, 0, 200, 100), square(300, 0, 400, 100)]
    made = {"landuse": frame(parcels, code=["080302", "0805", "0804"]), "residents": POPULATIONS["residents"]}
    ws = qp.open_workspace(
        workspace(CODES.format("ydyh_2023") + PUBLIC + layer("residents", 'amount_field = "people"'), **made)
    )
    found = values(ws, "culture_sport_area_per_person", "land_residents")
    assert found["a"] == pytest.approx(30_000 / 500, rel=1e-3)
    assert values(ws, "sports_area_per_person", "land_residents")["a"] == pytest.approx(20_000 / 500, rel=1e-3)


@pytest.mark.parametrize("codes", [["08H2", "0101"], ["08H2", "08H1"]])
def test_the_land_survey_cannot_tell_culture_from_schools(workspace: Maker, codes: list[str]) -> None:
    parcels = frame([square(0, 0, 1000, 500), square(0, 500, 1000, 500)], code=codes)
    tables = CODES.format("sandiao") + PUBLIC + layer("residents", 'amount_field = "people"')
    ws = qp.open_workspace(workspace(tables, landuse=parcels, residents=POPULATIONS["residents"]))
    rows = qp.assess(ws, definitions={"sports_area_per_person": ["land_residents"]})["sports_area_per_person"]
    assert rows["value"].isna().all()
    assert rows["note"].str.contains("公共服务用地").all()


def test_none_of_a_class_is_none_only_where_all_are_classed() -> None:
    import numpy as np
    import pandas as pd
    import shapely

    def built(*classes: str) -> Layer:
        rows = pd.DataFrame({"feature_id": [str(n) for n in range(len(classes))], "name": "", "class_": list(classes)})
        shapes = np.array([shapely.box(n, 0, n + 1, 1) for n in range(len(classes))], dtype=object)
        return Layer("construction", rows, shapes, Source("x", Grade.SURVEYED), None, "x")

    assert len(of_class(built("housing", "industry"), ("storage",))) == 0
    with pytest.raises(NoneOfClass, match="storage"):
        of_class(built("housing", ""), ("storage",))
    assert len(of_class(built("storage", ""), ("storage",))) == 1
    with pytest.raises(NoneOfClass):
        of_class(built("housing"), ("storage",), complete=False)


@given(st.lists(st.sampled_from(["culture", "sports", "clinic"]), min_size=0, max_size=8))
def test_a_service_is_asked_for_by_its_classes(classes: list[str]) -> None:
    """The layers that are given decide: every facility of a class counts, in any order."""
    import numpy as np
    import pandas as pd
    import shapely

    ids = [str(n) for n in range(len(classes))]
    rows = pd.DataFrame({"feature_id": ids, "name": "", "class_": classes}).astype("str")
    points = np.array([shapely.Point(n, 0) for n in range(len(classes))], dtype=object)
    facilities = Layer("facilities", rows, points, Source("x", Grade.SURVEYED), None, "x")
    one = registry()["facility_count"]
    if classes and "sports" not in classes:
        with pytest.raises(MissingServices):
            one({"facilities": facilities}, one.definition("sports"))
    else:
        (part,) = one({"facilities": facilities}, one.definition("sports")).parts()
        assert len(part.layers[0]) == classes.count("sports")


def test_a_clinic_and_a_library_in_one_place_are_no_repetition(workspace: Maker) -> None:
    classes = ["卫生站", "图书馆", "图书馆", "养老院"]
    made = places(*((100, 100, one, 50) for one in classes))
    found = [one for one in qp.open_workspace(workspace(FLOORS, facilities=made)).findings if "dup" in one.rule]
    assert [(one.rule, one.feature_id, one.value) for one in found] == [("duplicate_geometry", "2; 3", "2")]
