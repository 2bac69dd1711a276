"""Own indicators of a workspace, functions and cards: computed and traced like ours; what is wrong in them is told."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

import qpgis as qp
from qpgis.cli import main
from qpgis.contracts import CONTRACTS
from qpgis.errors import ConfigError
from qpgis.indicators import registry
from tests.conftest import HEAD, Maker, frame, layer, square, write
from tests.test_access import at, values
from tests.test_indicators import line

NEAR_WATER = '''
from qpgis import Definition, Ratio, indicator, parts

@indicator(
    unit="%",
    zh="近水林地占比",
    en="Forest near water",
    theme="ecology",
    definitions=(
        Definition("near_300m", "距水域 300 m 内的林地 ÷ 林地", "Forest within 300 m of water ÷ forest"),
        Definition("near_100m", "距水域 100 m 内的林地 ÷ 林地", "Forest within 100 m ÷ forest", {"limit_m": 100.0}),
    ),
)
def forest_near_water(zones, forest, water, *, limit_m=300.0):
    """Forest near water (近水林地占比), in %.

    Formula: ``100 * area(forest within limit_m of water) / area(forest)``. Range 0 to 100.
    """
    near = parts.near(water, limit_m=limit_m)
    return Ratio(parts.area(forest, where=near), parts.area(forest))
'''
HEAD_OWN = HEAD.replace("[zones]", 'indicators = ["indicators.py"]\n[zones]')
LAYERS = layer("forest") + layer("water")


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """``check --indicators`` of the workspace's own and one of ours: test_contracts tries all of ours one by one."""

    def check(folder: Path, *options: str) -> int:
        with monkeypatch.context() as patch:
            patch.setattr("qpgis.workspace.own.registry", lambda: {"forest_cover": registry()["forest_cover"]})
            return main(["check", str(folder), "--indicators", *options])

    return check


def own(workspace: Maker, code: str, toml: str = LAYERS) -> Path:
    """A workspace whose town a has water in its western 100 m, and forest from 300 m to 900 m east of its border."""
    shapes = {"forest": frame([square(300, 0, 600, 1000)]), "water": frame([square(0, 0, 100, 1000)])}
    folder = workspace(toml, head=HEAD_OWN, **shapes)
    (folder / "indicators.py").write_text(code, encoding="utf-8")
    return folder


def test_an_own_indicator_is_computed_like_ours(workspace: Maker) -> None:
    ws = qp.open_workspace(own(workspace, NEAR_WATER))
    assert list(ws.indicators) == [*registry(), "forest_near_water"]
    # forest 300-900, water 0-100: within 300 m lies 300-400, 100 of 600; within 100 m nothing; within 500 m half of it
    assert values(ws, "forest_near_water", "near_300m")["a"] == pytest.approx(100 / 6, rel=1e-3)
    assert values(ws, "forest_near_water", "near_100m")["a"] == 0
    assert values(ws, "forest_near_water", "near_300m[limit_m=500]")["all"] == pytest.approx(50, rel=1e-3)


def test_it_stands_in_every_output(workspace: Maker, tmp_path: Path) -> None:
    toml = LAYERS + '[tables]\ntargets = "t.csv"\n[definitions]\nforest_near_water = ["near_100m", "near_300m"]\n'
    folder = own(workspace, NEAR_WATER, toml)
    head = "indicator,zone,year,operator,value,text,property,kind,direction,document\n"
    (folder / "t.csv").write_text(f"{head}近水林地占比,a,2024,ge,15,15 以上,预期性,stock,up,某文\n", "utf-8")
    assert main(["run", str(folder), "--out", str(tmp_path / "out")]) == 0
    rows = (tmp_path / "out" / "indicators.csv").read_text("utf-8-sig").splitlines()
    assert sum(row.startswith("forest_near_water,near_300m,") for row in rows) == 6
    assert [row.split(",")[18] for row in rows if row.startswith("forest_near_water,near_300m,a,")] == ["met"]
    assert "近水林地占比" in (tmp_path / "out" / "map.html").read_text("utf-8")
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text("utf-8"))
    (entry,) = [one for one in manifest["inputs"] if one["role"] == "indicators"]
    assert (entry["name"], entry["rows"], len(entry["sha256"])) == ("indicators.py", 1, 64)
    used = {one["definition"]: one for one in manifest["definitions"] if one["indicator"] == "forest_near_water"}
    assert used["near_100m"]["settings"] == {"limit_m": 100.0}
    assert not list(folder.rglob("__pycache__")), "nothing is written beside it"
    assert main(["run", str(folder), "--out", str(folder), "--definitions", "all"]) == 0
    assert (folder / "indicators.py").read_text("utf-8") == NEAR_WATER


