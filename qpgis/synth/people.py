"""Residents on residential parcels, facilities near the residents."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from qpgis.crs import Floats, Geometries
from qpgis.synth.calibration import FACILITIES, GROUPS, Centre, FacilityKind, Offer
from qpgis.synth.classes import Parcels, areas_of_total
from qpgis.synth.fields import Flags, Grid, Ints, Totals, draw, spread
from qpgis.synth.inputs import Inputs, Lattice, Stage
from qpgis.synth.streets import Streets

TOWN, VILLAGE = GROUPS.index("town_housing"), GROUPS.index("village")
NEIGHBOURHOOD_M = 700.0
"""Facilities look for residents within a square of twice this width."""
PIXELS = 60_000
"""Of the raster that residents are counted on."""
BUS_CLASSES = ("primary", "secondary", "tertiary", "residential", "unclassified")
"""Roads that buses use."""
TRIES = 6
"""Random points that are tried in a parcel before one that is surely inside is taken."""


@dataclass(frozen=True)
class Residents:
    """Where people live: a parcel, its point in units of the lattice, and how many they are."""

    parcel: Ints
    xy: Floats
    count: Ints


@dataclass(frozen=True)
class Facilities:
    """Facilities: class, name, place in units of the lattice, and floor area (NaN: not known)."""

    class_: NDArray[np.object_]
    name: NDArray[np.object_]
    xy: Floats
    floor_m2: Floats


def settle(parcels: Parcels, inputs: Inputs) -> Residents:
    """Residents on residential parcels; their sum is exactly what the calibration asks for."""
    rng = inputs.chance(Stage.RESIDENTS)
    weight = parcels.m2 * rng.lognormal(0, 0.3, len(parcels)) * (1 + 1.2 * np.exp(-(np.minimum(parcels.town, 9) ** 2)))
    count = np.zeros(len(parcels), dtype=np.int64)
    for areas, total in head_counts(inputs):
        count += _whole_numbers(_shares(parcels, areas, weight, inputs.calibration.town_share), total)
    living = np.flatnonzero(count > 0)
    points = shapely.point_on_surface(parcels.pieces.geometry[living])
    return Residents(living, inputs.lattice.nearest(shapely.get_coordinates(points)), count[living])


def head_counts(inputs: Inputs) -> list[tuple[Floats, int]]:
    """Exact numbers of residents: for each, how they spread over the areas (weights), and the number."""
    km2 = inputs.area_m2 / 1e6
    expected = km2 * np.array([area.residents_per_km2 for area in inputs.calibration.areas])
    done = np.zeros(len(km2), dtype=bool)
    counts = []
    for total in inputs.calibration.totals:
        mine = areas_of_total(total, inputs) & ~done
        if total.residents is not None and mine.any():
            base = expected if expected[mine].sum() > 0 else km2
            counts.append((np.where(mine, base, 0.0), total.residents))
            done |= mine
    for n in np.flatnonzero(~done & (km2 > 0)):
        counts.append((np.where(np.arange(len(done)) == n, 1.0, 0.0), round(float(expected[n]))))
    return counts


def _shares(parcels: Parcels, areas: Floats, weight: Floats, town_share: float) -> Floats:
    """Share of the residents that each parcel gets: towns and villages by the calibrated split."""
    out = np.zeros(len(parcels))
    for area in np.flatnonzero(areas > 0):
        mine = parcels.area == area
        town, village = mine & (parcels.group == TOWN), mine & (parcels.group == VILLAGE)
        split = town_share if village.any() and town.any() else float(town.any())
        for where, share in ((town, split), (village, 1 - split)):
            if where.any():
                out[where] = areas[area] * share * weight[where] / weight[where].sum()
    if out.sum() > 0:
        return out / out.sum()
    dry = (areas[parcels.area] > 0) & (parcels.pieces.water < 0)
    dry = dry if dry.any() else areas[parcels.area] > 0
    return np.where(dry, parcels.m2, 0.0) / parcels.m2[dry].sum()


def _whole_numbers(share: Floats, total: int) -> Ints:
    """Whole numbers in proportion to shares whose sum is exactly ``total``: largest remainders are rounded up.

    >>> _whole_numbers(np.array([0.5, 0.3, 0.2]), 4).tolist()
    [2, 1, 1]
    """
    exact = share * total
    whole = np.floor(exact).astype(np.int64)
    missing = total - int(whole.sum())
    whole[np.argsort(-(exact - whole), kind="stable")[:missing]] += 1
    return whole


def equip(
    parcels: Parcels, codes: NDArray[np.object_], residents: Residents, streets: Streets, inputs: Inputs
) -> Facilities:
    """Facilities of every kind near residents, on the land that suits them, and those of the communities' centres."""
    rng = inputs.chance(Stage.FACILITIES)
    people = _people(residents, inputs)
    heads = int(residents.count.sum())
    classes: list[str] = []
    names: list[str] = []
    places: list[Floats] = [np.empty((0, 2))]
    floors: list[float] = []

    def add(class_: str, kind: FacilityKind | Offer, xy: Floats) -> None:
        places.append(xy)
        classes.extend([class_] * len(xy))
        names.extend(f"{kind.name} {n + 1}" for n in range(len(xy)))
        floors.extend([np.nan if kind.floor_m2 is None else kind.floor_m2] * len(xy))

    for class_ in FACILITIES:
        if not (kind := inputs.calibration.facilities.get(class_)):
            continue
        wanted = round(kind.per_10k * heads / 10_000)
        if kind.hosts:
            chosen = _hosts(parcels, codes, kind.hosts, wanted, people, rng)
            xy = _points_in(parcels.pieces.geometry[chosen], inputs.lattice, rng)
        else:
            xy = _on_streets(streets, wanted, people, inputs.lattice, rng)
        add(class_, kind, xy)
    rng = inputs.chance(Stage.CENTRES)
    for centre in inputs.calibration.centres.values():
        at = _centres(centre, parcels, residents, people, rng)
        for class_, offer in centre.offers.items():
            chosen = at[rng.uniform(0, 1, len(at)) < offer.share]
            add(class_, offer, _points_in(parcels.pieces.geometry[chosen], inputs.lattice, rng))
    xy = _apart(np.concatenate(places), inputs.lattice.step)
    return Facilities(np.array(classes, dtype=object), np.array(names, dtype=object), xy, np.array(floors, dtype=float))


