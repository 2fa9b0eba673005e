"""An outcome that no look-up will ever tell ends the step; it is not looked up for ever."""

from __future__ import annotations

from engine_lab import Fail, Give, LabMaker, flow, job

from hookline.sdk import OutcomeUnknown


def test_a_final_unknown_ends_the_step_without_another_look_up(labs: LabMaker) -> None:
    lab = labs()
    lab.outside.script("a", Fail(OutcomeUnknown("lost")))
    lab.outside.script(
        "a lookup", Fail(OutcomeUnknown("no permission to look", final=True)), Give({"found": 1})
    )
    run = lab.go(flow(job("a", "check")))
    lab.until_status(run, "waiting")
    labs.clock.advance(3)
    assert lab.end(run) == "failed"
    step = lab.step(run, "a")
    assert step["error"]["type"] == "unknown"
    assert step["error"]["message"] == "no permission to look"
    assert len(lab.outside.of("a lookup")) == 1


def test_an_attempt_that_is_final_at_once_is_not_looked_up(labs: LabMaker) -> None:
    lab = labs()
    lab.outside.script("a", Fail(OutcomeUnknown("lost", final=True)))
    run = lab.go(flow(job("a", "check")))
    assert lab.end(run) == "failed"
    assert lab.outside.of("a lookup") == []
