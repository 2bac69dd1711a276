"""Files that haven't changed aren't prepared again, and what comes back is to the bit what reading them anew gives."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import ezdxf
import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from pandas.testing import assert_frame_equal
from shapely import LineString, Point, Polygon

import qpgis as qp
from qpgis.errors import SourceError
from qpgis.kept import Store
from qpgis.layers import Layer
from qpgis.sources import RawFeatures, Request
from qpgis.sources.reading import read_features
from qpgis.workspace import Workspace
from qpgis.workspace.loading import CACHE
from qpgis.workspace.reopening import reopened
from tests.conftest import EAST, HEAD, NORTH, four_towns, frame, layer, square, write

BOWTIE = Polygon([(EAST, NORTH), (EAST + 90, NORTH + 90), (EAST + 90, NORTH), (EAST, NORTH + 90)])
POINTS = 'crs = "EPSG:4549"\nx_field = "x"\ny_field = "y"\n'
OSM = (
    '<osm version="0.6"><node id="1" version="1" lat="31.17" lon="121.05"><tag k="amenity" v="school"/></node>'
    '<node id="2" version="1" lat="31.18" lon="121.06"/><way id="3" version="1"><nd ref="1"/><nd ref="2"/>'
    '<tag k="highway" v="primary"/></way></osm>'
)


def forest() -> gpd.GeoDataFrame:
    """With what is mended and named: a bow tie, one beyond the zones, one that was drawn twice, overlaps."""
    shapes = [square(100, 100, 300), square(350, 150, 200), BOWTIE, square(9000, 9000, 50), square(100, 100, 300)]
    many = [square(10 * n, 1900, 8) for n in range(30)]
    return frame([*shapes, *many], id=[f"林{n}" for n in range(35)], class_=["乔木林"] * 35, err=[0.5] * 35)


def roads() -> gpd.GeoDataFrame:
    lines = [LineString([(EAST, NORTH + 500), (EAST + 2000, NORTH + 500)]), LineString([(EAST, NORTH), (EAST, NORTH)])]
    opened = pd.to_datetime(["2020-01-01", None])
    return frame(lines, id=["1", "2"], class_=["primary", "moon"], status=["现状", "规划"], opened=opened)


def dxf(path: Path) -> None:
    drawing = ezdxf.new()
    for n in range(3):
        drawing.modelspace().add_lwpolyline([(EAST + n, NORTH), (EAST + n, NORTH + 900)], dxfattribs={"layer": "路"})
    drawing.saveas(path)


WRITTEN: dict[str, tuple[str, Callable[[Path], object]]] = {
    "forest.gpkg": ('id_field = "id"\naccuracy_field = "err"\n', lambda path: forest().to_file(path)),
    "forest.shp": ('id_field = "id"\nshow = ["err"]\n', lambda path: forest().to_file(path, encoding="GB18030")),
    "forest.geojson": ('id_field = "id"\n', lambda path: forest().to_crs(4490).to_file(path)),
    "forest.parquet": ('id_field = "id"\n', lambda path: forest().to_parquet(path)),
    "forest.fgb": ('id_field = "id"\n', lambda path: forest().to_file(path)),
    "roads.gpkg": ('status_field = "status"\nopened_field = "opened"\n', lambda path: roads().to_file(path)),
    "roads.dxf": ('crs = "EPSG:4549"\n', dxf),
    "residents.csv": (
        POINTS + 'amount_field = "n"\n',
        lambda path: path.write_text(f"x,y,n\n{EAST + 5},{NORTH + 5},7\n{EAST},{NORTH},-1\n{EAST + 9},{NORTH},\n"),
    ),
}


@pytest.fixture(params=[*WRITTEN])
def written(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A workspace with one layer, in each of many formats."""
    file = request.param
    extra, write_file = WRITTEN[file]
    write(tmp_path, {"towns": four_towns()})
    write_file(tmp_path / file)
    toml = layer(file.split(".")[0], extra).replace(file.split(".")[0] + ".gpkg", file)
    (tmp_path / "qpgis.toml").write_text(HEAD + toml, encoding="utf-8")
    return tmp_path


