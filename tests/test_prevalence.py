"""Shares corrected by a sample that people coded: the estimator, the census, what samples are taken and refused."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner

from embedcode import cli, review
from embedcode.coded import coded_schema
from embedcode.corpus import Corpus
from embedcode.errors import InputError
from embedcode.ppi import Shares, corrected
from embedcode.prevalence import Prevalence, Share, prevalence
from embedcode.prevalence_text import text
from embedcode.sample import read_sample
from embedcode.types import CodingBook

ML, GENAI, OTHER = PROFILES = ("ML Engineer", "GenAI Engineer", "Ambiguous / Not Relevant")
CODES = ("TASK3", "TASK4", "TECH1", "TECH4", "SKILL1")

Row = dict[str, Any]


def shown_text(found: Prevalence) -> str:
    return text(found, dict.fromkeys(CODES, "Something"))


# The estimator


def estimate(population: Sequence[int], sampled: Sequence[int], found: Sequence[int], level: float = 0.95) -> Shares:
    """With two machine labels: no, yes."""
    return corrected(*(np.array(x) for x in (population, sampled, found, (False, True))), level)


def test_worked_by_hand() -> None:
    found = estimate((700, 300), (70, 30), (7, 24))
    assert found.estimate == pytest.approx(0.7 * 7 / 70 + 0.3 * 24 / 30)


def test_the_estimate_is_that_of_ppi_plus_plus() -> None:
    """Angelopoulos, Duchi and Zrnic 2023, for a mean: from the ads one by one, not from counts."""
    rng = np.random.default_rng(3)
    for _ in range(20):
        people = rng.random(2000) < rng.uniform(0.1, 0.9)
        machine = np.where(rng.random(2000) < 0.8, people, ~people)
        n = 300
        y, f, rest = people[:n].astype(float), machine[:n].astype(float), machine[n:].astype(float)
        covariance = np.cov(y, f)
        tuned = covariance[0, 1] / covariance[1, 1] / (1 + n / len(rest))
        expected = tuned * rest.mean() + (y - tuned * f).mean()
        population = [(~machine).sum(), machine.sum()]
        sampled = [(~machine[:n]).sum(), machine[:n].sum()]
        found = [(people & ~machine)[:n].sum(), (people & machine)[:n].sum()]
        assert estimate(population, sampled, found).estimate == pytest.approx(expected)


def test_the_interval_is_the_published_one() -> None:
    """Newcombe 1998, Statistics in Medicine 17:873, method 10 for 56/70 - 48/80, whose generalisation MOVER is.

    Half of the population with 56/70 and half with 80-48 of 80 has a share of (1 + difference) / 2.
    """
    found = estimate((10**12, 10**12), (70, 80), (56, 80 - 48))
    assert 2 * found.low - 1 == pytest.approx(0.0524, abs=5e-5)
    assert 2 * found.high - 1 == pytest.approx(0.3339, abs=5e-5)


@pytest.mark.parametrize(("found", "level"), [(0, 0.95), (3, 0.95), (20, 0.9), (50, 0.99)])
def test_one_label_alone_has_wilsons_interval(found: int, level: float) -> None:
    from scipy.stats import binomtest

    expected = binomtest(found, 50).proportion_ci(level, method="wilson")
    got = estimate((0, 10**12), (0, 50), (0, found), level)
    assert (got.low, got.high) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_a_population_that_people_coded_whole_has_no_interval() -> None:
    found = estimate((60, 40), (60, 40), (3, 31))
    assert found.low == found.estimate == found.high == pytest.approx(0.34)


def test_a_label_that_the_sample_lacks_counts_as_the_machine_says() -> None:
    found = estimate((990, 10), (100, 0), (0, 0))
    assert found.estimate == pytest.approx(0.01)
    assert found.low == 0
    assert 0.03 < found.high < 0.06, "people may have found none in 100 by chance"


def test_an_interval_holds_its_estimate_and_stays_in_range() -> None:
    rng = np.random.default_rng(0)
    population = rng.integers(1, 50, (5000, 3))
    sampled = rng.integers(0, population + 1)
    found = rng.integers(0, sampled + 1)
    for level in (0.5, 0.95, 0.999):
        got = corrected(population, sampled, found, np.array([True, False, False]), level)
        assert (got.low >= 0).all() and (got.high <= 1).all()
        assert (got.low <= got.estimate + 1e-12).all() and (got.estimate <= got.high + 1e-12).all()


DRAWS = 20_000


def corpora(
    prevalence: float, sensitivity: float, specificity: float, ads: int, sampled: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Corpora and samples of them, as counts by what people and by what the machine say, shape (draws, 2, 2)."""
    cells = [
        *((1 - prevalence) * specificity, (1 - prevalence) * (1 - specificity)),
        *(prevalence * (1 - sensitivity), prevalence * sensitivity),
    ]
    rng = np.random.default_rng(1)
    sample, rest = (rng.multinomial(n, cells, DRAWS).reshape(DRAWS, 2, 2) for n in (sampled, ads - sampled))
    return sample + rest, sample


