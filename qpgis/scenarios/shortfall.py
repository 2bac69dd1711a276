"""From a shortfall to the work: how much is missing of what a value counts, exactly, until its target is met."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from types import MappingProxyType

from qpgis.amounts import Amount, value_of
from qpgis.assessment import Assessment
from qpgis.catalogue import clauses, keys, listed, text, unit_text
from qpgis.errors import ConfigError, NotComputable, did_you_mean
from qpgis.indicators.declaration import Indicator
from qpgis.layers import Layer
from qpgis.measures.contributions import MICRO
from qpgis.parts import Expression, Made, Measure, OpenShore, Part, PerZone, Quotient
from qpgis.plans import Status, Target, Thresholds, holds, limit
from qpgis.rows import Judgement, Row, Zone, joined, zones_called, zones_of
from qpgis.workspace import Workspace

WORK_UNITS = MappingProxyType({"m2": ("ha", 10_000, 2), "m": ("km", 1000, 3), "people": ("people", 1, 0)})
"""What planners count work in: the unit, how much of ours is one, decimals shown. Others are shown whole."""
ENDLESS = 1 << 90
"""No sum in millionths comes near this: what isn't reached by then never is."""
ADD, SERVE, REMOVE = "add", "serve", "remove"
FIXED, BOTH, BOUND = "fixed", "both", "bound"
COLUMNS = (
    *("indicator", "definition", "zone_id", "zone_name", "level", "value", "unit", "operator", "limit"),
    *("target_text", "target_year", "status", "difference", "how", "what", "work", "work_unit", "millionths"),
    *("millionths_of", "basis", "note"),
)
"""The columns of the table of work.

``limit`` is from where on the target is met; ``how`` is ``add``, ``serve`` (what is there already, but isn't reached
or doesn't count yet) or ``remove``; ``work`` is in ``work_unit``, and exactly ``millionths`` of ``millionths_of``;
``basis`` is ``fixed`` (the denominator stays), ``both`` (what is added counts in it too) or ``bound`` (the denominator
changes in another way: at least so much).
"""


@dataclass(frozen=True)
class Work:
    """The least that must be added, served or removed until a target is met.

    Attributes
    ----------
    millionths : int
        In whole millionths of ``unit``.
    unit : str
        ``m2``, ``m``, ``people`` or ``count``.
    how : str
        ``add``, ``serve`` or ``remove``.
    basis : str
        ``fixed``, ``both`` or ``bound``, see :data:`COLUMNS`.
    floor_area : bool
        True for square metres of floors, which nobody counts in hectares.
    """

    millionths: int
    unit: str
    how: str
    basis: str
    floor_area: bool = False

    @property
    def shown_unit(self) -> str:
        """The unit that planners count it in."""
        return "m2" if self.floor_area else WORK_UNITS.get(self.unit, (self.unit, 1, 0))[0]

    @property
    def amount(self) -> Fraction:
        """The amount in its shown unit, exactly."""
        worth = 1 if self.floor_area else WORK_UNITS.get(self.unit, (self.unit, 1, 0))[1]
        return Fraction(self.millionths, MICRO * worth)

    @property
    def shown(self) -> str:
        """The amount in its shown unit, rounded up: so much is enough.

        >>> Work(1_234_567_890_123, "m2", "add", "fixed").shown
        '123.46'
        """
        places = 0 if self.floor_area else WORK_UNITS.get(self.unit, (self.unit, 1, 0))[2]
        return f"{math.ceil(self.amount * 10**places) / 10**places:,.{places}f}"


