"""Land-use schemes and their crosswalks, water classes, plan statuses: tables of ``data/``, never constants here."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache, cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING

from qpgis.catalogue import Lang, data_dir, read_toml
from qpgis.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    import pandas as pd

BETTER_BY, FEW = 0.1, 0.5
"""Another scheme fits clearly better if the share of codes that it knows is larger by the first number: by two codes or
more, or by one where the declared scheme knows less than the second share of them."""


@dataclass(frozen=True)
class LandClass:
    """One row of a land-use scheme.

    Attributes
    ----------
    code, name : str
        As the scheme prints them.
    layer : str
        The layer kind that the class belongs to (``water``, ``forest``, ...), empty for none.
    class_ : str
        Its class within that layer (``river``, ``pond``, ...).
    construction : bool
        Whether it counts as construction land (建设用地).
    colour : str
        ``#rrggbb``, empty where the row has none of its own.
    name_en : str
        Its English name, where it has one.
    also : tuple of str
        Other spellings of the name that files use.
    group : str
        The first-level class that it belongs to where that isn't the one its code begins with (00 湿地), else empty.
    """

    code: str
    name: str
    layer: str = ""
    class_: str = ""
    construction: bool = False
    colour: str = ""
    name_en: str = ""
    also: tuple[str, ...] = ()
    group: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """Every name of the class."""
        return tuple(name for name in (self.name, self.name_en, *self.also) if name)


class Written(StrEnum):
    """How a file writes a code."""

    AS_LISTED = "as_listed"
    OTHERWISE = "otherwise"
    AS_NAME = "as_name"
    WITHOUT_ZERO = "without_zero"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Reading:
    """What a value of a file is taken for.

    Attributes
    ----------
    code : str
        The code as the scheme writes it, empty for a value that is none.
    written : Written
        How the file writes it.
    name : str
        The name that the file writes beside the code in the same value (``0101水田``).
    """

    code: str
    written: Written
    name: str = ""


@dataclass(frozen=True)
class Scheme:
    """A land-use classification: codes and what each means for qpgis.

    Attributes
    ----------
    id, title, title_en, edition, source : str
    standing : str
        What of it was found in a source, and what is a reading or general knowledge.
    digits : int
        Digits of a level of its codes; 0 for codes without levels.
    stripped : str
        Letters at the end of a code that change nothing of what it counts as.
    classes : mapping of code to LandClass
    uses : mapping of code to str
        What construction land of a code, and of all that it begins, is used for.
    """

    id: str
    title: str
    title_en: str
    edition: str
    source: str = field(repr=False)
    standing: str = field(repr=False)
    digits: int
    stripped: str
    classes: MappingProxyType[str, LandClass] = field(repr=False)
    uses: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)

    def title_in(self, lang: Lang) -> str:
        """Its title in a language."""
        return self.title if lang == "zh" else self.title_en

    def stems(self, code: str) -> Iterator[str]:
        """A code and what it may count as: without a letter that is stripped, then level by level less."""
        yield from self._whole(code)
        stem = self._whole(code)[-1]
        if self.digits and stem.isdigit() and len(stem) % self.digits == 0:
            yield from (stem[:n] for n in range(len(stem) - self.digits, 0, -self.digits))

    def _whole(self, code: str) -> tuple[str, ...]:
        """A code, and the same without a letter that is stripped."""
        return (code, code[:-1]) if code and code[-1].upper() in self.stripped else (code,)

    def lookup(self, code: str) -> LandClass | None:
        """The row for a code, or for the level above it that has one (``030101`` falls under ``0301``, else ``03``).

        A suffix letter that has no row of its own is only stripped if the scheme says so (K, 可调整). With any other
        the code is unknown, and so is one that ends in the middle of a level.
        """
        return next((self.classes[stem] for stem in self.stems(code) if stem in self.classes), None)

    def gives(self, kind: str) -> bool:
        """True if a layer kind can be selected from its classes."""
        return any(row.layer == kind or (kind == "construction" and row.construction) for row in self.classes.values())

    def lists(self, code: str) -> bool:
        """True for a code that has a row, be it without a letter that is stripped; not for what falls under a row."""
        return any(one in self.classes for one in self._whole(code))

    def knows(self, code: str) -> bool:
        """True for a code of the scheme, for what falls under one, and for the beginning of one."""
        begins = self.digits and any(row.startswith(code) for row in self.classes)
        return bool(code) and bool(self.lookup(code) is not None or begins)

    def coloured(self, code: str) -> LandClass | None:
        """The row whose colour a code has: its own, or the nearest above it that has one."""
        row = self.lookup(code)
        if row is None or row.colour or not self.digits:
            return row
        stems = (self.classes.get(row.code[:n]) for n in range(len(row.code) - 1, self.digits - 1, -1))
        return next((stem for stem in stems if stem is not None and stem.colour), None)

    def members(self, kind: str, codes: Iterable[str], chosen: Iterable[str] | None = None) -> dict[str, str]:
        """Which of the codes that occur in a file make a layer, each with its class in that layer.

        Parameters
        ----------
        kind : str
            A layer kind, or ``construction``.
        codes : iterable of str
            Codes that occur in the file.
        chosen : iterable of str, optional
            Codes (with all that they begin, or group) to take instead of the scheme's own choice.
        """
        picked = tuple(chosen) if chosen is not None else None
        found: dict[str, str] = {}
        for code in codes:
            row = self.lookup(code)
            if row is not None and self._belongs(row, code, kind, picked):
                found[code] = self._class(row, code, kind)
        return found

    def _class(self, row: LandClass, code: str, kind: str) -> str:
        """What a code is within a layer: of construction land its use, empty where the code doesn't tell it."""
        if kind == "construction":
            return next((self.uses[stem] for stem in self.stems(code) if stem in self.uses), "")
        return row.class_ if row.layer == kind else row.code

    def _belongs(self, row: LandClass, code: str, kind: str, picked: tuple[str, ...] | None) -> bool:
        if picked is None:
            return row.construction if kind == "construction" else row.layer == kind
        if row.group and not code.startswith(tuple(one for one in picked if len(one) > self.digits)):
            return row.group in picked
        return code.startswith(picked) if self.digits else code in picked

    def read(self, value: str) -> Reading:
        """What a value of a file is taken for: a code, oddly written or not, a name, or both in one.

        >>> [scheme("sandiao").read(value).code for value in ("0101", "０１０１ ", "水田", "0301乔木林地", "101", "9X")]
        ['0101', '0101', '0101', '0301', '0101', '']
        """
        plain = _plain(value)
        if not plain:
            return Reading("", Written.UNKNOWN)
        if self._code(value) == value:
            return Reading(value, Written.AS_LISTED)
        if code := self._code(plain):
            return Reading(code, Written.OTHERWISE)
        if code := self._named.get(plain, ""):
            return Reading(code, Written.AS_NAME)
        if self.digits and (glued := _GLUED.fullmatch(plain)):
            code, name = glued["code"] or glued["code_after"], glued["name"] or glued["name_before"]
            if self._code(code):
                return Reading(self._code(code), Written.OTHERWISE, name)
        if self.digits and plain[0] != "0" and self.lists("0" + plain):
            return Reading("0" + plain, Written.WITHOUT_ZERO)
        return Reading("", Written.UNKNOWN)

    def _code(self, plain: str) -> str:
        """A code as the scheme writes it, if it knows it."""
        listed = self._spelled.get(plain, plain)
        return listed if self.lookup(listed) is not None else ""

    def says(self, name: str, code: str) -> bool | None:
        """Whether a name is that of a code, or of a level above or below it; ``None`` if it is no class's name."""
        own, row = self._named.get(_plain(name)), self.lookup(code)
        if own is None or row is None:
            return None
        return own.startswith(row.code) or row.code.startswith(own) or own == row.group

    @cached_property
    def _spelled(self) -> Mapping[str, str]:
        """Its codes by how they look without regard to case and width."""
        return {_plain(code): code for code in self.classes}

    @cached_property
    def _named(self) -> Mapping[str, str]:
        """Its codes by the names that only one of them has."""
        pairs = [(_plain(name), row.code) for row in self.classes.values() for name in row.names]
        often = {name for name, code in pairs if any(name == n and code != c for n, c in pairs)}
        return {name: code for name, code in pairs if name not in often}


