"""Every indicator with its formula, layers, settings and definitions: what ``qpgis list --long`` prints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from qpgis.catalogue import Lang, text
from qpgis.indicators.declaration import Declared


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
        "unit": one.unit,
        "formula": one.formula,
        "layers": ", ".join(kind for kind in one.layers if kind not in one.optional),
        "optional": ", ".join(kind for kind in one.layers if kind in one.optional),
        "settings": ", ".join(f"`{name}={_shown(value)}`" for name, value in one.settings.items()),
        "example": _example(one),
        "file": one.file,
        "department": one.department(lang),
    }
    for key, value in words.items():
        if value:
            yield f"- {text(f'indicators_{key}', lang)}: {value}"


def _example(one: Declared) -> str:
    """How a definition with one changed setting is written; none where there is nothing to set."""
    numbers = [(name, value) for name, value in one.settings.items() if isinstance(value, float)]
    if not numbers:
        return ""
    name, value = numbers[0]
    return f'`[definitions] {one.id} = ["{one.definitions[0].name}[{name}={value / 2:g}]"]`'


def _shown(value: Any) -> str:
    return "+".join(value) if isinstance(value, tuple) else f"{value:g}" if isinstance(value, float) else str(value)
