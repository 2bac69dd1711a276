"""Features of GeoJSON as geometries and columns: checked and made on whole arrays, some thousand at a time."""

from __future__ import annotations

import gc
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from types import NoneType
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from shapely import GeometryType

from qpgis.sources import Bounds

if TYPE_CHECKING:
    import pandas as pd

_DEPTH = {"Point": 0, "MultiPoint": 1, "LineString": 1, "Polygon": 2, "MultiLineString": 2, "MultiPolygon": 3}
"""How many lists stand around the positions of a geometry."""
GEOMETRIES = frozenset([*_DEPTH, "GeometryCollection"])
_FEATURE = frozenset(["type", "id", "geometry", "properties", "bbox", "crs"])
_GEOMETRY = frozenset(["type", "coordinates", "geometries", "bbox", "crs"])
EXACT = 2**53
"""Whole numbers up to here are exact as floating-point ones."""
MOST_CELLS = 100_000_000
"""How many cells a table may have."""


class Wrong(Exception):
    """What breaks RFC 7946 in some features; the message begins after the feature's number."""


class Features:
    """The features read so far.

    Attributes
    ----------
    ids : list of str or None
        What the features say.
    columns : dict of lists
        The properties, ``None`` where a feature hasn't got one.
    systems : list
        The different members ``crs`` of features and geometries.
    boxes : list of (row, anything)
        Their members ``bbox``.
    foreign : set of str
        Members that GeoJSON doesn't know.
    rows : mapping to lists of rows
        What was mended or left out: rings ``closed``, ``heights``, ``more`` numbers than that in a position, features
        ``bare`` of properties, ``odd_ids``.
    """

    def __init__(self) -> None:
        self.ids: list[str | None] = []
        self.columns: dict[str, list] = {}
        self.systems: list[Any] = []
        self.boxes: list[tuple[int, Any]] = []
        self.foreign: set[str] = set()
        self.rows: dict[str, list[int]] = defaultdict(list)
        self._made: list[np.ndarray] = []

    def __len__(self) -> int:
        return len(self.ids)

    def geometry(self) -> np.ndarray:
        """The geometries, plane, ``None`` where there is none."""
        return np.concatenate([np.empty(0, dtype=object), *self._made])

    def add(self, features: Sequence[Any]) -> None:
        """Take in some features.

        Raises
        ------
        Wrong
            If any of them breaks the standard.
        """
        geometries, properties = _members(features)
        self._made.append(self._shapes(geometries, np.arange(len(self), len(self) + len(features))))
        self._add_columns([one or {} for one in properties])
        self._look_around(features, [one or {} for one in geometries])
        self.ids += [None if (id_ := feature.get("id")) is None else as_text(id_) for feature in features]

    def _add_columns(self, properties: Sequence[Mapping[str, Any]]) -> None:
        for name in dict.fromkeys(chain.from_iterable(properties)):
            if name not in self.columns:
                self.columns[name] = [None] * len(self)
        if len(self.columns) * (len(self) + len(properties)) > MOST_CELLS:
            raise Wrong(f"up to here there are {len(self.columns)} different properties, too many for a table")
        for name, values in self.columns.items():
            values += [one.get(name) for one in properties]

    def _look_around(self, features: Sequence[Mapping[str, Any]], geometries: Sequence[Mapping[str, Any]]) -> None:
        """Members besides those that every feature has."""
        outer, inner = set(chain.from_iterable(features)), set(chain.from_iterable(geometries))
        self.foreign |= (outer - _FEATURE) | (inner - _GEOMETRY)
        self.rows["bare"] += [n for n, one in enumerate(features, len(self)) if "properties" not in one]
        if "id" in outer:
            odd = (n for n, one in enumerate(features, len(self)) if isinstance(one.get("id"), bool | list | dict))
            self.rows["odd_ids"] += odd
        for members in (features, geometries):
            if "bbox" in outer | inner:
                self.boxes += [(n, one["bbox"]) for n, one in enumerate(members, len(self)) if one.get("bbox")]
            if "crs" in outer | inner:
                self.systems += _distinct([one["crs"] for one in members if "crs" in one], but=self.systems)

    def _shapes(self, geometries: Sequence[Any], rows: np.ndarray) -> np.ndarray:
        """Geometries of JSON; ``rows`` are those of their features."""
        made = np.full(len(geometries), None, dtype=object)
        kinds = np.array([None if one is None else _kind(one) for one in geometries], dtype=object)
        for kind in dict.fromkeys(kinds[kinds != None]):  # noqa: E711 - on an array
            here = np.flatnonzero(kinds == kind)
            build = self._collections if kind == "GeometryCollection" else self._ragged
            made[here] = build(kind, [geometries[n] for n in here.tolist()], rows[here])
        return made

    def _collections(self, kind: str, said: Sequence[Mapping[str, Any]], rows: np.ndarray) -> np.ndarray:
        made = np.empty(len(said), dtype=object)
        for n, (one, row) in enumerate(zip(said, rows, strict=True)):
            parts = one.get("geometries")
            _all_of([parts], (list,), f"a {kind} has to have a list of 'geometries'")
            _all_of(parts, (dict,), f"the parts of a {kind} have to be geometries")  # type: ignore[arg-type]
            shapes = self._shapes(parts, np.full(len(parts), row))  # type: ignore[arg-type]
            made[n] = shapely.geometrycollections(shapes[~shapely.is_missing(shapes)])
        return made

    def _ragged(self, kind: str, said: Sequence[Mapping[str, Any]], rows: np.ndarray) -> np.ndarray:
        """Geometries of one type. Empty coordinates are no geometry, says the standard."""
        if not all("coordinates" in one for one in said):
            raise Wrong("its geometry has no 'coordinates'")
        coordinates = [one["coordinates"] for one in said]
        full = _lengths(coordinates) > 0
        made = np.full(len(said), None, dtype=object)
        if full.any():
            made[full] = self._full(kind, [one for one in coordinates if one], rows[full])
        return made

    def _full(self, kind: str, coordinates: list, rows: np.ndarray) -> np.ndarray:
        counts, level = [], coordinates
        for _ in range(_DEPTH[kind]):
            counts.append(_lengths(level))
            level = list(chain.from_iterable(level))
        numbers = _lengths(level)
        owners = [rows]
        for count in counts:
            owners.append(np.repeat(owners[-1], count))
        if (numbers > 2).any():
            self.rows["heights"] += np.unique(owners[-1][numbers > 2]).tolist()
            self.rows["more"] += np.unique(owners[-1][numbers > 3]).tolist()
        xy = _xy(level, numbers)
        if kind == "Point":
            return shapely.points(xy)
        _check_counts(kind, counts)
        if kind.endswith("Polygon"):
            xy, counts[-1], opened = _closed(xy, counts[-1])
            self.rows["closed"] += np.unique(owners[-2][opened]).tolist()
        offsets = [np.concatenate([[0], np.cumsum(count)]) for count in reversed(counts)]
        return shapely.from_ragged_array(GeometryType[kind.upper()], xy, tuple(offsets))


