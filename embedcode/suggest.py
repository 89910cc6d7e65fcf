"""Suggests anchor phrases from ads: what many ads say and the coding book is unsure of, clustered by similarity.

A line (the same words in any ad) is open where the code that is likeliest for it is near that code's threshold. Open
lines that resemble each other make a cluster, the weightiest first (Butina 1999, https://doi.org/10.1021/ci9803381).
A line weighs more the more ads hold it, the nearer it is to the threshold and the farther from every anchor. The
cluster's phrase covers what resembles it, as it would once it is an anchor, and the rest is clustered further.
A heading names what follows and says nothing by itself, so it can stand for boilerplate only; and a cluster is
suggested only where most of it stands for one code.
Similarities are products of whole numbers: the same ads and bundle give the same suggestions.
"""

from __future__ import annotations

import heapq
import re
import shlex
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from embedcode.coder import Analysis, Coder, chunks
from embedcode.codes import Floats, log_odds
from embedcode.errors import BookError, InputError, OverlongAdError
from embedcode.explain import NearAnchor
from embedcode.language import SUPPORTED, FunctionWords, detect
from embedcode.types import NEGATIVE, WORK
from embedcode.values import text_hash
from embedcode.vectors import SCALE
from embedcode.words import FILLER, Splitter, find_words

LIMIT, MIN_ADS = 20, 3

MAX_SEGMENTS = 200_000
"""Lines that are held at most, at about 700 bytes each. Of more, a sample is held: those whose hashes are lowest."""

MAX_CLUSTERED = 15_000
"""Open lines that are clustered at most, the weightiest; every pair of them takes a bit."""

LONGEST = 200
"""Characters of the longest line that is looked at; a phrase is a short statement."""

MIN_WORDS, MAX_WORDS = 3, 14
"""Words of a phrase; longer ones are taken only where a cluster has no other."""

BELOW, ABOVE = 1.5, 0.75
"""How far below and above its threshold a line is open, in log-odds."""

NEAR, FAR = 0.95, 0.7
"""Similarity to the nearest anchor from which a line says nothing new, and up to which it is all new."""

ALIKE = 0.8
"""Similarity from which lines belong to a cluster."""

COVERED = 0.72
"""Similarity to a suggested phrase from which lines are not suggested once more."""

MOST = 0.5
"""Share of a cluster's weight from which it stands for one code; those that say too little are near several."""

CLEAR, GENERAL = 2 / 3, "general"
"""Share of a cluster's lines that must be nearest to one kind of work, which reaches the profile; else this facet."""

EXAMPLES = 3
"""Further lines that are shown of a cluster."""

REMEMBERED_ADS = 64
"""Ads that are remembered of a line. Those beyond are taken for ads that hold no other line of its cluster."""

_BLOCK = 1024
_GRAIN = 1000  # weights are whole numbers, so that their sums are exact
_WORD = re.compile(r"[^\W\d_]+")
_MINOR = 3  # letters of words that title case leaves small: and, of, van
_EDGES = " \t.;:,-–—•*·#>|"


@dataclass(frozen=True)
class AnchorSuggestion:
    """A phrase to add to the coding book, and the cluster of lines that it stands for.

    Attributes:
        code: The code that it may stand for, `NEG` where the nearest anchors are negative ones.
        facet: The facet, or kind of a negative, of the anchors of that code nearest to the lines.
        language: `en` or `nl`.
        phrase: The line nearest to the centre of the cluster.
        ads: Ads with a line of the cluster; ads of the same text count once.
        segments: Such lines in them, the same line once an ad.
        wordings: Different lines.
        coded: Segments of these that carry a code so far.
        likeliest: The likeliest code; `code` unless that is `NEG`.
        probability: Of that code, the mean over the segments.
        threshold: The probability from which it is given.
        nearest: The anchor nearest to the phrase.
        examples: Further lines, those nearest to the centre first.
    """

    code: str
    facet: str
    language: str
    phrase: str
    ads: int
    segments: int
    wordings: int
    coded: int
    likeliest: str
    probability: float
    threshold: float
    nearest: NearAnchor
    examples: tuple[str, ...]

    def command(self, anchors: str | None = None) -> str:
        """The command that adds the phrase.

        Args:
            anchors: Folder of the coding book, where it is not the default one.
        """
        words = ["embedcode", "anchors", "add", self.code, _quoted(self.phrase), "--facet", shlex.quote(self.facet)]
        words += ["--language", self.language] if self.language != SUPPORTED[0] else []
        words += ["--anchors", shlex.quote(anchors)] if anchors else []
        return " ".join(words)


