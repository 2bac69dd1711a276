"""A whole synthetic landscape: parcels, streets, residents and facilities for any zones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import shapely

from qpgis.crs import LONLAT, Geometries
from qpgis.errors import ConfigError
from qpgis.provenance import Grade
from qpgis.synth import classes
from qpgis.synth.calibration import GROUPS, Calibration
from qpgis.synth.fields import Warp
from qpgis.synth.inputs import Inputs, Stage, check_numbers, gather
from qpgis.synth.landscape import Landscape
from qpgis.synth.layout import Layout, lay_parcels, lay_roads, place_villages, plan_roads
from qpgis.synth.overlay import overlay
from qpgis.synth.partition import Kind
from qpgis.synth.people import Facilities, Residents, equip, settle
from qpgis.synth.streets import Streets, network, with_footpaths

if TYPE_CHECKING:
    import geopandas as gpd

EXISTING = "现状"


COARSE_PARCELS = 100_000
"""Up to so many parcels may lie on the lattice of 6 decimals."""


@dataclass(frozen=True)
class Synthetic:
    """A synthetic landscape; nothing in it is real but what was given. Everything is in EPSG:4326.

    Attributes
    ----------
    landuse : GeoDataFrame
        Parcels that tile the zones, a valid coverage: ``id``, ``code`` (三调), ``name`` and ``ref`` (of reference
        waters and forests, else empty), ``zone_id``, ``grade``.
    roads : GeoDataFrame
        Centre lines, split at junctions: ``id``, ``name``, ``class``, ``oneway``, ``plan_status``, ``ref`` (of given
        roads), ``grade``. One connected component for each connected part of the zones.
    residents : GeoDataFrame
        Points on residential parcels: ``id``, ``residents``, ``zone_id``, ``grade``.
    facilities : GeoDataFrame
        Points: ``id``, ``class``, ``name``, ``grade``, and ``floor_m2`` where the calibration knows it of every class.
    shares : DataFrame
        What was asked and what came about: ``area``, ``group``, ``target``, ``achieved`` (shares of the area) and
        ``area_km2``.
    seed : int
        Where chance began.
    calibration : str
        Id of the calibration.
    """

    landuse: gpd.GeoDataFrame = field(repr=False)
    roads: gpd.GeoDataFrame = field(repr=False)
    residents: gpd.GeoDataFrame = field(repr=False)
    facilities: gpd.GeoDataFrame = field(repr=False)
    shares: pd.DataFrame = field(repr=False)
    seed: int
    calibration: str

    def __repr__(self) -> str:
        return (
            f"<Synthetic {self.calibration}, seed {self.seed}: {len(self.landuse)} parcels, {len(self.roads)} streets, "
            f"{int(self.residents['residents'].sum())} residents, {len(self.facilities)} facilities>"
        )

    @property
    def tangled(self) -> int:
        """How many parcels don't fit a neighbour to the last unit; none but for a few of a million very small ones."""
        return int((~shapely.is_empty(shapely.coverage_invalid_edges(self.landuse.geometry.to_numpy()))).sum())

    @property
    def layers(self) -> dict[str, gpd.GeoDataFrame]:
        """The four layers by the names of their files."""
        return {
            "landuse": self.landuse,
            "roads": self.roads,
            "residents": self.residents,
            "facilities": self.facilities,
        }


def synthesise(
    zones: gpd.GeoDataFrame,
    *,
    seed: int,
    parcels: int,
    calibration: Calibration,
    water: gpd.GeoDataFrame | None = None,
    forest: gpd.GeoDataFrame | None = None,
    roads: gpd.GeoDataFrame | None = None,
    seats: gpd.GeoDataFrame | None = None,
    id_field: str = "zone_id",
    digits: int = 7,
) -> Synthetic:
    """A seeded synthetic tessellation of land use, with streets, residents and facilities, for any zones.

    The plane is cut recursively into four-cornered cells (roads, canals, blocks, fields), bent a little, and cut by
    what is given. Parcels of each group are the best suited ones until the group's share of its area is reached. The
    same arguments give the same result, another seed another map.

    Parameters
    ----------
    zones : GeoDataFrame
        Polygons that don't overlap, in any declared system.
    seed : int
        From 0.
    parcels : int
        How many parcels, about.
    calibration : Calibration
        What it adds up to, see :func:`read_calibration`.
    water : GeoDataFrame, optional
        Reference waters with ``class`` (``id`` and ``name`` where there are any): kept as they are.
    forest : GeoDataFrame, optional
        Reference forests: what is neither water nor road in them is forest.
    roads : GeoDataFrame, optional
        Backbone with ``class`` (``id`` and ``name`` where there are any): kept as it is, clipped to the zones, split
        where it is joined to the network. Motorways are joined only at interchanges: where they cross another given
        road or a main street, at most as often as the calibration says.
    seats : GeoDataFrame, optional
        Town centres; by default one point in each zone.
    id_field : str
        Column of the zones.
    digits : int
        Decimals of a degree: 7 (about 1 cm), or 6 (about 10 cm) where smaller files matter more than exact areas. More
        than 100,000 parcels take 7: on a coarser lattice slim ones would tangle.

    Raises
    ------
    ConfigError
        If a number or a column can't be used, or the calibration names a class that isn't known.
    CRSError
        If a layer doesn't state a usable reference system.
    ZoneError
        If zones have no area, overlap, or share an id.
    LayerError
        If a layer is empty, lies outside the zones or lacks a column.
    """
    check_numbers(seed, parcels, digits)
    if not isinstance(calibration, Calibration):
        raise ConfigError(f"calibration: a Calibration is wanted, not {calibration!r}; see read_calibration")
    given = {"water": water, "forest": forest, "roads": roads, "seats": seats}
    digits = digits if parcels <= COARSE_PARCELS else 7
    inputs = gather(zones, id_field, given, calibration=calibration, seed=seed, digits=digits)
    layout, landscape = _laid_out(inputs, parcels)
    measured = classes.Parcels.of(overlay(layout.partition, inputs), layout, landscape)
    targets = classes.classify(measured, landscape)
    codes = classes.codes(measured, landscape)
    residents = settle(measured, inputs)
    water = measured.pieces.geometry[measured.group == GROUPS.index("water")]
    streets = with_footpaths(network(layout, landscape), residents.xy, water, inputs)
    facilities = equip(measured, codes, residents, streets, inputs)
    order, landuse = _landuse_frame(measured, codes, inputs)
    return Synthetic(
        landuse=landuse,
        roads=_roads_frame(streets, inputs),
        residents=_residents_frame(residents, measured, order, inputs),
        facilities=_facilities_frame(facilities, inputs),
        shares=classes.shares_table(measured, inputs, targets),
        seed=seed,
        calibration=calibration.id,
    )


