"""Quantised vectors: exact, and the same in any batch."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from embedcode.vectors import SCALE, quantise, unit


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
