"""Blue-green space, forest, water."""

from __future__ import annotations

from qpgis import parts
from qpgis.indicators.declaration import Definition, choose, indicator
from qpgis.parts import AnyLayer, Ratio, Zones

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
