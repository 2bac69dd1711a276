"""Living circles: who reaches the services of everyday life on foot."""

from __future__ import annotations

from functools import partial

from qpgis.errors import ConfigError
from qpgis.indicators.declaration import Definition, choose, indicator
from qpgis.indicators.facilities import of_each, offered
from qpgis.indicators.reached import Group, Streets, rule_to, share_reached
from qpgis.landuse import facility_walks, required_services
from qpgis.parts import AnyLayer, AtLeast, Near, Ratio, Rule, Walk, Zones

_UNCONFIRMED = "没有唯一的公式（按人口、住宅用地、面积等各有做法）；未经主管部门确认"
_FIVE = "卫生、养老、教育、文化、体育五类"
_VILLAGE = "卫生、养老、文化、体育、村民中心五类"
_SOURCE = "TD/T 1062-2021 社区生活圈规划技术指南（五类服务、15 分钟）；覆盖率公式未见规定"
_RURAL = f"乡村清单按 TD/T 1062 乡村层级理解，清单未核对原文；{_UNCONFIRMED}"
_LEVELS = "城乡按居民点（图斑）的类别，居民点无类别的取其所在住宅用地的类别，不明的不计"
_LEVELS_EN = "by the class of residents, or of the residential land that they live on; of neither where it isn't known"
_BY_CLASS = "TD/T 1063-2021 国土空间规划城市体检评估规程的分项时间（二手来源，未核对原文）；覆盖率公式未见规定"


def _circle(
    name: str, zh: str, en: str, standing: str = _UNCONFIRMED, *, competes: bool = True, **settings: object
) -> Definition:
    return Definition(name, zh, en, settings, source=_SOURCE, standing=standing, competes=competes)


def _by_one(service: str, name: str, en: str) -> Definition:
    return _circle(
        f"people_{service}",
        f"步行 15 分钟内可到达{name}设施的常住人口 ÷ 常住人口（沿路网，步速 1.2 m/s）",
        f"Residents within a 15-minute walk of {en} ÷ residents (along the streets, 1.2 m/s)",
        competes=False,
        required=(service,),
    )


