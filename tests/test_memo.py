"""What is remembered of texts: the same numbers as computed directly, each text computed once, and no more memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from embedcode.memo import Memo

LARGE = 1 << 20


def measure(texts: Sequence[str]) -> tuple[NDArray[Any], ...]:
    """Numbers of three types and shapes that depend on nothing but each text."""
    return (
        np.array([len(t) for t in texts], dtype=np.int64),
        np.array([[t.count("a"), t.count("b")] for t in texts], dtype=np.int8).reshape(-1, 2),
        np.array([[[sum(map(ord, t)) / 7]] for t in texts], dtype=np.float32).reshape(-1, 1, 1),
    )


class Counted:
    """`measure`, and what it was asked."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []

    def __call__(self, texts: Sequence[str]) -> tuple[NDArray[Any], ...]:
        self.calls.append(list(texts))
        return measure(texts)

    @property
    def times(self) -> Counter[str]:
        """How often each text was computed."""
        return Counter(t for call in self.calls for t in call)


def same(found: Sequence[NDArray[Any]], texts: Sequence[str]) -> bool:
    """Whether arrays are what `measure` gives, to the type and the bit."""
    expected = measure(texts)
    assert [(f.dtype, f.shape) for f in found] == [(e.dtype, e.shape) for e in expected]
    return all(f.tobytes() == e.tobytes() for f, e in zip(found, expected, strict=True))


def test_each_distinct_text_is_computed_once() -> None:
    compute = Counted()
    memo = Memo(compute, LARGE)
    batches = [["a", "b", "a"], ["b", "ab", "ab", ""], ["", "a"], ["new"]]
    for batch in batches:
        assert same(memo(batch), batch)
    assert compute.calls == [["a", "b"], ["ab", ""], ["new"]], "in the order in which they came"
    assert set(compute.times.values()) == {1}


@pytest.mark.parametrize("capacity", [0, 1, 2, 3, 5, 8, LARGE])
def test_the_capacity_does_not_change_the_result(capacity: int) -> None:
    memo = Memo(measure, capacity)
    for start in range(40):
        batch = [f"{'a' * (i % 6)}{i * i % 11}" for i in range(start, start + start % 7)]
        assert same(memo(batch), batch)


def test_without_capacity_nothing_is_remembered() -> None:
    compute = Counted()
    memo = Memo(compute, 0)
    for _ in range(3):
        assert same(memo(["a", "b", "a"]), ["a", "b", "a"])
    assert compute.calls == [["a", "b", "a"]] * 3
    assert (memo.asked, memo.found) == (9, 0)


def test_all_is_forgotten_when_it_is_full() -> None:
    compute = Counted()
    memo = Memo(compute, 3)
    for batch in (["a", "b"], ["c"], ["a", "b", "c"], ["b", "d"], ["d", "b"], ["a"]):
        assert same(memo(batch), batch)
    # "d" is one too many: "b", which is asked for with it, is computed again too.
    assert compute.calls == [["a", "b"], ["c"], ["b", "d"], ["a"]]
    assert same(memo(["c"]), ["c"])
    assert compute.calls[-1] == ["c"]


def test_a_batch_beyond_the_capacity() -> None:
    compute = Counted()
    memo = Memo(compute, 3)
    batch = [f"{i % 9}" for i in range(30)]
    for _ in range(2):
        assert same(memo(batch), batch)
    for few in (["0", "x"], ["x", "0"]):
        assert same(memo(few), few)
    # More than fit are not kept: they are computed anew, each once for the batch.
    nine = [str(i) for i in range(9)]
    assert compute.calls == [nine, nine, ["0", "x"]]


def test_forget() -> None:
    compute = Counted()
    memo = Memo(compute, LARGE)
    memo(["a", "b"])
    memo.forget()
    assert same(memo(["b", "c"]), ["b", "c"])
    assert compute.calls == [["a", "b"], ["b", "c"]]


def test_what_was_given_out_stays_when_more_is_learnt() -> None:
    memo = Memo(measure, 4)
    first = memo(["a", "bb"])
    for i in range(20):
        memo([f"other {i}"])
    assert same(first, ["a", "bb"])
    first[0][:] = -1
    memo.forget()
    memo(["a", "bb"])[0][:] = -1
    assert same(memo(["a", "bb"]), ["a", "bb"]), "what is given out is a copy"


def test_it_grows() -> None:
    compute = Counted()
    memo = Memo(compute, LARGE)
    seen: list[str] = []
    for size in (1, 1, 2, 3, 50, 1, 1000, 7):
        batch = [f"{len(seen) + i}a" for i in range(size)]
        seen += batch
        assert same(memo(batch), batch)
        assert same(memo(seen), seen)
    assert compute.times == Counter(seen)


def test_it_grows_no_further_than_its_capacity() -> None:
    memo = Memo(measure, 100)
    for i in range(0, 1000, 7):
        memo([str(i + j) for j in range(7)])
    assert {len(column) for column in memo._columns} <= set(range(101))


def test_no_texts() -> None:
    for capacity in (0, 1, LARGE):
        memo = Memo(measure, capacity)
        assert same(memo([]), [])
        assert same(memo(["a", "b"][: capacity + 1]), ["a", "b"][: capacity + 1])
        assert same(memo([]), [])
        memo.forget()
        assert same(memo([]), [])


def test_nothing_is_computed_for_nothing_once_the_shape_is_known() -> None:
    compute = Counted()
    memo = Memo(compute, LARGE)
    for _ in range(3):
        memo([])
    memo(["a"])
    memo([])
    assert compute.calls == [[], ["a"]]


def test_counters() -> None:
    memo = Memo(measure, 3)
    told = []
    for batch in (["a", "a", "b"], [], ["b", "c"], ["d", "a", "d"], ["d"]):
        memo(batch)
        told.append((memo.asked, memo.found))
    # The fourth batch finds a full memory and is new but for the "d" that stands twice.
    assert told == [(3, 1), (3, 1), (5, 2), (8, 3), (9, 4)]


def test_a_computation_that_fails_leaves_it_sound() -> None:
    def fragile(texts: Sequence[str]) -> tuple[NDArray[Any], ...]:
        if "bad" in texts:
            raise ValueError("bad")
        return measure(texts)

    memo = Memo(fragile, 3)
    for before in ([], ["a"], ["a", "b"], ["a", "b", "c"]):
        assert same(memo(before), before)
        with pytest.raises(ValueError, match="bad"):
            memo(["a", "bad", "e"])
        assert same(memo(["e", "a"]), ["e", "a"])


@given(
    st.lists(st.lists(st.one_of(st.text("ab", max_size=3), st.text(max_size=4)), max_size=8), max_size=12),
    st.sampled_from([0, 1, 2, 3, 5, 10, LARGE]),
)
def test_the_same_as_computed_directly(batches: list[list[str]], capacity: int) -> None:
    compute = Counted()
    memo = Memo(compute, capacity)
    for batch in batches:
        assert same(memo(batch), batch)
    assert memo.asked == sum(map(len, batches))
    assert memo.asked - memo.found == sum(map(len, compute.calls))
    if capacity == LARGE:
        assert compute.times == Counter({t for batch in batches for t in batch})
    if capacity:
        assert all(len(set(call)) == len(call) for call in compute.calls)
