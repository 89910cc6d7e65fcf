"""Agreement of two coders on spans."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from pairs import CODES, coded_row, span

from embedcode.bootstrap import Bootstrap
from embedcode.codings import UNPLACED, CodedRow
from embedcode.spans import SpanAgreement, has_spans, span_agreement


def compared(first: list[CodedRow], second: list[CodedRow], iou: float = 0.5) -> SpanAgreement:
    return span_agreement(("ann", "bob"), (first, second), CODES, Bootstrap(np.arange(len(first)), 50), iou)


def test_figures_by_hand() -> None:
    first = [coded_row(None, span("TASK3", 0, 10), span("TASK4", 20, 30)), coded_row(None, span("TASK3", 0, 10))]
    second = [coded_row(None, span("TASK3", 0, 8)), coded_row(None, span("TASK3", 0, 4), span("TASK5", 0, 9))]
    found = compared(first * 15, second * 15)
    task3 = found.per_code["TASK3"]
    assert (task3.precision, task3.recall, task3.f1, task3.count, task3.coded) == (0.5, 0.5, 0.5, 30, 30)
    assert task3.f1_95 is not None
    assert task3.f1_95[0] < 0.5 < task3.f1_95[1]
    assert found.per_code["TASK4"].f1 == found.per_code["TASK5"].f1 == 0
    assert found.overall.f1 == pytest.approx(2 * 15 / (45 + 45))
    assert found.macro_f1 == pytest.approx(0.5 / 3)
    assert (found.ads, found.left_out, found.reason) == (30, (), "")
    lenient = compared(first, second, iou=0.4).per_code["TASK3"]
    assert (lenient.f1, lenient.f1_95) == (1, None)


def test_groups_that_one_coder_never_marks_are_left_out() -> None:
    tool = span("TECH1", 0, 6, "Python", "Python")
    machine = coded_row(None, span("TASK3"), tool)
    people = coded_row(None, span("TASK3"), tool._replace(start=UNPLACED, end=UNPLACED))
    found = compared([people], [machine])
    assert found.left_out == ("TECH",)
    assert found.overall.f1 == 1
    assert not any(code.startswith("TECH") for code in found.per_code)


def test_nothing_in_common_is_said() -> None:
    found = compared([coded_row(None, span("TASK3"))], [coded_row(None, span("SKILL1"))])
    assert (found.per_code, found.overall.f1, found.macro_f1) == ({}, None, None)
    assert found.reason == "no group of codes was marked by both"
    assert found.left_out == ("SKILL", "TASK")


def test_spans_that_people_did_not_agree_on_are_neither_right_nor_wrong() -> None:
    people = replace(coded_row(None, span("TASK1", 0, 10)), doubtful=(span("TASK3", 20, 30),))
    machine = coded_row(None, span("TASK1", 0, 10), span("TASK3", 20, 30), span("TASK3", 40, 50))
    found = compared([people], [machine])
    assert (found.per_code["TASK3"].coded, found.per_code["TASK3"].count) == (1, 0)
    assert compared([machine], [people]).overall.f1 == found.overall.f1


def test_has_spans() -> None:
    assert has_spans({"a": coded_row(None, span("TASK3"))})
    assert not has_spans({"a": coded_row(None, span("TASK3", UNPLACED, UNPLACED)), "b": coded_row(None)})
