"""Reading ads: one row out for every row in, whatever the files are like."""

from __future__ import annotations

import codecs
import gzip
import io
import json
import pickle
import random
import sys
import uuid
import zlib
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedcode import formats
from embedcode.documents import Columns, Source
from embedcode.errors import InputError
from embedcode.types import NO_TEXT

ADS: list[dict[str, Any]] = [
    {"id": "nl-1", "title": "Data scientist", "text": "Je bouwt modellen.\nWij bieden 25 dagen verlof."},
    {"id": "en-2", "title": "ML engineer", "text": 'You ship "models" to production, weekly; no tabs.'},
    {
        "id": "nl-3",
        "title": "Ontwikkelaar",
        "text": "Ervaring met C++ of naïeve Bayes: één jaar \U0001f469\u200d\U0001f4bb.",
    },
    {"id": "en-4", "title": "Analyst", "text": "Reports, dashboards\u2028and a bit of SQL."},
    {"id": "en-5", "title": "GenAI engineer", "text": "Prompting, retrieval,\r\nevaluation."},
]
TEXTS = [ad["text"] for ad in ADS]
ENCODING = "; if the file has another encoding, name it with --encoding"


def write_parquet(path: Path, rows: Any = ADS, **options: Any) -> Path:
    pq.write_table(rows if isinstance(rows, pa.Table) else pa.Table.from_pylist(rows), path, **options)
    return path


def write_json(path: Path, rows: Sequence[object] = ADS) -> Path:
    """JSON Lines; a string or bytes in `rows` is a line as it is."""
    lines = [row if isinstance(row, (str, bytes)) else json.dumps(row) for row in rows]
    path.write_bytes(b"".join((line.encode() if isinstance(line, str) else line) + b"\n" for line in lines))
    return path


def write_csv(path: Path, rows: Sequence[dict[str, Any]] = ADS, mark: str = ",", encoding: str = "utf-8") -> Path:
    def cell(value: object) -> str:
        return '"' + str(value).replace('"', '""') + '"'

    lines = [list(rows[0]), *(list(row.values()) for row in rows)]
    path.write_bytes("".join(mark.join(map(cell, line)) + "\r\n" for line in lines).encode(encoding))
    return path


def read(*inputs: Path | str, rows: int = 100, **options: Any) -> pa.Table:
    source = Source.open(list(map(str, inputs)), **options)
    table = pa.Table.from_batches(source.batches(rows), source.schema)
    assert source.problems == []
    assert table["id"].null_count == 0
    return table


def refused(*inputs: Path | str, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        read(*inputs, **options)
    assert caught.value.exit_status == 2
    return str(caught.value)


def begun(path: Path, **options: Any) -> tuple[pa.Table, str]:
    """What can be read of a file that breaks off, and the problem."""
    source = Source.open([str(path)], **options)
    table = pa.Table.from_batches(source.batches(100), source.schema)
    (problem,) = source.problems
    assert str(path) in problem or path.name in problem
    assert problem.endswith(f"Its first {len(table)} rows were read.")
    return table, problem


# One content, many files


WRITERS: dict[str, Callable[..., Path]] = {
    "ads.parquet": write_parquet,
    "ads.csv": write_csv,
    "ads.jsonl": write_json,
}


@pytest.mark.parametrize("rows", [1, 2, 7])
@pytest.mark.parametrize("name", WRITERS)
def test_formats_give_the_same(tmp_path: Path, name: str, rows: int) -> None:
    table = read(WRITERS[name](tmp_path / name), rows=rows)
    assert table.schema == formats.LAYOUT
    assert table.drop("error").to_pylist() == ADS
    assert table["error"].null_count == len(ADS)


@pytest.mark.parametrize("name", ["ads.csv.gz", "ADS.JSONL.GZ", "ads.tsv", "ads.ndjson", "ads.json", "ADS.CSV"])
def test_endings(tmp_path: Path, name: str) -> None:
    write = write_csv if ".csv" in name.lower() or ".tsv" in name else write_json
    path = write(tmp_path / name)
    if name.lower().endswith(".gz"):
        path.write_bytes(gzip.compress(path.read_bytes()))
    assert read(path)["text"].to_pylist() == TEXTS


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1), st.integers(1, 4))
def test_any_text_comes_through_every_format(values: list[str], rows: int) -> None:
    ads = [{"id": f"ad-{number}", "text": text} for number, text in enumerate(values)]
    with TemporaryDirectory() as folder:
        tables = [read(write(Path(folder) / name, ads), rows=rows) for name, write in WRITERS.items()]
    assert tables[0]["text"].to_pylist() == values
    assert tables[0] == tables[1] == tables[2]


def test_one_row_does_not_carry_its_neighbours(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "a.csv", [{"text": "Wij zoeken een collega. " * 100}] * 200)
    assert max(len(pickle.dumps(batch)) for batch in Source.open([str(path)]).batches(1)) < 5000


