"""The control checks of one state of a workspace, and between two."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely

from qpgis.area import StudyArea
from qpgis.catalogue import Lang, clauses, text
from qpgis.control.ground import Ground, Ints, polygons_of
from qpgis.control.rules import rules
from qpgis.crs import LONLAT, Geometries
from qpgis.dissolving import Dissolving
from qpgis.errors import ConfigError
from qpgis.findings import Finding, Findings, Severity, ids_text
from qpgis.landuse import scheme
from qpgis.layers import Layer
from qpgis.measures.areas import area_contributions
from qpgis.measures.contributions import MICRO
from qpgis.plans import Target, holds, read_plan
from qpgis.provenance import Secrecy, strictest, worst
from qpgis.workspace import Workspace

if TYPE_CHECKING:
    import geopandas as gpd
    import pandas as pd

WHOLE = 1 - 1e-9
"""A town of which this share is left by an overlay is all there."""
M2_A_KM2 = 1_000_000
PATCH_COLUMNS = (
    *("check", "layer", "feature_id", "zone_id", "zone_name", "class_before", "class_after"),
    *("geometry_m2", "field_m2", "line", "line_id"),
)
TABLE_COLUMNS = (
    *("check", "line", "zone_id", "zone_name", "status", "patches", "geometry_m2", "field_m2", "difference_m2"),
    *("slivers", "sliver_m2", "figure_m2", "margin_m2", "target_text", "document", "grade", "note"),
)
LEDGER_COLUMNS = (
    *("zone_id", "zone_name", "before_m2", "after_m2", "out_m2", "out_to_built_m2", "in_m2", "balance_m2"),
    *("change_m2", "sliver_out_m2", "sliver_in_m2"),
)
BETWEEN = frozenset({"new_built", "lines_moved", "farmland_balance", "reduction"})
"""Checks that need an earlier state."""


@dataclass(frozen=True)
class ControlChecks:
    """What the control checks of a workspace found.

    Attributes
    ----------
    name, period, since : str
        The area; the period that is checked, and the earlier one, empty without one.
    table : DataFrame
        One row a check and line, or a check and zone, in :data:`TABLE_COLUMNS`. ``status``: ``passed``, ``found``
        (there are patches), ``moved`` (of lines), ``met``, ``breached`` or ``unmet`` (against a figure), ``words`` (the
        figure is only words), ``no_figure``, ``not_computable`` with the reason in ``note``.
    patches : GeoDataFrame
        图斑清单: a row for each patch of one feature in one town that was of one class before, in
        :data:`PATCH_COLUMNS`, in degrees.
    ledger : DataFrame
        耕地占补: farmland of each town before and after, what went out, what of that was built on, what came in.
    findings : tuple of Finding
        A remark for each check with patches, and for slivers, which are no patches.
    lang : "zh" or "en"
    levels : mapping of kind to Secrecy
        Who may see the layers that were read, in both states.
    withheld : int
        How many patches were left out for an audience.
    """

    name: str
    period: str
    since: str
    table: pd.DataFrame = field(repr=False)
    patches: gpd.GeoDataFrame = field(repr=False)
    ledger: pd.DataFrame = field(repr=False)
    findings: tuple[Finding, ...] = field(repr=False)
    lang: Lang = "zh"
    levels: Mapping[str, Secrecy] = field(default_factory=dict, repr=False)
    withheld: int = 0

    @property
    def secrecy(self) -> Secrecy:
        """The strictest level of all that was read."""
        return strictest(self.levels.values())

    @property
    def found(self) -> bool:
        """True if there are patches, or a figure isn't kept."""
        return bool(self.table["status"].isin(["found", "breached", "unmet"]).any())

    @property
    def by_town(self) -> pd.DataFrame:
        """The patches of each check and line in each town: how many, and their areas."""
        keys = ["check", "line", "zone_id", "zone_name"]
        stated = self.patches.groupby(keys, sort=False)["field_m2"].agg(lambda some: some.sum(skipna=False))
        areas = self.patches.groupby(keys, sort=False)["geometry_m2"].agg(["size", "sum"])
        found = areas.set_axis(["patches", "geometry_m2"], axis=1).join(stated)
        return found.reset_index()

    @property
    def title(self) -> str:
        """What stands above the tables."""
        key = "control_title_since" if self.since else "control_title"
        title = text(key, self.lang, name=self.name, period=self.period, since=self.since)
        if self.secrecy is not Secrecy.PUBLIC:
            title = text("title_secrecy", self.lang, title=title, level=text(f"secrecy_{self.secrecy}", self.lang))
        return title + (text("control_withheld", self.lang, count=self.withheld) if self.withheld else "")

    def lines(self) -> Iterator[str]:
        """The checks for planners, a line each."""
        yield self.title
        lang = self.lang
        quiet = 0
        for row in self.table.to_dict("records"):
            if _is_quiet(row):
                quiet += 1
                continue
            line = line_text(row["line"], lang) if row["line"] else ""
            names = [text(f"control_{row['check']}", lang), line, row["zone_name"]]
            said = [text(f"control_status_{row['status']}", lang)]
            if row["patches"]:
                said.append(text("control_so_many", lang, count=row["patches"], area=f"{row['geometry_m2']:,.1f}"))
            words = {key: f"{row[f'{key}_m2'] / M2_A_KM2:,.4f}" for key in ("geometry", "figure")}
            if not math.isnan(row["figure_m2"]):
                said.append(text("control_against", lang, **words))
            elif row["status"] in ("words", "no_figure"):
                said.append(text("control_measured", lang, **words))
            if row["slivers"]:
                words = {"count": row["slivers"], "area": f"{row['sliver_m2']:,.2f}"}
                said.append(text("control_slivers_too", lang, **words))
            said += filter(None, (row["target_text"], row["note"]))
            yield f"{' · '.join(filter(None, names))}: {clauses(said, lang)}"
        if quiet:
            yield text("control_quiet", lang, count=quiet)

    def _repr_html_(self) -> str:
        return f"<p>{self.title}</p>{self.table.to_html(index=False, na_rep='')}"


