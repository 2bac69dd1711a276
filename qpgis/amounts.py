"""Sums in whole millionths of a unit, how they are shown, what their quotients are worth, what a zone comes to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType

SHOWN: Mapping[str, tuple[str, int]] = MappingProxyType(
    {"m2": ("km2", 12), "m": ("km", 9), "count": ("count", 6), "people": ("people", 6)}
)
"""Of each unit of sums the unit that it is shown in, and how many decimals a millionth of it then takes."""
RATES: Mapping[str, Mapping[tuple[str, str], int]] = MappingProxyType(
    {
        "%": {(unit, unit): 100 for unit in SHOWN},
        "ratio": {(unit, unit): 1 for unit in SHOWN},
        "km/km2": {("m", "m2"): 1000},
        "count/km2": {("count", "m2"): 1_000_000},
        "count/km": {("count", "m"): 1000},
        "m2/person": {("m2", "people"): 1},
        "people/count": {("people", "count"): 1},
        "per_10k": {("count", "people"): 10_000},
    }
)
"""Units of quotients: which units may be divided, and by what the quotient is multiplied."""
TOTALS: Mapping[str, tuple[str, Fraction]] = MappingProxyType(
    {
        "km2": ("m2", Fraction(1, 1_000_000)),
        "km": ("m", Fraction(1, 1000)),
        "count": ("count", Fraction(1)),
        "people": ("people", Fraction(1)),
    }
)
"""Units of totals: the unit that is summed, and by what the sum is multiplied."""
NO_AREA = 10**7
"""An area under the ten-millionth part of its zone is what rounding, or borders drawn twice, leave of none."""
NEXT_TO_NOTHING: Mapping[str, int] = MappingProxyType({"m": 1_000_000, "people": 1000})
"""What they leave of other sums, in millionths: under a metre, under a thousandth of a person."""
WHOLE_UNITS = frozenset({"%", "index", "count", "km", "km2"})
"""Units of what is measured of each zone as a whole; ``index`` is a number without a unit."""


@dataclass(frozen=True)
class Amount:
    """A sum in whole millionths of its unit.

    >>> amount = Amount(19_709_696_123_456, "m2")
    >>> amount.shown_unit, amount.shown, amount.exact
    ('km2', 19.709696123456, '19.709696123456')
    """

    micro: int
    unit: str

    @classmethod
    def of(cls, value: float, unit: str) -> Amount:
        """A number of a unit, rounded to whole millionths.

        >>> Amount.of(2.5, "m")
        Amount(micro=2500000, unit='m')
        """
        return cls(round(value * 1_000_000), unit)

    @property
    def shown_unit(self) -> str:
        """The unit that outputs show it in."""
        return SHOWN[self.unit][0]

    @property
    def shown(self) -> float:
        """The amount in its shown unit."""
        return float(Fraction(self.micro, 10 ** SHOWN[self.unit][1]))

    @property
    def exact(self) -> str:
        """The amount in its shown unit as an exact decimal."""
        places = SHOWN[self.unit][1]
        digits = f"{abs(self.micro):0{places + 1}d}"
        decimal = f"{digits[:-places]}.{digits[-places:]}".rstrip("0").rstrip(".")
        return f"-{decimal}" if self.micro < 0 else decimal


@dataclass(frozen=True)
class Outcome:
    """What an indicator comes to in one zone.

    Attributes
    ----------
    value : float or None
        In the indicator's unit; ``None`` is missing.
    reason : str
        Why it is missing: a key of the catalogue.
    numerator, denominator : Amount or None
        What the value was made of, where it is a quotient or a total.
    """

    value: float | None
    reason: str = ""
    numerator: Amount | None = None
    denominator: Amount | None = None


def outcome(unit: str, numerator: Amount, denominator: Amount | None = None, *, zone: int = 0) -> Outcome:
    """A quotient, or without a denominator a total; missing where the denominator is nothing, or next to it.

    >>> outcome("%", Amount.of(1, "m"), Amount.of(4, "m")).value
    25.0
    >>> outcome("%", Amount(0, "m"), Amount(0, "m"))
    Outcome(value=None, reason='note_zero_denominator', numerator=None, denominator=None)
    >>> outcome("%", Amount(1, "m"), Amount(4, "m")).reason
    'note_tiny_denominator'

    Parameters
    ----------
    unit : str
        The indicator's.
    numerator, denominator : Amount
    zone : int
        The area of the zone, in millionths of a square metre.
    """
    if denominator is not None and denominator.micro <= 0:
        return Outcome(None, "note_zero_denominator")
    if denominator is not None and denominator.micro <= next_to_nothing(denominator.unit, zone):
        return Outcome(None, "note_tiny_denominator")
    return Outcome(value_of(unit, numerator, denominator), "", numerator, denominator)


def next_to_nothing(unit: str, zone: int) -> int:
    """Up to how many millionths of a unit are next to nothing, in a zone of so many millionths of a square metre."""
    return zone // NO_AREA if unit == "m2" else NEXT_TO_NOTHING.get(unit, 0)


def value_of(unit: str, numerator: Amount, denominator: Amount | None) -> float:
    """What a quotient, or without a denominator a total, is in the unit of its indicator.

    >>> value_of("%", Amount(1, "people"), Amount(4, "people"))
    25.0
    >>> value_of("km", Amount(2_500_000_000, "m"), None)
    2.5

    Raises
    ------
    ValueError
        If amounts of these units don't make up that unit.
    """
    return float(exact_value_of(unit, numerator, denominator))


def exact_value_of(unit: str, numerator: Amount, denominator: Amount | None) -> Fraction:
    """What :func:`value_of` rounds."""
    if denominator is None:
        summed, factor = TOTALS.get(unit, ("", Fraction(0)))
        if summed != numerator.unit:
            raise ValueError(f"a total of {numerator.unit} isn't given in {unit}")
        return Fraction(numerator.micro, 1_000_000) * factor
    rate = RATES.get(unit, {}).get((numerator.unit, denominator.unit))
    if rate is None:
        raise ValueError(f"{numerator.unit} over {denominator.unit} isn't given in {unit}")
    return Fraction(numerator.micro * rate, denominator.micro)
