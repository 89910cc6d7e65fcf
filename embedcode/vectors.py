"""Unit vectors held as small whole numbers, and sums of rows.

Whole numbers make similarities reproducible: every product and every partial sum is an integer below 2^24, which
float32 holds exactly, so the order of summation (and with it the size of the batch) cannot change a bit.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

F = TypeVar("F", np.float32, np.float64)

GROUPS = 1024
"""Groups that are summed side by side; their sums fit the processor's cache."""

SCALE = 256
"""Length of a quantised unit vector; its components are clipped to the range of int8."""


def quantise(vectors: NDArray[np.float32]) -> NDArray[np.int8]:
    """Unit vectors as int8: scaled by `SCALE`, rounded half to even, clipped to -127 ... 127.

    Args:
        vectors: Unit or zero vectors, shape (n, dimension).

    Returns:
        The quantised vectors, shape (n, dimension).
    """
    scaled: NDArray[np.float32] = np.clip(np.rint(vectors * np.float32(SCALE)), -127, 127)
    return scaled.astype(np.int8)


def unit(sums: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale vectors of whole numbers to length 1; zero vectors stay zero.

    The squared length is summed in float64, where it is exact: the result does not depend on the batch.
    """
    wide = sums.astype(np.float64)
    length = np.sqrt(np.einsum("ij,ij->i", wide, wide))
    return (wide / np.where(length > 0, length, 1)[:, None]).astype(np.float32)


def grouped_sums(table: NDArray[F], rows: NDArray[np.integer], starts: NDArray[np.integer]) -> NDArray[F]:
    """Sums of rows of a table, group by group.

    Adds the first rows of all groups, then the second ones, and so on: several times as fast as
    `np.add.reduceat`, and each group is summed in its own order, whatever stands beside it. A sparse product would be
    faster still, but importing scipy takes longer than coding a hundred ads.

    Args:
        table: Shape (n_rows, n_columns).
        rows: The rows to sum, group after group, shape (n,).
        starts: Where each group begins in `rows`, and the end of the last, shape (n_groups + 1,).

    Returns:
        Shape (n_groups, n_columns); zero for empty groups.
    """
    first, length = starts[:-1], np.diff(starts)
    out = np.zeros((len(length), table.shape[1]), dtype=table.dtype)
    order = np.argsort(-length, kind="stable")
    buffer = np.empty((min(GROUPS, len(length)), table.shape[1]), dtype=table.dtype)
    for begin in range(0, len(order), GROUPS):
        groups = order[begin : begin + GROUPS]
        sums = np.zeros((len(groups), table.shape[1]), dtype=table.dtype)
        # How many of the groups, longest first, have an n-th row.
        active = np.searchsorted(-length[groups], -np.arange(1, length[groups[0]] + 1), side="right")
        for position, count in enumerate(active.tolist()):
            nth = rows[first[groups[:count]] + position]
            np.take(table, nth, axis=0, out=buffer[:count], mode="clip")
            sums[:count] += buffer[:count]
        out[groups] = sums
    return out


def grouped_max(values: NDArray[F], starts: NDArray[np.integer]) -> NDArray[F]:
    """The highest value of each group, column by column; 0 for empty groups.

    Args:
        values: Group after group, shape (n, n_columns).
        starts: As for `grouped_sums`.

    Returns:
        Shape (n_groups, n_columns).
    """
    out = np.zeros((len(starts) - 1, values.shape[1]), dtype=values.dtype)
    filled = np.diff(starts) > 0
    if filled.any():
        out[filled] = np.maximum.reduceat(values, starts[:-1][filled], axis=0)
    return out
