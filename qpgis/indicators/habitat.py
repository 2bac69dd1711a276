"""Habitat: ecological corridors, their width, continuity and gaps; how connected the patches are."""

from __future__ import annotations

from qpgis import parts
from qpgis.errors import ConfigError, MissingLayer
from qpgis.indicators.declaration import Definition, choose, indicator
from qpgis.parts import AnyLayer, Measure, PerZone, Ratio, Total, Wide, Zones

_FULL_WIDTH = "住房城乡建设部城市体检指标：城市生态廊道达标率（净宽 100 m 以上、连续）"
_CORRIDOR_STANDING = "100 m 与连续的要求有公开来源；哪些用地算廊道、哪些算阻断未见规定；轴线由规划给出"
_NO_CORRIDOR_SOURCE = "除净宽 100 m 以上、连续之外未查到规定；算法为设定"
_LAND = "林水田湿等为廊道用地，建设用地、高速公路为阻断"
_BESIDE = "轴线本身是高速公路等道路的廊道（如 G50 生态廊道）按此口径看"


def _wide(
    matrix: tuple[AnyLayer, ...],
    construction: AnyLayer | None,
    roads: AnyLayer | None,
    *,
    min_width_m: float,
    road_width_m: float,
    offset_m: float,
) -> Wide:
    """Green and water of a net width; built land and motorways break it."""
    motorways = roads.where(("motorway",)) if roads is not None else None
    widths = {"min_width_m": min_width_m, "road_width_m": road_width_m, "offset_m": offset_m}
    return parts.wide(matrix, built=construction, roads=motorways, **widths)


@indicator(
    unit="%",
    zh="生态廊道达标率",
    en="Corridors of full width",
    theme="ecology",
    definitions=(
        Definition(
            "net_100m",
            f"净宽不小于 100 m 且不间断的廊道轴线长度 ÷ 廊道轴线长度（{_LAND}）",
            "Corridor axes with 100 m of net width without a break ÷ length of axes (built land, motorways break it)",
            source=_FULL_WIDTH,
            standing=_CORRIDOR_STANDING,
        ),
        Definition(
            "net_50m",
            "净宽不小于 50 m 且不间断的廊道轴线长度 ÷ 廊道轴线长度；作敏感性对照",
            "Length of corridor axes with a net width of 50 m without a break ÷ their length; for comparison",
            {"min_width_m": 50.0},
            standing=_NO_CORRIDOR_SOURCE,
            competes=False,
        ),
        Definition(
            "net_100m_beside",
            f"轴线任一侧 150 m 以内起有净宽不小于 100 m 廊道用地的轴线长度 ÷ 廊道轴线长度；{_BESIDE}",
            "Axes with 100 m of net width beginning within 150 m to a side ÷ length of axes; for axes along motorways",
            {"offset_m": 150.0},
            source=_FULL_WIDTH,
            standing="净宽 100 m 有公开来源；150 m 为设定，未见规定",
        ),
    ),
)
def corridor_full_width(
    zones: Zones,
    corridor_axes: AnyLayer,
    forest: AnyLayer,
    water: AnyLayer,
    wetland: AnyLayer,
    farmland: AnyLayer,
    grass: AnyLayer,
    orchard: AnyLayer,
    park: AnyLayer,
    construction: AnyLayer | None = None,
    roads: AnyLayer | None = None,
    *,
    min_width_m: float = 100.0,
    road_width_m: float = 40.0,
    offset_m: float = 0.0,
) -> Ratio:
    """Length of corridors that have their width (生态廊道达标率), in %.

    Formula: ``100 * length of the axes where green and water are min_width_m wide / length of the axes``. The width is
    that of the section across the axis that runs through green and water without a break; built land and motorways
    break it. Range 0 to 100; missing where no axis runs.

    Parameters
    ----------
    min_width_m : float
        The net width wanted.
    road_width_m : float
        How wide a motorway is, as a barrier.
    offset_m : float
        How far beside a sketched axis, or one that is itself a motorway, the corridor may run.
    """
    matrix = (forest, water, wetland, farmland, grass, orchard, park)
    widths = {"min_width_m": min_width_m, "road_width_m": road_width_m, "offset_m": offset_m}
    enough = _wide(matrix, construction, roads, **widths)
    return Ratio(parts.length(corridor_axes, where=enough), parts.length(corridor_axes))


