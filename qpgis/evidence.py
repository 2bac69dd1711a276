"""What values are made of: the features with what each contributes, and those that were dropped or repaired before.

The contributions come from the kernels that the engine evaluates, as whole millionths: with their signs they add up to
numerator and denominator of the value's row, exactly.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import shapely

from qpgis.area import ZoneSet
from qpgis.assessment import Assessment
from qpgis.catalogue import Lang, listed, read_toml, text, unit_text
from qpgis.crs import LONLAT
from qpgis.engine import Engine
from qpgis.errors import NotComputable, did_you_mean
from qpgis.findings import Finding, of_each
from qpgis.indicators.composite import Composite
from qpgis.indicators.declaration import Definition, Indicator
from qpgis.layers import Layer
from qpgis.measures.contributions import MICRO
from qpgis.parts import Measure, Part, PerZone, Quotient
from qpgis.rows import Zone, joined, zones_called, zones_of

if TYPE_CHECKING:
    import geopandas as gpd
    import pandas as pd

Key = tuple[str, str]
"""An indicator and a definition."""
NONE = -1
"""Instead of a feature: rounding."""
NUMERATOR, DENOMINATOR, WHOLE, VALUE = "numerator", "denominator", "whole", "value"
"""Sides: of a quotient or total; of what is measured of zones as wholes; of what a table states."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """What an indicator's values are made of.

    Attributes
    ----------
    indicator, definition : str
    used : GeoDataFrame
        In degrees; a row for each zone, part and feature: what the feature contributes to the part's sum (with its
        sign), in the part's unit and in whole ``millionths`` of it, which add up exactly; ``share`` is of its side's
        sum. What rounding took away stands in a row without a feature. Of values that are measured of zones as wholes,
        the features behind them, without contributions.
    dropped, repaired : GeoDataFrame
        The findings that tell which features of the layers read, in the whole area, weren't counted or were changed: a
        row for each feature, at the place that the finding names.
    notes : mapping of zone id to str
        What is said of each value, such as why there is none.
    lang : "zh" or "en"
    """

    indicator: str
    definition: str
    used: gpd.GeoDataFrame = field(repr=False)
    dropped: gpd.GeoDataFrame = field(repr=False)
    repaired: gpd.GeoDataFrame = field(repr=False)
    notes: Mapping[str, str] = field(repr=False)
    lang: Lang = "zh"

    def __repr__(self) -> str:
        zones = list(dict.fromkeys(self.used["zone_name"]))
        where = zones[0] if len(zones) == 1 else f"{len(zones)} zones"
        return (
            f"<Evidence of {self.indicator}:{self.definition}, {where}: {len(self.used)} rows used, "
            f"{len(self.dropped)} dropped, {len(self.repaired)} repaired>"
        )

    @cached_property
    def sums(self) -> pd.DataFrame:
        """The sum of each zone and side in whole millionths: numerator and denominator of the value."""
        by = ["indicator", "definition", "zone_id", "zone_name", "side", "unit"]
        summands = self.used[self.used["millionths"].notna()]
        return summands.groupby(by, sort=False)["millionths"].sum().reset_index()


def evidence(
    assessment: Assessment, indicator: str, zone: str | None = None, definition: str | None = None
) -> Evidence:
    """What an indicator's values are made of.

    Parameters
    ----------
    assessment : Assessment
    indicator : str
    zone : str, optional
        A zone's id or name; all by default.
    definition : str, optional
        By default the first that was asked for.

    Raises
    ------
    KeyError
        If the assessment has no such indicator or definition.
    ConfigError
        If it has no such zone.
    """
    definitions = dict.fromkeys(row.definition for row in assessment.rows if row.indicator == indicator)
    if not definitions:
        known = {row.indicator for row in assessment.rows}
        raise KeyError(f"no indicator {indicator!r}; {did_you_mean(indicator, known)}")
    name = next(iter(definitions)) if definition is None else definition
    if name not in definitions:
        raise KeyError(f"no definition {name!r} of {indicator!r}; {did_you_mean(name, definitions)}")
    rows = [row for row in assessment.rows if (row.indicator, row.definition) == (indicator, name)]
    shown = zones_shown(assessment)
    tally = Tally(assessment, shown if zone is None else zones_called(zone, shown))
    tally.add((indicator, name))
    dropped, repaired = (findings_frame(tally.findings(rules)) for rules in (dropping(), repairing()))
    said = tally.said[indicator, name]
    notes = {row.zone.id: joined(assessment.lang, said, row.note) for row in rows if row.zone in tally.zones}
    return Evidence(indicator, name, tally.used(), dropped, repaired, notes, assessment.lang)


def zones_shown(assessment: Assessment) -> list[Zone]:
    """The zones that an assessment has rows of."""
    there = {row.zone for row in assessment.rows}
    return [zone for zone in zones_of(assessment.workspace) if zone in there]


@cache
def _rules() -> dict[str, frozenset[str]]:
    return {name: frozenset(rules) for name, rules in read_toml("schemes", "evidence.toml").items()}


def dropping() -> frozenset[str]:
    """The rules whose findings tell of features that weren't counted."""
    return _rules()["dropped"]


