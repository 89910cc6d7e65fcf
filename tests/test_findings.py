"""What is worth a look in a coding book: duplicates, strays, thin codes, missing languages, idle anchors."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import Study

from embedcode.book import anchor, read_book
from embedcode.bundle import STATIC, TRANSFORMER, EmbedderSpec, load_bundle
from embedcode.curate import check
from embedcode.errors import InputError
from embedcode.findings import FEWEST, FEWEST_OF_FACET, Findings, anchor_vectors, find, purity
from embedcode.paths import shipped
from embedcode.types import NEGATIVE, Anchor, Code, CodingBook
from embedcode.vectors import quantise

CODES = (Code("TASK1", "", ""), Code("TASK2", "", ""), Code("TECH1", "", ""))


def book_of(*anchors: Anchor) -> CodingBook:
    return CodingBook((), CODES, anchors, (), (), ())


def at(*degrees: float | None) -> np.ndarray:
    """Unit vectors in the plane, and a zero vector for None."""
    rows = [(0.0, 0.0) if d is None else (np.cos(np.radians(d)), np.sin(np.radians(d))) for d in degrees]
    # Eight times over, so that no component is clipped.
    return quantise(np.array([(x / 8**0.5, y / 8**0.5) * 8 for x, y in rows], dtype=np.float32))


def names(*codes: str) -> tuple[Anchor, ...]:
    return tuple(anchor(c, f"phrase number{i}", "f", "en") for i, c in enumerate(codes))


def test_strays_come_worst_first_with_both_neighbours() -> None:
    anchors = names("TASK1", "TASK1", "TASK1", "TASK2", "TASK2", "TASK1")
    found = find(book_of(*anchors), at(0, 10, 95, 120, 89, 70))
    told = [tuple(a.phrase[-1] for a in (s.anchor, s.own, s.other)) for s in found.strays]
    # At 89 degrees: 6 from another code, 31 from its own. At 95: 6 and 25. At 120: 25 and 31. At 70: 19 and 25.
    assert told == [("4", "3", "2"), ("2", "5", "4"), ("3", "4", "2"), ("5", "2", "4")]
    first = found.strays[0]
    assert first.similarity == pytest.approx(np.cos(np.radians(31)), abs=0.02)
    assert first.other_similarity == pytest.approx(np.cos(np.radians(6)), abs=0.02)
    assert [c.purity for c in found.codes] == [0.5, 0.0, None]


def test_leave_one_out_by_hand() -> None:
    """The same as a plain double loop, on the shipped book's first anchors and a zero vector."""
    bundle = load_bundle(shipped() / "indexes" / "default")
    keep = np.arange(0, len(bundle.book.anchors), 9)
    anchors = [bundle.book.anchors[i] for i in keep]
    vectors = bundle.anchor_vectors[keep].copy()
    vectors[7] = 0
    found = find(replace(bundle.book, anchors=tuple(anchors)), vectors)
    expected = {}
    for i, a in enumerate(anchors):
        near = {True: -2.0, False: -2.0}
        for j, b in enumerate(anchors):
            if i != j and vectors[i].any() and vectors[j].any():
                cosine = min(1.0, float(vectors[i].astype(int) @ vectors[j].astype(int)) / 65536)
                near[a.code == b.code] = max(near[a.code == b.code], cosine)
        if near[False] > near[True] > -2:
            expected[a.id] = near[True], near[False]
    assert {s.anchor.id: (s.similarity, s.other_similarity) for s in found.strays} == expected
    assert expected
    strays, whole = Counter(s.anchor.code for s in found.strays), Counter(a.code for a in anchors)
    whole[anchors[7].code] -= 1  # it has no vector
    for code in found.codes:
        assert code.purity == pytest.approx(1 - strays[code.code] / whole[code.code])


def test_a_lone_anchor_is_no_stray() -> None:
    found = find(book_of(*names("TASK1", "TASK2", "TASK2")), at(0, 1, 50))
    assert [s.anchor.code for s in found.strays] == ["TASK2"]
    assert found.codes[0].purity is None


def test_duplicates() -> None:
    anchors = (
        anchor("TASK1", "build models", "f", "en"),
        anchor("TASK1", "Models: build!", "f", "en"),
        anchor("TASK2", "train networks", "f", "en"),
        anchor(NEGATIVE, "we offer nothing", "f", "en"),
        anchor("TASK1", "of no known word", "f", "en"),
    )
    found = find(book_of(*anchors), at(0, 0, 20, 90, None))
    pairs = [(p.first.phrase, p.second.phrase, p.same_words) for p in found.duplicates]
    assert pairs[0] == ("build models", "Models: build!", True)
    assert {p[:2] for p in pairs[1:]} == {("build models", "train networks"), ("Models: build!", "train networks")}
    assert found.duplicates[1].similarity == pytest.approx(np.cos(np.radians(20)), abs=0.01)
    assert len(find(book_of(*anchors), at(0, 0, 20, 90, None), near=0.96).duplicates) == 1


def test_thin_codes_and_missing_languages() -> None:
    anchors = [anchor("TASK1", f"phrase {i} x", "wide", "en" if i else "nl") for i in range(FEWEST)]
    anchors += [anchor("TASK1", f"rare {i}", "narrow", "en") for i in range(FEWEST_OF_FACET - 1)]
    anchors += [anchor(NEGATIVE, "we offer a bicycle", "benefits", "en")]
    found = find(book_of(*anchors), at(*range(len(anchors))))
    assert [(t.code, t.facet, t.anchors, t.expected) for t in found.thin] == [
        ("TASK1", "narrow", FEWEST_OF_FACET - 1, FEWEST_OF_FACET),
        ("TASK2", "", 0, FEWEST),
        (NEGATIVE, "", 1, FEWEST),
    ]
    assert [(x.code, x.language) for x in found.lacking] == [(NEGATIVE, "nl")], "TASK2 has none at all: it is thin"


