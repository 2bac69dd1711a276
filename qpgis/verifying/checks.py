"""What verifying finds: verdicts on outputs, inputs, definitions, each with the places that differ."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from qpgis.catalogue import Lang, text

SAID = 20
"""How many differing places are printed of one file; all of them are in the JSON."""


class Verdict(StrEnum):
    """Whether something is as the manifest says; ``told`` is neither good nor bad."""

    HOLDS = "holds"
    FAILS = "fails"
    TOLD = "told"


@dataclass(frozen=True)
class Difference:
    """One place of a file that isn't what it should be.

    Attributes
    ----------
    place : str
        Row and column, sheet and cell, layer, fid and column, or the path in a page's data.
    found, wanted : str
        Empty is nothing.
    """

    place: str
    found: str
    wanted: str


@dataclass(frozen=True)
class Check:
    """One thing that was verified.

    Attributes
    ----------
    part : str
        ``manifest, output, values, input, definition, setting, version, recomputed, log, frozen, signoff``.
    subject : str
        The file, definition or setting; empty where the whole part is meant.
    verdict : Verdict
    said : str
        In planners' words.
    differences : tuple of Difference
    """

    part: str
    subject: str
    verdict: Verdict
    said: str
    differences: tuple[Difference, ...] = ()


def check_lines(checks: Iterable[Check], lang: Lang) -> Iterator[str]:
    """The checks as planners read them, a line each, then the places that differ."""
    for one in checks:
        subject = f" {one.subject}" if one.subject else ""
        verdict, part = text(f"verify_verdict_{one.verdict}", lang), text(f"verify_part_{one.part}", lang)
        yield f"[{verdict}] {part}{subject}: {one.said}"
        for difference in one.differences[:SAID]:
            shown = {key: getattr(difference, key) or text("verify_nothing", lang) for key in ("found", "wanted")}
            yield "    " + text("verify_difference", lang, place=difference.place, **shown)
        if len(one.differences) > SAID:
            yield "    " + text("verify_more", lang, count=len(one.differences) - SAID)
