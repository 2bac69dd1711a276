"""A folium map as one file that asks no network for anything.

folium links its scripts and stylesheets from four CDN; offices without the Internet see an empty page. Here a page is
rendered as folium does it, then each link is replaced by the text of the file in ``static/``. A link without a copy
there is an error, so no plugin can leak one, and a content security policy makes the browser refuse what a plugin
might still ask for at run time.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from itertools import count
from typing import Any

import folium
from branca.element import Element, Figure
from folium.template import Template

from qpgis.catalogue import Lang
from qpgis.errors import OutputError

LEAFLET = "https://cdn.jsdelivr.net/npm/leaflet@1.9.3/dist/leaflet"
JQUERY = "https://code.jquery.com/jquery-3.7.1.min.js"

#: What stands for each link: the texts of these files, in this order.
ASSETS = {
    f"{LEAFLET}.js": ("leaflet.js", "qpgis-leaflet.js"),
    f"{LEAFLET}.css": ("leaflet.css",),
    JQUERY: ("jquery.min.js",),
    "qpgis-map.js": ("qpgis-map.js",),
    "qpgis-map.css": ("qpgis-map.css",),
}

#: folium links these for the fonts of its marker icons; nothing here needs them.
DROPPED = ("bootstrap", "fontawesome", "awesome-markers", "awesome.rotate", "glyphicons")

POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; font-src data:; "
    "base-uri 'none'; form-action 'none'"
)

_STATIC = files("qpgis.maps").joinpath("static")
_SCRIPT = re.compile(r'<script src="([^"]*)"></script>')
_STYLESHEET = re.compile(r'<link rel="stylesheet" href="([^"]*)"\s*/?>')
_PICTURE = re.compile(r"url\((?:images/)?([\w-]+\.png)\)")
_JSON_BLOCK = re.compile(r'<script type="application/json".*?</script>', re.DOTALL)
_ELEMENT_ID = re.compile(r"[0-9a-f]{32}")
_REMOTE = re.compile(
    r"""<(?:script|link|img|iframe|source|video|audio|object|embed)\b[^>]*?\b(?:src|href|data)\s*=\s*["']?(?:https?:)?//[^\s"'>]+
    |url\(\s*["']?(?:https?:)?//[^)]+
    |@import[^;]+
    |\b(?:tileLayer(?:\.wms)?|imageOverlay|videoOverlay)\(\s*["'`](?:https?:)?//[^\s"'`]+""",
    re.VERBOSE | re.IGNORECASE,
)


class Verbatim(Element):
    """Text that goes into the page as it is; a plain ``Element`` would run it as a Jinja template."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self._name = "Verbatim"
        self.text = text

    def render(self, **kwargs: object) -> str:
        """The text."""
        return self.text


class OfflineFigure(Figure):
    """A figure whose page is self-contained, however it is asked for: ``render``, ``save`` or a notebook's display."""

    _template = Template(
        "<!DOCTYPE html>\n"
        '<html lang="{{ this.language }}">\n'
        "<head>\n"
        "{% if this.title %}<title>{{ this.title|e }}</title>\n{% endif %}"
        "{{ this.header.render(**kwargs) }}\n"
        "</head>\n"
        "<body>\n"
        "{{ this.html.render(**kwargs) }}\n"
        "</body>\n"
        "<script>\n"
        "{{ this.script.render(**kwargs) }}\n"
        "</script>\n"
        "</html>\n"
    )

    def __init__(self, title: str = "", lang: Lang = "zh") -> None:
        super().__init__(title=title)
        self.language = {"zh": "zh-CN", "en": "en"}[lang]

    def render(self, **kwargs: object) -> str:
        """The self-contained page."""
        return _page(self, **kwargs)


class OfflineMap(folium.Map):
    """A folium map that needs no network: no base map, no CDN, stable bytes.

    Layer controls are drawn after all layers, whenever those were added.

    Parameters
    ----------
    title : str
        Title of the page.
    lang : {"zh", "en"}
        Language of the page.
    **options
        As for ``folium.Map``.
    """

    def __init__(self, *, title: str = "", lang: Lang = "zh", **options: Any) -> None:
        super().__init__(**{"tiles": None, "prefer_canvas": True, **options})
        self.default_js = [("leaflet", f"{LEAFLET}.js"), ("jquery", JQUERY)]
        self.default_css = [("leaflet_css", f"{LEAFLET}.css")]
        OfflineFigure(title, lang).add_child(self)

    def render(self, **kwargs: object) -> str:
        """Render into the figure, layer controls last."""
        for name, child in list(self._children.items()):
            if isinstance(child, folium.LayerControl):
                self._children.move_to_end(name)
        super().render(**kwargs)
        return ""


def html(map_: folium.Map) -> str:
    """One self-contained HTML text of a map; the same map gives the same text, every time.

    Parameters
    ----------
    map_ : folium.Map
        Any folium map, an :class:`OfflineMap` or not.

    Raises
    ------
    OutputError
        If the map links to something of which there is no copy here, such as tiles or an unknown plugin.
    """
    root = map_.get_root()
    if not isinstance(root, Figure):
        raise TypeError(f"a map on a page is wanted, not one on {type(root).__name__}")
    return root.render() if isinstance(root, OfflineFigure) else _page(root)


def script_json(value: object) -> str:
    r"""JSON that is safe inside ``<script>``, and that Jinja leaves alone.

    >>> print(script_json({"a": "</script>{{x}}"}))
    {"a":"\u003c/script\u003e\u007b{x}}"}
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    text = re.sub("[<>&\u2028\u2029]", lambda found: f"\\u{ord(found[0]):04x}", text)
    text = re.sub("[\ud800-\udfff]", "\ufffd", text)
    return re.sub(r"\{(?=[{%#])", r"\\u007b", text)


def json_block(name: str, value: object) -> Verbatim:
    """A block of data that the page's scripts read as ``#<name>_data``."""
    return Verbatim(f'<script type="application/json" id="{name}_data">{script_json(value)}</script>')


def static_block(name: str) -> Verbatim:
    """A fragment of HTML from ``static/``."""
    return Verbatim(_static_text(name))


def _page(root: Figure, **kwargs: object) -> str:
    """Render once, and leave the tree as it was: some elements of folium add children whenever they are rendered."""
    elements = list(_elements(root))
    children = [(element, element._children.copy()) for element in elements]
    try:
        text = Figure.render(root, **kwargs)
        ids = {element._id for element in _elements(root)}
    finally:
        for element, before in children:
            element._children = before
    return _self_contained(_renumbered(text, ids))


def _elements(root: Element) -> Iterator[Element]:
    """An element and every element that it holds, as a child or in an attribute."""
    seen: set[int] = set()
    waiting = [root]
    while waiting:
        element = waiting.pop()
        if id(element) not in seen:
            seen.add(id(element))
            yield element
            waiting.extend(_held(element))


def _held(element: Element) -> Iterator[Element]:
    for key, value in vars(element).items():
        values = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else [value]
        if key != "_parent":
            yield from (held for held in values if isinstance(held, Element))


def _renumbered(text: str, ids: set[str]) -> str:
    """The page with the random ids of its elements replaced by numbers, in order of appearance."""
    numbers: dict[str, str] = {}
    counter = count(1)

    def number(found: re.Match[str]) -> str:
        if found[0] not in ids:
            return found[0]
        if found[0] not in numbers:
            numbers[found[0]] = str(next(counter))
        return numbers[found[0]]

    return _ELEMENT_ID.sub(number, text)


def _self_contained(page: str) -> str:
    """Links replaced by what they link to; anything else that would ask the network is an error."""
    needs_jquery = re.search(r"\$\(|\bjQuery\b", page) is not None
    if "L.AwesomeMarkers" in page:
        raise OutputError("folium.Icon needs icon fonts from the network; use folium.DivIcon or folium.CircleMarker")

    def script(found: re.Match[str]) -> str:
        if found[1] == JQUERY and not needs_jquery:
            return ""
        return "\n".join(f"<script>{_script_text(name)}</script>" for name in _assets(found[1]))

    def stylesheet(found: re.Match[str]) -> str:
        return "\n".join(f"<style>{_css_text(name)}</style>" for name in _assets(found[1]))

    bare = _SCRIPT.sub("", _STYLESHEET.sub("", _JSON_BLOCK.sub("", page)))
    if leak := _REMOTE.search(bare):
        raise OutputError(f"the map would ask the network for {leak[0][:120]!r}; offline maps can't have that")
    page = _STYLESHEET.sub(stylesheet, _SCRIPT.sub(script, page))
    policy = f'<meta charset="utf-8"/>\n<meta http-equiv="Content-Security-Policy" content="{POLICY}"/>\n'
    icon = '<link rel="icon" href="data:,"/>\n'
    return page.replace("<head>\n", f"<head>\n{policy}{icon}", 1)


def _assets(url: str) -> tuple[str, ...]:
    """The files that stand for a link, none for the ones that are dropped."""
    if url in ASSETS:
        return ASSETS[url]
    if any(word in url.lower() for word in DROPPED):
        return ()
    raise OutputError(f"no copy of {url} in qpgis/maps/static; an offline map can't link to it")


def _script_text(name: str) -> str:
    """A script, ready to stand between script tags."""
    return _PICTURE.sub(lambda found: _data_uri(found[1]), _static_text(name)).replace("</script", "<\\/script")


def _css_text(name: str) -> str:
    """A stylesheet, ready to stand between style tags."""
    return _PICTURE.sub(lambda found: f"url({_data_uri(found[1])})", _static_text(name))


@cache
def _static_text(name: str) -> str:
    """The text of a file of ``static/``, without the link to a source map."""
    text = _STATIC.joinpath(name).read_text(encoding="utf-8")
    return re.sub(r"\n//# sourceMappingURL=.*", "", text)


def _data_uri(picture: str) -> str:
    return "data:image/png;base64," + base64.b64encode(_STATIC.joinpath(picture).read_bytes()).decode("ascii")
