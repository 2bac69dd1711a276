"""Sharing out a difference among the factors that made it: exactly, and so that what is printed adds up."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from math import factorial
from typing import NamedTuple


class Shares(NamedTuple):
    """What each factor adds on average over the orders in which they can be changed one after the other.

    Attributes
    ----------
    amounts : tuple of Fraction
        They add up to the value with all factors changed less that with none, exactly.
    orders, possible : int
        How many orders were averaged, and how many there are.
    """

    amounts: tuple[Fraction, ...]
    orders: int
    possible: int


def shares(values: Sequence[Fraction | None]) -> Shares | None:
    """The Shapley value of each factor; none where no order can be gone through.

    Where some combinations have no value, the orders that come through one are left out, so nothing is made up and the
    shares still add up.

    Parameters
    ----------
    values : sequence of Fraction or None
        By which factors are changed: the n-th bit of the position stands for the n-th factor. As many as there are
        combinations.

    >>> shares([Fraction(0), Fraction(1), Fraction(2), Fraction(5)]).amounts  # the 2 that both make together are halved
    (Fraction(2, 1), Fraction(3, 1))
    >>> shares([Fraction(0), None, Fraction(2), Fraction(5)])
    Shares(amounts=(Fraction(3, 1), Fraction(2, 1)), orders=1, possible=2)
    """
    count = (len(values) - 1).bit_length()
    bits, full = [1 << n for n in range(count)], len(values) - 1
    before = [0] * len(values)  # in how many orders a combination is come to, and gone on from
    after = [0] * len(values)
    before[0], after[full] = int(values[0] is not None), int(values[full] is not None)
    for mask in range(1, len(values)):
        if values[mask] is not None:
            before[mask] = sum(before[mask ^ bit] for bit in bits if mask & bit)
    for mask in range(full - 1, -1, -1):
        if values[mask] is not None:
            after[mask] = sum(after[mask | bit] for bit in bits if not mask & bit)
    if not before[full]:
        return None
    amounts = []
    for bit in bits:
        total = Fraction(0)
        for mask in range(len(values)):
            one, other = values[mask], values[mask | bit]
            if not mask & bit and one is not None and other is not None and one != other:
                total += before[mask] * after[mask | bit] * (other - one)
        amounts.append(total / before[full])
    return Shares(tuple(amounts), before[full], factorial(count))


def rounded(amounts: Sequence[Fraction], total: Decimal, places: int) -> list[Decimal]:
    """Amounts with so many decimals that add up to a total that has no more; each is off by less than the last one.

    What rounding leaves over goes to those that lose most by it.

    >>> [str(one) for one in rounded([Fraction(1, 3), Fraction(2, 3)], Decimal("1.0"), 1)]
    ['0.3', '0.7']

    Parameters
    ----------
    amounts : sequence of Fraction
        They add up to the total but for rounding.
    total : Decimal
    places : int
        May be negative.
    """
    if not amounts:
        return []
    scale = Fraction(10) ** places
    scaled = [amount * scale for amount in amounts]
    largest = max(range(len(scaled)), key=lambda n: abs(scaled[n]))
    whole = Fraction(total) * scale
    scaled[largest] += whole - sum(scaled)
    found = [one.numerator // one.denominator for one in scaled]
    losing = sorted(range(len(scaled)), key=lambda n: (found[n] - scaled[n], n))
    for n in losing[: int(whole) - sum(found)]:
        found[n] += 1
    return [Decimal(one).scaleb(-places) for one in found]
