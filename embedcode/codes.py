"""From similarities to codes: how likely a segment carries each TASK and SKILL code.

A code's strength in a segment is a soft maximum of the cosines to its anchors, `log mean exp(b cos) / b`; the same
over the negative anchors speaks against every code. A logistic regression per code turns both into a probability.
A segment's own probability and the best one of its clauses are averaged and calibrated once more (Platt 1999). A
code is given where its probability reaches the code's threshold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedcode.types import NEGATIVE, WORK, Anchor
from embedcode.vectors import SCALE

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

    def sums(self, vectors: NDArray[np.int8]) -> Floats:
        """Sums of exp(b (cos - 1)) over the anchors of each pool, shape (n_texts, n_pools).

        The inner products are sums of whole numbers, exact in any order; what follows runs row by row. So the
        result does not depend on the batch.

        Args:
            vectors: Quantised vectors of texts, shape (n_texts, dimension).
        """
        out = np.zeros((len(vectors), len(self.names)))
        for first in range(0, len(vectors), BLOCK):
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
        platt: Slope and intercept of the calibration of the averaged score's log-odds, shape (n_codes, 2).
        thresholds: Probabilities from which a code is given, shape (n_codes,).
    """

    codes: tuple[str, ...]
    strength: Floats
    platt: Floats
    thresholds: Floats

    def own(self, strengths: Floats) -> Floats:
        """Probabilities of texts on their own, shape (n_texts, n_codes)."""
        a, b, c = self.strength.T
        return sigmoid(a + b * strengths[:, :-1] + c * strengths[:, -1:])

    def probabilities(self, whole: Floats, clauses: Floats, text: NDArray[np.int64]) -> Floats:
        """Calibrated probability of each code for each segment.

        Args:
            whole: Strengths of the segments, shape (n_segments, n_codes + 1).
            clauses: Strengths of their clauses, shape (n_clauses, n_codes + 1).
            text: Segment of each clause, ascending, shape (n_clauses,).

        Returns:
            Shape (n_segments, n_codes).
        """
        return sigmoid(
            log_odds(averaged(self.own(whole), self.own(clauses), text)) * self.platt[:, 0] + self.platt[:, 1]
        )

    def given(self, probabilities: Floats) -> NDArray[np.bool_]:
        """Which codes reach their thresholds, shape (n_segments, n_codes)."""
        return probabilities >= self.thresholds


def averaged(whole: Floats, clauses: Floats, text: NDArray[np.int64]) -> Floats:
    """The mean of each segment's own probabilities and the best of its clauses."""
    best = whole.copy()
    if len(text):
        first = np.flatnonzero(np.diff(text, prepend=-1))
        best[text[first]] = np.maximum.reduceat(clauses, first, axis=0)
    return (whole + best) / 2


def sigmoid(x: Floats) -> Floats:
    """1 / (1 + exp(-x)), without overflow."""
    return np.asarray(np.exp(-np.logaddexp(0.0, -x)))


def log_odds(p: Floats) -> Floats:
    """log(p / (1 - p)), for probabilities clipped to 1e-6 ... 1 - 1e-6."""
    p = np.clip(p, 1e-6, 1 - 1e-6)
    return np.asarray(np.log(p) - np.log1p(-p))


def fit_codes(
    codes: tuple[str, ...],
    whole: Floats,
    clauses: Floats,
    text: NDArray[np.int64],
    labels: NDArray[np.bool_],
    known: NDArray[np.bool_],
) -> CodeModel:
    """Fit calibration and thresholds on coded segments.

    Args:
        codes: Codes in order.
        whole, clauses, text: As for `CodeModel.probabilities`.
        labels: Codes given by the coders, shape (n_segments, n_codes).
        known: False where the coders disagree, same shape; left out of the fit.
    """
    strength = np.zeros((len(codes), 3))
    for i in range(len(codes)):
        x, y, use = whole[:, [i, -1]], labels[:, i], known[:, i]
        strength[i] = _logistic(x[use], y[use])
    model = CodeModel(codes, strength, np.tile([1.0, 0.0], (len(codes), 1)), np.full(len(codes), 0.5))
    odds = log_odds(averaged(model.own(whole), model.own(clauses), text))
    platt = np.zeros((len(codes), 2))
    for i in range(len(codes)):
        use = known[:, i]
        intercept, slope = _logistic(odds[use, i, None], labels[use, i])
        platt[i] = slope, intercept
    p = sigmoid(odds * platt[:, 0] + platt[:, 1])
    thresholds = np.array([best_threshold(p[known[:, i], i], labels[known[:, i], i]) for i in range(len(codes))])
    return CodeModel(codes, strength, platt, thresholds)


def best_threshold(p: Floats, y: NDArray[np.bool_]) -> float:
    """The threshold with the highest F1, the middle of the range within 0.002 of the best."""
    grid = np.arange(0.05, 0.95, 0.01)
    given = p[:, None] >= grid
    hits = (given & y[:, None]).sum(axis=0)
    f1 = 2 * hits / np.maximum(given.sum(axis=0) + y.sum(), 1)
    near = grid[f1 >= f1.max() - 0.002]
    return float(np.round(near.mean(), 4))


def _logistic(x: Floats, y: NDArray[np.bool_]) -> Floats:
    """Intercept and weights of a nearly unregularised logistic regression."""
    from sklearn.linear_model import LogisticRegression

    if y.all() or not y.any():
        # Nothing to learn from: the rate alone, with one pseudo-count each way.
        rate = (y.sum() + 1) / (len(y) + 2)
        return np.array([float(log_odds(np.array(rate))), *([0.0] * x.shape[1])])
    fit = LogisticRegression(C=100.0, max_iter=1000).fit(x, y)
    return np.concatenate([fit.intercept_, fit.coef_[0]])
