"""The figures of a report: charts, and a table behind each."""

from __future__ import annotations

from typing import Any

import numpy as np

from embedcode import charts
from embedcode.charts import Row
from embedcode.counts import FOCUS, FOCUS_MOST, Counts
from embedcode.figure import Figure, Table, count, figure, share, shares
from embedcode.report import Report
from embedcode.report_agreement import agreement_figures
from embedcode.report_comparisons import by_column, over_time, test_tables

TOOLS = 25
"""Tools in the chart of tools; twice as many in its table."""

TOOLS_OF_PROFILE = 10
TOOLS_TOGETHER = 12

PAIRS = 30
"""Pairs of tools in the table of tools named together."""

FOCUS_COLOURS = (3, 4, 5, 2)
"""Others than those of the profiles, but for the grey of what has neither."""


def figures(found: Report) -> dict[str, Any]:
    """The figures and tables of each section, by the names that the template knows them by; none where nothing was
    counted.
    """
    counts = found.counts
    if not counts.flow.counted:
        return {}
    time = counts.by_period
    return {
        "languages": _languages(counts),
        "profiles": _profiles(counts),
        "codes": _codes(counts, found),
        "phrases": _phrases(counts),
        "tools": _tools(counts),
        "tools_by_profile": [_tools_of(counts, i) for i in range(len(counts.profiles))],
        "together": _together(counts),
        "focus": _focus(counts),
        "time": over_time(counts, time, found.period) if time and time.values else [],
        "outside": [(b, by_column(counts, b)) for b in counts.by if b.values],
        "tests": test_tables(found.tests),
        "agreement": agreement_figures(found.agreement) if found.agreement else None,
    }


def _languages(counts: Counts) -> Figure:
    rows: list[Row] = [{"language": k, "ads": n} for k, n in counts.flow.languages.items()]
    every = sum(counts.flow.languages.values())
    return figure(
        "Coded ads by language, before any is left out",
        charts.bars(rows, label="language", value="ads", title="ads"),
        ("Language", "Ads", "Share"),
        [(r["language"], count(r["ads"]), share(r["ads"], every)) for r in rows],
    )


def _profiles(counts: Counts) -> Figure:
    ads, every = counts.by_profile.ads, counts.flow.counted
    rows: list[Row] = [{"profile": p, "ads": int(n)} for p, n in zip(counts.profiles, ads, strict=True)]
    confidence = ["–" if np.isnan(c) else f"{c:.2f}" for c in counts.confidence]
    return figure(
        "Ads by profile",
        charts.bars(rows, label="profile", value="ads", title="ads", colours=range(len(rows))),
        ("Profile", "Ads", "Share", "Mean confidence"),
        [(r["profile"], count(r["ads"]), share(r["ads"], every), c) for r, c in zip(rows, confidence, strict=True)],
    )


def _codes(counts: Counts, found: Report) -> Figure:
    names = [_code_name(found, c) for c in counts.codes]
    by = counts.by_profile
    drawn = shares(counts.profiles, names, by.codes, by.ads)
    return figure(
        "Share of the ads of each profile that carry a code",
        charts.dots(drawn, label="part", part="name", parts=counts.profiles, value="share"),
        ("Code", "Phrases", "Ads", "Share", *counts.profiles),
        [
            (
                name,
                count(by.phrases[:, i].sum()),
                count(by.codes[:, i].sum()),
                share(by.codes[:, i].sum(), counts.flow.counted),
                *(f"{count(n)} ({share(n, ads)})" for n, ads in zip(by.codes[:, i], by.ads, strict=True)),
            )
            for i, name in enumerate(names)
        ],
    )


def _code_name(found: Report, code: str) -> str:
    return f"{code} {found.code_names.get(code, '')}".strip()


def _phrases(counts: Counts) -> Table:
    """Phrases by profile."""
    by = counts.by_profile
    return Table(
        ("Code", *(f"{p}: phrases (for each ad)" for p in counts.profiles)),
        [
            (code, *(f"{count(n)} ({n / max(ads, 1):.2f})" for n, ads in zip(by.phrases[:, i], by.ads, strict=True)))
            for i, code in enumerate(counts.codes)
        ],
    )