def _laid_out(inputs: Inputs, parcels: int) -> tuple[Layout, Landscape]:
    """The land cut into roads, canals and cells, and the landscape that it follows."""
    rng = inputs.chance(Stage.LANDSCAPE)
    landscape = Landscape.around(inputs, parcels, rng)
    warp = Warp.random(rng, inputs.bounds)
    plan = plan_roads(landscape, warp, parcels)
    layout = lay_roads(warp, plan, landscape)
    place_villages(layout, landscape, rng)
    lay_parcels(layout, landscape, parcels, plan, rng)
    layout.partition.share_vertices_across_strips()
    return layout, landscape


def _frame(columns: Mapping[str, object], geometry: Geometries) -> gpd.GeoDataFrame:
    import geopandas as gpd

    return gpd.GeoDataFrame({**columns, "grade": Grade.SYNTHETIC.value}, geometry=geometry, crs=LONLAT)


def _numbered(prefix: str, count: int) -> np.ndarray:
    return np.array([f"{prefix}{n + 1}" for n in range(count)], dtype=object)


def _or_empty(words: np.ndarray, which: np.ndarray) -> np.ndarray:
    """The words that are meant, empty for -1."""
    return np.append(words, "")[which]


def _landuse_frame(parcels: classes.Parcels, codes: np.ndarray, inputs: Inputs) -> tuple[np.ndarray, gpd.GeoDataFrame]:
    """The parcels, zone by zone from the south-west, and their order."""
    corner = shapely.bounds(parcels.pieces.geometry)[:, :2]
    order = np.lexsort((corner[:, 0], corner[:, 1], parcels.pieces.zone))
    pieces = parcels.pieces.take(order)
    refs = _or_empty(inputs.waters.ref, pieces.water)
    wooded = (pieces.forest >= 0) & (parcels.kind[order] == Kind.PLAIN)
    refs[wooded] = inputs.forests.ref[pieces.forest[wooded]]
    columns = {
        "id": _numbered("", len(order)),
        "code": codes[order],
        "name": _or_empty(inputs.waters.name, pieces.water),
        "ref": refs,
        "zone_id": np.array(inputs.ids, dtype=object)[pieces.zone],
    }
    polygons = shapely.transform(shapely.normalize(pieces.geometry), inputs.lattice.to_degrees)
    return order, _frame(columns, polygons)


def _roads_frame(streets: Streets, inputs: Inputs) -> gpd.GeoDataFrame:
    columns = {
        "id": _numbered("s", len(streets)),
        "name": _or_empty(inputs.roads.name, streets.given),
        "class": streets.class_,
        "oneway": np.full(len(streets), "", dtype=object),
        "plan_status": np.full(len(streets), EXISTING, dtype=object),
        "ref": _or_empty(inputs.roads.ref, streets.given),
    }
    return _frame(columns, shapely.transform(streets.lines, inputs.lattice.to_degrees))


def _residents_frame(
    residents: Residents, parcels: classes.Parcels, order: np.ndarray, inputs: Inputs
) -> gpd.GeoDataFrame:
    """Residents in the order of the parcels that they live on."""
    sorting = np.argsort(np.argsort(order)[residents.parcel], kind="stable")
    columns = {
        "id": _numbered("r", len(sorting)),
        "residents": residents.count[sorting],
        "zone_id": np.array(inputs.ids, dtype=object)[parcels.pieces.zone[residents.parcel[sorting]]],
    }
    return _frame(columns, shapely.points(inputs.lattice.to_degrees(residents.xy[sorting])))


def _facilities_frame(facilities: Facilities, inputs: Inputs) -> gpd.GeoDataFrame:
    columns = {
        "id": _numbered("f", len(facilities.xy)),
        "class": facilities.class_,
        "name": facilities.name,
    }
    if not np.isnan(facilities.floor_m2).any():
        columns["floor_m2"] = facilities.floor_m2
    return _frame(columns, shapely.points(inputs.lattice.to_degrees(facilities.xy)))
