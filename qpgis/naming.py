"""Names as people write them: the same name in full-width letters or traditional characters, and what fields mean."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from qpgis.catalogue import Lang, read_toml


@cache
def _simplifier() -> Any:
    import opencc

    return opencc.OpenCC("t2s")


def folded(name: str) -> str:
    """A name for comparing: NFKC, simplified characters, lower case, without spaces or invisible characters.

    >>> folded("朱家角鎮 ") == folded("朱家角镇"), folded("ＢＳＭ") == folded("bsm"), folded("金泽") == folded("金泽镇")
    (True, True, False)
    """
    plain = unicodedata.normalize("NFKC", name)
    plain = "".join(c for c in plain if not c.isspace() and unicodedata.category(c) not in ("Cf", "Cc"))
    return plain.casefold() if plain.isascii() else _simplifier().convert(plain).casefold()


@dataclass(frozen=True)
class FieldMeaning:
    """What a field of a planning database means.

    Attributes
    ----------
    name : str
        As the specification writes it.
    zh, en : str
        What it is.
    role : str
        What qpgis takes it for: ``id``, ``class``, ``area`` ...; empty where only people read it.
    """

    name: str
    zh: str
    en: str
    role: str = ""

    def text(self, lang: Lang) -> str:
        """What the field is, in a language."""
        return self.zh if lang == "zh" else self.en


@cache
def known_fields() -> tuple[FieldMeaning, ...]:
    """The fields of ``data/schemes/fields.toml``, in its order."""
    return tuple(FieldMeaning(**row) for row in read_toml("schemes", "fields.toml")["fields"])


@cache
def _by_word() -> Mapping[str, FieldMeaning]:
    every = known_fields()
    return {folded(one.zh): one for one in every} | {folded(one.name): one for one in every}


def meaning_of(field: str, alias: str = "") -> FieldMeaning | None:
    """What a field is, by its name or by the alias that its file gives it.

    >>> meaning_of("tbmj").role, meaning_of("F12", "地類編碼").name, meaning_of("F13")
    ('area', 'DLBM', None)
    """
    words = _by_word()
    return words.get(folded(field)) or (words.get(folded(alias)) if alias else None)


def field_for(role: str, fields: Iterable[str], aliases: Mapping[str, str] | None = None) -> str | None:
    """The field of a file that plays a role by its name or alias; ``None`` where none does.

    >>> field_for("class", ["FID", "dlbm", "DLMC"])
    'dlbm'
    """
    order = {one.name: n for n, one in enumerate(known_fields())}
    found = ((meaning_of(field, (aliases or {}).get(field, "")), field) for field in fields)
    fitting = [(order[one.name], field) for one, field in found if one is not None and one.role == role]
    return min(fitting)[1] if fitting else None
