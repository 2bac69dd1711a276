"""Workspaces: a study area with its layers, plans and tables, from ``qpgis.toml`` or from an OpenStreetMap extract."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from qpgis.area import StudyArea
from qpgis.catalogue import Lang, listed, text
from qpgis.classified import MapSample
from qpgis.engine import Known
from qpgis.findings import Finding
from qpgis.indicators import registry
from qpgis.indicators.declaration import Declared
from qpgis.kept import Kept, Store
from qpgis.layers import Layer, Ledger, State
from qpgis.periods import year_of
from qpgis.plans import Baselines, Plan, Target, Thresholds
from qpgis.provenance import Grade, Secrecy, Stamp
from qpgis.workspace.reference import Reference

if TYPE_CHECKING:
    import pandas as pd

    from qpgis.workspace.config import ApprovalTable, BoundaryChangeTable, LayerTable, SignoffTable
    from qpgis.workspace.frozen import Frozen

UNDATED = "undated"
"""The period of an extract that doesn't say when it was made."""


@dataclass(frozen=True)
class InputFile:
    """A file that was read, as the manifest names it."""

    name: str
    role: str
    sha256: str
    rows: int
    grade: Grade | None
    crs: str = ""
    source: str = ""
    licence: str = ""
    date: str = ""
    secrecy: Secrecy = Secrecy.PUBLIC


@dataclass(frozen=True)
class Statistic:
    """A value that no layer gives: from a table of the workspace, with its source and the department that says so."""

    indicator: str
    zone: str
    period: str
    value: float
    grade: Grade
    source: str
    department: str = ""


@dataclass(frozen=True)
class Workspace:
    """Everything that an assessment reads, cleaned and cut to one state.

    Attributes
    ----------
    name, title : str
        What planners call the area; what stands above maps and tables.
    period : str
        The period of the data; begins with a year.
    area : StudyArea
    layers : mapping of kind to Layer
    references : tuple of Reference
        Layers that are only shown.
    shown : mapping of kind to bool
        Whether the map opens with a layer, where the workspace says so.
    indicators : mapping of id to Declared
        Those of qpgis, then the workspace's own, composites last.
    definitions : mapping of indicator to definitions
        Those that the workspace asks for; each indicator's default for the others.
    plans : tuple of Plan
    targets : tuple of Target
        Further targets of the workspace itself (分解目标), each with its document.
    statistics : tuple of Statistic
    baselines : mapping of (indicator, zone) to tuple of Baseline
        Of the workspace's table, and those that its plans tell of other years.
    thresholds : Thresholds
    state : State
    inputs : tuple of InputFile
    ledgers : mapping of kind to Ledger
        What became of the rows of each file.
    findings : tuple of Finding
    map_approval : str
        审图号, empty until there is one.
    land_areas : DataFrame or None
        Land use of each zone by drawn and stated areas, see :func:`qpgis.quality.areas.land_areas`; where the workspace
        names an area field or control areas.
    samples : mapping of kind to MapSample
        What is known of how accurate a layer of classes is.
    files : tuple of Path
        Where everything stands that was read, so that nothing is written over it.
    tables : mapping of kind to LayerTable
        What ``qpgis.toml`` says of each layer; empty where there is none.
    opened : mapping
        What it was opened with beside ``qpgis.toml``: other zones, a grid, levels of an OpenStreetMap extract.
    cache : Store or None
        What runs find out is kept there; ``None`` where nothing is.
    stamps : mapping of Path to Stamp
        What files were as they were read, so that a notebook can say if they have changed.
    frozen : mapping of period to Frozen
        What was published of frozen periods.
    approvals : mapping of (indicator, definition) to ApprovalTable
        Which versions of definitions are in force, and by whom.
    signoff : SignoffTable or None
        Who signed its result, and which.
    tables_secrecy : Secrecy
        Who may see the values of its tables.
    public_values : frozenset of str
        Indicators whose values were cleared for everybody, whatever they are computed from.
    boundary_changes : tuple of BoundaryChangeTable
        When the ground of zones changed.
    """

    name: str
    title: str
    period: str
    area: StudyArea
    layers: Mapping[str, Layer]
    state: State
    indicators: Mapping[str, Declared] = field(default_factory=registry, repr=False)
    definitions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    plans: tuple[Plan, ...] = ()
    targets: tuple[Target, ...] = ()
    statistics: tuple[Statistic, ...] = ()
    baselines: Baselines = field(default_factory=dict)
    thresholds: Thresholds = field(default_factory=Thresholds)
    inputs: tuple[InputFile, ...] = ()
    ledgers: Mapping[str, Ledger] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    map_approval: str = ""
    references: tuple[Reference, ...] = ()
    shown: Mapping[str, bool] = field(default_factory=dict)
    land_areas: pd.DataFrame | None = field(default=None, repr=False, compare=False)
    samples: Mapping[str, MapSample] = field(default_factory=dict, repr=False, compare=False)
    files: tuple[Path, ...] = field(default=(), repr=False, compare=False)
    tables: Mapping[str, LayerTable] = field(default_factory=dict, repr=False, compare=False)
    opened: Mapping[str, object] = field(default_factory=dict, repr=False)
    cache: Store | None = field(default=None, repr=False, compare=False)
    stamps: Mapping[Path, Stamp] = field(default_factory=dict, repr=False, compare=False)
    frozen: Mapping[str, Frozen] = field(default_factory=dict, repr=False, compare=False)
    approvals: Mapping[tuple[str, str], ApprovalTable] = field(default_factory=dict, repr=False)
    signoff: SignoffTable | None = None
    tables_secrecy: Secrecy = Secrecy.PUBLIC
    public_values: frozenset[str] = frozenset()
    boundary_changes: tuple[BoundaryChangeTable, ...] = ()

    def changed(self) -> tuple[str, ...]:
        """The files that aren't what was read any more, or are gone."""
        return tuple(path.name for path, stamp in self.stamps.items() if stamp.of(path) != stamp)

    def banner(self, lang: Lang = "zh") -> str:
        """What notebooks show above what was computed from files that have changed since, as HTML; else nothing."""
        names = self.changed()
        if not names:
            return ""
        said = escape(text("stale_banner", lang, names=listed(names, lang)))
        return f'<p style="border-left: 4px solid #b45309; background: #fef3c7; padding: 0.5em 1em">⚠ {said}</p>'

    def _repr_html_(self) -> str:
        return f"{self.banner()}<p>{escape(repr(self))}</p>"

    def __repr__(self) -> str:
        layers = ", ".join(f"{kind} ({len(layer)}, {layer.source.grade})" for kind, layer in self.layers.items())
        return f"<Workspace {self.name}, period {self.period}: {len(self.area.base)} zones; layers: {layers or 'none'}>"

    @cached_property
    def known(self) -> Known:
        """What was found out of it, in this session and by earlier runs: only the rest is computed."""
        if self.cache is None:
            return Known(self.area)
        own_code = [one.sha256 for one in self.inputs if one.role == "indicators" and one.name.endswith(".py")]
        return Known(self.area, kept=Kept(self.cache, self.area, self.layers.values(), own_code))

    @property
    def grades(self) -> frozenset[Grade]:
        """The grades of everything that is measured or shown."""
        zones = (zones.source for zones in self.area.zone_sets)
        layers = (layer.source for layer in self.layers.values())
        return frozenset(source.grade for source in (*zones, *layers, *(one.source for one in self.references)))

    @property
    def year(self) -> int:
        """The year of the period."""
        return self.state.as_of.year if self.period == UNDATED else year_of(self.period)
