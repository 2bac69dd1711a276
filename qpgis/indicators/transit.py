"""Public transport: who lives near a station or a stop, and which land lies there."""

from __future__ import annotations

from dataclasses import dataclass

from qpgis import parts
from qpgis.indicators.declaration import Definition, choose, indicator
from qpgis.indicators.reached import Group, Streets, rule_to, share_reached
from qpgis.layers import Layer
from qpgis.parts import AnyLayer, Ratio, Rule, Total, Zones

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


_WHO = {
    "people": ("常住人口", "Residents"),
    "jobs": ("就业岗位", "Jobs"),
    "people_and_jobs": ("人口与岗位之和", "Residents and jobs"),
    "construction": ("建设用地", "Construction land"),
}


@dataclass(frozen=True)
class _Within:
    """Makes the definitions of coverage by one kind of stop: its names, distance by default, and standing."""

    zh: str
    en: str
    limit_m: float
    standing: str
    said: str = ""
    said_en: str = ""

    def __call__(self, measured: str, limit_m: float, route: str = "straight") -> Definition:
        """Which part of someone or something lies within a distance."""
        who, who_en = _WHO[measured]
        walk, ground = route == "walk", route == "walk" and measured == "construction"
        streets, streets_en = ("（可达路段两侧 50 m 内）", " (50 m beside the streets)") if ground else ("", "")
        how = f"沿路网步行 {limit_m:g} m 内可到达{self.zh}" if walk else f"{self.zh}直线 {limit_m:g} m 内"
        how_en = f"a {limit_m:g} m walk of {self.en}" if walk else f"{limit_m:g} m of {self.en} as the crow flies"
        chosen = {"measured": measured, "limit_m": limit_m, "route": route}
        usual = {"measured": "people", "limit_m": self.limit_m, "route": "straight"}
        return Definition(
            f"{measured}_{limit_m:g}m{'_walk' if walk else ''}",
            f"{how}的{who}{streets} ÷ {who}{self.said}",
            f"{who_en} within {how_en}{streets_en} ÷ {who_en.lower()}{self.said_en}",
            {name: value for name, value in chosen.items() if value != usual[name]},
            standing=f"{self.standing}；岗位需有就业岗位图层，每个岗位计一人" if "jobs" in measured else self.standing,
            competes=measured != "jobs",
        )


_rail = _Within(
    "轨道站点",
    "a rail station",
    800.0,
    _RAIL,
    "；有出入口图层的按出入口计，附近没有出入口的站点按站点计",
    "; from its exits where they are given",
)
_bus = _Within("公交站点", "a bus stop", 500.0, _BUS)


@indicator(
    unit="%",
    zh="轨道站点覆盖率",
    en="Rail station coverage",
    theme="transit",
    definitions=(
        _rail("people", 800.0),
        _rail("people", 600.0),
        _rail("people", 800.0, "walk"),
        _rail("people", 600.0, "walk"),
        _rail("jobs", 800.0),
        _rail("jobs", 600.0),
        _rail("people_and_jobs", 800.0),
        _rail("people_and_jobs", 600.0),
        _rail("construction", 800.0),
        _rail("construction", 600.0),
        _rail("construction", 800.0, "walk"),
    ),
)
def rail_station_coverage(
    zones: Zones,
    stations: AnyLayer,
    residents: AnyLayer,
    jobs: AnyLayer,
    construction: AnyLayer,
    roads: AnyLayer,
    exits: AnyLayer | None = None,
    path: AnyLayer | None = None,
    track: AnyLayer | None = None,
    service: AnyLayer | None = None,
    water: AnyLayer | None = None,
    *,
    measured: str = "people",
    route: str = "straight",
    limit_m: float = 800.0,
    exits_within_m: float = 500.0,
    snap_within_m: float = 300.0,
    beside_m: float = 50.0,
) -> Ratio:
    """People, jobs or built land near a rail station (轨道站点覆盖率), in %.

    Formula: ``100 * people (or area) within limit_m of a station / people (or area)``. Range 0 to 100. Stations are
    those of the state: opened by its date, of a status that counts; those beyond the zone's border count too. Where
    the layer ``exits`` holds any within ``exits_within_m`` of a station, distances are to these exits, else to the
    station's own point; exits near none of the stations that count don't count.

    Parameters
    ----------
    measured : str
        ``people``; ``jobs``, or ``people_and_jobs``: their sum, a job counts as a person; or ``construction``:
        建设用地, the ground within the distance.
    route : str
        ``straight``, in the plane; or ``walk``, along the streets, with water and motorways crossed on bridges only.
    limit_m : float
        The distance.
    exits_within_m : float
        How far an exit may be from its station.
    snap_within_m : float
        For walks: how far a home or station may be from its street.
    beside_m : float
        For walks to land: how far beside the streets the ground is reached, the way there being part of the walk.
    """
    streets = Streets(roads, (path, track, service), water, snap_within_m)
    targets = _entrances(stations, exits, exits_within_m)
    rule = rule_to(*targets, streets=streets, route=route, limit_m=limit_m, beside_m=beside_m)
    return _share(rule, measured, residents, jobs, construction)


