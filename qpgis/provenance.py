"""Where data come from and how good they are; hashes; writing files whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from qpgis.catalogue import data_dir, text
from qpgis.errors import OutputError, SourceError

try:
    import fcntl
except ImportError:  # Windows has no such locks: there, don't run twice into one folder at once
    fcntl = None  # type: ignore[assignment]


class Grade(StrEnum):
    """How good data are, best first; the last three are never shown without the word."""

    OFFICIAL = "official"
    SURVEYED = "surveyed"
    OPEN = "open"
    MODELLED = "modelled"
    SCHEMATIC = "schematic"
    SYNTHETIC = "synthetic"

    @property
    def must_be_said(self) -> bool:
        """True for grades that a map, table or report has to spell out."""
        return self in (Grade.MODELLED, Grade.SCHEMATIC, Grade.SYNTHETIC)


def grade_words() -> str:
    """The grades, each with what outputs call it in Chinese: ``official (官方), ...``."""
    return ", ".join(f"{grade} ({text(f'grade_{grade}')})" for grade in Grade)


_RANK = {grade: rank for rank, grade in enumerate(Grade)}


def worst(grades: Iterable[Grade]) -> Grade | None:
    """The worst of several grades, ``None`` of none.

    >>> worst([Grade.OPEN, Grade.SCHEMATIC, Grade.OFFICIAL]).value
    'schematic'
    """
    return max(grades, key=_RANK.__getitem__, default=None)


class Secrecy(StrEnum):
    """Who may see data, the least strict first; also written 公开, 内部, 涉密."""

    PUBLIC = "public"
    INTERNAL = "internal"
    SECRET = "secret"

    @classmethod
    def _missing_(cls, value: object) -> Secrecy | None:
        return next((one for one in cls if value == text(f"secrecy_{one}")), None)

    def within(self, limit: Secrecy) -> bool:
        """True if it is no stricter than another level."""
        return _STRICTNESS[self] <= _STRICTNESS[limit]


_STRICTNESS = {level: rank for rank, level in enumerate(Secrecy)}


def strictest(levels: Iterable[Secrecy]) -> Secrecy:
    """The strictest of several levels; what nothing is known of is public.

    >>> strictest([Secrecy.INTERNAL, Secrecy("公开")]).value
    'internal'
    """
    return max(levels, key=_STRICTNESS.__getitem__, default=Secrecy.PUBLIC)


def secrecy_words() -> str:
    """The levels of secrecy, each with what outputs call it in Chinese: ``public (公开), ...``."""
    return ", ".join(f"{level} ({text(f'secrecy_{level}')})" for level in Secrecy)


class Audience(StrEnum):
    """Whom outputs are for."""

    PUBLIC = "public"
    LEADER = "leader"
    INTERNAL = "internal"

    @property
    def features(self) -> Secrecy:
        """The strictest level of features that it may see; secret ones stand in no output."""
        return Secrecy.INTERNAL if self is Audience.INTERNAL else Secrecy.PUBLIC

    @property
    def values(self) -> Secrecy:
        """The strictest level of what values of zones that it may see are computed from."""
        return _VALUES[self]


_VALUES = {Audience.PUBLIC: Secrecy.PUBLIC, Audience.LEADER: Secrecy.INTERNAL, Audience.INTERNAL: Secrecy.SECRET}


@dataclass(frozen=True)
class Source:
    """Where a layer's features come from.

    Attributes
    ----------
    file : str
        The file's name as outputs show it: relative, never an absolute path.
    grade : Grade
        How good the data are, as the workspace declares it.
    name, licence, date : str
        Title, licence and date of the source, empty where unknown.
    sha256 : str
        Hash of the file's bytes.
    secrecy : Secrecy
        Who may see its features.
    """

    file: str
    grade: Grade
    name: str = ""
    licence: str = ""
    date: str = ""
    sha256: str = ""
    secrecy: Secrecy = Secrecy.INTERNAL

    def __str__(self) -> str:
        return " ".join(part for part in (self.name or self.file, f"({self.licence})" if self.licence else "") if part)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes; of a shapefile, those of all its parts in order of their suffixes.

    Of a file geodatabase, which is a folder, those of its files in order of their names; locks come and go.
    """
    digest = hashlib.sha256()
    for part in parts_of(path):
        try:
            with part.open("rb") as stream:
                while chunk := stream.read(1 << 20):
                    digest.update(chunk)
        except OSError as error:
            raise SourceError(f"{part}: can't be read ({error.strerror})") from error
    return digest.hexdigest()


