"""From what a file and its workspace declare to coordinates that can be trusted, or a refusal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import shapely
from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError as PyprojCRSError

from qpgis.catalogue import read_toml
from qpgis.crs.china import bd09_to_wgs84, gcj02_to_wgs84
from qpgis.crs.local import ControlFit, PlaneShift, fit_control_points, helmert, similarity
from qpgis.crs.magnitudes import judge_magnitudes
from qpgis.crs.systems import LONLAT, Floats, Geometries, finite_bounds, label, lonlat, old_datum, parse
from qpgis.errors import CRSError

Datum = Literal["wgs84", "cgcs2000", "gcj02", "bd09", "beijing54", "xian80", "local"]
DATUMS: tuple[Datum, ...] = get_args(Datum)
_SHIFTED = {"gcj02": gcj02_to_wgs84, "bd09": bd09_to_wgs84}


@dataclass(frozen=True)
class ControlPoints:
    """Points known in a file's system and in the true one (n x 2 each, east first)."""

    names: tuple[str, ...]
    xy: Floats
    xy_true: Floats


@dataclass(frozen=True)
class Trusted:
    """Coordinates that can be trusted.

    Attributes
    ----------
    geometries : array of shapely geometries
        Without Z and M, if they were converted.
    crs : CRS
        What they are in now.
    how : str
        What was done: ``none``, ``gcj02``, ``bd09``, ``parameters_7``, ``parameters_4`` or ``control_points``.
    fit : ControlFit or None
        How the control points fit.
    """

    geometries: Geometries
    crs: CRS
    how: str = "none"
    fit: ControlFit | None = None


def trusted(
    geometries: Geometries,
    crs: Any,
    *,
    datum: Datum | None = None,
    parameters: Mapping[str, Any] | None = None,
    control_points: ControlPoints | None = None,
    what: str,
) -> Trusted:
    """A file's geometries in a public system that PROJ can lead to degrees truly.

    Parameters
    ----------
    geometries : array of shapely geometries
        As the file has them.
    crs : anything that pyproj takes, or None
        The declared system, else the file's. Of a local system: the true one, where parameters or control points lead.
    datum : str, optional
        The datum of the coordinates, where ``crs`` can't say it.
    parameters : mapping, optional
        The settings of :func:`~qpgis.crs.local.similarity` or :func:`~qpgis.crs.local.helmert`.
    control_points : ControlPoints, optional
    what : str
        Begins the message of an error.

    Raises
    ------
    CRSError
        If there is no system, if it contradicts the datum or the coordinates, or if an old datum lacks parameters.
    """
    if datum in ("wgs84", "cgcs2000", None):
        return Trusted(geometries, _plain(geometries, crs, datum, what))
    if datum in _SHIFTED:
        return _unshifted(geometries, crs, datum, what)
    if parameters is None and control_points is None:
        raise CRSError(
            f'{what}: datum = "{datum}" needs your official parameters or control_points: there are no public ones, '
            "and without them everything would be metres to hundreds of metres off"
        )
    system = _on_datum(parse(crs, what=what, geometries=geometries), datum, what)
    if parameters is not None and "dz_m" in parameters:
        return _by_seven(geometries, system, parameters, what)
    return _by_plane(geometries, system, parameters, control_points, what)


def _plain(geometries: Geometries, crs: Any, datum: Datum | None, what: str) -> CRS:
    """The system of coordinates that need no conversion; degrees of a declared datum need no other word."""
    if crs is None and datum is not None and judge_magnitudes(finite_bounds(geometries)).kind == "degrees":
        return CRS.from_user_input(_table()[datum]["geographic"])
    system = parse(crs, what=what, geometries=geometries)
    old = old_datum(system)
    if datum is not None and old:
        public = _counterpart(system, _table()["cgcs2000"]["geographic"])[1]
        raise CRSError(
            f'{what}: datum = "{datum}", but {label(system)} is on another one, {system.name!r}; if the coordinates '
            f'truly are on {datum}, declare its system, e.g. crs = "{public}"'
        )
    return system


def _unshifted(geometries: Geometries, crs: Any, datum: str, what: str) -> Trusted:
    """GCJ-02 or BD-09 without its shift; in degrees, or in metres projected from shifted degrees."""
    degrees = lonlat(geometries, _plain(geometries, crs, None if crs is not None else "wgs84", what), what=what)
    try:
        return Trusted(shapely.transform(degrees, _SHIFTED[datum]), LONLAT, datum)
    except CRSError as error:
        raise CRSError(f"{what}: {error}") from error


