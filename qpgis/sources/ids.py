"""The ids that a file gives its features."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from qpgis.findings import Severity, ids_text
from qpgis.sources import Request


def feature_ids(request: Request, said: Sequence[str | None]) -> np.ndarray:
    """The id of each feature: its own; where it has none, its place in the file, from 0.

    Ids that stand more than once are named; so are features without one where others have one, which go by ``#`` and
    their place.
    """
    having = [id_ for id_ in said if id_ is not None]
    place = "#{}" if having else "{}"
    ids = np.array([place.format(n) if id_ is None else id_ for n, id_ in enumerate(said)], dtype=object)
    say_repeated(request, having)
    if 0 < len(having) < len(ids):
        without = [place.format(n) for n, id_ in enumerate(said) if id_ is None]
        request.note(Severity.WARNING, "text_ids_missing", feature_id=ids_text(without), count=len(without))
    return ids


def say_repeated(request: Request, ids: Sequence[str]) -> None:
    """Name ids that stand more than once."""
    repeated = [id_ for id_, times in Counter(ids).items() if times > 1]
    if repeated:
        request.note(Severity.WARNING, "text_ids_repeated", value=ids_text(repeated), count=len(repeated))
