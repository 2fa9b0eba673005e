"""A real Cog server, and recorded ones for what a real one does not do on request."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import jsonschema
import pytest
import referencing

from hookline.engine.loader import import_room
from hookline.sdk import (
    ActionError,
    BadInput,
    Canceled,
    ContentRejected,
    File,
    MalformedOutput,
    NotFound,
    OutcomeUnknown,
    Park,
    RateLimited,
    Recorded,
    TimedOut,
    Unavailable,
    Wake,
)
from hookline.sdk.model_files import ModelSchema
from hookline.testing.clock import SystemClock
from hookline.testing.cog import MODELS, CogServer, cog_unavailable_reason
from hookline.testing.fakes import FakeContext, open_connection, run_action

from ..driver import Driver

connector = import_room("connectors.cog.connector")
inputs = import_room("connectors.cog.inputs")

needs_cog = pytest.mark.skipif(cog_unavailable_reason() is not None, reason=str(cog_unavailable_reason()))


@pytest.fixture(scope="module")
def server() -> Iterator[CogServer]:
    with CogServer(MODELS / "shout") as running:
        yield running


@pytest.fixture(scope="module")
def restyle() -> Iterator[CogServer]:
    with CogServer(MODELS / "restyle") as running:
        yield running


def _driver(server: CogServer, step: dict[str, Any], *, fields: Any = None, **options: Any) -> Driver:
    def connect(ctx: Any) -> Any:
        return connector.connect(ctx, base_url=server.base_url, **(fields or {}))

    return Driver(connector.run, step, connect, SystemClock(), **options)


def _valid(output: Any) -> None:
    validator = jsonschema.Draft202012Validator(connector.run.output_schema, registry=referencing.Registry())
    assert [error.message for error in validator.iter_errors(output)] == []


# A real server


@needs_cog
def test_a_round_trip(server: CogServer) -> None:
    async def scenario() -> None:
        async with _driver(server, {"input": {"text": "hello"}, "usd_per_second": 0.001}) as driver:
            driver.key = "run_1/steps[0]/round trip"
            record = await driver.start()
            assert record.stage == "parked"
            await driver.callback_arrives()
            output = (await driver.wake()).output
            _valid(output)
            assert output["output_text"] == "HELLO"
            assert output["provider"] == "cog"
            assert output["provider_job_id"] == record.notes["intent"]["job"]
            assert output["cost_usd"] == driver.usd
            assert 0 < driver.usd < 0.001

    asyncio.run(scenario())


@needs_cog
def test_a_file_goes_in_and_a_file_comes_out(restyle: CogServer) -> None:
    from hookline.testing.replicate.plans import png

    async def scenario() -> None:
        async with _driver(restyle, {"input": {}}) as driver:
            file = driver.files.put(png(8, 8, (200, 100, 50)), name="in.png")
            driver.parameters = {"input": {"image": file.to_json()}}
            await driver.start()
            assert driver.record.error is None, driver.record.error
            await driver.callback_arrives()
            output = (await driver.wake()).output
            _valid(output)
            assert output["output_type"] == "files"
            kept = File.from_json(output["files"][0])
            assert kept.mime.startswith("image/")
            assert len(driver.files.content(kept)) == kept.bytes

    asyncio.run(scenario())


@needs_cog
def test_a_path_is_never_given_to_a_file_input(restyle: CogServer) -> None:
    async def scenario() -> None:
        for path in ("/etc/hostname", "predict.py", "../x", "file:///etc/hostname", "hello"):
            async with _driver(restyle, {"input": {"image": path}}) as driver:
                record = await driver.start()
                assert type(record.error) is BadInput, path
                assert "/input/image" in record.error.message
                assert not [name for name in driver.boundaries if "PUT" in name]

    asyncio.run(scenario())


@needs_cog
def test_what_the_model_does_not_take_is_refused_before_anything_is_sent(server: CogServer) -> None:
    async def scenario() -> None:
        for given, told, hint in (
            ({"text": "x", "secnds": 1}, "/input/secnds", '"seconds"'),
            ({"seconds": 1}, "/input/text", ""),
            ({"text": "x", "seconds": 99}, "/input/seconds: it must be at most 60", ""),
        ):
            async with _driver(server, {"input": given}) as driver:
                record = await driver.start()
                assert type(record.error) is BadInput
                assert told in record.error.message
                assert hint in record.error.hint
                assert not [name for name in driver.boundaries if "PUT" in name]

    asyncio.run(scenario())


@needs_cog
def test_a_failed_model_is_a_typed_error(server: CogServer) -> None:
    async def scenario() -> None:
        for text, error in (("asked to fail", BadInput), ("NSFW content detected", ContentRejected)):
            async with _driver(server, {"input": {"text": "x", "error": text}}) as driver:
                driver.key = f"run_1/steps[0]/{text}"
                await driver.start()
                await driver.callback_arrives()
                record = await driver.wake()
                assert type(record.error) is error
                assert text in record.error.message

    asyncio.run(scenario())


@needs_cog
def test_values_the_model_refuses_name_the_field(server: CogServer) -> None:
    async def scenario() -> None:
        async with _driver(server, {"input": {"text": "x", "seconds": 99}}) as driver:
            error = (await driver.start()).error
            assert type(error) is BadInput
            assert "/input/seconds" in error.message

    asyncio.run(scenario())


@needs_cog
def test_asking_while_it_runs_puts_nothing(server: CogServer) -> None:
    """It could end between the look and the request, and would then run again."""

    async def scenario() -> None:
        async with _driver(server, {"input": {"text": "slow", "seconds": 1.5}}) as driver:
            driver.key = "run_1/steps[0]/join"
            await driver.start()
            for _ in range(3):
                record = await driver.wake()
                assert record.stage == "parked"
                assert record.park.data["accepted"]
            assert driver.boundaries.count(f"after PUT predictions/{record.park.data['job']}") == 1
            await driver.callback_arrives()
            assert (await driver.wake()).output["output_text"] == "SLOW"
            assert len(record.callbacks) == 0

    asyncio.run(scenario())


@needs_cog
def test_a_second_prediction_waits_for_the_place_of_the_first(server: CogServer) -> None:
    async def scenario() -> None:
        async with (
            _driver(server, {"input": {"text": "a", "seconds": 1.0}}) as first,
            _driver(server, {"input": {"text": "b"}}) as second,
        ):
            first.key, second.key = "run_1/steps[0]/first", "run_2/steps[0]/second"
            await first.start()
            record = await second.start()
            assert (record.stage, record.park.reason) == ("parked", "a place on the Cog server")
            assert not [name for name in second.boundaries if "note" in name or "PUT" in name]
            assert (await second.wake()).park.reason == "a place on the Cog server"
            await second.cancel()
            await first.callback_arrives()
            assert (await first.wake()).output["output_text"] == "A"
            await second.wake()
            await second.callback_arrives()
            assert (await second.wake()).output["output_text"] == "B"

    asyncio.run(scenario())


@needs_cog
def test_every_crash_point_ends_with_the_result(server: CogServer) -> None:
    async def life(place: int | None) -> Driver:
        crash_at = () if place is None else (place,)
        async with _driver(server, {"input": {"text": f"at {place}"}}, crash_at=crash_at) as driver:
            driver.key = f"run_1/steps[0]/crash {place}"
            await driver.start()
            for _ in range(10):
                if driver.record.done:
                    break
                if driver.record.park.data["accepted"] and not driver.record.callbacks:
                    # A callback that was being read when the process died does not come again.
                    with contextlib.suppress(TimeoutError):
                        await driver.callback_arrives(1.0)
                await driver.wake()
            assert driver.record.output["output_text"] == f"AT {place}".upper(), driver.boundaries
            return driver

    async def scenario() -> None:
        points = len((await life(None)).boundaries)
        assert points >= 8
        for place in range(points):
            assert (await life(place)).crashes == 1

    asyncio.run(scenario())


@needs_cog
def test_a_lost_callback_is_made_good(server: CogServer) -> None:
    """The server's callbacks are refused, so its result can only be had by running it again."""

    async def scenario() -> None:
        fields = {"webhook_token": "the server does not send it"}
        async with _driver(server, {"input": {"text": "again"}}, fields=fields) as driver:
            driver.key = "run_1/steps[0]/lost"
            await driver.start()
            record = await driver.wake()
            for _ in range(30):
                if record.done:
                    break
                record = await driver.wake()
            assert record.output["output_text"] == "AGAIN"
            assert set(driver.wakes) == {"timer"}
            assert any("no callback came" in line for line in driver.logged)
            assert driver.refused

    asyncio.run(scenario())


