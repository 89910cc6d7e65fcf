"""Codes an input on a Ray cluster: actors load the bundle once, read the rows of their shards and write the parts.

It stands on Ray's actors, not on Ray Data: that one calls an actor that has died again and again for ever, so that one
row that ends its process would never let a run end, and needs pandas. Here a shard whose actors have died twice is
coded in processes of the actor's own, where such a row costs itself alone.
"""

from __future__ import annotations

import os
import platform
from collections import deque
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from embedcode._version import __version__
from embedcode.coder import Coder
from embedcode.documents import BATCH_BYTES, Source
from embedcode.duplicates import Duplicates
from embedcode.errors import EmbedcodeError, EngineError, OutputError
from embedcode.folder import JOURNAL
from embedcode.neighbours import use_threads
from embedcode.parts import Output, Part, joined, pieces
from embedcode.paths import find_index, is_shipped
from embedcode.remote import Place, Remote, absolute, size_and_time
from embedcode.run import Bundled, bundle_identity
from embedcode.shards import Shard, is_read_by_machines, shards
from embedcode.stopwatch import Stopwatch
from embedcode.threads import one_each
from embedcode.workers import Work, Workers, code

AHEAD = 2
"""Shards that an actor has in hand, so that it never waits."""

SUSPECT, HOPELESS = 2, 4
"""After so many deaths of its actors a shard is coded with care, and after so many it is given up."""

PATIENCE = 60.0
"""Seconds to wait for an answer of a cluster, or for an actor where none is at work."""

GRACE = 10.0
"""Seconds that other actors may start later than the first one, so that what is wrong with them is told at once."""


@dataclass(frozen=True)
class Job:
    """What an actor needs to know.

    Attributes:
        versions: Of what decides the bytes of a part.
        identity: What the bundle must be.
        source: The ads, as far as actors read them.
        sizes: Bytes of the files, as far as they are to be found at the same path everywhere.
    """

    versions: dict[str, str]
    bundled: Bundled
    identity: dict[str, str]
    source: Source
    sizes: dict[Place, int]


class Actor:
    """Codes shards in a process of a cluster."""

    def start(self, job: Job) -> None:
        """Load the bundle and check that this machine is like the one that asks.

        Raises:
            EngineError: It is not.
        """
        here = f"on the node {platform.node()}"
        if (found := versions()) != job.versions:
            raise EngineError(
                f"Found {_said(found)} {here}. Expected {_said(job.versions)}: install them on each node."
            )
        for file, size in job.sizes.items():
            with suppress(OSError):
                if size_and_time(file)[0] == size:
                    continue
            raise EngineError(
                f"The input {file} is not the same {here}. Expected it at the same path on each node: put it into a "
                "folder that all share, or into an object store (s3://, gs://)."
            )
        one_each()
        use_threads(1)
        pa.set_cpu_count(1)
        try:
            self._coder = job.bundled.load()
        except EmbedcodeError as error:
            raise EngineError(f"No bundle {here}: {error}") from None
        if bundle_identity(self._coder) != job.identity:
            raise EngineError(
                f"The bundle {job.bundled.index} is another {here}. Expected the same files on each node: copy them."
            )
        self._job = job
        self._sees_output = False

    def code(self, shard: Shard, output: Output, careful: bool) -> tuple[list[Part], Work]:
        """Code the parts of a shard that are not finished, and write them.

        Args:
            careful: Whether to expect that a row ends the process.

        Raises:
            OutputError: This machine does not see the output.
            OSError: A part cannot be written.
        """
        self._sees_output = self._sees_output or output.storage.read(JOURNAL) is not None
        if not self._sees_output:
            raise OutputError(
                f"The output {output.storage} is not seen on the node {platform.node()}. Expected it at the same path "
                "on each node: name a folder that all share, or one in an object store (s3://, gs://), with -o."
            )
        parts: list[Part] = []
        work, clock = Work(), Stopwatch()
        for number, batch in enumerate(shard.batches(self._job.source, output.rows), shard.part):
            part = output.find(number, len(batch))
            clock.lap("reading")
            if part is None:
                done = list(self._coded(batch, careful, work))
                clock.start()
                part = output.write(number, joined(done), shard.duplicate_of)
                clock.lap("writing")
            parts.append(part)
        work.seconds += clock.seconds
        return parts, work

    def _coded(self, batch: pa.RecordBatch, careful: bool, work: Work) -> Iterator[pa.RecordBatch]:
        # Not forked: other threads of this process may hold locks.
        apart = Workers(self._coder, self._job.bundled.load, 1, fork=False)
        for coded in apart.code(pieces(batch)) if careful else (code(self._coder, p) for p in pieces(batch)):
            work.add(coded)
            yield coded.batch
        work.deaths += apart.deaths


