"""What indicators of coverage share: rules of reaching a target on foot or as the crow flies, and the share reached."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from qpgis import parts
from qpgis.indicators.declaration import choose
from qpgis.parts import AnyLayer, AtLeast, Near, Part, Ratio, Rule, Walk

WALKED = (
    "living_street",
    "path",
    "primary",
    "residential",
    "road",
    "secondary",
    "service",
    "tertiary",
    "track",
    "trunk",
    "unclassified",
    "village_road",
)
"""Roads that are walked on: all but motorways and ramps."""
ROUTES = {"straight": False, "walk": True}
"""The words for how a distance is measured; whether along the streets."""


class Streets(NamedTuple):
    """What is walked on, and how doors are joined to it.

    Attributes
    ----------
    roads : Layer
        Those of classes that are walked on; its motorways are barriers.
    others : tuple of Layer or None
        Paths, tracks and the like; they may be absent.
    water : Layer or None
        A barrier.
    snap_within_m : float
        How far a door may be from its street.
    """

    roads: AnyLayer
    others: tuple[AnyLayer | None, ...]
    water: AnyLayer | None
    snap_within_m: float


def rule_to(targets: AnyLayer, *, streets: Streets, route: str, limit_m: float, detour: float = 1.0) -> Walk | Near:
    """Within a distance of a target.

    Parameters
    ----------
    targets : Layer
    streets : Streets
    route : str
        ``walk``: along the streets; the way from a door to them crosses neither water nor motorways. ``straight``: as
        the crow flies, and then ``limit_m / detour``.
    limit_m : float
        The longest walk.
    """
    if not choose(route, ROUTES, setting="route"):
        return parts.near(targets, limit_m=limit_m / detour)
    roads, others, water, snap_within_m = streets
    lines = (roads.where(WALKED), *(one for one in others if one is not None))
    barriers = tuple(one for one in (roads.where(("motorway",)), water) if one is not None)
    return parts.walk(targets, lines=lines, limit_m=limit_m, snap_within_m=snap_within_m, barriers=barriers)


def in_park_radius(
    park: AnyLayer, *, large_m2: float, large_radius_m: float, small_m2: float, small_radius_m: float
) -> AtLeast:
    """Within the service radius of a park, which its size decides; polygons that touch are one park."""
    large = parts.near(park.of_size(large_m2), limit_m=large_radius_m)
    small = parts.near(park.of_size(small_m2, large_m2), limit_m=small_radius_m)
    return AtLeast(1, (large, small))


def share_reached(rule: Rule, measured: str, layers: Mapping[str, AnyLayer]) -> Ratio:
    """The share of people, or of the ground of another layer, that a rule holds for.

    Parameters
    ----------
    rule : Rule
    measured : str
        A key of ``layers``.
    layers : mapping
        ``people``: who is counted by the ``amount_field``; other keys: polygons, measured by their area.
    """
    layer = choose(measured, layers, setting="measured")

    def measure(where: Rule | None) -> Part:
        return parts.people(layer, where=where) if measured == "people" else parts.area(layer, where=where)

    return Ratio(measure(rule), measure(None))
