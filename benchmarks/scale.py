#!/usr/bin/env python3
"""What many ads take: time and memory by their number, and from that a table on paper for 100 million.

    python benchmarks/scale.py ads.parquet
    python benchmarks/scale.py ads.parquet --counts 10000 100000 1000000

The ads are made from lines of the given ones. As these lines come again and again, which those of other ads do less,
nothing is remembered of them (--segment-cache 0), unless another number is given.

The slope is that of a straight line through the figures (least squares). The table on paper rests on three
assumptions: each core of a node codes like one of the workers measured here; of that, a cluster loses a share
(--efficiency, which benchmarks/engines.py measures for two workers); and the storage keeps up with what is read and
written.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from speed import BIN, Timed, recombine

from embedcode.documents import Columns, Source

MANY = 100_000_000
NODES = (1, 8, 64)


@dataclass(frozen=True)
class Taken:
    """What so many ads took.

    Attributes:
        seconds: Of the whole command.
        memory: Highest resident memory of a process, in MB.
    """

    ads: int
    seconds: float
    memory: float


def main() -> None:
    """Run the benchmark and print its tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ads", type=Path, help="Parquet file of ads")
    parser.add_argument("--counts", type=int, nargs="+", default=[10_000, 100_000], help="numbers of ads to code")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--segment-cache", type=int, default=0, help="segments that a worker remembers")
    parser.add_argument("--cores", type=int, default=16, help="of a node of the cluster on paper")
    parser.add_argument("--efficiency", type=float, default=0.85, help="share of the speed that a cluster keeps")
    args = parser.parse_args()
    if not args.ads.is_file():
        raise SystemExit(f"Found no file {args.ads}; expected a Parquet file of ads.")
    if len(set(args.counts)) < 2 or min(args.counts) < 1:
        raise SystemExit("A slope needs two different numbers of ads: --counts 10000 100000.")
    source = Source.open([str(args.ads)], Columns())
    texts = [t or "" for b in source.batches(1000) for t in b.column("text").to_pylist()]
    print(f"{'ads':>13}{'seconds':>10}{'ads/s':>9}{'peak MB':>9}")
    taken = []
    for count in sorted(args.counts):
        with tempfile.TemporaryDirectory() as folder:
            one = take(texts, count, args, Path(folder))
        taken.append(one)
        print(f"{count:>13,}{one.seconds:>10.1f}{count / one.seconds:>9,.0f}{one.memory:>9,.0f}", flush=True)
    on_paper(taken, args)


def take(texts: list[str], count: int, args: argparse.Namespace, folder: Path) -> Taken:
    """Make so many ads and code them."""
    ads = folder / "ads.parquet"
    recombine(texts, count, ads)
    options = ["--workers", str(args.workers), "--segment-cache", str(args.segment_cache)]
    timed = Timed("classify", [str(BIN), "classify", str(ads), "-o", "OUT", *options], count)
    timed.run(folder)
    if timed.failed:
        raise SystemExit(timed.failed)
    return Taken(count, timed.middle, timed.peak)


def on_paper(taken: list[Taken], args: argparse.Namespace) -> None:
    """Print the slopes, and what many ads would take by them."""
    ads = [one.ads for one in taken]
    seconds, start = np.polyfit(ads, [one.seconds for one in taken], 1)
    memory, least = np.polyfit(ads, [one.memory for one in taken], 1)
    print(f"\nFor each 1,000 ads {1000 * seconds:.3f} s beyond the first {start:.1f} s, with {args.workers} workers")
    print(f"               and {1000 * memory:.3f} MB beyond the first {least:.0f} MB in a process")
    core = args.efficiency / (seconds * args.workers)
    print(
        f"\nOn paper, {MANY:,} ads on nodes of {args.cores} cores: {core:,.0f} ads a second for each core "
        f"({args.efficiency:.0%} of a worker here),\n{least:.0f} MB for each"
    )
    print(f"\n{'nodes':>7}{'hours':>9}{'node hours':>12}{'ads/s':>11}{'memory of a node, GB':>22}")
    for nodes in NODES:
        rate = nodes * args.cores * core
        hours = MANY / rate / 3600
        print(f"{nodes:>7}{hours:>9.2f}{nodes * hours:>12.1f}{rate:>11,.0f}{args.cores * least / 1000:>22.1f}")


if __name__ == "__main__":
    main()
