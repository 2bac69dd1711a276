"""Land-use schemes and crosswalks: against the published code lists, by hand, and by what must hold for every one."""

from __future__ import annotations

import json
from fractions import Fraction

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import qpgis as qp
from qpgis.catalogue import read_toml
from qpgis.cli import main
from qpgis.errors import ConfigError
from qpgis.findings import Finding
from qpgis.landuse import Written, better_fit, class_words, crosswalk, crosswalks, scheme, schemes
from qpgis.layers import LAYERS
from tests.conftest import Maker, frame, layer, square

WETLAND = "0303 0304 0306 0402 0603 1105 1106 1108"
"""Codes that 三调 has in 00 湿地, and GB/T 21010-2017 in an appendix."""

SURVEY = """
00 01 0101 0102 0103 02 0201 0202 0203 0204 03 0301 0302 0305 0307 04 0401 0403 0404 05 05H1 0508 06 0601 0602
07 0701 0702 08 08H1 08H2 0809 0810 09 10 1001 1002 1003 1004 1005 1006 1007 1008 1009
11 1101 1102 1103 1104 1107 1109 1110 12 1201 1202 1203 1204 1205 1206 1207
"""
SUFFIXED = "0810A 08H2A 1104A 1104K 1107A 0201K 0202K 0203K 0204K 0301K 0302K 0307K 0403K"
STANDARD = {
    "01": 3, "02": 4, "03": 7, "04": 4, "05": 7, "06": 4, "07": 2, "08": 10, "09": 6, "10": 9, "11": 10, "12": 7,
}  # fmt: skip
"""How many second-level classes each first-level class of GB/T 21010-2017 has: 73 in all."""

PLANNING = """
01 02 0201 0202 0203 0204 0205 03 0301 0302 0303 0304 04 0401 0402 0403 05 0501 0502 0503 0504 0505 0506 0507
06 0601 060101 060102 0602 07 0701 0702 0703 0704 08 0801 0802 0803 0804 0805 0806 0807 09 10 1001 11
12 1201 1202 1203 1204 1205 1206 1207 1208 1209 13 14 1401 1402 1403 15 16 17 1701 1702 1703 1704 1705 1706
18 19 20 21 22 23 24
"""

CODED = tuple(name for name in schemes() if scheme(name).digits)


def raw(name: str) -> list[dict]:
    rows = read_toml("schemes", f"{name}.toml")["classes"]
    assert isinstance(rows, list)
    return rows


def test_there_are_the_schemes_that_planners_have() -> None:
    assert set(schemes()) == {"sandiao", "gbt21010_2017", "ydyh_2023", "ydyh_2020", "worldcover", "osm_landuse"}


@pytest.mark.parametrize("name", schemes())
def test_every_scheme_is_sound(name: str) -> None:
    table, codes = scheme(name), [row["code"] for row in raw(name)]
    assert len(codes) == len(set(codes)) == len(table.classes)
    assert table.id == name
    assert all((table.title, table.title_en, table.source, table.standing))
    known_water = set(class_words("water").values()) | {""}
    for row in raw(name):
        assert set(row) <= {"code", "name", "name_en", "also", "group", "layer", "class", "construction", "rgb"}
        assert row["name"].strip()
        assert row.get("layer", "") in {"", *LAYERS}
        assert all(isinstance(part, int) and 0 <= part <= 255 for part in row.get("rgb", []))
        assert len(row.get("rgb", [0, 0, 0])) == 3
        assert row.get("layer") != "water" or row.get("class", "") in known_water
        assert row.get("layer") != "optional" or row.get("class") in set(class_words("optional").values())


@pytest.mark.parametrize("name", CODED)
def test_every_level_above_a_code_has_a_row(name: str) -> None:
    for code in scheme(name).classes:
        digits = code.rstrip("AK") if code not in ("08H2A",) else "08H2"
        above = [digits[:n] for n in range(2, len(digits), 2)]
        assert all(one in scheme(name).classes for one in above), (code, above)


