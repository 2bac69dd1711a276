"""One fault is planted into sound files, whichever it is: something fires and says where.

The sound workspace has no finding of weight, so whatever is said of the other is said of the fault. It fires if a
finding of severity ``error`` or ``warning`` names the layer (and the feature, where one is known), or if the file is
refused by a message that names it.
"""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
from pyproj import Geod
from shapely import LineString, Point, Polygon, affinity, box

import qpgis as qp
from qpgis.catalogue import data_dir
from qpgis.crs.china import wgs84_to_bd09, wgs84_to_gcj02
from qpgis.errors import QpgisError
from qpgis.findings import Severity
from tests.conftest import EAST, HEAD, NORTH, four_towns

GEOD = Geod(ellps="GRS80")
Frames = dict[str, gpd.GeoDataFrame]
SIDE = 250
CODES = ("0101", "0301", "0404", "0701", "0702", "1003")

# The sound workspace -------------------------------------------------------------------------------------------------


def ground(*shapes: shapely.Geometry) -> list[shapely.Geometry]:
    """Shapes in metres from the corner of the four towns."""
    return [affinity.translate(shape, EAST, NORTH) for shape in shapes]


def ellipsoidal_m2(rows: gpd.GeoDataFrame) -> list[float]:
    degrees = rows.segmentize(25).to_crs(4490).geometry
    return [round(abs(GEOD.geometry_area_perimeter(shapely.orient_polygons(g))[0]), 2) for g in degrees]


def parcels() -> gpd.GeoDataFrame:
    """Squares of 250 m that tile the towns, one with a pond in its midst; number 27 has the hole, 64 is the pond."""
    corners = [(x, y) for x in range(0, 2000, SIDE) for y in range(0, 2000, SIDE)]
    squares = [box(x, y, x + SIDE, y + SIDE) for x, y in corners]
    pond = affinity.translate(box(80, 80, 150, 170), *corners[27])
    squares[27] = Polygon(squares[27].exterior.coords, [pond.exterior.coords])
    codes = [CODES[n % len(CODES)] for n in range(64)]
    columns = {"BSM": [f"3101180{n:05d}" for n in range(65)], "DLBM": [*codes, "1104"]}
    rows = gpd.GeoDataFrame(columns, geometry=ground(*squares, pond), crs="EPSG:4549")
    return rows.assign(TBMJ=ellipsoidal_m2(rows))


def sound(crs: int = 4549) -> Frames:
    """Zones and layers without a fault."""
    water = [Polygon([(100, 0), (400, 0), (700, 2000), (500, 2000)]), box(1200, 300, 1500, 800)]
    roads = [[(0, 550), (2000, 560)], [(900, 0), (950, 1100), (940, 2000)], [(1100, 1500), (1900, 1600)]]
    stops = [(300, 560), (1500, 557), (940, 1500), (1400, 1540)]
    tables = {
        "towns": four_towns(),
        "landuse": parcels(),
        "water": gpd.GeoDataFrame(
            {"id": ["W0", "W1"], "kind": ["river", "lake"]}, geometry=ground(*water), crs="EPSG:4549"
        ),
        "roads": gpd.GeoDataFrame(
            {
                "id": ["R0", "R1", "R2"],
                "kind": ["primary", "secondary", "residential"],
                "status": ["现状"] * 3,
                "opened": ["2001-05-01", "2010", "2019.7"],
            },
            geometry=ground(*map(LineString, roads)),
            crs="EPSG:4549",
        ),
        "stations": gpd.GeoDataFrame(
            {"id": ["S0", "S1", "S2", "S3"], "name": ["东站", "西站", "南站", "北站"]},
            geometry=ground(*map(Point, stops)),
            crs="EPSG:4549",
        ),
    }
    return {name: rows.to_crs(crs) for name, rows in tables.items()}


FIELDS = {
    "landuse": 'scheme = "sandiao"\nid_field = "BSM"\nclass_field = "DLBM"\narea_field = "TBMJ"',
    "water": 'id_field = "id"\nclass_field = "kind"',
    "roads": 'id_field = "id"\nclass_field = "kind"\nstatus_field = "status"\nopened_field = "opened"',
    "stations": 'id_field = "id"\nname_field = "name"',
}
STATISTICS = "indicator,zone,period,value,grade,source\n住房,a,2024,12.5,official,统计年鉴\n"
IDS = {"landuse": "BSM", "towns": "zone_id"}