def _is_quiet(row: Mapping[Any, Any]) -> bool:
    """True for a zone without a figure, or in which nothing changed: the table has it, a summary needn't."""
    nothing = row["geometry_m2"] == 0 and not row["patches"]
    return (row["status"] == "no_figure" and (nothing or row["check"] not in BETWEEN)) or (
        row["check"] == "farmland_balance" and row["status"] == "met" and nothing
    )


def line_text(line: str, lang: Lang) -> str:
    """A line, or two of them, as planners call them."""
    return " × ".join(text(f"layer_{kind}", lang) for kind in line.split("+"))


def members_of(area: StudyArea) -> Iterator[tuple[str, list[int]]]:
    """The towns, and the groups over them, each with the positions of its towns."""
    yield from ((zone, [n]) for n, zone in enumerate(area.base.ids))
    position = {zone: n for n, zone in enumerate(area.base.ids)}
    yield from ((group.id, [position[one] for one in group.members]) for group in area.groups)


def figures(workspace: Workspace, indicator: str) -> dict[str, list[Target]]:
    """The targets of an indicator by zone: those in numbers, or where there is none what is said in words."""
    said = (target for name in rules().plans for target in read_plan(name).targets)
    own = [*workspace.targets, *(target for plan in workspace.plans for target in plan.targets)]
    found: dict[str, list[Target]] = {}
    for target in dict.fromkeys([*own, *said]):
        if target.indicator == indicator and target.zone in workspace.area.ids:
            found.setdefault(target.zone, []).append(target)
    return {zone: [one for one in some if one.value is not None] or some[:1] for zone, some in found.items()}


class _NotTold(Exception):
    """A check can't be made; its words say why."""


def control_checks(workspace: Workspace, before: Workspace | None = None, *, lang: Lang = "zh") -> ControlChecks:
    """The control checks (管控线校核) of a workspace, and between an earlier state of it and this one.

    Parameters
    ----------
    workspace : Workspace
        The state that is checked; its towns, lines and figures count.
    before : Workspace, optional
        The same area earlier; without it what compares two states isn't computable.
    lang : "zh" or "en"

    Raises
    ------
    ConfigError
        If the zones may overlap: patches would count in several.
    """
    if workspace.area.base.overlapping:
        raise ConfigError("control checks go by towns that don't overlap; these zones are declared overlapping")
    made = _Checks(workspace, before and _in_plane(before, workspace), lang)
    made.run()
    return made.result()


