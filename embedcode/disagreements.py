"""Ads on which coders disagree with the reference, worst first, each with the evidence of every coder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from embedcode.codings import CodedRow
from embedcode.tables import write_table

COLUMNS = ("rank", "id", "coder", "profile", "confidence", "agrees", "evidence")


@dataclass(frozen=True)
class Side:
    """What one coder gave to an ad.

    Attributes:
        confidence: Of the profile; None for the reference.
        agrees: Whether the profile is that of the reference; None where there is none.
        evidence: Codes with what they stand on: the tool or the text, empty where neither is known.
    """

    coder: str
    profile: str | None
    confidence: float | None
    agrees: bool | None
    evidence: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Disagreement:
    """An ad on which one coder or more gave another profile than the reference.

    Attributes:
        sides: What each coder gave who has the ad, the reference first.
    """

    id: str
    sides: tuple[Side, ...]


def disagreements(
    reference: str, coders: Mapping[str, Mapping[str, CodedRow]], ids: Sequence[str]
) -> tuple[Disagreement, ...]:
    """The ads on which coders disagree with the reference.

    The most confident mistake comes first. Ads on which only coders without confidence are wrong follow, those first
    on which most are; ads that are alike keep their order.

    Args:
        reference: The name of the coder who is taken for right.
        coders: What each coder gave, the reference among them, by name and id.
        ids: The ads, all of them labelled by the reference.
    """
    found = [Disagreement(id, _sides(reference, coders, id)) for id in ids]
    return tuple(sorted((d for d in found if _wrong(d)), key=_badness))


def _sides(reference: str, coders: Mapping[str, Mapping[str, CodedRow]], id: str) -> tuple[Side, ...]:
    truth = coders[reference][id].profile
    others = [n for n in coders if n != reference and id in coders[n]]
    given = replace(coders[reference][id], confidence=None)  # people's, where there is one, is no probability
    return (_side(reference, given, truth), *(_side(n, coders[n][id], truth) for n in others))


def _side(name: str, row: CodedRow, truth: str | None) -> Side:
    evidence = dict.fromkeys((s.code, s.tool or s.text) for s in row.codes)
    agrees = None if row.profile is None else row.profile == truth
    return Side(name, row.profile, row.confidence, agrees, tuple(evidence))


def _wrong(of: Disagreement) -> list[Side]:
    return [s for s in of.sides if s.agrees is False]


def _badness(of: Disagreement) -> tuple[float, int]:
    wrong = _wrong(of)
    return -max(s.confidence or 0.0 for s in wrong), -len(wrong)


def write_disagreements(path: Path, found: Sequence[Disagreement]) -> int:
    """Write disagreements as CSV, a row per ad and coder, safe for spreadsheets.

    Returns:
        How many rows were written.

    Raises:
        OutputError: The file cannot be written.
    """
    return write_table(path, COLUMNS, (_row(rank, d.id, s) for rank, d in enumerate(found, 1) for s in d.sides))


def _row(rank: int, id: str, of: Side) -> tuple[object, ...]:
    sure = None if of.confidence is None else round(of.confidence, 4)
    return rank, id, of.coder, of.profile, sure, of.agrees, "\n".join(f"{code}: {what}" for code, what in of.evidence)
