"""Values of all indicators, held against the targets: one row per zone, indicator and definition."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property, partial
from typing import TYPE_CHECKING

import shapely

from qpgis import parts
from qpgis.amounts import Amount, Outcome, outcome
from qpgis.area import ZoneSet
from qpgis.catalogue import Lang, keys, listed, text, unit_text
from qpgis.classified import Classified, Interval
from qpgis.crs import LONLAT, Floats
from qpgis.engine import Engine, Known
from qpgis.errors import (
    ConfigError,
    MissingAmounts,
    MissingAmountUnit,
    MissingAreas,
    MissingClasses,
    MissingLayer,
    MissingServices,
    MissingStatuses,
    NoneOfClass,
    NoSuchBorder,
    NotComputable,
    RepeatedNames,
    UnknownBeyond,
    did_you_mean,
)
from qpgis.findings import Finding, Findings, Severity, ids_text, ordered
from qpgis.indicators.composite import Component, Composite
from qpgis.indicators.declaration import REPORTED, STATISTICS, Declared, Definition, Indicator
from qpgis.judging import Judging
from qpgis.landuse import scheme
from qpgis.layers import PRESENT, Layer
from qpgis.measures.contributions import MICRO
from qpgis.parts import Expression, Measure, Part, PerZone, Quotient, Total
from qpgis.plans import Light, Status
from qpgis.plantables import PLAN_COLUMNS, PlanTable, plan_tables
from qpgis.provenance import Audience, Grade, Secrecy, strictest, worst
from qpgis.published import SERIES_COLUMNS, Published, beside_published, series_records
from qpgis.rows import CSV_COLUMNS, Row, Zone, joined, record, rows_csv, zones_of
from qpgis.signing import Signing, report_signing, signature_line, signing
from qpgis.uncertainty import Bounding, Bounds, inaccurate
from qpgis.workspace import Workspace

if TYPE_CHECKING:
    import geopandas as gpd
    import pandas as pd

_LACKS: Mapping[type[NotComputable], str] = {
    MissingLayer: "note_missing_layer",
    MissingClasses: "note_missing_classes",
    MissingAmounts: "note_missing_amounts",
    MissingStatuses: "note_missing_statuses",
    NoSuchBorder: "note_no_such_border",
    UnknownBeyond: "note_unknown_beyond",
}
"""What is said of each reason why a value can't be computed."""
_SURVEYED_WHOLLY = 1 - 1e-6


LayersOf = dict[tuple[str, str], tuple[Layer, ...]]
"""Layers by indicator and definition."""


class Later(Mapping[tuple[str, str], tuple[Layer, ...]]):
    """Layers that only maps and files of features show: found when they are first asked for.

    Parameters
    ----------
    engine : Engine
        Keeps what is found.
    find : callable
    """

    def __init__(self, engine: Engine, find: Callable[[], LayersOf]) -> None:
        self._engine, self._find = engine, find

    @cached_property
    def _found(self) -> LayersOf:
        found = self._find()
        self._engine.keep()
        return found

    def __getitem__(self, key: tuple[str, str]) -> tuple[Layer, ...]:
        return self._found[key]

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)


@dataclass(frozen=True)
class Withheld:
    """What was left out of an assessment for an audience.

    Attributes
    ----------
    layers : mapping of id to str
        Layers without their features, and what they are called.
    indicators : tuple of str
        What the indicators are called whose values were dropped.
    """

    layers: Mapping[str, str] = field(default_factory=dict)
    indicators: tuple[str, ...] = ()


