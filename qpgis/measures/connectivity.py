"""Connectivity of habitat patches as a graph: IIC, PC, ECA, and what each patch is worth to them.

Patches are nodes, links are edge-to-edge distances. With ``a`` the patches' attribute, by default the area:

- IIC, integral index of connectivity (Pascual-Hortal & Saura 2006): sum of ``a_i a_j / (1 + nl_ij)`` over all ordered
  pairs, ``nl`` the number of links on the way with fewest; patches at most ``distance_m`` apart are linked.
- PC, probability of connectivity (Saura & Pascual-Hortal 2007): sum of ``a_i a_j p*_ij``, ``p*`` the greatest product
  of probabilities over all ways; of one link it is ``p = exp(-k d)``, with ``p = probability`` at ``distance_m``.
- ECA, equivalent connected area (Saura et al. 2011): the square root of such a sum, the area of one patch that is worth
  as much.
- Importance: what the sum loses with a patch, in percent (dIIC, dPC). It is intra (``a_k^2``), flux (pairs in which the
  patch is an end) and connector (other pairs, whose way gets worse): Saura & Rubio 2010.

What a patch connects is exact, from replacement ways: from each source, only the patches that hang on the removed one
(its descendants in the tree of dominators) are searched again, from those that don't. Small graphs run as plain Python,
large ones compiled by numba from the same source.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, cached_property, partial
from heapq import heappop, heappush
from math import exp
from os import cpu_count
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from qpgis.crs import Floats, Geometries
from qpgis.errors import LayerError
from qpgis.measures.coverage import GRID_M, TOLERANCE_M, mean_width
from qpgis.remembered import NEW, Shapes, nearly

Ints = NDArray[np.int64]
Pairs = tuple[Ints, Ints, Floats]
"""Two patches each, the earlier one first, in order, and how far apart they are."""
Loops = Callable[..., Any]
PROBABILITY = 0.5
"""How likely a link of ``distance_m`` is; 0.5 makes that the median dispersal distance."""
NEGLIGIBLE = 1e-6
"""Less likely links, and products of links, count as 0."""
NO_PATCH = -1
"""The component of what is missing or empty."""
SMALL = 50_000
"""Up to so many patches times links numba takes longer to start than Python to finish."""
A_LITTLE_MORE = 1 + 1e-9
"""Patches are looked for this much further, so that it is the distance itself that decides."""
AT_ONCE = 64
"""Sources whose sums are added up by one thread; the order of adding depends on nothing else."""


@dataclass(frozen=True)
class Index:
    """A sum over all ordered pairs of patches, and what it loses with each of them.

    Attributes
    ----------
    numerator : float
        Of IIC or PC, in the square of the attribute's unit (m4).
    intra, flux, connector : float arrays, one a patch
        What is lost with the patch: its own square, pairs of which it is an end, pairs that it connects. In the same
        unit; NaN for no patch.
    """

    numerator: float
    intra: Floats
    flux: Floats
    connector: Floats

    def of_landscape(self, landscape: float) -> float:
        """The index itself, 0 to 1: the numerator by the square of the landscape's area (or greatest attribute)."""
        return self.numerator / landscape**2

    @property
    def equivalent(self) -> float:
        """Equivalent connected area, ECA: the one patch that is worth as much (m2)."""
        return float(np.sqrt(self.numerator))

    @property
    def importance(self) -> Floats:
        """Of each patch in percent: dIIC or dPC."""
        return self.percent(self.intra + self.flux + self.connector)

    def percent(self, part: Floats) -> Floats:
        """What patches lose in percent of the whole: of ``intra`` it makes dPCintra, and so on."""
        return np.divide(100 * part, self.numerator, out=np.full(len(part), np.nan), where=self.numerator > 0)


