"""The log of runs (全过程留痕): one line of JSON a run, each with the hash of the line before it.

It is about time and people, so it is no output: no hash covers it, and ``.qpgis/`` beside the outputs holds it. It
stands there, not in the workspace, because it tells how these files came about, and a workspace may be read-only,
shared or the embedded one.
"""

from __future__ import annotations

import getpass
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from qpgis.errors import OutputError, SourceError

try:
    import fcntl
except ImportError:  # Windows has no such locks: there, two runs that end at once may break the chain
    fcntl = None  # type: ignore[assignment]


def log_path(folder: Path) -> Path:
    """Where the log of the runs into a folder stands."""
    return folder / ".qpgis" / "runs.jsonl"


def append_run(folder: Path, about: Mapping[str, Any]) -> None:
    """Add one line, chained to the last one, in a single write that has reached the disk when this returns.

    Raises
    ------
    OutputError
        If it can't be written.
    """
    path = log_path(folder)
    try:
        path.parent.mkdir(exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            with _locked(handle):
                _append(handle, about)
        finally:
            os.close(handle)
    except OSError as error:
        raise OutputError(f"{path}: the run can't be logged ({error.strerror}); its outputs are whole") from error


def _append(handle: int, about: Mapping[str, Any]) -> None:
    written = _content(handle)
    torn = written and not written.endswith(b"\n")  # a run was killed as it wrote
    lines = written.split(b"\n")
    last = lines[-1] if torn else lines[-2] if len(lines) > 1 else b""
    at = datetime.now(UTC).isoformat(timespec="seconds")
    line = {"at": at, "who": _who(), **about, "previous": _hash(last) if last else ""}
    words = json.dumps(line, ensure_ascii=False, sort_keys=True).encode("utf-8", "backslashreplace")
    os.write(handle, (b"\n" if torn else b"") + words + b"\n")
    os.fsync(handle)


def _content(handle: int) -> bytes:
    os.lseek(handle, 0, os.SEEK_SET)
    found = b""
    while chunk := os.read(handle, 1 << 20):
        found += chunk
    return found


@contextmanager
def _locked(handle: int) -> Iterator[None]:
    """Hold the log until it is closed."""
    if fcntl is not None:
        fcntl.flock(handle, fcntl.LOCK_EX)
    yield


def _who() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a user that the system has no name of
        return ""


def _hash(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()


def read_log(folder: Path) -> tuple[list[Mapping[str, Any]], list[int]] | None:
    """The lines of a log, and the numbers (from 1) of those that break the chain; ``None`` where there is no log.

    Raises
    ------
    SourceError
        If it can't be read.
    """
    path = log_path(folder)
    if not path.exists():
        return None
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise SourceError(f"{path}: can't be read ({error.strerror})") from error
    found: list[Mapping[str, Any]] = []
    broken: list[int] = []
    before = ""
    for n, line in enumerate(lines[:-1] if not lines[-1] else lines, 1):
        one = _parsed(line)
        found.append(one)
        if one.get("previous") != before:
            broken.append(n)
        before = _hash(line)
    return found, broken


def _parsed(line: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
