"""The command line: ``qpgis run``, ``check``, ``verify``, ``inspect``, ``list``, ``init``, ``map`` and others.

Messages go to stderr, results to stdout or files. Exit status 0: good; 1: findings of severity error (or, under
``--strict``, a target breached); 2: bad usage or unreadable input. Heavy imports wait until a command needs them.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qpgis import __version__
from qpgis.errors import ConfigError, OutputError, QpgisError

if TYPE_CHECKING:
    from qpgis.assessment import Assessment
    from qpgis.indicators.declaration import Declared
    from qpgis.verifying import Check
    from qpgis.workspace import Workspace

GOOD, FINDINGS, BAD_USAGE = 0, 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    _prepare_streams()
    options = _parser().parse_args(arguments)
    try:
        status = int(options.command(options))
        sys.stdout.flush()
        return status
    except QpgisError as error:
        _say(f"qpgis {options.name}: {error}")
        return BAD_USAGE
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # else Python complains once more when it ends
        return BAD_USAGE
    except MemoryError:
        _say(f"qpgis {options.name}: not enough memory; the old outputs are untouched; try it with a part of the data")
        return BAD_USAGE
    except OSError as error:
        _say(f"qpgis {options.name}: {error}")
        return BAD_USAGE
    except KeyboardInterrupt:
        _say(f"qpgis {options.name}: interrupted; the old outputs are untouched")
        return BAD_USAGE
    except Exception as error:
        if os.environ.get("QPGIS_TRACEBACK"):
            raise
        _say(
            f"qpgis {options.name}: this is a fault of qpgis itself ({type(error).__name__}: {error}); "
            "nothing was written; please report it with what QPGIS_TRACEBACK=1 prints"
        )
        return BAD_USAGE


def _prepare_streams() -> None:
    """Let every word be printed on every terminal, and nothing fail where a stream was closed before we began."""
    for number, name in ((1, "stdout"), (2, "stderr")):
        stream = getattr(sys, name)
        if stream is None:
            os.dup2(os.open(os.devnull, os.O_WRONLY), number)  # else the next file opened would take its place
            setattr(sys, name, os.fdopen(number, "w", encoding="utf-8", closefd=False))
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


LIST = "\n  - "
"""Begins each item of a message that lists several."""


def _say(message: str) -> None:
    """A message on stderr, one line unless it lists several."""
    sys.stderr.write(LIST.join(_printable(part) for part in message.split(LIST)) + "\n")


def _printable(words: str) -> str:
    """Words with what a terminal would take for a command shown instead."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in words)


