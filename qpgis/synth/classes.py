"""Which parcel is what: the best suited ones of each group, until the calibrated share is reached.

Weights without a name are chosen by eye: they move a group about, its share stays the calibrated one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from qpgis.crs import Floats
from qpgis.synth.calibration import GROUPS, Form, Total
from qpgis.synth.fields import Flags, Ints, Waves
from qpgis.synth.inputs import Inputs, Stage
from qpgis.synth.landscape import NEAR_TOWN, Landscape
from qpgis.synth.layout import Layout
from qpgis.synth.overlay import Pieces
from qpgis.synth.partition import Kind

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
        ``given``, ``river``, ``pond`` ... of water; ``country`` or ``town`` of roads; empty for others.
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
    def of(cls, pieces: Pieces, layout: Layout, landscape: Landscape) -> Parcels:
        """Measure the pieces; what is given has its group already."""
        inputs = landscape.inputs
        geometry = shapely.transform(pieces.geometry, inputs.lattice.to_plane)
        m2 = shapely.area(geometry)
        xy = shapely.get_coordinates(shapely.centroid(geometry))
        p = layout.partition
        family_m = np.zeros(p.families + 1)
        family_m[layout.ways.rows[:, 0]] = layout.road_m.rows
        kind = np.where(pieces.water >= 0, Kind.PLAIN, p.kind.rows[pieces.cell])
        town = landscape.town(xy)
        wet, wooded = pieces.water >= 0, (pieces.forest >= 0) & (kind == Kind.PLAIN)
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
            group=np.select([wet, wooded], [WATER, FOREST], -1),
            role=np.where(wet, "given", "").astype(object),
        )

    def __len__(self) -> int:
        return len(self.m2)

    def take(self, candidates: Flags, score: Floats, target_m2: float, group: str, role: str = "") -> None:
        """Give a group the candidates of highest score until its target is reached.

        The best are taken in order while they fit; the gap that is left goes to whichever of the next
        :data:`LOOKED_AT` fills it best.
        """
        index = np.flatnonzero(candidates)
        if not len(index) or target_m2 <= 0:
            return
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
        self.group[chosen] = GROUPS.index(group)
        self.role[chosen] = role


def classify(parcels: Parcels, landscape: Landscape) -> Floats:
    """Give every parcel a group; farmland is what is left. Returned are the :func:`target_areas`."""
    inputs = landscape.inputs
    targets = target_areas(parcels, inputs)
    noise = _noise(parcels, inputs.chance(Stage.GROUPS))
    fine, patchy = landscape.fine(parcels.xy), landscape.patchy(parcels.xy)
    for area in range(len(targets)):
        if (parcels.area == area).any():
            target = dict(zip(GROUPS, targets[area], strict=True))
            _Choice(parcels, area, target, inputs.calibration.form, fine, patchy, noise).of_all_groups()
    parcels.group[parcels.group < 0] = FARMLAND
    return targets


def _noise(parcels: Parcels, rng: np.random.Generator) -> Floats:
    """Three fields between about -1 and 1: by the parcel where parcels are large, in small patches where not."""
    white = rng.uniform(-1, 1, (len(parcels), 3))
    patches = np.clip(0.7 * Waves.random(rng, PATCH_M, components=3, waves=12)(parcels.xy), -1.4, 1.4)
    share = float(np.clip(np.sqrt(np.median(parcels.m2)) / PATCH_M - 0.15, 0.06, 1))
    return np.asarray(share * white + (1 - share) * patches)


def target_areas(parcels: Parcels, inputs: Inputs) -> Floats:
    """Area in m2 that each group shall have in each area, while only what is given has one: an array (areas, groups).

    Water is scaled to the totals; what is given counts. Where the rest doesn't leave room for all groups, they shrink
    alike.
    """
    whole = inputs.area_m2
    targets = np.column_stack([inputs.calibration.share(group) for group in GROUPS]) * whole[:, None]
    given = _group_m2(parcels, len(whole))
    wet = given[:, WATER]
    more = np.maximum(targets[:, WATER] - wet, 0)
    for total in inputs.calibration.totals:
        mine = areas_of_total(total, inputs)
        if total.water is None or not mine.any():
            continue
        wanted = max(total.water * whole[mine].sum() - wet[mine].sum(), 0.0)
        base = more[mine] if more[mine].sum() > 0 else whole[mine]
        more[mine] = base * wanted / base.sum()
    targets[:, WATER] = wet + more
    targets[:, FOREST] = np.maximum(targets[:, FOREST], given[:, FOREST])
    others = np.arange(len(GROUPS)) != WATER
    room = np.maximum(whole - targets[:, WATER], 0)
    asked = targets[:, others].sum(axis=1)
    targets[:, others] *= np.minimum(1, room / np.maximum(asked, 1e-9))[:, None]
    targets[:, FARMLAND] = np.maximum(whole - targets[:, :FARMLAND].sum(axis=1), 0)
    return np.asarray(targets)


def _group_m2(parcels: Parcels, areas: int) -> Floats:
    """What each group has by now in each area, m2: an array (areas, groups)."""
    got = np.zeros((areas, len(GROUPS)))
    done = parcels.group >= 0
    np.add.at(got, (parcels.area[done], parcels.group[done]), parcels.m2[done])
    return got


def areas_of_total(total: Total, inputs: Inputs) -> Flags:
    """The areas that a total adds up: none unless all its zones are there and its areas hold no others."""
    named = np.isin(inputs.ids, total.zones)
    count = len(inputs.area_m2)
    if named.sum() < len(set(total.zones)):
        return np.zeros(count, dtype=bool)
    zones = np.bincount(inputs.area, minlength=count)
    return (zones > 0) & (np.bincount(inputs.area, named, minlength=count) == zones)


@dataclass(frozen=True)
class _Choice:
    """The choice of groups for the parcels of one area, in the order in which places are chosen.

    Attributes
    ----------
    parcels : Parcels
        Those of all areas.
    area : int
        Which area.
    target : mapping
        What each group shall have there, m2.
    form : Form
        How the land looks.
    fine, patchy : arrays of float
        Fields of the landscape at the parcels.
    noise : array (parcels, 3)
        So that not every parcel is where it suits best.
    """

    parcels: Parcels
    area: int
    target: Mapping[str, float]
    form: Form
    fine: Floats
    patchy: Floats
    noise: Floats

    def of_all_groups(self) -> None:
        """Roads and water first, then towns, industry and villages, then the country."""
        self.roads()
        self.canals()
        self.towns()
        self.estates()
        parcels = self.parcels
        near = self.free(Kind.PLAIN) & (parcels.village < 1.6)
        parcels.take(near, -parcels.village + 0.1 * self.noise[:, 0], self.target["village"], "village")
        self.ponds()
        self.country()

    @property
    def mine(self) -> Flags:
        """Parcels of the area."""
        return self.parcels.area == self.area

    def free(self, kind: Kind) -> Flags:
        """Parcels of the area that were cut for something and have no group yet."""
        return self.mine & (self.parcels.group < 0) & (self.parcels.kind == kind)

    def missing(self, group: str) -> float:
        """What a group doesn't have yet, m2."""
        p = self.parcels
        return self.target[group] - float(p.m2[self.mine & (p.group == GROUPS.index(group))].sum())

    def smallness(self) -> Floats:
        """Above 0 for parcels smaller than the median: the natural logarithm of the ratio."""
        m2 = self.parcels.m2
        return -np.log(np.maximum(m2, 1) / max(float(np.median(m2)), 1.0))

    def roads(self) -> None:
        """Strips of the longest roads become road land, the next ones rural roads."""
        p = self.parcels
        p.take(self.free(Kind.ROAD), p.road_m, self.target["roads"], "roads", "country")
        built_up = np.minimum(p.town / NEAR_TOWN, p.village) < 1
        p.role[(p.group == GROUPS.index("roads")) & built_up] = "town"
        p.take(self.free(Kind.ROAD), p.road_m, self.target["rural_road"], "rural_road")

    def canals(self) -> None:
        """Strips made for water become rivers and ditches, wide ones first; some room is left for ponds."""
        p = self.parcels
        room = self.missing("water") * (1 - self.form.ponds)
        p.take(self.free(Kind.CANAL), p.width_m + 6 * self.noise[:, 0], room, "water", "canal")
        p.role[self.mine & (p.role == "canal") & (p.width_m >= self.form.river_from_m)] = "river"

    def ponds(self) -> None:
        """Ponds near lakes and in patches, fish ponds in clusters; canals where ponds don't suffice."""
        p = self.parcels
        near = 1.6 * np.exp(-p.shore_m / 900)
        small = 0.35 * self.smallness()
        score = near + 0.55 * self.patchy + 0.5 * self.noise[:, 1] + 0.5 * small - 0.8 * (p.town < 1.3)
        p.take(self.free(Kind.PLAIN), score, self.missing("water"), "water", "pond")
        p.role[self.mine & (p.role == "pond") & (self.patchy > 0.4)] = "fish_pond"
        p.take(self.free(Kind.CANAL), p.width_m, self.missing("water"), "water", "canal")

    def towns(self) -> None:
        """The ground of the towns, then what lies where in it; housing is what is left of it."""
        p, noise = self.parcels, self.noise
        scores = {
            "commerce": -1.3 * p.town + 0.35 * self.fine + 0.25 * noise[:, 0],
            "office": -1.2 * p.town + 0.4 * noise[:, 1],
            "service": -0.3 * p.town - 0.35 * self.fine + 0.6 * noise[:, 2],
            "park": 0.5 * self.patchy + 0.7 * noise[:, 0] - 0.3 * p.town,
            "utility": 0.6 * p.town + 0.6 * noise[:, 1],
        }
        whole = sum(self.target[group] for group in scores) + self.target["town_housing"]
        p.take(self.free(Kind.PLAIN), -p.town, whole, "town_housing")
        for group, score in scores.items():
            town = self.mine & (p.group == GROUPS.index("town_housing"))
            p.take(town, score, self.target[group], group)

    def estates(self) -> None:
        """Industry in a few large estates around the towns, logistics at their edges, idle land among them."""
        p, noise = self.parcels, self.noise
        for group, score in (
            ("industry", p.estate + 0.12 * noise[:, 1]),
            ("logistics", p.estate + 0.25 * noise[:, 2]),
            ("idle", p.estate + 0.7 * noise[:, 0]),
        ):
            p.take(self.free(Kind.PLAIN) & (p.village > 1), score, self.target[group], group)

    def country(self) -> None:
        """Woods, orchards, grass and farm buildings."""
        p, fine, patchy, noise = self.parcels, self.fine, self.patchy, self.noise
        strip = (p.kind != Kind.PLAIN).astype(float)
        small, shore_m = self.smallness(), p.shore_m
        scores = {
            "farm_facility": 0.8 * small + noise[:, 1] + 0.6 * (p.village < 2.5),
            "forest": 3 * strip + 0.8 * np.exp(-shore_m / 500) + 0.5 * fine + 0.35 * patchy + 0.7 * noise[:, 2],
            "orchard": -0.9 * patchy + 0.5 * noise[:, 0],
            "grass": 0.7 * small + 0.7 * np.exp(-shore_m / 300) + 0.8 * noise[:, 1],
        }
        for group, score in scores.items():
            p.take(self.mine & (p.group < 0), score, self.missing(group), group)


