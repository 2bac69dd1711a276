"""The fewest, or cheapest, candidates that reach goals: as a whole-number programme, greedily, or by trying sets.

Nothing here knows of maps. Amounts and costs are whole numbers; candidates are numbered in the order in which ties are
broken.
"""

from __future__ import annotations

import heapq
import math
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property, partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.optimize import OptimizeResult
    from scipy.sparse import csr_array

Ints = NDArray[np.int64]
Chosen = tuple[int, ...]
SECONDS = 60.0
"""So long the solver looks for the best set."""
TRIES = 256
"""So many sets are tried where nothing but trying them tells what they reach."""
CUTS = 100
"""So often a set that misses a goal by less than the solver's tolerance is ruled out."""
TOLERANCE, DUST = 1e-6, 1e-8
"""How exactly the solver counts, and the smallest share of a goal that it is told of."""
FEW, NODES = 100, 20
"""Among so many candidates, and with so many nodes, the solver also tells which of equally cheap sets comes first."""


class Demand(NamedTuple):
    """Something that is reached once enough of several services reach it.

    Attributes
    ----------
    need : int
        How many of them.
    services : tuple of tuple of int
        For each service the candidates that bring it.
    worth : tuple of int
        What it counts for each goal.
    """

    need: int
    services: tuple[Chosen, ...]
    worth: tuple[int, ...]


@dataclass(frozen=True)
class Choice:
    """The best set that was found.

    Attributes
    ----------
    chosen : tuple of int
        The candidates, sorted.
    cost : int
    bound : int
        No set that reaches the goals costs less.
    how : str
        ``exact``: the solver proved that none is cheaper; ``solver``: it ran out of time; ``greedy``; ``tried``: every
        cheaper set was tried.
    factor : Fraction or None
        Greedy sets are proven to cost no more than so many times the cheapest; ``None`` where nothing is proven.
    """

    chosen: Chosen
    cost: int
    bound: int
    how: str
    factor: Fraction | None = None

    @property
    def proven(self) -> bool:
        """True if no set is cheaper."""
        return self.cost <= self.bound


