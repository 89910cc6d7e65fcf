"""Coded ads and gold in files: what is read of them, and what cannot be compared."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ads import ML, OTHER, gold_rows
from pairs import CODES, PROFILES, gold_ad

from embedcode import evaluation_text
from embedcode.agreement import Agreement, agreement
from embedcode.coded import CodedAd, Evidence, coded_schema
from embedcode.coders import Layout, read_coders
from embedcode.codings import CodedRow
from embedcode.errors import InputError
from embedcode.evaluate import as_json, evaluate
from embedcode.gold import GivenCode, read_gold
from embedcode.undefined import as_dict, undefined

Row = dict[str, Any]


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
    return evaluate(coded, gold, PROFILES, CODES, **options).first


# All together


def test_perfect_coding_agrees_in_everything(tmp_path: Path, gold_path: Path, perfect: list[Row]) -> None:
    found = compare(write_coded(tmp_path / "coded.parquet", perfect), gold_path)
    assert (found.ads, found.missing, found.failed, found.outside, found.unknown_codes) == (41, 0, 0, 0, ())
    assert (found.profile.kappa, found.profile.kappa_95, found.profile.accuracy) == (1, None, 1)
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
    text = evaluation_text.agreement(found)
    assert "41 gold ads: 1 missing from the coded ads, 1 with an error" in text
    assert "\nThese count as errors; --shared leaves out the missing ones." in text


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
    assert "No tools compared: the gold has no column tech" in evaluation_text.agreement(found)


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


def coded_rows(path: Path, ids: list[str]) -> Mapping[str, CodedRow]:
    (coder,) = read_coders(path, Layout(tuple(PROFILES), tuple(CODES)), ids)
    return coder.rows


def test_only_the_rows_and_columns_compared_are_kept(tmp_path: Path, perfect: list[Row]) -> None:
    path = write_coded(tmp_path / "coded.parquet", [*perfect, {"id": "another"}, {"id": None}, {"id": None}])
    rows = coded_rows(path, [perfect[0]["id"], "missing"])
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
    found = agreement(ads, coded_rows(path, ["7", "8"]), PROFILES, CODES)
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
        coded_rows(tmp_path, ["1"])


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Found no .*nowhere"):
        coded_rows(tmp_path / "nowhere", ["1"])
    with pytest.raises(InputError, match=r"Found no \*\.parquet in"):
        coded_rows(tmp_path, ["1"])
    broken = tmp_path / "coded.parquet"
    broken.write_bytes(b"PAR1 and no more")
    for path in (broken, tmp_path):
        with pytest.raises(InputError, match=r"Cannot read coded ads from .*coded\.parquet"):
            coded_rows(path, ["1"])


# Several coders


@pytest.fixture
def long_path(tmp_path: Path) -> Path:
    """Two coders in one file: Ann agrees with the gold, Bob calls every tenth ad another, both of some ads only."""
    rows = [
        {"ad": r["id"], "who": who, "label": OTHER if who == "bob" and i % 10 == 0 else r["profile"]}
        for i, r in enumerate(gold_rows())
        for who in ("ann", "bob")
        if i < 35 or who == "bob"
    ]
    path = tmp_path / "long.jsonl"
    path.write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
    return path


LONG = {"id": "ad", "coder": "who", "profile": "label"}


def test_several_coders(tmp_path: Path, gold_path: Path, perfect: list[Row], long_path: Path) -> None:
    perfect[0]["profile"] = next(p for p in PROFILES if p != perfect[0]["profile"])
    coded = write_coded(tmp_path / "coded.parquet", perfect)
    found = evaluate(coded, gold_path, PROFILES, CODES, others=[long_path], columns=LONG, resamples=50)
    assert (found.coded, found.reference, found.ads, found.shared) == ("coded", "gold", 41, 35)
    assert found.clusters_from == "cluster of gold"
    assert [(c.name, c.ads, c.labelled) for c in found.coders] == [
        ("coded", 41, 41),
        ("gold", 41, 41),
        ("ann", 35, 35),
        ("bob", 41, 41),
    ]
    assert {name: a.ads for name, a in found.agreement.items()} == {"coded": 41, "ann": 35, "bob": 41}
    assert found.agreement["ann"].profile.kappa == 1
    assert (found.agreement["ann"].segments, found.agreement["ann"].tools) == (None, None)
    pairs = {(p.first, p.second): p for p in found.reliability.pairs}
    assert len(pairs) == 6
    assert pairs["gold", "ann"].ads == pairs["coded", "ann"].ads == 35
    assert pairs["gold", "bob"].kappa.value == found.agreement["bob"].profile.kappa
    assert found.reliability.by_all == 35
    assert [(s.first, s.second, s.overall.f1) for s in found.spans] == [("coded", "gold", 1)]
    assert [(c.first, c.second, c.ads, c.only_first, c.only_second) for c in found.comparisons][0] == (
        *("coded", "ann", 35),
        *(0, 1),
    )
    worst = found.disagreements[0]
    assert worst.id == perfect[0]["id"]
    assert [(s.coder, s.agrees) for s in worst.sides[:2]] == [("gold", True), ("coded", False)]
    assert len(found.disagreements) == 4


def test_only_the_ads_that_all_coders_have(
    tmp_path: Path, gold_path: Path, perfect: list[Row], long_path: Path
) -> None:
    coded = write_coded(tmp_path / "coded.parquet", perfect[3:])
    options: dict[str, Any] = {"others": [long_path], "columns": LONG, "resamples": 10}
    assert evaluate(coded, gold_path, PROFILES, CODES, **options).first.missing == 3
    found = evaluate(coded, gold_path, PROFILES, CODES, shared=True, **options)
    assert (found.ads, found.shared, found.first.missing) == (32, 32, 0)
    assert {a.ads for a in found.agreement.values()} == {32}


def test_the_reference_may_be_one_of_several_in_a_file(gold_path: Path, long_path: Path) -> None:
    found = evaluate(long_path, None, PROFILES, CODES, columns=LONG, reference="ann", resamples=10)
    assert (found.reference, found.coded, found.ads) == ("ann", "bob", 35)
    assert found.first.segments is None
    assert found.first.profile.clusters == 35
    found = evaluate(gold_path, long_path, PROFILES, CODES, columns=LONG, reference="bob", resamples=10)
    assert (found.reference, found.coded, found.ads) == ("bob", "gold", 41)


def test_phrases_without_offsets_are_looked_for_in_the_texts(
    tmp_path: Path, gold_path: Path, perfect: list[Row]
) -> None:
    rows = []
    for r in perfect:
        phrases = [{"code": c["code"], "phrase": c["text"]} for c in r["codes"]]
        rows.append(
            {"id": r["id"], "profile": r["profile"], "codes": [*phrases, {"code": "TASK1", "phrase": "qqq qq"}]}
        )
    path = tmp_path / "llm.jsonl"
    path.write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
    found = evaluate(path, gold_path, PROFILES, CODES, resamples=10)
    assert found.first.outside == 41  # a phrase of each ad is not in its text; tools need no place
    assert found.coders[0].unplaced >= 41
    assert found.first.segments is not None
    assert found.first.segments.macro_f1 == 1
    assert found.first.tools is not None
    assert found.first.tools.overall.rates.f1 == 1
    assert found.spans[0].overall.f1 == 1


def test_two_files_of_one_name_get_two_names(tmp_path: Path, gold_path: Path, perfect: list[Row]) -> None:
    (tmp_path / "other").mkdir()
    coded = write_coded(tmp_path / "other" / "gold.parquet", perfect)
    found = evaluate(coded, gold_path, PROFILES, CODES, resamples=10)
    assert (found.coded, found.reference) == ("gold", "gold (2)")


def test_a_file_given_twice(tmp_path: Path, gold_path: Path, perfect: list[Row]) -> None:
    coded = write_coded(tmp_path / "coded.parquet", perfect)
    with pytest.raises(InputError, match=r"gold\.parquet' given twice"):
        evaluate(coded, gold_path, PROFILES, CODES, others=[tmp_path / "." / "gold.parquet"])


def test_codes_without_any_place(tmp_path: Path, gold_path: Path, perfect: list[Row]) -> None:
    """They are not outside the text, unknown ones are told of, and who names no tool is not compared on tools."""
    path = tmp_path / "codes.csv"
    rows = [f'{r["id"]},"{r["profile"]}",TASK1;ODD' for r in perfect]
    path.write_text("\n".join(["id,profile,codes", *rows]) + "\n", encoding="utf-8")
    found = compare(path, gold_path, resamples=10)
    assert (found.outside, found.unknown_codes, found.segments, found.tools) == (0, ("ODD",), None, None)


def test_a_coder_who_gives_one_label_only(tmp_path: Path, gold_path: Path, perfect: list[Row]) -> None:
    """Kappa is 0 in every resample, and figures without an error are the same: no interval, and the reason."""
    path = tmp_path / "one.csv"
    path.write_text("\n".join(["id,profile", *(f"{r['id']},{ML}" for r in perfect)]) + "\n", encoding="utf-8")
    found = evaluate(path, gold_path, PROFILES, CODES, resamples=50)
    assert (found.first.profile.kappa, found.first.profile.kappa_95) == (0, None)
    assert found.first.profile.accuracy_95 is not None
    text = evaluation_text.text(found)
    assert "kappa: kappa is 0, however many ads agree, where one side has a single profile" in " ".join(text.split())
    assert "one, gold: the same in every resample" in text


def test_clusters_of_coded_ads_serve_where_the_reference_has_none(
    tmp_path: Path, gold_path: Path, perfect: list[Row]
) -> None:
    perfect[1]["duplicate_of"] = perfect[0]["id"]
    perfect[2]["duplicate_of"] = perfect[0]["id"]
    coded = write_coded(tmp_path / "coded.parquet", perfect)
    plain = tmp_path / "plain.csv"
    plain.write_text("id,profile\n" + "".join(f'{r["id"]},"{r["profile"]}"\n' for r in perfect), encoding="utf-8")
    found = evaluate(coded, plain, PROFILES, CODES, resamples=10)
    assert (found.clusters_from, found.first.profile.clusters) == ("duplicate_of of coded", 39)
    assert evaluate(coded, gold_path, PROFILES, CODES, resamples=10).clusters_from == "cluster of gold"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gold": None}, r"Found one coder only, 'coded'; expected two or more"),
        ({"gold": None, "reference": "ann"}, r"Found one coder only"),
        ({"others": ["long"], "columns": LONG, "reference": "eve"}, r"no coder 'eve'; .*'coded', 'gold', 'ann', 'bob'"),
        ({"gold": "long", "columns": LONG}, r"holds 2 coders, 'ann', 'bob'; expected one .*--reference"),
        ({"cluster_column": "shop"}, r"no column 'shop' in any of the files, named for cluster\. Their columns: id,"),
        ({"columns": {"profile": "lable"}}, r"no column 'lable' in any of the files"),
        ({"gold": "strange"}, r"None of the gold ids .*'x'"),
        ({"gold": "open"}, r"no ads with a profile in .*open"),
        ({"others": ["rest"], "shared": True}, r"No ad is shared by all coders"),
    ],
)
def test_coders_that_cannot_be_compared(
    tmp_path: Path, gold_path: Path, perfect: list[Row], long_path: Path, options: dict[str, Any], message: str
) -> None:
    coded = write_coded(tmp_path / "coded.parquet", perfect[:5])
    files = {"gold": gold_path, "long": long_path}
    for name, rows in {
        "strange": [f"x,{ML}"],
        "open": [f"{r['id']}," for r in perfect],
        "rest": [f"{r['id']},{ML}" for r in perfect[5:]],
    }.items():
        files[name] = tmp_path / f"{name}.csv"
        files[name].write_text("\n".join(["id,profile", *rows]) + "\n", encoding="utf-8")
    gold = options.get("gold", "gold")
    others = [files[o] for o in options.get("others", ())]
    further = {k: v for k, v in options.items() if k not in ("gold", "others")}
    with pytest.raises(InputError, match=message):
        evaluate(coded, files.get(gold), PROFILES, CODES, others=others, **further)


def test_the_text_says_what_is_undefined(tmp_path: Path) -> None:
    """One label throughout, no clusters, no evidence: reasons instead of figures."""
    for name in ("ann", "bob", "eve"):
        rows = [f"{i},{ML}" for i in range(25)]
        (tmp_path / f"{name}.csv").write_text("\n".join(["id,profile", *rows]) + "\n", encoding="utf-8")
    ann, bob, eve = (tmp_path / f"{name}.csv" for name in ("ann", "bob", "eve"))
    found = evaluate(ann, bob, PROFILES, CODES, others=[eve], resamples=10)
    text = evaluation_text.text(found)
    for line in (
        r"25 ads of the reference bob; 25 of them from all 3 coders",
        r"Intervals: 95 %, bootstrap by cluster of near-duplicates \(none named, each ad alone\)",
        r"- kappa: all ads have one and the same profile, in the gold and as coded",
        r"- GenAI Engineer: neither in the gold nor coded",
        r"- Fleiss' kappa: all labels are one and the same, so that nothing can be told from chance",
        r"- Krippendorff's alpha: all labels are one and the same.*",
        r"- ann, bob: all labels are one and the same.*",
        r"- ann, eve: both are right on the same ads",
        r"No segments compared: the gold has no segments, or the coder no offsets\.",
    ):
        assert re.search(rf"^ *{line}$", text, re.MULTILINE), f"{line}\n{text}"
    assert not re.search(r"\bnan\b", text.lower())
    values = json.loads(json.dumps(as_json(found), allow_nan=False))
    assert values["reliability"]["alpha"] == {
        "value": None,
        "interval_95": None,
        "reason": "all labels are one and the same, so that nothing can be told from chance",
    }


def test_text_and_json_hold_all_parts(tmp_path: Path, gold_path: Path, perfect: list[Row], long_path: Path) -> None:
    perfect[0]["profile"] = next(p for p in PROFILES if p != perfect[0]["profile"])
    coded = write_coded(tmp_path / "coded.parquet", perfect)
    found = evaluate(coded, gold_path, PROFILES, CODES, others=[long_path], columns=LONG, resamples=50)
    text = evaluation_text.text(found, 2)
    for heading in (
        "coded beside gold",
        "Other coders beside gold, on the ads that each has",
        "Reliability of the profiles, 4 coders",
        "Evidence: spans of the same code that share 0.5 or more of what they cover together",
        "Who is right more often, gold as the truth",
        "Disagreements with the reference on profiles: 4 ads, worst first",
    ):
        assert f"\n{heading}" in text, text
    assert f"  {perfect[0]['id']}\n    gold: " in text
    assert re.search(r"≠ coded: .*, 1\.00 sure", text)
    assert "... and 2 more; --disagreements" in text
    assert "Disagreements" not in evaluation_text.text(found, 0)
    assert max(map(len, text.splitlines())) <= 100
    values = json.loads(json.dumps(as_json(found), allow_nan=False))
    assert values["profile"] == json.loads(json.dumps(as_dict(found.first)))["profile"]
    assert list(values["others"]) == ["ann", "bob"]
    assert values["coders"][0]["name"] == "coded"
    assert len(values["disagreements"]) == 4
    assert values["profile"]["calibration"][-1]["ads"] == 41


def test_the_same_files_give_the_same_figures(
    tmp_path: Path, gold_path: Path, perfect: list[Row], long_path: Path
) -> None:
    coded = write_coded(tmp_path / "coded.parquet", perfect)
    options: dict[str, Any] = {"others": [long_path], "columns": LONG, "resamples": 50}
    first, second = (as_json(evaluate(coded, gold_path, PROFILES, CODES, **options)) for _ in range(2))
    assert json.dumps(first) == json.dumps(second)
