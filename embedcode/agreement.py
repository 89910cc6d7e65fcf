"""Agreement of coded ads with ads coded by people.

Every measure starts from counts per ad and takes its figures from their sums, over all ads, a group of ads or
a resample. A figure that is undefined is None, and `undefined` says why.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from embedcode.errors import InputError, some
from embedcode.gold import GoldAd
from embedcode.kappa import MIN_ADS, Ints, bootstrap_kappa, calibration_error, confusions, kappas
from embedcode.matching import Span, is_tech, segment_counts, tool_counts

OPTIONAL = ("source", "lang", "confidence", "tech")
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
class Rates:
    """How well the coded ads find one thing.

    Attributes:
        count: How often it stands in the gold.
        coded: How often it was coded.
    """

    precision: float | None
    recall: float | None
    f1: float | None
    count: int
    coded: int

    @classmethod
    def of(cls, right: int, wrong: int, missed: int) -> Rates:
        """The rates for counts of what was found rightly, found wrongly and missed."""
        coded, count = right + wrong, right + missed
        f1 = _ratio(2 * right, coded + count)
        return cls(_ratio(right, coded), _ratio(right, count), f1, count, coded)


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
        macro_f1: Mean F1 of the profiles.
        kappa_by: Kappa by `language`, `source` and the coders' `confidence`, for groups of `MIN_ADS` or more.
        calibration_error: Expected calibration error of the confidence.
        unsure: How many ads have no confidence.
    """

    kappa: float | None
    kappa_95: tuple[float, float] | None
    clusters: int
    accuracy: float
    macro_f1: float | None
    per_class: dict[str, Rates]
    confusion: Confusion
    kappa_by: dict[str, dict[str, Group]]
    calibration_error: float | None
    unsure: int


@dataclass(frozen=True)
class SegmentAgreement:
    """Agreement on TASK and SKILL codes of the gold segments.

    Attributes:
        macro_f1: Mean F1 of the codes.
        by_language: The same for the ads of each language.
        unplaced: How many codes of the gold stand at none of its segments and are left out.
    """

    macro_f1: float | None
    per_code: dict[str, Rates]
    by_language: dict[str, Group]
    unplaced: int


@dataclass(frozen=True)
class ToolRates:
    """Agreement on tools, each once per ad.

    Attributes:
        right_code: Share of the tools found that have the same TECH code in the gold.
    """

    ads: int
    rates: Rates
    right_code: float | None


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
        tools: None where the gold says nothing of tools.
    """

    ads: int
    missing: int
    failed: int
    outside: int
    unknown_codes: tuple[str, ...]
    profile: ProfileAgreement
    segments: SegmentAgreement
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
        resamples: Resamples for the interval of kappa.

    Raises:
        InputError: There are no ads, a gold id stands twice, a profile is unknown or a confidence is no
            probability.
    """
    if not ads:
        raise InputError("Found no gold ads; expected at least one to compare with. Give other gold ads.")
    if twice := repeated(ad.id for ad in ads):
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
    return Agreement(
        ads=len(ads),
        missing=sum(row is None for row in rows),
        failed=sum(row is not None and (bool(row.error) or row.profile is None) for row in rows),
        outside=sum(len(row.codes) for row in rows if row) - sum(map(len, inside)),
        unknown_codes=tuple(sorted({s.code for spans in inside for s in spans} - set(codes))),
        profile=_profile_agreement(ads, rows, profiles, groups, resamples),
        segments=_segment_agreement(ads, known, [c for c in codes if not is_tech(c)], languages),
        tools=_tool_agreement(ads, known, languages) if "tech" in columns else None,
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
    return span.field == "title" or 0 <= span.start < span.end <= len(ad.text)


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
    resamples: int,
) -> ProfileAgreement:
    number = {p: i for i, p in enumerate(profiles)}
    labels = (*profiles, NONE)
    gold = np.array([number[ad.profile] for ad in ads], dtype=np.int64)
    given = [row.profile if row else None for row in rows]
    coded = np.array([len(profiles) if p is None else number[p] for p in given], dtype=np.int64)
    clusters = {c: i for i, c in enumerate(dict.fromkeys(ad.cluster for ad in ads))}
    cluster = np.array([clusters[ad.cluster] for ad in ads], dtype=np.int64)
    by_cluster = confusions(gold, coded, cluster, len(profiles), len(clusters))

    table = by_cluster.sum(0)
    right, in_gold, in_coded = np.diag(table), table.sum(1), table.sum(0)[:-1]
    per_class = {
        p: Rates.of(int(right[i]), int(in_coded[i] - right[i]), int(in_gold[i] - right[i]))
        for i, p in enumerate(profiles)
    }

    def kappa_of(members: Ints) -> Group:
        n = len(members)
        if n < MIN_ADS:
            return Group(n, None)
        part = confusions(gold[members], coded[members], np.zeros_like(members), len(profiles), 1)
        return Group(n, _defined(kappas(part)[0]))

    sure = [row.confidence if row else None for row in rows]
    unsure = sum(s is None for s in sure)
    error = None if unsure else calibration_error(np.array(sure, dtype=np.float64), gold == coded)
    return ProfileAgreement(
        kappa=_defined(kappas(table)),
        kappa_95=bootstrap_kappa(by_cluster, resamples),
        clusters=len(clusters),
        accuracy=float((gold == coded).mean()),
        macro_f1=_mean(r.f1 for r in per_class.values()),
        per_class=per_class,
        confusion=Confusion(tuple(profiles), labels, tuple(tuple(map(int, line)) for line in table)),
        kappa_by={
            name: {key: kappa_of(members) for key, members in members_of.items()}
            for name, members_of in groups.items()
            if members_of
        },
        calibration_error=error,
        unsure=unsure,
    )


