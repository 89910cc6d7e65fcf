"""`benchmarks/rivals.py`: the rivals that need no model code the authored ads; thresholds and the cache of vectors."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import small_gold_rows
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from embedcode.agreement import agreement
from embedcode.errors import InputError
from embedcode.gold import GoldAd, grouped_folds, read_gold
from embedcode.types import CodingBook


def benchmark(name: str) -> ModuleType:
    """A module of `benchmarks/`, which is no package."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
    try:
        return __import__(name)
    finally:
        sys.path.pop(0)


rivals = benchmark("rivals")


@pytest.fixture
def ads(book: CodingBook, tmp_path: Path) -> list[GoldAd]:
    path = tmp_path / "gold.parquet"
    pq.write_table(pa.Table.from_pylist(small_gold_rows()), path)
    return read_gold(path, [p.name for p in book.profiles], [c.code for c in book.codes])


def test_tfidf_codes_every_ad_by_the_other_folds(book: CodingBook, ads: list[GoldAd]) -> None:
    folds = grouped_folds(ads, 3)
    task = rivals.task_of(book, ads, folds, "no model")
    rows = rivals.code_by("tfidf", task)
    profiles = [p.name for p in book.profiles]
    assert sorted(rows) == sorted(a.id for a in ads)
    found = agreement(ads, rows, profiles, [c.code for c in book.codes])
    assert (found.missing, found.failed, found.outside, found.unknown_codes) == (0, 0, 0, ())
    assert found.profile.kappa is not None
    assert found.profile.calibration_error is not None
    assert {s.code for row in rows.values() for s in row.codes} <= {"TASK3", "TASK4", "SKILL1"}
    assert any(row.codes for row in rows.values())
    # What an ad is coded does not depend on its own labels.
    changed = [a if f else GoldAd(**(vars(a) | {"codes": ()})) for a, f in zip(ads, folds, strict=True)]
    again = rivals.code_by("tfidf", rivals.task_of(book, changed, folds, "no model"))
    assert all(again[a.id] == rows[a.id] for a, f in zip(ads, folds, strict=True) if not f)


