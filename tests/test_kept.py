"""What runs keep: the next run gives the same to the digit, whatever was changed, damaged, or killed."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shapely import LineString, Point

import qpgis as qp
from qpgis.assessment import Assessment, assess
from qpgis.cli import main
from qpgis.engine import Engine
from qpgis.kept import Store
from qpgis.maps.thematic import display_copy
from qpgis.staleness import staleness
from qpgis.workspace.loading import CACHE
from tests.conftest import EAST, HEAD, NORTH, four_towns, frame, layer, square, write

KINDS = ("farmland", "forest", "construction", "water", "park", "residential")
TOML = (
    HEAD
    + layer("landuse", 'scheme = "sandiao"', 'class_field = "code"', 'id_field = "id"')
    + "".join(f'[layers.{kind}]\nfrom = "landuse"\n' for kind in KINDS)
    + layer("roads", 'id_field = "id"', 'class_field = "class_"')
    + layer("residents", 'amount_field = "people"')
    + layer("facilities", 'class_field = "class_"')
)
CODES = ["0101", "0301", "0601", "1101", "0701", "0810", "0101"]


def parcels() -> gpd.GeoDataFrame:
    shapes = [square(x, y, 200) for x in range(0, 2000, 200) for y in range(0, 2000, 200)]
    return frame(shapes, id=[f"p{n}" for n in range(100)], code=[CODES[n % 7] for n in range(100)])


def at(x: float, y: float) -> Point:
    return Point(EAST + x, NORTH + y)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace of four towns that was run once."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "qpgis.toml").write_text(TOML, encoding="utf-8")
    lines = [LineString([(EAST, NORTH + 500), (EAST + 2000, NORTH + 500)]), LineString([at(300, 0), at(300, 2000)])]
    people = frame([at(x, y) for x in range(50, 2000, 190) for y in (450, 1230)], people=range(22))
    layers = {"towns": four_towns(), "landuse": parcels(), "roads": frame(lines, id=["1", "2"], class_=["primary"] * 2)}
    write(folder, {**layers, "residents": people, "facilities": frame([at(900, 520)], class_=["小学"])})
    qp.assess(qp.open_workspace(folder))
    assert (folder / CACHE).exists()
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "again"))


@pytest.fixture(scope="module")
def edited(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One that is edited again and again."""
    return Path(shutil.copytree(made, tmp_path_factory.mktemp("edited") / "it"))


