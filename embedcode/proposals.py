"""Proposes tools that the lexicon lacks, from their places in lists with tools that it has."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

from embedcode.types import CodingBook
from embedcode.words import FILLER, find_words

REACH = 2
"""How many places of a list a proposed name may stand from a known tool that speaks for it."""

LEAST = 2
"""How many known tools within reach must speak for a name."""

WORD_WEIGHT = 2.0
"""What a word shared with the names of known tools counts, beside 1 for a known tool next to the name."""

WORD_TOOLS = 4
"""So many known spellings must hold a word for it to count in full."""

LONGEST = 30
"""Characters of the longest name that is proposed."""

WINDOW = 80
"""Characters on either side of a known tool that are looked at."""

_PART = r"(?:[A-Z][\w+#]*(?:[.-][A-Za-z\d]\w*)*[+#]*|[a-z]{1,6}[A-Z]\w*|[a-z]+\d\w*)"
_NAME = re.compile(rf"{_PART}(?: {_PART}){{0,2}}")
_LAST = re.compile(rf"(?:^|\s){_NAME.pattern}$")
_FIRST = re.compile(rf"{_NAME.pattern}(?=\s|$)")
_SEPARATOR = re.compile(
    r"(?P<join>[,;/|\u2022\u00b7&()\[\]]|(?<=[\s,])(?:and|or|en|of|and/or|en/of|such as|like|zoals|including|e\.g\.|"
    r"bijv\.|waaronder|etc\.?|\u2026|\.\.\.)(?=[\s,)]))|"
    r"[:!?\"\u201c\u201d]|\.(?=\s|$)|\n[\s\u2022\u00b7*\u25aa\u25cf\u2023\u2013-]*|\s[-\u2013\u2014]\s"
)
_GAP = re.compile(r"\s")
_TAIL = re.compile(r"[A-Z][a-z]{3,}$")
_BLANK = f"{FILLER}\u200b\ufeff \t\r\xa0*_"


class Mention(Protocol):
    """A known tool named in a text: where, and its index into the coding book's tools."""

    @property
    def start(self) -> int: ...
    @property
    def end(self) -> int: ...
    @property
    def tool(self) -> int: ...


class Proposal(NamedTuple):
    """A name that stands in a list with known tools.

    Attributes:
        start: Code point where the name begins.
        end: Code point after its last.
        code: Class of the tools that speak for it: a TECH code, or OTHER.
        tool: Index of the known tool that classed it: the nearest one of that class.
    """

    start: int
    end: int
    code: str
    tool: int


class _Item(NamedTuple):
    start: int
    end: int
    tools: tuple[int, ...]
    joined: bool  # to the item before it, by list punctuation
    line: bool  # whether it fills a line


class Proposer:
    """Proposes tools by a coding book."""

    def __init__(self, book: CodingBook) -> None:
        """Learn what names the book knows.

        Args:
            book: Its tools speak for names in their lists; the words of its phrases and terms are ordinary language
                and no names; its general notions are no tools.
        """
        self._codes = [t.code for t in book.tools]
        self._notions = {_plain(n) for n in book.not_tools}
        spelt = [(s, t.code) for t in book.tools for s, _ in t.spellings]
        self._known = {_plain(s) for s, _ in spelt}
        self._first = {_plain(s.split()[0]) for s, _ in spelt if " " in s}
        self._votes: dict[str, Counter[str]] = {}
        for name, code in spelt:
            for word in set(find_words(name)):
                self._votes.setdefault(word, Counter())[code] += 1
        self._ordinary = {w for a in book.anchors for w in find_words(a.phrase) if w in a.phrase}

    def propose(self, text: str, mentions: Sequence[Mention], least: int = LEAST) -> list[Proposal]:
        """Propose tools.

        Args:
            text: An ad, without markup.
            mentions: The known tools in it, in text order, without overlaps.
            least: How many known tools within reach must speak for a name.

        Returns:
            Proposals in text order, each name once.
        """
        found: dict[str, Proposal] = {}
        for start, end, inside in _windows(text, mentions):
            if len(inside) < least:
                continue
            for run in _runs(_items(text, start, end, inside)):
                for place, item in enumerate(run):
                    if item.tools or len(near := _near(run, place)) < least:
                        continue
                    span = self._name(text, run, place)
                    if span and (key := _plain(text[slice(*span)])) not in found:
                        found[key] = Proposal(*span, *self._class(text[slice(*span)], near))
        return sorted(found.values())

    def _name(self, text: str, run: Sequence[_Item], place: int) -> tuple[int, int] | None:
        """The name in an item of a list, where there is one that may be a tool's."""
        item = run[place]
        match = _NAME.fullmatch(text, item.start, item.end)
        if not match and place == 0:
            match = _LAST.search(text[: item.end], item.start)
        if not match and place == len(run) - 1:
            match = _FIRST.match(text, item.start, item.end)
        if not match:
            return None
        start = match.start() + len(match[0]) - len(match[0].lstrip())
        name = text[start : match.end()]
        if place == 0 and start == item.start and not item.line and _begins_sentence(text, start) and name.istitle():
            return None
        if text[match.end() : match.end() + 3].strip(_BLANK)[:1] == "\n" and _plain(name) in self._first:
            return None  # a name that a line break cuts
        return (start, match.end()) if self._may_be_tool(name) else None

    def _may_be_tool(self, name: str) -> bool:
        key = _plain(name)
        if not 2 <= len(key) <= LONGEST or key in self._known or self._is_notion(key):
            return False
        if any(self._joins_words(p) for p in name.split()):
            return False
        parts = [_plain(p) for p in name.split()]
        if self._is_notion(parts[-1]) or all(p in self._ordinary or self._is_notion(p) for p in parts):
            return False
        return len(parts) == 1 or not (parts[0] in self._ordinary or parts[-1] in self._ordinary)

    def _joins_words(self, part: str) -> bool:
        """Whether a word is a known name or a notion and more: `RAG-based`, `PythonExperience` where a stop lacks."""
        head, hyphen, _ = part.partition("-")
        if hyphen and (_plain(head) in self._known or self._is_notion(_plain(head))):
            return True
        tail = _TAIL.search(part)
        if not tail:
            return False
        word, head = _plain(tail[0]), _plain(part[: tail.start()])
        return head in self._known and (word in self._ordinary or self._is_notion(word))

    def _is_notion(self, key: str) -> bool:
        return key in self._notions or (key.endswith("s") and key[:-1] in self._notions)

    def _class(self, name: str, near: Sequence[tuple[int, int]]) -> tuple[str, int]:
        """The class that the tools near a name, and those that share a word with it, have most."""
        votes: defaultdict[str, float] = defaultdict(float)
        for distance, tool in near:
            votes[self._codes[tool]] += 1 / distance
        for word in find_words(name):
            counts = self._votes.get(word, Counter())
            total = sum(counts.values())
            for code, count in counts.items():
                votes[code] += WORD_WEIGHT * count / total * min(1.0, total / WORD_TOOLS)
        best = max(votes, key=lambda c: votes[c])
        tools = [tool for _, tool in near]
        return best, next((t for t in tools if self._codes[t] == best), tools[0])


