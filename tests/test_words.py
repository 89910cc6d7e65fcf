"""Words and clauses: `Splitter` against `find_words`, clauses against a walk over the words."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from embedcode.words import FILLER, MAX_CLAUSES, Splitter, Words, find_words, normalise

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
    assert [a.tolist() for a in words.clauses] == [[], [], []]


def test_empty_texts_keep_their_places() -> None:
    words = Splitter().split(["", "one two", " , ", "three", ""])
    assert words.starts.tolist() == [0, 0, 2, 2, 3, 3]


def test_normalise_folds_signs_beyond_ascii() -> None:
    assert normalise("Foto’s\xa0– IT") == "foto's , it"


# --- clauses


def clauses(texts: list[str]) -> list[tuple[int, int, int]]:
    """Clauses as the splitter finds them: text, start and end, counted in words of the text."""
    words = Splitter().split(texts)
    rows = zip(*words.clauses, strict=True)
    return [(int(t), int(a - words.starts[t]), int(b - words.starts[t])) for a, b, t in rows]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("you build many models", []),
        ("you build many models!", []),
        ("build good models, ship them", [(0, 3)]),
        ("build good models, ship them daily", [(0, 3), (3, 6)]),
        ("build good models and ship them daily", [(0, 3), (4, 7)]),
        ("Build good models AND ship it", [(0, 3)]),
        ("modellen bouwen, trainen en ze daarna goed bewaken", [(4, 8)]),
        ("and build good models", [(1, 4)]),
        ("and, or; by", []),
        ("a b c – d e f • g h i", [(0, 3), (3, 6), (6, 9)]),
        ("one. two. three. four, five", [(0, 4)]),
        ("data\x00model a b, c", [(0, 3)]),
        ("", []),
    ],
)
def test_clauses(text: str, expected: list[tuple[int, int]]) -> None:
    assert clauses([text]) == [(0, a, b) for a, b in expected]


def test_a_text_has_at_most_eight_clauses() -> None:
    long = ", ".join(f"a{i} b{i} c{i}" for i in range(11))
    found = clauses([long, "short one", long])
    assert found == [(t, 3 * i, 3 * i + 3) for t in (0, 2) for i in range(MAX_CLAUSES)]
    assert MAX_CLAUSES == 8


def test_clauses_do_not_cross_texts() -> None:
    assert clauses(["one two", "", "three four", "five six seven, eight"]) == [(3, 0, 3)]


WORDS = ["build", "models", "c++", "data"]
STOPS = [",", ";", "(", "!", "—", "·", '"']
JOINTS = ["and", "or", "en", "of", "door", "by", "to", "om", "zodat", "while", "including", "waaronder"]
ITEMS = st.lists(
    st.one_of(st.sampled_from(WORDS), st.sampled_from(WORDS), st.sampled_from(STOPS), st.sampled_from(JOINTS)),
    max_size=60,
)


def expected_clauses(items: list[str]) -> list[tuple[int, int]]:
    """Clauses of one text by a walk over its words and signs."""
    spans: list[tuple[int, int]] = []
    begin = here = 0
    for item in items:
        if item in STOPS:
            spans.append((begin, here))
            begin = here
        elif item in JOINTS:
            spans.append((begin, here))
            here += 1
            begin = here
        else:
            here += 1
    spans.append((begin, here))
    long = [(a, b) for a, b in spans if b - a >= 3][:8]
    return [s for s in long if s != (0, here)]


@given(st.lists(ITEMS, max_size=5))
def test_clauses_as_by_a_walk(texts: list[list[str]]) -> None:
    expected = [(t, a, b) for t, items in enumerate(texts) for a, b in expected_clauses(items)]
    assert clauses([" ".join(items) for items in texts]) == expected


def test_joints_and_stops_point_at_tokens() -> None:
    words = Splitter().split(["one, two and", "(or) three"])
    assert isinstance(words, Words)
    assert words.joints.tolist() == [False, False, True, True, False]
    assert words.stops.tolist() == [1, 3, 4]
    assert words.tokens.dtype == np.int32
