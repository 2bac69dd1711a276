"""Mistakes in the TOML files of a workspace, each with its line and its remedy."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from qpgis.catalogue import parsed_toml
from qpgis.errors import ConfigError, did_you_mean
from qpgis.provenance import Grade, grade_words, secrecy_words
from qpgis.sources import regular_file

Lines = Mapping[tuple[str, ...], int]
"""Where each key and table of a file stands."""


def read_table(path: Path) -> tuple[dict[str, Any], str]:
    """The tables of a TOML file, and its text.

    Raises
    ------
    ConfigError
        If it isn't UTF-8, or no TOML.
    """
    try:
        text = regular_file(path, what=path.name).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"not UTF-8 at byte {error.start}; save it as UTF-8", file=str(path)) from error
    try:
        return parsed_toml(text), text
    except ValueError as error:
        raise ConfigError(f"no TOML: {error}", file=str(path)) from error


def in_order(mistakes: Iterable[str]) -> list[str]:
    """Mistakes by their lines."""
    return sorted(mistakes, key=_line_number)


def _line_number(mistake: str) -> int:
    found = re.match(r"line (\d+): ", mistake)
    return int(found[1]) if found else 0


def explained(error: Any, lines: Lines, known_keys: Callable[[tuple[str, ...]], Collection[str]]) -> str:
    """One mistake in a planner's words; ``known_keys`` tells which keys the table at a path may have."""
    path = tuple(
        str(part) for part in error["loc"] if not str(part).startswith(("function-", "literal", "tuple", "list"))
    )
    key, parents = path[-1] if path else "", ".".join(path[:-1])
    at = line_of(path, lines)
    inside = f" in [{parents}]" if parents else ""
    match error["type"]:
        case "extra_forbidden":
            return f"{at}unknown key {key!r}{inside}; {did_you_mean(key, known_keys(path[:-1]))}"
        case "missing":
            remedy = f"one of {', '.join(Grade)}" if key == "grade" else "..."
            return f"{at}{key!r} is missing{inside}; add {key} = {remedy}"
        case "enum" | "literal_error":
            words = {"grade": grade_words, "secrecy": secrecy_words}
            expected = words[key]() if key in words else error["ctx"]["expected"]
            return f"{at}{key} = {error['input']!r}{inside} is not known; use {expected}"
    message = error["msg"].removeprefix("Value error, ")
    given = "" if isinstance(error["input"], dict) else f" = {error['input']!r}"
    return f"{at}{'.'.join(path)}{given}: {message}"


def line_of(path: tuple[str, ...], lines: Lines) -> str:
    """``line 12: `` for the key, or for the nearest table around it."""
    for length in range(len(path), 0, -1):
        if path[:length] in lines:
            return f"line {lines[path[:length]]}: "
    return ""


_HEADER = re.compile(r"^\s*(\[\[?)\s*([^\]]+?)\s*\]\]?\s*(#.*)?$")
_KEY = re.compile(r"^\s*([A-Za-z0-9_.\-\"']+)\s*=")


def key_lines(text: str) -> Iterator[tuple[tuple[str, ...], int]]:
    r"""Where each key and table of a TOML text stands: its path and its line number.

    >>> dict(key_lines('name = "x"\n[layers.water]\nfile = "w"'))
    {('name',): 1, ('layers', 'water'): 2, ('layers', 'water', 'file'): 3}
    """
    table: tuple[str, ...] = ()
    counts: dict[tuple[str, ...], int] = {}
    inside_string = False
    for number, line in enumerate(text.splitlines(), 1):
        quotes = line.count('"""') + line.count("'" * 3)
        if inside_string:
            inside_string = quotes % 2 == 0
            continue
        inside_string = quotes % 2 == 1
        if header := _HEADER.match(line):
            table = tuple(part.strip(" \"'") for part in header[2].split("."))
            if header[1] == "[[":
                counts[table] = counts.get(table, -1) + 1
                table = (*table, str(counts[table]))
            yield table, number
        elif key := _KEY.match(line):
            yield (*table, *(part.strip("\"'") for part in key[1].split("."))), number