class _Progress:
    """Tells each stage on stderr, once a run has taken more than a second."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def __call__(self, stage: str) -> None:
        elapsed = time.monotonic() - self._start
        if elapsed > 1:
            _say(f"[{elapsed:5.1f} s] {stage}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="qpgis", description="Planning indicators, held against the plan's targets: exact, traceable, offline."
    )
    parser.add_argument("--version", action="version", version=f"qpgis {__version__}")
    commands = parser.add_subparsers(dest="name", required=True, metavar="COMMAND")
    _add_run(commands)
    _add_check(commands)
    _add_stale(commands)
    _add_verify(commands)
    _add_release(commands)
    _add_inspect(commands)
    _add_map(commands)
    _add_list(commands)
    _add_init(commands)
    _add_handover(commands)
    _add_synth(commands)
    _add_fetch(commands)
    _add_diff(commands)
    _add_what_if(commands)
    _add_gap(commands)
    return parser


def _add_command(commands: Any, name: str, function: Any, summary: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=summary, description=summary)
    parser.set_defaults(command=function)
    return parser


def _add_workspace(parser: argparse.ArgumentParser) -> None:
    """What to compute on: a workspace, or an OpenStreetMap extract, and how."""
    parser.add_argument(
        "workspace",
        nargs="?",
        type=Path,
        metavar="WORKSPACE",
        help="folder with qpgis.toml (default: the embedded 青浦 one)",
    )
    parser.add_argument("--period", help="which period of the workspace")
    parser.add_argument(
        "--lang", choices=("zh", "en"), default="zh", help="language of everything planners read (default: zh)"
    )
    parser.add_argument("--grid-m", type=float, metavar="M", help="add a grid of square cells, M metres wide")
    osm = parser.add_argument_group("any place from an OpenStreetMap extract alone")
    osm.add_argument(
        "--osm", type=Path, metavar="FILE", help=".osm.pbf or .osm; its administrative boundaries are the zones"
    )
    osm.add_argument("--zones-level", type=int, metavar="N", help="admin_level of the zones, e.g. 8")
    osm.add_argument("--groups-level", type=int, metavar="N", help="admin_level of the groups over them, e.g. 6")
    zones = parser.add_argument_group("other zones for the same workspace")
    zones.add_argument("--zones", type=Path, metavar="FILE", help="vector file that replaces the workspace's zones")
    zones.add_argument("--zones-id", metavar="FIELD", help="its id field (default: the one that fits the groups)")
    zones.add_argument("--zones-name", metavar="FIELD", help="its name field")
    zones.add_argument(
        "--zones-grade",
        metavar="GRADE",
        help="its grade (mandatory): official, surveyed, open, modelled, schematic, synthetic",
    )


def _add_audience(parser: argparse.ArgumentParser, default: str = "leader") -> None:
    said = "whom it is for: public, leader (values of zones, features of public layers only), internal"
    choices = ("public", "leader", "internal")
    parser.add_argument("--audience", choices=choices, default=default, help=f"{said} (default: {default})")


def _add_run(commands: Any) -> None:
    parser = _add_command(commands, "run", _run, "compute all indicators and write map, tables and manifest")
    _add_workspace(parser)
    _add_audience(parser)
    parser.add_argument("--out", type=Path, default=Path("maps"), metavar="DIR", help="where to write (default: maps)")
    parser.add_argument(
        "--definitions", choices=("default", "all"), default="default", help="all: every definition side by side"
    )
    parser.add_argument("--evidence", action="store_true", help="write evidence.gpkg: the features behind every value")
    parser.add_argument("--strict", action="store_true", help="exit 1 if a target is breached")
    said = "publish: nothing is written over these outputs any more, and a file of this period that changes is named"
    parser.add_argument("--freeze", action="store_true", help=said)
    parser.add_argument("--json", action="store_true", help="print what was written and found as JSON")
    parser.add_argument("--no-log", action="store_true", help="leave this run out of the log, DIR/.qpgis/runs.jsonl")
    parser.add_argument(
        "--no-cache", action="store_true", help="compute everything, and keep nothing in WORKSPACE/.qpgis/"
    )


def _add_stale(commands: Any) -> None:
    parser = _add_command(commands, "stale", _stale, "say what a run would compute again, and why")
    _add_workspace(parser)
    parser.add_argument("--strict", action="store_true", help="exit 1 if there is anything")
    parser.add_argument("--json", action="store_true", help="print it as JSON")
    parser.add_argument("--prune", action="store_true", help="first drop kept results that the last run didn't use")


def _add_verify(commands: Any) -> None:
    parser = _add_command(
        commands,
        "verify",
        _verify,
        "tell whether outputs are what was written, agree, and would be written again",
    )
    parser.add_argument("folder", type=Path, metavar="DIR", help="what a run wrote, with its manifest.json")
    parser.add_argument(
        "--workspace",
        nargs="?",
        type=Path,
        const=False,
        metavar="WORKSPACE",
        help="compute it again from this workspace or OpenStreetMap extract (without a value: the embedded 青浦 one)",
    )
    parser.add_argument("--zones", type=Path, metavar="FILE", help="the file that replaced the workspace's zones")
    parser.add_argument("--lang", choices=("zh", "en"), default="zh", help="(default: zh)")
    parser.add_argument("--json", action="store_true", help="print every check and every differing place as JSON")


def _add_release(commands: Any) -> None:
    said = "check a folder of outputs before it goes out: layers, attributes, precision, map approval, the same numbers"
    parser = _add_command(commands, "release", _release, said)
    parser.add_argument("folder", type=Path, metavar="DIR", help="what a run wrote, with its manifest.json")
    parser.add_argument("--audience", choices=("public", "leader", "internal"), required=True, help="to whom it goes")
    parser.add_argument("--lang", choices=("zh", "en"), default="zh", help="(default: zh)")
    parser.add_argument("--json", action="store_true", help="print every check as JSON")


def _add_check(commands: Any) -> None:
    parser = _add_command(commands, "check", _check, "read a workspace, print what is wrong in it and where")
    _add_workspace(parser)
    _add_audience(parser, "internal")
    parser.add_argument(
        "--out", type=Path, default=Path("check"), metavar="DIR", help="where to write the findings (default: check)"
    )
    parser.add_argument(
        "--indicators",
        action="store_true",
        help="instead, try what every indicator of the workspace promises, its own too; its data aren't read",
    )
    parser.add_argument("--control", action="store_true", help="instead, check its control lines (管控线校核)")
    parser.add_argument("--since", metavar="PERIOD", help="with --control: also what changed since; or a workspace")
    parser.add_argument("--strict", action="store_true", help="with --control: exit 1 if there are patches or the like")
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")


def _add_map(commands: Any) -> None:
    parser = _add_command(commands, "map", _map, "compute and write the map only")
    _add_workspace(parser)
    _add_audience(parser)
    parser.add_argument(
        "--out", type=Path, default=Path("map.html"), metavar="FILE", help="HTML file (default: map.html)"
    )
    parser.add_argument(
        "--definitions", choices=("default", "all"), default="default", help="all: every definition side by side"
    )


def _add_inspect(commands: Any) -> None:
    parser = _add_command(
        commands, "inspect", _inspect, "tell what a file is, what is wrong with it and how a workspace uses it"
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="a file, or the folder of a .gdb")
    parser.add_argument("--layer", help="which layer, where it holds several")
    parser.add_argument("--crs", help="its reference system, where it doesn't say: EPSG:4549")
    parser.add_argument("--datum", help="its datum, where it isn't what its system says: gcj02, bd09")
    parser.add_argument("--encoding", help="the encoding of its text: gb18030")
    for key, what in (("x", "eastings or longitudes"), ("y", "northings or latitudes"), ("wkt", "well-known text")):
        parser.add_argument(f"--{key}-field", metavar="FIELD", help=f"of a table: the column with {what}")
    parser.add_argument("--lang", choices=("zh", "en"), default="zh", help="(default: zh)")
    parser.add_argument("--json", action="store_true", help="print as JSON")


def _add_list(commands: Any) -> None:
    parser = _add_command(commands, "list", _list, "list what qpgis knows")
    topics = ("indicators", "layers", "plans", "schemes", "crosswalks", "styles")
    parser.add_argument("topic", nargs="?", choices=topics, default="indicators")
    parser.add_argument("--workspace", type=Path, metavar="DIR", help="with the indicators that this workspace adds")
    said = "of indicators: formula, layers, settings, sources too; of layers: the words for classes, who reads them"
    parser.add_argument("--long", action="store_true", help=said)
    parser.add_argument("--lang", choices=("zh", "en"), default="zh")
    parser.add_argument("--json", action="store_true", help="print as JSON")


def _add_init(commands: Any) -> None:
    parser = _add_command(commands, "init", _init, "make a workspace to fill in")
    parser.add_argument("folder", nargs="?", type=Path, metavar="DIR")
    year = parser.add_argument_group("a year rolled forward: a new period of a workspace, and what it still lacks")
    year.add_argument("--from", dest="source", type=Path, metavar="WORKSPACE", help="the workspace; leave out DIR")
    year.add_argument("--period", metavar="P", help="the new period: 2025")
    year.add_argument("--lang", choices=("zh", "en"), default="zh", help="(default: zh)")
    year.add_argument("--json", action="store_true", help="print what is missing as JSON")
    parser.add_argument(
        "--embedded",
        action="store_true",
        help="a copy of the embedded 青浦 workspace, data and all, instead of an empty one",
    )


def _add_handover(commands: Any) -> None:
    said = "pack settings, definitions, texts and a checklist of data, but no data"
    parser = _add_command(commands, "handover", _handover, said)
    parser.add_argument("workspace", type=Path, metavar="WORKSPACE", help="folder with qpgis.toml")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the ZIP file")
    parser.add_argument("--lang", choices=("zh", "en"), default="zh", help="(default: zh)")
    parser.add_argument("--json", action="store_true", help="print what was packed as JSON")


def _add_synth(commands: Any) -> None:
    parser = _add_command(
        commands, "synth", _synth, "make synthetic land use, streets, residents and facilities to practise on"
    )
    parser.add_argument(
        "workspace",
        nargs="?",
        type=Path,
        metavar="WORKSPACE",
        help="folder with qpgis.toml, whose [synth] says what to make (default: the embedded 青浦 one)",
    )
    parser.add_argument("--zones", type=Path, metavar="FILE", help="make it for this file of zones instead")
    parser.add_argument("--zones-id", default="zone_id", metavar="FIELD", help="its id field (default: zone_id)")
    parser.add_argument("--parcels", type=int, metavar="N", help="how many parcels, about")
    parser.add_argument("--seed", type=int, metavar="N", help="where chance begins: the same seed, the same land")
    parser.add_argument("--calibration", metavar="NAME", help="what it adds up to: generic, qingpu, or a TOML file")
    for kind, what in (
        ("water", "lakes and rivers"),
        ("forest", "woods"),
        ("roads", "main roads"),
        ("seats", "town centres"),
    ):
        parser.add_argument(f"--{kind}", metavar="FILE", help=f"{what} that it keeps as they are")
    parser.add_argument(
        "--format", choices=("geojson", "gpkg", "parquet"), default="geojson", help="(default: geojson)"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("synthetic"), metavar="DIR", help="where to write (default: synthetic)"
    )
    parser.add_argument("--json", action="store_true", help="print what was written and what it adds up to as JSON")


def _add_fetch(commands: Any) -> None:
    parser = _add_command(commands, "fetch", _fetch, "get open data over the network; no other command connects")
    parser.add_argument("what", choices=("osm", "worldcover"))
    parser.add_argument(
        "--area",
        required=True,
        metavar="AREA",
        help="W,S,E,N in degrees; or, for osm, a region as Geofabrik names it: europe/liechtenstein",
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="(default: named after what and area)")
    parser.add_argument("--server", metavar="URL", help="another server that keeps the same files, such as a mirror")


def _add_what_if(commands: Any) -> None:
    parser = _add_command(commands, "what-if", _what_if, "compute a scenario, or several beside the present")
    _add_workspace(parser)
    _add_audience(parser)
    which = parser.add_mutually_exclusive_group(required=True)
    said = "a table [scenarios.ID] of qpgis.toml, or: under_construction, planned, studied"
    which.add_argument("--scenario", metavar="ID", help=said)
    which.add_argument("--all", action="store_true", help="every scenario beside the present, in scenarios.csv")
    parser.add_argument("--no-log", action="store_true", help="leave this run out of the log, DIR/.qpgis/runs.jsonl")
    where = "where to write (default: what-if)"
    parser.add_argument("--out", type=Path, default=Path("what-if"), metavar="DIR", help=where)


def _add_gap(commands: Any) -> None:
    said = "tell what is missing until targets are met, or the fewest candidates that close the gap"
    parser = _add_command(commands, "gap", _gap, said)
    _add_workspace(parser)
    parser.add_argument("--indicator", metavar="ID", help="only this one")
    parser.add_argument("--definition", metavar="D", help="by this definition of it")
    parser.add_argument("--zone", action="append", metavar="Z", help="only this zone, by id or name; may be repeated")
    parser.add_argument("--level", help="what each zone of this level lacks, by the target of the zone that holds it")
    where = "write gap.csv there; with --candidates the outputs of the scenario, and chosen.gpkg"
    parser.add_argument("--out", type=Path, metavar="DIR", help=where)
    parser.add_argument("--json", action="store_true", help="print as JSON")
    plan = parser.add_argument_group("the fewest of some candidates that reach the target of --indicator")
    plan.add_argument("--candidates", type=Path, metavar="FILE", help="places that could be added, any vector format")
    plan.add_argument("--layer", metavar="KIND", help="the layer that they would be in: facilities, stations, ...")
    plan.add_argument("--cost-field", metavar="FIELD", help="the cheapest by this column, not the fewest")
    plan.add_argument("--target", type=float, metavar="N", help="instead of the plan's, for --zone")
    plan.add_argument("--operator", choices=("ge", "gt", "le", "lt"), default="ge", help="of --target (default: ge)")
    plan.add_argument("--seconds", type=float, default=60.0, metavar="S", help="how long the solver may take")
    plan.add_argument("--tries", type=int, default=256, metavar="N", help="how many sets are tried, where they must be")


def _add_diff(commands: Any) -> None:
    parser = _add_command(commands, "diff", _diff, "compare two runs: what changed, and what else differs between them")
    parser.add_argument("before", type=Path, metavar="A", help="folder that `qpgis run` wrote")
    parser.add_argument("after", type=Path, metavar="B", help="another")
    parser.add_argument("--unlike", action="store_true", help="compare definitions too that aren't the same")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write every row there, with --explain those of it")
    why = parser.add_argument_group("what made an indicator change")
    why.add_argument("--explain", metavar="INDICATOR", help="share its difference out among borders, data, definition")
    why.add_argument("--zone", metavar="Z", help="of one zone, by id or name (default: all)")
    why.add_argument("--definition", metavar="D", help="by one definition (default: the first)")
    said = "what each was computed from (embedded: the embedded 青浦 one); without them it is only compared"
    why.add_argument("--workspaces", nargs=2, metavar=("WS_A", "WS_B"), help=said)
    parser.add_argument("--lang", choices=("zh", "en"), default="zh", help="(default: zh)")
    parser.add_argument("--json", action="store_true", help="print rows and differences as JSON")


def _workspace(options: argparse.Namespace, progress: _Progress) -> Workspace:
    from qpgis.workspace.loading import open_workspace
    from qpgis.workspace.osm import osm_workspace

    if options.osm is None:
        for option in ("zones_level", "groups_level"):
            if getattr(options, option) is not None:
                raise ConfigError(f"--{option.replace('_', '-')} goes with --osm")
        zones = _zones_table(options)
        settings = {"period": options.period, "lang": options.lang, "zones": zones, "grid_cell_m": options.grid_m}
        settings["cache"] = not getattr(options, "no_cache", False)
        return open_workspace(options.workspace, **settings, progress=progress)
    if options.workspace is not None or options.zones is not None or options.period is not None:
        raise ConfigError("--osm stands alone: leave out WORKSPACE, --zones and --period")
    if options.zones_level is None:
        raise ConfigError("--osm needs --zones-level, the admin_level of the zones (8 in much of Europe)")
    return osm_workspace(
        options.osm,
        zones_level=options.zones_level,
        groups_level=options.groups_level,
        lang=options.lang,
        grid_cell_m=options.grid_m,
        progress=progress,
    )


def _zones_table(options: argparse.Namespace) -> Any:
    """The table of the zones that replace the workspace's own, if any."""
    from qpgis.errors import did_you_mean
    from qpgis.provenance import Grade
    from qpgis.workspace.config import ZonesTable

    given = {
        key: getattr(options, f"zones_{key}") for key in ("id", "name", "grade") if getattr(options, f"zones_{key}")
    }
    if options.zones is None:
        if given:
            raise ConfigError(f"--zones-{min(given)} goes with --zones")
        return None
    grade = options.zones_grade
    if grade is None:
        raise ConfigError(f"--zones needs --zones-grade, how good its borders are: one of {', '.join(Grade)}")
    if grade not in list(Grade):
        raise ConfigError(f"--zones-grade {grade!r} is not known; {did_you_mean(grade, list(Grade))}")
    fields = {f"{key}_field": given[key] for key in ("id", "name") if key in given}
    return ZonesTable(file=str(options.zones), grade=Grade(grade), **fields)


