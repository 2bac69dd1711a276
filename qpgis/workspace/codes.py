"""Land-use codes of a file: read as its scheme means them, and turned into layers; whatever doesn't fit is named."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import shapely

from qpgis.findings import IDS_SHOWN, Findings, Severity, ids_text
from qpgis.landuse import Crosswalk, Reading, Scheme, Written, better_fit, class_names, crosswalk, scheme
from qpgis.layers import Layer

if TYPE_CHECKING:
    import pandas as pd

    from qpgis.workspace.config import LayerTable

M2_PER_HA = 10_000
COMPARED = 1000
"""How many different codes are held against the other schemes; no scheme has as many."""


@dataclass(frozen=True)
class _Codes:
    """The land-use codes of one layer, as its file writes them."""

    layer: Layer
    scheme: Scheme
    readings: Mapping[str, Reading]
    findings: Findings

    @property
    def values(self) -> pd.Series:
        """What the file writes, parcel by parcel."""
        return self.layer.frame["class_"]

    def written(self, way: Written) -> list[str]:
        """The values that are written in one way."""
        return sorted(value for value, reading in self.readings.items() if reading.written is way)

    def pairs(self, values: Collection[str]) -> str:
        """Some values with the codes that they are taken for."""
        return ids_text(f"{value} → {self.readings[value].code}" for value in values)

    def note(self, severity: Severity, rule: str, mask: pd.Series, value: str, **words: object) -> None:
        """One finding about some parcels."""
        ids = ids_text(self.layer.frame.loc[mask, "feature_id"])
        about = {"layer": self.layer.kind, "file": self.layer.source.file, "feature_id": ids, "value": value}
        self.findings.add(severity, rule, **about, **{"count": int(mask.sum()), **words})  # type: ignore[arg-type]


def with_codes(layer: Layer, scheme_name: str, findings: Findings) -> Layer:
    """A layer with its codes as its scheme writes them.

    What is written otherwise is read, and said. A code that the scheme doesn't know stays as it is and is an error; so
    are codes that lost their leading zero in only part of the rows, and codes that fit another scheme clearly better.
    """
    table = scheme(scheme_name)
    readings = {value: table.read(value) for value in layer.frame["class_"].unique()}
    codes = _Codes(layer, table, readings, findings)
    taken = {value: reading.code or value for value, reading in readings.items()}
    taken |= {value: value for value in _in_doubt(codes)}
    _report_writing(codes)
    _report_unknown(codes, taken)
    _report_fit(codes)
    return replace(layer, frame=layer.frame.assign(class_=codes.values.map(taken).astype("str")), scheme=scheme_name)


def _in_doubt(codes: _Codes) -> list[str]:
    """Codes that seem to lack a leading zero in a column where others have theirs: they may be anything."""
    short = codes.written(Written.WITHOUT_ZERO)
    if not short:
        return []
    mask, pairs = codes.values.isin(short), codes.pairs(short)
    if any(reading.code.startswith("0") for value, reading in codes.readings.items() if value not in short):
        codes.note(Severity.ERROR, "code_lost_zero", mask, pairs)
        return short
    codes.note(Severity.WARNING, "codes_without_zeros", mask, pairs)
    return []


def _report_writing(codes: _Codes) -> None:
    """Say which codes were read from another spelling, or from names."""
    if odd := codes.written(Written.OTHERWISE):
        codes.note(Severity.INFO, "code_spelled", codes.values.isin(odd), codes.pairs(odd))
    if named := codes.written(Written.AS_NAME):
        codes.note(Severity.INFO, "code_named", codes.values.isin(named), codes.pairs(named))


def _report_unknown(codes: _Codes, taken: Mapping[str, str]) -> None:
    """Name the codes that the scheme doesn't have, and those of which it only has the level above."""
    words = {"scheme": codes.scheme.title_in(codes.findings.lang)}
    unknown = codes.written(Written.UNKNOWN)
    for value in unknown[:IDS_SHOWN]:
        codes.note(Severity.ERROR, "unknown_code", codes.values == value, value, **words)
    if more := unknown[IDS_SHOWN:]:
        codes.note(Severity.ERROR, "unknown_code", codes.values.isin(more), ids_text(more), **words)
    for value, code in sorted(taken.items()):
        row = codes.scheme.lookup(code)
        if row is not None and not codes.scheme.lists(code):
            above = {"above": f"{row.code} {row.name}"}
            codes.note(Severity.WARNING, "code_not_listed", codes.values == value, value, **words, **above)


