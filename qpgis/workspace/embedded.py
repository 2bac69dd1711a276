"""A copy of the embedded Qingpu workspace, data and all, to put one's own layers into."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from qpgis.errors import OutputError
from qpgis.provenance import require_writable
from qpgis.workspace.config import CONFIG_NAME
from qpgis.workspace.loading import embedded_workspace


def copy_embedded(folder: Path) -> Path:
    """Copy the embedded workspace into a folder: its ``qpgis.toml``, and below ``data/`` every file that it names.

    Returns
    -------
    Path
        The new ``qpgis.toml``.

    Raises
    ------
    OutputError
        If there is a workspace already, or the folder can't be written.
    """
    target = folder / CONFIG_NAME
    if target.exists() or (folder / "data").exists():
        raise OutputError(f"{folder} holds a workspace or a folder data already; choose another folder")
    require_writable(target)
    home = embedded_workspace()
    words = (home / CONFIG_NAME).read_text(encoding="utf-8")
    try:
        for name in sorted(set(re.findall(r'"\.\./\.\./([^"]+)"', words))):
            copy = folder / "data" / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(home.parents[1] / name, copy)
        target.write_text(words.replace('"../../', '"data/'), encoding="utf-8", newline="\n")
    except OSError as error:
        shutil.rmtree(folder / "data", ignore_errors=True)
        target.unlink(missing_ok=True)
        raise OutputError(f"{folder}: can't be written ({error.strerror})") from error
    return target
