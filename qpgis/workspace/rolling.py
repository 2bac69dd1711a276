"""A year rolled forward: the block of a new period in ``qpgis.toml``, and what is still last year's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from qpgis.catalogue import Lang, keys, text
from qpgis.errors import ConfigError
from qpgis.periods import last_day
from qpgis.provenance import require_writable
from qpgis.sources.csvtable import named_rows
from qpgis.workspace.config import Config, read_config
from qpgis.workspace.frozen import write_settings
from qpgis.workspace.loading import config_path


@dataclass(frozen=True)
class Missing:
    """Something that a period takes from an earlier one.

    Attributes
    ----------
    what : str
        ``zones, own_zones, layer, statistics, definition, indicators``.
    name : str
        Which layer, indicator or department.
    file : str
        What stands in for it.
    period : str
        Of which period it is.
    """

    what: str
    name: str
    file: str
    period: str

    def text(self, lang: Lang) -> str:
        """What is missing, for planners."""
        key = f"layer_{self.name}"
        title = f"{text(key, lang)}（{self.name}）" if lang == "zh" and key in keys() else self.name
        return text(f"year_missing_{self.what}", lang, name=title, file=self.file, period=self.period)


def roll_forward(folder: Path, period: str) -> tuple[Path, bool, tuple[Missing, ...]]:
    """Add a period to a workspace, where there is none of the name, and tell what it takes from the one before.

    Nothing that stands in ``qpgis.toml`` is changed: a block is added at its end, whole or not at all.

    Parameters
    ----------
    folder : Path
        The workspace.
    period : str
        The new one, which everything is taken over into from the last one before it.

    Returns
    -------
    tuple
        The ``qpgis.toml``, whether it was added to, and what is missing.

    Raises
    ------
    ConfigError, SourceError, OutputError
        If ``qpgis.toml`` can't be read or written, or there is no earlier period.
    """
    path = config_path(folder)
    config = read_config(path)
    added = period not in {config.period, *config.periods}
    if added:
        before = _before(config, period)
        require_writable(path)
        block = "\n".join(_block(config, period, before))
        write_settings(path, path.read_text("utf-8-sig").rstrip() + f"\n\n{block}\n")
        config = read_config(path)
    elif period == config.period:
        raise ConfigError(f"{period} is the workspace's main period; name the one to roll forward to")
    return path, added, tuple(missing(config, period, path.parent))


def _before(config: Config, period: str) -> str:
    end = last_day(period)
    earlier = [one for one in {config.period, *config.periods} if last_day(one) < end]
    if not earlier:
        raise ConfigError(f"{period} is before every period of the workspace; name a later one")
    return max(earlier, key=lambda one: (last_day(one), one == config.period))


def _block(config: Config, period: str, before: str) -> Iterator[str]:
    """The new block: where it goes on from, and the lines to fill in for each file, commented out."""
    yield f"[periods.{period}]"
    yield f'from = "{before}"           # 未另列的沿用这一时期 all else is taken from that period'
    now = config.at(before)
    yield f"# [periods.{period}.zones]   # 区划有变化（如析出街道）时填写 where zones have changed; groups too"
    yield f'# file = "{now.zones.file}"'
    for kind, table in now.layers.items():
        if table.file:
            yield f"# [periods.{period}.layers.{kind}]   # 整节替换，其余键照抄 the whole section"
            yield f'# file = "{table.file}"'
    yield f"# [periods.{period}.definitions]   # 口径有变化时填写 where definitions have changed"
    yield f"# [periods.{period}.signoff]       # 编制、校核、审定，见 docs/year.md"


def missing(config: Config, period: str, folder: Path) -> Iterator[Missing]:
    """What a period takes from an earlier one: zones, layers, statistics, definitions."""
    now = config.at(period)
    if (zones := config.origin(period, "zones")) != period:
        yield Missing("zones", "zones", now.zones.file, zones)
    for kind, table in now.layers.items():
        origin = config.origin(period, kind)
        if table.file and origin != period:
            yield Missing("layer", kind, table.file, origin)
    for file in filter(None, (now.tables.statistics, now.tables.reported)):
        yield from _statistics(folder / file, file, period)
    own = config.periods[period].definitions
    before = config.periods[period].from_ or config.period
    for name, chosen in now.definitions.items():
        if name not in own:
            yield Missing("definition", f"{name} {', '.join(chosen)}", "qpgis.toml", before)
    for file in now.indicators:
        yield Missing("indicators", file, file, before)


def _statistics(path: Path, file: str, period: str) -> Iterator[Missing]:
    """The statistics whose newest row is of an earlier period."""
    if not path.exists():
        yield Missing("statistics_file", "", file, period)
        return
    newest: dict[tuple[str, str], str] = {}
    for row in named_rows(path, ("indicator", "zone", "period", "value")):
        key = row["indicator"], row.get("department", "")
        if last_day(row["period"]) <= last_day(period):
            newest[key] = max(newest.get(key, row["period"]), row["period"], key=last_day)
    for (indicator, department), found in newest.items():
        if last_day(found) < last_day(period):
            yield Missing("statistics", " ".join(filter(None, (indicator, department))), file, found)