def repairing() -> frozenset[str]:
    """The rules whose findings tell of features that were changed before they were counted."""
    return _rules()["repaired"]


class Term(NamedTuple):
    """One part of a value: on which side and with which sign it counts, what it is in words, and its unit."""

    indicator: str
    definition: str
    side: str
    sign: int
    part: str
    unit: str


class Tally:
    """Gathers what values are made of; terms, zones and features are numbered.

    Parameters
    ----------
    assessment : Assessment
    zones : list of Zone
        Those whose values are asked for.

    Attributes
    ----------
    terms : list of Term
    features : Features
    read : mapping of (indicator, definition) to tuple of str
        The kinds of layer that were read.
    said : mapping of (indicator, definition) to str
        What is to be said of all the values: that they don't add up, what they are composed of.
    """

    def __init__(self, assessment: Assessment, zones: list[Zone]) -> None:
        self.zones = zones
        self.terms: list[Term] = []
        self.features = Features()
        self.read: dict[Key, tuple[str, ...]] = {}
        self.said: dict[Key, str] = {}
        self._assessment, self._engine, self._lang = assessment, assessment.engine, assessment.lang
        self._number = {zone.id: n for n, zone in enumerate(zones)}
        self._rows: list[pd.DataFrame] = []

    def add(self, key: Key) -> None:
        """Gather what the values of an indicator and definition are made of, once."""
        if key in self.read:
            return
        indicator = self._assessment.workspace.indicators.get(key[0])
        if key not in self._assessment.definitions:
            self._add_published(key)
        elif isinstance(indicator, Composite):
            self._add_composite(key, indicator)
        elif isinstance(indicator, Indicator):
            self._add_measured(indicator, self._assessment.definitions[key])

    def contributions(self) -> pd.DataFrame:
        """Term, zone and feature, by number, with ``contribution``, ``millionths`` and ``share``."""
        import pandas as pd

        blank = pd.DataFrame({name: pd.Series([], dtype=type_) for name, type_ in TYPES.items()})
        found = pd.concat([blank, *self._rows], ignore_index=True)
        sides = pd.Series([term[:3] for term in self.terms], dtype=object).map(str)
        side = found["term"].map(sides)
        whole = found["millionths"].groupby([found["zone"], side]).transform("sum").astype(float)
        found["share"] = found["millionths"].astype(float) / whole.where(whole != 0)
        return found

    def used(self) -> gpd.GeoDataFrame:
        """Everything that was gathered, each contribution with its term, zone and feature written out."""
        import geopandas as gpd
        import pandas as pd

        found = self.contributions()
        zones = pd.DataFrame([(z.id, z.name) for z in self.zones], columns=["zone_id", "zone_name"])
        terms = pd.DataFrame(self.terms, columns=list(Term._fields))
        features = self.features.frame(self._lang)
        said = [zones.take(found["zone"].to_numpy()), terms.take(found["term"].to_numpy())]
        shown, row = np.unique(found["feature"].to_numpy(), return_inverse=True)
        some = features.take(shown)
        some["geometry"] = self._assessment.workspace.area.plane.unproject(some["geometry"].to_numpy())
        numbers = found[["contribution", "millionths", "share"]]
        table = pd.concat([one.reset_index(drop=True) for one in (*said, some.take(row), numbers)], axis=1)
        columns = ["indicator", "definition", *zones, "side", "sign", "part", *FEATURE_COLUMNS, "unit", *numbers]
        return gpd.GeoDataFrame(table[columns], geometry=table["geometry"], crs=LONLAT)

    def findings(self, rules: frozenset[str]) -> list[Finding]:
        """What some rules found in the layers that were read."""
        kinds = {kind for read in self.read.values() for kind in read}
        return [one for one in self._assessment.findings if one.rule in rules and one.layer in kinds]

    def _add_published(self, key: Key) -> None:
        """The values that stand in the table of statistics."""
        workspace = self._assessment.workspace
        self.read[key], self.said[key] = (), ""
        file = "; ".join(one.name for one in workspace.inputs if one.role == "statistics")
        for row in self._assessment.rows:
            if (row.indicator, row.definition) == key and row.value is not None and row.zone.id in self._number:
                term = self._term(Term(*key, VALUE, 1, text("evidence_statistic", self._lang), row.unit))
                feature = self.features.add_row("statistics", row.period or workspace.period, row.source, file)
                self._append(term, [self._number[row.zone.id]], [feature], contribution=row.value)

    def _add_composite(self, key: Key, composite: Composite) -> None:
        """The evidence of its components."""
        parts = [(one.indicator.id, one.definition.name) for one in composite.components]
        for part, one in zip(parts, composite.components, strict=True):
            if part not in self.read:
                self._add_measured(one.indicator, one.definition)
        self.read[key] = tuple(dict.fromkeys(kind for part in parts for kind in self.read[part]))
        names = listed((":".join(part) for part in parts), self._lang)
        self.said[key] = text("evidence_composite", self._lang, parts=names)

    def _add_measured(self, indicator: Indicator, definition: Definition) -> None:
        """The contributions to a ratio or total; of a whole the features behind it; nothing where a layer lacks."""
        key = indicator.id, definition.name
        self.read[key], self.said[key] = indicator.layers, ""
        try:
            made = indicator(self._assessment.workspace.layers, definition)
            self.read[key] = _kinds(made)
            if isinstance(made, PerZone):
                self.said[key] = text("evidence_whole", self._lang)
                self._add_whole(key, made)
            else:
                for side, sign, part in terms_of(made):
                    words = part_text(self._assessment, part)
                    self._add_part(Term(*key, side, sign, words, part.unit), part)
        except NotComputable:  # the row's note tells why
            return

    def _add_part(self, about: Term, part: Part) -> None:
        term, area = self._term(about), self._assessment.workspace.area
        for zones in area.zone_sets:
            groups = [one for one in area.groups if one.id in self._number] if zones is area.base else []
            if not groups and self._number.keys().isdisjoint(zones.ids):
                continue
            pairs, sources = pairs_of(self._engine, part, zones)
            feature = np.append(self.features.add(*sources), NONE)[pairs["feature"]]
            whole = pairs.assign(feature=feature, zone=np.array(zones.ids, dtype=object)[pairs["zone"]])
            self._append_sums(term, about.sign, whole)
            for group in groups:
                members = whole[whole["zone"].isin(group.members)]
                self._append_sums(term, about.sign, members.assign(zone=group.id))

    def _append_sums(self, term: int, sign: int, pairs: pd.DataFrame) -> None:
        """The pairs of those zones that are asked for; what a feature has in several members of a group is one."""
        asked = pairs[pairs["zone"].isin(list(self._number))]
        summed = asked.groupby(["zone", "feature"], sort=False, as_index=False)["millionths"].sum()
        millionths = sign * summed["millionths"]
        zone = summed["zone"].map(self._number)
        self._append(term, zone, summed["feature"], contribution=millionths / MICRO, millionths=millionths)

    def _add_whole(self, key: Key, made: PerZone) -> None:
        """The features that a kernel singles out, else those that it reads, in each zone where they are."""
        area = self._assessment.workspace.area
        for layer in self._engine.features(made) or made.layers:
            name = text(f"layer_{layer.kind}", self._lang, name=self._assessment.title(key[0]))
            term = self._term(Term(*key, WHOLE, 1, text("evidence_whole_part", self._lang, layers=name), ""))
            number = self.features.add(layer)
            for zones in (*area.zone_sets, *area.group_sets):
                here = [n for n, zone in enumerate(zones.ids) if zone in self._number]
                of, feature = shapely.STRtree(layer.geometry).query(zones.geometry[here], predicate="intersects")
                zone = np.array([self._number[zones.ids[n]] for n in here], dtype=np.int64)[of]
                order = np.lexsort((feature, zone))
                self._append(term, zone[order], number[feature[order]])

    def _term(self, term: Term) -> int:
        self.terms.append(term)
        return len(self.terms) - 1

    def _append(self, term: int, zone: object, feature: object, **numbers: object) -> None:
        import pandas as pd

        found = pd.DataFrame({"term": term, "zone": zone, "feature": feature, **numbers})
        self._rows.append(found.reindex(columns=list(TYPES)).astype(TYPES))


