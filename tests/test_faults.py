"""Faults that a run has to survive: killed, no room, no rights, many at once, little memory, odd names, poor terminals.

Most commands run in forks of one warm process (:mod:`tests.warm`); where start and end of Python matter, in their own.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin
from shapely import LineString

from tests.conftest import EAST, HEAD, NORTH, four_towns, frame, layer, square
from tests.conftest import write as write_layers
from tests.warm import ROOT, Done, Warm

OUTPUTS = {"map.html", "indicators.csv", "indicators.xlsx", "indicators.gpkg", "findings.csv", "manifest.json"}
ROOTLY = os.name == "posix" and os.geteuid() == 0
ODD_NAME = "中文 空 格#1?%20!&'\"\n$(x);-=~"
"""Legal for a file on Linux, and a trap for a library that takes it for an address, an archive or a command."""


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warm]:
    process = Warm(tmp_path_factory.mktemp("said"))
    yield process
    process.close()


@pytest.fixture
def town(tmp_path: Path) -> Path:
    """A workspace whose forest overlaps itself: a finding."""
    return make_workspace(tmp_path / "town")


def make_workspace(folder: Path, forest_m: float = 500, towns: gpd.GeoDataFrame | None = None) -> Path:
    folder.mkdir(parents=True)
    (folder / "qpgis.toml").write_text(HEAD + layer("forest"), encoding="utf-8")
    forest = frame([square(0, 0, forest_m, 1000), square(100, 0, 500, 1000)])
    write_layers(folder, {"towns": four_towns() if towns is None else towns, "forest": forest})
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    """Every file by its path within a folder."""
    """Every output; the log of runs is none."""
    files = (p for p in folder.rglob("*") if p.is_file() and p.parent.name != ".qpgis")
    return {str(p.relative_to(folder)): p.read_bytes() for p in files}


def state(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Every file and folder with its time and bytes."""
    found = {p: (p.stat().st_mtime_ns, p.read_bytes() if p.is_file() else b"") for p in [folder, *folder.rglob("*")]}
    return {str(p): value for p, value in found.items()}


def refused(done: Done | subprocess.CompletedProcess[str], *words: str) -> None:
    """Exit status 2, one line that says why."""
    status, err = (done.status, done.err) if isinstance(done, Done) else (done.returncode, done.stderr)
    assert status == 2, (status, err)
    assert err.startswith("qpgis "), err
    assert err.find("\n") == len(err) - 1, err
    assert "Traceback" not in err
    assert [word for word in words if word not in err] == [], err


