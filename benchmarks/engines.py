#!/usr/bin/env python3
"""Speed of the Ray engine against the local one: whole commands on the same ads, and the same bytes.

    python benchmarks/engines.py ads.parquet --ads 100000

The ads are made from lines of the given ones. Ray runs on a cluster of nodes with one processor each, on this machine,
that is there already. Both engines run alternately, each command as a process of its own, and the table gives medians
with minimum and maximum.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from speed import BIN, Lines, Timed

from embedcode.documents import Columns, Source

MEMORY = 100 << 20
"""Bytes of the object store of a node."""


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path, help="Parquet file of ads")
    parser.add_argument("--ads", type=int, default=100_000, help="how many ads to make")
    parser.add_argument("--rows", type=int, default=10_000, help="rows of a row group")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--runs", type=int, default=3)
    args = parser.parse_args()
    if not args.corpus.is_file():
        raise SystemExit(f"Found no file {args.corpus}; expected a Parquet file of ads.")
    with tempfile.TemporaryDirectory() as name, cluster(args.workers) as address:
        folder = Path(name)
        ads = folder / "ads.parquet"
        recombined(args.corpus, ads, args.ads, args.rows)
        command = [str(BIN), "classify", str(ads), "-o", "OUT", "--workers", str(args.workers)]
        local = Timed(f"local, {args.workers} workers", command, args.ads)
        ray = Timed(f"Ray, {args.workers} workers", [*command, "--engine", "ray", "--address", address], args.ads)
        for _ in range(args.runs):
            found = [parts(timed, folder) for timed in (local, ray)]
            if found[0] != found[1]:
                raise SystemExit("The engines wrote different parts.")
    print(f"{'':<20}{'seconds':>9}{'min-max':>14}{'ads/s':>10}")
    for timed in (local, ray):
        spread = f"{min(timed.seconds):.1f}-{max(timed.seconds):.1f}"
        print(f"{timed.name:<20}{timed.middle:>9.1f}{spread:>14}{args.ads / timed.middle:>10,.0f}")
    print(f"\nRay reaches {local.middle / ray.middle:.0%} of the local engine's speed; the parts are the same.")


def parts(timed: Timed, folder: Path) -> dict[str, bytes]:
    """Run a command; the parts that it wrote."""
    timed.run(folder)
    if timed.failed:
        raise SystemExit(timed.failed)
    return {path.name: path.read_bytes() for path in sorted((folder / "out").glob("part-*"))}


def recombined(corpus: Path, path: Path, count: int, rows: int) -> None:
    """Write ads that are made from the lines of others."""
    source = Source.open([str(corpus)], Columns())
    lines = Lines([text or "" for batch in source.batches(1000) for text in batch.column("text").to_pylist()])
    schema = pa.schema([("text", pa.string())])
    with pq.ParquetWriter(path, schema, compression="zstd") as out:
        for first in range(0, count, rows):
            texts = [lines.ad(3600) for _ in range(min(rows, count - first))]
            out.write_table(pa.table({"text": texts}, schema))


@contextmanager
def cluster(nodes: int) -> Iterator[str]:
    """A Ray cluster on this machine; its address."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 1, "object_store_memory": MEMORY}
    made = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
    try:
        for _ in range(nodes - 1):
            made.add_node(**node)
        yield made.address
    finally:
        made.shutdown()


if __name__ == "__main__":
    main()
