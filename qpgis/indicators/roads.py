"""Roads: how dense, how long, how well joined."""

from __future__ import annotations

from qpgis import parts
from qpgis.indicators.declaration import Definition, choose, indicator
from qpgis.indicators.reached import WALKED
from qpgis.parts import AnyLayer, Expression, Part, Ratio, Total, Zones

_STANDING = "表1 的 2.23 用哪些道路等级和分母未见规定；公式出自二手来源，各项均为可改的设定"
_BY_CLASS = "等级按图层类别归并（公路与城市道路同级合并），归并方式未见规定；一段路只计入一级，四级之和即全部"
_ON_BUILT_LAND = "国标以建成区或城镇道路计，未核对原文；建设用地以图层为准，其外的公路也计入分子，故偏大"
_JUNCTIONS = (
    "路口只认共用端点或折点处，立体交叉不算；双向分离道路的分合处也算一处；哪些道路计入、并点距离均无规定，为可改的设定"
)

_CROSSINGS = (
    "没有查到定义；按道路线穿过水面的处数计，桥、隧、堤、涵不分，界河上的按中点归入一侧；"
    "计入哪些道路、水域和并点距离为可改的设定"
)

_BORDER = (
    "没有查到判定标准；端点是否断头按路网图形判断，近旁另有道路通过界线的也计入，需逐条核对缺失连接图层；"
    "距界、接续与连接距离均为可改的设定"
)

CLASSES = (
    "living_street",
    "motorway",
    "primary",
    "residential",
    "road",
    "secondary",
    "tertiary",
    "trunk",
    "unclassified",
)
"""Roads that count; ramps, service roads, tracks and paths are layers of their own and don't."""


LEVELS = {
    "motorway": ("高速公路", "Motorways", ("motorway",)),
    "arterial": ("干线道路（国道、省道、快速路、主干路）", "Trunk and primary roads", ("primary", "trunk")),
    "secondary": ("次干道路（县道、次干路）", "Secondary roads", ("secondary",)),
    "local": (
        "支路（乡道、支路及其他未分级道路）",
        "Tertiary and other local roads",
        ("living_street", "residential", "road", "tertiary", "unclassified"),
    ),
}
"""The roads that count, by level."""


def _by_level(zh: str, en: str) -> tuple[Definition, ...]:
    """A definition for each level of road."""
    return tuple(
        Definition(
            name,
            zh.format(level=own),
            en.format(level=english),
            {"classes": classes},
            standing=_BY_CLASS,
            competes=False,
        )
        for name, (own, english, classes) in LEVELS.items()
    )


@indicator(
    unit="km/km2",
    zh="路网密度",
    en="Road density",
    theme="roads",
    definitions=(
        Definition(
            "centreline",
            "道路中心线长度（双向分离的两幅路各算一半；不含匝道、小区内部路、田间路和步道）÷ 区域总面积（含水域）",
            "Centreline length (two carriageways count half each; no ramps, service roads, tracks, paths) ÷ total area",
            standing=_STANDING,
        ),
        Definition(
            "carriageway",
            "道路车行道长度（双向分离的两幅路各自计长；不含匝道、小区内部路、田间路和步道）÷ 区域总面积（含水域）",
            "Carriageway length (each carriageway by itself; no ramps, service roads, tracks or paths) ÷ total area",
            {"measure": "carriageway"},
            standing=_STANDING,
        ),
        *_by_level("{level}中心线长度 ÷ 区域总面积（含水域）", "Centreline length: {level} ÷ total area"),
        Definition(
            "construction_land",
            "道路中心线长度（双向分离的两幅路各算一半）÷ 建设用地面积",
            "Centreline length of roads ÷ construction land",
            {"denominator": "construction"},
            standing=_ON_BUILT_LAND,
            competes=False,
        ),
    ),
)
def road_density(
    zones: Zones,
    roads: AnyLayer,
    water: AnyLayer,
    construction: AnyLayer,
    *,
    classes: tuple[str, ...] = CLASSES,
    denominator: str = "total",
    measure: str = "centreline",
    water_classes: str = "rivers_lakes_reservoirs",
    opposite_within_m: float = 40.0,
) -> Ratio:
    """Length of roads over area (路网密度), in km/km2.

    Formula: ``length(roads of the classes) / area(denominator)``; geodesic length, a stretch on a border half to each
    side. Only roads that are there (现状) count.

    Parameters
    ----------
    classes : tuple of str
        Road classes that count.
    denominator : str
        ``total`` (the zone), ``land`` (without the water of ``water_classes``) or ``construction`` (建设用地).
    measure : str
        ``centreline``: the part of a one-way road within ``opposite_within_m`` of an opposite one-way of the same
        class, and of the same ref or name where both have one, counts half. ``carriageway``: every line counts whole.
    water_classes : str
        Which water is not land, for the denominator ``land``.
    opposite_within_m : float
        How far the opposite carriageway may be.
    """

    def land() -> Expression:
        return parts.area(zones) - parts.area(water.where(water_classes))

    areas = {"total": lambda: parts.area(zones), "land": land, "construction": lambda: parts.area(construction)}
    length = _length(roads.where(classes), measure, opposite_within_m)
    return Ratio(length, choose(denominator, areas, setting="denominator")())


