"""Segments are sentences, bullets and headings, with exact offsets."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedcode.markup import FILLER, mask
from embedcode.segments import MAX_LENGTH, segment

PIECES = [
    *".!?…;:,-–*•·+o() \n\t\r\x00\u2028。\"'",
    *(
        "\r\n",
        "\n\n",
        "\n- ",
        "\n1. ",
        " • ",
        " - ",
        ". ",
        "; ",
        "e.g. ",
        "etc. ",
        "B.V. ",
        "3.5",
        ".NET",
        "Node.js",
    ),
    *("word", "Word", "You will ", "het ontwerpen van ", "systems.You ", "🚀 ", "U.S. ", "模型。", "C++"),
]


def cut(text: str) -> list[str]:
    """The segments of a text, masked first, line breaks inside them shown as spaces."""
    masked = mask(text)
    return [" ".join(masked[start:end].replace(FILLER, "").split()) for start, end in segment(masked)]


def check(text: str, segments: list[tuple[int, int]]) -> None:
    """Segments lie in order inside the text, are trimmed and hold a letter or digit."""
    assert all(before[1] <= after[0] for before, after in pairwise(segments))
    for start, end in segments:
        assert 0 <= start < end <= len(text)
        piece = text[start:end]
        assert piece.strip(" \t\n\r\x00\u2028•") == piece
        assert any(character.isalnum() for character in piece)
        assert len(piece) <= MAX_LENGTH


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" \n - \n * \n", []),
        ("ML Engineer", ["ML Engineer"]),
        (
            "We train models. You deploy them!  Ready? Go",
            ["We train models.", "You deploy them!", "Ready?", "Go"],
        ),
        ("First line\nSecond line\n\nThird", ["First line", "Second line", "Third"]),
        ("One\r\nTwo\rThree\u2028Four", ["One", "Two", "Three", "Four"]),
        ("He said “ship it.” Then (really.) We did.", ["He said “ship it.”", "Then (really.)", "We did."]),
        ("It grows... Then it stops… Now what", ["It grows...", "Then it stops…", "Now what"]),
        ("It grows... and stops.", ["It grows... and stops."]),
        ("我们训练模型。你来部署！好吗？", ["我们训练模型。", "你来部署！", "好吗？"]),
        ("Écoles first. Élan next.", ["Écoles first.", "Élan next."]),
    ],
)
def test_sentences_and_lines(text: str, expected: list[str]) -> None:
    assert cut(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "Tools (e.g. Airflow, i.e. Python code) are yours to choose",
        "Je werkt o.a. Python-code bij d.m.v. Git en m.b.t. AWS i.c.m. Docker",
        "Kennis van frameworks, bijv. Django of incl. Flask, vs. FastAPI",
        "Report to Dr. Smith and Prof. Jansen of Example B.V. Nederland",
        "Acme Inc. Engineering hires in the U.S. Midwest with a Ph.D. Fellowship",
        "Min. HBO, max. EUR 5000, ca. 3 days, nr. 7 and no. 12 of J. Verne",
        "Build on .NET, ASP.NET Core 3.5, Node.js v20.1 and Vue.Js apps",
        "Costs of 1.500.000 or 2.5 million are read from report.final.csv or https://x.example/a.B?c=D",
        "We use gRPC etc. and more",
    ],
)
def test_stops_that_end_no_sentence(text: str) -> None:
    assert cut(text) == [text]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("We know SQL, etc. Experience counts", ["We know SQL, etc.", "Experience counts"]),
        ("You live in the U.S. You travel", ["You live in the U.S.", "You travel"]),
        ("Join Example B.V. We build", ["Join Example B.V.", "We build"]),
        ("Python and R. Knowledge of C. Good", ["Python and R.", "Knowledge of C.", "Good"]),
        (
            "Use .NET. Learn Go. .NET is old. iOS is next",
            ["Use .NET.", "Learn Go.", ".NET is old.", "iOS is next"],
        ),
        ("We build systems.You will test them.", ["We build systems.", "You will test them."]),
        ("Ship (fast).Then rest!And repeat", ["Ship (fast).", "Then rest!", "And repeat"]),
        ("A list e.g.\nNext line", ["A list e.g.", "Next line"]),
    ],
)
def test_stops_that_do(text: str, expected: list[str]) -> None:
    assert cut(text) == expected


@pytest.mark.parametrize(
    "bullet",
    [
        "-",
        "*",
        "•",
        "·",
        "+",
        "–",
        "—",
        "o",
        "➢",
        "✓",
        "✅",
        "🚀",
        "1.",
        "12)",
        "a)",
        "(b)",
        "iv.",
        "->",
        "\uf0b7",
    ],
)
def test_bullet_marks_are_no_text(bullet: str) -> None:
    text = f"Tasks:\n{bullet} train models\n  {bullet}  deploy them\n"
    assert cut(text) == ["Tasks:", "train models", "deploy them"]


@pytest.mark.parametrize(
    "text",
    [
        "Your tasks: • train models • deploy them • write tests",
        "Your tasks: •train models •deploy them •write tests",
        "Your tasks:\n•\ttrain models\n\n•\tdeploy them\n•\twrite tests",
        "Your tasks: ● train models ● deploy them ● write tests",
        "<p>Your tasks:</p><ul><li>train models</li><li>deploy them</li><li>write tests</li></ul>",
        "**Your tasks:**\n\n* train models\n* deploy them\n* write tests",
        "### Your tasks:\n1. train models\n2. deploy them\n3. write tests",
        "Your tasks:\n\\- train models\n\\- deploy them\n\\- write tests",
        "['Your tasks:', ' ', 'train models', \"deploy them\", 'write tests']",
    ],
)
def test_bullets_however_written(text: str) -> None:
    assert cut(text) == ["Your tasks:", "train models", "deploy them", "write tests"]


def test_run_on_lists_in_one_line() -> None:
    expected = ["We ask:", "Knowledge of pipelines.", "Care for tests.", "A clear pen."]
    assert cut("We ask: - Knowledge of pipelines. - Care for tests. - A clear pen.") == expected
    assert cut("We ask: * Knowledge of pipelines. * Care for tests. * A clear pen.") == expected
    items = [
        "Designing data pipelines for our retail customers",
        "Keeping the models in production healthy and quick",
        "Writing down what the team has learned along the way",
        "Talking with the people who will use the forecasts",
    ]
    assert cut(" - ".join(items)) == items
    assert cut(" * ".join(items)) == items
    glued = "".join(items)
    assert cut(glued) == items
    clauses = [item[0].lower() + item[1:] for item in items]
    assert cut("; ".join(clauses)) == [clause + ";" for clause in clauses[:-1]] + clauses[-1:]


def test_enumerations_and_asides_are_not_cut() -> None:
    for text in (
        "We use a few languages that you may or may not have heard of before, say Python; Go; SQL; Scala",
        "Data Scientist - Platform - Rotterdam",
        "Our team - three people - works on design → build → deploy, and cares what leaves the building",
        "Area of 2 * 3 metres and f(x) = a * b",
        "Experience with JavaScript, TypeScript, PyTorch, LangChain, TensorFlow, PowerPoint, MongoDB, "
        "BigQuery, DataRobot, SharePoint, LinkedIn, YouTube and OpenAI is what we would like to see here",
    ):
        assert cut(text) == [text]


HARD_WRAPPED = """About the job