def _plain(name: str) -> str:
    return "".join(find_words(name))


def _begins_sentence(text: str, start: int) -> bool:
    """Whether a name could be an ordinary word with the capital of a sentence; what follows a colon could not."""
    return text[max(0, start - 12) : start].rstrip(_BLANK)[-1:] not in (":", "(")


def _near(run: Sequence[_Item], place: int) -> list[tuple[int, int]]:
    """Distance and index of the known tools within reach of an item of a list, the nearest first."""
    first = max(0, place - REACH)
    near = [
        (abs(place - first - k), tool) for k, item in enumerate(run[first : place + REACH + 1]) for tool in item.tools
    ]
    return sorted(near, key=lambda n: n[0])


def _runs(items: Iterator[_Item]) -> Iterator[list[_Item]]:
    """Lists: items with only list punctuation, or the ends of lines that hold one item each, between them."""
    run: list[_Item] = []
    for item in items:
        if run and not item.joined and not (item.line and run[-1].line):
            yield run
            run = []
        run.append(item)
    if run:
        yield run


def _windows(text: str, mentions: Sequence[Mention]) -> Iterator[tuple[int, int, list[Mention]]]:
    """The parts of a text near known tools, cut at blanks, with the mentions in them."""
    inside: list[Mention] = []
    start = end = 0
    for mention in mentions:
        if inside and mention.start <= end:
            inside.append(mention)
        else:
            if inside:
                yield start, end, inside
            cut = max(end, mention.start - WINDOW)
            blank = _GAP.search(text, cut, mention.start) if cut else None
            start, inside = blank.end() if blank else mention.start if cut else 0, [mention]
        end = min(len(text), mention.end + WINDOW)
        while mention.end < end < len(text) and not text[end].isspace():
            end -= 1
    if inside:
        yield start, end, inside


def _items(text: str, start: int, end: int, mentions: Sequence[Mention]) -> Iterator[_Item]:
    """What stands between separators, without blanks around it; a part of a word or name at a cut is left out."""
    edges = [(m.start(), m.end(), m["join"] is not None, "\n" in m[0]) for m in _SEPARATOR.finditer(text, start, end)]
    edges.append((end, end, False, text[end : end + 1] in ("", "\n")))
    number, at, joined, begins = 0, start, False, text[start - 1 : start] in ("", "\n")
    for left, right, joins, breaks in edges:
        if number < len(mentions) and mentions[number].start < left < mentions[number].end:
            continue
        inside = text[at:left]
        first = at + len(inside) - len(inside.lstrip(_BLANK))
        last = first + len(inside.strip(_BLANK))
        tools: list[int] = []
        while number < len(mentions) and mentions[number].start < max(left, at + 1):
            tools.append(mentions[number].tool)
            number += 1
        cut = (at == start and not begins) or (left == end and not breaks)
        if last > first and (tools or not cut):
            yield _Item(first, last, tuple(tools), joined, begins and breaks and last - first <= LONGEST)
        if last > first:
            joined, begins = joins, breaks
        else:
            joined, begins = joined and joins, begins or breaks
        at = right