@dataclass
class _Hand:
    """An actor and the shards that it has in hand, the first of which it is coding.

    Attributes:
        handle: Ray's handle of the actor.
        starting: Ray's reference to the end of its start; None once it has come.
        shards: With Ray's references to what comes of them.
    """

    handle: Any
    starting: Any
    shards: deque[tuple[Any, Shard]] = field(default_factory=deque)

    @property
    def next(self) -> Any:
        """What it will be heard of next; None where it has nothing to do."""
        return self.starting or (self.shards[0][0] if self.shards else None)


class _Queue:
    """Shards to hand out; those that were handed out in vain come first.

    Attributes:
        empty: Whether there was none left.
    """

    def __init__(self, made: Iterator[Shard]) -> None:
        self.empty = False
        self._made = made
        self._again: deque[Shard] = deque()

    def take(self) -> Shard | None:
        shard = self._again.popleft() if self._again else next(self._made, None)
        self.empty = shard is None
        return shard

    def put_back(self, shards: list[Shard]) -> None:
        self._again.extendleft(reversed(shards))
        self.empty = self.empty and not shards


class RayEngine:
    """Actors of a Ray cluster."""

    name = "ray"

    def __init__(self, coder: Coder, bundled: Bundled, workers: int) -> None:
        """Start nothing yet; see `connected`.

        Args:
            coder: The coder.
            bundled: The bundle that it was loaded from.
            workers: Actors, each with a processor.
        """
        self.workers = workers
        self.work = Work()
        self._bundled = _anywhere(bundled)
        self._identity = bundle_identity(coder)
        self._hands: list[_Hand] = []
        self._deaths: dict[int, int] = {}
        self._failures = 0

    def start(self, source: Source) -> None:
        """Start the actors.

        Raises:
            EngineError: One of them cannot code, or none has started in time.
        """
        import ray

        theirs = _theirs(source)
        self._job = Job(versions(), self._bundled, self._identity, theirs, _sizes(theirs))
        self._hands = [self._new() for _ in range(self.workers)]
        starting = [hand.starting for hand in self._hands]
        if not ray.wait(starting, timeout=PATIENCE)[0]:
            raise self._none_started()
        ready, _ = ray.wait(starting, num_returns=len(starting), timeout=GRACE)
        for hand in self._hands:
            if hand.starting in ready:
                try:
                    _result(hand.starting)
                except ray.exceptions.RayError as error:
                    raise EngineError(f"An actor cannot start: {_reason(error)}") from error
                hand.starting = None

    def code(self, source: Source, output: Output, seen: Duplicates | None) -> Generator[Part, None, None]:
        """Code the parts that the folder lacks, and find the others, in any order."""
        import ray

        made = shards(source, output.rows, self.workers, seen)
        queue = _Queue(made)
        where = ray.put(replace(output, storage=output.storage.shared()))
        try:
            while True:
                self._hand_out(queue, where)
                at_work = any(hand.shards for hand in self._hands)
                if queue.empty and not at_work:
                    return
                heard = [hand.next for hand in self._hands if hand.next is not None]
                ready, _ = ray.wait(heard, timeout=None if at_work else PATIENCE)
                if not ready:
                    raise self._none_started()
                hand = next(hand for hand in self._hands if hand.next in ready)
                try:
                    result = _result(hand.next)
                except ray.exceptions.RayError as error:
                    self._bury(hand, queue, error)
                    continue
                if hand.starting is not None:
                    hand.starting = None
                    continue
                hand.shards.popleft()
                self._failures = 0
                parts, work = result
                self.work.add(work)
                yield from parts
        finally:
            made.close()
            for hand in self._hands:
                ray.kill(hand.handle)

    def _hand_out(self, queue: _Queue, where: Any) -> None:
        """Give every actor that has started something to do; in turn, so that the last shards are shared."""
        for full in range(1, AHEAD + 1):
            for hand in self._hands:
                if hand.starting is None and len(hand.shards) < full:
                    shard = queue.take()
                    if shard is None:
                        return
                    careful = self._deaths.get(shard.part, 0) >= SUSPECT
                    hand.shards.append((hand.handle.code.remote(shard, where, careful), shard))

    def _bury(self, hand: _Hand, queue: _Queue, error: Exception) -> None:
        """Put another actor in the place of one that is lost.

        Raises:
            EngineError: Too many have been lost without a shard coming to its end.
        """
        import ray

        ray.kill(hand.handle)  # it may be out of reach only
        self.work.deaths += 1
        self._failures += 1
        if hand.shards:
            first = hand.shards[0][1].part
            self._deaths[first] = self._deaths.get(first, 0) + 1
        if self._failures > HOPELESS + 2 * self.workers or HOPELESS in self._deaths.values():
            raise EngineError(
                f"Actors die again and again, the last one of: {_reason(error)} The finished parts are whole. Look "
                "into the memory of the nodes and into Ray's logs, then give the same command again to go on."
            )
        queue.put_back([shard for _, shard in hand.shards])
        self._hands[self._hands.index(hand)] = self._new()

    def _new(self) -> _Hand:
        import ray

        # Another actor instead of the same one anew: what it had in hand may be what ended it.
        handle: Any = ray.remote(num_cpus=1, max_restarts=0, max_task_retries=0)(Actor).remote()
        return _Hand(handle, handle.start.remote(self._job))

    def _none_started(self) -> EngineError:
        import ray

        free, there = (r.get("CPU", 0) for r in (ray.available_resources(), ray.cluster_resources()))
        return EngineError(
            f"No actor has started within {PATIENCE:.0f} seconds: {free:g} of the cluster's {there:g} processors are "
            "free. Expected one for each worker: wait for other jobs to end, or add nodes, then give the same command "
            "again."
        )


