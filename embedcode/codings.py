"""What a coder gave to ads: profiles and evidence, and where a text holds evidence that came without its place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from embedcode.gold import GoldAd

UNPLACED = -1
"""Stands for the offsets of evidence whose place in the text is not known."""


class CodedSpan(NamedTuple):
    """A span as read from a file; without a known place both offsets are `UNPLACED`."""

    code: str
    start: int
    end: int
    field: str
    text: str
    tool: str | None


@dataclass(frozen=True)
class CodedRow:
    """A coded ad as read from a file.

    Attributes:
        doubtful: Spans that only some of the people gave who coded the ad together.
    """

    profile: str | None
    confidence: float | None
    codes: tuple[CodedSpan, ...]
    error: str | None
    doubtful: tuple[CodedSpan, ...] = ()


@dataclass(frozen=True)
class Codings:
    """What one coder gave.

    Attributes:
        rows: By the id of the ad.
        file: Where it was read.
        columns: The columns of the file.
        clusters: The cluster of near-duplicates of each ad, where the file says it.
        clusters_from: The column that says it.
        gold: The ads with their texts, where the file has them.
    """

    name: str
    rows: Mapping[str, CodedRow]
    file: Path
    columns: tuple[str, ...]
    clusters: Mapping[str, str] = field(default_factory=dict)
    clusters_from: str = ""
    gold: tuple[GoldAd, ...] = ()


def placed(row: CodedRow, text: str) -> CodedRow:
    """A coded ad with its evidence where the text has it; what the text does not hold stays without a place."""
    return replace(row, codes=tuple(_placed(span, text) for span in row.codes))


def _placed(span: CodedSpan, text: str) -> CodedSpan:
    if span.start >= 0:
        return span if span.text else span._replace(text=text[span.start : span.end])
    found = find_phrase(text, span.text)
    return span._replace(start=found[0], end=found[1], text=text[slice(*found)]) if found else span


def find_phrase(text: str, phrase: str) -> tuple[int, int] | None:
    """Where a phrase stands in a text: as it is, in another case, or with other marks between its words."""
    words = re.findall(r"\w+", phrase)
    if not words:
        return None
    exact = phrase.strip()
    if place := _find_whole(text, exact):
        return place
    loose = r"\W+".join(map(re.escape, words))
    if found := re.search(rf"(?i:\b{loose}\b)", text):
        return found.span()
    start = text.find(exact) if len(words) > 1 else -1  # cut off inside a word
    return (start, start + len(exact)) if start >= 0 else None


def _find_whole(text: str, phrase: str) -> tuple[int, int] | None:
    """Where a text holds a phrase that neither begins nor ends inside a word; most do, and need no pattern."""
    start = text.find(phrase)
    while start >= 0:
        end = start + len(phrase)
        if not any(re.match(r"\w", beside) for beside in (text[max(0, start - 1) : start], text[end : end + 1])):
            return start, end
        start = text.find(phrase, start + 1)
    return None
