"""Coordinates: GCJ-02 and BD-09 there and back, what numbers alone tell, local systems, and what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from pyproj import CRS, Transformer

from qpgis import crs
from qpgis.crs import china, local
from qpgis.crs.trust import ControlPoints, trusted
from qpgis.errors import CRSError

METRES_PER_DEGREE = 111_320
CHINA = st.tuples(st.floats(73.1, 135.9), st.floats(3.1, 53.9))


def published_gcj02(lon: float, lat: float) -> tuple[float, float]:
    """The formulas as they were published, term by term."""
    x, y = lon - 105, lat - 35
    north = -100 + 2 * x + 3 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * math.sqrt(abs(x))
    north += (20 * math.sin(6 * x * math.pi) + 20 * math.sin(2 * x * math.pi)) * 2 / 3
    north += (20 * math.sin(y * math.pi) + 40 * math.sin(y / 3 * math.pi)) * 2 / 3
    north += (160 * math.sin(y / 12 * math.pi) + 320 * math.sin(y * math.pi / 30)) * 2 / 3
    east = 300 + x + 2 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * math.sqrt(abs(x))
    east += (20 * math.sin(6 * x * math.pi) + 20 * math.sin(2 * x * math.pi)) * 2 / 3
    east += (20 * math.sin(x * math.pi) + 40 * math.sin(x / 3 * math.pi)) * 2 / 3
    east += (150 * math.sin(x / 12 * math.pi) + 300 * math.sin(x / 30 * math.pi)) * 2 / 3
    magic = 1 - 0.00669342162296594323 * math.sin(math.radians(lat)) ** 2
    root = math.sqrt(magic)
    meridian = 6378245.0 * (1 - 0.00669342162296594323) / (magic * root) * math.pi / 180
    parallel = 6378245.0 / root * math.cos(math.radians(lat)) * math.pi / 180
    return lon + east / parallel, lat + north / meridian


def published_bd09(lon: float, lat: float) -> tuple[float, float]:
    """The formulas as they were published."""
    turn = math.pi * 3000 / 180
    radius = math.hypot(lon, lat) + 0.00002 * math.sin(lat * turn)
    angle = math.atan2(lat, lon) + 0.000003 * math.cos(lon * turn)
    return radius * math.cos(angle) + 0.0065, radius * math.sin(angle) + 0.006


def points(*xy: tuple[float, float]) -> np.ndarray:
    return np.array(xy, dtype=float)


def test_a_station_on_three_datums() -> None:
    wgs84 = points((121.04448, 31.10249))
    assert china.wgs84_to_gcj02(wgs84) == pytest.approx(points((121.04900, 31.10052)), abs=1e-5)
    assert china.wgs84_to_bd09(wgs84) == pytest.approx(points((121.05552, 31.10651)), abs=1e-5)


@given(CHINA)
def test_the_published_formulas(place: tuple[float, float]) -> None:
    gcj02 = published_gcj02(*place)
    assert china.wgs84_to_gcj02(points(place))[0] == pytest.approx(gcj02, abs=1e-12)
    assert china.gcj02_to_bd09(points(gcj02))[0] == pytest.approx(published_bd09(*gcj02), abs=1e-12)


@given(st.lists(CHINA, min_size=1, max_size=20))
def test_there_and_back_is_the_same_place(places: list[tuple[float, float]]) -> None:
    here = points(*places)
    for there, back in (
        (china.wgs84_to_gcj02, china.gcj02_to_wgs84),
        (china.gcj02_to_bd09, china.bd09_to_gcj02),
        (china.wgs84_to_bd09, china.bd09_to_wgs84),
    ):
        assert np.abs(back(there(here)) - here).max() * METRES_PER_DEGREE < 1e-5
        assert np.abs(there(back(here)) - here).max() * METRES_PER_DEGREE < 1e-5


def test_there_and_back_is_exact_all_over_china() -> None:
    here = np.random.default_rng(2).uniform((73.1, 3.1), (135.9, 53.9), (20_000, 2))
    for there, back in ((china.wgs84_to_gcj02, china.gcj02_to_wgs84), (china.wgs84_to_bd09, china.bd09_to_wgs84)):
        assert np.abs(back(there(here)) - here).max() * METRES_PER_DEGREE < 1e-6


def test_at_105_degrees_the_shift_has_a_kink_and_comes_back_all_the_same() -> None:
    here = points(*((105 + step, 31.0) for step in (-1e-6, -1e-10, 0.0, 1e-12, 1e-9)))
    assert np.abs(china.gcj02_to_wgs84(china.wgs84_to_gcj02(here)) - here).max() * METRES_PER_DEGREE < 1e-5


def test_a_point_does_not_depend_on_those_beside_it() -> None:
    chance = np.random.default_rng(7)
    many = chance.uniform((73, 3), (135, 54), (china.CHUNK + 5, 2))
    together = china.gcj02_to_wgs84(many)
    for n in (0, china.CHUNK - 1, china.CHUNK, len(many) - 1):
        assert together[n] == pytest.approx(china.gcj02_to_wgs84(many[n : n + 1])[0], abs=1e-11)


def test_missing_coordinates_stay_missing() -> None:
    found = china.gcj02_to_wgs84(points((121, 31), (np.nan, np.nan)))
    assert np.isfinite(found[0]).all()
    assert np.isnan(found[1]).all()


@pytest.mark.parametrize(
    "place", [(2.35, 48.85), (121.0, 0.5), (140.0, 35.0), (600_000.0, 3_450_000.0), (np.inf, 31.0)]
)
def test_outside_of_china_nothing_is_converted(place: tuple[float, float]) -> None:
    with pytest.raises(CRSError, match=r"1 of 2 points lie outside .* such as \("):
        china.gcj02_to_wgs84(points((121, 31), place))


def test_a_square_drawn_over_an_amap_map_comes_back() -> None:
    square = np.array([shapely.box(121.0, 31.0, 121.1, 31.1)])
    shifted = shapely.transform(square, china.wgs84_to_gcj02)
    found = trusted(shifted, None, datum="gcj02", what="w")
    assert found.how == "gcj02"
    assert found.crs.to_epsg() == 4326
    assert shapely.get_coordinates(found.geometries) == pytest.approx(shapely.get_coordinates(square), abs=1e-11)


# ---- what numbers alone tell


@pytest.mark.parametrize(
    ("bounds", "kind", "first", "swapped"),
    [
        ((120.9, 31.0, 121.3, 31.3), "degrees", "EPSG:4490", False),
        ((31.0, 120.9, 31.3, 121.3), "degrees_swapped", "EPSG:4490", True),
        ((30.0, 80.0, 31.0, 88.0), "degrees_swapped", "EPSG:4490", True),
        ((9.4, 47.0, 9.7, 47.3), "small", None, False),
        ((533_000, 3_404_000, 626_000, 3_465_000), "gauss_krueger_3", "EPSG:4549", False),
        ((3_404_000, 533_000, 3_465_000, 626_000), "gauss_krueger_3", "EPSG:4549", True),
        ((40_533_000, 3_404_000, 40_626_000, 3_465_000), "prefixed", "EPSG:4528", False),
        ((3_404_000, 40_533_000, 3_465_000, 40_626_000), "prefixed", "EPSG:4528", True),
        ((39_400_000, 3_404_000, 39_600_000, 3_465_000), "prefixed", "EPSG:4527", False),
        ((38_400_000, 3_404_000, 38_600_000, 3_465_000), "prefixed", "EPSG:4526", False),
        ((21_294_000, 3_424_000, 21_339_000, 3_465_000), "prefixed", "EPSG:4499", False),
        ((294_000, 3_424_000, 339_000, 3_465_000), "gauss_krueger_6", "EPSG:4510", False),
        ((13_450_000, 3_630_000, 13_510_000, 3_680_000), "mercator", "EPSG:3857", False),
        ((-58_000, -33_000, -14_000, 7_000), "local", None, False),
        ((604.1, 3448.2, 605.0, 3449.0), "kilometres", None, False),
        ((604_100_000, 3_448_200_000, 605_000_000, 3_449_000_000), "millimetres", None, False),
        ((1e300, 0, 1e300, 1), "garbage", None, False),
        ((0, 0, np.inf, 1), "garbage", None, False),
        ((np.nan,) * 4, "none", None, False),
        ((5_000_000, -9_000_000, 5_000_100, -8_999_000), "unknown", None, False),
    ],
)
def test_what_numbers_look_like(bounds: crs.Bounds, kind: str, first: str | None, swapped: bool) -> None:
    judged = crs.judge_magnitudes(bounds)
    assert (judged.kind, judged.swapped) == (kind, swapped)
    assert judged.codes[:1] == ((first,) if first else ())
    assert judged.words("zh")
    assert judged.words("en")
    assert not judged.contradicts
    assert bool(judged.remedy()) == bool(first)
    assert bool(judged.told("zh")) == bool(judged.hint) == (kind != "none")
    assert judged.remedy("en") in judged.hint


@pytest.mark.parametrize("swapped", [False, True])
def test_a_candidate_says_where_the_file_would_lie(swapped: bool) -> None:
    lon, lat = 120.675, 31.27
    x, y = Transformer.from_crs(4490, 4549, always_xy=True).transform(lon, lat)
    box = (y, x, y, x) if swapped else (x, y, x, y)
    judged = crs.judge_magnitudes(box)
    assert judged.remedy("zh") == 'crs = "EPSG:4549"（中心位于 120.6750 31.2700）', "no 6-degree zone beside one of 3"
    assert judged.remedy("en") == 'crs = "EPSG:4549" (its middle at 120.6750 31.2700)'
    both = crs.judge_magnitudes((294_000, 3_424_000, 339_000, 3_465_000)).remedy("zh")
    assert " 或 " in both
    assert " or " not in both
    assert crs.judge_magnitudes((120.9, 31.0, 121.3, 31.3)).remedy("zh") == 'crs = "EPSG:4490" 或 crs = "EPSG:4326"'


@pytest.mark.parametrize("meridian", range(75, 136, 3))
@pytest.mark.parametrize("prefix", [True, False])
def test_every_zone_s_own_numbers_are_recognised(meridian: int, prefix: bool) -> None:
    zone = meridian // 3
    code = 4513 + zone - 25 if prefix else 4534 + zone - 25
    to_plane = Transformer.from_crs(4490, code, always_xy=True)
    lat = 31.0 if 96 <= meridian <= 120 else 45.5 if meridian > 120 else 38.0
    (west, east), (south, north) = to_plane.transform([meridian - 0.5, meridian + 0.5], [lat, lat + 0.4])
    judged = crs.judge_magnitudes((west, south, east, north), CRS.from_epsg(code))
    assert not judged.contradicts
    assert judged.kind == ("prefixed" if prefix else "gauss_krueger_3")
    assert not prefix or judged.codes[0] == f"EPSG:{code}"


QINGPU = (600_000.0, 3_440_000.0, 610_000.0, 3_450_000.0)
PREFIXED = (40_600_000.0, 3_440_000.0, 40_610_000.0, 3_450_000.0)


@pytest.mark.parametrize(
    ("code", "bounds", "wrong"),
    [
        (4549, QINGPU, False),
        (4528, PREFIXED, False),
        (4549, PREFIXED, True),
        (4528, QINGPU, True),
        (4527, PREFIXED, True),
        (4549, (3_440_000.0, 600_000.0, 3_450_000.0, 610_000.0), True),
        (4549, (120.9, 31.0, 121.3, 31.3), True),
        (32651, (120.9, 31.0, 121.3, 31.3), True),
        (4549, (-58_000.0, -33_000.0, -14_000.0, 7_000.0), True),
        (4326, QINGPU, True),
        (4490, (31.0, 120.9, 31.3, 121.3), True),
        (4490, (120.9, 31.0, 121.3, 31.3), False),
        (4326, (-180.0, -90.0, 180.0, 90.0), False),
        (3857, (13_450_000.0, 3_630_000.0, 13_510_000.0, 3_680_000.0), False),
        (2056, (2_600_000.0, 1_200_000.0, 2_610_000.0, 1_210_000.0), False),
    ],
)
def test_a_declared_system_against_the_numbers(code: int, bounds: crs.Bounds, wrong: bool) -> None:
    declared = CRS.from_epsg(code)
    judged = crs.judge_magnitudes(bounds, declared)
    assert judged.contradicts == (declared.name if wrong else "")
    box = np.array([shapely.box(*bounds)])
    if wrong:
        with pytest.raises(CRSError, match=r"roads: .*such as \(.*EPSG:"):
            crs.lonlat(box, declared, what="roads")
    else:
        assert np.isfinite(shapely.bounds(crs.lonlat(box, declared, what="roads"))).all()


@pytest.mark.parametrize("bounds", [PREFIXED, (120.9, 31.0, 121.3, 31.3)])
def test_a_prj_file_is_contradicted_as_well(bounds: crs.Bounds) -> None:
    by_prj = CRS.from_wkt(CRS.from_epsg(4549).to_wkt("WKT1_ESRI"))
    assert by_prj.area_of_use is None
    assert crs.judge_magnitudes(bounds, by_prj).contradicts
    assert not crs.judge_magnitudes(QINGPU, by_prj).contradicts


def test_no_system_is_refused_with_what_the_numbers_tell() -> None:
    with pytest.raises(CRSError, match=r"no coordinate reference system; .* crs = \"EPSG:4528\""):
        crs.parse(None, what="roads", geometries=np.array([shapely.box(*PREFIXED), None]))
    with pytest.raises(CRSError, match=r"no coordinate reference system"):
        crs.parse(None, what="roads", geometries=np.array([], dtype=object))


# ---- control points and parameters

TRUE = points(
    (600_000, 3_440_000), (612_000, 3_441_000), (605_000, 3_452_000), (598_000, 3_448_000), (607_000, 3_444_000)
)


def turned(xy: np.ndarray, *, arcsec: float, ppm: float, east: float, north: float) -> np.ndarray:
    """A similarity, written out with complex numbers."""
    factor = (1 + ppm * 1e-6) * np.exp(1j * math.radians(arcsec / 3600))
    there = factor * (xy[:, 0] + 1j * xy[:, 1]) + complex(east, north)
    return np.column_stack([there.real, there.imag])


@given(st.floats(-3600, 3600), st.floats(-500, 500), st.floats(-1e6, 1e6), st.floats(-4e6, 4e6))
def test_control_points_find_the_transformation_again(arcsec: float, ppm: float, east: float, north: float) -> None:
    here = turned(TRUE, arcsec=arcsec, ppm=ppm, east=east, north=north)
    fit = local.fit_control_points(here, TRUE)
    assert fit.rms_m < 1e-5
    assert fit.checked
    assert not fit.outlier
    assert fit.shift(here) == pytest.approx(TRUE, abs=1e-5)
    assert fit.shift.rotation_arcsec == pytest.approx(-arcsec, abs=1e-4)
    assert fit.shift.scale_ppm == pytest.approx((1 / (1 + ppm * 1e-6) - 1) * 1e6, abs=1e-4)


def test_residuals_and_the_outlier_are_named() -> None:
    moved = TRUE - (600_000, 3_440_000)
    wrong = TRUE + points((0, 0), (0, 0), (3, 0), (0, 0), (0, 0))
    fit = local.fit_control_points(moved, wrong, names=["A", "B", "C", "D", "E"])
    assert fit.outlier == "C"
    assert fit.worst[0] == "C"
    assert fit.rms_m == pytest.approx(np.sqrt((np.array(fit.residuals_m) ** 2).sum(axis=1).mean()))
    assert np.sum(fit.residuals_m, axis=0) == pytest.approx([0, 0], abs=1e-6)


def test_two_points_determine_but_don_t_check() -> None:
    fit = local.fit_control_points(TRUE[:2] - 1000, TRUE[:2])
    assert not fit.checked
    assert fit.shift(TRUE[:2] - 1000) == pytest.approx(TRUE[:2], abs=1e-6)


def test_an_affine_fit_only_if_asked() -> None:
    stretched = TRUE * (1.001, 1.0)
    assert local.fit_control_points(stretched, TRUE).rms_m > 1
    assert local.fit_control_points(stretched, TRUE, model="affine").rms_m < 1e-5


@pytest.mark.parametrize(
    ("here", "there", "message"),
    [
        (TRUE[:1], TRUE[:1], "1 of at least 2 points"),
        (TRUE[[0, 0, 0]], TRUE[:3], "coincide"),
        (TRUE[:3], TRUE[[1, 1, 1]], "coincide"),
        (points((0, 0), (1000, 0), (2000, 0)), TRUE[:3], "on one line"),
        (TRUE[:, ::-1], TRUE, "x and y exchanged"),
        (np.where(TRUE == 612_000, np.nan, TRUE), TRUE, "point '2' has coordinates that are no numbers"),
    ],
)
def test_control_points_that_determine_nothing(here: np.ndarray, there: np.ndarray, message: str) -> None:
    with pytest.raises(CRSError, match=message):
        local.fit_control_points(here, there)


@pytest.mark.parametrize("axes", ["east_north", "north_east"])
def test_four_parameters_turn_as_their_axes_say(axes: str) -> None:
    shift = local.similarity(dx_m=10, dy_m=20, rotation_arcsec=3600 * 90, scale_ppm=0, axes=axes)  # type: ignore[arg-type]
    expected = {"east_north": (10 - 2, 20 + 1), "north_east": (20 + 2, 10 - 1)}
    assert shift(points((1, 2)))[0] == pytest.approx(expected[axes])


def geocentric(lon: float, lat: float, a: float, flattening: float) -> np.ndarray:
    """On the ellipsoid's surface, by the textbook."""
    e2 = flattening * (2 - flattening)
    normal = a / math.sqrt(1 - e2 * math.sin(math.radians(lat)) ** 2)
    lam, phi = math.radians(lon), math.radians(lat)
    flat = normal * math.cos(phi)
    return np.array([flat * math.cos(lam), flat * math.sin(lam), normal * (1 - e2) * math.sin(phi)])


