"""How an indicator declares itself: its signature says what it needs, the decorator what planners call it."""

from __future__ import annotations

import inspect
import math
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any

from qpgis.amounts import RATES, TOTALS, WHOLE_UNITS, Amount, value_of
from qpgis.catalogue import Lang, read_toml
from qpgis.errors import ConfigError, NotComputable, did_you_mean
from qpgis.layers import AbsentLayer, Layer
from qpgis.parts import AnyLayer, Measure, PerZone, Quotient, Zones
from qpgis.provenance import Grade, Source

Settings = Mapping[str, Any]
STATISTICS = "statistics"
"""The definition of values from the table of statistics."""
REPORTED = "reported:"
"""How the definitions of values that a department publishes begin; its name follows."""
NAME = r"[\w.:-]+"
"""What a definition may be called; brackets begin changed settings."""


@dataclass(frozen=True)
class Definition:
    """A definition (口径): a named preset of an indicator's settings.

    Attributes
    ----------
    name : str
        Stands in every output beside the number.
    zh, en : str
        One sentence: what is divided by what.
    settings : mapping
        The settings that differ from the function's defaults.
    source, standing : str
        Who defines it so, and how well that is established.
    competes : bool
        Whether it answers the indicator's own question in another way; false for parts of it and for comparisons, which
        no target is held against. How far those that compete lie apart is said beside a target.
    version, valid_from, approved_by : str
        Empty until an authority has confirmed it.
    """

    name: str
    zh: str
    en: str
    settings: Settings = field(default_factory=dict, hash=False)
    source: str = ""
    standing: str = ""
    version: str = "1"
    valid_from: str = ""
    approved_by: str = ""
    competes: bool = True

    def text(self, lang: Lang) -> str:
        """What is divided by what, in a language."""
        return self.zh if lang == "zh" else self.en


@dataclass(frozen=True)
class Declared(ABC):
    """What every indicator says of itself, however it is computed.

    Attributes
    ----------
    id : str
        Stands in every output.
    unit : str
        One of :data:`qpgis.amounts.RATES`, :data:`qpgis.amounts.TOTALS` or :data:`qpgis.amounts.WHOLE_UNITS`.
    zh, en, theme : str
        What planners call it, and where it belongs.
    definitions : tuple of Definition
        The first is the default.
    file : str
        The workspace's file that declares it; empty for those of qpgis itself.
    """

    id: str
    unit: str
    zh: str
    en: str
    theme: str
    definitions: tuple[Definition, ...]
    file: str = field(default="", kw_only=True)

    def title(self, lang: Lang) -> str:
        """The indicator's name in a language."""
        return self.zh if lang == "zh" else self.en

    def department(self, lang: Lang) -> str:
        """数据责任部门, who publishes it officially; empty where no source says so."""
        return read_toml("schemes", "departments.toml").get(self.id, {}).get(lang, "")

    @property
    @abstractmethod
    def formula(self) -> str:
        """How it is computed, in one line."""

    @property
    def layers(self) -> tuple[str, ...]:
        """The kinds of layer that it may read itself."""
        return ()

    @property
    def optional(self) -> frozenset[str]:
        """The kinds of layer that it does without."""
        return frozenset()

    @property
    def settings(self) -> Settings:
        """Every setting that a definition may change, with its default."""
        return {}

    def definition(self, text: str) -> Definition:
        """A definition by its name.

        Raises
        ------
        ConfigError
            If there is none of this name.
        """
        known = {d.name: d for d in self.definitions}
        if text.strip() not in known:
            raise ConfigError(f"{self.id}: unknown definition {text!r}; {did_you_mean(text, known)}")
        return known[text.strip()]


