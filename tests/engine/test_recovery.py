"""What a process leaves behind when it dies or is stopped, and who goes on with it."""

from __future__ import annotations

import logging
import sqlite3
from collections import Counter
from typing import Any

import pytest
from engine_lab import Fail, Give, Hang, Lab, LabMaker, Log, Note, Recall, Wait, flow, job

from hookline.engine.runner import QUARANTINE_AFTER
from hookline.engine.timers import TIMER_BATCH
from hookline.sdk import OutcomeUnknown, Unavailable
from hookline.store.port import StoreUnavailable


@pytest.mark.parametrize("effect", ["read", "idempotent", "once"])
def test_an_interrupted_attempt_is_repeated_under_its_key(labs: LabMaker, effect: str) -> None:
    labs.outside.script("a", Note({"n": 1}, Hang()))
    lab = labs()
    run = lab.go(flow(job("a", effect), job("b")))
    lab.until(lambda: lab.outside.hanging("a"))
    lab = labs.again(lab, crash=True)
    assert lab.end(run) == "succeeded"
    first, second = lab.outside.of("a")
    assert (first.key, first.attempt) == (second.key, second.attempt)
    assert second.notes == {"n": 1}
    assert "attempt.interrupted steps[0]" in lab.kinds(run)
    told = {name: lab.step(run, name) for name in ("a", "b")}
    assert {name: step["attempts"] for name, step in told.items()} == {"a": 1, "b": 1}
    assert {name: step["interruptions"] for name, step in told.items()} == {"a": 1, "b": 0}


def test_what_the_other_steps_have_noted_outlives_the_process(labs: LabMaker) -> None:
    labs.outside.script("a", Note({"job": "j1", "more": 1}, Give()))
    labs.outside.script("b", Note({"job": "j2"}, Hang()), Recall("job"))
    labs.outside.script("c", Recall("job"))
    lab = labs()
    run = lab.go(flow(job("a"), job("b"), job("c")))
    lab.until(lambda: lab.outside.hanging("b"))
    lab = labs.again(lab, crash=True)
    assert lab.end(run) == "succeeded"
    assert lab.step(run, "b")["output"] == ["j1"]
    assert lab.step(run, "c")["output"] == ["j1", "j2"]


def test_what_can_be_looked_up_is_looked_up(labs: LabMaker) -> None:
    labs.outside.script("a", Note({"sent": True}, Hang()))
    labs.outside.script("a lookup", Fail(OutcomeUnknown("not yet")), Give({"found": 1}))
    lab = labs()
    run = lab.go(flow(job("a", "check")))
    lab.until(lambda: lab.outside.hanging("a"))
    lab = labs.again(lab, crash=True)
    lab.until_status(run, "waiting")
    labs.clock.advance(6)
    assert lab.end(run) == "succeeded"
    assert len(lab.outside.of("a", "run")) == 1
    assert lab.step(run, "a")["output"] == {"found": 1}


@pytest.mark.parametrize("how", ["callback", "timer"])
def test_an_interrupted_resume_goes_on(labs: LabMaker, how: str) -> None:
    labs.outside.script("a", Wait(60, {"n": 1}), Hang(), Give())
    lab = labs()
    run = lab.go(flow(job("a")))
    lab.until_status(run, "waiting")
    if how == "timer":
        labs.clock.advance(61)
    else:
        lab.engine.receive_callback(lab.engine.tokens.token(run, "steps[0]", 1), {}, b'"it"')
    lab.until(lambda: lab.outside.hanging("a"))
    lab = labs.again(lab, crash=True)
    assert lab.end(run) == "succeeded"
    wakes = [call.wake for call in lab.outside.of("a", "resume")]
    assert [(wake.kind, wake.data, wake.body) for wake in wakes if wake] == (
        [("callback", {"n": 1}, b'"it"')] * 2
        if how == "callback"
        else [("timer", {"n": 1}, b""), ("recovered", {"n": 1}, b"")]
    )


@pytest.mark.parametrize("held", [False, True], ids=["parked", "held"])
def test_losing_a_run_is_told_when_something_is_lost(
    labs: LabMaker, caplog: pytest.LogCaptureFixture, held: bool
) -> None:
    caplog.set_level(logging.DEBUG, "hookline")
    labs.outside.script("a", Hang() if held else Wait(60), Give())
    lab = labs()
    run = lab.go(flow(job("a")))
    if held:
        lab.until(lambda: lab.outside.hanging("a"))
    else:
        lab.until_status(run, "waiting")
        lab.until_idle()
    with sqlite3.connect(lab.folder / ".hookline/hookline.db") as db:
        db.execute("UPDATE runs SET epoch = epoch + 1 WHERE id = ?", [run])
    db.close()
    if held:
        lab.outside.release("a")
    else:
        labs.clock.advance(61)
    lab.until(lambda: "given up here" in caplog.text)
    (line,) = [record for record in caplog.records if "given up here" in record.getMessage()]
    assert line.levelno == (logging.INFO if held else logging.DEBUG)