_GLUED = re.compile(
    r"(?P<code>[0-9A-Z]+)[-_.:,、()\[\]]*(?P<name>[^\W0-9A-Z_][^()\[\]]*)[)\]]?"
    r"|(?P<name_before>[^\W0-9A-Z_][^()\[\]]*?)[-_.:,、()\[\]]*(?P<code_after>[0-9][0-9A-Z]*)[)\]]?"
)


def _plain(text: str) -> str:
    """A value without what typing and spreadsheets add: full-width letters, spaces, small letters, ``.0``."""
    folded = "".join(c for c in unicodedata.normalize("NFKC", text) if not c.isspace() and c.isprintable()).upper()
    return re.sub(r"\.0+$", "", folded)


@cache
def schemes() -> tuple[str, ...]:
    """The ids of the land-use schemes that qpgis ships."""
    names = (f.name.removesuffix(".toml") for f in data_dir().joinpath("schemes").iterdir() if f.name.endswith(".toml"))
    return tuple(
        sorted(name for name in names if isinstance(read_toml("schemes", f"{name}.toml").get("classes"), list))
    )


@cache
def scheme(name: str) -> Scheme:
    """A land-use scheme by its id.

    Raises
    ------
    ConfigError
        If there is none of that name.
    """
    if name not in schemes():
        raise ConfigError(f"unknown land-use scheme {name!r}; {_titled(name) or did_you_mean(name, schemes())}")
    table = read_toml("schemes", f"{name}.toml")
    rows = {row["code"]: _land_class(row) for row in table["classes"]}
    words = {key: table[key] for key in ("title", "title_en", "edition", "source", "standing", "digits")}
    uses = {code: use for use, codes in table.get("uses", {}).items() for code in codes}
    return Scheme(name, stripped=table.get("stripped", ""), classes=MappingProxyType(rows), uses=uses, **words)


