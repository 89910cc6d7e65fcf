#!/usr/bin/env python3
"""Speed of whole commands: Parquet in, coded Parquet out, with evidence, tools and anchors.

    python benchmarks/speed.py ads.parquet

Runs the commands alternately, as separate processes, and prints the median with minimum and maximum. The rival is the
same command with a transformer as the embedder (`--index minilm`), on as many ads as it codes in reasonable time.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow.parquet as pq

BIN = Path(sys.executable).parent / "embedcode"


@dataclass
class Timed:
    """A command and how long its runs took.

    Attributes:
        ads: How many ads a run codes; 0 where that is not the point.
        seconds: Wall time of each run.
        peak: Highest resident memory of any process of any run, in MB.
    """

    name: str
    arguments: list[str]
    ads: int = 0
    seconds: list[float] = field(default_factory=list)
    peak: float = 0.0

    def run(self, folder: Path) -> None:
        """Run the command once."""
        output = folder / "out"
        shutil.rmtree(output, ignore_errors=True)
        arguments = [str(output) if a == "OUT" else a for a in self.arguments]
        began = time.perf_counter()
        with Path(os.devnull).open("w") as nowhere:
            process = os.posix_spawn(
                str(BIN), [str(BIN), *arguments], os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, nowhere.fileno(), 1)]
            )
            _, status, usage = os.wait4(process, 0)
        if status:
            raise SystemExit(f"{' '.join(arguments)} ended with status {status}")
        self.seconds.append(time.perf_counter() - began)
        self.peak = max(self.peak, usage.ru_maxrss / 1024)

    def row(self) -> str:
        """A line of the table."""
        middle = statistics.median(self.seconds)
        rate = f"{self.ads / middle:>10,.1f}" if self.ads else f"{'':>10}"
        spread = f"{min(self.seconds):.2f}-{max(self.seconds):.2f}"
        return f"{self.name:<34}{middle:>9.2f}{spread:>14}{rate}{self.peak:>10,.0f}"


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ads", type=Path, help="Parquet file of ads")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--minilm-ads", type=int, default=50, help="ads for the transformer; 0 leaves it out")
    args = parser.parse_args()
    if not args.ads.is_file():
        raise SystemExit(f"Found no file {args.ads}; expected a Parquet file of ads.")
    ads = pq.read_metadata(args.ads).num_rows
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ad = folder / "ad.txt"
        ad.write_text("AI Engineer\nYou build chatbots with LangChain and fine-tune language models.\n", "utf-8")
        classify = ["classify", str(args.ads), "-o", "OUT", "--workers"]
        timed = [
            Timed("classify, 2 workers", [*classify, "2"], ads),
            Timed("classify, 1 worker", [*classify, "1"], ads),
            Timed("explain one ad, cold start", ["explain", str(ad)]),
        ]
        if few := min(args.minilm_ads, ads):
            limited = [*classify, "1", "--index", "minilm", "--limit", str(few)]
            timed.append(Timed("classify --index minilm, 1 worker", limited, few))
        for t in timed:
            t.run(folder)
            t.seconds.clear()  # a warm-up
        for _ in range(args.runs):
            for t in timed:
                t.run(folder)
    print(f"{'':<34}{'seconds':>9}{'min-max':>14}{'ads/s':>10}{'peak MB':>10}")
    for t in timed:
        print(t.row())


if __name__ == "__main__":
    main()