@needs_cog
def test_a_held_connection_needs_no_callback(server: CogServer) -> None:
    async def scenario() -> None:
        step = {"input": {"text": "held", "seconds": 0.2}, "delivery": "connection"}
        async with _driver(server, step, reachable=False) as driver:
            driver.key = "run_1/steps[0]/held"
            assert (await driver.start()).output["output_text"] == "HELD"

    asyncio.run(scenario())


@needs_cog
def test_a_held_connection_ends_with_the_step_and_nothing_runs_again(server: CogServer) -> None:
    async def scenario() -> None:
        step = {"input": {"text": "long", "seconds": 30}, "delivery": "connection"}
        deadline = datetime.now(UTC) + timedelta(seconds=1.5)
        async with _driver(server, step, deadline=deadline) as driver:
            driver.key = "run_1/steps[0]/held too long"
            record = await driver.start()
            assert type(record.error) is TimedOut
            assert "held connection" in record.error.message
            assert len([name for name in driver.boundaries if name.startswith("before PUT")]) == 1

    asyncio.run(scenario())
    while httpx.get(f"{server.base_url}/health-check", trust_env=False).json()["status"] == "BUSY":
        time.sleep(0.05)


@needs_cog
@pytest.mark.parametrize("when_lost", ["run_again", "fail"])
def test_a_restarted_server(when_lost: str) -> None:
    async def scenario() -> None:
        with CogServer(MODELS / "shout") as server:
            port = int(server.base_url.rpartition(":")[2])
            step = {"input": {"text": "twice", "seconds": 1.0}, "when_lost": when_lost}
            async with _driver(server, step) as driver:
                assert (await driver.start()).stage == "parked"
                server.process.kill()
                record = await driver.wake()
                assert record.stage == "parked"
                assert record.park.data["misses"] == 1
                server.stop()
                with CogServer(MODELS / "shout", port):
                    record = await driver.wake()
                    if when_lost == "fail":
                        assert type(record.error) is TimedOut
                        assert "restarted" in record.error.message
                        return
                    assert record.park.data["restarts"] == 1
                    await driver.callback_arrives()
                    assert (await driver.wake()).output["output_text"] == "TWICE"

    asyncio.run(scenario())


