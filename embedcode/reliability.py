"""Reliability of labels: how far any number of coders agree beyond chance.

Each figure starts from counts per ad and is a function of their sums, so that it can be bootstrapped by cluster:
Cohen's kappa of two coders (Cohen 1960), Fleiss' kappa (Fleiss 1971), Krippendorff's alpha for nominal labels
(Krippendorff 2011, Computing Krippendorff's Alpha-Reliability).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from embedcode.bootstrap import Bootstrap, Estimate, Floats, Ints, Statistic, ratio
from embedcode.kappa import kappas

UNLABELLED = -1
"""Stands for the label of an ad that a coder did not label."""

_ONE_LABEL = "all labels are one and the same, so that nothing can be told from chance"


@dataclass(frozen=True)
class Pair:
    """How far two coders agree on the ads that both labelled.

    Attributes:
        ads: How many ads both labelled.
        agreement: Share of them with the same label.
        kappa: Cohen's kappa.
    """

    first: str
    second: str
    ads: int
    agreement: Estimate
    kappa: Estimate


@dataclass(frozen=True)
class Reliability:
    """How far coders agree on labels.

    Attributes:
        coders: Their names.
        ads: How many ads two or more of them labelled.
        by_all: How many ads all of them labelled.
        agreement: Share of pairs of coders with the same label, mean over the ads that all labelled.
        unanimous: Share of the ads that all labelled on which all agree.
        fleiss: Fleiss' kappa, on the ads that all labelled.
        alpha: Krippendorff's alpha for nominal labels, on the ads that two or more labelled.
        pairs: The same for each two coders.
    """

    coders: tuple[str, ...]
    ads: int
    by_all: int
    agreement: Estimate
    unanimous: Estimate
    fleiss: Estimate
    alpha: Estimate
    pairs: tuple[Pair, ...]


def reliability(coders: Sequence[str], labels: Ints, n_labels: int, bootstrap: Bootstrap) -> Reliability:
    """Measure how far coders agree.

    Args:
        coders: Their names.
        labels: The label of each ad by each coder, `UNLABELLED` for none, shape (n_coders, n_ads).
        n_labels: How many labels there are.
        bootstrap: How the ads are resampled.
    """
    counts = value_counts(labels, n_labels)
    raters = counts.sum(1)
    complete = raters == len(coders)
    full, of_full = counts[complete], bootstrap.only(complete)
    nobody = "no ad was labelled by all coders"
    none = "no ad was labelled by two coders"

    def on_full(statistic: Statistic, reason: str) -> Estimate:
        return of_full.estimate(agreeing_pairs(full), statistic, reason if len(full) else nobody)

    return Reliability(
        coders=tuple(coders),
        ads=int((raters >= 2).sum()),
        by_all=len(full),
        agreement=on_full(observed_agreement, nobody),
        unanimous=of_full.estimate(
            np.stack([(full == len(coders)).any(1), np.ones(len(full))], axis=1),
            lambda sums: ratio(sums[:, 0], sums[:, 1]),
            nobody,
        ),
        fleiss=on_full(fleiss_kappas, _ONE_LABEL),
        alpha=bootstrap.estimate(
            coincidences(counts), krippendorff_alphas, _ONE_LABEL if (raters >= 2).any() else none
        ),
        pairs=tuple(
            _pair((coders[i], coders[j]), labels[[i, j]], n_labels, bootstrap)
            for i, j in combinations(range(len(coders)), 2)
        ),
    )


def _pair(names: tuple[str, str], labels: Ints, n_labels: int, bootstrap: Bootstrap) -> Pair:
    both = (labels != UNLABELLED).all(0)
    tables = np.zeros((int(both.sum()), n_labels, n_labels + 1))
    tables[np.arange(len(tables)), labels[0, both], labels[1, both]] = 1
    of_both = bootstrap.only(both)
    none = "no ad was labelled by both coders"
    return Pair(
        *names,
        ads=len(tables),
        agreement=of_both.estimate(
            tables, lambda sums: ratio(np.trace(sums, axis1=1, axis2=2), sums.sum((1, 2))), none
        ),
        kappa=of_both.estimate(tables, kappas, _ONE_LABEL if len(tables) else none),
    )


def value_counts(labels: Ints, n_labels: int) -> Ints:
    """How many coders gave each label to each ad, shape (n_coders, n_ads) to (n_ads, n_labels)."""
    return np.asarray((labels[:, :, None] == np.arange(n_labels)).sum(0), dtype=np.int64)


def agreeing_pairs(counts: Ints) -> Floats:
    """What Fleiss' kappa sums over ads: the counts of labels, agreeing pairs of coders, and all pairs.

    Args:
        counts: How many coders gave each label to each ad, the same number of coders for each, shape
            (n_ads, n_labels).

    Returns:
        Shape (n_ads, n_labels + 2).
    """
    raters = counts.sum(1)
    agreeing = (counts * (counts - 1)).sum(1)
    return np.concatenate([counts, agreeing[:, None], (raters * (raters - 1))[:, None]], axis=1).astype(np.float64)


def observed_agreement(sums: Floats) -> Floats:
    """Mean share of agreeing pairs of coders, of sums of `agreeing_pairs`, shape (n, n_labels + 2) to (n,)."""
    return ratio(sums[:, -2], sums[:, -1])


def fleiss_kappas(sums: Floats) -> Floats:
    """Fleiss' kappa of sums of `agreeing_pairs`, shape (n, n_labels + 2) to (n,); NaN where only one label occurs."""
    counts = sums[:, :-2]
    by_chance = (ratio(counts.T, counts.sum(1)) ** 2).sum(0)
    return ratio(observed_agreement(sums) - by_chance, 1 - by_chance)


def coincidences(counts: Ints) -> Floats:
    """The coincidence matrix of each ad: its pairs of labels by different coders, weighted by 1 / (coders - 1).

    Args:
        counts: How many coders gave each label to each ad, shape (n_ads, n_labels).

    Returns:
        Shape (n_ads, n_labels, n_labels); zero where fewer than two coders labelled the ad.
    """
    pairs = counts[:, :, None] * counts[:, None, :] - counts[:, :, None] * np.eye(counts.shape[1], dtype=np.int64)
    return np.asarray(pairs / np.maximum(counts.sum(1) - 1, 1)[:, None, None], dtype=np.float64)


def krippendorff_alphas(sums: Floats) -> Floats:
    """Krippendorff's alpha (nominal) of summed coincidence matrices, shape (n, n_labels, n_labels) to (n,).

    NaN where only one label occurs, or no ad was labelled twice.
    """
    by_label = sums.sum(2)
    total = by_label.sum(1)
    observed = total - np.trace(sums, axis1=1, axis2=2)
    return 1 - ratio((total - 1) * observed, total**2 - (by_label**2).sum(1))
