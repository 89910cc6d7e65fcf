"""From similarities to codes: how likely a segment carries each TASK and SKILL code.

A code's strength in a segment is a soft maximum of the cosines to its anchors, `log mean exp(b cos) / b`; the same
over the negative anchors speaks against every code. A logistic regression per code turns both into a score. A
second one (Platt 1999) calibrates that score in view of the mean score of the whole ad. A code is given where its
probability reaches the code's threshold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedcode.types import NEGATIVE, WORK, Anchor
from embedcode.vectors import SCALE, grouped_sums

SHARPNESS = 15.0
"""b of the soft maximum: 0 would be the mean of the cosines, infinity the maximum."""

BLOCK = 1024
"""Rows that are compared with all anchors at once; the products then fit the processor's cache."""

Floats = NDArray[np.float64]


class Pools:
    """Anchors that are pooled: one pool per code, all negative anchors in one.

    A code whose facets tell kinds of work apart (`generative`, `predictive`) has a pool for each facet.

    Attributes:
        codes: The phrase codes that have anchors, in order of appearance.
        names: Names of the pools, `(code, facet)`; the negative pool, `(NEG, "")`, comes last.
    """

    def __init__(self, anchors: Sequence[Anchor], vectors: NDArray[np.int8]) -> None:
        """Pool anchors.

        Args:
            anchors: The anchors.
            vectors: Their quantised vectors, shape (n_anchors, dimension).
        """
        split = {a.code for a in anchors if a.code != NEGATIVE and a.facet in WORK}
        names = [(a.code, a.facet if a.code in split else "") for a in anchors]
        self.codes = tuple(dict.fromkeys(c for c, _ in names if c != NEGATIVE))
        self.names = (*dict.fromkeys(n for n in names if n[0] != NEGATIVE), (NEGATIVE, ""))
        pool = np.array([self.names.index(n) for n in names], dtype=np.int64)
        order = np.argsort(pool, kind="stable")
        self._columns = np.ascontiguousarray(vectors[order].T.astype(np.float32))
        self._present = np.unique(pool)
        self._starts = np.searchsorted(pool[order], self._present)
        size = np.bincount(pool, minlength=len(self.names))
        slots = [*self.codes, NEGATIVE]
        self._members = [[i for i, (c, _) in enumerate(self.names) if c == code] for code in slots]
        self._sizes = np.array([max(1, size[m].sum()) for m in self._members], dtype=np.float64)

    def members(self, code: str) -> list[int]:
        """The pools of a code."""
        return self._members[self.codes.index(code)]

    def sums(self, vectors: NDArray[np.int8]) -> NDArray[np.float32]:
        """Sums of exp(b (cos - 1)) over the anchors of each pool, shape (n_texts, n_pools).

        The inner products are sums of whole numbers, exact in any order; what follows runs row by row. So the
        result does not depend on the batch.

        Args:
            vectors: Quantised vectors of texts, shape (n_texts, dimension).
        """
        out = np.zeros((len(vectors), len(self.names)), dtype=np.float32)
        for first in range(0, len(vectors), BLOCK):
            # Some BLAS kernels raise floating-point flags for lanes that they do not use.
            with np.errstate(invalid="ignore"):
                products = vectors[first : first + BLOCK].astype(np.float32) @ self._columns
            products *= np.float32(SHARPNESS / SCALE**2)
            products -= np.float32(SHARPNESS)
            np.exp(products, out=products)
            out[first : first + BLOCK, self._present] = np.add.reduceat(products, self._starts, axis=1)
        return out

    def strengths(self, sums: Floats) -> Floats:
        """Soft maxima per code, NEG last, on the scale of cosines; shape (n_texts, n_codes + 1)."""
        total = np.zeros((len(sums), len(self._members)))
        for slot, members in enumerate(self._members):
            for pool in members:
                total[:, slot] += sums[:, pool]
        # A code without anchors is as far off as can be.
        return np.asarray(np.log(np.maximum(total / self._sizes, np.exp(-2 * SHARPNESS))) / SHARPNESS + 1.0)