@pytest.mark.parametrize("convention", ["position_vector", "coordinate_frame"])
@pytest.mark.parametrize("declared", ["EPSG:4214", "EPSG:4490"])
def test_seven_parameters(convention: str, declared: str) -> None:
    values = {"dx_m": 15.8, "dy_m": -154.4, "dz_m": -82.3, "rx_arcsec": 1.5, "ry_arcsec": -2.0, "rz_arcsec": 3.0}
    found = trusted(
        shapely.points([[121.0, 31.0]]),
        declared,
        datum="beijing54",
        parameters={**values, "scale_ppm": 4.0, "convention": convention},
        what="w",
    )
    assert found.how == "parameters_7"
    assert found.crs.to_epsg() == 4490
    rx, ry, rz = (math.radians(values[f"r{axis}_arcsec"] / 3600) for axis in "xyz")
    turn = np.array([[1, -rz, ry], [rz, 1, -rx], [-ry, rx, 1]])
    if convention == "coordinate_frame":
        turn = turn.T
    there = turn @ geocentric(121, 31, 6378245.0, 1 / 298.3) * (1 + 4e-6) + [values[f"d{axis}_m"] for axis in "xyz"]
    lon, lat = shapely.get_coordinates(found.geometries)[0]
    back = geocentric(lon, lat, 6378137.0, 1 / 298.257222101)
    assert math.degrees(math.atan2(there[1], there[0])) == pytest.approx(lon, abs=1e-10)
    # heights aren't known: the point found lies on the same normal as the one moved
    lam, phi = math.radians(lon), math.radians(lat)
    normal = np.array([math.cos(phi) * math.cos(lam), math.cos(phi) * math.sin(lam), math.sin(phi)])
    assert np.linalg.norm(np.cross(there - back, normal)) < 1e-4


