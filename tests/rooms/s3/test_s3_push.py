"""Uploads that are told by requests: verified, looked at, and the same events as those of a look."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from referencing import Registry

from hookline.engine.loader import import_room
from hookline.sdk import BadInput, HookAnswered, HookRefused, HookRequest, Poll, Recorded, Unavailable
from hookline.testing import FakeClock, FakeTriggerContext, run_trigger

from .. import sns_signing as sns
from . import shapes
from .fakes import Store

TRIGGER = import_room("triggers.s3_upload")
SNS = import_room("triggers._webhook.sns")
SECRETS = import_room("connectors.webhook.connector").WebhookSecrets
SECRET = "12345678901234567890123456789012"


@pytest.fixture(autouse=True)
def _certificate() -> Iterator[None]:
    SNS.KEPT_CERTIFICATES[sns.ADDRESS] = sns.certificate()
    yield
    SNS.KEPT_CERTIFICATES.clear()


class World:
    """A store, and a trigger that is told and looks."""

    def __init__(self, auth: Any = None, *, versioned: bool = False, **given: Any) -> None:
        self.store = Store(versioned=versioned, page=1000)
        self.ctx = FakeTriggerContext(
            connection=self.store,
            connections={"webhook": SECRETS((SECRET,)), "other": SECRETS(("another secret",))},
            clock=FakeClock(sns.NOW),
            answers=[Recorded(text="<ok/>")],
        )
        push = {"path": "in", "auth": auth or {"type": "bearer"}}
        self.given = {"bucket": "uploads", "push": push, **given}

    def tell(self, body: str | bytes, **headers: str) -> Any:
        """Send a request; the engine's part of it is `commit`."""
        sent = HookRequest(
            "POST",
            "in",
            headers or {"authorization": f"Bearer {SECRET}"},
            {},
            body.encode() if isinstance(body, str) else body,
            datetime(2026, 3, 2, tzinfo=UTC),
        )
        assert TRIGGER.s3_upload.request is not None
        return asyncio.run(TRIGGER.s3_upload.request(self.ctx, sent, **self.given))

    def look(self) -> Poll:
        found = asyncio.run(run_trigger(TRIGGER.s3_upload, self.given, self.ctx))
        assert isinstance(found, Poll)
        return found

    def commit(self, poll: Poll, *, told: bool = False) -> list[str]:
        data = {event.key: str(event.data["key"]) for event in poll.events}
        cursor = self.ctx.cursor
        fresh = self.ctx.commit(poll)
        if told:
            self.ctx.cursor = cursor
        return [data[key] for key in fresh]

    def told(self, body: str | bytes, **headers: str) -> list[str]:
        poll = self.tell(body, **headers)
        assert isinstance(poll, Poll)
        return self.commit(poll, told=True)


BODIES = {
    "s3": shapes.s3(shapes.record("a b")),
    "minio": shapes.minio("a b"),
    "event bridge": shapes.event_bridge("a b"),
    "r2": shapes.r2("a b"),
    "b2": shapes.b2("a b"),
}


@pytest.mark.parametrize("shape", BODIES)
def test_what_is_told_is_what_is_looked_up(shape: str) -> None:
    world = World()
    world.commit(world.look())
    world.store.put("a b")
    assert world.told(BODIES[shape]) == ["a b"]
    assert world.told(BODIES[shape]) == []
    world.ctx.clock.advance(16 * 60)
    assert world.commit(world.look()) == []
    assert world.told(BODIES[shape]) == []


@pytest.mark.parametrize("versioned", [True, False])
def test_what_is_looked_up_is_what_is_told(versioned: bool) -> None:
    world = World(versioned=versioned)
    world.commit(world.look())
    world.store.put("a b")
    world.ctx.clock.advance(16 * 60)
    assert world.commit(world.look()) == ["a b"]
    assert world.told(BODIES["event bridge"]) == []


AUTHS: dict[str, tuple[Any, dict[str, str]]] = {
    "a token": ({"type": "bearer"}, {"authorization": f"Bearer {SECRET}"}),
    "an API key": ({"type": "bearer", "header": "X-Api-Key"}, {"x-api-key": SECRET}),
    "a password": (
        {"type": "basic", "username": "aws"},
        {"authorization": "Basic YXdzOjEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEy"},
    ),
    "b2": (
        {"type": "b2"},
        {
            "x-bz-event-notification-signature": "v1="
            "2df8e2d72cd22da01b1aa8c14637ce67fe4d9e3bc3b045b79c15965a806912da"
        },
    ),
}


@pytest.mark.parametrize("name", AUTHS)
def test_who_proves_who_it_is_is_let_in_and_nobody_else(name: str) -> None:
    auth, headers = AUTHS[name]
    world = World(auth)
    assert world.told('{"events":[]}', **headers) == []
    (header, value), *_ = headers.items()
    for position in range(0, len(value), 7):
        altered = value[:position] + ("x" if value[position] != "x" else "y") + value[position + 1 :]
        with pytest.raises(HookRefused) as refused:
            world.tell('{"events":[]}', **{header: altered})
        assert refused.value.status == 401
    with pytest.raises(HookRefused):
        world.tell('{"events":[]}', nothing="x")


