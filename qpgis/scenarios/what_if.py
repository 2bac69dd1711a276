"""What if: planned roads, stations, parks, woods and conversions of land laid over the present as a scenario."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import shapely

from qpgis.catalogue import Lang, text
from qpgis.control.placing import report_placing
from qpgis.crs import Geometries, parse
from qpgis.errors import ConfigError, CRSError, LayerError, did_you_mean
from qpgis.findings import Findings, Severity, ids_text
from qpgis.landuse import class_words, plan_statuses, scheme
from qpgis.layers import LAYERS, Layer, text_of
from qpgis.overlay import erased, passing, same_features, united
from qpgis.provenance import Grade, Secrecy, Source, strictest, worst
from qpgis.shapes import repaired
from qpgis.sources import RawFeatures
from qpgis.workspace import InputFile, Workspace
from qpgis.workspace.codes import classes_of, with_codes
from qpgis.workspace.config import LayerTable
from qpgis.workspace.loading import prepare_layer, selected

if TYPE_CHECKING:
    import geopandas as gpd

How = Literal["add", "replace", "remove"]
DRIVER = "GeoDataFrame"
LOST = frozenset({"no_geometry", "wrong_geometry_type"})
"""Findings that aren't errors of a file, but of a scenario: what it says would be left out."""
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "id_field": ("feature_id", "id"),
    "name_field": ("name",),
    "class_field": ("class_", "class"),
    "status_field": ("plan_status", "status"),
    **{f"{name}_field": (name,) for name in ("opened", "oneway", "ref", "area", "net_area", "deduction")},
    **{f"{name}_field": (name,) for name in ("amount", "accuracy", "observed")},
}
"""What columns of a frame may be called, besides what the workspace calls them in the layer's own file."""


@dataclass(frozen=True)
class Change:
    """What a scenario does to one layer.

    Attributes
    ----------
    kind : str
        The layer. One selected from land use is changed there: its ground is no longer of any other class.
    frame : GeoDataFrame, optional
        Features in any stated system, their columns called as in the layer's own file, or by the standard names.
    how : "add", "replace" or "remove"
        ``add`` unites; ``replace`` first erases what of the layer lies beneath, and features of the same id; ``remove``
        takes away what the features cover, or the features of some ids. On land use both others convert.
    grade : Grade
        How good the features are.
    ids : tuple of str
        With ``remove``: features of the layer by their ids.
    source : str
        Where they come from.
    secrecy : Secrecy
        Who may see them.
    """

    kind: str
    frame: gpd.GeoDataFrame | None = field(default=None, repr=False, compare=False)
    how: How = "add"
    grade: Grade | str = Grade.SCHEMATIC
    ids: tuple[str, ...] = ()
    source: str = ""
    secrecy: Secrecy | str = Secrecy.INTERNAL


def scenario(workspace: Workspace, changes: Sequence[Change], *, name: str, lang: Lang = "zh") -> Workspace:
    """The workspace with changes laid over its layers, one after the other.

    Parameters
    ----------
    workspace : Workspace
    changes : sequence of Change
    name : str
        What results call the scenario.
    lang : "zh" or "en"
        Language of findings and titles.

    Raises
    ------
    ConfigError
        If the name says nothing or is that of the present.
    LayerError, CRSError
        If a change can't be made as a whole; with scenario, layer, row and remedy.
    """
    if not name.strip() or not name.isprintable() or name == workspace.state.scenario:
        raise ConfigError(f"name = {name!r}: a scenario needs a name of its own, such as 方案一")
    made = _Scenario(workspace, name, Findings(lang), dict(workspace.layers))
    for change in changes:
        made.apply(change)
    return made.workspace()


