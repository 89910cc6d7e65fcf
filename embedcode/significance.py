"""Whether one coder is right more often than another, with a third as the truth.

McNemar's exact test (McNemar 1947) takes every ad for itself. Near-duplicates are no independent evidence: the
permutation test swaps the two coders cluster by cluster, which flips the sign of a cluster's difference (Good 2005,
Permutation, Parametric and Bootstrap Tests of Hypotheses, section 3.2).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedcode.bootstrap import Bootstrap, Estimate, Floats, ratio

PERMUTATIONS = 9999


@dataclass(frozen=True)
class Comparison:
    """Two coders beside the reference, on the ads that all three have.

    Attributes:
        ads: How many they are, and clusters of near-duplicates.
        only_first: Ads on which only the first coder is right.
        only_second: Ads on which only the second is.
        difference: Accuracy of the first less that of the second.
        mcnemar: Two-sided p of McNemar's exact test; None where no ad parts the two, with `reason`.
        permutation: Two-sided p of the permutation test by cluster; likewise.
        reason: Why both are None; empty where they are not.
    """

    first: str
    second: str
    ads: int
    clusters: int
    only_first: int
    only_second: int
    difference: Estimate
    mcnemar: float | None
    permutation: float | None
    reason: str


def compare(
    first: str, second: str, right: NDArray[np.bool_], bootstrap: Bootstrap, permutations: int = PERMUTATIONS
) -> Comparison:
    """Compare two coders with the truth.

    Args:
        first, second: Their names.
        right: Whether each coder is right on each ad, shape (2, n_ads).
        bootstrap: The clusters of the ads, and how they are resampled.
        permutations: Random permutations, where there are too many to try all.
    """
    difference = right[0].astype(np.int64) - right[1]
    n = len(difference)
    only_first, only_second = int((difference > 0).sum()), int((difference < 0).sum())
    counts = np.stack([difference, np.ones(n, dtype=np.int64)], axis=1)
    no_ads = "no ad was coded by both coders and the reference"
    reason = no_ads if not n else "" if only_first + only_second else "both are right on the same ads"
    by_cluster = np.bincount(bootstrap.cluster, weights=difference, minlength=bootstrap.clusters).astype(np.float64)
    return Comparison(
        first=first,
        second=second,
        ads=n,
        clusters=bootstrap.clusters,
        only_first=only_first,
        only_second=only_second,
        difference=bootstrap.estimate(counts, _mean, no_ads),
        mcnemar=None if reason else mcnemar(only_first, only_second),
        permutation=None if reason else sign_flips(by_cluster, permutations, bootstrap.seed),
        reason=reason,
    )


def _mean(sums: Floats) -> Floats:
    return ratio(sums[:, 0], sums[:, 1])


def mcnemar(only_first: int, only_second: int) -> float:
    """The two-sided p of McNemar's exact test: that of a fair coin for the ads on which one coder is right alone."""
    from scipy.stats import binomtest

    return float(binomtest(only_first, only_first + only_second).pvalue)


def sign_flips(differences: Floats, permutations: int = PERMUTATIONS, seed: int = 0) -> float:
    """The two-sided p of the permutation test on differences that may each have either sign.

    Args:
        differences: Of each cluster, shape (n_clusters,).
        permutations: How many are drawn; all are tried where there are no more.
        seed: Of the random draws.
    """
    from scipy.stats import permutation_test

    def total(values: NDArray[Any], axis: int) -> Any:
        return values.sum(axis=axis)

    # A zero has no sign and changes nothing; scipy asks for two values or more.
    parted = np.append(differences[differences != 0], 0.0)
    found = permutation_test(
        (parted,),
        total,
        permutation_type="samples",
        vectorized=True,
        n_resamples=permutations,
        batch=1 + (1 << 22) // len(parted),
        rng=np.random.default_rng(seed),
    )
    return float(found.pvalue)
