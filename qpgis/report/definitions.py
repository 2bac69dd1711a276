"""Every indicator with its formula and definitions, every layer with its words: what ``qpgis list --long`` prints."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from qpgis.catalogue import Lang, listed, text, unit_text
from qpgis.indicators.declaration import Declared
from qpgis.landuse import class_words
from qpgis.layers import LAYERS


def definition_lines(indicators: Mapping[str, Declared], lang: Lang) -> Iterator[str]:
    """The lines of a Markdown page about indicators, by theme in their order."""
    yield f"# {text('indicators_title', lang)}"
    for one in indicators.values():
        yield ""
        yield f"## {one.title(lang)} `{one.id}`"
        yield ""
        yield from _about(one, lang)
        yield ""
        heads = (text(f"indicators_{column}", lang) for column in ("definition", "text", "standing"))
        yield f"| {' | '.join(heads)} |"
        yield "|---|---|---|"
        for n, definition in enumerate(one.definitions):
            default = f" ({text('indicators_default', lang)})" if n == 0 else ""
            standing = "；".join(part for part in (definition.source, definition.standing) if part)
            yield f"| `{definition.name}`{default} | {definition.text(lang)} | {standing} |"


def _about(one: Declared, lang: Lang) -> Iterator[str]:
    words = {
        "unit": unit_text(one.unit, lang),
        "formula": one.formula,
        "layers": _layers((kind for kind in one.layers if kind not in one.optional), lang),
        "optional": _layers((kind for kind in one.layers if kind in one.optional), lang),
        "settings": ", ".join(f"`{name}={_shown(value)}`" for name, value in one.settings.items()),
        "example": _example(one),
        "file": one.file,
        "department": one.department(lang),
    }
    for key, value in words.items():
        if value:
            yield f"- {text(f'indicators_{key}', lang)}: {value}"


def _layers(kinds: Iterable[str], lang: Lang) -> str:
    return listed((f"{text(f'layer_{kind}', lang)} `{kind}`" for kind in kinds), lang)


def layer_lines(indicators: Mapping[str, Declared], lang: Lang) -> Iterator[str]:
    """The lines of a Markdown page about layers: shapes, words for classes, the indicators that read them."""
    yield f"# {text('layers_title', lang)}"
    for kind, shapes in LAYERS.items():
        yield ""
        yield f"## {text(f'layer_{kind}', lang)} `{kind}`"
        yield ""
        yield f"- {text('layers_shapes', lang)}: {listed((text(f'shape_{shape}', lang) for shape in shapes), lang)}"
        words: dict[str, list[str]] = {}
        for word, name in class_words(kind).items():
            words.setdefault(name, []).extend([word] if word != name else [])
        if words:
            yield f"- {text('layers_classes', lang)}:"
            yield from (f"  - `{name}` {listed(others, lang)}".rstrip() for name, others in words.items())
        for key, optional in (("layers_indicators", False), ("layers_optional", True)):
            readers = [one for one in indicators.values() if kind in one.layers and (kind in one.optional) is optional]
            if readers:
                yield f"- {text(key, lang)}: {listed((f'{one.title(lang)} `{one.id}`' for one in readers), lang)}"


def _example(one: Declared) -> str:
    """How a definition with one changed setting is written; none where there is nothing to set."""
    numbers = [(name, value) for name, value in one.settings.items() if isinstance(value, float)]
    if not numbers:
        return ""
    name, value = numbers[0]
    return f'`[definitions] {one.id} = ["{one.definitions[0].name}[{name}={value / 2:g}]"]`'


def _shown(value: Any) -> str:
    return "+".join(value) if isinstance(value, tuple) else f"{value:g}" if isinstance(value, float) else str(value)
