"""Coders: what each of them gave to ads, whatever file that comes in.

A coder's file is the output of `embedcode classify`, ads coded by people with their texts (`gold.read_gold`, reviews
among them), or any table of another tool with a row per ad, or per ad and coder.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from embedcode.coded import EVIDENCE
from embedcode.codings import UNPLACED, CodedRow, CodedSpan, Codings
from embedcode.errors import InputError, some
from embedcode.formats import FORMATS, Parquet, Pick, format_of
from embedcode.gold import COLUMNS as GOLD_COLUMNS
from embedcode.gold import GoldAd, read_gold
from embedcode.matching import is_tech
from embedcode.sample import check_choice
from embedcode.types import KEPT
from embedcode.values import identifiers

STANDARD = ("id", "profile", "confidence", "codes", "coder", "cluster", "error")
"""Columns of a table of another tool; `id` and `profile` are needed."""

_BATCH_ROWS = 1024


@dataclass(frozen=True)
class Layout:
    """How files are read that lack the standard columns or the labels of the coding book.

    Attributes:
        profiles, codes: Of the coding book.
        columns: Name in the files of a standard column; it goes before a column of the standard name.
        labels: Profile of a label that the files use; empty: such ads count as not labelled.
        encoding: Of CSV and JSON Lines.
    """

    profiles: tuple[str, ...]
    codes: tuple[str, ...]
    columns: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    encoding: str = "utf-8"

    def __post_init__(self) -> None:
        if unknown := [n for n in self.columns if n not in STANDARD]:
            raise InputError(
                f"Found {some(unknown)} as the name of a column that can be given; expected {', '.join(STANDARD)}. "
                "Write NAME=COLUMN, such as profile=label."
            )
        if unknown := sorted({p for p in self.labels.values() if p} - set(self.profiles)):
            raise InputError(
                f"Found {some(unknown)} as the profile of a label; expected {', '.join(map(repr, self.profiles))}. "
                "Write LABEL=PROFILE."
            )
        try:
            "a".encode(self.encoding)
        except LookupError as error:
            raise InputError(
                f"No encoding is called {self.encoding!r:.80}. Expected utf-8, cp1252 or the like."
            ) from error

    def column(self, standard: str, names: Collection[str]) -> str | None:
        """The name of a standard column in a file with the given columns; None where it has none."""
        return next((n for n in (self.columns.get(standard), standard) if n in names), None)

    def profile(self, label: str | None) -> str | None:
        """The profile that a label stands for."""
        label = (label or "").strip()
        return self.labels.get(label, label) or None


def read_coders(path: Path, layout: Layout, ids: Collection[str] | None = None) -> list[Codings]:
    """Read the coders of a file or folder.

    Args:
        path: What `embedcode classify` wrote, ads coded by people (Parquet), or a table of another tool (Parquet,
            CSV, JSON Lines).
        layout: How it is read.
        ids: Only these ads; None for all.

    Returns:
        One coder, named like the file; with a column `coder`, one for each of its values.

    Raises:
        InputError: The file cannot be read, lacks a column or holds something else there, an id stands twice, a
            profile is unknown, or a review was not drawn at random and coded blind.
    """
    if path.is_dir() or not path.exists():
        return [_output(path, layout, ids)]
    if _is_parquet(path):
        try:
            schema = pq.read_schema(path)
        except (OSError, pa.ArrowException) as error:
            raise InputError(f"Cannot read coded ads from {path} ({error}). Expected a Parquet file.") from error
        mapped = [c for s, c in layout.columns.items() if s != "cluster" and c in schema.names]
        if not mapped and set(GOLD_COLUMNS) <= set(schema.names):
            return [_people(path, layout, schema.names)]
        if not mapped and "coder" not in schema.names and _are_evidence(schema, "codes"):
            return [_output(path, layout, ids)]
    return _table(path, layout)


def _is_parquet(path: Path) -> bool:
    """Whether a file is Parquet, by its name or its first bytes."""
    try:
        with path.open("rb") as file:
            return path.suffix.lower() == ".parquet" or file.read(4) == b"PAR1"
    except OSError as error:
        raise InputError(f"Cannot read {path}: {error.strerror or error}. Expected a file of coded ads.") from error


def _are_evidence(schema: pa.Schema, name: str) -> bool:
    """Whether a column holds evidence with offsets."""
    items = getattr(schema.field(name).type, "value_type", None) if schema.names.count(name) == 1 else None
    fields = [f.name for f in items] if items is not None and pa.types.is_struct(items) else []
    return set(_SPAN_NEEDED) <= set(fields)


# Ads coded by people, with their texts


def _people(path: Path, layout: Layout, names: Sequence[str]) -> Codings:
    if {"sample", "mode"}.issubset(names):
        check_choice(path, "measure agreement")
    layout = replace(layout, labels={str(None): "", **layout.labels})  # as `read_gold` reads what is null
    labels = _labels(path)
    _check_labels(path, labels, layout)
    ads = tuple(
        replace(ad, profile=layout.profile(ad.profile) or ad.profile)
        for ad in read_gold(path, (*layout.profiles, *layout.labels, *labels), layout.codes)
        if layout.profile(ad.profile)
    )
    if twice := repeated(ad.id for ad in ads):
        raise InputError(
            f"Found {some(twice)} more than once among the gold ads of {path}; expected each id once. Remove the "
            "repeated rows."
        )
    if not ads:
        raise InputError(f"{path} holds no ads with a profile; expected some to compare with. Give another file.")
    column = layout.column("cluster", names)
    rows = {ad.id: _gold_row(ad) for ad in ads}
    return Codings(path.stem, rows, path, tuple(names), _column(path, column), column or "", ads)


def _labels(path: Path) -> list[str]:
    """The labels in the column of profiles, as `read_gold` reads them."""
    found = pq.read_table(path, columns=["profile"])["profile"].to_pylist()
    return sorted({str(label) for label in found if label is not None})


def _column(path: Path, name: str | None) -> dict[str, str]:
    """A column of a file by the ids of its ads."""
    if name is None:
        return {}
    table = pq.read_table(path, columns=["id", name])
    ids, values = (identifiers(table[n].combine_chunks()).to_pylist() for n in ("id", name))
    return {i: v for i, v in zip(ids, values, strict=True) if v is not None}


def _gold_row(ad: GoldAd) -> CodedRow:
    def spans(settled: bool) -> tuple[CodedSpan, ...]:
        found = [
            CodedSpan(c.code, c.start, c.end, "text", ad.text[c.start : c.end], None)
            for c in ad.codes
            if ad.is_settled(c) == settled
        ]
        tools = [t for t in ad.tools if ad.is_settled(t) == settled]
        return (*found, *(CodedSpan(t.code, UNPLACED, UNPLACED, "text", t.name, t.name) for t in tools))

    return CodedRow(ad.profile, None, spans(True), None, spans(False))


# Output of `embedcode classify`

_COLUMNS = pa.schema(
    [
        ("id", pa.string()),
        ("profile", pa.string()),
        ("codes", pa.list_(pa.struct([EVIDENCE.field(n) for n in CodedSpan._fields]))),
        ("confidence", pa.float64()),
        ("duplicate_of", pa.string()),
        ("error", pa.string()),
    ]
)
_NEEDED = ("id", "profile", "codes")
_SPAN_NEEDED = ("code", "start", "end", "text")


def _output(path: Path, layout: Layout, ids: Collection[str] | None) -> Codings:
    records = _records(path, ids, layout.columns.get("cluster"))
    rows = {i: _coded_row(r) for i, r in records.items()}
    rows = {i: replace(row, profile=layout.profile(row.profile)) for i, row in rows.items()}
    _check_profiles(path, rows.values(), layout)
    names = pq.read_schema(_files(path)[0]).names
    column = next((c for c in (layout.columns.get("cluster"), "duplicate_of") if c in names), None)
    clusters = {i: c for i, r in records.items() if (c := r.get(column))} if column else {}
    if column == "duplicate_of":  # the first of a cluster is a duplicate of none
        clusters |= {c: c for c in clusters.values()}
    return Codings(path.stem, rows, path, tuple(names), clusters, (column or "") if clusters else "")


def _files(path: Path) -> list[Path]:
    if not path.exists():
        raise InputError(f"Found no {path}; expected coded ads. Give the folder that `embedcode classify` wrote.")
    files = sorted(p for p in path.glob("*.parquet") if p.is_file()) if path.is_dir() else [path]
    if not files:
        raise InputError(f"Found no *.parquet in {path}; expected coded ads, as `embedcode classify` writes.")
    return files


def _records(path: Path, ids: Collection[str] | None, further: str | None = None) -> dict[str, dict[str, Any]]:
    """The rows of coded ads by id, with a further column where there is one."""
    wanted = None if ids is None else pa.array(sorted(set(ids)), pa.string())
    seen: set[str] = set()
    records: dict[str, dict[str, Any]] = {}
    for file in _files(path):
        try:
            for found, kept in _batches(file, wanted, further):
                if twice := repeated(found, seen):
                    raise InputError(
                        f"Found {some(twice)} more than once in {path}; expected each id once. Remove the "
                        "repeated rows, or code the ads with an id column that holds no id twice."
                    )
                records.update((r["id"], r) for r in kept)
        except (OSError, pa.ArrowException) as error:
            raise InputError(
                f"Cannot read coded ads from {file} ({error}). Expected Parquet as `embedcode classify` writes it."
            ) from error
    if not records:
        raise no_ids(str(path), seen, () if wanted is None else wanted.to_pylist())
    return records


def no_ids(where: str, found: Iterable[str], wanted: Sequence[str]) -> InputError:
    """The error for a file that has none of the ads wanted."""
    return InputError(
        f"None of the gold ids is among the ids of {where}. Found there {some(sorted(found))}; expected "
        f"ids such as {some(wanted)}. Code the gold ads, their ids as `--id-column`, or say which column has "
        "them: --columns id=COLUMN."
    )


def _batches(
    file: Path, wanted: pa.Array | None, further: str | None
) -> Iterator[tuple[list[str], list[dict[str, Any]]]]:
    """The ids of each batch of a file, and its rows whose id is wanted."""
    schema = _COLUMNS if further in (None, *_COLUMNS.names) else _COLUMNS.append(pa.field(further, pa.string()))
    with pq.ParquetFile(file) as source:
        _check_columns(file, source.schema_arrow)
        leaves = [source.schema.column(i).path for i in range(len(source.schema))]
        for batch in source.iter_batches(_BATCH_ROWS, columns=[p for p in leaves if _is_used(p.split("."), schema)]):
            ids = identifiers(batch.column("id"))
            names = [n for n in schema.names if n in batch.schema.names]
            columns = {n: identifiers(batch.column(n)) if n in ("id", further) else batch.column(n) for n in names}
            kept = pa.RecordBatch.from_pydict(columns).filter(
                pc.is_valid(ids) if wanted is None else pc.is_in(ids, value_set=wanted)
            )
            yield ids.drop_null().to_pylist(), kept.cast(pa.schema([schema.field(n) for n in names])).to_pylist()


def _is_used(path: Sequence[str], schema: pa.Schema) -> bool:
    """Whether a leaf column of a Parquet file is read, by its path."""
    return path[0] in schema.names and (path[0] != "codes" or path[-1] in CodedSpan._fields)


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
    start, end = (UNPLACED if span[k] is None else span[k] for k in ("start", "end"))
    return CodedSpan(span["code"] or "", start, end, span["field"] or "text", span["text"] or "", span["tool"])


# Tables of other tools


def _table(path: Path, layout: Layout) -> list[Codings]:
    """The coders of a table, in the order in which they come."""
    kind = Parquet if _is_parquet(path) else format_of(path)
    if kind is None:
        raise InputError(f"{path} is none of the kinds of files that can be read: {', '.join(FORMATS)}. Name it so.")
    file = kind(path, layout.encoding)
    schema = file.schema() or pa.schema([])
    place = {s: n for s in STANDARD if (n := layout.column(s, schema.names))}
    if lacking := [s for s in ("id", "profile") if s not in place]:
        raise InputError(
            f"{path} lacks {', '.join(lacking)}; found the columns {', '.join(schema.names) or 'none'}. Say which "
            f"column is which with --columns, such as --columns {','.join(f'{s}=COLUMN' for s in lacking)}."
        )
    if twice := [n for n in place.values() if schema.names.count(n) > 1]:
        raise InputError(f"{path} has more than one column {twice[0]!r}; expected one. Rename or remove the others.")
    keep = pa.schema([schema.field(n) for n in dict.fromkeys(place.values())])
    coders: dict[str, dict[str, CodedRow]] = {}
    clusters: dict[str, str] = {}
    for batch in file.read(Pick(text=place["profile"], title=None, id=place["id"], keep=keep)):
        for record in batch.to_pylist():
            row = {s: record[KEPT + n] for s, n in place.items()}
            if record["error"] and not any(v is not None for v in row.values()):
                raise InputError(f"{path}: {record['error']}. Expected {file.expected}.")
            id, name = record["id"], str(row["coder"] or "") if "coder" in place else path.stem
            if not id or not name:
                raise InputError(
                    f"{path} has a row without {'a coder' if id else 'an id'}: {_told(row)}. Expected an id, and a "
                    "coder where there is such a column, in every row. Complete the row, or remove it."
                )
            rows = coders.setdefault(name, {})
            if id in rows:
                raise InputError(
                    f"Found {id!r} more than once in {path}{f' for {name}' if 'coder' in place else ''}; expected "
                    "each id once for each coder. Remove the repeated rows, or name the column that tells coders "
                    "apart: --columns coder=COLUMN."
                )
            rows[id] = _table_row(path, id, row, layout)
            if row.get("cluster") is not None:
                clusters[id] = str(row["cluster"])
    if file.problems or not coders:
        raise InputError("; ".join(file.problems) or f"{path} holds no ads; expected a row for each coded ad.")
    for rows in coders.values():
        _check_profiles(path, rows.values(), layout)
    column = place["cluster"] if clusters else ""
    return [Codings(name, rows, path, tuple(schema.names), clusters, column) for name, rows in coders.items()]


def _told(row: Mapping[str, Any]) -> str:
    return ", ".join(f"{k} {str(v)!r:.40}" for k, v in row.items() if v is not None) or "nothing in it"


def _table_row(path: Path, id: str, row: Mapping[str, Any], layout: Layout) -> CodedRow:
    label, sure = row["profile"], row.get("confidence")
    try:
        confidence = None if sure is None or sure == "" else float(sure)
        codes = _table_spans(row.get("codes"))
    except (ArithmeticError, TypeError, ValueError, KeyError) as error:
        raise InputError(
            f"{path}: ad {id!r} cannot be read ({type(error).__name__}: {error}). Expected a number as its confidence, "
            "and as its codes a list of objects with code, text, start and end, or codes parted by semicolons."
        ) from error
    return CodedRow(
        profile=layout.profile(None if label is None else str(label)),
        confidence=None if confidence is None or math.isnan(confidence) else confidence,
        codes=codes,
        error=row.get("error") or None,
    )


def _table_spans(value: Any) -> tuple[CodedSpan, ...]:
    """Evidence of another tool: a list, as such or as JSON, of objects or of codes, or codes parted by semicolons."""
    if isinstance(value, str):
        value = json.loads(value) if value.lstrip().startswith("[") else filter(None, map(str.strip, value.split(";")))
    return tuple(_table_span(v if isinstance(v, dict) else {"code": v}) for v in value or () if v is not None)


def _table_span(span: Mapping[str, Any]) -> CodedSpan:
    start, end = (UNPLACED if span.get(k) is None else int(span[k]) for k in ("start", "end"))
    if max(start, end) >= 1 << 31:
        raise ValueError(f"offset {max(start, end)}")
    code, text = str(span["code"] or ""), str(span.get("text") or span.get("phrase") or "")
    tool = span.get("tool") or (text if is_tech(code) else None)
    return CodedSpan(code, start, end, str(span.get("field") or "text"), text, tool)


def _check_profiles(path: Path, rows: Iterable[CodedRow], layout: Layout) -> None:
    _check_labels(path, {row.profile for row in rows if row.profile is not None}, layout)


def _check_labels(path: Path, labels: Collection[str], layout: Layout) -> None:
    if unknown := sorted({p for label in labels if (p := layout.profile(label))} - set(layout.profiles)):
        raise InputError(
            f"Found the unknown profile(s) {some(unknown, 10)} in {path}; expected "
            f'{", ".join(map(repr, layout.profiles))}. Rename them: --labels "{unknown[0]}=PROFILE", with '
            "nothing after the = for ads that count as not labelled."
        )


def repeated(values: Iterable[str], seen: set[str] | None = None) -> list[str]:
    """The values that occur more than once, or in `seen`, which they are added to."""
    seen = set() if seen is None else seen
    out = []
    for v in values:
        if v in seen:
            out.append(v)
        seen.add(v)
    return out
