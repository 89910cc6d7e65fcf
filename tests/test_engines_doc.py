"""What docs/engines.md shows is what happens: each block runs by itself and gives the rows of the coder."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from ads import ADS

from embedcode.coder import Coder

pytestmark = pytest.mark.engines

DOC = (Path(__file__).parent.parent / "docs" / "engines.md").read_text("utf-8")
BLOCKS = {
    name.group(1): block
    for block in re.findall(r"```python\n(.*?)```", DOC, re.DOTALL)
    if (name := re.search(r'coded-(\w+)(\.parquet)?["\']', block))
}
ADS_TABLE = pa.table(
    {
        "id": pa.array([*range(len(ADS)), 999]),
        "title": [ad.title for ad in ADS] + [None],
        "text": [ad.text for ad in ADS] + [None],
        "date": [date(2026, 1, 1)] * len(ADS) + [None],
    }
)


def test_each_engine_has_a_block() -> None:
    assert BLOCKS.keys() >= {"dask", "duckdb", "polars", "spark"}
    assert DOC.count("```python") == len(BLOCKS)


@pytest.mark.parametrize("engine", BLOCKS)
def test_a_block_gives_the_rows_of_the_coder(engine: str, tmp_path: Path, coder: Coder) -> None:
    pq.write_table(ADS_TABLE, tmp_path / "ads.parquet", row_group_size=20)
    script = tmp_path / "script.py"
    script.write_text(BLOCKS[engine], "utf-8")
    environment = {**os.environ, "PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1"}
    done = subprocess.run([sys.executable, script], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (output,) = tmp_path.glob("coded-*")
    coded = ds.dataset(output, format="parquet", exclude_invalid_files=True).to_table()
    names = ["title"] if engine == "spark" else []  # found by name
    batch = ADS_TABLE.select(["id", *names, "text", "date"]).rename_columns(["id", *names, "text", "keep:date"])
    expected = pa.Table.from_batches([coder.classify_batch(batch.to_batches()[0])])
    found = coded.replace_schema_metadata().select(expected.schema.names).cast(expected.schema)
    assert found.sort_by("id").equals(expected.sort_by("id"))
