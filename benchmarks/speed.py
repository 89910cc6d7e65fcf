#!/usr/bin/env python3
"""Speed of whole commands, Parquet in and coded Parquet out, with evidence, tools and anchors; and of rivals.

    python benchmarks/speed.py ads.parquet

Everything runs alternately, each as a process of its own, and the table gives medians with minimum and maximum. Then
come ratios, what each stage takes, how time grows with the size of an ad, and with --recombined how memory grows with
their number (ads made from lines of the given ones).

Rivals: reading the ads and splitting them into words, which nothing can undercut by much; and MiniLM through
sentence-transformers with nearest anchors, on the same segments, equal ones embedded once, with both cores, the best
of several batch sizes, loading not counted, with PyTorch and with ONNX Runtime (extra `rivals`). It codes `--rival-ads`
ads only, since it takes half a second for each. A rival that is not installed is skipped.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"  # for what is timed in this process

import pyarrow as pa
import pyarrow.parquet as pq

from embedcode.documents import Columns, Source

ALL_CORES = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
BIN = Path(sys.executable).parent / "embedcode"
SIZES = (1, 10, 100, 1000)
"""Sizes of ads, in KB."""

SPLIT = """
import sys, pyarrow.parquet as pq
keep = bytes(b if chr(b).isalnum() or b >= 128 else 32 for b in range(256))
words = 0
for batch in pq.ParquetFile(sys.argv[1]).iter_batches(1000, columns=[sys.argv[2]]):
    for text in batch.column(0).to_pylist():
        words += len((text or "").lower().encode().translate(keep).split())
