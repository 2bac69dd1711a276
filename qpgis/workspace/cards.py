"""Indicator cards: own indicators without code, in TOML.

``[indicators.<id>]`` names an indicator, ``[indicators.<id>.definitions.<name>]`` says what is divided by what.
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
from qpgis.indicators.declaration import Definition, Indicator, choose
from qpgis.layers import AbsentLayer, Layer
from qpgis.parts import AnyLayer, Expression, Near, Part, Quotient, Ratio, Sum, Total, Zones
from qpgis.provenance import Grade, Source
from qpgis.workspace.mistakes import explained, in_order, key_lines, line_of, read_table

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
    range: tuple[float, float] | None = None
    definitions: Annotated[dict[str, DefinitionTable], Field(min_length=1)]

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
            function.__doc__ += f" Range {self.range[0]:g} to {self.range[1]:g}."
        return Indicator(id_, self.unit, self.zh, self.en, self.theme, function, tuple(self._definitions()), file)

    def _definitions(self) -> Iterator[Definition]:
        about = ("source", "standing", "version", "valid_from", "approved_by")
        for name, one in self.definitions.items():
            yield Definition(name, one.zh, one.en, {"formula": name}, **{key: getattr(one, key) for key in about})


class CardsFile(_Table):
    """A whole file of cards."""

    indicators: Annotated[dict[str, CardTable], Field(min_length=1)]


def read_cards(path: Path, name: str, kinds: Mapping[str, Collection[str]]) -> list[tuple[Indicator, str]]:
    """The indicators that a file of cards declares, each with ``line 3: ``, where it begins.

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
    table, text = read_table(path)
    lines = dict(key_lines(text))
    try:
        cards = CardsFile.model_validate(table, context={"kinds": kinds}).indicators
    except ValidationError as error:
        mistakes = [explained(one, lines, _known_keys) for one in error.errors()]
        raise ConfigError(in_order(dict.fromkeys(mistakes)), file=name) from error
    return [(card.indicator(id_, name), line_of(("indicators", id_), lines)) for id_, card in cards.items()]


def _known_keys(path: tuple[str, ...]) -> set[str]:
    """The keys that a table may have: the path is indicators, id, definitions, name, side, number, near."""
    tables = (CardsFile, CardsFile, CardTable, CardTable, DefinitionTable, TermTable, TermTable, NearTable)
    return set(tables[min(len(path), len(tables) - 1)].model_fields)
