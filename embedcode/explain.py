"""Why an ad got its profile: segments with their codes and nearest anchors, and the features that decided."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from embedcode.analysis import FIELDS
from embedcode.coder import Analysis, Coder, first_mentions
from embedcode.errors import InputError
from embedcode.terms import TermHits
from embedcode.types import CodingBook

ANCHORS = 5
"""Nearest anchors that are shown for each segment."""


@dataclass(frozen=True)
class NearAnchor:
    """An anchor near a segment.

    Attributes:
        code: Its code, `NEG` for a negative anchor.
        facet: Its facet; the kind of a negative anchor.
        similarity: Cosine to the segment.
    """

    code: str
    facet: str
    phrase: str
    id: str
    similarity: float


@dataclass(frozen=True)
class Segment:
    """A segment of the ad.

    Attributes:
        field: `title` or `text`.
        start, end: Code points in the field as given, end exclusive.
        codes: Codes given, with their scores, best first.
        scores: Calibrated probability of every code.
        anchors: The nearest anchors, best first.
        terms: Anchor terms found, with their facets.
    """

    field: str
    start: int
    end: int
    text: str
    codes: dict[str, float]
    scores: dict[str, float]
    anchors: tuple[NearAnchor, ...]
    terms: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class NamedTool:
    """A tool that the ad names, at its first mention."""

    name: str
    code: str
    field: str
    start: int
    end: int


@dataclass(frozen=True)
class Feature:
    """What a feature did for the profile.

    Attributes:
        contribution: Log-odds for the profile against the mean of the others; negative speaks against.
        value: Standard deviations above the mean of the labelled ads.
        found: The terms behind it, most frequent first, where it counts terms.
        segments: Numbers of the segments behind it, the strongest first, where single segments are.
    """

    name: str
    meaning: str
    contribution: float
    value: float
    found: tuple[str, ...]
    segments: tuple[int, ...]


@dataclass(frozen=True)
class Explanation:
    """Everything that a decision rests on."""

    profile: str
    confidence: float
    probabilities: dict[str, float]
    language: str
    segments: tuple[Segment, ...]
    tools: tuple[NamedTool, ...]
    features: tuple[Feature, ...]


def explain(coder: Coder, text: str, title: str | None = None) -> Explanation:
    """Explain how an ad is coded.

    Args:
        coder: The coder.
        text: The ad.
        title: Its title, where it stands apart from the text.

    Raises:
        InputError: The text is empty.
    """
    if not text.strip():
        raise InputError("The ad has no text; expected at least a word. Check the file, the id or the text column.")
    found = coder.analyse([text], [title])
    hits = coder.reader.read(found.layout.texts).hits
    best = int(found.profiles[0].argmax())
    profiles = coder.bundle.head.profiles
    book = coder.bundle.book
    tools = tuple(
        NamedTool(book.tools[tool].name, book.tools[tool].code, FIELDS[field], start, end)
        for _, field, start, end, tool, _ in first_mentions(found.layout, coder.bundle)
    )
    return Explanation(
        profile=profiles[best],
        confidence=round(float(found.profiles[0, best]), 4),
        probabilities={p: round(float(x), 4) for p, x in zip(profiles, found.profiles[0], strict=True)},
        language=found.languages[0],
        segments=_segments(coder, found, hits, text, title or ""),
        tools=tools,
        features=_features(coder, found, hits, best),
    )


def _segments(coder: Coder, found: Analysis, hits: TermHits, text: str, title: str) -> tuple[Segment, ...]:
    layout, codes, book = found.layout, coder.scorer.pools.codes, coder.bundle.book
    near = coder.index.search(found.vectors, ANCHORS)
    terms: list[dict[tuple[str, str], None]] = [{} for _ in layout.ad]
    for segment, term in zip(hits.text.tolist(), hits.term.tolist(), strict=True):
        terms[segment][book.terms[term].term, book.terms[term].facet] = None
    given = coder.bundle.codes.given(found.probabilities)
    out = []
    for i in range(len(layout.ad)):
        start, end, field = int(layout.start[i]), int(layout.end[i]), FIELDS[layout.field[i]]
        scores = {c: round(float(p), 4) for c, p in zip(codes, found.probabilities[i], strict=True)}
        carried = sorted((c for c, g in zip(codes, given[i], strict=True) if g), key=lambda c: -scores[c])
        nearest = tuple(
            NearAnchor(a.code, a.facet, a.phrase, a.id, round(float(cosine), 4))
            for a, cosine in (
                (book.anchors[n], cosine)
                for n, cosine in zip(near.anchor[i], near.similarity[i], strict=True)
                if n >= 0
            )
        )
        piece = (title if field == "title" else text)[start:end]
        out.append(Segment(field, start, end, piece, {c: scores[c] for c in carried}, scores, nearest, tuple(terms[i])))
    return tuple(out)


def _features(coder: Coder, found: Analysis, hits: TermHits, profile: int) -> tuple[Feature, ...]:
    """All features that spoke, the strongest first, whether for or against."""
    head, space, book = coder.bundle.head, coder.space, coder.bundle.book
    contributions = head.contributions(found.features, profile)[0]
    values = head.standardised(found.features)[0]
    by_facet = _terms_by_facet(hits, book)
    families: dict[str, Counter[str]] = {}
    for facet in book.facets:
        families.setdefault(facet.family, Counter()).update(by_facet.get(facet.name, Counter()))
    order = np.argsort(-np.abs(contributions), kind="stable")
    out = []
    for i in order[np.abs(contributions[order]) > 0.0005].tolist():
        subject = space.names[i].rsplit(".", 1)[0].split("-")[0]
        terms = by_facet.get(subject) or families.get(subject) or Counter()
        listed = tuple(t if n == 1 else f"{t} ×{n}" for t, n in terms.most_common(4))
        contribution, value = (round(float(x[i]), 4) for x in (contributions, values))
        behind = _behind(coder, found, hits, space.names[i])
        out.append(Feature(space.names[i], space.meanings[i], contribution, value, listed, behind))
    return tuple(out)


def _behind(coder: Coder, found: Analysis, hits: TermHits, feature: str) -> tuple[int, ...]:
    """The segments that a feature rests on: those that a code is given to, or that hold terms of a facet."""
    subject = feature.rsplit(".", 1)[0]
    book, codes = coder.bundle.book, coder.scorer.pools.codes
    code = subject.split("/")[0]
    if code in codes:
        column = codes.index(code)
        given = np.flatnonzero(coder.bundle.codes.given(found.probabilities)[:, column])
        return tuple(given[np.argsort(-found.probabilities[given, column], kind="stable")].tolist())
    wanted = [f.both or (f.name,) for f in book.facets if subject.split("-")[0] in (f.name, f.family)]
    held: dict[int, set[str]] = {}
    for segment, number in zip(hits.text.tolist(), hits.term.tolist(), strict=True):
        held.setdefault(segment, set()).add(book.terms[number].facet)
    return tuple(s for s, facets in held.items() if any(facets.issuperset(parts) for parts in wanted))


def _terms_by_facet(hits: TermHits, book: CodingBook) -> dict[str, Counter[str]]:
    """The terms found of each facet; of a pair, those in segments that hold both of its facets."""
    segments: dict[int, dict[str, Counter[str]]] = {}
    for segment, number in zip(hits.text.tolist(), hits.term.tolist(), strict=True):
        term = book.terms[number]
        segments.setdefault(segment, {}).setdefault(term.facet, Counter())[term.term] += 1
    out: dict[str, Counter[str]] = {}
    for facets in segments.values():
        for facet in book.facets:
            parts = facet.both or (facet.name,)
            if all(p in facets for p in parts):
                for p in parts:
                    out.setdefault(facet.name, Counter()).update(facets[p])
    return out