def test_finished_steps_are_not_repeated(labs: LabMaker) -> None:
    labs.outside.script("c", Hang())
    lab = labs()
    loop = {"for_each": [1, 2, 3], "do": [job("b")]}
    run = lab.go(flow(job("a"), loop, job("c"), job("d")))
    lab.until(lambda: lab.outside.hanging("c"))
    lab = labs.again(lab, crash=True)
    assert lab.end(run) == "succeeded"
    assert {name: len(lab.outside.of(name)) for name in "abcd"} == {"a": 1, "b": 3, "c": 2, "d": 1}


def test_recovering_twice_changes_nothing(labs: LabMaker) -> None:
    labs.outside.script("a", Wait(3600))
    lab = labs()
    run = lab.go(flow(job("x"), job("a")))
    lab.until_status(run, "waiting")
    before = lab.history(run)
    for _ in range(3):
        lab = labs.again(lab, crash=True)
        lab.until_idle()
        assert lab.history(run) == before


# Quarantine ---------------------------------------------------------------------------------------


def test_a_run_that_kills_its_process_is_given_up(labs: LabMaker) -> None:
    labs.outside.script("a", *[Hang()] * 9)
    lab = labs()
    run = lab.go(flow(job("a"), on_error=[job("tell")]))
    for crashes in range(QUARANTINE_AFTER):
        lab.until(lambda n=crashes: len(labs.outside.of("a")) == n + 1)
        lab = labs.again(lab, crash=True)
    assert lab.end(run) == "failed"
    assert lab.document(run)["error"]["code"] == "R308"
    assert len(lab.outside.of("a")) == QUARANTINE_AFTER
    assert len(lab.outside.of("tell")) == 1, "whoever is to be told is told"
    lab.engine.resume(run)
    lab.until(lambda: lab.outside.hanging("a"))
    lab.outside.release("a")
    assert lab.end(run) == "succeeded"


def test_the_count_is_on_disk_before_the_code_runs_again(labs: LabMaker) -> None:
    """What kills the process at once must not kill it for ever."""
    labs.outside.script("a", Hang())
    lab = labs()
    run = lab.go(flow(job("a")))
    lab.until(lambda: lab.outside.hanging("a"))
    lab.crash()
    following = labs(started=False)
    for plan in lab.engine.workflows.plans.values():
        following.engine.deploy(plan)
    store: Any = following.engine.store
    submit, held = store.submit, []
    store.submit = lambda unit, done: held.append((unit, done))
    following.start()
    following.until(lambda: held)
    following.engine._call(lambda: None)
    assert len(following.outside.of("a")) == 1, "nothing has begun"
    store.submit = submit
    for unit, done in held:
        submit(unit, done)
    assert following.end(run) == "succeeded"
    assert "attempt.interrupted steps[0]" in following.kinds(run)


def test_crashes_far_apart_are_not_the_runs_fault(labs: LabMaker) -> None:
    steps = [job(f"s{number}") for number in range(2 * QUARANTINE_AFTER)]
    for step in steps:
        labs.outside.script(step["id"], Hang())
    lab = labs()
    run = lab.go(flow(*steps))
    for step in steps:
        lab.until(lambda name=step["id"]: labs.outside.hanging(name))
        lab = labs.again(lab, crash=True)
    assert lab.end(run) == "succeeded"


def test_one_crash_counts_once_for_many_attempts(labs: LabMaker) -> None:
    labs.outside.script("a", *[Hang()] * 8)
    lab = labs()
    run = lab.go(flow({"for_each": list(range(8)), "max_parallel": 8, "do": [job("a")]}))
    lab.until(lambda: lab.outside.hanging("a") == 8)
    lab = labs.again(lab, crash=True)
    assert lab.end(run) == "succeeded"
    assert sum(kind.startswith("attempt.interrupted") for kind in lab.kinds(run)) == 1


# Stopping -------------------------------------------------------------------------------------------


def test_attempts_may_finish_when_the_engine_is_stopped(labs: LabMaker) -> None:
    labs.outside.script("a", Hang())
    labs.outside.script("b", Hang())
    lab = labs()
    run, other = lab.go(flow(job("a"), job("c"), name="x")), lab.go(flow(job("b"), name="y"))
    lab.until(lambda: lab.outside.hanging("a") and lab.outside.hanging("b"))
    lab.outside.release("a")
    lab.until(lambda: "step.succeeded steps[0]" in lab.kinds(run))
    lab = labs.again(lab)
    assert {lab.end(run), lab.end(other)} == {"succeeded"}
    assert [len(lab.outside.of(name)) for name in "abc"] == [1, 2, 1]
    for each in (run, other):
        assert not any(kind.startswith("attempt.interrupted") for kind in lab.kinds(each)), "nobody crashed"


