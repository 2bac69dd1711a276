"""What was worked out of single shapes, remembered by the shapes, which are the very same objects."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, partial
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from qpgis.crs import Geometries

Ints = NDArray[np.int64]
NEW = -1
ALIKE = 0.9
"""Of shapes that are nearly the same, at least this part is."""
Columns = tuple[NDArray[Any], ...]


class Shapes:
    """Shapes that are recognised again: points by their place, others as the very same objects.

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

    def found(self, shapes: Geometries) -> Ints:
        """Where each of some shapes stands among these; :data:`NEW` where it doesn't."""
        if not len(self):
            return np.full(len(shapes), NEW)
        wanted = _identity(shapes)
        at = np.minimum(np.searchsorted(self._identity, wanted), len(self) - 1)
        found = np.where(self._identity[at] == wanted, self._order[at], NEW)
        points = np.flatnonzero((found != NEW) & (shapely.get_type_id(shapes) == shapely.GeometryType.POINT))
        there = shapely.equals_identical(self.shapes[found[points]], shapes[points])
        found[points[~there]] = NEW
        return found

    def positions(self, shapes: Geometries) -> Ints:
        """As :meth:`found`, but :data:`NEW` also where several are the same: each stands for one."""
        found = self.found(shapes)
        several = np.bincount(found[found != NEW], minlength=1)[np.maximum(found, 0)] > 1
        return np.where(several, NEW, found)

    def kept(self, at: Ints) -> NDArray[np.bool_]:
        """Which of these are still there, told where each of others stands among them."""
        kept = np.zeros(len(self), dtype=bool)
        kept[at[at != NEW]] = True
        return kept

    @cached_property
    def boxes(self) -> shapely.STRtree:
        """A tree of the shapes' boxes."""
        return shapely.STRtree(self.shapes)


def differing(shapes: Geometries, known: Shapes, at: Ints) -> Geometries:
    """What came and what went, told where each of some shapes stands among known ones."""
    return np.concatenate([shapes[at == NEW], known.shapes[~known.kept(at)]])


class Locally:
    """Columns of values of shapes that depend on the others around them, such as barriers, worked out for each set.

    Of nearly the same others only shapes near those that differ are worked out anew.

    Parameters
    ----------
    work_out : callable
        ``work_out(others, shapes)`` gives the columns; of a shape only others within ``within_m`` of it may count.
    within_m : float
    """

    def __init__(self, work_out: Callable[[Geometries, Geometries], Columns], *, within_m: float = 0.0) -> None:
        self._work_out, self._within_m = work_out, within_m
        self._known: list[tuple[Shapes, Remembered]] = []

    def copy(self) -> Locally:
        """What begins with it, and keeps what it learns to itself."""
        made = Locally(self._work_out, within_m=self._within_m)
        made._known = list(self._known)
        return made

    def of(self, shapes: Geometries, others: Geometries) -> Columns:
        """The columns of some shapes among some others."""
        return self._among(others).of(shapes)

    def _among(self, others: Geometries) -> Remembered:
        alike = nearly(others, [known for known, _ in self._known])
        anew = Remembered(partial(self._work_out, others))
        if alike is not None:
            known, remembered = self._known[alike[0]]
            changed = differing(others, known, alike[1])
            if not len(changed):
                return remembered
            anew = remembered.but_near(changed, self._within_m, partial(self._work_out, others))
        self._known.append((Shapes(others), anew))
        return anew


def nearly(shapes: Geometries, known: Sequence[Shapes]) -> tuple[int, Ints] | None:
    """Which of some known shapes are nearly these, and where each of these stands among them; ``None`` where none are.

    Those with as many shapes as these come first, then the others by how many more or fewer they are.
    """
    most_new = (1 - ALIKE) * len(shapes)
    further = [abs(len(one) - len(shapes)) for one in known]
    for which in sorted(range(len(known)), key=further.__getitem__):
        if further[which] > most_new:
            break
        at = known[which].positions(shapes)
        if (at == NEW).sum() <= most_new:
            return which, at
    return None


def _identity(shapes: Geometries) -> Ints:
    """Numbers that are the same for the same shapes, and hardly ever for others."""
    identity = np.fromiter(map(id, shapes), dtype=np.int64, count=len(shapes))
    points = np.flatnonzero(shapely.get_type_id(shapes) == shapely.GeometryType.POINT)
    points = points[~shapely.is_empty(shapes[points])]
    x, y = shapely.get_coordinates(shapes[points]).T.copy().view(np.int64)
    identity[points] = x ^ np.roll(y.view(np.int8).reshape(-1, 8), 3, axis=1).copy().view(np.int64).ravel()
    return identity


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

    def but_near(self, changed: Geometries, within_m: float, work_out: Callable[[Geometries], Columns]) -> Remembered:
        """What works out otherwise near what changed: it knows of shapes that are further off what this one knows."""
        made = Remembered(work_out)
        if len(self._known):
            west, south, east, north = shapely.bounds(changed[~shapely.is_missing(changed)]).T
            boxes = shapely.box(west - within_m, south - within_m, east + within_m, north + within_m)
            far = np.ones(len(self._known), dtype=bool)
            far[self._known.boxes.query(boxes)[1]] = False
            made._known = Shapes(self._known.shapes[far])
            made._columns = tuple(column[far] for column in self._columns)
        return made

    def of(self, shapes: Geometries) -> Columns:
        """The columns of some shapes."""
        at = self._known.found(shapes)
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
