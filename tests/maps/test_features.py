"""What the map is told of features: names, words, colours."""

from __future__ import annotations

import geopandas as gpd
import pytest
from shapely import LineString, Point, box

import qpgis as qp
from qpgis.maps.result import scene_of
from qpgis.maps.thematic import NAMED_FEATURES, SceneLayer, layer_json
from tests.conftest import Maker, frame, layer, square


def scene_layer(kind: str, names: list[str], shapes: list) -> SceneLayer:
    some = gpd.GeoDataFrame({"name": names}, geometry=shapes, crs=4326)
    return SceneLayer(kind, kind, some, "schematic", "示意")


def test_each_name_stands_once_at_the_largest_feature() -> None:
    shapes = [box(0, 0, 1, 1), box(10, 10, 14, 14), box(20, 20, 21, 21)]
    names = layer_json(scene_layer("water", ["湖", "湖", ""], shapes), "zh")["names"]
    assert names["rows"] == [1]
    assert names["places"] == [[pytest.approx(12), pytest.approx(12)]]
    assert names["zoom"] > 0


def test_a_line_is_named_in_its_middle_and_a_point_where_it_is() -> None:
    line = layer_json(scene_layer("named_roads", ["路"], [LineString([(0, 0), (4, 0), (4, 4)])]), "zh")["names"]
    assert line["places"] == [[0, 4]]
    point = layer_json(scene_layer("stations", ["站"], [Point(3, 7)]), "zh")["names"]
    assert point["places"] == [[7, 3]]


def test_layers_of_too_many_names_print_none() -> None:
    many = [f"站{n}" for n in range(NAMED_FEATURES + 1)]
    spots = [Point(n, 0) for n in range(len(many))]
    assert layer_json(scene_layer("stations", many, spots), "zh")["names"]["rows"] == []


def test_layers_without_a_zoom_for_names_print_none() -> None:
    assert layer_json(scene_layer("farmland", ["田"], [box(0, 0, 1, 1)]), "zh")["names"]["rows"] == []


def test_land_use_has_the_colours_and_names_of_its_classes(workspace: Maker) -> None:
    parcels = frame([square(0, 0, 500), square(500, 0, 500), square(0, 500, 500)], DLBM=["0101", "0702", "9999"])
    folder = workspace(layer("landuse", 'scheme = "sandiao"', 'class_field = "DLBM"'), landuse=parcels)
    scene = scene_of(qp.assess(qp.open_workspace(folder)))
    (drawn,) = scene.layers
    assert list(drawn.frame["class_"]) == ["0101 水田", "0702 农村宅基地", "9999"]
    assert list(drawn.frame["fill"]) == ["#f5f8dc", "#ffd380", ""]  # 附录B: 耕地 245,248,220; 宅基地 255,211,128
    assert drawn.legend == (("耕地", "#f5f8dc"), ("农村宅基地", "#ffd380"))


def test_classes_are_said_in_the_planners_language(workspace: Maker) -> None:
    lakes = frame([square(0, 0, 500), square(500, 0, 500)], **{"class": ["lake", "湖泊"]})
    folder = workspace(layer("water", 'class_field = "class"'), water=lakes)
    for lang, word in (("zh", "湖泊"), ("en", "lake")):
        (drawn,) = scene_of(qp.assess(qp.open_workspace(folder, lang=lang), lang=lang)).layers
        assert list(drawn.frame["class_"]) == [word, word]


def test_what_is_selected_from_land_use_is_drawn_there(workspace: Maker) -> None:
    parcels = frame([square(0, 0, 500), square(500, 0, 500)], DLBM=["0101", "1101"])
    toml = layer("landuse", 'scheme = "sandiao"', 'class_field = "DLBM"')
    toml += '[layers.farmland]\nfrom = "landuse"\n[layers.water]\nfrom = "landuse"\nshown = false\n'
    scene = scene_of(qp.assess(qp.open_workspace(workspace(toml, landuse=parcels))))
    assert [(one.kind, one.shown) for one in scene.layers] == [("landuse", None), ("water", False)]
