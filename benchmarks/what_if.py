"""How long all values take when one of many parcels changes its use, beside computing them all; results checked equal.

    python -m benchmarks.what_if WORKSPACE [--edits 0101:0601 0301:0601]

WORKSPACE has ``[layers.landuse]``; ``qpgis synth --parcels 300000`` makes some. For each edit the first parcel of a
code gets another one, as it stands in the file. All values are computed in the open workspace (``qp.what_if``), and
anew from nothing, which is the peer, in the same session. Nothing is kept on disk. Ends with status 1 where a value or
a finding differs.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import geopandas as gpd

import qpgis as qp
from qpgis.assessment import assess
from qpgis.layers import Layer
from qpgis.workspace import Workspace
from qpgis.workspace.loading import open_workspace


def edited(workspace: Workspace, folder: Path, before: str, after: str) -> gpd.GeoDataFrame:
    """The first parcel of one code as its file has it, with another code."""
    table = workspace.tables["landuse"]
    assert table.file is not None
    path = folder / table.file
    parcels = gpd.read_parquet(path) if path.suffix == ".parquet" else gpd.read_file(path)
    assert table.class_field is not None
    found = parcels[parcels[table.class_field].astype(str) == before].iloc[:1]
    return found.assign(**{table.class_field: after})


def main() -> int:
    """Print one line an edit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--edits", nargs="+", default=["0101:0601"], metavar="FROM:TO")
    options = parser.parse_args()
    workspace = open_workspace(options.workspace, cache=False)
    land: Layer = workspace.layers["landuse"]
    begun = time.perf_counter()
    qp.assess(workspace)
    sys.stdout.write(f"{len(land):,} parcels, all values: {time.perf_counter() - begun:.1f} s\n")
    same = True
    for edit in options.edits:
        parcel = edited(workspace, options.workspace, *edit.split(":"))
        begun = time.perf_counter()
        found = qp.what_if(workspace, landuse=parcel)
        ours = time.perf_counter() - begun
        begun = time.perf_counter()
        anew = assess(found.workspace)
        full = time.perf_counter() - begun
        equal = found.rows == anew.rows and found.findings == anew.findings
        same &= equal
        said = "equal" if equal else "DIFFERENT"
        sys.stdout.write(f"{edit}: {ours:.2f} s, anew {full:.1f} s, {full / ours:.0f} times; {said}\n")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
