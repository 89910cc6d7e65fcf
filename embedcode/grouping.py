"""Groups of ads: the values of a column as they are, or the periods that its dates fall into."""

from __future__ import annotations

from collections import Counter

import pyarrow as pa
import pyarrow.compute as pc

from embedcode.errors import InputError, some
from embedcode.periods import PERIODS, periods
from embedcode.values import identifiers, is_nameable

NO_VALUE = "(none)"
"""The group of ads without a value."""

MOST_GROUPS = 200


class Grouping:
    """Names the group of each ad, batch by batch.

    Attributes:
        groups: The groups found so far.
        undated: Ads without a date, which are in no group.
        unread: How many ads hold each value that is no date; they are in no group either.
    """

    def __init__(self, column: str, period: str | None, type: pa.DataType) -> None:
        """Group by a column of a type, by periods where one of `PERIODS` is given.

        Raises:
            InputError: There is no such period, or the values of this type cannot be named.
        """
        if period is not None and period not in PERIODS:
            raise InputError(f"Found the period {period!r:.80}; expected one of {', '.join(PERIODS)}.")
        if not is_nameable(type):
            raise InputError(f"The column {column} holds {type}; expected text, numbers or dates. Name another column.")
        self.column = column
        self.period = period
        self.groups: set[str] = set()
        self.undated = 0
        self.unread: Counter[str] = Counter()

    def of(self, column: pa.Array) -> list[str | None]:
        """The group of each ad; None for those in no group.

        Raises:
            InputError: There are too many groups.
        """
        if pa.types.is_floating(column.type):
            column = pc.if_else(pc.is_nan(column), None, column)  # how pandas writes that there is no value
        values: list[str | None] = [v if v and v.strip() else None for v in identifiers(column).to_pylist()]
        if self.period:
            names: list[str | None] = periods(column, self.period).to_pylist()
            self.undated += values.count(None)
            self.unread.update(v for v, name in zip(values, names, strict=True) if v and not name)
        else:
            names = [v or NO_VALUE for v in values]
        self.groups.update(filter(None, names))
        if len(self.groups) > MOST_GROUPS:
            advice = "" if self.period else ", or give a --period where it holds dates"
            such = some([g[:40] for g in sorted(self.groups)])
            raise InputError(
                f"The column {self.column} makes more than {MOST_GROUPS} groups, such as {such}. "
                f"Expected one that puts many ads into a group. Name another column{advice}."
            )
        return names
