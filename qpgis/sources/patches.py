"""Cells of a grid grouped to polygons along their exact edges.

Plain arrays in, plain arrays out; coordinates are columns and rows of the grid.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

BLOCK = 256
"""Groups are cut at every so many rows and columns of the grid: what spans a whole country can't be overlaid."""
_AHEAD = ((0, 1), (1, 0), (0, -1), (-1, 0))
"""Where the sides of a cell lead (top, right, bottom, left), in rows and columns; the cell is on their right."""
_OUTWARD = ((-1, 0), (0, 1), (1, 0), (0, -1))
_START = ((0, 0), (0, 1), (1, 1), (1, 0))
"""The corner where each side begins, in rows and columns from the cell's first one."""


@dataclass(frozen=True)
class Patches:
    """Groups of equal cells that share sides.

    Attributes
    ----------
    polygons : array of Polygon
        In columns (x) and rows (y) of the grid. Neighbours share every vertex of their common border.
    row, column : int arrays
        The first cell of each group, by rows.
    """

    polygons: NDArray[np.object_]
    row: Ints
    column: Ints


def patches(values: NDArray, valid: Bools, first_row: int, first_column: int) -> Patches:
    """The groups of equal valid cells in a part of a grid, cut at every :data:`BLOCK` rows and columns.

    Parameters
    ----------
    values, valid : arrays of rows x columns
        The part with one more row or column on every side, which tells where neighbours have vertices.
    first_row, first_column : int
        Where the part begins, without that margin; it begins and ends at cuts or at the grid's edge.
    """
    values = np.where(valid, values, 0)
    like_right = (values[:, 1:] == values[:, :-1]) & (valid[:, 1:] == valid[:, :-1])
    like_down = (values[1:] == values[:-1]) & (valid[1:] == valid[:-1])
    cut_rows = (first_row + np.arange(len(like_down))) % BLOCK == 0
    cut_columns = (first_column + np.arange(like_right.shape[1])) % BLOCK == 0
    straight_down = like_down[:, :-1] & like_down[:, 1:] & ~cut_rows[:, None]
    straight_right = like_right[:-1] & like_right[1:] & ~cut_columns
    joined_right = (like_right & ~cut_columns)[1:-1]
    joined_down = (like_down & ~cut_rows[:, None])[:, 1:-1]
    group = _groups(joined_right[:, 1:-1], joined_down[1:-1])
    inner = valid[1:-1, 1:-1]
    sides = (~joined_down[:-1], ~joined_right[:, 1:], ~joined_down[1:], ~joined_right[:, :-1])
    if not valid[1:-1, 1:-1].any():
        none = np.empty(0, dtype=np.int64)
        return Patches(np.empty(0, dtype=object), none, none)
    cell, side, following = _edges(tuple(s & inner for s in sides), group)
    xy, offsets, first = _assembled(cell, side, following, group.ravel(), ~(straight_down | straight_right))
    row, column = first_row + first // group.shape[1], first_column + first % group.shape[1]
    polygons = shapely.from_ragged_array(
        shapely.GeometryType.POLYGON, xy + np.array([first_column, first_row]), offsets
    )
    return Patches(polygons, row, column)


def _groups(joined_right: Bools, joined_down: Bools) -> Ints:
    """For each cell the first cell, counted by rows, of those that it is joined with."""
    starts = np.ones((len(joined_right), joined_right.shape[1] + 1), dtype=bool)
    starts[:, 1:] = ~joined_right
    run = (np.cumsum(starts.ravel()) - 1).reshape(starts.shape)
    above, below = run[:-1], run[1:]
    fresh = joined_down.copy()
    fresh[:, 1:] &= starts[:-1, 1:] | starts[1:, 1:] | ~joined_down[:, :-1]
    label = united(int(run[-1, -1]) + 1, above[fresh], below[fresh])
    return np.asarray(np.flatnonzero(starts)[label][run])


def united(count: int, one: Ints, other: Ints) -> Ints:
    """For each of ``count`` things the least of those that links between ``one`` and ``other`` connect it with."""
    label = np.arange(count)
    while True:
        ends = label[one], label[other]
        apart = ends[0] != ends[1]
        if not apart.any():
            return label
        one, other = one[apart], other[apart]
        low, high = np.minimum(*ends)[apart], np.maximum(*ends)[apart]
        np.minimum.at(label, high, low)
        while (label[label] != label).any():
            label = label[label]


