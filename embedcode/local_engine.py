"""Codes an input on this machine: one process reads and writes, others code."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Generator, Iterator
from typing import NamedTuple

import pyarrow as pa

from embedcode.coder import Coder
from embedcode.documents import Source
from embedcode.duplicates import Duplicates
from embedcode.parts import Output, Part, joined, pieces
from embedcode.stopwatch import Stopwatch
from embedcode.workers import Coded, Work, Workers, code


class _InHand(NamedTuple):
    """A part between reading and writing.

    Attributes:
        pieces: How many it is coded in.
        duplicate_of: What its ads are near-duplicates of, where that is looked for.
        part: The part, where an earlier run finished it.
    """

    number: int
    pieces: int = 0
    duplicate_of: pa.Array | None = None
    part: Part | None = None


class LocalEngine:
    """Worker processes of this machine."""

    name = "local"

    def __init__(self, coder: Coder, load: Callable[[], Coder], workers: int) -> None:
        """Start nothing yet.

        Args:
            coder: The coder.
            load: Loads it anew.
            workers: Processes that code; with 1, or only one piece, this one does.
        """
        self.workers = workers
        self.work = Work()
        self._coder = coder
        self._load = load

    def start(self, source: Source) -> None:
        """Nothing to do before parts are coded."""

    def code(self, source: Source, output: Output, seen: Duplicates | None) -> Generator[Part, None, None]:
        """Code the parts that the folder lacks, and find the others, in order."""
        clock = Stopwatch()
        workers = Workers(self._coder, self._load, self.workers)
        in_hand: deque[_InHand] = deque()

        def cut() -> Iterator[pa.RecordBatch]:
            clock.start()
            for number, batch in enumerate(source.batches(output.rows)):
                clock.lap("reading")
                duplicate_of = None
                if seen is not None:
                    duplicate_of = seen.duplicate_of(batch)
                    clock.lap("near-duplicates")
                if part := output.find(number, len(batch)):
                    in_hand.append(_InHand(number, part=part))
                    continue
                waiting = list(pieces(batch))
                in_hand.append(_InHand(number, len(waiting), duplicate_of))
                clock.lap("reading")
                yield from waiting
                clock.start()
            clock.lap("reading")

        def found() -> Iterator[Part]:
            while in_hand and (part := in_hand[0].part):
                in_hand.popleft()
                yield part

        held: list[pa.RecordBatch] = []
        for coded in _coded(cut(), workers, self._coder):
            self.work.add(coded)
            yield from found()
            held.append(coded.batch)
            if len(held) == in_hand[0].pieces:
                number, _, duplicate_of, _ = in_hand.popleft()
                clock.start()
                part = output.write(number, joined(held), duplicate_of)
                clock.lap("writing")
                held = []
                yield part
        yield from found()
        self.work.seconds += clock.seconds
        self.work.deaths += workers.deaths


def _coded(pieces: Iterator[pa.RecordBatch], workers: Workers, coder: Coder) -> Iterator[Coded]:
    """The coded pieces; starting processes takes longer than coding one piece."""
    first = list(itertools.islice(pieces, 2 if workers.count > 1 else 0))
    everything = itertools.chain(first, pieces)
    if len(first) == 2:
        yield from workers.code(everything)
    else:
        for piece in everything:
            yield code(coder, piece)
