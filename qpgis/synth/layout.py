"""Laying out the land: roads and canals first, then villages, then fields, blocks and plots."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import shapely
from numpy.typing import NDArray

from qpgis.crs import Floats
from qpgis.synth.calibration import ROAD_CLASSES, Calibration
from qpgis.synth.fields import Ints, Totals, Warp
from qpgis.synth.inputs import Inputs
from qpgis.synth.landscape import NEAR_TOWN, Landscape
from qpgis.synth.partition import Growing, Kind, Partition

MOST_STRIPS = 0.13
"""At most this share of the parcels are strips of road."""
BLOCK_PARCELS = 4.2
"""A block between roads has at least so many parcels."""
TRIALS = 4
CANALS = 0.33
"""So many of the roads in the country that have land of their own have a canal beside them."""
ROAD_RESERVE = 1.1
"""So much more land is set aside for roads than wanted: the rest becomes belts of trees."""
TOWN_STREETS = 1.6
"""Streets in towns are so many times as dense as elsewhere."""
FULL = 1.45
"""A cell is cut while it is wanted to hold more than this, give or take."""
MOST_CANALS = 0.05
"""At most this share of the parcels are canals dug through blocks."""
CUT_BY_BORDERS = 0.75
"""A border makes so many parcels more for each cell's width that it is long."""
ROUNDS = 4
"""Blocks are cut in at most so many rounds."""
STRIP_ASPECT = 3.0
"""Fields are about so many times as long as wide."""
PARCELS = {"field": 1.0, "town": 3.2, "estate": 1.5, "village": 7.0, "shore": 1.5}
"""Parcels on the same ground, compared with fields."""


@dataclass
class Layout:
    """The land cut into cells, and which lines are roads.

    Attributes
    ----------
    partition : Partition
        The cells.
    ways : Growing (roads, 3)
        Family and the two lines between which each road runs.
    road_m : Growing (roads,)
        Length of each cut that is a road.
    block : array of int
        Number of road-bounded cells.
    """

    partition: Partition
    ways: Growing = field(default_factory=lambda: Growing(3, np.int64))
    road_m: Growing = field(default_factory=lambda: Growing(0, np.float64))

    def strips(
        self, cells: Ints, axis: Ints, at: tuple[Floats, Floats], widths: Floats, kinds: NDArray[np.int8]
    ) -> tuple[Ints, Ints]:
        """Cut cells in two with strips between: the far halves, and the families of the cuts.

        Parameters
        ----------
        widths : array (cells, strips)
            Metres; no strip at all where there are no columns.
        kinds : array (cells, strips)
            What each strip is.
        """
        p = self.partition
        along = np.where(axis == 0, *p.sizes(cells))
        crossing = np.where(axis == 1, *p.sizes(cells))
        families = p.new_families(len(cells))
        first = len(p.line_ends)
        total = widths.sum(axis=1) / along
        chance = p.chance.rows[cells]
        near, far = at[0] - total / 2, at[1] - total / 2
        rest = p.cut(cells, axis, near, far, families, np.mod(chance * 7.31 + 0.317, 1))
        p.chance.rows[cells] = np.mod(chance * 5.77 + 0.571, 1)
        left = 1 - near, 1 - far
        for n in range(widths.shape[1]):
            strip = rest
            share = widths[:, n] / along
            rest = p.cut(strip, axis, share / left[0], share / left[1], families, p.chance.rows[strip])
            left = left[0] - share, left[1] - share
            p.kind.rows[strip], p.owner.rows[strip] = kinds[:, n], families
        made = np.arange(first, len(p.line_ends)).reshape(widths.shape[1] + 1, len(cells)).T
        is_road = np.ones(len(cells), dtype=bool) if not widths.shape[1] else (kinds == Kind.ROAD).any(axis=1)
        place = np.argmax(kinds == Kind.ROAD, axis=1) if widths.shape[1] else np.zeros(len(cells), dtype=np.int64)
        row = np.arange(len(cells))
        pair = np.column_stack([families, made[row, place], made[row, np.minimum(place + 1, widths.shape[1])]])
        self.ways.add(pair[is_road])
        self.road_m.add(crossing[is_road])
        return rest, families


