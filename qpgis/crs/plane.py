"""The plane in which everything is measured, and the Gauss-Krueger zones for buffers and networks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS, Transformer

from qpgis.crs.systems import GRS80, LONLAT, Floats, Geometries, lonlat, to_lonlat
from qpgis.errors import CRSError

STRAIGHT_WITHIN_M = 5e-6
"""An edge is straight in its file's system, not in the plane: it gets points until it strays by less than this."""
COINCIDENT_M = 2e-5
"""Lines and borders that lie this close are the same: each strays a little when it is projected by itself."""
NEAR_DEG = 60
"""What reaches further than this from the plane's centre is cut there before it is projected."""
MOST_PIECES = 100_000
"""Into how many pieces one edge is cut at most."""

_RAGGED = (1, 3, 5, 6)
"""Types of geometry that have edges: LineString, Polygon, MultiLineString, MultiPolygon."""


def densify(geometries: Geometries, convert: Callable[[Floats], Floats]) -> Geometries:
    """Points on every edge that ``convert`` would bend, evenly spaced and the same from either side.

    Two polygons that share an edge share its new points to the last bit, whichever way their rings run.

    Parameters
    ----------
    geometries : array of shapely geometries
        In the system where their edges are straight: the file's own. Missing ones stay missing.
    convert : callable
        Coordinates of that system to the plane, in metres.
    """
    out = geometries.copy()
    types = shapely.get_type_id(geometries)
    for type_id in _RAGGED:
        index = np.flatnonzero((types == type_id) & ~shapely.is_empty(geometries))
        if len(index):
            out[index] = _densify_one_type(geometries[index], convert)
    return out


