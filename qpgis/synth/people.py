"""Residents on residential parcels, facilities near the residents."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from qpgis.crs import Floats
from qpgis.synth.calibration import GROUPS, Calibration
from qpgis.synth.classes import Parcels, areas_of_total
from qpgis.synth.fields import Flags, Grid, Ints, Totals
from qpgis.synth.inputs import Inputs
from qpgis.synth.streets import Streets

TOWN, VILLAGE = GROUPS.index("town_housing"), GROUPS.index("village")
NEIGHBOURHOOD_M = 700.0
"""Facilities look for residents within a square of twice this width."""
BUS_CLASSES = ("primary", "secondary", "tertiary", "residential", "unclassified")


@dataclass(frozen=True)
class Residents:
    """Where people live: a parcel, its point in units of the lattice, and how many they are."""

    parcel: Ints
    xy: Floats
    count: Ints


@dataclass(frozen=True)
class Facilities:
    """Facilities: class, name and place in units of the lattice."""

    class_: NDArray[np.object_]
    name: NDArray[np.object_]
    xy: Floats


def settle(parcels: Parcels, inputs: Inputs, calibration: Calibration, seed: int) -> Residents:
    """Residents on residential parcels; their sum is exactly what the calibration asks for."""
    rng = np.random.Generator(np.random.PCG64([seed, 5]))
    weight = parcels.m2 * rng.lognormal(0, 0.3, len(parcels)) * (1 + 1.2 * np.exp(-(np.minimum(parcels.town, 9) ** 2)))
    count = np.zeros(len(parcels), dtype=np.int64)
    for areas, total in head_counts(inputs, calibration):
        share = _shares(parcels, areas, weight, calibration)
        count += _whole_numbers(share, total)
    living = np.flatnonzero(count > 0)
    points = shapely.point_on_surface(parcels.pieces.geometry[living])
    step = inputs.lattice.step
    return Residents(living, np.rint(shapely.get_coordinates(points) / step) * step, count[living])


def head_counts(inputs: Inputs, calibration: Calibration) -> list[tuple[NDArray[np.float64], int]]:
    """Exact numbers of residents: for each, how they spread over the areas (weights), and the number."""
    km2 = np.bincount(inputs.area, inputs.zone_m2, minlength=len(calibration.areas)) / 1e6
    expected = km2 * np.array([area.residents_per_km2 for area in calibration.areas])
    done = np.zeros(len(calibration.areas), dtype=bool)
    counts = []
    for total in calibration.totals:
        mine = areas_of_total(total, inputs, calibration) & ~done
        if total.residents is not None and mine.any():
            base = expected if expected[mine].sum() > 0 else km2
            counts.append((np.where(mine, base, 0.0), total.residents))
            done |= mine
    for n in np.flatnonzero(~done & (km2 > 0)):
        counts.append((np.where(np.arange(len(done)) == n, 1.0, 0.0), round(float(expected[n]))))
    return counts


def _shares(parcels: Parcels, areas: Floats, weight: Floats, calibration: Calibration) -> Floats:
    """Share of the residents that each parcel gets: towns and villages by the calibrated split."""
    out = np.zeros(len(parcels))
    for area in np.flatnonzero(areas > 0):
        mine = parcels.area == area
        town, village = mine & (parcels.group == TOWN), mine & (parcels.group == VILLAGE)
        split = calibration.town_share if village.any() and town.any() else float(town.any())
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
    parcels: Parcels, codes: NDArray, residents: Residents, streets: Streets, inputs: Inputs, calibration: Calibration,
    seed: int,
) -> Facilities:  # fmt: skip
    """Facilities of every kind, near residents, on the land that suits them."""
    rng = np.random.Generator(np.random.PCG64([seed, 6]))
    lattice = inputs.lattice
    grid = Grid.over(shapely.total_bounds(inputs.plane_zones), pixels=60_000)
    raster = np.zeros(grid.shape)
    np.add.at(raster, grid.index(lattice.to_plane(residents.xy)), residents.count)
    people = Totals(grid, raster / grid.pixel_m**2)
    heads = int(residents.count.sum())
    classes: list[str] = []
    names: list[str] = []
    places: list[Floats] = [np.empty((0, 2))]
    for kind in calibration.facilities:
        wanted = round(kind.per_10k * heads / 10_000)
        if kind.hosts:
            xy = _on_parcels(parcels, codes, kind.hosts, wanted, people, inputs, rng)
        else:
            xy = _on_streets(streets, wanted, people, inputs, rng)
        places.append(xy)
        classes += [kind.class_] * len(xy)
        names += [f"{kind.name} {n + 1}" for n in range(len(xy))]
    xy = _apart(np.concatenate(places), lattice.step)
    return Facilities(np.array(classes, dtype=object), np.array(names, dtype=object), xy)


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


def _on_parcels(
    parcels: Parcels, codes: NDArray, hosts: tuple[str, ...], wanted: int, people: Totals, inputs: Inputs,
    rng: np.random.Generator,
) -> Floats:  # fmt: skip
    """Points in parcels of the first codes that suffice, drawn by the residents around them, spread over them."""
    chosen = np.empty(0, dtype=np.int64)
    for code in hosts:
        there = np.flatnonzero(codes == code)
        if len(there) and len(chosen) < wanted:
            weight = _around(parcels.xy[there], people) + 1e-9
            more = there[_draw(weight, wanted - len(chosen), rng)]
            chosen = np.concatenate([chosen, more])
    if not len(chosen) or not wanted:
        return np.empty((0, 2))
    return _points_in(parcels, np.sort(chosen), inputs, rng)


def _draw(weight: Floats, count: int, rng: np.random.Generator) -> Ints:
    """Up to ``count`` different indices, drawn in proportion to weights (Efraimidis and Spirakis 2006)."""
    key = np.log(rng.uniform(1e-12, 1, len(weight))) / weight
    return np.argsort(-key, kind="stable")[:count]


def _points_in(parcels: Parcels, chosen: Ints, inputs: Inputs, rng: np.random.Generator) -> Floats:
    """A random point of the lattice in each parcel."""
    polygons = parcels.pieces.geometry[chosen]
    step = inputs.lattice.step
    points = shapely.get_coordinates(shapely.point_on_surface(polygons))
    box = shapely.bounds(polygons)
    placed = np.zeros(len(chosen), dtype=bool)
    shapely.prepare(polygons)
    for _ in range(6):
        tried = box[:, :2] + rng.uniform(0.1, 0.9, (len(chosen), 2)) * (box[:, 2:] - box[:, :2])
        inside: Flags = shapely.contains_xy(polygons, tried[:, 0], tried[:, 1]) & ~placed
        points[inside], placed = tried[inside], placed | inside
    return np.rint(points / step) * step


def _on_streets(streets: Streets, wanted: int, people: Totals, inputs: Inputs, rng: np.random.Generator) -> Floats:
    """Points along streets that buses use, drawn by the residents around them."""
    used = np.flatnonzero(np.isin(streets.class_, BUS_CLASSES))
    if not len(used) or not wanted:
        return np.empty((0, 2))
    lines = streets.lines[used]
    middle = shapely.get_coordinates(shapely.line_interpolate_point(lines, 0.5, normalized=True))
    weight = (_around(inputs.lattice.to_plane(middle), people) + 1) * shapely.length(lines)
    chosen = np.sort(rng.choice(len(used), wanted, p=weight / weight.sum()))
    share = rng.uniform(0.1, 0.9, wanted)
    step = inputs.lattice.step
    return (
        np.rint(shapely.get_coordinates(shapely.line_interpolate_point(lines[chosen], share, normalized=True)) / step)
        * step
    )
