"""Connectivity of patches: closed forms, and a brute force over networkx that removes every patch in turn."""

from __future__ import annotations

import sys

import networkx as nx
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import Point, Polygon, box

from qpgis.dissolving import dissolved
from qpgis.errors import LayerError
from qpgis.measures.connectivity import NO_PATCH, Connectivity, Index, patch_connectivity

kernel = sys.modules["qpgis.measures.connectivity"]


def row(count: int, *, side: float = 10.0, gap: float = 10.0) -> np.ndarray:
    """Squares in a row."""
    return np.array([box(n * (side + gap), 0, n * (side + gap) + side, side) for n in range(count)], dtype=object)


# -------------------------------------------------------------------------------------------------------- closed forms


def test_two_equal_patches() -> None:
    found = patch_connectivity(row(2, gap=5), distance_m=10)  # a = 100 m2, p = 0.5 ** (5 / 10)
    p = 0.5**0.5
    assert found.iic.numerator == pytest.approx(2 * 100**2 * (1 + 1 / 2))
    assert found.pc.numerator == pytest.approx(2 * 100**2 * (1 + p))
    assert found.pc.equivalent == pytest.approx(100 * np.sqrt(2 + 2 * p))
    assert found.pc.of_landscape(1000) == pytest.approx(0.02 * (1 + p))
    assert found.iic.of_landscape(1000) == pytest.approx(0.03)
    assert found.pc.intra == pytest.approx([100**2] * 2)
    assert found.pc.flux == pytest.approx([2 * 100**2 * p] * 2)
    assert found.pc.connector.tolist() == [0, 0]
    assert found.pc.importance == pytest.approx([100 * (1 + 2 * p) / (2 + 2 * p)] * 2)
    assert found.iic.importance == pytest.approx([100 * 2 / 3] * 2)
    assert found.component.tolist() == [0, 0]


@pytest.mark.parametrize("count", [1, 2, 7])
def test_isolated_patches(count: int) -> None:
    found = patch_connectivity(row(count, gap=100_000), distance_m=10)
    for index in (found.iic, found.pc):
        assert index.numerator == pytest.approx(count * 100**2)
        assert index.equivalent == pytest.approx(100 * np.sqrt(count))
        assert index.importance == pytest.approx([100 / count] * count)
        assert index.flux.tolist() == index.connector.tolist() == [0] * count
    assert found.component.tolist() == list(range(count))


def test_complete_graph() -> None:
    four = np.array([box(x, y, x + 10, y + 10) for x in (0, 10) for y in (0, 10)], dtype=object)  # one common corner
    found = patch_connectivity(four, distance_m=10)
    assert found.iic.numerator == pytest.approx(100**2 * (4 + 12 / 2))
    assert found.pc.numerator == pytest.approx(400**2)
    assert found.pc.equivalent == pytest.approx(400)  # as one patch
    assert found.iic.importance == pytest.approx([100 * (1 + 6 / 2) / 10] * 4)
    assert found.pc.importance == pytest.approx([100 * (1 - 9 / 16)] * 4)
    assert found.pc.connector == pytest.approx([0] * 4)


def chain(count: int, p: float) -> float:
    """Over a chain of patches that are worth 1, each the same step from the next: the sum of p to the steps."""
    return sum(p ** abs(i - j) for i in range(count) for j in range(count))


def hops(count: int) -> float:
    return sum(1 / (1 + abs(i - j)) for i in range(count) for j in range(count))


@pytest.mark.parametrize("count", [3, 8, 60])
def test_chain(count: int) -> None:
    found = patch_connectivity(row(count), distance_m=10, link_within_m=10, negligible=1e-30)
    assert found.iic.numerator == pytest.approx(100**2 * hops(count))
    assert found.pc.numerator == pytest.approx(100**2 * chain(count, 0.5))
    parted = [(k, count - 1 - k) for k in range(count)]
    without = [hops(left) + hops(right) for left, right in parted]
    assert found.iic.importance == pytest.approx([100 * (1 - w / hops(count)) for w in without])
    without = [chain(left, 0.5) + chain(right, 0.5) for left, right in parted]
    assert found.pc.importance == pytest.approx([100 * (1 - w / chain(count, 0.5)) for w in without])
    across = [2 * 100**2 * sum(0.5 ** (i + j) for i in range(1, a + 1) for j in range(1, b + 1)) for a, b in parted]
    assert found.pc.connector == pytest.approx(across)