@dataclass(frozen=True)
class Stamp:
    """What a file was when it was read.

    Attributes
    ----------
    sha256 : str
        Of its content; empty where there is no such file.
    times : tuple of int
        Size and times of change of each of its parts: as long as they are the same, so is the content. Whoever writes
        a file may put the first of them back, not the second.
    """

    sha256: str
    times: tuple[tuple[int, int, int], ...] = field(compare=False)

    @classmethod
    def at(cls, path: Path, sha256: str | None = None) -> Stamp:
        """A file as it is now.

        Parameters
        ----------
        path : Path
        sha256 : str, optional
            Of its content, where that is known.
        """
        if not path.exists():
            return cls("", ())
        return cls(sha256_of(path) if sha256 is None else sha256, _times(path))

    def of(self, path: Path) -> Stamp:
        """The file as it is now, read again only if it was written since."""
        same = path.exists() and _times(path) == self.times
        return self if same else Stamp.at(path)


def _times(path: Path) -> tuple[tuple[int, int, int], ...]:
    found = (part.stat() for part in parts_of(path))
    return tuple((one.st_size, one.st_mtime_ns, one.st_ctime_ns) for one in found)


def seal(manifest: Mapping[str, Any]) -> str:
    """The hash of what a manifest says, which it holds itself: an edited one is told from what was written."""
    said = {key: value for key, value in manifest.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(said, ensure_ascii=False, sort_keys=True).encode()).hexdigest()


SHAPEFILE = (".cpg", ".dbf", ".prj", ".shp", ".shx")


def parts_of(path: Path) -> list[Path]:
    """The files that a dataset is made of; suffixes in any case, locks of a geodatabase left out."""
    if path.is_dir():
        return sorted(part for part in path.rglob("*") if part.is_file() and part.suffix.lower() != ".lock")
    if path.suffix.lower() != ".shp":
        return [path]
    beside = (part for part in path.parent.iterdir() if part.stem == path.stem and part.suffix.lower() in SHAPEFILE)
    return sorted(beside, key=lambda part: (part.suffix.lower(), part.suffix))


DECIDING_DATA = ("catalogue", "crosswalks", "plans", "schemes", "styles")
"""The folders of ``data/`` that decide what outputs say; the others are inputs like any file."""


DECIDING_LIBRARIES = (
    *("ezdxf", "geopandas", "numba", "numpy", "openpyxl", "osmium", "pandas", "pyarrow", "pyogrio", "pyproj"),
    *("rasterio", "scipy", "shapely"),
)
"""The libraries whose version can change a digit."""


def code_sha256() -> str:
    """SHA-256 of the program itself: its code, and the data that decide what outputs say; line ends don't count."""
    import qpgis

    package, data = Path(qpgis.__file__).parent, Path(str(data_dir()))
    files = {f"qpgis/{path.relative_to(package).as_posix()}": path for path in package.rglob("*.py")}
    files |= {f"static/{path.name}": path for path in package.joinpath("maps", "static").iterdir()}
    for folder in DECIDING_DATA:
        files |= {f"data/{folder}/{path.name}": path for path in data.joinpath(folder).iterdir()}
    digest = hashlib.sha256()
    for name, path in sorted(files.items()):
        content = hashlib.sha256(path.read_bytes().replace(b"\r\n", b"\n")).hexdigest()
        digest.update(f"{name} {content}\n".encode())
    return digest.hexdigest()


