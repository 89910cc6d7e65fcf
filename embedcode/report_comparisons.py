"""The figures of a report that compare ads: over time, by outside columns, and the tests of association."""

from __future__ import annotations

from collections.abc import Sequence

from embedcode import charts
from embedcode.breakdown import Breakdown, Ints
from embedcode.charts import Row
from embedcode.counts import Counts
from embedcode.figure import Figure, Table, count, figure, p_value, share, share_rows, shares
from embedcode.report import Test

TOOLS_OVER_TIME = 6
TOOL_COLOURS = (3, 4, 5, 6, 7, 0)
"""Others than those of the profiles, as far as they reach."""

LEAST_ADS = 10
"""Fewest ads of a period for its shares to be drawn."""


def over_time(counts: Counts, by: Breakdown, period: str) -> list[Figure]:
    """Development over time; there are ads with a date."""
    names = by.values
    rows: list[Row] = [{"time": v, "ads": int(n)} for v, n in zip(names, by.ads, strict=True)]
    tools = counts.tools[:TOOLS_OVER_TIME]
    figures = [
        figure(
            f"Ads by {period}",
            charts.columns(rows, time="time", value="ads", title="ads"),
            ("Period", "Ads"),
            [(r["time"], count(r["ads"])) for r in rows],
        ),
        _lines("Profiles over time", by, counts.profiles, by.profiles, range(charts.COLOURS)),
    ]
    if tools:
        figures.append(_lines("The most frequent tools over time", by, tools, by.tools[:, : len(tools)], TOOL_COLOURS))
    drawn = shares(names, counts.codes, by.codes, by.ads, LEAST_ADS)
    chart = charts.small_lines(drawn, time="name", part="part", parts=counts.codes, value="share")
    figures.append(
        figure(
            f"Share of ads that carry a code over time, from {names[0]} to {names[-1]}",
            chart if _any(drawn) else None,
            ("Period", "Ads", *counts.codes),
            share_rows(names, by.codes, by.ads),
        )
    )
    return figures


def _lines(title: str, by: Breakdown, parts: Sequence[str], ads: Ints, colours: Sequence[int]) -> Figure:
    drawn = shares(by.values, parts, ads, by.ads, LEAST_ADS)
    chart = charts.lines(drawn, time="name", part="part", parts=parts, value="share", colours=colours)
    return figure(
        title,
        chart if _any(drawn) else None,
        ("Period", "Ads", *parts),
        share_rows(by.values, ads, by.ads),
    )


def _any(drawn: Sequence[Row]) -> bool:
    return any(r["share"] is not None for r in drawn)


def by_column(counts: Counts, by: Breakdown) -> list[Figure]:
    """Profiles and codes by an outside column."""
    drawn = [
        {"name": v, "part": p, "ads": int(by.profiles[i, j])}
        for i, v in enumerate(by.values)
        for j, p in enumerate(counts.profiles)
    ]
    return [
        figure(
            f"Profiles by {by.column}",
            charts.stacked(drawn, label="name", part="part", parts=counts.profiles, value="ads"),
            (by.column, "Ads", *counts.profiles),
            [
                (v, count(ads), *(f"{count(n)} ({share(n, ads)})" for n in row))
                for v, ads, row in zip(by.values, by.ads, by.profiles, strict=True)
            ],
        ),
        figure(
            f"Share of ads that carry a code by {by.column}",
            charts.heat(
                [{**r, "text": f"{r['share']:.0%}"} for r in shares(by.values, counts.codes, by.codes, by.ads)],
                x="name",
                y="part",
                shade="share",
                text="text",
                titles=(None, None),
            ),
            (by.column, "Ads", *counts.codes),
            share_rows(by.values, by.codes, by.ads),
        ),
    ]


def test_tables(tests: Sequence[Test]) -> dict[str, Table]:
    """A table of tests for each outside column."""
    head = ("Tested", "n", "χ²", "df", "Cramér's V", "p", "p (Holm)", "Remark")
    columns = dict.fromkeys(t.column for t in tests)
    return {c: Table(head, [_test(t) for t in tests if t.column == c]) for c in columns}


def _test(test: Test) -> Sequence[str]:
    found = test.found
    if found is None or test.corrected is None:
        return (test.name, *["–"] * 6, "not tested: one group, or no ad or all")
    remark = "by permutation" if found.permuted else ""
    return (
        test.name,
        count(found.n),
        f"{found.chi_square:,.1f}",
        str(found.freedom),
        f"{found.v:.2f}",
        p_value(found.p),
        p_value(test.corrected) + (" *" if test.corrected < 0.05 else ""),
        remark,
    )
