"""Agreement of coded ads with ads coded by people.

Every measure starts from counts per ad and takes its figures from their sums, over all ads, a group of ads or
a resample. A figure that is undefined is None, and `undefined` says why.

Profiles are compared by Cohen's kappa (Cohen 1960), with a bootstrap interval that draws clusters of
near-duplicates instead of ads. TASK and SKILL codes are compared for each segment that the coders looked at,
tools for each ad.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from embedcode.coded import EVIDENCE
from embedcode.errors import InputError
from embedcode.gold import GivenTool, GoldAd, read_gold
from embedcode.values import identifiers

MIN_ADS = 20
"""Fewest ads for the kappa of a group and for an interval."""

BINS = 10
"""Bins of the expected calibration error, all of the same width."""

OPTIONAL = ("source", "lang", "confidence", "tech")
"""Columns of the gold that some measures need; without them these measures are left out."""

NONE = "(none)"
"""Stands for the profile of ads that were not coded."""

OTHER_TOOL = "OTHER"
"""The code of tools that no TECH code of the coding book fits."""

LONGEST_MENTION = 60
"""Longest evidence, in code points, that matches a tool by shared words: a sentence holds too many."""

_CHUNK = 1 << 20
_BATCH_ROWS = 1024
_EXAMPLES = 3
_BANDS = ("below 2", "2", "above 2")
_NAME_WORD = re.compile(r"[a-z0-9+#]+")

Ints = NDArray[np.int64]


class Span(Protocol):
    """What is compared of a piece of evidence; fields as in `coded.EVIDENCE`."""

    @property
    def code(self) -> str:
        """Its code."""
        ...

    @property
    def start(self) -> int:
        """Where it starts, in code points."""
        ...

    @property
    def end(self) -> int:
        """Where it ends, exclusive."""
        ...

    @property
    def field(self) -> str:
        """`text` or `title`."""
        ...

    @property
    def text(self) -> str:
        """The slice itself."""
        ...

    @property
    def tool(self) -> str | None:
        """Name of the tool, of TECH codes only."""
        ...


class Coded(Protocol):
    """What is compared of a coded ad; `coded.CodedAd` is one."""

    @property
    def profile(self) -> str | None:
        """Its profile, None where it could not be coded."""
        ...

    @property
    def confidence(self) -> float | None:
        """Probability of the profile."""
        ...

    @property
    def codes(self) -> Sequence[Span]:
        """Its evidence."""
        ...

    @property
    def error(self) -> str | None:
        """Why it could not be coded."""
        ...


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
    columns = [c for c in OPTIONAL if c in pq.read_schema(gold).names]
    rows = read_coded(coded, [ad.id for ad in ads])
    return agreement(ads, rows, profiles, codes, columns=columns, resamples=resamples)


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
    if twice := _repeated(ad.id for ad in ads):
        raise InputError(
            f"Found {_some(twice)} more than once among the gold ads; expected each id once. Remove the repeated rows."
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
        segments=_segment_agreement(ads, known, [c for c in codes if not _is_tech(c)], languages),
        tools=_tool_agreement(ads, known, languages) if "tech" in columns else None,
    )


def _check_rows(ads: Sequence[GoldAd], rows: Sequence[Coded | None], profiles: Sequence[str]) -> None:
    unknown = sorted({row.profile for row in rows if row and row.profile is not None} - set(profiles))
    if unknown:
        raise InputError(
            f"Found the unknown profile(s) {_some(unknown, 10)} among the coded ads; expected "
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


def _is_tech(code: str) -> bool:
    return code.startswith("TECH")


def _members(ads: Sequence[GoldAd], grouping: Grouping) -> dict[str, Ints]:
    """Numbers of the ads in each group."""
    keys = [grouping.key(ad) for ad in ads]
    names = [n for n in (grouping.order or sorted(set(keys))) if n and n in keys]
    return {name: np.array([i for i, k in enumerate(keys) if k == name], dtype=np.int64) for name in names}


# Profiles


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


def confusions(gold: Ints, coded: Ints, group: Ints, n_labels: int, n_groups: int) -> Ints:
    """Count pairs of labels in each group.

    Args:
        gold: Label of each ad in the gold, shape (n_ads,).
        coded: Label of each ad as coded, `n_labels` for none, shape (n_ads,).
        group: Group of each ad, shape (n_ads,).
        n_labels: How many labels there are.
        n_groups: How many groups there are.

    Returns:
        Shape (n_groups, n_labels, n_labels + 1): rows are gold labels, columns coded ones, none last.
    """
    shape = (n_groups, n_labels, n_labels + 1)
    cell = np.ravel_multi_index((group, gold, coded), shape)
    return np.asarray(np.bincount(cell, minlength=math.prod(shape)).reshape(shape), dtype=np.int64)


def kappas(tables: NDArray[Any]) -> NDArray[np.float64]:
    """Cohen's kappa of confusion matrices.

    Args:
        tables: Counts, shape (..., n_labels, n_labels + 1), the last column for ads that were not coded.

    Returns:
        Shape (...); NaN where all ads have one and the same label on both sides, or there are no ads.
    """
    counts = np.asarray(tables, dtype=np.float64)
    n = counts.sum((-2, -1))
    agreed = np.trace(counts, axis1=-2, axis2=-1)
    chance = (counts.sum(-1) * counts.sum(-2)[..., :-1]).sum(-1)
    with np.errstate(invalid="ignore"):
        return np.asarray((n * agreed - chance) / (n * n - chance), dtype=np.float64)


def bootstrap_kappa(tables: Ints, resamples: int, seed: int = 0) -> tuple[float, float] | None:
    """The 95 % interval of kappa when clusters are drawn with replacement (percentiles).

    Args:
        tables: Confusion matrix of each cluster, shape (n_clusters, n_labels, n_labels + 1).
        resamples: How many times clusters are drawn.
        seed: Of the random draws.

    Returns:
        Lower and upper bound; None where there are fewer than `MIN_ADS` ads or two clusters, or no
        resample of that size has a kappa.
    """
    clusters, shape = len(tables), tables.shape[1:]
    if clusters < 2 or tables.sum() < MIN_ADS:
        return None
    flat = tables.reshape(clusters, -1).astype(np.float64)
    rng = np.random.default_rng(seed)
    found = []
    step = max(1, _CHUNK // clusters)
    for first in range(0, resamples, step):
        size = min(step, resamples - first)
        drawn = rng.integers(0, clusters, (size, clusters)) + np.arange(size)[:, None] * clusters
        times = np.bincount(drawn.ravel(), minlength=size * clusters).reshape(size, clusters)
        sums = (times @ flat).reshape(size, *shape)
        found.append(kappas(sums[sums.sum((1, 2)) >= MIN_ADS]))
    values = np.concatenate([np.zeros(0), *found])
    values = values[~np.isnan(values)]
    if not len(values):
        return None
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def calibration_error(confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """Expected calibration error: distance of mean confidence and accuracy per bin, averaged over the ads.

    Args:
        confidence: Of the profile given, from 0 to 1, shape (n_ads,).
        right: Whether it is the gold profile, shape (n_ads,).
    """
    bins = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
    gaps = np.bincount(bins, weights=confidence - right, minlength=BINS)
    return float(np.abs(gaps).sum() / len(confidence))


# Segments


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


def segment_counts(ad: GoldAd, spans: Iterable[Span], codes: Sequence[str]) -> Ints:
    """How many segments of an ad got each code rightly, got it wrongly, or lack it.

    Evidence in the text codes a segment where it covers half of the segment or more, or where half of the
    evidence or more lies inside. A code that only some of the ad's coders gave a segment is left out
    there.

    Returns:
        Shape (n_codes, 3).
    """
    column = {c: i for i, c in enumerate(codes)}
    row: dict[tuple[int, int], list[int]] = {}
    for i, segment in enumerate(ad.segments):
        row.setdefault(segment, []).append(i)
    shape = (len(ad.segments), len(codes))
    given, settled, found = np.zeros(shape, np.bool_), np.ones(shape, np.bool_), np.zeros(shape, np.bool_)
    for code in ad.codes:
        if code.code in column:
            place = row.get((code.start, code.end), []), column[code.code]
            given[place] = True
            settled[place] = code.coders >= ad.coders
    phrases = [(s.start, s.end, column[s.code]) for s in spans if s.code in column and s.field == "text"]
    if phrases and ad.segments:
        start, end, code_of = np.array(phrases, dtype=np.int64).T
        first, last = np.array(ad.segments, dtype=np.int64).T[:, :, None]
        shared = np.minimum(end, last) - np.maximum(start, first)
        hit = (shared > 0) & (2 * shared >= np.minimum(last - first, end - start))
        where, phrase = np.nonzero(hit)
        found[where, code_of[phrase]] = True
    outcomes = (given & found, found & ~given, given & ~found)
    return np.stack([(o & settled).sum(0) for o in outcomes], axis=1)


# Tools


class Mention(NamedTuple):
    """A tool that was found in an ad: its name, its first evidence and its code."""

    tool: str
    text: str
    code: str


def _tool_agreement(
    ads: Sequence[GoldAd], spans: Sequence[Sequence[Span]], languages: Mapping[str, Ints]
) -> ToolAgreement:
    counts = np.array([tool_counts(ad, s) for ad, s in zip(ads, spans, strict=True)])

    def rates(part: Ints) -> ToolRates:
        right, wrong, missed, same_code = map(int, part.sum(0))
        return ToolRates(len(part), Rates.of(right, wrong, missed), _ratio(same_code, right))

    return ToolAgreement(rates(counts), {name: rates(counts[m]) for name, m in languages.items()})


def tool_counts(ad: GoldAd, spans: Iterable[Span]) -> tuple[int, int, int, int]:
    """How many tools of an ad were found, wrongly found and missed, and how many were found with their code.

    A tool of the gold counts where all of the ad's coders found it and the coding book has a code for it. A
    mention of any other tool of the gold is neither right nor wrong.
    """
    wanted = [t for t in ad.tools if _is_settled(t, ad)]
    mentions = _mentions(spans)
    pairs = match_tools([t.name for t in wanted], mentions)
    matched = {m for _, m in pairs}
    left_out = [t.name for t in ad.tools if not _is_settled(t, ad)]
    wrong = [
        m
        for i, m in enumerate(mentions)
        if i not in matched and not any(_same_name(n, m) or _shares_words(n, m) for n in left_out)
    ]
    same_code = sum(wanted[t].code == mentions[m].code for t, m in pairs)
    return len(pairs), len(wrong), len(wanted) - len(pairs), same_code


def _is_settled(tool: GivenTool, ad: GoldAd) -> bool:
    return tool.code != OTHER_TOOL and tool.coders >= ad.coders


def _mentions(spans: Iterable[Span]) -> list[Mention]:
    """The tools that an ad's evidence names, each once."""
    found: dict[str, Mention] = {}
    for s in spans:
        if _is_tech(s.code):
            name = s.tool or s.text
            found.setdefault(_joined(name) or name, Mention(name, s.text, s.code))
    return list(found.values())


