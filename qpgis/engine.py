"""Evaluates Parts, their sums in whole millionths, and what is measured of zones as wholes: each once per zone set."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from qpgis.access import Access, walked
from qpgis.amounts import Outcome
from qpgis.area import StudyArea, ZoneSet
from qpgis.incremental import Evaluated, form, updated
from qpgis.kept import OUTCOMES, SUMS, Codec, Kept
from qpgis.kernels import Mask, contributions
from qpgis.layers import Layer
from qpgis.measures.areas import area_contributions
from qpgis.measures.contributions import Contributions
from qpgis.parts import BorderEnds, Expression, Linked, Measure, Part, PerZone, Wide
from qpgis.wholes import FEATURES, WHOLES, Memory
from qpgis.zonewise import zonewise

Redone = list[tuple[Layer, str]]
"""Layers and ids of features whose overlay had to be done again."""


@dataclass(frozen=True)
class Known:
    """What engines found out of one study area: whoever is given it computes only what isn't known.

    Parts and rules are known by the keys of their layers, so what reads a changed layer is another part.

    Attributes
    ----------
    area : StudyArea
        Zone sets are told apart by their identity, so it is kept.
    sums, outcomes, surveyed
        By zone set and what was measured of it; extents by their WKB.
    evaluated
        By zone set and form, parts with their sums: of one that is nearly the same, only what differs is computed.
    features
        What measures single out.
    wholes : Memory
        What was found out of zones as wholes.
    kept : Kept, optional
        What earlier runs found out, on disk.
    access : Access
        What rules hold for.
    """

    area: StudyArea
    sums: dict[tuple[int, Part], tuple[list[int], Redone]] = field(default_factory=dict)
    outcomes: dict[tuple[int, PerZone], list[Outcome]] = field(default_factory=dict)
    surveyed: dict[tuple[int, bytes], list[int]] = field(default_factory=dict)
    evaluated: dict[tuple[int, tuple[object, ...]], list[Evaluated]] = field(default_factory=dict)
    features: dict[Measure, tuple[Layer, ...]] = field(default_factory=dict)
    wholes: Memory = field(default_factory=Memory)
    kept: Kept | None = None
    access: Access = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "access", Access(self.area))

    def copy(self) -> Known:
        """What begins with it, and keeps what it learns to itself: for what is tried once."""
        made = Known(
            self.area,
            sums=dict(self.sums),
            outcomes=dict(self.outcomes),
            surveyed=dict(self.surveyed),
            evaluated={form: list(parts) for form, parts in self.evaluated.items()},
            features=dict(self.features),
            wholes=self.wholes.copy(),
        )
        object.__setattr__(made, "access", self.access.copy())
        return made


class Engine:
    """Evaluates the parts of one study area serially, each part once.

    Parameters
    ----------
    area : StudyArea
        The zones.
    known : Known, optional
        What was found out of that very area before; it is added to.
    layers : iterable of Layer
        What is measured. If these are the layers of which ``known`` has something on disk, that is used and added to;
        what is made of others, as in scenarios, stays in memory.
    """

    def __init__(self, area: StudyArea, known: Known | None = None, *, layers: Iterable[Layer] = ()) -> None:
        self.area = area
        self._known = Known(area) if known is None else known
        if self._known.area is not area:
            raise ValueError("what is known is of another study area")
        self._access = self._known.access
        on_disk = self._known.kept
        self._kept = on_disk if on_disk is not None and on_disk.is_of(layers) else None
        self.redone: dict[Layer, list[str]] = {}

    def sums(self, part: Part, zones: ZoneSet) -> list[int]:
        """The part's sum for each zone of a zone set, in millionths of its unit."""
        key = (id(zones), part)
        if key not in self._known.sums:
            self._known.sums[key] = self._summed(part, zones)
        sums, redone = self._known.sums[key]
        for layer, one in redone:
            if one not in self.redone.setdefault(layer, []):
                self.redone[layer].append(one)
        return sums

    def _summed(self, part: Part, zones: ZoneSet) -> tuple[list[int], Redone]:
        """A part's sums as they are kept on disk, or else computed."""
        kept = self._kept
        if kept is None or part.kernel == "zone_area":
            found = self._evaluated(part, zones)
        else:
            sums, positions = kept.found(SUMS, part, zones, lambda: self._by_zone(part, zones, kept))
            found = Evaluated(part, sums, tuple(positions))
            alike = self._alike(part, zones)
            if part.where is None and all(one.part != part for one in alike):
                alike.append(found)
        sums = list(found.sums)
        if part.kernel in ("area", "ground"):  # rounded contributions may add up to a hair more than the zone
            sums = [min(total, whole) for total, whole in zip(sums, self.zone_areas(zones), strict=True)]
        return sums, _redone(self._resolved(part).layers, found.redone) if found.redone else []

    def _by_zone(self, part: Part, zones: ZoneSet, kept: Kept) -> tuple[list[int], list[int]]:
        """A part's sums and the features done again, those zones computed that aren't kept as they are."""
        if not zonewise(part, zones):
            return _plain(self._evaluated(part, zones))
        if (update := updated(part, self._alike(part, zones), zones, self.area.plane)) is not None:
            return _plain(update)
        return kept.by_zone(part, zones, lambda missing, only: self._some(part, zones, missing, only))

    def _some(self, part: Part, zones: ZoneSet, missing: list[int], only: Mask) -> tuple[list[int], list[int]]:
        """The sums of some zones from those features that may contribute to them; of other zones they aren't whole."""
        if len(missing) == len(zones):
            return _plain(self._evaluated(part, zones, anew=True))
        found = contributions(zones, part, self.area.plane, only)
        return found.per_zone(), list(found.redone)

    def _evaluated(self, part: Part, zones: ZoneSet, *, anew: bool = False) -> Evaluated:
        """A part's sums, of one that is nearly the same as an earlier one by what differs, unless ``anew``."""
        resolved = self._resolved(part)
        alike = self._alike(resolved, zones)
        update = None if anew else updated(resolved, alike, zones, self.area.plane)
        if update is not None:
            return update
        found = contributions(zones, resolved, self.area.plane)
        alike.append(Evaluated(resolved, found.per_zone(), found.redone))
        return alike[-1]

    def _alike(self, part: Part, zones: ZoneSet) -> list[Evaluated]:
        """What was evaluated of parts of the same form."""
        return self._known.evaluated.setdefault((id(zones), form(part)), [])

    def contributions(self, part: Part, zones: ZoneSet) -> tuple[tuple[Layer, ...], Contributions]:
        """What each feature contributes to a part's sum for each zone, computed anew; and the layers of these features.

        Positions of features count through the layers one after the other; those of ``zone_area``, which reads no
        layer, are zones. Where a part has a rule, its layers are what the rule chooses. The sums of areas may come to
        a hair more than :meth:`sums`, which never exceed the zone.
        """
        resolved = self._resolved(part)
        return resolved.layers, contributions(zones, resolved, self.area.plane)

    def _resolved(self, part: Part) -> Part:
        """The part with only those features that its rule holds for."""
        if part.where is None:
            return part
        rule = part.where
        if part.kernel == "ground":
            return replace(part, layers=(self._access.reached(rule),), where=None)
        return replace(part, layers=tuple(self._access.chosen(layer, rule) for layer in part.layers), where=None)

    def kept(self, made: Measure, zones: ZoneSet) -> list[tuple[str, ...] | None]:
        """What earlier runs found of all that a measure needs, by zone; ``None`` where something would be computed."""
        if isinstance(made, PerZone):
            found = [self._on_disk(OUTCOMES, made, zones)]
        else:
            parts = (part for part in dict.fromkeys(made.parts()) if part.kernel != "zone_area")
            found = [self._on_disk(SUMS, part, zones) for part in parts]
        by_zone = zip(*found, strict=True) if found else ((),) * len(zones)
        return [None if None in of_zone else of_zone for of_zone in by_zone]

    def _on_disk(self, codec: Codec, of: Part | PerZone, zones: ZoneSet) -> list[str | None]:
        return [None] * len(zones) if self._kept is None else self._kept.known(codec, of, zones)

    def keep(self) -> None:
        """Bring what was found out to the disk, for later runs."""
        if self._kept is not None:
            self._kept.store.flush()

    def _layers(self, what: str, of: object, find: Callable[[], tuple[Layer, ...]]) -> tuple[Layer, ...]:
        """Features as they are kept on disk, or else found."""
        return find() if self._kept is None else self._kept.layers(what, of, find)

    def missed(self, expression: Expression) -> tuple[Layer, ...]:
        """The features that the rules of an expression's parts don't hold for: people that aren't reached.

        What corridors lack are features: gaps.
        """
        return self._layers("missed", expression, lambda: self._missed(expression))

    def _missed(self, expression: Expression) -> tuple[Layer, ...]:
        ruled = [part for _, part in expression.terms() if part.where and not isinstance(part.where, Wide)]
        return tuple(self._access.missed(layer, part.where) for part in ruled for layer in part.layers if part.where)

    def features(self, made: Measure) -> tuple[Layer, ...]:
        """The features of the whole area that a measure singles out: patches with what each is worth, gaps, links."""
        if made not in self._known.features:
            self._known.features[made] = self._layers("features", made, lambda: self._singled_out(made))
        return self._known.features[made]

    def _singled_out(self, made: Measure) -> tuple[Layer, ...]:
        if isinstance(made, PerZone):
            kernels = [FEATURES[made.kernel]] if made.kernel in FEATURES else []
            return tuple(kernel(self.area.outline, made, self.area.plane) for kernel in kernels)
        found: list[Layer] = []
        for layer, rule in ((layer, part.where) for _, part in made.numerator.terms() for layer in part.layers):
            if isinstance(rule, Wide):
                found.append(self._access.gaps(layer, rule))
            elif isinstance(rule, BorderEnds):
                found.append(self._access.links(layer, rule))
            elif isinstance(rule, Linked):
                found.append(self._access.joins(layer, rule))
        return tuple(found)

    def reached(self, expression: Expression) -> tuple[Layer, ...]:
        """The ground within the walks of an expression's parts, each once; nothing where none of them walks."""
        rules = dict.fromkeys(part.where for _, part in expression.terms() if part.where is not None)
        walks = tuple(rule for rule in rules if walked(rule))
        return self._layers("reached", walks, lambda: tuple(map(self._access.reached, walks)))

    def values(self, expression: Expression, zones: ZoneSet) -> list[int]:
        """The expression for each zone of a zone set, in millionths."""
        totals = [0] * len(zones)
        for sign, part in expression.terms():
            totals = [total + sign * value for total, value in zip(totals, self.sums(part, zones), strict=True)]
        return totals

    def outcomes(self, measured: PerZone, zones: ZoneSet) -> list[Outcome]:
        """What each zone of a zone set comes to as a whole."""
        key = (id(zones), measured)
        if key not in self._known.outcomes:
            compute = partial(self._whole, measured, zones)
            found = compute() if self._kept is None else self._kept.found(OUTCOMES, measured, zones, compute)
            self._known.outcomes[key] = found
        return self._known.outcomes[key]

    def _whole(self, measured: PerZone, zones: ZoneSet) -> list[Outcome]:
        chosen = tuple(self._access.chosen(one, measured.where) for one in measured.layers if measured.where)
        given = replace(measured, layers=(*measured.layers, *chosen))
        memory = self._known.wholes
        if self._kept is not None:
            memory = replace(memory, outcomes=self._kept.wholes)
        return WHOLES[measured.kernel](zones, given, self.area.plane, memory)

    def zone_areas(self, zones: ZoneSet) -> list[int]:
        """The area of each zone, in millionths of a square metre."""
        return self.sums(Part("zone_area", "m2"), zones)

    def surveyed_areas(self, layer: Layer, zones: ZoneSet) -> list[int]:
        """The area of each zone that lies in the layer's extent, in millionths of a square metre."""
        if layer.extent is None:
            return self.zone_areas(zones)
        key = (id(zones), layer.surveyed)
        if key not in self._known.surveyed:
            extent = np.array([layer.extent], dtype=object)
            self._known.surveyed[key] = area_contributions(zones.geometry, extent).per_zone()
        return self._known.surveyed[key]


def _plain(found: Evaluated) -> tuple[list[int], list[int]]:
    """Sums and positions as they are kept."""
    return list(found.sums), list(found.redone)


def _redone(layers: tuple[Layer, ...], features: tuple[int, ...]) -> Redone:
    """The features of a part's layers whose overlay had to be done again."""
    owners = [(layer, str(one)) for layer in layers for one in layer.frame["feature_id"]]
    return [owners[feature] for feature in features]
