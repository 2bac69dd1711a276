"""Values a head name whose heads they are: 常住, 户籍, 实有 or 服务人口."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qpgis import parts
from qpgis.indicators.declaration import Definition, Settings, choose
from qpgis.parts import AnyLayer, Part

POPULATIONS: Mapping[str, tuple[str, str]] = {
    "residents": ("常住人口", "residents (常住人口)"),
    "registered": ("户籍人口", "registered population (户籍人口)"),
    "actual": ("实有人口", "population actually present (实有人口)"),
    "served": ("服务人口", "population served (服务人口)"),
}
"""The kinds of layer that hold people, and what they are called; the first is the default."""


def heads(population: str, *layers: AnyLayer) -> Part:
    """The people of one of the layers, which stand in the order of :data:`POPULATIONS`."""
    by_name = dict(zip(POPULATIONS, layers, strict=True))
    return parts.people(choose(population, by_name, setting="population"))


def by_population(zh: str, en: str, *, source: str = "", standing: str = "") -> tuple[Definition, ...]:
    """A definition for each population, of what stands above the stroke."""
    about: dict[str, Any] = {"source": source, "standing": standing}
    return tuple(
        Definition(name, f"{zh} ÷ {words}", f"{en} ÷ {words_en}", _settings(name), **about)
        for name, (words, words_en) in POPULATIONS.items()
    )


def _settings(population: str) -> Settings:
    return {} if population == "residents" else {"population": population}
