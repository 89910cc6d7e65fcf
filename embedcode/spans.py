"""Agreement of any two coders on evidence: whether they marked the same spans with the same codes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from embedcode.bootstrap import Bootstrap, Interval
from embedcode.codings import CodedRow, CodedSpan
from embedcode.matching import span_counts
from embedcode.rates import Rates, mean, rates_of

IOU = 0.5
"""Least intersection over union of two spans that count as the same."""


@dataclass(frozen=True)
class SpanAgreement:
    """How far two coders marked the same spans, on the ads that both coded.

    Precision and recall take the first coder for the truth; F1 is the same either way.

    Attributes:
        iou: Least intersection over union of spans that match.
        per_code: The rates of each code compared; `count` spans of the first coder, `coded` of the second.
        overall: The rates of all spans together.
        macro_f1: Mean F1 of the codes that either marked.
        left_out: Groups of codes (TASK, TECH, ...) that only one of the two marks, and that are not compared.
        reason: Why `per_code` is empty; empty where it is not.
    """

    first: str
    second: str
    ads: int
    iou: float
    per_code: dict[str, Rates]
    overall: Rates
    macro_f1: float | None
    macro_f1_95: Interval | None
    left_out: tuple[str, ...]
    reason: str


def span_agreement(
    names: tuple[str, str],
    rows: tuple[Sequence[CodedRow], Sequence[CodedRow]],
    codes: Sequence[str],
    bootstrap: Bootstrap,
    iou: float = IOU,
) -> SpanAgreement:
    """Compare the spans of two coders.

    Args:
        names: Their names.
        rows: What they gave to the same ads.
        codes: The codes of the coding book.
        bootstrap: The clusters of these ads, and how they are resampled.
        iou: Least intersection over union of spans that match.
    """
    marked = [[_marked(row.codes) for row in of] for of in rows]
    doubtful = [[_marked(row.doubtful) for row in of] for of in rows]
    groups = [{_group(s.code) for spans in of for s in spans} for of in marked]
    known = {_group(c) for c in codes}
    compared = [c for c in codes if _group(c) in groups[0] & groups[1]]
    counts = np.array(
        [span_counts(a, b, compared, iou, doubtful=(x, y)) for a, b, x, y in zip(*marked, *doubtful, strict=True)],
        dtype=np.int64,
    ).reshape(len(rows[0]), len(compared), 3)
    per_code, macro_f1_95 = rates_of(compared, counts, bootstrap)
    overall, _ = rates_of(["all"], counts.sum(1, keepdims=True), bootstrap)
    return SpanAgreement(
        first=names[0],
        second=names[1],
        ads=len(rows[0]),
        iou=iou,
        per_code=per_code,
        overall=overall["all"],
        macro_f1=mean(r.f1 for r in per_code.values()),
        macro_f1_95=macro_f1_95,
        left_out=tuple(sorted((groups[0] ^ groups[1]) & known)),
        reason="" if compared else "no group of codes was marked by both",
    )


def _marked(spans: Sequence[CodedSpan]) -> list[CodedSpan]:
    return [s for s in spans if 0 <= s.start < s.end]


def _group(code: str) -> str:
    return code.rstrip("0123456789")


def has_spans(rows: Mapping[str, CodedRow]) -> bool:
    """Whether a coder marked any span."""
    return any(s.start >= 0 for row in rows.values() for s in row.codes)
