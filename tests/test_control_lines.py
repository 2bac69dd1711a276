"""Lines to hold, villages and projects, in towns of a square kilometre worked by hand."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

import qpgis as qp
from qpgis.errors import ConfigError
from tests.conftest import Maker, frame, layer, square
from tests.test_access import at, values

HECTARE = 0.01


def test_what_is_built_across_a_line(workspace: Maker) -> None:
    """Built land is the southern tenth of both towns, 10 ha each; the lines lie across it."""
    tables = "".join(layer(kind) for kind in ("construction", "basic_farmland", "redline", "growth_boundary"))
    built = frame([square(0, 0, 2000, 100)])
    made = {
        "basic_farmland": frame([square(0, 50, 500, 100), square(250, 50, 250, 100)]),  # 500 m by 100, half of it built
        "redline": frame([square(900, 0, 200, 1000)]),  # 100 m to both sides of the border
        "growth_boundary": frame([square(1000, 0, 300, 300)]),
    }
    ws = qp.open_workspace(workspace(tables, construction=built, **made))
    expected = {
        "basic_farmland_area": (5, 0),
        "redline_area": (10, 10),
        "built_in_basic_farmland": (2.5, 0),
        "built_in_redline": (1, 1),
        "built_outside_growth_boundary": (10, 7),
    }
    for indicator, (in_a, in_b) in expected.items():
        found = values(ws, indicator, "drawn")
        assert (found["a"], found["b"]) == pytest.approx((in_a * HECTARE, in_b * HECTARE), rel=1e-3, abs=1e-9)
        assert found["south"] == pytest.approx((in_a + in_b) * HECTARE, rel=1e-3)
        assert found["c"] == pytest.approx(0, abs=1e-9)


def test_nothing_built_inside_is_exactly_none(workspace: Maker) -> None:
    tables = layer("construction") + layer("redline")
    made = {"construction": frame([square(0, 0, 100, 100)]), "redline": frame([square(500, 500, 100, 100)])}
    assert values(qp.open_workspace(workspace(tables, **made)), "built_in_redline", "drawn")["a"] == 0


def test_a_line_is_never_guessed(workspace: Maker) -> None:
    ws = qp.open_workspace(workspace(layer("construction"), construction=frame([square(0, 0, 100, 100)])))
    result = qp.assess(ws)
    for indicator in ("redline_area", "built_in_redline", "basic_farmland_area", "built_outside_growth_boundary"):
        assert result[indicator]["value"].isna().all()
        assert not result[indicator]["note"].str.contains("from =").any()  # land use can't give it


def test_a_line_is_not_selected_from_land_use(workspace: Maker) -> None:
    tables = layer("landuse", 'class_field = "code"', 'scheme = "sandiao"') + '[layers.redline]\nfrom = "landuse"\n'
    parcels = frame([square(0, 0, 2000, 2000)], code=["0301"])
    with pytest.raises(ConfigError, match="redline: no land-use class is one"):
        qp.open_workspace(workspace(tables, landuse=parcels))


widths = st.integers(1, 1000)


@given(widths, widths)
def test_a_wider_line_holds_no_less(one: int, more: int) -> None:
    import numpy as np
    import shapely

    from qpgis.access import Access
    from qpgis.contracts import _area
    from qpgis.layers import Layer
    from qpgis.parts import near
    from qpgis.provenance import Grade, Source

    def polygons(kind: str, *boxes: shapely.Geometry) -> Layer:
        empty = Layer.empty(kind, Source("x", Grade.SURVEYED))
        shapes = np.array(boxes, dtype=object)
        rows = empty.frame.reindex(range(len(boxes)), fill_value="")
        return Layer(kind, rows, shapes, empty.source, None, f"{kind} {[b.wkt for b in boxes]}")

    built = polygons("construction", shapely.box(0, 0, 500, 10), shapely.box(600, 0, 700, 10))

    def held(width: int) -> float:
        access = Access(_area())
        chosen = access.chosen(built, near(polygons("redline", shapely.box(0, 0, width, 5)), limit_m=0.0))
        return float(shapely.area(chosen.geometry).sum())

    assert held(one) <= held(one + more)
    assert held(one) == pytest.approx(5 * (min(one, 500) + min(max(one - 600, 0), 100)))


# ---- villages

VILLAGES = layer("villages", 'class_field = "class"', 'status_field = "status"')


def test_villages_are_counted_by_what_they_are_called(workspace: Maker) -> None:
    """In a: two beautiful villages (one is planned), one to be kept; in b: a demonstration village, as a polygon."""
    spots = [at(10, 10), at(20, 10), at(30, 10), square(1100, 100, 50, 50), at(40, 10)]
    words = ["美丽乡村示范村", "美丽乡村", "保留村", "市级乡村振兴示范村", "撤并村"]
    rows = frame(spots, **{"class": words, "status": ["现状", "规划", "现状", "现状", "现状"]})
    ws = qp.open_workspace(workspace(VILLAGES, villages=rows))
    expected = {
        ("beautiful_village_sites", "beautiful"): (1, 0),
        ("beautiful_village_sites", "with_demonstration"): (1, 1),
        ("demonstration_villages", "named"): (0, 1),
        ("villages_by_class", "kept"): (1, 0),
        ("villages_by_class", "relocated"): (1, 0),
    }
    for (indicator, definition), counts in expected.items():
        found = values(ws, indicator, definition)
        assert (found["a"], found["b"], found["south"]) == (*counts, sum(counts))


def test_a_list_without_any_of_a_class_is_no_zero(workspace: Maker) -> None:
    rows = frame([at(10, 10)], **{"class": ["保留村"], "status": ["现状"]})
    result = qp.assess(qp.open_workspace(workspace(VILLAGES, villages=rows)))
    assert result["demonstration_villages"]["value"].isna().all()
    assert result["demonstration_villages"]["note"].str.contains("乡村振兴示范村").all()


# ---- projects

PROJECTS = layer("projects", 'status_field = "status"', 'opened_field = "until"')


def test_projects_are_counted_in_every_status(workspace: Maker) -> None:
    """Seven projects, of them one in b; one is to be completed years after the date that is computed."""
    words = ["竣工", "已建", "在建", "续建", "规划", "储备", "在建"]
    spots = [at(10 * n, 10) for n in range(1, 7)] + [at(1100, 100)]
    rows = frame(spots, status=words, until=["2020", "2021", "2030-12", "", "", "", "2025"])
    ws = qp.open_workspace(workspace(PROJECTS, projects=rows))
    expected = {"completed": (2, 0), "under_construction": (2, 1), "planned": (1, 0), "studied": (1, 0)}
    for status, counts in expected.items():
        found = values(ws, "projects_by_status", status)
        assert (found["a"], found["b"], found["south"]) == (*counts, sum(counts))
    assert values(ws, "projects_by_status", "completed[status=started]")["south"] == 5
    completed = values(ws, "projects_completed_share", "completed")
    assert (completed["a"], completed["b"], completed["south"]) == pytest.approx((100 * 2 / 6, 0, 100 * 2 / 7))
    assert values(ws, "projects_completed_share", "started")["south"] == pytest.approx(100 * 5 / 7)
    assert math.isnan(completed["c"])


def test_projects_without_a_status_ask_for_it(workspace: Maker) -> None:
    ws = qp.open_workspace(workspace(layer("projects"), projects=frame([at(10, 10)], until=["2020"])))
    rows = qp.assess(ws)["projects_by_status"]
    assert rows["value"].isna().all()
    assert rows["note"].str.contains("status_field").all()


def test_a_status_that_nothing_knows_is_an_error_and_in_no_count(workspace: Maker) -> None:
    rows = frame([at(10, 10), at(20, 10)], status=["在建", "??"], until=["", ""])
    ws = qp.open_workspace(workspace(PROJECTS, projects=rows))
    assert [one.rule for one in ws.findings if one.severity == "error"] == ["unknown_status"]
    assert values(ws, "projects_completed_share", "started")["a"] == 100
