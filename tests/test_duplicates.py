"""Near-duplicates: what is found, what is left alone, in any batches, by any workers, and from run to run."""

from __future__ import annotations

import csv
import inspect
import json
import random
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ads import ADS
from conftest import Study
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from embedcode import cli, minhash
from embedcode.documents import Columns, Source
from embedcode.duplicates import LEAST_ALIKE, THRESHOLD, Duplicates
from embedcode.errors import InputError, OutputError
from embedcode.folder import MANIFEST
from embedcode.keyindex import NONE, KeyIndex
from embedcode.minhash import ALGORITHM, HASHES, SHINGLE, agreement, containment, sign
from embedcode.originals import Originals
from embedcode.run import Bundled, run

TEXTS = [ad.text for ad in ADS]
WORDS = sorted({w for t in TEXTS for w in t.lower().split() if w.isascii() and w.isalpha()})


def prose(words: int, seed: int = 0) -> str:
    """A text that says nothing."""
    return " ".join(random.Random(seed).choices(WORDS, k=words))


def batch(texts: Iterable[str | None], titles: Sequence[str | None] | None = None, first: int = 0) -> pa.RecordBatch:
    """Texts as a batch of ads, whose ids are letters and numbers."""
    columns: dict[str, Any] = {"text": list(texts)}
    columns["id"] = [f"ad {first + i}" for i in range(len(columns["text"]))]
    if titles is not None:
        columns["title"] = titles
    return pa.record_batch([pa.array(c, pa.string()) for c in columns.values()], names=list(columns))


def found(texts: Sequence[str | None], titles: Sequence[str | None] | None = None, **options: Any) -> list[int]:
    """For each ad the place of the ad that it is marked as a near-duplicate of; -1 for none."""
    names = Duplicates(**options).duplicate_of(batch(texts, titles)).to_pylist()
    return [int(n.removeprefix("ad ")) if n else NONE for n in names]


def shingles(text: str) -> set[tuple[str, ...]]:
    """The word sequences of a text, found in another way."""
    words = re.findall(r"[^\W_]+", text.lower())
    return set(zip(*(words[i:] for i in range(SHINGLE)), strict=False))


# Signatures


def test_the_sizes_count_different_word_sequences() -> None:
    texts = [*TEXTS, "a b c d e " * 30, "one two three four", "one, two; three (four) five!", ""]
    assert sign(texts).sizes.tolist() == [len(shingles(t)) for t in texts]


def test_words_of_any_length_count_with_each_of_their_first_and_last_letters() -> None:
    for length in (1, 7, 8, 9, 15, 16):
        word = "x" * length
        others = [word + "x", *(word[:i] + "y" + word[i + 1 :] for i in range(length))]
        keys = sign([f"{w} b c d e" for w in (word, *others)]).keys
        assert not (keys[1:, -1] == keys[0, -1]).any()


def test_agreement_estimates_the_jaccard_similarity() -> None:
    errors = []
    for seed in range(60):
        words = prose(400, seed).split()
        cut = random.Random(seed).randrange(40, 400)
        one, other = " ".join(words), " ".join(words[:cut]) + " " + prose(150, 1000 + seed)
        exact = len(shingles(one) & shingles(other)) / len(shingles(one) | shingles(other))
        keys = sign([one, other]).keys
        deviation = np.sqrt(exact * (1 - exact) / HASHES)
        errors.append((float(agreement(keys[0], keys[1:])[0]) - exact) / deviation)
    assert abs(np.mean(errors)) < 3 / np.sqrt(len(errors))  # without bias
    assert 0.7 < np.std(errors) < 1.3  # with the deviation of as many independent draws
    assert np.abs(errors).max() < 4


def test_containment_follows_from_jaccard_and_sizes() -> None:
    one, other = set(range(100)), set(range(40, 300))
    jaccard = len(one & other) / len(one | other)
    assert containment(np.array([jaccard]), 100, np.array([260], np.uint32)) == pytest.approx([60 / 100])
    assert containment(np.array([1.0]), 5, np.array([5], np.uint32)) == [1.0]


