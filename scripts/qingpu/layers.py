"""Layers of Qingpu, from what is drawn by hand in ``data/drawn``: one TOML file a layer.

A file has ``[defaults]``, which hold for all its features, and ``[[features]]``. A feature has

- ``id``, ``name``, ``name_en``, ``aliases``, ``class``, ``plan_status``, ``status_as_of``, ``opened``,
  ``geometry_source``, ``accuracy_m`` (m), ``grade``;
- one geometry, in longitude and latitude: ``point``; ``shape``, the corners of an area, rounded off unless
  ``rounded = false`` and scaled to ``km2`` where that is given; ``course``, points that a line runs through (in
  straight pieces where ``straight = true``); ``along``, the id of another feature whose course it follows, between
  the two points ``between`` where they are given; or ``legs``, several such lines, one after the other. With
  ``width_m`` the line becomes a band of that width (m), and ``without_water = true`` takes the water out of it;
- whatever else its layer tells (``line``, ``ref``, ``carriageways``, ...), written as it stands.

Which document and clause names a feature isn't said there: it comes from ``data/register.csv``.
"""

from __future__ import annotations

import csv
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import shapely
from pyproj import Geod
from shapely import LineString, Point
from shapely.geometry.base import BaseGeometry
from shapely.ops import substring

from qingpu.geometry import (
    GAUSS_KRUGER,
    GRID_DEG,
    canonical,
    drawn_area,
    rounded,
    shared_out,
    through,
    to_lonlat,
    to_plane,
    without_crumbs,
)
from qingpu.writing import Feature, feature

LAYERS = (
    "water",
    "corridors",
    "forests",
    "parks",
    "roads",
    "rail",
    "stations",
    "waterways",
    "places",
    "hubs",
    "facilities",
    "industry",
    "villages",
)
STATUSES = ("现状", "在建", "规划", "研究")
NAMED = ("id", "name", "name_en", "aliases", "class")
"""Properties that come first."""
STANDING = ("plan_status", "status_as_of", "opened", "document", "clause", "geometry_source", "accuracy_m", "grade")
"""Properties that come last."""
DRAWING = ("point", "shape", "rounded", "km2", "course", "straight", "along", "between", "legs", "without_water")
"""Keys that only say how a feature is drawn."""
WANTED = ("id", "name", "name_en", "class", "plan_status", "status_as_of", "geometry_source", "accuracy_m", "grade")
"""Keys that every drawn feature has."""
SPACING_M = 60.0
"""Courses get a point about this often."""
BAND_DETAIL_M = 1.0
"""What strays less from a band's edge is dropped."""
REPEAT_M = 1.0
"""Points closer than this are one: two legs meet there."""
GEOD = Geod(ellps="GRS80")

Record = dict[str, Any]


class Citation(NamedTuple):
    """Where a plan names a feature."""

    document: str
    clause: str


class Drawn:
    """All that is drawn, by layer and by id."""

    def __init__(self, data: Path) -> None:
        """Read every layer below ``data/drawn``; one without a file is left out."""
        files = {layer: data / "drawn" / f"{layer}.toml" for layer in LAYERS}
        self.layers = {layer: records(path) for layer, path in files.items() if path.exists()}
        self.by_id = _by_id(record for layer in self.layers.values() for record in layer)
        self.cited = citations(data / "register.csv")

    def line(self, record: Mapping[str, Any]) -> LineString:
        """The centre line of a drawn feature, in metres (EPSG:4549)."""
        if "legs" in record:
            legs = [shapely.get_coordinates(self.line(leg)) for leg in record["legs"]]
            return LineString(_without_repeats(np.vstack(legs)))
        if "along" in record:
            return _between(self.line(self.by_id[record["along"]]), record.get("between"))
        points = shapely.get_coordinates(to_plane(LineString(record["course"]), GAUSS_KRUGER))
        return LineString(points if record.get("straight") else through(points, SPACING_M))

    def geometry(self, record: Mapping[str, Any]) -> BaseGeometry:
        """The point, area, line or band of a drawn feature, in longitude and latitude."""
        if "point" in record:
            return Point(record["point"])
        if "shape" in record:
            return drawn_area(record["shape"], record.get("km2"), round_off=record.get("rounded", True))
        line = self.line(record)
        if "width_m" in record:
            line = line.buffer(record["width_m"] / 2, quad_segs=4, cap_style="flat", join_style="round")
            line = line.simplify(BAND_DETAIL_M)
        return to_lonlat(line, GAUSS_KRUGER)


# ---------------------------------------------------------------- reading


def records(path: Path) -> list[Record]:
    """The features of one file, its defaults filled in."""
    read = tomllib.loads(path.read_text("utf-8"))
    drawn = [read.get("defaults", {}) | record for record in read["features"]]
    faults = [fault for record in drawn for fault in _faults(record)]
    if faults:
        raise ValueError(f"{path}: " + "; ".join(faults))
    return drawn


def _faults(record: Record) -> Iterable[str]:
    name = record.get("id", record.get("name", "a feature without id and name"))
    yield from (f"{name} lacks {key}" for key in WANTED if record.get(key, "") == "")
    if record.get("plan_status") not in STATUSES:
        yield f"{name}: plan_status is {record.get('plan_status')!r}, wanted one of {', '.join(STATUSES)}"
    ways = [way for way in ("point", "shape", "course", "along", "legs") if way in record]
    if len(ways) != 1:
        yield f"{name} has {len(ways)} geometries ({', '.join(ways)}), wanted one"