def share_covered(low: NDArray[np.float64], high: NDArray[np.float64], truth: NDArray[np.float64]) -> float:
    return float(((low <= truth + 1e-12) & (truth <= high + 1e-12)).mean())


def normal_interval(corpus: NDArray[np.int64], sample: NDArray[np.int64]) -> tuple[Any, Any]:
    """That of PPI++ for a finite population."""
    n, ads = sample.sum((1, 2)), corpus.sum((1, 2))
    y, f, both = sample[:, 1].sum(1) / n, sample[:, :, 1].sum(1) / n, sample[:, 1, 1] / n
    spread = f * (1 - f)
    slope = np.divide(both - y * f, spread, out=np.zeros(DRAWS), where=spread > 0)
    centre = y + slope * (corpus[:, :, 1].sum(1) / ads - f)
    variance = (y * (1 - y) - 2 * slope * (both - y * f) + slope**2 * spread) * (1 - n / ads) / (n - 1)
    half = 1.959964 * np.sqrt(np.maximum(variance, 0))
    return centre - half, centre + half


@pytest.mark.parametrize("rate", [0.02, 0.1, 0.3, 0.5, 0.8])
@pytest.mark.parametrize("machine", [(0.7, 0.9), (0.8, 0.96)])
@pytest.mark.parametrize("ads", [1_000, 20_000])
def test_the_interval_covers_where_the_naive_one_misses(rate: float, machine: tuple[float, float], ads: int) -> None:
    corpus, sample = corpora(rate, *machine, ads, 300)
    truth = corpus[:, 1].sum(1) / ads
    got = corrected(corpus.sum(1), sample.sum(1), sample[:, 1], np.array([False, True]), 0.95)
    assert share_covered(got.low, got.high, truth) == pytest.approx(0.95, abs=0.015)
    assert got.estimate.mean() == pytest.approx(truth.mean(), abs=0.002)
    naive = corpus[:, :, 1].sum(1) / ads
    half = 1.959964 * np.sqrt(naive * (1 - naive) / ads)
    assert share_covered(naive - half, naive + half, truth) < 0.85


@pytest.mark.parametrize("rate", [0.01, 0.03, 0.1])
def test_few_errors_in_the_sample_do_not_make_it_overconfident(rate: float) -> None:
    """A careful machine and 100 ads: the normal interval misses often, ours is rather too wide than too narrow."""
    corpus, sample = corpora(rate, 0.9, 0.99, 20_000, 100)
    truth = corpus[:, 1].sum(1) / 20_000
    got = corrected(corpus.sum(1), sample.sum(1), sample[:, 1], np.array([False, True]), 0.95)
    assert share_covered(got.low, got.high, truth) > 0.935
    assert share_covered(*normal_interval(corpus, sample), truth) < 0.9


# Coded ads and samples


