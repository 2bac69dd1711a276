"""Systems of coordinates, and the way from each to longitude and latitude."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS, Geod, Transformer
from pyproj.exceptions import CRSError as PyprojCRSError
from pyproj.exceptions import ProjError

from qpgis.crs.magnitudes import Bounds, judge_magnitudes
from qpgis.errors import CRSError

Geometries = NDArray[np.object_]
Floats = NDArray[np.float64]

LONLAT = CRS.from_epsg(4326)
GRS80 = Geod(ellps="GRS80")
_SAME_DATUM = (
    *("WGS 84", "WGS84", "WGS_1984", "World Geodetic System 1984"),
    *("CGCS2000", "China Geodetic Coordinate System 2000", "China_2000"),
    *("ETRS89", "ETRS_1989", "European Terrestrial Reference System 1989"),
)
_OLD = {"beijing54": ("beijing",), "xian80": ("xian", "xi'an", "xi_an")}
"""Old Chinese datums: their parameters aren't public, and what PROJ has is a null one or another region's."""


def parse(crs: Any, *, what: str, geometries: Geometries | None = None) -> CRS:
    """A coordinate reference system, or an error that names ``what`` lacks it.

    Heights are dropped: a 3D system becomes its 2D part.

    Parameters
    ----------
    crs : anything that pyproj takes, or None
    what : str
        Begins the message of an error.
    geometries : array of shapely geometries, optional
        Where there is no system, what the size of these coordinates says is part of the message.

    Raises
    ------
    CRSError
        If there is none, if PROJ doesn't know it, or if it is neither geographic nor projected.
    """
    if crs is None:
        hint = judge_magnitudes(finite_bounds(geometries)).hint if geometries is not None else ""
        remedy = hint or 'e.g. crs = "EPSG:4549"'
        raise CRSError(
            f"{what}: no coordinate reference system; write the one it was made in into qpgis.toml"
            f"{'; ' if hint else ', '}{remedy}"
        )
    if "+init=" in str(crs):
        code = "".join(str(crs).partition("+init=")[2].split()[:1]).upper()
        raise CRSError(f"{what}: crs = {crs!r} is an old spelling whose axes aren't certain; write {code!r}")
    try:
        parsed = CRS.from_user_input(crs)
        parsed = parsed.to_2d() if len(parsed.axis_info) > 2 else parsed
    except PyprojCRSError as error:
        raise CRSError(f"{what}: PROJ doesn't know the coordinate reference system {crs!r}") from error
    if parsed.is_compound and parsed.sub_crs_list:
        parsed = parsed.sub_crs_list[0]
    if not (parsed.is_geographic or parsed.is_projected):
        raise CRSError(f"{what}: {parsed.name!r} is neither a geographic nor a projected system")
    return parsed


def label(crs: CRS) -> str:
    """A short name for outputs: ``EPSG:4549``, or the system's own name where it has no code."""
    authority = crs.to_authority()
    return ":".join(authority) if authority else crs.name


def lonlat(geometries: Geometries, crs: CRS, *, what: str) -> Geometries:
    """The geometries in longitude and latitude (degrees, in this order), without Z and M.

    Raises
    ------
    CRSError
        If coordinates lie beyond the globe, or if PROJ knows only a null operation from the system's datum (Beijing
        1954 and Xian 1980 would silently stay tens of metres off).
    """
    convert = to_lonlat(crs.to_wkt(), what)
    if judge_magnitudes(finite_bounds(geometries), crs).contradicts:
        raise _contradiction(geometries, crs, what)
    converted = shapely.transform(geometries, convert, include_z=False)
    xy = shapely.get_coordinates(converted)
    if np.isinf(xy).any() or (np.abs(xy) > np.array([180, 90]) + 1e-9).any():
        raise CRSError(f"{what}: some coordinates lie outside the domain of {label(crs)}; is it the right one?")
    return converted


def _contradiction(geometries: Geometries, crs: CRS, what: str) -> CRSError:
    """The error that shows coordinates which can't be of a system: of a single feature, where the others can."""
    odd = _odd_one(geometries, crs)
    shown, alone = (geometries, "") if odd is None else (geometries[[odd]], " of one feature, not of all,")
    judged = judge_magnitudes(finite_bounds(shown), crs)
    wrong = "are no degrees, although the system is" if crs.is_geographic else "can't be metres of the system"
    x, y = _extreme(shown)
    remedy = "declare the system that they are in" if odd is None else "mend or remove it"
    return CRSError(
        f"{what}: coordinates{alone} such as ({x:.10g}, {y:.10g}) {wrong} {label(crs)}: {judged.hint}; {remedy}"
    )


