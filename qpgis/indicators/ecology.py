"""Blue-green space, forest, water."""

from __future__ import annotations

from qpgis import parts
from qpgis.errors import ConfigError
from qpgis.indicators.declaration import Definition, choose, indicator
from qpgis.parts import AnyLayer, PerZone, Ratio, Zones

_NO_LEGAL_DEFINITION = "没有查到法定或国家标准定义，按非建设用地加城市绿地理解；未经主管部门确认"
_LAND_BY_NAME = "没有查到定义；按名称取陆域（总面积减水域）为分母；哪些水不算陆域未见规定"

BLUE_GREEN = ("farmland", "forest", "grass", "orchard", "park", "water", "wetland")
"""What may be counted as blue (water, wetland) and green (the others)."""


@indicator(
    unit="%",
    zh="蓝绿空间占比",
    en="Blue-green share",
    theme="ecology",
    definitions=(
        Definition(
            "non_built_and_parks",
            "水域、湿地、耕地、园地、林地、草地和公园绿地、防护绿地的合并面积（重叠只算一次）÷ 区域总面积（含水域）",
            "Dissolved area of water, wetland, farmland, orchard, forest, grass and park green ÷ total area with water",
            standing=_NO_LEGAL_DEFINITION,
        ),
        Definition(
            "non_built",
            "水域、湿地、耕地、园地、林地和草地的合并面积（不含城市公园绿地）÷ 区域总面积（含水域）",
            "Dissolved area of water, wetland, farmland, orchard, forest and grass, no parks ÷ total area with water",
            {"counted": ("farmland", "forest", "grass", "orchard", "water", "wetland")},
            standing=_NO_LEGAL_DEFINITION,
        ),
        Definition(
            "by_parcels",
            "用地图斑中水域、湿地、耕地、园地、林地、草地和公园绿地、防护绿地的合并面积 ÷ 区域总面积（不取专题图层）",
            "Parcels of water, wetland, farmland, orchard, forest, grass and park green ÷ total area; no other layers",
            {"basis": "parcels"},
            standing=_NO_LEGAL_DEFINITION + "；专题图层（如林业部门的森林）与图斑不一致时用以对照",
        ),
        Definition(
            "ecological_only",
            "水域、湿地、林地、草地和公园绿地的合并面积（不含耕地、园地）÷ 区域总面积（含水域）；仅作敏感性对照",
            "Dissolved area of water, wetland, forest, grass and park green ÷ total area with water; comparison only",
            {"counted": ("forest", "grass", "park", "water", "wetland")},
            standing=_NO_LEGAL_DEFINITION,
            competes=False,
        ),
    ),
)
def blue_green_share(
    zones: Zones,
    water: AnyLayer,
    wetland: AnyLayer,
    farmland: AnyLayer,
    orchard: AnyLayer,
    forest: AnyLayer,
    grass: AnyLayer,
    park: AnyLayer,
    optional: AnyLayer,
    landuse: AnyLayer,
    *,
    counted: tuple[str, ...] = BLUE_GREEN,
    basis: str = "layers",
    water_classes: str = "all",
    also: tuple[str, ...] = (),
) -> Ratio:
    """Share of blue and green space in the zone's total area (蓝绿空间占比), in %.

    Formula: ``100 * area(union of the counted layers, within the zone) / area(zone)``. A park under a forest polygon
    counts once. Range 0 to 100. Control overlays (永久基本农田, 生态保护红线, 蓝线, 绿线) are no land classes, so they
    never enter.

    Parameters
    ----------
    counted : tuple of str
        Which of the layers count.
    basis : str
        ``layers``: each kind as its own layer has it, a file of its own or a selection. ``parcels``: all of them as the
        land use has them; what only a layer of its own shows doesn't count.
    water_classes : str
        With layers: which water counts: ``all``, a group of ``data/schemes/water.toml``, or class names joined by
        ``+``.
    also : tuple of str
        Classes of the layer ``optional`` (``data/schemes/optional.toml``) that count too: field ridges, rural roads,
        farm facilities, plazas. None by default; no source settles it.

    Notes
    -----
    No legal definition was found. That farmland counts follows from arithmetic: water and forest of the demonstration
    zone together are a third of its area, and its target is 66 %.
    """
    by_name = {
        "water": water.where(water_classes) if "water" in counted else water,
        "wetland": wetland,
        "farmland": farmland,
        "orchard": orchard,
        "forest": forest,
        "grass": grass,
        "park": park,
    }
    chosen = [choose(name, by_name, setting="counted") for name in counted]
    if choose(basis, {"layers": False, "parcels": True}, setting="basis"):
        chosen = [landuse.parcels(counted)]
    if also:
        chosen.append(optional.where(also))
    return Ratio(parts.area(*chosen), parts.area(zones))