@pytest.mark.parametrize("name", CODED)
def test_names_of_a_scheme_tell_its_classes_apart(name: str) -> None:
    names = [word for row in raw(name) for word in (row["name"], *row.get("also", []))]
    assert len(names) == len(set(names))


def test_the_survey_is_complete() -> None:
    expected = {*SURVEY.split(), *WETLAND.split(), *SUFFIXED.split()}
    assert set(scheme("sandiao").classes) - {"1208"} == expected
    assert {code for code, row in scheme("sandiao").classes.items() if row.group == "00"} == set(WETLAND.split())


def test_the_standard_has_12_and_73_classes() -> None:
    codes = set(scheme("gbt21010_2017").classes)
    assert codes == {*STANDARD, *(f"{one}{n:02}" for one, many in STANDARD.items() for n in range(1, many + 1))}
    assert (len([c for c in codes if len(c) == 2]), len([c for c in codes if len(c) == 4])) == (12, 73)


def test_the_guide_of_2023_has_the_published_classes() -> None:
    assert set(PLANNING.split()) <= set(scheme("ydyh_2023").classes)
    assert {len(code) for code in scheme("ydyh_2023").classes} == {2, 4, 6}


def test_the_trial_edition_differs_where_that_is_known() -> None:
    new, old = scheme("ydyh_2023").classes, scheme("ydyh_2020").classes
    assert (new["0204"].name, old["0204"].name) == ("油料园地", "其他园地")
    assert (old["0601"].name, old["0602"].name) == ("乡村道路用地", "种植设施建设用地")
    assert (old["1311"].name, old["1312"].name) == ("干渠", "水工设施用地")
    assert "unverified" in scheme("ydyh_2020").standing


@pytest.mark.parametrize(
    ("code", "survey", "standard", "guide"),
    [
        ("1101", "河流水面", "河流水面", "物流仓储用地"),
        ("0601", "工业用地", "工业用地", "农村道路"),
        ("1001", "铁路用地", "铁路用地", "工业用地"),
        ("1003", "公路用地", "公路用地", "盐田"),
        ("0303", "红树林地", "红树林地", "灌木林地"),
        ("0304", "森林沼泽", "森林沼泽", "其他林地"),
        ("0402", "沼泽草地", "沼泽草地", "人工牧草地"),
        ("0701", "城镇住宅用地", "城镇住宅用地", "城镇住宅用地"),
        ("0702", "农村宅基地", "农村宅基地", "城镇社区服务设施用地"),
    ],
)
def test_one_code_is_another_thing_in_another_scheme(code: str, survey: str, standard: str, guide: str) -> None:
    names = [scheme(one).classes[code].name for one in ("sandiao", "gbt21010_2017", "ydyh_2023")]
    assert names == [survey, standard, guide]


def test_land_cover_has_its_published_values_and_colours() -> None:
    published = {
        "10": "#006400", "20": "#ffbb22", "30": "#ffff4c", "40": "#f096ff", "50": "#fa0000", "60": "#b4b4b4",
        "70": "#f0f0f0", "80": "#0064c8", "90": "#0096a0", "95": "#00cf75", "100": "#fae6a0",
    }  # fmt: skip
    assert {code: row.colour for code, row in scheme("worldcover").classes.items()} == published


def test_values_without_levels_are_no_prefixes() -> None:
    cover = scheme("worldcover")
    assert cover.lookup("1000") is None
    assert not cover.knows("1")
    assert cover.members("forest", ["10", "100"], ["10"]) == {"10": ""}


def test_words_of_openstreetmap_have_the_layers_of_their_tags() -> None:
    tagged = {
        (value, kind)
        for kind, rule in read_toml("schemes", "osm.toml")["layers"].items()
        for key, _, value in (tag.partition("=") for tag in rule["any"])
        if key in ("landuse", "natural", "leisure") and rule["geometry"] == "polygon"
    }
    rows = scheme("osm_landuse").classes
    layers = {(code, row.layer) for code, row in rows.items() if row.layer not in ("", "optional")}
    built = {(code, "construction") for code, row in rows.items() if row.construction}
    assert layers | built == tagged
    assert (rows["reservoir"].class_, rows["basin"].class_) == ("reservoir", "pond")


