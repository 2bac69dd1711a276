"""What a landscape is made for and around: zones, waters, forests, backbone roads and town centres, checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import shapely
from numpy.typing import NDArray

from qpgis.crs import Floats, Geometries, Plane, lonlat, parse
from qpgis.errors import ConfigError, LayerError, ZoneError, did_you_mean
from qpgis.landuse import class_words, plan_status_of, scheme
from qpgis.layers import text_of
from qpgis.shapes import polygonal, repaired
from qpgis.synth.calibration import SCHEME, Calibration
from qpgis.synth.fields import Flags, Ints

if TYPE_CHECKING:
    import geopandas as gpd

Frames: TypeAlias = "Mapping[str, gpd.GeoDataFrame | None]"
UNITS_PER_DEGREE = 10_000_000
"""Coordinates are whole numbers of 1e-7 degrees, about a centimetre."""
LONGEST_EDGE_M = 250.0
"""Edges of zones in a projected system get points at least this close before they become degrees."""
OVERLAP = 1e-6
"""Zones that share more than this share of the smaller one overlap."""
POINTS, LINES, POLYGONS = (0,), (1, 5), (3, 6)
"""Types of geometries, by their numbers in shapely."""
STILL = ("lake", "reservoir")
"""Classes of standing water."""


class Stage(IntEnum):
    """What chance decides, each from a stream of its own, so that a change of one leaves the others alone."""

    LANDSCAPE = 1
    ROADS = 2
    GROUPS = 3
    CODES = 4
    RESIDENTS = 5
    FACILITIES = 6
    FOOTPATHS = 7
    CENTRES = 8


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

    def nearest(self, units: Floats) -> Floats:
        """The nearest points of the lattice."""
        return np.rint(units / self.step) * self.step


@dataclass(frozen=True)
class Reference:
    """A given layer: what is there already and stays as it is.

    Attributes
    ----------
    geometry : array
        On the lattice.
    class_ : array of str
        Land-use code of waters, road class of roads, empty for forests.
    name, ref : array of str
        Name and id in the file, empty where there is none.
    """

    geometry: Geometries
    class_: NDArray[np.object_]
    name: NDArray[np.object_]
    ref: NDArray[np.object_]

    def __len__(self) -> int:
        return len(self.geometry)

    def take(self, index: Ints) -> Reference:
        """Some of the features."""
        return Reference(self.geometry[index], self.class_[index], self.name[index], self.ref[index])


@dataclass(frozen=True)
class Inputs:
    """Everything that is given, in units of the lattice.

    Attributes
    ----------
    lattice : Lattice
        Units and plane.
    calibration : Calibration
        What the landscape adds up to.
    seed : int
        Where chance begins.
    ids : tuple of str
        Of the zones, in the given order.
    zones : array of polygons
        The zones.
    zone_m2 : array of float
        Their areas.
    area : array of int
        The calibration's area that each zone is in.
    waters : Reference
        Reference waters, lakes before rivers.
    forests : Reference
        Reference forests.
    roads : Reference
        The backbone.
    seats : array (seats, 2), seat_zone : array of int
        Town centres (metres of the plane), and the zone of each.
    """

    lattice: Lattice
    calibration: Calibration
    seed: int
    ids: tuple[str, ...]
    zones: Geometries
    zone_m2: Floats
    area: Ints
    waters: Reference
    forests: Reference
    roads: Reference
    seats: Floats
    seat_zone: Ints

    @cached_property
    def plane_zones(self) -> Geometries:
        """The zones in the plane."""
        return shapely.transform(self.zones, self.lattice.to_plane)

    @cached_property
    def plane_waters(self) -> Geometries:
        """The reference waters in the plane."""
        return shapely.transform(self.waters.geometry, self.lattice.to_plane)

    @property
    def bounds(self) -> Floats:
        """West, south, east and north of the zones in the plane, metres."""
        return np.asarray(shapely.total_bounds(self.plane_zones))

    @cached_property
    def area_m2(self) -> Floats:
        """Extent of each of the calibration's areas, m2."""
        return np.bincount(self.area, self.zone_m2, minlength=len(self.calibration.areas)).astype(float)

    @property
    def is_still(self) -> Flags:
        """Whether each reference water is a lake or reservoir, which no road crosses."""
        return _still(self.waters)

    def area_at(self, zone: NDArray[np.integer]) -> Ints:
        """The calibration's area of places by their zone; the first for those outside (-1)."""
        return np.append(self.area, 0)[zone]

    def chance(self, stage: Stage) -> np.random.Generator:
        """The stream of random numbers of a stage, from its beginning."""
        return np.random.Generator(np.random.PCG64([self.seed, int(stage)]))