def coded_row(i: int, profile: str | None = OTHER, codes: Sequence[str] = (), **more: Any) -> Row:
    """A row as the machine wrote it; a code may name a tool: `TECH1:Python`."""
    evidence = [{"code": c.split(":")[0], "tool": c.split(":")[1] if ":" in c else None} for c in codes]
    return {"id": f"ad {i}", "profile": profile, "language": "en", "codes": evidence, **more}


def people_row(i: int, profile: str = OTHER, codes: Sequence[str] = (), coders: int = 1, by: int | None = None) -> Row:
    """A row as people coded it, of whom `by` gave the codes."""
    spans = [{"start": 0, "end": 2, "code": c, "coders": by or coders} for c in codes if ":" not in c]
    tools = [{"name": c.split(":")[1], "code": c.split(":")[0], "coders": by or coders} for c in codes if ":" in c]
    whole = [{"start": 0, "end": 2}]
    row = {"id": f"ad {i}", "text": "Ad", "profile": profile, "segments": whole, "codes": spans, "tech": tools}
    return {**row, "coders": coders}


def write_coded(folder: Path, rows: Sequence[Row], kept: Sequence[pa.Field] = (), per_part: int = 1000) -> Path:
    folder.mkdir()
    parts = []
    for number, first in enumerate(range(0, len(rows), per_part)):
        table = pa.Table.from_pylist(rows[first : first + per_part], coded_schema(PROFILES, CODES, kept))
        pq.write_table(table, folder / f"part-{number:05d}.parquet")
        parts.append({"name": f"part-{number:05d}.parquet", "rows": len(table)})
    (folder / "manifest.json").write_text(json.dumps({"embedcode": "1", "parts": parts}))
    return folder


def write_people(path: Path, rows: Sequence[Row]) -> Path:
    pq.write_table(pa.Table.from_pylist(list(rows)), path)
    return path


def found_in(coded: Path, people: Path, book: CodingBook, **options: Any) -> Prevalence:
    return prevalence(coded, read_sample(people, PROFILES, CODES, vouched=True), book, **options)


def named(shares: Sequence[Share]) -> dict[str, Share]:
    return {s.name: s for s in shares}


@pytest.fixture
def study(tmp_path: Path) -> tuple[Path, Path]:
    """A corpus of 100 ads, and a sample of 40.

    The machine says GenAI of the first 30; people say so of 15 of the 20 of these in the sample, and of 2 of the 20
    others. It finds TASK3 in 50 ads, 20 of the sample; people agree. It finds Go in 10 ads, people in all of those in
    the sample, and call it golang.
    """
    rows = [
        coded_row(
            i,
            GENAI if i < 30 else OTHER,
            [*(["TASK3", "TASK3"] if i % 2 else []), *(["TECH1:Go"] if i % 10 == 0 else [])],
            sector="banks" if i < 50 else "trade",
        )
        for i in range(100)
    ]
    sampled = [*range(20), *range(60, 80)]
    people = [
        people_row(
            i,
            GENAI if i < 15 or 60 <= i < 62 else OTHER,
            [*(["TASK3"] if i % 2 else []), *(["TECH1:golang"] if i % 10 == 0 else [])],
        )
        for i in sampled
    ]
    coded = write_coded(tmp_path / "coded", rows, [pa.field("sector", pa.string())], per_part=33)
    return coded, write_people(tmp_path / "people.parquet", people)