def codes(parcels: Parcels, landscape: Landscape) -> NDArray[np.object_]:
    """The land-use code of each parcel: by its role where that decides, else by the weights within its group."""
    inputs = landscape.inputs
    rng = inputs.chance(Stage.CODES)
    draw = np.clip(0.5 + 0.28 * landscape.patchy(parcels.xy) + rng.uniform(-0.2, 0.2, len(parcels)), 0, 1)
    out = np.full(len(parcels), "", dtype=object)
    given = parcels.role == "given"
    out[given] = inputs.waters.class_[parcels.pieces.water[given]]
    for number, group in enumerate(GROUPS):
        for role in np.unique(parcels.role[parcels.group == number].astype(str)):
            mine = np.flatnonzero((parcels.group == number) & (parcels.role == role) & ~given)
            mix = inputs.calibration.codes.get(f"{group}.{role}" if role else group)
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


def shares_table(parcels: Parcels, inputs: Inputs, targets: Floats) -> pd.DataFrame:
    """What was asked and what came about: one row for each area and group, and for each total."""
    whole, got = inputs.area_m2, _group_m2(parcels, len(targets))
    rows = [
        _row(area.id, group, targets[n, k] / whole[n], got[n, k] / whole[n], whole[n])
        for n, area in enumerate(inputs.calibration.areas)
        if whole[n] > 0
        for k, group in enumerate(GROUPS)
    ]
    for total in inputs.calibration.totals:
        mine = areas_of_total(total, inputs)
        if total.water is not None and mine.any():
            m2 = whole[mine].sum()
            rows.append(_row(total.id, "water", total.water, got[mine][:, WATER].sum() / m2, m2))
    return pd.DataFrame(rows)


def _row(area: str, group: str, target: float, achieved: float, m2: float) -> dict[str, object]:
    return {"area": area, "group": group, "target": target, "achieved": achieved, "area_km2": m2 / 1e6}
