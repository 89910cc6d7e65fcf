"""Nothing connects to the network, and nothing that is loaded is run."""

from __future__ import annotations

import ast
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer
from ads import gold_rows
from conftest import Study
from serving import page, served

import embedcode
from embedcode import cli

PACKAGE = Path(embedcode.__file__).parent
BIN = Path(sys.executable).parent

WATCH = """
import os, sys

NAMES = ("connect", "sendto", "sendmsg", "getaddrinfo", "gethostbyname", "gethostbyaddr", "getnameinfo")
EVENTS = {f"socket.{name}" for name in NAMES}

def is_local(address):
    host = address[0] if isinstance(address, tuple) else address
    if isinstance(host, bytes):
        host = host.decode(errors="replace")
    if isinstance(host, str) and not isinstance(address, tuple) and host.startswith(("/", "\\0")):
        return True  # AF_UNIX
    return host is None or host in ("localhost", "::1") or host.startswith("127.")

def watch(event, args):
    if event in EVENTS:
        address = args[0] if event.split(".")[1].startswith("get") else args[1]
        if not is_local(address):
            file = os.open(os.environ["WATCHED"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.write(file, f"{os.getpid()} {event} {address!r}\\n".encode())
            os.close(file)
            raise OSError(f"no network in tests: {event} {address!r}")

sys.addaudithook(watch)
if marks := os.environ.get("WATCHING"):
    open(f"{marks}/{os.getpid()}", "w").close()
"""
"""Refuses and notes every attempt, also of worker processes: Python runs `sitecustomize` in each as it starts, and a
forked one inherits the hook."""


@pytest.fixture(scope="module")
def watch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("watch")
    (folder / "sitecustomize.py").write_text(WATCH, "utf-8")
    (folder / "processes").mkdir()
    return folder


def watched(watch: Path, *command: str | Path, cwd: Path, **more: str) -> tuple[Any, list[str]]:
    """Run a command; how it ended, and the addresses that it tried."""
    tried = watch / "tried"
    tried.unlink(missing_ok=True)
    variables = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "TRANSFORMERS_"))}
    variables |= {"PYTHONPATH": str(watch), "WATCHED": str(tried), "WATCHING": str(watch / "processes"), **more}
    done = subprocess.run(command, cwd=cwd, env=variables, capture_output=True, text=True, encoding="utf-8")
    return done, tried.read_text("utf-8").splitlines() if tried.exists() else []


TRIES = """
import multiprocessing, socket, sys

def attempts():
    yield lambda: socket.create_connection(("192.0.2.1", 80), 1)
    yield lambda: socket.socket().connect(("192.0.2.2", 80))
    yield lambda: socket.socket().connect_ex(("192.0.2.3", 80))
    yield lambda: socket.socket(type=socket.SOCK_DGRAM).sendto(b"x", ("192.0.2.4", 53))
    yield lambda: socket.getaddrinfo("host.invalid", 443)
    yield lambda: socket.gethostbyname("host.invalid")

def attempt():
    for number, one in enumerate(attempts()):
        try:
            one()
        except OSError as error:
            assert "no network in tests" in str(error), error
        else:
            sys.exit(f"{number} was let through")

if __name__ == "__main__":
    attempt()
    for kind in ("fork", "spawn", "forkserver"):
        child = multiprocessing.get_context(kind).Process(target=attempt)
        child.start()
        child.join()
        assert child.exitcode == 0, kind
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname()).close()
    one, other = socket.socketpair()
    one.sendall(b"x")
"""


