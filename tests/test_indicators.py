"""Each indicator and definition on four towns of a kilometre square, worked by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
from shapely import LineString

import qpgis as qp
from qpgis.errors import ConfigError
from qpgis.indicators import registry
from tests.conftest import EAST, NORTH, Maker, frame, layer, square

KINDS = ("water", "wetland", "farmland", "orchard", "forest", "grass", "park")
PLANAR = 1e-3
"""Relative: a planar square kilometre of EPSG:4549 here is 0.99975 km2 on the ellipsoid; shares hardly notice."""


def value(result: qp.Result, indicator: str, zone: str, definition: str | None = None) -> float:
    table = result[indicator]
    rows = table[(table["zone_id"] == zone) & ((table["definition"] == definition) | (definition is None))]
    return float(rows["value"].iloc[0])


def line(*points: tuple[float, float]) -> LineString:
    return LineString([(EAST + x, NORTH + y) for x, y in points])


@pytest.fixture
def green(workspace: Maker) -> qp.Result:
    """Town a: strips from south to north, forest over half of the orchard, a park over forest and grass."""
    strips = {
        "water": [square(0, 0, 1000, 200), square(1000, 0, 1000, 500)],
        "wetland": [square(0, 200, 1000, 100)],
        "farmland": [square(0, 300, 1000, 200)],
        "orchard": [square(0, 500, 1000, 100)],
        "forest": [square(0, 550, 1000, 150), square(1000, 400, 1000, 200)],
        "grass": [square(0, 700, 1000, 100)],
        "park": [square(0, 650, 1000, 100)],
    }
    layers = {kind: frame(shapes, kind=["river", "pond"][: len(shapes)]) for kind, shapes in strips.items()}
    toml = "".join(layer(kind, 'class_field = "kind"' if kind == "water" else "") for kind in KINDS)
    ws = qp.open_workspace(workspace(toml, **layers))
    return qp.assess(ws, definitions={name: ["all"] for name in registry() if name != "road_density"})


def test_blue_green_share(green: qp.Result) -> None:
    # town a from south to north: water 0-200, wetland 200-300, farmland 300-500, orchard 500-600, forest 550-700,
    # park 650-750, grass 700-800: the union is 0-800 of 1000
    assert value(green, "blue_green_share", "a", "non_built_and_parks") == pytest.approx(80, rel=PLANAR)
    assert value(green, "blue_green_share", "a", "non_built") == pytest.approx(80, rel=PLANAR)
    # without farmland 300-500 and orchard: 0-300 and 550-800
    assert value(green, "blue_green_share", "a", "ecological_only") == pytest.approx(55, rel=PLANAR)
    assert value(green, "blue_green_share", "d", "non_built_and_parks") == 0
    # south = towns a and b; b: pond 0-500 and forest 400-600 = 0-600
    assert value(green, "blue_green_share", "south", "non_built_and_parks") == pytest.approx(70, rel=PLANAR)


def test_forest_cover(green: qp.Result) -> None:
    assert value(green, "forest_cover", "a") == pytest.approx(15, rel=PLANAR)
    assert value(green, "forest_cover", "south") == pytest.approx(17.5, rel=PLANAR)
    # a: 15 of land 80; b: its water is a pond, so all of it is land by default
    assert value(green, "forest_cover_of_land", "a", "rivers_lakes_reservoirs") == pytest.approx(
        15 / 80 * 100, rel=PLANAR
    )
    assert value(green, "forest_cover_of_land", "b", "rivers_lakes_reservoirs") == pytest.approx(20, rel=PLANAR)
    # b, all water out: forest 500-600 on land 500-1000
    assert value(green, "forest_cover_of_land", "b", "all_water") == pytest.approx(20, rel=PLANAR)
    assert value(green, "forest_cover_of_land", "south", "all_water") == pytest.approx(
        (150 + 100) / (800 + 500) * 100, rel=PLANAR
    )


def test_water_surface_share(green: qp.Result) -> None:
    # the river of a ends at the border of b; a sliver of micrometres may lie beyond it
    assert value(green, "water_surface_share", "b", "rivers_lakes_reservoirs") == pytest.approx(0, abs=1e-6)
    assert value(green, "water_surface_share", "b", "with_ponds") == pytest.approx(50, rel=PLANAR)
    assert value(green, "water_surface_share", "south", "all_water") == pytest.approx(35, rel=PLANAR)


def test_road_density(workspace: Maker) -> None:
    # a dual carriageway 20 m apart through a and b, its northern lane 1200 m long; a road on the border of a and c
    roads = frame(
        [
            line((0, 500), (2000, 500)),
            line((1200, 520), (0, 520)),
            line((0, 1000), (1000, 1000)),
            line((0, 100), (1000, 100)),
        ],
        kind=["高速", "高速", "县道", "村道"],
        way=[True, True, False, False],
        number=["G50", "G50", "X1", "C1"],
        status=["现状", "现状", "现状", "规划"],
    )
    toml = layer(
        "roads",
        'class_field = "kind"',
        'oneway_field = "way"',
        'ref_field = "number"',
        'status_field = "status"',
        'class_map = {"高速" = "motorway", "县道" = "secondary", "村道" = "unclassified"}',
    )
    toml += layer("water", 'class_field = "kind"')
    toml += layer("construction")
    toml += (
        '[definitions]\nroad_density = ["centreline", "carriageway", "centreline[denominator=land, water_classes=all]"'
    )
    toml += ', "carriageway[classes=secondary]", "centreline[denominator=construction]"'
    toml += ', "centreline[opposite_within_m=10]"]\n'
    water, built = frame([square(0, 0, 1000, 200)], kind=["river"]), frame([square(0, 0, 500)])
    result = qp.assess(qp.open_workspace(workspace(toml, roads=roads, water=water, construction=built)))

    def km(definition: str, zone: str = "a") -> float:
        table = result["road_density"]
        row = table[(table["zone_id"] == zone) & (table["definition"] == definition)]
        return float(row["numerator"].iloc[0])

    assert km("carriageway") == pytest.approx(1 + 1 + 0.5, rel=PLANAR)
    assert km("centreline") == pytest.approx(0.5 + 0.5 + 0.5, rel=PLANAR)
    # in b the southern lane is paired up to the end of the northern one and sqrt(40^2 - 20^2) m beyond it
    beyond = (40**2 - 20**2) ** 0.5 / 1000
    assert km("centreline", "b") == pytest.approx(0.5 * (0.2 + beyond) + (0.8 - beyond) + 0.5 * 0.2, rel=PLANAR)
    assert km("centreline[opposite_within_m=10]") == pytest.approx(2.5, rel=PLANAR)
    assert km("carriageway[classes=secondary]", "c") == pytest.approx(0.5, rel=PLANAR)
    assert value(result, "road_density", "a", "carriageway") == pytest.approx(2.5, rel=PLANAR)
    assert value(result, "road_density", "a", "centreline[denominator=land, water_classes=all]") == pytest.approx(
        1.5 / 0.8, rel=PLANAR
    )
    assert value(result, "road_density", "a", "centreline[denominator=construction]") == pytest.approx(
        1.5 / 0.25, rel=PLANAR
    )
    assert value(result, "road_density", "all", "carriageway") == pytest.approx((2 + 1.2 + 1) / 4, rel=PLANAR)


@pytest.mark.parametrize("indicator", registry().values(), ids=lambda one: one.id)
def test_every_indicator_keeps_the_contract(indicator: qp.Result) -> None:
    from qpgis.errors import ConfigError, MissingLayer
    from qpgis.layers import AbsentLayer

    assert indicator.zh
    assert indicator.en
    assert "Formula" in (indicator.function.__doc__ or "")
    names = [d.name for d in indicator.definitions]
    assert len(set(names)) == len(names)
    for definition in indicator.definitions:
        assert definition.zh
        assert definition.en
        assert set(definition.settings) <= set(indicator.settings)
        with pytest.raises(MissingLayer):
            indicator({kind: AbsentLayer(kind) for kind in indicator.layers}, definition)
    with pytest.raises(ConfigError, match=r"unknown definition 'nonsense'"):
        indicator.definition("nonsense")


@pytest.mark.parametrize(
    "setting",
    [
        f"{one.id} {one.definitions[0].name}[{setting}="
        for one in registry().values()
        for setting, default in one.settings.items()
        if isinstance(default, float)
    ],
)
def test_no_setting_is_endless(setting: str) -> None:
    indicator, definition = setting.split()
    for value in ("nan", "inf", "1e400"):
        with pytest.raises(ConfigError, match=r"is no number|is no float"):
            registry()[indicator].definition(f"{definition}{value}]")


@pytest.mark.parametrize(
    "text",
    [
        "living_circle_15min people_all[snap_within_m=0]",
        "living_circle_15min people_all_straight[detour=0]",
        "living_circle_15min area_all[beside_m=-1]",
        "living_circle_15min people_all[at_least=-1]",
        "living_circle_15min people_all[speed_m_s=1e300]",
        "rail_station_coverage people_800m[exits_within_m=-1]",
        "corridor_full_width net_100m[min_width_m=-1]",
        "road_density centreline[opposite_within_m=1e300]",
    ],
)
def test_settings_that_nothing_can_be_measured_with(text: str) -> None:
    name, definition = text.split()
    with pytest.raises(ConfigError, match=r"is no number of metres|it is 1 or more|0 means all"):
        registry()[name].definition(definition)


def test_a_changed_setting_keeps_every_digit_in_its_name() -> None:
    park = registry()["park_service_radius"]
    assert park.definition("residential_land[large_m2=12345678]").name == "residential_land[large_m2=12345678]"
    assert park.definition("residential_land[small_m2=0.1]").name == "residential_land[small_m2=0.1]"


def test_a_forest_of_its_own_beside_parcels(workspace: Maker) -> None:
    """Town a: parcels of forest and farmland, half each; the forest layer shows a tenth, on the parcel of forest."""
    parcels = frame([square(0, 0, 1000, 500), square(0, 500, 1000, 500)], code=["0301", "0101"])
    tables = (
        layer("landuse", 'class_field = "code"', 'scheme = "sandiao"')
        + layer("forest")
        + "".join(
            f'[layers.{kind}]\nfrom = "landuse"\n'
            for kind in ("water", "wetland", "farmland", "orchard", "grass", "park")
        )
    )
    ws = qp.open_workspace(workspace(tables, landuse=parcels, forest=frame([square(0, 0, 1000, 100)])))
    names = ["non_built_and_parks", "by_parcels"]
    found = qp.assess(ws, definitions={"blue_green_share": names})["blue_green_share"]
    in_a = found[found["zone_id"] == "a"].set_index("definition")
    assert in_a["value"].to_dict() == pytest.approx({"non_built_and_parks": 60, "by_parcels": 100}, rel=1e-3)
    assert "林地取自专题图层" in in_a.loc["non_built_and_parks", "note"]
    assert "专题图层" not in in_a.loc["by_parcels", "note"]


def test_the_readme_names_every_indicator() -> None:
    readme = (Path(__file__).resolve().parents[1] / "README.md").read_text(encoding="utf-8")
    assert [one for one in registry() if f"`{one}`" not in readme] == []
