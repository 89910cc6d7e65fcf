"""Prevalence as tables for the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from textwrap import wrap

from embedcode.census import CODE, KINDS, TOOL
from embedcode.errors import some
from embedcode.prevalence import Group, Prevalence, Share
from embedcode.sample import FEWEST
from embedcode.terminal import UNDEFINED, columns, counted

SHOWN_TOOLS = 20
WIDTH = 100


def text(found: Prevalence, names: Mapping[str, str], *, every: bool = False) -> str:
    """The corrected shares, and beside them those as coded.

    Args:
        found: The shares.
        names: What each code stands for.
        every: Show all tools, and tools by group as well.
    """
    overall = found.overall
    lines = [
        f"Shares of {counted(overall.ads, 'ad')}, corrected with {counted(overall.sampled, 'ad')} coded by hand, with "
        f"{found.level * 100:g} % intervals"
    ]
    for kind in KINDS:
        shares = [s for s in overall.shares if s.kind == kind]
        shown = shares if every or kind != TOOL else shares[:SHOWN_TOOLS]
        lines += _table(kind, "in ads", [(_named(s, names), s.coded, overall, s) for s in shown])
        if len(shown) < len(shares):
            lines.append(f"  ... and {len(shares) - len(shown):,} more; --only names some, --json has all")
    if found.by:
        where = f"{found.by}, {found.period}" if found.period else found.by
        for i, share in enumerate(overall.shares):
            if every or share.kind != TOOL:
                lines += ["", f"{_named(share, names)} by {where}"]
                rows = [(g.name, g.ads, g, g.shares[i]) for g in found.groups]
                lines += _table(found.period or found.by, "of ads", rows)
    notes = [line for note in _notes(found) for line in wrap(note, WIDTH, subsequent_indent="  ")]
    return "\n".join([*lines, "", *notes])


def _named(share: Share, names: Mapping[str, str]) -> str:
    return f"{share.name} {names[share.name]}" if share.kind == CODE else share.name


def _table(heading: str, ads: str, rows: Sequence[tuple[str, int, Group, Share]]) -> list[str]:
    """A row for each share: its name, a number of ads, where it was measured, and what."""
    if not rows:
        return []
    head = [heading, "corrected", "interval", "as coded", ads, "found by hand"]
    return ["", *columns([head, *([name, *_cells(ads, group, share)] for name, ads, group, share in rows)])]


def _cells(ads: int, group: Group, share: Share) -> Iterable[str]:
    yield _percent(share.estimate)
    if share.low is None or share.high is None:
        yield UNDEFINED
    else:
        yield f"{share.low * 100:.1f} to {share.high * 100:.1f} %"
    yield _percent(share.naive)
    yield f"{ads:,}"
    yield UNDEFINED if share.found is None else f"{share.found:,} of {group.sampled:,}"


def _percent(share: float | None) -> str:
    return UNDEFINED if share is None else f"{share * 100:.1f} %"


def _notes(found: Prevalence) -> list[str]:
    groups = [found.overall, *found.groups]
    notes = [f"Estimated: {found.target}.", f"Method: {found.method}."]
    notes += [f"Left out: {counted(n, 'ad')} {reason}." for reason, n in found.left_out.items()]
    if found.sample_left_out:
        notes.append(f"Left out of the sample: {counted(found.sample_left_out, 'ad')}, for the same reasons.")
    if found.undated:
        notes.append(f"In no group: {counted(found.undated, 'ad')} without a date.")
    if found.unread:
        n, values = sum(found.unread.values()), some(list(found.unread))
        notes.append(f"In no group: {counted(n, 'ad')} whose date is not as in 2025-03-31: {values}.")
    if few := [g.name for g in groups if g.sampled < FEWEST]:
        notes.append(f"Not corrected, since people coded fewer than {FEWEST} of their ads: {some(few, 6)}.")
    if any(s.found is None for s in found.overall.shares):
        notes.append("Not corrected: tools and their codes; the sample has no column tech.")
    notes.append("The intervals are for the shares in these very ads, not in others like them.")
    notes.append("All this holds only if the bundle was not built from the ads of the sample.")
    return notes
