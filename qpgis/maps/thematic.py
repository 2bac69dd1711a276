"""The planning map: zones shaded by an indicator, the layers it was computed from, legend, tooltips and footer.

A :class:`Scene` holds everything ready to be shown. This module turns it into JSON blocks on a folium map, which
``static/qpgis-map.js`` draws; the only things worked out here are the classes of the legend and the display copies of
the geometry.
"""

from __future__ import annotations

import html as html_escapes
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise
from typing import Any

import folium
import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from branca.element import Figure, MacroElement
from folium.template import Template

from qpgis import styles
from qpgis.catalogue import Lang, keys, pretty_unit, text
from qpgis.crs import Geometries
from qpgis.errors import CRSError, ZoneError
from qpgis.landuse import plan_status_of
from qpgis.layers import SHOW
from qpgis.maps.offline import OfflineMap, json_block, script_json, static_block
from qpgis.provenance import Grade

SCALE = 1_000_000  # display coordinates are whole millionths of a degree, about 0.1 m
COARSE_SCALE = 100_000  # of big layers: about 1 m
BIG_LAYER = 20_000  # vertices from which a layer's display copy is simplified
TOLERANCE_M = 3
METRES_PER_DEGREE = 111_320
NAMED_FEATURES = 200  # layers of more names print none
LABELLED_ZONES = 60  # levels up to this many zones have their names on the map
CLASSES = 5

_VALUE_COLUMNS = (
    "indicator", "indicator_name", "definition", "definition_text", "zone_id", "level", "value", "value_text", "unit",
    "status_text", "target_text", "grade", "grade_said", "note",
)  # fmt: skip
_ZONE_COLUMNS = ("zone_id", "zone_name", "level")

Json = dict[str, Any]
Draw = Callable[[Geometries], Json]


@dataclass(frozen=True)
class SceneLayer:
    """A layer as the map shows it.

    Attributes
    ----------
    kind : str
        Key of the layer styles, e.g. ``"water"``.
    title : str
        Its name in the layer control.
    frame : geopandas.GeoDataFrame
        Display copy in EPSG:4326; of its columns only ``feature_id``, ``name``, ``class_``, ``plan_status``, ``fill``
        (a colour instead of the style's) and those that ``show`` names reach the page, each of which may be missing.
    grade, grade_said : str
        How good the data are, as a code and as the word to print.
    show : tuple of str
        Further attributes to print of each feature, in the columns ``show_<name>`` of ``frame``.
    shown : bool, optional
        Whether the map opens with it; by default as the style of its kind says.
    legend : tuple of (str, str)
        What the colours of ``fill`` mean: name and colour.
    """

    kind: str
    title: str
    frame: gpd.GeoDataFrame
    grade: str
    grade_said: str
    show: tuple[str, ...] = ()
    shown: bool | None = None
    legend: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Notice:
    """Something to say beside the values, listed in the panel.

    Attributes
    ----------
    kind : str
        Key of the layer styles, whose colour marks it.
    title, text : str
        What it is, and what follows from it.
    place : tuple of float, optional
        Longitude and latitude that it leads to.
    """

    kind: str
    title: str
    text: str
    place: tuple[float, float] | None = None


@dataclass(frozen=True)
class Lamp:
    """A light of the targets as the legend explains it: its id, its word, and the statuses that it stands for."""

    id: str
    name: str
    meaning: str


@dataclass(frozen=True)
class Scene:
    """Everything that a planning map shows, ready to be printed.

    Attributes
    ----------
    title : str
        Title of the map.
    zones : geopandas.GeoDataFrame
        EPSG:4326, with ``zone_id``, ``zone_name``, ``level``, the ``grade`` of its border if it has one, and further
        attributes to show in ``show_<name>``; several levels, the first one shown first.
    values : pandas.DataFrame
        One row per zone x indicator x definition: ``indicator, indicator_name, definition, definition_text, zone_id,
        level, value`` (NaN is missing), ``value_text`` (with its unit), ``unit, status, status_text, target_text,
        grade, grade_said, note``. An optional column ``theme`` picks the colours, ``light`` names the light of a
        status. Without rows no zone is shaded.
    layers : tuple of SceneLayer
        The layers beside the zones.
    footer : tuple of str
        Lines that are always shown.
    lang : {"zh", "en"}
        Language of the map's own words.
    notices : tuple of Notice
        What is listed in the panel, in this order.
    lights : tuple of Lamp
        What the lights of statuses mean; empty where nothing is judged.
    judging : tuple of str
        By which settings values are judged, line by line.
    draw : callable
        Makes of shapes what the page is given of them: :func:`display_json`, or something that remembers it.
    """

    title: str
    zones: gpd.GeoDataFrame
    values: pd.DataFrame
    layers: tuple[SceneLayer, ...]
    footer: tuple[str, ...]
    lang: Lang = "zh"
    notices: tuple[Notice, ...] = ()
    lights: tuple[Lamp, ...] = ()
    judging: tuple[str, ...] = ()
    draw: Draw = field(default_factory=lambda: display_json, repr=False, compare=False)


