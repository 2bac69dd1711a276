"""What the size of coordinates says of their system, and what of a declared system it contradicts.

Numbers alone never prove a system, so nothing is converted here: a judgement is a hint for whoever declares one, and
a reason to refuse a declaration that can't be true.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, Literal

import numpy as np
from pyproj import CRS, Transformer
from pyproj.exceptions import ProjError

from qpgis.catalogue import Lang, read_toml, text

Bounds = tuple[float, float, float, float]
Kind = Literal[
    "none",
    "garbage",
    "degrees",
    "degrees_swapped",
    "small",
    "gauss_krueger_3",
    "gauss_krueger_6",
    "prefixed",
    "mercator",
    "kilometres",
    "millimetres",
    "local",
    "unknown",
]
GARBAGE = 1e10
"""No system has numbers this large, not even in millimetres."""
FAR_DEG = 6
"""A declared system is contradicted where its coordinates fall this far outside the area that it is for."""
MERCATOR_M = 20_037_508.342789244


@dataclass(frozen=True)
class Magnitudes:
    """What numbers say of their system.

    Attributes
    ----------
    kind : str
        ``degrees``, ``degrees_swapped`` (latitude first), ``gauss_krueger_3`` and ``_6`` (no zone prefix),
        ``prefixed``, ``mercator``, ``kilometres``, ``millimetres``, ``local``, ``small`` (degrees elsewhere, or a
        drawing), ``unknown``, ``garbage``; ``none`` where there are no coordinates.
    codes : tuple of str
        Systems that fit, the likeliest first: ``EPSG:4528``.
    swapped : bool
        True if they fit with the two coordinates of each point exchanged.
    contradicts : str
        The declared system that can't be true, empty where there is none.
    example : str
        The box of the coordinates.
    middle : tuple of float
        The middle of the box, east first.
    """

    kind: Kind
    codes: tuple[str, ...] = ()
    swapped: bool = False
    contradicts: str = ""
    example: str = ""
    middle: tuple[float, float] = (np.nan, np.nan)

    def words(self, lang: Lang = "zh") -> str:
        """What the numbers look like, in a planner's words."""
        words = text(f"numbers_{self.kind}", lang)
        return words + text("numbers_swapped", lang) if self.swapped and self.kind != "degrees_swapped" else words

    def remedy(self, lang: Lang = "zh") -> str:
        """What to write into ``qpgis.toml``, and where the file would then lie; empty where numbers can't tell."""
        return text("candidate_or", lang).join(self._candidate(code, lang) for code in self.codes)

    def _candidate(self, code: str, lang: Lang) -> str:
        crs = CRS.from_user_input(code)
        if crs.is_geographic:
            return f'crs = "{code}"'
        lon, lat = _lonlat(crs.to_wkt(), self.middle)
        return text("candidate", lang, code=code, lon=f"{lon:.4f}", lat=f"{lat:.4f}")

    def told(self, lang: Lang = "zh") -> str:
        """The judgement as a clause, with what to write into ``qpgis.toml``; empty where there are no coordinates."""
        if self.kind == "none":
            return ""
        remedy = text("numbers_remedy", lang, remedy=self.remedy(lang)) if self.codes else ""
        return text("numbers_told", lang, box=self.example, words=self.words(lang)) + remedy

    @property
    def hint(self) -> str:
        """The judgement as the end of an English refusal."""
        return self.told("en")


def judge_magnitudes(bounds: Bounds, crs: CRS | None = None) -> Magnitudes:
    """What the box of a file's coordinates says of their system, and whether it contradicts the declared one.

    Parameters
    ----------
    bounds : tuple
        Least x and y, greatest x and y, as the file has them (x first).
    crs : CRS, optional
        The declared system.
    """
    kind, codes, swapped = _judge(bounds)
    example = "{:.10g} ~ {:.10g}, {:.10g} ~ {:.10g}".format(*(bounds[n] for n in (0, 2, 1, 3)))
    x, y = _middle(bounds)
    contradicts = crs is not None and kind != "none" and _is_contradicted(bounds, kind, crs)
    contradicted = crs.name if crs is not None and contradicts else ""
    return Magnitudes(kind, codes, swapped, contradicted, example, (y, x) if swapped else (x, y))


def _judge(bounds: Bounds) -> tuple[Kind, tuple[str, ...], bool]:
    if np.isnan(bounds).all():
        return "none", (), False
    if not np.isfinite(bounds).all() or max(map(abs, bounds)) > GARBAGE:
        return "garbage", (), False
    west, south, east, north = bounds
    turned = (south, west, north, east)
    if _in_china(bounds):
        return "degrees", ("EPSG:4490", "EPSG:4326"), False
    if _in_china(turned):
        return "degrees_swapped", ("EPSG:4490", "EPSG:4326"), True
    if max(abs(west), abs(east)) <= 180 and max(abs(south), abs(north)) <= 90:
        return "small", (), False
    for box, swapped in ((bounds, False), (turned, True)):
        kind, codes = _plane(box)
        if codes:
            return kind, codes, swapped
    return _other(bounds), (), False


def _plane(bounds: Bounds) -> tuple[Kind, tuple[str, ...]]:
    """Metres of a system that has a code."""
    mercator = ("EPSG:3857",) if _is_mercator(bounds) else ()
    prefixed = tuple(_zones(bounds, prefix=True))
    if mercator:
        return "mercator", mercator + prefixed
    if prefixed:
        return "prefixed", prefixed
    codes = tuple(_zones(bounds, prefix=False))
    near = bool(codes) and _reaches(bounds, _table()["plane"]["reach_3_m"])
    return ("gauss_krueger_3", codes[:1]) if near else ("gauss_krueger_6", codes)