def _assessment(options: argparse.Namespace, outputs: Sequence[Path], progress: _Progress) -> Assessment:
    """Compute what is to be written to some places; whether it can be is known before."""
    from qpgis.assessment import assess
    from qpgis.provenance import require_writable, spare

    require_writable(*outputs)
    workspace = _workspace(options, progress)
    spare(workspace.files, outputs)
    everything = getattr(options, "definitions", "default") == "all"
    definitions = {name: ["all"] for name in workspace.indicators} if everything else None
    return assess(workspace, definitions=definitions, lang=options.lang, progress_to=progress, known=workspace.known)


def _run(options: argparse.Namespace) -> int:
    from qpgis.findings import has_errors
    from qpgis.plans import Status
    from qpgis.report.outputs import EVIDENCE, LAND_AREAS, MANIFEST, OUTPUTS, SECRECY, write_outputs
    from qpgis.staleness import remember

    progress = _Progress()
    names = (*OUTPUTS, *LAND_AREAS, *SECRECY, *EVIDENCE, MANIFEST)
    path = _freezable(options) if options.freeze else None
    assessment = _assessment(options, [options.out / name for name in names], progress)
    kept = {"audience": options.audience, "evidence": options.evidence, "frozen": options.freeze}
    written = write_outputs(assessment, options.out, **kept, progress=progress)
    remember(assessment)
    if path is not None:
        _freeze(options, path, assessment.workspace.period)
    if not options.no_log:
        _log_run(assessment, options.out)
    breached = [row for row in assessment.rows if row.status is Status.BREACHED]
    _report_run(assessment, written, options.json)
    return FINDINGS if has_errors(assessment.findings) or (options.strict and breached) else GOOD


