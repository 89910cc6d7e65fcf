"""Ten thousand ads that nobody would write, from text to coded row.

The same ones every time; `FUZZ_ANEW=1 pytest tests/test_fuzz.py` tries others, with `--hypothesis-seed` given ones.
`tests/fuzz.py` goes on where this stops.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import pairwise
from typing import Any
from unicodedata import normalize

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_coder import as_batch, evidence_holds
from test_segments import check
from test_wild_input import UNITS, WILD

from embedcode.analysis import FIELDS
from embedcode.book import read_book
from embedcode.coded import CodedAd, coded_ads
from embedcode.coder import Coder
from embedcode.markup import mask
from embedcode.paths import shipped
from embedcode.types import NO_TEXT
from embedcode.words import find_words

pytestmark = pytest.mark.slow

BOOK = read_book(shipped() / "anchors")
SPELLINGS = [[spelt for spelt, _ in tool.spellings] for tool in BOOK.tools]

PIECES = [
    [anchor.phrase for anchor in BOOK.anchors],
    [spelt for spellings in SPELLINGS for spelt in spellings],
    [term.term.removesuffix("*") for term in BOOK.terms],
    UNITS,
    WILD,
    ["<p>", "</p>", "<li>", "<br/>", "<b>", "</b>", "<a href='x'>", "<!-- ", " -->", "<script>", "</script>", "<x y>"],
    ["&amp;", "&nbsp;", "&lt;b&gt;", "&#8226;", "&#xD800;", "&#0;", "&shy;", "&amp;amp;", "&NotEqualTilde;"],
    ["**", "__", "`", "```", "[a](b)", "![a](b)", "\n# ", "\n| a | b |\n", "\\n", "\\u2022", "\n---\n", "\n> ", "\\*"],
    ["\n- ", "\n* ", "\n• ", " • ", "\n1. ", "\n(a) ", "\n✓ ", "\no ", "\n\uf0b7 ", " - ", "; ", "\n→ ", "\n🚀 "],
    [". ", "! ", "? ", "… ", ": ", "。", "...", ".A", ".\n", ".)", '."', "e.g. ", "o.a. ", "B.V. ", "U.S. ", "etc. "],
    [" ", "\n", "\n\n", "\r", "\r\n", "\t", "\xa0", "\u3000", "\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c"],
    ["\x00", "\x01", "\x1b[0m", "\x7f", "\x95", "\xad", "\u200b", "\ufeff", "\ufffd", "\ufffe", "\U0010ffff"],
    ["\u202e", "\u202c", "\u2066", "\u2069", "\u200f", "\u061c", "عربي", "עברית", "العربية Python"],
    ["\u200d", "\ufe0f", "👩🏽\u200d💻", "🇳🇱", "🏴\U000e0067\U000e007f", "👍🏿", "e\u0301", "\u0301", "Z\u036b"],
    ["机器学习", "データ", "머신러닝", "ไทย", "हिन्दी", "İ", "ß", "ﬁ", "ǅ", "Σς", "Ⅻ", "²", "½", "𝐏𝐲𝐭𝐡𝐨𝐧", "Ｃ＋＋"],
    ['"', '""', "','", '",\n"', "';'", "\\'", "['", "', '", "']", '{"a":', "=1+1", "\t\t", "“", "’s"],
]  # fmt: skip
RUNS = st.builds(
    lambda unit, length: unit * (length // len(unit)),
    st.one_of(st.sampled_from(UNITS), st.characters(codec="utf-8")),
    st.sampled_from([3, 50, 400, 1_600, 4_000]),
)
ANY = st.one_of(*map(st.sampled_from, PIECES), st.text(max_size=20))
TEXTS = st.lists(st.one_of(ANY, ANY, ANY, RUNS), max_size=25).map("".join)
TITLES = st.none() | st.lists(ANY, max_size=3).map("".join)


def examples(number: int) -> Callable[[Any], Any]:
    return settings(
        max_examples=number,
        derandomize="FUZZ_ANEW" not in os.environ,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )


@pytest.fixture(scope="module")
def forgetful(coder: Coder) -> Coder:
    """A coder that remembers no segment."""
    return Coder(coder.bundle, remember=0)


def row_holds(ad: CodedAd, text: str | None, title: str | None) -> None:
    """Check what is promised of a coded ad."""
    if text is None or not text.strip():
        assert (ad.error, ad.codes, ad.n_segments) == (NO_TEXT, (), 0)
        assert ad.profile is ad.confidence is ad.language is None
        return
    evidence_holds(ad, text, title)
    assert ad.error is None
    assert ad.probabilities and ad.strengths
    assert ad.confidence == max(ad.probabilities.values()) == ad.probabilities[str(ad.profile)]
    assert all(0 <= p <= 1 for p in ad.probabilities.values())
    assert sum(ad.probabilities.values()) == pytest.approx(1, abs=2e-4)
    spans = sorted({(e.field, e.start, e.end) for e in ad.codes if e.tool is None})
    assert len(spans) <= ad.n_segments
    for before, after in pairwise(spans):
        assert before[0] != after[0] or before[2] <= after[1], "segments overlap"
    assert all(e.text == e.text.strip() for e in ad.codes)
    assert len({(e.code, e.field, e.start, e.end, e.tool) for e in ad.codes}) == len(ad.codes)


@examples(4_000)
@given(text=TEXTS, title=TITLES)
def test_what_is_promised_of_a_coded_ad(coder: Coder, text: str, title: str | None) -> None:
    (ad,) = coder.classify([text], [title])
    row_holds(ad, text, title)


@examples(1_500)
@given(st.lists(st.tuples(st.none() | TEXTS, TITLES), min_size=2, max_size=4))
def test_an_ad_is_coded_alike_in_any_company(
    coder: Coder, forgetful: Coder, ads: list[tuple[str | None, str | None]]
) -> None:
    texts, titles = zip(*ads, strict=True)
    batch = as_batch(list(texts), title=pa.array(titles, pa.string()), id=[f"ad-{i}" for i in range(len(ads))])
    coded = coder.classify_batch(batch)
    assert coded.column("id").to_pylist() == batch.column("id").to_pylist()
    for row, (ad, text, title) in enumerate(zip(coded_ads(coded), texts, titles, strict=True)):
        row_holds(ad, text, title)
        assert forgetful.classify_batch(batch.slice(row, 1)).equals(coded.slice(row, 1))


@examples(3_500)
@given(text=TEXTS, title=TITLES)
def test_what_the_stages_make_of_an_ad(coder: Coder, text: str, title: str | None) -> None:
    layout = coder.reader.lay_out([text], [title])
    masked = {"text": mask(text), "title": mask(title or "")}
    assert len(masked["text"]) == len(text) == len(mask(masked["text"]))
    spans = list(zip(layout.field.tolist(), layout.start.tolist(), layout.end.tolist(), strict=True))
    check(masked["text"], [(start, end) for field, start, end in spans if FIELDS[field] == "text"])
    assert layout.texts == [masked[FIELDS[field]][start:end] for field, start, end in spans]
    reading = coder.reader.read(layout.texts)
    known, starts = reading.splitter.words, reading.words.starts
    found = [[known[t] for t in reading.words.tokens[a:b]] for a, b in pairwise(starts)]
    assert found == [find_words(t) for t in layout.texts]


def bare(text: str) -> str:
    """Letters, without their accents and in lower case, and digits."""
    return "".join(c for c in normalize("NFD", text).lower() if c.isalnum())


@examples(1_000)
@given(TEXTS)
def test_tools_are_found_by_their_spellings(coder: Coder, text: str) -> None:
    last = 0
    for mention in coder.reader._tools.find(text):
        assert last <= mention.start < mention.end <= len(text)
        named = bare(text[mention.start : mention.end])
        assert any(named.startswith(bare(spelt)) for spelt in SPELLINGS[mention.tool])
        last = mention.end
