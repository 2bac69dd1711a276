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
        The fields with ids, by which features are then named, and with classes.
    measured : iterable of str
        Fields that hold numbers, whatever their type says.
    """
    about = {"layer": role, "file": raw.file}
    frame = raw.frame
    if not len(frame):
        return
    ids = frame["feature_id"].astype("str")
    if id_field in frame:
        own = as_text(frame[id_field])
        ids = own.where(own != "", ids)
        _report_ids(own, str(id_field), findings, about)
    if class_field in frame and not (as_text(frame[class_field]) != "").any():
        findings.add(Severity.ERROR, "class_field_empty", **about, value=str(class_field))
    for name in (id_field, class_field):
        if name in frame:
            _report_missing(frame[name], ids, findings, about)
    for name in measured:
        if name in frame:
            _report_text(frame[name], ids, findings, about)
    for name, codes in raw.domains.items():
        if name in frame and codes:
            _report_codes(frame[name], ids, set(codes), findings, about)


def _report_ids(ids: pd.Series, field: str, findings: Findings, about: dict[str, str]) -> None:
    """Every id that more than one row has, and how many."""
    counts = ids[ids != ""].value_counts()
    twice = counts[counts > 1]
    if len(twice):
        words = {"feature_id": ids_text(sorted(twice.index)), "value": field}
        rows = int(twice.sum())
        findings.add(Severity.WARNING, "ids_not_unique", **about, **words, count=len(twice), rows=rows)


def _report_missing(column: pd.Series, ids: pd.Series, findings: Findings, about: dict[str, str]) -> None:
    missing = as_text(column) == ""
    if missing.any() and not missing.all():
        words = {"feature_id": ids_text(ids[missing]), "value": str(column.name)}
        findings.add(Severity.INFO, "null_values", **about, **words, count=int(missing.sum()))


def _report_text(column: pd.Series, ids: pd.Series, findings: Findings, about: dict[str, str]) -> None:
    """A column of numbers that is text: the values that are no numbers are named."""
    import pandas as pd

    if pd.api.types.is_numeric_dtype(column):
        return
    words = as_text(column)
    wrong = (words != "") & pd.to_numeric(words, errors="coerce").isna()
    if wrong.any():
        value = f"{column.name}: {ids_text(sorted(words[wrong].unique()))}"
        count = int(wrong.sum())
        findings.add(Severity.ERROR, "no_number", **about, feature_id=ids_text(ids[wrong]), value=value, count=count)
    elif (words != "").any():
        findings.add(Severity.INFO, "numbers_as_text", **about, value=str(column.name))


def _report_codes(
    column: pd.Series, ids: pd.Series, codes: set[str], findings: Findings, about: dict[str, str]
) -> None:
    """The values that the file's own code list doesn't have, each with its rows; the rarest of many are counted."""
    values = as_text(column)
    unknown = (values != "") & ~values.isin(codes)
    rows_of = ids[unknown].groupby(values[unknown].to_numpy())
    most = sorted(rows_of, key=lambda group: (-len(group[1]), group[0]))
    for value, rows in most[:NAMED]:
        words = {"feature_id": ids_text(rows), "value": str(value)}
        findings.add(Severity.WARNING, "outside_domain", **about, **words, field=str(column.name), count=len(rows))
    if len(most) > NAMED:
        rest, rule = str(len(most) - NAMED), f"outside_domain ({column.name})"
        findings.add(Severity.INFO, "more_of_a_rule", **about, value=rest, rule_name=rule)
