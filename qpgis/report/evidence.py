"""``evidence.gpkg``: what every value of a run is made of, each feature once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import shapely

from qpgis.assessment import Assessment
from qpgis.crs import LONLAT
from qpgis.disclosure import open_keys
from qpgis.evidence import FEATURE_COLUMNS, Tally, Term, dropping, findings_frame, repairing, zones_shown
from qpgis.provenance import dateless_gpkg, require_rows
from qpgis.report.tables import secrecy_frame

if TYPE_CHECKING:
    import pandas as pd

SHAPES = (("points", "Point"), ("lines", "MultiLineString"), ("polygons", "MultiPolygon"))
"""Layers of the features used, by dimension."""


def write_evidence(assessment: Assessment, path: Path) -> None:
    """Write the evidence of every value.

    The table ``contributions`` has a row for each zone, part and feature; its columns ``part`` and ``feature`` are the
    numbers of rows of the table ``parts`` and of the layers ``points``, ``lines`` and ``polygons``. A contribution
    without a feature is what rounding took away. ``values`` tells which layers each indicator and definition read,
    ``dropped`` and ``repaired`` what was found in these. Values of the table of statistics stand in ``statistics``.
    Values from features that the audience may not see have none; ``secrecy`` says so.
    """
    import geopandas as gpd
    import pyogrio

    tally, shown = Tally(assessment, zones_shown(assessment)), open_keys(assessment)
    for key in dict.fromkeys((row.indicator, row.definition) for row in assessment.rows):
        if key in shown:
            tally.add(key)
    with dateless_gpkg(path) as plain:
        for n, (name, frame) in enumerate(_tables(assessment, tally)):
            about: dict[str, object] = {"append": n > 0}
            placed = len(frame)
            if isinstance(frame, gpd.GeoDataFrame):
                type_ = dict(SHAPES).get(name, "Point")
                about |= {"geometry_type": type_, "promote_to_multi": type_ != "Point"}
                placed = int(frame.geometry.notna().sum())
            pyogrio.write_dataframe(frame, plain, layer=name, driver="GPKG", **about)
            require_rows(plain, name, len(frame), placed)


def _tables(assessment: Assessment, tally: Tally) -> Iterator[tuple[str, pd.DataFrame]]:
    """Every layer and table by its name."""
    yield "secrecy", secrecy_frame(assessment)
    import geopandas as gpd
    import pandas as pd

    found = tally.contributions()
    features, number = _numbered(tally.features.frame(assessment.lang), found["feature"].to_numpy())
    dimension = shapely.get_dimensions(features["geometry"].to_numpy())
    for n, (name, _) in enumerate(SHAPES):
        if (dimension == n).any():
            some = features[dimension == n]
            shapes = assessment.workspace.area.plane.unproject(some["geometry"].to_numpy())
            yield name, gpd.GeoDataFrame(some.drop(columns="geometry"), geometry=shapes, crs=LONLAT)
    if (dimension < 0).any():
        yield "statistics", pd.DataFrame(features[dimension < 0].drop(columns="geometry"))
    zones = np.array([zone.id for zone in tally.zones], dtype=object)
    columns = {"zone_id": zones[found["zone"]], "part": found["term"], "feature": number}
    yield "contributions", pd.DataFrame(columns).join(found[["contribution", "millionths", "share"]])
    terms = pd.DataFrame(tally.terms, columns=list(Term._fields)).rename(columns={"part": "what"})
    terms.insert(0, "part", np.arange(len(terms)))
    yield "parts", terms
    read = [(*key, ", ".join(kinds), tally.said[key]) for key, kinds in tally.read.items()]
    yield "values", pd.DataFrame(read, columns=["indicator", "definition", "layers", "note"])
    for name, rules in (("dropped", dropping()), ("repaired", repairing())):
        if there := tally.findings(rules):
            yield name, findings_frame(there)


def _numbered(features: pd.DataFrame, used: np.ndarray) -> tuple[pd.DataFrame, pd.Series]:
    """The features that are used, each once with its number in ``feature``, and the number of each that is asked for.

    What several selections of a layer share is one feature: it is told by its attributes and its shape.
    """
    import pandas as pd

    asked, row = np.unique(used, return_inverse=True)
    some = features.take(asked)
    shape = pd.Series(shapely.to_wkb(some["geometry"].to_numpy()), index=some.index)
    content = some[list(FEATURE_COLUMNS)].assign(shape=shape)
    one = content.groupby(list(content), sort=False, dropna=False).ngroup().to_numpy()
    first = np.unique(one, return_index=True)[1]
    blank = asked < 0
    number = pd.Series(one, dtype="Int64").mask(blank)
    table = some.iloc[first].assign(feature=np.arange(len(first)))[["feature", *FEATURE_COLUMNS, "geometry"]]
    return table[~np.isin(table["feature"], one[blank])].reset_index(drop=True), number.take(row).reset_index(drop=True)
