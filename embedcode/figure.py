"""What the figures of a report are made of: a chart, the table behind it, and numbers as people read them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from embedcode import charts
from embedcode.breakdown import Ints
from embedcode.charts import Row, Spec


@dataclass(frozen=True)
class Table:
    """A table; the first column names the rows, the others hold numbers."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Figure:
    """A chart, what it shows in words, and the table behind it; no chart where there is too little to draw."""

    title: str
    svg: str | None
    table: Table


def figure(title: str, spec: Spec | None, head: Sequence[str], rows: Iterable[Sequence[str]]) -> Figure:
    """A figure.

    Args:
        title: What it shows.
        spec: The chart; None for none.
        head, rows: Of the table.
    """
    return Figure(title, charts.svg(spec, title) if spec else None, Table(head, list(rows)))


def shares(names: Sequence[str], parts: Sequence[str], some: Ints, ads: Ints, least: int = 1) -> list[Row]:
    """Rows to draw: the share of the ads of each name that have a part.

    Args:
        names: Shape (names,).
        parts: Shape (parts,).
        some: Ads that have it, shape (names, parts).
        ads: All ads, shape (names,).
        least: With fewer ads, the share is None.
    """
    return [
        {"name": name, "part": part, "share": float(some[i, j] / ads[i]) if ads[i] >= least else None}
        for j, part in enumerate(parts)
        for i, name in enumerate(names)
    ]


def share_rows(names: Sequence[str], some: Ints, ads: Ints) -> list[Sequence[str]]:
    """Rows of a table: the same shares, with the number of ads."""
    return [
        (name, count(every), *(share(n, every) for n in row)) for name, every, row in zip(names, ads, some, strict=True)
    ]


def count(n: int) -> str:
    """A count for people: 1,234."""
    return f"{int(n):,}"


def share(some: int, all: int) -> str:
    """A share for people: 12.3%."""
    return f"{some / all:.1%}" if all else "–"


def p_value(p: float) -> str:
    """A p-value as it is written in papers."""
    return "< .001" if p < 0.001 else f"{p:.3f}".lstrip("0") if p < 1 else "1"
