"""What planners read, in Chinese and English, from one catalogue: ``data/catalogue/*.toml``.

A word is one entry ``key = {zh = "...", en = "..."}``; ``{name}`` in it is filled in by :func:`text`. Keys are
unique over all files of the folder.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Set
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from types import MappingProxyType
from typing import Literal

Lang = Literal["zh", "en"]
LANGUAGES: tuple[Lang, ...] = ("zh", "en")


def data_dir() -> Traversable:
    """The project's ``data/`` folder, wherever it was installed to."""
    return files("qpgis.data")


def parsed_toml(text: str) -> dict:
    """The tables of a TOML text.

    Raises
    ------
    ValueError
        For whatever is no TOML that can be used, with the cause where it is a common one: also for numbers of thousands
        of digits, and for tables in tables in tables.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{error}{_cause(str(error), text)}") from error
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


_QUOTED = re.compile(r'"[^"]*"|\'[^\']*\'')
_CHINESE = re.compile("[\uff01-\uff5e“”‘’「」『』【】《》、。]")


def _cause(message: str, text: str) -> str:
    """What planners type that TOML doesn't take, if it stands in the line that a message names."""
    found = re.search(r"at line (\d+)", message)
    line = text.splitlines()[int(found[1]) - 1] if found else ""
    bare = _QUOTED.sub("", line).partition("#")[0]
    if typed := _CHINESE.search(bare):
        return f'; the line has Chinese punctuation ({typed[0]}): write "...", = , [ ] with plain characters'
    if "\\" in line:
        return "; a backslash means something else in TOML: write / in paths"
    return "; fill in what stands as ?" if "?" in bare else ""


def read_toml(*parts: str) -> dict:
    """A TOML file of ``data/`` as a dictionary, e.g. ``read_toml("schemes", "osm.toml")``."""
    return tomllib.loads(data_dir().joinpath(*parts).read_text(encoding="utf-8"))


@cache
def _entries() -> MappingProxyType[str, dict[str, str]]:
    merged: dict[str, dict[str, str]] = {}
    for file in sorted(data_dir().joinpath("catalogue").iterdir(), key=lambda f: f.name):
        if not file.name.endswith(".toml"):
            continue
        for key, words in tomllib.loads(file.read_text(encoding="utf-8")).items():
            if key in merged:
                raise KeyError(f"{file.name}: {key!r} is in the catalogue already")
            if set(words) != set(LANGUAGES):
                raise KeyError(f"{file.name}: {key!r} needs exactly the languages {LANGUAGES}")
            merged[key] = words
    return MappingProxyType(merged)


def keys() -> Set[str]:
    """Every key of the catalogue."""
    return _entries().keys()


def text(key: str, lang: Lang = "zh", /, **values: object) -> str:
    """The words for ``key`` in a language, with ``values`` filled in.

    Raises
    ------
    KeyError
        If the catalogue has no such entry: a word is never shown as its key.
    """
    words = _entries()[key][lang]
    return words.format(**values) if values else words


def unit_text(unit: str, lang: Lang) -> str:
    """A unit as planners read it; one that has no words as it is printed.

    >>> unit_text("1e8 CNY", "zh"), unit_text("km/km2", "zh"), unit_text("%", "en")
    ('亿元', 'km/km²', '%')
    """
    return text(f"unit_{unit}", lang) if f"unit_{unit}" in keys() else pretty_unit(unit)


def pretty_unit(unit: str) -> str:
    """A unit as it is printed.

    >>> pretty_unit("km/km2"), pretty_unit("m2"), pretty_unit("%")
    ('km/km²', 'm²', '%')
    """
    return re.sub(r"(?<=m)2\b", "²", re.sub(r"(?<=m)3\b", "³", unit))


def listed(names: Iterable[str], lang: Lang) -> str:
    """Names one after the other, as a language separates them.

    >>> listed(["水域", "林地"], "zh"), listed(["water", "forest"], "en")
    ('水域、林地', 'water, forest')
    """
    return ("、" if lang == "zh" else ", ").join(names)


def clauses(said: Iterable[str], lang: Lang) -> str:
    """Clauses of one sentence, as a language separates them.

    >>> clauses(["已达标", "示意"], "zh"), clauses(["met", "schematic"], "en")
    ('已达标；示意', 'met; schematic')
    """
    return ("；" if lang == "zh" else "; ").join(said)
