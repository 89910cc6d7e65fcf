"""The static embedder: exact sums of word vectors, compounds taken apart, nothing carried between batches."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import VECTORS
from hypothesis import given
from hypothesis import strategies as st

from embedcode.embedder import LONGEST_WORD, FoldTables, StaticEmbedder, embed_words
from embedcode.vectors import quantise, unit
from embedcode.words import Splitter, find_words

WORDS = [*VECTORS, "datapijplijn", "unknown", "datax", "und", "🚀", ","]
TEXTS = st.lists(st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join), max_size=6)


def tiny() -> StaticEmbedder:
    return StaticEmbedder(list(VECTORS), np.array(list(VECTORS.values()), dtype=np.int8))


def by_hand(text: str) -> list[int]:
    """The sum of the vectors of a text's words, in whole numbers."""
    total = [0, 0, 0, 0]
    for word in find_words(text):
        for piece in {"datapijplijn": ("data", "pijplijn")}.get(word, (word,)):
            total = [a + b for a, b in zip(total, VECTORS.get(piece, (0, 0, 0, 0)), strict=True)]
    return total


def sums(embedder: StaticEmbedder, splitter: Splitter, texts: list[str]) -> list[list[int]]:
    words = splitter.split(texts)
    found = embedder.sums(splitter, words.tokens, words.starts)
    assert found.dtype == np.float32
    return [[int(x) for x in row] for row in found.tolist()]


def test_a_text_is_the_normalised_sum_of_its_words(embedder: StaticEmbedder) -> None:
    got = embedder.embed(["Train data", "data, data; data", "build C++"])
    root = np.sqrt
    expected = [
        np.array([1, 2, 7, 7]) / root(103),
        np.array([1, 2, 0, 0]) / root(5),
        np.array([-126, 128, 1, 6]) / root(126**2 + 128**2 + 1 + 36),
    ]
    assert np.array_equal(got, np.array(expected).astype(np.float32))


@pytest.mark.parametrize(
    ("word", "pieces"),
    [
        ("data", ["data"]),
        ("datapijplijn", ["data", "pijplijn"]),
        ("datapijplijnen", ["data", "pijplijn", "en"]),  # greedy: not pijp + lijnen
        ("pijplijnen", ["pijplijn", "en"]),
        ("datamodels", ["data", "models"]),
        ("datas", []),  # the rest is unknown: so is the word
        ("xdata", []),
        ("", []),
        ("data" * 25, ["data"] * 25),
        ("data" * 26, []),  # longer than LONGEST_WORD
    ],
)
def test_rows_of_a_word(embedder: StaticEmbedder, word: str, pieces: list[str]) -> None:
    assert [embedder.words[r] for r in embedder.rows_of(word)] == pieces
    assert LONGEST_WORD == 100


def test_texts_without_known_words_are_zero(embedder: StaticEmbedder) -> None:
    got = embedder.embed(["", "nothing known", "🚀 !", "data"])
    assert got[:3].tolist() == [[0.0] * 4] * 3
    assert got[3].any()
    assert embedder.embed([]).shape == (0, 4)
    assert embedder.dimension == 4


@given(TEXTS)
def test_sums_are_exact(texts: list[str]) -> None:
    assert sums(tiny(), Splitter(), texts) == [by_hand(t) for t in texts]


@given(st.lists(st.tuples(st.booleans(), TEXTS), max_size=5))
def test_sums_across_batches_and_splitters(batches: list[tuple[bool, list[str]]]) -> None:
    embedder, splitter = tiny(), Splitter()
    for anew, texts in batches:
        splitter = Splitter() if anew else splitter
        assert sums(embedder, splitter, texts) == [by_hand(t) for t in texts]


def test_many_new_tokens_and_a_new_splitter(embedder: StaticEmbedder) -> None:
    splitter = Splitter()
    for batch in range(3):  # beyond the first 4,096 rows of the cache
        texts = [f"w{batch}x{i} data" for i in range(3000)]
        assert sums(embedder, splitter, texts) == [[1, 2, 0, 0]] * 3000
    fresh = Splitter()
    assert sums(embedder, fresh, ["model data"]) == [[5, 2, -3, 0]]
    assert sums(embedder, splitter, ["train w2x5", "model"]) == [[0, 0, 7, 7], [4, 0, -3, 0]]


def test_batches_do_not_matter(embedder: StaticEmbedder) -> None:
    rng = np.random.default_rng(3)
    texts = [" ".join(rng.choice(WORDS, rng.integers(0, 30))) for _ in range(1000)]
    whole = embedder.embed(texts)
    for i in range(0, 1000, 40):
        assert embedder.embed(texts[i : i + 1]).tobytes() == whole[i].tobytes()
    assert embedder.embed(texts).tobytes() == whole.tobytes()


def test_a_table_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="2 words and a int8 table of shape"):
        StaticEmbedder(["a", "b"], np.zeros((3, 2), dtype=np.int8))
    with pytest.raises(ValueError, match="float64"):
        StaticEmbedder(["a"], np.zeros((1, 2)))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="do not fit"):
        StaticEmbedder(["a"], np.zeros(1, dtype=np.int8))


@given(TEXTS)
def test_vectors_of_texts_and_clauses(texts: list[str]) -> None:
    embedder, splitter = tiny(), Splitter()
    words = splitter.split(texts)
    whole, clauses, text = embed_words(embedder, splitter, words)
    assert whole.dtype == clauses.dtype == np.int8
    assert whole.tobytes() == quantise(tiny().embed(texts)).tobytes()
    begin, end, of_text = words.clauses
    assert text.tolist() == of_text.tolist()
    known = splitter.words
    as_texts = [" ".join(known[t] for t in words.tokens[a:b]) for a, b in zip(begin, end, strict=True)]
    assert clauses.tobytes() == quantise(tiny().embed(as_texts)).tobytes()


def test_clauses_by_hand(embedder: StaticEmbedder) -> None:
    splitter = Splitter()
    words = splitter.split(["data", "train model data, build and data data models", ""])
    whole, clauses, text = embed_words(embedder, splitter, words)
    assert text.tolist() == [1, 1]
    sums_of_clauses = np.array([[5, 2, 4, 7], [6, 5, -3, 0]], dtype=np.float32)
    assert np.array_equal(clauses, quantise(unit(sums_of_clauses)))
    assert whole[2].tolist() == [0] * 4


def test_fold_tables_replace_their_rows_only(embedder: StaticEmbedder) -> None:
    tables = np.array([[[9, 9, 9, 9], [8, 0, 0, 0]], [[0, 0, 0, 1], [-127, 0, 0, 0]]], dtype=np.int8)
    folds = FoldTables(np.array([0, 5], dtype=np.int32), tables)
    before = embedder.table.copy()
    parts = [folds.embedder(embedder, i) for i in range(len(folds))]
    assert len(parts) == 2
    assert np.array_equal(embedder.table, before)
    for part, table in zip(parts, tables, strict=True):
        assert part.words == embedder.words
        assert np.array_equal(part.table[[0, 5]], table)
        rest = np.delete(np.arange(len(before)), [0, 5])
        assert np.array_equal(part.table[rest], before[rest])
    assert sums(parts[0], Splitter(), ["data model train"]) == [[17, 9, 16, 16]]
    assert sums(parts[1], Splitter(), ["datapijplijn"]) == [[3, 0, 0, 2]]