@dataclass(frozen=True)
class Assessment:
    """The result of :func:`assess`.

    Attributes
    ----------
    workspace : Workspace
        What it was computed from.
    rows : tuple of Row
        In the order of outputs.
    findings : tuple of Finding
        Of the data and of the computation, worst first.
    definitions : mapping of (indicator, definition name) to Definition
        Every definition that was used.
    missed : mapping of (indicator, definition name) to tuple of Layer
        The features that an indicator of coverage leaves out: people who aren't reached.
    features : mapping of (indicator, definition name) to tuple of Layer
        The features that an indicator singles out in the whole area, with what each is worth: patches. Where several
        definitions have the same, the first.
    reached : mapping of (indicator, definition name) to tuple of Layer
        The ground within the walks that an indicator of coverage asks for, as polygons without attributes.
    engine : Engine
        What computed it, so that evidence can ask it again.
    lang : "zh" or "en"
    asked : mapping
        What :func:`assess` was asked for beside the workspace: level, definitions, indicators.
    opens : pair of str, optional
        The indicator and definition that its map opens with; by default the first with a value.
    audience : Audience, optional
        Whom it was cut down for, see :func:`qpgis.disclosure.seen_by`; by default everything is there.
    withheld : Withheld
        What was left out for that.
    """

    workspace: Workspace
    rows: tuple[Row, ...] = field(repr=False)
    findings: tuple[Finding, ...] = field(repr=False)
    definitions: Mapping[tuple[str, str], Definition] = field(repr=False)
    missed: Mapping[tuple[str, str], tuple[Layer, ...]] = field(repr=False)
    features: Mapping[tuple[str, str], tuple[Layer, ...]] = field(repr=False)
    reached: Mapping[tuple[str, str], tuple[Layer, ...]] = field(repr=False)
    engine: Engine = field(repr=False, compare=False)
    lang: Lang = "zh"
    asked: Mapping[str, object] = field(default_factory=dict, repr=False)
    opens: tuple[str, str] | None = field(default=None, repr=False)
    audience: Audience | None = None
    withheld: Withheld = field(default_factory=Withheld, repr=False)

    def __repr__(self) -> str:
        judged = sum(row.target is not None for row in self.rows)
        of = f"{self.workspace.name}, {self.workspace.period}"
        return f"<Assessment of {of}: {len(self.rows)} values, {judged} with a target>"

    @cached_property
    def table(self) -> pd.DataFrame:
        """All rows as an ordinary DataFrame with the columns of ``indicators.csv``; missing numbers are NaN."""
        import pandas as pd

        records = [record(row, self.workspace) for row in self.rows]
        frame = pd.DataFrame(records, columns=list(CSV_COLUMNS))
        numbers = ["value", "numerator", "denominator", "target", "progress", "value_low", "value_high"]
        frame[numbers] = frame[numbers].astype(float)
        return frame

    def shortfalls(self) -> pd.DataFrame:
        """The rows below their target, with the plan's own words."""
        below = (Status.BREACHED, Status.BEHIND, Status.UNMET)
        columns = ["indicator", "definition", "zone_name", "value", "unit", "target_text", "status", "grade", "note"]
        return self.table[self.table["status"].isin(below)][columns].reset_index(drop=True)

    @cached_property
    def plan_tables(self) -> tuple[PlanTable, ...]:
        """指标体系表 of each plan, and of the workspace's own targets."""
        return plan_tables(self.workspace, self.rows, self.lang, self.title)

    def plan_table(self, plan: str) -> pd.DataFrame:
        """指标体系表 of one plan by its id, or of the workspace's own targets (``"targets"``)."""
        import pandas as pd

        tables = {table.id: table for table in self.plan_tables}
        if plan not in tables:
            raise KeyError(f"no plan {plan!r}; {did_you_mean(plan, tables)}")
        return pd.DataFrame(tables[plan].records, columns=list(PLAN_COLUMNS))

    def lights(self) -> pd.DataFrame:
        """Every target of every plan that has a light, the worst first."""
        import pandas as pd

        frames = [self.plan_table(table.id).assign(plan=table.id) for table in self.plan_tables]
        columns = ["plan", "indicator", "zone", "value", "target", "target_year", "status", "light", "definition"]
        if not frames:
            return pd.DataFrame(columns=columns)
        every = pd.concat([frame.astype(object) for frame in frames])[columns]
        shown = every[every["light"].notna()]
        best_first = list(Light)
        return shown.sort_values("light", key=lambda s: -s.map(best_first.index), kind="stable", ignore_index=True)

    def series(self, indicator: str, zone: str) -> pd.DataFrame:
        """What is known of an indicator over time in a zone: baselines, all statistics, the values of this run."""
        import pandas as pd

        frame = pd.DataFrame(self.series_records, columns=list(SERIES_COLUMNS))
        of = (frame["indicator"] == indicator) & ((frame["zone_id"] == zone) | (frame["zone_name"] == zone))
        return frame[of].reset_index(drop=True)

    @cached_property
    def series_records(self) -> list[dict[str, object]]:
        """The time series of every indicator and zone that have a baseline or a statistic."""
        return series_records(self.workspace, self.rows, self.lang)

    def __getitem__(self, indicator: str) -> pd.DataFrame:
        """The rows of one indicator."""
        found = self.table[self.table["indicator"] == indicator].reset_index(drop=True)
        if not len(found):
            raise KeyError(f"no indicator {indicator!r}; {did_you_mean(indicator, set(self.table['indicator']))}")
        return found

    def missed_features(self, indicator: str, definition: str) -> gpd.GeoDataFrame:
        """What an indicator of coverage leaves out, in degrees: ``layer, feature_id, name, amount``.

        People as points; of land the parcels, or the ground, that isn't reached; of corridors the gaps.
        """
        import geopandas as gpd
        import pandas as pd

        frames = []
        for layer in self.missed[indicator, definition]:
            frame = layer.frame.reindex(columns=["feature_id", "name", "amount"])
            frame.insert(0, "layer", layer.kind)
            shapes = self.workspace.area.plane.unproject(layer.geometry)
            frames.append(gpd.GeoDataFrame(frame, geometry=shapes, crs=LONLAT))
        return gpd.GeoDataFrame(pd.concat(frames, ignore_index=True), crs=LONLAT)

    def drawn(self, layer: Layer) -> gpd.GeoDataFrame:
        """Features in degrees with all their attributes, those that are shown in columns ``show_<name>``."""
        import geopandas as gpd

        return gpd.GeoDataFrame(layer.frame, geometry=self.workspace.area.plane.unproject(layer.geometry), crs=LONLAT)

    def reached_ground(self, indicator: str, definition: str) -> gpd.GeoDataFrame:
        """The ground within the walks that an indicator of coverage asks for, in degrees.

        By the rule of :mod:`qpgis.measures.isochrones`; where several services are asked for, the ground that reaches
        as many as must be.
        """
        import geopandas as gpd

        shapes = [one for layer in self.reached[indicator, definition] for one in layer.geometry]
        plane = self.workspace.area.plane
        return gpd.GeoDataFrame(geometry=plane.unproject(shapely.get_parts(shapely.union_all(shapes))), crs=LONLAT)

    @property
    def heading(self) -> str:
        """What stands above tables and maps; it says so if any value in them is synthetic, or not for everybody."""
        title = text("table_title", self.lang, name=self.workspace.title)
        if any(row.grade is Grade.SYNTHETIC for row in self.rows):
            title = text("title_synthetic", self.lang, title=title)
        title = self.drafted(title)
        if self.secrecy is Secrecy.PUBLIC:
            return title
        return text("title_secrecy", self.lang, title=title, level=text(f"secrecy_{self.secrecy}", self.lang))

    @cached_property
    def result_sha256(self) -> str:
        """The hash of all rows as ``indicators.csv`` holds them: what people sign, also where an audience sees less."""
        return hashlib.sha256(rows_csv(self.rows, self.workspace)).hexdigest()

    @cached_property
    def signing(self) -> Signing:
        """How far the result is signed (编制、校核、审定)."""
        return signing(self.workspace.signoff, lambda: self.result_sha256)

    def drafted(self, title: str) -> str:
        """A title that says 草稿 until the result is signed."""
        return title if self.signing is Signing.SIGNED else text("title_draft", self.lang, title=title)

    @cached_property
    def signatures(self) -> str:
        """Who signed, in a line for every page; else what is lacking."""
        return signature_line(self.workspace.signoff, self.signing, self.lang)

    @cached_property
    def secrecy(self) -> Secrecy:
        """The strictest level of all that feeds or stands in it: what values are computed from, and what is drawn."""
        workspace, hidden = self.workspace, self.withheld.layers
        cleared = workspace.public_values if self.audience is Audience.PUBLIC else frozenset()
        drawn = [layer.source for kind, layer in workspace.layers.items() if kind not in hidden]
        drawn += [zones.source for zones in workspace.area.zone_sets] + [one.source for one in workspace.references]
        fed = (row.secrecy for row in self.rows if row.indicator not in cleared)
        return strictest((*(source.secrecy for source in drawn), *fed))

    def title(self, indicator: str) -> str:
        """What planners call an indicator."""
        if indicator in self.workspace.indicators:
            return self.workspace.indicators[indicator].title(self.lang)
        targets = (t for plan in self.workspace.plans for t in plan.targets if t.indicator == indicator)
        names = (target.name if self.lang == "zh" else target.name_en for target in targets)
        return next(filter(None, names), indicator)

    def layer_title(self, id_: str) -> str:
        """What planners call a layer, a reference layer or another file of the workspace; else the id."""
        for key in (f"layer_{id_}", f"input_{id_}"):
            if key in keys():
                return text(key, self.lang)
        named = {one.id: one.name(self.lang) for one in self.workspace.references}
        return named.get(id_.removeprefix("reference."), id_)

    def definition_text(self, row: Row) -> str:
        """What a row's definition divides by what."""
        if row.definition == STATISTICS:
            return text("definition_statistics", self.lang)
        if row.definition.startswith(REPORTED):
            return text("definition_reported", self.lang, department=row.definition.removeprefix(REPORTED))
        return self.definitions[row.indicator, row.definition].text(self.lang)


