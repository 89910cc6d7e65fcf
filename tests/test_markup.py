"""Masking keeps every offset and blanks markup only."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedcode.markup import FILLER, mask

PIECES = [
    *"<>&*_`#[]()|\\!-;:/ \n\t\r\x00\x07\x0b\x95\u200b\xad",
    *(
        "<b>",
        "</b>",
        "<li>",
        "</p>",
        "<br/>",
        "<a href='x'>",
        "<!--",
        "-->",
        "<script>",
        "</script>",
        "&amp;",
    ),
    *(
        "&nbsp;",
        "&#8226;",
        "&lt;p&gt;",
        "**",
        "__",
        "](http://x.example)",
        "\\*",
        "\\xa0",
        "\n# ",
        "\n| a | b |",
    ),
    *("word", "C#", "R&D", "é", "🚀", "2 * 3"),
]


def read(text: str) -> str:
    """The masked text as the word splitter reads it: fillers dropped, blanks closed up."""
    return " ".join(mask(text).replace(FILLER, "").split())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<b>R</b>AG", "\0\0\0R\0\0\0\0AG"),
        ("an <em class='x'>LLM</em>s", "an " + "\0" * 14 + "LLM" + "\0" * 5 + "s"),
        ("one<br>two", "one\n   two"),
        ("<ul><li>One</li></ul>", "\n   \n•  One\n    \n    "),
        ("a<!-- b -->c", "a\n         c"),
        ("R&amp;D", "R&\0\0\0\0D"),
        ("co&ouml;rdinatie", "coö\0\0\0\0\0rdinatie"),
        ("&#8226; &#x20AC; &nbsp;", "•\0\0\0\0\0\0 €\0\0\0\0\0\0\0 \xa0\0\0\0\0\0"),
        ("&amp;nbsp;x", "\xa0" + "\0" * 9 + "x"),
        ("&amp;D; &nosuch;", "&\0\0\0\0D; &nosuch;"),
        ("&lt;p&gt;Hi", "\n     \0\0\0Hi"),
        ("**bold** and *italic*", "\0\0bold\0\0 and \0italic\0"),
        ("__bold__ and _italic_", "\0\0bold\0\0 and \0italic\0"),
        ("`pip` and ``uv``", "\0pip\0 and \0\0uv\0\0"),
        ("see [our site](https://x.example/a_(b)) now", "see \0our site" + "\0" * 26 + " now"),
        ("![logo](l.png)x", "\0" * 14 + "x"),
        ("# Role\n## Tasks ##\nText", "  Role\n   Tasks   \nText"),
        ("x\n| Python | 3 |\n|---|---|", "x\n  Python   3  \n --- --- "),
        (r"\- item \*not\*", "\0- item \0*not\0*"),
        (r"caf\xe9 na\u00efve\nNext", "caf\xe9\0\0\0 na\xef\0\0\0\0\0ve\n Next"),
        ("a\x00b\x07c\x0bd\x95e\u200bf", "a b c\nd•e\0f"),
    ],
)
def test_blanks_markup_in_place(text: str, expected: str) -> None:
    assert mask(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "Plain text, with 2 sentences. And another!",
        "C# and F# next to R&D, a < b and c > d; snake_case, my__name, x_1_y",
        "* first\n* second\n** nested",
        "2 * 3 * 4, 5*6*7, don`t",
        "List<String> and <Company Name>, if i <b and b> 0",
        "#hashtag, [brackets] (parentheses), C:\\new",
        "Line\r\nends\tand tabs",
    ],
)
def test_leaves_ordinary_text_alone(text: str) -> None:
    assert mask(text) == text


def test_plain_text_is_returned_as_it_is() -> None:
    text = "Wij zoeken een data engineer; ervaring met Python en SQL is een pré. " * 3
    assert mask(text) is text


def test_scripts_and_styles_are_blanked_whole() -> None:
    text = "Start<style>p { color: red }</style> middle<SCRIPT src='x'>let a = '<b>';</SCRIPT > end"
    assert read(text) == "Start middle end"


def test_what_is_never_closed_blanks_only_its_mark() -> None:
    assert read("<!-- open <b>comment</b>") == "open comment"
    assert read("<script>open") == "open"
    assert read("broken <a href='x") == "broken <a href='x"


def test_html_ad_reads_as_text() -> None:
    text = (
        "<h2>Your&nbsp;role</h2><p>You build <strong>chat</strong>bots.</p>"
        "<ul><li>Prompts &amp; evaluation</li><li>RAG<br>pipelines</li></ul>"
    )
    assert read(text) == "Your role You build chatbots. • Prompts & evaluation • RAG pipelines"


@given(st.text())
def test_length_stays_on_any_text(text: str) -> None:
    assert len(mask(text)) == len(text)


@given(st.lists(st.sampled_from(PIECES)).map("".join))
@settings(max_examples=400)
def test_length_stays_on_markup(text: str) -> None:
    masked = mask(text)
    assert len(masked) == len(text)
    assert not set(masked) & {"\x07", "\x0b", "\x95", "\u200b", "\xad"}


@given(st.text(st.characters(categories=["L", "N", "Z"])))
def test_letters_and_digits_stay(text: str) -> None:
    assert mask(text) == text


@pytest.mark.parametrize(
    "unit",
    [
        "<",
        "<b",
        "<!--",
        "<script>",
        "&",
        "&amp",
        "&lt;",
        "*",
        "*a ",
        "_a",
        "`",
        "[",
        "[a](",
        "# ",
        "\n| ",
        "\\",
        "<p =",
    ],
)
def test_time_grows_linearly(unit: str) -> None:
    assert_linear(lambda size: mask(unit * (size // len(unit))))


def assert_linear(work: Callable[[int], object]) -> None:
    """Double the input three times; one step may be slow by chance, not all of them."""
    times = []
    for size in (100_000, 200_000, 400_000, 800_000):
        begin = time.process_time()
        work(size)
        times.append(time.process_time() - begin)
    assert times[-1] < 5
    assert times[-1] < 0.05 or min(after / max(before, 1e-4) for before, after in pairwise(times)) < 3
