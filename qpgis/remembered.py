"""What was worked out of single shapes, remembered by the shapes, which are the very same objects."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from qpgis.crs import Geometries

Ints = NDArray[np.int64]
NEW = -1
Columns = tuple[NDArray[Any], ...]


class Shapes:
    """Shapes that are recognised again.

    Parameters
    ----------
    shapes : array of geometries
        Kept, so that no other object takes the place of one of them.
    """

    def __init__(self, shapes: Geometries) -> None:
        self.shapes = shapes
        identity = _identity(shapes)
        self._order = np.argsort(identity, kind="stable")
        self._identity = identity[self._order]

    def __len__(self) -> int:
        return len(self.shapes)

    def positions(self, shapes: Geometries) -> Ints:
        """Where each of some shapes stands among these; :data:`NEW` where it doesn't, or several are the same."""
        if not len(self):
            return np.full(len(shapes), NEW)
        wanted = _identity(shapes)
        at = np.minimum(np.searchsorted(self._identity, wanted), len(self) - 1)
        found = np.where(self._identity[at] == wanted, self._order[at], NEW)
        several = np.bincount(found[found != NEW], minlength=1)[np.maximum(found, 0)] > 1
        return np.where(several, NEW, found)

    @cached_property
    def boxes(self) -> shapely.STRtree:
        """A tree of the shapes' boxes."""
        return shapely.STRtree(self.shapes)


def _identity(shapes: Geometries) -> Ints:
    return np.fromiter(map(id, shapes), dtype=np.int64, count=len(shapes))


class Remembered:
    """Columns of values, one a shape, each worked out once.

    Parameters
    ----------
    work_out : callable
        Gives the columns of some shapes; what it gives of one must not depend on the others.
    """

    def __init__(self, work_out: Callable[[Geometries], Columns]) -> None:
        self._work_out = work_out
        self._known = Shapes(np.empty(0, dtype=object))
        self._columns: Columns = ()

    def of(self, shapes: Geometries) -> Columns:
        """The columns of some shapes."""
        at = self._known.positions(shapes)
        new = at == NEW
        fresh = self._work_out(shapes[new])
        if not len(self._known):
            self._known, self._columns = Shapes(shapes[new]), fresh
            return fresh
        found = tuple(known[at] for known in self._columns)  # of new ones any
        for column, values in zip(found, fresh, strict=True):
            column[new] = values
        if new.any():
            self._known = Shapes(np.concatenate([self._known.shapes, shapes[new]]))
            self._columns = tuple(map(np.concatenate, zip(self._columns, fresh, strict=True)))
        return found
