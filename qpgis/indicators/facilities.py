"""Public facilities: how many there are, and how much of them there is a head."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from qpgis import parts
from qpgis.errors import MissingAreas, MissingServices
from qpgis.indicators.declaration import Definition, choose, indicator
from qpgis.indicators.heads import by_population, heads
from qpgis.landuse import services
from qpgis.layers import Layer
from qpgis.parts import AnyLayer, Part, Ratio, Total, Zones

_AREA = "名称见于规划指标表；建筑面积还是用地面积、哪些设施计入未见规定，由设施图层的 amount_field 给出"
_LAND = "用地口径，为对照；附建于其他用地的设施不在内；三调的科教文卫用地（08H2）分不出文化、体育"
_COUNT = "按设施图层的要素计数；规模不同的设施各计一个"
_NAMES = {"culture": "文化", "education": "教育", "elderly": "养老", "medical": "卫生", "sports": "体育"}


def offered(facilities: AnyLayer, required: Iterable[str]) -> list[Layer]:
    """The facilities of each of some services.

    Raises
    ------
    MissingServices
        If the layer holds facilities, but none at all of a service: that they weren't collected is likelier than none.
    MissingLayer, MissingClasses
        If there is no such layer, or its features have no classes.
    """
    wanted = {name: choose(name, services(), setting="required") for name in required}
    return list(of_each(facilities, wanted).values())


def of_each(facilities: AnyLayer, wanted: Mapping[str, tuple[str, ...]]) -> dict[str, Layer]:
    """The facilities of the classes that each name stands for; raises as :func:`offered` does."""
    found = {name: facilities.where(classes) for name, classes in wanted.items()}
    lacking = [name for name, one in found.items() if not len(one)]
    if lacking and isinstance(facilities, Layer) and len(facilities):
        raise MissingServices("facilities", lacking)
    return found


def _floor_area(facilities: AnyLayer, required: tuple[str, ...]) -> Part:
    """The areas of the facilities of some services; facilities without one add nothing.

    Raises
    ------
    MissingAreas
        If no facility of one of the services has its area; else as :func:`offered` and :func:`qpgis.parts.floor_area`.
    """
    each = dict(zip(required, offered(facilities, required), strict=True))
    lacking = [name for name, one in each.items() if len(one) and not _has_amounts(one)]
    if lacking and _has_amounts(facilities):
        raise MissingAreas("facilities", lacking)
    return parts.floor_area(_of(facilities, required))


def _has_amounts(layer: AnyLayer) -> bool:
    return isinstance(layer, Layer) and "amount" in layer.frame and bool(layer.frame["amount"].notna().any())


def _of(facilities: AnyLayer, required: tuple[str, ...]) -> Layer:
    """The facilities of any of some services, each of which must be there."""
    offered(facilities, required)
    return facilities.where({one for name in required for one in services()[name]})


def _area(measured: str, facilities: AnyLayer, public_land: AnyLayer, required: tuple[str, ...]) -> Part:
    """The area of the facilities of some services, or of the land for them."""
    if choose(measured, {"facilities": False, "land": True}, setting="measured"):
        return parts.area(parts.of_class(public_land, required))
    return _floor_area(facilities, required)


@indicator(
    unit="m2/person",
    zh="人均公共文体设施面积",
    en="Culture and sports facilities a head",
    theme="services",
    definitions=(
        *by_population("公共文化、体育设施面积", "Area of public culture and sports facilities", standing=_AREA),
        Definition(
            "land_residents",
            "文化用地和体育用地面积 ÷ 常住人口",
            "Land for culture and sports ÷ residents (常住人口)",
            {"measured": "land"},
            standing=_LAND,
            competes=False,
        ),
    ),
)
def culture_sport_area_per_person(
    zones: Zones,
    facilities: AnyLayer,
    public_land: AnyLayer,
    residents: AnyLayer,
    registered: AnyLayer,
    actual: AnyLayer,
    served: AnyLayer,
    *,
    measured: str = "facilities",
    population: str = "residents",
) -> Ratio:
    """Area of public culture and sports facilities a head (人均公共文体设施面积), in m2 a person.

    Formula: ``area of the facilities / people``. The area is the sum of the facilities' amounts, whose unit must be
    declared (``amount_unit = "m2"``); a facility without one adds nothing, and is named in a finding and in the note of
    its zone. Missing where the layer holds no facility at all of one of the services, or none that has its area.

    Parameters
    ----------
    measured : str
        ``facilities``: their amounts; or ``land``: the parcels for culture and sports.
    population : str
        ``residents``, ``registered``, ``actual`` or ``served``: 常住, 户籍, 实有, 服务人口.
    """
    area = _area(measured, facilities, public_land, ("culture", "sports"))
    return Ratio(area, heads(population, residents, registered, actual, served))


@indicator(
    unit="m2/person",
    zh="人均体育场地面积",
    en="Sports ground a head",
    theme="services",
    definitions=(
        *by_population("体育场地面积", "Area of sports grounds", standing=_AREA),
        Definition(
            "land_residents",
            "体育用地面积 ÷ 常住人口",
            "Land for sports ÷ residents (常住人口)",
            {"measured": "land"},
            standing=_LAND,
            competes=False,
        ),
    ),
)
def sports_area_per_person(
    zones: Zones,
    facilities: AnyLayer,
    public_land: AnyLayer,
    residents: AnyLayer,
    registered: AnyLayer,
    actual: AnyLayer,
    served: AnyLayer,
    *,
    measured: str = "facilities",
    population: str = "residents",
) -> Ratio:
    """Area of sports grounds a head (人均体育场地面积), in m2 a person.

    Formula: ``area of the sports facilities / people``. The area is the sum of the facilities' amounts, whose unit must
    be declared (``amount_unit = "m2"``). Missing where the layer holds no sports facility at
    all, or none that has its area.

    Parameters
    ----------
    measured : str
        ``facilities``: their amounts; or ``land``: the parcels for sports.
    population : str
        ``residents``, ``registered``, ``actual`` or ``served``: 常住, 户籍, 实有, 服务人口.
    """
    area = _area(measured, facilities, public_land, ("sports",))
    return Ratio(area, heads(population, residents, registered, actual, served))


@indicator(
    unit="m2/person",
    zh="人均社区养老设施面积",
    en="Elderly care facilities a head",
    theme="services",
    definitions=by_population("养老设施面积", "Area of facilities of care for the elderly", standing=_AREA),
)
def elderly_care_area_per_person(
    zones: Zones,
    facilities: AnyLayer,
    residents: AnyLayer,
    registered: AnyLayer,
    actual: AnyLayer,
    served: AnyLayer,
    *,
    population: str = "residents",
) -> Ratio:
    """Area of facilities of care for the elderly a head (人均社区养老设施面积), in m2 a person.

    Formula: ``area of the facilities / people``; its numerator is 社区养老设施建筑面积 where the amounts are floor
    areas. Their unit must be declared (``amount_unit = "m2"``). Missing where the layer holds no such facility at all,
    or none that has its area.

    Parameters
    ----------
    population : str
        ``residents``, ``registered``, ``actual`` or ``served``: 常住, 户籍, 实有, 服务人口.
    """
    area = _floor_area(facilities, ("elderly",))
    return Ratio(area, heads(population, residents, registered, actual, served))


@indicator(
    unit="per_10k",
    zh="每万人养老设施数",
    en="Elderly care facilities for each 10,000",
    theme="services",
    definitions=by_population("养老设施数", "Facilities of care for the elderly", standing=_COUNT),
)
def elderly_care_per_10k(
    zones: Zones,
    facilities: AnyLayer,
    residents: AnyLayer,
    registered: AnyLayer,
    actual: AnyLayer,
    served: AnyLayer,
    *,
    population: str = "residents",
) -> Ratio:
    """Facilities of care for the elderly for each 10,000 people (每万人养老设施数).

    Formula: ``10000 * number of facilities / people``. Missing where the layer holds none at all.

    Parameters
    ----------
    population : str
        ``residents``, ``registered``, ``actual`` or ``served``: 常住, 户籍, 实有, 服务人口.
    """
    return Ratio(parts.count(_of(facilities, ("elderly",))), heads(population, residents, registered, actual, served))


@indicator(
    unit="per_10k",
    zh="每万人医疗卫生设施数",
    en="Health facilities for each 10,000",
    theme="services",
    definitions=by_population("医院和基层卫生设施数", "Hospitals and clinics", standing=_COUNT),
)
def health_facilities_per_10k(
    zones: Zones,
    facilities: AnyLayer,
    residents: AnyLayer,
    registered: AnyLayer,
    actual: AnyLayer,
    served: AnyLayer,
    *,
    population: str = "residents",
) -> Ratio:
    """Hospitals and clinics for each 10,000 people (每万人医疗卫生设施数).

    Formula: ``10000 * number of facilities / people``. Missing where the layer holds none at all.

    Parameters
    ----------
    population : str
        ``residents``, ``registered``, ``actual`` or ``served``: 常住, 户籍, 实有, 服务人口.
    """
    return Ratio(parts.count(_of(facilities, ("medical",))), heads(population, residents, registered, actual, served))


@indicator(
    unit="count",
    zh="公共服务设施数",
    en="Public facilities",
    theme="services",
    definitions=tuple(
        Definition(
            name,
            f"{words}设施的个数",
            f"Number of facilities for {name}",
            {"service": name},
            standing=_COUNT,
            competes=False,
        )
        for name, words in _NAMES.items()
    ),
)
def facility_count(zones: Zones, facilities: AnyLayer, *, service: str = "culture") -> Total:
    """How many facilities of a service there are (公共服务设施数).

    Formula: the number of facilities of the service's classes. One on a shared border goes to the lowest zone id.
    Missing where the layer holds none at all.

    Parameters
    ----------
    service : str
        A service of ``data/schemes/facilities.toml``.
    """
    return Total(parts.count(_of(facilities, (service,))))