def _tools(counts: Counts) -> Figure | None:
    if not counts.tools:
        return None
    by = counts.by_profile
    ads = by.tools.sum(axis=0)
    rows: list[Row] = [{"tool": t, "ads": int(n)} for t, n in zip(counts.tools, ads, strict=True)][: 2 * TOOLS]
    return figure(
        "Tools named in most ads",
        charts.bars(rows[:TOOLS], label="tool", value="ads", title="ads"),
        ("Tool", "Ads", "Share", *counts.profiles),
        [
            (
                r["tool"],
                count(r["ads"]),
                share(r["ads"], counts.flow.counted),
                *(share(n, every) for n, every in zip(by.tools[:, i], by.ads, strict=True)),
            )
            for i, r in enumerate(rows)
        ],
    )


def _tools_of(counts: Counts, profile: int) -> Figure | None:
    """The tools that most ads of a profile name."""
    ads = counts.by_profile.tools[profile]
    order = sorted(np.flatnonzero(ads), key=lambda i: (-ads[i], i))[:TOOLS_OF_PROFILE]
    rows: list[Row] = [{"tool": counts.tools[i], "ads": int(ads[i])} for i in order]
    if not rows:
        return None
    return figure(
        f"Tools in most ads of {counts.profiles[profile]}",
        charts.bars(rows, label="tool", value="ads", title="ads", colours=[profile] * len(rows), width=180),
        ("Tool", "Ads", "Share"),
        [(r["tool"], count(r["ads"]), share(r["ads"], counts.by_profile.ads[profile])) for r in rows],
    )


def _together(counts: Counts) -> Figure | None:
    """Which tools are named together."""
    names, both = counts.tools[:TOOLS_TOGETHER], counts.together
    if len(names) < 2:
        return None
    alone = np.diag(both)
    jaccard = both / np.maximum(1, alone[:, None] + alone[None, :] - both)
    drawn = [
        {"one": names[i], "other": names[j], "share": float(jaccard[i, j]), "ads": count(both[i, j])}
        for i in range(1, len(names))
        for j in range(i)
    ]
    ones, others = np.nonzero(np.triu(both, 1))
    pairs = sorted(zip(ones, others, strict=True), key=lambda x: (-both[x], x))[:PAIRS]
    every = counts.flow.counted
    return figure(
        f"Ads that name both of two of the {len(names)} most frequent tools",
        charts.heat(drawn, x="other", y="one", shade="share", text="ads", titles=(None, None)),
        ("Tools", "Ads", "Jaccard", "Lift"),
        [
            (
                f"{counts.tools[i]}, {counts.tools[j]}",
                count(both[i, j]),
                f"{jaccard[i, j]:.2f}",
                f"{both[i, j] * every / (alone[i] * alone[j]):.1f}",
            )
            for i, j in pairs
        ],
    )


def _focus(counts: Counts) -> list[Figure]:
    """Modelling against software development."""
    if not set(FOCUS) <= set(counts.codes):
        return []
    first, second = FOCUS
    kinds = (f"{first} only", "both", f"{second} only", "neither")
    some = counts.focus
    split = np.stack(
        [some[:, 1:, 0].sum(axis=1), some[:, 1:, 1:].sum(axis=(1, 2)), some[:, 0, 1:].sum(axis=1), some[:, 0, 0]],
        axis=1,
    )
    drawn = [
        {"profile": p, "kind": k, "ads": int(n)}
        for p, row in zip(counts.profiles, split, strict=True)
        for k, n in zip(kinds, row, strict=True)
    ]
    steps = [*map(str, range(FOCUS_MOST)), f"{FOCUS_MOST}+"]
    grid = some.sum(axis=0)
    cells = [
        {"first": steps[i], "second": steps[j], "share": float(grid[i, j] / grid.sum()), "ads": count(grid[i, j])}
        for i in reversed(range(len(steps)))
        for j in range(len(steps))
    ]
    return [
        figure(
            f"Ads by profile, with phrases of {first} (modelling), of {second} (software development), or both",
            charts.stacked(drawn, label="profile", part="kind", parts=kinds, value="ads", colours=FOCUS_COLOURS),
            ("Profile", *kinds),
            [
                (p, *(f"{count(n)} ({share(n, row.sum())})" for n in row))
                for p, row in zip(counts.profiles, split, strict=True)
            ],
        ),
        figure(
            f"Ads by how many phrases of {first} and of {second} they have",
            charts.heat(
                cells,
                x="second",
                y="first",
                shade="share",
                text="ads",
                titles=(f"phrases {second}", f"phrases {first}"),
            ),
            (f"Phrases of {first}", *(f"{s} of {second}" for s in steps)),
            [(steps[i], *map(count, grid[i])) for i in range(len(steps))],
        ),
    ]
