"""What in a sound coding book is worth a look: anchors that repeat or contradict each other, thin codes, idle phrases.

Anchors are compared as vectors, each with all others (leave-one-out). The negative anchors count as a code like any
other. An anchor without a known word has no vector and is left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from embedcode.book import LANGUAGES
from embedcode.bundle import Bundle
from embedcode.coded_files import batches
from embedcode.folder import MANIFEST, read_json
from embedcode.labelled import Labelled
from embedcode.loading import load_embedder
from embedcode.neighbours import AnchorIndex
from embedcode.types import NEGATIVE, Anchor, CodingBook
from embedcode.values import tally
from embedcode.vectors import SCALE, quantise
from embedcode.words import find_words

NEAR = 0.9
"""Cosine from which anchors of two codes are near duplicates."""

FEWEST, FEWEST_OF_FACET = 10, 3
"""A code with fewer anchors is thin, and so is a facet."""

_BLOCK = 1024


@dataclass(frozen=True)
class Pair:
    """Two anchors that say the same: in the same words, or nearly so under two codes."""

    first: Anchor
    second: Anchor
    similarity: float
    same_words: bool


@dataclass(frozen=True)
class Stray:
    """An anchor that is nearer to an anchor of another code than to any of its own.

    Attributes:
        own, other: The nearest anchor of its code, and that of the others.
        similarity, other_similarity: Their cosines.
    """

    anchor: Anchor
    own: Anchor
    similarity: float
    other: Anchor
    other_similarity: float


@dataclass(frozen=True)
class Thin:
    """A code or facet with few anchors; `facet` is empty where the code as a whole is meant."""

    code: str
    facet: str
    anchors: int
    expected: int


@dataclass(frozen=True)
class Lacking:
    """A code without anchors in a language."""

    code: str
    language: str


@dataclass(frozen=True)
class CodeUse:
    """A code's anchors, and how they fare.

    Attributes:
        languages: Anchors by language.
        purity: Share of its anchors whose nearest other anchor is of the same code; None where none was compared.
        won: How many pieces of evidence its anchors are the nearest to; None without coded ads.
    """

    code: str
    anchors: int
    languages: dict[str, int]
    purity: float | None
    won: int | None


@dataclass(frozen=True)
class Usage:
    """How the anchors fare in coded ads.

    Attributes:
        ads: How many ads there are.
        idle: Anchors that are the nearest of no evidence. Negative anchors never are, and are left out.
        won: How many pieces of evidence each anchor is the nearest to, by its id, most first.
        unknown: Anchors named in the evidence that the book does not have.
        new: Anchors that the bundle does not have: they had no chance to win anything.
        other_bundle: Whether the ads were coded by another bundle, so that more anchors may have had none.
    """

    ads: int
    idle: tuple[Anchor, ...]
    won: dict[str, int]
    unknown: int
    new: int
    other_bundle: bool


@dataclass(frozen=True)
class Findings:
    """What is worth a look; `usage` is None without coded ads."""

    codes: tuple[CodeUse, ...]
    duplicates: tuple[Pair, ...]
    strays: tuple[Stray, ...]
    thin: tuple[Thin, ...]
    lacking: tuple[Lacking, ...]
    usage: Usage | None

    @property
    def count(self) -> int:
        """How many findings there are."""
        lists = (self.duplicates, self.strays, self.thin, self.lacking, self.usage.idle if self.usage else ())
        return sum(map(len, lists))


def find(book: CodingBook, vectors: NDArray[np.int8], usage: Usage | None = None, near: float = NEAR) -> Findings:
    """Look through a coding book.

    Args:
        book: The book.
        vectors: Quantised vectors of its anchors, shape (n_anchors, dimension); see `anchor_vectors`.
        usage: How its anchors fare in coded ads.
        near: Cosine from which anchors of two codes are near duplicates.
    """
    names = [*(c.code for c in book.codes if c.group != "TECH"), NEGATIVE]
    code = np.array([names.index(a.code) for a in book.anchors], dtype=np.int64)
    found = rivals(vectors, code, near)
    (own, other), (own_near, other_near) = found.anchor, found.cosine
    compared = (own >= 0) & (other >= 0)
    astray = compared & (other_near > own_near)
    worst = sorted(np.flatnonzero(astray).tolist(), key=lambda i: (own_near[i] - other_near[i], book.anchors[i].id))
    strays = tuple(
        Stray(book.anchors[i], book.anchors[own[i]], float(own_near[i]), book.anchors[other[i]], float(other_near[i]))
        for i in worst
    )
    won: Counter[str] = Counter()
    if usage:
        for a in book.anchors:
            won[a.code] += usage.won.get(a.id, 0)
    codes = []
    for number, name in enumerate(names):
        mine = code == number
        n = int((mine & compared).sum())
        codes.append(
            CodeUse(
                name,
                int(mine.sum()),
                {x: sum(a.language == x for a in book.anchors if a.code == name) for x in LANGUAGES},
                1 - int((mine & astray).sum()) / n if n else None,
                won[name] if usage and name != NEGATIVE else None,
            )
        )
    lacking = tuple(Lacking(c.code, x) for c in codes if c.anchors for x, n in c.languages.items() if not n)
    return Findings(
        tuple(codes), _duplicates(book.anchors, vectors, found.pairs), strays, _thin(book, names), lacking, usage
    )


def anchor_vectors(book: CodingBook, bundle: Bundle, model: str | None, download: bool) -> NDArray[np.int8]:
    """Vectors of a book's anchors: those that a bundle has, the others from its embedder, which is loaded if needed.

    Raises:
        ModelError: The embedder is needed and cannot be loaded.
    """
    known = {a.phrase: v for a, v in zip(bundle.book.anchors, bundle.anchor_vectors, strict=True)}
    fresh = list(dict.fromkeys(a.phrase for a in book.anchors if a.phrase not in known))
    if fresh:
        known.update(zip(fresh, quantise(load_embedder(bundle, model, download).embed(fresh)), strict=True))
    shape = (len(book.anchors), bundle.anchor_vectors.shape[1])
    return np.array([known[a.phrase] for a in book.anchors], dtype=np.int8).reshape(shape)


def usage_in(coded: Path, book: CodingBook, bundle: Bundle) -> Usage:
    """How a book's anchors fare in coded ads.

    Args:
        coded: What `classify` wrote.
        book: The book.
        bundle: The bundle that coded the ads.

    Raises:
        InputError: There are no coded ads, or they cannot be read.
    """
    ads = 0
    won: Counter[str] = Counter()
    for batch in batches(coded, ["codes"]):
        ads += len(batch)
        won.update(tally(pc.struct_field(pc.list_flatten(batch.column("codes")), "anchor_id")))
    known = {a.id for a in bundle.book.anchors}
    old = [a for a in book.anchors if a.id in known or a.id in won]
    coded_by = read_json(coded / MANIFEST).get("bundle") if coded.is_dir() else None
    return Usage(
        ads,
        tuple(a for a in old if a.id not in won and a.code != NEGATIVE),
        dict(sorted(won.items(), key=lambda w: (-w[1], w[0]))),
        len(won.keys() - {a.id for a in book.anchors}),
        len(book.anchors) - len(old),
        isinstance(coded_by, dict) and coded_by.get("anchors") != bundle.hashes.get("anchors"),
    )


def purity(book: CodingBook, vectors: NDArray[np.int8], labelled: Labelled) -> NDArray[np.int64]:
    """How the anchors fare on labelled ads, each of which is embedded by an embedder that has not seen its fold.

    Args:
        book: The coding book.
        vectors: Quantised vectors of its anchors, shape (n_anchors, dimension).
        labelled: The labelled ads.

    Returns:
        Shape (n_anchors, 2): how many segments each anchor is the nearest to, and how many of them people gave its code
        (to a negative anchor: none). Titles and segments whose code is not certain are left out.
    """
    names = {c: i for i, c in enumerate(labelled.codes)}
    nearest = AnchorIndex(vectors).search(labelled.vectors, 1).anchor[:, 0]
    column = np.array([names.get(a.code, -1) for a in book.anchors], dtype=np.int64)[nearest]
    rows = np.arange(len(nearest))
    right = np.where(column >= 0, labelled.labels[rows, column], ~labelled.labels.any(axis=1))
    sure = np.where(column >= 0, labelled.known[rows, column], labelled.known.all(axis=1))
    counted = sure & ~labelled.title & (nearest >= 0)
    found = [np.bincount(nearest[chosen], minlength=len(book.anchors)) for chosen in (counted, counted & right)]
    return np.stack(found, axis=1)


@dataclass(frozen=True)
class Rivals:
    """The nearest other anchors of each anchor.

    Attributes:
        anchor: Of the same code (first row) and of other codes (second), -1 for none, shape (2, n_anchors).
        cosine: How near, same shape.
        pairs: Pairs of anchors of two codes that are nearer than asked, with their cosines.
    """

    anchor: NDArray[np.int64]
    cosine: NDArray[np.float32]
    pairs: dict[tuple[int, int], float]


def rivals(vectors: NDArray[np.int8], code: NDArray[np.int64], near: float = NEAR) -> Rivals:
    """Compare each anchor with all others.

    Args:
        vectors: Quantised vectors of the anchors, shape (n_anchors, dimension).
        code: Number of the code of each, shape (n_anchors,).
        near: Cosine from which pairs are told.
    """
    n = len(vectors)
    wide, blank = vectors.astype(np.float32), ~np.asarray(vectors.any(axis=1), dtype=np.bool_)
    anchor, nearest = np.full((2, n), -1, dtype=np.int64), np.full((2, n), -1, dtype=np.float32)
    pairs: dict[tuple[int, int], float] = {}
    for first in range(0, n, _BLOCK):
        rows = np.arange(first, min(first + _BLOCK, n))
        # Sums of whole numbers, exact in any order; see `vectors`.
        cosine = np.minimum(wide[rows] @ wide.T / np.float32(SCALE**2), np.float32(1))
        cosine[np.arange(len(rows)), rows] = -2
        cosine[blank[rows]] = -2
        cosine[:, blank] = -2
        same = code[rows, None] == code
        for side, among in enumerate((same, ~same)):
            masked = np.where(among, cosine, np.float32(-2))
            best = masked.argmax(axis=1)
            highest = masked[np.arange(len(rows)), best]
            anchor[side, rows] = np.where(highest > -2, best, -1)
            nearest[side, rows] = np.maximum(highest, -1)
        for i, j in np.argwhere(~same & (cosine >= near)).tolist():
            if i + first < j:
                pairs[i + first, j] = float(cosine[i, j])
    return Rivals(anchor, nearest, pairs)


def _duplicates(
    anchors: Sequence[Anchor], vectors: NDArray[np.int8], near: Mapping[tuple[int, int], float]
) -> tuple[Pair, ...]:
    """Anchors of the same words in another order, then near duplicates under two codes, the nearest first."""
    groups: dict[tuple[str, ...], list[int]] = {}
    for i, a in enumerate(anchors):
        groups.setdefault(tuple(sorted(find_words(a.phrase))), []).append(i)
    wide = vectors.astype(np.int64)
    same = {(g[0], i): min(1.0, float(wide[g[0]] @ wide[i]) / SCALE**2) for g in groups.values() for i in g[1:]}
    found = {**near, **same}
    order = sorted(found, key=lambda p: (p not in same, -found[p], p))
    return tuple(Pair(anchors[i], anchors[j], found[i, j], (i, j) in same) for i, j in order)


def _thin(book: CodingBook, names: Sequence[str]) -> tuple[Thin, ...]:
    whole = Counter(a.code for a in book.anchors)
    facets = Counter((a.code, a.facet) for a in book.anchors)
    out = []
    for name in names:
        if whole[name] < FEWEST:
            out.append(Thin(name, "", whole[name], FEWEST))
        out += [
            Thin(name, facet, n, FEWEST_OF_FACET)
            for (code, facet), n in sorted(facets.items())
            if code == name and n < FEWEST_OF_FACET and whole[name] >= FEWEST
        ]
    return tuple(out)
