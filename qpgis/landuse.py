"""Land-use schemes, water classes and plan statuses: tables of ``data/schemes/``, never constants here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from qpgis.catalogue import data_dir, read_toml
from qpgis.errors import ConfigError, did_you_mean


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
    """

    code: str
    name: str
    layer: str
    class_: str
    construction: bool
    colour: str = ""


@dataclass(frozen=True)
class Scheme:
    """A land-use classification: codes and what each means for qpgis."""

    id: str
    title: str
    edition: str
    classes: MappingProxyType[str, LandClass]

    def lookup(self, code: str) -> LandClass | None:
        """The row for a code, or for the longest part of it that has one (``0301`` falls under ``03``).

        A suffix letter that has no row of its own is only stripped if it is K (可调整); any other is unknown.
        """
        if code in self.classes:
            return self.classes[code]
        stem = code[:-1] if code[-1:] in ("K", "k") else code
        if not stem.isdigit():
            return self.classes.get(stem)
        return next((self.classes[stem[:n]] for n in range(len(stem), 1, -1) if stem[:n] in self.classes), None)

    def knows(self, code: str) -> bool:
        """True for a code of the scheme, for what falls under one, and for the beginning of one."""
        return bool(code) and (self.lookup(code) is not None or any(row.startswith(code) for row in self.classes))

    def coloured(self, code: str) -> LandClass | None:
        """The row whose colour a code has: its own, or the nearest above it that has one."""
        row = self.lookup(code)
        if row is None or row.colour:
            return row
        stems = (self.classes.get(row.code[:n]) for n in range(len(row.code) - 1, 1, -1))
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
            Codes (with all that they begin) to take instead of the scheme's own choice.
        """
        picked = tuple(chosen) if chosen is not None else None
        found: dict[str, str] = {}
        for code in codes:
            row = self.lookup(code)
            if row is None:
                continue
            own = row.construction if kind == "construction" else row.layer == kind
            if own if picked is None else code.startswith(picked):
                found[code] = row.class_ if row.layer == kind else row.code
        return found


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
        raise ConfigError(f"unknown land-use scheme {name!r}; {did_you_mean(name, schemes())}")
    table = read_toml("schemes", f"{name}.toml")
    rows = {
        r["code"]: LandClass(r["code"], r["name"], r["layer"], r["class"], r["construction"], _hex(r.get("rgb", [])))
        for r in table["classes"]
    }
    return Scheme(name, table["scheme"]["title"], table["scheme"].get("edition", ""), MappingProxyType(rows))


def _hex(rgb: Iterable[int]) -> str:
    """Red, green and blue as ``#rrggbb``."""
    return "".join(["#", *(f"{part:02x}" for part in rgb)]) if rgb else ""


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


@cache
def class_words(kind: str) -> MappingProxyType[str, str]:
    """The words for the classes of a kind of layer and the class that each means; empty where any word will do.

    >>> class_words("roads")["高速公路"], class_words("water")["湖泊"], len(class_words("rail"))
    ('motorway', 'lake', 0)
    """
    if kind not in ("optional", "roads", "water"):
        return MappingProxyType({})
    table = read_toml("schemes", f"{kind}.toml")["classes"]
    return MappingProxyType({word: name for name, words in table.items() for word in (name, *words)})


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
