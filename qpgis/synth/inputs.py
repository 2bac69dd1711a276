"""What a landscape is made for and around: zones, waters, forests, backbone roads and town centres, checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import shapely
from numpy.typing import NDArray

from qpgis.crs import LONLAT, Floats, Geometries, Plane, lonlat, parse
from qpgis.errors import ConfigError, LayerError, ZoneError, did_you_mean
from qpgis.landuse import class_words, plan_status_of, scheme
from qpgis.shapes import polygonal, repaired
from qpgis.synth.calibration import SCHEME, Calibration, check_road_classes

if TYPE_CHECKING:
    import geopandas as gpd
    from pyproj import CRS

UNITS_PER_DEGREE = 10_000_000
"""Coordinates are whole numbers of 1e-7 degrees, about a centimetre."""
LONGEST_EDGE_M = 250.0
"""Edges of zones in a projected system get points at least this close before they become degrees."""
OVERLAP = 1e-6
"""Zones that share more than this share of the smaller one overlap."""


@dataclass(frozen=True)
class Lattice:
    """Whole units of 1e-7 degrees, counted from a corner; geometry is exact there.

    Attributes
    ----------
    plane : Plane
        The study area's equal-area plane.
    origin : array (2,)
        Longitude and latitude of the corner, in units.
    step : int
        Coordinates are multiples of so many units.
    """

    plane: Plane
    origin: Floats
    step: int = 1

    def from_degrees(self, degrees: Floats) -> Floats:
        """Longitude and latitude in degrees to the nearest point of the lattice."""
        return np.rint(degrees * (UNITS_PER_DEGREE // self.step)) * self.step - self.origin

    def from_plane(self, xy: Floats) -> Floats:
        """Metres of the plane to the nearest point of the lattice."""
        return self.from_degrees(self.plane.inverse(xy))

    def to_degrees(self, units: Floats) -> Floats:
        """Units to degrees: the floating-point number nearest to the decimal one."""
        return np.asarray((units + self.origin) / UNITS_PER_DEGREE)

    def to_plane(self, units: Floats) -> Floats:
        """Units to metres of the plane, vertex by vertex."""
        return self.plane.forward(self.to_degrees(units))

    def areas(self, polygons: Geometries) -> Floats:
        """Areas of polygons of the lattice in m2."""
        return np.asarray(shapely.area(shapely.transform(polygons, self.to_plane)))


@dataclass(frozen=True)
class Waters:
    """Reference waters: polygons of the lattice, lakes before rivers."""

    polygons: Geometries
    code: tuple[str, ...]
    name: tuple[str, ...]
    ref: tuple[str, ...]

    @property
    def is_still(self) -> NDArray[np.bool_]:
        """True for lakes and reservoirs, which no road crosses."""
        return np.array([code in ("1102", "1103") for code in self.code], dtype=bool)


@dataclass(frozen=True)
class Inputs:
    """Everything that is given, in units of the lattice.

    Attributes
    ----------
    lattice : Lattice
        Units and plane.
    ids, names : tuple of str
        Of the zones, in the given order.
    zones : array of polygons
        The zones.
    zone_m2 : array of float
        Their areas.
    area : array of int
        The calibration's area that each zone is in.
    waters : Waters
        Reference waters.
    forests : array of polygons, forest_refs : tuple of str
        Reference forests.
    roads : array of lines, road_classes, road_refs, road_names : tuple of str
        The backbone.
    seats : array (seats, 2), seat_zone : array of int
        Town centres (metres of the plane), and the zone of each.
    """

    lattice: Lattice
    ids: tuple[str, ...]
    names: tuple[str, ...]
    zones: Geometries
    zone_m2: Floats
    area: NDArray[np.int64]
    waters: Waters
    forests: Geometries
    forest_refs: tuple[str, ...]
    roads: Geometries
    road_classes: tuple[str, ...]
    road_refs: tuple[str, ...]
    road_names: tuple[str, ...]
    seats: Floats
    seat_zone: NDArray[np.int64]

    @property
    def plane_zones(self) -> Geometries:
        """The zones in the plane."""
        return shapely.transform(self.zones, self.lattice.to_plane)


def check_numbers(seed: object, parcels: object, digits: object) -> None:
    """Refuse a seed, a number of parcels or of digits that can't be used; all mistakes at once."""
    mistakes = []
    if type(seed) is not int or seed < 0:
        mistakes.append(f"seed: a whole number from 0 is wanted, not {seed!r}")
    if type(parcels) is not int or parcels < 1:
        mistakes.append(f"parcels: a whole number from 1 is wanted, not {parcels!r}")
    if digits not in (6, 7):
        mistakes.append(f"digits: 6 or 7 is wanted, not {digits!r}")
    if mistakes:
        raise ConfigError(mistakes)


