"""Which parcel is what: the best suited ones of each group, until the calibrated share is reached."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from qpgis.crs import Floats
from qpgis.synth.calibration import GROUPS, Calibration, Total
from qpgis.synth.fields import Flags, Ints, Waves
from qpgis.synth.inputs import Inputs
from qpgis.synth.landscape import NEAR_TOWN, Landscape
from qpgis.synth.layout import Layout
from qpgis.synth.overlay import Pieces
from qpgis.synth.partition import Kind

RIVER_M = 14.0
"""Canals at least this wide are rivers (1101), narrower ones ditches (1107)."""
POND_SHARE = 0.35
"""So much of the water that isn't given becomes ponds, where there is room for them."""
PATCH_M = 260.0
"""Uses change over about this distance."""
LOOKED_AT = 400
"""How many of the next best parcels are tried for the last gap of a share."""
WATER, FARMLAND, FOREST = GROUPS.index("water"), GROUPS.index("farmland"), GROUPS.index("forest")


@dataclass
class Parcels:
    """Parcels on the way to their classes.

    Attributes
    ----------
    pieces : Pieces
        Geometry, zone and what was given.
    m2, xy : arrays
        Area and a point inside, in the plane.
    kind : array of int
        What the parcel was cut for.
    area : array of int
        The calibration's area that it is in.
    road_m : array of float
        Length of the whole road that a strip belongs to; 0 for others.
    width_m : array of float
        Mean width: twice the area over the perimeter.
    town, village, estate, shore_m : arrays of float
        Fields of the landscape at ``xy``.
    group : array of int
        Index into :data:`~qpgis.synth.calibration.GROUPS`, -1 while there is none.
    role : array of object
        ``river``, ``pond`` ... of water; ``country`` or ``town`` of roads; empty for others.
    """

    pieces: Pieces
    m2: Floats
    xy: Floats
    kind: NDArray[np.int8]
    area: Ints
    road_m: Floats
    width_m: Floats
    town: Floats
    village: Floats
    estate: Floats
    shore_m: Floats
    group: Ints
    role: NDArray[np.object_]

    @classmethod
    def of(cls, pieces: Pieces, layout: Layout, landscape: Landscape, inputs: Inputs) -> Parcels:
        """Measure the pieces."""
        geometry = shapely.transform(pieces.geometry, inputs.lattice.to_plane)
        m2 = shapely.area(geometry)
        xy = shapely.get_coordinates(shapely.centroid(geometry))
        p = layout.partition
        family_m = np.zeros(p.families + 1)
        family_m[layout.ways.rows[:, 0]] = layout.road_m.rows
        kind = np.where(pieces.water >= 0, Kind.PLAIN, p.kind.rows[pieces.cell])
        town = landscape.town(xy)
        return cls(
            pieces=pieces,
            m2=m2,
            xy=xy,
            kind=kind,
            area=inputs.area[pieces.zone],
            road_m=np.where(kind == Kind.ROAD, family_m[p.owner.rows[pieces.cell]], 0.0),
            width_m=2 * m2 / np.maximum(shapely.length(geometry), 1e-9),
            town=town,
            village=landscape.village(xy),
            estate=landscape.estate(xy, town),
            shore_m=landscape.to_shore(xy),
            group=np.full(len(m2), -1),
            role=np.full(len(m2), "", dtype=object),
        )

    def __len__(self) -> int:
        return len(self.m2)

    def free(self, area: int) -> Flags:
        """Parcels of an area that have no group yet."""
        return (self.area == area) & (self.group < 0)

    def take(self, candidates: Flags, score: Floats, target_m2: float, group: str, role: str = "") -> float:
        """Give a group the candidates of highest score until its target is reached; the area that it got, m2.

        The best are taken in order while they fit; the gap that is left goes to whichever of the next
        :data:`LOOKED_AT` fills it best.
        """
        index = np.flatnonzero(candidates)
        if not len(index) or target_m2 <= 0:
            return 0.0
        index = index[np.argsort(-score[index], kind="stable")]
        reached = np.cumsum(self.m2[index])
        count = int(np.searchsorted(reached, target_m2, side="right"))
        got = float(reached[count - 1]) if count else 0.0
        chosen = index[:count]
        next_best = index[count : count + LOOKED_AT]
        if len(next_best):
            gap = np.abs(target_m2 - got - self.m2[next_best])
            best = int(np.argmin(gap))
            if gap[best] < target_m2 - got:
                chosen = np.append(chosen, next_best[best])
                got += float(self.m2[next_best[best]])
        self.group[chosen] = GROUPS.index(group)
        self.role[chosen] = role
        return got


