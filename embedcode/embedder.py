"""The static word embedder: a vector per word, and a text's vector is the normalised sum of its words' vectors.

Needs numpy only. The vectors are small whole numbers (int8), so that sums are exact
whatever their order. A word outside the vocabulary is split by greedy longest match into words and pieces that
are in it (WordPiece's rule, Wu et al. 2016, https://arxiv.org/abs/1609.08144, without its continuation mark):
Dutch compounds such as `datapijplijnen` fall into their parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedcode.vectors import grouped_sums, unit
from embedcode.words import Splitter, Words

LONGEST_WORD = 100
"""Longer words are unknown, as in WordPiece."""


class StaticEmbedder:
    """Sums of word vectors.

    Attributes:
        words: The vocabulary: words and pieces of words.
        table: Their vectors, int8, shape (len(words), dimension).
    """

    def __init__(self, words: Sequence[str], table: NDArray[np.int8]) -> None:
        if table.dtype != np.int8 or table.ndim != 2 or len(words) != len(table):
            raise ValueError(f"{len(words)} words and a {table.dtype} table of shape {table.shape} do not fit")
        self.words = tuple(words)
        self.table = table
        self._row = {w: i for i, w in enumerate(self.words)}
        self._splitter: Splitter | None = None
        self._vectors = np.zeros((0, table.shape[1]), dtype=np.float32)
        self._known = 0

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return int(self.table.shape[1])

    def rows_of(self, word: str) -> list[int]:
        """The rows of the table whose sum is the word's vector: one for a known word, none for an unknown."""
        if (row := self._row.get(word)) is not None:
            return [row]
        if len(word) > LONGEST_WORD:
            return []
        rows, start = [], 0
        while start < len(word):
            for end in range(len(word), start, -1):
                if (row := self._row.get(word[start:end])) is not None:
                    rows.append(row)
                    start = end
                    break
            else:
                return []
        return rows

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed texts.

        Returns:
            Unit vectors, float32, shape (len(texts), dimension); zero where a text has no known word.
        """
        splitter = Splitter()
        return self.embed_words(splitter, splitter.split(texts))

    def embed_words(self, splitter: Splitter, words: Words) -> NDArray[np.float32]:
        """Embed texts that are split into words already.

        Args:
            splitter: What split them.
            words: Their words.

        Returns:
            As from `embed`. The sums of word vectors are whole numbers far below 2^24, exact in any order.
        """
        self._learn(splitter)
        return unit(grouped_sums(self._vectors, words.tokens, words.starts))

    def _learn(self, splitter: Splitter) -> None:
        """Make the vectors of the words that the splitter has met since the last time."""
        if splitter is not self._splitter:
            self._splitter, self._known = splitter, 0
        total = len(splitter)
        if total == self._known:
            return
        if total > len(self._vectors):
            grown = np.zeros((max(total, 2 * len(self._vectors), 4096), self.dimension), dtype=np.float32)
            grown[: self._known] = self._vectors[: self._known]
            self._vectors = grown
        fresh = [self.rows_of(w) for w in splitter.words[self._known :]]
        rows = np.array([r for rs in fresh for r in rs], dtype=np.int64)
        starts = np.cumsum([0, *map(len, fresh)])
        self._vectors[self._known : total] = grouped_sums(
            self.table[rows].astype(np.float32), np.arange(len(rows)), starts
        )
        self._known = total


@dataclass(frozen=True)
class FoldTables:
    """What the embedder would be without each fold of the labelled ads, for honest scores of those ads.

    Attributes:
        rows: Rows of the table that training changes, shape (n_rows,).
        tables: Their vectors when trained without a fold, int8, shape (n_folds, n_rows, dimension).
    """

    rows: NDArray[np.int32]
    tables: NDArray[np.int8]

    def __len__(self) -> int:
        return len(self.tables)

    def embedder(self, whole: StaticEmbedder, fold: int) -> StaticEmbedder:
        """The embedder that has not seen a fold."""
        table = whole.table.copy()
        table[self.rows] = self.tables[fold]
        return StaticEmbedder(whole.words, table)
