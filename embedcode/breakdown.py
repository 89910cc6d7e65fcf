"""Ads counted by the values of a column: how many there are, by profile, by code and by tool."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Ints = NDArray[np.int64]

Cells = tuple[Ints, Ints]
"""Ads of a batch, and a number for each: of a profile, a code, a tool."""


@dataclass(frozen=True)
class Breakdown:
    """Ads by the values of one column.

    Attributes:
        column: Its name.
        values: Shape (values,).
        ads: Ads with each value, shape (values,).
        profiles: ... by profile, shape (values, profiles).
        phrases: Pieces of evidence by code, shape (values, codes).
        codes: Ads that carry each code, shape (values, codes).
        tools: Ads that name each tool, shape (values, tools).
        without: Ads without a value.
        unread: Those of them that have one which is no date.
    """

    column: str
    values: tuple[str, ...]
    ads: Ints
    profiles: Ints
    phrases: Ints
    codes: Ints
    tools: Ints
    without: int = 0
    unread: Mapping[str, int] = field(default_factory=dict)

    def changed(self, values: Sequence[str], change: Callable[[Ints], Ints]) -> Breakdown:
        """The breakdown with other values, and its counts made from these by a function of a count by value."""
        return replace(
            self,
            values=tuple(values),
            ads=change(self.ads),
            profiles=change(self.profiles),
            phrases=change(self.phrases),
            codes=change(self.codes),
            tools=change(self.tools),
        )

    def take(self, order: Sequence[int]) -> Breakdown:
        """Some of the values, in another order."""
        return self.changed([self.values[i] for i in order], lambda count: count[list(order)])


class Numbers:
    """Names, numbered as they come."""

    def __init__(self, names: Sequence[str] = ()) -> None:
        self.numbers = {name: i for i, name in enumerate(names)}

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def names(self) -> list[str]:
        """Names by number."""
        return list(self.numbers)

    def of(self, column: pa.Array) -> Ints:
        """The number of each value, -1 for none."""
        encoded = column.dictionary_encode()
        numbers = [self.numbers.setdefault(v, len(self.numbers)) for v in encoded.dictionary.to_pylist()]
        found: Ints = np.array([*numbers, -1], dtype=np.int64)[pc.fill_null(encoded.indices, -1).to_numpy()]
        return found


class Sums:
    """Sums over ads by the number of a value, of matrices that grow as numbers come."""

    def __init__(self) -> None:
        self._sums: dict[str, Ints] = {}

    def add(self, value: Ints, cells: Mapping[str, Cells]) -> None:
        """Add ads: their values (-1 for none) and what is to be counted of them."""
        for kind, (ad, column) in cells.items():
            row = value[ad]
            counted = _crossed(row[row >= 0], column[row >= 0])
            self._sums[kind] = counted if kind not in self._sums else _added(self._sums[kind], counted)

    def breakdown(self, column: str, values: Sequence[str], sizes: Mapping[str, int]) -> Breakdown:
        """The sums as a breakdown with so many columns of each kind."""
        empty = np.zeros((0, 0), dtype=np.int64)
        profiles, phrases, codes, tools = (
            _padded(self._sums.get(kind, empty), len(values), sizes[kind])
            for kind in ("profiles", "phrases", "codes", "tools")
        )
        return Breakdown(column, tuple(values), profiles.sum(axis=1), profiles, phrases, codes, tools)


def distinct(ad: Ints, column: Ints, ads: int, columns: int) -> Cells:
    """Each cell once."""
    found = np.unravel_index(np.unique(ad * columns + column), (ads, max(columns, 1)))
    return found[0], found[1]


def _crossed(row: Ints, column: Ints) -> Ints:
    """How often each pair of a row and a column comes."""
    shape = (int(row.max(initial=-1)) + 1, int(column.max(initial=-1)) + 1)
    cells = np.bincount(row * shape[1] + column, minlength=shape[0] * shape[1])
    return np.asarray(cells.reshape(shape), dtype=np.int64)


def _added(one: Ints, other: Ints) -> Ints:
    """The sum of two matrices, as large as the larger one either way."""
    rows, columns = (max(a, b) for a, b in zip(one.shape, other.shape, strict=True))
    return _padded(one, rows, columns) + _padded(other, rows, columns)


def _padded(matrix: Ints, rows: int, columns: int) -> Ints:
    return np.pad(matrix, ((0, rows - matrix.shape[0]), (0, columns - matrix.shape[1])))
