"""Every notebook runs from top to bottom, and is committed without its outputs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat import NotebookNode, from_dict
from nbformat.v4 import new_code_cell, new_notebook

NOTEBOOKS = sorted((Path(__file__).resolve().parents[1] / "notebooks").glob("*.ipynb"))
ONCE = """
def once(read):
    known = []
    def open_workspace(*given, **named):
        if given or named:
            return read(*given, **named)
        known[:] = known or [read()]
        return known[0]
    return open_workspace

import qpgis
qpgis.open_workspace = once(qpgis.open_workspace)
"""
"""All notebooks open the embedded workspace, which knows what was computed of it: it is read once."""
ANEW = """
%reset -f
import os
os.makedirs({folder!r})
os.chdir({folder!r})
del os
"""
"""No notebook finds names or files of another."""


def test_there_are_notebooks() -> None:
    names = ["01_快速开始", "02_蓝绿空间", "03_路网与生活圈", "04_生态廊道", "05_方案比选"]
    assert [path.stem for path in NOTEBOOKS] == names


@pytest.mark.filterwarnings("default")
def test_notebooks_run(tmp_path: Path) -> None:
    """All in one kernel: what takes longest is to start it."""

    def cells() -> Iterator[NotebookNode]:
        yield new_code_cell(ONCE)
        for path in NOTEBOOKS:
            notebook = nbformat.read(path, as_version=4)
            assert all(not cell.outputs for cell in notebook.cells if cell.cell_type == "code")
            yield new_code_cell(ANEW.format(folder=str(tmp_path / path.stem)))
            yield from notebook.cells

    every = [from_dict(cell | {"id": f"cell{n}"}) for n, cell in enumerate(cells())]
    NotebookClient(new_notebook(cells=every), timeout=600, kernel_name="python3").execute()
