"""The oracles: what must hold from the files to the table, whatever the ground looks like.

Each test writes files, opens the workspace and assesses it; where the files themselves are what is asked about, the
measures read them. What the kernels and small workspaces owe is in ``test_properties``, so that each stands once:

==============================================================  =======================================================
oracle                                                          where
==============================================================  =======================================================
additivity over tiling zones, zones never hold more             test_properties
order, ring start and direction; collinear vertices;            test_properties
one-part multi; a duplicated polygon; an empty zone is missing
shares in [0, 1]                                                test_properties; every table here, :func:`assessed`
class shares plus unclassified are 1                            here, parcels and raster
split or merge a polygon                                        test_properties (kernel); here by parcels in a file
split a zone: extensive adds                                    test_properties; intensive is the weighted mean: here
a feature outside all zones                                     test_properties (findings); here the ledger
Z and M; the same ground in four systems                        test_properties (kernel); here through files
raster against vector, south-up, retiled, other nodata code     here
nodata is never 0                                               here
shp = gpkg = geojson = gdb = kml and every other format         here
a point on a shared edge counts once                            test_properties (kernel); here through files
GCJ-02 there and back                                           here
rows in = rows used + rows named                                here
more facilities never lower coverage                            nothing measures reach yet
plant one fault                                                 test_planted_faults
==============================================================  =======================================================
"""

from __future__ import annotations

import zipfile
from collections import Counter
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import rasterio.features
import shapely
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from pyproj import Geod
from shapely import LineString, Point, Polygon, affinity, box

import qpgis as qp
from qpgis.crs.china import bd09_to_wgs84, gcj02_to_wgs84, wgs84_to_bd09, wgs84_to_gcj02
from qpgis.measures import area_within, class_areas_within, count_within, length_within
from qpgis.workspace import Workspace
from tests.conftest import HEAD, WHOLES, four_towns, square

GEOD = Geod(ellps="GRS80")
Key = tuple[str, str, str]
Numbers = dict[Key, tuple[float, float, float]]

few = settings(max_examples=6, deadline=None, derandomize=True, phases=[Phase.explicit, Phase.generate])
"""Each example writes and reads whole workspaces; its seed says all about it, there is nothing to shrink."""

# The ground: four towns of a hundredth of a degree, every coordinate on whole millionths ----------------------------

WEST, SOUTH = 121_050_000, 31_170_000
TOWN = 10_000
"""Millionths of a degree."""
CELLS = 5
CODES = ("1101", "0301", "0101", "0404", "0701", "1104", "0305")
"""三调: river, forest, paddy, grass, housing, pond, shrubs."""


def at(x: float, y: float) -> tuple[float, float]:
    """A place so many millionths of a degree from the corner of the towns."""
    return (WEST + x) / 1e6, (SOUTH + y) / 1e6


def patch(*places: tuple[float, float]) -> Polygon:
    return Polygon([at(*p) for p in places])


def degree_towns(crs: str = "EPSG:4326") -> gpd.GeoDataFrame:
    corners = [(0, 0), (TOWN, 0), (0, TOWN), (TOWN, TOWN)]
    squares = [box(*at(x, y), *at(x + TOWN, y + TOWN)) for x, y in corners]
    return gpd.GeoDataFrame({"zone_id": list("abcd"), "name": list("甲乙丙丁")}, geometry=squares, crs=crs)


def lattice(seed: int) -> gpd.GeoDataFrame:
    """Parcels that tile the towns: a lattice whose inner corners are moved, one with a parcel in its midst."""
    random = np.random.default_rng(seed)
    step, rim = 2 * TOWN // CELLS, (0, CELLS)
    moves = random.integers(-900, 900, (CELLS + 1, CELLS + 1, 2)).tolist()

    def corner(i: int, j: int) -> tuple[float, float]:
        east, north = moves[i][j]
        return at(i * step + (0 if i in rim else east), j * step + (0 if j in rim else north))

    cells = [(i, j) for i in range(CELLS) for j in range(CELLS)]
    rings = [[corner(i, j), corner(i + 1, j), corner(i + 1, j + 1), corner(i, j + 1)] for i, j in cells]
    middle = box(*at(2 * step + 1200, 2 * step + 1300), *at(2 * step + 2200, 2 * step + 2500))
    shapes = [Polygon(ring) for ring in rings]
    shapes[12] = Polygon(rings[12], [middle.exterior.coords])
    columns = {
        "BSM": [f"{n:012d}" for n in range(len(cells) + 1)],
        "DLBM": random.choice(CODES, len(cells) + 1).tolist(),
    }
    return gpd.GeoDataFrame(columns, geometry=[*shapes, middle], crs="EPSG:4326")


