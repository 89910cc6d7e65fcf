"""Clusters of near-duplicates in a whole input: how many and how large they are, and a table of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from embedcode.documents import Source
from embedcode.duplicates import Duplicates, Marks
from embedcode.errors import OutputError
from embedcode.folder import check_file, output_file
from embedcode.keyindex import NONE
from embedcode.tables import write_table

BATCH_ROWS = 1000

SCHEMA = pa.schema([("id", pa.string()), ("duplicate_of", pa.string()), ("cluster_size", pa.int64())])
"""The table: a row per ad, in input order. `duplicate_of` is null for the first ad of a cluster; `cluster_size` counts
the ads of earlier inputs too."""

FORMATS = (".csv", ".parquet")


@dataclass(frozen=True)
class Clusters:
    """The ads of an input by clusters; an ad that has no near-duplicate is a cluster too.

    Attributes:
        ads: Ads read.
        repeats: Those of them that are near-duplicates of an ad before them.
        short: Those that have too few words to tell.
        clusters: Into how many clusters the others fall.
        largest: The largest clusters, first ad and size, at most as many as were asked for.
    """

    ads: int
    repeats: int
    short: int
    clusters: int
    largest: list[tuple[str, int]]
    _seen: Duplicates
    _rows: list[tuple[pa.Array, Marks]]

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows of the table, as `SCHEMA` has them."""
        sizes = np.append(self._seen.originals.counts.astype(np.int64), 1)  # that of NONE, at the end
        for ids, marks in self._rows:
            columns = [ids, self._seen.names(marks), pa.array(sizes[marks.original])]
            yield pa.record_batch(columns, schema=SCHEMA)

    def write(self, path: Path) -> None:
        """Write the table; it is whole or not there.

        Raises:
            OutputError: It cannot be written.
        """
        if path.suffix.lower() == ".csv":
            rows = (tuple(row.values()) for batch in self.batches() for row in batch.to_pylist())
            write_table(path, SCHEMA.names, rows)
        else:
            with output_file(path) as out:
                pq.write_table(pa.Table.from_batches(self.batches(), SCHEMA), out, compression="zstd")


def find_clusters(
    source: Source, seen: Duplicates, *, largest: int = 10, progress: Callable[[int], None] = lambda _: None
) -> Clusters:
    """Find the near-duplicates in an input, which follows what was seen before.

    Args:
        source: The ads.
        seen: The ads of earlier inputs; those of this one are added.
        largest: How many of the largest clusters to name.
        progress: Called with the number of ads of each batch.
    """
    rows = []
    for batch in source.batches(BATCH_ROWS):
        rows.append((batch.column("id"), seen.mark(batch)))
        progress(len(batch))
    originals = np.concatenate([marks.original for _, marks in rows] or [np.zeros(0, dtype=np.int64)])
    here = np.unique(originals[originals != NONE])
    sizes = seen.originals.counts[here].astype(np.int64)
    order = [n for n in np.argsort(-sizes, kind="stable")[:largest].tolist() if sizes[n] > 1]
    return Clusters(
        ads=seen.ads,
        repeats=seen.repeats,
        short=seen.short,
        clusters=len(here),
        largest=[(seen.originals.id(int(here[n])), int(sizes[n])) for n in order],
        _seen=seen,
        _rows=rows,
    )


def check_table(path: Path, force: bool, inputs: Iterable[Path] = ()) -> None:
    """Check that a table may be written, before the work is done.

    Raises:
        OutputError: It is of no known format, one of the inputs, no file, or there already.
    """
    if path.suffix.lower() not in FORMATS:
        raise OutputError(f"{path} ends in none of {', '.join(FORMATS)}. Name the table with -o, such as clusters.csv.")
    check_file(path, force, inputs)
