"""Rates of hooks, and what is recorded of a flood."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hookline.engine.pacing import KEPT_AT_ONCE, KEPT_EVERY, Pace, Paces, Refusals, whole_seconds


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def test_so_many_at_once_and_then_evenly() -> None:
    clock = Clock()
    paces = Paces(clock)
    pace = Pace(3, 60.0)
    assert [paces.take("a", pace) for _ in range(3)] == [0, 0, 0]
    assert paces.take("a", pace) == 20.0
    assert paces.take("b", pace) == 0
    clock.now += 20
    assert paces.take("a", pace) == 0
    assert paces.take("a", pace) == 20.0
    clock.now += 3600
    assert [paces.take("a", pace) for _ in range(4)] == [0, 0, 0, 20.0]


def test_a_clock_set_back_locks_nobody_out_for_long() -> None:
    clock = Clock()
    paces = Paces(clock)
    pace = Pace(1, 60.0)
    assert paces.take("a", pace) == 0
    clock.now -= 86400
    assert 0 < paces.take("a", pace) <= 60.0


@given(st.lists(st.floats(0, 10), max_size=100), st.integers(1, 5), st.floats(0.5, 20))
def test_never_more_than_the_rate(gaps: list[float], count: int, seconds: float) -> None:
    clock = Clock()
    paces = Paces(clock)
    taken: list[float] = []
    for gap in gaps:
        clock.now += gap
        if paces.take("a", Pace(count, seconds)) == 0:
            taken.append(clock.now)
    # In any span of `seconds` there are at most the burst and what is refilled meanwhile.
    for start in taken:
        assert sum(start <= at < start + seconds * 0.999 for at in taken) <= 2 * count


def test_a_flood_of_refusals_is_thinned_out_and_counted() -> None:
    clock = Clock()
    refusals = Refusals(clock)
    noted = [refusals.noted("hook", "wrong") for _ in range(10_000)]
    assert noted == ["wrong"] * KEPT_AT_ONCE + [None] * (10_000 - KEPT_AT_ONCE)
    assert refusals.noted("other", "wrong") == "wrong"
    clock.now += KEPT_EVERY
    assert refusals.noted("hook", "wrong") == "wrong (and 9980 more before it that were not recorded)"
    assert refusals.noted("hook", "wrong") is None


def test_seconds_for_a_header_are_whole() -> None:
    assert [whole_seconds(wait) for wait in (0.01, 1.0, 1.2)] == [1, 1, 2]
