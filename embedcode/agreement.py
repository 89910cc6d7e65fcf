"""Agreement of coded ads with ads coded by people.

Every measure starts from counts per ad and takes its figures from their sums, over all ads, a group of ads or
a resample. A figure that is undefined is None, and `undefined.undefined` says why.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from embedcode.bootstrap import MIN_ADS, Bootstrap, Interval, ratio
from embedcode.errors import InputError, some
from embedcode.gold import GoldAd
from embedcode.kappa import (
    Bin,
    Ints,
    bootstrap_kappa,
    calibration_error,
    confusions,
    kappas,
    reliability_table,
)
from embedcode.matching import Span, is_tech, segment_counts, tool_counts
from embedcode.rates import Rates, mean, quotient, rates_of

OPTIONAL = ("segments", "source", "lang", "confidence", "tech")
"""Columns of the gold that some measures need; without them these measures are left out."""

NONE = "(none)"
"""Stands for the profile of ads that were not coded."""

_BANDS = ("below 2", "2", "above 2")


class Coded(Protocol):
    """What is compared of a coded ad; fields as in `coded.CodedAd`, which is one."""

    @property
    def profile(self) -> str | None: ...

    @property
    def confidence(self) -> float | None: ...

    @property
    def codes(self) -> Sequence[Span]: ...

    @property
    def error(self) -> str | None: ...


@dataclass(frozen=True)
class Group:
    """A figure for some of the ads, and how many they are."""

    ads: int
    value: float | None


@dataclass(frozen=True)
class Confusion:
    """How many ads of each gold profile (rows) got each profile (columns, `NONE` last)."""

    gold: tuple[str, ...]
    coded: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class ProfileAgreement:
    """Agreement on profiles; an ad that is missing or has no profile counts as an error.

    Attributes:
        kappa: Cohen's kappa.
        kappa_95: Its 95 % bootstrap interval over clusters.
        clusters: How many clusters the ads form.
        macro_f1: Mean F1 of the profiles that occur.
        kappa_by: Kappa by `language`, `source` and the coders' `confidence`, for groups of `MIN_ADS` or more.
        calibration_error: Expected calibration error of the confidence.
        calibration: The bins behind it; none where some ads have no confidence.
        unsure: How many ads have no confidence.
        accuracy_95, macro_f1_95: Intervals, as for kappa.
    """

    kappa: float | None
    kappa_95: Interval | None
    clusters: int
    accuracy: float
    macro_f1: float | None
    per_class: dict[str, Rates]
    confusion: Confusion
    kappa_by: dict[str, dict[str, Group]]
    calibration_error: float | None
    calibration: tuple[Bin, ...]
    unsure: int
    accuracy_95: Interval | None
    macro_f1_95: Interval | None


@dataclass(frozen=True)
class SegmentAgreement:
    """Agreement on TASK and SKILL codes of the gold segments.

    Attributes:
        macro_f1: Mean F1 of the codes that occur.
        macro_f1_95: Its 95 % bootstrap interval over clusters.
        by_language: The same for the ads of each language.
        unplaced: How many codes of the gold stand at none of its segments and are left out.
    """

    macro_f1: float | None
    macro_f1_95: Interval | None
    per_code: dict[str, Rates]
    by_language: dict[str, Group]
    unplaced: int


@dataclass(frozen=True)
class ToolRates:
    """Agreement on tools, each once per ad.

    Attributes:
        right_code: Share of the tools found that have the same TECH code in the gold.
        right_code_95: Its 95 % bootstrap interval over clusters.
    """

    ads: int
    rates: Rates
    right_code: float | None
    right_code_95: Interval | None


@dataclass(frozen=True)
class ToolAgreement:
    """Agreement on tools in all ads and in those of each language."""

    overall: ToolRates
    by_language: dict[str, ToolRates]


@dataclass(frozen=True)
class Agreement:
    """Agreement of coded ads with gold ads.

    Attributes:
        ads: How many gold ads were compared.
        missing: How many of them have no coded row.
        failed: How many have a coded row with an error or without a profile.
        outside: How many spans were ignored because they lie outside their text.
        unknown_codes: Codes of spans that the coding book lacks; such spans were ignored.
        segments: None where segments are not compared.
        tools: None where tools are not.
    """

    ads: int
    missing: int
    failed: int
    outside: int
    unknown_codes: tuple[str, ...]
    profile: ProfileAgreement
    segments: SegmentAgreement | None
    tools: ToolAgreement | None


@dataclass(frozen=True)
class Grouping:
    """A way to part the ads.

    Attributes:
        column: Column of the gold that it needs.
        key: Group of an ad, empty where it has none.
        order: Names of the groups in order; sorted by name where it is empty.
    """

    name: str
    column: str
    key: Callable[[GoldAd], str]
    order: tuple[str, ...] = ()


def _band(ad: GoldAd) -> str:
    return _BANDS[int(np.sign(ad.confidence - 2)) + 1]


GROUPINGS = (
    Grouping("language", "lang", lambda ad: ad.language),
    Grouping("source", "source", lambda ad: ad.source),
    Grouping("confidence", "confidence", _band, _BANDS),
)
"""Kappa is given for the groups of each of these."""


def agreement(
    ads: Sequence[GoldAd],
    coded: Mapping[str, Coded],
    profiles: Sequence[str],
    codes: Sequence[str],
    *,
    columns: Collection[str] = OPTIONAL,
    resamples: int = 1000,
) -> Agreement:
    """Compare coded ads with gold ads.

    Args:
        ads: The gold ads.
        coded: Coded ads by id; others than the gold ads are ignored.
        profiles: The profiles of the coding book.
        codes: The codes of the coding book.
        columns: Those of `OPTIONAL` that the gold has.
        resamples: Resamples for the intervals.

    Raises:
        InputError: There are no ads, a gold id stands twice, a profile is unknown or a confidence is no
            probability.
    """
    if not ads:
        raise InputError("Found no gold ads; expected at least one to compare with. Give other gold ads.")
    if twice := [name for name, n in Counter(ad.id for ad in ads).items() if n > 1]:
        raise InputError(
            f"Found {some(twice)} more than once among the gold ads; expected each id once. Remove the repeated rows."
        )
    rows = [coded.get(ad.id) for ad in ads]
    _check_rows(ads, rows, profiles)
    pairs = list(zip(ads, rows, strict=True))
    inside = [[s for s in row.codes if _is_inside(s, ad)] if row else [] for ad, row in pairs]
    known = [[s for s in spans if s.code in codes] for spans in inside]
    groups = {g.name: _members(ads, g) for g in GROUPINGS if g.column in columns}
    languages = groups.get("language", {})
    phrases = [c for c in codes if not is_tech(c)]
    bootstrap = Bootstrap.of([ad.cluster for ad in ads], resamples)
    return Agreement(
        ads=len(ads),
        missing=sum(row is None for row in rows),
        failed=sum(row is not None and (bool(row.error) or row.profile is None) for row in rows),
        outside=sum(not _is_inside(s, ad) and not _is_code_alone(s) for ad, row in pairs if row for s in row.codes),
        unknown_codes=tuple(sorted({s.code for row in rows if row for s in row.codes} - set(codes))),
        profile=_profile_agreement(ads, rows, profiles, groups, bootstrap),
        segments=_segment_agreement(ads, known, phrases, languages, bootstrap) if "segments" in columns else None,
        tools=_tool_agreement(ads, known, languages, bootstrap) if "tech" in columns else None,
    )


def _check_rows(ads: Sequence[GoldAd], rows: Sequence[Coded | None], profiles: Sequence[str]) -> None:
    unknown = sorted({row.profile for row in rows if row and row.profile is not None} - set(profiles))
    if unknown:
        raise InputError(
            f"Found the unknown profile(s) {some(unknown, 10)} among the coded ads; expected "
            f"{', '.join(map(repr, profiles))}. Rename them, or use the coding book of these ads."
        )
    for ad, row in zip(ads, rows, strict=True):
        if row and row.confidence is not None and not 0 <= row.confidence <= 1:
            raise InputError(
                f"Found the confidence {row.confidence:g} for the coded ad {ad.id!r}; expected a probability "
                "from 0 to 1. Rescale the column, or leave it out."
            )


def _is_inside(span: Span, ad: GoldAd) -> bool:
    """Whether a span lies inside its text, where that is known; a tool may be named without its place."""
    named = span.start < 0 and is_tech(span.code)
    return not ad.text or span.field == "title" or named or 0 <= span.start < span.end <= len(ad.text)


def _is_code_alone(span: Span) -> bool:
    """Whether a coder gave a code to the ad, and named no place for it."""
    return max(span.start, span.end) < 0 and not span.text


def _members(ads: Sequence[GoldAd], grouping: Grouping) -> dict[str, Ints]:
    """Numbers of the ads in each group."""
    keys = [grouping.key(ad) for ad in ads]
    names = [n for n in (grouping.order or sorted(set(keys))) if n and n in keys]
    return {name: np.array([i for i, k in enumerate(keys) if k == name], dtype=np.int64) for name in names}


def _profile_agreement(
    ads: Sequence[GoldAd],
    rows: Sequence[Coded | None],
    profiles: Sequence[str],
    groups: Mapping[str, Mapping[str, Ints]],
    bootstrap: Bootstrap,
) -> ProfileAgreement:
    number = {p: i for i, p in enumerate(profiles)}
    labels = (*profiles, NONE)
    gold = np.array([number[ad.profile] for ad in ads], dtype=np.int64)
    given = [row.profile if row else None for row in rows]
    coded = np.array([len(profiles) if p is None else number[p] for p in given], dtype=np.int64)
    by_cluster = confusions(gold, coded, bootstrap.cluster, len(profiles), bootstrap.clusters)
    label = np.arange(len(profiles))
    is_gold, is_coded = gold[:, None] == label, coded[:, None] == label
    outcomes = np.stack([is_gold & is_coded, is_coded & ~is_gold, is_gold & ~is_coded], axis=2)
    per_class, macro_f1_95 = rates_of(profiles, outcomes, bootstrap)

    def kappa_of(members: Ints) -> Group:
        n = len(members)
        if n < MIN_ADS:
            return Group(n, None)
        part = confusions(gold[members], coded[members], np.zeros_like(members), len(profiles), 1)
        return Group(n, _defined(kappas(part)[0]))

    sure = [row.confidence if row else None for row in rows]
    unsure = sum(s is None for s in sure)
    right = gold == coded
    confidence = np.array(sure, dtype=np.float64)
    (accuracy_95,) = bootstrap.intervals(
        np.stack([right, np.ones_like(right)], 1), lambda sums: sums[:, :1] / sums[:, 1:]
    )
    table = by_cluster.sum(0)
    return ProfileAgreement(
        kappa=_defined(kappas(table)),
        kappa_95=bootstrap_kappa(by_cluster, bootstrap.resamples),
        clusters=bootstrap.clusters,
        accuracy=float(right.mean()),
        macro_f1=mean(r.f1 for r in per_class.values()),
        per_class=per_class,
        confusion=Confusion(tuple(profiles), labels, tuple(tuple(map(int, line)) for line in table)),
        kappa_by={
            name: {key: kappa_of(members) for key, members in members_of.items()}
            for name, members_of in groups.items()
            if members_of
        },
        calibration_error=None if unsure else calibration_error(confidence, right),
        calibration=() if unsure else reliability_table(confidence, right, bootstrap),
        unsure=unsure,
        accuracy_95=accuracy_95,
        macro_f1_95=macro_f1_95,
    )


def _segment_agreement(
    ads: Sequence[GoldAd],
    spans: Sequence[Sequence[Span]],
    codes: Sequence[str],
    languages: Mapping[str, Ints],
    bootstrap: Bootstrap,
) -> SegmentAgreement:
    counts = np.array([segment_counts(ad, s, codes) for ad, s in zip(ads, spans, strict=True)])

    def macro_f1(members: Ints) -> float | None:
        return mean(Rates.of(*map(int, line)).f1 for line in counts[members].sum(0))

    per_code, macro_f1_95 = rates_of(codes, counts, bootstrap)
    unplaced = 0
    for ad in ads:
        segments = set(ad.segments)
        unplaced += sum(c.code in codes and (c.start, c.end) not in segments for c in ad.codes)
    return SegmentAgreement(
        macro_f1=mean(r.f1 for r in per_code.values()),
        macro_f1_95=macro_f1_95,
        per_code=per_code,
        by_language={name: Group(len(m), macro_f1(m)) for name, m in languages.items()},
        unplaced=unplaced,
    )


def _tool_agreement(
    ads: Sequence[GoldAd],
    spans: Sequence[Sequence[Span]],
    languages: Mapping[str, Ints],
    bootstrap: Bootstrap,
) -> ToolAgreement:
    counts = np.array([tool_counts(ad, s) for ad, s in zip(ads, spans, strict=True)])

    def rates(members: Ints) -> ToolRates:
        part, of_part = counts[members], bootstrap.only(members)
        found, _ = rates_of(["tools"], part[:, None, :3], of_part)
        right, _, _, same_code = map(int, part.sum(0))
        (interval,) = of_part.intervals(part, lambda sums: ratio(sums[:, 3:], sums[:, :1]))
        return ToolRates(len(part), found["tools"], quotient(same_code, right), interval)

    return ToolAgreement(rates(np.arange(len(ads))), {name: rates(m) for name, m in languages.items()})


def _defined(value: float | np.float64 | NDArray[np.float64]) -> float | None:
    return None if math.isnan(value) else float(value)
