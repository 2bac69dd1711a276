"""Laying out the land: roads and canals first, then villages, then fields, blocks and plots.

Numbers without a name are chosen by eye: they change the picture, not what the calibration asks for.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import shapely
from numpy.typing import NDArray

from qpgis.crs import Floats
from qpgis.synth.calibration import ROAD_CLASSES, Form
from qpgis.synth.fields import Flags, Ints, Totals, Warp
from qpgis.synth.inputs import Stage
from qpgis.synth.landscape import NEAR_TOWN, Landscape
from qpgis.synth.partition import Growing, Kind, Partition

MOST_STRIPS = 0.13
"""At most this share of the parcels are strips of road."""
BLOCK_PARCELS = 4.2
"""A block between roads has at least so many parcels."""
TRIALS = 4
"""Roads are laid so many times on trial to find the density that gives the calibrated lengths."""
SAMPLES = 24
"""Points along a road that tell where it runs."""
ROAD_RESERVE = 1.1
"""So much more land is set aside for roads than wanted: the rest becomes belts of trees."""
WIDEST_ROAD_M = 60.0
FULL = 1.45
"""A cell is cut while it is wanted to hold more than this, give or take."""
MOST_CANALS = 0.05
"""At most this share of the parcels are canals dug through blocks."""
CUT_BY_BORDERS = 0.75
"""A border makes so many parcels more for each cell's width that it is long."""
ROUNDS = 4
"""Blocks are cut in at most so many rounds."""
PARCELS = {"field": 1.0, "town": 3.2, "estate": 1.5, "village": 7.0, "shore": 1.5}
"""Parcels on the same ground, compared with fields."""
ESTATE = 0.9
"""Where land suits industry better than this, there are plots for it, and no villages."""
LEAST = 1e-9
"""Stands for 0 under a fraction."""


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
        Length of each cut that is a road, metres.
    """

    partition: Partition
    ways: Growing = field(default_factory=lambda: Growing(3, np.int64))
    road_m: Growing = field(default_factory=lambda: Growing(0, np.float64))

    def strips(
        self, cells: Ints, axis: Ints, at: tuple[Floats, Floats], widths: Floats, kinds: NDArray[np.int8]
    ) -> Ints:
        """Cut cells in two with strips between; the far halves. A cut without strips is a road.

        Parameters
        ----------
        widths : array (cells, strips)
            Metres; no strip at all where there are no columns.
        kinds : array (cells, strips)
            What each strip is.
        """
        p, columns = self.partition, widths.shape[1]
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
        for n in range(columns):
            strip = rest
            share = widths[:, n] / along
            rest = p.cut(strip, axis, share / left[0], share / left[1], families, p.chance.rows[strip])
            left = left[0] - share, left[1] - share
            p.kind.rows[strip], p.owner.rows[strip] = kinds[:, n], families
        lines = np.arange(first, len(p.line_ends)).reshape(columns + 1, len(cells)).T
        road = kinds == Kind.ROAD if columns else np.ones((len(cells), 1), dtype=bool)
        is_road, place, row = road.any(axis=1), road.argmax(axis=1), np.arange(len(cells))
        sides = np.column_stack([families, lines[row, place], lines[row, np.minimum(place + 1, columns)]])
        self.ways.add(sides[is_road])
        self.road_m.add(crossing[is_road])
        return rest

    def roads(self) -> tuple[Floats, Floats, Floats]:
        """Start and end of each road in straight coordinates, and its length in metres."""
        p = self.partition
        ends = p.line_ends.rows[self.ways.rows[:, 1]]
        start, end = p.flat.rows[ends[:, 0]], p.flat.rows[ends[:, 1]]
        return start, end, np.hypot(*(end - start).T)


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
        Share of the strips in the country that have a canal beside them.
    deepen : array of float
        Factor of the usual widths of canals, for each area.
    """

    blocks: Totals
    least_m: float
    widen: Floats
    canals: float
    deepen: Floats