lattices = st.integers(0, 10**6).map(lattice)


def steady() -> gpd.GeoDataFrame:
    """One lattice, always the same, with every class."""
    rows = lattice(4)
    return rows.assign(DLBM=[CODES[n % len(CODES)] for n in range(len(rows))])


def streets() -> gpd.GeoDataFrame:
    lines = [
        [(500, 700), (9_100, 12_345), (19_000, 19_500)],
        [(10_000, 300), (10_000, 19_700)],
        [(300, 15_000), (19_900, 15_100)],
        [(19_000, 1_000), (17_000, 1_200), (16_000, 9_000)],
    ]
    shapes = [LineString([at(*p) for p in line]) for line in lines]
    kinds = ["primary", "secondary", "residential", "tertiary"]
    return gpd.GeoDataFrame({"kind": kinds}, geometry=shapes, crs="EPSG:4326")


PLACES = [(500, 500), (10_000, 5_000), (10_000, 10_000), (5_000, 10_000), (15_000, 10_000), (10_000, 18_000)]
"""Points of a town, of two towns' border, of the middle, and so on: a b c d hold 4, 1, 1 and 0."""


def stops() -> gpd.GeoDataFrame:
    names = [f"站{n}" for n in range(len(PLACES))]
    return gpd.GeoDataFrame({"name": names}, geometry=[Point(at(*p)) for p in PLACES], crs="EPSG:4326")


# From files to numbers -----------------------------------------------------------------------------------------------

CHOSEN = """
[definitions]
water_surface_share = ["rivers_lakes_reservoirs", "all_water"]
road_density = ["carriageway", "centreline"]
forest_cover_of_land = ["rivers_lakes_reservoirs", "all_water"]
"""


def toml_of(files: Mapping[str, str], *, scheme: str = "sandiao", field: str = "DLBM", **more: str) -> str:
    """The layers of a workspace: land use with what is selected from it, and others; ``more`` are lines of a layer."""
    text = ""
    for kind, file in files.items():
        text += f'[layers.{kind}]\nfile = "{file}"\ngrade = "surveyed"\nextent = "area"\n{more.get(kind, "")}\n'
        if kind == "landuse":
            text += f'scheme = "{scheme}"\nclass_field = "{field}"\n'
            text += "".join(f'[layers.{part}]\nfrom = "landuse"\n' for part in ("water", "forest", "farmland", "grass"))
        if kind == "roads":
            text += 'class_field = "kind"\n'
    return text + CHOSEN


def opened(folder: Path, toml: str, towns: gpd.GeoDataFrame | None = None) -> Workspace:
    """A folder's workspace, its zones written beside its layers."""
    zones = degree_towns() if towns is None else towns
    zones.to_parquet(folder / "towns.parquet")
    (folder / "qpgis.toml").write_text(HEAD.replace(".gpkg", ".parquet") + toml, encoding="utf-8")
    return qp.open_workspace(folder)


def assessed(workspace: Workspace) -> Numbers:
    """Value, numerator and denominator of every row; shares are shares."""
    table = qp.assess(workspace).table
    percent = table[table["unit"] == "%"]["value"].dropna()
    assert percent.between(0, 100).all()
    keys = zip(table["indicator"], table["definition"], table["zone_id"], strict=True)
    numbers = table[["value", "numerator", "denominator"]].astype(float).to_numpy()
    return {key: (row[0], row[1], row[2]) for key, row in zip(keys, numbers.tolist(), strict=True)}


def same(found: Numbers, wanted: Numbers, *, rel: float, abs_: float = 0.0) -> None:
    """Assert that every number is the same, and missing where the other is."""
    assert found.keys() == wanted.keys()
    for key, numbers in wanted.items():
        assert found[key] == pytest.approx(numbers, rel=rel, abs=abs_, nan_ok=True), key


def ellipsoidal_m2(shape: Polygon) -> float:
    """The area of a polygon in degrees, by pyproj."""
    return abs(GEOD.geometry_area_perimeter(shapely.orient_polygons(shape))[0])


def loud(workspace: Workspace) -> list[str]:
    return [f"{f.rule} {f.layer} {f.value}" for f in workspace.findings if f.severity != "info"]


