"""What a synthetic landscape must add up to: shares of land, density of roads, residents, facilities. From TOML."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qpgis.catalogue import data_dir
from qpgis.errors import ConfigError, SourceError, did_you_mean
from qpgis.landuse import class_words, scheme

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
)


@dataclass(frozen=True)
class Area:
    """What holds in some of the zones.

    Attributes
    ----------
    id, name : str
        Of the area.
    zones : tuple of str
        Ids of its zones; empty for all those that no other area names.
    shares : mapping
        Group of classes to its share of the area, 0 to 1; farmland is what is left.
    roads : mapping
        Class to km of road for each km2 of the area.
    residents_per_km2 : float
        Residents for each km2 of the area.
    standing, source : str
        How well the figures are established, and where they come from.
    """

    id: str
    name: str
    zones: tuple[str, ...]
    shares: Mapping[str, float]
    roads: Mapping[str, float]
    residents_per_km2: float
    standing: str
    source: str


@dataclass(frozen=True)
class Total:
    """What several areas must add up to; their own figures are scaled until they do.

    Attributes
    ----------
    zones : tuple of str
        The zones that are added up. Where one is missing, the total isn't applied.
    water : float or None
        Share of all water.
    residents : int or None
        Exact number of residents.
    """

    id: str
    zones: tuple[str, ...]
    water: float | None
    residents: int | None
    standing: str
    source: str


@dataclass(frozen=True)
class FacilityKind:
    """How many facilities of one class there are and on what land they stand."""

    class_: str
    per_10k: float
    hosts: tuple[str, ...]
    name: str


@dataclass(frozen=True)
class Calibration:
    """What a synthetic landscape must add up to.

    Attributes
    ----------
    id, title, standing, source : str
        What it is, how well established, where from.
    areas : tuple of Area
        The first holds where no other does.
    totals : tuple of Total
        Sums over areas.
    codes : mapping
        Group of classes, or ``group.role``, to codes and their weights.
    facilities : tuple of FacilityKind
        Kinds of facilities.
    town_share : float
        Share of the residents who live on town housing where there is any.
    """

    id: str
    title: str
    standing: str
    source: str
    areas: tuple[Area, ...]
    totals: tuple[Total, ...]
    codes: Mapping[str, Mapping[str, float]]
    facilities: tuple[FacilityKind, ...]
    town_share: float

    def __repr__(self) -> str:
        return f"<Calibration {self.id}: {len(self.areas)} areas, {len(self.totals)} totals>"

    def area_of(self, zone: str) -> int:
        """The number of the area that a zone is in; 0, the first, where no other names it."""
        return next((n for n, area in enumerate(self.areas) if n and zone in area.zones), 0)

    def used_codes(self) -> frozenset[str]:
        """Every land-use code that may be given."""
        return frozenset(code for mix in self.codes.values() for code in mix)


def read_calibration(source: str | Path) -> Calibration:
    """A calibration from a TOML file, or one that qpgis ships, by its name.

    Parameters
    ----------
    source : str or Path
        ``"generic"``, ``"qingpu"``, or the path of a ``.toml`` file.

    Raises
    ------
    ConfigError
        If keys are missing or unknown, a share isn't between 0 and 1, shares of an area exceed 1, a code isn't in
        ``data/schemes/sandiao.toml``, or a zone is in two areas. All mistakes are listed at once.
    SourceError
        If the file can't be read.
    """
    words, name = _text(source)
    try:
        table = tomllib.loads(words)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"no valid TOML: {error}", file=name) from error
    reader = _Reader(table)
    made = reader.calibration()
    if reader.mistakes:
        raise ConfigError(reader.mistakes, file=name)
    return made


def _text(source: str | Path) -> tuple[str, str]:
    """A calibration's text and the name of its file."""
    path = Path(source)
    if path.suffix != ".toml":
        folder = data_dir().joinpath("synth")
        names = [f.name.removesuffix(".toml") for f in folder.iterdir() if f.name.endswith(".toml")]
        if str(source) not in names:
            raise ConfigError(
                f"unknown calibration {str(source)!r}; {did_you_mean(str(source), names)}, or a .toml file"
            )
        return folder.joinpath(f"{source}.toml").read_text(encoding="utf-8"), f"{source}.toml"
    try:
        return path.read_text(encoding="utf-8"), path.name
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{path}: can't be read ({error})") from error