def test_the_secret_of_another_connection() -> None:
    world = World()
    world.given["push"] = {"path": "in", "auth": {"type": "bearer"}, "connection": "other"}
    assert world.told('{"events":[]}', authorization="Bearer another secret") == []
    world.given["push"]["connection"] = "nothing"
    with pytest.raises(BadInput):
        world.tell('{"events":[]}')


# SNS


def test_a_notification_of_sns() -> None:
    world = World({"type": "sns", "topics": [sns.TOPIC]})
    world.store.put("a b")
    body = sns.signed(sns.notification(BODIES["s3"]))
    assert world.told(body) == ["a b"]
    assert world.told(sns.signed(sns.notification(BODIES["event bridge"], MessageId="2"))) == []
    with pytest.raises(HookRefused) as refused:
        world.tell(body.replace(b"a+b", b"a+c"))
    assert refused.value.status == 401
    with pytest.raises(HookRefused):
        world.tell(BODIES["s3"])


def test_a_subscription_is_confirmed_and_its_end_is_kept() -> None:
    world = World({"type": "sns", "topics": [sns.TOPIC]})
    assert isinstance(world.tell(sns.signed(sns.confirmation())), HookAnswered)
    (asked,) = world.ctx.requests
    assert asked.url == "https://sns.eu-west-1.amazonaws.com/"
    ended = world.tell(sns.signed(sns.confirmation("UnsubscribeConfirmation")))
    assert ["has ended" in each.reason for each in ended.unreadable] == [True]


# What is told of, and cannot be taken.


def test_nobody_can_read_it() -> None:
    with pytest.raises(HookRefused) as refused:
        World().tell('{"hello": 1}')
    assert (refused.value.status, refused.value.code) == (400, "C605")


def test_the_good_part_is_taken_and_the_rest_is_kept() -> None:
    world = World()
    world.store.put("a")
    poll = world.tell(shapes.s3(shapes.record("a"), {"eventVersion": "9"}, shapes.record("b", bucket="else")))
    assert [event.data["key"] for event in poll.events] == ["a"]
    (kept,) = poll.unreadable
    assert "record 1" in kept.reason
    assert "else" in kept.reason


def test_what_vanished_is_recorded() -> None:
    poll = World().tell(BODIES["s3"])
    assert [reason[:11] for _, reason in poll.skipped] == ["source gone"]


def test_while_the_store_is_down_the_sender_comes_again() -> None:
    world = World()
    world.store.put("a b")
    world.store.on_head = lambda key: (_ for _ in ()).throw(Unavailable("the store cannot be reached"))
    with pytest.raises(Unavailable):
        world.tell(BODIES["s3"])
    world.store.on_head = lambda key: None
    assert world.told(BODIES["s3"]) == ["a b"]


def test_what_has_not_settled_is_left_to_a_look() -> None:
    world = World(settle="10s")
    world.commit(world.look())
    world.store.put("a b")
    world.store.objects["a b"].at = world.ctx.now() - timedelta(seconds=4)
    poll = world.tell(BODIES["s3"])
    assert (poll.events, poll.next_at) == ([], world.ctx.now() + timedelta(seconds=6))
    world.ctx.clock.advance(6)
    world.store.now = world.ctx.now()
    world.ctx.woken = True
    assert world.commit(world.look()) == ["a b"]


def test_without_a_listing_what_has_not_settled_is_to_come_again() -> None:
    world = World(settle="10s", reconcile=False)
    world.store.put("a b")
    world.store.objects["a b"].at = world.ctx.now() - timedelta(seconds=4)
    with pytest.raises(Unavailable, match="settled"):
        world.tell(BODIES["s3"])


def test_who_is_told_looks_rarely() -> None:
    world = World()
    poll = world.look()
    assert poll.next_at == world.ctx.now() + timedelta(minutes=15)
    world.commit(poll)
    world.ctx.clock.advance(60)
    world.look()
    assert world.store.calls == 1
    never = World(reconcile=False)
    never.look()
    assert never.store.calls == 0


def test_the_path_is_the_triggers() -> None:
    trigger = TRIGGER.s3_upload
    assert trigger.hook_path({"bucket": "b", "push": {"path": "/in/here/"}}) == "in/here"
    assert trigger.hook_path({"bucket": "b"}) is None
    assert json.dumps(trigger.input_schema["properties"]["push"]).count("topics")


PAGE = Path(__file__).parents[3] / "docs/how-to/s3-upload.md"


def test_what_the_guide_shows_fits() -> None:
    blocks = [json.loads(text) for text in re.findall(r"```jsonc?\n(.*?)```", PAGE.read_text(), re.DOTALL)]
    shown = [{"bucket": "uploads", **block} for block in blocks if set(block) == {"push"}]
    shown += [block["trigger"]["with"] for block in blocks if "trigger" in block]
    assert len(shown) == 6
    for parameters in shown:
        jsonschema.Draft202012Validator(TRIGGER.s3_upload.input_schema, registry=Registry()).validate(
            parameters
        )