def values_of(layers: Mapping[str, gpd.GeoDataFrame], **more: str) -> Numbers:
    """The numbers of layers that go through files."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        for kind, rows in layers.items():
            rows.to_parquet(folder / f"{kind}.parquet")
        return assessed(opened(folder, toml_of({kind: f"{kind}.parquet" for kind in layers}, **more)))


# Formats -------------------------------------------------------------------------------------------------------------


def by_gdal(driver: str, **options: object) -> Callable[[gpd.GeoDataFrame, Path], None]:
    def write(rows: gpd.GeoDataFrame, path: Path) -> None:
        rows.to_file(path, driver=driver, layer=path.stem, **options)

    return write


def as_wkt(rows: gpd.GeoDataFrame, path: Path) -> None:
    words = rows.geometry.to_wkt(rounding_precision=-1)
    rows.drop(columns="geometry").assign(wkt=words).to_csv(path, index=False, encoding="utf-8")


def as_workbook(rows: gpd.GeoDataFrame, path: Path) -> None:
    words = rows.geometry.to_wkt(rounding_precision=-1)
    rows.drop(columns="geometry").assign(wkt=words).to_excel(path, index=False)


def as_zip(rows: gpd.GeoDataFrame, path: Path) -> None:
    with TemporaryDirectory() as name:
        by_gdal("ESRI Shapefile", encoding="GB18030")(rows, Path(name) / f"{path.stem}.shp")
        with zipfile.ZipFile(path, "w") as archive:
            for part in sorted(Path(name).iterdir()):
                archive.write(part, f"数据/{part.name}")


def as_kmz(rows: gpd.GeoDataFrame, path: Path) -> None:
    """As Google Earth packs it."""
    with TemporaryDirectory() as name:
        inner = Path(name) / f"{path.stem}.kml"
        by_gdal("LIBKML")(rows, inner)
        with zipfile.ZipFile(path, "w") as archive:
            archive.write(inner, "doc.kml")


FORMATS: dict[str, Callable[[gpd.GeoDataFrame, Path], None]] = {
    ".gpkg": by_gdal("GPKG"),
    ".shp": by_gdal("ESRI Shapefile", encoding="UTF-8"),
    ".geojson": by_gdal("GeoJSON", COORDINATE_PRECISION=15),
    ".fgb": by_gdal("FlatGeobuf"),
    ".kml": by_gdal("LIBKML"),
    ".kmz": as_kmz,
    ".KMZ": by_gdal("LIBKML"),  # as QGIS packs it: doc.kml only links to the layer
    ".gml": by_gdal("GML"),
    ".gdb": by_gdal("OpenFileGDB"),
    ".csv": as_wkt,
    ".xlsx": as_workbook,
    ".zip": as_zip,
}
WITHOUT_SYSTEM = (".csv", ".xlsx")


@pytest.fixture(scope="module")
def reference() -> Numbers:
    """The numbers of the steady ground, by GeoParquet."""
    return values_of({"landuse": steady(), "roads": streets()})


@pytest.mark.parametrize("suffix", FORMATS)
def test_every_format_gives_the_same_numbers(suffix: str, tmp_path: Path, reference: Numbers) -> None:
    files = {kind: f"{kind}{suffix}" for kind in ("landuse", "roads")}
    for kind, rows in (("landuse", steady()), ("roads", streets()), ("stops", stops())):
        FORMATS[suffix](rows, tmp_path / f"{kind}{suffix}")
    declared = 'crs = "EPSG:4326"\nwkt_field = "wkt"' if suffix in WITHOUT_SYSTEM else ""
    workspace = opened(tmp_path, toml_of(files, landuse=declared, roads=declared))
    assert not loud(workspace)
    same(assessed(workspace), reference, rel=1e-8)
    assert {kind: len(layer) for kind, layer in workspace.layers.items() if not layer.selected_from} == {
        "landuse": CELLS**2 + 1,
        "roads": 4,
    }
    if suffix not in WITHOUT_SYSTEM:
        assert count_within(degree_towns(), tmp_path / f"stops{suffix}").tolist() == [4, 1, 1, 0]


def test_a_drawing_gives_the_same_numbers_as_its_layer(tmp_path: Path) -> None:
    import ezdxf

    woods = steady().to_crs(4549).iloc[[0, 3, 7, 19]]  # a drawing has metres, and its outlines no holes
    drawing = ezdxf.new("R2010")
    drawing.header["$INSUNITS"] = 6
    for shape in woods.geometry:
        drawing.modelspace().add_lwpolyline(list(shape.exterior.coords)[:-1], close=True)
    drawing.saveas(tmp_path / "forest.dxf")
    found = assessed(opened(tmp_path, toml_of({"forest": "forest.dxf"}, forest='crs = "EPSG:4549"')))
    same(found, values_of({"forest": woods}), rel=1e-8)


@pytest.mark.parametrize("suffix", [".geojson", ".gpkg", ".shp"])
def test_heights_and_measures_change_nothing(suffix: str, tmp_path: Path, reference: Numbers) -> None:
    for kind, rows in (("landuse", steady()), ("roads", streets())):
        high = rows.set_geometry(shapely.force_3d(rows.geometry.to_numpy(), 4.2), crs=rows.crs)
        FORMATS[suffix](high, tmp_path / f"{kind}{suffix}")
    files = {kind: f"{kind}{suffix}" for kind in ("landuse", "roads")}
    same(assessed(opened(tmp_path, toml_of(files))), reference, rel=1e-12)


def test_measures_along_a_line_change_nothing(tmp_path: Path) -> None:
    rows = streets()
    lines = [f"LINESTRING M ({', '.join(f'{x!r} {y!r} 7' for x, y in line.coords)})" for line in rows.geometry]
    rows.drop(columns="geometry").assign(wkt=lines).to_csv(tmp_path / "roads.csv", index=False)
    declared = 'crs = "EPSG:4326"\nwkt_field = "wkt"'
    found = assessed(opened(tmp_path, toml_of({"roads": "roads.csv"}, roads=declared)))
    same(found, values_of({"roads": rows}), rel=1e-12)


# Parcels and zones cut otherwise -------------------------------------------------------------------------------------


def halved(rows: gpd.GeoDataFrame, along: float) -> gpd.GeoDataFrame:
    """Every parcel cut along a line that crosses all of the ground."""
    left = [patch((-50, -50), (along, -50), (2 * TOWN - along, 2 * TOWN + 50), (-50, 2 * TOWN + 50))]
    sides = [rows.geometry.intersection(left[0]), rows.geometry.difference(left[0])]
    parts = [rows.set_geometry(side)[shapely.area(side.to_numpy()) > 1e-14] for side in sides]
    halves = gpd.pd.concat(parts, ignore_index=True)
    return halves.assign(BSM=[f"{n:012d}" for n in range(len(halves))])


@few
@given(lattices, st.integers(1000, 19_000))
def test_parcels_split_or_merged_are_as_large(parcels: gpd.GeoDataFrame, along: int) -> None:
    whole = values_of({"landuse": parcels})
    merged = parcels.dissolve("DLBM", as_index=False)
    # an edge with one vertex more is drawn up to five micrometres aside of itself: over 4 km that is 0.02 m2 of 1 km2
    same(values_of({"landuse": halved(parcels, along)}), whole, rel=1e-9, abs_=2e-6)
    same(values_of({"landuse": merged}), whole, rel=1e-9, abs_=2e-6)


@few
@given(lattices, st.integers(500, 9_500))
def test_a_zone_split_in_two_has_their_weighted_mean(parcels: gpd.GeoDataFrame, cut: int) -> None:
    whole = degree_towns()
    pieces = [patch((0, 0), (cut, 0), (cut, TOWN), (0, TOWN)), patch((cut, 0), (TOWN, 0), (TOWN, TOWN), (cut, TOWN))]
    halves = gpd.GeoDataFrame({"zone_id": ["a", "a2"], "name": ["甲", "甲二"]}, geometry=pieces, crs=whole.crs)
    towns = gpd.pd.concat([halves, whole.iloc[1:]], ignore_index=True)
    before, after = (_with_towns(parcels, zones) for zones in (whole, towns))
    for (indicator, definition, zone), (value, above, below) in before.items():
        if zone != "a" or np.isnan(value) or indicator in WHOLES:
            continue
        parts = [after[indicator, definition, half] for half in ("a", "a2")]
        there = [part for part in parts if not np.isnan(part[0])]
        assert sum(part[1] for part in there) == pytest.approx(above, rel=1e-9, abs=1e-9)
        if np.isnan(below):  # a total
            assert sum(part[0] for part in there) == pytest.approx(value, rel=1e-9, abs=1e-9)
            continue
        assert sum(part[2] for part in there) == pytest.approx(below, rel=1e-9, abs=1e-9)
        mean = sum(part[0] * part[2] for part in there) / sum(part[2] for part in there)
        assert mean == pytest.approx(value, rel=1e-8, abs=1e-8)


def _with_towns(parcels: gpd.GeoDataFrame, towns: gpd.GeoDataFrame) -> Numbers:
    with TemporaryDirectory() as name:
        parcels.to_parquet(Path(name) / "landuse.parquet")
        return assessed(opened(Path(name), toml_of({"landuse": "landuse.parquet"}), towns))


@few
@given(lattices, st.lists(st.integers(0, CELLS**2), unique=True, max_size=5))
def test_classes_and_the_unclassified_are_the_whole(parcels: gpd.GeoDataFrame, blank: list[int]) -> None:
    parcels.loc[blank, "DLBM"] = None
    declared = 'area_field = "TBMJ"'
    parcels["TBMJ"] = [ellipsoidal_m2(shape) for shape in parcels.geometry]
    with TemporaryDirectory() as name:
        parcels.to_parquet(Path(name) / "landuse.parquet")
        workspace = opened(Path(name), toml_of({"landuse": "landuse.parquet"}, landuse=declared))
    table = workspace.land_areas
    assert table is not None
    area = workspace.area
    ground = dict(zip(area.base.ids, shapely.area(area.base.geometry), strict=True))
    ground |= {group.id: sum(ground[member] for member in group.members) for group in area.groups}
    assert set(table["zone_id"]) == set(ground)
    for zone, rows in table.groupby("zone_id"):
        total = rows[rows["class"] == ""]
        assert len(total) == 1
        for column in ("geometry_m2", "field_m2"):
            whole = total[column].iloc[0]
            assert whole == pytest.approx(ground[zone], rel=1e-6)
            assert rows[rows["class"] != ""][column].sum() == pytest.approx(whole, rel=1e-9)
    assert ("unclassified" in set(table["class"])) == bool(blank)


# Rows and their ledger -----------------------------------------------------------------------------------------------

FATES = ("used", "outside", "planned", "future", "null", "empty", "nan", "point", "again", "within")
NAMED = {
    "null": "no_geometry",
    "empty": "no_geometry",
    "nan": "coordinates_not_finite",
    "point": "wrong_geometry_type",
    "again": "duplicate_line",
    "within": "overlapping_line",
}
"""What names a row that is left out."""


def road(n: int, fate: str) -> shapely.Geometry | None:
    line = LineString([(10 + 13 * n, 100), (10 + 13 * n, 900 + n)])
    shapes = {
        "outside": affinity.translate(line, 5000, 0),
        "null": None,
        "empty": LineString(),
        "nan": shapely.transform(line, lambda xy: xy * [np.nan, 1]),
        "point": Point(10 + 13 * n, 100),
        "within": LineString([(10, 150), (10, 160 + n)]),
        "again": LineString([(10, 100), (10, 900)]),
    }
    return shapes.get(fate, line)


@few
@given(st.lists(st.sampled_from(FATES), min_size=1, max_size=14))
def test_rows_in_are_rows_used_and_rows_named(fates: list[str]) -> None:
    fates = ["used", *fates]  # the road that others repeat
    several = [n for n, fate in enumerate(fates) if fate == "again"][1:]
    fates = ["used" if n in several else fate for n, fate in enumerate(fates)]
    shapes = [road(n, fate) for n, fate in enumerate(fates)]
    moved = [g if g is None else affinity.translate(g, square(0, 0).bounds[0], square(0, 0).bounds[1]) for g in shapes]
    columns = {
        "id": [f"R{n:04d}" for n in range(len(fates))],
        "kind": ["primary"] * len(fates),
        "state": ["规划" if fate == "planned" else "现状" for fate in fates],
        "opened": ["2031-01-01" if fate == "future" else "2001-01-01" for fate in fates],
    }
    rows = gpd.GeoDataFrame(columns, geometry=moved, crs="EPSG:4549")
    declared = 'id_field = "id"\nstatus_field = "state"\nopened_field = "opened"'
    with TemporaryDirectory() as name:
        rows.to_parquet(Path(name) / "roads.parquet")
        workspace = opened(Path(name), toml_of({"roads": "roads.parquet"}, roads=declared), four_towns())
    ledger, count = workspace.ledgers["roads"], Counter(fates)
    dropped = sum(count[fate] for fate in NAMED)
    assert (ledger.read, ledger.dropped) == (len(fates), dropped)
    assert (ledger.outside, ledger.other_state) == (count["outside"], count["planned"] + count["future"])
    assert ledger.used == count["used"] == ledger.read - ledger.outside - ledger.other_state - ledger.dropped
    named = {(f.rule, f.feature_id) for f in workspace.findings}
    for n, fate in enumerate(fates):
        assert fate not in NAMED or (NAMED[fate], columns["id"][n]) in named
    assert {f.value for f in workspace.findings if f.rule == "features_outside"} <= {str(count["outside"])}


def test_points_on_borders_are_counted_once_through_files(tmp_path: Path) -> None:
    random = np.random.default_rng(7)
    along = random.integers(0, 2 * TOWN, 60)
    places = [(int(n), TOWN) for n in along[:30]] + [(TOWN, int(n)) for n in along[30:]] + [(TOWN, TOWN)]
    points = gpd.GeoDataFrame(geometry=[Point(at(*p)) for p in places], crs="EPSG:4326")
    degree_towns().to_file(tmp_path / "towns.gpkg")
    for suffix in (".geojson", ".shp", ".gpkg"):
        points.to_file(tmp_path / f"stops{suffix}")
        assert count_within(tmp_path / "towns.gpkg", tmp_path / f"stops{suffix}").sum() == len(places)


# Systems and datums --------------------------------------------------------------------------------------------------

SYSTEMS = (4490, 4326, 4549, 32651)


@pytest.mark.parametrize("turn", range(len(SYSTEMS)))
def test_the_same_ground_in_every_system_through_files(turn: int, tmp_path: Path) -> None:
    # an edge is straight in its file's system, so edges are cut to about ten metres before they change it
    towns, parcels, lines = (rows.set_geometry(rows.segmentize(1e-4)) for rows in (degree_towns(), steady(), streets()))
    systems = [SYSTEMS[(turn + n) % len(SYSTEMS)] for n in range(3)]
    parcels.to_crs(systems[1]).to_file(tmp_path / "landuse.gpkg")
    lines.to_crs(systems[2]).to_file(tmp_path / "roads.gpkg")
    toml = toml_of({"landuse": "landuse.gpkg", "roads": "roads.gpkg"})
    found = assessed(opened(tmp_path, toml, towns.to_crs(systems[0])))

    def km2(rows: gpd.GeoDataFrame) -> float:
        return sum(map(ellipsoidal_m2, rows.geometry)) / 1e6

    woods = parcels[parcels["DLBM"].isin(["0301", "0305"])]
    share, forest, whole = found["forest_cover", "total_area", "all"]
    assert (forest, whole) == pytest.approx((km2(woods), km2(towns)), rel=1e-6)
    assert share == pytest.approx(100 * km2(woods) / km2(towns), rel=1e-6)
    length = sum(GEOD.geometry_length(line) for line in lines.geometry) / 1000
    assert found["road_density", "carriageway", "all"][1] == pytest.approx(length, rel=1e-6)


DATUMS = {"gcj02": (wgs84_to_gcj02, gcj02_to_wgs84), "bd09": (wgs84_to_bd09, bd09_to_wgs84)}
china = st.tuples(st.floats(73.7, 134.7), st.floats(18.2, 53.5))


@pytest.mark.parametrize("datum", DATUMS)
@settings(max_examples=30, deadline=None, derandomize=True)
@given(places=st.lists(china, min_size=1, max_size=30))
def test_a_shifted_datum_and_back_is_the_same_place(datum: str, places: list[tuple[float, float]]) -> None:
    there, back = DATUMS[datum]
    xy = np.array(places)
    shifted = there(xy)
    moved, missed = (GEOD.inv(*xy.T, *other.T)[2] for other in (shifted, back(shifted)))
    assert missed.max() < 0.1
    assert moved.min() > 1  # there is something to undo


@pytest.mark.parametrize("datum", DATUMS)
def test_a_declared_datum_gives_the_numbers_of_the_original(datum: str, tmp_path: Path) -> None:
    original = {"landuse": steady(), "roads": streets()}
    # edges of ten metres: a long one that is straight on one datum is a hair bent on the other
    original = {kind: rows.set_geometry(rows.segmentize(1e-4)) for kind, rows in original.items()}
    for kind, rows in original.items():
        rows.set_geometry(shapely.transform(rows.geometry.to_numpy(), DATUMS[datum][0]), crs=rows.crs).to_parquet(
            tmp_path / f"{kind}.parquet"
        )
    files = {kind: f"{kind}.parquet" for kind in original}
    declared = f'datum = "{datum}"'
    same(
        assessed(opened(tmp_path, toml_of(files, landuse=declared, roads=declared))),
        values_of(original),
        rel=1e-6,
        abs_=1e-6,
    )


# Rasters -------------------------------------------------------------------------------------------------------------

WORLDCOVER = (10, 40, 50, 80)
NODATA = 0


def raster(
    path: Path, cells: np.ndarray, cell_m: float, *, south_up: bool = False, nodata: int = NODATA, **options: object
) -> Path:
    """A GeoTIFF of classes over the four towns of ``conftest``, from their north-west corner on."""
    west, south, _, _ = square(0, 0).bounds
    north = south + len(cells) * cell_m
    transform = rasterio.transform.from_origin(west, north, cell_m, cell_m)
    if south_up:
        cells, transform = cells[::-1], rasterio.Affine(cell_m, 0, west, 0, cell_m, south)
    cells = np.where(cells == NODATA, nodata, cells).astype("uint8")
    profile = {"width": cells.shape[1], "height": len(cells), "count": 1, "dtype": "uint8", "crs": "EPSG:4549"}
    with rasterio.open(path, "w", driver="GTiff", transform=transform, nodata=nodata, **profile, **options) as file:
        file.write(cells, 1)
    return path


@st.composite
def class_maps(draw: st.DrawFn) -> np.ndarray:
    """Forty by forty cells of fifty metres in blocks of classes, some without data."""
    seed = draw(st.integers(0, 10**6))
    coarse = np.random.default_rng(seed).choice([*WORLDCOVER, NODATA], size=(10, 10), p=[0.3, 0.3, 0.15, 0.2, 0.05])
    cells = np.kron(coarse, np.ones((4, 4), dtype=int))
    cells[draw(st.integers(0, 39)), draw(st.integers(0, 39))] = 90
    return cells


def polygons_of(path: Path, field: str = "DLBM") -> gpd.GeoDataFrame:
    """A raster's cells as squares, by rasterio."""
    with rasterio.open(path) as file:
        cells = file.read(1)
        squares, codes = [], []
        for row, column in np.argwhere(cells != file.nodata):
            (west, north), (east, south) = file.transform * (column, row), file.transform * (column + 1, row + 1)
            squares.append(box(min(west, east), min(south, north), max(west, east), max(south, north)))
            codes.append(str(cells[row, column]))
    return gpd.GeoDataFrame({field: codes}, geometry=squares, crs="EPSG:4549")