def test_stopping_many_times_does_not_quarantine(labs: LabMaker) -> None:
    labs.outside.script("a", *[Hang()] * 5)
    lab = labs()
    run = lab.go(flow(job("a")))
    for number in range(5):
        lab.until(lambda n=number: len(labs.outside.of("a")) == n + 1)
        lab = labs.again(lab)
    assert lab.end(run) == "succeeded"


# Two on one file ----------------------------------------------------------------------------------


def two(labs: LabMaker) -> tuple[Lab, Lab]:
    return labs(), labs()


def test_only_one_advances_a_run(labs: LabMaker) -> None:
    """Both see the timer of a run that one of them is executing; only its owner acts."""
    first, second = two(labs)
    labs.outside.script("a", Hang())
    branches = {"parallel": {"l": [job("a")], "r": [{"wait": {"for": "1m"}}, job("b")]}}
    definition = flow(branches)
    second.deploy(definition)
    run = first.go(definition)
    first.until(lambda: labs.outside.hanging("a"))
    for _ in range(5):
        labs.clock.advance(20)
        second.until_idle()
    first.until(lambda: labs.outside.of("b"))
    labs.outside.release("a")
    assert first.end(run) == "succeeded"
    assert Counter(call.name for call in labs.outside.calls) == {"a": 1, "b": 1}
    assert not any(kind.startswith("attempt.interrupted") for kind in first.kinds(run))


def test_either_may_take_up_what_is_parked(labs: LabMaker) -> None:
    first, second = two(labs)
    definition = flow({"wait": {"for": "1m"}}, job("a"))
    second.deploy(definition)
    runs = [first.go(definition), *[first.begin("flow") for _ in range(19)]]
    first.until(lambda: all(first.status(run) == "waiting" for run in runs))
    labs.clock.advance(61)
    for _ in range(10):
        labs.clock.advance(1)
        first.until_idle()
        second.until_idle()
    assert {first.end(run) for run in runs} == {"succeeded"}
    assert len(labs.outside.of("a")) == len(runs)
    assert len({call.key for call in labs.outside.of("a")}) == len(runs)


def test_a_signal_put_by_one_is_seen_by_the_owner(labs: LabMaker) -> None:
    first, second = two(labs)
    labs.outside.script("a", Hang())
    definition = flow(job("a"))
    second.deploy(definition)
    run = first.go(definition)
    first.until(lambda: labs.outside.hanging("a"))
    second.engine.cancel(run)
    second.until_idle()
    assert first.status(run) == "running"
    labs.clock.advance(1.1)
    assert first.end(run) == "canceled"
    first.until(lambda: labs.outside.stopped)


def test_the_dead_ones_runs_are_taken_over(labs: LabMaker) -> None:
    first, second = two(labs)
    labs.outside.script("a", *[Hang()] * 5)
    definition = flow(job("a"))
    second.deploy(definition)
    runs = [first.go(definition), *[first.begin("flow") for _ in range(4)]]
    first.until(lambda: labs.outside.hanging("a") == 5)
    labs.clock.advance(1.1)
    second.until_idle()
    assert len(labs.outside.of("a")) == 5, "the owner is alive"
    first.crash()
    labs.clock.advance(1.1)
    assert {second.end(run) for run in runs} == {"succeeded"}


def test_who_lost_a_run_cannot_write_and_stops(labs: LabMaker) -> None:
    first, second = two(labs)
    labs.outside.script("a", Hang())
    definition = flow(job("a"))
    second.deploy(definition)
    run = first.go(definition)
    first.until(lambda: labs.outside.hanging("a"))
    # The first has lost its lock without knowing it, as after a restored snapshot of the machine.
    locks: Any = first.engine.store._locks  # type: ignore[attr-defined]
    locks.close()
    locks.close = lambda: None
    labs.outside.script("a", Hang(Give({"by": "second"})))
    labs.clock.advance(1.1)
    second.until(lambda: len(labs.outside.of("a")) == 2)
    labs.outside.release("a")
    assert second.end(run) == "succeeded"
    assert second.step(run, "a")["output"] == {"by": "second"}
    kinds = second.kinds(run)
    assert kinds.count("step.succeeded steps[0]") == 1
    first.until(lambda: first.engine.runner.open_runs == 0)


