"""Road density."""

from __future__ import annotations

from qpgis import parts
from qpgis.indicators.declaration import Definition, choose, indicator
from qpgis.parts import AnyLayer, Expression, Ratio, Zones

_STANDING = "表1 的 2.23 用哪些道路等级和分母未见规定；公式出自二手来源，各项均为可改的设定"

CLASSES = (
    "living_street",
    "motorway",
    "primary",
    "residential",
    "road",
    "secondary",
    "tertiary",
    "trunk",
    "unclassified",
)
"""Roads that count; ramps, service roads, tracks and paths are layers of their own and don't."""


@indicator(
    unit="km/km2",
    zh="路网密度",
    en="Road density",
    theme="roads",
    definitions=(
        Definition(
            "centreline",
            "道路中心线长度（双向分离的两幅路各算一半；不含匝道、小区内部路、田间路和步道）÷ 区域总面积（含水域）",
            "Centreline length (two carriageways count half each; no ramps, service roads, tracks, paths) ÷ total area",
            standing=_STANDING,
        ),
        Definition(
            "carriageway",
            "道路车行道长度（双向分离的两幅路各自计长；不含匝道、小区内部路、田间路和步道）÷ 区域总面积（含水域）",
            "Carriageway length (each carriageway by itself; no ramps, service roads, tracks or paths) ÷ total area",
            {"measure": "carriageway"},
            standing=_STANDING,
        ),
    ),
)
def road_density(
    zones: Zones,
    roads: AnyLayer,
    water: AnyLayer,
    construction: AnyLayer,
    *,
    classes: tuple[str, ...] = CLASSES,
    denominator: str = "total",
    measure: str = "centreline",
    water_classes: str = "rivers_lakes_reservoirs",
    opposite_within_m: float = 40.0,
) -> Ratio:
    """Length of roads over area (路网密度), in km/km2.

    Formula: ``length(roads of the classes) / area(denominator)``; geodesic length, a stretch on a border half to each
    side. Only roads that are there (现状) count.

    Parameters
    ----------
    classes : tuple of str
        Road classes that count.
    denominator : str
        ``total`` (the zone), ``land`` (without the water of ``water_classes``) or ``construction`` (建设用地).
    measure : str
        ``centreline``: the part of a one-way road within ``opposite_within_m`` of an opposite one-way of the same
        class, and of the same ref or name where both have one, counts half. ``carriageway``: every line counts whole.
    water_classes : str
        Which water is not land, for the denominator ``land``.
    opposite_within_m : float
        How far the opposite carriageway may be.
    """
    counted = roads.where(classes)
    lengths = {
        "centreline": lambda: parts.centreline_length(counted, opposite_within_m=opposite_within_m),
        "carriageway": lambda: parts.length(counted),
    }

    def land() -> Expression:
        return parts.area(zones) - parts.area(water.where(water_classes))

    areas = {"total": lambda: parts.area(zones), "land": land, "construction": lambda: parts.area(construction)}
    return Ratio(choose(measure, lengths, setting="measure")(), choose(denominator, areas, setting="denominator")())