def planning_map(scene: Scene) -> folium.Map:
    """An interactive map of a scene: an ordinary folium map, to which more can be added.

    Parameters
    ----------
    scene : Scene
        What to show.

    Returns
    -------
    folium.Map
        It displays, saves and renders as one file without network; :func:`qpgis.maps.html` is its text.

    Raises
    ------
    ZoneError
        If there are no zones, a column is missing, or a value stands twice.
    CRSError
        If zones or a layer are not in EPSG:4326.
    """
    _check(scene)
    west, south, east, north = scene.zones.total_bounds
    map_ = OfflineMap(
        title=scene.title,
        lang=scene.lang,
        location=[(south + north) / 2, (west + east) / 2],
        zoom_start=11,
        zoom_snap=0.25,
        zoom_delta=0.5,
    )
    zones = ZoneLayer(scene)
    zones.add_to(map_)
    for layer in sorted(scene.layers, key=lambda layer: styles.layer_style(layer.kind).order):
        FeatureLayer(layer, scene.lang, scene.draw).add_to(map_)
    Sheet(scene, zones).add_to(map_)
    LayerControl().add_to(map_)
    return map_


class ZoneLayer(folium.map.Layer):
    """The zones of all levels, shaded by one indicator at a time."""

    _template = Template(
        """
        {% macro script(this, kwargs) %}
            qpgis.panes({{ this._parent.get_name() }});
            var {{ this.get_name() }} = qpgis.zones("{{ this.get_name() }}");
        {% endmacro %}
        """
    )

    def __init__(self, scene: Scene) -> None:
        super().__init__(name=text("map_zones", scene.lang), overlay=True)
        self._name = "Zones"
        self.data = zones_json(scene)

    def render(self, **kwargs: object) -> str:
        """Put data and script into the figure."""
        _embed(self, self.data)
        super().render(**kwargs)
        return ""


class FeatureLayer(folium.map.Layer):
    """Polygons, lines or points of one layer, in the style of its kind."""

    _template = Template(
        """
        {% macro script(this, kwargs) %}
            var {{ this.get_name() }} = qpgis.features("{{ this.get_name() }}");
        {% endmacro %}
        """
    )

    def __init__(self, layer: SceneLayer, lang: Lang, draw: Draw) -> None:
        # Leaflet's own layer control takes names as HTML; ours shows `title` as text.
        shown = styles.layer_style(layer.kind).shown if layer.shown is None else layer.shown
        super().__init__(name=html_escapes.escape(layer.title), overlay=True, show=shown)
        self._name = "Features"
        self.title = layer.title
        self.data = layer_json(layer, lang, draw)

    def render(self, **kwargs: object) -> str:
        """Put data and script into the figure."""
        _embed(self, self.data)
        super().render(**kwargs)
        return ""


class Sheet(MacroElement):
    """What stands around the map: title, indicator and level switchers, legend, layers, footer."""

    _template = Template(
        """
        {% macro header(this, kwargs) %}
            <link rel="stylesheet" href="qpgis-map.css"/>
            <script src="qpgis-map.js"></script>
        {% endmacro %}
        {% macro script(this, kwargs) %}
            qpgis.sheet({{ this._parent.get_name() }}, {{ this.zones.get_name() }}, "{{ this.get_name() }}");
        {% endmacro %}
        """
    )

    def __init__(self, scene: Scene, zones: ZoneLayer) -> None:
        super().__init__()
        self._name = "Sheet"
        self.zones = zones
        footer = [*scene.footer, _display_line(scene)]
        notices = [_notice_json(notice) for notice in scene.notices]
        self.data = {
            "title": scene.title,
            "footer": footer,
            "words": _words(scene.lang),
            "notices": notices,
            "lamps": [
                {"name": lamp.name, "meaning": lamp.meaning, "colour": styles.lights()[lamp.id][0]}
                for lamp in scene.lights
            ],
            "judging": scene.judging,
        }

    def render(self, **kwargs: object) -> str:
        """Put the sheet's HTML, data and script into the figure."""
        _figure(self).html.add_child(static_block("qpgis-map.html"), name=self.get_name() + "_html")
        _embed(self, self.data)
        super().render(**kwargs)
        return ""


