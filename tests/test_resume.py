"""Runs that are stopped, whatever stops them: given again, the same command goes on to the same bytes."""

from __future__ import annotations

import contextlib
import errno
import gzip
import hashlib
import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import parent_process
from pathlib import Path
from typing import Any

import faiss
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from ads import gold_rows
from conftest import Study
from typer.testing import CliRunner

from embedcode import cli
from embedcode import folder as folders
from embedcode import journal as journals
from embedcode import run as running
from embedcode import workers as working
from embedcode.building import rebuild
from embedcode.coder import Coder
from embedcode.documents import Columns, Source
from embedcode.errors import OutputError
from embedcode.folder import JOURNAL, LOCK, MANIFEST, prepare
from embedcode.run import Bundled, run

TEXTS = [r["text"] for r in gold_rows()]
BIN = Path(sys.executable).parent / "embedcode"

MARKER = "Plugh"
"""A word that makes a row fail; see `poison`."""

posix = pytest.mark.skipif(os.name != "posix", reason="sends signals")
forked = pytest.mark.skipif(not working.FORK, reason="a worker that is not forked does not see the patch")


def rows(count: int, poisoned: Sequence[int] = ()) -> list[dict[str, Any]]:
    """Ads, most of them of several codes, with differing ids."""
    out = [{"id": f"ad {i}", "text": TEXTS[i % len(TEXTS)], "sector": f"s{i % 3}"} for i in range(count)]
    for i in poisoned:
        out[i]["text"] += f"\n{MARKER} builds language models in Python."
    return out


def write(path: Path, ads: Sequence[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(r) + "\n" for r in ads), "utf-8")
    return path


@pytest.fixture
def ads(tmp_path: Path) -> Path:
    """Forty ads."""
    return write(tmp_path / "ads.jsonl", rows(40))


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """Ads enough for a run that can be stopped in the middle."""
    return write(tmp_path / "many.jsonl", rows(400))


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """As in a process of the command line: threads that wait for a busy core make small searches very slow."""
    variables, threads = dict(os.environ), faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    yield
    faiss.omp_set_num_threads(threads)
    os.environ.clear()
    os.environ.update(variables)


def code(study: Study, source: Path, folder: Path, **options: Any) -> running.Summary:
    options = {"workers": 1, "rows_per_part": 8, **options}
    return run(Source.open([str(source)], Columns(keep=("sector",))), folder, Bundled(str(study.index)), **options)


def arguments(study: Study, source: Path | str, folder: Path, *more: str) -> list[str]:
    """A command; what is said last counts."""
    command = ["classify", str(source), "-o", str(folder), "--index", str(study.index), "--workers", "1"]
    return [*command, "--rows-per-part", "8", *more]


def invoke(command: Sequence[str], input: bytes | None = None) -> Any:
    return CliRunner().invoke(cli.app, list(command), input=input)


def parts(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted(folder.glob("part-*.parquet"))}


def contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    """All of a folder but its lock: bytes and time."""
    return {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in folder.iterdir() if p.name != LOCK}


def table(folder: Path) -> pa.Table:
    return pa.concat_tables([pq.read_table(p) for p in sorted(folder.glob("part-*.parquet"))])


def manifest(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / MANIFEST).read_bytes())
    return found


def check_finished(folder: Path, source: Path, expected: dict[str, bytes]) -> None:
    """A finished run left the expected parts, a manifest of all of them, and nothing else."""
    assert parts(folder) == expected
    assert {p.name for p in folder.iterdir()} - {LOCK} == {*expected, MANIFEST, JOURNAL}
    found = manifest(folder)
    sizes = {name: pq.read_metadata(folder / name).num_rows for name in expected}
    assert found["parts"] == [
        {"name": name, "rows": sizes[name], "sha256": hashlib.sha256(data).hexdigest()}
        for name, data in expected.items()
    ]
    assert (found["rows"], found["problems"]) == (sum(sizes.values()), [])
    assert [e["sha256"] for e in found["input"]] == [hashlib.sha256(source.read_bytes()).hexdigest()]


def break_off(folder: Path, left: int = 2) -> None:
    """Leave what a run leaves that is killed after some parts."""
    (folder / MANIFEST).unlink()
    for path in sorted(folder.glob("part-*.parquet"))[left:]:
        path.unlink()


