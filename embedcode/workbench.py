"""What the workbench holds: a coder, a corpus, a draft of the anchors, and the bundle built from it on trial."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from embedcode.build import Report
from embedcode.building import rebuild
from embedcode.bundle import load_bundle
from embedcode.coder import Coder
from embedcode.corpus import Corpus
from embedcode.draft import Draft
from embedcode.errors import BookError, EmbedcodeError
from embedcode.findings import anchor_vectors, purity, rivals, usage_in
from embedcode.labelled import Labelled
from embedcode.types import NEGATIVE, Anchor, CodingBook


@dataclass(frozen=True)
class AnchorRow:
    """An anchor and how it fares.

    Attributes:
        won: How many pieces of evidence it is the nearest to; None without a corpus, and for negative anchors.
        nearest, right: Segments of the labelled ads that it is the nearest to, and how many of them carry its code; see
            `findings.purity`.
        own, other: The nearest anchor of its code, and that of the others; None where there is none.
        similarity, other_similarity: Their cosines.
    """

    anchor: Anchor
    won: int | None
    nearest: int
    right: int
    own: Anchor | None
    similarity: float
    other: Anchor | None
    other_similarity: float

    @property
    def stray(self) -> bool:
        """Whether it is nearer to another code than to its own."""
        return self.other is not None and self.other_similarity > self.similarity


@dataclass
class Trial:
    """A bundle that is built from the draft without replacing the one in use.

    Attributes:
        edits: What was staged, for people.
        coded: Ads of the corpus coded so far.
        report: What it changes, once it is built.
        failed: Why it could not be built.
        kept: Whether it has replaced the bundle in use.
    """

    edits: tuple[str, ...]
    coded: int = 0
    report: Report | None = None
    failed: str = ""
    kept: bool = False

    @property
    def running(self) -> bool:
        """Whether it is still being built."""
        return self.report is None and not self.failed


class Workbench:
    """A coder, a corpus and the anchors; one change at a time.

    Attributes:
        coder: The coder in use.
        corpus: The corpus, if there is one.
        closed: Why the anchors are not to be edited here; empty where they are.
        trial: The last bundle on trial, if there was one.
    """

    def __init__(
        self, load: Callable[[], Coder], anchors: Path, index: Path, corpus: Corpus | None = None, closed: str = ""
    ) -> None:
        """Open a workbench.

        Args:
            load: Loads the coder; again after a bundle was kept.
            anchors: Folder of the coding book.
            index: Folder of the bundle that is built from it.
            corpus: The corpus to look through.
            closed: Why the anchors are not to be edited here, as `draft.editable` says.

        Raises:
            EmbedcodeError: The coder cannot be loaded, or the coding book is not sound.
        """
        self.coder = load()
        self.corpus = corpus
        self.closed = closed
        self.trial: Trial | None = None
        self._load = load
        self._index = index
        self._draft = Draft(anchors)
        self._lock = threading.RLock()
        self._won = usage_in(corpus.folder, self._draft.book, self.coder.bundle).won if corpus else None
        self._rows: tuple[CodingBook, list[AnchorRow]] | None = None

    @property
    def draft(self) -> Draft:
        """The anchors with what is staged."""
        return self._draft

    @contextmanager
    def editing(self) -> Iterator[Draft]:
        """The draft, to stage something in it.

        Raises:
            BookError: The anchors are not to be edited here, or a bundle is being built from them.
        """
        with self._lock:
            if self.trial and self.trial.running:
                raise BookError("A bundle is being built from the anchors. Wait until it is done.")
            if self.closed:
                raise BookError(self.closed)
            yield self._draft
            self.trial = None  # it says nothing of the draft any more

    def anchors(self, code: str = "", facet: str = "", words: str = "", stray: bool = False) -> list[AnchorRow]:
        """The anchors that pass a filter, in the order of the files.

        Args:
            code, facet: Only those of a code or facet.
            words: Only those whose phrase holds this, in upper or lower case.
            stray: Only those that are nearer to another code, the farthest astray first.
        """
        book = self._draft.book
        with self._lock:
            if self._rows is None or self._rows[0] is not book:
                self._rows = book, self._compared(book)
            rows = self._rows[1]
        found = [
            r
            for r in rows
            if code in ("", r.anchor.code)
            and facet in ("", r.anchor.facet)
            and words.casefold() in r.anchor.phrase.casefold()
            and (r.stray or not stray)
        ]
        return sorted(found, key=lambda r: r.similarity - r.other_similarity) if stray else found

    def try_out(self) -> None:
        """Begin to build a bundle from the draft, in the background.

        Raises:
            BookError: Nothing is staged, or one is being built.
        """
        with self._lock:
            if self.trial and self.trial.running:
                raise BookError("A bundle is being built already. Wait until it is done.")
            if not self._draft.steps:
                raise BookError("Nothing is staged. Edit an anchor first.")
            self.trial = trial = Trial(tuple(step.told for step in self._draft.steps))
            threading.Thread(target=self._build, args=(trial,), daemon=True).start()

    def keep(self) -> None:
        """Write the draft to the files and replace the bundle in use.

        Raises:
            EmbedcodeError: There is no bundle on trial, or one cannot be written; all is then as it was, the edits
                staged.
        """
        with self._lock:
            trial = self.trial
            if trial is None or trial.report is None or trial.kept:
                raise BookError("There is no bundle on trial to keep. Rebuild first.")
            self._draft.write()
            try:
                rebuild(self._draft.folder, self._index)
                self.coder = self._load()
            except BaseException:
                self._draft.unwrite(restage=True)
                raise
            trial.kept = True

    def take_back(self) -> None:
        """Drop the bundle on trial; where it was kept, put anchors and bundle back as they were.

        Raises:
            EmbedcodeError: There is none, or the files were changed since.
        """
        with self._lock:
            if self.trial is None or self.trial.running:
                raise BookError("There is no bundle on trial to take back. Rebuild first.")
            if self.trial.kept:
                self._draft.unwrite()
                rebuild(self._draft.folder, self._index)
                self.coder = self._load()
            self.trial = None

    def _build(self, trial: Trial) -> None:
        def advance(ads: int) -> None:
            trial.coded += ads

        try:
            with TemporaryDirectory() as folder:
                self._draft.copy_to(Path(folder))
                corpus = self.corpus.folder if self.corpus else None
                trial.report = rebuild(Path(folder), self._index, corpus=corpus, write=False, progress=advance)
        except EmbedcodeError as error:
            trial.failed = str(error)
        except Exception as error:  # whatever happens, the page has to say it
            trial.failed = f"{type(error).__name__}: {error}. This was not foreseen; please report it."

    @cached_property
    def _labelled(self) -> Labelled | None:
        """The labelled ads of the bundle: a rebuild passes them on as they are."""
        return load_bundle(self._index, labelled=True).labelled

    def _compared(self, book: CodingBook) -> list[AnchorRow]:
        names = list(dict.fromkeys(a.code for a in book.anchors))
        vectors = anchor_vectors(book, self.coder.bundle, None, False)
        labelled = self._labelled
        fare = purity(book, vectors, labelled).tolist() if labelled else [[0, 0]] * len(book.anchors)
        found = rivals(vectors, np.array([names.index(a.code) for a in book.anchors], dtype=np.int64))

        def near(side: int, i: int) -> tuple[Anchor | None, float]:
            at = int(found.anchor[side, i])
            return (book.anchors[at] if at >= 0 else None), float(found.cosine[side, i])

        def won(anchor: Anchor) -> int | None:
            return None if self._won is None or anchor.code == NEGATIVE else self._won.get(anchor.id, 0)

        return [
            AnchorRow(a, won(a), fare[i][0], fare[i][1], *near(0, i), *near(1, i)) for i, a in enumerate(book.anchors)
        ]
