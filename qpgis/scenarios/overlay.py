"""Laying features over a layer: united with it, in place of what is beneath, or taken away from it."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from operator import is_
from typing import TYPE_CHECKING

import numpy as np
import shapely
from numpy.typing import NDArray

from qpgis.crs import Geometries
from qpgis.layers import Layer
from qpgis.provenance import Source
from qpgis.shapes import still_valid

if TYPE_CHECKING:
    import pandas as pd

LINE, AREAL = 1, 2


def united(base: Layer, over: Layer, source: Source) -> Layer:
    """Features added to a layer; a stretch that lines already run along isn't added once more."""
    shapes = over.geometry
    if len(shapes) and (shapely.get_dimensions(shapes) == LINE).all():
        shapes = without(shapes, base.geometry)
    left = ~shapely.is_empty(shapes)
    added = replace(over, frame=over.frame[left], geometry=shapes[left])
    geometry = np.concatenate([base.geometry, added.geometry])
    unit = base.amount_unit if len(base) else over.amount_unit
    made = replace(base, frame=_frames(base, added), geometry=geometry, source=source, codes=None, amount_unit=unit)
    return replace(made, key=f"{base.key} + {digest(over)}")


def erased(base: Layer, cutters: Geometries, source: Source, *, ids: NDArray[np.bool_] | None = None) -> Layer:
    """A layer without what shapes cover of it, and without some of its features; what only touches stays as it is.

    What is left of a polygon keeps so much of its amount.
    """
    shapes = without(base.geometry, cutters)
    if ids is not None:
        shapes[ids] = shapely.Point()
    left = ~shapely.is_empty(shapes)
    frame = base.frame
    cut = np.flatnonzero(left & ~_same(shapes, base.geometry) & (shapely.get_dimensions(shapes) == AREAL))
    if "amount" in frame and len(cut):
        share = np.ones(len(frame))
        share[cut] = shapely.area(shapes[cut]) / shapely.area(base.geometry[cut])
        frame = frame.assign(amount=frame["amount"] * share)
    gone = hashlib.sha256(b"".join(shapely.to_wkb(cutters).tolist()))
    gone.update(b"" if ids is None else np.flatnonzero(ids).tobytes())
    frame, shapes = frame[left].reset_index(drop=True), shapes[left]
    return replace(base, frame=frame, geometry=shapes, source=source, key=f"{base.key} - {gone.hexdigest()}")


def without(shapes: Geometries, cutters: Geometries) -> Geometries:
    """Shapes without what they have in common with others in their own dimension; empty where nothing is left."""
    left = shapes.copy()
    row, cutter = shapely.STRtree(cutters).query(shapes, predicate="intersects")
    dimension = shapely.get_dimensions(shapes)[row]
    common = np.zeros(len(row), dtype=bool)
    for one in np.unique(dimension):
        of = dimension == one
        common[of] = shapely.relate_pattern(shapes[row[of]], cutters[cutter[of]], f"{one}********")
    row, cutter = row[common], cutter[common]
    for n in np.unique(row):
        left[n] = shapely.difference(shapes[n], shapely.union_all(cutters[cutter[row == n]]))
    areal = np.unique(row[shapely.get_dimensions(shapes[row]) == AREAL])
    left[areal] = still_valid(left[areal])
    return left


def same_features(one: Layer, other: Layer) -> bool:
    """True if two layers, one made from the other, hold the very same features."""
    return len(one) == len(other) and bool(_same(one.geometry, other.geometry).all()) and one.frame.equals(other.frame)


def digest(layer: Layer) -> str:
    """Identifies what a layer holds."""
    found = hashlib.sha256(b"".join(shapely.to_wkb(layer.geometry).tolist()))
    found.update(layer.frame.to_json(orient="split", default_handler=str, force_ascii=False).encode())
    return found.hexdigest()


def _same(shapes: Geometries, others: Geometries) -> NDArray[np.bool_]:
    """Which shapes are the very objects that others are."""
    return np.fromiter(map(is_, shapes, others), dtype=bool, count=len(shapes))


def _frames(base: Layer, over: Layer) -> pd.DataFrame:
    """The rows of two layers with the columns of the first: what the second doesn't say is empty, or not known."""
    import pandas as pd

    if not len(base):
        return over.frame.reset_index(drop=True)
    columns = {}
    for name, column in base.frame.items():
        blank = "" if pd.api.types.is_string_dtype(column.dtype) else {"oneway": False, "accuracy": 0.0}.get(str(name))
        said = over.frame[name] if name in over.frame else pd.Series([blank] * len(over), dtype=column.dtype)
        columns[name] = pd.concat([column, said], ignore_index=True)
    return pd.DataFrame(columns)
