"""The lines of ``qpgis.toml`` that would use a file; what only its owner knows is left to be filled in."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import TYPE_CHECKING

import shapely

from qpgis.catalogue import Lang, read_toml, text
from qpgis.crs import finite_bounds, judge_magnitudes
from qpgis.landuse import class_words, plan_status_of, scheme, scheme_shares
from qpgis.layers import LAYERS, as_text
from qpgis.naming import field_for, folded, meaning_of
from qpgis.provenance import Grade

if TYPE_CHECKING:
    import pandas as pd

    from qpgis.sources import RawFeatures

MOSTLY = 0.9
"""A field holds land-use codes if a scheme knows this part of its values; so with classes, statuses and dates."""
CODE_LENGTH = 4
"""Shorter numbers are taken for numbers: every scheme has codes such as 10."""
SHOWN_SCHEMES = 3
MOST_VALUES = 1000
"""So many values of a field tell what it holds; a scheme has fewer codes."""
UNKNOWN = "?"
_GEOMETRIES = ("point", "line", "polygon")
_AREA_FIELDS = {"area": "area_field", "net_area": "net_area_field", "deduction": "deduction_field"}


def suggested_layer(
    raw: RawFeatures, *, given: Mapping[str, str | None], grade: str, called: Collection[str], lang: Lang
) -> str:
    """The table of a layer or of zones for features; its kind is ``?`` where nothing says which.

    Parameters
    ----------
    raw : RawFeatures
    given : mapping of key to value
        What is known already: ``layer``, ``crs``, ``datum``, ``encoding`` ...
    grade : str
        What the file says of itself, empty where it says nothing.
    called : collection of str
        What the layer is called, the surest name first.
    lang : "zh" or "en"
        Of its comments.
    """
    fields = _Fields(raw)
    kind = _kind(raw, fields, called)
    lines = [_crs_line(raw)] if raw.frame.crs is None and not (given.get("crs") or given.get("datum")) else []
    lines += [_line(key, value) for key, value in given.items() if value]
    if kind == "zones":
        named = {"id_field": fields.role("unit") or fields.called("id") or UNKNOWN, "name_field": fields.name}
        return _table("zones", raw.file, grade, [*lines, *_named(named)])
    named = {"id_field": fields.id, "name_field": fields.name, "class_field": fields.class_of(kind)}
    if kind != "landuse":
        named |= {"status_field": fields.status, "opened_field": fields.opened}
        head = [_kinds_line(_geometry(raw), lang)] if kind == UNKNOWN else []
        return _table(f"layers.{kind}", raw.file, grade, [*lines, *_named(named)], head)
    codes = fields.values(fields.codes) if fields.codes else []
    named |= {"class_field": fields.codes or UNKNOWN} | {key: fields.role(one) for one, key in _AREA_FIELDS.items()}
    return _landuse(raw.file, grade, lines, _named(named), codes)


def suggested_raster(file: str, classes: Collection[int], *, crs: str | None) -> str:
    """The table of land use for a raster of classes."""
    return _landuse(file, "", [_line("crs", crs)] if crs else [], [], [str(one) for one in classes])


def known_words(of: str) -> Mapping[str, Collection[str]]:
    """The words of ``data/schemes/kinds.toml`` by kind (``of="kinds"``) or by role (``of="fields"``)."""
    return dict(read_toml("schemes", "kinds.toml")[of])


def _table(name: str, file: str, grade: str, lines: Collection[str], head: Collection[str] = ()) -> str:
    graded = _line("grade", grade) if grade else f'grade = "?"  # {", ".join(Grade)}'
    return "\n".join([f"[{name}]", *head, _line("file", file), graded, *lines]) + "\n"


def _landuse(file: str, grade: str, lines: list[str], named: list[str], codes: Collection[str]) -> str:
    """Land use, and as comments the layers that its classes would make by the scheme that fits best."""
    shares = scheme_shares(codes)
    members = [kind for kind in LAYERS if shares and scheme(shares[0][0]).members(kind, codes)]
    selections = [line for kind in members for line in ("", f"# [layers.{kind}]", '# from = "landuse"')]
    extent = _line("extent", "area")
    return _table("layers.landuse", file, grade, [*lines, _scheme_line(shares), *named, extent, *selections])


def _line(key: str, value: str) -> str:
    return f"{key} = {json.dumps(value, ensure_ascii=False)}"


def _named(fields: Mapping[str, str | None]) -> list[str]:
    return [_line(key, name) for key, name in fields.items() if name]


def _scheme_line(shares: Collection[tuple[str, float]]) -> str:
    """The scheme is never guessed; how well each fits the codes stands beside it."""
    fits = [f"{name} {share:.0%}" for name, share in list(shares)[:SHOWN_SCHEMES]]
    return f'scheme = "?"  # {", ".join(fits) or "qpgis list schemes"}'


def _crs_line(raw: RawFeatures) -> str:
    """The system is never guessed; what the numbers fit stands beside it."""
    codes = judge_magnitudes(finite_bounds(raw.frame.geometry.to_numpy())).codes
    return f'crs = "?"  # {", ".join(codes)}' if codes else 'crs = "?"'


def _kinds_line(geometry: str, lang: Lang) -> str:
    kinds = [f"{kind} {text(f'layer_{kind}', lang)}" for kind, takes in LAYERS.items() if geometry in takes]
    return text("suggest_kinds", lang, kinds=", ".join(kinds))


def _kind(raw: RawFeatures, fields: _Fields, called: Collection[str]) -> str:
    """What the features are, by their codes, their unit, their names or their classes; ``?`` if none of them says."""
    geometry = _geometry(raw)
    if geometry == "polygon" and fields.codes:
        return "landuse"
    if geometry == "polygon" and fields.role("unit"):
        return "zones"
    by_name = next((kind for name in called if (kind := _kind_called(name, geometry))), "")
    by_classes = (kind for kind in ("roads", "water") if geometry in LAYERS[kind] and fields.class_of(kind))
    return by_name or next(by_classes, UNKNOWN)


def _kind_called(name: str, geometry: str) -> str:
    """The kind that the longest known word in a name tells; empty where none does, or several do."""
    whole = folded(name)
    parts = re.findall(r"[a-z]+", whole)
    takes: dict[str, tuple[str, ...]] = {"zones": ("polygon",), "none": (geometry,), **LAYERS}
    found: dict[int, set[str]] = {}
    for kind, words in known_words("kinds").items():
        for word in (kind, *words) if geometry in takes[kind] else ():
            if word in parts if word.isascii() else word in whole:
                found.setdefault(len(word), set()).add(kind)
    longest = found[max(found)] if found else set()
    return longest.pop() if len(longest) == 1 and longest != {"none"} else ""


def _geometry(raw: RawFeatures) -> str:
    """The geometry that most of the features have."""
    dimensions = shapely.get_dimensions(raw.frame.geometry.to_numpy())
    return _GEOMETRIES[max((0, 1, 2), key=lambda d: int((dimensions == d).sum()))]


def _sample(words: pd.Series) -> list[str]:
    return [word for word in words.unique()[:MOST_VALUES] if word]


class _Fields:
    """Which field of some features plays which role: by the databases' specification, its name, or its values."""

    def __init__(self, raw: RawFeatures) -> None:
        self._raw = raw
        self._names = [str(c) for c in raw.frame.columns if c not in (raw.frame.geometry.name, "feature_id")]
        self._values = {name: _sample(as_text(raw.frame[name])) for name in self._names}
        self.codes = self.role("class") or next(self._coded(), None)
        self.name = self.role("name") or self.called("name")
        self.status = self._where(lambda value: plan_status_of(value) is not None)
        self.opened = self.called("opened", re.compile(r"(19|20)\d\d").match)

    @property
    def id(self) -> str | None:
        """The field of ids: each another."""
        named = self.role("id") or self.called("id")
        return named if named and self._raw.frame[named].is_unique else None

    def class_of(self, kind: str) -> str | None:
        """The field of classes: of words that the kind knows, or, where any will do, by its name."""
        words = class_words(kind)
        return self._where(words.__contains__) if words else self.called("class")

    def values(self, name: str) -> list[str]:
        """What a field holds, each value once; of very many the first."""
        return self._values[name]

    def role(self, role: str) -> str | None:
        """By the databases' specification."""
        return field_for(role, self._names, self._raw.aliases)

    def called(self, role: str, fits: Callable[[str], object] = bool) -> str | None:
        """By its name, whole before the end of one; its values must fit."""
        words = known_words("fields")[role]
        free = [name for name in self._names if meaning_of(name, self._raw.aliases.get(name, "")) is None]
        whole = [name for name in free if folded(name) in words]
        ending = [name for name in free if folded(name).endswith(tuple(word for word in words if not word.isascii()))]
        return next((name for name in [*whole, *ending] if self._mostly(name, fits)), None)

    def _where(self, fits: Callable[[str], object]) -> str | None:
        """By its values alone."""
        return next((name for name in self._names if self._mostly(name, fits)), None)

    def _mostly(self, name: str, fits: Callable[[str], object]) -> bool:
        values = self._values[name]
        return bool(values) and sum(bool(fits(value)) for value in values) >= MOSTLY * len(values)

    def _coded(self) -> Iterator[str]:
        """Fields whose values are codes of a scheme: several of them, and nearly all known."""
        for name, values in self._values.items():
            coded = sum(len(value) >= CODE_LENGTH and value[:2].isdigit() for value in values)
            if len(values) > 1 and coded >= MOSTLY * len(values):
                best = scheme_shares(values)
                if best and best[0][1] >= MOSTLY:
                    yield name
