"""Shards: whoever reads them gets the parts of the local engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ads import gold_rows

from embedcode.documents import Columns, Source
from embedcode.duplicates import Duplicates
from embedcode.shards import MOST, shards

TEXTS = [row["text"] for row in gold_rows()]


def rows(count: int) -> list[dict[str, Any]]:
    return [{"id": f"ad {i}", "text": f"{TEXTS[i % len(TEXTS)]}\n{i}", "sector": f"s{i % 3}"} for i in range(count)]


def write(path: Path, ads: list[dict[str, Any]], group: int = 70) -> Path:
    pq.write_table(pa.Table.from_pylist(ads), path, row_group_size=group)
    return path


@pytest.mark.parametrize("workers", [1, 2, 7])
@pytest.mark.parametrize("per_part", [1, 9, 64, 1000])
def test_shards_hold_every_part(tmp_path: Path, workers: int, per_part: int) -> None:
    sizes = {"a": (100, 7), "b": (1, 1), "c": (60, 60)}
    files = [write(tmp_path / f"{name}.parquet", rows(count), group) for name, (count, group) in sizes.items()]
    source = Source.open([str(path) for path in files], Columns(keep=("sector",)))
    made = list(shards(source, per_part, workers))
    cut = [batch for shard in made for batch in shard.batches(source, per_part)]
    expected = list(source.batches(per_part))
    assert len(cut) == len(expected)
    assert all(one.equals(other) for one, other in zip(cut, expected, strict=True))
    assert [shard.part for shard in made] == [sum(s.parts for s in made[:i]) for i in range(len(made))]
    assert [shard.parts for shard in made] == sorted((shard.parts for shard in made), reverse=True)
    assert sum(shard.parts for shard in made) == len(expected)


def test_shards_end_before_their_texts_are_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("embedcode.documents.BATCH_BYTES", 5000)
    source = Source.open([str(write(tmp_path / "ads.parquet", rows(100)))])
    sizes = [len(batch) for shard in shards(source, 30, 2) for batch in shard.batches(source, 30)]
    assert sizes == [len(batch) for batch in source.batches(30)]
    assert max(sizes) < 30


def test_shards_get_smaller_towards_the_end(tmp_path: Path) -> None:
    source = Source.open([str(write(tmp_path / "ads.parquet", rows(200)))])
    sizes = [shard.parts for shard in shards(source, 1, 2)]
    assert sizes[0] == MOST
    assert sizes[-4:] == [1] * 4


def test_a_damaged_file_ends_where_it_breaks_off(tmp_path: Path) -> None:
    path = write(tmp_path / "ads.parquet", rows(300), 100)
    place = pq.read_metadata(path).row_group(1).column(1).data_page_offset
    data = bytearray(path.read_bytes())
    data[place + 20 : place + 200] = bytes(180)
    path.write_bytes(data)
    source = Source.open([str(path), str(write(tmp_path / "whole.parquet", rows(10)))])
    expected = list(source.batches(7))
    problems = list(source.problems)
    cut = [batch for shard in shards(source, 7, 2) for batch in shard.batches(source, 7)]
    assert len(cut) == len(expected)
    assert all(one.equals(other) for one, other in zip(cut, expected, strict=True))
    assert source.problems == problems != []


def test_rows_are_sent_where_they_must_be_seen_in_order(tmp_path: Path) -> None:
    """By what finds near-duplicates, or since the file can be read from its beginning only."""
    path = write(tmp_path / "ads.parquet", rows(40) + rows(40))
    source = Source.open([str(path)])
    assert all(shard.batch is None for shard in shards(source, 30, 2))
    sent = list(shards(source, 30, 2, Duplicates()))
    assert [len(shard.batch) for shard in sent if shard.batch] == [30, 30, 20]
    marks = [mark for shard in sent for mark in shard.duplicate_of.to_pylist()]
    assert marks[40:] == [f"ad {i}" for i in range(40)]
