"""The planning map: what its classes and display copies are, and what the page does in a real browser."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import folium
import folium.plugins
import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from shapely.geometry import GeometryCollection, LineString, MultiPolygon, Point, Polygon, box

from qpgis import catalogue, styles
from qpgis.errors import CRSError, OutputError, ZoneError
from qpgis.maps import Notice, Scene, SceneLayer, html, planning_map
from qpgis.maps.offline import OfflineMap, script_json
from qpgis.maps.thematic import LayerControl, _parts, class_breaks, display_copy, layer_json, pack, roundest, zones_json
from tests.browser import CHROMIUM, FLAGS

HOSTILE = (
    "<script>window.hacked=1</script></script><img src=x onerror='window.hacked=1'>"
    "\"'`${1}\u2028{{7*7}}{% raw %}{# c #}&amp;"
)

# Four towns, 2 x 2, about one kilometre wide; one group of all four.
TOWNS = [("t1", 121.00, 31.00), ("t2", 121.01, 31.00), ("t3", 121.00, 31.01), ("t4", 121.01, 31.01)]


def value_row(indicator: str, definition: str, zone: str, value: float, **more: str) -> dict:
    """One row of `Scene.values`."""
    return {
        "indicator": indicator,
        "indicator_name": {"green": "绿地占比", "roads": "道路网密度"}[indicator],
        "definition": definition,
        "definition_text": {"wide": "含水域", "narrow": "不含水域", "centre": "按中心线"}[definition],
        "zone_id": zone,
        "level": "town" if zone.startswith("t") else "group",
        "value": value,
        "value_text": f"{value:.1f} %",
        "unit": "%" if indicator == "green" else "km/km2",
        "status": "met",
        "status_text": "已达标",
        "target_text": "不低于 40%",
        "grade": "schematic" if indicator == "green" else "official",
        "grade_said": "示意" if indicator == "green" else "正式",
        "note": "",
        **more,
    }


def scene(name: str = "金泽镇", lang: catalogue.Lang = "zh") -> Scene:
    """A scene small enough to count by hand; the first town, the title and a river bear `name`."""
    zones = gpd.GeoDataFrame(
        {
            "zone_id": [town for town, _, _ in TOWNS] + ["g"],
            "zone_name": [name, "朱家角镇", "练塘镇", "赵巷镇", "青西"],
            "level": ["town"] * 4 + ["group"],
            "show_人口": ["31000", "", "", "", ""],
        },
        geometry=[box(x, y, x + 0.01, y + 0.01) for _, x, y in TOWNS] + [box(121.0, 31.0, 121.02, 31.02)],
        crs=4326,
    )
    rows = [value_row("green", "wide", "g", 41.0), value_row("green", "narrow", "g", 20.0)]
    for town, wide, narrow, roads in [
        ("t1", 10.0, 35.0, 0.0),
        ("t2", 20.0, 25.0, 2.0),
        ("t3", 30.0, 15.0, 4.0),
        ("t4", float("nan"), 5.0, 6.0),
    ]:
        note = {"note": "缺少林地图层", "value_text": ""} if town == "t4" else {}
        rows.append(value_row("green", "wide", town, wide, **note))
        rows.append(value_row("green", "narrow", town, narrow))
        rows.append(value_row("roads", "centre", town, roads))
    layers = (
        SceneLayer("water", "水域", rivers(name), "schematic", "示意"),
        SceneLayer("forest", name, rivers("林"), "modelled", "模拟"),
        SceneLayer("stations", "站点", points(), "synthetic", "合成"),
    )
    return Scene(name, zones, pd.DataFrame(rows), layers, ("示意，不作划界依据", "内部使用 未经审核不得公开"), lang)


def rivers(name: str) -> gpd.GeoDataFrame:
    """A polygon in the second town, and a planned line."""
    return gpd.GeoDataFrame(
        {"feature_id": ["w1", "w2"], "name": [name, None], "plan_status": ["现状", "规划"], "owner": "机密"},
        geometry=[box(121.013, 31.003, 121.015, 31.005), LineString([(121.0, 31.0), (121.02, 31.02)])],
        crs=4326,
    )


def points() -> gpd.GeoDataFrame:
    """Two stations without any attribute."""
    return gpd.GeoDataFrame(geometry=[Point(121.002, 31.018), Point(121.018, 31.002)], crs=4326)


# ---- classes ----


@pytest.mark.parametrize(
    ("low", "high", "wanted"),
    [(11.7, 23.4, "20"), (-0.2, 0.3, "0"), (0.123, 0.124, "0.124"), (99.0, 101.0, "100"), (-30.0, -11.0, "-20")],
)
def test_roundest_has_the_fewest_digits_above_low_and_up_to_high(low: float, high: float, wanted: str) -> None:
    assert format(roundest(low, high), "f") == wanted


def test_breaks_of_four_values_by_hand() -> None:
    # Quintiles of four values start at the 1st (dropped: nothing lies below), 2nd, 3rd and 4th value.
    assert [str(edge) for edge in class_breaks(np.array([10.0, 20.0, 30.0, 40.0]))] == ["2E+1", "3E+1", "4E+1"]


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("size", [1, 2, 5, 11, 200, 1000])
def test_no_class_is_empty_even_among_ties(seed: int, size: int) -> None:
    values = np.random.default_rng(seed).normal(0, 10, size).round(seed % 3 - 1)
    values[: size // 3] = 0
    edges = np.array([float(edge) for edge in class_breaks(values)])
    assert len(edges) <= 4
    counts = np.bincount(np.searchsorted(edges, values, side="right"), minlength=len(edges) + 1)
    assert (counts > 0).all()


def test_no_values_have_no_breaks() -> None:
    assert class_breaks(np.array([])) == ()


def test_missing_is_no_class_and_zero_is_one() -> None:
    towns = {series["definition"]: series["levels"]["town"] for series in zones_json(scene())["series"]}
    assert towns["wide"]["class"][3] == -1
    assert towns["centre"]["class"] == [0, 1, 2, 3]
    assert "group" not in zones_json(scene())["series"][2]["levels"]


def test_only_one_value_is_named_in_the_legend() -> None:
    group = zones_json(scene())["series"][0]["levels"]["group"]
    assert group["labels"] == ["41.0 %"]
    assert len(group["colours"]) == 1


# ---- what reaches the page ----


def unroll(flat: list[int]) -> np.ndarray:
    return np.cumsum(np.array(flat).reshape(-1, 2), axis=0)


def test_zones_are_rounded_to_a_millionth_of_a_degree_and_nothing_else() -> None:
    outline = [(121.0, 31.0), (121.0000004, 31.0050001), (121.01, 31.01), (121.01, 31.0)]
    kind, parts = _parts(MultiPolygon([Polygon(outline), box(122, 32, 123, 33)]), 1_000_000)
    assert kind == "area"
    assert unroll(parts[0][0])[:2].tolist() == [[121000000, 31000000], [121000000, 31005000]]
    assert len(parts) == 2


def test_of_a_collection_the_highest_dimension_is_drawn() -> None:
    kind, parts = _parts(GeometryCollection([Point(1, 1), LineString([(0, 0), (1, 1)])]), 1000)
    assert (kind, parts) == ("line", [[0, 0, 1000, 1000]])


def test_big_layers_are_simplified_by_a_few_metres_and_small_ones_not_at_all() -> None:
    ring = Point(121, 31).buffer(0.01, quad_segs=8000)
    small = np.array([Point(121, 31).buffer(0.01)], dtype=object)
    assert display_copy(small)[0] is small
    simple, scale = display_copy(np.array([ring], dtype=object))
    assert scale == 100_000
    assert simple[0].hausdorff_distance(ring) < 6 / 111_320
    assert "简化" in html(planning_map(replace(scene(), layers=(layer_of(ring),))))


def layer_of(shape: Polygon) -> SceneLayer:
    return SceneLayer("water", "水域", gpd.GeoDataFrame(geometry=[shape], crs=4326), "open", "开放")


def test_only_whitelisted_attributes_reach_the_page() -> None:
    page = html(planning_map(scene()))
    assert "机密" not in page
    assert "owner" not in layer_json(scene().layers[0], "zh")


def test_a_weak_grade_without_its_word_gets_one() -> None:
    bare = replace(scene().layers[0], grade_said="")
    assert layer_json(bare, "en")["said"] == "schematic"
    assert layer_json(replace(bare, grade="open"), "en")["said"] == ""


def test_columns_of_one_word_are_that_word() -> None:
    assert pack([]) == ""
    assert pack(["a", "a"]) == "a"
    assert pack(["a", "b", "a"]) == {"w": ["a", "b"], "i": [0, 1, 0]}


def test_every_kind_has_a_style_with_its_source_and_a_name() -> None:
    for kind, style in styles.layer_styles().items():
        assert re.fullmatch("#[0-9a-f]{6}", style.fill)
        assert re.fullmatch("#[0-9a-f]{6}", style.stroke)
        assert style.source
        assert catalogue.text(f"layer_{kind}", "zh") != catalogue.text(f"layer_{kind}", "en")
    for status in catalogue.read_toml("schemes", "status.toml"):
        assert status in styles.dashes()
        assert catalogue.text(f"map_plan_{status}")


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (lambda s: replace(s, values=s.values.drop(columns="note")), ZoneError, "note"),
        (lambda s: replace(s, zones=s.zones.iloc[:0]), ZoneError, "no zones"),
        (lambda s: replace(s, zones=s.zones.to_crs(4549)), CRSError, "zones: a map draws EPSG:4326"),
        (lambda s: replace(s, values=pd.concat([s.values, s.values.iloc[:1]])), ZoneError, "stands twice"),
    ],
)
def test_a_scene_that_cannot_be_drawn_is_refused(
    change: Callable[[Scene], Scene], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        planning_map(change(scene()))


# ---- one file, no network ----


def test_folium_links_the_leaflet_that_is_vendored() -> None:
    assert "1.9.3" in dict(folium.Map.default_js)["leaflet"]
    assert "<script>/* @preserve\n * Leaflet 1.9.3" in html(folium.Map(tiles=None))


@pytest.mark.parametrize(
    "extra",
    [
        folium.TileLayer("OpenStreetMap"),
        folium.plugins.MiniMap(),
        folium.Marker([31, 121], icon=folium.Icon()),
        folium.plugins.Fullscreen(),
        folium.Element("x"),
    ],
    ids=["tiles", "minimap", "icon", "plugin", "stylesheet"],
)
def test_a_link_without_a_copy_is_an_error(extra: folium.Element) -> None:
    map_ = planning_map(scene())
    if type(extra) is folium.Element:
        map_.get_root().header.add_child(folium.Element('<link rel="stylesheet" href="https://example.org/a.css"/>'))
    else:
        extra.add_to(map_)
    with pytest.raises(OutputError):
        html(map_)


def test_no_address_is_left_in_a_tag() -> None:
    page = html(planning_map(scene()))
    assert re.findall(r'<(?:script|link|img|iframe)[^>]*(?:src|href)="(?!data:)[^"]*"', page) == []
    assert "jQuery" not in page


def test_rendering_again_gives_the_same_text_and_changes_no_map() -> None:
    map_ = planning_map(scene())
    folium.Marker([31.0, 121.0], popup="here", icon=folium.DivIcon(html="x")).add_to(map_)
    once = html(map_)
    assert html(map_) == once
    assert map_.get_root().render() == once


def test_two_processes_with_other_hash_seeds_give_the_same_bytes() -> None:
    code = (
        "import runpy, sys; n = runpy.run_path(sys.argv[1]); "
        "sys.stdout.buffer.write(n['html'](n['planning_map'](n['scene']())).encode())"
    )
    pages = [
        subprocess.run(
            [sys.executable, "-c", code, __file__],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert pages[0] == pages[1]
    assert pages[0] == html(planning_map(scene())).encode()


def test_ids_of_the_data_are_never_renumbered() -> None:
    digest = "0123456789abcdef0123456789abcdef"
    layer = replace(scene().layers[0], frame=rivers("x").assign(feature_id=digest))
    assert digest in html(planning_map(replace(scene(), layers=(layer,))))


def test_script_json_survives_jinja_and_html() -> None:
    import json

    from jinja2 import Template

    text = script_json([HOSTILE, "{{{%", "\ud800"])
    assert json.loads(Template(text).render()) == [HOSTILE, "{{{%", "\ufffd"]
    assert "<" not in text
    assert "\u2028" not in text


# ---- in a browser ----


@pytest.fixture(scope="module")
def chromium() -> Iterator[object]:
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: the page was not opened")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium, tmp_path: Path):
    """Open a page's text from a file; at the end, it must have asked for nothing and complained about nothing."""
    faults: list[str] = []
    pages = []

    def go(text: str, width: int = 1400, height: int = 900):
        file = tmp_path / "map.html"
        file.write_bytes(text.encode())
        page = chromium.new_page(viewport={"width": width, "height": height})
        pages.append(page)
        allowed = (file.as_uri(), "data:", "about:srcdoc")
        page.on("request", lambda request: request.url.startswith(allowed) or faults.append(request.url))
        page.on("console", lambda message: faults.append(message.text))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto(file.as_uri())
        page.wait_for_timeout(200)
        return page

    yield go
    for page in pages:
        page.close()
    assert faults == []