@indicator(
    unit="%",
    zh="生态廊道连续度",
    en="Continuity of corridors",
    theme="ecology",
    definitions=(
        Definition(
            "longest_100m",
            f"各廊道轴线上净宽不小于 100 m 的最长连续段之和 ÷ 廊道轴线长度；均只量分区内的部分（{_LAND}）",
            "Longest stretch of each axis with 100 m of net width, added up ÷ length of axes; both within the zone",
            source=_FULL_WIDTH,
            standing=_NO_CORRIDOR_SOURCE,
        ),
        Definition(
            "longest_100m_beside",
            f"同 longest_100m，廊道用地可从轴线任一侧 150 m 以内起；{_BESIDE}",
            "As longest_100m, the corridor may begin within 150 m to either side; for corridors along a motorway",
            {"offset_m": 150.0},
            standing=_NO_CORRIDOR_SOURCE,
        ),
        Definition(
            "longest_covered",
            f"各廊道轴线上位于廊道用地内的最长连续段之和 ÷ 廊道轴线长度，不论宽度（{_LAND}）",
            "Longest stretch of each axis through green and water of any width, added up ÷ length of axes",
            {"min_width_m": 0.0},
            standing=_NO_CORRIDOR_SOURCE,
        ),
        Definition(
            "covered",
            f"位于廊道用地内的廊道轴线长度 ÷ 廊道轴线长度，不论宽度（{_LAND}）",
            "Length of axes through green and water of any width ÷ length of axes",
            {"continuity": "covered", "min_width_m": 0.0},
            standing=_NO_CORRIDOR_SOURCE,
        ),
        Definition(
            "eroded_100m",
            f"廊道用地向内收缩 50 m 后两端仍相连的廊道轴线长度 ÷ 廊道轴线长度；在分区边界处切断（{_LAND}）",
            "Axes whose ends are still joined when green and water are eroded by 50 m ÷ length of axes",
            {"continuity": "eroded"},
            standing=_NO_CORRIDOR_SOURCE,
        ),
    ),
)
def corridor_continuity(
    zones: Zones,
    corridor_axes: AnyLayer,
    forest: AnyLayer,
    water: AnyLayer,
    wetland: AnyLayer,
    farmland: AnyLayer,
    grass: AnyLayer,
    orchard: AnyLayer,
    park: AnyLayer,
    construction: AnyLayer | None = None,
    roads: AnyLayer | None = None,
    *,
    continuity: str = "longest",
    min_width_m: float = 100.0,
    road_width_m: float = 40.0,
    offset_m: float = 0.0,
) -> Measure:
    """How far corridors run without a break (生态廊道连续度), in %.

    Formula: ``100 * sum over axes of the longest stretch with the width / length of the axes``, both within the zone.
    Range 0 to 100; missing where no axis runs. Longest stretches don't add up: a group has those that run on over its
    members' borders.

    Parameters
    ----------
    continuity : str
        ``longest``: as the formula says. ``covered``: all stretches with the width count. ``eroded``: an axis counts
        whole if a disc of ``min_width_m`` could be rolled through green and water from end to end of it.
    min_width_m : float
        The net width wanted; 0 asks only that the axis runs through green and water.
    road_width_m : float
        How wide a motorway is, as a barrier.
    offset_m : float
        How far beside a sketched axis, or one that is itself a motorway, the corridor may run.
    """
    matrix = (forest, water, wetland, farmland, grass, orchard, park)
    widths = {"min_width_m": min_width_m, "road_width_m": road_width_m, "offset_m": offset_m}
    kernel = choose(continuity, _CONTINUITY, setting="continuity")
    enough = _wide(matrix, construction, roads, **widths)
    if kernel is None:
        return Ratio(parts.length(corridor_axes, where=enough), parts.length(corridor_axes))
    return parts.per_zone(kernel, corridor_axes, unit="%", where=enough)


_CONTINUITY = {"longest": "longest_stretch", "eroded": "eroded", "covered": None}
"""Of each word the kernel for whole zones; none where lengths add up."""
_BARRIERS = {"any": "any", "construction": "built", "motorway": "roads", "none": "none"}