@dataclass(frozen=True)
class Suggestions:
    """What ads suggest.

    Attributes:
        ads: Ads read.
        lines: Different lines in them that might be phrases; an estimate where not all are held.
        held: How many of these were held, see `MAX_SEGMENTS`.
        open: How many of those are open.
        suggestions: The suggestions, the weightiest first.
    """

    ads: int
    lines: int
    held: int
    open: int
    suggestions: tuple[AnchorSuggestion, ...]


def suggest(
    coder: Coder,
    batches: Iterable[pa.RecordBatch],
    *,
    limit: int = LIMIT,
    code: str | None = None,
    min_ads: int = MIN_ADS,
    max_segments: int = MAX_SEGMENTS,
    progress: Callable[[int], object] = lambda ads: None,
) -> Suggestions:
    """Suggest anchor phrases.

    Args:
        coder: A coder by the coding book.
        batches: Ads, as from `documents.Source.batches`.
        limit: How many suggestions to make at most.
        code: Only for this code, or `NEG`.
        min_ads: Ads that a cluster must come from, and wordings that it must have: what one employer puts into
            every ad is one wording.
        max_segments: Lines to hold at most.
        progress: Told how many ads were read.

    Raises:
        BookError: No anchor has that code.
        InputError: There is no ad that can be coded.
    """
    codes = coder.scorer.pools.codes
    if code is not None and code not in (*codes, NEGATIVE):
        hint = " Tools are suggested by: embedcode anchors suggest-tools." if code.startswith("TECH") else ""
        raise BookError(f"Found no anchors of {code!r}; expected one of {', '.join((*codes, NEGATIVE))}.{hint}")
    lines = Lines(coder, max_segments)
    for batch in batches:
        lines.read(batch)
        progress(len(batch))
    if not lines.ads:
        raise InputError("The input holds no ad that can be coded; expected ads with texts. Check the text column.")
    lines.prune()
    unsure = _open(coder, lines, code)
    found = tuple(_suggestion(coder, unsure, *cluster) for cluster in _clusters(unsure, limit, min_ads))
    return Suggestions(lines.ads, lines.seen, len(lines.held), unsure.found, found)


@dataclass(slots=True)
class Line:
    """A line of ads.

    Attributes:
        text: As the first ad has it.
        number: Its hash.
        row: Its row in the arrays of `Lines`.
        heading: Whether it is a heading there, by its form.
        count: Ads that hold it.
        ads: Hashes of the first of them.
    """

    text: str
    number: int
    row: int
    heading: bool
    count: int = 0
    ads: array[int] = field(default_factory=lambda: array("Q"))

    def counts(self, ad: int) -> bool:
        """Count an ad, unless it was counted before."""
        if ad in self.ads:
            return False
        if len(self.ads) < REMEMBERED_ADS:
            self.ads.append(ad)
        self.count += 1
        return True