def _length(roads: AnyLayer, measure: str, opposite_within_m: float) -> Part:
    lengths = {
        "centreline": lambda: parts.centreline_length(roads, opposite_within_m=opposite_within_m),
        "carriageway": lambda: parts.length(roads),
    }
    return choose(measure, lengths, setting="measure")()


@indicator(
    unit="km",
    zh="道路长度",
    en="Length of roads",
    theme="roads",
    definitions=(
        Definition(
            "centreline",
            "道路中心线长度（双向分离的两幅路各算一半；不含匝道、小区内部路、田间路和步道）",
            "Centreline length (two carriageways count half each; no ramps, service roads, tracks, paths)",
            standing=_STANDING,
        ),
        *_by_level("{level}中心线长度", "Centreline length: {level}"),
    ),
)
def road_length(
    zones: Zones,
    roads: AnyLayer,
    *,
    classes: tuple[str, ...] = CLASSES,
    measure: str = "centreline",
    opposite_within_m: float = 40.0,
) -> Total:
    """Length of roads (道路长度), in km.

    Formula: ``length(roads of the classes)``; geodesic, a stretch on a border half to each side. The settings are those
    of the road density.

    Parameters
    ----------
    classes : tuple of str
        Road classes that count.
    measure : str
        ``centreline``, two carriageways half each, or ``carriageway``.
    opposite_within_m : float
        How far the opposite carriageway may be.
    """
    return Total(_length(roads.where(classes), measure, opposite_within_m))


@indicator(
    unit="count/km2",
    zh="路口密度",
    en="Intersection density",
    theme="roads",
    definitions=(
        Definition(
            "merged_30m",
            "道路交叉口数（三条以上路段相接处；沿路相距不超过 30 m 的并为一处）÷ 区域总面积（含水域）",
            "Junctions of three or more stretches (those within 30 m along the road are one) ÷ total area",
            standing=_JUNCTIONS,
        ),
        Definition(
            "every_node",
            "道路交叉口数（三条以上路段相接处，逐个计；分离式道路的一个路口计作多处）÷ 区域总面积（含水域）",
            "Junctions of three or more stretches, each by itself (divided roads inflate them) ÷ total area",
            {"merge_within_m": 0.0},
            standing=_JUNCTIONS,
        ),
        Definition(
            "construction_land",
            "道路交叉口数（沿路相距不超过 30 m 的并为一处）÷ 建设用地面积",
            "Junctions (those within 30 m along the road are one) ÷ construction land",
            {"denominator": "construction"},
            standing=_JUNCTIONS,
            competes=False,
        ),
    ),
)
def intersection_density(
    zones: Zones,
    roads: AnyLayer,
    construction: AnyLayer,
    *,
    classes: tuple[str, ...] = CLASSES,
    denominator: str = "total",
    merge_within_m: float = 30.0,
) -> Ratio:
    """Junctions per area (路口密度), in count/km2.

    Formula: ``number of nodes where three or more stretches of road meet / area(denominator)``. Roads meet at common
    vertices; a node where two meet is none. Those on a shared border go to the lowest zone id.

    Parameters
    ----------
    classes : tuple of str
        Road classes that make the network.
    denominator : str
        ``total`` (the zone) or ``construction`` (建设用地).
    merge_within_m : float
        Junctions this near along the road are one.
    """
    areas = {"total": lambda: parts.area(zones), "construction": lambda: parts.area(construction)}
    junctions = parts.nodes(roads.where(classes), which="junctions", merge_within_m=merge_within_m)
    return Ratio(junctions, choose(denominator, areas, setting="denominator")())


