"""Agreement as tables for the terminal; `-` stands for what is undefined, with the reason below."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from textwrap import shorten, wrap

from embedcode.agreement import Agreement, Group
from embedcode.bootstrap import Estimate, Interval
from embedcode.disagreements import Disagreement, Side
from embedcode.errors import some
from embedcode.evaluate import Evaluation
from embedcode.kappa import BINS, Bin
from embedcode.rates import Rates
from embedcode.reliability import Reliability
from embedcode.significance import Comparison
from embedcode.spans import SpanAgreement
from embedcode.terminal import UNDEFINED, columns, counted, figure
from embedcode.undefined import undefined

SHOWN_DISAGREEMENTS = 5
SHOWN_EVIDENCE = 3
EVIDENCE_WIDTH = 70
WIDTH = 100

INTERVAL = "95 %"


def text(found: Evaluation, disagreements: int = SHOWN_DISAGREEMENTS) -> str:
    """All figures.

    Args:
        found: The figures.
        disagreements: How many disagreements are shown at most.
    """
    parts = [
        _coders(found),
        [f"{found.coded} beside {found.reference}", "", agreement(found.first)],
        _others(found),
        _reliability(found.reliability),
        _spans(found.spans, found.coded),
        _comparisons(found.comparisons, found.reference),
        _disagreements(found.disagreements, disagreements),
    ]
    return "\n\n".join("\n".join(lines) for lines in parts if lines)


def _coders(found: Evaluation) -> list[str]:
    clusters = found.first.profile.clusters
    by = (
        f"{found.clusters_from}, {counted(clusters, 'cluster')}" if found.clusters_from else "none named, each ad alone"
    )
    every = "both coders" if len(found.coders) == 2 else f"all {len(found.coders)} coders"
    rows = [[c.name, *(f"{n:,}" for n in (c.ads, c.labelled, c.spans, c.unplaced))] for c in found.coders]
    return [
        f"{counted(found.ads, 'ad')} of the reference {found.reference}; {found.shared:,} of them from {every}",
        f"Intervals: 95 %, bootstrap by cluster of near-duplicates ({by})",
        "",
        *columns([["coder", "ads", "with profile", "spans", "without place"], *rows]),
    ]


# With the reference


def agreement(found: Agreement) -> str:
    """The agreement of one coder with the reference."""
    a, p, s, t = found, found.profile, found.segments, found.tools
    lines = [*_ads(a), "", "Profiles"]
    lines += columns(
        [
            ["kappa", figure(p.kappa), f"({_interval(p.kappa_95)}; {counted(p.clusters, 'cluster')})"],
            ["accuracy", figure(p.accuracy), f"({_interval(p.accuracy_95)})"],
            ["macro-F1", figure(p.macro_f1), f"({_interval(p.macro_f1_95)})"],
            ["calibration error", figure(p.calibration_error), f"(expected, {BINS} bins)"],
        ],
        right=(1,),
    )
    lines += ["", *_rates_table("profile", "ads", p.per_class)]
    confusion = [[name, *map(str, row)] for name, row in zip(p.confusion.gold, p.confusion.counts, strict=True)]
    lines += ["", *columns([["gold \\ coded", *p.confusion.coded], *confusion])]
    for grouping, groups in p.kappa_by.items():
        lines += ["", *_groups_table(grouping, "kappa", groups)]
    lines += _calibration(p.calibration)
    lines += _reasons(a, "profile")

    if s:
        lines += ["", "Segments"]
        lines += columns([["macro-F1", figure(s.macro_f1), f"({_interval(s.macro_f1_95)})"]], right=(1,))
        lines += ["", *_rates_table("code", "segments", s.per_code)]
        if s.by_language:
            lines += ["", *_groups_table("language", "macro-F1", s.by_language)]
        lines += _reasons(a, "segments")

    if t:
        head = ["", "precision", "recall", "F1", INTERVAL, "tools", "coded", "right code"]
        parts = [("all", t.overall), *t.by_language.items()]
        body = [[name, *_rates_cells(x.rates), figure(x.right_code)] for name, x in parts]
        lines += ["", "Tools", *columns([head, *body]), *_reasons(a, "tools")]
    whys = dict(undefined(a))
    notes = [
        (a.outside, f"{counted(a.outside, 'span')} outside the text ignored."),
        (len(a.unknown_codes), f"Spans with unknown codes ignored: {some(a.unknown_codes, 10)}."),
        (s and s.unplaced, f"{counted(s.unplaced if s else 0, 'code')} of the gold left out: at none of its segments."),
        (s is None, f"No segments compared: {whys.get(('segments',))}."),
        (t is None, f"No tools compared: {whys.get(('tools',))}."),
    ]
    shown = [note for applies, note in notes if applies]
    return "\n".join([*lines, *([""] if shown else []), *shown])


def _ads(a: Agreement) -> list[str]:
    uncoded = f"{a.missing:,} missing from the coded ads, {a.failed:,} with an error or without a profile"
    lines = [f"{counted(a.ads, 'gold ad')}: {uncoded}"]
    if a.missing + a.failed:
        lines.append(f"These count as errors{'; --shared leaves out the missing ones' if a.missing else ''}.")
    return lines


def _interval(of: Interval | None) -> str:
    return UNDEFINED if of is None else f"{figure(of[0])} to {figure(of[1])}"


def _rates_table(what: str, counts: str, of: Mapping[str, Rates]) -> list[str]:
    head = [what, "precision", "recall", "F1", INTERVAL, counts, "coded"]
    return columns([head, *([name, *_rates_cells(r)] for name, r in of.items())])


def _rates_cells(r: Rates) -> list[str]:
    return [*map(figure, (r.precision, r.recall, r.f1)), _interval(r.f1_95), str(r.count), str(r.coded)]


def _groups_table(what: str, name: str, groups: Mapping[str, Group]) -> list[str]:
    return columns([[what, "ads", name], *([key, str(g.ads), figure(g.value)] for key, g in groups.items())])


def _calibration(bins: Sequence[Bin]) -> list[str]:
    rows = [
        [f"{b.low:.1f} to {b.high:.1f}", str(b.ads), figure(b.confidence), figure(b.right), _interval(b.right_95)]
        for b in bins
        if b.ads
    ]
    return ["", *columns([["confidence as coded", "ads", "mean", "right", INTERVAL], *rows])] if rows else []


_WORDS = {
    **dict.fromkeys(("per_class", "per_code"), ""),
    "accuracy_95": "accuracy",
    "by_language": "by language",
    "calibration_error": "calibration error",
    "f1_95": "F1",
    "kappa_95": "kappa",
    "kappa_by": "kappa by",
    "macro_f1": "macro-F1",
    "macro_f1_95": "macro-F1",
    "overall": "all",
    "precision_95": "precision",
    "recall_95": "recall",
    "right_code": "right code",
    "right_code_95": "right code",
}


def _reasons(of: Agreement, section: str) -> list[str]:
    """Why figures of a section are undefined, those of intervals in one line for each reason."""
    single: list[tuple[str, str | None]] = []
    intervals: dict[str, list[str]] = {}
    for way, why in undefined(of):
        name = " ".join(filter(None, (_WORDS.get(part, part) for part in way[1:])))
        if way[0] != section or len(way) < 2:
            continue
        if way[-1].endswith("_95"):
            intervals.setdefault(why, []).append(name)
        elif way[1] != "calibration":
            single.append((name, why))
    return _undefined([*single, *((f"95 % interval of {_some(names)}", why) for why, names in intervals.items())])


def _some(names: Sequence[str], most: int = 3) -> str:
    more = f" and {counted(len(names) - most, 'more figure')}" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _others(found: Evaluation) -> list[str]:
    """The further coders beside the reference, in short."""
    others = {name: a for name, a in found.agreement.items() if name != found.coded}
    if not others:
        return []
    head = ["coder", "ads", "kappa", INTERVAL, "accuracy", "macro-F1", "segments", "tools"]
    rows = [
        [
            name,
            str(a.ads),
            figure(a.profile.kappa),
            _interval(a.profile.kappa_95),
            *map(figure, (a.profile.accuracy, a.profile.macro_f1)),
            figure(a.segments.macro_f1 if a.segments else None),
            figure(a.tools.overall.rates.f1 if a.tools else None),
        ]
        for name, a in others.items()
    ]
    lines = [
        f"Other coders beside {found.reference}, on the ads that each has (without a profile: an error)",
        *columns([head, *rows]),
        "",
    ]
    lines += ["  F1 of each profile"]
    profiles = list(found.first.profile.per_class)
    per_class = [
        [name, *(f"{figure(r.f1)} ({_interval(r.f1_95)})" for r in a.profile.per_class.values())]
        for name, a in others.items()
    ]
    lines += columns([["coder", *profiles], *per_class])
    reasons = {(name, *way): why for name, a in others.items() for way, why in undefined(a)}
    told = [
        *((f"{n} kappa", reasons.get((n, "profile", "kappa"))) for n in others),
        *((f"{n} {p}", reasons.get((n, "profile", "per_class", p))) for n in others for p in profiles),
        *((f"{n} {part}", reasons.get((n, part))) for n in others for part in ("segments", "tools")),
    ]
    return lines + _undefined(told)


def _undefined(of: Iterable[tuple[str, str | None]]) -> list[str]:
    """Why figures are undefined, one by one."""
    lines = [line for name, why in of if why for line in _wrapped(f"  - {name}: {why}")]
    return ["", *lines] if lines else []


def _wrapped(line: str) -> list[str]:
    return wrap(line, WIDTH, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)


# With each other


def _reliability(of: Reliability) -> list[str]:
    figures = [
        ("percent agreement", of.agreement, of.by_all, "of pairs of coders"),
        ("unanimous", of.unanimous, of.by_all, "of ads"),
        ("Fleiss' kappa", of.fleiss, of.by_all, ""),
        ("Krippendorff's alpha", of.alpha, of.ads, "nominal, labels may be missing"),
    ]
    rows = [
        [name, figure(e.value), _interval(e.interval_95), str(ads), f" {what}".rstrip()]
        for name, e, ads, what in figures
    ]
    lines = [
        f"Reliability of the profiles, {len(of.coders)} coders (ads that a coder did not label are left out)",
        *columns([["", "figure", INTERVAL, "ads"], *rows], right=(1, 2, 3)),
        "",
        *columns(
            [
                ["two coders", "ads", "agreement", INTERVAL, "kappa", INTERVAL],
                *([f"{p.first}, {p.second}", str(p.ads), *_cells(p.agreement), *_cells(p.kappa)] for p in of.pairs),
            ]
        ),
    ]
    told = [(name, e.reason) for name, e, _, _ in figures]
    told += [(f"{p.first}, {p.second}", p.kappa.reason) for p in of.pairs]
    return lines + _undefined(told)


def _cells(of: Estimate) -> list[str]:
    return [figure(of.value), _interval(of.interval_95)]


def _spans(found: Sequence[SpanAgreement], coded: str) -> list[str]:
    if not found:
        return []
    rows = [
        [f"{s.first}, {s.second}", str(s.ads), *_f1(s.overall), figure(s.macro_f1), _interval(s.macro_f1_95)]
        for s in found
    ]
    lines = [
        f"Evidence: spans of the same code that share {found[0].iou:g} or more of what they cover together",
        *columns([["two coders", "ads", "F1", INTERVAL, "macro-F1", INTERVAL], *rows]),
    ]
    with_first = [s for s in found if s.first == coded and s.per_code]
    codes = list(dict.fromkeys(c for s in with_first for c in s.per_code))
    if codes:
        head = [f"{coded} and", *(s.second for s in with_first)]
        body = [[c, *(figure(s.per_code[c].f1) if c in s.per_code else UNDEFINED for s in with_first)] for c in codes]
        lines += ["", "  F1 of each code", *columns([head, *body])]
    told = [
        *((f"{s.first}, {s.second}", s.reason) for s in found),
        *(
            (f"{s.first}, {s.second}", f"left out {', '.join(s.left_out)}, of which one of them gives no spans")
            for s in found
            if s.left_out
        ),
    ]
    return lines + _undefined(told)


def _f1(r: Rates) -> list[str]:
    return [figure(r.f1), _interval(r.f1_95)]


def _comparisons(found: Sequence[Comparison], reference: str) -> list[str]:
    if not found:
        return []
    head = ["", "ads", "only first", "only second", "difference", INTERVAL, "p McNemar", "p permuted"]
    rows = [
        [
            f"{c.first}, {c.second}",
            *map(str, (c.ads, c.only_first, c.only_second)),
            *_cells(c.difference),
            *(UNDEFINED if p is None else _p(p) for p in (c.mcnemar, c.permutation)),
        ]
        for c in found
    ]
    lines = [f"Who is right more often, {reference} as the truth: accuracy, permutations by cluster"]
    if len(found) > 1:
        lines.append(f"(each p stands for itself; for {len(found)} comparisons together, correct them)")
    return [*lines, *columns([head, *rows]), *_undefined((f"{c.first}, {c.second}", c.reason) for c in found)]


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _disagreements(found: Sequence[Disagreement], most: int) -> list[str]:
    if not found or not most:
        return []
    lines = [f"Disagreements with the reference on profiles: {counted(len(found), 'ad')}, worst first"]
    for d in found[:most]:
        lines += ["", f"  {d.id}"]
        for side in d.sides:
            lines += _side(side)
    if len(found) > most:
        lines += ["", f"  ... and {len(found) - most:,} more; --disagreements and --disagreements-to give more"]
    return lines


def _side(side: Side) -> list[str]:
    mark = {True: " ", False: "≠", None: "?"}[side.agrees]
    sure = "" if side.confidence is None else f", {side.confidence:.2f} sure"
    lines = [f"  {mark} {side.coder}: {side.profile or '(none)'}{sure}"]
    lines += [
        f"      {code:<7} {shorten(what, EVIDENCE_WIDTH, placeholder=' ...')}".rstrip()
        for code, what in side.evidence[:SHOWN_EVIDENCE]
    ]
    if len(side.evidence) > SHOWN_EVIDENCE:
        lines.append(f"      ... and {len(side.evidence) - SHOWN_EVIDENCE} more")
    return lines
