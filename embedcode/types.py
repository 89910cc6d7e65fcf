"""The types that the stages share: the coding book, and what the stages hand to each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NEGATIVE = "NEG"
"""The code of negative anchors: text that carries no code (company talk, benefits, ...)."""

WORK = ("generative", "predictive", "ordinary")
"""Kinds of work: families of facets of terms, and facets of anchors, that are weighed against each other."""

KEPT = "keep:"
"""What stands before the name of a kept column in a batch of ads, so that it clashes with none of the others."""

NO_TEXT = "no text: null, empty or white space only"
"""One reason for the three: CSV cannot tell them apart, and the format must not change the result."""


@dataclass(frozen=True)
class Profile:
    """A profile that an ad can get."""

    name: str
    definition: str


@dataclass(frozen=True)
class Code:
    """A code of the coding book: `TASK3`, its name and what it covers."""

    code: str
    name: str
    definition: str

    @property
    def group(self) -> str:
        """`TASK`, `TECH` or `SKILL`."""
        return self.code.rstrip("0123456789")


@dataclass(frozen=True)
class Anchor:
    """A phrase that stands for a code, compared by similarity.

    Attributes:
        id: Stable name: the code and a hash of the phrase, such as `TASK3-5f0c21ab`.
        code: `TASK1` ... `SKILL5`, or `NEG` for a negative anchor.
        facet: What side of the code it shows; for a negative anchor its kind.
        language: `en` or `nl`.
    """

    id: str
    code: str
    phrase: str
    facet: str
    language: str


@dataclass(frozen=True)
class Facet:
    """A group of terms that speak for the same thing.

    Attributes:
        both: Two names of other facets; the facet then has no terms of its own and counts the segments
            in which both are found.
        family: `generative`, `predictive` or `ordinary` work, which are weighed against each other; `title` for
            facets that are looked for in short ads; `helper` for those that only feed pairs.
    """

    name: str
    definition: str
    both: tuple[str, str] | None = None
    family: str = ""


@dataclass(frozen=True)
class Term:
    """A word or a short sequence of words, matched exactly; a trailing star stands for any word ending."""

    term: str
    facet: str
    language: str


@dataclass(frozen=True)
class Tool:
    """A tool that ads name.

    Attributes:
        code: `TECH1` ... `TECH11`, or `OTHER` for tools that the coding book has no class for.
        aliases: Spellings found in ads, the name itself not included. An alias is matched in upper and lower
            case; with a leading `!` only as spelt, with a leading `~` only where the context speaks for it.
        match: How the name itself is matched: `any` (upper or lower case), `case` (only as spelt) or
            `context` (as spelt, and only where the words around it speak of tools).
        speaks_for: Words or phrases near a name matched by `context` that show that the tool is meant.
        against: Phrases that show that it is not: around the name where they contain it, else on its line.
    """

    name: str
    code: str
    aliases: tuple[str, ...]
    match: str
    speaks_for: tuple[str, ...] = ()
    against: tuple[str, ...] = ()

    @property
    def spellings(self) -> tuple[tuple[str, str], ...]:
        """All spellings with how each is matched, the name first."""
        kinds = {"!": "case", "~": "context"}
        return (
            (self.name, self.match),
            *((a[1:], kinds[a[0]]) if a[:1] in kinds else (a, "any") for a in self.aliases),
        )


@dataclass(frozen=True)
class CodingBook:
    """The coding book as data: everything a researcher can edit in `anchors/`.

    Attributes:
        not_tools: General notions that stand in lists of tools but are never proposed as tools.
    """

    profiles: tuple[Profile, ...]
    codes: tuple[Code, ...]
    anchors: tuple[Anchor, ...]
    facets: tuple[Facet, ...]
    terms: tuple[Term, ...]
    tools: tuple[Tool, ...]
    not_tools: tuple[str, ...] = ()


class Embedder(Protocol):
    """Turns texts into vectors."""

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        ...

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed texts.

        Returns:
            Unit vectors, shape (len(texts), dimension); a zero row where a text has no known word.
        """
        ...
