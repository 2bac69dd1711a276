"""How connected the patches of zones are: towns worked by hand, networkx on any town, a patch taken away."""

from __future__ import annotations

import math
from pathlib import Path
from tempfile import TemporaryDirectory

import geopandas as gpd
import networkx as nx
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import Geometry

import qpgis as qp
from qpgis.cli import main
from qpgis.errors import ConfigError
from qpgis.indicators import registry
from tests.conftest import HEAD, Maker, four_towns, frame, layer, square, write
from tests.test_access import values

PLANAR = 1e-3
"""Relative: a metre of EPSG:4549 here is 0.99987 m on the ellipsoid."""
# in m and m2: 40000 and 20000 with 100 m between them, then 550 m to 20000 on the border of a and b, half in each
WOODS = [square(0, 0, 200), square(300, 0, 100, 200), square(950, 0, 100, 200)]
THICKET = square(500, 900, 50)  # 2500 m2


def p(metres: float, distance_m: float = 1000.0) -> float:
    return 0.5 ** (metres / distance_m)


def found(workspace: Maker, definition: str, *woods: Geometry, water: Geometry | None = None) -> dict[str, float]:
    toml = layer("forest") + layer("wetland") + layer("water", 'class_field = "kind"')
    layers = {"forest": frame([*woods]), "wetland": frame([])}
    layers["water"] = frame([water] if water else [], kind=["river"] if water else [])
    return values(qp.open_workspace(workspace(toml, **layers)), "patch_connectivity", definition)


def test_by_probability(workspace: Maker) -> None:
    got = found(workspace, "eca_1000m", *WOODS, THICKET)
    # in a the patches are 4, 2 and 1 hectares; from the first to the last 750 m, over the second 100 + 550 m
    pairs = 16 + 4 + 1 + 2 * (4 * 2 * p(100) + 2 * 1 * p(550) + 4 * 1 * p(650))
    assert got["a"] == pytest.approx(100 * math.sqrt(pairs) / 7, rel=PLANAR)
    assert got["b"] == pytest.approx(100)  # half of the last wood, alone
    # in the south that wood is whole: no sum and no mean of a and b
    pairs = 16 + 4 + 4 + 2 * (4 * 2 * p(100) + 2 * 2 * p(550) + 4 * 2 * p(650))
    assert got["south"] == got["all"] == pytest.approx(100 * math.sqrt(pairs) / 8, rel=PLANAR)
    assert math.isnan(got["c"])  # no wood


def test_a_hair_along_the_border_joins_nothing(workspace: Maker) -> None:
    """Ground that two files draw as one border reaches over it by less than a hair."""
    hair = shapely.union_all([square(300, 0, 100, 200), square(210, -50, 100, 50 + 1e-6)])
    got = found(workspace, "eca_1000m", square(0, 0, 200), hair)
    assert got["a"] == pytest.approx(100 * math.sqrt(16 + 4 + 2 * 4 * 2 * p(100)) / 6, rel=PLANAR / 10)


def test_by_links(workspace: Maker) -> None:
    # all within 1000 m of each other: each pair counts half
    got = found(workspace, "eca_iic_1000m", *WOODS)
    assert got["a"] == pytest.approx(100 * math.sqrt(21 + 2 * (8 + 2 + 4) / 2) / 7, rel=PLANAR)
    # within 600 m the first and the last are two links apart, within 300 m the last is alone
    got = found(workspace, "eca_iic_1000m[distance_m=600]", *WOODS)
    assert got["a"] == pytest.approx(100 * math.sqrt(21 + 2 * ((8 + 2) / 2 + 4 / 3)) / 7, rel=PLANAR)
    got = found(workspace, "eca_iic_1000m[distance_m=300]", *WOODS)
    assert got["a"] == pytest.approx(100 * math.sqrt(21 + 2 * 8 / 2) / 7, rel=PLANAR)


def test_the_indices_themselves(workspace: Maker) -> None:
    # hectares squared by the square of a town of 100 hectares, in %; nothing is measured and none where no wood is
    got = found(workspace, "pc_1000m", *WOODS)
    pairs = 21 + 2 * (8 * p(100) + 2 * p(550) + 4 * p(650))
    assert got["a"] == pytest.approx(100 * pairs / 100**2, rel=PLANAR)
    assert got["b"] == pytest.approx(100 * 1 / 100**2, rel=PLANAR)
    assert got["c"] == 0
    got = found(workspace, "iic_1000m", *WOODS)
    assert got["a"] == pytest.approx(100 * (21 + 14) / 100**2, rel=PLANAR)
    whole = 16 + 4 + 4 + 8 + 4 + 8
    assert got["all"] == pytest.approx(100 * whole / 400**2, rel=PLANAR)


