"""The kernel of each part: what every feature contributes to every zone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from qpgis.area import ZoneSet
from qpgis.crs import Floats, Geometries, Plane
from qpgis.layers import shapes_of
from qpgis.measures.areas import area_contributions, polygon_areas
from qpgis.measures.centrelines import split_dual_carriageways
from qpgis.measures.contributions import Contributions
from qpgis.measures.lengths import length_contributions
from qpgis.measures.points import amount_contributions, count_contributions
from qpgis.parts import Part

Mask = NDArray[np.bool_]
Kernel = Callable[[ZoneSet, Part, Plane], Contributions]
PartialKernel = Callable[[ZoneSet, Part, Plane, Mask | None], Contributions]
"""Also computes some features only, to the same digit: what one contributes depends on those that it meets at most."""


def features_of(part: Part) -> Geometries:
    """The features of a part's layers, one layer after the other."""
    return shapes_of(part.layers)


def left_out_of(part: Part) -> Geometries:
    """What a part leaves out."""
    return shapes_of(part.outside)


def amounts_of(part: Part) -> Floats:
    """What each feature of a part stands for."""
    (layer,) = part.layers
    return layer.frame["amount"].to_numpy(dtype=float) if len(layer) else np.empty(0)


def _area(zones: ZoneSet, part: Part, plane: Plane, only: Mask | None) -> Contributions:
    return area_contributions(zones.geometry, features_of(part), left_out_of(part), only=only)


def _length(zones: ZoneSet, part: Part, plane: Plane, only: Mask | None) -> Contributions:
    lines = features_of(part)
    some = np.arange(len(lines)) if only is None else np.flatnonzero(only)
    found = length_contributions(zones.geometry, lines[some], plane, overlapping=zones.overlapping)
    return found.of_features(some)


def _count(zones: ZoneSet, part: Part, plane: Plane, only: Mask | None) -> Contributions:
    points = features_of(part)
    some = np.arange(len(points)) if only is None else np.flatnonzero(only)
    return count_contributions(zones.geometry, points[some], overlapping=zones.overlapping).of_features(some)


def _amount(zones: ZoneSet, part: Part, plane: Plane, only: Mask | None) -> Contributions:
    features, amounts = features_of(part), amounts_of(part)
    some = np.arange(len(features)) if only is None else np.flatnonzero(only)
    found = amount_contributions(zones.geometry, features[some], amounts[some], overlapping=zones.overlapping)
    return found.of_features(some)


def _zone_area(zones: ZoneSet, part: Part, plane: Plane) -> Contributions:
    return polygon_areas(zones.geometry)


def _centreline_length(zones: ZoneSet, part: Part, plane: Plane) -> Contributions:
    roads = part.layers[0]
    lines, source, weight = split_dual_carriageways(
        roads.geometry, plane.to_gauss_krueger(roads.geometry), roads.frame, **dict(part.settings)
    )
    pieces = length_contributions(zones.geometry, lines, plane, weight=weight, overlapping=zones.overlapping)
    return pieces.of_features(source)


PARTIAL: Mapping[str, PartialKernel] = MappingProxyType(
    {"area": _area, "ground": _area, "length": _length, "count": _count, "amount": _amount}
)
WHOLLY: Mapping[str, Kernel] = MappingProxyType({"zone_area": _zone_area, "centreline_length": _centreline_length})


def contributions(zones: ZoneSet, part: Part, plane: Plane, only: Mask | None = None) -> Contributions:
    """What each feature of a part without a rule contributes to each zone; with ``only`` those features alone.

    Positions of features count through the part's layers; those of ``zone_area``, which reads none, are zones.

    Raises
    ------
    ValueError
        If the kernel can't compute some features only.
    """
    if part.kernel in PARTIAL:
        return PARTIAL[part.kernel](zones, part, plane, only)
    if only is not None:
        raise ValueError(f"{part.kernel} is computed of all features together")
    return WHOLLY[part.kernel](zones, part, plane)