def same(folder: Path) -> Assessment:
    """What is computed beside what is kept, which is what is computed from nothing."""
    found = qp.assess(qp.open_workspace(folder))
    anew = assess(qp.open_workspace(folder, cache=False))
    assert found.rows == anew.rows
    assert found.findings == anew.findings
    for one, other in ((found.missed, anew.missed), (found.features, anew.features), (found.reached, anew.reached)):
        assert one.keys() == other.keys()
        for key in one:
            for kept, new in zip(one[key], other[key], strict=True):
                assert shapely.to_wkb(kept.geometry).tolist() == shapely.to_wkb(new.geometry).tolist()
                assert kept.frame.equals(new.frame)
                assert (kept.kind, kept.source.grade, kept.key) == (new.kind, new.source.grade, new.key)
    return found


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The kernels of the parts that engines compute; what can't be computed isn't among them."""
    seen: list[str] = []
    evaluate = Engine._evaluated

    def watched(self: Engine, part: object, zones: object, **how: bool) -> object:
        found = evaluate(self, part, zones, **how)  # type: ignore[arg-type]
        seen.append(part.kernel)  # type: ignore[attr-defined]
        return found

    monkeypatch.setattr(Engine, "_evaluated", watched)
    return seen


def test_a_second_run_computes_nothing(folder: Path, computed: list[str]) -> None:
    found = qp.assess(qp.open_workspace(folder))
    assert set(computed) <= {"zone_area"}
    assert found.rows == assess(qp.open_workspace(folder, cache=False)).rows
    assert {"area", "length"} <= set(computed)


def test_the_files_of_a_second_run_are_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    qp.assess(qp.open_workspace(folder)).write(tmp_path / "kept")
    qp.Result(**vars(assess(qp.open_workspace(folder, cache=False)))).write(tmp_path / "anew")
    written = sorted(path.name for path in (tmp_path / "anew").iterdir())
    assert "map.html" in written
    for name in written:
        assert (tmp_path / "kept" / name).read_bytes() == (tmp_path / "anew" / name).read_bytes()


PLACE = st.integers(0, 99)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    edits=st.lists(st.tuples(PLACE, st.sampled_from([*CODES, "gone", "moved"])), max_size=3),
    people=st.lists(st.tuples(st.integers(0, 21), st.integers(0, 99)), max_size=2),
    road=st.booleans(),
    backwards=st.booleans(),
)
def test_whatever_is_edited(
    edited: Path, edits: list[tuple[int, str]], people: list[tuple[int, int]], road: bool, backwards: bool
) -> None:
    """Parcels that change their use, vanish or overlap others; people who move in; a road; another order of rows."""
    uses = parcels()
    for row, what in edits:
        if what == "moved":
            uses.geometry = uses.geometry.where(
                uses.index != row, shapely.affinity.translate(uses.geometry[row], 77, 33)
            )
        elif what != "gone":
            uses.loc[row, "code"] = what
    gone = {row for row, what in edits if what == "gone"}
    uses = uses[~uses.index.isin(gone)]
    write(edited, {"landuse": uses[::-1] if backwards else uses})
    counts = list(range(22))
    for row, number in people:
        counts[row] = number
    write(edited, {"residents": frame([at(x, y) for x in range(50, 2000, 190) for y in (450, 1230)], people=counts)})
    lines = [LineString([at(0, 500), at(2000, 500)]), LineString([at(300, 0), at(300, 2000)])]
    lines += [LineString([at(1000, 100), at(1000, 900)])] if road else []
    write(edited, {"roads": frame(lines, id=list("123")[: len(lines)], class_=["primary"] * len(lines))})
    same(edited)


def test_a_changed_parcel_touches_its_zone_only(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[set[int]] = []
    some = Engine._some

    def watched(self: Engine, part: object, zones: object, missing: list[int], only: object) -> object:
        asked.append(set(missing))
        return some(self, part, zones, missing, only)  # type: ignore[arg-type]

    monkeypatch.setattr(Engine, "_some", watched)
    uses = parcels()
    inner = int(np.flatnonzero([shape.equals(square(1400, 400, 200)) for shape in uses.geometry])[0])
    uses.loc[inner, "code"] = "0601" if uses.code[inner] != "0601" else "0301"
    write(folder, {"landuse": uses})
    same(folder)
    town = {n for n, shape in enumerate(four_towns().sort_values("zone_id").geometry) if shape.contains(at(1500, 500))}
    assert asked
    assert {frozenset(zones) for zones in asked} == {frozenset(town)}


@pytest.mark.parametrize("damage", ["entry", "head", "half", "empty", "folder", "nothing", "other"])
def test_damage_is_discarded(folder: Path, damage: str, computed: list[str]) -> None:
    path = folder / CACHE
    content = path.read_bytes()
    if damage == "entry":
        with sqlite3.connect(path) as base:
            base.execute("UPDATE kept SET value = '[[1, 2, 3, 4], []]'")
        base.close()
    elif damage == "folder":
        path.unlink()
        path.mkdir()
    elif damage == "nothing":
        shutil.rmtree(path.parent)
    elif damage == "other":
        path.unlink()
        with sqlite3.connect(path) as base:
            base.execute("CREATE TABLE kept (a INTEGER)")
        base.close()
    else:
        cut = {"head": b"x" * 200 + content[200:], "half": content[: len(content) // 2], "empty": b""}
        path.write_bytes(cut[damage])
    same(folder)
    assert "area" in computed
    if damage != "folder":  # mended: the next run finds all
        computed.clear()
        qp.assess(qp.open_workspace(folder))
        assert set(computed) <= {"zone_area"}


def test_every_flipped_byte_is_harmless(tmp_path: Path) -> None:
    """An entry is what was kept under its name, or isn't found; and the file can be written again."""
    path = tmp_path / "kept.sqlite"
    store = Store(path)
    values = {hashlib.sha256(bytes([n])).hexdigest(): b"%d, " % n * (1 + n % 7 * 300) for n in range(200)}
    for name, value in values.items():
        store.put(name, value)
    store.flush()
    content, chance = path.read_bytes(), np.random.default_rng(6)
    found = 0
    for turn in range(150):
        spoilt = bytearray(content)
        for place in chance.integers(0, len(content) if turn % 3 else 40_000, chance.integers(1, 60)):
            spoilt[place] ^= int(chance.integers(1, 256))
        path.write_bytes(bytes(spoilt))
        store = Store(path)
        read = {name: store.get(name) for name in values}
        assert all(one in (None, values[name]) for name, one in read.items())
        found += sum(one is not None for one in read.values())
        store.put("new", b"value")
        store.flush()
        assert Store(path).get("new") == b"value"
        Store(path).prune()
    assert 0 < found < 150 * 200