class Lines:
    """The lines of ads, with what their codes are on average. Memory is bounded by the number of lines held.

    Attributes:
        held: By their words in lower case.
        vectors: Of the lines, by row.
        sums: Sum of the probabilities of each code over the ads that hold a line, by row.
        coded: Ads in which a line carries a code, by row.
        ads: Ads read.
    """

    def __init__(self, coder: Coder, most: int) -> None:
        self.held: dict[str, Line] = {}
        self.vectors = np.zeros((_BLOCK, coder.index.vectors.shape[1]), dtype=np.int8)
        self.sums = np.zeros((_BLOCK, len(coder.scorer.pools.codes)))
        self.coded = np.zeros(_BLOCK, dtype=np.int64)
        self.ads = 0
        self._coder = coder
        self._most = most
        self._end = 1 << 64

    @property
    def seen(self) -> int:
        """Different lines seen; an estimate where not all are held."""
        return round(len(self.held) * (1 << 64) / self._end)

    def read(self, batch: pa.RecordBatch) -> None:
        """Read a batch of ads; those that cannot be coded are passed over."""
        for first, last in chunks(batch):
            part = batch.slice(first, last - first)
            texts, titles = part.column("text").to_pylist(), part.column("title").to_pylist()
            rows = [(t, title) for t, title in zip(texts, titles, strict=True) if t and not t.isspace()]
            found = None
            while rows and found is None:
                try:
                    found = self._coder.analyse([t for t, _ in rows], [title for _, title in rows])
                except OverlongAdError as error:
                    del rows[error.ad]
            if found:
                self._count([t for t, _ in rows], found)

    def _count(self, texts: Sequence[str], found: Analysis) -> None:
        self.ads += len(texts)
        ads = [text_hash(t) for t in texts]
        layout = found.layout
        given = np.any(self._coder.bundle.codes.given(found.probabilities), axis=1)
        rows, segments = [], []
        places = zip(layout.texts, layout.ad.tolist(), layout.title.tolist(), strict=True)
        for segment, (raw, ad, title) in enumerate(places):
            text = " ".join(raw.replace(FILLER, "").split()).strip(_EDGES)
            if title or len(text) > LONGEST or text.count(" ") < MIN_WORDS - 1:
                continue
            key = text.lower()
            line = self.held.get(key) or self._hold(key, text, is_heading(raw), found.vectors[segment])
            if line is not None and line.counts(ads[ad]):
                rows.append(line.row)
                segments.append(segment)
        np.add.at(self.sums, rows, found.probabilities[segments])
        np.add.at(self.coded, rows, given[segments])
        if len(self.held) > self._most + self._most // 4:
            self.prune()

    def _hold(self, key: str, text: str, heading: bool, vector: NDArray[np.int8]) -> Line | None:
        """A new line, unless its hash is too high."""
        number = text_hash(key)
        if number >= self._end:
            return None
        line = self.held[key] = Line(text, number, len(self.held), heading)
        if line.row == len(self.sums):
            self.vectors = np.concatenate([self.vectors, np.zeros_like(self.vectors)])
            self.sums = np.concatenate([self.sums, np.zeros_like(self.sums)])
            self.coded = np.concatenate([self.coded, np.zeros_like(self.coded)])
        self.vectors[line.row] = vector
        return line

    def prune(self) -> None:
        """Let go of the lines of the highest hashes. The others have been counted from their first ad on."""
        if len(self.held) <= self._most:
            return
        self._end = sorted(line.number for line in self.held.values())[self._most]
        self.held = {key: line for key, line in self.held.items() if line.number < self._end}
        kept = [line.row for line in self.held.values()]
        for values in (self.vectors, self.sums, self.coded):
            values[: len(kept)] = values[kept]
            values[len(kept) :] = 0
        for row, line in enumerate(self.held.values()):
            line.row = row


@dataclass(frozen=True)
class _Open:
    """Open lines, the weightiest first.

    Attributes:
        found: How many there are. Of those that differ in numbers and signs only, the weightiest stands for all; those
            beyond `MAX_CLUSTERED` are left out.
        lines: The lines.
        vectors: Theirs, shape (n, dimension).
        probabilities: Of each code, the mean over the ads, shape (n, n_codes).
        coded: Ads in which a line carries a code, shape (n,).
        weight: Whole numbers, shape (n,).
        anchor: The nearest anchor, shape (n,).
        similarity: To it, shape (n,).
        vote: The code that a line may stand for: a column of `probabilities`, or -1 for `NEG`, shape (n,).
    """

    found: int
    lines: list[Line]
    vectors: NDArray[np.int8]
    probabilities: Floats
    coded: NDArray[np.int64]
    weight: NDArray[np.int64]
    anchor: NDArray[np.int64]
    similarity: NDArray[np.float32]
    vote: NDArray[np.int64]


