"""Attributes of a table joined to the features of a layer by a key; what finds no partner is counted and named."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import pandas as pd

from qpgis.errors import LayerError, did_you_mean
from qpgis.findings import Findings, Severity, ids_text
from qpgis.layers import as_text
from qpgis.naming import folded
from qpgis.sources import RawFeatures


@dataclass(frozen=True)
class Match:
    """How the keys of features meet the keys of a table.

    Attributes
    ----------
    rows : Series of int
        For each feature the position of its row in the table, -1 where there is none.
    without_row : tuple of str
        Keys of features that the table lacks, each once.
    without_feature : tuple of str
        Keys of the table that no feature has.
    repeated : tuple of str
        Keys that stand in the table more than once: which row is meant isn't known.
    folded : tuple of str
        Keys that only match once width, case and traditional characters are set aside.
    unkeyed : int
        Rows of the table without a key.
    """

    rows: pd.Series
    without_row: tuple[str, ...]
    without_feature: tuple[str, ...]
    repeated: tuple[str, ...]
    folded: tuple[str, ...]
    unkeyed: int


def match(features: Iterable[str], table: Iterable[str]) -> Match:
    """Find for each feature's key its row in a table; empty keys match nothing.

    >>> found = match(["朱家角镇", "金泽镇", ""], ["朱家角鎮", "练塘镇"])
    >>> found.rows.tolist(), found.without_row, found.without_feature, found.folded
    ([0, -1, -1], ('金泽镇',), ('练塘镇',), ('朱家角镇',))
    """
    ours, theirs = pd.Series(list(features), dtype="str"), pd.Series(list(table), dtype="str")
    plain, keys = _folded(ours), _folded(theirs)
    named = keys[keys != ""]
    first = named[~named.duplicated()]
    position = pd.Series(first.index, index=first.to_numpy())
    rows = plain.map(position).fillna(-1).astype("int64")
    rows[plain == ""] = -1
    partner = theirs.reindex(rows[rows >= 0]).to_numpy()
    unlike = ours[rows >= 0][ours[rows >= 0].to_numpy() != partner]
    return Match(
        rows,
        _once(ours[(rows < 0) & (plain != "")]),
        _once(theirs[(keys != "") & ~keys.isin(plain)]),
        _once(theirs[keys.isin(named[named.duplicated()])]),
        _once(unlike),
        int((keys == "").sum()),
    )


def _folded(column: pd.Series) -> pd.Series:
    words = {word: folded(word) for word in column.unique()}
    return column.map(words)


def _once(column: pd.Series) -> tuple[str, ...]:
    return tuple(dict.fromkeys(column))


def joined(
    raw: RawFeatures,
    table: RawFeatures,
    *,
    on: str,
    key: str,
    role: str,
    findings: Findings,
) -> RawFeatures:
    """The features with the table's columns beside their own; a column that both have keeps the features' values.

    Parameters
    ----------
    raw, table : RawFeatures
        Features, and the table whose rows describe them.
    on, key : str
        The field of the features, and that of the table, that say which row belongs to which feature.
    role : str
        The layer, for findings.

    Raises
    ------
    LayerError
        If a field isn't there, or a key that features use stands in the table more than once.
    """
    for one, name in ((raw, on), (table, key)):
        if name not in one.frame:
            fields = [c for c in one.frame.columns if c != one.frame.geometry.name]
            raise LayerError(f"layer {role!r} ({one.file}): no field {name!r} to join by, {did_you_mean(name, fields)}")
    ours, theirs = as_text(raw.frame[on]), as_text(table.frame[key])
    found = match(ours, theirs)
    if used := [word for word in found.repeated if folded(word) in set(_folded(ours))]:
        raise LayerError(
            f"layer {role!r} ({table.file}): {ids_text(used)} stand more than once in {key!r}; "
            "which row is meant isn't known, keep one of each"
        )
    report(found, table.file, len(ours), role, findings)
    kept = raw.frame.columns
    new = [c for c in table.frame.columns if c not in (*kept, key, table.frame.geometry.name)]
    columns = table.frame[new].reset_index(drop=True).reindex(found.rows.where(found.rows >= 0)).reset_index(drop=True)
    return replace(raw, frame=raw.frame.join(columns))


def report(found: Match, file: str, features: int, role: str, findings: Findings) -> None:
    """Name what a join loses and what it only finds by setting spelling aside."""
    about = {"layer": role, "file": file}
    lost = int((found.rows < 0).sum())
    if lost:
        words = {"feature_id": ids_text(found.without_row), "value": f"{lost} / {features}"}
        findings.add(Severity.WARNING, "join_without_row", **about, **words)
    if found.without_feature:
        words = {"feature_id": ids_text(found.without_feature), "value": str(len(found.without_feature))}
        findings.add(Severity.WARNING, "join_without_feature", **about, **words)
    if found.unkeyed:
        findings.add(Severity.WARNING, "join_row_without_key", **about, value=str(found.unkeyed))
    if found.folded:
        findings.add(
            Severity.INFO, "join_by_folding", **about, feature_id=ids_text(found.folded), value=str(len(found.folded))
        )
