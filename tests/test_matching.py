"""Segments and tools found, found wrongly and missed, worked out by hand."""

from __future__ import annotations

import dataclasses

import pytest
from pairs import gold_ad, span

from embedcode.evaluate import CodedSpan
from embedcode.gold import GivenCode, GivenTool
from embedcode.matching import Mention, match_tools, segment_counts, tool_counts

# Segments

HIT, FALSE, MISS = 0, 1, 2


@pytest.mark.parametrize(
    ("evidence", "outcome"),
    [
        (span("TASK3", 0, 10), HIT),
        (span("TASK3", 0, 5), HIT),
        (span("TASK3", 2, 4), HIT),  # small, but all of it lies inside
        (span("TASK3", 5, 21), HIT),  # covers half of the segment
        (span("TASK3", 6, 21), MISS),  # covers 4 of 10, and 4 of its 15 lie inside
        (span("TASK3", 10, 12), MISS),
        (span("TASK3", 0, 10, field="title"), MISS),
        (span("TASK4", 0, 10), MISS),
    ],
)
def test_evidence_codes_a_segment_it_shares_half_with(evidence: CodedSpan, outcome: int) -> None:
    ad = gold_ad(codes=(GivenCode(0, 10, "TASK3", 2),))
    counts = segment_counts(ad, [evidence], ("TASK3",))[0]
    assert counts[[HIT, MISS]].tolist() == [outcome == HIT, outcome == MISS]


def test_segment_counts_by_hand() -> None:
    ad = gold_ad(
        codes=(GivenCode(0, 10, "TASK3", 2), GivenCode(0, 10, "TASK4", 1), GivenCode(11, 21, "TASK5", 2)),
    )
    spans = [
        span("TASK3", 0, 4),
        span("TASK3", 5, 10),  # a second piece of the same segment counts once
        span("TASK3", 11, 21),  # wrong
        span("TASK4", 0, 10),  # only one coder gave it: left out
        span("TASK4", 11, 21),  # wrong
    ]
    assert segment_counts(ad, spans, ("TASK3", "TASK4", "TASK5")).tolist() == [
        [1, 1, 0],
        [0, 1, 0],
        [0, 0, 1],
    ]
    assert segment_counts(ad, [], ("TASK4",)).tolist() == [[0, 0, 0]]
    assert segment_counts(dataclasses.replace(ad, segments=()), spans, ("TASK3",)).tolist() == [[0, 0, 0]]


# Tools


@pytest.mark.parametrize(
    ("names", "mentions", "expected"),
    [
        (["Power BI"], [("PowerBI", "power-bi")], [(0, 0)]),
        (["Node.js"], [("NodeJS", "")], [(0, 0)]),
        (["Fabric"], [("Microsoft Fabric", "")], [(0, 0)]),
        (["Google BigQuery"], [("BigQuery", "")], [(0, 0)]),
        (["Spark"], [("Apache Sparkle", "")], []),
        (["R"], [("RStudio", "")], []),
        (["Vue"], [("Vue.js", "")], []),  # `.js` belongs to the word
        (["C++"], [("C", "")], []),
        (["Azure"], [("Cloud", "we use azure for all")], [(0, 0)]),
        (["Azure"], [("Cloud", "azure " + "x" * 60)], []),  # a sentence is no name
        (["--"], [("--", "--")], []),
        (
            ["Azure", "Azure DevOps"],
            [("Azure DevOps", ""), ("Azure", "")],
            [(0, 1), (1, 0)],
        ),  # equal names first
        (["Azure", "Azure ML"], [("Azure", "")], [(0, 0)]),  # one to one
    ],
)
def test_tools_match_by_name(
    names: list[str], mentions: list[tuple[str, str]], expected: list[tuple[int, int]]
) -> None:
    assert match_tools(names, [Mention(tool, text, "TECH2") for tool, text in mentions]) == expected


def test_tool_counts_by_hand() -> None:
    tools = (
        ("Python", "TECH1", 2),
        ("Airflow", "TECH6", 2),
        ("Snowflake", "TECH9", 2),
        ("Jira", "OTHER", 2),
        ("Rust", "TECH1", 1),
    )
    ad = gold_ad(tools=tuple(GivenTool(*t) for t in tools))
    spans = [
        span("TECH1", tool="Python"),
        span("TECH11", tool="python"),  # once per ad: the first counts
        span("TECH2", text="Airflow", field="title"),  # its code is wrong
        span("TECH6", tool="Jira"),  # has no code in the coding book: neither right nor wrong
        span("TECH1", tool="Rust"),  # so is a tool that one of two coders found
        span("TECH3", tool="GPT"),  # wrong
        span("TASK3"),
    ]
    assert tool_counts(ad, spans) == (2, 1, 1, 1)
