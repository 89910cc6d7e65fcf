"""How common profiles, codes and tools are in coded ads, corrected for the machine's errors by a hand-coded sample."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from embedcode.census import CODE, PROFILE, TOOL, Census, Label, Picked, Tally, open_grouping, take_census
from embedcode.errors import InputError, some
from embedcode.gold import GoldAd
from embedcode.grouping import NO_VALUE
from embedcode.matching import OTHER_TOOL, is_tech
from embedcode.ppi import corrected
from embedcode.sample import FEWEST, Sample, check_drawing
from embedcode.types import CodingBook

TARGET = (
    "the share of the ads counted that people coding like those of the sample would give it; counted are ads with a "
    "profile, in a language that the coding covers, that are no near-duplicates of another"
)
METHOD = (
    "prediction-powered inference (Angelopoulos et al. 2023) with the power-tuned lambda of PPI++ (Angelopoulos, Duchi "
    "and Zrnic 2023), which for labels is post-stratification by the machine's label; intervals: Wilson's within each "
    "label, joined by MOVER (Zou, Huang and Zhang 2009), with the finite population correction"
)


@dataclass(frozen=True)
class Share:
    """How common a profile, code or tool is; shares are from 0 to 1.

    Attributes:
        kind: `profile`, `code` or `tool`.
        coded: Ads to which the machine gave it.
        naive: Their share, not corrected.
        found: Ads of the sample in which people found it; None where they did not look for it.
        estimate, low, high: The corrected share and its interval; None where people coded too few ads.
    """

    kind: str
    name: str
    coded: int
    naive: float
    found: int | None
    estimate: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Group:
    """The shares in some ads.

    Attributes:
        ads: How many there are that count; see `census`.
        sampled: How many of them were coded by people.
    """

    name: str
    ads: int
    sampled: int
    shares: tuple[Share, ...]


@dataclass(frozen=True)
class Prevalence:
    """Shares in a corpus.

    Attributes:
        target, method: What is estimated, and how, to be cited.
        level: Confidence level of the intervals.
        left_out: How many ads do not count, by reason.
        sample_left_out: Ads of the sample among these.
        overall: All ads.
        by: The column that groups them; None without groups.
        period: The period that its dates were put into.
        undated: Ads without a date, in no group.
        unread: How many ads hold each value that is no date, in no group either.
        groups: By name.
    """

    target: str
    method: str
    level: float
    left_out: dict[str, int]
    sample_left_out: int
    overall: Group
    by: str | None = None
    period: str | None = None
    undated: int = 0
    unread: dict[str, int] = field(default_factory=dict)
    groups: tuple[Group, ...] = ()


class _Pair(NamedTuple):
    """An ad of the sample: its group, and what people and the machine gave it."""

    group: str | None
    people: frozenset[Label]
    machine: frozenset[Label]


def prevalence(
    coded: Path,
    sample: Sample,
    book: CodingBook,
    *,
    by: str | None = None,
    period: str | None = None,
    level: float = 0.95,
    only: Collection[str] = (),
) -> Prevalence:
    """Estimate shares in coded ads.

    A code or tool counts for an ad where all of the ad's coders found it.

    Args:
        coded: What `classify` wrote.
        sample: Ads of it that people coded; see `sample.read_sample`.
        book: The coding book: its profiles and codes, and the spellings of tools.
        by: A kept column that groups the ads, or `language`.
        period: `month`, `quarter` or `year`, where the column holds dates.
        level: Confidence level of the intervals.
        only: Names of the profiles, codes and tools wanted; all where empty.

    Raises:
        InputError: The ads cannot be read, the column makes no groups, a name is unknown, or the sample is not one of
            these ads or has fewer than `FEWEST` of them.
    """
    if not 0.5 <= level < 1:
        raise InputError(f"Found the level {level:g}; expected one from 0.5 to below 1, such as 0.95.")
    if period and not by:
        raise InputError(f"Found the period {period!r:.80} without a column of dates. Name the column with --by.")
    grouping = open_grouping(coded, by, period) if by else None
    rows = sample.drawing.rows if sample.drawing else None
    census = take_census(coded, rows=rows, ids=[ad.id for ad in sample.ads], grouping=grouping)
    check_drawing(sample, census.able)
    if grouping and not grouping.groups:
        raise InputError(
            f"Found no date in the column {by} ({some([v[:40] for v in grouping.unread])}); expected dates such as "
            "2025-03-31. Name another column, or leave out --period."
        )
    spellings = {s.casefold(): tool.name for tool in book.tools for s, _ in tool.spellings}
    pairs = _pairs(census, sample, spellings, coded)
    total = census.total
    labels = _wanted(_labels(total, pairs, book, coded), only, spellings)
    profiles = [(PROFILE, p.name) for p in book.profiles]

    def group(name: str, counts: Tally, pairs: Sequence[_Pair]) -> Group:
        shares = tuple(
            _share(label, profiles if label in profiles else [label], counts, pairs, level, _is_sought(label, sample))
            for label in labels
        )
        return Group(name, counts.ads, len(pairs), shares)

    names = sorted(grouping.groups, key=lambda n: (n == NO_VALUE, n)) if grouping else []
    return Prevalence(
        target=TARGET,
        method=METHOD,
        level=level,
        left_out=census.left_out,
        sample_left_out=len(sample.ads) - len(pairs),
        overall=group("all", total, pairs),
        by=by,
        period=period,
        undated=grouping.undated if grouping else 0,
        unread=dict(grouping.unread.most_common()) if grouping else {},
        groups=tuple(group(n, census.counts[n], [p for p in pairs if p.group == n]) for n in names),
    )


def _pairs(census: Census, sample: Sample, spellings: Mapping[str, str], coded: Path) -> list[_Pair]:
    """The ads of the sample that count.

    Raises:
        InputError: The corpus lacks an ad of the sample or has it twice, or too few are left.
    """
    found: dict[int | str, Picked] = {}
    for picked in census.picked:
        key: int | str = picked.row if sample.drawing else picked.id
        if key in found:
            raise InputError(
                f"Found the id {picked.id!r:.80} of the sample more than once in {coded}; expected each once. Code the "
                "ads with an --id-column that holds no id twice."
            )
        found[key] = picked
    keys: Sequence[int | str] = sample.drawing.rows if sample.drawing else [ad.id for ad in sample.ads]
    both = [(ad, found.get(key)) for ad, key in zip(sample.ads, keys, strict=True)]
    if absent := [ad.id for ad, picked in both if picked is None or picked.id != ad.id]:
        raise InputError(
            f"{len(absent)} of the {len(sample.ads)} ads of {sample.path} are not in {coded}: {some(absent)}. Expected "
            "a sample of these very ads. Give the coded ads that it was drawn from."
        )
    pairs = [_Pair(p.group, _given_by_people(ad, spellings), p.labels) for ad, p in both if p and p.labels]
    if len(pairs) < FEWEST:
        raise InputError(
            f"{sample.path} holds {len(pairs)} ads that count in {coded}; expected {FEWEST} or more. Code more "
            "ads of the sample."
        )
    return pairs


def _given_by_people(ad: GoldAd, spellings: Mapping[str, str]) -> frozenset[Label]:
    """What all of an ad's coders gave it, tools by the names of the coding book."""
    tools = [t for t in ad.tools if t.code != OTHER_TOOL and ad.is_settled(t)]
    codes = {c.code for c in ad.codes if ad.is_settled(c)} | {t.code for t in tools}
    names = {spellings.get(t.name.casefold(), t.name) for t in tools}
    return frozenset({(PROFILE, ad.profile), *((CODE, c) for c in codes), *((TOOL, n) for n in names)})