def assess(
    workspace: Workspace,
    *,
    level: str | None = None,
    definitions: Mapping[str, Iterable[str]] | None = None,
    indicators: Iterable[str] | None = None,
    lang: Lang = "zh",
    progress_to: Callable[[str], None] = lambda stage: None,
    known: Known | None = None,
) -> Assessment:
    """All indicators of a workspace for all its zones, held against the targets.

    Parameters
    ----------
    workspace : Workspace
    level : str, optional
        Only zones of this level; all levels by default.
    definitions : mapping of indicator to definitions, optional
        Instead of the workspace's choice; ``["all"]`` takes every preset.
    indicators : iterable of str, optional
        Only these are computed; all by default.
    lang : "zh" or "en"
        Language of notes.
    progress_to : callable, optional
        Called with the name of each stage.
    known : Known, optional
        What was found out of the workspace's area before: only what isn't known is computed, and becomes known.

    Raises
    ------
    ConfigError
        If a level, indicator or definition is unknown.
    """
    only = None if indicators is None else frozenset(indicators)
    definitions = {name: list(names) for name, names in (definitions or {}).items()}
    asked = {"level": level, "definitions": definitions or None, "indicators": None if only is None else sorted(only)}
    if level is not None and level not in workspace.area.levels:
        raise ConfigError(f"no level {level!r}; {did_you_mean(level, workspace.area.levels)}")
    findings = Findings(lang)
    judging = Judging(workspace, findings, lang)
    engine = Engine(workspace.area, known, layers=workspace.layers.values())
    run = _Run(workspace, engine, findings, lang, tuple(_classified(workspace, engine)))
    rows: list[Row] = []
    rivals: list[Row] = []
    used: dict[tuple[str, str], Definition] = {}
    for indicator, chosen in _chosen(workspace, definitions, only):
        progress_to(f"computing {indicator.id}")
        used |= {(indicator.id, one.name): _approved(workspace, indicator.id, one) for one in chosen}
        if isinstance(indicator, Composite):
            rows += run.composed(indicator, rows)
        elif isinstance(indicator, Indicator):
            found = [row for definition in chosen for row in run.rows(indicator, definition)]
            rows += found
            if any(row.value is not None and (indicator.id, row.zone.id) in judging.targets for row in found):
                rivals += run.rivals(indicator, found)
    run.report_redone()
    run.report_accuracy()
    judging.report_unused()
    rows += Published(workspace, findings, lang).rows(rows, judging.targets)
    rows = beside_published(rows, used, workspace, lang)
    kept = tuple(row for row in judging.judged(rows, rivals) if level in (None, row.zone.level))
    said = {key: value for key, value in asked.items() if value is not None}
    if not said and workspace.state.scenario == PRESENT:
        report_signing(workspace.signoff, rows_csv(kept, workspace), findings)
    everything = ordered([*workspace.findings, *findings])
    finds = (partial(run.layers_of, engine.missed), run.features, partial(run.layers_of, engine.reached))
    missed, features, reached = (Later(engine, find) for find in finds)
    engine.keep()
    return Assessment(workspace, kept, everything, used, missed, features, reached, engine, lang, said)


