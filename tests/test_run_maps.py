"""The maps of real runs in a real browser that has no network."""

from __future__ import annotations

from pathlib import Path

import pytest

from qpgis.cli import main
from qpgis.indicators import registry
from tests.browser import CHROMIUM, FLAGS
from tests.conftest import SHARED_DATA

pytestmark = pytest.mark.browser


@pytest.fixture(params=["qingpu", "towns", "liechtenstein"])
def page_file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    arguments = {
        "qingpu": [],
        "towns": ["--zones", str(SHARED_DATA / "qingpu_11_towns_osm_wgs84.geojson"), "--zones-grade", "open"],
        "liechtenstein": [
            "--osm",
            str(SHARED_DATA / "liechtenstein.osm.pbf"),
            "--zones-level",
            "8",
            "--groups-level",
            "6",
        ],
    }[request.param]
    if arguments and not Path(arguments[1]).exists():
        pytest.skip("the shared data are not beside this checkout")
    assert main(["run", *arguments, "--out", str(tmp_path)]) == 0
    return tmp_path / "map.html"


@pytest.mark.skipif(CHROMIUM is None, reason="Debian's chromium is not installed")
def test_the_map_opens_alone(page_file: Path) -> None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        requests: list[str] = []
        complaints: list[str] = []
        page.on("request", lambda r: requests.append(r.url))
        page.on("console", lambda m: complaints.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda e: complaints.append(str(e)))
        page.goto(page_file.as_uri())
        page.wait_for_timeout(800)
        before = page.screenshot()
        chooser = page.locator("select").first
        options = chooser.locator("option").all_inner_texts()
        assert len(options) == len(registry())
        chooser.select_option(label=next(o for o in options if "河湖水面率" in o))
        page.wait_for_timeout(400)
        assert page.screenshot() != before
        assert "÷ 区域总面积" in page.inner_text("body")
        box = page.locator(".leaflet-container").bounding_box()
        assert box is not None
        tooltip = ""
        for share in (0.5, 0.45, 0.55, 0.4, 0.6):
            page.mouse.move(box["x"] + box["width"] * share, box["y"] + box["height"] * 0.5)
            page.wait_for_timeout(200)
            if page.locator(".leaflet-tooltip").count():
                tooltip = page.locator(".leaflet-tooltip").last.inner_text()
                break
        assert "河湖水面率" in tooltip or "%" in tooltip
        browser.close()
    assert [r for r in requests if not r.startswith(("file:", "data:", "blob:"))] == []
    assert complaints == []
