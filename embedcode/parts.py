"""The parts of a run: written and taken from an earlier one, wherever the process is that does it."""

from __future__ import annotations

import contextlib
import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from embedcode.coder import chunks
from embedcode.folder import part_name
from embedcode.storage import Storage
from embedcode.values import tally, text_hash


@dataclass(frozen=True)
class Part:
    """A finished part.

    Attributes:
        before: Whether an earlier run finished it.
        errors, profiles, languages: How often each stands in it.
        ids: 64-bit hashes of the ids, shape (rows,).
    """

    number: int
    rows: int
    sha256: str
    before: bool
    errors: Counter[str]
    profiles: Counter[str]
    languages: Counter[str]
    ids: NDArray[np.uint64]

    @property
    def name(self) -> str:
        return part_name(self.number)


@dataclass(frozen=True)
class Output:
    """Where parts go, and what decides them.

    Attributes:
        storage: Where they go.
        rows: Rows of each part.
        metadata: What decides their content.
        noted: SHA-256 of the parts that count, by name, where not every part that is there counts.
    """

    storage: Storage
    rows: int
    metadata: dict[str, str]
    noted: Mapping[str, str] | None = None

    def find(self, number: int, rows: int) -> Part | None:
        """A part that an earlier run finished."""
        name = part_name(number)
        if self.noted is not None and name not in self.noted:
            return None
        data = self.storage.read(name)
        if data is None:
            return None
        with contextlib.suppress(OSError, pa.ArrowException), pq.ParquetFile(pa.BufferReader(data)) as file:
            found = {k.decode(): v.decode() for k, v in (file.schema_arrow.metadata or {}).items()}
            if found == self.metadata and file.metadata.num_rows == rows:
                part = _part(number, file.read(["id", "error", "profile", "language"]), data, before=True)
                return part if self.noted is None or self.noted[name] == part.sha256 else None
        return None

    def write(self, number: int, coded: pa.RecordBatch, duplicate_of: pa.Array | None = None) -> Part:
        """Write a part.

        Args:
            duplicate_of: What its ads are near-duplicates of, where that was looked for.
        """
        sink = pa.BufferOutputStream()
        marked = _marked(coded, duplicate_of)
        table = pa.Table.from_batches([marked.replace_schema_metadata(self.metadata)])
        pq.write_table(table, sink, compression="zstd")
        data = sink.getvalue()
        self.storage.write(part_name(number), data)
        return _part(number, coded, data, before=False)


def pieces(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """The pieces that a part is coded in, each with memory of its own."""
    return (pa.concat_batches([batch.slice(a, b - a)]) for a, b in chunks(batch))


def joined(coded: Iterable[pa.RecordBatch]) -> pa.RecordBatch:
    """The coded pieces of a part as one batch."""
    return pa.Table.from_batches(list(coded)).combine_chunks().to_batches()[0]


def _marked(coded: pa.RecordBatch, duplicate_of: pa.Array | None) -> pa.RecordBatch:
    """Coded ads with the column that tells near-duplicates."""
    if duplicate_of is None:
        return coded
    place = coded.schema.get_field_index("duplicate_of")
    return coded.set_column(place, coded.schema.field(place), duplicate_of)


def _part(number: int, coded: pa.Table | pa.RecordBatch, data: bytes | pa.Buffer, *, before: bool) -> Part:
    return Part(
        number,
        len(coded),
        hashlib.sha256(data).hexdigest(),
        before,
        tally(coded.column("error")),
        tally(coded.column("profile")),
        tally(coded.column("language")),
        np.array([text_hash(id) for id in coded.column("id").to_pylist()], dtype=np.uint64),
    )