def classify(parcels: Parcels, inputs: Inputs, landscape: Landscape, calibration: Calibration, seed: int) -> None:
    """Give every parcel a group; farmland is what is left."""
    rng = np.random.Generator(np.random.PCG64([seed, 3]))
    noise = _noise(parcels, rng)
    fine = landscape.fine(parcels.xy)
    patchy = landscape.patchy(parcels.xy)
    parcels.group[parcels.pieces.water >= 0] = WATER
    parcels.role[parcels.pieces.water >= 0] = "given"
    parcels.group[(parcels.pieces.forest >= 0) & (parcels.kind == Kind.PLAIN)] = FOREST
    targets = target_areas(parcels, inputs, calibration)
    for area in range(len(calibration.areas)):
        if (parcels.area == area).any():
            _fill(parcels, area, dict(zip(GROUPS, targets[area], strict=True)), fine, patchy, noise)
    parcels.group[parcels.group < 0] = FARMLAND


def _noise(parcels: Parcels, rng: np.random.Generator) -> Floats:
    """Three fields between about -1 and 1: by the parcel where parcels are large, in small patches where not."""
    white = rng.uniform(-1, 1, (len(parcels), 3))
    patches = np.clip(0.7 * Waves.random(rng, PATCH_M, components=3, waves=12)(parcels.xy), -1.4, 1.4)
    share = float(np.clip(np.sqrt(np.median(parcels.m2)) / PATCH_M - 0.15, 0.06, 1))
    return np.asarray(share * white + (1 - share) * patches)


def target_areas(parcels: Parcels, inputs: Inputs, calibration: Calibration) -> Floats:
    """Area in m2 that each group shall have in each area: an array (areas, groups).

    Water is scaled to the totals; what is given counts. Where the rest doesn't leave room for all groups, they shrink
    alike.
    """
    count = len(calibration.areas)
    whole = np.bincount(inputs.area, inputs.zone_m2, minlength=count)
    shares = np.array([[area.shares.get(group, 0.0) for group in GROUPS] for area in calibration.areas])
    targets = shares * whole[:, None]
    given = np.bincount(parcels.area[parcels.group == WATER], parcels.m2[parcels.group == WATER], minlength=count)
    more = np.maximum(targets[:, WATER] - given, 0)
    for total in calibration.totals:
        mine = areas_of_total(total, inputs, calibration)
        if total.water is None or not mine.any():
            continue
        wanted = max(total.water * whole[mine].sum() - given[mine].sum(), 0.0)
        base = more[mine] if more[mine].sum() > 0 else whole[mine]
        more[mine] = base * wanted / base.sum()
    targets[:, WATER] = given + more
    wooded = np.bincount(parcels.area[parcels.group == FOREST], parcels.m2[parcels.group == FOREST], minlength=count)
    targets[:, FOREST] = np.maximum(targets[:, FOREST], wooded)
    others = np.arange(len(GROUPS)) != WATER
    room = np.maximum(whole - targets[:, WATER], 0)
    asked = targets[:, others].sum(axis=1)
    targets[:, others] *= np.minimum(1, room / np.maximum(asked, 1e-9))[:, None]
    targets[:, FARMLAND] = np.maximum(whole - targets[:, : len(GROUPS) - 1].sum(axis=1), 0)
    return np.asarray(targets, dtype=np.float64)


def areas_of_total(total: Total, inputs: Inputs, calibration: Calibration) -> Flags:
    """The areas that a total adds up: none unless all its zones are there and its areas hold no others."""
    zones = set(total.zones)
    mine = np.zeros(len(calibration.areas), dtype=bool)
    if not zones <= set(inputs.ids):
        return mine
    for zone, area in zip(inputs.ids, inputs.area, strict=True):
        mine[area] |= zone in zones
    for zone, area in zip(inputs.ids, inputs.area, strict=True):
        mine[area] &= zone in zones
    return mine


def _fill(
    parcels: Parcels, area: int, target: Mapping[str, float], fine: Floats, patchy: Floats, noise: Floats
) -> None:
    """Give the parcels of one area their groups, in the order in which places are chosen."""
    _roads(parcels, area, target)
    _canals(parcels, area, target, noise)
    _towns(parcels, area, target, fine, patchy, noise)
    _estates(parcels, area, target, noise)
    free = parcels.free(area) & (parcels.kind == Kind.PLAIN)
    parcels.take(free & (parcels.village < 1.6), -parcels.village + 0.1 * noise[:, 0], target["village"], "village")
    _ponds(parcels, area, target, patchy, noise)
    _country(parcels, area, target, fine, patchy, noise)