@given(st.lists(st.text(alphabet="ab é•<b>&amp;\x00\ud800 \n", max_size=60), max_size=8))
def test_a_signature_depends_on_its_text_alone(texts: list[str]) -> None:
    together = sign(texts)
    for i, text in enumerate(texts):
        alone = sign([text])
        assert alone.sizes[0] == together.sizes[i]
        assert not alone.sizes[0] or (alone.keys[0] == together.keys[i]).all()


def test_a_signature_does_not_depend_on_the_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = sign(TEXTS)
    monkeypatch.setattr(minhash, "_CHUNK_CHARACTERS", 500)
    cut = sign(TEXTS)
    assert (whole.keys == cut.keys).all()
    assert (whole.sizes == cut.sizes).all()


def test_signatures_are_those_of_files_that_were_written_before() -> None:
    """Where they are not, `ALGORITHM` must change."""
    keys = sign(["We build a model that reads short texts."]).keys[0]
    assert ALGORITHM == "minhash 1"
    assert keys[[0, 1, 47, 48]].tolist() == [3792270808, 1565167907, 692907890, 2681262269]


# What is found


def repost(text: str, number: int) -> str:
    """An ad as it is posted once more: another title, city, date and reference."""
    title, *lines = text.split("\n")
    return "\n".join([f"{title} (m/f/d) - Utrecht", *lines, f"Ref. 2026-{number}, posted on {number % 28 + 1} May"])


LONG = [ad.text for ad in ADS if len(shingles(ad.text)) > 60 and not ad.cluster]


def test_copies_and_reposts_are_found() -> None:
    reposts = [repost(t, i) for i, t in enumerate(LONG)]
    n = len(LONG)
    assert n > 10
    assert found([*LONG, *reposts, *LONG])[n:] == [*range(n), *range(n)]
    assert found(LONG) == [NONE] * n


@pytest.mark.parametrize(
    "change",
    [
        lambda t: "".join(f"<p>{line}</p>" for line in t.split("\n")),
        lambda t: t.replace("\n", "\r\n").replace(" ", "\xa0"),
        lambda t: t.upper(),
        lambda t: t.replace("- ", "• ").replace(".", " |"),
        lambda t: " ".join(t.split()),
        lambda t: "\n".join(f"**{line}**" if line else "" for line in t.split("\n")),
    ],
    ids=["HTML", "line ends and spaces", "upper case", "punctuation", "one line", "Markdown"],
)
def test_layout_does_not_matter(change: Any) -> None:
    for text in LONG:
        assert found([text, change(text)]) == [NONE, 0]