As a machine learning engineer you keep our
forecasts honest. You work with people from
finance and logistics, and you explain what
a model can do for them.
Your day
- You build pipelines which read the sales
  of every shop and clean them, in Python,
  before anybody has had a first coffee
- You review code
- You look after the models that are in
  production, on AWS

Interested?
Send a letter.
"""


def test_hard_wrapped_sentences_are_whole() -> None:
    assert cut(HARD_WRAPPED) == [
        "About the job",
        "As a machine learning engineer you keep our forecasts honest.",
        "You work with people from finance and logistics, and you explain what a model can do for them.",
        "Your day",
        "You build pipelines which read the sales of every shop and clean them, in Python, "
        "before anybody has had a first coffee",
        "You review code",
        "You look after the models that are in production, on AWS",
        "Interested?",
        "Send a letter.",
    ]


def test_one_hard_wrapped_paragraph_beside_long_lines() -> None:
    long_line = (
        "This line was never broken, it simply goes on until its author had said everything there was to say "
        "about it, twice over"
    )
    sentence = (
        "Wij zoeken iemand die met ons de voorspellingen van morgen maakt, die weet hoe een model van "
        "buiten en van binnen werkt, en die graag met collega's van andere afdelingen aan tafel zit."
    )
    wrapped = textwrap.fill(sentence, 60)
    assert cut(f"{long_line}\n\n{wrapped}\n\n{long_line}") == [long_line, sentence, long_line]


@pytest.mark.parametrize("width", [50, 60, 72, 80])
def test_wrapping_changes_no_segment(width: int) -> None:
    """Bullets hang, words break at hyphens; what was one segment before stays one."""
    items = [
        "Keeping the machine-learning models of three business-critical teams healthy, and explaining to "
        "all of them what a forecast can and cannot say",
        "You talk with people in Rotterdam, Utrecht and New York about the data that they have and "
        "the data they need. You write down what you learned",
        "Wij bieden een goed salaris, een opleidingsbudget en collega's die van hun vak houden",
    ]
    lines = [
        "What you will do",
        *(textwrap.fill("- " + item, width, subsequent_indent="  ") for item in items),
    ]
    plain = [sentence for item in items for sentence in cut(item)]
    assert [piece.replace("- ", "-") for piece in cut("\n".join(lines))] == ["What you will do", *plain]


def test_short_lines_are_not_taken_for_hard_wrapping() -> None:
    text = "Vereisten\npython en sql\nervaring met git\nkennis van cloud\nHBO-diploma\nrijbewijs"
    assert cut(text) == text.split("\n")


def test_dutch_ad_with_headings() -> None:
    text = (
        "Data engineer\nWat ga je doen?\nJe bouwt datastromen (o.a. in Azure). Je test ze ook.\n"
        "Wat vragen wij\n• minimaal 3 jaar ervaring;\n• kennis van dbt.\nWat bieden wij:\nEen goed salaris"
    )
    assert cut(text) == [
        "Data engineer",
        "Wat ga je doen?",
        "Je bouwt datastromen (o.a. in Azure).",
        "Je test ze ook.",
        "Wat vragen wij",
        "minimaal 3 jaar ervaring;",
        "kennis van dbt.",
        "Wat bieden wij:",
        "Een goed salaris",
    ]


def test_offsets_are_those_of_the_text_given() -> None:
    text = "<p>We use <b>R</b>AG.</p>&nbsp;<li>You do R&amp;D!</li>"
    assert [text[start:end] for start, end in segment(mask(text))] == [
        "We use <b>R</b>AG.",
        "You do R&amp;D!",
    ]


def test_text_without_stops_is_bounded() -> None:
    for text in ("word " * 2_000, "word, word " * 1_000, "x" * 5_000):
        segments = segment(text)
        check(text, segments)
        assert "".join(text[start:end] for start, end in segments).replace(" ", "") == text.replace(" ", "")
        assert len(segments) < 3 * len(text) / MAX_LENGTH


@given(st.text(max_size=300))
def test_any_text(text: str) -> None:
    check(mask(text), segment(mask(text)))


@given(st.lists(st.sampled_from(PIECES), max_size=60).map("".join))
@settings(max_examples=500)
def test_any_mixture(text: str) -> None:
    check(text, segment(text))


@given(st.lists(st.sampled_from([p for p in PIECES if p.strip("o ") and "1" not in p]), max_size=60))
@settings(max_examples=300)
def test_every_word_lies_in_a_segment(pieces: list[str]) -> None:
    text = " ".join(pieces)
    inside = segment(text)
    for at, character in enumerate(text):
        # a lone letter before a stop or bracket may be the mark of an item: "a)"
        if character.isalpha() and text[at - 1 : at + 2].strip("()., ") != character:
            assert any(start <= at < end for start, end in inside)


@given(st.lists(st.sampled_from(["You build models", "Wij testen", "in Python", "e.g. SQL", "3.5 days"]), min_size=1))
def test_a_segment_is_one_segment(parts: list[str]) -> None:
    text = ". ".join(parts)
    for start, end in segment(text):
        assert segment(text[start:end]) == [(0, end - start)]


@pytest.mark.parametrize(
    "unit",
    [
        ".",
        ". ",
        " ",
        "\n",
        "e.g. ",
        "a",
        "a ",
        "; ",
        " -",
        "- ",
        "•",
        ".(",
        "A. ",
        "a\nb",
        "\x00",
        "\r",
        "1. ",
        "', '",
    ],
)
def test_time_grows_linearly(unit: str) -> None:
    assert_linear(lambda size: segment(unit * (size // len(unit))))


def assert_linear(work: Callable[[int], object]) -> None:
    """Double the input three times; one step may be slow by chance, not all of them."""
    times = []
    for size in (100_000, 200_000, 400_000, 800_000):
        begin = time.process_time()
        work(size)
        times.append(time.process_time() - begin)
    assert times[-1] < 5
    assert times[-1] < 0.05 or min(after / max(before, 1e-4) for before, after in pairwise(times)) < 3
