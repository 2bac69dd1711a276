"""Findings: what is wrong in the data, where, how bad, and what was done about it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass, fields, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from qpgis.catalogue import Lang, text

if TYPE_CHECKING:
    import pandas as pd


class Severity(StrEnum):
    """How bad a finding is; ``error`` makes a command end with status 1."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


_ORDER = list(Severity)


@dataclass(frozen=True)
class Finding:
    """One fault or remark, in the columns of ``findings.csv``.

    Attributes
    ----------
    severity : Severity
    rule : str
        The stable name of the rule that fired, such as ``invalid_geometry``.
    layer, file, feature_id : str
        Where: empty if the finding is about the whole layer, file or workspace.
    location : str
        ``lon lat`` of a point on the feature, empty where there is none.
    value : str
        The offending value or the size of the fault, with its unit.
    message, action : str
        What is wrong, and what was done or should be done, in the language of the run.
    """

    severity: Severity
    rule: str
    layer: str = ""
    file: str = ""
    feature_id: str = ""
    location: str = ""
    value: str = ""
    message: str = ""
    action: str = ""


COLUMNS = tuple(f.name for f in fields(Finding))
IDS_SHOWN = 20
"""How many ids a finding about many features lists."""


class Findings:
    """Collects findings; their words are ``finding_<rule>`` and ``action_<rule>`` of the catalogue."""

    def __init__(self, lang: Lang = "zh") -> None:
        self.lang: Lang = lang
        self._found: dict[Finding, None] = {}

    def add(
        self,
        severity: Severity,
        rule: str,
        *,
        layer: str = "",
        file: str = "",
        feature_id: str = "",
        location: str = "",
        value: str = "",
        **words: object,
    ) -> None:
        """Record one finding; the same one twice counts once."""
        words = {"layer": layer, "file": file, "feature_id": feature_id, "value": value, **words}
        message, action = (text(f"{kind}_{rule}", self.lang, **words) for kind in ("finding", "action"))
        self._found[Finding(severity, rule, layer, file, feature_id, location, value, message, action)] = None

    def put(self, finding: Finding) -> None:
        """Record a finding that was made elsewhere."""
        self._found[finding] = None

    @property
    def made(self) -> tuple[Finding, ...]:
        """The findings in the order in which they were made."""
        return tuple(self._found)

    def __iter__(self) -> Iterator[Finding]:
        """The findings, worst first, then by rule, layer, file and feature."""
        return iter(ordered(self._found))

    def __len__(self) -> int:
        return len(self._found)


def ordered(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The findings without repetition, worst first, then by rule, layer, file, feature and all the rest."""
    return tuple(sorted(set(findings), key=lambda f: (_ORDER.index(f.severity), astuple(f)[1:])))


def as_table(findings: Iterable[Finding]) -> pd.DataFrame:
    """The findings as a frame with the columns of ``findings.csv``."""
    import pandas as pd

    rows = [[str(v) for v in astuple(f)] for f in findings]
    return pd.DataFrame(rows, columns=list(COLUMNS), dtype="str")


def has_errors(findings: Iterable[Finding]) -> bool:
    """True where at least one finding is of severity ``error``."""
    return any(f.severity is Severity.ERROR for f in findings)


class Ids(str):
    """Ids as a finding lists them; ``every`` has those too that it doesn't."""

    every: tuple[str, ...] = ()


def ids_text(ids: Iterable[str]) -> Ids:
    """Ids as findings list them, the first twenty and how many more.

    >>> ids_text(["a", "b"])
    'a; b'
    """
    every = tuple(map(str, ids))
    more = f"; … (+{len(every) - IDS_SHOWN})" if len(every) > IDS_SHOWN else ""
    found = Ids("; ".join(every[:IDS_SHOWN]) + more)
    found.every = every
    return found


def of_each(finding: Finding) -> tuple[Finding, ...]:
    """The finding once for each of the features that it is about."""
    every = finding.feature_id.every if isinstance(finding.feature_id, Ids) else ()
    return tuple(replace(finding, feature_id=one) for one in every) or (finding,)
