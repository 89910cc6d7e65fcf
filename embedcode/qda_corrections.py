"""Turns a REFI-QDA project, once people have worked on it, into labelled ads.

What the machine found is taken from the coded ads, not from the project: whatever differs was changed by somebody.
Programmes give new GUIDs; so ads are found by the number that their source's name begins with, or by their text, codes
and variables by name.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from embedcode.coded import CodedAd
from embedcode.corpus import Corpus, Document
from embedcode.errors import InputError, some
from embedcode.folder import check_output, output_file
from embedcode.markup import mask
from embedcode.qda_format import GOLD, MACHINE, PROFILE, REVIEWED, SourceText
from embedcode.qda_reading import Project, TextSource, read_project
from embedcode.review import MAX_SIZE, MODES, SAMPLES, SCHEMA, Design, draw
from embedcode.segments import segment
from embedcode.types import CodingBook

BLIND, CHECKING = MODES
CHOSEN = "chosen"
"""How ads were sampled of which it is not known that they were drawn at random."""

TOOLS = "TECH"
TRUE = ("true", "yes", "1", "1.0")

_CHUNK = 500
_DESIGN = re.compile(r"mode=(\w+); sample=(\w+); size=(\d{1,9}); seed=(\d{1,10})")

Span = tuple[int, int, str]
"""Start, end and code."""


@dataclass
class Corrections:
    """What people made of a project.

    Attributes:
        reviewer: Whose work it is.
        mode, sample: How the ads were coded and chosen, see `review.Design`; `CHOSEN` where it is not known.
        ads: Labelled ads, as rows of `review.SCHEMA`.
        untouched: How many ads nobody changed or marked as reviewed.
        unknown: Sources that are none of the coded ads, or whose text is another.
        undecided: Sources left out since their profile is not clear, with the reason.
        foreign: Codings left out since the coding book has no such code: how many by code.
        outside: Selections left out since they are not in their text.
        titled: Codings left out since they stand in a title, for which labelled ads have no place.
    """

    reviewer: str
    mode: str
    sample: str = CHOSEN
    ads: list[dict[str, object]] = field(default_factory=list)
    untouched: int = 0
    unknown: list[str] = field(default_factory=list)
    undecided: list[str] = field(default_factory=list)
    foreign: Counter[str] = field(default_factory=Counter)
    outside: int = 0
    titled: int = 0


@dataclass(frozen=True)
class _Given:
    """What stands in a source: codes, profiles that are not the machine's, and whether a person left a trace.

    Attributes:
        codes: Spans of the source.
    """

    codes: set[Span]
    profiles: set[str]
    touched: bool


def import_corrections(
    study: Path,
    coded: Path,
    output: Path,
    book: CodingBook,
    *,
    reviewer: str | None = None,
    everything: bool = False,
    force: bool = False,
) -> Corrections:
    """Write what people made of a project as labelled ads (Parquet); the file is whole or not there.

    Args:
        study: The project, `.qdpx`.
        coded: The coded ads that it was made of.
        output: The file.
        book: The coding book.
        reviewer: Whose codings count, beside the machine's that still stand; needed where several people coded. Where
            nobody is named in the project, what to call them.
        everything: Every ad of the project was reviewed, not only those that were changed or marked.
        force: Replace a file that is there already.

    Raises:
        InputError: Project or coded ads cannot be read, do not belong together, or nothing was reviewed.
        OutputError: The file is there already or cannot be written.
    """
    check_output(output, coded, force, [study])
    found = corrections(read_project(study), Corpus(coded), book, reviewer=reviewer, everything=everything)
    if not found.ads:
        raise InputError(
            f"Found no reviewed ad in {study}: {found.untouched} unchanged, {len(found.undecided)} without a clear "
            f"profile ({some(found.undecided)}), {len(found.unknown)} that are no ads of {coded} "
            f"({some(found.unknown)}). Expected changed codings, a changed profile, or the variable "
            f"{REVIEWED!r} set to true; --all takes all ads for reviewed."
        )
    with output_file(output) as out:
        pq.write_table(pa.Table.from_pylist(found.ads, SCHEMA), out, compression="zstd")
    return found


def corrections(
    project: Project, corpus: Corpus, book: CodingBook, *, reviewer: str | None = None, everything: bool = False
) -> Corrections:
    """What people made of a project; arguments as in `import_corrections`.

    Raises:
        InputError: Several people coded, or not the one asked for; or there are no ad texts.
    """
    coders = {user for s in project.sources for c in s.selections for _, user in c.codings}
    done = Corrections(_reviewer(coders, reviewer), _mode(project, MACHINE in coders))
    matched = dict(_matched(project.sources, _Finder(corpus), done.unknown))
    labeller = _Labeller(book, done, everything)
    rows = sorted(matched)
    for first in range(0, len(rows), _CHUNK):
        chunk = rows[first : first + _CHUNK]
        for row, ad in zip(chunk, corpus.coded(chunk), strict=True):
            labelled = labeller.label(matched[row], corpus.document(row), ad)
            if labelled:
                done.ads.append({"row": row, **labelled})
    # An ad that was left out was left out for a reason: the others are no random sample any more.
    sample = _sample(project, corpus, [int(str(ad["row"])) for ad in done.ads])
    done.sample = str(sample["sample"])
    done.ads = [{**ad, **sample} for ad in done.ads]
    return done


def _reviewer(coders: Collection[str], wanted: str | None) -> str:
    """Whose codings count: the one who is asked for, or the only one there is."""
    others = sorted(c for c in coders if c not in (MACHINE, "") and not c.endswith(GOLD))
    if wanted is None and len(others) > 1:
        raise InputError(f"Found codings by {some(others)}; expected one reviewer. Say whose with --reviewer.")
    if wanted is not None and others and wanted not in others:
        raise InputError(f"Found no coding by {wanted!r}, but by {some(others)}. Name one of them with --reviewer.")
    return wanted or (others[0] if others else "reviewer")


class _Labeller:
    """Makes labelled ads of sources, and notes what is left out."""

    def __init__(self, book: CodingBook, done: Corrections, everything: bool) -> None:
        self._codes = {c.code for c in book.codes}
        self._profiles = {p.name for p in book.profiles}
        self._tools = {(t.code, s.casefold()): t.name for t in book.tools for s, _ in t.spellings}
        self._done = done
        self._everything = everything

    def label(self, source: TextSource, document: Document, ad: CodedAd) -> dict[str, object] | None:
        """A labelled ad; None where nobody reviewed it, or its profile is not clear."""
        done, blind = self._done, self._done.mode == BLIND
        text = SourceText.of(document.text, document.title)
        machine = {} if blind else _found(text, ad)
        given = self._given(source, machine, None if blind else ad.profile)
        done.outside += source.outside
        if not (given.touched or self._everything):
            done.untouched += 1
            return None
        profiles = given.profiles or ({ad.profile} if ad.profile and not blind else set())
        if len(profiles) != 1 or not profiles <= self._profiles:
            done.undecided.append(f"{source.name} ({', '.join(sorted(profiles)) or 'no profile'})")
            return None
        return {
            "id": ad.id,
            "title": document.title,
            "text": document.text,
            "profile": profiles.pop(),
            **_evidence(document, set(_origins(text, given.codes, done))),
            "tech": self._tech(text, given.codes, machine),
            "lang": ad.language,
            "coders": 1,
            "reviewer": done.reviewer,
            "mode": done.mode,
        }

    def _given(self, source: TextSource, machine: Collection[Span], profile: str | None) -> _Given:
        """What stands in a source by the machine and the reviewer, beside what the machine found."""
        codes: set[Span] = set()
        profiles = {source.values[PROFILE]} if PROFILE in source.values else set()
        by_reviewer = False
        for selection in source.selections:
            for name, user in selection.codings:
                if user not in (MACHINE, "", self._done.reviewer):
                    continue
                by_reviewer |= user == self._done.reviewer
                code = name.split(" ", 1)[0]
                if name in self._profiles:
                    profiles.add(name)
                elif code in self._codes:
                    codes.add((selection.start, selection.end, code))
                else:
                    self._done.foreign[name] += 1
        profiles.discard(profile or "")
        marked = source.values.get(REVIEWED, "").lower() in TRUE
        return _Given(codes, profiles, by_reviewer or marked or bool(profiles) or codes != set(machine))

    def _tech(
        self, text: SourceText, codes: Collection[Span], machine: Mapping[Span, str | None]
    ) -> list[dict[str, str]]:
        """Tools, named as the machine found them, as the lexicon has them, or as they are written."""
        found = set()
        for start, end, code in codes:
            if _is_tool(code):
                written = " ".join(text.text[start:end].split())
                name = machine.get((start, end, code)) or self._tools.get((code, written.casefold())) or written
                found.add((code, name))
        return [{"name": name, "code": code} for code, name in sorted(found)]


def _matched(sources: Iterable[TextSource], finder: _Finder, unknown: list[str]) -> Iterator[tuple[int, TextSource]]:
    """The sources that are ads, each with its row; the names of others go to `unknown`."""
    taken: set[int] = set()
    for source in sources:
        row = finder.row(source, taken)
        if row is None:
            unknown.append(source.name)
        else:
            taken.add(row)
            yield row, source


class _Finder:
    """Finds the ad that a source is made of."""

    def __init__(self, corpus: Corpus) -> None:
        self._corpus = corpus

    def row(self, source: TextSource, taken: Collection[int]) -> int | None:
        """The number of the ad; None where no ad has this text."""
        if source.text is None:
            return None
        text = source.text.rstrip()
        if number := re.match(r"\d{1,12}", source.name):
            row = int(number[0]) - 1
            if 0 <= row < len(self._corpus) and row not in taken and self._text(row) == text:
                return row
        return next((row for row in self._by_text.get(text, ()) if row not in taken), None)

    def _text(self, row: int) -> str:
        document = self._corpus.document(row)
        return SourceText.of(document.text, document.title).text.rstrip()

    @cached_property
    def _by_text(self) -> dict[str, list[int]]:
        rows: dict[str, list[int]] = {}
        for row in range(len(self._corpus)):
            rows.setdefault(self._text(row), []).append(row)
        return rows


def _mode(project: Project, has_machine: bool) -> str:
    """How the ads were coded: blind where the project says so and nothing of the machine's is in it."""
    said = _DESIGN.search(project.description)
    return BLIND if said and said[1] == BLIND and not has_machine else CHECKING