def test_shares_worked_by_hand(study: tuple[Path, Path], book: CodingBook) -> None:
    found = found_in(*study, book)
    assert (found.overall.ads, found.overall.sampled, found.left_out, found.groups) == (100, 40, {}, ())
    shares = named(found.overall.shares)
    assert list(shares) == [*PROFILES, *CODES, "Go"]
    genai = shares[GENAI]
    assert (genai.coded, genai.naive, genai.found) == (30, 0.3, 17)
    assert genai.estimate == pytest.approx(0.3 * 15 / 20 + 0.7 * 2 / 20)
    assert shares[OTHER].estimate == pytest.approx(1 - 0.295)
    assert (shares["TASK3"].coded, shares["TASK3"].found, shares["TASK3"].estimate) == (50, 20, 0.5)
    assert (shares["TECH1"].coded, shares["Go"].coded, shares["Go"].found, shares["Go"].estimate) == (10, 10, 4, 0.1)
    assert (shares["TASK4"].coded, shares["TASK4"].estimate, shares["TASK4"].low) == (0, 0, 0)
    assert shares["TASK4"].high == pytest.approx(0.051, abs=0.005), "40 ads without it leave room for some"
    same = estimate((70, 30), (20, 20), (2, 15), 0.8)
    other = named(found_in(*study, book, level=0.8).overall.shares)[GENAI]
    assert (other.low, other.high) == pytest.approx((same.low, same.high))


def test_profiles_add_up_to_all(tmp_path: Path, book: CodingBook) -> None:
    rng = np.random.default_rng(0)
    machine, people = rng.integers(0, 3, (2, 300))
    coded = write_coded(tmp_path / "coded", [coded_row(i, PROFILES[m]) for i, m in enumerate(machine)])
    sample = write_people(tmp_path / "people.parquet", [people_row(i, PROFILES[people[i]]) for i in range(60)])
    estimates = [s.estimate for s in found_in(coded, sample, book).overall.shares[:3]]
    assert sum(x for x in estimates if x is not None) == pytest.approx(1)
    weight = np.bincount(machine) / 300
    part = [np.mean(people[:60][machine[:60] == m] == 1) for m in range(3)]
    assert estimates[1] == pytest.approx(float(weight @ part))


def test_a_code_counts_where_all_coders_gave_it(study: tuple[Path, Path], tmp_path: Path, book: CodingBook) -> None:
    coded, _ = study
    rows = [people_row(i, OTHER, ["SKILL1", "TECH4:LangChain"], coders=2, by=1 + i % 2) for i in range(40)]
    shares = named(found_in(coded, write_people(tmp_path / "two.parquet", rows), book).overall.shares)
    assert [shares[n].found for n in ("SKILL1", "TECH4", "LangChain")] == [20, 20, 20]


def test_tools_that_the_book_has_no_code_for_do_not_count(
    study: tuple[Path, Path], tmp_path: Path, book: CodingBook
) -> None:
    people = write_people(tmp_path / "p.parquet", [people_row(i, OTHER, ["OTHER:Word"]) for i in range(40)])
    assert "Word" not in named(found_in(study[0], people, book).overall.shares)


def test_people_who_did_not_look_for_tools(study: tuple[Path, Path], tmp_path: Path, book: CodingBook) -> None:
    table = pq.read_table(study[1]).drop_columns(["tech"])
    pq.write_table(table, tmp_path / "without.parquet")
    found = found_in(study[0], tmp_path / "without.parquet", book)
    shares = named(found.overall.shares)
    for name in ("TECH1", "Go"):
        assert (shares[name].naive, shares[name].found, shares[name].estimate) == (0.1, None, None)
    assert shares["TASK3"].estimate == 0.5
    assert "Not corrected: tools and their codes" in shown_text(found)


def test_only_some(study: tuple[Path, Path], book: CodingBook) -> None:
    assert list(named(found_in(*study, book, only=["GOLANG", "task3"]).overall.shares)) == ["TASK3", "Go"]
    with pytest.raises(InputError, match=r"Found 'TASK9' in --only; expected .* such as 'ML Engineer'"):
        found_in(*study, book, only=["TASK9", "Go"])


