"""Water: how open its shores are, the quality at its sections, building inside its blue lines."""

from __future__ import annotations

from qpgis import parts
from qpgis.indicators.declaration import Definition, choose, indicator
from qpgis.indicators.reached import WALKED
from qpgis.landuse import quality_classes
from qpgis.parts import AnyLayer, Ratio, Zones

_SECTIONS = "GB 3838-2002 分级；哪些断面列入考核、全年类别如何由各次监测评定，由生态环境部门确定"
_BLUE_LINES = "没有查到规定的公式，为本工具的解读；蓝线以划定成果为准"

_SHORES = "没有查到规定的公式，为本工具的解读；多近算可达、哪些水体和道路计入，均为可改的设定"

PUBLIC = tuple(sorted({*WALKED} - {"service", "track"}))
"""Roads by which anybody gets to a shore: all that are walked on, but no estate roads and farm tracks."""


def _open_shore(name: str, zh: str, en: str, **settings: object) -> Definition:
    return Definition(
        name,
        f"{zh} ÷ 岸线长度（水域与陆地的界线；与其他水域相接处、调查范围外侧不计）",
        f"{en} ÷ shore (the border of water with land, not with other water or beyond the survey)",
        settings,
        standing=_SHORES,
    )


@indicator(
    unit="%",
    zh="岸线贯通率",
    en="Open shore",
    theme="water",
    definitions=(
        _open_shore(
            "within_30m",
            "河流、湖泊、水库 30 m 内有公共道路、步道、绿道或公园绿地的岸线长度",
            "Shore of rivers, lakes and reservoirs with a public way or park within 30 m",
        ),
        _open_shore(
            "continuous_500m",
            "河流、湖泊、水库 30 m 内有公共道路、步道、绿道或公园绿地、且连续 500 m 以上的岸线长度",
            "The same, open stretches of at least 500 m only",
            continuous_m=500.0,
        ),
        _open_shore(
            "not_before_homes",
            "河流、湖泊、水库 30 m 内有公共道路、步道、绿道或公园绿地、且岸后不是住宅用地的岸线长度",
            "The same, without shore that residential land lies on",
            closed="residential",
        ),
        _open_shore(
            "all_water",
            "全部水域 30 m 内有公共道路、步道、绿道或公园绿地的岸线长度",
            "Shore of any water with a public way or park within 30 m",
            water_classes="all",
        ),
    ),
)
def open_shore(
    zones: Zones,
    water: AnyLayer,
    roads: AnyLayer,
    residential: AnyLayer,
    path: AnyLayer | None = None,
    greenways: AnyLayer | None = None,
    park: AnyLayer | None = None,
    *,
    water_classes: str = "rivers_lakes_reservoirs",
    road_classes: tuple[str, ...] = PUBLIC,
    within_m: float = 30.0,
    continuous_m: float = 0.0,
    closed: str = "none",
) -> Ratio:
    """Share of the shore that people get to (岸线贯通率), in %.

    Formula: ``100 * length(shore with a public way or park within within_m) / length(shore)``. Range 0 to 100;
    geodesic, a stretch on a shared border half to each side; missing where there is no shore. Both banks of a river are
    shore, each opened by ways on its own side. More ways never lower it. What isn't open is listed and mapped.

    Parameters
    ----------
    water_classes : str
        Whose shore counts: ``all``, a group of ``data/schemes/water.toml``, or class names joined by ``+``.
    road_classes : tuple of str
        Roads that are public; paths, greenways and parks are too, as far as there are such layers.
    within_m : float
        How near to the shore, in a straight line.
    continuous_m : float
        Open stretches of one body of water that are shorter than this don't count; a zone's border doesn't cut them.
    closed : str
        ``none``, or ``residential``: shore that residential land lies on is closed, ways through it aren't public.
    """
    ways = (roads.where(road_classes), *(one for one in (path, greenways) if one is not None))
    shut = choose(closed, {"none": (), "residential": (residential,)}, setting="closed")
    reached = parts.open_shore(
        water,
        paths=ways,
        grounds=(park,) if park is not None else (),
        closed=shut,
        within_m=within_m,
        least_m=continuous_m,
    )
    counted = water.where(water_classes)
    return Ratio(parts.length(counted, where=reached), parts.shore(counted, others=water))


