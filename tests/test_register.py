"""The register of the 207 things that the plans name, against the inventory, the documents and the layers."""

from __future__ import annotations

import csv
import json
import re
import unicodedata
from functools import cache
from pathlib import Path

import pytest

from tests.conftest import SHARED_DATA

DATA = Path(__file__).resolve().parents[1] / "data"
SHARED = SHARED_DATA.parent
INVENTORY = SHARED / "facts" / "inventory.csv"
OUTLINE, PLAN = "青浦十四五纲要", "青府发〔2022〕16号"
TEXTS = {OUTLINE: "000_adb982ec1bf4c466.txt", PLAN: "004_c5b971c45350e33f.txt"}
COLUMNS = ["row", "inventory_layer", "name", "document", "clause", "status", "file", "feature_ids", "reason"]
STATUSES = {"现状", "在建", "规划", "研究", "政策", "目标"}
REPRINT = 20
"""So many characters of a document in a row are a reprint."""
PARTLY_DRAWN = {16, 17, 29, 30, 48, 55, 56, 57, 119, 143, 149, 163}
"""Rows of several things, or of one wider than what is drawn: they have features and a reason."""

needs_shared = pytest.mark.skipif(not INVENTORY.exists(), reason="../shared with inventory and documents is absent")


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


REGISTER = table(DATA / "register.csv")
by_row = pytest.mark.parametrize("row", REGISTER, ids=lambda row: row["row"])


def parts(cell: str) -> list[str]:
    return [part for part in cell.split(";") if part]


def document(name: str) -> str:
    return (SHARED / "documents" / TEXTS[name]).read_text("utf-8")


def plain(text: str) -> str:
    """Without what scraping and typesetting change: widths of characters, spaces, quotation marks, asterisks."""
    return re.sub(r"[\s*\"“”‘’']", "", unicodedata.normalize("NFKC", text))


def split(text: str, heading: str) -> dict[str, str]:
    """Text by the number in its headings (group 1 of the pattern, at the start of a line); '' is what comes before."""
    head, *rest = re.split(rf"(?m)^\s*{heading}", text)
    return {"": head} | dict(zip(rest[::2], rest[1::2], strict=True))


@cache
def section(clause: str) -> str:
    """What stands in the plan below one clause, such as 一.1, 二（三是）, 四（一）3, 四（三）, 表1 or 引言."""
    chapters = split(document(PLAN), "([一二三四五])、")
    if clause in ("标题", "引言"):
        title, preface = chapters[""].split("“十三五”是青西", 1)
        return title if clause == "标题" else preface
    if clause == "表1":
        return chapters["三"].split("表 1", 1)[1].split("到 2035 年", 1)[0]
    found = re.fullmatch(r"([一二三四五])(?:（([一二三四五六]是?)）)?\.?(\d)?", clause)
    assert found, f"no such clause: {clause}"
    chapter, paragraph, item = found.groups()
    text = chapters[chapter]
    if paragraph:
        text = split(text, "([一二三四五]是)" if paragraph.endswith("是") else r"[（(]([一二三四五六])[)）]")[paragraph]
    return split(text, r"(\d)\s*\.")[item] if item else text


@cache
def features(file: str) -> dict[str, dict]:
    """Properties by id, of one file below data/."""
    read = json.loads((DATA / file).read_text("utf-8"))["features"]
    listed = [feature["properties"] for feature in read]
    return {properties.get("id") or properties["zone_id"]: properties for properties in listed}


def test_columns_and_rows() -> None:
    assert list(REGISTER[0]) == COLUMNS
    assert [row["row"] for row in REGISTER] == [str(i) for i in range(1, 208)]
    raw = (DATA / "register.csv").read_bytes()
    assert not raw.startswith(b"\xef\xbb\xbf")
    assert b"\r" not in raw


@needs_shared
def test_every_thing_of_the_inventory_in_its_order() -> None:
    named = [(row["inventory_layer"], row["name"]) for row in REGISTER]
    assert named == [(row["layer"], row["name"]) for row in table(INVENTORY)]


@needs_shared
def test_document_is_the_one_that_the_inventory_quotes() -> None:
    assert [TEXTS[row["document"]] for row in REGISTER] == [row["seed_file"] for row in table(INVENTORY)]


@by_row
def test_cited_with_status_and_feature_or_reason(row: dict[str, str]) -> None:
    assert row["clause"]
    assert row["status"] in STATUSES
    assert row["feature_ids"] or row["reason"]
    assert bool(row["file"]) == bool(row["feature_ids"])
    assert bool(row["feature_ids"] and row["reason"]) == (int(row["row"]) in PARTLY_DRAWN)


