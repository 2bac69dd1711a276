"""Explaining a change: its parts worked by hand, and they are the difference, whatever changed."""

from __future__ import annotations

import csv
import json
import re
from decimal import Decimal
from fractions import Fraction
from itertools import permutations
from pathlib import Path

import geopandas as gpd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import qpgis as qp
from qpgis.cli import main
from qpgis.provenance import sha256_of
from qpgis.scenarios.explain import Explanation
from qpgis.scenarios.shapley import rounded, shares
from tests.conftest import HEAD, Maker, four_towns, frame, layer, square, write

COVER, OF_LAND = "forest_cover", "forest_cover_of_land"
LAYERS = layer("forest", 'id_field = "id"') + layer("water", 'id_field = "id"', 'class_field = "class_"')


def woods(*widths: float) -> gpd.GeoDataFrame:
    """Woods in the west of a, so many metres wide; others follow eastwards."""
    shapes = [square(sum(widths[:n]), 0, width, 1000) for n, width in enumerate(widths)]
    return frame(shapes, id=[f"f{n}" for n in range(len(widths))])


def lake(width: float) -> gpd.GeoDataFrame:
    """A lake in the east of a."""
    return frame([square(1000 - width, 0, width, 1000)], id=["w"], class_=["lake"])


def parts(found: Explanation, zone: str = "a") -> dict[str, float]:
    rows = found.table[found.table["zone_id"] == zone]
    return dict(zip(rows["label"], rows["contribution"], strict=True))


def adds_up(found: Explanation) -> None:
    """The parts of each zone are its difference: as decimals, and as they are printed."""
    for zone in found.zones:
        if zone.record["difference"] is not None:
            assert sum(part.amount for part in zone.parts) == zone.record["difference"]
    whole: Decimal | None = None
    printed = Decimal(0)
    lines = found.text().split("影响最大的要素")[0].splitlines()
    for line in [*lines, "，变化 +0 km²"]:
        if "，变化 " in line:
            assert whole in (None, printed)
            whole, printed = Decimal(line.split("，变化 ")[1].split()[0]), Decimal(0)
        elif match := re.search(r"：([+-][\d.]+) ", line):
            printed += Decimal(match[1])


def test_one_layer_makes_the_whole_difference(workspace: Maker) -> None:
    runs = [qp.assess(qp.open_workspace(workspace(LAYERS, forest=woods(w), water=lake(100)))) for w in (400, 500)]
    found = qp.compare(*runs).explain(COVER)
    assert parts(found) == {"数据：林地": pytest.approx(10, rel=1e-5)}
    assert parts(found, "south") == {"数据：林地": pytest.approx(5, rel=1e-5)}
    assert parts(found, "b") == {"数据：林地": 0}
    assert found.table.loc[0, "share"] == 1
    still = [zone for zone in found.zones if zone.record["difference"] == 0]
    assert f"其余 {len(still)} 个分区没有变化" in found.text()
    assert all(zone.record["zone_name"] not in found.text() for zone in still)
    adds_up(found)


def test_what_two_layers_make_together_is_halved(workspace: Maker) -> None:
    """Forest of 400, then 450 m beside water of 200, then 500 m, of 1000 m: 400/800, 450/800, 400/500, 450/500."""
    runs = [
        qp.assess(qp.open_workspace(workspace(LAYERS, forest=woods(w), water=lake(wet))))
        for w, wet in ((400, 200), (450, 500))
    ]
    found = qp.compare(*runs).explain(OF_LAND, "甲")
    forest = ((56.25 - 50) + (90 - 80)) / 2
    water = ((80 - 50) + (90 - 56.25)) / 2
    assert parts(found) == {
        "数据：林地": pytest.approx(forest, rel=1e-4),
        "数据：水域": pytest.approx(water, rel=1e-4),
    }
    adds_up(found)


