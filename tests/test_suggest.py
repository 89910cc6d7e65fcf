"""Suggested anchor phrases: which lines are open, what is counted, how they are clustered, and what is left out."""

from __future__ import annotations

import csv
import dataclasses
import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from ads import gold_rows
from conftest import Study
from typer.testing import CliRunner

from embedcode import cli, suggest
from embedcode import coder as coding
from embedcode.book import read_book
from embedcode.coder import Coder
from embedcode.errors import BookError, InputError
from embedcode.loading import load
from embedcode.suggest import Lines, Suggestions
from embedcode.types import NEGATIVE

VISUAL = (
    "Experience with data visualization tools",
    "Experience using data visualization tools",
    "Experience with data visualization",
    "Advanced data visualization experience",
)
YEARS = (
    "0-2 years of professional experience",
    "at least 2 years of professional experience",
    "4+ years of experience in a professional setting",
)
"""Open lines by the shipped coding book; the second group is near a negative anchor."""

TITLE = "Data Analyst Energy Networks"


def ads(*lines: str) -> list[str]:
    """An ad for each line, with others around it that differ from ad to ad."""
    places = ("Utrecht", "Breda", "Zwolle", "Delft", "Assen", "Leiden", "Venlo", "Tiel")
    pairs = zip(lines, places, strict=False)
    return [f"{TITLE}\n\n- {line}\n- Our office is in {place}, near the station" for line, place in pairs]


def batches(texts: list[str | None], rows: int = 100) -> Iterator[pa.RecordBatch]:
    for first in range(0, len(texts), rows):
        part = pa.array(texts[first : first + rows], pa.string())
        yield pa.record_batch([part, pa.nulls(len(part), pa.string())], names=["text", "title"])


def suggested(coder: Coder, texts: list[Any], **options: Any) -> Suggestions:
    return suggest.suggest(coder, batches(texts), **options)


def test_lines_that_are_open_and_alike_make_a_suggestion(coder: Coder) -> None:
    found = suggested(coder, ads(*VISUAL))
    assert found.ads == 4
    (one,) = found.suggestions
    assert one.code == one.likeliest == "TASK2"
    assert {one.phrase, *one.examples} == set(VISUAL)
    assert (one.ads, one.segments, one.wordings, one.language) == (4, 4, 4, "en")
    assert one.facet in {a.facet for a in coder.bundle.book.anchors if a.code == "TASK2"}
    assert one.threshold == round(float(coder.bundle.codes.thresholds[coder.scorer.pools.codes.index("TASK2")]), 4)
    assert one.probability == pytest.approx(one.threshold, abs=0.2)
    assert 0.5 < one.nearest.similarity < suggest.NEAR
    assert one.nearest.phrase in {a.phrase for a in coder.bundle.book.anchors}


def test_the_phrase_is_the_line_nearest_to_all(coder: Coder) -> None:
    (one,) = suggested(coder, ads(*VISUAL)).suggestions
    vectors = coder.memo(VISUAL)[0].astype(np.int64)
    near = vectors @ vectors.sum(axis=0)
    assert one.phrase in np.array(VISUAL)[np.argsort(-near)[:2]]  # the centre is weighted


def test_what_is_near_negative_anchors_is_proposed_as_negative(coder: Coder) -> None:
    (one,) = suggested(coder, ads(*YEARS), code=NEGATIVE).suggestions
    assert (one.code, one.nearest.code, one.facet) == (NEGATIVE, NEGATIVE, "requirements")
    assert one.likeliest in coder.scorer.pools.codes
    assert one.command().endswith("--facet requirements")


def test_only_one_code(coder: Coder) -> None:
    texts = ads(*VISUAL, *YEARS)
    assert {s.code for s in suggested(coder, texts).suggestions} == {"TASK2", NEGATIVE}
    assert {s.code for s in suggested(coder, texts, code="TASK2").suggestions} == {"TASK2"}
    assert suggested(coder, texts, code="SKILL4").suggestions == ()
    assert len(suggested(coder, texts, limit=1).suggestions) == 1


def test_ads_are_counted_once(coder: Coder) -> None:
    texts = ads(*VISUAL)
    (once,) = suggested(coder, texts).suggestions
    twice = [t.replace(line, f"{line}\n- {line}") for t, line in zip(texts, VISUAL, strict=True)]
    (within,) = suggested(coder, twice).suggestions
    assert (within.ads, within.segments) == (4, 4), "a line that stands twice in an ad"
    (again,) = suggested(coder, texts * 3).suggestions
    assert again == once, "an ad that comes three times"