MAP = "Object.values(window).find((thing) => thing instanceof L.Map)"


def shades(page) -> list[str]:
    return page.evaluate(f"() => {MAP}.qpZones.drawn.fills.map((fill) => String(fill.options.fillColor))")


def point_at(page, lat: float, lng: float) -> None:
    where = page.evaluate(f"([lat, lng]) => {MAP}.latLngToContainerPoint([lat, lng])", [lat, lng])
    frame = page.locator(".folium-map").bounding_box()
    page.mouse.move(frame["x"] + where["x"] - 3, frame["y"] + where["y"] - 3)
    page.mouse.move(frame["x"] + where["x"], frame["y"] + where["y"])
    page.wait_for_timeout(100)


@pytest.mark.browser
@pytest.mark.parametrize("width", [1400, 390])
@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_page_opens_without_network_and_fits(visit, width: int, lang: catalogue.Lang) -> None:
    page = visit(html(planning_map(scene(lang=lang))), width, 900 if width > 1000 else 844)
    assert page.locator("#qp-title").inner_text() == "金泽镇"
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator(".folium-map").bounding_box()["height"] > 300
    assert len(shades(page)) == 4
    for words in ("示意，不作划界依据", "内部使用 未经审核不得公开"):
        assert page.get_by_text(words).is_visible()
    assert page.locator("#qp-classes").is_visible()
    assert page.locator("#qp-layers").is_visible() == (width > 1000)
    page.click("#qp-toggle")
    assert page.locator("#qp-layers").is_visible() == (width < 1000)


