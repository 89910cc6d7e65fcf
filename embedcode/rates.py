"""Precision, recall and F1 of what is found, with their intervals."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedcode.bootstrap import Bootstrap, Interval, ratio


@dataclass(frozen=True)
class Rates:
    """How well the coded ads find one thing.

    Attributes:
        count: How often it stands in the gold.
        coded: How often it was coded.
        precision_95, recall_95, f1_95: Their 95 % bootstrap intervals over clusters.
    """

    precision: float | None
    recall: float | None
    f1: float | None
    count: int
    coded: int
    precision_95: Interval | None = None
    recall_95: Interval | None = None
    f1_95: Interval | None = None

    @classmethod
    def of(cls, right: int, wrong: int, missed: int, *, intervals: Sequence[Interval | None] = ()) -> Rates:
        """The rates for counts of what was found rightly, found wrongly and missed, and their intervals."""
        coded, count = right + wrong, right + missed
        f1 = quotient(2 * right, coded + count)
        return cls(quotient(right, coded), quotient(right, count), f1, count, coded, *intervals)


def rates_of(
    names: Sequence[str], counts: NDArray[Any], bootstrap: Bootstrap
) -> tuple[dict[str, Rates], Interval | None]:
    """Precision, recall and F1, with intervals.

    Args:
        names: What was found.
        counts: How often each was found rightly, found wrongly and missed, shape (n_ads, n_names, 3).
        bootstrap: How the ads are resampled.

    Returns:
        The rates by name, and the interval of macro-F1.
    """
    n = len(names)
    intervals = bootstrap.intervals(counts, _rates_of_sums)
    sums = counts.sum(0)
    by_name = {name: Rates.of(*map(int, sums[i]), intervals=intervals[i : 3 * n : n]) for i, name in enumerate(names)}
    return by_name, intervals[-1]


def _rates_of_sums(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Precisions, recalls, F1s and macro-F1 of counts, shape (n, n_names, 3) to (n, 3 * n_names + 1)."""
    right, wrong, missed = np.moveaxis(sums, 2, 0)
    precision, recall = ratio(right, right + wrong), ratio(right, right + missed)
    f1 = ratio(2 * right, 2 * right + wrong + missed)
    macro = ratio(np.nansum(f1, axis=1), (~np.isnan(f1)).sum(axis=1))
    return np.concatenate([precision, recall, f1, macro[:, None]], axis=1)


def quotient(part: int, whole: int) -> float | None:
    """A quotient; None where the divisor is zero."""
    return part / whole if whole else None


def mean(values: Iterable[float | None]) -> float | None:
    """The mean of the values that are defined; None where none is."""
    known = [v for v in values if v is not None]
    return math.fsum(known) / len(known) if known else None