@dataclass
class _Scenario:
    """A scenario in the making."""

    present: Workspace
    name: str
    findings: Findings
    layers: dict[str, Layer]
    inputs: list[InputFile] = field(default_factory=list)

    def workspace(self) -> Workspace:
        """The workspace of the scenario."""
        present, lang = self.present, self.findings.lang
        report_placing(present, self.layers, self.findings, file=self._file)
        same_land = self.layers.get("landuse") is present.layers.get("landuse")
        return replace(
            present,
            title=text("scenario_title", lang, title=present.title, name=self.name),
            state=replace(present.state, scenario=self.name),
            layers=self.layers,
            inputs=(*present.inputs, *self.inputs),
            findings=(*present.findings, *self.findings),
            land_areas=present.land_areas if same_land else None,  # stated areas, and the sample, are of the present
            samples=present.samples if same_land else {},
        )

    def apply(self, change: Change) -> None:
        """Lay one change over its layer."""
        what = f"scenario {self.name!r}, layer {change.kind!r}"
        self._require(change, what)
        origin = self._origin(change.kind)
        if change.how == "remove":
            if origin:
                raise LayerError(
                    f"{what}: the ground must become something; say what with landuse=frame, its codes in class_"
                )
            self.layers[change.kind] = self._removed(change, what)
        elif origin:
            self._convert(change, origin, what)
        else:
            over = self._prepared(change, change.kind, what)
            self.layers[change.kind] = self._laid(self.layers[change.kind], over, change)

    def _require(self, change: Change, what: str) -> None:
        """Refuse what can't be meant."""
        import geopandas as gpd

        if change.how not in get_args(How):
            raise LayerError(f"{what}: no how {change.how!r}; {did_you_mean(change.how, get_args(How))}")
        if change.kind not in LAYERS:
            raise LayerError(f"scenario {self.name!r}: no layer {change.kind!r}; {did_you_mean(change.kind, LAYERS)}")
        if change.kind not in self.layers:
            raise LayerError(
                f"{what}: the workspace has no such layer, so what there is besides the scenario isn't known; "
                f"add [layers.{change.kind}] to it, with empty_because where there is none"
            )
        if change.grade not in list(Grade):
            raise LayerError(f"{what}: no grade {change.grade!r}; {did_you_mean(change.grade, list(Grade))}")
        if change.frame is None:
            if not (change.how == "remove" and change.ids):
                raise LayerError(f"{what}: give a GeoDataFrame, or with how='remove' the ids of features")
            return
        if change.ids:
            raise LayerError(f"{what}: give a GeoDataFrame or ids, not both")
        if not isinstance(change.frame, gpd.GeoDataFrame):
            raise LayerError(f"{what}: a {type(change.frame).__name__} has no geometries; give a GeoDataFrame")
        if not len(change.frame):
            raise LayerError(f"{what}: the GeoDataFrame has no rows; leave it out")
        if (again := change.frame.columns[change.frame.columns.duplicated()]).size:
            raise LayerError(f"{what}: several columns are called {again[0]!r}; rename or drop one")

    def _origin(self, kind: str) -> str:
        """The land use that a layer is, or is selected from; empty for another."""
        layer = self.layers[kind]
        return kind if layer.scheme else layer.selected_from

    # ---- reading frames ----

    @property
    def _file(self) -> str:
        return text("scenario_file", self.findings.lang, name=self.name)

    def _prepared(self, change: Change, kind: str, what: str) -> Layer:
        """The features of a change as a layer, read as a file's are; they count whatever their status and date."""
        assert change.frame is not None
        own = self._own(kind)
        change = replace(change, frame=_with_amounts(change.frame, own))
        assert change.frame is not None
        raw = RawFeatures(with_ids(change.frame, own), self._file, DRIVER)
        if raw.frame.crs is None:
            raise CRSError(f"{what}: the GeoDataFrame has no coordinate system; say which: frame.set_crs(4490)")
        table = _table(change, kind, own)
        if kind == "landuse" and table.class_field is None:
            raise LayerError(f"{what}: say what each row becomes: its land-use code in a column class_")
        everything = replace(
            self.present.state,
            as_of=date.max,
            until=self.present.state.until or self.present.state.as_of,
            statuses=frozenset(plan_statuses()),
            scenario=self.name,
        )
        found = Findings(self.findings.lang)
        secrecy = Secrecy(change.secrecy)
        source = Source(self._file, Grade(change.grade), change.source or self._file, secrecy=secrecy)
        layer, _ = prepare_layer(kind, raw, table, source, self.present.area, everything, found)
        if kind == "landuse":
            layer = with_codes(layer, self.layers[kind].scheme, found)
        faults = [one for one in found if one.severity is Severity.ERROR or one.rule in LOST]
        if faults:
            rows = (f"row {one.feature_id}: " if one.feature_id else "" for one in faults)
            said = [f"{row}{one.message}; {one.action}" for row, one in zip(rows, faults, strict=True)]
            raise LayerError(f"{what}: {'; '.join(said)}")
        for one in found:
            self.findings.put(one)
        self.inputs.append(
            InputFile(
                *(self._file, change.kind, layer.content, len(raw.frame), source.grade),
                source=change.source,
                secrecy=secrecy,
            )
        )
        return replace(layer, source=replace(source, sha256=layer.content))

    def _cutters(self, change: Change, what: str) -> Geometries:
        """Shapes of any kind in the plane."""
        assert change.frame is not None
        shapes = change.frame.geometry.to_numpy()
        blank = shapely.is_missing(shapes) | shapely.is_empty(shapes)
        if blank.any():
            rows = ids_text(map(str, change.frame.index[blank]))
            raise LayerError(f"{what}: row {rows}: no geometry; draw it or leave the row out")
        system = parse(change.frame.crs, what=what, geometries=shapes)
        return self.present.area.plane.project(repaired(shapely.force_2d(shapes)), system, what=what)

    # ---- laying them over ----

    def _source(self, base: Layer, change: Change) -> Source:
        """The source of a layer that the scenario has changed: the worst grade of both, and the strictest secrecy."""
        said = base.source.name or base.source.file
        if base is self.present.layers[base.kind]:
            said = text("scenario_source", self.findings.lang, source=said, name=self.name)
        both = worst([base.source.grade, Grade(change.grade)])
        assert both is not None
        secrecy = strictest([base.source.secrecy, Secrecy(change.secrecy)])
        return replace(base.source, grade=both, name=said, secrecy=secrecy)

    def _laid(self, base: Layer, over: Layer, change: Change) -> Layer:
        source = self._source(base, change)
        if change.how == "replace":
            given = change.frame is not None and any(name in change.frame for name in id_names(self._own(change.kind)))
            base = _replaced(base, over, source, by_id=given)
        if change.kind == "roads" and len(rows := passing(over.geometry, base.geometry)):
            about = {"feature_id": ids_text(over.frame["feature_id"].iloc[rows]), "value": str(len(rows))}
            self.findings.add(Severity.INFO, "roads_pass", layer=change.kind, file=self._file, **about)
        return united(base, _named(over, self.name), source)

    def _own(self, kind: str) -> LayerTable | None:
        return self.present.tables.get(kind)

    def _removed(self, change: Change, what: str) -> Layer:
        """The layer without what the change takes away."""
        base = self.layers[change.kind]
        source = self._source(base, change)
        if change.frame is not None:
            left = erased(base, self._cutters(change, what), source)
            if same_features(left, base):
                raise LayerError(f"{what}: none of its features lies under the rows, nothing would be removed")
            return left
        known = base.frame["feature_id"]
        ids = {change.ids} if isinstance(change.ids, str) else set(map(text_of, change.ids))
        if strange := sorted(ids - set(known)):
            raise LayerError(f"{what}: no feature {strange[0]!r}; {did_you_mean(strange[0], known)}")
        return erased(base, np.empty(0, dtype=object), source, ids=known.isin(ids).to_numpy())

    # ---- conversions of land ----

    def _convert(self, change: Change, origin: str, what: str) -> None:
        """Give ground another class: the parcels beneath lose it, and every layer is selected from them again."""
        if change.kind != origin:
            change = replace(change, frame=self._with_codes(change, origin, what))
        over = self._prepared(change, origin, what)
        _require_one_class(over, what)
        before = self.layers[origin]
        source = self._source(before, change)
        land = united(erased(before, over.geometry, source), _named(over, self.name), source)
        self.layers[origin] = land
        tables = self.present.tables
        sampled = self.present.samples[origin].matrix.reference if origin in self.present.samples else ()
        for kind, layer in self.layers.items():
            if layer.selected_from == origin:
                pair = land, tables[origin]
                codes = [str(code) for code in sampled]
                again = selected(kind, tables[kind], *pair, self.findings, sampled=codes)
                self.layers[kind] = layer if same_features(again, layer) else again

    def _with_codes(self, change: Change, origin: str, what: str) -> gpd.GeoDataFrame:
        """The frame of a layer that is selected from land use, with the code of each row in ``class_``."""
        assert change.frame is not None
        tables = self.present.tables
        whole = self.layers[origin]
        given = classes_of(
            change.kind, tables[change.kind], whole, tables[origin], Findings(), further=scheme(whole.scheme).classes
        )
        words = class_words(change.kind)
        column = next((name for name in COLUMNS["class_field"] if name in change.frame), None)
        said = [""] * len(change.frame) if column is None else map(text_of, change.frame[column])
        codes: list[str] = []
        for row, word in zip(change.frame.index, said, strict=True):
            class_ = words.get(word, word)
            fits = [code for code, one in given.items() if class_ in ("", one)]
            broad = [code for code in fits if not any(code != one and code.startswith(one) for one in fits)]
            if word in given:
                broad = [word]
            if len(broad) != 1:
                choice = ", ".join(f"{code} {scheme(whole.scheme).classes[code].name}" for code in sorted(given))
                raise LayerError(
                    f"{what}: row {row}: {word!r} doesn't say which land use it becomes; "
                    f"write one of the codes in a column class_: {choice}"
                )
            codes += broad
        frame = change.frame.drop(columns=[column] if column else [])
        own = tables[origin].class_field
        return frame.assign(class_=codes).drop(columns=[own] if own in frame and own != "class_" else [])