MOST_PARCELS = 5_000_000
"""Parcels that some 12 GB of memory hold."""


def check_numbers(seed: object, parcels: object, digits: object) -> None:
    """Refuse a seed, a number of parcels or of digits that can't be used; all mistakes at once."""
    mistakes = []
    if type(seed) is not int or seed < 0:
        mistakes.append(f"seed: a whole number from 0 is wanted, not {seed!r}")
    if type(parcels) is not int or parcels < 1:
        mistakes.append(f"parcels: a whole number from 1 is wanted, not {parcels!r}")
    elif parcels > MOST_PARCELS:
        mistakes.append(f"parcels: at most {MOST_PARCELS:,} at once, not {parcels:,}")
    if digits not in (6, 7):
        mistakes.append(f"digits: 6 or 7 is wanted, not {digits!r}")
    if mistakes:
        raise ConfigError(mistakes)


def gather(
    zones: gpd.GeoDataFrame, id_field: str, given: Frames, *, calibration: Calibration, seed: int, digits: int
) -> Inputs:
    """Check what is given (``water``, ``forest``, ``roads``, ``seats``) and bring it to the lattice."""
    ids = _zone_ids(zones, id_field)
    lattice, on_lattice = _lattice_of(zones, digits)
    zone_m2 = np.asarray(shapely.area(shapely.transform(on_lattice, lattice.to_plane)))
    if not (zone_m2 > 0).all():
        raise ZoneError(f"zone {ids[int(np.argmin(zone_m2))]!r} has no area")
    _refuse_overlaps(on_lattice, ids)
    outline = shapely.union_all(on_lattice)
    seats, seat_zone = _seats(given["seats"], on_lattice, lattice)
    return Inputs(
        lattice=lattice,
        calibration=calibration,
        seed=seed,
        ids=ids,
        zones=on_lattice,
        zone_m2=zone_m2,
        area=np.array([calibration.area_of(zone) for zone in ids]),
        forests=_reference(given, "forest", outline, lattice),
        roads=_reference(given, "roads", outline, lattice, _road_class),
        waters=_lakes_first(_reference(given, "water", outline, lattice, _water_code)),
        seats=seats,
        seat_zone=seat_zone,
    )


def _zone_ids(zones: gpd.GeoDataFrame, id_field: str) -> tuple[str, ...]:
    if not len(zones):
        raise ZoneError("there are no zones")
    if id_field not in zones.columns:
        raise ConfigError(f"zones have no column {id_field!r}; {did_you_mean(id_field, map(str, zones.columns))}")
    ids = tuple(text_of(value) for value in zones[id_field])
    if "" in ids:
        raise ZoneError(f"zone {ids.index('') + 1} of {len(ids)} has no {id_field!r}; every zone needs one")
    if len(set(ids)) < len(ids):
        twice = next(i for i in ids if ids.count(i) > 1)
        raise ZoneError(f"two zones have the id {twice!r}; name another column with id_field")
    return ids


def _lattice_of(zones: gpd.GeoDataFrame, digits: int) -> tuple[Lattice, Geometries]:
    """A lattice from the zones' south-west corner, and the zones on it."""
    crs = parse(zones.crs, what="zones")
    polygons = _polygons(zones, "zones", ZoneError)
    if crs.is_projected:
        polygons = shapely.segmentize(polygons, LONGEST_EDGE_M / crs.axis_info[0].unit_conversion_factor)
    degrees = lonlat(polygons, crs, what="zones")
    step = 10 ** (7 - digits)
    corner = np.floor(shapely.total_bounds(degrees)[:2] * UNITS_PER_DEGREE / step - 1) * step
    lattice = Lattice(Plane.around(degrees), corner, step)
    return lattice, repaired(shapely.transform(degrees, lattice.from_degrees))


def _polygons(frame: gpd.GeoDataFrame, what: str, error: type[ZoneError | LayerError]) -> Geometries:
    geometries = np.asarray(frame.geometry.to_numpy(), dtype=object)
    bad = ~np.isin(shapely.get_type_id(geometries), POLYGONS) | shapely.is_empty(geometries)
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


