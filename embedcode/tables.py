"""Writes coded ads as one flat file, for spreadsheets and for programs that read no Parquet.

CSV begins with a byte order mark, so that spreadsheets read it as UTF-8, and ends its lines as RFC 4180 has it. A
cell that a spreadsheet would take for a formula gets a leading apostrophe: ads are written by strangers. JSON Lines
holds the same columns as they are.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.compute as pc

from embedcode.coded import coded_schema
from embedcode.coded_files import batches, schema_of
from embedcode.errors import OutputError
from embedcode.folder import check_output, output_file
from embedcode.values import identifiers, plain

FORMATS = ("csv", "jsonl")

EVIDENCE_COLUMNS = ("id", "code", "start", "end", "field", "text", "score", "anchor", "similarity", "tool")

_CODED = coded_schema((), ())
_SINGLE = ("id", "profile", "confidence", "language", "n_segments", "duplicate_of", "error")
_FORMULA = re.compile(r"[=+\-@\t\r\n＝＋－＠]")  # noqa: RUF001 - spreadsheets take the wide signs for plain ones
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")

Table = tuple[list[str], Iterator[Sequence[Any]]]
"""Names of the columns, and the rows."""


def export_coded(
    coded: Path, output: Path, *, format: str | None = None, evidence: bool = False, force: bool = False
) -> int:
    """Write coded ads as one flat file; it is whole or not there.

    Args:
        coded: What `classify` wrote: its folder, or one of its parts.
        output: The file.
        format: `csv` or `jsonl`; None: by the ending of the file's name, `csv` where that tells nothing.
        evidence: One row per piece of evidence instead of one per ad.
        force: Replace a file that is there already.

    Returns:
        How many rows were written.

    Raises:
        InputError: There are no coded ads, or they cannot be read.
        OutputError: The file cannot be written, is there already, or no such format is known.
    """
    format = format or (output.suffix[1:].lower() if output.suffix[1:].lower() in FORMATS else FORMATS[0])
    if format not in FORMATS:
        raise OutputError(
            f"Found the format {format!r}; expected {' or '.join(FORMATS)}, or refi-qda for a project. Name one with "
            "--format."
        )
    check_output(output, coded, force)
    names, rows = _table(coded, evidence)
    return write_table(output, names, rows, format)


def _table(coded: Path, evidence: bool) -> Table:
    schema = schema_of(coded)
    kept = [f.name for f in schema if f.name not in _CODED.names]
    names = list(EVIDENCE_COLUMNS) if evidence else _columns(schema, kept)
    return names, (
        row
        for batch in batches(coded, ["id", "codes"] if evidence else schema.names)
        for row in (_evidence(batch) if evidence else _ads(batch, kept))
    )


def _columns(schema: pa.Schema, kept: Sequence[str]) -> list[str]:
    """Names of the columns of a table of ads; a kept column gives way to one of ours of the same name."""
    names = [
        *("id", "profile", "confidence"),
        *(f"probability.{f.name}" for f in schema.field("probabilities").type),
        *("language", "n_segments", "duplicate_of", "error"),
        *(f"strength.{f.name}" for f in schema.field("strengths").type),
        *("codes", "tools"),
    ]
    for name in kept:
        while name in names:
            name = f"kept.{name}"
        names.append(name)
    return names


def _ads(batch: pa.RecordBatch, kept: Sequence[str]) -> Iterator[Sequence[Any]]:
    """One row per ad, in the order of `_columns`."""
    single = {n: _values(batch.column(n)) for n in _SINGLE}
    spans = batch.column("codes")
    ad, flat = pc.list_parent_indices(spans).to_pylist(), pc.list_flatten(spans)
    columns = [
        *(single[n] for n in ("id", "profile", "confidence")),
        *map(_values, batch.column("probabilities").flatten()),
        *(single[n] for n in ("language", "n_segments", "duplicate_of", "error")),
        *map(_values, batch.column("strengths").flatten()),
        *(_distinct(ad, _values(pc.struct_field(flat, n)), len(batch)) for n in ("code", "tool")),
        *(_values(batch.column(n)) for n in kept),
    ]
    return zip(*columns, strict=True)


def _distinct(rows: Sequence[int], values: Sequence[str | None], count: int) -> list[tuple[str, ...]]:
    """The values of each row, each once."""
    found: list[dict[str, None]] = [{} for _ in range(count)]
    for row, value in zip(rows, values, strict=True):
        if value is not None:
            found[row][value] = None
    return [tuple(f) for f in found]


def _evidence(batch: pa.RecordBatch) -> Iterator[Sequence[Any]]:
    """One row per piece of evidence, in the order of `EVIDENCE_COLUMNS`."""
    spans = batch.column("codes")
    ids, flat = batch.column("id").take(pc.list_parent_indices(spans)), pc.list_flatten(spans)
    columns = [_values(ids), *(_values(pc.struct_field(flat, n)) for n in EVIDENCE_COLUMNS[1:])]
    return zip(*columns, strict=True)


def _values(column: pa.Array) -> list[Any]:
    """A column as Python values: numbers, truth values, nested ones, and all else as strings."""
    column = plain(column)
    type = column.type
    if pa.types.is_float16(type) or pa.types.is_float32(type):
        column = column.cast(pa.float32()).cast(pa.string()).cast(pa.float64())  # 0.9885, not 0.9885000228881836
    elif pa.types.is_duration(type):
        column = column.cast(pa.int64())
    elif not (pa.types.is_integer(type) or pa.types.is_floating(type) or pa.types.is_boolean(type)):
        if not pa.types.is_nested(type):
            column = identifiers(column)
        return [_json_value(v) for v in column.to_pylist()]
    values: list[Any] = column.to_pylist()
    return values


def _json_value(value: Any) -> Any:
    """A nested value as JSON can hold it."""
    if isinstance(value, dict):
        return {str(k): _json_value(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_json_value(v) for v in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, bytes):
        return value.decode(errors="backslashreplace")
    return value if value is None or isinstance(value, str | int) else str(value)


def write_table(output: Path, names: Sequence[str], rows: Iterable[Sequence[Any]], format: str = "csv") -> int:
    """Write a table as the module's first lines say; it is whole or not there.

    Args:
        output: The file.
        names: Of the columns.
        rows: Cells in the order of the columns; a tuple becomes one cell of CSV.
        format: One of `FORMATS`.

    Returns:
        How many rows were written.

    Raises:
        OutputError: The file cannot be written.
    """
    write = {"csv": _write_csv, "jsonl": _write_jsonl}[format]
    with output_file(output) as binary:
        out = io.TextIOWrapper(binary, encoding="utf-8", newline="")
        count = write(out, names, rows)
        out.detach()  # flushed; closing the file is for whoever opened it
    return count


def _write_csv(out: IO[str], names: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
    count = 0
    out.write("\ufeff")
    writer = csv.writer(out)
    writer.writerow(map(_cell, names))
    for row in rows:
        writer.writerow(map(_cell, row))
        count += 1
    return count


def _cell(value: Any) -> Any:
    """A value as a cell that no spreadsheet takes for a formula."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        value = ";".join(value)
    elif isinstance(value, list | dict):
        value = json.dumps(value, ensure_ascii=False)
    if isinstance(value, str) and _FORMULA.match(value) and not _NUMBER.fullmatch(value):
        return f"'{value}"
    return value


def _write_jsonl(out: IO[str], names: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
    count = 0
    for row in rows:
        out.write(json.dumps(dict(zip(names, map(_finite, row), strict=True)), ensure_ascii=False) + "\n")
        count += 1
    return count


def _finite(value: Any) -> Any:
    """JSON has no words for what is no number."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