@dataclass(frozen=True)
class Indicator(Declared):
    """A planning indicator: a function from layers and settings to what is measured, and its names.

    Attributes
    ----------
    function : callable
        ``zones`` and layers positional, settings keyword-only; the indicator's id is its name.
    """

    function: Callable[..., Measure]

    @property
    def formula(self) -> str:
        """The formula that the function's docstring gives, in one line."""
        documented = inspect.getdoc(self.function) or ""
        paragraphs = [" ".join(paragraph.split()) for paragraph in documented.split("\n\n")]
        said = next((p for p in paragraphs if p.startswith("Formula: ")), paragraphs[0])
        return said.removeprefix("Formula: ").replace("``", "`")

    @property
    def layers(self) -> tuple[str, ...]:
        """The kinds of layer that the function may read."""
        return tuple(p.name for p in self._parameters if p.kind is p.POSITIONAL_OR_KEYWORD)[1:]

    @property
    def optional(self) -> frozenset[str]:
        """The kinds of layer that the function does without: its parameters with the default ``None``."""
        return frozenset(p.name for p in self._parameters if p.kind is p.POSITIONAL_OR_KEYWORD and p.default is None)

    @property
    def settings(self) -> Settings:
        """Every setting with its default."""
        return {p.name: p.default for p in self._parameters if p.kind is p.KEYWORD_ONLY}

    @cached_property
    def _parameters(self) -> tuple[inspect.Parameter, ...]:
        return tuple(inspect.signature(self.function).parameters.values())

    def definition(self, text: str) -> Definition:
        """A definition by its name, with settings changed in brackets.

        ``centreline[denominator=land, classes=motorway+trunk]`` is the preset ``centreline`` with two settings changed;
        the changed settings stay in its name.

        Raises
        ------
        ConfigError
            If the preset or a setting is unknown, or a value is of the wrong type.
        """
        match = re.fullmatch(rf"\s*({NAME})\s*(?:\[(.*)\])?\s*", text)
        known = {d.name: d for d in self.definitions}
        if match is None or match[1] not in known:
            raise ConfigError(
                f"{self.id}: unknown definition {text!r}; {did_you_mean(match[1] if match else text, known)}"
            )
        preset = known[match[1]]
        if match[2] is None:
            return preset
        changed = dict(self._setting(pair) for pair in match[2].split(","))
        suffix = ", ".join(f"{name}={_as_text(value)}" for name, value in sorted(changed.items()))
        named = Definition(
            f"{preset.name}[{suffix}]",
            f"{preset.zh}（{suffix}）",
            f"{preset.en} ({suffix})",
            {**preset.settings, **changed},
            preset.source,
            preset.standing,
            competes=preset.competes,
        )
        self.check(named)
        return named

    def check(self, definition: Definition) -> None:
        """Let the function itself judge a definition's settings, on layers without features, and look at what it makes.

        Raises
        ------
        ConfigError
            If a setting or its value is unknown, or what the function makes isn't given in the indicator's unit.
        """
        if unknown := sorted(definition.settings.keys() - self.settings.keys()):
            remedy = did_you_mean(unknown[0], self.settings)
            raise ConfigError(f"{self.id}: {definition.name}: no setting {unknown[0]!r}; {remedy}")
        for name, value in definition.settings.items():
            if isinstance(value, float) and not math.isfinite(value):
                raise ConfigError(f"{self.id}: {definition.name}: {name} = {value} is no number")
        nothing = Source("", Grade.OFFICIAL)
        try:
            made = self({kind: Layer.empty(kind, nothing) for kind in self.layers}, definition)
        except NotComputable:
            return
        except ConfigError as error:
            raise ConfigError(f"{self.id}: {error}") from error
        if isinstance(made, PerZone):
            return
        if not isinstance(made, Quotient):
            returned = type(made).__name__
            raise ConfigError(f"{self.id}: {definition.name}: it returns a {returned}; return a Ratio or a Total")
        below = Amount(1, made.denominator.unit) if made.denominator is not None else None
        try:
            value_of(self.unit, Amount(0, made.numerator.unit), below)
        except ValueError as error:
            raise ConfigError(f"{self.id}: {definition.name}: {error}; change the unit") from error

    def _setting(self, pair: str) -> tuple[str, Any]:
        name, equals, value = (part.strip() for part in pair.partition("="))
        if name not in self.settings or not equals or not value:
            raise ConfigError(f"{self.id}: {pair.strip()!r} sets no setting; {did_you_mean(name, self.settings)}")
        default = self.settings[name]
        try:
            return name, _READ[type(default)](value)
        except (KeyError, ValueError) as error:
            raise ConfigError(f"{self.id}: {name} = {value!r} is no {type(default).__name__}") from error

    def __call__(self, layers: Mapping[str, AnyLayer], definition: Definition) -> Measure:
        """The ratio, total or measure of whole zones for a definition, from those layers that a workspace has.

        Raises
        ------
        MissingLayer
            If a layer that this definition needs is absent.
        ConfigError
            If a setting has a value that the indicator doesn't know, or zones are measured in another unit than its
            own.
        """
        there = (layers.get(kind, AbsentLayer(kind)) for kind in self.layers)
        given = (None if one.kind in self.optional and isinstance(one, AbsentLayer) else one for one in there)
        made = self.function(Zones(), *given, **definition.settings)
        if isinstance(made, PerZone) and made.unit != self.unit:
            raise ConfigError(f"indicator {self.id!r} is in {self.unit!r}, but its zones are measured in {made.unit!r}")
        return made


_READ: Mapping[type, Callable[[str], Any]] = MappingProxyType(
    {
        str: str,
        int: int,
        float: float,
        bool: {"true": True, "false": False}.__getitem__,
        tuple: lambda words: tuple(sorted(words.split("+"))),
    }
)
"""How the value of a setting is read, by the type of its default."""


def _as_text(value: Any) -> str:
    if isinstance(value, tuple):
        return "+".join(value)
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.15g}" if isinstance(value, float) else str(value)


def indicator(
    *, unit: str, zh: str, en: str, theme: str, definitions: tuple[Definition, ...]
) -> Callable[[Callable[..., Measure]], Indicator]:
    """Declare a function to be an indicator; it only attaches metadata.

    Parameters
    ----------
    unit : str
        One of :data:`qpgis.amounts.RATES`, :data:`qpgis.amounts.TOTALS` or :data:`qpgis.amounts.WHOLE_UNITS`.
    zh, en, theme : str
        Names, and the theme it belongs to.
    definitions : tuple of Definition
        At least one; the first is the default.
    """

    def declare(function: Callable[..., Measure]) -> Indicator:
        declared = Indicator(function.__name__, unit, zh, en, theme, definitions, function)
        units = {*RATES, *TOTALS, *WHOLE_UNITS}
        if unit not in units:
            raise ConfigError(f"{declared.id}: unknown unit {unit!r}; {did_you_mean(unit, units)}")
        if not definitions:
            raise ConfigError(f"{declared.id}: no definition; give it at least one")
        if not (isinstance(definitions, tuple) and all(isinstance(one, Definition) for one in definitions)):
            raise ConfigError(f"{declared.id}: definitions are a tuple: definitions=(Definition(...), ...)")
        return declared

    return declare


def choose(value: str, known: Mapping[str, Any], *, setting: str) -> Any:
    """What a setting's value stands for.

    Raises
    ------
    ConfigError
        If the setting doesn't know the value.
    """
    if value not in known:
        raise ConfigError(f"{setting} = {value!r} is not known; {did_you_mean(value, known)}")
    return known[value]