@few
@given(class_maps())
def test_a_raster_gives_the_numbers_of_its_cells(cells: np.ndarray) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        path = raster(folder / "landuse.tif", cells, 50)
        squares = polygons_of(path)
        table = class_areas_within(four_towns(), path)
        for code in table.columns:
            alone = area_within(four_towns(), squares[squares["DLBM"] == str(code)])
            assert table[code].tolist() == pytest.approx(alone.tolist(), rel=1e-9, abs=1e-3)
        toml = toml_of({"landuse": "landuse.tif"}, scheme="worldcover", field="class")
        by_raster = assessed(opened(folder, toml, four_towns()))
        squares.rename(columns={"DLBM": "class"}).to_parquet(folder / "landuse.parquet")
        by_squares = assessed(opened(folder, toml.replace(".tif", ".parquet"), four_towns()))
    same(by_raster, by_squares, rel=1e-8, abs_=1e-9)


@few
@given(class_maps())
def test_how_a_raster_is_stored_changes_nothing(cells: np.ndarray) -> None:
    """Areas are counted in millionths of a square metre: bottom up, the last one is rounded otherwise now and then."""
    ways: list[tuple[float, dict[str, object]]] = [
        (0, {"tiled": True, "blockxsize": 16, "blockysize": 16, "compress": "deflate"}),
        (0, {"nodata": 255}),
        (1e-5, {"south_up": True}),
    ]
    with TemporaryDirectory() as name:
        folder = Path(name)
        toml = toml_of({"landuse": "landuse.tif"}, scheme="worldcover", field="class")
        plain = raster(folder / "landuse.tif", cells, 50)
        table, numbers = class_areas_within(four_towns(), plain), assessed(opened(folder, toml, four_towns()))
        for most_m2, way in ways:
            other = raster(folder / "landuse.tif", cells, 50, **way)  # type: ignore[arg-type]
            found = class_areas_within(four_towns(), other)
            assert list(found.columns) == list(table.columns)
            assert found.to_numpy() == pytest.approx(table.to_numpy(), rel=0, abs=most_m2, nan_ok=True)
            same(assessed(opened(folder, toml, four_towns())), numbers, rel=1e-12, abs_=1e-12)