@needs_cog
def test_a_canceled_run_stops_the_prediction(server: CogServer) -> None:
    async def scenario() -> None:
        async with _driver(server, {"input": {"text": "x", "seconds": 30}}) as driver:
            driver.key = "run_1/steps[0]/cancel"
            await driver.start()
            for _ in range(20):  # coglet 0.23.1 forgets a cancel that comes in the first milliseconds.
                await driver.cancel()
                with contextlib.suppress(TimeoutError):
                    await driver.callback_arrives(1.0)
                    break
            assert type((await driver.wake()).error) is Canceled
            await driver.cancel()

    asyncio.run(scenario())


@needs_cog
def test_callbacks_without_the_servers_token_are_refused() -> None:
    async def scenario() -> None:
        with CogServer(MODELS / "shout", environment={"WEBHOOK_AUTH_TOKEN": "tok"}) as server:
            async with _driver(server, {"input": {"text": "a"}}, fields={"webhook_token": "tok"}) as driver:
                assert not await driver.action.verify(driver, {}, b"{}")
                assert not await driver.action.verify(driver, {"authorization": "Bearer ü"}, b"{}")
                await driver.start()
                await driver.callback_arrives()
                assert (await driver.wake()).output["output_text"] == "A"

    asyncio.run(scenario())


# Recorded servers

SETUP = {"started_at": "2026-11-18T11:00:00Z"}
READY = Recorded(json={"status": "READY", "setup": SETUP}, expect="GET /health-check")
NO_SCHEMA = Recorded(status=503, json={"error": "OpenAPI schema not available"}, expect="GET /openapi.json")


def _context(*answers: Any, **fields: Any) -> FakeContext:
    ctx = FakeContext(answers=answers)
    open_connection(connector.cog.connection_type, ctx, base_url="http://cog.internal:5000", **fields)
    return ctx


def _start(ctx: FakeContext, **step: Any) -> Any:
    return asyncio.run(run_action(connector.run, {"input": {"text": "hello"}, **step}, ctx))


def _callback(ctx: FakeContext, park: Park, body: Any, **step: Any) -> Any:
    wake = Wake("callback", park.data, json.dumps(body).encode())
    return asyncio.run(connector.run.resume(ctx, wake, input={"text": "hello"}, **step))


def _look(ctx: FakeContext, park: Park, **step: Any) -> Any:
    """What a timer leads to: an output, a park, or the error."""
    try:
        return asyncio.run(
            connector.run.resume(ctx, Wake("timer", park.data), input={"text": "hello"}, **step)
        )
    except ActionError as error:
        return error


def test_the_example_runs() -> None:
    example = connector.run.examples[0]
    ctx = _context(*example.responses)
    output = asyncio.run(run_action(connector.run, example.input, ctx))
    _valid(output)
    assert output["output_text"] == "HELLO"
    assert "webhook" not in ctx.requests[-1].json


def test_the_old_generation_is_understood() -> None:
    whole = {
        "id": None,
        "input": {"text": "hello"},
        "created_at": "2026-11-18T11:00:01+00:00",
        "started_at": "2026-11-18T11:00:01+00:00",
        "completed_at": "2026-11-18T11:00:03.500000+00:00",
        "logs": "",
        "error": None,
        "metrics": {"predict_time": 2.5},
        "output": ["a", "b"],
        "version": None,
        "status": "succeeded",
    }
    started = {**whole, "status": "processing", "output": None, "completed_at": None}
    ctx = _context(READY, NO_SCHEMA, Recorded(status=202, json=started))
    park = _start(ctx)
    assert ctx.requests[-1].headers["prefer"] == "respond-async"
    output = _callback(ctx, park, whole)
    _valid(output)
    assert output["latency_ms"] == 2500
    assert output["output_text"] == "ab"
    assert output["output"] == ["a", "b"]


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (503, {"error": "Setup has not finished yet.", "status": "failed"}, Unavailable),
        (422, {"detail": [{"loc": ["body", "input", "n"], "msg": "99 is too much", "type": "x"}]}, BadInput),
        (400, "bad JSON", BadInput),
        (415, "wrong type", BadInput),
        (404, "", NotFound),
        (500, "oops", OutcomeUnknown),
        (502, "<html>", OutcomeUnknown),
        (202, "half a b", OutcomeUnknown),
        (200, {"nothing": 1}, OutcomeUnknown),
    ],
)
def test_refusals_are_typed(status: int, body: Any, error: type) -> None:
    recorded = (
        Recorded(status=status, text=body) if isinstance(body, str) else Recorded(status=status, json=body)
    )
    ctx = _context(READY, NO_SCHEMA, recorded)
    with pytest.raises(error) as caught:
        _start(ctx)
    assert type(caught.value) is error