@pytest.fixture
def prepared(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files whose features are read."""
    seen: list[str] = []

    def watched(request: Request) -> RawFeatures:
        seen.append(request.name)
        return read_features(request)

    monkeypatch.setattr("qpgis.workspace.loading.read_features", watched)
    return seen


def kept(folder: Path) -> Workspace:
    """A workspace as it is opened, all that was new now kept."""
    ws = qp.open_workspace(folder)
    assert ws.cache is not None
    ws.cache.flush()
    return ws


def same(folder: Path, **settings: str) -> Workspace:
    """What is kept beside what is read anew."""
    found, anew = qp.open_workspace(folder, **settings), qp.open_workspace(folder, cache=False, **settings)  # type: ignore[arg-type]
    assert found.layers.keys() == anew.layers.keys()
    for one, other in zip(found.layers.values(), anew.layers.values(), strict=True):
        same_layer(one, other)
    assert repr(found.findings) == repr(anew.findings)
    every = ([getattr(one.feature_id, "every", None) for one in ws.findings] for ws in (found, anew))
    assert next(every) == next(every)
    assert found.ledgers == anew.ledgers
    assert repr(found.inputs) == repr(anew.inputs)
    assert set(found.files) == set(anew.files)
    assert found.stamps == anew.stamps
    return found


def same_layer(one: Layer, other: Layer) -> None:
    assert_frame_equal(one.frame, other.frame, check_exact=True, check_column_type=True)
    assert one.geometry.dtype == other.geometry.dtype == object
    assert shapely.to_wkb(one.geometry).tolist() == shapely.to_wkb(other.geometry).tolist()
    assert shapely.to_wkb(one.extent) == shapely.to_wkb(other.extent)
    for name in {field.name for field in fields(Layer)} - {"frame", "geometry", "extent", "dissolving"}:
        assert repr(getattr(one, name)) == repr(getattr(other, name)), name
    assert one.content == other.content


def test_every_format_comes_back_as_it_is_read(written: Path, prepared: list[str]) -> None:
    kept(written)
    prepared.clear()
    qp.open_workspace(written)
    assert prepared == ["towns.gpkg"]
    found = same(written)
    assert found.findings or written.joinpath("roads.dxf").exists()
    assert len(next(iter(found.layers.values())))


def test_only_the_changed_file_is_read_again(tmp_path: Path, prepared: list[str]) -> None:
    write(tmp_path, {"towns": four_towns(), "forest": forest(), "roads": roads()})
    toml = HEAD + layer("forest", 'id_field = "id"') + layer("roads", 'id_field = "id"')
    (tmp_path / "qpgis.toml").write_text(toml, encoding="utf-8")
    kept(tmp_path)
    write(tmp_path, {"roads": roads().iloc[:1]})
    prepared.clear()
    kept(tmp_path)
    assert prepared == ["towns.gpkg", "roads.gpkg"]
    same(tmp_path)
    later = HEAD.replace("2024", "2019")
    for changed in (toml.replace('"area"', '"file"'), toml.replace(HEAD, later)):
        (tmp_path / "qpgis.toml").write_text(changed, encoding="utf-8")
        same(tmp_path)
        prepared.clear()
        kept(tmp_path)
        assert prepared == ["towns.gpkg", "forest.gpkg", "roads.gpkg"]
    moved = four_towns()
    moved.geometry = moved.geometry.translate(0, 300)
    write(tmp_path, {"towns": moved})
    same(tmp_path)
    same(tmp_path, lang="en")


@pytest.mark.parametrize("companion", ["forest.prj", "forest.cpg", "forest.dbf", "FOREST.PRJ", "forest.shx"])
def test_companions_belong_to_a_file(tmp_path: Path, companion: str) -> None:
    """A shapefile's are part of it, also where their names are written otherwise."""
    write(tmp_path, {"towns": four_towns()})
    forest().to_file(tmp_path / "forest.shp", encoding="GB18030")
    if companion.isupper():
        (tmp_path / "forest.prj").rename(tmp_path / companion)
    toml = HEAD + layer("forest", 'id_field = "id"').replace(".gpkg", ".shp")
    (tmp_path / "qpgis.toml").write_text(toml, encoding="utf-8")
    first = kept(tmp_path)
    path = tmp_path / companion
    if companion == "forest.dbf":
        path.write_bytes(path.read_bytes().replace("林1".encode("gb18030"), "林9".encode("gb18030")))
    elif companion.lower() == "forest.prj":
        path.write_text(path.read_text().replace("120.0", "121.0"))
    elif companion == "forest.cpg":
        path.write_text("Latin1")
    else:
        path.unlink()
    found = same(tmp_path)
    assert repr(found.findings) + str(found.layers["forest"].content) != (
        repr(first.findings) + str(first.layers["forest"].content)
    )


def test_joined_tables_and_control_points_belong_to_a_layer(tmp_path: Path) -> None:
    corners = [(x, y) for x in (0, 2000) for y in (0, 2000)]
    (tmp_path / "points.csv").write_text(
        "x,y,x_true,y_true\n" + "".join(f"{x},{y},{EAST + x},{NORTH + y}\n" for x, y in corners)
    )
    (tmp_path / "more.csv").write_text("id,class_\n1,primary\n")
    local = roads().drop(columns="class_")
    local.geometry = local.geometry.translate(-EAST, -NORTH)
    write(tmp_path, {"towns": four_towns(), "roads": local})
    where = 'class_field = "class_"\ndatum = "local"\ncontrol_points = "points.csv"\ncrs = "EPSG:4549"\n'
    join = '[layers.roads.join]\nfile = "more.csv"\non = "id"\n'
    (tmp_path / "qpgis.toml").write_text(HEAD + layer("roads", where, join), encoding="utf-8")
    first = kept(tmp_path).layers["roads"].content
    assert same(tmp_path).layers["roads"].content == first
    (tmp_path / "more.csv").write_text("id,class_\n1,secondary\n")
    second = same(tmp_path).layers["roads"].content
    (tmp_path / "points.csv").write_text(
        "x,y,x_true,y_true\n" + "".join(f"{x},{y},{EAST + x + 3},{NORTH + y}\n" for x, y in corners)
    )
    assert len({first, second, same(tmp_path).layers["roads"].content}) == 3


def test_extracts_are_always_read(tmp_path: Path, prepared: list[str]) -> None:
    write(tmp_path, {"towns": four_towns()})
    (tmp_path / "roads.osm").write_text(OSM)
    (tmp_path / "qpgis.toml").write_text(HEAD + layer("roads").replace(".gpkg", ".osm"), encoding="utf-8")
    stored = kept(tmp_path).cache
    assert stored is not None
    assert len(same(tmp_path).ledgers) == 1
    with sqlite3.connect(tmp_path / CACHE) as base:
        assert max(len(value) for (value,) in base.execute("SELECT value FROM kept")) < 1000  # findings of the zones


def test_damaged_entries_are_read_again(written: Path) -> None:
    kept(written)
    random = np.random.default_rng(5)
    with sqlite3.connect(written / CACHE) as base:
        for name, value in base.execute("SELECT name, value FROM kept").fetchall():
            damaged = bytearray(value)
            damaged[random.integers(len(damaged))] ^= 1 << random.integers(8)
            base.execute("UPDATE kept SET value = ? WHERE name = ?", (bytes(damaged), name))
    same(written)
    kept(written)
    same(written)


def test_what_is_written_while_it_is_read_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, {"towns": four_towns(), "forest": forest()})
    (tmp_path / "qpgis.toml").write_text(HEAD + layer("forest", 'id_field = "id"'), encoding="utf-8")
    before = tmp_path / "before.gpkg"
    shutil.copy2(tmp_path / "forest.gpkg", before)

    def overtaken(request: Request) -> RawFeatures:
        if request.role == "forest":
            write(tmp_path, {"forest": forest().iloc[:3]})
        return read_features(request)

    with monkeypatch.context() as patch:
        patch.setattr("qpgis.workspace.loading.read_features", overtaken)
        kept(tmp_path)
    before.replace(tmp_path / "forest.gpkg")
    same(tmp_path)


