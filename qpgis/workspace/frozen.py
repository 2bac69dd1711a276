"""Frozen periods: what was published of them stays, and a file that changes afterwards is named.

``qpgis run --freeze`` keeps what it published in ``frozen/<period>/`` of the workspace, ``manifest.json`` and
``indicators.csv``, and writes the manifest's own hash into ``qpgis.toml`` (``[periods.2024] frozen = "…"``). As the
manifest holds the hashes of inputs and outputs, that one hash stands for all of them.
"""

from __future__ import annotations

import csv
import io
import json
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from qpgis.catalogue import LANGUAGES, text
from qpgis.errors import ConfigError, OutputError, SourceError
from qpgis.findings import Findings, Severity
from qpgis.indicators.declaration import REPORTED, STATISTICS
from qpgis.provenance import require_writable, seal, sha256_of, staged_outputs
from qpgis.sources.postgis import is_table
from qpgis.workspace import Statistic
from qpgis.workspace.config import CONFIG_NAME, Config, read_config
from qpgis.workspace.mistakes import key_lines

FROZEN = "frozen"
"""The folder of a workspace that keeps what was published, one folder a period."""
RECORD = ("manifest.json", "indicators.csv")
MAY_GROW = frozenset({"workspace", "indicators", "statistics", "reported", "baselines", "targets"})
"""Roles of files that go on with the years; what changes of them shows in values, beside those that were published."""


@dataclass(frozen=True)
class Frozen:
    """What was published of a period.

    Attributes
    ----------
    period : str
    manifest : mapping
    csv : str
        ``indicators.csv`` as it was published.
    """

    period: str
    manifest: Mapping[str, Any] = field(repr=False)
    csv: str = field(repr=False)

    @cached_property
    def rows(self) -> Mapping[tuple[str, str, str], Mapping[str, str]]:
        """The published rows by indicator, definition and zone."""
        found = csv.DictReader(io.StringIO(self.csv, newline=""))
        return {(row["indicator"], row["definition"], row["zone_id"]): row for row in found}

    @cached_property
    def definitions(self) -> Mapping[tuple[str, str], Mapping[str, Any]]:
        """What the manifest tells of each definition."""
        return {(one["indicator"], one["definition"]): one for one in self.manifest["definitions"]}


def read_frozen(folder: Path, config: Config) -> dict[str, Frozen]:
    """What was published of every frozen period of a workspace.

    Raises
    ------
    SourceError
        If a record isn't there, or isn't what was frozen.
    """
    periods = ((period, table.frozen) for period, table in config.periods.items() if table.frozen)
    return {period: _record(folder / FROZEN / period, period, digest) for period, digest in periods}


def _record(home: Path, period: str, digest: str) -> Frozen:
    remedy = (
        f"[periods.{period}] in {CONFIG_NAME} is frozen with {digest[:12]}…; bring manifest.json and indicators.csv of "
        f"the published outputs back into {home}"
    )
    try:
        manifest = json.loads((home / RECORD[0]).read_text("utf-8"))
        if not isinstance(manifest, dict) or not manifest.get("sha256") == seal(manifest) == digest:
            raise SourceError(f"{home / RECORD[0]}: isn't what was frozen; {remedy}")
        if sha256_of(home / RECORD[1]) != manifest["outputs"][RECORD[1]]:
            raise SourceError(f"{home / RECORD[1]}: isn't what was frozen; {remedy}")
        return Frozen(period, manifest, (home / RECORD[1]).read_text("utf-8-sig"))
    except SourceError:
        raise
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise SourceError(f"{home}: what was published of {period} can't be read; {remedy}") from error


def report_frozen(
    frozen: Mapping[str, Frozen],
    config: Config,
    folder: Path,
    hash_of: Callable[[Path], str],
    findings: Findings,
    period: str,
) -> None:
    """Name every file of a frozen period that isn't what was published; of other periods than the opened one too."""
    for one in frozen.values():
        own = one.period == period
        severity = Severity.ERROR if own else Severity.WARNING
        now = config.at(one.period)
        for name, role, gone in _changed(one, now, folder, hash_of):
            about = {"layer": role, "file": name, "value": one.period}
            if gone:
                findings.add(severity, "frozen_gone", **about)
            else:
                findings.add(severity, "frozen_changed", **about)
        then = next((i["sha256"] for i in one.manifest["inputs"] if i["role"] == "workspace"), None)
        if own and then != now.sha256():
            findings.add(Severity.INFO, "frozen_settings", file=CONFIG_NAME, value=one.period)


def _changed(
    frozen: Frozen, config: Config, folder: Path, hash_of: Callable[[Path], str]
) -> Iterator[tuple[str, str, bool]]:
    """The files of a frozen period that are others now, or (true) that it doesn't read any more."""
    places = {_shown(file): folder / file for file in _files(config.model_dump(exclude={"periods", "scenarios"}))}
    withheld = {text("withheld_file", lang) for lang in LANGUAGES}
    for one in frozen.manifest["inputs"]:
        name, path = one["name"], places.get(one["name"])
        if one["role"] in MAY_GROW or is_table(name):
            continue
        if name in withheld:  # its name was none of the audience's, its hash tells it
            if all(hash_of(place) != one["sha256"] for place in places.values() if place.exists()):
                yield name, one["role"], False
        elif path is None or not path.exists():
            yield name, one["role"], True
        elif hash_of(path) != one["sha256"]:
            yield name, one["role"], False