class LayerControl(folium.LayerControl):
    """Leaflet's layer control over all layers of the map, with legend keys and grades; names are text, never HTML."""

    _template = Template(
        """
        {% macro script(this, kwargs) %}
            qpgis.layerControl({{ this._parent.get_name() }}, [
                {%- for layer in this.entries %}[{{ layer[0] }}, {{ layer[1] }}, {{ layer[2] }}],{% endfor -%}
            ]);
        {% endmacro %}
        """
    )

    def render(self, **kwargs: object) -> str:
        """Collect the layers that the map has by now."""
        siblings = self._parent._children.values() if self._parent else ()
        layers = [child for child in siblings if isinstance(child, folium.map.Layer) and child.control]
        self.entries = [
            (layer.get_name(), script_json(getattr(layer, "title", layer.layer_name)), script_json(layer.overlay))
            for layer in layers
        ]
        MacroElement.render(self)
        return ""


def _figure(element: MacroElement) -> Figure:
    """The page that an element is on."""
    root = element.get_root()
    if not isinstance(root, Figure):
        raise TypeError(f"{type(element).__name__} is drawn on a map only")
    return root


def _embed(element: MacroElement, data: Json) -> None:
    """Put an element's data into the page."""
    name = element.get_name()
    _figure(element).html.add_child(json_block(name, data), name=f"{name}_data")


# ---- what the page is given ----


def zones_json(scene: Scene) -> Json:
    """Zones by level, and every indicator x definition with the class, text and grade of each zone."""
    levels = [_level_json(level, frame, scene.lang) for level, frame in scene.zones.groupby("level", sort=False)]
    west, south, east, north = (round(float(bound), 6) for bound in scene.zones.total_bounds)
    groups = scene.values.groupby(["indicator", "definition"], sort=False)
    zone_ids = {str(level): frame["zone_id"].astype(str) for level, frame in scene.zones.groupby("level", sort=False)}
    return {
        "scale": SCALE,
        "bounds": [[south, west], [north, east]],
        "levels": levels,
        "series": [_series_json(rows, zone_ids, scene.lang) for _, rows in groups],
        "lamps": {lamp.id: {"name": lamp.name, "colour": styles.lights()[lamp.id][0]} for lamp in scene.lights},
        "words": _words(scene.lang),
    }


def _level_json(level: str, frame: gpd.GeoDataFrame, lang: Lang) -> Json:
    key = f"level_{level}"
    name = text(key, lang) if key in keys() else str(level)
    content: Json = {
        "key": str(level),
        "name": name[:1].upper() + name[1:],
        "names": [_string(name) for name in frame["zone_name"]],
        "parts": [_parts(shape, SCALE)[1] for shape in frame.geometry],
        "border": pack(_said("", grade, lang) for grade in _column(frame, "grade")),
        "facts": [
            [_field_name(column.removeprefix(SHOW), lang), pack(_column(frame, column))]
            for column in map(str, frame.columns)
            if column.startswith(SHOW)
        ],
    }
    if len(frame) <= LABELLED_ZONES:
        content["labels"] = [_label_place(shape) for shape in frame.geometry]
    return content


def _series_json(rows: pd.DataFrame, zone_ids: Mapping[str, pd.Series], lang: Lang) -> Json:
    first = rows.iloc[0]
    theme = _string(first.get("theme", "")) or styles.DEFAULT
    rows = rows.set_index(rows["zone_id"].astype(str))
    by_level = {str(level): part for level, part in rows.groupby("level", sort=False)}
    return {
        "indicator": _string(first["indicator"]),
        "name": _string(first["indicator_name"]) or _string(first["indicator"]),
        "definition": _string(first["definition"]),
        "text": _string(first["definition_text"]),
        "unit": pretty_unit(_string(first["unit"])),
        "levels": {
            level: _values_json(by_level[level].reindex(ids), theme, lang)
            for level, ids in zone_ids.items()
            if level in by_level
        },
    }


