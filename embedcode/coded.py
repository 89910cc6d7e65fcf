"""Coded ads as Arrow tables: the columns that `classify` writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

EVIDENCE = pa.struct(
    [
        ("code", pa.string()),
        ("start", pa.int32()),
        ("end", pa.int32()),
        ("field", pa.string()),
        ("text", pa.string()),
        ("score", pa.float32()),
        ("anchor", pa.string()),
        ("anchor_id", pa.string()),
        ("similarity", pa.float32()),
        ("tool", pa.string()),
    ]
)
"""One piece of evidence; offsets are code points in the field as given, end exclusive."""


def coded_schema(profiles: Sequence[str], codes: Sequence[str], kept: Sequence[pa.Field] = ()) -> pa.Schema:
    """The schema of coded ads.

    Args:
        profiles: Names of the profiles.
        codes: All codes of the coding book.
        kept: Columns of the input that are passed on.
    """
    return pa.schema(
        [
            pa.field("id", pa.string()),
            pa.field("profile", pa.string()),
            pa.field("confidence", pa.float32()),
            pa.field("probabilities", pa.struct([(p, pa.float32()) for p in profiles])),
            pa.field("language", pa.string()),
            pa.field("n_segments", pa.int32()),
            pa.field("codes", pa.list_(EVIDENCE)),
            pa.field("strengths", pa.struct([(c, pa.float32()) for c in codes])),
            pa.field("duplicate_of", pa.string()),
            pa.field("error", pa.string()),
            *kept,
        ]
    )


@dataclass(frozen=True)
class Evidence:
    """A span of an ad that carries a code. Fields as in `EVIDENCE`."""

    code: str
    start: int
    end: int
    field: str
    text: str
    score: float
    anchor: str | None
    anchor_id: str | None
    similarity: float | None
    tool: str | None


@dataclass(frozen=True)
class CodedAd:
    """A coded ad. Fields as in `coded_schema`; `profile` is None only where `error` says why."""

    id: str
    profile: str | None
    confidence: float | None
    probabilities: dict[str, float] | None
    language: str | None
    n_segments: int
    codes: tuple[Evidence, ...]
    strengths: dict[str, float] | None
    error: str | None


def coded_ads(batch: pa.RecordBatch) -> list[CodedAd]:
    """The rows of a coded batch as objects."""
    names = ("id", "profile", "confidence", "probabilities", "language", "n_segments", "strengths", "error")

    def ad(row: dict[str, Any]) -> CodedAd:
        return CodedAd(codes=tuple(Evidence(**e) for e in row["codes"]), **{n: row[n] for n in names})

    return [ad(row) for row in batch.to_pylist()]