def test_a_run_whose_last_chunk_is_on_its_way_is_not_read_again(labs: LabMaker) -> None:
    """The store still says that the step executes; acting upon that would do it twice."""
    lab = labs()
    lab.outside.script("a", Hang())
    run = lab.go(flow(job("a")))
    lab.until(lambda: lab.outside.hanging("a"))
    store: Any = lab.engine.store
    submit, held = store.submit, []
    store.submit = lambda unit, done: held.append((unit, done))
    lab.outside.release("a")
    lab.until(lambda: held)
    for _ in range(3):
        lab.engine.runner.deliver(lambda: lab.engine.runner.wake(run))
        labs.clock.advance(1.1)
        lab.engine._call(lambda: None)
    store.submit = submit
    for unit, done in held:
        submit(unit, done)
    lab.until_idle()
    assert lab.status(run) == "succeeded"
    assert len(lab.outside.of("a")) == 1
    assert len(held) == 1, "nobody else has written"


# What must not hold up the others --------------------------------------------------------------------


def test_a_run_that_cannot_be_read_does_not_hold_up_the_others(labs: LabMaker) -> None:
    lab = labs()
    broken = lab.go(flow({"wait": {"for": "1m"}}, name="broken"))
    good = lab.go(flow({"wait": {"for": "2m"}}, name="good"))
    lab.until_idle()
    lab.crash()
    with sqlite3.connect(lab.folder / ".hookline/hookline.db") as db:
        change = "replace(body, 'run.created', 'run.invented')"
        db.execute(f"UPDATE history SET body = {change} WHERE run_id = ?", [broken])
    db.close()
    following = labs()
    reads: list[float] = []
    store: Any = following.engine.store
    due_timers = store.due_timers
    store.due_timers = lambda *args: reads.append(1) or due_timers(*args)
    for _ in range(5):
        labs.clock.advance(60)
        following.until_idle()
    assert following.end(good) == "succeeded"
    assert following.status(broken) == "waiting"
    assert len(reads) < 100, "it is not asked for without pause"


def test_timers_beyond_a_full_batch_of_others_are_reached(labs: LabMaker) -> None:
    """Another worker owns more due runs than fit into one look, and is busy."""
    first, second = two(labs)
    definition = flow({"wait": {"for": "1m"}}, job("a"), name="mine")
    second.deploy(definition)
    labs.outside.script("h", *[Hang()] * 2)
    wide = flow(
        {
            "for_each": list(range(TIMER_BATCH + 50)),
            "max_parallel": TIMER_BATCH + 50,
            "do": [{"wait": {"for": "10s"}}],
        },
        name="wide",
    )
    run = first.go(flow({"parallel": {"l": [job("h")], "r": wide["steps"]}}, name="both"))
    first.until(lambda: labs.outside.hanging("h"))
    first.until(lambda: first.kinds(run).count("item.started steps[0].parallel.r[0]") == TIMER_BATCH + 50)
    first.engine._call(lambda: setattr(first.engine.runner._timers, "look", lambda: None))
    first.engine._call(lambda: setattr(first.engine.runner, "_sweep", lambda: False))
    mine = second.begin("mine")
    second.until_status(mine, "waiting")

    def over() -> bool:
        labs.clock.advance(10)
        second.engine._call(lambda: None)
        return second.status(mine) == "succeeded"

    second.until(over)


def test_a_fault_while_starting_is_told(labs: LabMaker) -> None:
    lab = labs(started=False)
    store: Any = lab.engine.store

    def broken(*args: Any) -> Any:
        raise StoreUnavailable("the disk is gone")

    store.abandoned_runs = broken
    with pytest.raises(StoreUnavailable):
        lab.engine.start()


def test_deploying_another_version_does_not_disturb(labs: LabMaker) -> None:
    lab = labs()
    labs.outside.script("a", Hang())
    old = flow(job("a"), {"wait": {"for": "1m"}}, job("old"))
    run = lab.go(old)
    lab.until(lambda: lab.outside.hanging("a"))
    new = flow(job("new"))
    following = lab.go(new)
    assert lab.end(following) == "succeeded"
    lab.outside.release("a")
    lab.until_status(run, "waiting")
    lab = labs.again(lab, crash=True)
    labs.clock.advance(61)
    assert lab.end(run) == "succeeded"
    assert (len(lab.outside.of("old")), len(lab.outside.of("new"))) == (1, 1)
    assert lab.document(run)["version"] != lab.document(following)["version"]


def test_histories_have_no_gaps(labs: LabMaker) -> None:
    labs.outside.script("a", Fail(Unavailable("down")), Log("hello", {"n": 1}), Wait(5))
    lab = labs()
    run = lab.go(flow({"for_each": [1, 2, 3], "max_parallel": 3, "do": [job("a")]}, job("b")))
    for _ in range(12):
        labs.clock.advance(5)
        lab.until_idle()
    assert lab.end(run) == "succeeded"
    assert [entry["seq"] for entry in lab.history(run)] == list(range(len(lab.history(run))))
    assert [entry["at"] for entry in lab.history(run)] == sorted(entry["at"] for entry in lab.history(run))
