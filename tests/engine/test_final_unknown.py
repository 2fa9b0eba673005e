"""What a look-up says and does not say: it may end the step, and it never lets it be sent again unproved."""

from __future__ import annotations

import pytest
from engine_lab import Fail, Give, LabMaker, flow, job

from hookline.sdk import ActionError, OutcomeUnknown, RateLimited, Unavailable


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


@pytest.mark.parametrize("error", [Unavailable("down"), RateLimited("busy", retry_after=1.0)])
def test_a_look_up_that_fails_is_repeated_and_nothing_is_sent_again(
    labs: LabMaker, error: ActionError
) -> None:
    lab = labs()
    lab.outside.script("a", Fail(OutcomeUnknown("lost")))
    lab.outside.script("a lookup", Fail(error), Give({"found": 1}))
    run = lab.go(flow(job("a", "check")))
    lab.until_status(run, "waiting")
    labs.clock.advance(3)
    lab.until(lambda: len(lab.outside.of("a lookup")) == 1)
    lab.until_status(run, "waiting")
    labs.clock.advance(6)
    assert lab.end(run) == "succeeded"
    assert lab.step(run, "a")["output"] == {"found": 1}
    assert len(lab.outside.of("a")) == 1
