"""What is measured of each zone as a whole: groups on their own ground, missing values with their reason."""

from __future__ import annotations

import re
from pathlib import Path

import geopandas as gpd
import pytest
import shapely

import qpgis as qp
from qpgis import engine, parts
from qpgis.amounts import Amount, Outcome, outcome
from qpgis.cli import main
from qpgis.errors import ConfigError
from qpgis.indicators import Definition, Indicator, ecology, indicator
from qpgis.layers import AbsentLayer, Layer
from qpgis.parts import AnyLayer, PerZone, Zones
from qpgis.provenance import Grade, Source
from qpgis.wholes import Memory
from tests.conftest import EAST, HEAD, NORTH, Maker, frame, layer, square
from tests.test_outputs import rows_of

ONE = (Definition("dissolved", "最大斑块面积 ÷ 林地面积", "Largest patch ÷ forest"),)
SLIVER_M2 = 1.0
"""Of what is drawn along a border some micrometres may lie beyond it."""


def largest_share(zones: engine.ZoneSet, measured: PerZone, plane: engine.Plane, memory: Memory) -> list[Outcome]:
    forest = shapely.union_all(measured.layers[0].geometry)
    found = []
    for zone in zones.geometry:
        areas = shapely.area(shapely.get_parts(shapely.intersection(zone, forest)))
        areas = areas[areas > SLIVER_M2]
        if len(areas):
            found.append(outcome("%", Amount.of(areas.max(), "m2"), Amount.of(areas.sum(), "m2")))
        else:
            found.append(Outcome(None, "note_zero_denominator"))
    return found


def declared(unit: str = "%") -> Indicator:
    @indicator(unit=unit, zh="最大斑块占比", en="Largest patch", theme="ecology", definitions=ONE)
    def largest_patch(zones: Zones, forest: AnyLayer) -> PerZone:
        return parts.per_zone("largest_share", forest, unit="%")

    return largest_patch


@pytest.fixture(autouse=True)
def _made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "WHOLES", {**engine.WHOLES, "largest_share": largest_share})
    monkeypatch.setattr(ecology, "largest_patch", declared(), raising=False)


# a wood of 100 m x 100 m on the border of a and b, half in each, and one of 80 m x 100 m in a
WOODS = [square(950, 0, 100), square(100, 500, 80, 100)]


def test_a_group_is_measured_on_its_own_ground(workspace: Maker) -> None:
    own = frame([square(0, 0, 960, 1000), square(900, 0, 1000, 1000)], zone_id=["p", "q"], name=["片一", "片二"])
    head = HEAD + '[[own_zones]]\nfile = "own.gpkg"\nlevel = "village"\ngrade = "surveyed"\noverlapping = true\n'
    ws = qp.open_workspace(workspace(layer("forest"), head=head, own=own, forest=frame(WOODS)))
    rows = qp.assess(ws)["largest_patch"].set_index("zone_id")
    shares = {
        "a": 8000 / 13000,
        "b": 1,
        "south": 10000 / 18000,  # the border cuts no wood here: neither the sum of a and b nor their mean
        "all": 10000 / 18000,
        "p": 8000 / 9000,
        "q": 1,  # overlaps p, which takes nothing away
    }
    for zone, share in shares.items():
        assert rows.loc[zone, "value"] == pytest.approx(100 * share, rel=1e-5), zone
    assert rows.loc["south", "numerator"] == pytest.approx(0.01, rel=1e-3)
    assert set(rows["grade"]) == {"surveyed"}
    for zone in "cd":
        assert (rows.loc[zone, "status"], rows.loc[zone, "note"]) == ("not_computable", "分母为 0")


def test_cells_of_a_grid_are_zones_like_any_other(workspace: Maker) -> None:
    head = HEAD.replace("[zones]", "[zones]\ngrid_cell_m = 1000")
    rows = qp.assess(qp.open_workspace(workspace(layer("forest"), head=head, forest=frame(WOODS))))["largest_patch"]
    assert rows[rows["level"] == "grid"]["value"].dropna().max() == 100
    assert len(rows[rows["level"] == "grid"]) >= 4


def test_what_was_not_surveyed_is_said(workspace: Maker) -> None:
    """Surveyed is all of a and the western half of b, so three quarters of the south."""
    corners = shapely.points([(EAST - 50, NORTH - 50), (EAST + 1500, NORTH + 1050)])
    degrees = shapely.get_coordinates(gpd.GeoSeries(corners, crs=4549).to_crs(4490).to_numpy()).ravel().tolist()
    surveyed = layer("forest").replace('"area"', str(degrees))
    ws = qp.open_workspace(workspace(surveyed, forest=frame(WOODS)))
    result = qp.assess(ws)
    notes = result["largest_patch"].set_index("zone_id")["note"]
    assert notes["a"] == ""
    for zone, share in (("b", 50), ("south", 75)):
        (said,) = re.findall(r"已调查占比 ([\d.]+)%", notes[zone])
        assert float(said) == pytest.approx(share, abs=1)
    named = {f.feature_id for f in result.findings if f.rule == "partly_surveyed"}
    assert "b" in named
    assert not named & {"a", "south", "all"}


def test_a_whole_run_writes_it(workspace: Maker, tmp_path: Path) -> None:
    folder = workspace(layer("forest"), forest=frame(WOODS))
    assert main(["run", str(folder), "--out", str(tmp_path / "out")]) == 0
    rows = {r["zone_id"]: r for r in rows_of(tmp_path / "out" / "indicators.csv") if r["indicator"] == "largest_patch"}
    assert float(rows["south"]["value"]) == pytest.approx(100 * 10 / 18, rel=1e-5)
    assert (rows["c"]["value"], rows["c"]["numerator"]) == ("", "")


def test_an_absent_layer_is_the_reason(workspace: Maker) -> None:
    rows = qp.assess(qp.open_workspace(workspace()))["largest_patch"]
    assert set(rows["status"]) == {"not_computable"}
    assert rows["note"].str.contains("forest").all()
    with pytest.raises(qp.errors.MissingLayer):
        declared()({"forest": AbsentLayer("forest")}, ONE[0])


def test_units_are_checked() -> None:
    forest = Layer.empty("forest", Source("", Grade.SURVEYED))
    with pytest.raises(ValueError, match="no unit of a zone's value"):
        PerZone("largest_share", "bananas", (forest,))
    with pytest.raises(ConfigError, match="is in 'km2', but its zones are measured in '%'"):
        declared("km2")({"forest": forest}, ONE[0])
    with pytest.raises(ConfigError, match="unknown unit"):
        declared("bananas")