def _odd_one(geometries: Geometries, crs: CRS) -> int | None:
    """The feature furthest from the others, if it contradicts a system by itself, and one in their midst doesn't."""
    boxes = shapely.bounds(geometries)
    there = np.flatnonzero(np.isfinite(boxes).all(axis=1))
    if len(there) < 3:
        return None
    centres = (boxes[there, :2] + boxes[there, 2:]) / 2
    away = np.abs(centres - np.median(centres, axis=0)).max(axis=1)
    far, near = (int(there[n]) for n in (away.argmax(), away.argmin()))
    contradicts = [judge_magnitudes(finite_bounds(geometries[[n]]), crs).contradicts for n in (far, near)]
    return far if contradicts[0] and not contradicts[1] else None


def _extreme(geometries: Geometries) -> tuple[float, float]:
    """The first of the coordinates that are furthest from the origin."""
    xy = shapely.get_coordinates(geometries)
    x, y = xy[np.nanargmax(np.abs(np.where(np.isfinite(xy), xy, 0)).max(axis=1))]
    return float(x), float(y)


def finite_bounds(geometries: Geometries) -> Bounds:
    """Least x and y, greatest x and y of all coordinates that are numbers; NaN where there is none."""
    bounds = shapely.total_bounds(geometries) if len(geometries) else np.full(4, np.nan)
    if np.isinf(bounds).any():
        xy = shapely.get_coordinates(geometries)
        xy = xy[np.isfinite(xy).all(axis=1)]
        bounds = np.hstack([xy.min(axis=0), xy.max(axis=0)]) if len(xy) else np.full(4, np.nan)
    west, south, east, north = (float(v) for v in bounds)
    return west, south, east, north


@lru_cache(maxsize=32)
def to_lonlat(wkt: str, what: str) -> Callable[[Floats], Floats]:
    """How coordinates of a system become longitude and latitude."""
    transformer = _operation(wkt, what)
    if transformer is None:
        return lambda xy: xy
    return lambda xy: np.column_stack(transformer.transform(xy[:, 0], xy[:, 1]))


@lru_cache(maxsize=32)
def from_lonlat(wkt: str, what: str) -> Callable[[Floats], Floats]:
    """How longitude and latitude become coordinates of a system: the way back of :func:`to_lonlat`."""
    transformer = _operation(wkt, what)
    if transformer is None:
        return lambda xy: xy
    return lambda xy: np.column_stack(transformer.transform(xy[:, 0], xy[:, 1], direction="INVERSE"))


def _operation(wkt: str, what: str) -> Transformer | None:
    """PROJ's operation to longitude and latitude; ``None`` where there is nothing to do."""
    crs = CRS.from_wkt(wkt)
    geodetic = crs.geodetic_crs
    if geodetic is None:
        raise CRSError(f"{what}: {crs.name!r} isn't tied to the Earth")
    if _is_same_datum(geodetic):
        if crs.is_geographic and _is_degrees(crs):
            return None
        return Transformer.from_crs(crs, geodetic if _is_degrees(geodetic) else LONLAT, always_xy=True)
    refusal = CRSError(
        f"{what}: there is no true operation from {geodetic.name!r} to CGCS2000, and a null one would be metres to "
        f"hundreds of metres off; {_remedy(geodetic)}"
    )
    if old_datum(geodetic) and not _has_parameters(crs):
        raise refusal
    try:
        return Transformer.from_crs(crs, LONLAT, always_xy=True, allow_ballpark=False)
    except ProjError as error:
        raise refusal from error


def old_datum(crs: CRS) -> str:
    """The datum of ``qpgis.toml`` that an old Chinese system is on, empty for any other."""
    name = (crs.geodetic_crs or crs).name.lower()
    return next((datum for datum, words in _OLD.items() if any(word in name for word in words)), "")


def _has_parameters(crs: CRS) -> bool:
    """True where the system itself states how it lies to WGS 84 (``TOWGS84``), by more than nothing."""
    operation = crs.coordinate_operation if crs.is_bound else None
    return operation is not None and any(operation.towgs84)


def _remedy(geodetic: CRS) -> str:
    datum = old_datum(geodetic)
    if not datum:
        return "convert the file with your official parameters first"
    return f'write datum = "{datum}" with your official parameters or control_points into qpgis.toml'


def _is_same_datum(geodetic: CRS) -> bool:
    name = f"{geodetic.name} {geodetic.datum.name if geodetic.datum else ''}"
    return any(word in name for word in _SAME_DATUM)


def _is_degrees(crs: CRS) -> bool:
    return all(axis.unit_name.startswith("degree") for axis in crs.axis_info)
