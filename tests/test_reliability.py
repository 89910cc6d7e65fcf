"""Reliability of labels: published worked examples, and other implementations on random labels."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from embedcode.bootstrap import Bootstrap
from embedcode.reliability import (
    UNLABELLED,
    Reliability,
    coincidences,
    krippendorff_alphas,
    reliability,
    value_counts,
)


def measured(labels: np.ndarray, n_labels: int, resamples: int = 10) -> Reliability:
    ads = labels.shape[1]
    names = [f"coder-{i}" for i in range(len(labels))]
    return reliability(names, labels, n_labels, Bootstrap(np.arange(ads), resamples))


def from_text(*rows: str) -> np.ndarray:
    """Labels written as letters or digits, a dot for none."""
    values = sorted({v for row in rows for v in row} - {"."})
    return np.array([[UNLABELLED if v == "." else values.index(v) for v in row] for row in rows])


# Krippendorff 2011, Computing Krippendorff's Alpha-Reliability, sections A, B and C.
BINARY = from_text("0100000010", "1110010000")
NOMINAL = from_text("aabbdcccedda", "babbbcccedd" + "d")
FOUR = from_text("123321412...", "1233224125.3", ".33323422" + "51.", "12332441251.")


@pytest.mark.parametrize(("labels", "alpha"), [(BINARY, 0.095), (NOMINAL, 0.692), (FOUR, 0.743)])
def test_alpha_of_the_examples_of_krippendorff_2011(labels: np.ndarray, alpha: float) -> None:
    assert measured(labels, int(labels.max()) + 1).alpha.value == pytest.approx(alpha, abs=5e-4)


FLEISS = """00060 03003 01401 00006 03030 20400 00402 20310 20040 00006 10050 11040 03300 10050 02031
00501 30012 51000 02040 10203 00006 01050 02013 20040 10041 05010 40002 02040 10500 00006"""
"""Fleiss 1971, Measuring Nominal Scale Agreement Among Many Raters, Table 1: 30 patients, 6 raters, 5 diagnoses; how
many raters gave each diagnosis."""


def test_kappa_of_the_example_of_fleiss_1971() -> None:
    rows = [[d for d, n in enumerate(map(int, counts)) for _ in range(n)] for counts in FLEISS.split()]
    found = measured(np.array(rows).T, 5)
    assert found.fleiss.value == pytest.approx(0.430, abs=5e-4)
    assert found.agreement.value == pytest.approx(0.5556, abs=5e-4)
    assert found.fleiss.interval_95 is not None


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 5), st.integers(2, 4))
def test_figures_equal_those_of_other_implementations(seed: int, coders: int, n_labels: int) -> None:
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, n_labels, 40)
    labels = np.where(rng.random((coders, 40)) < 0.6, truth, rng.integers(0, n_labels, (coders, 40)))
    labels[rng.random(labels.shape) < 0.15] = UNLABELLED
    found = measured(labels, n_labels)

    krippendorff = pytest.importorskip("krippendorff")
    data = np.where(labels == UNLABELLED, np.nan, labels.astype(float))
    alpha = krippendorff.alpha(data, level_of_measurement="nominal", value_domain=range(n_labels))
    assert found.alpha.value == pytest.approx(alpha)

    complete = labels[:, (labels != UNLABELLED).all(0)]
    assert found.by_all == complete.shape[1]
    if complete.size and len(set(complete.ravel())) > 1:
        inter_rater = pytest.importorskip("statsmodels.stats.inter_rater")
        assert found.fleiss.value == pytest.approx(inter_rater.fleiss_kappa(value_counts(complete, n_labels)))
        assert found.unanimous.value == pytest.approx(np.mean([len(set(ad)) == 1 for ad in complete.T]))

    for pair in found.pairs:
        first, second = labels[[int(name[-1]) for name in (pair.first, pair.second)]]
        both = (first != UNLABELLED) & (second != UNLABELLED)
        assert pair.ads == both.sum()
        assert pair.agreement.value == pytest.approx((first == second)[both].mean())
        assert pair.kappa.value == pytest.approx(cohen_kappa_score(first[both], second[both]))


def test_percent_agreement_of_three_by_hand() -> None:
    found = measured(from_text("aab", "aab", "abc"), 3)
    # All pairs agree on the first ad, one of three on the second and third.
    assert found.agreement.value == pytest.approx((1 + 1 / 3 + 1 / 3) / 3)
    assert found.unanimous.value == pytest.approx(1 / 3)


def test_one_label_throughout_is_said() -> None:
    found = measured(np.zeros((3, 30), dtype=np.int64), 3)
    assert found.agreement.value == 1
    for figure in (found.fleiss, found.alpha, *(p.kappa for p in found.pairs)):
        assert (figure.value, figure.interval_95) == (None, None)
        assert figure.reason.startswith("all labels are one and the same")


def test_coders_who_share_no_ad() -> None:
    found = measured(from_text("ab..", "..ab"), 2)
    assert (found.ads, found.by_all) == (0, 0)
    assert found.alpha.reason == "no ad was labelled by two coders"
    assert found.fleiss.reason == found.agreement.reason == "no ad was labelled by all coders"
    assert found.pairs[0].kappa.reason == "no ad was labelled by both coders"


def test_ads_that_not_all_labelled_count_for_alpha_only() -> None:
    found = measured(from_text("abab.", "abaa.", "ab..b"), 2)
    assert (found.ads, found.by_all) == (4, 2)
    assert found.fleiss.value == 1
    assert found.alpha.value is not None
    assert found.alpha.value < 1


def test_an_interval_of_alpha_equals_a_plain_loop() -> None:
    rng = np.random.default_rng(5)
    labels = rng.integers(0, 2, (3, 40))
    labels = np.where(rng.random((3, 40)) < 0.8, labels[0], labels)
    found = measured(labels, 2, resamples=200)
    each = coincidences(value_counts(labels, 2))
    draws = np.random.default_rng(0)
    plain = [krippendorff_alphas(each[draws.integers(0, 40, 40)].sum(0)[None])[0] for _ in range(200)]
    assert found.alpha.interval_95 == pytest.approx(tuple(np.percentile(plain, [2.5, 97.5])))


def test_five_coders_and_many_ads_are_quick() -> None:
    labels = np.random.default_rng(0).integers(0, 3, (5, 700))
    start = time.perf_counter()
    measured(labels, 3, resamples=1000)
    assert time.perf_counter() - start < 4