def _other(bounds: Bounds) -> Kind:
    """Metres of a system without a code, or other units."""
    if any(_plane((x0 * 1e3, y0 * 1e3, x1 * 1e3, y1 * 1e3))[1] for x0, y0, x1, y1 in _both(bounds)):
        return "kilometres"
    if max(map(abs, bounds)) <= _table()["local"]["reach_m"]:
        return "local"
    if any(_plane((x0 / 1e3, y0 / 1e3, x1 / 1e3, y1 / 1e3))[1] for x0, y0, x1, y1 in _both(bounds)):
        return "millimetres"
    return "unknown"


def _both(bounds: Bounds) -> tuple[Bounds, Bounds]:
    """A box, and the same with its axes exchanged."""
    west, south, east, north = bounds
    return bounds, (south, west, north, east)


def _zones(bounds: Bounds, *, prefix: bool) -> Iterator[str]:
    """The zones whose numbers these could be; of those without prefix only the one at home."""
    table = _table()
    plane, home = table["plane"], table["home_lon_deg"]
    if not plane["south_m"] <= bounds[1] <= bounds[3] <= plane["north_m"]:
        return
    for family in table["families"]:
        if family["prefix"] != prefix:
            continue
        width = family["width_deg"]
        reach = plane[f"reach_{width}_m"]
        if prefix:
            zone = int(bounds[0] // 1e6)
            moved = (bounds[0] - zone * 1e6, bounds[1], bounds[2] - zone * 1e6, bounds[3])
        else:
            zone = round(home / 3) if width == 3 else int(home // 6) + 1
            moved = bounds
        if family["first_zone"] <= zone <= family["last_zone"] and _reaches(moved, reach):
            yield f"EPSG:{family['first_code'] + zone - family['first_zone']}"


def _reaches(bounds: Bounds, reach_m: float) -> bool:
    """True if the eastings lie in a zone of this half width."""
    false_easting = _table()["plane"]["false_easting_m"]
    return bool(false_easting - reach_m <= bounds[0] <= bounds[2] <= false_easting + reach_m)


def _is_mercator(bounds: Bounds) -> bool:
    """True for metres of the web's Mercator within China."""
    x, y = np.array([bounds[0], bounds[2]]), np.array([bounds[1], bounds[3]])
    radius = MERCATOR_M / np.pi
    lon, lat = np.degrees(x / radius), np.degrees(np.arctan(np.sinh(np.clip(y / radius, -10, 10))))
    return _in_china((lon[0], lat[0], lon[1], lat[1]))


def _in_china(bounds: Bounds) -> bool:
    china = _table()["degrees"]
    west, south, east, north = bounds
    return bool(china["west"] <= west <= east <= china["east"] and china["south"] <= south <= north <= china["north"])


def _is_contradicted(bounds: Bounds, kind: Kind, crs: CRS) -> bool:
    """True if the numbers can't be of a system: no degrees, plain degrees, or far outside the area that it is for."""
    if not np.isfinite(bounds).all():
        return True
    if crs.is_geographic:
        scale = 180 / np.pi * crs.axis_info[0].unit_conversion_factor
        return bool((np.abs(bounds) * scale > np.array([180, 90, 180, 90]) + 1e-9).any())
    x, y = _lonlat(crs.to_wkt(), _middle(bounds))
    if x is None or y is None:
        return False
    looks_like_degrees = kind in ("degrees", "degrees_swapped")
    area = _area_of_use(crs)
    if area is None:
        return looks_like_degrees and not _in_china((x, y, x, y))
    if looks_like_degrees or not np.isfinite([x, y]).all():
        return True
    west, south, east, north = area
    around = west - FAR_DEG <= x <= east + FAR_DEG or east < west
    return not (around and south - FAR_DEG <= y <= north + FAR_DEG)


@lru_cache(maxsize=32)
def _area_of_use(crs: CRS) -> Bounds | None:
    """Where a system is for: as it says, or as the one with a code says that equals it (``.prj`` files don't)."""
    code = crs.to_epsg() if crs.area_of_use is None else None
    area = CRS.from_epsg(code).area_of_use if code else crs.area_of_use
    return None if area is None else area.bounds


def _middle(bounds: Bounds) -> tuple[float, float]:
    return (bounds[0] + bounds[2]) / 2, (bounds[1] + bounds[3]) / 2


def _lonlat(wkt: str, xy: tuple[float, float]) -> tuple[float, float] | tuple[None, None]:
    """A place in degrees of its own datum; none where the system isn't tied to the Earth."""
    to_degrees = _to_degrees(wkt)
    if to_degrees is None:
        return None, None
    x, y = to_degrees.transform(*xy)
    return float(x), float(y)


@lru_cache(maxsize=32)
def _to_degrees(wkt: str) -> Transformer | None:
    crs = CRS.from_wkt(wkt)
    try:
        return Transformer.from_crs(crs, crs.geodetic_crs, always_xy=True) if crs.geodetic_crs else None
    except ProjError:
        return None


@cache
def _table() -> dict[str, Any]:
    return read_toml("schemes", "datums.toml")
