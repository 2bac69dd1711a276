"""What a synthetic landscape must add up to and look like: shares of land, roads, residents, facilities. From TOML.

The files are ``data/synth/*.toml``; :class:`Calibration` says what stands in them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from qpgis.catalogue import data_dir, parsed_toml
from qpgis.crs import Floats
from qpgis.errors import ConfigError, SourceError, did_you_mean
from qpgis.landuse import scheme
from qpgis.sources import regular_file

SCHEME = "sandiao"
"""Codes of the synthetic parcels are those of 三调."""

GROUPS = (
    "water",
    "roads",
    "rural_road",
    "commerce",
    "office",
    "service",
    "utility",
    "park",
    "town_housing",
    "industry",
    "logistics",
    "idle",
    "village",
    "farm_facility",
    "forest",
    "orchard",
    "grass",
    "farmland",
)
"""Groups of land classes that shares are given for; farmland takes whatever the others leave."""

ROLES = {
    "water": ("river", "canal", "pond", "fish_pond"),
    "roads": ("country", "town"),
}
"""Groups whose codes are chosen by what a parcel is, not by chance."""

MIXES = (*(f"{g}.{role}" for g, roles in ROLES.items() for role in roles), *(g for g in GROUPS if g not in ROLES))
"""What codes are given for."""

ROAD_CLASSES = ("primary", "secondary", "tertiary", "local", "village_road", "track")
"""Classes of the synthetic network, most important first; ``local`` becomes residential in towns, else unclassified."""

FACILITIES = (
    "primary_school",
    "middle_school",
    "kindergarten",
    "clinic",
    "hospital",
    "elderly_care",
    "culture",
    "sports",
    "market",
    "park",
    "bus_stop",
    "village_centre",
)

INHERITED = ("form", "codes", "facilities", "centres", "town_share")
"""What a calibration takes from its ``basis`` where it has none of its own."""

ROUNDING = 1e-9
"""Shares that add up to 1 may exceed it by so much: they are decimals."""


def _one_of(known: Iterable[str]) -> Callable[[str], str]:
    def check(word: str) -> str:
        if word not in known:
            raise ValueError(f"unknown key; {did_you_mean(word, known)}")
        return word

    return check


def _code(code: str) -> str:
    known = scheme(SCHEME).classes
    if code not in known:
        raise ValueError(f"{code!r} isn't a code of {SCHEME}; {did_you_mean(code, known)}")
    return code


Words = Annotated[str, Field(min_length=1)]
Number = Annotated[float, Field(ge=0, strict=True, allow_inf_nan=False)]
Share = Annotated[Number, Field(le=1)]
Group = Annotated[str, AfterValidator(_one_of(GROUPS[:-1]))]
RoadClass = Annotated[str, AfterValidator(_one_of(ROAD_CLASSES))]
Code = Annotated[str, AfterValidator(_code)]
Weight = Annotated[Number, Field(gt=0)]
FacilityClass = Annotated[str, AfterValidator(_one_of(FACILITIES))]
Mix = Annotated[dict[Code, Weight], Field(min_length=1)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Area(_Table):
    """What holds in some of the zones.

    Attributes
    ----------
    id, name : str
        Of the area.
    zones : tuple of str
        Ids of its zones; the first area has none and holds in all that no other names.
    shares : mapping
        Group of classes to its share of the area, 0 to 1; what isn't named is as in the first area.
    roads : mapping
        Class to km of road for each km2 of the area; what isn't named is as in the first area.
    residents_per_km2 : float
        Residents for each km2 of the area.
    standing, source : str
        How well the figures are established, and where they come from.
    """

    id: Words
    name: str = ""
    zones: tuple[str, ...] = ()
    shares: dict[Group, Share]
    roads: dict[RoadClass, Number] = {}
    residents_per_km2: Number
    standing: Words
    source: Words


class Total(_Table):
    """What several areas must add up to; their own figures are scaled until they do.

    Attributes
    ----------
    zones : tuple of str
        The zones that are added up. Where one is missing, the total isn't applied.
    water : float or None
        Share of all water.
    residents : int or None
        Exact number of residents.
    standing, source : str
        How well the figures are established, and where they come from.
    """

    id: Words
    zones: Annotated[tuple[str, ...], Field(min_length=1)]
    water: Share | None = None
    residents: Annotated[int, Field(ge=0, strict=True)] | None = None
    standing: Words
    source: Words


class FacilityKind(_Table):
    """How many facilities of one class there are and on what land they stand.

    Attributes
    ----------
    per_10k : float
        Facilities for each 10,000 residents.
    hosts : tuple of str
        Codes of the land, the best first; none: along streets where buses run.
    name : str
        What each is called, before its number.
    floor_m2 : float or None
        The floor area of each; not known by default.
    """

    per_10k: Number
    hosts: tuple[Code, ...] = ()
    name: Words
    floor_m2: Number | None = None


class Offer(_Table):
    """What a centre of a community may offer.

    Attributes
    ----------
    share : float
        Of the centres, those that have it.
    name : str
        What each is called, before its number.
    floor_m2 : float or None
        The floor area of each; not known by default.
    """

    share: Share
    name: Words
    floor_m2: Number | None = None


class Centre(_Table):
    """What stands together near where the people of a community live.

    Attributes
    ----------
    land : str
        The group of the housing that the community lives on; its centre stands there too.
    residents : float
        There is one for so many who live on that land, where they don't come closer than ``apart_m``.
    apart_m : float
        How far centres of a kind are from each other at least.
    offers : mapping
        Class of facilities to its :class:`Offer`.
    standing, source : str
        How well the figures are established, and where they come from.
    """

    land: Literal["town_housing", "village"]
    residents: Weight
    apart_m: Number
    offers: Annotated[dict[FacilityClass, Offer], Field(min_length=1)]
    standing: Words
    source: Words


class Form(_Table):
    """How the land looks where no sum decides it; lengths in m, areas in m2, shares 0 to 1.

    Attributes
    ----------
    road_land_m : (float, float)
        Narrowest and widest land of a road; longer roads have wider land.
    town_streets : float
        Streets in towns are so many times as dense as elsewhere.
    interchange_m : float
        A motorway meets other roads at most this often.
    canal_beside_road : float
        Share of the country roads with land of their own that have a canal beside them.
    canal_beside_road_m : (float, float)
        Width of the usual and of the great ones.
    canal_in_fields_m : (float, float)
        Narrowest and widest canal between fields.
    river_from_m : float
        Canals at least this wide are rivers.
    ponds : float
        Share of the water that isn't given that becomes ponds, where there is room for them.
    village_m2 : (float, float)
        Ground of the mean village, least and most.
    field_aspect : float
        Fields are about so many times as long as wide.
    footpath_m : (float, float)
        Footpaths lead through blocks, from some homes to others and to junctions: how far these homes are from each
        other at least, and how long a path is at most; none by default.
    standing, source : str
        How well the figures are established, and where they come from.
    """

    road_land_m: tuple[Weight, Weight]
    town_streets: Weight
    interchange_m: Number
    canal_beside_road: Share
    canal_beside_road_m: tuple[Weight, Weight]
    canal_in_fields_m: tuple[Weight, Weight]
    river_from_m: Number
    ponds: Share
    village_m2: tuple[Weight, Weight]
    field_aspect: Weight
    footpath_m: tuple[Number, Number] = (0, 0)
    standing: Words
    source: Words


class Calibration(_Table):
    """What a synthetic landscape must add up to and look like.

    Attributes
    ----------
    id, title, standing, source : str
        What it is, how well established, where from.
    areas : tuple of Area
        The first holds where no other does.
    totals : tuple of Total
        Sums over areas.
    form : Form
        How the land looks.
    codes : mapping
        Group of classes, or ``group.role``, to codes and their weights.
    facilities : mapping
        Class to its :class:`FacilityKind`.
    centres : mapping
        Kinds of :class:`Centre` by name; none by default.
    town_share : float
        Share of the residents who live on town housing, in areas that have it and villages.
    """

    id: Words
    title: Words
    standing: Words
    source: Words
    areas: Annotated[tuple[Area, ...], Field(min_length=1)]
    totals: tuple[Total, ...] = ()
    form: Form
    codes: dict[Annotated[str, AfterValidator(_one_of(MIXES))], Mix]
    facilities: dict[FacilityClass, FacilityKind]
    centres: dict[Words, Centre] = {}
    town_share: Share

    @field_validator("codes")
    @classmethod
    def _complete(cls, codes: dict[str, Mix]) -> dict[str, Mix]:
        if missing := [mix for mix in MIXES if mix not in codes]:
            raise ValueError(f"{', '.join(missing)}: missing; give codes and their weights, e.g. {{0101 = 1}}")
        return codes

    @model_validator(mode="after")
    def _consistent(self) -> Calibration:
        first = self.areas[0]
        mistakes = [f"areas.0.shares.{group}: missing" for group in GROUPS[:-1] if group not in first.shares]
        mistakes += [f"areas.0.roads.{class_}: missing" for class_ in ROAD_CLASSES if class_ not in first.roads]
        if first.zones or not all(area.zones for area in self.areas[1:]):
            mistakes.append("areas: the first has no zones, it holds wherever no other does; all others need some")
        named = [zone for area in self.areas for zone in area.zones]
        mistakes += [f"areas: zone {zone!r} is named twice" for zone in sorted(set(named)) if named.count(zone) > 1]
        for area, whole in zip(self.areas, self.share(*GROUPS), strict=True):
            if whole > 1 + ROUNDING:
                mistakes.append(f"shares of area {area.id!r} add up to {whole:.4g}, more than 1")
        if mistakes:
            raise ValueError("; ".join(mistakes))
        return self

    def __repr__(self) -> str:
        return f"<Calibration {self.id}: {len(self.areas)} areas, {len(self.totals)} totals>"

    def area_of(self, zone: str) -> int:
        """The number of the area that a zone is in; 0, the first, where no other names it."""
        return next((n for n, area in enumerate(self.areas) if zone in area.zones), 0)

    def share(self, *groups: str) -> Floats:
        """Share of each area that some groups of classes have together."""
        first = self.areas[0].shares
        return np.array([sum(a.shares.get(g, first.get(g, 0.0)) for g in groups) for a in self.areas], dtype=float)

    def road_density(self, *classes: str) -> Floats:
        """Density of the roads of some classes in each area, km/km2."""
        first = self.areas[0].roads
        return np.array([sum(a.roads.get(c, first.get(c, 0.0)) for c in classes) for a in self.areas], dtype=float)


def read_calibration(source: str | Path) -> Calibration:
    """A calibration from a TOML file, or one that qpgis ships, by its name.

    Parameters
    ----------
    source : str or Path
        ``"generic"``, ``"qingpu"``, or the path of a ``.toml`` file. With ``basis = "generic"`` a file takes
        :data:`INHERITED` from that calibration where it has none of its own.

    Raises
    ------
    ConfigError
        If keys are missing or unknown, a share isn't between 0 and 1, shares of an area exceed 1, a code isn't in
        ``data/schemes/sandiao.toml``, or a zone is in two areas. All mistakes are listed at once.
    SourceError
        If the file can't be read.
    """
    table, name = _table(source)
    if basis := table.pop("basis", None):
        inherited, _ = _table(str(basis))
        table = {key: value for key, value in inherited.items() if key in INHERITED} | table
    try:
        return Calibration.model_validate(table)
    except ValidationError as error:
        raise ConfigError([_explain(mistake) for mistake in error.errors()], file=name) from error


def _table(source: str | Path) -> tuple[dict[str, Any], str]:
    """A calibration's TOML and the name of its file."""
    path = Path(source)
    if path.suffix == ".toml":
        try:
            words = regular_file(path, what="calibration").read_text(encoding="utf-8-sig")
            name = path.name
        except (OSError, UnicodeDecodeError) as error:
            raise SourceError(f"{path}: can't be read ({error})") from error
    else:
        folder = data_dir().joinpath("synth")
        names = [f.name.removesuffix(".toml") for f in folder.iterdir() if f.name.endswith(".toml")]
        if str(source) not in names:
            known = did_you_mean(str(source), names)
            raise ConfigError(f"unknown calibration {str(source)!r}; {known}, or a .toml file")
        name = f"{source}.toml"
        words = folder.joinpath(name).read_text(encoding="utf-8")
    try:
        return parsed_toml(words), name
    except ValueError as error:
        raise ConfigError(f"no valid TOML: {error}", file=name) from error


TABLES: dict[str, type[_Table]] = {
    "areas": Area,
    "totals": Total,
    "facilities": FacilityKind,
    "centres": Centre,
    "offers": Offer,
    "form": Form,
}


def _explain(mistake: Any) -> str:
    """One mistake, by its place in the file."""
    path = [str(part) for part in mistake["loc"] if part != "[key]"]
    where = f"{'.'.join(path)}: " if path else ""
    match mistake["type"]:
        case "missing":
            return f"{where}missing"
        case "extra_forbidden":
            table = next((TABLES[part] for part in reversed(path[:-1]) if part in TABLES), Calibration)
            return f"{where}unknown key; {did_you_mean(path[-1], table.model_fields)}"
        case "value_error":
            return where + mistake["msg"].removeprefix("Value error, ")
    return f"{where}{mistake['msg']}, not {mistake['input']!r}"
