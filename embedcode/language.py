"""The language of an ad, from its first characters.

Function words settle the clear cases, English and Dutch, in microseconds; py3langid, which takes half a second to
load, decides the rest.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from embedcode.words import find_words

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

PREFIX = 600
"""How many characters are looked at."""

MARGIN = 2
"""How many more function words one language must show than twice the other's to be clear."""

MIN_WORDS = 8
"""Shorter texts are a title at best; they count as English unless Dutch function words prevail."""

SUPPORTED = ("en", "nl")

_ENGLISH = frozenset(
    [
        "the",
        "and",
        "of",
        "to",
        "with",
        "for",
        "you",
        "your",
        "our",
        "we",
        "are",
        "is",
        "in",
        "as",
        "on",
        "an",
        "will",
        "be",
        "this",
        "that",
        "from",
        "who",
        "have",
        "at",
        "by",
        "or",
        "their",
        "it",
    ]
)
_DUTCH = frozenset(
    [
        "de",
        "het",
        "een",
        "en",
        "van",
        "je",
        "jij",
        "met",
        "voor",
        "wij",
        "ons",
        "onze",
        "zijn",
        "is",
        "te",
        "op",
        "als",
        "aan",
        "bij",
        "die",
        "dat",
        "naar",
        "ook",
        "wat",
        "om",
        "jouw",
        "of",
        "in",
        "werken",
        "ben",
        "bent",
        "heb",
        "hebt",
        "wordt",
        "worden",
        "niet",
        "maar",
    ]
)
_ONLY_ENGLISH, _ONLY_DUTCH = _ENGLISH - _DUTCH, _DUTCH - _ENGLISH

# The languages py3langid is asked about: those that job ads are written in, so that tech words do not come out as
# Nigerian Pidgin.
_CANDIDATES = [
    "ar",
    "bg",
    "ca",
    "cs",
    "da",
    "de",
    "el",
    "en",
    "es",
    "et",
    "eu",
    "fa",
    "fi",
    "fr",
    "ga",
    "gl",
    "he",
    "hi",
    "hr",
    "hu",
    "id",
    "is",
    "it",
    "ja",
    "ko",
    "lt",
    "lv",
    "mk",
    "ms",
    "nl",
    "no",
    "pl",
    "pt",
    "ro",
    "ru",
    "sk",
    "sl",
    "sq",
    "sr",
    "sv",
    "th",
    "tr",
    "uk",
    "ur",
    "vi",
    "zh",
]


def detect(text: str) -> str:
    """The language of a text as an ISO 639-1 code."""
    prefix = text[:PREFIX]
    words = find_words(prefix)
    english = sum(w in _ONLY_ENGLISH for w in words)
    dutch = sum(w in _ONLY_DUTCH for w in words)
    if english >= 2 * dutch + MARGIN:
        return "en"
    if dutch >= 2 * english + MARGIN:
        return "nl"
    if len(words) < MIN_WORDS:
        return "nl" if dutch > english else "en"
    return str(_identifier().classify(prefix)[0])


@cache
def _identifier() -> LanguageIdentifier:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE)
    identifier.set_languages(_CANDIDATES)
    return identifier