def _segment_agreement(
    ads: Sequence[GoldAd],
    spans: Sequence[Sequence[Span]],
    codes: Sequence[str],
    languages: Mapping[str, Ints],
) -> SegmentAgreement:
    counts = np.array([segment_counts(ad, s, codes) for ad, s in zip(ads, spans, strict=True)])

    def rates(members: Ints | slice) -> dict[str, Rates]:
        sums = counts[members].sum(0)
        return {c: Rates.of(*map(int, line)) for c, line in zip(codes, sums, strict=True)}

    def macro_f1(of: Mapping[str, Rates]) -> float | None:
        return _mean(r.f1 for r in of.values())

    per_code = rates(slice(None))
    unplaced = 0
    for ad in ads:
        segments = set(ad.segments)
        unplaced += sum(c.code in codes and (c.start, c.end) not in segments for c in ad.codes)
    return SegmentAgreement(
        macro_f1=macro_f1(per_code),
        per_code=per_code,
        by_language={name: Group(len(m), macro_f1(rates(m))) for name, m in languages.items()},
        unplaced=unplaced,
    )


def _tool_agreement(
    ads: Sequence[GoldAd], spans: Sequence[Sequence[Span]], languages: Mapping[str, Ints]
) -> ToolAgreement:
    counts = np.array([tool_counts(ad, s) for ad, s in zip(ads, spans, strict=True)])

    def rates(part: Ints) -> ToolRates:
        right, wrong, missed, same_code = map(int, part.sum(0))
        return ToolRates(len(part), Rates.of(right, wrong, missed), _ratio(same_code, right))

    return ToolAgreement(rates(counts), {name: rates(counts[m]) for name, m in languages.items()})


def undefined(of: Agreement) -> list[tuple[tuple[str, ...], str]]:
    """The figures that are None, or rates of which one is, each with the way to it and the reason."""
    p, s = of.profile, of.segments
    few = f"fewer than {MIN_ADS} ads"
    one = "all ads have one and the same profile, in the gold and as coded"
    no_codes = "no segment has a code, in the gold or as coded"
    spread = "all ads are one cluster" if p.clusters < 2 else "no resample has a kappa"
    single: list[tuple[tuple[str, ...], object, str]] = [
        (("profile", "kappa"), p.kappa, one),
        (("profile", "kappa_95"), p.kappa_95, few if of.ads < MIN_ADS else spread),
        (
            ("profile", "calibration_error"),
            p.calibration_error,
            f"{p.unsure} of {of.ads} ads have no confidence",
        ),
        *(
            (("profile", "kappa_by", grouping, name), g.value, few if g.ads < MIN_ADS else one)
            for grouping, groups in p.kappa_by.items()
            for name, g in groups.items()
        ),
        (("segments", "macro_f1"), s.macro_f1, no_codes),
        *((("segments", "by_language", name), g.value, no_codes) for name, g in s.by_language.items()),
    ]
    rates: list[tuple[tuple[str, ...], Rates]] = [
        (("profile", "per_class", name), r) for name, r in p.per_class.items()
    ]
    rates += [(("segments", "per_code", name), r) for name, r in s.per_code.items()]
    for way, t in _tool_parts(of.tools):
        rates.append((("tools", *way), t.rates))
        if not _gap(t.rates):
            single.append((("tools", *way, "right_code"), t.right_code, "no tool was found"))
    out = [(way, why) for way, value, why in single if value is None]
    return [*out, *((way, why) for way, r in rates if (why := _gap(r)))]


def _tool_parts(tools: ToolAgreement | None) -> list[tuple[tuple[str, ...], ToolRates]]:
    """The figures on tools, each with the way to it."""
    if tools is None:
        return []
    return [(("overall",), tools.overall), *((("by_language", n), t) for n, t in tools.by_language.items())]


def _gap(rates: Rates) -> str:
    """Why some of the rates are None; empty where none is."""
    if not rates.count and not rates.coded:
        return "neither in the gold nor coded"
    return "never coded" if not rates.coded else "not in the gold" if not rates.count else ""


def as_dict(agreement: Agreement) -> dict[str, Any]:
    """The figures as JSON values; `undefined` lists those that are null, each with the reason."""
    reasons = [{"figure": list(way), "reason": why} for way, why in undefined(agreement)]
    return {**asdict(agreement), "undefined": reasons}


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _mean(values: Iterable[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return math.fsum(known) / len(known) if known else None


def _defined(value: float | np.float64 | NDArray[np.float64]) -> float | None:
    return None if math.isnan(value) else float(value)


def repeated(values: Iterable[str], seen: set[str] | None = None) -> list[str]:
    """The values that occur more than once, or in `seen`, which they are added to."""
    seen = set() if seen is None else seen
    out = []
    for v in values:
        if v in seen:
            out.append(v)
        seen.add(v)
    return out
