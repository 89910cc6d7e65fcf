"""Counts coded ads in one pass: by profile, by period and by other columns; and which tools are named together.

An ad is counted where it has a profile, is in a language that the coding covers, and is no near-duplicate of another.
Memory grows with the number of values, codes and tools, not with the number of ads.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from embedcode.breakdown import Breakdown, Cells, Ints, Numbers, Sums, distinct
from embedcode.census import FOREIGN, REPEATED, UNCODED, given_columns, open_grouping, screened
from embedcode.coded import coded_schema
from embedcode.coded_files import batches, schema_of
from embedcode.errors import InputError
from embedcode.grouping import NO_VALUE, Grouping
from embedcode.values import most_first, tally

FOCUS = ("TASK3", "TASK4")
"""The codes whose phrases are counted against each other: modelling and software development."""

FOCUS_MOST = 5
"""Phrases from which on no more are told apart."""

_CODING = {*coded_schema((), ()).names} - {"language"}
_COLUMNS = ("profile", "confidence", "language", "error", "duplicate_of")


@dataclass(frozen=True)
class Flow:
    """What became of the rows.

    Attributes:
        rows: All of them.
        errors: Those without a profile, by reason; left out.
        languages: The other ones by language, most frequent first.
        foreign: Those of them in a language that the coding does not cover; left out.
        duplicates: Those of the rest that are near-duplicates of another ad; left out.
        counted: The rest.
    """

    rows: int
    errors: Mapping[str, int]
    languages: Mapping[str, int]
    foreign: int
    duplicates: int

    @property
    def failed(self) -> int:
        """Rows without a profile."""
        return sum(self.errors.values())

    @property
    def counted(self) -> int:
        """Ads that all other figures are about."""
        return self.rows - self.failed - self.foreign - self.duplicates


@dataclass(frozen=True)
class Counts:
    """Coded ads, counted.

    Attributes:
        flow: What became of the rows.
        profiles, codes: As the coding book orders them.
        tools: Canonical names, those in most ads first.
        confidence: Mean confidence of the ads of each profile, NaN where there are none, shape (profiles,).
        by_profile: Ads by profile.
        by_period: Ads by period; None without a column of dates.
        by: Ads by other columns.
        together: Ads that name both of two tools, shape (tools, tools).
        focus: Ads by profile and by how many phrases of each of the codes `FOCUS` they have, from none to `FOCUS_MOST`
            or more; shape (profiles, FOCUS_MOST + 1, FOCUS_MOST + 1).
    """

    flow: Flow
    profiles: tuple[str, ...]
    codes: tuple[str, ...]
    tools: tuple[str, ...]
    confidence: NDArray[np.float64]
    by_profile: Breakdown
    by_period: Breakdown | None
    by: tuple[Breakdown, ...]
    together: Ints
    focus: Ints


def count(coded: Path, *, by: Sequence[str] = (), date: str | None = None, period: str = "month") -> Counts:
    """Count coded ads.

    Args:
        coded: What `classify` wrote: its folder, or one of its parts.
        by: Columns to count by: `language`, or columns of the input that were kept.
        date: Column of dates.
        period: One of `periods.PERIODS`.

    Raises:
        InputError: There are no coded ads, or a column is missing or cannot be counted by.
    """
    schema = schema_of(coded)
    found = _Pass(
        [f.name for f in schema.field("probabilities").type], [f.name for f in schema.field("strengths").type]
    )
    values = [_Values(_grouping(coded, name)) for name in by if name != date]
    dates = [_Values(_grouping(coded, date, period))] if date else []
    kept = [v.column for v in (*values, *dates)]
    for batch in batches(coded, list(dict.fromkeys([*_COLUMNS, *given_columns(coded), *kept]))):
        found.add(batch, [*values, *dates])
    return found.counts(values, dates)


def _grouping(coded: Path, column: str, period: str | None = None) -> Grouping:
    if column in _CODING:
        raise InputError(
            f"{column} comes from the coding. Expected a column that does not, since codes and profiles are made from "
            "each other: language, or a column of the input that was kept with --keep."
        )
    return open_grouping(coded, column, period)


class _Pass:
    """What is counted batch by batch."""

    def __init__(self, profiles: Sequence[str], codes: Sequence[str]) -> None:
        self._profiles, self._codes, self._tools = Numbers(profiles), Numbers(codes), Numbers()
        self._by_profile = Sums()
        self._confidence = np.zeros(len(profiles))
        self._focus = np.zeros((len(profiles), FOCUS_MOST + 1, FOCUS_MOST + 1), dtype=np.int64)
        self._together: Any = None
        self._rows = self._foreign = self._duplicates = 0
        self._errors: Counter[str] = Counter()
        self._languages: Counter[str] = Counter()

    def add(self, batch: pa.RecordBatch, columns: Sequence[_Values]) -> None:
        """Count a batch."""
        batch = self._kept(batch)
        n = len(batch)
        if not n:
            return
        profile = self._profiles.of(batch["profile"])
        spans = batch["codes"]
        ad = pc.list_parent_indices(spans).to_numpy()
        code = self._codes.of(pc.list_flatten(spans).field("code"))
        tool = self._tools.of(pc.list_flatten(spans).field("tool"))
        named = distinct(ad[tool >= 0], tool[tool >= 0], n, len(self._tools))
        cells = {
            "profiles": (np.arange(n), profile),
            "phrases": (ad, code),
            "codes": distinct(ad, code, n, len(self._codes)),
            "tools": named,
        }
        self._by_profile.add(profile, cells)
        for column in columns:
            column.add(batch[column.column], cells)
        self._confidence += np.bincount(
            profile, batch["confidence"].to_numpy(zero_copy_only=False), len(self._confidence)
        )
        self._add_focus(profile, ad, code)
        self._add_together(named, n)

    def _kept(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The ads to count."""
        reasons, counted = screened(batch)
        self._rows += len(batch)
        self._errors += tally(pc.fill_null(batch["error"].filter(pa.array(reasons[UNCODED])), "no reason given"))
        self._languages += tally(batch["language"].filter(pa.array(~reasons[UNCODED])))
        self._foreign += int(reasons[FOREIGN].sum())
        self._duplicates += int(reasons[REPEATED].sum())
        return batch.filter(pa.array(counted))

    def _add_focus(self, profile: Ints, ad: Ints, code: Ints) -> None:
        if not set(FOCUS) <= self._codes.numbers.keys():
            return
        first, second = (
            np.minimum(np.bincount(ad[code == self._codes.numbers[c]], minlength=len(profile)), FOCUS_MOST)
            for c in FOCUS
        )
        np.add.at(self._focus, (profile, first, second), 1)

    def _add_together(self, named: Cells, n: int) -> None:
        from scipy.sparse import csr_array

        size = len(self._tools)
        names = csr_array((np.ones(len(named[0]), dtype=np.int64), named), shape=(n, size))
        both = names.T @ names
        if self._together is not None:
            self._together.resize((size, size))
            both = both + self._together
        self._together = both

    def counts(self, values: Sequence[_Values], dates: Sequence[_Values]) -> Counts:
        """All that was counted."""
        names = self._tools.names
        profiles, codes = self._profiles.names, self._codes.names
        sizes = {"profiles": len(profiles), "phrases": len(codes), "codes": len(codes), "tools": len(names)}
        by_profile = self._by_profile.breakdown("profile", profiles, sizes)
        ads = by_profile.tools.sum(axis=0)
        order = sorted(range(len(names)), key=lambda i: (-ads[i], names[i]))
        together = self._together.toarray() if self._together is not None else np.zeros((0, 0), dtype=np.int64)

        def sorted_tools(found: Breakdown) -> Breakdown:
            return replace(found, tools=found.tools[:, order])

        with np.errstate(invalid="ignore"):
            confidence = self._confidence / by_profile.ads
        return Counts(
            Flow(self._rows, most_first(self._errors), most_first(self._languages), self._foreign, self._duplicates),
            tuple(profiles),
            tuple(codes),
            tuple(names[i] for i in order),
            confidence,
            sorted_tools(by_profile),
            next((sorted_tools(d.breakdown(sizes)) for d in dates), None),
            tuple(sorted_tools(v.breakdown(sizes)) for v in values),
            together[np.ix_(order, order)],
            self._focus,
        )


class _Values:
    """Ads by the values of a column, or by the periods of its dates."""

    def __init__(self, grouping: Grouping) -> None:
        self.column = grouping.column
        self._grouping = grouping
        self._numbers, self._sums = Numbers(), Sums()
        self._without = 0

    def add(self, column: pa.Array, cells: Mapping[str, Cells]) -> None:
        """Add ads."""
        names = [None if n == NO_VALUE else n for n in self._grouping.of(column)]
        value = self._numbers.of(pa.array(names, pa.string()))
        self._without += int((value < 0).sum())
        self._sums.add(value, cells)

    def breakdown(self, sizes: Mapping[str, int]) -> Breakdown:
        """What was counted: values in most ads first, periods in the order of time."""
        found = self._sums.breakdown(self.column, self._numbers.names, sizes)
        found = replace(found, without=self._without, unread=most_first(self._grouping.unread))
        by_time = self._grouping.period is not None
        return found.take(
            sorted(range(len(found.values)), key=lambda i: (0 if by_time else -found.ads[i], found.values[i]))
        )
