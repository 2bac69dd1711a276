"""An attempt to leak: every output for every audience is searched for what it may not hold, however it is packed."""

from __future__ import annotations

import base64
import gzip
import io
import json
import re
import shutil
import sqlite3
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import geopandas as gpd
import numpy as np
import openpyxl
import pytest
import shapely

import qpgis as qp
from qpgis.cli import main
from qpgis.errors import ConfigError
from qpgis.provenance import Audience, Secrecy
from qpgis.verifying import Verdict
from qpgis.verifying.release import release
from tests.conftest import EAST, HEAD, NORTH, Maker, four_towns, frame, layer, square, write
from tests.test_control_checks import land_table, parcels

CLOSE_DEG, CLOSE_M = 1.1e-5, 0.006
"""So near is the same coordinate, also where it was rounded to five decimals of a degree, or to centimetres.

In a plane, metres are small numbers: to a metre, or as floats of four bytes, packed bytes would hold any by chance.
"""

# ---- the search ----


def unpacked(blob: bytes, depth: int = 0) -> Iterator[bytes]:
    """A file's bytes and everything that is packed in them: zip, gzip, zlib, base64, databases."""
    yield blob
    if depth > 4:
        return
    if blob[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(blob)) as archive:
            for name in archive.namelist():
                yield name.encode()
                yield from unpacked(archive.read(name), depth + 1)
    if blob[:2] == b"\x1f\x8b":
        yield from unpacked(gzip.decompress(blob), depth + 1)
    if blob[:15] == b"SQLite format 3":
        for cell in cells(blob):
            yield from unpacked(cell, depth + 1)
    if blob[:4] == b"%PDF":
        for found in re.finditer(rb"stream\r?\n(.*?)endstream", blob, re.S):
            with suppress(zlib.error):
                yield from unpacked(zlib.decompress(found[1]), depth + 1)
    for found in re.finditer(rb"[A-Za-z0-9+/]{200,}={0,2}", blob):
        with suppress(ValueError):
            yield from unpacked(base64.b64decode(found[0] + b"=" * (-len(found[0]) % 4)), depth + 1)


