"""A file under a plain name in a folder of its own: libraries stumble over names, or write beside what they read."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def aside(path: Path, *companions: Path) -> Iterator[Path]:
    """A link to a file, called ``data`` with its suffix, in a temporary folder; so are its companions.

    GDAL takes ``!`` in a path for an archive and repairs indexes beside the input; here neither matters.
    """
    with tempfile.TemporaryDirectory(prefix="qpgis-") as folder:
        home = Path(folder) / f"data{path.suffix.lower()}"
        for one in (path, *companions):
            link(one, home.with_suffix(one.suffix.lower()))
        yield home


def link(path: Path, place: Path) -> None:
    """A symbolic link to a file or folder; a copy where the system has no links for users."""
    try:
        place.symlink_to(path.absolute(), target_is_directory=path.is_dir())
    except OSError:
        (shutil.copytree if path.is_dir() else shutil.copyfile)(path, place)
