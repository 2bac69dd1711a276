"""What is kept beside a fetched file: where it came from, under which licence, and its hash."""

from __future__ import annotations

import json
from pathlib import Path

from qpgis.catalogue import read_toml
from qpgis.fetching.http import Identity
from qpgis.provenance import sha256_of


def service(name: str) -> dict:
    """A service of ``data/fetch/services.toml``."""
    return dict(read_toml("fetch", "services.toml")[name])


def write_provenance(path: Path, title: str, licence: str, sources: list[Identity], **more: str) -> Path:
    """Write ``<file>.source.json`` beside a fetched file."""
    record = {
        "file": path.name,
        "title": title,
        "licence": licence,
        "sha256": sha256_of(path),
        "from": [{"url": s.url, "etag": s.etag, "modified": s.modified, "bytes": s.size} for s in sources],
        **more,
    }
    place = path.with_name(path.name + ".source.json")
    place.write_text(json.dumps(record, ensure_ascii=False, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return place
