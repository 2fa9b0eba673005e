"""The preset `sns`: what SNS has signed is taken, nothing else; subscriptions are confirmed by the API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from hookline.core.plan import compile_plan
from hookline.engine.engine import Engine, HookAnswer, open_store
from hookline.engine.loader import import_room, load_registry
from hookline.engine.settings import load_settings
from hookline.sdk import HookEvent, HookRefused, HookRequest, Recorded, Unavailable
from hookline.store.port import EventFilter
from hookline.testing import FakeClock, FakeHookContext

from .. import sns_signing as sns
from .hooks import request

SNS = import_room("triggers._webhook.sns")
WEBHOOK = import_room("triggers.webhook").webhook
AUTH = {"type": "sns", "topics": [sns.TOPIC]}
PEM = Recorded(text=sns.certificate().decode(), expect="GET /SimpleNotificationService-9c6465fa.pem")


@pytest.fixture(autouse=True)
def _forget_certificates() -> Iterator[None]:
    SNS.KEPT_CERTIFICATES.clear()
    yield
    SNS.KEPT_CERTIFICATES.clear()


def take(body: bytes, *answers: Any, now: Any = sns.NOW, **given: Any) -> tuple[HookEvent, FakeHookContext]:
    ctx = FakeHookContext(answers=answers, clock=FakeClock(now))
    headers = {"content-type": "text/plain; charset=UTF-8", "x-amz-sns-message-type": "Notification"}
    event = WEBHOOK.run(ctx, request(body, headers), path="in", auth=given.pop("auth", AUTH), **given)
    assert isinstance(event, HookEvent)
    return event, ctx


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize("subject", ["Amazon S3 Notification", None, ""])
def test_what_is_signed_is_taken(version: str, subject: str | None) -> None:
    value = sns.notification('{"hello": "wörld"}', SignatureVersion=version, Subject=subject)
    event, ctx = take(sns.signed(value), PEM)
    assert event.data["body"]["Message"] == {"hello": "wörld"}
    assert (event.key, event.skip) == (value["MessageId"], "")
    assert [sent.url for sent in ctx.requests] == [sns.ADDRESS]


def test_a_certificate_is_fetched_once() -> None:
    take(sns.signed(sns.notification("one")), PEM)
    _, ctx = take(sns.signed(sns.notification("two", MessageId="2")))
    assert ctx.requests == []


@pytest.mark.parametrize(
    "name", ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type", "Signature"]
)
def test_every_signed_part_altered_by_a_byte_is_refused(name: str) -> None:
    value = json.loads(sns.signed(sns.notification("hello")))
    topics = [sns.TOPIC]
    for position in range(0, len(value[name]), max(1, len(value[name]) // 12)):
        altered = dict(value)
        char = "A" if value[name][position] != "A" else "B"
        altered[name] = value[name][:position] + char + value[name][position + 1 :]
        topics.append(altered["TopicArn"])
        with pytest.raises(HookRefused) as refused:
            take(json.dumps(altered).encode(), PEM, auth={"type": "sns", "topics": topics})
        assert refused.value.status == 401
        SNS.KEPT_CERTIFICATES.clear()


@pytest.mark.parametrize(
    "name", ["Subject", "Message", "MessageId", "Timestamp", "TopicArn", "Signature", "SigningCertURL"]
)
def test_a_part_that_is_missing_or_no_text_is_refused(name: str) -> None:
    for wrong in (None, 1, ["x"], {"x": 1}):
        value = json.loads(sns.signed(sns.notification("hello")))
        value[name] = wrong
        if wrong is None:
            del value[name]
        with pytest.raises(HookRefused) as refused:
            take(json.dumps(value).encode(), PEM)
        assert refused.value.status == 401
        SNS.KEPT_CERTIFICATES.clear()


@pytest.mark.parametrize(
    "address",
    [
        "http://sns.eu-west-1.amazonaws.com/a.pem",
        "https://sns.eu-west-1.amazonaws.com.attacker.example/a.pem",
        "https://attacker.example/sns.eu-west-1.amazonaws.com/a.pem",
        "https://sns.eu-west-1.amazonaws.com@attacker.example/a.pem",
        "https://sns.eu-west-1.amazonaws.com:8443/a.pem",
        "https://sns.eu-west-1.amazonaws.com/a.pem?x=1",
        "https://sns.eu-west-1.amazonaws.com/a.pem?",
        "https://sns.eu-west-1.amazonaws.com/?Action=a.pem",
        "https://sns.eu-west-1.amazonaws.com/a.txt",
        "https://sns.eu-west-1.amazonaws.com/../a.pem",
        "https://s3.eu-west-1.amazonaws.com/bucket/a.pem",
        "https://bucket.s3.amazonaws.com/a.pem",
        "https://sns.169.254.amazonaws.com/a.pem",
        "https://[::1]/a.pem",
        "https://[/a.pem",
        "",
    ],
)
def test_a_certificate_from_elsewhere_is_not_fetched(address: str) -> None:
    with pytest.raises(HookRefused) as refused:
        take(sns.signed(sns.notification("hello", SigningCertURL=address)))
    assert refused.value.status == 401
    assert SNS.KEPT_CERTIFICATES == {}


def test_a_foreign_topic_is_refused_before_anything_is_fetched() -> None:
    value = sns.notification("hello", TopicArn="arn:aws:sns:eu-west-1:999999999999:uploads")
    with pytest.raises(HookRefused, match="topic"):
        take(sns.signed(value))


@pytest.mark.parametrize("seconds", [3591, -3611])
def test_what_is_too_old_is_refused(seconds: int) -> None:
    body = sns.signed(sns.notification("hello"))
    with pytest.raises(HookRefused) as refused:
        take(body, PEM, now=sns.NOW + timedelta(seconds=seconds))
    assert refused.value.code == "C602"
    nearer = seconds - 1 if seconds > 0 else seconds + 1
    take(body, now=sns.NOW + timedelta(seconds=nearer))


def test_a_certificate_that_has_expired_is_refused() -> None:
    old = sns.certificate(sns.NOW - timedelta(days=9), sns.NOW - timedelta(days=8))
    with pytest.raises(HookRefused, match="not valid now"):
        take(sns.signed(sns.notification("hello")), Recorded(text=old.decode()))


@pytest.mark.parametrize(
    "answer", [Recorded(404, text="no"), Recorded(text="no certificate")], ids=["404", "junk"]
)
def test_an_address_without_a_certificate_is_refused(answer: Recorded) -> None:
    with pytest.raises(HookRefused) as refused:
        take(sns.signed(sns.notification("hello")), answer)
    assert refused.value.status == 401


@pytest.mark.parametrize(
    "answer", [Recorded(503, text="busy"), Unavailable("not connected")], ids=["503", "down"]
)
def test_without_a_certificate_the_sender_comes_again(answer: Any) -> None:
    with pytest.raises(Unavailable):
        take(sns.signed(sns.notification("hello")), answer)
    take(sns.signed(sns.notification("hello")), PEM)


def test_raw_delivery_has_no_signature_and_is_refused() -> None:
    with pytest.raises(HookRefused, match="raw message delivery"):
        take(b'{"Records": []}')


@pytest.mark.parametrize("body", [b"", b"[]", b"no", b'{"Type": ["Notification"]}', b'{"Type": "Else"}'])
def test_what_is_no_message_is_refused(body: bytes) -> None:
    with pytest.raises(HookRefused):
        take(body)


def test_a_subscription_is_confirmed_by_the_api_and_its_address_is_not_opened() -> None:
    answer = Recorded(text="<ConfirmSubscriptionResponse/>", expect="GET /")
    event, ctx = take(sns.signed(sns.confirmation()), PEM, answer)
    assert event.skip == f"the subscription to {sns.TOPIC} is confirmed"
    _, asked = ctx.requests
    assert asked.url.startswith("https://sns.eu-west-1.amazonaws.com/")
    assert asked.params == {
        "Action": "ConfirmSubscription",
        "Version": "2010-03-31",
        "TopicArn": sns.TOPIC,
        "Token": sns.confirmation()["Token"],
    }


@pytest.mark.parametrize("name", ["Token", "SubscribeURL", "Message", "Timestamp"])
def test_an_altered_confirmation_confirms_nothing(name: str) -> None:
    value = json.loads(sns.signed(sns.confirmation()))
    value[name] = value[name] + "0"
    with pytest.raises(HookRefused) as refused:
        take(json.dumps(value).encode(), PEM)
    assert refused.value.status == 401


def test_a_confirmation_that_sns_refuses_or_cannot_take() -> None:
    body = sns.signed(sns.confirmation())
    with pytest.raises(HookRefused):
        take(body, PEM, Recorded(400, text="InvalidParameter"))
    with pytest.raises(Unavailable):
        take(body, Recorded(503, text="busy"))


def test_the_end_of_a_subscription_is_recorded() -> None:
    event, ctx = take(sns.signed(sns.confirmation("UnsubscribeConfirmation")), PEM)
    assert "has ended" in event.skip
    assert len(ctx.requests) == 1


@pytest.mark.parametrize("text", ["hello", "7", "null", '"a"', "{broken", '{"a": NaN}', ""])
def test_a_message_that_is_no_json_object_is_text(text: str) -> None:
    event, _ = take(sns.signed(sns.notification(text)), PEM)
    assert event.data["body"]["Message"] == text


def test_a_message_brings_no_file_of_its_own_making() -> None:
    with pytest.raises(HookRefused) as refused:
        take(sns.signed(sns.notification('{"a": {"$file": "s3://other/secret"}}')), PEM)
    assert refused.value.code == "C609"


def test_no_secret_is_needed() -> None:
    assert not WEBHOOK.needs_connection({"path": "in", "auth": AUTH})


# In a real engine: the certificate is awaited on its loop, while the sender's thread waits.


def test_in_the_engine_a_message_starts_one_run(tmp_path: Path) -> None:
    SNS.KEPT_CERTIFICATES[sns.ADDRESS] = sns.certificate()
    settings = load_settings(tmp_path, {"HOOKLINE_MASTER_KEY": "of-this-test"})
    store = open_store(settings, "worker", sns.NOW.timestamp)
    engine = Engine(settings, load_registry(), store, clock=sns.NOW.timestamp)
    trigger = {"uses": "webhook", "with": {"path": "in", "auth": AUTH}}
    steps = [{"id": "a", "uses": "transform", "with": {"value": "{{ trigger.body.Message.n }}"}}]
    engine.deploy(
        compile_plan({"name": "flow", "trigger": trigger, "steps": steps, "output": "{{ steps.a.value }}"})
    )
    engine.start(recover=False)

    def send(body: bytes) -> HookAnswer:
        return engine.receive_hook(
            HookRequest("POST", "in", {"content-type": "text/plain"}, {}, body, sns.NOW)
        )

    try:
        first = send(sns.signed(sns.notification('{"n": 7}')))
        again = send(sns.signed(sns.notification('{"n": 7}')))
        assert (first.state, again.state) == ("received", "duplicate")
        assert first.run_id == again.run_id
        with pytest.raises(HookRefused):
            send(sns.signed(sns.notification('{"n": 8}')).replace(b"8", b"9"))
        ended = send(sns.signed(sns.confirmation("UnsubscribeConfirmation")))
        assert ended.state == "filtered"
        store.flush()
        rows = store.events(None, None, 10, None, EventFilter()).rows
        assert sorted(row.state for row in rows) == ["duplicate", "filtered", "received", "rejected"]
        assert first.run_id is not None
        run = store.run(first.run_id)
        assert run is not None
        assert (run.status, run.output) == ("succeeded", 7)
    finally:
        engine.stop()