@indicator(
    unit="ratio",
    zh="路网连接度",
    en="Link-node ratio",
    theme="roads",
    definitions=(
        Definition(
            "merged_30m",
            "路段数 ÷ 节点数（节点为路口和断头处；沿路相距不超过 30 m 的路口并为一处；路段按两端各半计入）",
            "Stretches ÷ nodes (junctions and dead ends; junctions within 30 m are one; half a stretch at each end)",
            standing=_JUNCTIONS,
        ),
        Definition(
            "every_node",
            "路段数 ÷ 节点数（节点为路口和断头处，逐个计；路段按两端各半计入）",
            "Stretches ÷ nodes (junctions and dead ends, each by itself; half a stretch at each end)",
            {"merge_within_m": 0.0},
            standing=_JUNCTIONS,
        ),
    ),
)
def link_node_ratio(
    zones: Zones, roads: AnyLayer, *, classes: tuple[str, ...] = CLASSES, merge_within_m: float = 30.0
) -> Ratio:
    """Stretches of road per node (路网连接度), a plain number.

    Formula: ``number of stretches / number of nodes``; nodes are junctions and dead ends, a stretch counts half where
    each of its ends is. A tree has under 1, a grid nears 2. Missing where there is no node. A dead end on the border of
    what was surveyed is no node.

    Parameters
    ----------
    classes : tuple of str
        Road classes that make the network.
    merge_within_m : float
        Junctions this near along the road are one.
    """
    network = roads.where(classes)
    return Ratio(
        parts.chains(network, merge_within_m=merge_within_m), parts.nodes(network, merge_within_m=merge_within_m)
    )


@indicator(
    unit="%",
    zh="尽端路占比",
    en="Share of dead ends",
    theme="roads",
    definitions=(
        Definition(
            "merged_30m",
            "尽端（只有一条路段到达的端点）数 ÷ 节点数（路口和尽端；沿路相距不超过 30 m 的路口并为一处）",
            "Dead ends ÷ nodes (junctions and dead ends; junctions within 30 m along the road are one)",
            standing=_JUNCTIONS,
        ),
        Definition(
            "every_node",
            "尽端（只有一条路段到达的端点）数 ÷ 节点数（路口和尽端，逐个计）",
            "Dead ends ÷ nodes (junctions and dead ends, each by itself)",
            {"merge_within_m": 0.0},
            standing=_JUNCTIONS,
        ),
    ),
)
def dead_end_share(
    zones: Zones, roads: AnyLayer, *, classes: tuple[str, ...] = CLASSES, merge_within_m: float = 30.0
) -> Ratio:
    """Dead ends among the nodes of the road network (尽端路占比), in %.

    Formula: ``100 * number of dead ends / number of junctions and dead ends``. Range 0 to 100; missing where there is
    no node. A road that goes on as one of a class that doesn't count ends there too; one that ends on the border of
    what was surveyed, or of the whole area where the layer doesn't state its extent, isn't known to.

    Parameters
    ----------
    classes : tuple of str
        Road classes that make the network.
    merge_within_m : float
        Junctions this near along the road are one.
    """
    network = roads.where(classes)
    ends = parts.nodes(network, which="ends", merge_within_m=merge_within_m)
    return Ratio(ends, parts.nodes(network, merge_within_m=merge_within_m))


