"""What a sample of ground truth says of a classified map: how accurate it is, and how large its classes truly are.

Counting the cells of a class repeats every error of the classification. Where a sample says how often each class of
the map is truly which class, the stratified estimator corrects for it and gives an interval.

References
----------
P. Olofsson, G. M. Foody, M. Herold, S. V. Stehman, C. E. Woodcock and M. A. Wulder (2014), Good practices for
estimating area and assessing accuracy of land change, Remote Sensing of Environment 148, 42-57,
doi:10.1016/j.rse.2014.02.015: equations 1 to 3 and 5 to 11.

W. G. Cochran (1977), Sampling Techniques, 3rd edition, Wiley: section 6.11, the combined ratio estimator.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qpgis.crs import Floats
from qpgis.errors import ConfigError

Code: TypeAlias = int | str
"""A class, as the map's legend writes it."""

CONFIDENCE = 0.95
MOST_SAMPLES = 1e9
LEAST_SAMPLES = 2
"""Of a class of the map; from fewer no variance can be estimated."""


@dataclass(frozen=True)
class ConfusionMatrix:
    """Of samples in each class of the map, how many truly are of which class; see :meth:`of`.

    Attributes
    ----------
    classes : tuple
        Of the map: the rows.
    reference : tuple
        Of the ground truth: the columns.
    counts : int array, rows x columns
    """

    classes: tuple[Code, ...]
    reference: tuple[Code, ...]
    counts: NDArray[np.int64]

    @classmethod
    def of(
        cls,
        counts: ArrayLike,
        classes: Sequence[Code],
        reference: Sequence[Code] | None = None,
        *,
        what: str = "confusion matrix",
    ) -> ConfusionMatrix:
        """A matrix of counts that estimates can be made from.

        Parameters
        ----------
        counts : whole numbers, rows x columns
            Numbers of samples, drawn at random within each class of the map; not shares, not areas.
        classes : sequence
            Of the map, one a row.
        reference : sequence, optional
            Of the ground truth, one a column; by default those of the map.
        what : str
            Begins a message.

        Raises
        ------
        ConfigError
            With every mistake: counts that are negative or not whole, a class without two samples, classes that stand
            twice or don't fit the counts.
        """
        rows, columns = tuple(classes), tuple(classes if reference is None else reference)
        mistakes = [
            f"{side} {code!r} stands {codes.count(code)} times"
            for side, codes in (("map class", rows), ("reference class", columns))
            for code in dict.fromkeys(codes)
            if codes.count(code) > 1
        ]
        numbers = _numbers(counts)
        if numbers is None or numbers.shape != (len(rows), len(columns)):
            shape = "no table of numbers" if numbers is None else " x ".join(map(str, numbers.shape))
            mistakes.append(f"counts are {shape}, not {len(rows)} map classes x {len(columns)} reference classes")
        else:
            mistakes += _mistakes(numbers, rows, columns)
        if mistakes:
            raise ConfigError(mistakes, file=what)
        return cls(rows, columns, np.asarray(numbers, dtype=np.int64))

    @property
    def samples(self) -> NDArray[np.int64]:
        """How many samples each class of the map has."""
        return np.asarray(self.counts.sum(axis=1))

    @property
    def rates(self) -> Floats:
        """Which share of each class of the map truly is of which class: rows x columns."""
        return self.counts / self.samples[:, None]

    @property
    def agrees(self) -> NDArray[np.bool_]:
        """Where the class of the map is that of the ground truth: rows x columns."""
        return np.array([[one == other for other in self.reference] for one in self.classes])


