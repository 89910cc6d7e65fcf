"""Building: from coded ads, and again after the coding book was edited, with the effect of the edit told."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import SMALL_CODES, Study, small_gold_rows

from embedcode.book import book_hash, read_book
from embedcode.build import Model, anchor_vectors, build, check_labels, label, tool_precision
from embedcode.building import rebuild
from embedcode.bundle import MANIFEST, load_bundle
from embedcode.coder import Coder
from embedcode.embedder import StaticEmbedder
from embedcode.errors import BookError, BundleError, InputError
from embedcode.gold import GoldAd, grouped_folds, read_gold
from embedcode.kappa import cohen_kappa
from embedcode.vectors import quantise


class Counting:
    """An embedder that remembers what it was asked for."""

    def __init__(self, inner: StaticEmbedder) -> None:
        self.inner = inner
        self.asked: list[str] = []

    @property
    def dimension(self) -> int:
        return self.inner.dimension

    def embed(self, texts: Any) -> np.ndarray:
        self.asked += texts
        return self.inner.embed(texts)


def gold_of(study: Study) -> list[GoldAd]:
    book = read_book(study.anchors)
    return read_gold(study.gold, [p.name for p in book.profiles], [c.code for c in book.codes])


def write_gold(path: Path, rows: list[dict[str, Any]]) -> Path:
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


# Building


def test_what_a_bundle_holds(study: Study) -> None:
    bundle = study.bundle()
    book = read_book(study.anchors)
    assert bundle.book == book
    assert bundle.book_hash == book_hash(study.anchors)
    assert bundle.codes.codes == ("SKILL1", "TASK3", "TASK4")
    assert bundle.head.profiles == tuple(p.name for p in book.profiles)
    assert bundle.static is not None
    assert bundle.labelled is not None
    assert len(bundle.labelled.ids) == len(small_gold_rows()) == bundle.figures["labelled_ads"]
    expected = quantise(bundle.static.embed([a.phrase for a in book.anchors]))
    assert np.array_equal(bundle.anchor_vectors, expected)
    assert set(bundle.figures["cross_validated"]) == {r["id"] for r in small_gold_rows()}


def test_figures_agree_with_each_other(study: Study) -> None:
    bundle = study.bundle()
    assert bundle.labelled is not None
    predicted = [bundle.figures["cross_validated"][i] for i in bundle.labelled.ids]
    assert bundle.figures["kappa"] == pytest.approx(cohen_kappa(bundle.labelled.profiles, predicted), abs=5e-5)
    assert bundle.figures["thresholds"] == dict(zip(bundle.codes.codes, bundle.codes.thresholds.tolist(), strict=True))


def test_labelled_ads_are_embedded_without_their_fold(study: Study) -> None:
    bundle = study.bundle()
    assert bundle.labelled and bundle.static and bundle.folds
    ads, book = gold_of(study), bundle.book
    whole = label(book, ads, bundle.labelled.fold, Model(bundle.static, bundle.embedder))
    parts = label(book, ads, bundle.labelled.fold, Model(bundle.static, bundle.embedder, bundle.folds))
    assert np.array_equal(parts.vectors, bundle.labelled.vectors)
    assert not np.array_equal(parts.vectors, whole.vectors)
    for fold in range(3):
        alone = bundle.folds.embedder(bundle.static, fold)
        other = label(book, ads, bundle.labelled.fold, Model(alone, bundle.embedder))
        mine = bundle.labelled.segment_fold == fold
        assert mine.any()
        assert np.array_equal(parts.vectors[mine], other.vectors[mine])


def test_clusters_stay_in_one_fold(study: Study) -> None:
    bundle = study.bundle()
    assert bundle.labelled is not None
    fold = dict(zip(bundle.labelled.ids, bundle.labelled.fold.tolist(), strict=True))
    clusters: dict[str, set[int]] = {}
    for row in small_gold_rows():
        clusters.setdefault(row["cluster"], set()).add(fold[row["id"]])
    assert all(len(f) == 1 for f in clusters.values())
    assert any(n > 1 for n in Counter(r["cluster"] for r in small_gold_rows()).values())


def test_a_coder_finds_most_profiles_again(study: Study) -> None:
    """The ads were learnt from, so this is no measure of quality; a broken head would fail it."""
    rows = small_gold_rows()
    coded = Coder(study.bundle()).classify([r["text"] for r in rows])
    right = sum(c.profile == r["profile"] for c, r in zip(coded, rows, strict=True))
    assert right >= 0.7 * len(rows)


# Building again


def test_building_again_changes_nothing(study: Study) -> None:
    before = {p.name: p.read_bytes() for p in study.index.iterdir()}
    report = rebuild(study.anchors, study.index)
    assert report.kappa == pytest.approx(report.kappa_before, abs=5e-5)
    assert (report.flips, report.unmeasured, report.embedded) == ((), (), 0)
    assert {p.name: p.read_bytes() for p in study.index.iterdir()} == before


def test_a_new_phrase(study: Study) -> None:
    before = study.bundle()
    study.add("phrases/TASK4.csv", "develop web shops,software,en,")
    with pytest.raises(BundleError, match="has changed since"):
        from embedcode.loading import load

        load(study.index)
    report = rebuild(study.anchors, study.index)
    after = study.bundle()
    assert report.embedded == 1
    assert report.kappa_before == before.figures["kappa"]
    assert report.kappa == pytest.approx(after.figures["kappa"], abs=5e-5)
    assert len(after.anchor_vectors) == len(before.anchor_vectors) + 1
    vector = {a.phrase: v.tolist() for a, v in zip(after.book.anchors, after.anchor_vectors, strict=True)}
    for anchor, old in zip(before.book.anchors, before.anchor_vectors, strict=True):
        assert vector[anchor.phrase] == old.tolist()
    assert after.static is not None
    assert vector["develop web shops"] == quantise(after.static.embed(["develop web shops"]))[0].tolist()
    assert not np.array_equal(before.codes.strength, after.codes.strength)


def test_flips_are_the_ads_that_change_profile(study: Study) -> None:
    before = study.bundle().figures["cross_validated"]
    study.edit("phrases/TASK4.csv", '"write, test and review software",software,en,\n', "")
    study.edit("negatives.csv", "we offer a pension and a bicycle", "a museum card and a quiet garden")
    study.add("phrases/TASK3.csv", "forecasts of sales,predictive,en,")
    report = rebuild(study.anchors, study.index)
    after = study.bundle().figures["cross_validated"]
    gold = {r["id"]: r["profile"] for r in small_gold_rows()}
    expected = {(i, gold[i], before[i], after[i]) for i in after if before[i] != after[i]}
    assert {(f.id, f.gold, f.before, f.after) for f in report.flips} == expected
    assert expected, "the edit should matter; choose another"


def test_an_edit_taken_back_gives_the_old_bundle(study: Study) -> None:
    before = {p.name: p.read_bytes() for p in study.index.iterdir()}
    path = study.anchors / "phrases" / "TASK4.csv"
    text = path.read_bytes()
    study.add("phrases/TASK4.csv", "develop web shops,software,en,")
    rebuild(study.anchors, study.index)
    path.write_bytes(text)
    report = rebuild(study.anchors, study.index)
    assert report.embedded == 0
    assert {p.name: p.read_bytes() for p in study.index.iterdir()} == before


def test_unchanged_anchors_are_not_embedded_again(study: Study) -> None:
    bundle = study.bundle()
    assert bundle.static is not None
    counting = Counting(bundle.static)
    study.add("phrases/SKILL1.csv", "listen to clients,talking,en,")
    vectors, embedded = anchor_vectors(read_book(study.anchors).anchors, counting, bundle)
    assert (counting.asked, embedded) == (["listen to clients"], 1)
    fresh, count = anchor_vectors(read_book(study.anchors).anchors, bundle.static, None)
    assert count == len(fresh) == 10
    assert np.array_equal(vectors, fresh)


def test_a_phrase_that_moves_to_another_code(study: Study) -> None:
    study.edit("phrases/TASK4.csv", "software bouwen,software,nl,\n", "")
    study.add("phrases/TASK3.csv", "software bouwen,predictive,nl,")
    assert rebuild(study.anchors, study.index).embedded == 0
    bundle = study.bundle()
    assert [a.code for a in bundle.book.anchors if a.phrase == "software bouwen"] == ["TASK3"]


def test_a_new_term_counts_but_is_not_measured(study: Study) -> None:
    before = study.bundle()
    study.add("terms.csv", "chatbot*,generative,en,")
    report = rebuild(study.anchors, study.index)
    assert report.unmeasured == ("chatbot*",)
    assert report.flips == ()
    after = study.bundle()
    assert np.array_equal(before.head.weights, after.head.weights)
    text = "Engineer\n\nThe chatbot comes first. Every chatbot has a team, and we test chatbots."
    coders = [Coder(b) for b in (before, after)]
    column = [i for i, n in enumerate(coders[0].space.names) if n.startswith("generative.")]
    old, new = (c.analyse([text]).features[0, column] for c in coders)
    assert (new >= old).all()
    assert (new > old).any()


def test_a_new_term_is_measured_with_gold(study: Study) -> None:
    study.add("terms.csv", "chatbot*,generative,en,")
    rebuild(study.anchors, study.index)
    before = study.bundle()
    report = rebuild(study.anchors, study.index, gold=study.gold)
    assert report.unmeasured == ()
    after = study.bundle()
    assert after.labelled and before.labelled
    assert len(after.labelled.hits.term) > len(before.labelled.hits.term)
    assert not np.array_equal(before.head.weights, after.head.weights)
    assert rebuild(study.anchors, study.index).unmeasured == ()


def test_a_term_less(study: Study) -> None:
    before = study.bundle()
    study.edit("terms.csv", "language model*,generative,en,\n", "")
    report = rebuild(study.anchors, study.index)
    assert report.unmeasured == ()
    after = study.bundle()
    assert not np.array_equal(before.head.mean, after.head.mean)
    fresh = rebuild(study.anchors, study.index, gold=study.gold)
    assert fresh.kappa == pytest.approx(report.kappa)
    assert np.allclose(study.bundle().head.weights, after.head.weights)


def test_a_tool_less(study: Study) -> None:
    study.edit("tools.csv", "LangChain,TECH4,Lang Chain,any,,,\n", "")
    rebuild(study.anchors, study.index)
    assert Coder(study.bundle()).classify(["LangChain and Python"])[0].codes[0].tool == "Python"


def test_gold_gives_what_the_numbers_gave(study: Study) -> None:
    before = study.bundle()
    report = rebuild(study.anchors, study.index, gold=study.gold)
    after = study.bundle()
    assert (report.flips, report.embedded) == ((), 0)
    assert report.kappa == pytest.approx(report.kappa_before, abs=5e-5)
    assert before.hashes == after.hashes


def test_gold_of_other_ads(study: Study, tmp_path: Path) -> None:
    rows = small_gold_rows()
    for row in rows[:5]:
        row["id"] += "-new"
    report = rebuild(study.anchors, study.index, gold=write_gold(tmp_path / "more.parquet", rows[3:]))
    bundle = study.bundle()
    assert bundle.labelled is not None
    assert bundle.labelled.ids == tuple(r["id"] for r in rows[3:])
    assert not {f.id for f in report.flips} & {r["id"] for r in rows[:5]}


def test_ads_keep_the_folds_that_the_embedder_was_trained_with(study: Study, tmp_path: Path) -> None:
    before = study.bundle().labelled
    assert before is not None
    rebuild(study.anchors, study.index, gold=write_gold(tmp_path / "g.parquet", small_gold_rows()[::-1]))
    after = study.bundle().labelled
    assert after is not None
    folds = dict(zip(before.ids, before.fold.tolist(), strict=True))
    assert after.fold.tolist() == [folds[i] for i in after.ids]


def test_a_bundle_elsewhere_starts_from_the_default_one(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(study.root)
    before = {p.name: p.read_bytes() for p in study.index.iterdir()}
    study.add("phrases/TASK4.csv", "develop web shops,software,en,")
    report = rebuild(study.anchors, tmp_path / "mine")
    assert report.embedded == 1
    assert (tmp_path / "mine" / MANIFEST).is_file()
    assert {p.name: p.read_bytes() for p in study.index.iterdir()} == before


# What cannot be built


def test_an_unsound_book_changes_nothing(study: Study) -> None:
    before = {p.name: p.read_bytes() for p in study.index.iterdir()}
    study.add("terms.csv", "*,generative,en,")
    with pytest.raises(BookError, match="terms.csv:14: term"):
        rebuild(study.anchors, study.index)
    assert {p.name: p.read_bytes() for p in study.index.iterdir()} == before


def test_a_new_code_without_labelled_ads(study: Study) -> None:
    study.add("codes.csv", "SKILL2,Learning,Learning new things.")
    (study.anchors / "phrases" / "SKILL2.csv").write_text(
        "# What.\n# Not.\nphrase,facet,language,note\nlearn new things,learning,en,\n", "utf-8"
    )
    with pytest.raises(BookError, match="No labelled ads for SKILL2.*--gold"):
        rebuild(study.anchors, study.index)


def test_a_new_code_that_no_coded_ad_carries(study: Study) -> None:
    study.add("codes.csv", "SKILL2,Learning,Learning new things.")
    (study.anchors / "phrases" / "SKILL2.csv").write_text(
        "# What.\n# Not.\nphrase,facet,language,note\nlearn new things,learning,en,\n", "utf-8"
    )
    with pytest.raises(BookError, match="No labelled ads for SKILL2"):
        rebuild(study.anchors, study.index, gold=study.gold)


def test_a_new_profile_without_labelled_ads(study: Study) -> None:
    study.add("profiles.csv", "Data Engineer,Makes pipelines.")
    with pytest.raises(BookError, match="No labelled ads for Data Engineer.*--gold"):
        rebuild(study.anchors, study.index)
    with pytest.raises(BookError, match="No labelled ads for Data Engineer"):
        rebuild(study.anchors, study.index, gold=study.gold)


def test_a_new_profile_with_labelled_ads(study: Study, tmp_path: Path) -> None:
    study.add("profiles.csv", "Data Engineer,Makes pipelines.")
    rows = small_gold_rows()
    for row in rows[::4]:
        row["profile"] = "Data Engineer"
    report = rebuild(study.anchors, study.index, gold=write_gold(tmp_path / "g.parquet", rows))
    bundle = study.bundle()
    assert bundle.head.profiles[-1] == "Data Engineer"
    assert bundle.head.weights.shape[0] == 4
    assert set(Counter(f.gold for f in report.flips)) <= {r["profile"] for r in rows}
    assert set(Coder(bundle).classify(["Build pipelines."])[0].probabilities or {}) == set(bundle.head.profiles)


def test_a_profile_or_code_that_the_book_lacks(study: Study) -> None:
    study.edit("profiles.csv", "ML Engineer,Makes models that predict.\n", "")
    with pytest.raises(BookError, match="labelled ads carry ML Engineer, which the coding book lacks"):
        rebuild(study.anchors, study.index)


def test_a_code_without_phrases(study: Study) -> None:
    (study.anchors / "phrases" / "SKILL1.csv").unlink()
    with pytest.raises(BookError, match="labelled ads carry SKILL1.*no anchors for"):
        rebuild(study.anchors, study.index)


def test_a_new_code_without_phrases(study: Study) -> None:
    before = {p.name: p.read_bytes() for p in study.index.iterdir()}
    study.add("codes.csv", "SKILL2,Learning,Learning new things.")
    with pytest.raises(BookError, match="Found no anchors for SKILL2; expected some.* phrases/SKILL2.csv"):
        rebuild(study.anchors, study.index)
    assert {p.name: p.read_bytes() for p in study.index.iterdir()} == before


def test_gold_by_another_book(study: Study, tmp_path: Path) -> None:
    rows = small_gold_rows()
    rows[0]["profile"] = "Baker"
    with pytest.raises(InputError, match="Baker"):
        rebuild(study.anchors, study.index, gold=write_gold(tmp_path / "g.parquet", rows))


@pytest.mark.parametrize("name", ["nowhere.parquet", "anchors/codes.csv"])
def test_gold_that_cannot_be_read(study: Study, name: str) -> None:
    with pytest.raises(InputError, match="Expected a Parquet file"):
        rebuild(study.anchors, study.index, gold=study.root / name)


def test_a_bundle_without_labelled_ads(study: Study) -> None:
    replace(study.bundle(), labelled=None, folds=None).save(study.index)
    with pytest.raises(InputError, match="--gold ADS.parquet"):
        rebuild(study.anchors, study.index)


def test_two_ads_are_too_few() -> None:
    ad = GoldAd("1", "Text", "ML Engineer", (), (), (), "same", "", "en", 3.0, 2, False)
    with pytest.raises(InputError, match="at least two clusters"):
        grouped_folds([ad, replace(ad, id="2")], 5)


def test_check_labels_accepts_the_book_of_the_labelled_ads(study: Study) -> None:
    bundle = study.bundle()
    assert bundle.labelled is not None
    check_labels(bundle.book, bundle.labelled)


# Parts


def test_tool_precision_counts_what_coders_found(study: Study) -> None:
    book, ads = read_book(study.anchors), gold_of(study)
    found = tool_precision(book, ads)
    assert found["any"] > 0.9
    nothing = tool_precision(book, [replace(a, tools=()) for a in ads])
    assert nothing["any"] < 0.1
    assert nothing["context"] == 0.5  # no mention: one pseudo-count each way


def test_the_report_of_the_small_study_is_stable(study: Study, tmp_path: Path) -> None:
    """Two builds from the same files agree to the last bit, whatever was read before."""
    book, ads, base = read_book(study.anchors), gold_of(study), study.bundle()
    assert base.static is not None
    model = Model(base.static, base.embedder, base.folds)
    labelled = label(book, ads, grouped_folds(ads, 3), model)
    built, _ = build(book, book_hash(study.anchors), model, labelled, tool_precision=tool_precision(book, ads))
    built.save(tmp_path / "again")
    names = {p.name: p.read_bytes() for p in (tmp_path / "again").iterdir()}
    assert names == {p.name: p.read_bytes() for p in study.index.iterdir()}
    assert {c["code"] for r in small_gold_rows() for c in r["codes"]} <= set(SMALL_CODES)
    assert json.loads(names[MANIFEST])["embedder"]["kind"] == "static"
    assert load_bundle(tmp_path / "again").book == book
