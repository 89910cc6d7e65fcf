"""From neighbours to codes: pools and probabilities against loops, fits on data with a known answer."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from embedcode.codes import (
    SHARPNESS,
    CodeModel,
    Floats,
    Pools,
    ad_means,
    best_threshold,
    fit_codes,
    log_odds,
    sigmoid,
)
from embedcode.types import NEGATIVE, Anchor
from embedcode.vectors import SCALE, quantise, unit

ANCHORS = [
    Anchor(f"{code}-{i}", code, f"phrase {i}", facet, "en")
    for i, (code, facet) in enumerate(
        [
            ("TASK3", "generative"),
            ("TASK3", "predictive"),
            ("TASK3", "generative"),
            (NEGATIVE, "company"),
            ("SKILL1", "talking"),
            (NEGATIVE, "benefits"),
            ("TASK3", "predictive"),
            ("TASK3", "generative"),
        ]
    )
]


Small = NDArray[np.int8]


def unit_vectors(count: int, dimension: int, seed: int) -> Small:
    return quantise(unit(np.random.default_rng(seed).normal(size=(count, dimension)).astype(np.float32)))


def test_pools_of_anchors() -> None:
    pools = Pools(ANCHORS, unit_vectors(8, 4, 0))
    assert pools.codes == ("TASK3", "SKILL1")
    # Only the facets that tell kinds of work apart make pools of their own.
    assert pools.names == (("TASK3", "generative"), ("TASK3", "predictive"), ("SKILL1", ""), (NEGATIVE, ""))
    assert pools.members("TASK3") == [0, 1]
    assert pools.members("SKILL1") == [2]


def test_strengths_by_hand() -> None:
    vectors = np.zeros((8, 2), dtype=np.int8)
    vectors[0] = 64, 0
    vectors[4] = 0, 64
    texts = np.array([[127, 0], [0, 0], [0, -128]], dtype=np.int8)
    pools = Pools(ANCHORS, vectors)
    sums = pools.sums(texts)
    far, near, opposite = math.exp(-15), math.exp(15 * (127 * 64 / 65536 - 1)), math.exp(15 * (-0.125 - 1))
    expected = [[near + 2 * far, 2 * far, far, 2 * far], [3 * far, 2 * far, far, 2 * far]]
    assert sums[:2] == pytest.approx(np.array(expected), rel=1e-5)
    assert sums[2] == pytest.approx([3 * far, 2 * far, opposite, 2 * far], rel=1e-5)
    strengths = pools.strengths(sums)
    assert strengths[0] == pytest.approx([math.log((near + 4 * far) / 5) / 15 + 1, 0, 0], abs=1e-6)
    assert strengths[1] == pytest.approx([0, 0, 0], abs=1e-6)
    assert strengths[2] == pytest.approx([0, -0.125, 0], abs=1e-6)


def test_without_negatives_and_with_nothing_else() -> None:
    texts = unit_vectors(3, 4, 1)
    alone = Pools(ANCHORS[:1], unit_vectors(1, 4, 0))
    assert alone.names == (("TASK3", "generative"), (NEGATIVE, ""))
    assert alone.sums(texts)[:, 1].tolist() == [0, 0, 0]
    assert alone.strengths(alone.sums(texts))[:, 1] == pytest.approx([-1, -1, -1])
    negative = Pools(ANCHORS[3:4], unit_vectors(1, 4, 0))
    assert negative.codes == ()
    assert negative.strengths(negative.sums(texts)).shape == (3, 1)
    assert alone.sums(texts[:0]).shape == (0, 2)
    assert alone.strengths(alone.sums(texts[:0])).shape == (0, 2)


@given(st.lists(st.integers(0, 7), min_size=1, max_size=20), st.integers(0, 1000))
def test_sums_and_strengths_against_a_loop(chosen: list[int], seed: int) -> None:
    anchors = [ANCHORS[i] for i in chosen]
    vectors, texts = unit_vectors(len(anchors), 5, seed), unit_vectors(3, 5, seed + 1)
    pools = Pools(anchors, vectors)
    sums = pools.sums(texts)
    for text, got_sums, got in zip(texts, sums, pools.strengths(sums), strict=True):
        by_pool = dict.fromkeys(pools.names, 0.0)
        by_code = dict.fromkeys([*pools.codes, NEGATIVE], 0.0)
        for anchor, vector in zip(anchors, vectors, strict=True):
            cosine = int(text.astype(int) @ vector.astype(int)) / SCALE**2
            weight = math.exp(SHARPNESS * (cosine - 1))
            by_pool[anchor.code, anchor.facet if anchor.code == "TASK3" else ""] += weight
            by_code[anchor.code] += weight
        assert got_sums == pytest.approx(list(by_pool.values()), rel=1e-4)
        for code, strength in zip(by_code, got, strict=True):
            size = sum(a.code == code for a in anchors)
            expected = math.log(by_code[code] / size) / SHARPNESS + 1 if size else -1.0
            assert strength == pytest.approx(expected, abs=1e-4)


def test_the_batch_does_not_matter() -> None:
    pools = Pools(ANCHORS * 40, unit_vectors(320, 64, 0))
    texts = unit_vectors(2500, 64, 1)  # more than one block
    rng = np.random.default_rng(0)
    model = CodeModel(
        pools.codes, rng.normal(size=(2, 3)), np.array([[0.3, 1.2, 0.8], [-0.1, 0.7, -0.4]]), np.array([0.4, 0.5])
    )

    def probabilities(part: Small) -> Floats:
        return probabilities_of(model, pools.strengths(pools.sums(part)))

    whole_sums, whole = pools.sums(texts), probabilities(texts)
    for size in (4, 8, 28, 100, 1000):  # whole ads
        for first in (0, 300, 1020):
            part = texts[first : first + size]
            assert pools.sums(part).tobytes() == whole_sums[first : first + size].tobytes()
            assert probabilities(part).tobytes() == whole[first : first + size].tobytes()


def test_sigmoid_and_log_odds() -> None:
    assert sigmoid(np.array([0.0, 1000.0, -1000.0, math.log(3)])).tolist() == pytest.approx([0.5, 1, 0, 0.75])
    assert log_odds(np.array([0.5, 0.75, 0.0, 1.0])) == pytest.approx([0, math.log(3), *(np.array([-1, 1]) * 13.8155)])
    x = np.linspace(-10, 10, 41)
    assert log_odds(sigmoid(x)) == pytest.approx(x, abs=1e-9)


def test_probabilities_by_hand() -> None:
    model = CodeModel(
        ("A", "B"),
        strength=np.array([[0.0, 2.0, -2.0], [-1.0, 0.0, 0.0]]),
        context=np.array([[0.0, 1.0, 0.0], [0.5, 2.0, 3.0]]),
        thresholds=np.array([0.5, 0.2]),
    )
    strengths = np.array([[0.7, 0.1, 0.2], [0.2, 0.9, 0.2]])

    def s(x: float) -> float:
        return 1 / (1 + math.exp(-x))

    scores = model.scores(strengths)
    assert scores == pytest.approx(np.array([[s(1), s(-1)], [0.5, s(-1)]]))
    b = s(0.5 + 2 * -1 + 3 * s(-1))
    assert model.probabilities(scores, np.array([4, 7])) == pytest.approx(np.array([[s(1), b], [0.5, b]]))
    assert model.given(np.array([[0.5, 0.19], [0.499, 0.2]])).tolist() == [[True, False], [False, True]]


def test_ad_means() -> None:
    scores = np.array([[0.2, 0.4], [0.6, 0.0], [0.1, 0.9]])
    got = ad_means(scores, np.array([3, 3, 8]))
    assert got == pytest.approx(np.array([[0.4, 0.2], [0.4, 0.2], [0.1, 0.9]]))
    assert ad_means(scores[:0], np.zeros(0, dtype=np.int64)).shape == (0, 2)


def test_the_mean_of_the_ad_counts() -> None:
    """Of two segments alike, the one in an ad full of the code is the likelier one."""
    rng = np.random.default_rng(7)
    full = np.repeat(np.arange(100) % 2, 4) > 0
    labels = (rng.random(400) < np.where(full, 0.8, 0.1))[:, None]
    strengths = np.stack([labels[:, 0] * 0.1 + rng.normal(0.3, 0.1, 400), np.zeros(400)], axis=1)
    model = fit_codes(("A",), strengths, ads(strengths), labels, np.ones_like(labels))
    assert model.context[0, 2] > 0


# --- fitting


def coded(n: int = 200) -> tuple[Floats, np.ndarray]:
    """Strengths of two codes and NEG, and labels that the strengths settle."""
    rng = np.random.default_rng(5)
    labels = rng.random((n, 2)) < 0.4
    strengths = np.concatenate([labels * 0.5 + rng.uniform(0, 0.3, (n, 2)), rng.uniform(0, 1, (n, 1))], axis=1)
    return strengths, labels


def ads(strengths: Floats) -> np.ndarray:
    """Ads of four segments each."""
    return np.arange(len(strengths)) // 4


def probabilities_of(model: CodeModel, strengths: Floats) -> Floats:
    return model.probabilities(model.scores(strengths), ads(strengths))


def test_fit_on_separable_data() -> None:
    strengths, labels = coded()
    model = fit_codes(("A", "B"), strengths, ads(strengths), labels, np.ones_like(labels))
    p = probabilities_of(model, strengths)
    assert np.array_equal(model.given(p), labels)
    assert p[labels].min() > 0.8
    assert p[~labels].max() < 0.2
    assert (model.strength[:, 1] > 0).all()


def test_negative_strength_speaks_against_a_code() -> None:
    rng = np.random.default_rng(6)
    own, negative = rng.uniform(0, 1, (2, 400))
    labels = (own > negative)[:, None]
    strengths = np.stack([own, negative], axis=1)
    model = fit_codes(("A",), strengths, ads(strengths), labels, np.ones_like(labels))
    assert model.strength[0, 2] < 0
    given = model.given(probabilities_of(model, strengths))
    assert (given == labels).mean() > 0.97


def test_uncertain_labels_are_left_out() -> None:
    strengths, labels = coded()
    known = np.ones_like(labels)
    known[::3, 0] = known[::4, 1] = False
    first = fit_codes(("A", "B"), strengths, ads(strengths), labels, known)
    second = fit_codes(("A", "B"), strengths, ads(strengths), np.where(known, labels, ~labels), known)
    for name in ("strength", "context", "thresholds"):
        assert np.array_equal(getattr(first, name), getattr(second, name))


def test_a_code_that_is_never_or_always_given() -> None:
    strengths, labels = coded(98)
    labels[:, 0], labels[:, 1] = False, True
    model = fit_codes(("A", "B"), strengths, ads(strengths), labels, np.ones_like(labels))
    p = probabilities_of(model, strengths)
    assert p == pytest.approx(np.tile([0.01, 0.99], (98, 1)))
    assert model.given(p).tolist() == [[False, True]] * 98


def test_no_segments_at_all() -> None:
    nothing = np.zeros((0, 2), dtype=np.bool_)
    model = fit_codes(("A", "B"), np.zeros((0, 3)), ads(np.zeros((0, 3))), nothing, nothing)
    p = probabilities_of(model, np.ones((2, 3)))
    assert p == pytest.approx(np.full((2, 2), 0.5))


def test_best_threshold() -> None:
    y = np.array([False, False, True, True])
    assert best_threshold(np.array([0.105, 0.305, 0.595, 0.905]), y) == pytest.approx(0.45)  # 0.31 ... 0.59
    assert best_threshold(np.array([0.105, 0.705, 0.595, 0.905]), y) == pytest.approx(0.35)  # 0.11 ... 0.59
    assert best_threshold(np.full(3, 0.2), np.zeros(3, dtype=np.bool_)) == pytest.approx(0.495)


def test_the_threshold_reaches_the_best_f1_with_two_peaks() -> None:
    p = np.concatenate([np.full(60, 0.9), np.full(120, 0.7), np.full(60, 0.4)])
    y = np.concatenate([np.ones(60), np.zeros(120), np.ones(60)]).astype(np.bool_)

    def f1(threshold: float) -> float:
        given = p >= threshold
        return float(2 * (given & y).sum() / (given.sum() + y.sum()))

    assert f1(0.8) == f1(0.3) == pytest.approx(2 / 3)
    assert f1(best_threshold(p, y)) >= 2 / 3 - 0.002


def test_a_strength_that_never_varies_has_no_weight() -> None:
    """With one labelled ad, the mean of the ad is the same for all segments."""
    strengths, labels = coded(120)
    model = fit_codes(("A", "B"), strengths, np.zeros(120, dtype=np.int64), labels, np.ones_like(labels))
    assert np.abs(model.context[:, 2]).max() < 1e-6
    assert np.isfinite(model.context).all()