@dataclass(frozen=True)
class Estimate:
    """Estimated values with their normal confidence intervals, cut off at what is possible; all of one shape.

    Attributes
    ----------
    value, standard_error, low, high : float arrays
        NaN where nothing can be estimated.
    """

    value: Floats
    standard_error: Floats
    low: Floats
    high: Floats

    @classmethod
    def of(cls, value: Floats, variance: Floats, most: Floats | float, confidence: float) -> Estimate:
        """From values between 0 and ``most``, and their variances."""
        if not 0 < confidence < 1:
            raise ConfigError(f"confidence = {confidence} isn't between 0 and 1; 0.95 is usual")
        error = np.sqrt(variance)
        half = NormalDist().inv_cdf((1 + confidence) / 2) * error
        return cls(value, error, np.maximum(value - half, 0), np.minimum(value + half, most))


@dataclass(frozen=True)
class Accuracies:
    """How accurate a map is, in shares of 1, weighted by its areas.

    Attributes
    ----------
    overall : Estimate
        A single value: the share of the map that is right.
    users : Estimate
        One a class of the map: the share of it that truly is that class (1 minus commission error).
    producers : Estimate
        One a reference class: the share of it that the map shows (1 minus omission error); NaN for a class that no
        sample found.
    """

    overall: Estimate
    users: Estimate
    producers: Estimate


def adjusted_areas(
    matrix: ConfusionMatrix,
    classes: Sequence[Code],
    mapped_m2: ArrayLike,
    *,
    groups: Sequence[Collection[Code]] | None = None,
    confidence: float = CONFIDENCE,
) -> Estimate:
    """True areas of classes, estimated from mapped areas and a confusion matrix.

    With ``A_i`` the mapped area of class i, ``n_ij`` samples of it that truly are class j, and ``q_iG`` the share
    of class i's samples in group G: area ``sum_i A_i q_iG``, variance ``sum_i A_i^2 q_iG (1 - q_iG) / (n_i - 1)``
    (Olofsson et al. 2014, eq. 9 to 11). A group is estimated as one class, which covers the covariances
    of its members; intervals of its members can't be added.

    Parameters
    ----------
    matrix : ConfusionMatrix
        From samples drawn at random within each class of the map.
    classes : sequence
        One a column of ``mapped_m2``, as :func:`qpgis.measures.rasters.class_contributions` finds them.
    mapped_m2 : float array, zones x classes or classes
        Areas by the map; a zone with a NaN has no estimate.
    groups : sequence of collections of reference classes, optional
        What to estimate; by default each reference class by itself.
    confidence : float
        Of the interval.

    Returns
    -------
    Estimate
        In m2, zones x groups or groups.

    Raises
    ------
    ConfigError
        If the map has a class that the matrix lacks, a group names a class that isn't in it, or an area is negative.

    Notes
    -----
    For the whole ground that was sampled the estimate is unbiased. For a zone of it, it takes the map to be as
    accurate there as everywhere: the samples of the whole speak for the zone. So errors of zones go together, and
    an interval of several zones is estimated from their common areas, never added up. Where every sample of a
    class agrees its error is taken for none: few samples make an interval too narrow.

    Examples
    --------
    Deforestation and its reverse, forest and the rest (Olofsson et al. 2014, table 8), in hectares:

    >>> names = ["loss", "gain", "forest", "other"]
    >>> matrix = ConfusionMatrix.of([[66, 0, 5, 4], [0, 55, 8, 12], [1, 0, 153, 11], [2, 1, 9, 313]], names)
    >>> loss = adjusted_areas(matrix, names, [18_000, 13_500, 288_000, 580_500], groups=[["loss"]])
    >>> print(loss.value.round(), (loss.high - loss.value).round())
    [21158.] [6158.]
    """
    mapped = _mapped(matrix, classes, mapped_m2)
    members = _members(matrix, groups)
    rates = matrix.counts @ members / matrix.samples[:, None]
    variance = np.square(mapped) @ (rates * (1 - rates) / (matrix.samples - 1)[:, None])
    return Estimate.of(mapped @ rates, variance, mapped.sum(axis=-1)[..., None], confidence)


