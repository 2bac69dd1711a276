"""Whether coordinates can be what a format says they are: degrees on the globe."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import shapely

from qpgis.crs import Geometries, judge_magnitudes
from qpgis.sources import Request

if TYPE_CHECKING:
    from shapely import Geometry

_MOST_LON, _MOST_LAT = 180 + 1e-9, 90 + 1e-9
_FARTHEST = 1e9
"""No reference system has coordinates beyond this, in metres or degrees."""


def check_near(request: Request, geometry: Geometries, called: Callable[[int], str]) -> None:
    """Raise unless all coordinates could be of some reference system.

    Raises
    ------
    SourceError
        With ``called`` of the first row that is beyond reason.
    """
    far = np.fmax.reduce(np.abs(shapely.bounds(geometry)), axis=1, initial=0)
    if (far > _FARTHEST).any():
        row = int((far > _FARTHEST).argmax())
        raise request.refusal(f"{called(row)}: no reference system has a coordinate of {far[row]:.6g}; correct it")


def check_degrees(request: Request, geometry: Geometries, called: Callable[[int], str], *, because: str) -> None:
    """Raise unless all coordinates are longitude and latitude and no shape jumps around the globe.

    Parameters
    ----------
    request : Request
    geometry : array of shapely geometries
    called : callable
        What messages call a row, for instance ``feature 3``.
    because : str
        Why they have to be degrees: ``as the file's 'crs' says``.

    Raises
    ------
    SourceError
        With what the numbers look like, and a remedy.
    """
    west, south, east, north = shapely.bounds(geometry).T
    beyond = np.fmax(abs(west), abs(east)) > _MOST_LON
    beyond |= np.fmax(abs(south), abs(north)) > _MOST_LAT
    if beyond.any():
        row = int(beyond.argmax())
        xy = shapely.get_coordinates(geometry[row])
        x, y = xy[(np.abs(xy) > (_MOST_LON, _MOST_LAT)).any(axis=1).argmax()]
        box = (west[beyond].min(), south[beyond].min(), east[beyond].max(), north[beyond].max())
        raise request.refusal(
            f"{called(row)}: ({x:.12g}, {y:.12g}) is no longitude and latitude in degrees, {because}; "
            f"{_swapped(x, y)}{judge_magnitudes(box).hint}"
        )
    for row in np.flatnonzero(east - west > 180).tolist():
        if crosses_antimeridian(geometry[row]):
            raise request.refusal(
                f"{called(row)} crosses the antimeridian and would reach around the globe; split it at 180 degrees"
            )


def _swapped(x: float, y: float) -> str:
    return f"latitude {y:.6g} is none, longitude and latitude are swapped: " if abs(x) <= 90 < abs(y) <= 180 else ""


def crosses_antimeridian(geometry: Geometry) -> bool:
    """True if an edge is over 180 degrees long, other than from one border of the world map to the other.

    >>> crosses_antimeridian(shapely.LineString([(179, 1), (-179, 1)]))
    True
    >>> crosses_antimeridian(shapely.box(-180, 0, 180, 9))
    False
    """
    parts = shapely.get_parts(shapely.get_parts(geometry))
    lines = np.concatenate([shapely.get_rings(parts), parts[shapely.get_type_id(parts) == 1]])
    xy, line = shapely.get_coordinates(lines, return_index=True)
    steps = abs(np.diff(xy[:, 0]))[line[1:] == line[:-1]]
    return bool(((steps > 180) & (steps < 360)).any())