@indicator(
    unit="count",
    zh="生态廊道断点数",
    en="Gaps in corridors",
    theme="ecology",
    definitions=(
        Definition(
            "all_100m",
            f"廊道轴线上净宽不足 100 m 的间断段数，按中点所在分区计（{_LAND}）",
            "Stretches of axes without 100 m of net width, each in the zone of its middle",
            standing=_NO_CORRIDOR_SOURCE,
        ),
        Definition(
            "construction_100m",
            "其中涉及建设用地的间断段数",
            "Those of them where built land is",
            {"barrier": "construction"},
            standing=_NO_CORRIDOR_SOURCE,
            competes=False,
        ),
        Definition(
            "motorway_100m",
            "其中涉及高速公路的间断段数",
            "Those of them where a motorway is",
            {"barrier": "motorway"},
            standing=_NO_CORRIDOR_SOURCE,
            competes=False,
        ),
        Definition(
            "no_corridor_land_100m",
            "其中无建设用地、高速公路阻断，仅因廊道用地缺失或宽度不足的间断段数",
            "Those of them without a barrier, just with too little green and water",
            {"barrier": "none"},
            standing=_NO_CORRIDOR_SOURCE,
            competes=False,
        ),
    ),
)
def corridor_gaps(
    zones: Zones,
    corridor_axes: AnyLayer,
    forest: AnyLayer,
    water: AnyLayer,
    wetland: AnyLayer,
    farmland: AnyLayer,
    grass: AnyLayer,
    orchard: AnyLayer,
    park: AnyLayer,
    construction: AnyLayer | None = None,
    roads: AnyLayer | None = None,
    *,
    barrier: str = "any",
    min_width_m: float = 100.0,
    road_width_m: float = 40.0,
    offset_m: float = 0.0,
) -> Total:
    """How often corridors are broken (生态廊道断点数).

    Formula: number of stretches of axes without the width, each counted in the zone of its middle. A gap with several
    kinds of barriers counts for each kind. 0 where no axis runs.

    Parameters
    ----------
    barrier : str
        ``any``, or only gaps where there is ``construction``, ``motorway``, or ``none`` of these.
    min_width_m : float
        The net width wanted.
    road_width_m : float
        How wide a motorway is, as a barrier.
    offset_m : float
        How far beside a sketched axis, or one that is itself a motorway, the corridor may run.
    """
    matrix = (forest, water, wetland, farmland, grass, orchard, park)
    widths = {"min_width_m": min_width_m, "road_width_m": road_width_m, "offset_m": offset_m}
    kind = choose(barrier, _BARRIERS, setting="barrier")
    if kind == "built" and construction is None:
        raise MissingLayer("construction")
    if kind == "roads" and roads is None:
        raise MissingLayer("roads")
    wide = _wide(matrix, construction, roads, **widths)
    return Total(parts.count(corridor_axes, where=parts.Gap(wide, kind)))


_PATCHES = "斑块为林地合并后在分区内不小于 5000 m² 的地块；分区边界处切断，区外斑块不计"
_PATCHES_EN = "patches are woods of at least 5000 m2, dissolved and cut at the zone's border"
_GRAPH_SOURCE = "Saura & Pascual-Hortal 2007（PC）、Pascual-Hortal & Saura 2006（IIC）、Saura et al. 2011（ECA）"
_GRAPH_STANDING = "景观生态学文献中的通用公式；扩散距离、最小斑块面积和哪些用地算斑块未见规定，均为设定值"


