"""Junctions and dead ends of a network of lines.

Where two edges meet a line merely goes on: such nodes are no nodes here, and the edges between two others are one
chain. Lines are joined by the rule of :meth:`qpgis.measures.network.Network.of`: at common vertices, so what crosses
without one passes over or under.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qpgis.crs import Floats
from qpgis.measures.network import Network
from qpgis.shapes import connected

Ints = NDArray[np.int64]
JUNCTION = 3
"""A node where so many chains meet, or more, is a junction."""


@dataclass(frozen=True)
class Chains:
    """What runs from one junction or dead end to the next.

    Attributes
    ----------
    start, end : int array
        Nodes of the network; the same for a loop. A ring that nothing joins is no chain.
    length_m : float array
        Geodesic.
    """

    start: Ints
    end: Ints
    length_m: Floats


@dataclass(frozen=True)
class Nodes:
    """Junctions and dead ends.

    Attributes
    ----------
    xy : float array, nodes x 2
        In the plane; of merged junctions the mean.
    degree : int array
        How many chains meet: 1 at a dead end, 3 or more at a junction. The sum of all degrees is twice the number of
        chains, so half the degree is a node's part of the chains.
    """

    xy: Floats
    degree: Ints


def degrees(network: Network) -> Ints:
    """How many edges meet at each node of a network."""
    return np.bincount(np.concatenate([network.start, network.end]), minlength=len(network))


def chains(network: Network) -> Chains:
    """The chains of a network."""
    edges = len(network.start)
    node, edge = np.concatenate([network.start, network.end]), np.tile(np.arange(edges), 2)
    passed = degrees(network)[node] == 2
    order = np.argsort(node[passed], kind="stable")
    one, other = edge[passed][order].reshape(-1, 2).T
    chain = connected(one, other, edges)
    ends, at = chain[edge[~passed]], node[~passed]
    order = np.lexsort((at, ends))
    start, end = at[order].reshape(-1, 2).T
    length = np.bincount(chain, weights=network.length_m)
    return Chains(start, end, length[ends[order][::2]])


def nodes(network: Network, *, merge_within_m: float = 0.0) -> Nodes:
    """The junctions and dead ends of a network.

    Parameters
    ----------
    network : Network
    merge_within_m : float
        Junctions that a chain no longer than this joins are one, and the chain is none: the four where two divided
        roads cross, two streets that join a third a little apart. Where a bridge passes nothing merges. What is left
        with two chains is no node.
    """
    found = chains(network)
    size = len(network)
    junction = np.bincount(np.concatenate([found.start, found.end]), minlength=size) >= JUNCTION
    short = (found.length_m <= merge_within_m) & junction[found.start] & junction[found.end]
    merged = connected(found.start[short], found.end[short], size)
    degree = np.bincount(merged[np.concatenate([found.start[~short], found.end[~short]])], minlength=size)
    xy = means(network.xy, merged)
    degree = degree[: len(xy)]
    kept = (degree > 0) & (degree != 2)
    return Nodes(xy[kept], degree[kept])


def means(xy: Floats, group: Ints, *, weights: Floats | None = None) -> Floats:
    """The mean place of each group, numbered from 0."""
    weighed = np.ones(len(xy)) if weights is None else weights
    whole = np.bincount(group, weights=weighed)
    return np.column_stack([np.bincount(group, weights=axis * weighed) / whole for axis in xy.T])
