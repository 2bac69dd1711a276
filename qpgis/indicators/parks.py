"""Parks and the people they are for."""

from __future__ import annotations

from qpgis import parts
from qpgis.indicators.declaration import Definition, choose, indicator
from qpgis.indicators.reached import in_park_radius
from qpgis.parts import AnyLayer, Ratio, Zones

_NO_FORMULA = "没有查到规定的公式；人口口径为常住人口；以相接的公园绿地为一个公园，为本工具的做法"


@indicator(
    unit="people/count",
    zh="每个公园服务人口",
    en="People per park",
    theme="land",
    definitions=(
        Definition(
            "residents",
            "常住人口 ÷ 2000 m² 以上的公园个数（相接的公园绿地为一个，以其内一点所在分区计）",
            "Residents ÷ parks of 2000 m² or more (polygons that touch are one, counted where a point inside lies)",
            standing=_NO_FORMULA,
        ),
        Definition(
            "residents_reached",
            "公园服务半径内的常住人口（5000 m² 以上 500 m，2000–5000 m² 300 m）÷ 2000 m² 以上的公园个数",
            "Residents within the service radius of a park (500 m from 5000 m², 300 m from 2000 m² on) ÷ such parks",
            {"counted": "reached"},
            standing=_NO_FORMULA,
        ),
    ),
)
def people_per_park(
    zones: Zones,
    park: AnyLayer,
    residents: AnyLayer,
    *,
    counted: str = "all",
    large_m2: float = 5000.0,
    large_radius_m: float = 500.0,
    small_m2: float = 2000.0,
    small_radius_m: float = 300.0,
) -> Ratio:
    """How many people there are to a park (每个公园服务人口).

    Formula: ``people / count(parks)``. Parks are polygons of ``small_m2`` or more, those that touch being one, counted
    in the zone of a point inside. Missing where there is no park.

    Parameters
    ----------
    counted : str
        ``all`` people of the zone, or those ``reached``: within the service radius of a park, also of one beyond the
        zone's border.
    large_m2, large_radius_m, small_m2, small_radius_m : float
        As of the service radius of parks (公园绿地服务半径覆盖率).
    """
    reached = in_park_radius(
        park, large_m2=large_m2, large_radius_m=large_radius_m, small_m2=small_m2, small_radius_m=small_radius_m
    )
    where = choose(counted, {"all": None, "reached": reached}, setting="counted")
    return Ratio(parts.people(residents, where=where), parts.count(park.of_size(small_m2).united()))