def _sample(project: Project, corpus: Corpus, rows: Collection[int]) -> dict[str, object]:
    """How the ads were chosen: at random where the seed that the project names draws these very ads, all of them."""
    said = _DESIGN.search(project.description)
    if said and said[2] == SAMPLES[0] and 0 < (size := int(said[3])) <= MAX_SIZE:
        seed = int(said[4]) % 2**31
        if set(rows) == set(draw(corpus, Design(MACHINE, size=size, seed=seed))):
            return {"sample": SAMPLES[0], "seed": seed, "size": size, "population": len(corpus)}
    return {"sample": CHOSEN}


def _found(text: SourceText, ad: CodedAd) -> dict[Span, str | None]:
    """What the machine found, as spans of the source, with the tool."""
    places = ((text.place(e.field, e.start, e.end), e) for e in ad.codes)
    return {(*place, e.code): e.tool for place, e in places if place}


def _origins(text: SourceText, codes: Iterable[Span], done: Corrections) -> Iterator[Span]:
    """Codes of tasks and skills as spans of the ad's text."""
    for start, end, code in codes:
        if _is_tool(code):
            continue
        origin = text.origin(start, end)
        if origin and origin[0] == "text":
            yield origin[1], origin[2], code
        else:
            done.titled += 1


def _evidence(document: Document, spans: Iterable[Span]) -> dict[str, list[dict[str, object]]]:
    """Segments, and the codes on them: what was given to several segments at once is given to each."""
    segments = segment(mask(document.text))
    codes = {(*cut, code) for start, end, code in spans for cut in _cut(start, end, segments)}
    return {
        "segments": [{"start": a, "end": b} for a, b in segments],
        "codes": [{"start": a, "end": b, "code": c} for a, b, c in sorted(codes)],
    }


def _cut(start: int, end: int, segments: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The segments of which a span covers at least half, if they are several; else the span itself."""
    covered = [(a, b) for a, b in segments if 2 * (min(b, end) - max(a, start)) >= b - a]
    return covered if len(covered) > 1 else [(start, end)]


def _is_tool(code: str) -> bool:
    return code.startswith(TOOLS)
