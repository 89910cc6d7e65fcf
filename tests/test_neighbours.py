"""Nearest anchors against brute force, with ties, zero vectors and batches of any size."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from embedcode.neighbours import SPARE, AnchorIndex, use_threads
from embedcode.vectors import quantise, unit

Small = NDArray[np.int8]


def brute(anchors: Small, vector: Small, k: int) -> list[tuple[int, float]]:
    """The rule of `search` for one vector: anchor and cosine, the best first."""
    if not vector.any():
        return []
    products = anchors.astype(np.int64) @ vector.astype(np.int64)
    order = sorted(range(len(anchors)), key=lambda i: (-products[i], i))
    if k + SPARE < len(anchors):
        last = products[order[k + SPARE - 1]]
        order = [i for i in order if products[i] > last]
    return [(i, min(1.0, max(-1.0, products[i] / 65536))) for i in order[:k]]


def check(anchors: Small, vectors: Small, k: int) -> None:
    found = AnchorIndex(anchors).search(vectors, k)
    assert found.anchor.shape == found.similarity.shape == (len(vectors), min(k, len(anchors)))
    for vector, index, similarity in zip(vectors, found.anchor, found.similarity, strict=True):
        expected = brute(anchors, vector, k)
        missing = found.anchor.shape[1] - len(expected)
        assert index.tolist() == [i for i, _ in expected] + [-1] * missing
        assert similarity.tolist() == [np.float32(s) for _, s in expected] + [-1.0] * missing


def unit_vectors(count: int, dimension: int, seed: int) -> Small:
    return quantise(unit(np.random.default_rng(seed).normal(size=(count, dimension)).astype(np.float32)))


def test_against_brute_force() -> None:
    check(unit_vectors(300, 16, 0), unit_vectors(50, 16, 1), 24)


@given(
    st.integers(1, 40).flatmap(
        lambda n: st.tuples(
            arrays(np.int8, (n, 3), elements=st.sampled_from([-100, 0, 100])),
            arrays(np.int8, (6, 3), elements=st.sampled_from([-100, 0, 100, 127])),
        )
    ),
    st.integers(1, 12),
)
def test_with_many_ties(vectors: tuple[Small, Small], k: int) -> None:
    check(*vectors, k)


def test_by_hand() -> None:
    anchors = np.array([[127, 0], [0, 127], [64, 64], [0, 127], [-127, 0]], dtype=np.int8)
    found = AnchorIndex(anchors).search(np.array([[0, 100], [0, 0], [-127, 3]], dtype=np.int8), 3)
    assert found.anchor.tolist() == [[1, 3, 2], [-1, -1, -1], [4, 1, 3]]
    expected = [[12700 / 65536, 12700 / 65536, 6400 / 65536], [-1, -1, -1], [16129 / 65536, 381 / 65536, 381 / 65536]]
    assert np.array_equal(found.similarity, np.array(expected, dtype=np.float32))


def test_cosines_are_clipped_to_one() -> None:
    anchors = np.full((1, 8), 127, dtype=np.int8)  # longer than a unit vector can be
    found = AnchorIndex(anchors).search(np.stack([anchors[0], -anchors[0]]), 1)
    assert found.similarity.tolist() == [[1.0], [-1.0]]
    assert found.anchor.tolist() == [[0], [0]]


def test_fewer_anchors_than_asked_for() -> None:
    anchors = unit_vectors(3, 8, 2)
    check(anchors, unit_vectors(4, 8, 3), 10)
    assert len(AnchorIndex(anchors)) == 3


def test_ties_at_the_end_are_left_out() -> None:
    anchors = np.array([[100, 0]] * 2 + [[50, 0]] * 20, dtype=np.int8)
    found = AnchorIndex(anchors).search(np.array([[100, 0]], dtype=np.int8), 4)
    assert found.anchor.tolist() == [[0, 1, -1, -1]]


def test_no_vectors() -> None:
    assert AnchorIndex(unit_vectors(5, 4, 0)).search(np.zeros((0, 4), dtype=np.int8), 2).anchor.shape == (0, 2)


def test_the_batch_does_not_matter() -> None:
    use_threads(1)
    anchors = np.concatenate([unit_vectors(400, 32, 4)] * 2)  # every anchor twice: ties everywhere
    vectors = unit_vectors(1000, 32, 5)
    vectors[::90] = 0
    index = AnchorIndex(anchors)
    whole = index.search(vectors, 24)
    for size in (1, 3, 19, 21, 128):
        for first in (0, 90, 500, 1000 - size):
            part = index.search(vectors[first : first + size], 24)
            assert part.anchor.tobytes() == whole.anchor[first : first + size].tobytes()
            assert part.similarity.tobytes() == whole.similarity[first : first + size].tobytes()