TYPES = {"term": "int64", "zone": "int64", "feature": "int64", "contribution": "float64", "millionths": "Int64"}
"""Of the columns of contributions."""


def terms_of(made: Quotient) -> Iterator[tuple[str, int, Part]]:
    """Every part of a ratio or total with its side and sign."""
    yield from ((NUMERATOR, sign, part) for sign, part in made.numerator.terms())
    if made.denominator is not None:
        yield from ((DENOMINATOR, sign, part) for sign, part in made.denominator.terms())


def pairs_of(engine: Engine, part: Part, zones: ZoneSet) -> tuple[pd.DataFrame, tuple[Layer | ZoneSet, ...]]:
    """What each feature contributes to a part's sum for each zone, in whole millionths that add up to it exactly.

    Returns
    -------
    DataFrame
        ``zone, feature, millionths``, each pair once; the feature :data:`NONE` is what rounding took away.
    tuple of Layer or ZoneSet
        What the positions of features count through; where the part is the zones' own area, the zones.
    """
    import pandas as pd

    layers, found = engine.contributions(part, zones)
    left = np.array(engine.sums(part, zones), dtype=object) - np.array(found.per_zone(), dtype=object)
    cut = np.flatnonzero(left != 0)
    pairs = pd.DataFrame(
        {
            "zone": np.concatenate([found.zone, cut]),
            "feature": np.concatenate([found.feature, np.full(len(cut), NONE)]),
            "millionths": np.concatenate([found.micro, left[cut].astype(np.int64)]),
        }
    )
    once = pairs.groupby(["zone", "feature"], sort=False)["millionths"].sum().reset_index()
    return once, layers if part.layers or part.where else (zones,)


