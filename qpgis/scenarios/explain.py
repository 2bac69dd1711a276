"""Why a value changed: what borders, each layer and the definition add to the difference, which they make up exactly.

Each is changed in every order in which the others can have been changed before (up to :data:`MOST` of them), and what
it adds on average is its part: the Shapley value, in whole fractions. Code is the first step: what was recorded of the
earlier run against what today's code makes of its inputs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from qpgis.amounts import SHOWN
from qpgis.catalogue import Lang, clauses, listed, text, unit_text
from qpgis.crs import LONLAT
from qpgis.errors import ConfigError, did_you_mean
from qpgis.indicators.declaration import REPORTED, STATISTICS
from qpgis.layers import LAYERS
from qpgis.rows import Zone, joined, zones_called
from qpgis.scenarios.compare import Comparison
from qpgis.scenarios.moved import ARROW, Moved
from qpgis.scenarios.moved import COLUMNS as MOVED
from qpgis.scenarios.replay import BOUNDARY, DATA, DEFINITION, Factor, Mixture, Replay, State, exact_value
from qpgis.scenarios.shapley import rounded, shares

if TYPE_CHECKING:
    import geopandas as gpd
    import pandas as pd

    from qpgis.workspace import Workspace

MOST = 8
"""So many factors are told apart; they have 256 combinations."""
REST, CODE, CODE_AFTER, JOINT, UNEXPLAINED = "rest", "code", "code_after", "joint", "unexplained"
DIGITS, SHOWN_DIGITS = 12, 6
"""As many digits have the values of outputs, and the differences in texts."""
COLUMNS = (
    *("indicator", "definition", "zone_id", "zone_name", "level", "factor", "layers", "label"),
    *("contribution", "share", "difference", "value_before", "value_after", "unit", "note"),
)
"""The columns of an explanation, one row for each zone and factor.