def _titled(name: str) -> str:
    """A remedy for a title, or a short one (三调), where an id is wanted; empty if no scheme is called so."""
    short, plain = ".*".join(map(re.escape, name.casefold())), name.casefold()
    every = map(scheme, schemes() if name else ())
    called = [one for one in every if re.search(short, one.title) or plain in one.title_en.casefold()]
    return f"did you mean {' or '.join(f'{one.id!r} ({one.title})' for one in called)}?" if called else ""


def _land_class(row: Mapping) -> LandClass:
    return LandClass(
        row["code"],
        row["name"],
        row.get("layer", ""),
        row.get("class", ""),
        row.get("construction", False),
        "".join(["#", *(f"{part:02x}" for part in row["rgb"])]) if "rgb" in row else "",
        row.get("name_en", ""),
        tuple(row.get("also", ())),
        row.get("group", ""),
    )


@dataclass(frozen=True)
class BetterFit:
    """Another scheme than the declared one, and the share of the codes that either knows."""

    scheme: Scheme
    share: float
    declared: float


def better_fit(declared: Scheme, codes: Collection[tuple[str, str]]) -> BetterFit | None:
    """The scheme that the codes of a file fit clearly better than the one that is declared for them.

    Parameters
    ----------
    declared : Scheme
    codes : collection of (str, str)
        Each value that occurs and the name that the file writes beside it, empty where it has none. A name that belongs
        to another code speaks against a scheme, one that no scheme has for nothing.
    """
    if not codes:
        return None
    known = {one: sum(_fits(scheme(one), *pair) for pair in codes) for one in schemes()}
    best = max(known, key=lambda one: (known[one], one))
    gained, own = known[best] - known[declared.id], known[declared.id] / len(codes)
    if gained / len(codes) < BETTER_BY or (gained < 2 and own >= FEW):
        return None
    return BetterFit(scheme(best), known[best] / len(codes), own)


