"""Why single ads change profile: evidence gained and lost, edited anchors behind it, thresholds, tools, confidence."""

from __future__ import annotations

import math
import shutil

import pytest
from conftest import Study, small_gold_rows

from embedcode.building import rebuild
from embedcode.coded import CodedAd
from embedcode.coder import Coder
from embedcode.flips import Change, Comparison, Flipped, Why

ADS = [(r["text"], None) for r in small_gold_rows()]
TITLED = ("You build language models in Python.\nYou talk with the team.", "Machine Learning Engineer")


def edited(study: Study) -> Comparison:
    """Coders before and after edits of anchors and tools."""
    before = Coder(study.bundle())
    study.edit("phrases/TASK4.csv", '"write, test and review software",software,en,\n', "")
    study.edit("negatives.csv", "we offer a pension and a bicycle", "a museum card and a quiet garden")
    study.add("phrases/TASK3.csv", "forecasts of sales,predictive,en,")
    study.edit("tools.csv", "LangChain,TECH4,Lang Chain,any,,,\n", "Kubeflow,TECH4,,any,,,\n")
    rebuild(study.anchors, study.index)
    return Comparison(before, Coder(study.bundle()))


@pytest.fixture(scope="module")
def both(built_study: Study, tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    return edited(Study(shutil.copytree(built_study.root, tmp_path_factory.mktemp("edited") / "study")))


def reason(both: Comparison, *ad: str | None) -> Why | None:
    (found,) = both.explain([Flipped(*ad)])  # type: ignore[arg-type]
    return found


def reasons(both: Comparison) -> list[tuple[CodedAd, CodedAd, Why]]:
    """Of all ads, changed or not: how they are coded before and after, and why."""
    out = []
    for text, title in [*ADS, TITLED]:
        before, after = (c.classify([text], [title])[0] for c in (both.before, both.after))
        why = reason(both, text, title, before.profile, after.profile)
        assert why is not None
        out.append((before, after, why))
    return out


def codes(ad: CodedAd) -> set[tuple[str, str, str | None]]:
    return {(e.code, e.text, e.tool) for e in ad.codes}


def test_what_is_gained_and_lost_is_what_differs_between_the_coded_ads(both: Comparison) -> None:
    told = reasons(both)
    for before, after, why in told:
        for gained, expected in ((True, codes(after) - codes(before)), (False, codes(before) - codes(after))):
            assert {(c.code, c.text, c.tool) for c in why.changes if c.gained == gained} == expected
    changes = [c for _, _, why in told for c in why.changes]
    assert {c.gained for c in changes if not c.tool} == {True, False}
    assert {(c.gained, c.tool, c.before, c.after) for c in changes if c.tool} == {
        (False, "LangChain", 1.0, 0.0),
        (True, "Kubeflow", 0.0, 1.0),
    }


def test_probabilities_cross_thresholds(both: Comparison) -> None:
    thresholds = [
        dict(zip(c.bundle.codes.codes, c.bundle.codes.thresholds.tolist(), strict=True))
        for c in (both.before, both.after)
    ]
    changes = [c for _, _, why in reasons(both) for c in why.changes if not c.tool]
    for c in changes:
        assert (c.threshold_before, c.threshold) == tuple(t[c.code] for t in thresholds)
        assert (c.before >= thresholds[0][c.code], c.after >= thresholds[1][c.code]) == (not c.gained, c.gained)
        assert c.by_threshold == ((c.after >= thresholds[0][c.code]) != c.gained)
    assert {c.by_threshold for c in changes} == {True, False}


def test_the_nearest_anchor_is_that_of_the_coded_ad(both: Comparison) -> None:
    for before, after, why in reasons(both):
        for c in why.changes:
            if not c.tool:
                expected = {(e.code, e.text): e for e in (after if c.gained else before).codes}[c.code, c.text]
                assert (c.near[0].code, c.near[0].phrase) == (c.code, expected.anchor)
                assert c.near[0].similarity == pytest.approx(expected.similarity, abs=1e-4)


def test_edited_anchors_are_marked_where_the_change_can_be_due_to_them(both: Comparison) -> None:
    near = [(c, n) for _, _, why in reasons(both) for c in why.changes for n in c.near if n.edited]
    assert {(c.gained, n.code == "NEG", n.edited) for c, n in near} <= {
        (True, False, "added"),
        (False, False, "removed"),
        (True, True, "removed"),
        (False, True, "added"),
    }
    assert {n.phrase for _, n in near} <= {
        "forecasts of sales",
        "write, test and review software",
        "we offer a pension and a bicycle",
        "a museum card and a quiet garden",
    }
    assert {n.edited for _, n in near} == {"added", "removed"}


def test_the_most_telling_comes_first(both: Comparison) -> None:
    for _, _, why in reasons(both):
        order = [(not c.edited, c.by_threshold, -abs(c.after - c.before)) for c in why.changes]
        assert order == sorted(order)


def test_the_margin_is_that_of_the_probabilities(both: Comparison) -> None:
    flipped = 0
    for before, after, why in reasons(both):
        assert why.margin is not None
        assert before.probabilities is not None
        assert after.probabilities is not None
        pair = why.margin.profile, why.margin.rival
        if before.profile != after.profile:
            flipped += 1
            assert pair == (after.profile, before.profile)
            assert why.margin.before < 0 < why.margin.after
        for value, p in ((why.margin.before, before.probabilities), (why.margin.after, after.probabilities)):
            assert 1 / (1 + math.exp(-value)) == pytest.approx(p[pair[0]] / (p[pair[0]] + p[pair[1]]), abs=1e-3)
    assert flipped > 0


def test_the_best_segments_stand_behind_the_features(both: Comparison) -> None:
    seen = 0
    for before, after, why in reasons(both):
        assert why.margin is not None
        moved = {f.name: f for f in why.margin.features}
        assert set(why.best) == {n for n, f in moved.items() if n.endswith(".best") and f.cause == "evidence"}
        for name, best in why.best.items():
            code, _, facet = name.removesuffix(".best").partition("/")
            assert best.near[0].code == code
            if not facet:
                seen += 1
                strengths = before.strengths, after.strengths
                assert [best.before, best.after] == pytest.approx([s[code] for s in strengths if s], abs=1e-4)
                higher = after if best.after > best.before else before
                evidence = [e for e in higher.codes if e.code == code]
                if evidence:
                    assert best.text == max(evidence, key=lambda e: e.score).text
    assert seen > 10


def test_without_confidence_there_is_no_profile(both: Comparison) -> None:
    text, _ = ADS[0]
    best, second = sorted(both.after.classify([text])[0].probabilities.items(), key=lambda p: -p[1])[:2]  # type: ignore[union-attr]
    same = Comparison(both.after, both.after)
    reached, fell = reason(same, text, None, None, best[0]), reason(same, text, None, best[0], None)
    assert reached is not None
    assert fell is not None
    assert reached.margin is not None
    assert fell.margin is not None
    assert (reached.margin.profile, reached.margin.rival) == (best[0], second[0])
    assert (fell.margin.profile, fell.margin.rival) == (second[0], best[0])
    assert reached.changes == ()
    assert reached.margin.cause.startswith("the evidence is the same")


def test_an_ad_that_had_another_profile_is_not_explained(both: Comparison) -> None:
    text, _ = ADS[0]
    given = both.before.classify([text])[0].profile
    for profile in both.before.bundle.head.profiles:
        assert (reason(both, text, None, profile, given) is None) == (profile != given)


def test_a_code_that_only_one_bundle_has() -> None:
    gained = Change("TASK9", True, "a segment", 0.0, 0.4, None, 0.3)
    lost = Change("TASK9", False, "a segment", 0.4, 0.0, 0.3, None)
    assert (gained.by_threshold, lost.by_threshold) == (False, False)
