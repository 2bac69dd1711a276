"""Layers brought up to date by files of what changed (变更调查增量), counted by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
import shapely

import qpgis as qp
from qpgis.errors import ConfigError, SourceError
from qpgis.workspace import Workspace
from tests.conftest import Maker, frame, layer, square, write

FIELDS = 'scheme = "sandiao"', 'class_field = "code"', 'id_field = "id"'
KINDS = "".join(f'[layers.{kind}]\nfrom = "landuse"\n' for kind in ("farmland", "forest", "construction"))
LAND = layer("landuse", *FIELDS) + KINDS
NEXT_YEAR = '[periods.2025.layers.landuse]\nchanges = ["changed.gpkg"]\n'


@pytest.fixture
def folder(workspace: Maker) -> Path:
    """a and b are farmland, c forest, d built; then b is built on, the east of a is planted, and so is a strip of d."""
    parcels = [square(0, 0), square(1000, 0), square(0, 1000), square(1000, 1000)]
    uses = frame(parcels, id=["p1", "p2", "p3", "p4"], code=["0101", "0101", "0301", "0601"])
    made = workspace(LAND + NEXT_YEAR, landuse=uses)
    east, strip = shapely.box(*square(500, 0).bounds[:2], *square(0, 0).bounds[2:]), square(1000, 1000, 200)
    write(
        made, {"changed": frame([square(1000, 0), east, strip], id=["p2", "p5", "p6"], code=["0601", "0301", "0301"])}
    )
    return made


def hectares(workspace: Workspace, kind: str) -> float:
    return float(shapely.area(workspace.layers[kind].dissolved).sum()) / 1e4


def test_ground_beneath_changes_goes(folder: Path) -> None:
    before, after = (qp.open_workspace(folder, period=period) for period in ("2024", "2025"))
    assert [round(hectares(before, kind)) for kind in ("farmland", "forest", "construction")] == [200, 100, 100]
    assert [round(hectares(after, kind)) for kind in ("farmland", "forest", "construction")] == [50, 154, 196]
    assert sorted(after.layers["landuse"].frame["feature_id"]) == ["p1", "p2", "p3", "p4", "p5", "p6"]


def test_every_row_is_accounted_for(folder: Path) -> None:
    after = qp.open_workspace(folder, period="2025")
    (ledger,) = [one for kind, one in after.ledgers.items() if kind == "landuse"]
    assert (ledger.read, ledger.used, ledger.dropped) == (7, 6, 1)
    (told,) = [one for one in after.findings if one.rule == "brought_up_to_date"]
    assert (told.file, told.feature_id, told.value) == ("changed.gpkg", "p2", "3")
    assert {one.name for one in after.inputs if one.role == "landuse"} == {"landuse.gpkg", "changed.gpkg"}


def test_values_are_those_of_the_whole_file(folder: Path) -> None:
    after = qp.open_workspace(folder, period="2025")
    whole = frame(after.layers["landuse"].geometry, id=range(6), code=after.layers["landuse"].frame["class_"].tolist())
    whole = whole.set_geometry(after.area.plane.unproject(after.layers["landuse"].geometry), crs=4490)
    write(folder, {"whole": whole})
    fields = 'file = "whole.gpkg"\ngrade = "official"\n' + "\n".join(FIELDS)
    text = (folder / "qpgis.toml").read_text("utf-8").replace('changes = ["changed.gpkg"]', fields)
    (folder / "qpgis.toml").write_text(text, "utf-8")
    redrawn = qp.open_workspace(folder, period="2025")
    for kind in ("farmland", "forest", "construction"):
        assert hectares(after, kind) == pytest.approx(
            hectares(redrawn, kind), abs=1e-4
        )  # edges are straight in another system


def test_changed_changes_are_read_again(folder: Path) -> None:
    qp.assess(qp.open_workspace(folder, period="2025"))
    write(folder, {"changed": frame([square(0, 1000)], id=["p3"], code=["0601"])})
    again = qp.open_workspace(folder, period="2025")
    assert [round(hectares(again, kind)) for kind in ("farmland", "forest", "construction")] == [200, 0, 200]


def test_mistakes_are_told(folder: Path, workspace: Maker) -> None:
    (folder / "changed.gpkg").unlink()
    with pytest.raises(SourceError, match=r"layers\.landuse\.changes.*changed\.gpkg"):
        qp.open_workspace(folder, period="2025")
    text = (folder / "qpgis.toml").read_text("utf-8")
    for kind, said in (("forest", "changes goes with the file of the layer"), ("roads", "changes goes with")):
        (folder / "qpgis.toml").write_text(text.replace("2025.layers.landuse", f"2025.layers.{kind}"), "utf-8")
        with pytest.raises(ConfigError, match=said):
            qp.open_workspace(folder)