@pytest.mark.browser
def test_another_indicator_changes_zones_legend_and_footer(visit) -> None:
    page = visit(html(planning_map(scene())))
    before = shades(page)
    assert before[3] == "[object CanvasPattern]"
    assert page.locator("#qp-classes li").all_inner_texts() == ["< 20", "20 – 30", "≥ 30", "无数据（不等于 0）"]
    assert "含水域 (wide)" in page.locator("#qp-footer").inner_text()
    page.select_option("#qp-definition", "narrow")
    assert shades(page) != before
    assert "不含水域 (narrow)" in page.locator("#qp-footer").inner_text()
    page.select_option("#qp-indicator", "roads")
    assert shades(page) == list(styles.ramp(classes=4))
    assert page.locator("#qp-legend-title").inner_text() == "道路网密度（km/km²）"
    assert "按中心线" in page.locator("#qp-footer").inner_text()
    assert "正式" in page.locator("#qp-footer").inner_text()
    assert not page.locator("#qp-definition").is_visible()


@pytest.mark.browser
def test_levels_switch_and_a_level_without_values_is_no_data(visit) -> None:
    page = visit(html(planning_map(scene())))
    page.get_by_text("片区", exact=True).click()
    assert len(shades(page)) == 1
    assert "青西" in page.locator(".qp-label").inner_text()
    page.select_option("#qp-indicator", "roads")
    assert shades(page) == ["[object CanvasPattern]"]
    assert page.locator("#qp-classes li").all_inner_texts() == ["无数据（不等于 0）"]


