"""Reads, checks and extends the coding book: the CSV files of an `anchors/` folder.

Every file opens with two comment lines (`# ...`) on what belongs there, then a header row. A row whose first
cell starts with `#` is a comment.
"""

from __future__ import annotations

import codecs
import csv
import errno
import hashlib
import io
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from embedcode.errors import BookError
from embedcode.folder import write_whole
from embedcode.types import NEGATIVE, WORK, Anchor, Code, CodingBook, Facet, Profile, Term, Tool
from embedcode.words import find_words

LANGUAGES = ("en", "nl")
TOOL_MATCHES = ("any", "case", "context")
OTHER_TOOL = "OTHER"
FAMILIES = ("", *WORK, "title", "helper")

_RESTORE = "restore it, or copy it from the package with `embedcode anchors copy DIR`"
_LONGEST_MESSAGE = 600
"""In characters: a cell may be as long as the file."""

_COLUMNS = {
    "profiles.csv": ("profile", "definition"),
    "codes.csv": ("code", "name", "definition"),
    "phrases": ("phrase", "facet", "language", "note"),
    "negatives.csv": ("phrase", "kind", "language", "note"),
    "facets.csv": ("facet", "both", "family", "definition"),
    "terms.csv": ("term", "facet", "language", "note"),
    "tools.csv": ("tool", "code", "aliases", "match", "for", "against", "note"),
    "not_tools.csv": ("notion", "note"),
    "glossary_nl_en.csv": ("nl", "en"),
}


@dataclass(frozen=True)
class Problem:
    """Something wrong in the coding book.

    Attributes:
        file: Path of the file, relative to the anchors folder.
        line: Line in the file, counted from 1, on which the row begins; 0 where the file as a whole is meant.
        message: What was found, and what was expected or is to be done; it may quote any cell.
    """

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        message, half = self.message, _LONGEST_MESSAGE // 2
        if len(message) > _LONGEST_MESSAGE:
            message = f"{message[:half]} [...] {message[-half:]}"
        text = f"{self.file}:{self.line}: {message}" if self.line else f"{self.file}: {message}"
        # On one line, and without the control characters by which a cell could rewrite the terminal.
        return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


@dataclass(frozen=True)
class _Row:
    file: str
    line: int
    cells: dict[str, str]
    last: int  # its last line

    def __getitem__(self, column: str) -> str:
        return self.cells[column]


def read_book(folder: Path) -> CodingBook:
    """Read a coding book.

    Raises:
        BookError: If there is no such folder, or anything in it is not sound; names file and line of each
            problem.
    """
    book, problems = inspect_book(folder)
    if problems:
        raise _refusal(folder, problems)
    return book


def _refusal(folder: Path, problems: Sequence[Problem]) -> BookError:
    listed = "\n".join(f"  {p}" for p in problems[:20])
    more = f"\n  ... and {len(problems) - 20} more" if len(problems) > 20 else ""
    return BookError(
        f"The coding book in {folder} has {len(problems)} problem(s):\n{listed}{more}\n"
        "Correct them in the files, then run `embedcode anchors check`."
    )


def inspect_book(folder: Path, instead: Mapping[str, bytes] | None = None) -> tuple[CodingBook, list[Problem]]:
    """Read a coding book and list what is wrong with it.

    Rows with a problem are left out of the book.

    Args:
        folder: Its folder.
        instead: Contents that stand for those of the files of these names.

    Raises:
        BookError: If the folder does not exist.
    """
    if not folder.is_dir():
        raise BookError(
            f"Found no folder {folder}; expected a coding book (codes.csv, phrases/TASK1.csv, ...). "
            "Name one with --anchors, or copy the one of the package with `embedcode anchors copy DIR`."
        )
    reader = _Reader(folder, instead)
    return reader.book(), reader.problems