def _densify_one_type(geometries: Geometries, convert: Callable[[Floats], Floats]) -> Geometries:
    kind, xy, offsets = shapely.to_ragged_array(geometries, include_z=False)
    pieces = _pieces(xy, convert)
    starts = offsets[0]
    pieces[starts[(starts > 0) & (starts < len(xy))] - 1] = 1
    if (pieces == 1).all():
        return geometries
    edge = np.repeat(np.arange(len(pieces)), pieces)
    step = np.arange(len(edge)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    a, b = xy[:-1], xy[1:]
    backwards = (a[:, 0] > b[:, 0]) | ((a[:, 0] == b[:, 0]) & (a[:, 1] > b[:, 1]))
    low, high = np.where(backwards[:, None], b, a), np.where(backwards[:, None], a, b)
    share = np.where(backwards[edge], pieces[edge] - step, step) / pieces[edge]
    new = low[edge] + (high - low)[edge] * share[:, None]
    new[step == 0] = xy[:-1]
    new = np.vstack([new, xy[-1:]])
    position = np.append(np.cumsum(pieces) - pieces, len(new) - 1)
    moved = np.append(position, len(new))[np.minimum(starts, len(xy))]
    return shapely.from_ragged_array(kind, new, (moved, *offsets[1:]))


def _pieces(xy: Floats, convert: Callable[[Floats], Floats]) -> NDArray[np.int64]:
    """Into how many pieces each edge between consecutive coordinates is cut.

    How far an edge strays is seen at its middle, and falls with the square of the number of pieces.
    """
    ends, middles = convert(xy), convert((xy[:-1] + xy[1:]) / 2)
    strays = np.linalg.norm(middles - (ends[:-1] + ends[1:]) / 2, axis=1)
    wanted = np.ceil(np.sqrt(np.nan_to_num(strays, posinf=0) / STRAIGHT_WITHIN_M))
    return np.clip(wanted, 1, MOST_PIECES).astype(np.int64)


@dataclass(frozen=True)
class Plane:
    """The equal-area plane of a study area: LAEA on GRS80, metres, centre on whole degrees.

    Partitions, scenarios and compared runs share it; it stands in the manifest.
    """

    lon_deg: int
    lat_deg: int

    @classmethod
    def around(cls, geometries: Geometries) -> Plane:
        """The plane for geometries in longitude and latitude: its centre is theirs, rounded to whole degrees."""
        west, south, east, north = shapely.total_bounds(geometries)
        if not np.isfinite([west, south, east, north]).all():
            raise CRSError("the zones hold no coordinates")
        return cls(round((west + east) / 2), round((south + north) / 2))

    def __str__(self) -> str:
        return f"LAEA GRS80 lon {self.lon_deg} lat {self.lat_deg}"

    @property
    def definition(self) -> str:
        """The plane as a PROJ string."""
        return f"+proj=laea +lat_0={self.lat_deg} +lon_0={self.lon_deg} +ellps=GRS80 +units=m +no_defs +type=crs"

    @cached_property
    def crs(self) -> CRS:
        """The plane as a coordinate reference system."""
        return CRS.from_proj4(self.definition)

    @property
    def _transformer(self) -> Transformer:
        return _of_plane(self.definition)

    def forward(self, xy: Floats) -> Floats:
        """Longitude and latitude to metres."""
        return np.column_stack(self._transformer.transform(xy[:, 0], xy[:, 1]))

    def inverse(self, xy: Floats) -> Floats:
        """Metres to longitude and latitude, to 1e-12 degrees.

        PROJ's own inverse is off by up to a millimetre two degrees from the centre; one corrective step removes that.
        """
        first = np.column_stack(self._transformer.transform(xy[:, 0], xy[:, 1], direction="INVERSE"))
        corrected = 2 * xy - self.forward(first)
        return np.column_stack(self._transformer.transform(corrected[:, 0], corrected[:, 1], direction="INVERSE"))

    def project(self, geometries: Geometries, crs: CRS, *, what: str) -> Geometries:
        """Geometries of a file's system in this plane; edges get points where they would no longer be straight."""
        degrees = lonlat(geometries, crs, what=what)
        far = self._reaches_far(degrees)
        to_degrees = to_lonlat(crs.to_wkt(), what)

        def convert(xy: Floats) -> Floats:
            return self.forward(to_degrees(xy))

        near = geometries.copy()
        near[far] = None
        projected = shapely.transform(densify(near, convert), convert)
        if far.any():
            west, east = max(self.lon_deg - NEAR_DEG, -180), min(self.lon_deg + NEAR_DEG, 180)
            window = shapely.box(west, max(self.lat_deg - NEAR_DEG, -90), east, min(self.lat_deg + NEAR_DEG, 90))
            cut = shapely.intersection(shapely.make_valid(degrees[far]), window)
            projected[far] = shapely.transform(densify(cut, self.forward), self.forward)
        return projected

    def _reaches_far(self, degrees: Geometries) -> NDArray[np.bool_]:
        """Which geometries reach so far around the globe that the plane would fold them."""
        bounds = shapely.bounds(degrees) - np.array([self.lon_deg, self.lat_deg, self.lon_deg, self.lat_deg])
        return np.asarray((np.abs(np.nan_to_num(bounds)) > NEAR_DEG).any(axis=1))

    def unproject(self, geometries: Geometries) -> Geometries:
        """Geometries of this plane in longitude and latitude."""
        return shapely.transform(geometries, self.inverse)

    def to_gauss_krueger(self, geometries: Geometries) -> Geometries:
        """Geometries of this plane in the Gauss-Krueger zone of its centre, vertex by vertex."""

        def convert(xy: Floats) -> Floats:
            degrees = self.inverse(xy)
            return np.column_stack(self._gauss_krueger.transform(degrees[:, 0], degrees[:, 1]))

        return shapely.transform(geometries, convert)

    @property
    def _gauss_krueger(self) -> Transformer:
        return _to_gauss_krueger(gauss_krueger(self.lon_deg).to_wkt())

    def lengths(self, lines: Geometries) -> Floats:
        """Geodesic length of each line of this plane, in metres; 0 for what is no line or empty."""
        parts, owner = shapely.get_parts(lines, return_index=True)
        xy, index = shapely.get_coordinates(parts, return_index=True)
        if len(xy) < 2:
            return np.zeros(len(lines))
        degrees = self.inverse(xy)
        same = index[:-1] == index[1:]
        a, b = degrees[:-1][same], degrees[1:][same]
        metres = GRS80.inv(a[:, 0], a[:, 1], b[:, 0], b[:, 1])[2]
        return np.bincount(owner[index[:-1][same]], metres, minlength=len(lines)).astype(float)


def gauss_krueger(lon: float) -> CRS:
    """The 3-degree Gauss-Krueger zone for a longitude, for buffers and networks.

    Within China the CGCS2000 zones EPSG:4534 to 4554 (120 degrees east is EPSG:4549), elsewhere the same projection
    on GRS80.

    >>> gauss_krueger(121.1).to_epsg()
    4549
    """
    meridian = 3 * round(lon / 3)
    if 75 <= meridian <= 135:
        return CRS.from_epsg(4534 + (meridian - 75) // 3)
    return CRS.from_proj4(
        f"+proj=tmerc +lat_0=0 +lon_0={meridian} +k=1 +x_0=500000 +ellps=GRS80 +units=m +no_defs +type=crs"
    )


@lru_cache(maxsize=32)
def _of_plane(definition: str) -> Transformer:
    """Longitude and latitude to a plane; PROJ takes a tenth of a second to make one."""
    crs = CRS.from_proj4(definition)
    return Transformer.from_crs(crs.geodetic_crs, crs, always_xy=True)


@lru_cache(maxsize=32)
def _to_gauss_krueger(wkt: str) -> Transformer:
    return Transformer.from_crs(LONLAT, CRS.from_wkt(wkt), always_xy=True)
