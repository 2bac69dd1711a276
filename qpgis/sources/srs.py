"""Reference systems by the names that GeoJSON and GML give them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyproj import CRS

_LONLAT = re.compile(
    r"(?:urn:(?:x-)?ogc:def:crs:)?(?:OGC:(?:[\d.]*:)?)?CRS:?84|https?://www\.opengis\.net/def/crs/OGC/[\d.]+/CRS84",
    re.I,
)
_CODE = re.compile(
    r"(?:urn:(?:x-)?ogc:def:crs:)?(?P<authority>[A-Za-z]+):(?:[\d.]*:)?(?P<code>\d+)"
    r"|https?://www\.opengis\.net/(?:def/crs/EPSG/[\d.]+/|gml/srs/epsg\.xml#)(?P<epsg>\d+)",
    re.I,
)


def named_system(name: str) -> CRS | None:
    """The system that a name means: ``EPSG:4549``, a URN or an address of OGC, ``CRS84``; nothing is looked up.

    Returns
    -------
    CRS or None
        ``None`` where PROJ knows none of that name.

    Examples
    --------
    >>> named_system("urn:ogc:def:crs:EPSG::4549").to_epsg()
    4549
    >>> named_system("EPSG:999999") is None, named_system("./local.prj") is None
    (True, True)
    """
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    text = name.strip()
    if _LONLAT.fullmatch(text):
        return CRS.from_authority("OGC", "CRS84")
    match = _CODE.fullmatch(text)
    if match is None:
        return None
    try:
        return CRS.from_authority((match["authority"] or "EPSG").upper(), match["code"] or match["epsg"])
    except CRSError:
        return None