def test_a_stepping_stone_by_hand() -> None:
    """Stones of 10 m, 10 m apart, p = 0.8 at 10 m: over the middle 0.8 x 0.8, past it (30 m) 0.8 ** 3."""
    found = patch_connectivity(row(3), distance_m=10, probability=0.8)
    assert found.pc.numerator == pytest.approx(100**2 * (3 + 4 * 0.8 + 2 * 0.64))
    assert found.pc.connector == pytest.approx([0, 2 * 100**2 * (0.64 - 0.512), 0])
    assert found.pc.flux == pytest.approx([2 * 100**2 * (0.8 + 0.64), 2 * 100**2 * 1.6, 2 * 100**2 * (0.8 + 0.64)])
    assert found.pc.percent(found.pc.connector)[1] == pytest.approx(100 * 0.256 / (3 + 3.2 + 1.28))
    assert found.iic.connector == pytest.approx([0, 2 * 100**2 / 3, 0])


def test_a_ring_has_a_way_round() -> None:
    """Five patches in a ring of five steps: without one of them its neighbours are three steps apart, not two."""
    turn = 2 * np.pi * np.arange(5) / 5
    ring = np.array([Point(100 * np.cos(t), 100 * np.sin(t)).buffer(1, quad_segs=64) for t in turn], dtype=object)
    found = patch_connectivity(ring, distance_m=120, link_within_m=120, attribute=np.ones(5))
    assert found.iic.numerator == pytest.approx(5 * (1 + 2 / 2 + 2 / 3))
    assert found.iic.connector == pytest.approx([2 * (1 / 3 - 1 / 4)] * 5)


def test_another_attribute_and_probability() -> None:
    found = patch_connectivity(row(2), distance_m=40, probability=0.05, attribute=np.array([3.0, 0.0]))
    assert found.pc.numerator == found.iic.numerator == 9
    assert found.pc.importance == pytest.approx([100, 0])
    found = patch_connectivity(row(2), distance_m=40, probability=0.05, attribute=np.array([3.0, 1.0]))
    assert found.pc.numerator == pytest.approx(10 + 6 * 0.05**0.25)


def test_a_link_of_exactly_the_distance_counts() -> None:
    assert patch_connectivity(row(2), distance_m=10).component.tolist() == [0, 0]
    assert patch_connectivity(row(2), distance_m=9.999).component.tolist() == [0, 1]


def test_beyond_the_cut_there_are_only_ways_over_others() -> None:
    near = patch_connectivity(row(3), distance_m=10, link_within_m=10)
    far = patch_connectivity(row(3), distance_m=10)
    assert near.pc.numerator == pytest.approx(far.pc.numerator)  # the way over the middle is the better one anyhow
    assert near.pc.connector[1] > far.pc.connector[1] > 0
    assert patch_connectivity(row(2), distance_m=9, link_within_m=9).pc.flux.tolist() == [0, 0]


def test_parts_of_a_patch_are_one() -> None:
    split = shapely.multipolygons([box(0, 0, 10, 10), box(1000, 0, 1010, 10)])
    found = patch_connectivity(np.array([split, box(1020, 0, 1030, 10)], dtype=object), distance_m=10)
    assert found.pc.numerator == pytest.approx(200**2 + 100**2 + 2 * 200 * 100 * 0.5)


# ---------------------------------------------------------------------------------------------------------- brute force


def brute(patches: np.ndarray, distance_m: float, link_within_m: float) -> tuple[dict, dict]:
    """Numerators of IIC and PC, and without each patch, by the formulas: all ways between all pairs, all distances."""
    area = [patch.area for patch in patches]
    stepping, walking = nx.Graph(), nx.Graph()
    stepping.add_nodes_from(range(len(patches)))
    walking.add_nodes_from(range(len(patches)))
    for i in range(len(patches)):
        for j in range(i):
            apart = patches[i].distance(patches[j])
            if apart <= distance_m:
                stepping.add_edge(i, j)
            if apart <= link_within_m:
                walking.add_edge(i, j, loss=-np.log(0.5) * apart / distance_m)

    def iic(graph: nx.Graph) -> float:
        ways = dict(nx.all_pairs_shortest_path_length(graph))
        return sum(area[i] * area[j] / (1 + links) for i in ways for j, links in ways[i].items())

    def pc(graph: nx.Graph) -> float:
        ways = dict(nx.all_pairs_dijkstra_path_length(graph, weight="loss"))
        return sum(area[i] * area[j] * np.exp(-loss) for i in ways for j, loss in ways[i].items())

    def with_and_without(index: object, graph: nx.Graph) -> dict:
        less = [index(graph.subgraph(set(graph) - {k})) for k in graph]  # type: ignore[operator]
        return {"whole": index(graph), "without": less}  # type: ignore[operator]

    return with_and_without(iic, stepping), with_and_without(pc, walking)


