"""HTTP as downloads need it: resumed where it broke off, whole or not at all, never an error page for a file.

Proxies are those of the environment (``HTTPS_PROXY``, ``NO_PROXY``), as everywhere.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import re
import shutil
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from qpgis import __version__
from qpgis.errors import FetchError

CHUNK = 1 << 20
SPARE_BYTES = 256 << 20
"""What a download leaves free on the disk."""
CUT = (ConnectionError, TimeoutError, http.client.HTTPException)
"""What breaks off in the middle and may be taken up again."""


@dataclass(frozen=True)
class Identity:
    """What a server says that a file is: parts of two different ones don't make one."""

    url: str
    etag: str = ""
    modified: str = ""
    size: int | None = None

    @property
    def validator(self) -> str:
        """What ``If-Range`` takes; empty where the server gives nothing to hold on to."""
        return self.etag if self.etag and not self.etag.startswith("W/") else self.modified


@dataclass(frozen=True)
class Patience:
    """How often a broken connection is taken up again, how long to wait before, and how long for an answer."""

    attempts: int = 5
    pause_s: float = 2.0
    timeout_s: float = 60.0

    def tries(self) -> Iterator[int]:
        """The attempts, each after a longer pause than the one before."""
        for attempt in range(self.attempts):
            if attempt:
                time.sleep(self.pause_s * 2 ** (attempt - 1))
            yield attempt


PATIENT = Patience()


@dataclass(frozen=True)
class Reply:
    """An answer of a server whose body is still to be read."""

    identity: Identity
    status: int
    start: int
    body: Any


def opener() -> urllib.request.OpenerDirector:
    """Opens http and https only, through the environment's proxies; no files, no FTP, wherever a redirect points."""
    director = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPRedirectHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.UnknownHandler(),
    ):
        director.add_handler(handler)
    director.addheaders = [("User-Agent", f"qpgis/{__version__}"), ("Accept-Encoding", "identity")]
    return director


def ask(url: str, *, timeout_s: float, headers: Mapping[str, str] | None = None, data: bytes | None = None) -> Reply:
    """Send one request; the body is read by whoever asked.

    Raises
    ------
    FetchError
        If the server can't be reached, says no, or sends a page where a file is wanted.
    """
    if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
        raise FetchError(f"{url}: only http and https are fetched; write https://...")
    try:
        request = urllib.request.Request(url, data=data, headers=dict(headers or {}))
        body = opener().open(request, timeout=timeout_s)
    except urllib.error.HTTPError as error:
        with error:
            if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
                return Reply(_identity(url, error.headers, 0), error.code, 0, None)
            raise FetchError(f"{url}: the server says {error.code} {error.reason}") from error
    except urllib.error.URLError as error:
        raise FetchError(f"{url}: can't be reached ({error.reason}); is a proxy needed (HTTPS_PROXY)?") from error
    except (*CUT, UnicodeError, ValueError) as error:
        raise FetchError(f"{url}: can't be reached ({error})") from error
    if body.headers.get_content_type() in ("text/html", "application/xhtml+xml"):
        with body:
            raise FetchError(f"{url}: the server sent a page instead of the file: {_title(body.read(4096))!r}")
    start = _start(body.headers) if body.status == http.client.PARTIAL_CONTENT else 0
    return Reply(_identity(url, body.headers, start), body.status, start, body)


def _identity(url: str, headers: Any, start: int) -> Identity:
    whole = re.search(r"/(\d+)$", headers.get("Content-Range", ""))
    length = headers.get("Content-Length", "")
    size = int(whole[1]) if whole else start + int(length) if length.isdigit() else None
    return Identity(url, headers.get("ETag", ""), headers.get("Last-Modified", ""), size)


def _start(headers: Any) -> int:
    found = re.match(r"bytes (\d+)-", headers.get("Content-Range", ""))
    if found is None:
        raise FetchError("the server sent a part of a file without saying which")
    return int(found[1])


