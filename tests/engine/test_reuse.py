"""``cache``: when an output is reused, and when it is not."""

from __future__ import annotations

from typing import Any

import pytest
from engine_lab import Fail, Give, Lab, LabMaker, Wait, flow, job

from hookline.sdk import BadInput, Unavailable


def cached(value: Any = "{{ inputs.v }}", **more: Any) -> dict[str, Any]:
    return flow({**job("a"), "with": {"name": "a", "value": value}, "cache": "1h"}, **more)


def test_an_identical_step_reuses_the_output_and_costs_nothing(labs: LabMaker) -> None:
    lab = labs()
    labs.outside.script("a", Give({"n": 1, "cached": False, "cost_usd": 0.5}, cost=0.5))
    first, second = lab.go(cached(), v=1), None
    assert lab.end(first) == "succeeded"
    second = lab.begin("flow", v=1)
    assert lab.end(second) == "succeeded"
    assert len(labs.outside.of("a")) == 1
    assert lab.step(first, "steps[0]")["output"] == {"n": 1, "cached": False, "cost_usd": 0.5}
    assert lab.step(second, "steps[0]")["output"] == {"n": 1, "cached": True, "cost_usd": 0.0}
    assert (lab.document(first)["cost_usd"], lab.document(second)["cost_usd"]) == (0.5, 0)
    assert "step.logged steps[0]" in lab.kinds(second)


def test_other_parameters_are_another_step(lab: Lab) -> None:
    lab.deploy(cached())
    for value in (1, 2):
        assert lab.end(lab.begin("flow", v=value)) == "succeeded"
    assert len(lab.outside.of("a")) == 2


def test_the_time_of_a_kept_output_ends(labs: LabMaker) -> None:
    lab = labs()
    lab.deploy(cached())
    assert lab.end(lab.begin("flow", v=1)) == "succeeded"
    labs.clock.advance(3601)
    assert lab.end(lab.begin("flow", v=1)) == "succeeded"
    assert len(labs.outside.of("a")) == 2


def test_a_failure_is_not_kept(lab: Lab) -> None:
    lab.outside.script("a", Fail(BadInput("no")))
    lab.deploy(cached())
    assert lab.end(lab.begin("flow", v=1)) == "failed"
    assert lab.end(lab.begin("flow", v=1)) == "succeeded"
    assert len(lab.outside.of("a")) == 2


@pytest.mark.parametrize("crash", [True, False])
def test_it_outlives_a_restart_and_work_that_was_parked(labs: LabMaker, crash: bool) -> None:
    lab = labs()
    labs.outside.script("a", Wait(60), Give({"n": 1}))
    run = lab.go(cached(), v=1)
    lab.until_status(run, "waiting")
    labs.clock.advance(61)
    assert lab.end(run) == "succeeded"
    lab = labs.again(lab, crash=crash)
    lab.deploy(cached())
    before = len(labs.outside.of("a"))
    again = lab.begin("flow", v=1)
    assert lab.end(again) == "succeeded"
    assert len(labs.outside.of("a")) == before
    assert lab.step(again, "steps[0]")["output"] == {"n": 1}


def keyed(**more: Any) -> dict[str, Any]:
    return flow({**job("a", "keyed"), "with": {"name": "a", "value": 1}, "cache": "1h"}, **more)


def test_what_the_action_says_of_itself_makes_steps_identical_too(lab: Lab) -> None:
    lab.outside.script("a key", Give(["v1"]), Give(["v1"]), Give(["v2"]), Give(["v1"]))
    lab.outside.script("a", Give({"n": 1, "cached": False}), Give({"n": 2, "cached": False}))
    lab.deploy(keyed())
    runs: list[str] = []
    for _ in range(4):
        runs.append(lab.begin("flow"))
        assert lab.end(runs[-1]) == "succeeded", lab.document(runs[-1])["error"]
    outputs = [lab.step(run, "steps[0]")["output"] for run in runs]
    assert [(each["n"], each["cached"]) for each in outputs] == [(1, False), (1, True), (2, False), (1, True)]
    assert len(lab.outside.of("a")) == 2


def test_nothing_is_reused_or_kept_while_the_action_cannot_tell(lab: Lab) -> None:
    cannot = Fail(Unavailable("nobody answers"))
    lab.outside.script("a key", Give(["v1"]), cannot, cannot, Fail(ValueError("a fault")), Give(["v1"]))
    lab.deploy(keyed())
    runs = [lab.begin("flow")]
    assert lab.end(runs[0]) == "succeeded"
    for _ in range(4):
        runs.append(lab.begin("flow"))
        assert lab.end(runs[-1]) == "succeeded", lab.document(runs[-1])["error"]
    assert len(lab.outside.of("a")) == 4, "the last one alone was kept already"
    assert [line for line in lab.kinds(runs[1]) if line == "step.logged steps[0]"]
    assert "step.noted steps[0]" not in lab.kinds(runs[1])


def test_without_cache_nobody_is_asked(lab: Lab) -> None:
    lab.deploy(flow({**job("a", "keyed"), "with": {"name": "a", "value": 1}}))
    assert lab.end(lab.begin("flow")) == "succeeded"
    assert lab.outside.of("a key") == []


def test_the_answer_holds_for_the_attempt_over_waiting_and_restarts(labs: LabMaker) -> None:
    lab = labs()
    labs.outside.script("a key", Give(["v1"]), Give(["v1"]))
    labs.outside.script("a", Wait(60), Give({"n": 1}))
    run = lab.go(keyed())
    lab.until_status(run, "waiting")
    lab = labs.again(lab, crash=True)
    lab.deploy(keyed())
    labs.clock.advance(61)
    assert lab.end(run) == "succeeded"
    assert len(labs.outside.of("a key")) == 1
    again = lab.begin("flow")
    assert lab.end(again) == "succeeded"
    assert (len(labs.outside.of("a key")), len(labs.outside.of("a"))) == (2, 2)
    assert lab.step(again, "steps[0]")["output"] == {"n": 1}


def test_the_answer_alone_is_no_work_to_be_stopped(lab: Lab) -> None:
    lab.outside.script("a key", Give(["v1"]))
    lab.outside.script("a", Fail(BadInput("no")))
    lab.deploy(keyed())
    assert lab.end(lab.begin("flow")) == "failed"
    assert lab.outside.of("a cancel") == []
