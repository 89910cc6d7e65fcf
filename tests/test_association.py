"""Tests of association against scipy, statsmodels, published worked examples and enumeration."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from embedcode.association import association, cramers_v, holm

PARTIES = np.array([[762, 327, 468], [484, 239, 477]])
"""Gender and party identification, Agresti (2007), An Introduction to Categorical Data Analysis, table 2.5."""


def test_a_published_chi_square() -> None:
    found = association(PARTIES)
    assert found is not None
    assert (round(found.chi_square, 1), found.freedom, found.n) == (30.1, 2, 2757)
    assert found.p == pytest.approx(2.954e-07, rel=1e-3)  # R, example(chisq.test)
    assert not found.permuted


def test_chi_square_is_that_of_scipy() -> None:
    rng = np.random.default_rng(1)
    for shape in ((2, 2), (2, 5), (4, 3)):
        table = rng.integers(10, 80, shape)
        found, expected = association(table), stats.chi2_contingency(table, correction=False)
        assert found is not None
        assert (found.chi_square, found.p) == pytest.approx((expected.statistic, expected.pvalue))
        assert (found.freedom, found.least_expected) == (expected.dof, pytest.approx(expected.expected_freq.min()))


def test_v_by_hand() -> None:
    """Bergsma's formulas in fractions."""
    (a, b), (c, d) = table = ((30, 10), (20, 40))
    n = a + b + c + d
    phi = Fraction((a * d - b * c) ** 2, (a + b) * (c + d) * (a + c) * (b + d))
    corrected = phi - Fraction(1, n - 1)
    size = 2 - Fraction(1, n - 1)
    assert cramers_v(np.array(table)) == pytest.approx(float(corrected / (size - 1)) ** 0.5)


def test_v_without_its_correction_is_that_of_scipy() -> None:
    """The correction is of the order 1/n, so that both agree on a large table of the same shares."""
    assert cramers_v(PARTIES * 10_000) == pytest.approx(stats.contingency.association(PARTIES, "cramer"), abs=1e-5)


def test_v_of_tables_that_say_all_and_nothing() -> None:
    assert cramers_v(np.diag([50, 30, 20])) == pytest.approx(1)
    assert cramers_v(np.array([[20, 40], [10, 20]])) == 0
    assert cramers_v(np.array([[1, 0], [0, 1]])) == 0, "two ads say nothing"


def test_v_is_not_biased_as_the_plain_one_is() -> None:
    rng = np.random.default_rng(2)
    tables = [rng.multinomial(100, np.full(20, 1 / 20)).reshape(5, 4) for _ in range(200)]
    plain = np.mean([stats.contingency.association(t, "cramer") for t in tables])
    assert plain > 0.15
    assert np.mean([cramers_v(t) for t in tables]) < 0.06


def test_small_expected_counts_are_permuted() -> None:
    """Against the exact distribution: all tables with these margins, by the hypergeometric distribution."""
    table = np.array([[5, 1], [3, 12]])
    found = association(table)
    assert found is not None and found.permuted and found.least_expected < 5
    rows, columns = table.sum(axis=1), table.sum(axis=0)
    exact = 0.0
    for a in range(min(rows[0], columns[0]) + 1):
        other = np.array([[a, rows[0] - a], [columns[0] - a, rows[1] - columns[0] + a]])
        if other.min() >= 0:
            statistic = stats.chi2_contingency(other, correction=False).statistic
            if statistic >= found.chi_square - 1e-9:
                exact += stats.hypergeom.pmf(a, table.sum(), columns[0], rows[0])
    assert found.p == pytest.approx(exact, abs=0.005)
    assert association(table) == found, "the same input, the same p"


@pytest.mark.parametrize("table", [[[5, 3]], [[5], [3]], [[5, 0], [3, 0]], [[0, 0], [3, 4]], [[0, 0], [0, 0]]], ids=str)
def test_nothing_to_test(table: list[list[int]]) -> None:
    assert association(np.array(table)) is None


def test_rows_without_ads_change_nothing() -> None:
    assert association(np.insert(PARTIES, 1, 0, axis=0)) == association(PARTIES)


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.9]) == [1, 1]
    assert holm([]) == []


def test_holm_is_that_of_statsmodels() -> None:
    rng = np.random.default_rng(3)
    for n in (1, 2, 17):
        p = rng.random(n) ** 3
        assert holm(list(p)) == pytest.approx(list(multipletests(p, method="holm")[1]))