def _approved(workspace: Workspace, indicator: str, definition: Definition) -> Definition:
    """A definition with the version, and who approved it, that the workspace says."""
    said = workspace.approvals.get((indicator, definition.name))
    if said is None:
        return definition
    return replace(definition, version=said.version, valid_from=said.valid_from, approved_by=said.approved_by)


def computed(
    workspace: Workspace, declared: Declared, definition: Definition, *, known: Known | None = None, lang: Lang = "zh"
) -> list[Row]:
    """The rows of one indicator and definition for every zone: neither judged nor bounded, and nothing is found.

    Parameters
    ----------
    workspace : Workspace
    declared : Indicator or Composite
        Needn't be the workspace's own.
    definition : Definition
    known : Known, optional
        See :func:`assess`.
    lang : "zh" or "en"
        Language of notes.
    """
    run = _Run(workspace, Engine(workspace.area, known), Findings(lang), lang, aside=True)
    if isinstance(declared, Composite):
        return run.composed(declared, ())
    return run.rows(declared, definition) if isinstance(declared, Indicator) else []


def definitions_of(workspace: Workspace) -> Iterator[tuple[Declared, tuple[Definition, ...]]]:
    """Every indicator with the definitions that a workspace asks for; composites come last."""
    return _chosen(workspace, {}, None)


def _chosen(
    workspace: Workspace, override: Mapping[str, Iterable[str]], only: frozenset[str] | None
) -> Iterator[tuple[Declared, tuple[Definition, ...]]]:
    """Every indicator with the definitions that are asked for; composites come after what they are made of."""
    indicators = workspace.indicators
    for name in (*override, *sorted(only or ())):
        if name not in indicators:
            raise ConfigError(f"unknown indicator {name!r}; {did_you_mean(name, indicators)}")
    for indicator in sorted(indicators.values(), key=lambda one: isinstance(one, Composite)):
        name = indicator.id
        if only is not None and name not in only:
            continue
        asked = list(override.get(name) or workspace.definitions.get(name) or [indicator.definitions[0].name])
        if asked == ["all"]:
            asked = [*workspace.definitions.get(name, ()), *(d.name for d in indicator.definitions)]
        chosen = [indicator.definition(text) for text in asked]
        yield indicator, tuple({definition.name: definition for definition in chosen}.values())


def _classified(workspace: Workspace, engine: Engine) -> Iterator[Classified]:
    """The layers of classes that ground truth was sampled of."""
    for kind, sample in workspace.samples.items():
        if len(workspace.layers[kind]):
            yield Classified(workspace.layers[kind], sample, engine)


@dataclass
class _Survey:
    """How much of some zones each layer with a stated extent covers, in millionths of a square metre."""

    area: int
    inside: dict[str, int]

    def __add__(self, other: _Survey) -> _Survey:
        inside = {key: self.inside[key] + other.inside[key] for key in self.inside}
        return _Survey(self.area + other.area, inside)

    @property
    def surveyed(self) -> float:
        """The share of the area that every layer with a stated extent covers (the least of them)."""
        return float(min((Fraction(part, self.area) for part in self.inside.values()), default=Fraction(1)))

    def outside(self, layer: Layer) -> bool:
        """True if the area lies wholly outside a layer's extent."""
        return self.inside.get(layer.key, self.area) <= self.area * (1 - _SURVEYED_WHOLLY)


@dataclass
class _Sums:
    """One indicator's sums for some zones, in millionths; totals have no denominator."""

    numerator: int
    denominator: int | None
    survey: _Survey

    def __add__(self, other: _Sums) -> _Sums:
        below = None if self.denominator is None else self.denominator + (other.denominator or 0)
        return _Sums(self.numerator + other.numerator, below, self.survey + other.survey)

    def outcome(self, unit: str, made: Quotient) -> Outcome:
        """What they come to."""
        above = Amount(self.numerator, made.numerator.unit)
        if made.denominator is None or self.denominator is None:
            return outcome(unit, above)
        below = Amount(self.denominator, made.denominator.unit)
        return outcome(unit, above, below, zone=self.survey.area)


_Found = dict[Zone, tuple[Outcome, _Survey]]


def _zones(zones: ZoneSet) -> list[Zone]:
    return [Zone(one, name, zones.level) for one, name in zip(zones.ids, zones.names, strict=True)]


