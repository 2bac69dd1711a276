"""Public transport: who lives near a station or a stop, and which land lies there."""

from __future__ import annotations

from qpgis import parts
from qpgis.indicators.declaration import Definition, indicator
from qpgis.indicators.reached import Streets, rule_to, share_reached
from qpgis.parts import AnyLayer, Ratio, Total, Zones

_RAIL = "市级国土空间总体规划编制指南一类文件以 800 m 计，上海也用 600 m；未核对原文，距离为可改的设定"
_BUS = "GB/T 51328 与公交都市考核以 500 m、300 m 计；未核对原文，距离为可改的设定"


def _definition(name: str, zh: str, en: str, standing: str, **settings: object) -> Definition:
    return Definition(name, zh, en, settings, standing=standing)


@indicator(
    unit="count",
    zh="轨道站点数",
    en="Rail stations",
    theme="transit",
    definitions=(
        _definition(
            "of_the_state",
            "统计时点已建成（或所选规划状态）的轨道站点数；同一站各线分列的逐个计",
            "Rail stations there at the date, or of the chosen plan statuses; one a line where they are listed so",
            "按图层要素计数",
        ),
    ),
)
def rail_stations(zones: Zones, stations: AnyLayer) -> Total:
    """How many rail stations there are (轨道站点数).

    Formula: the number of features of ``stations`` in the state that is computed: opened by its date, of a plan status
    that counts. One on a shared border goes to the lowest zone id.
    """
    return Total(parts.count(stations))


@indicator(
    unit="%",
    zh="轨道站点覆盖率",
    en="Rail station coverage",
    theme="transit",
    definitions=(
        _definition(
            "people_800m",
            "轨道站点直线 800 m 内的常住人口 ÷ 常住人口",
            "Residents within 800 m of a rail station as the crow flies ÷ residents",
            _RAIL,
        ),
        _definition(
            "people_600m",
            "轨道站点直线 600 m 内的常住人口 ÷ 常住人口",
            "Residents within 600 m of a rail station as the crow flies ÷ residents",
            _RAIL,
            limit_m=600.0,
        ),
        _definition(
            "people_800m_walk",
            "沿路网步行 800 m 内可到达轨道站点的常住人口 ÷ 常住人口",
            "Residents within an 800 m walk of a rail station along the streets ÷ residents",
            _RAIL,
            route="walk",
        ),
        _definition(
            "construction_800m",
            "轨道站点直线 800 m 内的建设用地 ÷ 建设用地",
            "Construction land within 800 m of a rail station as the crow flies ÷ construction land",
            _RAIL,
            measured="construction",
        ),
        _definition(
            "construction_600m",
            "轨道站点直线 600 m 内的建设用地 ÷ 建设用地",
            "Construction land within 600 m of a rail station as the crow flies ÷ construction land",
            _RAIL,
            measured="construction",
            limit_m=600.0,
        ),
    ),
)
def rail_station_coverage(
    zones: Zones,
    stations: AnyLayer,
    residents: AnyLayer,
    construction: AnyLayer,
    roads: AnyLayer,
    path: AnyLayer | None = None,
    track: AnyLayer | None = None,
    service: AnyLayer | None = None,
    water: AnyLayer | None = None,
    *,
    measured: str = "people",
    route: str = "straight",
    limit_m: float = 800.0,
    snap_within_m: float = 300.0,
) -> Ratio:
    """People or built land near a rail station (轨道站点覆盖率), in %.

    Formula: ``100 * people (or area) within limit_m of a station / people (or area)``. Range 0 to 100. Stations are
    those of the state: opened by its date, of a status that counts; those beyond the zone's border count too. Where the
    layer holds the exits of stations, distances are to them.

    Parameters
    ----------
    measured : str
        ``people``, or ``construction``: 建设用地, the ground within the distance.
    route : str
        ``straight``, in the plane; or ``walk``, along the streets, with water and motorways crossed on bridges only.
    limit_m : float
        The distance.
    snap_within_m : float
        For walks: how far a home or station may be from its street.
    """
    streets = Streets(roads, (path, track, service), water, snap_within_m)
    rule = rule_to(stations, streets=streets, route=route, limit_m=limit_m)
    return share_reached(rule, measured, {"people": residents, "construction": construction})


@indicator(
    unit="%",
    zh="公交站点覆盖率",
    en="Bus stop coverage",
    theme="transit",
    definitions=(
        _definition(
            "people_500m",
            "公交站点直线 500 m 内的常住人口 ÷ 常住人口",
            "Residents within 500 m of a bus stop as the crow flies ÷ residents",
            _BUS,
        ),
        _definition(
            "people_300m",
            "公交站点直线 300 m 内的常住人口 ÷ 常住人口",
            "Residents within 300 m of a bus stop as the crow flies ÷ residents",
            _BUS,
            limit_m=300.0,
        ),
        _definition(
            "people_500m_walk",
            "沿路网步行 500 m 内可到达公交站点的常住人口 ÷ 常住人口",
            "Residents within a 500 m walk of a bus stop along the streets ÷ residents",
            _BUS,
            route="walk",
        ),
        _definition(
            "construction_500m",
            "公交站点直线 500 m 内的建设用地 ÷ 建设用地",
            "Construction land within 500 m of a bus stop as the crow flies ÷ construction land",
            _BUS,
            measured="construction",
        ),
        _definition(
            "construction_300m",
            "公交站点直线 300 m 内的建设用地 ÷ 建设用地",
            "Construction land within 300 m of a bus stop as the crow flies ÷ construction land",
            _BUS,
            measured="construction",
            limit_m=300.0,
        ),
    ),
)
def bus_stop_coverage(
    zones: Zones,
    facilities: AnyLayer,
    residents: AnyLayer,
    construction: AnyLayer,
    roads: AnyLayer,
    path: AnyLayer | None = None,
    track: AnyLayer | None = None,
    service: AnyLayer | None = None,
    water: AnyLayer | None = None,
    *,
    measured: str = "people",
    route: str = "straight",
    limit_m: float = 500.0,
    snap_within_m: float = 300.0,
) -> Ratio:
    """People or built land near a bus stop (公交站点覆盖率), in %.

    Formula: ``100 * people (or area) within limit_m of a bus stop / people (or area)``. Range 0 to 100. Stops are the
    facilities of class ``bus_stop``; those beyond the zone's border count too.

    Parameters
    ----------
    measured : str
        ``people``, or ``construction``: 建设用地, the ground within the distance.
    route : str
        ``straight``, in the plane; or ``walk``, along the streets, with water and motorways crossed on bridges only.
    limit_m : float
        The distance.
    snap_within_m : float
        For walks: how far a home or stop may be from its street.
    """
    streets = Streets(roads, (path, track, service), water, snap_within_m)
    rule = rule_to(facilities.where(("bus_stop",)), streets=streets, route=route, limit_m=limit_m)
    return share_reached(rule, measured, {"people": residents, "construction": construction})
