"""Bootstrap intervals over clusters of ads that are near-duplicates of each other.

Clusters are drawn whole and with replacement, as many as there are, since the ads of one are no independent evidence
(Davison & Hinkley 1997, Bootstrap Methods and their Application, section 3.8); the interval lies between the 2.5th and
the 97.5th percentile of the figure. Every figure is a function of counts that are summed over the ads, so that a
resample costs a weighted sum. All figures of one `Bootstrap` rest on the same resamples.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

MIN_ADS = 20
"""Fewest ads for an interval, and for the kappa of a group."""

SAME = "the same in every resample, which says nothing about how precise it is"
"""Why there is no interval of a figure that no resample changes, such as the precision of a coder without an error."""

_CHUNK = 1 << 20

Interval = tuple[float, float]
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Statistic = Callable[[Floats], Floats]
"""Figures of sums: shape (n, ...) to (n,) or (n, n_figures); NaN where a figure is undefined."""


@dataclass(frozen=True)
class Estimate:
    """A figure and its 95 % interval.

    Attributes:
        reason: Why the figure, or else its interval, is undefined (None); empty where neither is.
    """

    value: float | None
    interval_95: Interval | None
    reason: str = ""


@dataclass(frozen=True)
class Bootstrap:
    """How ads are drawn again and again.

    Attributes:
        cluster: The cluster of each ad, numbered from 0, shape (n_ads,).
        resamples: How many times clusters are drawn.
        seed: Of the random draws.
    """

    cluster: Ints
    resamples: int = 1000
    seed: int = 0

    @classmethod
    def of(cls, clusters: Sequence[str], resamples: int = 1000, seed: int = 0) -> Bootstrap:
        """The bootstrap of ads with the given clusters."""
        number = {c: i for i, c in enumerate(dict.fromkeys(clusters))}
        return cls(np.array([number[c] for c in clusters], dtype=np.int64), resamples, seed)

    @property
    def clusters(self) -> int:
        """How many clusters there are."""
        return int(self.cluster.max()) + 1 if len(self.cluster) else 0

    @property
    def gap(self) -> str:
        """Why there are no intervals; empty where there are."""
        if len(self.cluster) < MIN_ADS:
            return f"fewer than {MIN_ADS} ads"
        return "all ads are one cluster" if self.clusters < 2 else ""

    def only(self, ads: Ints | NDArray[np.bool_]) -> Bootstrap:
        """The bootstrap of some of the ads."""
        _, cluster = np.unique(self.cluster[ads], return_inverse=True)
        return Bootstrap(cluster.astype(np.int64), self.resamples, self.seed)

    def estimate(self, counts: NDArray[Any], statistic: Statistic, reason: str) -> Estimate:
        """One figure.

        Args:
            counts: Of each ad, shape (n_ads, ...).
            statistic: The figure of sums of counts.
            reason: Why the figure is undefined, where it is.
        """
        value = float(statistic(counts.sum(0)[None].astype(np.float64))[0])
        if math.isnan(value):
            return Estimate(None, None, reason)
        (interval,) = self.intervals(counts, lambda sums: statistic(sums)[:, None])
        return Estimate(value, interval, "" if interval else self.gap or SAME)

    def intervals(self, counts: NDArray[Any], statistic: Statistic) -> list[Interval | None]:
        """The intervals of several figures, None where there is none.

        Args:
            counts: Of each ad, shape (n_ads, ...).
            statistic: The figures of sums of counts.
        """
        by_cluster = np.zeros((self.clusters, *counts.shape[1:]))
        np.add.at(by_cluster, self.cluster, counts)
        found = [statistic(sums) for sums in resampled(by_cluster, self.resamples, self.seed)]
        if self.gap or not found:
            return [None] * statistic(counts.sum(0)[None].astype(np.float64)).shape[1]
        return [spread(column) for column in np.concatenate(found).T]


def resampled(by_cluster: NDArray[Any], resamples: int, seed: int) -> Iterator[Floats]:
    """Sums of counts over clusters drawn with replacement.

    Args:
        by_cluster: Counts of each cluster, shape (n_clusters, ...).
        resamples: How many times clusters are drawn.
        seed: Of the random draws.

    Yields:
        Some of the resamples at a time, shape (n, ...).
    """
    clusters = len(by_cluster)
    flat = by_cluster.reshape(clusters, -1).astype(np.float64)
    rng = np.random.default_rng(seed)
    step = max(1, _CHUNK // max(1, clusters))
    for first in range(0, resamples if clusters else 0, step):
        size = min(step, resamples - first)
        drawn = rng.integers(0, clusters, (size, clusters)) + np.arange(size)[:, None] * clusters
        times = np.bincount(drawn.ravel(), minlength=size * clusters).reshape(size, clusters)
        yield (times @ flat).reshape(size, *by_cluster.shape[1:])


def spread(values: Floats) -> Interval | None:
    """The interval of a figure by its values in resamples; None where they are undefined, or do not differ."""
    found = percentiles(values)
    return found if found and found[0] < found[1] else None


def percentiles(values: Floats) -> Interval | None:
    """The 2.5th and the 97.5th percentile of the values that are not NaN; None where all are."""
    values = values[~np.isnan(values)]
    if not len(values):
        return None
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def ratio(part: NDArray[Any], whole: NDArray[Any]) -> Floats:
    """Quotients; NaN where the divisor is zero."""
    out = np.full(np.broadcast(part, whole).shape, np.nan)
    np.divide(part, whole, out=out, where=whole != 0)
    return out
