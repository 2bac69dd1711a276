"""Faults of attributes: ids used twice, missing values, codes outside the file's own lists, numbers written as text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from qpgis.findings import Findings, Severity, ids_text
from qpgis.layers import as_text
from qpgis.quality.geometry import NAMED

if TYPE_CHECKING:
    import pandas as pd

    from qpgis.sources import RawFeatures


def check_fields(
    raw: RawFeatures,
    findings: Findings,
    *,
    role: str = "",
    id_field: str | None = None,
    class_field: str | None = None,
    declared: Iterable[str] = (),
    measured: Iterable[str] = (),
) -> None:
    """Name what is wrong with the attributes of a file.

    Parameters
    ----------
    raw : RawFeatures
        The file's features or rows.
    findings : Findings
        Takes the faults.
    role : str
        What the findings name as layer.
    id_field, class_field : str, optional
        The fields with ids and with classes.
    declared : iterable of str
        Further fields that the workspace uses: missing values are counted.
    measured : iterable of str
        Fields that hold numbers, whatever their type says.
    """
    about = {"layer": role, "file": raw.file}
    frame = raw.frame
    if not len(frame):
        return
    if id_field in frame:
        _report_ids(frame, str(id_field), findings, about)
    if class_field in frame and not (as_text(frame[class_field]) != "").any():
        findings.add(Severity.ERROR, "class_field_empty", **about, value=str(class_field))
    for name in dict.fromkeys([*declared, *(name for name in (id_field, class_field) if name)]):
        if name in frame:
            _report_missing(frame, name, findings, about)
    for name in measured:
        if name in frame:
            _report_text(frame, name, findings, about)
    for name, codes in raw.domains.items():
        if name in frame and codes:
            _report_codes(frame, name, set(codes), findings, about)


def _report_ids(frame: pd.DataFrame, field: str, findings: Findings, about: dict[str, str]) -> None:
    """Every id that more than one row has, and how many."""
    ids = as_text(frame[field])
    counts = ids[ids != ""].value_counts()
    twice = counts[counts > 1]
    if len(twice):
        words = {"feature_id": ids_text(sorted(twice.index)), "value": field}
        rows = int(twice.sum())
        findings.add(Severity.WARNING, "ids_not_unique", **about, **words, count=len(twice), rows=rows)


def _report_missing(frame: pd.DataFrame, field: str, findings: Findings, about: dict[str, str]) -> None:
    missing = (as_text(frame[field]) == "").to_numpy()
    if missing.any() and not missing.all():
        words = {"feature_id": ids_text(frame.loc[missing, "feature_id"].astype(str)), "value": field}
        findings.add(Severity.INFO, "null_values", **about, **words, count=int(missing.sum()))


def _report_text(frame: pd.DataFrame, field: str, findings: Findings, about: dict[str, str]) -> None:
    """A column of numbers that is text: the values that are no numbers are named."""
    import pandas as pd

    if pd.api.types.is_numeric_dtype(frame[field]):
        return
    words = as_text(frame[field])
    wrong = ((words != "") & pd.to_numeric(words, errors="coerce").isna()).to_numpy()
    if wrong.any():
        ids = ids_text(frame.loc[wrong, "feature_id"].astype(str))
        value = f"{field}: {ids_text(sorted(words[wrong].unique()))}"
        findings.add(Severity.ERROR, "no_number", **about, feature_id=ids, value=value, count=int(wrong.sum()))
    elif (words != "").any():
        findings.add(Severity.INFO, "numbers_as_text", **about, value=field)


def _report_codes(frame: pd.DataFrame, field: str, codes: set[str], findings: Findings, about: dict[str, str]) -> None:
    """The values that the file's own code list doesn't have, each with its rows; the rarest of many are counted."""
    values = as_text(frame[field])
    unknown = ((values != "") & ~values.isin(codes)).to_numpy()
    ids = frame.loc[unknown, "feature_id"].astype(str).groupby(values[unknown].to_numpy())
    most = sorted(ids, key=lambda group: (-len(group[1]), group[0]))
    for value, rows in most[:NAMED]:
        words = {"feature_id": ids_text(rows), "value": str(value)}
        findings.add(Severity.WARNING, "outside_domain", **about, **words, field=field, count=len(rows))
    if len(most) > NAMED:
        rest = str(len(most) - NAMED)
        findings.add(Severity.INFO, "more_of_a_rule", **about, value=rest, rule_name=f"outside_domain ({field})")
