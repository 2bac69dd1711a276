"""Handing a workspace over: settings, definitions, texts and a checklist of its data in a ZIP file, but no data."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from qpgis.catalogue import Lang, text
from qpgis.errors import OutputError
from qpgis.plans import shipped_plans
from qpgis.provenance import FIXED_TIME, Secrecy, require_writable, sha256_of, staged_outputs
from qpgis.report.definitions import definition_lines
from qpgis.report.tables import safe_text
from qpgis.sources.postgis import is_table
from qpgis.workspace.config import CONFIG_NAME, Config, read_config
from qpgis.workspace.frozen import FROZEN, RECORD
from qpgis.workspace.loading import config_path

CHECKLIST, DEFINITIONS = "数据清单.csv", "口径.md"
COLUMNS = ("period", "role", "file", "sha256", "secrecy", "grade", "source", "licence", "date")
Cells = tuple[str, ...]
SETTINGS = frozenset({".toml", ".py"})
"""Files of a workspace that are settings or definitions: cards, own indicators, plans."""


def handover(folder: Path, out: Path, *, lang: Lang = "zh") -> tuple[str, ...]:
    """Pack what another office needs to set a workspace up again, and a list of the data that it has to bring.

    Packed are ``qpgis.toml``, indicator cards and code, plans, the definitions in words, the manifests of frozen
    periods, and the checklist. Layers, tables and the values of frozen periods are data, which stay here.

    Parameters
    ----------
    folder : Path
        The workspace.
    out : Path
        The ZIP file.
    lang : "zh" or "en"

    Returns
    -------
    tuple of str
        The names of what was packed.

    Raises
    ------
    ConfigError, SourceError, OutputError
        If ``qpgis.toml`` can't be read, or the file can't be written, or is there already.
    """
    path = config_path(folder)
    config = read_config(path)
    if out.exists():
        raise OutputError(f"{out} is there already; choose another file with --out")
    require_writable(out)
    packed = dict(_packed(path, config, lang))
    with staged_outputs(out.parent) as stage, zipfile.ZipFile(stage / out.name, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in packed.items():
            info = zipfile.ZipInfo(name, FIXED_TIME.timetuple()[:6])
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
    return tuple(packed)


def _packed(path: Path, config: Config, lang: Lang) -> Iterator[tuple[str, bytes]]:
    home = path.parent
    yield CONFIG_NAME, path.read_bytes()
    own = [name for name in config.plans if name not in shipped_plans()]
    for name in dict.fromkeys((*config.indicators, *own)):
        if Path(name).suffix in SETTINGS and (home / name).is_file():
            yield _inside(name), (home / name).read_bytes()
    for period, table in config.periods.items():
        if table.frozen and (home / FROZEN / period / RECORD[0]).is_file():
            yield f"{FROZEN}/{period}/{RECORD[0]}", (home / FROZEN / period / RECORD[0]).read_bytes()
    yield DEFINITIONS, "\n".join(definition_lines(config.registry, lang)).encode()
    yield CHECKLIST, _checklist(home, config, lang)


def _inside(name: str) -> str:
    """Where a file stands in the archive: below it, wherever it stood."""
    place = Path(name)
    return place.name if place.is_absolute() or ".." in place.parts else place.as_posix()


def _checklist(home: Path, config: Config, lang: Lang) -> bytes:
    """Every file of data with its hash and where it should come from."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\r\n")
    writer.writerow([text(f"column_{name}" if name != "role" else "column_layer", lang) for name in COLUMNS])
    seen: set[Cells] = set()
    for period in dict.fromkeys((config.period, *config.periods)):
        for row in _data(home, config.at(period)):
            if row[1:] not in seen:
                seen.add(row[1:])
                writer.writerow([safe_text(cell) for cell in row])
    return stream.getvalue().encode("utf-8-sig")


def _data(home: Path, config: Config) -> Iterator[Cells]:
    """Every file of data of a period: what it is read as, its hash and where it comes from."""

    def row(role: str, file: str, secrecy: Secrecy | None, about: tuple[str, ...] = ("", "", "", "")) -> Cells:
        return config.period, role, _named(file), _hash(home, file), str(secrecy or config.secrecy), *about

    shown = [(f"reference.{id_}", table) for id_, table in config.reference.items()]
    own: list[tuple[str, Any]] = [("own_zones", table) for table in config.own_zones]
    for role, table in [("zones", config.zones), *own, *config.layers.items(), *shown]:
        if table.file:
            yield row(
                role, table.file, table.secrecy, (str(table.grade or ""), table.source, table.licence, table.date)
            )
        further = {key: one.file for key in ("join", "accuracy") if (one := getattr(table, key, None)) is not None}
        if control := getattr(table, "control_points", None):
            further["control_points"] = control
        yield from (row(f"{role}.{key}", file, table.secrecy) for key, file in further.items())
        yield from (row(f"{role}.changes", file, table.secrecy) for file in getattr(table, "changes", ()))
    yield from (row(role, file, config.tables.secrecy) for role, file in config.tables.files().items())


def _named(file: str) -> str:
    return Path(file).name if Path(file).is_absolute() else file


def _hash(home: Path, file: str) -> str:
    """The hash of a file; empty of a table of a database, and of a file that isn't there."""
    return sha256_of(home / file) if not is_table(file) and (home / file).exists() else ""