``factor`` is ``code``, ``boundary``, ``data``, ``rest`` (several layers taken together), ``definition``,
``code_after``, ``joint`` (several that can't be told apart) or ``unexplained``, ``label`` the same in words. The
contributions of a zone add up to its ``difference``, of which ``share`` is the part; both are missing where there is no
difference to explain.
"""


class Contribution(NamedTuple):
    """What one factor adds to a difference.

    Attributes
    ----------
    factor : str
        See :data:`COLUMNS`.
    layers : tuple of str
        Of data.
    label : str
        The factor in words.
    amount : Decimal
        In the unit of the value.
    """

    factor: str
    layers: tuple[str, ...]
    label: str
    amount: Decimal


@dataclass(frozen=True)
class Explained:
    """One zone's difference.

    Attributes
    ----------
    record : mapping
        The row of the comparison.
    parts : tuple of Contribution
        They add up to the difference as it is printed.
    notes : tuple of str
        What is to be said of them.
    """

    record: Mapping[str, Any] = field(repr=False)
    parts: tuple[Contribution, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Explanation:
    """The result of :meth:`qpgis.scenarios.compare.Comparison.explain`.

    Attributes
    ----------
    indicator, title, definition : str
    zones : tuple of Explained
    notes : tuple of str
        What is to be said of all of them.
    lang : "zh" or "en"
    moved : Moved, optional
        Finds the features.
    top : int
        How many features are told of each zone and factor.
    """

    indicator: str
    title: str
    definition: str
    zones: tuple[Explained, ...] = field(repr=False)
    notes: tuple[str, ...] = field(repr=False)
    lang: Lang = "zh"
    moved: Moved | None = field(default=None, repr=False, compare=False)
    top: int = 10

    def __repr__(self) -> str:
        factors = dict.fromkeys(part.label for zone in self.zones for part in zone.parts)
        return f"<Explanation of {self.indicator}:{self.definition}, {len(self.zones)} zones: {', '.join(factors)}>"

    @property
    def records(self) -> Iterator[dict[str, Any]]:
        """Rows with the columns of :data:`COLUMNS`; numbers are exact decimals, ``None`` is missing."""
        for zone in self.zones:
            shown = {name: zone.record[name] for name in COLUMNS if name in zone.record and name != "note"}
            shown |= {"note": joined(self.lang, *zone.notes, *self.notes)}
            blank = Contribution("", (), "", Decimal(0))
            for part in zone.parts or (blank,):
                whole = zone.record["difference"] or None
                yield {
                    **shown,
                    "factor": part.factor,
                    "layers": " ".join(part.layers),
                    "label": part.label,
                    "contribution": part.amount if zone.parts else None,
                    "share": float(Fraction(part.amount) / Fraction(whole)) if zone.parts and whole else None,
                }

    @cached_property
    def table(self) -> pd.DataFrame:
        """All rows as an ordinary DataFrame; missing numbers are NaN."""
        import pandas as pd

        frame = pd.DataFrame(self.records, columns=list(COLUMNS))
        numbers = ["contribution", "share", "difference", "value_before", "value_after"]
        frame[numbers] = frame[numbers].astype(float)
        return frame

    @cached_property
    def features(self) -> gpd.GeoDataFrame:
        """The features that moved the value of each zone most, see :data:`qpgis.scenarios.moved.COLUMNS`; in degrees.

        Some of each factor that is data. None where the value isn't computed from layers or the inputs aren't at hand.
        """
        import geopandas as gpd

        if self.moved is None:
            return gpd.GeoDataFrame(columns=[*MOVED, "geometry"], geometry="geometry", crs=LONLAT)
        return self.moved.frame(self.top)

    def text(self) -> str:
        """Every zone with what made its difference, which the printed parts add up to; then what is to be said."""
        return "\n".join(map(_neat, self._lines()))

    def as_record(self) -> dict[str, Any]:
        """Everything as JSON takes it."""
        rows = [{k: float(v) if isinstance(v, Decimal) else v for k, v in one.items()} for one in self.records]
        return {
            **{"indicator": self.indicator, "definition": self.definition, "notes": list(self.notes)},
            "rows": [{name: row[name] for name in COLUMNS} for row in rows],
            "features": json.loads(self.features.drop(columns="geometry").to_json(orient="records")),
        }

    def _lines(self) -> Iterator[str]:
        moved = [zone for zone in self.zones if zone.record["difference"] != 0] or self.zones
        for zone in moved:
            unit = zone.record["unit"]
            points = text("unit_points", self.lang) if unit == "%" else unit_text(unit, self.lang)
            whole, parts = self._shown(zone)
            yield self._head(zone.record, whole, unit_text(unit, self.lang), points)
            for part, amount in zip(zone.parts, parts, strict=True):
                key, words = "explain_line", {"label": part.label, "amount": _plain(amount), "points": points}
                if whole:
                    key, words["share"] = "explain_share", f"{float(part.amount / zone.record['difference']) + 0.0:.1%}"
                yield f"  {text(key, self.lang, **words)}"
            yield from (f"  {note}" for note in zone.notes)
        if len(moved) < len(self.zones):
            yield text("explain_unmoved", self.lang, count=len(self.zones) - len(moved))
        yield from self.notes
        if len(self.zones) == 1 and len(self.features):
            yield text("explain_features", self.lang)
            yield from (f"  {self._feature(row)}" for row in self.features.to_dict("records"))

    def _feature(self, row: Mapping[str, Any]) -> str:
        unit, places = SHOWN.get(row["unit"], ("", 0))
        amounts = {
            which: f"{row[which] / 10 ** (places - 6):.6g}"
            if row[which] == row[which]
            else text("diff_none", self.lang)
            for which in _RUNS
        }
        words = {name: text(f"explain_{row[name]}", self.lang) for name in ("change", "side")}
        words |= {
            "layer": layer_titles([row["layer"]], self.lang),
            "id": " ".join(filter(None, (row["feature_id"], row["name"]))),
        }
        if not unit:
            return text("explain_feature_whole", self.lang, **words)
        return text("explain_feature", self.lang, **words, **amounts, unit=unit_text(unit, self.lang))

    def _head(self, record: Mapping[str, Any], whole: Decimal | None, unit: str, points: str) -> str:
        none = text("diff_none", self.lang)
        values = (f"{float(one):.6g}" if (one := record[f"value_{which}"]) is not None else none for which in _RUNS)
        before, after = values
        words = {"name": self.title, "definition": record["definition"], "zone": record["zone_name"], "unit": unit}
        words |= {"before": before, "after": after, "points": points}
        return text("explain_row", self.lang, **words, difference=none if whole is None else _plain(whole))

    def _shown(self, zone: Explained) -> tuple[Decimal | None, list[Decimal]]:
        """The difference and its parts with fewer digits, so rounded that they still add up."""
        whole: Decimal | None = zone.record["difference"]
        if whole is None:
            return None, []
        largest = whole or max((abs(part.amount) for part in zone.parts), default=Decimal(0))
        exact = max((-_exponent(one) for one in (whole, *(part.amount for part in zone.parts))), default=0)
        places = min(max(SHOWN_DIGITS - 1 - largest.adjusted(), 0), exact) if largest else 0
        short = round(whole, places)
        return short, rounded([Fraction(part.amount) for part in zone.parts], short, places)


_RUNS = ("before", "after")


def explain(
    comparison: Comparison, indicator: str, zone: str | None = None, definition: str | None = None, *, top: int = 10
) -> Explanation:
    """What made an indicator change.

    Parameters
    ----------
    comparison : Comparison
        With the workspaces of both runs, else it is only compared.
    indicator : str
    zone : str, optional
        A zone's id or name; all by default.
    definition : str, optional
        As the comparison calls it, or either run; by default the first.
    top : int
        How many features are told of each zone and factor.

    Raises
    ------
    ConfigError
        If the comparison has no such indicator, definition or zone.
    """
    records = _asked(comparison, indicator, zone, definition)
    name = records[0]["definition"]
    title, lang = comparison.titles.get(indicator, indicator), comparison.lang
    before, after = comparison.inputs
    lacking = [which for which, inputs in zip(_RUNS, comparison.inputs, strict=True) if inputs is None]
    notes: list[str] = []
    if name == STATISTICS or name.startswith(REPORTED):
        notes = [text("explain_published", lang)]
    elif all(one["difference"] is None for one in records):
        notes = []
    elif before is None or after is None:
        notes = [text("explain_no_inputs", lang, which=listed(_run_names(lacking, lang), lang))]
    else:
        told = _Telling(comparison, indicator, name, records, (before, after))
        zones = tuple(told.zones())
        return Explanation(indicator, title, name, zones, tuple(told.notes()), lang, told.moved(), top)
    zones = tuple(_only_compared(record, lang) for record in records)
    return Explanation(indicator, title, name, zones, tuple(notes), lang)


def _asked(comparison: Comparison, indicator: str, zone: str | None, definition: str | None) -> list[Mapping[str, Any]]:
    """The rows of the comparison that are to be explained."""
    found = [one for one in comparison.records if one["indicator"] == indicator]
    if not found:
        known = {one["indicator"] for one in comparison.records}
        raise ConfigError(f"no indicator {indicator!r}; {did_you_mean(indicator, known)}")
    names = dict.fromkeys(one["definition"] for one in found)
    name = next(iter(names)) if definition is None else definition
    if name not in names:
        name = next((one for one in names if name in one.split(ARROW)), name)
    if name not in names:
        raise ConfigError(f"no definition {name!r} of {indicator!r}; {did_you_mean(name, names)}")
    found = [one for one in found if one["definition"] == name]
    if zone is None:
        return found
    zones = [Zone(one["zone_id"], one["zone_name"], one["level"]) for one in found]
    called = zones_called(zone, zones)
    return [one for one, of in zip(found, zones, strict=True) if of in called]


def _run_names(runs: Sequence[str], lang: Lang) -> list[str]:
    return [text(f"explain_{which}", lang) for which in runs]


def _only_compared(record: Mapping[str, Any], lang: Lang) -> Explained:
    """A difference of which nothing is known, if there is one."""
    if record["difference"] is None:
        return Explained(record, (), (text("explain_none", lang),))
    if not record["difference"]:
        return Explained(record, ())
    label = text(f"explain_{UNEXPLAINED}", lang)
    return Explained(record, (Contribution(UNEXPLAINED, (), label, record["difference"]),))


@dataclass(frozen=True)
class _Telling:
    """Explains the rows of one indicator and definition."""

    comparison: Comparison
    indicator: str
    definition: str
    records: Sequence[Mapping[str, Any]]
    inputs: tuple[Workspace, Workspace]

    @property
    def lang(self) -> Lang:
        return self.comparison.lang

    @cached_property
    def replay(self) -> Replay:
        names = self.definition.split(ARROW)
        before, after = (
            State.named(workspace, self.indicator, name)
            for workspace, name in zip(self.inputs, (names[0], names[-1]), strict=True)
        )
        return Replay(before, after, self.lang)

    @cached_property
    def factors(self) -> tuple[Factor, ...]:
        """What is told apart: everything that differs, the layers of least effect taken together."""
        every = self.replay.factors
        if len(every) <= MOST:
            return every
        data = [factor for factor in every if factor.what == DATA]
        apart = MOST - 1 - (len(every) - len(data))
        alone = sorted(data, key=self._effect, reverse=True)[:apart]
        rest = Factor(REST, tuple(kind for factor in data if factor not in alone for kind in factor.kinds))
        kept = [factor for factor in every if factor.what != DATA or factor in alone]
        return tuple(sorted([*kept, rest], key=lambda factor: _ORDER.index(factor.what)))

    def _effect(self, factor: Factor) -> Fraction:
        """How much a factor alone changes the values that are asked for."""
        total = Fraction(0)
        for record in self.records:
            values = [self._value(mixture, record["zone_id"]) for mixture in (Mixture(), Mixture.of([factor]))]
            if values[0] is not None and values[1] is not None:
                total += abs(values[1] - values[0])
        return total

    def _value(self, mixture: Mixture, zone: str) -> Fraction | None:
        row = self.replay.rows(mixture).get(zone)
        return None if row is None else exact_value(row)

    @cached_property
    def _mixtures(self) -> list[Mixture]:
        """Every combination of factors; the n-th bit of the position is the n-th factor."""
        some = self.factors
        return [
            Mixture.of([factor for n, factor in enumerate(some) if mask >> n & 1]) for mask in range(1 << len(some))
        ]

    def zones(self) -> Iterator[Explained]:
        """Every difference with what made it."""
        for record in self.records:
            yield _only_compared(record, self.lang) if record["difference"] is None else self._explained(record)

    def _explained(self, record: Mapping[str, Any]) -> Explained:
        zone = record["zone_id"]
        found = [self._value(mixture, zone) for mixture in self._mixtures]
        first, last = found[0], found[-1]
        if first is None or last is None:
            lacking = [n for n, end in ((0, first), (-1, last)) if end is None]
            return Explained(record, _only_compared(record, self.lang).parts, tuple(self._not_again(lacking, zone)))
        notes: list[str] = []
        steps = self._steps(found, last - first, zone, notes)
        if _print(first) != record["value_before"]:
            steps.insert(0, (Factor(CODE), first - Fraction(record["value_before"])))
            notes.append(self._by_code("before", first, record))
        if _print(last) != record["value_after"]:
            steps.append((Factor(CODE_AFTER), Fraction(record["value_after"]) - last))
            notes.append(self._by_code("after", last, record))
        return Explained(record, self._contributions(record, steps), (*notes, *self._surveyed(record)))

    def _not_again(self, ends: Sequence[int], zone: str) -> Iterator[str]:
        for n in ends:
            words = {"which": text(f"explain_{_RUNS[n]}", self.lang), "why": self._why([self._mixtures[n]], zone)}
            yield text("explain_not_again", self.lang, **words)

    def _by_code(self, which: str, found: Fraction, record: Mapping[str, Any]) -> str:
        words = {"which": text(f"explain_{which}", self.lang), "said": f"{float(record[f'value_{which}']):.6g}"}
        return text("explain_by_code", self.lang, **words, found=f"{float(found):.6g}")

    def _steps(
        self, found: list[Fraction | None], whole: Fraction, zone: str, notes: list[str]
    ) -> list[tuple[Factor, Fraction]]:
        """What each factor adds; one for all where they can't be told apart."""
        lacking = [mixture for mixture, value in zip(self._mixtures, found, strict=True) if value is None]
        shared = shares(found)
        if shared is None:
            notes.append(text("explain_no_order", self.lang, why=self._why(lacking, zone)))
            every = tuple(kind for factor in self.factors for kind in factor.kinds)
            return [(Factor(JOINT, every), whole)]
        if shared.orders < shared.possible:
            words = {"orders": shared.orders, "possible": shared.possible}
            notes.append(text("explain_orders", self.lang, **words, why=self._why(lacking, zone)))
        return list(zip(self.factors, shared.amounts, strict=True))

    def _why(self, mixtures: Sequence[Mixture], zone: str) -> str:
        """Why mixtures have no value."""
        rows = (self.replay.rows(mixture).get(zone) for mixture in mixtures)
        return clauses(dict.fromkeys(row.note for row in rows if row is not None and row.note), self.lang)

    def _contributions(
        self, record: Mapping[str, Any], steps: list[tuple[Factor, Fraction]]
    ) -> tuple[Contribution, ...]:
        """The steps as decimals that add up to the difference as it was printed."""
        whole: Decimal = record["difference"]
        values = [record[f"value_{which}"] for which in _RUNS]
        largest = max(map(abs, values))
        digits = largest.adjusted() - DIGITS + 1 if largest else 0
        places = -min(digits, *map(_exponent, (*values, whole)))
        if abs(Fraction(whole) - sum(amount for _, amount in steps)) > 2 * Fraction(10) ** digits:
            steps = [*steps, (Factor(UNEXPLAINED), Fraction(whole) - sum(amount for _, amount in steps))]
        amounts = rounded([amount for _, amount in steps], whole, places)
        return tuple(
            Contribution(factor.what, factor.kinds, self._label(factor), amount)
            for (factor, _), amount in zip(steps, amounts, strict=True)
        )

    def _label(self, factor: Factor) -> str:
        if factor.what == JOINT:
            return text("explain_joint", self.lang, factors=listed(map(self._label, self.factors), self.lang))
        words = {"layers": self._titles(factor.kinds)} if factor.kinds else {}
        return text(f"explain_{factor.what}", self.lang, **words)

    def _titles(self, kinds: Sequence[str]) -> str:
        return layer_titles(kinds, self.lang)

    def moved(self) -> Moved | None:
        """What finds the features, where data moved anything that has a difference."""
        there = [one["zone_id"] for one in self.records if one["difference"] is not None]
        data = any(factor.kinds for factor in self.factors)
        return Moved(self.replay, there, self.lang) if data and there else None

    # ---- what is to be said ----

    def notes(self) -> Iterator[str]:
        """What is to be said of every zone."""
        if not self.factors:
            yield text("explain_nothing", self.lang)
        for factor in self.factors:
            if factor.what == DATA and len(factor.kinds) > 1:
                yield text("explain_origin", self.lang, layers=self._titles(factor.kinds))
            if factor.what == REST:
                yield text("explain_grouped", self.lang, most=MOST, count=len(factor.kinds))
        if self.replay.projected:
            yield text("explain_planes", self.lang)
        yield from (one.text(self.lang) for one in self.comparison.differences if one.what == "altered")

    def _surveyed(self, record: Mapping[str, Any]) -> Iterator[str]:
        """Layers of one run that don't cover the zone as the other draws it: there they count as empty."""
        if not self.replay.moved:
            return
        found: dict[tuple[bool, str], list[str]] = {}
        for kind in dict.fromkeys(kind for factor in self.factors for kind in factor.kinds):
            for later in (False, True):
                share = self.replay.surveyed(kind, later, record["zone_id"])
                if share is not None:
                    found.setdefault((later, f"{share:.2%}"), []).append(kind)
        for (later, said), kinds in found.items():
            which, other = _run_names([_RUNS[later], _RUNS[not later]], self.lang)
            words = {"layer": self._titles(kinds), "zone": record["zone_name"], "share": said}
            yield text("explain_surveyed", self.lang, **words, which=which, other=other)


def layer_titles(kinds: Sequence[str], lang: Lang) -> str:
    """What planners call layers."""
    return listed((text(f"layer_{one}", lang) if one in LAYERS else one for one in kinds), lang)


_ORDER = (BOUNDARY, DATA, REST, DEFINITION)


def _print(value: Fraction) -> Decimal:
    """A value as outputs print it."""
    return Decimal(f"{float(value):.{DIGITS}g}")


def _exponent(number: Decimal) -> int:
    exponent = number.as_tuple().exponent
    assert isinstance(exponent, int)
    return exponent


def _neat(line: str) -> str:
    """A line without the gaps that units without a word leave."""
    return line[:2] + line[2:].replace("  ", " ").replace(" ,", ",").rstrip()


def _plain(number: Decimal) -> str:
    """A change, with its sign and without zeros at the end."""
    digits = f"{number:+f}"
    return digits.rstrip("0").rstrip(".") if "." in digits else digits
