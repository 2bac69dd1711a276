"""A file on a server, read a block at a time: what isn't read isn't fetched, what was fetched is kept."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

from qpgis.errors import FetchError
from qpgis.fetching.http import CUT, PATIENT, Identity, Patience, Reply, ask

BLOCK = 1 << 18


class RemoteFile(io.RawIOBase):
    """A file on a server, for reading; its blocks are kept in a folder, so that a broken fetch goes on where it was.

    Parameters
    ----------
    url : str
    folder : Path
        Where blocks are kept.
    patience : Patience
    """

    def __init__(self, url: str, folder: Path, patience: Patience = PATIENT) -> None:
        self._url = url
        self._patience = patience
        self._position = 0
        self.identity = self._identify()
        name = hashlib.sha256(repr(self.identity).encode()).hexdigest()[:16]
        self._blocks = folder / name
        self._blocks.mkdir(parents=True, exist_ok=True)

    def _identify(self) -> Identity:
        reply = self._ask({"Range": "bytes=0-0"})
        with reply.body:
            reply.body.read(1)
        if reply.status != 206 or reply.identity.size is None:
            raise FetchError(f"{self._url}: the server gives no parts of files; download it whole instead")
        return reply.identity

    def _ask(self, headers: dict[str, str]) -> Reply:
        for attempt in self._patience.tries():
            try:
                return ask(self._url, timeout_s=self._patience.timeout_s, headers=headers)
            except FetchError as error:
                if not isinstance(error.__cause__, CUT) or attempt + 1 == self._patience.attempts:
                    raise
        raise AssertionError("no attempt was made")

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True."""
        return True

    def tell(self) -> int:
        """Where the next byte is read."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a byte."""
        assert self.identity.size is not None
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.identity.size}[whence]
        self._position = max(origin + offset, 0)
        return self._position

    def readinto(self, buffer: Any) -> int:
        """Read into a buffer; fewer bytes at the end of the file only."""
        assert self.identity.size is not None
        end = min(self._position + len(buffer), self.identity.size)
        done = 0
        while self._position < end:
            number, inside = divmod(self._position, BLOCK)
            piece = self._block(number)[inside : inside + end - self._position]
            buffer[done : done + len(piece)] = piece
            done += len(piece)
            self._position += len(piece)
        return done

    def _block(self, number: int) -> bytes:
        place = self._blocks / f"{number:08d}"
        if place.exists():
            return place.read_bytes()
        data = self._fetch(number)
        part = place.with_suffix(".part")
        part.write_bytes(data)
        part.replace(place)
        return data

    def _fetch(self, number: int) -> bytes:
        assert self.identity.size is not None
        first, last = number * BLOCK, min((number + 1) * BLOCK, self.identity.size) - 1
        for _ in self._patience.tries():
            reply = self._ask({"Range": f"bytes={first}-{last}"})
            if reply.identity != self.identity or reply.start != first:
                raise FetchError(f"{self._url}: the file changed while it was read; run it again")
            try:
                with reply.body:
                    data = reply.body.read(last - first + 1)
            except CUT:
                continue
            if len(data) == last - first + 1:
                return bytes(data)
        raise FetchError(f"{self._url}: the connection broke {self._patience.attempts} times; run it again to go on")
