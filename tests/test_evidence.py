"""Evidence: what values are made of adds up to them, whole millionth by whole millionth; by hand on the four towns."""

from __future__ import annotations

import copy
import pickle
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import geopandas as gpd
import numpy as np
import pyogrio
import pytest
from shapely import LineString, Point, Polygon, box

import qpgis as qp
from qpgis import parts
from qpgis.catalogue import keys
from qpgis.cli import main
from qpgis.contracts import MADE, _area, _made
from qpgis.engine import Engine
from qpgis.errors import ConfigError, NotComputable, did_you_mean
from qpgis.evidence import NONE, Evidence, dropping, pairs_of, repairing, terms_of
from qpgis.findings import of_each
from qpgis.indicators import Definition, Indicator, registry
from qpgis.layers import Layer
from qpgis.parts import PerZone
from qpgis.scenarios.shortfall import shortfalls
from tests.conftest import EAST, NORTH, WHOLES, Maker, frame, layer, square
from tests.test_own_indicators import MIX, mixed

OURS = [(one, definition) for one in registry().values() for definition in one.definitions]


@pytest.mark.parametrize(("one", "definition"), OURS, ids=lambda one: getattr(one, "id", None) or one.name)
def test_contributions_are_the_sums(one: Indicator, definition: Definition) -> None:
    """On the made square kilometre, whose features overlap, lie across the border and stand twice."""
    area = _area()
    engine = Engine(area)
    try:
        made = one(_made(one), definition)
    except NotComputable:
        return
    if isinstance(made, PerZone):
        return
    for _, _, part in terms_of(made):
        for zones in area.zone_sets:
            try:
                pairs, sources = pairs_of(engine, part, zones)
            except NotComputable:
                continue
            found = [sum(map(int, pairs["millionths"][pairs["zone"] == n])) for n in range(len(zones))]
            assert found == engine.sums(part, zones)
            assert not pairs[["zone", "feature"]].duplicated().any()
            assert pairs["feature"].max() < sum(map(len, sources))


def line(*points: tuple[float, float]) -> LineString:
    return LineString([(EAST + x, NORTH + y) for x, y in points])


@pytest.fixture
def result(workspace: Maker) -> qp.Result:
    """Towns with forest half under a lake, roads across a border, people and stops."""
    forest = frame([square(500, 0, 1000), square(600, 100, 100)], fid_=["f1", "f2"])
    water = frame([square(0, 0, 750, 1000)], fid_=["w1"], kind=["lake"])
    roads = frame(
        [line((500, 500), (1250, 500)), line((100, 1500), (400, 1500))], fid_=["r1", "r2"], kind=["primary"] * 2
    )
    residents = frame([square(900, 1200, 200, 100), Point(EAST + 100, NORTH + 100)], fid_=["p1", "p2"], n=[40, 7])
    stations = frame([Point(EAST + 200, NORTH + 200), Point(EAST + 1000, NORTH + 300)], fid_=["s1", "s2"])
    ids = 'id_field = "fid_"'
    toml = (
        layer("forest", ids)
        + layer("water", ids, 'class_field = "kind"')
        + layer("roads", ids, 'class_field = "kind"')
        + layer("residents", ids, 'amount_field = "n"')
        + layer("stations", ids)
    )
    folder = workspace(toml, forest=forest, water=water, roads=roads, residents=residents, stations=stations)
    return qp.assess(qp.open_workspace(folder), definitions={"road_density": ["carriageway", "centreline"]})


def table(evidence: Evidence, zone: str, side: str) -> dict[tuple[str, str], float]:
    """What layer and feature contribute to a side of a zone's value, to the metre."""
    rows = evidence.used[(evidence.used["zone_id"] == zone) & (evidence.used["side"] == side)]
    pairs = zip(rows["layer"], rows["feature_id"], rows["contribution"], strict=True)
    return {(kind, one): pytest.approx(amount, rel=3e-3) for kind, one, amount in pairs}


def test_area_outside(result: qp.Result) -> None:
    """Of f1's square kilometre 250 m lie under the lake and 500 m in town b; f2 lies within the lake, and in f1."""
    found = result.evidence("forest_cover_of_land")
    assert table(found, "a", "numerator") == {("forest", "f1"): 250_000.0}
    assert table(found, "b", "numerator") == {("forest", "f1"): 500_000.0}
    assert table(found, "south", "numerator") == {("forest", "f1"): 750_000.0}
    assert table(found, "a", "denominator") == {("zones", "a"): 1e6, ("water", "w1"): -750_000.0}
    shares = found.used.groupby(["zone_id", "side"])["share"].sum()
    assert shares.to_numpy() == pytest.approx(1)
    part = found.used[(found.used["zone_id"] == "b") & (found.used["side"] == "numerator")]["part"].item()
    assert part == "林地面积，扣除水域"


