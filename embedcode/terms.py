"""Finds anchor terms: words and short sequences of words, matched exactly on the words of a text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from embedcode.types import Facet, Term
from embedcode.words import Splitter, Words


class TermHits(NamedTuple):
    """Where terms were found, in the order of the texts.

    Attributes:
        text: Number of the text, shape (n_hits,).
        term: Index of the term, shape (n_hits,).
    """

    text: NDArray[np.int64]
    term: NDArray[np.int64]


@dataclass
class _Node:
    """What may follow the words read so far."""

    next: dict[str, _Node] = field(default_factory=dict)
    ends: list[int] = field(default_factory=list)
    stems: list[tuple[str, int]] = field(default_factory=list)
    steps: dict[int, _Step] = field(default_factory=dict)

    def step(self, token: int, word: str) -> _Step:
        """What a word leads to here; the steps taken are remembered by the number of the word."""
        node = self.next.get(word)
        found = [number for stem, number in self.stems if word.startswith(stem)] + (node.ends if node else [])
        step = self.steps[token] = found, node if node and (node.next or node.stems) else None
        return step


_Step = tuple[list[int], _Node | None]
"""The terms that end with a word, and what may follow it."""


class TermFinder:
    """A trie over words; a look-up per token for the terms of one word."""

    def __init__(self, terms: Sequence[Term]) -> None:
        self._root = _Node()
        self._stems: dict[str, list[int]] = {}
        for number, term in enumerate(terms):
            *path, last = term.term.split(" ")
            node = self._root
            for word in path:
                node = node.next.setdefault(word, _Node())
            if not last.endswith("*"):
                node.next.setdefault(last, _Node()).ends.append(number)
            elif path:
                node.stems.append((last[:-1], number))
            else:
                self._stems.setdefault(last[:-1], []).append(number)
        self._stem_lengths = sorted({len(stem) for stem in self._stems})
        self._shortest = min(self._stem_lengths, default=0)
        self._openings = {stem[: self._shortest] for stem in self._stems}
        openers = list(self._root.next.values())
        self._seconds = {w for node in openers for w in node.next}
        self._second_stems = tuple({stem for node in openers for stem, _ in node.stems})
        self._forget()

    def _forget(self) -> None:
        waiting = [self._root]
        while waiting:
            node = waiting.pop()
            node.steps.clear()
            waiting += node.next.values()
        self._splitter: Splitter | None = None
        self._words: list[str] = []
        self._opens = bytearray()
        self._continues = bytearray()
        self._counts = np.zeros(0, dtype=np.int64)
        self._starts = np.zeros(0, dtype=np.int64)
        self._terms = np.zeros(0, dtype=np.int64)

    def find(self, splitter: Splitter, words: Words) -> TermHits:
        """Find all terms in a batch of texts.

        Args:
            splitter: What split the texts.
            words: Their words.
        """
        self._learn(splitter)
        tokens = words.tokens
        counts = self._counts[tokens]
        where = np.repeat(np.arange(len(tokens)), counts)
        nth = np.arange(len(where)) - np.repeat(np.cumsum(counts) - counts, counts)
        single = self._terms[self._starts[tokens[where]] + nth]
        # Most words that may open a term of several words stand before one that does not go on with any.
        opens, goes_on = (np.frombuffer(f, dtype=np.bool_)[tokens] for f in (self._opens, self._continues))
        opening = np.flatnonzero(opens[:-1] & goes_on[1:])
        long_where, long_terms = self._walk(tokens.tolist(), opening.tolist(), words.starts)
        position = np.concatenate([where, np.array(long_where, dtype=np.int64)])
        term = np.concatenate([single, np.array(long_terms, dtype=np.int64)])
        text = np.searchsorted(words.starts, position, side="right") - 1
        order = np.lexsort((term, text))
        return TermHits(text[order], term[order])

    def _walk(self, tokens: list[int], opening: list[int], starts: NDArray[np.int64]) -> tuple[list[int], list[int]]:
        """Follow the trie from every token that opens a term of several words."""
        where: list[int] = []
        found: list[int] = []
        if not opening:
            return where, found
        ends = starts[np.searchsorted(starts, opening, side="right")].tolist()
        spelt, root = self._words, self._root
        for position, end in zip(opening, ends, strict=True):
            node: _Node | None = root
            here = position
            while node is not None and here < end:
                token = tokens[here]
                numbers, following = node.steps.get(token) or node.step(token, spelt[token])
                if numbers and node is not root:
                    where += [position] * len(numbers)
                    found += numbers
                node = following
                here += 1
        return where, found

    def _learn(self, splitter: Splitter) -> None:
        """Look up the words that the splitter has met since the last time."""
        if splitter is not self._splitter:
            self._forget()
            self._splitter = splitter
        if len(self._words) == len(splitter):
            return
        fresh = splitter.words[len(self._words) :]
        single = [self._terms_of(word) for word in fresh]
        for word in fresh:
            node = self._root.next.get(word)
            self._opens.append(node is not None and bool(node.next or node.stems))
            self._continues.append(word in self._seconds or word.startswith(self._second_stems))
        self._words += fresh
        counts = np.array([len(s) for s in single], dtype=np.int64)
        self._starts = np.concatenate([self._starts, len(self._terms) + np.cumsum(counts) - counts])
        self._counts = np.concatenate([self._counts, counts])
        self._terms = np.concatenate([self._terms, np.array([n for s in single for n in s], dtype=np.int64)])

    def _terms_of(self, word: str) -> list[int]:
        """The terms of one word that a word is an instance of."""
        node = self._root.next.get(word)
        found = list(node.ends) if node else []
        if word[: self._shortest] not in self._openings:
            return found
        for length in self._stem_lengths:
            if length > len(word):
                break
            found += self._stems.get(word[:length], ())
        return found


def facet_counts(hits: TermHits, n_texts: int, terms: Sequence[Term], facets: Sequence[Facet]) -> NDArray[np.float32]:
    """How often each facet is found in each text.

    A pair facet counts 1 in a text where both of its facets are found.

    Returns:
        Shape (n_texts, n_facets).
    """
    number = {f.name: i for i, f in enumerate(facets)}
    of_term = np.array([number[t.facet] for t in terms], dtype=np.int64)
    slot = hits.text * len(facets) + of_term[hits.term] if len(terms) else hits.text
    counts = np.bincount(slot, minlength=n_texts * len(facets)).astype(np.float32)
    counts = counts.reshape(n_texts, len(facets))
    for i, facet in enumerate(facets):
        if facet.both:
            left, right = (counts[:, number[name]] for name in facet.both)
            counts[:, i] = (left > 0) & (right > 0)
    return counts
