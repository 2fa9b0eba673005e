"""Uploads that a queue tells of: once each, whatever is delivered twice, late, out of order, or never."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hookline.engine.loader import import_room
from hookline.sdk import AuthenticationFailed, BadInput, Poll, Unavailable
from hookline.testing import FakeTriggerContext, run_trigger

from . import shapes
from .fakes import Store, etag

TRIGGER = import_room("triggers.s3_upload")
LOOK = import_room("triggers._s3.look")
TAKE = import_room("triggers._s3.queue")

GIVEN: dict[str, Any] = {"bucket": "uploads", "queue": "https://sqs.eu-west-1.amazonaws.com/123456789012/q"}


class World:
    """A store, its queue, and a trigger on both."""

    def __init__(self, *, versioned: bool = False, **given: Any) -> None:
        self.store = Store(versioned=versioned, page=1000)
        self.queue = self.store.the_queue
        self.ctx = FakeTriggerContext(connection=self.store)
        self.given = {**GIVEN, **given}
        self.started: list[str] = []
        self.data: list[Any] = []

    def look(self, **given: Any) -> Poll:
        """Look without any consequence."""
        found = asyncio.run(run_trigger(TRIGGER.s3_upload, {**self.given, **given}, self.ctx))
        assert isinstance(found, Poll)
        return found

    def commit(self, poll: Poll) -> list[str]:
        data = {event.key: event.data for event in poll.events}
        fresh = self.ctx.commit(poll)
        self.started += [str(data[key]["key"]) for key in fresh]
        self.data += [data[key] for key in fresh]
        return [str(data[key]["key"]) for key in fresh]

    def turn(self, **given: Any) -> list[str]:
        """One whole look, as the engine does it; returns the keys that start a run."""
        poll = self.look(**given)
        fresh = self.commit(poll)
        if poll.acknowledge is not None:
            asyncio.run(acknowledged(poll))
        return fresh

    def tell(self, key: str, **given: Any) -> None:
        found = self.store.objects[key]
        told = {"size": len(found.content), "eTag": etag(found), "versionId": found.version or None, **given}
        self.queue.send(shapes.s3(shapes.record(key, **told)))

    def put(self, key: str, content: bytes = b"x", **given: Any) -> None:
        self.store.put(key, content, **given)
        self.tell(key)

    def begin(self) -> World:
        """Have the first look."""
        self.turn()
        return self


async def acknowledged(poll: Poll) -> None:
    assert poll.acknowledge is not None
    await poll.acknowledge()


def test_a_message_starts_a_run_and_is_deleted_after_the_commit() -> None:
    world = World().begin()
    world.put("raw/a b+c.png", mime="image/png", metadata={"camera": "3"})
    poll = world.look()
    assert world.queue.left == 1
    assert world.commit(poll) == ["raw/a b+c.png"]
    assert world.queue.left == 1
    asyncio.run(acknowledged(poll))
    assert world.queue.left == 0
    assert world.data[0]["metadata"] == {"camera": "3"}
    assert world.data[0]["sequencer"] == "0055AED6DCD90281E5"
    assert world.data[0]["content_type"] == "image/png"
    assert poll.next_at == world.ctx.now()


def test_what_is_delivered_again_starts_nothing() -> None:
    world = World().begin()
    world.put("a")
    world.commit(world.look())  # The process dies before it can delete.
    for _ in range(3):
        world.queue.expire()
        world.tell("a")
        assert world.turn() == []
    assert world.started == ["a"]
    assert world.queue.left == 0


def test_a_look_that_dies_before_its_commit_loses_nothing() -> None:
    world = World().begin()
    world.put("a")
    world.look()
    assert world.turn() == []
    world.queue.expire()
    assert world.turn() == ["a"]


@pytest.mark.parametrize("versioned", [True, False])
@pytest.mark.parametrize("first", ["listed", "told"])
def test_listed_and_told_is_one(versioned: bool, first: str) -> None:
    world = World(versioned=versioned).begin()
    world.store.put("a")
    for way in (first, "told", "listed", "told"):
        if way == "told":
            world.tell("a")
        else:
            world.ctx.clock.advance(16 * 60)
        world.turn()
    assert world.started == ["a"]


def test_times_that_are_rounded_in_one_way_and_cut_in_the_other_are_one() -> None:
    world = World().begin()
    world.store.put("a").at += timedelta(milliseconds=700)
    world.tell("a")
    world.turn()
    listed = world.store.objects["a"]
    listed.at += timedelta(milliseconds=300)
    heads = len(world.store.heads)
    listed_page, told = world.store.list_page, world.store.head

    async def head(uri: str, *, version_id: str = "") -> Any:
        listed.at -= timedelta(milliseconds=300)
        found = await told(uri, version_id=version_id)
        listed.at += timedelta(milliseconds=300)
        return found

    world.store.head = head  # type: ignore[method-assign]
    for _ in range(2):
        world.ctx.clock.advance(16 * 60)
        world.turn()
    assert listed_page is not None
    assert world.started == ["a"]
    assert len(world.store.heads) == heads + 1, "asked for once more, and then known"


def test_each_version_is_one_event_and_comes_in_order() -> None:
    world = World(versioned=True).begin()
    for number, content in enumerate([b"1", b"22", b"333"]):
        world.store.put("a", content)
        world.tell("a", sequencer=f"00{number}")
    world.queue.chance = random.Random(5)
    assert world.turn() == ["a", "a", "a"]
    assert [data["bytes"] for data in world.data] == [1, 2, 3]
    assert [data["file"]["version"] for data in world.data] == [data["version_id"] for data in world.data]


def test_the_sequencer_orders_uploads_that_took_long() -> None:
    """The time of a long upload is that of its beginning; its sequencer is that of its end."""
    world = World(versioned=True).begin()
    world.store.put("a", b"short")
    world.tell("a", sequencer="0001")
    world.store.put("b")
    world.tell("b", sequencer="00FF")
    world.store.put("a", b"long one").at -= timedelta(hours=1)
    world.tell("a", sequencer="00010")
    world.store.versions[("a", world.store.objects["a"].version)].content = b"later"
    world.tell("a", sequencer="0002")
    assert world.turn()
    assert next(data["bytes"] for data in world.data if data["key"] == "a") == 5


def test_what_was_replaced_before_it_was_looked_at_is_the_newest() -> None:
    world = World().begin()
    for content in (b"1", b"22", b"333"):
        world.put("a", content)
    assert world.turn() == ["a"]
    assert world.data[0]["bytes"] == 3
    world.ctx.clock.advance(16 * 60)
    assert world.turn() == []


def test_what_vanished_is_recorded_and_starts_nothing() -> None:
    world = World().begin()
    world.put("a")
    world.put("b")
    world.store.delete("a")
    poll = world.look()
    assert world.commit(poll) == ["b"]
    assert [(event.data["key"], reason[:11]) for event, reason in poll.skipped] == [("a", "source gone")]
    asyncio.run(acknowledged(poll))
    assert world.queue.left == 0


def test_poison_is_kept_with_its_reason_and_leaves_the_queue() -> None:
    world = World().begin()
    world.put("a")
    mixed = shapes.s3(shapes.record("a"), {"eventVersion": "9"}, shapes.record("a", bucket="elsewhere"))
    world.queue.send("no json", json.dumps({"hello": 1}), mixed, json.dumps(shapes.TEST_EVENT))
    poll = world.look()
    assert sorted(each.reason.partition(":")[0] for each in poll.unreadable) == [
        "it cannot be read",
        "it cannot be read",
        "record 1",
    ]
    (partly,) = (each for each in poll.unreadable if each.reason.startswith("record 1"))
    assert "elsewhere; this trigger watches uploads" in partly.reason
    assert partly.body == mixed.encode()
    assert world.commit(poll) == ["a"]
    asyncio.run(acknowledged(poll))
    assert world.queue.left == 0


def test_a_batch_is_taken_whole_and_stays_within_its_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TAKE, "MAX_MESSAGES", 30)
    world = World().begin()
    for number in range(75):
        world.put(f"{number:02}")
    sizes = []
    while world.queue.left:
        sizes.append(len(world.turn()))
    assert sizes == [30, 30, 15]
    assert len(set(world.started)) == 75


def test_a_queue_that_fails_halfway_gives_what_it_gave() -> None:
    world = World().begin()
    for number in range(25):
        world.put(f"{number:02}")
    asked = iter([None, Unavailable("the queue cannot be reached")])

    def fail() -> None:
        error = next(asked, None)
        if error is not None:
            raise error

    world.queue.on_receive = fail
    assert len(world.turn()) == 10
    assert len(world.turn()) == 15


def test_a_deletion_that_fails_is_said_and_changes_nothing() -> None:
    world = World().begin()
    world.put("a")

    def fail(messages: Any) -> None:
        raise Unavailable("1 of 1 messages could not be deleted")

    world.queue.on_delete = fail
    with pytest.raises(Unavailable):
        world.turn()
    world.queue.on_delete = lambda messages: None
    world.queue.expire()
    assert world.turn() == []
    assert world.started == ["a"]


# The store is down, or slow.


def test_while_the_store_is_down_what_is_told_waits_here_and_not_in_the_queue() -> None:
    """Messages that are received again and again would end in the dead-letter queue."""
    world = World(reconcile=False).begin()
    world.put("a")
    world.put("b")

    def down(key: str) -> None:
        raise Unavailable("the store cannot be reached")

    world.store.on_head = down
    poll = world.look()
    assert (poll.problem, poll.events) == ("the store cannot be reached", [])
    world.commit(poll)
    asyncio.run(acknowledged(poll))
    assert world.queue.left == 0
    world.store.on_head = lambda key: None
    assert world.turn() == []
    assert world.queue.asked[-1]["wait"] == 20, (
        "as long as the queue allows, and no longer than until it is due"
    )
    world.ctx.clock.advance(31)
    assert sorted(world.turn()) == ["a", "b"]
    assert "waiting" not in world.ctx.cursor


def test_what_waits_is_looked_at_when_it_is_due() -> None:
    world = World(reconcile=False).begin()
    world.put("a")
    world.store.on_head = lambda key: (_ for _ in ()).throw(Unavailable("down"))
    world.turn()
    world.ctx.clock.advance(25)
    world.turn()
    assert world.queue.asked[-1]["wait"] == 5


def test_what_nobody_may_look_at_is_given_up_after_a_day() -> None:
    world = World(reconcile=False).begin()
    world.put("a")

    def refuse(key: str) -> None:
        raise AuthenticationFailed("the store answered AccessDenied")

    world.store.on_head = refuse
    assert world.turn() == []
    world.ctx.clock.advance(86400)
    poll = world.look()
    assert [(event.data["key"], "AccessDenied" in reason) for event, reason in poll.skipped] == [("a", True)]
    world.commit(poll)
    assert "waiting" not in world.ctx.cursor


def test_with_too_much_waiting_nothing_more_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    looking = import_room("triggers._s3.looking")
    monkeypatch.setattr(looking, "MAX_WAITING", 10)
    world = World(reconcile=False).begin()
    for number in range(15):
        world.put(f"{number:02}")
    world.store.on_head = lambda key: (_ for _ in ()).throw(Unavailable("down"))
    world.turn()
    left = world.queue.left
    world.turn()
    assert world.queue.left == left
    world.store.on_head = lambda key: None
    world.ctx.clock.advance(31)
    world.turn()
    world.turn()
    assert len(world.started) == 15


def test_what_has_not_settled_waits() -> None:
    world = World(reconcile=False, settle="10s").begin()
    world.put("a")
    world.store.objects["a"].at = world.ctx.now() - timedelta(seconds=4)
    assert world.turn() == []
    world.ctx.clock.advance(5)
    assert world.turn() == []
    world.ctx.clock.advance(1)
    assert world.turn() == ["a"]


def test_a_listing_that_fails_keeps_no_message_back() -> None:
    world = World().begin()

    def down() -> None:
        raise Unavailable("the store cannot be listed")

    world.store.on_list = down
    world.ctx.clock.advance(16 * 60)
    world.put("a")
    poll = world.look()
    assert poll.problem == "the store cannot be listed"
    assert world.commit(poll) == ["a"]


def test_a_queue_that_is_down_keeps_no_listing_back() -> None:
    world = World().begin()

    def down() -> None:
        raise Unavailable("the queue cannot be reached")

    world.queue.on_receive = down
    with pytest.raises(Unavailable):
        world.turn()
    world.store.put("a")
    world.ctx.clock.advance(16 * 60)
    poll = world.look()
    assert poll.problem == "the queue cannot be reached"
    assert world.commit(poll) == ["a"]


# What was there before, and how often the listing is gone through.


@pytest.mark.parametrize("versioned", [True, False])
def test_what_was_there_before_starts_nothing_even_when_it_is_told(versioned: bool) -> None:
    world = World(versioned=versioned)
    world.put("old")
    world.begin()
    world.put("new")
    assert world.turn() == ["new"]
    world.tell("old")
    assert world.turn() == []
    assert world.started == ["new"]


@pytest.mark.parametrize("versioned", [True, False])
def test_what_is_uploaded_in_the_second_of_the_first_look_is_not_lost(versioned: bool) -> None:
    world = World(versioned=versioned).begin()
    world.store.now -= timedelta(seconds=2)
    world.put("at once")
    assert world.turn() == ["at once"]


def test_a_first_listing_that_fails_is_the_first_one_later() -> None:
    world = World()
    for key in ("old", "older"):
        world.store.put(key)
    world.store.on_list = lambda: (_ for _ in ()).throw(Unavailable("down"))
    assert world.turn() == []
    world.put("new")
    assert world.turn() == ["new"]
    world.store.on_list = lambda: None
    world.ctx.clock.advance(16 * 60)
    assert world.turn() == []
    world.ctx.clock.advance(16 * 60)
    world.store.put("newer")
    assert world.turn() == ["newer"]


def test_everything_is_everything() -> None:
    world = World(start_from="all")
    world.store.put("old")
    world.put("told")
    assert sorted(world.turn()) == ["old", "told"]
    world.queue.expire()
    world.turn()
    assert sorted(world.started) == ["old", "told"]


def test_the_listing_is_gone_through_now_and_then() -> None:
    world = World().begin()
    for _ in range(10):
        world.ctx.clock.advance(60)
        world.turn()
    assert world.store.calls == 1
    world.ctx.clock.advance(5 * 60)
    world.turn()
    assert world.store.calls == 2
    world.turn(interval="1h")
    assert world.store.calls == 2


def test_without_reconciling_nothing_is_listed_until_it_is_wanted() -> None:
    world = World(reconcile=False)
    world.store.put("old")
    world.put("a")
    assert world.turn() == ["a"]
    assert world.store.calls == 0
    world.ctx.clock.advance(16 * 60)
    assert world.turn(reconcile=True) == []
    assert world.store.calls == 1


def test_what_is_found_is_not_kept_waiting_for_the_queue() -> None:
    world = World().begin()
    world.store.put("lost")
    world.ctx.clock.advance(16 * 60)
    assert world.turn() == ["lost"]
    assert world.queue.asked[-1]["wait"] == 0
    world.turn()
    assert world.queue.asked[-1] == {"limit": 10, "wait": 20, "visibility": 60}
    world.turn(visibility="5m")
    assert world.queue.asked[-1]["visibility"] == 300


def test_filters_hold_for_what_is_told() -> None:
    given: dict[str, Any] = {
        "prefix": "raw/",
        "suffix": [".png"],
        "glob": "raw/*",
        "min_bytes": 2,
        "max_bytes": 4,
    }
    world = World(reconcile=False, content_type="image/*", **given).begin()
    for key, content in (("raw/a.png", b"xx"), ("raw/b.PNG", b"xxx"), ("raw/c.jpg", b"xx"), ("d.png", b"xx")):
        world.put(key, content)
    world.put("raw/e.png", b"x")
    world.put("raw/f.png", b"xxxxx")
    world.put("raw/deep/g.png", b"xx")
    world.put("raw/h.png", b"xx", mime="text/plain")
    world.put("raw/i.png", b"xxx", metadata={"hookline-run": "run_1"})
    world.put("raw/")
    poll = world.look()
    assert sorted(world.commit(poll)) == ["raw/a.png", "raw/b.PNG"]
    assert [(event.data["key"], "run_1" in reason) for event, reason in poll.skipped] == [("raw/i.png", True)]


def test_a_size_that_is_not_told_is_asked_for() -> None:
    world = World(reconcile=False, max_bytes=2).begin()
    for key, content in (("small", b"x"), ("large", b"xxx")):
        world.store.put(key, content)
        world.queue.send(shapes.s3(shapes.record(key, size=None)))
    assert world.turn() == ["small"]


@pytest.mark.parametrize(
    "cursor", [{"after": "", "until": None, "waiting": [1]}, {"after": "", "until": None, "since": 1}]
)
def test_a_broken_cursor_is_said_plainly(cursor: Any) -> None:
    world = World()
    world.ctx.cursor = cursor
    with pytest.raises(BadInput, match="cursor"):
        world.look()


@settings(max_examples=60, deadline=None)
@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("put"), st.sampled_from(["a", "b", "c/d", "é"])),
            st.tuples(st.sampled_from(["drop", "twice"]), st.sampled_from(["a", "b", "m"])),
            st.tuples(
                st.sampled_from(["turn", "die", "die late", "expire", "down", "up", "later"]), st.just("")
            ),
        ),
        max_size=40,
    ),
    versioned=st.booleans(),
    seed=st.integers(0, 100),
)
def test_every_upload_is_one_event(steps: Sequence[tuple[str, str]], versioned: bool, seed: int) -> None:
    """Uploads, notifications that are lost or doubled, deaths and outages in any order."""
    world = World(versioned=versioned).begin()
    world.queue.chance = random.Random(seed)
    count, told, is_down = 0, set(), False

    def name(key: str) -> tuple[str, str]:
        return key, world.store.objects[key].version or etag(world.store.objects[key])

    def trouble(key: str = "") -> None:
        if is_down:
            raise Unavailable("down")

    world.store.on_head = world.store.on_list = trouble
    for what, key in steps:
        if what in ("put", "drop", "twice"):
            count += 1
            world.store.put(key, bytes([count]))
            for _ in range({"put": 1, "drop": 0, "twice": 2}[what]):
                world.tell(key, sequencer=f"{count:08X}")
                told.add(name(key))
        elif what == "turn":
            world.turn()
        elif what == "die":
            world.look()
        elif what == "die late":
            world.commit(world.look())
        elif what == "expire":
            world.queue.expire()
        elif what == "later":
            world.ctx.clock.advance(16 * 60)
        else:
            is_down = what == "down"
    is_down = False
    for _ in range(4):
        world.queue.expire()
        world.ctx.clock.advance(16 * 60)
        world.turn()
    assert world.queue.left == 0
    found = [(data["key"], data["version_id"] or data["etag"]) for data in world.data]
    assert len(found) == len(set(found))
    assert {name(key) for key in world.store.objects} <= set(found)
    if versioned:
        assert told <= set(found), "older versions are still there, and were told of"