def gather(
    zones: gpd.GeoDataFrame,
    *,
    id_field: str,
    name_field: str,
    water: gpd.GeoDataFrame | None,
    forest: gpd.GeoDataFrame | None,
    roads: gpd.GeoDataFrame | None,
    seats: gpd.GeoDataFrame | None,
    calibration: Calibration,
    digits: int,
) -> Inputs:
    """Check what is given and bring it to the lattice."""
    ids, names = _zone_words(zones, id_field, name_field)
    crs = parse(zones.crs, what="zones")
    polygons = _polygons(zones, "zones", ZoneError)
    if crs.is_projected:
        polygons = shapely.segmentize(polygons, LONGEST_EDGE_M / crs.axis_info[0].unit_conversion_factor)
    degrees = lonlat(polygons, crs, what="zones")
    plane = Plane.around(degrees)
    step = 10 ** (7 - digits)
    corner = np.floor(shapely.total_bounds(degrees)[:2] * UNITS_PER_DEGREE / step - 1) * step
    lattice = Lattice(plane, corner, step)
    on_lattice = repaired(shapely.transform(degrees, lattice.from_degrees))
    zone_m2 = lattice.areas(on_lattice)
    if not (zone_m2 > 0).all():
        raise ZoneError(f"zone {ids[int(np.argmin(zone_m2))]!r} has no area")
    _refuse_overlaps(on_lattice, ids)
    outline = shapely.union_all(on_lattice)
    water_frame = _existing(water, "water")
    seat_xy, seat_zone = _seats(seats, on_lattice, lattice)
    forests = _layer(_existing(forest, "forest"), "forest", outline, lattice, (3, 6))
    backbone = _layer(_existing(roads, "roads"), "roads", outline, lattice, (1, 5))
    return Inputs(
        lattice=lattice,
        ids=ids,
        names=names,
        zones=on_lattice,
        zone_m2=zone_m2,
        area=np.array([calibration.area_of(zone) for zone in ids]),
        waters=_waters(_layer(water_frame, "water", outline, lattice, (3, 6))),
        forests=forests[0],
        forest_refs=_column(forests[1], "id"),
        roads=backbone[0],
        road_classes=tuple(_road_classes(backbone[1])),
        road_refs=_column(backbone[1], "id"),
        road_names=_column(backbone[1], "name"),
        seats=seat_xy,
        seat_zone=seat_zone,
    )


