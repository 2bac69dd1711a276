"""The house rules that a machine can check."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from qpgis.catalogue import keys

PACKAGE = Path(__file__).resolve().parents[1] / "qpgis"
ORDER = [
    "errors",
    "periods",
    "catalogue",
    "crs",
    "shapes",
    "remembered",
    "dissolving",
    "provenance",
    "naming",
    "styles",
    "findings",
    "sources",
    "landuse",
    "layers",
    "area",
    "measures",
    "overlay",
    "quality",
    "amounts",
    "parts",
    "access",
    "wholes",
    "kernels",
    "incremental",
    "zonewise",
    "kept",
    "engine",
    "uncertainty",
    "classified",
    "indicators",
    "contracts",
    "plans",
    "workspace",
    "inspection",
    "synth",
    "rows",
    "judging",
    "published",
    "plantables",
    "projects",
    "signing",
    "assessment",
    "staleness",
    "evidence",
    "control",
    "disclosure",
    "scenarios",
    "maps",
    "report",
    "handover",
    "verifying",
    "notebook",
    "fetching",
    "cli",
    "__main__",
]
MODULES = sorted(p for p in PACKAGE.rglob("*.py") if p != PACKAGE / "__init__.py")


def family(module: str) -> str:
    """The part of the house that a dotted module name belongs to."""
    return module.split(".")[1] if "." in module else ""


def imports(path: Path) -> Iterator[str]:
    """Every qpgis module that a file imports, inside functions too."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "qpgis":
            if node.module == "qpgis":
                yield from (f"qpgis.{name.name}" for name in node.names)
            else:
                yield node.module
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name.startswith("qpgis."))


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_run_one_way(path: Path) -> None:
    own = ORDER.index(path.relative_to(PACKAGE).parts[0].removesuffix(".py"))
    upward = [m for m in imports(path) if family(m) in ORDER and ORDER.index(family(m)) > own]
    assert not upward, f"{path.name} imports {upward}, which come later in the house"


def test_every_module_has_its_place() -> None:
    assert {p.relative_to(PACKAGE).parts[0].removesuffix(".py") for p in MODULES} == set(ORDER)


def test_every_finding_has_its_words() -> None:
    rules: set[str] = set()
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and len(node.args) >= 2:
                first, second = node.args[:2]
                if "severity" in ast.dump(first).lower() and isinstance(second, ast.Constant):
                    rules.add(second.value)
                counted = isinstance(node.func, ast.Name) and node.func.id in ("_count", "_count_words")
                if counted and isinstance(node.args[2], ast.Constant):
                    rules.add(node.args[2].value)
    assert len(rules) > 15
    assert {f"{kind}_{rule}" for rule in rules for kind in ("finding", "action")} <= keys()
    assert {k.partition("_")[2] for k in keys() if k.startswith("finding_")} == rules


def test_nothing_prints() -> None:
    calls = [
        path.name
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert not calls
