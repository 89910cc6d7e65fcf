"""Inputs and outputs in object stores: the same bytes as on a disk, and nothing of others is touched."""

from __future__ import annotations

import gzip
import json
import re
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.fs as fs
import pyarrow.parquet as pq
import pytest
from ads import gold_rows
from conftest import Study
from typer.testing import CliRunner

from embedcode import cli, remote
from embedcode.documents import Columns, Source, find
from embedcode.errors import InputError, OutputError
from embedcode.folder import MANIFEST, whole
from embedcode.remote import Remote, file_system, is_remote, matches, place
from embedcode.run import Bundled, Summary, run
from embedcode.storage import Folder

BUCKET = "ads-of-a-study"
ROWS = [{"id": f"ad {i}", "text": row["text"], "sector": f"s{i % 3}"} for i, row in enumerate(gold_rows())]


def on_disk(folder: Path) -> Any:
    """A store whose buckets are folders."""

    class Store:
        def __init__(self) -> None:
            self._disk = fs.SubTreeFileSystem(str(folder), fs.LocalFileSystem())

        def __getattr__(self, name: str) -> Any:
            return getattr(self._disk, name)

        def open_output_stream(self, key: str, compression: None) -> Any:
            bucket, _, path = key.partition("/")
            if not (folder / bucket).is_dir():
                raise OSError(f"no bucket {bucket}")
            (folder / key).parent.mkdir(parents=True, exist_ok=True)
            return self._disk.open_output_stream(key, compression)

    return Store()


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Remote:
    (tmp_path / "store" / BUCKET).mkdir(parents=True)
    store = on_disk(tmp_path / "store")
    monkeypatch.setattr(remote, "file_system", lambda scheme, bucket: store)
    return Remote("s3", BUCKET)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Remote]:
    """A real server that speaks S3."""
    from moto.server import ThreadedMotoServer

    started = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    started.start()
    host, port = started.get_host_and_port()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "something")
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    file_system.cache_clear()
    fs.S3FileSystem(endpoint_override=f"http://{host}:{port}", allow_bucket_creation=True).create_dir(BUCKET)
    yield Remote("s3", BUCKET)
    file_system.cache_clear()
    urllib.request.urlopen(urllib.request.Request(f"http://{host}:{port}/moto-api/reset", method="POST"))
    started.stop()


@pytest.fixture(params=["disk", pytest.param("server", marks=pytest.mark.engines)])
def bucket(request: pytest.FixtureRequest) -> Remote:
    """A bucket of each kind of store."""
    found: Remote = request.getfixturevalue(request.param)
    return found


def as_parquet(rows: list[dict[str, Any]]) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(rows), sink, row_group_size=7)
    return bytes(sink.getvalue())


def as_csv(rows: list[dict[str, Any]]) -> bytes:
    import pyarrow.csv

    sink = pa.BufferOutputStream()
    pyarrow.csv.write_csv(pa.Table.from_pylist(rows), sink)
    return bytes(sink.getvalue())


def as_jsonl(rows: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def code(study: Study, source: Any, folder: Any, **options: Any) -> Summary:
    given = {"rows_per_part": 8, **options}
    return run(Source.open([str(source)], Columns(keep=("sector",))), folder, Bundled(str(study.index)), **given)


def files(at: Any) -> dict[str, bytes]:
    return {entry.name: entry.read_bytes() for entry in at.iterdir() if entry.name.startswith("part-")}


def expected(study: Study, folder: Path) -> dict[str, bytes]:
    """The parts of the same run on the disk."""
    (folder / "ads.jsonl").write_bytes(as_jsonl(ROWS))
    code(study, folder / "ads.jsonl", folder / "expected")
    return files(folder / "expected")


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("ads.parquet", as_parquet(ROWS)),
        ("ads.csv", as_csv(ROWS)),
        ("ads.jsonl", as_jsonl(ROWS)),
        ("ads.jsonl.gz", gzip.compress(as_jsonl(ROWS))),
    ],
)
def test_the_same_bytes_as_on_the_disk(
    built_study: Study, bucket: Remote, tmp_path: Path, name: str, data: bytes
) -> None:
    ads, out = bucket / "in" / name, bucket / "out"
    ads.write_bytes(data)
    summary = code(built_study, ads, out, workers=2)
    assert files(out) == expected(built_study, tmp_path)
    assert (summary.rows, summary.problems) == (len(ROWS), [])
    manifest = json.loads((out / MANIFEST).read_bytes())
    assert manifest["input"] == [{"path": str(ads), "bytes": len(data), "sha256": None}]
    assert code(built_study, ads, out).before == len(ROWS)
    assert files(out) == expected(built_study, tmp_path)


