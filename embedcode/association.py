"""Association in contingency tables: Pearson's chi-square, Cramér's V, Holm's correction.

The rule for small expected counts is Cochran's (1954) in its strict form: where a cell is expected to hold fewer than
five ads, the chi-square distribution is not relied on, and the p-value comes from random tables with the same margins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

LEAST_EXPECTED = 5.0
"""Fewest ads that a cell must be expected to hold for the chi-square distribution to be relied on."""

PERMUTATIONS = 9_999
"""Random tables where it is not."""

_AT_ONCE = 1_000

Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Association:
    """A test of independence.

    Attributes:
        chi_square: Pearson's statistic, without a continuity correction.
        freedom: Degrees of freedom.
        p: Probability of a statistic at least as large if rows and columns are independent.
        v: Cramér's V with Bergsma's correction for bias, from 0 to 1.
        n: Ads in the table.
        least_expected: The smallest expected count.
        permuted: Whether `p` comes from random tables, since `least_expected` is too small.
    """

    chi_square: float
    freedom: int
    p: float
    v: float
    n: int
    least_expected: float
    permuted: bool


def association(table: Counts, permutations: int = PERMUTATIONS) -> Association | None:
    """Test whether rows and columns of a table are independent.

    Args:
        table: Counts, shape (rows, columns); rows and columns without a count are left out.
        permutations: Random tables to draw where expected counts are small.

    Returns:
        None where fewer than two rows or two columns hold anything: there is nothing to test.
    """
    from scipy.stats import chi2

    table = table[table.any(axis=1)][:, table.any(axis=0)]
    if min(table.shape) < 2:
        return None
    expected = _expected(table)
    statistic = float(_chi_square(table[None], expected)[0])
    freedom = (table.shape[0] - 1) * (table.shape[1] - 1)
    least = float(expected.min())
    permuted = least < LEAST_EXPECTED
    p = _permuted(table, statistic, permutations) if permuted else float(chi2.sf(statistic, freedom))
    return Association(statistic, freedom, p, cramers_v(table), int(table.sum()), least, permuted)


def cramers_v(table: Counts) -> float:
    """Cramér's V with the correction for bias of Bergsma (2013, Journal of the Korean Statistical Society 42, 323-328).

    Args:
        table: Counts, shape (rows, columns), both at least two and none without a count.

    Returns:
        From 0 (independent) to 1; 0 as well where there are too few ads for the correction.
    """
    n = int(table.sum())
    freedoms = np.array(table.shape, dtype=np.float64) - 1
    sizes = freedoms - freedoms**2 / (n - 1)  # of the corrected table, less one
    if sizes.min() <= 0:
        return 0.0
    phi = float(_chi_square(table[None], _expected(table))[0]) / n
    return float(np.sqrt(max(0.0, phi - freedoms.prod() / (n - 1)) / sizes.min()))


def holm(p: Sequence[float]) -> list[float]:
    """P-values corrected for several tests by Holm's step-down method (1979, Scandinavian Journal of Statistics 6)."""
    values = np.asarray(p, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    corrected = np.empty_like(values)
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1)))
    return [float(v) for v in corrected]


def _expected(table: Counts) -> NDArray[np.float64]:
    expected: NDArray[np.float64] = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    return expected


def _chi_square(tables: NDArray[Any], expected: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pearson's statistic of each of several tables, shape (tables, rows, columns), with the same margins."""
    found: NDArray[np.float64] = ((tables - expected) ** 2 / expected).sum(axis=(1, 2))
    return found


def _permuted(table: Counts, statistic: float, permutations: int) -> float:
    """The share of random tables with a statistic at least as large, the table itself among them."""
    from scipy.stats import random_table

    expected = _expected(table)
    draw = random_table(table.sum(axis=1), table.sum(axis=0), seed=np.random.default_rng(0))
    reached = 1
    for first in range(0, permutations, _AT_ONCE):
        drawn = draw.rvs(min(_AT_ONCE, permutations - first))
        # Equal tables must count as equal, whatever the order of the additions.
        reached += int((_chi_square(drawn, expected) >= statistic * (1 - 1e-9)).sum())
    return reached / (permutations + 1)
