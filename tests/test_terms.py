"""Terms against a naive matcher that tries every term at every word."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedcode.terms import TermFinder, TermHits, facet_counts
from embedcode.types import Facet, Term
from embedcode.words import Splitter, find_words


def terms_of(*terms: str, facet: str = "f") -> list[Term]:
    return [Term(t, facet, "en") for t in terms]


def naive(texts: list[str], terms: list[Term]) -> list[tuple[int, int]]:
    """Text and term of every hit."""
    hits = []
    for number, text in enumerate(texts):
        words = find_words(text)
        for index, term in enumerate(terms):
            parts = term.term.split(" ")
            for i in range(len(words) - len(parts) + 1):
                window = words[i : i + len(parts)]
                *body, last = parts
                ends = window[-1].startswith(last[:-1]) if last.endswith("*") else window[-1] == last
                if window[:-1] == body and ends:
                    hits.append((number, index))
    return hits


def pairs(hits: TermHits) -> list[tuple[int, int]]:
    return list(zip(hits.text.tolist(), hits.term.tolist(), strict=True))


def find(texts: list[str], terms: list[Term]) -> list[tuple[int, int]]:
    splitter = Splitter()
    return pairs(TermFinder(terms).find(splitter, splitter.split(texts)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("We make a language model.", ["language model*", "model*"]),
        ("Language-models, language models", ["language model*"] * 2 + ["model*"] * 2),
        ("large language model", ["language model*", "large language model", "model*"]),
        ("large language models", ["language model*", "model*"]),
        ("modelling remodelling", ["model*"]),
        ("C++ and C, c++17", ["c++"] * 2),
        ("learning machine learning", ["machine learning"]),
        ("machine learning engineering", ["machine learning", "machine learning engineer*"]),
        ("machine, learning", ["machine learning"]),  # punctuation parts words and nothing else
        ("mach\x00ine learn\x00ing", ["machine learning"]),
        ("machine\u2011learning, machine\u202flearning", ["machine learning"] * 2),
        ("foto’s", ["foto's"]),
        ("learn learn learn", ["learn learn"] * 2),
        ("", []),
    ],
)
def test_terms(text: str, expected: list[str]) -> None:
    terms = terms_of(
        "language model*",
        "large language model",
        "model*",
        "c++",
        "machine learning",
        "machine learning engineer*",
        "foto's",
        "learn learn",
    )
    assert sorted(terms[i].term for _, i in find([text], terms)) == sorted(expected)


def test_a_star_stands_for_any_ending_and_none() -> None:
    terms = terms_of("bouw*", "b*")
    assert find(["bouw bouwen bouwer verbouwen b"], terms) == [(0, 0)] * 3 + [(0, 1)] * 4


def test_terms_do_not_cross_texts() -> None:
    assert find(["machine", "learning", "", "machine learning", "machine"], terms_of("machine learning")) == [(3, 0)]


def test_a_term_of_two_facets_is_found_for_both() -> None:
    terms = [*terms_of("back end", "build*", facet="a"), *terms_of("back end", "build*", facet="b")]
    assert find(["build a back end"], terms) == [(0, 0), (0, 1), (0, 2), (0, 3)]


def test_no_terms_and_no_texts() -> None:
    assert find(["some words"], []) == []
    assert find([], terms_of("some")) == []
    assert find(["", ""], terms_of("some")) == []


def test_sequences_run_through_tokens_of_several_words() -> None:
    assert find(["from data→machine learning"], terms_of("machine learning")) == [(0, 0)]


VOCABULARY = ["a", "ab", "abc", "b", "bc", "c++", "a.b", "ba"]
WORD = st.sampled_from(VOCABULARY)
TERM = st.tuples(st.lists(WORD, min_size=1, max_size=4), st.booleans()).map(
    lambda t: " ".join(t[0]) + "*" * (t[1] and t[0][-1] != "c++")
)
TEXT = st.lists(st.one_of(WORD, st.sampled_from(["d", ",", "-", "and"])), max_size=15).map(" ".join)


@given(st.lists(TERM, max_size=12), st.lists(st.lists(TEXT, max_size=5), max_size=3))
def test_against_a_naive_matcher(terms: list[str], batches: list[list[str]]) -> None:
    table = terms_of(*terms)
    finder, splitter = TermFinder(table), Splitter()
    for texts in batches:
        hits = pairs(finder.find(splitter, splitter.split(texts)))
        assert hits == sorted(hits)
        assert hits == sorted(naive(texts, table))
    other = Splitter()
    other.split(["c++ d ba", "zzz"])  # other numbers for the same words
    for texts in batches:
        assert pairs(finder.find(other, other.split(texts))) == sorted(naive(texts, table))


# --- facets

FACETS = [
    Facet("a", ""),
    Facet("pair", "", ("a", "b")),
    Facet("b", ""),
    Facet("none", ""),
    Facet("empty pair", "", ("a", "none")),
]


def test_facet_counts_by_hand() -> None:
    terms = [Term("x", "a", "en"), Term("y", "b", "en"), Term("x", "b", "en")]
    splitter = Splitter()
    texts = ["x x y", "y", "", "x"]
    hits = TermFinder(terms).find(splitter, splitter.split(texts))
    counts = facet_counts(hits, 4, terms, FACETS)
    assert counts.dtype == np.float32
    assert counts.tolist() == [[2, 1, 3, 0, 0], [0, 0, 1, 0, 0], [0, 0, 0, 0, 0], [1, 1, 1, 0, 0]]


def test_facet_counts_without_hits_terms_or_facets() -> None:
    nothing = TermHits(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))
    assert facet_counts(nothing, 2, [], FACETS).tolist() == [[0] * 5] * 2
    assert facet_counts(nothing, 0, [], FACETS).shape == (0, 5)
    assert facet_counts(nothing, 2, [], []).shape == (2, 0)


@given(st.lists(st.tuples(TERM, st.sampled_from(["a", "b", "none"])), max_size=8), st.lists(TEXT, max_size=5))
def test_facet_counts_against_a_loop(terms: list[tuple[str, str]], texts: list[str]) -> None:
    table = [Term(t, f, "en") for t, f in terms]
    splitter = Splitter()
    hits = TermFinder(table).find(splitter, splitter.split(texts))
    expected = [dict.fromkeys((f.name for f in FACETS), 0) for _ in texts]
    for text, term in naive(texts, table):
        expected[text][table[term].facet] += 1
    for row in expected:
        for facet in FACETS:
            if facet.both:
                row[facet.name] = int(all(row[name] for name in facet.both))
    assert facet_counts(hits, len(texts), table, FACETS).tolist() == [list(row.values()) for row in expected]