# codes as files write them


@pytest.mark.parametrize(
    ("code", "row"),
    [
        ("0101", "0101"),
        ("010101", "0101"),  # finer than the scheme
        ("0199", "01"),
        ("0305K", "0305"),  # 可调整
        ("1104K", "1104K"),  # 可调整养殖坑塘: a fish pond, not the pond that its digits say
        ("0810A", "0810A"),
        ("0901", "09"),
        ("101", None),  # ends within a level: 水田 without its zero, not 交通运输用地
        ("0101A", None),  # no such suffix
        ("08H3", None),
        ("1301", None),
        ("", None),
    ],
)
def test_a_code_counts_as_the_longest_row_above_it(code: str, row: str | None) -> None:
    found = scheme("sandiao").lookup(code)
    assert (found.code if found else None) == row


def test_suffixes_keep_their_meaning() -> None:
    rows = scheme("sandiao").classes
    assert (rows["1104A"].class_, rows["1104K"].class_, rows["1104"].class_) == ("fish_pond", "fish_pond", "pond")
    assert (rows["1107A"].class_, rows["1107"].class_) == ("trunk_canal", "canal")
    assert (rows["0810"].layer, rows["0810A"].layer) == ("park", "optional")
    assert {rows[code].layer for code in ("0201K", "0202K", "0203K", "0204K")} == {"orchard"}


def test_what_a_scheme_lists() -> None:
    table = scheme("sandiao")
    assert all(table.lists(code) for code in ("0101", "0301K", "0305K", "09", "08H2A"))
    assert not any(table.lists(code) for code in ("0199", "010101", "0501", "0901", "9X", ""))


def test_wetland_of_the_survey_is_chosen_as_00_and_not_by_its_digits() -> None:
    codes = ["0301", "0303", "0307", "1106", "0101"]
    assert set(scheme("sandiao").members("wetland", codes, ["00"])) == {"0303", "1106"}
    assert set(scheme("sandiao").members("forest", codes, ["03"])) == {"0301", "0307"}
    assert set(scheme("sandiao").members("forest", codes, ["03", "0303"])) == {"0301", "0303", "0307"}


@pytest.mark.parametrize(
    ("value", "code", "written"),
    [
        ("0101", "0101", Written.AS_LISTED),
        ("０１０１", "0101", Written.OTHERWISE),
        (" 01 01\t", "0101", Written.OTHERWISE),
        ("0101.0", "0101", Written.OTHERWISE),
        ("08h2a", "08H2A", Written.OTHERWISE),
        ("0101水田", "0101", Written.OTHERWISE),
        ("0101-水田", "0101", Written.OTHERWISE),
        ("水田（0101）", "0101", Written.OTHERWISE),
        ("05H1商业服务业设施用地", "05H1", Written.OTHERWISE),
        ("水田", "0101", Written.AS_NAME),
        ("河流水面", "1101", Written.AS_NAME),
        ("园地", "02", Written.AS_NAME),
        ("可调整养殖坑塘", "1104K", Written.AS_NAME),
        ("101", "0101", Written.WITHOUT_ZERO),
        ("810", "0810", Written.WITHOUT_ZERO),
        ("5H1", "05H1", Written.WITHOUT_ZERO),
        ("1", "01", Written.WITHOUT_ZERO),
        ("1101", "1101", Written.AS_LISTED),
        ("310118001", "", Written.UNKNOWN),
        ("水", "", Written.UNKNOWN),
        ("9X", "", Written.UNKNOWN),
        ("", "", Written.UNKNOWN),
    ],
)
def test_values_are_read_as_codes(value: str, code: str, written: Written) -> None:
    reading = scheme("sandiao").read(value)
    assert (reading.code, reading.written) == (code, written)


