"""Nearest anchors: exact inner-product search with FAISS over quantised vectors (see `vectors`)."""

from __future__ import annotations

from typing import NamedTuple

import faiss
import numpy as np
from numpy.typing import NDArray

from embedcode.vectors import SCALE

SPARE = 8
"""How many neighbours are searched beyond those asked for, to settle ties."""


class Neighbours(NamedTuple):
    """The nearest anchors of each text, best first.

    Attributes:
        anchor: Indices of anchors, shape (n_texts, k or the number of anchors if lower); -1 where fewer are found.
        similarity: Cosines, same shape; -1 where there is no anchor.
    """

    anchor: NDArray[np.int64]
    similarity: NDArray[np.float32]


class AnchorIndex:
    """An exact index of anchor vectors."""

    def __init__(self, vectors: NDArray[np.int8]) -> None:
        """Build the index.

        Args:
            vectors: Quantised anchor vectors, shape (n_anchors, dimension).
        """
        self.vectors = vectors
        self._index = faiss.IndexFlatIP(vectors.shape[1])
        self._index.add(vectors.astype(np.float32))

    def __len__(self) -> int:
        return int(self._index.ntotal)

    def search(self, vectors: NDArray[np.int8], k: int) -> Neighbours:
        """Find the k nearest anchors of each vector.

        Anchors as similar as the last of k + `SPARE` found are left out: which of them FAISS reports depends on
        the batch. The rest is sorted by similarity, then by anchor.

        Args:
            vectors: Quantised vectors, shape (n, dimension). A zero vector has no neighbours.
            k: How many neighbours to return at most.
        """
        wanted = min(k + SPARE, len(self))
        products, anchors = self._index.search(np.ascontiguousarray(vectors, dtype=np.float32), wanted)
        tied = products == products[:, -1:] if wanted < len(self) else np.zeros_like(products, dtype=np.bool_)
        tied |= ~vectors.any(axis=1, keepdims=True)
        # Whole numbers below 2^17: product and anchor fit one sortable integer.
        key = np.where(tied, np.int64(1) << 60, (-products.astype(np.int64) << 32) + anchors)
        order = np.argsort(key, axis=1, kind="stable")[:, :k]
        products = np.take_along_axis(products, order, axis=1)
        found = ~np.take_along_axis(tied, order, axis=1)
        anchors = np.where(found, np.take_along_axis(anchors, order, axis=1), -1)
        similarity = np.where(found, np.clip(products / np.float32(SCALE * SCALE), -1, 1), np.float32(-1))
        return Neighbours(anchors, similarity.astype(np.float32))


def use_threads(count: int) -> None:
    """Set how many threads FAISS may use in this process."""
    faiss.omp_set_num_threads(count)