@pytest.mark.parametrize("rows", [1, 3, 5, 8, 1000])
def test_batches_have_the_rows_asked_for(tmp_path: Path, rows: int) -> None:
    ads = [{"text": f"Advertentie {number}"} for number in range(600)]
    write_parquet(tmp_path / "a.parquet", ads[:300], row_group_size=7)
    write_csv(tmp_path / "b.csv", ads[300:301])
    write_json(tmp_path / "c.jsonl", ads[301:])
    batches = list(Source.open([str(tmp_path)]).batches(rows))
    assert {len(batch) for batch in batches[:-1]} <= {rows}
    assert len(batches) == -(-600 // rows)
    table = pa.Table.from_batches(batches)
    assert table["text"].to_pylist() == [ad["text"] for ad in ads]
    assert table["id"].to_pylist() == [str(number) for number in range(600)]


@pytest.mark.parametrize(("limit", "expected"), [(0, 0), (2, 2), (5, 5), (6, 6), (99, 10)])
def test_limit(tmp_path: Path, limit: int, expected: int) -> None:
    inputs = write_parquet(tmp_path / "a.parquet"), write_csv(tmp_path / "b.csv")
    assert read(*inputs, limit=limit, rows=3).num_rows == expected


def test_batches_can_be_read_again(tmp_path: Path) -> None:
    source = Source.open([str(write_json(tmp_path / "a.jsonl", [*ADS, {"text": "x", "n": 1}]))], Columns(keep=("n",)))
    assert list(source.batches(4)) == list(source.batches(4))


@pytest.mark.parametrize("rows", [0, -1])
def test_batches_of_no_rows(tmp_path: Path, rows: int) -> None:
    with pytest.raises(ValueError, match="batch"):
        list(Source.open([str(write_csv(tmp_path / "a.csv"))]).batches(rows))


# Finding files


def test_folder_takes_ads_by_name(tmp_path: Path) -> None:
    for name in ("b.parquet", "_part.parquet", ".hidden.parquet"):
        write_parquet(tmp_path / name, [{"text": name}])
    for name in ("c.jsonl", "a.json", "manifest.json"):
        write_json(tmp_path / name, [{"text": name}])
    (tmp_path / "notes.txt").write_text("niet voor ons")
    write_csv((tmp_path / "deeper.csv"), [{"text": "deeper.csv"}]).rename(tmp_path / "d.csv")
    (tmp_path / "e.parquet").mkdir()
    source = Source.open([str(tmp_path)])
    assert [path.name for path in source.files] == ["a.json", "b.parquet", "c.jsonl", "d.csv"]
    assert pa.Table.from_batches(source.batches(9))["text"].to_pylist() == [
        "a.json",
        "b.parquet",
        "c.jsonl",
        "deeper.csv",
    ]


def test_globs_and_order(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    first = write_json(tmp_path / "z.jsonl", [{"text": "z"}])
    for name in ("b", "a", "[x]"):
        write_json(tmp_path / "in" / f"{name}.jsonl", [{"text": name}])
    assert read(first, tmp_path / "**" / "*.jsonl")["text"].to_pylist() == ["z", "[x]", "a", "b"]
    assert read(tmp_path / "in" / "[x].jsonl")["text"].to_pylist() == ["[x]"]


def test_nothing_to_read(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("geen advertenties")
    assert "no file or folder" in (message := refused(tmp_path / "ads.csv"))
    assert "notes.txt" in message
    assert "does not exist either" in refused(tmp_path / "nowhere" / "ads.csv")
    assert "matches no file" in refused(tmp_path / "*.csv")
    assert "holds no ads" in refused(tmp_path / "empty")
    assert "found: empty, notes.txt" in refused(tmp_path)
    assert "ends in none of .parquet, .csv" in refused(tmp_path / "notes.txt")
    assert "along with files" in refused("-", tmp_path)
    assert "cannot be opened" in refused("Wij zoeken een collega. " * 200)
    assert "klingon" in refused(tmp_path, encoding="klingon")
    assert "base64" in refused(tmp_path, encoding="base64")


def test_coded_ads_are_refused(tmp_path: Path) -> None:
    write_parquet(tmp_path / "part-0.parquet", [{"id": "1", "profile": "x", "codes": [1], "strengths": 1, "text": "y"}])
    write_json(tmp_path / "manifest.json", ["{}"])
    assert "output of `embedcode classify`" in refused(tmp_path)
    assert read(tmp_path, columns=Columns(text="text"))["text"].to_pylist() == ["y"]


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_empty_files(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\n \n" if name == "a.jsonl" else b"")
    assert read(tmp_path / name, columns=Columns(text="x", keep=("y",))).num_rows == 0


def test_no_rows(tmp_path: Path) -> None:
    write_parquet(tmp_path / "a.parquet", pa.table({"text": pa.array([], pa.string())}))
    (tmp_path / "b.csv").write_text("text,id\n")
    assert list(Source.open([str(tmp_path)]).batches(3)) == []


# Columns


@pytest.mark.parametrize("write", [write_parquet, write_csv, write_json])
def test_obvious_names(tmp_path: Path, write: Any) -> None:
    name = {write_parquet: "a.parquet", write_csv: "a.csv", write_json: "a.jsonl"}[write]
    path = write(tmp_path / name, [{"Body": "nee", " Full_Text": "ja", "FUNCTIETITEL": "Analist", "Job_ID": "j7"}])
    assert read(path).to_pylist() == [{"id": "j7", "title": "Analist", "text": "ja", "error": None}]
    named = read(path, columns=Columns(text="Body", title="Job_ID", id=" Full_Text"))
    assert named.to_pylist() == [{"id": "ja", "title": "j7", "text": "nee", "error": None}]


def test_exact_name_goes_first(tmp_path: Path) -> None:
    assert read(write_csv(tmp_path / "a.csv", [{"Text": "nee", "text": "ja"}]))["text"].to_pylist() == ["ja"]


def test_columns_may_differ_between_files(tmp_path: Path) -> None:
    write_csv(tmp_path / "a.csv", [{"text": "een", "id": "1"}])
    write_json(tmp_path / "b.jsonl", [{"description": "two", "title": "T"}])
    assert read(tmp_path).to_pylist() == [
        {"id": "1", "title": None, "text": "een", "error": None},
        {"id": "1", "title": "T", "text": "two", "error": None},
    ]


def test_missing_columns(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "a.csv", [{"kop": "Analist", "tekst": "Wij zoeken jou"}])
    assert "Found: kop, tekst. Name the column" in refused(path)
    for columns in (Columns(text="x"), Columns(text="kop", title="x"), Columns(text="kop", id="x")):
        assert "no column `x`" in (message := refused(path, columns=columns))
        assert "Found: kop, tekst" in message
    assert "no column x, y (--keep)" in refused(path, columns=Columns(text="kop", keep=("x", "kop", "y")))
    many = write_csv(tmp_path / "b.csv", [{f"c{number}": 1 for number in range(50)}])
    assert "and 30 more" in refused(many)
    assert "a.csv" in refused(tmp_path, columns=Columns(text="c1"))


def test_a_name_that_is_there_twice(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,text,n,n\na,b,1,2\n")
    assert "2 columns called `text`" in refused(tmp_path / "a.csv")
    assert "2 columns called `n`" in refused(tmp_path / "a.csv", columns=Columns(text="n"))
    (tmp_path / "b.csv").write_text("text,n,n\na,1,2\n")
    assert "2 columns called `n`" in refused(tmp_path / "b.csv", columns=Columns(keep=("all",)))
    assert read(tmp_path / "b.csv")["text"].to_pylist() == ["a"]


def test_ids(tmp_path: Path) -> None:
    def ids(values: pa.Array) -> list[str]:
        table = pa.table({"text": ["x"] * len(values), "id": values})
        return read(write_parquet(tmp_path / "a.parquet", table))["id"].to_pylist()  # type: ignore[no-any-return]

    assert ids(pa.array([7, None, -(2**40)])) == ["7", "1", str(-(2**40))]
    assert ids(pa.array([7.0, 2.5])) == ["7", "2.5"]
    assert ids(pa.array(["a", "", None, " "])) == ["a", "1", "2", "3"]
    assert ids(pa.array(["a", "b", "a"]).dictionary_encode()) == ["a", "b", "a"]
    assert ids(pa.array([b"a", b"\xff\x00", None])) == ["a", "\\xff\x00", "2"]
    assert ids(pa.array([date(2026, 1, 31)])) == ["2026-01-31"]
    key = uuid.UUID(int=5)
    assert ids(pa.array([key.bytes, None], pa.uuid())) == [str(key), "1"]
    assert ids(pa.array([[1], [2]])) == ["0", "1"]
    assert "cannot be the id: it holds list" in refused(tmp_path / "a.parquet", columns=Columns(id="id"))
    rows = [{"text": "x", "id": value} for value in (7, 7.0, 1e20, 10**30, "a", None, "", True, [1], "\ud800")]
    assert read(write_json(tmp_path / "a.jsonl", rows))["id"].to_pylist() == (
        ["7", "7", "1e+20", str(10**30), "a", "5", "6", "true", "[1]", "\\ud800"]
    )


def test_ids_count_over_files(tmp_path: Path) -> None:
    for name in ("a.jsonl", "b.jsonl"):
        write_json(tmp_path / name, [{"text": "x"}, "broken", {"text": "y"}])
    assert read(tmp_path)["id"].to_pylist() == ["0", "1", "2", "3", "4", "5"]


def test_titles(tmp_path: Path) -> None:
    rows = [{"text": "x", "title": value} for value in ("Analist", "", "  ", None, 7, ["a"])]
    assert read(write_json(tmp_path / "a.jsonl", rows))["title"].to_pylist() == ["Analist"] + [None] * 5
    numbers = write_parquet(tmp_path / "b.parquet", [{"text": "x", "title": 7, "job_title": "Analist"}])
    assert read(numbers)["title"].to_pylist() == ["Analist"]
    assert "cannot be the title: it holds int64" in refused(numbers, columns=Columns(title="title"))


# Kept columns


def test_kept_columns(tmp_path: Path) -> None:
    table = pa.table(
        {
            "id": [1, 2],
            "title": ["a", "b"],
            "text": pa.array(["x", "y"], pa.large_string()),
            "day": pa.array([date(2026, 1, 1), None]),
            "sector": pa.array(["zorg", "zorg"]).dictionary_encode(),
            "skills": [["R"], []],
        }
    )
    path = write_parquet(tmp_path / "a.parquet", table)
    source = Source.open([str(path)], Columns(keep=("text", "day", "text", "id")))
    assert source.kept == pa.schema([("text", pa.large_string()), ("day", pa.date32())])
    assert source.schema.names == ["id", "title", "text", "error", "keep:text", "keep:day"]
    everything = Source.open([str(path)], Columns(keep=("all",)))
    assert everything.kept.names == ["title", "text", "day", "sector", "skills"]
    (batch,) = everything.batches(9)
    assert batch.schema == everything.schema
    assert batch["keep:sector"].to_pylist() == ["zorg", "zorg"]
    assert batch["keep:sector"].type == pa.string()
    assert batch["keep:skills"].to_pylist() == [["R"], []]


def test_kept_names_that_clash(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "a.csv", [{"text": "x", "language": "nl", "id": "1", "ad_id": "2", "day": "3"}])
    assert "--keep text,ad_id,day" in (message := refused(path, columns=Columns(keep=("all",))))
    assert message.startswith("The columns language cannot be kept")
    assert "columns id cannot be kept" in refused(path, columns=Columns(id="ad_id", keep=("id",)))
    assert read(path, columns=Columns(id="ad_id", keep=("ad_id",)))["keep:ad_id"].to_pylist() == ["2"]


def test_kept_from_several_files(tmp_path: Path) -> None:
    write_parquet(tmp_path / "a.parquet", [{"text": "x", "n": 1, "m": 1, "k": [1]}])
    write_parquet(tmp_path / "b.parquet", [{"text": "y", "n": 2.5, "m": date(2026, 1, 1)}])
    write_csv(tmp_path / "c.csv", [{"text": "z", "m": "drie", "n": "3"}])
    parquet = tmp_path / "*.parquet"
    table = read(parquet, columns=Columns(keep=("all",)))
    assert table["keep:n"].to_pylist() == [1.0, 2.5]
    assert table["keep:k"].to_pylist() == [[1], None]
    assert read(tmp_path, columns=Columns(keep=("m", "n"))).select(["keep:m", "keep:n"]).to_pydict() == {
        "keep:m": ["1", "2026-01-01", "drie"],
        "keep:n": ["1", "2.5", "3"],
    }
    assert "b.parquet has no column k" in refused(parquet, columns=Columns(keep=("k",)))
    write_csv(tmp_path / "d.csv", [{"text": "z", "k": "vier"}])
    assert "Column `k` cannot be kept: it is list" in refused(tmp_path, columns=Columns(keep=("all",)))


def test_kept_from_json(tmp_path: Path) -> None:
    rows = [
        {
            "text": "x",
            "n": 1,
            "f": 1,
            "s": "a",
            "b": True,
            "l": [1, "é"],
            "t": "2026",
            "big": 2**70,
            "none": None,
        },
        {"text": "y", "n": 2, "f": 0.5, "s": None, "b": None, "l": {"a": 1}, "t": 2026, "big": 1},
        {"text": 3, "s": "\ud800"},
    ]
    path = write_json(tmp_path / "a.jsonl", rows)
    source = Source.open([str(path)], Columns(keep=("all",)))
    assert dict(zip(source.kept.names, source.kept.types, strict=True)) == {
        **dict.fromkeys(["text", "s", "l", "t", "big", "none"], pa.string()),
        "n": pa.int64(),
        "f": pa.float64(),
        "b": pa.bool_(),
    }
    table = pa.Table.from_batches(source.batches(9))
    assert {name: table["keep:" + name].to_pylist() for name in source.kept.names} == {
        "text": ["x", "y", "3"],
        "n": [1, 2, None],
        "f": [1.0, 0.5, None],
        "s": ["a", None, "\\ud800"],
        "b": [True, None, None],
        "l": ['[1, "é"]', '{"a": 1}', None],
        "t": ["2026", "2026", None],
        "big": [str(2**70), "1", None],
        "none": [None, None, None],
    }


def test_kept_json_values_of_another_type_than_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "HEAD_LINES", 2)
    values = [1, 2, "drie", 2.5, True, 2**64, 4, None]
    path = write_json(tmp_path / "a.jsonl", [{"text": "x", "n": value} for value in values])
    source = Source.open([str(path)], Columns(keep=("n",)))
    for _ in range(2):
        table = pa.Table.from_batches(source.batches(3))
        assert table["keep:n"].to_pylist() == [1, 2, None, None, None, None, 4, None]
        assert table["error"].null_count == 8
        (problem,) = source.problems
        assert "4 values of `n` are not int64" in problem


# Rows that cannot be coded


@pytest.mark.parametrize("name", WRITERS)
def test_no_text_is_the_same_in_all_formats(tmp_path: Path, name: str) -> None:
    values = ["Goed", "", " \t\n", "\u00a0\u2003"]
    table = read(WRITERS[name](tmp_path / name, [{"id": "a", "text": value} for value in values]))
    assert table["error"].to_pylist() == [None, NO_TEXT, NO_TEXT, NO_TEXT]


def test_null_text(tmp_path: Path) -> None:
    rows = [{"text": "x"}, {"text": None}]
    assert read(write_json(tmp_path / "a.jsonl", [*rows, {"title": "x"}]))["error"].to_pylist() == [
        None,
        NO_TEXT,
        NO_TEXT,
    ]
    assert read(write_parquet(tmp_path / "a.parquet", rows))["error"].to_pylist() == [None, NO_TEXT]
    assert read(write_parquet(tmp_path / "a.parquet", rows[1:]))["error"].to_pylist() == [NO_TEXT]


@pytest.mark.parametrize(
    "type",
    [
        pa.large_string(),
        pa.string_view(),
        pa.binary(),
        pa.large_binary(),
        pa.binary_view(),
        pa.binary(2),
        pa.dictionary(pa.int32(), pa.string()),
        pa.dictionary(pa.int8(), pa.large_string()),
    ],
    ids=str,
)
def test_parquet_text_types(tmp_path: Path, type: pa.DataType) -> None:
    column = pa.array(["é", None, "ab", "é"]).cast(pa.binary()).cast(pa.string())
    if pa.types.is_fixed_size_binary(type):
        column = column.cast(pa.binary())
    try:
        column = column.cast(type)
    except pa.ArrowNotImplementedError:
        column = pa.array(column.to_pylist(), type)
    path = write_parquet(tmp_path / "a.parquet", pa.table({"text": column, "title": column}))
    assert read(path)["text"].to_pylist() == ["é", None, "ab", "é"]
    assert read(path)["title"].to_pylist() == ["é", None, "ab", "é"]


@pytest.mark.parametrize("column", [pa.array([1, None]), pa.array([["a"], []]), pa.array([{"a": "b"}, None])], ids=str)
def test_parquet_text_that_is_none(tmp_path: Path, column: pa.Array) -> None:
    path = write_parquet(tmp_path / "a.parquet", pa.table({"text": column, "id": ["a", "b"]}))
    table = read(path)
    type = pq.read_schema(path).field("text").type
    assert table["id"].to_pylist() == ["a", "b"]
    assert table["text"].to_pylist() == [None, None]
    assert table["error"].to_pylist() == [f"the text column holds {type}, not text"] * 2


def test_parquet_bytes_that_are_no_text(tmp_path: Path) -> None:
    data = pa.array([b"goed", b"caf\xe9", None, "één".encode()])
    pretended = pa.Array.from_buffers(pa.string(), 4, data.buffers())
    for column in (data, pretended):
        table = read(write_parquet(tmp_path / "a.parquet", pa.table({"text": column})))
        assert table["text"].to_pylist() == ["goed", None, None, "één"]
        bad = "the text is not UTF-8: byte 0xE9 at offset 3"
        assert table["error"].to_pylist() == [None, bad, NO_TEXT, None]
    titled = read(write_parquet(tmp_path / "a.parquet", pa.table({"text": ["x"] * 4, "title": pretended})))
    assert titled["error"].to_pylist()[1] == "the title is not UTF-8: byte 0xE9 at offset 3"


def test_json_rows(tmp_path: Path) -> None:
    cases: list[tuple[object, str | None]] = [
        ({"text": "Goed"}, None),
        ({"text": 5}, "the text is a number, not text"),
        ({"text": 5.5}, "the text is a number, not text"),
        ({"text": True}, "the text is true or false, not text"),
        ({"text": ["a"]}, "the text is a list, not text"),
        ({"text": {"nl": "a"}}, "the text is an object, not text"),
        ({"text": "a\ud83d"}, "the text holds half a surrogate pair, which is no character"),
        ({"text": "a", "title": "\udc00"}, "the title holds half a surrogate pair, which is no character"),
        ('{"text": "\\ud83d\\ude00 samen \\u0000"}', None),
        ('{"text": "rauwe\ttab"}', None),
        ('{"text": "open', "not JSON: Unterminated string starting at (at character 10 of the line)"),
        ("[1, 2]", "a list, not an object"),
        ("null", "null, not an object"),
        ('"tekst"', "a string, not an object"),
        (b'{"text": "caf\xe9"}', f"not UTF-8: byte 0xE9 at byte 14 of the line{ENCODING}"),
        (b'{"text": "\xed\xa0\x80"}', f"not UTF-8: byte 0xED at byte 11 of the line{ENCODING}"),
        ("[" * 100_000, "not JSON: too many digits or levels"),
        ('{"text": ' + "1" * 5000 + "}", "not JSON: too many digits or levels"),
        ('{"text": NaN}', "the text is a number, not text"),
        ('{"text": "eerst", "text": "dan"}', None),
    ]
    path = write_json(tmp_path / "ads.jsonl", ["", *(row for row, _ in cases), ""])
    table = read(path)
    assert table["error"].to_pylist() == [
        error and f"ads.jsonl, line {number}: {error}" for number, (_, error) in enumerate(cases, 2)
    ]
    assert [text is None for text in table["text"].to_pylist()] == [error is not None for _, error in cases]
    assert table["text"].to_pylist()[8] == "\U0001f600 samen \0"
    assert table["text"].to_pylist()[-1] == "dan"


def test_json_that_is_not_lines(tmp_path: Path) -> None:
    for text in (
        json.dumps(ADS),
        json.dumps(ADS, indent=1),
        "[\n" + ",\n".join(map(json.dumps, ADS)) + "\n]",
        "tekst",
    ):
        (tmp_path / "a.json").write_text(text)
        assert "jq -c" in refused(tmp_path / "a.json")


def test_long_json_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "LONGEST", 100)
    lengths = [99, 100, 101, 202, 303, 10_000]
    lines = ['{"text": "' + "a" * (length - 13) + '"}' for length in lengths]  # 12 characters, a line end
    table = read(write_json(tmp_path / "a.jsonl", ['{"text": "kort"}', *lines, '{"text": "kort"}']))
    assert [error is None for error in table["error"].to_pylist()] == [
        True,
        True,
        True,
        False,
        False,
        False,
        False,
        True,
    ]
    assert table["error"].to_pylist()[-2] == "a.jsonl, line 7: longer than 100 bytes"


def test_csv_rows(tmp_path: Path) -> None:
    (tmp_path / "ads.csv").write_text(
        "id,text,day\n"
        "a,Goed,1\n"
        "b,kort\n"
        "\n"
        'c,"lang, maar\nniet ""te"" lang",2\n'
        "d,Salaris: 3.000,00 euro,3\n"
        'e,"staart"je,4\n'
        "f\n"
        ",,\n"
        'g,"a\0b",5\n'
    )
    table = read(tmp_path / "ads.csv", columns=Columns(keep=("day",)))
    assert table.drop("title").to_pylist() == [
        {"id": "a", "text": "Goed", "error": None, "keep:day": "1"},
        {
            "id": "b",
            "text": None,
            "error": "ads.csv, line 3: 2 cells where the header has 3",
            "keep:day": None,
        },
        {"id": "c", "text": 'lang, maar\nniet "te" lang', "error": None, "keep:day": "2"},
        {
            "id": "d",
            "text": None,
            "error": "ads.csv, line 7: 4 cells where the header has 3",
            "keep:day": None,
        },
        {
            "id": "4",
            "text": None,
            "error": "ads.csv, line 8: not CSV: ',' expected after '\"'",
            "keep:day": None,
        },
        {
            "id": "f",
            "text": None,
            "error": "ads.csv, line 9: 1 cells where the header has 3",
            "keep:day": None,
        },
        {"id": "6", "text": "", "error": NO_TEXT, "keep:day": ""},
        {"id": "g", "text": "a\0b", "error": None, "keep:day": "5"},
    ]


def test_csv_ragged_id_behind_the_text_is_not_trusted(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,id\na,b,c\n")
    assert read(tmp_path / "a.csv")["id"].to_pylist() == ["0"]


def test_csv_quote_that_is_never_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.csv").write_text('text\nGoed\n"open\nhier gaan\nrijen verloren\n')
    source = Source.open([str(tmp_path / "a.csv")])
    table = pa.Table.from_batches(source.batches(9))
    assert table["error"].to_pylist() == [None, "a.csv, line 3 to 5: not CSV: unexpected end of data"]
    (problem,) = source.problems
    assert "line 3 to 5" in problem
    monkeypatch.setattr(formats, "LONGEST", 20)
    (tmp_path / "a.csv").write_text('text\n"open\nhier gaan\nrijen verloren\nDit niet\n')
    assert pa.Table.from_batches(source.batches(9))["text"].to_pylist() == [None, "Dit niet"]
    assert "line 2 to 4" in source.problems[0]
    (tmp_path / "a.csv").write_text("text\nGoed\n" + "x" * 21)
    table, problem = begun(tmp_path / "a.csv")
    assert table["text"].to_pylist() == ["Goed"]
    assert "line 3: longer than 20 characters" in problem


@pytest.mark.parametrize("mark", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_csv_delimiters_and_encodings(tmp_path: Path, mark: str, encoding: str) -> None:
    assert read(write_csv(tmp_path / "a.csv", mark=mark, encoding=encoding))["text"].to_pylist() == TEXTS


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_json_encodings(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "a.jsonl").write_bytes(
        "".join(json.dumps(ad, ensure_ascii=False) + "\r\n" for ad in ADS).encode(encoding)
    )
    assert read(tmp_path / "a.jsonl")["text"].to_pylist() == TEXTS


def test_csv_one_column(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('text\rRegel een\r"Regel\r\ntwee"\r')
    assert read(tmp_path / "a.csv")["text"].to_pylist() == ["Regel een", "Regel\r\ntwee"]


@pytest.mark.parametrize("before", [0, 1, 100_000])
def test_wrong_encoding(tmp_path: Path, before: int) -> None:
    content = b"text\n" + b"a" * before + "é".encode() + b"caf\xe9\n"
    (tmp_path / "a.csv").write_bytes(content)
    message = refused(tmp_path / "a.csv")
    assert f"not utf-8: the first bad byte is 0xE9 at byte offset {content.index(0xE9)}" in message
    assert "--encoding cp1252" in message
    assert read(tmp_path / "a.csv", encoding="cp1252")["text"].to_pylist()[0].endswith("café")
    (tmp_path / "a.csv").write_bytes(b"text\n\x81\n")
    assert "not cp1252: the first bad byte is 0x81 at byte offset 5" in refused(tmp_path / "a.csv", encoding="cp1252")
    (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbftext\n\xff\n")
    assert "offset 8" in refused(tmp_path / "a.csv")
    (tmp_path / "a.csv").write_bytes("text\nab".encode("utf-16")[:-1])
    assert "not utf-16" in refused(tmp_path / "a.csv")
    assert "does not start with BOM" in refused(write_csv(tmp_path / "a.csv"), encoding="utf-16")
    (tmp_path / "a.jsonl").write_bytes('{"text": "café"}\n'.encode("cp1252"))
    assert read(tmp_path / "a.jsonl", encoding="cp1252")["text"].to_pylist() == ["café"]
    assert read(write_json(tmp_path / "a.jsonl"), encoding="utf-8-sig")["text"].to_pylist() == TEXTS


@pytest.mark.parametrize("rows", [1, 5, 254, 255, 256, 3000])
@pytest.mark.parametrize(
    ("encoding", "bad"), [("utf-8", b"\xe9"), ("cp1252", b"\x81"), ("utf-16-le", b"\0\xdc"), ("utf-16", b"\0\xdc")]
)
def test_rows_before_a_bad_byte_are_read(tmp_path: Path, encoding: str, bad: bytes, rows: int) -> None:
    texts = [f"één {number}" for number in range(rows)]
    mark, plain = (codecs.BOM_UTF16_LE, "utf-16-le") if encoding == "utf-16" else (b"", encoding)
    for name, lines in {"a.csv": ["text", *texts], "a.jsonl": [json.dumps({"text": t}) for t in texts]}.items():
        if name == "a.jsonl" and encoding == "utf-8":
            continue  # a line of its own, which is refused alone
        content = mark + "".join(f"{line}\n" for line in lines).encode(plain)
        (tmp_path / name).write_bytes(content + bad + "x\nmore\n".encode(plain))
        table, problem = begun(tmp_path / name, encoding=encoding)
        assert table["text"].to_pylist() == texts
        assert f"not {encoding}: the first bad byte is 0x{bad[0]:02X} at byte offset {len(content)}." in problem


def test_a_file_that_ends_too_soon_among_its_first_lines(tmp_path: Path) -> None:
    ads = [{"text": f"Ad {number} {number * 2654435761 % 2**32}"} for number in range(900)]
    data = gzip.compress(write_json(tmp_path / "a.jsonl", ads).read_bytes())[:-1000]
    (tmp_path / "a.jsonl.gz").write_bytes(data)
    table, _ = begun(tmp_path / "a.jsonl.gz")
    assert 100 < len(table) < 900
    assert table["text"].to_pylist() == [ad["text"] for ad in ads[: len(table)]]
    assert len(table) == zlib.decompressobj(31).decompress(data).count(b"\n")


# Standard input


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    ads = [{"text": f"Ad {number}", "n": number} for number in range(3000)]
    lines = [json.dumps(ad) for ad in ads] + ["broken"]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("\n".join(lines).encode())))
    source = Source.open(["-"], Columns(keep=("n",)))
    assert source.files == ()
    table = pa.Table.from_batches(source.batches(1000))
    assert table["keep:n"].to_pylist() == [*range(3000), None]
    assert table["error"].to_pylist()[-1].startswith("standard input, line 3001: not JSON")


def test_standard_input_that_is_not_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"tekst")))
    assert "standard input holds no JSON object on its first line" in refused("-")


# Files that cannot be read


def corrupt(path: Path) -> Path:
    """Overwrite the middle of a file."""
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 2000] = b"\xaa" * 2000
    path.write_bytes(data)
    return path


def broken_files(folder: Path) -> dict[str, Path]:
    rows = [{"text": f"Advertentie {number} {number * 2654435761 % 2**32}"} for number in range(20_000)]
    cut = write_parquet(folder / "b-cut.parquet", rows)
    cut.write_bytes(cut.read_bytes()[:-50])
    (folder / "c-empty.parquet").touch()
    short = folder / "d-short.csv.gz"
    short.write_bytes(gzip.compress(b"text\n" + b"".join(json.dumps(row).encode() + b"\n" for row in rows))[:-9999])
    latin = folder / "e-latin.csv"
    latin.write_bytes(b"text\n" + b"goed\n" * 5000 + b"caf\xe9\n")
    damaged = corrupt(write_parquet(folder / "f-damaged.parquet", rows, use_dictionary=False))
    return {path.name: path for path in (cut, folder / "c-empty.parquet", short, latin, damaged)}


def test_one_broken_file_among_many(tmp_path: Path) -> None:
    write_json(tmp_path / "a.jsonl")
    broken = broken_files(tmp_path)
    write_csv(tmp_path / "z.csv")
    source = Source.open([str(tmp_path)])
    assert [path.name for path in source.files] == ["a.jsonl", *broken, "z.csv"]
    for _ in range(2):
        table = pa.Table.from_batches(source.batches(1000))
        assert table["text"].to_pylist()[:5] == table["text"].to_pylist()[-5:] == TEXTS
        assert len(source.problems) == len(broken)
        for name in broken:
            (problem,) = (problem for problem in source.problems if name in problem)
            assert "Expected" in problem
    unpacked = zlib.decompressobj(31).decompress(broken["d-short.csv.gz"].read_bytes())
    whole = {"d-short.csv.gz": unpacked.count(b"\n") - 1, "e-latin.csv": 5000}  # what can be read before the break
    for name, path in broken.items():
        if name in whole:
            assert len(begun(path)[0]) == whole[name]
        else:
            assert str(path) in refused(path)
    assert "None of the 2 files can be read. The first: " in refused(broken["b-cut.parquet"], broken["c-empty.parquet"])


@pytest.mark.parametrize("column", ["id", "title", "text"])
def test_rows_before_a_bad_page_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, column: str) -> None:
    """Of the row group too in which it is, whatever the rows read at a time."""
    monkeypatch.setattr(formats, "PARQUET_ROWS", 1000)
    rows = [{name: f"{name} {number} {number * 2654435761 % 2**32}" for name in ADS[0]} for number in range(5000)]
    options = {"use_dictionary": False, "write_page_checksum": True, "compression": "none", "row_group_size": 2000}
    path = write_parquet(
        tmp_path / "a.parquet", rows, data_page_size=1000, write_batch_size=10, write_statistics=False, **options
    )
    data = bytearray(path.read_bytes())
    bad = data.index(rows[3700][column].encode())
    data[bad] ^= 1
    path.write_bytes(data)
    table, problem = begun(path)
    assert 3600 < len(table) <= 3700
    assert table.select(["id", "title", "text"]).to_pylist() == rows[: len(table)]
    assert "CRC checksum verification failed" in problem
    write_csv(tmp_path / "b.csv")
    source = Source.open([str(tmp_path)])
    assert sum(map(len, source.batches(100))) == len(table) + len(ADS)


