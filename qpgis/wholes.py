"""What is measured of zones as wholes: an outcome for each zone, and the features behind them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, field, replace
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from numpy.typing import NDArray

from qpgis.access import barriers_of, matrix_of, reach_of
from qpgis.amounts import Amount, Outcome, outcome
from qpgis.area import ZoneSet
from qpgis.crs import Floats, Geometries, Plane
from qpgis.layers import SHOW, Layer
from qpgis.measures.connectivity import Connectivity, Distances, patch_connectivity
from qpgis.measures.corridors import connected_when_eroded, lines_within, longest_within
from qpgis.parts import PerZone, Wide
from qpgis.provenance import worst
from qpgis.remembered import Remembered
from qpgis.shapes import single_parts

if TYPE_CHECKING:
    from shapely import Geometry

WholeKernel = Callable[[ZoneSet, PerZone, Plane, "Memory"], list[Outcome]]
"""Gives one outcome a zone, each from that zone's ground alone: its zones may overlap."""
FeatureKernel = Callable[["Geometry", PerZone, Plane], Layer]
"""Gives the features of some ground that a value is made of, with what each is worth."""

HAIR_M, LEAST_HAIR_M = 1e-3, 1.0
"""How thin and how long, there and back, a part of a patch is that borders drawn twice leave behind."""


@dataclass(frozen=True)
class Memory:
    """What was found out of zones as wholes.

    Attributes
    ----------
    outcomes
        By the hash of all that they depend on.
    patches
        By zone and least size, what each piece of ground comes to in it; zones are told apart by their identity.
    distances
        By zone, those of patches.
    graphs
        By the hash of patches and settings.
    """

    outcomes: MutableMapping[str, Outcome] = field(default_factory=dict)
    patches: dict[tuple[int, float], Remembered] = field(default_factory=dict)
    distances: dict[int, Distances] = field(default_factory=dict)
    graphs: dict[str, Connectivity] = field(default_factory=dict)

    def copy(self) -> Memory:
        """What begins with it, and keeps what it learns to itself."""
        return Memory(dict(self.outcomes), dict(self.patches), dict(self.distances), dict(self.graphs))


def _longest_stretch(zones: ZoneSet, measured: PerZone, plane: Plane, memory: Memory) -> list[Outcome]:
    """The longest unbroken stretch of each axis by the length of the axes."""
    axes, met = measured.layers
    longest, length = longest_within(
        zones.geometry, axes.geometry, met.geometry, met.frame["of"].to_numpy(dtype=np.int64), plane
    )
    return _shares(longest, length)


def _eroded(zones: ZoneSet, measured: PerZone, plane: Plane, memory: Memory) -> list[Outcome]:
    """The length of axes whose ends are still joined when the corridor is eroded by half its width, by their length."""
    axes, rule = measured.layers[0], measured.where
    assert isinstance(rule, Wide)
    pieces, _, zone = lines_within(zones.geometry, axes.geometry)
    joined = connected_when_eroded(
        pieces,
        matrix_of(rule),
        barriers=barriers_of(rule),
        min_width_m=rule.min_width_m,
        offset_m=rule.offset_m,
        reach_m=reach_of(rule),
    )
    metres = plane.lengths(pieces)
    above, below = (np.bincount(zone, part, minlength=len(zones)).astype(float) for part in (metres * joined, metres))
    return _shares(above, below)


def _shares(above: Floats, below: Floats) -> list[Outcome]:
    """Metres by metres, in %."""
    metres = zip(above.tolist(), below.tolist(), strict=True)
    return [outcome("%", Amount.of(part, "m"), Amount.of(whole, "m")) for part, whole in metres]


def _connectivity(zones: ZoneSet, measured: PerZone, plane: Plane, memory: Memory) -> list[Outcome]:
    """From the patches of each zone; those of zones where nothing changed are known."""
    ground = _Ground(measured, memory)
    found = []
    for zone in zones.geometry:
        patches = ground.patches(zone)
        content = hashlib.sha256(b"".join(shapely.to_wkb(patches))).hexdigest()
        key = _hash(measured.kernel, measured.unit, measured.settings, zone.area, content)
        known = memory.outcomes.get(key)
        if known is None:
            distances = memory.distances.setdefault(id(zone), Distances())
            settings = {name: value for name, value in measured.settings if name not in ("index", "over")}
            graph = _hash(settings, content)
            if graph not in memory.graphs:
                memory.graphs[graph] = _graph(measured, patches, distances, connectors=False)
            known = memory.outcomes[key] = _connected(measured, patches, memory.graphs[graph], zone.area)
        found.append(known)
    return found


def _hash(*of: object) -> str:
    return hashlib.sha256(repr(of).encode()).hexdigest()


