"""Charts as SVG: Vega-Lite specifications, drawn by vl-convert, which needs neither a browser nor the network.

Colours are CSS variables of the page (`--bar`, `--heat`, `--c0`, `--c1`, ...), so that a chart follows its light or
dark scheme. Text is measured in Liberation Sans, which vl-convert brings along and which is as wide as Arial and
Helvetica.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from typing import Any

Row = dict[str, Any]
Spec = dict[str, Any]

COLOURS = 8
"""How many colours the page has."""

LEAST = 0.7
"""How far a chart is made smaller on a narrow screen, before it is scrolled."""

_ALL = range(COLOURS)
_SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right", "triangle-left")
_DASHES = ([1, 0], [6, 3], [2, 2], [8, 3, 2, 3], [4, 4], [1, 3], [10, 4], [3, 1])
_FONT = "Liberation Sans, Arial, Helvetica, sans-serif"
_WORDS: Spec = {"labelColor": "var(--front)", "titleColor": "var(--front)", "labelFontSize": 12, "titleFontSize": 12}
_RULES: Spec = {"gridColor": "var(--line)", "domainColor": "var(--line)", "tickColor": "var(--line)"}
_CONFIG: Spec = {
    "aria": False,  # the chart as a whole has a name, and a table stands behind it
    "mark": {"aria": False},
    "background": "transparent",
    "font": _FONT,
    "view": {"stroke": None},
    "axis": {**_WORDS, **_RULES, "titleFontWeight": "normal", "labelLimit": 260},
    "legend": {**_WORDS, "orient": "top", "labelLimit": 260, "symbolSize": 90},
    "header": _WORDS,
    "text": {"color": "var(--front)", "fontSize": 12},
}
_DOT: Spec = {"type": "point", "filled": True, "size": 70, "color": "var(--bar)", "opacity": 1}
_RULE: Spec = {"type": "rule", "color": "var(--bar)", "strokeWidth": 2}
_SHARE: Spec = {"format": "%", "tickCount": 5}


def bars(
    rows: Sequence[Row], *, label: str, value: str, title: str, colours: Sequence[int] = (), width: int = 420
) -> Spec:
    """A bar for each row, in the order given, with its value written behind it.

    Args:
        rows: What is drawn.
        label, value: Fields of the rows; the value is a count.
        title: Of the axis of values.
        colours: Number of the colour of each row; none for one colour that stands for nothing.
        width: Of the bars, in pixels.
    """
    count = _quantity(value)
    colour = [f"var(--c{c % COLOURS})" for c in colours] or ["var(--bar)"] * len(rows)
    return {
        "data": {"values": [{**r, "_colour": c} for r, c in zip(rows, colour, strict=True)]},
        "width": width,
        "height": {"step": 20},
        "encoding": {"y": _label(label), "x": {**count, "title": title, "axis": {"tickMinStep": 1, "tickCount": 5}}},
        "layer": [
            {
                "mark": {"type": "bar", "height": {"band": 0.75}},
                "encoding": {"color": {"field": "_colour", "type": "nominal", "scale": None}},
            },
            {"mark": {"type": "text", "align": "left", "dx": 4}, "encoding": {"text": {**count, "format": ","}}},
        ],
    }


def stacked(
    rows: Sequence[Row], *, label: str, part: str, parts: Sequence[str], value: str, colours: Sequence[int] = _ALL
) -> Spec:
    """A bar of a whole for each label, parted by colour."""
    share = {**_quantity(value), "stack": "normalize", "title": "share of ads", "axis": _SHARE}
    return {
        "data": {"values": [{**r, "_order": parts.index(r[part])} for r in rows]},
        "width": 420,
        "height": {"step": 24},
        "mark": {"type": "bar", "stroke": "var(--back)", "strokeWidth": 1},
        "encoding": {
            "y": _label(label),
            "x": share,
            "color": _colour(part, parts, colours),
            "order": _quantity("_order"),
        },
    }


def dots(rows: Sequence[Row], *, label: str, part: str, parts: Sequence[str], value: str) -> Spec:
    """A dot for each part of each label, by colour and shape."""
    return {
        "data": {"values": list(rows)},
        "width": 420,
        "height": {"step": 20},
        "mark": {"type": "point", "filled": True, "size": 80, "opacity": 0.9},
        "encoding": {
            "y": {**_label(label), "axis": {"grid": True}},
            "x": {**_quantity(value), "title": "share of ads", "axis": _SHARE},
            "color": _colour(part, parts, _ALL),
            "shape": _parts(part, parts, _SHAPES),
        },
    }


def heat(rows: Sequence[Row], *, x: str, y: str, shade: str, text: str, titles: tuple[str | None, str | None]) -> Spec:
    """A cell for each pair, the darker the larger, in the order given.

    Args:
        rows: What is drawn.
        x, y: Fields of the columns and of the rows.
        shade: What is shown by shade, from 0 to 1.
        text: What is written in the cell.
        titles: Of the columns and of the rows.
    """
    axis = {"labelAngle": 0 if titles[0] else -45, "orient": "bottom"}
    scale = {"domain": [0, max((r[shade] for r in rows), default=0) or 1], "range": [0, 0.5]}
    shaded = {"opacity": {**_quantity(shade), "scale": scale, "legend": None}}
    return {
        "data": {"values": list(rows)},
        "width": {"step": 46},
        "height": {"step": 26},
        "encoding": {"x": {**_label(x), "title": titles[0], "axis": axis}, "y": {**_label(y), "title": titles[1]}},
        "layer": [
            {"mark": {"type": "rect", "color": "var(--heat)"}, "encoding": shaded},
            {"mark": {"type": "text", "fontSize": 11}, "encoding": {"text": _label(text)}},
        ],
    }


def lines(
    rows: Sequence[Row], *, time: str, part: str, parts: Sequence[str], value: str, colours: Sequence[int] = _ALL
) -> Spec:
    """A line for each part over time, by colour and dashes."""
    legend = {"symbolType": "stroke", "symbolSize": 500, "symbolStrokeWidth": 2}
    return {
        "data": {"values": list(rows)},
        "width": 560,
        "height": 240,
        "mark": {"type": "line", "strokeWidth": 2, "strokeJoin": "round", "point": {"size": 30}},
        "encoding": {
            "x": _time(time),
            "y": {**_quantity(value), "title": "share of ads", "axis": _SHARE},
            "color": {**_colour(part, parts, colours), "legend": legend},
            "strokeDash": {**_parts(part, parts, _DASHES), "legend": legend},
        },
    }


def columns(rows: Sequence[Row], *, time: str, value: str, title: str) -> Spec:
    """A column for each period."""
    return {
        "data": {"values": list(rows)},
        "width": 560,
        "height": 110,
        "mark": {"type": "bar", "color": "var(--bar)"},
        "encoding": {
            "x": _time(time),
            "y": {**_quantity(value), "title": title, "axis": {"tickMinStep": 1, "tickCount": 4}},
        },
    }


def small_lines(rows: Sequence[Row], *, time: str, part: str, parts: Sequence[str], value: str) -> Spec:
    """A small chart for each part over time, all on one scale."""
    point = {"size": 10, "color": "var(--bar)"}
    return {
        "data": {"values": list(rows)},
        "facet": {"field": part, "type": "nominal", "sort": list(parts), "title": None},
        "columns": 4,
        "spacing": 14,
        "spec": {
            "width": 130,
            "height": 60,
            "mark": {"type": "line", "color": "var(--bar)", "strokeWidth": 1.5, "strokeJoin": "round", "point": point},
            "encoding": {
                "x": {**_time(time), "axis": {"labels": False, "ticks": False}},
                "y": {**_quantity(value), "title": None, "axis": {**_SHARE, "tickCount": 3}},
            },
        },
    }


def estimates(rows: Sequence[Row], *, label: str, value: str, low: str, high: str, title: str) -> Spec:
    """A dot for each row on a scale from 0 to 1, on the line of its interval."""
    x = {**_quantity(value), "title": title, "scale": {"domain": [0, 1]}}
    return {
        "data": {"values": list(rows)},
        "width": 420,
        "height": {"step": 20},
        "encoding": {"y": _label(label)},
        "layer": [
            {"mark": _RULE, "encoding": {"x": {**x, "field": low}, "x2": {"field": high}}},
            {"mark": _DOT, "encoding": {"x": x}},
        ],
    }


def calibration(rows: Sequence[Row], *, x: str, y: str, low: str, high: str) -> Spec:
    """A dot for each bin of confidence, on the line of its interval, beside the line on which the two are equal."""
    across = {**_quantity(x), "title": "mean confidence", "scale": {"domain": [0, 1]}, "axis": _SHARE}
    up = {**_quantity(y), "title": "share right", "scale": {"domain": [0, 1]}, "axis": _SHARE}
    ends = [{x: 0, y: 0}, {x: 1, y: 1}]
    return {
        "data": {"values": list(rows)},
        "width": 280,
        "height": 280,
        "encoding": {"x": across},
        "layer": [
            {
                "data": {"values": ends},
                "mark": {"type": "line", "color": "var(--front)", "strokeDash": [4, 4], "strokeWidth": 1},
                "encoding": {"y": up},
            },
            {"mark": _RULE, "encoding": {"y": {**up, "field": low}, "y2": {"field": high}}},
            {"mark": _DOT, "encoding": {"y": up}},
        ],
    }


def svg(spec: Spec, name: str) -> str:
    """Draw a chart.

    Args:
        spec: What one of the other functions gives.
        name: What the chart shows, for those who do not see it.

    Returns:
        An `svg` element; all strings of the specification are escaped.
    """
    from vl_convert import vegalite_to_svg

    drawn: str = vegalite_to_svg({**spec, "config": _CONFIG}, vl_version="6.4", allowed_base_urls=[])
    size = re.search(r' width="(\d+)', drawn)
    least = int(size[1]) * LEAST if size else 0
    # The chart is one image to a screen reader.
    tag = f'<svg role="img" aria-label="{escape(name)}" style="min-width: {least:.0f}px" '
    return drawn.replace("<svg ", tag, 1)


def _label(field: str) -> Spec:
    return {"field": field, "type": "nominal", "sort": None, "title": None}


def _quantity(field: str) -> Spec:
    return {"field": field, "type": "quantitative"}


def _time(field: str) -> Spec:
    axis = {"labelAngle": -45, "labelOverlap": "parity"}
    return {"field": field, "type": "ordinal", "title": None, "axis": axis}


def _colour(field: str, values: Sequence[str], colours: Sequence[int]) -> Spec:
    return _parts(field, values, [f"var(--c{i})" for i in colours])


def _parts(field: str, values: Sequence[str], shown: Sequence[Any]) -> Spec:
    """How each of several values is shown."""
    scale = {"domain": list(values), "range": [shown[i % len(shown)] for i, _ in enumerate(values)]}
    return {"field": field, "type": "nominal", "scale": scale, "title": None}