RUN = "import sys, qpgis as qp; qp.assess(qp.open_workspace(sys.argv[1]))"


def _started(folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", RUN, str(folder)], env={**os.environ, "PYTHONWARNINGS": "ignore"})


def test_runs_at_once(folder: Path) -> None:
    (folder / CACHE).unlink()
    runs = [_started(folder) for _ in range(3)]
    assert [run.wait() for run in runs] == [0, 0, 0]
    same(folder)


def test_a_killed_run_leaves_what_the_next_one_can_use(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed while it writes: a process that holds the file open in the middle of its transaction."""
    script = (
        "import sys, time, sqlite3; base = sqlite3.connect(sys.argv[1], isolation_level=None); "
        "base.execute('PRAGMA cache_size = 1'); base.execute('BEGIN IMMEDIATE'); "
        'base.execute("UPDATE kept SET value = zeroblob(length(value)), sha256 = zeroblob(32)"); '
        "print('writing', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", script, str(folder / CACHE)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline().strip() == b"writing"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert (folder / f"{CACHE}-journal").exists()
    same(folder)
    for wait_s in (1.0, 2.0):
        (folder / CACHE).unlink(missing_ok=True)
        run = _started(folder)
        time.sleep(wait_s)
        run.kill()
        run.wait()
    same(folder)


def test_a_locked_or_read_only_file_is_done_without(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qpgis.kept.PATIENCE_S", 0.05)
    base = sqlite3.connect(folder / CACHE, isolation_level=None)
    base.execute("BEGIN EXCLUSIVE")
    write(folder, {"landuse": parcels()[:50]})
    same(folder)
    base.execute("ROLLBACK")
    base.close()
    (folder / CACHE.parent).chmod(0o500)
    try:
        same(folder)
    finally:
        (folder / CACHE.parent).chmod(0o700)


def test_what_is_no_longer_used_is_dropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qpgis.kept.RUNS", 2)
    path = tmp_path / "kept.sqlite"

    def run(put: Callable[[Store], object]) -> None:
        store = Store(path)
        put(store)
        store.flush()

    run(lambda store: [store.put(name, name.encode()) for name in "ab"])
    run(lambda store: store.get("a"))
    run(lambda store: store.get("a"))
    assert [Store(path).get(name) for name in "ab"] == [b"a", None]
    run(lambda store: store.put("c", b"c"))
    assert Store(path).prune() == 1
    assert [Store(path).get(name) for name in "abc"] == [None, None, b"c"]


def test_the_embedded_workspace_keeps_nothing(embedded: qp.Workspace) -> None:
    assert embedded.cache is None


OWN = '''
import shapely
from qpgis import Definition, Total, indicator, parts
{imported}
LARGE = Definition("large", "大片", "large")
@indicator(unit="km2", zh="大片林地", en="Large forest", theme="ecology", definitions=(LARGE,))
def large_forest(zones, forest):
    """Forest in large parcels."""
    return Total(parts.area({made}))
'''
SELECTED = 'forest.select(shapely.area(forest.geometry) > {least}, "large")'
GROWN = 'dataclasses.replace(forest, geometry=shapely.buffer(forest.geometry, -{least} / 1e4), key="less forest")'


@pytest.mark.parametrize("made_by", [SELECTED, GROWN])
def test_an_edited_own_indicator_gives_what_it_says_now(folder: Path, made_by: str) -> None:
    """Whose function makes other features of a layer, and calls them the same."""
    (folder / "qpgis.toml").write_text(TOML.replace("[zones]", 'indicators = ["own.py"]\n[zones]', 1), encoding="utf-8")
    found = []
    for least_m2 in (30_000, 50_000):
        own = OWN.format(imported="import dataclasses", made=made_by.format(least=least_m2))
        (folder / "own.py").write_text(own, encoding="utf-8")
        if found:
            assert "code" in told(folder)[1]
        ran(folder)
        found.append([row.value for row in same(folder).rows if row.indicator == "large_forest"])
    assert found[0] != found[1]


def test_an_own_indicator_that_chooses_by_another_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "qpgis.toml").write_text(TOML.replace("[zones]", 'indicators = ["own.py"]\n[zones]', 1), encoding="utf-8")
    own = OWN.format(imported="import os", made=SELECTED.format(least='float(os.environ["LEAST_M2"])'))
    (folder / "own.py").write_text(own, encoding="utf-8")
    monkeypatch.setenv("LEAST_M2", "30000")
    qp.assess(qp.open_workspace(folder))
    monkeypatch.setenv("LEAST_M2", "50000")
    assert {row.value for row in same(folder).rows if row.indicator == "large_forest"} == {0.0}


# ---- what is stale


def told(folder: Path, **settings: str) -> tuple[set[str], set[str], dict[str, tuple[str, ...]]]:
    """Changed files, why, and by indicator the zones that are computed again."""
    found = staleness(qp.open_workspace(folder, **settings))  # type: ignore[arg-type]
    zones = {one.indicator: one.zones for one in found.outdated}
    return {one.name for one in found.inputs}, {why for one in found.outdated for why in one.why}, zones


def ran(folder: Path) -> None:
    assert main(["run", str(folder), "--out", str(folder / "maps"), "--no-log"]) in (0, 1)


def test_stale_says_what_and_why(folder: Path) -> None:
    assert told(folder) == (set(), set(), {})  # a notebook computed it all
    write(folder, {"roads": frame([LineString([at(0, 500), at(900, 500)])], id=["1"], class_=["primary"])})
    assert told(folder)[:2] == ({"roads.gpkg"}, {"roads"})
    qp.assess(qp.open_workspace(folder), indicators=["construction_area"])  # a part of it is no run
    qp.what_if(qp.open_workspace(folder), qp.Change("roads", how="remove", ids=("1",)))
    assert told(folder)[:2] == ({"roads.gpkg"}, {"roads"})
    (folder / CACHE).unlink()
    assert told(folder)[1] == {"first"}
    ran(folder)
    assert told(folder) == (set(), set(), {})
    uses = parcels()
    inner = int(np.flatnonzero([shape.equals(square(1400, 400, 200)) for shape in uses.geometry])[0])
    uses.loc[inner, "code"] = "0301"
    write(folder, {"landuse": uses})
    files, why, zones = told(folder)
    assert files == {"landuse.gpkg"}
    assert why == {"construction", "forest"}
    assert zones["construction_area"] == ("b",)
    assert "road_density" not in zones
    ran(folder)
    assert told(folder) == (set(), set(), {})


def test_stale_knows_borders_definitions_and_the_program(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran(folder)
    toml = (folder / "qpgis.toml").read_text(encoding="utf-8")
    (folder / "qpgis.toml").write_text(f'{toml}\n[definitions]\nroad_density = ["centreline"]\n', encoding="utf-8")
    files, why, zones = told(folder)
    assert files == {"qpgis.toml"}
    assert why <= {"first", "dropped"}
    assert set(zones) <= {"road_density"}
    (folder / "qpgis.toml").write_text(toml, encoding="utf-8")
    towns = four_towns()
    towns.geometry = [shapely.transform(shape, lambda xy: xy * [1 + 1e-7, 1]) for shape in towns.geometry]
    write(folder, {"towns": towns})
    assert told(folder)[1] == {"zones"}
    write(folder, {"towns": four_towns()})
    monkeypatch.setattr("qpgis.kept.code_sha256", lambda: "other")
    assert told(folder)[1] == {"code"}


def test_stale_tells_what_is_other_than_in_the_last_run_though_it_is_known(folder: Path) -> None:
    """An earlier run found it out, or another zone's or indicator's sum is the same; nothing has to be computed."""
    for people in (range(22), range(22, 0, -1)):
        write(folder, {"residents": frame([at(x, 450) for x in range(50, 2000, 90)], people=people)})
        ran(folder)
    write(folder, {"residents": frame([at(x, 450) for x in range(50, 2000, 90)], people=range(22))})
    files, why, zones = told(folder)
    assert (files, why) == ({"residents.gpkg"}, {"residents"})
    assert set(zones["construction_area_per_person"]) == {"a", "b"}
    ran(folder)
    assert told(folder) == (set(), set(), {})
    write(folder, {"facilities": frame([at(900, 520)], class_=["卫生院"])})  # there was only a school
    assert told(folder)[1] == {"facilities"}
    ran(folder)
    write(folder, {"facilities": frame([at(900, 520)], class_=["小学"])})
    assert told(folder)[1] == {"facilities"}
    assert "health_facilities_per_10k" in told(folder)[2]
    ran(folder)
    toml = (folder / "qpgis.toml").read_text(encoding="utf-8")
    (folder / "qpgis.toml").write_text(toml.partition("[layers.facilities]")[0], encoding="utf-8")
    assert told(folder)[1] == {"facilities"}


def test_stale_knows_members_and_cards(folder: Path) -> None:
    card = (
        '[indicators.near]\nzh = "近水林地"\nen = "Near"\nunit = "km2"\ntheme = "ecology"\n'
        '[indicators.near.definitions.a]\nzh = "甲"\nen = "A"\nstanding = "示例"\n'
        'numerator = {measure = "area", of = "forest", near = {layer = "water", limit_m = 300}}\n'
    )
    toml = TOML.replace("[zones]", 'indicators = ["card.toml"]\n[zones]', 1)
    (folder / "qpgis.toml").write_text(toml, encoding="utf-8")
    (folder / "card.toml").write_text(card, encoding="utf-8")
    ran(folder)
    (folder / "card.toml").write_text(card.replace("300", "200"), encoding="utf-8")
    files, why, zones = told(folder)
    assert (files, why, set(zones)) == ({"card.toml"}, {"definition"}, {"near"})
    ran(folder)
    (folder / "qpgis.toml").write_text(toml.replace('["a", "b"]', '["a", "c"]'), encoding="utf-8")
    files, why, zones = told(folder)
    assert (files, why) == ({"qpgis.toml"}, {"zones"})
    assert zones["construction_area"] == ("south",)


def test_stale_on_the_command_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ran(folder)
    capsys.readouterr()
    assert main(["stale", str(folder), "--strict"]) == 0
    assert "无需重算" in capsys.readouterr().out
    write(folder, {"roads": frame([LineString([at(0, 500), at(900, 500)])], id=["1"], class_=["primary"])})
    assert main(["stale", str(folder), "--strict", "--lang", "en"]) == 1
    said = capsys.readouterr().out
    assert "changed: roads.gpkg (Roads)" in said
    assert main(["stale", str(folder), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["inputs"] == [{"name": "roads.gpkg", "role": "roads", "change": "changed"}]
    assert {tuple(one["why"]) for one in found["outdated"]} == {("roads",)}
    assert main(["stale", str(folder), "--prune"]) == 0
    assert main(["run", str(folder), "--out", str(folder / "maps"), "--no-log", "--no-cache"]) in (0, 1)
    assert told(folder)[0] == {"roads.gpkg"}


def test_a_banner_says_that_files_have_changed(folder: Path) -> None:
    workspace = qp.open_workspace(folder)
    result = qp.assess(workspace, indicators=["construction_area"])
    os.utime(folder / "roads.gpkg")  # written again, the same
    assert workspace.changed() == ()
    assert "⚠" not in result._repr_html_() + workspace._repr_html_()
    roads, before = folder / "roads.gpkg", (folder / "roads.gpkg").stat()
    content = roads.read_bytes()
    roads.write_bytes(content.replace(b"primary", b"trunk  "))  # as long, and its time put back
    os.utime(roads, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert workspace.changed() == ("roads.gpkg",)
    roads.write_bytes(content)
    write(folder, {"landuse": parcels()[:50]})
    (folder / "residents.gpkg").unlink()
    assert set(workspace.changed()) == {"landuse.gpkg", "residents.gpkg"}
    for shown in (result._repr_html_(), workspace._repr_html_()):
        assert "⚠" in shown
        assert "landuse.gpkg" in shown


def test_what_maps_draw_is_kept(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Simplified shapes of layers that haven't changed aren't made again; a map is the same bytes."""
    monkeypatch.setattr("qpgis.maps.result.WORTH_KEEPING", 20)
    drawn: list[int] = []

    def watched(shapes: np.ndarray) -> tuple[np.ndarray, int]:
        drawn.append(len(shapes))
        return display_copy(shapes)

    monkeypatch.setattr("qpgis.maps.thematic.display_copy", watched)

    def run(name: str, *more: str) -> tuple[bytes, int]:
        drawn.clear()
        assert main(["run", str(folder), "--out", str(tmp_path / name), "--no-log", *more]) in (0, 1)
        return (tmp_path / name / "map.html").read_bytes(), drawn.count(100)

    first, second, anew = run("first"), run("second"), run("anew", "--no-cache")
    assert first[0] == second[0] == anew[0]
    assert (first[1] > 0, second[1], anew[1]) == (True, 0, first[1])
    uses = parcels()
    uses.geometry = uses.geometry.buffer(-1)
    write(folder, {"landuse": uses})
    assert run("later") == run("later anew", "--no-cache")