def test_water_between_woods_makes_them_one(workspace: Maker) -> None:
    river = square(200, 0, 100, 200)
    got = found(workspace, "eca_with_water_1000m", *WOODS[:2], water=river)
    assert got["a"] == pytest.approx(100)  # 8 hectares in one patch
    got = found(workspace, "eca_1000m", *WOODS[:2], water=river)
    assert got["a"] == pytest.approx(100 * math.sqrt(20 + 16 * p(100)) / 6, rel=PLANAR)


def test_each_setting(workspace: Maker) -> None:
    with_thicket = found(workspace, "pc_1000m[least_m2=1000]", THICKET)
    assert with_thicket["a"] == pytest.approx(100 * 0.25**2 / 100**2, rel=PLANAR)
    assert found(workspace, "pc_1000m", THICKET)["a"] == 0
    sure = found(workspace, "pc_1000m[probability=0.9]", *WOODS[:2])
    assert sure["a"] == pytest.approx(100 * (20 + 16 * 0.9**0.1) / 100**2, rel=PLANAR)
    # 0.5 ** (100 / 10) is less than a thousandth, so the link is dropped
    apart = found(workspace, "pc_1000m[distance_m=10, least_probability=0.001]", *WOODS[:2])
    assert apart["a"] == pytest.approx(100 * 20 / 100**2, rel=PLANAR)
    kept = found(workspace, "pc_1000m[distance_m=10, least_probability=0.0001]", *WOODS[:2])
    assert kept["a"] == pytest.approx(100 * (20 + 16 * p(100, 10)) / 100**2, rel=PLANAR)
    for wrong in ("counted=lawn", "index=x", "over=x", "distance_m=0", "probability=1", "least_probability=0.7"):
        with pytest.raises(ConfigError):
            registry()["patch_connectivity"].definition(f"eca_1000m[{wrong}]")


def test_a_patch_is_worth_what_is_lost_without_it(workspace: Maker, tmp_path: Path) -> None:
    """The indices of the whole area anew without each patch: woods in three towns, two of them cut by borders."""
    woods = [*WOODS, square(1400, 1200, 300), square(600, 800, 100, 400)]
    toml = layer("forest") + layer("wetland") + layer("water")
    nothing = {"wetland": frame([]), "water": frame([])}
    folder = workspace(toml, forest=frame(woods), **nothing)
    assert main(["run", str(folder), "--definitions", "all", "--out", str(tmp_path / "out")]) == 0
    patches = gpd.read_file(tmp_path / "out" / "indicators.gpkg", layer="patches")
    # those of further definitions of woods are the same, and don't stand twice
    assert set(patches["definition"]) == {"eca_1000m", "eca_with_water_1000m"}
    patches = patches[patches["definition"] == "eca_1000m"]
    assert len(patches) == 5
    assert patches["dpc"].is_monotonic_decreasing

    def index(name: str, *there: Geometry) -> float:
        return found(workspace, f"{name}[least_probability=1e-9]", *there)["all"]

    whole = {name: index(name, *woods) for name in ("pc_1000m", "iic_1000m")}
    spots = patches.to_crs(4549).geometry.representative_point()
    for wood in woods:
        ((_, row),) = patches[spots.within(wood)].iterrows()
        others = [other for other in woods if other is not wood]
        assert row["area_ha"] == pytest.approx(wood.area / 1e4, rel=PLANAR)
        for column, name in (("dpc", "pc_1000m"), ("diic", "iic_1000m")):
            lost = 100 * (1 - index(name, *others) / whole[name])
            assert row[column] == pytest.approx(lost, rel=1e-6), column
    page = (tmp_path / "out" / "map.html").read_text("utf-8")
    assert "斑块重要性：生态斑块连通性" in page
    assert "失去该斑块" in page


# Any town ------------------------------------------------------------------------------------------------------------


