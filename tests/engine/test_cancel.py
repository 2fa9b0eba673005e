"""Canceling a run in every state it can be in."""

from __future__ import annotations

from typing import Any

import pytest
from engine_lab import Give, Hang, Lab, LabMaker, Note, Wait, flow, job

from hookline.engine.engine import EngineError


def canceled(lab: Lab, run: str) -> None:
    assert lab.engine.cancel(run, reason="enough", by="ada")
    assert lab.end(run) == "canceled"
    lab.until_idle()


def test_while_it_executes_its_code_is_stopped(lab: Lab) -> None:
    lab.outside.script("a", Hang())
    run = lab.go(flow(job("a"), job("b")))
    lab.until(lambda: lab.outside.hanging("a"))
    canceled(lab, run)
    lab.until(lambda: lab.outside.stopped == [f"{run}/steps[0]/1"])
    assert lab.step(run, "a")["status"] == "canceled"
    assert not lab.outside.of("b")
    assert not lab.outside.of("a cancel"), "it had started nothing elsewhere"


def test_while_it_executes_what_it_started_elsewhere_is_stopped(lab: Lab) -> None:
    lab.outside.script("a", Note({"job": 7}, Hang()))
    run = lab.go(flow(job("a")))
    lab.until(lambda: lab.outside.hanging("a"))
    canceled(lab, run)
    lab.until(lambda: len(lab.outside.of("a cancel")) == 1)
    assert lab.outside.of("a cancel")[0].notes == {"job": 7}


def test_while_it_is_parked_what_it_started_is_stopped(labs: LabMaker) -> None:
    labs.outside.script("a", Wait(3600, {"job": 7}))
    lab = labs()
    run = lab.go(flow(job("a")))
    lab.until_status(run, "waiting")
    lab = labs.again(lab, crash=True)
    canceled(lab, run)
    lab.until(lambda: len(lab.outside.of("a cancel")) == 1)
    assert lab.outside.of("a cancel")[0].data == {"job": 7}


def test_stopping_waits_for_what_is_being_canceled(labs: LabMaker) -> None:
    labs.outside.script("a", Wait(3600, {"job": 7}))
    labs.outside.script("a cancel", Hang())
    lab = labs()
    run = lab.go(flow(job("a")))
    lab.until_status(run, "waiting")
    assert lab.engine.cancel(run)
    lab.until(lambda: lab.outside.hanging("a cancel"))
    lab.engine._loop.call_soon_threadsafe(lab.engine._stopped.set)  # type: ignore[union-attr]
    lab.outside.release("a cancel")
    lab.stop(grace=10)
    assert not lab.outside.stopped


@pytest.mark.parametrize(
    "step",
    [
        {"wait": {"for": "1h"}},
        {"wait": {"callback": {}}, "timeout": "1h", "on_timeout": "fail"},
        {"approve": {"who": ["operator"], "message": "?"}, "timeout": "1h", "on_timeout": "fail"},
        job("a", retry={"max_attempts": 3, "delay": "1h", "on": ["unavailable"]}),
        {"for_each": [1, 2], "max_parallel": 2, "do": [{"wait": {"for": "1h"}}]},
        {"parallel": {"l": [{"wait": {"for": "1h"}}], "r": [{"wait": {"for": "2h"}}]}},
    ],
    ids=["timer", "callback", "approval", "retrying", "for_each", "parallel"],
)
def test_while_it_waits(lab: Lab, step: Any) -> None:
    from engine_lab import Fail

    from hookline.sdk import Unavailable

    lab.outside.script("a", Fail(Unavailable("down")))
    run = lab.go(flow(step, job("b")))
    lab.until_status(run, "waiting")
    canceled(lab, run)
    assert not lab.outside.of("b")
    assert lab.engine.store.next_timer() is None
    assert not lab.engine.store.approvals("pending", 10, None).rows
    assert lab.document(run)["steps"][-1]["status"] == "canceled"


def test_while_it_is_queued(lab: Lab) -> None:
    lab.outside.script("a", Hang())
    definition = flow(job("a"), limits={"concurrency": {"max": 1}})
    first, second, third = lab.go(definition), lab.begin("flow"), lab.begin("flow")
    lab.until(lambda: lab.outside.hanging("a"))
    assert lab.status(second) == "queued"
    canceled_second = lab.engine.cancel(second)
    assert canceled_second
    assert lab.end(second) == "canceled"
    assert lab.document(second)["steps"] == []
    lab.outside.release("a")
    assert lab.end(first) == "succeeded"
    assert lab.end(third) == "succeeded"
    assert len(lab.outside.of("a")) == 2


def test_what_cleans_up_still_runs(lab: Lab) -> None:
    lab.outside.script("a", Hang())
    step = {**job("a"), "finally": [job("mop")]}
    run = lab.go(flow(step, **{"finally": [job("last")]}))
    lab.until(lambda: lab.outside.hanging("a"))
    canceled(lab, run)
    assert len(lab.outside.of("mop")) == 1
    assert len(lab.outside.of("last")) == 1


def test_a_run_that_is_over_cannot_be_canceled(lab: Lab) -> None:
    run = lab.go(flow(job("a")))
    lab.end(run)
    with pytest.raises(EngineError) as caught:
        lab.engine.cancel(run)
    assert (caught.value.code, caught.value.status) == ("R407", 409)
    with pytest.raises(EngineError) as caught:
        lab.engine.cancel("run_x")
    assert caught.value.code == "R405"


def test_a_result_that_comes_after_the_cancel_changes_nothing(labs: LabMaker) -> None:
    lab = labs()
    lab.outside.script("slow", Hang(Give({"late": True})))
    run = lab.go(flow(job("slow", "blocking")))
    lab.until(lambda: lab.outside.of("slow"))
    canceled(lab, run)
    lab.outside.release("slow")
    before = lab.history(run)
    lab.until_idle()
    assert lab.history(run) == before
    assert lab.status(run) == "canceled"


def test_a_cancel_survives_a_crash(labs: LabMaker) -> None:
    """The request is on disk before anybody acts on it."""
    lab = labs()
    lab.outside.script("a", Wait(3600, {"job": 7}))
    run = lab.go(flow(job("a")))
    lab.until_status(run, "waiting")
    lab.engine.runner.wake = lambda run_id: None  # type: ignore[method-assign]
    lab.engine.cancel(run)
    lab = labs.again(lab, crash=True)
    assert lab.end(run) == "canceled"
    lab.until(lambda: lab.outside.of("a cancel"))