def usual_width(length_m: Floats, form: Form) -> Floats:
    """Width of a road's land by the length of its cut, metres: long roads are main roads."""
    return np.clip(9 * (np.maximum(length_m, 1) / 480) ** 0.38, *form.road_land_m)


def lay_roads(warp: Warp, plan: RoadPlan, landscape: Landscape) -> Layout:
    """Cut the whole along roads until the blocks are small enough; every road ends on another one."""
    rng = landscape.inputs.chance(Stage.ROADS)
    layout = Layout(Partition.whole(warp, landscape.inputs.bounds))
    active = np.array([0])
    while len(active):
        cells, centre, _ = _overfull(layout.partition, active, plan.blocks)
        active = np.concatenate([cells, *_cut_along_roads(layout, cells, centre, plan, landscape, rng)])
    return layout


def _cut_along_roads(
    layout: Layout, cells: Ints, centre: Floats, plan: RoadPlan, landscape: Landscape, rng: np.random.Generator
) -> list[Ints]:
    """Cut cells in two, roughly across their longer sides, with land for main roads and canals; the far halves."""
    form = landscape.inputs.calibration.form
    first, second = layout.partition.sizes(cells)
    axis = np.where(first * rng.uniform(0.85, 1.18, len(cells)) > second, 0, 1)
    along, crossing = np.where(axis == 0, first, second), np.where(axis == 0, second, first)
    near, far = _places(0.15, 0.045, len(cells), rng)
    area = landscape.area_at(centre)
    width = np.minimum(usual_width(crossing, form) * plan.widen[area], WIDEST_ROAD_M)
    usual_m, great_m = form.canal_beside_road_m
    canal = np.where(rng.uniform(0, 1, len(cells)) < 0.3, great_m, usual_m) * rng.uniform(0.7, 1.6, len(cells))
    canal *= plan.deepen[area]
    draw, flip = rng.uniform(0, 1, len(cells)), rng.uniform(0, 1, len(cells)) < 0.5
    has_strip = (crossing >= plan.least_m) & (width < 0.2 * along)
    rural = landscape.town(centre) > 0.6
    has_canal = has_strip & (draw < plan.canals) & (width + canal < 0.25 * along) & rural
    made = []
    for columns, mine in enumerate((~has_strip, has_strip & ~has_canal, has_canal)):
        if mine.any():
            widths, kinds = _strip_columns(columns, width[mine], canal[mine], flip[mine])
            made.append(layout.strips(cells[mine], axis[mine], (near[mine], far[mine]), widths, kinds))
    return made


def _overfull(p: Partition, cells: Ints, wanted: Totals) -> tuple[Ints, Floats, Floats]:
    """The cells that are wanted to hold more than one, give or take; their centres, and how many each is to hold."""
    box, m2, centre = p.outlines(cells)
    box_m2 = (box[:, 2] - box[:, 0]) * (box[:, 3] - box[:, 1])
    need = wanted.within(box) * m2 / np.maximum(box_m2, LEAST)
    cut = need > FULL * (0.75 + 0.5 * p.chance.rows[cells])
    return cells[cut], centre[cut], need[cut]


