"""Tests of two coders against a third: by full enumeration, and beside other implementations."""

from __future__ import annotations

from itertools import product
from math import comb

import numpy as np
import pytest

from embedcode.bootstrap import Bootstrap
from embedcode.significance import compare, mcnemar, sign_flips


@pytest.mark.parametrize(("first", "second"), [(1, 0), (3, 9), (12, 2), (5, 5), (40, 18)])
def test_mcnemar_by_hand_and_by_statsmodels(first: int, second: int) -> None:
    n = first + second
    tail = sum(comb(n, k) for k in range(min(first, second) + 1)) / 2**n
    assert mcnemar(first, second) == pytest.approx(min(1, 2 * tail))
    tables = pytest.importorskip("statsmodels.stats.contingency_tables")
    assert mcnemar(first, second) == pytest.approx(tables.mcnemar([[7, first], [second, 3]], exact=True).pvalue)


@pytest.mark.parametrize("values", [[3.0], [1.0, -1.0, 2.0], [2.0, 2.0, 1.0, -1.0, 3.0, 1.0, 1.0, -2.0], [1.0] * 9])
def test_few_clusters_are_permuted_in_all_ways(values: list[float]) -> None:
    totals = [sum(s * v for s, v in zip(signs, values, strict=True)) for signs in product((1, -1), repeat=len(values))]
    exact = np.mean([abs(t) >= abs(sum(values)) for t in totals])
    assert sign_flips(np.array([0.0, *values])) == pytest.approx(exact)


def test_many_clusters_are_permuted_at_random_and_alike_each_time() -> None:
    values = np.array([1.0] * 30 + [-1.0] * 14)
    found = sign_flips(values)
    assert found == sign_flips(values)
    assert found == pytest.approx(mcnemar(30, 14), abs=0.01)  # clusters of one ad: the same null distribution


def test_a_comparison_by_hand() -> None:
    first = np.array([1, 1, 1, 0, 0, 1] * 5, dtype=np.bool_)
    second = np.array([1, 0, 0, 1, 0, 1] * 5, dtype=np.bool_)
    found = compare("a", "b", np.stack([first, second]), Bootstrap(np.arange(30)))
    assert (found.ads, found.clusters, found.only_first, found.only_second) == (30, 30, 10, 5)
    assert found.difference.value == pytest.approx(5 / 30)
    assert found.difference.interval_95 is not None
    assert found.mcnemar == pytest.approx(mcnemar(10, 5))
    assert found.reason == ""


def test_near_duplicates_make_no_difference_significant() -> None:
    right = np.array([[1] * 20 + [0, 1] * 10, [0] * 20 + [1, 0] * 10], dtype=np.bool_)
    alone = compare("a", "b", right, Bootstrap(np.arange(40)))
    copies = compare("a", "b", right, Bootstrap(np.array([0] * 20 + [*range(1, 21)])))
    assert alone.permutation is not None
    assert copies.permutation is not None
    assert alone.permutation < 0.01
    assert copies.permutation > 0.05
    assert alone.mcnemar == copies.mcnemar


def test_permutations_reject_as_often_as_they_say_where_nothing_differs() -> None:
    rng = np.random.default_rng(0)
    found = [sign_flips(rng.integers(-2, 3, 25).astype(np.float64), 499) for _ in range(300)]
    assert 0.02 <= np.mean([p <= 0.05 for p in found]) <= 0.08


def test_coders_who_are_right_on_the_same_ads() -> None:
    right = np.ones((2, 30), dtype=np.bool_)
    found = compare("a", "b", right, Bootstrap(np.arange(30)))
    assert (found.mcnemar, found.permutation, found.reason) == (None, None, "both are right on the same ads")
    assert found.difference.value == 0


def test_coders_who_share_no_ad() -> None:
    found = compare("a", "b", np.zeros((2, 0), dtype=np.bool_), Bootstrap(np.zeros(0, dtype=np.int64)))
    assert (found.ads, found.mcnemar) == (0, None)
    assert found.reason == found.difference.reason == "no ad was coded by both coders and the reference"
