"""Sign-off: 编制, 校核, 审定 of a result; until all three have signed this very result, it is a draft (草稿)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from enum import StrEnum

from qpgis.catalogue import Lang, clauses, text
from qpgis.findings import Findings, Severity
from qpgis.workspace.config import SignoffTable

SIGNERS = ("compiled", "checked", "approved")


class Signing(StrEnum):
    """How far a result is signed."""

    OPEN = "open"
    """Somebody hasn't signed."""
    UNBOUND = "unbound"
    """All have, but what isn't said."""
    OTHER = "other"
    """Another result was signed than this one."""
    SIGNED = "signed"


def signing(signoff: SignoffTable | None, result: Callable[[], str]) -> Signing:
    """How far a result is signed.

    Parameters
    ----------
    signoff : SignoffTable or None
    result : callable
        Gives the hash of the result; only asked where there are signatures.
    """
    if signoff is None or any(getattr(signoff, who) is None for who in SIGNERS):
        return Signing.OPEN
    if not signoff.result:
        return Signing.UNBOUND
    return Signing.SIGNED if signoff.result == result() else Signing.OTHER


def signature_line(signoff: SignoffTable | None, how: Signing, lang: Lang) -> str:
    """Who signed and when, and what makes it a draft if it is one."""
    said = []
    for who in SIGNERS:
        one = getattr(signoff, who, None)
        words = {"name": one.name, "date": one.date.isoformat()} if one else {"name": "____", "date": ""}
        said.append(text(f"signed_{who}", lang, **words).strip())
    line = clauses(said, lang)
    return line if how is Signing.SIGNED else text(f"draft_{how}", lang, line=line)


def report_signing(signoff: SignoffTable | None, csv: bytes, findings: Findings) -> None:
    """Name a result that changed after it was signed."""
    now = hashlib.sha256(csv).hexdigest()
    if signoff is not None and signoff.result and signoff.result != now:
        words = {"file": "indicators.csv", "value": now}
        findings.add(Severity.WARNING, "signed_other", **words, signed=signoff.result[:12])
