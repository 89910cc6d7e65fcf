"""The folder of a run or a coding book: what may lie in it, who may write to it, how a file in it comes to be.

A file is written under a temporary name, flushed to the disk and renamed, so that a name stands for a whole file,
whenever the process or the machine stops.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import re
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from embedcode.errors import OutputError

MANIFEST = "manifest.json"
JOURNAL = "journal.json"
"""What the run was asked to do, so that only the same run goes on where it stopped."""

LOCK = ".lock"
HOLDER = ".lock.json"
"""Who holds the lock of a folder, for messages."""

TEMPORARY = ".tmp"

PATIENCE = 5.0
"""Seconds to wait for a run that is just ending, such as the workers of one that was killed."""

PATIENCE_TO_EDIT = 2.0
"""Seconds to wait for an edit that is just being written."""


def part_name(number: int) -> str:
    """Name of a part."""
    return f"part-{number:05d}.parquet"


def prepare(folder: Path, *, inputs: Collection[Path] = ()) -> None:
    """Make sure that a folder exists, can be written to, and holds nothing but the files of a run.

    Args:
        folder: The folder.
        inputs: Files that are read; none of them may lie in the folder.

    Raises:
        OutputError: It cannot take the output.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        held = sorted(p.name for p in folder.iterdir())
        read = {p.resolve() for p in inputs}
        if within := [n for n in held if (folder / n).resolve() in read]:
            raise OutputError(
                f"{folder} holds the input ({', '.join(within[:5])}). Expected another folder for the output: name "
                "one with -o."
            )
        if foreign := [n for n in held if not _is_ours(folder / n)]:
            raise OutputError(
                f"{folder} holds something else already ({', '.join(foreign[:5])}). Expected an empty or new folder: "
                "name another with -o."
            )
        probe = folder / f"probe{TEMPORARY}"
        probe.write_bytes(b"")
        probe.unlink(missing_ok=True)  # another run may just have cleared the folder
    except OSError as error:
        raise OutputError(
            f"Cannot write to {folder}: {error.strerror or error}. Name another folder with -o."
        ) from error


def _is_ours(path: Path) -> bool:
    """Whether an earlier run wrote a file, going by its content: a Spark job names its parts likewise."""
    if not path.is_file():
        return not os.path.lexists(path)  # a run that is at work may have renamed it
    if path.name == LOCK:
        return True
    if path.name.endswith(TEMPORARY):
        return path.name.startswith(("part-", MANIFEST, JOURNAL, "probe"))
    try:
        if path.name in (MANIFEST, JOURNAL):
            return "embedcode" in json.loads(path.read_bytes())
        named = path.name.startswith("part-") and path.suffix == ".parquet"
        return named and b"embedcode.version" in (pq.read_schema(path).metadata or {})
    except (ValueError, TypeError, pa.ArrowException):
        return False


def clear(folder: Path, *, temporary: bool = False) -> None:
    """Delete the files of an earlier run, or only those that it had not finished."""
    for path in sorted(folder.iterdir()):
        if path.name != LOCK and _is_ours(path) and (not temporary or path.name.endswith(TEMPORARY)):
            path.unlink(missing_ok=True)


