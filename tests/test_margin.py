"""What moved the margin between two profiles: parts by hand, parts that add up, features that come and go."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedcode.head import Head
from embedcode.margin import Margin, Side, margin

PROFILES = ("A", "B", "C")


def head(weights: list[list[float]], **more: float) -> Head:
    w = np.array(weights)
    n = w.shape[1]
    return Head(PROFILES, np.full(n, more.get("mean", 0.0)), np.ones(n), w, np.zeros(3), more.get("temperature", 1.0))


def side(features: list[float], of: Head, names: str = "xy") -> Side:
    return Side(tuple(names[: len(features)]), tuple(f"what {n} is" for n in names), np.array(features), of)


def found(before: Side, after: Side) -> Margin:
    out = margin(before, after, "B", "A")
    assert out is not None
    return out


ONE = head([[0.0, 0.0], [1.0, 2.0], [9.0, 9.0]])


def test_by_hand() -> None:
    other = head([[0.0, 0.0], [3.0, 2.0], [0.0, 0.0]])
    out = found(side([1.0, 0.5], ONE), side([2.0, 0.5], other))
    assert (out.before, out.after) == (2.0, 7.0)
    # x: from 1 × 1 to 3 × 2; a step of 1 counts 1 by the old weight and 3 by the new one, 2 in the mean.
    assert [(f.name, f.meaning, f.evidence, f.head, f.change) for f in out.features] == [("x", "what x is", 2, 3, 5)]
    assert (out.evidence, out.head) == (2.0, 3.0)
    assert out.cause == "mostly the head moved, which is fitted anew"


def test_only_the_evidence_moved() -> None:
    out = found(side([1.0, 0.0], ONE), side([1.0, 1.0], ONE))
    assert [(f.name, f.evidence, f.head, f.cause) for f in out.features] == [("y", 2.0, 0.0, "evidence")]
    assert (out.before, out.after, out.evidence, out.head) == (1.0, 3.0, 2.0, 0.0)
    assert out.cause == "mostly the evidence moved"


@pytest.mark.parametrize("change", [{"temperature": 0.5}, {"mean": 0.5}])
def test_only_the_head_moved(change: dict[str, float]) -> None:
    out = found(side([1.0, 1.0], ONE), side([1.0, 1.0], head(ONE.weights.tolist(), **change)))
    assert out.evidence == 0.0
    assert out.head == out.after - out.before != 0
    assert out.cause == "the evidence is the same, only the head moved, which is fitted anew"
    assert {f.cause for f in out.features} == {"head"}


def test_the_intercept_is_of_the_head() -> None:
    shifted = replace(ONE, intercept=np.array([0.0, 0.7, 0.0]))
    out = found(side([1.0, 1.0], ONE), side([1.0, 1.0], shifted))
    assert out.head == pytest.approx(0.7)
    assert out.features == ()


def test_what_one_side_lacks_is_of_the_head() -> None:
    out = found(side([1.0, 1.0], ONE, "xy"), side([1.0, 1.0], ONE, "yz"))
    assert {(f.name, f.evidence, f.head) for f in out.features} == {("x", 0, -1), ("y", 0, -1), ("z", 0, 2)}
    assert (out.before, out.after, out.evidence) == (3.0, 3.0, 0.0)


def test_profiles_that_one_side_lacks() -> None:
    new = replace(ONE, profiles=("A", "D", "C"))
    assert margin(side([1.0, 1.0], ONE), side([1.0, 1.0], new), "D", "A") is None
    assert margin(side([1.0, 1.0], ONE), side([1.0, 1.0], new), "C", "A") is not None


@given(st.integers(0, 2**32 - 1))
def test_the_parts_add_up_whichever_side_comes_first(seed: int) -> None:
    rng = np.random.default_rng(seed)

    def drawn(names: str) -> Side:
        n = len(names)
        weights, intercept = rng.normal(size=(3, n)), rng.normal(size=3)
        of = Head(PROFILES, rng.normal(size=n), rng.uniform(0.5, 2, n), weights, intercept, float(rng.uniform(0.4, 2)))
        return side((rng.normal(size=n) * 3).tolist(), of, names)

    one, other = drawn("abcdef"), drawn("gfedcb")
    there, back = found(one, other), found(other, one)
    for out, sides in ((there, (one, other)), (back, (other, one))):
        for total, s in zip((out.before, out.after), sides, strict=True):
            p = s.head.probabilities(s.features[None])[0]
            assert total == pytest.approx(np.log(p[1] / p[0]))
        assert out.evidence + out.head == pytest.approx(out.after - out.before)
        moves = [abs(f.change) for f in out.features]
        assert moves == sorted(moves, reverse=True)
    assert there.evidence == pytest.approx(-back.evidence)
    parts = {f.name: (f.evidence, f.head) for f in there.features}
    for f in back.features:
        assert parts[f.name] == pytest.approx((-f.evidence, -f.head))