@indicator(
    unit="%",
    zh="社区15分钟生活圈覆盖率",
    en="15-minute living circle",
    theme="services",
    definitions=(
        _circle(
            "people_all",
            f"步行 15 分钟内{_FIVE}设施都能到达的常住人口 ÷ 常住人口（沿路网，步速 1.2 m/s）",
            "Residents within a 15-minute walk of all five services ÷ residents (along the streets, 1.2 m/s)",
        ),
        _by_one("medical", "卫生", "health care"),
        _by_one("elderly", "养老", "care for the elderly"),
        _by_one("education", "教育", "schools"),
        _by_one("culture", "文化", "culture"),
        _by_one("sports", "体育", "sports"),
        _circle(
            "people_four_of_five",
            f"步行 15 分钟内{_FIVE}中至少四类可到达的常住人口 ÷ 常住人口",
            "Residents within a 15-minute walk of at least four of the five services ÷ residents",
            at_least=4,
        ),
        _circle(
            "people_urban",
            f"步行 15 分钟内{_FIVE}设施都能到达的城镇常住人口 ÷ 城镇常住人口（{_LEVELS}）",
            f"Townspeople within a 15-minute walk of all five services ÷ townspeople ({_LEVELS_EN})",
            competes=False,
            level="urban",
        ),
        _circle(
            "people_rural",
            f"步行 15 分钟内村级{_VILLAGE}设施都能到达的乡村常住人口 ÷ 乡村常住人口（{_LEVELS}）",
            f"Villagers within a 15-minute walk of all five village-level services ÷ villagers ({_LEVELS_EN})",
            _RURAL,
            competes=False,
            level="rural",
        ),
        _circle(
            "people_by_level",
            f"步行 15 分钟内本层级设施都能到达的常住人口（城镇按{_FIVE}，乡村按村级{_VILLAGE}）÷ 常住人口（{_LEVELS}）",
            f"Residents within a 15-minute walk of all services of their level ÷ residents (level {_LEVELS_EN})",
            _RURAL,
            level="each",
        ),
        _circle(
            "land_all",
            f"步行 15 分钟内{_FIVE}设施都能到达的住宅用地（按图斑，以图斑内一点计）÷ 住宅用地",
            "Residential parcels (by a point inside) within a 15-minute walk of all five services ÷ residential land",
            measured="land",
        ),
        _circle(
            "land_urban",
            f"步行 15 分钟内{_FIVE}设施都能到达的城镇住宅用地（按图斑，以图斑内一点计）÷ 城镇住宅用地",
            "Parcels of town housing (by a point inside) within a 15-minute walk of all five services ÷ town housing",
            competes=False,
            measured="land",
            level="urban",
        ),
        _circle(
            "land_rural",
            f"步行 15 分钟内村级{_VILLAGE}设施都能到达的农村宅基地（按图斑，以图斑内一点计）÷ 农村宅基地",
            "Village parcels (by a point inside) within a 15-minute walk of five village services ÷ village housing",
            _RURAL,
            competes=False,
            measured="land",
            level="rural",
        ),
        _circle(
            "buildings_all",
            f"步行 15 分钟内{_FIVE}设施都能到达的住宅建筑（按幢，以建筑内一点计）÷ 住宅建筑幢数",
            "Residential buildings (by a point inside) within a 15-minute walk of all five services ÷ such buildings",
            measured="buildings",
        ),
        _circle(
            "area_all",
            f"步行 15 分钟内{_FIVE}设施都能到达的范围（可达路段及其两侧 50 m）÷ 地区总面积",
            "Ground within a 15-minute walk of all five services (streets and 50 m beside them) ÷ total area",
            competes=False,
            measured="area",
        ),
        _circle(
            "people_all_straight",
            f"直线 831 m（15 分钟步程 ÷ 绕行系数 1.3）内有{_FIVE}设施的常住人口 ÷ 常住人口；没有路网时的近似",
            "Residents with all five services within 831 m as the crow flies (15 minutes ÷ detour 1.3) ÷ residents",
            route="straight",
        ),
    ),
)
def living_circle_15min(
    zones: Zones,
    residents: AnyLayer,
    residential: AnyLayer,
    buildings: AnyLayer,
    facilities: AnyLayer,
    roads: AnyLayer,
    path: AnyLayer | None = None,
    track: AnyLayer | None = None,
    service: AnyLayer | None = None,
    water: AnyLayer | None = None,
    *,
    measured: str = "people",
    level: str = "all",
    required: tuple[str, ...] = (),
    at_least: int = 0,
    minutes: float = 15.0,
    speed_m_s: float = 1.2,
    route: str = "walk",
    detour: float = 1.3,
    snap_within_m: float = 300.0,
    beside_m: float = 50.0,
) -> Ratio:
    """Who reaches the services of everyday life on foot (社区15分钟生活圈覆盖率), in %.

    Formula: ``100 * people within minutes * speed of at least so many of the required services / people``. Range 0 to
    100. A walk goes from the home straight to the nearest edge of a street, along streets, paths and tracks, and
    straight to the facility; the way to the street crosses neither water nor motorways, the streets cross them on
    bridges. Facilities beyond the zone's border count. Who is further than ``snap_within_m`` from every street isn't
    reached. Missing where the layer holds no facility at all of a required service.

    Parameters
    ----------
    measured : str
        ``people``; ``land``: residential parcels, or ``buildings``: residential ones, each for one; both reached or not
        at a point inside; or ``area``: of the whole zone the ground within the walk.
    level : str
        ``all``: everyone alike. ``urban`` or ``rural``: only those who live in towns (城镇) or villages (乡村), by the
        services of that level. ``each``: both, everyone by those of their own level. Residents and buildings without a
        class have that of the residential land that they are on; who has none either way is of neither level.
    required : tuple of str
        Services of ``data/schemes/facilities.toml``; none: those that its ``[required]`` lists for the level.
    at_least : int
        How many of them must be reached; 0: all.
    minutes, speed_m_s : float
        The longest walk.
    route : str
        ``walk``, or ``straight``: the walk divided by ``detour``, as the crow flies; no streets are needed.
    detour : float
        How much longer ways are than straight lines.
    snap_within_m : float
        How far a home or facility may be from its street.
    beside_m : float
        For ``area``: how far beside the streets the ground is reached, the way there being part of the walk.

    Notes
    -----
    TD/T 1062-2021 names circle and services, no formula of the coverage; speed, detour and snapping are settings that
    no source settles.
    """
    homes = choose(
        measured,
        {"people": residents, "land": residential, "buildings": buildings, "area": zones},
        setting="measured",
    )
    streets = Streets(roads, (path, track, service), water, snap_within_m)
    way = partial(
        rule_to,
        streets=streets,
        route=route,
        limit_m=minutes * 60 * speed_m_s,
        detour=detour,
        beside_m=beside_m if measured == "area" else 0.0,
    )

    def rule(list_: str) -> Rule:
        names = required or required_services()[list_]
        return _at_least(at_least, *map(way, offered(facilities, names)))

    if choose(level, {"all": True, "urban": False, "rural": False, "each": False}, setting="level"):
        return share_reached(measured, Group((homes,), rule(level)))
    if measured == "area":
        raise ConfigError(f"measured = 'area' is of all ground, level = {level!r} of some of it")
    levels = ("urban", "rural") if level == "each" else (level,)
    classed = homes.classed_by(residential)
    return share_reached(measured, *(Group((classed.where((one,)),), rule(one)) for one in levels))


def _walk_to(name: str, zh: str, en: str) -> Definition:
    minutes = facility_walks()[name].minutes
    return Definition(
        f"people_{name}",
        f"步行 {minutes:g} 分钟内可到达{zh}的常住人口 ÷ 常住人口（沿路网，步速 1.2 m/s）",
        f"Residents within a {minutes:g}-minute walk of {en} ÷ residents (along the streets, 1.2 m/s)",
        {"required": (name,)},
        source=_BY_CLASS,
        standing=_UNCONFIRMED,
        competes=False,
    )


