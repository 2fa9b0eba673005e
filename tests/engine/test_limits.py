"""Limits: how many at once, how often, what counts as the same, and what is refused."""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing
from typing import Any

import pytest
from engine_lab import Fail, Hang, Lab, LabMaker, Wait, flow, job

from hookline.engine import runner
from hookline.engine.engine import Busy, EngineError
from hookline.sdk import BadInput, HookRefused, Poll, TriggerEvent
from hookline.store.port import Admit

HOOK = {"uses": "knock", "with": {"path": "in"}}


def limited(**limits: Any) -> dict[str, Any]:
    return flow(job("a"), limits=limits)


def statuses(lab: Lab, runs: list[str]) -> Counter[str]:
    return Counter(lab.status(run) for run in runs)


def test_no_more_than_max_at_once_and_in_order(lab: Lab) -> None:
    lab.outside.script("a", *[Hang()] * 6)
    lab.deploy(limited(concurrency={"max": 2}))
    runs = [lab.begin("flow") for _ in range(6)]
    for done in range(0, 6, 2):
        lab.until(lambda n=done: len(lab.outside.of("a")) == n + 2)
        assert statuses(lab, runs)["running"] == 2
        assert statuses(lab, runs)["queued"] == 4 - done
        lab.outside.release("a")
        for run in runs[done : done + 2]:
            assert lab.end(run) == "succeeded"
    started = [call.key.partition("/")[0] for call in lab.outside.of("a")]
    assert [set(started[n : n + 2]) for n in (0, 2, 4)] == [set(runs[n : n + 2]) for n in (0, 2, 4)]


def test_each_key_has_its_own_places(lab: Lab) -> None:
    lab.outside.script("a", *[Hang()] * 4)
    lab.deploy(limited(concurrency={"max": 1, "key": "{{ trigger.k }}"}))
    runs = [lab.begin("flow", {"k": key}) for key in ("x", "x", "y", "y")]
    lab.until(lambda: len(lab.outside.of("a")) == 2)
    assert [lab.status(run) for run in runs] == ["running", "queued", "running", "queued"]
    lab.outside.release("a")
    lab.until(lambda: len(lab.outside.of("a")) == 4)
    lab.outside.release("a")
    assert {lab.end(run) for run in runs} == {"succeeded"}


@pytest.mark.parametrize("how", ["failure", "cancel", "restart", "crash"])
def test_a_place_becomes_free_however_the_run_ends(labs: LabMaker, how: str) -> None:
    lab = labs()
    labs.outside.script("a", Wait(3600), Fail(BadInput("no")) if how == "failure" else Wait(1))
    lab.deploy(limited(concurrency={"max": 1}))
    first, second = lab.begin("flow"), lab.begin("flow")
    lab.until_status(first, "waiting")
    assert lab.status(second) == "queued", "a run that waits keeps its place"
    if how == "cancel":
        lab.engine.cancel(first)
    elif how == "failure":
        labs.clock.advance(3601)
    else:
        lab = labs.again(lab, crash=how == "crash")
        lab.until_idle()
        assert lab.status(second) == "queued"
        lab.engine.cancel(first)
    lab.end(first)
    lab.until(lambda: lab.status(second) != "queued")


def test_a_queued_run_that_cannot_be_read_keeps_nobody_back(lab: Lab) -> None:
    lab.outside.script("a", Wait(60))
    lab.deploy(limited(concurrency={"max": 1}))
    first, broken, also, last = (lab.begin("flow") for _ in range(4))
    lab.until_status(first, "waiting")
    with closing(sqlite3.connect(lab.engine.store.path)) as db:  # type: ignore[attr-defined]
        db.execute('UPDATE history SET body = \'[["later", "", {}]]\' WHERE run_id IN (?, ?)', [broken, also])
        db.commit()
    lab.clock.advance(61)
    assert [lab.end(first), lab.end(last)] == ["succeeded", "succeeded"]
    assert statuses(lab, [broken, also]) == {"queued": 2}, "they stay as they are"


