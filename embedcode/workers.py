"""Codes pieces of an input in worker processes, in order; a worker that dies costs time, not rows.

A piece whose worker died is coded once more in a fresh process, then by halves, so that a row that ends its process
costs that row alone.
"""

from __future__ import annotations

import os
import sys
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from multiprocessing import get_context, parent_process

import pyarrow as pa

from embedcode.coder import Coder
from embedcode.neighbours import use_threads
from embedcode.threads import one_each

AHEAD = 2
"""Pieces that wait for each worker."""

FORK = sys.platform == "linux"
"""Forked workers start at once and share the loaded bundle; elsewhere forking is not safe."""

DEADLY = "coding this ad ended its process twice, perhaps for want of memory"


@dataclass(frozen=True)
class Coded:
    """A coded piece and what it took.

    Attributes:
        seconds: By stage.
        asked, found: Segments looked up, and those that were known (`memo.Memo`).
    """

    batch: pa.RecordBatch
    seconds: Counter[str]
    asked: int = 0
    found: int = 0


@dataclass
class Work:
    """What coding took so far, of all processes together.

    Attributes:
        seconds: By stage.
        asked, found: Segments looked up, and those that were known.
        deaths: How often a worker died.
    """

    seconds: Counter[str] = field(default_factory=Counter)
    asked: int = 0
    found: int = 0
    deaths: int = 0

    def add(self, more: Coded | Work) -> None:
        """Add what more took."""
        self.seconds += more.seconds
        self.asked += more.asked
        self.found += more.found
        self.deaths += more.deaths if isinstance(more, Work) else 0


def code(coder: Coder, piece: pa.RecordBatch) -> Coded:
    """Code a piece in this process; where that fails, row by row."""
    clock, memo = coder.clock, coder.memo
    clock.seconds.clear()
    asked, found = memo.asked, memo.found
    batch = _rows(coder, piece)
    return Coded(batch, clock.seconds.copy(), memo.asked - asked, memo.found - found)


def _rows(coder: Coder, piece: pa.RecordBatch) -> pa.RecordBatch:
    try:
        return coder.classify_batch(piece)
    except Exception as error:
        if len(piece) == 1:
            return coder.classify_batch(failed(piece, error))
        return pa.concat_batches([_rows(coder, piece.slice(i, 1)) for i in range(len(piece))])


def failed(row: pa.RecordBatch, why: Exception | str) -> pa.RecordBatch:
    """A row that cannot be coded, with the reason in place of its text."""
    reason = why if isinstance(why, str) else f"coding this ad failed ({type(why).__name__}: {why})"
    names = row.schema.names
    row = row.set_column(names.index("text"), "text", pa.nulls(1, pa.string()))
    if "title" in names:
        row = row.set_column(names.index("title"), "title", pa.nulls(1, pa.string()))
    error = pa.array([reason], pa.string())
    return (
        row.set_column(names.index("error"), "error", error) if "error" in names else row.append_column("error", error)
    )


class Workers:
    """Worker processes.

    Attributes:
        count: How many workers.
        deaths: How often a worker has died.
    """

    def __init__(self, coder: Coder, load: Callable[[], Coder], count: int, *, fork: bool = FORK) -> None:
        """Start nothing yet.

        Args:
            coder: The coder, which forked workers share.
            load: Loads it, for workers that are not forked.
            count: How many workers.
            fork: Whether workers are forked.
        """
        self.deaths = 0
        self._coder = coder
        self._method = "fork" if fork else "spawn"
        self._arguments = (coder if fork else None, load)
        self.count = count
        self._pool: ProcessPoolExecutor | None = None

    def code(self, pieces: Iterable[pa.RecordBatch]) -> Iterator[Coded]:
        """Code pieces; as many are read ahead as keep the workers busy.

        Yields:
            The coded pieces, in order.
        """
        waiting: deque[tuple[pa.RecordBatch, Future[Coded]]] = deque()
        try:
            for piece in pieces:
                waiting.append((piece, self._submit(piece)))
                if len(waiting) >= self.count * (1 + AHEAD):
                    yield self._next(waiting)
            while waiting:
                yield self._next(waiting)
        finally:
            if self._pool:
                self._pool.shutdown(wait=True, cancel_futures=True)
                self._pool = None

    def _next(self, waiting: deque[tuple[pa.RecordBatch, Future[Coded]]]) -> Coded:
        piece, future = waiting.popleft()
        try:
            return future.result()
        except BrokenProcessPool:
            self.deaths += 1
            self._pool = None
            others = [p for p, _ in waiting]
            waiting.clear()
            waiting.extend((p, self._submit(p)) for p in others)
            return self._alone(piece)

    def _submit(self, piece: pa.RecordBatch) -> Future[Coded]:
        if self._pool is None:
            self._pool = self._new(self.count)
        try:
            return self._pool.submit(_work, piece)
        except BrokenProcessPool as error:
            broken: Future[Coded] = Future()
            broken.set_exception(error)
            return broken

    def _new(self, count: int) -> ProcessPoolExecutor:
        one_each()
        return ProcessPoolExecutor(count, get_context(self._method), _start, self._arguments)

    def _alone(self, piece: pa.RecordBatch) -> Coded:
        """Code a piece, each of whose rows may be the one that ends its process."""
        try:
            with self._new(1) as pool:
                return pool.submit(_work, piece).result()
        except BrokenProcessPool:
            self.deaths += 1
        if len(piece) == 1:
            return code(self._coder, failed(piece, DEADLY))
        middle = len(piece) // 2
        halves = [self._alone(half) for half in (piece.slice(0, middle), piece.slice(middle))]
        return Coded(
            pa.concat_batches([h.batch for h in halves]),
            halves[0].seconds + halves[1].seconds,
            sum(h.asked for h in halves),
            sum(h.found for h in halves),
        )


_coder: Coder | None = None


def _start(coder: Coder | None, load: Callable[[], Coder]) -> None:
    """Make a worker ready."""
    global _coder
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent to handle
    threading.Thread(target=_end_with_parent, daemon=True).start()
    pa.set_cpu_count(1)
    use_threads(1)
    _coder = coder or load()


def _end_with_parent() -> None:
    """End a worker whose parent was killed; it would wait for work for ever."""
    if parent := parent_process():
        parent.join()
        os._exit(1)


def _work(piece: pa.RecordBatch) -> Coded:
    assert _coder is not None
    return code(_coder, piece)