def _values_json(rows: pd.DataFrame, theme: str, lang: Lang) -> Json:
    """The values of one indicator on one level, in the order of its zones."""
    values = pd.to_numeric(rows["value"]).to_numpy(dtype=float)
    measured = np.isfinite(values)
    breaks = class_breaks(values[measured])
    edges = np.array([float(edge) for edge in breaks])
    classes = np.where(measured, np.searchsorted(edges, values, side="right"), -1)
    texts = [_string(said) for said in rows["value_text"]]
    weak = [_must_be_said(grade) for grade in rows["grade"]]
    said = [_said(word, grade, lang) for word, grade in zip(rows["grade_said"], rows["grade"], strict=True)]
    only = next((word for word, there in zip(texts, measured, strict=True) if there), None)
    return {
        "class": classes.tolist(),
        "labels": [] if only is None else [only] if not breaks else class_labels(breaks, lang),
        "colours": styles.ramp(theme, len(breaks) + 1),
        "value": pack(word if there else "" for word, there in zip(texts, measured, strict=True)),
        "target": pack(map(_string, rows["target_text"])),
        "status": pack(map(_string, rows["status_text"])),
        "light": pack(map(_string, rows["light"])) if "light" in rows else "",
        "note": pack(map(_string, rows["note"])),
        "said": pack(said),
        "weak": pack("1" if flag else "" for flag in weak),
        "grades": list(dict.fromkeys(word for word in said if word)),
        "weak_said": list(dict.fromkeys(word for word, flag in zip(said, weak, strict=True) if flag)),
    }


def layer_json(layer: SceneLayer, lang: Lang, draw: Draw | None = None) -> Json:
    """A layer's display copy with its style and the whitelisted attributes."""
    frame = layer.frame[~(layer.frame.geometry.isna() | layer.frame.geometry.is_empty)]
    shapes = (draw or display_json)(frame.geometry.to_numpy())
    status = [plan_status_of(value) for value in _column(frame, "plan_status")]
    style = styles.layer_style(layer.kind)
    return {
        "title": layer.title,
        "said": _said(layer.grade_said, layer.grade, lang),
        "weak": _must_be_said(layer.grade),
        "type": shapes["features"][0][0] if shapes["features"] else "area",
        "order": style.order,
        "style": {key: getattr(style, key) for key in ("fill", "stroke", "width", "radius", "opacity")},
        "dashes": dict(styles.dashes()),
        **shapes,
        "id": pack(_column(frame, "feature_id")),
        "name": pack(_column(frame, "name")),
        "names": _names_json(frame, style),
        "class": pack(_column(frame, "class_")),
        "fill": pack(_column(frame, "fill")),
        "legend": layer.legend,
        "plan": pack(key or "" for key in status),
        "plan_said": pack(
            text(f"map_plan_{key}", lang) if key else value
            for key, value in zip(status, _column(frame, "plan_status"), strict=True)
        ),
        "facts": [[_field_name(name, lang), pack(_column(frame, SHOW + name))] for name in layer.show],
        "words": _words(lang, "layer", "class", "plan_status", "feature_id", "grade"),
    }


def _names_json(frame: gpd.GeoDataFrame, style: styles.LayerStyle) -> Json:
    """The names that the map prints: each once, at the largest feature that has it; none if they are too many."""
    names = np.array(_column(frame, "name"), dtype=object)
    shapes = frame.geometry.to_numpy()
    largest: dict[str, int] = {}
    for row in np.lexsort((-shapely.length(shapes), -shapely.area(shapes))):
        largest.setdefault(names[row], int(row))
    largest.pop("", None)
    if not style.names_from_zoom or len(largest) > NAMED_FEATURES:
        return {"zoom": 0, "rows": [], "places": []}
    rows = sorted(largest.values())
    return {"zoom": style.names_from_zoom, "rows": rows, "places": [_name_place(shapes[row]) for row in rows]}


def _notice_json(notice: Notice) -> Json:
    place = [notice.place[1], notice.place[0]] if notice.place else None
    colour = styles.layer_style(notice.kind).fill
    return {"title": notice.title, "text": notice.text, "colour": colour, "place": place}


