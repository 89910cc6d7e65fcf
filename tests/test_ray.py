"""Ray: the bytes of the local engine, whatever is lost on the way, and a clear word where it cannot be used.

The cluster has two nodes on this machine, with one processor each.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ads import gold_rows
from conftest import Study
from test_run import children, running_still, until
from test_storage import server  # noqa: F401

from embedcode import ray_engine
from embedcode.coder import Coder
from embedcode.documents import Columns, Source
from embedcode.errors import BundleError, EmbedcodeError, EngineError, OutputError
from embedcode.folder import MANIFEST
from embedcode.parts import Output
from embedcode.ray_engine import Actor, Job, RayEngine, connected, versions
from embedcode.remote import Remote
from embedcode.run import Bundled, Summary, bundle_identity, run
from embedcode.shards import Shard
from embedcode.storage import Folder
from embedcode.workers import DEADLY

pytestmark = pytest.mark.engines

TEXTS = [row["text"] for row in gold_rows()]
MARKER = "Plugh"
BIN = Path(sys.executable).parent / "embedcode"


def rows(count: int, poisoned: tuple[int, ...] = ()) -> list[dict[str, Any]]:
    out = [{"id": f"ad {i}", "text": f"{TEXTS[i % len(TEXTS)]}\n{i}", "sector": f"s{i % 3}"} for i in range(count)]
    for i in poisoned:
        out[i]["text"] += f"\n{MARKER} builds language models in Python."
    return out


def write(path: Path, ads: list[dict[str, Any]], group: int = 70) -> Path:
    pq.write_table(pa.Table.from_pylist(ads), path, row_group_size=group)
    return path


@pytest.fixture
def ads(tmp_path: Path) -> Path:
    return write(tmp_path / "ads.parquet", rows(400))


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A head node and another one."""
    from ray.cluster_utils import Cluster

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["PYTHONPATH"] = str(Path(__file__).parent)  # where actors find the bundles of these tests
    node = {"num_cpus": 1, "object_store_memory": 100 << 20}
    made = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
    made.add_node(**node)
    yield made
    made.shutdown()


def code(
    study: Study,
    source: Path | list[Path],
    folder: Path,
    cluster: Any = None,
    *,
    bundled: Bundled | None = None,
    workers: int = 2,
    limit: int | None = None,
    **options: Any,
) -> Summary:
    """Code an input with Ray, or without a cluster by the local engine."""
    paths = source if isinstance(source, list) else [source]
    opened = Source.open([str(path) for path in paths], Columns(keep=("sector",)), limit=limit)
    given = bundled or Bundled(str(study.index))
    options = {"rows_per_part": 5, **options}
    if cluster is None:
        return run(opened, folder, given, **options)
    coder = Bundled(str(study.index)).load()
    with connected(cluster.address, workers) as count:
        return run(opened, folder, given, coder=coder, engine=RayEngine(coder, given, count), **options)


def parts(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("part-*.parquet"))}


def manifest(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / MANIFEST).read_bytes())
    return found


def table(folder: Path) -> pa.Table:
    return pa.concat_tables([pq.read_table(path) for path in sorted(folder.glob("part-*.parquet"))])


def same(summary: Summary, other: Summary) -> bool:
    """Whether two runs counted the same."""
    names = ("rows", "errors", "profiles", "languages", "parts", "repeated", "duplicates", "problems")
    return all(getattr(summary, name) == getattr(other, name) for name in names)


# The same as the local engine


def test_the_same_bytes(built_study: Study, cluster: Any, ads: Path, tmp_path: Path) -> None:
    there = code(built_study, ads, tmp_path / "ray", cluster)
    here = code(built_study, ads, tmp_path / "local")
    assert parts(tmp_path / "ray") == parts(tmp_path / "local")
    assert len(parts(tmp_path / "ray")) == 80
    assert same(there, here)
    assert there.deaths == there.before == 0
    found, expected = manifest(tmp_path / "ray"), manifest(tmp_path / "local")
    assert (found.pop("engine"), found.pop("workers")) == ("ray", 2)
    assert all(found[name] == expected[name] for name in found if name != "seconds")
    assert not list((tmp_path / "ray").glob("*.tmp"))