@dataclass(frozen=True)
class RoadPlan:
    """How roads are laid: how many, and how wide.

    Attributes
    ----------
    blocks : Totals
        How many road-bounded blocks there are to be within a rectangle.
    least_m : float
        Shorter roads get no strip of land.
    widen : array of float
        Factor of the usual widths, for each area of the calibration.
    canals : float
        Share of the strips that have a canal beside them.
    deepen : array of float
        Factor of the usual widths of canals, for each area.
    area_of : array of int
        The area that each zone is in; last, for what lies outside, the first.
    """

    blocks: Totals
    least_m: float
    widen: Floats
    canals: float
    deepen: Floats
    area_of: Ints


def usual_width(length_m: Floats) -> Floats:
    """Width of a road's land by the length of its cut, metres: long roads are main roads.

    >>> usual_width(np.array([500.0, 30_000.0])).round(1).tolist()
    [9.1, 40.0]
    """
    return np.clip(9 * (np.maximum(length_m, 1) / 480) ** 0.38, 6, 40)


def lay_roads(warp: Warp, bounds: Floats, plan: RoadPlan, rng: np.random.Generator, landscape: Landscape) -> Layout:
    """Cut the whole along roads until the blocks are small enough; every road ends on another one."""
    layout = Layout(Partition.whole(warp, bounds))
    p = layout.partition
    active = np.array([0])
    while len(active):
        box, area, centre = p.outlines(active)
        box_m2 = (box[:, 2] - box[:, 0]) * (box[:, 3] - box[:, 1])
        wanted = plan.blocks.within(box) * area / np.maximum(box_m2, 1e-9)
        cut = wanted > FULL * (0.75 + 0.5 * p.chance.rows[active])
        cells, centre = active[cut], centre[cut]
        if not len(cells):
            break
        first, second = p.sizes(cells)
        axis = np.where(first * rng.uniform(0.85, 1.18, len(cells)) > second, 0, 1)
        along, crossing = np.where(axis == 0, first, second), np.where(axis == 0, second, first)
        middle = 0.5 + rng.uniform(-0.15, 0.15, len(cells))
        at = (middle + rng.uniform(-0.045, 0.045, len(cells)), middle + rng.uniform(-0.045, 0.045, len(cells)))
        here = landscape.grid.at(landscape.zone, centre)
        width = np.minimum(usual_width(crossing) * plan.widen[plan.area_of[here]], 60.0)
        canal = np.where(rng.uniform(0, 1, len(cells)) < 0.3, 22.0, 12.0) * rng.uniform(0.7, 1.6, len(cells))
        canal *= plan.deepen[plan.area_of[here]]
        draw, flip = rng.uniform(0, 1, len(cells)), rng.uniform(0, 1, len(cells)) < 0.5
        has_strip = (crossing >= plan.least_m) & (width < 0.2 * along)
        rural = landscape.town(centre) > 0.6
        has_canal = has_strip & (draw < plan.canals) & (width + canal < 0.25 * along) & rural
        made = [cells]
        for columns, mine in enumerate((~has_strip, has_strip & ~has_canal, has_canal)):
            if not mine.any():
                continue
            widths, kinds = _strip_columns(columns, width[mine], canal[mine], flip[mine])
            made.append(layout.strips(cells[mine], axis[mine], (at[0][mine], at[1][mine]), widths, kinds)[0])
        active = np.concatenate(made)
    return layout


