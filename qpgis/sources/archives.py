"""Zip archives: unpacked into a folder of their own, or refused; nothing outside it is ever written."""

from __future__ import annotations

import re
import shutil
import stat
import struct
import tempfile
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from qpgis.errors import SourceError
from qpgis.sources.encodings import Bytes, shown

_END, _END_64 = b"PK\x05\x06", b"PK\x06\x06"
_END_BYTES, _END_64_BYTES = 22, 56 + 20
_END_ROOM = _END_64_BYTES + _END_BYTES + 0xFFFF
"""Bytes at the end of an archive that tell where its directory is, with the longest comment."""
_DIRECTORY_BYTES = 16 << 20
_LOCAL_HEAD = 30
_ENCRYPTED = 0x0001 | 0x0040 | 0x2000
_UTF8_NAME = 0x0800
_CHUNK = 1 << 20
_SPARE_DISK = 64 << 20
_NOISE = frozenset(["__macosx", ".ds_store", "thumbs.db", "desktop.ini"])
_FRAMES = re.compile("[\u2190-\u2193\u2500-\u25ff]")
"""Signs of code page 437 that no file name has: they stand where a name was decoded wrongly."""
_GEODATABASE, _GEODATABASE_TABLE = ".gdb", "a00000001.gdbtable"
_UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    NotImplementedError,
    RuntimeError,
    EOFError,
    OSError,
    ValueError,
    struct.error,
    LookupError,
)


@contextmanager
def unpacked(
    path: Path,
    what: str,
    *,
    most_bytes: int = 4 << 30,
    most_members: int = 10_000,
    most_ratio: int = 200,
    ratio_from_bytes: int = 256 << 20,
) -> Iterator[Path]:
    """A temporary folder with an archive's members; it is gone afterwards.

    Archives within the archive stay as they are. The members of a file geodatabase whose folder has lost its suffix,
    or that stand at the archive's root, are put into a ``.gdb`` folder. Names without their encoding are read as UTF-8
    or GB18030 where they are such text, else in code page 437.

    Parameters
    ----------
    path : Path
    what : str
        Begins messages.
    most_bytes, most_members : int
        How much an archive may hold.
    most_ratio, ratio_from_bytes : int
        How many times its own size it may hold, once that is over some bytes.

    Raises
    ------
    SourceError
        If it is damaged, cut off or encrypted, if it holds too much, or a member that could be written elsewhere, over
        another one, or is no file.
    """
    with tempfile.TemporaryDirectory(prefix="qpgis-") as temporary:
        folder = Path(temporary).resolve()
        try:
            _check_directory(path, what)
            with zipfile.ZipFile(path) as archive:
                limit = _Limit(what, path.stat().st_size, most_bytes, most_ratio, ratio_from_bytes)
                _unpack(archive, folder, what, most_members, limit)
            _name_geodatabases(folder, path.name)
        except SourceError:
            raise
        except _UNREADABLE as error:
            raise SourceError(f"{what}: the archive can't be unpacked: {error}; pack it again") from error
        yield folder


class _Limit:
    """Counts the bytes that come out of an archive, whatever its headers say."""

    def __init__(self, what: str, packed: int, most_bytes: int, most_ratio: int, ratio_from: int) -> None:
        self.what, self.total = what, 0
        self.most_bytes, self.most_ratio = most_bytes, most_ratio
        self.by_ratio = max(ratio_from, most_ratio * packed)

    def check(self, more: int) -> None:
        """Refuse the archive if so many bytes more are too many."""
        total = self.total + more
        if total > self.most_bytes:
            raise SourceError(
                f"{self.what}: the archive holds more than {self.most_bytes / 2**30:.3g} GiB; unpack it yourself"
            )
        if total > self.by_ratio:
            raise SourceError(
                f"{self.what}: the archive holds more than {self.most_ratio} times its own size, as archives do that "
                "are made to fill disks; unpack it yourself if you trust it"
            )

    def take(self, count: int) -> None:
        """Count bytes that have come out."""
        self.check(count)
        self.total += count