@dataclass(frozen=True)
class _Run:
    """Computes rows: base zones and grid by the engine, groups as sums of their members where values add up."""

    workspace: Workspace
    engine: Engine
    findings: Findings
    lang: Lang
    classified: tuple[Classified, ...] = ()
    aside: bool = False
    counted: dict[tuple[str, str], Expression] = field(default_factory=dict)
    made: dict[tuple[str, str], Measure] = field(default_factory=dict)

    def rows(self, indicator: Indicator, definition: Definition) -> list[Row]:
        """The rows of one indicator and definition, for every zone of every level."""
        names = (indicator.id, definition.name, indicator.unit, Zone("", "", ""))
        try:
            made = indicator(self.workspace.layers, definition)
            found = self._outcomes(made) if isinstance(made, PerZone) else self._sums(indicator.unit, made)
        except NotComputable as reason:
            quoted: list[str] = []
            note = joined(self.lang, *self._reasons(indicator, definition, reason, quoted))
            blank = Row(*names, None, note=note, competes=definition.competes, quoted=tuple(quoted))
            there = (self.workspace.layers[kind] for kind in indicator.layers if kind in self.workspace.layers)
            blank = replace(blank, secrecy=strictest(layer.source.secrecy for layer in there))
            return [replace(blank, zone=zone) for zone in zones_of(self.workspace)]
        if not self.aside:
            self._remember(indicator, definition, made)
        layers = made.read()
        row = Row(*names, None, competes=definition.competes)
        row = replace(
            row,
            grade=worst(layer.source.grade for layer in layers),
            secrecy=strictest(layer.source.secrecy for layer in layers),
            note=joined(
                self.lang,
                *self._layer_notes(layers),
                *self._mixture_notes(made),
                self._note_of_absent(indicator, definition),
            ),
            source="; ".join(dict.fromkeys(str(layer.source) for layer in layers)),
        )
        blanks = self._blanks(made)
        bounds = self._bounds(made, indicator.unit)
        adjusted = self._adjusted(made, indicator.unit)
        zones = zones_of(self.workspace)
        return [
            self._filled(
                *self._without_blanks(self._at(row, zone), made, found[zone][0], blanks.get(zone, {})),
                found[zone][1],
                layers,
                adjusted.get(zone.id) or bounds.get(zone),
            )
            for zone in zones
        ]

    def _blanks(self, made: Measure) -> dict[Zone, dict[Layer, int]]:
        """How many features without an amount each zone has of each layer whose amounts are summed."""
        summed = dict.fromkeys(layer for part in _summed(made) for layer in part.layers)
        lacking = {layer: layer.frame["amount"].isna().to_numpy() for layer in summed if "amount" in layer.frame}
        found: dict[Zone, dict[Layer, int]] = {}
        for layer, mask in lacking.items():
            if mask.any():
                counts = Total(parts.count(layer.select(mask, "without amounts")))
                for zone, sums in self._sums_of(counts).items():
                    if sums.numerator:
                        found.setdefault(zone, {})[layer] = sums.numerator // MICRO
        return found

    def _without_blanks(
        self, row: Row, made: Measure, found: Outcome, blanks: Mapping[Layer, int]
    ) -> tuple[Row, Outcome]:
        """The row with what is said of features without amounts; no value where nothing but such ones is there."""
        for layer, count in blanks.items():
            nothing = found.numerator is not None and found.numerator.micro == 0
            of_it = isinstance(made, Quotient) and any(layer in part.layers for _, part in made.numerator.terms())
            words = {"layer": text(f"layer_{layer.kind}", self.lang), "count": count}
            if nothing and of_it:
                return replace(
                    row, note=joined(self.lang, row.note, text("note_no_amounts", self.lang, **words))
                ), Outcome(None)
            row = replace(row, note=joined(self.lang, row.note, text("note_blank_amounts", self.lang, **words)))
        return row, found

    def _remember(self, indicator: Indicator, definition: Definition, made: Measure) -> None:
        """Keep what the map may ask of a definition: which features it singles out, and what it says is covered."""
        self.made[indicator.id, definition.name] = made
        if isinstance(made, Quotient) and _is_coverage(made):
            self.counted[indicator.id, definition.name] = made.numerator

    def _note_of_absent(self, indicator: Indicator, definition: Definition) -> str:
        """What is to be said of layers that a definition would read, and does without."""
        absent = [kind for kind in indicator.layers if kind in indicator.optional and kind not in self.workspace.layers]
        empty = {kind: Layer.empty(kind, self.workspace.area.base.source) for kind in absent}
        read = indicator({**self.workspace.layers, **empty}, definition).read() if absent else ()
        there = {name for layer in read for name in layer.frame["class_"].unique()}  # footpaths among the roads
        lacking = {layer.kind for layer in read} - there
        names = listed((text(f"layer_{kind}", self.lang) for kind in absent if kind in lacking), self.lang)
        return text("note_without", self.lang, layers=names) if names else ""

    def rivals(self, indicator: Indicator, rows: list[Row]) -> list[Row]:
        """What every definition makes of an indicator that competes with the others, those that weren't asked for too.

        Parameters
        ----------
        indicator : Indicator
        rows : list of Row
            Those of the definitions that were asked for.
        """
        competing = {definition.name: definition for definition in indicator.definitions if definition.competes}
        known = {row.definition for row in rows}
        others = [row for name, one in competing.items() if name not in known for row in self._aside(indicator, one)]
        return [*(row for row in rows if row.definition in competing), *others]

    def _aside(self, indicator: Indicator, definition: Definition) -> list[Row]:
        """The rows of what wasn't asked for, which leaves no trace in the results."""
        return _Run(self.workspace, self.engine, Findings(self.lang), self.lang, aside=True).rows(indicator, definition)

    def composed(self, composite: Composite, rows: Iterable[Row]) -> list[Row]:
        """The rows of a composite: every zone's and group's from the zone's own values of its components.

        Parameters
        ----------
        composite : Composite
        rows : iterable of Row
            Those of the run, not judged; components that aren't among them are computed aside.
        """
        known: dict[tuple[str, str], list[Row]] = {}
        for row in rows:
            known.setdefault((row.indicator, row.definition), []).append(row)
        by_component = [
            known.get((one.indicator.id, one.definition.name)) or self._aside(one.indicator, one.definition)
            for one in composite.components
        ]
        return [self._composed(composite, parts) for parts in zip(*by_component, strict=True)]

    def _composed(self, composite: Composite, parts: tuple[Row, ...]) -> Row:
        """The row of one zone, or missing with the components that it lacks."""
        sources = dict.fromkeys(source for part in parts for source in part.source.split("; "))
        row = Row(composite.id, composite.definitions[0].name, composite.unit, parts[0].zone, None)
        grade = worst(part.grade for part in parts if part.grade)
        quoted = tuple(word for part in parts for word in part.quoted)
        row = replace(row, grade=grade, source="; ".join(filter(None, sources)), quoted=quoted)
        row = replace(row, secrecy=strictest(part.secrecy for part in parts))
        pairs = list(zip(composite.components, parts, strict=True))
        values = [part.value for part in parts if part.value is not None]
        lacking = len(values) < len(parts)
        said = (self._part_note(one, part) for one, part in pairs if not lacking or part.value is None)
        return replace(row, value=None if lacking else composite.value(values), note=joined(self.lang, *said))

    def _part_note(self, one: Component, part: Row) -> str:
        """What a component counts for with its own note in brackets, or why it is missing."""
        words = {"name": one.indicator.title(self.lang), "definition": one.definition.name}
        if part.value is None:
            return text("note_composite_lacks", self.lang, **words, reason=part.note)
        words |= {
            "value": f"{part.value:.4g}",
            "unit": unit_text(one.indicator.unit, self.lang),
            "weight": f"{one.weight:.4g}",
        }
        said = text("note_composite_part", self.lang, **words, score=f"{one.score(part.value):.4g}")
        return f"{said} ({part.note})" if part.note else said

    @cached_property
    def _bounding(self) -> Bounding:
        return Bounding(self.engine)

    def _bounds(self, made: Measure, unit: str) -> dict[Zone, Bounds]:
        """Between what the values lie, where the accuracy of layers is known."""
        if self.aside or isinstance(made, PerZone) or not inaccurate(made):
            return {}
        area = self.workspace.area
        sets = (*area.zone_sets, *area.group_sets)
        every = [zone for zones in sets for zone in _zones(zones)]
        return dict(zip(every, self._bounding.values(made, unit, sets), strict=True))

    def _adjusted(self, made: Measure, unit: str) -> dict[str, tuple[Interval, Classified]]:
        """Values adjusted for errors of classification, by zone, where ground truth was sampled on it."""
        if isinstance(made, PerZone):
            return {}
        every = ((zone, (found, one)) for one in self.classified for zone, found in one.intervals(made, unit).items())
        return dict(every)

    def _at(self, row: Row, zone: Zone) -> Row:
        """The row for one zone; its grade is never better than that of the zone's border."""
        border = self.workspace.area.zones_source(zone.id)
        grade = worst([border.grade, *([row.grade] if row.grade else [])])
        secrecy = strictest([border.secrecy, row.secrecy])
        said = text("note_synthetic", self.lang) if grade is Grade.SYNTHETIC else ""
        return replace(row, zone=zone, grade=grade, secrecy=secrecy, note=joined(self.lang, row.note, said))

    def _reasons(
        self, indicator: Indicator, definition: Definition, first: NotComputable, quoted: list[str]
    ) -> Iterator[str]:
        """Everything that the definition lacks, not only what it met first; ``quoted`` takes features' own words."""
        layers = dict(self.workspace.layers)
        lacking: dict[str, list[str]] = {}
        reason: NotComputable | None = first
        named_already: set[str] = set()
        while reason is not None and reason.layer not in named_already:
            named_already.add(reason.layer)
            if isinstance(reason, MissingServices):
                named = (text(f"service_{name}", self.lang) for name in reason.services)
                yield text("note_missing_services", self.lang, services=listed(named, self.lang))
            elif isinstance(reason, MissingAreas):
                named = (text(f"service_{name}", self.lang) for name in reason.services)
                yield text("note_services_without_amounts", self.lang, services=listed(named, self.lang))
            elif isinstance(reason, RepeatedNames):
                layer = text(f"layer_{reason.layer}", self.lang)
                quoted.append(str(ids_text(reason.names)))
                yield text("note_repeated_names", self.lang, layer=layer, names=ids_text(reason.names))
            elif isinstance(reason, NoneOfClass):
                named = (text(f"class_{name}", self.lang) for name in reason.classes)
                words = {"layer": text(f"layer_{reason.layer}", self.lang), "classes": listed(named, self.lang)}
                yield text("note_none_of_class", self.lang, **words)
            elif isinstance(reason, MissingAmountUnit):
                words = {"layer": text(f"layer_{reason.layer}", self.lang), "kind": reason.layer, "unit": reason.unit}
                yield text("note_missing_amount_unit", self.lang, **words)
            elif type(reason) in _LACKS and reason.layer in indicator.layers:
                lacking.setdefault(_LACKS[type(reason)], []).append(reason.layer)
            else:  # in an own indicator's words
                quoted.append(str(reason))
                yield str(reason)
            layers[reason.layer] = Layer.empty(reason.layer, self.workspace.area.base.source)
            reason = None
            try:
                indicator(layers, definition)
            except NotComputable as another:
                reason = another
        for key, kinds in lacking.items():
            names = (text(f"layer_{kind}", self.lang) for kind in kinds)
            yield text(key, self.lang, layers=listed(names, self.lang), kinds=", ".join(kinds))
        land = self.workspace.layers.get("landuse")
        given = [kind for kind in lacking.get("note_missing_layer", ()) if land and scheme(land.scheme).gives(kind)]
        if given:
            yield text("note_from_landuse", self.lang, kind=given[0])

    def _outcomes(self, made: PerZone) -> _Found:
        """Every zone and group measured by itself."""
        area = self.workspace.area
        found: _Found = {}
        for zones in (*area.zone_sets, *area.group_sets):
            each = zip(self.engine.outcomes(made, zones), self._surveys(made, zones), strict=True)
            found |= dict(zip(_zones(zones), each, strict=True))
        return found

    def _sums(self, unit: str, made: Quotient) -> _Found:
        """What the sums of every zone and group come to."""
        return {zone: (sums.outcome(unit, made), sums.survey) for zone, sums in self._sums_of(made).items()}

    def _sums_of(self, made: Quotient) -> dict[Zone, _Sums]:
        """Zones measured by themselves, groups as the sums of their members."""
        area = self.workspace.area
        found: dict[Zone, _Sums] = {}
        for zones in area.zone_sets:
            found |= self._zone_set_sums(made, zones)
        base = {zone.id: sums for zone, sums in found.items() if zone.level == area.base.level}
        for group in area.groups:
            first, *others = (base[member] for member in group.members)
            for other in others:
                first = first + other
            found[Zone(group.id, group.name, group.level)] = first
        return found

    def _zone_set_sums(self, made: Quotient, zones: ZoneSet) -> dict[Zone, _Sums]:
        numerator = self.engine.values(made.numerator, zones)
        denominator: list[int] | list[None] = [None] * len(zones)
        if made.denominator is not None:
            denominator = self.engine.values(made.denominator, zones)
        sums = map(_Sums, numerator, denominator, self._surveys(made, zones))
        return dict(zip(_zones(zones), sums, strict=True))

    def _surveys(self, made: Measure, zones: ZoneSet) -> list[_Survey]:
        """How much of each zone was surveyed; what isn't is named where it is measured, not again in groups."""
        areas = self.engine.zone_areas(zones)
        stated = [layer for layer in made.read() if layer.extent is not None]
        inside = {layer.key: self.engine.surveyed_areas(layer, zones) for layer in stated}
        for layer in stated if zones in self.workspace.area.zone_sets else ():
            self._report_unsurveyed(layer, zones, inside[layer.key], areas)
        return [_Survey(area, {key: values[n] for key, values in inside.items()}) for n, area in enumerate(areas)]

    def _report_unsurveyed(self, layer: Layer, zones: ZoneSet, inside: list[int], areas: list[int]) -> None:
        """Name the zones that a layer's extent doesn't wholly cover, unless that was said as it was read."""
        if layer.elsewhere or "landuse" in (layer.kind, layer.selected_from):
            return
        for zone, part, whole in zip(zones.ids, inside, areas, strict=True):
            if part < whole * _SURVEYED_WHOLLY:
                words = {"layer": layer.kind, "file": layer.source.file, "feature_id": zone}
                self.findings.add(Severity.WARNING, "partly_surveyed", **words, value=f"{part / whole:.2%}")

    def _filled(
        self,
        row: Row,
        found: Outcome,
        survey: _Survey,
        layers: tuple[Layer, ...],
        bounds: Bounds | tuple[Interval, Classified] | None,
    ) -> Row:
        """The row of one zone with its value, or with the reason why it has none."""
        if survey.surveyed <= 1 - _SURVEYED_WHOLLY:
            names = [text(f"layer_{layer.kind}", self.lang) for layer in layers if survey.outside(layer)]
            return self._missing(
                row, text("note_outside_extent", self.lang, layers=listed(dict.fromkeys(names), self.lang))
            )
        if found.value is None:
            return self._missing(row, text(found.reason, self.lang) if found.reason else "")
        row = replace(row, value=found.value, numerator=found.numerator, denominator=found.denominator)
        if isinstance(bounds, Bounds):
            row = self._bounded(row, bounds, layers)
        elif bounds is not None and survey.surveyed >= _SURVEYED_WHOLLY:
            row = self._sampled(row, *bounds)
        if survey.surveyed < _SURVEYED_WHOLLY:
            note = text("note_surveyed", self.lang, share=f"{survey.surveyed:.2%}")
            row = replace(row, note=joined(self.lang, row.note, note))
        return row

    def _bounded(self, row: Row, bounds: Bounds, layers: tuple[Layer, ...]) -> Row:
        """The row with its bounds, and what they are of."""
        metres = {layer.kind: layer.accuracy_m for layer in layers if layer.accuracy_m.any()}
        accuracies = [f"{text(f'layer_{kind}', self.lang)} {_span(off)} m" for kind, off in metres.items()]
        note = text("note_bounds", self.lang, layers=listed(accuracies, self.lang))
        assert row.value is not None
        low = None if bounds.low is None else min(bounds.low, row.value)
        high = None if bounds.high is None else max(bounds.high, row.value)
        return replace(row, low=low, high=high, note=joined(self.lang, row.note, note))

    def _sampled(self, row: Row, found: Interval, classified: Classified) -> Row:
        """The row with the confidence interval of its adjusted value, which the value itself may lie outside of."""
        sample = classified.sample
        words = {"adjusted": f"{found.adjusted:.4g}", "low": f"{found.low:.4g}", "high": f"{found.high:.4g}"}
        words |= {"unit": unit_text(row.unit, self.lang), "share": f"{sample.confidence:.0%}", "file": sample.file}
        note = text("note_sampled", self.lang, **words, count=int(sample.matrix.counts.sum()))
        return replace(row, low=found.low, high=found.high, note=joined(self.lang, row.note, note))

    def _missing(self, row: Row, reason: str) -> Row:
        return replace(row, note=joined(self.lang, row.note, reason))

    def _layer_notes(self, layers: tuple[Layer, ...]) -> Iterator[str]:
        for layer in layers:
            if layer.kind == "forest" and layer.selected_from == "landuse":
                yield text("note_forest_by_landuse", self.lang)
            if layer.unclassified:
                words = {"layer": text(f"layer_{layer.kind}", self.lang), "count": layer.unclassified}
                yield text("note_unclassified", self.lang, **words)
                about = {"layer": layer.kind, "file": layer.source.file, "value": str(layer.unclassified)}
                self.findings.add(Severity.WARNING, "unclassified", **about)

    def _mixture_notes(self, made: Measure) -> Iterator[str]:
        """What is to be said of layers that are taken together where only some of them are land-use parcels."""
        together = [part.layers for part in made.parts()] if isinstance(made, Quotient) else []
        for layers in together:
            others = [layer for layer in layers if not layer.selected_from and len(layer)]
            if len(others) < len(layers) and others and any(layer.selected_from == "landuse" for layer in layers):
                names = listed((text(f"layer_{layer.kind}", self.lang) for layer in others), self.lang)
                yield text("note_mixed_basis", self.lang, layers=names)

    def features(self) -> LayersOf:
        """The features that definitions single out; those of several stand with the first."""
        found: LayersOf = {}
        known: set[Layer] = set()
        for key, made in self.made.items():
            new = tuple(one for one in self.engine.features(made) if len(one) and one not in known)
            known.update(new)
            found |= {key: new} if new else {}
        return found

    def layers_of(self, find: Callable[[Expression], tuple[Layer, ...]]) -> LayersOf:
        """Layers with features that the engine finds for what definitions count."""
        found = {key: tuple(layer for layer in find(what) if len(layer)) for key, what in self.counted.items()}
        return {key: layers for key, layers in found.items() if layers}

    def report_redone(self) -> None:
        """Name the features whose overlay had to be done again on a grid."""
        for layer, ids in self.engine.redone.items():
            about = {"layer": layer.kind, "file": layer.source.file, "feature_id": ids_text(sorted(set(ids)))}
            self.findings.add(Severity.WARNING, "overlay_fallback", **about)

    def report_accuracy(self) -> None:
        """How accurate maps are of which ground truth was sampled, or why nothing can be made of the sample."""
        for one in self.classified:
            about = {"layer": one.landuse.kind, "file": one.sample.file}
            if not one.sample.zones:
                self.findings.add(Severity.WARNING, "sample_without_zone", **about)
            elif one.lacking:
                self.findings.add(Severity.WARNING, "sample_lacks_classes", **about, value=", ".join(one.lacking))
            else:
                self._report_overall(one, about)

    def _report_overall(self, one: Classified, about: dict[str, str]) -> None:
        for zone in one.sample.zones:
            overall = one.accuracies(zone).overall
            said = f"{overall.value:.1%} ({overall.low:.1%}–{overall.high:.1%})"
            count = int(one.sample.matrix.counts.sum())
            words = {"share": f"{one.sample.confidence:.0%}", "value": said, "feature_id": zone}
            self.findings.add(Severity.INFO, "map_accuracy", **about, **words, count=count)


def _span(metres: Floats) -> str:
    """Metres as planners write them: one figure, or from the least to the most."""
    low, high = metres.min(), metres.max()
    return f"±{high:g}" if low == high else f"±{low:g}–{high:g}"


def _summed(made: Measure) -> Iterator[Part]:
    """The parts that add up what the features of a layer stand for: people, square metres."""
    if isinstance(made, Quotient):
        yield from (part for part in made.parts() if part.kernel == "amount" and part.unit in ("people", "m2"))


def _is_coverage(made: Quotient) -> bool:
    """True for a share of what a rule holds for in all of it: what the rule leaves out is missed."""
    if made.denominator is None:
        return False
    whole = {layer for _, part in made.denominator.terms() for layer in part.read()}
    ruled = [part for _, part in made.numerator.terms() if part.where is not None]
    return any(whole.issuperset(part.layers) for part in ruled)
