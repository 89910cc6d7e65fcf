"""Curation of the coding book: checking, listing and adding anchors, suggesting tools."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from embedcode.book import LANGUAGES, Problem, add_row, inspect_book
from embedcode.bundle import load_bundle
from embedcode.embedder import StaticEmbedder
from embedcode.errors import BookError, BundleError, ModelError
from embedcode.findings import NEAR, Findings, anchor_vectors, find, usage_in
from embedcode.folder import sole_writer
from embedcode.markup import mask
from embedcode.paths import find_index
from embedcode.proposals import LEAST, Proposer
from embedcode.tools import ToolFinder
from embedcode.types import NEGATIVE, CodingBook
from embedcode.words import FILLER, find_words

AROUND = 40
"""Characters on either side of a suggested tool that its example shows."""


@dataclass(frozen=True)
class Suggestion:
    """A tool that the lexicon lacks.

    Attributes:
        name: As most ads spell it.
        code: The class of the known tools beside it, in most ads: a TECH code, or OTHER.
        ads: How many ads list it.
        beside: The known tools that classed it, the most frequent first.
        example: Where it stands in the first ad.
    """

    name: str
    code: str
    ads: int
    beside: tuple[str, ...]
    example: str


@dataclass
class _Seen:
    example: str
    names: Counter[str] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    tools: Counter[int] = field(default_factory=Counter)


@dataclass(frozen=True)
class Checked:
    """What a check of a coding book found.

    Attributes:
        problems: What is wrong in the files.
        warnings: What is worth a look besides: anchors with words that the embedder does not know, or why the anchors
            could not be compared.
        findings: What is worth a look in the anchors; None where they could not be compared.
    """

    problems: tuple[Problem, ...]
    warnings: tuple[str, ...]
    findings: Findings | None


def check(
    folder: Path,
    index: str = "default",
    *,
    coded: Path | None = None,
    near: float = NEAR,
    model: str | None = None,
    download: bool = False,
) -> Checked:
    """Check a coding book.

    Args:
        folder: Its folder.
        index: The bundle whose embedder will embed its anchors.
        coded: Ads that `classify` coded with that bundle, to see which anchors win evidence.
        near: Cosine from which anchors of two codes are near duplicates.
        model: Folder or name of the bundle's embedder, where it is not in the bundle.
        download: Whether it may be fetched from the hub.

    Raises:
        BookError: There is no such folder.
        InputError: The coded ads cannot be read.
    """
    book, problems = inspect_book(folder)
    warnings: list[str] = []
    try:
        bundle = load_bundle(find_index(index))
        if bundle.static:
            warnings = unknown_words(book, bundle.static)
        vectors = anchor_vectors(book, bundle, model, download)
    except (BundleError, ModelError) as error:
        return Checked(tuple(problems), (*warnings, f"the anchors were not compared: {error}"), None)
    usage = usage_in(coded, book, bundle) if coded else None
    return Checked(tuple(problems), tuple(warnings), find(book, vectors, usage, near))


def unknown_words(book: CodingBook, embedder: StaticEmbedder) -> list[str]:
    """A line for each anchor phrase with a word outside the vocabulary, and what its vector is made of."""
    known = set(embedder.words)
    lines = []
    for anchor in book.anchors:
        for word in find_words(anchor.phrase):
            if word in known:
                continue
            pieces = [embedder.words[r] for r in embedder.rows_of(word)]
            made = f"its vector is made of {' + '.join(pieces)}" if pieces else "it has no vector and is passed over"
            lines.append(f"{anchor.code} '{anchor.phrase}': the embedder does not know '{word}'; {made}")
    return lines


def overview(book: CodingBook) -> list[str]:
    """How many anchors, terms and tools each code and facet has."""
    phrases = Counter((a.code, a.language) for a in book.anchors)
    lines = [f"{'code':<8}{'en':>6}{'nl':>6}  name"]
    for code in book.codes:
        if code.group != "TECH":
            lines.append(f"{code.code:<8}{phrases[code.code, 'en']:>6}{phrases[code.code, 'nl']:>6}  {code.name}")
    lines.append(f"{NEGATIVE:<8}{phrases[NEGATIVE, 'en']:>6}{phrases[NEGATIVE, 'nl']:>6}  negative anchors")
    lines += ["", f"{'facet':<18}{'terms':>6}  definition"]
    terms = Counter(t.facet for t in book.terms)
    for facet in book.facets:
        count = "+".join(facet.both) if facet.both else str(terms[facet.name])
        lines.append(f"{facet.name:<18}{count:>6}  {facet.definition}")
    lines += ["", f"{'code':<8}{'tools':>6}  name"]
    tools = Counter(t.code for t in book.tools)
    lines += [f"{c.code:<8}{tools[c.code]:>6}  {c.name}" for c in book.codes if c.group == "TECH"]
    lines.append(f"{'OTHER':<8}{tools['OTHER']:>6}  tools that the coding book has no class for")
    return lines


def listing(book: CodingBook, what: str, language: str | None = None) -> list[str]:
    """The phrases of a code, the terms of a facet or the tools of a TECH code, one a line.

    Raises:
        BookError: There is no such code, facet or language.
    """
    if language not in (None, *LANGUAGES):
        raise BookError(f"Found the language {language!r}; expected one of {', '.join(LANGUAGES)}.")
    lines = [
        f"{a.id}  {a.language}  {a.facet}  {a.phrase}"
        for a in book.anchors
        if a.code == what and language in (None, a.language)
    ]
    lines += [f"{t.language}  {t.term}" for t in book.terms if t.facet == what and language in (None, t.language)]
    lines += [", ".join((t.name, *(s for s, _ in t.spellings[1:]))) for t in book.tools if t.code == what]
    known = {*(c.code for c in book.codes), *(f.name for f in book.facets), NEGATIVE, "OTHER"}
    if what not in known:
        raise BookError(f"Found no code or facet {what!r}; expected one of {', '.join(sorted(known))}.")
    return lines


def add(folder: Path, code: str, phrase: str, facet: str | None, language: str, note: str) -> str:
    """Add a phrase, a negative anchor or a term.

    Returns:
        What was added where.

    Raises:
        BookError: The code, facet or phrase is not sound, or another is editing the book; nothing is then changed.
    """
    with sole_writer(folder, "embedcode anchors add") as refusal:
        if refusal:
            raise BookError(f"Not added: {refusal}")
        book, _ = inspect_book(folder)
        name, row = row_for(book, code, phrase, facet, language, note)
        add_row(folder, name, row)
    return f"added to {name}: {phrase} ({code}, {row[1]}, {language})"


def row_for(
    book: CodingBook, code: str, phrase: str, facet: str | None, language: str, note: str
) -> tuple[str, tuple[str, str, str, str]]:
    """The file and the row for a phrase, a negative anchor or a term.

    Raises:
        BookError: The code, facet or phrase is not sound.
    """
    if phrase.lstrip().startswith("#"):
        raise BookError(f"{phrase!r} would be read as a comment; expected a phrase that does not begin with '#'.")
    if code in {f.name for f in book.facets}:
        return "terms.csv", (phrase, code, language, note)
    facets = Counter(a.facet for a in book.anchors if a.code == code)
    if code != NEGATIVE and code not in {c.code for c in book.codes if c.group != "TECH"}:
        known = [c.code for c in book.codes if c.group != "TECH"] + [NEGATIVE] + [f.name for f in book.facets]
        raise BookError(
            f"Found no code or facet {code!r}; expected one of {', '.join(known)}. Tools go into tools.csv."
        )
    if facet is None and code == NEGATIVE:
        raise BookError(f"A negative anchor needs its kind: --facet, one of {', '.join(sorted(facets))}.")
    if facet and facets and facet not in facets:
        raise BookError(
            f"Found no {'kind' if code == NEGATIVE else 'facet'} {facet!r} of {code}; expected one of "
            f"{', '.join(sorted(facets))}. A new one is begun by a row of its own in the CSV file."
        )
    chosen = facet or ("general" if "general" in facets else facets.most_common(1)[0][0] if facets else "general")
    return file_of(code), (phrase, chosen, language, note)


def file_of(code: str) -> str:
    """The file that holds the anchors of a code."""
    return "negatives.csv" if code == NEGATIVE else f"phrases/{code}.csv"


def suggest_tools(book: CodingBook, texts: Iterable[str], least: int = LEAST) -> list[Suggestion]:
    """Suggest tools that ads list beside known ones and the lexicon lacks.

    Args:
        book: The coding book.
        texts: The ads.
        least: How many known tools must stand within reach of a name.

    Returns:
        The suggestions, those of most ads first.
    """
    finder, proposer = ToolFinder(book.tools), Proposer(book)
    seen: dict[str, _Seen] = {}
    for text in texts:
        masked = mask(text)
        for found in proposer.propose(masked, finder.find(masked), least):
            name = masked[found.start : found.end]
            around = masked[max(0, found.start - AROUND) : found.end + AROUND].replace(FILLER, "")
            entry = seen.setdefault("".join(find_words(name)), _Seen(" ".join(around.split())))
            entry.names[name] += 1
            entry.codes[found.code] += 1
            entry.tools[found.tool] += 1
    suggestions = [
        Suggestion(
            s.names.most_common(1)[0][0],
            s.codes.most_common(1)[0][0],
            s.names.total(),
            tuple(book.tools[t].name for t, _ in s.tools.most_common(3)),
            s.example,
        )
        for s in seen.values()
    ]
    return sorted(suggestions, key=lambda s: (-s.ads, s.name))