def scheme_shares(values: Collection[str]) -> list[tuple[str, float]]:
    """Which part of some codes each scheme lists, the best first; schemes that list none are left out.

    >>> scheme_shares(["0101", "1101", "0810A"])[0][0]
    'sandiao'
    """
    codes = [value for value in values if value]
    known = {one: sum(_fits(scheme(one), value, "") for value in codes) / len(codes) for one in schemes() if codes}
    return sorted(((one, share) for one, share in known.items() if share), key=lambda pair: (-pair[1], pair[0]))


def _fits(table: Scheme, value: str, name: str) -> bool:
    reading = table.read(value)
    name = name or reading.name
    if not reading.code or not table.lists(reading.code):
        return False
    return name not in class_names() or table.says(name, reading.code) is True


@cache
def class_names() -> frozenset[str]:
    """The names of the classes of every scheme whose codes have levels."""
    coded = (scheme(one) for one in schemes() if scheme(one).digits)
    return frozenset(name for table in coded for row in table.classes.values() for name in row.names)


@dataclass(frozen=True)
class Link:
    """One row of a crosswalk.

    Attributes
    ----------
    target : str
        A code that the ground may have in the other scheme.
    kind : str
        ``exact``: the only one. ``part``: one of those that the class is split into. ``context``: where the place or
        the use demands it, which the code doesn't tell.
    source : str
        ``found`` in a public source, or generally ``known`` and not verified.
    note : str
        What decides.
    """

    target: str
    kind: str
    source: str
    note: str = ""


@dataclass(frozen=True)
class Translation:
    """Areas by class of another scheme: what is certain, what could be several classes, what has no class.

    The three add up to what was translated.

    Attributes
    ----------
    certain : mapping
        Code of the other scheme to area.
    ambiguous : mapping
        Code of the first scheme to area; which classes it may be is ``Crosswalk.targets(code)``.
    unmapped : mapping
        Code that the first scheme doesn't know to area.
    """

    certain: Mapping[str, float]
    ambiguous: Mapping[str, float]
    unmapped: Mapping[str, float]

    @property
    def total(self) -> float:
        """All of it."""
        return sum(sum(part.values()) for part in (self.certain, self.ambiguous, self.unmapped))


