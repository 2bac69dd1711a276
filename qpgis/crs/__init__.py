"""The only place where coordinates change.

Every geometry takes one way: file coordinates -> longitude and latitude -> the study area's equal-area plane. In
that plane (Lambert azimuthal equal-area on GRS80, centre on whole degrees) a plane area is an ellipsoidal area.
Longitude and latitude are taken as CGCS2000, ETRS89 and WGS 84 alike: they differ by less than a metre, PROJ knows no
operation between them but a null one, and planning maps are not that accurate.

``systems`` parses a system and leads to degrees; ``magnitudes`` says what numbers alone tell; ``china`` is GCJ-02 and
BD-09; ``local`` fits control points and applies 4 and 7 parameters; ``trust`` makes trustworthy coordinates of what is
declared; ``plane`` is where everything is measured.
"""

from qpgis.crs.magnitudes import Bounds, Magnitudes, judge_magnitudes
from qpgis.crs.plane import COINCIDENT_M, Plane, densify, gauss_krueger
from qpgis.crs.systems import GRS80, LONLAT, Floats, Geometries, finite_bounds, label, lonlat, parse

__all__ = [
    "COINCIDENT_M",
    "GRS80",
    "LONLAT",
    "Bounds",
    "Floats",
    "Geometries",
    "Magnitudes",
    "Plane",
    "densify",
    "finite_bounds",
    "gauss_krueger",
    "judge_magnitudes",
    "label",
    "lonlat",
    "parse",
]