class Connectivity:
    """What patches are worth to each other, each index worked out when it is asked for.

    Attributes
    ----------
    component : int array, one a patch
        Which patches are connected by links of at most ``distance_m``, counted from 0 by the first of them;
        :data:`NO_PATCH` for what is missing or empty.
    """

    def __init__(self, patches: _Patches, steps: _Graph, ways: _Graph, limit: float, connectors: bool) -> None:
        self._patches, self._steps, self._ways = patches, steps, ways
        self._limit, self._connectors = limit, connectors
        self.component = np.full(patches.count, NO_PATCH)
        self.component[patches.rows] = steps.components()

    @cached_property
    def iic(self) -> Index:
        """By links, each as good as the other."""
        return self._patches.over_all(_index(self._steps, self._patches.worth, np.inf, True, self._connectors))

    @cached_property
    def pc(self) -> Index:
        """By the probability of the ways."""
        ways = self._ways.without_needless()
        return self._patches.over_all(_index(ways, self._patches.worth, self._limit, False, self._connectors))


@dataclass(frozen=True)
class _Patches:
    """Which rows of so many are patches, and what these are worth."""

    rows: Ints
    worth: Floats
    count: int

    def over_all(self, index: Index) -> Index:
        """An index with NaN for what is no patch."""

        def spread(values: Floats) -> Floats:
            wide = np.full(self.count, np.nan)
            wide[self.rows] = values
            return wide

        return Index(index.numerator, *(spread(part) for part in (index.intra, index.flux, index.connector)))


def patch_connectivity(
    patches: Geometries,
    *,
    distance_m: float,
    probability: float = PROBABILITY,
    attribute: Floats | None = None,
    link_within_m: float | None = None,
    negligible: float = NEGLIGIBLE,
    connectors: bool = True,
    find_pairs: Callable[[Geometries, float], Pairs] | None = None,
) -> Connectivity:
    """IIC, PC and the importance of patches in one equal-area plane.

    Parameters
    ----------
    patches : array of valid polygons
        A patch each, of one part or several. Touching ones are linked at distance 0; see
        :func:`qpgis.dissolving.dissolved`. Missing and empty ones are no patch.
    distance_m : float
        How far apart, from edge to edge in the plane, linked patches may be for IIC; the distance at which a link
        has the given probability for PC.
    probability : float
        Of a link of ``distance_m``, between 0 and 1.
    attribute : float array, optional
        What a patch is worth, not negative; by default its area in m2.
    link_within_m : float, optional
        Patches that are further apart have no link for PC, only ways over others. By default the distance at which a
        link gets negligible: 20 times ``distance_m`` with the other defaults. ``distance_m`` itself gives both
        indices the same links, and takes a fraction of the time.
    negligible : float
        Less likely links and ways count as 0. The numerator of PC is then too low, and what it loses with a patch is
        off, by at most this times the square of the summed attributes.
    connectors : bool
        Whether to work out what patches connect, which takes most of the time; without, it is NaN.
    find_pairs : callable, optional
        Gives what :func:`distances` gives, such as :meth:`Distances.of`, which remembers them.

    Raises
    ------
    ValueError
        If a setting is out of its range.
    LayerError
        If patches overlap, as their area would count twice, or the attribute isn't a number from 0.
    """
    if not (distance_m > 0 and 0 < probability < 1 and 0 < negligible < 1):
        told = f"distance_m={distance_m}, probability={probability}, negligible={negligible}"
        raise ValueError(f"{told}: the distance must be positive, the others between 0 and 1")
    there = np.flatnonzero(~shapely.is_missing(patches) & ~shapely.is_empty(patches))
    shapes = patches[there]
    worth = shapely.area(shapes) if attribute is None else np.asarray(attribute, dtype=np.float64)[there]
    if not (np.isfinite(worth) & (worth >= 0)).all():
        wrong = there[~(np.isfinite(worth) & (worth >= 0))][:5].tolist()
        raise LayerError(f"patches {wrong} have no attribute that is a number from 0: leave them out, or give them one")
    decay = -np.log(probability) / distance_m
    limit = -np.log(negligible)
    reach = limit / decay if link_within_m is None else link_within_m
    one, other, apart = (find_pairs or distances)(shapes, max(reach, distance_m))
    _refuse_overlaps(shapes, there, one[apart == 0], other[apart == 0])
    near, likely = apart <= distance_m, (apart <= reach) & (apart * decay <= limit)
    steps = _Graph.of(len(shapes), one[near], other[near], np.ones(near.sum()))
    ways = _Graph.of(len(shapes), one[likely], other[likely], apart[likely] * decay)
    return Connectivity(_Patches(there, worth, len(patches)), steps, ways, limit, connectors)


