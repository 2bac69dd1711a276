"""The command line: what it writes, says and returns."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from shapely import LineString

from qpgis.cli import main
from qpgis.indicators import registry
from qpgis.layers import LAYERS
from tests.conftest import SHARED_DATA, Maker, four_towns, frame, layer, square

OUTPUTS = {"map.html", "indicators.csv", "indicators.xlsx", "indicators.gpkg", "findings.csv", "manifest.json"}


def run(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """A qpgis command in a process of its own."""
    command = [sys.executable, "-W", "error", "-m", "qpgis", *arguments]
    return subprocess.run(command, cwd=cwd, env=os.environ | environment, capture_output=True, text=True, check=False)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_the_main_job_without_arguments(embedded_run: Path) -> None:
    assert set(contents(embedded_run / "maps")) == OUTPUTS
    assert "maps/map.html" in (embedded_run / "out").read_text("utf-8")
    assert "青浦区 2024" in (embedded_run / "err").read_text("utf-8")


def test_two_runs_give_the_same_bytes(workspace: Maker, tmp_path: Path) -> None:
    folder = workspace(layer("forest"), forest=frame([square(0, 0, 500, 1000), square(100, 0, 500, 1000)]))
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    elsewhere = there / "别的 folder"
    folder_copy = elsewhere / "w"
    elsewhere.mkdir()
    subprocess.run(["cp", "-r", str(folder), str(folder_copy)], check=True)
    first = run("run", str(folder), "--out", "one", cwd=here, PYTHONHASHSEED="1", TZ="Asia/Shanghai")
    second = run(
        "run", "w", "--out", "two", cwd=elsewhere, PYTHONHASHSEED="7", LC_ALL="C", TZ="UTC", OMP_NUM_THREADS="8"
    )
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert contents(here / "one") == contents(elsewhere / "two")


def test_a_run_on_an_extract_verifies_to_the_same_bytes(tmp_path: Path) -> None:
    extract, out = SHARED_DATA / "liechtenstein.osm.pbf", str(tmp_path / "out")
    if not extract.exists():
        pytest.skip("the shared data are not beside this checkout")
    asked = ("run", "--osm", str(extract), "--zones-level", "8", "--groups-level", "6", "--out", out)
    assert run(*asked, cwd=tmp_path, PYTHONHASHSEED="0").returncode == 0
    again = run("verify", out, "--workspace", str(extract), "--lang", "en", cwd=tmp_path, PYTHONHASHSEED="9")
    assert again.returncode == 0, again.stdout
    assert again.stdout.count("byte for byte") == 5, again.stdout


def test_an_input_folder_is_left_as_it_was(workspace: Maker, tmp_path: Path) -> None:
    folder = workspace(layer("forest"), forest=frame([square(0, 0, 500, 1000)]))
    before = contents(folder)
    assert main(["run", str(folder), "--out", str(tmp_path / "out")]) == 0
    assert contents(folder) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "nowhere"], "nowhere/qpgis.toml doesn't exist" if os.sep == "/" else ""),
        (["run", "--osm", "nowhere.osm.pbf", "--zones-level", "8"], "file nowhere.osm.pbf doesn't exist"),
        (["run", "--osm", "x.osm.pbf"], "--osm needs --zones-level"),
        (["run", "--zones-level", "8"], "--zones-level goes with --osm"),
        (["run", "--osm", "x.osm.pbf", "--zones-level", "8", "w"], "--osm stands alone"),
        (["run", "--zones", "z.gpkg", "--zones-grade", "god"], "--zones-grade 'god' is not known"),
        (["run", "--period", "1999"], "no period '1999'"),
        (["run", "--grid-m", "-5"], "must be a positive number of metres"),
    ],
)
def test_bad_usage_is_told_in_one_line(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    said = capsys.readouterr()
    assert message in said.err
    assert said.err.count("\n") == 1
    assert said.out == ""
    assert not list(tmp_path.iterdir())


def test_an_unreadable_extract_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    extract = tmp_path / "broken.osm.pbf"
    extract.write_bytes(b"this is no extract")
    assert main(["run", "--osm", str(extract), "--zones-level", "8", "--out", str(tmp_path / "out")]) == 2
    assert "broken.osm.pbf: it is no OSM PBF file" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_level_that_the_extract_lacks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    extract = SHARED_DATA / "liechtenstein.osm.pbf"
    if not extract.exists():
        pytest.skip("the shared data are not beside this checkout")
    assert main(["run", "--osm", str(extract), "--zones-level", "9", "--out", str(tmp_path / "out")]) == 2
    assert "no whole boundary of admin_level 9; whole ones are there of level 2, 6, 8" in capsys.readouterr().err


def test_error_findings_end_with_status_one(workspace: Maker, tmp_path: Path) -> None:
    lake = frame([square(0, 0)], kind=["lak"])
    folder = workspace(layer("water", 'class_field = "kind"'), water=lake)
    assert main(["check", str(folder), "--out", str(tmp_path / "check")]) == 1
    assert main(["run", str(folder), "--out", str(tmp_path / "out")]) == 1
    assert set(contents(tmp_path / "out")) == OUTPUTS


def test_strict_fails_where_a_target_is_breached(workspace: Maker, tmp_path: Path) -> None:
    folder = workspace(layer("forest") + '[tables]\ntargets = "t.csv"\n', forest=frame([square(0, 0, 500, 1000)]))
    rows = "indicator,zone,year,operator,value,text,property,document\nforest_cover,a,2024,ge,{},x,约束性,文件\n"
    for goal, status in (("40", 0), ("60", 1)):
        (folder / "t.csv").write_text(rows.format(goal), "utf-8")
        assert main(["run", str(folder), "--strict", "--out", str(tmp_path / goal)]) == status
        assert main(["run", str(folder), "--out", str(tmp_path / goal)]) == 0


def test_check_as_json(workspace: Maker, capsys: pytest.CaptureFixture[str]) -> None:
    folder = workspace(layer("forest"), forest=frame([square(0, 0), square(0, 0)]))
    assert main(["check", str(folder), "--out", str(folder.parent / "check"), "--json", "--lang", "en"]) == 0
    found = {one["rule"]: one for one in json.loads(capsys.readouterr().out)}
    assert set(found) == {"duplicate_geometry", "overlaps_count_once"}
    finding = found["duplicate_geometry"]
    assert finding["message"] == "The same shape stands 2 times in the layer"


def test_check_says_what_can_not_be_computed(workspace: Maker, capsys: pytest.CaptureFixture[str]) -> None:
    folder = workspace(layer("forest"), forest=frame([square(0, 0)]))
    assert main(["check", str(folder), "--out", str(folder.parent / "check")]) == 0
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("不能计算")]
    assert any("：路网密度：" in line and "roads" in line for line in said)
    assert not any("：森林覆盖率：" in line for line in said)


def test_the_page_about_indicators_is_what_list_prints(capsys: pytest.CaptureFixture[str]) -> None:
    """`qpgis list --long --lang en > docs/indicators.md` writes it anew."""
    assert main(["list", "--long", "--lang", "en"]) == 0
    printed = capsys.readouterr().out
    assert (Path(__file__).resolve().parents[1] / "docs" / "indicators.md").read_text("utf-8") == printed
    for one in registry().values():
        assert f"## {one.en} `{one.id}`" in printed
        assert all(f"| `{definition.name}`" in printed for definition in one.definitions)
    assert main(["list", "--long"]) == 0
    assert "## 社区15分钟生活圈覆盖率" in capsys.readouterr().out
    assert main(["list", "plans", "--long"]) == 2


def test_the_page_about_layers_is_what_list_prints(capsys: pytest.CaptureFixture[str]) -> None:
    """`qpgis list layers --long --lang en > docs/layers.md` writes it anew."""
    assert main(["list", "layers", "--long", "--lang", "en"]) == 0
    printed = capsys.readouterr().out
    assert (Path(__file__).resolve().parents[1] / "docs" / "layers.md").read_text("utf-8") == printed
    about = {part.split("`")[1]: part for part in printed.split("\n## ")[1:]}
    assert set(about) == set(LAYERS)
    for one in registry().values():
        assert all(f"`{one.id}`" in about[kind] for kind in one.layers)


def test_run_as_json(workspace: Maker, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", str(workspace()), "--json", "--out", str(tmp_path / "out")]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert {Path(p).name for p in summary["written"]} == OUTPUTS


@pytest.mark.parametrize("topic", ["indicators", "layers", "plans", "schemes"])
@pytest.mark.parametrize("lang", ["zh", "en"])
def test_list(topic: str, lang: str, capsys: pytest.CaptureFixture[str]) -> None:
    expected = {"indicators": "road_density", "layers": "water", "plans": "qingxi_2021_2025", "schemes": "sandiao"}
    assert main(["list", topic, "--lang", lang]) == 0
    assert expected[topic] in capsys.readouterr().out
    assert main(["list", topic, "--lang", lang, "--json"]) == 0
    assert expected[topic] in {row["id"] for row in json.loads(capsys.readouterr().out)}


def test_a_new_workspace_tells_what_to_fill_in(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", str(tmp_path / "mine")]) == 0
    assert main(["init", str(tmp_path / "mine")]) == 2
    assert "is there already" in capsys.readouterr().err
    assert main(["check", str(tmp_path / "mine"), "--out", str(tmp_path / "check")]) == 2
    assert "3 files are missing" in capsys.readouterr().err


def test_a_new_workspace_runs_when_filled_in(tmp_path: Path) -> None:
    assert main(["init", str(tmp_path / "mine")]) == 0
    data = tmp_path / "mine" / "data"
    four_towns().to_file(data / "towns.gpkg")
    frame([square(0, 0), square(1000, 0)], DLBM=["0101", "0301"]).to_file(data / "dltb.gpkg")
    frame([LineString(square(0, 500).exterior.coords)], **{"class": ["县道"]}).to_file(data / "roads.gpkg")
    assert main(["run", str(tmp_path / "mine"), "--out", str(tmp_path / "out")]) == 0


def test_map_alone(workspace: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without arguments of the embedded workspace, for which a small one stands here."""
    small, here = workspace(), tmp_path / "here"
    monkeypatch.setattr("qpgis.workspace.loading.embedded_workspace", lambda: small / "qpgis.toml")
    here.mkdir()
    monkeypatch.chdir(here)
    assert main(["map"]) == 0
    assert [p.name for p in here.iterdir()] == ["map.html"]
    assert "甲" in (here / "map.html").read_text("utf-8")


def test_a_failed_run_leaves_the_old_outputs(workspace: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import qpgis.report.outputs as outputs

    out = tmp_path / "out"
    assert main(["run", str(workspace()), "--out", str(out)]) == 0
    before = contents(out)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setitem(outputs.OUTPUTS, "map.html", fail)
    assert main(["run", str(workspace(layer("forest"), forest=frame([square(0, 0)]))), "--out", str(out)]) == 2
    assert contents(out) == before


def test_an_unwritable_place_is_told(workspace: Maker, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("x")
    assert main(["run", str(workspace()), "--out", str(tmp_path / "file" / "out")]) == 2
    assert "can't be written" in capsys.readouterr().err


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom qpgis.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
        "heavy = {'numpy', 'pandas', 'shapely', 'geopandas', 'folium', 'pydantic'} & set(sys.modules)\n"
        "print(sorted(heavy), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    assert "run" in done.stdout
