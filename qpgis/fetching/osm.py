"""OpenStreetMap extracts: of a country or region from Geofabrik, of a box from the Overpass API."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, urlencode

from qpgis.errors import FetchError
from qpgis.fetching.http import CHUNK, CUT, PATIENT, Identity, Patience, ask, download
from qpgis.fetching.provenance import service, write_provenance
from qpgis.sources import Bounds
from qpgis.sources.osm import rules

Progress = Callable[[str], None]
_REGION = re.compile(r"[a-z0-9-]+(/[a-z0-9-]+)*")


def fetch_region(
    area: str,
    path: Path,
    *,
    server: str | None = None,
    progress: Progress = lambda stage: None,
    patience: Patience = PATIENT,
) -> Path:
    """Fetch the extract of a region as Geofabrik names it (``europe/liechtenstein``), with its checksum.

    Raises
    ------
    FetchError
        See :func:`qpgis.fetching.http.download`.
    """
    if not _REGION.fullmatch(area):
        raise FetchError(f"{area!r} is no region; name one as Geofabrik does (europe/liechtenstein), or give W,S,E,N")
    about = service("geofabrik")
    base = (server or about["server"]).rstrip("/")
    url, checksum = (f"{base}/{about[key].format(area=area)}" for key in ("file", "checksum"))
    identity = download(url, path, check=_is_pbf, md5=_stated_md5(checksum), progress=progress, patience=patience)
    write_provenance(path, about["title"], about["licence"], [identity], area=area)
    return path


def _stated_md5(url: str) -> str:
    """The checksum that the provider states.

    Raises
    ------
    FetchError
        If there is none: an extract without its checksum isn't taken.
    """
    reply = ask(url, timeout_s=60)
    with reply.body:
        found = re.match(rb"[0-9a-f]{32}\b", reply.body.read(200).lower())
    if found is None:
        raise FetchError(f"{url}: this is no MD5 checksum")
    return found[0].decode()


def _is_pbf(path: Path) -> None:
    with path.open("rb") as stream:
        head = stream.read(64)
    if b"OSMHeader" not in head:
        raise FetchError(f"{path.name.removesuffix('.part')}: what arrived is no OpenStreetMap extract")


def fetch_box(box: Bounds, path: Path, *, server: str | None = None, timeout_s: float = 240.0) -> Path:
    """Fetch what qpgis reads of OpenStreetMap within west, south, east, north from the Overpass API.

    Its answers are made for each request, so there is nothing to take up again: whole or not at all.

    Raises
    ------
    FetchError
        If the box is too large, the server refuses or breaks off, or its answer says that it isn't complete.
    """
    about = service("overpass")
    west, south, east, north = box
    if (size := _km2(box)) > about["most_km2"]:
        raise FetchError(
            f"the box has {size:,.0f} km2; above {about['most_km2']:,} fetch a region from Geofabrik instead"
        )
    url = f"{(server or about['server']).rstrip('/')}/{about['file']}"
    query = _query(box, about["timeout_s"])
    part = path.with_name(path.name + ".part")
    try:
        data = urlencode({"data": query}, quote_via=quote).encode()
        reply = ask(url, timeout_s=timeout_s, data=data)
        with reply.body, part.open("wb") as stream:
            while chunk := reply.body.read(CHUNK):
                stream.write(chunk)
        _require_whole(part, url)
        part.replace(path)
    except CUT as error:
        raise FetchError(f"{url}: the connection broke ({error}); run it again") from error
    finally:
        part.unlink(missing_ok=True)
    box_text = f"{west},{south},{east},{north}"
    write_provenance(path, about["title"], about["licence"], [Identity(url)], area=box_text, query=query)
    return path


def _km2(box: Bounds) -> float:
    from qpgis.crs import GRS80

    west, south, east, north = box
    area, _ = GRS80.polygon_area_perimeter([west, east, east, west], [south, south, north, north])
    return abs(area) / 1e6


def _query(box: Bounds, timeout_s: int) -> str:
    """Everything that a rule of ``data/schemes/osm.toml`` takes, the boundaries, and the nodes of all that."""
    west, south, east, north = box
    keys = sorted({f'["{key}"]' for rule in rules() for key, _ in rule.any_of} | {'["boundary"="administrative"]'})
    wanted = "".join(f"nwr{key};" for key in keys)
    return f"[out:xml][timeout:{timeout_s}][bbox:{south},{west},{north},{east}];({wanted});(._;>;);out meta;"


def _require_whole(part: Path, url: str) -> None:
    """Refuse an answer that is cut, or in which the server says that it gave up."""
    with part.open("rb") as stream:
        head = stream.read(400)
        stream.seek(max(part.stat().st_size - 2000, 0))
        tail = stream.read()
    remark = re.search(rb"<remark>(.*?)</remark>", tail, re.DOTALL)
    if remark is None and b"<osm" in head and tail.rstrip().endswith(b"</osm>"):
        return
    reason = " ".join(remark[1].decode("utf-8", "replace").split()) if remark else "the answer breaks off"
    raise FetchError(f"{url}: not complete ({reason}); take a smaller box or try later")