def pack(words: Iterable[str]) -> str | Json:
    """A column of strings: one string if all are equal, else the distinct ones and an index a row.

    >>> pack(["a", "b", "a"])
    {'w': ['a', 'b'], 'i': [0, 1, 0]}
    >>> pack(["a", "a"])
    'a'
    """
    rows = list(words)
    place = {word: i for i, word in enumerate(dict.fromkeys(rows))}
    if len(place) <= 1:
        return rows[0] if rows else ""
    return {"w": list(place), "i": [place[word] for word in rows]}


def _field_name(name: str, lang: Lang) -> str:
    """What planners call an attribute; attributes that a workspace invents keep their own name."""
    return text(f"field_{name}", lang) if f"field_{name}" in keys() else name


def _words(lang: Lang, *wanted: str) -> dict[str, str]:
    names = wanted or tuple(sorted(key[4:] for key in keys() if key.startswith("map_")))
    return {name: text(f"map_{name}", lang) for name in names}


def _column(frame: gpd.GeoDataFrame, name: str) -> list[str]:
    return [_string(value) for value in frame[name]] if name in frame else [""] * len(frame)


def _string(value: Any) -> str:
    return "" if value is None or pd.isna(value) else str(value)


def _must_be_said(grade: object) -> bool:
    return _string(grade) in set(Grade) and Grade(_string(grade)).must_be_said


def _said(word: object, grade: object, lang: Lang) -> str:
    """The word for a grade; the catalogue's where a grade that must be said came without one."""
    return _string(word) or (text(f"grade_{grade}", lang) if _must_be_said(grade) else "")


def _display_line(scene: Scene) -> str:
    if any(_is_big(layer.frame.geometry.to_numpy()) for layer in scene.layers):
        return text("map_footer_simplified", scene.lang, tolerance=TOLERANCE_M)
    return text("map_footer_display", scene.lang)


# ---- classes of the legend ----