def _on_datum(system: CRS, datum: str, what: str) -> CRS:
    """The declared system on the declared datum: 4549 on Xian 1980 is the same projection of another ellipsoid."""
    old = old_datum(system)
    if datum == "local":
        if old or not system.is_projected:
            raise CRSError(
                f'{what}: datum = "local" leads to the true system that crs names, e.g. crs = "EPSG:4549"; '
                f"{label(system)} is none in metres on CGCS2000 or WGS 84"
            )
        return system
    if old and old != datum:
        raise CRSError(f'{what}: datum = "{datum}", but {label(system)} is on {old}; one of the two is wrong')
    return _counterpart(system, _table()[datum]["geographic"])[0]


def _counterpart(system: CRS, geographic: str) -> tuple[CRS, str]:
    """The same projection over another datum, and its name for ``qpgis.toml``."""
    base = CRS.from_user_input(geographic)
    if system.is_geographic:
        return base, geographic
    whole = (system.source_crs or system) if system.is_bound else system
    table = whole.to_json_dict()
    if "base_crs" not in table:
        raise CRSError(f"{label(system)} is no projection of an ellipsoid")
    table = {key: value for key, value in table.items() if key != "id"} | {"base_crs": base.to_json_dict()}
    try:
        found = CRS.from_json_dict({**table, "name": f"{base.name} / {whole.name.rpartition(' / ')[2]}"})
    except PyprojCRSError as error:
        raise CRSError(f"{label(system)} can't be put on {base.name!r}") from error
    code = found.to_epsg()
    return (CRS.from_epsg(code), f"EPSG:{code}") if code else (found, found.name)


def _by_seven(geometries: Geometries, system: CRS, parameters: Mapping[str, Any], what: str) -> Trusted:
    """Degrees of CGCS2000, by a 7-parameter set from an old datum."""
    if not old_datum(system):
        raise CRSError(
            f"{what}: 7 parameters lead from beijing54 or xian80; of a local system give 4, or control_points"
        )
    geodetic = system.geodetic_crs or system
    to_degrees = Transformer.from_crs(system, geodetic, always_xy=True) if system.is_projected else None
    operation = helmert(geodetic, **parameters)

    def convert(xy: Floats) -> Floats:
        x, y = (xy[:, 0], xy[:, 1]) if to_degrees is None else to_degrees.transform(xy[:, 0], xy[:, 1])
        return np.column_stack(operation.transform(x, y, np.zeros(len(xy)))[:2])

    _refuse_contradiction(geometries, system, what)
    converted = shapely.transform(geometries, convert)
    return Trusted(converted, CRS.from_user_input(_table()["cgcs2000"]["geographic"]), "parameters_7")


def _by_plane(
    geometries: Geometries,
    system: CRS,
    parameters: Mapping[str, Any] | None,
    control_points: ControlPoints | None,
    what: str,
) -> Trusted:
    """Metres in the same projection of CGCS2000 (or in the true system itself), by control points or 4 parameters."""
    target = _counterpart(system, _table()["cgcs2000"]["geographic"])[0] if old_datum(system) else system
    if not target.is_projected:
        raise CRSError(f"{what}: control_points and 4 parameters work in metres; declare a projected crs")
    fit: ControlFit | None = None
    if control_points is not None:
        points = f"{what}: control_points"
        fit = fit_control_points(control_points.xy, control_points.xy_true, names=control_points.names, what=points)
        shift: PlaneShift = fit.shift
    else:
        assert parameters is not None
        shift = similarity(**parameters)
    converted = shapely.transform(geometries, shift)
    _refuse_contradiction(converted, target, what)
    return Trusted(converted, target, "parameters_4" if fit is None else "control_points", fit)


def _refuse_contradiction(geometries: Geometries, system: CRS, what: str) -> None:
    judged = judge_magnitudes(finite_bounds(geometries), system)
    if judged.contradicts:
        raise CRSError(f"{what}: coordinates ({judged.example}) can't be of {label(system)}; check crs and parameters")


def _table() -> dict[str, Any]:
    return dict(read_toml("schemes", "datums.toml")["datums"])