@pytest.mark.browser
def test_tooltips_say_what_a_zone_and_a_feature_are(visit) -> None:
    page = visit(html(planning_map(scene())))
    point_at(page, 31.003, 121.006)
    tip = page.locator(".qp-tip").inner_text()
    for words in ("金泽镇", "10.0 %", "绿地占比", "含水域", "不低于 40%", "已达标", "示意", "人口", "31000"):
        assert words in tip
    point_at(page, 31.013, 121.016)
    tip = page.locator(".qp-tip").inner_text()
    assert "无数据" in tip
    assert "缺少林地图层" in tip
    point_at(page, 31.0042, 121.0135)
    tip = page.locator(".qp-tip").inner_text()
    assert "水域" in tip
    assert "w1" in tip
    assert "20.0 %" in tip  # and the zone it lies in


@pytest.mark.browser
def test_notices_lead_to_their_places_on_a_map_that_shades_nothing(visit) -> None:
    listed = (
        Notice("finding_error", HOSTILE, "请核对", (121.015, 31.015)),
        Notice("finding_info", "另有 3 条", "findings.csv"),
    )
    plain = scene()
    page = visit(html(planning_map(replace(plain, values=plain.values.iloc[:0], notices=listed))))
    assert set(shades(page)) == {"#ffffff"}
    for empty in ("#qp-indicator", "#qp-definition", "#qp-legend"):
        assert not page.locator(empty).is_visible()
    entries = page.locator("#qp-notices-list li")
    assert entries.nth(1).inner_text().split() == ["另有", "3", "条", "findings.csv"]
    assert entries.nth(1).locator("button").count() == 0
    entries.nth(0).locator("button").click()
    centre = page.evaluate(f"() => {MAP}.getCenter()")
    assert (centre["lng"], centre["lat"]) == pytest.approx((121.015, 31.015), abs=1e-3)
    assert "请核对" in page.locator(".leaflet-popup-content").inner_text()
    assert page.locator(".leaflet-popup-content h3").nth(0).inner_text().startswith("<script>")
    assert page.evaluate("window.hacked") is None