def _across(zh: str, en: str) -> tuple[Definition, ...]:
    """A definition for who crosses which water."""
    users = {
        "drivable": ("机动车道路", "Roads", "drive"),
        "walkable": ("可步行的道路和步道", "Roads and paths", "walk"),
    }
    waters = {
        "": ("河流、湖泊、水库", "rivers, lakes and reservoirs", "rivers_lakes_reservoirs"),
        "_all_water": ("全部水域", "all water", "all"),
    }
    return tuple(
        Definition(
            f"{by}{which}",
            zh.format(lines=lines_zh, water=water_zh),
            en.format(lines=lines_en, water=water_en),
            {"by": user, "water_classes": classes},
            standing=_CROSSINGS,
        )
        for which, (water_zh, water_en, classes) in waters.items()
        for by, (lines_zh, lines_en, user) in users.items()
    )


@indicator(
    unit="count",
    zh="跨河通道数",
    en="River crossings",
    theme="roads",
    definitions=_across(
        "{lines}跨越{water}的处数（同一水面上相距不超过 40 m 的并为一处）",
        "Places where {lines} cross {water} (those within 40 m on one water are one)",
    ),
)
def river_crossings(
    zones: Zones,
    roads: AnyLayer,
    water: AnyLayer,
    path: AnyLayer | None = None,
    track: AnyLayer | None = None,
    service: AnyLayer | None = None,
    *,
    by: str = "drive",
    water_classes: str = "rivers_lakes_reservoirs",
    merge_within_m: float = 40.0,
    least_depth_m: float = 1.0,
) -> Total:
    """Places where roads cross water (跨河通道数).

    Formula: the number of pieces of road in water that leave it at both ends, those near each other counted once. Each
    counts where its middle lies: a bridge over a river on the border in one of the two zones. Water is drawn as
    polygons: what is only a line isn't crossed.

    Parameters
    ----------
    by : str
        ``drive``: the roads that count for density; ``walk``: all but motorways and ramps, with paths, tracks and
        service roads where there are such layers.
    water_classes : str
        Which water: ``all``, a group of ``data/schemes/water.toml``, or class names joined by ``+``.
    merge_within_m : float
        Crossings of one water this near to each other are one: two carriageways, the footway beside them.
    least_depth_m : float
        A road that gets no further than this from the shore runs along it.
    """
    lines = _crossing_lines(by, roads, (path, track, service))
    metres = {"merge_within_m": merge_within_m, "least_depth_m": least_depth_m}
    return Total(parts.crossings(lines, water.where(water_classes), **metres))


@indicator(
    unit="count/km",
    zh="跨河通道密度",
    en="River crossings per length of shore",
    theme="roads",
    definitions=_across(
        "{lines}跨越{water}的处数 ÷ 其岸线长度（两岸各自计长，岛岸计入）",
        "Places where {lines} cross {water} ÷ length of its shores (both banks, islands too)",
    ),
)
def river_crossing_density(
    zones: Zones,
    roads: AnyLayer,
    water: AnyLayer,
    path: AnyLayer | None = None,
    track: AnyLayer | None = None,
    service: AnyLayer | None = None,
    *,
    by: str = "drive",
    water_classes: str = "rivers_lakes_reservoirs",
    merge_within_m: float = 40.0,
    least_depth_m: float = 1.0,
) -> Ratio:
    """Crossings per kilometre of shore (跨河通道密度), in count/km.

    Formula: ``number of crossings / length of the shores``, of the same water; both banks of a river count, so along a
    river it is half of the crossings per kilometre. Missing where there is no shore. The settings are those of the
    crossings.

    Parameters
    ----------
    by : str
        ``drive`` or ``walk``.
    water_classes : str
        Which water: ``all``, a group of ``data/schemes/water.toml``, or class names joined by ``+``.
    merge_within_m : float
        Crossings of one water this near to each other are one.
    least_depth_m : float
        A road that gets no further than this from the shore runs along it.
    """
    lines = _crossing_lines(by, roads, (path, track, service))
    crossed = water.where(water_classes)
    metres = {"merge_within_m": merge_within_m, "least_depth_m": least_depth_m}
    return Ratio(parts.crossings(lines, crossed, **metres), parts.shore(crossed, others=water))


