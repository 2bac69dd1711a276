"""Land by its use: development intensity, farmland, parks a head and parks within reach."""

from __future__ import annotations

from qpgis import parts
from qpgis.indicators.declaration import Definition, indicator
from qpgis.indicators.heads import by_population, heads
from qpgis.indicators.reached import in_park_radius
from qpgis.parts import AnyLayer, Ratio, Total, Zones

_PARKS = "住房城乡建设部 2021 年城市体检指标：公园绿地服务半径覆盖率（5000 m² 以上按 500 m，2000–5000 m² 按 300 m）"
_BY_LANDUSE = "建设用地按用地分类的归并，为本工具的解读"
_USES = {
    "housing": ("居住用地", "housing"),
    "public": ("公共管理与公共服务用地", "public administration and services"),
    "commercial": ("商业服务业用地", "commerce"),
    "industry": ("工矿用地", "industry and mining"),
    "storage": ("仓储用地", "storage"),
    "transport": ("交通运输用地", "transport"),
    "utility": ("公用设施用地", "utilities"),
    "open_space": ("绿地与开敞空间用地", "green and open space"),
    "other_built": ("其他建设用地（特殊、留白、空闲地）", "other uses"),
}


def _by_use(zh: str, en: str) -> tuple[Definition, ...]:
    """A definition for each use of construction land."""
    return tuple(
        Definition(name, f"{words}{zh}", f"{en}: {words_en}", {"use": name}, standing=_BY_LANDUSE, competes=False)
        for name, (words, words_en) in _USES.items()
    )


@indicator(
    unit="%",
    zh="开发强度",
    en="Development intensity",
    theme="land",
    definitions=(
        Definition(
            "total_area",
            "建设用地面积 ÷ 区域总面积（含水域）",
            "Construction land ÷ total area including water",
            standing=_BY_LANDUSE,
        ),
    ),
)
def development_intensity(zones: Zones, construction: AnyLayer) -> Ratio:
    """Construction land over total area (开发强度), in %.

    Formula: ``100 * area(construction) / area(zone)``. Range 0 to 100.
    """
    return Ratio(parts.area(construction), parts.area(zones))


@indicator(
    unit="km2",
    zh="建设用地面积",
    en="Construction land",
    theme="land",
    definitions=(
        Definition(
            "drawn",
            "建设用地图斑的椭球面积（重叠只算一次）",
            "Ellipsoidal area of construction land (overlaps once)",
            standing=_BY_LANDUSE,
        ),
    ),
)
def construction_area(zones: Zones, construction: AnyLayer) -> Total:
    """Construction land (建设用地面积), in km2.

    Formula: ``area(construction)``; it adds up over zones.
    """
    return Total(parts.area(construction))


@indicator(
    unit="km2",
    zh="分类建设用地面积",
    en="Construction land by use",
    theme="land",
    definitions=_by_use("面积", "Area of construction land"),
)
def construction_use_area(zones: Zones, construction: AnyLayer, *, use: str = "housing") -> Total:
    """Construction land of a use (分类建设用地面积), in km2.

    Formula: ``area(construction of the use)``; it adds up over zones. Codes that may be several uses count as none,
    which the note says; missing where that leaves nothing of the use.

    Parameters
    ----------
    use : str
        A use of ``data/schemes/construction.toml``.
    """
    return Total(parts.area(parts.of_class(construction, (use,))))


@indicator(
    unit="%",
    zh="分类建设用地占比",
    en="Share of construction land by use",
    theme="land",
    definitions=_by_use("面积 ÷ 建设用地面积", "Construction land ÷ all construction land"),
)
def construction_use_share(zones: Zones, construction: AnyLayer, *, use: str = "housing") -> Ratio:
    """Share of a use in construction land (分类建设用地占比), in %.

    Formula: ``100 * area(construction of the use) / area(construction)``. Range 0 to 100; missing where nothing
    is built.

    Parameters
    ----------
    use : str
        A use of ``data/schemes/construction.toml``.
    """
    return Ratio(parts.area(parts.of_class(construction, (use,))), parts.area(construction))


