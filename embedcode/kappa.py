"""Agreement on labels: Cohen's kappa (Cohen 1960), its bootstrap interval, and the calibration of probabilities."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

MIN_ADS = 20
"""Fewest ads for the kappa of a group and for an interval."""

BINS = 10
"""Bins of the expected calibration error, all of the same width."""

_CHUNK = 1 << 20

Ints = NDArray[np.int64]


def cohen_kappa(first: Sequence[str], second: Sequence[str]) -> float:
    """Kappa of two codings; NaN where both use one and the same label throughout."""
    number = {name: i for i, name in enumerate(sorted({*first, *second}))}
    pairs = np.array([(number[a], number[b]) for a, b in zip(first, second, strict=True)], dtype=np.int64)
    one, other = pairs.reshape(-1, 2).T
    return float(kappas(confusions(one, other, np.zeros_like(one), len(number), 1))[0])


def confusions(gold: Ints, coded: Ints, group: Ints, n_labels: int, n_groups: int) -> Ints:
    """Count pairs of labels in each group.

    Args:
        gold: Label of each ad in the gold, shape (n_ads,).
        coded: Label of each ad as coded, `n_labels` for none, shape (n_ads,).
        group: Group of each ad, shape (n_ads,).
        n_labels: How many labels there are.
        n_groups: How many groups there are.

    Returns:
        Shape (n_groups, n_labels, n_labels + 1): rows are gold labels, columns coded ones, none last.
    """
    shape = (n_groups, n_labels, n_labels + 1)
    cell = np.ravel_multi_index((group, gold, coded), shape)
    return np.asarray(np.bincount(cell, minlength=math.prod(shape)).reshape(shape), dtype=np.int64)


def kappas(tables: NDArray[Any]) -> NDArray[np.float64]:
    """Cohen's kappa of confusion matrices.

    Args:
        tables: Counts, shape (..., n_labels, n_labels + 1), the last column for ads that were not coded.

    Returns:
        Shape (...); NaN where all ads have one and the same label on both sides, or there are no ads.
    """
    counts = np.asarray(tables, dtype=np.float64)
    n = counts.sum((-2, -1))
    agreed = np.trace(counts, axis1=-2, axis2=-1)
    chance = (counts.sum(-1) * counts.sum(-2)[..., :-1]).sum(-1)
    with np.errstate(invalid="ignore"):
        return np.asarray((n * agreed - chance) / (n * n - chance), dtype=np.float64)


def bootstrap_kappa(tables: Ints, resamples: int, seed: int = 0) -> tuple[float, float] | None:
    """The 95 % interval of kappa when clusters are drawn with replacement (percentiles).

    Args:
        tables: Confusion matrix of each cluster, shape (n_clusters, n_labels, n_labels + 1).
        resamples: How many times clusters are drawn.
        seed: Of the random draws.

    Returns:
        Lower and upper bound; None where there are fewer than `MIN_ADS` ads or two clusters, or no
        resample of that size has a kappa.
    """
    clusters, shape = len(tables), tables.shape[1:]
    if clusters < 2 or tables.sum() < MIN_ADS:
        return None
    flat = tables.reshape(clusters, -1).astype(np.float64)
    rng = np.random.default_rng(seed)
    found = []
    step = max(1, _CHUNK // clusters)
    for first in range(0, resamples, step):
        size = min(step, resamples - first)
        drawn = rng.integers(0, clusters, (size, clusters)) + np.arange(size)[:, None] * clusters
        times = np.bincount(drawn.ravel(), minlength=size * clusters).reshape(size, clusters)
        sums = (times @ flat).reshape(size, *shape)
        found.append(kappas(sums[sums.sum((1, 2)) >= MIN_ADS]))
    values = np.concatenate([np.zeros(0), *found])
    values = values[~np.isnan(values)]
    if not len(values):
        return None
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def calibration_error(confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """Expected calibration error: distance of mean confidence and accuracy per bin, averaged over the ads.

    Args:
        confidence: Of the profile given, from 0 to 1, shape (n_ads,).
        right: Whether it is the gold profile, shape (n_ads,).
    """
    bins = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
    gaps = np.bincount(bins, weights=confidence - right, minlength=BINS)
    return float(np.abs(gaps).sum() / len(confidence))
