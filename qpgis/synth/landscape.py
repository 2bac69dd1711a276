"""Where towns, estates, villages and lakes lie: smooth fields that the partition and the classes follow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import shapely
from numpy.typing import NDArray

from qpgis.crs import Floats
from qpgis.synth.fields import Flags, Grid, Ints, Waves, edges
from qpgis.synth.inputs import Inputs

TOWN_GROUPS = ("commerce", "office", "service", "utility", "park", "town_housing")
"""What a town is made of, besides its streets."""
TOWN_ROADS = 0.4
"""So much of the road land lies in towns."""
PIXELS = 80
"""Pixels a parcel, within limits."""
LEAST_AND_MOST_PIXELS = (40_000, 640_000)
COARSE_PIXELS = 30_000
"""Pixels of the distance to the nearest water: it need not be exact."""
AT_ONCE = 200_000
"""Points that are looked up at once, so that millions of parcels fit into memory."""
TOWN_REACHES = 8.0
"""Further from a town than so many times its reach, nothing depends on it."""
VILLAGE_ASPECT = 2.6
NEAR_TOWN = 1.05
"""Where the town's score is below this, land is cut into blocks."""


@dataclass
class Landscape:
    """Rasters and fields over the study area, in the plane.

    Attributes
    ----------
    inputs : Inputs
        What is given.
    grid : Grid
        Of the rasters.
    zone : array of int
        Zone of each pixel, -1 outside.
    wet : array of bool
        Pixels in reference water.
    radii : array of float
        How far the town around each seat reaches, metres.
    ragged, patchy, estates, fine : Waves
        Noise: the edge of towns, patches of a kilometre, industrial estates, single blocks.
    fixed_m : float
        Length of all borders of zones, and of reference waters and forests inside them.
    coarse, shore_m : Grid, array of float
        Distance to the nearest reference water on coarse pixels.
    villages, village_radii, village_axes : arrays
        Centres of villages, how far they reach, and the direction along which they are strung, once they are placed.
    """

    inputs: Inputs
    grid: Grid
    zone: NDArray[np.int32]
    wet: NDArray[np.bool_]
    radii: Floats
    ragged: Waves
    patchy: Waves
    estates: Waves
    fine: Waves
    fixed_m: float
    coarse: Grid
    shore_m: Floats
    villages: Floats = field(default_factory=lambda: np.empty((0, 2)))
    village_radii: Floats = field(default_factory=lambda: np.empty(0))
    village_axes: Floats = field(default_factory=lambda: np.empty((0, 2)))

    @classmethod
    def around(cls, inputs: Inputs, parcels: int, rng: np.random.Generator) -> Landscape:
        """The landscape of the zones: towns at their seats, as large as the calibration makes them."""
        grid = Grid.over(inputs.bounds, pixels=int(np.clip(PIXELS * parcels, *LEAST_AND_MOST_PIXELS)))
        coarse = Grid.over(inputs.bounds, pixels=COARSE_PIXELS)
        zone = grid.which(inputs.plane_zones)
        wet = grid.which(inputs.plane_waters) >= 0
        span = grid.pixel_m * max(grid.shape)
        return cls(
            inputs=inputs,
            grid=grid,
            zone=zone,
            wet=wet,
            radii=_town_radii(inputs, zone[wet], grid.pixel_m**2),
            ragged=Waves.random(rng, min(2600.0, span / 4)),
            patchy=Waves.random(rng, min(1100.0, span / 6)),
            estates=Waves.random(rng, min(3800.0, span / 3)),
            fine=Waves.random(rng, min(420.0, span / 12), waves=11),
            fixed_m=_fixed_length(inputs),
            coarse=coarse,
            shore_m=_distances(inputs.plane_waters, coarse),
        )

    @property
    def m2(self) -> float:
        """Area of the zones, by pixels."""
        return float((self.zone >= 0).sum()) * self.grid.pixel_m**2

    def zone_at(self, xy: Floats) -> Ints:
        """The zone of points, -1 outside."""
        return self.grid.at(self.zone, xy)

    def area_at(self, xy: Floats) -> Ints:
        """The calibration's area of points; the first outside the zones."""
        return self.inputs.area_at(self.zone_at(xy))

    def is_land(self, xy: Floats) -> Flags:
        """Whether points lie in a zone and not in a reference water."""
        return (self.zone_at(xy) >= 0) & ~self.grid.at(self.wet, xy)

    def town(self, xy: Floats) -> Floats:
        """Distance to the nearest town's centre over its reach: below 1 inside a town, infinite far from all."""
        seats = self.inputs.seats
        best = np.full(len(xy), np.inf)
        for part, near, seat in _near(xy, shapely.points(seats), TOWN_REACHES * self.radii):
            metres = np.hypot(*(xy[part][near] - seats[seat]).T)
            np.minimum.at(best[part], near, metres / self.radii[seat])
        return best * (1 + 0.22 * np.clip(self.ragged(xy), -2, 2) + 0.1 * np.clip(self.patchy(xy), -2, 2))

    def estate(self, xy: Floats, town: Floats) -> Floats:
        """How well land suits industry: around the towns, in a few large patches; higher is better."""
        ring = -np.abs(np.log(np.clip(town, 0.05, 20) / 1.25))
        return 0.9 * ring + 0.8 * self.estates(xy) + 0.25 * self.patchy(xy)

    def village(self, xy: Floats) -> Floats:
        """Distance to the nearest village's centre over its reach; infinite further than three times its reach.

        Villages are :data:`VILLAGE_ASPECT` times as long as wide, along the road or canal that they stand at, and
        their edges are ragged.
        """
        out = np.full(len(xy), np.inf)
        if len(self.villages):
            for part, near, village in _near(xy, shapely.points(self.villages), 3 * self.village_radii):
                off = xy[part][near] - self.villages[village]
                axis = self.village_axes[village]
                along = (off * axis).sum(axis=1) / np.sqrt(VILLAGE_ASPECT)
                across = (off[:, 0] * axis[:, 1] - off[:, 1] * axis[:, 0]) * np.sqrt(VILLAGE_ASPECT)
                np.minimum.at(out[part], near, np.hypot(along, across) / self.village_radii[village])
            close = np.isfinite(out)
            out[close] *= 1 + 0.3 * np.clip(self.fine(xy[close]), -2, 2)
        return out

    def to_shore(self, xy: Floats) -> Floats:
        """Distance to the nearest reference water, metres, to about a coarse pixel; infinite where there is none."""
        return np.asarray(self.coarse.at(self.shore_m, xy))

    def raster(self, values: Floats) -> Floats:
        """Values at the pixels' centres as a raster."""
        return values.reshape(self.grid.shape)