def test_what_does_not_count(tmp_path: Path, book: CodingBook) -> None:
    rows = [coded_row(i, GENAI) for i in range(60)]
    rows += [coded_row(60, None, error="no text"), coded_row(61, None, error="no text", duplicate_of="ad 1")]
    rows += [coded_row(62, ML, ["TASK3"], language="fr"), coded_row(63, ML, language="nl", duplicate_of="ad 2")]
    coded = write_coded(tmp_path / "coded", rows)
    people = write_people(tmp_path / "p.parquet", [people_row(i, GENAI) for i in (*range(40), 60, 62, 63)])
    found = found_in(coded, people, book)
    assert found.left_out == {
        "without a profile": 2,
        "in a language that is not covered": 1,
        "repeating another ad": 1,
    }
    assert (found.overall.ads, found.overall.sampled, found.sample_left_out) == (60, 40, 3)
    assert (named(found.overall.shares)[ML].coded, named(found.overall.shares)["TASK3"].coded) == (0, 0)
    assert "Left out: 2 ads without a profile." in shown_text(found)


# Groups


def test_shares_by_group(study: tuple[Path, Path], book: CodingBook) -> None:
    coded, people = study
    found = found_in(coded, people, book, by="sector")
    banks, trade = found.groups
    assert [(g.name, g.ads, g.sampled) for g in found.groups] == [("banks", 50, 20), ("trade", 50, 20)]
    share = named(banks.shares)[GENAI]
    assert (share.coded, share.naive, share.found) == (30, 0.6, 15)
    assert (share.estimate, share.low, share.high) == (None, None, None), "20 ads are too few"
    shown = shown_text(found)
    assert "GenAI Engineer by sector" in shown
    assert "Not corrected, since people coded fewer than 30 of their ads: 'banks', 'trade'." in shown
    (english,) = found_in(coded, people, book, by="language").groups
    assert english.shares == found.overall.shares
    assert trade.shares[1].coded == 0