def _files(said: Any, key: str = "") -> Iterator[str]:
    """Every file that settings name, wherever they stand."""
    if isinstance(said, dict):
        for name, one in said.items():
            yield from _files(one, key if key in ("tables", "plans") else name)
    elif isinstance(said, list):
        for one in said:
            yield from _files(one, key)
    elif isinstance(said, str) and key in ("file", "changes", "control_points", "tables", "plans"):
        yield said


def _shown(file: str) -> str:
    return Path(file).name if Path(file).is_absolute() else Path(file).as_posix()


def report_statistics(
    frozen: Frozen | None, statistics: Iterable[Statistic], config: Config, findings: Findings
) -> None:
    """Name the statistics that were published of the opened period and that its table doesn't hold as they were."""
    if frozen is None:
        return
    now = {(s.indicator, s.zone, s.period, s.department, f"{s.value:.12g}") for s in statistics}
    for (indicator, definition, zone), row in frozen.rows.items():
        published = definition == STATISTICS or definition.startswith(REPORTED)
        department = definition.removeprefix(REPORTED) if definition != STATISTICS else ""
        if published and row["value"] and (indicator, zone, row["period"], department, row["value"]) not in now:
            words = {"file": config.tables.statistics or CONFIG_NAME, "feature_id": zone, "value": indicator}
            findings.add(Severity.ERROR, "frozen_statistic", layer="statistics", **words, period=frozen.period)


def require_freezable(folder: Path, period: str | None) -> Path:
    """The ``qpgis.toml`` of a workspace one of whose periods can be frozen; asked before anything is computed.

    Raises
    ------
    ConfigError, OutputError
        If it is frozen already, or an earlier record is in the way.
    """
    path = folder if folder.suffix == ".toml" and not folder.is_dir() else folder / CONFIG_NAME
    config = read_config(path)
    period = config.at(period).period
    if period in config.periods and config.periods[period].frozen:
        raise ConfigError(f"{period} is frozen already; what was published of it stays")
    home = path.parent / FROZEN / period
    if home.exists():
        raise OutputError(f"{home} holds what was published of {period} before; move it away first")
    require_writable(path, *(home / name for name in RECORD))
    require_fitting(path, _frozen_text(path, period, "0" * 64))
    return path


def freeze(path: Path, period: str, outputs: Path) -> str:
    """Keep what was published of a period, and write its hash into ``qpgis.toml``.

    Parameters
    ----------
    path : Path
        The ``qpgis.toml``.
    period : str
    outputs : Path
        The folder of the run.

    Returns
    -------
    str
        The hash.
    """
    digest = str(json.loads((outputs / RECORD[0]).read_text("utf-8"))["sha256"])
    with staged_outputs(path.parent / FROZEN / period) as stage:
        for name in RECORD:
            (stage / name).write_bytes((outputs / name).read_bytes())
    write_settings(path, _frozen_text(path, period, digest))
    return digest


def _frozen_text(path: Path, period: str, digest: str) -> str:
    return with_key(path.read_text("utf-8-sig"), ("periods", period), f'frozen = "{digest}"')


def with_key(text: str, table: tuple[str, ...], line: str) -> str:
    r"""A TOML text with one more line in a table, which is added at the end where there is none.

    >>> with_key('a = 1\n[b.c]\nd = 2\n', ("b", "c"), "e = 3")
    'a = 1\n[b.c]\ne = 3\nd = 2\n'
    """
    header = dict(key_lines(text)).get(table)
    lines = text.splitlines()
    if header is not None and lines[header - 1].lstrip().startswith("["):
        return "\n".join([*lines[:header], line, *lines[header:]]) + "\n"
    return text.rstrip() + f"\n\n[{'.'.join(table)}]\n{line}\n"


def write_settings(path: Path, text: str) -> None:
    """Write ``qpgis.toml``, whole or not at all, with the ends of lines that it has.

    Raises
    ------
    OutputError
        If a workspace couldn't be opened by it any more.
    """
    require_fitting(path, text)
    before = path.read_bytes()
    mark = "utf-8-sig" if before.startswith(b"\xef\xbb\xbf") else "utf-8"
    with staged_outputs(path.parent) as stage:
        new = stage / path.name
        new.write_text(text, encoding=mark, newline="\r\n" if b"\r\n" in before else "\n")


def require_fitting(path: Path, text: str) -> None:
    """Refuse lines that don't fit what stands in ``qpgis.toml``, such as tables that are written in one line there.

    Raises
    ------
    OutputError
        With what to do.
    """
    with tempfile.TemporaryDirectory() as elsewhere:
        new = Path(elsewhere) / path.name
        new.write_text(text, encoding="utf-8")
        try:
            read_config(new, home=path.parent)
        except ConfigError as error:
            raise OutputError(f"{path} is as it was: lines can't be added, write them yourself: {error}") from error