@contextmanager
def connected(address: str | None = None, workers: int | None = None) -> Iterator[int]:
    """Connect to a Ray cluster; nothing is reported to anybody.

    Args:
        address: Host and port of the cluster, or `auto` for that of this machine; None starts one on this machine.
        workers: How many actors are wanted; None: one for each processor.

    Yields:
        How many actors the cluster has room for, at most as many as are wanted.

    Raises:
        EngineError: Ray is not installed, the address does not answer, or the cluster runs other versions.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    one_each()
    try:
        import ray
    except ImportError as error:
        raise EngineError("Ray is not installed: pip install 'embedcode[ray]'") from error
    options: dict[str, Any] = {"logging_level": "error", "log_to_driver": False, "namespace": "embedcode"}
    if address is None:
        count = workers or os.cpu_count() or 1
        memory = (1 << 27) + 2 * AHEAD * count * BATCH_BYTES
        options |= {"num_cpus": count, "object_store_memory": memory, "include_dashboard": False}
    elif address != "auto":
        _check_answers(address)
    with ExitStack() as stack:
        try:
            ray.init(address or "local", **options)
        except (Exception, SystemExit) as error:  # after some minutes of trying in vain, Ray exits
            raise EngineError(
                f"Cannot use the Ray cluster at {address or 'this machine'}: {_reason(error)} Expected a cluster that "
                "runs, with the same versions of Python and Ray as here: `ray start` on each node."
            ) from None
        stack.callback(ray.shutdown)
        room = int(ray.cluster_resources().get("CPU", 0))
        if not room:
            raise EngineError("The Ray cluster has no processors. Expected one for each worker: add nodes.")
        yield min(room, workers or room)


def _check_answers(address: str) -> None:
    """Ray itself would try for minutes.

    Raises:
        EngineError: There is no answer.
    """
    import asyncio

    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or "/" in host:
        raise EngineError(
            f"{address} is no address of a Ray cluster. Expected HOST:PORT, such as 10.0.0.1:6379, or auto."
        )

    async def knock() -> None:
        _, writer = await asyncio.wait_for(asyncio.open_connection(host.strip("[]"), int(port)), PATIENCE / 6)
        writer.close()

    try:
        asyncio.run(knock())
    except OSError as error:  # TimeoutError among them
        raise EngineError(
            f"Nothing answers at {address} ({error or 'no answer in time'}). Expected a Ray cluster: `ray status` on "
            "its head node tells the address."
        ) from error


def versions() -> dict[str, str]:
    """The versions that a part's bytes depend on."""
    return {"embedcode": __version__, "Python": platform.python_version(), "pyarrow": pa.__version__}


def _said(versions: dict[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def _anywhere(bundled: Bundled) -> Bundled:
    """The same bundle, whatever the working folder: by its path, or by name where it came with embedcode."""
    found = find_index(bundled.index)
    anchors = str(Path(bundled.anchors).absolute()) if bundled.anchors else None
    model = str(Path(bundled.model).absolute()) if bundled.model and Path(bundled.model).is_dir() else bundled.model
    index = bundled.index if is_shipped(found) else str(found.absolute())
    return replace(bundled, index=index, anchors=anchors, model=model)


def _theirs(source: Source) -> Source:
    """The files that actors read, whatever their working folder; none where they are sent the rows."""
    read = source.picks if is_read_by_machines(source) else []
    return Source((), [(type(f)(absolute(f.path), f.encoding), pick) for f, pick in read if f.path], source.kept)


def _sizes(source: Source) -> dict[Place, int]:
    """Sizes of the files of a source; of those in object stores one tells whether they can be read."""
    files = [file.path for file, _ in source.picks if file.path]
    remote = [file for file in files if isinstance(file, Remote)]
    checked: list[Place] = [*(file for file in files if isinstance(file, Path)), *remote[:1]]
    found: dict[Place, int] = {}
    for file in checked:
        with suppress(OSError):  # reading tells what is wrong with it
            found[file] = size_and_time(file)[0]
    return found


def _result(reference: Any) -> Any:
    """What an actor sends.

    Raises:
        ray.exceptions.RayError: It has died.
        Exception: What it raised itself.
    """
    import ray

    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from None


def _reason(error: BaseException) -> str:
    """What Ray says, in a sentence."""
    lines = [line.strip() for line in str(error).strip().splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0] if lines else 'no message'}".rstrip(".") + "."
