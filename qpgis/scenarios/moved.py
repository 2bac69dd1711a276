"""The features that moved a value most: what each contributes with the data of before and of after."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely

from qpgis.assessment import assess
from qpgis.catalogue import Lang
from qpgis.crs import LONLAT
from qpgis.evidence import DENOMINATOR, NONE, NUMERATOR, Tally, zones_shown
from qpgis.layers import Layer
from qpgis.measures.contributions import MICRO
from qpgis.scenarios.replay import Mixture, Replay

if TYPE_CHECKING:
    import geopandas as gpd
    import pandas as pd

COLUMNS = (
    *("zone_id", "zone_name", "factor", "layer", "feature_id", "name", "class", "change"),
    *("indicator", "side", "before", "after", "difference", "unit"),
)
"""The columns of features that moved a value, beside their geometry.

``factor`` are the layers that changed as one, empty for a feature of another layer. ``change`` is ``new``, ``removed``,
``redrawn``, ``reclassed`` (other attributes) or ``same``: what others did moved what it contributes. ``before`` and
``after`` are what it contributes to a side of the value, in the unit of its sum, with the data of either run within the
borders and by the definition of the later one; missing where zones are measured as wholes.
"""
_KEYS = ["zone_id", "zone_name", "indicator", "side", "unit", "layer", "identity"]
_SAID = ["feature_id", "name", "class", "geometry"]
NEAR_M = 1e-3
"""Shapes of two planes that are closer than this are the same."""


class Moved:
    """Compares what features contribute with the data of two states.

    Parameters
    ----------
    replay : Replay
    zones : collection of str
        Ids of those that are asked for.
    lang : "zh" or "en"
    """

    def __init__(self, replay: Replay, zones: Collection[str], lang: Lang) -> None:
        self._replay, self._zones, self._lang = replay, tuple(zones), lang
        self._later = Mixture.of(replay.factors)
        self._earlier = self._later._replace(kinds=frozenset())
        rows = replay.rows(self._earlier)
        if all(rows[zone].value is None for zone in self._zones):
            self._earlier = Mixture()
        self._factors = {kind: " ".join(factor.kinds) for factor in replay.factors for kind in factor.kinds}
        self._indexed: dict[tuple[str, bool], Mapping[Any, Any]] = {}

    def frame(self, top: int) -> gpd.GeoDataFrame:
        """Of each zone and factor so many features that moved the value most, in degrees."""
        import geopandas as gpd

        before, after = self._contributed(self._earlier), self._contributed(self._later)
        both = before.merge(after, on=_KEYS, how="outer", suffixes=("_before", "_after"))
        for name in _SAID:
            both[name] = both[f"{name}_after"].where(both[f"{name}_after"].notna(), both[f"{name}_before"])
        numbers = both[["millionths_before", "millionths_after"]].astype("Int64")
        whole = numbers.isna().all(axis=1)
        numbers = numbers.fillna(0).mask(whole)
        difference = numbers["millionths_after"] - numbers["millionths_before"]
        shapes = both["geometry"].to_numpy()
        both["size"] = shapely.area(shapes) + shapely.length(shapes)
        both["weight"] = (difference.astype(float) * _weights(both, after)).abs().fillna(0)
        for which in ("before", "after"):
            both[which] = numbers[f"millionths_{which}"].astype(float) / MICRO
        both["difference"] = difference.astype(float) / MICRO
        both["factor"] = both["layer"].map(self._factors).fillna("")
        both = both[(difference != 0).fillna(False) | (whole & self._redrawn(both))]
        for name, known in (("zone_id", self._zones), ("factor", (*self._factors.values(), ""))):
            both[f"{name}_rank"] = both[name].map({one: n for n, one in enumerate(dict.fromkeys(known))})
        order = {"zone_id_rank": True, "factor_rank": True, "weight": False, "size": False, "identity": True}
        both = both.sort_values(list(order), ascending=list(order.values()), kind="stable")
        found = both.groupby(["zone_id", "factor"], sort=False).head(top).reset_index(drop=True)
        found["change"] = [self._change(row) for row in found.to_dict("records")]
        area = (self._replay.after if self._later.boundary else self._replay.before).workspace.area
        degrees = area.plane.unproject(found["geometry"].to_numpy(dtype=object))
        return gpd.GeoDataFrame(found[list(COLUMNS)], geometry=degrees, crs=LONLAT)

    def _contributed(self, mixture: Mixture) -> pd.DataFrame:
        """What each feature contributes to each side of each zone's value."""
        import pandas as pd

        state, known = self._replay.state(mixture), self._replay.known(mixture)
        indicator, definition = state.declared.id, state.definition.name
        asked = {"indicators": [indicator], "definitions": {indicator: [definition]}}
        settings: dict[str, Any] = {**asked, "lang": self._lang, "known": known}
        assessment = assess(self._replay.workspace(mixture), **settings)
        zones = [zone for zone in zones_shown(assessment) if zone.id in self._zones]
        tally = Tally(assessment, zones)
        tally.add((indicator, definition))
        found = tally.contributions()
        found = found[found["feature"] != NONE].reset_index(drop=True)
        features = tally.features.frame(self._lang).take(found["feature"].to_numpy()).reset_index(drop=True)
        terms = [tally.terms[n] for n in found["term"]]
        table = features[["layer", *_SAID]].assign(
            zone_id=[zones[n].id for n in found["zone"]],
            zone_name=[zones[n].name for n in found["zone"]],
            indicator=[term.indicator for term in terms],
            side=[term.side for term in terms],
            unit=[term.unit for term in terms],
            millionths=found["millionths"],
        )
        table = table[table["layer"] != "zones"]
        table["identity"] = self._identities(table)
        how: dict[Any, Any] = {"millionths": lambda column: column.sum(min_count=1), **dict.fromkeys(_SAID, "first")}
        empty = pd.DataFrame(columns=[*_KEYS, *how])
        return table.groupby(_KEYS, sort=False, as_index=False).agg(how) if len(table) else empty

    def _identities(self, table: pd.DataFrame) -> pd.Series:
        """What makes a feature the same in both states: its id where ids are kept, else its shape."""
        by_id = {kind: self._has_ids(kind) for kind in table["layer"].unique()}
        found = table["feature_id"].astype(object).copy()
        bare = ~table["layer"].map(by_id).astype(bool)
        found[bare] = [shape.wkb_hex for shape in shapely.normalize(table.loc[bare, "geometry"].to_numpy(dtype=object))]
        return found

    def _has_ids(self, kind: str) -> bool:
        """Whether ids of a layer mean the same in both states: of a field, or numbers of rows of one file."""
        states = self._replay.before, self._replay.after
        layers = [state.workspace.layers.get(kind) for state in states]
        if any(layer is None for layer in layers):
            return True
        named = []
        for state, layer in zip(states, layers, strict=True):
            assert layer is not None
            table = state.workspace.tables.get(layer.selected_from or kind)
            named.append(table is None or table.id_field is not None)  # without tables it is OpenStreetMap's
        return all(named) or len({layer.source.sha256 for layer in layers if layer is not None}) == 1

    def _redrawn(self, both: pd.DataFrame) -> np.ndarray:
        """Which features aren't in both, or not in the same shape."""
        pairs = zip(both["geometry_before"], both["geometry_after"], strict=True)
        return np.array([not self._same_shape(one, other) for one, other in pairs], dtype=bool)

    def _same_shape(self, one: Any, other: Any) -> bool:
        if not (isinstance(one, shapely.Geometry) and isinstance(other, shapely.Geometry)):
            return False
        if shapely.normalize(one) == shapely.normalize(other):
            return True
        return self._replay.projected and bool(shapely.hausdorff_distance(one, other) < NEAR_M)

    def _change(self, row: Mapping[Any, Any]) -> str:
        """What became of a feature."""
        kind, there = row["layer"], [self._rows(row["layer"], later) for later in (False, True)]
        if not self._has_ids(kind) or any(layer is None for layer, _ in there):
            known = [isinstance(row[f"geometry_{which}"], shapely.Geometry) for which in ("before", "after")]
            alike = "same" if kind not in self._factors or self._same_shape(*_shapes(row)) else "redrawn"
            return alike if all(known) else "new" if known[1] else "removed"
        found = [rows.get(row["feature_id"], ()) for _, rows in there]
        if not len(found[0]) or not len(found[1]):
            return "new" if len(found[1]) else "removed"
        (one, _), (other, _) = there
        assert one is not None
        assert other is not None
        shapes = [shapely.union_all(layer.geometry[rows]) for layer, rows in zip((one, other), found, strict=True)]
        if not self._same_shape(*shapes):
            return "redrawn"
        frames = [
            layer.frame.iloc[rows].reset_index(drop=True) for layer, rows in zip((one, other), found, strict=True)
        ]
        return "same" if frames[0].equals(frames[1]) else "reclassed"

    def _rows(self, kind: str, later: bool) -> tuple[Layer | None, Mapping[Any, Any]]:
        """A layer of one state, and the rows of its features by their ids."""
        layer = self._replay.layer(kind, later, self._later.boundary)
        if layer is None:
            return None, {}
        if (kind, later) not in self._indexed:
            self._indexed[kind, later] = layer.frame.groupby("feature_id").indices
        return layer, self._indexed[kind, later]


def _shapes(row: Mapping[Any, Any]) -> tuple[Any, Any]:
    return row["geometry_before"], row["geometry_after"]


def _weights(both: pd.DataFrame, after: pd.DataFrame) -> np.ndarray:
    """What a change of a side counts for: of a denominator as much as the numerator is of it."""
    sums = after.groupby(["zone_id", "indicator", "side"])["millionths"].sum().astype(float).to_dict()
    weights = []
    for zone, indicator, side in zip(both["zone_id"], both["indicator"], both["side"], strict=True):
        above, below = (sums.get((zone, indicator, one), 0.0) for one in (NUMERATOR, DENOMINATOR))
        weights.append(above / below if side == DENOMINATOR and below else 1.0)
    return np.array(weights, dtype=float)
