"""Kappa, its interval and calibration, worked out by hand and by plain loops."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from sklearn.calibration import calibration_curve

from embedcode import bootstrap
from embedcode.bootstrap import Bootstrap
from embedcode.kappa import (
    bootstrap_kappa,
    calibration_error,
    cohen_kappa,
    confusions,
    kappas,
    reliability_table,
)


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ([[20, 5, 0], [10, 15, 0]], 0.4),  # 0.7 agreed, 0.5 by chance
        ([[20, 5, 0], [10, 10, 5]], (0.6 - 0.45) / 0.55),  # five ads not coded
        ([[0, 5, 0], [5, 0, 0]], -1.0),
        ([[0, 0, 5], [0, 0, 5]], 0.0),
        ([[7, 0, 0], [0, 9, 0]], 1.0),
    ],
)
def test_kappa_by_hand(table: list[list[int]], expected: float) -> None:
    assert kappas(np.array(table)) == pytest.approx(expected, abs=1e-12)


def test_kappa_is_undefined_where_only_one_label_occurs() -> None:
    assert np.isnan(kappas(np.array([[[9, 0, 0], [0, 0, 0]], [[0, 0, 0], [0, 0, 0]]]))).all()


def test_kappa_of_two_codings_by_hand() -> None:
    first, second = list("aabbb"), list("abbba")
    # Observed agreement 3/5; by chance (2 * 2 + 3 * 3) / 25.
    assert cohen_kappa(first, second) == pytest.approx((3 / 5 - 13 / 25) / (12 / 25))
    assert cohen_kappa(first, first) == 1
    assert np.isnan(cohen_kappa("aa", "aa"))


# The bootstrap


def random_tables(clusters: int, seed: int = 0) -> np.ndarray[Any, Any]:
    rng = np.random.default_rng(seed)
    gold = rng.integers(0, 3, 3 * clusters)
    coded = np.where(rng.random(len(gold)) < 0.7, gold, rng.integers(0, 4, len(gold)))
    return confusions(gold, coded, rng.integers(0, clusters, len(gold)), 3, clusters)


@pytest.mark.parametrize("chunk", [1, 100, 1 << 20])
def test_bootstrap_equals_a_plain_loop(monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    tables = random_tables(30)
    rng = np.random.default_rng(0)
    plain = [kappas(tables[rng.integers(0, 30, 30)].sum(0)) for _ in range(200)]
    monkeypatch.setattr(bootstrap, "_CHUNK", chunk)
    assert bootstrap_kappa(tables, 200) == pytest.approx(tuple(np.percentile(plain, [2.5, 97.5])), abs=1e-12)


def test_bootstrap_draws_clusters_not_ads() -> None:
    rng = np.random.default_rng(1)
    gold = rng.integers(0, 2, 50)
    coded = np.where(rng.random(50) < 0.75, gold, 1 - gold)
    alone = bootstrap_kappa(confusions(gold, coded, np.arange(50), 2, 50), 1000)
    gold, coded, cluster = (np.tile(x, 10) for x in (gold, coded, np.arange(50)))
    copies = bootstrap_kappa(confusions(gold, coded, cluster, 2, 50), 1000)
    assert alone is not None
    assert copies == pytest.approx(alone)


def test_bootstrap_covers_kappa_as_often_as_it_says() -> None:
    rng = np.random.default_rng(2)
    true = float(kappas(np.array([[40, 10, 0], [10, 40, 0]])))
    inside = 0
    for _ in range(200):
        gold = rng.integers(0, 2, 200)
        coded = np.where(rng.random(200) < 0.8, gold, 1 - gold)
        interval = bootstrap_kappa(confusions(gold, coded, np.arange(200), 2, 200), 200)
        assert interval is not None
        inside += interval[0] <= true <= interval[1]
    assert 0.90 <= inside / 200 <= 0.99


def test_bootstrap_needs_ads_clusters_and_resamples() -> None:
    few = confusions(np.arange(19) % 2, np.arange(19) % 2, np.arange(19), 2, 19)
    one_cluster = confusions(np.arange(40) % 2, np.arange(40) % 2, np.zeros(40, dtype=np.int64), 2, 1)
    assert bootstrap_kappa(few, 100) is None
    assert bootstrap_kappa(one_cluster, 100) is None
    assert bootstrap_kappa(random_tables(30), 0) is None


def test_bootstrap_of_many_ads_is_quick() -> None:
    tables = random_tables(10_000)
    start = time.perf_counter()
    assert bootstrap_kappa(tables, 1000) is not None
    assert time.perf_counter() - start < 2


# Calibration


def test_calibration_error_by_hand() -> None:
    # Last bin: mean 0.9667, two of three right, a gap of 0.3 for 3 ads; second bin: a gap of 0.15 for one.
    confidence = np.array([0.95, 0.95, 0.15, 1.0])
    right = np.array([True, False, False, True])
    assert calibration_error(confidence, right) == pytest.approx(0.3 * 3 / 4 + 0.15 / 4)


def test_the_reliability_table_equals_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(6)
    confidence = rng.random(400)
    right = rng.random(400) < confidence
    table = reliability_table(confidence, right, Bootstrap(np.arange(400), 50))
    shares, means = calibration_curve(right, confidence, n_bins=10)
    assert [b.right for b in table] == pytest.approx(shares)
    assert [b.confidence for b in table] == pytest.approx(means)
    assert sum(b.ads for b in table) == 400
    error = sum(b.ads * abs((b.confidence or 0) - (b.right or 0)) for b in table) / 400
    assert error == pytest.approx(calibration_error(confidence, right))
    for b in table:
        assert b.right is not None
        assert b.right_95 is not None
        assert b.right_95[0] <= b.right <= b.right_95[1]


def test_an_empty_bin_has_no_share() -> None:
    table = reliability_table(np.array([0.95, 1.0] * 15), np.ones(30, np.bool_), Bootstrap(np.arange(30), 20))
    assert (table[0].low, table[0].high, table[0].ads) == (0, 0.1, 0)
    assert (table[0].confidence, table[0].right, table[0].right_95) == (None, None, None)
    assert (table[9].ads, table[9].right, table[9].right_95) == (30, 1, None)
    assert table[9].confidence == pytest.approx(0.975)
