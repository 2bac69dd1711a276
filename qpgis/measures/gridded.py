"""Amounts of a raster, such as people per cell, within zones; a cell that a border cuts is divided by area.

The amount of a cell is taken to be spread evenly over its ground. That is all that a grid says: within a cell people
may live on one side of the border only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from qpgis.crs import COINCIDENT_M, Floats, Geometries, Plane
from qpgis.errors import SourceError
from qpgis.measures.contributions import MICRO, Contributions
from qpgis.measures.rasters import Grid, windows
from qpgis.shapes import clipped
from qpgis.sources.geotiff import VALID, Raster

MOST_AMOUNT = 9e12
"""Sums are whole numbers of millionths: of more there is no room."""


@dataclass(frozen=True)
class GriddedAmounts:
    """What zones hold of a raster's amounts.

    Attributes
    ----------
    amount : Contributions
        In the raster's unit; the raster is the only feature.
    surveyed : Contributions
        m2 of each zone that lie in cells with data: what it lacks to the zone's area is missing, not 0.
    missing : bool array, one a zone
        True without a geometry, and where none of its ground has data.
    """

    amount: Contributions
    surveyed: Contributions
    missing: NDArray[np.bool_]

    @property
    def amounts(self) -> Floats:
        """Of each zone, in the raster's unit; NaN where it is missing."""
        return np.where(self.missing, np.nan, _units(self.amount))

    @property
    def surveyed_m2(self) -> Floats:
        """The ground of each zone that has data; NaN for a zone without geometry or without any."""
        return np.where(self.missing, np.nan, _units(self.surveyed))


def gridded_amounts(
    zones: Geometries, plane: Plane, raster: Raster, band: int, *, within: Geometries | None = None
) -> GriddedAmounts:
    """How much of a raster's amounts each zone holds.

    The sum over cells of amount x (area of the cell within the zone / area of the cell), both on the ellipsoid. Over
    a coverage of the whole raster that adds up to the raster's sum. It is read window by window.

    Parameters
    ----------
    zones : array of valid polygons
        In the plane.
    plane : Plane
    raster : Raster
        Of amounts per cell (people, jobs), not of densities; the file's scale and offset are applied.
    band : int
        Counted from 1.
    within : array of valid polygons, optional
        Only what lies in one of them counts, such as the ground within a walk; where they overlap, once.

    Returns
    -------
    GriddedAmounts
        Cells without data hold nothing that is known: a zone that has some of them keeps its amount, and
        ``surveyed_m2`` says of how much ground. 0 where ``within`` leaves nothing of a zone.

    Raises
    ------
    CRSError
        If the raster has no usable system, or if the zones can't be expressed in it.
    SourceError
        If it lies nowhere, lacks the band, is damaged, or if an amount is negative or too large.
    """
    if band not in raster.bands:
        raise SourceError(f"{raster.what}: no band {band}; it has {', '.join(str(one) for one in raster.bands)}")
    grid = Grid.of(raster, plane)
    ground = zones if within is None else clipped(zones, within)
    found = [(n, *one) for n, zone in enumerate(ground) if zone for one in _zone_amounts(grid, zone, raster, band)]
    zone = np.array([n for n, _, _ in found], dtype=np.int64)
    amount, surveyed = (
        Contributions.of(np.zeros(len(zone), np.int64), zone, np.array([one[which] for one in found]), len(zones))
        for which in (1, 2)
    )
    gone = shapely.is_missing(zones) | shapely.is_empty(zones)
    border_m2 = COINCIDENT_M * np.nan_to_num(shapely.length(ground))
    unknown = (np.nan_to_num(shapely.area(ground)) > border_m2) & (_units(surveyed) <= border_m2)
    return GriddedAmounts(amount, surveyed, gone | unknown)


def _zone_amounts(grid: Grid, zone: shapely.Geometry, raster: Raster, band: int) -> Iterator[tuple[float, float]]:
    """The amount within a zone, and the ground of its cells that have data, window by window of the raster."""
    scale, offset = raster.dataset.scales[band - 1], raster.dataset.offsets[band - 1]
    for window in windows(grid, zone, raster.what):
        values, state = raster.cells(band, window.row, window.column, *window.inside.shape)
        counts = (state == VALID) & (window.inside != 0)
        inside = window.inside[counts]
        amounts = values[counts].astype(float) * scale + offset
        if (amounts < 0).any():
            r, c = np.argwhere(counts)[np.argmax(amounts < 0)]
            place = f"row {window.row + r + 1}, column {window.column + c + 1}"
            raise SourceError(
                f"{raster.what}: band {band} holds negative amounts ({place}: {values[r, c]}); "
                f"if that means no data, say so: gdal_edit.py -a_nodata {values[r, c]} FILE"
            )
        amount = float((amounts * np.clip(inside / window.whole[counts], 0, 1)).sum())
        if amount > MOST_AMOUNT:
            raise SourceError(f"{raster.what}: amounts of {amount:g} are too large; state them in thousands, say")
        yield amount, float(inside.sum())


def _units(found: Contributions) -> Floats:
    return np.array(found.per_zone(), dtype=float) / MICRO