def _open(coder: Coder, lines: Lines, code: str | None) -> _Open:
    """The open lines, all or those that vote for one code."""
    book, codes = coder.bundle.book, coder.scorer.pools.codes
    held = list(lines.held.values())
    count = np.array([line.count for line in held], dtype=np.int64)
    probabilities = lines.sums[: len(held)] / np.maximum(count, 1)[:, None]
    off = log_odds(probabilities) - log_odds(coder.bundle.codes.thresholds)
    best = off.argmax(axis=1)
    off = off.max(axis=1)
    unsure = np.clip(1 - np.where(off < 0, -off / BELOW, off / ABOVE), 0, None)
    rows = np.flatnonzero((unsure > 0) & lines.vectors[: len(held)].any(axis=1))
    near = coder.index.search(lines.vectors[rows], 1)
    anchor, similarity = near.anchor[:, 0], near.similarity[:, 0]
    new = np.clip((NEAR - similarity) / (NEAR - FAR), 0, 1)
    weight = np.rint(_GRAIN * unsure[rows] * new * np.log2(1 + count[rows])).astype(np.int64)
    negative = np.flatnonzero([a.code == NEGATIVE for a in book.anchors])
    vote = np.where(np.isin(anchor, negative), -1, best[rows])
    keep = (weight > 0) & ((vote == -1) | ~np.array([held[row].heading for row in rows], dtype=np.bool_))
    if code is not None:
        keep &= vote == (-1 if code == NEGATIVE else codes.index(code))
    known = {tuple(find_words(a.phrase)) for a in book.anchors}
    wording: dict[tuple[str, ...], int] = {}  # to its weightiest line
    found = 0
    for i in sorted(np.flatnonzero(keep).tolist(), key=lambda i: (-weight[i], held[rows[i]].number)):
        words = tuple(find_words(held[rows[i]].text))
        if len(words) >= MIN_WORDS and words not in known:
            wording.setdefault(tuple(w for w in words if not w[0].isdigit()), i)
            found += 1
    pick = np.array(list(wording.values())[:MAX_CLUSTERED], dtype=np.int64)
    rows = rows[pick]
    return _Open(
        found=found,
        lines=[held[row] for row in rows],
        vectors=lines.vectors[rows],
        probabilities=probabilities[rows],
        coded=lines.coded[rows],
        weight=weight[pick],
        anchor=anchor[pick],
        similarity=similarity[pick],
        vote=vote[pick],
    )


