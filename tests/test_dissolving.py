"""Of nearly the same polygons only what differs is worked out, and comes to the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from qpgis.crs import Geometries
from qpgis.dissolving import Dissolving, dissolved
from qpgis.measures.connectivity import Distances, distances
from qpgis.measures.network import Network
from qpgis.measures.spans import Chainage
from qpgis.remembered import Locally, Shapes, nearly
from qpgis.shapes import clipped


class _Lengths:
    """A plane whose lengths are its own."""

    @staticmethod
    def lengths(lines: Geometries) -> np.ndarray:
        return shapely.length(lines)


LENGTHS: Any = _Lengths()
CORNERS = st.tuples(st.integers(0, 40), st.integers(0, 40), st.integers(1, 6), st.integers(1, 6))


@st.composite
def edited(draw: st.DrawFn) -> tuple[Geometries, Geometries]:
    """Rectangles, and the same ones but for a few that went, came or were redrawn, in some other order."""
    boxes = np.array([_box(one) for one in draw(st.lists(CORNERS, min_size=30, max_size=40))], dtype=object)
    gone = draw(st.lists(st.integers(0, len(boxes) - 1), max_size=2))
    came = np.array([_box(one) for one in draw(st.lists(CORNERS, max_size=2))], dtype=object)
    after = np.concatenate([np.delete(boxes, gone), came])
    return boxes, after[draw(st.permutations(range(len(after))))]


def _box(corners: tuple[int, int, int, int]) -> shapely.Geometry:
    x, y, wide, high = corners
    return shapely.affinity.rotate(shapely.box(x, y, x + wide, y + high), (x * y) % 7, origin=(x, y))


def same(one: Geometries, other: Geometries) -> bool:
    return shapely.to_wkb(one).tolist() == shapely.to_wkb(other).tolist()


@settings(deadline=None, max_examples=50)
@given(edited())
def test_what_is_dissolved_again_is_what_is_dissolved_anew(two: tuple[Geometries, Geometries]) -> None:
    before, after = two
    dissolving = Dissolving()
    first = dissolving.of(before)
    assert nearly(after, [Shapes(before)]) is not None
    again = dissolving.of(after)
    assert same(again, dissolved(after))
    assert same(dissolving.of(before), first)
    ground = shapely.union_all(after)
    assert shapely.area(again).sum() == pytest.approx(ground.area)
    assert len(again) == len(shapely.get_parts(ground))


def test_pieces_that_no_change_meets_are_the_same_objects() -> None:
    row = np.array([shapely.box(3 * n, 0, 3 * n + 1 + n % 2, 1) for n in range(20)], dtype=object)
    dissolving = Dissolving()
    before = dissolving.of(row)
    moved = row.copy()
    moved[7] = shapely.box(22, 0, 24.5, 1)  # meets the next one
    after = dissolving.of(moved)
    assert len(after) == 19
    (new,) = [one for one in after if not any(one is other for other in before)]
    assert new.equals(shapely.box(22, 0, 25, 1))


@settings(deadline=None, max_examples=50)
@given(edited(), st.sampled_from([1.0, 5.0, 60.0]))
def test_distances_found_again_are_those_found_anew(two: tuple[Geometries, Geometries], within_m: float) -> None:
    before, after = two
    known = Distances()
    known.of(before, within_m)
    for patches in (after, before):
        for found, anew in zip(known.of(patches, within_m), distances(patches, within_m), strict=True):
            assert found.tolist() == anew.tolist()


def test_distances_of_all_pairs() -> None:
    patches = np.array([shapely.box(x, 0, x + 1, 1) for x in (0, 3, 10)], dtype=object)
    assert [some.tolist() for some in distances(patches, 9.0)] == [[0, 0, 1], [1, 2, 2], [2.0, 9.0, 6.0]]
    assert [some.tolist() for some in distances(patches, 6.0)] == [[0, 1], [1, 2], [2.0, 6.0]]


def test_clipped() -> None:
    ground = np.array([shapely.box(0, 0, 4, 10), shapely.box(3, 0, 6, 10), shapely.box(20, 0, 30, 10)], dtype=object)
    within_one, across, beside = shapely.box(0, 0, 3, 3), shapely.box(1, 0, 5, 2), shapely.box(6, 0, 8, 1)
    partly, apart = shapely.box(2, 0, 24, 10), shapely.box(50, 0, 51, 1)
    shapes = np.array([within_one, across, beside, partly, apart, None], dtype=object)
    within, rest = clipped(shapes, ground)
    assert within[0] is within_one and within[1] is across  # noqa: PT018
    assert shapely.area(within[:5]).tolist() == pytest.approx([9, 8, 0, 80, 0])
    assert shapely.area(rest[:5]).tolist() == pytest.approx([0, 0, 2, 140, 1])
    assert within[5] is None and rest[5] is None  # noqa: PT018


@settings(deadline=None, max_examples=50)
@given(edited(), edited())
def test_clipping_to_edited_ground_is_clipping_anew(
    grounds: tuple[Geometries, Geometries], shapes: tuple[Geometries, Geometries]
) -> None:
    locally = Locally(lambda ground, some: clipped(some, ground))
    locally.of(shapes[0], grounds[0])
    for some, ground in zip(shapes, grounds[::-1], strict=True):
        for found, anew in zip(locally.of(some, ground), clipped(some, ground), strict=True):
            assert same(found, anew)
        within, rest = clipped(some, ground)
        whole = shapely.union_all(ground)
        assert shapely.area(within) == pytest.approx(shapely.area(shapely.intersection(some, whole)), abs=1e-9)
        assert shapely.area(rest) == pytest.approx(shapely.area(shapely.difference(some, whole)), abs=1e-6)


@settings(deadline=None, max_examples=50)
@given(edited())
def test_lines_run_through_edited_polygons_as_through_new_ones(two: tuple[Geometries, Geometries]) -> None:
    lines = np.array([shapely.LineString([(0, 3), (20, 9), (40, 41)]), shapely.LineString([(5, 40), (6, 0)])])
    known = Chainage.of(lines)
    for polygons in (*two, two[0]):
        for right_m in (0.0, 0.5):
            found, anew = (one.inside(polygons, right_m=right_m) for one in (known, Chainage.of(lines)))
            assert same(known.lines(found), known.lines(anew))


@settings(deadline=None, max_examples=50)
@given(edited(), st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), min_size=5, max_size=30))
def test_feet_among_edited_barriers_are_those_among_new_ones(
    barriers: tuple[Geometries, Geometries], places: list[tuple[int, int]]
) -> None:
    streets = np.array([shapely.LineString([(x, 0), (x + 2, 41)]) for x in range(0, 42, 7)])
    network = Network.of(streets, plane=LENGTHS)
    points = shapely.points(places)

    def feet(among: Geometries, some: Geometries) -> tuple[np.ndarray, ...]:
        found = network.feet(some, snap_within_m=9.0, barriers=among)
        return found.edge, found.share, found.away_m

    locally = Locally(feet, within_m=9.0)
    for among in (*barriers, barriers[0]):
        again = shapely.points(places)  # made anew, the same places are known
        for found, anew in zip(locally.of(again, among), feet(among, points), strict=True):
            assert found.tolist() == anew.tolist()
