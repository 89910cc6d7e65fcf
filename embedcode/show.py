"""What commands print for people: an explanation, a summary of a run, the report of a build."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from embedcode.terminal import columns, counted, figure
from embedcode.types import NEGATIVE

if TYPE_CHECKING:
    from rich.console import Console

    from embedcode.build import Report
    from embedcode.coded import CodedAd
    from embedcode.curate import Checked
    from embedcode.difference import Difference, Edit, Move
    from embedcode.explain import Explanation, Feature
    from embedcode.findings import Stray, Usage
    from embedcode.flips import Best, Change, Near, Why
    from embedcode.margin import Margin
    from embedcode.recode import Recoded
    from embedcode.suggest import Suggestions

COLOURS = {"TASK": "cyan", "SKILL": "magenta", "TECH": "green", "NEG": "bright_black"}
WIDTH = 24
SHOWN_FEATURES = 8
SHOWN_ANCHORS = 3
SHOWN_FLIPS = 20
SHOWN_CHANGES = 3
SHOWN_MOVES = 3
SHOWN_TEXT = 100
SHOWN_FINDINGS = 10


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


def timings(seconds: Mapping[str, float], ads: int, known: float) -> RenderableType:
    """A table of what each stage took.

    Args:
        seconds: By stage, of all processes together.
        ads: How many ads were coded.
        known: Share of the segments that were known already.
    """
    total = sum(seconds.values()) or 1.0
    table = Table(box=None, show_header=True, header_style="")
    for heading in ("stage", "seconds", "µs an ad", "share"):
        table.add_column(heading, justify="left" if heading == "stage" else "right")
    for stage, took in sorted(seconds.items(), key=lambda s: -s[1]):
        table.add_row(stage, f"{took:.2f}", f"{took / max(1, ads) * 1e6:,.0f}", f"{took / total:.1%}")
    title = f"Processor time by stage, all processes together: {total:.2f} s; segments known already: {known:.1%}"
    return Group(Text(title, "bold"), table)


def report(found: Report, console: Console) -> None:
    """Print what a build measured, and what it changed."""
    before = f"{found.kappa_before:.3f} → " if found.kappa_before is not None else ""
    console.print(f"kappa of the profile, head cross-validated on the labelled ads: {before}{found.kappa:.3f}")
    if found.kappa_before is not None:
        console.print(f"labelled ads that change profile: {len(found.flips)}")
    for flip in found.flips[:SHOWN_FLIPS]:
        verdict = "right now" if flip.after == flip.gold else "wrong now" if flip.before == flip.gold else "wrong still"
        change = _flip(flip.before, flip.after, flip.sure_before, flip.sure)
        for line in [f"  {flip.id}: {change} ({verdict})", *_reason(flip.codes, flip.margin)]:
            console.print(line, markup=False, highlight=False, soft_wrap=True)
    if len(found.flips) > SHOWN_FLIPS:
        console.print(f"  ... and {len(found.flips) - SHOWN_FLIPS} more")
    for line in [
        *(_difference(found.difference) if found.difference else []),
        *(_recoded(found.recoded) if found.recoded else []),
    ]:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    if found.unmeasured:
        console.print(
            f"terms not measured yet (they count with their facet's weight; --gold measures them): "
            f"{', '.join(found.unmeasured[:10])}{' ...' if len(found.unmeasured) > 10 else ''}",
            markup=False,
        )


def _flip(before: str | None, after: str | None, sure_before: float | None, sure: float | None) -> str:
    sides = ((before, sure_before), (after, sure))
    return " → ".join(f"{p or '(none)'}{'' if x is None else f' {x:.2f}'}" for p, x in sides)


def _reason(codes: Sequence[Move], of: Margin | None) -> list[str]:
    """Why a labelled ad changes profile: of its text nothing is known."""
    counts = [f"{m.code} {m.before} → {m.after}" for m in codes if m.before != m.after]
    lines = [f"      segments that carry a code: {', '.join(counts)}"] if counts else []
    return [*lines, *(_margin(of) if of else [])]


def _why(found: Why) -> list[str]:
    lines = [line for change in found.changes[:SHOWN_CHANGES] for line in _change(change)]
    if len(found.changes) > SHOWN_CHANGES:
        lines.append(f"      ... and {counted(len(found.changes) - SHOWN_CHANGES, 'more code')} gained or lost")
    if not found.changes:
        lines.append("      no segment gains or loses a code")
    return [*lines, *(_margin(found.margin, found.best) if found.margin else [])]


def _change(change: Change) -> list[str]:
    text = _shortened(change.text)
    sign = "+" if change.gained else "-"
    if change.tool:
        return [f"      {sign} {change.code} {change.tool}: {text!r}"]
    sure = f"{change.before:.2f} → {change.after:.2f}"
    if change.by_threshold:
        sure = f"{change.after:.3f}, threshold {figure(change.threshold_before)} → {figure(change.threshold)}"
    lines = [f"      {sign} {change.code} {sure}  {text}"]
    return [*lines, *_near(change.near)]


def _near(anchors: Sequence[Near]) -> list[str]:
    lines = []
    for near in anchors:
        mark, code = ("✗", "against") if near.code == NEGATIVE else ("≈", near.code)
        edited = f"  ({near.edited})" if near.edited else ""
        lines.append(f"          {mark} {near.similarity:.2f} {code}  {near.phrase}{edited}")
    return lines


def _shortened(text: str) -> str:
    return textwrap.shorten(text, SHOWN_TEXT, placeholder=" ...")


def _margin(of: Margin, best: Mapping[str, Best] = MappingProxyType({})) -> list[str]:
    sides = f"{_signed(of.before)} → {_signed(of.after)} (evidence {_signed(of.evidence)}, head {_signed(of.head)})"
    lines = [f"      {of.cause}: log-odds of {of.profile} over {of.rival} {sides}"]
    for f in of.features[:SHOWN_MOVES]:
        lines.append(f"        {_signed(f.change)}  {f.cause:<8}  {f.meaning}")
        if b := best.get(f.name):
            lines += [f"          {b.before:.2f} → {b.after:.2f}  {_shortened(b.text)}", *_near(b.near)]
    return lines


def _difference(found: Difference) -> list[str]:
    lines = [f"edits of the coding book: {len(found.edits)}"]
    lines += [f"  {_edit(e)}" for e in found.edits[:SHOWN_FLIPS]]
    if len(found.edits) > SHOWN_FLIPS:
        lines.append(f"  ... and {len(found.edits) - SHOWN_FLIPS} more")
    if not found.edits and not found.moves:
        return lines
    lines += [
        "",
        f"on {found.ads} labelled ads (kappa of the profile; F1 of each code on segments), with 95 % intervals",
    ]
    rows = [["figure", "before", "", "after", "", "change", ""]]
    for f in found.figures:
        change = None if f.before is None or f.after is None else f.after - f.before
        cells = ((figure(f.before), f.before_95), (figure(f.after), f.after_95), (_signed(change), f.change_95))
        rows.append([f.name, *(x for value, span in cells for x in (value, _span(span)))])
    lines += columns(rows)
    if found.moves:
        lines += ["", "codes whose probabilities moved, on the same ads"]
        head = ["code", "mean move", "segments before", "after"]
        lines += columns([head, *([m.code, f"{m.mean:.4f}", str(m.before), str(m.after)] for m in found.moves)])
    return [*lines, ""]


def _edit(edit: Edit) -> str:
    sign = {"added": "+", "removed": "-", "changed": "~"}[edit.how]
    where = f"{edit.before} → {edit.after}" if edit.how == "changed" else edit.before or edit.after
    return f"{sign} {edit.what} {edit.name!r}{f': {where}' if where else ''}"


def _recoded(found: Recoded) -> list[str]:
    if not found.ads:
        return [found.note] if found.note else []
    lines = [f"ads of the corpus that change profile: {len(found.flips):,} of {found.ads:,}"]
    ways = Counter(f"{f.before or '(none)'} → {f.after or '(none)'}" for f in found.flips)
    lines += [f"  {n:,} × {way}" for way, n in sorted(ways.items(), key=lambda w: (-w[1], w[0]))]
    for f in found.flips[:SHOWN_FLIPS]:
        lines.append(f"  {f.id}: {_flip(f.before, f.after, f.sure_before, f.sure)}")
        lines += _why(f.why) if f.why else []
    if len(found.flips) > SHOWN_FLIPS:
        lines.append(f"  ... and {len(found.flips) - SHOWN_FLIPS:,} more")
    changed = [[c, f"{a:,}", f"{b:,}", f"{b - a:+,}"] for c, (a, b) in found.codes.items() if a != b]
    if changed:
        lines += columns([["code", "ads before", "after", "change"], *changed])
    return [*lines, *([f"note: {found.note}"] if found.note else [])]


def _signed(value: float | None) -> str:
    return "-" if value is None else f"{round(value, 3) + 0.0:+.3f}"  # no -0.000


def _span(of: tuple[float, float] | None) -> str:
    return "" if of is None else f"({of[0]:.3f} to {of[1]:.3f})"


def findings(found: Checked) -> list[str]:
    """Lines on what is worth a look in a coding book, group by group, the worst first."""
    lines = [f"warning: {w}" for w in found.warnings]
    f = found.findings
    if f is None:
        return lines
    usage = f.usage
    idle = Counter(a.code for a in usage.idle) if usage else Counter()
    head = ["code", "anchors", "en", "nl", "nearest to their own", *(["evidence won", "win nothing"] if usage else [])]
    rows = [
        [
            c.code,
            str(c.anchors),
            *(str(c.languages.get(x, 0)) for x in ("en", "nl")),
            "-" if c.purity is None else f"{c.purity:.0%}",
            *(["-", "-"] if usage and c.won is None else [f"{c.won:,}", str(idle[c.code])] if usage else []),
        ]
        for c in f.codes
    ]
    lines += [*columns([head, *rows]), ""]
    lines += _group(
        "duplicates: anchors of the same words, or nearly the same under two codes",
        [
            f"{p.similarity:.2f}{' same words' if p.same_words else ''}  {p.first.code} {p.first.phrase!r}  ≈  "
            f"{p.second.code} {p.second.phrase!r}"
            for p in f.duplicates
        ],
    )
    lines += _group("anchors nearer to another code than to their own", [_stray(s) for s in f.strays])
    lines += _group(
        "thin codes and facets",
        [f"{t.code}{f'/{t.facet}' if t.facet else ''}: {t.anchors}, expected {t.expected} or more" for t in f.thin],
    )
    lines += _group("languages missing", [f"{x.code} has no anchor in {x.language}" for x in f.lacking])
    return lines + (_usage(usage) if usage else [])


def _group(title: str, entries: Sequence[str]) -> list[str]:
    if not entries:
        return []
    more = (
        [f"  ... and {len(entries) - SHOWN_FINDINGS} more; --json lists all"] if len(entries) > SHOWN_FINDINGS else []
    )
    return [f"{title}: {len(entries)}", *(f"  {e}" for e in entries[:SHOWN_FINDINGS]), *more, ""]


def _stray(s: Stray) -> str:
    return (
        f"{s.anchor.code} {s.anchor.phrase!r}\n"
        f"      {s.other_similarity:.2f} {s.other.code} {s.other.phrase!r}\n"
        f"      {s.similarity:.2f} {s.own.code} {s.own.phrase!r}"
    )


def _usage(of: Usage) -> list[str]:
    lines = _group(
        f"anchors that win nothing: nearest to no evidence in {of.ads:,} coded ads",
        [f"{a.code} {a.facet} {a.language}  {a.phrase!r}" for a in of.idle],
    )
    if of.new:
        lines.append(f"not judged: {of.new} anchor(s) that the bundle does not have yet")
    if of.other_bundle:
        lines.append("the ads were coded by another bundle; code them again, or name that bundle with --index")
    if of.unknown:
        lines.append(f"the evidence names {of.unknown} anchor(s) that the coding book does not have")
    return lines


def suggestions(found: Suggestions, anchors: str | None = None) -> RenderableType:
    """Suggested anchor phrases; to be printed unwrapped, so that commands can be copied.

    Args:
        found: The suggestions.
        anchors: Folder of the coding book, where it is not the default one.
    """
    lines: list[RenderableType] = []
    for number, s in enumerate(found.suggestions, 1):
        line = Text(f"{number:>3}  ")
        line.append(f"{s.code:<7}", colour(s.code))
        line.append(s.phrase, "bold")
        line.append(f"\n     {counted(s.ads, 'ad')}, {counted(s.wordings, 'wording')}; ", "not bold")
        line.append(f"{s.likeliest} {s.probability:.2f}, given from {s.threshold:.2f}; ")
        line.append(f"{s.coded} of {counted(s.segments, 'segment')} coded so far")
        for example in s.examples:
            line.append(f"\n       · {example}", "dim")
        near = s.nearest
        what = f"against: {near.facet}" if near.code == NEGATIVE else near.code
        line.append(
            f"\n       {'✗' if near.code == NEGATIVE else '≈'} {near.similarity:.2f} {what}  ", colour(near.code)
        )
        line.append(near.phrase, "italic")
        line.append(f"\n     {s.command(anchors)}\n")
        lines.append(line)
    judge = "Add what is clear, under another code or NEG where that is right, and pass over the rest; then rebuild."
    return Group(*lines, Text(judge, "dim"))


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