def parts(folder: Path) -> list[Path]:
    """The parts in a folder, in order."""
    found = {int(m[1]): p for p in folder.iterdir() if (m := re.fullmatch(r"part-(\d+)\.parquet", p.name))}
    return [found[number] for number in sorted(found)]


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other runs out of a folder; the lock ends with the process, however that ends.

    Raises:
        OutputError: Another run writes to it.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=PATIENCE)
    except Timeout as error:
        raise OutputError(
            f"Another run is writing to {folder}. Wait for it to end, or name another folder with -o."
        ) from error
    except OSError as error:
        raise OutputError(
            f"Cannot write to {folder}: {error.strerror or error}. Name another folder with -o."
        ) from error
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def sole_writer(folder: Path, who: str) -> Iterator[str]:
    """Be the only one that writes to a folder, if that can be; the lock ends with the process, however that ends.

    Args:
        folder: The folder.
        who: What others are told that writes to it.

    Yields:
        Why it cannot be; empty where it is.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=PATIENCE_TO_EDIT)
    except Timeout:
        other = read_json(folder / HOLDER)
        name = other.get("who") or "another embedcode"
        place = f" (process {other['process']} on {other['machine']})" if {"process", "machine"} <= other.keys() else ""
        yield f"{folder} is being edited by {name}{place}. Make the edit there, or end that first and try again."
        return
    except OSError as error:
        yield f"{folder} cannot be written to ({error.strerror or error}). Check the permissions, or work on a copy."
        return
    try:
        with contextlib.suppress(OSError):
            write_json(folder / HOLDER, {"who": who, "process": os.getpid(), "machine": platform.node()})
        yield ""
    finally:
        (folder / HOLDER).unlink(missing_ok=True)
        lock.release()


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object of ours; empty where there is none."""
    with contextlib.suppress(OSError, ValueError):
        found = json.loads(path.read_bytes())
        return found if isinstance(found, dict) else {}
    return {}


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Write a JSON object."""
    write_whole(path, (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode())


def write_whole(path: Path, data: bytes | pa.Buffer) -> None:
    """Write a file that is whole or not there."""
    with whole(path) as out:
        out.write(data)


@contextlib.contextmanager
def whole(path: Path, tag: str = "") -> Iterator[IO[bytes]]:
    """A file to write under a temporary name; it is flushed to the disk and renamed where the block ends well.

    Args:
        tag: Goes into the temporary name, where others may write the same file at the same time.
    """
    temporary = path.with_name(path.name + tag + TEMPORARY)
    try:
        with temporary.open("wb") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        temporary.replace(path)
        _flush_folder(path.parent)
    except BaseException:  # Ctrl-C among them
        temporary.unlink(missing_ok=True)
        raise


def check_output(output: Path, coded: Path, force: bool, inputs: Iterable[Path] = ()) -> None:
    """Check that a file may be written.

    Raises:
        OutputError: It lies among the coded ads, is one of the further inputs, is no file, or is there already and
            `force` is not given.
    """
    if output.resolve().parent == coded.resolve() or output.resolve() == coded.resolve():
        raise OutputError(
            f"{output} lies among the coded ads; expected a file elsewhere, since a run goes on only in a folder of "
            "its own. Name another."
        )
    check_file(output, force, inputs)


def check_file(output: Path, force: bool, inputs: Iterable[Path] = ()) -> None:
    """Check that a file may be written, before the work is done.

    Raises:
        OutputError: It is one of the inputs, is no file, or is there already and `force` is not given.
    """
    if output.resolve() in {path.resolve() for path in inputs}:
        raise OutputError(f"{output} is read by this command; expected another file to write. Name another.")
    if output.exists() and not output.is_file():
        raise OutputError(f"{output} is no file; expected one to write. Name another.")
    if output.exists() and not force:
        raise OutputError(f"{output} exists already. Replace it with --force, or name another file.")


@contextlib.contextmanager
def output_file(path: Path) -> Iterator[IO[bytes]]:
    """A file that a command was asked for: `whole`, its folder made where there is none.

    Raises:
        OutputError: It cannot be written; what was there is unchanged.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole(path) as out:
            yield out
    except OSError as error:
        raise OutputError(
            f"Cannot write {path}: {error.strerror or error}. What was there is unchanged. Make room, or name another "
            "file."
        ) from error


def _flush_folder(folder: Path) -> None:
    """Flush the names in a folder, where the system can."""
    with contextlib.suppress(OSError):
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)


def file_hash(path: Path) -> str | None:
    """SHA-256 of a file; None where it cannot be read."""
    with contextlib.suppress(OSError), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
    return None
