"""Several models: each its own prediction, never two alive, and a time limit on the running alone."""

from __future__ import annotations

import asyncio
import itertools
from datetime import UTC, datetime
from typing import Any

import pytest

from hookline.sdk import BadInput, Canceled, TimedOut

pytestmark = pytest.mark.timeout(120)


async def _finished(driver: Any) -> Any:
    async with driver:
        return await driver.finish()


def _finish(driver: Any) -> Any:
    return asyncio.run(_finished(driver))


@pytest.fixture
def pair(standin) -> dict[str, Any]:
    """Two models that take a text; the first is slower."""
    models = [f"hookline/{name}:{standin.version_of(f'hookline/{name}')}" for name in ("sleepy", "echo")]
    return {"models": models, "input": {"text": "hello"}}


def _never_two_alive(standin) -> None:
    spans = sorted(
        (item.created_at, item.completed_at) for item in standin.predictions.values() if item.completed_at
    )
    assert len(spans) == len(standin.predictions)
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(spans))


@pytest.mark.parametrize("webhook", ["always", "never"])
def test_the_next_model_is_tried_when_the_platform_fails(make, standin, pair, webhook: str) -> None:
    standin.faults.set("execution.fail")
    driver = make({**pair, "webhook": webhook})
    output = _finish(driver).output
    assert output["output_text"] == "hello"
    assert output["model_reference"] == pair["models"][1]
    assert [item.body["version"] for item in standin.creates] == pair["models"]
    assert any("the next model is tried" in line for line in driver.logged)
    _never_two_alive(standin)


def test_the_first_that_succeeds_is_the_only_one(make, standin, pair) -> None:
    assert _finish(make(pair)).output["model_reference"] == pair["models"][0]
    assert len(standin.creates) == 1


def test_other_errors_end_the_step(make, standin, pair) -> None:
    standin.faults.set("execution.fail", value="ValueError: no")
    assert isinstance(_finish(make(pair)).error, BadInput)
    assert len(standin.creates) == 1


def test_the_step_says_which_errors_move_on(make, standin, pair) -> None:
    standin.faults.set("execution.fail", value="ValueError: no")
    assert _finish(make({**pair, "fallback_on": ["bad_input"]})).output["output_text"] == "hello"
    standin.faults.set("execution.fail")
    assert isinstance(_finish(make({**pair, "fallback_on": ["bad_input"]})).error, TimedOut)


@pytest.mark.parametrize(
    ("error", "moves_on"),
    [
        ("no credit upstream (E001)", "insufficient_credit"),
        ("invalid upstream key (E002)", "authentication"),
    ],
)
def test_what_the_owner_of_a_model_has_to_mend_can_be_passed_over(
    make, standin, pair, error: str, moves_on: str
) -> None:
    standin.faults.set("execution.fail", value=error)
    assert _finish(make(pair)).error.type == moves_on
    standin.faults.set("execution.fail", value=error)
    assert _finish(make({**pair, "fallback_on": [moves_on]})).output["output_text"] == "hello"


def test_the_last_error_is_the_steps(make, standin, pair) -> None:
    standin.faults.set("execution.fail", times=2, value="first (E9828)")
    record = _finish(make(pair))
    assert isinstance(record.error, TimedOut)
    assert standin.creates[1].prediction_id in record.error.message


def test_one_that_is_refused_for_now_is_passed_over(make, standin, pair) -> None:
    standin.faults.set("create.throttled")
    assert _finish(make(pair)).output["model_reference"] == pair["models"][1]
    assert len(standin.creates) == 1


def test_the_last_model_is_waited_for_rather_than_the_first_paid_again(make, standin, pair) -> None:
    async def scenario() -> Any:
        async with make({**pair, "webhook": "never"}) as driver:
            standin.faults.set("execution.fail")
            await driver.start()
            standin.settle()
            standin.faults.set("create.throttled", times=3)
            return await driver.finish()

    record = asyncio.run(scenario())
    assert record.output["output_text"] == "hello"
    assert [item.body["version"] for item in standin.creates] == pair["models"]