@dataclass(frozen=True)
class CodeModel:
    """Calibration and thresholds of the codes.

    Attributes:
        codes: Codes in order.
        strength: Weights of intercept, own strength and negative strength, shape (n_codes, 3).
        context: Weights of intercept, the segment's score (log-odds) and the mean of the scores in its ad, shape
            (n_codes, 3).
        thresholds: Probabilities from which a code is given, shape (n_codes,).
    """

    codes: tuple[str, ...]
    strength: Floats
    context: Floats
    thresholds: Floats

    def scores(self, strengths: Floats) -> Floats:
        """Scores of segments by themselves, shape (n_segments, n_codes).

        Args:
            strengths: As from `Pools.strengths`, shape (n_segments, n_codes + 1).
        """
        a, b, c = self.strength.T
        return sigmoid(a + b * strengths[:, :-1] + c * strengths[:, -1:])

    def probabilities(self, scores: Floats, ad: NDArray[np.int64]) -> Floats:
        """Calibrated probability of each code for each segment.

        Ads differ in how much of their text speaks of the work; the mean score of the ad accounts for that.

        Args:
            scores: As from `scores`.
            ad: Ad of each segment, ascending, shape (n_segments,).

        Returns:
            Shape (n_segments, n_codes).
        """
        a, b, c = self.context.T
        return sigmoid(a + b * log_odds(scores) + c * ad_means(scores, ad))

    def given(self, probabilities: Floats) -> NDArray[np.bool_]:
        """Which codes reach their thresholds, shape (n_segments, n_codes)."""
        return probabilities >= self.thresholds


def ad_means(scores: Floats, ad: NDArray[np.int64]) -> Floats:
    """The mean scores of each segment's ad, shape (n_segments, n_codes)."""
    numbers, place, size = np.unique(ad, return_inverse=True, return_counts=True)
    starts = np.concatenate([[0], np.cumsum(size)])
    sums = grouped_sums(scores, np.arange(len(scores)), starts)
    return np.asarray((sums / size[:, None])[place]) if len(numbers) else scores


def sigmoid(x: Floats) -> Floats:
    """1 / (1 + exp(-x)), without overflow."""
    return np.asarray(np.exp(-np.logaddexp(0.0, -x)))


def log_odds(p: Floats) -> Floats:
    """log(p / (1 - p)), for probabilities clipped to 1e-6 ... 1 - 1e-6."""
    p = np.clip(p, 1e-6, 1 - 1e-6)
    return np.asarray(np.log(p) - np.log1p(-p))


def fit_codes(
    codes: tuple[str, ...],
    strengths: Floats,
    ad: NDArray[np.int64],
    labels: NDArray[np.bool_],
    known: NDArray[np.bool_],
) -> CodeModel:
    """Fit calibration and thresholds on coded segments.

    Args:
        codes: Codes in order.
        strengths: As for `CodeModel.scores`.
        ad: Ad of each segment, ascending, shape (n_segments,).
        labels: Codes given by the coders, shape (n_segments, n_codes).
        known: False where the coders disagree, same shape; left out of the fit.
    """
    strength, context = np.zeros((len(codes), 3)), np.zeros((len(codes), 3))
    for i in range(len(codes)):
        use = known[:, i]
        strength[i] = _logistic(strengths[use][:, [i, -1]], labels[use, i])
    model = CodeModel(codes, strength, context, np.zeros(len(codes)))
    scores = model.scores(strengths)
    odds, means = log_odds(scores), ad_means(scores, ad)
    for i in range(len(codes)):
        use = known[:, i]
        context[i] = _logistic(np.stack([odds[use, i], means[use, i]], axis=1), labels[use, i])
    p = model.probabilities(scores, ad)
    thresholds = np.array([best_threshold(p[known[:, i], i], labels[known[:, i], i]) for i in range(len(codes))])
    return CodeModel(codes, strength, context, thresholds)


def best_threshold(p: Floats, y: NDArray[np.bool_]) -> float:
    """The middle of the stretch of thresholds around the best one whose F1 is within 0.002 of the best."""
    grid = np.arange(0.05, 0.95, 0.01)
    given = p[:, None] >= grid
    hits = (given & y[:, None]).sum(axis=0)
    f1 = 2 * hits / np.maximum(given.sum(axis=0) + y.sum(), 1)
    best = int(f1.argmax())
    worse = np.flatnonzero(f1 < f1[best] - 0.002)
    first, last = worse[worse < best].max(initial=-1) + 1, worse[worse > best].min(initial=len(grid)) - 1
    return float(np.round((grid[first] + grid[last]) / 2, 4))


def _logistic(x: Floats, y: NDArray[np.bool_]) -> Floats:
    """Intercept and weights of a lightly regularised logistic regression."""
    from sklearn.linear_model import LogisticRegression

    if y.all() or not y.any():
        # Nothing to learn from: the rate alone, with one pseudo-count each way.
        rate = (y.sum() + 1) / (len(y) + 2)
        return np.array([float(log_odds(np.array(rate))), *([0.0] * x.shape[1])])
    mean, spread = x.mean(axis=0), x.std(axis=0)
    scale = np.where(spread > 1e-9, spread, 1.0)
    fit = LogisticRegression(C=10.0, max_iter=1000).fit((x - mean) / scale, y)
    weights = fit.coef_[0] / scale
    return np.concatenate([fit.intercept_ - weights @ mean, weights])