class _Reader:
    """Reads the files of one folder and collects the problems found on the way.

    Args:
        instead: Contents that stand for those of the files of these names.
    """

    def __init__(self, folder: Path, instead: Mapping[str, bytes] | None = None) -> None:
        self.folder = folder
        self.instead = instead or {}
        self.problems: list[Problem] = []

    def book(self) -> CodingBook:
        profiles = tuple(Profile(r["profile"], r["definition"]) for r in self.unique("profiles.csv", "profile"))
        codes = tuple(Code(r["code"], r["name"], r["definition"]) for r in self.unique("codes.csv", "code"))
        anchors = self.anchors({c.code for c in codes})
        facets = self.facets()
        terms = self.terms({f.name: f for f in facets})
        tools = self.tools({c.code for c in codes if c.group == "TECH"})
        return CodingBook(profiles, codes, anchors, facets, terms, tools, self.not_tools(tools))

    def report(self, row: _Row, message: str) -> None:
        self.problems.append(Problem(row.file, row.line, message))

    def rows(self, name: str) -> Iterator[_Row]:
        """The rows of a file, stripped; rows of another width or with an empty first cell are reported."""
        columns = _COLUMNS["phrases" if name.startswith("phrases/") else name]
        text = self.text(name)
        if text is None:
            return
        # Strict, as a quote never closed would otherwise swallow the rest of the file without a word.
        lines = csv.reader(io.StringIO(text, newline=""), strict=True)
        header: list[str] | None = None
        line = 1
        try:
            for cells in lines:
                begin, line = line, lines.line_num + 1
                if not any(c.strip() for c in cells) or cells[0].lstrip().startswith("#"):
                    continue
                if header is None:
                    header = [c.strip() for c in cells]
                    repeated = [c for c, count in Counter(header).items() if c and count > 1]
                    if not set(header).issuperset(columns):
                        message = f"found the columns {', '.join(header)}; expected {', '.join(columns)}"
                    elif repeated:
                        message = f"found the column '{repeated[0]}' twice; rename or delete one of them"
                    else:
                        continue
                    self.problems.append(Problem(name, begin, message))
                    return
                # Spreadsheets drop trailing empty cells.
                cells += [""] * (len(header) - len(cells))
                row = _Row(name, begin, dict(zip(header, map(str.strip, cells), strict=False)), line - 1)
                if len(cells) > len(header) and any(c.strip() for c in cells[len(header) :]):
                    self.report(row, f"found {len(cells)} cells, expected {len(header)}; is a comma not in quotes?")
                elif not row[columns[0]]:
                    self.report(row, f"empty {columns[0]}; write one or delete the row")
                else:
                    yield row
        except csv.Error as error:
            message = f"not readable as CSV from here on ({error}); is a quote not closed or not doubled?"
            self.problems.append(Problem(name, line, message))
            return
        if header is None:
            self.problems.append(Problem(name, 0, f"no header row; expected the columns {', '.join(columns)}"))

    def text(self, name: str) -> str | None:
        """The content of a file; None where that is reported as unreadable."""
        path = self.folder / name
        try:
            data = self.instead[name] if name in self.instead else _content(path)
        except OSError as error:
            self.problems.append(_unreadable(path, name, error))
            return None
        bad, expected = data.find(0), "text"  # as in UTF-16
        if bad < 0:
            try:
                return data.decode("utf-8-sig")
            except UnicodeDecodeError as error:
                bad, expected = error.start, "UTF-8"
        message = f"byte 0x{data[bad]:02x} is not {expected}; save the file as 'CSV UTF-8'"
        self.problems.append(Problem(name, len(data[: bad + 1].splitlines()), message))
        return None

    def unique(self, name: str, column: str) -> Iterator[_Row]:
        seen: dict[str, int] = {}
        for row in self.rows(name):
            if row[column] in seen:
                self.report(row, f"{column} '{row[column]}' stands in line {seen[row[column]]} already")
                continue
            seen[row[column]] = row.line
            yield row

    def anchors(self, codes: set[str]) -> tuple[Anchor, ...]:
        found: list[Anchor] = []
        seen: dict[tuple[str, ...], _Row] = {}
        try:
            files = sorted(p.name for p in (self.folder / "phrases").iterdir() if p.suffix == ".csv")
        except OSError as error:
            message = f"cannot be read ({error.strerror}); expected a folder with a CSV file for each code: {_RESTORE}"
            self.problems.append(Problem("phrases", 0, message))
            files = []
        for name in files:
            if name.removesuffix(".csv") not in codes:
                message = f"no code '{name.removesuffix('.csv')}' in codes.csv; add it there or rename the file"
                self.problems.append(Problem(f"phrases/{name}", 0, message))
        sources = [(f"phrases/{n}", n.removesuffix(".csv"), "facet") for n in files]
        sources.append(("negatives.csv", NEGATIVE, "kind"))
        for name, code, facet in sources:
            if code != NEGATIVE and code not in codes:
                continue
            for row in self.rows(name):
                words = tuple(find_words(row["phrase"]))
                if not words:
                    self.report(row, f"phrase '{row['phrase']}' has no word")
                elif words in seen:
                    other = seen[words]
                    under = "the same phrase" if other.file == name else "the same phrase under another code"
                    self.report(row, f"{under} stands in {other.file}:{other.line}")
                elif not row[facet]:
                    self.report(row, f"phrase '{row['phrase']}' has no {facet}")
                elif row["language"] not in LANGUAGES:
                    self.report(row, f"language '{row['language']}'; expected one of {', '.join(LANGUAGES)}")
                else:
                    seen[words] = row
                    found.append(anchor(code, row["phrase"], row[facet], row["language"]))
        return tuple(found)

    def facets(self) -> tuple[Facet, ...]:
        rows = list(self.unique("facets.csv", "facet"))
        single = {r["facet"] for r in rows if not r["both"]}
        found = []
        for row in rows:
            both = tuple(p.strip() for p in row["both"].split("+")) if row["both"] else None
            if row["family"] not in FAMILIES:
                self.report(row, f"family '{row['family']}'; expected one of {', '.join(FAMILIES[1:])}, or none")
            elif both and (len(both) != 2 or not single.issuperset(both)):
                message = f"both is '{row['both']}'; expected two facets with terms of their own, as in 'a+b'"
                self.report(row, message)
            else:
                pair = (both[0], both[1]) if both else None
                found.append(Facet(row["facet"], row["definition"], pair, row["family"]))
        return tuple(found)

    def terms(self, facets: dict[str, Facet]) -> tuple[Term, ...]:
        found: list[Term] = []
        seen: dict[tuple[str, str], int] = {}
        for row in self.rows("terms.csv"):
            term, facet = row["term"], row["facet"]
            stem = term.removesuffix("*")
            if "*" in stem or not stem:
                self.report(row, f"term '{term}' has a stray wildcard; only one star at the very end may stand")
            elif " ".join(find_words(stem)) != stem:
                plain = " ".join(find_words(stem)) + "*" * (stem != term)
                self.report(row, f"term '{term}' is not in plain form; expected '{plain}'")
            elif facet not in facets:
                self.report(row, f"unknown facet '{facet}'; add it to facets.csv or correct it")
            elif facets[facet].both:
                self.report(row, f"facet '{facet}' is a pair of facets and takes no terms of its own")
            elif (term, facet) in seen:
                self.report(row, f"term '{term}' stands in line {seen[term, facet]} already")
            elif row["language"] not in LANGUAGES:
                self.report(row, f"language '{row['language']}'; expected one of {', '.join(LANGUAGES)}")
            else:
                seen[term, facet] = row.line
                found.append(Term(term, facet, row["language"]))
        return tuple(found)

    def tools(self, codes: set[str]) -> tuple[Tool, ...]:
        found: list[Tool] = []
        seen: dict[str, list[tuple[str, str, str]]] = {}
        for row in self.unique("tools.csv", "tool"):
            match = row["match"] or "any"
            pro, con = _split(row["for"]), _split(row["against"])
            tool = Tool(row["tool"], row["code"], _split(row["aliases"]), match, pro, con)
            spellings = [(tool.name, spelt, how) for spelt, how in tool.spellings]
            clash = [
                (mine, other) for mine in spellings for other in seen.get(mine[1].lower(), ()) if _clash(mine, other)
            ]
            if tool.code not in codes and tool.code != OTHER_TOOL:
                self.report(row, f"unknown code '{tool.code}'; expected a TECH code of codes.csv or {OTHER_TOOL}")
            elif match not in TOOL_MATCHES:
                self.report(row, f"match '{match}'; expected one of {', '.join(TOOL_MATCHES)}")
            elif clash:
                self.report(row, f"spelling '{clash[0][0][1]}' belongs to '{clash[0][1][0]}' already")
            else:
                for spelling in spellings:
                    seen.setdefault(spelling[1].lower(), []).append(spelling)
                found.append(tool)
        return tuple(found)

    def not_tools(self, tools: Sequence[Tool]) -> tuple[str, ...]:
        spellings = {spelt.lower(): tool.name for tool in tools for spelt, _ in tool.spellings}
        found: dict[tuple[str, ...], _Row] = {}
        for row in self.rows("not_tools.csv"):
            notion = row["notion"]
            words = tuple(find_words(notion))
            if not words:
                self.report(row, f"notion '{notion}' has no word")
            elif words in found:
                self.report(row, f"the same notion stands in line {found[words].line} already")
            elif notion.lower() in spellings:
                self.report(row, f"notion '{notion}' is a spelling of the tool '{spellings[notion.lower()]}'")
            else:
                found[words] = row
        return tuple(row["notion"] for row in found.values())


