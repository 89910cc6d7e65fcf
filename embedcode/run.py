"""Codes whole inputs: streams ads through the coder into Parquet parts and a manifest, and goes on where it stopped.

A part holds a fixed range of rows of the input, whoever codes them; so the parts depend neither on the number of
workers nor on the engine, and a run that was stopped is continued with the parts that it still lacks.
"""

from __future__ import annotations

import contextlib
import json
import signal
import threading
import time
from array import array
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from embedcode._version import __version__
from embedcode.coder import REMEMBERED, Coder
from embedcode.documents import Source
from embedcode.duplicates import Duplicates
from embedcode.errors import OutputError
from embedcode.folder import MANIFEST
from embedcode.journal import Journal
from embedcode.language import SUPPORTED
from embedcode.loading import load
from embedcode.local_engine import LocalEngine
from embedcode.neighbours import use_threads
from embedcode.parts import Output, Part
from embedcode.remote import Remote
from embedcode.storage import storage
from embedcode.workers import Work

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
        duplicates: Ads that are near-duplicates of an ad before them, where those were looked for.
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
    duplicates: int = 0
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

    def add(self, part: Part) -> None:
        """Count a part."""
        self.rows += part.rows
        self.before += part.rows if part.before else 0
        self.errors += part.errors
        self.profiles += part.profiles
        self.languages += part.languages
        self.parts.append({"name": part.name, "rows": part.rows, "sha256": part.sha256})
        self._ids.frombytes(part.ids.tobytes())

    def finish(self, work: Work) -> None:
        """Count what can be counted only when all parts are there, which may have come in any order."""
        self.stages, self.asked, self.found, self.deaths = work.seconds, work.asked, work.found, work.deaths
        self.parts.sort(key=lambda part: (len(part["name"]), part["name"]))
        ids = np.frombuffer(self._ids, dtype=np.uint64)
        ids.sort()  # in place
        self.repeated = int((ids[1:] == ids[:-1]).sum())


class Engine(Protocol):
    """What codes the parts that a folder lacks.

    Attributes:
        name: For the manifest.
        workers: Processes that code.
        work: What coding took.
    """

    name: str
    workers: int
    work: Work

    def start(self, source: Source) -> None:
        """Find out whether it can code, before anything of an earlier run is lost."""

    def code(self, source: Source, output: Output, seen: Duplicates | None) -> Generator[Part, None, None]:
        """Code the parts that the folder lacks, and find the others.

        Args:
            source: The ads.
            output: Where the parts go.
            seen: Finds near-duplicates, where those are looked for; it must see all ads in order.

        Yields:
            The parts, in any order.
        """


def run(
    source: Source,
    folder: Path | Remote,
    bundled: Bundled,
    *,
    coder: Coder | None = None,
    workers: int = 1,
    engine: Engine | None = None,
    rows_per_part: int = ROWS_PER_PART,
    restart: bool = False,
    dedupe: bool = False,
    progress: Callable[[int], None] = lambda _: None,
) -> Summary:
    """Code an input into a folder, or go on with it.

    Args:
        source: The ads.
        folder: Where the parts and the manifest go.
        bundled: What codes them.
        coder: The coder that `bundled` loads, where it is loaded already.
        workers: Processes that code; with 1, or only one piece, this one does.
        engine: Codes, instead of processes of this machine.
        rows_per_part: Rows of each part.
        restart: Delete what an earlier run left.
        dedupe: Fill `duplicate_of`, which takes about 700 bytes of memory for each different ad.
        progress: Called with the rows of each part that is finished.

    Raises:
        OutputError: The folder cannot take the output, holds that of another run, or a part cannot be written.
    """
    began = time.monotonic()
    coder = coder or bundled.load()
    engine = engine or LocalEngine(coder, bundled.load, workers)
    use_threads(1)
    to = storage(folder)
    to.prepare(source.files)
    with to.locked(), _interruptible(progress) as progress:
        engine.start(source)
        to.clear(temporary=not restart)
        seen = Duplicates() if dedupe else None
        metadata = part_metadata(coder, rows_per_part, seen)
        journal = Journal(source, metadata, to)
        summary = Summary()
        try:
            journal.begin()
            to.remove(MANIFEST)  # it says that all parts are there
            output = Output(to, rows_per_part, metadata, journal.earlier)
            with journal.kept(), contextlib.closing(engine.code(source, output, seen)) as parts:
                for part in parts:
                    summary.add(part)
                    journal.note(part)
                    progress(part.rows)
            if not summary.parts:
                summary.add(output.write(0, coder.classify_batch(pa.RecordBatch.from_pylist([], source.schema))))
            for name in to.parts()[len(summary.parts) :]:
                to.remove(name)  # of a longer input that broke off and is whole now, or the other way round
            summary.finish(engine.work)
            summary.duplicates = seen.repeats if seen is not None else 0
            summary.problems = list(source.problems)
            summary.seconds = time.monotonic() - began
            manifest = {
                "embedcode": __version__,
                "engine": engine.name,
                "workers": engine.workers,
                "seconds": round(summary.seconds, 3),
                "bundle": bundle_identity(coder),
                "options": {"rows_per_part": rows_per_part, "min_confidence": coder.min_confidence},
                "input": journal.finish(),
                "rows": summary.rows,
                "coded": summary.rows - summary.failed,
                "errors": summary.failed,
                "repeated_ids": summary.repeated,
                **({"duplicates": summary.duplicates} if dedupe else {}),
                "problems": summary.problems,
                "parts": summary.parts,
            }
            to.write_json(MANIFEST, manifest)
        except OSError as error:
            raise OutputError(
                f"Cannot write to {to}: {error.strerror or error}. {len(summary.parts)} parts are finished and "
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


def bundle_identity(coder: Coder) -> dict[str, str]:
    """What decides the result, apart from the input."""
    return {
        "book": coder.bundle.book_hash,
        "embedder": coder.bundle.embedder.sha256 or coder.bundle.hashes.get("embedder", ""),
        **{k: coder.bundle.hashes[k] for k in ("anchors", "models") if k in coder.bundle.hashes},
    }


def part_metadata(coder: Coder, rows_per_part: int, seen: Duplicates | None = None) -> dict[str, str]:
    """The schema metadata of a part: only what decides its content."""
    return {
        "embedcode.version": __version__,
        "embedcode.bundle": json.dumps(bundle_identity(coder), sort_keys=True),
        "embedcode.rows_per_part": str(rows_per_part),
        "embedcode.min_confidence": f"{coder.min_confidence:g}",
        **({"embedcode.dedupe": seen.method} if seen is not None else {}),
    }