def _strip_columns(columns: int, road: Floats, canal: Floats, flip: NDArray[np.bool_]) -> tuple[Floats, NDArray]:
    """Widths and kinds of no strip, a road, or a road and a canal on either side."""
    if columns == 0:
        return np.empty((len(road), 0)), np.empty((len(road), 0), dtype=np.int8)
    if columns == 1:
        return road[:, None], np.full((len(road), 1), Kind.ROAD, dtype=np.int8)
    widths, kinds = (
        np.column_stack([road, canal]),
        np.tile(np.array([Kind.ROAD, Kind.CANAL], dtype=np.int8), (len(road), 1)),
    )
    widths[flip], kinds[flip] = widths[flip][:, ::-1], kinds[flip][:, ::-1]
    return widths, kinds


def plan_roads(
    inputs: Inputs, calibration: Calibration, landscape: Landscape, warp: Warp, parcels: int, seed: int
) -> RoadPlan:
    """Find the density of blocks and the widths with which the calibrated lengths and road land come about.

    Roads are laid :data:`TRIALS` times on trial; each trial uses the same random numbers.
    """
    grid = landscape.grid
    area_of = np.append(inputs.area, 0)
    inside = (landscape.zone >= 0) & ~landscape.wet
    wanted = np.array([sum(a.roads.get(c, 0) for c in ROAD_CLASSES) for a in calibration.areas])
    zone_km2 = np.bincount(inputs.area, inputs.zone_m2, minlength=len(calibration.areas)) / 1e6
    target_m = wanted * zone_km2 * 1000
    here = area_of[landscape.zone]
    town = landscape.raster(landscape.town(grid.centres)) < NEAR_TOWN
    density = np.where(inside, np.where(town, TOWN_STREETS, 1.0), 0.0)
    weight = np.bincount(here.ravel(), density.ravel(), minlength=len(wanted)) * grid.pixel_m**2 / 1e6
    density *= (target_m / 1000 / np.maximum(weight, 1e-9))[here]
    factor, most = np.ones(len(wanted)), parcels / BLOCK_PARCELS
    bounds = shapely.total_bounds(inputs.plane_zones)
    usual = np.ones(len(wanted))
    for _ in range(TRIALS):
        blocks = Totals(grid, (density * factor[here] / 2) ** 2 / 1e6)
        if blocks.whole > most:
            factor *= float(np.sqrt(most / blocks.whole))
            blocks = Totals(grid, (density * factor[here] / 2) ** 2 / 1e6)
        plan = RoadPlan(blocks, np.inf, usual, 0.0, usual, area_of)
        trial = lay_roads(warp, bounds, plan, np.random.Generator(np.random.PCG64([seed, 2])), landscape)
        lengths = _inner_lengths(trial, landscape, area_of, len(usual))
        factor *= np.clip(target_m / np.maximum(lengths.sum(axis=0), 1e-9), 0.5, 2.0)
    whole = trial.road_m.rows
    order = np.argsort(-whole, kind="stable")
    kept = order[: int(MOST_STRIPS * parcels)]
    least = float(whole[kept].min()) - 1e-6 if len(kept) else np.inf
    share = np.array([a.shares.get("roads", 0) + a.shares.get("rural_road", 0) for a in calibration.areas])
    covered = usual_width(whole[kept]) @ lengths[kept]
    widen = np.clip(share * zone_km2 * 1e6 * ROAD_RESERVE / np.maximum(covered, 1e-9), 0.5, 6.0)
    return RoadPlan(
        plan.blocks, least, widen, CANALS, _deepening(inputs, calibration, landscape, lengths[kept]), area_of
    )


def _deepening(inputs: Inputs, calibration: Calibration, landscape: Landscape, lengths: Floats) -> Floats:
    """How much wider than usual canals are in each area, so that they hold their part of its water."""
    count = len(calibration.areas)
    zone_m2 = np.bincount(inputs.area, inputs.zone_m2, minlength=count)
    wet = landscape.zone[landscape.wet & (landscape.zone >= 0)]
    given = np.bincount(inputs.area[wet], minlength=count) * landscape.grid.pixel_m**2
    wanted = np.maximum(np.array([a.shares.get("water", 0) for a in calibration.areas]) * zone_m2 - given, 0)
    usual = CANALS * 17.0 * lengths.sum(axis=0) * 1.7
    return np.asarray(np.clip(0.8 * wanted / np.maximum(usual, 1e-9), 0.6, 3.2))


