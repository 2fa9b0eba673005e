"""Limits that hold for each value of a field: a message a second to each channel."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from hookline.engine.holds import Hold
from hookline.engine.limiter import ASKER, MANY_RATES, Asker, Limiter, Turntable
from hookline.sdk import Limit
from hookline.store.memory import MemoryStore

POSTS = Limit("posts", 60, ["POST post"], burst=1, by="channel")
REST = Limit("calls", apart=True)


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def limiter(clock: Clock) -> Limiter:
    table = Turntable(MemoryStore("worker", clock), clock, str)
    table.deliver = lambda action: action()
    return Limiter("token", "Service", (POSTS, REST), lambda response: None, table)


def goes(limiter: Limiter, *requests: tuple[str, Any]) -> list[bool]:
    """Which of these requests may be sent at once; the others would be held."""

    async def ask(number: int, path: str, channel: Any) -> bool:
        ASKER.set(Asker((f"run_{number}", "steps[0]", 1), asyncio.current_task(), True, True))
        try:
            await limiter.turn("POST", path, {} if channel is None else {"channel": channel})
        except Hold:
            return False
        return True

    async def all_of_them() -> list[bool]:
        return [
            await asyncio.create_task(ask(number, path, channel))
            for number, (path, channel) in enumerate(requests)
        ]

    return asyncio.run(all_of_them())


def test_each_channel_has_its_own_turns(limiter: Limiter, clock: Clock) -> None:
    assert goes(limiter, ("post", "a"), ("post", "b"), ("post", "a"), ("post", "c")) == [
        True,
        True,
        False,
        True,
    ]
    clock.now += 2.5
    assert goes(limiter, ("post", "b"), ("post", "b")) == [True, False]


def test_what_names_no_channel_and_other_requests_are_no_channels(limiter: Limiter) -> None:
    assert goes(limiter, ("post", None), ("post", "a"), ("post", None)) == [True, True, False]
    assert goes(limiter, *[("update", "a")] * 5) == [True] * 5


def test_the_figures_of_all_channels_are_one(limiter: Limiter, clock: Clock) -> None:
    goes(limiter, *[("post", channel) for channel in "aabbb"], ("update", "a"), ("delete", "a"))
    clock.now += 3
    found = {each.limit: each for each in limiter.figures()}
    assert list(found) == ["posts", "calls"], "a name twice would be no list of figures"
    assert (found["posts"].waiting, found["posts"].oldest) == (3, 3)


def test_channels_that_are_quiet_are_forgotten(limiter: Limiter, clock: Clock) -> None:
    for start in range(0, MANY_RATES * 3, 100):
        goes(limiter, *[("post", f"c{start + number}") for number in range(100)])
        clock.now += 20
    assert len(limiter._rates) <= MANY_RATES