def match_tools(names: Sequence[str], mentions: Sequence[Mention]) -> list[tuple[int, int]]:
    """Match tools of the gold with mentions, one to one, in their order.

    Equal names go first. Of the rest, two names match where one holds all words of the other.

    Returns:
        Numbers of name and mention of each match.
    """
    pairs: list[tuple[int, int]] = []
    names_left, mentions_left = dict.fromkeys(range(len(names))), dict.fromkeys(range(len(mentions)))
    for matches in (_same_name, _shares_words):
        for n in list(names_left):
            m = next((m for m in mentions_left if matches(names[n], mentions[m])), None)
            if m is not None:
                pairs.append((n, m))
                del names_left[n], mentions_left[m]
    return pairs


def _same_name(name: str, mention: Mention) -> bool:
    joined = _joined(name)
    return bool(joined) and joined in (_joined(mention.tool), _joined(mention.text))


def _shares_words(name: str, mention: Mention) -> bool:
    words = set(_name_words(name))
    if not words or len(mention.text) > LONGEST_MENTION:
        return False
    others = (set(_name_words(mention.tool)), set(_name_words(mention.text)))
    return any(o and (words <= o or o <= words) for o in others)


@lru_cache(maxsize=1 << 14)
def _name_words(name: str) -> tuple[str, ...]:
    return tuple(_NAME_WORD.findall(name.lower().replace(".js", "js")))