def _zone_words(zones: gpd.GeoDataFrame, id_field: str, name_field: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if not len(zones):
        raise ZoneError("there are no zones")
    for field in (id_field, name_field):
        if field not in zones.columns:
            known = [str(c) for c in zones.columns]
            raise ConfigError(f"zones have no column {field!r}; {did_you_mean(field, known)}")
    ids = tuple(str(value) for value in zones[id_field])
    if len(set(ids)) < len(ids):
        twice = next(i for i in ids if ids.count(i) > 1)
        raise ZoneError(f"two zones have the id {twice!r}; name another column with id_field")
    return ids, tuple(str(value) for value in zones[name_field])


def _polygons(frame: gpd.GeoDataFrame, what: str, error: type[ZoneError | LayerError]) -> Geometries:
    geometries = np.asarray(frame.geometry.to_numpy(), dtype=object)
    bad = ~np.isin(shapely.get_type_id(geometries), (3, 6)) | shapely.is_empty(geometries)
    if bad.any():
        found = geometries[int(np.argmax(bad))]
        kind = "nothing" if found is None or found.is_empty else found.geom_type
        raise error(f"{what}: row {int(np.argmax(bad))} holds {kind}; polygons are wanted")
    made = np.array([polygonal(g) for g in repaired(shapely.force_2d(geometries))], dtype=object)
    flat = shapely.area(made) == 0
    if flat.any():
        raise error(f"{what}: row {int(np.argmax(flat))} has no area")
    return made


def _refuse_overlaps(zones: Geometries, ids: tuple[str, ...]) -> None:
    """Zones must not share ground."""
    first, second = shapely.STRtree(zones).query(zones, predicate="intersects")
    pairs = first < second
    first, second = first[pairs], second[pairs]
    shared = shapely.area(shapely.intersection(zones[first], zones[second]))
    allowed = OVERLAP * np.minimum(shapely.area(zones[first]), shapely.area(zones[second]))
    over = np.flatnonzero(shared > allowed)
    if len(over):
        a, b = ids[first[over[0]]], ids[second[over[0]]]
        raise ZoneError(f"zones {a!r} and {b!r} overlap; a parcel belongs to exactly one zone: mend the borders first")


def _existing(frame: gpd.GeoDataFrame | None, what: str) -> gpd.GeoDataFrame | None:
    """The features that are there already (现状); nothing where none is."""
    if frame is None:
        return None
    if not len(frame):
        raise LayerError(f"{what}: the layer is empty; leave it out instead")
    if "plan_status" not in frame.columns:
        return frame
    there = frame[[plan_status_of(str(word)) == "existing" for word in frame["plan_status"]]]
    return there if len(there) else None


def _layer(
    frame: gpd.GeoDataFrame | None, what: str, outline: shapely.Geometry, lattice: Lattice, types: tuple[int, ...]
) -> tuple[Geometries, gpd.GeoDataFrame | None]:
    """The features of a layer that touch the study area, on the lattice."""
    if frame is None:
        return np.empty(0, dtype=object), None
    crs: CRS = parse(frame.crs, what=what)
    if types == (3, 6):
        geometries = _polygons(frame, what, LayerError)
    else:
        geometries = shapely.force_2d(np.asarray(frame.geometry.to_numpy(), dtype=object))
        if (~np.isin(shapely.get_type_id(geometries), types) | shapely.is_empty(geometries)).any():
            raise LayerError(f"{what}: lines are wanted, in every row")
    units = shapely.transform(lonlat(geometries, crs, what=what), lattice.from_degrees)
    units = repaired(units) if types == (3, 6) else units
    shapely.prepare(outline)
    inside = shapely.intersects(outline, units)
    if not inside.any():
        raise LayerError(f"{what}: no feature lies in the zones; is {crs.name!r} the system it is in?")
    return units[inside], frame[inside]


def _column(frame: gpd.GeoDataFrame | None, column: str) -> tuple[str, ...]:
    """A column as text; empty where it is missing."""
    if frame is None:
        return ()
    if column not in frame.columns:
        return ("",) * len(frame)
    return tuple("" if v is None or v != v else str(v) for v in frame[column])


def _class_column(frame: gpd.GeoDataFrame, what: str) -> tuple[str, ...]:
    if "class" not in frame.columns:
        raise LayerError(f"{what}: there is no column 'class'")
    return _column(frame, "class")


def _waters(layer: tuple[Geometries, gpd.GeoDataFrame | None]) -> Waters:
    """Lakes and reservoirs first, so that a river drawn across a lake doesn't cut it; no class is other water."""
    polygons, frame = layer
    if frame is None:
        return Waters(polygons, (), (), ())
    words, known = _class_column(frame, "water"), class_words("water")
    codes = {row.class_: row.code for row in reversed(list(scheme(SCHEME).classes.values())) if row.layer == "water"}
    found = []
    for word in words:
        if word and known.get(word) not in codes:
            raise LayerError(f"water: {word!r} is no class of water; {did_you_mean(word, known)}")
        found.append(codes[known[word]] if word else codes["other"])
    order = sorted(range(len(found)), key=lambda n: (found[n] not in ("1102", "1103"), n))
    name, ref = _column(frame, "name"), _column(frame, "id")
    return Waters(
        polygons[order], tuple(found[n] for n in order), tuple(name[n] for n in order), tuple(ref[n] for n in order)
    )


def _road_classes(frame: gpd.GeoDataFrame | None) -> list[str]:
    if frame is None:
        return []
    return check_road_classes(_class_column(frame, "roads"))


def _seats(seats: gpd.GeoDataFrame | None, zones: Geometries, lattice: Lattice) -> tuple[Floats, NDArray[np.int64]]:
    """Town centres in the plane, and their zones; one point in each zone where none are given."""
    if seats is None:
        points = shapely.point_on_surface(zones)
        return lattice.to_plane(shapely.get_coordinates(points)), np.arange(len(zones))
    if not len(seats):
        raise LayerError("seats: the layer is empty; leave it out instead")
    geometries = np.asarray(seats.geometry.to_numpy(), dtype=object)
    if (shapely.get_type_id(geometries) != 0).any():
        raise LayerError("seats: points are wanted, in every row")
    units = shapely.transform(lonlat(geometries, parse(seats.crs, what="seats"), what="seats"), lattice.from_degrees)
    row, zone = shapely.STRtree(zones).query(units, predicate="intersects")
    row, first = np.unique(row, return_index=True)
    if not len(row):
        raise LayerError("seats: no point lies in the zones")
    return lattice.to_plane(shapely.get_coordinates(units[row])), zone[first]


def in_degrees(geometries: Geometries, lattice: Lattice) -> gpd.GeoSeries:
    """Geometries of the lattice in EPSG:4326."""
    import geopandas as gpd

    return gpd.GeoSeries(shapely.transform(geometries, lattice.to_degrees), crs=LONLAT)
