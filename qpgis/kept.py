"""What was computed, kept on disk under the hash of all that it depends on, so that the next run finds it.

One SQLite file: runs that go on at once see whole entries or none, and what a killed run hadn't finished isn't there.
Every entry has its own hash; a damaged one, or a damaged file, is discarded and computed again. Nothing in it is code.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import io
import json
import platform
import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator, MutableMapping
from contextlib import closing, suppress
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import shapely

from qpgis.amounts import Amount, Outcome
from qpgis.area import StudyArea, ZoneSet
from qpgis.errors import NoSuchBorder, OutputError, UnknownBeyond
from qpgis.kernels import Mask
from qpgis.layers import Layer
from qpgis.parts import Part, PerZone, content_of
from qpgis.provenance import DECIDING_LIBRARIES, Grade, Secrecy, Source, code_sha256
from qpgis.zonewise import Deciding, zonewise

Value = TypeVar("Value")
TABLE = "kept (name TEXT PRIMARY KEY, value BLOB, sha256 BLOB, run INTEGER)"
INDEX = "kept_by_run ON kept (run)"
RUNS = 30
"""What so many runs haven't used is dropped."""
LARGE, LARGE_RUNS = 1_000_000, 5
"""Of more bytes than that, what these runs haven't used."""
LARGEST = 500_000_000
"""Larger ones aren't kept; SQLite takes no more than twice as many bytes."""
PATIENCE_S = 5.0
"""So long a run waits for another that is writing; then it does without."""
OTHERS_FAULT = frozenset(
    {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_FULL}
    | {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_PERM}
)
"""Errors that say nothing against the file: it is done without."""
REFUSED = b"refused "
REFUSALS = {one.__name__: one for one in (NoSuchBorder, UnknownBeyond)}
"""Why something can't be computed that is only found out by computing it."""
UNNAMED = re.compile(r"@[0-9a-f]{64}")
"""In a text that names layers: one that isn't known by its content."""


class Store:
    """Bytes by name in one file, which may be missing, read-only or damaged: then nothing is found, nothing kept.

    Parameters
    ----------
    path : Path
        The file; its folder is made when something is kept.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._new: dict[str, bytes] = {}
        self._used: set[str] = set()
        self._run: int | None = None

    def get(self, name: str) -> bytes | None:
        """What is kept under a name, ``None`` where there is nothing, or it is damaged."""
        if name in self._new:
            return self._new[name]
        if self._reading is None:
            return None
        try:
            row = self._reading.execute("SELECT value, sha256 FROM kept WHERE name = ?", (name,)).fetchone()
        except (sqlite3.Error, ValueError):  # bytes that are no text
            return None
        if row is None or not isinstance(row[0], bytes) or _seal(name, row[0]) != row[1]:
            return None
        self._used.add(name)
        return row[0]

    def put(self, name: str, value: bytes) -> None:
        """Keep something with the next :meth:`flush`."""
        if len(value) <= LARGEST:
            self._new[name] = value

    def flush(self) -> None:
        """Write what is new, note what was used, drop what no run has used for long; all of it or nothing."""
        if not (self._new or self._used):
            return
        with suppress(OSError, sqlite3.Error):
            self._mended(self._write)
        self._new, self._used = {}, set()
        self.close()

    def _write(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with closing(self._writing()) as base:
            base.execute("BEGIN IMMEDIATE")
            base.execute(f"CREATE TABLE IF NOT EXISTS {TABLE}")
            base.execute(f"CREATE INDEX IF NOT EXISTS {INDEX}")
            run = self._run = _last_run(base) + 1 if self._run is None else self._run
            rows = ((name, value, _seal(name, value), run) for name, value in self._new.items())
            base.executemany("INSERT OR REPLACE INTO kept VALUES (?, ?, ?, ?)", rows)
            base.executemany("UPDATE kept SET run = ? WHERE name = ?", ((run, name) for name in self._used))
            base.execute("DELETE FROM kept WHERE run <= ?", (run - RUNS,))
            base.execute("DELETE FROM kept WHERE run <= ? AND length(value) > ?", (run - LARGE_RUNS, LARGE))
            base.execute("COMMIT")

    def prune(self, *, keep_runs: int = 1) -> int:
        """Drop what the last runs haven't used, and give the room back; how many entries were dropped.

        Raises
        ------
        OutputError
            If the file can't be written, or another run is writing it.
        """

        def drop() -> int:
            if not self.path.exists():
                return 0
            with closing(self._writing()) as base:
                dropped = base.execute("DELETE FROM kept WHERE run <= ?", (_last_run(base) - keep_runs,)).rowcount
                base.execute("VACUUM")
            return int(dropped)

        self.close()
        try:
            return self._mended(drop)
        except (OSError, sqlite3.Error) as error:
            raise OutputError(f"{self.path}: can't be pruned ({error}); try again when no run is writing it") from error

    def _mended(self, work: Callable[[], Value]) -> Value:
        """What comes of work on the file; a damaged one is thrown away, and the work begun anew."""
        try:
            return work()
        except (sqlite3.DatabaseError, ValueError, TypeError) as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF in OTHERS_FAULT:
                raise
            self.close()
            for ending in ("-journal", "-wal", "-shm", ""):  # a journal would be played into the new file
                Path(f"{self.path}{ending}").unlink(missing_ok=True)
            return work()

    def _writing(self) -> sqlite3.Connection:
        return sqlite3.connect(self.path, timeout=PATIENCE_S, isolation_level=None)

    @cached_property
    def _reading(self) -> sqlite3.Connection | None:
        """Open for reading; ``None`` where there is nothing to read."""
        if not self.path.exists():
            return None
        try:
            return sqlite3.connect(f"{self.path.absolute().as_uri()}?mode=ro", uri=True, timeout=PATIENCE_S)
        except sqlite3.Error:
            return None

    def close(self) -> None:
        """Let go of the file until something is looked up again, which may be in another thread."""
        reading = self.__dict__.pop("_reading", None)
        if reading is not None:
            reading.close()


def _last_run(base: sqlite3.Connection) -> int:
    return int(base.execute("SELECT COALESCE(MAX(run), 0) FROM kept").fetchone()[0])


def _seal(name: str, value: bytes) -> bytes:
    """The hash of an entry; with its name, as a damaged index may lead to another's."""
    return hashlib.sha256(name.encode() + b"\0" + value).digest()


