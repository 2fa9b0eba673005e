"""Uploads start runs: each exactly once, whatever happens in between."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from referencing import Registry

from hookline.engine.loader import import_room
from hookline.sdk import BadInput, File, Poll, Unavailable, patterns
from hookline.testing import FakeTriggerContext, run_trigger
from hookline.testing.s3 import S3Server

from .conftest import connect
from .fakes import Store

TRIGGER = import_room("triggers.s3_upload")
LOOK = import_room("triggers._s3.look")
LISTING = import_room("triggers._s3.listing")


async def look(ctx: FakeTriggerContext, bucket: str, **parameters: Any) -> Poll:
    found = await run_trigger(TRIGGER.s3_upload, {"bucket": bucket, **parameters}, ctx)
    assert isinstance(found, Poll)
    return found


def keys(poll: Poll) -> list[str]:
    return sorted(str(event.data["key"]) for event in poll.events)


# The real server.


@pytest.mark.timeout(400)
def test_three_hundred_uploads_are_three_hundred_events(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In any order of names, over many looks, some of which die before their commit."""
    monkeypatch.setattr(LOOK, "MAX_EVENTS", 41)
    chance = random.Random(20260301)
    names = [f"in/{chance.choice('äöü zß🦄')}{number:03} – photo.png" for number in range(300)]
    chance.shuffle(names)
    bucket = "uploads"
    ctx = FakeTriggerContext()
    committed: list[str] = []

    async def go() -> None:
        ctx.commit(await look(ctx, bucket, prefix="in/"))
        # Twice the looks that are needed: one that finds nothing new changes nothing.
        for start in range(0, 2 * len(names), 37):
            batch = names[start : start + 37]
            await asyncio.gather(*(store.write(f"s3://{bucket}/{key}", key.encode()) for key in batch))
            poll = await look(ctx, bucket, prefix="in/")
            if chance.random() < 0.4:
                # The process died between the look and its commit: the same cursor is given again.
                repeated = await look(ctx, bucket, prefix="in/")
                assert {event.key for event in repeated.events} == {event.key for event in poll.events}
                poll = repeated
            data = {event.key: str(event.data["key"]) for event in poll.events}
            committed.extend(data[key] for key in ctx.commit(poll))
        assert (await look(ctx, bucket, prefix="in/")).events == []

    # A server of its own: one that has served many other directories is slow.
    with S3Server(tmp_path) as server:
        server.create_bucket(bucket)
        ctx.connection = store = connect(server)
        asyncio.run(go())
        store.close()
    assert sorted(committed) == sorted(names)


def test_an_event_leads_to_the_bytes(store: Any, bucket: str) -> None:
    ctx = FakeTriggerContext(connection=store)

    async def go() -> Mapping[str, Any]:
        ctx.commit(await look(ctx, bucket))
        await store.write(f"s3://{bucket}/raw/Grüße und so.tar.gz", b"content", mime="application/gzip")
        (event,) = (await look(ctx, bucket)).events
        file = File.from_json(event.data["file"])
        async with store.stream(file.uri) as pieces:
            assert b"".join([piece async for piece in pieces]) == b"content"
        assert file.connection == "uploads"
        assert file.mime == "application/gzip"
        return event.data

    data = asyncio.run(go())
    schema = TRIGGER.s3_upload.output_schema
    validator = jsonschema.Draft202012Validator(schema, registry=Registry())
    validator.validate(dict(data))
    validator.validate(dict(TRIGGER.s3_upload.sample))
    expected = {
        "bucket": bucket,
        "key": "raw/Grüße und so.tar.gz",
        "name": "Grüße und so.tar.gz",
        "stem": "Grüße und so.tar",
        "suffix": ".gz",
        "bytes": 7,
        "version_id": None,
    }
    assert {name: data[name] for name in expected} == expected