def write_runs(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    pq.write_table(pa.Table.from_pylist(list(rows)), path)
    return path


def test_an_llm_run_that_says_what_the_coders_said(book: CodingBook, ads: list[GoldAd], tmp_path: Path) -> None:
    profiles, codes = [p.name for p in book.profiles], [c.code for c in book.codes]
    rows = [
        {
            "id": ad.id,
            "run": "first",
            "profile": ad.profile,
            "phrases": [
                *({"code": c.code, "phrase": ad.text[c.start : c.end]} for c in ad.codes if c.code[:4] != "TECH"),
                *({"code": t.code, "phrase": t.name} for t in ad.tools if t.code != "OTHER"),
            ],
        }
        for ad in ads
    ]
    runs = rivals.read_llm_runs(write_runs(tmp_path / "runs.parquet", rows), ads, profiles)
    assert list(runs) == ["first"]
    found = agreement(ads, runs["first"], profiles, codes)
    assert found.profile.kappa == pytest.approx(1.0)
    assert found.segments.macro_f1 == pytest.approx(1.0)
    assert found.tools is not None
    assert (found.tools.overall.rates.f1, found.tools.overall.right_code) == (1.0, 1.0)


def test_what_an_llm_run_got_wrong(book: CodingBook, ads: list[GoldAd], tmp_path: Path) -> None:
    phrases = [{"code": "TASK3", "phrase": "not in any ad"}, {"code": "TECH1", "phrase": "Cobol-85"}]
    rows = [
        {"id": ads[0].id, "run": "a", "profile": "Baker", "phrases": phrases},
        {"id": ads[0].id, "run": "b", "profile": None, "phrases": None},
        {"id": "another ad", "run": "c", "profile": ads[0].profile, "phrases": []},
    ]
    runs = rivals.read_llm_runs(write_runs(tmp_path / "runs.parquet", rows), ads, [p.name for p in book.profiles])
    assert sorted(runs) == ["a", "b"]
    row = runs["a"][ads[0].id]
    assert (row.profile, row.error) == (None, "profile 'Baker'")
    assert [(s.code, s.tool) for s in row.codes] == [("TECH1", "Cobol-85")]
    assert runs["b"][ads[0].id].codes == ()


@pytest.mark.parametrize(
    "rows", [[{"id": "x", "run": "a"}], [{"id": "genai-rag-en", "run": "a", "profile": None, "phrases": ["words"]}]]
)
def test_llm_runs_of_another_kind(ads: list[GoldAd], tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    assert ads[0].id == "genai-rag-en"
    with pytest.raises(InputError, match=r"(?is)runs\.parquet.*expected"):
        rivals.read_llm_runs(write_runs(tmp_path / "runs.parquet", rows), ads, [])
    with pytest.raises(InputError, match="Cannot read LLM runs"):
        rivals.read_llm_runs(tmp_path / "nowhere.parquet", ads, [])


@pytest.mark.parametrize(
    ("phrase", "found"),
    [
        ("C++ and Go", "C++ and Go"),
        ("c++ AND go", "C++ and Go"),
        ("and  (Go)", "and Go"),
        ("Go.", "Go"),
        ("og", None),
        ("go of C++", "go of C++"),
        ("...", None),
        ("", None),
    ],
)
def test_where_a_phrase_stands(phrase: str, found: str | None) -> None:
    text = "Logo of C++ and Go, daily."
    span = rivals.find_phrase(text, phrase)
    assert (text[slice(*span)] if span else None) == found


@given(st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=1, max_size=12))
def test_the_threshold_is_the_best(pairs: list[tuple[int, bool]]) -> None:
    scores, labels = np.array([p[0] for p in pairs], dtype=np.float64), np.array([p[1] for p in pairs])

    def f1(threshold: float) -> float:
        chosen = scores >= threshold
        return float(2 * (chosen & labels).sum() / (chosen.sum() + max(1, labels.sum())))

    assert f1(rivals.best_threshold(scores, labels)) == pytest.approx(max(f1(s) for s in scores))


class Counted:
    """Stands for a model: counts the texts it embeds."""

    dimension = 3
    embedded = 0

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        type(self).embedded += len(texts)
        out = np.array([[len(t), 1, 0] for t in texts], dtype=np.float32)
        return np.asarray(out / np.linalg.norm(out, axis=1, keepdims=True))


def test_vectors_are_computed_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    cache = tmp_path / "vectors"
    weights = "ab" * 32
    monkeypatch.setattr(rivals.TransformerEmbedder, "load", lambda _: Counted())
    monkeypatch.setattr(rivals, "weights_hash", lambda _: weights)
    monkeypatch.setattr(Counted, "embedded", 0)
    expected = Counted().embed(["a", "bb", "a"])
    for count, prepare in (
        (2, lambda: None),
        (0, lambda: None),
        (2, lambda: cache.write_bytes(b"junk")),
        (2, lambda: rivals.save_file({"texts": np.zeros((1, 32), np.uint8)}, cache)),
        (2, lambda: cache.write_bytes(cache.read_bytes()[:-4] + b"\xff\xff\xff\xff")),
    ):
        prepare()
        Counted.embedded = 0
        np.testing.assert_array_equal(rivals.Vectors("m", cache).embed(["a", "bb", "a"]), expected)
        assert Counted.embedded == count
    weights = "cd" * 32
    Counted.embedded = 0
    rivals.Vectors("m", cache).embed(["a"])
    assert Counted.embedded == 1
    assert [p.name for p in tmp_path.iterdir()] == ["vectors"]


def test_a_rival_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rivals.importlib.util, "find_spec", lambda _: None)
    assert [r for r in rivals.RIVALS if rivals.missing(r)] == ["router", "router-ads", "setfit"]
