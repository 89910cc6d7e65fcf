"""Dates as periods: months, quarters, years."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pyarrow as pa

from embedcode.values import identifiers

PERIODS: dict[str, Callable[[date], str]] = {
    "month": lambda d: f"{d.year:04}-{d.month:02}",
    "quarter": lambda d: f"{d.year:04}-Q{(d.month + 2) // 3}",
    "year": lambda d: f"{d.year:04}",
}
"""What a period is called; names sort as time goes."""

_COMPLETIONS = {"month": ("-01",), "quarter": ("-01",), "year": ("-01", "-01-01")}
"""What makes a day of a date that says no more than is asked: 2025-03 has a month, 2025 a year."""


def periods(column: pa.Array, period: str) -> pa.Array:
    """The period of each date.

    Args:
        column: Dates, time stamps, or text and numbers that begin as ISO 8601 has it: 2025-03-31, 2025-03 where the
            period is no longer than a quarter, 2025 where it is a year. Nothing is guessed: 3/4/2025 is no date.
        period: One of `PERIODS`.

    Returns:
        Names of periods, null where there is no date.
    """
    encoded = identifiers(column).dictionary_encode()
    names = [_period(v.strip(), period) for v in encoded.dictionary.to_pylist()]
    return pa.array(names, pa.string()).take(encoded.indices)


def between(first: str, last: str, period: str) -> list[str]:
    """The names of all periods from one to another, both included."""
    months = range(int(first[:4]) * 12, int(last[:4]) * 12 + 12)
    names = dict.fromkeys(PERIODS[period](date(m // 12, m % 12 + 1, 1)) for m in months)
    return [n for n in names if first <= n <= last]


def _period(value: str, period: str) -> str | None:
    for given in (value[:10], *(value + more for more in _COMPLETIONS[period])):
        try:
            return PERIODS[period](date.fromisoformat(given))
        except ValueError:
            continue
    return None