def _clusters(lines: _Open, limit: int, min_ads: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Clusters of open lines, the weightiest first.

    Yields:
        The lines of a cluster and, of these, those that may give the phrase, nearest to the centre first.
    """
    vectors = lines.vectors.astype(np.float32)
    weight = lines.weight.copy()
    # A bit for each pair of lines that are alike.
    alike = np.zeros((len(vectors), (len(vectors) + 7) // 8), dtype=np.uint8)
    total = np.zeros(len(vectors))
    for first in range(0, len(vectors), _BLOCK):
        near = vectors[first : first + _BLOCK] @ vectors.T >= ALIKE * SCALE**2
        alike[first : first + _BLOCK] = np.packbits(near, axis=1)
        total[first : first + _BLOCK] = near @ weight.astype(np.float64)
    heap = [(-int(t), i) for i, t in enumerate(total)]
    heapq.heapify(heap)
    while heap and limit:
        before, i = heapq.heappop(heap)
        if not weight[i]:
            continue
        members = np.flatnonzero(np.unpackbits(alike[i], count=len(vectors)).view(np.bool_) & (weight > 0))
        now = -int(weight[members].sum())
        if now > before:
            heapq.heappush(heap, (now, i))
            continue
        if len(members) < min_ads or _ads(lines, members) < min_ads:
            weight[i] = 0
            continue
        phrases = _phrases(lines, members, weight[members])
        if not len(phrases):
            weight[i] = 0
            continue
        yield members, phrases
        limit -= 1
        weight[members] = 0
        weight[vectors @ vectors[phrases[0]] >= COVERED * SCALE**2] = 0


def _ads(lines: _Open, members: NDArray[np.int64]) -> int:
    """How many ads hold one of several lines; see `REMEMBERED_ADS`."""
    chosen: list[Line] = [lines.lines[i] for i in members.tolist()]
    return len({ad for line in chosen for ad in line.ads}) + sum(line.count - len(line.ads) for line in chosen)


def _phrases(lines: _Open, members: NDArray[np.int64], weight: NDArray[np.int64]) -> NDArray[np.int64]:
    """The lines of a cluster that stand for what most of it stands for, short ones first, then by their place.

    None where it stands for nothing in particular.
    """
    votes = Counter[int]()
    for i, w in zip(members, weight, strict=True):
        votes[int(lines.vote[i])] += int(w)
    (vote, agree), *_ = votes.most_common(1)
    if agree < MOST * votes.total():
        return members[:0]
    wide = lines.vectors[members].astype(np.int64)
    near = wide @ (weight @ wide)  # similarity to the centre
    mine = np.flatnonzero(lines.vote[members] == vote)
    long = np.array([len(find_words(lines.lines[i].text)) > MAX_WORDS for i in members[mine].tolist()])
    order: NDArray[np.int64] = members[mine[np.lexsort((members[mine], -near[mine], long))]]
    return order


def _suggestion(coder: Coder, lines: _Open, members: NDArray[np.int64], phrases: NDArray[np.int64]) -> AnchorSuggestion:
    book, codes = coder.bundle.book, coder.scorer.pools.codes
    first = phrases[0]
    vote = int(lines.vote[first])
    count = np.array([lines.lines[i].count for i in members], dtype=np.int64)
    mean = count @ lines.probabilities[members] / count.sum()
    thresholds = coder.bundle.codes.thresholds
    likeliest = vote if vote >= 0 else int((log_odds(mean) - log_odds(thresholds)).argmax())
    if vote >= 0:
        anchors, _ = coder.nearest(lines.vectors, phrases, np.full(len(phrases), vote))
    else:
        anchors = lines.anchor[phrases]
    (facet, agree), *_ = Counter(book.anchors[a].facet for a in anchors.tolist()).most_common(1)
    facets = {a.facet for a in book.anchors if vote >= 0 and a.code == codes[vote]}
    if facet in WORK and agree < CLEAR * len(anchors) and GENERAL in facets:
        facet = GENERAL
    near = book.anchors[lines.anchor[first]]
    others = list(dict.fromkeys([*phrases[1:].tolist(), *members.tolist()]))
    others.remove(first)
    return AnchorSuggestion(
        code=codes[vote] if vote >= 0 else NEGATIVE,
        facet=facet,
        language=_language([lines.lines[i].text for i in members]),
        phrase=lines.lines[first].text,
        ads=_ads(lines, members),
        segments=int(count.sum()),
        wordings=len(members),
        coded=int(lines.coded[members].sum()),
        likeliest=codes[likeliest],
        probability=round(float(mean[likeliest]), 4),
        threshold=round(float(thresholds[likeliest]), 4),
        nearest=NearAnchor(near.code, near.facet, near.phrase, near.id, round(float(lines.similarity[first]), 4)),
        examples=tuple(lines.lines[i].text for i in others[:EXAMPLES]),
    )


def is_heading(text: str) -> bool:
    """Whether a line is a heading by its form: a colon ends it, or its words begin with capitals, short ones aside."""
    words = [w for w in _WORD.findall(text) if len(w) > _MINOR]
    return text.rstrip().endswith(":") or (bool(words) and all(w[0].isupper() for w in words))


def _language(texts: Sequence[str]) -> str:
    """The language of most words of some lines; English where it is neither of the two."""
    splitter = Splitter()
    counts = FunctionWords().count(splitter, splitter.split(texts)).sum(axis=0, keepdims=True)
    (found,) = detect([" ".join(texts)], counts)
    return found if found in SUPPORTED else SUPPORTED[0]


def _quoted(text: str) -> str:
    """A text as one word of a shell; in double quotes where that does."""
    return shlex.quote(text) if any(c in text for c in '"$`\\!') else f'"{text}"'