FIXED_TIME = datetime(2000, 1, 1)
"""Stands wherever a file format insists on a time; outputs know no clock."""


@contextmanager
def dateless_gpkg(path: Path) -> Iterator[Path]:
    """Where to write a GeoPackage that is to stand at ``path``: GDAL dates it with :data:`FIXED_TIME`.

    GDAL takes ``!`` in a path for an archive, so the file is written elsewhere and copied.
    """
    import pyogrio
    from pyogrio.errors import DataLayerError, DataSourceError

    option = "OGR_CURRENT_DATE"
    before = pyogrio.get_gdal_config_option(option)
    pyogrio.set_gdal_config_options({option: FIXED_TIME.strftime("%Y-%m-%dT%H:%M:%S.000Z")})
    try:
        with tempfile.TemporaryDirectory() as elsewhere:
            yield Path(elsewhere) / path.name
            shutil.copyfile(Path(elsewhere) / path.name, path)
    except (DataLayerError, DataSourceError) as error:
        why = " ".join(str(error).split())
        raise OutputError(f"{path.name}: writing failed ({why}); the old outputs are untouched") from error
    finally:
        pyogrio.set_gdal_config_options({option: before})


def require_rows(gpkg: Path, layer: str, count: int, placed: int | None = None) -> None:
    """Make sure that a GeoPackage has arrived whole: where a disk fills up, GDAL may leave out rows and say nothing.

    Parameters
    ----------
    gpkg : Path
    layer : str
    count : int
        How many rows it has.
    placed : int, optional
        How many of them have a geometry; all by default.

    Raises
    ------
    OutputError
        If it is damaged, or lacks rows or entries of the spatial index, which is written last.
    """
    import sqlite3

    try:
        with closing(sqlite3.connect(gpkg)) as base:
            sound = base.execute("PRAGMA quick_check").fetchone() == ("ok",)
            columns = base.execute("SELECT column_name FROM gpkg_geometry_columns WHERE table_name = ?", (layer,))
            tables = [layer, *(f"rtree_{layer}_{column}_rowid" for (column,) in columns)]
            found = [base.execute(f'SELECT COUNT(*) FROM "{table}"').fetchone()[0] for table in tables]
    except sqlite3.Error as error:
        raise OutputError(f"{gpkg.name}: came out damaged ({error}); the old outputs are untouched") from error
    wanted = [count, *([count if placed is None else placed] * (len(tables) - 1))]
    if not sound or found != wanted:
        raise OutputError(f"{gpkg.name}: came out with {min(found)} of {count} rows; the old outputs are untouched")


LEAST_FREE_BYTES = 1 << 20
"""With less than that on the disk nothing is begun."""


def require_writable(*outputs: Path) -> None:
    """Refuse before hours of computing what couldn't be written after them; nothing is made or changed.

    Raises
    ------
    OutputError
        If a folder can't be written or is on a full disk, or if an output would stand where no file is.
    """
    for folder in dict.fromkeys(path.parent for path in outputs):
        try:
            home = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
            reason = _unwritable(home)
        except OSError as error:
            reason = str(error.strerror)
        if reason:
            raise OutputError(f"{folder}: can't be written ({reason}); choose another folder")
    if taken := [str(path) for path in outputs if path.exists() and not path.is_file()]:
        raise OutputError(f"{', '.join(taken)}: there is something that is no file; choose another place")
    for folder in dict.fromkeys(path.parent for path in outputs):
        period, published = _published(folder)
        if taken := [path.name for path in outputs if path.parent == folder and path.name in published]:
            raise OutputError(
                f"{folder} holds what was published of the frozen period {period} ({', '.join(taken)}), which stays "
                "as it is; choose another folder"
            )