def heading_above(lines: list[str], pattern: str) -> str:
    """The last line that starts with the pattern; empty where there is none."""
    return next((line for line in reversed(lines) if re.match(pattern, line)), "")


@needs_shared
@by_row
def test_clause_holds_the_quote(row: dict[str, str]) -> None:
    quote = plain(table(INVENTORY)[int(row["row"]) - 1]["quote"])
    if row["document"] == PLAN:
        for clause in row["clause"].split("；"):
            assert quote in plain(section(clause)), clause
        return
    lines = [plain(line) for line in document(OUTLINE).splitlines()]
    at = next(i for i, line in enumerate(lines) if quote in line)
    above = lines[: at + 1]
    lost = re.search(r"（文本第(\d+)行）\?$", row["clause"])
    if row["clause"] == "引言":
        assert at == 0
    elif lost:  # the headings there are lost: theme and line of the stored text
        assert at == int(lost[1]) - 1
    else:
        chapter, paragraph, title = re.fullmatch(r"([^（]*)(（.）)?([^（]*)", row["clause"]).groups("")
        assert heading_above(above, r"[一二三四五]、|第.章").startswith(plain(chapter))
        assert heading_above(above, r"\(.\)").startswith(plain(paragraph + title.split("·")[0]))


@by_row
def test_features_exist(row: dict[str, str]) -> None:
    ids = parts(row["feature_ids"])
    known = {id_ for file in parts(row["file"]) for id_ in features(file)}
    assert len(ids) == len(set(ids))
    assert set(ids) <= known
    for file in parts(row["file"]):
        assert set(ids) & set(features(file)), f"none of the features is in {file}"


@by_row
def test_study_is_never_drawn_as_planned(row: dict[str, str]) -> None:
    if row["status"] == "研究":
        drawn = [features(file)[id_] for file in parts(row["file"]) for id_ in parts(row["feature_ids"])]
        assert {properties["plan_status"] for properties in drawn} <= {"研究"}


@pytest.mark.parametrize("path", sorted((DATA / "layers").glob("*.geojson")), ids=lambda path: path.stem)
def test_a_feature_that_names_a_document_names_the_clause(path: Path) -> None:
    for id_, properties in features(f"layers/{path.name}").items():
        documents = (properties.get("document") or "").split("; ")
        clauses = (properties.get("clause") or "").split("; ")
        assert set(documents) <= {"", OUTLINE, PLAN}, id_
        assert len(documents) == len(clauses), id_
        assert [bool(part) for part in documents] == [bool(part) for part in clauses], id_


def test_every_registered_feature_of_a_layer_cites_its_clause() -> None:
    for row in REGISTER:
        for file in parts(row["file"]):
            for id_ in set(parts(row["feature_ids"])) & set(features(file)):
                if file.startswith("layers/"):
                    assert row["document"] in features(file)[id_]["document"], (row["row"], id_)
                    assert row["clause"] in features(file)[id_]["clause"], (row["row"], id_)


def test_five_towns_are_never_resolved_by_their_name() -> None:
    named = {row["name"]: row["feature_ids"] for row in REGISTER if "五镇" in row["name"]}
    qingdong, pilot = named['青东"五镇"(不是先行启动区五镇!)'], named['先行启动区"五镇"']
    assert set(parts(qingdong)) == {f"310118{code}" for code in ("105", "106", "107", "109", "110")}
    assert not set(parts(qingdong)) & set(parts(pilot))


def test_lanlu_is_four_things() -> None:
    wanted = {"water-lanlu", "corridor-lanlu", "forest-lanlu", "waterway-lanlu"}
    assert wanted <= {id_ for row in REGISTER for id_ in parts(row["feature_ids"])}


@needs_shared
def test_no_sentence_is_reprinted() -> None:
    """No run of characters; a name of the inventory that lists several is looked at name by name."""
    runs = set()
    for name in TEXTS:
        text = plain(document(name))
        runs |= {text[i : i + REPRINT] for i in range(len(text) - REPRINT + 1)}
    for row in REGISTER:
        cells = [row[column] for column in COLUMNS if column != "name"] + re.split("[、/]", row["name"])
        for cell in map(plain, cells):
            assert not {cell[i : i + REPRINT] for i in range(len(cell) - REPRINT + 1)} & runs, (row["row"], cell)
