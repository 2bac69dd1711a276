"""Own indicators: what a workspace's ``indicators.py`` and indicator cards add to those of qpgis."""

from __future__ import annotations

import re
import sys
import traceback
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from functools import wraps
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any

from qpgis.errors import ConfigError, NotComputable, did_you_mean
from qpgis.indicators import registry
from qpgis.indicators.declaration import NAME, REPORTED, STATISTICS, Declared, Indicator
from qpgis.layers import Layer
from qpgis.provenance import sha256_of
from qpgis.sources import regular_file
from qpgis.workspace.cards import read_cards, read_composites

SUFFIXES = (".py", ".toml")
Kinds = Mapping[str, Collection[str]]
"""The kinds of layer that there are, and what the features of each may be."""
_TAKEN = ("all", STATISTICS)
"""What no definition may be called: ``all`` asks for every one."""
_ID = re.compile(r"[a-z][a-z0-9_]*")


def indicators_of(folder: Path, files: Iterable[str], kinds: Kinds) -> Mapping[str, Declared]:
    """Every indicator of a workspace by its id: those of qpgis, its own by the order of files, composites last.

    Parameters
    ----------
    folder : Path
        The workspace's.
    files : iterable of str
        ``indicators = [...]`` of its ``qpgis.toml``: cards (TOML), and Python files, which are **run**.
    kinds : mapping of layer to geometry types
        The kinds of layer that there are.

    Raises
    ------
    ConfigError
        If a file is missing or unusable, or an own indicator is named as another one, or can't be computed.
    """
    found: dict[str, Declared] = dict(registry())
    for file in files:
        path = folder / file
        if path.suffix not in SUFFIXES:
            raise ConfigError(f"own indicators stand in files that end in {' or '.join(SUFFIXES)}", file=file)
        if not path.exists():
            raise ConfigError(f"doesn't exist in {folder}", file=file)
        regular_file(path, what=file)
        _add(read_cards(path, file, kinds) if path.suffix == ".toml" else python_indicators(path, file), found, kinds)
    for file in files:
        if file.endswith(".toml"):
            _add(read_composites(folder / file, file, kinds, found), found, kinds)
    return MappingProxyType(found)


def _add(declared: Iterable[tuple[Declared, str]], found: dict[str, Declared], kinds: Kinds) -> None:
    """Put the indicators of a file beside the others, each told with where it begins."""
    mistakes: list[str] = []
    file = ""
    for one, at in declared:
        mistakes += [at + mistake for mistake in _mistakes(one, found, kinds)]
        found[one.id], file = one, one.file
    if mistakes:
        raise ConfigError(dict.fromkeys(mistakes), file=file)


def _mistakes(one: Declared, others: Mapping[str, Declared], kinds: Kinds) -> Iterator[str]:
    """Why an own indicator can't stand beside the others, or can't be computed."""
    if not _ID.fullmatch(one.id):
        yield f"{one.id}: the id stands in file columns; write it in a-z, 0-9 and _, with a letter first"
    if one.id in others:
        yield f"{one.id}: there is an indicator of this id already, {_origin(others[one.id])}; choose another id"
    for other in others.values():
        if other.id != one.id and {other.zh, other.en} & {one.zh, one.en} - {""}:
            yield f"{one.id}: {other.id} is called {other.zh} / {other.en} too, {_origin(other)}; choose another name"
    yield from (f"{one.id}: {mistake}" for mistake in _misnamed([definition.name for definition in one.definitions]))
    unknown = [kind for kind in one.layers if kind not in kinds]
    yield from (f"{one.id}: unknown layer {kind!r}; {did_you_mean(kind, kinds)}" for kind in unknown)
    if unknown or not isinstance(one, Indicator):
        return
    for definition in one.definitions:
        try:
            one.check(definition)
        except ConfigError as error:
            yield str(error).replace(f"{one.file}, ", "")