def test_a_worker_that_dies_right_after_the_admission_keeps_no_place(labs: LabMaker) -> None:
    """The admission is on disk, and the first chunk of the run is not."""
    labs.outside.script("a", Hang())
    lab = labs()
    lab.deploy(limited(concurrency={"max": 1}))
    first, second = lab.begin("flow"), lab.begin("flow")
    lab.until(lambda: lab.outside.hanging("a"))
    answers: list[Any] = []
    store = lab.engine.store
    store.submit(Admit(second, store.worker, labs.clock(), max_running=2), answers.append)
    store.flush()
    assert answers[0].admitted
    assert lab.status(second) == "running"
    assert lab.kinds(second) == ["run.created"]
    lab = labs.again(lab, crash=True)
    assert lab.end(first) == "succeeded"
    assert lab.end(second) == "succeeded"


def test_a_rate_spreads_runs_and_survives_a_restart(labs: LabMaker) -> None:
    lab = labs()
    lab.deploy(limited(rate={"max": 2, "per": "1m"}))
    runs = [lab.begin("flow") for _ in range(5)]
    lab.until(lambda: statuses(lab, runs)["succeeded"] == 2)
    lab.until_idle()
    lab = labs.again(lab, crash=True)
    lab.until_idle()
    assert statuses(lab, runs) == {"succeeded": 2, "queued": 3}
    for succeeded in (3, 4, 5):
        labs.clock.advance(30.5)
        lab.until(lambda n=succeeded: statuses(lab, runs)["succeeded"] == n)
        lab.until_idle()
        assert statuses(lab, runs)["succeeded"] == succeeded
    assert [call.key.partition("/")[0] for call in lab.outside.of("a")] == runs


