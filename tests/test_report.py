"""The report: figures counted anew by hand, what is left out, bad input, and a page that is safe and readable."""

from __future__ import annotations

import datetime
import json
import re
import shutil
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

from embedcode import cli, report_page
from embedcode.association import association
from embedcode.coded import coded_schema
from embedcode.counts import count
from embedcode.errors import InputError
from embedcode.figure import p_value
from embedcode.periods import between, periods
from embedcode.report import joined, paragraph, report
from embedcode.report_page import render

PROFILES = ML, GENAI, OTHER = ("ML Engineer", "GenAI Engineer", "Ambiguous / Not Relevant")
CODES = ("TASK3", "TASK4", "TECH1", "TECH4", "SKILL1")
SCRIPT = "<script>document.title='x'</script>"
KEPT = (pa.field("sector", pa.string()), pa.field("date", pa.string()))
METADATA = {
    "embedcode.version": "0.9",
    "embedcode.bundle": json.dumps({"book": "b" * 64, "models": "m" * 64}),
    "embedcode.min_confidence": "0.25",
}

Row = dict[str, Any]


def evidence(code: str, tool: str | None = None) -> Row:
    return {"code": code, "start": 0, "end": 1, "field": "text", "text": "x", "score": 0.9, "tool": tool}


def ad(id: int, profile: str | None = OTHER, *codes: Row, **more: Any) -> Row:
    confidence = 0.8 if profile else None
    row = {"id": f"ad {id}", "profile": profile, "confidence": confidence, "codes": list(codes)}
    return {**row, "language": "en", "n_segments": 3, "sector": None, "date": None, **more}


def write(folder: Path, rows: list[Row], per_part: int = 1000, **metadata: str) -> Path:
    """Coded ads as `classify` writes them."""
    folder.mkdir()
    schema = coded_schema(PROFILES, CODES, KEPT).with_metadata({**METADATA, **metadata})
    firsts = range(0, max(1, len(rows)), per_part)
    for i, first in enumerate(firsts):
        table = pa.Table.from_pylist(rows[first : first + per_part], schema)
        pq.write_table(table, folder / f"part-{i:05d}.parquet")
    parts = [{"name": f"part-{i:05d}.parquet", "rows": len(rows[f : f + per_part])} for i, f in enumerate(firsts)]
    source = {"path": "ads & more.parquet", "bytes": 12345, "sha256": "a" * 64}
    (folder / "manifest.json").write_text(json.dumps({"parts": parts, "input": [source], "repeated_ids": 2}), "utf-8")
    return folder


