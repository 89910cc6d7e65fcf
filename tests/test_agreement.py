"""Agreement figures: worked out by hand, and checked against scikit-learn."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pytest
from ads import GENAI, ML, OTHER
from hypothesis import given, settings
from hypothesis import strategies as st
from pairs import CODES, PROFILES, coded_row, gold_ad, span
from sklearn.metrics import cohen_kappa_score, f1_score, precision_recall_fscore_support

from embedcode import evaluation_text
from embedcode.agreement import agreement
from embedcode.errors import InputError
from embedcode.gold import GivenCode, GivenTool
from embedcode.undefined import as_dict, undefined


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3)), min_size=2, max_size=60))
def test_profile_figures_equal_those_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    labels = (*PROFILES, None)
    ads = [gold_ad(i, PROFILES[g]) for i, (g, _) in enumerate(pairs)]
    coded = {ad.id: coded_row(labels[c]) for ad, (_, c) in zip(ads, pairs, strict=True)}
    found = agreement(ads, coded, PROFILES, CODES, resamples=10).profile
    gold = [ad.profile for ad in ads]
    given_profiles = [coded[ad.id].profile or "none" for ad in ads]
    if len({*gold, *given_profiles}) > 1:
        assert found.kappa == pytest.approx(cohen_kappa_score(gold, given_profiles), abs=1e-12)
    else:
        assert found.kappa is None
    assert found.accuracy == pytest.approx(np.mean([g == c for g, c in zip(gold, given_profiles, strict=True)]))
    used = [p for p in PROFILES if p in {*gold, *given_profiles}]
    assert found.macro_f1 == pytest.approx(
        f1_score(gold, given_profiles, labels=used, average="macro", zero_division=0)
    )
    scores = precision_recall_fscore_support(gold, given_profiles, labels=PROFILES, zero_division=0)
    for profile, precision, recall, f1, count in zip(PROFILES, *scores, strict=True):
        rates = found.per_class[profile]
        assert (rates.precision or 0, rates.recall or 0, rates.f1 or 0) == pytest.approx((precision, recall, f1))
        assert rates.count == count


def test_confusion_matrix_has_gold_in_rows_and_uncoded_ads_last() -> None:
    ads = [gold_ad(0, ML), gold_ad(1, ML), gold_ad(2, GENAI), gold_ad(3, OTHER)]
    coded = {"ad-0": coded_row(ML), "ad-1": coded_row(OTHER), "ad-2": coded_row(None)}
    found = agreement(ads, coded, PROFILES, CODES)
    assert (found.ads, found.missing, found.failed) == (4, 1, 1)
    assert found.profile.confusion.gold == PROFILES
    assert found.profile.confusion.coded == (*PROFILES, "(none)")
    assert found.profile.confusion.counts == ((1, 0, 1, 0), (0, 0, 0, 1), (0, 0, 0, 1))
    assert found.profile.accuracy == 0.25


def test_calibration_error_needs_the_confidence_of_every_ad() -> None:
    ads = [gold_ad(0), gold_ad(1)]
    found = agreement(ads, {"ad-0": coded_row(), "ad-1": coded_row(confidence=None)}, PROFILES, CODES)
    assert found.profile.calibration_error is None
    assert dict(undefined(found))["profile", "calibration_error"] == "1 of 2 ads have no confidence"


def test_confidence_must_be_a_probability() -> None:
    with pytest.raises(InputError, match=r"confidence 87 for the coded ad 'ad-0'.*0 to 1"):
        agreement([gold_ad()], {"ad-0": coded_row(confidence=87.0)}, PROFILES, CODES)


def test_segment_figures_by_hand() -> None:
    ads = [
        gold_ad(0, codes=(GivenCode(0, 10, "TASK3", 2), GivenCode(11, 21, "TASK5", 2))),
        gold_ad(1, codes=(GivenCode(0, 10, "TASK3", 2), GivenCode(0, 9, "TASK3", 2)), language="nl"),
    ]
    coded = {"ad-0": coded_row(ML, span("TASK3", 0, 10), span("TASK3", 11, 21)), "ad-1": coded_row()}
    found = agreement(ads, coded, PROFILES, CODES).segments
    task3, task5 = found.per_code["TASK3"], found.per_code["TASK5"]
    assert (task3.precision, task3.recall, task3.f1, task3.count, task3.coded) == (0.5, 0.5, 0.5, 2, 2)
    assert (task5.precision, task5.recall, task5.f1, task5.count, task5.coded) == (None, 0.0, 0.0, 1, 0)
    assert found.per_code["SKILL1"].f1 is None
    assert found.macro_f1 == 0.25  # of the two codes that occur
    assert found.by_language["en"].value == pytest.approx((2 / 3 + 0) / 2)
    assert found.by_language["nl"].value == 0
    assert found.unplaced == 1  # 0-9 is no segment


def test_tool_figures_by_hand() -> None:
    ad = gold_ad(
        tools=tuple(GivenTool(n, c, 2) for n, c in (("Python", "TECH1"), ("Airflow", "TECH6"), ("Go", "TECH1")))
    )
    spans = [span("TECH1", tool="Python"), span("TECH2", tool="Airflow"), span("TECH3", tool="GPT"), span("TASK3")]
    found = agreement([ad], {ad.id: coded_row(ML, *spans)}, PROFILES, CODES).tools
    assert found is not None
    rates = found.overall.rates
    assert (rates.precision, rates.recall, rates.f1) == pytest.approx((2 / 3, 2 / 3, 2 / 3))
    assert (rates.count, rates.coded, found.overall.right_code) == (3, 3, 0.5)
    assert found.by_language == {"en": found.overall}


def test_a_profile_never_used() -> None:
    ads = [gold_ad(i, ML) for i in range(25)]
    found = agreement(ads, {ad.id: coded_row(ML) for ad in ads}, PROFILES, CODES)
    assert (found.profile.kappa, found.profile.accuracy, found.profile.macro_f1) == (None, 1, 1)
    reasons = dict(undefined(found))
    assert reasons["profile", "kappa"] == "all ads have one and the same profile, in the gold and as coded"
    assert reasons["profile", "kappa_95"] == reasons["profile", "kappa"]
    assert reasons["profile", "per_class", GENAI] == "neither in the gold nor coded"
    assert reasons["segments", "macro_f1"] == "no segment has a code, in the gold or as coded"


def test_precision_and_recall_say_why_they_are_undefined() -> None:
    ads = [gold_ad(0, ML), gold_ad(1, ML)]
    found = agreement(ads, {ad.id: coded_row(GENAI) for ad in ads}, PROFILES, CODES)
    reasons = dict(undefined(found))
    assert (found.profile.per_class[ML].precision, found.profile.per_class[ML].recall) == (None, 0)
    assert reasons["profile", "per_class", ML] == "never coded"
    assert (found.profile.per_class[GENAI].precision, found.profile.per_class[GENAI].recall) == (0, None)
    assert reasons["profile", "per_class", GENAI] == "not in the gold"


def test_an_id_twice_in_the_gold() -> None:
    with pytest.raises(InputError, match="'ad-0' more than once among the gold ads"):
        agreement([gold_ad(), gold_ad()], {}, PROFILES, CODES)


def test_no_gold_ads() -> None:
    with pytest.raises(InputError, match="Found no gold ads"):
        agreement([], {}, PROFILES, CODES)


def nulls(value: Any, way: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    """The ways to the nulls of a JSON value."""
    if isinstance(value, dict):
        return {found for k, v in value.items() for found in nulls(v, (*way, k))}
    return {way} if value is None else set()


def test_every_null_has_a_reason() -> None:
    ads = [gold_ad(0, ML), gold_ad(1, GENAI, language="nl", tools=(GivenTool("Rust", "TECH1", 2),))]
    coded = {"ad-0": coded_row(ML, span("TASK1")), "ad-1": coded_row(ML, confidence=None)}
    values = json.loads(json.dumps(as_dict(agreement(ads, coded, PROFILES, CODES)), allow_nan=False))
    ways = {tuple(u["figure"]) for u in values.pop("undefined")}
    assert len(ways) > 10
    for way in nulls(values):
        assert any(way[: len(u)] == u for u in ways), way


def test_render_shows_figures_and_reasons() -> None:
    ads = [gold_ad(i, PROFILES[i % 3], codes=(GivenCode(0, 10, "TASK3", 2),)) for i in range(24)]
    coded = {ad.id: coded_row(PROFILES[i // 2 % 3], span("TASK3"), span("TASK4", 5, 99)) for i, ad in enumerate(ads)}
    coded["ad-0"] = coded_row(ML, span("NEG"))
    text = evaluation_text.agreement(agreement(ads, coded, PROFILES, CODES))
    for line in (
        r"kappa +0\.000  \(-0\.\d{3} to 0\.\d{3}; 24 clusters\)",
        r"accuracy +0\.333  \(0\.\d{3} to 0\.\d{3}\)",
        r"ML Engineer +0\.500 +0\.500 +0\.500 +0\.\d{3} to 0\.\d{3} +8 +8",
        r"GenAI Engineer +0\.000 +0\.000 +0\.000 +- +8 +8",
        r"GenAI Engineer +4 +0 +4 +0",  # of the confusion matrix
        r"TASK3 +1\.000 +0\.958 +0\.979 +0\.\d{3} to 1\.000 +24 +23",
        r"TASK4 +- +- +- +- +0 +0",
        r"- TASK4: neither in the gold nor coded",
        r"- by language en: neither in the gold nor coded",
        r"23 spans outside the text ignored\.",
        r"Spans with unknown codes ignored: 'NEG'\.",
    ):
        assert re.search(rf"^ *{line}$", text, re.MULTILINE), f"{line}\n{text}"
    assert "nan" not in text.lower()
    assert max(map(len, text.splitlines())) <= 100
