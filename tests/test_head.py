"""The profile head: scores by hand, the same in any batch, fits with a known answer."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from embedcode.head import CLIP, Floats, Head, fit_head, softmax

PROFILES = ("ML Engineer", "GenAI Engineer", "Other")


def head_at_random(n_features: int = 200, profiles: tuple[str, ...] = PROFILES) -> Head:
    rng = np.random.default_rng(0)
    n = len(profiles)
    return Head(
        profiles,
        mean=rng.normal(size=n_features),
        scale=rng.uniform(0.5, 2, n_features),
        weights=rng.normal(size=(n, n_features)) * 0.1,
        intercept=rng.normal(size=n),
        temperature=1.3,
    )


def test_by_hand() -> None:
    head = Head(
        ("A", "B"),
        mean=np.array([1.0, 0.0]),
        scale=np.array([2.0, 0.5]),
        weights=np.array([[1.0, 0.0], [0.0, -1.0]]),
        intercept=np.array([0.5, 0.0]),
        temperature=2.0,
    )
    features = np.array([[3.0, 1.0], [1.0, 100.0]])
    assert head.standardised(features).tolist() == [[1.0, 2.0], [0.0, CLIP]]
    assert head.scores(features).tolist() == [[0.75, -1.0], [0.25, -2.0]]
    assert head.probabilities(features)[0, 0] == pytest.approx(1 / (1 + math.exp(-1.75)))
    assert head.contributions(features, 0).tolist() == [[0.5, 1.0], [0.0, 2.0]]


@given(arrays(np.float64, (3, 4), elements=st.floats(-1000, 1000)))
def test_probabilities_sum_to_one(scores: Floats) -> None:
    p = softmax(scores)
    assert (p >= 0).all()
    assert p.sum(axis=1) == pytest.approx(np.ones(3))
    assert (p[np.arange(3), scores.argmax(axis=1)] == p.max(axis=1)).all()


@given(arrays(np.float64, (2, 5), elements=st.floats(-1e6, 1e6)))
def test_probabilities_of_any_features(features: Floats) -> None:
    head = head_at_random(5)
    p = head.probabilities(features)
    assert p.sum(axis=1) == pytest.approx(np.ones(2))
    for row, scores in zip(p, head.scores(features), strict=True):
        assert np.log(row[0] / row[1]) == pytest.approx(scores[0] - scores[1])


@pytest.mark.parametrize("profiles", [("A", "B"), PROFILES, tuple("ABCDEFGHIJ")])
def test_the_batch_does_not_matter(profiles: tuple[str, ...]) -> None:
    head = head_at_random(profiles=profiles)
    features = np.random.default_rng(1).normal(size=(1000, 200))
    whole = head.probabilities(features)
    for size in (1, 2, 7, 64):
        for first in range(0, 1000 - size, 97):
            part = features[first : first + size].copy()
            assert head.probabilities(part).tobytes() == whole[first : first + size].tobytes()


@pytest.mark.parametrize("profile", [0, 1, 2])
def test_contributions_add_up_to_the_scores(profile: int) -> None:
    head = head_at_random()
    features = np.random.default_rng(2).normal(size=(20, 200)) * 3
    scores = head.scores(features)
    others = np.delete(scores, profile, axis=1).mean(axis=1)
    constant = (head.intercept[profile] - np.delete(head.intercept, profile).mean()) / head.temperature
    got = head.contributions(features, profile)
    assert got.shape == features.shape
    assert got.sum(axis=1) + constant == pytest.approx(scores[:, profile] - others)


def separable(n: int = 150, profiles: int = 3) -> tuple[Floats, np.ndarray]:
    """Features of which the first ones tell the profile; one never changes."""
    rng = np.random.default_rng(4)
    profile = np.arange(n) % profiles
    features = rng.normal(size=(n, 6)) * 0.1
    features[np.arange(n), profile] += 2
    features[:, 5] = 7.0
    return features, profile


def test_fit_on_separable_data() -> None:
    features, profile = separable()
    head, crossed, _ = fit_head(features, profile, np.ones(150), np.arange(150) % 5, PROFILES)
    assert head.profiles == PROFILES
    assert (head.probabilities(features).argmax(axis=1) == profile).all()
    assert (crossed.argmax(axis=1) == profile).all()
    assert crossed.sum(axis=1) == pytest.approx(np.ones(150))
    assert head.scale[5] == 1.0
    assert 0.4 - 1e-9 <= head.temperature <= 2.5 + 1e-9
    assert (np.diag(head.weights[:, :3]) > 0.1).all()
    best = head.contributions(features, 1)[profile == 1].mean(axis=0)
    assert best.argmax() == 1


def test_cross_validated_probabilities_have_not_seen_the_fold() -> None:
    features, profile = separable()
    folds = np.arange(150) // 3 % 5  # each fold holds every profile
    own = folds == 2
    wrong = np.where(own, (profile + 1) % 3, profile)
    _, crossed, _ = fit_head(features, wrong, np.ones(150), folds, PROFILES)
    # The labels of the fold are wrong; a head that had seen them would waver or follow them.
    assert (crossed[own].argmax(axis=1) == profile[own]).all()


def test_the_heads_of_the_folds_give_the_cross_validated_probabilities() -> None:
    features, profile = separable()
    folds = np.arange(150) // 3 % 5
    head, crossed, parts = fit_head(features, profile, np.ones(150), folds, PROFILES)
    assert sorted(parts) == [0, 1, 2, 3, 4]
    for fold, part in parts.items():
        assert part.temperature == head.temperature
        assert part.probabilities(features[folds == fold]) == pytest.approx(crossed[folds == fold])


def test_a_profile_that_a_fold_does_not_know() -> None:
    features, profile = separable()
    folds = np.arange(150) % 5
    folds[profile == 2] = 4  # all ads of the last profile in one fold
    head, crossed, _ = fit_head(features, profile, np.ones(150), folds, PROFILES)
    assert np.isfinite(crossed).all()
    assert crossed.sum(axis=1) == pytest.approx(np.ones(150))
    assert (crossed[profile == 2, 2] < 1e-3).all()  # no head there has met the profile
    assert (head.probabilities(features).argmax(axis=1) == profile).all()


def test_a_profile_without_ads() -> None:
    features, profile = separable(100, profiles=2)
    head, crossed, _ = fit_head(features, profile, np.ones(100), np.arange(100) // 2 % 5, PROFILES)
    p = head.probabilities(features)
    assert (p.argmax(axis=1) == profile).all()
    assert (crossed.argmax(axis=1) == profile).all()
    assert (p[:, 2] < 1e-3).all()
    assert not head.weights[2].any()


def test_two_profiles() -> None:
    features, profile = separable(100, profiles=2)
    head, _, _ = fit_head(features, profile, np.ones(100), np.arange(100) // 2 % 5, PROFILES[:2])
    scores = head.scores(features)
    assert head.weights[0] == pytest.approx(-head.weights[1])
    assert (scores.argmax(axis=1) == profile).all()


def test_weights_of_ads_count() -> None:
    features, profile = separable()
    mislabelled = profile.copy()
    mislabelled[:30] = (profile[:30] + 1) % 3
    weight = np.ones(150)
    weight[:30] = 1e-6
    head, _, _ = fit_head(features, mislabelled, weight, np.arange(150) // 3 % 5, PROFILES)
    assert (head.probabilities(features).argmax(axis=1) == profile).all()
    heavy, _, _ = fit_head(features, mislabelled, 1 / weight, np.arange(150) // 3 % 5, PROFILES)
    assert (heavy.probabilities(features[:30]).argmax(axis=1) == mislabelled[:30]).all()
