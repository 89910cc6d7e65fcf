"""Agreement on labels: Cohen's kappa (Cohen 1960), its bootstrap interval, and the calibration of probabilities."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedcode.bootstrap import MIN_ADS, Bootstrap, Interval, ratio, resampled, spread

BINS = 10
"""Bins of the expected calibration error, all of the same width."""

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


def bootstrap_kappa(tables: Ints, resamples: int, seed: int = 0) -> Interval | None:
    """The 95 % interval of kappa when clusters are drawn with replacement (percentiles).

    Args:
        tables: Confusion matrix of each cluster, shape (n_clusters, n_labels, n_labels + 1).
        resamples: How many times clusters are drawn.
        seed: Of the random draws.

    Returns:
        Lower and upper bound; None where there are fewer than `MIN_ADS` ads or two clusters, no
        resample of that size has a kappa, or all have the same.
    """
    if len(tables) < 2 or tables.sum() < MIN_ADS:
        return None
    values = [kappas(sums[sums.sum((1, 2)) >= MIN_ADS]) for sums in resampled(tables, resamples, seed)]
    return spread(np.concatenate([np.zeros(0), *values]))


def calibration_error(confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """Expected calibration error (Naeini et al. 2015): distance of mean confidence and accuracy per bin, averaged over
    the ads.

    Args:
        confidence: Of the profile given, from 0 to 1, shape (n_ads,).
        right: Whether it is the gold profile, shape (n_ads,).
    """
    gaps = np.bincount(_bins(confidence), weights=confidence - right, minlength=BINS)
    return float(np.abs(gaps).sum() / len(confidence))


@dataclass(frozen=True)
class Bin:
    """The ads whose confidence lies in one bin.

    Attributes:
        low, high: Bounds of the bin, the upper one not included (but in the last bin).
        ads: How many they are.
        confidence: Their mean confidence, None where there are none.
        right: Share of them whose profile is right.
        right_95: Its 95 % bootstrap interval over clusters; None where there is none.
    """

    low: float
    high: float
    ads: int
    confidence: float | None
    right: float | None
    right_95: Interval | None


def reliability_table(
    confidence: NDArray[np.float64], right: NDArray[np.bool_], bootstrap: Bootstrap
) -> tuple[Bin, ...]:
    """Mean confidence and share of right profiles, bin by bin (the reliability diagram of DeGroot & Fienberg 1983).

    Args:
        confidence: Of the profile given, from 0 to 1, shape (n_ads,).
        right: Whether it is the gold profile, shape (n_ads,).
        bootstrap: How the ads are resampled.
    """
    member = _bins(confidence)[:, None] == np.arange(BINS)
    counts = np.stack([member, member & right[:, None]], axis=1)  # shape (n_ads, 2, BINS)

    def shares(sums: NDArray[np.float64]) -> NDArray[np.float64]:
        return ratio(sums[:, 1], sums[:, 0])

    ads, hits = counts.sum(0)
    sums = (member * confidence[:, None]).sum(0)
    return tuple(
        Bin(i / BINS, (i + 1) / BINS, int(n), float(s / n) if n else None, float(r / n) if n else None, interval)
        for i, (n, r, s, interval) in enumerate(zip(ads, hits, sums, bootstrap.intervals(counts, shares), strict=True))
    )


def _bins(confidence: NDArray[np.float64]) -> Ints:
    return np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