def same(found: Index, expected: dict) -> None:
    whole = expected["whole"]
    assert found.numerator == pytest.approx(whole)
    lost = found.intra + found.flux + found.connector
    assert lost == pytest.approx([whole - less for less in expected["without"]], rel=1e-9, abs=1e-9 * whole)
    assert (found.connector >= 0).all()


cells = st.tuples(st.integers(0, 7), st.integers(0, 7))
sides = st.integers(1, 10)


@st.composite
def landscapes(draw: st.DrawFn, most: int = 9) -> np.ndarray:
    """Boxes that may touch but don't overlap: one in a corner of some cells of a lattice of 10 m."""
    return np.array(
        [
            box(10 * x, 10 * y, 10 * x + draw(sides), 10 * y + draw(sides))
            for x, y in draw(st.lists(cells, min_size=1, max_size=most, unique=True))
        ],
        dtype=object,
    )


@settings(max_examples=80, deadline=None)
@given(landscapes(), st.sampled_from([3.3, 12.3, 27.7]), st.sampled_from([1.0, 2.5, 100.0]))
def test_equal_to_brute_force(patches: np.ndarray, distance_m: float, times: float) -> None:
    iic, pc = brute(patches, distance_m, times * distance_m)
    found = patch_connectivity(patches, distance_m=distance_m, link_within_m=times * distance_m, negligible=1e-30)
    same(found.iic, iic)
    same(found.pc, pc)


@settings(max_examples=50, deadline=None)
@given(landscapes(), st.sampled_from([0.5, 0.1, 1e-3]))
def test_what_is_negligible_stays_below_its_bound(patches: np.ndarray, negligible: float) -> None:
    _, pc = brute(patches, 5.3, 1e9)
    found = patch_connectivity(patches, distance_m=5.3, negligible=negligible).pc
    bound = negligible * shapely.area(patches).sum() ** 2
    assert found.numerator <= pc["whole"] * (1 + 1e-12)
    assert pc["whole"] - found.numerator <= bound
    lost = found.intra + found.flux + found.connector
    assert (np.abs(lost - (pc["whole"] - np.array(pc["without"]))) <= bound).all()


@settings(max_examples=30, deadline=None)
@given(landscapes(), st.randoms())
def test_neither_order_nor_place_matters(patches: np.ndarray, chance: object) -> None:
    order = np.arange(len(patches))
    chance.shuffle(order)  # type: ignore[attr-defined]
    here = patch_connectivity(patches, distance_m=12.3)
    there = patch_connectivity(shapely.transform(patches[order], lambda xy: xy + 4096), distance_m=12.3)
    for one, other in ((here.iic, there.iic), (here.pc, there.pc)):
        assert one.numerator == pytest.approx(other.numerator)
        assert one.importance[order] == pytest.approx(other.importance)
    assert len(set(zip(here.component[order], there.component, strict=True))) == len(set(here.component))


@settings(max_examples=30, deadline=None)
@given(landscapes(), st.floats(1, 30), st.floats(1, 2))
def test_more_reach_and_more_patches_never_connect_less(patches: np.ndarray, distance_m: float, times: float) -> None:
    def sums(some: np.ndarray, reach: float) -> np.ndarray:
        found = patch_connectivity(some, distance_m=reach, connectors=False)
        return np.array([found.iic.numerator, found.pc.numerator])

    here = sums(patches, distance_m)
    assert (sums(patches, distance_m * times) >= here * (1 - 1e-12)).all()
    assert (sums(patches[1:], distance_m) <= here * (1 + 1e-12)).all()
    total = shapely.area(patches).sum() ** 2
    assert (here <= total * (1 + 1e-12)).all()
    assert (here >= (shapely.area(patches) ** 2).sum() * (1 - 1e-12)).all()


