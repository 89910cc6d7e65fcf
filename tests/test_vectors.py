"""Quantised vectors: exact, and the same in any batch."""

from __future__ import annotations

from itertools import accumulate, pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from embedcode.vectors import GROUPS, SCALE, grouped_max, grouped_sums, quantise, unit


def test_quantise_scales_rounds_half_to_even_and_clips() -> None:
    values = [[0.1, -0.1, 0.0], [0.5, -0.5, 1.0], [0.5 / 256, 1.5 / 256, 2.5 / 256], [-0.5 / 256, -1.5 / 256, 0.496]]
    expected = [[26, -26, 0], [127, -127, 127], [0, 2, 2], [0, -2, 127]]
    got = quantise(np.array(values, dtype=np.float32))
    assert got.dtype == np.int8
    assert got.tolist() == expected
    assert SCALE == 256


def test_unit_vectors() -> None:
    got = unit(np.array([[3, 4], [0, 0], [-5, 12], [0, -7]], dtype=np.float32))
    expected = np.array([[0.6, 0.8], [0, 0], [-5 / 13, 12 / 13], [0, -1]], dtype=np.float64).astype(np.float32)
    assert got.dtype == np.float32
    assert np.array_equal(got, expected)


def test_no_rows() -> None:
    assert unit(np.zeros((0, 3), dtype=np.float32)).shape == (0, 3)
    assert quantise(np.zeros((0, 3), dtype=np.float32)).shape == (0, 3)


@given(arrays(np.int64, st.tuples(st.integers(1, 5), st.integers(1, 9)), elements=st.integers(-(2**20), 2**20)))
def test_unit_against_whole_numbers(sums: np.ndarray) -> None:
    for row, got in zip(sums.tolist(), unit(sums.astype(np.float32)), strict=True):
        length = sum(x * x for x in row) ** 0.5
        expected = np.array([x / length if length else 0.0 for x in row]).astype(np.float32)
        assert np.array_equal(got, expected)


def test_the_batch_does_not_matter() -> None:
    sums = np.random.default_rng(1).integers(-900, 900, (1000, 128)).astype(np.float32)
    sums[::50] = 0
    units = unit(sums)
    small = quantise(units)
    for i in range(0, 1000, 7):
        assert unit(sums[i : i + 1]).tobytes() == units[i].tobytes()
        assert quantise(unit(sums[i : i + 3])).tobytes() == small[i : i + 3].tobytes()


def test_partial_sums_of_products_stay_exact_in_float32() -> None:
    # The claim in the module's first lines, for the longest vectors and the most dimensions in use.
    assert 127 * 127 * 1024 < 2**24
    rng = np.random.default_rng(2)
    a, b = (quantise(unit(rng.normal(size=(50, 1024)).astype(np.float32))) for _ in range(2))
    assert np.array_equal(a.astype(np.float32) @ b.astype(np.float32).T, a.astype(np.int64) @ b.astype(np.int64).T)


# --- sums of rows


def sums_in_order(table: list[list[float]], rows: list[int], starts: list[int]) -> list[list[float]]:
    """Each group summed row by row, from the first to the last."""
    out = []
    for begin, end in pairwise(starts):
        total = [0.0] * len(table[0])
        for row in rows[begin:end]:
            total = [a + b for a, b in zip(total, table[row], strict=True)]
        out.append(total)
    return out


@given(st.lists(st.lists(st.integers(0, 5), max_size=6), max_size=8), st.integers(0, 99))
def test_grouped_sums_against_a_loop(groups: list[list[int]], seed: int) -> None:
    table = np.random.default_rng(seed).normal(size=(6, 3))
    rows, starts = [r for g in groups for r in g], [0, *accumulate(map(len, groups))]
    got = grouped_sums(table, np.array(rows, dtype=np.int64), np.array(starts))
    assert got.dtype == np.float64
    assert got.shape == (len(groups), 3)
    assert got.tolist() == sums_in_order(table.tolist(), rows, starts)  # to the last bit


def test_grouped_sums_by_hand() -> None:
    table = np.array([[1, 10], [2, 20], [4, 40]], dtype=np.float32)
    rows, starts = np.array([2, 2, 0, 1, 0], dtype=np.int32), np.array([0, 0, 2, 2, 5, 5])
    got = grouped_sums(table, rows, starts)
    assert got.dtype == np.float32
    assert got.tolist() == [[0, 0], [8, 80], [0, 0], [4, 40], [0, 0]]
    assert grouped_sums(table, rows[:0], np.array([0])).shape == (0, 2)
    assert grouped_sums(table[:0], rows[:0], np.array([0, 0])).tolist() == [[0, 0]]


def test_grouped_sums_of_many_groups_do_not_depend_on_each_other() -> None:
    rng = np.random.default_rng(7)
    table = rng.normal(size=(50, 5))
    lengths = rng.integers(0, 9, 2 * GROUPS + 17)
    lengths[5] = 400
    starts = np.concatenate([[0], np.cumsum(lengths)])
    rows = rng.integers(0, 50, starts[-1])
    whole = grouped_sums(table, rows, starts)
    assert whole.tolist() == sums_in_order(table.tolist(), rows.tolist(), starts.tolist())
    for first, last in ((0, 1), (5, 6), (4, 9), (GROUPS - 3, GROUPS + 3), (1000, 2065)):
        part = grouped_sums(table, rows[starts[first] : starts[last]], starts[first : last + 1] - starts[first])
        assert part.tobytes() == whole[first:last].tobytes()


# --- highest values


@given(st.lists(st.lists(st.sampled_from([0.0, 0.1, 0.7, 1e-9, 3.0]), max_size=9), max_size=8), st.integers(0, 99))
def test_grouped_max_against_a_loop(groups: list[list[float]], seed: int) -> None:
    first = np.array([v for g in groups for v in g], dtype=np.float64)  # with ties
    second = np.random.default_rng(seed).exponential(size=len(first))
    values, starts = np.stack([first, second], axis=1), [0, *accumulate(map(len, groups))]
    got = grouped_max(values, np.array(starts))
    expected = [[max(values[a:b, c], default=0.0) for c in range(2)] for a, b in pairwise(starts)]
    assert got.tolist() == expected


def test_grouped_max_by_hand() -> None:
    values = np.array([[1, 0], [4, 0], [3, 3], [2, 0], [6, 1], [3, 1]], dtype=np.float32)
    starts = np.array([0, 4, 4, 6])
    got = grouped_max(values, starts)
    assert got.dtype == np.float32
    assert got.tolist() == [[4, 3], [0, 0], [6, 1]]
    assert grouped_max(values[:0], np.array([0, 0])).tolist() == [[0, 0]]
    assert grouped_max(values[:0], np.array([0])).shape == (0, 2)