def _title(page: bytes) -> str:
    words = page.decode("utf-8", "replace")
    found = re.search(r"<title[^>]*>(.*?)</title>", words, re.IGNORECASE | re.DOTALL)
    plain = found[1] if found else re.sub(r"<[^>]*>", " ", words)
    return " ".join(plain.split())[:120]


def download(
    url: str,
    path: Path,
    *,
    check: Callable[[Path], None],
    md5: str = "",
    patience: Patience = PATIENT,
    progress: Callable[[str], None] = lambda stage: None,
) -> Identity:
    """Download a file to ``path``; what an earlier try left in ``<path>.part`` is taken up again.

    Parameters
    ----------
    url : str
    path : Path
        Appears only when the file is whole and checked; an old file stays until then.
    check : callable
        Given the finished part; raises :class:`FetchError` if it isn't what was wanted.
    md5 : str
        The checksum that the provider states, empty where there is none.
    patience : Patience

    Raises
    ------
    FetchError
        If the file doesn't arrive whole, differs from its checksum, or isn't what was wanted.
    """
    part, state = _beside(path)
    for attempt in patience.tries():
        if attempt:
            progress(f"taking up {path.name} again at {_size(part):,} bytes")
        try:
            identity = _fetch_rest(url, part, state, timeout_s=patience.timeout_s)
        except CUT:
            continue
        if identity is not None:
            _accept(part, identity, md5, check)
            part.replace(path)
            state.unlink(missing_ok=True)
            return identity
    raise FetchError(
        f"{url}: the connection broke {patience.attempts} times, {_size(part):,} bytes are in {part.name}; "
        "run it again to go on"
    )


def _beside(path: Path) -> tuple[Path, Path]:
    """Where the part of a file and its identity are kept."""
    return path.with_name(path.name + ".part"), path.with_name(path.name + ".part.json")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _fetch_rest(url: str, part: Path, state: Path, *, timeout_s: float) -> Identity | None:
    """Fetch what a part lacks; the file's identity once it is whole, ``None`` where it broke off."""
    known = _known(state, url)
    have = _size(part) if known is not None and known.validator else 0
    if have and known is not None and have == known.size:
        return known
    headers = {"Range": f"bytes={have}-", "If-Range": known.validator} if have and known is not None else {}
    reply = ask(url, timeout_s=timeout_s, headers=headers)
    if reply.body is None:  # the file is shorter than what we have: another one
        part.unlink(missing_ok=True)
        return None
    with reply.body:
        if reply.start not in (0, have):
            raise FetchError(f"{url}: asked for bytes from {have}, the server sends from {reply.start}")
        _require_space(part, reply.identity, reply.start)
        state.write_text(json.dumps(asdict(reply.identity)), encoding="utf-8")
        with part.open("r+b" if reply.start else "wb") as stream:
            stream.seek(reply.start)
            stream.truncate()
            while chunk := reply.body.read(CHUNK):
                stream.write(chunk)
            stream.flush()
            os.fsync(stream.fileno())
    size, wanted = _size(part), reply.identity.size
    if wanted is not None and size > wanted:
        part.unlink()
        raise FetchError(f"{url}: {size:,} bytes arrived, the server had announced {wanted:,}")
    return None if wanted is not None and size < wanted else reply.identity


def _known(state: Path, url: str) -> Identity | None:
    """What an earlier try noted of the same address."""
    try:
        identity = Identity(**json.loads(state.read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    return identity if identity.url == url else None


def _require_space(part: Path, identity: Identity, start: int) -> None:
    free = shutil.disk_usage(part.parent).free
    if identity.size is not None and identity.size - start > free - SPARE_BYTES:
        raise FetchError(f"{identity.url}: {identity.size:,} bytes, but only {free:,} are free in {part.parent}")


def _accept(part: Path, identity: Identity, md5: str, check: Callable[[Path], None]) -> None:
    """Make sure that a whole part is the file that was wanted; remove it otherwise."""
    try:
        if md5 and (found := _md5(part)) != md5:
            raise FetchError(f"{identity.url}: its checksum is {found}, the provider states {md5}; run it again")
        check(part)
    except FetchError:
        part.unlink(missing_ok=True)
        raise


def _md5(path: Path) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
