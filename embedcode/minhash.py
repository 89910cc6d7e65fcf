"""Signatures of texts: a few numbers for each, by which two texts are seen to share their word sequences.

A text is taken as the set of its sequences of `SHINGLE` words, and the set as the least value that each of `HASHES`
hash functions has over it: two sets agree in as large a share of these minima as their Jaccard similarity is (Broder,
On the resemblance and containment of documents, 1997). Only the low 16 bits of a minimum are kept, in which two
different ones agree once in 65,536 times (Li and König, b-bit minwise hashing, 2010).

Nothing is random: the same text gives the same signature in every run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedcode.words import FILLER, normalise

ALGORITHM = "minhash 1"
"""Changes whenever a text might get another signature."""

SHINGLE = 5
"""Words of a sequence. A text of fewer words has none, and nothing to be compared by."""

HASHES = 96
BANDS = HASHES // 2
KEYS = BANDS + 1

Keys = NDArray[np.uint32]
Hashes = NDArray[np.uint64]

_CHUNK_CHARACTERS = 1 << 20  # what the hash functions run over then stays in the processor's cache
_SPACE = 0x20
_SEPARATORS = bytes(b if b >= 0x80 or chr(b).isalnum() else _SPACE for b in range(256))
_WIDTH = 8
_MARGIN = b" " * _WIDTH
_LOW_BYTES = np.array([(1 << 8 * n) - 1 for n in range(_WIDTH + 1)], dtype=np.uint64)


@dataclass(frozen=True)
class Signatures:
    """Signatures of texts; without meaning where a text has no sequence.

    Attributes:
        keys: In each column but the last a band, two minima; in the last a hash of all of them and the size. Shape
            (n_texts, KEYS).
        sizes: Different word sequences of each text, shape (n_texts,).
    """

    keys: Keys
    sizes: NDArray[np.uint32]

    def rows(self, which: NDArray[np.int64] | int) -> Signatures:
        """The signatures of some of the texts, or of one, then without the first axis."""
        return Signatures(self.keys[which], self.sizes[which])


def sign(texts: Sequence[str]) -> Signatures:
    """The signatures of texts; what `markup.mask` blanked parts no word."""
    minima = np.zeros((len(texts), HASHES), dtype=np.uint16)
    sizes = np.zeros(len(texts), dtype=np.uint32)
    for first, last in _chunks(texts):
        shingles, sizes[first:last] = _shingles(*_words(texts[first:last]), last - first)
        some = sizes[first:last] > 0
        if some.any():
            minima[first:last][some] = _minima(shingles, sizes[first:last][some])
    bands = minima.view(np.uint32)
    sums: Hashes = bands.astype(np.uint64) @ _WEIGHTS + sizes.astype(np.uint64)
    whole = mixed(sums) >> np.uint64(32)
    return Signatures(np.column_stack([bands, whole.astype(np.uint32)]), sizes)


def agreement(keys: Keys, others: Keys) -> NDArray[np.float64]:
    """Share of the minima in which texts agree with others: an estimate of their Jaccard similarity.

    Args:
        keys, others: Of one text, shape (KEYS,), or of one for each of the others; and of these, shape (n, KEYS).
    """
    share: NDArray[np.float64] = (_minima_of(keys) == _minima_of(others)).mean(axis=-1)
    return share


def _minima_of(keys: Keys) -> NDArray[np.uint16]:
    return keys.view(np.uint16)[..., :HASHES]


def containment(
    jaccard: NDArray[np.float64], sizes: NDArray[np.uint32] | int, others: NDArray[np.uint32]
) -> NDArray[np.float64]:
    """What share of the smaller one's word sequences texts have in common with others.

    Args:
        jaccard: Their Jaccard similarity, shape (n,).
        sizes, others: How many sequences each has; those of the texts may be one number.
    """
    both = jaccard / (1 + jaccard) * np.add(sizes, others, dtype=np.float64)
    return np.minimum(both / np.minimum(sizes, others), 1.0)


def mixed(numbers: Hashes) -> Hashes:
    """Numbers of which each bit depends on all bits of those given (finaliser of SplitMix64: Steele et al., 2014)."""
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))


_CONSTANTS = mixed(np.arange(1, 2 * HASHES + BANDS + 1, dtype=np.uint64))  # as good as random, and always the same
_FACTORS = _CONSTANTS[:HASHES].astype(np.uint32) | np.uint32(1)
_SUMMANDS = _CONSTANTS[HASHES : 2 * HASHES].astype(np.uint32)
_WEIGHTS = _CONSTANTS[2 * HASHES :] | np.uint64(1)


def _chunks(texts: Sequence[str]) -> Iterator[tuple[int, int]]:
    first = characters = 0
    for row, text in enumerate(texts):
        if row > first and characters + len(text) > _CHUNK_CHARACTERS:
            yield first, row
            first, characters = row, 0
        characters += len(text)
    if first < len(texts):
        yield first, len(texts)


def _words(texts: Sequence[str]) -> tuple[Hashes, NDArray[np.int64]]:
    """A hash of each word, a run of letters and digits, and the text that it stands in; both of shape (n_words,).

    A word is hashed by its length, its first eight bytes and its last eight: two reads, however long it is.
    """
    pieces = [normalise(t.replace(FILLER, "")).encode("utf-8", "replace") for t in texts]
    data = (_MARGIN + b" ".join(pieces) + _MARGIN).translate(_SEPARATORS)
    in_word = np.frombuffer(data, np.uint8) != _SPACE
    edges = np.flatnonzero(in_word[1:] != in_word[:-1]) + 1
    start, end = edges[::2], edges[1::2]
    length = end - start
    eight = np.ndarray(len(data) - _WIDTH + 1, "<u8", data, strides=(1,))  # the eight bytes from each byte on
    head = eight[start] & _LOW_BYTES[np.minimum(length, _WIDTH)]
    tail = np.where(length > _WIDTH, eight[end - _WIDTH], np.uint64(0))
    words = mixed(mixed(head + length.astype(np.uint64)) ^ tail)
    behind = _WIDTH + np.cumsum([len(p) + 1 for p in pieces])
    return words, np.searchsorted(behind, start, side="right")


def _shingles(words: Hashes, text: NDArray[np.int64], count: int) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """Hashes of the different word sequences, those of one text after those of another, and how many each text has."""
    width = max(0, len(words) - SHINGLE + 1)
    total = np.zeros(width, dtype=np.uint64)
    for place in range(SHINGLE):
        total = total * np.uint64(0x9E3779B97F4A7C15) + words[place : place + width]
    owner = text[:width]
    whole = owner == text[len(words) - width :]
    found = np.sort(owner[whole].astype(np.uint64) << np.uint64(32) | mixed(total[whole]) >> np.uint64(32))
    found = found[np.concatenate([np.ones(min(1, len(found)), dtype=np.bool_), found[1:] != found[:-1]])]
    return found.astype(np.uint32), np.bincount((found >> np.uint64(32)).astype(np.int64), minlength=count)


def _minima(shingles: NDArray[np.uint32], sizes: NDArray[np.uint32]) -> NDArray[np.uint16]:
    """The least value of each hash function for texts that have one sequence at least, shape (n_texts, HASHES)."""
    starts = np.cumsum(sizes, dtype=np.int64) - sizes
    least = np.empty((HASHES, len(sizes)), dtype=np.uint32)
    values = np.empty_like(shingles)
    for factor, summand, row in zip(_FACTORS, _SUMMANDS, least, strict=True):
        np.multiply(shingles, factor, out=values)
        np.add(values, summand, out=values)
        np.minimum.reduceat(values, starts, out=row)
    return least.T.astype(np.uint16)
