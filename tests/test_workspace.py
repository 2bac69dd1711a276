"""Workspaces: what they say when something is wrong, and what they make of layers, states and tables."""

from __future__ import annotations

import shutil
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
from shapely import LineString, MultiPolygon, Point, Polygon, box

import qpgis as qp
from qpgis.cli import main
from qpgis.errors import ConfigError, CRSError, LayerError, SourceError, ZoneError
from qpgis.provenance import Grade
from qpgis.workspace.config import ZonesTable
from tests.conftest import EAST, HEAD, NORTH, Maker, four_towns, frame, layer, square


def rules(ws: object) -> set[str]:
    return {f.rule for f in ws.findings}  # type: ignore[attr-defined]


def test_every_mistake_is_listed_with_line_and_remedy(tmp_path: Path) -> None:
    text = "\n".join(
        [
            'name = "x"',
            'perod = "2024"',
            "[zones]",
            'fil = "towns.gpkg"',
            'grade = "offical"',
            "[layers.watr]",
            'file = "w.gpkg"',
            "[layers.roads]",
            'file = "r.gpkg"',
            'grade = "open"',
            "extent = [1, 2]",
            "[layers.landuse]",
            'file = "l.gpkg"',
            'grade = "open"',
            'scheme = "sandaio"',
            "[definitions]",
            'road_density = ["centrline"]',
            'forest = ["x"]',
        ]
    )
    (tmp_path / "qpgis.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        qp.open_workspace(tmp_path)
    message = str(caught.value)
    for expected in (
        "'period' is missing",
        "line 2: unknown key 'perod'; did you mean 'period'?",
        "line 4: unknown key 'fil' in [zones]; did you mean 'file'?",
        "line 5: grade = 'offical' in [zones] is not known; use official (官方)",
        "line 6: unknown layer 'watr'; did you mean 'water'?",
        "line 6: layers.watr: grade is missing; add grade = one of official",
        "line 11: layers.roads.extent",
        "line 15: layers.landuse.scheme = 'sandaio': unknown land-use scheme 'sandaio'; did you mean 'sandiao'?",
        "line 17: road_density: unknown definition 'centrline'; did you mean 'centreline'?",
        "line 18: unknown indicator 'forest'; did you mean 'forest_cover'?",
    ):
        assert expected in message


def test_broken_toml_names_its_line(tmp_path: Path) -> None:
    (tmp_path / "qpgis.toml").write_text('name = "x"\nperiod = \n', encoding="utf-8")
    with pytest.raises(ConfigError, match=r"no TOML.*line 2"):
        qp.open_workspace(tmp_path)


def test_no_workspace_there(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"doesn't exist; make one with: qpgis init"):
        qp.open_workspace(tmp_path)


def test_missing_files_are_all_named(workspace: Maker) -> None:
    folder = workspace(layer("water") + layer("forest"))
    with pytest.raises(SourceError) as caught:
        qp.open_workspace(folder)
    assert "2 files are missing" in str(caught.value)
    assert "[layers.water] file 'water.gpkg'" in str(caught.value)
    assert "[layers.forest] file 'forest.gpkg'" in str(caught.value)


def test_unknown_layer_of_a_file(workspace: Maker) -> None:
    folder = workspace(layer("water", 'layer = "watr"'), water=frame([square(0, 0)]))
    with pytest.raises(SourceError, match=r"water.gpkg: no layer 'watr'; did you mean 'water'\?"):
        qp.open_workspace(folder)


def test_unknown_field(workspace: Maker) -> None:
    folder = workspace(layer("water", 'class_field = "clas"'), water=frame([square(0, 0)], klass=["river"]))
    with pytest.raises(LayerError, match=r"layer 'water' \(water.gpkg\): no field 'clas', did you mean 'klass'\?"):
        qp.open_workspace(folder)


def test_no_crs_is_an_error_until_declared(workspace: Maker) -> None:
    toml = layer("water").replace("water.gpkg", "water.parquet")
    folder = workspace(toml)
    frame([square(0, 0)], crs=None).to_parquet(folder / "water.parquet")
    with pytest.raises(CRSError, match=r"layer 'water' \(water.parquet\): no coordinate reference system; write"):
        qp.open_workspace(folder)
    declared = workspace(toml + 'crs = "EPSG:4549"\n')
    frame([square(0, 0)], crs=None).to_parquet(declared / "water.parquet")
    result = qp.assess(qp.open_workspace(declared), definitions={"water_surface_share": ["all_water"]})
    assert result["water_surface_share"].set_index("zone_id").loc["a", "value"] == pytest.approx(100, rel=1e-3)


def test_metres_declared_as_degrees_are_refused(workspace: Maker) -> None:
    folder = workspace(layer("water", 'crs = "EPSG:4490"'), water=frame([square(0, 0)]))
    with pytest.raises(CRSError, match=r"are no degrees, although the system is EPSG:4490"):
        qp.open_workspace(folder)


@pytest.mark.parametrize("code", [4214, 4610, 2327, 2437])
def test_old_datums_without_parameters_are_refused(workspace: Maker, code: int) -> None:
    folder = workspace(layer("water", f'crs = "EPSG:{code}"'), water=frame([square(0, 0)]))
    with pytest.raises(CRSError, match=r"there is no true operation"):
        qp.open_workspace(folder)


@pytest.mark.parametrize(
    ("geometry", "message"),
    [
        (Polygon(), "zone 'b' has no area"),
        (None, "zone 'b' has no area"),
        (MultiPolygon(), "zone 'b' has no area"),
        (LineString([(EAST, NORTH), (EAST + 9, NORTH)]), "zone 'b' has no area"),
    ],
)
def test_a_zone_without_area_is_an_error(workspace: Maker, geometry: object, message: str) -> None:
    towns = four_towns()
    towns.loc[1, "geometry"] = geometry
    with pytest.raises(ZoneError, match=message):
        qp.open_workspace(workspace(towns=towns))


def test_no_zones_and_wrong_zone_fields(workspace: Maker) -> None:
    with pytest.raises(ZoneError, match="holds no zone"):
        qp.open_workspace(workspace(towns=four_towns().iloc[:0]))
    with pytest.raises(ZoneError, match=r"no field 'zone_id', did you mean 'zoneid'\?"):
        qp.open_workspace(workspace(towns=four_towns().rename(columns={"zone_id": "zoneid"})))


def test_a_group_of_unknown_members(workspace: Maker) -> None:
    with pytest.raises(ConfigError, match=r"group 'south': member 'x' is not among the zones; known: a, b, c, d"):
        qp.open_workspace(workspace(head=HEAD.replace('"a", "b"', '"a", "x"')))


def test_overlapping_zones_are_named_with_what_sums_count_twice(workspace: Maker) -> None:
    towns = four_towns()
    towns.loc[1, "geometry"] = square(900, 0, 1100, 1000)
    ws = qp.open_workspace(workspace(towns=towns))
    (found,) = [f for f in ws.findings if f.rule == "zones_overlap"]
    assert (found.severity, found.feature_id) == ("warning", "a; b")
    assert float(found.value.removesuffix(" m2")) == pytest.approx(100 * 1000, rel=1e-3)
    (twice,) = [f for f in ws.findings if f.rule == "zones_counted_twice"]
    assert float(twice.value.removesuffix(" m2")) == pytest.approx(100 * 1000, rel=1e-3)


def test_a_zone_without_data_says_why(workspace: Maker) -> None:
    # surveyed: town a nearly all, town b its western half, c and d not at all
    west, south, east, north = frame([square(0, -50, 1500, 1000)]).to_crs(4326).total_bounds
    toml = layer("forest").replace('extent = "area"', f"extent = [{west}, {south}, {east}, {north}]")
    result = qp.assess(qp.open_workspace(workspace(toml, forest=frame([square(0, 0, 1250, 1000)]))), lang="en")
    rows = result["forest_cover"].set_index("zone_id")
    assert rows.loc["a", "value"] == pytest.approx(100, rel=1e-3)
    assert rows.loc["b", "value"] == pytest.approx(25, rel=1e-2)
    assert "surveyed share" in rows.loc["b", "note"]
    assert np.isnan(rows.loc["d", "value"])
    assert rows.loc["d", "status"] == "not_computable"
    assert "outside the layers' extent" in rows.loc["d", "note"]


def test_missing_layers_are_named(workspace: Maker) -> None:
    result = qp.assess(qp.open_workspace(workspace()), lang="en")
    assert set(result.table["status"]) == {"not_computable"}
    assert result.table["value"].isna().all()
    assert "missing layers: forest; add them under [layers]" in result["forest_cover"]["note"].iloc[0]


def test_water_without_classes_is_not_taken_for_none(workspace: Maker) -> None:
    result = qp.assess(qp.open_workspace(workspace(layer("water"), water=frame([square(0, 0)]))), lang="en")
    rows = result["water_surface_share"]
    assert set(rows["status"]) == {"not_computable"}
    assert "layers without classes: water" in rows["note"].iloc[0]


def test_unknown_class_words_are_named_and_mapped_on_request(workspace: Maker) -> None:
    water = frame([square(0, 0, 500, 1000), square(500, 0, 500, 1000)], kind=["湖泊", "浜"])
    toml = layer("water", 'class_field = "kind"')
    ws = qp.open_workspace(workspace(toml, water=water))
    (unknown,) = [f for f in ws.findings if f.rule == "unknown_class"]
    assert (unknown.severity, unknown.value) == ("error", "浜")
    row = qp.assess(ws, lang="en")["water_surface_share"].set_index("zone_id").loc["a"]
    assert row["value"] == pytest.approx(50, rel=1e-3)
    assert "1 features of 'Water' have no class" in row["note"]
    mapped = qp.open_workspace(workspace(toml + 'class_map = {"浜" = "river"}\n', water=water))
    row = qp.assess(mapped)["water_surface_share"].set_index("zone_id").loc["a"]
    assert row["value"] == pytest.approx(100, rel=1e-3)


def test_a_gap_between_zones_is_named(workspace: Maker) -> None:
    towns = four_towns()
    towns.loc[0, "geometry"] = square(0, 0).difference(square(900, 900, 100, 100))
    (gap,) = [f for f in qp.open_workspace(workspace(towns=towns)).findings if f.rule == "zones_gap"]
    assert float(gap.value.removesuffix(" m2")) == pytest.approx(100 * 100, rel=1e-3)


def test_a_layer_that_is_not_there_can_be_stated(workspace: Maker) -> None:
    ws = qp.open_workspace(workspace('[layers.forest]\nempty_because = "surveyed, none found"\n'))
    assert (qp.assess(ws)["forest_cover"]["value"] == 0).all()


def test_layers_from_land_use_codes(workspace: Maker) -> None:
    # 1101 is a river here; 0301 forest; 1109 is construction, no water; 0301K is forest too; 9X is unknown
    parcels = frame([square(250 * n, 0, 250, 1000) for n in range(5)], code=["1101", "0301", "1109", "0301K", "9X"])
    toml = layer("landuse", 'class_field = "code"', 'scheme = "sandiao"')
    toml += "".join(f'[layers.{kind}]\nfrom = "landuse"\n' for kind in ("water", "forest", "construction"))
    ws = qp.open_workspace(workspace(toml, landuse=parcels))
    assert {kind: len(ws.layers[kind]) for kind in ("water", "forest", "construction")} == {
        "water": 1,
        "forest": 2,
        "construction": 1,
    }
    assert list(ws.layers["water"].frame["class_"]) == ["river"]
    (unknown,) = [f for f in ws.findings if f.rule == "unknown_code"]
    assert (unknown.severity, unknown.value) == ("error", "9X")


def test_the_same_code_in_another_scheme_is_another_thing(workspace: Maker) -> None:
    parcels = frame([square(0, 0)], code=["1101"])  # river in the survey, logistics land in the 2023 guide
    toml = layer("landuse", 'class_field = "code"', 'scheme = "ydyh_2023"') + '[layers.water]\nfrom = "landuse"\n'
    assert len(qp.open_workspace(workspace(toml, landuse=parcels)).layers["water"]) == 0


def test_land_use_without_a_scheme_is_refused(workspace: Maker) -> None:
    with pytest.raises(ConfigError, match=r"landuse needs scheme = ..."):
        qp.open_workspace(
            workspace(layer("landuse", 'class_field = "code"'), landuse=frame([square(0, 0)], code=["1101"]))
        )


def test_only_what_is_there_counts(workspace: Maker) -> None:
    stations = frame(
        [Point(EAST + 100 * n, NORTH + 100) for n in range(1, 6)],
        status=["现状", "在建", "规划", "研究", "maybe"],
    )
    ws = qp.open_workspace(workspace(layer("stations", 'status_field = "status"'), stations=stations))
    assert len(ws.layers["stations"]) == 1
    ledger = ws.ledgers["stations"]
    assert (ledger.read, ledger.used, ledger.other_state) == (5, 1, 4)
    assert [f.value for f in ws.findings if f.rule == "unknown_status"] == ["maybe"]
    planned = qp.open_workspace(
        workspace(
            layer("stations", 'status_field = "status"') + '[state]\nstatuses = ["existing", "planned"]\n',
            stations=stations,
        )
    )
    assert len(planned.layers["stations"]) == 2


def test_what_opens_later_is_not_there_yet(workspace: Maker) -> None:
    stations = frame(
        [Point(EAST + 100 * n, NORTH + 100) for n in range(1, 6)],
        opened=["2017-12-30", "2024-11-30", "2025", None, "soon"],
    )
    toml = layer("stations", 'opened_field = "opened"')
    ws = qp.open_workspace(workspace(toml, stations=stations))
    assert len(ws.layers["stations"]) == 3
    assert {"opened_later", "bad_date"} <= rules(ws)
    earlier = qp.open_workspace(workspace(toml + "[state]\nas_of = 2024-11-29\n", stations=stations))
    assert len(earlier.layers["stations"]) == 2


def test_periods_replace_layers(workspace: Maker) -> None:
    toml = layer("forest") + layer("forest").replace("[layers", "[periods.2020.layers").replace(
        "forest.gpkg", "old.gpkg"
    )
    folder = workspace(toml, forest=frame([square(0, 0, 500, 1000)]), old=frame([square(0, 0, 250, 1000)]))
    now, then = (qp.assess(qp.open_workspace(folder, period=p)) for p in (None, "2020"))
    assert now["forest_cover"].set_index("zone_id").loc["a", "value"] == pytest.approx(50, rel=1e-3)
    assert then["forest_cover"].set_index("zone_id").loc["a", "value"] == pytest.approx(25, rel=1e-3)
    assert set(then.table["period"]) == {"2020"}
    with pytest.raises(ConfigError, match=r"no period '2021'; did you mean '2024'\?"):
        qp.open_workspace(folder, period="2021")


def test_every_row_is_accounted_for(workspace: Maker) -> None:
    bowtie = Polygon([(EAST, NORTH), (EAST + 100, NORTH + 100), (EAST + 100, NORTH), (EAST, NORTH + 100)])
    shapes = [square(0, 0), None, Polygon(), Point(EAST, NORTH), bowtie, square(5000, 5000), square(0, 0)]
    forest = gpd.GeoDataFrame({"n": range(7)}, geometry=shapes, crs="EPSG:4549")
    ws = qp.open_workspace(workspace(layer("forest"), forest=forest))
    ledger = ws.ledgers["forest"]
    assert ledger.read == 7 == ledger.used + ledger.outside + ledger.other_state + ledger.dropped
    assert (ledger.dropped, ledger.outside) == (3, 1)
    assert {
        "no_geometry",
        "wrong_geometry_type",
        "invalid_geometry",
        "features_outside",
        "duplicate_geometry",
    } <= rules(ws)
    bad = next(f for f in ws.findings if f.rule == "invalid_geometry")
    assert (bad.layer, bad.file) == ("forest", "forest.gpkg")
    assert bad.feature_id
    assert bad.location.startswith("121.0")


def test_a_statistic_much_like_a_known_indicator_is_named(workspace: Maker) -> None:
    folder = workspace('[tables]\nstatistics = "s.csv"\n')
    rows = "indicator,zone,period,value,grade,source\n{},a,2024,1,official,某局\n"
    for indicator, named in (("forest_covr", ["forest_covr"]), ("夜间灯光指数", [])):
        (folder / "s.csv").write_text(rows.format(indicator), "utf-8")
        result = qp.assess(qp.open_workspace(folder))
        assert [f.value for f in result.findings if f.rule == "statistic_unknown"] == named


def test_where_there_is_land_use_a_missing_layer_may_come_from_it(workspace: Maker) -> None:
    toml = layer("landuse", 'scheme = "sandiao"', 'class_field = "DLBM"')
    result = qp.assess(qp.open_workspace(workspace(toml, landuse=frame([square(0, 0)], DLBM=["0301"]))))
    assert '[layers.forest] from = "landuse"' in result["forest_cover"]["note"].iloc[0]
    assert "landuse" not in result["road_density"]["note"].iloc[0]


def test_targets_are_judged_at_their_scope_only(workspace: Maker) -> None:
    folder = workspace(
        layer("forest")
        + '[tables]\ntargets = "targets.csv"\nbaselines = "baselines.csv"\nstatistics = "statistics.csv"\n',
        forest=frame([square(0, 0, 500, 2000)]),
    )
    (folder / "targets.csv").write_text(
        "indicator,zone,year,operator,value,text,property,document\n"
        "forest_cover,south,2025,ge,50,50,约束性,某文件 第3条\n",
        "utf-8",
    )
    (folder / "baselines.csv").write_text(
        "indicator,zone,period,value,source\nforest_cover,south,2020,5,年鉴\n", "utf-8"
    )
    (folder / "statistics.csv").write_text(
        "indicator,zone,period,value,grade,source\ngreen_trips,all,2024,61.5,official,交通局\n", "utf-8"
    )
    table = qp.assess(qp.open_workspace(folder)).table.set_index(["indicator", "zone_id"])
    south = table.loc[("forest_cover", "south")]
    # 25 % in 2024; the line from 5 (2020) to 50 (2025) is at 41
    assert south["status"] == "behind"
    assert south["progress"] == pytest.approx((25 - 5) / (50 - 5), rel=1e-3)
    assert (south["target"], south["operator"], south["target_text"], south["target_year"]) == (50, "ge", "50", "2025")
    assert table.loc[("forest_cover", "a")]["status"] == "no_target"
    assert table.loc[("forest_cover", "all")]["status"] == "no_target"
    trips = table.loc[("green_trips", "all")]
    assert (trips["value"], trips["source"], trips["definition"]) == (61.5, "交通局", "statistics")


def test_a_target_of_words_takes_the_number_that_a_document_gives(tmp_path: Path) -> None:
    from qpgis.workspace.loading import embedded_workspace

    folder = tmp_path / "data" / "workspaces" / "qingpu"
    shutil.copytree(embedded_workspace().parents[1], tmp_path / "data")
    config = folder / "qpgis.toml"
    config.write_text(config.read_text("utf-8") + '[tables]\ntargets = "t.csv"\nstatistics = "s.csv"\n', "utf-8")
    (folder / "t.csv").write_text(
        "indicator,zone,year,operator,value,text,property,document\n"
        "energy_intensity_reduction,qingxi,2025,ge,14,14,约束性,区发改委 2022 年分解文件\n",
        "utf-8",
    )
    (folder / "s.csv").write_text(
        "indicator,zone,period,value,grade,source\nenergy_intensity_reduction,qingxi,2024,15,official,统计局\n", "utf-8"
    )
    row = qp.assess(qp.open_workspace(folder))["energy_intensity_reduction"].iloc[0]
    assert (row["value"], row["target"], row["status"]) == (15, 14, "met")
    assert row["target_text"] == "完成区下达目标"
    assert "区发改委 2022 年分解文件" in row["note"]


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ('forest_cover,south,2020,"68,500",年鉴', "value '68,500' is no number"),
        ("forest_cover,nowhere,2020,5,年鉴", "zone 'nowhere' is no zone"),
        ("forest_cover,south,2020,5,", "source is empty"),
        ("forest_cover,south,last,5,年鉴", "period 'last' is no period"),
    ],
)
def test_wrong_cells_of_a_table(workspace: Maker, cells: str, message: str) -> None:
    folder = workspace('[tables]\nbaselines = "baselines.csv"\n')
    (folder / "baselines.csv").write_text(f"indicator,zone,period,value,source\n{cells}\n", "utf-8")
    with pytest.raises(ConfigError, match=f"baselines.csv: line 2: {message}"):
        qp.open_workspace(folder)


