"""Coded ads as one flat file: nothing lost, nothing that a spreadsheet runs, and a file that is whole or not there."""

from __future__ import annotations

import csv
import datetime
import decimal
import json
import os
import tracemalloc
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ads import gold_rows
from conftest import Study
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from embedcode import cli, tables
from embedcode.coded import EVIDENCE, coded_schema
from embedcode.documents import Columns, Source
from embedcode.errors import InputError, OutputError
from embedcode.folder import MANIFEST
from embedcode.run import Bundled, run
from embedcode.tables import EVIDENCE_COLUMNS, export_coded

TEXTS = [r["text"] for r in gold_rows()]
FORMULAS = ("=1+1", "+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", '=HYPERLINK("http://localhost","x")', "＝1")


@pytest.fixture(scope="module")
def coded(built_study: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run over ads of all kinds, in several parts."""
    folder = tmp_path_factory.mktemp("coded")
    ads = [{"id": f"ad {i}", "text": t, "sector": 'IT; "other", new', "=pay": -i} for i, t in enumerate(TEXTS)]
    ads[1] |= {"id": "=1+1", "sector": "@home"}
    ads[2] |= {"id": "-5", "sector": "-3.5"}
    ads[3] |= {"text": "", "sector": None}
    ads[4] |= {"text": "- Build language models in C++\n- Één café 🚀 met Python, Python en LangChain"}
    pq.write_table(pa.Table.from_pylist(ads), folder / "ads.parquet")
    source = Source.open([str(folder / "ads.parquet")], Columns(keep=("sector", "=pay")))
    run(source, folder / "out", Bundled(str(built_study.index)), rows_per_part=7)
    return folder / "out"


def rows(folder: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pa.concat_tables(
        [pq.read_table(p) for p in sorted(folder.glob("part-*.parquet"))]
    ).to_pylist()
    return found


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file, strict=True))


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def write_part(folder: Path, ads: list[dict[str, Any]], kept: tuple[pa.Field, ...] = (), number: int = 0) -> Path:
    """A part with made-up rows."""
    folder.mkdir(exist_ok=True)
    path = folder / f"part-{number:05d}.parquet"
    schema = coded_schema(("A", "B"), ("TASK1",), kept)
    pq.write_table(pa.Table.from_pylist([{"codes": [], **ad} for ad in ads], schema), path)
    return path


def span(code: str = "TASK1", text: str = "x", **more: Any) -> dict[str, Any]:
    return dict.fromkeys(EVIDENCE.names) | {"code": code, "start": 0, "end": 1, "field": "text", "text": text} | more


# One row per ad


def test_every_ad_is_a_row_of_csv(coded: Path, tmp_path: Path) -> None:
    assert export_coded(coded, tmp_path / "ads.csv") == len(TEXTS)
    found, expected = read_csv(tmp_path / "ads.csv"), rows(coded)
    assert len(found) == len(expected) == len(TEXTS)
    assert list(found[0]) == [
        *("id", "profile", "confidence"),
        *(f"probability.{p}" for p in expected[0]["probabilities"]),
        *("language", "n_segments", "duplicate_of", "error"),
        *(f"strength.{c}" for c in expected[0]["strengths"]),
        *("codes", "tools", "sector", "'=pay"),
    ]
    for i, (cells, ad) in enumerate(zip(found, expected, strict=True)):
        assert cells["id"] == {1: "'=1+1"}.get(i, ad["id"])
        assert cells["profile"] == (ad["profile"] or "")
        assert cells["error"] == (ad["error"] or "")
        assert cells["n_segments"] == str(ad["n_segments"])
        for prefix, values in (("probability", ad["probabilities"]), ("strength", ad["strengths"])):
            for name, value in (values or {}).items():
                assert float(cells[f"{prefix}.{name}"]) == pytest.approx(value, abs=1e-6)
                assert len(cells[f"{prefix}.{name}"]) <= 7, "as many digits as there are"
        assert cells["codes"] == ";".join(dict.fromkeys(c["code"] for c in ad["codes"]))
        assert cells["tools"] == ";".join(dict.fromkeys(c["tool"] for c in ad["codes"] if c["tool"]))
        assert cells["'=pay"] == str(-i if i else 0)
    assert (found[2]["id"], found[2]["sector"]) == ("-5", "-3.5"), "a number is no formula"
    assert (found[0]["sector"], found[1]["sector"], found[3]["sector"]) == ('IT; "other", new', "'@home", "")
    assert (found[3]["profile"], found[3]["confidence"], found[3]["codes"]) == ("", "", "")
    assert found[3]["error"].startswith("no text")
    assert found[4]["tools"] == "Python;LangChain"


def test_the_same_in_json_lines(coded: Path, tmp_path: Path) -> None:
    assert export_coded(coded, tmp_path / "ads.jsonl") == len(TEXTS)
    found, expected = read_jsonl(tmp_path / "ads.jsonl"), rows(coded)
    assert len(found) == len(expected)
    for line, ad in zip(found, expected, strict=True):
        for name in ("id", "profile", "language", "n_segments", "error", "sector", "=pay"):
            assert line[name] == ad[name]
        assert line["codes"] == list(dict.fromkeys(c["code"] for c in ad["codes"]))
        assert line["tools"] == list(dict.fromkeys(c["tool"] for c in ad["codes"] if c["tool"]))
        assert line["confidence"] == (None if ad["confidence"] is None else pytest.approx(ad["confidence"], abs=1e-6))
    assert list(found[0]) == [n.removeprefix("'") for n in read_header(coded, tmp_path)]


def read_header(coded: Path, tmp_path: Path) -> list[str]:
    export_coded(coded, tmp_path / "header.csv")
    return list(read_csv(tmp_path / "header.csv")[0])


def test_every_piece_of_evidence_is_a_row(coded: Path, tmp_path: Path) -> None:
    expected = [(ad["id"], span) for ad in rows(coded) for span in ad["codes"]]
    assert export_coded(coded, tmp_path / "all.csv", evidence=True) == len(expected)
    assert export_coded(coded, tmp_path / "all.jsonl", evidence=True) == len(expected)
    cells, lines = read_csv(tmp_path / "all.csv"), read_jsonl(tmp_path / "all.jsonl")
    assert list(cells[0]) == list(lines[0]) == list(EVIDENCE_COLUMNS)
    for line, cell, (id, one) in zip(lines, cells, expected, strict=True):
        assert line["id"] == id
        for name in ("code", "start", "end", "field", "text", "anchor", "tool"):
            assert line[name] == one[name]
        assert line["score"] == pytest.approx(one["score"], abs=1e-6)
        text = one["text"]
        assert cell["text"] == (f"'{text}" if text[0] in "=+-@\t\r" else text)
        assert cell["start"] == str(one["start"])
    assert any("Één café 🚀" in c["text"] for c in cells)


# Bytes


def test_csv_is_utf_8_with_a_mark_and_lines_that_end_as_rfc_4180_has_it(tmp_path: Path) -> None:
    write_part(tmp_path / "out", [{"id": 'a,"b"\nc\r\n;d é'}, {"id": "\0"}])
    export_coded(tmp_path / "out", tmp_path / "ads.csv")
    data = (tmp_path / "ads.csv").read_bytes()
    assert data.startswith(b"\xef\xbb\xbfid,profile,")
    assert data.endswith(b"\r\n")
    assert '\r\n"a,""b""\nc\r\n;d é",'.encode() in data
    assert [r["id"] for r in read_csv(tmp_path / "ads.csv")] == ['a,"b"\nc\r\n;d é', "\0"]
    export_coded(tmp_path / "out", tmp_path / "ads.jsonl")
    assert (tmp_path / "ads.jsonl").read_bytes().startswith(b'{"id": ')


@pytest.mark.parametrize("text", FORMULAS)
def test_formulas_are_defused_wherever_they_stand(tmp_path: Path, text: str) -> None:
    ad = {"id": text, "profile": text, "error": text, text: text, "codes": [span(text, text, anchor=text, tool=text)]}
    write_part(tmp_path / "out", [ad], (pa.field(text, pa.string()),))
    for evidence in (False, True):
        export_coded(tmp_path / "out", tmp_path / "out.csv", evidence=evidence, force=True)
        (found,) = read_csv(tmp_path / "out.csv")
        assert not [c for cells in found.items() for c in cells if c.startswith(tuple("=+-@\t\r＝"))]
        assert found["id"] == f"'{text}"
        export_coded(tmp_path / "out", tmp_path / "out.jsonl", evidence=evidence, force=True)
        assert read_jsonl(tmp_path / "out.jsonl")[0]["id"] == text, "JSON is no spreadsheet"


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_comes_back(text: str) -> None:
    cell = tables._cell(text)
    assert cell in (text, f"'{text}")
    assert cell[:1] not in set("=+@\t\r")
    assert cell[:1] != "-" or float(cell) <= 0


@pytest.mark.parametrize("number", ["-5", "-3.5", "-1e-05", "-2E+3"])
def test_numbers_stay_numbers(number: str) -> None:
    assert tables._cell(number) == number
    assert tables._cell(-5) == -5


@pytest.mark.parametrize("text", ["-5+1", "-", "--5", "+5", "-5\n", "-0x1", "-5 euro", "-.5=A1"])
def test_what_only_begins_like_a_number(text: str) -> None:
    assert tables._cell(text) == f"'{text}"


# Kept columns


MOMENT = datetime.datetime(2026, 1, 2, 3, 4, 5)
KEPT: list[tuple[pa.DataType, Any, str, Any]] = [
    (pa.int64(), -7, "-7", -7),
    (pa.float64(), 0.1, "0.1", 0.1),
    (pa.float64(), float("nan"), "nan", None),
    (pa.float64(), float("-inf"), "-inf", None),
    (pa.float32(), 0.1, "0.1", 0.1),
    (pa.bool_(), True, "true", True),
    (pa.string(), None, "", None),
    (pa.large_string(), "x;y", "x;y", "x;y"),
    (pa.dictionary(pa.int8(), pa.string()), "=x", "'=x", "=x"),
    (pa.binary(), b"-\xff", "'-\\xff", "-\\xff"),
    (pa.date32(), MOMENT.date(), "2026-01-02", "2026-01-02"),
    (pa.timestamp("ms"), MOMENT, "2026-01-02 03:04:05.000", "2026-01-02 03:04:05.000"),
    (pa.timestamp("ns"), 1, "1970-01-01 00:00:00.000000001", "1970-01-01 00:00:00.000000001"),
    (pa.duration("s"), datetime.timedelta(seconds=-3), "-3", -3),
    (pa.decimal128(5, 2), decimal.Decimal("-1.50"), "-1.50", "-1.50"),
    (pa.list_(pa.string()), ["=a", None], '["=a", null]', ["=a", None]),
    (pa.struct([("a", pa.float64()), ("b", pa.binary())]), {"a": float("nan"), "b": b"\xff"}, None, None),
    (pa.list_(pa.date32()), [MOMENT.date()], '["2026-01-02"]', ["2026-01-02"]),
    (pa.null(), None, "", None),
]


@pytest.mark.parametrize(("kind", "value", "cell", "line"), KEPT, ids=lambda v: str(v)[:20])
def test_kept_columns_of_every_kind(tmp_path: Path, kind: pa.DataType, value: Any, cell: str | None, line: Any) -> None:
    write_part(tmp_path / "out", [{"id": "a", "kept": value}], (pa.field("kept", kind),))
    export_coded(tmp_path / "out", tmp_path / "out.csv")
    export_coded(tmp_path / "out", tmp_path / "out.jsonl")
    if cell is None:
        cell, line = '{"a": null, "b": "\\\\xff"}', {"a": None, "b": "\\xff"}
    assert read_csv(tmp_path / "out.csv")[0]["kept"] == cell
    assert read_jsonl(tmp_path / "out.jsonl")[0]["kept"] == line


def test_a_kept_column_named_like_one_of_ours(tmp_path: Path) -> None:
    fields = tuple(pa.field(n, pa.string()) for n in ("tools", "kept.tools", "strength.TASK1"))
    write_part(tmp_path / "out", [{"id": "a", "tools": "x", "kept.tools": "y", "strength.TASK1": "z"}], fields)
    export_coded(tmp_path / "out", tmp_path / "out.csv")
    (found,) = read_csv(tmp_path / "out.csv")
    assert (found["tools"], found["strength.TASK1"]) == ("", "")
    assert (found["kept.tools"], found["kept.kept.tools"], found["kept.strength.TASK1"]) == ("x", "y", "z")


def test_text_that_is_no_utf_8(tmp_path: Path) -> None:
    """Parquet's word that a string is UTF-8 is not taken for it."""
    broken = pa.Array.from_buffers(pa.string(), 1, pa.array([b"caf\xe9"], pa.binary()).buffers())
    path = write_part(tmp_path / "out", [{"id": "a", "kept": "x"}], (pa.field("kept", pa.string()),))
    table = pq.read_table(path)
    pq.write_table(table.set_column(table.schema.names.index("kept"), "kept", broken), path)
    export_coded(tmp_path / "out", tmp_path / "out.csv")
    assert read_csv(tmp_path / "out.csv")[0]["kept"] == "caf\\xe9"


# What is read


def test_only_parts_are_read(coded: Path, tmp_path: Path) -> None:
    write_part(tmp_path / "out", [{"id": "a"}])
    write_part(tmp_path / "out", [{"id": "b"}], number=1)
    (tmp_path / "out" / "more.parquet").write_bytes(b"no part")
    (tmp_path / "out" / "part-00002.parquet.tmp").write_bytes(b"PAR1")
    export_coded(tmp_path / "out", tmp_path / "out.csv")
    assert [r["id"] for r in read_csv(tmp_path / "out.csv")] == ["a", "b"]
    (tmp_path / "out" / MANIFEST).write_text(json.dumps({"parts": [{"name": "part-00001.parquet", "rows": 1}]}))
    export_coded(tmp_path / "out", tmp_path / "out.csv", force=True)
    assert [r["id"] for r in read_csv(tmp_path / "out.csv")] == ["b"], "the manifest says which"
    assert export_coded(tmp_path / "out" / "part-00000.parquet", tmp_path / "one.csv") == 1


def test_parts_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for number in (100_000, 2, 99_999):
        write_part(tmp_path / "out", [{"id": str(number)}], number=number)
    export_coded(tmp_path / "out", tmp_path / "out.jsonl")
    assert [r["id"] for r in read_jsonl(tmp_path / "out.jsonl")] == ["2", "99999", "100000"]


def test_no_ads_and_no_evidence(tmp_path: Path) -> None:
    write_part(tmp_path / "out", [])
    assert export_coded(tmp_path / "out", tmp_path / "out.csv") == 0
    assert (tmp_path / "out.csv").read_text("utf-8-sig").startswith("id,profile")
    assert export_coded(tmp_path / "out", tmp_path / "out.jsonl", evidence=True) == 0
    assert (tmp_path / "out.jsonl").read_bytes() == b""


@pytest.mark.parametrize(
    "manifest", ["", "[]", "{}", '{"parts": 3}', '{"parts": ["part-00000.parquet"]}', '{"parts": [{"rows": true}]}']
)
def test_a_manifest_without_parts(tmp_path: Path, manifest: str) -> None:
    write_part(tmp_path / "out", [{"id": "a"}])
    (tmp_path / "out" / MANIFEST).write_text(manifest)
    with pytest.raises(InputError, match="lists no parts; expected the manifest that .* writes. Code the ads again"):
        export_coded(tmp_path / "out", tmp_path / "out.csv")


@pytest.mark.parametrize("name", ["../ads.parquet", "/etc/passwd", "part-00001.parquet", 3, None, ["x"]])
def test_a_manifest_that_lists_what_is_not_there(tmp_path: Path, name: Any) -> None:
    write_part(tmp_path / "out", [{"id": "a"}])
    write_part(tmp_path, [{"id": "b"}]).rename(tmp_path / "ads.parquet")
    (tmp_path / "out" / MANIFEST).write_text(json.dumps({"parts": [{"name": name, "rows": 1}]}))
    with pytest.raises(InputError, match="lacks .*, which its manifest.json lists; expected all parts. Restore"):
        export_coded(tmp_path / "out", tmp_path / "out.csv")


def test_a_part_with_other_rows_than_listed(tmp_path: Path) -> None:
    write_part(tmp_path / "out", [{"id": "a"}])
    (tmp_path / "out" / MANIFEST).write_text(json.dumps({"parts": [{"name": "part-00000.parquet", "rows": 2}]}))
    with pytest.raises(InputError, match="holds 1 rows, its manifest.json says 2. Delete the file"):
        export_coded(tmp_path / "out", tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()


def test_what_holds_no_coded_ads(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Found no .*nowhere; expected coded ads. Give the folder"):
        export_coded(tmp_path / "nowhere", tmp_path / "out.csv")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"Found no part-\*.parquet in .*; expected coded ads"):
        export_coded(tmp_path / "empty", tmp_path / "out.csv")
    pq.write_table(pa.table({"id": ["a"], "text": ["x"]}), tmp_path / "ads.parquet")
    with pytest.raises(InputError, match="lacks profile, confidence, .* found the columns id, text. Give coded ads"):
        export_coded(tmp_path / "ads.parquet", tmp_path / "out.csv")
    table = pq.read_table(write_part(tmp_path / "out", [{"id": "a"}]))
    for name in ("codes", "probabilities"):
        at = table.schema.names.index(name)
        pq.write_table(table.set_column(at, name, pa.array([["TASK1"]])), tmp_path / "ads.parquet")
        with pytest.raises(InputError, match=f"lacks {name} as"):
            export_coded(tmp_path / "ads.parquet", tmp_path / "out.csv")


def test_parts_of_two_runs(tmp_path: Path) -> None:
    write_part(tmp_path / "out", [{"id": "a"}])
    write_part(tmp_path / "out", [{"id": "a"}], (pa.field("kept", pa.string()),), number=1)
    with pytest.raises(InputError, match="holds other columns than part-00000.parquet; expected parts of one run"):
        export_coded(tmp_path / "out", tmp_path / "out.csv")


def test_a_broken_part(tmp_path: Path) -> None:
    write_part(tmp_path / "out", [{"id": "a"}])
    for number, data in ((1, b"PAR1 and no more"), (0, b"")):
        (tmp_path / "out" / f"part-{number:05d}.parquet").write_bytes(data)
        with pytest.raises(InputError, match="Cannot read coded ads from .*Expected Parquet .* Delete the file"):
            export_coded(tmp_path / "out", tmp_path / "out.csv")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out"]


def test_a_page_that_is_broken(tmp_path: Path) -> None:
    path = write_part(tmp_path / "out", [{"id": f"a{i}" * 50} for i in range(500)])
    data = bytearray(path.read_bytes())
    data[20:400] = b"\xff" * 380
    path.write_bytes(data)
    with pytest.raises(InputError, match="Cannot read coded ads from"):
        export_coded(tmp_path / "out", tmp_path / "out.csv")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out"]


# What is written


def test_a_file_that_is_there_stays_unless_forced(coded: Path, tmp_path: Path) -> None:
    (tmp_path / "ads.csv").write_text("mine")
    with pytest.raises(OutputError, match="ads.csv exists already. Replace it with --force, or name another"):
        export_coded(coded, tmp_path / "ads.csv")
    assert (tmp_path / "ads.csv").read_text() == "mine"
    export_coded(coded, tmp_path / "ads.csv", force=True)
    assert len(read_csv(tmp_path / "ads.csv")) == len(TEXTS)
    assert [p.name for p in tmp_path.iterdir()] == ["ads.csv"]


def test_places_that_cannot_take_it(coded: Path, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="is no file; expected one to write"):
        export_coded(coded, tmp_path, force=True)
    for output in (coded / "ads.csv", coded / "part-00000.parquet"):
        with pytest.raises(OutputError, match="lies among the coded ads"):
            export_coded(coded, output, force=True)
    part = coded / "part-00000.parquet"
    with pytest.raises(OutputError, match="lies among the coded ads"):
        export_coded(part, part, force=True)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="Cannot write .*What was there is unchanged"):
        export_coded(coded, tmp_path / "file" / "ads.csv")
    with pytest.raises(OutputError, match="Found the format 'xlsx'; expected csv or jsonl"):
        export_coded(coded, tmp_path / "ads.xlsx", format="xlsx")


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_an_export_that_stops_leaves_what_was_there(
    coded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    (tmp_path / "ads.csv").write_text("mine")

    def stop(_: int) -> None:
        raise error

    monkeypatch.setattr(os, "fsync", stop)
    with pytest.raises((OutputError, KeyboardInterrupt)):
        export_coded(coded, tmp_path / "ads.csv", force=True)
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("ads.csv", "mine")]


def test_memory_does_not_grow_with_the_ads(tmp_path: Path) -> None:
    ad = {"id": "a", "codes": [span(text="word " * 40) for _ in range(10)]}
    peaks = []
    for parts in (1, 6):
        for number in range(parts):
            write_part(tmp_path / str(parts), [ad] * 1500, number=number)
        pool = pa.default_memory_pool().bytes_allocated()
        tracemalloc.start()
        assert export_coded(tmp_path / str(parts), tmp_path / f"{parts}.csv", evidence=True) == parts * 15_000
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert pa.default_memory_pool().bytes_allocated() - pool < 5_000_000
    assert peaks[1] < 1.5 * peaks[0]


# The command


def test_the_command(coded: Path, tmp_path: Path) -> None:
    def invoke(*arguments: str) -> Any:
        return CliRunner().invoke(cli.app, ["export", str(coded), *arguments])

    out = tmp_path / "new" / "ads.csv"
    done = invoke("-o", str(out))
    assert (done.exit_code, done.stdout) == (0, f"{len(TEXTS)} ads → {out}\n")
    done = invoke("-o", str(out))
    assert done.exit_code == 2
    assert "exists already" in done.stderr
    done = invoke("-o", str(out), "--format", "jsonl", "--evidence", "--force")
    assert done.exit_code == 0
    assert f"{len(read_jsonl(out)):,} pieces of evidence → " in done.stdout
    assert done.stderr == ""


def test_a_run_that_is_not_finished(tmp_path: Path) -> None:
    write_part(tmp_path / "out", [{"id": "a"}])
    done = CliRunner().invoke(cli.app, ["export", str(tmp_path / "out"), "-o", str(tmp_path / "ads.csv")])
    assert done.exit_code == 0
    assert "1 ad →" in done.stdout
    assert "is not finished" in done.stderr