def test_an_excerpt_is_found() -> None:
    for text in LONG:
        words = text.split()
        assert found([text, " ".join(words[: len(words) // 2])]) == [NONE, 0]


def test_ads_that_share_what_an_employer_always_says_are_left_alone() -> None:
    about, offer = prose(60, 1), prose(60, 2)
    ads = [f"{about}\n{prose(150, 10 + i)}\n{offer}" for i in range(30)]
    assert found(ads) == [NONE] * 30
    assert found([*ads, *ads])[30:] == list(range(30))


def test_a_short_ad_is_not_taken_for_a_part_of_a_long_one_by_chance() -> None:
    sentence = "our zoo hires people of every background and each season"
    ads = [f"{prose(1500, i)} {sentence}" for i in range(40)] + [f"{sentence} {prose(14, 100 + i)}" for i in range(40)]
    assert found(ads) == [NONE] * 80


def test_the_threshold_decides() -> None:
    words = prose(300).split()
    half = " ".join(words[:150]) + " " + prose(150, 1)
    assert found([" ".join(words), half], threshold=0.3) == [NONE, 0]
    assert found([" ".join(words), half], threshold=0.7) == [NONE, NONE]


def test_the_first_of_its_kind_is_named_whatever_lies_between() -> None:
    a, b = LONG[:2]
    assert found([a, b, repost(a, 1), repost(b, 2), a]) == [NONE, NONE, 0, 1, 0]


def test_small_changes_do_not_add_up() -> None:
    """Each ad is like the one before it, but what is marked is like the one that is named."""
    words = prose(700).split()
    ads = [" ".join(words[i * 20 : i * 20 + 200]) for i in range(25)]
    original = found(ads)
    assert original[1:3] == [0, 0]
    assert original.count(NONE) > 3
    for ad, of in zip(ads, original, strict=True):
        if of != NONE:
            one, other = shingles(ad), shingles(ads[of])
            assert len(one & other) / len(one) > THRESHOLD - 0.2  # the estimate has a deviation of 0.05


@given(st.lists(st.lists(st.sampled_from("abc"), min_size=SHINGLE, max_size=14).map(" ".join), max_size=60))
def test_identical_texts_are_always_found(texts: list[str]) -> None:
    """Also where all that they say has been said before, as in these, made of three words."""
    original = found(texts)
    for place, text in enumerate(texts):
        first = texts.index(text)
        if first < place:
            assert original[place] == (first if original[first] == NONE else original[first])


def test_a_text_whose_keys_all_belong_to_others_is_found() -> None:
    few = "one two three four five six"
    others = [f"{prose(40, 2 * i)} {few} {prose(40, 2 * i + 1)}" for i in range(3000)]
    assert found([*others, few, few])[-2:] == [NONE, 3000]


def test_titles_tell_short_texts_apart() -> None:
    text = "Apply on our website today, we look forward to it"
    titles = ["Data Engineer in the harbour of Rotterdam", "Nurse for the night shift at home"]
    assert found([text] * 4, [*titles, *titles]) == [NONE, NONE, 0, 1]
    assert found([text] * 3, [None, "", text]) == [NONE, 0, 0]
    assert found([LONG[0]] * 2, titles[:2]) == [NONE, 0]
    same = "Senior Data Engineer"
    assert found([same, same], [same, same]) == [NONE, NONE], "a title that is the text says nothing more"


def test_what_says_too_little_is_never_marked() -> None:
    seen = Duplicates()
    texts = [None, "", " \n", "Data Engineer", "Data Engineer", None, "...", "one two three four", LONG[0]]
    assert seen.duplicate_of(batch(texts)).to_pylist() == [None] * 9
    assert (seen.ads, seen.repeats, seen.short, len(seen.originals)) == (9, 0, 8, 1)


def test_an_ad_of_ten_megabytes() -> None:
    long = "\n".join(prose(2000, i) for i in range(700))
    assert len(long) > 9e6
    assert found([LONG[0], long, long + " end", LONG[0]]) == [NONE, NONE, 1, 0]


def stream(seed: int, count: int = 120) -> list[str]:
    """Ads and their reposts in disorder."""
    drawn = random.Random(seed)
    return [repost(drawn.choice(LONG), drawn.randrange(1000)) if drawn.random() < 0.7 else "" for _ in range(count)]


@pytest.mark.parametrize("rows", [1, 7, 50])
def test_batches_do_not_matter(rows: int) -> None:
    texts = stream(0) + [prose(30, i) for i in range(40)] + TEXTS
    whole = batch(texts)
    expected, cut = Duplicates().mark(whole), Duplicates()
    marks = [cut.mark(whole.slice(i, rows)) for i in range(0, len(texts), rows)]
    assert np.concatenate([m.original for m in marks]).tolist() == expected.original.tolist()
    assert np.concatenate([m.repeats for m in marks]).tolist() == expected.repeats.tolist()


@pytest.mark.parametrize("seed", range(5))
def test_batches_do_not_matter_where_many_share_a_key(seed: int) -> None:
    drawn = random.Random(seed)
    texts = [" ".join(drawn.choices("abc", k=drawn.randint(5, 30))) for _ in range(300)]
    expected = Duplicates().mark(batch(texts)).original.tolist()
    for rows in (13, 77):
        cut = Duplicates()
        marks = [cut.mark(batch(texts[i : i + rows], first=i)) for i in range(0, len(texts), rows)]
        assert [n for m in marks for n in m.original.tolist()] == expected


@given(st.lists(st.sets(st.integers(0, 400), max_size=150), max_size=12))
def test_a_table_finds_what_was_entered(steps: list[set[int]]) -> None:
    """Against a dictionary; keys are few, so that slots clash, and there are enough for the table to grow."""
    keys = np.arange(4000, dtype=np.uint32) // 8 * np.uint32(0x01000000) + np.arange(4000, dtype=np.uint32) % 8
    table, known = KeyIndex(), dict[int, int]()
    for step in steps:
        fresh = [n for n in step if int(keys[n]) not in known]
        numbers = np.array(list({int(keys[n]): n for n in fresh}.values()), dtype=np.int64)
        table.add(numbers, keys)
        known |= {int(keys[n]): int(n) for n in numbers}
        assert table.find(keys, keys).tolist() == [known.get(int(k), NONE) for k in keys]


def test_many_ads_that_say_the_same_in_other_order() -> None:
    """More originals than there was room for; each is found again."""
    lines = [prose(12, i) for i in range(300)]
    drawn = random.Random(0)
    ads = ["\n".join(drawn.sample(lines, 12)) for _ in range(3000)]
    assert found(ads).count(NONE) == 3000
    seen = Duplicates()
    seen.mark(batch(ads))
    again = seen.mark(batch(reversed(ads)))
    assert again.original.tolist() == list(range(3000))[::-1]
    assert again.repeats.all()


# From one run to the next


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """What is remembered of a stream of ads, and of an id with letters beyond ASCII."""
    seen = Duplicates()
    seen.mark(batch(stream(0)))
    seen.mark(pa.record_batch({"id": ["één 🚀"], "text": [prose(50)]}))
    seen.originals.save(tmp_path / "seen.npz")
    return tmp_path / "seen.npz"


def test_going_on_is_the_same_as_one_run(saved: Path) -> None:
    once, later = Duplicates(), Duplicates(originals=Originals.load(saved))
    once.mark(batch(stream(0)))
    once.mark(pa.record_batch({"id": ["één 🚀"], "text": [prose(50)]}))
    more = batch([*stream(1), prose(50), *(prose(40, i) for i in range(2000))], first=500)
    assert later.duplicate_of(more).to_pylist() == once.duplicate_of(more).to_pylist()
    assert "één 🚀" in later.duplicate_of(more).to_pylist()
    once.duplicate_of(more)
    assert later.originals.counts.tolist() == once.originals.counts.tolist()
    assert (later.ads, once.ads) == (2 * len(more), 2 * len(more) + 121)


def test_a_file_is_the_same_again(saved: Path, tmp_path: Path) -> None:
    Originals.load(saved).save(tmp_path / "again.npz")
    assert (tmp_path / "again.npz").read_bytes() == saved.read_bytes()
    Originals().save(tmp_path / "none.npz")
    assert len(Originals.load(tmp_path / "none.npz")) == 0


def test_a_damaged_file_is_refused(saved: Path, tmp_path: Path) -> None:
    data = saved.read_bytes()
    damaged = tmp_path / "damaged.npz"
    for place in range(0, len(data), max(1, len(data) // 200)):
        damaged.write_bytes(data[:place] + bytes([data[place] ^ 0x55]) + data[place + 1 :])
        try:
            loaded = Originals.load(damaged)
        except InputError as error:
            assert str(error).startswith(f"{damaged} ")
        else:  # the name or the date of a member of the archive; what is remembered is whole
            loaded.save(damaged)
            assert damaged.read_bytes() == data
    for length in (0, 10, len(data) // 2, len(data) - 1):
        damaged.write_bytes(data[:length])
        with pytest.raises(InputError, match="is no index of ads"):
            Originals.load(damaged)


def test_a_file_of_something_else_is_refused(saved: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.npz"
    with np.load(saved) as file:
        members = dict(file)
    for change in (
        {"keys": members["keys"][:, 1:]},
        {"sizes": members["sizes"][1:]},
        {"sizes": members["sizes"].astype(np.int64)},
        {"ends": members["ends"][::-1]},
        {"ids": members["ids"][:-1]},
        {"keys": np.array(["a"], dtype=object)},
    ):
        np.savez(other, **(members | change))
        with pytest.raises(InputError, match="is no index of ads that embedcode wrote"):
            Originals.load(other)
    np.savez(other, a=np.arange(3))
    with pytest.raises(InputError, match="is no index of ads that embedcode wrote"):
        Originals.load(other)
    np.savez(other, **(members | {"algorithm": np.array("minhash 0")}))
    with pytest.raises(InputError, match=r"another version of embedcode \(minhash 0; expected minhash 1\)"):
        Originals.load(other)
    with pytest.raises(InputError, match="is no index of ads"):
        Originals.load(tmp_path)


def test_a_file_that_cannot_be_written_stays_as_it_was(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = saved.read_bytes()
    originals = Originals.load(saved)

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OutputError, match="No space left on device"):
        originals.save(saved)
    assert saved.read_bytes() == data
    assert [p.name for p in saved.parent.iterdir()] == [saved.name]


# The command


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to stand in, with ads: the first one three times, the third one twice."""
    monkeypatch.chdir(tmp_path)
    texts = [LONG[0], "", repost(LONG[0], 1), LONG[1], LONG[0], repost(LONG[1], 2), LONG[2]]
    rows = [{"id": f"={i}", "text": t} for i, t in enumerate(texts)]
    pq.write_table(pa.Table.from_pylist(rows), "ads.parquet")
    Path("more.jsonl").write_text("".join(json.dumps({"id": f"b{i}", "text": LONG[i]}) + "\n" for i in (2, 3, 0)))
    pq.write_table(pa.table({"description": texts}), "plain.parquet")
    return tmp_path


def invoke(*args: str) -> Any:
    return CliRunner().invoke(cli.app, ["dedupe", *args])


def ok(*args: str) -> Any:
    done = invoke(*args)
    assert done.exit_code == 0, (args, done.output, done.exception)
    return done


def test_the_table_of_clusters(here: Path) -> None:
    done = ok("ads.parquet", "-o", "clusters.parquet")
    assert "7 ads in 3 clusters\nNear-duplicates of an ad before them: 3 ads (42.9%)\n" in done.stdout
    assert "3 × =0" in done.stdout
    assert "2 × =3" in done.stdout
    assert "× =6" not in done.stdout
    assert "Not compared: 1 ad of fewer than five words, or without text." in done.stderr
    table = pq.read_table("clusters.parquet").to_pydict()
    assert table == {
        "id": [f"={i}" for i in range(7)],
        "duplicate_of": [None, None, "=0", None, "=0", "=3", None],
        "cluster_size": [3, 1, 3, 2, 3, 2, 1],
    }
    ok("ads.parquet", "-o", "folder/clusters.csv")
    with Path("folder/clusters.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[:2] == [["id", "duplicate_of", "cluster_size"], ["'=0", "", "3"]]
    assert rows[3] == ["'=2", "'=0", "3"]
    assert len(rows) == 8


def test_options_of_the_input(here: Path) -> None:
    ok("plain.parquet", "-o", "a.parquet", "--text-column", "description", "--limit", "5")
    assert pq.read_table("a.parquet").to_pydict()["duplicate_of"] == [None, None, "0", None, "0"]
    ok("plain.parquet", "-o", "b.parquet", "--id-column", "description")
    assert pq.read_table("b.parquet").to_pydict()["duplicate_of"][2] == LONG[0]
    assert "7 ads in 5 clusters" in ok("ads.parquet", "--threshold", "1").stdout
    Path("none.jsonl").write_text("")
    assert "0 ads in 0 clusters" in ok("none.jsonl", "-o", "none.csv").stdout
    assert Path("none.csv").read_text("utf-8-sig") == "id,duplicate_of,cluster_size\n"


def test_the_index_goes_from_run_to_run(here: Path) -> None:
    first = ok("ads.parquet", "--index", "kept/seen.npz")
    assert "kept/seen.npz: 3 different ads, 3 of them new" in first.stdout
    then = ok("more.jsonl", "--index", "kept/seen.npz", "-o", "more.parquet")
    assert "kept/seen.npz: 4 different ads, 1 of them new" in then.stdout
    assert pq.read_table("more.parquet").to_pydict() == {
        "id": ["b2", "b3", "b0"],
        "duplicate_of": ["=6", None, "=0"],
        "cluster_size": [2, 1, 4],
    }


def test_what_cannot_be_done_is_told_first(here: Path) -> None:
    Path("clusters.csv").write_text("mine")
    Path("folder.csv").mkdir()
    for args, message in (
        (("ads.parquet", "-o", "clusters.csv"), "clusters.csv exists already. Replace it with --force"),
        (("ads.parquet", "-o", "clusters.xlsx"), "clusters.xlsx ends in none of .csv, .parquet"),
        (("ads.parquet", "-o", "folder.csv", "--force"), "folder.csv is no file"),
        (("ads.parquet", "--index", "ads.parquet"), "ads.parquet is no index of ads that embedcode wrote"),
        (("ads.parquet", "-o", "ads.parquet", "--force"), "ads.parquet is read by this command"),
        (("plain.parquet", "--index", "seen.npz"), "Found ads without a column of identifiers"),
        (("nothing.parquet",), "There is no file or folder nothing.parquet"),
        (("ads.parquet", "-o", "ads.parquet/clusters.csv"), "Cannot write ads.parquet/clusters.csv"),
        (("ads.parquet", "--index", "clusters.csv/seen.npz"), "Cannot write clusters.csv/seen.npz"),
    ):
        done = invoke(*args)
        assert (done.exit_code, message in done.stderr) == (2, True), (args, done.output)
    assert Path("clusters.csv").read_text() == "mine"
    assert sorted(p.name for p in here.iterdir()) == [
        *("ads.parquet", "clusters.csv", "folder.csv", "more.jsonl", "plain.parquet"),
    ]
    ok("ads.parquet", "-o", "clusters.csv", "--force")
    assert Path("clusters.csv").read_text("utf-8-sig").startswith("id,duplicate_of")


def test_a_broken_file_among_several(here: Path) -> None:
    Path("broken.parquet").write_bytes(b"PAR1 and no more")
    done = invoke("broken.parquet", "ads.parquet", "-o", "clusters.parquet")
    assert done.exit_code == 1
    assert "Not read: " in done.stderr
    assert pq.read_metadata("clusters.parquet").num_rows == 7


def test_the_threshold_that_help_shows_is_the_one_of_classify() -> None:
    assert inspect.signature(cli.dedupe).parameters["threshold"].default == THRESHOLD > LEAST_ALIKE


# Coding


@pytest.fixture
def ads(tmp_path: Path) -> Path:
    """Forty ads; a few of them are there again, or cannot be coded."""
    rows = [{"id": f"ad {i}", "text": t} for i, t in enumerate((LONG * 4)[:40])]
    rows[3]["text"], rows[4]["text"], rows[39]["id"] = "", None, "ad 0"
    path = tmp_path / "ads.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


def code(study: Study, source: Path, folder: Path, **options: Any) -> dict[str, bytes]:
    """Code ads and give the parts."""
    run(Source.open([str(source)], Columns()), folder, Bundled(str(study.index)), **options)
    return {p.name: p.read_bytes() for p in sorted(folder.glob("part-*.parquet"))}


def column(folder: Path, name: str = "duplicate_of") -> list[Any]:
    tables = [pq.read_table(p, columns=[name]) for p in sorted(folder.glob("part-*.parquet"))]
    values: list[Any] = pa.concat_tables(tables).column(name).to_pylist()
    return values


def test_classify_marks_what_dedupe_finds(built_study: Study, ads: Path, tmp_path: Path) -> None:
    code(built_study, ads, tmp_path / "out", dedupe=True, rows_per_part=7)
    marked = column(tmp_path / "out")
    texts = pq.read_table(ads).column("text").to_pylist()
    n = len(LONG)
    assert marked[:n] == [None] * n
    assert [m for m, t in zip(marked[n:], texts[n:], strict=True) if t] == [
        f"ad {i % n if i % n not in (3, 4) else i % n + n}" if i not in (n + 3, n + 4) else None for i in range(n, 40)
    ]
    assert marked == Duplicates().duplicate_of(pa.record_batch(pq.read_table(ads).to_pydict())).to_pylist()
    assert [i for i, e in enumerate(column(tmp_path / "out", "error")) if e] == [3, 4]
    manifest = json.loads((tmp_path / "out" / MANIFEST).read_bytes())
    assert manifest["duplicates"] == len(marked) - marked.count(None)


def test_workers_and_parts_do_not_matter(built_study: Study, ads: Path, tmp_path: Path) -> None:
    one = code(built_study, ads, tmp_path / "one", dedupe=True, workers=1, rows_per_part=6)
    two = code(built_study, ads, tmp_path / "two", dedupe=True, workers=2, rows_per_part=6)
    assert one == two
    code(built_study, ads, tmp_path / "large", dedupe=True, rows_per_part=1000)
    assert column(tmp_path / "large") == column(tmp_path / "one")


@pytest.mark.parametrize("lost", [(1,), (0, 3), (2, 3, 4, 5, 6)])
def test_a_run_that_was_stopped_ends_with_the_same_bytes(
    built_study: Study, ads: Path, tmp_path: Path, lost: tuple[int, ...]
) -> None:
    whole = code(built_study, ads, tmp_path / "out", dedupe=True, rows_per_part=6)
    (tmp_path / "out" / MANIFEST).unlink()
    for number in lost:
        (tmp_path / "out" / f"part-{number:05}.parquet").unlink()
    assert code(built_study, ads, tmp_path / "out", dedupe=True, rows_per_part=6) == whole


def test_only_a_run_that_marks_goes_on_with_marked_ads(built_study: Study, ads: Path, tmp_path: Path) -> None:
    code(built_study, ads, tmp_path / "marked", dedupe=True)
    with pytest.raises(OutputError, match="another bundle and options"):
        code(built_study, ads, tmp_path / "marked")
    code(built_study, ads, tmp_path / "plain")
    with pytest.raises(OutputError, match="another bundle and options"):
        code(built_study, ads, tmp_path / "plain", dedupe=True)


def test_without_it_nothing_is_marked_or_noted(built_study: Study, ads: Path, tmp_path: Path) -> None:
    code(built_study, ads, tmp_path / "plain")
    code(built_study, ads, tmp_path / "marked", dedupe=True)
    assert set(column(tmp_path / "plain")) == {None}
    plain, marked = (pq.read_table(tmp_path / f / "part-00000.parquet") for f in ("plain", "marked"))
    assert marked.schema.metadata == {**plain.schema.metadata, b"embedcode.dedupe": b"minhash 1, threshold 0.75"}
    assert marked.drop_columns("duplicate_of").equals(plain.drop_columns("duplicate_of"))
    assert "duplicates" not in json.loads((tmp_path / "plain" / MANIFEST).read_bytes())


def test_no_ads_at_all(built_study: Study, tmp_path: Path) -> None:
    (tmp_path / "ads.jsonl").write_text("")
    assert len(code(built_study, tmp_path / "ads.jsonl", tmp_path / "out", dedupe=True)) == 1
    assert column(tmp_path / "out") == []


def test_classify_tells_how_many(built_study: Study, ads: Path, tmp_path: Path) -> None:
    args = ("classify", str(ads), "-o", str(tmp_path / "out"), "--index", str(built_study.index), "--dedupe")
    done = CliRunner().invoke(cli.app, [*args, "--timings", "--workers", "1"])
    assert done.exit_code == 0, done.output
    marked = 40 - column(tmp_path / "out").count(None)
    assert f"Near-duplicates of an ad before them: {marked} ads (column duplicate_of)" in done.stdout
    assert "near-duplicates" in done.stdout
