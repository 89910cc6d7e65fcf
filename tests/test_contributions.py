"""`benchmarks/contributions.py`: leaving out equals doing without from the start, and counts are what they say."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import Study

from embedcode.analysis import evidence, feature_space
from embedcode.build import Model, fit_anchors
from embedcode.bundle import Bundle
from embedcode.codes import Pools, best_threshold, fit_codes
from embedcode.kappa import cohen_kappa
from embedcode.labelled import Labelled
from embedcode.terms import TermHits, facet_counts
from embedcode.types import NEGATIVE
from embedcode.vectors import quantise


@pytest.fixture(scope="module")
def contributions() -> ModuleType:
    sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
    try:
        import contributions
    finally:
        sys.path.pop(0)
    return contributions


@pytest.fixture(scope="module")
def bundle(built_study: Study) -> Bundle:
    return built_study.bundle()


def model_of(bundle: Bundle) -> Model:
    assert bundle.static is not None
    return Model(bundle.static, bundle.embedder, bundle.folds)


def labelled_of(bundle: Bundle) -> Labelled:
    assert bundle.labelled is not None
    return bundle.labelled


def pool_sums(bundle: Bundle, left_out: int | None = None) -> np.ndarray:
    """Pool sums by `Pools`, fold by fold, of a book that has all anchors or all but one."""
    labelled, model = labelled_of(bundle), model_of(bundle)
    anchors = [a for i, a in enumerate(bundle.book.anchors) if i != left_out]
    names = Pools(bundle.book.anchors, bundle.anchor_vectors).names
    sums = np.zeros((len(labelled.ad), len(names)))
    for fold, part in enumerate(model.parts(3)):
        pools = Pools(anchors, quantise(part.embed([a.phrase for a in anchors])))
        mine = labelled.segment_fold == fold
        for column, name in enumerate(pools.names):
            sums[mine, names.index(name)] = pools.sums(labelled.vectors[mine])[:, column]
    return sums


def test_anchors_left_out(contributions: ModuleType, bundle: Bundle) -> None:
    labelled, anchors = labelled_of(bundle), bundle.book.anchors
    study = contributions.AnchorStudy(bundle.book, model_of(bundle), labelled, bundle.anchor_vectors)
    figures, scores = study.figures()
    pools = Pools(anchors, bundle.anchor_vectors)
    fold, ad = labelled.segment_fold, labelled.ad
    order = [labelled.codes.index(c) for c in pools.codes]
    labels, known = labelled.labels[:, order], labelled.known[:, order]
    use = known & ~labelled.title[:, None]
    full = pools.strengths(pool_sums(bundle))
    fits = [fit_codes(pools.codes, full[t], ad[t], labels[t], known[t]) for t in (fold != f for f in range(3))]

    def brute_force(left_out: int | None) -> tuple[np.ndarray, np.ndarray]:
        strengths = pools.strengths(pool_sums(bundle, left_out))
        p = np.zeros(labels.shape)
        for f, fit in enumerate(fits):
            p[fold == f] = fit.probabilities(fit.scores(strengths), ad)[fold == f]
        f1, loss = [], []
        for c in range(len(pools.codes)):
            given, y = np.zeros(len(ad), dtype=bool), labels[:, c]
            for f in range(3):
                others = use[:, c] & (fold != f)
                given[fold == f] = p[fold == f, c] >= best_threshold(p[others, c], y[others])
            given, y, q = given[use[:, c]], y[use[:, c]], p[use[:, c], c]
            f1.append(2 * (given & y).sum() / max(1, given.sum() + y.sum()))
            loss.append(-np.log(np.where(y, q, 1 - q)).mean())
        return np.array(f1), np.array(loss)

    before, loss = brute_force(None)
    assert scores == pytest.approx(before, abs=1e-9)
    for i, (anchor, found) in enumerate(zip(anchors, figures, strict=True)):
        codes = range(len(pools.codes)) if anchor.code == NEGATIVE else [pools.codes.index(anchor.code)]
        after, after_loss = brute_force(i)
        assert study.pools.strengths(study.without(i)) == pytest.approx(pools.strengths(pool_sums(bundle, i)), abs=1e-5)
        assert found.f1 == pytest.approx(np.mean([after[c] - before[c] for c in codes]), abs=1e-9)
        assert found.change.log_loss == pytest.approx(np.mean([after_loss[c] - loss[c] for c in codes]), abs=2e-5)
    assert any(abs(f.change.log_loss) > 1e-3 for f in figures)


def test_nearest_anchors(contributions: ModuleType, bundle: Bundle) -> None:
    labelled, anchors = labelled_of(bundle), bundle.book.anchors
    figures, _ = contributions.AnchorStudy(bundle.book, model_of(bundle), labelled, bundle.anchor_vectors).figures()
    wins, carried = [0] * len(anchors), [0] * len(anchors)
    embedders = model_of(bundle).parts(3)
    vectors = [quantise(e.embed([a.phrase for a in anchors])).astype(int) for e in embedders]
    for segment, fold in enumerate(labelled.segment_fold.tolist()):
        vector = labelled.vectors[segment].astype(int)
        if labelled.title[segment] or not vector.any():
            continue
        for code in dict.fromkeys(a.code for a in anchors):
            rows = [i for i, a in enumerate(anchors) if a.code == code]
            near = max(rows, key=lambda i: (vectors[fold][i] @ vector, -i))
            of = slice(None) if code == NEGATIVE else [labelled.codes.index(code)]
            if labelled.known[segment, of].all():
                wins[near] += 1
                carried[near] += bool(labelled.labels[segment, of].any()) != (code == NEGATIVE)
    assert [f.nearest for f in figures] == wins
    assert [f.carried for f in figures] == carried
    assert all(f.right <= f.given <= f.nearest for f in figures)


def test_terms_left_out(contributions: ModuleType, bundle: Bundle) -> None:
    book, labelled = bundle.book, labelled_of(bundle)
    fit = fit_anchors(book, model_of(bundle), labelled)
    space = feature_space(book, fit.scorer)
    study = contributions.TermStudy(book, space, fit.evidence, labelled)
    profiles = [p.name for p in book.profiles]
    tools = {t.name: i for i, t in enumerate(book.tools)}
    named = [(ad, tools[labelled.tools[tool]]) for ad, tool in labelled.named.tolist()]
    target = np.array([profiles.index(p) for p in labelled.profiles])

    def brute_force(left_out: int) -> tuple[float, float, np.ndarray]:
        hits = labelled.current_hits(book)
        kept = hits.term != left_out
        left = TermHits(hits.text[kept], hits.term[kept])
        counts = facet_counts(left, len(labelled.ad), book.terms, book.facets)
        features = space.compute(evidence(book, labelled, named, fit.evidence.probabilities, counts))
        p = np.zeros((len(labelled.ids), len(profiles)))
        for fold, head in study.heads.items():
            p[labelled.fold == fold] = head.probabilities(features)[labelled.fold == fold]
        right = p[np.arange(len(p)), target]
        loss = -np.average(np.log(right), weights=labelled.weight)
        return float(loss), cohen_kappa(labelled.profiles, [profiles[i] for i in p.argmax(axis=1)]), features

    base, kappa, _ = brute_force(-1)
    assert study.loss.sum() == pytest.approx(base)
    assert study.kappa == pytest.approx(kappa)
    for i, (term, found) in enumerate(zip(book.terms, study.figures(), strict=True)):
        loss, k, features = brute_force(i)
        assert found.change.log_loss == pytest.approx(loss - base, abs=1e-9), term
        assert found.kappa == pytest.approx(k - kappa, abs=1e-9), term
        ads = np.unique(labelled.ad[study.hits.text[study.hits.term == i]])
        assert sum(found.ads) == len(ads)
        if len(ads):
            assert np.array_equal(study.without(i, ads), features[ads]), term


def test_changes_of_parts(contributions: ModuleType) -> None:
    change = contributions.change_of(np.array([1.0, 2.0, -1.0, 4.0]), np.array([0, 1, 1, 2]))
    assert change.log_loss == 6.0
    assert change.folds == (1.0, 1.0, 4.0)
    assert change.error == pytest.approx(2 * np.std([1, 2, -1, 4], ddof=1))
    same = [contributions.Change(0.0, 0.0, (x, x, x)) for x in (3.0, -1.0, 2.0, 7.0)]
    assert contributions.agreement(same) == pytest.approx(1.0)
    against = [contributions.Change(0.0, 0.0, (x, -x)) for x in (3.0, -1.0, 2.0, 7.0)]
    assert contributions.agreement(against) == pytest.approx(-1.0)
    assert np.isnan(contributions.agreement([]))


def test_a_part_of_the_labelled_ads(contributions: ModuleType, bundle: Bundle) -> None:
    labelled = labelled_of(bundle)
    keep = np.arange(len(labelled.ids)) % 3 != 1
    some = contributions.part(labelled, keep)
    again = np.flatnonzero(keep)
    assert some.ids == tuple(labelled.ids[i] for i in again)
    assert again[some.ad].tolist() == [a for a in labelled.ad.tolist() if keep[a]]
    assert {(int(again[a]), t) for a, t in some.named.tolist()} == {
        (a, t) for a, t in labelled.named.tolist() if keep[a]
    }
    hits = sorted((labelled.ad[s], t) for s, t in zip(*labelled.hits, strict=True) if keep[labelled.ad[s]])
    assert sorted((again[some.ad[s]], t) for s, t in zip(*some.hits, strict=True)) == hits


def test_from_the_command_line(
    contributions: ModuleType,
    built_study: Study,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gold = pq.read_table(built_study.gold)
    locked = [i == 0 for i in range(len(gold))]
    names = [c for c in gold.column_names if c != "locked"]
    marked = gold.select(names).append_column("locked", pa.array(locked))
    pq.write_table(marked, tmp_path / "gold.parquet")
    arguments = ["--index", str(built_study.index), "--gold", str(tmp_path / "gold.parquet"), "--limit", "7"]
    arguments += ["--corpus", str(built_study.gold), "--output", str(tmp_path / "out.csv")]
    monkeypatch.setattr(sys, "argv", ["contributions.py", *arguments])
    contributions.main()
    said = capsys.readouterr().out
    assert f"{len(gold) - 1} labelled ads" in said
    assert "left out as locked: 1" in said
    assert "7 uncoded ads" in said
    book = built_study.bundle().book
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [r["text"] for r in rows] == [a.phrase for a in book.anchors] + [t.term for t in book.terms]
    terms = {(r["text"], r["facet"]): r for r in rows if r["kind"] == "term"}
    texts = [t.lower() for t in gold.column("text").to_pylist()[:7]]
    assert int(terms["machine learning", "predictive"]["corpus_ads"]) == sum("machine learning" in t for t in texts)