def _content(path: Path) -> bytes:
    """The bytes of a file; an `OSError` too where it is none: a named pipe would be waited for without end."""
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "not a file")
    return path.read_bytes()


def _unreadable(path: Path, name: str, error: OSError) -> Problem:
    if not isinstance(error, FileNotFoundError):
        return Problem(name, 0, f"cannot be read ({error.strerror}); expected a CSV file: {_RESTORE}")
    if path.is_symlink():
        return Problem(name, 0, f"link to {str(path.readlink())!r}, which is missing; {_RESTORE}")
    return Problem(name, 0, f"file is missing; {_RESTORE}")


def _clash(mine: tuple[str, str, str], other: tuple[str, str, str]) -> bool:
    """Whether a text can hold what is a spelling of two tools; those tied to their case differ by it."""
    return mine[1] == other[1] or "any" in (mine[2], other[2])


def _split(cell: str) -> tuple[str, ...]:
    return tuple(a for a in (a.strip() for a in cell.split("|")) if a)


def anchor(code: str, phrase: str, facet: str, language: str) -> Anchor:
    """An anchor with its id made: the code and the first 8 hexadecimal digits of the phrase's SHA-256."""
    digest = hashlib.sha256(phrase.encode()).hexdigest()[:8]
    return Anchor(f"{code}-{digest}", code, phrase, facet, language)


