"""Coordinates of local systems and old datums, brought to a public one by control points or published parameters.

qpgis ships no parameters: those of Shanghai's local systems, of Beijing 1954 and of Xian 1980 are controlled, and
whoever may use them has them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pyproj import CRS, Transformer

from qpgis.crs.systems import GRS80, Floats
from qpgis.errors import CRSError

Model = Literal["similarity", "affine"]
NEEDED = {"similarity": 2, "affine": 3}
ON_A_LINE = 1e-3
"""Points that stray from a line by less than this share of its length can't tell east from north."""
OUTLIER_TIMES, OUTLIER_M = 5.0, 0.05
"""A point is an outlier where the others put it this many times further off than they are themselves, and this far."""
MIRRORED_TIMES = 10.0
"""Points that fit this many times better with x and y exchanged have them exchanged."""
ARCSEC = np.pi / 180 / 3600
RELEVANT_M = 1.0


@dataclass(frozen=True)
class PlaneShift:
    """A transformation between two planes: ``there = matrix @ (here - origin) + target``.

    Attributes
    ----------
    matrix : tuple
        Two rows of two.
    origin, target : tuple
        Metres; kept apart so that no digits are lost in large coordinates.
    """

    matrix: tuple[tuple[float, float], tuple[float, float]]
    origin: tuple[float, float] = (0.0, 0.0)
    target: tuple[float, float] = (0.0, 0.0)

    def __call__(self, xy: Floats) -> Floats:
        """Coordinates (n x 2) in the other plane."""
        moved: Floats = (xy - self.origin) @ np.transpose(self.matrix) + self.target
        return moved

    @property
    def rotation_arcsec(self) -> float:
        """How far it turns, counter-clockwise from east to north."""
        return float(np.arctan2(self.matrix[1][0], self.matrix[0][0]) / ARCSEC)

    @property
    def scale_ppm(self) -> float:
        """By how much it stretches, in millionths."""
        return float((np.sqrt(abs(np.linalg.det(self.matrix))) - 1) * 1e6)


@dataclass(frozen=True)
class ControlFit:
    """How control points fit.

    Attributes
    ----------
    shift : PlaneShift
        From the file's coordinates to the true ones.
    names : tuple of str
    residuals_m : tuple of pairs
        What is left at each point, true minus transformed.
    rms_m : float
        Root mean square of their lengths; NaN where the points are so few that nothing can be left.
    outlier : str
        The point that the others contradict, empty where there is none or too few points to tell.
    """

    shift: PlaneShift
    names: tuple[str, ...]
    residuals_m: tuple[tuple[float, float], ...]
    rms_m: float
    outlier: str = ""

    @property
    def checked(self) -> bool:
        """False if there are just as many points as the fit needs: then it is exact, whatever they are."""
        return bool(np.isfinite(self.rms_m))

    @property
    def worst(self) -> tuple[str, float]:
        """The point with the largest residual, and how large that is."""
        lengths = np.hypot(*np.transpose(self.residuals_m))
        return self.names[int(lengths.argmax())], float(lengths.max())


def fit_control_points(
    xy: Floats, xy_true: Floats, *, names: Sequence[str] = (), model: Model = "similarity", what: str = "control points"
) -> ControlFit:
    """The transformation that leads from a file's coordinates to true ones, by least squares.

    Parameters
    ----------
    xy, xy_true : array (n x 2)
        The same points in the file's system and in the true one, east first, in metres.
    names : sequence of str, optional
        Their names; by default they are counted from 1.
    model : "similarity" or "affine"
        Two shifts, a turn and a scale (4 parameters), or 6 parameters, which also distort.
    what : str
        Begins the message of an error.

    Raises
    ------
    CRSError
        If there are too few points, if they coincide or lie on one line, or if the coordinates are exchanged.
    """
    names = tuple(names) or tuple(str(n + 1) for n in range(len(xy)))
    _require_spread(xy, xy_true, names, model, what)
    shift, residuals = _fit(xy, xy_true, model)
    spare = len(xy) > NEEDED[model]
    rms = _rms(residuals) if spare else float("nan")
    if spare and rms > RELEVANT_M and _rms(_fit(xy[:, ::-1], xy_true, model)[1]) * MIRRORED_TIMES < rms:
        raise CRSError(f"{what}: they fit only with x and y exchanged; x is east, y is north: exchange the columns")
    outlier = _outlier(xy, xy_true, names, model) if len(xy) > NEEDED[model] + 1 else ""
    pairs = tuple((float(x), float(y)) for x, y in residuals)
    return ControlFit(shift, names, pairs, rms, outlier)