def test_another_scheme_is_named_only_if_it_fits_clearly_better() -> None:
    def best(declared: str, *codes: str) -> str:
        better = better_fit(scheme(declared), [(code, "") for code in codes])
        return better.scheme.id if better else ""

    guide = ("0101", "060101", "0703", "0803", "1401", "1701", "2303")
    assert best("sandiao", *guide) == "ydyh_2023"
    assert best("ydyh_2020", *guide, "0205", "060203") == "ydyh_2023"
    assert best("ydyh_2023", "0101", "05H1", "08H2", "1101") == "sandiao"
    assert best("sandiao", "0101", "0501", "0505", "0801", "0906") == "gbt21010_2017"
    assert best("sandiao", "10", "20", "40", "80", "100") == "worldcover"
    assert best("sandiao", "0101", "0301", "9X", "1101") == ""  # one fault is no other scheme
    assert best("sandiao", "0101", "1101", "0601") == ""  # several know all of them
    assert best("sandiao", *SURVEY.split()) == ""
    assert best("sandiao") == ""


def test_names_beside_codes_tell_schemes_apart_that_share_them() -> None:
    pairs = [("1101", "物流仓储用地"), ("0601", "农村道路"), ("1001", "工业用地"), ("0101", "水田")]
    better = better_fit(scheme("sandiao"), pairs)
    assert better is not None
    assert (better.scheme.id, better.share, better.declared) == ("ydyh_2023", 1, 0.25)
    assert better_fit(scheme("ydyh_2023"), pairs) is None
    places = [("1101", "太浦河"), ("0101", "张家田")]
    assert better_fit(scheme("sandiao"), places) is None


# in a workspace


LANDUSE = layer("landuse", 'id_field = "number"', 'class_field = "code"', 'scheme = "sandiao"')


def opened(workspace: Maker, toml: str, codes: list, **columns: list) -> qp.Workspace:
    numbers = [str(n) for n in range(len(codes))]
    parcels = frame([square(100 * int(n), 0, 100, 1000) for n in numbers], code=codes, number=numbers, **columns)
    return qp.open_workspace(workspace(toml, landuse=parcels))


def found(ws: qp.Workspace, rule: str) -> list[Finding]:
    return [finding for finding in ws.findings if finding.rule == rule]


def codes_of(ws: qp.Workspace, kind: str = "landuse") -> list[str]:
    return list(ws.layers[kind].frame["class_"])


def test_oddly_written_codes_are_read_and_said(workspace: Maker) -> None:
    ws = opened(workspace, LANDUSE, ["０１０１", "0301 ", "1101河流水面", "0101"])
    assert codes_of(ws) == ["0101", "0301", "1101", "0101"]
    (said,) = found(ws, "code_spelled")
    assert (said.severity, said.value) == ("info", "1101河流水面 → 1101; ０１０１ → 0101")


def test_names_instead_of_codes_are_read_and_said(workspace: Maker) -> None:
    ws = opened(workspace, LANDUSE + '[layers.water]\nfrom = "landuse"\n', ["水田", "河流水面", "水田", "养殖坑塘"])
    assert codes_of(ws) == ["0101", "1101", "0101", "1104A"]
    assert codes_of(ws, "water") == ["river", "fish_pond"]
    (said,) = found(ws, "code_named")
    assert (said.severity, said.feature_id) == ("info", "0; 1; 2; 3")


@pytest.mark.parametrize("codes", [[101, 301, 1101], ["101", "301", "1101"], [101.0, 301.0, 1101.0]])
def test_zeros_that_a_whole_column_lost_are_put_back(workspace: Maker, codes: list) -> None:
    ws = opened(workspace, LANDUSE, codes)
    assert codes_of(ws) == ["0101", "0301", "1101"]
    (said,) = found(ws, "codes_without_zeros")
    assert (said.severity, said.value, said.feature_id) == ("warning", "101 → 0101; 301 → 0301", "0; 1")
    assert not found(ws, "unknown_code")
    assert not found(ws, "scheme_mismatch")