def adjusted_shares(
    matrix: ConfusionMatrix,
    classes: Sequence[Code],
    mapped_m2: ArrayLike,
    *,
    groups: Sequence[Collection[Code]] | None = None,
    confidence: float = CONFIDENCE,
) -> Estimate:
    """Shares of 1 that classes truly have of what is mapped of each zone; NaN where nothing is.

    See :func:`adjusted_areas`: several classes that together are forest, say, make one group.
    """
    areas = adjusted_areas(matrix, classes, mapped_m2, groups=groups, confidence=confidence)
    total = np.asarray(mapped_m2, dtype=float).sum(axis=-1)[..., None]
    total = np.where(total > 0, total, np.nan)
    return Estimate(*(one / total for one in (areas.value, areas.standard_error, areas.low, areas.high)))


def adjusted_sum(
    matrix: ConfusionMatrix,
    classes: Sequence[Code],
    mapped_m2: ArrayLike,
    weights: ArrayLike,
    *,
    over: ArrayLike | None = None,
    confidence: float = CONFIDENCE,
) -> Estimate:
    """A sum of true areas of classes, each with a weight, or its ratio to another such sum, such as forest over land.

    With ``T_j = sum_i A_i q_ij`` the estimated true area of class j: ``Y = sum_j w_j T_j``, and over weights ``v_j``
    the combined ratio ``R = Y / sum_j v_j T_j`` (Cochran 1977, 6.11). With ``r_j = w_j - R v_j`` its variance is
    ``sum_i A_i^2 (sum_j q_ij r_j^2 - (sum_j q_ij r_j)^2) / (n_i - 1)`` over the square of its denominator. Where every
    ``v_j`` is 1 that is the share of :func:`adjusted_shares`.

    Parameters
    ----------
    matrix, classes, mapped_m2, confidence
        As for :func:`adjusted_areas`; areas of a single map.
    weights : float array
        One a reference class.
    over : float array, optional
        The weights of the denominator, one a reference class.

    Returns
    -------
    Estimate
        A single value: m2, or a ratio; NaN where its denominator is nothing. A ratio of what is part of the denominator
        is 1 at most.

    Raises
    ------
    ConfigError
        As :func:`adjusted_areas` does, and if there is more than one map.
    """
    mapped = _mapped(matrix, classes, mapped_m2)
    if mapped.ndim != 1:
        raise ConfigError("a sum is that of a whole map: add the zones' areas up first")
    above = np.asarray(weights, dtype=float)
    true = mapped @ matrix.rates
    if over is None:
        value, residual, below, most = float(true @ above), above, 1.0, float(mapped.sum() * max(above.max(), 0))
    else:
        divisor = np.asarray(over, dtype=float)
        total = float(true @ divisor)
        below = total if total > 0 else np.nan
        value = float(true @ above) / below
        residual, most = above - value * divisor, 1.0 if (above <= divisor).all() else np.inf
    spread = matrix.rates @ residual**2 - (matrix.rates @ residual) ** 2
    variance = float(mapped**2 @ (np.maximum(spread, 0) / (matrix.samples - 1))) / below**2
    return Estimate.of(np.asarray(value), np.asarray(variance), most, confidence)