def test_encrypted_parquet(tmp_path: Path) -> None:
    encryption = pytest.importorskip("pyarrow.parquet.encryption")

    class Keys(encryption.KmsClient):  # type: ignore[misc, name-defined]
        def wrap_key(self, key: bytes, name: str) -> bytes:
            return key.hex().encode()

        def unwrap_key(self, key: bytes, name: str) -> bytes:
            return bytes.fromhex(key.decode())

    for plain_footer in (False, True):
        properties = encryption.CryptoFactory(lambda _: Keys()).file_encryption_properties(
            encryption.KmsConnectionConfig(),
            encryption.EncryptionConfiguration("k", column_keys={"k": ["text"]}, plaintext_footer=plain_footer),
        )
        path = write_parquet(tmp_path / "a.parquet", encryption_properties=properties)
        assert "without encryption" in refused(path)
        source = Source.open([str(path), str(write_csv(tmp_path / "b.csv"))])
        assert pa.Table.from_batches(source.batches(9))["text"].to_pylist() == TEXTS
        assert "decrypt it" in source.problems[0]


def test_unreadable_file(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "a.csv")
    source = Source.open([str(path)])
    path.unlink()
    with pytest.raises(InputError, match="No such file"):
        list(source.batches(9))


def test_memory_does_not_grow(tmp_path: Path) -> None:
    ad = {"text": "Wij zoeken een collega. " * 2000}
    for name, write in WRITERS.items():
        path = write(tmp_path / name, [ad] * 1000)
        before = pa.total_allocated_bytes()
        for batch in Source.open([str(path)]).batches(10):
            assert pa.total_allocated_bytes() - before < 30_000_000, name
            assert len(batch) == 10


def test_row_groups_that_are_read_are_dropped(tmp_path: Path) -> None:
    noise = random.Random(0)
    rows = pa.table({"text": [noise.randbytes(2000).hex() for _ in range(250)]})
    with pq.ParquetWriter(tmp_path / "ads.parquet", rows.schema) as file:
        for _ in range(40):  # 1 MB each
            file.write_table(rows)
    del rows
    before = pa.total_allocated_bytes()
    held = [pa.total_allocated_bytes() - before for _ in Source.open([str(tmp_path / "ads.parquet")]).batches(250)]
    assert len(held) == 40
    assert max(held[20:]) < max(held[:20]) + 2_000_000
