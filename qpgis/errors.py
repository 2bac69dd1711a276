"""The exceptions of qpgis.

::

    QpgisError
    ├── ConfigError   (ValueError)         qpgis.toml or a setting is wrong; lists every mistake
    ├── SourceError   (OSError)            a file is missing, unreadable or not what it was declared to be
    ├── CRSError      (ValueError)         no coordinate reference system, or one that can't be used safely
    ├── LayerError    (ValueError)         the rows of a layer can't be used as declared
    ├── ZoneError     (ValueError)         the zones are no usable study area
    ├── NotComputable (LookupError)        a value can't be computed; the reason goes into the row's note
    │   ├── MissingLayer                   an indicator needs a layer that the workspace doesn't have
    │   ├── MissingAreas                   no facility of a service has its area
    │   ├── MissingClasses                 a definition chooses by class, but the layer has none
    │   ├── RepeatedNames                  one row for each thing is wanted, and there are several
    │   ├── NoSuchBorder                   there is no border of a kind between the zones
    │   └── UnknownBeyond                  a layer says too little of the other side of the area's border
    ├── FetchError    (OSError)            a download failed, or isn't what was wanted
    └── OutputError   (OSError)            an output can't be written; the old one is untouched
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class QpgisError(Exception):
    """Base of every error that qpgis raises on purpose."""


class ConfigError(QpgisError, ValueError):
    """One or more mistakes in a workspace file or a setting, all listed at once."""

    def __init__(self, mistakes: str | Iterable[str], *, file: str | None = None) -> None:
        self.mistakes = [mistakes] if isinstance(mistakes, str) else list(mistakes)
        head = f"{file}: " if file else ""
        if len(self.mistakes) == 1:
            message = head + self.mistakes[0]
        else:
            message = "\n  - ".join([f"{head}{len(self.mistakes)} mistakes", *self.mistakes])
        super().__init__(message)


class SourceError(QpgisError, OSError):
    """A file is missing, unreadable, or not what it was declared to be."""


class CRSError(QpgisError, ValueError):
    """Coordinates without a reference system, or with one that can't be converted safely."""


class LayerError(QpgisError, ValueError):
    """The rows of a layer can't be used as declared."""


class ZoneError(QpgisError, ValueError):
    """The zones are no usable study area."""


class NotComputable(QpgisError, LookupError):
    """A value can't be computed from what there is."""

    def __init__(self, layer: str, message: str) -> None:
        self.layer = layer
        super().__init__(message)


class MissingLayer(NotComputable):
    """An indicator needs a layer that the workspace doesn't have."""

    def __init__(self, layer: str) -> None:
        super().__init__(layer, f"layer {layer!r} is missing")


class MissingClasses(NotComputable):
    """A definition chooses by class, but no feature of the layer has one."""

    def __init__(self, layer: str) -> None:
        super().__init__(layer, f"no feature of layer {layer!r} has a class; name its class_field")


class MissingServices(NotComputable):
    """A service that an indicator asks for has no facility at all: that it wasn't surveyed is likelier than none."""

    def __init__(self, layer: str, services: Iterable[str]) -> None:
        self.services = tuple(services)
        super().__init__(layer, f"layer {layer!r} holds no facility for {', '.join(self.services)}")


class NoneOfClass(NotComputable):
    """No feature is of the classes that an indicator counts, and the layer may well not hold them all."""

    def __init__(self, layer: str, classes: Iterable[str]) -> None:
        self.classes = tuple(sorted(classes))
        super().__init__(layer, f"no feature of layer {layer!r} is of class {', '.join(self.classes)}")


class MissingStatuses(NotComputable):
    """An indicator tells features by their plan status, but the workspace doesn't say which field holds it."""

    def __init__(self, layer: str) -> None:
        super().__init__(layer, f"layer {layer!r} has no plan statuses; name its status_field")


class MissingAmountUnit(NotComputable):
    """An indicator sums amounts of one unit, and the workspace doesn't say that the layer's are."""

    def __init__(self, layer: str, unit: str) -> None:
        self.unit = unit
        super().__init__(layer, f"the amounts of layer {layer!r} aren't said to be {unit}; write amount_unit")


class MissingAreas(NotComputable):
    """Of a service no facility has its area: the sum over all services would silently leave it out."""

    def __init__(self, layer: str, services: Iterable[str]) -> None:
        self.services = tuple(services)
        super().__init__(layer, f"no feature of layer {layer!r} for {', '.join(self.services)} has its amount")


class MissingAmounts(NotComputable):
    """An indicator sums what features stand for, but the workspace doesn't say which field holds it."""

    def __init__(self, layer: str) -> None:
        super().__init__(layer, f"layer {layer!r} has no amounts; name its amount_field")


class RepeatedNames(NotComputable):
    """An indicator wants one row for each thing, but the layer has several for some."""

    def __init__(self, layer: str, names: Iterable[str]) -> None:
        self.names = tuple(names)
        super().__init__(layer, f"layer {layer!r} has several rows for {', '.join(self.names)}")


class NoSuchBorder(NotComputable):
    """There is no border of the kind that an indicator asks for between the zones."""

    def __init__(self, layer: str) -> None:
        super().__init__(layer, f"no border of this kind between the zones, for layer {layer!r}")


class UnknownBeyond(NotComputable):
    """An indicator looks beyond the area's border, where a layer holds next to nothing."""

    def __init__(self, layer: str) -> None:
        super().__init__(layer, f"layer {layer!r} says too little of the other side of the area's border")


class FetchError(QpgisError, OSError):
    """A download failed, or what arrived isn't what was wanted; nothing was put in its place."""


class OutputError(QpgisError, OSError):
    """An output can't be written; what stood there before is untouched."""


MOST_NAMED = 100
"""So many known words a remedy lists."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A remedy for a mistyped word.

    >>> did_you_mean("watr", ["water", "roads"])
    "did you mean 'water'?"
    >>> did_you_mean("xyz", ["water", "roads"])
    'known: roads, water'
    """
    names = sorted(known)
    close = closest(word, names)
    more = f", … (+{len(names) - MOST_NAMED})" if len(names) > MOST_NAMED else ""
    return f"did you mean {close!r}?" if close is not None else f"known: {', '.join(names[:MOST_NAMED])}{more}"


def closest(word: str, known: Iterable[str]) -> str | None:
    """The known word that a mistyped one is most like; exchanged letters are the likeliest mistake.

    >>> closest("DLMB", ["DLBM", "DLMC"]), closest("dlbm", ["DLBM", "DLMC"]), closest("x", ["DLBM"])
    ('DLBM', 'DLBM', None)
    """
    names = {name.casefold(): name for name in sorted(known, reverse=True)}
    plain = word.casefold()
    close = get_close_matches(plain, names, cutoff=0.6)
    best = min(close, key=lambda name: sorted(name) != sorted(plain), default=None)
    return None if best is None else names[best]