@pytest.mark.browser
def test_weak_grades_are_on_the_map_whatever_is_shown(visit) -> None:
    page = visit(html(planning_map(scene())))
    seal = page.locator(".qp-seal")
    assert set(seal.inner_text().split("、")) == {"示意", "合成"}
    page.locator("#qp-layers label").nth(1).click()
    assert set(seal.inner_text().split("、")) == {"示意", "合成", "模拟"}
    page.select_option("#qp-indicator", "roads")
    for label in page.locator("#qp-layers label").all()[1:]:
        if label.locator("input").is_checked():
            label.click()
    assert seal.inner_text() == ""


@pytest.mark.browser
def test_hostile_names_arrive_as_text(visit) -> None:
    hostile = replace(scene(HOSTILE), footer=(HOSTILE,))
    values = hostile.values.assign(**dict.fromkeys(("indicator_name", "definition_text", "unit"), HOSTILE))
    page = visit(html(planning_map(replace(hostile, values=values))))
    assert page.evaluate("window.hacked") is None
    assert page.title() == HOSTILE.replace("\u2028", " ") or page.title() == HOSTILE
    for place in ("#qp-title", "#qp-footer p:nth-child(2)", "#qp-indicator option:first-child"):
        assert page.locator(place).text_content() == HOSTILE
    assert HOSTILE in page.locator("#qp-legend-title").text_content()
    assert HOSTILE in page.locator("#qp-layers label").nth(1).text_content()
    point_at(page, 31.0042, 121.0135)
    assert page.locator(".qp-tip h3").first.text_content() == HOSTILE
    point_at(page, 31.003, 121.006)
    assert page.locator(".qp-tip h3").text_content() == HOSTILE
    page.mouse.down()
    page.mouse.up()
    assert page.locator(".leaflet-popup .qp-card h3").text_content() == HOSTILE
    assert page.evaluate("window.hacked") is None


@pytest.mark.browser
def test_a_reader_may_add_to_the_map_and_show_it_in_a_notebook(visit) -> None:
    map_ = planning_map(scene())
    folium.Marker([31.005, 121.005], popup=folium.Popup("later", show=True), tooltip="t").add_to(map_)
    group = folium.FeatureGroup(name="own <b>layer</b>").add_to(map_)
    folium.GeoJson(box(121, 31, 121.005, 31.005).__geo_interface__, name="shape").add_to(group)
    page = visit(f"<!DOCTYPE html><meta charset='utf-8'><body>{map_._repr_html_()}</body>", 1000)
    frame = page.frame_locator("iframe")
    assert frame.locator(".leaflet-popup").inner_text().startswith("later")
    assert "own <b>layer</b>" in frame.locator("#qp-layers").inner_text()
    assert frame.locator("img.leaflet-marker-icon").evaluate("(image) => image.naturalWidth") == 25


@pytest.mark.browser
def test_a_plain_offline_map_works_too(visit) -> None:
    map_ = OfflineMap(location=[31, 121], title="x")
    folium.CircleMarker([31, 121]).add_to(map_)
    folium.FeatureGroup(name="g").add_to(map_)
    folium.LayerControl().add_to(map_)
    page = visit(html(map_))
    assert page.locator(".leaflet-control-layers").count() == 1
    assert not any(isinstance(child, LayerControl) for child in map_._children.values())
