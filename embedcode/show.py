"""What commands print for people: an explanation, a summary of a run, the report of a build."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from embedcode.types import NEGATIVE

if TYPE_CHECKING:
    from rich.console import Console

    from embedcode.build import Report
    from embedcode.coded import CodedAd
    from embedcode.explain import Explanation, Feature

COLOURS = {"TASK": "cyan", "SKILL": "magenta", "TECH": "green", "NEG": "bright_black"}
WIDTH = 24
SHOWN_FEATURES = 8
SHOWN_ANCHORS = 3


def colour(code: str) -> str:
    """The colour of a code's group."""
    return COLOURS.get(code.rstrip("0123456789"), "white")


def bar(share: float, width: int = WIDTH) -> str:
    """A bar of a given share of the width."""
    filled = round(share * width)
    return "█" * filled + "·" * (width - filled)


def explanation(found: Explanation, names: Mapping[str, str]) -> RenderableType:
    """An explanation to read on a terminal.

    Args:
        found: The explanation.
        names: Name of each code.
    """
    profiles = Table.grid(padding=(0, 2))
    for name, p in found.probabilities.items():
        style = "bold" if name == found.profile else "dim"
        profiles.add_row(Text(name, style), Text(bar(p), style), Text(f"{p:.2f}", style))
    coded = [s for s in found.segments if s.codes]
    segments = Table.grid(padding=(0, 1))
    segments.add_column(width=10, no_wrap=True)
    segments.add_column(overflow="fold")
    for s in coded:
        labels = Text()
        for i, (code, score) in enumerate(s.codes.items()):
            labels.append("\n" * bool(i) + f"{code} {f'{score:.2f}'[-3:]}", colour(code))
        body = Text(" ".join(s.text.split()), "bold")
        for near in s.anchors[:SHOWN_ANCHORS]:
            mark = "✗" if near.code == NEGATIVE else "≈"
            what = f"against: {near.facet}" if near.code == NEGATIVE else near.code
            body.append(f"\n  {mark} {near.similarity:.2f} {what:<6} ", colour(near.code))
            body.append(near.phrase, "not bold italic")
        segments.add_row(labels, body)
        segments.add_row("", "")
    used = list(dict.fromkeys(c for s in coded for c in s.codes))
    legend = Text(", ".join(f"{c} {names[c]}" for c in sorted(used)), "dim")
    parts: list[RenderableType] = [
        Text(f"{found.profile}  ({found.confidence:.0%} sure, language {found.language})", "bold"),
        Padding(profiles, (1, 2)),
        Text(f"Evidence: {len(coded)} of {len(found.segments)} segments carry a code", "bold"),
        Padding(segments, (1, 2, 0, 2)),
        Padding(legend, (0, 2, 1, 2)),
    ]
    if found.tools:
        tools = Table.grid(padding=(0, 2))
        for code in sorted({t.code for t in found.tools}, key=lambda c: int(c[4:]) if c[4:].isdigit() else 0):
            tools.add_row(
                Text(code, colour(code)), names[code], ", ".join(t.name for t in found.tools if t.code == code)
            )
        parts += [Text("Tools", "bold"), Padding(tools, (1, 2))]
    for heading, sign in ((f"What spoke for {found.profile}", 1), ("What spoke against it", -1)):
        features = [f for f in found.features if f.contribution * sign > 0][:SHOWN_FEATURES]
        if features:
            parts += [Text(heading, "bold"), Padding(_features(features), (1, 2))]
    return Group(*parts)


def _features(features: Sequence[Feature]) -> Table:
    table = Table.grid(padding=(0, 2))
    for f in features:
        meaning = Text(f.meaning)
        if f.found:
            meaning.append("  " + ", ".join(f.found), "dim italic")
        table.add_row(Text(f"{f.contribution:+.2f}", "green" if f.contribution > 0 else "red"), meaning)
    return table


def counts(title: str, rows: Mapping[str, int]) -> RenderableType:
    """A table of counts with bars."""
    total = max(1, sum(rows.values()))
    table = Table(box=None, show_header=False)
    for name, n in rows.items():
        table.add_row(Text(name), f"{n:,}", f"{n / total:6.1%}", bar(n / total))
    return Group(Text(title, "bold"), table)


def report(found: Report, console: Console) -> None:
    """Print what a build measured."""
    before = f"{found.kappa_before:.3f} → " if found.kappa_before is not None else ""
    console.print(f"kappa of the profile, head cross-validated on the labelled ads: {before}{found.kappa:.3f}")
    if found.kappa_before is not None:
        console.print(f"labelled ads that change profile: {len(found.flips)}")
    for flip in found.flips[:20]:
        verdict = "right now" if flip.after == flip.gold else "wrong now" if flip.before == flip.gold else "wrong still"
        console.print(f"  {flip.id}: {flip.before} → {flip.after} ({verdict})", markup=False, highlight=False)
    if len(found.flips) > 20:
        console.print(f"  ... and {len(found.flips) - 20} more")
    if found.unmeasured:
        console.print(
            f"terms not measured yet (they count with their facet's weight; --gold measures them): "
            f"{', '.join(found.unmeasured[:10])}{' ...' if len(found.unmeasured) > 10 else ''}",
            markup=False,
        )


def coded_ads(titles: Sequence[str], coded: Sequence[CodedAd]) -> Table:
    """Coded ads: profile, and beneath it how many segments carry which code, and the tools named."""
    table = Table(box=None, header_style="bold", padding=(0, 1))
    table.add_column("ad")
    table.add_column("profile", no_wrap=True)
    table.add_column("sure", justify="right")
    for title, ad in zip(titles, coded, strict=True):
        tally = Counter(e.code for e in ad.codes if e.tool is None)
        tools = list(dict.fromkeys(e.tool for e in ad.codes if e.tool))
        line = Text(title, "bold")
        for code, n in sorted(tally.items()):
            line.append(f"\n{code}×{n}" if line.plain == title else f" {code}×{n}", colour(code))
        if tools:
            line.append("\n" + ", ".join(tools[:8]) + (" ..." if len(tools) > 8 else ""), colour("TECH"))
        table.add_row(line, ad.profile or f"({ad.error})", f"{ad.confidence or 0:.0%}")
    return table
