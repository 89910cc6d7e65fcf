"""Seconds by stage: a lap goes to the stage that it ends, and the time before a start to none."""

from __future__ import annotations

from collections import Counter

import pytest

from embedcode.stopwatch import Stopwatch


class Time:
    """A clock that stands still unless it is told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    clock = Time()
    monkeypatch.setattr("embedcode.stopwatch.perf_counter", clock)
    return clock


def test_laps_go_to_the_stage_they_end(time: Time) -> None:
    watch = Stopwatch()
    assert watch.seconds == {}
    for stage, took in (("reading", 2.0), ("coding", 5.0), ("reading", 0.5), ("writing", 0.0)):
        time.now += took
        watch.lap(stage)
    assert watch.seconds == {"reading": 2.5, "coding": 5.0, "writing": 0.0}
    assert watch.seconds.total() == time.now - 1000


def test_the_time_before_a_start_belongs_to_no_stage(time: Time) -> None:
    watch = Stopwatch()
    time.now += 100
    watch.start()
    time.now += 1
    watch.lap("coding")
    time.now += 100
    watch.start()
    time.now += 2
    watch.lap("coding")
    assert watch.seconds == {"coding": 3.0}


def test_watches_add_up(time: Time) -> None:
    first, second = Stopwatch(), Stopwatch()
    time.now += 1
    first.lap("reading")
    time.now += 1
    second.lap("reading")
    second.lap("coding")
    whole: Counter[str] = Counter()
    whole += first.seconds
    whole += second.seconds
    assert whole["reading"] == 3.0
    kept = first.seconds.copy()
    first.seconds.clear()
    assert kept == {"reading": 1.0}
    assert first.seconds["reading"] == 0


def test_it_measures_real_time() -> None:
    watch = Stopwatch()
    sum(range(10_000))
    watch.lap("adding")
    assert 0 < watch.seconds["adding"] < 10
