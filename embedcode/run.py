"""Codes whole inputs: streams ads through the coder into Parquet parts and a manifest, and goes on where it stopped.

A part holds a fixed range of rows of the input, whoever codes them; so the parts do not depend on the number of
workers, and a run that was stopped is continued with the parts that it still lacks.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import signal
import threading
import time
from array import array
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from embedcode._version import __version__
from embedcode.coder import REMEMBERED, Coder, chunks
from embedcode.documents import Source
from embedcode.errors import OutputError
from embedcode.folder import (
    JOURNAL,
    MANIFEST,
    clear,
    file_hash,
    locked,
    part_name,
    parts,
    prepare,
    read_json,
    write_json,
    write_whole,
)
from embedcode.language import SUPPORTED
from embedcode.loading import load
from embedcode.neighbours import use_threads
from embedcode.stopwatch import Stopwatch
from embedcode.values import tally, text_hash
from embedcode.workers import Coded, Workers, code

ROWS_PER_PART = 1000


@dataclass(frozen=True)
class Bundled:
    """Which bundle codes; what a worker needs to load it."""

    index: str = "default"
    anchors: str | None = None
    model: str | None = None
    download: bool = False
    min_confidence: float = 0.0
    remember: int = REMEMBERED

    def load(self) -> Coder:
        """Load the coder."""
        return load(
            self.index,
            anchors=self.anchors,
            model=self.model,
            download=self.download,
            min_confidence=self.min_confidence,
            remember=self.remember,
        )


@dataclass
class Summary:
    """What a run did.

    Attributes:
        rows: Rows read and written.
        before: Those of them that an earlier run had coded already.
        errors: Rows that could not be coded, by reason.
        profiles: Ads by profile.
        languages: Ads by language.
        parts: Name, rows and SHA-256 of each part.
        repeated: Rows whose `id` another row before them has.
        problems: What could not be read.
        stages: Seconds by stage, of all processes together.
        asked, found: Segments looked up, and those that were known.
        deaths: How often a worker died.
        seconds: Duration.
    """

    rows: int = 0
    before: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    profiles: Counter[str] = field(default_factory=Counter)
    languages: Counter[str] = field(default_factory=Counter)
    parts: list[dict[str, Any]] = field(default_factory=list)
    repeated: int = 0
    problems: list[str] = field(default_factory=list)
    stages: Counter[str] = field(default_factory=Counter)
    asked: int = 0
    found: int = 0
    deaths: int = 0
    seconds: float = 0.0
    _ids: array[int] = field(default_factory=lambda: array("Q"))  # 64-bit hashes, 8 bytes for each ad

    @property
    def failed(self) -> int:
        """Rows with an error."""
        return sum(self.errors.values())

    @property
    def foreign(self) -> int:
        """Ads in neither English nor Dutch."""
        return sum(n for language, n in self.languages.items() if language not in SUPPORTED)

    def add(self, name: str, coded: pa.Table | pa.RecordBatch, sha256: str) -> None:
        """Count a part."""
        self.rows += len(coded)
        self.errors += tally(coded.column("error"))
        self.profiles += tally(coded.column("profile"))
        self.languages += tally(coded.column("language"))
        self.parts.append({"name": name, "rows": len(coded), "sha256": sha256})
        self._ids.extend(map(text_hash, coded.column("id").to_pylist()))

    def finish(self) -> None:
        """Count what can be counted only when all parts are there."""
        ids = np.frombuffer(self._ids, dtype=np.uint64)
        ids.sort()  # in place
        self.repeated = int((ids[1:] == ids[:-1]).sum())


def run(
    source: Source,
    folder: Path,
    bundled: Bundled,
    *,
    coder: Coder | None = None,
    workers: int = 1,
    rows_per_part: int = ROWS_PER_PART,
    restart: bool = False,
    progress: Callable[[int], None] = lambda _: None,
) -> Summary:
    """Code an input into a folder, or go on with it.

    Args:
        source: The ads.
        folder: Where the parts and the manifest go.
        bundled: What codes them.
        coder: The coder that `bundled` loads, where it is loaded already.
        workers: Processes that code; with 1, or only one piece, this one does.
        rows_per_part: Rows of each part.
        restart: Delete what an earlier run left.
        progress: Called with the rows of each part that is finished.

    Raises:
        OutputError: The folder cannot take the output, holds that of another run, or a part cannot be written.
    """
    began = time.monotonic()
    coder = coder or bundled.load()
    use_threads(1)
    prepare(folder, inputs=source.files)
    with locked(folder), _interruptible(progress) as progress:
        clear(folder, temporary=not restart)
        output = _Output(folder, rows_per_part, part_metadata(coder, rows_per_part), progress)
        journal = Journal(source, output.metadata)
        summary = output.summary
        try:
            journal.begin(folder)
            (folder / MANIFEST).unlink(missing_ok=True)  # it says that all parts are there
            _code(source, output, journal, Workers(coder, bundled.load, workers), coder)
            if not summary.parts:
                output.write(0, coder.classify_batch(pa.RecordBatch.from_pylist([], source.schema)))
            summary.finish()
            summary.problems = list(source.problems)
            summary.seconds = time.monotonic() - began
            manifest = {
                "embedcode": __version__,
                "engine": "local",
                "workers": workers,
                "seconds": round(summary.seconds, 3),
                "bundle": bundle_identity(coder),
                "options": {"rows_per_part": rows_per_part, "min_confidence": coder.min_confidence},
                "input": journal.input_hashes(folder),
                "rows": summary.rows,
                "coded": summary.rows - summary.failed,
                "errors": summary.failed,
                "repeated_ids": summary.repeated,
                "problems": summary.problems,
                "parts": summary.parts,
            }
            write_json(folder / MANIFEST, manifest)
        except OSError as error:
            raise OutputError(
                f"Cannot write to {folder}: {error.strerror or error}. {len(parts(folder))} parts are finished and "
                "intact. Make room, then give the same command again to go on."
            ) from error
    return summary


@contextlib.contextmanager
def _interruptible(progress: Callable[[int], None]) -> Iterator[Callable[[int], None]]:
    """Let Ctrl-C stop a run at the next part at the latest: Arrow drops what is raised while it tries an import."""
    stopped = False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal stopped
        stopped = True
        signal.default_int_handler(number, frame)

    def advance(rows: int) -> None:
        if stopped:
            raise KeyboardInterrupt
        progress(rows)

    main = threading.current_thread() is threading.main_thread()
    ours = main and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if ours:
        signal.signal(signal.SIGINT, stop)
    try:
        yield advance
    finally:
        if ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)


@dataclass
class _Output:
    """The parts of a run.

    Attributes:
        folder: Where they are.
        rows: Rows of each part.
        metadata: What decides their content.
        progress: Called with the rows of each part that is finished.
        summary: Counts of the finished parts.
    """

    folder: Path
    rows: int
    metadata: dict[str, str]
    progress: Callable[[int], None]
    summary: Summary = field(default_factory=Summary)

    def is_finished(self, number: int, rows: int) -> bool:
        """Whether an earlier run finished a part."""
        part = self.folder / part_name(number)
        if part.is_file():
            with contextlib.suppress(OSError, pa.ArrowException), pq.ParquetFile(part) as file:
                found = {k.decode(): v.decode() for k, v in (file.schema_arrow.metadata or {}).items()}
                return found == self.metadata and file.metadata.num_rows == rows
        return False

    def take(self, number: int) -> None:
        """Count a part that an earlier run finished."""
        data = (self.folder / part_name(number)).read_bytes()
        table = pq.read_table(pa.BufferReader(data), columns=["id", "error", "profile", "language"])
        self.summary.before += len(table)
        self._count(number, table, data)

    def write(self, number: int, coded: pa.RecordBatch) -> None:
        """Write a part."""
        sink = pa.BufferOutputStream()
        table = pa.Table.from_batches([coded.replace_schema_metadata(self.metadata)])
        pq.write_table(table, sink, compression="zstd")
        data = sink.getvalue()
        write_whole(self.folder / part_name(number), data)
        self._count(number, coded, data)

    def _count(self, number: int, coded: pa.Table | pa.RecordBatch, data: bytes | pa.Buffer) -> None:
        self.summary.add(part_name(number), coded, hashlib.sha256(data).hexdigest())
        self.progress(len(coded))

    def drop_others(self) -> None:
        """Remove parts of a longer input that broke off and is whole now, or the other way round."""
        for path in parts(self.folder)[len(self.summary.parts) :]:
            path.unlink()


def _code(source: Source, output: _Output, journal: Journal, workers: Workers, coder: Coder) -> None:
    """Code the parts that the folder lacks, in order, and count all."""
    clock = Stopwatch()
    summary = output.summary
    sizes: deque[tuple[int, int]] = deque()  # of the parts in hand: number, and pieces to come; 0: finished before

    def pieces() -> Iterator[pa.RecordBatch]:
        clock.start()
        for number, batch in enumerate(source.batches(output.rows)):
            if output.is_finished(number, len(batch)):
                sizes.append((number, 0))
                continue
            cut = [pa.concat_batches([batch.slice(a, b - a)]) for a, b in chunks(batch)]
            sizes.append((number, len(cut)))
            clock.lap("reading")
            yield from cut
            clock.start()
        clock.lap("reading")

    def take_finished() -> None:
        while sizes and not sizes[0][1]:
            output.take(sizes.popleft()[0])

    held: list[pa.RecordBatch] = []
    for coded in _coded(pieces(), workers, coder):
        summary.stages += coded.seconds
        summary.asked += coded.asked
        summary.found += coded.found
        take_finished()
        held.append(coded.batch)
        if len(held) == sizes[0][1]:
            clock.start()
            whole = pa.Table.from_batches(held).combine_chunks().to_batches()[0]
            output.write(sizes.popleft()[0], whole)
            held = []
            clock.lap("writing")
            journal.update(output.folder)
    take_finished()
    summary.stages += clock.seconds
    summary.deaths = workers.deaths
    output.drop_others()


def _coded(pieces: Iterator[pa.RecordBatch], workers: Workers, coder: Coder) -> Iterator[Coded]:
    """The coded pieces; starting processes takes longer than coding one piece."""
    first = list(itertools.islice(pieces, 2 if workers.count > 1 else 0))
    everything = itertools.chain(first, pieces)
    if len(first) == 2:
        yield from workers.code(everything)
    else:
        for piece in everything:
            yield code(coder, piece)


def bundle_identity(coder: Coder) -> dict[str, str]:
    """What decides the result, apart from the input."""
    return {
        "book": coder.bundle.book_hash,
        "embedder": coder.bundle.embedder.sha256 or coder.bundle.hashes.get("embedder", ""),
        **{k: coder.bundle.hashes[k] for k in ("anchors", "models") if k in coder.bundle.hashes},
    }


def part_metadata(coder: Coder, rows_per_part: int) -> dict[str, str]:
    """The schema metadata of a part: only what decides its content."""
    return {
        "embedcode.version": __version__,
        "embedcode.bundle": json.dumps(bundle_identity(coder), sort_keys=True),
        "embedcode.rows_per_part": str(rows_per_part),
        "embedcode.min_confidence": f"{coder.min_confidence:g}",
    }


class Journal:
    """What a run was asked to do, kept beside its parts, so that only the same run goes on with them."""

    def __init__(self, source: Source, metadata: dict[str, str]) -> None:
        self._asked: dict[str, Any] = {"bundle and options": metadata, "options of the input": source.options}
        self._files = source.files
        self._entries: list[dict[str, Any]] = []
        self._before: list[str | None] = []
        self._hashed = False
        self._thread = threading.Thread(target=self._hash, daemon=True)

    def begin(self, folder: Path) -> None:
        """Note what is asked, or check that it is what was asked before.

        Raises:
            OutputError: The folder holds the output of another run.
        """
        before = read_json(folder / JOURNAL)
        self._entries = [_state(path) for path in self._files]
        if parts(folder):
            if not before:
                differs = "it has no journal"
            elif not self._files:
                differs = "standard input cannot be read again"
            else:
                differs = self._difference(before)
            if differs:
                raise OutputError(
                    f"{folder} holds the coded ads of another run ({differs}). To code anew, delete them with "
                    "--restart, or name another folder with -o."
                )
            self._before = [entry["sha256"] for entry in before["input"]]
        self._thread.start()
        if not parts(folder):
            write_json(folder / JOURNAL, self._value())

    def _difference(self, before: dict[str, Any]) -> str:
        """How a journal differs from what is asked now; empty where it does not."""
        for what, asked in self._asked.items():
            if before.get(what) != json.loads(json.dumps(asked)):
                return f"another {what}"
        files = before.get("input", [])
        if len(files) != len(self._entries):
            return f"{len(files)} input files instead of {len(self._entries)}"
        for was, now, path in zip(files, self._entries, self._files, strict=True):
            same = was["bytes"] == now["bytes"] and (
                was["modified"] == now["modified"] or (was["sha256"] and was["sha256"] == file_hash(path))
            )
            if not same:
                changed = f"the input {path} has changed"
                return changed if was["path"] == now["path"] else f"the input was {was['path']}, not {path}"
        return ""

    def update(self, folder: Path) -> None:
        """Note the hashes of the input once they are known: files that are copied keep them.

        Raises:
            OutputError: The input is another than that of the earlier run, although size and time are the same.
        """
        if self._hashed or self._thread.is_alive():
            return
        self._hashed = True
        for was, entry in zip(self._before, self._entries, strict=False):
            if was and was != entry["sha256"]:
                raise OutputError(
                    f"The input {entry['path']} has changed since the run that {folder} holds, although size and time "
                    "are the same. To code anew, delete the parts with --restart, or name another folder with -o."
                )
        write_json(folder / JOURNAL, self._value())

    def input_hashes(self, folder: Path) -> list[dict[str, Any]]:
        """Path, size and SHA-256 of each input file, once all are hashed; standard input has none.

        Raises:
            OutputError: As `update`.
        """
        self._thread.join()
        self.update(folder)
        return [{k: e[k] for k in ("path", "bytes", "sha256")} for e in self._entries]

    def _value(self) -> dict[str, Any]:
        return {"embedcode": __version__, **self._asked, "input": self._entries}

    def _hash(self) -> None:
        for path, entry in zip(self._files, self._entries, strict=True):
            entry["sha256"] = file_hash(path)


def _state(path: Path) -> dict[str, Any]:
    entry: dict[str, Any] = {"path": str(path), "bytes": None, "modified": None, "sha256": None}
    with contextlib.suppress(OSError):
        state = path.stat()
        entry |= {"bytes": state.st_size, "modified": state.st_mtime_ns}
    return entry
