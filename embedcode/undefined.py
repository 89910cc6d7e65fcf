"""Why figures of an agreement are undefined."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from embedcode.agreement import Agreement, ToolAgreement, ToolRates
from embedcode.bootstrap import MIN_ADS, SAME
from embedcode.rates import Rates


def undefined(of: Agreement) -> list[tuple[tuple[str, ...], str]]:
    """The figures that are None, or rates of which one is, each with the way to it and the reason."""
    p, s = of.profile, of.segments
    few = f"fewer than {MIN_ADS} ads"
    one = "all ads have one and the same profile, in the gold and as coded"
    chance = "kappa is 0, however many ads agree, where one side has a single profile"
    no_codes = "no segment has a code, in the gold or as coded"
    spread = few if of.ads < MIN_ADS else "all ads are one cluster" if p.clusters < 2 else SAME
    fixed = p.kappa == 0 and spread == SAME
    single: list[tuple[tuple[str, ...], object, str]] = [
        (("profile", "kappa"), p.kappa, one),
        (("profile", "kappa_95"), p.kappa_95, one if p.kappa is None else chance if fixed else spread),
        (("profile", "accuracy_95"), p.accuracy_95, spread),
        (("profile", "macro_f1_95"), p.macro_f1_95, spread),
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
        (("segments",), s, "the gold has no segments, or the coder no offsets"),
        (("tools",), of.tools, "the gold has no column tech, or the coder no tools"),
    ]
    rates: list[tuple[tuple[str, ...], Rates, str]] = [
        (("profile", "per_class", name), r, spread) for name, r in p.per_class.items()
    ]
    if s:
        single += [
            (("segments", "macro_f1"), s.macro_f1, no_codes),
            (("segments", "macro_f1_95"), s.macro_f1_95, no_codes if s.macro_f1 is None else spread),
            *((("segments", "by_language", name), g.value, no_codes) for name, g in s.by_language.items()),
        ]
        rates += [(("segments", "per_code", name), r, spread) for name, r in s.per_code.items()]
    for way, t in _tool_parts(of.tools):
        why, nothing = few if t.ads < MIN_ADS else spread, "no tool was found"
        rates.append((("tools", *way), t.rates, why))
        if not _gap(t.rates):
            single.append((("tools", *way, "right_code"), t.right_code, nothing))
            single.append((("tools", *way, "right_code_95"), t.right_code_95, why if t.rates.precision else nothing))
    out = [(way, why) for way, value, why in single if value is None]
    out += [
        (("profile", "calibration", f"{b.low:.1f}"), "no ads" if not b.ads else spread)
        for b in p.calibration
        if b.right_95 is None
    ]
    return [*out, *(gap for way, r, why in rates for gap in _gaps(way, r, why))]


def _gaps(way: tuple[str, ...], rates: Rates, spread: str) -> list[tuple[tuple[str, ...], str]]:
    """The rates that are None, and the intervals that are None though the rates are not."""
    if why := _gap(rates):
        return [(way, why)]
    lacking = [n for n in ("precision_95", "recall_95", "f1_95") if getattr(rates, n) is None]
    return [((*way, n), spread) for n in lacking]


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