def _in_plane(before: Workspace, after: Workspace) -> Workspace:
    """The earlier workspace with its layers in the plane of the later one."""
    old, new = before.area.plane, after.area.plane
    if old == new:
        return before

    def moved(shapes: Geometries) -> Geometries:
        return new.project(old.unproject(shapes), LONLAT, what=before.name)

    def in_new(layer: Layer) -> Layer:
        extent = None if layer.extent is None else moved(np.array([layer.extent]))[0]
        return replace(layer, geometry=moved(layer.geometry), extent=extent, dissolving=Dissolving())

    return replace(before, layers={kind: in_new(layer) for kind, layer in before.layers.items()})


def parcels_of(workspace: Workspace, kind: str) -> Layer | None:
    """A layer of ground; one that is selected from land use as its parcels, with their land-use codes as classes."""
    layer = workspace.layers.get(kind)
    if layer is None or not layer.selected_from or layer.codes is None:
        return layer
    land = workspace.layers[layer.selected_from]
    return land.select(land.frame["class_"].isin(layer.codes).to_numpy(), f"parcels of {kind}")


@dataclass(frozen=True)
class _Cut:
    """Patches of one check, ready to be listed: a piece of a feature, its town, what it was or became."""

    ground: Ground
    town: Ints
    other_class: Sequence[str]
    slivers: Ground
    sliver_town: Ints

    def per_town(self, count: int) -> list[int]:
        """The sum of each town, in millionths."""
        sums = [0] * count
        for town, micro in zip(self.town.tolist(), self.ground.micro.tolist(), strict=True):
            sums[town] += micro
        return sums


