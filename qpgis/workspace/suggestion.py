"""The lines of ``qpgis.toml`` that would use a file; what only its owner knows is left to be filled in."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING

import shapely

from qpgis.landuse import scheme_shares
from qpgis.layers import as_text
from qpgis.naming import field_for
from qpgis.provenance import Grade

if TYPE_CHECKING:
    from qpgis.sources import RawFeatures

MOSTLY = 0.9
"""A field holds land-use codes if a scheme knows this part of its values."""
CODE_LENGTH = 4
"""Shorter numbers are taken for numbers: every scheme has codes such as 10."""
SHOWN_SCHEMES = 3
_BY_DIMENSION = {0: "facilities", 1: "roads", 2: "water"}
_AREA_FIELDS = {"area": "area_field", "net_area": "net_area_field", "deduction": "deduction_field"}


def suggested_layer(raw: RawFeatures, *, given: Mapping[str, str | None], grade: str) -> str:
    """The table of a layer or of zones for features.

    Parameters
    ----------
    raw : RawFeatures
    given : mapping of key to value
        What is known already: ``layer``, ``crs``, ``datum``, ``encoding`` ...
    grade : str
        What the file says of itself, empty where it says nothing.
    """
    fields = [str(c) for c in raw.frame.columns if c not in (raw.frame.geometry.name, "feature_id")]
    played = {role: name for role in ("id", "name", "unit", *_AREA_FIELDS) if (name := _field(role, raw, fields))}
    codes = _field("class", raw, fields) or _field_of_codes(raw, fields)
    lines = [_line(key, value) for key, value in given.items() if value]
    if codes is None and "unit" in played and _dimension(raw) == 2:
        named = {"id_field": played["unit"], "name_field": played.get("name")}
        return _table("zones", raw.file, grade, [*lines, *(_line(k, v) for k, v in named.items() if v)])
    named = {"id_field": played.get("id"), "name_field": played.get("name"), "class_field": codes}
    if codes is not None:
        named |= {key: played.get(role) for role, key in _AREA_FIELDS.items()}
        lines.append(_scheme_line(as_text(raw.frame[codes]).unique()))
    lines += [_line(key, name) for key, name in named.items() if name]
    kind = "landuse" if codes is not None else _BY_DIMENSION[_dimension(raw)]
    return _table(f"layers.{kind}", raw.file, grade, lines)


def suggested_raster(file: str, classes: Collection[int], *, crs: str | None) -> str:
    """The table of land use for a raster of classes."""
    lines = [_line("crs", crs)] if crs else []
    return _table("layers.landuse", file, "", [*lines, _scheme_line([str(one) for one in classes])])


def _table(name: str, file: str, grade: str, lines: Collection[str]) -> str:
    graded = _line("grade", grade) if grade else f'grade = "?"  # {", ".join(Grade)}'
    return "\n".join([f"[{name}]", _line("file", file), graded, *lines]) + "\n"


def _line(key: str, value: str | None) -> str:
    return f"{key} = {json.dumps(value, ensure_ascii=False)}"


def _scheme_line(values: Collection[str]) -> str:
    """The scheme is never guessed; how well each fits the codes stands beside it."""
    fits = [f"{name} {share:.0%}" for name, share in scheme_shares(values)[:SHOWN_SCHEMES]]
    return f'scheme = "?"  # {", ".join(fits) or "qpgis list schemes"}'


def _field(role: str, raw: RawFeatures, fields: Collection[str]) -> str | None:
    return field_for(role, fields, raw.aliases)


def _field_of_codes(raw: RawFeatures, fields: Collection[str]) -> str | None:
    """The field whose values are codes of a scheme, where there is one: several of them, and nearly all known."""
    return next(_fields_of_codes(raw, fields), None)


def _fields_of_codes(raw: RawFeatures, fields: Collection[str]) -> Iterator[str]:
    for name in fields:
        values = [value for value in as_text(raw.frame[name]).unique() if value]
        coded = sum(len(value) >= CODE_LENGTH and value[:2].isdigit() for value in values)
        if len(values) > 1 and coded >= MOSTLY * len(values):
            best = scheme_shares(values)
            if best and best[0][1] >= MOSTLY:
                yield name


def _dimension(raw: RawFeatures) -> int:
    """The dimension that most of the features have."""
    dimensions = shapely.get_dimensions(raw.frame.geometry.to_numpy())
    return max((0, 1, 2), key=lambda d: int((dimensions == d).sum()))
