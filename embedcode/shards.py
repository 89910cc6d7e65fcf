"""Cuts an input into shards for machines that read it themselves: a shard says where the rows of its parts stand.

Only Parquet can be read from the middle. Of it, this process reads each row once for the length of its text, which
decides where parts end, and for what cannot be read; that takes less than a hundredth of the time of coding. Of other
files it reads the rows and sends them.
"""

from __future__ import annotations

import contextlib
import sys
from collections import Counter, deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from embedcode.documents import Cutter, Source, batched, text_lengths
from embedcode.duplicates import Duplicates
from embedcode.errors import InputError
from embedcode.formats import Parquet

MOST = 16
"""Parts of a shard, at most: what is done anew where a machine is lost."""

READERS = 4
"""Row groups that are read at once for their lengths."""


@dataclass(frozen=True)
class Span:
    """Rows that follow each other in a row group.

    Attributes:
        file: Number of the file among those that can be read.
        group: Number of the row group.
        first: Number of the first row in it.
    """

    file: int
    group: int
    first: int
    rows: int


@dataclass(frozen=True)
class Shard:
    """Parts that follow each other in the input.

    Attributes:
        part: Number of the first part.
        row: Number of the first row in the input.
        parts: How many parts.
        spans: Where the rows stand.
        batch: The rows themselves, where they were read already; then it is one part.
        duplicate_of: What these ads are near-duplicates of, where that is looked for.
    """

    part: int
    row: int
    parts: int = 1
    spans: tuple[Span, ...] = ()
    batch: pa.RecordBatch | None = None
    duplicate_of: pa.Array | None = None

    def batches(self, source: Source, rows: int) -> Iterator[pa.RecordBatch]:
        """The rows of each part, as `source.batches(rows)` gives them."""
        return iter([self.batch]) if self.batch is not None else batched(_read(source, self.spans), rows, self.row)


def shards(source: Source, rows: int, workers: int, seen: Duplicates | None = None) -> Generator[Shard, None, None]:
    """The shards of an input, in order.

    Args:
        rows: Rows of a part, at most.
        workers: Who share them; shards get smaller towards the end, so that all end at about the same time.
        seen: Finds near-duplicates, where those are looked for: it must see all texts in order.

    Raises:
        InputError: As `Source.batches`; likewise other trouble is named in `source.problems`.
    """
    if not is_read_by_machines(source, seen):
        row = 0
        for part, batch in enumerate(source.batches(rows)):
            yield Shard(part, row, batch=batch, duplicate_of=seen.duplicate_of(batch) if seen else None)
            row += len(batch)
        return
    ahead: deque[Shard] = deque()
    parts = _parts(source, rows)
    while True:
        ahead.extend(islice(parts, 2 * workers * MOST - len(ahead)))
        if not ahead:
            return
        few = [ahead.popleft() for _ in range(max(1, len(ahead) // (2 * workers)))]
        yield Shard(few[0].part, few[0].row, len(few), _joined([span for one in few for span in one.spans]))


def is_read_by_machines(source: Source, seen: Duplicates | None = None) -> bool:
    """Whether the machines that code read the rows themselves."""
    return seen is None and all(isinstance(file, Parquet) for file, _ in source.picks)


def _parts(source: Source, rows: int) -> Iterator[Shard]:
    """Each part as a shard."""
    cutter = Cutter(rows)
    part = row = count = 0
    spans: list[Span] = []
    for survey in _readable(source):
        done = 0
        for take, full in cutter.cut(survey.lengths):
            if take:
                spans.append(Span(survey.file, survey.group, done, take))
                done += take
                count += take
            if full:
                yield Shard(part, row, spans=tuple(spans))
                part, row, count, spans = part + 1, row + count, 0, []
    if spans:
        yield Shard(part, row, spans=tuple(spans))


@dataclass(frozen=True)
class _Survey:
    """What can be read of a row group: the lengths of its texts, and why no more than these.

    Attributes:
        file, group: Numbers of the file and of the row group in it.
        lengths: In bytes, shape (n,).
        failure: Empty where all can be read.
    """

    file: int
    group: int
    lengths: NDArray[np.int32]
    failure: str


def _survey(source: Source, file: int, group: int) -> _Survey:
    parquet, pick = source.picks[file]
    assert isinstance(parquet, Parquet)
    lengths = [np.zeros(0, dtype=np.int32)]
    failure = ""
    try:
        for batch in parquet.read(pick, [group]):
            lengths.append(text_lengths(batch))
    except InputError as error:
        failure = str(error)
    return _Survey(file, group, np.concatenate(lengths), failure)


def _surveys(source: Source) -> Generator[_Survey, None, None]:
    """A survey of each row group, in order; the next ones are made meanwhile."""
    groups = (
        (file, group)
        for file, (parquet, _) in enumerate(source.picks)
        if isinstance(parquet, Parquet)
        for group in range(parquet.groups())
    )
    waiting: deque[Future[_Survey]] = deque()
    pool = ThreadPoolExecutor(READERS)
    try:
        for file, group in groups:
            waiting.append(pool.submit(_survey, source, file, group))
            if len(waiting) > READERS:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _readable(source: Source) -> Iterator[_Survey]:
    """The surveys up to the limit, of each file up to where it breaks off; what breaks off is a problem."""
    source.problems = list(source.unreadable)
    left = sys.maxsize if source.limit is None else source.limit
    count, broken = Counter[int](), set[int]()
    with contextlib.closing(_surveys(source)) as surveys:
        for survey in surveys:
            if survey.file in broken:
                continue
            yield replace(survey, lengths=survey.lengths[:left])
            count[survey.file] += len(survey.lengths)
            left -= len(survey.lengths)
            if left <= 0:
                return
            if survey.failure:
                broken.add(survey.file)
                rows = count[survey.file]
                if len(source.files) < 2 and not rows:
                    raise InputError(survey.failure)
                source.problems.append(f"{survey.failure} Its first {rows} rows were read.")


def _joined(spans: list[Span]) -> tuple[Span, ...]:
    """The same rows in fewer spans."""
    out: list[Span] = []
    for span in spans:
        last = out[-1] if out else None
        if last and (last.file, last.group, last.first + last.rows) == (span.file, span.group, span.first):
            out[-1] = Span(last.file, last.group, last.first, last.rows + span.rows)
        else:
            out.append(span)
    return tuple(out)


def _read(source: Source, spans: tuple[Span, ...]) -> Iterator[pa.RecordBatch]:
    for span in spans:
        parquet, pick = source.picks[span.file]
        assert isinstance(parquet, Parquet)
        skip, left = span.first, span.rows
        for batch in parquet.read(pick, [span.group]):
            rows = batch.slice(skip, left)
            skip -= min(skip, len(batch))
            left -= len(rows)
            if len(rows):
                yield rows
            if not left:
                break
