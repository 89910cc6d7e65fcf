"""The kinds of files that ads come in: each is read as a stream of record batches of one layout.

A reader never drops a row: what cannot be coded is passed on with the reason in `error`. What stops a
whole file (truncated, encrypted, another encoding) is an `InputError`.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import sys
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from operator import itemgetter
from pathlib import Path
from typing import Any, ClassVar, cast

import pyarrow as pa
import pyarrow.parquet as pq

from embedcode.errors import InputError
from embedcode.remote import Place, Remote
from embedcode.types import KEPT
from embedcode.values import (
    JSON_NAMES,
    common_json_type,
    fitting,
    identifiers,
    identity,
    is_unicode,
    json_type,
    plain,
    texts,
)

LAYOUT = pa.schema([(name, pa.string()) for name in ("id", "title", "text", "error")])
"""The first columns of every batch; the kept columns follow."""

CHUNK_ROWS, CHUNK_SIZE = 256, 1 << 25
"""Rows read at a time, and about how long they may be together: few, so that a run of huge ads fits in memory."""

PARQUET_ROWS = 32
"""Rows of a Parquet file read at a time, whose length is known afterwards only: so many may be of the longest."""

BUFFER, REMOTE_BUFFER = 1 << 20, 1 << 23
"""How much of a Parquet column is fetched at a time, in bytes; each time costs a request where the file is remote."""

HEAD_LINES, HEAD_BYTES = 1000, 1 << 22
"""How much of a JSON Lines file is looked at for its columns and their types."""

LONGEST = 1 << 26
"""Longest JSON line in bytes and CSV cell in characters: a quote never closed must not fill memory."""

BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

Row = tuple[Any, ...]


def _marked(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    return "\udcff", error.end


MARKED = "embedcode.marked"
"""How decoding goes on at bad bytes: half a surrogate pair marks the line; an error would cost the whole block."""

codecs.register_error(MARKED, _marked)


@dataclass(frozen=True)
class Pick:
    """The columns to read from one file.

    Attributes:
        keep: Names and types of the kept columns; one that the file lacks is null.
    """

    text: str
    title: str | None
    id: str | None
    keep: pa.Schema

    @property
    def layout(self) -> pa.Schema:
        """The schema of the batches."""
        return pa.schema([*LAYOUT, *(pa.field(KEPT + field.name, field.type) for field in self.keep)])


class AdsFile(ABC):
    """One file of ads (no path: standard input)."""

    expected: ClassVar[str]

    def __init__(self, path: Place | None, encoding: str) -> None:
        self.path = path
        self.encoding = encoding
        self.problems: list[str] = []
        """What went wrong in the file without making it unreadable."""

    def __str__(self) -> str:
        return str(self.path or "standard input")

    @abstractmethod
    def schema(self) -> pa.Schema | None:
        """The columns; None where the file holds nothing at all, not even a header.

        Raises:
            InputError: The file cannot be read.
        """

    @abstractmethod
    def read(self, pick: Pick) -> Iterator[pa.RecordBatch]:
        """Read the file from its beginning.

        Yields:
            Batches in the layout of `pick`. `id` is null where a row has none, `text` where `error` says why.

        Raises:
            InputError: The file cannot be read, or no further.
        """

    def _line(self, number: int) -> str:
        """How an error names a line; without the folder, as results must not depend on where a file lies."""
        return f"{self.path.name if self.path else self}, line {number}"

    def _open(self) -> tuple[io.BufferedReader | gzip.GzipFile, str]:
        """The bytes of the file, and its encoding: a byte order mark outweighs what was asked for."""
        stream: io.BufferedReader | gzip.GzipFile
        if self.path is None:
            stream = io.BufferedReader(cast(io.RawIOBase, sys.stdin.buffer))
        else:
            stream = cast(io.BufferedReader, self.path.open("rb"))
            if self.path.suffix.lower() == ".gz":
                stream = gzip.GzipFile(fileobj=stream)
        start = stream.peek(4)[:4]
        found = (name for mark, name in BYTE_ORDER_MARKS if start.startswith(mark))
        encoding = next(found, self.encoding)
        if b"\0" in start[:2] and "a".encode(encoding) == b"a":
            stream.close()
            raise InputError(self._unmarked(encoding, start.index(0)))
        return stream, encoding

    def _readline(self, text: io.TextIOWrapper, size: int) -> str:
        """A line of a text that is decoded with `MARKED`.

        Raises:
            InputError: It holds bytes that are not in the encoding.
        """
        line = text.readline(size)
        if not is_unicode(line):
            raise InputError(self._wrong_encoding(text.encoding))
        return line

    def _unmarked(self, encoding: str, zero: int) -> str:
        """What to say of a file that has zeros among its first bytes, as UTF-16 has, but no byte order mark."""
        return (
            f"{self} is not {encoding}: the first bad byte is 0x00 at byte offset {zero}. Expected UTF-8, or UTF-16 "
            f"with a byte order mark. It looks like UTF-16 without one: --encoding utf-16-{'le' if zero else 'be'}."
        )

    @contextmanager
    def _failures(self) -> Iterator[None]:
        """Turn what a library says of an unreadable file into an `InputError`."""
        try:
            yield
        except (OSError, EOFError, UnicodeError, zlib.error, csv.Error, pa.ArrowException) as error:
            why = str(error).strip().partition("\n")[0].rstrip(".")
            raise InputError(f"{self} cannot be read: {why}. Expected {self.expected}.") from error

    def _wrong_encoding(self, encoding: str) -> str:
        # A byte order mark at the start is a character like any other for "utf-8": offsets stay true.
        encoding, place = encoding.removesuffix("-sig"), ""
        if self.path is not None and (found := self._first_bad_byte(encoding)):
            place = f": the first bad byte is 0x{found[1]:02X} at byte offset {found[0]}"
        return (
            f"{self} is not {encoding}{place}. Expected UTF-8, or UTF-16 with a byte order mark. If you know "
            "the encoding, name it: --encoding cp1252 for files of older Windows programs, for instance."
        )

    def _first_bad_byte(self, encoding: str) -> tuple[int, int] | None:
        """Offset and value of the first byte that is not in the encoding."""
        decoder = codecs.getincrementaldecoder(encoding)()
        offset = 0
        with self._open()[0] as stream:
            block = b"-"
            while block:
                block = stream.read(1 << 20)
                pending = len(decoder.getstate()[0])
                try:
                    decoder.decode(block, final=not block)
                except UnicodeDecodeError as error:
                    return offset - pending + error.start, error.object[error.start]
                offset += len(block)
        return None


class Parquet(AdsFile):
    """Apache Parquet."""

    expected = "a whole Parquet file without encryption (fetch it again, decrypt it, or leave it out)"

    def schema(self) -> pa.Schema:
        with self._failures(), self._file() as file:
            return file.schema_arrow

    def groups(self) -> int:
        """How many row groups it has."""
        with self._failures(), self._file() as file:
            return int(file.num_row_groups)

    def read(self, pick: Pick, groups: Iterable[int] | None = None) -> Iterator[pa.RecordBatch]:
        """As `AdsFile.read`.

        Args:
            groups: The row groups to read; None for all.
        """
        with self._failures(), self._file() as file:
            names = set(file.schema_arrow.names)
            wanted = {pick.text, pick.title, pick.id, *pick.keep.names} & names
            for group in range(file.num_row_groups) if groups is None else groups:
                for batch in few_rows(file, group, sorted(wanted)):
                    yield self._batch(batch, pick, names)

    @contextmanager
    def _file(self) -> Iterator[pq.ParquetFile]:
        # With a buffer a column chunk is read page by page instead of as a whole; read ahead, all would be kept to
        # the end of the file.
        options = {"pre_buffer": False, "page_checksum_verification": True}
        if isinstance(self.path, Remote):
            with self.path.random_access() as raw, pq.ParquetFile(raw, buffer_size=REMOTE_BUFFER, **options) as file:
                yield file
        else:
            with pq.ParquetFile(self.path, buffer_size=BUFFER, **options) as file:
                yield file

    def _batch(self, batch: pa.RecordBatch, pick: Pick, names: set[str]) -> pa.RecordBatch:
        nothing = pa.nulls(len(batch), pa.string())
        text, error = texts(batch.column(pick.text), "text")
        title, title_error = texts(batch.column(pick.title), "title") if pick.title else (nothing, nothing)
        ids = identifiers(batch.column(pick.id)) if pick.id else nothing
        kept = [
            plain(batch.column(field.name)).cast(field.type)
            if field.name in names
            else pa.nulls(len(batch), field.type)
            for field in pick.keep
        ]
        return pa.record_batch([ids, title, text, error.fill_null(title_error), *kept], schema=pick.layout)


class Delimited(AdsFile):
    """CSV as RFC 4180 has it, with commas, semicolons or tabs."""

    expected = "CSV: a header row, cells quoted as in RFC 4180, commas, semicolons or tabs between them"

    def schema(self) -> pa.Schema | None:
        with self._failures(), self._text() as stream:
            records = self._records(stream)
            header = self._header(records)
            with suppress(csv.Error):
                next(records, None)  # so that a file whose first row is in another encoding is refused at once
        return pa.schema([(name, pa.string()) for name in header]) if header else None

    def read(self, pick: Pick) -> Iterator[pa.RecordBatch]:
        with self._failures(), self._text() as stream:
            for columns in transposed(self._rows(self._records(stream), pick)):
                arrays = [pa.array(column, pa.string()) for column in columns]
                yield as_batch(arrays, pick)

    def _text(self) -> io.TextIOWrapper:
        stream, encoding = self._open()
        return io.TextIOWrapper(stream, encoding, MARKED, newline="")

    def _records(self, stream: io.TextIOWrapper) -> Any:
        """A csv reader; the delimiter is the one that splits the first line most often."""
        csv.field_size_limit(LONGEST)  # holds for the whole process: the csv module knows no other way
        lines = self._lines(stream)
        start = []
        for line in lines:
            start.append(line)
            if line.strip():
                break
        delimiter = max(",;\t", key=lambda mark: len(next(csv.reader(start[-1:], delimiter=mark), [])))
        # Strict, as the module would otherwise join what follows a stray quote without a word.
        return csv.reader(chain(start, lines), delimiter=delimiter, strict=True)

    def _lines(self, stream: io.TextIOWrapper) -> Iterator[str]:
        for number, line in enumerate(iter(lambda: self._readline(stream, LONGEST + 1), ""), 1):
            if len(line) > LONGEST:
                raise InputError(f"{self._line(number)}: longer than {LONGEST} characters. Expected {self.expected}.")
            yield line

    @staticmethod
    def _header(records: Iterable[list[str]]) -> list[str]:
        return next(filter(None, records), [])

    def _rows(self, records: Any, pick: Pick) -> Iterator[Row]:
        header = self._header(records)
        # Every record gets a None at its end, where the place -1 of a column that is not there finds it.
        place = {name: number for number, name in reversed(list(enumerate(header)))}
        text = place[pick.text]
        id, title, *keep = (place.get(name, -1) for name in (pick.id, pick.title, *pick.keep.names))
        select = itemgetter(id, title, text, -1, *keep)
        nothing = (None,) * len(keep)
        while True:
            first = records.line_num + 1
            try:
                cells = next(records)
            except StopIteration:
                return
            except csv.Error as error:
                where = self._line(first)
                if records.line_num > first:
                    where += f" to {records.line_num}"
                    self.problems.append(f"{where}: one row, as a quote is not closed where it should be ({error})")
                yield None, None, None, f"{where}: not CSV: {error}", *nothing
                continue
            if len(cells) == len(header):
                cells.append(None)
                yield select(cells)
            elif cells:
                # Only what stands before the free text is sure to be in its place.
                sure = cells[id] if 0 <= id < min(text, len(cells)) else None
                why = f"{self._line(first)}: {len(cells)} cells where the header has {len(header)}"
                yield sure, None, None, why, *nothing


class JsonLines(AdsFile):
    """A JSON object on every line; its columns are the keys found in the first thousand lines."""

    expected = "JSON Lines: an object on every line (jq -c '.[]' FILE makes them of an array)"

    def __init__(self, path: Place | None, encoding: str) -> None:
        super().__init__(path, encoding)
        self._decode = json.JSONDecoder(strict=False).decode  # control characters may stand in strings
        self._columns: dict[str, pa.DataType] = {}
        self._standard_input: Iterator[bytes] = iter(())

    def schema(self) -> pa.Schema | None:
        lines = self._lines()
        head: list[bytes] = []
        try:
            with self._failures():
                for line in beginning(lines):
                    head.append(line)
        except InputError:
            if not head or self.path is None:
                raise
            # Reading comes to the same place, after the lines before it.
        if self.path is None:
            self._standard_input = chain(head, lines)  # it can be read only once
        filled = [line for line in head if not line.isspace()]
        if not filled:
            return None
        parsed = [self._parse(line) for line in filled]
        rows = [row for row, error in parsed if error is None]
        if not rows or filled[0].lstrip().startswith(b"["):
            why = parsed[0][1] or "no object"
            raise InputError(f"{self} holds no JSON object on its first line ({why}). Expected {self.expected}.")
        found: dict[str, set[pa.DataType]] = {}
        for row in rows:
            for name, value in row.items():
                found.setdefault(name, set()).add(json_type(value))
        self._columns = {name: common_json_type(types) for name, types in found.items() if is_unicode(name)}
        return pa.schema(list(self._columns.items()))

    def read(self, pick: Pick) -> Iterator[pa.RecordBatch]:
        types = [self._columns.get(name, pa.string()) for name in pick.keep.names]
        lost = [0] * len(types)
        with self._failures():
            for columns in transposed(self._rows(self._lines() if self.path else self._standard_input, pick)):
                arrays = [pa.array(column, pa.string()) for column in columns[: len(LAYOUT)]]
                for number, (type, column) in enumerate(zip(types, columns[len(LAYOUT) :], strict=True)):
                    arrays.append(pa.array([fitting(value, type) for value in column], type))
                    lost[number] += arrays[-1].null_count - column.count(None)
                yield as_batch(arrays, pick)
        self.problems += [
            f"{self}: {count} values of `{name}` are not {type} like those of the first lines: kept as null"
            for name, type, count in zip(pick.keep.names, types, lost, strict=True)
            if count
        ]

    def _lines(self) -> Iterator[bytes]:
        """The lines as UTF-8, whatever the encoding."""
        stream, encoding = self._open()
        with stream:
            if stream.peek(4).startswith(codecs.BOM_UTF8):
                stream.read(len(codecs.BOM_UTF8))
            if codecs.lookup(encoding).name in ("utf-8", "utf-8-sig"):
                yield from whole_lines(stream.readline)
            else:
                text = io.TextIOWrapper(stream, encoding, MARKED, newline="\n")
                yield from whole_lines(lambda size: self._readline(text, size).encode())

    def _parse(self, line: bytes) -> tuple[dict[str, Any], str | None]:
        """The object on a line, or why there is none."""
        if len(line) > LONGEST:
            return {}, f"longer than {LONGEST} bytes"
        try:
            row = self._decode(line.decode())
        except UnicodeDecodeError as error:
            byte = f"byte 0x{line[error.start]:02X} at byte {error.start + 1} of the line"
            return {}, f"not UTF-8: {byte}; if the file has another encoding, name it with --encoding"
        except json.JSONDecodeError as error:
            return {}, f"not JSON: {error.msg} (at character {error.pos + 1} of the line)"
        except (ValueError, RecursionError):
            return {}, "not JSON: too many digits or levels"
        return (row, None) if isinstance(row, dict) else ({}, f"{JSON_NAMES[type(row)]}, not an object")

    def _rows(self, lines: Iterable[bytes], pick: Pick) -> Iterator[Row]:
        keep = pick.keep.names
        for number, line in enumerate(lines, 1):
            if line.isspace():
                continue
            row, error = self._parse(line)
            text = row.get(pick.text)
            title = row.get(pick.title) if pick.title else None
            if not isinstance(title, str):
                title = None
            if text is not None and not isinstance(text, str):
                text, error = None, f"the text is {JSON_NAMES[type(text)]}, not text"
            elif not is_unicode(text):
                text, error = None, "the text holds half a surrogate pair, which is no character"
            elif not is_unicode(title):
                text, title, error = (
                    None,
                    None,
                    "the title holds half a surrogate pair, which is no character",
                )
            if error:
                error = f"{self._line(number)}: {error}"
            yield identity(row.get(pick.id) if pick.id else None), title, text, error, *map(row.get, keep)


FORMATS: dict[str, type[AdsFile]] = {
    ".parquet": Parquet,
    ".csv": Delimited,
    ".tsv": Delimited,
    ".jsonl": JsonLines,
    ".ndjson": JsonLines,
    ".json": JsonLines,
}
"""How a file is read, by the ending of its name; all but Parquet may be compressed (`.csv.gz`)."""


def format_of(path: Place) -> type[AdsFile] | None:
    """How a file is read, by the ending of its name in upper or lower case; None for any other file."""
    name = path.name.lower()
    found = FORMATS.get(Path(name.removesuffix(".gz")).suffix)
    return None if found is Parquet and name.endswith(".gz") else found


def whole_lines(readline: Callable[[int], bytes]) -> Iterator[bytes]:
    """Lines; of one that is longer than `LONGEST` its beginning, one byte too long."""
    while line := readline(LONGEST + 1):
        yield line
        while len(line) > LONGEST and not line.endswith(b"\n"):
            line = readline(LONGEST + 1)


def transposed(rows: Iterable[Row]) -> Iterator[list[tuple[Any, ...]]]:
    """The columns of `CHUNK_ROWS` rows at a time, or of fewer where these are long or the next cannot be read."""
    chunk: list[Row] = []
    size = 0
    failure = None
    try:
        for row in rows:
            chunk.append(row)
            size += sum(len(value) for value in row if isinstance(value, str))
            if len(chunk) == CHUNK_ROWS or size > CHUNK_SIZE:
                yield list(zip(*chunk, strict=True))
                chunk, size = [], 0
    except Exception as error:  # raised after what came before it
        failure = error
    if chunk:
        yield list(zip(*chunk, strict=True))
    if failure:
        raise failure


def few_rows(file: pq.ParquetFile, number: int, columns: list[str]) -> Iterator[pa.RecordBatch]:
    """The rows of a row group, a few at a time; where it cannot be read to its end, one by one."""
    group = file.metadata.row_group(number)
    rows = CHUNK_SIZE * group.num_rows // max(group.total_byte_size, 1)
    read = partial(file.iter_batches, row_groups=[number], columns=columns, use_threads=False)
    done = 0
    try:
        for batch in read(min(PARQUET_ROWS, max(rows, 1))):
            yield batch
            done += len(batch)
    except (OSError, pa.ArrowException):
        yield from islice(read(1), done, None)  # until it fails again


def as_batch(arrays: list[pa.Array], pick: Pick) -> pa.RecordBatch:
    """A batch in the layout of `pick`, each array cast to its type."""
    layout = pick.layout
    cast = [array.cast(field.type) for array, field in zip(arrays, layout, strict=True)]
    return pa.record_batch(cast, schema=layout)


def beginning(lines: Iterable[bytes]) -> Iterator[bytes]:
    """The first lines, up to `HEAD_LINES` or until there are `HEAD_BYTES`."""
    size = 0
    for line in islice(lines, HEAD_LINES):
        yield line
        size += len(line)
        if size > HEAD_BYTES:
            return
