"""Whatever crashes, is lost, doubled or late: one attempt creates one prediction, and ends well."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from hookline.engine.loader import import_room
from hookline.sdk import (
    AuthenticationFailed,
    BadInput,
    InsufficientCredit,
    OutcomeUnknown,
    Park,
    PastOutput,
    RateLimited,
    Unavailable,
)
from hookline.testing.clock import ManualClock
from hookline.testing.replicate import Model, openapi_schema, plans

_room = import_room("connectors.replicate.owners")
KEPT, Owners = _room.KEPT, _room.Owners

pytestmark = pytest.mark.timeout(120)


def run(scenario: Any) -> Any:
    return asyncio.run(scenario)


async def _finished(driver: Any) -> Any:
    async with driver:
        record = await driver.finish()
    assert record.error is None, record.error
    return record.output


@pytest.mark.parametrize("webhook", ["always", "never"])
def test_every_crash_point_leaves_one_prediction(make, standin, picture, webhook) -> None:
    step = {**picture, "webhook": webhook}
    quiet = make(step)
    assert run(_finished(quiet))["files"]
    points = len(quiet.boundaries)
    assert points >= 10
    for place in range(points):
        before = len(standin.creates)
        driver = make({**step, "input": {**step["input"], "prompt": f"{webhook} {place}"}}, crash_at=(place,))
        output = run(_finished(driver))
        assert driver.crashes == 1, quiet.boundaries[place]
        assert len(standin.creates) - before == 1, f"crash at {driver.boundaries[place]}"
        assert [file["mime"] for file in output["files"]] == ["image/png", "image/png"]


@pytest.mark.parametrize("first", range(0, 14, 2))
def test_crashes_during_recovery_leave_one_prediction(make, standin, sleepy, first: int) -> None:
    for gap in range(1, 8):
        before = len(standin.creates)
        step = {**sleepy, "input": {**sleepy["input"], "text": f"{first} {gap}"}}
        driver = make(step, crash_at=(first, first + gap, first + 2 * gap))
        output = run(_finished(driver))
        assert output["output_text"] == f"{first} {gap}"
        assert len(standin.creates) - before == 1, f"crashes at {first}, +{gap}: {driver.boundaries}"


@pytest.mark.parametrize("webhook", ["always", "never"])
@pytest.mark.parametrize(
    "fault",
    [
        "create.reset_after",
        "create.hang_after",
        "create.server_error_after",
        "create.unavailable_html_after",
        "create.unparsable_after",
        "create.slow_after",
    ],
)
def test_a_lost_answer_is_looked_up(make, standin, echo, fault: str, webhook: str) -> None:
    standin.faults.set(fault)
    driver = make({**echo, "webhook": webhook}, timeout=0.5)
    output = run(_finished(driver))
    assert standin.faults.happened(fault) == 1
    assert output["output_text"] == "hello"
    assert len(standin.creates) == 1
    assert output["provider_job_id"] == standin.creates[0].prediction_id


@pytest.mark.parametrize("fault", ["create.reset_before", "create.hang_before", "create.server_error"])
def test_an_unanswered_request_that_did_nothing_is_proved_absent_before_it_is_sent_again(
    make, standin, clock: ManualClock, echo, fault: str
) -> None:
    standin.faults.set(fault)
    driver = make(echo, timeout=0.5)
    began = clock.now()
    output = run(_finished(driver))
    assert output["output_text"] == "hello"
    assert len(standin.creates) == 1
    assert driver.looked_up >= 2
    assert standin.creates[0].at - began >= 60


@pytest.mark.parametrize("webhook", ["always", "never"])
def test_a_list_that_does_not_echo_the_webhook_is_searched_by_model_and_input(
    make, standin, echo, webhook: str
) -> None:
    standin.faults.set("list.without_webhook", times=None)
    standin.faults.set("create.reset_after")
    output = run(_finished(make({**echo, "webhook": webhook})))
    assert output["output_text"] == "hello"
    assert len(standin.creates) == 1


def test_another_attempts_prediction_of_the_same_input_is_not_taken(make, standin, echo) -> None:
    other = make({**echo, "webhook": "always"})
    run(_finished(other))
    mine = make({**echo, "webhook": "always"})
    standin.faults.set("create.reset_before")
    output = run(_finished(mine))
    assert len(standin.creates) == 2
    assert output["provider_job_id"] == standin.creates[1].prediction_id


@pytest.mark.parametrize("fault", ["create.reset_before", "create.reset_after"])
def test_a_loops_other_prediction_of_the_same_input_is_not_taken(make, standin, echo, fault: str) -> None:
    """Without a webhook only the notes of the run's other steps tell the two apart."""
    step = {**echo, "webhook": "never"}
    other = make(step)
    run(_finished(other))
    mine = make(step)
    mine.other_notes = [other.record.notes]
    standin.faults.set(fault)
    output = run(_finished(mine))
    assert len(standin.creates) == 2
    assert output["provider_job_id"] == standin.creates[1].prediction_id


