"""Edits of anchors before they are written: staged one by one, checked as a whole, undone one by one.

The files change only when a draft is written, each at once; what they held before is kept, so that writing can be
undone too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from embedcode.book import book_hash, inspect_book, with_row, without_row
from embedcode.curate import file_of, row_for
from embedcode.errors import BookError
from embedcode.folder import sole_writer, write_whole
from embedcode.paths import is_shipped, shipped
from embedcode.types import Anchor, CodingBook


@dataclass(frozen=True)
class Step:
    """An edit.

    Attributes:
        told: What it does, for people.
        contents: What the changed files hold after it, by name.
    """

    told: str
    contents: Mapping[str, bytes]


@contextmanager
def editable(folder: Path, index: Path, who: str) -> Iterator[str]:
    """Hold a coding book, so that nobody else edits it meanwhile.

    Args:
        folder: The coding book's folder.
        index: Folder of the bundle that is to be built from it.
        who: What others are told that edits it.

    Yields:
        Why it is not to be edited here; empty where it is.
    """
    ours = shipped().resolve()
    if is_shipped(folder):
        yield (
            "the coding book of the package is not to be edited. Copy it, embedcode anchors copy my-study/anchors, and "
            f"{_with_a_bundle(Path('my-study/anchors'))}"
        )
    elif index.resolve().is_relative_to(ours / "indexes") and folder.resolve() != ours / "anchors":
        yield f"the bundle {index} comes with embedcode, not from {folder}. To edit, {_with_a_bundle(folder)}"
    else:
        with sole_writer(folder, who) as refusal:
            yield refusal


def _with_a_bundle(folder: Path) -> str:
    own = folder.parent / "indexes" / "mine"
    return (
        f"build a bundle from it and start the workbench on both: embedcode build --anchors {folder} -o {own}, "
        f"embedcode serve --anchors {folder} --index {own}."
    )


class Draft:
    """Staged edits of the anchors in one folder.

    Attributes:
        folder: The coding book's folder.
        steps: The edits staged, in order.
        book: The coding book with them.
    """

    def __init__(self, folder: Path) -> None:
        """Begin with nothing staged.

        Raises:
            BookError: The coding book is not sound.
        """
        self.folder = folder
        self.steps: list[Step] = []
        self._written: list[tuple[dict[str, bytes], list[Step]]] = []  # what files held before, and the edits
        self._begun = book_hash(folder)
        self.book = self._read()

    def add(self, code: str, phrase: str, facet: str | None, language: str, note: str = "") -> None:
        """Stage an anchor more.

        Raises:
            BookError: It is not sound; nothing is staged then.
        """
        name, row = row_for(self.book, code, phrase, facet, language, note)
        after = with_row(self.folder, self._contents, name, row)
        self._stage(f"add {phrase!r} to {code} ({row[1]}, {language})", {name: after})

    def remove(self, id: str) -> None:
        """Stage the removal of an anchor.

        Raises:
            BookError: There is no such anchor.
        """
        anchor = self._anchor(id)
        name = file_of(anchor.code)
        after, _ = without_row(self.folder, self._contents, name, anchor.phrase)
        self._stage(f"remove {anchor.phrase!r} from {anchor.code}", {name: after})

    def change(self, id: str, code: str, phrase: str, facet: str | None, language: str) -> None:
        """Stage another wording, code, facet or language of an anchor.

        Raises:
            BookError: There is no such anchor, or it would not be sound; nothing is staged then.
        """
        anchor = self._anchor(id)
        name = file_of(anchor.code)
        without, cells = without_row(self.folder, self._contents, name, anchor.phrase)
        dropped = {name: without}
        contents = {**self._contents, **dropped}
        target, row = row_for(self.book, code, phrase, facet, language, cells["note"])
        after = with_row(self.folder, contents, target, row)
        told = f"change {anchor.phrase!r} of {anchor.code} to {phrase!r} of {code} ({row[1]}, {language})"
        self._stage(told, {**dropped, target: after})

    def undo(self) -> None:
        """Drop the last edit that is staged.

        Raises:
            BookError: None is.
        """
        if not self.steps:
            raise BookError("There is no staged edit to undo. Edit an anchor first.")
        self.steps.pop()
        self.book = self._read()

    def write(self) -> None:
        """Write the edits to the files.

        Raises:
            BookError: There are none, the files were changed by somebody else, or cannot be written; those written
                before the one that failed are put back.
        """
        if not self.steps:
            raise BookError("There is no staged edit to write. Edit an anchor first.")
        self._check_unchanged()
        before = {name: (self.folder / name).read_bytes() for name in self._contents}
        self._put(self._contents, before)
        self._written.append((before, self.steps))
        self.steps = []
        self._begun = book_hash(self.folder)
        self.book = self._read()

    def unwrite(self, *, restage: bool = False) -> None:
        """Put back what the files held before they were last written.

        Args:
            restage: Whether the edits are staged again.

        Raises:
            BookError: Nothing was written, edits are staged, or the files were changed since.
        """
        if not self._written or self.steps:
            raise BookError("Nothing can be taken back: expected edits that were written, and none staged since.")
        self._check_unchanged()
        before, steps = self._written[-1]
        now = {name: (self.folder / name).read_bytes() for name in before}
        self._put(before, now)
        self._written.pop()
        self.steps = steps if restage else []
        self._begun = book_hash(self.folder)
        self.book = self._read()

    def copy_to(self, folder: Path) -> None:
        """Write the coding book with the staged edits into an empty folder, to build from."""
        for path in self.folder.rglob("*.csv"):
            name = path.relative_to(self.folder).as_posix()
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(self._contents.get(name) or path.read_bytes())

    @property
    def _contents(self) -> Mapping[str, bytes]:
        return self.steps[-1].contents if self.steps else {}

    def _stage(self, told: str, changed: Mapping[str, bytes]) -> None:
        self.steps.append(Step(told, {**self._contents, **changed}))
        self.book = self._read()

    def _read(self) -> CodingBook:
        book, problems = inspect_book(self.folder, self._contents)
        if problems:
            raise BookError("\n".join(map(str, problems[:5])) + "\nCorrect the files: embedcode anchors check.")
        return book

    def _anchor(self, id: str) -> Anchor:
        anchor = next((a for a in self.book.anchors if a.id == id), None)
        if anchor is None:
            raise BookError(f"There is no anchor {id!r:.80}. It may have been edited since the page was opened.")
        return anchor

    def _check_unchanged(self) -> None:
        if book_hash(self.folder) != self._begun:
            raise BookError(
                f"The files in {self.folder} were changed by somebody else. Start the workbench again, and stage the "
                "edits anew: nothing was written."
            )

    def _put(self, contents: Mapping[str, bytes], before: Mapping[str, bytes]) -> None:
        done: list[str] = []
        try:
            for name, data in contents.items():
                write_whole(self.folder / name, data)
                done.append(name)
        except OSError as error:
            for name in done:
                write_whole(self.folder / name, before[name])
            raise BookError(
                f"Cannot write {self.folder / name} ({error.strerror}); the coding book is as it was. Check the "
                "permissions and the space on the disk, or work on a copy: embedcode anchors copy DIR."
            ) from error