def test_what_one_employer_puts_into_every_ad_is_one_wording(coder: Coder) -> None:
    same = ads(*[VISUAL[0]] * 6)
    assert suggested(coder, same).open >= 1
    assert suggested(coder, same).suggestions == ()
    (one,) = suggested(coder, same, min_ads=1).suggestions
    assert (one.ads, one.wordings, one.examples) == (6, 1, ())


def test_min_ads(coder: Coder) -> None:
    assert suggested(coder, ads(*VISUAL), min_ads=5).suggestions == ()
    everything = f"{TITLE}\n\n" + "\n".join(f"- {line}" for line in VISUAL)
    assert suggested(coder, [everything]).suggestions == (), "four wordings in one ad"
    assert suggested(coder, [everything], min_ads=1).suggestions[0].ads == 1


def test_the_more_ads_the_higher(coder: Coder) -> None:
    first, *_ = suggested(coder, ads(*VISUAL, *YEARS)).suggestions
    assert first.phrase in VISUAL
    more = [t.replace("station", f"station {i}") for i in range(12) for t in ads(*YEARS)]
    first, *_ = suggested(coder, ads(*VISUAL) + more).suggestions
    assert first.phrase in YEARS


@pytest.mark.parametrize(
    "line",
    [
        "data visualization",
        f"Experience with data visualization tools and {'many other interesting ' * 8}things",
        "Data gathering!",
    ],
    ids=["too short", "too long", "two words"],
)
def test_lines_that_are_no_phrases(coder: Coder, line: str) -> None:
    assert suggested(coder, ads(line), min_ads=1).lines == 1, "the other line of the ad"


def test_titles_are_no_phrases(coder: Coder) -> None:
    text = f"{VISUAL[0]}\n\nWe are near the station of Utrecht."
    assert suggested(coder, [text], min_ads=1).suggestions == ()
    assert suggested(coder, [f"{TITLE}\n\n{text}"], min_ads=1).suggestions != ()


HEADINGS = (
    "SKILLS AND KNOWLEDGE OF DATA VISUALIZATION",
    "Data Visualization Skills and Tools",
    "Experience with data visualization tools:",
)


def test_headings_say_nothing_by_themselves(coder: Coder) -> None:
    assert [suggest.is_heading(line) for line in (*HEADINGS, *VISUAL, *YEARS)] == [True] * 3 + [False] * 7
    assert suggest.is_heading("Ervaring en Kennis van Data")
    assert not any(map(suggest.is_heading, ("Build APIs with the team", "do it all", "数据 分析 经验", "3 - 5")))
    for heading, line in zip(HEADINGS, VISUAL, strict=False):
        found = suggested(coder, ads(heading, line), min_ads=1)
        assert [s.phrase for s in found.suggestions] == [line], heading


def test_headings_are_proposed_as_boilerplate(coder: Coder) -> None:
    (one,) = suggested(coder, ads(*[line.title() for line in YEARS])).suggestions
    assert (one.code, one.wordings) == (NEGATIVE, 3)


def test_lines_that_differ_in_numbers_are_one_wording(coder: Coder) -> None:
    lines = [f"{n}-{n + 2} years of professional experience" for n in (0, 1, 2, 5)]
    found = suggested(coder, ads(*lines))
    assert (found.open, found.suggestions) == (4, ())
    (one,) = suggested(coder, ads(*lines), min_ads=1).suggestions
    assert one.wordings == 1


def test_a_cluster_that_stands_for_nothing_in_particular(coder: Coder, monkeypatch: pytest.MonkeyPatch) -> None:
    (one,) = suggested(coder, ads(*VISUAL)).suggestions
    assert one.code == "TASK2"
    monkeypatch.setattr(suggest, "MOST", 1.01)
    assert suggested(coder, ads(*VISUAL)).suggestions == ()


