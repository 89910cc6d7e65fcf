"""What a rebuild changes: the edits of the coding book, and with what effect on the labelled ads.

Figures before and after come with 95 % bootstrap intervals over the ads; both sides are drawn alike, so that the
interval of a change leaves out what the ads themselves vary. Profiles are cross-validated for the head; calibration
and thresholds of the codes are fitted on the same ads, before and after.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedcode.bootstrap import MIN_ADS, Interval, percentiles, ratio
from embedcode.kappa import confusions, kappas
from embedcode.labelled import Labelled
from embedcode.types import CodingBook

RESAMPLES = 1000
_CHUNK = 1 << 20

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Scores:
    """What a coding book makes of the labelled ads.

    Attributes:
        labelled: The ads.
        codes: The codes.
        probabilities: Of each code for each segment, shape (n_segments, n_codes).
        given: Which of them reach their thresholds, same shape.
        names: The profiles.
        profiles: Their cross-validated probabilities, shape (n_ads, n_profiles).
    """

    labelled: Labelled
    codes: tuple[str, ...]
    probabilities: Floats
    given: NDArray[np.bool_]
    names: tuple[str, ...]
    profiles: Floats


@dataclass(frozen=True)
class Edit:
    """A row of the coding book that was added, removed or changed.

    Attributes:
        what: `anchor`, `term`, `tool`, `notion`, `facet`, `code` or `profile`.
        how: `added`, `removed` or `changed`.
        name: The phrase, term or name.
        before, after: Where it belongs, such as `TASK3 generative en`; empty where it is not.
    """

    what: str
    how: str
    name: str
    before: str
    after: str


@dataclass(frozen=True)
class Figure:
    """A figure before and after.

    Attributes:
        name: `kappa`, `macro-F1`, or a code, whose F1 on segments it is.
        before, after: None where it is not defined.
        before_95, after_95, change_95: 95 % intervals; None for fewer than `kappa.MIN_ADS` ads.
    """

    name: str
    before: float | None
    after: float | None
    before_95: Interval | None
    after_95: Interval | None
    change_95: Interval | None


@dataclass(frozen=True)
class Move:
    """How far the probabilities of a code moved.

    Attributes:
        mean: Mean distance of its probabilities before and after, over the segments.
        before, after: How many segments carry it.
    """

    code: str
    mean: float
    before: int
    after: int


@dataclass(frozen=True)
class Difference:
    """What a rebuild changes.

    Attributes:
        ads: Labelled ads that both builds have; the figures are of these.
        edits: What was edited.
        figures: Kappa, macro-F1, and the F1 of each code.
        moves: The codes whose probabilities moved, the farthest first.
    """

    ads: int
    edits: tuple[Edit, ...]
    figures: tuple[Figure, ...]
    moves: tuple[Move, ...]


def compare(old: CodingBook, new: CodingBook, before: Scores, after: Scores) -> Difference:
    """Compare two builds on the labelled ads that both have."""
    place = {id: i for i, id in enumerate(before.labelled.ids)}
    pairs = [(place[id], i) for i, id in enumerate(after.labelled.ids) if id in place]
    ads = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return Difference(len(ads), edits(old, new), _figures(before, after, ads), moves(before, after, ads))


def edits(old: CodingBook, new: CodingBook) -> tuple[Edit, ...]:
    """What was added, removed and changed between two coding books."""
    out: list[Edit] = []
    before, after = _rows(old), _rows(new)
    for what in before:
        was, now = before[what], after[what]
        for name in dict.fromkeys((*now, *was)):
            if was.get(name) != now.get(name):
                how = "added" if name not in was else "removed" if name not in now else "changed"
                sides = [(_place(side[name]) if name in side else "") for side in (was, now)]
                out.append(Edit(what, how, name[0], *sides))
    return tuple(out)


_Key = tuple[str, ...]


def _rows(book: CodingBook) -> dict[str, Mapping[_Key, tuple[Any, ...]]]:
    """The rows of each kind by what tells them apart; the first column names them."""
    return {
        "anchor": {(a.phrase,): (a.code, a.facet, a.language) for a in book.anchors},
        "term": {(t.term, t.facet): (t.facet, t.language) for t in book.terms},
        "tool": {(t.name,): (t.code, t.match, t.aliases, t.speaks_for, t.against) for t in book.tools},
        "notion": {(n,): () for n in book.not_tools},
        "facet": {(f.name,): (f.family, f.both, f.definition) for f in book.facets},
        "code": {(c.code,): (c.name, c.definition) for c in book.codes},
        "profile": {(p.name,): (p.definition,) for p in book.profiles},
    }


def _place(row: tuple[Any, ...]) -> str:
    flat = [" ".join(cell) if isinstance(cell, tuple) else cell for cell in row]
    return " ".join(str(cell) for cell in flat if cell)


def _figures(before: Scores, after: Scores, ads: Ints) -> tuple[Figure, ...]:
    codes = tuple(dict.fromkeys((*after.codes, *before.codes)))
    profiles = tuple(dict.fromkeys((*after.names, *before.names)))
    counts = [_counts(s, rows, codes, profiles) for s, rows in zip((before, after), ads.T, strict=True)]
    n = len(ads)
    points = [_measured(np.ones((1, n)), *c)[0] for c in counts]
    drawn = [np.zeros((0, len(codes) + 2))] * 2
    if n >= MIN_ADS:
        rng = np.random.default_rng(0)
        step = max(1, _CHUNK // n)
        for first in range(0, RESAMPLES, step):
            times = rng.multinomial(n, np.full(n, 1 / n), min(step, RESAMPLES - first)).astype(np.float64)
            drawn = [np.concatenate([d, _measured(times, *c)]) for d, c in zip(drawn, counts, strict=True)]
    change = drawn[1] - drawn[0]
    return tuple(
        Figure(name, _defined(points[0][i]), _defined(points[1][i]), *(percentiles(x[:, i]) for x in (*drawn, change)))
        for i, name in enumerate(("kappa", "macro-F1", *codes))
    )


def _counts(scores: Scores, ads: Ints, codes: Sequence[str], profiles: Sequence[str]) -> tuple[Floats, Floats]:
    """What the figures are summed from, ad by ad.

    Returns:
        Confusion matrices of the profiles, shape (n_ads, n_profiles, n_profiles + 1), and how many segments got each
        code rightly, wrongly, or lack it, shape (n_ads, n_codes, 3); NaN for a code that the build does not have.
    """
    labelled, n = scores.labelled, len(scores.labelled.ids)
    gold = np.array([profiles.index(p) for p in labelled.profiles], dtype=np.int64)
    named = np.array([profiles.index(p) for p in scores.names], dtype=np.int64)
    tables = confusions(gold, named[scores.profiles.argmax(axis=1)], np.arange(n), len(profiles), n)
    out = np.full((n, len(codes), 3), np.nan)
    for i, code in enumerate(codes):
        if code in scores.codes:
            column = labelled.codes.index(code)
            carried, known = labelled.labels[:, column], labelled.known[:, column]
            given = scores.given[:, scores.codes.index(code)]
            for kind, which in enumerate((given & carried, given & ~carried, ~given & carried)):
                out[:, i, kind] = np.bincount(labelled.ad, weights=which & known, minlength=n)
    return tables[ads].astype(np.float64), out[ads]


def _measured(times: Floats, tables: Floats, counts: Floats) -> Floats:
    """Kappa, macro-F1 and F1 of each code of resamples, NaN where not defined.

    Args:
        times: How often each ad was drawn, shape (n_resamples, n_ads).
        tables, counts: As from `_counts`.
    """
    n = len(tables)
    kappa = kappas((times @ tables.reshape(n, -1)).reshape(len(times), *tables.shape[1:]))
    right, wrong, missed = np.moveaxis((times @ counts.reshape(n, -1)).reshape(len(times), -1, 3), -1, 0)
    f1 = ratio(2 * right, 2 * right + wrong + missed)
    macro = ratio(np.nansum(f1, axis=1), (~np.isnan(f1)).sum(axis=1))
    return np.concatenate([kappa[:, None], macro[:, None], f1], axis=1)


def _defined(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def moves(before: Scores, after: Scores, ads: Ints) -> tuple[Move, ...]:
    """The codes whose probabilities moved in some ads, the farthest first.

    Args:
        before, after: Both builds.
        ads: The number of each ad before and after, shape (n_ads, 2).
    """
    segments: tuple[list[Ints], list[Ints]] = ([], [])
    bounds = [np.searchsorted(s.labelled.ad, np.arange(len(s.labelled.ids) + 1)) for s in (before, after)]
    for pair in ads.tolist():
        spans = [np.arange(b[ad], b[ad + 1]) for b, ad in zip(bounds, pair, strict=True)]
        if len(spans[0]) == len(spans[1]):
            for mine, span in zip(segments, spans, strict=True):
                mine.append(span)
    if not segments[0]:
        return ()
    one, other = (np.concatenate(s) for s in segments)
    out = []
    for code in after.codes:
        if code in before.codes and len(one):
            was, now = before.codes.index(code), after.codes.index(code)
            distance = np.abs(after.probabilities[other, now] - before.probabilities[one, was]).mean()
            carried = int(before.given[one, was].sum()), int(after.given[other, now].sum())
            if distance > 0:
                out.append(Move(code, float(distance), *carried))
    return tuple(sorted(out, key=lambda m: (-m.mean, m.code)))