def test_a_column_that_stands_twice_in_a_table_is_refused(workspace: Maker) -> None:
    folder = workspace('[tables]\nbaselines = "baselines.csv"\n')
    rows = "indicator,zone,period,value,source,value\nforest_cover,south,2020,5,年鉴,6\n"
    (folder / "baselines.csv").write_text(rows, "utf-8")
    with pytest.raises(ConfigError, match=r"baselines\.csv.*column 'value' stands more than once"):
        qp.open_workspace(folder)


def test_a_grid_covers_the_area(workspace: Maker) -> None:
    result = qp.assess(
        qp.open_workspace(workspace(layer("forest"), forest=frame([square(0, 0, 500, 1000)])), grid_cell_m=500)
    )
    rows = result["forest_cover"]
    cells = rows[rows["level"] == "grid"]
    assert len(cells) == 16
    assert "500mE600000N3450000" in set(cells["zone_id"])
    # cells and zones get points on their edges at other places: 1e-4 m times 8 km of border is 0.8 m2
    for column in ("numerator", "denominator"):
        whole = rows.set_index("zone_id").loc["all", column]
        assert cells[column].sum() == pytest.approx(whole, abs=0.8e-6)


@pytest.mark.parametrize("suffix", ["gpkg", "geojson", "shp", "parquet"])
def test_the_same_features_in_every_format(workspace: Maker, suffix: str) -> None:
    forest = frame([square(0, 0, 500, 1000)], cls=["林"]).to_crs(4490 if suffix == "shp" else 4326)
    folder = workspace(layer("forest", 'class_field = "cls"').replace("forest.gpkg", f"forest.{suffix}"))
    path = folder / f"forest.{suffix}"
    forest.to_parquet(path) if suffix == "parquet" else forest.to_file(path)
    ws = qp.open_workspace(folder)
    assert list(ws.layers["forest"].frame["class_"]) == ["林"]
    assert qp.assess(ws)["forest_cover"].set_index("zone_id").loc["a", "value"] == pytest.approx(50, rel=1e-4)