def test_inputs_are_found(bucket: Remote) -> None:
    for key in ("in/b.csv", "in/a.parquet", "in/notes.txt", "in/_SUCCESS", "in/deep/c.csv", "in/deep/er/d.jsonl.gz"):
        (bucket / key).write_bytes(b"x")

    def found(given: str) -> list[str]:
        return [str(file).removeprefix(f"{bucket}/in/") for file in find(f"{bucket}/{given}")]

    assert found("in") == found("in/") == ["a.parquet", "b.csv"]
    assert found("in/b.csv") == found("in/b*") == ["b.csv"]
    assert found("in/**/*.csv") == ["b.csv", "deep/c.csv"]
    assert found("in/*/*.csv") == ["deep/c.csv"]
    assert found("in/**") == ["a.parquet", "b.csv", "deep/c.csv", "deep/er/d.jsonl.gz"]
    for nothing in ("in/none.csv", "none", "in/*.jsonl", "in/notes.txt"):
        with pytest.raises(InputError, match=re.escape(f"There are no ads at {bucket}/{nothing}")):
            found(nothing)


def stop(_: int) -> None:
    raise KeyboardInterrupt


def test_a_part_counts_once_it_is_noted(built_study: Study, bucket: Remote, tmp_path: Path) -> None:
    ads, out = bucket / "ads.parquet", bucket / "out"
    ads.write_bytes(as_parquet(ROWS))
    with pytest.raises(KeyboardInterrupt):
        code(built_study, ads, out, progress=stop)
    whole = expected(built_study, tmp_path)
    assert files(out) == {"part-00000.parquet": whole["part-00000.parquet"]}
    # One that is there without being noted, as if the run had been killed before that, and may be half of a part.
    (out / "part-00001.parquet").write_bytes(whole["part-00001.parquet"][:100])
    (out / "part-00002.parquet").write_bytes(whole["part-00002.parquet"])
    assert code(built_study, ads, out).before == 8
    assert files(out) == whole
    # One that is noted, but another by now.
    (out / "part-00001.parquet").write_bytes(whole["part-00000.parquet"])
    assert code(built_study, ads, out).before == len(ROWS) - 8
    assert files(out) == whole


def test_another_run_is_refused(built_study: Study, bucket: Remote, tmp_path: Path) -> None:
    ads, out = bucket / "ads.parquet", bucket / "out"
    ads.write_bytes(as_parquet(ROWS))
    code(built_study, ads, out)
    before = files(out)
    with pytest.raises(OutputError, match=r"another run \(another bundle and options\).*--restart"):
        code(built_study, ads, out, rows_per_part=9)
    ads.write_bytes(as_parquet(ROWS[1:]))
    with pytest.raises(OutputError, match=f"the input {ads} has changed"):
        code(built_study, ads, out)
    assert files(out) == before
    code(built_study, ads, out, restart=True, rows_per_part=30)
    assert sum(pq.read_metadata(pa.BufferReader(data)).num_rows for data in files(out).values()) == len(ROWS) - 1


@pytest.mark.parametrize("name", ["notes.txt", "part-00000.parquet", "part-00000-1f.snappy.parquet", "manifest.json"])
def test_what_is_not_ours_is_left_alone(built_study: Study, bucket: Remote, name: str) -> None:
    ads, out = bucket / "ads.parquet", bucket / "out"
    ads.write_bytes(as_parquet(ROWS))
    (out / name).write_bytes(b"{}")
    for restart in (False, True):
        with pytest.raises(OutputError, match=re.escape(f"{out} holds something else already ({name})")):
            code(built_study, ads, out, restart=restart)
    assert [(e.name, e.read_bytes()) for e in out.iterdir()] == [(name, b"{}")]


def test_something_else_beside_our_parts(built_study: Study, bucket: Remote) -> None:
    ads, out = bucket / "ads.parquet", bucket / "out"
    ads.write_bytes(as_parquet(ROWS))
    code(built_study, ads, out)
    (out / "notes.txt").write_bytes(b"mine")
    with pytest.raises(OutputError, match="something else already"):
        code(built_study, ads, out, restart=True)
    assert len(list(out.iterdir())) == len(files(out)) + 3


def test_the_folder_of_the_input(built_study: Study, bucket: Remote) -> None:
    ads = bucket / "in" / "ads.parquet"
    ads.write_bytes(as_parquet(ROWS))
    with pytest.raises(OutputError, match=f"{bucket}/in holds the input .ads.parquet"):
        code(built_study, ads, bucket / "in", restart=True)


def test_no_such_bucket(built_study: Study, bucket: Remote) -> None:
    ads, nowhere = bucket / "ads.parquet", Remote("s3", "no-such-bucket")
    ads.write_bytes(as_parquet(ROWS))
    with pytest.raises(OutputError, match="Cannot write to s3://no-such-bucket/out: "):
        code(built_study, ads, nowhere / "out")
    with pytest.raises(InputError, match=r"no-such-bucket|NO_SUCH_BUCKET|no ads at"):
        find(str(nowhere / "ads.parquet"))


