"""Webhooks are hints: early, doubled, late, forged or lost ones change neither the result nor the bill."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks import Webhook

from hookline.engine.http.messages import Credential
from hookline.engine.loader import import_room
from hookline.sdk import Canceled, InsufficientCredit, Park, TimedOut
from hookline.testing.replicate.signing import new_secret, sign

signature = import_room("connectors.replicate.signature")
polling = import_room("connectors.replicate.polling")
records = import_room("connectors.replicate.records")


def _seconds(driver, park: Park) -> float:
    assert park.until is not None
    return (park.until - driver.now()).total_seconds()


def test_a_webhook_ends_the_wait_without_a_look(make, standin, sleepy) -> None:
    async def scenario() -> None:
        step = {**sleepy, "input": {**sleepy["input"], "seconds": 3}}
        async with make({**step, "webhook": "always"}) as driver:
            record = await driver.finish()
            assert record.output["output_text"] == "rested"
            assert driver.wakes == ["callback"]
            looks = [name for name in driver.boundaries if name.startswith("after GET predictions/")]
            assert looks == []

    asyncio.run(scenario())


def test_a_webhook_before_the_answer_to_the_creation_is_kept(make, standin, echo) -> None:
    """The prediction is over, and its webhook delivered, before the client has read the id."""

    async def scenario() -> None:
        standin.faults.set("create.reset_after")
        async with make({**echo, "webhook": "always"}) as driver:
            record = await driver.start()
            assert record.stage == "unknown"
            await driver.advance(1)
            assert len(record.callbacks) == 1
            assert "prediction" not in record.notes
            assert (await driver.finish()).output["output_text"] == "hello"
        assert len(standin.creates) == 1

    asyncio.run(scenario())


@pytest.mark.parametrize("fault", ["webhook.duplicate", "webhook.reorder", "webhook.drop_start"])
def test_doubled_and_reordered_webhooks_change_nothing(make, standin, sleepy, fault: str) -> None:
    async def scenario() -> None:
        standin.faults.set(fault, times=None)
        async with make({**sleepy, "webhook": "always"}) as driver:
            assert (await driver.finish()).output["output_text"] == "rested"
        assert len(standin.creates) == 1

    asyncio.run(scenario())


def test_a_late_progress_webhook_does_not_undo_the_end(make, standin, sleepy) -> None:
    """A callback that says `processing` only makes it look."""

    async def scenario() -> None:
        async with make({**sleepy, "webhook": "always"}) as driver:
            record = await driver.start()
            job = record.notes["prediction"]
            driver.deliver({}, json.dumps({"id": job, "status": "processing"}).encode())
            record = await driver.wake()
            assert record.stage == "parked"
            await driver.advance(30)
            record.callbacks.clear()
            driver.deliver({}, json.dumps({"id": job, "status": "starting"}).encode())
            assert (await driver.wake()).output["output_text"] == "rested"

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "fault", ["webhook.drop_completed", "webhook.wrong_secret", "webhook.stale_timestamp", "webhook.only_v2"]
)
def test_without_a_genuine_webhook_it_looks(make, standin, sleepy, fault: str) -> None:
    async def scenario() -> None:
        standin.faults.set(fault, times=None)
        async with make({**sleepy, "webhook": "always"}) as driver:
            record = await driver.finish()
            assert record.output["output_text"] == "rested"
            assert set(driver.wakes) == {"timer"}
            assert bool(driver.refused) == (fault != "webhook.drop_completed")
        assert len(standin.creates) == 1

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("headers", "change"),
    [
        ({}, {}),
        ({"webhook-id": "msg_1", "webhook-timestamp": "1", "webhook-signature": "v1,AAAA"}, {}),
        (
            {"webhook-id": "msg_1", "webhook-timestamp": "x", "webhook-signature": "v1,ü"},
            {"output": "forged"},
        ),
    ],
)
def test_a_forged_callback_that_was_stored_is_not_believed(make, standin, sleepy, headers, change) -> None:
    async def scenario() -> None:
        async with make({**sleepy, "webhook": "always"}) as driver:
            record = await driver.start()
            body = {"id": record.notes["prediction"], "status": "succeeded", "output": "forged", **change}
            driver.deliver(headers, json.dumps(body).encode())
            driver.deliver(headers, b"\xff not JSON")
            driver.deliver(headers, b"[" * 100_000)
            for _ in range(3):
                record = await driver.wake()
                assert record.stage == "parked"
            assert (await driver.finish()).output["output_text"] == "rested"

    asyncio.run(scenario())


def test_a_genuine_webhook_about_another_prediction_is_not_believed(make, standin, sleepy) -> None:
    async def scenario() -> None:
        async with make({**sleepy, "webhook": "always"}) as driver:
            record = await driver.start()
            body = json.dumps({"id": "a" * 26, "status": "succeeded", "output": "other"}).encode()
            stamp = int(standin.clock.now())
            headers = {
                "webhook-id": "msg_1",
                "webhook-timestamp": str(stamp),
                "webhook-signature": sign(standin.webhook_secret, "msg_1", stamp, body),
            }
            assert await driver.action.verify(driver, headers, body)
            driver.deliver(headers, body)
            record = await driver.wake()
            assert record.stage == "parked"

    asyncio.run(scenario())


def test_a_configured_secret_is_used_and_never_fetched(make, standin, sleepy) -> None:
    async def scenario() -> None:
        fields = {"webhook_secret": standin.webhook_secret}
        async with make({**sleepy, "webhook": "always"}, fields=fields) as driver:
            assert (await driver.finish()).output["output_text"] == "rested"
            assert not [name for name in driver.boundaries if "secret" in name]

    asyncio.run(scenario())


def test_a_secret_that_was_changed_is_fetched_again(make, standin, sleepy) -> None:
    async def scenario() -> None:
        async with make({**sleepy, "webhook": "always"}) as driver:

            async def is_genuine(secret: str) -> bool:
                stamp = int(standin.clock.now())
                headers = {"webhook-id": "m", "webhook-timestamp": str(stamp)}
                headers["webhook-signature"] = sign(secret, "m", stamp, b"{}")
                return await driver.action.verify(driver, headers, b"{}")

            first = standin.webhook_secret
            assert await is_genuine(first)
            standin.webhook_secret = new_secret()
            assert not await is_genuine(standin.webhook_secret)
            await driver.advance(301)
            assert await is_genuine(standin.webhook_secret)
            assert not await is_genuine(first)

    asyncio.run(scenario())


def test_wrong_signatures_fetch_the_secret_once_in_five_minutes(make, standin, sleepy) -> None:
    async def scenario() -> None:
        async with make({**sleepy, "webhook": "always"}) as driver:
            stamp = str(int(standin.clock.now()))
            headers = {"webhook-id": "m", "webhook-timestamp": stamp, "webhook-signature": "v1,AAAA"}
            for _ in range(5):
                assert not await driver.action.verify(driver, headers, b"{}")
            fetches = driver.boundaries.count("after GET webhooks/default/secret")
            assert fetches == 1
            await driver.advance(400)
            assert not await driver.action.verify(driver, headers, b"{}")
            assert driver.boundaries.count("after GET webhooks/default/secret") == 2

    asyncio.run(scenario())


def test_looks_are_frequent_at_first_and_rare_while_a_webhook_is_due(make, standin, sleepy) -> None:
    async def scenario() -> None:
        step = {**sleepy, "input": {**sleepy["input"], "seconds": 600}}
        for webhook, expected in (
            ("never", [0.5, 0.5, 0.5, 0.5, 1, 2, 2, 5, 5, 10, 10, 10]),
            ("always", [5, 30, 30, 60, 60, 120, 120]),
        ):
            async with make({**step, "webhook": webhook}) as driver:
                record = await driver.start()
                seen = []
                for _ in expected:
                    seen.append(_seconds(driver, record.park))
                    await driver.advance(seen[-1])
                    record = await driver.wake()
                assert seen == expected

    asyncio.run(scenario())


def test_the_interval_can_be_set(make, sleepy) -> None:
    async def scenario() -> None:
        async with make({**sleepy, "webhook": "never", "poll_interval": 7}) as driver:
            record = await driver.start()
            assert _seconds(driver, record.park) == 7

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "fault", ["get.server_error", "get.unavailable_html", "get.reset_before", "get.throttled"]
)
def test_a_failed_look_is_repeated_and_starts_nothing(make, standin, sleepy, fault: str) -> None:
    async def scenario() -> None:
        standin.faults.set(fault, times=6, value="3" if fault == "get.throttled" else None)
        async with make({**sleepy, "webhook": "never"}) as driver:
            record = await driver.finish()
            assert record.output["output_text"] == "rested"
            assert standin.faults.happened(fault) == 6
        assert len(standin.creates) == 1

    asyncio.run(scenario())


@pytest.mark.parametrize("webhook", ["always", "never"])
def test_a_token_that_is_being_changed_loses_nothing(make, standin, sleepy, webhook: str) -> None:
    async def scenario() -> None:
        async with make({**sleepy, "webhook": webhook}) as driver:
            await driver.start()
            client = driver.connection.http._inner
            token = client._credential
            client._credential = Credential(
                {"Authorization": "Bearer r8_old"}, [str(origin) for origin in token.origins]
            )
            standin.faults.set("webhook.drop_completed")
            await driver.advance(300)
            record = await driver.wake()
            assert record.stage == "parked"
            assert "refused the API token" in record.park.reason
            client._credential = token
            assert (await driver.finish()).output["output_text"] == "rested"
        assert len(standin.creates) == 1

    asyncio.run(scenario())


def test_a_token_that_stays_refused_ends_the_step_with_what_to_do(make, standin, sleepy) -> None:
    async def scenario() -> None:
        standin.faults.set("get.insufficient_credit", times=None)
        async with make({**sleepy, "webhook": "never"}) as driver:
            record = await driver.finish()
            assert type(record.error) is InsufficientCredit
            assert "billing" in record.error.hint
        assert len(standin.creates) == 1

    asyncio.run(scenario())


def test_looks_that_fail_for_ever_end_the_step_as_a_timeout(make, standin, sleepy) -> None:
    """Not as `unavailable`: that would promise that nothing was done, and be retried."""

    async def scenario() -> None:
        standin.faults.set("get.server_error", times=None)
        async with make({**sleepy, "webhook": "never"}) as driver:
            record = await driver.finish()
            assert type(record.error) is TimedOut
            assert record.notes["prediction"] in record.error.message
        assert len(standin.creates) == 1

    asyncio.run(scenario())


def test_an_unknown_status_is_waited_out(make, standin, sleepy) -> None:
    async def scenario() -> None:
        standin.faults.set("execution.unknown_status", times=None)
        async with make({**sleepy, "webhook": "never"}) as driver:
            assert (await driver.finish()).output["output_text"] == "rested"

    asyncio.run(scenario())


@pytest.mark.parametrize("webhook", ["always", "never"])
def test_the_deadline_is_sent_and_aborted_is_a_timeout(make, standin, sleepy, webhook) -> None:
    async def scenario() -> None:
        standin.faults.set("execution.stay_starting")
        deadline = datetime.fromtimestamp(standin.clock.now(), UTC) + timedelta(seconds=45.7)
        async with make({**sleepy, "webhook": webhook}, deadline=deadline) as driver:
            record = await driver.finish()
            assert type(record.error) is TimedOut
            assert "aborted" in record.error.message
        assert standin.creates[0].cancel_after == "45s"

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("left", "sent"), [(None, None), (1.5, "5s"), (5.0, "5s"), (3600.0, "3600s"), (200_000.0, "86400s")]
)
def test_cancel_after_stays_within_what_replicate_takes(make, standin, echo, left, sent) -> None:
    async def scenario() -> None:
        now = datetime.fromtimestamp(standin.clock.now(), UTC)
        deadline = None if left is None else now + timedelta(seconds=left)
        async with make(echo, deadline=deadline) as driver:
            await driver.start()
        assert standin.creates[0].cancel_after == sent

    asyncio.run(scenario())


def test_a_step_whose_time_is_over_creates_nothing(make, standin, echo) -> None:
    async def scenario() -> None:
        deadline = datetime.fromtimestamp(standin.clock.now(), UTC)
        async with make(echo, deadline=deadline) as driver:
            assert type((await driver.start()).error) is TimedOut
        assert standin.creates == []

    asyncio.run(scenario())


def test_a_canceled_run_cancels_the_prediction(make, standin, sleepy) -> None:
    async def scenario() -> None:
        async with make({**sleepy, "webhook": "never"}) as driver:
            record = await driver.start()
            await driver.cancel()
            assert standin.predictions[record.notes["prediction"]].status == "canceled"
            await driver.cancel()
            assert type((await driver.finish()).error) is Canceled

    asyncio.run(scenario())


def test_a_canceled_run_cancels_a_prediction_that_nobody_knew_of(make, standin, sleepy) -> None:
    standin.faults.set("create.reset_after")

    async def scenario() -> None:
        async with make({**sleepy, "webhook": "always"}) as driver:
            assert (await driver.start()).stage == "unknown"
            await driver.cancel()
        (prediction,) = standin.predictions.values()
        assert prediction.status == "canceled"

    asyncio.run(scenario())


def test_what_may_be_somebody_elses_is_not_canceled(make, standin, sleepy) -> None:
    """Without a webhook only model and input tell that it is ours."""
    standin.faults.set("create.reset_after")

    async def scenario() -> None:
        async with make({**sleepy, "webhook": "never"}) as driver:
            assert (await driver.start()).stage == "unknown"
            await driver.cancel()
            assert standin.creates[0].prediction_id in driver.logged[-1]
        (prediction,) = standin.predictions.values()
        assert not prediction.done

    asyncio.run(scenario())


# Signatures


VECTOR = {
    "secret": "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX",
    "id": "msg_2bXkQ7uPfHc9sVnYtW3ZrLmD0aE",
    "timestamp": "1795000000",
    "body": b'{"id":"gm3qorzdhgbfurvjtvhg6dckhu","model":"replicate/hello-world","version":'
    b'"5c7d5dc6dd8bf75c1acaa8565735e7986bc5b66206b55cca93cb72c9bf15ccaa","input":{"text":"Alice"},'
    b'"output":"hello Alice","status":"succeeded","error":null,"logs":"","metrics":'
    b'{"predict_time":0.012683,"total_time":0.025507}}',
    "signature": "v1,LRfqPUWYcNfRu7WXYbnu/FI+vDhFlWBIvdZnh6WQsKI=",
}
SENT = datetime.fromtimestamp(1_795_000_000, UTC)


def _signed(**change: object) -> bool:
    given = {**VECTOR, "now": SENT + timedelta(seconds=60), **change}
    headers = {
        "webhook-id": given["id"],
        "webhook-timestamp": given["timestamp"],
        "webhook-signature": given["signature"],
    }
    return signature.is_signed(given["secret"], headers, given["body"], now=given["now"])


def test_the_published_vectors_hold() -> None:
    assert _signed()
    assert _signed(now=None)
    assert _signed(
        secret="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        timestamp="1614265330",
        body=b'{"test": 2432232314}',
        signature="v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        now=None,
    )
    assert Webhook(VECTOR["secret"]).sign(VECTOR["id"], SENT, VECTOR["body"].decode()) == VECTOR["signature"]


@pytest.mark.parametrize(
    "change",
    [
        {"body": VECTOR["body"] + b" "},
        {"now": SENT + timedelta(seconds=301)},
        {"now": SENT - timedelta(seconds=301)},
        {"signature": VECTOR["signature"].replace("v1,", "v2,")},
        {"signature": ""},
        {"signature": "v1,"},
        {"signature": "v1,\udcff"},
        {"signature": "v1"},
        {"timestamp": "1795000000.0"},
        {"timestamp": "１７９５０００００0"},
        {"timestamp": ""},
        {"id": ""},
        {"secret": "whsec_"},
        {"secret": "whsec_not base64!"},
        {"secret": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYY"},
    ],
)
def test_everything_else_is_refused_without_an_error(change) -> None:
    assert not _signed(**change)


def test_one_right_signature_among_others_is_enough() -> None:
    assert _signed(signature=f"v2,AAAA v1,AAAA {VECTOR['signature']}")
    assert _signed(now=SENT + timedelta(seconds=300))


@pytest.mark.parametrize(
    ("mode", "callback", "api", "used"),
    [
        ("auto", "https://hooks.example.com/callbacks/x", "https://api.replicate.com/v1/", True),
        ("auto", "http://hooks.example.com/callbacks/x", "https://api.replicate.com/v1/", False),
        ("auto", "https://localhost:8000/callbacks/x", "https://api.replicate.com/v1/", False),
        ("auto", "https://192.168.1.4/callbacks/x", "https://api.replicate.com/v1/", False),
        ("auto", "http://127.0.0.1:8000/callbacks/x", "https://api.replicate.com/v1/", False),
        ("auto", "http://127.0.0.1:8000/callbacks/x", "http://127.0.0.1:9000/v1/", True),
        ("auto", "", "https://api.replicate.com/v1/", False),
        ("always", "http://hooks.example.com/callbacks/x", "https://api.replicate.com/v1/", True),
        ("never", "https://hooks.example.com/callbacks/x", "https://api.replicate.com/v1/", False),
    ],
)
def test_a_callback_address_is_given_only_where_it_can_be_used(mode, callback, api, used) -> None:
    assert polling.callback_for(mode, callback, api) == (callback if used else None)


@pytest.mark.parametrize(
    ("callback", "expected"),
    [
        (None, [0.5, 0.5]),
        ("https://hooks.example.com/callbacks/x", [30, 30]),
        # `hookline run` against a stand-in: nobody may be listening there.
        ("http://127.0.0.1:8420/callbacks/x", [5, 30]),
    ],
)
def test_it_looks_sooner_where_nobody_may_be_listening(callback, expected) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    waiting, seen = polling.Waiting.on("p", callback), []
    for _ in expected:
        # As it is after a restart.
        waiting = polling.Waiting.from_json(waiting.to_json()).looked()
        seen.append((waiting.park(now, every=None).until - now).total_seconds())
    assert seen == expected
