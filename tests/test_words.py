"""Words: `Splitter` against `find_words`, its numbers, and what stands between the words."""

from __future__ import annotations

from itertools import pairwise
from string import punctuation

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from embedcode.words import FILLER, Splitter, Words, find_words, normalise

PIECES = [
    *("C++", "C#", ".NET", "Node.js", "CI/CD", "foto's", "foto’s", "and", "EN", "python3", "_", "...", "a+b", "x.y"),
    *("\x00", "\x01", "\x02", "\x1c", "\x85", "\xa0", "\u2003", "\u202f", "\u200b", "\u2011", "\ud800", "🚀", "…"),
    *("ΑΣ", "İ", "ß", "ǅ", "é", "e\u0301", "数据", "–", "—", "•", "·", "“", "”", "¼", "²"),
    *" .'+#,;:()[]{}|!?\"-/*&\t\n\r",
]
TEXTS = st.one_of(st.text(), st.text(st.characters()), st.lists(st.sampled_from(PIECES)).map("".join))


def split(texts: list[str], splitter: Splitter | None = None) -> list[list[str]]:
    """The words of each text, by the splitter."""
    splitter = splitter or Splitter()
    words = splitter.split(texts)
    assert len(words) == len(texts)
    known = splitter.words
    return [[known[t] for t in words.tokens[a:b]] for a, b in pairwise(words.starts)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("C++, C# and .NET", ["c++", "c#", "and", ".net"]),
        ("Node.js/React in CI/CD", ["node.js", "react", "in", "ci", "cd"]),
        ("foto's of foto’s", ["foto's", "of", "foto's"]),
        ("'quoted' it''s", ["quoted", "it", "s"]),
        ("state-of-the-art, e-mail_us", ["state", "of", "the", "art", "e", "mail", "us"]),
        ("The end. Of it... all", ["the", "end", "of", "it", "all"]),
        ("systems.You", ["systems.you"]),
        (f"data{FILLER}{FILLER}pijplijn {FILLER} en", ["datapijplijn", "en"]),
        (f"C{FILLER}++ .{FILLER}NET", ["c++", ".net"]),
        (f"ΑΣ{FILLER}Β", ["ασβ"]),
        ("one\x01two\x02three", ["one", "two", "three"]),
        ("GPT\u20114o\u202fmodel\xa0x", ["gpt", "4o", "model", "x"]),
        ("caf\xe9 数据", ["caf\xe9", "数据"]),
        ("", []),
        (" \n\x00\x01\x02 --- ", []),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    assert find_words(text) == words
    assert split([text]) == [words]


@given(st.lists(TEXTS, max_size=6))
@example(["ΑΣ\x00Β", "Σ", "ΑΣ"])
@example(["", "a", "", ""])
def test_splitter_gives_the_words_of_find_words(texts: list[str]) -> None:
    assert split(texts) == [find_words(t) for t in texts]


@given(st.lists(st.lists(TEXTS, max_size=3), max_size=4))
def test_words_do_not_depend_on_the_batches_before(batches: list[list[str]]) -> None:
    splitter = Splitter()
    for texts in batches:
        assert split(texts, splitter) == [find_words(t) for t in texts]


def test_numbers_of_tokens_stay() -> None:
    splitter = Splitter()
    first = splitter.split(["build a model", ""])
    met = len(splitter)
    again = splitter.split(["A model: build"])
    assert len(splitter) == met
    assert set(again.tokens) == set(first.tokens)
    assert splitter.split(["build models"]).tokens[0] == first.tokens[0]
    assert splitter.words[met:] == ["models"]


def test_an_empty_batch_has_no_texts() -> None:
    words = Splitter().split([])
    assert len(words) == 0
    assert words.starts.tolist() == [0]
    assert words.tokens.tolist() == []
    assert words.tokens.dtype == np.int32
    assert words.starts.dtype == np.int64


def test_empty_texts_keep_their_places() -> None:
    words = Splitter().split(["", "one two", " , ", "three", ""])
    assert words.starts.tolist() == [0, 0, 2, 2, 3, 3]


def test_normalise_folds_signs_beyond_ascii() -> None:
    assert normalise("Foto’s\xa0– IT") == "foto's   it"


# --- punctuation

COMMON = [*sorted(set(punctuation) - set(".'+#")), *"\xa0\u202f\u2010\u2011–—•·"]
RARE = [*"…“”→\x01\x02🚀"]


@pytest.mark.parametrize("sign", [*COMMON, *RARE], ids=ascii)
def test_punctuation_parts_words_and_is_none(sign: str) -> None:
    for text in (f"one{sign}two", f"one {sign} two{sign}", f"{sign}one{sign}{sign}two", f"One{sign} Two"):
        assert split([text]) == [find_words(text)] == [["one", "two"]]
    assert split([sign, f"{sign} {sign}", "one"]) == [[], [], ["one"]]


@pytest.mark.parametrize("sign", COMMON, ids=ascii)
def test_common_punctuation_is_not_remembered(sign: str) -> None:
    splitter = Splitter()
    splitter.split([f"one{sign}two", f"{sign} two", "one"])
    assert splitter.size == 3  # the mark of an end, one, two


def test_conjunctions_are_words_like_others() -> None:
    assert split(["build and ship, or both; en meer"]) == [["build", "and", "ship", "or", "both", "en", "meer"]]


# --- numbers


def test_numbers_begin_at_one() -> None:
    splitter = Splitter()
    assert splitter.words == [""]
    assert (len(splitter), splitter.size) == (1, 1)  # the mark of an end alone
    words = splitter.split(["One, two", "", "(two) → three! one"])
    assert isinstance(words, Words)
    assert words.tokens.tolist() == [1, 2, 2, 3, 1]
    assert words.starts.tolist() == [0, 2, 2, 5]
    assert words.tokens.dtype == np.int32
    assert words.starts.dtype == np.int64
    assert splitter.words == ["", "one", "two", "three"]


@given(st.lists(st.lists(TEXTS, max_size=3), max_size=3))
def test_each_word_has_one_number_and_the_mark_is_never_a_token(batches: list[list[str]]) -> None:
    splitter = Splitter()
    for texts in batches:
        tokens = splitter.split(texts).tokens
        assert ((tokens > 0) & (tokens < len(splitter))).all()
    met = dict.fromkeys(w for texts in batches for t in texts for w in find_words(t))
    assert splitter.words[0] == ""
    assert sorted(splitter.words[1:]) == sorted(met)


# --- what holds none or several words

NONE = ["→", "…", "...", "+", "“”", "'"]
SEVERAL = {"data→model": ["data", "model"], "“a…b”": ["a", "b"], "x..y": ["x", ".y"], "c++b++a→": ["c++", "b++", "a"]}
ONE = {"data": ["data"], "“a”": ["a"], "model.": ["model"], "'b'": ["b"]}
HELD: dict[str, list[str]] = {**dict.fromkeys(NONE, []), **SEVERAL, **ONE}


@pytest.mark.parametrize("token", [*NONE, *SEVERAL, *ONE])
def test_what_a_token_holds(token: str) -> None:
    assert split([token]) == [find_words(token)] == [HELD[token]]


def test_tokens_of_no_or_several_words_by_hand() -> None:
    splitter = Splitter()
    texts = ["→ data→model", "…", "model x..y → data→model data", "x..y"]
    for _ in range(2):  # the second time, every token is known
        words = splitter.split(texts)
        assert words.tokens.tolist() == [1, 2, 2, 3, 4, 1, 2, 1, 3, 4]
        assert words.starts.tolist() == [0, 2, 2, 8, 10]
    assert splitter.words == ["", "data", "model", "x", ".y"]
    assert splitter.size == 7  # the mark, →, data→model, …, model, x..y, data


@given(st.lists(st.lists(st.lists(st.sampled_from(sorted(HELD)), max_size=8), max_size=4), max_size=3))
def test_tokens_are_expanded_in_place(batches: list[list[list[str]]]) -> None:
    splitter = Splitter()
    for texts in batches:
        expected = [[w for token in tokens for w in HELD[token]] for tokens in texts]
        assert split([" ".join(tokens) for tokens in texts], splitter) == expected
