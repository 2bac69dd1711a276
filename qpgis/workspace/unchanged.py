"""What was read of files that haven't changed since, kept beside other results: reading again gives the very same."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import shapely

from qpgis.area import StudyArea
from qpgis.errors import SourceError
from qpgis.findings import COLUMNS, Finding, Findings, Ids, Severity
from qpgis.kept import Codec, Store, decoded_layers, encoded_layers, libraries
from qpgis.layers import Layer, Ledger, State
from qpgis.provenance import Grade, Secrecy, code_sha256, parts_of, sha256_of
from qpgis.quality.datum import embedded_reference
from qpgis.sources.osm import is_osm
from qpgis.sources.reading import ARCHIVES, FORMATS, GEODATABASE
from qpgis.workspace import InputFile

Value = TypeVar("Value")
EXACT = frozenset({"str", "float64", "int64", "bool", *(f"datetime64[{unit}]" for unit in ("ms", "us", "ns"))})
"""The columns that are sure to come back from the disk as they were."""
OTHER_DATA = frozenset({*FORMATS, *ARCHIVES, ".qgz", ".qgs"} - {".dbf"})
"""Files of these suffixes are no companions of one that is called alike."""


@dataclass(frozen=True)
class ReadLayer:
    """All that reading the file of a layer gives.

    Attributes
    ----------
    layer : Layer
    ledger : Ledger
    inputs : mapping
        The files that it was read from, as :class:`qpgis.workspace.loading.Reader` keeps them.
    """

    layer: Layer
    ledger: Ledger
    inputs: dict[tuple[str, ...], InputFile]


@dataclass(frozen=True)
class Unchanged:
    """What was found out before, by the content of all that it was found out of.

    Attributes
    ----------
    store : Store or None
        Where it is kept; ``None`` where nothing is.
    """

    store: Store | None = None

    def found(
        self,
        codec: Codec,
        of: str | None,
        findings: Findings,
        compute: Callable[[Findings], Value],
        *,
        lasting: Callable[[Value], bool] = lambda value: True,
    ) -> Value:
        """What was found before and the findings on the way, or what is found now.

        Parameters
        ----------
        codec : Codec
        of : str or None
            All that it depends on but program, libraries and language; ``None`` where that isn't known.
        findings : Findings
            Takes the findings.
        compute : callable
            Finds it; takes what its findings go into.
        lasting : callable, optional
            Whether what was found may be kept.
        """
        if self.store is None or of is None:
            return compute(findings)
        said = "\n".join((self._program, findings.lang, codec.what, of))
        name = hashlib.sha256(said.encode()).hexdigest()
        stored = self.store.get(name)
        if stored is not None:
            head, _, body = stored.partition(b"\n")
            for finding in map(_finding, json.loads(head)):
                findings.put(finding)
            return codec.decode(body)
        own = Findings(findings.lang)
        value = compute(own)
        for finding in own.made:
            findings.put(finding)
        if lasting(value):
            head = json.dumps([_said(one) for one in own.made], ensure_ascii=False).encode()
            self.store.put(name, head + b"\n" + codec.encode(value))
        return value

    def findings(self, what: str, of: Callable[[], str], into: Findings, check: Callable[[Findings], None]) -> None:
        """The findings of a check; what it is of is only asked for where it matters."""
        self.found(Codec(what, _nothing, _none), None if self.store is None else of(), into, check)

    @cached_property
    def _program(self) -> str:
        return f"{code_sha256()}\n{libraries()}"

    def close(self) -> None:
        """Let go of the file."""
        if self.store is not None:
            self.store.close()


def _nothing(value: None) -> bytes:
    return b""


def _none(stored: bytes) -> None:
    return None


def _said(finding: Finding) -> list[Any]:
    """A finding as text, and which of its fields list only some of the ids that they are about."""
    fields = [getattr(finding, name) for name in COLUMNS]
    return [*map(str, fields), [(n, one.every) for n, one in enumerate(fields) if isinstance(one, Ids)]]


def _finding(said: list[Any]) -> Finding:
    *fields, lists = said
    for n, every in lists:
        fields[n] = Ids(fields[n])
        fields[n].every = tuple(every)
    return Finding(Severity(fields[0]), *fields[1:])


class Files:
    """The files that something is read from, with all that stands beside them and belongs to them.

    Parameters
    ----------
    paths : iterable of Path
    sha256 : callable
        Gives the hash of one of them.
    """

    def __init__(self, paths: Iterable[Path], sha256: Callable[[Path], str]) -> None:
        self._paths = tuple(paths)
        self._times: list[tuple[str, int, int]] | None = None
        self.content: str | None = None
        with suppress(OSError, SourceError):  # what can't be read is for the readers to tell, if they need it
            self._times = self._now()
            self.content = self._content(sha256) if self._times is not None else None

    def same(self) -> bool:
        """True if none was written since."""
        with suppress(OSError):
            return self._now() == self._times
        return False

    def _content(self, sha256: Callable[[Path], str]) -> str:
        """Names and hashes of all files."""
        said = []
        for path in self._paths:
            sizes = [(part.name, part.stat().st_size) for part in parts_of(path)]
            beside = [(one.name, sha256_of(one)) for one in companions(path)]
            said.append(repr((sha256(path), sizes, beside)))
        return "\n".join(said)

    def _now(self) -> list[tuple[str, int, int]] | None:
        """Size and time of every file; ``None`` where one isn't there, or is no file."""
        if not all(_is_data(path) for path in self._paths):
            return None
        every = (part for path in self._paths for part in (*parts_of(path), *companions(path)))
        return [(one.name, (stat := one.stat()).st_size, stat.st_mtime_ns) for one in every]