@pytest.mark.parametrize("status", ["SETUP_FAILED", "UNHEALTHY", "DEFUNCT", "UNKNOWN"])
@pytest.mark.parametrize("code", [200, 503])
def test_a_server_that_does_not_work_is_not_asked(status: str, code: int) -> None:
    ctx = _context(Recorded(status=code, json={"status": status}))
    with pytest.raises(Unavailable):
        _start(ctx)
    assert len(ctx.requests) == 1
    assert ctx.notes == {}


ACCEPTED = Recorded(status=202, json={"id": "x", "status": "starting"})
FULL = [
    {"error": "At capacity - all prediction slots busy", "status": "failed"},
    {"detail": "Already running a prediction"},
]


@pytest.mark.parametrize("full", FULL)
def test_a_full_server_is_waited_for(full: Any) -> None:
    """BUSY, then not yet set up, then somebody else was quicker, then it has a place."""
    ctx = _context(Recorded(json={"status": "BUSY"}))
    park = _start(ctx)
    assert ctx.notes == {}
    for answers in (
        [Recorded(json={"status": "STARTING"})],
        [READY, NO_SCHEMA, Recorded(status=409, json=full)],
        [READY, NO_SCHEMA, ACCEPTED],
    ):
        assert set(park.data) == {"queued_since"}
        assert not ctx.notes.get("intent"), "nothing was started, so there is nothing to look up"
        assert asyncio.run(connector.run.lookup(ctx, input={"text": "hello"})) is None
        ctx.clock.advance(2)
        ctx.exchange.answers.extend(answers)
        park = _look(ctx, park)
    assert park.data["job"] == ctx.notes["intent"]["job"]
    body = {"id": park.data["job"], "status": "succeeded", "output": "HELLO"}
    assert _callback(ctx, park, body)["output_text"] == "HELLO"


def test_what_is_waited_for_a_place_is_no_running_time() -> None:
    ctx = _context(Recorded(json={"status": "BUSY"}))
    park = _start(ctx, run_timeout="20s")
    ctx.clock.advance(100)
    ctx.exchange.answers += [READY, NO_SCHEMA, ACCEPTED]
    park = _look(ctx, park, run_timeout="20s")
    assert (park.until - ctx.now()).total_seconds() == 20, "sooner than it would ask"
    ctx.clock.advance(19)
    body = {"id": park.data["job"], "status": "processing"}
    park = _callback(ctx, park, body, run_timeout="20s")
    ctx.clock.advance(1)
    error = _look(ctx, park, run_timeout="20s")
    assert type(error) is TimedOut
    assert "20 s (run_timeout)" in error.message


def test_a_model_that_was_started_again_has_its_time_again() -> None:
    ctx = _context(READY, NO_SCHEMA, ACCEPTED)
    park = _start(ctx, run_timeout="50s")
    ctx.clock.advance(30)
    setup = {"started_at": "2026-11-18T12:00:00Z"}
    ctx.exchange.answers += [Recorded(json={"status": "READY", "setup": setup}), NO_SCHEMA, ACCEPTED]
    park = _look(ctx, park, run_timeout="50s")
    assert (park.until - ctx.now()).total_seconds() == 30
    ctx.clock.advance(30)
    assert park.data["began"] != park.data["since"]
    ctx.exchange.answers += [Recorded(json={"status": "BUSY", "setup": setup}), NO_SCHEMA, ACCEPTED]
    park = _look(ctx, park, run_timeout="50s")
    assert (park.until - ctx.now()).total_seconds() == 20


def test_a_crash_while_it_takes_a_place_loses_nothing() -> None:
    ctx = _context(Recorded(json={"status": "BUSY"}), READY, NO_SCHEMA, ACCEPTED)
    queued = _start(ctx)
    job = _look(ctx, queued).data["job"]  # ... and the park is not stored.
    sent = len(ctx.requests)
    recovered = asyncio.run(
        connector.run.resume(ctx, Wake("recovered", queued.data), input={"text": "hello"})
    )
    assert (recovered.data["job"], len(ctx.requests)) == (job, sent)
    body = {"id": job, "status": "succeeded", "output": "HELLO"}
    assert _callback(ctx, queued, body)["output_text"] == "HELLO"


def test_a_place_is_not_waited_for_for_ever() -> None:
    ctx = _context(Recorded(json={"status": "BUSY"}))
    park = _start(ctx)
    waited = 0.0
    while isinstance(park, Park):
        delay = (park.until - ctx.now()).total_seconds()
        assert 0.25 <= delay <= 15
        waited += delay
        ctx.clock.advance(delay)
        ctx.exchange.answers.append(Recorded(json={"status": "BUSY"}))
        park = _look(ctx, park)
    assert type(park) is RateLimited
    assert park.retry_after
    assert 3600 < waited < 3700


