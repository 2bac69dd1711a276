"""Living circles: who reaches the services of everyday life on foot."""

from __future__ import annotations

from functools import partial

from qpgis.errors import ConfigError
from qpgis.indicators.declaration import Definition, indicator
from qpgis.indicators.facilities import offered
from qpgis.indicators.reached import Streets, rule_to, share_reached
from qpgis.parts import AnyLayer, AtLeast, Ratio, Zones

_UNCONFIRMED = "没有唯一的公式（按人口、住宅用地、面积等各有做法）；未经主管部门确认"
_FIVE = "卫生、养老、教育、文化、体育五类"
_SOURCE = "TD/T 1062-2021 社区生活圈规划技术指南（五类服务、15 分钟）；覆盖率公式未见规定"

SERVICES = ("culture", "education", "elderly", "medical", "sports")


def _by_one(service: str, name: str, en: str) -> Definition:
    return Definition(
        f"people_{service}",
        f"步行 15 分钟内可到达{name}设施的常住人口 ÷ 常住人口（沿路网，步速 1.2 m/s）",
        f"Residents within a 15-minute walk of {en} ÷ residents (along the streets, 1.2 m/s)",
        {"required": (service,)},
        source=_SOURCE,
        standing=_UNCONFIRMED,
        competes=False,
    )


@indicator(
    unit="%",
    zh="社区15分钟生活圈覆盖率",
    en="15-minute living circle",
    theme="services",
    definitions=(
        Definition(
            "people_all",
            f"步行 15 分钟内{_FIVE}设施都能到达的常住人口 ÷ 常住人口（沿路网，步速 1.2 m/s）",
            "Residents within a 15-minute walk of all five services ÷ residents (along the streets, 1.2 m/s)",
            source=_SOURCE,
            standing=_UNCONFIRMED,
        ),
        _by_one("medical", "卫生", "health care"),
        _by_one("elderly", "养老", "care for the elderly"),
        _by_one("education", "教育", "schools"),
        _by_one("culture", "文化", "culture"),
        _by_one("sports", "体育", "sports"),
        Definition(
            "people_four_of_five",
            f"步行 15 分钟内{_FIVE}中至少四类可到达的常住人口 ÷ 常住人口",
            "Residents within a 15-minute walk of at least four of the five services ÷ residents",
            {"at_least": 4},
            source=_SOURCE,
            standing=_UNCONFIRMED,
        ),
        Definition(
            "land_all",
            f"步行 15 分钟内{_FIVE}设施都能到达的住宅用地（按图斑，以图斑内一点计）÷ 住宅用地",
            "Residential parcels (by a point inside) within a 15-minute walk of all five services ÷ residential land",
            {"measured": "land"},
            source=_SOURCE,
            standing=_UNCONFIRMED,
        ),
        Definition(
            "people_all_straight",
            f"直线 831 m（15 分钟步程 ÷ 绕行系数 1.3）内有{_FIVE}设施的常住人口 ÷ 常住人口；没有路网时的近似",
            "Residents with all five services within 831 m as the crow flies (15 minutes ÷ detour 1.3) ÷ residents",
            {"route": "straight"},
            source=_SOURCE,
            standing=_UNCONFIRMED,
            competes=False,
        ),
    ),
)
def living_circle_15min(
    zones: Zones,
    residents: AnyLayer,
    residential: AnyLayer,
    facilities: AnyLayer,
    roads: AnyLayer,
    path: AnyLayer | None = None,
    track: AnyLayer | None = None,
    service: AnyLayer | None = None,
    water: AnyLayer | None = None,
    *,
    measured: str = "people",
    required: tuple[str, ...] = SERVICES,
    at_least: int = 0,
    minutes: float = 15.0,
    speed_m_s: float = 1.2,
    route: str = "walk",
    detour: float = 1.3,
    snap_within_m: float = 300.0,
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
        ``people``, or ``land``: residential parcels, each reached or not at a point inside.
    required : tuple of str
        Services of ``data/schemes/facilities.toml``.
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

    Notes
    -----
    TD/T 1062-2021 names circle and services, no formula of the coverage; speed, detour and snapping are settings that
    no source settles.
    """
    found = offered(facilities, required)
    if at_least > len(found):
        raise ConfigError(f"at_least = {at_least}, but only {len(found)} services are required")
    streets = Streets(roads, (path, track, service), water, snap_within_m)
    way = partial(rule_to, streets=streets, route=route, limit_m=minutes * 60 * speed_m_s, detour=detour)
    rules = tuple(way(targets) for targets in found)
    return share_reached(AtLeast(at_least or len(rules), rules), measured, {"people": residents, "land": residential})