def _places(off: Floats | float, skew: Floats | float, count: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Where cuts meet two opposite edges (shares of their lengths): near the middle, and not quite parallel."""
    middle = 0.5 + off * rng.uniform(-1, 1, count)
    return middle + skew * rng.uniform(-1, 1, count), middle + skew * rng.uniform(-1, 1, count)


def _strip_columns(columns: int, road: Floats, canal: Floats, flip: Flags) -> tuple[Floats, NDArray[np.int8]]:
    """Widths and kinds of no strip, a road, or a road and a canal on either side."""
    widths = np.column_stack([road, canal])[:, :columns]
    kinds = np.tile(np.array([Kind.ROAD, Kind.CANAL], dtype=np.int8), (len(road), 1))[:, :columns]
    if columns == 2:
        widths[flip], kinds[flip] = widths[flip][:, ::-1], kinds[flip][:, ::-1]
    return widths, kinds


def plan_roads(landscape: Landscape, warp: Warp, parcels: int) -> RoadPlan:
    """Find the density of blocks and the widths with which the calibrated lengths and road land come about.

    Roads are laid :data:`TRIALS` times on trial; each trial uses the same random numbers.
    """
    grid, inputs = landscape.grid, landscape.inputs
    form, areas = inputs.calibration.form, len(inputs.calibration.areas)
    here = inputs.area_at(landscape.zone)
    target_km = inputs.calibration.road_density(*ROAD_CLASSES) * inputs.area_m2 / 1e6
    density = _relative_density(landscape)
    weight = np.bincount(here.ravel(), density.ravel(), minlength=areas) * grid.pixel_m**2 / 1e6
    density *= (target_km / np.maximum(weight, LEAST))[here]
    factor, usual, most = np.ones(areas), np.ones(areas), parcels / BLOCK_PARCELS
    for _ in range(TRIALS):
        blocks = Totals(grid, (density * factor[here] / 2) ** 2 / 1e6)
        if blocks.whole > most:
            factor *= float(np.sqrt(most / blocks.whole))
            blocks = Totals(grid, (density * factor[here] / 2) ** 2 / 1e6)
        trial = lay_roads(warp, RoadPlan(blocks, np.inf, usual, 0.0, usual), landscape)
        lengths = _inner_lengths(trial, landscape)
        factor *= np.clip(1000 * target_km / np.maximum(lengths.sum(axis=0), LEAST), 0.5, 2.0)
    whole = trial.road_m.rows
    kept = np.argsort(-whole, kind="stable")[: int(MOST_STRIPS * parcels)]
    least = float(whole[kept].min()) - 1e-6 if len(kept) else np.inf
    covered = usual_width(whole[kept], form) @ lengths[kept]
    road_m2 = inputs.calibration.share("roads", "rural_road") * inputs.area_m2
    widen = np.clip(road_m2 * ROAD_RESERVE / np.maximum(covered, LEAST), 0.5, 6.0)
    return RoadPlan(blocks, least, widen, form.canal_beside_road, _deepening(landscape, lengths[kept]))


def _relative_density(landscape: Landscape) -> Floats:
    """Density of roads on each pixel, compared with the country; 0 outside the zones and in water."""
    town = landscape.raster(landscape.town(landscape.grid.centres)) < NEAR_TOWN
    inside = (landscape.zone >= 0) & ~landscape.wet
    return np.where(inside, np.where(town, landscape.inputs.calibration.form.town_streets, 1.0), 0.0)


def _deepening(landscape: Landscape, lengths: Floats) -> Floats:
    """How much wider than usual canals are in each area, so that they hold their part of its water."""
    inputs = landscape.inputs
    wet = landscape.zone[landscape.wet & (landscape.zone >= 0)]
    given = np.bincount(inputs.area[wet], minlength=len(inputs.area_m2)) * landscape.grid.pixel_m**2
    wanted = np.maximum(inputs.calibration.share("water") * inputs.area_m2 - given, 0)
    form = inputs.calibration.form
    usual = form.canal_beside_road * float(np.mean(form.canal_beside_road_m)) * lengths.sum(axis=0) * 1.7
    return np.asarray(np.clip(0.8 * wanted / np.maximum(usual, LEAST), 0.6, 3.2))


def _inner_lengths(layout: Layout, landscape: Landscape) -> Floats:
    """Length of each road in each area, outside reference waters, by points along it: an array (roads, areas)."""
    start, end, metres = layout.roads()
    inside = np.zeros((len(metres), len(landscape.inputs.area_m2)))
    for n in range(SAMPLES):
        xy = layout.partition.warp(start + (n + 0.5) / SAMPLES * (end - start))
        there = np.flatnonzero(landscape.is_land(xy))
        inside[there, landscape.area_at(xy[there])] += 1
    return metres[:, None] * inside / SAMPLES


def place_villages(layout: Layout, landscape: Landscape, rng: np.random.Generator) -> None:
    """Villages beside roads in the country, as much ground in each area as its village land asks for."""
    if not len(layout.ways):
        return
    inputs = landscape.inputs
    mean_m2 = float(np.clip(inputs.zone_m2.sum() / 700, *inputs.calibration.form.village_m2))
    wanted_m2 = inputs.area_m2 * inputs.calibration.share("village")
    tries = int(np.clip(30 * wanted_m2.sum() / mean_m2, 50, 300_000))
    xy, axes, radius = _village_sites(layout, mean_m2, tries, rng)
    town = landscape.town(xy)
    good = landscape.is_land(xy) & (town > 1.15) & (landscape.estate(xy, town) < ESTATE)
    xy, axes, radius = xy[good], axes[good], radius[good]
    keep = _apart(xy, 3.2 * radius)
    xy, axes, radius = xy[keep], axes[keep], radius[keep]
    area = landscape.area_at(xy)
    taken = np.zeros(len(xy), dtype=bool)
    for number in range(len(wanted_m2)):
        mine = np.flatnonzero(area == number)
        ground = np.cumsum(np.pi * radius[mine] ** 2)
        taken[mine[ground <= 1.15 * wanted_m2[number]]] = True
    landscape.villages, landscape.village_axes, landscape.village_radii = xy[taken], axes[taken], radius[taken]


def _village_sites(
    layout: Layout, mean_m2: float, count: int, rng: np.random.Generator
) -> tuple[Floats, Floats, Floats]:
    """Places beside roads: in the plane, with the direction of the road and how far a village would reach (metres)."""
    start, end, metres = layout.roads()
    way = rng.choice(len(metres), count, p=metres / metres.sum())
    t = rng.uniform(0.02, 0.98, count)
    along = (end - start)[way]
    unit = along / np.maximum(metres[way], 1)[:, None]
    across = np.column_stack([-unit[:, 1], unit[:, 0]])
    radius = np.sqrt(mean_m2 * rng.lognormal(-0.15, 0.55, count) / np.pi)
    offset = rng.choice([-1.0, 1.0], count) * radius * rng.uniform(0.3, 0.8, count)
    flat = start[way] + t[:, None] * along + offset[:, None] * across
    xy = layout.partition.warp(flat)
    axes = layout.partition.warp(flat + 0.5 * unit) - xy
    return xy, axes / np.hypot(*axes.T)[:, None], radius


def _apart(xy: Floats, reach: Floats) -> Flags:
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


def lay_parcels(layout: Layout, landscape: Landscape, parcels: int, plan: RoadPlan, rng: np.random.Generator) -> None:
    """Cut the blocks into fields, town blocks and village plots; some cuts in the country become canals.

    It is done in rounds, with ever more parcels wanted, until there are about as many as asked for.
    """
    weight = _weights(landscape)
    whole = max(float(weight.sum()) * landscape.grid.pixel_m**2, LEAST)
    left = 0.72 * max(parcels - _inner_cells(layout, landscape), 0.3 * parcels)
    longest = max(1200.0, 8 * float(np.sqrt(landscape.m2 / parcels)))
    cut_long_strips(layout, longest)
    canals = int(MOST_CANALS * parcels)
    for _ in range(ROUNDS):
        wanted = Totals(landscape.grid, weight * (left / whole))
        canals -= _cut_blocks(layout, landscape, wanted, plan, canals, rng)
        cut_long_strips(layout, longest)
        missing = parcels - _inner_cells(layout, landscape)
        if missing < 0.01 * parcels:
            break
        left *= 1 + 0.8 * missing / max(parcels - missing, 1)


def _inner_cells(layout: Layout, landscape: Landscape) -> int:
    """About how many parcels the cells make, once borders and shores cut them."""
    centre = layout.partition.outlines(np.arange(len(layout.partition)))[2]
    count = float(landscape.is_land(centre).sum())
    return int(count + CUT_BY_BORDERS * landscape.fixed_m * np.sqrt(count / landscape.m2))


def _weights(landscape: Landscape) -> Floats:
    """How many parcels there are to be on the same ground, compared with fields: a raster."""
    xy = landscape.grid.centres
    town = landscape.town(xy)
    weight = np.full(len(xy), PARCELS["field"])
    weight[landscape.to_shore(xy) < 450] = PARCELS["shore"]
    weight[landscape.estate(xy, town) > ESTATE] = PARCELS["estate"]
    weight[town < NEAR_TOWN] = PARCELS["town"]
    weight[landscape.village(xy) < 1.1] = PARCELS["village"]
    weight = landscape.raster(weight)
    weight[(landscape.zone < 0) | landscape.wet] = 0
    return weight


def _cut_blocks(
    layout: Layout, landscape: Landscape, wanted: Totals, plan: RoadPlan, most_canals: int, rng: np.random.Generator
) -> int:
    """Cut every plain cell until it is wanted to hold one parcel; how many canals were dug."""
    p, form = layout.partition, landscape.inputs.calibration.form
    active = np.flatnonzero(p.kind.rows == Kind.PLAIN)
    dug = 0
    while len(active):
        cells, centre, need = _overfull(p, active, wanted)
        if not len(cells):
            break
        country = (landscape.town(centre) > NEAR_TOWN) & (landscape.village(centre) > 1.3)
        first, second = p.sizes(cells)
        rows = country & _as_rows(need, np.minimum(first, second) / np.maximum(first, second), form.field_aspect)
        axis = np.where((first > second) ^ rows, 0, 1)
        along, crossing = np.where(axis == 0, first, second), np.where(axis == 0, second, first)
        at = _places(np.where(country, 0.06, 0.13), np.where(country, 0.02, 0.045), len(cells), rng)
        narrow, wide = form.canal_in_fields_m
        width = np.exp(rng.uniform(np.log(narrow), np.log(wide), len(cells)))
        width *= plan.deepen[landscape.area_at(centre)]
        draw = rng.uniform(0, 1, len(cells))
        canal = country & (crossing > 250) & (width < 0.12 * along) & (draw < 0.55)
        canal[np.flatnonzero(canal)[max(most_canals - dug, 0) :]] = False
        dug += int(canal.sum())
        active = np.concatenate([cells, *_halves(layout, cells, axis, at, np.where(canal, width, 0), rng)])
    return dug


def _halves(
    layout: Layout, cells: Ints, axis: Ints, at: tuple[Floats, Floats], canal_m: Floats, rng: np.random.Generator
) -> list[Ints]:
    """Cut cells, with a canal between the halves where it has a width; the second halves."""
    p = layout.partition
    near, far = at
    made = []
    dry, wet = np.flatnonzero(canal_m == 0), np.flatnonzero(canal_m > 0)
    if len(dry):
        chance = rng.uniform(0, 1, len(dry))
        made.append(p.cut(cells[dry], axis[dry], near[dry], far[dry], np.full(len(dry), -1), chance))
    if len(wet):
        kinds = np.full((len(wet), 1), Kind.CANAL, dtype=np.int8)
        made.append(layout.strips(cells[wet], axis[wet], (near[wet], far[wet]), canal_m[wet, None], kinds))
    return made


def _as_rows(need: Floats, slim: Floats, aspect: float) -> Flags:
    """Whether a field cell is cut along its long side: into rows first, later into strips across the rows.

    Sliced across its long side into ``need`` strips, these are ``need * slim`` times as long as wide; along it,
    ``need / slim`` times. ``aspect`` is what fields are to have.
    """
    across, along = np.maximum(need * slim, LEAST), need / slim
    closer = np.abs(np.log(along / aspect)) < np.abs(np.log(across / aspect))
    return (across > 1.6 * aspect) | (closer & (along < 1.5 * aspect))


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