def test_a_companion_that_no_reader_needs_may_be_unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is kept then, and nothing refused."""
    write(tmp_path, {"towns": four_towns(), "forest": forest()})
    (tmp_path / "forest.qix").write_bytes(b"of another's")
    (tmp_path / "qpgis.toml").write_text(HEAD + layer("forest", 'id_field = "id"'), encoding="utf-8")

    def refused(path: Path) -> str:
        raise SourceError(f"{path}: can't be read")

    monkeypatch.setattr("qpgis.workspace.unchanged.sha256_of", refused)
    kept(tmp_path)
    same(tmp_path)


def test_verifying_reads_everything_anew(tmp_path: Path) -> None:
    write(tmp_path, {"towns": four_towns()})
    (tmp_path / "qpgis.toml").write_text(HEAD, encoding="utf-8")
    assert kept(tmp_path).cache is not None
    assert reopened({"asked": {}, "period": "2024", "language": "zh"}, tmp_path).cache is None


def test_large_entries_go_sooner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A changed layer leaves its old state behind; a folder doesn't grow by one for each of many runs."""
    monkeypatch.setattr("qpgis.kept.LARGEST", 4_000_000)
    sizes = []
    for run in range(20):
        store = Store(tmp_path / "kept.sqlite")
        store.put(f"layer {run}", bytes(2_000_000))
        store.put(f"sum {run}", b"1")
        store.put("too large", bytes(4_000_001))
        store.flush()
        sizes.append(store.path.stat().st_size)
    assert sizes[-1] == sizes[10] < 15_000_000
    again = Store(store.path)
    assert [again.get(f"sum {run}") for run in range(20)] == [b"1"] * 20
    assert again.get("layer 19") is not None
    assert again.get("too large") is None


def test_people_at_points_come_back(tmp_path: Path) -> None:
    """Also a layer without features, and attributes that are missing."""
    people = frame([Point(EAST + 5, NORTH + 5), Point(EAST + 8, NORTH + 5)], n=[1.5, None], show=["x", None])
    write(tmp_path, {"towns": four_towns(), "residents": people, "jobs": people.iloc[:0]})
    toml = HEAD + layer("residents", 'amount_field = "n"', 'show = ["show"]') + layer("jobs", 'amount_field = "n"')
    (tmp_path / "qpgis.toml").write_text(toml, encoding="utf-8")
    kept(tmp_path)
    assert len(same(tmp_path).layers["jobs"]) == 0
