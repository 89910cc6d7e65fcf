"""Plain text for terminals: counts, figures, and tables of cells in columns."""

from __future__ import annotations

from collections.abc import Collection, Sequence

UNDEFINED = "-"
"""Stands for a figure that is undefined."""


def counted(n: int, what: str) -> str:
    """A number of things: `1 ad`, `2,000 ads`."""
    return f"{n:,} {what}" if n == 1 else f"{n:,} {what}s"


def figure(value: float | None) -> str:
    """A figure to three decimals."""
    return UNDEFINED if value is None else f"{round(value, 3) + 0.0:.3f}"  # no -0.000


def columns(rows: Sequence[Sequence[str]], right: Collection[int] | None = None) -> list[str]:
    """Lines of cells in columns; all but the first are set right, or those given."""
    widths = [max(len(r[i]) for r in rows if i < len(r)) for i in range(max(map(len, rows)))]
    right = range(1, len(widths)) if right is None else right
    return [
        "  " + "  ".join(c.rjust(widths[i]) if i in right else c.ljust(widths[i]) for i, c in enumerate(r)).rstrip()
        for r in rows
    ]