def test_layers_without_features_are_layers(workspace: Maker) -> None:
    """All water is counted, of woods and wetland there are none: the lake's part isn't taken for another's."""
    kinds = ("wetland", "farmland", "orchard", "forest", "grass", "park")
    none = "".join(f'[layers.{kind}]\nempty_because = "none"\n' for kind in kinds)
    towns = four_towns()
    towns.loc[0, "geometry"] = square(0, 0, 1000, 900)
    runs = [
        qp.assess(qp.open_workspace(workspace(layer("water") + none, water=lake(wet), towns=drawn)))
        for wet, drawn in ((200, four_towns()), (500, towns))
    ]
    found = qp.compare(*runs).explain("blue_green_share", "a")
    assert parts(found) == {"分区界线": pytest.approx(0, abs=1e-3), "数据：水域": pytest.approx(30, rel=1e-3)}


def test_borders_and_data(workspace: Maker) -> None:
    """A town half as large, its forest half as wide: 400/1000 becomes 400/500, or 200/1000, or 200/500."""
    before = qp.assess(qp.open_workspace(workspace(LAYERS, forest=woods(400), water=lake(0.1))))
    towns = four_towns()
    towns.loc[0, "geometry"] = square(0, 0, 500, 1000)
    after = qp.assess(qp.open_workspace(workspace(LAYERS, forest=woods(200), water=lake(0.1), towns=towns)))
    found = qp.compare(before, after).explain(COVER, "a")
    borders, forest = ((80 - 40) + (40 - 20)) / 2, ((20 - 40) + (40 - 80)) / 2
    assert list(parts(found)) == ["分区界线", "数据：林地"]
    assert list(parts(found).values()) == pytest.approx([borders, forest], rel=1e-4)
    adds_up(found)


def test_definitions(workspace: Maker) -> None:
    """A pond of 200 m is land to the first definition, water to the second: 400 of 1000 m, then of 800."""
    toml, pond = LAYERS + '[definitions]\nforest_cover_of_land = ["{}"]\n', lake(200).assign(class_="pond")
    runs = [
        qp.assess(qp.open_workspace(workspace(toml.format(name), forest=woods(400), water=pond)))
        for name in ("rivers_lakes_reservoirs", "all_water")
    ]
    found = qp.compare(*runs, unlike=True).explain(OF_LAND, "a", "all_water")
    assert parts(found) == {"口径": pytest.approx(10, rel=1e-5)}
    adds_up(found)


def replayed(make: Maker, states: tuple[dict, dict], names: list[str]) -> list[Fraction]:
    """What workspaces give that were written with some of the files of the second state; the n-th bit is the n-th."""
    found = []
    for mask in range(1 << len(names)):
        one = {name: states[mask >> n & 1][name] for n, name in enumerate(names)}
        toml = LAYERS + f'[definitions]\nforest_cover_of_land = ["{one.pop("definition")}"]\n'
        table = qp.assess(qp.open_workspace(make(toml, **one)), indicators=[OF_LAND])[OF_LAND].set_index("zone_id")
        found.append(Fraction(table.loc["a", "value"]))
    return found


WIDTHS = st.integers(1, 9).map(lambda n: n * 50.0)


@st.composite
def states(draw: st.DrawFn) -> dict:
    """Town a up to its eastern border, with woods and with water of some classes."""
    towns, edge = four_towns(), 900 + draw(WIDTHS)
    towns.loc[0, "geometry"] = square(0, 0, min(edge, 1000), 1000)
    kinds = draw(st.sampled_from(["lake", "pond"]))
    name = draw(st.sampled_from(["rivers_lakes_reservoirs", "all_water"]))
    forest, water = woods(draw(WIDTHS), draw(WIDTHS)), lake(draw(WIDTHS)).assign(class_=kinds)
    return {"towns": towns, "forest": forest, "water": water, "definition": name}


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pair=st.tuples(states(), states()))
def test_replayed_is_what_mixed_files_give(workspace: Maker, pair: tuple[dict, dict]) -> None:
    """Every mixture as a workspace of its own, its files read; averaged over every order."""
    names = ["towns", "forest", "water", "definition"]
    runs = []
    for state in pair:
        toml = LAYERS + f'[definitions]\nforest_cover_of_land = ["{state["definition"]}"]\n'
        frames = {name: one for name, one in state.items() if name != "definition"}
        runs.append(qp.assess(qp.open_workspace(workspace(toml, **frames)), indicators=[OF_LAND]))
    found = qp.compare(*runs, unlike=True).explain(OF_LAND)
    adds_up(found)
    labels = ["分区界线", "数据：林地", "数据：水域", "口径"]
    truth = dict(zip(labels, map(float, by_orders(replayed(workspace, pair, names))), strict=True))
    told = parts(found)
    assert [told.get(label, 0.0) for label in labels] == pytest.approx(list(truth.values()), rel=0, abs=1e-9)


