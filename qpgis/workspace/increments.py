"""Layers brought up to date by files of what changed, as the yearly land survey delivers it (变更调查增量)."""

from __future__ import annotations

import hashlib
from dataclasses import fields, replace

from qpgis.findings import Findings, Severity, ids_text
from qpgis.layers import Layer, Ledger
from qpgis.overlay import erased, united
from qpgis.provenance import Source, worst


def brought_up_to_date(
    layer: Layer, ledger: Ledger, changes: Layer, changed: Ledger, findings: Findings
) -> tuple[Layer, Ledger]:
    """A layer with changed polygons in place of what lies beneath them.

    Parameters
    ----------
    layer, changes : Layer
        The polygons as they were, and those that changed; what is beneath these goes, parts of polygons too.
    ledger, changed : Ledger
        What became of the rows of both.
    findings : Findings
        Takes which polygons are gone.

    Returns
    -------
    Layer, Ledger
        Rows of polygons that are wholly covered count as dropped.
    """
    source = _source(layer.source, changes.source)
    left = erased(layer, changes.geometry, source)
    gone = layer.frame.loc[~layer.frame["feature_id"].isin(left.frame["feature_id"]), "feature_id"]
    words = {"layer": layer.kind, "file": changes.source.file, "feature_id": ids_text(gone)}
    findings.add(Severity.INFO, "brought_up_to_date", **words, value=str(len(changes)))
    both = Ledger(**{one.name: getattr(ledger, one.name) + getattr(changed, one.name) for one in fields(Ledger)})
    covered = len(layer) - len(left)
    return united(left, changes, source), replace(both, used=both.used - covered, dropped=both.dropped + covered)


def _source(before: Source, changes: Source) -> Source:
    """The source of a layer made of two files: the worse grade, the later date, one hash of both."""
    grade = worst([before.grade, changes.grade])
    assert grade is not None
    sha256 = hashlib.sha256(f"{before.sha256} {changes.sha256}".encode()).hexdigest()
    return replace(before, grade=grade, date=max(before.date, changes.date), sha256=sha256)