class _Ground:
    """The ground of some layers, from which the patches of zones are cut."""

    def __init__(self, measured: PerZone, memory: Memory) -> None:
        first, *others = (layer.dissolved for layer in measured.layers)
        pieces = measured.layers[0].dissolving.of(np.concatenate([first, *others])) if others else first
        self._least_m2 = float(dict(measured.settings)["least_m2"])
        self._pieces = pieces[shapely.area(pieces) >= self._least_m2]
        self._tree = shapely.STRtree(self._pieces)
        self._memory = memory

    def patches(self, zone: Geometry) -> Geometries:
        """What lies of it in a zone, in patches of at least the least size."""
        near = self._pieces[np.sort(self._tree.query(zone, predicate="intersects"))]
        cut = Remembered(partial(_patches_in, zone, self._least_m2))
        (patches,) = self._memory.patches.setdefault((id(zone), self._least_m2), cut).of(near)
        return np.concatenate([np.empty(0, dtype=object), *patches])


def _patches_in(zone: Geometry, least_m2: float, pieces: Geometries) -> tuple[NDArray[Any]]:
    """What each of some pieces of ground comes to in a zone: arrays of patches."""
    shapely.prepare(zone)
    cut = pieces.copy()
    beyond = ~shapely.covers(zone, pieces)
    cut[beyond] = shapely.intersection(pieces[beyond], zone)
    parts, owner = _without_hairs(*single_parts(cut))
    large = shapely.area(parts) >= least_m2
    return (_by_owner(parts[large], owner[large], len(pieces)),)


def _by_owner(parts: Geometries, owner: NDArray[np.int64], count: int) -> NDArray[Any]:
    """The parts of each of some owners, as arrays."""
    found = np.empty(count, dtype=object)
    found[:] = np.split(parts, np.searchsorted(owner, np.arange(1, count)))
    return found


def _without_hairs(parts: Geometries, owner: NDArray[np.int64]) -> tuple[Geometries, NDArray[np.int64]]:
    """The polygons of parts without what is thinner than a hair: along a border it would join patches.

    And the owner of each.
    """
    areal = shapely.get_dimensions(parts) == 2
    parts, owner = parts[areal], owner[areal]
    shrunk = shapely.buffer(parts, -HAIR_M, join_style="mitre")
    opened = shapely.buffer(shrunk, HAIR_M, join_style="mitre")
    hairy = shapely.length(parts) - shapely.length(opened) > LEAST_HAIR_M
    bare, of = single_parts(opened[hairy])
    parts, owner = np.concatenate([parts[~hairy], bare]), np.concatenate([owner[~hairy], owner[hairy][of]])
    order = np.argsort(owner, kind="stable")
    return parts[order], owner[order]


def _graph(measured: PerZone, patches: Geometries, distances: Distances, *, connectors: bool) -> Connectivity:
    settings = dict(measured.settings)
    return patch_connectivity(
        patches,
        distance_m=float(settings["distance_m"]),
        probability=float(settings["probability"]),
        negligible=float(settings["least_probability"]),
        connectors=connectors,
        find_pairs=distances.of,
    )


def _connected(measured: PerZone, patches: Geometries, found: Connectivity, zone_m2: float) -> Outcome:
    """The equivalent connected area by that of the patches, or the index by the square of the zone's area."""
    settings = dict(measured.settings)
    index = found.pc if settings["index"] == "pc" else found.iic
    if settings["over"] == "zone":
        return Outcome(100 * index.of_landscape(zone_m2))
    if not len(patches):
        return Outcome(None, "note_no_patch")
    above, below = (Amount.of(m2, "m2") for m2 in (index.equivalent, shapely.area(patches).sum()))
    return outcome("%", above, below)


def _patches(ground: Geometry, measured: PerZone, plane: Plane) -> Layer:
    """Each patch of some ground with its area and what the indices lose without it, the most important first."""
    import pandas as pd

    patches = _Ground(measured, Memory()).patches(ground)
    found = _graph(measured, patches, Distances(), connectors=True)
    order = np.argsort(-found.pc.importance, kind="stable")
    frame = pd.DataFrame(
        {
            "feature_id": [str(n + 1) for n in range(len(patches))],
            "name": "",
            f"{SHOW}area_ha": shapely.area(patches)[order] / 10_000,
            f"{SHOW}dpc": found.pc.importance[order],
            f"{SHOW}dpc_connector": found.pc.percent(found.pc.connector)[order],
            f"{SHOW}diic": found.iic.importance[order],
        }
    )
    first = measured.layers[0]
    grade = worst(layer.source.grade for layer in measured.layers) or first.source.grade
    same = {name: value for name, value in measured.settings if name not in ("index", "over")}
    key = f"patches of {'; '.join(layer.key for layer in measured.layers)} {same}"
    return Layer("patches", frame, patches[order], replace(first.source, grade=grade), first.extent, key)


WHOLES: Mapping[str, WholeKernel] = MappingProxyType(
    {"connectivity": _connectivity, "eroded": _eroded, "longest_stretch": _longest_stretch}
)
FEATURES: Mapping[str, FeatureKernel] = MappingProxyType({"connectivity": _patches})
