"""What a file is by its first bytes, where its suffix says something else."""

from __future__ import annotations

import re

_SIGNATURES = (
    (rb"SQLite format 3\0", "GPKG (or another SQLite database)"),
    (rb"PK\x03\x04", "a zip archive (or KMZ, XLSX)"),
    (rb"\x00\x00\x27\x0a", "a shapefile"),
    (rb"fgb\x03", "FlatGeobuf"),
    (rb"PAR1", "Parquet"),
    (rb"II[*+]\0|MM\0[*+]", "TIFF"),
    (rb"\x1f\x8b", "compressed with gzip"),
    (rb"%PDF", "PDF"),
    (rb"AC10\d\d", "DWG"),
    (rb"(?i)\s*(<!doctype html|<html)", "a web page (HTML), such as the answer of a failed download"),
    (rb"(?is)\s*(<\?xml.*?)?<(\w+:)?kml\b", "KML"),
    (rb"(?is)\s*(<\?xml.*?)?<osm\b", "OpenStreetMap XML"),
    (rb"\s*<OGRVRTDataSource", "a GDAL VRT, which points elsewhere"),
    (rb"\s*<", "XML"),
    (rb"\s*[{\[]", "JSON"),
)


def true_format(head: bytes) -> str:
    """What the first bytes of a file are, without a byte-order mark; empty where they don't tell.

    >>> true_format(b"PK..."), true_format(b"PK" + bytes([3, 4])), true_format(b"<html>")[:10]
    ('', 'a zip archive (or KMZ, XLSX)', 'a web page')
    """
    head = head.removeprefix(b"\xef\xbb\xbf")
    return next((what for pattern, what in _SIGNATURES if re.match(pattern, head)), "")
