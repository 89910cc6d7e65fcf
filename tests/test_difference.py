"""What a rebuild changes: edits, figures with their intervals, codes that moved, ads that change profile."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from io import StringIO
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import Study, small_gold_rows
from rich.console import Console

from embedcode import recode, show
from embedcode.bootstrap import MIN_ADS
from embedcode.build import Report
from embedcode.building import rebuild
from embedcode.coder import Coder
from embedcode.corpus import Corpus
from embedcode.difference import Difference, Edit, Figure, Scores, compare, edits, moves
from embedcode.documents import Columns, Source
from embedcode.errors import InputError
from embedcode.kappa import cohen_kappa
from embedcode.recode import Recoded
from embedcode.run import Bundled, run


def edit(study: Study) -> None:
    """An edit that changes the profile of some labelled ads."""
    study.edit("phrases/TASK4.csv", '"write, test and review software",software,en,\n', "")
    study.edit("negatives.csv", "we offer a pension and a bicycle", "a museum card and a quiet garden")
    study.add("phrases/TASK3.csv", "forecasts of sales,predictive,en,")


def files(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir()}


def dry(study: Study, **options: object) -> Report:
    return rebuild(study.anchors, study.index, write=False, **options)  # type: ignore[arg-type]


def difference(report: Report) -> Difference:
    assert report.difference is not None
    return report.difference


def figures(report: Report) -> dict[str, Figure]:
    return {f.name: f for f in difference(report).figures}


def test_a_dry_run_writes_nothing_and_tells_what_the_build_tells(study: Study, tmp_path: Path) -> None:
    edit(study)
    before = files(study.index)
    told = dry(study)
    assert files(study.index) == before
    assert dry(study) == told, "the same again"
    assert rebuild(study.anchors, study.index) == told
    assert files(study.index) != before
    assert not (tmp_path / "new").exists()


def test_a_dry_run_makes_no_folder(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(study.root)
    rebuild(study.anchors, Path("indexes/new"), write=False)
    assert not Path("indexes/new").exists()


def test_nothing_edited(study: Study) -> None:
    found = difference(dry(study))
    assert (found.edits, found.moves, found.ads) == ((), (), len(small_gold_rows()))
    for figure in found.figures:
        assert (figure.before, figure.before_95) == (figure.after, figure.after_95)
        assert figure.change_95 in (None, (0.0, 0.0))


def test_what_was_edited(study: Study) -> None:
    old = study.bundle().book
    anchors = [a for a in old.anchors if a.phrase != "software bouwen"]
    moved = replace(anchors[0], code="TASK4", facet="software")
    new = replace(
        old,
        anchors=(moved, *anchors[1:], replace(anchors[-1], phrase="a quiet garden")),
        terms=old.terms[1:],
        tools=(replace(old.tools[0], aliases=("Python4",)), *old.tools[1:]),
        not_tools=(*old.not_tools, "SQL"),
    )
    assert set(edits(old, new)) == {
        Edit("anchor", "changed", moved.phrase, "SKILL1 talking en", "TASK4 software en"),
        Edit("anchor", "removed", "software bouwen", "TASK4 software nl", ""),
        Edit("anchor", "added", "a quiet garden", "", "NEG benefits nl"),
        Edit("term", "removed", "language model*", "generative en", ""),
        Edit("tool", "changed", "Python", "TECH1 any Python3", "TECH1 any Python4"),
        Edit("notion", "added", "SQL", "", ""),
    }
    assert edits(old, old) == ()


def test_figures_are_those_of_the_bundles(study: Study) -> None:
    before = study.bundle()
    edit(study)
    report = rebuild(study.anchors, study.index)
    after = study.bundle()
    assert before.labelled is not None
    kappa = figures(report)["kappa"]
    for value, bundle in ((kappa.before, before), (kappa.after, after)):
        predicted = [bundle.figures["cross_validated"][i] for i in before.labelled.ids]
        assert value == pytest.approx(cohen_kappa(before.labelled.profiles, predicted))
    assert list(figures(report)) == ["kappa", "macro-F1", *after.codes.codes]
    for figure in difference(report).figures:
        for value, interval in ((figure.before, figure.before_95), (figure.after, figure.after_95)):
            assert value is not None
            assert interval is not None
            assert interval[0] <= value <= interval[1]
    shared = [figures(report)[c].after for c in after.codes.codes]
    assert figures(report)["macro-F1"].after == pytest.approx(sum(x or 0 for x in shared) / len(shared))


def test_flips_tell_how_sure(study: Study) -> None:
    edit(study)
    report = dry(study)
    assert report.flips
    for flip in report.flips:
        assert flip.sure_before is not None
        assert flip.sure is not None
        assert 1 / 3 <= flip.sure_before <= 1
        assert 1 / 3 <= flip.sure <= 1
        assert flip.margin is not None
        assert (flip.margin.profile, flip.margin.rival) == (flip.after, flip.before)
        assert flip.margin.before < 0 < flip.margin.after
        assert flip.margin.features
        assert {m.code for m in flip.codes} <= set(study.bundle().codes.codes)
        assert any(m.before != m.after for m in flip.codes)
    moved = difference(report).moves
    assert [m.mean for m in moved] == sorted((m.mean for m in moved), reverse=True)
    assert moved[0].mean > 0
    assert any(m.before != m.after for m in moved)


def scores(study: Study) -> Scores:
    """Scores in which every code is given rightly and every profile found."""
    labelled = study.bundle().labelled
    assert labelled is not None
    names = tuple(p.name for p in study.bundle().book.profiles)
    profiles = np.eye(3)[[names.index(p) for p in labelled.profiles]]
    return Scores(labelled, labelled.codes, labelled.labels.astype(np.float64), labelled.labels, names, profiles)


def test_f1_by_hand(study: Study) -> None:
    right, book = scores(study), study.bundle().book
    labelled = right.labelled
    given = right.given.copy()
    given[labelled.ad < 5, 0] = False
    found = {f.name: f for f in compare(book, book, right, replace(right, given=given)).figures}
    use = labelled.known[:, 0] & labelled.labels[:, 0]
    tp, fn = int((use & (labelled.ad >= 5)).sum()), int((use & (labelled.ad < 5)).sum())
    assert fn > 0
    changed = found[right.codes[0]]
    assert (changed.before, changed.after) == (1.0, pytest.approx(2 * tp / (2 * tp + fn)))
    assert changed.change_95 is not None
    assert changed.change_95[0] < 0
    assert changed.change_95[1] <= 0
    assert found["kappa"].before == found["kappa"].after == 1.0
    assert found[right.codes[1]].change_95 == (0.0, 0.0)


def test_codes_that_moved_in_a_single_ad(study: Study) -> None:
    right = scores(study)
    labelled = right.labelled
    carried = labelled.labels[:, 0]
    ad = int(labelled.ad[carried][0])
    mine = labelled.ad == ad
    probabilities, given = right.probabilities.copy(), right.given.copy()
    probabilities[mine, 0] /= 2
    given[mine, 0] = False
    other = replace(right, probabilities=probabilities, given=given)
    (found,) = moves(right, other, np.array([[ad, ad]]))
    count = int(carried[mine].sum())
    assert (found.code, found.before, found.after) == (right.codes[0], count, 0)
    assert found.mean == pytest.approx(count / 2 / mine.sum())
    assert moves(right, other, np.array([[ad + 1, ad + 1]])) == ()


def test_a_code_that_only_one_of_two_builds_has(study: Study) -> None:
    right, book = scores(study), study.bundle().book
    less = replace(right, codes=right.codes[1:], probabilities=right.probabilities[:, 1:], given=right.given[:, 1:])
    found = {f.name: f for f in compare(book, book, less, right).figures}
    assert (found[right.codes[0]].before, found[right.codes[0]].after) == (None, 1.0)
    assert found[right.codes[0]].change_95 is None


def test_only_ads_that_both_have_are_compared(study: Study, tmp_path: Path) -> None:
    rows = small_gold_rows()
    for row in rows[:5]:
        row["id"] += "-new"
    pq.write_table(pa.Table.from_pylist(rows[3:]), tmp_path / "more.parquet")
    found = difference(dry(study, gold=tmp_path / "more.parquet"))
    assert found.ads == len(rows) - 5
    assert found.figures[0].before is not None


def test_few_ads_have_no_interval(study: Study) -> None:
    right, book = scores(study), study.bundle().book
    ids = tuple(i if n < MIN_ADS - 1 else f"{i}-other" for n, i in enumerate(right.labelled.ids))
    other = replace(right, labelled=replace(right.labelled, ids=ids))
    found = compare(book, book, right, other)
    assert found.ads == MIN_ADS - 1
    assert {f.change_95 for f in found.figures} == {None}
    assert found.figures[0].before == 1.0


# A corpus


def code(study: Study, *, keep: tuple[str, ...] = (), name: str = "coded") -> Path:
    rows = [{"id": r["id"], "text": r["text"]} for r in small_gold_rows()]
    path = study.root / "ads.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path)
    run(Source.open([str(path)], Columns(keep=keep)), study.root / name, Bundled(str(study.index)))
    return study.root / name


def recoded(report: Report) -> Recoded:
    assert report.recoded is not None
    return report.recoded


@pytest.mark.parametrize("kept", [False, True])
def test_ads_of_a_corpus_that_change(study: Study, kept: bool) -> None:
    corpus = code(study, keep=("text",) if kept else ())
    if kept:
        (study.root / "ads.parquet").unlink()
    rows = small_gold_rows()
    before = Coder(study.bundle()).classify([r["text"] for r in rows])
    edit(study)
    found = recoded(dry(study, corpus=corpus))
    rebuild(study.anchors, study.index)
    after = Coder(study.bundle()).classify([r["text"] for r in rows])
    changed = {r["id"]: (b, a) for r, b, a in zip(rows, before, after, strict=True) if b.profile != a.profile}
    assert changed, "the edit should matter; choose another"
    assert (found.ads, found.note) == (len(rows), "")
    assert [f.id for f in found.flips] == list(changed)
    for flip in found.flips:
        b, a = changed[flip.id]
        assert (flip.before, flip.sure_before, flip.after, flip.sure) == (
            b.profile,
            b.confidence,
            a.profile,
            a.confidence,
        )
    for flip in found.flips:
        assert flip.why is not None
        assert flip.why.margin is not None
        assert (flip.why.margin.profile, flip.why.margin.rival) == (flip.after, flip.before)
        b, a = changed[flip.id]
        gained, lost = (
            {(e.code, e.text) for e in x.codes} - {(e.code, e.text) for e in y.codes} for x, y in ((a, b), (b, a))
        )
        assert {(c.code, c.text) for c in flip.why.changes if c.gained} == gained
        assert {(c.code, c.text) for c in flip.why.changes if not c.gained} == lost
    for name, counts in found.codes.items():
        assert counts == tuple(sum(name in {e.code for e in ad.codes} for ad in ads) for ads in (before, after))


def test_the_report_tells_why(study: Study) -> None:
    corpus = code(study)
    edit(study)
    study.edit("tools.csv", "LangChain,TECH4,Lang Chain,any,,,\n", "")
    report = dry(study, corpus=corpus)
    out = StringIO()
    show.report(report, Console(file=out, width=200))
    lines = out.getvalue().splitlines()
    (first,) = (i for i, line in enumerate(lines) if line.startswith("edits of the coding book"))
    labelled, of_corpus = lines[:first], lines[first:]
    for part, flips in ((labelled, len(report.flips)), (of_corpus, len(recoded(report).flips))):
        assert sum("log-odds of" in line for line in part) == flips > 0
    assert any("segments that carry a code: " in line for line in labelled)
    told = [" ".join(line.split()) for line in of_corpus]
    assert "- TECH4 LangChain: 'LangChain'" in told
    assert any(re.fullmatch(r"≈ 0.\d\d TASK4 write, test and review software \(removed\)", line) for line in told)
    assert any(re.fullmatch(r"✗ 0.\d\d against a museum card and a quiet garden \(added\)", line) for line in told)
    assert any(re.match(r"[+-] (TASK|SKILL)\d 0.\d\d → 0.\d\d ", line) for line in told)
    assert any(re.match(r"[+-] (TASK|SKILL)\d 0.\d{3}, threshold 0.\d{3} → 0.\d{3} ", line) for line in told)
    assert any(re.match(r"[+-]0.\d{3} evidence (TASK|SKILL)\d: probability in its best segment", line) for line in told)
    assert any(re.match(r"0.\d\d → 0.\d\d \w", line) for line in told)


def test_a_corpus_without_texts(study: Study) -> None:
    corpus = code(study)
    (study.root / "ads.parquet").unlink()
    edit(study)
    report = dry(study, corpus=corpus)
    assert recoded(report).note.startswith("the corpus is not compared: ")
    assert "--keep text" in recoded(report).note
    assert report.flips, "the labelled ads are compared all the same"


def test_a_corpus_of_another_bundle_is_told(study: Study) -> None:
    corpus = code(study)
    edit(study)
    rebuild(study.anchors, study.index)
    assert "coded by another bundle" in recoded(dry(study, corpus=corpus)).note


def test_no_more_ads_are_explained_than_asked_for(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = code(study)
    edit(study)
    all_told = recoded(dry(study, corpus=corpus)).flips
    assert len(all_told) > 1
    monkeypatch.setattr(recode, "MOST_EXPLAINED", 1)
    found = recoded(dry(study, corpus=corpus))
    assert found.flips == (all_told[0], *(replace(f, why=None) for f in all_told[1:]))
    assert found.note == ""


def test_titles_that_were_not_kept_are_missed(study: Study) -> None:
    """Without their titles, ads change profile that no edit changes; while the input is there, it has them."""
    title = "Machine learning engineer, forecasts"
    rows = [{"id": r["id"], "text": r["text"], "title": title} for r in small_gold_rows()]
    path = study.root / "ads.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path)
    coded = {}
    for keep in (("text",), ("text", "title")):
        coded[keep] = study.root / "-".join(keep)
        run(Source.open([str(path)], Columns(keep=keep)), coded[keep], Bundled(str(study.index)))

    def flips(keep: tuple[str, ...]) -> tuple[int, str]:
        found = recoded(dry(study, corpus=coded[keep]))
        assert all(f.why is None for f in found.flips)
        return len(found.flips), found.note

    assert flips(("text",)) == flips(("text", "title")) == (0, "")
    path.unlink()
    assert flips(("text", "title")) == (0, "")
    count, note = flips(("text",))
    assert count > 0
    assert "--keep title" in note


def test_no_corpus(study: Study) -> None:
    before = files(study.index)
    with pytest.raises(InputError):
        rebuild(study.anchors, study.index, corpus=study.root / "nowhere")
    assert files(study.index) == before
    assert dry(study).recoded is None
    shutil.rmtree(code(study))
    with pytest.raises(InputError):
        Corpus(study.root / "coded")