def accuracies(
    matrix: ConfusionMatrix, classes: Sequence[Code], mapped_m2: ArrayLike, *, confidence: float = CONFIDENCE
) -> Accuracies:
    """Overall, user's and producer's accuracy of a map (Olofsson et al. 2014, eq. 1 to 3 and 5 to 7).

    Parameters
    ----------
    matrix, classes, mapped_m2, confidence
        As for :func:`adjusted_areas`; areas of the whole map, not of zones.

    Raises
    ------
    ConfigError
        As :func:`adjusted_areas` does, and if the areas aren't those of a single map.
    """
    mapped = _mapped(matrix, classes, mapped_m2)
    if mapped.ndim != 1:
        raise ConfigError("accuracies are those of a whole map: add the zones' areas up first")
    right = matrix.agrees
    rates, freedom = matrix.rates, (matrix.samples - 1)[:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        weight = (mapped / mapped.sum())[:, None]
        variance = weight**2 * rates * (1 - rates) / freedom
        found = (weight * rates).sum(axis=0)
        shown = (weight * rates * right).sum(axis=0) / found
        spread = ((1 - shown) ** 2 * (variance * right).sum(axis=0) + shown**2 * (variance * ~right).sum(axis=0)) / (
            found**2
        )
    users = (rates * right).sum(axis=1)
    return Accuracies(
        Estimate.of((weight * rates * right).sum(), (variance * right).sum(), 1, confidence),
        Estimate.of(users, users * (1 - users) / freedom[:, 0], 1, confidence),
        Estimate.of(shown, spread, 1, confidence),
    )


def _numbers(counts: ArrayLike) -> Floats | None:
    """Counts as numbers; ``None`` if they are none."""
    try:
        return np.asarray(counts, dtype=float)
    except (TypeError, ValueError):
        return None


def _mistakes(numbers: Floats, rows: tuple[Code, ...], columns: tuple[Code, ...]) -> list[str]:
    """What is wrong with counts of the right shape."""
    odd = ~((numbers >= 0) & (numbers <= MOST_SAMPLES)) | (numbers != np.floor(numbers))
    mistakes = [
        f"map class {rows[i]!r}, reference class {columns[j]!r}: {numbers[i, j]:g} is no number of samples"
        for i, j in np.argwhere(odd)
    ]
    few = np.flatnonzero(~odd.any(axis=1) & (numbers.sum(axis=1) < LEAST_SAMPLES))
    return mistakes + [
        f"map class {rows[i]!r} has {numbers[i].sum():g} samples, at least {LEAST_SAMPLES} are needed; sample more of "
        "it, or merge it with a similar class in the map and in the matrix"
        for i in few
    ]


def _mapped(matrix: ConfusionMatrix, classes: Sequence[Code], mapped_m2: ArrayLike) -> Floats:
    """Mapped areas in the order of the matrix's rows."""
    given = np.asarray(mapped_m2, dtype=float)
    if given.ndim not in (1, 2) or given.shape[-1] != len(classes):
        raise ConfigError(f"mapped areas of shape {given.shape} don't fit {len(classes)} classes")
    if len(set(classes)) < len(classes):
        raise ConfigError(f"mapped classes stand twice: {list(classes)}")
    if (given < 0).any() or np.isinf(given).any():
        raise ConfigError("mapped areas are negative or infinite")
    row = {code: n for n, code in enumerate(matrix.classes)}
    there = np.nansum(given.reshape(-1, len(classes)), axis=0) > 0
    lacking = [code for code, mapped in zip(classes, there, strict=True) if mapped and code not in row]
    if lacking:
        raise ConfigError(
            f"the map has classes that the confusion matrix lacks: {', '.join(repr(code) for code in lacking)}; it has "
            f"{', '.join(repr(code) for code in matrix.classes)}. Sample them too, or leave them out of the map"
        )
    known = [n for n, code in enumerate(classes) if code in row]
    mapped = np.zeros((*given.shape[:-1], len(row)))
    mapped[..., [row[classes[n]] for n in known]] = given[..., known]
    mapped[np.isnan(given).any(axis=-1)] = np.nan
    return mapped


def _members(matrix: ConfusionMatrix, groups: Sequence[Collection[Code]] | None) -> NDArray[np.int64]:
    """1 where a reference class belongs to a group, else 0: reference classes x groups."""
    if groups is None:
        return np.eye(len(matrix.reference), dtype=np.int64)
    foreign = sorted({repr(code) for group in groups for code in group if code not in matrix.reference})
    if foreign:
        raise ConfigError(
            f"no reference class {', '.join(foreign)}; there are {', '.join(map(repr, matrix.reference))}"
        )
    return np.array([[int(code in group) for group in groups] for code in matrix.reference])