def test_what_was_there_before_starts_something_only_when_asked(store: Any, bucket: str) -> None:
    async def go() -> None:
        await store.write(f"s3://{bucket}/old.png", b"1")
        now, everything = FakeTriggerContext(connection=store), FakeTriggerContext(connection=store)
        assert keys(await look(everything, bucket, start_from="all")) == ["old.png"]
        ctx = now
        ctx.commit(await look(ctx, bucket))
        await store.write(f"s3://{bucket}/new.png", b"2")
        assert keys(await look(ctx, bucket)) == ["new.png"]

    asyncio.run(go())


def test_objects_written_by_a_run_start_nothing(store: Any, bucket: str) -> None:
    async def go() -> None:
        ctx = FakeTriggerContext(connection=store)
        ctx.commit(await look(ctx, bucket))
        await store.write(f"s3://{bucket}/out.png", b"1", metadata={"hookline-run": "run_7"})
        poll = await look(ctx, bucket)
        assert poll.events == []
        (event, reason), *_ = poll.skipped
        assert (event.data["key"], "run_7" in reason) == ("out.png", True)
        assert keys(await look(ctx, bucket, ignore_own=False)) == ["out.png"]
        ctx.commit(poll)
        assert (await look(ctx, bucket)).skipped == []

    asyncio.run(go())


def test_an_object_is_not_seen_while_it_is_uploaded(store: Any, bucket: str) -> None:
    async def go() -> None:
        ctx = FakeTriggerContext(connection=store)
        ctx.commit(await look(ctx, bucket))
        half, rest = asyncio.Event(), asyncio.Event()

        async def slow() -> Any:
            yield b"x" * (17 * 1024 * 1024)
            half.set()
            await rest.wait()
            yield b"y"

        writing = asyncio.create_task(store.write(f"s3://{bucket}/large.bin", slow()))
        await half.wait()
        assert (await look(ctx, bucket)).events == []
        rest.set()
        await writing
        assert keys(await look(ctx, bucket)) == ["large.bin"]

    asyncio.run(go())


# A store that does what the real server cannot: versions, races, a clock of its own, tiny pages.


def started(store: Store, **given: Any) -> FakeTriggerContext:
    """A trigger that has had its first look already."""
    ctx = FakeTriggerContext(connection=store)
    ctx.commit(asyncio.run(look(ctx, "bucket", **given)))
    return ctx


def now(ctx: FakeTriggerContext, **given: Any) -> Poll:
    return asyncio.run(look(ctx, "bucket", **given))


@pytest.mark.parametrize("versioned", [True, False])
def test_the_same_bytes_again_are_another_event(versioned: bool) -> None:
    store = Store(versioned=versioned)
    ctx = started(store)
    for _ in range(3):
        store.put("a.png", b"same")
        poll = now(ctx)
        assert len(ctx.commit(poll)) == 1
        assert poll.events[0].data["version_id"] == (store.objects["a.png"].version or None)
        assert ctx.commit(now(ctx)) == []


def test_a_version_is_asked_for_once() -> None:
    store = Store(versioned=True)
    ctx = started(store)
    store.put("a.png")
    for _ in range(3):
        ctx.commit(now(ctx))
    assert store.heads == ["a.png"]


def test_an_upload_whose_name_comes_before_older_ones_is_found() -> None:
    store = Store()
    ctx = started(store)
    for key in ("img/2026-02.png", "img/2026-01.png", "a", "zz", "é", "img/2026-01.png"):
        store.put(key)
        assert keys(now(ctx)) == [key]
        ctx.commit(now(ctx))