def _freezable(options: argparse.Namespace) -> Path:
    """The ``qpgis.toml`` whose period is to be frozen."""
    from qpgis.workspace.frozen import require_freezable

    given = (options.osm, options.zones, options.grid_m)
    if options.workspace is None or any(one is not None for one in given):
        raise ConfigError("--freeze is for a WORKSPACE as it is: leave out --osm, --zones and --grid-m")
    return require_freezable(options.workspace, options.period)


def _freeze(options: argparse.Namespace, path: Path, period: str) -> None:
    from qpgis.catalogue import text
    from qpgis.workspace.frozen import FROZEN, freeze

    freeze(path, period, options.out)
    _say(text("year_frozen", options.lang, period=period, folder=f"{FROZEN}/{period}"))


def _stale(options: argparse.Namespace) -> int:
    from dataclasses import asdict

    from qpgis.catalogue import text
    from qpgis.staleness import staleness

    workspace = _workspace(options, _Progress())
    if options.prune and workspace.cache is not None:
        _say(text("stale_pruned", options.lang, count=workspace.cache.prune()))
    found = staleness(workspace)
    if options.json:
        sys.stdout.write(json.dumps(asdict(found), ensure_ascii=False, indent=2) + "\n")
    else:
        _print(found.lines(workspace, options.lang))
        if workspace.cache is None:
            _say(text("stale_no_cache", options.lang))
    return FINDINGS if options.strict and (found.outdated or found.frozen) else GOOD