def _report_fit(codes: _Codes) -> None:
    """Say where names contradict codes, and which other scheme fits what the file holds clearly better."""
    names = codes.layer.frame["name"]
    names = names.where(names.isin(class_names()), "")
    both = codes.values.to_frame("value").assign(name=names).drop_duplicates()
    pairs = sorted(zip(both["value"], both["name"], strict=True))[:COMPARED]
    for value, name in pairs:
        code, said = codes.readings[value].code, name or codes.readings[value].name
        if codes.scheme.says(said, code) is False:
            mask = (codes.values == value) & (names == name)
            codes.note(Severity.WARNING, "code_against_name", mask, f"{code} {said}", code=code, name=said)
    if better := better_fit(codes.scheme, pairs):
        lang = codes.findings.lang
        words = {"scheme": codes.scheme.title_in(lang), "other": better.scheme.title_in(lang), "id": better.scheme.id}
        value = f"{codes.scheme.id} {better.declared:.0%}; {better.scheme.id} {better.share:.0%}"
        about = {"layer": codes.layer.kind, "file": codes.layer.source.file, "value": value}
        shares = {"share": f"{better.share:.0%}", "declared": f"{better.declared:.0%}"}
        codes.findings.add(Severity.ERROR, "scheme_mismatch", **about, **words, **shares)


def report_translation(layer: Layer, target: str, findings: Findings) -> None:
    """Say how much of a layer has one class of another scheme, and what may be several, with areas."""
    walk = crosswalk(layer.scheme, target)
    codes = layer.frame["class_"].to_numpy()
    kinds, of = np.unique(codes.astype(str), return_inverse=True)
    areas = np.bincount(of, weights=shapely.area(layer.geometry), minlength=len(kinds))
    counts = np.bincount(of, minlength=len(kinds))
    made = walk.translate(dict(zip(kinds.tolist(), areas.tolist(), strict=True)))
    about = {"layer": layer.kind, "file": layer.source.file}
    target_title = walk.target.title_in(findings.lang)
    for code, area in made.ambiguous.items():
        row = walk.source.lookup(code)
        assert row is not None
        words = {"code": f"{code} {row.name}", "target": target_title, "candidates": _candidates(walk, code)}
        count = int(counts[kinds == code][0])
        findings.add(Severity.WARNING, "crosswalk_ambiguous", **about, value=_hectares(area), count=count, **words)
    sums = {name: _hectares(sum(part.values())) for name, part in vars(made).items()}
    classes = "; ".join(f"{code} {_hectares(area)}" for code, area in made.certain.items())
    findings.add(Severity.INFO, "crosswalk_areas", **about, value=classes, target=target_title, **sums)


def _candidates(walk: Crosswalk, code: str) -> str:
    """The classes that a code may be, with their names."""
    return "、".join(f"{one} {walk.target.classes[one].name}" for one in walk.targets(code))


def _hectares(area_m2: float) -> str:
    return f"{area_m2 / M2_PER_HA:.2f} ha"


def classes_of(
    kind: str,
    table: LayerTable,
    whole: Layer,
    origin: LayerTable,
    findings: Findings,
    *,
    further: Collection[str] = (),
) -> dict[str, str]:
    """Which codes of the land use make up a layer, each with its class in it.

    Parameters
    ----------
    kind, table
        The layer to select, and its table in the workspace.
    whole, origin
        The land use, and its table: with ``report_scheme`` its codes count as what they are in that scheme, and a code
        that may or may not belong is left out and named with its area.
    further
        Codes to tell of although no parcel has them.
    """
    assert origin.scheme is not None
    codes = sorted({*whole.frame["class_"].unique(), *further})
    if origin.report_scheme is None:
        return scheme(origin.scheme).members(kind, codes, table.classes)
    walk = crosswalk(origin.scheme, origin.report_scheme)
    found, doubtful = walk.members(kind, codes, table.classes)
    for code in doubtful:
        mask = (whole.frame["class_"] == code).to_numpy()
        if not mask.any():
            continue
        row = walk.source.lookup(code)
        assert row is not None
        words = {"code": f"{code} {row.name}", "target": walk.target.title_in(findings.lang)}
        words |= {"candidates": _candidates(walk, code)}
        about = {"layer": kind, "file": whole.source.file, "value": _hectares(shapely.area(whole.geometry[mask]).sum())}
        findings.add(Severity.WARNING, "crosswalk_left_out", **about, **words, count=int(mask.sum()))
    return found