def test_other_formats_duplicates_and_broken_files(built_study: Study, cluster: Any, ads: Path, tmp_path: Path) -> None:
    lines = tmp_path / "ads.jsonl"
    lines.write_text("".join(json.dumps(row) + "\n" for row in rows(37)), "utf-8")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 no more")
    damaged = damage(write(tmp_path / "damaged.parquet", rows(300), 100))
    empty = tmp_path / "empty.parquet"
    pq.write_table(pa.Table.from_pylist(rows(1)).slice(0, 0), empty)
    for name, source, options in (
        ("lines", [lines], {}),
        ("mixed", [ads, lines], {}),
        ("files", [ads, tmp_path / "broken.parquet", damaged, ads, empty], {}),
        ("duplicates", [ads, empty], {"dedupe": True}),
        ("limit", [ads, damaged], {"limit": 433, "rows_per_part": 7}),
    ):
        there = code(built_study, source, tmp_path / name / "ray", cluster, **options)
        here = code(built_study, source, tmp_path / name / "local", **options)
        assert parts(tmp_path / name / "ray") == parts(tmp_path / name / "local"), name
        assert same(there, here), name
    assert any("damaged.parquet" in problem for problem in manifest(tmp_path / "files" / "ray")["problems"])


def damage(path: Path) -> Path:
    """Break a file off in its second row group."""
    place = pq.read_metadata(path).row_group(1).column(1).data_page_offset
    data = bytearray(path.read_bytes())
    data[place + 20 : place + 200] = bytes(180)
    path.write_bytes(data)
    return path


def test_no_rows(built_study: Study, cluster: Any, tmp_path: Path) -> None:
    pq.write_table(pa.Table.from_pylist(rows(1)).slice(0, 0), tmp_path / "ads.parquet")
    for name, engine in (("ray", cluster), ("local", None)):
        assert code(built_study, tmp_path / "ads.parquet", tmp_path / name, engine).rows == 0
    assert parts(tmp_path / "ray") == parts(tmp_path / "local")


def test_an_input_that_cannot_be_read(built_study: Study, cluster: Any, tmp_path: Path) -> None:
    path = write(tmp_path / "ads.parquet", rows(40))
    data = bytearray(path.read_bytes())
    data[4:-2000] = bytes(len(data) - 2004)
    path.write_bytes(data)
    with pytest.raises(EmbedcodeError) as local:
        code(built_study, path, tmp_path / "local")
    with pytest.raises(EmbedcodeError) as there:
        code(built_study, path, tmp_path / "ray", cluster)
    assert (type(there.value), str(there.value)) == (type(local.value), str(local.value))


def test_the_command_on_a_cluster_of_its_own(built_study: Study, ads: Path, tmp_path: Path) -> None:
    """With paths that hold for this folder only, of a finished and of a stopped run."""
    command = [BIN, "classify", ads.name, "-o", "coded", "--index", built_study.index, "--keep", "sector"]
    command += ["--rows-per-part", "5", "--engine", "ray", "--workers", "1"]
    for _ in range(2):
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    assert done.stderr == "400 ads had been coded before; the run went on from there.\n"
    code(built_study, ads, tmp_path / "local")
    assert parts(tmp_path / "coded") == parts(tmp_path / "local")


