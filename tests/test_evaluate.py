"""Agreement figures: worked out by hand, and checked against scikit-learn and plain loops."""

from __future__ import annotations

import dataclasses
import json
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ads import GENAI, ML, OTHER, gold_rows
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score, f1_score, precision_recall_fscore_support

from embedcode import evaluate as module
from embedcode.coded import CodedAd, Evidence, coded_schema
from embedcode.errors import InputError
from embedcode.evaluate import (
    Agreement,
    CodedRow,
    CodedSpan,
    Mention,
    agreement,
    as_dict,
    bootstrap_kappa,
    calibration_error,
    confusions,
    evaluate,
    kappas,
    match_tools,
    render,
    segment_counts,
    tool_counts,
    undefined,
)
from embedcode.gold import GivenCode, GivenTool, GoldAd, read_gold

PROFILES = (ML, GENAI, OTHER)
PHRASE_CODES = tuple(f"{group}{i}" for group in ("TASK", "SKILL") for i in range(1, 6))
CODES = (*PHRASE_CODES, *(f"TECH{i}" for i in range(1, 12)))

Row = dict[str, Any]


def gold_ad(number: int = 0, profile: str = ML, **fields: Any) -> GoldAd:
    """An ad of two segments of ten code points each."""
    plain: Row = {
        "id": f"ad-{number}",
        "text": "Train them\nServe them",
        "profile": profile,
        "segments": ((0, 10), (11, 21)),
        "codes": (),
        "tools": (),
        "cluster": f"ad-{number}",
        "source": "authored",
        "language": "en",
        "confidence": 3.0,
        "coders": 2,
        "locked": False,
    }
    return GoldAd(**{**plain, **fields})


def span(
    code: str, start: int = 0, end: int = 10, text: str = "", tool: str | None = None, field: str = "text"
) -> CodedSpan:
    return CodedSpan(code, start, end, field, text, tool)


def coded_row(profile: str | None = ML, *spans: CodedSpan, confidence: float | None = 0.9) -> CodedRow:
    return CodedRow(profile, confidence, spans, None if profile else "the text is empty")


def perfect_row(row: Row) -> Row:
    """What a coder gives that agrees with the gold fully."""
    codes = [
        {"code": c["code"], "start": c["start"], "end": c["end"], "text": row["text"][c["start"] : c["end"]]}
        for c in row["codes"]
        if c["coders"] == row["coders"]
    ]
    codes += [
        {"code": t["code"], "start": 0, "end": 1, "text": t["name"], "tool": t["name"]}
        for t in row["tech"]
        if t["code"] != "OTHER"
    ]
    codes = [{"field": "text", **c} for c in codes]
    return {"id": row["id"], "profile": row["profile"], "confidence": 1.0, "codes": codes}


def write_coded(path: Path, rows: Sequence[Row]) -> Path:
    pq.write_table(pa.Table.from_pylist(list(rows), schema=coded_schema(PROFILES, CODES)), path)
    return path


@pytest.fixture
def gold_path(tmp_path: Path) -> Path:
    path = tmp_path / "gold.parquet"
    pq.write_table(pa.Table.from_pylist(gold_rows()), path)
    return path


@pytest.fixture
def perfect() -> list[Row]:
    return [perfect_row(row) for row in gold_rows()]


def compare(coded: Path, gold: Path, **options: Any) -> Agreement:
    return evaluate(coded, gold, PROFILES, CODES, **options)


# Kappa


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ([[20, 5, 0], [10, 15, 0]], 0.4),  # 0.7 agreed, 0.5 by chance
        ([[20, 5, 0], [10, 10, 5]], (0.6 - 0.45) / 0.55),  # five ads not coded
        ([[0, 5, 0], [5, 0, 0]], -1.0),
        ([[0, 0, 5], [0, 0, 5]], 0.0),
        ([[7, 0, 0], [0, 9, 0]], 1.0),
    ],
)
def test_kappa_by_hand(table: list[list[int]], expected: float) -> None:
    assert kappas(np.array(table)) == pytest.approx(expected, abs=1e-12)