@dataclass(frozen=True)
class Shortfall:
    """A value that hasn't met a target, and what is missing.

    Attributes
    ----------
    row : Row
    target : Target
    limit : float or None
        From where on the target is met; ``None`` where it is only words.
    difference : float or None
        From the value to the limit.
    work : Work or None
        ``None`` where it can't be told, with the reason in ``note``.
    what : str
        What the work is counted of, as planners call it.
    note : str
    """

    row: Row
    target: Target
    limit: float | None
    difference: float | None
    work: Work | None
    what: str
    note: str

    def record(self) -> dict[str, object]:
        """With the columns of :data:`COLUMNS`."""
        row, work = self.row, self.work
        return {
            **row.names,
            "value": row.value,
            "unit": row.unit,
            "operator": self.target.operator,
            "limit": self.limit,
            "target_text": self.target.text,
            "target_year": self.target.year,
            "status": str(row.status),
            "difference": self.difference,
            "how": work.how if work else "",
            "what": self.what,
            "work": float(work.amount) if work else None,
            "work_unit": work.shown_unit if work else "",
            "millionths": work.millionths if work else None,
            "millionths_of": work.unit if work else "",
            "basis": work.basis if work else "",
            "note": self.note,
        }

    def text(self, assessment: Assessment) -> str:
        """One line for planners."""
        lang, row = assessment.lang, self.row
        unit = unit_text(row.unit, lang)
        words = {"name": assessment.title(row.indicator), "definition": row.definition, "zone": row.zone.name}
        words |= {"target": self.target.text, "year": str(self.target.year)}
        words["value"] = text("gap_no_value", lang) if row.value is None else f"{row.value:.6g} {unit}".strip()
        said = [text("gap_line", lang, **words)]
        if self.work is not None:
            shown = f"{self.work.shown} {unit_text(self.work.shown_unit, lang)}".strip()
            said.append(text(f"gap_{self.work.how}", lang, what=self.what, amount=shown))
            said.append(text(f"gap_{self.work.basis}", lang))
        return clauses([*said, *filter(None, [self.note])], lang)


def shortfalls(
    assessment: Assessment,
    *,
    indicator: str | None = None,
    level: str | None = None,
    zones: Iterable[str] | None = None,
) -> tuple[Shortfall, ...]:
    """Every target that isn't met, with the work that is missing.

    Parameters
    ----------
    assessment : Assessment
    indicator : str, optional
        Only this one.
    level : str, optional
        Instead, what each zone of this level lacks: by its own target, or else by that of a zone that holds it. The
        target of a sum is nobody else's.
    zones : iterable of str, optional
        Only these zones, by id or name.

    Raises
    ------
    ConfigError
        If there is no such level or zone.
    """
    there = zones_of(assessment.workspace)
    only = None if zones is None else {zone for name in zones for zone in zones_called(name, there)}
    levels = assessment.workspace.area.levels
    if level is not None and level not in levels:
        raise ConfigError(f"no level {level!r}; {did_you_mean(level, levels)}")
    made = {key: measure_of(assessment, *key) for key in assessment.definitions}
    rows = (row for row in assessment.rows if indicator in (None, row.indicator))
    found = (one for row in rows for one in _of_row(assessment, row, made, level))
    return tuple(one for one in found if only is None or one.row.zone in only)


def elsewhere_lines(assessment: Assessment, indicator: str | None) -> list[str]:
    """What to say where no target is missed: which zones miss it elsewhere, if any does."""
    lang = assessment.lang
    missed = dict.fromkeys(one.row.zone.name for one in shortfalls(assessment, indicator=indicator))
    if not missed:
        return [text("gap_nothing", lang)]
    return [text("gap_elsewhere", lang, zones=listed(missed, lang))]


def zone_called(workspace: Workspace, name: str) -> Zone:
    """A zone by its id or name.

    Raises
    ------
    ConfigError
        If there is none.
    """
    return zones_called(name, zones_of(workspace))[0]


def measure_of(assessment: Assessment, indicator: str, definition: str) -> Measure | None:
    """What a definition of an indicator measures; ``None`` of a composite, or where a layer lacks."""
    declared = assessment.workspace.indicators.get(indicator)
    if not isinstance(declared, Indicator):
        return None
    try:
        return declared(assessment.workspace.layers, assessment.definitions[indicator, definition])
    except NotComputable:
        return None


_Measures = dict[tuple[str, str], Measure | None]


