"""A step that calls another workflow: its output, its failure, and who stops whom."""

from __future__ import annotations

from typing import Any

import pytest
from engine_lab import Fail, Give, Hang, Lab, LabMaker, Wait, flow, job

from hookline.sdk import BadInput

CALL: dict[str, Any] = {"id": "c", "call": "child", "with": {"n": 1}}
INPUTS = {"type": "object", "properties": {"n": {"type": "integer"}, "m": {"type": "integer", "default": 5}}}


def child(*steps: Any, **options: Any) -> dict[str, Any]:
    return flow(*steps, name="child", **options)


def test_its_output_and_cost_come_back(lab: Lab) -> None:
    lab.outside.script("a", Give({"x": 2}, cost=0.25))
    lab.deploy(child(job("a"), inputs=INPUTS, output="{{ steps.a.x + inputs.n + inputs.m }}"))
    run = lab.go(flow(CALL, output="{{ steps.c }}"))
    assert lab.end(run) == "succeeded"
    document = lab.document(run)
    assert (document["output"], document["cost_usd"]) == (8, 0.25)
    (row,) = lab.children(run)
    assert (row.parent_path, row.cost_usd, row.status) == ("steps[0]", 0.25, "succeeded")


def test_its_failure_is_the_steps(lab: Lab) -> None:
    lab.outside.script("a", Fail(BadInput("no", hint="other")))
    lab.deploy(child(job("a")))
    run = lab.go(flow({**CALL, "catch": [job("mop")]}))
    assert lab.end(run) == "succeeded"
    assert len(lab.outside.of("mop")) == 1
    error = lab.step(run, "c")["error"]
    assert (error["type"], error["step"], error["run"]) == ("bad_input", "steps[0]", lab.children(run)[0].id)


def test_it_is_called_once_whatever_crashes(labs: LabMaker) -> None:
    labs.outside.script("a", Wait(60), Give({"x": 1}))
    lab = labs()
    lab.deploy(child(job("a"), output="{{ steps.a }}"))
    run = lab.go(flow(CALL))
    lab.until(lambda: [row.status for row in lab.children(run)] == ["waiting"])
    lab = labs.again(lab, crash=True)
    labs.clock.advance(61)
    assert lab.end(run) == "succeeded"
    assert len(lab.children(run)) == 1


@pytest.mark.parametrize("state", ["waiting", "executing", "queued"])
def test_canceling_the_caller_cancels_what_it_called(labs: LabMaker, state: str) -> None:
    lab = labs()
    lab.outside.script("a", Wait(3600, {"job": 7}) if state == "waiting" else Hang())
    limits = {"limits": {"concurrency": {"max": 1}}} if state == "queued" else {}
    lab.deploy(child(job("a"), **limits))
    if state == "queued":
        first = lab.begin("child")
    run = lab.go(flow(CALL))
    expected = {"waiting": "waiting", "executing": "running", "queued": "queued"}[state]
    lab.until(lambda: [row.status for row in lab.children(run)] == [expected])
    assert lab.engine.cancel(run)
    assert lab.end(run) == "canceled"
    called = lab.children(run)[0].id
    assert lab.end(called) == "canceled"
    if state == "queued":
        assert lab.status(first) == "running"
        lab.outside.release("a")
        assert lab.end(first) == "succeeded"
    lab.until_idle()
    assert len(lab.outside.of("a")) == 1
    if state == "waiting":
        lab.until(lambda: lab.outside.of("a cancel"))


def test_a_call_that_times_out_stops_what_it_called(lab: Lab) -> None:
    lab.outside.script("a", Wait(86400, {"job": 7}))
    lab.deploy(child(job("a", timeout="2d")))
    run = lab.go(flow({**CALL, "timeout": "1h"}))
    lab.until(lambda: [row.status for row in lab.children(run)] == ["waiting"])
    lab.clock.advance(3601)
    assert lab.end(run) == "failed"
    assert lab.end(lab.children(run)[0].id) == "canceled"


def test_a_retried_call_is_another_run(lab: Lab) -> None:
    lab.outside.script("a", Fail(BadInput("no")))
    lab.deploy(child(job("a")))
    run = lab.go(flow({**CALL, "retry": {"max_attempts": 2, "delay": "1s", "on": ["bad_input"]}}))
    lab.until_status(run, "waiting")
    lab.until(lambda: "step.retrying steps[0]" in lab.kinds(run))
    lab.until_status(run, "waiting")
    lab.clock.advance(2)
    assert lab.end(run) == "succeeded"
    assert sorted(row.status for row in lab.children(run)) == ["failed", "succeeded"]


def test_a_child_that_ends_by_itself_is_not_canceled(lab: Lab) -> None:
    lab.outside.script("a", Fail(BadInput("no")))
    lab.deploy(child(job("a")))
    run = lab.go(flow(CALL))
    assert lab.end(run) == "failed"
    lab.until_idle()
    called = lab.children(run)[0].id
    assert lab.kinds(called)[-1] == "run.finished"


def test_what_is_not_deployed_cannot_be_called(lab: Lab) -> None:
    run = lab.go(flow(CALL))
    assert lab.end(run) == "failed"
    assert lab.document(run)["error"]["code"] == "R305"
    assert lab.children(run) == []


def test_inputs_that_do_not_fit_are_the_callers_mistake(lab: Lab) -> None:
    lab.deploy(child(job("a"), inputs=INPUTS))
    run = lab.go(flow({**CALL, "with": {"n": "{{ trigger }}"}}), "many")
    assert lab.end(run) == "failed"
    error = lab.document(run)["error"]
    assert (error["type"], error["code"]) == ("bad_input", "R403")
    assert not lab.outside.of("a")


def test_limits_that_cannot_be_evaluated_do_not_wedge_the_caller(labs: LabMaker) -> None:
    lab = labs()
    lab.deploy(child(job("a"), limits={"concurrency": {"max": 1, "key": "{{ trigger.bucket }}"}}))
    lab.outside.script("b", Wait(60))
    run = lab.go(flow(job("b"), CALL))
    lab.until_status(run, "waiting")
    lab.clock.advance(61)
    assert lab.end(run) == "failed"
    assert lab.document(run)["error"]["type"] == "expression"


def test_many_calls_side_by_side(lab: Lab) -> None:
    lab.deploy(child(job("a"), inputs=INPUTS, output="{{ inputs.n }}"))
    loop = {
        "id": "l",
        "for_each": list(range(20)),
        "max_parallel": 7,
        "do": [{"call": "child", "with": {"n": "{{ item }}"}}],
    }
    run = lab.go(flow(loop, output="{{ steps.l }}"))
    assert lab.end(run) == "succeeded"
    assert lab.document(run)["output"] == list(range(20))
    assert len(lab.children(run)) == 20