def _inner_lengths(layout: Layout, landscape: Landscape, area_of: Ints, areas: int) -> Floats:
    """Length of each road in each area, outside reference waters, by points along it: an array (roads, areas)."""
    p = layout.partition
    ends = p.line_ends.rows[layout.ways.rows[:, 1]]
    start, end = p.flat.rows[ends[:, 0]], p.flat.rows[ends[:, 1]]
    metres = np.hypot(*(end - start).T)
    inside = np.zeros((len(ends), areas))
    steps = 24
    for n in range(steps):
        xy = p.warp(start + (n + 0.5) / steps * (end - start))
        zone = landscape.grid.at(landscape.zone, xy)
        there = np.flatnonzero((zone >= 0) & ~landscape.grid.at(landscape.wet, xy))
        inside[there, area_of[zone[there]]] += 1
    return metres[:, None] * inside / steps


def place_villages(
    layout: Layout, inputs: Inputs, calibration: Calibration, landscape: Landscape, rng: np.random.Generator
) -> None:
    """Villages beside roads in the country, as much ground in each area as its village land asks for."""
    p = layout.partition
    ends = p.line_ends.rows[layout.ways.rows[:, 1]]
    start, end = p.flat.rows[ends[:, 0]], p.flat.rows[ends[:, 1]]
    metres = np.hypot(*(end - start).T)
    if not len(metres):
        return
    land_m2 = float(inputs.zone_m2.sum())
    mean_m2 = float(np.clip(land_m2 / 700, 3_000, 90_000))
    wanted = np.array([a.shares.get("village", 0) for a in calibration.areas])
    area_m2 = np.bincount(inputs.area, inputs.zone_m2, minlength=len(calibration.areas)) * wanted
    tries = int(np.clip(30 * area_m2.sum() / mean_m2, 50, 300_000))
    way = rng.choice(len(metres), tries, p=metres / metres.sum())
    t = rng.uniform(0.02, 0.98, tries)
    across = np.column_stack([-(end - start)[way, 1], (end - start)[way, 0]]) / np.maximum(metres[way], 1)[:, None]
    radius = np.sqrt(mean_m2 * rng.lognormal(-0.15, 0.55, tries) / np.pi)
    offset = rng.choice([-1.0, 1.0], tries) * radius * rng.uniform(0.3, 0.8, tries)
    flat = start[way] + t[:, None] * (end - start)[way] + offset[:, None] * across
    xy = p.warp(flat)
    axes = p.warp(flat + 0.5 * (end - start)[way] / np.maximum(metres[way], 1)[:, None]) - xy
    axes /= np.hypot(*axes.T)[:, None]
    zone = landscape.grid.at(landscape.zone, xy)
    good = (zone >= 0) & ~landscape.grid.at(landscape.wet, xy) & (landscape.town(xy) > 1.15)
    good &= landscape.estate(xy, landscape.town(xy)) < 0.9
    keep = _apart(xy[good], 3.2 * radius[good])
    xy, radius, area_of = xy[good][keep], radius[good][keep], inputs.area[zone[good][keep]]
    taken = np.zeros(len(xy), dtype=bool)
    for number in range(len(calibration.areas)):
        mine = np.flatnonzero(area_of == number)
        ground = np.cumsum(np.pi * radius[mine] ** 2)
        taken[mine[ground <= 1.15 * area_m2[number]]] = True
    landscape.villages, landscape.village_radii = xy[taken], radius[taken]
    landscape.village_axes = axes[good][keep][taken]