def cells(database: bytes) -> Iterator[bytes]:
    """Every cell of every table of a database."""
    with closing(sqlite3.connect(":memory:")) as base:
        base.deserialize(database)
        names = [name for (name,) in base.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for name in names:
            if name.startswith("rtree_") and not name.endswith("_node"):
                continue  # SpatiaLite's virtual tables; their nodes are read as they are
            for row in base.execute(f'SELECT * FROM "{name}"'):
                yield from (one if isinstance(one, bytes) else str(one).encode() for one in row if one is not None)


def holds_words(blob: bytes, words: str) -> bool:
    """True if words stand in bytes, in any encoding or escaped."""
    escaped = json.dumps(words)[1:-1]
    entities = "".join(f"&#{ord(c)};" if ord(c) > 127 else c for c in words)
    ways = [words.encode(), words.encode("utf-16-le"), words.encode("utf-16-be"), escaped.encode(), entities.encode()]
    return any(way in blob for way in (*ways, words.encode("gb18030")))


def numbers(blob: bytes, *, degrees: bool) -> np.ndarray:
    """Every number in bytes: printed, doubles at any offset; of degrees also whole steps, and floats of four bytes."""
    printed = [float(word) for word in re.findall(rb"-?\d+\.\d+|\d{6,10}", blob)]
    steps = np.array([one for one in printed if one == int(one)])
    found = [np.array(printed), *((steps / 1e6, steps / 1e5) if degrees else ())]
    for offset in range(8):
        for form in ("<f8", ">f8", *(("<f4", ">f4") if degrees else ())):
            width = int(form[-1])
            end = offset + (len(blob) - offset) // width * width
            if offset < width:
                with np.errstate(invalid="ignore"):  # what is no number
                    found.append(np.frombuffer(blob[offset:end], dtype=form).astype(float))
    every = np.concatenate(found)
    return np.sort(every[np.isfinite(every)])


def has(sorted_numbers: np.ndarray, values: np.ndarray, near: float) -> np.ndarray:
    """Which values stand among numbers, or so near that they are the same."""
    return np.searchsorted(sorted_numbers, values - near) < np.searchsorted(sorted_numbers, values + near, "right")


def holds_place(found: np.ndarray, points: np.ndarray, near: float) -> bool:
    """True if both coordinates of a point stand among numbers."""
    return bool((has(found, points[:, 0], near) & has(found, points[:, 1], near)).any())


class Planted:
    """What is to be looked for of one layer: its words and its vertices, in degrees and in two planes."""

    def __init__(self, words: list[str], layer: gpd.GeoDataFrame, plane: str) -> None:
        self.words = words
        self.places = [
            (shapely.get_coordinates(layer.to_crs(crs).geometry.to_numpy()), near)
            for crs, near in (("EPSG:4326", CLOSE_DEG), ("EPSG:4549", CLOSE_M), (plane, CLOSE_M))
        ]

    def found(self, folder: Path) -> set[str]:
        """The outputs that hold anything of it, with what."""
        told = set()
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            for blob in unpacked(path.read_bytes()):
                told |= {f"{path.name}: {word}" for word in self.words if holds_words(blob, word)}
                if len(blob) >= 8:
                    there = {degrees: numbers(blob, degrees=degrees) for degrees in (True, False)}
                    for points, near in self.places:
                        if holds_place(there[near == CLOSE_DEG], points, near):
                            told.add(f"{path.name}: place")
        return told


# ---- a workspace with layers of every level ----

LEVELS = ("public", "internal", "secret")
KINDS = {"public": "forest", "internal": "water", "secret": "basic_farmland"}
MORE = {"": ['extent = "area"'], "water": ['extent = "area"', 'class_field = "kind"']}
SPOTS = {"public": (111.37, 123.71), "internal": (333.19, 441.53), "secret": (577.83, 691.47)}
"""South-west corners in metres that nothing else shares."""
PUBLIC = 'secrecy = "公开"\n'


def words_of(level: str) -> list[str]:
    return [f"{word}{level}" for word in ("ZX-7391-", "松涛九洲", "承包人赵", "对照丁卯", "图号辛酉")]


def table(head: str, file: str, level: str, *extra: str) -> str:
    lines = [head, f'file = "{file}.gpkg"', 'grade = "surveyed"', f'secrecy = "{level}"', 'id_field = "id"']
    return "\n".join([*lines, 'name_field = "title"', 'show = ["note"]', f'source = "出处{level}"', *extra]) + "\n"


def layers() -> dict[str, gpd.GeoDataFrame]:
    """By level a polygon, one that crosses itself and has to be repaired, and a shape that is only shown."""
    made = {}
    for level, (x, y) in SPOTS.items():
        id_, name, note, shown, number = words_of(level)
        west, south = EAST + x, NORTH + y
        bow = shapely.Polygon([(west, south), (west + 61.3, south + 57.9), (west + 61.3, south), (west, south + 57.9)])
        shapes = [square(x, y + 80.7, 83.9, 71.3), bow]
        made[KINDS[level]] = frame(
            shapes, id=[id_, number], title=[name, name], note=[note, note], kind=["lake", "lake"]
        )
        made[f"shown_{level}"] = frame([square(x + 150.3, y, 33.7, 31.9)], id=[id_], title=[shown], note=[note])
    people = [shapely.Point(EAST + 803.21, NORTH + 1207.77), shapely.Point(EAST + 1603.43, NORTH + 1809.59)]
    made["residents"] = frame(people, id=["RK-5527-internal", "RK-5528-internal"], heads=[731, 517])
    made["facilities"] = frame([square(1911, 97, 1).centroid], id=["f1"], title=["卫生站"], kind=["clinic"])
    lines = [shapely.LineString([(EAST, NORTH + 7), (EAST + 2000, NORTH + 7), (EAST + 2000, NORTH + 1990)])]
    made["roads"] = frame(lines, id=["r1"], kind=["residential"])
    return made


TOML = (
    "".join(table(f"[layers.{kind}]", kind, level, *MORE.get(kind, MORE[""])) for level, kind in KINDS.items())
    + "".join(table(f"[reference.{level}]", f"shown_{level}", level, f'title = "题名{level}"') for level in LEVELS)
    + '[layers.residents]\nfile = "residents.gpkg"\ngrade = "surveyed"\nid_field = "id"\namount_field = "heads"\n'
    + 'extent = "area"\nsecrecy = "内部"\n'
    + "".join(
        f'[layers.{kind}]\nfile = "{kind}.gpkg"\ngrade = "surveyed"\nextent = "area"\nclass_field = "kind"\n{PUBLIC}'
        for kind in ("facilities", "roads")
    )
)
CLOSED = HEAD.replace('secrecy = "public"\n', "")
OPEN_ZONES = CLOSED.replace('grade = "surveyed"\n', f'grade = "surveyed"\n{PUBLIC}', 1)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace ``ws``, and what each audience gets of it: ``run-<audience>`` and the like."""
    home = tmp_path_factory.mktemp("secrecy")
    (home / "ws").mkdir()
    (home / "ws" / "qpgis.toml").write_text(OPEN_ZONES + TOML, encoding="utf-8")
    write(home / "ws", {"towns": four_towns(), **layers()})
    for audience in Audience:
        given = [str(home / "ws"), "--audience", audience]
        assert main(["run", *given, "--evidence", "--out", str(home / f"run-{audience}")]) == 0
        assert main(["check", *given, "--out", str(home / f"check-{audience}")]) == 0
        assert main(["map", *given, "--out", str(home / f"map-{audience}" / "map.html")]) == 0
    return home


@pytest.fixture(scope="module")
def planted(home: Path) -> dict[str, Planted]:
    """What to look for, by level."""
    plane = qp.open_workspace(home / "ws").area.plane.definition
    made = layers()
    found = {}
    for level, kind in KINDS.items():
        shapes = [made[kind].geometry, made[f"shown_{level}"].geometry]
        words = words_of(level)
        if level == "internal":
            shapes.append(made["residents"].geometry)
            words += ["RK-5527-internal", "RK-5528-internal"]
        every = gpd.GeoDataFrame(geometry=np.concatenate([one.to_numpy() for one in shapes]), crs="EPSG:4549")
        found[level] = Planted(words, every, plane)
    return found


# ---- the tests ----


def test_the_search_finds_what_is_packed_in_either_plane(planted: dict[str, Planted], tmp_path: Path) -> None:
    shape = layers()["water"].geometry.iloc[0]
    noise = np.random.default_rng(1).bytes(400)
    packed = base64.b64encode(gzip.compress(shapely.to_wkb(shape, byte_order=0) + noise))
    printed = f"{shape.bounds[0]:.2f},{shape.bounds[1]:.2f}".encode()
    for name, content in (("a.html", b"<p>" + packed), ("b.csv", printed)):
        (tmp_path / name).write_bytes(content)
    assert planted["internal"].found(tmp_path) == {"a.html: place", "b.csv: place"}
    assert planted["secret"].found(tmp_path) == set()


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("audience", Audience)
def test_outputs_hold_nothing_above_their_audience(
    home: Path, planted: dict[str, Planted], audience: Audience, level: str
) -> None:
    found = {what: planted[level].found(home / f"{what}-{audience}") for what in ("run", "check", "map")}
    if not Secrecy(level).within(audience.features):
        assert found == {"run": set(), "check": set(), "map": set()}
        return
    # what may be there is found, in every way that it can be packed: the search would have found what may not
    id_, name, note, shown, number = words_of(level)
    wanted = {f"map.html: {word}" for word in (id_, name, note, shown)} | {"map.html: place"}
    assert wanted <= found["map"]
    assert wanted <= found["run"]
    assert {f"findings.csv: {number}", "findings.csv: place"} <= found["run"]
    assert {f"indicators.xlsx: {number}", "indicators.xlsx: place"} <= found["run"]
    assert {f"evidence.gpkg: {id_}", "evidence.gpkg: place"} <= found["run"]
    assert {f"findings.gpkg: {number}", "findings.gpkg: place", f"findings.html: {number}"} <= found["check"]
    if level == "internal":
        assert {"indicators.gpkg: RK-5527-internal", "indicators.gpkg: place"} <= found["run"]  # whom nothing reaches


@pytest.mark.parametrize("audience", Audience)
def test_values_and_sources_go_by_what_fed_them(home: Path, audience: Audience) -> None:
    folder = home / f"run-{audience}"
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    rows = (folder / "indicators.csv").read_text("utf-8-sig").splitlines()
    computed = {level: any(f"出处{level}" in row for row in rows) for level in LEVELS}
    assert computed == {level: Secrecy(level).within(audience.values) for level in LEVELS}
    level = {"public": "public", "leader": "internal", "internal": "secret"}[audience]
    said = {"public": "公开", "leader": "内部", "internal": "涉密"}[audience]
    assert manifest["secrecy"]["level"] == level
    assert manifest["secrecy"]["audience"] == audience
    assert (folder / "secrecy.txt").read_text("utf-8").startswith(f"密级：{said}；")
    assert f"密级：{said}；" in (folder / "map.html").read_text("utf-8")
    assert (f"〔{said}〕" in manifest["title"]) is (audience != "public")
    for name in ("indicators.gpkg", "evidence.gpkg"):
        with closing(sqlite3.connect(folder / name)) as base:
            assert f"密级：{said}；" in base.execute("SELECT said FROM secrecy").fetchone()[0]
    files = {one["name"] for one in manifest["inputs"]}
    assert ("water.gpkg" in files) is (audience != "public")
    assert ("basic_farmland.gpkg" in files) is (audience == "internal")
    hidden = manifest["secrecy"]["withheld"]["layers"]
    assert ("forest" in hidden, "water" in hidden) == (False, audience != "internal")
    assert "basic_farmland" in hidden  # said, not silently


@pytest.mark.parametrize("audience", Audience)
def test_outputs_name_no_folder_of_the_machine(home: Path, audience: Audience) -> None:
    for path in (home / f"run-{audience}").rglob("*"):
        if path.is_file():
            assert not any(holds_words(blob, str(home)) for blob in unpacked(path.read_bytes())), path.name


def test_values_that_were_cleared_are_for_everybody(workspace: Maker, tmp_path: Path) -> None:
    tables = table("[layers.forest]", "forest", "internal", *MORE[""])
    tables += table("[layers.basic_farmland]", "basic_farmland", "secret", *MORE[""])
    tables += '[outputs]\npublic_values = ["forest_cover", "basic_farmland_area"]\n'
    planted = {kind: layers()[kind] for kind in ("forest", "basic_farmland")}
    folder = workspace(tables, head=OPEN_ZONES, **planted)
    assert main(["run", str(folder), "--audience", "public", "--out", str(tmp_path / "out")]) == 0
    rows = (tmp_path / "out" / "indicators.csv").read_text("utf-8-sig")
    assert "\nforest_cover," in rows
    assert "\nbasic_farmland_area," not in rows  # nobody clears what is secret
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text("utf-8"))
    assert manifest["secrecy"]["level"] == "public"
    for level, layer_ in (("public", "forest"), ("secret", "basic_farmland")):
        words = [*words_of(level), "出处internal", "出处secret", "forest.gpkg", "farmland.gpkg"]
        assert not Planted(words, planted[layer_], "EPSG:4549").found(tmp_path / "out")


def test_borders_of_zones_stand_in_every_output(workspace: Maker) -> None:
    forest = '[layers.forest]\nfile = "forest.gpkg"\ngrade = "open"\n' + PUBLIC
    result = qp.assess(qp.open_workspace(workspace(forest, head=CLOSED, forest=frame([square(0, 0)]))))
    with pytest.raises(ConfigError, match=r"zones of level 'town' .*are internal: audience public"):
        result.map(audience="public")
    result.map(audience="leader")


def test_the_embedded_workspace_is_for_everybody(embedded: qp.Workspace) -> None:
    sources = [zones.source for zones in embedded.area.zone_sets] + [one.source for one in embedded.references]
    sources += [layer.source for layer in embedded.layers.values()]
    assert {source.secrecy for source in sources} == {Secrecy.PUBLIC}


def test_levels_are_written_either_way(workspace: Maker) -> None:
    folder = workspace(head=CLOSED.replace('name = "四镇"', 'name = "四镇"\nsecrecy = "机密"'))
    with pytest.raises(ConfigError, match=r"secrecy = '机密' is not known; use public \(公开\), internal \(内部\)"):
        qp.open_workspace(folder)


def test_tables_of_fixed_columns_have_their_level_beside_them(home: Path, tmp_path: Path) -> None:
    assert main(["gap", str(home / "ws"), "--out", str(tmp_path / "gap")]) == 0
    assert (tmp_path / "gap" / "secrecy.txt").read_text("utf-8").startswith("密级：涉密")
    assert main(["what-if", str(home / "ws"), "--all", "--audience", "public", "--out", str(tmp_path / "all")]) == 0
    assert (tmp_path / "all" / "secrecy.txt").read_text("utf-8").startswith("密级：公开")
    table = (tmp_path / "all" / "scenarios.csv").read_text("utf-8-sig")
    assert "\nforest_cover," in table
    assert "\nwater_surface_share," not in table


# ---- before a folder goes out ----


def failing(folder: Path, audience: str) -> set[tuple[str, str]]:
    return {(one.part, one.subject) for one in release(folder, audience) if one.verdict is Verdict.FAILS}


def test_a_folder_goes_to_whom_it_was_made_for_and_to_fewer(home: Path) -> None:
    assert failing(home / "run-public", "public") == {("approval", "")}  # nobody has reviewed the map yet
    assert failing(home / "run-public", "leader") == set()
    assert failing(home / "run-leader", "leader") == set()
    assert ("audience", "manifest.json") in failing(home / "run-leader", "public")
    assert failing(home / "run-internal", "internal") == {("audience", "manifest.json")}  # values from secret layers
    assert main(["release", str(home / "run-leader"), "--audience", "leader"]) == 0
    assert main(["release", str(home / "run-public"), "--audience", "public", "--json"]) == 1


def test_with_a_number_of_approval_a_public_map_goes_out(workspace: Maker, tmp_path: Path) -> None:
    forest = '[layers.forest]\nfile = "forest.gpkg"\ngrade = "open"\n[outputs]\nmap_approval = "沪S(2026)007号"\n'
    folder = workspace(forest, forest=frame([square(0, 0)]))
    assert main(["run", str(folder), "--audience", "public", "--no-log", "--out", str(tmp_path / "out")]) == 0
    assert failing(tmp_path / "out", "public") == set()
    assert "沪S(2026)007号" in (tmp_path / "out" / "map.html").read_text("utf-8")


def test_what_was_put_into_a_file_afterwards_is_seen(home: Path, tmp_path: Path) -> None:
    out = Path(shutil.copytree(home / "run-leader", tmp_path / "out"))
    book = openpyxl.load_workbook(out / "indicators.xlsx")
    book.create_sheet("底稿").sheet_state = "hidden"
    book.save(out / "indicators.xlsx")
    with (out / "findings.csv").open("a", encoding="utf-8") as stream:
        stream.write("info,x,water,water.gpkg,ZX-7391-internal,121.05 31.17,,,\r\n")
    shutil.copy(home / "run-internal" / "map.html", out / "map.html")
    shutil.copy(home / "run-internal" / "evidence.gpkg", out / "evidence.gpkg")
    changed = {"indicators.xlsx", "findings.csv", "map.html", "evidence.gpkg"}
    assert {("attributes", name) for name in changed} <= failing(out, "leader")


# ---- control checks ----


@pytest.mark.parametrize("level", ["internal", "secret"])
def test_patches_of_secret_lines_are_left_out(workspace: Maker, tmp_path: Path, level: str) -> None:
    plots = parcels(("ZX-1-internal", "0601", square(150, 100, 100)))
    tables = land_table("landuse", 'secrecy = "internal"') + '[layers.farmland]\nfrom = "landuse"\n'
    tables += layer("basic_farmland", f'secrecy = "{level}"')
    folder = workspace(tables, landuse=plots, basic_farmland=frame([square(100, 0, 333)]))
    checks = qp.control_checks(qp.open_workspace(folder))
    assert "ZX-1-internal" in set(checks.patches["feature_id"])
    checks.write(tmp_path / "out")
    found = Planted(["ZX-1-internal"], plots[:1], "EPSG:4549").found(tmp_path / "out")
    assert bool(found) is (level == "internal")
    with pytest.raises(ConfigError, match="audience public"):
        checks.write(tmp_path / "out", audience="public")