@indicator(
    unit="%",
    zh="生态斑块连通性",
    en="Connectivity of habitat patches",
    theme="ecology",
    definitions=(
        Definition(
            "eca_1000m",
            f"等效连通面积 ECA（PC 的平方根）÷ 斑块总面积；相距 1000 m 时连通概率 0.5；{_PATCHES}",
            f"Equivalent connected area (root of PC) ÷ area of patches, p = 0.5 at 1000 m; {_PATCHES_EN}",
            source=_GRAPH_SOURCE,
            standing=_GRAPH_STANDING,
        ),
        Definition(
            "eca_iic_1000m",
            f"以 IIC 计的等效连通面积 ÷ 斑块总面积；相距不超过 1000 m 为相连；{_PATCHES}",
            f"Equivalent connected area by IIC ÷ area of patches, linked within 1000 m; {_PATCHES_EN}",
            {"index": "iic"},
            source=_GRAPH_SOURCE,
            standing=_GRAPH_STANDING,
        ),
        Definition(
            "pc_1000m",
            f"可能连通性指数 PC = Σ aᵢaⱼp*ᵢⱼ ÷ 分区总面积²，以 % 表示；相距 1000 m 时连通概率 0.5；{_PATCHES}",
            f"Probability of connectivity, sum of a_i a_j p*_ij ÷ total area squared, in %; {_PATCHES_EN}",
            {"over": "zone"},
            source=_GRAPH_SOURCE,
            standing=_GRAPH_STANDING,
        ),
        Definition(
            "iic_1000m",
            f"整体连通性指数 IIC = Σ aᵢaⱼ/(1+nlᵢⱼ) ÷ 分区总面积²，以 % 表示；相距不超过 1000 m 为相连；{_PATCHES}",
            f"Integral index of connectivity, sum of a_i a_j / (1 + nl_ij) ÷ total area squared, in %; {_PATCHES_EN}",
            {"index": "iic", "over": "zone"},
            source=_GRAPH_SOURCE,
            standing=_GRAPH_STANDING,
        ),
        Definition(
            "eca_with_water_1000m",
            "同 eca_1000m，斑块取林地、湿地、水域合并；水网把斑块连成一片，作对照",
            "As eca_1000m, patches of forest, wetland and water together; for comparison",
            {"counted": ("forest", "water", "wetland")},
            source=_GRAPH_SOURCE,
            standing=_GRAPH_STANDING,
            competes=False,
        ),
    ),
)
def patch_connectivity(
    zones: Zones,
    forest: AnyLayer,
    wetland: AnyLayer,
    water: AnyLayer,
    *,
    counted: tuple[str, ...] = ("forest",),
    index: str = "pc",
    over: str = "habitat",
    distance_m: float = 1000.0,
    probability: float = 0.5,
    least_m2: float = 5000.0,
    least_probability: float = 0.01,
) -> PerZone:
    """How well the patches of habitat in a zone are connected (生态斑块连通性), in %.

    Formula: ``100 * sqrt(sum of a_i a_j p*_ij) / sum of a_i`` over all ordered pairs of patches in the zone, ``p*`` the
    greatest product of ``p = probability ** (d / distance_m)`` over all ways, ``d`` from edge to edge. 100 is one
    patch, or none apart from another. By IIC ``1 / (1 + links on the way)`` stands for ``p*``. Range 0 to 100; missing
    where no patch is. It doesn't add up: a group has links that its members lack.

    Parameters
    ----------
    counted : tuple of str
        The layers that are habitat: ``forest``, ``wetland``, ``water``.
    index : str
        ``pc`` or ``iic``.
    over : str
        ``habitat``: the equivalent connected area over that of the patches. ``zone``: the index itself, the sum over
        the square of the zone's area; 0 where no patch is.
    distance_m : float
        The distance at which a link has the probability; for IIC the longest link.
    probability : float
        Of a link of that distance.
    least_m2 : float
        Smaller patches, or parts of patches in the zone, don't count.
    least_probability : float
        Less likely links and ways count as 0 for PC. That makes the square of the value, as a share, too low by at most
        this probability, since it lowers the sum over pairs by at most this times the square of the summed areas.
    """
    by_name = {"forest": forest, "wetland": wetland, "water": water}
    chosen = [choose(name, by_name, setting="counted") for name in counted]
    for setting, value, known in (("index", index, ("pc", "iic")), ("over", over, ("habitat", "zone"))):
        choose(value, dict.fromkeys(known), setting=setting)
    if not (parts.metres("distance_m", distance_m) > 0 and 0 < least_probability < probability < 1):
        raise ConfigError(
            f"distance_m = {distance_m:g} must be above 0, and least_probability = {least_probability:g} less than "
            f"probability = {probability:g}, both between 0 and 1"
        )
    return parts.per_zone(
        "connectivity",
        *chosen,
        unit="%",
        index=index,
        over=over,
        distance_m=distance_m,
        probability=probability,
        least_m2=least_m2,
        least_probability=least_probability,
    )
