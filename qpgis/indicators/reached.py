"""What indicators of coverage share: rules of reaching a target on foot or as the crow flies, and the share reached."""

from __future__ import annotations

from collections.abc import Mapping

from qpgis import parts
from qpgis.indicators.declaration import choose
from qpgis.parts import AnyLayer, Near, Part, Ratio, Rule, Walk

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


def rule_to(
    targets: AnyLayer,
    *,
    route: str,
    limit_m: float,
    roads: AnyLayer,
    others: tuple[AnyLayer | None, ...],
    water: AnyLayer | None,
    snap_within_m: float,
    detour: float = 1.0,
) -> Walk | Near:
    """Within a distance of a target.

    Parameters
    ----------
    targets : Layer
    route : str
        ``walk``: along roads, without motorways, and ``others``; the way from a door to them crosses neither water nor
        motorways. ``straight``: as the crow flies, and then ``limit_m / detour``.
    limit_m : float
        The longest walk.
    roads, others, water
        Layers; those of ``others`` and ``water`` may be absent.
    snap_within_m : float
        How far a door may be from its street.
    """
    if not choose(route, ROUTES, setting="route"):
        return parts.near(targets, limit_m=limit_m / detour)
    lines = (roads.where(WALKED), *(one for one in others if one is not None))
    barriers = tuple(one for one in (roads.where(("motorway",)), water) if one is not None)
    return parts.walk(targets, lines=lines, limit_m=limit_m, snap_within_m=snap_within_m, barriers=barriers)


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