NINE = ("water", "wetland", "forest", "farmland", "orchard", "grass", "park", "residential", "buildings")
OWN = f"""
from qpgis import Definition, Total, indicator
from qpgis import parts

@indicator(unit="km2", zh="九层合计", en="Nine layers", theme="land", definitions=(Definition("nine", "和", "sum"),))
def nine(zones, {", ".join(NINE)}):
    \"\"\"Formula: the sum.\"\"\"
    return Total({" + ".join(f"parts.area({one})" for one in NINE)})
"""


def test_the_least_of_more_than_eight_are_taken_together(workspace: Maker) -> None:
    """Nine layers of 10 m each grow by 10, 20, ... 90 m of a kilometre: seven stand alone."""
    toml, runs = 'indicators = ["own.py"]\n', []
    for step in (0, 1):
        frames = {kind: frame([square(0, 0, 10 + 10 * n * step, 1000)]) for n, kind in enumerate(NINE, start=1)}
        folder = workspace("".join(map(layer, NINE)), head=toml + HEAD, **frames)
        (folder / "own.py").write_text(OWN, "utf-8")
        runs.append(qp.assess(qp.open_workspace(folder), indicators=["nine"]))
    found = qp.compare(*runs).explain("nine", "a")
    table = found.table.set_index("layers")["contribution"]
    assert table["water wetland"] == pytest.approx(0.03, rel=1e-3)
    assert {kind: table[kind] for kind in NINE[2:]} == {
        kind: pytest.approx(n / 100, rel=1e-3) for n, kind in enumerate(NINE[2:], start=3)
    }
    assert "变化的因素超过 8 个" in found.text()
    adds_up(found)


@pytest.fixture
def runs(workspace: Maker, tmp_path: Path) -> tuple[Path, Path]:
    """Two workspaces beside each other with what they give in ``out``: forest of 400 m, then of 500 m."""
    for name, width in (("before", 400), ("after", 500)):
        folder = workspace(LAYERS, forest=woods(width), water=lake(200)).rename(tmp_path / name)
        qp.assess(qp.open_workspace(folder), indicators=[COVER, OF_LAND]).write(folder / "out")
    return tmp_path / "before", tmp_path / "after"


def diff(capsys: pytest.CaptureFixture[str], runs: tuple[Path, Path], *options: str) -> tuple[int, str, str]:
    status = main(["diff", *(str(one / "out") for one in runs), *options])
    return status, *capsys.readouterr()