def _walks(name: str, zh: str, en: str, *, competes: bool = True, **settings: object) -> Definition:
    return Definition(name, zh, en, settings, source=_BY_CLASS, standing=_UNCONFIRMED, competes=competes)


_OWN = "九类设施各按 5、10、15 分钟"
_OWN_EN = "nine facilities, each within its own 5, 10 or 15 minutes"


@indicator(
    unit="%",
    zh="公共服务设施步行可达覆盖率（5、10、15分钟）",
    en="Facilities within a 5, 10 or 15-minute walk",
    theme="services",
    definitions=(
        _walks(
            "people_all",
            f"{_OWN}步行都能到达的常住人口 ÷ 常住人口（沿路网，步速 1.2 m/s）",
            f"Residents who reach all {_OWN_EN} ÷ residents (along the streets, 1.2 m/s)",
        ),
        _walk_to("medical", "医疗卫生设施", "health care"),
        _walk_to("culture", "文化设施", "culture"),
        _walk_to("sports", "体育设施", "sports"),
        _walk_to("middle_school", "中学（含未分小学、中学的学校）", "a middle school, or a school of no stated kind"),
        _walk_to("primary_school", "小学（含未分小学、中学的学校）", "a primary school, or a school of no stated kind"),
        _walk_to("market", "菜市场", "a market"),
        _walk_to("elderly_care", "养老设施", "care for the elderly"),
        _walk_to("kindergarten", "幼儿园", "a kindergarten"),
        _walk_to("park", "公园（以设施点计）", "a park (its point)"),
        _walks(
            "people_seven_of_nine",
            f"{_OWN}步行至少能到达七类的常住人口 ÷ 常住人口",
            f"Residents who reach at least seven of {_OWN_EN} ÷ residents",
            at_least=7,
        ),
        _walks(
            "land_all",
            f"{_OWN}步行都能到达的住宅用地（按图斑，以图斑内一点计）÷ 住宅用地",
            f"Residential parcels (by a point inside) that reach all {_OWN_EN} ÷ residential land",
            measured="land",
        ),
        _walks(
            "people_all_straight",
            f"{_OWN}步程 ÷ 绕行系数 1.3 的直线距离内都有的常住人口 ÷ 常住人口；没有路网时的近似",
            f"Residents with all {_OWN_EN} ÷ detour 1.3 as the crow flies ÷ residents",
            competes=False,
            route="straight",
        ),
    ),
)
def facility_walk_coverage(
    zones: Zones,
    residents: AnyLayer,
    residential: AnyLayer,
    buildings: AnyLayer,
    facilities: AnyLayer,
    roads: AnyLayer,
    path: AnyLayer | None = None,
    track: AnyLayer | None = None,
    service: AnyLayer | None = None,
    water: AnyLayer | None = None,
    *,
    measured: str = "people",
    required: tuple[str, ...] = (),
    at_least: int = 0,
    speed_m_s: float = 1.2,
    route: str = "walk",
    detour: float = 1.3,
    snap_within_m: float = 300.0,
) -> Ratio:
    """Who reaches facilities within the time that is meant for each (公共服务设施步行可达覆盖率), in %.

    Formula: ``100 * people within minutes_of_the_class * speed of at least so many classes / people``. Range 0 to 100.
    The minutes stand in ``[walks]`` of ``data/schemes/facilities.toml``: 15 to health care, culture, sports and middle
    schools, 10 to primary schools and markets, 5 to care for the elderly, kindergartens and parks. Walks are those of
    the living circle. Missing where the layer holds no facility at all of a required class.

    Parameters
    ----------
    measured : str
        ``people``, ``land`` or ``buildings``, as for the living circle.
    required : tuple of str
        Names in ``[walks]``; none: all of them.
    at_least : int
        How many of them must be reached; 0: all.
    speed_m_s : float
    route, detour, snap_within_m
        As for the living circle.
    """
    homes = choose(measured, {"people": residents, "land": residential, "buildings": buildings}, setting="measured")
    streets = Streets(roads, (path, track, service), water, snap_within_m)
    wanted = {name: choose(name, facility_walks(), setting="required") for name in required or facility_walks()}
    targets = of_each(facilities, {name: one.classes for name, one in wanted.items()})
    rules = (
        rule_to(targets[name], streets=streets, route=route, limit_m=one.minutes * 60 * speed_m_s, detour=detour)
        for name, one in wanted.items()
    )
    return share_reached(measured, Group((homes,), _at_least(at_least, *rules)))


def _at_least(number: int, *rules: Walk | Near | AtLeast) -> AtLeast:
    """So many of some rules; 0: all of them."""
    if not 0 <= number <= len(rules):
        raise ConfigError(f"at_least = {number}, but {len(rules)} services are required; 0 means all of them")
    return AtLeast(number or len(rules), rules)
