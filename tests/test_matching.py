"""Segments and tools found, found wrongly and missed, worked out by hand."""

from __future__ import annotations

import dataclasses
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pairs import gold_ad, span

from embedcode.codings import CodedSpan
from embedcode.gold import GivenCode, GivenTool
from embedcode.matching import Mention, match_spans, match_tools, segment_counts, span_counts, tool_counts

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


# Spans of two coders


@pytest.mark.parametrize(
    ("other", "matches"),
    [
        (span("TASK3", 0, 10), True),
        (span("TASK3", 0, 5), True),  # half of what both cover together
        (span("TASK3", 5, 15), False),  # 5 of 15
        (span("TASK3", 0, 20), True),
        (span("TASK3", 0, 21), False),
        (span("TASK3", 10, 20), False),
        (span("TASK4", 0, 10), False),
        (span("TASK3", 0, 10, field="title"), False),
    ],
)
def test_spans_match_where_they_share_half_of_what_they_cover(other: CodedSpan, matches: bool) -> None:
    assert match_spans([span("TASK3", 0, 10)], [other], 0.5) == ([(0, 0)] if matches else [])


def test_spans_match_one_to_one_those_that_overlap_most_first() -> None:
    first = [span("TASK3", 0, 10), span("TASK3", 2, 12)]
    second = [span("TASK3", 2, 11), span("TASK3", 0, 9)]
    assert sorted(match_spans(first, second, 0.5)) == [(0, 1), (1, 0)]
    assert match_spans(first, second[:1], 0.5) == [(1, 0)]
    assert match_spans(first, [], 0.5) == match_spans([], second, 0.5) == []


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000))
def test_matches_are_as_many_as_the_best_assignment_of_spans_that_do_not_overlap(seed: int) -> None:
    from scipy.optimize import linear_sum_assignment

    rng = np.random.default_rng(seed)

    def spans() -> list[CodedSpan]:
        ends = np.cumsum(rng.integers(1, 12, 12)).tolist()
        return [span("TASK1", a, b) for a, b in pairwise(ends) if rng.random() < 0.7]

    first, second = spans(), spans()
    places = [[set(range(s.start, s.end)) for s in of] for of in (first, second)]
    table = [[len(a & b) / len(a | b) for b in places[1]] for a in places[0]]
    able = np.array(table).reshape(len(first), len(second)) >= 0.5
    best = able[linear_sum_assignment(able, maximize=True)].sum()
    assert len(match_spans(first, second, 0.5)) == best


def test_span_counts_by_hand() -> None:
    first = [span("TASK3", 0, 10), span("TASK3", 20, 30), span("TASK4", 0, 10), span("NEG", 0, 5)]
    second = [span("TASK3", 1, 10), span("TASK4", 40, 50), span("TASK5", 0, 9)]
    codes = ("TASK3", "TASK4", "TASK5")
    assert span_counts(first, second, codes, 0.5).tolist() == [[1, 0, 1], [0, 1, 1], [0, 1, 0]]
    # What only some of the people marked is neither right nor wrong for the other coder.
    doubtful = ([span("TASK5", 0, 10)], [])
    assert span_counts(first, second, codes, 0.5, doubtful=doubtful).tolist() == [[1, 0, 1], [0, 1, 1], [0, 0, 0]]
    assert span_counts(second, first, codes, 0.5, doubtful=doubtful[::-1]).tolist() == [[1, 1, 0], [0, 1, 1], [0, 0, 0]]
