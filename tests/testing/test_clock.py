import threading

import pytest

from hookline.testing.clock import ManualClock, SystemClock, rfc3339


class TestManualClock:
    def test_timers_run_in_order_of_their_time(self) -> None:
        clock = ManualClock(100.0)
        ran: list[tuple[str, float]] = []
        clock.call_later(5, lambda: ran.append(("b", clock.now())))
        clock.call_later(1, lambda: ran.append(("a", clock.now())))
        clock.call_later(5, lambda: ran.append(("c", clock.now())))
        clock.advance(4)
        assert ran == [("a", 101.0)]
        clock.advance(1)
        assert ran == [("a", 101.0), ("b", 105.0), ("c", 105.0)]

    def test_timers_made_by_timers_run_in_the_same_advance(self) -> None:
        clock = ManualClock(0.0)
        ran: list[float] = []

        def again() -> None:
            ran.append(clock.now())
            if len(ran) < 3:
                clock.call_later(2, again)

        clock.call_later(2, again)
        clock.advance(10)
        assert ran == [2.0, 4.0, 6.0]
        assert clock.now() == 10.0

    def test_a_canceled_timer_does_not_run(self) -> None:
        clock = ManualClock()
        ran: list[int] = []
        clock.call_later(1, lambda: ran.append(1)).cancel()
        clock.advance(2)
        assert ran == []


class TestSystemClock:
    def test_advance_makes_timers_due(self) -> None:
        clock = SystemClock()
        rang = threading.Event()
        before = clock.now()
        clock.call_later(10_000, rang.set)
        clock.advance(10_001)
        assert rang.wait(30)
        assert clock.now() >= before + 10_001
        clock.stop()

    def test_after_stop_nothing_is_called(self) -> None:
        clock = SystemClock()
        rang = threading.Event()
        clock.call_later(1000, rang.set)
        clock.stop()
        clock.advance(2000)
        assert not rang.is_set()


@pytest.mark.parametrize(
    ("digits", "text"),
    [
        (3, "2026-11-18T11:06:40.123Z"),
        (6, "2026-11-18T11:06:40.123456Z"),
        (9, "2026-11-18T11:06:40.123456000Z"),
    ],
)
def test_timestamps(digits: int, text: str) -> None:
    assert rfc3339(1_795_000_000.123456, digits) == text