def test_an_object_store(built_study: Study, server: Remote, ads: Path, tmp_path: Path) -> None:  # noqa: F811
    """Read and written by the actors, and gone on with."""
    there, out = server / "in" / "ads.parquet", server / "out"
    there.write_bytes(ads.read_bytes())
    command = [BIN, "classify", str(there), "-o", str(out), "--index", built_study.index, "--keep", "sector"]
    command += ["--rows-per-part", "5", "--engine", "ray", "--workers", "2"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    code(built_study, ads, tmp_path / "local")
    expected = parts(tmp_path / "local")

    def found() -> dict[str, bytes]:
        return {file.name: file.read_bytes() for file in sorted(out.iterdir()) if file.name.startswith("part-")}

    assert found() == expected
    (out / MANIFEST).unlink()
    (out / "part-00007.parquet").write_bytes(b"half of a p")
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "395 ads had been coded before; the run went on from there.\n")
    assert found() == expected


# What is lost on the way


@dataclass(frozen=True)
class Slow(Bundled):
    """Takes its time, so that there is a middle to stop in."""

    def load(self) -> Coder:
        return changed(super().load(), lambda _: time.sleep(0.02))


@dataclass(frozen=True)
class Poisoned(Bundled):
    """Ends its process at a marker: always, or once where it finds no flag."""

    flag: str = ""

    def load(self) -> Coder:
        def die(batch: pa.RecordBatch) -> None:
            if any(MARKER in (text or "") for text in batch.column("text").to_pylist()):
                if self.flag and Path(self.flag).exists():
                    return
                if self.flag:
                    Path(self.flag).touch()
                os.kill(os.getpid(), signal.SIGKILL)

        return changed(super().load(), die)


def changed(coder: Coder, act: Callable[[pa.RecordBatch], None]) -> Coder:
    """A coder that does something before it codes."""
    classify_batch = coder.classify_batch

    def acting(batch: pa.RecordBatch) -> pa.RecordBatch:
        act(batch)
        return classify_batch(batch)

    coder.classify_batch = acting  # type: ignore[method-assign]
    return coder


def test_a_node_is_killed(built_study: Study, cluster: Any, ads: Path, tmp_path: Path) -> None:
    """In the middle, and all its processes: that costs time, not rows."""
    node = cluster.add_node(num_cpus=1, object_store_memory=100 << 20)
    raylet = node.all_processes["raylet"][0].process.pid
    killed: list[int] = []

    def kill(_: int) -> None:
        if not killed and len(list((tmp_path / "ray").glob("part-*"))) > 20:
            killed.extend([raylet, *children(raylet)])
            for pid in killed:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    slow = Slow(str(built_study.index))
    summary = code(built_study, ads, tmp_path / "ray", cluster, bundled=slow, workers=3, progress=kill)
    assert len(killed) > 1
    until(lambda: not any(running_still(pid) for pid in killed))
    assert summary.deaths >= 1
    cluster.remove_node(node, allow_graceful=False)
    assert same(summary, code(built_study, ads, tmp_path / "local"))
    assert parts(tmp_path / "ray") == parts(tmp_path / "local")


