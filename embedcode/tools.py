"""Finds the tools of the lexicon in the text of an ad."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right, insort
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from ahocorasick_rs import BytesAhoCorasick

from embedcode.errors import BookError
from embedcode.types import Tool

NEAR = 60
"""How many code points away, on the same line, a cue or another tool speaks for an ambiguous name."""

MATCHES = ("any", "case", "context")

CUES = (
    "programming", "programmer*", "programmeer*", "programmeur*", "coding", "code", "codeer*", "scripting", "language*",
    "talen", "taal", "software*", "framework*", "library", "libraries", "bibliothe*", "tool*", "tech stack",
    "techstack", "technolog*", "stack", "developer*", "development", "ontwikkelaar*", "engineer*", "backend*",
    "back end", "frontend*", "front end", "full stack", "fullstack", "experience in", "experience with",
    "experienced in", "experienced with", "experience using", "ervaring met", "ervaring in", "knowledge of",
    "kennis van", "kennis hebt van", "proficien*", "familiar with", "familiarity with", "bekend met", "vaardig*",
    "expertise in", "expertise with", "skilled in", "skills in", "hands on", "platforms", "such as", "zoals", "e g",
    "bijv", "written in", "geschreven in", "built with", "built on", "gebouwd met", "built in", "working with",
    "werken met", "using", "database*", "llm*", "statistical", "statistische", "certif*", "open source", "api*",
)  # fmt: skip
"""Words and phrases that speak for any ambiguous name near them; a trailing star stands for any word ending."""

_FOLLOWING = re.compile(
    r"\s(?:(?:[\w-]+\s)?(?:programming|programmer|developers?|development|engineers?|ontwikkelaars?|programmeurs?|"
    r"experience|ervaring|kennis|knowledge|skills?|code|scripts?|models?|modellen|frameworks?|library|libraries|"
    r"packages?|api|apis|sdk|cluster|clusters|jobs?|certification|vaardigheden|language|codebase|services?|"
    r"dashboards?|databases?|stack)|and|or|en|of|is)\b"
)
# Dutch writes compounds as one word; these are what ads join a tool's name with.
_TAILS = re.compile(
    rb"(?:s)?(?:ontwikkel|ervaring|kennis|omgeving|vaardig|programmeur|developer|script|applicatie|consultant|"
    rb"database|specialist|expert|beheer|code|model|dashboard|rapport|certific|oplossing|stack|cluster|bestand)"
)
_DIGITS = re.compile(r"\d{1,4}(?:\.\d+)*(?:\.x)?\+?(?![^\W_])")
_VERSION = re.compile(r"[ -]v?\d{1,4}(?:\.\d{1,3})+(?![^\W_])")
_MODEL_VERSION = re.compile(r"[ -]v?\d{1,2}(?:\.\d{1,2})*(?![^\W_]|\+| ?(?:years|jaar|months|maand|ai\b))")
_DOMAIN = re.compile(r"\.(?:com|nl|org|net|eu|be|co|de|io|ai)(?![^\W_])")
_BETWEEN = re.compile(
    r"[\s,;/|&+()\[\]*:•·▪●‣–-]*(?:(?:and|or|en|of|and/or|en/of|plus|versus|vs\.?|e\.g\.|bijv\.|i\.e\.)[\s,(/:]+)*[\s(/*•·-]*"
)
_LIST_BEFORE = re.compile(r"(?:[,;/|(•·*:]|(?:^|\n)\s*-?|\b(?:and|or|en|of))\s*$")
_LIST_AFTER = re.compile(r"\s*(?:[,;/|).•·*]|$|\n|(?:and|or|en|of)\b)")
_START = re.compile(r"(?:^|\n|[.!?:;•·*▪●]|[-–] ?)\s*$")


_LETTER_OR_DIGIT = re.compile(rb"[a-z0-9]")
# A spelling with such a sign ("C++", ".NET") is found only with it.
_STRICT = re.compile(r"[^\w \-.']|^\.")
_TWO_WORDS = re.compile(r"([A-Za-z]+)[ -]([A-Za-z]+)")
_TWO_CAPITALS = re.compile(r"([A-Z][a-z]{2,})([A-Z][A-Za-z]+)")
_JOINERS = str.maketrans("", "", " -_.\xa0\xad\u2009\u2010\u2011\u202f")

# What must speak for an ambiguous name: a tool before it in a list; one beside it in a list; or one, or a cue, near.
_AFTER_TOOL, _BESIDE_TOOL, _NEAR_TOOL = range(3)

# An ad of the firm behind a tool names it as the employer: "At Acme, we ...", "Acme is an equal opportunity employer".
_EMPLOYER_BEFORE = re.compile(
    r"(?:^|\n|[.!?:;*•]\s)[ *#]*(?:At|About|Join|Joining|Why|Why join|Why work at|Working at|Life at|Bij|Over|"
    r"Werken bij|Welkom bij|Welcome to)\s+$"
)
_EMPLOYER_WORDS = frozenset(("At", "About", "Join", "Joining", "Why", "join", "at", "Bij", "Over", "bij", "to"))
_EMPLOYER_AFTER = re.compile(
    r"(?:\u00ae|\u2122)?\s+(?:is (?:an? (?:equal|proud|leading|global|fast|market|world)|proud to|committed to|"
    r"looking for|hiring|seeking|op zoek|een (?:snel|toonaangevend|internationa))|offers (?:a|an|you)\b|"
    r"provides equal|encourages|zoekt|"
    r"does not discriminate|employees|Technologies\b|Inc\b)|, Inc\b|,? (?:B\.?V\b|GmbH|LLC\b)"
)


class Mention(NamedTuple):
    """A tool named in a text.

    Attributes:
        start: Code point where the name begins.
        end: Code point after its last.
        tool: Index into the tools given to the finder.
    """

    start: int
    end: int
    tool: int


class _Spelling(NamedTuple):
    tool: int
    match: str
    spelt: str
    strict: bool
    capitals: bool


class _Evidence(NamedTuple):
    speaks_for: re.Pattern[bytes] | None
    around: tuple[tuple[bytes, int, bool], ...]
    on_line: re.Pattern[bytes] | None


def _fold_table() -> bytes:
    """Translation of Latin-1 bytes: letters to lower-case ASCII, joiners to a blank, all else to a line feed."""
    table = bytearray(b"\n" * 256)
    for i in range(256):
        letter = unicodedata.normalize("NFD", chr(i))[0].lower()
        if letter.isascii() and letter.isalnum():
            table[i] = ord(letter)
        elif chr(i).isalpha():
            table[i] = ord("z")
    for joiner in " -_.\xa0\xad":
        table[ord(joiner)] = ord(" ")
    return bytes(table)


def _fold(text: str, table: bytes) -> bytes:
    """One byte per code point, so that offsets stay those of the text."""
    if not text.isascii():
        for joiner in "\u2010\u2011\u202f\u2009":
            text = text.replace(joiner, "-")
    return text.encode("latin-1", "replace").translate(table)


def _joined(name: str) -> str:
    return name.translate(_JOINERS)


def _variants(spelt: str) -> list[tuple[str, bool]]:
    """Spellings that follow from one: `Power BI` gives `PowerBI`, `LangChain` gives `Lang Chain`.

    Returns:
        Other spellings, and whether each word of a match must begin with a capital.
    """
    found = []
    if len(spelt) >= 7 and _TWO_WORDS.fullmatch(spelt):
        found.append((_TWO_WORDS.sub(r"\1\2", spelt), False))
    if parts := _TWO_CAPITALS.fullmatch(spelt):
        found.append((" ".join(parts.groups()), True))
    return found


class ToolFinder:
    """Finds tools by one automaton over the folded text, then checks boundaries, case and context.

    Folding turns blanks, hyphens, underscores and full stops into the same byte, so that `scikit-learn` is
    found in `scikit learn`; other punctuation separates, so that `Spark/SQL` is not `Spark SQL`.
    """

    def __init__(self, tools: Sequence[Tool]) -> None:
        """Build the automaton.

        Args:
            tools: The lexicon; mentions hold indices into it.

        Raises:
            BookError: A tool has an unknown kind of match, an empty spelling, or shares a spelling with another.
        """
        self._table = _fold_table()
        self._versioned = [t.code == "TECH3" for t in tools]
        self._is_language = [t.code == "TECH1" for t in tools]
        self._cues = self._any_of(CUES)
        self._tools = tuple(tools)
        self._known_evidence: dict[int, _Evidence] = {}
        for tool in tools:
            self._check_against(tool)
        self._spellings: list[list[_Spelling]] = []
        self._lengths: list[int] = []
        self._alphabetic: list[bool] = []
        self._numbered: list[bool] = []
        by_key: dict[bytes, list[_Spelling]] = {}
        owners: dict[tuple[bytes, str], tuple[int, str]] = {}
        derived: list[tuple[bytes, _Spelling]] = []
        for index, tool in enumerate(tools):
            for spelt, match in tool.spellings:
                if match not in MATCHES:
                    raise BookError(
                        f"Tool {tool.name!r} is matched by {match!r}; write one of {', '.join(MATCHES)} in the column "
                        "match."
                    )
                key = _fold(spelt, self._table)
                if not _LETTER_OR_DIGIT.search(key):
                    raise BookError(
                        f"Tool {tool.name!r} has the spelling {spelt!r}, which has no letter or digit; remove it."
                    )
                strict = _STRICT.search(spelt) is not None
                owner = owners.setdefault((key, spelt if strict or match != "any" else ""), (index, spelt))
                if owner[0] != index:
                    raise BookError(
                        f"{spelt!r} is a spelling of {tool.name!r} and of {tools[owner[0]].name!r}; keep it with one "
                        "of them."
                    )
                by_key.setdefault(key, []).append(_Spelling(index, match, spelt, strict, capitals=False))
                for variant, capitals in _variants(spelt) if match == "any" else ():
                    derived.append((_fold(variant, self._table), _Spelling(index, match, variant, strict, capitals)))
        for key, spelling in derived:
            by_key.setdefault(key, [spelling])
        patterns: list[bytes] = []
        order = {"case": 0, "any": 1, "context": 2}
        for key, spellings in by_key.items():
            spellings.sort(key=lambda s: (not s.strict, order[s.match]))
            closed = len(key) <= 2
            for before in (b" ", b"\n"):
                for after in (b" ", b"\n") if closed else (b"",):
                    patterns.append(before + key + after)
                    self._spellings.append(spellings)
                    self._lengths.append(len(key))
                    self._alphabetic.append(len(key) >= 3 and key[-1:].isalpha())
                    self._numbered.append(len(key) >= 3 and not key[-1:].isdigit())
        self._automaton = BytesAhoCorasick(patterns) if patterns else None

    def find(self, text: str) -> list[Mention]:
        """Find the tools that a text names.

        Args:
            text: An ad or a part of one, any Unicode.

        Returns:
            Mentions in text order without overlaps, every mention of a tool, the longest where several begin at
            the same place.
        """
        if self._automaton is None:
            return []
        folded = b"\n" + _fold(text, self._table) + b"\n"
        sure: list[Mention] = []
        unsure: list[tuple[Mention, int]] = []
        for pattern, start, _ in self._automaton.find_matches_as_indexes(folded, overlapping=True):
            self._check(text, folded, pattern, start, sure, unsure)
        if not sure and not unsure:
            return []
        accepted = _without_overlaps(sure)
        if unsure:
            self._decide(text, folded, accepted, unsure)
        return self._without_employer(text, accepted)

    def _without_employer(self, text: str, accepted: list[Mention]) -> list[Mention]:
        """Leave out the tool whose maker placed the ad, except where it stands in a list of tools."""
        employers = {m.tool for m in accepted if not self._is_language[m.tool] and _is_employer(text, m)}
        if not employers:
            return accepted
        return [
            m
            for i, m in enumerate(accepted)
            if m.tool not in employers
            or (i > 0 and _list_between(text, accepted[i - 1].end, m.start))
            or (i + 1 < len(accepted) and _list_between(text, m.end, accepted[i + 1].start))
        ]

    def _check(
        self,
        text: str,
        folded: bytes,
        pattern: int,
        start: int,
        sure: list[Mention],
        unsure: list[tuple[Mention, int]],
    ) -> None:
        """Check boundaries and spelling of a raw hit; file it as sure or as unsure."""
        end = start + self._lengths[pattern]
        if end > len(text):
            return
        stop = end
        after = folded[end + 1]
        if after > 47:  # a letter or digit: folded text has no other bytes above the blank
            digits = _DIGITS.match(text, end) if after < 58 and self._numbered[pattern] else None
            if digits:
                stop = digits.end()
            elif not (self._alphabetic[pattern] and end - start >= 3 and _TAILS.match(folded, end + 1)):
                return
        if start:
            before = text[start - 1]
            if before == "@" or (before.isalnum() and not before.isascii()):
                return
            if before == "." and (text[max(0, start - 4) : start].lower() == "www." or _is_extension(text, start, end)):
                return
        if end < len(text):
            if text[end] == "." and _DOMAIN.match(text, end):
                return
            if after == 10 and text[end].isalnum():
                return
        found = text[start:end]
        for spelling in self._spellings[pattern]:
            spelt = spelling.spelt
            as_spelt = found == spelt
            if not as_spelt:
                if spelling.strict and found.replace("\u2019", "'").lower() != spelt.lower():
                    continue
                if spelling.match == "any":
                    as_spelt = not spelling.capitals or all(w[:1].isupper() for w in re.split(r"[ \-_.]", found))
                    if not as_spelt:
                        continue
                else:
                    as_spelt = _joined(found) == _joined(spelt)
                    if spelling.match == "context" and not as_spelt and len(found) > 1:
                        as_spelt = found.isupper()
                    if not as_spelt and spelling.match == "case":
                        continue
            if len(found) == 1 and not self._letter_stands_alone(text, start, end):
                continue
            doubtful = False
            evidence = self._evidence_of(spelling.tool)
            if evidence.on_line and evidence.on_line.search(folded, *_window(text, start, end)):
                continue
            if evidence.around and self._in_phrase_against(folded, start, evidence):
                # "Java, Go to build" is a list that goes on, whatever "go to" means elsewhere
                if spelling.match != "context" or found != spelt or len(found) == 1:
                    continue
                doubtful = True
            if stop == end and end < len(text) - 1 and text[end] in " -":
                version = (_MODEL_VERSION if self._versioned[spelling.tool] else _VERSION).match(text, end)
                if version:
                    stop = version.end()
            mention = Mention(start, stop, spelling.tool)
            if spelling.match == "context":
                if doubtful:
                    unsure.append((mention, _AFTER_TOOL))
                elif as_spelt:
                    unsure.append((mention, _NEAR_TOOL))
                elif _stands_in_list(text, start, end):
                    unsure.append((mention, _BESIDE_TOOL))
            else:
                sure.append(mention)
                return

    @staticmethod
    def _letter_stands_alone(text: str, start: int, end: int) -> bool:
        """Whether a single letter can be a name: neither R&D, an initial, C++, nor a letter after an apostrophe."""
        before = text[start - 1] if start else " "
        after = text[end : end + 1]
        if before in "&'\u2019-+#." or after in ("&", "'", "\u2019", "+", "#", "\u00ae", "@"):
            return False
        if after == "." and (text[end + 1 : end + 2].isalpha() or text[end + 1 : end + 3].strip().isupper()):
            return False
        return not (before == " " and text[start - 2 : start - 1] == "&") and text[end : end + 2] != " &"

    @staticmethod
    def _in_phrase_against(folded: bytes, start: int, evidence: _Evidence) -> bool:
        """Whether a phrase against a name stands around it."""
        for phrase, offset, starred in evidence.around:
            first = start + 1 - offset
            if (
                first > 0
                and folded[first - 1] < 48
                and folded.startswith(phrase, first)
                and (starred or folded[first + len(phrase)] < 48)
            ):
                return True
        return False

    def _decide(self, text: str, folded: bytes, accepted: list[Mention], unsure: list[tuple[Mention, int]]) -> None:
        """Move ambiguous names among the accepted ones where their context speaks for them."""
        unsure.sort(key=lambda u: (u[0].start, -u[0].end))
        waiting: list[tuple[Mention, int]] = []
        last = -1
        for mention, needs in unsure:
            if mention.start < last or _overlaps(accepted, mention):
                continue
            if needs == _NEAR_TOOL and self._has_cue(text, folded, mention):
                insort(accepted, mention)
            else:
                waiting.append((mention, needs))
            last = mention.end
        changed = True
        while waiting and changed:
            before = len(waiting)
            waiting = [w for w in waiting if not _accept(text, accepted, *w)]
            waiting = [w for w in reversed(waiting) if not _accept(text, accepted, *w)][::-1]
            changed = len(waiting) < before or _accept_pairs(text, accepted, waiting)

    def _has_cue(self, text: str, folded: bytes, mention: Mention) -> bool:
        """Whether words near an ambiguous name speak for it."""
        first, last = _window(text, mention.start, mention.end)
        own = self._evidence_of(mention.tool).speaks_for
        if own and own.search(folded, first, last):
            return True
        if _begins_sentence(text, mention):
            return False
        return (
            self._cues.search(folded, first, mention.start + 1) is not None
            or self._cues.search(folded, mention.end, last) is not None
        )

    def _any_of(self, phrases: Sequence[str]) -> re.Pattern[bytes]:
        """Expression for any of the phrases, as whole words unless a star ends them."""
        folded = sorted(
            {
                re.escape(_fold(p.rstrip("*"), self._table)) + (b"" if p[-1:] == "*" else rb"(?![a-z0-9])")
                for p in phrases
            }
        )
        return re.compile(rb"(?<=[ \n])(?:" + b"|".join(folded) + rb")")

    def _check_against(self, tool: Tool) -> None:
        keys = {_fold(spelt, self._table) for spelt, _ in tool.spellings} if tool.against else ()
        for phrase in tool.against:
            if _fold(phrase.rstrip("*"), self._table).strip() in keys:
                raise BookError(
                    f"{phrase!r} speaks against {tool.name!r} but is one of its spellings; write more words or remove "
                    "it."
                )

    def _evidence_of(self, number: int) -> _Evidence:
        """What speaks for and against a tool; its expressions are compiled when a text first names it."""
        found = self._known_evidence.get(number)
        if found is None:
            found = self._known_evidence[number] = self._compiled(self._tools[number])
        return found

    def _compiled(self, tool: Tool) -> _Evidence:
        around: list[tuple[bytes, int, bool]] = []
        on_line: list[str] = []
        keys = {_fold(spelt, self._table) for spelt, _ in tool.spellings}
        names = [re.escape(key) for key in sorted(keys)]
        for phrase in tool.against:
            key, starred = _fold(phrase.rstrip("*"), self._table).strip(), phrase.endswith("*")
            places = [m.start() for n in names for m in re.finditer(rb"(?<![a-z0-9])" + n + rb"(?![a-z0-9])", key)]
            around.extend((key, place, starred) for place in places)
            if not places:
                on_line.append(phrase)
        return _Evidence(
            self._any_of(tool.speaks_for) if tool.speaks_for else None,
            tuple(dict.fromkeys(around)),
            self._any_of(on_line) if on_line else None,
        )


def _window(text: str, start: int, end: int) -> tuple[int, int]:
    """What is near on the same line, as offsets into the folded text (one more than in the text)."""
    first = max(text.rfind("\n", max(0, start - NEAR), start) + 1, start - NEAR, 0)
    last = text.find("\n", end, end + NEAR)
    return first, (min(len(text), end + NEAR) if last < 0 else last) + 1


def _is_employer(text: str, mention: Mention) -> bool:
    start = mention.start
    before = text[max(0, start - 12) : start].split()
    if (
        before
        and before[-1].strip("*#") in _EMPLOYER_WORDS
        and _EMPLOYER_BEFORE.search(text, max(0, start - 20), start)
    ):
        return True
    return _EMPLOYER_AFTER.match(text, mention.end) is not None


def _is_extension(text: str, start: int, end: int) -> bool:
    """Whether a name after a full stop ends a file name: `index.html`; `skills.Python` lacks a blank instead."""
    return start > 1 and text[start - 2].isalnum() and text[start:end].islower()


def _stands_in_list(text: str, start: int, end: int) -> bool:
    return bool(_LIST_BEFORE.search(text, max(0, start - 5), start) and _LIST_AFTER.match(text, end))


def _without_overlaps(mentions: list[Mention]) -> list[Mention]:
    mentions.sort(key=lambda m: (m.start, -m.end))
    kept: list[Mention] = []
    last = 0
    for mention in mentions:
        if mention.start >= last:
            kept.append(mention)
            last = mention.end
    return kept


def _overlaps(accepted: list[Mention], mention: Mention) -> bool:
    at = bisect_right(accepted, mention)
    return (at > 0 and accepted[at - 1].end > mention.start) or (
        at < len(accepted) and accepted[at].start < mention.end
    )


def _begins_sentence(text: str, mention: Mention) -> bool:
    """Whether a name could be an ordinary word, because it begins a sentence that goes on in lower case."""
    following = text[mention.end : mention.end + 2]
    if not (following[:1] == " " and following[1:].islower()):
        return False
    return bool(_START.search(text, max(0, mention.start - 4), mention.start)) and not _FOLLOWING.match(
        text, mention.end
    )


def _accept(text: str, accepted: list[Mention], mention: Mention, needs: int) -> bool:
    """Insert an ambiguous name into the accepted ones where these speak for it."""
    if _listed(text, accepted, mention, needs == _AFTER_TOOL) or (
        needs == _NEAR_TOOL and _near(text, accepted, mention)
    ):
        insort(accepted, mention)
        return True
    return False


def _accept_pairs(text: str, accepted: list[Mention], waiting: list[tuple[Mention, int]]) -> bool:
    """Names that are all ambiguous speak for each other in a list: accept the first of each two, the last follows."""
    first = {
        a
        for (a, a_needs), (b, b_needs) in pairwise(waiting)
        if a_needs == b_needs == _NEAR_TOOL
        and a.tool != b.tool
        and _list_between(text, a.end, b.start)
        and not (_begins_sentence(text, a) or _begins_sentence(text, b))
    }
    accepted += first
    accepted.sort()
    waiting[:] = [w for w in waiting if w[0] not in first]
    return bool(first)


def _listed(text: str, accepted: list[Mention], mention: Mention, only_before: bool = False) -> bool:
    """Whether only list punctuation stands between an ambiguous name and an accepted tool."""
    at = bisect_right(accepted, mention)
    if at > 0 and _list_between(text, accepted[at - 1].end, mention.start, blank=True):
        return not _begins_sentence(text, mention)
    return not only_before and at < len(accepted) and _list_between(text, mention.end, accepted[at].start)


def _list_between(text: str, start: int, end: int, blank: bool = False) -> bool:
    """Whether only list punctuation, or with `blank` only blanks, stand between two names."""
    if not 0 < end - start <= 12 or (not blank and text[start:end] == " "):
        return False
    return _BETWEEN.fullmatch(text, start, end) is not None


def _near(text: str, accepted: list[Mention], mention: Mention) -> bool:
    """Whether another tool stands near on the same line."""
    if _begins_sentence(text, mention):
        return False
    first, last = _window(text, mention.start, mention.end)
    at = bisect_right(accepted, mention)
    if at > 0 and accepted[at - 1].end > first and accepted[at - 1].tool != mention.tool:
        return True
    return at < len(accepted) and accepted[at].start < last - 1 and accepted[at].tool != mention.tool
