"""Damaged, hostile and odd files: each meets the verdict that its manifest states, by the command line."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from qpgis.cli import main
from tests.conftest import SHARED_DATA

BAD = SHARED_DATA / "bad_inputs"
MAIN = (
    ".shp",
    ".gdb",
    ".dbf",
    ".geojson",
    ".json",
    ".gpkg",
    ".kml",
    ".gml",
    ".dxf",
    ".csv",
    ".tif",
    ".zip",
    ".pbf",
    ".txt",
)


DECLARED = {
    "dxf/ezdxf_circle_radius_le_0": "EPSG:4549",
    "dxf/ezdxf_dxf_unicode": "EPSG:4549",
    "dxf/gdal_3d": "EPSG:4549",
    "shapefile/gdal_emptymultipoly": "EPSG:4326",
    "shapefile/gdal_polygonm_with_m": "EPSG:4326",
    "shapefile/gdal_polygonm_without_m": "EPSG:4326",
    "shapefile/ms_ldid_chinese": "EPSG:4549",
}
"""What a user says of files that don't say where they are, or say it wrongly, where that isn't what the case is about."""


@dataclass(frozen=True)
class Case:
    """One row of the manifest."""

    dataset: str
    problem: str
    expected: str

    @property
    def folder(self) -> Path:
        return BAD / self.dataset


def cases() -> list[Case]:
    """The manifest's rows; none where the data are not beside this checkout."""
    if not BAD.is_dir():
        return []
    with (BAD / "MANIFEST.tsv").open(encoding="utf-8") as stream:
        rows = csv.DictReader(stream, delimiter="\t")
        return [Case(row["dataset"], row["problem"], row["expected"]) for row in rows]


CASES = cases()


def main_files(folder: Path) -> list[Path]:
    """What a user would name of a folder's files: the file that the others belong to."""
    for suffix in MAIN:
        found = sorted(p for p in folder.iterdir() if p.suffix.lower() == suffix)
        if found:
            return found
    raise AssertionError(f"nothing to read in {folder}")


def contents(folder: Path) -> dict[str, str]:
    """Every file of a folder with a hash of its bytes."""
    files = [p for p in folder.rglob("*") if p.is_file() or p.is_symlink()]
    return {p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def test_the_manifest_is_there() -> None:
    if not BAD.is_dir():
        pytest.skip("the shared data are not beside this checkout")
    assert len(CASES) > 80


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.dataset)
def test_inspect_meets_the_verdict(case: Case, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "inputs"
    shutil.copytree(case.folder, folder)
    before = contents(folder)
    if case.dataset == "injection/remote_sources":
        targets = (folder / "sources.txt").read_text("utf-8").splitlines()
        runs = [[target] for target in targets]
    else:
        runs = [[str(path) for path in main_files(folder)]]
    system = ["--crs", DECLARED[case.dataset]] if case.dataset in DECLARED else []
    for files in runs:
        status = main(
            ["inspect", "--json", "--lang", "en", *system, *(["--"] if files[0].startswith("-") else []), *files]
        )
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        found = [f for one in json.loads(out) for f in one["findings"]] if out else []
        if case.expected == "refuse":
            assert status == 2 or (status == 1 and found), f"{out} {err}"
            assert err.strip() or found
            assert any(Path(file).name in err + out for file in files)
        else:
            assert status == 0, f"{out} {err}"
            spoken = [f for f in found if f["severity"] in ("warning", "info")]
            assert case.expected == "accept" or spoken, out
            assert all(f["message"] for f in found)
    assert contents(folder) == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["inputs"]