def _people(residents: Residents, inputs: Inputs) -> Totals:
    """Residents in rectangles of the plane."""
    grid = Grid.over(inputs.bounds, pixels=PIXELS)
    raster = np.zeros(grid.shape)
    np.add.at(raster, grid.index(inputs.lattice.to_plane(residents.xy)), residents.count)
    return Totals(grid, raster / grid.pixel_m**2)


def _apart(xy: Floats, step: float) -> Floats:
    """Points of the lattice, each in a place of its own: later ones move east until theirs is free.

    >>> _apart(np.array([[0.0, 0], [0, 0], [1, 0], [0, 0]]), 1.0).tolist()
    [[0.0, 0.0], [1.0, 0.0], [2.0, 0.0], [3.0, 0.0]]
    """
    xy = xy.copy()
    while len(xy):
        again = np.ones(len(xy), dtype=bool)
        again[np.unique(np.rint(xy / step), axis=0, return_index=True)[1]] = False
        if not again.any():
            break
        xy[again, 0] += step
    return xy


def _around(xy: Floats, people: Totals) -> Floats:
    """Residents in the neighbourhood of points of the plane."""
    return people.within(np.column_stack([xy - NEIGHBOURHOOD_M, xy + NEIGHBOURHOOD_M]))


def _hosts(
    parcels: Parcels,
    codes: NDArray[np.object_],
    hosts: tuple[str, ...],
    wanted: int,
    people: Totals,
    rng: np.random.Generator,
) -> Ints:
    """Parcels of the first codes that suffice, drawn by the residents around them."""
    chosen = np.empty(0, dtype=np.int64)
    for code in hosts:
        there = np.flatnonzero(codes == code)
        if len(there) and len(chosen) < wanted:
            weight = _around(parcels.xy[there], people) + 1e-9
            chosen = np.append(chosen, there[draw(weight, wanted - len(chosen), rng)])
    return np.sort(chosen)


def _centres(centre: Centre, parcels: Parcels, residents: Residents, people: Totals, rng: np.random.Generator) -> Ints:
    """The parcels on which the centres of communities stand, drawn by the residents around them."""
    mine = parcels.group[residents.parcel] == GROUPS.index(centre.land)
    homes = residents.parcel[mine]
    wanted = round(float(residents.count[mine].sum()) / centre.residents)
    xy = parcels.xy[homes]
    return homes[spread(xy, _around(xy, people) + 1e-9, wanted, centre.apart_m, rng)]


def _points_in(polygons: Geometries, lattice: Lattice, rng: np.random.Generator) -> Floats:
    """A random point of the lattice in each polygon."""
    points = shapely.get_coordinates(shapely.point_on_surface(polygons))
    box = shapely.bounds(polygons)
    placed = np.zeros(len(polygons), dtype=bool)
    shapely.prepare(polygons)
    for _ in range(TRIES):
        tried = box[:, :2] + rng.uniform(0.1, 0.9, (len(polygons), 2)) * (box[:, 2:] - box[:, :2])
        inside: Flags = shapely.contains_xy(polygons, tried[:, 0], tried[:, 1]) & ~placed
        points[inside], placed = tried[inside], placed | inside
    return lattice.nearest(points)


def _on_streets(streets: Streets, wanted: int, people: Totals, lattice: Lattice, rng: np.random.Generator) -> Floats:
    """Points along streets that buses use, drawn by the residents around them."""
    lines = streets.lines[np.isin(streets.class_, BUS_CLASSES)]
    if not len(lines) or not wanted:
        return np.empty((0, 2))
    middle = shapely.get_coordinates(shapely.line_interpolate_point(lines, 0.5, normalized=True))
    weight = (_around(lattice.to_plane(middle), people) + 1) * shapely.length(lines)
    chosen = np.sort(rng.choice(len(lines), wanted, p=weight / weight.sum()))
    points = shapely.line_interpolate_point(lines[chosen], rng.uniform(0.1, 0.9, wanted), normalized=True)
    return lattice.nearest(shapely.get_coordinates(points))
