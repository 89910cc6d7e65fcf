"""Finds near-duplicates in a stream of ads: those that repeat most of the word sequences of an ad before them.

The first ad of its kind is an original. Every other ad is compared with originals only, and is a duplicate of the
first of them that it has enough in common with. So what is marked resembles what it is marked as, and no chain of
small changes joins two different ads; and a repost costs no memory, since only originals are remembered.

An ad is compared with the originals that share a key of its signature (locality-sensitive hashing: Leskovec, Rajaraman
and Ullman, Mining of Massive Datasets, chapter 3). The result depends on the ads and their order, not on how they are
cut into batches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from embedcode.keyindex import NONE, KeyIndex, Rows
from embedcode.markup import mask
from embedcode.minhash import ALGORITHM, KEYS, Keys, Signatures, agreement, containment, sign
from embedcode.originals import Originals

THRESHOLD = 0.75
"""Share of the smaller ad's word sequences that near-duplicates have in common at least.

Somewhat more than what finds most: a wrong mark loses an ad, and two jobs at an employer may share two thirds of their
text, whereas a repost that is missed is only counted twice.
"""

LEAST_ALIKE = 0.1
"""Jaccard similarity below which too few minima agree to tell how much of a short ad a long one holds."""

_MOST = 1 << 32  # originals
_ENTERED_AT_ONCE = 1 << 14


@dataclass(frozen=True)
class Marks:
    """What a batch of ads is.

    Attributes:
        original: Number of each ad's original, its own where it is one, `NONE` where the ad is too short to tell.
        repeats: Whether each ad is a duplicate.
    """

    original: Rows
    repeats: NDArray[np.bool_]


class Duplicates:
    """Finds near-duplicates and remembers originals, at about 700 bytes each.

    Attributes:
        originals: What is remembered.
        ads: How many ads were looked at.
        repeats: How many of them are duplicates.
        short: How many have fewer than `minhash.SHINGLE` words, or no text, and are never marked.
    """

    def __init__(self, threshold: float = THRESHOLD, originals: Originals | None = None) -> None:
        """Begin, or go on from what an earlier run remembered."""
        self.ads = self.repeats = self.short = 0
        self.originals = Originals() if originals is None else originals
        self._threshold = threshold
        self._indexes = [KeyIndex() for _ in range(KEYS)]
        keys = self.originals.keys
        for first in range(0, len(keys), _ENTERED_AT_ONCE):
            self._enter(first, self._find(keys[first : first + _ENTERED_AT_ONCE]))

    @property
    def method(self) -> str:
        """What decides how ads are marked, apart from the ads."""
        return f"{ALGORITHM}, threshold {self._threshold:g}"

    def duplicate_of(self, batch: pa.RecordBatch) -> pa.Array:
        """Look at a batch as `mark` does, and give the `names`."""
        return self.names(self.mark(batch))

    def names(self, marks: Marks) -> pa.Array:
        """For each ad the id of the ad that it is a near-duplicate of; null where it is of none."""
        pairs = zip(marks.original.tolist(), marks.repeats.tolist(), strict=True)
        return pa.array([self.originals.id(number) if repeats else None for number, repeats in pairs], pa.string())

    def mark(self, batch: pa.RecordBatch) -> Marks:
        """Look at a batch of ads, which follow those of the batch before.

        Args:
            batch: The columns `id`, `text` and, where there is one, `title`: strings, null where an ad has none. A
                title counts with the text, unless the text begins with it.
        """
        texts = batch.column("text").to_pylist()
        titles = batch.column("title").to_pylist() if "title" in batch.schema.names else [None] * len(texts)
        signatures = sign([_compared(*ad) for ad in zip(titles, texts, strict=True)])
        marks = self._resolve(signatures, batch.column("id").to_pylist())
        self.ads += len(texts)
        self.repeats += int(marks.repeats.sum())
        self.short += int((marks.original == NONE).sum())
        return marks

    def _resolve(self, signatures: Signatures, ids: Sequence[str]) -> Marks:
        """Find the original of each ad, and remember the ads that have none."""
        known = self._find(signatures.keys)
        original = self._first_known(signatures, known)
        repeats = original != NONE
        others = np.flatnonzero(~repeats & (signatures.sizes > 0))
        first = self._first_among(signatures.rows(others), known[others])
        fresh = np.unique(first)
        before = len(self.originals)
        self.originals.append([ids[row] for row in others[fresh].tolist()], signatures.rows(others[fresh]))
        self._enter(before, known[others[fresh]])
        original[others] = before + np.searchsorted(fresh, first)
        repeats[others] = first != np.arange(len(others))
        np.add.at(self.originals.counts, original[original != NONE], 1)
        return Marks(original, repeats)

    def _find(self, keys: Keys) -> Rows:
        """For each key the first original that has it in the same column, `NONE` where none has; shaped like `keys`."""
        columns = zip(self._indexes, keys.T, self.originals.keys.T, strict=True)
        return np.stack([index.find(wanted, held) for index, wanted, held in columns], axis=1)

    def _enter(self, first: int, known: Rows) -> None:
        """Enter the keys of the originals from `first` on; `known` is what `_find` gave for them before."""
        keys = self.originals.keys
        for index, held, there in zip(self._indexes, keys.T, known.T, strict=True):
            absent = first + np.flatnonzero(there == NONE)
            index.add(absent[np.unique(held[absent], return_index=True)[1]], held)

    def _first_known(self, signatures: Signatures, known: Rows) -> Rows:
        """The first original that each ad is like, of those that share a key with it; `NONE` where there is none."""
        ad, column = np.nonzero(known != NONE)
        ad, number = np.divmod(np.unique(ad * _MOST + known[ad, column]), _MOST)
        alike = self._alike(signatures.rows(ad), self.originals.keys[number], self.originals.sizes[number])
        found = np.full(len(known), NONE)
        found[ad[alike][::-1]] = number[alike][::-1]  # of several for an ad, the first one is written last
        return found

    def _first_among(self, signatures: Signatures, known: Rows) -> Rows:
        """The first ad of a batch that each of them is like and that is like none before it; itself if none is.

        Those are compared that share a key which no original has: it would belong to that one.
        """
        first = np.arange(len(signatures.sizes))
        places = (np.arange(KEYS, dtype=np.uint64) << np.uint64(32)) + signatures.keys  # tells columns apart
        shared = np.isin(places, _repeated(places)) & (known == NONE)
        holder: dict[int, int] = {}  # the first one at each shared place that is like none before
        for ad in np.flatnonzero(shared.any(axis=1)).tolist():
            here = places[ad, shared[ad]].tolist()
            near = np.array(sorted({holder[p] for p in here if p in holder}), dtype=np.int64)
            alike = near[self._alike(signatures.rows(ad), signatures.keys[near], signatures.sizes[near])]
            if len(alike):
                first[ad] = alike[0]
            else:
                for place in here:
                    holder.setdefault(place, ad)
        return first

    def _alike(self, ads: Signatures, keys: Keys, sizes: NDArray[np.uint32]) -> NDArray[np.bool_]:
        """Whether ads are near-duplicates of others, pair by pair, or one of all others."""
        jaccard = agreement(ads.keys, keys)
        enough: NDArray[np.bool_] = containment(jaccard, ads.sizes, sizes) >= self._threshold
        return enough & (jaccard >= LEAST_ALIKE)


def _compared(title: str | None, text: str | None) -> str:
    """What an ad is compared by."""
    if not text:
        return ""
    return mask(text if not title or text.lstrip().startswith(title.strip()) else f"{title}\n{text}")


def _repeated(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The numbers that stand in an array more than once."""
    ordered: NDArray[np.uint64] = np.sort(numbers, axis=None)
    again: NDArray[np.uint64] = ordered[1:][ordered[1:] == ordered[:-1]]
    return again