def _is_data(path: Path) -> bool:
    """True for a regular file, or a file geodatabase, that holds one source and nothing else."""
    return not is_osm(path) and (path.is_file() or (path.is_dir() and path.suffix.lower() == GEODATABASE))


def companions(path: Path) -> list[Path]:
    """The files beside one that readers may take for parts of it, as they bear its name: .prj, .tfw, -wal, ..."""
    if path.is_dir():
        return []
    stem, parts = f"{path.stem.casefold()}.", {one.name for one in parts_of(path)}
    with os.scandir(path.parent) as entries:
        names = sorted(one.name for one in entries if one.name.casefold().startswith(stem) and one.is_file())
    others = (name for name in names if name not in parts)
    return [path.parent / name for name in others if Path(name).suffix.lower() not in OTHER_DATA]


def content_of_area(area: StudyArea, state: State) -> str:
    """SHA-256 of all that reading a layer takes from its area, and of the state that it is cut to."""
    about = (content_of_zones(area), str(state), state.since, state.until)
    digest = hashlib.sha256(repr(about).encode())
    for known in embedded_reference():  # data, which the hash of the program leaves out
        digest.update(repr((known.kind, known.accuracy_m, known.names)).encode())
        digest.update(b"".join(shapely.to_wkb(known.geometry)))
    return digest.hexdigest()


def content_of_zones(area: StudyArea) -> str:
    """SHA-256 of the zones that are measured by themselves, and of the plane that they lie in."""
    digest = hashlib.sha256(f"{area.plane} {area.plane.definition}".encode())
    for zones in area.measured:
        digest.update(repr((zones.ids, zones.level, zones.overlapping, replace(zones.source, sha256=""))).encode())
        for shapes in (zones.geometry, zones.lonlat):
            digest.update(b"".join(shapely.to_wkb(shapes)))
    return digest.hexdigest()


def comes_back(layer: Layer) -> bool:
    """True if every column of a layer is sure to come back from the disk as it was."""
    return {str(kind) for kind in layer.frame.dtypes} <= EXACT


def _encoded(read: ReadLayer) -> bytes:
    layer = read.layer
    about = {
        "ledger": asdict(read.ledger),
        "inputs": [[list(key), asdict(one)] for key, one in read.inputs.items()],
        "sha256": layer.source.sha256,
        "content": layer.content,
    }
    return json.dumps(about, ensure_ascii=False).encode() + b"\n" + encoded_layers((layer,))


def _decoded(stored: bytes) -> ReadLayer:
    head, _, body = stored.partition(b"\n")
    about = json.loads(head)
    (bare,) = decoded_layers(body)
    layer = replace(bare, source=replace(bare.source, sha256=about["sha256"]))
    layer.__dict__["content"] = about["content"]  # hashing it again would take as long as reading it
    inputs = {tuple(key): InputFile(**said) for key, said in about["inputs"]}
    graded = {
        key: replace(one, grade=one.grade and Grade(one.grade), secrecy=Secrecy(one.secrecy))
        for key, one in inputs.items()
    }
    return ReadLayer(layer, Ledger(**about["ledger"]), graded)


READ_LAYER = Codec("read layer", _encoded, _decoded)