def test_length_centreline_amount_and_count(result: qp.Result) -> None:
    for definition in ("carriageway", "centreline"):
        roads = result.evidence("road_density", definition=definition)
        assert table(roads, "a", "numerator") == {("roads", "r1"): 500.0}
        assert table(roads, "b", "numerator") == {("roads", "r1"): 250.0}
        assert table(roads, "all", "numerator") == {("roads", "r1"): 750.0, ("roads", "r2"): 300.0}
    stops = result.evidence("rail_stations", "甲")
    assert table(stops, "a", "numerator") == {("stations", "s1"): 1.0, ("stations", "s2"): 1.0}  # s2 on the border
    assert set(stops.used["zone_id"]) == {"a"}
    people = result.evidence("rail_station_coverage")
    assert table(people, "c", "denominator") == {("residents", "p1"): 20.0}
    assert table(people, "a", "numerator") == {("residents", "p2"): 7.0}


def test_the_sums_are_the_rows(result: qp.Result) -> None:
    checked = 0
    for row in result.rows:
        if row.numerator is None or row.indicator in WHOLES:
            continue
        found = result.evidence(row.indicator, row.zone.id, row.definition).sums
        sides = dict(zip(found["side"], found["millionths"], strict=True))
        assert sides.get("numerator", 0) == row.numerator.micro
        assert sides.get("denominator", 0) == (row.denominator.micro if row.denominator else 0)
        checked += 1
    assert checked > 20


def test_a_scenario_has_its_own_evidence(workspace: Maker) -> None:
    forest = frame([square(0, 0, 500, 1000)], fid_=["old"])
    ws = qp.open_workspace(workspace(layer("forest", 'id_field = "fid_"'), forest=forest))
    qp.assess(ws, indicators=["forest_cover"])
    planned = frame([square(500, 0, 250, 1000)])
    result = qp.what_if(ws, forest=planned, settings={"indicators": ["forest_cover"]})
    found = table(result.evidence("forest_cover"), "a", "numerator")
    assert found.pop(("forest", "old")) == 500_000.0
    assert list(found.values()) == [250_000.0]


def test_rounding_has_a_row_of_its_own() -> None:
    """Sixths of a square kilometre are rounded up by a third of a millionth each: two too many in all."""
    pieces = box(np.arange(6) * 1000 / 6, 0, np.arange(1, 7) * 1000 / 6, 1000)
    none = Layer.empty("forest", MADE)
    frame = none.frame.reindex(range(6)).assign(feature_id=[*"abcdef"])
    engine = Engine(_area())
    pairs, _ = pairs_of(engine, parts.area(replace(none, frame=frame, geometry=pieces, key="pieces")), _area().base)
    assert list(pairs["millionths"]) == [166_666_666_667] * 6 + [-2]
    assert pairs["feature"].iloc[-1] == NONE
    assert pairs["millionths"].sum() == 10**12


def test_broken_features_are_dropped_and_repaired(workspace: Maker) -> None:
    bow_tie = Polygon([(EAST + x, NORTH + y) for x, y in ((0, 0), (100, 100), (100, 0), (0, 100))])
    forest = frame([square(200, 200, 100), bow_tie, None, line((0, 0), (9, 9))], fid_=["good", "bow", "none", "line"])
    water = frame([None], fid_=["dry"])
    ids = 'id_field = "fid_"'
    result = qp.assess(
        qp.open_workspace(workspace(layer("forest", ids) + layer("water", ids), forest=forest, water=water))
    )
    found = result.evidence("forest_cover", "a")
    assert set(found.used["feature_id"]) == {"good", "bow", "a"}
    assert dict(zip(found.dropped["feature_id"], found.dropped["rule"], strict=True)) == {
        "none": "no_geometry",
        "line": "wrong_geometry_type",
    }
    assert list(found.repaired["feature_id"]) == ["bow"]
    at = found.repaired.to_crs("EPSG:4549").geometry.item()
    assert at.distance(Point(EAST, NORTH)) < 1
    assert "2 dropped, 1 repaired" in repr(found)


def test_every_dropped_feature_is_named(workspace: Maker, tmp_path: Path) -> None:
    """Thirty stations that aren't built are one finding, which lists twenty."""
    stops = [Point(EAST + 10 * n, NORTH + 10) for n in range(31)]
    stations = frame(stops, fid_=[f"s{n}" for n in range(31)], status=["现状", *["规划"] * 30])
    toml = layer("stations", 'id_field = "fid_"', 'status_field = "status"')
    result = qp.assess(qp.open_workspace(workspace(toml, stations=stations)), indicators=["rail_stations"])
    (told,) = (one for one in result.findings if one.rule == "other_status")
    assert told.feature_id.endswith("; … (+10)")
    planned = [f"s{n}" for n in range(1, 31)]
    assert list(result.evidence("rail_stations", "a").dropped["feature_id"]) == planned
    result.write(tmp_path / "out", evidence=True)
    dropped = pyogrio.read_dataframe(tmp_path / "out" / "evidence.gpkg", layer="dropped")
    assert list(dropped["feature_id"]) == planned
    copied = copy.deepcopy(result.findings), pickle.loads(pickle.dumps(result.findings))
    assert all([of_each(one) for one in found] == [of_each(one) for one in result.findings] for found in copied)


