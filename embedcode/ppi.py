"""Shares of a population that a machine labelled, corrected by a random sample that people labelled.

The estimator is that of prediction-powered inference (Angelopoulos et al. 2023, Science 382:669) with the power-tuned
lambda of PPI++ (Angelopoulos, Duchi and Zrnic 2023, arXiv:2311.01453), both of whose moments are taken in the sample;
the ads outside the sample are the unlabelled ones. For labels it has a plain form: within each machine label, the share
that people found in the sample, weighted by how often the machine gave that label in the population
(post-stratification, Holt and Smith 1979).

The normal interval of those papers fails for rare labels and good machines: with no error in the sample it allows for
none in the population. Here each part gets Wilson's interval (1927), and the parts are joined by the method of
variance estimates recovery, MOVER (Zou, Huang and Zhang 2009, Computational Statistics and Data Analysis 53:1080).
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Shares:
    """Shares of a population with their interval, from 0 to 1, all of one shape."""

    estimate: Floats
    low: Floats
    high: Floats


def corrected(
    population: NDArray[np.int64],
    sampled: NDArray[np.int64],
    found: NDArray[np.int64],
    said: NDArray[np.bool_],
    level: float,
) -> Shares:
    """Estimate shares of a finite population.

    The sample is drawn at random without replacement, so the interval holds for this population however much its
    members resemble each other, and closes where all of them were labelled by people.

    Args:
        population: How many members got each machine label, shape (..., n_labels).
        sampled: How many of them are in the sample, shape (..., n_labels).
        found: In how many of these people found what is asked for, shape (..., n_labels).
        said: Whether a label says that it is there, shape (n_labels,). Where the sample has no member with a label,
            lambda cannot be tuned and is 1, as at first published: these members count as the machine says, with an
            interval from 0 to 1.
        level: Confidence level, such as 0.95.

    Returns:
        Shape (...).
    """
    weight = population / population.sum(-1, keepdims=True)
    seen = sampled > 0
    share = np.where(seen, found / np.maximum(sampled, 1), said)
    low, high = _wilson(share, sampled, population, level)
    low, high = np.where(seen, low, 0.0), np.where(seen, high, 1.0)
    estimate = (weight * share).sum(-1)
    below = np.sqrt(((weight * (share - low)) ** 2).sum(-1))
    above = np.sqrt(((weight * (high - share)) ** 2).sum(-1))
    return Shares(estimate, np.maximum(estimate - below, 0.0), np.minimum(estimate + above, 1.0))


def _wilson(
    share: Floats, sampled: NDArray[np.int64], population: NDArray[np.int64], level: float
) -> tuple[Floats, Floats]:
    """Wilson's interval; a sample from few counts as a larger one from many, by the finite population correction."""
    left = population - sampled
    worth = np.where(left > 0, sampled * (population - 1.0) / np.maximum(left, 1), np.inf)
    z = NormalDist().inv_cdf((1 + level) / 2)
    per = z * z / np.where(sampled > 0, worth, 1.0)
    centre = (share + per / 2) / (1 + per)
    half = np.sqrt(share * (1 - share) * per + per * per / 4) / (1 + per)
    return centre - half, centre + half