def scattered(count: int) -> np.ndarray:
    chance = np.random.default_rng(5)
    cell = chance.permutation(40 * 40)[:count]
    x, y = 100.0 * (cell % 40), 100.0 * (cell // 40)
    return shapely.box(x, y, x + chance.uniform(5, 95, count), y + chance.uniform(5, 95, count))


def test_many_patches_equal_to_brute_force() -> None:
    patches = scattered(70)
    iic, pc = brute(patches, 300, 500)
    found = patch_connectivity(patches, distance_m=300, link_within_m=500, negligible=1e-30)
    same(found.iic, iic)
    same(found.pc, pc)


def test_compiled_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("numba")

    def values(found: Connectivity) -> list:
        return [part for i in (found.iic, found.pc) for part in (i.numerator, i.flux, i.connector)]

    patches = scattered(150)
    monkeypatch.setattr(kernel, "SMALL", 10**9)
    plain = patch_connectivity(patches, distance_m=300, link_within_m=1000)
    monkeypatch.setattr(kernel, "SMALL", -1)
    compiled = patch_connectivity(patches, distance_m=300, link_within_m=1000)
    for one, other in zip(values(plain), values(compiled), strict=True):
        assert one == pytest.approx(other, rel=1e-12, abs=1e-6)


# ------------------------------------------------------------------------------------------------------------- refusals


def test_overlaps_are_refused_and_touching_is_none() -> None:
    over = np.array([box(0, 0, 10, 10), None, box(9, 0, 19, 10)], dtype=object)
    with pytest.raises(LayerError, match=r"1 pairs of patches overlap \(0 and 2\).*dissolve"):
        patch_connectivity(over, distance_m=10)
    with pytest.raises(LayerError, match="0 and 1"):
        patch_connectivity(np.repeat(row(1), 2), distance_m=10)
    inside = np.array([box(0, 0, 10, 10), box(4, 4, 5, 5)], dtype=object)
    with pytest.raises(LayerError, match="overlap"):
        patch_connectivity(inside, distance_m=10)
    ring = box(0, 0, 10, 10) - box(4, 4, 5, 5)
    touching = np.array([ring, box(4, 4, 5, 5), box(10, 0, 20, 10), box(20, 10, 30, 20)], dtype=object)
    assert patch_connectivity(touching, distance_m=10).pc.equivalent == pytest.approx(99 + 1 + 100 + 100)


def test_strays_of_projecting_are_no_overlap() -> None:
    assert patch_connectivity(np.array([box(0, 0, 10, 10), box(9.99998, 0, 20, 10)], dtype=object), distance_m=10)


def test_dissolved() -> None:
    pieces = np.array(
        [box(0, 0, 10, 10), box(5, 0, 15, 10), box(15, 0, 20, 10), None, Polygon(), box(20, 10, 30, 20)], dtype=object
    )
    patches = dissolved(pieces)
    assert sorted(shapely.area(patches)) == pytest.approx([100, 200])
    assert (shapely.to_wkb(dissolved(pieces[::-1])) == shapely.to_wkb(patches)).all()
    assert patch_connectivity(patches, distance_m=10).pc.equivalent == pytest.approx(300)
    assert len(dissolved(np.array([None, Polygon()], dtype=object))) == 0


def test_missing_and_empty_are_no_patch() -> None:
    some = np.array([None, box(0, 0, 10, 10), Polygon(), box(20, 0, 30, 10)], dtype=object)
    found = patch_connectivity(some, distance_m=10, attribute=np.array([np.nan, 1, np.nan, 1]))
    assert found.pc.numerator == pytest.approx(3)
    assert np.isnan(found.pc.importance).tolist() == [True, False, True, False]
    assert found.component.tolist() == [NO_PATCH, 0, NO_PATCH, 0]


@pytest.mark.parametrize("some", [[], [None], [Polygon()]])
def test_nothing_is_worth_nothing(some: list) -> None:
    found = patch_connectivity(np.array(some, dtype=object), distance_m=10)
    assert found.pc.numerator == found.iic.numerator == found.pc.equivalent == 0
    assert np.isnan(found.pc.importance).tolist() == [True] * len(some)


@pytest.mark.parametrize("wrong", [[1, np.nan], [1, -1], [np.inf, 1]])
def test_attributes_are_numbers(wrong: list) -> None:
    with pytest.raises(LayerError, match="attribute"):
        patch_connectivity(row(2), distance_m=10, attribute=np.array(wrong, dtype=float))


@pytest.mark.parametrize("wrong", [{"distance_m": 0}, {"probability": 1}, {"probability": 0}, {"negligible": 0}])
def test_settings_in_their_range(wrong: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        patch_connectivity(row(2), **{"distance_m": 10, **wrong})


def test_without_connectors() -> None:
    found = patch_connectivity(row(3), distance_m=10, connectors=False)
    whole = patch_connectivity(row(3), distance_m=10)
    assert found.pc.numerator == whole.pc.numerator
    assert found.pc.flux.tolist() == whole.pc.flux.tolist()
    assert np.isnan(found.pc.connector).all()
