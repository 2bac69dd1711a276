"""How layers and classed zones are drawn: colours and lines, from ``data/styles/*.toml``, each with its source.

A style is one entry of ``layers.toml``; :func:`layer_styles` is all of them, :func:`layer_style` one, falling back to
the neutral default. How far a plan has come (现状, 在建, 规划, 研究) is drawn by the line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from qpgis.catalogue import read_toml

DEFAULT = "default"


@dataclass(frozen=True)
class LayerStyle:
    """How one kind of layer is drawn.

    Attributes
    ----------
    fill, stroke : str
        Colours, ``#rrggbb``.
    width, radius : float
        Of a line or outline, and of a point, in pixels.
    opacity : float
        Of fill and stroke, 0 to 1.
    order : int
        Layers of a higher order lie on top.
    shown : bool
        Whether a map opens with the layer.
    names_from_zoom : float
        The zoom from which a map prints the features' names; 0 for never.
    source : str
        Where the colour comes from.
    """

    fill: str
    stroke: str
    width: float
    radius: float
    opacity: float
    order: int
    shown: bool
    names_from_zoom: float
    source: str


@cache
def layer_styles() -> Mapping[str, LayerStyle]:
    """Every layer style by kind, ``default`` among them."""
    entries = read_toml("styles", "layers.toml")
    entries.pop("plan_status")
    base = entries[DEFAULT]
    return MappingProxyType({kind: LayerStyle(**{**base, **entry}) for kind, entry in entries.items()})


def layer_style(kind: str) -> LayerStyle:
    """The style of a kind of layer, the default one if it has none.

    >>> layer_style("water").fill
    '#338ec0'
    >>> layer_style("no such kind") == layer_style("default")
    True
    """
    styles = layer_styles()
    return styles.get(kind, styles[DEFAULT])


@cache
def dashes() -> Mapping[str, str]:
    """The dash pattern of each plan status, empty for a solid line.

    >>> dashes()["planned"]
    '8 5'
    """
    return MappingProxyType(read_toml("styles", "layers.toml")["plan_status"])


@cache
def lights() -> Mapping[str, tuple[str, str]]:
    """The colour of each light of a target, and that of the word on it.

    >>> lights()["red"]
    ('#c62828', '#ffffff')
    """
    entries = read_toml("styles", "lights.toml")
    return MappingProxyType({light: (entry["fill"], entry["ink"]) for light, entry in entries.items()})


@cache
def ramps() -> Mapping[str, tuple[str, ...]]:
    """The colours of classed maps by theme, light to dark."""
    entries = read_toml("styles", "ramps.toml")
    return MappingProxyType({theme: tuple(entry["colours"]) for theme, entry in entries.items()})


def ramp(theme: str = DEFAULT, classes: int = 5) -> tuple[str, ...]:
    """So many colours of a theme's ramp, spread over the whole of it.

    >>> ramp("ecology", 3)
    ('#ffffe5', '#addd8e', '#41ab5d')
    >>> ramp("ecology", 1)
    ('#addd8e',)
    """
    colours = ramps().get(theme, ramps()[DEFAULT])
    last = len(colours) - 1
    if not 1 <= classes <= len(colours):
        raise ValueError(f"a ramp has 1 to {len(colours)} classes, not {classes}")
    if classes == 1:
        return (colours[last // 2],)
    return tuple(colours[round(i * last / (classes - 1))] for i in range(classes))