def _log_run(assessment: Assessment, folder: Path) -> None:
    from qpgis.provenance import sha256_of
    from qpgis.report.outputs import MANIFEST
    from qpgis.verifying.runlog import append_run

    workspace = assessment.workspace
    about = {"workspace": workspace.name, "period": workspace.period, "values": len(assessment.rows)}
    about |= {"findings": len(assessment.findings), "qpgis": __version__}
    append_run(folder, {**about, "manifest": sha256_of(folder / MANIFEST)})


def _release(options: argparse.Namespace) -> int:
    from qpgis.verifying.release import release

    found = release(options.folder, options.audience, lang=options.lang, progress=_Progress())
    return _report_checks(found, options, "release_summary")


def _report_checks(found: Sequence[Check], options: argparse.Namespace, summary: str) -> int:
    """Print what was checked, and say how many don't hold."""
    from dataclasses import asdict

    from qpgis.catalogue import text
    from qpgis.verifying import Verdict, check_lines

    fails = sum(check.verdict is Verdict.FAILS for check in found)
    if options.json:
        sys.stdout.write(json.dumps([asdict(check) for check in found], ensure_ascii=False, indent=2) + "\n")
    else:
        _print(check_lines(found, options.lang))
        _say(text(summary, options.lang, count=len(found), fails=fails))
    return FINDINGS if fails else GOOD


def _verify(options: argparse.Namespace) -> int:
    from qpgis.verifying import Source, verify

    if options.zones is not None and options.workspace is None:
        raise ConfigError("--zones goes with --workspace")
    source = None if options.workspace is None else Source(options.workspace or None, options.zones)
    found = verify(options.folder, source=source, lang=options.lang, progress=_Progress())
    return _report_checks(found, options, "verify_summary")


def _report_run(assessment: Assessment, written: Sequence[Path], as_json: bool) -> None:
    from collections import Counter

    from qpgis.catalogue import listed, text
    from qpgis.findings import Severity
    from qpgis.plans import Status
    from qpgis.rows import status_text

    found = Counter(str(f.severity) for f in assessment.findings)
    statuses = Counter(str(row.status) for row in assessment.rows)
    if as_json:
        summary = {"written": [p.as_posix() for p in written], "findings": dict(found), "statuses": dict(statuses)}
        sys.stdout.write(json.dumps(summary, ensure_ascii=False, indent=2, sort_keys=True) + "\n")
        return
    workspace, lang = assessment.workspace, assessment.lang
    words = {"name": workspace.title, "period": workspace.period, "count": len(assessment.rows)}
    there = sum(row.value is not None for row in assessment.rows)
    said = (f"{status_text(Status(one), None, lang)} {number}" for one, number in sorted(statuses.items()))
    _say(text("run_values", lang, **words, values=there, statuses=listed(said, lang)))
    if found:
        several = (f"{text(f'severity_{one}', lang)} {found[one]}" for one in map(str, Severity) if found[one])
        _say(text("run_findings", lang, severities=listed(several, lang)))
    if assessment.signing in ("unbound", "other"):
        _say(text("sign_hint", assessment.lang, result=assessment.result_sha256))
    for path in written:
        sys.stdout.write(f"{path}\n")


def _check(options: argparse.Namespace) -> int:
    from dataclasses import asdict

    from qpgis.disclosure import seen_by
    from qpgis.findings import has_errors
    from qpgis.report.checks import CHECKS, missing_lines, write_checks
    from qpgis.report.inspected import finding_lines

    if options.indicators:
        return _check_indicators(options)
    if options.control:
        return _check_control(options)
    if options.since is not None or options.strict:
        raise ConfigError("--since and --strict go with --control")
    assessment = seen_by(_assessment(options, [options.out / name for name in CHECKS], _Progress()), options.audience)
    written = write_checks(assessment, options.out, audience=options.audience)
    if options.json:
        rows = [{k: str(v) for k, v in asdict(f).items()} for f in assessment.findings]
        sys.stdout.write(json.dumps(rows, ensure_ascii=False, indent=2) + "\n")
    else:
        _print(finding_lines(assessment.findings, options.lang))
        _print(missing_lines(assessment))
        for path in written:
            _say(str(path))
    return FINDINGS if has_errors(assessment.findings) else GOOD


def _check_control(options: argparse.Namespace) -> int:
    from qpgis.findings import has_errors
    from qpgis.notebook import control_checks
    from qpgis.provenance import require_writable, spare
    from qpgis.report.control import OUTPUTS

    outputs = [options.out / name for name in OUTPUTS]
    require_writable(*outputs)
    progress = _Progress()
    workspace = _workspace(options, progress)
    spare(workspace.files, outputs)
    progress("checking control lines")
    found = control_checks(workspace, options.since, lang=options.lang)
    written = found.write(options.out, audience=options.audience)
    if options.json:
        sys.stdout.write(found.table.to_json(orient="records", force_ascii=False, indent=2) + "\n")
    else:
        _print(found.lines())
        for path in written:
            _say(str(path))
    return FINDINGS if has_errors(found.findings) or (options.strict and found.found) else GOOD


