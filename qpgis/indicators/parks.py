"""Parks and the people they are for."""

from __future__ import annotations

from qpgis import parts
from qpgis.errors import ConfigError
from qpgis.indicators.declaration import Definition, choose, indicator
from qpgis.indicators.reached import ROUTES, Group, Streets, in_park_radius, rule_to, share_reached
from qpgis.parts import AnyLayer, Ratio, Zones

_NO_FORMULA = "没有查到规定的公式；人口口径为常住人口；以相接的公园绿地为一个公园，为本工具的做法"


@indicator(
    unit="people/count",
    zh="每个公园服务人口",
    en="People per park",
    theme="land",
    definitions=(
        Definition(
            "residents",
            "常住人口 ÷ 2000 m² 以上的公园个数（相接的公园绿地为一个，以其内一点所在分区计）",
            "Residents ÷ parks of 2000 m² or more (polygons that touch are one, counted where a point inside lies)",
            standing=_NO_FORMULA,
        ),
        Definition(
            "residents_reached",
            "公园服务半径内的常住人口（5000 m² 以上 500 m，2000–5000 m² 300 m）÷ 2000 m² 以上的公园个数",
            "Residents within the service radius of a park (500 m from 5000 m², 300 m from 2000 m² on) ÷ such parks",
            {"counted": "reached"},
            standing=_NO_FORMULA,
        ),
    ),
)
def people_per_park(
    zones: Zones,
    park: AnyLayer,
    residents: AnyLayer,
    *,
    counted: str = "all",
    large_m2: float = 5000.0,
    large_radius_m: float = 500.0,
    small_m2: float = 2000.0,
    small_radius_m: float = 300.0,
) -> Ratio:
    """How many people there are to a park (每个公园服务人口).

    Formula: ``people / count(parks)``. Parks are polygons of ``small_m2`` or more, those that touch being one, counted
    in the zone of a point inside. Missing where there is no park.

    Parameters
    ----------
    counted : str
        ``all`` people of the zone, or those ``reached``: within the service radius of a park, also of one beyond the
        zone's border.
    large_m2, large_radius_m, small_m2, small_radius_m : float
        As of the service radius of parks (公园绿地服务半径覆盖率).
    """
    reached = in_park_radius(
        park, large_m2=large_m2, large_radius_m=large_radius_m, small_m2=small_m2, small_radius_m=small_radius_m
    )
    where = choose(counted, {"all": None, "reached": reached}, setting="counted")
    return Ratio(parts.people(residents, where=where), parts.count(park.of_size(small_m2).united()))


_FIVE_MINUTES = "市级国土空间总体规划编制指南一类文件的指标“公园绿地、广场步行5分钟覆盖率”"
_WALK = "步行 5 分钟内可到达 400 m² 以上公园绿地、广场边缘（沿路网，步速 1.2 m/s）"
_BY_NAME = "名称见于编制指南；400 m²、步速和从边缘任一处进入均未核对原文，为可改的设定；广场取地类中的广场用地"


@indicator(
    unit="%",
    zh="公园绿地、广场步行5分钟覆盖率",
    en="Parks and squares within a 5-minute walk",
    theme="land",
    definitions=(
        Definition(
            "residential_land",
            f"{_WALK}的住宅用地（按图斑，以图斑内一点计）÷ 住宅用地",
            "Residential parcels (by a point inside) within a 5-minute walk of parks or squares of 400 m² ÷ such land",
            source=_FIVE_MINUTES,
            standing=_BY_NAME,
        ),
        Definition(
            "people",
            f"{_WALK}的常住人口 ÷ 常住人口",
            "Residents within a 5-minute walk of the edge of a park or square of 400 m² ÷ residents",
            {"measured": "people"},
            source=_FIVE_MINUTES,
            standing=f"{_BY_NAME}；编制指南以用地计，以人口计为对照",
            competes=False,
        ),
        Definition(
            "people_straight",
            "直线 277 m（5 分钟步程 ÷ 绕行系数 1.3）内有 400 m² 以上公园绿地、广场的常住人口 ÷ 常住人口",
            "Residents with a park or square of 400 m² within 277 m (5 minutes ÷ detour 1.3) straight ÷ residents",
            {"measured": "people", "route": "straight"},
            source=_FIVE_MINUTES,
            standing=f"{_BY_NAME}；没有路网时的近似",
            competes=False,
        ),
    ),
)
def park_walk_5min(
    zones: Zones,
    park: AnyLayer,
    residential: AnyLayer,
    residents: AnyLayer,
    roads: AnyLayer,
    optional: AnyLayer | None = None,
    path: AnyLayer | None = None,
    track: AnyLayer | None = None,
    service: AnyLayer | None = None,
    water: AnyLayer | None = None,
    *,
    measured: str = "land",
    least_m2: float = 400.0,
    minutes: float = 5.0,
    speed_m_s: float = 1.2,
    route: str = "walk",
    detour: float = 1.3,
    snap_within_m: float = 300.0,
    door_every_m: float = 25.0,
) -> Ratio:
    """Who has a park or square within a short walk (公园绿地、广场步行5分钟覆盖率), in %.

    Formula: ``100 * area(residential parcels within minutes * speed of a park) / area(residential land)``, or people in
    place of land. Range 0 to 100. Walks are those of the living circle, to the nearest place on the edge of a park:
    gates aren't known. Polygons that touch are one park; those beyond the zone's border count.

    Parameters
    ----------
    measured : str
        ``land``: parcels, by walks whole or not at all; or ``people``.
    least_m2 : float
        Smaller parks and squares don't count.
    minutes, speed_m_s : float
        The longest walk.
    route : str
        ``walk``, or ``straight``: the walk divided by ``detour``, as the crow flies from the edge; no streets are
        needed.
    detour : float
        How much longer ways are than straight lines.
    snap_within_m : float
        How far a home or the edge of a park may be from its street.
    door_every_m : float
        How far apart the places are at which a park may be entered.
    """
    if not door_every_m > 0:
        raise ConfigError(f"door_every_m = {door_every_m:g} must be above 0")
    squares = () if optional is None else (optional.where(("plaza",)),)
    targets = [one.of_size(least_m2) for one in (park, *squares)]
    if choose(route, ROUTES, setting="route"):
        targets = [one.doors(every_m=door_every_m) for one in targets]
    streets = Streets(roads, (path, track, service), water, snap_within_m)
    near = rule_to(*targets, streets=streets, route=route, limit_m=minutes * 60 * speed_m_s, detour=detour)
    homes = choose(measured, {"land": residential, "people": residents}, setting="measured")
    return share_reached(measured, Group((homes,), near))
