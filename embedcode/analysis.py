"""Joins the stages, from texts to evidence: the part that coding and building share.

A `Reader` finds what the text alone tells (segments, words, terms, tools); a `Scorer` adds what the anchors say
about it; `evidence` sums up both for the profile.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from embedcode.codes import Floats, Pools
from embedcode.embedder import StaticEmbedder
from embedcode.errors import OverlongAdError
from embedcode.features import Evidence, FeatureSpace
from embedcode.markup import mask
from embedcode.segments import MAX_SEGMENTS, segment
from embedcode.stopwatch import Stopwatch
from embedcode.terms import TermFinder, TermHits
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
class Layout:
    """Where the segments of a batch of ads are, and the tools that the ads name.

    Attributes:
        ad: Ad of each segment, ascending, shape (n_segments,).
        field: `TITLE` or `TEXT`, shape (n_segments,).
        start, end: Code points in the field as given, end exclusive, shape (n_segments,).
        title: Whether a segment is the ad's title, shape (n_segments,).
        texts: The segments, without markup.
        mentions: Tools found: ad, field, start, end and index of the tool; in text order.
        length: Characters of each ad, shape (n_ads,).
    """

    ad: NDArray[np.int64]
    field: NDArray[np.int64]
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    title: NDArray[np.bool_]
    texts: list[str]
    mentions: list[tuple[int, int, int, int, int]]
    length: NDArray[np.int64]


@dataclass(frozen=True)
class Reading:
    """What segments tell by themselves.

    Attributes:
        texts: The segments, without markup.
        words: Their words.
        splitter: What split them.
        hits: The terms found in them.
    """

    texts: Sequence[str]
    words: Words
    splitter: Splitter
    hits: TermHits


class _Part(NamedTuple):
    """A title or text, masked, with its segments; `titled`: the first of them is the ad's title."""

    ad: int
    field: int
    text: str
    spans: list[tuple[int, int]]
    titled: bool


class Placed(Protocol):
    """What a layout and labelled ads have in common; see `Layout`."""

    @property
    def ad(self) -> NDArray[np.int64]: ...
    @property
    def title(self) -> NDArray[np.bool_]: ...
    @property
    def length(self) -> NDArray[np.int64]: ...


class Reader:
    """Finds segments and tools in ads, words and terms in segments."""

    def __init__(self, book: CodingBook) -> None:
        self._terms = TermFinder(book.terms)
        self._tools = ToolFinder(book.tools)
        self._splitter = Splitter()

    def lay_out(
        self, texts: Sequence[str], titles: Sequence[str | None] | None = None, clock: Stopwatch | None = None
    ) -> Layout:
        """Find the segments of a batch of ads, and the tools that they name.

        Args:
            texts: The ads.
            titles: Their titles, where they are known. A title that is the first line of the text already is not
                read twice.
            clock: Told what each stage took.

        Raises:
            OverlongAdError: A text has more than `MAX_SEGMENTS` segments.
        """
        clock = clock or Stopwatch()
        masked = [mask(t) for t in texts]
        clock.lap("cleaning")
        parts: list[_Part] = []
        for ad, text in enumerate(masked):
            found = segment(text)
            if len(found) > MAX_SEGMENTS:
                raise OverlongAdError(ad, MAX_SEGMENTS)
            title = titles[ad] if titles else None
            titled = bool(found) and looks_like_title(text, *found[0])
            if title is not None and title.strip():
                titled = titled and begins_with(text[slice(*found[0])], title)
                if not titled:
                    cleaned = mask(title)
                    stripped = cleaned.strip(f"{FILLER} \t\r\n")
                    start = cleaned.index(stripped)
                    whole = [(start, start + len(stripped))] if stripped else []
                    parts.append(_Part(ad, TITLE, cleaned, whole, bool(whole)))
            parts.append(_Part(ad, TEXT, text, found, titled))
        count = np.array([len(p.spans) for p in parts], dtype=np.int64)
        spans = np.fromiter(chain.from_iterable(chain.from_iterable(p.spans for p in parts)), np.int64).reshape(-1, 2)
        is_title = np.zeros(len(spans), dtype=np.bool_)
        is_title[(np.cumsum(count) - count)[[p.titled for p in parts]]] = True
        pieces = [p.text[start:end] for p in parts for start, end in p.spans]
        clock.lap("segmenting")
        mentions = [(p.ad, p.field, *m) for p in parts for m in self._tools.find(p.text)]
        clock.lap("tools")
        return Layout(
            ad=np.repeat(np.array([p.ad for p in parts], dtype=np.int64), count),
            field=np.repeat(np.array([p.field for p in parts], dtype=np.int64), count),
            start=spans[:, 0],
            end=spans[:, 1],
            title=is_title,
            texts=pieces,
            mentions=mentions,
            length=np.array([len(t) for t in texts], dtype=np.int64),
        )

    def read(self, segments: Sequence[str], clock: Stopwatch | None = None) -> Reading:
        """Find the words and terms of segments.

        Args:
            segments: The segments, without markup.
            clock: Told what each stage took.
        """
        clock = clock or Stopwatch()
        if self._splitter.size > MAX_TOKENS:
            self._splitter = Splitter()
        words = self._splitter.split(segments)
        clock.lap("words")
        hits = self._terms.find(self._splitter, words)
        clock.lap("terms")
        return Reading(segments, words, self._splitter, hits)


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
    placed: Placed,
    named: Iterable[tuple[int, int]],
    scored: Floats,
    counts: NDArray[np.float32],
) -> Evidence:
    """Sum up a batch for the profile.

    Args:
        book: The coding book.
        placed: A `Layout`, or labelled ads.
        named: Ad and tool (index into the book's) of each mention, once per ad.
        scored: `Scorer.with_facets` of the segments.
        counts: `terms.facet_counts` of the segments.
    """
    column = {c.code: i for i, c in enumerate(c for c in book.codes if c.group == "TECH")}
    tools = np.zeros((len(placed.length), len(column)), dtype=np.int64)
    for ad, tool in named:
        if (code := book.tools[tool].code) in column:
            tools[ad, column[code]] += 1
    return Evidence(placed.ad, placed.title, placed.length, scored, counts, tools)


def feature_space(book: CodingBook, scorer: Scorer) -> FeatureSpace:
    """The features that a book gives rise to."""
    return FeatureSpace(scorer.coded, book.facets, [c.code for c in book.codes if c.group == "TECH"])
