"""Reference layers: what a map shows beside the measured layers, in every plan status; no number comes from them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import shapely

from qpgis.catalogue import Lang
from qpgis.crs import LONLAT, lonlat, parse
from qpgis.findings import Findings, Severity, ids_text
from qpgis.landuse import plan_status_of
from qpgis.layers import SHOW, as_text, days, require_fields
from qpgis.provenance import Source

if TYPE_CHECKING:
    import geopandas as gpd
    import pandas as pd

    from qpgis.sources import RawFeatures
    from qpgis.workspace.config import ReferenceTable


@dataclass(frozen=True)
class Reference:
    """A layer that is only shown.

    Attributes
    ----------
    id : str
        Its key in ``qpgis.toml``.
    title, title_en : str
        Its name on the map.
    style : str
        The kind of layer in whose style it is drawn.
    shown : bool
        Whether the map opens with it.
    frame : GeoDataFrame
        In degrees: ``feature_id, name, class_, plan_status`` and ``show_<name>`` for those of ``show``, as text.
    show : tuple of str
        Further attributes to show.
    source : Source
    """

    id: str
    title: str
    title_en: str
    style: str
    shown: bool
    frame: gpd.GeoDataFrame = field(repr=False, compare=False)
    show: tuple[str, ...]
    source: Source

    def name(self, lang: Lang) -> str:
        """Its name in a language."""
        return self.title if lang == "zh" else self.title_en or self.title


def reference(id_: str, raw: RawFeatures, table: ReferenceTable, source: Source, findings: Findings) -> Reference:
    """A reference layer from a file's rows; rows without geometry are named and left out.

    Raises
    ------
    LayerError
        If a declared field isn't in the file.
    CRSError
        If neither file nor workspace names a usable system.
    """
    import geopandas as gpd

    what = f"reference {id_!r} ({raw.file})"
    columns = _columns(raw, table, what)
    geometry = raw.frame.geometry.to_numpy()
    declared = table.frame_crs
    system = parse(declared if declared is not None else raw.frame.crs, what=what, geometries=geometry)
    drawn = np.array([_is_drawable(g) for g in geometry], dtype=bool)
    about = {"layer": id_, "file": raw.file}
    for n in np.flatnonzero(~drawn):
        findings.add(Severity.WARNING, "no_geometry", **about, feature_id=columns["feature_id"][n])
    _report_statuses(columns, about, findings)
    degrees = lonlat(shapely.force_2d(geometry[drawn]), system, what=what)
    frame = gpd.GeoDataFrame(columns[drawn].reset_index(drop=True), geometry=degrees, crs=LONLAT)
    title = table.title or id_
    return Reference(id_, title, table.title_en, table.style or id_, table.shown, frame, tuple(table.show), source)


def _columns(raw: RawFeatures, table: ReferenceTable, what: str) -> pd.DataFrame:
    """The declared attributes as text, one row a feature."""
    import pandas as pd

    fields = {
        "feature_id": table.id_field,
        "name": table.name_field,
        "class_": table.class_field,
        "plan_status": table.status_field,
    }
    wanted = {column: name for column, name in fields.items() if name} | {SHOW + name: name for name in table.show}
    require_fields(raw.frame, wanted.values(), what)
    found = pd.DataFrame({column: as_text(days(raw.frame[name])).to_numpy() for column, name in wanted.items()})
    if "feature_id" not in found:
        found["feature_id"] = [str(n) for n in range(len(raw.frame))]
    return found


def _is_drawable(geometry: shapely.Geometry | None) -> bool:
    return geometry is not None and not geometry.is_empty and bool(np.isfinite(shapely.get_coordinates(geometry)).all())


def _report_statuses(columns: pd.DataFrame, about: dict[str, str], findings: Findings) -> None:
    """Name the words for a plan status that qpgis doesn't know: they would be drawn as 现状."""
    if "plan_status" not in columns:
        return
    unknown = columns[columns["plan_status"].map(plan_status_of).isna() & (columns["plan_status"] != "")]
    for word, rows in unknown.groupby("plan_status"):
        words = {**about, "feature_id": ids_text(rows["feature_id"]), "value": str(word)}
        findings.add(Severity.ERROR, "unknown_status", **words, count=len(rows))
