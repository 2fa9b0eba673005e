"""Polling triggers: what was found is stored with the cursor. And what is forgotten, and when."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import pytest
from engine_lab import Fail, Hang, Lab, LabMaker, Wait, flow, job

from hookline.engine import pollers
from hookline.engine.engine import EngineError
from hookline.engine.pollers import Poller
from hookline.engine.reading import submit_and_wait
from hookline.sdk import Poll, TriggerEvent, Unavailable
from hookline.store import sqlite_prune
from hookline.store.port import Accept, Dedupe, PutDefinition

FEED = {"uses": "feed"}


def events(*numbers: int) -> list[TriggerEvent]:
    return [TriggerEvent(f"file-{number}", {"n": number}) for number in numbers]


def looking(labs: LabMaker, *does: Any, definition: Any = None, **options: Any) -> Lab:
    labs.outside.script("feed", *does)
    lab = labs(started=False, **options)
    lab.deploy(definition or flow(job("a"), trigger=FEED))
    return lab.start(triggers=True)


def looks(lab: Lab) -> list[Any]:
    return [call.data["cursor"] for call in lab.outside.of("feed", "poll") if call.data is not None]


def until_looked(lab: Lab, times: int) -> None:
    """Wait until so many looks have come to their end, and their runs too."""
    lab.until(lambda: ENDED and ENDED[-1] == times == len(looks(lab)))
    lab.until_idle()


ENDED: list[int] = []
"""How often the feed had been asked, at the end of each look."""


@pytest.fixture(autouse=True)
def _note_the_end_of_looks(monkeypatch: pytest.MonkeyPatch, labs: LabMaker) -> None:
    ENDED.clear()
    look = Poller.look

    async def noted(self: Poller) -> float:
        delay = await look(self)
        ENDED.append(len(labs.outside.of("feed", "poll")))
        return delay

    monkeypatch.setattr(Poller, "look", noted)


def test_what_is_found_starts_runs_and_moves_the_cursor(labs: LabMaker) -> None:
    lab = looking(labs, Poll(events(1, 2), cursor={"at": 2}), Poll(events(2, 3), cursor={"at": 3}))
    until_looked(lab, 1)
    labs.clock.advance(61)
    until_looked(lab, 2)
    assert looks(lab) == [None, {"at": 2}]
    assert sorted(lab.document(row.id)["status"] for row in lab.runs()) == ["succeeded"] * 3
    lab = labs.again(lab, crash=True, triggers=True)
    until_looked(lab, 3)
    assert looks(lab)[2] == {"at": 3}
    states = [row.state for row in lab.engine.store.events(None, None, 10, None).rows]
    assert sorted(states) == ["duplicate", "received", "received", "received"]


def test_a_look_that_fails_is_repeated_later_and_later(labs: LabMaker) -> None:
    lab = looking(labs, Fail(Unavailable("down")), Fail(RuntimeError("bug")), Poll(events(1), cursor=1))
    until_looked(lab, 1)
    (poller,) = lab.engine.looking.pollers.values()
    assert poller.problem == "down"
    labs.clock.advance(5.1)
    until_looked(lab, 2)
    labs.clock.advance(5.1)
    lab.until_idle()
    assert len(looks(lab)) == 2
    labs.clock.advance(10)
    until_looked(lab, 3)
    assert poller.problem == ""
    assert len(lab.runs()) == 1


def test_the_trigger_says_when_to_look_again(labs: LabMaker) -> None:
    at = datetime.fromtimestamp(labs.clock() + 5, UTC)
    lab = looking(labs, Poll(next_at=at))
    until_looked(lab, 1)
    labs.clock.advance(5.1)
    until_looked(lab, 2)


def test_without_room_nothing_is_looked_for(labs: LabMaker) -> None:
    labs.outside.script("a", *[Hang()] * 3)
    found = [Poll(events(1, 2, 3), cursor=1), Poll(events(4), cursor=2)]
    lab = looking(labs, *found, environment={"HOOKLINE_MAX_BACKLOG": "3"})
    lab.until(lambda: lab.outside.hanging("a") == 3)
    for _ in range(5):
        labs.clock.advance(61)
        lab.engine._call(lambda: None)
    assert len(looks(lab)) == 1
    lab.outside.release("a")
    lab.until_idle()
    for _ in range(3):
        labs.clock.advance(1.1)
        lab.until_idle()
    until_looked(lab, 2)
    assert len(lab.runs()) == 4


def test_an_event_that_does_not_fit_keeps_nothing_back(labs: LabMaker) -> None:
    odd = TriggerEvent("odd", {"other": 1})
    definition = flow(job("a"), trigger={**FEED, "when": "{{ trigger.n > 1 }}"})
    lab = looking(labs, Poll([odd, *events(1, 2)], cursor=1), definition=definition)
    until_looked(lab, 1)
    rows = {row.data["n"] if row.data and "n" in row.data else row.dedupe_key: row for row in _events(lab)}
    assert rows["odd"].state == "filtered"
    assert rows["odd"].reason
    assert len(lab.runs()) == 1
    assert lab.engine.store.cursor("flow/0") == 1


def _events(lab: Lab) -> list[Any]:
    return list(lab.engine.store.events(None, None, 1000, None).rows)


def test_what_is_skipped_is_kept_with_its_reason(labs: LabMaker) -> None:
    lab = looking(labs, Poll(skipped=[(events(1)[0], "too large")], baseline=["old"], cursor=1))
    until_looked(lab, 1)
    (row,) = _events(lab)
    assert (row.state, row.reason, row.run_id) == ("filtered", "too large", None)
    assert lab.engine.store.seen("flow/0", ["old", "file-1", "x"]) == {"old", "file-1"}


def test_a_flood_is_stored_in_parts_and_the_cursor_last(
    labs: LabMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pollers, "MAX_EVENTS", 20)
    count = 2 * pollers.MAX_EVENTS + 7
    lab = looking(labs, Poll(events(*range(count)), cursor="end"))
    until_looked(lab, 1)
    lab.until(lambda: len(lab.outside.of("a")) == count)
    assert lab.engine.store.cursor("flow/0") == "end"


def test_a_workflow_deployed_later_is_looked_after_too(labs: LabMaker) -> None:
    lab = labs(triggers=True)
    labs.outside.script("feed", Poll(events(1), cursor=1))
    lab.deploy(flow(job("a"), trigger=FEED))
    lab.until(lambda: len(lab.runs()) == 1)


def test_what_a_look_had_found_when_it_was_called_off_still_runs(labs: LabMaker) -> None:
    """A new version is deployed while the events are on their way to the disk."""
    lab = labs(started=False)
    labs.outside.script("feed", Poll(events(1), cursor=1))
    lab.deploy(flow(job("a"), trigger=FEED))
    store: Any = lab.engine.store
    submit, held = store.submit, []

    def hold(unit: Any, done: Any) -> None:
        if type(unit).__name__ == "Accept":
            held.append((unit, done))
        else:
            submit(unit, done)

    store.submit = hold
    lab.start(triggers=True)
    lab.until(lambda: held)
    lab.deploy(flow(job("b"), trigger=FEED))
    store.submit = submit
    for unit, done in held:
        submit(unit, done)
    lab.until(lambda: [row.status for row in lab.runs()] == ["succeeded"])
    assert len(lab.outside.of("a")) == 1


# Retention ---------------------------------------------------------------------------------------


def finish(lab: Lab, count: int, name: str = "flow") -> list[str]:
    runs = []
    for _ in range(count):
        runs.append(lab.begin(name))
        assert lab.end(runs[-1]) == "succeeded"
        lab.until_idle()
        lab.clock.advance(1)
    return runs


def kept(lab: Lab) -> set[str]:
    lab.engine.store.flush()
    return {row.id for row in lab.runs()}


def test_runs_are_forgotten_by_age(lab: Lab) -> None:
    lab.deploy(flow(job("a"), retention={"age": "1d"}))
    old = finish(lab, 3)
    lab.clock.advance(86400)
    young = finish(lab, 2)
    lab.engine.retain(lab.engine.plan("flow"))
    assert kept(lab) == set(young)
    assert lab.engine.store.history(old[0]) == []


def test_runs_are_forgotten_by_count_and_never_while_they_are_open(lab: Lab) -> None:
    lab.outside.script("a", Wait(10**6))
    lab.deploy(flow(job("a", timeout="30d"), retention={"count": 2}))
    open_run = lab.begin("flow")
    lab.until_status(open_run, "waiting")
    runs = finish(lab, 5)
    lab.engine.retain(lab.engine.plan("flow"))
    assert kept(lab) == {open_run, *runs[-2:]}


def test_the_installation_may_say_what_workflows_do_not(labs: LabMaker) -> None:
    lab = labs(environment={"HOOKLINE_RETENTION_COUNT": "1", "HOOKLINE_RETENTION_AGE": "365d"})
    lab.deploy(flow(job("a")))
    lab.deploy(flow(job("a"), name="own", retention={"count": 3}))
    runs, own = finish(lab, 4), finish(lab, 4, "own")
    for _ in range(2):
        labs.clock.advance(601)
        lab.until_idle()
    lab.until(lambda: kept(lab) == {runs[-1], *own[-3:]})


def test_what_withdrawn_workflows_left_is_forgotten_too(labs: LabMaker) -> None:
    settings = {"HOOKLINE_RETENTION_COUNT": "1"}
    lab = labs(environment=settings)
    lab.deploy(flow(job("a"), name="own", retention={"count": 5}))
    lab.deploy(flow(job("a"), name="own", retention={"count": 3}))
    lab.deploy(flow(job("a")), flow(job("a"), name="stays", retention={"count": 4}))
    runs, own, stays = finish(lab, 3), finish(lab, 5, "own"), finish(lab, 5, "stays")
    lab.engine.withdraw("own")
    # A process that starts knows of a workflow without a file from the database alone.
    lab.stop()
    lab = labs(environment=settings, started=False)
    lab.deploy(flow(job("a"), name="stays", retention={"count": 4}))
    lab.start()
    lab.until(lambda: kept(lab) == {runs[-1], *own[-3:], *stays[-4:]})


def test_a_withdrawn_workflow_that_cannot_be_read_has_the_installations_retention(labs: LabMaker) -> None:
    lab = labs(environment={"HOOKLINE_RETENTION_COUNT": "1"})
    lab.deploy(flow(job("a"), retention={"count": 3}))
    runs = finish(lab, 3)
    submit_and_wait(lab.engine.store, PutDefinition("broken", "flow", {"name": "flow"}, labs.clock() + 1))
    lab.engine.withdraw("flow")
    labs.clock.advance(601)
    lab.until(lambda: kept(lab) == {runs[-1]})


def test_more_than_one_batch_is_forgotten(lab: Lab) -> None:
    lab.deploy(flow(job("a", "pure"), retention={"count": 0}))
    runs = [lab.begin("flow") for _ in range(1100)]
    lab.until(lambda: lab.status(runs[-1]) == "succeeded")
    lab.until_idle()
    lab.engine.retain(lab.engine.plan("flow"))
    lab.until(lambda: not kept(lab))


def test_what_has_expired_is_forgotten_though_every_run_is_kept(
    labs: LabMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_prune, "KEYS_PER_RUN", 1)
    lab = labs()
    now = labs.clock()
    remembered = [Dedupe("hook", f"k{n}", now + 5) for n in range(1200)]
    submit_and_wait(lab.engine.store, Accept([], baseline=[*remembered, Dedupe("hook", "new", now + 1e6)]))
    labs.clock.advance(601)
    lab.until_idle()

    def kept_keys() -> list[tuple[str]]:
        with closing(sqlite3.connect(lab.engine.store.path)) as db:
            return db.execute("SELECT key FROM dedupe").fetchall()

    lab.until(lambda: kept_keys() == [("new",)])


def test_a_withdrawn_workflow_is_not_started_any_more(labs: LabMaker) -> None:
    lab = labs()
    labs.outside.script("a", Wait(60))
    plan = lab.deploy(flow(job("a"), trigger={"uses": "knock", "with": {"path": "in"}}))
    run = lab.hook("in").run_id
    lab.until_status(run, "waiting")
    lab.engine.withdraw(plan.name)
    with pytest.raises(EngineError) as gone:
        lab.hook("in")
    assert gone.value.code == "R402"
    labs.clock.advance(61)
    assert lab.end(run) == "succeeded"
