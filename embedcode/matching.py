"""Evidence beside the codes of people: how much of an ad's gold was found, found wrongly, or missed.

TASK and SKILL codes are compared for each segment that the coders looked at, tools for each ad, and the spans of any
two coders with each other.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from embedcode.gold import GivenTool, GoldAd

OTHER_TOOL = "OTHER"
"""The code of tools that no TECH code of the coding book fits."""

LONGEST_MENTION = 60
"""Longest evidence, in code points, that matches a tool by shared words: a sentence holds too many."""

_NAME_WORD = re.compile(r"[a-z0-9+#]+")


class Span(Protocol):
    """What is compared of a piece of evidence; fields as in `coded.EVIDENCE`."""

    @property
    def code(self) -> str: ...

    @property
    def start(self) -> int: ...

    @property
    def end(self) -> int: ...

    @property
    def field(self) -> str: ...

    @property
    def text(self) -> str: ...

    @property
    def tool(self) -> str | None: ...


class Mention(NamedTuple):
    """A tool that was found in an ad: its name, its first evidence and its code."""

    tool: str
    text: str
    code: str


def is_tech(code: str) -> bool:
    """Whether a code is one of tools."""
    return code.startswith("TECH")


def segment_counts(ad: GoldAd, spans: Iterable[Span], codes: Sequence[str]) -> NDArray[np.int64]:
    """How many segments of an ad got each code rightly, got it wrongly, or lack it.

    Evidence in the text codes a segment where it covers half of the segment or more, or where half of the
    evidence or more lies inside. A code that only some of the ad's coders gave a segment is left out
    there.

    Returns:
        Shape (n_codes, 3).
    """
    column = {c: i for i, c in enumerate(codes)}
    row: dict[tuple[int, int], list[int]] = {}
    for i, segment in enumerate(ad.segments):
        row.setdefault(segment, []).append(i)
    shape = (len(ad.segments), len(codes))
    given, settled, found = np.zeros(shape, np.bool_), np.ones(shape, np.bool_), np.zeros(shape, np.bool_)
    for code in ad.codes:
        if code.code in column:
            place = row.get((code.start, code.end), []), column[code.code]
            given[place] = True
            settled[place] = ad.is_settled(code)
    phrases = [(s.start, s.end, column[s.code]) for s in spans if s.code in column and s.field == "text"]
    if phrases and ad.segments:
        start, end, code_of = np.array(phrases, dtype=np.int64).T
        first, last = np.array(ad.segments, dtype=np.int64).T[:, :, None]
        shared = np.minimum(end, last) - np.maximum(start, first)
        hit = (shared > 0) & (2 * shared >= np.minimum(last - first, end - start))
        where, phrase = np.nonzero(hit)
        found[where, code_of[phrase]] = True
    outcomes = (given & found, found & ~given, given & ~found)
    return np.stack([(o & settled).sum(0) for o in outcomes], axis=1)


def span_counts(
    first: Sequence[Span],
    second: Sequence[Span],
    codes: Sequence[str],
    iou: float,
    *,
    doubtful: tuple[Sequence[Span], Sequence[Span]] = ((), ()),
) -> NDArray[np.int64]:
    """How many spans of an ad two coders both marked with each code, only the second, and only the first.

    Args:
        first, second: The spans of two coders, with offsets.
        codes: The codes compared; other spans are left out.
        iou: Least intersection over union, see `match_spans`.
        doubtful: Spans that only some of the people gave who stand for the first and second coder; where only the
            other coder has such a span, it is neither right nor wrong.

    Returns:
        Shape (n_codes, 3).
    """
    column = {c: i for i, c in enumerate(codes)}
    pairs = match_spans(first, second, iou)
    alone = [
        [s for i, s in enumerate(spans) if i not in {pair[side] for pair in pairs}]
        for side, spans in enumerate((first, second))
    ]
    for side in (0, 1):
        left_out = {i for _, i in match_spans(doubtful[1 - side], alone[side], iou)}
        alone[side] = [s for i, s in enumerate(alone[side]) if i not in left_out]
    counts = np.zeros((len(codes), 3), dtype=np.int64)
    for kind, spans in enumerate(([first[i] for i, _ in pairs], alone[1], alone[0])):
        for s in spans:
            if s.code in column:
                counts[column[s.code], kind] += 1
    return counts


def match_spans(first: Sequence[Span], second: Sequence[Span], iou: float) -> list[tuple[int, int]]:
    """Match spans of the same code and field one to one, those that overlap most first.

    Args:
        first, second: The spans of two coders, with offsets.
        iou: Least intersection over union: what two spans share, as a part of what they cover together.

    Returns:
        Numbers of the two spans of each match.
    """
    if not first or not second:
        return []
    one, other = (np.array([(s.start, s.end) for s in spans], dtype=np.int64) for spans in (first, second))
    shared = np.minimum(one[:, None, 1], other[None, :, 1]) - np.maximum(one[:, None, 0], other[None, :, 0])
    covered = (one[:, 1] - one[:, 0])[:, None] + (other[:, 1] - other[:, 0])[None, :] - shared
    kinds = [[(s.code, s.field) for s in spans] for spans in (first, second)]
    alike = np.array([[a == b for b in kinds[1]] for a in kinds[0]])
    overlap = np.where(alike & (shared > 0), shared / np.maximum(covered, 1), 0.0)
    able = np.argwhere((overlap >= iou) & (overlap > 0))
    free = [set(range(len(first))), set(range(len(second)))]
    pairs = []
    for i, j in able[np.argsort(-overlap[tuple(able.T)], kind="stable")].tolist():
        if i in free[0] and j in free[1]:
            pairs.append((i, j))
            free[0].remove(i)
            free[1].remove(j)
    return pairs


def tool_counts(ad: GoldAd, spans: Iterable[Span]) -> tuple[int, int, int, int]:
    """How many tools of an ad were found, wrongly found and missed, and how many were found with their code.

    A tool of the gold counts where all of the ad's coders found it and the coding book has a code for it. A
    mention of any other tool of the gold is neither right nor wrong.
    """
    wanted = [t for t in ad.tools if _is_settled(t, ad)]
    mentions = _mentions(spans)
    pairs = match_tools([t.name for t in wanted], mentions)
    matched = {m for _, m in pairs}
    left_out = [t.name for t in ad.tools if not _is_settled(t, ad)]
    wrong = [
        m
        for i, m in enumerate(mentions)
        if i not in matched and not any(_same_name(n, m) or shares_words(n, m) for n in left_out)
    ]
    same_code = sum(wanted[t].code == mentions[m].code for t, m in pairs)
    return len(pairs), len(wrong), len(wanted) - len(pairs), same_code


def _is_settled(tool: GivenTool, ad: GoldAd) -> bool:
    return tool.code != OTHER_TOOL and ad.is_settled(tool)


def _mentions(spans: Iterable[Span]) -> list[Mention]:
    """The tools that an ad's evidence names, each once."""
    found: dict[str, Mention] = {}
    for s in spans:
        if is_tech(s.code):
            name = s.tool or s.text
            found.setdefault(_joined(name) or name, Mention(name, s.text, s.code))
    return list(found.values())