@pytest.mark.parametrize("minutes", [0, 3])
def test_what_another_run_gave_is_not_taken_and_leaves_nothing_open(
    make, standin, clock: ManualClock, echo, minutes: int
) -> None:
    """Whoever runs the same again after some minutes must not be left with an outcome nobody knows."""
    step = {**echo, "webhook": "never"}
    other = make(step)
    given = run(_finished(other))
    clock.advance(60 * minutes)
    mine = make(step)
    mine.past = [PastOutput("run_0", "test", "steps[0]", mine.now(), given)]
    standin.faults.set("create.reset_before")
    output = run(_finished(mine))
    assert len(standin.creates) == 2
    assert output["provider_job_id"] == standin.creates[1].prediction_id


def test_what_another_attempt_owns_is_forgotten_at_last() -> None:
    owners = Owners()
    for number in range(KEPT + 10):
        owners.set(f"p{number}", "run_1/steps[0]/1")
    owners.set("mine", "run_2/steps[0]/1")
    others = list(owners.others("run_2/steps[0]/1"))
    assert len(others) == KEPT - 1
    assert others[-1] == f"p{KEPT + 9}"
    assert "mine" not in others


@pytest.mark.parametrize("fault", ["list.server_error", "list.unavailable_html", "list.reset_before"])
def test_an_incomplete_list_proves_nothing(make, standin, clock: ManualClock, echo, fault: str) -> None:
    async def scenario() -> None:
        async with make(echo, timeout=2.0) as driver:
            standin.faults.set("create.reset_before")
            standin.faults.set(fault, times=None)
            record = await driver.start()
            assert record.stage == "unknown"
            for _ in range(3):
                await driver.advance(600)
                record = await driver.look_up()
                assert record.stage == "unknown"
            assert standin.creates == []
            standin.faults.clear(fault)
            assert (await driver.finish()).output["output_text"] == "hello"
        assert len(standin.creates) == 1

    run(scenario())


@pytest.mark.parametrize("webhook", ["always", "never"])
def test_a_busy_account_hides_no_prediction(
    make, standin, clock: ManualClock, echo, monkeypatch: pytest.MonkeyPatch, webhook: str
) -> None:
    """So many were made since that the list is not followed to its end."""
    monkeypatch.setattr(import_room("connectors.replicate.client"), "MAX_PAGES", 1)
    standin.faults.set("create.reset_after")
    version = standin.version_of("hookline/manual")

    async def scenario() -> None:
        async with make({**echo, "webhook": webhook}) as driver:
            assert (await driver.start()).stage == "unknown"
            await driver.advance(600)
            await asyncio.to_thread(_make_others, standin, version, 101)
            assert (await driver.finish()).output["provider_job_id"] == standin.creates[0].prediction_id

    run(scenario())
    assert len(standin.creates) == 102