def part_text(assessment: Assessment, part: Part) -> str:
    """What a part measures, in words."""
    lang = assessment.lang

    def named(layers: Iterable[Layer]) -> str:
        return listed(dict.fromkeys(assessment.layer_title(layer.kind) for layer in layers), lang)

    said = text(f"evidence_{part.kernel}", lang, layers=named(part.layers), unit=unit_text(part.unit, lang))
    if part.where is not None:
        rule = text(f"evidence_where_{type(part.where).__name__.lower()}", lang)
        said = text("evidence_where", lang, part=said, rule=rule)
    return text("evidence_outside", lang, part=said, layers=named(part.outside)) if part.outside else said


def _kinds(made: Measure) -> tuple[str, ...]:
    """The kinds of layer that a measure reads, and those that they were selected from."""
    names = (name for layer in made.read() for name in (layer.kind, layer.selected_from))
    return tuple(dict.fromkeys(filter(None, names)))


FEATURE_COLUMNS = ("layer", "file", "feature_id", "name", "class")


class Features:
    """Numbers the features of layers, and of zones; the last row of the frame, :data:`NONE`, is none."""

    def __init__(self) -> None:
        self._frames: list[pd.DataFrame] = []
        self._known: dict[int, tuple[Layer | ZoneSet, np.ndarray]] = {}
        self._count = 0

    def add(self, *sources: Layer | ZoneSet) -> np.ndarray:
        """The numbers of the features of layers, one layer after the other."""
        return np.concatenate([np.empty(0, np.int64), *map(self._numbers, sources)])

    def _numbers(self, source: Layer | ZoneSet) -> np.ndarray:
        if id(source) not in self._known:  # keys of layers tell less than these: chosen ground may differ by zone set
            frame = _zone_rows(source) if isinstance(source, ZoneSet) else _layer_rows(source)
            self._known[id(source)] = source, self._append(frame)
        return self._known[id(source)][1]

    def add_row(self, layer: str, feature_id: str, name: str, file: str) -> int:
        """The number of a feature without geometry."""
        import pandas as pd

        row = dict(zip(FEATURE_COLUMNS, (layer, file, feature_id, name, ""), strict=True))
        return int(self._append(pd.DataFrame([{**row, "geometry": None}]))[0])

    def _append(self, frame: pd.DataFrame) -> np.ndarray:
        self._frames.append(frame)
        self._count += len(frame)
        return np.arange(self._count - len(frame), self._count)

    def frame(self, lang: Lang) -> pd.DataFrame:
        """Every feature by its number, with its geometry in the plane."""
        import pandas as pd

        none = pd.DataFrame([dict.fromkeys(FEATURE_COLUMNS, "") | {"geometry": None}])
        none["name"] = text("evidence_rounding", lang)
        return pd.concat([*self._frames, none], ignore_index=True)


