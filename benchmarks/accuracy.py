#!/usr/bin/env python3
"""Accuracy by cross-validation grouped by cluster, everything fitted inside the folds.

    python benchmarks/accuracy.py gold.parquet --texts corpus.parquet

GOLD are coded ads with the columns of `embedcode build --gold`. Ads marked `locked` are left out; with --locked a
bundle fitted on the others is scored on them, in a column of its own.

For each outer fold the vocabulary, the embedder, calibration, thresholds and the head are fitted on the other folds,
with inner folds of their own, and the ads of the fold are coded from their texts by `Coder.classify`. The rows of
all folds are then scored together, as `embedcode evaluate` scores them.

With --training-seeds the embedder is trained anew with each seed, on the same folds; --splits draws other folds.

With --rivals the same ads are coded in other ways too, on the same folds (`rivals.py` says how). A rival whose
package is not installed (extra `rivals`) is skipped. LLM runs cover some of the ads only; a second table shows all
columns on the ads that all runs cover.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
import rivals as others
from numpy.typing import NDArray
from tables import Column, show, show_coverage, show_reliability, show_spread

from embedcode.book import read_book, read_glossary
from embedcode.build import Model, build, label, tool_precision
from embedcode.bundle import STATIC, TRANSFORMER, EmbedderSpec
from embedcode.coded import CodedAd
from embedcode.coder import Coder
from embedcode.documents import Columns, Source
from embedcode.errors import EmbedcodeError
from embedcode.gold import GoldAd, grouped_folds, read_gold
from embedcode.paths import find_anchors
from embedcode.train import Settings, Teacher, train
from embedcode.types import CodingBook

INNER_FOLDS = 5


@dataclass(frozen=True)
class Task:
    """Fit on some ads, code others."""

    embedder: str
    anchors: Path
    teacher: str
    train: Sequence[GoldAd]
    test: Sequence[GoldAd]
    texts: Sequence[str]
    seed: int


@cache
def teacher(name: str) -> Teacher:
    """The teacher, which remembers the words of earlier folds."""
    return Teacher(name)


def code(task: Task) -> list[CodedAd]:
    """Fit everything on the training ads and code the test ads."""
    book = read_book(task.anchors)
    folds = grouped_folds(task.train, INNER_FOLDS)
    if task.embedder == "static":
        settings = Settings(seeds=(2 * task.seed, 2 * task.seed + 1))
        static, tables = train(
            book, read_glossary(task.anchors), task.train, folds, task.texts, teacher(task.teacher), settings
        )
        model = Model(static, EmbedderSpec(STATIC), tables)
    else:
        from embedcode.transformer import TransformerEmbedder

        model = Model(TransformerEmbedder.load(task.teacher), EmbedderSpec(TRANSFORMER, task.teacher))
    labelled = label(book, task.train, folds, model)
    bundle, _ = build(book, "", model, labelled, tool_precision=tool_precision(book, task.train))
    return Coder(bundle, model.embedder).classify([a.text for a in task.test])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("gold", type=Path)
    parser.add_argument("--texts", nargs="+", required=True, help="uncoded ads, for the vocabulary")
    parser.add_argument("--anchors", type=Path)
    parser.add_argument("--teacher", default="all-MiniLM-L6-v2")
    parser.add_argument("--embedders", nargs="+", choices=("static", "minilm"), default=["static"])
    parser.add_argument("--no-embedcode", action="store_true", help="show the rivals only")
    parser.add_argument("--rivals", nargs="*", choices=others.RIVALS, help="all of them where none is named")
    parser.add_argument("--llm-runs", type=Path, help="what LLM runs said of the ads, for the rival llm")
    parser.add_argument("--cache", type=Path, help="file that keeps the rivals' vectors from run to run")
    parser.add_argument("--setfit-shots", type=int, default=8, help="ads of each profile that SetFit is tuned on")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--splits", type=int, default=1, help="how many times to draw the folds")
    parser.add_argument("--seed", type=int, default=0, help="of the folds")
    parser.add_argument("--training-seeds", type=int, nargs="+", default=[0], help="one column for each")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--locked", action="store_true", help="also score the locked ads; do so rarely")
    args = parser.parse_args()
    try:
        run(args)
    except EmbedcodeError as error:
        raise SystemExit(f"Error: {error}") from error


def run(args: argparse.Namespace) -> None:
    """Run the benchmark and print its table."""
    anchors = find_anchors(args.anchors)
    book = read_book(anchors)
    profiles, codes = [p.name for p in book.profiles], [c.code for c in book.codes]
    gold = read_gold(args.gold, profiles, codes)
    texts = [t for b in Source.open(args.texts, Columns()).batches(1000) for t in b.column("text").to_pylist() if t]
    ads = [a for a in gold if not a.locked]
    columns: dict[str, Column] = {}
    embedders = [] if args.no_embedcode else args.embedders
    splits = [grouped_folds(ads, args.folds, seed=args.seed + split) for split in range(args.splits)]
    with ProcessPoolExecutor(args.workers, get_context("spawn")) as pool:
        for embedder in embedders:
            seeds = args.training_seeds if embedder == "static" else [0]
            for split, seed in ((s, t) for s in range(args.splits) for t in seeds):
                folds = splits[split]
                name = f"{embedder} {split + 1}" + (f".{seed}" if seed else "")
                began = time.monotonic()
                tasks = [
                    Task(
                        embedder,
                        anchors,
                        args.teacher,
                        [a for a, f in zip(ads, folds, strict=True) if f != fold],
                        [a for a, f in zip(ads, folds, strict=True) if f == fold],
                        texts,
                        seed,
                    )
                    for fold in range(int(folds.max()) + 1)
                ]
                rows = {
                    ad.id: row
                    for task, found in zip(tasks, pool.map(code, tasks), strict=True)
                    for ad, row in zip(task.test, found, strict=True)
                }
                columns[name] = Column(ads, rows)
                print(f"{name}: {time.monotonic() - began:.0f} s", flush=True)
            if args.locked:
                held = [a for a in gold if a.locked]
                task = Task(embedder, anchors, args.teacher, ads, held, texts, seeds[0])
                rows = {ad.id: row for ad, row in zip(held, pool.submit(code, task).result(), strict=True)}
                columns[f"{embedder} locked"] = Column(held, rows)
    covered: set[str] = set()
    if args.rivals is not None:
        wanted = args.rivals or others.RIVALS
        for split, folds in enumerate(splits):
            columns |= fitted_rivals(args, book, ads, folds, split, wanted)
        if "llm" in wanted and args.llm_runs:
            runs = others.read_llm_runs(args.llm_runs, ads, profiles)
            for run, said in sorted(runs.items()):
                columns[f"LLM {run}"] = Column([a for a in ads if a.id in said], said)
            covered = set.intersection(*map(set, runs.values())) if runs else set()
        elif "llm" in wanted:
            print("llm is skipped: name the file of its runs with --llm-runs", flush=True)
    figures = {name: column.scored(profiles, codes) for name, column in columns.items()}
    show(figures)
    own = [name for name in figures if name.split()[0] in embedders]
    for embedder in embedders:
        alike = {n: figures[n] for n in own if n.startswith(f"{embedder} ") and "locked" not in n}
        if len(alike) > 1:
            print(f"\n{embedder}, over {len(alike)} seeds and splits:")
            show_spread(alike)
    for name in own:
        print(f"\n{name}:")
        show_reliability(columns[name])
        show_coverage(columns[name])
    if covered and any(len(column.ads) > len(covered) for column in columns.values()):
        print(f"\nThe {len(covered)} ads that all LLM runs cover:")
        kept = {n: column.only(covered) for n, column in columns.items()}
        show({name: column.scored(profiles, codes) for name, column in kept.items() if column.ads})


def fitted_rivals(
    args: argparse.Namespace,
    book: CodingBook,
    ads: Sequence[GoldAd],
    folds: NDArray[np.int64],
    split: int,
    wanted: Sequence[str],
) -> dict[str, Column]:
    """Columns of the rivals that are fitted on folds."""
    columns: dict[str, Column] = {}
    task = others.task_of(
        book, ads, folds, args.teacher, cache=args.cache, shots=args.setfit_shots, seed=args.seed
    )  # fmt: skip
    for rival in (r for r in others.FITTED if r in wanted):
        if package := others.missing(rival):
            print(f"{rival} is skipped: {package} is not installed (extra `rivals`)", flush=True)
            continue
        began = time.monotonic()
        rows = others.code_by(rival, task)
        columns[f"{rival} {split + 1}"] = Column(ads, rows, rival not in others.WITHOUT_SEGMENTS, tools=False)
        print(f"{rival}, split {split + 1}: {time.monotonic() - began:.0f} s", flush=True)
    return columns


if __name__ == "__main__":
    main()