@dataclass(frozen=True)
class Cover:
    """Candidates with their costs, demands that they meet, and how much of them must be met.

    Attributes
    ----------
    costs : tuple of int
    demands : tuple of Demand
    goals : tuple of int
        How much must be reached, for each goal.
    """

    costs: tuple[int, ...]
    demands: tuple[Demand, ...] = field(repr=False)
    goals: tuple[int, ...]

    @classmethod
    def of(cls, costs: Iterable[int], demands: Iterable[Demand], goals: Iterable[int]) -> Cover:
        """The problem with like demands made one, and without those that no set reaches."""
        worths: dict[tuple[int, tuple[Chosen, ...]], list[int]] = {}
        for need, services, worth in demands:
            offered = tuple(sorted(tuple(sorted(set(one))) for one in services if one))
            if 0 < need <= len(offered) and any(worth):
                sums = worths.setdefault((need, offered), [0] * len(worth))
                sums[:] = [a + b for a, b in zip(sums, worth, strict=True)]
        merged = tuple(Demand(*key, tuple(worths[key])) for key in sorted(worths))
        return cls(tuple(costs), merged, tuple(max(goal, 0) for goal in goals))

    def reached(self, chosen: Iterable[int]) -> list[int]:
        """What a set of candidates reaches of each goal, exactly."""
        taken = np.zeros(len(self.costs), dtype=np.int64)
        taken[list(chosen)] = 1
        met = self._met_by(self._rows[1] @ taken > 0)
        return [int(one) for one in self._worth[met].sum(axis=0)] if met.any() else [0] * len(self.goals)

    def _met_by(self, there: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Which demands are met by the services that are there."""
        return np.bincount(self._rows[0][there], minlength=len(self.demands)) >= self._need

    def met(self, chosen: Iterable[int]) -> bool:
        """Whether a set reaches every goal."""
        return all(got >= goal for got, goal in zip(self.reached(chosen), self.goals, strict=True))

    def cost(self, chosen: Iterable[int]) -> int:
        """What a set costs."""
        return sum(self.costs[one] for one in chosen)

    @cached_property
    def everything(self) -> Chosen:
        """All candidates."""
        return tuple(range(len(self.costs)))

    @property
    def submodular(self) -> bool:
        """True if each candidate adds the less the more are there: no demand waits for a second one."""
        return all(need == 1 for need, _, _ in self.demands)

    # ---- as arrays ----

    @cached_property
    def _rows(self) -> tuple[Ints, csr_array]:
        """One row for each demand and service: its demand, and the candidates that bring it."""
        from scipy.sparse import csr_array

        demand = [n for n, one in enumerate(self.demands) for _ in one.services]
        sets = [one for demand_ in self.demands for one in demand_.services]
        row = np.repeat(np.arange(len(sets)), [len(one) for one in sets])
        column = np.array([j for one in sets for j in one], dtype=np.int64)
        shape = (len(sets), len(self.costs))
        return np.array(demand, dtype=np.int64), csr_array((np.ones(len(row), dtype=np.int64), (row, column)), shape)

    @cached_property
    def _need(self) -> Ints:
        return np.array([one.need for one in self.demands], dtype=np.int64)

    @cached_property
    def _worth(self) -> NDArray:
        """Worth of each demand for each goal; unbounded whole numbers where they may grow too large for others."""
        worth = np.array([one.worth for one in self.demands], dtype=object).reshape(len(self.demands), len(self.goals))
        return worth.astype(np.int64) if worth.sum() < 1 << 60 else worth

    @cached_property
    def step(self) -> int:
        """Every cost is a multiple of it."""
        return math.gcd(*self.costs) or 1

    def rounded_up(self, bound: float) -> int:
        """The least cost that a set can have if it is at least so much, but for the tolerance of the solver."""
        if not math.isfinite(bound):
            return 0
        steps = bound / self.step
        return max(math.ceil(steps - TOLERANCE * max(1.0, abs(steps))), 0) * self.step


def cheapest(cover: Cover, *, seconds: float = SECONDS) -> Choice | None:
    """The cheapest set that reaches every goal; ``None`` if all candidates together don't.

    Of several the one whose numbers add up to the least, as long as candidates are few; of many, always the same. Where
    time runs out, the best that was found, with what is proven of it.

    Parameters
    ----------
    cover : Cover
    seconds : float
        0: greedily only.
    """
    if not cover.met(cover.everything):
        return None
    if cover.met(()):
        return Choice((), 0, 0, "exact")
    quick = greedy(cover)
    programme = _Programme(cover)
    if seconds <= 0:
        return _bounded(cover, quick, programme)
    found = programme.best(programme.costs(), seconds)
    bound = programme.bound
    if found is None or cover.cost(found) > cover.cost(quick):
        return Choice(quick, cover.cost(quick), min(bound, cover.cost(quick)), "solver", _factor(cover))
    cost = cover.cost(found)
    if bound < cost:
        return Choice(found, cost, bound, "solver")
    first = programme.first_of(cost, seconds) if len(cover.costs) <= FEW else None
    return Choice(first or found, cost, cost, "exact")


def _bounded(cover: Cover, chosen: Chosen, programme: _Programme) -> Choice:
    """A greedy set with what is proven of it."""
    cost = cover.cost(chosen)
    return Choice(chosen, cost, min(cover.rounded_up(programme.relaxed()), cost), "greedy", _factor(cover))


def _factor(cover: Cover) -> Fraction | None:
    """How many times the cheapest cost a greedy set costs at most, after Wolsey (1982): H(the most that one reaches).

    Only where each candidate adds the less the more are there. Amounts are counted in their greatest common measure.
    """
    if not cover.submodular:
        return None
    amounts = [abs(worth) for demand in cover.demands for worth in demand.worth]
    unit = math.gcd(*amounts, *cover.goals) or 1
    most = max(
        sum(min(got, goal) for got, goal in zip(cover.reached((one,)), cover.goals, strict=True)) // unit
        for one in cover.everything
    )
    exact = 10_000
    if most <= exact:
        return sum((Fraction(1, n) for n in range(1, most + 1)), Fraction(0))
    return Fraction(math.log(most) + 0.5772156649015329 + 1 / (2 * most))  # not less than H of so much


def greedy(cover: Cover) -> Chosen:
    """A set that reaches every goal: again and again what adds most for its cost; then what isn't needed is left out.

    What waits for further services counts for its share, so that the first of them is taken at all.
    """
    demand, brings = cover._rows
    share = (cover._worth / np.maximum(cover._need, 1)[:, None]).astype(float)[demand]
    columns = brings.T.astype(float).tocsr()
    costs = np.array(cover.costs, dtype=float)
    there = np.zeros(len(demand), dtype=bool)
    taken: list[int] = []
    while not cover.met(taken):
        waiting = ~there & ~cover._met_by(there)[demand]
        lacking = [goal - got for goal, got in zip(cover.goals, cover.reached(taken), strict=True)]
        gains = sum(np.minimum(columns @ (share[:, n] * waiting), one) for n, one in enumerate(lacking) if one > 0)
        gains = np.asarray(gains)
        if not gains.any():
            gains = columns @ waiting.astype(float)
        with np.errstate(divide="ignore", invalid="ignore"):
            best = int(np.argmax(np.where(gains > 0, gains / costs, -1.0)))
        taken.append(best)
        there[brings[:, [best]].nonzero()[0]] = True
    return _pruned(cover, taken)


def _pruned(cover: Cover, taken: list[int]) -> Chosen:
    """A set without those that it doesn't need, the dearest and last first."""
    left = set(taken)
    for one in sorted(taken, key=lambda n: (cover.costs[n], n), reverse=True):
        if cover.met(left - {one}):
            left.discard(one)
    return tuple(sorted(left))


class _Programme:
    """The whole-number programme of a problem.

    Variables: whether each candidate is taken; how far each demand is met; where enough of some services are asked for,
    whether each service is there.
    """

    def __init__(self, cover: Cover) -> None:
        from scipy.sparse import csr_array, eye_array, hstack, vstack

        self.cover = cover
        self.bound = 0
        demand, brings = cover._rows
        several = cover._need < np.bincount(demand, minlength=len(cover.demands))
        some = several[demand]
        n, m, k = len(cover.costs), len(cover.demands), int(some.sum())
        self._size = n + m + k
        of_demand = csr_array((np.ones(len(demand)), (np.arange(len(demand)), demand)), (len(demand), m))
        # a service is there only if a candidate that brings it is taken; where all are asked for, it is the demand
        there = csr_array((np.ones(k), (np.flatnonzero(some), np.arange(k))), (len(demand), k))
        rows = [hstack([brings.astype(float), -of_demand.multiply(~some[:, None]), -there])]
        enough = np.flatnonzero(several)
        pick = eye_array(m, format="csr")[enough]
        counts = of_demand.T.tocsr()[enough] @ there
        rows.append(hstack([csr_array((len(enough), n)), -pick.multiply(cover._need[enough][:, None]), counts]))
        worth = [[int(w) / goal for w in cover._worth[:, g]] for g, goal in enumerate(cover.goals) if goal]
        shares = np.array(worth).reshape(len(worth), m)
        dust = np.where(shares < DUST, shares, 0.0)  # the solver would drop it: it counts whether reached or not
        reach = csr_array(shares - dust)
        rows.append(hstack([csr_array((len(worth), n)), reach, csr_array((len(worth), k))]))
        self._matrix = vstack(rows).tocsr()
        self._least = np.concatenate([np.zeros(len(demand) + len(enough)), 1.0 - dust.sum(axis=1)])
        self._whole = np.ones(self._size)
        self._cuts: list[NDArray] = []

    def costs(self) -> NDArray:
        """The costs in steps, which every cost is a whole number of."""
        return np.array([float(one // self.cover.step) for one in self.cover.costs])

    def relaxed(self) -> float:
        """What the goals cost at least if parts of candidates could be taken."""
        found = self._solve(self.costs(), 0.0, whole=False)
        return float(found.fun) * self.cover.step if found.status == 0 else 0.0

    def first_of(self, cost: int, seconds: float) -> Chosen | None:
        """Of the sets that cost so much the one whose numbers add up to the least; ``None`` if time runs out."""
        limit = -self.costs(), -float(cost // self.cover.step)
        found = self.best(np.arange(1.0, len(self.cover.costs) + 1), seconds, limit, proven=True)
        return found if found is not None and self.cover.cost(found) == cost else None

    def best(
        self,
        costs: NDArray,
        seconds: float,
        limit: tuple[NDArray, float] | None = None,
        *,
        proven: bool = False,
    ) -> Chosen | None:
        """The set that costs least; exactly: what misses a goal by less than the solver's tolerance is ruled out.

        Leaves in ``bound`` what is proven of the cost.
        """
        self.bound = 0
        until = time.monotonic() + seconds
        for _ in range(CUTS):
            found = self._solve(costs, max(until - time.monotonic(), 0.0), limit)
            if found.mip_dual_bound is not None and limit is None:
                self.bound = max(self.bound, self.cover.rounded_up(float(found.mip_dual_bound) * self.cover.step))
            if found.x is None or (proven and found.status != 0):
                return None
            chosen = tuple(np.flatnonzero(found.x[: len(self.cover.costs)] > 0.5).tolist())
            if self.cover.met(chosen):
                if found.status == 0 and limit is None:
                    self.bound = self.cover.cost(chosen)
                return chosen
            another = np.ones(len(self.cover.costs))
            another[list(chosen)] = 0  # no part of the set reaches the goals either
            self._cuts.append(another)
        return None

    def _solve(
        self, costs: NDArray, seconds: float, limit: tuple[NDArray, float] | None = None, *, whole: bool = True
    ) -> OptimizeResult:
        from scipy.optimize import Bounds, LinearConstraint, milp
        from scipy.sparse import csr_array, vstack

        extra = [(cut, 1.0) for cut in self._cuts] + ([limit] if limit else [])
        matrix, least = self._matrix, self._least
        if extra:
            padded = [np.concatenate([row, np.zeros(self._size - len(row))]) for row, _ in extra]
            matrix = vstack([matrix, csr_array(np.array(padded))]).tocsr()
            least = np.concatenate([least, [value for _, value in extra]])
        options = {
            "mip_rel_gap": 0.0,
            **({"time_limit": seconds} if whole else {}),
            **({"node_limit": NODES} if limit else {}),
        }
        solve = partial(
            milp,
            np.concatenate([costs, np.zeros(self._size - len(costs))]),
            integrality=self._whole if whole else np.zeros(self._size),
            bounds=Bounds(0, 1),
            constraints=LinearConstraint(matrix, least, np.inf),
            options=options,
        )
        with _silenced():
            return solve()


@contextmanager
def _silenced() -> Iterator[None]:
    """Nothing reaches the process's stdout: the solver writes to it now and then, behind Python's back."""
    import ctypes

    try:
        kept, nowhere, libc = os.dup(1), os.open(os.devnull, os.O_WRONLY), ctypes.CDLL(None)
    except (OSError, TypeError):  # there is no stdout, or no way to it
        yield
        return
    sys.stdout.flush()
    libc.fflush(None)
    os.dup2(nowhere, 1)
    try:
        yield
    finally:
        libc.fflush(None)
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)


# ---------------------------------------------------------------------------------------------------- by trying sets

Missing = Callable[[Chosen], tuple[float, ...]]
"""What a set lacks of each goal, as a share of what is lacking without it; nothing where all goals are met."""


def tried(costs: Sequence[int], missing: Missing, *, tries: int = TRIES) -> Choice | None:
    """The cheapest set that lacks nothing, where only trying a set tells what it lacks.

    First greedily; then sets in the order of their costs, as many as may be tried. If every cheaper one was, the set is
    proven to be the cheapest. A greedy set has no proven factor here; what is proven is that no set is cheaper than the
    first that wasn't tried.

    Parameters
    ----------
    costs : sequence of int
    missing : callable
        Called once for each set that is tried.
    tries : int

    Returns
    -------
    Choice or None
        ``None`` if no set that was tried lacks nothing.
    """
    known: dict[Chosen, tuple[float, ...]] = {}

    def lacks(chosen: Chosen) -> float:
        if chosen not in known:
            known[chosen] = missing(chosen)
        return sum(known[chosen])

    every = 1 << len(costs) if len(costs) < 60 else math.inf
    best = None if every <= tries else _by_steps(costs, lacks, tries)
    cost = math.inf if best is None else sum(costs[one] for one in best)
    for total, chosen in _by_cost(costs):
        if total >= cost:
            break
        if chosen not in known and len(known) >= tries:
            return None if best is None else Choice(best, int(cost), total, "greedy")
        if not lacks(chosen):
            return Choice(chosen, total, total, "tried")
    return None if best is None else Choice(best, int(cost), int(cost), "tried")


def exhausted(costs: Sequence[int], tries: int) -> bool:
    """Whether so many tries are enough for every set."""
    return len(costs) < 60 and 1 << len(costs) <= tries


def _by_steps(costs: Sequence[int], lacks: Callable[[Chosen], float], tries: int) -> Chosen | None:
    """Greedily: again and again what takes most of the lack away for its cost; then what isn't needed is left out."""
    taken: Chosen = ()
    left, spent = lacks(()), 0
    while left:
        options = [tuple(sorted((*taken, one))) for one in range(len(costs)) if one not in taken]
        spent += len(options)
        if not options or spent > max(tries, len(costs)) * 4:
            return None
        added = [next(iter(set(option) - set(taken))) for option in options]
        gains = [left - lacks(option) for option in options]
        worth = [gain / costs[one] if costs[one] else math.inf * gain for gain, one in zip(gains, added, strict=True)]
        best = max(range(len(options)), key=lambda n: (gains[n] > 0, worth[n] if gains[n] else 0.0, -added[n]))
        if gains[best] <= 0:
            return None
        taken = options[best]
        left = lacks(taken)
    for one in sorted(taken, key=lambda n: (costs[n], n), reverse=True):
        fewer = tuple(n for n in taken if n != one)
        if not lacks(fewer):
            taken = fewer
    return taken


def _by_cost(costs: Sequence[int]) -> Iterator[tuple[int, Chosen]]:
    """Every set with its cost, the cheapest first; of equally cheap ones those with fewer, then with lower numbers."""
    order = sorted(range(len(costs)), key=lambda n: (costs[n], n))
    yield 0, ()
    heap: list[tuple[int, int, Chosen]] = [(costs[order[0]], 1, (0,))] if order else []
    while heap:
        total, size, places = heapq.heappop(heap)
        yield total, tuple(sorted(order[place] for place in places))
        last = places[-1]
        if last + 1 < len(order):
            more = costs[order[last + 1]]
            heapq.heappush(heap, (total + more, size + 1, (*places, last + 1)))
            heapq.heappush(heap, (total + more - costs[order[last]], size, (*places[:-1], last + 1)))