def _apart(xy: Floats, reach: Floats) -> NDArray[np.bool_]:
    """Points none of which lies within its reach of an earlier one that is kept, nearly: one round of thinning."""
    if not len(xy):
        return np.zeros(0, dtype=bool)
    points = shapely.points(xy)
    a, b = shapely.STRtree(points).query(points, predicate="dwithin", distance=reach)
    keep = np.ones(len(xy), dtype=bool)
    for _ in range(3):
        blocked = (b < a) & keep[b] & keep[a]
        earlier = np.zeros(len(xy), dtype=bool)
        earlier[a[blocked]] = True
        sure = keep & ~earlier
        beaten = np.zeros(len(xy), dtype=bool)
        beaten[a[(b < a) & sure[b]]] = True
        keep &= ~beaten
    still = np.zeros(len(xy), dtype=bool)
    still[a[(b < a) & keep[b] & keep[a]]] = True
    return keep & ~still


def lay_parcels(layout: Layout, landscape: Landscape, parcels: int, rng: np.random.Generator, plan: RoadPlan) -> None:
    """Cut the blocks into fields, town blocks and village plots; some cuts in the country become canals.

    It is done in rounds, with ever more parcels wanted, until there are about as many as asked for.
    """
    weight = _weights(landscape)
    whole = max(float(weight.sum()) * landscape.grid.pixel_m**2, 1e-9)
    left = 0.72 * max(parcels - _inner_cells(layout, landscape), 0.3 * parcels)
    longest = max(1200.0, 8 * float(np.sqrt(landscape_m2(landscape) / parcels)))
    cut_long_strips(layout, longest)
    canals = int(MOST_CANALS * parcels)
    for _ in range(ROUNDS):
        canals -= _cut_blocks(layout, landscape, Totals(landscape.grid, weight * (left / whole)), rng, plan, canals)
        cut_long_strips(layout, longest)
        missing = parcels - _inner_cells(layout, landscape)
        if missing < 0.01 * parcels:
            break
        left *= 1 + 0.8 * missing / max(parcels - missing, 1)


def _inner_cells(layout: Layout, landscape: Landscape) -> int:
    """About how many parcels the cells make, once borders and shores cut them."""
    centre = layout.partition.outlines(np.arange(len(layout.partition)))[2]
    inside = (landscape.grid.at(landscape.zone, centre) >= 0) & ~landscape.grid.at(landscape.wet, centre)
    count = float(inside.sum())
    return int(count + CUT_BY_BORDERS * landscape.fixed_m * np.sqrt(count / landscape_m2(landscape)))


def _weights(landscape: Landscape) -> Floats:
    """How many parcels there are to be on the same ground, compared with fields: a raster."""
    xy = landscape.grid.centres
    town = landscape.town(xy)
    weight = np.full(len(xy), PARCELS["field"])
    weight[landscape.to_shore(xy) < 450] = PARCELS["shore"]
    weight[landscape.estate(xy, town) > 0.9] = PARCELS["estate"]
    weight[town < NEAR_TOWN] = PARCELS["town"]
    weight[landscape.village(xy) < 1.1] = PARCELS["village"]
    weight = landscape.raster(weight)
    weight[(landscape.zone < 0) | landscape.wet] = 0
    return weight


def _cut_blocks(
    layout: Layout, landscape: Landscape, wanted: Totals, rng: np.random.Generator, plan: RoadPlan, most_canals: int
) -> int:
    """Cut every plain cell until it is wanted to hold one parcel; how many canals were dug."""
    p = layout.partition
    active = np.flatnonzero(p.kind.rows == Kind.PLAIN)
    dug = 0
    while len(active):
        box, area, centre = p.outlines(active)
        box_m2 = (box[:, 2] - box[:, 0]) * (box[:, 3] - box[:, 1])
        need = wanted.within(box) * area / np.maximum(box_m2, 1e-9)
        cut = need > FULL * (0.75 + 0.5 * p.chance.rows[active])
        cells, centre, need = active[cut], centre[cut], need[cut]
        if not len(cells):
            break
        country = (landscape.town(centre) > NEAR_TOWN) & (landscape.village(centre) > 1.3)
        axis, at, along, crossing = _field_cuts(p, cells, need, country, rng)
        here = landscape.grid.at(landscape.zone, centre)
        width = np.exp(rng.uniform(np.log(7), np.log(26), len(cells))) * plan.deepen[plan.area_of[here]]
        draw = rng.uniform(0, 1, len(cells))
        canal = country & (crossing > 250) & (width < 0.12 * along) & (draw < 0.55)
        canal[np.flatnonzero(canal)[max(most_canals - dug, 0) :]] = False
        dug += int(canal.sum())
        active = np.concatenate([cells, *_halves(layout, cells, axis, at, width, canal, rng)])
    return dug