def distances(patches: Geometries, within_m: float) -> Pairs:
    """Pairs of patches that are so near, the earlier one first, and how far apart their edges are in the plane."""
    return _in_order(_near(patches, np.arange(len(patches)), within_m))


class Distances:
    """Finds the :func:`distances` of patches, and remembers them: of nearly the same patches only new ones are held."""

    def __init__(self) -> None:
        self._known: dict[float, list[tuple[Shapes, Pairs]]] = {}

    def of(self, patches: Geometries, within_m: float) -> Pairs:
        """Pairs of patches that are so near, and how far apart they are."""
        known = self._known.setdefault(within_m, [])
        alike = nearly(patches, [shapes for shapes, _ in known])
        if alike is not None:
            shapes, pairs = known[alike[0]]
            still = _still(pairs, len(shapes), patches, alike[1])
            return _in_order(still, _near(patches, np.flatnonzero(alike[1] == NEW), within_m))
        found = distances(patches, within_m)
        known.append((Shapes(patches), found))
        return found


def _near(patches: Geometries, some: Ints, within_m: float) -> Pairs:
    """Each pair of one of some patches and any other that are so near."""
    one, other = shapely.STRtree(patches).query(patches[some], predicate="dwithin", distance=within_m * A_LITTLE_MORE)
    one = some[one]
    among = np.zeros(len(patches), dtype=bool)
    among[some] = True
    once = (one < other) | ~among[other]
    low, high = np.minimum(one, other)[once], np.maximum(one, other)[once]
    apart = shapely.distance(patches[low], patches[high])
    near = apart <= within_m
    return low[near], high[near], apart[near]


def _still(pairs: Pairs, count: int, patches: Geometries, at: Ints) -> Pairs:
    """Those of the pairs of so many known patches that are there, told where each stood among the known ones."""
    there = at != NEW
    place = np.full(count, NEW)
    place[at[there]] = np.flatnonzero(there)
    one, other = place[pairs[0]], place[pairs[1]]
    kept = (one != NEW) & (other != NEW)
    low, high, apart = np.minimum(one, other)[kept], np.maximum(one, other)[kept], pairs[2][kept]
    turned = (one > other)[kept]  # the other way round the last digit may differ
    apart[turned] = shapely.distance(patches[low[turned]], patches[high[turned]])
    return low, high, apart


def _in_order(*found: Pairs) -> Pairs:
    """All pairs by their patches."""
    one, other, apart = map(np.concatenate, zip(*found, strict=True))
    order = np.lexsort((other, one))
    return one[order], other[order], apart[order]


def _refuse_overlaps(patches: Geometries, rows: Ints, one: Ints, other: Ints) -> None:
    """Say which of some pairs that meet have ground in common."""
    common = shapely.intersection(patches[one], patches[other], grid_size=GRID_M)
    over = np.flatnonzero(mean_width(common) > TOLERANCE_M)
    if len(over):
        pairs = ", ".join(f"{rows[one[n]]} and {rows[other[n]]}" for n in over[:5])
        raise LayerError(
            f"{len(over)} pairs of patches overlap ({pairs}{', ...' if len(over) > 5 else ''}), "
            "so their area would count twice: dissolve them to patches first"
        )


# ------------------------------------------------------------------------------------------------------------- graphs