def by_networkx(ground: Geometry, zone: Geometry) -> dict[str, float]:
    """All definitions of forest for one zone, by complete graphs; nothing is negligible."""
    parts = [part for part in shapely.get_parts(ground & zone) if part.area >= 5000]
    probable, linked = nx.Graph(), nx.Graph()
    for graph in (probable, linked):
        graph.add_nodes_from(range(len(parts)))
    for i in range(len(parts)):
        for j in range(i):
            apart = parts[i].distance(parts[j])
            probable.add_edge(i, j, weight=apart)
            if apart <= 1000:
                linked.add_edge(i, j)
    area = [part.area for part in parts]
    pc = iic = 0.0
    for i, metres in nx.all_pairs_dijkstra_path_length(probable):
        pc += sum(area[i] * area[j] * 0.5 ** (d / 1000) for j, d in metres.items())
    for i, links in nx.all_pairs_shortest_path_length(linked):
        iic += sum(area[i] * area[j] / (1 + n) for j, n in links.items())
    shares = {"pc_1000m": 100 * pc / zone.area**2, "iic_1000m": 100 * iic / zone.area**2}
    if parts:
        shares |= {"eca_1000m": 100 * math.sqrt(pc) / sum(area), "eca_iic_1000m": 100 * math.sqrt(iic) / sum(area)}
    return shares


boxes = st.tuples(*(st.integers(0, 38),) * 2, *(st.integers(2, 9),) * 2)
grounds = st.lists(boxes, min_size=1, max_size=8)


def woods_of(drawn: list[tuple[int, int, int, int]]) -> list[Geometry]:
    """Rectangles on a grid of 50 m over the four towns; they overlap, touch and cross borders as they like."""
    return [square(50 * x, 50 * y, 50 * wide, 50 * high) for x, y, wide, high in drawn]


def assessed(woods: list[Geometry], *definitions: str) -> dict[tuple[str, str], float]:
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "qpgis.toml").write_text(HEAD + layer("forest"), encoding="utf-8")
        write(folder, {"towns": four_towns(), "forest": frame(woods)})
        rows = qp.assess(qp.open_workspace(folder), definitions={"patch_connectivity": definitions})
        table = rows["patch_connectivity"]
    return dict(zip(zip(table["definition"], table["zone_id"], strict=True), table["value"], strict=True))


EXACT = "[least_probability=1e-12]"
OF_FOREST = ("eca_1000m", "eca_iic_1000m", "pc_1000m", "iic_1000m")


@settings(max_examples=8, deadline=None)
@given(grounds)
def test_any_town_by_networkx(drawn: list[tuple[int, int, int, int]]) -> None:
    woods = woods_of(drawn)
    got = assessed(woods, *(f"{name}{EXACT}" for name in OF_FOREST))
    towns = dict(zip("abcd", four_towns().geometry, strict=True))
    towns |= {"south": towns["a"] | towns["b"], "all": shapely.union_all(list(towns.values()))}
    ground = shapely.union_all(woods)
    for zone, shape in towns.items():
        pieces = shapely.area(shapely.get_parts(ground & shape))
        # what is of the least size by EPSG:4549 is a hair smaller on the ellipsoid
        if ((pieces > 0) & (np.abs(pieces - 5000) < 10)).any():
            continue
        expected = by_networkx(ground, shape)
        for name in OF_FOREST:
            value = got[f"{name}{EXACT}", zone]
            assert value == pytest.approx(expected.get(name, math.nan), rel=PLANAR, abs=1e-9, nan_ok=True), (name, zone)


@settings(max_examples=8, deadline=None)
@given(grounds, boxes, st.sampled_from([100, 300]))
def test_what_is_dropped_stays_within_the_stated_bound(
    drawn: list[tuple[int, int, int, int]], more: tuple[int, int, int, int], distance_m: int
) -> None:
    woods = woods_of([*drawn, more])
    rough, exact = f"eca_1000m[distance_m={distance_m}]", f"eca_1000m[distance_m={distance_m}, least_probability=1e-12]"
    got = assessed(woods, rough, exact)
    for zone in ("a", "south", "all"):
        lower, higher = (got[name, zone] / 100 for name in (rough, exact))
        if not math.isnan(higher):
            assert -1e-12 <= higher**2 - lower**2 <= 0.01


@settings(max_examples=8, deadline=None)
@given(grounds, boxes, st.randoms(use_true_random=False))
def test_more_wood_connects_no_less_and_order_doesnt_matter(drawn, more, random) -> None:
    woods = woods_of(drawn)
    random.shuffle(mixed := [*woods, *woods_of([more])])
    before, after = assessed(woods, "pc_1000m", "iic_1000m"), assessed(mixed, "pc_1000m", "iic_1000m")
    again = assessed(mixed[::-1], "pc_1000m", "iic_1000m")
    for key, value in before.items():
        assert after[key] >= value * (1 - 1e-9), key
        assert again[key] == after[key], key
