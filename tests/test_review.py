"""Reviews: samples that can be drawn again, and files that agreement and building can read, or refuse."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ads import gold_rows
from conftest import Study

from embedcode import review as reviewing
from embedcode.corpus import Corpus
from embedcode.documents import Columns, Source
from embedcode.errors import InputError, OutputError
from embedcode.evaluate import evaluate
from embedcode.gold import read_gold
from embedcode.review import Design, Review, ReviewedAd, draw, reviews
from embedcode.run import Bundled, run

TEXTS = [str(r["text"]) for r in gold_rows()]
PROFILES = ("ML Engineer", "GenAI Engineer", "Ambiguous / Not Relevant")
CODES = ("TASK3", "TASK4", "TECH1", "TECH4", "SKILL1")


@pytest.fixture(scope="module")
def corpus(built_study: Study, tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    folder = tmp_path_factory.mktemp("reviewed")
    ads = [{"id": f"ad {i}", "text": t} for i, t in enumerate(TEXTS)]
    ads[3]["text"] = " "
    pq.write_table(pa.Table.from_pylist(ads), folder / "ads.parquet")
    run(Source.open([str(folder / "ads.parquet")], Columns()), folder / "coded", Bundled(str(built_study.index)))
    return Corpus(folder / "coded")


def found(row: int, profile: str = "ML Engineer") -> ReviewedAd:
    return ReviewedAd(row, profile, 2.0, ((0, 5), (6, 9)), ((0, 5, "TASK3"),), (("Python", "TECH1"), ("Foo", "OTHER")))


def test_a_random_sample_can_be_drawn_again(corpus: Corpus) -> None:
    ten = draw(corpus, Design("ann", size=10, seed=4))
    assert ten == draw(corpus, Design("bob", mode="checking", size=10, seed=4))
    assert ten == draw(corpus, Design("ann", size=20, seed=4))[:10]
    assert ten != draw(corpus, Design("ann", size=10, seed=5))
    everything = draw(corpus, Design("ann", size=1000))
    assert sorted(everything) == [i for i in range(len(TEXTS)) if i != 3]


def test_every_ad_is_as_likely(corpus: Corpus) -> None:
    drawn = [row for seed in range(400) for row in draw(corpus, Design("ann", size=4, seed=seed))]
    expected = len(drawn) / (len(TEXTS) - 1)
    counts = [drawn.count(row) for row in range(len(TEXTS)) if row != 3]
    # Binomial: four standard deviations on either side.
    assert all(abs(n - expected) < 4 * expected**0.5 for n in counts)


def test_the_least_sure_come_first(corpus: Corpus) -> None:
    rows = draw(corpus, Design("ann", sample="unsure", size=8))
    sure = corpus.ads["confidence"].to_pylist()
    assert [sure[r] for r in rows] == sorted(s for s in sure if s is not None)[:8]


def test_what_is_saved_is_there_again(corpus: Corpus, tmp_path: Path) -> None:
    design = Design("ann", size=5)
    review = Review(tmp_path / "reviews", corpus, design)
    first, second, *_ = review.rows
    assert review.next == first
    review.save(found(second))
    review.save(found(first))
    review.save(found(second, "GenAI Engineer"))
    again = Review(tmp_path / "reviews", corpus, design)
    assert again.done == review.done == {first: found(first), second: found(second, "GenAI Engineer")}
    assert again.next == review.rows[2]
    assert reviews(tmp_path / "reviews") == [design.key] == ["ann.random.blind.5.0"]
    assert Design.from_key(design.key) == design
    ads = read_gold(again.file, PROFILES, CODES)
    assert [(ad.id, ad.profile, ad.confidence) for ad in ads] == [
        (f"ad {first}", "ML Engineer", 2.0),
        (f"ad {second}", "GenAI Engineer", 2.0),
    ]
    assert [(c.start, c.end, c.code) for c in ads[0].codes] == [(0, 5, "TASK3")]
    assert [(t.name, t.code) for t in ads[0].tools] == [("Python", "TECH1"), ("Foo", "OTHER")]
    record = pq.read_table(again.file).to_pylist()[0]
    assert (record["sample"], record["mode"], record["size"], record["population"]) == (
        "random",
        "blind",
        5,
        len(TEXTS),
    )


def test_two_windows_on_one_review(corpus: Corpus, tmp_path: Path) -> None:
    one, other = (Review(tmp_path, corpus, Design("ann", size=4)) for _ in range(2))
    first, second, third, _ = one.rows
    one.save(found(first))
    other.save(found(second))
    one.save(found(third))
    assert list(Review(tmp_path, corpus, Design("ann", size=4)).done) == [first, second, third]


def test_agreement_takes_random_blind_samples_only(corpus: Corpus, tmp_path: Path) -> None:
    for sample in reviewing.SAMPLES:
        for mode in reviewing.MODES:
            review = Review(tmp_path, corpus, Design("ann", sample, mode, 3))
            for row in review.rows:
                review.save(found(row))
            if (sample, mode) == ("random", "blind"):
                assert evaluate(corpus.folder, review.file, PROFILES, CODES, resamples=10).ads == 3
            else:
                with pytest.raises(InputError, match="Expected a random sample that was coded blind"):
                    evaluate(corpus.folder, review.file, PROFILES, CODES, resamples=10)


@pytest.mark.parametrize(
    "design",
    [
        {"reviewer": ""},
        {"reviewer": "../ann"},
        {"reviewer": "a.b"},
        {"reviewer": "a" * 41},
        {"sample": "best"},
        {"mode": ""},
        {"size": 0},
        {"size": 10**6},
        {"seed": -1},
        {"seed": 2**31},
    ],
)
def test_designs_that_make_no_sense(design: dict[str, object]) -> None:
    with pytest.raises(InputError, match="expected"):
        Design(**{"reviewer": "ann", **design})  # type: ignore[arg-type]


@pytest.mark.parametrize("key", ["", "ann", "ann.random.blind.5", "ann.random.blind.5.x", "../x.random.blind.5.0"])
def test_keys_that_name_nothing(key: str) -> None:
    with pytest.raises(InputError):
        Design.from_key(key)


def test_files_that_are_no_review_of_this_corpus(corpus: Corpus, tmp_path: Path) -> None:
    design = Design("ann", size=3)
    review = Review(tmp_path, corpus, design)
    review.save(found(review.rows[0]))
    table = pq.read_table(review.file)
    pq.write_table(table.set_column(0, "id", pa.array(["other"])), review.file)
    with pytest.raises(InputError, match="review of another corpus"):
        Review(tmp_path, corpus, design)
    review.file.write_bytes(b"PAR1")
    with pytest.raises(InputError, match="cannot be read"):
        Review(tmp_path, corpus, design)
    (tmp_path / "notes.parquet").write_bytes(b"")
    assert reviews(tmp_path) == [design.key]


def test_nothing_is_lost_when_it_cannot_be_written(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    review = Review(tmp_path, corpus, Design("ann", size=3))
    review.save(found(review.rows[0]))
    before = review.file.read_bytes()

    def full(path: Path, data: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(reviewing, "write_whole", full)
    with pytest.raises(OutputError, match="No space left"):
        review.save(found(review.rows[1]))
    assert review.file.read_bytes() == before
    assert list(review.done) == [review.rows[0]]
    with pytest.raises(InputError, match="not in the sample"):
        review.save(found(3))