def libraries() -> str:
    """What can change a digit beside the program: Python, the machine, versions of libraries."""
    versions = (f"{name} {importlib.metadata.version(name)}" for name in DECIDING_LIBRARIES)
    machine = f"{platform.python_version()} {platform.machine()} GEOS {shapely.geos_version_string}"
    return "\n".join((machine, *versions))


class Codec(NamedTuple):
    """How one kind of result becomes bytes, and is made of them again.

    Attributes
    ----------
    what : str
        Names the kind, in the name that a result is kept under.
    """

    what: str
    encode: Callable[[Any], bytes]
    decode: Callable[[bytes], Any]


class Kept:
    """Results of one study area by the content of all that they depend on: code, libraries, zones, layers, settings.

    Parameters
    ----------
    store : Store
    area : StudyArea
    layers : iterable of Layer
        Those of the workspace.
    own_code : iterable of str
        The hashes of its own Python files: what they make of layers, keys needn't tell.
    """

    def __init__(self, store: Store, area: StudyArea, layers: Iterable[Layer], own_code: Iterable[str] = ()) -> None:
        self.store = store
        self._own_code = tuple(own_code)
        self._area = area
        self._layers = tuple(layers)
        self._sets: dict[int, str] = {}
        self._deciding: dict[int, Deciding] = {}

    def is_of(self, layers: Iterable[Layer]) -> bool:
        """True if these are the very layers that results are kept of."""
        return tuple(map(id, layers)) == tuple(map(id, self._layers))

    def name(self, what: str, of: object, zones: ZoneSet | None = None) -> str | None:
        """What a result is kept under; ``None`` where it depends on a layer that isn't known by its content.

        Parameters
        ----------
        what : str
        of : Part, PerZone, Expression
        zones : ZoneSet, optional
            The zones that it is of; the whole area by default.
        """
        said = _renamed(content_of(of), self._contents)
        if UNNAMED.search(said):
            return None
        about = "\n".join((self._base, what, "" if zones is None else self.content_of_zones(zones), said))
        return hashlib.sha256(about.encode()).hexdigest()

    def content_of_zones(self, zones: ZoneSet) -> str:
        """SHA-256 of zones: their ids, borders, and whether they may overlap."""
        if id(zones) not in self._sets:
            content = hashlib.sha256(repr((zones.ids, zones.overlapping)).encode())
            content.update(b"".join(shapely.to_wkb(zones.geometry)))
            self._sets[id(zones)] = content.hexdigest()
        return self._sets[id(zones)]

    def known(self, codec: Codec, of: Part | PerZone, zones: ZoneSet) -> list[str | None]:
        """What is kept of each zone's result, as text; ``None`` where nothing is. Also raises why there can be none."""
        name = self.name(codec.what, of, zones)
        stored = None if name is None else self.store.get(name)
        if stored is not None:
            _refuse(stored)
            found = codec.decode(stored)
            return list(map(str, found[0] if isinstance(of, Part) else found))
        if not (isinstance(of, Part) and zonewise(of, zones)):
            return [None] * len(zones)
        return [None if one is None else one.decode() for one in map(self.store.get, self._names(of, zones))]

    def _names(self, part: Part, zones: ZoneSet) -> list[str]:
        """What the sum of each zone is kept under."""
        deciding = self._deciding.setdefault(id(zones), Deciding(zones))
        return deciding.names(part, f"{self._base}\n{self.content_of_zones(zones)}")

    def layers(self, what: str, of: object, compute: Callable[[], tuple[Layer, ...]]) -> tuple[Layer, ...]:
        """Features that were found, as they are kept, or found and kept; their keys tell of the layers of today."""
        back = [(content, key) for key, content in self._contents]

        def encode(layers: tuple[Layer, ...]) -> bytes:
            return encoded_layers(tuple(replace(one, key=_renamed(one.key, self._contents)) for one in layers))

        def decode(stored: bytes) -> tuple[Layer, ...]:
            return tuple(replace(one, key=_renamed(one.key, back)) for one in decoded_layers(stored))

        return self.found(Codec(what, encode, decode), of, None, compute)

    def found(self, codec: Codec, of: object, zones: ZoneSet | None, compute: Callable[[], Value]) -> Value:
        """A result as it is kept, or computed and kept; also that it can't be computed."""
        name = self.name(codec.what, of, zones)
        stored = None if name is None else self.store.get(name)
        if stored is not None:
            _refuse(stored)
            return codec.decode(stored)
        try:
            value = compute()
        except tuple(REFUSALS.values()) as reason:
            if name is not None:
                self.store.put(name, REFUSED + _text([type(reason).__name__, reason.layer]))
            raise
        if name is not None:
            self.store.put(name, codec.encode(value))
        return value

    def made(self, codec: Codec, content: str, make: Callable[[], Value]) -> Value:
        """What is made of nothing but some content, as it is kept, or made and kept."""
        name = hashlib.sha256("\n".join((self._program, codec.what, content)).encode()).hexdigest()
        stored = self.store.get(name)
        if stored is not None:
            return codec.decode(stored)
        value = make()
        self.store.put(name, codec.encode(value))
        return value

    def by_zone(
        self, part: Part, zones: ZoneSet, compute: Callable[[list[int], Mask], tuple[list[int], list[int]]]
    ) -> tuple[list[int], list[int]]:
        """Sums and features done again, zone by zone as they are kept, or computed and kept.

        Parameters
        ----------
        part : Part
            One that is :func:`qpgis.zonewise.zonewise`.
        zones : ZoneSet
        compute : callable
            Takes the zones that are missing and the features that decide them; gives the sums of all zones, of which
            those of the others aren't looked at.
        """
        names = self._names(part, zones)
        stored = [self.store.get(name) for name in names]
        sums = [0 if one is None else int(one) for one in stored]
        missing = [n for n, one in enumerate(stored) if one is None]
        if not missing:
            return sums, []
        computed, redone = compute(missing, self._deciding[id(zones)].only(part, missing))
        for n in missing:
            sums[n] = computed[n]
            if not redone:  # rare, and which zone it was isn't known: then only the whole is kept
                self.store.put(names[n], str(sums[n]).encode())
        return sums, redone

    @cached_property
    def wholes(self) -> KeptOutcomes:
        """What zones come to as wholes, by the hash of all that it depends on but code and libraries."""
        return KeptOutcomes(self.store, self._base)

    @cached_property
    def code(self) -> str:
        """The hashes of all code that decides results: the program's, and the workspace's own."""
        return " ".join((code_sha256(), *self._own_code))

    @cached_property
    def _program(self) -> str:
        return f"{self.code}\n{libraries()}"

    @cached_property
    def _base(self) -> str:
        plane = self._area.plane
        return "\n".join((self._program, str(plane), plane.definition, self.content_of_zones(self._area.base)))

    @cached_property
    def _contents(self) -> list[tuple[str, str]]:
        """What stands for the key of each layer; the longest first, as selections begin with what they are of."""
        return sorted(((one.key, one.content) for one in self._layers), key=lambda pair: -len(pair[0]))


