"""Own indicators of a workspace, in Python: computed, drawn and traced like ours; what is wrong in them is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import qpgis as qp
from qpgis.cli import main
from qpgis.errors import ConfigError
from qpgis.indicators import registry
from tests.conftest import HEAD, Maker, frame, layer, square
from tests.test_access import values

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
        r"^indicators.py: forest_near_water: line 19: water: no class 'rivr'; did",
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
    with pytest.raises(ConfigError, match=r"^indicators.txt: own indicators stand in files that end in .py"):
        qp.open_workspace(folder)
    (folder / "qpgis.toml").write_text(toml.replace('["indicators.py"]', '"indicators.py"'), "utf-8")
    with pytest.raises(ConfigError, match=r"line \d+: indicators = 'indicators.py': Input should be a valid list"):
        qp.open_workspace(folder)


def test_nothing_is_run_that_no_workspace_names(workspace: Maker) -> None:
    folder = workspace(layer("forest"), forest=frame([square(0, 0)]))
    (folder / "indicators.py").write_text("raise SystemExit", "utf-8")
    assert list(qp.open_workspace(folder).indicators) == list(registry())