def test_a_webhook_tells_what_neither_answer_nor_list_did(make, standin, clock: ManualClock, sleepy) -> None:
    standin.faults.set("create.reset_after")
    standin.faults.set("list.server_error", times=None)

    async def scenario() -> None:
        async with make({**sleepy, "webhook": "always"}) as driver:
            assert (await driver.start()).stage == "unknown"
            await driver.advance(5)
            assert (await driver.look_up()).stage == "unknown"
            await driver.advance(20)
            await asyncio.to_thread(standin.wait_for_deliveries, lambda made: len(made) == 1)
            record = await driver.look_up()
            assert record.output["output_text"] == "rested"
            assert record.output["provider_job_id"] == standin.creates[0].prediction_id

    run(scenario())
    assert len(standin.creates) == 1


def test_a_webhook_of_an_earlier_candidate_tells_nothing_of_the_next(make, standin, sleepy, echo) -> None:
    pair = {"models": [sleepy["model"], echo["model"]], "input": {"text": "hello"}, "webhook": "always"}
    standin.faults.set("execution.fail")

    async def scenario() -> None:
        async with make(pair) as driver:
            await driver.start()
            standin.faults.set("create.reset_after")
            standin.faults.set("list.without_webhook", times=None)
            record = await driver.finish()
            assert record.output["provider_job_id"] == standin.creates[1].prediction_id

    run(scenario())
    assert len(standin.creates) == 2


def _make_others(standin, version: str, number: int) -> None:
    with httpx.Client(headers={"Authorization": f"Bearer {standin.token}"}) as client:
        for _ in range(number):
            made = client.post(
                f"{standin.base_url}/v1/predictions",
                json={"version": version, "input": {}},
            )
            assert made.status_code == 201


SECRETIVE = Model(
    owner="acme",
    name="keyed",
    description="Takes a key",
    schema=openapi_schema(
        {"text": {"type": "string"}, "key": {"type": "string", "format": "password", "x-cog-secret": True}},
        ["text", "key"],
        {"type": "string"},
    ),
    plan=plans.echo,
)


@pytest.mark.parametrize("publishes", [True, False])
@pytest.mark.parametrize("given", ["connection", "step"])
def test_a_secret_that_is_not_given_back_does_not_hide_the_prediction(
    make, standin, given: str, publishes: bool
) -> None:
    standin.catalog.put(SECRETIVE)
    standin.faults.set("create.reset_after")
    if not publishes:
        standin.faults.set("models.null_schema", times=None)
    key = {"key": "canary-key"}
    fields = {"secret_inputs": {"acme/keyed": key}} if given == "connection" else {}
    step = {
        "model": f"acme/keyed:{SECRETIVE.version}",
        "input": {"text": "x", **({} if fields else key)},
        "webhook": "never",
    }

    async def scenario() -> Any:
        async with make(step, fields=fields) as driver:
            assert (await driver.start()).stage == "unknown"
            await driver.advance(90)
            return await driver.look_up()

    record = run(scenario())
    assert standin.creates[0].body["input"] == {"text": "x", "key": "canary-key"}
    assert len(standin.creates) == 1
    assert record.notes["intent"]["fingerprint"].keys() >= {"text"}
    if publishes or given == "connection":
        assert record.output["output_text"] == "x"
        assert "key" not in record.notes["intent"]["fingerprint"]
    else:
        assert record.stage == "unknown"


def test_null_as_text_ends_a_list(make, standin, echo) -> None:
    standin.faults.set("list.null_string_next", times=None)
    standin.faults.set("create.reset_before")
    assert run(_finished(make(echo)))["output_text"] == "hello"
    assert len(standin.creates) == 1


def test_no_intent_means_nothing_was_sent(make, standin, echo) -> None:
    async def scenario() -> None:
        async with make(echo) as driver:
            driver.record.stage = "lookup"
            assert await driver.action.lookup(driver, **echo) is None

    run(scenario())