def test_the_driver_is_killed(built_study: Study, cluster: Any, ads: Path, tmp_path: Path) -> None:
    out = tmp_path / "ray"
    command = [BIN, "classify", ads, "-o", out, "--index", built_study.index, "--keep", "sector", "--engine", "ray"]
    command += ["--address", cluster.address, "--rows-per-part", "1"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        until(lambda: len(parts(out)) > 30 if out.exists() else False, 60)
        process.kill()
    before = len(parts(out))
    assert 30 < before < 400
    assert not (out / MANIFEST).exists()
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "had been coded before; the run went on from there." in done.stderr
    assert code(built_study, ads, tmp_path / "local", rows_per_part=1).rows == 400
    assert parts(out) == parts(tmp_path / "local")


def test_ctrl_c(built_study: Study, cluster: Any, ads: Path, tmp_path: Path) -> None:
    out = tmp_path / "ray"
    command = [BIN, "classify", ads, "-o", out, "--index", built_study.index, "--engine", "ray"]
    command += ["--address", cluster.address, "--rows-per-part", "1"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        until(lambda: len(parts(out)) > 30 if out.exists() else False, 60)
        process.send_signal(signal.SIGINT)
        told = process.communicate(timeout=30)[1]
    assert process.returncode == 130
    assert told == f"Stopped. The finished parts in {out} are whole; give the same command again to go on.\n"
    assert 30 < len(parts(out)) < 400


def test_engines_go_on_where_another_stopped(built_study: Study, cluster: Any, ads: Path, tmp_path: Path) -> None:
    def stop(_: int) -> None:
        raise KeyboardInterrupt

    for first, second in ((cluster, None), (None, cluster)):
        out = tmp_path / f"out-{first is None}"
        with pytest.raises(KeyboardInterrupt):
            code(built_study, ads, out, first, progress=stop)
        (out / "part-00003.parquet").unlink(missing_ok=True)
        assert 0 < code(built_study, ads, out, second).before < 400
        assert len(table(out)) == 400
    assert parts(tmp_path / "out-True") == parts(tmp_path / "out-False")


def test_a_row_that_ends_its_process(built_study: Study, cluster: Any, tmp_path: Path) -> None:
    """It costs itself alone, and less where it does so once."""
    ads = write(tmp_path / "ads.parquet", rows(40, poisoned=(19,)))
    clean = code(built_study, ads, tmp_path / "clean", rows_per_part=8)
    once = Poisoned(str(built_study.index), flag=str(tmp_path / "flag"))
    summary = code(built_study, ads, tmp_path / "once", cluster, bundled=once, rows_per_part=8)
    assert (summary.deaths, same(summary, clean)) == (1, True)
    assert parts(tmp_path / "once") == parts(tmp_path / "clean")
    always = Poisoned(str(built_study.index))
    summary = code(built_study, ads, tmp_path / "out", cluster, bundled=always, rows_per_part=8)
    assert dict(summary.errors) == {DEADLY: 1}
    assert summary.deaths > 2
    found = table(tmp_path / "out").to_pylist()
    assert [row["id"] for row in found if row["error"] == DEADLY] == ["ad 19"]
    differ = [name for name, data in parts(tmp_path / "out").items() if parts(tmp_path / "clean")[name] != data]
    assert differ == ["part-00002.parquet"]


# What cannot be used


@dataclass(frozen=True)
class Deadly(Bundled):
    """Ends every process of a cluster that codes."""

    def load(self) -> Coder:
        return changed(super().load(), lambda _: os._exit(1))


@dataclass(frozen=True)
class Unloadable(Bundled):
    """Ends every process of a cluster that loads it."""

    def load(self) -> Coder:
        os._exit(1)


def test_actors_that_die_for_good(built_study: Study, cluster: Any, ads: Path, tmp_path: Path) -> None:
    for bundled, said in (
        (Unloadable(str(built_study.index)), "An actor cannot start: "),
        (Deadly(str(built_study.index)), "Actors die again and again.*give the same command again to go on"),
    ):
        with pytest.raises(EngineError, match=said):
            code(built_study, ads, tmp_path / "out", cluster, bundled=bundled)
    assert code(built_study, ads, tmp_path / "out", cluster).rows == 400


def test_another_version(
    built_study: Study, cluster: Any, ads: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_engine, "__version__", "999.0")
    with pytest.raises(EngineError, match=r"Found embedcode \S+, .* on the node .*Expected embedcode 999.0"):
        code(built_study, ads, tmp_path / "out", cluster)


def test_a_bundle_that_is_not_there(study: Study, cluster: Any, ads: Path, tmp_path: Path) -> None:
    """Nor does it cost the earlier run."""
    out = tmp_path / "out"
    code(study, ads, out)
    before = parts(out)
    coder, bundled = Bundled(str(study.index)).load(), Bundled(str(study.index))
    source = Source.open([str(ads)], Columns(keep=("sector",)))
    with connected(cluster.address, 2) as count:
        engine = RayEngine(coder, bundled, count)
        shutil.move(study.index, tmp_path / "moved")
        with pytest.raises(EngineError, match=r"No bundle on the node .*Found no bundle"):
            run(source, out, bundled, coder=coder, engine=engine, restart=True, rows_per_part=5)
    assert parts(out) == before


def test_no_processor_is_free(
    built_study: Study, cluster: Any, ads: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_engine, "PATIENCE", 3.0)
    monkeypatch.setattr(ray_engine.RayEngine, "_new", needing(500))
    with pytest.raises(EngineError, match=r"No actor has started within 3 seconds: 2 of the cluster's 2 processors"):
        code(built_study, ads, tmp_path / "out", cluster)


def needing(processors: int) -> Callable[[RayEngine], Any]:
    """Actors that the cluster has no room for."""
    import ray

    def new(self: RayEngine) -> Any:
        handle: Any = ray.remote(num_cpus=processors)(Actor).remote()
        return ray_engine._Hand(handle, handle.start.remote(self._job))

    return new


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("127.0.0.1:9", "Nothing answers at 127.0.0.1:9"),
        ("ray://127.0.0.1:10001", "is no address of a Ray cluster. Expected HOST:PORT"),
        ("nonsense", "is no address of a Ray cluster"),
    ],
)
def test_an_address_that_does_not_answer(address: str, said: str) -> None:
    began = time.monotonic()
    with pytest.raises(EngineError, match=said), connected(address):
        pass
    assert time.monotonic() - began < 15