@dataclass(frozen=True)
class _Graph:
    """An undirected graph in compressed rows: the links of node ``n`` stand from ``start[n]`` to ``start[n + 1]``."""

    start: Ints
    end: Ints
    length: Floats

    @classmethod
    def of(cls, nodes: int, one: Ints, other: Ints, length: Floats) -> _Graph:
        """From links, each given once."""
        begin, end = np.append(one, other), np.append(other, one)
        order = np.lexsort((end, begin))
        start = np.searchsorted(begin[order], np.arange(nodes + 1))
        return cls(start.astype(np.int64), end[order].astype(np.int64), np.append(length, length)[order])

    def __len__(self) -> int:
        return len(self.start) - 1

    @property
    def begin(self) -> Ints:
        """The node in whose row each link stands."""
        return np.repeat(np.arange(len(self)), np.diff(self.start))

    def components(self) -> Ints:
        """Which nodes are connected, counted from 0 by the first of them."""
        from scipy.sparse import csr_array
        from scipy.sparse.csgraph import connected_components

        matrix = csr_array((np.ones(len(self.end)), self.end, self.start), shape=(len(self), len(self)))
        _, label = connected_components(matrix, directed=False)
        _, first, number = np.unique(label, return_index=True, return_inverse=True)
        return np.argsort(np.argsort(first))[number]

    def without_needless(self) -> _Graph:
        """The graph without links that no shortest way takes, whichever node is removed."""
        needed = self.loops(_needed)(*self.rows)
        once = needed & (self.begin < self.end)
        return _Graph.of(len(self), self.begin[once], self.end[once], self.length[once])

    @property
    def rows(self) -> tuple[Ints, Ints, Floats]:
        """Its three arrays, for loops."""
        return self.start, self.end, self.length

    def loops(self, loops: Loops) -> Loops:
        """Loops as they are for a small graph, compiled for a large one."""
        return loops if len(self) * len(self.end) <= SMALL else _compiled(loops)


@cache
def _compiled(loops: Loops) -> Loops:
    import numba

    try:
        return numba.njit(cache=True, nogil=True)(loops)
    except RuntimeError:  # nowhere to keep what is compiled
        return numba.njit(nogil=True)(loops)


def _index(graph: _Graph, worth: Floats, limit: float, hops: bool, connectors: bool) -> Index:
    """The sum over pairs of the product of their worth, weighted by the length of the shortest way, and its losses."""
    loops = tuple(graph.loops(each) for each in (_shortest, _hanging, _losses))
    sums = partial(_sums, loops, graph, worth, limit, hops, connectors)
    with ThreadPoolExecutor(cpu_count()) as pool:
        found = list(pool.map(sums, range(0, len(graph), AT_ONCE)))
    met = np.concatenate([np.empty(0), *(met for met, _ in found)])
    lost = np.sum([np.zeros(len(graph)), *(lost for _, lost in found)], axis=0)
    connector = lost if connectors else np.full(len(graph), np.nan)
    return Index(float((worth * met).sum()), worth**2, 2 * worth * (met - worth), connector)


def _sums(
    loops: tuple[Loops, ...], graph: _Graph, worth: Floats, limit: float, hops: bool, connectors: bool, begin: int
) -> tuple[Floats, Floats]:
    """What each of some sources meets, and what they lose of it with each node in between."""
    shortest, hanging, losses = loops
    sources = range(begin, min(begin + AT_ONCE, len(graph)))
    met, lost = np.zeros(len(sources)), np.zeros(len(graph))
    for source in sources:
        distance, order, dominator = shortest(source, *graph.rows, limit, connectors)
        values = 1 / (1 + distance) if hops else np.exp(-distance)
        met[source - begin] = (worth * values).sum()
        if connectors and len(order) > 2:
            at, size, *links = hanging(order, dominator, *graph.rows)
            lost[at] += worth[source] * losses(size, distance[at], worth[at], *links, limit, hops)
    return met, lost


# ------------------------------------------------------------------------------------ loops, compiled for large graphs


def _needed(start: Ints, end: Ints, length: Floats) -> NDArray[np.bool_]:
    """Which links aren't outdone by two ways over one node, both strictly shorter: no removal takes away both."""
    needed = np.ones(len(end), dtype=np.bool_)
    to = np.full(len(start) - 1, np.inf)
    for i in range(len(start) - 1):
        for e in range(start[i], start[i + 1]):
            to[end[e]] = length[e]
        for e in range(start[i], start[i + 1]):
            shorter = 0
            for f in range(start[end[e]], start[end[e] + 1]):
                if to[end[f]] + length[f] < length[e]:
                    shorter += 1
                    if shorter == 2:
                        needed[e] = False
                        break
        for e in range(start[i], start[i + 1]):
            to[end[e]] = np.inf
    return needed


