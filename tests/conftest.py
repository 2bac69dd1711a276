"""Fixtures small enough to count by hand: a district of four towns, each a kilometre square."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import geopandas as gpd
import pytest
from shapely import Geometry, box

import qpgis as qp

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
EAST, NORTH = 600_000, 3_450_000
"""South-west corner of the four towns in EPSG:4549; near Qingpu."""


WHOLES = {"corridor_continuity", "patch_connectivity"}
"""Indicators measured of each zone as a whole: a group isn't the sum of its members."""


def square(x: float, y: float, width: float = 1000, height: float | None = None) -> Geometry:
    """A rectangle in EPSG:4549, metres from the south-west corner of the four towns."""
    west, south = EAST + x, NORTH + y
    return box(west, south, west + width, south + (width if height is None else height))


def frame(geometries: list[Geometry | None], crs: str | None = "EPSG:4549", **columns: list) -> gpd.GeoDataFrame:
    """A frame of geometries with columns."""
    return gpd.GeoDataFrame(columns, geometry=geometries, crs=crs)


def four_towns() -> gpd.GeoDataFrame:
    """Towns a b (south) and c d (north), one kilometre square each."""
    squares = [square(0, 0), square(1000, 0), square(0, 1000), square(1000, 1000)]
    return frame(squares, zone_id=["a", "b", "c", "d"], name=["甲", "乙", "丙", "丁"])


HEAD = """secrecy = "public"
name = "四镇"
period = "2024"
[zones]
file = "towns.gpkg"
grade = "surveyed"
[[groups]]
id = "south"
name = "南片"
members = ["a", "b"]
[[groups]]
id = "all"
name = "全区"
level = "district"
members = "all"
"""

Maker = Callable[..., Path]


@pytest.fixture(autouse=True)
def _faults_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of qpgis itself fails a test with its traceback."""
    monkeypatch.setenv("QPGIS_TRACEBACK", "1")


@pytest.fixture(scope="session")
def embedded() -> qp.Workspace:
    """The embedded workspace, opened once; what is computed of it is known to whoever asks for it next."""
    return qp.open_workspace()


NO_NETWORK = ("unshare", "-n") if shutil.which("unshare") and os.geteuid() == 0 else ()
"""Where there isn't even a loopback device; that takes root."""


@pytest.fixture(scope="session")
def embedded_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``qpgis run`` wrote, without a network: ``maps/`` in a folder that was empty; ``out``, ``err``.

    One run for all processes of pytest-xdist, whose folders lie beside each other.
    """
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder = shared / "embedded"
    with (shared / "embedded.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            running = shared / "running"
            running.mkdir()
            command = [*NO_NETWORK, sys.executable, "-W", "error", "-m", "qpgis", "run"]
            done = subprocess.run(command, cwd=running, capture_output=True, encoding="utf-8", check=False)
            assert done.returncode == 0, done.stderr
            assert [path.name for path in running.iterdir()] == ["maps"]
            (running / "out").write_text(done.stdout, "utf-8")
            (running / "err").write_text(done.stderr, "utf-8")
            running.rename(folder)
    return folder


@pytest.fixture
def workspace(tmp_path: Path) -> Maker:
    """Writes a workspace of the four towns: ``workspace("[layers...]", water=frame)`` returns its folder."""

    def make(
        toml: str = "", *, head: str = HEAD, towns: gpd.GeoDataFrame | None = None, **layers: gpd.GeoDataFrame
    ) -> Path:
        folder = tmp_path / "workspace"
        folder.mkdir(exist_ok=True)
        (folder / "qpgis.toml").write_text(head + toml, encoding="utf-8")
        write(folder, {"towns": towns if towns is not None else four_towns(), **layers})
        return folder

    return make


def write(folder: Path, layers: Mapping[str, gpd.GeoDataFrame]) -> None:
    """Write each frame to ``<name>.gpkg``."""
    for name, layer in layers.items():
        path = folder / f"{name}.gpkg"
        path.unlink(missing_ok=True)
        layer.to_file(path, layer=name, driver="GPKG")


def layer(kind: str, *extra: str) -> str:
    """The TOML of a layer in ``<kind>.gpkg``, surveyed over the whole area."""
    lines = [f"[layers.{kind}]", f'file = "{kind}.gpkg"', 'grade = "surveyed"', 'extent = "area"', *extra]
    return "\n".join(lines) + "\n"
