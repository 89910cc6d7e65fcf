"""Reads a REFI-QDA 1.0 project (`.qdpx`), whichever programme wrote it.

A project comes from somebody else's machine: no file of it is unpacked, no path is followed out of it, an XML document
type is refused (it may define entities that grow without bound or name files), and what would unpack to a multiple of
its size is not unpacked.
"""

from __future__ import annotations

import codecs
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO
from xml.etree.ElementTree import Element
from xml.parsers import expat

from embedcode.errors import InputError
from embedcode.qda_format import INTERNAL, PROJECT_FILE, SOURCES, with_lf

SPACE = "urn:QDA-XML:project:"

MOST_GROWTH = 200
"""An archive that unpacks to more than so many times its size is refused; text and XML stay far below."""

MOST_SMALL = 64 * 2**20
"""Up to so many bytes it may grow as it likes."""

_CHUNK = 2**16


@dataclass(frozen=True)
class Selection:
    """A selection in a text.

    Attributes:
        start, end: Code points in the text, end exclusive.
        codings: Names of the codes given to it, each with the name of the user who gave it ("" where none is named).
    """

    start: int
    end: int
    codings: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class TextSource:
    """A source that is a text.

    Attributes:
        text: Without byte order mark, its lines ended by LF; None where it cannot be read.
        outside: Selections left out since they do not lie in the text.
        values: Variables and their values, of the source and of the cases that it belongs to.
    """

    name: str
    text: str | None
    selections: tuple[Selection, ...]
    outside: int
    values: dict[str, str]


@dataclass
class Project:
    """A project.

    Attributes:
        description: Its own description.
        users: Names of its users.
        sources: Its texts.
        others: How many sources are no texts.
    """

    description: str = ""
    users: list[str] = field(default_factory=list)
    sources: list[TextSource] = field(default_factory=list)
    others: int = 0


