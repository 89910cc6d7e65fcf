"""The profile head: multinomial logistic regression over standardised features.

Fitted with scikit-learn in `build`, applied with numpy. A temperature, fitted on cross-validated scores (Guo et
al. 2017, https://arxiv.org/abs/1706.04599), calibrates the probabilities.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

CLIP = 4.0
"""Standardised features are clipped to this many standard deviations, so that no single one runs away."""

STRENGTHS = (0.002, 0.005, 0.01, 0.02, 0.05)
"""Inverse regularisation strengths to choose from."""


@dataclass(frozen=True)
class Head:
    """A fitted head.

    Attributes:
        profiles: Profiles in order.
        mean, scale: Of each feature on the labelled ads, shape (n_features,).
        weights: Shape (n_profiles, n_features).
        intercept: Shape (n_profiles,).
        temperature: Divides the scores before the softmax.
    """

    profiles: tuple[str, ...]
    mean: Floats
    scale: Floats
    weights: Floats
    intercept: Floats
    temperature: float

    def standardised(self, features: Floats) -> Floats:
        """Features as the head weighs them, shape (n_ads, n_features)."""
        return np.clip((features - self.mean) / self.scale, -CLIP, CLIP)

    def scores(self, features: Floats) -> Floats:
        """Log-odds up to a constant per ad, shape (n_ads, n_profiles).

        Summed along the features of one ad at a time: a matrix product would sum in an order that depends on
        the size of the batch.
        """
        x = self.standardised(features)
        scores = np.stack([(x * w).sum(axis=1) for w in self.weights], axis=1)
        return np.asarray((scores + self.intercept) / self.temperature)

    def probabilities(self, features: Floats) -> Floats:
        """Calibrated probability of each profile, shape (n_ads, n_profiles)."""
        return softmax(self.scores(features))

    def contributions(self, features: Floats, profile: int) -> Floats:
        """How much each feature speaks for a profile against the mean of the others, shape (n_ads, n_features)."""
        others = np.delete(self.weights, profile, axis=0).mean(axis=0)
        return np.asarray(self.standardised(features) * (self.weights[profile] - others) / self.temperature)


def softmax(scores: Floats) -> Floats:
    """Probabilities from scores, row by row."""
    e = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(e / e.sum(axis=1, keepdims=True))


def fit_head(
    features: Floats,
    profile: NDArray[np.int64],
    weight: Floats,
    folds: NDArray[np.int64],
    profiles: Sequence[str],
) -> tuple[Head, Floats, dict[int, Head]]:
    """Fit a head; regularisation and temperature are chosen by cross-validation over the given folds.

    Args:
        features: Shape (n_ads, n_features).
        profile: Index of each ad's profile, shape (n_ads,).
        weight: How much each ad counts, shape (n_ads,).
        folds: Fold of each ad, shape (n_ads,).
        profiles: Names of the profiles.

    Returns:
        The head fitted on all ads; the cross-validated probabilities, shape (n_ads, n_profiles), each from a head that
        has not seen the ad's fold; and these heads by fold.
    """
    best, best_loss, best_scores = STRENGTHS[0], np.inf, np.zeros((len(features), len(profiles)))
    best_parts: dict[int, Head] = {}
    for strength in STRENGTHS:
        scores = np.zeros((len(features), len(profiles)))
        parts: dict[int, Head] = {}
        for fold in np.unique(folds).tolist():
            train = folds != fold
            parts[fold] = _fit(features[train], profile[train], weight[train], profiles, strength)
            scores[~train] = parts[fold].scores(features[~train])
        loss = _loss(scores, profile, weight)
        if loss < best_loss:
            best, best_loss, best_scores, best_parts = strength, loss, scores, parts
    head = _fit(features, profile, weight, profiles, best)
    temperatures = np.exp(np.linspace(np.log(0.4), np.log(2.5), 64))
    temperature = float(min(temperatures, key=lambda t: _loss(best_scores / t, profile, np.ones(len(profile)))))
    calibrated = {fold: replace(part, temperature=temperature) for fold, part in best_parts.items()}
    return replace(head, temperature=temperature), softmax(best_scores / temperature), calibrated


def _loss(scores: Floats, profile: NDArray[np.int64], weight: Floats) -> float:
    p = softmax(scores)[np.arange(len(profile)), profile]
    return float(-(weight * np.log(np.maximum(p, 1e-12))).sum() / weight.sum())


def _fit(
    features: Floats, profile: NDArray[np.int64], weight: Floats, profiles: Sequence[str], strength: float
) -> Head:
    from sklearn.linear_model import LogisticRegression

    mean, scale = features.mean(axis=0), features.std(axis=0)
    scale = np.where(scale > 1e-9, scale, 1.0)
    x = np.clip((features - mean) / scale, -CLIP, CLIP)
    fit = LogisticRegression(C=strength, max_iter=500, tol=1e-4).fit(x, profile, sample_weight=weight)
    weights, intercept = np.zeros((len(profiles), x.shape[1])), np.full(len(profiles), -20.0)
    if len(fit.classes_) == 2:
        weights[fit.classes_] = np.stack([-fit.coef_[0], fit.coef_[0]]) / 2
        intercept[fit.classes_] = np.array([-fit.intercept_[0], fit.intercept_[0]]) / 2
    else:
        weights[fit.classes_], intercept[fit.classes_] = fit.coef_, fit.intercept_
    return Head(tuple(profiles), mean, scale, weights, intercept, 1.0)
