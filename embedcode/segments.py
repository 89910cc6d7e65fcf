"""Cutting of masked ad texts into segments: sentences, bullets and headings, with exact offsets."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import NamedTuple

MAX_LENGTH = 1_500
"""Longest segment in code points; text without any stop is cut at commas or spaces to stay below it."""

MAX_SEGMENTS = 200_000
"""Segments after which cutting ends: a text with more of them is no ad. They bound the memory that one ad takes."""

# Segments that may hold a list: from the first length on where the ad shows signs of
# one, else from the second; and the mean length of its items.
_MIN_LIST = 120
_MIN_RUN_ON = 200
_MEAN_PART = 40
# Lines broken before a lower-case word that make an ad a hard-wrapped one, and the widths it may have.
_MIN_BROKEN = 3
_MIN_WIDTH, _MAX_WIDTH = 40, 120

# Characters with no width or meaning of their own: white space and the filler that `markup.mask` puts.
_BLANK = r"\s\x00"
# Signs that only ever open a bullet, also in the middle of a line.
_BULLETS = "•●◦‣⁃∙▪■◆►▸➢➤✓✔✅⦁❖\uf0b7\uf0a7\uf0d8"
# Signs that open a bullet at the start of a line or sentence: arrows, shapes, emoji, private-use symbols.
_SIGNS = _BULLETS + (
    "·○»★☆§\u200d\ufe0e\ufe0f\u2190-\u21ff\u2300-\u23ff\u25a0-\u27bf\u2900-\u297f\u2b00-\u2bff"
    "\ue000-\uf8ff\U0001f000-\U0001faff"
)
_MARK = (
    rf"(?:[{_SIGNS}]++"
    rf"|[-–—*+~|=>]++(?=[{_BLANK}]|\Z)|[-*–](?=[^\W\d_])"
    rf"|o(?=[ \t]\s*+[^\W_])"
    rf"|\(?(?:\d{{1,2}}|[a-z]|[ivx]{{2,4}})[.)]++(?=[{_BLANK}]++\S))"
)
_MARKS = rf"(?:[{_BLANK}]*+{_MARK})*+[{_BLANK}]*+"
# What a sentence starts with: a capital, a digit, a letter of another script, a name such as iOS or .NET.
_START = r"[\"'“”‘’„«(\[<$€£#@\x00]*+(?:[^\Wa-zß-öø-ÿ_]|\.NET|[a-z]{1,2}[A-Z])"
# A capital after a stop without a space that is no sentence: Vue.Js, Bol.Com.
_EXTENSION = r"(?:Js|Net|Io|Ai|Com|Org|Co|Eu|Nl|Py)\b"
_CLOSERS = r"[\"'”’»)\]\x00]*+"
_MARKS_HERE = rf"[{_BLANK}]*+{_MARK}{_MARKS}"
_AFTER_STOP = rf"\s(?:{_MARKS_HERE}|[{_BLANK}]*+(?={_START}))"

# One pass over the text. One character class first, so that the search skips quickly from stop to stop.
# Where a group matched (behind a stop and what closes it), the segment ends there, otherwise at the match.
_CUT = re.compile(
    rf"[\n.!?…;:。！？*{_BULLETS}](?:"
    rf"(?<=\n){_MARKS}"
    rf"|(?<=[.!?…])(?<![.!?…][.!?…])[.!?…]*+{_CLOSERS}(){_AFTER_STOP}"
    # "systems.You will": the space after the stop is missing
    rf"|(?<=[a-z)\]][a-z)\]][.!?])\x00*+()(?!{_EXTENSION})(?=[A-Z][a-z]*+[ ,'’]|\d{{1,2}}\+? years)"
    rf"|(?<=;)()\s(?:{_MARKS_HERE}|[{_BLANK}]*+(?=[A-Z\d][^;\n]{{15}}))"
    rf"|(?<=:)()(?=\s[{_BLANK}]*+[-–—*+·o1a(]){_MARKS_HERE}"
    rf"|(?<=[。！？])[。！？”’」』）]*+(){_MARKS}"
    rf"|(?<=[{_BLANK}]\*)[{_BLANK}]++(?=[\"'“(]*+[A-Z])"
    rf"|(?<=[{_BULLETS}]){_MARKS}"
    rf")"
)
# Never at the end of a sentence.
_INSIDE = frozenset(
    [
        "e.g",
        "eg",
        "i.e",
        "vs",
        "bijv",
        "bv",
        "o.a",
        "m.b.t",
        "d.m.v",
        "i.c.m",
        "i.p.v",
        "t.b.v",
        "t.a.v",
        "m.a.w",
        "d.w.z",
        "n.a.v",
        "i.s.m",
        "o.b.v",
        "m.u.v",
        "a.o",
        "t.o.v",
        "incl",
        "excl",
        "dr",
        "drs",
        "mr",
        "mrs",
        "ms",
        "ir",
        "ing",
        "prof",
        "dhr",
        "mw",
        "mevr",
        "zgn",
        "evt",
        "resp",
        "jl",
        "a.d.h.v",
        "cf",
    ]
)
# At the end of a sentence only where the next word is one that starts sentences.
_EITHER = frozenset(
    [
        "ca",
        "min",
        "max",
        "approx",
        "inc",
        "ltd",
        "corp",
        "co",
        "bros",
        "jr",
        "sr",
        "st",
        "al",
        "dept",
        "ph.d",
        "a.m",
        "p.m",
        "b.eng",
        "m.eng",
        "b.tech",
        "m.tech",
        "ext",
        "afd",
    ]
)
# Part of a number: "no. 3".
_BEFORE_NUMBER = frozenset(
    [
        "no",
        "nr",
        "nrs",
        "art",
        "fig",
        "vol",
        "tel",
        "par",
        "pag",
        "jan",
        "feb",
        "apr",
        "jun",
        "jul",
        "aug",
        "sep",
        "sept",
        "okt",
        "oct",
        "nov",
        "dec",
    ]
)
# At the end of a list; the sentence may go on behind it in lower case.
_FINAL = frozenset(["etc", "enz", "e.d", "o.i.d", "e.a", "e.v"])
_LANGUAGES = frozenset("CR")
_STARTER = re.compile(
    "(?:You Your We Our The This That These Those They Their It Its In On As At For With If When While I "
    "A An To From By But And Or So Please Must Should Will Are Is Be Do What Who How Why Where There Here "
    "Join Apply All Any No Experience Knowledge Ability Strong Je Jij Jouw Jullie U Uw Wij Wil Ons Onze "
    "De Het Een Dit Deze Dat Die Als Voor Met Op Bij Naar Om Door Ook Daarnaast Verder Daarom Ben Bent "
    "Heb Wat Wie Hoe Waar Er Zo Van Tijdens Samen Binnen Vanuit Hier Hij Zij Ze)(?![^\\W_])".replace(" ", "|")
)
_LEAD = re.compile(_MARKS)
_LETTER = re.compile(r"[^\W_]")
_TAIL = (
    "\x00 \t\n\x0b\x0c\r\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007"
    "\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
) + _BULLETS
_LONE_MARKS = "-–—*+|="
_ATTACHED = re.compile(rf"[{_LONE_MARKS}]*+")
_BULLET = re.compile(rf"[{_BULLETS}]")
_SUSPECT = frozenset(_TAIL + _LONE_MARKS)


class _List(NamedTuple):
    """A kind of list inside a line.

    Attributes:
        signs: What an ad holds at least `least` times where such a list is worth looking for; none: always.
        between: Group 1 is what stands between two items.
        least: Number of joints that make a list.
        shortest: Length that every item has.
    """

    signs: tuple[str, ...]
    between: re.Pattern[str]
    least: int
    shortest: int

    def count(self, text: str) -> int:
        """How many of the signs a text holds; a search for one character is far cheaper than one for several."""
        return sum(text.count(sign) for sign in self.signs if sign.strip() in text)


_LISTS = (
    _List((" - ", " – ", " — "), re.compile(r"( [-–—] )(?=[A-Z])"), 3, 20),
    _List(("; ",), re.compile(r";( )"), 2, 20),
    # "writing reportsHelping teams": lost line breaks. In names (TypeScript) a capital comes first.
    _List((), re.compile(r"[ )](?:(?<= )[a-z]{3,}+|(?<=\)))()(?=[A-Z][a-z]++[ ,])"), 2, 12),
)
_PRINTED_LIST = re.compile(r"""(?:\A|\n)\[['"]""")
_PRINTED_LIST_MARKS = {
    "', '": "\n   ",
    "', \"": "\n   ",
    "\", '": "\n   ",
    '", "': "\n   ",
    "['": "\n ",
    '["': "\n ",
    "']": " \n",
    '"]': " \n",
}

_CONTINUATION = re.compile(r"\n[ \t]*+[a-zà-öø-ÿ]")
# What would have had to fit: a word, up to a hyphen inside it; an unbreakable space does not end it.
_CHUNK = re.compile(r"[ \t]*+[^ \t-]*+-?")
_ITEM_LINE = re.compile(rf"[{_BLANK}]*+{_MARK}")


def segment(text: str) -> list[tuple[int, int]]:
    """Cut a text into sentences, bullets and headings.

    Args:
        text: An ad with its markup masked (`markup.mask`).

    Returns:
        (start, end) in code points, end exclusive, in text order, without overlaps; each starts and ends on
        text (no white space, bullet marks or filler) and holds at least one letter or digit. More than
        `MAX_SEGMENTS` where the text has more, but not all of them.
    """
    text = _unwrapped(_with_newlines(text)) + "\n"
    # Signs of lists are counted once for the ad, which spares most segments a look of their own.
    lists = [kind for kind in _LISTS if not kind.signs or kind.count(text) >= kind.least]
    shortest_to_cut = _MIN_LIST if len(lists) > 1 else _MIN_RUN_ON
    segments: list[tuple[int, int]] = []
    start = _LEAD.match(text).end()  # type: ignore[union-attr]  # it matches the empty string too
    for cut in _CUT.finditer(text, start):
        behind_stop = cut.lastindex
        if behind_stop is None:
            end = cut.start()
        else:
            end = cut.end(behind_stop)
            stop = cut.start()
            if text[stop] == "." and not text[stop - 7 : stop].isalpha() and _is_abbreviation(text, cut):
                continue
        if end > start:
            if text[end - 1] in _SUSPECT:
                end = _end(text, start, end)
            if end - start > shortest_to_cut and (parts := _refined(text, start, end, lists)):
                segments += parts
            elif text[start].isalnum() or _LETTER.search(text, start, end):
                segments.append((start, end))
            if len(segments) > MAX_SEGMENTS:
                break
        start = cut.end()
    return segments


def _end(text: str, start: int, end: int) -> int:
    """The end of [start, end) without blanks and lone bullet marks; those of `C++` are part of the word."""
    end_of_word = start + len(text[start:end].rstrip(_TAIL + _LONE_MARKS))
    return _ATTACHED.match(text, end_of_word, end).end()  # type: ignore[union-attr]  # matches the empty string


def _with_newlines(text: str) -> str:
    """Every kind of line end, and the commas of a list printed by Python, as a newline; lengths stay."""
    if "\r" in text:
        text = text.replace("\r\n", " \n").replace("\r", "\n")
    if not text.isascii():
        text = text.replace("\u2028", "\n").replace("\u2029", "\n")
    if "[" in text and "', '" in text and _PRINTED_LIST.search(text):
        for mark, line in _PRINTED_LIST_MARKS.items():
            text = text.replace(mark, line)
    return text


def _unwrapped(text: str) -> str:
    """Turn the line breaks of hard-wrapped text into spaces, those between lines that were broken to fit.

    A line was broken to fit where the first word of the next line would not have fitted any more. The width
    is that of the whole ad or, where an ad also has long lines, of one paragraph.
    """
    if text.count("\n") > MAX_SEGMENTS or len(_CONTINUATION.findall(text)) < _MIN_BROKEN:
        return text  # neither is a hard-wrapped ad
    lines = text.split("\n")
    if (joined := _joined(lines)) is not None:
        return joined
    parts = []
    block: list[str] = []
    for line in [*lines, ""]:
        if line and not line.isspace():
            block.append(line)
            continue
        if block:
            joined = _joined(block) if len(block) > _MIN_BROKEN else None
            parts.append("\n".join(block) if joined is None else joined)
            block = []
        parts.append(line)
    return "\n".join(parts[:-1])


def _width(lines: list[str]) -> int:
    """The column at which lines were broken; the longest few may hold a word too long to break."""
    lengths = sorted(map(len, lines))
    return lengths[-1 - len(lengths) // 50]


def _joined(lines: list[str]) -> str | None:
    """Lines joined by a space where the second continues the first, else by a newline.

    Returns:
        None where the lines do not look hard-wrapped.
    """
    width = _width(lines)
    if not _MIN_WIDTH <= width <= _MAX_WIDTH:
        return None
    joints = []
    pairs = full = lower = 0
    nearly_full = width * 2 // 3  # words that look breakable may have been tied together once
    for line, following in pairwise(lines):
        joint = "\n"
        first = following.lstrip()
        if first and line and (first[:2].isalpha() or not _ITEM_LINE.match(first)) and not line.isspace():
            pairs += 1
            last = line.rstrip()[-1]
            if len(line) + 1 + _CHUNK.match(following).end() > width:  # type: ignore[union-attr]
                joint = " "
                full += 1
                lower += first[0].islower()
            elif last == "," or (last not in ".!?:;" and (first[0].islower() or len(line) > nearly_full)):
                joint = " "
        joints.append(joint)
    if lower < _MIN_BROKEN or lower * 4 < full or full * 2 < pairs:
        return None
    parts = [lines[0]]
    for joint, line in zip(joints, lines[1:], strict=True):
        parts += joint, line
    return "".join(parts)


def _is_abbreviation(text: str, cut: re.Match[str]) -> bool:
    """Whether the full stop at `cut` belongs to an abbreviation, so that the sentence goes on behind it."""
    stop, resume = cut.span()
    if text[stop + 1] in ".…!?" or text[stop - 1].isspace():
        return False
    if text.find("\n", stop, resume) >= 0 or _BULLET.search(text, stop, resume):
        return False
    words = text[max(0, stop - 12) : stop].replace("\x00", "").split()
    if not words:
        return False
    word = words[-1].rsplit("/", 1)[-1].lstrip("([{\"'“‘„-–—,:;")
    plain = word.lower()
    if plain in _INSIDE:
        return True
    following = text[resume : resume + 16].lstrip("\x00\"'“‘(").split(None, 1)
    first = following[0] if following else ""
    if plain in _BEFORE_NUMBER:
        return first[:1].isdigit()
    if plain in _FINAL:
        return first[:1].islower()
    dotted = "." in word and all(len(part) <= 2 and part.isalpha() for part in word.split("."))
    if dotted and word.islower() and plain not in _EITHER:
        return True
    if dotted or plain in _EITHER or (len(word) == 1 and word.isalpha() and word not in _LANGUAGES):
        return _STARTER.match(first) is None
    return False


def _refined(text: str, start: int, end: int, lists: list[_List]) -> list[tuple[int, int]]:
    """Cut a long segment at the items of a list inside it; what is still too long where it can be.

    Returns:
        The parts; none where the segment stays as it is.
    """
    for kind in lists:
        cuts = [found.span(1) for found in kind.between.finditer(text, start, end)]
        if len(cuts) >= kind.least and _are_long(cuts, start, end, kind.shortest):
            break
    else:
        if end - start <= MAX_LENGTH:
            return []
        cuts = []
    parts = []
    for stop, resume in [*cuts, (end, end)]:
        parts += _bounded(text, start, stop)
        start = resume
    return [(a, b) for a, b in parts if _LETTER.search(text, a, b)]


def _are_long(cuts: list[tuple[int, int]], start: int, end: int, shortest: int) -> bool:
    """Whether the parts between cuts are long enough for clauses, not the words of an enumeration."""
    starts = [start, *(resume for _, resume in cuts)]
    stops = [*(stop for stop, _ in cuts), end]
    lengths = [stop - begin for begin, stop in zip(starts, stops, strict=True)]
    return min(lengths) >= shortest and end - start >= _MEAN_PART * len(lengths)


def _bounded(text: str, start: int, end: int) -> list[tuple[int, int]]:
    """Cut [start, end) so that no part is longer than `MAX_LENGTH`: at commas, else at spaces."""
    parts = []
    while end - start > MAX_LENGTH:
        limit = start + MAX_LENGTH
        at = max(text.rfind(", ", start, limit), text.rfind("; ", start, limit)) + 1
        if at <= start + MAX_LENGTH // 3:
            at = text.rfind(" ", start, limit)
        if at <= start + MAX_LENGTH // 3:
            at = limit
        parts.append(_trimmed(text, start, at))
        start = at
    parts.append(_trimmed(text, start, end))
    return parts


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    piece = text[start:end]
    return end - len(piece.lstrip(_TAIL)), start + len(piece.rstrip(_TAIL))