def test_list_knows_it(workspace: Maker, capsys: pytest.CaptureFixture[str]) -> None:
    folder = own(workspace, NEAR_WATER)
    assert main(["list", "--workspace", str(folder), "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [one["id"] for one in listed] == [*registry(), "forest_near_water"]
    assert main(["list", "--long", "--workspace", str(folder)]) == 0
    page = capsys.readouterr().out
    assert "## 近水林地占比 `forest_near_water`" in page
    assert "`100 * area(forest within limit_m of water) / area(forest)`" in page
    assert "- 来自: indicators.py" in page
    assert main(["list", "--long"]) == 0
    assert "forest_near_water" not in capsys.readouterr().out


def test_a_missing_layer_is_told_as_for_ours(workspace: Maker) -> None:
    ws = qp.open_workspace(own(workspace, NEAR_WATER, layer("forest")))
    rows = qp.assess(ws)["forest_near_water"]
    assert set(rows["status"]) == {"not_computable"}
    assert "water" in rows["note"].iloc[0]


def but(old: str, new: str) -> str:
    """The file above with something else in it."""
    assert old in NEAR_WATER
    return NEAR_WATER.replace(old, new)


MISTAKES = {
    "syntax": (but("limit_m=300.0):", "limit_m=300.0"), r"^indicators.py: line 14: no Python: '\(' was never closed$"),
    "import": ("import helpers\n", r"line 1: ModuleNotFoundError.*put what it needs into it$"),
    "error": ("x = 1\ny = x / 0\n", r"^indicators.py: line 2: ZeroDivisionError: division by zero$"),
    "exit": ("import sys\nsys.exit(3)\n", r"^indicators.py: line 2: SystemExit: 3$"),
    "nothing": ("x = 1\n", r"declares no indicator; put @indicator\(...\) above a function"),
    "only_ours": ("from qpgis.indicators.ecology import forest_cover\n", "declares no indicator"),
    "unit": (
        but('unit="%"', 'unit="km/km2"'),
        r"2 mistakes\n.*forest_near_water: near_300m: m2 over m2 isn't given in km/km2; change the unit",
    ),
    "no_unit": (but('unit="%"', 'unit="kmm"'), r"line 4: .*unknown unit 'kmm'; did you mean 'km'\?"),
    "layer": (but("forest, water,", "forest, watr,"), r"unknown layer 'watr'; did you mean 'water'\?"),
    "class": (
        but("near(water", 'near(water.where(("rivr",))'),
        r"^indicators.py: line 4: forest_near_water: line 19: water: no class 'rivr'; did",
    ),
    "setting": (but('{"limit_m"', '{"limit"'), r"near_100m: no setting 'limit'; did you mean 'limit_m'"),
    "call": (but("limit_m=limit_m", "limit=limit_m"), r"line 19: TypeError: near\(\) got an unexpected"),
    "returns": (but("return Ratio", "return max"), r"line 20: TypeError: '>' not supported"),
    "nothing_returned": (but("    return Ratio", "    Ratio"), "it returns a NoneType; return a Ratio or a Total"),
    "id_of_ours": (
        but("def forest_near_water", "def forest_cover"),
        "there is an indicator of this id already, one of qpgis's own; choose another id",
    ),
    "name_of_ours": (but("近水林地占比", "森林覆盖率"), "forest_cover is called 森林覆盖率"),
    "twice": (
        NEAR_WATER + but("def forest_near_water", "def other"),
        "other: forest_near_water is called 近水林地占比 / Forest near water too, in indicators.py; choose another",
    ),
    "id": (but("def forest_near_water", "def 近水林地"), "近水林地: the id stands in file columns"),
    "nan": (but("100.0}", "float('nan')}"), "line 4: forest_near_water: near_100m: limit_m = nan is no number"),
    "negative": (but("100.0}", "-1.0}"), "line 19: limit_m = -1.0 is no number of metres of at least 0"),
    "two_definitions": (but("near_100m", "near_300m"), "line 4: .*several definitions are called 'near_300m'"),
    "all": (but("near_100m", "all"), "definition 'all': the name has a meaning of its own already"),
    "bracket": (but("near_100m", "near[limit_m=100]"), "definition 'near.*: write its name in letters, digits"),
}


@pytest.mark.parametrize(("code", "message"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_told_with_its_line(workspace: Maker, code: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        qp.open_workspace(own(workspace, code))


def test_what_fails_only_with_data_is_a_mistake_of_the_file_too(
    workspace: Maker, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code = NEAR_WATER.replace("    near =", "    assert len(forest) == 0\n    near =")
    assert main(["run", str(own(workspace, code)), "--out", str(tmp_path / "out")]) == 2
    assert "qpgis run: indicators.py, line 19: AssertionError\n" in capsys.readouterr().err


def test_files_that_can_not_be_used(workspace: Maker) -> None:
    folder = own(workspace, NEAR_WATER)
    (folder / "indicators.py").unlink()
    with pytest.raises(ConfigError, match=r"^indicators.py: doesn't exist in "):
        qp.open_workspace(folder)
    toml = (folder / "qpgis.toml").read_text("utf-8")
    (folder / "qpgis.toml").write_text(toml.replace("indicators.py", "indicators.txt"), "utf-8")
    with pytest.raises(ConfigError, match=r"^indicators.txt: own indicators stand in files that end in .py or .toml"):
        qp.open_workspace(folder)
    (folder / "qpgis.toml").write_text(toml.replace('["indicators.py"]', '"indicators.py"'), "utf-8")
    with pytest.raises(ConfigError, match=r"line \d+: indicators = 'indicators.py': Input should be a valid list"):
        qp.open_workspace(folder)


def test_nothing_is_run_that_no_workspace_names(workspace: Maker) -> None:
    folder = workspace(layer("forest"), forest=frame([square(0, 0)]))
    (folder / "indicators.py").write_text("raise SystemExit", "utf-8")
    assert list(qp.open_workspace(folder).indicators) == list(registry())


# ---- cards ----

CARD = """
[indicators.{id}]
zh = "甲"
en = "A"
unit = "{unit}"
theme = "land"

[indicators.{id}.definitions.one]
zh = "甲 ÷ 乙"
en = "a over b"
{sides}
"""


def carded(workspace: Maker, sides: str, *, unit: str = "%", id: str = "mine", toml: str = LAYERS) -> Path:
    """The same workspace with a card."""
    folder = own(workspace, NEAR_WATER, toml)
    text = (folder / "qpgis.toml").read_text("utf-8").replace("indicators.py", "card.toml")
    (folder / "qpgis.toml").write_text(text, "utf-8")
    (folder / "card.toml").write_text(CARD.format(id=id, unit=unit, sides=sides), "utf-8")
    return folder


FOREST, ZONE = '{measure = "area", of = "forest"}', '{measure = "zone_area"}'


@pytest.mark.parametrize(
    ("numerator", "denominator", "unit", "expected"),
    [
        (FOREST, ZONE, "%", 60),  # 300-900 of 0-1000; water 0-100 is no land
        (
            FOREST,
            f'[{ZONE}, {{measure = "area", of = "water", minus = true}}]',
            "%",
            60 / 0.9,
        ),
        (FOREST, None, "km2", 0.6),
        ('{measure = "area", of = ["forest", "water"]}', ZONE, "%", 70),
        ('{measure = "area", of = "forest", near = {layer = "water", limit_m = 300}}', FOREST, "%", 100 / 6),
        (f'[{FOREST}, {{measure = "area", of = "water"}}]', None, "km2", 0.7),
        ('{measure = "area", of = "park", outside = "forest"}', None, "km2", 0.1),  # park 200-400 in a, half of it wood
        ('{measure = "length", of = "roads", classes = {roads = ["trunk"]}}', ZONE, "km/km2", 1),
        ('{measure = "count", of = "stations"}', None, "count", 2),
        ('{measure = "count", of = "stations", near = {layer = "water", limit_m = 300}}', None, "count", 1),
        (FOREST, '{measure = "people", of = "residents"}', "m2/person", 600_000 / 40),
    ],
)
def test_cards_by_hand(workspace: Maker, numerator: str, denominator: str | None, unit: str, expected: float) -> None:
    toml = LAYERS + layer("park") + layer("roads", 'class_field = "kind"') + layer("stations")
    toml += layer("residents", 'amount_field = "people"')
    sides = f"numerator = {numerator}\n" + (f"denominator = {denominator}\n" if denominator else "")
    folder = carded(workspace, sides, unit=unit, toml=toml)
    write(
        folder,
        {
            "park": frame([square(200, 0, 200, 1000), square(300, 0, 100, 1000), square(1000, 0, 100, 1000)]),
            "roads": frame([line((0, 10), (1000, 10)), line((0, 20), (1000, 20))], kind=["trunk", "primary"]),
            "stations": frame([at(350, 500), at(700, 500)]),
            "residents": frame([at(500, 500), at(600, 500)], people=[30, 10]),
        },
    )
    # 4549 stretches by 0.02 %: squares are that much smaller on the ground
    assert values(qp.open_workspace(folder), "mine", "one")["a"] == pytest.approx(expected, rel=1e-3)


CARD_MISTAKES = {
    "layer": ('{measure = "area", of = "forrest"}', "of.0 = 'forrest': unknown layer; did you mean 'forest'"),
    "key": ('{measure = "area", off = "forest"}', "unknown key 'off'.*did you mean 'of'"),
    "measure": ('{measure = "aera", of = "forest"}', "measure = 'aera'.*is not known; use 'zone_area', 'area'"),
    "class": (
        '{measure = "area", of = "water", classes = {water = ["rivr"]}}',
        "water: no class 'rivr'; did you mean 'river'",
    ),
    "group": ('{measure = "area", of = "water", classes = {water = "rivers"}}', "'rivers'"),
    "no_class": ('{measure = "area", of = "water", classes = {water = []}}', "classes of water is empty"),
    "stray_class": (
        '{measure = "area", of = "forest", classes = {water = ["river"]}}',
        "classes of water, which the term doesn't name",
    ),
    "geometry": ('{measure = "length", of = "forest"}', "length is of lines, but forest holds polygons"),
    "several": ('{measure = "count", of = ["stations", "facilities"]}', "count needs of = one layer"),
    "none": ('{measure = "area"}', "area needs of = the layers"),
    "zone": ('{measure = "zone_area", of = "forest"}', "the area of the zone itself"),
    "outside": ('{measure = "length", of = "roads", outside = "water"}', "outside goes with area"),
    "near": ('{measure = "length", of = "roads", near = {layer = "water", limit_m = 5}}', "near goes with area, count"),
    "near_limit": ('{measure = "area", of = "forest", near = {layer = "water"}}', "'limit_m' is missing"),
    "minus": ('{measure = "area", of = "forest", minus = true}', "the first term is what others are subtracted from"),
    "units": (
        '[{measure = "area", of = "forest"}, {measure = "length", of = "roads"}]',
        "area and length can't be added",
    ),
}


@pytest.mark.parametrize(("numerator", "message"), CARD_MISTAKES.values(), ids=CARD_MISTAKES)
def test_a_mistake_in_a_card_is_told_with_its_line(workspace: Maker, numerator: str, message: str) -> None:
    with pytest.raises(ConfigError, match=f"^card.toml: line 11: .*{message}"):
        qp.open_workspace(carded(workspace, f"numerator = {numerator}"))


@pytest.mark.parametrize(
    ("sides", "message"),
    [
        (
            'numerator = {measure = "length", of = "roads"}\ndenominator = {measure = "zone_area"}',
            "^card.toml: line 2: mine: one: m over m2 isn't given in %; change the unit",
        ),
        ("", "^card.toml: line 8: 'numerator' is missing"),
        ("numerator = {", "no TOML: .*line"),
    ],
)
def test_a_card_as_a_whole(workspace: Maker, sides: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        qp.open_workspace(carded(workspace, sides))


@pytest.mark.parametrize(
    ("range_", "message"),
    [
        ("[100, 0]", "line 6: .*write the least value first"),
        ("[0, nan]", "line 6: .*finite number"),
        ("[0, inf]", "line 6: .*finite number"),
    ],
)
def test_a_range_that_is_none(workspace: Maker, range_: str, message: str) -> None:
    folder = carded(workspace, 'numerator = {measure = "area", of = "forest"}', unit="km2")
    card = (folder / "card.toml").read_text("utf-8").replace('unit = "km2"', f'unit = "km2"\nrange = {range_}')
    (folder / "card.toml").write_text(card, "utf-8")
    with pytest.raises(ConfigError, match=message):
        qp.open_workspace(folder)


def test_ranges_of_any_size_are_tried(
    workspace: Maker, tried: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    """Ten square millimetres, and millions of square kilometres: the made woods are neither."""
    folder = carded(workspace, 'numerator = {measure = "area", of = "forest"}', unit="km2")
    card = (folder / "card.toml").read_text("utf-8")
    for range_ in ("[0, 1e-11]", "[2000000, 9000001]"):
        (folder / "card.toml").write_text(card.replace('"km2"', f'"km2"\nrange = {range_}', 1), "utf-8")
        assert tried(folder, "--json") == 1
        assert {one["contract"] for one in json.loads(capsys.readouterr().out)} == {"range"}


def test_reasons_of_its_own_are_told(workspace: Maker) -> None:
    """Whatever an own function says is missing, even if it says so of every layer it gets."""
    code = NEAR_WATER.replace("    near =", '    raise NotComputable("forest", "the survey was lost")\n    near =')
    folder = own(workspace, "from qpgis.errors import NotComputable\n" + code)
    rows = qp.assess(qp.open_workspace(folder), indicators=["forest_near_water"])["forest_near_water"]
    assert rows["value"].isna().all()
    assert set(rows["note"]) == {"the survey was lost"}


def test_a_setting_that_is_true_or_false(workspace: Maker) -> None:
    code = NEAR_WATER.replace("limit_m=300.0)", "limit_m=300.0, whole=False)")
    code = code.replace(
        "    near =", "    if whole:\n        return Ratio(parts.area(forest), parts.area(forest))\n    near ="
    )
    ws = qp.open_workspace(own(workspace, code))
    assert values(ws, "forest_near_water", "near_300m[whole=true]")["a"] == 100
    assert values(ws, "forest_near_water", "near_300m[whole=false]")["a"] == pytest.approx(100 / 6, rel=1e-3)
    with pytest.raises(ConfigError, match="whole = 'no' is no bool"):
        ws.indicators["forest_near_water"].definition("near_300m[whole=no]")


def test_a_card_is_named_as_no_other(workspace: Maker) -> None:
    total = 'numerator = {measure = "area", of = "forest"}'
    with pytest.raises(ConfigError, match=r"card.toml: line 2: forest_cover: there is an indicator of this id already"):
        qp.open_workspace(carded(workspace, total, unit="km2", id="forest_cover"))
    with pytest.raises(ConfigError, match=r"line 5: .*unit = 'km3': unknown unit; did you mean 'km'"):
        qp.open_workspace(carded(workspace, total, unit="km3"))


def test_cards_keep_the_contracts(
    workspace: Maker, tried: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    green = '{measure = "area", of = ["forest", "park"], near = {layer = "water", limit_m = 50}, outside = "grass"}'
    wet = '{measure = "area", of = "water", classes = {water = ["lake", "river"]}, minus = true}'
    folder = carded(workspace, f"numerator = [{green}, {wet}]\ndenominator = {ZONE}\n")
    assert tried(folder) == 0, capsys.readouterr().out
    assert main(["list", "--long", "--workspace", str(folder)]) == 0
    above = "area(forest + park, outside grass, within 50 m of water) - area(water[lake+river])"
    assert f"`100 * ({above}) / area(zone)`" in capsys.readouterr().out


# ---- composites ----

SHARES = """
[indicators.wood]
zh = "林地占比"
en = "Wood"
unit = "%"
theme = "ecology"
[indicators.wood.definitions.of_zone]
zh = "林地 ÷ 分区"
en = "forest over zone"
numerator = {measure = "area", of = "forest"}
denominator = {measure = "zone_area"}
[indicators.wood.definitions.of_water]
zh = "林地 ÷ 水域"
en = "forest over water"
numerator = {measure = "area", of = "forest"}
denominator = {measure = "area", of = "water"}

[indicators.wet]
zh = "水域占比"
en = "Water"
unit = "%"
theme = "ecology"
[indicators.wet.definitions.of_zone]
zh = "水域 ÷ 分区"
en = "water over zone"
numerator = {measure = "area", of = "water"}
denominator = {measure = "zone_area"}
"""
MIX = """
[composites.mix]
zh = "综合指数"
en = "Mix"
theme = "ecology"
[[composites.mix.parts]]
indicator = "wood"
worst = 0
best = 80
weight = 3
[[composites.mix.parts]]
indicator = "wet"
worst = 50
best = 10
"""


def mixed(workspace: Maker, composites: str, toml: str = "") -> Path:
    """Forest covers 60, 20, 0 and 100 % of the towns, water 0, 30, 0 and 80 %; the water's borders are open data."""
    folder = workspace(
        layer("forest") + layer("water").replace("surveyed", "open") + toml,
        head=HEAD.replace("[zones]", 'indicators = ["card.toml"]\n[zones]'),
        forest=frame([square(0, 0, 600, 1000), square(1000, 0, 200, 1000), square(1000, 1000)]),
        water=frame([square(1000, 0, 300, 1000), square(1000, 1000, 800, 1000)]),
    )
    (folder / "card.toml").write_text(SHARES + composites, "utf-8")
    return folder


def test_a_composite_by_hand(workspace: Maker) -> None:
    ws = qp.open_workspace(mixed(workspace, MIX))
    found = qp.assess(ws)["mix"].set_index("zone_id")
    expected = {
        "a": (3 * 75 + 100) / 4,  # 60 of 80; no water is better than the best 10
        "b": (3 * 25 + 50) / 4,  # 20 of 80; 30 lies half way from 50 to 10
        "c": (3 * 0 + 100) / 4,
        "d": (3 * 100 + 0) / 4,  # 100 is better than the best 80, 80 worse than the worst 50
        "south": (3 * 50 + 87.5) / 4,  # 40 %, 15 %; the mean of its members would be 56.25
        "all": (3 * 56.25 + 56.25) / 4,  # 45 %, 27.5 %; the mean of its members would be 53.125
    }
    assert dict(found["value"]) == pytest.approx(expected, rel=1e-3, abs=1e-3)
    assert set(found["unit"]) == {"index"}
    assert set(found["definition"]) == {"weighted"}
    assert set(found["grade"]) == {"open"}  # the worst: forest and borders are surveyed
    assert found["numerator"].isna().all()
    assert found["denominator"].isna().all()
    assert found.loc["b", "note"] == "分项“林地占比”20 %，得 25 分，权重 3；分项“水域占比”30 %，得 50 分，权重 1"
    assert all("forest.gpkg" in source and "water.gpkg" in source for source in found["source"])


def test_a_composite_lacks_what_its_parts_lack(workspace: Maker) -> None:
    """Forest over water is missing where there is no water, and it isn't asked for: it is computed aside."""
    over_water = MIX.replace('indicator = "wood"', 'indicator = "wood"\ndefinition = "of_water"')
    a = qp.assess(qp.open_workspace(mixed(workspace, over_water)))
    found = a["mix"].set_index("zone_id")
    assert list(found.index[found["value"].isna()]) == ["a", "c"]
    assert set(found["status"][["a", "c"]]) == {"not_computable"}
    assert found.loc["a", "note"] == "缺少分项“林地占比”（口径 of_water）：分母为 0"
    assert found.loc["b", "value"] == pytest.approx((3 * 100 * (20 / 30 * 100) / 80 + 50) / 4, rel=1e-3)
    assert set(a["wood"]["definition"]) == {"of_zone"}


def test_a_composite_without_a_layer(workspace: Maker) -> None:
    folder = mixed(workspace, MIX.replace('indicator = "wet"', 'indicator = "road_density"'))
    found = qp.assess(qp.open_workspace(folder), lang="en")["mix"]
    assert found["value"].isna().all()
    assert found["note"].str.match(r"the part .* \(\w+\) is missing: missing layers: .*roads").all()


def test_a_composite_of_one_of_ours_is_that_on_another_scale(workspace: Maker) -> None:
    of_ours = MIX.split("[[")[0] + '[[composites.mix.parts]]\nindicator = "forest_cover"\nworst = 0\nbest = 100\n'
    a = qp.assess(qp.open_workspace(mixed(workspace, of_ours)))
    assert list(a["mix"]["value"]) == pytest.approx(list(a["forest_cover"]["value"]), rel=1e-12)


def test_a_composite_stands_in_every_output(
    workspace: Maker, tried: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = mixed(workspace, MIX, '[tables]\ntargets = "t.csv"\n')
    head = "indicator,zone,year,operator,value,text,property,kind,direction,document\n"
    lines = [f"综合指数,{zone},2024,ge,80,80 以上,预期性,stock,up,某文" for zone in "ab"]
    (folder / "t.csv").write_text(head + "\n".join(lines) + "\n", "utf-8")
    out = tmp_path / "out"
    assert main(["run", str(folder), "--out", str(out), "--definitions", "all"]) == 0
    rows = [row.split(",") for row in (out / "indicators.csv").read_text("utf-8-sig").splitlines()]
    statuses = {row[2]: row[18] for row in rows if row[0] == "mix"}
    assert (statuses["a"], statuses["b"]) == ("met", "breached")  # 81.25 and 31.25, due in the year of the run
    assert "综合指数" in (out / "map.html").read_text("utf-8")
    manifest = json.loads((out / "manifest.json").read_text("utf-8"))
    (entry,) = [one for one in manifest["definitions"] if one["indicator"] == "mix"]
    assert entry["settings"]["wet:of_zone"] == {"worst": 50, "best": 10, "weight": 1}
    assert "林地占比（口径 of_zone，0–80 %，权重 3）、水域占比（口径 of_zone，50–10 %，权重 1）" in entry["text"]
    sheets = pd.read_excel(out / "indicators.xlsx", sheet_name=None, header=None, dtype=str)
    assert sum((sheet == entry["text"]).to_numpy().any() for sheet in sheets.values()) == 1, "its definition"
    capsys.readouterr()
    assert main(["list", "--workspace", str(folder), "--json"]) == 0
    assert [one["id"] for one in json.loads(capsys.readouterr().out)] == [*registry(), "wood", "wet", "mix"]
    assert main(["list", "--long", "--workspace", str(folder)]) == 0
    assert "`(3 * score(wood:of_zone) + 1 * score(wet:of_zone)) / (3 + 1)`" in capsys.readouterr().out
    tried(folder, "--json")
    assert not {one["indicator"] for one in json.loads(capsys.readouterr().out)} & {"wood", "wet", "mix"}


COMPOSITE_MISTAKES = {
    "indicator": ('"wood"', '"wod"', r"line 34: .*indicator = 'wod': unknown indicator; did you mean 'wood'"),
    "definition": (
        '"wood"',
        '"wood"\ndefinition = "of_zne"',
        r"line 35: .*definition = 'of_zne': wood: unknown definition 'of_zne'; did you mean 'of_zone'",
    ),
    "alike": ("best = 80", "best = 0", "line 36: .*the best is the worst too; write what scores 100"),
    "no_weight": ("weight = 3", "weight = 0", "line 37: .*weight = 0: .*greater than 0"),
    "less": ("weight = 3", "weight = -1", "line 37: .*greater than 0"),
    "endless": ("best = 80", "best = inf", "line 36: .*best = inf: .*finite"),
    "nan": ("worst = 0", "worst = nan", "line 35: .*worst = nan: .*finite"),
    "lacking": ("worst = 0\n", "", "line 33: 'worst' is missing"),
    "key": ("worst = 0", "wurst = 0", "line 35: unknown key 'wurst'.*did you mean 'worst'"),
    "empty": (MIX[MIX.index("[[") :], "parts = []", "line 33: .*at least 1"),
    "none": (MIX[MIX.index("[[") :], "", "line 29: 'parts' is missing"),
    "twice": (
        '"wet"',
        '"wood"\ndefinition = "of_zone"',
        "line 29: .*wood stands twice with one definition; leave one out",
    ),
    "id": ("composites.mix", "composites.wet", "line 29: wet: there is an indicator of this id already, in card.toml"),
    "id_of_ours": (
        "composites.mix",
        "composites.forest_cover",
        "line 29: forest_cover: there is an indicator of this id already, one of qpgis's own; choose another id",
    ),
    "name": ("综合指数", "林地占比", "line 29: mix: wood is called 林地占比 / Wood too"),
    "composite": ('"wet"', '"mix"', "line 39: .*a composite is no part of another one; name its parts instead"),
}


@pytest.mark.parametrize(("old", "new", "message"), COMPOSITE_MISTAKES.values(), ids=COMPOSITE_MISTAKES)
def test_a_mistake_in_a_composite_is_told_with_its_line(workspace: Maker, old: str, new: str, message: str) -> None:
    assert old in MIX
    with pytest.raises(ConfigError, match=f"(?s)^card.toml: .*{message}"):
        qp.open_workspace(mixed(workspace, MIX.replace(old, new)))


def test_a_composite_of_another_file_is_no_part_either(workspace: Maker) -> None:
    folder = mixed(workspace, MIX)
    toml = (folder / "qpgis.toml").read_text("utf-8")
    (folder / "qpgis.toml").write_text(toml.replace('"card.toml"]', '"card.toml", "other.toml"]'), "utf-8")
    other = MIX.replace("mix", "other").replace("综合指数", "另一指数").replace("Mix", "Other")
    (folder / "other.toml").write_text(other.replace('"wet"', '"mix"'), "utf-8")
    with pytest.raises(ConfigError, match=r"^other.toml: line 12: .*a composite is no part of another one"):
        qp.open_workspace(folder)
    (folder / "other.toml").write_text(other, "utf-8")  # parts stand in any file
    assert list(qp.open_workspace(folder).indicators) == [*registry(), "wood", "wet", "mix", "other"]
    (folder / "other.toml").write_text("# nothing\n", "utf-8")
    with pytest.raises(ConfigError, match=r"^other.toml: .*declares no indicator"):
        qp.open_workspace(folder)


# ---- what the page about them shows ----


def test_the_examples_of_the_page_run(
    workspace: Maker, tried: Callable[..., int], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    page = (Path(__file__).resolve().parents[1] / "docs" / "own_indicators.md").read_text("utf-8")
    (named, card), (code,) = (
        re.findall(rf"^```{language}\n(.*?)^```", page, re.M | re.S) for language in ("toml", "python")
    )
    toml = LAYERS.replace('"water.gpkg"', '"water.gpkg"\nclass_field = "kind"')
    toml += layer("grass") + layer("park") + layer("stations")
    folder = workspace(
        toml,
        head=HEAD.replace("[zones]", f"{named}[zones]"),
        forest=frame([square(300, 0, 600, 1000)]),
        water=frame([square(0, 0, 100, 1000)], kind=["pond"]),
        grass=frame([square(0, 1000)]),
        park=frame([square(0, 0, 400, 1000)]),
        stations=frame([at(300, 500)]),
    )
    (folder / "greenery.toml").write_text(card, "utf-8")
    (folder / "indicators.py").write_text(code, "utf-8")
    assert tried(folder) == 0, capsys.readouterr().out
    assert main(["run", str(folder), "--out", str(tmp_path / "out"), "--definitions", "all"]) == 0
    ws = qp.open_workspace(folder)
    assert [name for name in ws.indicators if name not in registry()] == [
        "forest_near_water",
        "green_land",
        "green_near_stations",
        "green_index",
    ]
    assert values(ws, "forest_near_water", "near_300m")["a"] == pytest.approx(100 / 6, rel=1e-3)
    assert values(ws, "forest_near_water", "rivers_and_lakes")["a"] == 0  # the water is a pond
    assert values(ws, "green_land", "on_land")["a"] == pytest.approx(
        0.8, rel=1e-3
    )  # 100-900: the park's 0-100 is water
    # the disc of 800 m around (300, 500) holds all of the forest's 300-900, whose far corners are 781 m off
    assert values(ws, "green_near_stations", "near_800m")["a"] == pytest.approx(100, rel=1e-3)
    assert 0 < values(ws, "green_near_stations", "near_500m")["a"] < 100
    assert [one.competes for one in ws.indicators["forest_near_water"].definitions] == [True, False]
    # 100 / 6 of 50 scores 100 / 3 and counts twice; 60 % forest is two thirds of the way from 20 to 80
    assert values(ws, "green_index", "weighted")["a"] == pytest.approx((2 * 100 / 3 + 200 / 3) / 3, rel=1e-3)


def test_the_page_tells_every_promise() -> None:
    page = (Path(__file__).resolve().parents[1] / "docs" / "own_indicators.md").read_text("utf-8")
    assert re.findall(r"^\| `(\w+)` \| .*$", page.split("## What every indicator promises")[1], re.M) == list(CONTRACTS)


DERIVED = '''
from dataclasses import replace
import shapely
from qpgis import Definition, Total, indicator, parts


@indicator(
    unit="km2", zh="林地核心", en="Core forest", theme="ecology",
    definitions=(
        Definition("m100", "边缘 100 m 以内", "100 m inside"),
        Definition("m200", "边缘 200 m 以内", "200 m inside", {"inside_m": 200.0}),
        Definition("m0", "全部", "All", {"inside_m": 0.0}),
    ),
)
def core_forest(zones, forest, *, inside_m=100.0):
    """Formula: ``area(forest, inside_m from its border)``."""
    if not inside_m:
        return Total(parts.area(forest))
    core = shapely.buffer(forest.geometry, -inside_m, join_style="mitre")
    return Total(parts.area(replace(forest, geometry=core{key})))
'''


@pytest.mark.parametrize("key", ["", ', key="core"'])
def test_layers_that_a_function_makes_are_told_apart_by_what_they_hold(workspace: Maker, key: str) -> None:
    """However it calls them: 600 m x 1 km of forest, whose border is moved inwards by 100 m and 200 m."""
    ws = qp.open_workspace(own(workspace, DERIVED.replace("{key}", key)))
    names = ("m100", "m200", "m0")
    for again in (ws, qp.open_workspace(ws.files[0].parent)):  # computed, and as it was kept
        found = {name: values(again, "core_forest", name)["a"] for name in names}
        assert found == pytest.approx({"m100": 0.4 * 0.8, "m200": 0.2 * 0.6, "m0": 0.6}, rel=1e-3)


CHANGED = but("    near = parts", '    forest.frame["class_"] = "bamboo"\n    near = parts')


def test_a_function_that_changes_its_layers_changes_them_for_itself(workspace: Maker) -> None:
    ws = qp.open_workspace(own(workspace, CHANGED))
    forest = ws.layers["forest"]
    before = forest.frame.copy(), forest.content
    made = ws.indicators["forest_near_water"](ws.layers, ws.indicators["forest_near_water"].definitions[0])  # type: ignore[operator]
    (changed,) = {layer.key: layer for layer in made.read() if layer.kind == "forest"}.values()
    assert set(changed.frame["class_"]) == {"bamboo"}
    assert changed.key != forest.key
    assert ws.layers["forest"].frame.equals(before[0])
    shapes = but("    near = parts", "    forest.geometry[:1] = None\n    near = parts")
    with pytest.raises(ConfigError, match="read-only"):
        qp.assess(qp.open_workspace(own(workspace, shapes)))