def _field_cuts(
    p: Partition, cells: Ints, need: Floats, country: NDArray[np.bool_], rng: np.random.Generator
) -> tuple[Ints, tuple[Floats, Floats], Floats, Floats]:
    """How cells are cut: axis, where on both edges, and their lengths along and across the cut edges."""
    first, second = p.sizes(cells)
    rows = country & _as_rows(need, np.minimum(first, second) / np.maximum(first, second))
    axis = np.where((first > second) ^ rows, 0, 1)
    along, crossing = np.where(axis == 0, first, second), np.where(axis == 0, second, first)
    middle = 0.5 + np.where(country, 0.06, 0.13) * rng.uniform(-1, 1, len(cells))
    skew = np.where(country, 0.02, 0.045)
    at = (middle + skew * rng.uniform(-1, 1, len(cells)), middle + skew * rng.uniform(-1, 1, len(cells)))
    return axis, at, along, crossing


def _halves(
    layout: Layout,
    cells: Ints,
    axis: Ints,
    at: tuple[Floats, Floats],
    width: Floats,
    canal: NDArray[np.bool_],
    rng: np.random.Generator,
) -> list[Ints]:
    """Cut cells, with a canal between the halves where there is to be one; the second halves."""
    p = layout.partition
    made = []
    thin = ~canal
    if thin.any():
        count = int(thin.sum())
        chance = rng.uniform(0, 1, count)
        made.append(p.cut(cells[thin], axis[thin], at[0][thin], at[1][thin], np.full(count, -1), chance))
    if canal.any():
        kinds = np.full((int(canal.sum()), 1), Kind.CANAL, dtype=np.int8)
        made.append(
            layout.strips(cells[canal], axis[canal], (at[0][canal], at[1][canal]), width[canal][:, None], kinds)[0]
        )
    return made


def _as_rows(need: Floats, slim: Floats) -> NDArray[np.bool_]:
    """Whether a field cell is cut along its long side: into rows first, later into strips across the rows.

    Sliced across its long side into ``need`` strips, these are ``need * slim`` times as long as wide; along it,
    ``need / slim`` times.
    """
    across, along = np.maximum(need * slim, 1e-9), need / slim
    closer = np.abs(np.log(along / STRIP_ASPECT)) < np.abs(np.log(across / STRIP_ASPECT))
    return (across > 1.6 * STRIP_ASPECT) | (closer & (along < 1.5 * STRIP_ASPECT))


def landscape_m2(landscape: Landscape) -> float:
    """Area of the zones, by pixels."""
    return float((landscape.zone >= 0).sum()) * landscape.grid.pixel_m**2


def cut_long_strips(layout: Layout, most_m: float) -> None:
    """Cut strips across until none is longer than ``most_m``."""
    p = layout.partition
    active = np.flatnonzero(p.kind.rows != Kind.PLAIN)
    while len(active):
        first, second = p.sizes(active)
        long = np.maximum(first, second) > most_m
        cells = active[long]
        if not len(cells):
            break
        half = np.full(len(cells), 0.5)
        axis = np.where(first > second, 0, 1)[long]
        made = p.cut(cells, axis, half, half, np.full(len(cells), -1), p.chance.rows[cells])
        active = np.concatenate([cells, made])