def _check_indicators(options: argparse.Namespace) -> int:
    from dataclasses import asdict

    from qpgis.contracts import breaches
    from qpgis.indicators import Indicator
    from qpgis.report.checks import breach_lines

    if options.osm is not None:
        raise ConfigError("--indicators goes with a workspace, not with --osm")
    indicators = _indicators(options.workspace)
    found = [breach for one in indicators.values() if isinstance(one, Indicator) for breach in breaches(one)]
    if options.json:
        sys.stdout.write(json.dumps([asdict(one) for one in found], ensure_ascii=False, indent=2) + "\n")
    else:
        _print(breach_lines(found, indicators, options.lang))
    _say(f"{len(indicators)} indicators tried, {len({one.indicator for one in found})} break a promise")
    return FINDINGS if found else GOOD


def _inspect(options: argparse.Namespace) -> int:
    from qpgis.inspection import Declared, inspect
    from qpgis.report.inspected import inspection_lines

    keys = ("layer", "crs", "datum", "encoding", "x_field", "y_field", "wkt_field")
    declared = Declared(**{key: getattr(options, key) for key in keys})
    found = inspect(*options.files, declared=declared, lang=options.lang)
    if options.json:
        sys.stdout.write(json.dumps([one.as_record() for one in found], ensure_ascii=False, indent=2) + "\n")
    else:
        for one in found:
            _print(inspection_lines(one, options.lang))
    refused = [layer.refusal for one in found if one.refused for layer in one.layers]
    for refusal in refused:
        _say(f"qpgis inspect: {refusal}")
    return BAD_USAGE if refused else FINDINGS if any(one.faulty for one in found) else GOOD


def _print(lines: Iterable[str]) -> None:
    """Lines on stdout, nothing in them that a terminal would take for a command."""
    for line in lines:
        sys.stdout.write(_printable(line) + "\n")


def _map(options: argparse.Namespace) -> int:
    from qpgis.disclosure import seen_by
    from qpgis.findings import has_errors
    from qpgis.provenance import staged_outputs
    from qpgis.report.outputs import write_map

    progress = _Progress()
    assessment = _assessment(options, [options.out], progress)
    progress(f"writing {options.out.name}")
    with staged_outputs(options.out.parent) as stage:
        write_map(seen_by(assessment, options.audience), stage / options.out.name)
    sys.stdout.write(f"{options.out}\n")
    return FINDINGS if has_errors(assessment.findings) else GOOD


def _list(options: argparse.Namespace) -> int:
    if options.long:
        from qpgis.report.definitions import definition_lines, layer_lines

        pages = {"indicators": definition_lines, "layers": layer_lines}
        if options.topic not in pages or options.json:
            raise ConfigError("--long goes with indicators or layers, and without --json")
        _print(pages[options.topic](_indicators(options.workspace), options.lang))
        return GOOD
    rows = _topic(options.topic, options.lang, options.workspace)
    if options.json:
        sys.stdout.write(json.dumps(rows, ensure_ascii=False, indent=2) + "\n")
        return GOOD
    for row in rows:
        definitions = row.pop("definitions", [])
        sys.stdout.write("  ".join(str(v) for v in row.values() if v) + "\n")
        for definition in definitions:
            sys.stdout.write(f"    {definition['name']}{definition['default']}: {definition['text']}\n")
    return GOOD


def _indicators(workspace: Path | None) -> Mapping[str, Declared]:
    """The indicators of a workspace, whose data aren't read; by default those of qpgis."""
    from qpgis.indicators import registry
    from qpgis.workspace.config import read_config
    from qpgis.workspace.loading import config_path

    return registry() if workspace is None else read_config(config_path(workspace)).registry


def _topic(topic: str, lang: Any, workspace: Path | None) -> list[dict[str, Any]]:
    from qpgis.catalogue import text
    from qpgis.landuse import crosswalk, crosswalks, scheme, schemes
    from qpgis.layers import LAYERS
    from qpgis.plans import read_plan, shipped_plans
    from qpgis.styles import layer_styles

    if topic == "layers":
        return [
            {"id": kind, "title": text(f"layer_{kind}", lang), "geometry": ", ".join(takes)}
            for kind, takes in LAYERS.items()
        ]
    if topic == "styles":
        named = [style for style in layer_styles() if style != "default"]
        return [{"id": style, "title": text(f"layer_{style}", lang)} for style in named]
    if topic == "plans":
        plans = [read_plan(name) for name in shipped_plans()]
        return [{"id": p.id, "title": p.title, "document": p.document, "scope": p.scope_name} for p in plans]
    if topic == "schemes":
        tables = [scheme(name) for name in schemes()]
        return [{"id": t.id, "title": t.title_in(lang), "edition": t.edition, "standing": t.standing} for t in tables]
    if topic == "crosswalks":
        walks = [crosswalk(*name.split("-")) for name in crosswalks()]
        return [{"id": w.id, "title": w.title_in(lang), "standing": w.standing} for w in walks]
    return [
        {
            "id": one.id,
            "title": one.title(lang),
            "unit": one.unit,
            "definitions": [
                {"name": d.name, "default": "" if n else " *", "text": d.text(lang), "standing": d.standing}
                for n, d in enumerate(one.definitions)
            ],
        }
        for one in _indicators(workspace).values()
    ]


def _check_synth_places(options: argparse.Namespace) -> None:
    """Refuse to write synthetic data over what they are made from, or where nothing can be written."""
    from qpgis.provenance import require_writable, spare
    from qpgis.synth.command import GIVEN

    kinds = ("landuse", "roads", "residents", "facilities")
    outputs = [options.out / f"{kind}.{options.format}" for kind in kinds]
    require_writable(*outputs)
    given = (options.zones, *(getattr(options, key) for key in GIVEN))
    spare((Path(file) for file in given if file is not None), outputs)