@indicator(
    unit="%",
    zh="主要河湖水质断面优于 III 类（含 III 类）类比例",
    en="Sections with water of class III or better",
    theme="water",
    definitions=(
        Definition(
            "sections",
            "本期水质类别为Ⅲ类或更好的断面数 ÷ 有评价结果的断面数（每个断面一行）",
            "Sections of class III or better in the period ÷ sections with a class (one row for each section)",
            source="表1；GB 3838-2002",
            standing=_SECTIONS,
        ),
        Definition(
            "samples",
            "Ⅲ类或更好的断面·次 ÷ 有类别的断面·次（逐行计次，同一断面可有多行）",
            "Rows of class III or better ÷ rows with a class (every row counts, a section may have several)",
            {"counted": "rows"},
            source="GB 3838-2002",
            standing="各次类别的优良率，与按期平均浓度评定的断面比例不同，只作对照",
            competes=False,
        ),
    ),
)
def water_quality_good_share(
    zones: Zones, sections: AnyLayer, *, worst_class: str = "iii", counted: str = "sections"
) -> Ratio:
    """Share of water quality sections of a class or better (水质断面优Ⅲ类比例), in %.

    Formula: ``100 * count(sections of worst_class or better) / count(sections with a class)``. Range 0 to 100; a
    section lies where its point lies, on a shared border in the lowest zone id. Sections without a class aren't
    assessed and don't count; missing where none is. Of rows with a date (``observed_field``) only those of the period
    count.

    Parameters
    ----------
    worst_class : str
        ``i``, ``ii``, ``iii``, ``iv``, ``v``.
    counted : str
        ``sections``: a section has one row, its class of the period, which the monitoring authority judges from the
        mean of its samples; classes themselves can't be averaged, so several rows of one name are refused.
        ``rows``: each row is a sample of its own.
    """
    order = quality_classes()
    good = order[: 1 + choose(worst_class, {one: n for n, one in enumerate(order)}, setting="worst_class")]
    assessed = sections.where(order)
    if choose(counted, {"sections": True, "rows": False}, setting="counted"):
        assessed = assessed.one_each()
    return Ratio(parts.count(assessed.where(good)), parts.count(assessed))


@indicator(
    unit="%",
    zh="蓝线内建设用地占比",
    en="Built land inside blue lines",
    theme="water",
    definitions=(
        Definition(
            "drawn",
            "河道蓝线范围内的建设用地面积 ÷ 蓝线范围面积",
            "Construction land inside the blue lines ÷ area inside the blue lines",
            standing=_BLUE_LINES,
        ),
        Definition(
            "band_20m",
            "河流、湖泊、水库及其外扩 20 m 范围内的建设用地面积 ÷ 该范围面积；没有蓝线图层时的近似",
            "Construction land within 20 m of rivers, lakes and reservoirs ÷ that area; for want of lines",
            {"drawn": "band"},
            standing="没有蓝线成果时的近似：外扩宽度没有依据，为可改的设定；不能代替划定的蓝线",
        ),
        Definition(
            "band_20m_all_water",
            "全部水域及其外扩 20 m 范围内的建设用地面积 ÷ 该范围面积；没有蓝线图层时的近似",
            "Construction land within 20 m of any water ÷ that area; for want of lines",
            {"drawn": "band", "water_classes": "all"},
            standing="没有蓝线成果时的近似：外扩宽度没有依据，为可改的设定；不能代替划定的蓝线",
        ),
    ),
)
def blue_line_construction(
    zones: Zones,
    blue_lines: AnyLayer,
    construction: AnyLayer,
    water: AnyLayer,
    *,
    drawn: str = "lines",
    band_m: float = 20.0,
    water_classes: str = "rivers_lakes_reservoirs",
) -> Ratio:
    """Construction land inside blue lines (蓝线内建设用地占比), in %.

    Formula: ``100 * area(construction inside the blue lines) / area(inside the blue lines)``. Range 0 to 100; missing
    where none is drawn. Blue lines are a control overlay and enter no sum of land classes.

    Parameters
    ----------
    drawn : str
        ``lines``: the polygons of ``blue_lines``; ``band``: water of the classes with ``band_m`` around it.
    band_m : float
        How wide the band around water is.
    water_classes : str
        ``all``, a group of ``data/schemes/water.toml``, or class names joined by ``+``.
    """
    if choose(drawn, {"lines": False, "band": True}, setting="drawn"):
        inside = parts.near(water.where(water_classes), limit_m=band_m)
    else:
        inside = parts.near(blue_lines, limit_m=0.0)
    return Ratio(parts.area(construction, where=inside), parts.ground(inside))