@few
@given(class_maps())
def test_classes_and_cells_without_data_are_the_whole(cells: np.ndarray) -> None:
    with TemporaryDirectory() as name:
        path = raster(Path(name) / "cover.tif", cells, 50)
        found = class_areas_within(four_towns(), path)
        squares = polygons_of(path)
    zones = area_within(four_towns(), four_towns())
    classed = area_within(four_towns(), squares)
    assert found.sum(axis=1).tolist() == pytest.approx(classed.tolist(), rel=1e-9, abs=1e-3)
    assert (found.sum(axis=1) <= zones * (1 + 1e-9)).all()
    if (cells != NODATA).all():
        assert found.sum(axis=1).tolist() == pytest.approx(zones.tolist(), rel=1e-6)


def test_no_data_is_never_none(tmp_path: Path) -> None:
    """Town b has no cell with data; in the others there is no tree."""
    cells = np.full((40, 40), 40)
    cells[20:, 20:] = NODATA
    path = raster(tmp_path / "landuse.tif", cells, 50)
    found = class_areas_within(four_towns(), path)
    assert found.isna().all(axis=1).tolist() == [False, True, False, False]
    toml = toml_of({"landuse": "landuse.tif"}, scheme="worldcover", field="class")
    workspace = opened(tmp_path, toml, four_towns())
    numbers = assessed(workspace)
    assert [numbers["forest_cover", "total_area", zone][0] for zone in "acd"] == [0, 0, 0]
    assert np.isnan(numbers["forest_cover", "total_area", "b"]).all()
    assert [f.feature_id for f in workspace.findings if f.rule == "landuse_missing"] == ["b"]