@pytest.mark.parametrize("fault", ["create.reset_after", "create.server_error_after"])
def test_an_unknown_outcome_never_moves_on(make, standin, pair, fault: str) -> None:
    standin.faults.set(fault)
    assert _finish(make(pair)).output["model_reference"] == pair["models"][0]
    assert len(standin.creates) == 1


def test_an_unknown_outcome_of_the_second_is_not_taken_for_the_first(make, standin, pair) -> None:
    same = {**pair, "models": [pair["models"][0]] * 2}

    async def scenario() -> Any:
        async with make({**same, "webhook": "always"}) as driver:
            standin.faults.set("execution.fail")
            await driver.start()
            standin.settle()
            standin.faults.set("create.reset_after")
            return await driver.finish()

    record = asyncio.run(scenario())
    assert record.output["provider_job_id"] == standin.creates[1].prediction_id
    assert len(standin.creates) == 2
    _never_two_alive(standin)


@pytest.mark.parametrize("webhook", ["always", "never"])
def test_every_crash_point_leaves_one_prediction_per_model(make, standin, pair, webhook: str) -> None:
    def step(place: int) -> dict[str, Any]:
        return {**pair, "webhook": webhook, "input": {"text": f"{webhook} {place}"}}

    standin.faults.set("execution.fail")
    quiet = make(step(-1))
    assert _finish(quiet).output
    points = len(quiet.boundaries)
    for place in range(points):
        before = len(standin.creates)
        standin.faults.clear()
        standin.faults.set("execution.fail")
        driver = make(step(place), crash_at=(place,))
        record = _finish(driver)
        assert record.error is None, (quiet.boundaries[place], record.error)
        made = [item.body["version"] for item in standin.creates[before:]]
        assert made == pair["models"], f"crash at {driver.boundaries[place]}"
    _never_two_alive(standin)


def test_without_time_left_no_other_model_is_started(make, standin, sleepy, clock) -> None:
    deadline = datetime.fromtimestamp(clock.now() + 10, UTC)
    step = {"models": [sleepy["model"]] * 2, "input": sleepy["input"], "webhook": "never"}
    record = _finish(make(step, deadline=deadline))
    assert isinstance(record.error, TimedOut)
    assert "stopped at its deadline" in record.error.message
    assert len(standin.creates) == 1


def test_the_running_time_is_limited_and_the_start_is_not(make, standin, sleepy) -> None:
    async def scenario(release: bool) -> Any:
        async with make({**sleepy, "run_timeout": "15s", "webhook": "never"}) as driver:
            standin.faults.set("execution.stay_starting")
            record = await driver.start()
            for _ in range(12):
                await driver.wake()
                await driver.advance(10)
            assert not record.done
            standin.release(record.notes["prediction"])
            return await driver.finish()

    record = asyncio.run(scenario(True))
    assert isinstance(record.error, TimedOut)
    assert "run_timeout" in record.error.message
    (prediction,) = standin.predictions.values()
    assert prediction.status == "canceled"
    assert 15 <= prediction.completed_at - prediction.started_at <= 18


def test_a_webhook_of_the_start_sets_the_alarm(make, standin, sleepy) -> None:
    async def scenario() -> Any:
        async with make({**sleepy, "run_timeout": 5, "webhook": "always"}) as driver:
            await driver.start()
            await driver.callback_arrives()
            record = await driver.wake()
            assert (record.park.until - driver.now()).total_seconds() <= 5
            return await driver.finish()

    assert isinstance(asyncio.run(scenario()).error, TimedOut)
    (prediction,) = standin.predictions.values()
    assert prediction.webhook_events_filter == ("start", "completed")
    assert 5 <= prediction.completed_at - prediction.started_at <= 7


def test_one_that_ends_in_time_is_not_stopped(make, sleepy) -> None:
    assert _finish(make({**sleepy, "run_timeout": 60})).output["output_text"] == "rested"


def test_somebody_elses_cancel_is_not_a_timeout(make, standin, sleepy) -> None:
    async def scenario() -> Any:
        async with make({**sleepy, "run_timeout": 60, "webhook": "never"}) as driver:
            record = await driver.start()
            standin._predictions.cancel(record.notes["prediction"])
            return await driver.finish()

    assert isinstance(asyncio.run(scenario()).error, Canceled)
