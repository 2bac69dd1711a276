"""Zip archives: unpacked safely into a folder of their own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def unpacked(path: Path, name: str) -> Iterator[Path]:
    """A temporary folder with the archive's members."""
    raise NotImplementedError
    yield path
