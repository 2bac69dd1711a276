"""What differs computed anew and the rest kept: equal to computing all, to the digit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import Geometry, LineString, Point, box

import qpgis.remembered
from qpgis.area import ZoneSet
from qpgis.crs import Plane
from qpgis.incremental import Evaluated, form, updated
from qpgis.kernels import contributions
from qpgis.layers import Layer
from qpgis.measures.areas import area_contributions
from qpgis.parts import Part
from qpgis.provenance import Grade, Source
from qpgis.remembered import NEW, Remembered, Shapes

PLANE = Plane(121, 31)
SOURCE = Source("made.geojson", Grade.SYNTHETIC)
ZONES = np.array([box(0, 0, 10.3, 20), box(10.3, 0, 20, 20)], dtype=object)
SET = ZoneSet("town", ("a", "b"), ("a", "b"), ZONES, ZONES, SOURCE)

place = st.tuples(st.integers(-2, 20), st.integers(-2, 20))
size = st.tuples(st.integers(1, 9), st.integers(1, 9))
squares = st.builds(lambda at, by: box(*at, at[0] + by[0] / 3, at[1] + by[1] / 7), place, size)
lines = st.builds(lambda a, b: LineString([a, b]), place, place.map(lambda p: (p[0] + 0.5, p[1] + 0.25)))
points = st.builds(Point, place)


def layer(shapes: list[Geometry], amounts: list[float] | None = None, key: str = "") -> Layer:
    import pandas as pd

    frame = pd.DataFrame({"feature_id": [str(n) for n in range(len(shapes))], "name": "", "class_": ""})
    if amounts is not None:
        frame["amount"] = amounts
    return Layer("park", frame, np.array([*shapes, None], dtype=object)[:-1], SOURCE, None, key)


def edited(draw: Any, shapes: list[Geometry], new: Any) -> list[Geometry]:
    """Some of the shapes, the very same objects, in their order, some of them twice, and others after them."""
    kept = [one for one in shapes if draw(st.integers(0, 3))]
    again = kept[:1] if kept and draw(st.booleans()) else []
    return [*kept, *again, *draw(st.lists(new, min_size=not kept, max_size=3))]


@pytest.fixture(autouse=True)
def however_different(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qpgis.remembered, "ALIKE", -100.0)  # any part is alike


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_areas_of_an_edited_layer(data: st.DataObject) -> None:
    before, outside = data.draw(st.lists(squares, min_size=1, max_size=7)), data.draw(st.lists(squares, max_size=3))
    after, left_out = (edited(data.draw, some, squares) for some in (before, outside))
    old = Part("area", "m2", (layer(before),), (layer(outside),))
    new = Part("area", "m2", (layer(after, key="new"),), (layer(left_out, key="new"),))
    _equal(old, new)


@settings(max_examples=80, deadline=None)
@given(st.data(), st.sampled_from(["length", "count"]))
def test_lengths_and_counts_of_an_edited_layer(data: st.DataObject, kernel: str) -> None:
    shapes = lines if kernel == "length" else points
    before = data.draw(st.lists(shapes, min_size=1, max_size=7))
    after = edited(data.draw, before, shapes)
    unit = "m" if kernel == "length" else "count"
    _equal(Part(kernel, unit, (layer(before),)), Part(kernel, unit, (layer(after, key="new"),)))


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_amounts_of_an_edited_layer(data: st.DataObject) -> None:
    """Amounts change too, of features that stay where they are."""
    amount = st.sampled_from([0.0, 1.5, 7.0, float("nan")])
    before = data.draw(st.lists(st.one_of(points, squares), min_size=1, max_size=7))
    after = edited(data.draw, before, points)
    old, new = (
        layer(shapes, data.draw(st.lists(amount, min_size=len(shapes), max_size=len(shapes))), key)
        for shapes, key in ((before, "old"), (after, "new"))
    )
    _equal(Part("amount", "people", (old,)), Part("amount", "people", (new,)))


def _equal(old: Part, new: Part) -> None:
    assert form(old) == form(new)
    before = contributions(SET, old, PLANE)
    found = updated(new, [Evaluated(old, before.per_zone(), before.redone)], SET, PLANE)
    assert found is not None
    whole = contributions(SET, new, PLANE)
    assert list(found.sums) == whole.per_zone()
    assert found.redone == whole.redone


@settings(max_examples=80, deadline=None)
@given(st.lists(squares, min_size=1, max_size=8), st.lists(squares, max_size=3), st.data())
def test_some_features_contribute_what_they_do_among_all(
    shapes: list[Geometry], outside: list[Geometry], data: st.DataObject
) -> None:
    features, left_out = (np.array([*some, None], dtype=object)[:-1] for some in (shapes, outside))
    only = np.array(data.draw(st.lists(st.booleans(), min_size=len(shapes), max_size=len(shapes))))
    some, every = (area_contributions(ZONES, features, left_out, only=mask) for mask in (only, None))
    assert some.per_zone() == every.where(only).per_zone()


@settings(max_examples=50, deadline=None)
@given(st.lists(squares, min_size=1, max_size=6), st.lists(squares, max_size=4), st.randoms(use_true_random=False))
def test_the_order_of_what_is_left_out_changes_no_digit(
    shapes: list[Geometry], outside: list[Geometry], chance: Any
) -> None:
    shuffled = outside.copy()
    chance.shuffle(shuffled)
    features = np.array([*shapes, None], dtype=object)[:-1]
    one, other = (np.array([*some, None], dtype=object)[:-1] for some in (outside, shuffled))
    assert area_contributions(ZONES, features, one).per_zone() == area_contributions(ZONES, features, other).per_zone()


def test_only_the_very_same_objects_are_recognised() -> None:
    a, b, c = (box(0, 0, n, n) for n in (1, 2, 3))
    known = Shapes(np.array([a, b, c], dtype=object))
    twin = box(0, 0, 1, 1)
    assert known.positions(np.array([c, twin, a], dtype=object)).tolist() == [2, NEW, 0]
    assert known.positions(np.array([a, a, b], dtype=object)).tolist() == [NEW, NEW, 1]


def test_what_was_worked_out_is_not_worked_out_again() -> None:
    seen: list[Geometry] = []

    def areas(shapes: np.ndarray) -> tuple[np.ndarray]:
        seen.extend(shapes)
        return (np.asarray(shapely.area(shapes)),)

    a, b, c = (box(0, 0, n, 1) for n in (1, 2, 3))
    remembered = Remembered(areas)
    assert remembered.of(np.array([], dtype=object))[0].tolist() == []
    assert remembered.of(np.array([a, b], dtype=object))[0].tolist() == [1, 2]
    assert remembered.of(np.array([c, a], dtype=object))[0].tolist() == [3, 1]
    assert remembered.of(np.array([b, c], dtype=object))[0].tolist() == [2, 3]
    assert seen == [a, b, c]