def test_seven_parameters_from_a_plane_of_an_old_datum() -> None:
    to_plane = Transformer.from_crs(4610, 2384, always_xy=True)  # Xian 1980 / 3-degree Gauss-Krueger CM 117E
    plane = shapely.points([to_plane.transform(117.4, 31.0)])
    parameters = {"dx_m": 10.0, "dy_m": 20.0, "dz_m": 30.0, "rx_arcsec": 0.1, "ry_arcsec": 0.2, "rz_arcsec": 0.3}
    parameters |= {"scale_ppm": 1.0, "convention": "position_vector"}
    by_plane = trusted(plane, "EPSG:2384", datum="xian80", parameters=parameters, what="w")
    by_degrees = trusted(shapely.points([[117.4, 31.0]]), "EPSG:4610", datum="xian80", parameters=parameters, what="w")
    assert shapely.get_coordinates(by_plane.geometries) == pytest.approx(
        shapely.get_coordinates(by_degrees.geometries), abs=1e-9
    )


@pytest.mark.parametrize(("declared", "target"), [("EPSG:2437", 4549), ("EPSG:4549", 4549), ("EPSG:2416", 4528)])
def test_control_points_lead_to_the_same_projection_of_cgcs2000(declared: str, target: int) -> None:
    prefix = 40_000_000 if target == 4528 else 0
    true = TRUE + points((prefix, 0))
    here = true + points((50, -30))
    control = ControlPoints(tuple("ABCDE"), here, true)
    found = trusted(shapely.points(here), declared, datum="beijing54", control_points=control, what="w")
    assert found.crs.to_epsg() == target
    assert found.fit is not None
    assert shapely.get_coordinates(found.geometries) == pytest.approx(true, abs=1e-5)