def some_rows(n: int = 2500) -> list[Row]:
    """Ads of all kinds, more than fit into a batch."""
    draw = np.random.default_rng(0)
    tools = [f"Tool {i}" for i in range(40)]
    rows = []
    for i in range(n):
        profile = PROFILES[draw.choice(3, p=[0.3, 0.2, 0.5])]
        found = [evidence(str(c)) for c in draw.choice(("TASK3", "TASK4", "SKILL1"), draw.integers(0, 9))]
        # Tools that come late are tools that no batch before knew.
        found += [evidence("TECH4", str(t)) for t in draw.choice(tools[: 2 + i // 50], draw.integers(0, 3))]
        row = ad(i, profile, *found, sector=str(draw.choice(["care", "trade", "state"], p=[0.6, 0.3, 0.1])))
        row["date"] = f"2024-{draw.integers(1, 13):02}-{draw.integers(1, 29):02}"
        rows.append(row)
    for i in range(0, n, 50):
        rows[i] = ad(i, None, error="no text")
    for i in range(1, n, 50):
        rows[i]["language"] = "fr"
    for i in range(2, n, 25):
        rows[i]["duplicate_of"] = "ad 3"
    return rows


@pytest.fixture(scope="module")
def coded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("report") / "coded", some_rows(), 700)


def run(*arguments: Any) -> Result:
    return CliRunner().invoke(cli.app, ["report", *map(str, arguments)])


# Counts


def test_counts_are_those_of_a_plain_loop(coded: Path) -> None:
    found = count(coded, by=["sector"], date="date", period="quarter")
    rows = [r for r in some_rows() if r["profile"] and r["language"] != "fr" and not r.get("duplicate_of")]
    assert found.flow.counted == len(rows) < found.flow.rows == 2500
    phrases: Counter[Any] = Counter()
    ads: Counter[Any] = Counter()
    tools: Counter[Any] = Counter()
    pairs: Counter[Any] = Counter()
    focus: Counter[Any] = Counter()
    for row in rows:
        groups = (row["profile"], row["sector"], f"2024-Q{(int(row['date'][5:7]) + 2) // 3}")
        named = {c["tool"] for c in row["codes"]} - {None}
        for group in groups:
            phrases.update((group, c["code"]) for c in row["codes"])
            ads.update((group, c) for c in {c["code"] for c in row["codes"]})
            tools.update((group, t) for t in named)
        pairs.update((a, b) for a in named for b in named)
        numbers = (sum(c["code"] == code for c in row["codes"]) for code in ("TASK3", "TASK4"))
        focus[(row["profile"], *(min(n, 5) for n in numbers))] += 1
    assert found.by_period
    for by in (found.by_profile, found.by_period, *found.by):
        for i, value in enumerate(by.values):
            assert dict(zip(CODES, by.phrases[i], strict=True)) == {c: phrases[value, c] for c in CODES}
            assert dict(zip(CODES, by.codes[i], strict=True)) == {c: ads[value, c] for c in CODES}
            assert dict(zip(found.tools, by.tools[i], strict=True)) == {t: tools[value, t] for t in found.tools}
        assert by.ads.sum() == len(rows)
        assert (by.profiles.sum(axis=1) == by.ads).all()
    assert len(found.tools) == 40
    assert sorted(found.tools, key=lambda t: (-pairs[t, t], t)) == list(found.tools)
    assert found.together.tolist() == [[pairs[a, b] for b in found.tools] for a in found.tools]
    assert focus == {(p, a, b): n for (i, a, b), n in np.ndenumerate(found.focus) if n for p in [PROFILES[i]]}
    assert found.by[0].values == ("care", "trade", "state")
    assert found.by_period.values == ("2024-Q1", "2024-Q2", "2024-Q3", "2024-Q4")
    assert found.confidence == pytest.approx([0.8, 0.8, 0.8])


def test_what_is_left_out_is_counted_once(tmp_path: Path) -> None:
    rows = [
        ad(0),
        ad(1, None, error="no text", language="fr", duplicate_of="ad 0"),
        ad(2, language="fr", duplicate_of="ad 0"),
        ad(3, duplicate_of="ad 0"),
        ad(4, None, error="no text"),
        ad(5, None),
    ]
    flow = count(write(tmp_path / "coded", rows)).flow
    assert flow.errors == {"no text": 2, "no reason given": 1}
    assert (flow.rows, flow.failed, flow.foreign, flow.duplicates, flow.counted) == (6, 3, 1, 1, 1)
    assert flow.languages == {"en": 2, "fr": 1}


def test_values_that_are_missing_are_counted(tmp_path: Path) -> None:
    rows = [ad(i, sector=s) for i, s in enumerate(["care", None, "", "  ", "care"])]
    found = count(write(tmp_path / "coded", rows), by=["sector"]).by[0]
    assert (found.values, found.ads.tolist(), found.without) == (("care",), [2], 3)


def test_small_groups_are_joined(tmp_path: Path) -> None:
    rows = [ad(i, sector=f"s{i % 20:02}") for i in range(205)]
    found = count(write(tmp_path / "coded", rows), by=["sector"]).by[0]
    few = joined(found, 12)
    assert few.values == (*(f"s{i:02}" for i in range(12)), "all others (8 values)")
    assert few.ads.sum() == few.profiles.sum() == 205
    assert joined(found, 19) == found, "one value is not joined with itself"


# Dates


@pytest.mark.parametrize(
    ("value", "month", "year"),
    [
        ("2024-03-31", "2024-03", "2024"),
        (" 2024-03-31T23:59:59Z", "2024-03", "2024"),
        ("2024-03-31 10:00", "2024-03", "2024"),
        ("2024-03", "2024-03", "2024"),
        ("2024", None, "2024"),
        ("2024-02-30", None, None),
        ("31/3/2024", None, None),
        ("soon", None, None),
        ("", None, None),
    ],
)
def test_dates_as_text(value: str, month: str | None, year: str | None) -> None:
    column = pa.array([value, None])
    assert periods(column, "month").to_pylist() == [month, None]
    assert periods(column, "year").to_pylist() == [year, None]


def test_dates_of_other_types() -> None:
    day = datetime.date(2024, 11, 30)
    time = datetime.datetime(2024, 11, 30, 23, 59, 59, 999)
    for column in (pa.array([day]), pa.array([time]), pa.array([time], pa.timestamp("ns")), pa.array(["2024-11-30"])):
        assert periods(column, "quarter").to_pylist() == ["2024-Q4"]


def test_periods_between() -> None:
    assert between("2023-11", "2024-02", "month") == ["2023-11", "2023-12", "2024-01", "2024-02"]
    assert between("2023-Q4", "2024-Q2", "quarter") == ["2023-Q4", "2024-Q1", "2024-Q2"]
    assert between("2023", "2023", "year") == ["2023"]


def test_months_without_ads_are_there(tmp_path: Path) -> None:
    dates = ["2024-01-05", "2024-04-05", "5 May", "5 May", None]
    found = report(write(tmp_path / "coded", [ad(i, date=d) for i, d in enumerate(dates)])).counts.by_period
    assert found
    assert dict(zip(found.values, found.ads.tolist(), strict=True)) == {
        "2024-01": 1,
        "2024-02": 0,
        "2024-03": 0,
        "2024-04": 1,
    }
    assert (found.without, found.unread) == (3, {"5 May": 2})


def test_a_stray_date_does_not_make_a_thousand_years(tmp_path: Path) -> None:
    dates = ["0204-01-05", "2024-04-05"]
    found = report(write(tmp_path / "coded", [ad(i, date=d) for i, d in enumerate(dates)])).counts.by_period
    assert found and found.values == ("0204-01", "2024-04")


# Tests of association


def test_all_tests_are_corrected_together(coded: Path) -> None:
    found = report(coded, by=["sector", "date", "language", "sector"], period="quarter")
    assert list(dict.fromkeys(t.column for t in found.tests)) == ["sector", "language", "date"]
    each = 1 + len(CODES) + 10
    assert len(found.tests) == 3 * each
    sector = {t.name: t for t in found.tests if t.column == "sector"}
    assert sector["profile"].found == association(found.counts.by[0].profiles)
    rows = [r for r in some_rows() if r["profile"] and r["language"] != "fr" and not r.get("duplicate_of")]
    table = Counter((r["sector"], any(c["code"] == "TASK3" for c in r["codes"])) for r in rows)
    expected = association(np.array([[table[s, True], table[s, False]] for s in ("care", "trade", "state")]))
    assert sector["TASK3"].found == expected
    assert {t.name for t in found.tests if t.column == "sector" and not t.found} == {"TECH1"}, "in no ad"
    assert all(t.found is None for t in found.tests if t.column == "language"), "one language is left"
    tested = [t for t in found.tests if t.found]
    smallest = min(tested, key=lambda t: t.found.p if t.found else 1)
    assert smallest.found and smallest.corrected == pytest.approx(min(1, smallest.found.p * len(tested)))
    assert found.tested == len(tested) == 2 * (each - 1)


def test_near_duplicates_do_not_count_as_evidence(tmp_path: Path) -> None:
    """A single ad that is posted a hundred times makes no difference."""
    plain = [ad(i, PROFILES[i % 2], sector="ab"[i // 2 % 2]) for i in range(40)]
    reposted = [ad(100 + i, ML, sector="a", duplicate_of="ad 0") for i in range(100)]
    one = report(write(tmp_path / "one", plain), by=["sector"])
    other = report(write(tmp_path / "other", plain + reposted), by=["sector"])
    assert one.tests == other.tests
    assert (one.method.deduplicated, bool(other.method.deduplicated)) == ("", True)


def test_a_corpus_without_near_duplicates(tmp_path: Path) -> None:
    """None were found, which is not the same as that none were looked for."""
    looked = write(tmp_path / "coded", [ad(0), ad(1)], **{"embedcode.dedupe": "minhash of words"})
    text = render(report(looked))
    assert "minhash of words" in text
    assert "not looked for" not in text


@pytest.mark.parametrize("name", ["profile", "codes", "confidence", "n_segments", "duplicate_of", "id"])
def test_what_was_coded_is_not_tested_against_itself(coded: Path, name: str) -> None:
    with pytest.raises(InputError, match="comes from the coding"):
        report(coded, by=[name])


# The page


def test_the_page_says_what_was_counted(coded: Path, tmp_path: Path) -> None:
    result = run(coded, "-o", tmp_path / "r.html", "--by", "sector", "--title", "Ads & more", "--period", "year")
    assert result.exit_code == 0, result.output
    assert f"2,300 ads of 2,500 rows → {tmp_path / 'r.html'}" in result.output.replace("\n", "")
    text = (tmp_path / "r.html").read_text("utf-8")
    assert "<title>Ads &amp; more</title>" in text
    found = report(coded, by=["sector"])
    for n in (found.counts.flow.failed, found.counts.flow.foreign, found.counts.flow.duplicates):
        assert f"<td>{n}</td>" in text
    assert text.count("<svg ") == text.count('<svg role="img" aria-label="') == text.count("<figure>") > 10
    assert text.count("<details>") > text.count("<figure>")
    for hash in ("b" * 64, "m" * 64, "a" * 64):
        assert hash in text
    assert "ads &amp; more.parquet" in text
    assert "12,345 bytes" in text
    assert paragraph(found) in text.replace("&#39;", "'")
    assert "NaN" not in text and "nan" not in text and "None" not in text


def test_the_paragraph_is_filled_in(coded: Path) -> None:
    text = paragraph(report(coded, by=["sector"]))
    assert "embedcode 0.9 (bundle: book bbbbbbbbbbbb, models mmmmmmmmmmmm)" in text
    assert "one of 3 profiles" in text and "5 codes" in text
    assert "Of 2,500 rows, 2,300 were analysed; left out were 50 that could not be coded, 50 in neither" in text
    assert "corrected for 15 tests" in text


def test_the_paragraph_of_the_methods_note_is_what_the_report_writes(tmp_path: Path) -> None:
    rows = [ad(i, (ML, GENAI)[i % 2]) for i in range(30)]
    rows += [ad(30, None, error="no text"), ad(31, language="fr"), ad(32, duplicate_of="ad 0")]
    folder = write(tmp_path / "coded", rows, **{"embedcode.dedupe": "minhash"})
    text = paragraph(report(folder, gold=gold(tmp_path, [OTHER, *(PROFILES[i % 2] for i in range(1, 30))])))
    note = (Path(__file__).parents[1] / "docs" / "methods.md").read_text("utf-8")
    quoted = " ".join(line[2:] for line in note.splitlines() if line.startswith("> "))
    said, shown = (re.sub(r"\(bundle: .*?\)|[\d.,]*\d", "#", t) for t in (text, quoted))
    assert said == shown


def test_the_same_ads_give_the_same_bytes(coded: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        assert run(coded, "-o", tmp_path / name, "--by", "sector", "--by", "date").exit_code == 0
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_nothing_is_fetched_and_nothing_runs(coded: Path) -> None:
    text = render(report(coded, by=["sector"]))
    assert not re.findall(r"<(?:script|link|img|iframe|object|embed|use|image)\b", text)
    assert not re.findall(r"""(?:src|href)=["'](?!#)""", text)
    assert not re.findall(r"@import|url\(", text)
    assert set(re.findall(r"https?://[^\"' <]+", text)) == {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }


def test_what_strangers_wrote_is_escaped(tmp_path: Path) -> None:
    rows = [ad(i, ML, evidence("TECH4", SCRIPT), evidence("TECH4", "'\">&"), sector=SCRIPT) for i in range(20)]
    rows += [ad(20 + i, sector="\"'><b>") for i in range(20)]
    rows += [ad(40, None, error=SCRIPT), ad(41, date=SCRIPT), ad(42, language=SCRIPT)]
    coded = write(tmp_path / "coded", rows)
    text = render(report(coded, title=SCRIPT, by=["sector"]))
    assert "<script" not in text
    assert "<b>" not in text
    charts = "".join(re.findall(r"<svg .*?</svg>", text, re.DOTALL))
    assert "&lt;script&gt;" in charts
    assert text.count("&lt;script&gt;") > charts.count("&lt;script&gt;") + 4


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([], "no ad is left to count"),
        ([ad(0, None, error="no text"), ad(1, None, error="no text")], "not coded: no text"),
        ([ad(0, ML, evidence("TASK3"), evidence("TECH4", "Spark"), sector="care", date="2024-01-01")], "1 ad, coded"),
        ([ad(0)], "No ad names a tool."),
        ([ad(0, date="soon")], "such as"),
    ],
    ids=["none", "errors only", "one", "bare", "no dates"],
)
def test_few_ads(tmp_path: Path, rows: list[Row], said: str) -> None:
    result = run(write(tmp_path / "coded", rows), "-o", tmp_path / "r.html", "--by", "sector")
    assert result.exit_code == 0, result.output
    text = (tmp_path / "r.html").read_text("utf-8")
    assert said in text
    assert "NaN" not in text and ">nan" not in text
    assert "not looked for" in text


def test_codes_are_named_by_the_book_that_coded(coded: Path, tmp_path: Path, book_folder: Path) -> None:
    from embedcode.book import book_hash

    bundle = json.dumps({"book": book_hash(book_folder)})
    mine = write(tmp_path / "coded", [ad(0, ML, evidence("TASK3"))], **{"embedcode.bundle": bundle})
    assert report(mine, anchors=book_folder).code_names["TASK3"] == "Modeling"
    assert "TASK3 Modeling" in render(report(mine, anchors=book_folder))
    assert report(coded, anchors=book_folder).code_names == {}, "another book coded these"


def test_a_coding_book_without_the_codes_of_the_focus(tmp_path: Path) -> None:
    table = pa.Table.from_pylist([ad(i, ML) for i in range(3)], coded_schema(PROFILES, ("A1", "B1"), KEPT))
    pq.write_table(table, tmp_path / "part.parquet")
    assert "has no codes TASK3 and TASK4" in render(report(tmp_path / "part.parquet"))


def test_a_run_that_is_not_finished(coded: Path, tmp_path: Path) -> None:
    shutil.copytree(coded, tmp_path / "coded")
    (tmp_path / "coded" / "manifest.json").unlink()
    result = run(tmp_path / "coded", "-o", tmp_path / "r.html")
    assert result.exit_code == 0
    assert "not finished" in result.output
    assert "has not come to its end" in (tmp_path / "r.html").read_text("utf-8")


def test_p_values_as_papers_have_them() -> None:
    assert [p_value(p) for p in (0.0, 0.0009999, 0.001, 0.0494, 0.5, 0.9999, 1.0)] == [
        *("< .001", "< .001", ".001", ".049", ".500", "1.000", "1")
    ]


# Agreement


def gold(tmp_path: Path, profiles: list[str]) -> Path:
    rows = [
        {"id": f"ad {i}", "text": "Some text.", "profile": p, "segments": [], "codes": [], "tech": []}
        for i, p in enumerate(profiles)
    ]
    segment = pa.struct([("start", pa.int32()), ("end", pa.int32())])
    code = pa.struct([*segment, ("code", pa.string()), ("coders", pa.int32())])
    tech = pa.struct([("name", pa.string()), ("code", pa.string()), ("coders", pa.int32())])
    schema = pa.schema(
        [
            *((n, pa.string()) for n in ("id", "text", "profile")),
            *(("segments", pa.list_(segment)), ("codes", pa.list_(code)), ("tech", pa.list_(tech))),
        ]
    )
    pq.write_table(pa.Table.from_pylist(rows, schema), tmp_path / "gold.parquet")
    return tmp_path / "gold.parquet"


def test_agreement(tmp_path: Path) -> None:
    """Kappa by hand: 30 ads of two profiles, 27 of them alike, and 5 ads that were not coded at all."""
    people = [ML, GENAI] * 15
    coded = [OTHER if i < 3 else p for i, p in enumerate(people)]
    folder = write(tmp_path / "coded", [ad(i, p) for i, p in enumerate(coded)])
    found = report(folder, gold=gold(tmp_path, people + [ML] * 5))
    assert found.agreement
    of = found.agreement.first
    chance = (15 * coded.count(ML) + 15 * coded.count(GENAI)) / 900
    assert of.ads == 30, "those that are among the coded ads"
    assert of.profile.kappa == pytest.approx((27 / 30 - chance) / (1 - chance))
    text = render(found)
    assert f"<td>{of.profile.kappa:.2f}</td>" in text
    assert f"Cohen&#39;s kappa on the profile was {of.profile.kappa:.2f}" in text
    assert "F1 of each profile" in text and "Calibration" in text


def test_agreement_that_is_undefined_is_said(tmp_path: Path) -> None:
    folder = write(tmp_path / "coded", [ad(i, ML) for i in range(30)])
    text = render(report(folder, gold=gold(tmp_path, [ML] * 30)))
    assert "<td>undefined</td>" in text
    assert "profile kappa: all ads have one and the same profile" in text
    assert "kappa is undefined" in text


def test_gold_of_other_ads(tmp_path: Path) -> None:
    folder = write(tmp_path / "coded", [ad(100 + i) for i in range(3)])
    result = run(folder, "-o", tmp_path / "r.html", "--gold", gold(tmp_path, [ML]))
    assert result.exit_code == 2
    assert not (tmp_path / "r.html").exists()


# The command


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--by", "branch"], "'branch'"),
        (["--by", "profile"], "comes from the coding"),
        (["--date-column", "posted"], "'posted'"),
        (["--period", "week"], "'week'"),
        (["--gold", "missing.parquet"], "missing.parquet"),
    ],
)
def test_options_that_cannot_be(coded: Path, tmp_path: Path, options: list[str], said: str) -> None:
    result = run(coded, "-o", tmp_path / "r.html", *options)
    assert result.exit_code == 2, result.output
    assert said in result.output
    assert "Traceback" not in result.output
    assert not list(tmp_path.iterdir())


def test_a_column_that_makes_no_groups(coded: Path, tmp_path: Path) -> None:
    rows = [ad(i, sector=f"sector {i}") for i in range(1500)]
    result = run(write(tmp_path / "coded", rows), "-o", tmp_path / "r.html", "--by", "sector")
    assert result.exit_code == 2
    assert "groups" in result.output


def test_the_gold_is_not_overwritten(coded: Path, tmp_path: Path) -> None:
    people = gold(tmp_path, [ML])
    before = people.read_bytes()
    result = run(coded, "-o", people, "--gold", people, "--force")
    assert (result.exit_code, people.read_bytes()) == (2, before)
    assert "is read by this command" in result.output


def test_files_are_not_lost(coded: Path, tmp_path: Path) -> None:
    (tmp_path / "r.html").write_text("mine", "utf-8")
    assert run(coded, "-o", tmp_path / "r.html").exit_code == 2
    assert (tmp_path / "r.html").read_text("utf-8") == "mine"
    assert run(coded, "-o", tmp_path / "r.html", "--force").exit_code == 0
    assert run(coded, "-o", coded / "r.html").exit_code == 2
    assert run(tmp_path / "nothing", "-o", tmp_path / "other.html").exit_code == 2
    assert run(coded, "-o", tmp_path / "r.html" / "below.html").exit_code == 2


def test_the_extra_is_asked_for(coded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_page, "find_spec", lambda name: None)
    result = run(coded, "-o", tmp_path / "r.html")
    assert result.exit_code == 2
    assert "embedcode[report]" in result.output


# In a browser


@pytest.fixture(scope="module")
def address(coded: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    output = tmp_path_factory.mktemp("page") / "r.html"
    people = gold(output.parent, [PROFILES[i % 3] for i in range(2000)])
    result = run(coded, "-o", output, "--by", "sector", "--by", "date", "--gold", people)
    assert result.exit_code == 0, result.output
    return output.as_uri()


@pytest.mark.browser
@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_anyone_can_read_it(browser: Any, address: str, scheme: str, width: int) -> None:
    axe = Path(sys.prefix) / "node_modules" / "axe-core" / "axe.min.js"
    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 800}, bypass_csp=True)
    tab = context.new_page()
    tab.goto(address)
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    tab.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    tab.evaluate(axe.read_text("utf-8"))
    found = tab.evaluate("axe.run()")
    assert len(found["passes"]) > 5
    serious = [v for v in found["violations"] if v["impact"] in ("serious", "critical")]
    assert not serious, json.dumps([{v["id"]: [n["html"][:200] for n in v["nodes"][:3]]} for v in serious], indent=1)
    context.close()


@pytest.mark.browser
def test_it_opens_offline_and_without_scripts(browser: Any, address: str) -> None:
    context = browser.new_context(java_script_enabled=False, offline=True)
    tab = context.new_page()
    asked: list[str] = []
    tab.on("request", lambda request: asked.append(request.url))
    tab.goto(address)
    assert tab.locator("svg").count() > 15
    bar = tab.locator("#profiles svg path[fill='var(--c1)']").first
    assert bar.evaluate("e => getComputedStyle(e).fill") == "rgb(213, 94, 0)"
    assert asked == [address]
    context.close()


@pytest.mark.browser
def test_tables_are_printed(browser: Any, address: str) -> None:
    context = browser.new_context(color_scheme="dark")
    tab = context.new_page()
    tab.goto(address)
    hidden = tab.locator("#profiles details table")
    assert not hidden.is_visible()
    tab.emulate_media(media="print")
    assert hidden.is_visible()
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    context.close()
