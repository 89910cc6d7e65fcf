"""The list of disagreements: worst first, with evidence, safe for spreadsheets."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from ads import GENAI, ML, OTHER
from pairs import coded_row, span

from embedcode.disagreements import Side, disagreements, write_disagreements
from embedcode.errors import OutputError

PEOPLE = {i: coded_row(ML, span("TASK3", text="Train models"), confidence=None) for i in "abcdef"}
MACHINE = {
    "a": coded_row(ML, confidence=0.99),
    "b": coded_row(GENAI, confidence=0.6),
    "c": coded_row(OTHER, span("TECH1", text="python", tool="Python"), span("TASK1", text="=1+1"), confidence=0.9),
    "d": coded_row(None, confidence=None),
    "f": coded_row(ML, confidence=0.7),
}
OTHERS = {"a": coded_row(GENAI, confidence=None), "b": coded_row(OTHER, confidence=None), "f": coded_row(ML)}
CODERS = {"machine": MACHINE, "people": PEOPLE, "others": OTHERS}


def test_the_most_confident_mistake_comes_first() -> None:
    found = disagreements("people", CODERS, list("abcdef"))
    assert [d.id for d in found] == ["c", "b", "a"]
    assert found[0].sides == (
        Side("people", ML, None, True, (("TASK3", "Train models"),)),
        Side("machine", OTHER, 0.9, False, (("TECH1", "Python"), ("TASK1", "=1+1"))),
    )
    assert [(s.coder, s.agrees) for s in found[2].sides] == [("people", True), ("machine", True), ("others", False)]


def test_the_confidence_of_people_is_no_probability() -> None:
    people = {"a": coded_row(ML, confidence=3.0)}
    (found,) = disagreements("people", {"people": people, "machine": {"a": coded_row(OTHER, confidence=0.5)}}, ["a"])
    assert [s.confidence for s in found.sides] == [None, 0.5]


def test_an_ad_without_a_label_is_no_disagreement_about_labels() -> None:
    assert disagreements("people", {"people": PEOPLE, "machine": MACHINE}, ["d", "e"]) == ()


def test_the_file_is_safe_for_spreadsheets(tmp_path: Path) -> None:
    path = tmp_path / "worst.csv"
    assert write_disagreements(path, disagreements("people", {**CODERS, "=cmd": MACHINE}, list("abc"))) == 11
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[0] == {
        "rank": "1",
        "id": "c",
        "coder": "people",
        "profile": ML,
        "confidence": "",
        "agrees": "true",
        "evidence": "TASK3: Train models",
    }
    assert (rows[1]["agrees"], rows[1]["confidence"]) == ("false", "0.9")
    assert rows[1]["evidence"] == "TECH1: Python\nTASK1: =1+1"
    assert rows[2]["coder"] == "'=cmd"


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "taken").write_bytes(b"")
    with pytest.raises(OutputError, match="Cannot write .*name another file"):
        write_disagreements(tmp_path / "taken" / "worst.csv", ())
