"""The figures of a report on coded ads: counts, tests of association, agreement, and how the ads were coded."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from embedcode._version import __version__
from embedcode.association import Association, association, holm
from embedcode.book import book_hash, read_book
from embedcode.breakdown import Breakdown, Ints
from embedcode.coded_files import is_finished, schema_of
from embedcode.counts import Counts, Flow, count
from embedcode.evaluate import Evaluation, evaluate
from embedcode.folder import MANIFEST, read_json
from embedcode.paths import find_anchors
from embedcode.periods import between

DATE = "date"
"""The column of dates that is found by name."""

GROUPS = 12
"""Most groups of ads that are told apart; the rest are joined, those with the fewest ads."""

PERIODS_SHOWN = 600
"""Most periods between the first and the last."""

TESTED_TOOLS = 10
"""How many of the most frequent tools are tested for association."""


@dataclass(frozen=True)
class Test:
    """A test of association of what was coded with an outside column.

    Attributes:
        column: The column.
        name: `profile`, or a code, or a tool.
        found: None where there was nothing to test: in no ad or in all, or a single group.
        corrected: The p-value after Holm's correction over all tests of the report.
    """

    column: str
    name: str
    found: Association | None
    corrected: float | None = None


@dataclass(frozen=True)
class Method:
    """How the ads were coded.

    Attributes:
        coded_with: Version of embedcode that coded them.
        reported_with: Version that made the report.
        bundle: Hashes of the parts of the bundle.
        min_confidence: Below it, ads got no profile.
        inputs: Files with `path`, `bytes` and `sha256`.
        problems: What of the input could not be read.
        repeated_ids: Rows with an id that a row before them has.
        finished: Whether the run that coded them came to its end.
        deduplicated: How near-duplicates were looked for; empty where they were not.
    """

    coded_with: str
    reported_with: str
    bundle: Mapping[str, str]
    min_confidence: float
    inputs: Sequence[Mapping[str, Any]]
    problems: Sequence[str]
    repeated_ids: int
    finished: bool
    deduplicated: str


@dataclass(frozen=True)
class Report:
    """What a report says.

    Attributes:
        title: Its title.
        counts: The coded ads, counted; of `by`, the smallest groups are joined.
        period: What a period is.
        code_names: Names of codes; empty where the coding book at hand is not the one that coded.
        tests: Tests of association.
        method: How the ads were coded.
        agreement: With ads that people coded; None where none are given.
    """

    title: str
    counts: Counts
    period: str
    code_names: Mapping[str, str]
    tests: Sequence[Test]
    method: Method
    agreement: Evaluation | None

    @property
    def tested(self) -> int:
        """How many tests there were something to test in."""
        return sum(t.found is not None for t in self.tests)


def report(
    coded: Path,
    *,
    title: str = "Coded job advertisements",
    by: Sequence[str] = (),
    date: str | None = None,
    period: str = "month",
    gold: Path | None = None,
    anchors: Path | None = None,
) -> Report:
    """Collect the figures of a report.

    Args:
        coded: What `classify` wrote: its folder, or one of its parts.
        title: Of the report.
        by: Outside columns to test for association: `language`, or columns of the input that were kept.
        date: Column of dates; None for one called `date`, if there is one.
        period: One of `periods.PERIODS`.
        gold: Ads that people coded; those of them that are among the coded ads are compared.
        anchors: The coding book, for the names of codes.

    Raises:
        InputError: There are no coded ads, a column is missing or cannot be counted by, or the gold cannot be compared.
    """
    columns = schema_of(coded)
    by = tuple(dict.fromkeys(by))
    date = date or (DATE if DATE in columns.names else None)
    counts = count(coded, by=by, date=date, period=period)
    method = _method(coded, columns, counts.flow)
    if counts.by_period:
        counts = replace(counts, by_period=without_gaps(counts.by_period, period))
    counts = replace(counts, by=tuple(joined(b) for b in counts.by))
    outside = [*counts.by, *([counts.by_period] if counts.by_period and date in by else [])]
    return Report(
        title,
        counts,
        period,
        _code_names(anchors, method.bundle),
        _corrected([t for breakdown in outside for t in _tests(breakdown, counts)]),
        method,
        evaluate(coded, gold, counts.profiles, counts.codes, shared=True) if gold else None,
    )


def paragraph(found: Report) -> str:
    """How a paper may describe the coding, filled in."""
    flow, method = found.counts.flow, found.method
    bundle = ", ".join(f"{name} {hash[:12]}" for name, hash in sorted(method.bundle.items()))
    left_out = {
        "that could not be coded": flow.failed,
        "in neither English nor Dutch": flow.foreign,
        "repeating another": flow.duplicates,
    }
    listed = ", ".join(f"{n:,} {why}" for why, n in left_out.items() if n)
    sentences = [
        f"The advertisements were coded with embedcode {method.coded_with} (bundle: {bundle or 'unknown'}), which "
        f"gives each advertisement one of {len(found.counts.profiles)} profiles and marks in its text the evidence "
        f"for {len(found.counts.codes)} codes.",
        f"Of {flow.rows:,} rows, {flow.counted:,} were analysed{f'; left out were {listed}' if listed else ''}.",
    ]
    if not method.deduplicated:
        sentences.append("Near-duplicates were not looked for.")
    if found.agreement:
        sentences.append(_agreement_sentence(found.agreement))
    if found.tested:
        columns = ", ".join(dict.fromkeys(t.column for t in found.tests))
        sentences.append(
            f"Association with {columns} was tested by Pearson's chi-square tests, or by permutation where expected "
            f"counts were below 5; p-values were corrected for {found.tested} tests by Holm's method, and effect sizes "
            "are Cramér's V with Bergsma's correction for bias."
        )
    return " ".join(sentences)


def _agreement_sentence(found: Evaluation) -> str:
    of = found.first
    if of.profile.kappa is None:
        return f"Agreement was looked at on {of.ads:,} advertisements coded by people; kappa is undefined for them."
    low_high = of.profile.kappa_95
    interval = f" (95% interval {low_high[0]:.2f} to {low_high[1]:.2f}, bootstrap by cluster)" if low_high else ""
    return (
        f"On {of.ads:,} advertisements that people had coded, Cohen's kappa on the profile was "
        f"{of.profile.kappa:.2f}{interval}."
    )


def joined(found: Breakdown, most: int = GROUPS) -> Breakdown:
    """A breakdown, its smallest groups joined where there are too many; the values stand with the most ads first."""
    rest = len(found.values) - most
    if rest <= 1:
        return found
    return found.changed(
        (*found.values[:most], f"all others ({rest:,} values)"),
        lambda count: np.concatenate([count[:most], count[most:].sum(axis=0, keepdims=True)]),
    )


def without_gaps(found: Breakdown, period: str, most: int = PERIODS_SHOWN) -> Breakdown:
    """A breakdown by periods with those in which there are no ads, unless a stray date makes them too many."""
    if not found.values:
        return found
    names = between(found.values[0], found.values[-1], period)
    if len(names) > most:
        return found
    at = [names.index(v) for v in found.values]

    def spread(count: Ints) -> Ints:
        rows = np.zeros((len(names), *count.shape[1:]), dtype=np.int64)
        rows[at] = count
        return rows

    return found.changed(names, spread)


def _tests(found: Breakdown, counts: Counts) -> Iterator[Test]:
    """The tests of one outside column."""
    yield Test(found.column, "profile", association(found.profiles))
    for names, ads in ((counts.codes, found.codes), (counts.tools[:TESTED_TOOLS], found.tools)):
        for i, name in enumerate(names):
            yield Test(found.column, name, association(_with_and_without(ads[:, i], found.ads)))


def _with_and_without(some: Ints, all: Ints) -> Ints:
    """A table of ads that have something and ads that do not, shape (values, 2)."""
    return np.stack([some, all - some], axis=1)


def _corrected(tests: Sequence[Test]) -> tuple[Test, ...]:
    """The tests with their p-values corrected, those without one left as they are."""
    corrected = iter(holm([t.found.p for t in tests if t.found]))
    return tuple(replace(t, corrected=next(corrected)) if t.found else t for t in tests)


def _code_names(anchors: Path | None, bundle: Mapping[str, str]) -> dict[str, str]:
    """The names of codes, where the coding book is the one that the ads were coded with."""
    folder = find_anchors(anchors)
    if book_hash(folder) != bundle.get("book"):
        return {}
    return {c.code: c.name for c in read_book(folder).codes}


def _method(coded: Path, columns: pa.Schema, flow: Flow) -> Method:
    said = {k.decode(): v.decode() for k, v in (columns.metadata or {}).items()}
    manifest = read_json(coded / MANIFEST) if coded.is_dir() else {}
    return Method(
        coded_with=said.get("embedcode.version", "of an unknown version"),
        reported_with=__version__,
        bundle=json.loads(said.get("embedcode.bundle", "{}")),
        min_confidence=float(said.get("embedcode.min_confidence", "0")),
        inputs=manifest.get("input") or [],
        problems=manifest.get("problems") or [],
        repeated_ids=manifest.get("repeated_ids") or 0,
        finished=is_finished(coded),
        deduplicated=said.get("embedcode.dedupe", "by means unknown" if flow.duplicates else ""),
    )