def toml(suffix: str = ".parquet", more: str = "", **suffixes: str) -> str:
    """The workspace's text; ``suffixes`` are those of single layers, ``more`` comes last."""
    text = HEAD.replace(".gpkg", suffixes.get("towns", suffix))
    for kind, fields in FIELDS.items():
        file = f"{kind}{suffixes.get(kind, suffix)}"
        text += f'[layers.{kind}]\nfile = "{file}"\ngrade = "surveyed"\nextent = "area"\n{fields}\n'
    return text + '[layers.forest]\nfrom = "landuse"\n[tables]\nstatistics = "statistics.csv"\n' + more


def written(folder: Path, frames: Frames, *, statistics: str = STATISTICS, **suffixes: str) -> Path:
    """A folder with the workspace of some frames."""
    for name, rows in frames.items():
        path = folder / f"{name}{suffixes.get(name, '.parquet')}"
        if path.suffix == ".parquet":
            rows.to_parquet(path)
        else:
            rows.to_file(path)
    (folder / "statistics.csv").write_text(statistics, encoding="utf-8")
    (folder / "qpgis.toml").write_text(toml(**suffixes), encoding="utf-8")
    return folder


@dataclass(frozen=True)
class Said:
    """What was said of a workspace: its findings of weight as ``rule layer feature``, or why it was refused."""

    findings: tuple[tuple[str, str, str], ...] = ()
    refusal: str = ""
    numbers: tuple[float, ...] = ()

    def names(self, layer: str, feature: str = "") -> bool:
        """True if a finding names a layer, and a feature of it, or if a refusal names the layer."""
        about = "zones" if layer == "towns" else layer
        return any(f[1] == about and feature in f[2] for f in self.findings) or about in self.refusal


def said_of(folder: Path) -> Said:
    """Open a workspace and compute everything."""
    try:
        result = qp.assess(qp.open_workspace(folder))
    except QpgisError as error:
        return Said(refusal=str(error))
    heavy = [f for f in result.findings if f.severity is not Severity.INFO]
    about = tuple((f.rule, f.layer, f"{f.feature_id} {f.value}") for f in heavy)
    return Said(about, numbers=tuple(result.table["value"].astype(float).fillna(-1)))


@pytest.mark.parametrize("crs", [4549, 4490])
def test_nothing_is_said_of_the_sound_workspace(crs: int, tmp_path: Path) -> None:
    said = said_of(written(tmp_path, sound(crs)))
    assert (said.findings, said.refusal) == ((), "")


@pytest.mark.parametrize("suffix", [".gpkg", ".shp", ".geojson"])
def test_nothing_is_said_of_other_files_of_it(suffix: str, tmp_path: Path) -> None:
    frames = sound(4490 if suffix == ".geojson" else 4549)
    said = said_of(written(tmp_path, frames, **dict.fromkeys(frames, suffix)))
    assert (said.findings, said.refusal) == ((), "")


# Faults of features --------------------------------------------------------------------------------------------------


Plant = Callable[[shapely.Geometry], Any]


def swapped(shape: shapely.Geometry) -> shapely.Geometry:
    return shapely.transform(shape, lambda xy: xy[:, ::-1])


def spiked(shape: Polygon) -> Polygon:
    """From the middle of the first edge 60 m out and back."""
    (x0, y0), (x1, y1), *rest = shape.exterior.coords
    middle = np.array([(x0 + x1) / 2, (y0 + y1) / 2])
    out = middle + 60 * (middle - np.array(shape.centroid.coords[0])) / SIDE
    return Polygon([(x0, y0), tuple(middle), tuple(out), tuple(middle), (x1, y1), *rest], shape.interiors)


def bow_tie(shape: Polygon) -> Polygon:
    a, b, c, d, *_ = shape.exterior.coords
    return Polygon([a, c, b, d])