def _reference(
    given: Frames,
    what: str,
    outline: shapely.Geometry,
    lattice: Lattice,
    class_of: Callable[[str], str] | None = None,
) -> Reference:
    """The existing features (现状) of a layer that touch the study area; without ``class_of`` classes don't matter."""
    frame = _existing(given[what], what)
    if frame is None:
        nothing = np.empty(0, dtype=object)
        return Reference(nothing, nothing, nothing, nothing)
    crs = parse(frame.crs, what=what)
    lines = what == "roads"
    geometries = _lines(frame, what) if lines else _polygons(frame, what, LayerError)
    units = shapely.transform(lonlat(geometries, crs, what=what), lattice.from_degrees)
    units = units if lines else repaired(units)
    shapely.prepare(outline)
    inside = shapely.intersects(outline, units)
    if not inside.any():
        raise LayerError(f"{what}: no feature lies in the zones; is {crs.name!r} the system it is in?")
    if class_of and "class" not in frame.columns:
        raise LayerError(f"{what}: there is no column 'class'")
    frame = frame[inside]
    classes = [class_of(word) if class_of else "" for word in _column(frame, "class")]
    return Reference(units[inside], np.array(classes, dtype=object), _column(frame, "name"), _column(frame, "id"))


def _existing(frame: gpd.GeoDataFrame | None, what: str) -> gpd.GeoDataFrame | None:
    """The features that are there already (现状); nothing where none is."""
    if frame is None:
        return None
    if not len(frame):
        raise LayerError(f"{what}: the layer is empty; leave it out instead")
    if "plan_status" not in frame.columns:
        return frame
    status = [plan_status_of(text_of(word)) for word in frame["plan_status"]]
    unknown = sorted({text_of(word) for word, known in zip(frame["plan_status"], status, strict=True) if known is None})
    if unknown:
        named = ", ".join(map(repr, unknown))
        raise LayerError(f"{what}: plan_status {named} is not known; write 现状, 在建, 规划 or 研究")
    there = frame[[one == "existing" for one in status]]
    return there if len(there) else None


def _lines(frame: gpd.GeoDataFrame, what: str) -> Geometries:
    geometries = shapely.force_2d(np.asarray(frame.geometry.to_numpy(), dtype=object))
    if (~np.isin(shapely.get_type_id(geometries), LINES) | shapely.is_empty(geometries)).any():
        raise LayerError(f"{what}: lines are wanted, in every row")
    return geometries


def _column(frame: gpd.GeoDataFrame, column: str) -> NDArray[np.object_]:
    """A column as text; empty where it is missing."""
    values = frame[column] if column in frame.columns else [""] * len(frame)
    return np.array(["" if v is None or v != v else str(v) for v in values], dtype=object)


def _water_code(word: str) -> str:
    """The land-use code of a class of water; no class is other water."""
    known = class_words("water")
    codes = {row.class_: row.code for row in reversed(list(scheme(SCHEME).classes.values())) if row.layer == "water"}
    if word and known.get(word) not in codes:
        raise LayerError(f"water: {word!r} is no class of water; {did_you_mean(word, known)}")
    return codes[known[word] if word else "other"]


def _road_class(word: str) -> str:
    known = class_words("roads")
    if word not in known:
        raise ConfigError(f"road class {word!r} isn't in data/schemes/roads.toml; {did_you_mean(word, known)}")
    return known[word]


def _lakes_first(waters: Reference) -> Reference:
    """Lakes and reservoirs first, so that a river drawn across a lake doesn't cut it."""
    return waters.take(np.argsort(~_still(waters), kind="stable"))


def _still(waters: Reference) -> Flags:
    classes = scheme(SCHEME).classes
    return np.array([classes[code].class_ in STILL for code in waters.class_], dtype=bool)


def _seats(seats: gpd.GeoDataFrame | None, zones: Geometries, lattice: Lattice) -> tuple[Floats, Ints]:
    """Town centres in the plane, and their zones; one point in each zone where none are given."""
    if seats is None:
        points = shapely.point_on_surface(zones)
        return lattice.to_plane(shapely.get_coordinates(points)), np.arange(len(zones))
    if not len(seats):
        raise LayerError("seats: the layer is empty; leave it out instead")
    geometries = np.asarray(seats.geometry.to_numpy(), dtype=object)
    if not np.isin(shapely.get_type_id(geometries), POINTS).all():
        raise LayerError("seats: points are wanted, in every row")
    units = shapely.transform(lonlat(geometries, parse(seats.crs, what="seats"), what="seats"), lattice.from_degrees)
    row, zone = shapely.STRtree(zones).query(units, predicate="intersects")
    row, first = np.unique(row, return_index=True)
    if not len(row):
        raise LayerError("seats: no point lies in the zones")
    return lattice.to_plane(shapely.get_coordinates(units[row])), zone[first]