def _misnamed(names: Sequence[str]) -> Iterator[str]:
    """Why definitions can't be called so."""
    for name in dict.fromkeys(names):
        if not re.fullmatch(NAME, name):
            yield f"definition {name!r}: write its name in letters, digits and _ . : -, without spaces or brackets"
        elif name in _TAKEN or name.startswith(REPORTED):
            yield f"definition {name!r}: the name has a meaning of its own already; choose another one"
        if names.count(name) > 1:
            yield f"several definitions are called {name!r}; choose other names"


def _origin(one: Declared) -> str:
    return f"in {one.file}" if one.file else "one of qpgis's own"


def python_indicators(path: Path, name: str) -> list[tuple[Indicator, str]]:
    """The indicators that a Python file declares, each with ``line 3: ``, where it begins; the file is run.

    Nothing is written beside it.

    Parameters
    ----------
    path : Path
    name : str
        What the file is called in messages.

    Raises
    ------
    ConfigError
        If it can't be run, or declares none; with the line.
    """
    module = ModuleType(f"qpgis_own_{sha256_of(path)[:16]}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # dataclasses look their module up there
    try:
        exec(compile(path.read_bytes(), str(path), "exec"), vars(module))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # also SystemExit
        raise ConfigError(_said(error, path), file=name) from error
    declared = dict.fromkeys(one for one in vars(module).values() if isinstance(one, Indicator))
    own = [one for one in declared if one.function.__module__ == module.__name__]
    if not own:
        raise ConfigError("declares no indicator; put @indicator(...) above a function", file=name)
    return [(replace(one, function=_guarded(one.function, path, name), file=name), _begin(one)) for one in own]


def _begin(one: Indicator) -> str:
    code = getattr(one.function, "__code__", None)
    return f"line {code.co_firstlineno}: " if code else ""


def _guarded(function: Callable[..., Any], path: Path, name: str) -> Callable[..., Any]:
    """The function, its faults told as mistakes of its file; what it does to its layers it does to copies."""

    @wraps(function)
    def guarded(*layers: Any, **settings: Any) -> Any:
        lent = [_lent(one) if isinstance(one, Layer) else one for one in layers]
        try:
            return _told_apart(function(*lent, **settings), list(zip(lent, layers, strict=True)))
        except NotComputable:
            raise
        except Exception as error:
            raise ConfigError(f"{name}, {_said(error, path)}") from error

    return guarded


def _lent(layer: Layer) -> Layer:
    """A layer whose rows may be changed without changing the layer's; shapes can't be."""
    shapes = layer.geometry.view()
    shapes.flags.writeable = False
    return replace(layer, frame=layer.frame.copy(deep=False), geometry=shapes)


def _told_apart(made: Any, lent: Sequence[tuple[Any, Any]]) -> Any:
    """What a function made: of layers as they were lent, or else of such as are known by what they hold.

    What they are called wouldn't tell: one that was made with ``replace`` has the key of the layer that it was made of.
    """
    if isinstance(made, Layer):
        for copy, own in lent:
            if made is copy and made.frame.equals(own.frame):
                return own
        return replace(made, key=f"{made.key} | {made.content}")
    if isinstance(made, tuple):
        return tuple(_told_apart(one, lent) for one in made)
    if not is_dataclass(made) or isinstance(made, type):
        return made
    return replace(made, **{one.name: _told_apart(getattr(made, one.name), lent) for one in fields(made) if one.init})


def _said(error: BaseException, path: Path) -> str:
    """What went wrong in a Python file, and in which line of it."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return f"line {error.lineno}: no Python: {error.msg}"
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    at = f"line {lines[-1]}: " if lines else ""
    if isinstance(error, ConfigError):
        return f"{at}{error}"
    said = f"{at}{type(error).__name__}: {error}".removesuffix(": ")
    if isinstance(error, ImportError):
        said += "; it can import what is installed, but no other file of the workspace: put what it needs into it"
    return said