def _check_directory(path: Path, what: str) -> None:
    """Refuse what has no directory at its end, or so large a one that reading it would fill the memory."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(4)
        file.seek(max(0, size - _END_ROOM))
        tail = file.read()
    at = len(tail) - _END_BYTES
    if tail[at : at + 4] != _END or tail[-2:] != b"\0\0":  # else there is no comment
        at = tail.rfind(_END)
    if at < 0 or len(tail) < at + _END_BYTES:
        why = "is cut off or damaged: its end is missing" if head[:2] == b"PK" else "is no zip archive"
        raise SourceError(f"{what}: the file {why}; copy or pack it again")
    length = int.from_bytes(tail[at + 12 : at + 16], "little")
    at_64 = at - _END_64_BYTES
    if at_64 >= 0 and tail[at_64 : at_64 + 4] == _END_64:
        length = int.from_bytes(tail[at_64 + 40 : at_64 + 48], "little")
    if length > _DIRECTORY_BYTES:
        raise SourceError(f"{what}: the archive's directory alone has {length} bytes; pack what is needed only")


def _unpack(archive: zipfile.ZipFile, folder: Path, what: str, most_members: int, limit: _Limit) -> None:
    members = archive.infolist()
    if len(members) > most_members:
        raise SourceError(f"{what}: the archive has {len(members)} members, more than {most_members}; pack fewer")
    names = _names(members)
    for member in members:
        _check_kind(member, names[member], what)
    places = {member: _place(names[member], what) for member in members}
    _check_spans(archive, members, names, what)
    wanted = {member: place for member, place in places.items() if not _is_noise(place)}
    _check_unique(wanted, what)
    declared = sum(member.file_size for member in wanted)
    limit.check(declared)
    free = shutil.disk_usage(folder).free
    if declared + _SPARE_DISK > free:
        raise SourceError(f"{what}: unpacking takes {declared} bytes, the temporary folder's disk has {free} left")
    for member, place in wanted.items():
        target = folder.joinpath(*place.parts)
        if _is_folder(member):
            target.mkdir(parents=True, exist_ok=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            _write(archive, member, target, names[member], limit)


def _write(archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path, name: str, limit: _Limit) -> None:
    try:
        with archive.open(member) as source, target.open("xb") as sink:
            while chunk := source.read(_CHUNK):
                limit.take(len(chunk))
                sink.write(chunk)
            written = sink.tell()
    except SourceError:
        raise
    except _UNREADABLE as error:
        raise SourceError(f"{limit.what}: {name!r} in the archive can't be unpacked: {error}; pack it again") from error
    if written != member.file_size:
        raise SourceError(
            f"{limit.what}: {name!r} in the archive has {written} bytes, not {member.file_size}; pack it again"
        )


def _names(members: Sequence[zipfile.ZipInfo]) -> dict[zipfile.ZipInfo, str]:
    """Each member's name: marked ones are UTF-8, those of the others are decoded together.

    Some programs decode names wrongly and then mark the result as UTF-8: frames and arrows stand where letters were.
    """
    marked = {member: bool(member.flag_bits & _UTF8_NAME) for member in members}
    known = {member: member.orig_filename for member in members}
    unsure = [m for m, name in known.items() if not name.isascii() and (not marked[m] or _FRAMES.search(name))]
    raw = {member: _in_437(known[member]) for member in unsure}
    for group in ([m for m in unsure if marked[m] == mark] for mark in (False, True)):
        found = shown(Bytes([b for m in group if (b := raw[m]) is not None])) if group else None
        if found is not None:
            known |= {m: b.decode(found.codec) for m in group if (b := raw[m]) is not None}
    return known


def _in_437(name: str) -> bytes | None:
    """The bytes that a name was decoded from; None if it can't have been."""
    try:
        return name.encode("cp437")
    except UnicodeEncodeError:
        return None