class _Checks:
    """Checks in the making."""

    def __init__(self, after: Workspace, before: Workspace | None, lang: Lang) -> None:
        self.after, self.before, self.lang = after, before, lang
        self.towns = after.area.base
        self.rows: list[dict[str, Any]] = []
        self.listed: list[dict[str, Any]] = []
        self.shapes: list[shapely.Geometry] = []
        self.ledger: list[dict[str, Any]] = []
        self.findings = Findings(lang)
        self.levels = {"zones": self.towns.source.secrecy}

    def run(self) -> None:
        """Every check, in the order of the table."""
        rule = rules()
        for line in (*rule.built.inside, *rule.built.outside):
            self._try("new_built", line, partial(self._new_built, line, outside=line in rule.built.outside))
        self._try("non_farmland", "basic_farmland", self._non_farmland)
        for one, other in combinations(rule.three_lines, 2):
            self._try("lines_overlap", f"{one}+{other}", partial(self._overlap, one, other))
        for line in dict.fromkeys((*rule.three_lines, *rule.built.inside)):
            if line in self.after.layers:
                self._try("lines_moved", line, partial(self._moved, line))
        self._try("farmland_balance", "", self._balance)
        for check, indicator in rule.figures:
            compute = self._reduction if check in BETWEEN else self._stock
            self._try(check, "", partial(compute, check, indicator))

    def result(self) -> ControlChecks:
        """What was found, as frames."""
        import geopandas as gpd
        import pandas as pd

        patches = pd.DataFrame(self.listed, columns=list(PATCH_COLUMNS))
        patches["field_m2"] = patches["field_m2"].astype(float)
        shapes = np.empty(len(self.shapes), dtype=object)
        shapes[:] = self.shapes
        degrees = self.after.area.plane.unproject(shapes) if len(shapes) else shapes
        table = pd.DataFrame(self.rows, columns=list(TABLE_COLUMNS))
        numbers = [name for name in TABLE_COLUMNS if name.endswith("_m2")]
        table[numbers] = table[numbers].astype(float)
        return ControlChecks(
            self.after.name,
            self.after.period,
            self.before.period if self.before else "",
            table,
            gpd.GeoDataFrame(patches, geometry=degrees, crs=LONLAT),
            pd.DataFrame(self.ledger, columns=list(LEDGER_COLUMNS)),
            tuple(self.findings),
            self.lang,
            self.levels,
        )

    # ---- what a check stands on

    def _try(self, check: str, line: str, compute: Callable[[], None]) -> None:
        """Make a check, or say why it can't be made."""
        try:
            if check in BETWEEN and self.before is None:
                raise _NotTold(text("control_no_before", self.lang))
            compute()
        except _NotTold as why:
            self._row(check, line, "not_computable", note=str(why))

    def _levels(self, kind: str) -> Iterator[Secrecy]:
        """The levels of a layer in both states, and of the land use that it was selected from."""
        for workspace in filter(None, (self.after, self.before)):
            if kind in workspace.layers:
                yield workspace.layers[kind].source.secrecy

    def _now(self, kind: str) -> Layer:
        return self._there(parcels_of(self.after, kind), kind, self.after)

    def _there(self, layer: Layer | None, kind: str, of: Workspace) -> Layer:
        if layer is None:
            words = {"layer": text(f"layer_{kind}", self.lang), "period": of.period}
            raise _NotTold(text("control_missing_layer", self.lang, **words))
        return layer

    def _both(self, kind: str) -> tuple[Layer, Layer]:
        """A layer now and before; one file for both periods tells of no change."""
        assert self.before is not None
        now, then = self._now(kind), self._there(parcels_of(self.before, kind), kind, self.before)
        if now.source.sha256 and now.source.sha256 == then.source.sha256 and now.content == then.content:
            words = {"layer": text(f"layer_{kind}", self.lang), "file": now.source.file}
            raise _NotTold(text("control_same_file", self.lang, **words))
        return now, then

    def _surveyed(self, *layers: Layer) -> tuple[Geometries, str]:
        """What of each town all layers were surveyed on, and what is to be said of the rest."""
        towns = self.towns.geometry
        extents = [layer.extent for layer in layers if layer.extent is not None]
        if not extents:
            return towns, ""
        cut = polygons_of(shapely.intersection(towns, shapely.intersection_all(extents)))
        area = shapely.area(towns)
        whole = shapely.area(cut) >= area * WHOLE
        share = float(np.where(whole, area, shapely.area(cut)).sum() / area.sum())
        if share == 0:
            raise _NotTold(text("control_not_surveyed", self.lang))
        note = "" if share >= rules().survey_share else text("control_partly", self.lang, share=f"{share:.2%}")
        return np.where(whole, towns, cut), note

    @cached_property
    def _new_ground(self) -> Ground:
        """Ground that is built now, and wasn't."""
        now, then = self._both("construction")
        return Ground.of(now).outside(then.dissolved)

    # ---- patches

    def _cut(self, ground: Ground, towns: Geometries, other: Layer | None) -> _Cut:
        """Patches by town and by the class that another state has there."""
        wide, thin = ground.patches_and_slivers(rules().sliver_width_m)
        pieces, town = wide.by(towns)
        pieces, said, of = pieces.classes_before(other)
        slivers, sliver_town = thin.by(towns)
        return _Cut(pieces, town[of], [self._class(one, other) for one in said], slivers, sliver_town)

    def _class(self, code: str, layer: Layer | None) -> str:
        """A class as planners read it: its code and its name."""
        if layer is None or not layer.scheme or not code:
            return code
        row = scheme(layer.scheme).lookup(code)
        return code if row is None else f"{code} {row.name if self.lang == 'zh' else row.name_en or row.name}"

    def _list(self, check: str, line: str, cut: _Cut, edge: Layer | None, *, gone: bool = False) -> None:
        """Enter patches into the list; ``gone`` where the features are those of the earlier state."""
        ground = cut.ground
        ids = ground.ids_meeting(edge) if edge is not None else [""] * len(ground)
        own = [self._class(code, ground.layer) for code in ground.column("class_")]
        classes = (own, cut.other_class) if gone else (cut.other_class, own)
        columns = zip(
            *(ground.column("feature_id"), cut.town.tolist(), *classes),
            *(ground.micro.tolist(), ground.stated_micro, ids, ground.shapes),
            strict=True,
        )
        for id_, town, was, is_, micro, stated, met, shape in columns:
            zone = {"zone_id": self.towns.ids[town], "zone_name": self.towns.names[town]}
            areas = {"geometry_m2": _m2(micro), "field_m2": None if stated is None else _m2(stated)}
            about = {"check": check, "layer": ground.layer.kind, "feature_id": id_, "line": line, "line_id": met}
            self.listed.append({**about, **zone, **areas, "class_before": was, "class_after": is_})
            self.shapes.append(shape)

    def _patches(
        self, check: str, line: str, cut: _Cut, note: str, layers: Iterable[Layer], *, faulty: bool = False
    ) -> None:
        """The row of a check that lists patches, and its findings."""
        ground = cut.ground
        there = {"line": line_text(line, self.lang) if line else "", "check": text(f"control_{check}", self.lang)}
        about: dict[str, Any] = {"layer": ground.layer.kind, "file": ground.layer.source.file, **there}
        sums = _sums(ground)
        if len(ground):
            words = self._named(ground, f"{sums['geometry_m2']:.2f} m2")
            if faulty:
                self.findings.add(Severity.ERROR, "control_lines_overlap", **about, **words)
            else:
                self.findings.add(Severity.WARNING, "control_patches", **about, **words)
        slivers = _m2(sum(cut.slivers.micro.tolist()))
        if len(cut.slivers):
            words = self._named(cut.slivers, f"{slivers:.4f} m2")
            self.findings.add(Severity.INFO, "control_slivers", **about, **words, width=f"{rules().sliver_width_m:g}")
        status = "found" if len(ground) else "passed"
        sums |= {"patches": len(ground), "slivers": len(cut.slivers), "sliver_m2": slivers}
        self._row(check, line, status, note=note, layers=layers, **sums)

    def _named(self, ground: Ground, value: str) -> dict[str, Any]:
        """What a finding says of pieces: whose they are, where the largest lies, how many and how much."""
        about = {"feature_id": ids_text(ground.column("feature_id")), "location": self._place(ground)}
        return {**about, "count": len(ground), "value": value}

    def _place(self, ground: Ground) -> str:
        largest = int(np.argmax(shapely.area(ground.shapes)))
        point = self.after.area.plane.unproject(shapely.point_on_surface(ground.shapes[largest : largest + 1]))[0]
        return f"{point.x:.6f} {point.y:.6f}"

    def _row(
        self,
        check: str,
        line: str,
        status: str,
        *,
        zone: str = "",
        note: str = "",
        layers: Iterable[Layer] = (),
        **said: Any,
    ) -> None:
        """One row of the table; it has the worst grade of what fed it."""
        read = list(layers)
        grade = worst([*(layer.source.grade for layer in read), self.towns.source.grade])
        for layer in read:
            self.levels[layer.kind] = strictest([layer.source.secrecy, *self._levels(layer.kind)])
        name = self.after.area.names.get(zone, "")
        row: dict[str, Any] = {"check": check, "line": line, "zone_id": zone, "zone_name": name, "status": status}
        row |= {"patches": 0, "slivers": 0, "note": note, "target_text": "", "document": "", "grade": str(grade)}
        self.rows.append({**row, **said})

    # ---- the checks

    def _new_built(self, line: str, outside: bool) -> None:
        """New built land inside a line, or outside of it."""
        edge = self._now(line)
        now, then = self._both("construction")
        towns, note = self._surveyed(now, then, edge)
        held = self._new_ground
        held = held.outside(edge.dissolved) if outside else held.inside(edge.dissolved)
        assert self.before is not None
        cut = self._cut(held, towns, self.before.layers.get("landuse"))
        self._list("new_built", line, cut, None if outside else edge)
        self._patches("new_built", line, cut, note, (now, then, edge))

    def _non_farmland(self) -> None:
        """Parcels of other classes within basic farmland."""
        edge, land, farmland = self._now("basic_farmland"), self._now("landuse"), self._now("farmland")
        towns, note = self._surveyed(land, edge)
        codes = self.after.layers["farmland"].codes
        if codes is None:
            held = Ground.of(land).inside(edge.dissolved).outside(farmland.dissolved)
        else:
            others = land.select(~land.frame["class_"].isin(codes).to_numpy(), "not farmland")
            held = Ground.of(others).inside(edge.dissolved)
        cut = self._cut(held, towns, None)
        self._list("non_farmland", "basic_farmland", cut, edge)
        self._patches("non_farmland", "basic_farmland", cut, note, (land, farmland, edge))

    def _overlap(self, one: str, other: str) -> None:
        """Ground that two lines both claim."""
        first, second = self._now(one), self._now(other)
        towns, note = self._surveyed(first, second)
        cut = self._cut(Ground.of(first).inside(second.dissolved), towns, None)
        self._list("lines_overlap", f"{one}+{other}", cut, second)
        self._patches("lines_overlap", f"{one}+{other}", cut, note, (first, second), faulty=True)

    def _moved(self, line: str) -> None:
        """Ground that a line took in or let go."""
        assert self.before is not None
        now = self._now(line)
        then = self._there(self.before.layers.get(line), line, self.before)
        towns, note = self._surveyed(now, then)
        let_go = self._cut(Ground.of(then).outside(now.dissolved), towns, None)
        taken_in = self._cut(Ground.of(now).outside(then.dissolved), towns, None)
        inside, outside = (text(f"control_{one}", self.lang) for one in ("inside", "outside"))
        start = len(self.listed)
        self._list("lines_moved", line, let_go, None, gone=True)
        middle = len(self.listed)
        self._list("lines_moved", line, taken_in, None)
        for n, row in enumerate(self.listed[start:], start):
            row["class_before"], row["class_after"] = (inside, outside) if n < middle else (outside, inside)
        areas = [sum(cut.ground.micro.tolist()) for cut in (let_go, taken_in)]
        thin = [micro for cut in (let_go, taken_in) for micro in cut.slivers.micro.tolist()]
        words = {"out": f"{_m2(areas[0]):,.1f}", "in": f"{_m2(areas[1]):,.1f}"}
        count = len(self.listed) - start
        said = [text("control_moved", self.lang, **words)] if count else []
        self._row(
            "lines_moved",
            line,
            "moved" if count else "passed",
            note=clauses(filter(None, [*said, note]), self.lang),
            layers=(now, then),
            patches=count,
            geometry_m2=_m2(sum(areas)),
            slivers=len(thin),
            sliver_m2=_m2(sum(thin)),
        )

    def _balance(self) -> None:
        """The ledger of farmland: what went out, what came in."""
        assert self.before is not None
        now, then = self._both("farmland")
        built = self._now("construction")
        towns, note = self._surveyed(now, then, built)
        out = self._cut(Ground.of(then).outside(now.dissolved), towns, self.after.layers.get("landuse"))
        come = self._cut(Ground.of(now).outside(then.dissolved), towns, self.before.layers.get("landuse"))
        self._list("farmland_out", "", out, None, gone=True)
        self._list("farmland_in", "", come, None)
        on, town = out.ground.inside(built.dissolved).by(towns)
        slivers = [replace(one, ground=one.slivers, town=one.sliver_town) for one in (out, come)]
        columns = {
            "before_m2": area_contributions(towns, then.geometry).per_zone(),
            "after_m2": area_contributions(towns, now.geometry).per_zone(),
            "out_m2": out.per_town(len(towns)),
            "out_to_built_m2": replace(out, ground=on, town=town).per_town(len(towns)),
            "in_m2": come.per_town(len(towns)),
            "sliver_out_m2": slivers[0].per_town(len(towns)),
            "sliver_in_m2": slivers[1].per_town(len(towns)),
        }
        for zone, members in members_of(self.after.area):
            sums = {name: sum(column[n] for n in members) for name, column in columns.items()}
            balance, change = sums["in_m2"] - sums["out_to_built_m2"], sums["in_m2"] - sums["out_m2"]
            sums |= {"balance_m2": balance, "change_m2": change}
            names = {"zone_id": zone, "zone_name": self.after.area.names[zone]}
            self.ledger.append({**names, **{name: _m2(micro) for name, micro in sums.items()}})
            words = {"out": f"{_m2(sums['out_to_built_m2']):,.1f}", "in": f"{_m2(sums['in_m2']):,.1f}"}
            said = clauses(filter(None, [text("control_ledger", self.lang, **words), note]), self.lang)
            status = "met" if balance >= 0 else "breached"
            told: dict[str, Any] = {"geometry_m2": _m2(balance), "layers": (now, then, built)}
            self._row("farmland_balance", "", status, zone=zone, note=said, **told)

    # ---- figures

    def _stock(self, check: str, indicator: str) -> None:
        """What there is of a kind of ground against the figure of each zone."""
        layer = self._now({"construction_area": "construction", "farmland_area": "farmland"}[indicator])
        towns, note = self._surveyed(layer)
        micro = area_contributions(towns, layer.geometry).per_zone()
        stated: list[list[int | None]] = [[] for _ in towns]
        if "area" in layer.frame:
            pieces, town = Ground.of(layer).by(towns)
            for n, one in zip(town.tolist(), pieces.stated_micro, strict=True):
                stated[n].append(one)
        self._against(check, indicator, micro, stated, note, (layer,))

    def _reduction(self, check: str, indicator: str) -> None:
        """Built ground of the 195/198 areas that was given up, against the task."""
        assert self.before is not None
        edge = self._now("reduction_areas")
        now, then = self._both("construction")
        towns, note = self._surveyed(now, then, edge)
        held = Ground.of(then).outside(now.dissolved).inside(edge.dissolved)
        cut = self._cut(held, towns, self.after.layers.get("landuse"))
        self._list(check, "reduction_areas", cut, edge, gone=True)
        stated: list[list[int | None]] = [[] for _ in towns]
        for n, one in zip(cut.town.tolist(), cut.ground.stated_micro, strict=True):
            stated[n].append(one)
        self._against(check, indicator, cut.per_town(len(towns)), stated, note, (now, then, edge), unkept="unmet")

    def _against(
        self,
        check: str,
        indicator: str,
        micro: Sequence[int],
        stated: Sequence[Sequence[int | None]],
        note: str,
        layers: Iterable[Layer],
        unkept: str = "breached",
    ) -> None:
        """A row for each zone and figure; towns without a figure are told too."""
        targets = figures(self.after, indicator)
        layers = tuple(layers)
        for zone, members in members_of(self.after.area):
            value = sum(micro[n] for n in members)
            every = [one for n in members for one in stated[n]]
            field_ = None if not every or None in every else sum(one for one in every if one is not None)
            sums: dict[str, Any] = {"geometry_m2": _m2(value), "field_m2": None if field_ is None else _m2(field_)}
            sums["difference_m2"] = None if field_ is None else _m2(value - field_)
            if zone not in targets and len(members) == 1:
                self._row(check, "", "no_figure", zone=zone, note=note, layers=layers, **sums)
            for target in targets.get(zone, ()):
                told = {**sums, "target_text": target.text, "document": target.document, "note": note, "layers": layers}
                if target.value is None:
                    self._row(check, "", "words", zone=zone, **told)
                    continue
                kept = holds(target, value / (MICRO * M2_A_KM2), self.after.thresholds)
                figure = target.value * M2_A_KM2
                margin = (1 if target.direction == "up" else -1) * (_m2(value) - figure)
                told |= {"figure_m2": figure, "margin_m2": margin}
                self._row(check, "", "met" if kept else unkept, zone=zone, **told)
                if not kept:
                    words = {"zone": self.after.area.names[zone], "figure": f"{target.value:g}"}
                    words |= {"check": text(f"control_{check}", self.lang), "document": target.document}
                    about = {"layer": layers[0].kind, "file": layers[0].source.file, "feature_id": zone}
                    km2 = f"{value / (MICRO * M2_A_KM2):.6f} km2"
                    self.findings.add(Severity.WARNING, "control_figure_missed", **about, value=km2, **words)


def _m2(micro: int) -> float:
    return micro / MICRO


def _sums(ground: Ground) -> dict[str, Any]:
    """The sums of patches by geometry and by the file's own areas, and their difference."""
    drawn, stated = sum(ground.micro.tolist()), ground.stated_micro
    if not stated or None in stated:
        return {"geometry_m2": _m2(drawn), "field_m2": None, "difference_m2": None}
    field_ = sum(one for one in stated if one is not None)
    return {"geometry_m2": _m2(drawn), "field_m2": _m2(field_), "difference_m2": _m2(drawn - field_)}