def _near(xy: Floats, geometries: NDArray[np.object_], reach: Floats) -> Iterator[tuple[slice, Ints, Ints]]:
    """Pairs of points and geometries whose boxes, widened by their reach, hold the points; some points at a time."""
    west, south, east, north = shapely.bounds(geometries).T
    tree = shapely.STRtree(shapely.box(west - reach, south - reach, east + reach, north + reach))
    for low in range(0, len(xy), AT_ONCE):
        part = slice(low, low + AT_ONCE)
        near, found = tree.query(shapely.points(xy[part]))
        yield part, near, found


def _town_radii(inputs: Inputs, wet_zones: NDArray[np.int32], pixel_m2: float) -> Floats:
    """How far each town reaches so that the town land of its area finds room: each zone in proportion to its land."""
    water_m2 = np.bincount(wet_zones[wet_zones >= 0], minlength=len(inputs.ids)) * pixel_m2
    land = np.maximum(inputs.zone_m2 - water_m2, 0.02 * inputs.zone_m2)
    built = np.zeros(len(inputs.ids))
    share = inputs.calibration.share(*TOWN_GROUPS) + TOWN_ROADS * inputs.calibration.share("roads")
    has_seat = np.isin(np.arange(len(inputs.ids)), inputs.seat_zone)
    for number, built_m2 in enumerate(share * inputs.area_m2):
        mine = has_seat & (inputs.area == number)
        if mine.any():
            built[mine] = built_m2 * land[mine] / land[mine].sum()
    seats = np.bincount(inputs.seat_zone, minlength=len(inputs.ids))
    return np.maximum(np.sqrt(built[inputs.seat_zone] / seats[inputs.seat_zone] / np.pi), 1.0)


def _distances(polygons: NDArray[np.object_], grid: Grid) -> Floats:
    """Distance of each pixel's centre to the nearest polygon, metres; infinite where there are none."""
    out = np.full(grid.shape[0] * grid.shape[1], np.inf)
    if len(polygons):
        start, end, _ = edges(polygons)
        lines = shapely.STRtree(shapely.linestrings(np.stack([start, end], axis=1)))
        found, metres = lines.query_nearest(shapely.points(grid.centres), return_distance=True, all_matches=False)
        out[found[0]] = metres
    return out.reshape(grid.shape)


def _fixed_length(inputs: Inputs) -> float:
    """Length of everything given that cuts cells, metres."""
    outline = shapely.union_all(inputs.plane_zones)
    forests = shapely.transform(inputs.forests.geometry, inputs.lattice.to_plane)
    inner = np.concatenate([inputs.plane_waters, forests])
    borders = (float(shapely.length(inputs.plane_zones).sum()) + float(shapely.length(outline))) / 2
    return borders + float(shapely.length(shapely.intersection(shapely.boundary(inner), outline)).sum())
