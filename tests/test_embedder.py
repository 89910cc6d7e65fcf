"""The static embedder: exact sums of word vectors, compounds taken apart, nothing carried between batches."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import VECTORS
from hypothesis import given
from hypothesis import strategies as st

from embedcode.embedder import LONGEST_WORD, FoldTables, StaticEmbedder
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


def units(sums: list[list[int]]) -> list[list[float]]:
    """Whole numbers scaled to length 1, in float32."""
    lengths = [sum(x * x for x in row) ** 0.5 for row in sums]
    return [[float(np.float32(x / (n or 1))) for x in row] for row, n in zip(sums, lengths, strict=True)]


def embedded(embedder: StaticEmbedder, splitter: Splitter, texts: list[str]) -> list[list[float]]:
    found = embedder.embed_words(splitter, splitter.split(texts))
    assert found.dtype == np.float32
    assert found.shape == (len(texts), embedder.dimension)
    return [[float(x) for x in row] for row in found]


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
    expected = units([by_hand(t) for t in texts])
    assert embedded(tiny(), Splitter(), texts) == expected
    assert tiny().embed(texts).tolist() == expected


@given(st.lists(st.tuples(st.booleans(), TEXTS), max_size=5))
def test_vectors_across_batches_and_splitters(batches: list[tuple[bool, list[str]]]) -> None:
    embedder, splitter = tiny(), Splitter()
    for anew, texts in batches:
        splitter = Splitter() if anew else splitter
        assert embedded(embedder, splitter, texts) == units([by_hand(t) for t in texts])


def test_many_new_tokens_and_a_new_splitter(embedder: StaticEmbedder) -> None:
    splitter = Splitter()
    for batch in range(3):  # beyond the first 4,096 rows of the cache
        texts = [f"w{batch}x{i} data" for i in range(3000)]
        assert embedded(embedder, splitter, texts) == units([[1, 2, 0, 0]]) * 3000
    fresh = Splitter()
    assert embedded(embedder, fresh, ["model data"]) == units([[5, 2, -3, 0]])
    assert embedded(embedder, splitter, ["train w2x5", "model"]) == units([[0, 0, 7, 7], [4, 0, -3, 0]])


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


def test_the_mark_of_an_end_has_no_vector(embedder: StaticEmbedder) -> None:
    """Word 0 of a splitter is no word: texts beside each other and punctuation add nothing."""
    got = embedded(embedder, Splitter(), ["data", "", "train, (model) data!", "•", "data"])
    assert got == units([[1, 2, 0, 0], [0] * 4, [5, 2, 4, 7], [0] * 4, [1, 2, 0, 0]])


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
    assert embedded(parts[0], Splitter(), ["data model train"]) == units([[17, 9, 16, 16]])
    assert embedded(parts[1], Splitter(), ["datapijplijn"]) == units([[3, 0, 0, 2]])