def _of_row(assessment: Assessment, row: Row, made: _Measures, level: str | None) -> Iterator[Shortfall]:
    measure = made.get((row.indicator, row.definition))
    if level is None or row.zone.level == level:
        for judgement in row.judgements:
            if judgement.status is not Status.MET:
                yield _shortfall(assessment, replace(row, status=judgement.status), judgement, measure)
    if level is not None and row.denominator is not None and row.zone.level != level:
        for inner in _within(assessment, row, level):
            for one in row.judgements if not inner.judgements else ():
                value = one.target.value
                if inner.value is None or value is None or holds(one.target, inner.value, _thresholds(assessment)):
                    continue
                borrowed = text("gap_borrowed", assessment.lang, zone=row.zone.name)
                found = _shortfall(assessment, inner, replace(one, note=""), measure)
                yield replace(found, note=joined(assessment.lang, borrowed, found.note))


def _within(assessment: Assessment, row: Row, level: str) -> Iterator[Row]:
    """The rows of the same definition of the zones of a level that another zone holds."""
    groups = {group.id: set(group.members) for group in assessment.workspace.area.groups}
    outer = groups.get(row.zone.id, {row.zone.id})
    for one in assessment.rows:
        same = (one.indicator, one.definition) == (row.indicator, row.definition)
        if same and one.zone.level == level and groups.get(one.zone.id, {one.zone.id}) < outer:
            yield one


def _thresholds(assessment: Assessment) -> Thresholds:
    return assessment.workspace.thresholds


def _shortfall(assessment: Assessment, row: Row, judgement: Judgement, made: Measure | None) -> Shortfall:
    lang, target = assessment.lang, judgement.target
    past = text("gap_past", lang) if target.year < assessment.workspace.year else ""
    if target.value is None:
        return Shortfall(row, target, None, None, None, "", joined(lang, text("gap_words", lang), past))
    goal = limit(target, _thresholds(assessment))
    blank = Shortfall(row, target, goal, None, None, "", past)
    if row.value is None:
        return replace(blank, note=joined(lang, row.note, past))
    blank = replace(blank, difference=goal - row.value)
    if row.published or row.numerator is None or not isinstance(made, Quotient):
        why = "gap_published" if row.published else "gap_whole" if isinstance(made, PerZone) else "gap_composed"
        return replace(blank, note=joined(lang, text(why, lang), past))
    lacking = Lack.of(made, row.unit, target)
    what = listed((_title(assessment, kind) for kind in lacking.kinds), lang)
    below = row.denominator.micro if row.denominator else None
    work = lacking.work(row.numerator.micro, below, lambda value: holds(target, value, _thresholds(assessment)))
    never = "" if work else text("gap_unreachable", lang, what=what)
    return replace(blank, work=work, what=what, note=joined(lang, never, past))