@pytest.mark.parametrize(
    "body",
    [
        {"id": "another", "status": "succeeded", "output": "x"},
        {"status": "processing", "output": ["HI"]},
        {"status": "unheard-of"},
        {"no": "status"},
        [],
        None,
    ],
)
def test_a_callback_that_ends_nothing_is_waited_over(body: Any) -> None:
    ctx = _context(READY, NO_SCHEMA, Recorded(status=202, json={"id": "x", "status": "starting"}))
    park = _start(ctx)
    if isinstance(body, dict) and "id" not in body:
        body["id"] = park.data["job"]
    again = _callback(ctx, park, body)
    assert isinstance(again, Park)
    assert again.data == park.data


def test_an_expectation_that_cannot_be_used_asks_nothing() -> None:
    ctx = _context()
    with pytest.raises(BadInput):
        _start(ctx, expect={"min_size": "much"})
    assert ctx.requests == []


def test_what_is_not_expected_is_malformed_and_runs_once() -> None:
    ctx = _context(READY, NO_SCHEMA, Recorded(status=202, json={"id": "x", "status": "starting"}))
    park = _start(ctx, expect={"type": "files"})
    body = {"id": park.data["job"], "status": "succeeded", "output": "HELLO"}
    with pytest.raises(MalformedOutput):
        _callback(ctx, park, body, expect={"type": "files"})
    assert [request.method for request in ctx.requests].count("PUT") == 1


def test_a_look_up_lets_a_stored_callback_be_read_before_anything_is_sent() -> None:
    ctx = _context(READY, NO_SCHEMA, Recorded(status=502, text="gone"))
    with pytest.raises(OutcomeUnknown):
        _start(ctx)
    sent = len(ctx.requests)
    park = asyncio.run(connector.run.lookup(ctx, input={"text": "hello"}))
    assert len(ctx.requests) == sent
    assert park.data["accepted"] is False
    body = {"id": park.data["job"], "status": "succeeded", "output": "HELLO"}
    assert _callback(ctx, park, body)["output_text"] == "HELLO"


def test_a_look_up_without_an_intent_is_certain() -> None:
    assert asyncio.run(connector.run.lookup(_context(), input={"text": "hello"})) is None


def test_never_twice_waits_for_late_callbacks_then_fails() -> None:
    ctx = _context(READY, NO_SCHEMA, Recorded(status=202, json={"id": "x", "status": "starting"}))
    park = _start(ctx, when_lost="fail")
    looks = 0
    while isinstance(park, Park):
        looks += 1
        ctx.clock.advance(30)
        ctx.exchange.answers.append(READY)
        park = _look(ctx, park, when_lost="fail")
    assert type(park) is TimedOut
    assert looks * 30 > 600
    assert [request.method for request in ctx.requests].count("PUT") == 1


def test_what_an_old_server_cannot_deliver_is_had_at_the_next_look() -> None:
    """Up to Cog 0.16 it stays in flight while it is delivered, and the server busy."""
    ctx = _context(READY, NO_SCHEMA, ACCEPTED)
    park = _start(ctx)
    done = Recorded(status=202, json={"id": park.data["job"], "status": "succeeded", "output": "HELLO"})
    ctx.exchange.answers += [Recorded(json={"status": "BUSY", "setup": SETUP}), NO_SCHEMA, done]
    assert _look(ctx, park)["output_text"] == "HELLO"


def test_a_server_that_others_keep_busy_is_asked_for_a_lost_result_in_the_end() -> None:
    """Nothing is put for ten minutes; then it either joins what runs, or is refused for want of a place."""
    ctx = _context(READY, NO_SCHEMA, ACCEPTED)
    park = _start(ctx)
    busy = Recorded(json={"status": "BUSY", "setup": SETUP, "version": {"coglet": "0.23.1"}})
    looks = 0
    while [request.method for request in ctx.requests].count("PUT") == 1:
        looks += 1
        ctx.exchange.answers += [busy] if looks < 20 else [busy, NO_SCHEMA, Recorded(status=409, json={})]
        park = _look(ctx, park)
        assert isinstance(park, Park)
    assert looks * 30 == 600
    ctx.exchange.answers += [busy, NO_SCHEMA, ACCEPTED]
    assert _look(ctx, park).data["busy"] == 0


def test_a_server_that_dies_of_its_input_is_not_fed_for_ever() -> None:
    ctx = _context(READY, NO_SCHEMA, Recorded(status=202, json={"id": "x", "status": "starting"}))
    park = _start(ctx)
    boots = 0
    while isinstance(park, Park):
        boots += 1
        setup = {"started_at": f"2026-11-18T12:00:{boots:02}Z"}
        ctx.exchange.answers.extend(
            [
                Recorded(json={"status": "READY", "setup": setup}),
                NO_SCHEMA,
                Recorded(status=202, json={"id": "x", "status": "starting"}),
            ]
        )
        park = _look(ctx, park)
    assert type(park) is TimedOut
    assert "restarted" in park.message
    assert [request.method for request in ctx.requests].count("PUT") == 4