def test_a_zero_lost_in_some_rows_is_not_guessed(workspace: Maker) -> None:
    ws = opened(workspace, LANDUSE + '[layers.farmland]\nfrom = "landuse"\n', ["0101", "101", "1101"])
    assert codes_of(ws) == ["0101", "101", "1101"]
    assert len(ws.layers["farmland"]) == 1
    (said,) = found(ws, "code_lost_zero")
    assert (said.severity, said.value, said.feature_id) == ("error", "101 → 0101", "1")


def test_a_code_that_only_has_a_level_above_is_said(workspace: Maker) -> None:
    ws = opened(workspace, LANDUSE + '[layers.forest]\nfrom = "landuse"\n', ["0301", "0399", "0301K"])
    assert len(ws.layers["forest"]) == 3
    (said,) = found(ws, "code_not_listed")
    assert (said.severity, said.value, said.feature_id) == ("warning", "0399", "1")
    assert "03 林地" in said.message


def test_codes_against_their_names_are_said(workspace: Maker) -> None:
    toml = LANDUSE + 'name_field = "DLMC"\n'
    names = ["水田", "旱地", "果园", "河流水面", "湿地", "王家浜", ""]
    ws = opened(workspace, toml, ["0101", "0101", "0201K", "1101", "1106", "1101", "0102水田"], DLMC=names)
    said = found(ws, "code_against_name")
    assert {(one.severity, one.value, one.feature_id) for one in said} == {
        ("warning", "0101 旱地", "1"),
        ("warning", "0102 水田", "6"),
    }


def test_codes_of_another_scheme_are_an_error(workspace: Maker) -> None:
    guide = ["0101", "0703", "0803", "1401", "1701", "060101"]
    ws = opened(workspace, LANDUSE, guide)
    (said,) = found(ws, "scheme_mismatch")
    # of these the survey lists 0101 only
    assert (said.severity, said.value) == ("error", "sandiao 17%; ydyh_2023 100%")
    assert 'scheme = "ydyh_2023"' in said.action
    fitting = opened(workspace, LANDUSE.replace("sandiao", "ydyh_2023"), guide)
    assert not {"scheme_mismatch", "unknown_code", "code_not_listed"} & {one.rule for one in fitting.findings}


def test_a_field_that_holds_no_codes_is_named_in_few_lines(workspace: Maker) -> None:
    ws = opened(workspace, LANDUSE, [f"P{n}" for n in range(300)])
    said = found(ws, "unknown_code")
    assert len(said) == 21
    assert sum(len(one.feature_id.split("; ")) for one in said[:20]) == 20
    assert "(+260)" in said[-1].value or "(+260)" in " ".join(one.value for one in said)


# crosswalks


def test_there_are_the_crosswalks_that_planners_need() -> None:
    assert crosswalks() == ("gbt21010_2017-sandiao", "sandiao-ydyh_2023", "ydyh_2020-ydyh_2023")
    with pytest.raises(ConfigError, match="no crosswalk from 'ydyh_2023' to 'sandiao'; there are gbt21010_2017-sand"):
        crosswalk("ydyh_2023", "sandiao")


@pytest.mark.parametrize("name", crosswalks())
def test_every_crosswalk_is_sound(name: str) -> None:
    walk = crosswalk(*name.split("-"))
    assert walk.id == name
    assert walk.standing
    for code in walk.source.classes:
        targets = walk.targets(code)
        assert targets, f"{code} has no class in {walk.target.id}"
        assert set(targets) <= set(walk.target.classes)
        assert len(targets) == len(set(targets))
    for code, links in walk.links.items():
        assert code in walk.source.classes
        assert {link.kind for link in links} <= {"exact", "part", "context"}
        assert {link.source for link in links} <= {"found", "known"}
        assert (len(links) == 1) == (links[0].kind == "exact") == (not walk.ambiguous(code))


@pytest.mark.parametrize("name", crosswalks())
def test_a_certain_class_bears_the_same_name_or_is_known_not_found(name: str) -> None:
    walk = crosswalk(*name.split("-"))
    for code, links in walk.links.items():
        row = walk.source.classes[code]
        for link in (one for one in links if one.source == "found"):
            assert set(walk.target.classes[link.target].names) & {*row.names, f"种植{row.name}"}, (code, link)


