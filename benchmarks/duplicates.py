#!/usr/bin/env python3
"""Near-duplicates: how many are found, how fast, and in how much memory.

    python benchmarks/duplicates.py ads.parquet --lines corpus.parquet

The ads have the columns `id`, `text` and `cluster`, which joins the near-duplicates; they are read in their order.
Their clusters are split at random into halves, several times; the threshold is chosen on one half and the figures are
those of the other: precision, recall and F1 by the B-cubed measure (Bagga and Baldwin, 1998), the mean over ads of how
pure and how complete the cluster of each is.

Then ads made of the lines of others, all different, are looked at: seconds of the processor for each ad, and how the
memory of the process grows with their number.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from speed import Lines

from embedcode.documents import Columns, Source
from embedcode.duplicates import THRESHOLD, Duplicates
from embedcode.keyindex import NONE

THRESHOLDS = (0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9)
SIZES = (10_000, 100_000, 1_000_000)
BATCH_ROWS = 1000

Numbers = NDArray[np.int64]
Figures = tuple[float, float, float]


def main() -> None:
    """Run the benchmark and print its tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ads", type=Path, help="Parquet file of ads with their clusters")
    parser.add_argument("--splits", type=int, default=10, help="how often the clusters are split into halves")
    parser.add_argument("--lines", type=Path, help="Parquet file whose lines make the ads for speed and memory")
    parser.add_argument("--sizes", type=int, nargs="*", default=SIZES, help="numbers of ads, for speed and memory")
    args = parser.parse_args()
    accuracy(pq.read_table(args.ads).combine_chunks().to_batches()[0], args.splits)
    if args.sizes:
        source = Source.open([str(args.lines or args.ads)], Columns())
        growth([t for b in source.batches(BATCH_ROWS) for t in b.column("text").to_pylist() if t], args.sizes)


def accuracy(ads: pa.RecordBatch, splits: int) -> None:
    """Print how well the clusters are found, by split and with all ads."""
    truth: Numbers = np.unique(ads.column("cluster").to_pylist(), return_inverse=True)[1]
    identical: Numbers = np.unique(ads.column("text").to_pylist(), return_inverse=True)[1]
    print(f"{len(ads)} ads, {len(np.unique(truth))} clusters")
    print(f"{'':<34}{'threshold':>10}{'precision':>10}{'recall':>10}{'F1':>10}")
    print(row("identical texts, all ads", None, b_cubed(identical, truth)))
    scored = []
    for seed in range(splits):
        chosen = np.random.default_rng(seed).permutation(truth.max() + 1) < truth.max() / 2
        here, there = np.flatnonzero(chosen[truth]), np.flatnonzero(~chosen[truth])
        by_threshold = {t: figures(ads, truth, here, t) for t in THRESHOLDS}
        best = max(THRESHOLDS, key=lambda t: by_threshold[t][2])
        scored.append(figures(ads, truth, there, best))
        print(row(f"split {seed}, half it was chosen on", best, by_threshold[best]))
        print(row(f"split {seed}, other half", best, scored[-1]))
    if scored:
        precision, recall, f1 = np.mean(scored, axis=0).tolist()
        print(row("mean of the other halves", None, (precision, recall, f1)))
    for threshold in sorted({*THRESHOLDS, THRESHOLD}):
        name = "all ads, as shipped" if threshold == THRESHOLD else "all ads"
        print(row(name, threshold, figures(ads, truth, np.arange(len(ads)), threshold)))


def row(name: str, threshold: float | None, found: Figures) -> str:
    """A line of the table."""
    return f"{name:<34}{'' if threshold is None else f'{threshold:.2f}':>10}" + "".join(f"{f:>10.3f}" for f in found)


def figures(ads: pa.RecordBatch, truth: Numbers, rows: Numbers, threshold: float) -> Figures:
    """B-cubed precision, recall and F1 on some of the ads."""
    original = Duplicates(threshold).mark(ads.take(pa.array(rows))).original
    alone = original == NONE
    original[alone] = NONE - np.arange(alone.sum())
    return b_cubed(original, truth[rows])


def b_cubed(found: Numbers, truth: Numbers) -> Figures:
    """Precision, recall and F1, where all ads of a cluster have the same number."""
    same, true = found[:, None] == found, truth[:, None] == truth
    both = (same & true).sum(axis=1)
    precision, recall = float((both / same.sum(axis=1)).mean()), float((both / true.sum(axis=1)).mean())
    return precision, recall, 2 * precision * recall / (precision + recall)


def growth(texts: list[str], sizes: list[int]) -> None:
    """Print speed and memory by the number of ads."""
    print(f"\n{'ads':>12}{'repeats':>10}{'µs an ad':>10}{'peak MB':>10}{'bytes an ad':>13}")
    seen, took = Duplicates(), 0.0
    begin = memory()
    for batch in recombined(texts, max(sizes)):
        began = time.process_time()
        seen.mark(batch)
        took += time.process_time() - began
        if seen.ads in sizes:
            used = memory() - begin
            figures = f"{seen.ads:>12,}{seen.repeats:>10,}{took / seen.ads * 1e6:>10.0f}"
            print(f"{figures}{memory() / 1e6:>10,.0f}{used / seen.ads:>13,.0f}", flush=True)


def recombined(texts: list[str], count: int) -> Iterator[pa.RecordBatch]:
    """Batches of ads made of the lines of others."""
    lines = Lines(texts)
    for first in range(0, count, BATCH_ROWS):
        ads = [(f"ad-{number:09}", lines.ad(3600)) for number in range(first, first + BATCH_ROWS)]
        yield pa.record_batch([pa.array(c, pa.string()) for c in zip(*ads, strict=True)], names=["id", "text"])


def memory() -> int:
    """The highest memory of the process so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    main()
