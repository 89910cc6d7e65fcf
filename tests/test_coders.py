"""Coders' files: what is read of those of other tools, and what cannot be read."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ads import GENAI, ML, OTHER, gold_rows
from pairs import CODES, PROFILES

from embedcode.coded import coded_schema
from embedcode.coders import Layout, read_coders
from embedcode.codings import UNPLACED, CodedRow, CodedSpan, Codings, placed
from embedcode.errors import InputError


def layout(**options: Any) -> Layout:
    return Layout(PROFILES, CODES, **options)


def only(path: Path, **options: Any) -> Codings:
    (coder,) = read_coders(path, layout(**options))
    return coder


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


# Tables of other tools


def test_csv_with_columns_and_labels_of_its_own(tmp_path: Path) -> None:
    path = write(tmp_path / "ann.csv", "ad_id;label;sure\n1;ML;0.75\n2;unsure;\n007;GenAI Engineer;1\n")
    coder = only(
        path,
        columns={"id": "ad_id", "profile": "label", "confidence": "sure"},
        labels={"ML": ML, "unsure": ""},
    )
    assert coder.name == "ann"
    assert {i: (r.profile, r.confidence) for i, r in coder.rows.items()} == {
        "1": (ML, 0.75),
        "2": (None, None),
        "007": (GENAI, 1.0),
    }
    assert (coder.columns, coder.clusters, coder.gold) == (("ad_id", "label", "sure"), {}, ())


def test_a_named_column_goes_before_one_of_the_standard_name(tmp_path: Path) -> None:
    path = write(tmp_path / "ann.csv", f"id,ad,profile\n1,x,{ML}\n2,y,{OTHER}\n")
    assert list(only(path, columns={"id": "ad"}).rows) == ["x", "y"]
    assert list(only(path, columns={"id": "number"}).rows) == ["1", "2"]


LONG = f"ad,who,profile,cluster\na,ann,{ML},1\na,bob,{GENAI},1\nb,ann,{ML},2\nb,eve,{OTHER},2\n"


def test_long_form_holds_several_coders(tmp_path: Path) -> None:
    coders = read_coders(write(tmp_path / "long.csv", LONG), layout(columns={"id": "ad", "coder": "who"}))
    assert {c.name: {i: r.profile for i, r in c.rows.items()} for c in coders} == {
        "ann": {"a": ML, "b": ML},
        "bob": {"a": GENAI},
        "eve": {"b": OTHER},
    }
    assert {(tuple(c.clusters.items()), c.clusters_from) for c in coders} == {((("a", "1"), ("b", "2")), "cluster")}


EVIDENCE = [
    {"code": "TASK3", "phrase": "Train models"},
    {"code": "TECH1", "text": "python", "start": 3, "end": 9, "tool": "Python"},
    {"code": "TECH2", "phrase": "AWS"},
]
SPANS = (
    CodedSpan("TASK3", UNPLACED, UNPLACED, "text", "Train models", None),
    CodedSpan("TECH1", 3, 9, "text", "python", "Python"),
    CodedSpan("TECH2", UNPLACED, UNPLACED, "text", "AWS", "AWS"),
)


def test_evidence_of_json_lines_csv_and_parquet(tmp_path: Path) -> None:
    row = {"id": 7, "profile": ML, "phrases": EVIDENCE}
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(json.dumps(row).encode()))
    quoted = json.dumps(EVIDENCE).replace('"', '""')
    write(tmp_path / "a.csv", f'id,profile,phrases\n7,{ML},"{quoted}"\n')
    pq.write_table(pa.Table.from_pylist([row]), tmp_path / "a.parquet")
    for name in ("a.jsonl.gz", "a.csv", "a.parquet"):
        coder = only(tmp_path / name, columns={"codes": "phrases"})
        assert coder.rows == {"7": CodedRow(ML, None, SPANS, None)}, name


def test_codes_without_evidence(tmp_path: Path) -> None:
    expected = tuple(CodedSpan(c, UNPLACED, UNPLACED, "text", "", None) for c in ("TASK1", "SKILL2"))
    path = write(tmp_path / "a.csv", f"id,profile,codes\n1,{ML},TASK1; SKILL2\n2,{ML},\n")
    assert [r.codes for r in only(path).rows.values()] == [expected, ()]
    path = write(tmp_path / "a.jsonl", json.dumps({"id": "1", "profile": ML, "codes": ["TASK1", "SKILL2"]}))
    assert only(path).rows["1"].codes == expected


def test_labels_may_be_numbers(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", '{"id": 1, "label": 1}\n{"id": 2, "label": 2}\n')
    coder = only(path, columns={"profile": "label"}, labels={"1": ML, "2": GENAI})
    assert [r.profile for r in coder.rows.values()] == [ML, GENAI]
    pq.write_table(pa.table({"id": [1], "label": [1]}), tmp_path / "a.parquet")
    coder = only(tmp_path / "a.parquet", columns={"profile": "label"}, labels={"1": ML})
    assert coder.rows["1"].profile == ML


@pytest.mark.parametrize(
    ("name", "text", "options", "message"),
    [
        ("a.csv", "ad,label\n1,x\n", {}, r"lacks id, profile; found the columns ad, label\. .*--columns id=COLUMN"),
        ("a.csv", "id,profile\n1,Data Scientist\n", {}, r"unknown profile\(s\) 'Data Scientist' .*--labels"),
        ("a.csv", f"id,profile\n1,{ML}\n1,{ML}\n", {}, r"Found '1' more than once in .*--columns coder=COLUMN"),
        ("a.csv", f"id,profile\n,{ML}\n", {}, r"a row without an id: .*ML Engineer"),
        ("a.csv", f"id,profile,coder\n1,{ML},\n", {}, r"a row without a coder: "),
        ("a.csv", f"id,profile\n1,{ML}\n2\n", {}, r"line 3: 1 cells where the header has 2\. Expected CSV"),
        ("a.csv", "id,profile,id\n1,x,2\n", {}, r"has more than one column 'id'; expected one"),
        ("a.csv", "id,profile\n", {}, r"holds no ads"),
        ("a.csv", "", {}, r"lacks id, profile; found the columns none"),
        ("a.csv", f"id,profile,confidence\n1,{ML},high\n", {}, r"ad '1' cannot be read .*'high'.*Expected a number"),
        ("a.csv", f'id,profile,codes\n1,{ML},"[{{""code"": 3"\n', {}, r"ad '1' cannot be read .*Expected a number"),
        (
            "a.csv",
            f'id,profile,codes\n1,{ML},"[{{""text"": ""x""}}]"\n',
            {},
            r"ad '1' cannot be read \(KeyError: 'code'",
        ),
        ("a.jsonl", json.dumps({"id": 1, "profile": ML, "codes": [{"code": "A", "start": 2**40}]}), {}, r"offset 1099"),
        ("a.jsonl", '{"id": 1, "profile"\n', {}, r"holds no JSON object on its first line"),
        ("a.xlsx", "x", {}, r"is none of the kinds of files that can be read: \.parquet, \.csv"),
        ("a.csv", f"id,profile\n1,{ML}\n", {"columns": {"label": "x"}}, r"Found 'label' .*expected id, profile"),
        ("a.csv", f"id,profile\n1,{ML}\n", {"labels": {"x": "ML"}}, r"Found 'ML' as the profile of a label"),
        (
            "a.csv",
            f"id,profile\n1,{ML}\n",
            {"encoding": "klingon"},
            r"No encoding is called 'klingon'\. Expected utf-8",
        ),
    ],
)
def test_tables_that_cannot_be_read(
    tmp_path: Path, name: str, text: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        read_coders(write(tmp_path / name, text), layout(**options))


# Ads coded by people, and coded ads


def gold(path: Path, **columns: Any) -> Path:
    pq.write_table(pa.Table.from_pylist([{**r, **columns} for r in gold_rows()]), path)
    return path


def test_ads_coded_by_people(tmp_path: Path) -> None:
    coder = only(gold(tmp_path / "people.parquet"))
    assert len(coder.rows) == len(coder.gold) == 41
    assert len(set(coder.clusters.values())) == 40
    ad = next(a for a in coder.gold if a.tools)
    row = coder.rows[ad.id]
    assert (row.profile, row.confidence) == (ad.profile, None)
    assert {s.text for s in row.codes if s.start >= 0} <= {ad.text[a:b] for a, b in ad.segments}
    assert {s.tool for s in (*row.codes, *row.doubtful) if s.start < 0} == {t.name for t in ad.tools}


def test_labels_of_people_are_renamed(tmp_path: Path) -> None:
    rows = [{**r, "profile": {ML: "ml", OTHER: "?"}.get(r["profile"], r["profile"])} for r in gold_rows()]
    path = tmp_path / "people.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path)
    coder = only(path, labels={"ml": ML, "?": ""})
    assert {r.profile for r in coder.rows.values()} == {ML, GENAI}
    with pytest.raises(InputError, match=r"unknown profile\(s\) '\?' .*--labels \"\?=PROFILE\""):
        only(path, labels={"ml": ML})


def test_blanks_around_labels(tmp_path: Path) -> None:
    coder = only(write(tmp_path / "a.csv", f"id,profile\n1, {ML} \n2,  \n3, yes\n"), labels={"yes": GENAI})
    assert [r.profile for r in coder.rows.values()] == [ML, None, GENAI]


def test_people_who_gave_numbers(tmp_path: Path) -> None:
    path = gold(tmp_path / "people.parquet", profile=1, confidence=float("nan"))
    assert {r.profile for r in only(path, labels={"1": ML}).rows.values()} == {ML}
    assert {ad.confidence for ad in only(path, labels={"1": ML}).gold} == {3.0}
    with pytest.raises(InputError, match=r"unknown profile\(s\) '1' .*--labels"):
        only(path)


def test_people_who_left_ads_without_a_profile(tmp_path: Path) -> None:
    rows = [{**r, "profile": r["profile"] if i % 2 else None} for i, r in enumerate(gold_rows())]
    path = tmp_path / "people.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path)
    assert set(only(path).rows) == {r["id"] for r in rows[1::2]}
    with pytest.raises(InputError, match=r"holds no ads with a profile"):
        only(gold(path, profile=""))


def test_another_column_of_clusters(tmp_path: Path) -> None:
    coder = only(gold(tmp_path / "people.parquet", employer="one"), columns={"cluster": "employer"})
    assert (set(coder.clusters.values()), coder.clusters_from) == ({"one"}, "employer")
    assert coder.gold


def test_reviews_must_be_random_and_blind(tmp_path: Path) -> None:
    assert only(gold(tmp_path / "a.parquet", sample="random", mode="blind")).gold
    with pytest.raises(InputError, match="least sure of.*random sample that was coded blind"):
        only(gold(tmp_path / "b.parquet", sample="unsure", mode="blind"))


def coded(path: Path, *rows: dict[str, Any], **kept: pa.DataType) -> Path:
    schema = coded_schema(PROFILES, CODES, [pa.field(n, t) for n, t in kept.items()])
    pq.write_table(pa.Table.from_pylist([{"profile": ML, "codes": [], **r} for r in rows], schema), path)
    return path


def test_clusters_of_coded_ads(tmp_path: Path) -> None:
    rows = ({"id": "a", "shop": 1}, {"id": "b", "duplicate_of": "a", "shop": 2}, {"id": "c", "shop": 2})
    path = coded(tmp_path / "part-0.parquet", *rows, shop=pa.int64())
    coder = only(path)
    assert (coder.clusters, coder.clusters_from) == ({"a": "a", "b": "a"}, "duplicate_of")
    coder = only(path, columns={"cluster": "shop"})
    assert (coder.clusters, coder.clusters_from) == ({"a": "1", "b": "2", "c": "2"}, "shop")
    coder = only(coded(tmp_path / "part-1.parquet", *({"id": r["id"]} for r in rows)))
    assert (coder.clusters, coder.clusters_from) == ({}, "")


def test_the_labels_of_coded_ads_are_renamed_too(tmp_path: Path) -> None:
    path = coded(tmp_path / "part-0.parquet", {"id": "a", "profile": "ML"})
    assert only(path, labels={"ML": ML}).rows["a"].profile == ML


# Evidence without offsets


def test_evidence_is_placed_where_the_text_has_it() -> None:
    text = "You Train\nmodels in Python."
    spans = (
        CodedSpan("TASK3", UNPLACED, UNPLACED, "text", "train models", None),
        CodedSpan("TECH1", UNPLACED, UNPLACED, "text", "Java", "Java"),
        CodedSpan("TASK3", 4, 9, "text", "", None),
        CodedSpan("TASK1", UNPLACED, UNPLACED, "text", "", None),
    )
    found = placed(CodedRow(ML, None, spans, None), text).codes
    assert [(s.start, s.end, s.text) for s in found] == [
        (4, 16, "Train\nmodels"),
        (UNPLACED, UNPLACED, "Java"),
        (4, 9, "Train"),
        (UNPLACED, UNPLACED, ""),
    ]