@pytest.mark.parametrize(
    ("code", "targets"),
    [
        ("0101", {"0101"}),
        ("0301K", {"0301"}),
        ("0204", {"0204", "0205"}),  # 其他园地 lost 油料园地
        ("0303", {"0507"}),  # 红树林地
        ("1106", {"0506"}),
        ("0603", {"1003"}),
        ("0601", {"1001"}),
        ("0702", {"0703"}),
        ("0810", {"1401", "1402"}),
        ("0810A", {"1403"}),
        ("1006", {"0601"}),
        ("1101", {"1701"}),
        ("1104A", {"1704"}),
        ("1104K", {"1704"}),
        ("1203", {"2303"}),
        ("0901", {"15"}),
        ("11", {"0505", "0506", "0504", "1701", "1702", "1703", "1704", "1705", "1311", "1706"}),
        ("9X", set()),
    ],
)
def test_the_survey_in_classes_of_the_guide(code: str, targets: set[str]) -> None:
    walk = crosswalk("sandiao", "ydyh_2023")
    assert set(walk.targets(code)) == targets
    assert walk.ambiguous(code) == (len(targets) > 1)


def test_the_standard_in_classes_of_the_survey() -> None:
    walk = crosswalk("gbt21010_2017", "sandiao")
    assert [walk.targets(code) for code in ("0501", "0507", "0604", "0802", "0808")] == [
        ("05H1",),
        ("05H1",),
        ("0508",),
        ("08H1",),
        ("08H2",),
    ]
    for code in WETLAND.split():
        assert walk.targets(code) == (code,)


def test_the_trial_edition_in_classes_of_2023() -> None:
    walk = crosswalk("ydyh_2020", "ydyh_2023")
    assert set(walk.targets("0204")) == {"0204", "0205"}
    assert walk.targets("1312") == ("1311",)  # 水工设施用地
    assert walk.targets("2302") == ("2303",)  # 田坎
    assert walk.targets("0602") == ("060201",)


def test_areas_by_hand() -> None:
    walk = crosswalk("sandiao", "ydyh_2023")
    areas = {"0101": 100, "1104": 20, "1104A": 5, "0810": 7, "0204": 3, "9X": 2}
    made = walk.translate(areas)
    assert dict(made.certain) == {"0101": 100, "1704": 25}
    assert dict(made.ambiguous) == {"0204": 3, "0810": 7}
    assert dict(made.unmapped) == {"9X": 2}
    assert made.total == 137
    assert walk.translate(pd.Series(areas)) == made


@given(
    st.sampled_from(crosswalks()),
    st.dictionaries(
        st.sampled_from(sorted({code for name in CODED for code in scheme(name).classes} | {"9X", "0199", "0305K"})),
        st.fractions(min_value=0, max_value=10**9),
        max_size=60,
    ),
)
def test_a_translation_keeps_the_total(name: str, areas: dict[str, Fraction]) -> None:
    walk = crosswalk(*name.split("-"))
    made = walk.translate(areas)
    assert made.total == sum(areas.values())
    assert set(made.certain) <= set(walk.target.classes)
    assert set(made.ambiguous) <= {code for code in areas if walk.ambiguous(code)}
    assert not any(walk.source.lookup(code) for code in made.unmapped)


REPORTED = LANDUSE + 'report_scheme = "ydyh_2023"\n'


def test_a_workspace_prints_what_may_be_several_classes(workspace: Maker) -> None:
    ws = opened(workspace, REPORTED, ["0101", "0810", "0810", "0204", "9X"])
    assert codes_of(ws) == ["0101", "0810", "0810", "0204", "9X"]  # the file's codes stay
    said = {one.message.split("：")[0]: one for one in found(ws, "crosswalk_ambiguous")}
    assert set(said) == {"0810 公园与绿地", "0204 其他园地"}
    assert {one.severity for one in said.values()} == {"warning"}
    area = {name: float(one.value.removesuffix(" ha")) for name, one in said.items()}
    assert area == pytest.approx({"0810 公园与绿地": 20, "0204 其他园地": 10}, rel=1e-3)  # parcels of 10 ha
    assert "1401 公园绿地、1402 防护绿地" in said["0810 公园与绿地"].message
    (sums,) = found(ws, "crosswalk_areas")
    assert sums.severity == "info"
    assert sums.value.startswith("0101 ")