def _roads(parcels: Parcels, area: int, target: Mapping[str, float]) -> None:
    """Strips of the longest roads become road land, the next ones rural roads."""
    strips = parcels.free(area) & (parcels.kind == Kind.ROAD)
    parcels.take(strips, parcels.road_m, target["roads"], "roads", "country")
    inside = (parcels.group == GROUPS.index("roads")) & (np.minimum(parcels.town / NEAR_TOWN, parcels.village) < 1)
    parcels.role[inside] = "town"
    strips = parcels.free(area) & (parcels.kind == Kind.ROAD)
    parcels.take(strips, parcels.road_m, target["rural_road"], "rural_road")


def _water_left(parcels: Parcels, area: int, target: Mapping[str, float]) -> float:
    wet = (parcels.area == area) & (parcels.group == WATER)
    return target["water"] - float(parcels.m2[wet].sum())


def _canals(parcels: Parcels, area: int, target: Mapping[str, float], noise: Floats) -> None:
    """Strips made for water become rivers and ditches, wide ones first; some room is left for ponds."""
    strips = parcels.free(area) & (parcels.kind == Kind.CANAL)
    room = _water_left(parcels, area, target) * (1 - POND_SHARE)
    parcels.take(strips, parcels.width_m + 6 * noise[:, 0], room, "water", "canal")
    wide = (parcels.role == "canal") & (parcels.width_m >= RIVER_M) & (parcels.area == area)
    parcels.role[wide] = "river"


def _ponds(parcels: Parcels, area: int, target: Mapping[str, float], patchy: Floats, noise: Floats) -> None:
    """Ponds near lakes and in patches, fish ponds in clusters."""
    free = parcels.free(area) & (parcels.kind == Kind.PLAIN)
    room = _water_left(parcels, area, target)
    near = 1.6 * np.exp(-parcels.shore_m / 900)
    small = -0.35 * np.log(np.maximum(parcels.m2, 1) / max(float(np.median(parcels.m2)), 1.0))
    score = near + 0.55 * patchy + 0.5 * noise[:, 1] + 0.5 * small - 0.8 * (parcels.town < 1.3)
    parcels.take(free, score, room, "water", "pond")
    fish = (parcels.role == "pond") & (patchy > 0.4) & (parcels.area == area)
    parcels.role[fish] = "fish_pond"
    strips = parcels.free(area) & (parcels.kind == Kind.CANAL)
    left = _water_left(parcels, area, target)
    if left > 0:
        parcels.take(strips, parcels.width_m, left, "water", "canal")


def _towns(
    parcels: Parcels, area: int, target: Mapping[str, float], fine: Floats, patchy: Floats, noise: Floats
) -> None:
    """The ground of the towns, then what lies where in it; housing is what is left of it."""
    parts = ("commerce", "office", "service", "park", "utility")
    free = parcels.free(area) & (parcels.kind == Kind.PLAIN)
    whole = sum(target[part] for part in parts) + target["town_housing"]
    parcels.take(free, -parcels.town, whole, "town_housing")
    housing = GROUPS.index("town_housing")
    scores = {
        "commerce": -1.3 * parcels.town + 0.35 * fine + 0.25 * noise[:, 0],
        "office": -1.2 * parcels.town + 0.4 * noise[:, 1],
        "service": -0.3 * parcels.town - 0.35 * fine + 0.6 * noise[:, 2],
        "park": 0.5 * patchy + 0.7 * noise[:, 0] - 0.3 * parcels.town,
        "utility": 0.6 * parcels.town + 0.6 * noise[:, 1],
    }
    for part in parts:
        town = (parcels.area == area) & (parcels.group == housing)
        parcels.take(town, scores[part], target[part], part)


def _estates(parcels: Parcels, area: int, target: Mapping[str, float], noise: Floats) -> None:
    """Industry in a few large estates around the towns, logistics at their edges, idle land among them."""
    free = parcels.free(area) & (parcels.kind == Kind.PLAIN)
    for group, score in (
        ("industry", parcels.estate + 0.12 * noise[:, 1]),
        ("logistics", parcels.estate + 0.25 * noise[:, 2]),
        ("idle", parcels.estate + 0.7 * noise[:, 0]),
    ):
        parcels.take(free & (parcels.village > 1) & (parcels.group < 0), score, target[group], group)


