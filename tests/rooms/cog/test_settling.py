"""What a step leaves on a Cog server when it is over: it is stopped, and the time it ran is charged."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hookline.engine.loader import import_room
from hookline.sdk import Leftover, Park, Recorded, Wake
from hookline.testing.clock import SystemClock
from hookline.testing.cog import MODELS, CogServer, cog_unavailable_reason
from hookline.testing.fakes import FakeClock, FakeContext, open_connection

from ..driver import Driver

connector = import_room("connectors.cog.connector")
records = import_room("connectors.cog.records")

needs_cog = pytest.mark.skipif(cog_unavailable_reason() is not None, reason=str(cog_unavailable_reason()))
pytestmark = pytest.mark.timeout(120)

START = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
SETUP = {"started_at": "2026-11-18T11:00:00Z"}
READY = Recorded(json={"status": "READY", "setup": SETUP}, expect="GET /health-check")
BUSY = Recorded(json={"status": "BUSY", "setup": SETUP}, expect="GET /health-check")
GONE = Recorded(status=404, json={}, expect="POST /predictions/job/cancel")


@pytest.fixture(scope="module")
def server() -> Iterator[CogServer]:
    with CogServer(MODELS / "shout") as running:
        yield running


@needs_cog
def test_a_callback_says_how_long_it_ran(server: CogServer) -> None:
    def connect(ctx: Any) -> Any:
        return connector.connect(ctx, base_url=server.base_url)

    step = {"input": {"text": "x", "seconds": 30}, "usd_per_second": 0.01}

    async def scenario() -> None:
        async with Driver(connector.run, step, connect, SystemClock()) as driver:
            driver.key = "run_1/steps[0]/settled"
            await driver.start()
            for _ in range(20):  # coglet 0.23.1 forgets a cancel that comes in the first milliseconds.
                await driver.cancel()
                with contextlib.suppress(TimeoutError):
                    await driver.callback_arrives(1.0)
                    break
            await driver.settle("canceled")
            ((of, usd),) = driver.charged
            assert of == server.base_url
            assert 0 < usd < 0.01 * 30, "it was stopped before it was done"
            assert driver.settled_looks <= 2

    asyncio.run(scenario())


def _look(answers: list[Any], **more: Any) -> tuple[Park | None, FakeContext]:
    """One look at a prediction that was sent at `START`, by a step that ended ten seconds later."""
    clock = FakeClock(START + timedelta(seconds=more.pop("after", 10)))
    context = FakeContext(answers=answers, clock=clock)
    open_connection(connector.cog.connection_type, context, base_url="http://127.0.0.1:5000")
    waiting = {"job": "job", "since": "2026-11-20T09:00:00Z", "boot": "2026-11-18T11:00:00Z"}
    left = Leftover(
        more.pop("reason", "canceled"),
        START + timedelta(seconds=10),
        more.pop("looks", 1),
        more.pop("data", waiting),
        more.pop("kept", {}),
    )
    context.callbacks = more.pop("callbacks", ())
    context.notes = more.pop("notes", {})
    parameters = {"input": {}, "usd_per_second": 0.01, **more}
    found = asyncio.run(connector.run.settle(context, left, **connector.run.bind(parameters)))
    return found, context


def test_at_first_a_callback_is_waited_for() -> None:
    found, context = _look([READY])
    assert isinstance(found, Park)
    assert context.charged == []


def test_an_idle_server_without_a_callback_has_run_until_the_step_ended() -> None:
    found, context = _look([READY], looks=2, after=12)
    assert found is None
    assert context.charged == [("http://127.0.0.1:5000", pytest.approx(0.1))]


def test_a_busy_server_is_told_again_and_charged_until_it_is_idle() -> None:
    found, context = _look([BUSY, GONE], looks=2, after=12)
    assert isinstance(found, Park)
    assert context.charged == []
    found, context = _look([READY], looks=3, after=40, kept=found.data)
    assert found is None
    assert context.charged == [("http://127.0.0.1:5000", pytest.approx(0.4))]


def test_what_nobody_knows_of_is_not_stopped() -> None:
    found, context = _look([BUSY], looks=2, reason="unknown")
    assert isinstance(found, Park)
    assert [request.method for request in context.requests] == ["GET"]


def test_one_whose_files_could_not_be_fetched_is_charged_for_the_time_it_ran() -> None:
    over = {"status": "succeeded", "metrics": {"predict_time": 3.5}}
    found, context = _look([], notes={"over": over}, after=400)
    assert (found, context.requests) == (None, [])
    assert context.charged == [("http://127.0.0.1:5000", pytest.approx(0.035))]


def test_a_callback_that_came_is_believed_and_nothing_is_asked() -> None:
    wake = Wake("callback", {}, b'{"status": "canceled", "metrics": {"predict_time": 3.5}}')
    found, context = _look([], callbacks=[wake])
    assert (found, context.requests) == (None, [])
    assert context.charged == [("http://127.0.0.1:5000", pytest.approx(0.035))]


@pytest.mark.parametrize(
    "more",
    [{"usd_per_second": None, "reason": "unknown"}, {"data": {"queued_since": "2026-11-20T09:00:00Z"}}],
)
def test_without_a_price_or_a_place_there_is_nothing_to_settle(more: dict[str, Any]) -> None:
    found, context = _look([], **more)
    assert (found, context.requests, context.charged) == (None, [], [])


def test_without_a_price_it_is_still_stopped() -> None:
    found, _ = _look([BUSY], usd_per_second=None)
    assert isinstance(found, Park)
    found, context = _look([BUSY, GONE], looks=2, usd_per_second=None)
    assert isinstance(found, Park)
    assert [request.method for request in context.requests] == ["GET", "POST"]
    found, context = _look([READY], looks=3, usd_per_second=None, kept=found.data)
    assert (found, context.charged) == (None, [])