@dataclass(frozen=True)
class Lack:
    """What a value lacks, and how more or less of it changes the value.

    Attributes
    ----------
    unit : str
        The indicator's.
    above, below : str
        Units of numerator and denominator; ``below`` is empty for a total.
    how, basis : str
        As in :class:`Work`.
    in_denominator : bool
        True where it is the denominator that must grow: parks for so many people.
    step : int
        Millionths of the least that can be added: things are whole.
    kinds : tuple of str
        The layers whose features are counted.
    floor_area : bool
    """

    unit: str
    above: str
    below: str
    how: str
    basis: str
    in_denominator: bool
    step: int
    kinds: tuple[str, ...]
    floor_area: bool

    @classmethod
    def of(cls, made: Quotient, unit: str, target: Target) -> Lack:
        """What the value of a quotient or total lacks until a target is met."""
        up = target.direction == "up"
        below = made.denominator
        of_people = made.numerator.unit == "people" and not any(p.where for _, p in made.numerator.terms())
        inverse = not up and of_people and below is not None and below.unit == "count"
        grown = below if inverse and below is not None else made.numerator
        counted = [part for sign, part in grown.terms() if sign > 0]
        there = any(part.where is not None and not isinstance(part.where, Made) for part in counted)
        how = ADD if inverse or (up and not there) else SERVE if up else REMOVE
        return cls(
            unit,
            made.numerator.unit,
            below.unit if below is not None else "",
            how,
            FIXED if inverse else basis_of(made),
            inverse,
            MICRO if all(part.kernel == "count" for part in counted) else 1,
            tuple(dict.fromkeys(kind for part in counted for kind in _counted(part))),
            grown.unit == "m2" and all(part.kernel == "amount" for part in counted),
        )

    def work(self, above: int, below: int | None, met: Callable[[float], bool]) -> Work | None:
        """The least work until a value is met; ``None`` where no amount of it is enough.

        Parameters
        ----------
        above, below : int
            Numerator and denominator, in millionths.
        met : callable
            Whether a value meets the target.
        """
        sign = -1 if self.how == REMOVE else 1

        def value(steps: int) -> float:
            more = sign * steps * self.step
            over = above if self.in_denominator else above + more
            under = None if below is None else below + (more if self.in_denominator or self.basis == BOTH else 0)
            return value_of(self.unit, Amount(over, self.above), None if under is None else Amount(under, self.below))

        most = self._most(above, below)
        steps = least(lambda n: met(value(n)), most)
        if steps is None:
            return None
        unit = self.below if self.in_denominator else self.above
        return Work(steps * self.step, unit, self.how, self.basis, self.floor_area)

    def _most(self, above: int, below: int | None) -> int:
        """How many steps there can be."""
        if self.how == REMOVE:
            whole = above // self.step
            return whole - 1 if self.basis == BOTH and below == above else whole
        if self.how == SERVE and below is not None and self.above == self.below:
            return max(below - above, 0) // self.step
        if self.basis == BOTH and below is not None:  # the share comes ever nearer to 1; floats would say that it is
            return max(below, above) << 40
        return ENDLESS


def least(condition: Callable[[int], bool], most: int) -> int | None:
    """The least whole number from 0 to ``most`` for which a condition holds that goes on to hold; ``None`` if none.

    >>> least(lambda n: n * n >= 50, 100), least(lambda n: n > 5, 5)
    (8, None)
    """
    if not condition(most):
        return None
    low, high = -1, most  # fails at low, holds at high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if condition(middle) else (middle, high)
    return high


def basis_of(made: Quotient) -> str:
    """Whether what is added to a numerator changes the denominator: not at all, as much, or in another way."""
    if made.denominator is None:
        return FIXED
    found = {_enters(part, made.denominator) for sign, part in made.numerator.terms() if sign > 0}
    return found.pop() if len(found) == 1 else BOUND


def _enters(part: Part, denominator: Expression) -> str:
    """How more of what a part counts changes a denominator."""
    related = [(sign, other) for sign, other in denominator.terms() if _shares(part, other)]
    if not related:
        return FIXED
    holding = [sign for sign, other in related if _holds(other, part)]
    if part.where is not None:  # what is counted is there already, in the denominator
        return FIXED if holding else BOUND
    return BOTH if len(holding) == len(related) and sum(holding) == 1 else BOUND


def _holds(whole: Part, part: Part) -> bool:
    """Whether a part of a denominator counts everything that another part could."""
    within = part.where.shore if isinstance(part.where, OpenShore) else None
    inside = all(any(_lies_in(a, b) for b in whole.layers) for a in part.layers)
    return inside and whole.kernel == part.kernel and whole.where == within and not isinstance(part.where, Made)


def _counted(part: Part) -> tuple[str, ...]:
    """What a part counts: the kinds of layers, or what a rule makes of them."""
    if isinstance(part.where, Made):
        return (type(part.where).__name__.lower(),)
    return tuple(layer.kind for layer in part.layers) or ("ground",)


def _title(assessment: Assessment, kind: str) -> str:
    named = f"gap_of_{kind}"
    return text(named, assessment.lang) if named in keys() else assessment.layer_title(kind)


def _shares(part: Part, other: Part) -> bool:
    """Whether two parts count features of one layer."""
    return any(a.kind == b.kind and _root(a) == _root(b) for a in part.layers for b in other.layers)


def _root(layer: Layer) -> str:
    return layer.key.partition(" | ")[0]


def _lies_in(layer: Layer, other: Layer) -> bool:
    """Whether a layer is another, or chosen from it."""
    return layer.key == other.key or layer.key.startswith(f"{other.key} | ")
