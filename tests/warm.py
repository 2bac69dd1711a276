"""Commands of qpgis in forks of one process that has imported everything already: each takes a fraction of a second.

``python -m tests.warm`` is that process; :class:`Warm` talks with it. A fork is a real process: it can be killed,
limited, and run beside others.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).resolve().parents[1]
FILE_EVENTS = frozenset(["open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.scandir", "tempfile.mkdtemp"])
"""What Python's audit hooks tell of files: the moments at which a run is killed."""

PATIENCE_S = 60
"""A command that takes longer hangs, and is ended: its status is -14."""


@dataclass(frozen=True)
class Done:
    """How a command ended: its exit status (of a killed one the negative signal), what it said, its moments."""

    status: int
    out: str
    err: str
    moments: tuple[str, ...] = ()


class Warm:
    """A process that runs commands in forks of itself."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        command = [sys.executable, "-W", "error", "-m", "tests.warm"]
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
        )

    def run(self, *arguments: str | Path, cwd: Path, **settings: Any) -> Done:
        """One command. Settings: ``kill_at`` (number of a moment), ``limits`` (of resources, by name), ``trace``."""
        (done,) = self.together(1, *arguments, cwd=cwd, **settings)
        return done

    def together(self, copies: int, *arguments: str | Path, cwd: Path, **settings: Any) -> list[Done]:
        """The same command in several processes at once; ``{n}`` in its arguments is the number of each."""
        job = {
            "arguments": [os.fsdecode(a) for a in arguments],
            "cwd": os.fsdecode(cwd),
            "copies": copies,
            "said": str(self._folder),
        }
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(job | settings) + "\n")
        self._process.stdin.flush()
        statuses = json.loads(self._process.stdout.readline())
        return [self._done(n, status) for n, status in enumerate(statuses)]

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def _done(self, n: int, status: int) -> Done:
        out, err, moments = (
            (self._folder / f"{n}.{name}").read_bytes().decode("utf-8", "surrogateescape")
            for name in ("out", "err", "moments")
        )
        return Done(status, out, err, tuple(moments.splitlines()))


def _serve() -> None:
    _import_everything()
    for line in sys.stdin:
        job = json.loads(line)
        pids = []
        for n in range(job["copies"]):
            pid = os.fork()
            if pid == 0:
                _work(job, n)
            pids.append(pid)
        statuses = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
        sys.stdout.write(json.dumps(statuses) + "\n")
        sys.stdout.flush()


def _import_everything() -> None:
    import importlib
    import pkgutil

    import qpgis

    for module in pkgutil.walk_packages(qpgis.__path__, "qpgis."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    for name in ("ezdxf", "geopandas", "openpyxl", "osmium", "pyarrow.parquet", "pyogrio", "rasterio", "xlsxwriter"):
        importlib.import_module(name)


def _work(job: dict[str, Any], n: int) -> NoReturn:
    said = Path(job["said"])
    status = 1
    signal.alarm(PATIENCE_S)
    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(said / f"{n}.{name}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    moments = os.open(said / f"{n}.moments", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    try:
        os.chdir(os.fsencode(job["cwd"]))
        for name, value in job.get("limits", {}).items():
            resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (value, value))
        _watch(moments, job.get("kill_at"), trace=job.get("trace", False))
        from qpgis.cli import main

        status = main([a.replace("{n}", str(n)) for a in job["arguments"]])
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _watch(moments: int, kill_at: int | None, *, trace: bool) -> None:
    """Write each moment down, or kill this process at one of them."""
    if kill_at is None and not trace:
        return
    seen = 0

    def hook(event: str, _: object) -> None:
        nonlocal seen
        if event in FILE_EVENTS:
            if trace:
                os.write(moments, f"{event}\n".encode())
            if seen == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
            seen += 1

    sys.addaudithook(hook)


if __name__ == "__main__":
    _serve()
