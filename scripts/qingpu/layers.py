"""Layers of Qingpu."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import shapely
from shapely import Polygon
from shapely.geometry import LineString, Point
from shapely.geometry.base import BaseGeometry

from qingpu.geometry import EQUAL_AREA, GAUSS_KRUGER, shared_out, smooth, to_lonlat, to_plane
from qingpu.writing import Feature, feature

GRADE = "schematic"
LonLat = tuple[float, float]


class Lake(NamedTuple):
    """A lake drawn by hand: corner points of its shore, smoothed and brought to its published area in km2."""

    id: str
    name: str
    name_en: str
    km2: float
    accuracy_m: int
    shore: tuple[LonLat, ...]


class River(NamedTuple):
    """A river drawn by hand: its centre line and a plausible width in metres."""

    id: str
    name: str
    name_en: str
    width_m: int
    accuracy_m: int
    course: tuple[LonLat, ...]


class Station(NamedTuple):
    """A railway or metro station."""

    id: str
    name: str
    name_en: str
    point: LonLat
    opened: str


# fmt: off
LAKES = (
    Lake(
        "water-dianshan", "淀山湖", "Dianshan Lake", 62.0, 600,
        (
            (120.980, 31.204), (120.989, 31.197), (120.992, 31.187), (120.988, 31.176), (120.994, 31.165),
            (121.002, 31.156), (121.001, 31.146), (121.007, 31.136), (121.013, 31.125), (121.008, 31.115),
            (121.011, 31.106), (121.004, 31.099), (120.994, 31.092), (120.981, 31.085), (120.965, 31.079),
            (120.950, 31.081), (120.938, 31.076), (120.926, 31.068), (120.914, 31.070), (120.911, 31.079),
            (120.917, 31.089), (120.915, 31.099), (120.922, 31.108), (120.931, 31.116), (120.932, 31.126),
            (120.942, 31.135), (120.952, 31.144), (120.956, 31.155), (120.953, 31.165), (120.958, 31.177),
            (120.966, 31.187), (120.970, 31.199),
        ),
    ),
    Lake(
        "water-yuandang", "元荡", "Yuandang Lake", 12.9, 1000,
        (
            (120.847, 31.058), (120.853, 31.067), (120.864, 31.069), (120.872, 31.075), (120.884, 31.072),
            (120.893, 31.074), (120.901, 31.068), (120.909, 31.064), (120.907, 31.057), (120.898, 31.055),
            (120.890, 31.049), (120.878, 31.047), (120.868, 31.051), (120.856, 31.049),
        ),
    ),
)

RIVERS = (
    River(
        "water-dazheng", "大蒸港-圆泄泾", "Dazheng Channel and Yuanxie Creek", 120, 1500,
        (
            (120.975, 30.972), (121.000, 30.970), (121.030, 30.972), (121.060, 30.974), (121.085, 30.979),
            (121.106, 30.983), (121.130, 30.980),
        ),
    ),
    River(
        "water-lanlu", "拦路港", "Lanlu Channel", 160, 1000,
        (
            (120.988, 31.094), (120.996, 31.084), (121.010, 31.068), (121.026, 31.050), (121.042, 31.033),
            (121.056, 31.018), (121.066, 31.004), (121.082, 30.992), (121.106, 30.983),
        ),
    ),
    River(
        "water-taipu", "太浦河", "Taipu River", 200, 1000,
        (
            (120.800, 31.016), (120.850, 31.019), (120.895, 31.021), (120.930, 31.025), (120.960, 31.028),
            (120.990, 31.026), (121.020, 31.022), (121.045, 31.016), (121.0635, 31.0075),
        ),
    ),
    River(
        "water-jishui", "急水港", "Jishui Channel", 140, 1000,
        ((120.830, 31.108), (120.855, 31.105), (120.880, 31.102), (120.900, 31.100), (120.924, 31.098)),
    ),
    River(
        "water-dianpu", "淀浦河", "Dianpu River", 60, 1000,
        (
            (121.004, 31.107), (121.020, 31.105), (121.038, 31.107), (121.055, 31.111), (121.074, 31.123),
            (121.090, 31.135), (121.110, 31.142), (121.135, 31.145), (121.165, 31.146), (121.195, 31.144),
            (121.222, 31.142), (121.250, 31.140), (121.285, 31.133), (121.320, 31.126),
        ),
    ),
    River(
        "water-wusong", "吴淞江(苏州河)", "Wusong River (Suzhou Creek)", 90, 1500,
        (
            (121.030, 31.283), (121.060, 31.280), (121.085, 31.272), (121.110, 31.269), (121.135, 31.265),
            (121.160, 31.260), (121.180, 31.257), (121.205, 31.263), (121.225, 31.263), (121.250, 31.257),
            (121.280, 31.245), (121.320, 31.237),
        ),
    ),
    River(
        "water-youdun", "油墩港", "Youdun Channel", 60, 1500,
        (
            (121.157, 31.2606), (121.156, 31.235), (121.151, 31.205), (121.155, 31.175), (121.162, 31.145),
            (121.170, 31.115), (121.180, 31.080),
        ),
    ),
)

# fmt: on
PHASE_1 = "2017-12-30"
WEST = "2024-11-30"
HUSUHU = "2024-12-26"
LINE_17 = (
    Station("station-hongqiao", "虹桥火车站", "Hongqiao Railway Station", (121.3170, 31.1959), PHASE_1),
    Station(
        "station-necc",
        "国家会展中心",
        "National Exhibition and Convention Center",
        (121.2887, 31.1938),
        PHASE_1,
    ),
    Station("station-panlong", "蟠龙路", "Panlong Road", (121.2750, 31.1891), PHASE_1),
    Station("station-xuying", "徐盈路", "Xuying Road", (121.2502, 31.1807), PHASE_1),
    Station("station-xujing-beicheng", "徐泾北城", "Xujing Beicheng", (121.2374, 31.1775), PHASE_1),
    Station("station-jiasong", "嘉松中路", "Middle Jiasong Road", (121.2204, 31.1660), PHASE_1),
    Station("station-zhaoxiang", "赵巷", "Zhaoxiang", (121.1878, 31.1631), PHASE_1),
    Station("station-huijin", "汇金路", "Huijin Road", (121.1472, 31.1632), PHASE_1),
    Station("station-qingpu-xincheng", "青浦新城", "Qingpu Xincheng", (121.1205, 31.1607), PHASE_1),
    Station("station-caoying", "漕盈路", "Caoying Road", (121.0917, 31.1623), PHASE_1),
    Station("station-dianshanhu-dadao", "淀山湖大道", "Dianshanhu Avenue", (121.0775, 31.1363), PHASE_1),
    Station("station-zhujiajiao", "朱家角", "Zhujiajiao", (121.0445, 31.1025), PHASE_1),
    Station("station-oriental-land", "东方绿舟", "Oriental Land", (121.0152, 31.1006), PHASE_1),
    Station("station-xicen", "西岑", "Xicen", (120.9596, 31.07242), WEST),
)
LIANTANG = Station("station-liantang", "练塘站", "Liantang Railway Station", (121.0248, 30.99828), HUSUHU)
# The extension runs south of the lake and crosses 拦路港; a straight chord would cut through the water.
WEST_BENDS = ((121.0080, 31.0945), (120.9930, 31.0830), (120.9760, 31.0760))


# ---------------------------------------------------------------- water


def lake_shape(lake: Lake) -> BaseGeometry:
    """The smoothed shore, scaled about its centre to the published area."""
    ring = smooth(shapely.get_coordinates(to_plane(LineString(lake.shore), EQUAL_AREA)))
    drawn = Polygon(ring)
    factor = float(np.sqrt(lake.km2 * 1e6 / drawn.area))
    centre = shapely.get_coordinates(drawn.centroid)[0]
    return to_lonlat(Polygon(centre + (ring - centre) * factor), EQUAL_AREA)


def river_shape(river: River) -> BaseGeometry:
    """The course as a band of the given width."""
    course = to_plane(LineString(river.course), GAUSS_KRUGER)
    band = course.buffer(river.width_m / 2, quad_segs=4, cap_style="flat")
    return to_lonlat(band, GAUSS_KRUGER)


def water_features() -> list[Feature]:
    """Lakes, then rivers; where two meet, the one named first has the water."""
    shapes = shared_out([lake_shape(w) for w in LAKES] + [river_shape(w) for w in RIVERS])
    waters: list[Lake | River] = [*LAKES, *RIVERS]
    kinds = ["lake"] * len(LAKES) + ["river"] * len(RIVERS)
    return [
        feature(
            geometry,
            id=water.id,
            name=water.name,
            name_en=water.name_en,
            **{"class": kind},
            plan_status="现状",
            grade=GRADE,
            accuracy_m=water.accuracy_m,
            source="drawn by hand: data/SOURCES.md#water",
        )
        for water, kind, geometry in zip(waters, kinds, shapes, strict=True)
    ]


# ---------------------------------------------------------------- rail


def rail_features() -> list[Feature]:
    """Metro line 17: phase 1, then the west extension."""
    phase_1 = LineString([s.point for s in LINE_17[:13]])
    west = LineString([LINE_17[12].point, *WEST_BENDS, LINE_17[13].point])
    return [
        _rail("rail-line17-phase1", "17号线一期", "Line 17, phase 1", PHASE_1, phase_1),
        _rail("rail-line17-west", "17号线西延伸", "Line 17, west extension", WEST, west),
    ]


def _rail(id_: str, name: str, name_en: str, opened: str, line: LineString) -> Feature:
    return feature(
        line,
        id=id_,
        name=name,
        name_en=name_en,
        **{"class": "metro"},
        plan_status="现状",
        opened=opened,
        grade=GRADE,
        accuracy_m=1000,
        source="straight between its stations: data/SOURCES.md#rail",
    )


def station_features() -> list[Feature]:
    """The 14 stations of line 17 from east to west, then 练塘站."""
    metro = [_station(s, "metro", "17号线", 150) for s in LINE_17]
    return [*metro, _station(LIANTANG, "rail", "沪苏湖高铁", 150)]


def _station(station: Station, kind: str, line: str, accuracy_m: int) -> Feature:
    return feature(
        Point(station.point),
        id=station.id,
        name=station.name,
        name_en=station.name_en,
        **{"class": kind},
        line=line,
        plan_status="现状",
        opened=station.opened,
        grade=GRADE,
        accuracy_m=accuracy_m,
        source="public coordinates: data/SOURCES.md#rail",
    )
