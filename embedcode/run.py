"""Codes whole inputs: streams ads through worker processes into Parquet parts and a manifest.

A part holds a fixed range of rows of the input, coded and written by whichever worker is free; so the parts do not
depend on the number of workers. A part is written under a temporary name and renamed when it is whole.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import os
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from embedcode._version import __version__
from embedcode.coder import Coder
from embedcode.documents import Source
from embedcode.errors import EmbedcodeError, OutputError
from embedcode.language import SUPPORTED
from embedcode.loading import load
from embedcode.neighbours import use_threads

ROWS_PER_PART = 1000
AHEAD = 2
"""Shards that wait for each worker."""

MANIFEST = "manifest.json"
TEMPORARY = ".tmp"

FORK = sys.platform == "linux"
"""Forked workers start at once and share the loaded bundle; elsewhere forking is not safe."""

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True)
class Bundled:
    """Which bundle codes; what a worker needs to load it."""

    index: str = "default"
    anchors: str | None = None
    model: str | None = None
    download: bool = False
    min_confidence: float = 0.0

    def load(self) -> Coder:
        """Load the coder."""
        return load(
            self.index,
            anchors=self.anchors,
            model=self.model,
            download=self.download,
            min_confidence=self.min_confidence,
        )


@dataclass
class Summary:
    """What a run did.

    Attributes:
        rows: Rows read and written.
        errors: Rows that could not be coded, by reason.
        profiles: Ads by profile.
        languages: Ads by language.
        parts: Name, rows and SHA-256 of each part.
        problems: What could not be read.
        seconds: Duration.
    """

    rows: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    profiles: Counter[str] = field(default_factory=Counter)
    languages: Counter[str] = field(default_factory=Counter)
    parts: list[dict[str, Any]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def failed(self) -> int:
        """Rows with an error."""
        return sum(self.errors.values())

    @property
    def foreign(self) -> int:
        """Ads in neither English nor Dutch."""
        return sum(n for language, n in self.languages.items() if language not in SUPPORTED)


def prepare(folder: Path, *, restart: bool = False, inputs: Collection[Path] = ()) -> None:
    """Make sure that a folder can take the output.

    Args:
        folder: The folder.
        restart: Delete the parts of an earlier run.
        inputs: Files that are read; none of them may lie in the folder.

    Raises:
        OutputError: The folder holds something else, or an earlier run, or cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        held = sorted(p.name for p in folder.iterdir())
        ours = [n for n in held if _is_ours(folder / n)]
        read = {p.resolve() for p in inputs}
        if within := [n for n in held if (folder / n).resolve() in read]:
            raise OutputError(
                f"{folder} holds the input ({', '.join(within[:5])}). Expected another folder for the output: name "
                "one with -o."
            )
        if foreign := [n for n in held if n not in ours]:
            raise OutputError(
                f"{folder} holds something else already ({', '.join(foreign[:5])}). Expected an empty or new folder: "
                "name another with -o."
            )
        if ours and not restart:
            raise OutputError(
                f"{folder} holds coded ads already ({len(ours)} files). Name another folder with -o, or code anew "
                "with --restart, which deletes them."
            )
        for name in ours:
            (folder / name).unlink()
        probe = folder / f"probe{TEMPORARY}"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise OutputError(
            f"Cannot write to {folder}: {error.strerror or error}. Name another folder with -o."
        ) from error


def _is_ours(path: Path) -> bool:
    """Whether an earlier run wrote a file, going by its content: a Spark job names its parts likewise."""
    if not path.is_file():
        return False
    if path.name.endswith(TEMPORARY):
        return path.name.startswith(("part-", MANIFEST, "probe"))
    try:
        if path.name == MANIFEST:
            return "parts" in json.loads(path.read_bytes())
        named = path.name.startswith("part-") and path.suffix == ".parquet"
        return named and b"embedcode.version" in (pq.read_schema(path).metadata or {})
    except (ValueError, TypeError, pa.ArrowException):
        return False


def run(
    source: Source,
    folder: Path,
    bundled: Bundled,
    *,
    coder: Coder | None = None,
    workers: int = 1,
    rows_per_part: int = ROWS_PER_PART,
    progress: Callable[[int], None] = lambda _: None,
) -> Summary:
    """Code an input into a folder that `prepare` has prepared.

    Args:
        source: The ads.
        folder: Where the parts and the manifest go.
        bundled: What codes them.
        coder: The coder that `bundled` loads, where it is loaded already.
        workers: Processes that code; with 1, or only one part, this one does.
        rows_per_part: Rows of each part.
        progress: Called with the rows of each part that is finished.

    Raises:
        OutputError: A part cannot be written.
        EmbedcodeError: A worker was killed.
    """
    began = time.monotonic()
    coder = coder or bundled.load()
    metadata = part_metadata(coder, rows_per_part)
    summary = Summary()
    hashes = InputHashes(source.files)
    try:
        for counted in _coded_parts(source, folder, bundled, coder, metadata, workers, rows_per_part):
            summary.rows += counted.rows
            summary.errors += counted.errors
            summary.profiles += counted.profiles
            summary.languages += counted.languages
            summary.parts.append(counted.part)
            progress(counted.rows)
    except BrokenProcessPool as error:
        raise EmbedcodeError(
            f"A worker was ended from outside, perhaps for want of memory. {len(summary.parts)} parts are finished "
            f"and intact. Code anew with fewer processes (--workers {max(1, workers // 2)}) or smaller parts "
            "(--rows-per-part)."
        ) from error
    except OSError as error:
        raise OutputError(
            f"Cannot write to {folder}: {error.strerror or error}. {len(summary.parts)} parts are finished and intact."
        ) from error
    summary.problems = list(source.problems)
    if not summary.parts:
        counted = write_part(coder, source_schema_batch(source), folder, 0, metadata)
        summary.parts.append(counted.part)
    summary.seconds = time.monotonic() - began
    manifest = {
        "embedcode": __version__,
        "engine": "local",
        "workers": workers,
        "seconds": round(summary.seconds, 3),
        "bundle": bundle_identity(coder),
        "options": {"rows_per_part": rows_per_part, "min_confidence": coder.min_confidence},
        "input": hashes.result(),
        "rows": summary.rows,
        "coded": summary.rows - summary.failed,
        "errors": summary.failed,
        "parts": summary.parts,
    }
    write_whole(folder / MANIFEST, (json.dumps(manifest, indent=1, ensure_ascii=False) + "\n").encode())
    return summary