@dataclass(frozen=True)
class Crosswalk:
    """From the classes of one scheme to those of another, one to many where the code doesn't tell.

    Attributes
    ----------
    source, target : Scheme
    standing : str
        What of it was found in a source, and what is general knowledge.
    links : mapping of code to tuple of Link
    """

    source: Scheme
    target: Scheme
    standing: str = field(repr=False)
    links: Mapping[str, tuple[Link, ...]] = field(repr=False)

    @property
    def id(self) -> str:
        """``<from>-<to>``."""
        return f"{self.source.id}-{self.target.id}"

    def title_in(self, lang: Lang) -> str:
        """Its title in a language."""
        return f"{self.source.title_in(lang)} → {self.target.title_in(lang)}"

    def rows(self, code: str) -> tuple[Link, ...]:
        """The rows for a code, or for what it counts as; for a code above them, all those below it."""
        if self.source.lookup(code) is None:
            return ()
        if found := next((self.links[stem] for stem in self.source.stems(code) if stem in self.links), ()):
            return found
        below = (link for one, links in self.links.items() if one.startswith(code) for link in links)
        return tuple({link.target: link for link in below}.values())

    def targets(self, code: str) -> tuple[str, ...]:
        """The codes that a code of the first scheme may have in the other.

        >>> crosswalk("sandiao", "ydyh_2023").targets("0601"), crosswalk("sandiao", "ydyh_2023").targets("0810")
        (('1001',), ('1401', '1402'))
        """
        return tuple(link.target for link in self.rows(code))

    def ambiguous(self, code: str) -> bool:
        """True if a code may have more than one in the other scheme."""
        return len(self.targets(code)) > 1

    def translate(self, areas: Mapping[str, float] | pd.Series) -> Translation:
        """Areas by code of the first scheme as areas by code of the other.

        Parameters
        ----------
        areas : mapping or Series
            Code to area, in any unit; of a frame: ``frame.groupby("DLBM")["TBMJ"].sum()``.
        """
        certain: dict[str, float] = {}
        ambiguous: dict[str, float] = {}
        unmapped: dict[str, float] = {}
        for code, area in areas.items():
            found = self.targets(str(code))
            part, key = (certain, found[0]) if len(found) == 1 else (ambiguous if found else unmapped, str(code))
            part[key] = part.get(key, 0) + area
        return Translation(*(MappingProxyType(dict(sorted(part.items()))) for part in (certain, ambiguous, unmapped)))

    def members(
        self, kind: str, codes: Iterable[str], chosen: Iterable[str] | None = None
    ) -> tuple[dict[str, str], tuple[str, ...]]:
        """Which codes make a layer by the classes of the other scheme, each with its class, and which may or may not.

        A code belongs if all that it may be does; its class is empty where that differs. Parameters as in
        :meth:`Scheme.members`, ``chosen`` in codes of the other scheme.
        """
        picked = tuple(chosen) if chosen is not None else None
        found: dict[str, str] = {}
        doubtful: list[str] = []
        for code in codes:
            targets = self.targets(code)
            own = self.target.members(kind, targets, picked)
            if own and len(own) == len(targets):
                found[code] = own[targets[0]] if len(set(own.values())) == 1 else ""
            elif own:
                doubtful.append(code)
        return found, tuple(doubtful)