class KeptOutcomes(MutableMapping[str, Outcome]):
    """Outcomes by name: those of this session, and those on disk."""

    def __init__(self, store: Store, base: str) -> None:
        self._store, self._base = store, base
        self._known: dict[str, Outcome] = {}

    def _name(self, key: str) -> str:
        return hashlib.sha256(f"{self._base}\nwhole\n{key}".encode()).hexdigest()

    def __getitem__(self, key: str) -> Outcome:
        if key not in self._known:
            stored = self._store.get(self._name(key))
            if stored is None:
                raise KeyError(key)
            self._known[key] = _outcome(json.loads(stored))
        return self._known[key]

    def __setitem__(self, key: str, found: Outcome) -> None:
        self._known[key] = found
        self._store.put(self._name(key), _text(_said(found)))

    def __delitem__(self, key: str) -> None:
        del self._known[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)


def _refuse(stored: bytes) -> None:
    """Raise what is kept instead of a result: why there is none."""
    if stored.startswith(REFUSED):
        why, layer = json.loads(stored.removeprefix(REFUSED))
        raise REFUSALS[why](layer)


def _renamed(said: str, names: Iterable[tuple[str, str]]) -> str:
    """A text with other names in place of some."""
    for name, other in names:
        said = said.replace(name, other)
    return said


