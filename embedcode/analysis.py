"""Joins the stages, from texts to evidence: the part that coding and building share.

A `Reader` finds what the text alone tells (segments, words, terms, tools); a `Scorer` adds what the anchors say
about it; `evidence` sums up both for the profile.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from embedcode.codes import Floats, Pools
from embedcode.embedder import StaticEmbedder
from embedcode.features import Evidence, FeatureSpace
from embedcode.markup import mask
from embedcode.segments import segment
from embedcode.terms import TermFinder, TermHits, facet_counts
from embedcode.tools import ToolFinder
from embedcode.types import Anchor, CodingBook, Embedder
from embedcode.vectors import quantise
from embedcode.words import FILLER, Splitter, Words

TITLE, TEXT = 0, 1
FIELDS = ("title", "text")

MAX_TITLE = 120
"""A first line longer than this, in characters, is no title."""

MAX_TOKENS = 100_000
"""Tokens that are remembered from batch to batch; then a new splitter is begun. Bounds memory, not results."""


@dataclass(frozen=True)
class Reading:
    """What the texts of a batch of ads tell by themselves.

    Attributes:
        ad: Ad of each segment, ascending, shape (n_segments,).
        field: `TITLE` or `TEXT`, shape (n_segments,).
        start, end: Code points in the field as given, end exclusive, shape (n_segments,).
        title: Whether a segment is the ad's title, shape (n_segments,).
        texts: The segments, without markup.
        words: Their words.
        hits: The terms found in them.
        mentions: Tools found: ad, field, start, end and index of the tool; in text order.
        length: Characters of each ad, shape (n_ads,).
    """

    ad: NDArray[np.int64]
    field: NDArray[np.int64]
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    title: NDArray[np.bool_]
    texts: list[str]
    words: Words
    splitter: Splitter
    hits: TermHits
    mentions: list[tuple[int, int, int, int, int]]
    length: NDArray[np.int64]


class Segments(Protocol):
    """What a reading and labelled ads have in common; see `Reading`."""

    @property
    def ad(self) -> NDArray[np.int64]: ...
    @property
    def title(self) -> NDArray[np.bool_]: ...
    @property
    def hits(self) -> TermHits: ...
    @property
    def length(self) -> NDArray[np.int64]: ...


class Reader:
    """Finds segments, words, terms and tools."""

    def __init__(self, book: CodingBook) -> None:
        self._terms = TermFinder(book.terms)
        self._tools = ToolFinder(book.tools)
        self._splitter = Splitter()

    def read(self, texts: Sequence[str], titles: Sequence[str | None] | None = None) -> Reading:
        """Read a batch of ads.

        Args:
            texts: The ads.
            titles: Their titles, where they are known. A title that is the first line of the text already is not
                read twice.
        """
        if self._splitter.size > MAX_TOKENS:
            self._splitter = Splitter()
        spans: list[tuple[int, int, int, int, bool]] = []
        pieces: list[str] = []
        mentions: list[tuple[int, int, int, int, int]] = []
        for ad, text in enumerate(texts):
            title = titles[ad] if titles else None
            if title is not None and not title.strip():
                title = None
            masked = mask(text)
            found = segment(masked)
            titled = bool(found) and looks_like_title(masked, *found[0])
            if title and titled:
                titled = begins_with(masked[slice(*found[0])], title)
            if title and not titled:
                masked_title = mask(title)
                stripped = masked_title.strip(f"{FILLER} \t\r\n")
                if stripped:
                    start = masked_title.index(stripped)
                    spans.append((ad, TITLE, start, start + len(stripped), True))
                    pieces.append(stripped)
                mentions += ((ad, TITLE, *m) for m in self._tools.find(masked_title))
            for number, (start, end) in enumerate(found):
                spans.append((ad, TEXT, start, end, titled and number == 0))
                pieces.append(masked[start:end])
            mentions += ((ad, TEXT, *m) for m in self._tools.find(masked))
        table = np.array(spans, dtype=np.int64).reshape(-1, 5)
        words = self._splitter.split(pieces)
        return Reading(
            ad=table[:, 0],
            field=table[:, 1],
            start=table[:, 2],
            end=table[:, 3],
            title=table[:, 4].astype(np.bool_),
            texts=pieces,
            words=words,
            splitter=self._splitter,
            hits=self._terms.find(self._splitter, words),
            mentions=mentions,
            length=np.array([len(t) for t in texts], dtype=np.int64),
        )


def looks_like_title(text: str, start: int, end: int) -> bool:
    """Whether the first segment of a text is its title: a short first line without a stop at its end."""
    if end - start > MAX_TITLE or text[end - 1] in ".!?:;,":
        return False
    return end == len(text) or text[end:].lstrip(f" \t{FILLER}")[:1] in ("\n", "\r", "")


def begins_with(line: str, title: str) -> bool:
    """Whether the first line of a text is its title, or the title and more behind it ("Data Engineer, Utrecht")."""
    plain, wanted = (" ".join(mask(t).replace(FILLER, "").casefold().split()) for t in (line, title))
    return plain.startswith(wanted) and not plain[len(wanted) : len(wanted) + 1].isalnum()


def embed(embedder: Embedder, reading: Reading) -> NDArray[np.int8]:
    """Quantised vectors of the segments of a batch, shape (n_segments, dimension)."""
    if isinstance(embedder, StaticEmbedder):
        return quantise(embedder.embed_words(reading.splitter, reading.words))
    return quantise(embedder.embed([t.replace(FILLER, "") for t in reading.texts]))


class Scorer:
    """Compares vectors with anchors."""

    def __init__(self, anchors: Sequence[Anchor], vectors: NDArray[np.int8]) -> None:
        """Pool the anchors.

        Args:
            anchors: The anchors.
            vectors: Their quantised vectors, shape (n_anchors, dimension).
        """
        self.pools = Pools(anchors, vectors)
        self._facets = [i for i, (_, facet) in enumerate(self.pools.names) if facet]
        self.coded = (*self.pools.codes, *("/".join(self.pools.names[i]) for i in self._facets))

    def with_facets(self, probabilities: Floats, sums: Floats) -> Floats:
        """Probabilities of codes and, beside them, of their facets, shape (n_segments, len(coded)).

        A code's probability is shared out among its facets by their pools.
        """
        parts = [probabilities]
        for i in self._facets:
            code = self.pools.names[i][0]
            total = np.zeros(len(sums))
            for member in self.pools.members(code):
                total += sums[:, member]
            share = sums[:, i] / np.maximum(total, np.finfo(np.float64).tiny)
            parts.append((probabilities[:, self.pools.codes.index(code)] * share)[:, None])
        return np.concatenate(parts, axis=1)


def untitled(probabilities: Floats, title: NDArray[np.bool_]) -> Floats:
    """Take the codes from titles: a title names the job and carries no code by itself."""
    return np.where(title[:, None], 0.0, probabilities)


def evidence(
    book: CodingBook,
    segments: Segments,
    named: Iterable[tuple[int, int]],
    scored: Floats,
) -> Evidence:
    """Sum up a batch for the profile.

    Args:
        book: The coding book.
        segments: A `Reading`, or labelled ads.
        named: Ad and tool (index into the book's) of each mention, once per ad.
        scored: `Scorer.with_facets` of the segments.
    """
    column = {c.code: i for i, c in enumerate(c for c in book.codes if c.group == "TECH")}
    tools = np.zeros((len(segments.length), len(column)), dtype=np.int64)
    for ad, tool in named:
        if (code := book.tools[tool].code) in column:
            tools[ad, column[code]] += 1
    counts = facet_counts(segments.hits, len(segments.ad), book.terms, book.facets)
    return Evidence(segments.ad, segments.title, segments.length, scored, counts, tools)


def feature_space(book: CodingBook, scorer: Scorer) -> FeatureSpace:
    """The features that a book gives rise to."""
    return FeatureSpace(scorer.coded, book.facets, [c.code for c in book.codes if c.group == "TECH"])