def _shortest(
    source: int, start: Ints, end: Ints, length: Floats, limit: float, dominated: bool
) -> tuple[Floats, Ints, Ints]:
    """Distances from a source (Dijkstra 1959), nodes in their order, and of each the last node on all shortest ways.

    That dominator is where the ways over all predecessors meet (Cooper, Harvey & Kennedy 2001).
    """
    nodes = len(start) - 1
    distance, rank = np.full(nodes, np.inf), np.full(nodes, nodes)
    order, dominator = np.empty(nodes, dtype=np.int64), np.full(nodes, -1)
    count = 0
    distance[source] = 0.0
    heap = [(0.0, source)]
    while len(heap) > 0:
        far, node = heappop(heap)
        if rank[node] < nodes:
            continue
        rank[node] = count
        order[count] = node
        count += 1
        for e in range(start[node], start[node + 1]):
            through = far + length[e]
            if through < distance[end[e]] and through <= limit:
                distance[end[e]] = through
                heappush(heap, (through, end[e]))
    order = order[:count]
    for node in order[1:] if dominated else order[:0]:
        for e in range(start[node], start[node + 1]):
            before = end[e]
            if rank[before] < rank[node] and distance[before] + length[e] == distance[node]:
                meeting = dominator[node] if dominator[node] >= 0 else before
                while meeting != before:
                    if rank[meeting] > rank[before]:
                        meeting = dominator[meeting]
                    else:
                        before = dominator[before]
                dominator[node] = meeting
    return distance, order, dominator


def _hanging(
    order: Ints, dominator: Ints, start: Ints, end: Ints, length: Floats
) -> tuple[Ints, Ints, Ints, Ints, Floats]:
    """Reached nodes so placed that what hangs on a node follows it, how many with itself, and links of places."""
    nodes, places = len(start) - 1, len(order)
    hanging, following, place = np.ones(nodes, dtype=np.int64), np.ones(nodes, dtype=np.int64), np.full(nodes, -1)
    for node in order[:0:-1]:
        hanging[dominator[node]] += hanging[node]
    at = np.empty(places, dtype=np.int64)
    place[order[0]], at[0] = 0, order[0]
    for node in order[1:]:
        place[node] = following[dominator[node]]
        following[dominator[node]] += hanging[node]
        following[node] = place[node] + 1
        at[place[node]] = node
    begin, count = np.zeros(places + 1, dtype=np.int64), 0
    to, step = np.empty(len(end), dtype=np.int64), np.empty(len(end))
    for here in range(places):
        for e in range(start[at[here]], start[at[here] + 1]):
            if place[end[e]] >= 0:
                to[count], step[count] = place[end[e]], length[e]
                count += 1
        begin[here + 1] = count
    return at, hanging[at], begin, to, step


def _losses(
    size: Ints, away: Floats, worth: Floats, begin: Ints, to: Ints, step: Floats, limit: float, hops: bool
) -> Floats:
    """What the source at the first place no longer meets when each other place is removed; what hangs on it detours.

    Detours start from what doesn't hang on the removed place, and are corrected until none gets shorter.
    """
    lost = np.zeros(len(size))
    detour, waits = np.empty(len(size)), np.zeros(len(size), dtype=np.bool_)
    queue, later = np.empty(len(size), dtype=np.int64), np.empty(len(size), dtype=np.int64)
    for removed in range(1, len(size)):
        last = removed + size[removed]
        for here in range(removed + 1, last):
            best = np.inf
            for e in range(begin[here], begin[here + 1]):
                there = to[e]
                if there < removed or there >= last:
                    best = min(best, away[there] + step[e])
                elif removed < there < here:
                    best = min(best, detour[there] + step[e])
            detour[here] = best
            queue[here - removed - 1] = here
        waiting = last - removed - 1
        while waiting > 0:
            more = 0
            for n in range(waiting):
                here = queue[n]
                waits[here] = False
                for e in range(begin[here], begin[here + 1]):
                    there, through = to[e], detour[here] + step[e]
                    if removed < there < last and through < detour[there]:
                        detour[there] = through
                        if not waits[there]:
                            waits[there] = True
                            later[more] = there
                            more += 1
            queue, later, waiting = later, queue, more
        for here in range(removed + 1, last):
            was = 1 / (1 + away[here]) if hops else exp(-away[here])
            now = 1 / (1 + detour[here]) if hops else exp(-detour[here])
            lost[removed] += worth[here] * (was - (now if detour[here] <= limit else 0.0))
    return lost