def _require_spread(xy: Floats, xy_true: Floats, names: Sequence[str], model: Model, what: str) -> None:
    """Raise unless the points determine a transformation."""
    bad = ~(np.isfinite(xy).all(axis=1) & np.isfinite(xy_true).all(axis=1))
    if bad.any():
        raise CRSError(f"{what}: point {names[int(bad.argmax())]!r} has coordinates that are no numbers")
    if len(xy) < NEEDED[model]:
        remedy = "add further ones, three or more that surround the area"
        raise CRSError(f"{what}: {len(xy)} of at least {NEEDED[model]} points; {remedy}")
    for points in (xy, xy_true):
        size = np.linalg.svd(points - points.mean(axis=0), compute_uv=False)
        if size[0] < RELEVANT_M:
            raise CRSError(f"{what}: the points coincide ({', '.join(names)}); use points that surround the area")
        if len(points) > 2 and size[1] < ON_A_LINE * size[0]:
            raise CRSError(f"{what}: the points lie on one line; add one that lies far beside it")


def _fit(xy: Floats, xy_true: Floats, model: Model) -> tuple[PlaneShift, Floats]:
    """The best transformation, and what is left at each point."""
    origin, target = xy.mean(axis=0), xy_true.mean(axis=0)
    here, there = xy - origin, xy_true - target
    if model == "affine":
        matrix = np.linalg.lstsq(here, there, rcond=None)[0].T
    else:
        square = (here**2).sum()
        cosine = (here * there).sum() / square
        sine = (here[:, 0] * there[:, 1] - here[:, 1] * there[:, 0]).sum() / square
        matrix = np.array([[cosine, -sine], [sine, cosine]])
    (a, b), (c, d) = matrix.tolist()
    shift = PlaneShift(((a, b), (c, d)), (float(origin[0]), float(origin[1])), (float(target[0]), float(target[1])))
    return shift, xy_true - shift(xy)


def _rms(residuals: Floats) -> float:
    return float(np.sqrt((residuals**2).sum(axis=1).mean()))


def _outlier(xy: Floats, xy_true: Floats, names: Sequence[str], model: Model) -> str:
    """The point that the others put furthest from where it is said to be, if that is much further than they stray."""
    off, others = np.empty(len(xy)), np.empty(len(xy))
    for n in range(len(xy)):
        rest = np.arange(len(xy)) != n
        shift, residuals = _fit(xy[rest], xy_true[rest], model)
        off[n], others[n] = np.linalg.norm(xy_true[n] - shift(xy[n : n + 1])[0]), _rms(residuals)
    worst = int((off / np.maximum(others, 1e-9)).argmax())
    return names[worst] if off[worst] > max(OUTLIER_TIMES * others[worst], OUTLIER_M) else ""


def similarity(
    *, dx_m: float, dy_m: float, rotation_arcsec: float, scale_ppm: float, axes: Literal["east_north", "north_east"]
) -> PlaneShift:
    """The transformation of a 4-parameter set.

    ``x' = dx + (1 + m)(x cos a - y sin a)``, ``y' = dy + (1 + m)(x sin a + y cos a)``, about the origin of the
    coordinates.

    Parameters
    ----------
    dx_m, dy_m, rotation_arcsec, scale_ppm : float
        As the set states them.
    axes : "east_north" or "north_east"
        Which coordinate is the set's x: in Chinese surveying x is mostly north. It decides which way it turns.
    """
    angle, scale = rotation_arcsec * ARCSEC, 1 + scale_ppm * 1e-6
    cosine, sine = float(scale * np.cos(angle)), float(scale * np.sin(angle))
    if axes == "north_east":
        return PlaneShift(((cosine, sine), (-sine, cosine)), target=(dy_m, dx_m))
    return PlaneShift(((cosine, -sine), (sine, cosine)), target=(dx_m, dy_m))


def helmert(
    source: CRS,
    *,
    dx_m: float,
    dy_m: float,
    dz_m: float,
    rx_arcsec: float,
    ry_arcsec: float,
    rz_arcsec: float,
    scale_ppm: float,
    convention: Literal["position_vector", "coordinate_frame"],
) -> Transformer:
    """The operation of a 7-parameter set: degrees of ``source``'s datum to degrees of CGCS2000, longitude first.

    Heights are taken as 0: they aren't known, and move nothing by more than centimetres.
    """
    ellipsoid = source.ellipsoid
    if ellipsoid is None:
        raise CRSError(f"{source.name!r} has no ellipsoid, which 7 parameters need")
    return Transformer.from_pipeline(
        "+proj=pipeline +step +proj=unitconvert +xy_in=deg +xy_out=rad "
        f"+step +proj=cart +a={ellipsoid.semi_major_metre!r} +rf={ellipsoid.inverse_flattening!r} "
        f"+step +proj=helmert +x={dx_m!r} +y={dy_m!r} +z={dz_m!r} +rx={rx_arcsec!r} +ry={ry_arcsec!r} "
        f"+rz={rz_arcsec!r} +s={scale_ppm!r} +convention={convention} "
        f"+step +inv +proj=cart +a={GRS80.a!r} +f={GRS80.f!r} +step +proj=unitconvert +xy_in=rad +xy_out=deg"
    )