def _text(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def _outcome(said: list[Any]) -> Outcome:
    value, reason, *amounts = said
    above, below = (None if one is None else Amount(*one) for one in amounts)
    return Outcome(value, reason, above, below)


def _said(found: Outcome) -> list[object]:
    amounts = (None if one is None else [one.micro, one.unit] for one in (found.numerator, found.denominator))
    return [found.value, found.reason, *amounts]


def encoded_layers(layers: tuple[Layer, ...]) -> bytes:
    """Layers as one file of arrays: what they are as text, their rows as Parquet, their shapes as WKB."""
    arrays: dict[str, Any] = {"layers": np.frombuffer(_text([_about(layer) for layer in layers]), dtype=np.uint8)}
    for n, layer in enumerate(layers):
        rows = io.BytesIO()
        layer.frame.to_parquet(rows, index=False)
        arrays[f"rows{n}"] = np.frombuffer(rows.getvalue(), dtype=np.uint8)
        wkb = shapely.to_wkb(layer.geometry)
        arrays[f"ends{n}"] = np.cumsum([len(one) for one in wkb], dtype=np.int64)
        arrays[f"wkb{n}"] = np.frombuffer(b"".join(wkb), dtype=np.uint8)
    written = io.BytesIO()
    np.savez(written, **arrays)
    return written.getvalue()


def _about(layer: Layer) -> dict[str, Any]:
    same = ("kind", "key", "unclassified", "selected_from", "scheme", "amount_unit")
    extent = None if layer.extent is None else shapely.to_wkb(layer.extent, hex=True)
    codes = None if layer.codes is None else dict(layer.codes)
    source = {**asdict(layer.source), "sha256": ""}
    return {name: getattr(layer, name) for name in same} | {"source": source, "extent": extent, "codes": codes}


def decoded_layers(stored: bytes) -> tuple[Layer, ...]:
    """The layers of :func:`encoded_layers`."""
    import pandas as pd

    found = []
    with np.load(io.BytesIO(stored), allow_pickle=False) as arrays:
        for n, about in enumerate(json.loads(arrays["layers"].tobytes())):
            frame = pd.read_parquet(io.BytesIO(arrays[f"rows{n}"].tobytes()))
            ends, wkb = arrays[f"ends{n}"].tolist(), arrays[f"wkb{n}"].tobytes()
            each = [wkb[begin:end] for begin, end in zip([0, *ends], ends, strict=False)]
            geometry = np.asarray(shapely.from_wkb(np.array(each, dtype=object)), dtype=object)
            source = Source(**about.pop("source"))
            extent = about.pop("extent")
            found.append(
                Layer(
                    frame=frame,
                    geometry=geometry,
                    source=replace(source, grade=Grade(source.grade), secrecy=Secrecy(source.secrecy)),
                    extent=None if extent is None else shapely.from_wkb(extent),
                    **about,
                )
            )
    return tuple(found)


SUMS = Codec("sums", _text, lambda stored: tuple(json.loads(stored)))
"""Sums for each zone, and the positions of features that were done again."""
OUTCOMES = Codec(
    "outcomes",
    lambda found: _text([_said(one) for one in found]),
    lambda stored: [_outcome(one) for one in json.loads(stored)],
)
