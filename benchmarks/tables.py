"""The tables of `accuracy.py`: figures by way of coding, reliability, coverage, and the spread over seeds."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from embedcode.agreement import OPTIONAL, Agreement, Coded, agreement
from embedcode.gold import GoldAd
from embedcode.kappa import BINS, cohen_kappa

MARKET = "nl-2023-2025"
"""The source whose ads are in Dutch and English."""

FLOORS = (0.0, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
"""Values of `--min-confidence` in the table of coverage."""

RESAMPLES = 2000

Figures = dict[str, float | None]


@dataclass(frozen=True)
class Column:
    """Ads and how they were coded.

    Attributes:
        segments, tools: Whether the way of coding gives codes of segments, and tools.
    """

    ads: Sequence[GoldAd]
    rows: Mapping[str, Coded]
    segments: bool = True
    tools: bool = True

    def only(self, ids: Container[str]) -> Column:
        """The column for some of the ads."""
        return replace(self, ads=[a for a in self.ads if a.id in ids])

    def scored(self, profiles: Sequence[str], codes: Sequence[str]) -> Figures:
        """The figures of the column."""
        columns = [c for c in OPTIONAL if self.tools or c != "tech"]
        found = agreement(self.ads, self.rows, profiles, codes, columns=columns, resamples=RESAMPLES)
        return _figures(found, self.segments) | self._market()

    def kappa(self, ads: Sequence[GoldAd]) -> float:
        """Kappa on some of the ads; NaN where there are none."""
        return cohen_kappa([a.profile for a in ads], [self.rows[a.id].profile or "" for a in ads]) if ads else np.nan

    def _market(self) -> Figures:
        """Kappa of the other sources together, and of Dutch against English ads of the market."""
        ads = [a for a in self.ads if a.id in self.rows]
        others = [a for a in ads if a.source != MARKET]
        market = [a for a in ads if a.source == MARKET]
        if not others or not market:
            return {}

        def gap(drawn: Sequence[GoldAd]) -> float:
            by = [[a for a in drawn if a.language == language] for language in ("nl", "en")]
            return self.kappa(by[0]) - self.kappa(by[1])

        low, high = _interval(market, gap)
        return {
            "kappa, other sources": self.kappa(others),
            "kappa, market in Dutch": self.kappa([a for a in market if a.language == "nl"]),
            "kappa, market in English": self.kappa([a for a in market if a.language == "en"]),
            "Dutch less English": gap(market),
            "  gap, 95 % from": low,
            "  gap, 95 % to": high,
        }

    def sureness(self) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Confidence of each ad and whether its profile is right, both of shape (n_ads,)."""
        rows = [self.rows[a.id] for a in self.ads]
        right = [r.profile == a.profile for r, a in zip(rows, self.ads, strict=True)]
        return np.array([r.confidence or 0.0 for r in rows]), np.array(right)


def _interval(ads: Sequence[GoldAd], value: Callable[[Sequence[GoldAd]], float]) -> tuple[float, float]:
    """The 95 % interval of a value when clusters of ads are drawn with replacement (percentiles)."""
    clusters: dict[str, list[GoldAd]] = {}
    for ad in ads:
        clusters.setdefault(ad.cluster, []).append(ad)
    groups, random = list(clusters.values()), np.random.default_rng(0)
    draws = random.integers(0, len(groups), (RESAMPLES, len(groups)))
    values = [value([ad for i in draw for ad in groups[i]]) for draw in draws]
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return float(low), float(high)


def show(figures: Mapping[str, Figures]) -> None:
    """Print the table: figures by column."""
    width = max(7, *map(len, figures)) + 2
    print(f"{'':<28}" + "".join(f"{name:>{width}}" for name in figures))
    for row in dict.fromkeys(r for f in figures.values() for r in f):
        cells = [f.get(row) for f in figures.values()]
        print(f"{row:<28}" + "".join(f"{'-' if c is None else f'{c:.3f}':>{width}}" for c in cells))


def show_spread(figures: Mapping[str, Figures], rows: Sequence[str] = ("kappa", "macro-F1 of segments")) -> None:
    """Print how far figures differ between columns that differ by chance only."""
    for row in rows:
        values = [v for f in figures.values() if (v := f.get(row)) is not None]
        print(
            f"{row}: mean {np.mean(values):.3f}, from {min(values):.3f} to {max(values):.3f}, "
            f"standard deviation {np.std(values, ddof=1):.4f}"
        )


def show_reliability(column: Column) -> None:
    """Print the reliability plot: share of right profiles (bar) against the mean confidence (|) of each bin."""
    confidence, right = column.sureness()
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    print("confidence     ads   mean  right")
    for b in np.unique(bins):
        mine = bins == b
        mean, share = confidence[mine].mean(), right[mine].mean()
        bar = list(f"{'█' * round(40 * share):<41}")
        bar[round(40 * mean)] = "|"
        print(
            f"{b / BINS:.1f} to {(b + 1) / BINS:.1f}  {mine.sum():>6}  {mean:.3f}  {share:.3f}  {''.join(bar).rstrip()}"
        )


def show_coverage(column: Column) -> None:
    """Print kappa on the ads that keep their profile, by `--min-confidence`."""
    confidence, right = column.sureness()
    print("--min-confidence  coverage  accuracy  kappa")
    for floor in FLOORS:
        kept = confidence >= floor
        ads = [a for a, k in zip(column.ads, kept, strict=True) if k]
        print(f"{floor:>16.2f}  {kept.mean():>8.3f}  {right[kept].mean():>8.3f}  {column.kappa(ads):.3f}")


def _figures(found: Agreement, with_segments: bool) -> Figures:
    """The rows of the table."""
    profile, segments, tools = found.profile, found.segments, found.tools
    low, high = profile.kappa_95 or (None, None)
    out: Figures = {
        "ads (thousands)": found.ads / 1000,
        "kappa": profile.kappa,
        "  95 % from": low,
        "  95 % to": high,
        "accuracy": profile.accuracy,
        "macro-F1 of profiles": profile.macro_f1,
        "calibration error": profile.calibration_error,
    }
    for kind, groups in profile.kappa_by.items():
        out |= {f"kappa, {kind} {name}": g.value for name, g in groups.items()}
    if with_segments:
        out["macro-F1 of segments"] = segments.macro_f1
        out |= {f"segments, language {name}": g.value for name, g in segments.by_language.items()}
        out |= {f"F1 {c}": rates.f1 for c, rates in segments.per_code.items()}
    if tools:
        out |= {"tools F1": tools.overall.rates.f1, "right TECH code": tools.overall.right_code}
    return out
