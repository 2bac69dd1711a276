"""Damaged, hostile and odd files: each meets the verdict that its manifest states, by the command line."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from qpgis import open_workspace
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
    "kml_gml/fiona_multicurve_gml": "EPSG:4326",
    "shapefile/gdal_emptymultipoly": "EPSG:4326",
    "shapefile/gdal_polygonm_with_m": "EPSG:4326",
    "shapefile/gdal_polygonm_without_m": "EPSG:4326",
    "shapefile/ms_ldid_chinese": "EPSG:4549",
}
"""What a user says of files that don't say where they are, or wrongly, where the case isn't about that."""


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


KINDS = {"Polygon": "water", "LineString": "rail", "Point": "stations"}
TABLES = ("csv/gdal_header_with_line_break", "shapefile/gdal_weird", "shapefile/ms_cpg", "shapefile/ms_dbf_gb2312")
ZONES = ("polygon_invalid/zones_", "polygon_invalid/touching_vertex_mismatch")
NOWHERE = ("dxf/ezdxf_dxf_unicode", "dxf/gdal_3d", "gpkg/d_ogr_contents_count_wrong", "shapefile/ms_ldid_chinese")
OTHERWISE = ("injection/remote_sources", "geotiff/", "pbf/", *TABLES, *NOWHERE)
"""What is no vector layer, has no geometry, or lies nowhere on Earth: inspect tells of it, no map can be made of it."""


def as_layer(case: Case, folder: Path, capsys: pytest.CaptureFixture[str]) -> tuple[str, Path]:
    """A workspace with the first layer of a file that can be used, in a zone around it; and the kind of layer."""
    file = main_files(folder)[0] if "shanghai_metro_od" not in case.dataset else folder / "metrostop2.csv"
    system = ["--crs", DECLARED[case.dataset]] if case.dataset in DECLARED else []
    main(["inspect", "--json", str(file), *system])
    out = capsys.readouterr().out
    layers = json.loads(out)[0]["layers"] if out else []
    usable = [one for one in layers if one["extent"] and one["geometry"]] or [{"name": None, "geometry": {}}]
    chosen = usable[0]
    kinds = [kind for name, kind in KINDS.items() if any(name in types for types in chosen["geometry"])]
    west, south, east, north = chosen.get("extent") or (120.8, 30.9, 121.4, 31.3)
    ring = [
        [west - 0.01, south - 0.01],
        [east + 0.01, south - 0.01],
        [east + 0.01, north + 0.01],
        [west - 0.01, north + 0.01],
    ]
    zone = {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}
    feature = {"type": "Feature", "properties": {"zone_id": "a", "name": "a"}, "geometry": zone}
    (folder / "zone.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}), "utf-8")
    kind = kinds[0] if kinds else "water"
    if case.dataset.startswith(ZONES):
        lines = ['name = "x"', 'period = "2024"', "[zones]", f"file = {json.dumps(file.name)}", 'grade = "open"']
        lines += ['id_field = "zid"', 'name_field = "zid"']
        (folder / "qpgis.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")
        return "zones", folder
    lines = ['name = "x"', 'period = "2024"', "[zones]", 'file = "zone.geojson"', 'grade = "open"', f"[layers.{kind}]"]
    lines += [f"file = {json.dumps(file.name)}", 'grade = "open"', 'extent = "area"']
    lines += [f"layer = {json.dumps(chosen['name'])}"] if chosen["name"] and len(layers) > 1 else []
    lines += [f'crs = "{DECLARED[case.dataset]}"'] if case.dataset in DECLARED else []
    (folder / "qpgis.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return kind, folder


@pytest.mark.parametrize(
    "case", [case for case in CASES if not case.dataset.startswith(OTHERWISE)], ids=lambda c: c.dataset
)
def test_a_run_meets_the_verdict(case: Case, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "inputs"
    shutil.copytree(case.folder, folder)
    kind, folder = as_layer(case, folder, capsys)
    status = main(["run", str(folder), "--out", str(tmp_path / "out"), "--lang", "en"])
    out, err = capsys.readouterr()
    assert "Traceback" not in out + err
    if status == 2:
        assert case.expected == "refuse", err
        assert not (tmp_path / "out").exists()
        return
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text("utf-8"))
    for rows in manifest["rows"].values():
        assert rows["read"] == rows["used"] + rows["outside"] + rows["other_state"] + rows["dropped"]
    with (tmp_path / "out" / "findings.csv").open(encoding="utf-8-sig") as stream:
        found = [row for row in csv.DictReader(stream) if row["layer"] == kind]
    if case.expected == "refuse":
        assert status == 1
        assert any(row["severity"] == "error" for row in found)
    else:
        assert status == 0, found
        assert case.expected == "accept" or [row for row in found if row["severity"] == "warning"], found


def polygon_file(folder: Path, *geometries: dict) -> Path:
    """A GeoJSON file of geometries."""
    features = [{"type": "Feature", "properties": {}, "geometry": geometry} for geometry in geometries]
    path = folder / "shapes.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}), "utf-8")
    return path


RING = [[121, 31], [121.1, 31], [121.1, 31.1], [121, 31.1], [121, 31]]


def test_a_hole_as_large_as_its_shell_leaves_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = polygon_file(tmp_path, {"type": "Polygon", "coordinates": [RING, RING[::-1]]})
    assert main(["inspect", "--json", str(path)]) == 0
    (told,) = json.loads(capsys.readouterr().out)
    assert told["layers"][0]["extent"] is None
    assert "nothing_left" in {one["rule"] for one in told["findings"]}


def test_collections_in_collections_are_looked_through(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    inner = {"type": "GeometryCollection", "geometries": [{"type": "Polygon", "coordinates": [RING]}]}
    point = {"type": "Point", "coordinates": [121, 31]}
    path = polygon_file(tmp_path, {"type": "GeometryCollection", "geometries": [inner, point]})
    assert main(["inspect", "--json", str(path)]) == 0
    (told,) = json.loads(capsys.readouterr().out)
    # a tenth of a degree squared at 31 degrees north: about 9.53 km by 11.09 km
    assert told["layers"][0]["area_m2"] == pytest.approx(105.8e6, rel=0.01)


BOW = [[121, 31], [121.1, 31.1], [121.1, 31], [121, 31.1], [121, 31]]


def test_polygons_in_a_collection_are_mended_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bow = {"type": "Polygon", "coordinates": [BOW]}
    both = {"type": "GeometryCollection", "geometries": [bow, bow, {"type": "Point", "coordinates": [121, 31]}]}
    path = polygon_file(tmp_path, both)
    assert main(["inspect", "--json", str(path)]) == 0
    (told,) = json.loads(capsys.readouterr().out)
    assert "invalid_geometry" in {one["rule"] for one in told["findings"]}
    # half of a tenth of a degree squared, about 9.53 km by 11.09 km, once
    assert told["layers"][0]["area_m2"] == pytest.approx(105.8e6 / 2, rel=0.01)
    zone = [[120.9, 30.9], [121.2, 30.9], [121.2, 31.2], [120.9, 31.2], [120.9, 30.9]]
    properties = {"zone_id": "a", "name": "a"}
    feature = {"type": "Feature", "properties": properties, "geometry": {"type": "Polygon", "coordinates": [zone]}}
    (tmp_path / "zone.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}), "utf-8")
    lines = ['name = "x"', 'period = "2024"', "[zones]", 'file = "zone.geojson"', 'grade = "open"', "[layers.water]"]
    (tmp_path / "qpgis.toml").write_text("\n".join([*lines, 'file = "shapes.geojson"', 'grade = "open"']), "utf-8")
    layer = open_workspace(tmp_path).layers["water"]
    assert layer.geometry[0].area == pytest.approx(105.8e6 / 2, rel=0.01)