@indicator(
    unit="m2/person",
    zh="人均建设用地面积",
    en="Construction land a head",
    theme="land",
    definitions=by_population(
        "建设用地面积", "Construction land", standing=f"{_BY_LANDUSE}；人口口径未见规定，逐一列出；城镇与村庄不分"
    ),
)
def construction_area_per_person(
    zones: Zones,
    construction: AnyLayer,
    residents: AnyLayer,
    registered: AnyLayer,
    actual: AnyLayer,
    served: AnyLayer,
    *,
    population: str = "residents",
) -> Ratio:
    """Construction land a head (人均建设用地面积), in m2 a person.

    Formula: ``area(construction) / people``. Land of towns and of villages isn't told apart.

    Parameters
    ----------
    population : str
        ``residents``, ``registered``, ``actual`` or ``served``: 常住, 户籍, 实有, 服务人口.
    """
    return Ratio(parts.area(construction), heads(population, residents, registered, actual, served))


@indicator(
    unit="km2",
    zh="耕地面积",
    en="Farmland",
    theme="land",
    definitions=(
        Definition(
            "drawn",
            "耕地图斑的椭球面积（含田坎，重叠只算一次）；与以 TBDLMJ 汇总的耕地保有量口径不同",
            "Ellipsoidal area of farmland, ridges included (overlaps once); not the sum of TBDLMJ",
            standing="图斑口径；耕地保有量以国土变更调查汇总为准",
        ),
    ),
)
def farmland_area(zones: Zones, farmland: AnyLayer) -> Total:
    """Farmland (耕地面积), in km2.

    Formula: ``area(farmland)``; it adds up over zones.
    """
    return Total(parts.area(farmland))


@indicator(
    unit="m2/person",
    zh="人均公园绿地面积",
    en="Park area a head",
    theme="land",
    definitions=by_population("公园绿地面积", "Park area", standing="人口口径未见规定，逐一列出"),
)
def park_area_per_person(
    zones: Zones,
    park: AnyLayer,
    residents: AnyLayer,
    registered: AnyLayer,
    actual: AnyLayer,
    served: AnyLayer,
    *,
    population: str = "residents",
) -> Ratio:
    """Park area a head (人均公园绿地面积), in m2 a person.

    Formula: ``area(park) / people``.

    Parameters
    ----------
    population : str
        ``residents``, ``registered``, ``actual`` or ``served``: 常住, 户籍, 实有, 服务人口.
    """
    return Ratio(parts.area(park), heads(population, residents, registered, actual, served))


@indicator(
    unit="%",
    zh="公园绿地服务半径覆盖率",
    en="Park service radius",
    theme="land",
    definitions=(
        Definition(
            "residential_land",
            "5000 m² 以上公园绿地 500 m 或 2000–5000 m² 公园绿地 300 m 半径内的住宅用地 ÷ 住宅用地",
            "Residential land within 500 m of parks of 5000 m² or 300 m of parks of 2000-5000 m² ÷ residential land",
            source=_PARKS,
            standing="名称与半径有公开来源；以相接的公园绿地合计面积判断大小，为本工具的做法",
        ),
    ),
)
def park_service_radius(
    zones: Zones,
    park: AnyLayer,
    residential: AnyLayer,
    *,
    large_m2: float = 5000.0,
    large_radius_m: float = 500.0,
    small_m2: float = 2000.0,
    small_radius_m: float = 300.0,
) -> Ratio:
    """Residential land within the service radius of a park (公园绿地服务半径覆盖率), in %.

    Formula: ``100 * area(residential land within the radius of a park of its size) / area(residential land)``. Range 0
    to 100; as the crow flies, from the park's edge. Park polygons that touch are one park; those beyond the zone's
    border count.

    Parameters
    ----------
    large_m2, large_radius_m : float
        From this size on a park serves this radius.
    small_m2, small_radius_m : float
        From this size on a smaller one.
    """
    served = in_park_radius(
        park, large_m2=large_m2, large_radius_m=large_radius_m, small_m2=small_m2, small_radius_m=small_radius_m
    )
    return Ratio(parts.area(residential, where=served), parts.area(residential))