def _edges(sides: tuple[Bools, ...], group: Ints) -> tuple[Ints, Ints, Ints]:
    """The sides of cells that bound their group: cell, side, and position of the one that follows.

    A border that comes to a corner turns round its own cell, goes on straight, or turns the other way; where two cells
    of one group only meet in the corner it keeps away from its own: a ring may touch another one, never itself.
    """
    height, width = group.shape
    number = np.full((4, height, width), -1, dtype=np.int64)
    number[np.array(sides)] = np.arange(sum(int(s.sum()) for s in sides))
    side, row, column = np.nonzero(np.array(sides))
    following = np.empty(len(side), dtype=np.int64)
    padded = np.full((height + 2, width + 2), -1, dtype=np.int64)
    padded[1:-1, 1:-1] = group
    for s in range(4):
        mine = np.flatnonzero(side == s)
        r, c = row[mine], column[mine]
        ahead = r + _AHEAD[s][0], c + _AHEAD[s][1]
        across = ahead[0] + _OUTWARD[s][0], ahead[1] + _OUTWARD[s][1]
        round_own = number[(s + 1) % 4, r, c]
        meets = padded[across[0] + 1, across[1] + 1] == group[r, c]
        inside = np.clip(ahead[0], 0, height - 1), np.clip(ahead[1], 0, width - 1)
        straight = number[s, inside[0], inside[1]]
        inside = np.clip(across[0], 0, height - 1), np.clip(across[1], 0, width - 1)
        away = number[(s - 1) % 4, inside[0], inside[1]]
        following[mine] = np.where(
            round_own >= 0, np.where(meets, away, round_own), np.where(straight >= 0, straight, away)
        )
    return row * width + column, side, following


def _assembled(
    cell: Ints, side: Ints, following: Ints, group: Ints, nodes: Bools
) -> tuple[Floats, tuple[Ints, Ints], Ints]:
    """Coordinates and offsets of polygons from the sides that bound groups, and the first cell of each."""
    order, ring = _rings(following)
    cell, side = cell[order], side[order]
    start = np.array(_START)[side]
    row, column = cell // (nodes.shape[1] - 1) + start[:, 0], cell % (nodes.shape[1] - 1) + start[:, 1]
    kept = nodes[row, column]
    ring, owner, xy = ring[kept], group[cell[kept]], np.column_stack([column, row])[kept]
    firsts = np.flatnonzero(np.diff(ring, prepend=-1))
    sizes = np.diff(firsts, append=len(ring))
    after = np.arange(1, len(ring) + 1)
    after[firsts + sizes - 1] = firsts
    turning = np.add.reduceat(xy[:, 0] * xy[after, 1] - xy[after, 0] * xy[:, 1], firsts)
    sequence = np.lexsort((turning < 0, owner[firsts]))
    firsts, sizes = firsts[sequence], sizes[sequence]
    ends = np.cumsum(sizes + 1)
    steps = np.arange(ends[-1]) - np.repeat(ends - sizes - 1, sizes + 1)
    steps[ends - 1] = 0
    coordinates = xy[np.repeat(firsts, sizes + 1) + steps].astype(float)
    owner, begins = np.unique(owner[firsts], return_index=True)
    offsets = (np.append(0, ends), np.append(begins, len(firsts)))
    return coordinates, offsets, owner


def _rings(following: Ints) -> tuple[Ints, Ints]:
    """The closed rings of a list of successors: an order that follows them, and the ring of each place in it."""
    count = len(following)
    leader = united(count, np.arange(count), following)
    to_go, jump = np.ones(count, dtype=np.int64), following.copy()
    ends = leader == np.arange(count)
    to_go[ends], jump[ends] = 0, leader[ends]
    moving = np.flatnonzero(jump != leader)
    while len(moving):
        to_go[moving] += to_go[jump[moving]]
        jump[moving] = jump[jump[moving]]
        moving = moving[jump[moving] != leader[moving]]
    sizes = np.bincount(leader, minlength=count)
    place = (np.cumsum(sizes) - 1)[leader] - to_go
    order = np.empty(count, dtype=np.int64)
    order[place] = np.arange(count)
    return order, leader[order]
