"""The figures of a report on agreement: of the coded ads with ads that people coded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from embedcode import charts
from embedcode.agreement import Agreement
from embedcode.bootstrap import Interval
from embedcode.charts import Row, Spec
from embedcode.evaluate import Evaluation
from embedcode.figure import Figure, Table, count, figure
from embedcode.rates import Rates
from embedcode.undefined import undefined


@dataclass(frozen=True)
class AgreementFigures:
    """The figures of the section.

    Attributes:
        summary: The main figures.
        figures: Charts with their tables.
        reasons: Why figures are undefined, by the figure.
    """

    summary: Table
    figures: Sequence[Figure]
    reasons: Mapping[str, str]


def agreement_figures(found: Evaluation) -> AgreementFigures:
    """The figures on the agreement of the coded ads with the reference."""
    of = found.first
    segments = of.segments
    figures = [_confusion(of), _rates("profile", of.profile.per_class)]
    if segments:
        figures.append(_rates("code", segments.per_code))
    if of.profile.calibration:
        figures.append(_calibration(of))
    return AgreementFigures(_summary(of), figures, {" ".join(way): why for way, why in undefined(of)})


def _summary(of: Agreement) -> Table:
    p, s, t = of.profile, of.segments, of.tools
    rows = [
        ("Cohen’s kappa on the profile", _value(p.kappa), _interval(p.kappa_95)),
        ("Share of ads with the right profile", _value(p.accuracy), _interval(p.accuracy_95)),
        ("Macro-F1 on the profile", _value(p.macro_f1), _interval(p.macro_f1_95)),
        ("Expected calibration error", _value(p.calibration_error), ""),
    ]
    if s:
        rows.append(("Macro-F1 on segments, TASK and SKILL", _value(s.macro_f1), _interval(s.macro_f1_95)))
    if t:
        rows += [
            ("F1 on tools", _value(t.overall.rates.f1), _interval(t.overall.rates.f1_95)),
            ("Share of tools with the right TECH code", _value(t.overall.right_code), ""),
        ]
    return Table(("Figure", "Value", "95% interval"), rows)


def _confusion(of: Agreement) -> Figure:
    found = of.profile.confusion
    cells: list[Row] = [
        {"gold": gold, "coded": coded, "share": n / max(1, sum(row)), "ads": count(n)}
        for gold, row in zip(found.gold, found.counts, strict=True)
        for coded, n in zip(found.coded, row, strict=True)
    ]
    return figure(
        "Profiles by people (rows) and as coded (columns)",
        charts.heat(cells, x="coded", y="gold", shade="share", text="ads", titles=(None, None)),
        ("By people", *(f"coded {name}" for name in found.coded)),
        [(gold, *map(count, row)) for gold, row in zip(found.gold, found.counts, strict=True)],
    )


def _rates(what: str, rates: Mapping[str, Rates]) -> Figure:
    drawn: list[Row] = [
        {"name": name, "value": r.f1, **_bounds(r.f1_95, r.f1)} for name, r in rates.items() if r.f1 is not None
    ]
    return figure(
        f"F1 of each {what}, with its 95% interval",
        charts.estimates(drawn, label="name", value="value", low="low", high="high", title="F1") if drawn else None,
        (what.capitalize(), "By people", "As coded", "Precision", "Recall", "F1", "95% interval of F1"),
        [
            (
                name,
                count(r.count),
                count(r.coded),
                *(_value(v) for v in (r.precision, r.recall, r.f1)),
                _interval(r.f1_95),
            )
            for name, r in rates.items()
        ],
    )


def _calibration(of: Agreement) -> Figure:
    bins = [b for b in of.profile.calibration if b.confidence is not None]
    drawn: list[Row] = [{"confidence": b.confidence, "right": b.right, **_bounds(b.right_95, b.right)} for b in bins]
    spec: Spec = charts.calibration(drawn, x="confidence", y="right", low="low", high="high")
    return figure(
        "Calibration: share of right profiles by confidence; on the line the two are equal",
        spec,
        ("Confidence", "Ads", "Mean confidence", "Share right", "95% interval"),
        [
            (f"{b.low:.1f} to {b.high:.1f}", count(b.ads), _value(b.confidence), _value(b.right), _interval(b.right_95))
            for b in bins
        ],
    )


def _bounds(interval: Interval | None, value: float | None) -> Row:
    low, high = interval or (value, value)
    return {"low": low, "high": high}


def _value(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.2f}"


def _interval(interval: Interval | None) -> str:
    return f"{interval[0]:.2f} to {interval[1]:.2f}" if interval else "–"
