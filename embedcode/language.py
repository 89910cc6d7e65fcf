"""The language of an ad, by its function words.

Function words settle all but a few ads, for next to nothing, since the words of an ad are known by number already;
py3langid, which takes half a second to load, decides the rest.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from embedcode.words import Splitter, Words

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

SUPPORTED = ("en", "nl")

PREFIX = 600
"""How many characters py3langid is shown."""

TIMES, MARGIN, LEAD = 2, 2, 10
"""A language is clear that has `TIMES` as many function words as any other and `MARGIN` more, or `LEAD` more."""

MIN_WORDS, MAX_WORDS = 8, 100
"""A text with fewer words, or with at most `FEW` function words among `MAX_WORDS`, is a title or a list of headings:
English unless Dutch function words prevail."""

FEW = 2

_FUNCTION_WORDS = {
    language: frozenset(words.split())
    for language, words in {
        "en": (
            "the and of to with for you your our we are is in as on an will be this that from who have at by or their "
            "it"
        ),
        "nl": (
            "de het een en van je jij met voor wij ons onze zijn is te op als aan bij die dat naar ook wat om jouw of "
            "in werken ben bent heb hebt wordt worden niet maar"
        ),
        "de": "und der die das den dem mit für sie wir ist eine einen einer zu von auf im am werden oder bei unser",
        "fr": "le la les des du au aux un une et est pour dans vous nous sur avec votre notre nos que qui ce il",
        "es": "el la los las un una con para por del que nuestro nuestra como se más al",
        "it": "il la gli le un una di per che con della delle nel nella del sei si al come",
        "pt": "os um uma com para por do da dos das que em nosso como se mais ou ao",
    }.items()
}
LANGUAGES = tuple(_FUNCTION_WORDS)

# Words of both supported languages tell nothing; the other languages are told from these two.
_TELLING = {
    language: words - (_FUNCTION_WORDS["nl" if language == "en" else "en"])
    for language, words in _FUNCTION_WORDS.items()
}
_FOREIGN, _ALL = len(LANGUAGES), len(LANGUAGES) + 1


def _counts(word: str) -> tuple[bool, ...]:
    """Which counts a word adds to."""
    return (*(word in words for words in _TELLING.values()), not word.isascii(), True)


_TOLD = {word: _counts(word) for words in _TELLING.values() for word in words}
_KINDS = {counts: i for i, counts in enumerate(dict.fromkeys([_counts(""), _counts("é"), *_TOLD.values()]))}
_COUNTED = np.array(list(_KINDS), dtype=np.float64)
"""Which counts the words of each kind add to, shape (n_kinds, n_counts)."""

_KIND_OF = {word: _KINDS[counts] for word, counts in _TOLD.items()}


def _kind(word: str) -> int:
    return _KIND_OF.get(word, 0 if word.isascii() else 1)


# The languages py3langid is asked about: those that job ads are written in, so that tech words do not come out as
# Nigerian Pidgin.
_CANDIDATES = re.findall(
    "[a-z]+",
    "ar bg ca cs da de el en es et eu fa fi fr ga gl he hi hr hu id is it ja ko lt lv mk ms nl no pl pt ro ru sk sl sq "
    "sr sv th tr uk ur vi zh",
)


class FunctionWords:
    """Counts the function words of texts."""

    def __init__(self) -> None:
        self._splitter: Splitter | None = None
        self._kinds = bytearray()

    def count(self, splitter: Splitter, words: Words) -> NDArray[np.float32]:
        """Count a batch of texts.

        Args:
            splitter: What split the texts.
            words: Their words.

        Returns:
            Shape (n_texts, len(LANGUAGES) + 2): function words of each of `LANGUAGES`, words with a letter beyond
            ASCII, all words. They may be added up over the segments of an ad.
        """
        if splitter is not self._splitter:
            self._splitter, self._kinds = splitter, bytearray()
        self._kinds += bytes(_kind(w) for w in splitter.words[len(self._kinds) :])
        kind = np.frombuffer(self._kinds, dtype=np.uint8)[words.tokens]
        text = np.repeat(np.arange(len(words)), np.diff(words.starts))
        counts = np.bincount(text * len(_COUNTED) + kind, minlength=len(words) * len(_COUNTED))
        return np.asarray(counts.reshape(-1, len(_COUNTED)) @ _COUNTED, dtype=np.float32)


def detect(texts: Sequence[str], counts: NDArray[np.float32]) -> list[str]:
    """The languages of texts.

    Args:
        texts: The texts.
        counts: As from `FunctionWords.count`.

    Returns:
        ISO 639-1 codes.
    """
    of_each = counts[:, :_FOREIGN]
    best = of_each.argmax(axis=1)
    most = of_each.max(axis=1)
    others = np.sort(of_each, axis=1)[:, -2]
    # Letters beyond ASCII are rare in English and Dutch: they speak for a language that has no list here.
    others = np.where(best < len(SUPPORTED), np.maximum(others, counts[:, _FOREIGN]), others)
    clear = (most >= TIMES * others + MARGIN) | (most >= others + LEAD)
    bare = (counts[:, _FOREIGN] == 0) & (most <= FEW) & (counts[:, _ALL] < MAX_WORDS)
    bare |= (counts[:, _FOREIGN] == 0) & (counts[:, _ALL] < MIN_WORDS)
    dutch = counts[:, LANGUAGES.index("nl")] > counts[:, LANGUAGES.index("en")]
    return [
        LANGUAGES[b] if c else ("nl" if d else "en") if few else str(_identifier().classify(text[:PREFIX])[0])
        for text, b, c, few, d in zip(texts, best.tolist(), clear.tolist(), bare.tolist(), dutch.tolist(), strict=True)
    ]


@cache
def _identifier() -> LanguageIdentifier:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE)
    identifier.set_languages(_CANDIDATES)
    return identifier