def read_project(path: Path) -> Project:
    """Read a project.

    Raises:
        InputError: There is none, it is damaged, or it may do harm.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            _check_growth(path, archive)
            return _Reader(path, archive).read()
    except (OSError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError) as error:
        raise InputError(
            f"Cannot read {path} ({error}). Expected a REFI-QDA project, a file that ends with .qdpx."
        ) from error
    except expat.ExpatError as error:
        raise InputError(
            f"The {PROJECT_FILE} in {path} is no sound XML ({error}). Export the project from the programme anew."
        ) from error


def _check_growth(path: Path, archive: zipfile.ZipFile) -> None:
    grown = sum(entry.file_size for entry in archive.infolist())
    size = path.stat().st_size
    if grown > max(MOST_SMALL, MOST_GROWTH * size):
        raise InputError(
            f"{path} has {size:,} bytes and would unpack to {grown:,}. Expected a project of texts; export it from the "
            "programme anew, without other files."
        )


class _Reader:
    """One project as it is read: what sources refer to stands before them."""

    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        self._path = path
        self._archive = archive
        # Programmes write the folder as sources/ or Sources/.
        self._entries = {n.replace("\\", "/").lower(): n for n in archive.namelist()}
        self._users: dict[str, str] = {}
        self._codes: dict[str, str] = {}
        self._variables: dict[str, str] = {}
        self._cases: dict[str, dict[str, str]] = {}

    def read(self) -> Project:
        name = next((n for lower, n in self._entries.items() if lower.endswith(".qde") and "/" not in lower), None)
        if name is None:
            raise InputError(
                f"{self._path} holds no {PROJECT_FILE}; expected a REFI-QDA project. Export it as one from the "
                "programme."
            )
        project = Project()
        with self._archive.open(name) as file:
            for section, element in _parts(file, self._path):
                if section == "Users":
                    self._users[_id(element, "guid")] = element.get("name", "")
                elif section == "CodeBook":
                    self._codes.update((_id(c, "guid"), c.get("name", "")) for c in element.iter("Code"))
                elif section == "Variables":
                    self._variables[_id(element, "guid")] = element.get("name", "")
                elif section == "Cases":
                    self._read_case(element)
                elif section == "Sources":
                    if element.tag == "TextSource":
                        project.sources.append(self._source(element))
                    else:
                        project.others += 1
                elif section == "Description":
                    project.description = element.text or ""
        project.users = list(dict.fromkeys(self._users.values()))
        return project

    def _read_case(self, case: Element) -> None:
        values = self._values(case)
        # A programme that does not keep what source a case belongs to keeps its name.
        for key in [_id(ref, "targetGUID") for ref in case.iter("SourceRef")] or [case.get("name", "")]:
            self._cases.setdefault(key, {}).update(values)

    def _values(self, owner: Element) -> dict[str, str]:
        values = {}
        for value in owner.findall("VariableValue"):
            ref = value.find("VariableRef")
            text = next((v.text for v in value if v is not ref and v.text), "")
            if ref is not None and text.strip():
                values[_id(ref, "targetGUID")] = text.strip()
        return values

    def _source(self, source: Element) -> TextSource:
        name = source.get("name", "")
        stored = self._text(source)
        values = {**self._cases.get(name, {}), **self._cases.get(_id(source, "guid"), {}), **self._values(source)}
        named = {self._variables.get(key, ""): value for key, value in values.items()}
        if stored is None:
            return TextSource(name, None, (), 0, named)
        text = with_lf(stored)
        whole = Selection(0, len(text), self._codings(source))
        found = source.findall("PlainTextSelection")
        at = _best_reading(stored, text, found)
        placed = [(_within(s, at), self._codings(s)) for s in found]
        selections = [Selection(*span, codings) for span, codings in placed if span]
        if whole.codings:
            selections.insert(0, whole)
        return TextSource(name, text, tuple(selections), len(placed) - sum(bool(s) for s, _ in placed), named)

    def _codings(self, owner: Element) -> tuple[tuple[str, str], ...]:
        found = []
        for coding in owner.findall("Coding"):
            ref = coding.find("CodeRef")
            code = "" if ref is None else self._codes.get(_id(ref, "targetGUID"), "")
            by = _id(coding, "creatingUser") or _id(owner, "modifyingUser") or _id(owner, "creatingUser")
            found.append((code, self._users.get(by, "")))
        return tuple(found)

    def _text(self, source: Element) -> str | None:
        inline = source.findtext("PlainTextContent")
        path = source.get("plainTextPath", "")
        if inline is not None or not path.startswith(INTERNAL):
            return inline
        entry = self._entries.get(f"{SOURCES}{path.removeprefix(INTERNAL)}".lower())
        if entry is None:
            return None
        data = self._archive.read(entry)
        wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        try:
            return data.decode("utf-16" if wide else "utf-8-sig")
        except UnicodeDecodeError:
            return None


def _parts(file: IO[bytes], path: Path) -> Iterator[tuple[str, Element]]:
    """The elements two levels below the root, each with the name of the section that it is in, as they are read; and
    sections that hold text only.
    """
    stack: list[Element] = []
    done: list[tuple[str, Element]] = []

    def start(tag: str, attributes: dict[str, str]) -> None:
        space, _, name = tag.rpartition(" ")
        if not stack and (name != "Project" or not space.startswith(SPACE)):
            raise InputError(f"{path} holds the XML of {tag!r:.80}; expected a REFI-QDA project, {SPACE}1.0.")
        element = Element(name, attributes)
        if len(stack) > 2:
            stack[-1].append(element)
        stack.append(element)

    def data(text: str) -> None:
        if stack and not len(stack[-1]):
            stack[-1].text = (stack[-1].text or "") + text

    def end(tag: str) -> None:
        element = stack.pop()
        if len(stack) == 2:
            done.append((stack[1].tag, element))
        elif len(stack) == 1 and element.tag == "Description":
            done.append((element.tag, element))

    def refuse(*_: object) -> None:
        raise InputError(f"The XML in {path} has a document type, which no QDA programme writes. It was not read.")

    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, data
    parser.StartDoctypeDeclHandler = refuse
    while chunk := file.read(_CHUNK):
        parser.Parse(chunk, False)
        yield from done
        done.clear()
    parser.Parse(b"", True)
    yield from done


def _id(element: Element, name: str) -> str:
    """A GUID in one spelling."""
    return element.get(name, "").strip("{} ").lower()


def _best_reading(stored: str, text: str, selections: Sequence[Element]) -> Sequence[int]:
    """For each position in a stored text, where it is in the text with LF.

    The standard counts code points of the text as it is stored. Some programmes count CRLF as one, or a character
    beyond U+FFFF as two. Where they name selections after their text, the reading that most names bear out is taken.
    """
    readings = [_positions(s, wide) for s in dict.fromkeys((stored, text)) for wide in (False, True)]
    if all(r == readings[0] for r in readings):
        return readings[0]
    hits: Counter[int] = Counter()
    for selection in selections:
        quoted = " ".join(selection.get("name", "").rstrip(" .…").split())
        for number, at in enumerate(readings):
            span = _within(selection, at)
            if quoted and span and " ".join(text[slice(*span)].split()).startswith(quoted):
                hits[number] += 1
    return readings[max(range(len(readings)), key=lambda n: (hits[n], -n))]


def _positions(stored: str, wide: bool) -> Sequence[int]:
    """Where each position of a stored text is in the text with LF; `wide` counts UTF-16 units."""
    if "\r" not in stored and (not wide or max(stored, default="") <= "\uffff"):
        return range(len(stored) + 1)
    at = []
    offset = 0
    for character, following in zip(stored, [*stored[1:], ""], strict=True):
        at += [offset] * (2 if wide and character > "\uffff" else 1)
        offset += character + following != "\r\n"
    return [*at, offset]


def _within(selection: Element, at: Sequence[int]) -> tuple[int, int] | None:
    """Where a selection is; None where it is not in the text."""
    try:
        start, end = int(selection.get("startPosition", "")), int(selection.get("endPosition", ""))
    except ValueError:
        return None
    return (at[start], at[end]) if 0 <= start < end < len(at) else None