def match_tools(names: Sequence[str], mentions: Sequence[Mention]) -> list[tuple[int, int]]:
    """Match tools of the gold with mentions, one to one, in their order.

    Equal names go first. Of the rest, two names match where one holds all words of the other.

    Returns:
        Numbers of name and mention of each match.
    """
    pairs: list[tuple[int, int]] = []
    names_left, mentions_left = dict.fromkeys(range(len(names))), dict.fromkeys(range(len(mentions)))
    for matches in (_same_name, shares_words):
        for n in list(names_left):
            m = next((m for m in mentions_left if matches(names[n], mentions[m])), None)
            if m is not None:
                pairs.append((n, m))
                del names_left[n], mentions_left[m]
    return pairs


def _same_name(name: str, mention: Mention) -> bool:
    joined = _joined(name)
    return bool(joined) and joined in (_joined(mention.tool), _joined(mention.text))


def shares_words(name: str, mention: Mention) -> bool:
    """Whether one of two names, a tool's and a mention's, holds all words of the other."""
    words = set(_name_words(name))
    if not words or len(mention.text) > LONGEST_MENTION:
        return False
    others = (set(_name_words(mention.tool)), set(_name_words(mention.text)))
    return any(o and (words <= o or o <= words) for o in others)


@lru_cache(maxsize=1 << 14)
def _name_words(name: str) -> tuple[str, ...]:
    return tuple(_NAME_WORD.findall(name.lower().replace(".js", "js")))


def _joined(name: str) -> str:
    return "".join(_name_words(name))