def _layer_rows(layer: Layer) -> pd.DataFrame:
    wanted = layer.frame.reindex(columns=["feature_id", "name", "class_"], fill_value="")
    frame = wanted.rename(columns={"class_": "class"})
    frame.insert(0, "layer", layer.kind)
    frame.insert(1, "file", layer.source.file)
    return frame.astype(object).assign(geometry=layer.geometry)


def _zone_rows(zones: ZoneSet) -> pd.DataFrame:
    import pandas as pd

    columns = {"layer": "zones", "file": zones.source.file, "feature_id": zones.ids, "name": zones.names, "class": ""}
    return pd.DataFrame(columns, dtype=object).assign(geometry=zones.geometry)


FINDING_COLUMNS = ("rule", "layer", "file", "feature_id", "value", "message", "action")


def findings_frame(findings: Iterable[Finding]) -> gpd.GeoDataFrame:
    """Findings with their places as points, in degrees, once for each feature; without a point where they name none."""
    import geopandas as gpd
    import pandas as pd

    several = [each for one in findings for each in of_each(one)]
    table = pd.DataFrame([[getattr(one, name) for name in FINDING_COLUMNS] for one in several], dtype="str")
    table = table.set_axis(list(FINDING_COLUMNS), axis=1) if several else pd.DataFrame(columns=list(FINDING_COLUMNS))
    places = [shapely.Point(*map(float, one.location.split())) if one.location else None for one in several]
    return gpd.GeoDataFrame(table, geometry=places, crs=LONLAT)