def _members(features: Sequence[Any]) -> tuple[list, list]:
    """What features have to have: their geometries and properties."""
    _all_of(features, (dict,), "a feature has to be an object '{...}'")
    odd = [one.get("type") for one in features if one.get("type") != "Feature"]
    if odd:
        raise Wrong(f"its 'type' is {_short(odd[0])}; it has to be \"Feature\", in this spelling")
    if not all("geometry" in one for one in features):
        raise Wrong("it has no member 'geometry'; a feature without one has to say \"geometry\": null")
    geometries, properties = [one["geometry"] for one in features], [one.get("properties") for one in features]
    _all_of(geometries, (dict, NoneType), "its 'geometry' has to be an object or null")
    _all_of(properties, (dict, NoneType), "its 'properties' have to be an object or null")
    return geometries, properties


def _kind(geometry: Mapping[str, Any]) -> str:
    kind = geometry.get("type")
    if not isinstance(kind, str) or kind not in GEOMETRIES:
        raise Wrong(f"the type of its geometry is {_short(kind)}; there are {', '.join(sorted(GEOMETRIES))}")
    return kind


def _all_of(values: Sequence[Any], types: tuple[type, ...], why: str) -> None:
    others = set(map(type, values)) - set(types)
    if others:
        raise Wrong(f"{why}; there is {_short(next(value for value in values if type(value) in others))}")


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _distinct(values: Sequence[Any], *, but: Sequence[Any]) -> list[Any]:
    """The different ones of some values that needn't be hashable."""
    found: list[Any] = []
    for value in values:
        if value not in found and value not in but:
            found.append(value)
    return found


# coordinates


def _lengths(level: Sequence[Any]) -> np.ndarray:
    _all_of(level, (list,), "its coordinates aren't nested as its type wants, a list has to be there")
    return np.fromiter(map(len, level), dtype=np.int64, count=len(level))


