"""Remembers what was computed for a text: a third of the lines of a corpus of job ads have stood there before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Columns = tuple[NDArray[Any], ...]


class Memo:
    """Rows of numbers by text. What is computed for a text must depend on nothing but the text.

    Attributes:
        asked, found: How many texts were looked up, and how many of them were known or stood twice.
    """

    def __init__(self, compute: Callable[[Sequence[str]], Columns], capacity: int) -> None:
        """Begin with nothing remembered.

        Args:
            compute: Texts to arrays with a row for each.
            capacity: How many texts are remembered before all are forgotten; with 0, none is.
        """
        self._compute = compute
        self._capacity = capacity
        self._number: dict[str, int] = {}
        self._columns: Columns = ()
        self.asked = 0
        self.found = 0

    def __call__(self, texts: Sequence[str]) -> Columns:
        """What `compute` gives for texts."""
        self.asked += len(texts)
        if not self._capacity:
            return self._compute(texts)
        number = self._number
        fresh = list(dict.fromkeys(t for t in texts if t not in number))
        if len(number) + len(fresh) > self._capacity:
            self.forget()
            fresh = list(dict.fromkeys(texts))
        self.found += len(texts) - len(fresh)
        if fresh or not self._columns:
            self._remember(fresh)
        rows = np.fromiter(map(number.__getitem__, texts), dtype=np.int64, count=len(texts))
        return tuple(column[rows] for column in self._columns)

    def forget(self) -> None:
        """Forget all texts."""
        self._number.clear()

    def _remember(self, fresh: Sequence[str]) -> None:
        """Add rows. Memory that is not written to yet costs nothing."""
        first, last = len(self._number), len(self._number) + len(fresh)
        values = self._compute(fresh)
        if not self._columns or last > len(self._columns[0]):
            size = max(last, self._capacity)
            self._columns = tuple(np.empty((size, *v.shape[1:]), dtype=v.dtype) for v in values)
        for column, value in zip(self._columns, values, strict=True):
            column[first:last] = value
        self._number.update(zip(fresh, range(first, last), strict=True))
