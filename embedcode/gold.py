"""Ads coded by people: reading them, and carrying their codes over to the segments that embedcode finds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from embedcode.errors import InputError
from embedcode.values import identifiers

COLUMNS = ("id", "text", "profile", "segments", "codes")
"""Columns that coded ads must have."""


@dataclass(frozen=True)
class GivenCode:
    """A code that coders gave to a segment: code points in the text, end exclusive; how many gave it."""

    start: int
    end: int
    code: str
    coders: int


@dataclass(frozen=True)
class GivenTool:
    """A tool that coders found in an ad, with its code, and how many coders found it."""

    name: str
    code: str
    coders: int


@dataclass(frozen=True)
class GoldAd:
    """A coded ad.

    Attributes:
        cluster: Joins near-duplicates; they must not be parted by cross-validation.
        segments: The segments that the coders looked at, coded or not.
        confidence: From 1 (coin-flip) to 3 (clear).
        coders: How many coders coded the ad.
    """

    id: str
    text: str
    profile: str
    segments: tuple[tuple[int, int], ...]
    codes: tuple[GivenCode, ...]
    tools: tuple[GivenTool, ...]
    cluster: str
    source: str
    language: str
    confidence: float
    coders: int
    locked: bool

    def is_settled(self, given: GivenCode | GivenTool) -> bool:
        """Whether all of its coders gave it a code or a tool."""
        return given.coders >= self.coders


def read_gold(path: Path, profiles: Iterable[str], codes: Iterable[str]) -> list[GoldAd]:
    """Read coded ads from a Parquet file.

    Args:
        path: The file. Needs the columns `id`, `text`, `profile`, `segments` (list of start, end) and `codes`
            (list of start, end, code); `tech`, `cluster`, `source`, `lang`, `confidence`, `coders` and `locked`
            are used where present.
        profiles: The profiles that may occur.
        codes: The codes that may occur; `OTHER` may as well.

    Raises:
        InputError: The file cannot be read, a column is missing, a profile or code is unknown, or a span lies
            outside its text.
    """
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"Cannot read coded ads from {path} ({error}). Expected a Parquet file.") from error
    missing = [c for c in COLUMNS if c not in table.column_names]
    if missing:
        raise InputError(
            f"{path} lacks the column(s) {', '.join(missing)}; found {', '.join(table.column_names)}. "
            f"Coded ads need {', '.join(COLUMNS)}."
        )
    known_profiles, known_codes = set(profiles), {*codes, "OTHER"}
    try:
        ids = identifiers(table["id"].combine_chunks())
        ads = [_gold_ad(row, name) for row, name in zip(table.to_pylist(), ids.to_pylist(), strict=True)]
    except (KeyError, TypeError, ValueError, pa.ArrowException) as error:
        raise InputError(
            f"{path} has a column of another kind than expected ({type(error).__name__}: {error}). Expected segments "
            "as list of (start, end), codes as list of (start, end, code), tech as list of (name, code)."
        ) from error
    for ad in ads:
        for start, end in ad.segments:
            if not 0 <= start < end <= len(ad.text):
                raise InputError(
                    f"{path}: ad {ad.id!r} has a segment at {start}-{end}, but its text has {len(ad.text)} code "
                    "points. Offsets count code points, end exclusive."
                )
        if ad.profile not in known_profiles:
            raise InputError(
                f"{path}: ad {ad.id!r} has the profile {ad.profile!r}; expected one of "
                f"{', '.join(sorted(known_profiles))}. A new profile is added to profiles.csv first."
            )
        for c in ad.codes:
            if c.code not in known_codes:
                raise InputError(f"{path}: ad {ad.id!r} has the unknown code {c.code!r}; add it to codes.csv first.")
            if not 0 <= c.start < c.end <= len(ad.text):
                raise InputError(
                    f"{path}: ad {ad.id!r} has {c.code} at {c.start}-{c.end}, but its text has {len(ad.text)} "
                    "code points. Offsets count code points, end exclusive."
                )
    return ads


def _gold_ad(row: dict[str, object], name: str | None) -> GoldAd:
    get = row.get
    coders = int(get("coders") or 1)  # type: ignore[call-overload]
    sure = float(get("confidence") or 3.0)  # type: ignore[arg-type]
    segments, codes, tech = (list(get(k) or ()) for k in ("segments", "codes", "tech"))  # type: ignore[call-overload]
    return GoldAd(
        id=str(name),
        text=str(row["text"] or ""),
        profile=str(row["profile"]),
        segments=tuple((s["start"], s["end"]) for s in segments),
        codes=tuple(GivenCode(c["start"], c["end"], c["code"], c.get("coders") or coders) for c in codes),
        tools=tuple(GivenTool(t["name"], t["code"], t.get("coders") or coders) for t in tech),
        cluster=str(get("cluster") or name),
        source=str(get("source") or ""),
        language=str(get("lang") or ""),
        confidence=3.0 if sure != sure else sure,  # NaN is none
        coders=coders,
        locked=bool(get("locked")),
    )


def labels_of(
    ad: GoldAd, spans: Sequence[tuple[int, int]], codes: Sequence[str]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Carry an ad's codes over to other spans of its text.

    A span carries a code where it covers at least half of a segment that the coders gave the code. A smaller piece
    of such a segment, at least half of it inside, may or may not be the reason for the code: it is not certain.

    Args:
        ad: The coded ad.
        spans: Start and end of segments of the ad's text.
        codes: The codes asked for.

    Returns:
        Which code each span carries, and whether that is certain (False for pieces, and where only some of the
        coders gave the code), both of shape (len(spans), len(codes)).
    """
    labels = np.zeros((len(spans), len(codes)), dtype=np.bool_)
    known = np.ones((len(spans), len(codes)), dtype=np.bool_)
    column = {c: i for i, c in enumerate(codes)}
    if not spans:
        return labels, known
    start, end = np.array(spans, dtype=np.int64).T
    for given in ad.codes:
        if given.code not in column:
            continue
        overlap = np.minimum(end, given.end) - np.maximum(start, given.start)
        covers = 2 * overlap >= given.end - given.start
        piece = (overlap > 0) & (2 * overlap >= end - start)
        known[covers | piece, column[given.code]] = False
        if given.coders == ad.coders:
            labels[covers, column[given.code]] = True
    known |= labels
    return labels, known


def coded_segments(ad: GoldAd, codes: Sequence[str]) -> tuple[list[str], NDArray[np.bool_], NDArray[np.bool_]]:
    """The segments as the coders saw them, with their codes.

    Returns:
        Texts of the segments; which code each carries, and whether that is certain, both of shape
        (n_segments, len(codes)).
    """
    labels, known = labels_of(ad, ad.segments, codes)
    return [ad.text[a:b] for a, b in ad.segments], labels, known


def grouped_folds(ads: Sequence[GoldAd], count: int, seed: int = 0) -> NDArray[np.int64]:
    """Assign ads to folds so that clusters stay whole and profiles are spread evenly, shape (len(ads),)."""
    from sklearn.model_selection import StratifiedGroupKFold

    clusters = [a.cluster for a in ads]
    largest = max(Counter(a.profile for a in ads).values(), default=0)
    count = min(count, len(set(clusters)), largest)
    if count < 2:
        raise InputError(
            f"Found {len(ads)} coded ads in {len(set(clusters))} cluster(s); cross-validation needs at least two "
            "clusters, and two ads of one profile. Add coded ads."
        )
    folds = np.zeros(len(ads), dtype=np.int64)
    split = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
    for fold, (_, test) in enumerate(split.split(ads, [a.profile for a in ads], clusters)):
        folds[test] = fold
    return folds