def test_the_intent_is_on_disk_before_the_request_and_the_id_right_after(make, standin, sleepy) -> None:
    driver = make(sleepy)
    run(_finished(driver))
    post = next(place for place, name in enumerate(driver.boundaries) if "POST predictions" in name)
    assert driver.boundaries[post - 1] == "after note ['intent']"
    assert driver.boundaries[post + 2] == "before note ['prediction']"
    assert [name for name in driver.boundaries if name.startswith("before POST")] == [
        "before POST predictions"
    ]


@pytest.mark.parametrize(
    ("fault", "value", "error"),
    [
        ("create.insufficient_credit", None, InsufficientCredit),
        ("create.throttled", "7,header", RateLimited),
        ("create.throttled", "7,body", RateLimited),
        ("create.throttled", "7,text", RateLimited),
    ],
)
def test_a_refusal_creates_nothing(make, standin, echo, fault: str, value: str, error: type) -> None:
    standin.faults.set(fault, value=value)

    async def scenario() -> None:
        async with make(echo) as driver:
            record = await driver.start()
            assert type(record.error) is error
            assert standin.creates == []
            if error is RateLimited:
                assert record.error.retry_after == 7

    run(scenario())


def test_refused_credentials_and_values_are_typed(make, standin, echo) -> None:
    connector = import_room("connectors.replicate.connector")

    async def scenario() -> None:
        driver = make(echo)
        driver._connect = lambda ctx: connector.connect(ctx, token="r8_wrong", base_url=standin.base_url)
        async with driver:
            assert isinstance((await driver.start()).error, AuthenticationFailed)
        model = echo["model"]
        for parameters, expected in (
            ({"model": model, "input": {"text": 3}}, "/input/text"),
            ({"model": model, "input": {}}, "/input/text: it is required"),
            ({"model": f"hookline/echo:{'0' * 64}", "input": {}}, "does not exist"),
            ({"model": "hookline/echo:newest", "input": {}}, "cannot be understood"),
            ({"model": model, "deployment": "a/b", "input": {}}, "exactly one of model"),
            ({"input": {}}, "exactly one of model"),
            ({"model": "../account", "input": {}}, "cannot be understood"),
        ):
            async with make(parameters) as driver:
                error = (await driver.start()).error
                assert isinstance(error, BadInput)
                assert expected in error.message
        assert standin.creates == []

    run(scenario())


def test_a_server_that_is_not_there_created_nothing(make, standin, echo) -> None:
    async def scenario() -> None:
        async with make(echo) as driver:
            await asyncio.to_thread(standin._server.stop)
            assert type((await driver.start()).error) is Unavailable

    run(scenario())


def test_a_crash_between_answer_and_note_is_found_while_it_runs(make, standin, sleepy) -> None:
    quiet = make(sleepy)
    run(_finished(quiet))
    place = quiet.boundaries.index("after POST predictions")

    async def scenario() -> None:
        async with make({**sleepy, "input": {**sleepy["input"], "text": "x"}}, crash_at=(place,)) as driver:
            record = await driver.start()
            assert isinstance(record.park, Park)
            assert record.notes["prediction"] == standin.creates[-1].prediction_id
            assert (await driver.finish()).output["output_text"] == "x"

    run(scenario())
    assert len(standin.creates) == 2


def test_an_ambiguous_candidate_is_left_to_a_person(make, standin, clock: ManualClock, echo) -> None:
    """An hour later the list no longer holds inputs: what was made then may be ours."""
    standin.faults.set("list.without_webhook", times=None)
    standin.faults.set("create.reset_after")

    async def scenario() -> None:
        async with make({**echo, "webhook": "never"}) as driver:
            assert (await driver.start()).stage == "unknown"
            await driver.advance(4000)
            record = await driver.look_up()
            assert record.stage == "unknown"
            assert isinstance(driver.unknown, OutcomeUnknown)
            assert standin.creates[0].prediction_id in driver.unknown.message

    run(scenario())
    assert len(standin.creates) == 1
