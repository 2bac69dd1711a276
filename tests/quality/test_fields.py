"""Faults of attributes on tables of a few rows."""

from __future__ import annotations

from collections.abc import Iterable

import geopandas as gpd

from qpgis.findings import Finding, Findings
from qpgis.quality.fields import check_fields
from qpgis.sources import RawFeatures


def checked(domains: dict[str, dict[str, str]] | None = None, /, **settings: object) -> dict[str, Finding]:
    """The findings about a table, by rule; columns are given as lists, settings as anything else."""
    columns = {name: settings.pop(name) for name in list(settings) if isinstance(settings[name], list)}
    rows = len(next(iter(columns.values()), []))  # type: ignore[arg-type]
    frame = gpd.GeoDataFrame(
        {"feature_id": [f"f{n}" for n in range(rows)], **columns}, geometry=[None] * rows, crs="EPSG:4549"
    )
    findings = Findings("en")
    check_fields(RawFeatures(frame, "x.gdb", "FileGDB", domains=domains or {}), findings, **settings)  # type: ignore[arg-type]
    return {finding.rule: finding for finding in findings}


def ids(text: str) -> Iterable[str]:
    return text.split("; ")


def test_a_clean_table_has_no_finding() -> None:
    assert not checked(BSM=["1", "2"], area=[1.5, 2.5], id_field="BSM", measured=("area",))
    assert not checked()


def test_ids_that_stand_twice_are_named_and_missing_ones_are_not_ids() -> None:
    rules = checked(BSM=["1", "2", "1", None, None, "1"], id_field="BSM")
    assert rules["ids_not_unique"].feature_id == "1"
    assert "1 ids" in rules["ids_not_unique"].message
    assert "3 features" in rules["ids_not_unique"].message
    assert list(ids(rules["null_values"].feature_id)) == ["f3", "f4"]


def test_missing_values_are_counted_and_features_named_by_their_ids() -> None:
    rules = checked(DLBM=["a", None, "", " "], BSM=["10", "11", "12", "13"], id_field="BSM", class_field="DLBM")
    assert rules["null_values"].severity.value == "info"
    assert rules["null_values"].message.startswith("3 features")
    assert list(ids(rules["null_values"].feature_id)) == ["11", "12", "13"]


def test_a_class_field_without_any_class() -> None:
    rules = checked(DLBM=[None, "", None], class_field="DLBM")
    assert set(rules) == {"class_field_empty"}
    assert rules["class_field_empty"].severity.value == "error"


def test_codes_outside_the_files_own_list() -> None:
    domains = {"DLBM": {"0101": "水田", "0102": "水浇地"}}
    rules = checked(domains, DLBM=["0101", "101", "0102", None, "101"])
    assert rules["outside_domain"].value == "101"
    assert list(ids(rules["outside_domain"].feature_id)) == ["f1", "f4"]


def test_whole_numbers_stand_in_a_list_of_codes() -> None:
    assert not checked({"kind": {"1": "one", "2": "two"}}, kind=[1, 2, 1])


def test_numbers_as_text_are_said_and_what_is_no_number_is_an_error() -> None:
    assert set(checked(TBMJ=["12.5", "", "7"], measured=("TBMJ",))) == {"numbers_as_text"}
    rules = checked(TBMJ=["12.5", "68,500", "7 亩"], measured=("TBMJ",))
    assert set(rules) == {"no_number"}
    assert rules["no_number"].value == "TBMJ: 68,500; 7 亩"
    assert list(ids(rules["no_number"].feature_id)) == ["f1", "f2"]
