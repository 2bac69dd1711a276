"""The contracts of indicators: ours keep them all, and each contract catches who breaks it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

import qpgis.kernels
from qpgis import Definition, Ratio, Total, indicator, parts
from qpgis.area import ZoneSet
from qpgis.catalogue import keys
from qpgis.cli import main
from qpgis.contracts import CONTRACTS, Breach, Grounds, _all_values, breaches
from qpgis.crs import Plane
from qpgis.errors import MissingLayer
from qpgis.indicators import Indicator, registry
from qpgis.layers import AbsentLayer
from qpgis.measures.areas import area_contributions
from qpgis.measures.contributions import Contributions
from qpgis.parts import Measure, Part
from tests.conftest import HEAD, Maker
from tests.test_own_indicators import NEAR_WATER, own

OURS = [(one, definition) for one in registry().values() for definition in one.definitions]


@pytest.mark.parametrize(("one", "definition"), OURS, ids=lambda one: getattr(one, "id", None) or one.name)
def test_ours_keep_every_contract(one: Indicator, definition: Definition) -> None:
    assert not list(breaches(replace(one, definitions=(definition,))))


BEYOND = "border_dead_ends"
"""The made square kilometre has neither roads beyond its border nor a border within; tried by hand elsewhere."""


@pytest.mark.parametrize(
    ("one", "definition"),
    [(one, definition) for one, definition in OURS if one.id != BEYOND],
    ids=lambda one: getattr(one, "id", None) or one.name,
)
def test_the_made_square_kilometre_tries_each(one: Indicator, definition: Definition) -> None:
    """A contract that only ever sees missing values tries nothing."""
    values = [value for value in _all_values(one, definition, Grounds(one).made) if value is not None]
    assert values
    if definition.name != "eroded_100m":  # all or nothing: no made corridor is wide enough from end to end
        assert any(values)


def declared(function: Callable[..., Measure], unit: str = "%", **words: str) -> Indicator:
    """An indicator of one definition."""
    words = {"zh": "甲", "en": "A", "theme": "land", **words}
    return indicator(unit=unit, definitions=(Definition("one", "甲 ÷ 乙", "a over b"),), **words)(function)


def broken(function: Callable[..., Measure], unit: str = "%", **words: str) -> dict[str, Breach]:
    return {one.contract: one for one in breaches(declared(function, unit, **words))}


def share(zones: Any, forest: Any) -> Ratio:
    """Formula: ``area(forest) / area(zone)``. Range 0 to 100."""
    return Ratio(parts.area(forest), parts.area(zones))


def test_one_that_keeps_them_all() -> None:
    assert not broken(share)


def test_names_texts_and_formula() -> None:
    assert broken(share, zh="")["described"].why == "no zh"
    assert broken(share, en=" ")["described"].why == "no en"

    def mute(zones: Any, forest: Any) -> Ratio:
        return share(zones, forest)

    assert set(broken(mute)) == {"described"}
    assert "Formula" in broken(mute)["described"].why


def test_units_fit_the_parts() -> None:
    assert broken(share, unit="m2/person")["declared"].why.endswith(
        "m2 over m2 isn't given in m2/person; change the unit"
    )

    def total(zones: Any, forest: Any) -> Total:
        """Formula: ``area(forest)``."""
        return Total(parts.area(forest))

    assert "declared" in broken(total, unit="km")
    assert not broken(total, unit="km2")


def test_unknown_layers_and_settings() -> None:
    def unheard(zones: Any, noise: Any) -> Ratio:
        """Formula: ``area(noise) / area(zone)``."""
        return Ratio(parts.area(noise), parts.area(zones))

    assert broken(unheard)["declared"].why == "unknown layer 'noise'"
    one = indicator(unit="%", zh="甲", en="A", theme="land", definitions=(Definition("x", "甲", "a", {"width": 1}),))
    assert {b.contract: b.why for b in breaches(one(share))}["declared"].startswith("ConfigError: share: x: no setting")


def test_a_missing_layer_is_not_made_up_for() -> None:
    def guessed(zones: Any, forest: Any, water: Any) -> Ratio:
        """Formula: ``area(forest) / area(water)``."""
        below = parts.area(zones) if isinstance(water, AbsentLayer) else parts.area(water)
        return Ratio(parts.area(forest), below)

    def nothing(zones: Any, forest: Any) -> Ratio:
        """Formula: ``area(forest) / area(zone)``."""
        try:
            return share(zones, forest)
        except MissingLayer:
            return Ratio(parts.area(zones) - parts.area(zones), parts.area(zones))

    def misnamed(zones: Any, forest: Any, water: Any) -> Ratio:
        """Formula: ``area(forest) / area(zone)``."""
        if isinstance(forest, AbsentLayer):
            raise MissingLayer("water")
        return share(zones, forest)

    assert broken(guessed)["missing"].why == "without water it gives a value"
    assert broken(nothing)["missing"].why == "without forest it gives a value"
    assert broken(misnamed)["missing"].why == "without forest it says that water is missing"


def test_empty_layers_are_no_fault() -> None:
    def first(zones: Any, residents: Any) -> Total:
        """Formula: ``people``."""
        total = Total(parts.people(residents))
        residents.frame["feature_id"].iloc[0]
        return total

    found = broken(first, unit="people")
    assert set(found) == {"declared", "empty"}
    assert found["empty"].why == "IndexError: single positional indexer is out-of-bounds"


def test_pieces_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def largest(zones: ZoneSet, part: Part, plane: Plane) -> Contributions:
        """A kernel that takes the largest feature of a zone only."""
        all_of_them = area_contributions(zones.geometry, part.layers[0].geometry)
        rows = [np.flatnonzero(all_of_them.zone == n) for n in range(len(zones))]
        kept = np.array([max(some, key=lambda row: all_of_them.micro[row]) for some in rows if len(some)], dtype=int)
        return Contributions(all_of_them.feature[kept], all_of_them.zone[kept], all_of_them.micro[kept], len(zones))

    monkeypatch.setattr(qpgis.kernels, "WHOLLY", MappingProxyType({**qpgis.kernels.WHOLLY, "largest": largest}))

    def biggest(zones: Any, forest: Any) -> Total:
        """Formula: ``largest(forest)``."""
        parts.area(forest)
        return Total(Part("largest", "m2", (forest,)))

    found = broken(biggest, unit="km2")
    assert set(found) == {"additive"}
    assert found["additive"].why.startswith("numerator: ")


def test_order_does_not_matter() -> None:
    def half(zones: Any, forest: Any) -> Ratio:
        """Formula: ``area(the first half of forest) / area(zone)``."""
        parts.area(forest)
        return share(zones, forest.select(np.arange(len(forest)) < len(forest) / 2, "first half"))

    assert set(broken(half)) == {"order"}


def test_calls_can_be_repeated() -> None:
    calls: list[int] = []

    def moody(zones: Any, forest: Any) -> Ratio:
        """Formula: ``area(forest within some distance of forest) / area(zone)``."""
        calls.append(1)
        return Ratio(parts.area(forest, where=parts.near(forest, limit_m=len(calls))), parts.area(zones))

    assert "repeatable" in broken(moody)


def test_values_stay_in_their_range() -> None:
    def twice(zones: Any, forest: Any) -> Ratio:
        """Formula: ``3 * area(forest) / area(zone)``. Range 0
        to 100."""
        area = parts.area(forest)
        return Ratio(area + area + area, parts.area(zones))

    found = broken(twice)
    assert set(found) == {"range"}
    assert found["range"].why.endswith("isn't within 0 to 100")


def test_every_contract_has_its_words() -> None:
    assert {key for key in keys() if key.startswith("contract_")} == {f"contract_{name}" for name in CONTRACTS}


def test_check_tells_who_breaks_what(
    workspace: Maker, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    few = {name: registry()[name] for name in ("forest_cover", "road_density")}  # all are tried one by one above
    monkeypatch.setattr("qpgis.workspace.own.registry", lambda: few)
    folder = own(workspace, NEAR_WATER)
    assert main(["check", str(folder), "--indicators"]) == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert "3 indicators tried, 0 break a promise" in said.err
    (folder / "indicators.py").write_text(NEAR_WATER.replace("Range 0 to 100", "Range 0 to 0.5"), "utf-8")
    for layer in ("forest", "water", "towns"):
        (folder / f"{layer}.gpkg").unlink()  # no data are read
    assert main(["check", str(folder), "--indicators"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "近水林地占比 forest_near_water (indicators.py)"
    assert lines[1].startswith("  near_300m: 数值应当在声明的范围之内: ")
    assert main(["check", str(folder), "--indicators", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert {(one["indicator"], one["contract"], one["file"]) for one in found} == {
        ("forest_near_water", "range", "indicators.py")
    }
    assert main(["check", "--indicators", "--osm", "x.pbf"]) == 2


def test_what_can_not_be_loaded_is_bad_input(workspace: Maker, capsys: pytest.CaptureFixture[str]) -> None:
    folder = workspace(head=HEAD.replace("[zones]", 'indicators = ["a.py"]\n[zones]'))
    (folder / "a.py").write_text("1 +", "utf-8")
    assert main(["check", str(folder), "--indicators"]) == 2
    assert "a.py: line 1: no Python: invalid syntax" in capsys.readouterr().err
