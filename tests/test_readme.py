"""What the README shows is what happens: its commands run, its excerpt is the demo's output."""

from __future__ import annotations

import csv
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ads import ADS, gold_rows
from serving import page, served

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
METHODS = (ROOT / "docs" / "methods.md").read_text("utf-8")
BIN = Path(sys.executable).parent


def blocks(kind: str, text: str = README) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", text, re.DOTALL)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ads and coded ads, as a user would have them."""
    folder = tmp_path_factory.mktemp("study")
    with (folder / "ads.csv").open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out)
        writer.writerow(["id", "date", "description"])
        writer.writerows([i, "2026-01-01", ad.text] for i, ad in enumerate(ADS))
    rows = [{**row, "id": str(i)} for i, row in enumerate(gold_rows())]
    pq.write_table(pa.Table.from_pylist(rows), folder / "gold.parquet")
    return folder


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    program, *arguments = shlex.split(command, comments=True)
    assert program == "embedcode", f"the README shows {program}, which no test runs"
    return subprocess.run([BIN / program, *arguments], cwd=folder, capture_output=True, text=True, encoding="utf-8")


def serve(command: str, folder: Path) -> None:
    """Start the workbench, look at a page and end it."""
    program, *arguments = shlex.split(command, comments=True)
    with served(BIN / program, *arguments, cwd=folder) as address:
        assert " ads</p>" in page(f"{address}/corpus")


def rows(folder: Path) -> int:
    return sum(pq.read_metadata(part).num_rows for part in folder.glob("part-*.parquet"))


def commands(text: str) -> list[str]:
    lines = [line[2:] for block in blocks("console", text) for line in block.splitlines() if line.startswith("$ ")]
    return [line for line in lines if not line.startswith("make ")]


def test_commands_run_in_the_order_of_the_readme(study: Path) -> None:
    assert len(commands(README)) >= 20
    assert len(commands(METHODS)) >= 4
    for command in (*commands(README), *commands(METHODS)):
        if command.startswith("embedcode serve"):
            serve(command, study)
            continue
        done = run(command, study)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    assert rows(study / "coded") == len(ADS)
    assert rows(study / "look") == 2


def test_make_targets_exist() -> None:
    targets = re.findall(r"^\$ make ([\w-]+)", README, re.MULTILINE)
    assert targets == ["demo", "test"]
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert all(re.search(rf"^{t}:", makefile, re.MULTILINE) for t in targets)


def test_python_runs() -> None:
    (code,) = blocks("python")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("GenAI Engineer")


def test_the_excerpt_is_real(study: Path) -> None:
    (excerpt,) = blocks("text")
    out = run("embedcode demo", study).stdout
    shown = {" ".join(line.split()) for line in out.splitlines()}
    for line in excerpt.splitlines():
        assert not line.strip() or line.strip() == "..." or " ".join(line.split()) in shown, line