def test_of_folders_with_and_without_their_workspaces(
    runs: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["--explain", COVER, "--zone", "甲"]
    status, out, _ = diff(capsys, runs, *asked)
    assert (status, "未能说明：+10" in out, "只比较，不说明原因" in out) == (0, True, True)
    at_hand = [*asked, "--workspaces", *map(str, runs)]
    status, out, _ = diff(capsys, runs, *at_hand)
    assert (status, "数据：林地：+10" in out, "未能说明" in out) == (0, True, False)
    status, out, _ = diff(capsys, runs, "--explain", COVER, "--zone", "丁")
    assert (status, "变化 +0 " in out, "未能说明" in out) == (0, True, False)
    file = runs[0] / "why.csv"
    assert diff(capsys, runs, *at_hand, "--csv", str(file))[0] == 0
    (written,) = csv.DictReader(file.read_text("utf-8-sig").splitlines())
    assert (written["zone_id"], written["layers"]) == ("a", "forest")
    assert Decimal(written["contribution"]) == Decimal(written["difference"])
    assert float(written["difference"]) == pytest.approx(10, abs=1e-5)
    rows = json.loads(diff(capsys, runs, *at_hand, "--json")[1])["rows"]
    assert [(row["zone_id"], row["factor"], row["layers"]) for row in rows] == [("a", "data", "forest")]
    write(runs[0], {"forest": woods(300)})
    status, out, err = diff(capsys, runs, *at_hand)
    assert (status, out) == (2, "")
    assert "before: forest.gpkg not as" in err
    assert diff(capsys, runs, "--zone", "a")[0] == 2
    assert diff(capsys, runs, "--explain", COVER, "--zone", "e")[0] == 2


def test_a_scenario_that_was_written_is_opened_again(
    workspace: Maker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of woods of 400 m another 100 are planned."""
    folder = workspace(
        layer("forest", 'status_field = "plan_status"'), forest=woods(400, 100).assign(plan_status=["现状", "规划"])
    )
    assert main(["run", str(folder), "--out", str(tmp_path / "now")]) == 0
    assert main(["what-if", str(folder), "--scenario", "planned", "--out", str(tmp_path / "then")]) == 0
    capsys.readouterr()
    asked = ["--explain", COVER, "--zone", "a", "--workspaces", str(folder), str(folder)]
    assert main(["diff", str(tmp_path / "now"), str(tmp_path / "then"), *asked]) == 0
    assert "数据：林地：+10 个百分点（占变化的 100.0%）" in capsys.readouterr().out


def test_code_is_the_first_step(runs: tuple[Path, Path]) -> None:
    """Another qpgis had found 30 % before, where today's finds 40."""
    table = runs[0] / "out" / "indicators.csv"
    lines = table.read_text("utf-8-sig").splitlines()
    (n,) = (n for n, line in enumerate(lines) if line.startswith(f"{COVER},") and ",a,甲," in line)
    cells = lines[n].split(",")
    cells[6] = "30"
    table.write_text("\n".join([*lines[:n], ",".join(cells), *lines[n + 1 :]]) + "\n", "utf-8-sig")
    manifest = json.loads((table.parent / "manifest.json").read_text("utf-8"))
    manifest["outputs"][table.name] = sha256_of(table)
    (table.parent / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    found = qp.compare(*(one / "out" for one in runs), workspaces=runs).explain(COVER, "a")
    assert list(parts(found)) == ["程序（前一次的输入用现在的程序重算）", "数据：林地"]
    assert list(parts(found).values()) == pytest.approx([10, 10], rel=1e-4)
    assert "前一次记录的值是 30，同样的输入现在算得 40" in found.text()
    assert "改动" not in found.text()
    adds_up(found)
    del manifest["outputs"][table.name]
    (table.parent / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    edited = qp.compare(*(one / "out" for one in runs), workspaces=runs).explain(COVER, "a")
    assert "在运行之后被改动" in edited.text()
    found = qp.compare(*(one / "out" for one in reversed(runs)), workspaces=runs[::-1]).explain(COVER, "a")
    assert list(parts(found).values()) == pytest.approx([-10, -10], rel=1e-4)
    assert "程序（后一次的结果不是现在的程序算出的）" in parts(found)
    adds_up(found)


def test_what_parcels_became_is_told_as_one(workspace: Maker) -> None:
    """p1 becomes forest, p2 is gone, p3 is drawn larger, p4 stays as it is, p5 is new."""
    toml = layer("landuse", 'scheme = "sandiao"', 'class_field = "code"', 'id_field = "id"')
    toml += "".join(f'[layers.{kind}]\nfrom = "landuse"\n' for kind in ("farmland", "forest", "park"))
    toml += "".join(f'[layers.{kind}]\nempty_because = "none"\n' for kind in ("water", "wetland", "orchard", "grass"))
    before = {"p1": ("0101", 0, 100), "p2": ("0301", 100, 150), "p3": ("0301", 300, 100), "p4": ("0101", 600, 100)}
    after = {"p1": ("0301", 0, 100), "p3": ("0301", 300, 180), "p4": ("0101", 600, 100), "p5": ("0101", 700, 20)}
    runs = []
    for parcels in (before, after):
        shapes = [square(x, 0, width, 1000) for _, x, width in parcels.values()]
        land = frame(shapes, id=list(parcels), code=[one[0] for one in parcels.values()])
        runs.append(qp.assess(qp.open_workspace(workspace(toml, landuse=land))))
    compared = qp.compare(*runs)
    found = compared.explain("blue_green_share", "a")
    rows = found.features[["feature_id", "layer", "change"]].to_numpy().tolist()
    assert rows == [["p2", "forest", "removed"], ["p3", "forest", "redrawn"], ["p5", "farmland", "new"]]
    assert set(found.features["factor"]) == {"farmland forest park"}, "one land use, surveyed where its parcels are"
    assert list(parts(found).values()) == pytest.approx([-5], rel=1e-4), "80 + 20 - 150 m of 1000"
    km2 = found.features["difference"] / 1e6
    assert km2.tolist() == pytest.approx([-0.15, 0.08, 0.02], rel=1e-3)
    assert found.features.geometry.intersects(runs[0].workspace.area.frame().geometry.iloc[0]).all()
    assert (len(found.features), len(compared.explain("blue_green_share", "a", top=2).features)) == (3, 2)
    cover = compared.explain(COVER, "a").features
    assert dict(zip(cover["feature_id"], cover["change"], strict=True)) == {
        "p2": "removed",
        "p1": "new",
        "p3": "redrawn",
    }


def test_water_that_moves_woods(workspace: Maker) -> None:
    """Half of the woods are under the lake that is new: they are as they were, and count for less."""
    runs = [qp.assess(qp.open_workspace(workspace(LAYERS, forest=woods(400), water=lake(wet)))) for wet in (100, 800)]
    found = qp.compare(*runs).explain(OF_LAND, "a").features.set_index(["layer", "side"])
    assert found["change"].to_dict() == {("water", "denominator"): "redrawn", ("forest", "numerator"): "same"}
    assert found["factor"].to_list() == ["water", ""]
    assert (found["difference"] / 1e6).tolist() == pytest.approx([-0.7, -0.2], rel=1e-3)


def test_another_period_alone_is_no_factor(workspace: Maker) -> None:
    heads = HEAD, HEAD.replace('"2024"', '"2025"')
    runs = [qp.assess(qp.open_workspace(workspace(LAYERS, head=h, forest=woods(1), water=lake(1)))) for h in heads]
    found = qp.compare(*runs).explain(COVER)
    assert not found.table["contribution"].any()
    assert "都没有影响该指标的不同" in found.text()
    assert not len(found.features)


def test_what_is_joined_is_data(workspace: Maker) -> None:
    """The file of water is the same, the table of its classes isn't: a pond is land, a lake of 200 m isn't."""
    toml = layer("forest") + layer("water", 'id_field = "id"', 'class_field = "kind"')
    toml += '[layers.water.join]\nfile = "kinds.csv"\non = "id"\n'
    runs = []
    for kind in ("pond", "lake"):
        folder = workspace(toml)
        if kind == "pond":
            write(folder, {"forest": woods(400), "water": lake(200)})
        (folder / "kinds.csv").write_text(f"id,kind\nw,{kind}\n", "utf-8")
        runs.append(qp.assess(qp.open_workspace(folder)))
    found = qp.compare(*runs).explain(OF_LAND, "a")
    assert parts(found) == {"数据：水域": pytest.approx(10, rel=1e-4)}
    assert found.features["change"].to_list() == ["reclassed"]


def test_land_that_no_parcel_covers_is_told(workspace: Maker) -> None:
    """The file's box reaches far beyond its parcels, and the town that grew to the west lies in it."""
    toml = layer("landuse", 'scheme = "sandiao"', 'class_field = "code"').replace('"area"', '"file"')
    toml += '[layers.forest]\nfrom = "landuse"\n'
    towns, runs = four_towns(), []
    towns.loc[0, "geometry"] = square(-500, 0, 1500, 1000)
    for wood, fields, drawn in ((400, 1600, four_towns()), (500, 2000, towns)):
        shapes = [square(0, 0, wood, 2000), square(wood, 0, fields, 2000), square(-3000, 0, 10, 2000)]
        if drawn is towns:
            shapes.append(square(-500, 0, 500, 2000))
        land = frame(shapes, code=["0301", "0101", "0101", "0101"][: len(shapes)])
        runs.append(qp.assess(qp.open_workspace(workspace(toml, landuse=land, towns=drawn))))
    found = qp.compare(*runs).explain(COVER, "a")
    assert "前一次的林地只调查到甲后一次界线内的 66.67%" in found.text()
    assert "后一次的" not in found.text().split("影响最大的要素")[0]
    borders = ((400 / 15 - 40) + (500 / 15 - 50)) / 2
    assert parts(found) == {
        "分区界线": pytest.approx(borders, rel=1e-4),
        "数据：林地": pytest.approx(((50 - 40) + (500 / 15 - 400 / 15)) / 2, rel=1e-4),
    }


def test_planes_that_differ(workspace: Maker) -> None:
    """The towns are moved to where a wider one brings the centre over half a degree."""
    runs, drawn = [], []
    for reach, width in ((900, 400), (3000, 300)):
        towns = four_towns()
        towns.loc[0, "geometry"] = square(1000 - reach, 0, reach, 1000)
        frames = {"towns": towns, "forest": woods(width), "water": lake(200)}
        for one in frames.values():
            one.geometry = one.geometry.translate(547_700 - 600_000 - 250)
        drawn.append(frames | {"definition": "all_water"})
        runs.append(qp.assess(qp.open_workspace(workspace(LAYERS, **frames)), indicators=[OF_LAND]))
    assert runs[0].workspace.area.plane != runs[1].workspace.area.plane
    found = qp.compare(*runs).explain(OF_LAND, "a")
    truth = by_orders(replayed(workspace, (drawn[0], drawn[1]), ["towns", "forest", "definition", "water"]))
    told = parts(found)
    assert told["分区界线"] == pytest.approx(float(truth[0]), rel=1e-7)
    assert told["数据：林地"] == pytest.approx(float(truth[1]), rel=1e-7)
    assert "两次的量算平面不同" in found.text()
    assert len(told) == 2, "the lake is as it was"
    adds_up(found)


GREEN = """
from qpgis import Definition, Ratio, indicator
from qpgis import parts

PRESETS = tuple(Definition(one, one, one, {"of": one}) for one in ("water", "forest"))

@indicator(unit="%", zh="绿", en="Green", theme="land", definitions=PRESETS)
def green(zones, water, forest, *, of="water"):
    \"\"\"Formula: the share.\"\"\"
    return Ratio(parts.area({"water": water, "forest": forest}[of]), parts.area(zones))
"""


def test_layers_that_one_run_lacks(workspace: Maker) -> None:
    """Water of 200 m by one definition, woods of 400 m by the other: the woods must be there before it, the water until
    then."""
    runs = []
    for kind, shapes in (("water", lake(200)), ("forest", woods(400))):
        head = 'indicators = ["own.py"]\n' + HEAD
        folder = workspace(layer(kind) + f'[definitions]\ngreen = ["{kind}"]\n', head=head, **{kind: shapes})
        (folder / "own.py").write_text(GREEN, "utf-8")
        runs.append(qp.assess(qp.open_workspace(folder), indicators=["green"]))
    found = qp.compare(*runs, unlike=True).explain("green", "a")
    assert parts(found) == {"数据：水域": 0, "数据：林地": 0, "口径": pytest.approx(20, rel=1e-4)}
    assert "6 种变化次序中有 1 种可以重算" in found.text()
    adds_up(found)


def test_what_no_order_comes_through_is_one(workspace: Maker) -> None:
    """Land use gives water by the one definition and woods by the other: neither can be changed without the other."""
    land = frame([square(0, 0, 200, 1000), square(200, 0, 400, 1000)], code=["1101", "0301"])
    toml, runs = layer("landuse", 'scheme = "sandiao"', 'class_field = "code"'), []
    for kind in ("water", "forest"):
        asked = f'[layers.{kind}]\nfrom = "landuse"\n[definitions]\ngreen = ["{kind}"]\n'
        folder = workspace(toml + asked, head='indicators = ["own.py"]\n' + HEAD, landuse=land)
        (folder / "own.py").write_text(GREEN, "utf-8")
        runs.append(qp.assess(qp.open_workspace(folder), indicators=["green"]))
    found = qp.compare(*runs, unlike=True).explain("green", "a")
    assert parts(found) == {"共同作用（数据：水域、林地、口径）": pytest.approx(20, rel=1e-4)}
    assert "没有一种变化次序可以逐步重算" in found.text()
    adds_up(found)


def test_members_of_a_group_are_its_borders(workspace: Maker) -> None:
    """The south loses b, and half of its land; of what only one run has nothing is explained."""
    heads = HEAD, HEAD.replace('["a", "b"]', '["a"]')
    runs = [qp.assess(qp.open_workspace(workspace(layer("forest"), head=h, forest=woods(400)))) for h in heads]
    compared = qp.compare(*runs)
    assert parts(compared.explain(COVER, "南片"), "south") == {"分区界线": pytest.approx(20, rel=1e-4)}
    fewer = qp.assess(runs[1].workspace, level="town")
    alone = qp.compare(runs[0], fewer).explain(COVER, "south")
    assert alone.table["contribution"].isna().all()
    assert "没有差值可以说明" in alone.text()


def test_what_is_measured_as_a_whole_and_a_scenario(workspace: Maker) -> None:
    """Two woods far apart; then one that is gone in a scenario, where what is left is wholly connected."""
    names = ("forest", "wetland", "water")
    toml = layer("forest", 'id_field = "id"') + "".join(
        f'[layers.{one}]\nempty_because = "none"\n' for one in names[1:]
    )
    far = frame([square(0, 0, 200), square(700, 700, 300)], id=["f0", "f1"])
    present = qp.open_workspace(workspace(toml, forest=far))
    asked = {"indicators": ["patch_connectivity"]}
    changed = qp.what_if(present, qp.Change("forest", how="remove", ids=("f0",)), settings=asked)
    found = qp.compare(qp.assess(present, **asked), changed).explain("patch_connectivity", "a")
    assert list(parts(found)) == ["数据：林地"]
    assert found.table["value_after"].item() == 100
    assert found.features[["feature_id", "change"]].to_numpy().tolist() == [["f0", "removed"]]
    assert found.features["difference"].isna().all()
    adds_up(found)


def test_values_of_tables_are_only_compared(workspace: Maker) -> None:
    runs = []
    for value in (3, 4):
        folder = workspace('[tables]\nstatistics = "s.csv"\n')
        row = f"tax_revenue_growth,a,2024,{value},official,年鉴\n"
        (folder / "s.csv").write_text("indicator,zone,period,value,grade,source\n" + row, "utf-8")
        runs.append(qp.assess(qp.open_workspace(folder)))
    found = qp.compare(*runs).explain("tax_revenue_growth", "a")
    assert parts(found) == {"未能说明": 1}
    assert "取自统计表" in found.text()


def by_orders(values: list[Fraction]) -> list[Fraction]:
    """What each factor adds, averaged over every order, one after the other."""
    count = (len(values) - 1).bit_length()
    total = [Fraction(0)] * count
    orders = list(permutations(range(count)))
    for order in orders:
        mask = 0
        for n in order:
            total[n] += values[mask | 1 << n] - values[mask]
            mask |= 1 << n
    return [one / len(orders) for one in total]


@given(st.integers(0, 4).flatmap(lambda n: st.lists(st.fractions(), min_size=2**n, max_size=2**n)))
def test_shares_are_averages_over_orders(values: list[Fraction]) -> None:
    found = shares(values)
    assert found is not None
    assert list(found.amounts) == by_orders(values)
    assert sum(found.amounts) == values[-1] - values[0]


@given(st.lists(st.fractions(-1000, 1000), min_size=1, max_size=8), st.integers(0, 9))
def test_what_is_rounded_adds_up(amounts: list[Fraction], places: int) -> None:
    total = round(Decimal(float(sum(amounts))), places)
    found = rounded(amounts, total, places)
    assert sum(found) == total
    assert all(
        abs(Fraction(one) - amount) < Fraction(2, 10**places) for one, amount in zip(found, amounts, strict=True)
    )
