"""Input as it is found in the wild: broken files, odd scripts, hostile markup, lines without end."""

from __future__ import annotations

import csv
import json
import random
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from embedcode import analysis, formats, segments
from embedcode.cli import app
from embedcode.coder import Coder
from embedcode.documents import Source
from embedcode.errors import InputError
from embedcode.formats import Pick, format_of
from embedcode.markup import mask
from embedcode.segments import segment
from embedcode.words import Splitter

TASKS = "You train models that predict demand, and talk with the team about Python and SQL."
ADS = [{"id": str(number), "text": f"{TASKS} Ad {number}: één euro €."} for number in range(40)]

WILD = [
    f"<script>if (a < b) {{ go() }}</script><style>p {{ color: red }}</style><p>R&eacute;sum&#233; &amp; {TASKS}</p>",
    f"<ul><li>{TASKS}<li>{TASKS.upper()}</ul><table><tr><td>&lt;b&gt;&nbsp;&unknown;&#xD800;&#x110000;</table",
    f"\u202eredro ni ton\u202c {TASKS} \u2066Python\u2069 \u200f{TASKS}",
    f"\U0001f469\u200d\U0001f4bb {TASKS} \U0001f1f3\U0001f1f1\U0001f44d\U0001f3fd\u2764\ufe0f {TASKS}",
    f"Pe\u0301 e\u0301e\u0301n {TASKS} Z\u0351\u036b\u0343algo\u0323\u0301 P\u0301y\u0301thon {TASKS}",
    f"دروس في التعلّم الآلي. Python و SQL\n{TASKS}\nאנחנו מחפשים מהנדס Python!",
    f"机器学习工程师。使用Python和SQL构建模型！データサイエンティスト、{TASKS}データ。머신러닝 Python",
    f"\x00\x01\x08{TASKS}\x0b\x0c\x1b[31m{TASKS}\x7f\x85\x95 {TASKS}\u2028\u2029\ufeff\ufffe\U0010ffff",
    f"İstanbul ǅ ß ﬁ Ⅻ ① ² 𝐏𝐲𝐭𝐡𝐨𝐧 Ｐｙｔｈｏｎ {TASKS}\r\n\r{TASKS}\n\r",
]


def write(path: Path, rows: list[dict[str, str]], encoding: str = "utf-8") -> Path:
    """Ads in the format that the name asks for."""
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix == ".csv":
        with path.open("w", encoding=encoding, newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding)
    return path


def read(path: Path, encoding: str = "utf-8") -> pa.Table:
    source = Source.open([str(path)], encoding=encoding)
    return pa.Table.from_batches(source.batches(100), source.schema)


def said(path: Path, *options: str) -> tuple[int, str]:
    """Exit status of `classify`, and what it prints."""
    result = CliRunner().invoke(app, ["classify", str(path), "-o", str(path.parent / "out"), *options])
    return result.exit_code, " ".join(result.output.split())


# Encodings