def test_without_any_need_for_it_no_object_is_asked_for() -> None:
    store = Store()
    ctx = started(store)
    store.put("a.png")
    assert keys(now(ctx, ignore_own=False)) == ["a.png"]
    assert store.heads == []


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, ["raw/a.PNG", "raw/b.jpg", "raw/deep/c.png", "raw/huge.png", "top.png"]),
        ({"prefix": "raw/"}, ["raw/a.PNG", "raw/b.jpg", "raw/deep/c.png", "raw/huge.png"]),
        ({"suffix": [".png"]}, ["raw/a.PNG", "raw/deep/c.png", "raw/huge.png", "top.png"]),
        ({"suffix": ".jpg"}, ["raw/b.jpg"]),
        ({"glob": "*.png"}, ["top.png"]),
        ({"glob": "raw/*.[pP][nN][gG]"}, ["raw/a.PNG", "raw/huge.png"]),
        ({"glob": "raw/**/*.png"}, ["raw/deep/c.png", "raw/huge.png"]),
        ({"glob": "**/*.png"}, ["raw/deep/c.png", "raw/huge.png", "top.png"]),
        ({"max_bytes": "2KB"}, ["raw/a.PNG", "raw/b.jpg", "raw/deep/c.png", "top.png"]),
        ({"min_bytes": 2}, ["raw/huge.png"]),
        ({"content_type": "image/*"}, ["raw/a.PNG", "raw/deep/c.png", "raw/huge.png", "top.png"]),
        ({"content_type": ["text/plain"]}, ["raw/b.jpg"]),
    ],
    ids=str,
)
def test_filters(parameters: dict[str, Any], expected: list[str]) -> None:
    store = Store()
    ctx = started(store, **parameters)
    for key in ("raw/a.PNG", "top.png", "raw/deep/c.png"):
        store.put(key)
    store.put("raw/huge.png", b"x" * 5000)
    store.put("raw/b.jpg", mime="text/plain")
    store.put("raw/", b"")
    store.put("raw/folder/", b"")
    assert keys(now(ctx, **parameters)) == expected


def test_what_the_type_filter_drops_is_asked_for_once() -> None:
    store = Store()
    ctx = started(store)
    store.put("a.txt", mime="text/plain")
    for _ in range(3):
        assert ctx.commit(now(ctx, content_type="image/*")) == []
    assert store.heads == ["a.txt"]


def test_an_object_must_have_settled_by_the_stores_clock() -> None:
    store = Store()
    ctx = started(store)
    store.put("a.png")
    assert now(ctx, settle="10s").events == []
    store.now += timedelta(seconds=9)
    assert ctx.commit(now(ctx, settle="10s")) == []
    store.now += timedelta(seconds=1)
    assert keys(now(ctx, settle="10s")) == ["a.png"]


def test_an_object_that_vanishes_or_is_replaced_meanwhile() -> None:
    store = Store()
    ctx = started(store)
    store.put("gone.png")
    store.put("replaced.png", b"first")
    store.put("stays.png")

    def happen(key: str) -> None:
        store.on_head = lambda key: None
        store.delete("gone.png")
        store.put("replaced.png", b"second")

    store.on_head = happen
    first = now(ctx)
    assert keys(first) == ["stays.png"]
    assert [(event.data["key"], reason[:11]) for event, reason in first.skipped] == [
        ("gone.png", "source gone")
    ]
    ctx.commit(first)
    second = now(ctx)
    assert keys(second) == ["replaced.png"]
    assert second.events[0].data["bytes"] == len(b"second")


def test_an_object_that_cannot_be_looked_at_holds_nothing_up() -> None:
    store = Store()
    ctx = started(store)
    store.put("encrypted.png")
    store.put("plain.png")

    def refuse(key: str) -> None:
        if key == "encrypted.png":
            raise BadInput("the store answered InvalidRequest")

    store.on_head = refuse
    poll = now(ctx)
    assert keys(poll) == ["plain.png"]
    assert [event.data["key"] for event, _ in poll.skipped] == ["encrypted.png"]
    ctx.commit(poll)
    again = now(ctx)
    assert (again.events, again.baseline, again.skipped) == ([], [], [])


def test_a_store_that_is_down_changes_nothing() -> None:
    store = Store()
    ctx = started(store)
    store.put("a.png")

    def fail(key: str) -> None:
        raise Unavailable("the store cannot be reached")

    store.on_head = fail
    with pytest.raises(Unavailable):
        now(ctx)
    store.on_head = lambda key: None
    assert keys(now(ctx)) == ["a.png"]