@cache
def crosswalks() -> tuple[str, ...]:
    """The ids of the crosswalks that qpgis ships: ``<from>-<to>``."""
    names = (file.name for file in data_dir().joinpath("crosswalks").iterdir())
    return tuple(sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml")))


@cache
def crosswalk(source: str, target: str) -> Crosswalk:
    """The crosswalk from one scheme to another.

    Raises
    ------
    ConfigError
        If there is no such scheme, or no crosswalk between them.
    """
    one, other = scheme(source), scheme(target)
    if f"{source}-{target}" not in crosswalks():
        raise ConfigError(f"no crosswalk from {source!r} to {target!r}; there are {', '.join(crosswalks())}")
    table = read_toml("crosswalks", f"{source}-{target}.toml")
    links: dict[str, tuple[Link, ...]] = {}
    for row in table["rows"]:
        link = Link(row["to"], row["kind"], row["source"], row.get("note", ""))
        links[row["from"]] = (*links.get(row["from"], ()), link)
    return Crosswalk(one, other, table["standing"], MappingProxyType(links))


@cache
def _water_groups() -> MappingProxyType[str, frozenset[str]]:
    table = read_toml("schemes", "water.toml")["groups"]
    return MappingProxyType({name: frozenset(classes) for name, classes in table.items()})


def water_classes(names: str) -> frozenset[str]:
    """The water classes of groups and classes joined by ``+``.

    >>> sorted(water_classes("rivers_lakes_reservoirs"))
    ['lake', 'reservoir', 'river']
    >>> sorted(water_classes("rivers_lakes_reservoirs+pond"))
    ['lake', 'pond', 'reservoir', 'river']
    """
    groups = _water_groups()
    return frozenset(one for name in names.split("+") for one in groups.get(name.strip(), {name.strip()}))


_OWN_WORDS = ("construction", "facilities", "optional", "public_land", "roads", "sections", "villages", "water")
_WORDS = {kind: kind for kind in _OWN_WORDS}
_WORDS |= dict.fromkeys(("buildings", "residential", "residents"), "settlements")
"""The kinds of layer whose classes have names of their own, and the table that they stand in."""


@cache
def class_words(kind: str) -> MappingProxyType[str, str]:
    """The words for the classes of a kind of layer and the class that each means; empty where any word will do.

    >>> class_words("roads")["高速公路"], class_words("water")["湖泊"], len(class_words("rail"))
    ('motorway', 'lake', 0)
    """
    if kind not in _WORDS:
        return MappingProxyType({})
    table = read_toml("schemes", f"{_WORDS[kind]}.toml")["classes"]
    return MappingProxyType({word: name for name, words in table.items() for word in (name, *words)})


@cache
def quality_classes() -> tuple[str, ...]:
    """The classes of water quality, the best first: ``sections.toml``.

    >>> quality_classes()[:3]
    ('i', 'ii', 'iii')
    """
    return tuple(read_toml("schemes", "sections.toml")["classes"])


@cache
def services() -> Mapping[str, tuple[str, ...]]:
    """The services of a living circle and the classes of facilities that offer each: ``facilities.toml``."""
    table = read_toml("schemes", "facilities.toml")["services"]
    return MappingProxyType({service: tuple(classes) for service, classes in table.items()})


@cache
def required_services() -> Mapping[str, tuple[str, ...]]:
    """The services that a living circle asks for: of ``all`` alike, of ``urban`` and of ``rural`` settlements."""
    table = read_toml("schemes", "facilities.toml")["required"]
    return MappingProxyType({level: tuple(names) for level, names in table.items()})


@dataclass(frozen=True)
class FacilityWalk:
    """A facility that is looked for within a time of its own.

    Attributes
    ----------
    minutes : float
        The farthest walk to the nearest.
    classes : tuple of str
        The classes of facilities that will do.
    """

    minutes: float
    classes: tuple[str, ...]


@cache
def facility_walks() -> Mapping[str, FacilityWalk]:
    """What is looked for within 5, 10 or 15 minutes: ``[walks]`` of ``facilities.toml``."""
    table = read_toml("schemes", "facilities.toml")["walks"]
    return MappingProxyType(
        {name: FacilityWalk(float(row["minutes"]), tuple(row["classes"])) for name, row in table.items()}
    )


@cache
def _oneway_words() -> MappingProxyType[str, str]:
    table = read_toml("schemes", "oneway.toml")
    return MappingProxyType({word: direction for direction, words in table.items() for word in words})


def oneway_of(word: str) -> str | None:
    """``forward``, ``backward`` or ``both``; ``None`` for a word that isn't in ``data/schemes/oneway.toml``.

    >>> oneway_of("Yes"), oneway_of("-1"), oneway_of(""), oneway_of("T")
    ('forward', 'backward', 'both', None)
    """
    return _oneway_words().get(word.strip().lower())


def plan_statuses() -> tuple[str, ...]:
    """Every plan status, from what is there to what is only studied.

    >>> plan_statuses()
    ('existing', 'under_construction', 'planned', 'studied')
    """
    return tuple(dict.fromkeys(_statuses().values()))


@cache
def _statuses() -> MappingProxyType[str, str]:
    table = read_toml("schemes", "status.toml")
    return MappingProxyType({word: status for status, words in table.items() for word in words})


def plan_status_of(word: str) -> str | None:
    """The plan status that a file's word means; ``None`` for a word that isn't in ``data/schemes/status.toml``.

    >>> plan_status_of("现状"), plan_status_of("在建"), plan_status_of("?")
    ('existing', 'under_construction', None)
    """
    return _statuses().get(word.strip().lower())
