"""Corridors along their axes, held against rectangles worked out by hand and against plain overlays."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import LineString, MultiLineString, Point, Polygon, box

from qpgis.crs import Plane
from qpgis.measures.corridors import Corridors, bands, connected_when_eroded, corridors

PLANE = Plane(121, 31)
AXIS = LineString([(0, 0), (1000, 0)])


def some(*shapes: shapely.Geometry | None) -> np.ndarray:
    return np.array(shapes, dtype=object)


def along(axis: shapely.Geometry, matrix: np.ndarray, **options: object) -> Corridors:
    return corridors(some(axis), matrix, PLANE, **options)  # type: ignore[arg-type]


def test_a_wide_strip_meets_the_width_all_along() -> None:
    found = along(AXIS, some(box(-10, -60, 1010, 60)))
    assert found.length_m == pytest.approx([1000], rel=1e-6)
    assert found.share.tolist() == [1]
    assert found.longest_m == found.length_m
    assert found.sections.width_m == pytest.approx(np.full(40, 120))
    assert found.sections.at_m == pytest.approx(12.5 + 25 * np.arange(40), rel=1e-6)
    assert len(found.gaps) == 0


def test_exactly_the_width_is_enough_and_less_is_not() -> None:
    assert along(AXIS, some(box(0, -30, 1000, 70))).share.tolist() == [1]
    assert along(AXIS, some(box(0, -30, 1000, 69.9))).share.tolist() == [0]
    assert along(AXIS, some(box(0, -30, 1000, 69.9)), min_width_m=99.9).share.tolist() == [1]


def test_gaps_say_where_how_long_how_narrow_and_why() -> None:
    # a road of 10 m across at 400, built land that leaves 80 m from 600 to 700, no green from 900 on
    road, town = some(box(400, -500, 410, 500)), some(box(600, 20, 650, 500), box(640, 20, 700, 500))
    found = along(AXIS, some(box(0, -60, 900, 60)), barriers={"built": town, "road": road})
    assert found.share == pytest.approx([0.79])
    assert found.longest_m == pytest.approx([400], rel=1e-6)
    assert found.narrowest_m.tolist() == [0]
    gaps = found.gaps
    assert gaps.from_m == pytest.approx([400, 600, 900], rel=1e-6)
    assert gaps.to_m == pytest.approx([410, 700, 1000], rel=1e-6)
    assert gaps.length_m == pytest.approx([10, 100, 100], rel=1e-6)
    assert gaps.narrowest_m == pytest.approx([0, 80, 0])
    assert gaps.barriers == (("road",), ("built",), ())
    assert shapely.equals_exact(gaps.geometry[1], LineString([(600, 0), (700, 0)]), 1e-6)
    back = along(shapely.reverse(AXIS), some(box(0, -60, 900, 60)), barriers={"built": town, "road": road}).gaps
    assert back.from_m == pytest.approx(1000 - gaps.to_m[::-1], abs=1e-4)
    assert back.barriers == gaps.barriers[::-1]


def test_a_thin_barrier_between_two_sections_is_seen() -> None:
    canal_road = bands(some(LineString([(505, -300), (506, 300)])), 3.0)
    found = along(AXIS, some(box(0, -60, 1000, 60)), barriers={"road": canal_road}, step_m=100)
    across = 3.0 * np.hypot(600, 1) / 600
    assert found.gaps.length_m == pytest.approx([across], rel=1e-4)
    assert found.gaps.barriers == (("road",),)
    assert found.share == pytest.approx([1 - across / 1000], rel=1e-6)


def test_a_barrier_along_the_axis_leaves_the_run_that_holds_it() -> None:
    road = {"road": some(box(-10, 30, 1010, 40))}
    found = along(AXIS, some(box(0, -60, 1000, 160)), barriers=road)
    assert found.sections.width_m == pytest.approx(np.full(40, 90))  # from -60 to 30
    # the far side is 120 m wide, but 40 m from the axis
    assert along(AXIS, some(box(0, -60, 1000, 160)), barriers=road, offset_m=39).share.tolist() == [0]
    beside = along(AXIS, some(box(0, -60, 1000, 160)), barriers=road, offset_m=41)
    assert beside.share.tolist() == [1]
    assert beside.sections.width_m == pytest.approx(np.full(40, 120))


def test_overlaps_count_once_and_hairs_between_neighbours_do_not_part_them() -> None:
    halves = some(box(0, -60, 1000, 0.001), box(0, 0.005, 503.004, 60), box(503.009, 0.005, 1000, 60))
    found = along(AXIS, np.concatenate([halves, halves]))
    assert found.share.tolist() == [1]
    assert found.sections.width_m == pytest.approx(np.full(40, 120))
    wider = some(box(0, -60, 1000, -0.1), box(0, 0.1, 1000, 60))
    assert along(AXIS, wider).share.tolist() == [0]
    assert along(AXIS, wider, tolerance_m=0.5).share.tolist() == [1]


def test_sections_turn_at_a_bend() -> None:
    axis = LineString([(0, 0), (1000, 0), (1000, 1000)])
    found = along(axis, some(shapely.buffer(axis, 50, join_style="mitre", cap_style="flat")))
    width, at = found.sections.width_m, found.sections.at_m
    straight = np.abs(at - 1000) > 51
    assert width[straight & (np.abs(at - 1000) > 101)] == pytest.approx(100)
    assert (width >= 100 - 1e-6).all()
    assert (width <= 100 * np.sqrt(2) + 1e-6).all()  # across the corner itself, and no further into the other leg
    assert found.share.tolist() == [1]
    assert found.longest_m == pytest.approx([2000], rel=1e-6)


def test_sections_reach_no_further_than_told() -> None:
    found = along(AXIS, some(box(-1000, -5000, 2000, 20)), reach_m=200)
    assert found.sections.width_m == pytest.approx(np.full(40, 220))
    assert shapely.length(found.sections.run) == pytest.approx(np.full(40, 220))
    left_to_right = shapely.get_coordinates(found.sections.run[:1])
    assert left_to_right[:, 1].tolist() == pytest.approx([20, -200])


def test_lengths_are_geodesic() -> None:
    far = LineString([(60_000, 20_000), (61_000, 22_000), (60_500, 25_000)])
    found = along(far, some(shapely.buffer(far, 80)))
    assert found.length_m == pytest.approx(PLANE.lengths(some(far)), abs=1e-6)
    assert found.met_m == pytest.approx(found.length_m, abs=1e-5)
    assert found.length_m[0] != pytest.approx(far.length, abs=1e-3)


def test_several_axes_are_as_each_alone() -> None:
    matrix = some(box(-10, -60, 600, 60), box(0, 200, 1000, 290), box(400, 150, 1000, 400))
    axes = some(AXIS, None, LineString([(0, 250), (1000, 260)]), LineString())
    both = corridors(axes, matrix, PLANE)
    alone = [corridors(axes[n : n + 1], matrix, PLANE) for n in range(4)]
    assert both.share == pytest.approx([one.share[0] for one in alone], nan_ok=True)
    assert np.isnan(both.share).tolist() == [False, True, False, True]
    assert np.isnan(both.narrowest_m).tolist() == [False, True, False, True]
    assert both.longest_m == pytest.approx([one.longest_m[0] for one in alone])
    assert both.gaps.from_m == pytest.approx(np.concatenate([one.gaps.from_m for one in alone]), abs=1e-6)
    assert both.gaps.axis.tolist() == [n for n, one in enumerate(alone) for _ in range(len(one.gaps))]


def test_nothing_runs_on_from_one_part_of_an_axis_to_another() -> None:
    found = along(MultiLineString([[(0, 0), (500, 0)], [(520, 0), (1000, 0)]]), some(box(0, -60, 1000, 60)))
    assert found.length_m == pytest.approx([980], rel=1e-6)
    assert found.share.tolist() == [1]
    assert found.longest_m == pytest.approx([500], rel=1e-6)


def test_without_any_green_nothing_meets_the_width() -> None:
    found = along(AXIS, some())
    assert found.share.tolist() == [0]
    assert found.gaps.length_m == pytest.approx([1000], rel=1e-6)
    assert len(corridors(some(), some(), PLANE).sections) == 0


def test_settings_that_cannot_be_met_are_refused() -> None:
    with pytest.raises(ValueError, match="give reach_m=150 or more"):
        along(AXIS, some(), reach_m=120, offset_m=50)
    with pytest.raises(ValueError, match="step_m=0 is no step"):
        along(AXIS, some(), step_m=0)
    with pytest.raises(ValueError, match=r"'rail' hold lines or points: give them a width with bands\(\)"):
        along(AXIS, some(), barriers={"rail": some(AXIS)})
    with pytest.raises(ValueError, match="the axes hold points or polygons"):
        along(box(0, 0, 1, 1), some())


# ------------------------------------------------------------------------------------------------------ any landscape

numbers = st.integers(-300, 300)
boxes = st.lists(
    st.builds(
        lambda x, y, w, h: box(x, y, x + w, y + h),
        st.integers(-100, 900),
        numbers,
        st.integers(20, 700),
        st.integers(20, 400),
    ),
    max_size=6,
)
bends = st.lists(st.integers(-80, 80), min_size=2, max_size=5).map(
    lambda ys: LineString([(0.37 + 251.3 * n, y + 0.19) for n, y in enumerate(ys)])
)
landscapes = settings(max_examples=60, deadline=None)


def share_of(axis: shapely.Geometry, green: list, blocked: list, **options: object) -> float:
    barriers = {"built": some(*blocked)}
    return float(along(axis, some(*green), barriers=barriers, step_m=40, **options).share[0])


@landscapes
@given(bends, boxes, boxes, st.sampled_from([0.0, 30.0]))
def test_more_green_never_lowers_the_share_and_a_barrier_never_raises_it(
    axis: LineString, green: list, blocked: list, offset_m: float
) -> None:
    shares = [share_of(axis, green[:n], [], offset_m=offset_m) for n in range(len(green) + 1)]
    shares += [share_of(axis, green, blocked[:n], offset_m=offset_m) for n in range(len(blocked) + 1)]
    rising, falling = np.diff(shares[: len(green) + 1]), np.diff(shares[len(green) + 1 :])
    assert (rising >= -1e-9).all()
    assert (falling <= 1e-9).all()


@landscapes
@given(bends, boxes, boxes, st.integers(0, 359), numbers)
def test_direction_order_place_and_splits_of_the_axis_change_nothing(
    axis: LineString, green: list, blocked: list, degrees: int, away: int
) -> None:
    share = share_of(axis, green, blocked)
    assert share_of(shapely.reverse(axis), green, blocked) == pytest.approx(share, abs=1e-6)
    assert share_of(axis, green[::-1], blocked[::-1]) == pytest.approx(share, abs=1e-9)
    xy = shapely.get_coordinates(axis)
    split = MultiLineString([xy[n : n + 2] for n in range(len(xy) - 1)])
    assert share_of(split, green, blocked) == pytest.approx(share, abs=1e-6)
    turn = np.radians(degrees)
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])

    def moved(shapes: list) -> list:
        return [shapely.transform(one, lambda at: at @ matrix + away) for one in shapes]

    assert share_of(moved([axis])[0], moved(green), moved(blocked)) == pytest.approx(share, abs=1e-5)


@landscapes
@given(st.integers(200, 900), boxes, boxes)
def test_equal_to_plain_overlays(length: int, green: list, blocked: list) -> None:
    """A straight axis: each cell by itself, its section cut with the union of all green without all that is built."""
    y, cells = 0.19, int(np.ceil(length / 40))
    net = shapely.difference(shapely.union_all(green), shapely.union_all(blocked))
    met = 0.0
    for n in range(cells):
        low, high = length * n / cells + 0.37, length * (n + 1) / cells + 0.37
        middle = Point((low + high) / 2, y)
        section = shapely.intersection(LineString([(middle.x, 600), (middle.x, -600)]), net)
        runs = [run for run in shapely.get_parts(section) if run.distance(middle) < 1e-9]
        if max((run.length for run in runs), default=0) >= 99.99:
            met += shapely.intersection(LineString([(low, y), (high, y)]), net).length
    axis = LineString([(0.37, y), (length + 0.37, y)])
    assert share_of(axis, green, blocked, reach_m=600) == pytest.approx(met / length, abs=1e-6)


# ----------------------------------------------------------------------------------------------------------- erosion


def eroded(matrix: np.ndarray, axis: shapely.Geometry | None = AXIS, **options: object) -> bool:
    return bool(connected_when_eroded(some(axis), matrix, **options)[0])  # type: ignore[arg-type]


def test_a_strip_of_the_width_stays_connected() -> None:
    assert eroded(some(box(0, -50, 1000, 50)))
    assert not eroded(some(box(0, -49.9, 1000, 50)))
    assert eroded(some(box(0, -50, 500, 50), box(500.005, -50, 1000, 50)))
    assert not eroded(some(box(0, -50, 500, 50), box(500.05, -50, 1000, 50)))


def test_a_barrier_parts_it_unless_there_is_a_way_round() -> None:
    road = {"road": bands(some(LineString([(500, -100), (500, 100)])), 4.0)}  # 104 m to either side
    assert not eroded(some(box(0, -100, 1000, 100)), barriers=road)
    assert eroded(some(box(0, -100, 1000, 204)), barriers=road)
    assert not eroded(some(box(0, -100, 1000, 201)), barriers=road)
    assert not eroded(some(box(0, -100, 1000, 204)), barriers=road, reach_m=150)
    at_the_end = {"road": some(box(10, -300, 30, 300))}
    assert not eroded(some(box(0, -100, 1000, 100)), barriers=at_the_end)


def test_a_narrow_place_between_two_sections_is_seen() -> None:
    pinch = {"built": some(Polygon([(511, 60), (513, 60), (512, -30)]))}
    found = along(AXIS, some(box(0, -60, 1000, 60)), barriers=pinch, step_m=100)
    assert found.gaps.barriers == (("built",),)  # the tip lies across the axis
    assert not eroded(some(box(0, -60, 1000, 60)), barriers=pinch)
    aside = {"built": some(Polygon([(511, 60), (513, 60), (512, 5)]))}
    assert along(AXIS, some(box(0, -60, 1000, 60)), barriers=aside, step_m=100).share.tolist() == [1]
    assert not eroded(some(box(0, -60, 1000, 60)), barriers=aside)


def test_ends_away_from_the_green_are_joined_within_the_offset_only() -> None:
    assert not eroded(some(box(20, -60, 980, 60)))
    assert eroded(some(box(20, -60, 980, 60)), offset_m=20)
    assert not eroded(some())
    assert not eroded(some(box(0, -60, 1000, 60)), axis=None)
    assert len(connected_when_eroded(some(), some())) == 0
