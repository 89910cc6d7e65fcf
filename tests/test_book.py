"""The coding book: reading it, every problem with its file and line, adding rows, the hash."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import BOOK
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from embedcode.book import (
    FAMILIES,
    Problem,
    add_row,
    anchor,
    book_hash,
    inspect_book,
    read_book,
    read_glossary,
)
from embedcode.errors import BookError
from embedcode.features import FeatureSpace
from embedcode.terms import TermFinder
from embedcode.tools import ToolFinder
from embedcode.types import NEGATIVE, Code, CodingBook, Facet, Profile, Term, Tool
from embedcode.words import find_words

PIECES = [
    b'"',
    b",",
    b"\n",
    b"\r",
    b"# ",
    b"\0",
    b"\xef\xbb\xbf",
    b"term,facet,language,note\n",
    b"a,b,en,\n",
    b"*",
    b"|",
]
"""What the files of a coding book are made of."""

SHIPPED = Path(__file__).parents[1] / "anchors"


def append(folder: Path, name: str, *lines: str) -> int:
    """Append lines to a file; the number of the first of them."""
    path = folder / name
    before = path.read_text(encoding="utf-8")
    path.write_text(before + "".join(f"{line}\n" for line in lines), encoding="utf-8")
    return before.count("\n") + 1


def problems(folder: Path) -> list[str]:
    return [str(p) for p in inspect_book(folder)[1]]


def snapshot(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


# --- reading


def test_what_a_book_holds(book: CodingBook) -> None:
    assert book.profiles[2] == Profile("Ambiguous / Not Relevant", "Anything else, or unclear.")
    assert book.codes[0] == Code("TASK3", "Modeling", "Making models.")
    assert [c.group for c in book.codes] == ["TASK", "TASK", "TECH", "TECH", "SKILL"]
    assert [(a.code, a.phrase, a.facet, a.language) for a in book.anchors][4:7] == [
        ("TASK3", "modellen trainen", "predictive", "nl"),
        ("TASK4", "write, test and review software", "software", "en"),
        ("TASK4", "software bouwen", "software", "nl"),
    ]
    assert [a.facet for a in book.anchors if a.code == NEGATIVE] == ["benefits", "benefits"]
    assert book.facets[0] == Facet("generative", "Language models.", None, "generative")
    assert book.facets[5] == Facet("built_generative", "Language models that are built.", ("building", "generative"))
    assert book.terms[0] == Term("language model*", "generative", "en")
    assert [t.facet for t in book.terms if t.term == "back end"] == ["software", "building"]
    assert book.not_tools == ("REST", "NoSQL")
    assert book.tools[1] == Tool("Go", "TECH1", ("golang",), "context", ("go routines",), ("go to market",))
    assert book.tools[1].spellings == (("Go", "context"), ("golang", "any"))


def test_aliases_say_how_they_are_matched() -> None:
    tool = Tool("Go", "TECH1", ("!GO", "~go lang", "golang"), "case")
    assert tool.spellings == (("Go", "case"), ("GO", "case"), ("go lang", "context"), ("golang", "any"))


def test_ids_of_anchors(book: CodingBook) -> None:
    digest = hashlib.sha256(b"modellen trainen").hexdigest()[:8]
    assert anchor("TASK3", "modellen trainen", "predictive", "nl").id == f"TASK3-{digest}"
    assert len({a.id for a in book.anchors}) == len(book.anchors)


def test_a_tool_without_a_match_is_matched_in_any_case(book_folder: Path) -> None:
    append(book_folder, "tools.csv", "Rust,TECH1")
    assert read_book(book_folder).tools[-1] == Tool("Rust", "TECH1", (), "any")


def test_spreadsheets_may_add_a_mark_blank_lines_and_spaces(book_folder: Path) -> None:
    path = book_folder / "terms.csv"
    text = path.read_text(encoding="utf-8").replace("\n", "\r\n")
    path.write_bytes(b"\xef\xbb\xbf" + text.encode() + b',,,\r\n  \r\n"# a, comment",,,\r\n gpt , generative , en \r\n')
    book = read_book(book_folder)
    assert book.terms[-1] == Term("gpt", "generative", "en")
    assert len(book.terms) == 11


def test_columns_may_stand_in_another_order(book_folder: Path) -> None:
    (book_folder / "profiles.csv").write_text("x,definition,profile\n1,Any.,A\n", encoding="utf-8")
    assert read_book(book_folder).profiles == (Profile("A", "Any."),)


# --- problems

ROWS = [
    # (file, row, what the message says)
    ("profiles.csv", "ML Engineer,Again.", "profile 'ML Engineer' stands in line 4 already"),
    ("profiles.csv", ",No name.", "empty profile"),
    ("codes.csv", "TASK3,Again,Again.", "code 'TASK3' stands in line 4 already"),
    ("phrases/TASK3.csv", ",generative,en,", "empty phrase"),
    ("phrases/TASK3.csv", '"?!",generative,en,', "phrase '?!' has no word"),
    ("phrases/TASK3.csv", "Build Language-Models!,generative,en,", "the same phrase stands in phrases/TASK3.csv:4"),
    ("phrases/TASK4.csv", "modellen trainen,software,nl,", "under another code stands in phrases/TASK3.csv:7"),
    ("negatives.csv", "software bouwen,company,nl,", "under another code stands in phrases/TASK4.csv:5"),
    ("phrases/TASK3.csv", "a new phrase,,en,", "phrase 'a new phrase' has no facet"),
    ("negatives.csv", "a new phrase,,en,", "phrase 'a new phrase' has no kind"),
    ("phrases/TASK3.csv", "a new phrase,generative,de,", "language 'de'; expected one of en, nl"),
    ("phrases/TASK3.csv", "a new phrase,generative", "language ''; expected one of en, nl"),
    ("phrases/TASK3.csv", "a, new phrase,generative,en,a note", "found 5 cells, expected 4"),
    ("facets.csv", "generative,,,Again.", "facet 'generative' stands in line 4 already"),
    ("facets.csv", "pair,building,,One only.", "both is 'building'; expected two facets"),
    ("facets.csv", "pair,building+generative+software,,Three.", "expected two facets"),
    ("facets.csv", "pair,building+nowhere,,Unknown.", "both is 'building+nowhere'"),
    ("facets.csv", "pair,building+built_generative,,A pair of a pair.", "expected two facets with terms of their own"),
    ("facets.csv", "new,,other,A family.", "family 'other'; expected one of generative"),
    ("terms.csv", "*,generative,en,", "term '*' has a stray wildcard"),
    ("terms.csv", "gen* ai,generative,en,", "term 'gen* ai' has a stray wildcard"),
    ("terms.csv", "gpt**,generative,en,", "term 'gpt**' has a stray wildcard"),
    ("terms.csv", "Gen-AI*,generative,en,", "term 'Gen-AI*' is not in plain form; expected 'gen ai*'"),
    ("terms.csv", "two  spaces,generative,en,", "not in plain form; expected 'two spaces'"),
    ("terms.csv", "gpt,nowhere,en,", "unknown facet 'nowhere'"),
    ("terms.csv", "gpt,built_generative,en,", "facet 'built_generative' is a pair of facets"),
    ("terms.csv", "machine learning,predictive,en,", "term 'machine learning' stands in line 6 already"),
    ("terms.csv", "gpt,generative,fr,", "language 'fr'; expected one of en, nl"),
    ("tools.csv", "Python,TECH1,,any,,,", "tool 'Python' stands in line 4 already"),
    ("tools.csv", "Rust,TECH9,,any,,,", "unknown code 'TECH9'; expected a TECH code of codes.csv or OTHER"),
    ("tools.csv", "Rust,TASK3,,any,,,", "unknown code 'TASK3'"),
    ("tools.csv", "Rust,TECH1,,sometimes,,,", "match 'sometimes'; expected one of any, case, context"),
    ("tools.csv", "Golem,TECH1,gol|golang,any,,,", "spelling 'golang' belongs to 'Go' already"),
    ("tools.csv", "Lang Chain,TECH4,,any,,,", "spelling 'Lang Chain' belongs to 'LangChain' already"),
    ("not_tools.csv", ",why", "empty notion"),
    ("not_tools.csv", "--,", "notion '--' has no word"),
    ("not_tools.csv", "rest,", "the same notion stands in line 4 already"),
    ("not_tools.csv", "GoLang,", "notion 'GoLang' is a spelling of the tool 'Go'"),
    ("tools.csv", "Snake,TECH1,Python,any,,,", "spelling 'Python' belongs to 'Python' already"),
]


@pytest.mark.parametrize(("name", "row", "message"), ROWS)
def test_a_problem_names_file_and_line(book_folder: Path, name: str, row: str, message: str) -> None:
    before, none = inspect_book(book_folder)
    assert not none
    line = append(book_folder, name, row)
    book, found = inspect_book(book_folder)
    assert [(p.file, p.line) for p in found] == [(name, line)]
    assert message in found[0].message
    assert str(found[0]).startswith(f"{name}:{line}: ")
    assert book == before  # rows with a problem are left out
    with pytest.raises(BookError, match="has 1 problem") as error:
        read_book(book_folder)
    assert f"{name}:{line}: " in str(error.value)
    assert "embedcode anchors check" in str(error.value)


def test_a_file_of_phrases_for_no_code(book_folder: Path) -> None:
    (book_folder / "phrases" / "TASK9.csv").write_text("phrase,facet,language,note\nnew,new,en,\n", encoding="utf-8")
    assert problems(book_folder) == ["phrases/TASK9.csv: no code 'TASK9' in codes.csv; add it there or rename the file"]


@pytest.mark.parametrize(
    "name",
    ["profiles.csv", "codes.csv", "negatives.csv", "facets.csv", "terms.csv", "tools.csv", "not_tools.csv"],
)
def test_a_missing_file(book_folder: Path, name: str) -> None:
    (book_folder / name).unlink()
    found = [p for p in inspect_book(book_folder)[1] if p.file == name]
    assert [(p.line, p.message[:15]) for p in found] == [(0, "file is missing")]


@pytest.mark.parametrize("name", ["codes.csv", "phrases/TASK3.csv", "negatives.csv", "terms.csv", "tools.csv"])
def test_a_wrong_encoding(book_folder: Path, name: str) -> None:
    line = append(book_folder, name, "fine,fine,en,")
    path = book_folder / name
    path.write_bytes(path.read_bytes() + "café,generative,en,\n".encode("latin-1"))
    found = [p for p in inspect_book(book_folder)[1] if p.file == name]
    assert [p.line for p in found] == [line + 1]
    assert found[0].message == "byte 0xe9 is not UTF-8; save the file as 'CSV UTF-8'"


def test_a_missing_column(book_folder: Path) -> None:
    path = book_folder / "terms.csv"
    path.write_text(
        path.read_text(encoding="utf-8").replace("term,facet,language,note", "term,group"), encoding="utf-8"
    )
    assert problems(book_folder) == ["terms.csv:3: found the columns term, group; expected term, facet, language, note"]


def test_no_header(book_folder: Path) -> None:
    (book_folder / "terms.csv").write_text("# only a comment\n\n", encoding="utf-8")
    assert problems(book_folder) == ["terms.csv: no header row; expected the columns term, facet, language, note"]


def test_a_cell_too_long_for_csv(book_folder: Path) -> None:
    line = append(book_folder, "terms.csv", "x" * 200_000)
    found = problems(book_folder)
    assert [p.split(" (")[0] for p in found] == [f"terms.csv:{line}: not readable as CSV from here on"]


def test_lines_are_counted_through_cells_of_several_lines(book_folder: Path) -> None:
    append(book_folder, "terms.csv", '"gpt",generative,en,"a note', 'of two lines"', "# comment", "")
    line = append(book_folder, "terms.csv", 'x,nowhere,en,"a note', 'of two lines"', "y,nowhere,en,")
    assert [p.line for p in inspect_book(book_folder)[1]] == [line, line + 2]


def test_a_quote_never_closed_is_named_where_it_opens(book_folder: Path) -> None:
    line = append(book_folder, "terms.csv", '"gpt,generative,en,', "chat,generative,en,")
    (found,) = problems(book_folder)
    assert found.startswith(f"terms.csv:{line}: not readable as CSV from here on (unexpected end of data); is a quote")
    line = append(book_folder, "negatives.csv", '"pension,benefits,en,', 'shares,"benefits",en,')
    assert f"negatives.csv:{line}: not readable as CSV from here on" in problems(book_folder)[0]


def test_a_column_that_is_there_twice(book_folder: Path) -> None:
    path = book_folder / "terms.csv"
    for header, name in (("term,facet,language,note,term", "term"), ("term,facet,language,note,why,,,why", "why")):
        before = path.read_bytes()
        path.write_bytes(before.replace(b"term,facet,language,note", header.encode()))
        found = [f"terms.csv:3: found the column '{name}' twice; rename or delete one of them"]
        assert problems(book_folder) == found
        path.write_bytes(before)


def test_old_line_ends(book_folder: Path) -> None:
    before, _ = inspect_book(book_folder)
    path = book_folder / "terms.csv"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r"))
    assert inspect_book(book_folder) == (before, [])
    path.write_bytes(path.read_bytes() + b"caf\xe9,generative,en,\r")
    line = path.read_bytes().count(b"\r")
    assert problems(book_folder) == [f"terms.csv:{line}: byte 0xe9 is not UTF-8; save the file as 'CSV UTF-8'"]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-16", "utf-8"])
def test_zeros_are_no_text(book_folder: Path, encoding: str) -> None:
    path = book_folder / "phrases" / "TASK3.csv"
    line = append(book_folder, "phrases/TASK3.csv", "build\0models,generative,en,") if encoding == "utf-8" else 1
    path.write_bytes(path.read_text(encoding="utf-8").encode(encoding))
    found = f"phrases/TASK3.csv:{line}: byte 0x00 is not text; save the file as 'CSV UTF-8'"
    assert problems(book_folder) == [found]


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _link(target: str) -> Callable[[Path], None]:
    def put(path: Path) -> None:
        path.unlink()
        path.symlink_to(target)

    return put


OBSTACLES: dict[str, tuple[Callable[[Path], None], str]] = {
    "a folder": (_folder, "cannot be read (not a file); expected a CSV file: restore it, or copy it"),
    "a pipe": (_pipe, "cannot be read (not a file); expected a CSV file: restore it, or copy it"),
    "a dangling link": (_link("../nowhere.csv"), "link to '../nowhere.csv', which is missing; restore it, or copy it"),
    "a link to itself": (_link("terms.csv"), "cannot be read (Too many levels of symbolic links); expected a CSV file"),
    "no permission": (lambda path: path.chmod(0), "cannot be read (Permission denied); expected a CSV file"),
}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="POSIX has such files")
@pytest.mark.parametrize("what", OBSTACLES)
def test_what_stands_where_a_file_should(book_folder: Path, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    make, message = OBSTACLES[what]
    make(book_folder / "terms.csv")
    if what == "no permission":  # which does not keep the superuser from reading
        read = Path.read_bytes

        def denied(path: Path) -> bytes:
            if not path.stat().st_mode & 0o400:
                raise PermissionError(13, "Permission denied")
            return read(path)

        monkeypatch.setattr(Path, "read_bytes", denied)
    (found,) = problems(book_folder)
    assert found.startswith(f"terms.csv: {message}")
    for act in (read_book, book_hash, lambda folder: add_row(folder, "terms.csv", ["gpt", "generative", "en", ""])):
        with pytest.raises(BookError) as error:
            act(book_folder)
        assert f"terms.csv: {message}" in str(error.value)
    # What stands in the way of one file is none of the others' business.
    add_row(book_folder, "phrases/TASK3.csv", ["tune a model", "generative", "en", ""])


@pytest.mark.parametrize("name", ["phrases", "phrases/TASK3.csv"])
def test_no_phrases(book_folder: Path, name: str) -> None:
    (book_folder / "phrases").rename(book_folder.parent / "phrases")
    if name != "phrases":
        (book_folder / "phrases").write_text("", encoding="utf-8")
    (found,) = problems(book_folder)
    assert (
        found.startswith("phrases: cannot be read (No") and "expected a folder with a CSV file for each code" in found
    )


def test_problems_of_any_length_and_sign_are_shown_on_one_short_line(book_folder: Path) -> None:
    append(book_folder, "terms.csv", f"\x1b[2J{'x ' * 50_000},generative,en,", '"a\nb",nowhere,en,')
    path = book_folder / "codes.csv"
    path.write_text("x," * 1_000_000, encoding="utf-8")
    with pytest.raises(BookError) as error:
        read_book(book_folder)
    message = str(error.value)
    assert len(message) < 20_000
    assert all(line.isprintable() for line in message.split("\n"))
    assert "term '\\x1b[2Jx x x" in message
    assert "codes.csv:1: found the columns x, x, x" in message
    assert "; expected code, name, definition\n" in message


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from([*BOOK, "phrases/TASK3.csv"]),
    data=st.lists(st.one_of(st.binary(max_size=20), st.sampled_from(PIECES)), max_size=12).map(b"".join),
    keep=st.booleans(),
)
def test_any_bytes_are_read_or_refused(book_folder: Path, name: str, data: bytes, keep: bool) -> None:
    path = book_folder / name
    before = path.read_bytes()
    try:
        path.write_bytes(before * keep + data)
        found = inspect_book(book_folder)[1]
        assert all(p.file and str(p).isprintable() for p in found)
        for act in (read_book, read_glossary, lambda folder: add_row(folder, name, ["a", "b", "en", ""])):
            with contextlib.suppress(BookError):
                act(book_folder)
    finally:
        path.write_bytes(before)


def test_all_problems_are_listed_and_the_first_twenty_shown(book_folder: Path) -> None:
    for i in range(25):
        append(book_folder, "terms.csv", f"x{i},nowhere,en,")
    append(book_folder, "tools.csv", "Rust,TECH9,,any,,,")
    assert len(problems(book_folder)) == 26
    with pytest.raises(BookError, match=r"has 26 problem\(s\)") as error:
        read_book(book_folder)
    assert "... and 6 more" in str(error.value)


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(BookError, match="Found no folder"):
        read_book(tmp_path / "nowhere")


def test_problem_as_text() -> None:
    assert str(Problem("terms.csv", 7, "no")) == "terms.csv:7: no"
    assert str(Problem("terms.csv", 0, "no")) == "terms.csv: no"


def test_a_row_that_starts_with_a_hash_is_a_comment(book_folder: Path) -> None:
    append(book_folder, "terms.csv", "#note to myself,,,")
    assert problems(book_folder) == []


@pytest.mark.parametrize("row", ["Golem,TECH1,GoLang,any,,,", "Gopher,TECH4,!Go,any,,,", "python,TECH4,,any,,,"])
def test_spellings_that_clash_for_the_finder(book_folder: Path, row: str) -> None:
    line = append(book_folder, "tools.csv", row)
    ToolFinder(inspect_book(book_folder)[0].tools)
    assert [(p.file, p.line) for p in inspect_book(book_folder)[1]] == [("tools.csv", line)]


# --- adding rows


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        ("terms.csv", ["diffusion model*", "generative", "en", ""]),
        ("phrases/TASK3.csv", ['tune "prompts", then measure', "generative", "en", "a note, with a comma"]),
        ("tools.csv", ["Rust", "TECH1", "rustlang", "case", "", "", ""]),
    ],
)
def test_add_row(book_folder: Path, name: str, cells: list[str]) -> None:
    before = snapshot(book_folder)
    add_row(book_folder, name, cells)
    after = snapshot(book_folder)
    assert set(after) == set(before)
    assert {n for n in after if after[n] != before[n]} == {name}
    assert after[name].startswith(before[name])
    assert after[name].count(b"\n") == before[name].count(b"\n") + 1
    book = read_book(book_folder)
    found = [*(t.term for t in book.terms), *(a.phrase for a in book.anchors), *(t.name for t in book.tools)]
    assert cells[0] in found


def test_add_row_to_a_file_without_a_last_line_break(book_folder: Path) -> None:
    path = book_folder / "terms.csv"
    path.write_bytes(path.read_bytes().rstrip(b"\n"))
    add_row(book_folder, "terms.csv", ["gpt", "generative", "en", ""])
    assert [t.term for t in read_book(book_folder).terms][-2:] == ["back end", "gpt"]


@pytest.mark.parametrize(("name", "row", "message"), [r for r in ROWS if '"' not in r[1]])
def test_add_row_leaves_the_book_as_it_was_where_the_row_is_not_sound(
    book_folder: Path, name: str, row: str, message: str
) -> None:
    before = snapshot(book_folder)
    with pytest.raises(BookError, match="Not added: ") as error:
        add_row(book_folder, name, row.split(","))
    assert message in str(error.value)
    assert snapshot(book_folder) == before


def test_add_row_does_not_mind_older_problems(book_folder: Path) -> None:
    append(book_folder, "terms.csv", "x,nowhere,en,")
    add_row(book_folder, "terms.csv", ["gpt", "generative", "en", ""])
    assert [t.term for t in inspect_book(book_folder)[0].terms][-1] == "gpt"
    with pytest.raises(BookError, match="unknown facet 'elsewhere'"):
        add_row(book_folder, "terms.csv", ["y", "elsewhere", "en", ""])


def test_add_row_makes_no_file(book_folder: Path) -> None:
    before = snapshot(book_folder)
    with pytest.raises(BookError):
        add_row(book_folder, "phrases/TASK9.csv", ["a new phrase", "new", "en", ""])
    assert snapshot(book_folder) == before


def test_add_row_names_the_place_of_the_phrase_that_stands_already(book_folder: Path) -> None:
    with pytest.raises(BookError) as error:
        add_row(book_folder, "phrases/TASK3.csv", ["software bouwen", "generative", "nl", ""])
    assert "phrases/TASK4.csv:5" in str(error.value)


def test_add_row_refuses_an_empty_row(book_folder: Path) -> None:
    with pytest.raises(BookError):
        add_row(book_folder, "terms.csv", ["", "", "", ""])


def test_add_row_refuses_a_file_that_cannot_be_read(book_folder: Path) -> None:
    path = book_folder / "terms.csv"
    path.write_bytes(path.read_bytes() + b"caf\xe9,generative,en,\n")
    with pytest.raises(BookError):
        add_row(book_folder, "terms.csv", ["gpt", "generative", "en", ""])


def test_add_row_takes_text_only(book_folder: Path) -> None:
    before = snapshot(book_folder)
    with pytest.raises(BookError, match=r"'tune \\udcff.* not UTF-8; expected text"):
        add_row(book_folder, "phrases/TASK3.csv", ["tune \udcff", "generative", "en", ""])
    with pytest.raises(BookError, match="byte 0x00 is not text"):
        add_row(book_folder, "phrases/TASK3.csv", ["tune \0 models", "generative", "en", ""])
    assert snapshot(book_folder) == before


@pytest.mark.parametrize(
    ("last", "cells", "why"),
    [
        ('"gpt,generative,en,', ["chat", "generative", "en", ""], "terms.csv:14: not readable as CSV from here on"),
        ("", ["#chat", "generative", "en", ""], "it would be read as a comment"),
    ],
)
def test_add_row_refuses_a_row_that_would_not_be_read(book_folder: Path, last: str, cells: list[str], why: str) -> None:
    append(book_folder, "terms.csv", last)
    before = snapshot(book_folder)
    with pytest.raises(BookError) as error:
        add_row(book_folder, "terms.csv", cells)
    assert why in str(error.value)
    assert snapshot(book_folder) == before


def test_add_row_that_cannot_be_written(book_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    before = snapshot(book_folder)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(BookError, match=r"cannot write .*terms\.csv \(No space left on device\)"):
        add_row(book_folder, "terms.csv", ["gpt", "generative", "en", ""])
    assert snapshot(book_folder) == before


# --- hash and glossary


def _rename(folder: Path) -> None:
    (folder / "phrases" / "TASK4.csv").rename(folder / "phrases" / "TASK5.csv")


def _move_a_line(folder: Path) -> None:
    # The bytes of all files in a row stay the same.
    first, second = folder / "phrases" / "TASK3.csv", folder / "phrases" / "TASK4.csv"
    lines = first.read_bytes().splitlines(keepends=True)
    first.write_bytes(b"".join(lines[:-1]))
    second.write_bytes(lines[-1] + second.read_bytes())


EDITS: list[Callable[[Path], object]] = [
    lambda f: append(f, "terms.csv", ""),
    lambda f: append(f, "terms.csv", "# comment"),
    lambda f: append(f, "phrases/SKILL1.csv", "explain plans to users,talking,en,"),
    lambda f: (f / "glossary_nl_en.csv").unlink(),
    lambda f: (f / "phrases" / "SKILL2.csv").write_bytes(b""),
    _rename,
    _move_a_line,
]


@pytest.mark.parametrize("edit", EDITS)
def test_any_edit_changes_the_hash(book_folder: Path, edit: Callable[[Path], object]) -> None:
    before = book_hash(book_folder)
    assert len(before) == 64
    assert book_hash(book_folder) == before
    edit(book_folder)
    assert book_hash(book_folder) != before


def test_other_files_and_the_place_do_not_change_the_hash(book_folder: Path, tmp_path: Path) -> None:
    before = book_hash(book_folder)
    (book_folder / "notes.txt").write_text("to do", encoding="utf-8")
    (book_folder / "terms.csv.tmp").write_text("x", encoding="utf-8")
    assert book_hash(book_folder) == before
    assert book_hash(book_folder.rename(tmp_path / "elsewhere")) == before


def test_glossary(book_folder: Path) -> None:
    assert read_glossary(book_folder) == {"taalmodel": "language model", "bouwen": "build"}
    append(book_folder, "glossary_nl_en.csv", ",nothing")
    with pytest.raises(BookError, match=r"glossary_nl_en\.csv:6: empty nl"):
        read_glossary(book_folder)
    (book_folder / "glossary_nl_en.csv").unlink()
    with pytest.raises(BookError, match="file is missing"):
        read_glossary(book_folder)


# --- the book that comes with the package

needs_terms = pytest.mark.skipif(
    not all((SHIPPED / n).is_file() for n in ("terms.csv", "facets.csv")), reason="terms or facets are not there"
)


@needs_terms
def test_the_shipped_book_is_sound() -> None:
    book, found = inspect_book(SHIPPED)
    assert [str(p) for p in found] == []
    assert [p.name for p in book.profiles] == ["ML Engineer", "GenAI Engineer", "Ambiguous / Not Relevant"]
    groups = [c.group for c in book.codes]
    assert (groups.count("TASK"), groups.count("TECH"), groups.count("SKILL")) == (5, 11, 5)
    coded = {c.code for c in book.codes if c.group != "TECH"}
    assert {a.code for a in book.anchors} == coded | {NEGATIVE}
    for code in [*coded, NEGATIVE]:
        assert {a.language for a in book.anchors if a.code == code} == {"en", "nl"}, code
    assert len({a.id for a in book.anchors}) == len(book.anchors)
    assert {f.family for f in book.facets} <= set(FAMILIES)


@needs_terms
def test_the_parts_of_the_shipped_book_fit_together() -> None:
    book = read_book(SHIPPED)
    used = {t.facet for t in book.terms}
    for facet in book.facets:
        assert facet.both or facet.name in used, f"the facet {facet.name} has no terms"
    coded = list(dict.fromkeys(a.code for a in book.anchors if a.code != NEGATIVE))
    names = FeatureSpace(coded, book.facets, [c.code for c in book.codes if c.group == "TECH"]).names
    assert len(set(names)) == len(names)
    TermFinder(book.terms)
    ToolFinder(book.tools)


def test_the_shipped_glossary_is_in_plain_form() -> None:
    for dutch, english in read_glossary(SHIPPED).items():
        assert find_words(dutch) == [dutch]
        assert find_words(english), dutch
