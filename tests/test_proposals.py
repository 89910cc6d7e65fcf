"""Tools that the lexicon lacks are proposed from their places in lists."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedcode.book import read_book
from embedcode.curate import suggest_tools
from embedcode.paths import shipped
from embedcode.proposals import LEAST, Proposer
from embedcode.tools import ToolFinder
from embedcode.types import Anchor, CodingBook, Tool

KNOWN = (
    *(("Python", "TECH1"), ("Java", "TECH1"), ("Docker", "TECH6"), ("Kubernetes", "TECH6"), ("Airflow", "TECH6")),
    *(("MongoDB", "TECH9"), ("Azure Functions", "TECH2"), ("Azure Monitor", "TECH6"), ("Tableau", "TECH7")),
    *(("React", "OTHER"), ("Vue.js", "OTHER"), ("Power BI", "TECH7")),
)
BOOK = CodingBook(
    profiles=(),
    codes=(),
    anchors=(Anchor("TASK3-0", "TASK3", "explain reports and experience to clients", "general", "en"),),
    facets=(),
    terms=(),
    tools=tuple(Tool(name, code, (), "any") for name, code in KNOWN),
    not_tools=("NoSQL", "API", "Machine Learning", "Scrum"),
)
FINDER = ToolFinder(BOOK.tools)
PROPOSER = Proposer(BOOK)


def proposed(text: str, least: int = LEAST) -> list[tuple[str, str, str]]:
    found = PROPOSER.propose(text, FINDER.find(text), least)
    return [(text[p.start : p.end], p.code, BOOK.tools[p.tool].name) for p in found]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("You know Docker, Zarvo and Kubernetes.", ("Zarvo", "TECH6", "Docker")),
        ("You know Docker, Kubernetes and Zarvo experience", ("Zarvo", "TECH6", "Kubernetes")),
        ("Ervaring met Zarvo, Docker of Kubernetes", ("Zarvo", "TECH6", "Docker")),
        ("Talen: Zarvo, Python, Java", ("Zarvo", "TECH1", "Python")),
        ("Docker/Zarvo/Kubernetes", ("Zarvo", "TECH6", "Docker")),
        ("tooling (Docker, Kubernetes, zarvoDB)", ("zarvoDB", "TECH6", "Kubernetes")),
        ("- Docker\n- Zarvo Hub\n- Kubernetes", ("Zarvo Hub", "TECH6", "Docker")),
        ("React, Zarvo, Vue.js", ("Zarvo", "OTHER", "React")),
        ("Languages such as Zarvo, Python and Java etc.", ("Zarvo", "TECH1", "Python")),
        ("Power BI, zarvo, Tableau", None),
        ("**Docker**, **Zarvo**, **Kubernetes**", ("Zarvo", "TECH6", "Docker")),
    ],
)
def test_names_in_lists(text: str, expected: tuple[str, str, str] | None) -> None:
    assert proposed(text) == ([expected] if expected else [])


@pytest.mark.parametrize(
    "text",
    [
        "Zarvo is a firm. You know Docker, Kubernetes.",
        "You know Docker and Kubernetes. Zarvo offers a pension.",
        "Docker, scripting, Kubernetes",
        "Docker, NoSQL, Kubernetes",
        "Docker, REST APIs, NoSQL API, Kubernetes",
        "Docker, Machine Learning, Kubernetes",
        "Docker, API-based, Kubernetes",
        "Docker, Reports, Kubernetes",
        "Docker, PythonExperience, Kubernetes",
        "Docker, JAVA, Kubernetes",
        "Explaining, Docker, Kubernetes",
        "Docker, Kubernetes and Power\nBI",
        "Docker, a Very Long Zarvo Name That Goes On, Kubernetes",
        "Zarvo",
        "",
    ],
)
def test_what_is_not_proposed(text: str) -> None:
    assert proposed(text) == []


def test_one_known_tool_is_not_enough() -> None:
    assert proposed("Docker, Zarvo") == []
    assert proposed("Docker, Zarvo", least=1) == [("Zarvo", "TECH6", "Docker")]


def test_a_name_is_proposed_once() -> None:
    assert len(proposed("Docker, Zarvo, Kubernetes\nDocker, ZARVO, Kubernetes")) == 1


def test_words_shared_with_known_names_weigh_in() -> None:
    tools = tuple(Tool(f"Azure {n}", "TECH2", (), "any") for n in ("Arc", "Batch", "Bots", "Speech"))
    book = dataclasses.replace(BOOK, tools=(*BOOK.tools, *tools))
    text = "Docker, Zarvo Azure, Python"
    without_azure = ToolFinder(BOOK.tools).find(text)
    assert [p.code for p in Proposer(book).propose(text, without_azure)] == ["TECH2"]
    assert [p.code for p in PROPOSER.propose(text, without_azure)] == ["TECH6"]


def test_no_name_is_cut() -> None:
    """Only what is near a known tool is looked at; a name at the border is left out, not cut."""
    for width in range(40, 120):
        text = f"Docker, Kubernetes, {'x' * width} and Zarvo Quent Mellow, Python, Java"
        assert {name for name, _, _ in proposed(text, 1)} <= {"Zarvo Quent Mellow"}


@given(st.lists(st.sampled_from([*"aZ ,/.;:()\n-\u0130\u00e9", "Docker", "Zarvo", " and ", "Kubernetes"]), max_size=30))
def test_proposals_are_ordered_and_lie_beside_the_mentions(parts: list[str]) -> None:
    text = "".join(parts)
    mentions = FINDER.find(text)
    last = 0
    for p in PROPOSER.propose(text, mentions, 1):
        assert last <= p.start < p.end <= len(text)
        assert all(m.end <= p.start or p.end <= m.start for m in mentions)
        last = p.end


def test_long_lists_stay_quick() -> None:
    text = "Docker, Zarvo, Kubernetes, " * 5_000
    assert len(proposed(text)) == 1


def test_suggestions() -> None:
    texts = [
        "<p>Docker, <b>Zarvo</b>, Kubernetes</p>",
        "Docker, zarvO, Airflow",
        "Python, Java, Quent",
        "Docker, Zarvo",
    ]
    first, second = suggest_tools(BOOK, texts)
    assert (first.name, first.code, first.ads, first.beside) == ("Zarvo", "TECH6", 2, ("Docker",))
    assert first.example == "Docker, Zarvo, Kubernetes"
    assert (second.name, second.code, second.ads) == ("Quent", "TECH1", 1)
    assert [s.ads for s in suggest_tools(BOOK, texts, least=1)] == [3, 1]


def test_the_shipped_notions() -> None:
    book = read_book(shipped() / "anchors")
    assert {"Agile", "Scrum", "REST", "NLP", "LLM", "Amsterdam"} <= set(book.not_tools)
    text = "Python, Agile, Scrum, REST APIs, NLP, LLMs, Java and Docker"
    assert Proposer(book).propose(text, ToolFinder(book.tools).find(text)) == []