def _published(folder: Path) -> tuple[str, set[str]]:
    """The period whose published outputs a folder holds, and their names: a frozen manifest says so."""
    try:
        found = json.loads((folder / "manifest.json").read_text("utf-8"))
        return (str(found["period"]), {"manifest.json", *found["outputs"]}) if found["frozen"] is True else ("", set())
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return "", set()


def _unwritable(folder: Path) -> str:
    """Why nothing can be written into a folder; empty if it can."""
    if not folder.is_dir():
        return f"{folder} is no folder"
    if not os.access(folder, os.W_OK | os.X_OK):
        return "it is read-only, or not yours"
    free = shutil.disk_usage(folder).free
    return f"the disk is full, {free:,} bytes are left" if free < LEAST_FREE_BYTES else ""


def spare(inputs: Iterable[Path], outputs: Iterable[Path]) -> None:
    """Refuse to write over what was read.

    Raises
    ------
    OutputError
        If an output is one of the inputs.
    """
    places = {path.parent.resolve() / path.name for path in outputs}
    if taken := [str(p) for p in inputs if {p.resolve(), p.parent.resolve() / p.name} & places]:
        raise OutputError(f"{', '.join(taken)} would be written over; choose another folder with --out")


@contextmanager
def staged_outputs(folder: Path, *, without: Callable[[], Iterable[str]] = tuple) -> Iterator[Path]:
    """A temporary folder inside ``folder`` whose files replace those in ``folder`` only if nothing failed.

    The files are moved one by one in order of their names, ``manifest.json`` last, each by an atomic rename, so a
    reader finds each file old or new and whole. Runs into the same folder move their files one after the other. What a
    killed run left behind is removed first. What ``without`` names, asked when it is our turn, goes as the others come.

    Raises
    ------
    OutputError
        If the folder can't be made or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder):
            _remove_leftovers(folder)
            stage = Path(tempfile.mkdtemp(prefix=".qpgis-", suffix=".partial", dir=folder))
            claim = _claim(stage)
    except OSError as error:
        raise OutputError(f"{folder}: can't be written ({error.strerror}); choose another folder with --out") from error
    try:
        yield stage
        finished = sorted(stage.iterdir(), key=lambda p: (p.name == "manifest.json", p.name))
        _check_whole(finished, folder)
        with _locked(folder):
            for gone in (folder / name for name in without()):
                gone.unlink(missing_ok=True)
            for path in finished:
                path.replace(folder / path.name)
            _sync(folder)
    except OSError as error:
        if isinstance(error, OutputError | SourceError):
            raise
        reason = error.strerror or error
        raise OutputError(f"{folder}: writing failed ({reason}); the old outputs are untouched") from error
    finally:
        os.close(claim)
        shutil.rmtree(stage, ignore_errors=True)


def _check_whole(finished: list[Path], folder: Path) -> None:
    """Open every file again, bring it to the disk, and make sure that it can take its place."""
    for path in finished:
        if path.suffix in (".xlsx", ".docx"):
            with zipfile.ZipFile(path) as archive:
                damaged = archive.testzip() is not None
        else:
            with path.open("rb") as stream:
                damaged = not stream.read(1)
        if damaged:
            raise OutputError(f"{path.name}: came out damaged; the old outputs are untouched")
        _sync(path)
    require_writable(*(folder / path.name for path in finished))


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold a folder's lock, waiting for it; the system frees it if the process dies."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        if fcntl is not None:
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _claim(stage: Path) -> int:
    """Lock a temporary folder for as long as the returned handle is open: its owner lives."""
    handle = os.open(stage, os.O_RDONLY)
    if fcntl is not None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return handle


def _remove_leftovers(folder: Path) -> None:
    """Remove the temporary folders whose owners are dead."""
    for leftover in folder.glob(".qpgis-*.partial"):
        try:
            handle = _claim(leftover)
        except OSError:
            continue  # another run is at work in it
        os.close(handle)
        shutil.rmtree(leftover, ignore_errors=True)
