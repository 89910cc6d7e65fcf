"""Explanations agree with what `classify` says of the same ad, and their numbers add up."""

from __future__ import annotations

import io
import json
from dataclasses import asdict

import numpy as np
import pytest
from ads import gold_rows
from rich.console import Console

from embedcode.coder import Coder
from embedcode.errors import InputError
from embedcode.explain import ANCHORS, Explanation, explain
from embedcode.show import explanation
from embedcode.types import NEGATIVE

TEXTS = [r["text"] for r in gold_rows()]
ODD = ["...", "<br>", "🚀 Python 🚀", "x", "Je bouwt modellen in Python.\r\n\r\nEn je test ze."]


@pytest.fixture(scope="module")
def found(coder: Coder) -> list[Explanation]:
    return [explain(coder, t) for t in TEXTS]


def test_the_same_profile_and_probabilities(coder: Coder, found: list[Explanation]) -> None:
    for one, ad in zip(found, coder.classify(TEXTS), strict=True):
        assert (one.profile, one.language, len(one.segments)) == (ad.profile, ad.language, ad.n_segments)
        assert one.confidence == pytest.approx(ad.confidence, abs=1e-6)
        assert one.probabilities == pytest.approx(ad.probabilities, abs=1e-6)


def test_the_same_codes_at_the_same_places(coder: Coder, found: list[Explanation]) -> None:
    for one, ad in zip(found, coder.classify(TEXTS), strict=True):
        mine = {(s.start, s.end, s.text, c, round(x, 4)) for s in one.segments for c, x in s.codes.items()}
        theirs = {(e.start, e.end, e.text, e.code, round(e.score, 4)) for e in ad.codes if e.tool is None}
        assert mine == theirs
        tools = {(t.name, t.code, t.start, t.end) for t in one.tools}
        assert tools == {(e.tool, e.code, e.start, e.end) for e in ad.codes if e.tool}


def test_the_anchor_of_the_evidence_leads_the_anchors_of_its_code(coder: Coder, found: list[Explanation]) -> None:
    checked = 0
    for one, ad in zip(found, coder.classify(TEXTS), strict=True):
        segments = {s.start: s for s in one.segments}
        for e in ad.codes:
            near = [a for a in segments[e.start].anchors if a.code == e.code] if e.tool is None else []
            if near:
                assert (near[0].id, near[0].phrase) == (e.anchor_id, e.anchor)
                assert near[0].similarity == pytest.approx(e.similarity, abs=1e-4)
                checked += 1
    assert checked > 20


def test_segments_are_slices_of_the_text(found: list[Explanation]) -> None:
    for one, text in zip(found, TEXTS, strict=True):
        for s in one.segments:
            assert text[s.start : s.end] == s.text
            assert len(s.anchors) <= ANCHORS
            assert [a.similarity for a in s.anchors] == sorted((a.similarity for a in s.anchors), reverse=True)
            assert list(s.codes.values()) == sorted(s.codes.values(), reverse=True)
            assert all(s.scores[c] == x for c, x in s.codes.items())


def test_a_code_reaches_its_threshold_and_others_do_not(coder: Coder, found: list[Explanation]) -> None:
    thresholds = dict(zip(coder.bundle.codes.codes, coder.bundle.codes.thresholds.tolist(), strict=True))
    for one in found:
        for s in one.segments:
            for code, score in s.scores.items():
                assert (score >= thresholds[code] - 5e-5) if code in s.codes else (score < thresholds[code] + 5e-5)


@pytest.mark.parametrize("text", [*TEXTS[::5], *ODD])
def test_contributions_add_up_to_the_difference_in_log_odds(coder: Coder, text: str) -> None:
    head = coder.bundle.head
    one = explain(coder, text)
    best = head.profiles.index(one.profile)
    scores = head.scores(coder.analyse([text]).features)[0]
    others = np.delete(np.arange(len(scores)), best)
    difference = scores[best] - scores[others].mean()
    intercept = (head.intercept[best] - head.intercept[others].mean()) / head.temperature
    total = sum(f.contribution for f in one.features)
    # Features that hardly speak are left out and the rest is rounded.
    assert total + intercept == pytest.approx(difference, abs=0.0005 * len(coder.space.names))
    exact = head.contributions(coder.analyse([text]).features, best).sum()
    assert exact + intercept == pytest.approx(difference, abs=1e-9)
    strength = [abs(f.contribution) for f in one.features]
    assert strength == sorted(strength, reverse=True)


def test_features_name_the_terms_behind_them(coder: Coder) -> None:
    one = explain(coder, "AI Engineer\n\nYou build a chatbot on a large language model. The chatbot answers questions.")
    terms = {t for s in one.segments for t, _ in s.terms}
    listed = {t.split(" ×")[0] for f in one.features for t in f.found}
    assert terms
    assert listed & terms
    assert all(f.meaning for f in one.features)


def test_a_title_given_apart(coder: Coder) -> None:
    title, text = "🚀 Python Engineer", "You build chatbots with LangChain."
    one = explain(coder, text, title)
    assert [(s.field, s.text) for s in one.segments] == [("title", title), ("text", text)]
    assert not one.segments[0].codes
    assert {(t.name, t.field) for t in one.tools} >= {("Python", "title"), ("LangChain", "text")}
    assert one.profile == coder.classify([text], [title])[0].profile


def test_json_round_trip(found: list[Explanation]) -> None:
    for one in found[:5]:
        plain = json.loads(json.dumps(asdict(one), ensure_ascii=False, allow_nan=False))
        assert plain["profile"] == one.profile
        assert plain["segments"][0]["text"] == one.segments[0].text
        assert plain["features"][0]["contribution"] == one.features[0].contribution
        assert plain == json.loads(json.dumps(plain))


@pytest.mark.parametrize("text", ["", "  \n\t"])
def test_an_ad_without_text(coder: Coder, text: str) -> None:
    with pytest.raises(InputError, match="The ad has no text; expected at least a word"):
        explain(coder, text)


@pytest.mark.parametrize("text", [*TEXTS[:6], *ODD])
def test_shown_to_people(coder: Coder, text: str) -> None:
    one = explain(coder, text)
    names = {c.code: c.name for c in coder.bundle.book.codes}
    out = io.StringIO()
    Console(file=out, width=100).print(explanation(one, names))
    shown = out.getvalue()
    assert shown.startswith(one.profile)
    joined = " ".join(shown.split())
    for segment in one.segments:
        for code in segment.codes:
            assert f"{code} {names[code]}" in joined
        near = [a for a in segment.anchors[:3] if a.code == NEGATIVE] if segment.codes else []
        assert all(f"against: {a.facet}" in joined for a in near)
    assert all(len(line) <= 100 for line in shown.splitlines())


def test_brackets_are_shown_as_they_stand(coder: Coder) -> None:
    text = "Engineer [bold]\n\nYou build chatbots with LangChain [/red] and retrieval-augmented generation [link=x]."
    out = io.StringIO()
    Console(file=out, width=100).print(
        explanation(explain(coder, text), {c.code: "[b]" for c in coder.bundle.book.codes})
    )
    assert "[/red]" in out.getvalue()