def _labels(counts: Tally, pairs: Sequence[_Pair], book: CodingBook, coded: Path) -> list[Label]:
    """The profiles and codes of the coding book, and the tools that were found, those in most ads first.

    Raises:
        InputError: The ads were coded with another coding book.
    """
    known = [(PROFILE, p.name) for p in book.profiles] + [(CODE, c.code) for c in book.codes]
    found = counts.given.keys() | {label for pair in pairs for label in pair.people}
    tools = sorted((label for label in found if label[0] == TOOL), key=lambda tool: (-counts.given[tool], tool))
    if strange := sorted(name for kind, name in counts.given if kind != TOOL and (kind, name) not in known):
        raise InputError(
            f"Found {some(strange)} in {coded}, which the coding book does not have. Expected the coding book that the "
            "ads were coded with: name it with --anchors."
        )
    return known + tools


def _wanted(labels: Sequence[Label], only: Collection[str], spellings: Mapping[str, str]) -> list[Label]:
    """The labels that are asked for by name, tools by any spelling; all where none is.

    Raises:
        InputError: There is no such label.
    """
    names = {n: spellings.get(n.casefold(), n).casefold() for n in only}
    there = {name.casefold() for _, name in labels}
    if unknown := [n for n, name in names.items() if name not in there]:
        raise InputError(
            f"Found {some(unknown)} in --only; expected profiles, codes or tools of these ads, such as "
            f"{some([name for _, name in labels])}. Choose among them."
        )
    return [label for label in labels if not only or label[1].casefold() in names.values()]


def _is_sought(label: Label, sample: Sample) -> bool:
    """Whether people looked for what a label stands for."""
    return sample.has_tools or not (label[0] == TOOL or is_tech(label[1]))


def _share(
    label: Label, strata: Sequence[Label], counts: Tally, pairs: Sequence[_Pair], level: float, is_sought: bool
) -> Share:
    """How common a label is in some ads.

    Args:
        strata: Machine labels of which an ad has one at most; ads without any make a stratum of their own.
    """
    coded = counts.given[label]
    known = (*label, coded, coded / counts.ads)
    if not is_sought:
        return Share(*known, None, None, None, None)
    population = [counts.given[s] for s in strata]
    population.append(counts.ads - sum(population))
    sampled, found = np.zeros((2, len(population)), np.int64)
    for pair in pairs:
        stratum = next((i for i, s in enumerate(strata) if s in pair.machine), len(strata))
        sampled[stratum] += 1
        found[stratum] += label in pair.people
    if len(pairs) < FEWEST:
        return Share(*known, int(found.sum()), None, None, None)
    said = np.array([*(s == label for s in strata), False])
    shares = corrected(np.array(population), sampled, found, said, level)
    return Share(*known, int(found.sum()), float(shares.estimate), float(shares.low), float(shares.high))