def class_breaks(values: np.ndarray, classes: int = CLASSES) -> tuple[Decimal, ...]:
    """Inner borders of quantile classes, each moved to the roundest number nearby.

    A border may move as far as the next values; where there are many, past one in forty of them. A value on a border
    belongs to the class above it. Equal values never part, so there may be fewer classes, but none is empty.

    >>> [str(edge) for edge in class_breaks(np.array([1.2, 3.4, 5.1, 7.7, 9.3]))]
    ['2', '5', '6', '8']
    >>> class_breaks(np.array([4.0, 4.0]))
    ()
    """
    ordered = np.sort(values)
    slack = len(ordered) // 40
    borders = set()
    for start in (len(ordered) * i // classes for i in range(1, classes)):
        below = ordered[: max(start - slack, 0)]
        above = ordered[start : start + slack + 1]
        if len(below) and below[-1] == above[-1]:  # ties all around: go down to the next smaller value
            below = ordered[ordered < above[-1]]
        if len(below):
            borders.add(roundest(float(below[-1]), float(above[-1])))
    return tuple(sorted(borders))


def roundest(low: float, high: float) -> Decimal:
    """The number with the fewest digits that is above ``low`` and not above ``high``.

    >>> float(roundest(11.7, 23.4)), float(roundest(-0.2, 0.3)), float(roundest(0.123, 0.124))
    (20.0, 0.0, 0.124)
    """
    lowest, highest = Decimal(repr(low)), Decimal(repr(high))
    if lowest < 0 <= highest:
        return Decimal(0)
    top = math.ceil(math.log10(max(abs(low), abs(high)))) + 1
    for exponent in range(top, top - 18, -1):
        for step in (Decimal(5).scaleb(exponent), Decimal(2).scaleb(exponent), Decimal(1).scaleb(exponent)):
            middle = ((lowest + highest) / 2 / step).to_integral_value() * step
            for candidate in (middle, (highest / step).to_integral_value("ROUND_FLOOR") * step):
                if lowest < candidate <= highest and low < float(candidate) <= high:
                    return candidate
    return highest


def class_labels(breaks: Sequence[Decimal], lang: Lang) -> list[str]:
    """The words of the legend, from the lowest class to the highest."""
    said = [_number(edge) for edge in breaks]
    between = [text("map_class_between", lang, low=a, high=b) for a, b in pairwise(said)]
    return [text("map_class_below", lang, high=said[0]), *between, text("map_class_from", lang, low=said[-1])]


def _number(value: Decimal) -> str:
    return format(value.normalize(), ",f").replace("-", "\N{MINUS SIGN}")


# ---- display copies ----


def display_json(shapes: Geometries) -> Json:
    """The display copies of shapes as the page is given them."""
    copies, scale = display_copy(shapes)
    return {"scale": scale, "features": [_parts(shape, scale) for shape in copies]}


def display_copy(shapes: np.ndarray) -> tuple[np.ndarray, int]:
    """Geometry to look at, and the fraction of a degree it is rounded to: big layers simplified, others as they are.

    A coverage is simplified as one, so that no gaps open between its polygons.
    """
    if not _is_big(shapes):
        return shapes, SCALE
    tolerance = TOLERANCE_M / METRES_PER_DEGREE
    polygonal = bool(np.isin(shapely.get_type_id(shapes), (3, 6)).all())
    if polygonal and bool(shapely.coverage_is_valid(shapes)):
        simple = shapely.coverage_simplify(shapes, tolerance)
    else:
        simple = shapely.simplify(shapes, tolerance)
    return np.where(shapely.is_empty(simple), shapes, simple), COARSE_SCALE


def _is_big(shapes: np.ndarray) -> bool:
    return bool(shapely.get_num_coordinates(shapes).sum() > BIG_LAYER)


def _parts(shape: shapely.Geometry, scale: int) -> tuple[str, list]:
    """A geometry as what it is drawn as, and its coordinates as flat lists of whole steps of 1/scale degree.

    Each list is ``[x, y, dx, dy, ...]``. Of a collection, the parts of its highest dimension are drawn.
    """
    singles = [part for part in shapely.get_parts(shape) if not part.is_empty]
    if shape.geom_type == "GeometryCollection":
        singles = [part for single in singles for part in shapely.get_parts(single)]
    highest = max((shapely.get_dimensions(part) for part in singles), default=2)
    singles = [part for part in singles if shapely.get_dimensions(part) == highest]
    if highest == 2:
        return "area", [[_steps(ring, scale) for ring in (part.exterior, *part.interiors)] for part in singles]
    if highest == 1:
        return "line", [_steps(part, scale) for part in singles]
    return "point", _steps(singles[0], scale)


def _steps(shape: shapely.Geometry, scale: int) -> list[int]:
    points = np.rint(shapely.get_coordinates(shape) * scale).astype(np.int64)
    steps = np.diff(points, axis=0, prepend=0)
    return steps[np.any(steps != 0, axis=1) | (np.arange(len(steps)) == 0)].ravel().tolist()


def _name_place(shape: shapely.Geometry) -> list[float]:
    """Latitude and longitude for a feature's name: in the middle of an area or line, at a point."""
    highest = shapely.get_dimensions(shape)
    if highest == 2:
        return _label_place(shape)
    part = max(shapely.get_parts(shape), key=shapely.length)
    spot = shapely.line_interpolate_point(part, 0.5, normalized=True) if highest == 1 else part
    return [round(float(spot.y), 6), round(float(spot.x), 6)]


def _label_place(shape: shapely.Geometry) -> list[float]:
    """Latitude and longitude for a zone's name: the middle of the largest circle inside its largest part."""
    largest = max(shapely.get_parts(shape), key=shapely.area)
    centre = shapely.get_point(shapely.maximum_inscribed_circle(largest), 0)
    return [round(float(centre.y), 6), round(float(centre.x), 6)]


# ---- checks ----


def _check(scene: Scene) -> None:
    """Raise if a scene can't be drawn as it stands."""
    missing = [column for column in _ZONE_COLUMNS if column not in scene.zones]
    missing += [column for column in _VALUE_COLUMNS if column not in scene.values]
    if missing:
        raise ZoneError(f"the scene lacks the columns {', '.join(missing)}")
    if scene.zones.empty:
        raise ZoneError("the scene has no zones to draw")
    if (scene.zones.geometry.isna() | scene.zones.geometry.is_empty).any():
        raise ZoneError("a zone of the scene has no geometry")
    for title, frame in [("zones", scene.zones), *((layer.title, layer.frame) for layer in scene.layers)]:
        if frame.crs is None or frame.crs.to_epsg() != 4326:
            raise CRSError(f"{title}: a map draws EPSG:4326, not {frame.crs}")
    for name, frame, key in [
        ("zone", scene.zones, ["level", "zone_id"]),
        ("value", scene.values, ["indicator", "definition", "level", "zone_id"]),
    ]:
        if frame.duplicated(key).any():
            twice = ", ".join(f"{part}" for part in frame.loc[frame.duplicated(key), key].iloc[0])
            raise ZoneError(f"a {name} stands twice in the scene: {twice}")