def _joined(name: str) -> str:
    return "".join(_name_words(name))


# Reading coded ads

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
                if twice := _repeated(found, seen):
                    raise InputError(
                        f"Found {_some(twice)} more than once in {path}; expected each id once. Remove the "
                        "repeated rows, or code the ads with an id column that holds no id twice."
                    )
                rows.update((r["id"], _coded_row(r)) for r in kept)
        except (OSError, pa.ArrowException) as error:
            raise InputError(
                f"Cannot read coded ads from {file} ({error}). Expected Parquet as `embedcode classify` writes it."
            ) from error
    if not rows:
        raise InputError(
            f"None of the gold ids is among the ids of {path}. Found there {_some(sorted(seen))}; expected "
            f"ids such as {_some(wanted.to_pylist())}. Code the gold ads, their ids as `--id-column`."
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


# Showing


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


def render(agreement: Agreement) -> str:
    """The figures as tables for the terminal; `-` stands for what is undefined, with the reason below."""
    a, p, s, t = agreement, agreement.profile, agreement.segments, agreement.tools
    lines = [_ads(a)]
    interval = f"95 % interval {p.kappa_95[0]:.3f} to {p.kappa_95[1]:.3f}" if p.kappa_95 else "95 % interval -"
    lines += ["", "Profiles"]
    lines += _table(
        [
            ["kappa", _number(p.kappa), f"({interval}, {_count(p.clusters, 'cluster')})"],
            ["accuracy", _number(p.accuracy)],
            ["macro-F1", _number(p.macro_f1)],
            ["calibration error", _number(p.calibration_error), f"(expected, {BINS} bins)"],
        ],
        right=(1,),
    )
    lines += ["", *_rates_table("profile", "ads", p.per_class)]
    confusion = [[name, *map(str, row)] for name, row in zip(p.confusion.gold, p.confusion.counts, strict=True)]
    lines += ["", *_table([["gold \\ coded", *p.confusion.coded], *confusion])]
    for grouping, groups in p.kappa_by.items():
        lines += ["", *_groups_table(grouping, "kappa", groups)]
    lines += _reasons(a, "profile")

    lines += ["", "Segments", *_table([["macro-F1", _number(s.macro_f1)]])]
    lines += ["", *_rates_table("code", "segments", s.per_code)]
    if s.by_language:
        lines += ["", *_groups_table("language", "macro-F1", s.by_language)]
    lines += _reasons(a, "segments")

    if t:
        head = ["", "precision", "recall", "F1", "tools", "coded", "right code"]
        parts = [("all", t.overall), *t.by_language.items()]
        body = [[name, *_rates_cells(x.rates), _number(x.right_code)] for name, x in parts]
        lines += ["", "Tools", *_table([head, *body]), *_reasons(a, "tools")]
    notes = [
        (a.outside, f"{_count(a.outside, 'span')} outside the text ignored."),
        (len(a.unknown_codes), f"Spans with unknown codes ignored: {_some(a.unknown_codes, 10)}."),
        (s.unplaced, f"{_count(s.unplaced, 'code')} of the gold left out: at none of its segments."),
        (t is None, "No tools compared: the gold has no column tech."),
    ]
    shown = [text for applies, text in notes if applies]
    return "\n".join([*lines, *([""] if shown else []), *shown])


def _ads(a: Agreement) -> str:
    uncoded = f"{a.missing} missing from the coded ads, {a.failed} with an error or without a profile"
    return f"{_count(a.ads, 'gold ad')}: {uncoded}" + ("; these count as errors" if a.missing + a.failed else "")


def _count(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"


def _rates_table(what: str, counted: str, of: Mapping[str, Rates]) -> list[str]:
    head = [what, "precision", "recall", "F1", counted, "coded"]
    return _table([head, *([name, *_rates_cells(r)] for name, r in of.items())])


def _rates_cells(r: Rates) -> list[str]:
    return [*map(_number, (r.precision, r.recall, r.f1)), str(r.count), str(r.coded)]


def _groups_table(what: str, figure: str, groups: Mapping[str, Group]) -> list[str]:
    return _table([[what, "ads", figure], *([name, str(g.ads), _number(g.value)] for name, g in groups.items())])


_WORDS = {
    **dict.fromkeys(("per_class", "per_code"), ""),
    "by_language": "by language",
    "calibration_error": "calibration error",
    "kappa_95": "95 % interval of kappa",
    "kappa_by": "kappa by",
    "macro_f1": "macro-F1",
    "overall": "all",
    "right_code": "right code",
}


def _reasons(of: Agreement, section: str) -> list[str]:
    ways = [([_WORDS.get(name, name) for name in way[1:]], why) for way, why in undefined(of) if way[0] == section]
    out = [f"  - {' '.join(filter(None, words))}: {why}" for words, why in ways]
    return ["", *out] if out else []


def _table(rows: Sequence[Sequence[str]], right: Collection[int] | None = None) -> list[str]:
    """Lines of cells in columns; all but the first are set right, or those given."""
    widths = [max(len(r[i]) for r in rows if i < len(r)) for i in range(max(map(len, rows)))]
    right = range(1, len(widths)) if right is None else right
    return [
        "  " + "  ".join(c.rjust(widths[i]) if i in right else c.ljust(widths[i]) for i, c in enumerate(r)).rstrip()
        for r in rows
    ]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _mean(values: Iterable[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return math.fsum(known) / len(known) if known else None


def _defined(value: float | np.float64 | NDArray[np.float64]) -> float | None:
    return None if math.isnan(value) else float(value)


def _repeated(values: Iterable[str], seen: set[str] | None = None) -> list[str]:
    """The values that occur more than once, or in `seen`, which they are added to."""
    seen = set() if seen is None else seen
    out = []
    for v in values:
        if v in seen:
            out.append(v)
        seen.add(v)
    return out


def _some(values: Sequence[str], most: int = _EXAMPLES) -> str:
    """The first of several values, for a message."""
    more = f" and {len(values) - most} more" if len(values) > most else ""
    return (", ".join(map(repr, values[:most])) + more) if values else "none"