def _document(output: Any, **more: Any) -> Recorded:
    schemas = {"Input": {"type": "object"}, "Output": output, **more}
    return Recorded(json={"openapi": "3.0.2", "components": {"schemas": schemas}}, expect="GET /openapi.json")


def test_the_output_is_understood_when_the_server_is_gone_by_then() -> None:
    pieces = {"type": "array", "items": {"type": "string"}, "x-cog-array-display": "concatenate"}
    document = _document({"allOf": [{"$ref": "#/components/schemas/Pieces"}]}, Pieces=pieces, Other={})
    ctx = _context(READY, document, ACCEPTED)
    park = _start(ctx)
    assert set(ctx.notes["model"]["output"]["components"]["schemas"]) == {"Output", "Pieces"}
    body = {"id": park.data["job"], "status": "succeeded", "output": ["a ", "b"]}
    output = _callback(ctx, park, body)
    assert (output["output"], len(ctx.requests)) == ("a b", 3)


OLD = Recorded(json={"status": "READY", "setup": SETUP})
NEW = Recorded(json={"status": "READY", "setup": SETUP, "version": {"coglet": "0.23.1"}})


@pytest.mark.parametrize(
    ("health", "output", "meant"),
    [
        (OLD, {"type": "string"}, ""),
        (OLD, {"type": "integer"}, 0),
        (OLD, {"type": "boolean"}, False),
        (OLD, {"type": "array", "items": {"type": "string"}}, []),
        (OLD, {"type": "object"}, {}),
        (OLD, {"type": "string", "nullable": True}, None),
        (OLD, {"type": "string", "format": "uri"}, None),
        (OLD, {"type": "object", "required": ["a"]}, None),
        (OLD, {}, None),
        (NEW, {"type": "string"}, None),
    ],
)
def test_an_empty_output_of_the_old_generation_is_what_it_was(health: Any, output: Any, meant: Any) -> None:
    """Cog 0.16.12 answers null for everything that is false in Python."""
    ctx = _context(health, _document(output), ACCEPTED)
    park = _start(ctx)
    body = {"id": park.data["job"], "status": "succeeded", "output": None}
    found = _callback(ctx, park, body)["output"]
    assert (found, type(found)) == (meant, type(meant))


def test_another_model_does_not_answer_for_the_one_before() -> None:
    ctx = _context(READY, _document({"type": "string"}), ACCEPTED)
    park = _start(ctx)
    ctx.exchange.answers += [
        Recorded(json={"status": "READY", "setup": {"started_at": "2026-11-18T12:00:00Z"}}),
        _document({"type": "integer"}),
    ]
    error = _look(ctx, park)
    assert type(error) is TimedOut
    assert "another model" in error.message
    assert [request.method for request in ctx.requests].count("PUT") == 1


def test_a_server_that_is_gone_ends_the_step_as_a_timeout() -> None:
    ctx = _context(READY, NO_SCHEMA, Recorded(status=202, json={"id": "x", "status": "starting"}))
    park = _start(ctx)
    while isinstance(park, Park):
        ctx.exchange.answers.append(Unavailable("refused"))
        park = _look(ctx, park)
    assert type(park) is TimedOut
    assert len(ctx.requests) > 20


def test_without_a_callback_address_the_connection_is_held() -> None:
    done = Recorded(json={"id": "x", "status": "succeeded", "output": "HELLO"})
    ctx = _context(READY, NO_SCHEMA, done)
    ctx.callback_url = ""
    assert _start(ctx)["output_text"] == "HELLO"
    assert "webhook" not in ctx.requests[2].json
    assert "prefer" not in ctx.requests[2].headers


def test_a_file_above_the_limit_is_refused() -> None:
    ctx = _context(READY, NO_SCHEMA)
    file = ctx.fake_files.put(bytes(20_000_001), name="big.bin")
    with pytest.raises(BadInput):
        asyncio.run(run_action(connector.run, {"input": {"image": file.to_json()}}, ctx))


@pytest.mark.parametrize(
    ("body", "seen"),
    [
        (
            # Cog 0.16.12
            {
                "status": "BUSY",
                "setup": {
                    "started_at": "2026-11-20T16:01:07.125004+00:00",
                    "completed_at": "2026-11-20T16:01:07.643724+00:00",
                    "logs": "",
                    "status": "succeeded",
                },
            },
            {"status": "BUSY", "works": True, "setup_seconds": 0.519, "version": None},
        ),
        (
            {"status": "STARTING", "setup": {"started_at": "2026-11-20T16:01:07Z"}},
            {"status": "STARTING", "works": False, "ready_at": None, "setup_seconds": None},
        ),
        ({"status": "UNHEALTHY", "setup": None}, {"works": False, "started_at": None, "setup_seconds": None}),
    ],
)
def test_health_is_told_as_it_is(body: Any, seen: dict[str, Any]) -> None:
    output = asyncio.run(run_action(connector.get_health, {}, _context(Recorded(json=body))))
    assert output | seen == output