def test_wholes_and_missing_values_say_so(result: qp.Result) -> None:
    whole = result.evidence("patch_connectivity")
    assert whole.used["contribution"].isna().all()
    assert set(whole.used["layer"]) == {"patches"}
    assert all("不能相加" in note for note in whole.notes.values())
    assert set(whole.used["part"]) == {"整体计算所依据的斑块重要性：生态斑块连通性"}
    missing = result.evidence("park_area_per_person", "a")
    assert not len(missing.used)
    assert "公园" in missing.notes["a"]


def test_a_composite_has_the_evidence_of_its_parts(workspace: Maker) -> None:
    found = qp.assess(qp.open_workspace(mixed(workspace, MIX)), indicators=["mix"]).evidence("mix", "b")
    above = found.sums[found.sums["side"] == "numerator"].set_index("indicator")["millionths"]
    assert dict(above) == {"wood": pytest.approx(2e11, rel=3e-3), "wet": pytest.approx(3e11, rel=3e-3)}
    assert "wood:of_zone" in found.notes["b"]


def test_a_statistic_is_its_row_of_the_table(workspace: Maker, tmp_path: Path) -> None:
    folder = workspace('[tables]\nstatistics = "s.csv"\n')
    text = "indicator,zone,period,value,grade,source\ntax_revenue,all,2023,12.5,official,年鉴表3-1\n"
    (folder / "s.csv").write_text(text, "utf-8")
    result = qp.assess(qp.open_workspace(folder))
    row = result.evidence("tax_revenue").used.iloc[0]
    assert (row["layer"], row["file"], row["feature_id"], row["name"]) == ("statistics", "s.csv", "2023", "年鉴表3-1")
    assert (row["zone_id"], row["contribution"]) == ("all", 12.5)
    result.write(tmp_path / "out", evidence=True)
    assert list(pyogrio.read_dataframe(tmp_path / "out" / "evidence.gpkg", layer="statistics")["name"]) == ["年鉴表3-1"]


def test_unknown_names_are_told(result: qp.Result) -> None:
    for asked in (("forest_covr",), ("forest_cover", "a", "totl")):
        with pytest.raises(KeyError):
            result.evidence(*asked)


def test_an_unknown_zone_is_told_alike_everywhere(result: qp.Result) -> None:
    asks = (
        lambda zone: result.evidence("forest_cover", zone),
        lambda zone: result.trajectory("forest_cover", zone),
        lambda zone: qp.compare(result, result).explain("forest_cover", zone),
        lambda zone: shortfalls(result, zones=[zone]),
    )
    for ask in asks:
        for zone, known in (("戊", "丁"), ("sout", "did you mean 'south'")):
            with pytest.raises(ConfigError, match=f"^no zone '{zone}'; .*{known}"):
                ask(zone)
    assert len(did_you_mean("戊", map(str, range(10_000)))) < 1000


def test_rules_are_known() -> None:
    assert not dropping() & repairing()
    assert {f"finding_{rule}" for rule in dropping() | repairing()} <= keys()


def test_the_file_joins(workspace: Maker, tmp_path: Path) -> None:
    """Contributions joined to parts and features by SQL alone are the numerators; twice the same bytes."""
    forest = frame([square(500, 0, 1000), None], fid_=["f1", "none"])
    folder = workspace(layer("forest", 'id_field = "fid_"'), forest=forest)
    for name in ("one", "two"):
        assert main(["run", str(folder), "--evidence", "--out", str(tmp_path / name)]) == 0
    file = tmp_path / "one" / "evidence.gpkg"
    assert file.read_bytes() == (tmp_path / "two" / "evidence.gpkg").read_bytes()
    asked = """SELECT zone_id, SUM(millionths) FROM contributions JOIN parts USING (part) JOIN polygons USING (feature)
        WHERE indicator = 'forest_cover' AND side = 'numerator' AND feature_id = 'f1' GROUP BY zone_id"""
    with closing(sqlite3.connect(file)) as base:
        sums = dict(base.execute(asked).fetchall())
    result = qp.assess(qp.open_workspace(folder), indicators=["forest_cover"])
    assert sums == {r.zone.id: r.numerator.micro for r in result.rows if r.numerator and r.numerator.micro}
    assert list(pyogrio.read_dataframe(file, layer="dropped")["feature_id"]) == ["none"]
    polygons = gpd.read_file(file, layer="polygons")
    assert polygons["feature"].is_unique
    assert polygons.crs == "EPSG:4326"
