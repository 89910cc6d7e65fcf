"""Reads coded ads and ads coded by people from files, and compares them."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from embedcode.agreement import OPTIONAL, Agreement, agreement, repeated
from embedcode.coded import EVIDENCE
from embedcode.errors import InputError, some
from embedcode.gold import read_gold
from embedcode.values import identifiers


class CodedSpan(NamedTuple):
    """A span as read from a file."""

    code: str
    start: int
    end: int
    field: str
    text: str
    tool: str | None


@dataclass(frozen=True)
class CodedRow:
    """A coded ad as read from a file."""

    profile: str | None
    confidence: float | None
    codes: tuple[CodedSpan, ...]
    error: str | None


def evaluate(
    coded: Path,
    gold: Path,
    profiles: Iterable[str],
    codes: Iterable[str],
    *,
    locked: bool | None = None,
    resamples: int = 1000,
) -> Agreement:
    """Compare a file or folder of coded ads with a file of gold ads.

    Args:
        coded: Output of `embedcode classify`: a Parquet file, or a folder of Parquet parts.
        gold: Gold ads, see `gold.read_gold`.
        profiles: The profiles of the coding book.
        codes: The codes of the coding book.
        locked: Compare only ads that are locked (True) or not (False).
        resamples: Resamples for the interval of kappa.

    Raises:
        InputError: A file cannot be read or lacks a column, an id stands twice, no ad is in both, or a
            profile is unknown.
    """
    profiles, codes = tuple(profiles), tuple(codes)
    ads = [ad for ad in read_gold(gold, profiles, codes) if locked is None or ad.locked == locked]
    if not ads:
        which = {None: "ads", True: "locked ads", False: "ads that are not locked"}[locked]
        raise InputError(f"Found no {which} in {gold}; expected some to compare with. Give another gold file.")
    names = pq.read_schema(gold).names
    if {"sample", "mode"}.issubset(names):
        _check_review(gold)
    columns = [c for c in OPTIONAL if c in names]
    rows = read_coded(coded, [ad.id for ad in ads])
    return agreement(ads, rows, profiles, codes, columns=columns, resamples=resamples)


def _check_review(gold: Path) -> None:
    """Check that reviewed ads may be compared with the machine's: any other choice of ads, or seeing the machine's
    codes first, would flatter or belie it.
    """
    table = pq.read_table(gold, columns=["sample", "mode"])
    found = sorted({(str(r["sample"]), str(r["mode"])) for r in table.to_pylist()} - {("random", "blind")})
    if found:
        raise InputError(
            f"{gold} holds ads of a sample that is {' and '.join(f'{s} ({m})' for s, m in found)}. Agreement needs a "
            "random sample that was coded blind; these reviews can be learnt from: embedcode build --gold."
        )


_COLUMNS = pa.schema(
    [
        ("id", pa.string()),
        ("profile", pa.string()),
        ("codes", pa.list_(pa.struct([EVIDENCE.field(n) for n in CodedSpan._fields]))),
        ("confidence", pa.float64()),
        ("error", pa.string()),
    ]
)
_NEEDED = ("id", "profile", "codes")
_SPAN_NEEDED = ("code", "start", "end", "text")
_BATCH_ROWS = 1024


def read_coded(path: Path, ids: Collection[str]) -> dict[str, CodedRow]:
    """Read the coded ads with the given ids, and of them only what is compared.

    Args:
        path: A Parquet file, or a folder with Parquet parts; other files in it are ignored.
        ids: Ids of the ads wanted.

    Raises:
        InputError: There are no Parquet files, a file cannot be read, lacks a column or holds something else
            there, an id stands twice, or none of the ids wanted is found.
    """
    if not path.exists():
        raise InputError(f"Found no {path}; expected coded ads. Give the folder that `embedcode classify` wrote.")
    files = sorted(p for p in path.glob("*.parquet") if p.is_file()) if path.is_dir() else [path]
    if not files:
        raise InputError(f"Found no *.parquet in {path}; expected coded ads, as `embedcode classify` writes.")
    wanted = pa.array(sorted(set(ids)), pa.string())
    seen: set[str] = set()
    rows: dict[str, CodedRow] = {}
    for file in files:
        try:
            for found, kept in _batches(file, wanted):
                if twice := repeated(found, seen):
                    raise InputError(
                        f"Found {some(twice)} more than once in {path}; expected each id once. Remove the "
                        "repeated rows, or code the ads with an id column that holds no id twice."
                    )
                rows.update((r["id"], _coded_row(r)) for r in kept)
        except (OSError, pa.ArrowException) as error:
            raise InputError(
                f"Cannot read coded ads from {file} ({error}). Expected Parquet as `embedcode classify` writes it."
            ) from error
    if not rows:
        raise InputError(
            f"None of the gold ids is among the ids of {path}. Found there {some(sorted(seen))}; expected "
            f"ids such as {some(wanted.to_pylist())}. Code the gold ads, their ids as `--id-column`."
        )
    return rows


def _batches(file: Path, wanted: pa.Array) -> Iterator[tuple[list[str], list[dict[str, Any]]]]:
    """The ids of each batch of a file, and its rows whose id is wanted."""
    with pq.ParquetFile(file) as source:
        _check_columns(file, source.schema_arrow)
        leaves = [source.schema.column(i).path for i in range(len(source.schema))]
        for batch in source.iter_batches(_BATCH_ROWS, columns=[p for p in leaves if _is_used(p.split("."))]):
            ids = identifiers(batch.column("id"))
            names = [n for n in _COLUMNS.names if n in batch.schema.names]
            columns = {n: ids if n == "id" else batch.column(n) for n in names}
            kept = pa.RecordBatch.from_pydict(columns).filter(pc.is_in(ids, value_set=wanted))
            schema = pa.schema([_COLUMNS.field(n) for n in names])
            yield ids.drop_null().to_pylist(), kept.cast(schema).to_pylist()


def _is_used(path: Sequence[str]) -> bool:
    """Whether a leaf column of a Parquet file is read, by its path."""
    return path[0] in _COLUMNS.names and (path[0] != "codes" or path[-1] in CodedSpan._fields)


def _check_columns(file: Path, schema: pa.Schema) -> None:
    lacking = [c for c in _NEEDED if c not in schema.names]
    if not lacking:
        items = getattr(schema.field("codes").type, "value_type", pa.null())
        fields = [f.name for f in items] if pa.types.is_struct(items) else []
        lacking = [f"codes.{n}" for n in _SPAN_NEEDED if n not in fields]
    if lacking:
        raise InputError(
            f"{file} lacks {', '.join(lacking)}; found the columns {', '.join(schema.names)}. Expected coded "
            "ads as `embedcode classify` writes them."
        )


def _coded_row(row: Mapping[str, Any]) -> CodedRow:
    sure = row.get("confidence")
    return CodedRow(
        profile=row["profile"],
        confidence=None if sure is None or math.isnan(sure) else sure,
        codes=tuple(_coded_span(s) for s in row["codes"] or () if s),
        error=row.get("error"),
    )


def _coded_span(span: Mapping[str, Any]) -> CodedSpan:
    start, end = (-1 if span[k] is None else span[k] for k in ("start", "end"))  # -1 lies outside any text
    return CodedSpan(span["code"] or "", start, end, span["field"] or "text", span["text"] or "", span["tool"])