def until(holds: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


@contextlib.contextmanager
def started(command: Sequence[str | Path], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A real process with a process group of its own; its messages go to a file, as its workers hold them open."""
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, start_new_session=True)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


# Killed


KILLER = """
import os, signal, sys
from pathlib import Path
from embedcode.cli import app

name, when = sys.argv.pop(1), sys.argv.pop(1)
rename = Path.replace

def replace(self, target):
    if target.name == name:
        if when == "half":
            os.truncate(self, self.stat().st_size // 2)
        if when == "renamed":
            rename(self, target)
        os.kill(os.getpid(), signal.SIGKILL)
    return rename(self, target)

Path.replace = replace
app()
"""

KILLS = (
    (JOURNAL, "half", 0),
    ("part-00000.parquet", "whole", 0),
    ("part-00007.parquet", "half", 7),
    ("part-00012.parquet", "renamed", 13),
    (MANIFEST, "whole", 20),
)
"""A file, what is on the disk when the run that writes it is killed, and how many parts are finished by then."""


@posix
def test_killed_while_writing(built_study: Study, ads: Path, tmp_path: Path) -> None:
    code(built_study, ads, tmp_path / "whole", rows_per_part=2)
    expected = parts(tmp_path / "whole")
    out, log = tmp_path / "out", tmp_path / "log"
    command = arguments(built_study, ads, out, "--keep", "sector", "--workers", "2", "--rows-per-part", "2")
    for name, when, finished in KILLS:
        with started([sys.executable, "-c", KILLER, name, when, *command], log) as process:
            assert process.wait(60) == -signal.SIGKILL, log.read_text()
        assert parts(out) == dict(list(expected.items())[:finished])
        assert (out / f"{name}.tmp").exists() == (when != "renamed")
        assert not (out / MANIFEST).exists()
    before = contents(out)
    summary = code(built_study, ads, out, rows_per_part=2)
    assert summary.before == summary.rows == 40
    check_finished(out, ads, expected)
    assert {n: c for n, c in contents(out).items() if n in expected} == {n: before[n] for n in expected}


@posix
@pytest.mark.slow
def test_killed_fifty_times(built_study: Study, many: Path, tmp_path: Path) -> None:
    def command(folder: Path) -> list[str | Path]:
        return [BIN, *arguments(built_study, many, folder, "--workers", "2", "--rows-per-part", "2")]

    log, out = tmp_path / "log", tmp_path / "out"
    began = time.monotonic()
    assert subprocess.run(command(tmp_path / "whole"), capture_output=True).returncode == 0
    duration = time.monotonic() - began
    expected = parts(tmp_path / "whole")
    assert len(expected) == 200
    chance = random.Random(0)
    kills = finishes = 0
    cut: list[int] = []  # finished parts at each kill
    while kills < 50 or not finishes or len(parts(out)) < len(expected):
        with started(command(out), log) as process:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(chance.uniform(0, duration) if kills < 50 else 60)
            if process.poll() is None:
                if chance.random() < 0.5:
                    process.kill()  # the workers notice by themselves
                else:
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        if process.returncode == -signal.SIGKILL:
            kills += 1
            found = parts(out) if out.exists() else {}
            assert found == dict(list(expected.items())[: len(found)])
            assert len(found) == len(expected) or not (out / MANIFEST).exists()
            cut.append(len(found))
        else:
            assert process.returncode == 0, log.read_text()
            check_finished(out, many, expected)
            finishes += 1
            if kills < 50:
                shutil.rmtree(out)
    print(f"{duration:.1f} s a run; {finishes} runs finished; killed at {cut} of {len(expected)} parts")
    assert len({n for n in cut if 0 < n < len(expected)}) >= 10, "most were killed outside of their work"


@posix
def test_ctrl_c(built_study: Study, many: Path, tmp_path: Path) -> None:
    out, log = tmp_path / "out", tmp_path / "log"
    command = arguments(built_study, many, out, "--keep", "sector", "--workers", "2", "--rows-per-part", "2")
    for least in (3, 60):
        with started([BIN, *command], log) as process:
            until(lambda n=least: len(list(out.glob("part-*.parquet"))) >= n)
            os.killpg(process.pid, signal.SIGINT)
            assert process.wait(30) == 130, (len(parts(out)), log.read_text())
            with pytest.raises(ProcessLookupError):
                os.killpg(process.pid, 0)  # its workers have ended too
        assert log.read_text() == (
            f"Stopped. The finished parts in {out} are whole; give the same command again to go on.\n"
        )
        assert least <= len(parts(out)) < 200
        assert not list(out.glob("*.tmp"))
        assert not (out / MANIFEST).exists()
    assert code(built_study, many, out, rows_per_part=2).before >= 120
    code(built_study, many, tmp_path / "whole", rows_per_part=2)
    check_finished(out, many, parts(tmp_path / "whole"))


def test_ctrl_c_while_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", stop)
    with pytest.raises(KeyboardInterrupt):
        folders.write_whole(tmp_path / "part-00000.parquet", b"whole")
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_that_a_library_drops(built_study: Study, ads: Path, tmp_path: Path) -> None:
    seen = []

    def drop(rows: int) -> None:
        seen.append(rows)
        with contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)

    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        code(built_study, ads, tmp_path / "out", progress=drop)
    assert seen == [8]
    assert signal.getsignal(signal.SIGINT) is handler
    assert len(parts(tmp_path / "out")) == 2


def test_a_finished_run_that_lost_a_part(built_study: Study, ads: Path, tmp_path: Path) -> None:
    """Its manifest would say that all is there."""

    def stop(_: int) -> None:
        raise KeyboardInterrupt

    out = tmp_path / "out"
    code(built_study, ads, out)
    before = parts(out)
    (out / "part-00003.parquet").unlink()
    with pytest.raises(KeyboardInterrupt):
        code(built_study, ads, out, progress=stop)
    assert not (out / MANIFEST).exists()
    assert code(built_study, ads, out).before == 32
    check_finished(out, ads, before)


# Another run


def another_bundle(study: Study, folder: Path) -> Path:
    """The bundle of a coding book with one more phrase."""
    anchors = Path(shutil.copytree(study.anchors, folder / "anchors"))
    with (anchors / "phrases" / "SKILL1.csv").open("a", encoding="utf-8") as out:
        out.write("listen to customers,talking,en,\n")
    index = Path(shutil.copytree(study.index, folder / "indexes" / "other"))
    rebuild(anchors, index)
    return index


CHANGES: dict[str, tuple[str, ...]] = {
    "another bundle and options": ("--min-confidence", "0.5"),
    "another bundle and options, rows": ("--rows-per-part", "9"),
    "another bundle and options, index": ("--index", "OTHER"),
    "another options of the input, keep": ("--keep", "sector"),
    "another options of the input, limit": ("--limit", "30"),
    "another options of the input, text": ("--text-column", "sector"),
    "the input": (),
}


@pytest.mark.parametrize("finished", [True, False], ids=["finished", "stopped"])
@pytest.mark.parametrize("change", CHANGES)
def test_another_run_is_refused(built_study: Study, ads: Path, tmp_path: Path, change: str, finished: bool) -> None:
    out = tmp_path / "out"
    command = arguments(built_study, ads, out)
    assert invoke(command).exit_code == 0
    expected = parts(out)
    if not finished:
        break_off(out)
    before = contents(out)
    other = CHANGES[change]
    if "OTHER" in other:
        other = ("--index", str(another_bundle(built_study, tmp_path)))
    if not other:
        change_text(ads)
    done = invoke([*command, *other])
    assert done.exit_code == 2
    assert f"{out} holds the coded ads of another run ({change.partition(',')[0]}" in done.stderr
    assert "--restart, or name another folder with -o." in done.stderr
    assert contents(out) == before
    if other:
        assert invoke(command).exit_code == 0
        assert parts(out) == expected
    assert invoke([*command, *other, "--restart"]).exit_code == 0
    fresh = tmp_path / "fresh"
    assert invoke([*command, *other, "-o", str(fresh)]).exit_code == 0
    check_finished(out, ads, parts(fresh))
    assert parts(out) != expected


def change_text(path: Path) -> None:
    """Another text of the same length, at another time."""
    state, text = path.stat(), path.read_text("utf-8")
    path.write_text(text.replace("model", "molde"), "utf-8")
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns + 1_000_000_000))
    assert path.stat().st_size == state.st_size


def test_another_version_is_refused(
    built_study: Study, ads: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    code(built_study, ads, out)
    before = contents(out)
    monkeypatch.setattr(running, "__version__", "999.0")
    with pytest.raises(OutputError, match="another bundle and options.*--restart"):
        code(built_study, ads, out)
    assert contents(out) == before


def test_other_input_files_are_refused(built_study: Study, ads: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert invoke(arguments(built_study, ads, out)).exit_code == 0
    before = contents(out)
    more, longer = write(tmp_path / "more.jsonl", rows(3)), write(tmp_path / "longer.jsonl", rows(41))
    done = invoke(arguments(built_study, ads, out, str(more)))
    assert (done.exit_code, "1 input files instead of 2" in done.stderr) == (2, True)
    done = invoke(arguments(built_study, longer, out))
    assert (done.exit_code, f"the input was {ads}, not {longer}" in done.stderr) == (2, True)
    assert contents(out) == before


def test_a_change_that_size_and_time_hide_is_noticed(built_study: Study, ads: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert invoke(arguments(built_study, ads, out)).exit_code == 0
    break_off(out)
    state, data = ads.stat(), ads.read_bytes()
    ads.write_bytes(data[:-20] + data[-20:].replace(b"e", b"a") if b"e" in data[-20:] else data.replace(b"e", b"a"))
    assert ads.read_bytes() != data
    os.utime(ads, ns=(state.st_atime_ns, state.st_mtime_ns))
    for _ in range(2):
        done = invoke(arguments(built_study, ads, out))
        assert (done.exit_code, "although size and time are the same" in done.stderr) == (2, True)
        assert not (out / folders.MANIFEST).exists()
    assert invoke([*arguments(built_study, ads, out), "--restart"]).exit_code == 0


@pytest.mark.parametrize("how", ["touched", "copied", "copied with its time"])
def test_the_same_input_goes_on(built_study: Study, ads: Path, tmp_path: Path, how: str) -> None:
    out = tmp_path / "out"
    code(built_study, ads, out)
    expected = parts(out)
    break_off(out, 3)
    before = contents(out)
    if how == "touched":
        os.utime(ads, ns=(1, 1))
    else:
        copy = shutil.copy2 if "time" in how else shutil.copyfile
        (tmp_path / "there").mkdir()
        ads = copy(ads, tmp_path / "there" / "copy.jsonl")
    assert code(built_study, ads, out).before == 24
    check_finished(out, ads, expected)
    assert all(contents(out)[name] == before[name] for name in before if name != JOURNAL)


def test_without_a_hash_the_time_counts(built_study: Study, ads: Path, tmp_path: Path) -> None:
    """The hash of a large input is known only after a while."""
    out = tmp_path / "out"
    code(built_study, ads, out)
    journal = json.loads((out / JOURNAL).read_bytes())
    journal["input"][0]["sha256"] = None
    folders.write_json(out / JOURNAL, journal)
    break_off(out)
    assert code(built_study, ads, out).before == 16
    folders.write_json(out / JOURNAL, journal)
    os.utime(ads, ns=(1, 1))
    with pytest.raises(OutputError, match="has changed"):
        code(built_study, ads, out)


def test_the_hash_of_a_finished_run_is_noted(
    built_study: Study, ads: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long hashing takes."""

    def slow(path: Path) -> str:
        time.sleep(0.5)
        return hashlib.sha256(path.read_bytes()).hexdigest()

    monkeypatch.setattr(journals, "file_hash", slow)
    code(built_study, ads, tmp_path / "out")
    journal = json.loads((tmp_path / "out" / JOURNAL).read_bytes())
    assert journal["input"][0]["sha256"] == hashlib.sha256(ads.read_bytes()).hexdigest()


@pytest.mark.parametrize("journal", [None, b"{", b"[]", b'{"embedcode": "0"}'])
def test_parts_without_their_journal_are_refused(
    built_study: Study, ads: Path, tmp_path: Path, journal: bytes | None
) -> None:
    out = tmp_path / "out"
    code(built_study, ads, out)
    before = parts(out)
    (out / JOURNAL).unlink()
    if journal:
        (out / JOURNAL).write_bytes(journal)
    with pytest.raises(OutputError, match="-o"):
        code(built_study, ads, out)
    assert parts(out) == before


def test_other_numbers_of_workers_go_on(built_study: Study, ads: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    code(built_study, ads, out, workers=2)
    expected = parts(out)
    break_off(out)
    assert code(built_study, ads, out, workers=3).before == 16
    check_finished(out, ads, expected)


def test_restart_codes_anew(built_study: Study, ads: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    code(built_study, ads, out)
    before = contents(out)
    assert code(built_study, ads, out, restart=True).before == 0
    after = contents(out)
    check_finished(out, ads, {n: b for n, (b, _) in sorted(before.items()) if n.endswith(".parquet")})
    assert all(after[name][1] > time for name, (_, time) in before.items())


# Two runs at once


def test_a_second_run_is_refused(
    built_study: Study, ads: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folders, "PATIENCE", 0.05)
    out = tmp_path / "out"
    code(built_study, ads, out)
    before = contents(out)
    with folders.locked(out):
        for more in ((), ("--restart",)):
            done = invoke(arguments(built_study, ads, out, "--keep", "sector", *more))
            assert done.exit_code == 2
            assert f"Another run is writing to {out}. Wait for it to end, or name another folder" in done.stderr
        assert contents(out) == before
    assert code(built_study, ads, out).before == 40


@forked
def test_a_folder_is_locked_to_the_end(built_study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers inherit the lock; it must not end with one of them."""
    monkeypatch.setattr(folders, "PATIENCE", 0.01)
    poison(monkeypatch, die)
    out, refused = tmp_path / "out", []

    def try_it(_: int) -> None:
        with pytest.raises(OutputError, match="Another run"), folders.locked(out):
            pass
        refused.append(1)

    source = write(tmp_path / "ads.jsonl", rows(40, [3, 20]))
    assert code(built_study, source, out, workers=2, progress=try_it).deaths > 1
    assert len(refused) == 5
    with folders.locked(out):
        pass


@posix
def test_a_look_at_a_folder_that_is_written_to(built_study: Study, many: Path, tmp_path: Path) -> None:
    """Files come and go; only the lock tells that another run is at work."""
    out, log = tmp_path / "out", tmp_path / "log"
    looks = 0
    with started([BIN, *arguments(built_study, many, out, "--rows-per-part", "4")], log) as process:
        while process.poll() is None:
            prepare(out)
            looks += 1
        assert process.returncode == 0, log.read_text()
    assert looks > 10
    assert len(parts(out)) == 100


# Folders that cannot be written to


class Full(io.FileIO):
    """A file on a disk that is full after a few bytes."""

    def write(self, data: Any) -> int:
        super().write(bytes(data)[:20])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(("name", "finished"), [("part-00002.parquet", 2), (JOURNAL, 0), (MANIFEST, 5)])
def test_a_full_disk(
    built_study: Study,
    ads: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    workers: int,
    name: str,
    finished: int,
) -> None:
    open_file = Path.open

    def open_or_fail(self: Path, mode: str = "r", *args: Any, **options: Any) -> Any:
        return Full(self, "w") if self.name == f"{name}.tmp" else open_file(self, mode, *args, **options)

    code(built_study, ads, tmp_path / "whole")
    expected = parts(tmp_path / "whole")
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", open_or_fail)
        with pytest.raises(OutputError) as caught:
            code(built_study, ads, out, workers=workers)
    assert str(caught.value) == (
        f"Cannot write to {out}: No space left on device. {finished} parts are finished and intact. Make room, then "
        "give the same command again to go on."
    )
    assert parts(out) == dict(list(expected.items())[:finished])
    assert not list(out.glob("*.tmp"))
    assert not (out / MANIFEST).exists()
    assert code(built_study, ads, out, workers=workers).before == 8 * finished
    check_finished(out, ads, expected)


def test_a_folder_that_is_not_writable(
    built_study: Study, ads: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    out = tmp_path / "out"
    code(built_study, ads, out)
    expected = parts(out)
    break_off(out)
    before = contents(out)
    out.chmod(0o555)
    if os.access(out, os.W_OK):  # for root
        monkeypatch.setattr(Path, "write_bytes", refuse)
    try:
        for more in ((), ("--restart",)):
            done = invoke(arguments(built_study, ads, out, "--keep", "sector", *more))
            assert done.exit_code == 2
            assert f"Cannot write to {out}: Permission denied. Name another folder with -o." in done.stderr
        assert contents(out) == before
    finally:
        out.chmod(0o755)
    monkeypatch.undo()
    assert code(built_study, ads, out).before == 16
    check_finished(out, ads, expected)


# Rows that cannot be coded


def poison(monkeypatch: pytest.MonkeyPatch, act: Callable[[], None]) -> None:
    """Let something happen whenever a text with the marker is coded."""
    classify_batch = Coder.classify_batch

    def poisoned(self: Coder, batch: pa.RecordBatch) -> pa.RecordBatch:
        if any(MARKER in (text or "") for text in batch.column("text").to_pylist()):
            act()
        return classify_batch(self, batch)

    monkeypatch.setattr(Coder, "classify_batch", poisoned)


def die() -> None:
    if parent_process() is not None:
        os.kill(os.getpid(), signal.SIGKILL)


def leave() -> None:
    if parent_process() is not None:
        os._exit(0)


def fail() -> None:
    raise ArithmeticError("no such number")


def run_out_of_memory() -> None:
    raise MemoryError


FAILED = "coding this ad failed (ArithmeticError: no such number)"


@forked
@pytest.mark.parametrize(
    ("act", "workers", "error"),
    [
        (die, 2, working.DEADLY),
        (leave, 3, working.DEADLY),
        (fail, 1, FAILED),
        (fail, 2, FAILED),
        (run_out_of_memory, 2, "coding this ad failed (MemoryError: )"),
    ],
)
@pytest.mark.parametrize("poisoned", [(19,), (0, 9, 14, 39)], ids=["one", "several"])
def test_a_row_that_cannot_be_coded(
    built_study: Study,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    act: Callable[[], None],
    workers: int,
    error: str,
    poisoned: tuple[int, ...],
) -> None:
    source = write(tmp_path / "ads.jsonl", rows(40, poisoned))
    code(built_study, source, tmp_path / "clean", rows_per_part=6)
    poison(monkeypatch, act)
    out = tmp_path / "out"
    summary = code(built_study, source, out, rows_per_part=6, workers=workers)
    assert summary.errors == Counter({error: len(poisoned)})
    assert (summary.rows, summary.failed) == (40, len(poisoned))
    assert (summary.deaths > 0) == (error == working.DEADLY)
    found, clean = table(out), table(tmp_path / "clean")
    good = pa.array([i for i in range(40) if i not in poisoned])
    assert found.take(good).equals(clean.take(good))
    for row in (found.slice(i, 1).to_pylist()[0] for i in poisoned):
        assert (row["error"], row["profile"], row["codes"]) == (error, None, [])
    assert found.select(["id", "sector"]).equals(clean.select(["id", "sector"]))
    hit = {f"part-{i // 6:05d}.parquet" for i in poisoned}
    assert {n: b for n, b in parts(out).items() if n not in hit} == {
        n: b for n, b in parts(tmp_path / "clean").items() if n not in hit
    }
    assert manifest(out)["errors"] == len(poisoned)
    monkeypatch.undo()
    assert code(built_study, source, out, rows_per_part=6).failed == len(poisoned), "it is coded once, come what may"


@forked
@pytest.mark.parametrize("signal_number", [signal.SIGKILL, signal.SIGTERM])
def test_a_worker_that_dies_once_costs_nothing(
    built_study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, signal_number: int
) -> None:
    flag = tmp_path / "flag"

    def die_once() -> None:
        if parent_process() is not None and not flag.exists():
            flag.touch()
            os.kill(os.getpid(), signal_number)

    source = write(tmp_path / "ads.jsonl", rows(40, [19]))
    code(built_study, source, tmp_path / "clean")
    poison(monkeypatch, die_once)
    summary = code(built_study, source, tmp_path / "out", workers=2)
    assert flag.exists()
    assert (summary.deaths, summary.failed) == (1, 0)
    check_finished(tmp_path / "out", source, parts(tmp_path / "clean"))


@forked
def test_deaths_are_told(built_study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    poison(monkeypatch, die)
    source = write(tmp_path / "ads.jsonl", rows(40, [19]))
    command = arguments(built_study, source, tmp_path / "out", "--workers", "2")
    done = invoke(command)
    assert done.exit_code == 0
    assert f"1 ad could not be coded (column error says why): 1 × {working.DEADLY}\n" in done.stderr
    assert "what they had in hand was coded again." in done.stderr
    again = invoke([*command, "--fail-on-error"])
    assert again.exit_code == 1, "as of the first run"
    assert "40 ads had been coded before" in again.stderr


def test_fail_on_error(built_study: Study, tmp_path: Path) -> None:
    good = write(tmp_path / "good.jsonl", rows(5))
    bad = write(tmp_path / "bad.jsonl", [*rows(5), {"id": "empty", "text": " ", "sector": ""}])
    for source, status in ((good, 0), (bad, 1)):
        for strict in (False, True):
            command = arguments(built_study, source, tmp_path / f"{source.stem}-{strict}")
            done = invoke([*command, "--fail-on-error"] if strict else command)
            assert done.exit_code == status * strict, done.output
            assert ("could not be coded" in done.stderr) == bool(status)
    assert parts(tmp_path / "bad-True") == parts(tmp_path / "bad-False")


# Inputs that break off, and standard input


def broken_csv(folder: Path) -> tuple[Path, list[str]]:
    path = folder / "ads.csv"
    pyarrow.csv.write_csv(pa.Table.from_pylist(rows(600)), path)
    data = path.read_bytes()
    path.write_bytes(data[:-9000] + b"\xe9" + data[-9000:])
    return path, [str(path), "0xE9"]


def cut_gzip(folder: Path) -> tuple[Path, list[str]]:
    path = folder / "ads.csv.gz"
    chance = random.Random(0)
    ads = [{**r, "text": f"{r['text']}\n{chance.randbytes(300).hex()}"} for r in rows(600)]  # hard to compress
    pyarrow.csv.write_csv(pa.Table.from_pylist(ads), folder / "whole.csv")
    data = gzip.compress((folder / "whole.csv").read_bytes())
    path.write_bytes(data[: len(data) * 4 // 5])
    return path, [str(path), "ended before"]


def damaged_parquet(folder: Path) -> tuple[Path, list[str]]:
    path = folder / "ads.parquet"
    pq.write_table(
        pa.Table.from_pylist(rows(600)), path, row_group_size=128, write_page_checksum=True, use_dictionary=False
    )
    place = pq.read_metadata(path).row_group(3).column(1).data_page_offset
    data = bytearray(path.read_bytes())
    data[place + 8000 : place + 8100] = bytes(100)
    path.write_bytes(data)
    return path, [str(path)]


def wrong_jsonl(folder: Path) -> tuple[Path, list[str]]:
    path = folder / "ads.jsonl"
    text = "".join(json.dumps(r) + "\n" for r in rows(1500))
    path.write_bytes(text.encode("utf-16")[:-501])  # in the middle of a character
    return path, [str(path)]


@pytest.mark.parametrize("broken", [broken_csv, cut_gzip, damaged_parquet, wrong_jsonl])
def test_an_input_that_breaks_off(
    built_study: Study, tmp_path: Path, broken: Callable[[Path], tuple[Path, list[str]]]
) -> None:
    path, named = broken(tmp_path)
    out = tmp_path / "out"
    command = arguments(built_study, path, out, "--rows-per-part", "100")
    done = invoke(command)
    assert done.exit_code == 1, done.output
    problem = done.stderr.partition("Not read: ")[2]
    assert all(name in problem for name in named), done.stderr
    found = table(out)
    n = len(found)
    assert 256 <= n < 1500
    assert f"Its first {n} rows were read." in problem
    assert found.column("id").to_pylist() == [f"ad {i}" for i in range(n)]
    assert found.column("error").null_count == n
    assert (manifest(out)["rows"], manifest(out)["problems"]) == (n, [problem.strip()])
    before = parts(out)
    break_off(out, 1)
    again = invoke([*command, "--workers", "2"])
    assert (again.exit_code, parts(out)) == (1, before)
    assert problem in again.stderr


@posix
def test_standard_input_cannot_be_continued(built_study: Study, tmp_path: Path) -> None:
    out = tmp_path / "out"
    lines = "".join(json.dumps(r) + "\n" for r in rows(1200)).encode()
    command = [BIN, *arguments(built_study, "-", out, "--rows-per-part", "100")]
    told = b"Standard input cannot be read again: this run cannot be continued if it is stopped.\n"
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write(lines)
        process.stdin.flush()
        assert process.stderr.readline() == told, "while the input has not ended"
        process.stdin.close()
        assert process.wait(60) == 0, process.stderr.read()
    assert len(table(out)) == 1200
    assert manifest(out)["input"] == []
    before = contents(out)
    done = invoke(arguments(built_study, "-", out, "--rows-per-part", "100"), lines)
    assert done.exit_code == 2
    assert "(standard input cannot be read again). To code anew, delete them with --restart" in done.stderr
    assert contents(out) == before
    assert invoke(arguments(built_study, "-", out, "--rows-per-part", "100", "--restart"), lines).exit_code == 0
    assert parts(out) == {n: b for n, (b, _) in sorted(before.items()) if n.endswith(".parquet")}
