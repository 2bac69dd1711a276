"""What databases say their fields may hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from qpgis.findings import Severity, ids_text
from qpgis.sources import Request

if TYPE_CHECKING:
    import geopandas as gpd


@dataclass(frozen=True)
class Range:
    """A range domain: the least and the greatest value of a field, both allowed."""

    name: str
    low: float
    high: float


def report_outside(request: Request, frame: gpd.GeoDataFrame, ranges: Mapping[str, Range]) -> None:
    """Name the features whose values the file's own ranges don't allow; their values stay as they are."""
    import pandas as pd

    for field, allowed in ranges.items():
        if field not in frame:
            continue
        values = pd.to_numeric(frame[field], errors="coerce").to_numpy(dtype=float, na_value=np.nan)
        rows = np.flatnonzero((values < allowed.low) | (values > allowed.high))
        if len(rows):
            words: dict[str, Any] = {"field": field, "count": len(rows), "domain": allowed.name}
            words |= {"low": f"{allowed.low:g}", "high": f"{allowed.high:g}"}
            ids = ids_text([str(frame["feature_id"].iloc[row]) for row in rows])
            request.note(Severity.WARNING, "outside_range", value=f"{values[rows[0]]:g}", ids=ids, **words)