def _xy(positions: Sequence[list], numbers: np.ndarray) -> np.ndarray:
    """The first two numbers of each position."""
    if (numbers < 2).any():
        raise Wrong(f"a position has to have two numbers; there is {_short(positions[int((numbers < 2).argmax())])}")
    flat = list(chain.from_iterable(positions))
    _all_of(flat, (int, float), "a coordinate has to be a number, nested as its type wants")
    try:
        values = np.array(flat, dtype=np.float64)
    except OverflowError:
        values = np.array([np.inf])
    if not np.isfinite(values).all():
        raise Wrong("a coordinate is too large to be a number")
    first = np.cumsum(numbers) - numbers
    return values.reshape(-1, 2) if (numbers == 2).all() else np.column_stack([values[first], values[first + 1]])


def _check_counts(kind: str, counts: Sequence[np.ndarray]) -> None:
    """Rings and lines are long enough, no part is empty."""
    what, least = ("ring", 4) if kind.endswith("Polygon") else ("line", 2) if kind.endswith("LineString") else ("", 1)
    if (counts[-1] < least).any():
        raise Wrong(f"a {what} has to have {least} positions or more; there is one of {counts[-1].min()}")
    if any((count == 0).any() for count in counts):
        raise Wrong(f"a {kind} with an empty part; take the part out")


def _closed(xy: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rings with their first position again at the end, their lengths, and which of them weren't so."""
    ends = np.cumsum(counts)
    first = xy[ends - counts]
    opened = (first != xy[ends - 1]).any(axis=1)
    if opened.any():
        xy = np.insert(xy, ends[opened], first[opened], axis=0)
    return xy, counts + opened, opened


# values


def flat_bounds(stated: Any) -> Bounds | None:
    """West, south, east, north of a stated 2D or 3D box; ``None`` where it is none.

    >>> flat_bounds([1, 2, 0, 3, 4, 9]), flat_bounds([3, 2, 1, 4]), flat_bounds([1, 2, 3, "4"])
    ((1.0, 2.0, 3.0, 4.0), None, None)
    """
    if not isinstance(stated, list) or not all(type(value) in (int, float) for value in stated):
        return None
    numbers = stated[0:2] + stated[3:5] if len(stated) == 6 else stated
    if len(numbers) != 4 or not all(abs(number) < 1e300 for number in numbers):
        return None
    west, south, east, north = map(float, numbers)
    return (west, south, east, north) if west <= east and south <= north else None


def as_text(value: Any) -> str:
    """A value as text: text as it is, anything else as JSON writes it."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def column(values: Sequence[Any]) -> tuple[pd.Series, bool]:
    """The values of a property as a column, exactly; and whether they are of different sorts.

    Objects and lists become JSON text. Whole numbers that a column of numbers can't hold exactly, and values of
    different sorts, stay what they are.

    Raises
    ------
    Wrong
        If a number is too large to be one.
    """
    import pandas as pd

    kinds = set(map(type, values))
    if kinds & {dict, list}:
        values = [as_text(value) if isinstance(value, dict | list) else value for value in values]
        kinds = set(map(type, values))
    gaps, kinds = NoneType in kinds, kinds - {NoneType}
    if kinds <= {str}:
        return pd.Series(values, dtype="str"), False
    if float in kinds and any(isinstance(value, float) and abs(value) == np.inf for value in values):
        raise Wrong("a number is too large to be one; write it as text")
    numbers = kinds <= {int, float}
    most = max((abs(value) for value in values if type(value) is int), default=0) if numbers else 0
    dtype = object
    if numbers and most <= EXACT:
        dtype = float if gaps or float in kinds else np.int64
    elif kinds == {int} and not gaps and most < 2**63:
        dtype = np.int64
    elif kinds == {bool} and not gaps:
        dtype = bool
    return pd.Series(values, dtype=dtype), len(kinds) > 1 and not numbers


def frame_columns(columns: Mapping[str, Sequence[Any]]) -> tuple[dict[str, pd.Series], list[str]]:
    """Columns by the names that they can have beside the geometries, see :func:`column`; and which hold a mixture.

    Raises
    ------
    Wrong
        If a number is too large to be one.
    """
    made, mixed = {}, []
    for name, values in columns.items():
        free = name
        while name == "geometry" and (free == name or free in columns):
            free += "_"
        try:
            made[free], is_mixed = column(values)
        except Wrong as why:
            raise Wrong(f"property {name!r}: {why}") from None
        mixed += [name] if is_mixed else []
    return made, mixed


def first_wrong(features: Sequence[Any]) -> tuple[int, str] | None:
    """The first of some features that breaks the standard by itself, and how."""
    for number, feature in enumerate(features):
        try:
            Features().add([feature])
        except Wrong as why:
            return number, str(why)
    return None


@contextmanager
def no_collector() -> Iterator[None]:
    """No search for garbage meanwhile: lists of numbers make no cycles, but it takes half of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
