"""The features that moved a value most: what each contributes with the data of before and of after."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely

from qpgis.assessment import assess
from qpgis.catalogue import Lang
from qpgis.crs import LONLAT
from qpgis.evidence import DENOMINATOR, NONE, NUMERATOR, WHOLE, Tally, zones_shown
from qpgis.layers import Layer
from qpgis.measures.contributions import MICRO
from qpgis.rows import Zone
from qpgis.scenarios.replay import NEAR_M, Mixture, Replay

if TYPE_CHECKING:
    import geopandas as gpd
    import pandas as pd

COLUMNS = (
    *("zone_id", "zone_name", "factor", "layer", "feature_id", "name", "class", "change"),
    *("indicator", "side", "before", "after", "difference", "unit"),
)
"""The columns of features that moved a value, beside their geometry.

``factor`` are the layers that changed as one, empty for a feature of another layer; what became of a piece of land use
is told as one: ``farmland → forest``. ``change`` is ``new``, ``removed``,
``redrawn``, ``reclassed`` (other attributes) or ``same``: what others did moved what it contributes. ``before`` and
``after`` are what it contributes to a side of the value, in the unit of its sum, with the data of either run within the
borders and by the definition of the later one; missing where zones are measured as wholes.
"""
ARROW = " → "
"""Between the layers that a piece of land use was of and is of."""
_KEYS = ["zone_id", "zone_name", "indicator", "side", "unit", "origin", "identity"]
_SAID = ["layer", "feature_id", "name", "class", "geometry"]


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
        both["size"] = 0.0
        both.loc[whole, "size"] = _sizes(both[whole])
        both["weight"] = (difference.astype(float) * _weights(both, after)).abs().fillna(0)
        for which in ("before", "after"):
            both[which] = numbers[f"millionths_{which}"].astype(float) / MICRO
        both["difference"] = difference.astype(float) / MICRO
        both["factor"] = [self._factors.get(kind, "") for kind in both["layer"]]
        both = both[(difference != 0).fillna(False) | (whole & self._redrawn(both))]
        for name, known in (("zone_id", self._zones), ("factor", (*self._factors.values(), ""))):
            both[f"{name}_rank"] = both[name].map({one: n for n, one in enumerate(dict.fromkeys(known))})
        order = {"zone_id_rank": True, "factor_rank": True, "weight": False, "size": False, "identity": True}
        both = both.sort_values(list(order), ascending=list(order.values()), kind="stable")
        found = both.groupby(["zone_id", "factor"], sort=False).head(top).reset_index(drop=True)
        found["change"] = [self._change(row) for row in found.to_dict("records")]
        layers = zip(found["layer_before"], found["layer_after"], strict=True)
        found["layer"] = [ARROW.join(dict.fromkeys(one for one in pair if isinstance(one, str))) for pair in layers]
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
        table = features[_SAID].assign(
            zone_id=[zones[n].id for n in found["zone"]],
            zone_name=[zones[n].name for n in found["zone"]],
            indicator=[term.indicator for term in terms],
            side=[term.side for term in terms],
            unit=[term.unit for term in terms],
            millionths=found["millionths"],
        )
        counted = table["millionths"].notna() & (table["layer"] != "zones")
        wholes = dict.fromkeys((term.indicator, term.unit) for term in tally.terms if term.side == WHOLE)
        of_wholes = (part for zone in zones for whole in wholes for part in self._of_whole(mixture, zone, *whole))
        table = pd.concat([table[counted], *of_wholes], ignore_index=True)
        table["origin"] = table["layer"].map({kind: self._origin(kind) for kind in table["layer"].unique()})
        table["identity"] = self._identities(table)
        how: dict[Any, Any] = {"millionths": lambda column: column.sum(min_count=1), **dict.fromkeys(_SAID, "first")}
        empty = pd.DataFrame(columns=[*_KEYS, *how])
        return table.groupby(_KEYS, sort=False, as_index=False).agg(how) if len(table) else empty

    def _of_whole(self, mixture: Mixture, zone: Zone, indicator: str, unit: str) -> Iterator[pd.DataFrame]:
        """The features of changed layers in a zone that is measured as a whole; not what was singled out of them."""
        ground = self._replay.zone(zone.id, mixture.boundary)
        whole = {"zone_id": zone.id, "zone_name": zone.name, "indicator": indicator, "side": WHOLE, "unit": unit}
        for kind in self._factors:
            layer = self._replay.layer(kind, kind in mixture.kinds, mixture.boundary)
            if layer is not None:
                here = np.sort(shapely.STRtree(layer.geometry).query(ground, predicate="intersects"))
                said = layer.frame.iloc[here].reset_index(drop=True).rename(columns={"class_": "class"})
                said = said.reindex(columns=["feature_id", "name", "class"], fill_value="").astype(object)
                yield said.assign(**whole, layer=kind, geometry=layer.geometry[here], millionths=None)

    def _identities(self, table: pd.DataFrame) -> pd.Series:
        """What makes a feature the same in both states: its id where ids are kept, else its shape."""
        found = table["feature_id"].astype(object).copy()
        bare = np.ones(len(table), dtype=bool)
        for kind in table["layer"].unique():
            if self._has_ids(kind):
                known = [one for later in (False, True) for one in self._rows(kind, later)[1]]
                bare &= ~((table["layer"] == kind) & table["feature_id"].isin(known)).to_numpy()
        found[bare] = [shape.wkb_hex for shape in shapely.normalize(table.loc[bare, "geometry"].to_numpy(dtype=object))]
        return found

    def _origin(self, kind: str) -> str:
        """The land use that a layer is selected from in both states; else itself."""
        origins = {layer.selected_from for layer in self._both(kind)}
        return (next(iter(origins)) or kind) if len(origins) == 1 else kind

    def _both(self, kind: str) -> list[Layer]:
        """A layer as each of the states has it that have it."""
        there = (state.workspace.layers.get(kind) for state in (self._replay.before, self._replay.after))
        return [layer for layer in there if layer is not None]

    def _has_ids(self, kind: str) -> bool:
        """Whether ids of a layer mean the same in both states: of a field, or numbers of rows of one file."""
        tables = (
            state.workspace.tables.get(layer.selected_from or kind)
            for state in (self._replay.before, self._replay.after)
            if (layer := state.workspace.layers.get(kind)) is not None
        )
        named = all(table is None or table.id_field is not None for table in tables)  # OpenStreetMap has no tables
        return named or len({layer.source.sha256 for layer in self._both(kind)}) == 1

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
        there = [self._there(row, later) for later in (False, True)]
        one, other = there
        if one is None and other is None:  # known by its shape
            known = [isinstance(row[f"geometry_{which}"], shapely.Geometry) for which in ("before", "after")]
            return "same" if all(known) else "new" if known[1] else "removed"
        if one is None or other is None:
            return "removed" if other is None else "new"
        if not self._same_shape(*(shapely.union_all(layer.geometry[rows]) for layer, rows in (one, other))):
            return "redrawn"
        said = [layer.frame.iloc[rows].reset_index(drop=True) for layer, rows in (one, other)]
        return "same" if one[0].kind == other[0].kind and said[0].equals(said[1]) else "reclassed"

    def _there(self, row: Mapping[Any, Any], later: bool) -> tuple[Layer, Any] | None:
        """The layer of one state that a feature is in, the one that counted it first, and its rows there."""
        counted = row["layer_after" if later else "layer_before"]
        kinds = [counted, row["layer"], *(kind for kind in self._factors if self._origin(kind) == row["origin"])]
        for kind in kinds:
            layer, rows = self._rows(kind, later)
            if layer is not None and row["identity"] in rows:
                return layer, rows[row["identity"]]
        return None

    def _rows(self, kind: str, later: bool) -> tuple[Layer | None, Mapping[Any, Any]]:
        """A layer of one state, and the rows of its features by their ids."""
        layer = self._replay.layer(kind, later, self._later.boundary)
        if layer is None:
            return None, {}
        if (kind, later) not in self._indexed:
            self._indexed[kind, later] = layer.frame.groupby("feature_id").indices
        return layer, self._indexed[kind, later]


def _sizes(both: pd.DataFrame) -> np.ndarray:
    """How much of each shape is in one state only, in square metres, of lines in metres."""
    before, after = (
        both[f"geometry_{which}"].where(both[f"geometry_{which}"].notna(), shapely.Point()).to_numpy(dtype=object)
        for which in ("before", "after")
    )
    apart = np.array([shapely.symmetric_difference(one, other) for one, other in zip(before, after, strict=True)])
    area = shapely.area(apart)
    return np.where(area > 0, area, shapely.length(apart))


def _weights(both: pd.DataFrame, after: pd.DataFrame) -> np.ndarray:
    """What a change of a side counts for: of a denominator as much as the numerator is of it."""
    sums = after.groupby(["zone_id", "indicator", "side"])["millionths"].sum().astype(float).to_dict()
    weights = []
    for zone, indicator, side in zip(both["zone_id"], both["indicator"], both["side"], strict=True):
        above, below = (sums.get((zone, indicator, one), 0.0) for one in (NUMERATOR, DENOMINATOR))
        weights.append(above / below if side == DENOMINATOR and below else 1.0)
    return np.array(weights, dtype=float)