def cold(
    *arguments: str | Path, cwd: Path, prefix: tuple[str, ...] = (), **settings: Any
) -> subprocess.CompletedProcess[str]:
    """A command in a Python of its own."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | settings.pop("env", {})
    command = [*prefix, sys.executable, "-W", "error", "-m", "qpgis", *arguments]
    defaults = {"capture_output": True, "encoding": "utf-8", "errors": "surrogateescape"}
    return subprocess.run(command, cwd=cwd, env=environment, check=False, **{**defaults, **settings})


# --- killed ----------------------------------------------------------------------------------------------------------


def test_killed_at_any_moment_every_output_is_old_or_new(warm: Warm, tmp_path: Path) -> None:
    """Twelve kills, half of them within the second half of what a run does with files: writing and moving."""
    old_land, new_land = make_workspace(tmp_path / "old"), make_workspace(tmp_path / "new", forest_m=700)
    old, new, out = tmp_path / "old out", tmp_path / "new out", tmp_path / "out"
    assert warm.run("run", old_land, "--out", old, cwd=tmp_path).status == 0
    whole = warm.run("run", new_land, "--out", new, cwd=tmp_path, trace=True)
    assert whole.status == 0
    before, after = contents(old), contents(new)
    assert set(before) == set(after) == OUTPUTS
    assert before["indicators.csv"] != after["indicators.csv"]
    renames = [n for n, event in enumerate(whole.moments) if event == "os.rename"]
    assert len(renames) == len(OUTPUTS)
    chance = random.Random(4)
    moments = {renames[1], renames[-1], *chance.sample(range(len(whole.moments)), 4)}
    rest = sorted(set(range(len(whole.moments) // 2, len(whole.moments))) - moments)
    seen = set()
    for moment in sorted(moments | set(chance.sample(rest, 12 - len(moments)))):
        shutil.rmtree(out, ignore_errors=True)
        shutil.copytree(old, out)
        shutil.rmtree(new_land / ".qpgis", ignore_errors=True)  # with what is kept, a run does less
        done = warm.run("run", new_land, "--out", out, cwd=tmp_path, kill_at=moment)
        assert done.status == -signal.SIGKILL, (moment, done)
        left = {name: value for name, value in contents(out).items() if ".partial" not in name}
        assert set(left) == OUTPUTS
        assert all(left[name] in (before[name], after[name]) for name in left), moment
        if left["manifest.json"] != before["manifest.json"]:
            assert left == after, "a new manifest stands only where everything is new"
        seen.add(left == before)
        consistent_after_next_run(warm, new_land, out, after)
    assert seen == {True, False}, "no kill hit the moment at which outputs change"


def consistent_after_next_run(warm: Warm, land: Path, out: Path, wanted: dict[str, bytes]) -> None:
    """The next run cleans up, and its manifest describes what is there."""
    assert warm.run("run", land, "--out", out, cwd=out.parent).status == 0
    assert contents(out) == wanted
    assert {path.name for path in out.iterdir() if path.name != ".qpgis"} == OUTPUTS
    manifest = json.loads(wanted["manifest.json"])
    assert manifest["outputs"] == {n: hashlib.sha256(b).hexdigest() for n, b in wanted.items() if n != "manifest.json"}


# --- no room, no rights ----------------------------------------------------------------------------------------------


def commands(land: Path, out: Path) -> dict[str, list[str | Path]]:
    """Every command that writes, into a folder."""
    return {
        "run": ["run", land, "--out", out],
        "check": ["check", land, "--out", out],
        "map": ["map", land, "--out", out / "map.html"],
        "synth": ["synth", "--zones", land / "towns.gpkg", "--parcels", "30", "--out", out],
        "init": ["init", out],
        "init --embedded": ["init", "--embedded", out],
        "fetch": ["fetch", "osm", "--area", "europe/x", "--server", "http://127.0.0.1:9", "--out", out / "x.osm.pbf"],
    }


WRITERS = list(commands(Path(), Path()))


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("place", ["a file", "below a file", "/proc", "too long"])
def test_a_place_that_is_none_is_refused_before_computing(warm: Warm, tmp_path: Path, name: str, place: str) -> None:
    (tmp_path / "file").write_text("mine")
    places = {
        "a file": tmp_path / "file",
        "below a file": tmp_path / "file" / "out",
        "/proc": Path("/proc/qpgis"),
        "too long": tmp_path / ("x" * 300),
    }
    nowhere = tmp_path / "no workspace"  # would be refused too, but later: the place comes first
    done = warm.run(*commands(nowhere, places[place])[name], cwd=tmp_path)
    refused(done)
    assert "no workspace" not in done.err
    assert {p.name for p in tmp_path.iterdir()} == {"file"}
    assert (tmp_path / "file").read_text() == "mine"


UNPRIVILEGED = ("setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-dac_override,-dac_read_search")
"""Root may write anywhere; without these capabilities it may not."""


@pytest.mark.parametrize("name", ["run", "synth", "init"])
def test_a_read_only_folder(town: Path, tmp_path: Path, name: str) -> None:
    prefix = UNPRIVILEGED if ROOTLY else ()
    if prefix and not shutil.which(prefix[0]):
        pytest.skip("root, and no setpriv to give up its rights")
    out = tmp_path / "out"
    out.mkdir()
    (out / "map.html").write_text("old")
    out.chmod(0o555)
    try:
        done = cold(*commands(tmp_path / "no workspace", out)[name], cwd=tmp_path, prefix=prefix)
    finally:
        out.chmod(0o755)
    refused(done, "can't be written", "read-only")
    assert contents(out) == {"map.html": b"old"}


@pytest.mark.parametrize("what", ["towns.gpkg", "forest.gpkg", "qpgis.toml"])
def test_an_input_that_may_not_be_read(town: Path, tmp_path: Path, what: str) -> None:
    prefix = UNPRIVILEGED if ROOTLY else ()
    if prefix and not shutil.which(prefix[0]):
        pytest.skip("root, and no setpriv to give up its rights")
    (town / what).chmod(0)
    refused(cold("run", town, "--out", "out", cwd=tmp_path, prefix=prefix), what)
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(not ROOTLY or not shutil.which("unshare"), reason="mounting a small disk takes root")
@pytest.mark.parametrize(("room", "reason"), [("100k", "the disk is full"), ("1200k", "No space left on device")])
def test_a_full_disk(tmp_path: Path, room: str, reason: str) -> None:
    """A disk with too little room for anything, and one on which it runs out within the map: zones have long names."""
    long = four_towns().assign(name=[name * 300_000 for name in "甲乙丙丁"])
    land, disk, kept = make_workspace(tmp_path / "land", towns=long), tmp_path / "disk", tmp_path / "kept"
    disk.mkdir()
    kept.mkdir()
    script = (
        f'mount -t tmpfs -o size={room} tmpfs "$1" || exit 77; echo old > "$1/map.html"; '
        '"$3" -m qpgis map "$4" --out "$1/map.html"; status=$?; cp -r "$1/." "$2"; exit $status'
    )
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script, "sh", disk, kept, sys.executable, land],
        cwd=ROOT, capture_output=True, encoding="utf-8", check=False,
    )  # fmt: skip
    if done.returncode == 77:
        pytest.skip("no disk could be mounted")
    told = done.stderr.splitlines()
    assert done.returncode == 2, told
    assert reason in told[-1]
    assert [line for line in told[:-1] if not line.startswith("[")] == []  # stages of a run that takes seconds
    assert contents(kept) == {"map.html": b"old\n"}


@pytest.mark.parametrize("name", ["run", "check", "map", "synth", "init", "init --embedded"])
def test_room_that_runs_out_while_writing(warm: Warm, town: Path, tmp_path: Path, name: str) -> None:
    """No file may grow beyond a limit, which fails as a full disk does: at each size another library is at work."""
    out = tmp_path / "out"
    arguments = commands(town, out)[name]
    if name == "synth":
        arguments += ["--format", "gpkg"]
    whole = warm.run(*arguments, cwd=tmp_path)
    assert whole.status == 0, whole.err
    good = contents(out)
    if name.startswith("init"):
        shutil.rmtree(out)
        good = {}
    largest = max(map(len, contents(out).values()), default=8000)
    for limit in (2000, 7000, 11_000, 50_000, 90_000, 100_000, 200_000):
        if limit >= largest or (name == "init" and limit > 2000):
            break
        done = warm.run(*arguments, cwd=tmp_path, limits={"FSIZE": limit})
        refused(done)
        left = contents(out) if out.exists() else {}
        assert left == good, (limit, sorted(left))
    again = warm.run(*arguments, cwd=tmp_path)
    assert again.status == 0, again.err


def test_outputs_never_take_the_place_of_what_was_read(warm: Warm, town: Path, tmp_path: Path) -> None:
    before = state(town)
    for name in ("qpgis.toml", "towns.gpkg", "forest.gpkg"):
        refused(warm.run("map", town, "--out", town / name, cwd=tmp_path), name, "would be written over")
    (town / "link.gpkg").symlink_to(town / "towns.gpkg")
    refused(warm.run("map", town, "--out", town / ".." / "town" / "towns.gpkg", cwd=tmp_path), "written over")
    (town / "link.gpkg").unlink()
    assert {k: v[1] for k, v in state(town).items()} == {k: v[1] for k, v in before.items()}


def test_what_is_no_file_is_never_replaced(warm: Warm, town: Path, tmp_path: Path) -> None:
    """Renaming over a device would take it from the whole machine."""
    out = tmp_path / "out"
    out.mkdir()
    os.mkfifo(out / "findings.csv")
    for name in ("run", "check"):
        refused(warm.run(*commands(town, out)[name], cwd=tmp_path), "findings.csv", "no file")
    refused(warm.run("map", town, "--out", out / "findings.csv", cwd=tmp_path), "findings.csv", "no file")
    assert (out / "findings.csv").is_fifo()
    assert len(list(out.iterdir())) == 1


# --- many at once, little memory -------------------------------------------------------------------------------------


def test_eight_runs_into_one_folder(warm: Warm, tmp_path: Path) -> None:
    lands = [make_workspace(tmp_path / f"w{n}", forest_m=200 + 50 * n) for n in range(8)]
    for land in lands:
        assert warm.run("run", land, "--out", land / "out", cwd=tmp_path).status == 0
    wanted = [contents(land / "out") for land in lands]
    done = warm.together(8, "run", "w{n}", "--out", "out", cwd=tmp_path)
    assert [one.status for one in done] == [0] * 8, [one.err for one in done]
    assert contents(tmp_path / "out") in wanted
    assert {path.name for path in (tmp_path / "out").iterdir()} == {*OUTPUTS, ".qpgis"}
    assert len((tmp_path / "out" / ".qpgis" / "runs.jsonl").read_text("utf-8").splitlines()) == 8


def huge_raster(path: Path) -> Path:
    """A raster of 100,000 x 100,000 cells over the four towns that takes a few kilobytes: no block is stored."""
    settings: dict[str, Any] = {"dtype": "uint8", "count": 1, "crs": "EPSG:4549", "nodata": 0}
    grid = from_origin(EAST - 1000, NORTH + 4000, 0.05, 0.05)
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        width=100_000,
        height=100_000,
        transform=grid,
        tiled=True,
        sparse_ok=True,
        BIGTIFF="YES",
        blockxsize=1024,
        blockysize=1024,
        **settings,
    ):
        pass
    return path


@pytest.mark.parametrize("command", ["inspect", "run"])
def test_a_raster_larger_than_memory(town: Path, tmp_path: Path, command: str) -> None:
    """Ten thousand million cells in 3 GiB of addresses, of which the libraries' own take more than one."""
    raster = huge_raster(town / "land.tif")
    table = '[layers.landuse]\nfile = "land.tif"\ngrade = "open"\nscheme = "worldcover"\nextent = "area"\n'
    (town / "qpgis.toml").write_text(HEAD + table, encoding="utf-8")
    arguments = ["inspect", raster] if command == "inspect" else ["run", town, "--out", "out"]
    done = limited(arguments, 3 << 30, tmp_path)
    assert "Traceback" not in done.stderr
    if command == "inspect":
        assert done.returncode == 0, done.stderr
        assert "100,000 x 100,000" in done.stdout
    else:
        assert done.returncode == 2, done.stderr
        assert "land.tif" in done.stderr
        assert not (tmp_path / "out").exists()


