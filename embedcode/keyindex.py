"""Finds rows of a column by their value: a hash table of row numbers in a numpy array, at about 7 bytes a row.

Open addressing with linear probing (Knuth, The Art of Computer Programming, volume 3, section 6.4). The values stay in
the column, which is given with each call; Python's dictionary takes fifteen times as much.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

NONE = -1
"""Stands for no row."""

_ROOM = 1024
_FULL = 0.65
_GROWTH = 1.3
_BLOCK = 1 << 16

Keys = NDArray[np.uint32]
Rows = NDArray[np.int64]


class KeyIndex:
    """The row of each value that was entered."""

    def __init__(self) -> None:
        """Begin with no rows."""
        self._slots = np.zeros(_ROOM, dtype=np.uint32)  # numbers of rows, one more each; 0: empty
        self._used = 0

    def find(self, keys: Keys, column: Keys) -> Rows:
        """The row of each value, `NONE` where it was not entered; shape (n_keys,)."""
        found = np.full(len(keys), NONE)
        slot, left = self._home(keys), np.arange(len(keys))
        while len(left):
            row = self._slots[slot].astype(np.int64) - 1
            taken = row != NONE
            left, slot, row = left[taken], slot[taken], row[taken]
            hit = column[row] == keys[left]
            found[left[hit]] = row[hit]
            left, slot = left[~hit], (slot[~hit] + 1) % len(self._slots)
        return found

    def add(self, rows: Rows, column: Keys) -> None:
        """Enter rows whose values are all different and not there yet."""
        self._used += len(rows)
        if self._used > _FULL * len(self._slots):
            before, self._slots = self._slots, np.zeros(int(self._used / _FULL * _GROWTH), dtype=np.uint32)
            for first in range(0, len(before), _BLOCK):
                block = before[first : first + _BLOCK]
                self._place(block[block > 0].astype(np.int64) - 1, column)
        self._place(rows, column)

    def _place(self, rows: Rows, column: Keys) -> None:
        """Give each row a slot."""
        slot = self._home(column[rows])
        while len(rows):
            free = self._slots[slot] == 0
            self._slots[slot[free]] = rows[free] + 1  # of several that want a slot, one gets it
            on = self._slots[slot] != rows + 1
            rows, slot = rows[on], (slot[on] + 1) % len(self._slots)

    def _home(self, keys: Keys) -> Rows:
        """The slot at which the search for a value begins."""
        spread = (keys * np.uint32(0x9E3779B1)).astype(np.uint64)  # 2^32 over the golden ratio: Fibonacci hashing
        return (spread * np.uint64(len(self._slots)) >> np.uint64(32)).astype(np.int64)
