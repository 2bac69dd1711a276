"""Which ground is held against which line: ``data/schemes/control.toml``."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from qpgis.catalogue import read_toml


@dataclass(frozen=True)
class Rule:
    """Ground that may not be added in some lines, or outside others.

    Attributes
    ----------
    kinds : tuple of str
        The layers of that ground.
    inside, outside : tuple of str
        The lines.
    """

    kinds: tuple[str, ...]
    inside: tuple[str, ...]
    outside: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rules:
    """The rules of all control checks.

    Attributes
    ----------
    sliver_width_m : float
        Thinner ground is a difference of drawing.
    survey_share : float
        Where less of the ground was surveyed in both periods it is said.
    built : Rule
        New built land.
    three_lines : tuple of str
        Lines that have no ground in common.
    figures : tuple of (str, str)
        Checks against figures, each with the indicator whose targets these are.
    plans : tuple of str
        Plans that are read for what they say of figures in words.
    placing : tuple of Rule
        What scenarios add.
    needed : tuple of str
        Lines without which what they add isn't checked.
    """

    sliver_width_m: float
    survey_share: float
    built: Rule
    three_lines: tuple[str, ...]
    figures: tuple[tuple[str, str], ...]
    plans: tuple[str, ...]
    placing: tuple[Rule, ...]
    needed: tuple[str, ...]


@cache
def rules() -> Rules:
    """The rules that ship with qpgis."""
    table = read_toml("schemes", "control.toml")
    placing = dict(table["placing"])
    needed = tuple(placing.pop("needed"))
    return Rules(
        sliver_width_m=table["sliver_width_m"],
        survey_share=table["survey_share"],
        built=_rule({"kinds": ["construction"], **table["built"]}),
        three_lines=tuple(table["three_lines"]["kinds"]),
        figures=tuple(table["figures"].items()),
        plans=tuple(table["plans"]),
        placing=tuple(_rule(row) for row in placing.values()),
        needed=needed,
    )


def _rule(row: dict[str, list[str]]) -> Rule:
    return Rule(**{key: tuple(kinds) for key, kinds in row.items()})
