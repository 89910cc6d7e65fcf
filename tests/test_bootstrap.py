"""Bootstrap intervals of any figure, beside plain loops over the clusters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.metrics import f1_score

from embedcode.bootstrap import SAME, Bootstrap, Floats, ratio
from embedcode.rates import rates_of


def share(sums: Floats) -> Floats:
    return ratio(sums[:, 0], sums[:, 1])


def test_an_estimate_equals_a_plain_loop_over_clusters() -> None:
    rng = np.random.default_rng(3)
    cluster = rng.integers(0, 12, 60)
    cluster[:12] = np.arange(12)
    right = rng.random(60) < 0.7
    found = Bootstrap(cluster, 300).estimate(np.stack([right, np.ones(60)], 1), share, "")
    draws = np.random.default_rng(0)
    plain = []
    for _ in range(300):
        ads = np.concatenate([np.flatnonzero(cluster == c) for c in draws.integers(0, 12, 12)])
        plain.append(right[ads].mean())
    assert found.value == pytest.approx(right.mean())
    assert found.interval_95 == pytest.approx(tuple(np.percentile(plain, [2.5, 97.5])))
    assert found.reason == ""


def test_a_figure_that_no_resample_changes_has_no_interval() -> None:
    found = Bootstrap(np.arange(30), 100).estimate(np.ones((30, 2)), share, "")
    assert (found.value, found.interval_95, found.reason) == (1, None, SAME)


def test_rates_and_their_intervals_equal_those_of_scikit_learn_on_the_same_resamples() -> None:
    rng = np.random.default_rng(4)
    gold, coded = rng.integers(0, 3, 80), rng.integers(0, 3, 80)
    coded = np.where(rng.random(80) < 0.6, gold, coded)
    is_gold, is_coded = gold[:, None] == np.arange(3), coded[:, None] == np.arange(3)
    counts = np.stack([is_gold & is_coded, is_coded & ~is_gold, is_gold & ~is_coded], 2)
    rates, macro_95 = rates_of("abc", counts, Bootstrap(np.arange(80), 100))
    draws = np.random.default_rng(0)
    resamples = [draws.integers(0, 80, 80) for _ in range(100)]
    each = np.array([f1_score(gold[r], coded[r], average=None, labels=[0, 1, 2]) for r in resamples])
    assert [r.f1 for r in rates.values()] == pytest.approx(f1_score(gold, coded, average=None))
    for place, r in enumerate(rates.values()):
        assert r.f1_95 == pytest.approx(tuple(np.percentile(each[:, place], [2.5, 97.5])))
    assert macro_95 == pytest.approx(tuple(np.percentile(each.mean(1), [2.5, 97.5])))


def test_copies_of_an_ad_in_its_cluster_narrow_no_interval() -> None:
    right = np.random.default_rng(1).random(50) < 0.75
    counts = np.stack([right, np.ones(50)], 1)
    alone = Bootstrap(np.arange(50)).estimate(counts, share, "")
    copies = Bootstrap(np.tile(np.arange(50), 10)).estimate(np.tile(counts, (10, 1)), share, "")
    assert copies.interval_95 == pytest.approx(alone.interval_95)


@pytest.mark.parametrize(
    ("clusters", "counts", "reason"),
    [
        (list("abcdefghijklmnopqrs"), [1, 1], "fewer than 20 ads"),
        (["a"] * 30, [1, 1], "all ads are one cluster"),
        (list("abcdefghijklmnopqrstuvwxyz"), [0, 0], "no such ad"),
    ],
)
def test_what_is_undefined_has_a_reason(clusters: list[str], counts: list[int], reason: str) -> None:
    bootstrap = Bootstrap.of(clusters, 20)
    found = bootstrap.estimate(np.tile(counts, (len(clusters), 1)), share, "no such ad")
    assert (found.interval_95, found.reason) == (None, reason)


def test_some_of_the_ads_have_clusters_of_their_own_numbering() -> None:
    some: Any = np.array([False, True, True, False, True])
    found = Bootstrap.of(["x", "y", "z", "x", "y"], seed=7).only(some)
    assert (found.cluster.tolist(), found.clusters, found.seed) == ([0, 1, 0], 2, 7)
    assert Bootstrap.of([]).only(np.zeros(0, np.bool_)).clusters == 0