def hills(seed: int) -> Polygon:
    """A round wood with a bay, somewhere in the four towns."""
    random = np.random.default_rng(seed)
    x, y, radius, turn = *random.uniform(600, 1400, 2), random.uniform(200, 500), random.uniform(0, 6.28)
    wood = Point(x, y).buffer(radius) - Point(x + radius * np.cos(turn), y + radius * np.sin(turn)).buffer(radius / 2)
    west, south, _, _ = square(0, 0).bounds
    return affinity.translate(wood, west, south)


def test_the_error_of_a_raster_falls_with_its_cells(tmp_path: Path) -> None:
    west, south, _, _ = square(0, 0).bounds
    woods = [hills(seed) for seed in range(8)]
    exact = [area_within(four_towns(), gpd.GeoSeries([wood], crs="EPSG:4549")) for wood in woods]
    errors = []
    for cell_m in (40, 20, 10, 5):
        size = int(2000 / cell_m)
        transform = rasterio.transform.from_origin(west, south + 2000, cell_m, cell_m)
        missed = []
        for wood, true in zip(woods, exact, strict=True):
            burnt = rasterio.features.rasterize([(wood, 10)], (size, size), transform=transform, fill=40)
            found = class_areas_within(four_towns(), raster(tmp_path / "cover.tif", burnt, cell_m))[10]
            # a cell is wrong only where the border crosses it, and by half of it at most
            assert (abs(found - true) < wood.length * cell_m).all()
            missed.append(float(abs(found - true).sum()))
        errors.append(np.mean(missed))
    assert all(finer < coarser for coarser, finer in pairwise(errors))
    assert errors[-1] < errors[0] / 4