@pytest.mark.parametrize(("mark", "encoding"), [(b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")])
@pytest.mark.parametrize("name", ["ads.csv", "ads.jsonl"])
def test_utf_16_in_either_order(tmp_path: Path, name: str, mark: bytes, encoding: str) -> None:
    path = write(tmp_path / name, ADS, encoding)
    status, message = said(path)
    assert status == 2
    zero = path.read_bytes().index(0)
    assert f"is not utf-8: the first bad byte is 0x00 at byte offset {zero}" in message
    assert f"--encoding {encoding}" in message
    assert read(path, encoding).drop(["title", "error"]).to_pylist() == ADS
    path.write_bytes(mark + path.read_bytes())
    for asked in ("utf-8", "cp1252", encoding):
        assert read(path, asked).drop(["title", "error"]).to_pylist() == ADS


def test_another_encoding_is_refused_by_its_first_bad_byte(tmp_path: Path) -> None:
    path = write(tmp_path / "ads.csv", ADS, "cp1252")
    status, message = said(path)
    assert status == 2
    first = path.read_bytes().index(0xE9)
    assert f"is not utf-8: the first bad byte is 0xE9 at byte offset {first}" in message
    assert "--encoding cp1252" in message
    assert said(path, "--encoding", "cp1252")[0] == 0


# Files that are broken


@pytest.mark.parametrize("name", ["ads.parquet", "ads.csv", "ads.jsonl"])
def test_no_damage_goes_unforeseen(tmp_path: Path, name: str) -> None:
    """Whatever bytes a file holds, it is read or refused."""
    whole = write(tmp_path / name, ADS).read_bytes()
    chance = random.Random(8)
    kind, refused = format_of(tmp_path / name), 0
    for number in range(300):
        data = bytearray(whole)
        if number % 3 == 0:
            del data[chance.randrange(len(data)) :]
        for _ in range(number % 5 + 1):
            if data:  # half of them at the end, where Parquet has its footer
                first = chance.choice([0, max(len(data) - 800, 0)])
                data[chance.randrange(first, len(data))] = chance.randrange(256)
        (tmp_path / name).write_bytes(data)
        try:
            read(tmp_path / name)
        except InputError as error:
            refused += 1
            assert kind is not formats.Parquet or "--encoding" not in str(error)
            assert "Expected" in str(error) or "Found" in str(error)
    assert refused


def test_files_without_columns_or_rows(tmp_path: Path) -> None:
    pq.write_table(pa.table({}), tmp_path / "a.parquet")
    status, message = said(tmp_path / "a.parquet")
    assert status == 2
    assert "Found: nothing. Name the column of the ad texts: --text-column NAME." in message
    pq.write_table(pa.table({"text": pa.array([], pa.string())}), tmp_path / "b.parquet")
    assert said(tmp_path / "b.parquet")[0] == 0


def test_duplicate_ids_are_kept(tmp_path: Path) -> None:
    rows = [{"id": "a", "text": TASKS}, {"id": "a", "text": TASKS}, {"id": "b", "text": TASKS}]
    for name in ("ads.parquet", "ads.csv", "ads.jsonl"):
        assert read(write(tmp_path / name, rows))["id"].to_pylist() == ["a", "a", "b"]


# Much of it


def test_thousands_of_files(tmp_path: Path) -> None:
    endings = (".csv", ".jsonl", ".parquet")
    names = [f"{number:04}{endings[number % 3]}" for number in range(2000)]
    for name in names:
        write(tmp_path / name, ADS[:1])
    begin = time.process_time()
    assert len(read(tmp_path)) == len(names)
    assert time.process_time() - begin < 30


@pytest.mark.parametrize("name", ["ads.parquet", "ads.csv", "ads.jsonl"])
def test_long_ads_are_read_a_few_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(formats, "CHUNK_SIZE", 2000)
    path = write(
        tmp_path / name,
        [{"id": str(number), "text": "kort" if number < 100 else "a" * 1500 + str(number)} for number in range(150)],
    )
    kind = format_of(path)
    assert kind is not None
    file = kind(path, "utf-8")
    assert file.schema() is not None
    batches = list(file.read(Pick("text", None, "id", pa.schema([]))))
    assert pa.Table.from_batches(batches)["id"].to_pylist() == [str(number) for number in range(150)]
    assert max(batch.nbytes for batch in batches) < 10_000


def test_long_ads_among_many_short_ones_in_a_row_group(tmp_path: Path) -> None:
    long = "Wij zoeken een collega. " * 4000
    path = tmp_path / "ads.parquet"
    texts = [long if 5000 <= number < 5300 else "kort" for number in range(20_000)]
    pq.write_table(pa.table({"text": texts}), path)
    batches = list(formats.Parquet(path, "utf-8").read(Pick("text", None, None, pa.schema([]))))
    assert pa.Table.from_batches(batches)["text"].to_pylist() == texts
    assert max(batch.nbytes for batch in batches) < 40 * len(long)


# Scripts and signs


@pytest.mark.parametrize("text", WILD, ids=range(len(WILD)))
def test_offsets_slice_the_text_as_given(coder: Coder, text: str) -> None:
    ad = coder.classify([text], [text[:60]])[0]
    assert ad.error is None
    assert ad.codes
    for evidence in ad.codes:
        given = text if evidence.field == "text" else text[:60]
        assert given[evidence.start : evidence.end] == evidence.text


@settings(max_examples=60)
@given(st.lists(st.sampled_from([*WILD, "<", "&#", "**", "\n", "[a](", "\u202e", "\U0001f600\u200d", " "]), max_size=8))
def test_offsets_of_any_mixture(coder: Coder, pieces: list[str]) -> None:
    text = "".join(pieces)
    for evidence in coder.classify([text])[0].codes:
        assert text[evidence.start : evidence.end] == evidence.text


def test_scripts_and_styles_are_no_evidence(coder: Coder) -> None:
    (ad,) = coder.classify([f"<script>var x = 'Java and SQL';</script><style>/* Python */</style><p>{TASKS[:49]}</p>"])
    assert {evidence.tool for evidence in ad.codes} <= {None}


# Lines that a regular expression could choke on

UNITS = [
    *"*_[]()<>&#|`!.;:-'\"\\/,~+=•\x00\u202e",
    *(
        "[[[[",
        "](((",
        "[a](",
        "<a <a <a",
        "<!--",
        "<script>",
        "</",
        "&#&#",
        "&amp;",
        "&lt;a ",
        "**a**a",
        "*a ",
        "_a ",
        "` `",
    ),
    *(
        "\n\n",
        "\n ",
        "- - -",
        "\n- ",
        "\n| ",
        "|a",
        "\n#",
        " # ",
        "\\n",
        "a.",
        "a.b. ",
        "A. ",
        "a; A",
        "a: - ",
        "o ",
        "(a) ",
    ),
    *(
        " - Aa",
        "aaaaAa ",
        "a\n",
        "\na",
        "A\nb ",
        "', '",
        "['a', '",
        "...A",
        '.")',
        "\x00. ",
        "Python ",
        "R, ",
        "C/",
        "python1.1 ",
    ),
    *(
        "x Dart, Rust x\n",
        "(Dart, Scala) ",
        " Dart, Rust" + " zz" * 30,
        "Go to ",
        "At Google ",
        "漢字。",
        "e\u0301",
        "\U0001f600\u200d",
    ),
]


@pytest.mark.parametrize("unit", UNITS, ids=ascii)
def test_time_grows_linearly(coder: Coder, unit: str) -> None:
    def tools(text: str) -> object:
        return coder.reader._tools.find(text)

    stages: list[Callable[[str], object]] = [mask, segment, tools, lambda text: Splitter().split([text])]
    for stage in stages:
        times = []
        for size in (10_000, 40_000, 160_000):
            text = "Ab [" + unit * (size // len(unit)) + " end."
            begin = time.process_time()
            stage(text)
            times.append(time.process_time() - begin)
            if times[-1] > 20:
                break
        # Four times the text: quadratic work takes sixteen times as long, at both steps.
        assert times[-1] < 20
        assert times[-1] < 0.3 or min(after / max(before, 1e-4) for before, after in pairwise(times)) < 10


# Texts that are no ads


@pytest.mark.parametrize("unit", ["A. ", "a\n", "Build " + "- Run the models daily " * 400 + "\n"])
def test_a_text_of_too_many_sentences_costs_one_row(coder: Coder, monkeypatch: pytest.MonkeyPatch, unit: str) -> None:
    monkeypatch.setattr(segments, "MAX_SEGMENTS", 1000)
    monkeypatch.setattr(analysis, "MAX_SEGMENTS", 1000)
    texts = [TASKS, unit * 3000, TASKS, unit * 2000, TASKS]
    coded = coder.classify(texts)
    assert [ad.error is None for ad in coded] == [True, False, True, False, True]
    assert "more than 1,000 sentences" in str(coded[1].error)
    assert (coded[1].profile, coded[1].codes, coded[1].n_segments) == (None, (), 0)
    assert coded[2].codes == coder.classify([TASKS])[0].codes
    assert len(segment(unit * 3000)) < 3000