def test_a_local_system_is_led_to_the_true_one() -> None:
    here = turned(TRUE, arcsec=120, ppm=-30, east=-640_000, north=-3_470_000)
    control = ControlPoints(tuple("ABCDE"), here, TRUE)
    found = trusted(shapely.points(here), "EPSG:4549", datum="local", control_points=control, what="w")
    assert found.how == "control_points"
    assert found.crs.to_epsg() == 4549
    assert shapely.get_coordinates(found.geometries) == pytest.approx(TRUE, abs=1e-4)


FOUR = {"dx_m": 1.0, "dy_m": 2.0, "rotation_arcsec": 0.0, "scale_ppm": 0.0, "axes": "east_north"}
SEVEN = {"dx_m": 1.0, "dy_m": 2.0, "dz_m": 3.0, "rx_arcsec": 0.0, "ry_arcsec": 0.0, "rz_arcsec": 0.0, "scale_ppm": 0.0}
SEVEN |= {"convention": "position_vector"}  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("place", "declared", "words", "message"),
    [
        ((6e5, 3.44e6), None, {"datum": "gcj02"}, r"no coordinate reference system.*EPSG:4549"),
        ((9.5, 47.1), "EPSG:4326", {"datum": "gcj02"}, "in and around China only"),
        ((121.0, 31.0), "EPSG:4214", {"datum": "gcj02"}, "there is no true operation"),
        ((121.0, 31.0), "EPSG:4214", {"datum": "cgcs2000"}, r"on another one.*crs = \"EPSG:4490\""),
        ((6e5, 3.44e6), "EPSG:2437", {"datum": "wgs84"}, r"on another one.*crs = \"EPSG:4549\""),
        ((6e5, 3.44e6), "EPSG:2437", {"datum": "beijing54"}, "needs your official parameters or control_points"),
        ((6e5, 3.44e6), "EPSG:4549", {"datum": "local"}, "needs your official parameters or control_points"),
        ((6e5, 3.44e6), "EPSG:2437", {"datum": "xian80", "parameters": FOUR}, "one of the two is wrong"),
        ((6e5, 3.44e6), "EPSG:2437", {"datum": "local", "parameters": FOUR}, r"leads to the true system"),
        ((-3e4, -2e4), "EPSG:4549", {"datum": "local", "parameters": SEVEN}, "7 parameters lead from beijing54"),
        ((-3e4, -2e4), "EPSG:4549", {"datum": "local", "parameters": FOUR}, r"can't be of EPSG:4549"),
        ((121.0, 31.0), "EPSG:4214", {"datum": "beijing54", "parameters": FOUR}, "work in metres"),
        ((121.0, 31.0), "EPSG:2437", {"datum": "beijing54", "parameters": SEVEN}, "can't be of EPSG:2437"),
    ],
)
def test_what_is_not_trusted(place: tuple[float, float], declared: str | None, words: dict, message: str) -> None:
    with pytest.raises(CRSError, match=message) as refused:
        trusted(shapely.points([place]), declared, what="layer 'roads' (r.shp)", **words)
    assert str(refused.value).startswith("layer 'roads' (r.shp)")


