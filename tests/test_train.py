"""Training the static embedder: parts by hand, and one short run on authored ads with a real teacher."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from conftest import Study, small_gold_rows

from embedcode.book import read_book, read_glossary
from embedcode.embedder import FoldTables, StaticEmbedder
from embedcode.errors import ModelError
from embedcode.gold import GoldAd, grouped_folds, read_gold
from embedcode.train import DIMENSION, MIN_ADS, Settings, Teacher, start_vectors, to_int8, train, vocabulary
from embedcode.words import find_words

SHORT = Settings(epochs=1, seeds=(0,))
FOLDS = 2


# Parts


def test_a_word_of_four_ads_is_left_out() -> None:
    ads = ["Jansen builds, Jansen tests."] * 4 + ["Somebody builds."]
    words = vocabulary(ads, [], [])
    assert "builds" in words
    assert not {"jansen", "tests", "somebody"} & set(words)
    assert vocabulary(ads, ["ask Jansen"], [])[:3] == ["builds", "jansen", "ask"]


def test_pieces_of_the_teacher_come_last() -> None:
    words = vocabulary(["build it"] * 5, [], ["##ing", "build", "[CLS]", "é"])
    assert words[:2] == ["build", "it"]
    assert len(words) == len(set(words))
    assert {"ing", "é", ".", "'", "+", "#"} <= set(words[2:])


def test_dutch_words_start_where_their_gloss_is() -> None:
    random = np.random.default_rng(0)
    vectors = {w: random.normal(size=200).astype(np.float32) for w in ["bouwen", "build", "house", "x", "y", "z"]}
    words = list(vectors)
    start = start_vectors(words, lambda ws: np.stack([vectors[w] for w in ws]), {"bouwen": "to build"})
    assert start.shape == (6, DIMENSION)
    assert start[0] == pytest.approx(start[1], abs=1e-4)
    assert not np.allclose(start[1], start[2], atol=0.1)


def test_int8_on_one_scale() -> None:
    table = np.random.default_rng(0).normal(size=(500, 40)).astype(np.float32)
    scaled = to_int8(table)
    assert scaled.dtype == np.int8
    assert np.abs(scaled).max() == 127
    assert np.array_equal(to_int8(table / 2, like=table), to_int8(table / 2, like=table))
    assert np.abs(to_int8(table / 2, like=table)).max() < 127
    cosine = (scaled * table).sum() / np.linalg.norm(scaled) / np.linalg.norm(table)
    assert cosine > 0.999


# A short run


@pytest.fixture(scope="module")
def teacher() -> Teacher:
    pytest.importorskip("sentence_transformers")
    return Teacher("all-MiniLM-L6-v2")


@pytest.fixture(scope="module")
def ads(built_study: Study) -> list[GoldAd]:
    book = read_book(built_study.anchors)
    return read_gold(built_study.gold, [p.name for p in book.profiles], [c.code for c in book.codes])


def trained(
    study: Study, ads: list[GoldAd], teacher: Teacher, settings: Settings = SHORT
) -> tuple[StaticEmbedder, FoldTables]:
    book, glossary = read_book(study.anchors), read_glossary(study.anchors)
    return train(book, glossary, ads, grouped_folds(ads, FOLDS), [], teacher, settings)


@pytest.fixture(scope="module")
def once(built_study: Study, ads: list[GoldAd], teacher: Teacher) -> tuple[StaticEmbedder, FoldTables]:
    return trained(built_study, ads, teacher)


@pytest.mark.slow
def test_shapes(once: tuple[StaticEmbedder, FoldTables]) -> None:
    static, folds = once
    assert static.table.dtype == np.int8
    assert static.table.shape == (len(static.words), DIMENSION)
    assert folds.rows.dtype == np.int32
    assert folds.tables.shape == (FOLDS, len(folds.rows), DIMENSION)
    assert (np.diff(folds.rows) > 0).all()
    assert 0 < len(folds.rows) < len(static.words)
    for fold in range(FOLDS):
        other = folds.embedder(static, fold)
        changed = np.flatnonzero((other.table != static.table).any(axis=1))
        assert 0 < len(changed) <= len(folds.rows)
        assert set(changed.tolist()) <= set(folds.rows.tolist())


@pytest.mark.slow
def test_the_vocabulary_keeps_the_rule_of_five_ads(
    once: tuple[StaticEmbedder, FoldTables], built_study: Study, teacher: Teacher
) -> None:
    book = read_book(built_study.anchors)
    seen = Counter(w for r in small_gold_rows() for w in set(find_words(r["text"])))
    allowed = {w for a in book.anchors for w in find_words(a.phrase)}
    allowed |= {w for t in book.terms for w in find_words(t.term.rstrip("*"))}
    allowed |= {w for t in book.tools for n, _ in t.spellings for w in find_words(n)}
    allowed |= {w for pair in read_glossary(built_study.anchors).items() for t in pair for w in find_words(t)}
    allowed |= {w for p in teacher.pieces for w in find_words(p)}
    static, _ = once
    rare = {w for w, n in seen.items() if n < MIN_ADS} - allowed
    assert {"fernhill", "larkfield"} & seen.keys() <= rare | allowed
    assert "oeverdam" in rare
    assert not rare & set(static.words)
    assert {w for w, n in seen.items() if n >= MIN_ADS} <= set(static.words)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_embedder(
    once: tuple[StaticEmbedder, FoldTables], built_study: Study, ads: list[GoldAd], teacher: Teacher
) -> None:
    static, folds = once
    again, folds_again = trained(built_study, ads, teacher)
    assert again.words == static.words
    assert np.array_equal(again.table, static.table)
    assert np.array_equal(folds_again.rows, folds.rows)
    assert np.array_equal(folds_again.tables, folds.tables)
    other, _ = trained(built_study, ads, teacher, Settings(epochs=1, seeds=(1,)))
    assert not np.array_equal(other.table, static.table)


@pytest.mark.slow
def test_words_that_are_not_trained_stay_where_they_start(
    once: tuple[StaticEmbedder, FoldTables], built_study: Study, ads: list[GoldAd], teacher: Teacher
) -> None:
    static, _ = once
    longer, _ = trained(built_study, ads, teacher, Settings(epochs=3, seeds=(0,)))
    used = {w for r in small_gold_rows() for w in find_words(r["text"])}
    used |= {w for a in read_book(built_study.anchors).anchors for w in find_words(a.phrase)}
    moved = (longer.table != static.table).any(axis=1)
    pieces = set(".'+#")
    untouched = [i for i, w in enumerate(static.words) if w not in used and len(w) > 6 and w not in pieces]
    assert moved.any()
    assert np.mean(moved[untouched]) < 0.2


@pytest.mark.slow
def test_segments_come_nearer_to_their_anchors(
    once: tuple[StaticEmbedder, FoldTables], built_study: Study, ads: list[GoldAd], teacher: Teacher
) -> None:
    """Longer training brings the segments of a code nearer to its anchors, as against those of other codes."""
    book = read_book(built_study.anchors)
    longer, _ = trained(built_study, ads, teacher, Settings(epochs=15, seeds=(0,), batch=64))
    segments = [(a.text[g.start : g.end], g.code) for a in ads for g in a.codes if g.coders == a.coders]

    def margin(static: StaticEmbedder) -> float:
        anchors = static.embed([a.phrase for a in book.anchors])
        cosines = static.embed([t for t, _ in segments]) @ anchors.T
        mine = np.array([[a.code == code for a in book.anchors] for _, code in segments])
        return float(cosines[mine].mean() - cosines[~mine].mean())

    assert margin(longer) > margin(once[0]) + 0.05


@pytest.mark.slow
def test_a_teacher_that_does_not_exist() -> None:
    pytest.importorskip("sentence_transformers")
    with pytest.raises(ModelError, match="Found no model 'nope'"):
        Teacher("nope")