def _entrances(stations: AnyLayer, exits: AnyLayer | None, within_m: float) -> tuple[AnyLayer, ...]:
    """Where stations are entered: at the exits that are near them, and at those that no exit is near."""
    within_m = parts.metres("exits_within_m", within_m)
    if not isinstance(stations, Layer) or not isinstance(exits, Layer) or not len(exits):
        return (stations,)
    return exits.near(stations, within_m)[0], stations.near(exits, within_m)[1]


def _share(rule: Rule, measured: str, residents: AnyLayer, jobs: AnyLayer, construction: AnyLayer) -> Ratio:
    """The share of people, jobs, both or construction land that a rule holds for."""
    measure, layers = choose(
        measured,
        {
            "people": ("people", (residents,)),
            "jobs": ("people", (jobs,)),
            "people_and_jobs": ("people", (residents, jobs)),
            "construction": ("land", (construction,)),
        },
        setting="measured",
    )
    return share_reached(measure, Group(layers, rule))


@indicator(
    unit="%",
    zh="公交站点覆盖率",
    en="Bus stop coverage",
    theme="transit",
    definitions=(
        _bus("people", 500.0),
        _bus("people", 300.0),
        _bus("people", 500.0, "walk"),
        _bus("people", 300.0, "walk"),
        _bus("jobs", 500.0),
        _bus("people_and_jobs", 500.0),
        _bus("construction", 500.0),
        _bus("construction", 300.0),
        _bus("construction", 500.0, "walk"),
    ),
)
def bus_stop_coverage(
    zones: Zones,
    facilities: AnyLayer,
    residents: AnyLayer,
    jobs: AnyLayer,
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
    beside_m: float = 50.0,
) -> Ratio:
    """People, jobs or built land near a bus stop (公交站点覆盖率), in %.

    Formula: ``100 * people (or area) within limit_m of a bus stop / people (or area)``. Range 0 to 100. Stops are the
    facilities of class ``bus_stop``; those beyond the zone's border count too.

    Parameters
    ----------
    measured : str
        ``people``; ``jobs``, or ``people_and_jobs``: their sum, a job counts as a person; or ``construction``:
        建设用地, the ground within the distance.
    route : str
        ``straight``, in the plane; or ``walk``, along the streets, with water and motorways crossed on bridges only.
    limit_m : float
        The distance.
    snap_within_m : float
        For walks: how far a home or stop may be from its street.
    beside_m : float
        For walks to land: how far beside the streets the ground is reached, the way there being part of the walk.
    """
    streets = Streets(roads, (path, track, service), water, snap_within_m)
    stops = facilities.where(("bus_stop",))
    rule = rule_to(stops, streets=streets, route=route, limit_m=limit_m, beside_m=beside_m)
    return _share(rule, measured, residents, jobs, construction)