def test_a_run_that_waits_for_its_rate_asks_again_when_its_turn_can_come(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.deploy(limited(rate={"max": 1, "per": "1h"}))
    assert lab.end(lab.begin("flow")) == "succeeded"
    store: Any = lab.engine.store
    submit, asked = store.submit, 0

    def count(unit: Any, done: Any) -> None:
        nonlocal asked
        asked += isinstance(unit, Admit)
        submit(unit, done)

    monkeypatch.setattr(store, "submit", count)
    waiting = [lab.begin("flow") for _ in range(5)]
    for _ in range(20):
        lab.clock.advance(1.1)
        lab.until_idle()
    assert asked == 1
    assert lab.engine.cancel(waiting[0])
    lab.end(waiting[0])
    # The next one has been asked for, and refused, before time goes on.
    lab.until_idle()
    lab.clock.advance(3600)
    lab.until(lambda: lab.status(waiting[1]) == "succeeded")
    lab.until_idle()
    assert statuses(lab, waiting) == {"canceled": 1, "succeeded": 1, "queued": 3}


def test_after_a_restart_every_key_is_asked_for(labs: LabMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "SWEEP_BATCH", 1)
    lab = labs()
    lab.deploy(limited(rate={"max": 1, "per": "1h", "key": "{{ trigger.k }}"}))
    runs = [lab.begin("flow", {"k": key}) for key in ("a", "a", "a", "b", "b")]
    lab.until(lambda: statuses(lab, runs)["succeeded"] == 2)
    lab = labs.again(lab, crash=True)
    labs.clock.advance(3601)
    for _ in range(4):
        lab.until_idle()
        labs.clock.advance(1.1)
    lab.until(lambda: lab.status(runs[4]) == "succeeded")
    assert [lab.status(run) for run in runs[1:3]] == ["succeeded", "queued"]


def test_a_rate_is_not_divided_by_the_key_of_the_concurrency(lab: Lab) -> None:
    """Two per minute is two per minute for the workflow, whatever its concurrency is counted by."""
    lab.deploy(limited(concurrency={"max": 5, "key": "{{ trigger.k }}"}, rate={"max": 2, "per": "1m"}))
    runs = [lab.begin("flow", {"k": key}) for key in "wxyz"]
    lab.until(lambda: statuses(lab, runs)["succeeded"] == 2)
    lab.until_idle()
    assert statuses(lab, runs) == {"succeeded": 2, "queued": 2}


def test_the_concurrency_is_not_divided_by_the_key_of_the_rate(lab: Lab) -> None:
    lab.outside.script("a", *[Hang()] * 4)
    lab.deploy(limited(concurrency={"max": 1}, rate={"max": 100, "per": "1m", "key": "{{ trigger.k }}"}))
    runs = [lab.begin("flow", {"k": key}) for key in "xyz"]
    lab.until(lambda: lab.outside.hanging("a"))
    lab.until(lambda: statuses(lab, runs) == {"running": 1, "queued": 2})


def test_a_rate_whose_key_is_missing_ends_the_run_and_holds_nobody_up(lab: Lab) -> None:
    lab.deploy(limited(concurrency={"max": 1}, rate={"max": 100, "per": "1m", "key": "{{ trigger.k }}"}))
    bad, good = lab.begin("flow", {}), lab.begin("flow", {"k": 1})
    assert lab.end(good) == "succeeded"
    assert lab.end(bad) == "failed"


def test_a_key_that_cannot_be_evaluated_is_refused(lab: Lab) -> None:
    lab.deploy(limited(concurrency={"max": 1, "key": "{{ trigger.k }}"}))
    with pytest.raises(EngineError) as caught:
        lab.begin("flow", {})
    assert caught.value.status == 422
    lab.deploy(
        {**limited(concurrency={"max": 1, "key": "{{ trigger.k }}"}), "trigger": HOOK, "name": "hooked"}
    )
    with pytest.raises(HookRefused):
        lab.hook("in")
    lab.until(lambda: lab.engine.store.events("rejected", "hooked", 10, None).rows)


def test_a_key_may_use_the_default_of_an_input(lab: Lab) -> None:
    inputs = {"type": "object", "properties": {"k": {"type": "string", "default": "x"}}}
    definition = {**limited(concurrency={"max": 1, "key": "{{ inputs.k }}"}), "inputs": inputs}
    assert lab.end(lab.go(definition)) == "succeeded"


# What counts as the same ----------------------------------------------------------------------------


def test_the_same_key_starts_one_run(lab: Lab) -> None:
    lab.deploy(flow(job("a"), trigger=HOOK))
    first = lab.hook("in", b"1", id="x")
    again = lab.hook("in", b"1", id="x")
    other = lab.hook("in", b"1", id="y")
    anonymous = [lab.hook("in", b"1"), lab.hook("in", b"1")]
    assert (again.state, again.event_id, again.run_id) == ("duplicate", first.event_id, first.run_id)
    runs = {first.run_id, other.run_id, *(answer.run_id for answer in anonymous)}
    assert len(runs) == 4
    assert {lab.end(run) for run in runs} == {"succeeded"}
    assert len(lab.runs()) == 4
    lab.clock.advance(8 * 86400)
    assert lab.hook("in", b"1", id="x").state == "received"


def test_the_workflow_may_say_what_is_the_same(labs: LabMaker) -> None:
    lab = labs()
    lab.deploy(flow(job("a"), trigger=HOOK, limits={"dedupe": {"key": "{{ trigger.body }}", "window": "1h"}}))
    first = lab.hook("in", b"order 1", id="x")
    assert lab.hook("in", b"order 1", id="y").state == "duplicate"
    assert lab.hook("in", b"order 2", id="z").state == "received"
    lab = labs.again(lab, crash=True)
    assert lab.hook("in", b"order 1").state == "duplicate"
    labs.clock.advance(3601)
    assert lab.hook("in", b"order 1", id="x").state == "duplicate", "the sender repeats an event we had"
    assert lab.hook("in", b"order 1", id="new").state == "received"
    assert first.run_id in {row.id for row in lab.runs()}
    assert len(lab.runs()) == 3


def test_a_trigger_still_knows_its_events_where_the_workflow_says_what_is_the_same(labs: LabMaker) -> None:
    lab = labs()
    event = TriggerEvent("file-1", {"n": 1})
    labs.outside.script("feed", Poll([event], cursor=1))
    dedupe = {"dedupe": {"key": "{{ trigger.n }}", "window": "1m"}}
    lab.deploy(flow(job("a"), trigger={"uses": "feed"}, limits=dedupe))
    lab.engine._looks = True
    lab.engine._call(lab.engine.looking.start)
    lab.until(lambda: len(lab.runs()) == 1)
    assert lab.engine.store.seen("flow/0", ["file-1", "file-2"]) == {"file-1"}
    labs.outside.script("feed", Poll([event], cursor=2))
    lab.until(lambda: lab.engine.store.cursor("flow/0") == 1)
    lab.until_idle()
    labs.clock.advance(61)
    lab.until(lambda: len(lab.outside.of("feed", "poll")) == 2)
    lab.until(lambda: lab.engine.store.cursor("flow/0") == 2)
    assert len(lab.runs()) == 1


def tick(lab: Lab) -> Any:
    """An event of the first trigger of ``flow``, as a schedule makes it."""
    plan = lab.engine.plan("flow")
    return lab.engine._take(lab.engine.intake.event(plan, plan.triggers[0], {"n": 1}))


def scheduled(overlap: str) -> dict[str, Any]:
    return flow(job("a"), trigger={"uses": "feed", "with": {"overlap": overlap}})


def test_overlap_skip_starts_nothing_while_a_run_is_open(lab: Lab) -> None:
    lab.outside.script("a", Wait(60), Hang())
    lab.deploy(scheduled("skip"))
    first = tick(lab)
    skipped = tick(lab)
    assert (skipped.state, skipped.run_id) == ("filtered", None)
    lab.until_status(first.run_id, "waiting")
    assert tick(lab).state == "filtered"
    row = lab.engine.store.event(skipped.event_id)
    assert row is not None
    assert "overlap" in row.reason
    lab.engine.cancel(first.run_id)
    lab.end(first.run_id)
    assert tick(lab).state == "received"


def test_overlap_queue_runs_one_after_the_other(lab: Lab) -> None:
    lab.outside.script("a", *[Hang()] * 3)
    lab.deploy(scheduled("queue"))
    runs = [tick(lab).run_id for _ in range(3)]
    for number, run in enumerate(runs):
        lab.until(lambda n=number: len(lab.outside.of("a")) == n + 1)
        assert [lab.status(each) for each in runs[number:]] == ["running"] + ["queued"] * (2 - number)
        lab.outside.release("a")
        assert lab.end(run) == "succeeded"


# Backpressure --------------------------------------------------------------------------------------


def test_past_the_backlog_nothing_is_taken(labs: LabMaker) -> None:
    lab = labs(environment={"HOOKLINE_MAX_BACKLOG": "5"})
    labs.outside.script("a", *[Hang()] * 10)
    lab.deploy(flow(job("a"), trigger=HOOK))
    for _ in range(5):
        lab.hook("in")
    lab.until(lambda: len(lab.outside.of("a")) == 5)
    with pytest.raises(Busy) as caught:
        lab.hook("in")
    assert (caught.value.code, caught.value.status) == ("S301", 503)
    assert caught.value.retry_after > 0
    assert len(lab.runs()) == 5
    lab.outside.release("a")
    lab.until_idle()
    labs.clock.advance(1.5)
    lab.until(lambda: lab.engine.runner.backlog == 0)
    assert lab.hook("in").state == "received"


def test_queued_runs_are_a_backlog_too_also_after_a_restart(labs: LabMaker) -> None:
    environment = {"HOOKLINE_MAX_BACKLOG": "5"}
    lab = labs(environment=environment)
    labs.outside.script("a", Wait(3600))
    lab.deploy(limited(concurrency={"max": 1}))
    for _ in range(6):
        lab.begin("flow")
        lab.until_idle()
    with pytest.raises(Busy):
        lab.begin("flow")
    lab = labs.again(lab, crash=True, environment=environment)
    with pytest.raises(Busy):
        lab.begin("flow")
    assert len(lab.runs()) == 6


def test_waiting_runs_are_no_backlog(labs: LabMaker) -> None:
    lab = labs(environment={"HOOKLINE_MAX_BACKLOG": "5"})
    lab.deploy(flow({"wait": {"for": "1h"}}))
    for _ in range(20):
        lab.begin("flow")
        lab.until_idle()
    assert Counter(row.status for row in lab.runs()) == {"waiting": 20}
