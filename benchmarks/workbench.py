#!/usr/bin/env python3
"""How long the workbench takes to answer: its pages, and a rebuild after one edit of an anchor.

    python benchmarks/workbench.py coded          # what `embedcode classify --keep text` wrote
    python benchmarks/workbench.py ads.parquet    # ads, which are coded first

The pages are asked for in the process that makes them, as a browser would ask, without the network between. The rebuild
fits a bundle on trial from a copy of the shipped coding book and codes the whole corpus anew; nothing is written.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"  # as `embedcode serve` does

from starlette.testclient import TestClient

from embedcode.corpus import Corpus
from embedcode.loading import load
from embedcode.paths import shipped
from embedcode.web import application
from embedcode.workbench import Workbench

BIN = Path(sys.executable).parent / "embedcode"
HOME = "http://127.0.0.1:8800"
AD, FILTER, REBUILD = 0.1, 0.3, 10.0
"""Seconds that an ad, a filter and a rebuild may take."""

FILTERS: Mapping[str, Mapping[str, str]] = {
    "corpus, all": {},
    "corpus, by profile": {"profile": "GenAI Engineer"},
    "corpus, by code": {"code": "TASK3"},
    "corpus, by tool": {"tool": "Python"},
    "corpus, by confidence, least sure first": {"least": "0.4", "most": "0.7", "order": "unsure"},
    "corpus, by words": {"words": "language model"},
    "corpus, by words that no ad holds": {"words": "zyxwvutsrq"},
    "corpus, by all of these": {
        "profile": "GenAI Engineer",
        "code": "TASK3",
        "tool": "Python",
        "words": "language model",
        "order": "unsure",
    },
}
ANCHORS: Mapping[str, Mapping[str, str]] = {
    "anchors, all": {},
    "anchors, of a code": {"code": "TASK3"},
    "anchors, nearer to another code": {"stray": "on"},
}


@dataclass(frozen=True)
class Timed:
    """How long an answer took each time.

    Attributes:
        seconds: Of each time, the first one left out: it may have read what the others find in memory.
        first: Of the first.
        target: Seconds that it may take.
    """

    name: str
    seconds: list[float]
    first: float
    target: float

    def row(self) -> str:
        """A line of the table."""
        middle = statistics.median(self.seconds)
        kept = "yes" if max(self.seconds) <= self.target else "NO"
        cells = (1000 * s for s in (self.first, middle, max(self.seconds), self.target))
        return f"{self.name:<42}" + "".join(f"{c:>10,.0f}" for c in cells) + f"{kept:>6}"


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path, help="coded ads with their texts, or ads to be coded first")
    parser.add_argument("--runs", type=int, default=20, help="times that each page is asked for")
    parser.add_argument("--rebuilds", type=int, default=3)
    args = parser.parse_args()
    if not args.corpus.exists():
        raise SystemExit(f"Found no {args.corpus}; expected coded ads, or a file of ads.")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bench = workbench(coded(args.corpus, folder), folder)
        assert bench.corpus
        print(f"{len(bench.corpus):,} ads, {len(bench.draft.book.anchors):,} anchors; milliseconds\n")
        print(f"{'':<42}{'first':>10}{'median':>10}{'max':>10}{'target':>10}{'kept':>6}")
        for timed in (*pages(bench, args.runs), rebuilds(bench, args.rebuilds)):
            print(timed.row(), flush=True)


def coded(corpus: Path, folder: Path) -> Path:
    """The coded ads; ads are coded first."""
    if corpus.is_dir():
        return corpus
    out = folder / "coded"
    subprocess.run([BIN, "classify", corpus, "-o", out, "--keep", "all"], check=True, capture_output=True)
    return out


def workbench(corpus: Path, folder: Path) -> Workbench:
    """A workbench on the corpus, with a copy of the shipped coding book."""
    anchors, index = folder / "anchors", shipped() / "indexes" / "default"
    shutil.copytree(shipped() / "anchors", anchors)
    return Workbench(lambda: load(str(index)), anchors, index, Corpus(corpus))


def pages(bench: Workbench, runs: int) -> Iterator[Timed]:
    """Ads, filters and anchors."""
    assert bench.corpus
    rows = random.Random(0).choices(range(len(bench.corpus)), k=runs + 1)
    with TestClient(application(bench), base_url=HOME) as client:

        def ask(path: str, query: Mapping[str, str]) -> None:
            assert client.get(path, params=dict(query)).status_code == 200, (path, query)

        yield timed("an ad, with its explanation", AD, [lambda r=r: ask(f"/ad/{r}", {}) for r in rows])
        for path, queries in (("/corpus", FILTERS), ("/anchors", ANCHORS)):
            for name, query in queries.items():
                yield timed(name, FILTER, [lambda p=path, q=query: ask(p, q)] * (runs + 1))


def rebuilds(bench: Workbench, runs: int) -> Timed:
    """A bundle on trial after one edit each, the corpus coded anew, until the page can show it."""

    def once() -> None:
        with bench.editing() as draft:
            draft.add("TASK4", f"keep web shops number {len(draft.steps)} running", None, "en")
        bench.try_out()
        while bench.trial and bench.trial.running:
            time.sleep(0.01)
        if not bench.trial or not bench.trial.report:
            raise SystemExit(bench.trial.failed if bench.trial else "The trial is gone.")

    return timed("rebuild, corpus coded anew", REBUILD, [once] * (runs + 1))


def timed(name: str, target: float, acts: list[Callable[[], None]]) -> Timed:
    """Time what is done, one after the other."""
    seconds = []
    for act in acts:
        began = time.perf_counter()
        act()
        seconds.append(time.perf_counter() - began)
    return Timed(name, seconds[1:], seconds[0], target)


if __name__ == "__main__":
    main()