def test_a_file_under_a_wrong_name_is_refused(workspace: Maker) -> None:
    folder = workspace(layer("water").replace("water.gpkg", "water.geojson"))
    frame([square(0, 0)]).to_file(folder / "w.gpkg", driver="GPKG")
    (folder / "w.gpkg").rename(folder / "water.geojson")
    with pytest.raises(SourceError, match=r"water.geojson: it is no GeoJSON file but GPKG"):
        qp.open_workspace(folder)


def test_an_embedded_workspace_is_one_sentence(embedded: qp.Workspace) -> None:
    ws = embedded
    assert repr(ws).startswith("<Workspace 青浦区, period 2024: 14 zones; layers: landuse (")
    sizes = {g.id: len(g.members) for g in ws.area.groups}
    assert sizes == {"qingdong": 5, "xincheng": 3, "qingxi": 3, "xianxing-qidongqu": 5, "310118": 11}


def test_other_zones_for_the_same_workspace(workspace: Maker, tmp_path: Path) -> None:
    folder = workspace(layer("forest"), forest=frame([square(0, 0, 500, 1000)]))
    halves = four_towns().rename(columns={"zone_id": "code"})
    halves["geometry"] = [box(*g.bounds[:3], g.bounds[3] - 500) for g in halves.geometry]
    halves.to_file(tmp_path / "halves.gpkg")
    status = main(
        [
            "run",
            str(folder),
            "--zones",
            str(tmp_path / "halves.gpkg"),
            "--zones-grade",
            "open",
            "--out",
            str(tmp_path / "out"),
        ]
    )
    assert status == 0
    table = gpd.read_file(tmp_path / "out" / "indicators.gpkg", layer="zones").set_index("zone_id")
    assert table.loc["a", "forest_cover"] == pytest.approx(50, rel=1e-3)
    assert set(table.index) == {"a", "b", "c", "d", "south", "all"}


def test_other_zones_go_by_the_workspaces_own_fields(workspace: Maker, tmp_path: Path) -> None:
    head = HEAD.replace('grade = "surveyed"', 'grade = "surveyed"\nid_field = "code"\nname_field = "called"')
    head = head[: head.index("[[groups]]")]
    towns = four_towns().rename(columns={"zone_id": "code", "name": "called"})
    folder = workspace(head=head, towns=towns)
    towns.iloc[:2].to_file(tmp_path / "other.gpkg")
    table = ZonesTable(file=str(tmp_path / "other.gpkg"), grade=Grade.OPEN)
    assert qp.open_workspace(folder, zones=table).area.base.ids == ("a", "b")
    towns.iloc[:2].rename(columns={"code": "x", "called": "y"}).to_file(tmp_path / "strange.gpkg")
    with pytest.raises(ZoneError, match=r"no field 'zone_id', known: .*x, y Say which with .*--zones-id"):
        qp.open_workspace(folder, zones=table.model_copy(update={"file": str(tmp_path / "strange.gpkg")}))
