"""Reading the outside world: files of every format that planners hand over. Nothing read here is trusted yet.

``reading`` chooses the module of a format by the file's suffix; each such module has two functions, ``layers(path,
name)`` and ``read(request)``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qpgis.crs import Geometries
from qpgis.errors import SourceError
from qpgis.findings import Findings, Severity
from qpgis.provenance import Grade

if TYPE_CHECKING:
    import geopandas as gpd

Bounds = tuple[float, float, float, float]


@dataclass(frozen=True)
class RawFeatures:
    """Features as a file holds them: its coordinates, its attributes.

    Attributes
    ----------
    frame : GeoDataFrame
        One row a feature, a fresh 0..n-1 index; the column ``feature_id`` (text) holds the file's own ids.
    file : str
        The file's name as outputs show it.
    driver : str
        What the file was read as.
    bounds : tuple or None
        West, south, east, north as the file *states* them, in its own system; never computed from the features.
    remarks : tuple of str
        What the reading library warned of, in its own words.
    layer : str
        The layer within the file.
    encoding : str
        The encoding of its text and how it was found: ``GB18030 (DBF language driver 0x4D)``; empty where the format
        leaves no choice.
    aliases : mapping of field to text
        What the file calls its fields for people.
    domains : mapping of field to mapping of code to name
        The file's own code lists; the frame holds the codes.
    spatial : bool
        False for a table without any geometry: it can be looked at and joined, not measured.
    default_crs : bool
        True if the system is the format's own, as of GeoJSON: the file doesn't name one.
    surveyed : array of polygons or None
        In its own system: where the file has data, as far as it was read, if it says so place by place.
    """

    frame: gpd.GeoDataFrame
    file: str
    driver: str
    bounds: Bounds | None = None
    remarks: tuple[str, ...] = ()
    layer: str = ""
    encoding: str = ""
    aliases: Mapping[str, str] = field(default_factory=dict)
    domains: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    spatial: bool = True
    default_crs: bool = False
    surveyed: Geometries | None = None

    @property
    def grades(self) -> frozenset[Grade]:
        """The grades that its rows say of themselves, in a column ``grade``."""
        words = set(self.frame["grade"].dropna()) if "grade" in self.frame else set()
        return frozenset(grade for grade in Grade if grade in words)

    @property
    def states_crs(self) -> bool:
        """True if the file itself names its reference system; GeoJSON has a default and needn't."""
        return self.frame.crs is not None and not self.default_crs


@dataclass(frozen=True)
class Request:
    """One layer of one file, to be read for a purpose.

    Attributes
    ----------
    path : Path
        A regular local file, or the folder of a file geodatabase.
    name : str
        The file's name as outputs and messages show it.
    role : str
        What it is for: ``zones``, a kind of layer; empty where a file is only looked at.
    findings : Findings
        Takes what is wrong but can be read.
    layer : str, optional
        Which layer, where the file holds several.
    encoding : str, optional
        The encoding of its text, where the file doesn't say or is wrong.
    x_field, y_field, wkt_field : str, optional
        Of tables: the columns with coordinates, or with geometries as well-known text.
    crs, datum : str, optional
        The declared reference system and datum.
    window : tuple, optional
        West, south, east, north in degrees: what lies outside isn't needed. Readers of rasters heed it.
    amounts : bool
        Of rasters: cells hold amounts such as people, no classes.
    """

    path: Path
    name: str
    role: str = ""
    findings: Findings = field(default_factory=Findings)
    layer: str | None = None
    encoding: str | None = None
    x_field: str | None = None
    y_field: str | None = None
    wkt_field: str | None = None
    crs: str | None = None
    datum: str | None = None
    window: Bounds | None = None
    amounts: bool = False

    @property
    def what(self) -> str:
        """Begins a message: ``layer 'water': lakes.shp``."""
        if not self.role:
            return self.name
        return f"{'zones' if self.role == 'zones' else f'layer {self.role!r}'}: {self.name}"

    def at(self, path: Path, **changes: Any) -> Request:
        """The same request for a file elsewhere, such as one unpacked from an archive."""
        return replace(self, path=path, **changes)

    def refusal(self, why: str) -> SourceError:
        """The error that refuses the file; ``why`` names feature and remedy and begins after the file's name."""
        return SourceError(f"{self.what}: {why}")

    def note(self, severity: Severity, rule: str, *, feature_id: str = "", value: str = "", **words: object) -> None:
        """Enter a fault that doesn't keep the file from being read."""
        about = {"layer": self.role, "file": self.name, "feature_id": feature_id, "value": value}
        self.findings.add(severity, rule, **about, **words)  # type: ignore[arg-type]


def regular_file(path: Path, *, what: str) -> Path:
    """The path, if it is a regular local file.

    Raises
    ------
    SourceError
        If it isn't there, or is a folder, a device or a pipe.
    """
    if not path.exists():
        if remote(str(path)):
            raise SourceError(f"{what}: {path} isn't a local file; qpgis reads no other (qpgis fetch gets remote data)")
        near = sorted(p.name for p in path.parent.glob(f"*{path.suffix}")) if path.parent.is_dir() else []
        hint = f"; there is: {', '.join(near[:5])}" if near else ""
        raise SourceError(f"{what}: file {path} doesn't exist{hint}")
    if not path.is_file():
        raise SourceError(f"{what}: {path} is no regular file")
    if path.stat().st_size == 0:
        raise SourceError(f"{what}: {path} is empty (0 bytes); export it again")
    return path


def remote(path: str) -> bool:
    """True for what GDAL would take for a connection or a virtual file.

    >>> remote("/vsicurl/http://x/y.shp"), remote("PG:dbname=x"), remote("data/water.shp")
    (True, True, False)
    """
    head = path.split("/", 1)[0]
    return path.startswith("/vsi") or ":/" in path or (":" in head and len(head.partition(":")[0]) > 1)
