"""What writing and reading a REFI-QDA project share: names, GUIDs, and an ad as the text of a source.

REFI-QDA 1.0 (https://www.qdasoftware.org) counts positions in the plain text of a source, in Unicode code points from
0, the end exclusive. Programmes read line ends in different ways, so a source has LF only; what XML cannot hold is
replaced one for one. Positions lead back to the ad as it was given.
"""

from __future__ import annotations

import re
import uuid
from bisect import bisect_left
from dataclasses import dataclass
from typing import NamedTuple

PROJECT_FILE = "project.qde"
SOURCES = "sources/"
"""Folder of the texts in a project; paths to it begin with `INTERNAL`."""

INTERNAL = "internal://"

MACHINE = "embedcode"
"""Name of the user whose codings are the machine's."""

GOLD = " (gold)"
"""What the name of a user ends with whose codings come from a file of labelled ads, and are in it already."""

PROFILE, REVIEWED = "profile", "reviewed"
"""Variables of a case that a reviewer may set."""

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:embedcode:refi-qda")
_LINE_END = re.compile(r"\r\n?")
# Control characters, halves of surrogate pairs and U+FFFE, U+FFFF are no characters of XML 1.0; U+FEFF would be taken
# for a byte order mark.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")


def guid(*parts: object) -> str:
    """A GUID that is the same for the same parts (a UUID of version 5)."""
    return str(uuid.uuid5(_NAMESPACE, holdable("\x1f".join(map(str, parts)))))


def holdable(text: str) -> str:
    """A text with a space for each character that XML 1.0 cannot hold."""
    return _NOT_XML.sub(" ", text)


def with_lf(text: str) -> str:
    """A text whose lines end with LF."""
    return _LINE_END.sub("\n", text)


class _Field(NamedTuple):
    """Title or text of an ad in a source.

    Attributes:
        first, last: Where it stands in the source.
        pairs: Offsets of CRLF in the field as given; each is one character of the source.
    """

    name: str
    first: int
    last: int
    pairs: list[int]

    def place(self, offset: int) -> int:
        return self.first + offset - bisect_left(self.pairs, offset)

    def origin(self, position: int) -> int:
        offset = position - self.first
        return offset + bisect_left(range(len(self.pairs)), offset, key=lambda i: self.pairs[i] - i)


@dataclass(frozen=True)
class SourceText:
    """An ad as the text of a source: its title, where it stands apart, a blank line, and its text."""

    text: str
    fields: tuple[_Field, ...]

    @classmethod
    def of(cls, text: str, title: str | None) -> SourceText:
        """The source of an ad."""
        written = ""
        fields: list[_Field] = []
        for name, given in (("title", title or ""), ("text", text)):
            if name == "title" and not given.strip():
                continue
            if fields:
                written += "\n\n"
            first = len(written)
            written += holdable(with_lf(given))
            pairs = [m.start() for m in _LINE_END.finditer(given) if len(m[0]) == 2]
            fields.append(_Field(name, first, len(written), pairs))
        return cls(written, tuple(fields))

    def place(self, field: str, start: int, end: int) -> tuple[int, int] | None:
        """Where a span of a field stands in the source; None where the source lacks the field."""
        for f in self.fields:
            if f.name == field:
                return f.place(start), f.place(end)
        return None

    def origin(self, start: int, end: int) -> tuple[str, int, int] | None:
        """The span of a field that stands at a place in the source; of two fields, that with more of it.

        Returns:
            Field, start and end as code points in the field as given, end exclusive; None where no field is there.
        """
        cut = [(min(end, f.last) - max(start, f.first), f) for f in self.fields]
        length, field = max(cut, key=lambda c: c[0])
        if length <= 0:
            return None
        return field.name, field.origin(max(start, field.first)), field.origin(min(end, field.last))

    @property
    def head(self) -> tuple[int, int]:
        """Where the first line with something on it stands: what the profile is coded on."""
        found = re.search(r"\S(?:[^\n]*\S)?", self.text)
        return found.span() if found else (0, len(self.text))
