"""Periods of data: a year, a half, a quarter, a month or a day."""

from __future__ import annotations

import calendar
import re
from datetime import date

from qpgis.errors import ConfigError

_PERIOD = re.compile(r"(\d{4})(?:H([12])|Q([1-4])|-(\d{2})(?:-(\d{2}))?)?")


def first_day(period: str) -> date:
    """The first day of a period.

    >>> first_day("2024"), first_day("2024Q2"), first_day("2024-02")
    (datetime.date(2024, 1, 1), datetime.date(2024, 4, 1), datetime.date(2024, 2, 1))

    Raises
    ------
    ConfigError
        If it is no period.
    """
    last = last_day(period)
    match = _PERIOD.fullmatch(period.strip())
    assert match is not None
    _, half, quarter, month, day = match.groups()
    if day:
        return last
    months = 6 if half else 3 if quarter else 1 if month else 12
    return date(last.year, last.month - months + 1, 1)


def last_day(period: str) -> date:
    """The last day of a period; what opens later isn't there yet.

    >>> last_day("2024"), last_day("2024Q1"), last_day("2024-02")
    (datetime.date(2024, 12, 31), datetime.date(2024, 3, 31), datetime.date(2024, 2, 29))

    Raises
    ------
    ConfigError
        If it is no period.
    """
    match = _PERIOD.fullmatch(period.strip())
    if match is None:
        raise ConfigError(f'{period!r} is no period; write "2024", "2024H1", "2024Q1", "2024-06" or "2024-06-30"')
    year, half, quarter, month, day = (int(part) if part else None for part in match.groups())
    assert year is not None
    last_month = month or (half and 6 * half) or (quarter and 3 * quarter) or 12
    try:
        return date(year, last_month, day or calendar.monthrange(year, last_month)[1])
    except (ValueError, calendar.IllegalMonthError) as error:
        raise ConfigError(f"{period!r} is no period: {error}") from error


def year_of(period: str) -> int:
    """The year of a period."""
    return last_day(period).year