def test_groups_are_corrected_by_their_own_ads(tmp_path: Path, book: CodingBook) -> None:
    """The machine errs in one sector only."""
    rows = [coded_row(i, GENAI if i % 2 else OTHER, sector=("banks", "trade")[i % 4 // 2]) for i in range(400)]
    people = [people_row(i, GENAI if i % 2 and i % 4 // 2 == 0 else OTHER) for i in range(160)]
    coded = write_coded(tmp_path / "coded", rows, [pa.field("sector", pa.string())])
    found = found_in(coded, write_people(tmp_path / "p.parquet", people), book, by="sector")
    assert [named(g.shares)[GENAI].estimate for g in found.groups] == [0.5, 0]
    assert [named(g.shares)[GENAI].naive for g in found.groups] == [0.5, 0.5]
    assert named(found.overall.shares)[GENAI].estimate == pytest.approx(0.25)


def test_periods(tmp_path: Path, book: CodingBook) -> None:
    dates = ["2025-01-31", "2025-03-01T10:00:00Z", "2025-04-01", "2024-12", None, "soon", "3/4/2025", ""]
    rows = [coded_row(i, date=dates[i % 8]) for i in range(80)]
    coded = write_coded(tmp_path / "coded", rows, [pa.field("date", pa.string())])
    people = write_people(tmp_path / "p.parquet", [people_row(i) for i in range(40)])
    found = found_in(coded, people, book, by="date", period="quarter")
    assert [(g.name, g.ads, g.sampled) for g in found.groups] == [
        ("2024-Q4", 10, 5),
        ("2025-Q1", 20, 10),
        ("2025-Q2", 10, 5),
    ]
    assert (found.undated, found.unread) == (20, {"soon": 10, "3/4/2025": 10})
    shown = shown_text(found)
    assert "In no group: 20 ads without a date." in shown
    assert "In no group: 20 ads whose date is not as in 2025-03-31: 'soon', '3/4/2025'." in shown


def test_a_number_that_is_none_is_no_value(tmp_path: Path, book: CodingBook) -> None:
    rows = [coded_row(i, year=2024.0 if i % 2 else float("nan")) for i in range(80)]
    coded = write_coded(tmp_path / "coded", rows, [pa.field("year", pa.float64())])
    people = write_people(tmp_path / "p.parquet", [people_row(i) for i in range(80)])
    assert [(g.name, g.ads) for g in found_in(coded, people, book, by="year").groups] == [("2024", 40), ("(none)", 40)]


def test_a_column_without_a_date(tmp_path: Path, book: CodingBook) -> None:
    rows = [coded_row(i, sector="banks") for i in range(40)]
    coded = write_coded(tmp_path / "coded", rows, [pa.field("sector", pa.string())])
    people = write_people(tmp_path / "p.parquet", [people_row(i) for i in range(40)])
    with pytest.raises(InputError, match=r"no date in the column sector \('banks'\); expected dates such as"):
        found_in(coded, people, book, by="sector", period="month")


def test_coded_ads_that_are_no_parquet(tmp_path: Path, book: CodingBook) -> None:
    (tmp_path / "coded.csv").write_text("id,profile\n", encoding="utf-8")
    people = write_people(tmp_path / "p.parquet", [people_row(i) for i in range(40)])
    with pytest.raises(InputError, match=r"Cannot read coded ads from .*coded\.csv"):
        found_in(tmp_path / "coded.csv", people, book)


def test_dates_of_a_date_column(tmp_path: Path, book: CodingBook) -> None:
    from datetime import date

    rows = [coded_row(i, date=date(2024 + i % 2, 5, 6)) for i in range(80)]
    coded = write_coded(tmp_path / "coded", rows, [pa.field("date", pa.date32())])
    people = write_people(tmp_path / "p.parquet", [people_row(i) for i in range(40)])
    found = found_in(coded, people, book, by="date", period="month")
    assert [(g.name, g.ads) for g in found.groups] == [("2024-05", 40), ("2025-05", 40)]


def test_ads_without_a_value_are_a_group(tmp_path: Path, book: CodingBook) -> None:
    rows = [coded_row(i, sector=("b", None, " ", "z")[i % 4]) for i in range(40)]
    coded = write_coded(tmp_path / "coded", rows, [pa.field("sector", pa.string())])
    people = write_people(tmp_path / "p.parquet", [people_row(i) for i in range(40)])
    groups = found_in(coded, people, book, by="sector").groups
    assert [(g.name, g.ads) for g in groups] == [("b", 10), ("z", 10), ("(none)", 20)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"by": "region"}, r"Cannot group by 'region'; .* has language, sector, spans, number\."),
        ({"by": "profile"}, "Cannot group by 'profile'; expected a column that does not come from the coding"),
        ({"by": "spans"}, r"The column spans holds list.*; expected text, numbers or dates"),
        ({"by": "number"}, r"The column number makes more than 200 groups, such as '0', '1', .* --period where"),
        ({"by": "sector", "period": "week"}, "Found the period 'week'; expected one of month, quarter, year"),
        ({"period": "month"}, "without a column of dates. Name the column with --by"),
        ({"level": 95}, "Found the level 95; expected one from 0.5"),
    ],
)
def test_what_makes_no_groups(tmp_path: Path, book: CodingBook, options: dict[str, Any], message: str) -> None:
    kept = [
        pa.field("sector", pa.string()),
        pa.field("spans", pa.list_(pa.int32())),
        pa.field("number", pa.int64()),
    ]
    coded = write_coded(tmp_path / "coded", [coded_row(i, number=i) for i in range(300)], kept)
    people = write_people(tmp_path / "p.parquet", [people_row(i) for i in range(40)])
    with pytest.raises(InputError, match=message):
        found_in(coded, people, book, **options)


# Samples


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    """300 ads, two of which have no profile, and two of which share an id."""
    rows = [coded_row(i, GENAI if i % 3 else ML) for i in range(300)]
    rows[7] = coded_row(7, None, error="no text")
    rows[11] = coded_row(11, None, error="no text")
    rows[13]["id"] = rows[12]["id"]
    return Corpus(write_coded(tmp_path / "corpus", rows))


def reviewed(corpus: Corpus, design: review.Design, count: int | None = None) -> list[Row]:
    """The first ads of a review, as its file holds them."""
    rows = review.draw(corpus, design)[:count]
    given = {n: getattr(design, n) for n in ("sample", "mode", "seed", "size", "reviewer")}
    ids = corpus.ads["id"].to_pylist()
    return [{**people_row(r, ML), "id": ids[r], "row": r, "population": len(corpus), **given} for r in rows]


def review_of(corpus: Corpus, rows: Sequence[Row], book: CodingBook) -> Prevalence:
    people = write_people(corpus.folder.parent / "review.parquet", rows)
    return prevalence(corpus.folder, read_sample(people, PROFILES, CODES), book)


@pytest.mark.parametrize("seed", range(3))
def test_a_review_is_taken_and_so_is_its_beginning(corpus: Corpus, book: CodingBook, seed: int) -> None:
    design = review.Design("ann", size=60, seed=seed)
    assert review_of(corpus, reviewed(corpus, design), book).overall.sampled == 60
    assert review_of(corpus, reviewed(corpus, design, 35), book).overall.sampled == 35
    everything = review_of(corpus, reviewed(corpus, review.Design("ann", size=300)), book)
    assert (everything.overall.sampled, everything.overall.ads) == (298, 298)
    assert [s.estimate for s in everything.overall.shares[:3]] == pytest.approx([1, 0, 0])


def test_a_review_as_the_workbench_keeps_it(tmp_path: Path, book: CodingBook) -> None:
    rows = [coded_row(i, GENAI, ["TASK3"], text=f"Ad {i}") for i in range(50)]
    corpus = Corpus(write_coded(tmp_path / "coded", rows, [pa.field("text", pa.string())]))
    kept = review.Review(tmp_path / "reviews", corpus, review.Design("ann", size=40))
    for row in kept.rows:
        kept.save(review.ReviewedAd(row, GENAI, 3, ((0, 2),), ((0, 2, "TASK3"),), (("Python", "TECH1"),)))
    shares = named(prevalence(corpus.folder, read_sample(kept.file, PROFILES, CODES), book).overall.shares)
    assert [shares[n].found for n in (GENAI, "TASK3", "TECH1", "Python")] == [40, 40, 40, 40]


@pytest.mark.parametrize(
    ("design", "message"),
    [
        ({"sample": "unsure"}, "cannot correct a share: its ads are those that the machine was least sure of"),
        ({"mode": "checking"}, "cannot correct a share: its ads were coded while seeing the machine's codes"),
        ({"sample": "unsure", "mode": "checking"}, "machine's codes and its ads are those .* least sure of"),
    ],
)
def test_other_reviews_are_refused_with_the_reason(
    corpus: Corpus, book: CodingBook, design: dict[str, str], message: str
) -> None:
    rows = reviewed(corpus, review.Design("ann", size=60, **design))  # type: ignore[arg-type]
    with pytest.raises(InputError, match=message):
        review_of(corpus, rows, book)
    with pytest.raises(InputError, match=message):
        read_sample(corpus.folder.parent / "review.parquet", PROFILES, CODES, vouched=True)


def test_samples_that_are_none_of_these_ads(corpus: Corpus, book: CodingBook) -> None:
    rows = reviewed(corpus, review.Design("ann", size=60))
    with pytest.raises(InputError, match="drawn from a corpus of 299 ads, but this one has 300"):
        review_of(corpus, [{**r, "population": 299} for r in rows], book)
    with pytest.raises(InputError, match=r"holds \d+ ads that its seed does not draw from this corpus"):
        review_of(corpus, [{**r, "seed": 5} for r in rows], book)
    with pytest.raises(InputError, match=r"60 of the 60 ads of .* are not in .*: 'x 0', 'x 1', 'x 2' and 57 more"):
        review_of(corpus, [{**r, "id": f"x {i}"} for i, r in enumerate(rows)], book)
    with pytest.raises(InputError, match="ads of 2 samples; expected those of one"):
        review_of(corpus, [*rows[:30], *({**r, "seed": 5} for r in rows[30:])], book)
    with pytest.raises(InputError, match="more than once in .*review.parquet"):
        review_of(corpus, [*rows, rows[3]], book)


def test_passed_over_ads_make_no_random_sample(corpus: Corpus, book: CodingBook) -> None:
    rows = reviewed(corpus, review.Design("ann", size=60), 50)
    with pytest.raises(InputError, match="2 ads were passed over while later ones were coded"):
        review_of(corpus, [*rows[:10], *rows[12:]], book)


def test_the_order_of_the_rows_in_the_file_does_not_matter(corpus: Corpus, book: CodingBook) -> None:
    rows = reviewed(corpus, review.Design("ann", size=60), 50)
    assert review_of(corpus, rows[::-1], book) == review_of(corpus, rows, book)


def test_too_few_ads(corpus: Corpus, book: CodingBook) -> None:
    rows = reviewed(corpus, review.Design("ann", size=60), 29)
    with pytest.raises(InputError, match=r"holds 29 ads that count in .*; expected 30 or more. Code more"):
        review_of(corpus, rows, book)


def test_files_that_do_not_say_how_they_were_drawn(study: tuple[Path, Path]) -> None:
    with pytest.raises(InputError, match="does not say how its ads were chosen.* say so with --random-sample"):
        read_sample(study[1], PROFILES, CODES)


def test_ids_that_are_unclear(study: tuple[Path, Path], corpus: Corpus, tmp_path: Path, book: CodingBook) -> None:
    rows = pq.read_table(study[1]).to_pylist()
    with pytest.raises(InputError, match=r"Found 'ad 0' more than once in .*twice.parquet"):
        read_sample(write_people(tmp_path / "twice.parquet", [*rows, rows[0]]), PROFILES, CODES, vouched=True)
    with pytest.raises(InputError, match=r"1 of the 41 ads of .* are not in .*: 'ad 500'"):
        found_in(study[0], write_people(tmp_path / "other.parquet", [*rows, people_row(500)]), book)
    with pytest.raises(InputError, match="Found the id 'ad 12' of the sample more than once"):
        found_in(corpus.folder, write_people(tmp_path / "p.parquet", [people_row(i) for i in range(13)]), book)


def test_another_coding_book(study: tuple[Path, Path], tmp_path: Path, book: CodingBook) -> None:
    rows = [coded_row(i, OTHER, ["TASK9"]) for i in range(80)]
    coded = write_coded(tmp_path / "strange", rows)
    with pytest.raises(InputError, match=r"Found 'TASK9' in .*name it with --anchors"):
        found_in(coded, study[1], book)


# The command


def run(*arguments: object) -> Any:
    return CliRunner().invoke(cli.app, ["prevalence", *map(str, arguments)])


def test_the_command(study: tuple[Path, Path], book_folder: Path) -> None:
    options = ("--random-sample", "--anchors", book_folder)
    shown = run(*study, *options)
    assert shown.exit_code == 0, shown.output
    lines = [" ".join(line.split()) for line in shown.stdout.splitlines()]
    assert lines[0] == "Shares of 100 ads, corrected with 40 ads coded by hand, with 95 % intervals"
    assert any(line.startswith("GenAI Engineer 29.5 % ") and line.endswith(" 30.0 % 30 17 of 40") for line in lines)
    found = json.loads(run(*study, *options, "--json", "--by", "sector", "--only", "TASK3").stdout)
    assert (found["level"], found["by"], [g["name"] for g in found["groups"]]) == (0.95, "sector", ["banks", "trade"])
    assert [(s["name"], s["estimate"]) for s in found["overall"]["shares"]] == [("TASK3", 0.5)]
    assert "PPI++" in found["method"]
    (study[0] / "manifest.json").unlink()
    assert "holds a run that is not finished" in run(*study, *options).stderr
    refused = run(*study, "--anchors", book_folder)
    assert refused.exit_code == 2
    assert "--random-sample" in refused.stderr