def test_a_part_that_cannot_be_written(built_study: Study, cluster: Any, ads: Path, tmp_path: Path) -> None:
    """What an actor cannot write is told as the local engine tells it."""
    out = tmp_path / "out"

    def fill(_: int) -> None:
        (out / "part-00079.parquet").mkdir(exist_ok=True)  # in the way of the last part

    with pytest.raises(OutputError, match=f"Cannot write to {out}: Is a directory. .* parts are finished and intact"):
        code(built_study, ads, out, cluster, progress=fill, bundled=Slow(str(built_study.index)))
    assert not list(out.glob("*.tmp"))
    (out / "part-00079.parquet").rmdir()
    assert code(built_study, ads, out, cluster).rows == 400


# Machines that are not alike, seen from an actor, without a cluster


def job(study: Study, sizes: Any = None) -> Job:
    bundled = Bundled(str(study.index))
    return Job(versions(), bundled, bundle_identity(bundled.load()), Source((), [], pa.schema([])), sizes or {})


def test_an_input_that_is_another_there(built_study: Study, ads: Path, tmp_path: Path) -> None:
    for sizes in ({ads: 1}, {tmp_path / "none.parquet": 1}):
        with pytest.raises(EngineError, match=f"The input {next(iter(sizes))} is not the same on the node"):
            Actor().start(job(built_study, sizes=sizes))


def test_a_bundle_that_is_another_there(built_study: Study) -> None:
    with pytest.raises(EngineError, match="is another on the node .*copy them"):
        Actor().start(replace(job(built_study), identity={"book": "0"}))


def test_an_output_that_is_not_seen_there(built_study: Study, tmp_path: Path) -> None:
    actor = Actor()
    actor.start(job(built_study))
    with pytest.raises(OutputError, match=f"The output {tmp_path} is not seen on the node .*all share"):
        actor.code(Shard(0, 0), Output(Folder(tmp_path), 5, {}), careful=False)


def test_one_thread_for_each_actor(built_study: Study) -> None:
    import faiss

    threads, processors = faiss.omp_get_max_threads(), pa.cpu_count()
    try:
        faiss.omp_set_num_threads(3)
        Actor().start(job(built_study))
        assert (faiss.omp_get_max_threads(), pa.cpu_count(), os.environ["OMP_NUM_THREADS"]) == (1, 1, "1")
    finally:
        faiss.omp_set_num_threads(threads)
        pa.set_cpu_count(processors)


def test_the_bundle_error_says_where(built_study: Study) -> None:
    with pytest.raises(EngineError, match="No bundle on the node") as caught:
        Actor().start(replace(job(built_study), bundled=Bundled("no-such-bundle")))
    assert not isinstance(caught.value, BundleError)
