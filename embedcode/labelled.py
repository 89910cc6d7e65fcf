"""The labelled ads as numbers: all that a rebuild needs, without any text of the ads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from embedcode.analysis import TEXT, Layout, Reader, Reading
from embedcode.gold import GoldAd, labels_of
from embedcode.terms import TermHits
from embedcode.types import CodingBook

FOLDS = 5


@dataclass(frozen=True)
class Labelled:
    """Coded ads as numbers.

    Attributes:
        ids, profiles: Of each ad.
        weight: How much each ad counts: the coders' confidence squared, shape (n_ads,).
        fold: Fold of each ad, shape (n_ads,).
        length: Characters of each ad, shape (n_ads,).
        ad: Ad of each segment, ascending, shape (n_segments,).
        title: Whether a segment is a title, shape (n_segments,).
        codes: Codes, in order.
        labels, known: Which code a segment carries, and whether that is certain, shape (n_segments, n_codes).
        terms: The terms that were looked for.
        hits: Where they were found (`term` points into `terms`).
        tools: The tools that were found.
        named: Ad and tool (into `tools`) of each mention, once per ad, shape (n_mentions, 2).
        vectors: Of the segments, each by an embedder that has not seen the ad's fold, int8, shape (n_segments,
            dimension).
    """

    ids: tuple[str, ...]
    profiles: tuple[str, ...]
    weight: NDArray[np.float64]
    fold: NDArray[np.int64]
    length: NDArray[np.int64]
    ad: NDArray[np.int64]
    title: NDArray[np.bool_]
    codes: tuple[str, ...]
    labels: NDArray[np.bool_]
    known: NDArray[np.bool_]
    terms: tuple[str, ...]
    hits: TermHits
    tools: tuple[str, ...]
    named: NDArray[np.int64]
    vectors: NDArray[np.int8]

    @property
    def segment_fold(self) -> NDArray[np.int64]:
        """Fold of each segment, shape (n_segments,)."""
        return self.fold[self.ad]

    def current_hits(self, book: CodingBook) -> TermHits:
        """The hits of the terms that the book still has, pointing into its terms.

        A term that the ads were not searched for has none.
        """
        places: dict[str, list[int]] = {}
        for i, t in enumerate(book.terms):
            places.setdefault(t.term, []).append(i)
        targets = [places.get(t, []) for t in self.terms]
        size = np.array([len(t) for t in targets], dtype=np.int64)
        flat = np.array([i for t in targets for i in t], dtype=np.int64)
        first = np.cumsum(size) - size
        count = size[self.hits.term]
        nth = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
        term = flat[np.repeat(first[self.hits.term], count) + nth] if len(flat) else flat
        return TermHits(np.repeat(self.hits.text, count), term)

    def with_vectors(self, vectors: NDArray[np.int8]) -> Labelled:
        """The same ads, embedded anew."""
        return replace(self, vectors=vectors)


def read_labelled(
    book: CodingBook, ads: Sequence[GoldAd], folds: NDArray[np.int64], reader: Reader | None = None
) -> tuple[Labelled, Layout, Reading]:
    """Find segments, terms and tools of coded ads and carry the coders' codes over to the segments.

    Returns:
        The labelled ads, still without vectors, and their layout and reading.
    """
    reader = reader or Reader(book)
    layout = reader.lay_out([a.text for a in ads])
    reading = reader.read(layout.texts)
    codes = tuple(dict.fromkeys(a.code for a in book.anchors if a.code in {c.code for c in book.codes}))
    labels, known = [], []
    bounds = np.searchsorted(layout.ad, np.arange(len(ads) + 1))
    for ad, first, last in zip(ads, bounds[:-1], bounds[1:], strict=True):
        assert (layout.field[first:last] == TEXT).all()
        spans = list(zip(layout.start[first:last].tolist(), layout.end[first:last].tolist(), strict=True))
        got, sure = labels_of(ad, spans, codes)
        labels.append(got)
        known.append(sure)
    terms = tuple(dict.fromkeys(t.term for t in book.terms))
    number = {t: i for i, t in enumerate(terms)}
    of_book = np.array([number[t.term] for t in book.terms], dtype=np.int64)
    pairs = np.stack([reading.hits.text, of_book[reading.hits.term]], axis=1)
    if len(terms) < len(book.terms):
        # A term of several facets is found once for each; it is kept once for each place.
        owners = np.bincount(of_book, minlength=len(terms))
        distinct, count = np.unique(pairs, axis=0, return_counts=True)
        pairs = np.repeat(distinct, count // owners[distinct[:, 1]], axis=0)
    named = sorted({(ad, tool) for ad, _, _, _, tool in layout.mentions})
    labelled = Labelled(
        ids=tuple(a.id for a in ads),
        profiles=tuple(a.profile for a in ads),
        # Confidence counts twice over: coders' coin-flips teach little.
        weight=np.array([a.confidence**2 for a in ads], dtype=np.float64),
        fold=folds,
        length=layout.length,
        ad=layout.ad,
        title=layout.title,
        codes=codes,
        labels=np.concatenate(labels),
        known=np.concatenate(known),
        terms=terms,
        hits=TermHits(pairs[:, 0], pairs[:, 1]),
        tools=tuple(t.name for t in book.tools),
        named=np.array(named, dtype=np.int64).reshape(-1, 2),
        vectors=np.zeros((len(layout.ad), 0), dtype=np.int8),
    )
    return labelled, layout, reading
