"""GCJ-02 and BD-09: the shifted degrees of Chinese web maps (Amap, Tencent; Baidu), to WGS-84 and back.

GCJ-02 is WGS-84 moved by 50 to 700 metres along smooth waves; BD-09 is GCJ-02 moved once more. The formulas are the
published ones; their inverses are found by iteration, so that there and back is the same point. They hold inside
:data:`DOMAIN` only: elsewhere these datums don't differ from WGS-84, and whether a point near the border was moved
can't be known, so points outside are refused.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from qpgis.crs.systems import Floats
from qpgis.errors import CRSError

A_M = 6378245.0
"""Semi-major axis in the formulas of GCJ-02 (Krassowsky)."""
EE = 0.00669342162296594323
"""Square of the eccentricity in the formulas of GCJ-02."""
DOMAIN = (72.004, 0.8293, 137.8347, 55.8271)
"""West, south, east, north in degrees: where the published implementations shift at all."""
CLOSE_DEG = 1e-9
"""An inverse is iterated until it moves by less than this; the error left is a hundredth of that."""
MOST_STEPS = 30
CHUNK = 16_384
"""Coordinates are converted in chunks that stay in the processor's cache."""

_Convert = Callable[[Floats, Floats], tuple[Floats, Floats]]
_BAIDU = np.pi * 3000 / 180
_BAIDU_EAST_DEG, _BAIDU_NORTH_DEG = 0.0065, 0.006


def wgs84_to_gcj02(xy: Floats) -> Floats:
    """Longitude and latitude (n x 2, degrees) of WGS-84 in GCJ-02.

    Raises
    ------
    CRSError
        If points lie outside :data:`DOMAIN`.
    """
    return _chunked(_gcj02, _inside(xy))


def gcj02_to_wgs84(xy: Floats) -> Floats:
    """Longitude and latitude (n x 2, degrees) of GCJ-02 in WGS-84, see :func:`wgs84_to_gcj02`."""
    return _chunked(lambda x, y: _inverse(_gcj02, x, y), _inside(xy))


def gcj02_to_bd09(xy: Floats) -> Floats:
    """Longitude and latitude (n x 2, degrees) of GCJ-02 in BD-09, see :func:`wgs84_to_gcj02`."""
    return _chunked(_bd09, _inside(xy))


def bd09_to_gcj02(xy: Floats) -> Floats:
    """Longitude and latitude (n x 2, degrees) of BD-09 in GCJ-02, see :func:`wgs84_to_gcj02`."""
    return _chunked(lambda x, y: _inverse(_bd09, x, y), _inside(xy))


def wgs84_to_bd09(xy: Floats) -> Floats:
    """Longitude and latitude (n x 2, degrees) of WGS-84 in BD-09, see :func:`wgs84_to_gcj02`."""
    return _chunked(lambda x, y: _bd09(*_gcj02(x, y)), _inside(xy))


def bd09_to_wgs84(xy: Floats) -> Floats:
    """Longitude and latitude (n x 2, degrees) of BD-09 in WGS-84, see :func:`wgs84_to_gcj02`."""
    return _chunked(lambda x, y: _inverse(_gcj02, *_inverse(_bd09, x, y)), _inside(xy))


def covers(bounds: tuple[float, float, float, float]) -> bool:
    """True where the formulas hold for a whole box of degrees."""
    west, south, east, north = bounds
    return DOMAIN[0] <= west <= east <= DOMAIN[2] and DOMAIN[1] <= south <= north <= DOMAIN[3]


def _inside(xy: Floats) -> Floats:
    """The coordinates, if all lie where the formulas hold; NaN (no coordinate) passes."""
    outside = ((xy < DOMAIN[:2]) | (xy > DOMAIN[2:])).any(axis=1)
    if outside.any():
        named = ", ".join(f"({x:.10g}, {y:.10g})" for x, y in xy[outside][:3])
        raise CRSError(
            f"GCJ-02 and BD-09 are defined in and around China only; {outside.sum()} of {len(xy)} points lie outside "
            f"of {DOMAIN[0]}-{DOMAIN[2]} E, {DOMAIN[1]}-{DOMAIN[3]} N, such as {named}"
        )
    return xy


def _chunked(convert: _Convert, xy: Floats) -> Floats:
    out = np.empty((len(xy), 2))
    for start in range(0, len(xy), CHUNK):
        part = slice(start, start + CHUNK)
        out[part, 0], out[part, 1] = convert(np.ascontiguousarray(xy[part, 0]), np.ascontiguousarray(xy[part, 1]))
    return out


def _gcj02(lon: Floats, lat: Floats) -> tuple[Floats, Floats]:
    """The published shift. Of its sines of multiples, those of three times an angle t are 3 sin t - 4 sin^3 t."""
    x, y = lon - 105.0, lat - 35.0
    sin_x, sin_y = np.sin(np.pi / 3 * x), np.sin(np.pi / 3 * y)
    sin_2x = np.sin(2 * np.pi * x)
    root = np.sqrt(np.abs(x))
    both = 20 * sin_2x + 20 * _sin_triple(sin_2x)
    north = -100 + 2 * x + 3 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * root
    north += (both + 20 * _sin_triple(sin_y) + 40 * sin_y) * (2 / 3)
    north += (160 * np.sin(np.pi / 12 * y) + 320 * np.sin(np.pi / 30 * y)) * (2 / 3)
    east = 300 + x + 2 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * root
    east += (both + 20 * _sin_triple(sin_x) + 40 * sin_x) * (2 / 3)
    east += (150 * np.sin(np.pi / 12 * x) + 300 * np.sin(np.pi / 30 * x)) * (2 / 3)
    sin_lat = np.sin(np.radians(lat))
    cos_lat = np.sqrt(1 - sin_lat * sin_lat)
    magic = 1 - EE * sin_lat * sin_lat
    root = np.sqrt(magic)
    per_degree = A_M * np.pi / 180
    return lon + east * root / (per_degree * cos_lat), lat + north * magic * root / (per_degree * (1 - EE))


def _sin_triple(sine: Floats) -> Floats:
    """Sine of three times the angle whose sine is given."""
    return sine * (3 - 4 * sine * sine)


def _bd09(lon: Floats, lat: Floats) -> tuple[Floats, Floats]:
    """The published shift: radius and angle change a little; the rotation is written out, its angle is below 3e-6."""
    radius = np.sqrt(lon * lon + lat * lat)
    longer = 1 + 0.00002 * np.sin(lat * _BAIDU) / radius
    angle = 0.000003 * np.cos(lon * _BAIDU)
    cosine = 1 - angle * angle / 2
    x = longer * (lon * cosine - lat * angle)
    y = longer * (lat * cosine + lon * angle)
    return x + _BAIDU_EAST_DEG, y + _BAIDU_NORTH_DEG


def _inverse(shift: _Convert, x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Where ``shift`` leads to the given points from: it changes so slowly that each step leaves at most 1/40."""
    lon, lat = x, y
    for _ in range(MOST_STEPS):
        there_x, there_y = shift(lon, lat)
        east, north = x - there_x, y - there_y
        lon, lat = lon + east, lat + north
        if not (np.abs(east) > CLOSE_DEG).any() and not (np.abs(north) > CLOSE_DEG).any():
            return lon, lat
    raise CRSError("GCJ-02 or BD-09 can't be undone here")  # pragma: no cover