def test_the_schema_is_told_as_it_is_published() -> None:
    document = {"openapi": "3.0.2", "components": {"schemas": {"Input": {"type": "object"}}}}
    answers = (READY, Recorded(json=document, expect="GET /openapi.json"))
    output = asyncio.run(run_action(connector.get_schema, {}, _context(*answers)))
    assert output["openapi_schema"] == document
    assert len(output["sha256"]) == 64
    none = asyncio.run(run_action(connector.get_schema, {}, _context(READY, NO_SCHEMA)))
    assert none == {"openapi_schema": None, "sha256": None}
    with pytest.raises(Unavailable):
        asyncio.run(run_action(connector.get_schema, {}, _context(Recorded(json={"status": "SETUP_FAILED"}))))


def test_the_health_of_what_does_not_answer_is_an_error() -> None:
    for answer in (Unavailable("refused"), Recorded(json={"status": 1}), Recorded(status=500, text="")):
        with pytest.raises(Unavailable):
            asyncio.run(run_action(connector.get_health, {}, _context(answer)))


@pytest.mark.parametrize("figure", [-1, True, 10**400, "2", None, []])
def test_a_running_time_that_is_none_costs_no_output(figure: Any) -> None:
    ctx = _context(READY, NO_SCHEMA, ACCEPTED)
    park = _start(ctx, usd_per_second=0.5)
    body = {
        "id": park.data["job"],
        "status": "succeeded",
        "output": "HELLO",
        "metrics": {"predict_time": figure},
    }
    output = _callback(ctx, park, body, usd_per_second=0.5)
    assert (output["output_text"], output["cost_usd"], ctx.usd) == ("HELLO", None, 0.0)


def test_a_file_that_cannot_be_fetched_yet_is_fetched_later_and_paid_once() -> None:
    """The server has told of it once, and does not tell again."""
    document = _document({"type": "string", "format": "uri"})
    ctx = _context(READY, document, ACCEPTED, Recorded(status=503, text="not yet"))
    park = _start(ctx, usd_per_second=0.5)
    body = {"id": park.data["job"], "status": "succeeded", "output": "https://files.example.com/a.png"}
    park = _callback(ctx, park, {**body, "metrics": {"predict_time": 2.0}}, usd_per_second=0.5)
    assert isinstance(park, Park)
    assert ctx.charged == []
    ctx.exchange.answers += [Unavailable("refused")]
    park = _look(ctx, park, usd_per_second=0.5)
    assert park.data["misses"] == 2
    ctx.exchange.answers += [Recorded(text="bytes of a picture")]
    output = _look(ctx, park, usd_per_second=0.5)
    assert (output["output_type"], output["cost_usd"], len(ctx.charged)) == ("files", 1.0, 1)
    assert [request.method for request in ctx.requests].count("PUT") == 1


def test_a_file_that_can_never_be_fetched_ends_the_step() -> None:
    ctx = _context(READY, _document({"type": "string", "format": "uri"}), ACCEPTED, Unavailable("refused"))
    park = _start(ctx, usd_per_second=0.5)
    body = {"id": park.data["job"], "status": "succeeded", "output": "https://files.example.com/a.png"}
    park = _callback(ctx, park, {**body, "metrics": {"predict_time": 2.0}}, usd_per_second=0.5)
    while isinstance(park, Park):
        ctx.exchange.answers += [Unavailable("refused")]
        park = _look(ctx, park, usd_per_second=0.5)
    assert type(park) is TimedOut
    assert len(ctx.charged) == 1
    assert len(ctx.requests) < 20


# Paths


def _schema(properties: dict[str, Any]) -> Any:
    document = {
        "components": {
            "schemas": {
                "Input": {"type": "object", "properties": properties},
                "Uri": {"type": "string", "format": "uri"},
            }
        }
    }
    return ModelSchema(document)


@pytest.mark.parametrize(
    "values",
    [
        {"f": "/etc/passwd"},
        {"f": "x"},
        {"f": "file:///etc/passwd"},
        {"fs": ["https://example.com/a.png", "secret.txt"]},
        {"ref": "/etc/passwd"},
        {"fs": "secret"},
        {"either": "/etc/passwd"},
        {"lists": ["secret"]},
        {"lists": "secret"},
        {"nested": {"f": "secret"}},
        {"old": ["secret"]},
        {"text or file": "secret"},
        {"unknown": "/etc/passwd"},
        {"any": {"deep": ["/etc/passwd"]}},
        {"any": "~root"},
        {"any": "C:\\secret"},
        {"any": ".env.local"},
    ],
)
def test_what_the_server_would_open_is_refused(values: dict[str, Any]) -> None:
    uri = {"type": "string", "format": "uri"}
    schema = _schema(
        {
            "f": uri,
            "fs": {"type": "array", "items": uri},
            "ref": {"allOf": [{"$ref": "#/components/schemas/Uri"}]},
            "either": {"anyOf": [uri, {"type": "null"}]},
            "lists": {"anyOf": [{"type": "array", "items": uri}, {"type": "null"}]},
            "nested": {"oneOf": [{"type": "object", "properties": {"f": uri}}, {"type": "null"}]},
            # As Cog 0.16.12 writes an optional list of files, and a choice.
            "old": {"items": {"anyOf": [], **uri}, "type": "array", "nullable": True},
            "text or file": {"anyOf": [{"anyOf": [], **uri}, {"type": "string"}]},
            "any": {},
        }
    )
    with pytest.raises(BadInput):
        inputs.check_paths(values, schema)


