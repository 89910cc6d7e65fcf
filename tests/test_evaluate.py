"""Coded ads and gold in files: what is read of them, and what cannot be compared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ads import ML, gold_rows
from pairs import CODES, PROFILES, gold_ad

from embedcode import show
from embedcode.agreement import Agreement, agreement, undefined
from embedcode.coded import CodedAd, Evidence, coded_schema
from embedcode.errors import InputError
from embedcode.evaluate import evaluate, read_coded
from embedcode.gold import GivenCode, read_gold

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
    return evaluate(coded, gold, PROFILES, CODES, **options)


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
    assert "41 gold ads: 1 missing from the coded ads, 1 with an error" in show.agreement(found)


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
    assert "No tools compared: the gold has no column tech." in show.agreement(found)


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
    rows = read_coded(path, [perfect[0]["id"], "missing"])
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
    found = agreement(ads, read_coded(path, ["7", "8"]), PROFILES, CODES)
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
        read_coded(path, ["1"])


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Found no .*nowhere"):
        read_coded(tmp_path / "nowhere", ["1"])
    with pytest.raises(InputError, match=r"Found no \*\.parquet in"):
        read_coded(tmp_path, ["1"])
    broken = tmp_path / "coded.parquet"
    broken.write_bytes(b"PAR1 and no more")
    for path in (broken, tmp_path):
        with pytest.raises(InputError, match=r"Cannot read coded ads from .*coded\.parquet"):
            read_coded(path, ["1"])