def _synth(options: argparse.Namespace) -> int:
    from qpgis.synth import write
    from qpgis.synth.command import GIVEN, for_workspace, for_zones

    names = ("parcels", "seed", "calibration", *GIVEN)
    changes = {name: value for name in names if (value := getattr(options, name)) is not None}
    if options.zones is not None and options.workspace is not None:
        raise ConfigError("--zones stands alone: leave out WORKSPACE")
    _check_synth_places(options)
    if options.zones is None:
        made = for_workspace(options.workspace, changes)
    else:
        made = for_zones(options.zones, options.zones_id, changes)
    written = write(made, options.out, format=options.format)
    tangled = made.tangled
    if tangled:
        _say(
            f"{tangled} parcels overlap a neighbour by a hair; for a strict coverage take fewer parcels or another seed"
        )
    if options.json:
        shares = json.loads(made.shares.to_json(orient="records", force_ascii=False))
        summary = {"written": [p.as_posix() for p in written], "shares": shares, "tangled": tangled}
        sys.stdout.write(json.dumps(summary, ensure_ascii=False, indent=2) + "\n")
        return GOOD
    _say(f"{len(made.landuse)} parcels, {len(made.roads)} streets, all of them synthetic")
    for path in written:
        sys.stdout.write(f"{path}\n")
    return GOOD


def _fetch(options: argparse.Namespace) -> int:
    from qpgis.fetching.osm import fetch_box, fetch_region
    from qpgis.fetching.provenance import service
    from qpgis.fetching.worldcover import fetch_worldcover
    from qpgis.provenance import require_writable

    box = _box(options.area)
    if options.what == "worldcover" and box is None:
        raise ConfigError(f"--area {options.area!r}: worldcover is fetched by W,S,E,N in degrees")
    name = "worldcover" if options.what == "worldcover" else "overpass" if box else "geofabrik"
    default = f"{options.what}-{options.area.replace('/', '-').replace(',', '_')}{service(name)['suffix']}"
    path: Path = options.out or Path(default)
    if not path.parent.is_dir():
        raise OutputError(f"{path.parent} is no folder; make it first")
    require_writable(path)
    if box is None:
        fetch_region(options.area, path, server=options.server, progress=_say)
    elif options.what == "osm":
        fetch_box(box, path, server=options.server)
    else:
        fetch_worldcover(box, path, server=options.server, progress=_say)
    sys.stdout.write(f"{path}\n")
    return GOOD


def _box(area: str) -> tuple[float, float, float, float] | None:
    """West, south, east, north, where an area is written so."""
    parts = area.split(",")
    try:
        west, south, east, north = map(float, parts)
    except ValueError:
        return None
    return west, south, east, north


def _what_if(options: argparse.Namespace) -> int:
    from qpgis.disclosure import seen_by
    from qpgis.findings import has_errors
    from qpgis.notebook import assess, run_scenarios
    from qpgis.provenance import require_writable, spare
    from qpgis.report.outputs import LAND_AREAS, MANIFEST, OUTPUTS, SECRECY, write_level, write_outputs
    from qpgis.report.tables import SCENARIOS, write_scenarios
    from qpgis.scenarios.named import differing_lines, named_scenario, scenario_table

    progress = _Progress()
    names = [SCENARIOS, *SECRECY] if options.all else [*OUTPUTS, *LAND_AREAS, *SECRECY, MANIFEST]
    outputs = [options.out / name for name in names]
    require_writable(*outputs)
    workspace = _workspace(options, progress)
    spare(workspace.files, outputs)
    if options.all:
        several = run_scenarios(workspace, lang=options.lang).values()
        results = [seen_by(one, options.audience) for one in several]
        table = scenario_table(results)
        for line in differing_lines(table, options.lang):
            _say(line)
        for path in (write_scenarios(table, options.out, options.lang), *write_level(results, options.out)):
            sys.stdout.write(f"{path}\n")
        return GOOD
    result = assess(named_scenario(workspace, options.scenario, lang=options.lang), lang=options.lang)
    written = write_outputs(result, options.out, audience=options.audience, progress=progress)
    if not options.no_log:
        _log_run(result, options.out)
    _report_run(result, written, False)
    return FINDINGS if has_errors(result.findings) else GOOD


def _gap(options: argparse.Namespace) -> int:
    from qpgis.assessment import assess
    from qpgis.disclosure import seen_by
    from qpgis.provenance import require_writable, spare
    from qpgis.report.outputs import SECRECY, write_level
    from qpgis.report.tables import GAP, write_gap
    from qpgis.scenarios.shortfall import elsewhere_lines, shortfalls

    if options.indicator is None and (options.definition or options.candidates):
        raise ConfigError("--definition and --candidates go with --indicator")
    if options.candidates is not None:
        return _close_gap(options)
    if not (options.layer is options.cost_field is options.target is None):
        raise ConfigError("--layer, --cost-field and --target go with --candidates")
    outputs = [] if options.out is None else [options.out / name for name in (GAP, *SECRECY)]
    require_writable(*outputs)
    workspace = _workspace(options, _Progress())
    spare(workspace.files, outputs)
    definitions = {options.indicator: [options.definition]} if options.definition else None
    indicators = [options.indicator] if options.indicator else None
    result = assess(workspace, indicators=indicators, definitions=definitions, lang=options.lang)
    found = shortfalls(result, indicator=options.indicator, level=options.level, zones=options.zone)
    if options.out is not None:
        for path in (write_gap(found, options.out), *write_level([seen_by(result, "internal")], options.out)):
            _say(str(path))
    if options.json:
        sys.stdout.write(json.dumps([one.record() for one in found], ensure_ascii=False, indent=2) + "\n")
    else:
        _print([one.text(result) for one in found] or elsewhere_lines(result, options.indicator))
    return GOOD


