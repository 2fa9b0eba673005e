"""What a step leaves at Replicate when it is over: it is stopped, and what it cost is charged, once.

Whoever cancels, and whenever: at any moment of an attempt, with the process dying at any moment of the
settlement too, every prediction that exists in the end is over and charged exactly once.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from hookline.sdk import OutcomeUnknown
from hookline.testing.clock import ManualClock

pytestmark = pytest.mark.timeout(180)

H100 = 0.001525


def run(scenario: Any) -> Any:
    return asyncio.run(scenario)


def _price(standin: Any, since: int) -> float:
    """What the account is billed for predictions created since: the seconds that each of them ran."""
    total = 0.0
    for created in standin.creates[since:]:
        prediction = standin.predictions[created.prediction_id]
        assert prediction.done, prediction.status
        total += prediction.metrics.get("predict_time", 0.0) * H100
    return total


async def _names(make: Any, step: Any) -> list[str]:
    async with make(step) as driver:
        await driver.start()
        return list(driver.boundaries)


@pytest.fixture
def priced(sleepy: dict[str, Any]) -> dict[str, Any]:
    return {**sleepy, "hardware": "gpu-h100"}


@pytest.mark.parametrize("webhook", ["always", "never"])
def test_canceled_at_any_moment_it_is_stopped_and_charged_once(
    make, standin, clock: ManualClock, priced, webhook: str
) -> None:
    step = {**priced, "webhook": webhook}

    async def scenario(place: int) -> Any:
        text = {**step["input"], "text": f"{webhook} {place}"}
        async with make({**step, "input": text}, crash_at=(place,)) as driver:
            await driver.start_until_crash()
            clock.advance(3)
            await driver.settle("canceled")
            return driver

    names = run(_names(make, step))
    assert len(names) >= 6
    for place, name in enumerate(names):
        before = len(standin.creates)
        driver = run(scenario(place))
        assert len(standin.creates) - before <= 1, name
        assert driver.usd == pytest.approx(_price(standin, before)), f"canceled at {name}: {driver.logged}"
        assert len(driver.charged) <= 1, name


@pytest.mark.parametrize("at", ["parked", "created"])
def test_a_process_that_dies_while_it_settles_charges_nothing_twice(make, standin, priced, at: str) -> None:
    async def scenario(*dies: int) -> Any:
        text = {**priced["input"], "text": f"{at} {dies}"}
        async with make({**priced, "input": text}) as driver:
            if at == "parked":
                await driver.start()
            else:
                driver.crash_at = {created}
                assert await driver.start_until_crash()
            start = len(driver.boundaries)
            driver.crash_at = {start + place for place in dies}
            await driver.settle("canceled")
            return driver, driver.boundaries[start:]

    first = run(_names(make, priced))
    created = next(place for place, name in enumerate(first) if name.startswith("after POST"))
    _, names = run(scenario())
    assert len(names) >= 3
    for place in range(len(names)):
        before = len(standin.creates)
        driver, _ = run(scenario(place, place + 2))
        assert driver.crashes >= 1
        assert len(standin.creates) - before == 1
        assert driver.usd == pytest.approx(_price(standin, before)), names[place]


def test_what_ran_before_it_was_stopped_is_charged(make, standin, clock: ManualClock, priced) -> None:
    async def scenario() -> Any:
        async with make(priced) as driver:
            await driver.start()
            clock.advance(5)
            await driver.settle("canceled")
            return driver

    driver = run(scenario())
    job = standin.creates[0].prediction_id
    assert standin.predictions[job].status == "canceled"
    assert driver.charged == [("hookline/sleepy", pytest.approx(5 * H100, rel=0.3))]
    assert any("was canceled" in line for line in driver.logged)


def test_before_anything_was_sent_nothing_is_asked(make, standin, priced) -> None:
    async def scenario() -> Any:
        async with make(priced, crash_at=(0,)) as driver:
            assert await driver.start_until_crash()
            before = len(driver.boundaries)
            await driver.settle("canceled")
            return driver, driver.boundaries[before:]

    driver, asked = run(scenario())
    assert (driver.usd, standin.creates) == (0, [])
    assert asked == ["stopped", "commit settlement"]


def test_an_unknown_outcome_is_charged_when_it_is_found_and_not_stopped(
    make, standin, clock: ManualClock, priced
) -> None:
    standin.faults.set("create.reset_after")

    async def scenario() -> Any:
        async with make({**priced, "webhook": "always"}, timeout=0.5) as driver:
            await driver.start()
            assert isinstance(driver.unknown, OutcomeUnknown)
            standin.faults.set("list.server_error", times=3)
            await driver.settle("unknown")
            return driver

    driver = run(scenario())
    assert len(standin.creates) == 1
    assert standin.predictions[standin.creates[0].prediction_id].status == "succeeded"
    assert driver.charged == [("hookline/sleepy", pytest.approx(20 * H100, rel=0.05))]


def test_proof_of_absence_costs_nothing(make, standin, clock: ManualClock, priced) -> None:
    standin.faults.set("create.hang_before")

    async def scenario() -> Any:
        async with make(priced, timeout=0.5) as driver:
            await driver.start()
            assert isinstance(driver.unknown, OutcomeUnknown)
            began = clock.now()
            await driver.settle("unknown")
            return driver, clock.now() - began

    driver, waited = run(scenario())
    assert (driver.usd, standin.creates) == (0, [])
    assert waited >= 50, "a prediction may show itself in the list a minute later"


@pytest.mark.parametrize("fault", ["get.server_error", "cancel.server_error", "get.throttled"])
def test_what_cannot_be_reached_is_stopped_and_charged_later(make, standin, priced, fault: str) -> None:
    async def scenario() -> Any:
        async with make(priced) as driver:
            await driver.start()
            standin.faults.set(fault, times=2)
            await driver.settle("canceled")
            return driver

    driver = run(scenario())
    assert standin.faults.happened(fault) == 2
    assert driver.usd == pytest.approx(_price(standin, 0))


def test_a_refused_creation_leaves_nothing_to_settle(make, standin, priced) -> None:
    standin.faults.set("create.throttled")

    async def scenario() -> Any:
        async with make(priced) as driver:
            await driver.start()
            return driver

    driver = run(scenario())
    assert driver.record.error is not None
    assert not driver.owes


def test_a_candidate_that_failed_is_charged_whatever_becomes_of_the_next(make, standin, priced) -> None:
    """Each moment of trying two models, with the process dying there: each is paid for once."""
    step = {
        "models": [priced["model"], priced["model"]],
        "hardware": "gpu-h100",
        "fallback_on": ["bad_input", "malformed_output", "timeout"],
        "expect": {"max_size": "8B"},
    }

    async def scenario(text: str, *dies: int) -> Any:
        async with make({**step, "input": {"text": text}}, crash_at=dies) as driver:
            await driver.finish()
            return driver

    quiet = run(scenario("a long text"))
    assert quiet.record.error.type == "malformed_output"
    assert [of for of, _ in quiet.charged] == ["hookline/sleepy"] * 2
    for place, name in enumerate(quiet.boundaries):
        before = len(standin.creates)
        driver = run(scenario(f"a long text {place}", place))
        assert len(standin.creates) - before == 2, name
        assert driver.usd == pytest.approx(_price(standin, before)), name