def test_kappa_is_undefined_where_only_one_label_occurs() -> None:
    assert np.isnan(kappas(np.array([[[9, 0, 0], [0, 0, 0]], [[0, 0, 0], [0, 0, 0]]]))).all()


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


# The bootstrap


def random_tables(clusters: int, seed: int = 0) -> np.ndarray[Any, Any]:
    rng = np.random.default_rng(seed)
    gold = rng.integers(0, 3, 3 * clusters)
    coded = np.where(rng.random(len(gold)) < 0.7, gold, rng.integers(0, 4, len(gold)))
    return confusions(gold, coded, rng.integers(0, clusters, len(gold)), 3, clusters)


@pytest.mark.parametrize("chunk", [1, 100, 1 << 20])
def test_bootstrap_equals_a_plain_loop(monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    tables = random_tables(30)
    rng = np.random.default_rng(0)
    plain = [kappas(tables[rng.integers(0, 30, 30)].sum(0)) for _ in range(200)]
    monkeypatch.setattr(module, "_CHUNK", chunk)
    assert bootstrap_kappa(tables, 200) == pytest.approx(tuple(np.percentile(plain, [2.5, 97.5])), abs=1e-12)


def test_bootstrap_draws_clusters_not_ads() -> None:
    rng = np.random.default_rng(1)
    gold = rng.integers(0, 2, 50)
    coded = np.where(rng.random(50) < 0.75, gold, 1 - gold)
    alone = bootstrap_kappa(confusions(gold, coded, np.arange(50), 2, 50), 1000)
    gold, coded, cluster = (np.tile(x, 10) for x in (gold, coded, np.arange(50)))
    copies = bootstrap_kappa(confusions(gold, coded, cluster, 2, 50), 1000)
    assert alone is not None
    assert copies == pytest.approx(alone)


def test_bootstrap_covers_kappa_as_often_as_it_says() -> None:
    rng = np.random.default_rng(2)
    true = float(kappas(np.array([[40, 10, 0], [10, 40, 0]])))
    inside = 0
    for _ in range(200):
        gold = rng.integers(0, 2, 200)
        coded = np.where(rng.random(200) < 0.8, gold, 1 - gold)
        interval = bootstrap_kappa(confusions(gold, coded, np.arange(200), 2, 200), 200)
        assert interval is not None
        inside += interval[0] <= true <= interval[1]
    assert 0.90 <= inside / 200 <= 0.99


def test_bootstrap_needs_ads_clusters_and_resamples() -> None:
    few = confusions(np.arange(19) % 2, np.arange(19) % 2, np.arange(19), 2, 19)
    one_cluster = confusions(np.arange(40) % 2, np.arange(40) % 2, np.zeros(40, dtype=np.int64), 2, 1)
    assert bootstrap_kappa(few, 100) is None
    assert bootstrap_kappa(one_cluster, 100) is None
    assert bootstrap_kappa(random_tables(30), 0) is None


def test_bootstrap_of_many_ads_is_quick() -> None:
    tables = random_tables(10_000)
    start = time.perf_counter()
    assert bootstrap_kappa(tables, 1000) is not None
    assert time.perf_counter() - start < 2


# Calibration


def test_calibration_error_by_hand() -> None:
    # Last bin: mean 0.9667, two of three right, a gap of 0.3 for 3 ads; second bin: a gap of 0.15 for one.
    confidence = np.array([0.95, 0.95, 0.15, 1.0])
    right = np.array([True, False, False, True])
    assert calibration_error(confidence, right) == pytest.approx(0.3 * 3 / 4 + 0.15 / 4)


def test_calibration_error_needs_the_confidence_of_every_ad() -> None:
    ads = [gold_ad(0), gold_ad(1)]
    found = agreement(ads, {"ad-0": coded_row(), "ad-1": coded_row(confidence=None)}, PROFILES, CODES)
    assert found.profile.calibration_error is None
    assert dict(undefined(found))["profile", "calibration_error"] == "1 of 2 ads have no confidence"


def test_confidence_must_be_a_probability() -> None:
    with pytest.raises(InputError, match=r"confidence 87 for the coded ad 'ad-0'.*0 to 1"):
        agreement([gold_ad()], {"ad-0": coded_row(confidence=87.0)}, PROFILES, CODES)


# Segments

HIT, FALSE, MISS = 0, 1, 2


@pytest.mark.parametrize(
    ("evidence", "outcome"),
    [
        (span("TASK3", 0, 10), HIT),
        (span("TASK3", 0, 5), HIT),
        (span("TASK3", 2, 4), HIT),  # small, but all of it lies inside
        (span("TASK3", 5, 21), HIT),  # covers half of the segment
        (span("TASK3", 6, 21), MISS),  # covers 4 of 10, and 4 of its 15 lie inside
        (span("TASK3", 10, 12), MISS),
        (span("TASK3", 0, 10, field="title"), MISS),
        (span("TASK4", 0, 10), MISS),
    ],
)
def test_evidence_codes_a_segment_it_shares_half_with(evidence: CodedSpan, outcome: int) -> None:
    ad = gold_ad(codes=(GivenCode(0, 10, "TASK3", 2),))
    counts = segment_counts(ad, [evidence], ("TASK3",))[0]
    assert counts[[HIT, MISS]].tolist() == [outcome == HIT, outcome == MISS]


def test_segment_counts_by_hand() -> None:
    ad = gold_ad(
        codes=(GivenCode(0, 10, "TASK3", 2), GivenCode(0, 10, "TASK4", 1), GivenCode(11, 21, "TASK5", 2)),
    )
    spans = [
        span("TASK3", 0, 4),
        span("TASK3", 5, 10),  # a second piece of the same segment counts once
        span("TASK3", 11, 21),  # wrong
        span("TASK4", 0, 10),  # only one coder gave it: left out
        span("TASK4", 11, 21),  # wrong
    ]
    assert segment_counts(ad, spans, ("TASK3", "TASK4", "TASK5")).tolist() == [
        [1, 1, 0],
        [0, 1, 0],
        [0, 0, 1],
    ]
    assert segment_counts(ad, [], ("TASK4",)).tolist() == [[0, 0, 0]]
    assert segment_counts(dataclasses.replace(ad, segments=()), spans, ("TASK3",)).tolist() == [[0, 0, 0]]


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


# Tools


@pytest.mark.parametrize(
    ("names", "mentions", "expected"),
    [
        (["Power BI"], [("PowerBI", "power-bi")], [(0, 0)]),
        (["Node.js"], [("NodeJS", "")], [(0, 0)]),
        (["Fabric"], [("Microsoft Fabric", "")], [(0, 0)]),
        (["Google BigQuery"], [("BigQuery", "")], [(0, 0)]),
        (["Spark"], [("Apache Sparkle", "")], []),
        (["R"], [("RStudio", "")], []),
        (["Vue"], [("Vue.js", "")], []),  # `.js` belongs to the word
        (["C++"], [("C", "")], []),
        (["Azure"], [("Cloud", "we use azure for all")], [(0, 0)]),
        (["Azure"], [("Cloud", "azure " + "x" * 60)], []),  # a sentence is no name
        (["--"], [("--", "--")], []),
        (
            ["Azure", "Azure DevOps"],
            [("Azure DevOps", ""), ("Azure", "")],
            [(0, 1), (1, 0)],
        ),  # equal names first
        (["Azure", "Azure ML"], [("Azure", "")], [(0, 0)]),  # one to one
    ],
)
def test_tools_match_by_name(
    names: list[str], mentions: list[tuple[str, str]], expected: list[tuple[int, int]]
) -> None:
    assert match_tools(names, [Mention(tool, text, "TECH2") for tool, text in mentions]) == expected


def test_tool_counts_by_hand() -> None:
    tools = (
        ("Python", "TECH1", 2),
        ("Airflow", "TECH6", 2),
        ("Snowflake", "TECH9", 2),
        ("Jira", "OTHER", 2),
        ("Rust", "TECH1", 1),
    )
    ad = gold_ad(tools=tuple(GivenTool(*t) for t in tools))
    spans = [
        span("TECH1", tool="Python"),
        span("TECH11", tool="python"),  # once per ad: the first counts
        span("TECH2", text="Airflow", field="title"),  # its code is wrong
        span("TECH6", tool="Jira"),  # has no code in the coding book: neither right nor wrong
        span("TECH1", tool="Rust"),  # so is a tool that one of two coders found
        span("TECH3", tool="GPT"),  # wrong
        span("TASK3"),
    ]
    assert tool_counts(ad, spans) == (2, 1, 1, 1)
    found = agreement([ad], {ad.id: coded_row(ML, *spans)}, PROFILES, CODES).tools
    assert found is not None
    rates = found.overall.rates
    assert (rates.precision, rates.recall, rates.f1) == pytest.approx((2 / 3, 2 / 3, 2 / 3))
    assert (rates.count, rates.coded, found.overall.right_code) == (3, 3, 0.5)
    assert found.by_language == {"en": found.overall}


# All together


def test_perfect_coding_agrees_in_everything(tmp_path: Path, gold_path: Path, perfect: list[Row]) -> None:
    found = compare(write_coded(tmp_path / "coded.parquet", perfect), gold_path)
    assert (found.ads, found.missing, found.failed, found.outside, found.unknown_codes) == (41, 0, 0, 0, ())
    assert (found.profile.kappa, found.profile.kappa_95, found.profile.accuracy) == (1, (1, 1), 1)
    assert (found.profile.calibration_error, found.profile.clusters) == (0, 40)
    assert (found.segments.macro_f1, found.segments.unplaced) == (1, 0)
    assert found.tools is not None
    assert (found.tools.overall.rates.f1, found.tools.overall.right_code) == (1, 1)
    groups = found.profile.kappa_by
    assert {n: {k: g.ads for k, g in of.items()} for n, of in groups.items()} == {
        "language": {"en": 27, "mix": 2, "nl": 12},
        "source": {"authored": 41},
        "confidence": {"2": 4, "above 2": 37},
    }
    assert [groups["language"][k].value for k in ("en", "mix", "nl")] == [1, None, None]
    assert dict(undefined(found))["profile", "kappa_by", "language", "nl"] == "fewer than 20 ads"


def test_missing_ads_count_as_errors(tmp_path: Path, gold_path: Path, perfect: list[Row]) -> None:
    perfect[1] = {"id": perfect[1]["id"], "error": "the text is empty"}
    found = compare(write_coded(tmp_path / "coded.parquet", perfect[1:]), gold_path)
    assert (found.missing, found.failed) == (1, 1)
    assert found.profile.accuracy == pytest.approx(39 / 41)
    assert found.segments.per_code["TASK3"].recall is not None
    assert found.segments.per_code["TASK3"].recall < 1
    assert found.profile.calibration_error is None
    assert "41 gold ads: 1 missing from the coded ads, 1 with an error" in render(found)


def test_ads_coded_in_memory_can_be_compared(gold_path: Path) -> None:
    ads = read_gold(gold_path, PROFILES, CODES)
    piece = Evidence("TASK3", 0, 5, "text", ads[0].text[:5], 0.9, None, None, None, None)
    coded = {ad.id: CodedAd(ad.id, ad.profile, 0.9, None, "en", 1, (piece,), None, None) for ad in ads}
    assert agreement(ads, coded, PROFILES, CODES).profile.kappa == 1


def test_only_locked_or_unlocked_ads(tmp_path: Path, perfect: list[Row]) -> None:
    gold = tmp_path / "gold.parquet"
    pq.write_table(pa.Table.from_pylist([{**r, "locked": i < 5} for i, r in enumerate(gold_rows())]), gold)
    coded = write_coded(tmp_path / "coded.parquet", perfect)
    assert [compare(coded, gold, locked=which).ads for which in (None, True, False)] == [41, 5, 36]


def test_no_locked_ads(tmp_path: Path, gold_path: Path, perfect: list[Row]) -> None:
    with pytest.raises(InputError, match="Found no locked ads in .*gold.parquet"):
        compare(write_coded(tmp_path / "coded.parquet", perfect), gold_path, locked=True)


def test_gold_without_optional_columns(tmp_path: Path, perfect: list[Row]) -> None:
    gold = tmp_path / "gold.parquet"
    needed = ("id", "text", "profile", "segments", "codes")
    pq.write_table(pa.Table.from_pylist([{k: r[k] for k in needed} for r in gold_rows()]), gold)
    found = compare(write_coded(tmp_path / "coded.parquet", perfect), gold)
    assert (found.profile.kappa, found.profile.clusters, found.profile.kappa_by) == (1, 41, {})
    assert (found.segments.by_language, found.tools) == ({}, None)
    assert "No tools compared: the gold has no column tech." in render(found)


def test_a_profile_never_used() -> None:
    ads = [gold_ad(i, ML) for i in range(25)]
    found = agreement(ads, {ad.id: coded_row(ML) for ad in ads}, PROFILES, CODES)
    assert (found.profile.kappa, found.profile.accuracy, found.profile.macro_f1) == (None, 1, 1)
    reasons = dict(undefined(found))
    assert reasons["profile", "kappa"] == "all ads have one and the same profile, in the gold and as coded"
    assert reasons["profile", "kappa_95"] == "no resample has a kappa"
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
    text = render(agreement(ads, coded, PROFILES, CODES))
    for line in (
        r"kappa +0\.000  \(95 % interval -0\.\d{3} to 0\.\d{3}, 24 clusters\)",
        r"accuracy +0\.333",
        r"ML Engineer +0\.500 +0\.500 +0\.500 +8 +8",
        r"GenAI Engineer +0\.000 +0\.000 +0\.000 +8 +8",
        r"GenAI Engineer +4 +0 +4 +0",  # of the confusion matrix
        r"TASK3 +1\.000 +0\.958 +0\.979 +24 +23",
        r"TASK4 +- +- +- +0 +0",
        r"- TASK4: neither in the gold nor coded",
        r"- by language en: neither in the gold nor coded",
        r"23 spans outside the text ignored\.",
        r"Spans with unknown codes ignored: 'NEG'\.",
    ):
        assert re.search(rf"^ *{line}$", text, re.MULTILINE), f"{line}\n{text}"
    assert "nan" not in text.lower()
    assert max(map(len, text.splitlines())) <= 100


# Reading coded ads


def test_a_folder_of_parts(tmp_path: Path, gold_path: Path, perfect: list[Row]) -> None:
    folder = tmp_path / "coded"
    folder.mkdir()
    write_coded(folder / "part-00000.parquet", perfect[:20])
    write_coded(folder / "part-00001.parquet", perfect[20:])
    write_coded(folder / "part-00002.parquet", [])
    (folder / "manifest.json").write_text("{}")
    (folder / "part-00003.parquet.tmp").write_text("half a par")
    assert compare(folder, gold_path) == compare(write_coded(tmp_path / "one.parquet", perfect), gold_path)


def test_only_the_rows_and_columns_compared_are_kept(tmp_path: Path, perfect: list[Row]) -> None:
    path = write_coded(tmp_path / "coded.parquet", [*perfect, {"id": "another"}, {"id": None}, {"id": None}])
    rows = module.read_coded(path, [perfect[0]["id"], "missing"])
    assert list(rows) == [perfect[0]["id"]]
    row = rows[perfect[0]["id"]]
    assert (row.profile, row.confidence, row.error) == (perfect[0]["profile"], 1.0, None)
    assert [dict(c._asdict()) for c in row.codes] == [{"tool": None, **c} for c in perfect[0]["codes"]]


def test_coded_ads_of_other_tools(tmp_path: Path) -> None:
    """Numbers as ids, categories, 64-bit offsets, no optional column, null values."""
    spans = [
        {"code": "TASK3", "start": 0, "end": 10, "text": "Train them"},
        {"code": None, "start": None, "end": 3, "text": None},
    ]
    table = pa.table(
        {
            "id": pa.array([7, 8], pa.int64()),
            "profile": pa.array([ML, None]).dictionary_encode(),
            "codes": pa.array([[*spans, None], None]),
            "id.more": pa.array([1, 2]),
        }
    )
    path = tmp_path / "coded.parquet"
    pq.write_table(table, path)
    ads = [gold_ad(i, id=str(i), codes=(GivenCode(0, 10, "TASK3", 2),)) for i in (7, 8)]
    found = agreement(ads, module.read_coded(path, ["7", "8"]), PROFILES, CODES)
    assert (found.missing, found.failed, found.outside, found.profile.accuracy) == (0, 1, 1, 0.5)
    assert found.segments.per_code["TASK3"].recall == 0.5


Change = Callable[[list[Row]], list[Row]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: [*rows, rows[3]], r"Found 'genai-.*' more than once in .*coded\.parquet"),
        (
            lambda rows: [{**rows[0], "profile": "Data Scientist"}, *rows[1:]],
            r"unknown profile\(s\) 'Data Scientist' .*expected 'ML Engineer', 'GenAI Engineer'",
        ),
        (
            lambda rows: [{**r, "id": f"row {i}"} for i, r in enumerate(rows)],
            r"None of the gold ids .*'row 0', 'row 1', 'row 10' and 38 more; expected ids such as '.*",
        ),
        (lambda rows: [], r"None of the gold ids .*Found there none; expected"),
    ],
    ids=["id twice", "unknown profile", "other ids", "no ads"],
)
def test_coded_ads_that_cannot_be_compared(
    tmp_path: Path, gold_path: Path, perfect: list[Row], change: Change, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        compare(write_coded(tmp_path / "coded.parquet", change(perfect)), gold_path)


def test_an_id_in_two_parts(tmp_path: Path, gold_path: Path, perfect: list[Row]) -> None:
    for part in (0, 1):
        write_coded(tmp_path / f"part-{part}.parquet", perfect[:1])
    gold_path.rename(tmp_path / "gold.pq")
    with pytest.raises(InputError, match="more than once"):
        compare(tmp_path, tmp_path / "gold.pq")


def test_an_id_twice_in_the_gold() -> None:
    with pytest.raises(InputError, match="'ad-0' more than once among the gold ads"):
        agreement([gold_ad(), gold_ad()], {}, PROFILES, CODES)


def test_no_gold_ads() -> None:
    with pytest.raises(InputError, match="Found no gold ads"):
        agreement([], {}, PROFILES, CODES)


SPANS = pa.array([[{"code": "TASK1", "start": 0, "end": 1, "text": "T"}]])
TEXTS = pa.array(["1"])


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"id": TEXTS, "label": TEXTS}, r"lacks profile, codes; found the columns id, label\."),
        (
            {"id": TEXTS, "profile": TEXTS, "codes": TEXTS},
            r"lacks codes\.code, codes\.start, codes\.end, codes\.text;",
        ),
        (
            {"id": TEXTS, "profile": TEXTS, "codes": SPANS, "confidence": pa.array(["high"])},
            r"Cannot read .*'high'",
        ),
    ],
)
def test_columns_that_do_not_fit(tmp_path: Path, columns: dict[str, pa.Array], message: str) -> None:
    path = tmp_path / "coded.parquet"
    pq.write_table(pa.table(columns), path)
    with pytest.raises(InputError, match=message):
        module.read_coded(path, ["1"])


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Found no .*nowhere"):
        module.read_coded(tmp_path / "nowhere", ["1"])
    with pytest.raises(InputError, match=r"Found no \*\.parquet in"):
        module.read_coded(tmp_path, ["1"])
    broken = tmp_path / "coded.parquet"
    broken.write_bytes(b"PAR1 and no more")
    for path in (broken, tmp_path):
        with pytest.raises(InputError, match=r"Cannot read coded ads from .*coded\.parquet"):
            module.read_coded(path, ["1"])
