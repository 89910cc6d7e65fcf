"""Edits of anchors: staged, checked, undone, written at once and taken back, with nothing else touched."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import Study

from embedcode import draft as drafting
from embedcode import folder as folders
from embedcode.book import read_book
from embedcode.curate import add
from embedcode.draft import Draft, editable
from embedcode.errors import BookError
from embedcode.paths import shipped
from embedcode.types import NEGATIVE


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*.csv")}


def phrases(draft: Draft, code: str) -> list[str]:
    return [a.phrase for a in draft.book.anchors if a.code == code]


def id_of(draft: Draft, phrase: str) -> str:
    return next(a.id for a in draft.book.anchors if a.phrase == phrase)


def test_nothing_is_written_before_it_is_written(study: Study) -> None:
    before = contents(study.anchors)
    draft = Draft(study.anchors)
    draft.add("TASK3", "distil a small model", "generative", "en")
    draft.remove(id_of(draft, "modellen trainen"))
    draft.change(id_of(draft, "software bouwen"), "TASK3", "modellen bouwen", "predictive", "nl")
    assert contents(study.anchors) == before
    assert "distil a small model" in phrases(draft, "TASK3")
    assert "modellen trainen" not in phrases(draft, "TASK3")
    assert "modellen bouwen" in phrases(draft, "TASK3")
    assert "software bouwen" not in phrases(draft, "TASK4")
    assert len(draft.steps) == 3
    draft.write()
    assert read_book(study.anchors) == draft.book
    changed = {n for n, data in contents(study.anchors).items() if data != before[n]}
    assert changed == {"phrases/TASK3.csv", "phrases/TASK4.csv"}
    draft.unwrite()
    assert contents(study.anchors) == before


def test_undoing_step_by_step(study: Study) -> None:
    draft = Draft(study.anchors)
    books = [draft.book]
    for phrase in ("one thing", "another thing", "a third thing"):
        draft.add("TASK4", phrase, None, "en")
        books.append(draft.book)
    for book in books[-2::-1]:
        draft.undo()
        assert draft.book == book
    with pytest.raises(BookError, match="no staged edit to undo"):
        draft.undo()


def test_comments_quotes_notes_and_marks_stay(study: Study) -> None:
    path = study.anchors / "phrases" / "TASK4.csv"
    path.write_bytes(
        b"\xef\xbb\xbf# What.\r\n# What not.\r\nphrase,facet,language,note\r\n# aside\r\n"
        b'"write, test and review software",software,en,"two\r\nlines"\r\n\r\nsoftware bouwen,software,nl,mine\r\n'
    )
    before = path.read_bytes()
    draft = Draft(study.anchors)
    draft.remove(id_of(draft, "write, test and review software"))
    draft.write()
    assert path.read_bytes() == before.replace(b'"write, test and review software",software,en,"two\r\nlines"\r\n', b"")
    draft.change(id_of(draft, "software bouwen"), "TASK4", "software maken", "software", "nl")
    draft.write()
    assert path.read_bytes().endswith(b"software maken,software,nl,mine\n")
    draft.unwrite()
    draft.unwrite()
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda d: d.add("TASK9", "a thing", None, "en"), "no code or facet 'TASK9'"),
        (lambda d: d.add("TASK3", "", None, "en"), "empty phrase|no word"),
        (lambda d: d.add("TASK3", "software bouwen", None, "nl"), "same phrase under another code"),
        (lambda d: d.add("TASK3", "# a thing", None, "en"), "comment"),
        (lambda d: d.add("TASK3", "a thing", "none", "en"), "no facet 'none'"),
        (lambda d: d.add("TASK3", "a thing", None, "xx"), "language 'xx'"),
        (lambda d: d.add(NEGATIVE, "a thing", None, "en"), "needs its kind"),
        (lambda d: d.remove("TASK3-00000000"), "no anchor 'TASK3-00000000'"),
        (lambda d: d.change(id_of(d, "modellen trainen"), "TASK4", "software bouwen", None, "nl"), "same phrase"),
        (lambda d: d.change(id_of(d, "modellen trainen"), "TASK8", "iets", None, "nl"), "no code"),
        (lambda d: d.write(), "no staged edit to write"),
        (lambda d: d.unwrite(), "Nothing can be taken back"),
    ],
)
def test_edits_that_cannot_be_leave_all_as_it_was(study: Study, edit: Callable[[Draft], None], said: str) -> None:
    before = contents(study.anchors)
    draft = Draft(study.anchors)
    book = draft.book
    with pytest.raises(BookError, match=said):
        edit(draft)
    assert (draft.book, draft.steps, contents(study.anchors)) == (book, [], before)


def test_what_somebody_else_wrote_is_not_overwritten(study: Study) -> None:
    draft = Draft(study.anchors)
    draft.add("TASK3", "distil a small model", None, "en")
    study.add("phrases/TASK4.csv", "a line of another,software,en,")
    before = contents(study.anchors)
    with pytest.raises(BookError, match="changed by somebody else"):
        draft.write()
    assert contents(study.anchors) == before


def test_a_write_that_fails_in_the_middle_is_taken_back(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    draft = Draft(study.anchors)
    draft.change(id_of(draft, "software bouwen"), "TASK3", "modellen bouwen", "predictive", "nl")
    before = contents(study.anchors)
    write = drafting.write_whole
    written: list[Path] = []

    def failing(path: Path, data: bytes) -> None:
        if len(written) == 1:
            written.append(path)
            raise OSError(28, "No space left on device")
        written.append(path)
        write(path, data)

    monkeypatch.setattr(drafting, "write_whole", failing)
    with pytest.raises(BookError, match="No space left on device.*the coding book is as it was"):
        draft.write()
    assert len(written) == 3
    assert contents(study.anchors) == before
    draft.write()
    assert read_book(study.anchors) == draft.book


def test_a_copy_to_build_from(study: Study, tmp_path: Path) -> None:
    draft = Draft(study.anchors)
    draft.add("TASK3", "distil a small model", None, "en")
    draft.copy_to(tmp_path / "copy")
    assert read_book(tmp_path / "copy") == draft.book
    shutil.rmtree(tmp_path / "copy")


def test_a_draft_that_is_staged_again(study: Study) -> None:
    draft = Draft(study.anchors)
    draft.add("TASK3", "distil a small model", None, "en")
    book, before = draft.book, contents(study.anchors)
    draft.write()
    draft.unwrite(restage=True)
    assert ([s.told[:3] for s in draft.steps], draft.book, contents(study.anchors)) == (["add"], book, before)
    draft.undo()
    assert draft.book == Draft(study.anchors).book


# One writer at a time


HOLD = """
import sys, time
from pathlib import Path
from embedcode.draft import editable
with editable(Path(sys.argv[1]), Path(sys.argv[2]), "a workbench at some address") as refusal:
    print(refusal or "held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "PATIENCE_TO_EDIT", 0.05)


@contextlib.contextmanager
def held(study: Study) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds a coding book."""
    command = [sys.executable, "-c", HOLD, str(study.anchors), str(study.index)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        try:
            assert other.stdout and other.stdout.readline() == "held\n"
            yield other
        finally:
            other.kill()


def test_another_is_told_who_edits_a_book(study: Study, impatient: None) -> None:
    before = contents(study.anchors)
    with held(study) as other:
        with editable(study.anchors, study.index, "me") as refusal:
            assert f"is being edited by a workbench at some address (process {other.pid} on " in refusal
            assert "end that first and try again" in refusal
        with pytest.raises(BookError, match="Not added: .* is being edited by a workbench at some address"):
            add(study.anchors, "TASK3", "distil a small model", None, "en", "")
        assert contents(study.anchors) == before
        (study.anchors / folders.HOLDER).write_text("{")
        with editable(study.anchors, study.index, "me") as refusal:
            assert "is being edited by another embedcode. " in refusal


def test_a_killed_workbench_holds_nothing(study: Study, impatient: None) -> None:
    with held(study) as other:
        other.kill()
        other.wait()
        assert (study.anchors / folders.HOLDER).is_file()
        with editable(study.anchors, study.index, "me") as refusal:
            assert refusal == ""
        assert not (study.anchors / folders.HOLDER).exists()
        assert "added" in add(study.anchors, "TASK3", "distil a small model", None, "en", "")


def test_a_book_that_cannot_be_written_to(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    before = contents(study.anchors)
    opened = os.open

    def refuse(path: str | Path, flags: int, *more: int, **options: int) -> int:
        if str(path).startswith(str(study.anchors)) and flags & (os.O_WRONLY | os.O_RDWR):
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, flags, *more, **options)

    monkeypatch.setattr(os, "open", refuse)
    with editable(study.anchors, study.index, "me") as refusal:
        assert "cannot be written to (Permission denied). Check the permissions, or work on a copy" in refusal
    with pytest.raises(BookError, match="Not added: .* cannot be written to"):
        add(study.anchors, "TASK3", "distil a small model", None, "en", "")
    assert contents(study.anchors) == before


def test_the_book_of_the_package_is_not_edited(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drafting, "is_shipped", lambda folder: folder == study.anchors)
    with editable(study.anchors, study.index, "me") as refusal:
        assert "embedcode anchors copy my-study/anchors" in refusal
        assert not (study.anchors / folders.HOLDER).exists()


def test_the_bundle_of_the_package_is_not_built_from_another_book(study: Study) -> None:
    with editable(study.anchors, shipped() / "indexes" / "default", "me") as refusal:
        own = study.root / "indexes" / "mine"
        assert f"embedcode build --anchors {study.anchors} -o {own}, embedcode serve" in refusal
        assert not (study.anchors / folders.HOLDER).exists()


def test_additions_at_the_same_moment_are_all_kept(study: Study) -> None:
    words = ("one", "two", "three", "four")
    command = [Path(sys.executable).parent / "embedcode", "anchors", "add", "TASK4", "--anchors", study.anchors]
    added = [subprocess.Popen([*command, f"build thing {w}"], stdout=subprocess.DEVNULL) for w in words]
    assert [p.wait() for p in added] == [0] * 4
    assert {f"build thing {w}" for w in words} <= set(phrases(Draft(study.anchors), "TASK4"))
