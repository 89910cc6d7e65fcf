"""Unit vectors held as small whole numbers.

Whole numbers make similarities reproducible: every product and every partial sum is an integer below 2^24, which
float32 holds exactly, so the order of summation (and with it the size of the batch) cannot change a bit.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

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