class _Reader:
    """Reads the tables of a calibration and collects what is wrong with them."""

    def __init__(self, table: dict[str, Any]) -> None:
        self.table = table
        self.mistakes: list[str] = []

    def calibration(self) -> Calibration:
        words = ("id", "title", "standing", "source")
        tables = {"shares", "roads", "residents", "facilities", "codes", "areas", "totals"}
        self._only(self.table, {*words, *tables}, "")
        head = {key: self._string(self.table, key, "") for key in words}
        residents = self._table(self.table, "residents", "")
        self._only(residents, {"per_km2", "town_share", "standing", "source"}, "residents")
        base = Area(
            id="elsewhere",
            name="",
            zones=(),
            shares=self._figures(self._table(self.table, "shares", ""), "shares", "share", GROUPS[:-1]),
            roads=self._figures(self._table(self.table, "roads", ""), "roads", "km_per_km2", ROAD_CLASSES),
            residents_per_km2=self._number(residents, "per_km2", "residents"),
            standing=head["standing"],
            source=head["source"],
        )
        areas = (base, *(self._area(t, base, n) for n, t in enumerate(self._list("areas"))))
        for area in areas:
            self._check_shares(area)
        self._check_zones(areas)
        return Calibration(
            **head,
            areas=areas,
            totals=tuple(self._total(t, n) for n, t in enumerate(self._list("totals"))),
            codes=self._codes(),
            facilities=self._facilities(),
            town_share=self._number(residents, "town_share", "residents", most=1),
        )

    def _area(self, table: dict[str, Any], base: Area, number: int) -> Area:
        where = f"areas[{number}]"
        self._only(table, {"id", "name", "zones", "shares", "roads", "residents_per_km2", "standing", "source"}, where)
        shares = self._plain(self._table(table, "shares", where), f"{where}.shares", GROUPS[:-1])
        roads = self._plain(table.get("roads", {}), f"{where}.roads", ROAD_CLASSES)
        return Area(
            id=self._string(table, "id", where),
            name=str(table.get("name", "")),
            zones=self._zones(table, where),
            shares={**base.shares, **shares},
            roads={**base.roads, **roads},
            residents_per_km2=self._number(table, "residents_per_km2", where),
            standing=self._string(table, "standing", where),
            source=self._string(table, "source", where),
        )

    def _total(self, table: dict[str, Any], number: int) -> Total:
        where = f"totals[{number}]"
        self._only(table, {"id", "zones", "water", "residents", "standing", "source"}, where)
        residents = table.get("residents")
        if residents is not None and (type(residents) is not int or residents < 0):
            self.mistakes.append(f"{where}.residents: a whole number from 0 is wanted, not {residents!r}")
            residents = None
        return Total(
            id=self._string(table, "id", where),
            zones=self._zones(table, where),
            water=self._number(table, "water", where, most=1) if "water" in table else None,
            residents=residents,
            standing=self._string(table, "standing", where),
            source=self._string(table, "source", where),
        )

    def _codes(self) -> dict[str, Mapping[str, float]]:
        table = self._table(self.table, "codes", "")
        wanted = [f"{g}.{role}" for g, roles in ROLES.items() for role in roles]
        wanted += [group for group in GROUPS if group not in ROLES]
        flat = {f"{g}.{r}" if g in ROLES else g: mix for g, t in table.items() for r, mix in self._roles(g, t)}
        self._only(flat, set(wanted), "codes")
        known = scheme(SCHEME)
        for key in wanted:
            mix = flat.get(key)
            if not isinstance(mix, dict) or not mix:
                self.mistakes.append(f"codes.{key}: missing; give codes and their weights, e.g. {{0101 = 1}}")
                continue
            for code, weight in mix.items():
                if code not in known.classes:
                    self.mistakes.append(
                        f"codes.{key}: {code!r} isn't a code of {SCHEME}; {did_you_mean(code, known.classes)}"
                    )
                if not _is_number(weight) or weight <= 0:
                    self.mistakes.append(f"codes.{key}.{code}: a weight above 0 is wanted, not {weight!r}")
        return flat

    @staticmethod
    def _roles(group: str, table: Any) -> Iterable[tuple[str, Any]]:
        return table.items() if group in ROLES and isinstance(table, dict) else [("", table)]

    def _facilities(self) -> tuple[FacilityKind, ...]:
        table = self._table(self.table, "facilities", "")
        self._only(table, set(FACILITIES), "facilities")
        kinds = []
        for class_ in FACILITIES:
            where = f"facilities.{class_}"
            entry = self._table(table, class_, "facilities")
            if not entry:
                continue
            self._only(entry, {"per_10k", "hosts", "name", "standing", "source"}, where)
            hosts = entry.get("hosts", [])
            unknown = [code for code in hosts if code not in scheme(SCHEME).classes]
            if unknown:
                self.mistakes.append(f"{where}.hosts: {unknown[0]!r} isn't a code of {SCHEME}")
            per_10k = self._number(entry, "per_10k", where)
            kinds.append(FacilityKind(class_, per_10k, tuple(hosts), self._string(entry, "name", where)))
        return tuple(kinds)

    def _figures(self, table: dict[str, Any], where: str, key: str, known: Iterable[str]) -> dict[str, float]:
        """``name = {<key> = number, standing = "...", source = "..."}`` for every known name."""
        self._only(table, set(known), where)
        figures = {}
        for name in known:
            entry = self._table(table, name, where)
            if entry:
                self._only(entry, {key, "standing", "source"}, f"{where}.{name}")
                self._string(entry, "standing", f"{where}.{name}")
                figures[name] = self._number(entry, key, f"{where}.{name}")
        return figures

    def _plain(self, table: dict[str, Any], where: str, known: Iterable[str]) -> dict[str, float]:
        """``name = number`` for some of the known names."""
        self._only(table, set(known), where)
        return {name: self._number(table, name, where) for name in table if name in set(known)}

    def _check_shares(self, area: Area) -> None:
        for group, share in area.shares.items():
            if share > 1:
                self.mistakes.append(f"share of {group} in area {area.id!r}: {share:g} is more than 1")
        whole = sum(area.shares.values())
        if whole > 1 + 1e-9:
            self.mistakes.append(f"shares of area {area.id!r} add up to {whole:.4g}, more than 1")

    def _check_zones(self, areas: tuple[Area, ...]) -> None:
        seen: dict[str, str] = {}
        for area in areas[1:]:
            for zone in area.zones:
                if zone in seen:
                    self.mistakes.append(f"zone {zone!r} is in the areas {seen[zone]!r} and {area.id!r}")
                seen[zone] = area.id

    def _list(self, key: str) -> list[dict[str, Any]]:
        entries = self.table.get(key, [])
        if not isinstance(entries, list) or not all(isinstance(e, dict) for e in entries):
            self.mistakes.append(f"{key}: write [[{key}]]")
            return []
        return entries

    def _zones(self, table: dict[str, Any], where: str) -> tuple[str, ...]:
        zones = table.get("zones")
        if not isinstance(zones, list) or not zones or not all(isinstance(z, str) for z in zones):
            self.mistakes.append(f"{where}.zones: a list of zone ids is wanted")
            return ()
        return tuple(zones)

    def _only(self, table: Mapping[str, Any], known: set[str], where: str) -> None:
        for key in table:
            if key not in known:
                self.mistakes.append(f"{_dotted(where, key)}: unknown key; {did_you_mean(key, known)}")

    def _table(self, table: dict[str, Any], key: str, where: str) -> dict[str, Any]:
        entry = table.get(key)
        if isinstance(entry, dict):
            return entry
        self.mistakes.append(f"{_dotted(where, key)}: {'missing' if entry is None else 'a table is wanted'}")
        return {}

    def _string(self, table: dict[str, Any], key: str, where: str) -> str:
        value = table.get(key)
        if isinstance(value, str) and value:
            return value
        self.mistakes.append(f"{_dotted(where, key)}: {'missing' if value is None else 'text is wanted'}")
        return ""

    def _number(self, table: dict[str, Any], key: str, where: str, *, most: float = float("inf")) -> float:
        value = table.get(key)
        if isinstance(value, int | float) and _is_number(value) and 0 <= value <= most:
            return float(value)
        wanted = f"a number from 0{f' to {most:g}' if most < float('inf') else ''} is wanted, not {value!r}"
        self.mistakes.append(f"{_dotted(where, key)}: {'missing' if value is None else wanted}")
        return 0.0


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value


def _dotted(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key


def check_road_classes(words: Iterable[str]) -> list[str]:
    """The classes that words of ``data/schemes/roads.toml`` mean.

    Raises
    ------
    ConfigError
        For a word that isn't there.
    """
    known = class_words("roads")
    classes = []
    for word in words:
        if word not in known:
            raise ConfigError(f"road class {word!r} isn't in data/schemes/roads.toml; {did_you_mean(word, known)}")
        classes.append(known[word])
    return classes