def limited(arguments: list[str | Path], most_bytes: int, cwd: Path) -> subprocess.CompletedProcess[str]:
    """A command that gets no more than so many bytes of addresses."""
    one_thread = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "GDAL_CACHEMAX": "64"}
    prefix = ("prlimit", f"--as={most_bytes}")
    if not shutil.which(prefix[0]):
        pytest.skip("no prlimit to limit the memory with")
    return cold(*arguments, cwd=cwd, prefix=prefix, env=one_thread)


def test_memory_that_runs_out_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where an allocation fails, the message is ours and the old outputs stay."""
    import qpgis.report.outputs as outputs
    from qpgis.cli import main

    land, out = make_workspace(tmp_path / "town"), tmp_path / "out"
    assert main(["run", str(land), "--out", str(out)]) == 0
    before = contents(out)

    def exhausted(*_: object) -> None:
        raise MemoryError

    monkeypatch.setitem(outputs.OUTPUTS, "map.html", exhausted)
    assert main(["run", str(land), "--out", str(out)]) == 2
    assert contents(out) == before


# --- names, locales, terminals ---------------------------------------------------------------------------------------


def test_odd_names_of_folders_inputs_and_outputs(warm: Warm, tmp_path: Path) -> None:
    plain = make_workspace(tmp_path / "plain")
    assert warm.run("run", plain, "--out", tmp_path / "plain out", cwd=tmp_path).status == 0
    odd = tmp_path / ODD_NAME
    shutil.copytree(plain, odd / ODD_NAME)
    done = warm.run("run", odd / ODD_NAME, "--out", odd / f"{ODD_NAME} out", cwd=tmp_path)
    assert done.status == 0, done.err
    assert contents(odd / f"{ODD_NAME} out") == contents(tmp_path / "plain out")
    for command, file in (("check", "findings.csv"), ("map", "map.html")):
        done = warm.run(*commands(odd / ODD_NAME, odd / f"{ODD_NAME} {command}")[command], cwd=tmp_path)
        assert done.status == 0, done.err
        assert (odd / f"{ODD_NAME} {command}" / file).is_file()


@pytest.mark.parametrize("name", ["-rf", "--out", "x" * 200, "\udcff\udcfe bytes", "con\x1b[31m\t"])
def test_names_that_look_like_options_or_are_no_text(warm: Warm, tmp_path: Path, name: str) -> None:
    land = make_workspace(tmp_path / "town")
    folder = tmp_path / name
    land.rename(folder)
    out = folder / "-out"
    done = warm.run("run", f"./{name}", f"--out=./{name}/-out", cwd=tmp_path)
    assert done.status == 0, done.err
    assert set(contents(out)) == OUTPUTS
    zones = f"./{name}/{name[:150]}.gpkg"
    (folder / "towns.gpkg").rename(tmp_path / zones)
    other = make_workspace(tmp_path / "other")
    done = warm.run("run", other, "--zones", zones, "--zones-grade", "open", cwd=tmp_path)
    assert done.status == 0, done.err
    assert "\x1b" not in done.err + done.out
    done = warm.run("inspect", "--json", zones, cwd=tmp_path)
    assert done.status in (0, 1), done.err
    assert json.loads(done.out)
    missing = warm.run("run", f"./{name}", cwd=tmp_path)
    refused(missing, "towns.gpkg")
    assert "\x1b" not in missing.err


FRAMES: dict[str, Callable[[gpd.GeoDataFrame, Path], None]] = {
    ".gpkg": lambda data, path: data.to_file(path),
    ".shp": lambda data, path: data.to_file(path, encoding="utf-8"),
    ".geojson": lambda data, path: data.to_crs(4326).to_file(path),
    ".fgb": lambda data, path: data.to_file(path),
    ".parquet": lambda data, path: data.to_parquet(path),
    ".kml": lambda data, path: data.to_crs(4326).rename(columns={"name": "Name"}).to_file(path, driver="KML"),
    ".gml": lambda data, path: data.to_file(path, driver="GML"),
    ".gdb": lambda data, path: data.to_file(path, driver="OpenFileGDB"),
    ".csv": lambda data, path: write_csv(data, path),
    ".zip": lambda data, path: write_zip(data, path),
}


def write_csv(data: gpd.GeoDataFrame, path: Path) -> None:
    data.assign(wkt=data.geometry.to_wkt()).drop(columns="geometry").to_csv(path, index=False)


def write_zip(data: gpd.GeoDataFrame, path: Path) -> None:
    inner = path.parent / "inner"
    inner.mkdir()
    data.to_file(inner / "data.shp", encoding="utf-8")
    shutil.make_archive(str(path.with_suffix("")), "zip", inner)
    shutil.rmtree(inner)


@pytest.fixture
def every_format(tmp_path: Path) -> Path:
    """A folder with a file of each format under an odd name, written by GDAL under plain ones."""
    folder, plain = tmp_path / "中文!", tmp_path / "plain"
    folder.mkdir()
    plain.mkdir()
    for suffix, write in FRAMES.items():
        write(four_towns(), plain / f"data{suffix}")
        for path in list(plain.iterdir()):
            shutil.move(path, folder / f"镇 !#%1&'{path.suffix}")
        assert (folder / f"镇 !#%1&'{suffix}").exists(), suffix
    with rasterio.open(
        plain / "x.tif", "w", driver="GTiff", width=4, height=4, count=1, dtype="uint8", crs="EPSG:4549",
        transform=from_origin(EAST, NORTH + 2000, 500, 500),
    ) as made:  # fmt: skip
        made.write(np.ones((1, 4, 4), "uint8"))
    shutil.move(plain / "x.tif", folder / "镇 !#%1&'.tif")
    return folder


def test_every_format_under_odd_names_is_left_as_it_was(warm: Warm, every_format: Path, tmp_path: Path) -> None:
    """Inspected and used as zones, with nothing written beside it; a geodatabase gets no lock, a raster no overview."""
    before = state(every_format)
    for suffix in (*FRAMES, ".tif"):
        file = every_format / f"镇 !#%1&'{suffix}"
        done = warm.run("inspect", "--json", file, cwd=tmp_path)
        assert "Traceback" not in done.err, (suffix, done.err)
        assert done.status in (0, 1, 2 if suffix == ".csv" else 0), (suffix, done.err)
        (seen,) = json.loads(done.out)
        counts = [one["features"] for one in seen["layers"]]
        assert counts == [4] or suffix == ".tif", (suffix, counts)
    assert state(every_format) == before


def test_commands_leave_a_workspace_as_it_was(warm: Warm, every_format: Path, tmp_path: Path) -> None:
    """Every layer of another format: run, check and map write elsewhere only."""
    toml = (
        HEAD.replace("towns.gpkg", "towns.fgb") + '[layers.forest]\nfile = "f.shp"\ngrade = "open"\nextent = "area"\n'
    )
    toml += '[layers.water]\nfile = "w.gdb"\ngrade = "open"\nextent = "area"\n'
    toml += '[layers.roads]\nfile = "r.kml"\ngrade = "open"\nextent = "area"\n'
    land = tmp_path / "land"
    land.mkdir()
    (land / "qpgis.toml").write_text(toml, encoding="utf-8")
    four_towns().to_file(land / "towns.fgb")
    frame([square(0, 0, 500, 500)]).to_file(land / "f.shp")
    frame([square(600, 0, 100, 500)], kind=["pond"]).to_file(land / "w.gdb", driver="OpenFileGDB")
    road = gpd.GeoSeries([LineString(square(0, 500).exterior.coords)], crs="EPSG:4549")
    gpd.GeoDataFrame({"Name": ["路"]}, geometry=road.to_crs(4326)).to_file(land / "r.kml", driver="KML")
    before = state(land)
    for name in ("run", "check", "map"):
        done = warm.run(*commands(land, tmp_path / f"{name} out")[name], cwd=tmp_path)
        assert done.status in (0, 1), done.err
    shutil.rmtree(land / ".qpgis")  # what runs keep, and the folder's own time with it
    after = state(land)
    assert {**after, str(land): before[str(land)]} == before


@pytest.mark.parametrize(
    "environment",
    [{"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, {"LANG": "", "LC_ALL": "", "PYTHONUTF8": "0"}],
    ids=["C", "none"],
)
def test_a_locale_and_a_terminal_that_know_no_chinese(
    warm: Warm, town: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    assert warm.run("run", town, "--out", tmp_path / "here", cwd=tmp_path).status == 0
    terminal = environment | {"PYTHONIOENCODING": "ascii"}
    done = cold("run", town, "--out", "there", cwd=tmp_path, env=terminal)
    assert done.returncode == 0, done.stderr
    assert contents(tmp_path / "there") == contents(tmp_path / "here")
    assert done.stderr.isascii()
    assert "\\u56db" in done.stderr  # 四
    odd = tmp_path / "中文"
    town.rename(odd)
    done = cold("check", odd, "--out", odd / "出", cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stderr
    assert (odd / "出" / "findings.csv").is_file()


@pytest.mark.parametrize("command", ["list", "run", "check", "inspect"])
def test_nobody_reads_on(town: Path, tmp_path: Path, command: str) -> None:
    """``qpgis ... | true``, and standard output closed before the start: no traceback, outputs whole."""
    arguments = {
        "list": ["list"],
        "inspect": ["inspect", str(town / "towns.gpkg")],
        **{name: [name, str(town), "--out", "out"] for name in ("run", "check")},
    }[command]
    words = " ".join([f"'{sys.executable}'", "-m", "qpgis", *(f"'{a}'" for a in arguments)])
    for ending in ("| true", ">&-", ">&- 2>&-"):
        done = subprocess.run(
            ["bash", "-c", f"{words} {ending}"],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        assert "BrokenPipe" not in done.stderr
        assert "Exception ignored" not in done.stderr
        assert done.returncode == 0, done.stderr
    if command in ("run", "check"):
        assert len(contents(tmp_path / "out")) == {"run": 6, "check": 3}[command]


def test_hash_seeds_and_threads_change_no_byte(town: Path, tmp_path: Path) -> None:
    """Four seeds, two at a time; even ones on one thread, odd ones on eight."""
    jobs = []
    for seed in range(4):
        threads = "8" if seed % 2 else "1"
        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "GDAL_NUM_THREADS")
        environment = os.environ | dict.fromkeys(names, threads)
        environment |= {"PYTHONHASHSEED": str(seed), "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "qpgis", "run", town, "--out", f"out {seed}"]
        jobs.append(subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL))
        if len(jobs) == 2:
            assert [job.wait() for job in jobs] == [0, 0]
            jobs.clear()
    first = contents(tmp_path / "out 0")
    assert set(first) == OUTPUTS
    assert all(contents(tmp_path / f"out {seed}") == first for seed in range(1, 4))