def test_a_long_first_listing_loses_nothing_that_is_uploaded_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(LISTING, "MAX_PAGES", 2)
    store = Store()
    for number in range(20):
        store.put(f"old/{number:02}")
    ctx = FakeTriggerContext(connection=store)
    found: list[str] = []
    for step in range(12):
        poll = now(ctx)
        data = {event.key: str(event.data["key"]) for event in poll.events}
        found += [data[key] for key in ctx.commit(poll)]
        assert (poll.next_at is None) == (poll.cursor == {"after": "", "until": None})
        if step < 3:
            # Behind the position, and before it.
            store.put(f"zzz-{step}")
            store.put(f"aaa-{step}")
    assert sorted(found) == ["aaa-0", "aaa-1", "aaa-2", "zzz-0", "zzz-1", "zzz-2"]


def test_a_look_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LISTING, "MAX_PAGES", 4)
    store = Store()
    ctx = started(store)
    for number in range(40):
        store.put(f"{number:02}")
    store.calls = 0
    poll = now(ctx)
    assert store.calls == 4
    assert len(poll.events) == 12
    assert poll.next_at == ctx.now()


def test_events_come_in_the_order_of_the_uploads() -> None:
    store = Store()
    ctx = started(store)
    for key in ("c", "a", "b", "d", "0"):
        store.put(key)
    assert [event.data["key"] for event in now(ctx).events] == ["c", "a", "b", "d", "0"]


@settings(max_examples=60, deadline=None)
@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("put"), st.sampled_from(["a", "b", "c/d", "é", "z z", "m"])),
            st.tuples(st.just("delete"), st.sampled_from(["a", "b", "c/d"])),
            st.tuples(st.sampled_from(["look", "die"]), st.just("")),
        ),
        max_size=40,
    ),
    pages=st.integers(1, 3),
    events=st.integers(1, 4),
    versioned=st.booleans(),
)
def test_every_upload_that_stays_is_one_event(
    steps: Sequence[tuple[str, str]], pages: int, events: int, versioned: bool
) -> None:
    """Uploads, deletions, looks and deaths in any order; limits as small as they get."""
    store = Store(page=2, versioned=versioned)
    ctx = started(store)
    put: set[tuple[str, str]] = set()
    found: list[tuple[str, str]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LISTING, "MAX_PAGES", pages)
        patch.setattr(LOOK, "MAX_EVENTS", events)

        def take() -> Poll:
            poll = now(ctx)
            data = {event.key: event.data for event in poll.events}
            found.extend((data[k]["key"], data[k]["last_modified"]) for k in ctx.commit(poll))
            return poll

        for what, key in steps:
            if what == "put":
                store.put(key, random.Random(len(put)).choice([b"1", b"22"]))
                put.add((key, store.objects[key].at.isoformat().replace("+00:00", "Z")))
            elif what == "delete":
                store.delete(key)
            elif what == "look":
                take()
            else:
                now(ctx)
        for _ in range(200):
            # Two whole listings: one may have been in the middle.
            if take().next_at is None and take().next_at is None:
                break
    assert len(found) == len(set(found))
    assert set(found) <= put
    remaining = {(key, each.at.isoformat().replace("+00:00", "Z")) for key, each in store.objects.items()}
    assert remaining <= set(found)


@pytest.mark.parametrize("cursor", ["x", {"after": 1}, {"after": "", "until": "yesterday"}, 3], ids=str)
def test_a_broken_cursor_is_said_plainly(cursor: Any) -> None:
    with pytest.raises(BadInput, match="cursor"):
        now(FakeTriggerContext(connection=Store(), cursor=cursor))


def test_a_pattern_of_many_stars_takes_no_time() -> None:
    matches = patterns.glob_matches
    assert not matches("**/" * 100 + "*a*" * 40 + "b", "/".join(["a" * 30] * 30))
    assert matches("**", "a/b/c")
    assert matches("a/**", "a/b/c")
    assert matches("**/c", "c")
    assert not matches("a/*", "a/b/c")
    assert not matches("", "a")