def _country(
    parcels: Parcels, area: int, target: Mapping[str, float], fine: Floats, patchy: Floats, noise: Floats
) -> None:
    """Woods, orchards, grass and farm buildings."""
    mine = parcels.area == area
    wooded = float(parcels.m2[mine & (parcels.group == FOREST)].sum())
    narrow = (parcels.kind != Kind.PLAIN).astype(float)
    small = -np.log(np.maximum(parcels.m2, 1) / max(float(np.median(parcels.m2)), 1.0))
    scores = {
        "farm_facility": 0.8 * small + noise[:, 1] + 0.6 * (parcels.village < 2.5),
        "forest": 3 * narrow + 0.8 * np.exp(-parcels.shore_m / 500) + 0.5 * fine + 0.35 * patchy + 0.7 * noise[:, 2],
        "orchard": -0.9 * patchy + 0.5 * noise[:, 0],
        "grass": 0.7 * small + 0.7 * np.exp(-parcels.shore_m / 300) + 0.8 * noise[:, 1],
    }
    for group, score in scores.items():
        done = wooded if group == "forest" else 0.0
        parcels.take(parcels.free(area), score, target[group] - done, group)


def codes(parcels: Parcels, inputs: Inputs, landscape: Landscape, calibration: Calibration, seed: int) -> NDArray:
    """The land-use code of each parcel: by its role where that decides, else by the weights within its group."""
    rng = np.random.Generator(np.random.PCG64([seed, 4]))
    draw = np.clip(0.5 + 0.28 * landscape.patchy(parcels.xy) + rng.uniform(-0.2, 0.2, len(parcels)), 0, 1)
    out = np.full(len(parcels), "", dtype=object)
    given = parcels.role == "given"
    if given.any():
        out[given] = np.array(inputs.waters.code, dtype=object)[parcels.pieces.water[given]]
    for number, group in enumerate(GROUPS):
        for role in np.unique(parcels.role[parcels.group == number].astype(str)):
            mine = np.flatnonzero((parcels.group == number) & (parcels.role == role) & ~given)
            mix = calibration.codes.get(f"{group}.{role}" if role else group)
            if len(mine) and mix:
                out[mine] = _mixed(mix, mine, draw, parcels.m2)
    return out


def _mixed(mix: Mapping[str, float], mine: Ints, draw: Floats, m2: Floats) -> NDArray[np.object_]:
    """Codes in proportion to their weights by area, in patches."""
    names = np.array(list(mix), dtype=object)
    weights = np.cumsum(list(mix.values()))
    order = np.argsort(draw[mine], kind="stable")
    middle = np.cumsum(m2[mine][order]) - m2[mine][order] / 2
    out = np.empty(len(mine), dtype=object)
    out[order] = names[np.searchsorted(weights / weights[-1], middle / max(float(m2[mine].sum()), 1e-9))]
    return out


def shares_table(parcels: Parcels, inputs: Inputs, calibration: Calibration) -> pd.DataFrame:
    """What was asked and what came about: one row for each area and group, and for each total."""
    targets = target_areas(_only_given(parcels), inputs, calibration)
    whole = np.bincount(inputs.area, inputs.zone_m2, minlength=len(calibration.areas))
    got = np.zeros_like(targets)
    np.add.at(got, (parcels.area, parcels.group), parcels.m2)
    rows: list[dict[str, object]] = []
    for n, area in enumerate(calibration.areas):
        if whole[n] > 0:
            for k, group in enumerate(GROUPS):
                rows.append(_row(area.id, group, targets[n, k] / whole[n], got[n, k] / whole[n], whole[n]))
    for total in calibration.totals:
        mine = areas_of_total(total, inputs, calibration)
        if total.water is not None and mine.any():
            m2 = whole[mine].sum()
            rows.append(_row(total.id, "water", total.water, got[mine][:, WATER].sum() / m2, m2))
    return pd.DataFrame(rows)


def _only_given(parcels: Parcels) -> Parcels:
    """The parcels as they were before any group was chosen."""
    group = np.full(len(parcels), -1)
    group[parcels.pieces.water >= 0] = WATER
    group[(parcels.pieces.forest >= 0) & (parcels.kind == Kind.PLAIN)] = FOREST
    return replace(parcels, group=group)


def _row(area: str, group: str, target: float, achieved: float, m2: float) -> dict[str, object]:
    return {"area": area, "group": group, "target": target, "achieved": achieved, "area_km2": m2 / 1e6}