def test_an_anchor_is_not_suggested_again(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though everything is open."""
    everything_open(monkeypatch)
    coder = load(study.index)
    for line, wanted in (
        ("Train models, that predict DEMAND.", []),
        ("Train models that predict", ["Train models that predict"]),
    ):
        found = suggested(coder, [f"{TITLE}\n\n- {line}"], min_ads=1)
        assert [s.phrase for s in found.suggestions] == wanted


def everything_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suggest, "BELOW", 100.0)
    monkeypatch.setattr(suggest, "ABOVE", 100.0)
    monkeypatch.setattr(suggest, "NEAR", 2.0)


def test_what_resembles_a_suggestion_is_covered_by_it(coder: Coder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suggest, "ALIKE", 0.97)
    assert len(suggested(coder, ads(*VISUAL), min_ads=1).suggestions) < len(VISUAL)
    monkeypatch.setattr(suggest, "COVERED", 1.1)
    assert len(suggested(coder, ads(*VISUAL), min_ads=1).suggestions) == len(VISUAL)


def test_order_and_batches_do_not_matter(small_coder: Coder, monkeypatch: pytest.MonkeyPatch) -> None:
    everything_open(monkeypatch)
    texts = [r["text"] for r in gold_rows()]
    wanted = suggested(small_coder, texts, min_ads=1)
    assert len(wanted.suggestions) == suggest.LIMIT
    for rows in (1, 7):
        assert suggest.suggest(small_coder, batches(texts, rows), min_ads=1) == wanted
    assert suggested(small_coder, texts[::-1], min_ads=1) == wanted


def test_of_many_lines_a_sample_is_held(small_coder: Coder, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same one in any order, and each of its lines counted from its first ad on."""
    monkeypatch.setattr(coding, "CHUNK_ADS", 2)
    monkeypatch.setattr(suggest, "_BLOCK", 4)
    texts = [f"{r['text']} " for r in gold_rows()]
    texts += [t.replace("\n", "\n\n") + "." for t in texts]

    def read(texts: list[str], most: int) -> Lines:
        lines = Lines(small_coder, most)
        for batch in batches(list(texts), 3):
            lines.read(batch)
            assert len(lines.held) <= most + most // 4 + 200
        lines.prune()
        return lines

    whole = read(texts, 1_000_000)
    assert whole.seen == len(whole.held) > 150
    for order in (texts, texts[::-1]):
        sample = read(order, 40)
        assert sorted(sample.held) == sorted(sorted(whole.held, key=lambda k: whole.held[k].number)[:40])
        assert len(whole.held) / 2 < sample.seen < len(whole.held) * 2
        for key, line in sample.held.items():
            other = whole.held[key]
            assert line.count == other.count
            assert set(line.ads) == set(other.ads)
            np.testing.assert_array_equal(sample.vectors[line.row], whole.vectors[other.row])
            np.testing.assert_allclose(sample.sums[line.row], whole.sums[other.row])
            assert sample.coded[line.row] == whole.coded[other.row]
    assert suggested(small_coder, texts, max_segments=40).held == 40


def test_ads_beyond_those_remembered_are_counted(coder: Coder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suggest, "REMEMBERED_ADS", 2)
    (one,) = suggested(coder, ads(*[VISUAL[0]] * 6, *VISUAL[1:3]), min_ads=2).suggestions
    assert (one.ads, one.wordings) == (8, 3)


def test_only_the_weightiest_are_clustered(coder: Coder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suggest, "MAX_CLUSTERED", 3)
    texts = ads(*VISUAL, *YEARS)
    found = suggested(coder, texts, min_ads=1)
    assert found.open == 7
    assert sum(s.wordings for s in found.suggestions) == 3
    monkeypatch.setattr(suggest, "MAX_CLUSTERED", 7)
    assert sum(s.wordings for s in suggested(coder, texts, min_ads=1).suggestions) > 3


def test_dutch(coder: Coder, monkeypatch: pytest.MonkeyPatch) -> None:
    everything_open(monkeypatch)
    found = suggested(coder, [f"{TITLE}\n\n- Je houdt van het visualiseren van de gegevens"], min_ads=1).suggestions
    assert {s.language for s in found} == {"nl"}
    assert "--language nl" in found[0].command()


# What cannot be read


def test_no_ads(coder: Coder) -> None:
    for texts in ([], [None, " \n", ""]):
        with pytest.raises(InputError, match="no ad that can be coded; expected ads with texts"):
            suggested(coder, texts)


def test_rows_without_text_are_passed_over(coder: Coder) -> None:
    assert suggested(coder, [None, *ads(*VISUAL), ""]) == suggested(coder, ads(*VISUAL))


def test_a_text_that_is_many_is_passed_over(coder: Coder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("embedcode.analysis.MAX_SEGMENTS", 20)
    assert suggested(coder, [*ads(*VISUAL), "Overlong. " * 50]) == suggested(coder, ads(*VISUAL))
    with pytest.raises(InputError, match="no ad"):
        suggested(coder, ["Overlong. " * 50])


def test_unknown_codes(coder: Coder) -> None:
    def never() -> Iterator[pa.RecordBatch]:
        raise AssertionError("read for nothing")
        yield

    with pytest.raises(BookError, match="Found no anchors of 'TASK9'; expected one of .*TASK1.*NEG"):
        suggest.suggest(coder, never(), code="TASK9")
    with pytest.raises(BookError, match="suggest-tools"):
        suggest.suggest(coder, never(), code="TECH1")


# The command


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    path = tmp_path / "ads.csv"
    with path.open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out)
        writer.writerow(["id", "body"])
        writer.writerows(enumerate(ads(*VISUAL, *YEARS)))
    return path


def run(*args: str | Path) -> Any:
    return CliRunner().invoke(cli.app, ["anchors", *map(str, args)])


def test_the_command(corpus: Path) -> None:
    done = run("suggest", corpus, "--text-column", "body")
    assert (done.exit_code, done.stderr) == (0, "")
    lines = [line.strip() for line in done.stdout.splitlines()]
    assert "4 ads, 4 wordings; TASK2 0." in done.stdout
    assert any(line.startswith('embedcode anchors add TASK2 "') for line in lines)
    assert any(line.startswith('embedcode anchors add NEG "') for line in lines)
    assert "against: requirements" in done.stdout


def test_the_shown_command_adds_the_phrase(corpus: Path, tmp_path: Path) -> None:
    book = tmp_path / "my books" / "anchors"
    assert run("copy", book).exit_code == 0
    done = run("suggest", corpus, "--text-column", "body", "--json", "--anchors", book)
    assert done.exit_code == 0, done.output
    rows = json.loads(done.stdout)
    assert [r["code"] for r in rows] == ["TASK2", NEGATIVE]
    assert rows[0].keys() == {*(f.name for f in dataclasses.fields(suggest.AnchorSuggestion)), "command"}
    for row in rows:
        program, group, *arguments = shlex.split(row["command"])
        assert (program, group) == ("embedcode", "anchors")
        assert run(*arguments).exit_code == 0
        assert (row["code"], row["phrase"], row["facet"], row["language"]) in {
            (a.code, a.phrase, a.facet, a.language) for a in read_book(book).anchors
        }


@pytest.mark.parametrize("phrase", ['build "smart" things', "cost $5 or `less`", "don't panic", "C:\\ drives", "wow!"])
def test_any_phrase_is_one_word_of_the_command(coder: Coder, phrase: str) -> None:
    (one,) = suggested(coder, ads(*VISUAL)).suggestions
    words = shlex.split(dataclasses.replace(one, phrase=phrase).command("my folder"))
    assert words[:5] == ["embedcode", "anchors", "add", "TASK2", phrase]
    assert words[-2:] == ["--anchors", "my folder"]


def test_nothing_to_suggest(corpus: Path) -> None:
    done = run("suggest", corpus, "--text-column", "body", "--min-ads", "9")
    assert (done.exit_code, done.stdout) == (0, "")
    assert "Nothing to suggest: of 14 different lines in 7 ads, 7 are near a threshold" in done.stderr
    assert "lower --min-ads" in done.stderr
    assert run("suggest", corpus, "--text-column", "body", "--min-ads", "9", "--json").stdout == "[]\n"


def test_a_sample_is_told(corpus: Path) -> None:
    done = run("suggest", corpus, "--text-column", "body", "--max-segments", "5")
    assert done.exit_code == 0
    assert "A sample: 5 of about" in done.stderr


def test_what_could_not_be_read_is_told(corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 and no more")
    done = run("suggest", corpus, tmp_path / "broken.parquet", "--text-column", "body")
    assert done.exit_code == 1
    assert "Not read: " in done.stderr
    assert "embedcode anchors add" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--text-column text", "no column `text`"),
        ("--text-column body --code TASK9", "Found no anchors of 'TASK9'"),
        ("--text-column body --index nope", "Found no bundle 'nope'"),
    ],
)
def test_bad_input(corpus: Path, arguments: str, message: str) -> None:
    done = run("suggest", corpus, *arguments.split())
    assert (done.exit_code, done.stdout) == (2, "")
    assert message in " ".join(done.stderr.split())
    (corpus.parent / "none.jsonl").write_text("", "utf-8")
    assert "no ad that can be coded" in run("suggest", corpus.parent / "none.jsonl").stderr