def test_layers_are_selected_by_the_classes_of_the_report_scheme(workspace: Maker) -> None:
    codes = ["0301", "0810", "0603", "1101", "1107A", "1003"]
    kinds = ("forest", "park", "wetland", "water", "construction")
    toml = REPORTED + "".join(f'[layers.{kind}]\nfrom = "landuse"\n' for kind in kinds)
    ws = opened(workspace, toml, codes)
    taken = {kind: sorted(ws.layers[kind].frame["feature_id"]) for kind in kinds}
    # 0810 is park whichever of the two it is; 盐田 is wetland in the survey but construction in the guide; 干渠 may be
    # 沟渠 or 水工设施, so it is neither water nor construction for certain
    assert taken == {
        "forest": ["0"],
        "park": ["1"],
        "wetland": [],
        "water": ["3"],
        "construction": ["1", "2", "5"],
    }
    assert codes_of(ws, "park") == [""]  # 公园绿地 or 防护绿地
    left = found(ws, "crosswalk_left_out")
    assert {(one.layer, one.severity) for one in left} == {("water", "warning"), ("construction", "warning")}
    assert all(float(one.value.removesuffix(" ha")) == pytest.approx(10, rel=1e-3) for one in left)


def test_classes_are_chosen_in_codes_of_the_report_scheme(workspace: Maker) -> None:
    choose = (
        '[layers.park]\nfrom = "landuse"\nclasses = ["1401"]\n[layers.water]\nfrom = "landuse"\nclasses = ["1701"]\n'
    )
    ws = opened(workspace, REPORTED + choose, ["0810", "1101", "0508"])
    assert len(ws.layers["park"]) == 0
    assert codes_of(ws, "water") == ["river"]
    (left,) = found(ws, "crosswalk_left_out")
    assert (left.layer, left.message.split("：")[0]) == ("park", "0810 公园与绿地")


def test_land_use_that_is_known_to_be_none_gives_empty_layers(workspace: Maker) -> None:
    toml = '[layers.landuse]\nempty_because = "all sea"\nscheme = "sandiao"\n[layers.water]\nfrom = "landuse"\n'
    assert len(qp.open_workspace(workspace(toml)).layers["water"]) == 0


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        (LANDUSE + 'report_scheme = "ydyh_2024"\n', "unknown land-use scheme 'ydyh_2024'"),
        (LANDUSE + 'report_scheme = "worldcover"\n', "no crosswalk from 'sandiao' to 'worldcover'"),
        (layer("forest", 'report_scheme = "ydyh_2023"'), "report_scheme goes with scheme"),
        (REPORTED + '[layers.water]\nfrom = "landuse"\nclasses = ["05H1"]\n', "no class '05H1' in scheme 'ydyh_2023'"),
    ],
)
def test_report_schemes_that_could_only_be_a_mistake_are_refused(workspace: Maker, toml: str, message: str) -> None:
    parcels = frame([square(0, 0)], code=["0301"], number=["1"])
    with pytest.raises(ConfigError) as caught:
        qp.open_workspace(workspace(toml, landuse=parcels, forest=parcels))
    assert message in str(caught.value)


def test_the_command_lists_schemes_and_crosswalks(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "schemes", "--json"]) == 0
    rows = {row["id"]: row for row in json.loads(capsys.readouterr().out)}
    assert set(rows) == set(schemes())
    assert "unverified" in rows["gbt21010_2017"]["standing"]
    assert main(["list", "crosswalks", "--lang", "en"]) == 0
    assert "sandiao-ydyh_2023" in capsys.readouterr().out
