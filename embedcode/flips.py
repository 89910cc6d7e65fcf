"""Why another bundle gives an ad another profile: the evidence that it gains or loses, and what moved the margin."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from embedcode.coder import Analysis, Coder, first_mentions
from embedcode.difference import edits
from embedcode.margin import Margin, Side, margin
from embedcode.types import NEGATIVE, Anchor

Floats = NDArray[np.float64]

BEST = ".best"
"""Ends the names of the features that are a probability in its best segment."""

NEAREST = 5
"""Anchors nearest to a segment among which one that was edited is named."""


@dataclass(frozen=True)
class Near:
    """An anchor near a segment.

    Attributes:
        code: Its code, `NEG` for a negative anchor.
        similarity: Cosine to the segment.
        edited: `added`, `removed` or `changed`; empty where it was not.
    """

    code: str
    phrase: str
    similarity: float
    edited: str


@dataclass(frozen=True)
class Flipped:
    """An ad that changes profile.

    Attributes:
        text, title: The ad.
        before, after: The profile that it had and the one that it gets; None for want of confidence.
    """

    text: str
    title: str | None
    before: str | None
    after: str | None


@dataclass(frozen=True)
class Change:
    """A piece of evidence that an ad gains or loses.

    Attributes:
        gained: Whether it is gained.
        text: The segment, or the name as it stands in the ad for a tool.
        before, after: Probability of the code; 0 or 1 for a tool.
        threshold_before, threshold: Probability from which it is given; None for a tool, and where the code is unknown.
        near: The nearest anchor of the code where it is carried, and the nearest edited one to which the change can be
            due, if one is near.
        tool: The tool.
    """

    code: str
    gained: bool
    text: str
    before: float
    after: float
    threshold_before: float | None = None
    threshold: float | None = None
    near: tuple[Near, ...] = ()
    tool: str | None = None

    @property
    def edited(self) -> bool:
        """Whether an edit is at its root: of an anchor that is near, or of the tools."""
        return self.tool is not None or any(n.edited for n in self.near)

    @property
    def by_threshold(self) -> bool:
        """Whether it is the threshold that made the difference: the probability alone would not have."""
        return self.threshold_before is not None and (self.after >= self.threshold_before) != self.gained


@dataclass(frozen=True)
class Best:
    """The segment behind a feature that is the probability of a code, or of a facet of it, in its best segment.

    Attributes:
        text: The segment, on the side where the probability is higher.
        before, after: The probability.
        near: As in `Change`.
    """

    text: str
    before: float
    after: float
    near: tuple[Near, ...]


@dataclass(frozen=True)
class Why:
    """Why an ad changes profile.

    Attributes:
        changes: The evidence that it gains or loses, the most telling first: where an edit is near, then where more
            than a threshold moved, then the farthest moved.
        margin: Of the profile that it gets over the one that it had; None where either is new or gone.
        best: By the name of the feature, the segments behind features of the margin that moved as evidence.
    """

    changes: tuple[Change, ...]
    margin: Margin | None
    best: Mapping[str, Best]


@dataclass(frozen=True)
class _Coded:
    """An ad as a coder sees it."""

    coder: Coder
    found: Analysis

    @property
    def profile(self) -> str:
        return self.coder.bundle.head.profiles[int(self.found.profiles[0].argmax())]

    @property
    def second(self) -> str:
        return self.coder.bundle.head.profiles[int(np.argsort(-self.found.profiles[0], kind="stable")[1])]

    @property
    def side(self) -> Side:
        space = self.coder.space
        return Side(space.names, space.meanings, self.found.features[0], self.coder.bundle.head)

    @property
    def codes(self) -> tuple[str, ...]:
        return self.coder.scorer.pools.codes

    def probabilities(self, code: str) -> Floats:
        """Of a code for each segment; 0 for a code that there is none of."""
        if code not in self.codes:
            return np.zeros(len(self.found.probabilities))
        return self.found.probabilities[:, self.codes.index(code)]

    def threshold(self, code: str) -> float | None:
        return float(self.coder.bundle.codes.thresholds[self.codes.index(code)]) if code in self.codes else None

    @cached_property
    def scored(self) -> dict[str, Floats]:
        """Probability of each code, and of each facet of one, for each segment."""
        scorer, found = self.coder.scorer, self.found
        sums = scorer.pools.sums(found.vectors).astype(np.float64)
        return dict(zip(scorer.coded, scorer.with_facets(found.probabilities, sums).T, strict=True))

    def carry(self, code: str) -> NDArray[np.bool_]:
        """Which segments carry a code."""
        if code not in self.codes:
            return np.zeros(len(self.found.probabilities), dtype=np.bool_)
        return self.coder.bundle.codes.given(self.found.probabilities)[:, self.codes.index(code)]

    def tools(self, fields: Sequence[str]) -> dict[tuple[str, str], str]:
        """How the ad names each tool, by code and tool."""
        book = self.coder.bundle.book
        return {
            (book.tools[tool].code, book.tools[tool].name): fields[field][start:end]
            for _, field, start, end, tool, _ in first_mentions(self.found.layout, self.coder.bundle)
        }

    def nearest(self, segment: int, code: str) -> tuple[Anchor, float] | None:
        """The nearest anchor of a code to a segment, with its cosine."""
        place = np.array([segment]), np.array([self.codes.index(code)])
        anchor, cosine = self.coder.nearest(self.found.vectors, *place)
        return (self.coder.bundle.book.anchors[anchor[0]], float(cosine[0])) if anchor[0] >= 0 else None

    def near(self, segment: int) -> list[tuple[Anchor, float]]:
        """The nearest anchors of any code to a segment, with their cosines."""
        near = self.coder.index.search(self.found.vectors[[segment]], NEAREST)
        pairs = zip(near.anchor[0].tolist(), near.similarity[0].tolist(), strict=True)
        return [(self.coder.bundle.book.anchors[i], cosine) for i, cosine in pairs if i >= 0]


class Comparison:
    """Compares what two coders make of ads.

    Attributes:
        before, after: The coders.
    """

    def __init__(self, before: Coder, after: Coder) -> None:
        self.before, self.after = before, after
        changed = edits(before.bundle.book, after.bundle.book)
        self._edited = {e.name: e.how for e in changed if e.what == "anchor"}

    def explain(self, ads: Sequence[Flipped]) -> list[Why | None]:
        """Why ads change profile; None where the coder before does not give an ad the profile that it had.

        Coder by coder: an embedder that both share would learn the words anew whenever they took turns.
        """
        was, now = ([_Coded(c, c.analyse([ad.text], [ad.title])) for ad in ads] for c in (self.before, self.after))
        return [self._why(*row) for row in zip(ads, was, now, strict=True)]

    def _why(self, ad: Flipped, was: _Coded, now: _Coded) -> Why | None:
        had, gets = was.profile, now.profile
        if ad.before not in (None, had):
            return None
        if had == gets:  # its confidence reached the minimum, or fell below
            had, gets = (now.second, gets) if ad.before is None else (gets, now.second)
        fields = (ad.title or "", ad.text)
        changes = [*self._segments(was, now, fields), *_tools(was, now, fields)]
        moved = margin(was.side, now.side, gets, had)
        names = [f.name for f in moved.features if f.cause == "evidence"] if moved else []
        best = {name: self._best(was, now, name, fields) for name in names if name.endswith(BEST)}
        return Why(tuple(sorted(changes, key=_telling)), moved, best)

    def _segments(self, was: _Coded, now: _Coded, fields: Sequence[str]) -> Iterator[Change]:
        """The codes that segments gain or lose; both coders cut an ad into the same segments."""
        layout = now.found.layout
        for code in dict.fromkeys((*now.codes, *was.codes)):
            gained, thresholds = now.carry(code), (was.threshold(code), now.threshold(code))
            for i in np.flatnonzero(was.carry(code) != gained).tolist():
                text = fields[layout.field[i]][layout.start[i] : layout.end[i]]
                before, after = (float(side.probabilities(code)[i]) for side in (was, now))
                near = self._near(was, now, i, code, bool(gained[i]))
                yield Change(code, bool(gained[i]), text, before, after, *thresholds, near)

    def _best(self, was: _Coded, now: _Coded, feature: str, fields: Sequence[str]) -> Best:
        name, layout = feature.removesuffix(BEST), now.found.layout
        before, after = was.scored[name], now.scored[name]
        gained = bool(after.max() > before.max())
        segment = int((after if gained else before).argmax())
        text = fields[layout.field[segment]][layout.start[segment] : layout.end[segment]]
        near = self._near(was, now, segment, name.split("/")[0], gained)
        return Best(text, float(before.max()), float(after.max()), near)

    def _near(self, was: _Coded, now: _Coded, segment: int, code: str, gained: bool) -> tuple[Near, ...]:
        """The anchors that tell most of a code that a segment gains or loses."""
        carrying, other = (now, was) if gained else (was, now)
        nearest = carrying.nearest(segment, code)
        # An anchor of the code is at its root where it stands with the code, one against it where it stands without.
        edited = [
            (anchor, cosine)
            for side, wanted in ((carrying, code), (other, NEGATIVE))
            for anchor, cosine in side.near(segment)
            if anchor.code == wanted and anchor.phrase in self._edited
        ]
        told = dict([*([nearest] if nearest else []), *sorted(edited, key=lambda a: -a[1])[:1]])
        return tuple(Near(a.code, a.phrase, cosine, self._edited.get(a.phrase, "")) for a, cosine in told.items())


def _tools(was: _Coded, now: _Coded, fields: Sequence[str]) -> Iterator[Change]:
    """The tools that an ad gains or loses, or that get another code."""
    before, after = was.tools(fields), now.tools(fields)
    for code, tool in dict.fromkeys((*after, *before)):
        if ((code, tool) in after) != ((code, tool) in before):
            gained = (code, tool) in after
            text = (after if gained else before)[code, tool]
            yield Change(code, gained, text, float(not gained), float(gained), tool=tool)


def _telling(change: Change) -> tuple[bool, bool, float]:
    return not change.edited, change.by_threshold, -abs(change.after - change.before)
