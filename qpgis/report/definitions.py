"""Every indicator with its formula, layers, settings and definitions: what ``qpgis list --long`` prints."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

from qpgis.catalogue import Lang, text
from qpgis.indicators.declaration import Indicator


def definition_lines(indicators: Mapping[str, Indicator], lang: Lang) -> Iterator[str]:
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


def _about(one: Indicator, lang: Lang) -> Iterator[str]:
    words = {
        "unit": one.unit,
        "formula": _formula(one),
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


def _formula(one: Indicator) -> str:
    """The formula that the function's docstring gives, in one line."""
    documented = inspect.getdoc(one.function) or ""
    paragraphs = [" ".join(paragraph.split()) for paragraph in documented.split("\n\n")]
    said = next((p for p in paragraphs if p.startswith("Formula: ")), paragraphs[0])
    return said.removeprefix("Formula: ").replace("``", "`")


def _example(one: Indicator) -> str:
    """How a definition with one changed setting is written; none where there is nothing to set."""
    numbers = [(name, value) for name, value in one.settings.items() if isinstance(value, float)]
    if not numbers:
        return ""
    name, value = numbers[0]
    return f'`[definitions] {one.id} = ["{one.definitions[0].name}[{name}={value / 2:g}]"]`'


def _shown(value: Any) -> str:
    return "+".join(value) if isinstance(value, tuple) else f"{value:g}" if isinstance(value, float) else str(value)