# A feature more ------------------------------------------------------------------------------------------------------


@few
@given(st.integers(100, 4000), st.integers(100, 4000), st.integers(100, 900))
def test_a_feature_outside_all_zones_is_one_more_outside(x: int, y: int, size: int) -> None:
    """The ledger of the layer that it is in has one row more, and it is outside."""
    woods = gpd.GeoDataFrame(geometry=[square(100, 100, 1500), square(-2000 - x, y, size)], crs="EPSG:4549")
    with TemporaryDirectory() as name:
        ledgers, numbers = [], []
        for rows in (woods.iloc[:1], woods):
            rows.to_parquet(Path(name) / "forest.parquet")
            workspace = opened(Path(name), toml_of({"forest": "forest.parquet"}), four_towns())
            ledgers.append(workspace.ledgers["forest"])
            numbers.append(assessed(workspace))
    assert [(one.read, one.used, one.outside) for one in ledgers] == [(1, 1, 0), (2, 1, 1)]
    same(numbers[1], numbers[0], rel=1e-15)


def test_measures_read_the_files_that_workspaces_read(tmp_path: Path) -> None:
    four_towns().to_file(tmp_path / "towns.gpkg")
    road = gpd.GeoDataFrame(geometry=[LineString(square(250, 250, 500).exterior.coords)], crs="EPSG:4549")
    road.to_file(tmp_path / "road.shp")
    found = length_within(tmp_path / "towns.gpkg", tmp_path / "road.shp")
    degrees = road.segmentize(50).to_crs(4490).iloc[0]
    assert found.tolist() == pytest.approx([GEOD.geometry_length(degrees), 0, 0, 0], rel=1e-9)