def not_finite(shape: shapely.Geometry) -> shapely.Geometry:
    return shapely.transform(shape, lambda xy: np.where(np.arange(len(xy))[:, None] == len(xy) // 2, np.nan, xy))


ANY = ("landuse", "water", "roads", "stations")
SHAPES: dict[str, tuple[tuple[str, ...], Plant]] = {
    "x and y swapped": ((*ANY, "towns"), swapped),
    "no geometry": ((*ANY, "towns"), lambda shape: None),
    "empty": ((*ANY, "towns"), lambda shape: type(shape)()),
    "a coordinate that is no number": (ANY, not_finite),
    "moved half a metre": (("landuse", "towns"), lambda shape: affinity.translate(shape, 0.5, 0.2)),
    "moved a centimetre": (("landuse", "towns"), lambda shape: affinity.translate(shape, 0.01, 0.004)),
    "moved by a hundred kilometres": (("towns",), lambda shape: affinity.translate(shape, 0, 100_000)),
    "a spike": (("landuse", "towns", "water"), spiked),
    "a bow tie": (("landuse", "towns", "water"), bow_tie),
    "another type": (("landuse", "water", "roads"), lambda shape: shape.representative_point()),
    "shrunk": (("landuse", "towns"), lambda shape: affinity.scale(shape, 0.9, 0.9)),
    "grown": (("landuse", "towns"), lambda shape: affinity.scale(shape, 1.1, 1.1)),
}


def feature_of(rows: gpd.GeoDataFrame, layer: str, seed: int) -> tuple[int, str]:
    """The number and the id of one feature."""
    n = int(np.random.default_rng(seed).integers(len(rows)))
    return n, str(rows[IDS.get(layer, "id")].iloc[n])


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(("fault", "layer"), [(f, layer) for f, (layers, _) in SHAPES.items() for layer in layers])
def test_a_broken_feature_is_named(fault: str, layer: str, seed: int, tmp_path: Path) -> None:
    frames = sound()
    n, name = feature_of(frames[layer], layer, seed)
    shapes = frames[layer].geometry.to_numpy().copy()
    shapes[n] = SHAPES[fault][1](shapes[n])
    frames[layer] = frames[layer].set_geometry(shapes, crs=frames[layer].crs)
    said = said_of(written(tmp_path, frames))
    assert said.names(layer, name), said


@pytest.mark.parametrize("layer", [*ANY, "towns"])
@pytest.mark.parametrize("crs", [4549, 4326])
@pytest.mark.parametrize("every", [False, True])
def test_swapped_axes_are_named(layer: str, crs: int, every: bool, tmp_path: Path) -> None:
    frames = sound(crs)
    shapes = frames[layer].geometry.to_numpy().copy()
    n, _ = feature_of(frames[layer], layer, 5)
    shapes[slice(None) if every else n] = swapped(shapes[slice(None) if every else n])
    frames[layer] = frames[layer].set_geometry(shapes, crs=crs)
    said = said_of(written(tmp_path, frames))
    assert said.names(layer), said
    if crs == 4549 and not every and len(frames[layer]) > 2:  # of two, either may be the odd one
        assert "of one feature, not of all" in said.refusal


def doubled(rows: gpd.GeoDataFrame, n: int, **changes: Any) -> gpd.GeoDataFrame:
    return gpd.pd.concat([rows, rows.iloc[[n]].assign(**changes)], ignore_index=True)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("renamed", [False, True], ids=["same id", "other id"])
@pytest.mark.parametrize("layer", [*ANY, "towns"])
def test_a_doubled_feature_is_named(layer: str, renamed: bool, seed: int, tmp_path: Path) -> None:
    frames = sound()
    n, name = feature_of(frames[layer], layer, seed)
    changes = {IDS.get(layer, "id"): "310118099999"} if renamed else {}
    frames[layer] = doubled(frames[layer], n, **changes)
    said = said_of(written(tmp_path, frames))
    assert said.names(layer, "310118099999" if renamed and layer != "towns" else name), said


@pytest.mark.parametrize("n", [0, 9, 27, 35, 63, 64], ids=["corner", "middle", "hole", "centre", "end", "in the hole"])
def test_a_parcel_left_out_is_a_gap(n: int, tmp_path: Path) -> None:
    frames = sound()
    frames["landuse"] = frames["landuse"].drop(index=n).reset_index(drop=True)
    assert said_of(written(tmp_path, frames)).names("landuse")


@pytest.mark.parametrize("n", [0, 1])
def test_a_zone_left_out_is_missed_by_its_group(n: int, tmp_path: Path) -> None:
    frames = sound()
    frames["towns"] = frames["towns"].drop(index=n).reset_index(drop=True)
    assert f"member {'ab'[n]!r} is not among the zones" in said_of(written(tmp_path, frames)).refusal


def test_a_hole_that_is_dropped_is_an_overlap(tmp_path: Path) -> None:
    frames = sound()
    shapes = frames["landuse"].geometry.to_numpy().copy()
    shapes[27] = Polygon(shapes[27].exterior.coords)
    frames["landuse"] = frames["landuse"].set_geometry(shapes, crs=4549)
    said = said_of(written(tmp_path, frames))
    assert {"polygons_overlap", "area_field_differs"} <= {rule for rule, _, feature in said.findings}
    assert said.names("landuse", "310118000027")


def test_a_hole_cut_where_there_is_none_is_a_gap(tmp_path: Path) -> None:
    frames = sound()
    shapes = frames["landuse"].geometry.to_numpy().copy()
    shapes[9] = shapes[9] - shapes[9].centroid.buffer(20)
    frames["landuse"] = frames["landuse"].set_geometry(shapes, crs=4549)
    said = said_of(written(tmp_path, frames))
    assert {"polygons_gap", "area_field_differs"} <= {rule for rule, _, _ in said.findings}
    assert said.names("landuse", "310118000009")


def test_a_sliver_is_named(tmp_path: Path) -> None:
    """A parcel gives up ten centimetres along one side: parcels still tile."""
    frames = sound()
    rows = doubled(frames["landuse"], 9, BSM="310118099999")
    shapes = rows.geometry.to_numpy().copy()
    west, south, east, north = shapes[9].bounds
    shapes[9], shapes[-1] = box(west, south, east - 0.1, north), box(east - 0.1, south, east, north)
    rows = rows.set_geometry(shapes, crs=4549)
    frames["landuse"] = rows.assign(TBMJ=ellipsoidal_m2(rows))
    assert ("sliver_polygon", "landuse") in {f[:2] for f in said_of(written(tmp_path, frames)).findings}


def test_a_vertex_that_stands_twice_changes_nothing(tmp_path: Path) -> None:
    """Nothing is wrong with it but the look; no number may change."""
    frames = sound()
    before = said_of(written(tmp_path, frames)).numbers
    for layer in ("landuse", "roads", "towns"):
        shapes = shapely.transform(frames[layer].geometry.to_numpy(), lambda xy: xy)
        shapes[0] = shapely.from_wkt(_second_twice(shapes[0]))
        frames[layer] = frames[layer].set_geometry(shapes, crs=4549)
    said = said_of(written(tmp_path, frames))
    assert not said.refusal
    assert said.numbers == pytest.approx(before, rel=1e-12, abs=1e-12)


def _second_twice(shape: shapely.Geometry) -> str:
    line = shape.exterior if shape.geom_type == "Polygon" else shape
    places = list(line.coords)
    words = ", ".join(f"{x!r} {y!r}" for x, y in [places[0], places[1], *places[1:]])
    return f"POLYGON (({words}))" if shape.geom_type == "Polygon" else f"LINESTRING ({words})"


# Faults of attributes ------------------------------------------------------------------------------------------------


def with_value(frames: Frames, layer: str, field: str, n: int | slice, value: Any) -> Frames:
    rows = frames[layer].copy()
    rows.loc[n, field] = value
    return {**frames, layer: rows}


ATTRIBUTES = {
    "a code that no scheme has": ("landuse", "DLBM", "9999"),
    "a code of another scheme": ("landuse", "DLBM", "070102"),
    "a lost leading zero": ("landuse", "DLBM", "301"),
    "a suffix that is none": ("landuse", "DLBM", "0301X"),
    "a name instead of the code": ("landuse", "DLBM", "不知道"),
    "no code": ("landuse", "DLBM", None),
    "an area five per cent too large": ("landuse", "TBMJ", 65_000.0),
    "no stated area": ("landuse", "TBMJ", np.nan),
    "a negative area": ("landuse", "TBMJ", -62_500.0),
    "a class of water that is none": ("water", "kind", "rivr"),
    "no class of water": ("water", "kind", None),
    "a class of road that is none": ("roads", "kind", "primry"),
    "no class of road": ("roads", "kind", None),
    "a status that is none": ("roads", "status", "现壮"),
    "a date that is none": ("roads", "opened", "2019-13-45"),
    "an id of another": ("landuse", "BSM", "310118000012"),
    "a station's name twice": ("stations", "name", "南站"),
    "a zone without an id": ("towns", "zone_id", None),
    "a zone with another's id": ("towns", "zone_id", "c"),
}


@pytest.mark.parametrize("fault", ATTRIBUTES)
def test_a_wrong_attribute_is_named(fault: str, tmp_path: Path) -> None:
    layer, field, value = ATTRIBUTES[fault]
    said = said_of(written(tmp_path, with_value(sound(), layer, field, 9 if layer == "landuse" else 1, value)))
    assert said.names(layer), said


def test_a_feature_of_the_future_is_left_out_and_said(tmp_path: Path) -> None:
    """No fault by itself: plans are dated so. It doesn't count, and the remark names it."""
    frames = with_value(sound(), "roads", "opened", 1, "2204-01-01")
    result = qp.assess(qp.open_workspace(written(tmp_path, frames)))
    assert [(f.layer, f.feature_id) for f in result.findings if f.rule == "opened_later"] == [("roads", "R1")]
    assert result.workspace.ledgers["roads"].other_state == 1


EVERY = {
    "codes of another scheme": ("DLBM", lambda column: column.map(lambda c: {"0101": "010101"}.get(c, "070102"))),
    "codes that lost their zeros": ("DLBM", lambda column: column.str.lstrip("0")),
    "codes as numbers": ("DLBM", lambda column: column.astype(float)),
    "no codes at all": ("DLBM", lambda column: None),
    "areas in mu": ("TBMJ", lambda column: column * 3 / 2000),
    "areas in hectares": ("TBMJ", lambda column: column / 10_000),
    "areas of the plane": ("TBMJ", lambda column: np.array([62_500.0] * 27 + [56_200] + [62_500.0] * 36 + [6_300])),
    "areas as text with commas": ("TBMJ", lambda column: column.map("{:,.2f}".format)),
    "areas of the neighbours": ("TBMJ", lambda column: np.roll(column, 1)),
}


@pytest.mark.parametrize("fault", EVERY)
def test_a_wrong_column_is_named(fault: str, tmp_path: Path) -> None:
    frames = sound()
    field, change = EVERY[fault]
    frames["landuse"][field] = change(frames["landuse"][field])
    said = said_of(written(tmp_path, frames))
    assert said.names("landuse"), said


@pytest.mark.parametrize("zone", ["A", "A ", "e", "310118", "a.0"])
def test_a_zone_that_is_typed_otherwise_is_named(zone: str, tmp_path: Path) -> None:
    said = said_of(written(tmp_path, sound(), statistics=STATISTICS.replace(",a,", f",{zone},")))
    assert f"{zone.strip()!r} is no zone" in said.refusal
    assert "line 2" in said.refusal


@pytest.mark.parametrize("value", ["12,5", "12.5%", "", "n/a", "1e999"])
def test_a_statistic_that_is_no_number_is_named(value: str, tmp_path: Path) -> None:
    said = said_of(written(tmp_path, sound(), statistics=STATISTICS.replace("12.5", f'"{value}"')))
    assert "line 2" in said.refusal


# Faults of files -----------------------------------------------------------------------------------------------------


def shapefiles(folder: Path, layer: str, *, encoding: str = "UTF-8") -> Path:
    """The sound workspace with one layer as a shapefile; returns its path."""
    written(folder, sound(), **{layer: ".shp"})
    return folder / f"{layer}.shp"


LAYERS = ("landuse", "roads", "stations", "towns")


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("suffix", [".shp", ".shx", ".dbf"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.9, 0.99])
def test_a_shapefile_cut_short_is_named(layer: str, suffix: str, share: float, tmp_path: Path) -> None:
    part = shapefiles(tmp_path, layer).with_suffix(suffix)
    part.write_bytes(part.read_bytes()[: int(part.stat().st_size * share)])
    said = said_of(tmp_path)
    assert said.names(layer), said


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("suffix", [".shx", ".dbf", ".prj"])
def test_a_part_that_is_missing_is_named(layer: str, suffix: str, tmp_path: Path) -> None:
    shapefiles(tmp_path, layer).with_suffix(suffix).unlink()
    said = said_of(tmp_path)
    assert said.names(layer), said


@pytest.mark.parametrize("layer", ["landuse", "roads"])
def test_rows_that_the_dbf_lost_are_named(layer: str, tmp_path: Path) -> None:
    """A tenth of the rows is gone, and the header agrees with the file: only the shapes tell."""
    dbf = shapefiles(tmp_path, layer).with_suffix(".dbf")
    body = dbf.read_bytes()
    count, header, length = struct.unpack("<IHH", body[4:12])
    left = count - max(1, count // 10)
    dbf.write_bytes(body[:4] + struct.pack("<I", left) + body[8 : header + left * length] + b"\x1a")
    said = said_of(tmp_path)
    assert said.names(layer), said


@pytest.mark.parametrize("claimed", ["GBK", "Big5", "ISO-8859-1", "nonsense"])
def test_a_wrong_code_page_is_named(claimed: str, tmp_path: Path) -> None:
    """Chinese names in UTF-8 that a .cpg says are something else."""
    shapefiles(tmp_path, "stations").with_suffix(".cpg").write_text(claimed)
    said = said_of(tmp_path)
    assert said.names("stations"), said


def test_an_unclosed_ring_is_named(tmp_path: Path) -> None:
    """The last point of the first record's ring moved: rings of a shapefile end where they begin."""
    shp = shapefiles(tmp_path, "landuse")
    body = bytearray(shp.read_bytes())
    length = 8 + 2 * struct.unpack(">I", body[104:108])[0]
    body[100 + length - 16 : 100 + length - 8] = struct.pack("<d", EAST + 40.0)
    shp.write_bytes(body)
    said = said_of(tmp_path)
    assert said.names("landuse"), said


def test_an_unclosed_ring_of_geojson_is_named(tmp_path: Path) -> None:
    import json

    written(tmp_path, sound(4490), landuse=".geojson")
    path = tmp_path / "landuse.geojson"
    table = json.loads(path.read_text(encoding="utf-8"))
    table["features"][9]["geometry"]["coordinates"][0].pop()
    path.write_text(json.dumps(table), encoding="utf-8")
    said = said_of(tmp_path)
    assert said.names("landuse"), said


@pytest.mark.parametrize("stored", [3, 64, 65, 66, 0])
def test_a_stale_count_is_named_and_no_row_is_lost(stored: int, tmp_path: Path) -> None:
    written(tmp_path, sound(), landuse=".gpkg")
    with sqlite3.connect(tmp_path / "landuse.gpkg") as base:
        base.execute("UPDATE gpkg_ogr_contents SET feature_count = ?", (stored,))
    base.close()
    workspace = qp.open_workspace(tmp_path)
    assert len(workspace.layers["landuse"]) == 65
    # every row comes back whatever the file has stored: no more than a remark, and none where it is right
    remarks = [f.layer for f in workspace.findings if f.rule == "gpkg_stored_count"]
    assert remarks == ([] if stored == 65 else ["landuse"])


@pytest.mark.parametrize("suffix", [".gpkg", ".shp", ".geojson", ".parquet"])
def test_a_page_instead_of_a_file_is_refused(suffix: str, tmp_path: Path) -> None:
    written(tmp_path, sound(4490), landuse=suffix)
    page = "<!DOCTYPE html><html><body>502 Bad Gateway</body></html>"
    (tmp_path / f"landuse{suffix}").write_text(page, encoding="utf-8")
    assert "landuse" in said_of(tmp_path).refusal


@pytest.mark.parametrize("suffix", [".gpkg", ".geojson", ".parquet"])
@pytest.mark.parametrize("share", [0.1, 0.6, 0.97])
def test_a_file_cut_short_is_named(suffix: str, share: float, tmp_path: Path) -> None:
    path = written(tmp_path, sound(4490), landuse=suffix) / f"landuse{suffix}"
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    said = said_of(tmp_path)
    assert said.names("landuse"), said


# Faults of place -----------------------------------------------------------------------------------------------------

PLACES: dict[str, tuple[int | None, Plant]] = {
    "the zone to the west": (4548, lambda shape: shape),
    "the zone to the east": (4550, lambda shape: shape),
    "the number of the zone before eastings": (4549, lambda shape: affinity.translate(shape, 40_000_000)),
    "metres as degrees": (4326, lambda shape: shape),
    "millimetres": (4549, lambda shape: affinity.scale(shape, 1000, 1000, origin=(0, 0))),
    "the web's Mercator": (3857, lambda shape: shape),
    "no system": (None, lambda shape: shape),
    "local coordinates": (4549, lambda shape: affinity.translate(shape, -EAST, -NORTH)),
    "Beijing 1954": (2437, lambda shape: shape),
    "Xian 1980": (2385, lambda shape: shape),
}


@pytest.mark.parametrize("layer", [*LAYERS, "water"])
@pytest.mark.parametrize("fault", PLACES)
def test_a_layer_in_the_wrong_place_is_named(fault: str, layer: str, tmp_path: Path) -> None:
    crs, move = PLACES[fault]
    frames = sound()
    moved = [move(shape) for shape in frames[layer].geometry]
    frames[layer] = gpd.GeoDataFrame(frames[layer].drop(columns="geometry"), geometry=moved, crs=crs)
    said = said_of(written(tmp_path, frames))
    # zones that are elsewhere leave every layer elsewhere
    about = "landuse" if layer == "towns" and not said.refusal else layer
    assert said.names(about), said
    assert said.refusal or ("layer_elsewhere", about) in {f[:2] for f in said.findings}


def town_borders() -> gpd.GeoDataFrame:
    zones = gpd.read_file(Path(str(data_dir())) / "boundaries" / "qingpu_towns.geojson")
    return zones[zones["zone_id"].str.startswith("310118")].reset_index(drop=True)


HEAD_OF_QINGPU = """
name = "青浦"
secrecy = "public"
period = "2024"
[zones]
file = "towns.parquet"
grade = "modelled"
[layers.landuse]
file = "landuse.parquet"
grade = "surveyed"
scheme = "sandiao"
class_field = "DLBM"
extent = "area"
"""
SHIFTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {"gcj02": wgs84_to_gcj02, "bd09": wgs84_to_bd09}


@pytest.mark.parametrize("datum", [None, *SHIFTS])
@pytest.mark.parametrize("layer", ["zones", "landuse", "both"])
def test_shifted_coordinates_near_qingpu_are_named(datum: str | None, layer: str, tmp_path: Path) -> None:
    """The land use of each town, labelled as WGS 84, against borders that qpgis knows."""
    towns = town_borders()
    frames = {"towns": towns, "landuse": towns[["geometry"]].assign(DLBM=[CODES[n % 6] for n in range(len(towns))])}
    for name, rows in frames.items():
        if datum and layer in ("both", "zones" if name == "towns" else name):
            rows = rows.set_geometry(shapely.transform(rows.geometry.to_numpy(), SHIFTS[datum]), crs=4326)
        rows.to_parquet(tmp_path / f"{name}.parquet")
    (tmp_path / "qpgis.toml").write_text(HEAD_OF_QINGPU, encoding="utf-8")
    said = said_of(tmp_path)
    if datum is None:
        assert (said.findings, said.refusal) == ((), "")
    else:
        mismatch = {about for rule, about, _ in said.findings if rule == "datum_mismatch"}
        assert mismatch & ({"zones", "landuse"} if layer == "both" else {layer}), said


# Faults of rasters ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("declared", [0, None, 255])
def test_cells_without_data_are_no_class(declared: int | None, tmp_path: Path) -> None:
    """A quarter of the raster is 0. Only where the file says that 0 is no data it has none; else it is no class."""
    cells = np.full((40, 40), 30, dtype="uint8")
    cells[:20, :20] = 0
    transform = rasterio.transform.from_origin(EAST, NORTH + 2000, 50, 50)
    profile = {"width": 40, "height": 40, "count": 1, "dtype": "uint8", "crs": "EPSG:4549", "nodata": declared}
    with rasterio.open(tmp_path / "landuse.tif", "w", driver="GTiff", transform=transform, **profile) as file:
        file.write(cells, 1)
    four_towns().to_parquet(tmp_path / "towns.parquet")
    text = (
        HEAD_OF_QINGPU.replace("sandiao", "worldcover")
        .replace("DLBM", "class")
        .replace("landuse.parquet", "landuse.tif")
    )
    (tmp_path / "qpgis.toml").write_text(text, encoding="utf-8")
    found = {rule for rule, layer, _ in said_of(tmp_path).findings if layer == "landuse"}
    assert ("landuse_missing" if declared == 0 else "unknown_code") in found