def test_the_watch_sees_every_attempt_of_every_process(watch: Path, tmp_path: Path) -> None:
    (tmp_path / "tries.py").write_text(TRIES, "utf-8")
    done, tried = watched(watch, sys.executable, tmp_path / "tries.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(tried) == 4 * 6
    assert len({t.split()[0] for t in tried}) == 4
    assert not [t for t in tried if "127.0.0.1" in t]


COMMANDS = {
    "classify": "classify ads.parquet -o coded --workers 2 --rows-per-part 5 --keep sector",
    "dedupe": "dedupe ads.parquet -o clusters.parquet --index seen.npz",
    "explain": "explain ads.parquet --id ad-1",
    "evaluate": "evaluate coded same.parquet",
    "prevalence": "prevalence coded same.parquet --by sector --random-sample",
    "export": "export coded -o coded.qdpx",
    "import": "import coded.qdpx coded -o labelled.parquet --all",
    "report": "report coded -o report.html --by sector --gold same.parquet",
    "anchors check": "anchors check",
    "anchors list": "anchors list TASK3",
    "anchors suggest": "anchors suggest ads.parquet --min-ads 1",
    "anchors suggest-tools": "anchors suggest-tools ads.parquet",
    "anchors copy": "anchors copy copied",
    "anchors add": "anchors add TASK4 'keep web shops running' --facet software",
    "build": "build",
    "demo": "demo",
    "export-model": "export-model model",
}
"""Every command, in an order in which each finds what it needs."""

MODEL = {
    "train": "train gold.parquet --texts ads.parquet -o indexes/trained",
    "build": "build --embedder all-MiniLM-L6-v2 --gold gold.parquet -o indexes/minilm",
    "explain": "explain ads.parquet --id ad-1 --index indexes/minilm",
    "classify": "classify ads.parquet -o coded-minilm --index indexes/minilm --workers 2 --rows-per-part 10",
}
"""Those that load a sentence-transformers model."""


@pytest.fixture(scope="module")
def place(built_study: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study's folder with ads."""
    folder = Path(shutil.copytree(built_study.root, tmp_path_factory.mktemp("offline") / "study"))
    rows = gold_rows()
    ads = [{"id": f"ad-{i}", "text": row["text"], "sector": "x"} for i, row in enumerate(rows)]
    pq.write_table(pa.Table.from_pylist(ads), folder / "ads.parquet")
    same = [{**row, "id": f"ad-{i}"} for i, row in enumerate(pq.read_table(folder / "gold.parquet").to_pylist())]
    pq.write_table(pa.Table.from_pylist(same), folder / "same.parquet")
    return folder


def names(group: Any, before: str = "") -> Iterator[str]:
    for name, command in group.commands.items():
        words = f"{before} {name}".strip()
        yield from names(command, words) if hasattr(command, "commands") else [words]


def test_all_commands_are_tried() -> None:
    assert COMMANDS.keys() | MODEL.keys() | {"serve"} == set(names(typer.main.get_command(cli.app)))


def test_no_command_connects_to_anything(watch: Path, place: Path) -> None:
    for command in COMMANDS.values():
        done, tried = watched(watch, BIN / "embedcode", *shlex.split(command), cwd=place)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        assert tried == [], command
    assert json.loads((place / "coded" / "manifest.json").read_bytes())["workers"] == 2
    assert len(list((watch / "processes").iterdir())) >= len(COMMANDS), "the watch stood in each"


def test_the_workbench_listens_and_never_calls(watch: Path, place: Path) -> None:
    watched(watch, BIN / "embedcode", "classify", "ads.parquet", "-o", "served", cwd=place)
    tried, processes = watch / "tried", watch / "processes"
    before = len(list(processes.iterdir()))
    variables = {"PYTHONPATH": str(watch), "WATCHED": str(tried), "WATCHING": str(processes)}
    with served(BIN / "embedcode", "serve", "served", cwd=place, **variables) as address:
        for path in ("corpus", "ad/0", "review"):
            assert "embedcode" in page(f"{address}/{path}")
    assert not tried.exists()
    assert len(list(processes.iterdir())) > before, "the watch stood"


@pytest.mark.transformers
def test_no_command_with_a_model_connects_to_anything(watch: Path, place: Path, tmp_path: Path) -> None:
    """The model is in a package; the hub's cache is empty."""
    for command in MODEL.values():
        done, tried = watched(watch, BIN / "embedcode", *shlex.split(command), cwd=place, HF_HOME=str(tmp_path))
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        assert tried == [], command


@pytest.mark.transformers
def test_a_model_is_only_asked_for_with_download(watch: Path, place: Path, tmp_path: Path) -> None:
    command = shlex.split("build --embedder no-such-owner/no-such-model --gold gold.parquet -o indexes/none")
    done, tried = watched(watch, BIN / "embedcode", *command, cwd=place, HF_HOME=str(tmp_path))
    assert (done.returncode, tried) == (2, [])
    assert "allow the download where the command has --download" in done.stderr


# What the code says


CODE = {path.stem: ast.parse(path.read_text("utf-8")) for path in sorted(PACKAGE.glob("*.py"))}

FORBIDDEN_MODULES = {
    *("pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"),
    *("socket", "ssl", "http", "urllib", "urllib3", "requests", "httpx", "aiohttp", "ftplib"),
}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__", "read_index", "system", "popen"}


@pytest.mark.parametrize("name", CODE)
def test_no_module_unpickles_or_connects_by_itself(name: str) -> None:
    for node in ast.walk(CODE[name]):
        found = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        found += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        assert not FORBIDDEN_MODULES & {f.split(".")[0] for f in found}, f"{name}:{getattr(node, 'lineno', 0)}"


@pytest.mark.parametrize("name", CODE)
def test_no_module_runs_what_it_reads(name: str) -> None:
    for node in ast.walk(CODE[name]):
        if not isinstance(node, ast.Call):
            continue
        where = f"{name}:{node.lineno}"
        function = node.func
        if isinstance(function, ast.Name):
            assert function.id not in FORBIDDEN_CALLS, where
        elif isinstance(function, ast.Attribute):
            assert function.attr not in FORBIDDEN_CALLS - {"compile"}, where  # re.compile
        for keyword in node.keywords:
            value = getattr(keyword.value, "value", None)
            if keyword.arg == "trust_remote_code":
                assert value is False, where
            assert keyword.arg != "allow_pickle" or value is False, where


def test_remote_code_is_refused_by_name() -> None:
    calls = [n for n in ast.walk(CODE["transformer"]) if isinstance(n, ast.keyword) and n.arg == "trust_remote_code"]
    assert len(calls) == 1
