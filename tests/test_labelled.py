"""Labelled ads as numbers, from authored ads: codes, terms and tools as the reading finds them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ads import ADS, gold_rows
from numpy.typing import NDArray

from embedcode.analysis import Layout, Reader, Reading, embed
from embedcode.embedder import StaticEmbedder
from embedcode.gold import GoldAd, labels_of, read_gold
from embedcode.labelled import Labelled, read_labelled
from embedcode.terms import TermFinder, TermHits, facet_counts
from embedcode.types import CodingBook, Term
from embedcode.vectors import quantise
from embedcode.words import FILLER, Splitter

Read = tuple[Labelled, Layout, Reading]


@pytest.fixture
def gold(tmp_path: Path, book: CodingBook) -> list[GoldAd]:
    path = tmp_path / "gold.parquet"
    pq.write_table(pa.Table.from_pylist(gold_rows()), path)
    codes = [f"{group}{i}" for group, n in (("TASK", 5), ("TECH", 11), ("SKILL", 5)) for i in range(1, n + 1)]
    return read_gold(path, [p.name for p in book.profiles], codes)


@pytest.fixture
def folds(gold: list[GoldAd]) -> np.ndarray:
    return np.arange(len(gold), dtype=np.int64) % 3


@pytest.fixture
def read(book: CodingBook, gold: list[GoldAd], folds: np.ndarray) -> Read:
    return read_labelled(book, gold, folds)


def counted(hits: TermHits) -> Counter[tuple[int, int]]:
    return Counter(zip(hits.text.tolist(), hits.term.tolist(), strict=True))


def test_what_labelled_ads_hold(read: Read, gold: list[GoldAd], folds: np.ndarray) -> None:
    labelled, layout, reading = read
    assert labelled.ids == tuple(a.id for a in ADS)
    assert labelled.profiles == tuple(a.profile for a in ADS)
    assert labelled.weight.tolist() == [a.confidence**2 for a in ADS]
    assert labelled.length.tolist() == [len(a.text) for a in gold]
    assert labelled.codes == ("SKILL1", "TASK3", "TASK4")
    assert labelled.labels.shape == labelled.known.shape == (len(layout.ad), 3)
    assert np.array_equal(labelled.fold, folds)
    assert np.array_equal(labelled.segment_fold, folds[labelled.ad])
    assert labelled.vectors.shape == (len(layout.ad), 0)
    assert labelled.vectors.dtype == np.int8
    for ad in range(len(gold)):
        first = int(np.searchsorted(labelled.ad, ad))
        assert reading.texts[first] == ADS[ad].title
        assert labelled.title[first] or ADS[ad].title[-1] in ".!?:;,"


def test_codes_of_the_segments(read: Read, gold: list[GoldAd]) -> None:
    labelled, layout, _ = read
    for number, ad in enumerate(gold):
        mine = labelled.ad == number
        spans = list(zip(layout.start[mine].tolist(), layout.end[mine].tolist(), strict=True))
        labels, known = labels_of(ad, spans, labelled.codes)
        assert np.array_equal(labelled.labels[mine], labels)
        assert np.array_equal(labelled.known[mine], known)
        found = {labelled.codes[i] for i in np.flatnonzero(labels.any(axis=0))}
        assert found >= set(ADS[number].expected.split()) & set(labelled.codes), ad.id


def test_a_bullet_of_an_authored_ad(read: Read) -> None:
    labelled, _, reading = read
    row = reading.texts.index("Tune chunking, embeddings and reranking until the cited sources are right")
    assert labelled.labels[row].tolist() == [False, True, False]
    assert labelled.known[row].tolist() == [True, True, True]
    row = reading.texts.index("Build retrieval-augmented generation over scanned catalogues and letters")
    assert labelled.labels[row].tolist() == [False, True, False]
    assert labelled.known[row].tolist() == [True, True, False]  # only one coder gave TASK4


def test_tools_are_kept_once_per_ad(read: Read) -> None:
    labelled, layout, _ = read
    assert labelled.tools == ("Python", "Go", "LangChain", "Word")
    expected = sorted({(m[0], m[4]) for m in layout.mentions})
    assert labelled.named.tolist() == [list(p) for p in expected]
    by_ad = {(labelled.ids[a], labelled.tools[t]) for a, t in labelled.named.tolist()}
    assert ("genai-rag-en", "Python") in by_ad
    assert ("genai-rag-en", "LangChain") in by_ad


def test_hits_of_the_same_book(read: Read, book: CodingBook) -> None:
    labelled, _, reading = read
    assert labelled.terms == tuple(dict.fromkeys(t.term for t in book.terms))
    assert len(labelled.terms) < len(book.terms)  # one term has two facets
    assert len(reading.hits.text) > 20
    assert counted(labelled.current_hits(book)) == counted(reading.hits)


def naive_hits(reading: Reading, terms: tuple[Term, ...]) -> TermHits:
    splitter = Splitter()
    return TermFinder(terms).find(splitter, splitter.split(reading.texts))


def edited(book: CodingBook, kind: str) -> CodingBook:
    """The book after an edit of its terms."""
    terms = book.terms
    return replace(
        book,
        terms={
            "another order": terms[::-1],
            "a term less": terms[1:],
            "two terms less, one of two facets": tuple(t for t in terms if t.term != "back end"),
            "a facet more": (Term("language model*", "software", "en"), *terms),
            "a facet less": tuple(t for t in terms if (t.term, t.facet) != ("back end", "building")),
            "another facet": (replace(terms[0], facet="software"), *terms[1:]),
            "no terms": (),
        }[kind],
    )


@pytest.mark.parametrize(
    "kind",
    [
        "another order",
        "a term less",
        "two terms less, one of two facets",
        "a facet more",
        "a facet less",
        "another facet",
        "no terms",
    ],
)
def test_hits_after_an_edit_of_the_terms(read: Read, book: CodingBook, kind: str) -> None:
    labelled, layout, reading = read
    after = edited(book, kind)
    current, fresh = labelled.current_hits(after), naive_hits(reading, after.terms)
    assert counted(current) == counted(fresh)
    n = len(layout.ad)
    assert np.array_equal(
        facet_counts(current, n, after.terms, after.facets), facet_counts(fresh, n, after.terms, after.facets)
    )


def test_a_new_term_has_no_hits(read: Read, book: CodingBook) -> None:
    labelled, _, reading = read
    assert any("you" in t.lower().split() for t in reading.texts)
    after = replace(book, terms=(Term("you", "software", "en"), *book.terms))
    hits = labelled.current_hits(after)
    assert 0 not in hits.term
    assert len(hits.term) == len(reading.hits.term)


def test_a_term_of_two_facets_is_counted_once_per_place(book: CodingBook, gold: list[GoldAd]) -> None:
    ad = replace(gold[0], text="Back end and back-end. A back end", codes=(), segments=())
    labelled, _, reading = read_labelled(book, [ad], np.zeros(1, dtype=np.int64))
    back_end = labelled.terms.index("back end")
    assert (labelled.hits.term == back_end).sum() == 3
    assert len(reading.hits.term) == 6
    assert counted(labelled.current_hits(book)) == counted(reading.hits)


def test_a_book_without_terms_and_an_ad_without_text(book: CodingBook, gold: list[GoldAd]) -> None:
    bare = replace(book, terms=(), tools=())
    empty = replace(gold[0], text="", codes=(), segments=())
    labelled, _, _ = read_labelled(bare, [empty, gold[1]], np.array([0, 1]))
    assert 0 not in labelled.ad
    assert labelled.length.tolist() == [0, len(gold[1].text)]
    assert labelled.named.shape == (0, 2)
    assert len(labelled.hits.term) == len(labelled.current_hits(bare).term) == 0


def test_batches_read_before_do_not_matter(book: CodingBook, gold: list[GoldAd], folds: np.ndarray) -> None:
    reader = Reader(book)
    reader.read(reader.lay_out(["Something else entirely, with other words: back end."]).texts)
    first, _, _ = read_labelled(book, gold, folds, reader)
    second, _, _ = read_labelled(book, gold, folds)
    assert np.array_equal(first.hits.term, second.hits.term)
    assert np.array_equal(first.labels, second.labels)
    assert np.array_equal(first.named, second.named)


def test_segments_are_in_order(read: Read) -> None:
    labelled, layout, _ = read
    assert all(a <= b for a, b in pairwise(labelled.ad.tolist()))
    for (a, b), same in zip(
        pairwise(zip(layout.start.tolist(), layout.end.tolist(), strict=True)), np.diff(labelled.ad) == 0, strict=True
    ):
        assert not same or a[1] <= b[0]


def test_with_vectors(read: Read) -> None:
    labelled, _, _ = read
    vectors = np.ones((2, 3), dtype=np.int8)
    after = labelled.with_vectors(vectors)
    assert after.vectors is vectors
    assert after.ids == labelled.ids
    assert labelled.vectors is not vectors


class FromTexts:
    """Passes texts on to an embedder and keeps them: an embedder of another kind."""

    def __init__(self, embedder: StaticEmbedder) -> None:
        self.embedder = embedder
        self.dimension = embedder.dimension
        self.texts: list[str] = []

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.texts = list(texts)
        return self.embedder.embed(texts)


def test_vectors_of_segments(book: CodingBook, embedder: StaticEmbedder) -> None:
    reader = Reader(book)
    layout = reader.lay_out(["Build data models, train them. En meer data", "", "Train a <b>mod</b>el on data"])
    reading = reader.read(layout.texts)
    assert list(reading.texts) == layout.texts
    assert any(FILLER in t for t in reading.texts)
    vectors = embed(embedder, reading)
    assert vectors.dtype == np.int8
    assert vectors.shape == (len(layout.ad), embedder.dimension)
    assert vectors.any(axis=1).all()
    assert vectors.tobytes() == quantise(embedder.embed(reading.texts)).tobytes()
    other = FromTexts(embedder)
    assert embed(other, reading).tobytes() == vectors.tobytes()
    assert other.texts == [t.replace(FILLER, "") for t in reading.texts]
