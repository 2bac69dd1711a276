"""A bureau's year: a period rolled forward, a definition changed, a year frozen, signed, verified."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

import qpgis as qp
from qpgis.cli import main
from qpgis.errors import ConfigError, SourceError
from qpgis.verifying import Source, Verdict, verify
from tests.conftest import HEAD, four_towns, frame, layer, square, write

CARD = """
[indicators.green_land]
zh = "绿地面积"
en = "Green land"
unit = "km2"
theme = "ecology"
[indicators.green_land.definitions.whole]
zh = "林地"
en = "Forest"
version = "{version}"
valid_from = "{since}"
approved_by = "局办〔2024〕1号"
numerator = {{measure = "area", of = "forest"{outside}}}
"""
STATISTICS = "indicator,zone,period,value,grade,source,department\nforest_cover,a,2024,40,official,统计年鉴,林业站\n"


@pytest.fixture
def land(tmp_path: Path) -> Path:
    """A workspace of 2024: four towns, forest on 30 % of town a, half of it over water."""
    home = tmp_path / "land"
    home.mkdir()
    tables = '[tables]\nstatistics = "statistics.csv"\n[definitions]\nforest_cover = ["total_area"]\n'
    toml = 'indicators = ["own.toml"]\n' + HEAD + tables + layer("forest") + layer("water", 'class_field = "class"')
    (home / "qpgis.toml").write_text(toml, encoding="utf-8")
    (home / "own.toml").write_text(CARD.format(version=1, since="2020", outside=""), encoding="utf-8")
    (home / "statistics.csv").write_text(STATISTICS, encoding="utf-8")
    water = frame([square(0, 500, 1000, 500)], **{"class": ["lake"]})
    write(home, {"towns": four_towns(), "forest": frame([square(0, 0, 300, 1000)]), "water": water})
    return home


def run(land: Path, period: str, out: str, *more: str) -> int:
    return main(["run", str(land), "--period", period, "--out", str(land.parent / out), *more])


def values(folder: Path, indicator: str, zone: str = "a") -> dict[str, float]:
    with (folder / "indicators.csv").open(encoding="utf-8-sig", newline="") as stream:
        rows = [r for r in csv.DictReader(stream) if (r["indicator"], r["zone_id"]) == (indicator, zone)]
    return {row["definition"]: float(row["value"]) for row in rows}


def rules(workspace: qp.Workspace) -> set[tuple[str, str, str]]:
    return {(f.rule, f.file, f.severity) for f in workspace.findings if f.rule.startswith("frozen")}


def test_a_year_is_rolled_forward(land: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (land / "qpgis.toml").read_text("utf-8")
    assert main(["init", "--from", str(land), "--period", "2025"]) == 0
    said = capsys.readouterr().out
    for one in ("towns.gpkg", "forest.gpkg", "water.gpkg", "statistics.csv", "own.toml", "forest_cover total_area"):
        assert one in said
    after = (land / "qpgis.toml").read_text("utf-8")
    assert after.startswith(before.rstrip())  # nothing that stood there was changed
    (land / "qpgis.toml").write_text(
        after
        + layer("periods.2025.layers.forest")
        .replace("layers.p", "p")
        .replace("periods.2025.layers.forest.gpkg", "forest25.gpkg"),
        encoding="utf-8",
    )
    write(land, {"forest25": frame([square(0, 0, 350, 1000)])})
    assert main(["init", "--from", str(land), "--period", "2025", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["added"] is False
    assert [m["name"] for m in told["missing"] if m["what"] == "layer"] == ["water"]
    assert run(land, "2025", "out25") == 0
    assert values(land.parent / "out25", "forest_cover")["total_area"] == pytest.approx(35, abs=1e-3)
    assert main(["init", "--from", str(land), "--period", "2026"]) == 0  # goes on from 2025, not from 2024
    ws = qp.open_workspace(land, period="2026")
    assert {f.layer: f.value for f in ws.findings if f.rule == "layer_of_main_period"} == {
        "forest": "2025",
        "water": "2024",
    }


@pytest.mark.parametrize("period", ["2024", "2023", "abc"])
def test_what_cant_be_rolled_leaves_everything_as_it_was(land: Path, period: str) -> None:
    before = (land / "qpgis.toml").read_bytes()
    assert main(["init", "--from", str(land), "--period", period]) == 2
    assert (land / "qpgis.toml").read_bytes() == before
    assert not list(land.glob(".qpgis-*"))


def test_periods_that_go_in_a_circle_are_refused(land: Path) -> None:
    with (land / "qpgis.toml").open("a", encoding="utf-8") as stream:
        stream.write('[periods.2025]\nfrom = "2026"\n[periods.2026]\nfrom = "2025"\n')
    with pytest.raises(ConfigError, match="leads back"):
        qp.open_workspace(land, period="2025")


def test_a_year_as_one_story(land: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, toml = land.parent / "published", land / "qpgis.toml"
    assert run(land, "2024", "published", "--freeze") == 0
    published = {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}
    assert 'frozen = "' in toml.read_text("utf-8")
    assert run(land, "2024", "published") == 2  # never written over, by nobody
    assert main(["run", "--out", str(out)]) == 2
    assert main(["map", str(land), "--out", str(out / "map.html")]) == 2
    assert "frozen" in capsys.readouterr().err
    assert run(land, "2024", "elsewhere", "--freeze") == 2  # frozen already

    assert main(["init", "--from", str(land), "--period", "2025"]) == 0
    with (land / "statistics.csv").open("a", encoding="utf-8") as stream:
        stream.write("forest_cover,a,2025,41,official,统计年鉴,林业站\n")
    assert rules(qp.open_workspace(land, period="2024")) == set()  # neither a new year nor its rows touch the old one
    checks = verify(out, source=Source(land))
    assert [c for c in checks if c.verdict is Verdict.FAILS] == []
    assert [c.verdict for c in checks if c.part == "frozen"] == [Verdict.HOLDS]
    assert {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()} == published

    write(land, {"forest": frame([square(0, 0, 310, 1000)])})  # a frozen file, changed
    assert rules(qp.open_workspace(land)) == {("frozen_changed", "forest.gpkg", "error")}
    assert ("frozen_changed", "forest.gpkg", "warning") in rules(qp.open_workspace(land, period="2025"))
    assert run(land, "2024", "again") == 1
    capsys.readouterr()
    assert main(["stale", str(land), "--strict"]) == 1
    assert "恢复成冻结时的内容" in capsys.readouterr().out
    (land / "statistics.csv").write_text(STATISTICS.replace(",40,", ",39,"), encoding="utf-8")
    assert ("frozen_statistic", "statistics.csv", "error") in rules(qp.open_workspace(land))
    (land / "frozen" / "2024" / "indicators.csv").write_text("", encoding="utf-8")
    with pytest.raises(SourceError, match=r"bring manifest\.json"):
        qp.open_workspace(land)