def with_ids(frame: gpd.GeoDataFrame, own: LayerTable | None) -> gpd.GeoDataFrame:
    """The frame with fresh rows and ``feature_id``: its own ids, or else its index."""
    named = next((name for name in id_names(own) if name in frame), None)
    frame = frame.assign(feature_id=[text_of(one) for one in (frame.index if named is None else frame[named])])
    if frame.geometry.name != "geometry":
        frame = frame.drop(columns="geometry", errors="ignore").rename_geometry("geometry")
    return frame.rename(columns=str).reset_index(drop=True)


def _with_amounts(frame: gpd.GeoDataFrame, own: LayerTable | None) -> gpd.GeoDataFrame:
    """The frame with a column of amounts where the layer has them: none that is known is told as missing."""
    names = (own.amount_field, *COLUMNS["amount_field"]) if own and own.amount_field else ()
    return frame.assign(amount=np.nan) if names and not any(name in frame for name in names) else frame


def id_names(own: LayerTable | None) -> tuple[str, ...]:
    return (*([own.id_field] if own and own.id_field else []), *COLUMNS["id_field"])


def _table(change: Change, kind: str, own: LayerTable | None) -> LayerTable:
    """How a frame is read: columns by their names in the layer's own file, else by the standard ones."""
    assert change.frame is not None
    fields: dict[str, Any] = {"id_field": "feature_id"}
    for key, names in COLUMNS.items():
        said = getattr(own, key) if own else None
        found = next((name for name in (said, *names) if name and name in change.frame), None)
        if found is not None and key != "id_field":
            fields[key] = found
    if own:
        fields |= {"class_map": own.class_map, "oneway_map": own.oneway_map}
        if "amount_field" in fields:
            fields |= {"amount_unit": own.amount_unit, "amount_is": own.amount_is}
    return LayerTable(file=DRIVER, grade=Grade(change.grade), extent="area", **fields)


def _named(over: Layer, name: str) -> Layer:
    """The features with ids that say which scenario they are of."""
    return replace(over, frame=over.frame.assign(feature_id=f"{name}:" + over.frame["feature_id"]))


def _replaced(base: Layer, over: Layer, source: Source, *, by_id: bool) -> Layer:
    """The layer without what lies beneath other features, and without features of their ids."""
    ids = base.frame["feature_id"].isin(over.frame["feature_id"]).to_numpy() if by_id else None
    return erased(base, over.geometry, source, ids=ids)


def _require_one_class(over: Layer, what: str) -> None:
    """Refuse ground that is to become two things."""
    one, other = shapely.STRtree(over.geometry).query(over.geometry, predicate="intersects")
    classes = over.frame["class_"].to_numpy()
    differ = (one < other) & (classes[one] != classes[other])
    one, other = one[differ], other[differ]
    both = shapely.relate_pattern(over.geometry[one], over.geometry[other], "2********")
    if both.any():
        a, b = one[both][0], other[both][0]
        ids = over.frame["feature_id"]
        raise LayerError(
            f"{what}: rows {ids[a]} ({classes[a]}) and {ids[b]} ({classes[b]}) overlap; ground has one class, cut one"
        )
