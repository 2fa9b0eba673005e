"""A source may forget only what is on disk; and a polling trigger can be told what a look would find."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from engine_lab import Fail, Hang, Lab, LabMaker, flow, job

from hookline.engine import pollers
from hookline.engine.errors import Busy
from hookline.sdk import (
    HookAnswered,
    HookRefused,
    HookReply,
    Poll,
    TriggerEvent,
    Unavailable,
    Unreadable,
)
from hookline.store.port import StoreUnavailable

TOLD = {"uses": "told", "with": {"push": {"path": "in/here"}}}


def events(*numbers: int) -> list[TriggerEvent]:
    return [TriggerEvent(f"file-{number}", {"n": number}) for number in numbers]


class Source:
    """What was acknowledged, and what was in the store then."""

    def __init__(self, lab: Lab | None = None) -> None:
        self.lab = lab
        self.seen: list[set[str]] = []
        self.error: Exception | None = None

    async def acknowledge(self) -> None:
        assert self.lab is not None
        keys = [f"file-{number}" for number in range(10)]
        self.seen.append(self.lab.engine.store.seen("flow/0", keys))
        if self.error is not None:
            raise self.error


def looking(labs: LabMaker, *does: Any, **options: Any) -> Lab:
    labs.outside.script("told", *does)
    lab = labs(started=False, **options)
    lab.deploy(flow(job("a"), trigger=TOLD))
    return lab


def poller(lab: Lab) -> pollers.Poller:
    return lab.engine.looking.pollers["flow/0"]


def all_events(lab: Lab) -> Sequence[Any]:
    return list(lab.engine.store.events(None, None, 1000, None).rows)


def test_the_source_is_told_after_the_commit(labs: LabMaker) -> None:
    source = Source()
    lab = looking(labs, Poll(events(1, 2), cursor=1, acknowledge=source.acknowledge))
    source.lab = lab
    lab.start(triggers=True)
    lab.until(lambda: source.seen)
    assert source.seen == [{"file-1", "file-2"}]


def test_the_source_is_not_told_what_could_not_be_stored(
    labs: LabMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Source()
    found = Poll(events(1), cursor=1, acknowledge=source.acknowledge)
    lab = looking(labs, found, found)
    source.lab = lab
    store: Any = lab.engine.store
    submit = store.submit
    monkeypatch.setattr(store, "submit", lambda unit, done: done(StoreUnavailable("the disk is full")))
    lab.start(recover=False, triggers=True)
    lab.until(lambda: poller(lab).problem)
    assert source.seen == []
    monkeypatch.setattr(store, "submit", submit)
    labs.clock.advance(6)
    lab.until(lambda: source.seen)
    assert poller(lab).problem == ""


def test_what_is_given_again_after_a_failed_acknowledgement_starts_nothing(labs: LabMaker) -> None:
    source = Source()
    source.error = Unavailable("the queue cannot be reached")
    found = Poll(events(1), cursor=None, acknowledge=source.acknowledge)
    lab = looking(labs, found, found)
    source.lab = lab
    lab.start(triggers=True)
    lab.until(lambda: poller(lab).problem == "the queue cannot be reached")
    source.error = None
    labs.clock.advance(6)
    lab.until(lambda: len(source.seen) == 2)
    lab.until_idle()
    assert len(lab.runs()) == 1
    assert sorted(row.state for row in all_events(lab)) == ["duplicate", "received"]


def test_what_nobody_can_read_is_kept_once_and_capped(
    labs: LabMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pollers, "MAX_UNREADABLE_BYTES", 10)
    source = Source()
    unreadable = Unreadable("message:1", "it is not JSON", b"0123456789abcdef")
    found = Poll(events(1), cursor=1, unreadable=[unreadable], acknowledge=source.acknowledge)
    lab = looking(labs, found, found)
    source.lab = lab
    lab.start(triggers=True)
    lab.until(lambda: source.seen)
    labs.clock.advance(61)
    lab.until(lambda: len(source.seen) == 2)
    (rejected,) = (row for row in all_events(lab) if row.state == "rejected")
    assert (rejected.reason, rejected.workflow, rejected.run_id) == ("it is not JSON", "flow", None)
    kept = lab.engine.store.event(rejected.id)
    assert kept is not None
    assert kept.body == b"0123456789"
    assert len(lab.runs()) == 1


def test_a_problem_of_a_look_is_shown_until_it_is_over(labs: LabMaker) -> None:
    lab = looking(labs, Poll(events(1), cursor=1, problem="the store is slow"), Poll(cursor=2))
    lab.start(triggers=True)
    lab.until(lambda: poller(lab).problem == "the store is slow")
    labs.clock.advance(61)
    lab.until(lambda: poller(lab).problem == "")
    assert len(lab.runs()) == 1


# Told instead of asked.


def test_what_is_told_and_what_is_looked_up_is_one(labs: LabMaker) -> None:
    labs.outside.script("told request", Poll(events(1, 2)), Poll(events(2)))
    lab = looking(labs, Poll(cursor=1), Poll(events(1, 2, 3), cursor=2))
    lab.start(triggers=True)
    lab.until(lambda: poller(lab).looked_at is not None)
    answer = lab.hook("in/here", b"news")
    ids = json.loads(answer.reply.body)
    assert answer.reply.status == 202
    assert sorted(row.id for row in lab.runs()) == sorted(ids["runs"])
    assert len(ids["events"]) == 2
    repeated = json.loads(lab.hook("in/here").reply.body)
    assert set(repeated["runs"]) < set(ids["runs"])
    labs.clock.advance(61)
    lab.until(lambda: len(lab.runs()) == 3)
    assert lab.engine.store.cursor("flow/0") == 2


def test_what_is_told_does_not_move_the_cursor(labs: LabMaker) -> None:
    labs.outside.script("told request", Poll(events(1), cursor={"not": "mine"}))
    lab = looking(labs, Poll(cursor=7))
    lab.start(triggers=True)
    lab.until(lambda: lab.engine.store.cursor("flow/0") == 7)
    lab.hook("in/here")
    assert lab.engine.store.cursor("flow/0") == 7


def test_a_process_that_does_not_look_takes_in_what_it_is_told(labs: LabMaker) -> None:
    labs.outside.script("told request", Poll(events(1)))
    lab = looking(labs)
    lab.start(triggers=False)
    lab.hook("in/here")
    lab.until_idle()
    assert len(lab.runs()) == 1


def test_being_told_may_ask_for_a_look(labs: LabMaker) -> None:
    at = datetime.fromtimestamp(labs.clock() + 10, UTC)
    labs.outside.script("told request", Poll(next_at=at))
    lab = looking(labs, Poll(cursor=1), Poll(events(1), cursor=2))
    lab.start(triggers=True)
    lab.until(lambda: poller(lab).looked_at is not None)
    lab.hook("in/here")
    labs.clock.advance(9)
    lab.engine._call(lambda: None)
    assert [call.data["woken"] for call in lab.outside.of("told", "poll")] == [False]
    labs.clock.advance(2)
    lab.until(lambda: len(lab.runs()) == 1)
    assert [call.data["woken"] for call in lab.outside.of("told", "poll")] == [False, True]


def test_who_tells_is_answered_in_its_own_way(labs: LabMaker) -> None:
    refused = HookRefused(401, "the signature does not match", code="C601")
    labs.outside.script(
        "told request",
        HookAnswered(HookReply(200, b"hello")),
        Fail(refused),
        Fail(Unavailable("the certificate cannot be had")),
    )
    lab = looking(labs)
    lab.start(triggers=True)
    assert lab.hook("in/here").reply.body == b"hello"
    with pytest.raises(HookRefused):
        lab.hook("in/here")
    lab.until(lambda: [row.state for row in all_events(lab)] == ["rejected"])
    with pytest.raises(Busy) as busy:
        lab.hook("in/here")
    assert (busy.value.code, busy.value.status) == ("R417", 503)
    assert lab.runs() == []


def test_without_room_nothing_is_taken_that_is_told(labs: LabMaker) -> None:
    labs.outside.script("a", Hang())
    labs.outside.script("told request", Poll(events(1)), Poll(events(2)))
    lab = looking(labs, environment={"HOOKLINE_MAX_BACKLOG": "1"})
    lab.start(triggers=True)
    lab.hook("in/here")
    lab.until(lambda: lab.outside.hanging("a") == 1)
    with pytest.raises(Busy) as busy:
        lab.hook("in/here")
    assert busy.value.code == "S301"
    lab.outside.release("a")
    lab.until_idle()
    lab.hook("in/here")
    lab.until_idle()
    assert len(lab.runs()) == 2


def test_a_look_that_is_wanted_and_has_no_room_waits(labs: LabMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = looking(labs, Poll()).start(triggers=True)
    lab.until_idle()
    looker, asked = poller(lab), 0

    def has_no_room() -> bool:
        nonlocal asked
        asked += 1
        assert asked < 100, "it asks without a pause, and nobody else has a turn"
        return False

    def want() -> None:
        monkeypatch.setattr(looker, "_has_room", has_no_room)
        looker._want(lab.clock())

    lab.engine._call(want)
    lab.until(lambda: asked > 0)
    lab.engine._call(lambda: None)
    assert asked == 1
    monkeypatch.setattr(looker, "_has_room", lambda: True)
    before = len(labs.outside.of("told", "poll"))
    labs.clock.advance(1.1)
    lab.until(lambda: len(labs.outside.of("told", "poll")) == before + 1)
    assert labs.outside.of("told", "poll")[-1].data == {"cursor": None, "woken": True}