def _by_id(drawn: Iterable[Record]) -> dict[str, Record]:
    found: dict[str, Record] = {}
    for record in drawn:
        if record["id"] in found:
            raise ValueError(f"two drawn features have the id {record['id']!r}")
        found[record["id"]] = record
    return found


def citations(register: Path) -> dict[str, Citation]:
    """Document and clause by feature id, from the register; empty where there is no register yet.

    Clauses of one document are joined by ``、``, documents by ``; ``, so that both have equally many parts.
    """
    if not register.exists():
        return {}
    found: dict[str, dict[str, dict[str, None]]] = {}
    with register.open(encoding="utf-8-sig", newline="") as stream:
        for row in csv.DictReader(stream):
            for id_ in filter(None, (part.strip() for part in row["feature_ids"].split(";"))):
                found.setdefault(id_, {}).setdefault(row["document"], {})[row["clause"]] = None
    return {
        id_: Citation("; ".join(documents), "; ".join("、".join(clauses) for clauses in documents.values()))
        for id_, documents in found.items()
    }


# ---------------------------------------------------------------- geometry


def _between(line: LineString, ends: list[list[float]] | None) -> LineString:
    """The stretch of a line (metres) between the places on it that are nearest to two points (degrees)."""
    if ends is None:
        return line
    start, end = (line.project(to_plane(Point(p), GAUSS_KRUGER)) for p in ends)
    return substring(line, start, end)


def _without_repeats(points: np.ndarray) -> np.ndarray:
    moved = np.hypot(*np.diff(points, axis=0).T) > REPEAT_M
    return points[np.concatenate([[True], moved])]


def length_km(line: BaseGeometry) -> float:
    """Geodesic length in km (GRS80), to the metre."""
    return round(GEOD.geometry_length(line) / 1000, 3)


# ---------------------------------------------------------------- features


def layer_files(data: Path) -> dict[str, list[Feature]]:
    """The features of every layer, by the name of its file in ``data/layers``."""
    drawn = Drawn(data)
    files = {layer: _features(drawn, layer, _geometries(drawn, layer)) for layer in drawn.layers}
    if "water" in drawn.layers:
        files["rivers"] = river_features(drawn)
    if "corridors" in drawn.layers:
        files["corridor_axes"] = axis_features(drawn)
    return files


def _geometries(drawn: Drawn, layer: str) -> list[BaseGeometry]:
    layered = drawn.layers[layer]
    shapes = [drawn.geometry(record) for record in layered]
    if layer == "water":  # where two meet, the one that stands first in the file has the water
        return [without_crumbs(shape) for shape in shared_out(shapes)]
    if any(record.get("without_water") for record in layered):
        water = shapely.union_all(_geometries(drawn, "water"))
        shapes = [
            _dry(shape, water) if r.get("without_water") else shape for r, shape in zip(layered, shapes, strict=True)
        ]
    return shapes


def _dry(shape: BaseGeometry, water: BaseGeometry) -> BaseGeometry:
    return without_crumbs(shapely.difference(shape, water, grid_size=GRID_DEG))


def _features(drawn: Drawn, layer: str, geometries: list[BaseGeometry]) -> list[Feature]:
    layered = drawn.layers[layer]
    extras = _extras(layered)
    return [
        feature(_written(geometry), **_properties(record, extras, drawn.cited.get(record["id"])))
        for record, geometry in zip(layered, geometries, strict=True)
    ]


def _written(geometry: BaseGeometry) -> BaseGeometry:
    """On the written grid, and still valid there."""
    on_grid = rounded(geometry)
    return on_grid if on_grid.is_valid else canonical(shapely.make_valid(on_grid))


def _extras(layered: list[Record]) -> list[str]:
    """The properties that only this layer has, in the order in which they first occur."""
    known = {*NAMED, *STANDING, *DRAWING}
    return list(dict.fromkeys(key for record in layered for key in record if key not in known))


def _properties(record: Record, extras: list[str], citation: Citation | None) -> dict[str, Any]:
    citation = citation or Citation("", "")
    values = record | citation._asdict() | {"aliases": ";".join(record.get("aliases", []))}
    return {key: values.get(key) for key in (*NAMED, *extras, *STANDING)}


def river_features(drawn: Drawn) -> list[Feature]:
    """The centre lines of the rivers, with their lengths in km."""
    rivers = [record for record in drawn.layers["water"] if "shape" not in record]
    return _centre_lines(drawn, rivers, ("water-", "river-"))


def axis_features(drawn: Drawn) -> list[Feature]:
    """The axes of the corridors that are drawn as bands, with their lengths in km."""
    bands = [record for record in drawn.layers["corridors"] if "width_m" in record]
    return _centre_lines(drawn, bands, ("corridor-", "axis-"))


def _centre_lines(drawn: Drawn, layered: list[Record], renamed: tuple[str, str]) -> list[Feature]:
    features = []
    for record in layered:
        line = to_lonlat(drawn.line(record), GAUSS_KRUGER)
        own = record | {"id": record["id"].replace(*renamed), "length_km": length_km(rounded(line))}
        properties = _properties(own, ["width_m", "length_km"], drawn.cited.get(record["id"]))
        features.append(feature(line, **properties))
    return features
