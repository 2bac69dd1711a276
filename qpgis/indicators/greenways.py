"""Greenways: how long they are, how they hang together, who has one near."""

from __future__ import annotations

from qpgis import parts
from qpgis.indicators.declaration import Definition, choose, indicator
from qpgis.indicators.reached import Group, share_reached
from qpgis.parts import AnyLayer, Ratio, Total, Zones

_BACKBONE = "骨干绿道连续性没有查到规定的公式；按最长连通网所占长度理解，容许的间断为可改的设定"
_COVERAGE = "住房城乡建设部 2021 年城市体检指标：城市绿道服务半径覆盖率（绿道 1 km，约步行 15 分钟或骑行 5 分钟）"


@indicator(
    unit="km",
    zh="绿道长度",
    en="Greenways",
    theme="ecology",
    definitions=(
        Definition(
            "of_the_state",
            "统计时点已建成（或所选规划状态）的绿道中心线长度，重叠路段只算一次",
            "Centreline length of greenways there at the date, or of the chosen plan statuses, overlaps once",
            standing="骨干绿道以里程计；哪些步道算绿道由图层决定",
        ),
    ),
)
def greenway_length(zones: Zones, greenways: AnyLayer) -> Total:
    """Length of greenways (绿道长度), in km.

    Formula: ``length(greenways)``; geodesic, a stretch on a shared border half to each side. It adds up over zones.
    """
    return Total(parts.length(greenways))


@indicator(
    unit="%",
    zh="骨干绿道连续性",
    en="Greenway continuity",
    theme="ecology",
    definitions=(
        Definition(
            "longest_network",
            "属于全图层最长连通绿道网的绿道长度 ÷ 绿道长度（间断 50 m 以内视为连通）；全区值即最长连通网所占比例",
            "Greenways of the longest connected network of the layer ÷ greenways (gaps of up to 50 m are bridged)",
            standing=_BACKBONE,
        ),
        Definition(
            "networks_10km",
            "属于总长 10 km 以上连通绿道网的绿道长度 ÷ 绿道长度（间断 50 m 以内视为连通）",
            "Greenways of connected networks of at least 10 km ÷ greenways (gaps of up to 50 m are bridged)",
            {"least_km": 10.0},
            standing=_BACKBONE,
        ),
    ),
)
def greenway_continuity(
    zones: Zones, greenways: AnyLayer, *, least_km: float = 0.0, gap_within_m: float = 50.0
) -> Ratio:
    """Share of the greenways that hang together (骨干绿道连续性), in %.

    Formula: ``100 * length(greenways of the longest network, or of networks of at least least_km) /
    length(greenways)``. Range 0 to 100; it adds up over zones, since networks are those of the whole layer, beyond the
    zone too: a zone's value says how much of its greenways belongs to them. Missing where no greenway runs.

    Parameters
    ----------
    least_km : float
        How long a network must be; 0: only the longest counts.
    gap_within_m : float
        Greenways that come this close are connected, over a street for example. Those that cross are, bridges too.
    """
    enough = parts.linked(gap_within_m=gap_within_m, least_m=1000 * least_km or None)
    return Ratio(parts.length(greenways, where=enough), parts.length(greenways))


@indicator(
    unit="%",
    zh="城市绿道服务半径覆盖率",
    en="Greenway service radius",
    theme="ecology",
    definitions=(
        Definition(
            "residential_land",
            "绿道直线 1 km 内的住宅用地 ÷ 住宅用地",
            "Residential land within 1 km of a greenway as the crow flies ÷ residential land",
            source=_COVERAGE,
            standing="名称与距离有公开来源；直线距离从绿道中心线起算，为本工具的做法",
        ),
        Definition(
            "people",
            "绿道直线 1 km 内的常住人口 ÷ 常住人口",
            "Residents within 1 km of a greenway as the crow flies ÷ residents",
            {"measured": "people"},
            source=_COVERAGE,
            standing="来源以住宅用地计；以人口计为对照",
            competes=False,
        ),
    ),
)
def greenway_coverage(
    zones: Zones,
    greenways: AnyLayer,
    residential: AnyLayer,
    residents: AnyLayer,
    *,
    measured: str = "residential_land",
    limit_m: float = 1000.0,
) -> Ratio:
    """Residential land or people near a greenway (城市绿道服务半径覆盖率), in %.

    Formula: ``100 * area(residential land within limit_m of a greenway) / area(residential land)``, or people in place
    of land. Range 0 to 100; as the crow flies, greenways beyond the zone's border count.

    Parameters
    ----------
    measured : str
        ``residential_land`` or ``people``.
    limit_m : float
        The distance.
    """
    near = parts.near(greenways, limit_m=limit_m)
    measure, layer = choose(
        measured, {"people": ("people", residents), "residential_land": ("land", residential)}, setting="measured"
    )
    return share_reached(measure, Group((layer,), near))