def _check_kind(member: zipfile.ZipInfo, name: str, what: str) -> None:
    mode = stat.S_IFMT(member.external_attr >> 16)
    if mode not in (0, stat.S_IFREG, stat.S_IFDIR):
        sort = "a link" if mode == stat.S_IFLNK else "no regular file"
        raise SourceError(f"{what}: {name!r} in the archive is {sort}; pack the file itself")
    if member.flag_bits & _ENCRYPTED:
        raise SourceError(f"{what}: {name!r} in the archive is encrypted; pack it without a password")


def _place(name: str, what: str) -> PurePosixPath:
    """Where a member goes within the folder, in composed Unicode; old packers of Windows wrote backslashes."""
    name = name.replace("\\", "/")
    parts = [part for part in unicodedata.normalize("NFC", name).split("/") if part not in ("", ".")]
    outside = name.startswith("/") or ".." in parts or re.match(r"[A-Za-z]:", name)
    if outside or not parts or any(ord(letter) < 32 or letter == "\x7f" for letter in name):
        why = "is no plain path within it, so it might be written elsewhere"
        raise SourceError(f"{what}: {name!r} in the archive {why}; pack it again")
    return PurePosixPath(*parts)


def _check_unique(places: Mapping[zipfile.ZipInfo, PurePosixPath], what: str) -> None:
    """Refuse members that would be written to one place, on a system that ignores case too, or within a file."""
    files: dict[str, str] = {}
    folders: dict[str, str] = {}
    for member, place in places.items():
        around = place.parents if not _is_folder(member) else (place, *place.parents)
        folders |= {str(one).casefold(): str(place) for one in around}
        if _is_folder(member):
            continue
        key = str(place).casefold()
        if key in files:
            raise SourceError(
                f"{what}: the archive holds {files[key]!r} and {str(place)!r}, one name twice; pack it again"
            )
        files[key] = str(place)
    both = sorted(files.keys() & folders.keys())
    if both:
        raise SourceError(f"{what}: {files[both[0]]!r} in the archive is a file and a folder; pack it again")


def _is_folder(member: zipfile.ZipInfo) -> bool:
    return member.is_dir() or (member.orig_filename.endswith("\\") and not member.file_size)


def _is_noise(place: PurePosixPath) -> bool:
    """True for what systems leave in folders, and Office beside documents that are open."""
    return any(part.casefold() in _NOISE for part in place.parts) or place.name.startswith(("._", "~$"))


def _check_spans(
    archive: zipfile.ZipFile, members: Sequence[zipfile.ZipInfo], names: Mapping[zipfile.ZipInfo, str], what: str
) -> None:
    """Refuse members that share bytes: that is how a small archive holds a disk."""
    ordered = sorted(members, key=lambda member: member.header_offset)
    assert archive.fp is not None
    before, end = "", 0
    for member in ordered:
        archive.fp.seek(member.header_offset)
        head = archive.fp.read(_LOCAL_HEAD)
        if len(head) < _LOCAL_HEAD or head[:4] != b"PK\x03\x04":
            raise SourceError(f"{what}: {names[member]!r} isn't where the archive's directory says; pack it again")
        if member.header_offset < end:
            raise SourceError(f"{what}: {before!r} and {names[member]!r} overlap in the archive; pack it again")
        extra = sum(struct.unpack("<HH", head[26:]))
        before, end = names[member], member.header_offset + _LOCAL_HEAD + extra + member.compress_size
    if end > archive.start_dir:
        raise SourceError(f"{what}: {before!r} runs into the archive's directory; pack it again")


def _name_geodatabases(folder: Path, name: str) -> None:
    """Put each file geodatabase into a folder whose name ends in ``.gdb``, as readers know it by."""
    for table in sorted(folder.rglob(_GEODATABASE_TABLE)):
        home = table.parent
        if home.suffix.lower() == _GEODATABASE:
            continue
        if home != folder:
            home.rename(home.with_name(home.name + _GEODATABASE))
            continue
        inner = folder / (name.removesuffix(".zip").removesuffix(_GEODATABASE) + _GEODATABASE)
        members = [one for one in home.iterdir() if one.is_file()]
        inner.mkdir()
        for one in members:
            one.rename(inner / one.name)