"""

MINILM = """
import json, sys, time
import numpy as np, pyarrow.parquet as pq
from sentence_transformers import SentenceTransformer
from embedcode.analysis import Reader
from embedcode.book import read_book
from embedcode.neighbours import AnchorIndex
from embedcode.paths import find_anchors
from embedcode.transformer import find_folder
from embedcode.vectors import quantise
path, column, count, backend, folder = sys.argv[1:]
texts = pq.read_table(path, columns=[column]).column(0).to_pylist()[: int(count)]
book = read_book(find_anchors(None))
model = SentenceTransformer(folder or str(find_folder("all-MiniLM-L6-v2")), device="cpu", backend=backend)
encode = lambda t, b: model.encode(t, batch_size=b, normalize_embeddings=True, show_progress_bar=False)
index = AnchorIndex(quantise(encode([a.phrase for a in book.anchors], 64)))
reader = Reader(book)
some = reader.lay_out(texts[: max(1, len(texts) // 6)]).texts
def took(size):
    began = time.perf_counter()
    encode(some, size)
    return time.perf_counter() - began
size = min((16, 32, 64, 128), key=took)
began = time.perf_counter()
segments = list(dict.fromkeys(t for i in range(0, len(texts), 100) for t in reader.lay_out(texts[i : i + 100]).texts))
index.search(quantise(encode(segments, size)), 5)
print(json.dumps({"seconds": time.perf_counter() - began, "batch": size, "segments": len(segments)}))
"""


@dataclass
class Timed:
    """A command and how long its runs took.

    Attributes:
        command: The command; OUT stands for a folder that is new each time.
        ads: How many ads a run codes; 0 where that is not the point.
        reports: Whether it prints the seconds that count, as JSON, instead of being timed as a whole.
        seconds: Of each run.
        peak: Highest resident memory of any process of any run, in MB.
    """

    name: str
    command: list[str]
    ads: int = 0
    reports: bool = False
    seconds: list[float] = field(default_factory=list)
    peak: float = 0.0
    failed: str = ""

    def run(self, folder: Path) -> None:
        """Run the command once."""
        if self.failed:
            return
        output = folder / "out"
        shutil.rmtree(output, ignore_errors=True)
        said = folder / "said"
        began = time.perf_counter()
        with said.open("w") as out, (folder / "complaint").open("w") as err:
            command = [str(output) if a == "OUT" else a for a in self.command]
            process = subprocess.Popen(command, stdout=out, stderr=err, env=ALL_CORES if self.reports else None)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        took = time.perf_counter() - began
        if status:
            self.failed = ((folder / "complaint").read_text().strip().splitlines() or ["no message"])[-1]
            return
        if self.reports:
            took = json.loads(said.read_text().splitlines()[-1])["seconds"]
        self.seconds.append(took)
        self.peak = max(self.peak, usage.ru_maxrss / 1024)

    @property
    def middle(self) -> float:
        """Median of the seconds."""
        return statistics.median(self.seconds)

    def row(self) -> str:
        """A line of the table."""
        if self.failed or not self.seconds:
            return f"{self.name:<40}skipped: {self.failed}"
        rate = f"{self.ads / self.middle:>10,.1f}" if self.ads else f"{'':>10}"
        spread = f"{min(self.seconds):.2f}-{max(self.seconds):.2f}"
        return f"{self.name:<40}{self.middle:>9.2f}{spread:>14}{rate}{self.peak:>10,.0f}"


def main() -> None:
    """Run the benchmark and print its tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ads", type=Path, help="Parquet file of ads")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--rival-ads", type=int, default=120, help="ads for the transformers; 0 leaves them out")
    parser.add_argument("--onnx", type=Path, help="folder of the ONNX model; without it, ONNX is skipped")
    parser.add_argument("--recombined", type=int, nargs="*", default=[], help="numbers of ads to make, for memory")
    args = parser.parse_args()
    if not args.ads.is_file():
        raise SystemExit(f"Found no file {args.ads}; expected a Parquet file of ads.")
    source = Source.open([str(args.ads)], Columns())
    texts = [t or "" for b in source.batches(1000) for t in b.column("text").to_pylist()]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plain = folder / "ads.parquet"
        pq.write_table(pa.table({"text": texts}), plain)
        whole_commands(args, folder, plain, len(texts))
        stages(folder, plain)
        growth(folder, texts)
        if args.recombined:
            memory(folder, texts, args.recombined)


def whole_commands(args: argparse.Namespace, folder: Path, ads: Path, count: int) -> None:
    """Print the table of commands and rivals, and the ratios."""
    ad = folder / "ad.txt"
    ad.write_text("AI Engineer\nYou build chatbots with LangChain and fine-tune language models.\n", "utf-8")
    classify = [str(BIN), "classify", str(ads), "-o", "OUT", "--workers"]
    two = Timed("classify, 2 workers", [*classify, "2"], count)
    one = Timed("classify, 1 worker", [*classify, "1"], count)
    uncached = Timed("classify, 2 workers, no segment cache", [*classify, "2", "--segment-cache", "0"], count)
    split = Timed("only reading and splitting into words", [sys.executable, "-c", SPLIT, str(ads), "text"], count)
    few = min(args.rival_ads, count)
    rivals = [
        Timed(
            f"MiniLM ({backend}) and nearest anchors",
            [sys.executable, "-c", MINILM, str(ads), "text", str(few), backend, str(model or "")],
            few,
            reports=True,
            failed=why,
        )
        for backend, model, why in (
            ("torch", None, missing("sentence_transformers")),
            ("onnx", args.onnx, missing("onnxruntime") or ("" if args.onnx else "name its folder with --onnx")),
        )
        if few
    ]
    timed = [
        two,
        one,
        uncached,
        split,
        Timed("explain one ad, cold start", [str(BIN), "explain", str(ad)]),
        Timed("import embedcode", [sys.executable, "-c", "import embedcode"]),
        Timed("python that imports nothing", [sys.executable, "-c", ""]),
        *rivals,
    ]
    for t in timed:
        t.run(folder)
        t.seconds.clear()  # a warm-up
    for _ in range(args.runs):
        for t in timed:
            t.run(folder)
    print(f"{'':<40}{'seconds':>9}{'min-max':>14}{'ads/s':>10}{'peak MB':>10}")
    for t in timed:
        print(t.row())
    print(f"\n2 workers against 1: {one.middle / two.middle:.2f}")
    print(f"2 workers as a multiple of reading and splitting: {two.middle / split.middle:.1f}")
    for rival in rivals:
        if rival.seconds:
            print(f"2 workers against {rival.name}: {count / two.middle / (few / rival.middle):,.0f} times")


def missing(package: str) -> str:
    """What to say where a package is not installed; empty where it is."""
    return "" if importlib.util.find_spec(package) else f"{package} is not installed"


def stages(folder: Path, ads: Path) -> None:
    """Print what each stage takes, in one process."""
    output = folder / "stages"
    command = [str(BIN), "classify", str(ads), "-o", str(output), "--workers", "1", "--timings"]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    print("\nOne worker, by stage. " + said[said.index("Processor time") :].rstrip())


def growth(folder: Path, texts: list[str], repeats: int = 5) -> None:
    """Print the time for an ad by its size, in one process; lines are recombined, so that few are known already."""
    import embedcode
    from embedcode.neighbours import use_threads

    use_threads(1)
    coder = embedcode.load()
    coder.classify(texts[:200])
    lines = Lines(texts)
    print("\nsize of an ad    milliseconds   per KB")
    for size in SIZES:
        took = []
        for _ in range(repeats if size > 10 else 20 * repeats):
            ad = lines.ad(size * 1000)
            began = time.perf_counter()
            coder.classify([ad])
            took.append(1000 * (time.perf_counter() - began))
        middle = statistics.median(took)
        print(f"{size:>8,} KB{middle:>18.1f}{middle / size:>9.2f}")


def memory(folder: Path, texts: list[str], counts: list[int]) -> None:
    """Print the memory and speed of runs over many ads."""
    print(f"\n{'ads':>12}{'seconds':>10}{'ads/s':>10}{'peak MB':>10}")
    for count in counts:
        ads = folder / "recombined.parquet"
        recombine(texts, count, ads)
        timed = Timed("", [str(BIN), "classify", str(ads), "-o", "OUT", "--workers", "2"], count)
        timed.run(folder)
        if timed.failed:
            raise SystemExit(timed.failed)
        print(f"{count:>12,}{timed.middle:>10.1f}{count / timed.middle:>10,.0f}{timed.peak:>10,.0f}", flush=True)


def recombine(texts: list[str], count: int, path: Path) -> None:
    """Write ads made from lines of the given ones, 3.6 KB each."""
    lines = Lines(texts)
    schema = pa.schema([("text", pa.string())])
    with pq.ParquetWriter(path, schema, compression="zstd") as out:
        for first in range(0, count, 10_000):
            rows = [lines.ad(3600) for _ in range(min(10_000, count - first))]
            out.write_table(pa.table({"text": rows}, schema))


class Lines:
    """Ads made of the lines of others, in a reproducible order."""

    def __init__(self, texts: list[str]) -> None:
        self._random = random.Random(0)
        self._lines = [line for text in texts for line in text.split("\n")]

    def ad(self, length: int) -> str:
        """An ad of at least so many characters."""
        return "\n".join(self._take(length))

    def _take(self, length: int) -> Iterator[str]:
        while length > 0:
            line = self._random.choice(self._lines)
            yield line
            length -= len(line) + 1


if __name__ == "__main__":
    main()
