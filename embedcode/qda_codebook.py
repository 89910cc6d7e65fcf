"""Writes the coding book as a REFI-QDA code book, and XML as it is made."""

from __future__ import annotations

import colorsys
import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO
from xml.sax.saxutils import XMLGenerator

from embedcode._version import __version__
from embedcode.qda_format import guid, holdable
from embedcode.types import CodingBook

BOOK_SPACE = "urn:QDA-XML:codebook:1.0"

PROFILE_GROUP = "PROFILE"
HUES = {PROFILE_GROUP: 0.0, "TASK": 0.6, "TECH": 0.35, "SKILL": 0.1}
"""Where the colours of a group stand on the colour circle."""


class Xml:
    """XML, written as it is made; each element begins a line."""

    def __init__(self, out: IO[bytes]) -> None:
        # As text, since for bytes the generator writes every little piece by itself.
        self._text = io.TextIOWrapper(out, encoding="utf-8", newline="\n")
        self._out = XMLGenerator(self._text, "utf-8", short_empty_elements=True)
        self._out.startDocument()

    @contextmanager
    def element(self, tag: str, **attributes: str) -> Iterator[None]:
        """An element and what is written within."""
        self._out.ignorableWhitespace("\n")
        self._out.startElement(tag, {name: holdable(value) for name, value in attributes.items()})  # type: ignore[arg-type]
        yield
        self._out.endElement(tag)

    def leaf(self, tag: str, text: str = "", **attributes: str) -> None:
        """An element with text only."""
        with self.element(tag, **attributes):
            if text:
                self._out.characters(holdable(text))

    def close(self) -> None:
        """Write what is left; closing the file is for whoever opened it."""
        self._out.endDocument()
        self._text.detach()


def write_code_book(out: IO[bytes], book: CodingBook) -> None:
    """Write a code book (`.qdc`)."""
    xml = Xml(out)
    with xml.element("CodeBook", xmlns=BOOK_SPACE, origin=f"embedcode {__version__}"):
        write_codes(xml, book)
    xml.close()


def write_codes(xml: Xml, book: CodingBook) -> None:
    """Write the codes in their groups, which are no codes themselves."""
    groups: dict[str, list[tuple[str, str, str]]] = {
        PROFILE_GROUP: [(p.name, p.name, p.definition) for p in book.profiles]
    }
    for c in book.codes:
        groups.setdefault(c.group, []).append((c.code, f"{c.code} {c.name}", c.definition))
    with xml.element("Codes"):
        for group, codes in groups.items():
            hue = HUES.get(group, 0.8)
            with xml.element("Code", guid=guid("group", group), name=group, isCodable="false", color=_colour(hue, 0.5)):
                for number, (code, name, definition) in enumerate(codes):
                    colour = _colour(hue, 0.3 + 0.5 * number / len(codes))
                    with xml.element("Code", guid=guid("code", code), name=name, isCodable="true", color=colour):
                        xml.leaf("Description", definition)


def _colour(hue: float, lightness: float) -> str:
    """A colour as `#RRGGBB`."""
    return "#" + "".join(f"{round(255 * part):02X}" for part in colorsys.hls_to_rgb(hue, lightness, 0.65))