@pytest.mark.parametrize("value", ["/etc/passwd", "secret.txt", "../x", "a/b", "~", "file:x", ["ok", "/x"]])
def test_without_a_schema_everything_that_could_be_a_path_is_refused(value: Any) -> None:
    with pytest.raises(BadInput):
        inputs.check_paths({"x": value}, None)


def test_only_addresses_that_are_given_for_files_are_fetched() -> None:
    uri, text = {"type": "string", "format": "uri"}, {"type": "string"}
    schema = _schema(
        {
            "f": {"anyOf": [uri, {"type": "null"}]},
            "fs": {"type": "array", "items": uri},
            "deep": {"type": "object", "properties": {"f": uri, "t": text}},
            "text": text,
        }
    )
    kept = File("artifact:" + "0" * 64, "a.png", "image/png").to_json()
    web = "https://example.com/a.png"
    values = {
        "f": web,
        "fs": [web, "data:image/png;base64,AAAA", kept],
        "deep": {"f": web, "t": web},
        "text": web,
        "unknown": web,
    }
    asked: list[str] = []

    async def fetch(address: str, where: str) -> Any:
        asked.append(where)
        return {"fetched": address}

    found = {"fetched": web}
    assert asyncio.run(inputs.fetch_addresses(values, schema, fetch)) == {
        "f": found,
        "fs": [found, "data:image/png;base64,AAAA", kept],
        "deep": {"f": found, "t": web},
        "text": web,
        "unknown": web,
    }
    assert asked == ["/input/f", "/input/fs/0", "/input/deep/f"]
    assert asyncio.run(inputs.fetch_addresses(values, None, fetch)) == values


def _picture(ctx: FakeContext, **step: Any) -> Any:
    values = {"input": {"image": "https://example.com/a.png"}, **step}
    return asyncio.run(run_action(connector.run, values, ctx))


TAKES_A_PICTURE = Recorded(
    json={
        "components": {
            "schemas": {
                "Input": {
                    "type": "object",
                    "properties": {"image": {"type": "string", "format": "uri"}},
                }
            }
        }
    },
    expect="GET /openapi.json",
)


def test_an_address_is_fetched_once_and_its_bytes_are_sent() -> None:
    picture = Recorded(text="bytes", headers={"content-type": "image/png"}, expect="GET /a.png")
    ctx = _context(READY, TAKES_A_PICTURE, picture, ACCEPTED)
    park = _picture(ctx)
    sent = ctx.requests[-1].json["input"]["image"]
    assert sent == "data:image/png;base64,Ynl0ZXM="
    ctx.exchange.answers += [
        Recorded(json={"status": "READY", "setup": {"started_at": "later"}}),
        TAKES_A_PICTURE,
    ]
    ctx.exchange.answers += [ACCEPTED]
    wake = Wake("timer", park.data)
    values = {"input": {"image": "https://example.com/a.png"}}
    asyncio.run(connector.run.resume(ctx, wake, **values))
    assert ctx.requests[-1].json["input"]["image"] == sent
    assert len([request for request in ctx.requests if request.url.endswith("/a.png")]) == 1


def test_an_address_is_left_to_the_server_where_that_is_said() -> None:
    ctx = _context(READY, TAKES_A_PICTURE, ACCEPTED)
    _picture(ctx, addresses="server")
    assert ctx.requests[-1].json["input"]["image"] == "https://example.com/a.png"


@pytest.mark.parametrize("status", [401, 404, 410])
def test_an_address_that_leads_nowhere_is_the_input_s_fault(status: int) -> None:
    ctx = _context(READY, TAKES_A_PICTURE, Recorded(status=status, text=""))
    with pytest.raises(BadInput) as caught:
        _picture(ctx)
    assert "/input/image" in caught.value.message
    assert '"server"' in caught.value.hint
    assert not ctx.notes


@pytest.mark.parametrize(
    "value",
    [
        "hello",
        "a cat, sitting / standing",
        "https://example.com/a.png",
        "data:image/png;base64,AAAA",
        3,
        None,
    ],
)
def test_texts_and_addresses_pass(value: Any) -> None:
    inputs.check_paths({"x": value}, None)
    inputs.check_paths({"x": value}, _schema({"x": {"type": "string"}}))


def test_a_text_input_takes_any_text_when_the_schema_says_so() -> None:
    inputs.check_paths({"x": "/etc/passwd"}, _schema({"x": {"type": "string"}}))
    optional = {"anyOf": [{"type": "string"}, {"type": "null"}]}
    inputs.check_paths(
        {"x": "/etc/passwd", "y": ["a/b"]},
        _schema({"x": optional, "y": {"type": "array", "items": optional}}),
    )