def read_glossary(folder: Path) -> dict[str, str]:
    """The Dutch-English glossary that starts the vectors of Dutch words: word to English gloss.

    Raises:
        BookError: If the file is missing or not sound.
    """
    reader = _Reader(folder)
    glossary = {r["nl"]: r["en"] for r in reader.rows("glossary_nl_en.csv")}
    if reader.problems:
        raise _refusal(folder, reader.problems)
    return glossary


def book_hash(folder: Path) -> str:
    """SHA-256 over the names and contents of a coding book's CSV files.

    Raises:
        BookError: One of them cannot be read.
    """
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.csv"), key=lambda p: p.relative_to(folder).as_posix()):
        name = path.relative_to(folder).as_posix()
        try:
            data = _content(path)
        except OSError as error:
            raise _refusal(folder, [_unreadable(path, name, error)]) from error
        digest.update(os.fsencode(name) + f"\0{len(data)}\0".encode())
        digest.update(data)
    return digest.hexdigest()


def add_row(folder: Path, name: str, cells: Sequence[str]) -> None:
    """Append a row to a file of the coding book; the file is whole at any moment.

    Raises:
        BookError: The row is not sound, or the file is not; it is then left as it was.
    """
    after = with_row(folder, {}, name, cells)
    try:
        write_whole(folder / name, after)
    except OSError as error:
        raise BookError(
            f"Not added: cannot write {folder / name} ({error.strerror}). Check the permissions and the space on the "
            "disk."
        ) from error


def with_row(folder: Path, instead: Mapping[str, bytes], name: str, cells: Sequence[str]) -> bytes:
    """The content of a file of the coding book with a row more.

    Args:
        folder: The coding book's folder.
        instead: Contents that stand for those of the files of these names.
        name: Of the file.
        cells: The row.

    Raises:
        BookError: The row is not sound, or the file is not.
    """
    if not any(c.strip() for c in cells):
        raise BookError(f"Not added to {name}: all cells are empty. Give at least a phrase or term.")
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    try:
        row = line.getvalue().encode()
    except UnicodeEncodeError as error:
        raise BookError(
            f"Not added to {name}: found {error.object.strip()!r}, which holds bytes that are not UTF-8; expected "
            "text. Set the terminal to UTF-8, or write the row into the file."
        ) from error
    path = folder / name
    try:
        before = instead[name] if name in instead else _content(path)
    except OSError as error:
        raise BookError(f"Not added: {_unreadable(path, name, error)}") from error
    after = before + (b"" if before.endswith(b"\n") else b"\n") + row
    old, new = _Reader(folder, instead), _Reader(folder, {**instead, name: after})
    rows_before, rows_after = (sum(1 for _ in reader.rows(name)) for reader in (old, new))
    old.book()
    new.book()
    if added := [p for p in new.problems if p not in old.problems]:
        raise BookError("\n".join(f"Not added: {p}" for p in dict.fromkeys(added)))
    if rows_after == rows_before:
        why = next((str(p) for p in new.problems if p.file == name), "it would be read as a comment")
        raise BookError(f"Not added to {name}, as the row would not be read: {why}")
    return after


def without_row(folder: Path, instead: Mapping[str, bytes], name: str, first: str) -> tuple[bytes, Mapping[str, str]]:
    """The content of a file of the coding book without the row that begins with a cell, and that row's cells.

    Comments stay.

    Args:
        folder: The coding book's folder.
        instead: Contents that stand for those of the files of these names.
        name: Of the file.
        first: The row's first cell.

    Raises:
        BookError: There is no such row.
    """
    reader = _Reader(folder, instead)
    text = reader.text(name)
    key = _COLUMNS["phrases" if name.startswith("phrases/") else name][0]
    row = next((r for r in reader.rows(name) if r[key] == first), None)
    if text is None or row is None:
        raise BookError(f"Found no row {first!r} in {name}; expected one. Somebody else may have removed it.")
    lines = list(io.StringIO(text, newline=""))
    data = instead[name] if name in instead else _content(folder / name)
    mark = codecs.BOM_UTF8 if data.startswith(codecs.BOM_UTF8) else b""
    return mark + "".join(lines[: row.line - 1] + lines[row.last :]).encode(), row.cells