def test_a_book_without_anchors() -> None:
    found = find(book_of(), np.zeros((0, 4), dtype=np.int8))
    assert (found.duplicates, found.strays, [c.purity for c in found.codes]) == ((), (), [None] * 3)


def findings(study: Study, **options: object) -> Findings:
    found = check(study.anchors, str(study.index), **options)  # type: ignore[arg-type]
    assert found.findings is not None
    return found.findings


def test_new_phrases_are_embedded_by_the_bundle(study: Study) -> None:
    study.add("phrases/TASK4.csv", "develop web shops,software,en,")
    study.edit("phrases/TASK4.csv", "software bouwen,software,nl,\n", "")
    book, bundle = read_book(study.anchors), study.bundle()
    assert bundle.static is not None
    expected = quantise(bundle.static.embed([a.phrase for a in book.anchors]))
    assert np.array_equal(anchor_vectors(book, bundle, None, False), expected)


def test_a_transformer_is_asked_for_only_where_it_is_needed(study: Study) -> None:
    spec = EmbedderSpec(TRANSFORMER, "no-such-model")
    replace(study.bundle(), embedder=spec, static=None, folds=None).save(study.index)
    found = check(study.anchors, str(study.index))
    assert (found.warnings, found.findings is None) == ((), False)
    study.add("phrases/TASK4.csv", "develop web shops,software,en,")
    found = check(study.anchors, str(study.index))
    assert found.findings is None
    (warning,) = found.warnings
    assert warning.startswith("the anchors were not compared: ")
    assert "--download" in warning or "embedcode[transformers]" in warning
    assert study.bundle().embedder.kind != STATIC


def coded_by(study: Study, *ids: str | None) -> Path:
    """A part with one ad, whose evidence has these nearest anchors."""
    from embedcode.coded import coded_schema

    bundle = study.bundle()
    schema = coded_schema([p.name for p in bundle.book.profiles], [c.code for c in bundle.book.codes])
    evidence = {"start": 0, "end": 1, "field": "text", "text": "x", "score": 1.0, "similarity": 1.0}
    rows = [
        {"id": "1", "codes": [{"code": "TASK3", "anchor_id": i, **evidence} for i in ids]},
        {"id": "2", "codes": []},
    ]
    (study.root / "coded").mkdir()
    pq.write_table(pa.Table.from_pylist(rows, schema), study.root / "coded" / "part-00000.parquet")
    return study.root / "coded"


def test_anchors_that_win_nothing(study: Study) -> None:
    book = read_book(study.anchors)
    first, second, *rest = book.anchors
    folder = coded_by(study, first.id, second.id, first.id, None, "TASK3-00000000")
    study.add("phrases/TASK4.csv", "develop web shops,software,en,")
    found = findings(study, coded=folder)
    usage = found.usage
    assert usage is not None
    assert (usage.ads, usage.unknown, usage.new) == (2, 1, 1)
    assert usage.won[first.id] == 2
    assert set(usage.idle) == {a for a in rest if a.code != NEGATIVE}
    won = {c.code: c.won for c in found.codes}
    counted = Counter({first.code: 2})
    counted[second.code] += 1
    assert won == {"TASK3": counted["TASK3"], "TASK4": counted["TASK4"], "SKILL1": counted["SKILL1"], NEGATIVE: None}


def test_ads_of_another_bundle_are_told(study: Study) -> None:
    folder = coded_by(study, None)
    manifest = {"embedcode": "0", "parts": [{"name": "part-00000.parquet", "rows": 2}], "bundle": {"anchors": "other"}}
    (folder / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    usage = findings(study, coded=folder).usage
    assert usage is not None
    assert usage.other_bundle
    manifest["bundle"] = {"anchors": study.bundle().hashes["anchors"]}
    (folder / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    usage = findings(study, coded=folder).usage
    assert usage is not None
    assert not usage.other_bundle


def test_coded_ads_that_are_not_there(study: Study) -> None:
    with pytest.raises(InputError, match="expected coded ads"):
        check(study.anchors, str(study.index), coded=study.root / "nowhere")


def test_problems_do_not_hide_findings(study: Study) -> None:
    study.add("phrases/TASK4.csv", "software bouwen,software,nl,")
    found = check(study.anchors, str(study.index))
    assert [p.file for p in found.problems] == ["phrases/TASK4.csv"]
    assert found.findings is not None
    assert found.findings.thin


def test_purity_counts_what_people_gave(built_study: Study) -> None:
    bundle = built_study.bundle()
    assert bundle.labelled
    found = purity(bundle.book, bundle.anchor_vectors, bundle.labelled)
    expected = np.zeros_like(found)
    for segment, vector in enumerate(bundle.labelled.vectors.astype(np.int64)):
        products = bundle.anchor_vectors.astype(np.int64) @ vector
        best = int(products.argmax())
        if bundle.labelled.title[segment] or not vector.any() or (products == products[best]).sum() > 1:
            continue
        code = bundle.book.anchors[best].code
        labels, known = bundle.labelled.labels[segment], bundle.labelled.known[segment]
        if code in bundle.labelled.codes:
            column = bundle.labelled.codes.index(code)
            sure, right = known[column], labels[column]
        else:
            sure, right = known.all(), not labels.any()
        if sure:
            expected[best] += 1, right
    assert expected[:, 0].sum() > 20
    assert 0 < expected[:, 1].sum() < expected[:, 0].sum()
    assert abs(found - expected).sum() <= 0.2 * expected.sum()  # equal products: the first anchor is taken
    assert (found >= expected).all()