def test_degrees_of_a_declared_datum_need_no_other_word() -> None:
    for datum, code in (("wgs84", 4326), ("cgcs2000", 4490)):
        found = trusted(shapely.points([[121.0, 31.0]]), None, datum=datum, what="w")  # type: ignore[arg-type]
        assert (found.how, found.crs.to_epsg()) == ("none", code)


@pytest.mark.parametrize("name", ["GCS_Beijing_1954", "GCS_Xian_1980", "Xian 1980"])
def test_old_datums_are_known_by_every_spelling(name: str) -> None:
    wkt = (
        f'GEOGCS["{name}",DATUM["D_{name}",SPHEROID["Krasovsky_1940",6378245.0,298.3]],'
        'PRIMEM["Greenwich",0.0],UNIT["Degree",0.0174532925199433]]'
    )
    with pytest.raises(CRSError, match=r"no true operation.*datum = \"(beijing54|xian80)\""):
        crs.lonlat(shapely.points([[121.0, 31.0]]), crs.parse(wkt, what="w"), what="w")


def test_parameters_in_the_system_itself_are_used() -> None:
    own = "+proj=tmerc +lon_0=120 +x_0=500000 +ellps=krass +towgs84=15.8,-154.4,-82.3,0,0,0,0 +units=m +type=crs"
    there = crs.lonlat(shapely.points([[600_000.0, 3_440_000.0]]), crs.parse(own, what="w"), what="w")
    null = own.replace("15.8,-154.4,-82.3", "0,0,0")
    untouched = crs.lonlat(shapely.points([[600_000.0, 3_440_000.0]]), crs.parse(null, what="w"), what="w")
    moved = crs.GRS80.inv(*shapely.get_coordinates(there)[0], *shapely.get_coordinates(untouched)[0])[2]
    assert 50 < moved < 300


def test_the_old_spelling_of_codes_is_refused_with_the_new_one() -> None:
    with pytest.raises(CRSError, match="old spelling whose axes aren't certain; write 'EPSG:4549'"):
        crs.parse("+init=epsg:4549", what="x")
