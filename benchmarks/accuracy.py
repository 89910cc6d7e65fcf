#!/usr/bin/env python3
"""Accuracy by cross-validation grouped by cluster, everything fitted inside the folds.

    python benchmarks/accuracy.py gold.parquet --texts corpus.parquet

GOLD are coded ads with the columns of `embedcode build --gold`. Ads marked `locked` are left out; with --locked a
bundle fitted on the others is scored on them, in a column of its own.

For each outer fold the vocabulary, the embedder, calibration, thresholds and the head are fitted on the other folds,
with inner folds of their own, and the ads of the fold are coded from their texts by `Coder.classify`. The rows of
all folds are then scored together, as `embedcode evaluate` scores them.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

from embedcode.book import read_book, read_glossary
from embedcode.build import Model, build, label, tool_precision
from embedcode.bundle import STATIC, TRANSFORMER, EmbedderSpec
from embedcode.coded import CodedAd
from embedcode.coder import Coder
from embedcode.documents import Columns, Source
from embedcode.errors import EmbedcodeError
from embedcode.evaluate import Agreement, agreement
from embedcode.gold import GoldAd, grouped_folds, read_gold
from embedcode.paths import find_anchors
from embedcode.train import Settings, Teacher, train

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


def code(task: Task) -> list[CodedAd]:
    """Fit everything on the training ads and code the test ads."""
    book = read_book(task.anchors)
    folds = grouped_folds(task.train, INNER_FOLDS)
    if task.embedder == "static":
        settings = Settings(seeds=(2 * task.seed, 2 * task.seed + 1))
        static, tables = train(
            book, read_glossary(task.anchors), task.train, folds, task.texts, Teacher(task.teacher), settings
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
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--splits", type=int, default=1, help="how many times to draw the folds")
    parser.add_argument("--seed", type=int, default=0)
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
    columns: dict[str, Agreement] = {}
    with ProcessPoolExecutor(args.workers, get_context("spawn")) as pool:
        for embedder in args.embedders:
            for split in range(args.splits):
                began = time.monotonic()
                folds = grouped_folds(ads, args.folds, seed=args.seed + split)
                tasks = [
                    Task(
                        embedder,
                        anchors,
                        args.teacher,
                        [a for a, f in zip(ads, folds, strict=True) if f != fold],
                        [a for a, f in zip(ads, folds, strict=True) if f == fold],
                        texts,
                        args.seed,
                    )
                    for fold in range(int(folds.max()) + 1)
                ]
                rows = {
                    ad.id: row
                    for task, found in zip(tasks, pool.map(code, tasks), strict=True)
                    for ad, row in zip(task.test, found, strict=True)
                }
                columns[f"{embedder} {split + 1}"] = agreement(ads, rows, profiles, codes)
                print(f"{embedder}, split {split + 1}: {time.monotonic() - began:.0f} s", flush=True)
            if args.locked:
                held = [a for a in gold if a.locked]
                task = Task(embedder, anchors, args.teacher, ads, held, texts, args.seed)
                rows = {ad.id: row for ad, row in zip(held, pool.submit(code, task).result(), strict=True)}
                columns[f"{embedder} locked"] = agreement(held, rows, profiles, codes)
    show(columns)


def show(columns: dict[str, Agreement]) -> None:
    """Print the table: figures by column."""
    figures = {name: _figures(found) for name, found in columns.items()}
    width = max(map(len, columns)) + 2
    print(f"{'':<28}" + "".join(f"{name:>{width}}" for name in columns))
    for row in dict.fromkeys(r for f in figures.values() for r in f):
        cells = [f.get(row) for f in figures.values()]
        print(f"{row:<28}" + "".join(f"{'-' if c is None else f'{c:.3f}':>{width}}" for c in cells))


def _figures(found: Agreement) -> dict[str, float | None]:
    """The rows of the table."""
    profile, segments, tools = found.profile, found.segments, found.tools
    low, high = profile.kappa_95 or (None, None)
    out: dict[str, float | None] = {
        "ads (thousands)": found.ads / 1000,
        "kappa": profile.kappa,
        "  95 % from": low,
        "  95 % to": high,
        "accuracy": profile.accuracy,
        "macro-F1 of profiles": profile.macro_f1,
        "calibration error": profile.calibration_error,
    }
    for kind, groups in profile.kappa_by.items():
        out |= {f"kappa, {kind} {name}": g.value for name, g in groups.items()}
    out["macro-F1 of segments"] = segments.macro_f1
    out |= {f"segments, language {name}": g.value for name, g in segments.by_language.items()}
    out |= {f"F1 {c}": rates.f1 for c, rates in segments.per_code.items()}
    if tools:
        out |= {"tools F1": tools.overall.rates.f1, "right TECH code": tools.overall.right_code}
    return out


if __name__ == "__main__":
    main()