def source_schema_batch(source: Source) -> pa.RecordBatch:
    """An empty batch with the columns of a source."""
    return pa.RecordBatch.from_pylist([], source.schema)


@dataclass(frozen=True)
class Counted:
    """A finished part and what is in it."""

    part: dict[str, Any]
    rows: int
    errors: Counter[str]
    profiles: Counter[str]
    languages: Counter[str]


def _coded_parts(
    source: Source,
    folder: Path,
    bundled: Bundled,
    coder: Coder,
    metadata: dict[str, str],
    workers: int,
    rows_per_part: int,
) -> Iterator[Counted]:
    """The finished parts, in order."""
    stream = source.batches(rows_per_part)
    # Starting processes takes longer than coding one part.
    head = list(itertools.islice(stream, 2 if workers > 1 else 0))
    batches = enumerate(itertools.chain(head, stream))
    if workers <= 1 or len(head) < 2:
        for number, batch in batches:
            yield write_part(coder, batch, folder, number, metadata)
        return
    with single_threaded():
        arguments = (coder if FORK else None, bundled, str(folder), metadata)
        pool = ProcessPoolExecutor(workers, get_context("fork" if FORK else "spawn"), _start, arguments)
        with pool:
            waiting: deque[Future[Counted]] = deque()
            try:
                for number, batch in batches:
                    waiting.append(pool.submit(_work, number, batch))
                    if len(waiting) >= workers * (1 + AHEAD):
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                pool.shutdown(wait=True, cancel_futures=True)


@contextlib.contextmanager
def single_threaded() -> Iterator[None]:
    """Let processes that are started meanwhile use one thread each for numeric work."""
    before = {name: os.environ.get(name) for name in _THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(_THREAD_VARIABLES, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


_worker: tuple[Coder, Path, dict[str, str]] | None = None


def _start(coder: Coder | None, bundled: Bundled, folder: str, metadata: dict[str, str]) -> None:
    """Make a worker ready."""
    global _worker
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent to handle
    threading.Thread(target=_end_with_parent, daemon=True).start()
    pa.set_cpu_count(1)
    use_threads(1)
    _worker = (coder or bundled.load(), Path(folder), metadata)


def _end_with_parent() -> None:
    """End a worker whose parent was killed; it would wait for work for ever."""
    if parent := parent_process():
        parent.join()
        os._exit(1)


def _work(number: int, batch: pa.RecordBatch) -> Counted:
    assert _worker is not None
    coder, folder, metadata = _worker
    return write_part(coder, batch, folder, number, metadata)


def write_part(coder: Coder, batch: pa.RecordBatch, folder: Path, number: int, metadata: dict[str, str]) -> Counted:
    """Code a batch and write it as a part."""
    coded = coder.classify_batch(batch)
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_batches([coded.replace_schema_metadata(metadata)]), sink, compression="zstd")
    data = sink.getvalue()
    name = f"part-{number:05d}.parquet"
    write_whole(folder / name, data)
    part = {"name": name, "rows": len(coded), "sha256": hashlib.sha256(data).hexdigest()}
    return Counted(part, len(coded), *(_tally(coded.column(c)) for c in ("error", "profile", "language")))


def _tally(column: pa.Array) -> Counter[str]:
    counts = pc.value_counts(column.drop_null()).to_pylist()
    return Counter({c["values"]: c["counts"] for c in counts})


def write_whole(path: Path, data: bytes | pa.Buffer) -> None:
    """Write a file under a temporary name, flush it to the disk and rename it."""
    temporary = path.with_name(path.name + TEMPORARY)
    try:
        with temporary.open("wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


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


class InputHashes:
    """Sizes and SHA-256 of the input files, computed while they are coded."""

    def __init__(self, files: tuple[Path, ...]) -> None:
        self._entries: list[dict[str, Any]] = []
        self._thread = threading.Thread(target=self._hash, args=(files,), daemon=True)
        self._thread.start()

    def _hash(self, files: tuple[Path, ...]) -> None:
        for path in files:
            entry: dict[str, Any] = {"path": str(path), "bytes": None, "sha256": None}
            with contextlib.suppress(OSError), path.open("rb") as file:
                entry["sha256"] = hashlib.file_digest(file, "sha256").hexdigest()
                entry["bytes"] = path.stat().st_size
            self._entries.append(entry)

    def result(self) -> list[dict[str, Any]]:
        """One entry per file, once all are hashed; standard input has none."""
        self._thread.join()
        return self._entries
