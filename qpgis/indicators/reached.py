"""What indicators of coverage share: rules of reaching a target on foot or as the crow flies, and the share reached."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from qpgis import parts
from qpgis.errors import ConfigError
from qpgis.indicators.declaration import choose
from qpgis.parts import AnyLayer, AtLeast, Near, Part, Ratio, Rule, Sum, Walk, Zones

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


def rule_to(
    *targets: AnyLayer, streets: Streets, route: str, limit_m: float, detour: float = 1.0, beside_m: float = 0.0
) -> Walk | Near | AtLeast:
    """Within a distance of a target of any of some layers.

    Parameters
    ----------
    *targets : layers
    streets : Streets
    route : str
        ``walk``: along the streets; the way from a door to them crosses neither water nor motorways. ``straight``: as
        the crow flies, and then ``limit_m / detour``.
    limit_m : float
        The longest walk.
    beside_m : float
        By walks, 0: parcels are reached whole, at a point inside. Else so much ground beside the streets is reached.
    """
    if not choose(route, ROUTES, setting="route"):
        if detour < 1:
            raise ConfigError(f"detour = {detour:g}: no way is shorter than the straight line; it is 1 or more")
        rules: tuple[Walk | Near, ...] = tuple(parts.near(one, limit_m=limit_m / detour) for one in targets)
    else:
        roads, others, water, snap_within_m = streets
        lines = (roads.where(WALKED), *(one for one in others if one is not None))
        barriers = tuple(one for one in (roads.where(("motorway",)), water) if one is not None)
        rules = tuple(
            parts.walk(
                one,
                lines=lines,
                limit_m=limit_m,
                snap_within_m=snap_within_m,
                barriers=barriers,
                beside_m=beside_m,
            )
            for one in targets
        )
    return rules[0] if len(rules) == 1 else AtLeast(1, rules)


def in_park_radius(
    park: AnyLayer, *, large_m2: float, large_radius_m: float, small_m2: float, small_radius_m: float
) -> AtLeast:
    """Within the service radius of a park, which its size decides; polygons that touch are one park."""
    large = parts.near(park.of_size(large_m2), limit_m=large_radius_m)
    small = parts.near(park.of_size(small_m2, large_m2), limit_m=small_radius_m)
    return AtLeast(1, (large, small))


class Group(NamedTuple):
    """Some of those who are asked about, and the rule for them.

    Attributes
    ----------
    layers : tuple of Layer
        Their sums are added.
    rule : Rule
        What reaches them.
    """

    layers: tuple[AnyLayer | Zones, ...]
    rule: Rule


MEASURES: Mapping[str, Callable[..., Part]] = MappingProxyType(
    {"people": parts.people, "land": parts.area, "buildings": parts.count, "area": parts.area}
)
"""How is measured: people, by a layer's ``amount_field``; land, and the area of zones; buildings, each for one."""


def share_reached(measure: str, *groups: Group) -> Ratio:
    """The share of people, land or buildings for which the rule of their group holds.

    Parameters
    ----------
    measure : str
        A key of :data:`MEASURES`.
    *groups : Group
    """
    return Ratio(
        _sum(MEASURES[measure](layer, where=rule) for layers, rule in groups for layer in layers),
        _sum(MEASURES[measure](layer) for layers, _ in groups for layer in layers),
    )


def _sum(parts_: Iterable[Part]) -> Sum:
    return Sum(tuple(term for part in parts_ for term in part.terms()))
