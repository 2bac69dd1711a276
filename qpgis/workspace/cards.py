"""Indicator cards: own indicators without code, in TOML.

``[indicators.<id>]`` names an indicator, ``[indicators.<id>.definitions.<name>]`` says what is divided by what;
``[composites.<id>]`` names one that sums up others, ``[[composites.<id>.parts]]`` which, and how they count.
"""

from __future__ import annotations

import inspect
from collections.abc import Collection, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from qpgis import parts
from qpgis.amounts import RATES, TOTALS
from qpgis.errors import ConfigError, did_you_mean
from qpgis.indicators.composite import Component, Composite, weighted
from qpgis.indicators.declaration import Declared, Definition, Indicator, choose
from qpgis.layers import AbsentLayer, Layer
from qpgis.parts import AnyLayer, Expression, Near, Part, Quotient, Ratio, Sum, Total, Zones
from qpgis.provenance import Grade, Source
from qpgis.workspace.mistakes import Lines, explained, in_order, key_lines, line_of, read_table

UNITS = {**RATES, **TOTALS}
Classes = str | list[str]


def _known_layer(kind: str, info: ValidationInfo) -> str:
    kinds = info.context["kinds"] if info.context else ()
    if kind not in kinds:
        raise ValueError(f"unknown layer; {did_you_mean(kind, kinds)}")
    return kind


def _known_unit(unit: str) -> str:
    if unit not in UNITS:
        raise ValueError(f"unknown unit; {did_you_mean(unit, UNITS)}")
    return unit


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str | dict) else value


