"""Whole runs: parts in order, the same bytes however they come about, and a manifest that tells what was done."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from multiprocessing import parent_process
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ads import gold_rows
from conftest import Study

from embedcode import folder as folders
from embedcode import run as running
from embedcode import storage as storing
from embedcode import workers as working
from embedcode._version import __version__
from embedcode.documents import Columns, Source
from embedcode.errors import BundleError, OutputError
from embedcode.folder import JOURNAL, LOCK, MANIFEST, clear, prepare
from embedcode.run import Bundled, run

TEXTS = [r["text"] for r in gold_rows()]


def rows() -> list[dict[str, Any]]:
    """Ads as every format can hold them: strings, some missing, some that cannot be coded."""
    out = [{"id": f"ad {i}", "title": "", "text": t, "sector": f"s{i % 3}"} for i, t in enumerate(TEXTS)]
    out[1]["title"] = 'Python Engineer 🚀, "remote"'
    out[4]["text"] = ""
    out[5]["text"] = "  \n\n "
    out[6]["text"] = "<p>Build <b>chatbots</b> &amp; train models\r\nin Python</p>"
    out[7]["text"] = "..."
    return out


@pytest.fixture
def ads(tmp_path: Path) -> dict[str, Path]:
    """The same rows as Parquet, CSV and JSON Lines."""
    paths = {kind: tmp_path / f"ads.{kind}" for kind in ("parquet", "csv", "jsonl")}
    pq.write_table(pa.Table.from_pylist(rows()), paths["parquet"], row_group_size=7)
    with paths["csv"].open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, ["id", "title", "text", "sector"])
        writer.writeheader()
        writer.writerows(rows())
    paths["jsonl"].write_text("".join(json.dumps(r) + "\n" for r in rows()), "utf-8")
    return paths


def code(
    study: Study, source: Path | list[Path], folder: Path, keep: tuple[str, ...] = ("sector",), **options: Any
) -> running.Summary:
    """Open the input and code it."""
    paths = source if isinstance(source, list) else [source]
    limit = options.pop("limit", None)
    opened = Source.open([str(p) for p in paths], Columns(keep=keep), limit=limit)
    return run(opened, folder, Bundled(str(study.index)), **options)


def parts(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted(folder.glob("part-*.parquet"))}


def manifest(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / MANIFEST).read_bytes())
    return found


def table(folder: Path) -> pa.Table:
    return pa.concat_tables([pq.read_table(p) for p in sorted(folder.glob("part-*.parquet"))])


# Parts


def test_parts_hold_every_row_in_order(built_study: Study, ads: dict[str, Path], tmp_path: Path) -> None:
    summary = code(built_study, ads["parquet"], tmp_path / "out", rows_per_part=10)
    n = len(TEXTS)
    sizes = [pq.read_metadata(p).num_rows for p in sorted((tmp_path / "out").glob("part-*"))]
    assert sizes == [10] * (n // 10) + ([n % 10] if n % 10 else [])
    assert sorted(parts(tmp_path / "out")) == [f"part-{i:05d}.parquet" for i in range(len(sizes))]
    found = table(tmp_path / "out")
    assert found.column("id").to_pylist() == [r["id"] for r in rows()]
    assert found.column("sector").to_pylist() == [r["sector"] for r in rows()]
    assert [i for i, e in enumerate(found.column("error").to_pylist()) if e] == [4, 5]
    assert (summary.rows, summary.failed) == (n, 2)
    assert summary.profiles == Counter(p for p in found.column("profile").to_pylist() if p)
    assert summary.languages == Counter(p for p in found.column("language").to_pylist() if p)
    assert not list((tmp_path / "out").glob("*.tmp"))


def test_the_same_as_the_coder_gives(
    built_study: Study, small_coder: Any, ads: dict[str, Path], tmp_path: Path
) -> None:
    code(built_study, ads["parquet"], tmp_path / "out")
    source = Source.open([str(ads["parquet"])], Columns(keep=("sector",)))
    expected = small_coder.classify_batch(next(source.batches(1000)))
    assert table(tmp_path / "out").combine_chunks().to_batches()[0].equals(expected)


def test_one_worker_and_two_give_identical_bytes(built_study: Study, ads: dict[str, Path], tmp_path: Path) -> None:
    one = code(built_study, ads["parquet"], tmp_path / "one", workers=1, rows_per_part=6)
    two = code(built_study, ads["parquet"], tmp_path / "two", workers=2, rows_per_part=6)
    assert parts(tmp_path / "one") == parts(tmp_path / "two")
    assert len(parts(tmp_path / "one")) > 4
    assert (one.rows, one.profiles, one.errors, one.parts) == (two.rows, two.profiles, two.errors, two.parts)
    assert manifest(tmp_path / "two")["workers"] == 2


def test_formats_give_identical_bytes(built_study: Study, ads: dict[str, Path], tmp_path: Path) -> None:
    for kind, path in ads.items():
        code(built_study, path, tmp_path / f"out-{kind}", rows_per_part=15)
    found = [parts(tmp_path / f"out-{kind}") for kind in ads]
    assert found[0] == found[1] == found[2]
    assert len(found[0]) == 3


def test_several_files_are_one_input(built_study: Study, ads: dict[str, Path], tmp_path: Path) -> None:
    whole = pq.read_table(ads["parquet"])
    pieces = [tmp_path / f"piece-{i}.parquet" for i in range(3)]
    for i, path in enumerate(pieces):
        pq.write_table(whole.slice(i * 15, 15), path)
    code(built_study, pieces, tmp_path / "pieces", rows_per_part=11)
    code(built_study, ads["parquet"], tmp_path / "whole", rows_per_part=11)
    assert parts(tmp_path / "pieces") == parts(tmp_path / "whole")
    assert [e["path"] for e in manifest(tmp_path / "pieces")["input"]] == [str(p) for p in pieces]


def test_few_ads_need_no_processes(
    built_study: Study, ads: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(working, "ProcessPoolExecutor", None)
    assert code(built_study, ads["parquet"], tmp_path / "out", workers=8).rows == len(TEXTS)


def test_no_rows_at_all(built_study: Study, tmp_path: Path) -> None:
    (tmp_path / "ads.csv").write_text("id,text,sector\n", "utf-8")
    summary = code(built_study, tmp_path / "ads.csv", tmp_path / "out")
    assert (summary.rows, len(summary.parts)) == (0, 1)
    found = table(tmp_path / "out")
    assert len(found) == 0
    assert found.schema.names[-1] == "sector"
    assert manifest(tmp_path / "out")["rows"] == 0


def test_a_limit(built_study: Study, ads: dict[str, Path], tmp_path: Path) -> None:
    assert code(built_study, ads["csv"], tmp_path / "out", limit=7, rows_per_part=5).rows == 7
    assert table(tmp_path / "out").column("id").to_pylist() == [r["id"] for r in rows()[:7]]


def test_progress_counts_rows(built_study: Study, ads: dict[str, Path], tmp_path: Path) -> None:
    seen: list[int] = []
    code(built_study, ads["csv"], tmp_path / "out", rows_per_part=20, progress=seen.append)
    assert seen == [20, 20, len(TEXTS) - 40]


def test_one_broken_file_among_many(built_study: Study, ads: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 no more")
    summary = code(built_study, [ads["parquet"], tmp_path / "broken.parquet", ads["csv"]], tmp_path / "out")
    assert summary.rows == 2 * len(TEXTS)
    assert len(summary.problems) == 1
    assert "broken.parquet" in summary.problems[0]


def test_an_input_that_breaks_off(built_study: Study, ads: dict[str, Path], tmp_path: Path) -> None:
    data = ads["csv"].read_bytes()
    (tmp_path / "cut.csv").write_bytes(data[:-2000] + b"\xe9" + data[-2000:])
    summary = code(built_study, tmp_path / "cut.csv", tmp_path / "out", rows_per_part=5)
    assert 0 < summary.rows < len(TEXTS)
    (problem,) = summary.problems
    assert "0xE9" in problem
    assert problem.endswith(f"Its first {summary.rows} rows were read.")
    assert manifest(tmp_path / "out")["problems"] == [problem]


# The manifest and the metadata


def test_the_manifest(built_study: Study, ads: dict[str, Path], tmp_path: Path) -> None:
    summary = code(built_study, ads["csv"], tmp_path / "out", rows_per_part=10)
    found = manifest(tmp_path / "out")
    data = ads["csv"].read_bytes()
    assert found["input"] == [{"path": str(ads["csv"]), "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}]
    assert (found["rows"], found["coded"], found["errors"]) == (len(TEXTS), len(TEXTS) - 2, 2)
    assert (found["embedcode"], found["engine"], found["workers"]) == (__version__, "local", 1)
    assert found["options"] == {"rows_per_part": 10, "min_confidence": 0.0}
    assert found["seconds"] == pytest.approx(summary.seconds, abs=0.01)
    assert [p["name"] for p in found["parts"]] == sorted(parts(tmp_path / "out"))
    for part in found["parts"]:
        path = tmp_path / "out" / part["name"]
        assert part["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
        assert part["rows"] == pq.read_metadata(path).num_rows
    bundle = built_study.bundle()
    assert found["bundle"] == {
        "book": bundle.book_hash,
        **{k: bundle.hashes[k] for k in ("anchors", "embedder", "models")},
    }


@pytest.mark.parametrize("rows_per_part", [2, 100])
def test_repeated_ids_are_counted(built_study: Study, tmp_path: Path, rows_per_part: int) -> None:
    path = tmp_path / "ads.csv"
    path.write_text("id,text,sector\na,one,\nb,two,\na,three,\nc,four,\na,five,\nb,,\n")
    for before in (0, rows_per_part // 2):
        summary = code(built_study, path, tmp_path / "out", rows_per_part=rows_per_part)
        assert (summary.repeated, summary.before) == (3, before and 6)
        assert manifest(tmp_path / "out")["repeated_ids"] == 3


def test_part_metadata_holds_only_what_decides(built_study: Study, ads: dict[str, Path], tmp_path: Path) -> None:
    code(built_study, ads["csv"], tmp_path / "out", rows_per_part=10)
    metadata = pq.read_schema(tmp_path / "out" / "part-00000.parquet").metadata
    decisive = {"embedcode.version", "embedcode.bundle", "embedcode.rows_per_part", "embedcode.min_confidence"}
    assert {k.decode() for k in metadata} == decisive
    assert json.loads(metadata[b"embedcode.bundle"]) == manifest(tmp_path / "out")["bundle"]
    assert str(tmp_path).encode() not in b"".join(parts(tmp_path / "out").values())


# Folders


def test_a_new_folder_and_an_empty_one(tmp_path: Path) -> None:
    prepare(tmp_path / "a" / "b")
    prepare(tmp_path / "a" / "b")
    assert list((tmp_path / "a" / "b").iterdir()) == []


def test_a_folder_that_holds_something_else(built_study: Study, ads: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "full"
    folder.mkdir()
    for restart in (False, True):
        (folder / "notes.txt").write_text("mine", "utf-8")
        with pytest.raises(OutputError, match=r"holds something else already \(notes.txt\).*-o"):
            code(built_study, ads["csv"], folder, restart=restart)
        with pytest.raises(OutputError, match="holds something else already"):
            prepare(folder)
    assert [p.name for p in folder.iterdir()] == ["notes.txt"]


def test_an_earlier_run(built_study: Study, ads: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    code(built_study, ads["csv"], out, rows_per_part=10)
    before = {p: p.read_bytes() for p in out.iterdir()}
    with pytest.raises(
        OutputError, match=r"holds the coded ads of another run \(another bundle and options\).*--restart"
    ):
        code(built_study, ads["csv"], out, rows_per_part=9)
    prepare(out)
    assert {p: p.read_bytes() for p in out.iterdir()} == before
    (out / "part-00009.parquet.tmp").write_bytes(b"cut off")
    (out / "part-00008.parquet").write_bytes((out / "part-00000.parquet").read_bytes())
    code(built_study, ads["jsonl"], out, rows_per_part=20, restart=True)
    assert sorted(p.name for p in out.iterdir() if p.name != LOCK) == [
        *(JOURNAL, MANIFEST, "part-00000.parquet", "part-00001.parquet", "part-00002.parquet")
    ]
    code(built_study, ads["jsonl"], tmp_path / "fresh", rows_per_part=20)
    assert parts(out) == parts(tmp_path / "fresh")
    clear(out)
    assert [p.name for p in out.iterdir() if p.name != LOCK] == []


@pytest.mark.parametrize("name", ["part-00000.parquet", "manifest.json", "draft.tmp"])
def test_files_of_others_with_our_names_are_left_alone(
    built_study: Study, ads: dict[str, Path], tmp_path: Path, name: str
) -> None:
    """Spark names its parts as we do."""
    out = tmp_path / "out"
    out.mkdir()
    (out / name).write_bytes(ads["parquet"].read_bytes() if name.endswith("parquet") else b'{"mine": 1}')
    before = (out / name).read_bytes()
    for restart in (False, True):
        with pytest.raises(OutputError, match="holds something else"):
            code(built_study, ads["csv"], out, restart=restart)
    clear(out)
    assert (out / name).read_bytes() == before


def test_the_folder_of_the_input(built_study: Study, ads: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    code(built_study, ads["csv"], out, keep=())
    before = parts(out)
    with pytest.raises(OutputError, match="holds the input"):
        prepare(out, inputs=[out / "part-00000.parquet"])
    (out / "part-00001.parquet").write_bytes(before["part-00000.parquet"])
    source = Source.open([str(out / "part-00001.parquet")], Columns(text="id"))
    with pytest.raises(OutputError, match="holds the input"):
        run(source, out, Bundled(str(built_study.index)), restart=True)
    assert parts(out) == dict.fromkeys(("part-00000.parquet", "part-00001.parquet"), before["part-00000.parquet"])


def test_a_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("", "utf-8")
    with pytest.raises(OutputError, match="Cannot write to .*Name another folder"):
        prepare(tmp_path / "out")


def test_no_space_left(
    built_study: Study, ads: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, written = storing.write_whole, []

    def full(path: Path, data: Any) -> None:
        if len(written) == 2:
            raise OSError(28, "No space left on device")
        if path.name.startswith("part-"):
            written.append(path)
        write(path, data)

    monkeypatch.setattr(storing, "write_whole", full)
    with pytest.raises(OutputError, match="No space left on device. 2 parts are finished and intact"):
        code(built_study, ads["csv"], tmp_path / "out", rows_per_part=10)
    assert sorted(parts(tmp_path / "out")) == ["part-00000.parquet", "part-00001.parquet"]


def test_a_write_that_fails_leaves_no_half_file(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        folders.write_whole(tmp_path / "x", "text")
    assert not (tmp_path / "x").exists()


def die(*_: Any) -> None:
    """What a worker does that is killed."""
    assert parent_process()
    os._exit(9)


@pytest.mark.skipif(not working.FORK, reason="a worker that is not forked does not see the patch")
def test_a_worker_that_is_killed(
    built_study: Study, ads: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(working, "_work", die)
    summary = code(built_study, ads["csv"], tmp_path / "out", workers=2, rows_per_part=2, limit=4)
    found = table(tmp_path / "out")
    assert found.column("id").to_pylist() == [r["id"] for r in rows()[:4]]
    assert found.column("error").to_pylist() == [working.DEADLY] * 4
    assert summary.errors == Counter({working.DEADLY: 4})
    assert summary.deaths >= 4
    assert manifest(tmp_path / "out")["errors"] == 4


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
def test_workers_end_when_the_command_is_killed(built_study: Study, tmp_path: Path) -> None:
    embedcode = Path(sys.executable).parent / "embedcode"
    command = [embedcode, "classify", "-", "-o", "out", "--workers", "2", "--rows-per-part", "1"]
    command += ["--index", str(built_study.index)]
    with subprocess.Popen(command, cwd=tmp_path, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.write(b'{"text": "Build models."}\n' * 2000)
        process.stdin.flush()  # it waits for more
        until(lambda: len(list((tmp_path / "out").glob("part-*.parquet"))) > 2)
        workers = children(process.pid)
        assert len(workers) >= 2
        process.kill()
    until(lambda: not any(running_still(w) for w in workers))


def children(pid: int) -> list[int]:
    stats = [p.read_text() for p in Path("/proc").glob("[0-9]*/stat") if p.exists()]
    found = [(int(s.split()[0]), int(s.rpartition(")")[2].split()[1])) for s in stats]
    return [child for child, parent in found if parent == pid]


def running_still(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def until(holds: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def test_a_stale_bundle_is_refused(study: Study, ads: dict[str, Path], tmp_path: Path) -> None:
    study.add("terms.csv", "chatbot*,generative,en,")
    with pytest.raises(BundleError, match=r"has changed since the bundle .* was built.*embedcode build --anchors"):
        code(study, ads["csv"], tmp_path / "out")