@pytest.mark.engines
def test_credentials_that_are_refused(
    built_study: Study, server: Remote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a server that lets nobody in from now on."""
    (server / "in" / "ads.parquet").write_bytes(as_parquet(ROWS))
    (tmp_path / "ads.parquet").write_bytes(as_parquet(ROWS))
    source = Source.open([f"{server}/in/ads.parquet"])
    monkeypatch.setattr("moto.settings.INITIAL_NO_AUTH_ACTION_COUNT", 0)
    with pytest.raises(InputError, match=f"{server}/in/ads.parquet cannot be read: .*Check .*the credentials"):
        find(f"{server}/in/ads.parquet")
    with pytest.raises(OutputError, match=f"Cannot write to {server}/out: .*Check .*the credentials"):
        run(Source.open([str(tmp_path / "ads.parquet")]), server / "out", Bundled(str(built_study.index)))
    with pytest.raises(InputError, match=f"{server}/in/ads.parquet cannot be read: "):
        run(source, tmp_path / "out", Bundled(str(built_study.index)))


def test_the_command(built_study: Study, bucket: Remote, tmp_path: Path) -> None:
    (bucket / "in" / "ads.parquet").write_bytes(as_parquet(ROWS))
    command = ["classify", f"{bucket}/in/*.parquet", "-o", f"{bucket}/out/", "--index", str(built_study.index)]
    done = CliRunner().invoke(cli.app, [*command, "--keep", "sector", "--rows-per-part", "8", "--workers", "1"])
    assert done.exit_code == 0, done.output
    assert f"→ {bucket}/out" in done.output.replace("\n", "")
    assert files(bucket / "out") == expected(built_study, tmp_path)


# Without a store


PATTERNS = ["*", "*.csv", "**", "**/*.csv", "a/*.csv", "a/**/c.csv", "*/b/*", "a/?/c.[ct]sv", "**/b/**/*.csv"]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_globs_match_as_those_of_the_disk(tmp_path: Path, pattern: str) -> None:
    for key in ("x.csv", "a/c.csv", "a/b/c.csv", "a/b/d/c.csv", "a/b/c.tsv", "b/c.csv", "b/b/b.csv"):
        (tmp_path / key).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / key).touch()
    import glob

    there = [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()]
    on_disk = glob.glob(pattern, root_dir=tmp_path, recursive=True)
    found = {path for path in there if matches(path.split("/"), pattern.split("/"))}
    assert found == {path for path in on_disk if (tmp_path / path).is_file()}


@pytest.mark.parametrize("address", ["ftp://host/x", "s3://", "s3:///", "https://host/ads.csv", "://x"])
def test_addresses_of_nothing_known(address: str) -> None:
    with pytest.raises(InputError, match=re.escape(f"{address} names no object store")):
        place(address)


def test_places() -> None:
    assert place("s3://bucket/a/b.csv") == Remote("s3", "bucket/a/b.csv")
    assert str(place("gs://bucket/a/")) == "gs://bucket/a"
    assert place("coded") == Path("coded")
    assert not is_remote("C:\\ads.csv")
    with pytest.raises(InputError, match="does not name its bucket"):
        find("s3://*/ads.csv")


def test_an_address_needs_its_engine(built_study: Study, tmp_path: Path) -> None:
    (tmp_path / "ads.jsonl").write_bytes(as_jsonl(ROWS))
    command = ["classify", str(tmp_path / "ads.jsonl"), "-o", str(tmp_path / "out"), "--address", "auto"]
    done = CliRunner().invoke(cli.app, command)
    assert (done.exit_code, "--address without --engine ray" in done.output) == (2, True)


def test_two_write_the_same_part(tmp_path: Path) -> None:
    """One of them given up for lost, but still at work: each has a file of its own until it is whole."""
    ours, theirs = (whole(tmp_path / "part-00000.parquet", f".there-{process}") for process in (1, 2))
    with ours as one:
        one.write(b"the same")
        with theirs as other:
            other.write(b"the s")
            assert len(list(tmp_path.iterdir())) == 2
            other.write(b"ame")
        assert (tmp_path / "part-00000.parquet").read_bytes() == b"the same"
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("part-00000.parquet", b"the same")]


def test_what_a_shared_folder_is_left_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a process that is killed while it writes."""
    monkeypatch.setattr(Path, "replace", lambda *_: None)
    monkeypatch.setattr(Path, "unlink", lambda *_, **__: None)
    shared = Folder(tmp_path).shared()
    shared.write("part-00000.parquet", b"half")
    monkeypatch.undo()
    assert [path.suffix for path in tmp_path.iterdir()] == [".tmp"]
    shared.prepare([])
    shared.clear(temporary=True)
    assert list(tmp_path.iterdir()) == []


def test_ray_that_is_not_installed(built_study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ads.jsonl").write_bytes(as_jsonl(ROWS))
    monkeypatch.setitem(sys.modules, "ray", None)
    command = ["classify", str(tmp_path / "ads.jsonl"), "-o", str(tmp_path / "out"), "--engine", "ray"]
    done = CliRunner().invoke(cli.app, [*command, "--index", str(built_study.index)])
    assert (done.exit_code, done.output) == (2, "Error: Ray is not installed: pip install 'embedcode[ray]'\n")
    assert not (tmp_path / "out").exists()