def _crossing_lines(by: str, roads: AnyLayer, others: tuple[AnyLayer | None, ...]) -> tuple[AnyLayer, ...]:
    walked = (roads.where(WALKED), *(one for one in others if one is not None))
    return choose(by, {"drive": (roads.where(CLASSES),), "walk": walked}, setting="by")


@indicator(
    unit="count",
    zh="省市断头路",
    en="Roads that end at the border",
    theme="roads",
    definitions=(
        Definition(
            "outer",
            "范围外缘界线 50 m 内的道路端点数：对侧 20 m 内无路接续，而 1 km 内有路可接",
            "Road ends within 50 m of the area's border, with no road across within 20 m but one within 1 km",
            standing=_BORDER,
        ),
        Definition(
            "province",
            "范围内省级界线（区划代码前两位不同）50 m 内的道路端点数：对侧 20 m 内无路接续，而 1 km 内有路可接",
            "Road ends within 50 m of borders between provinces, with no road across within 20 m but one within 1 km",
            {"border": "province"},
            standing=_BORDER,
        ),
        Definition(
            "zones",
            "范围内各分区界线 50 m 内的道路端点数：对侧 20 m 内无路接续，而 1 km 内有路可接",
            "Road ends within 50 m of borders between zones, with no road across within 20 m but one within 1 km",
            {"border": "zones"},
            standing=_BORDER,
        ),
    ),
)
def border_dead_ends(
    zones: Zones,
    roads: AnyLayer,
    links: AnyLayer | None = None,
    *,
    classes: tuple[str, ...] = CLASSES,
    border: str = "outer",
    border_within_m: float = 50.0,
    continue_within_m: float = 20.0,
    link_within_m: float = 1000.0,
    least_known: float = 0.3,
) -> Total:
    """Roads that end at an administrative border though there is one beyond it (省市断头路).

    Formula: the number of dead ends of roads within ``border_within_m`` of the border, with no road of the other side
    within ``continue_within_m`` and one within ``link_within_m``. Each counts in the zone that its road comes from, and
    has a missing link: the shortest line to the nearest road beyond. Distances in the plane. Planned roads that would
    close a gap do so in a state that counts them.

    Parameters
    ----------
    classes : tuple of str
        Road classes whose ends count; a road goes on as one of any class, or as a ramp.
    border : str
        ``outer``, that of the whole area; ``zones``, those between its zones; ``province``, those between zones whose
        ids are codes of administrative divisions of several provinces.
    border_within_m : float
        How near the border a road ends.
    continue_within_m : float
        A road of the other side this near to the end goes on from it: drawn by others, the two needn't meet.
    link_within_m : float
        How long a missing link may be.
    least_known : float
        For the outer border: the share of it that must have a road wholly beyond it within ``link_within_m``, so that
        a layer cut off at the border isn't taken for dead ends all round.
    """
    metres = {
        "border_within_m": border_within_m,
        "continue_within_m": continue_within_m,
        "link_within_m": link_within_m,
        "least_known": least_known,
    }
    others = tuple(one for one in (roads, links) if one is not None)
    which = choose(border, {name: name for name in ("outer", "province", "zones")}, setting="border")
    return Total(parts.border_ends(roads.where(classes), others=others, border=which, **metres))