@indicator(
    unit="%",
    zh="陆域森林覆盖率",
    en="Forest cover of land",
    theme="ecology",
    definitions=(
        Definition(
            "rivers_lakes_reservoirs",
            "陆域上的森林面积 ÷ 陆域面积（总面积减河流、湖泊、水库）",
            "Forest on land ÷ land area (total minus rivers, lakes and reservoirs)",
            standing=_LAND_BY_NAME,
        ),
        Definition(
            "all_water",
            "陆域上的森林面积 ÷ 陆域面积（总面积减全部水域）",
            "Forest on land ÷ land area (total minus all water)",
            {"water_classes": "all"},
            standing=_LAND_BY_NAME,
        ),
    ),
)
def forest_cover_of_land(
    zones: Zones, forest: AnyLayer, water: AnyLayer, *, water_classes: str = "rivers_lakes_reservoirs"
) -> Ratio:
    """Forest on land over land area (陆域森林覆盖率), in %.

    Formula: ``100 * area(forest outside inland water) / (area(zone) - area(inland water))``. Range 0 to 100; missing
    where the zone is all water.

    Parameters
    ----------
    water_classes : str
        Which water is not land: ``all``, a group of ``data/schemes/water.toml``, or class names joined by ``+``.
    """
    inland_water = water.where(water_classes)
    return Ratio(parts.area(forest, outside=inland_water), parts.area(zones) - parts.area(inland_water))


@indicator(
    unit="%",
    zh="森林覆盖率",
    en="Forest cover",
    theme="ecology",
    definitions=(
        Definition(
            "total_area",
            "森林面积（重叠只算一次）÷ 区域总面积（含水域）",
            "Forest (overlaps once) ÷ total area including water",
            source="森林覆盖率 = 森林面积 ÷ 土地总面积",
            standing="公式有来源；哪些林木算森林（郁闭度、四旁林木）由图层决定",
        ),
    ),
)
def forest_cover(zones: Zones, forest: AnyLayer) -> Ratio:
    """Forest over total area (森林覆盖率), in %.

    Formula: ``100 * area(forest) / area(zone)``. Range 0 to 100.
    """
    return Ratio(parts.area(forest), parts.area(zones))


@indicator(
    unit="%",
    zh="河湖水面率",
    en="Water surface share",
    theme="ecology",
    definitions=(
        Definition(
            "rivers_lakes_reservoirs",
            "河流、湖泊、水库面积 ÷ 区域总面积",
            "Rivers, lakes and reservoirs ÷ total area",
            source="国土空间规划城市体检评估规程：河、湖等水域面积 ÷ 地区总面积",
            standing="坑塘、沟渠是否计入未见规定",
        ),
        Definition(
            "with_ponds",
            "河流、湖泊、水库、坑塘面积 ÷ 区域总面积",
            "Rivers, lakes, reservoirs and ponds ÷ total area",
            {"water_classes": "with_ponds"},
        ),
        Definition("all_water", "全部水域面积 ÷ 区域总面积", "All water ÷ total area", {"water_classes": "all"}),
    ),
)
def water_surface_share(zones: Zones, water: AnyLayer, *, water_classes: str = "rivers_lakes_reservoirs") -> Ratio:
    """Water surface over total area (河湖水面率), in %.

    Formula: ``100 * area(water of the classes) / area(zone)``. Range 0 to 100.

    Parameters
    ----------
    water_classes : str
        ``all``, a group of ``data/schemes/water.toml``, or class names joined by ``+``.
    """
    return Ratio(parts.area(water.where(water_classes)), parts.area(zones))


@indicator(
    unit="%",
    zh="生态廊道达标率",
    en="Corridors of full width",
    theme="ecology",
    definitions=(
        Definition(
            "net_100m",
            "净宽不小于 100 m 且不间断的廊道轴线长度 ÷ 廊道轴线长度（林水田湿等为廊道用地，建设用地、高速公路为阻断）",
            "Corridor axes with 100 m of net width without a break ÷ length of axes (built land, motorways break it)",
            source="住房城乡建设部城市体检指标：城市生态廊道达标率（净宽 100 m 以上、连续）",
            standing="100 m 与连续的要求有公开来源；哪些用地算廊道、哪些算阻断未见规定；轴线由规划给出",
        ),
        Definition(
            "net_50m",
            "净宽不小于 50 m 且不间断的廊道轴线长度 ÷ 廊道轴线长度；作敏感性对照",
            "Length of corridor axes with a net width of 50 m without a break ÷ their length; for comparison",
            {"min_width_m": 50.0},
            competes=False,
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
        How far beside a sketched axis the corridor may run.
    """
    matrix = (forest, water, wetland, farmland, grass, orchard, park)
    motorways = roads.where(("motorway",)) if roads is not None else None
    widths = {"min_width_m": min_width_m, "road_width_m": road_width_m, "offset_m": offset_m}
    enough = parts.wide(matrix, built=construction, roads=motorways, **widths)
    return Ratio(parts.length(corridor_axes, where=enough), parts.length(corridor_axes))


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
    if not (distance_m > 0 and 0 < least_probability < probability < 1):
        raise ConfigError(
            f"distance_m = {distance_m:g} must be above 0, and least_probability = {least_probability:g} less than "
            f"probability = {probability:g}, both between 0 and 1"
        )
    settings = {"distance_m": distance_m, "probability": probability, "least_probability": least_probability}
    return parts.per_zone("connectivity", *chosen, unit="%", index=index, over=over, least_m2=least_m2, **settings)