def _close_gap(options: argparse.Namespace) -> int:
    from qpgis.notebook import gap
    from qpgis.provenance import require_writable, spare
    from qpgis.report.outputs import LAND_AREAS, MANIFEST, OUTPUTS, SECRECY
    from qpgis.report.tables import CHOSEN

    if options.layer is None:
        raise ConfigError("--candidates needs --layer, the layer that they would be in: facilities, stations, ...")
    if options.level is not None:
        raise ConfigError("--level goes without --candidates; name zones with --zone")
    names = [] if options.out is None else [*OUTPUTS, *LAND_AREAS, *SECRECY, MANIFEST, CHOSEN]
    outputs = [options.out / name for name in names]
    require_writable(*outputs)
    progress = _Progress()
    workspace = _workspace(options, progress)
    spare((*workspace.files, options.candidates), outputs)
    progress("looking for the best set")
    same = ("layer", "zone", "cost_field", "definition", "target", "operator", "seconds", "tries", "lang")
    answer = gap(workspace, options.indicator, options.candidates, **{name: getattr(options, name) for name in same})
    if options.json:
        sys.stdout.write(json.dumps(answer.as_record(), ensure_ascii=False, indent=2) + "\n")
    else:
        _print(answer.text().splitlines())
    if options.out is not None and answer.reached:
        progress("computing the scenario")
        for path in answer.write(options.out):
            _say(str(path))
        for line in answer.toml(CHOSEN).splitlines():
            _say(line)
    return GOOD if answer.reached else FINDINGS


def _diff(options: argparse.Namespace) -> int:
    from qpgis.notebook import compare
    from qpgis.provenance import require_writable, spare
    from qpgis.report.tables import write_comparison_csv, write_explanation_csv
    from qpgis.scenarios.compare import MANIFEST, VALUES

    if options.csv is not None:
        require_writable(options.csv)
        runs = (options.before, options.after)
        spare((folder / name for folder in runs for name in (VALUES, MANIFEST)), [options.csv])
    if options.explain is None and (options.workspaces or options.zone or options.definition):
        raise ConfigError("--workspaces, --zone and --definition go with --explain INDICATOR")
    places = options.workspaces or (None, None)
    found = compare(options.before, options.after, unlike=options.unlike, lang=options.lang, workspaces=places)
    why = None if options.explain is None else found.explain(options.explain, options.zone, options.definition)
    if options.csv is not None:
        if why is None:
            write_comparison_csv(found, options.csv)
        else:
            write_explanation_csv(why, options.csv)
        _say(str(options.csv))
    told = why or found
    if options.json:
        sys.stdout.write(json.dumps(told.as_record(), ensure_ascii=False, indent=2) + "\n")
    else:
        _print(told.text().splitlines())
    return GOOD


def _init(options: argparse.Namespace) -> int:
    from qpgis.catalogue import data_dir
    from qpgis.provenance import require_writable

    if options.source is not None or options.period is not None:
        return _roll_forward(options)
    if options.folder is None or options.json:
        raise ConfigError("name the folder to make; --json goes with --from WORKSPACE --period P")
    folder: Path = options.folder
    if options.embedded:
        from qpgis.workspace.embedded import copy_embedded

        sys.stdout.write(f"{copy_embedded(folder)}\n")
        return GOOD
    tables = [folder / "tables" / name for name in ("statistics.csv", "baselines.csv", "targets.csv")]
    files = [*tables, folder / "qpgis.toml"]
    if there := [str(path) for path in files if path.exists()]:
        raise OutputError(f"{', '.join(there)} is there already; choose another folder")
    require_writable(*files)
    try:
        (folder / "data").mkdir(parents=True, exist_ok=True)
        (folder / "tables").mkdir(exist_ok=True)
        for path in files:
            path.write_bytes(data_dir().joinpath("templates", path.name).read_bytes())
    except OSError as error:
        for path in files:
            path.unlink(missing_ok=True)
        raise OutputError(f"{folder}: can't be written ({error.strerror})") from error
    sys.stdout.write(f"{folder / 'qpgis.toml'}\n")
    return GOOD


def _handover(options: argparse.Namespace) -> int:
    from qpgis.handover import handover

    packed = handover(options.workspace, options.out, lang=options.lang)
    if options.json:
        written = {"written": options.out.as_posix(), "packed": list(packed)}
        sys.stdout.write(json.dumps(written, ensure_ascii=False, indent=2) + "\n")
        return GOOD
    sys.stdout.write(f"{options.out}\n")
    _print(f"  {name}" for name in packed)
    return GOOD


def _roll_forward(options: argparse.Namespace) -> int:
    from dataclasses import asdict

    from qpgis.catalogue import text
    from qpgis.workspace.rolling import roll_forward

    if options.source is None or options.period is None or options.folder is not None or options.embedded:
        raise ConfigError("a year is rolled forward with --from WORKSPACE --period P, and without DIR")
    path, added, missing = roll_forward(options.source, options.period)
    if options.json:
        summary = {"file": str(path), "added": added, "missing": [asdict(one) for one in missing]}
        sys.stdout.write(json.dumps(summary, ensure_ascii=False, indent=2) + "\n")
        return GOOD
    told = "year_rolled" if added else "year_there"
    _say(text(told, options.lang, period=options.period, count=len(missing)))
    _print([str(path), *(one.text(options.lang) for one in missing)])
    return GOOD


if __name__ == "__main__":
    sys.exit(main())