Kind = Annotated[str, AfterValidator(_known_layer)]
Kinds = Annotated[list[Kind], BeforeValidator(_listed)]
Unit = Annotated[str, AfterValidator(_known_unit)]
Number = Annotated[float, Field(ge=-1e15, le=1e15, allow_inf_nan=False)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class NearTable(_Table):
    """``near = {layer = "stations", limit_m = 800}``: only what lies within a straight line of the layer's features."""

    layer: Kind
    limit_m: Annotated[float, Field(gt=0, allow_inf_nan=False)]


class TermTable(_Table):
    """What is measured in each zone.

    Attributes
    ----------
    measure : str
        ``zone_area`` (the zone itself), ``area``, ``length``, ``count`` or ``people`` (the layer's ``amount_field``).
    of : layer or list of layers
        What is measured; the areas of several are dissolved.
    classes : table
        Of each layer that is named the classes that count; all by default.
    outside : layer or list of layers
        Of areas: what they cover is left out.
    near : NearTable
        Only what lies near another layer.
    minus : bool
        Whether the term is subtracted from those before it.
    """

    measure: Literal["zone_area", "area", "length", "count", "people"]
    of: Kinds = []
    classes: dict[Kind, Classes] = {}
    outside: Kinds = []
    near: NearTable | None = None
    minus: bool = False

    @model_validator(mode="after")
    def _fits(self, info: ValidationInfo) -> TermTable:
        wanted = {"area": "polygon", "length": "line", "count": "point"}.get(self.measure)
        if self.measure == "zone_area":
            if self.of or self.near or self.outside:
                raise ValueError("zone_area is the area of the zone itself: leave out of, near and outside")
            return self
        if not self.of or (len(self.of) > 1 and self.measure != "area"):
            raise ValueError(f"{self.measure} needs of = {'the layers' if self.measure == 'area' else 'one layer'}")
        if self.outside and self.measure != "area":
            raise ValueError("outside goes with area")
        kinds: Mapping[str, Collection[str]] = info.context["kinds"] if info.context else {}
        for kind in (*self.of, *self.outside):
            if wanted and wanted not in kinds.get(kind, (wanted,)):
                raise ValueError(f"{self.measure} is of {wanted}s, but {kind} holds {' or '.join(kinds[kind])}s")
        if self.near and self.measure == "length":
            raise ValueError("near goes with area, count and people")
        if unused := sorted(self.classes.keys() - self.layers()):
            raise ValueError(f"classes of {unused[0]}, which the term doesn't name")
        for kind, classes in self.classes.items():
            if not classes:
                raise ValueError(f"classes of {kind} is empty; name those that count, or leave it out")
            _chosen(Layer.empty(kind, Source("", Grade.OFFICIAL)), classes)
        return self

    def layers(self) -> dict[str, None]:
        """The layers that it names, in their order."""
        return dict.fromkeys((*self.of, *self.outside, *([self.near.layer] if self.near else [])))

    def part(self, zones: Zones, layers: Mapping[str, AnyLayer]) -> Part:
        """The part that it describes.

        Raises
        ------
        MissingLayer, MissingClasses, MissingAmounts
            If a layer, its classes, or its amounts aren't there.
        """
        if self.measure == "zone_area":
            return parts.area(zones)
        named = {kind: _chosen(layers[kind], self.classes.get(kind, "all")) for kind in self.layers()}
        of = [named[kind] for kind in self.of]
        where: Near | None = None
        if self.near:
            where = parts.near(named[self.near.layer], limit_m=self.near.limit_m)
        if self.measure == "area":
            return parts.area(*of, outside=tuple(named[kind] for kind in self.outside), where=where)
        measures = {"length": parts.length, "count": parts.count, "people": parts.people}
        return measures[self.measure](of[0], where=where)

    def __str__(self) -> str:
        if self.measure == "zone_area":
            return "area(zone)"
        said = [" + ".join(map(self._named, self.of))]
        said += [f"outside {self._named(kind)}" for kind in self.outside]
        if self.near:
            said.append(f"within {self.near.limit_m:g} m of {self._named(self.near.layer)}")
        return f"{self.measure}({', '.join(said)})"

    def _named(self, kind: str) -> str:
        classes = self.classes.get(kind, "all")
        return kind if classes == "all" else f"{kind}[{classes if isinstance(classes, str) else '+'.join(classes)}]"


def _chosen(layer: AnyLayer, classes: Classes) -> AnyLayer:
    """The features of some classes; an absent layer stays absent."""
    if isinstance(layer, AbsentLayer):
        return layer
    return layer.where(classes if isinstance(classes, str) else tuple(classes))


Terms = Annotated[list[TermTable], BeforeValidator(_listed), Field(min_length=1)]


def _said(terms: list[TermTable]) -> str:
    first, *others = terms
    return str(first) + "".join(f" {'-' if term.minus else '+'} {term}" for term in others)


def _sum(terms: list[TermTable], zones: Zones, layers: Mapping[str, AnyLayer]) -> Expression:
    signed = tuple((-1 if term.minus else 1, term.part(zones, layers)) for term in terms)
    return signed[0][1] if len(signed) == 1 else Sum(signed)


class DefinitionTable(_Table):
    """``[indicators.<id>.definitions.<name>]``: a definition (口径).

    Attributes
    ----------
    zh, en : str
        One sentence: what is divided by what.
    source, standing : str
        Who defines it so, and how well that is established.
    competes : bool
        False for a part of the indicator or a comparison: no target is held against it.
    numerator, denominator : term or list of terms
        Without a denominator the numerator is the value.
    """

    zh: str
    en: str
    source: str = ""
    standing: str = ""
    version: str = "1"
    valid_from: str = ""
    approved_by: str = ""
    competes: bool = True
    numerator: Terms
    denominator: Terms | None = None

    @field_validator("numerator", "denominator")
    @classmethod
    def _can_be_summed(cls, terms: list[TermTable] | None) -> list[TermTable] | None:
        if terms and terms[0].minus:
            raise ValueError("the first term is what others are subtracted from: leave out its minus")
        measures = {term.measure.removeprefix("zone_") for term in terms or ()}
        if len(measures) > 1:
            raise ValueError(f"{' and '.join(sorted(measures))} can't be added")
        return terms

    def terms(self) -> Iterator[TermTable]:
        """Every term."""
        yield from self.numerator
        yield from self.denominator or ()

    def made(self, zones: Zones, layers: Mapping[str, AnyLayer]) -> Quotient:
        """The ratio or total that it describes."""
        above = _sum(self.numerator, zones, layers)
        return Total(above) if self.denominator is None else Ratio(above, _sum(self.denominator, zones, layers))

    def formula(self, unit: str) -> str:
        """It in one line."""
        above = _said(self.numerator)
        if self.denominator is None:
            return above
        below = _said(self.denominator)
        above = f"({above})" if len(self.numerator) > 1 else above
        return f"{'100 * ' if unit == '%' else ''}{above} / {f'({below})' if len(self.denominator) > 1 else below}"


class CardTable(_Table):
    """``[indicators.<id>]``: an indicator.

    Attributes
    ----------
    zh, en, theme : str
        What planners call it, and where it belongs.
    unit : str
        One of :data:`qpgis.amounts.RATES` or :data:`qpgis.amounts.TOTALS`.
    range : two numbers, optional
        Between which every value lies.
    definitions : table
        The first is the default.
    """

    zh: str
    en: str
    theme: str
    unit: Unit
    range: tuple[Number, Number] | None = None
    definitions: Annotated[dict[str, DefinitionTable], Field(min_length=1)]

    @field_validator("range")
    @classmethod
    def _begins_with_the_least(cls, range_: tuple[float, float] | None) -> tuple[float, float] | None:
        if range_ is not None and not range_[0] < range_[1]:
            raise ValueError("write the least value first, then the greatest")
        return range_

    def indicator(self, id_: str, file: str) -> Indicator:
        """The indicator that the card describes; its layers are those that its definitions name."""
        by_name = self.definitions
        kinds = tuple(dict.fromkeys(kind for one in by_name.values() for term in one.terms() for kind in term.layers()))
        default = next(iter(by_name))

        def function(zones: Zones, *layers: AnyLayer, formula: str = default) -> Quotient:
            return choose(formula, by_name, setting="formula").made(zones, dict(zip(kinds, layers, strict=True)))

        parameter = partial(inspect.Parameter, kind=inspect.Parameter.POSITIONAL_OR_KEYWORD)
        setting = inspect.Parameter("formula", inspect.Parameter.KEYWORD_ONLY, default=default)
        signature = inspect.Signature([*map(parameter, ("zones", *kinds)), setting])
        function.__signature__ = signature  # type: ignore[attr-defined]
        function.__doc__ = f"{self.en}.\n\nFormula: ``{by_name[default].formula(self.unit)}``."
        if self.range is not None:
            function.__doc__ += f" Range {self.range[0]:.15g} to {self.range[1]:.15g}."
        return Indicator(id_, self.unit, self.zh, self.en, self.theme, tuple(self._definitions()), function, file=file)

    def _definitions(self) -> Iterator[Definition]:
        about = ("source", "standing", "version", "valid_from", "approved_by", "competes")
        for name, one in self.definitions.items():
            yield Definition(name, one.zh, one.en, {"formula": name}, **{key: getattr(one, key) for key in about})


def _known_indicator(id_: str, info: ValidationInfo) -> str:
    context = info.context or {}
    if id_ in context.get("composites", ()):
        raise ValueError("a composite is no part of another one; name its parts instead")
    if "indicators" in context and id_ not in context["indicators"]:
        raise ValueError(f"unknown indicator; {did_you_mean(id_, context['indicators'])}")
    return id_


class ComponentTable(_Table):
    """``[[composites.<id>.parts]]``: what counts in a composite.

    Attributes
    ----------
    indicator, definition : str
        By default the indicator's default definition.
    worst, best : float
        In the indicator's unit: what scores 0 and 100.
    weight : float
    """

    indicator: Annotated[str, AfterValidator(_known_indicator)]
    definition: Annotated[str | None, Field(validate_default=True)] = None
    worst: Number
    best: Number
    weight: Annotated[Number, Field(gt=1e-9)] = 1

    @field_validator("definition")
    @classmethod
    def _known_definition(cls, name: str | None, info: ValidationInfo) -> str | None:
        one = (info.context or {}).get("indicators", {}).get(info.data.get("indicator"))
        if one is None:
            return name
        try:
            return str(one.definition(one.definitions[0].name if name is None else name).name)
        except ConfigError as error:
            raise ValueError(str(error)) from error

    @field_validator("best")
    @classmethod
    def _is_not_the_worst(cls, best: float, info: ValidationInfo) -> float:
        if best == info.data.get("worst"):
            raise ValueError("the best is the worst too; write what scores 100, and as worst what scores 0")
        return best

    def component(self, indicators: Mapping[str, Indicator]) -> Component:
        """What it describes."""
        one = indicators[self.indicator]
        return Component(one, one.definition(self.definition or ""), self.worst, self.best, self.weight)


class CompositeTable(_Table):
    """``[composites.<id>]``: an indicator that sums up others.

    Attributes
    ----------
    zh, en, theme : str
        What planners call it, and where it belongs.
    source, standing : str
        Who weighs it so, and how well that is established.
    parts : list of ComponentTable
    """

    zh: str
    en: str
    theme: str
    source: str = ""
    standing: str = ""
    parts: Annotated[list[ComponentTable], Field(min_length=1)]

    @field_validator("parts")
    @classmethod
    def _are_different(cls, parts: list[ComponentTable]) -> list[ComponentTable]:
        named = [(one.indicator, one.definition) for one in parts]
        if twice := sorted({one.indicator for one in parts if named.count((one.indicator, one.definition)) > 1}):
            raise ValueError(f"{twice[0]} stands twice with one definition; leave one out, or weigh it more")
        return parts

    def composite(self, id_: str, file: str, indicators: Mapping[str, Indicator]) -> Composite:
        """The composite that it describes."""
        parts = tuple(one.component(indicators) for one in self.parts)
        definition = weighted(parts, source=self.source, standing=self.standing)
        return Composite(id_, "index", self.zh, self.en, self.theme, (definition,), parts, file=file)


class CardsFile(_Table):
    """A whole file of cards."""

    indicators: dict[str, CardTable] = {}
    composites: dict[str, CompositeTable] = {}

    @model_validator(mode="after")
    def _declares(self) -> CardsFile:
        if not self.indicators and not self.composites:
            raise ValueError("declares no indicator; write [indicators.<id>] or [composites.<id>]")
        return self


def read_cards(path: Path, name: str, kinds: Mapping[str, Collection[str]]) -> list[tuple[Indicator, str]]:
    """The indicators that a file of cards declares, each with ``line 3: ``, where it begins; without composites.

    Parameters
    ----------
    path : Path
    name : str
        What the file is called in messages.
    kinds : mapping of layer to geometry types
        The kinds of layer that there are.

    Raises
    ------
    ConfigError
        With every mistake, its line and its remedy.
    """
    cards, lines = _cards(path, name, {"kinds": kinds})
    return [(card.indicator(id_, name), line_of(("indicators", id_), lines)) for id_, card in cards.indicators.items()]


def read_composites(
    path: Path, name: str, kinds: Mapping[str, Collection[str]], declared: Mapping[str, Declared]
) -> list[tuple[Composite, str]]:
    """The composites that a file of cards declares, each with ``line 3: ``, where it begins.

    Parameters
    ----------
    path, name, kinds
        As in :func:`read_cards`.
    declared : mapping of id to Declared
        What there is: indicators can be parts, composites can't.

    Raises
    ------
    ConfigError
        With every mistake, its line and its remedy.
    """
    table, _ = read_table(path)
    indicators = {id_: one for id_, one in declared.items() if isinstance(one, Indicator)}
    composites = {*table.get("composites", ()), *declared} - indicators.keys()
    context = {"kinds": kinds, "indicators": indicators, "composites": composites}
    cards, lines = _cards(path, name, context)
    return [
        (card.composite(id_, name, indicators), line_of(("composites", id_), lines))
        for id_, card in cards.composites.items()
    ]


def _cards(path: Path, name: str, context: Mapping[str, Any]) -> tuple[CardsFile, Lines]:
    """A file of cards that holds no mistake, and where its keys stand."""
    table, text = read_table(path)
    lines = dict(key_lines(text))
    try:
        return CardsFile.model_validate(table, context=dict(context)), lines
    except ValidationError as error:
        mistakes = [explained(one, lines, _known_keys) for one in error.errors()]
        raise ConfigError(in_order(dict.fromkeys(mistakes)), file=name) from error


def _known_keys(path: tuple[str, ...]) -> set[str]:
    """The keys that a table may have.

    The path is indicators, id, definitions, name, side, number, near; or composites, id, parts, number.
    """
    if path[:1] == ("composites",):
        return set((CompositeTable if len(path) < 3 else ComponentTable).model_fields)
    tables = (CardsFile, CardsFile, CardTable, CardTable, DefinitionTable, TermTable, TermTable, NearTable)
    return set(tables[min(len(path), len(tables) - 1)].model_fields)
