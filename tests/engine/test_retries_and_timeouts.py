"""Attempts: repeated, cut off, timed out, and what a restart does to all of that."""

from __future__ import annotations

import pytest
from engine_lab import Fail, Give, Hang, Lab, LabMaker, Note, Outside, Wait, flow, job

from hookline.sdk import BadInput, OutcomeUnknown, RateLimited, TimedOut, Unavailable

RETRY = {"max_attempts": 3, "delay": "10s", "backoff": 2, "max_delay": "1m"}


def test_a_retry_waits_through_a_restart_and_no_shorter(labs: LabMaker) -> None:
    outside = labs.outside
    outside.script("a", Fail(Unavailable("down")), Fail(Unavailable("down")))
    lab = labs()
    run = lab.go(flow(job("a", retry=RETRY)))
    lab.until_status(run, "waiting")
    assert lab.step(run, "a")["status"] == "retrying"

    lab = labs.again(lab)
    labs.clock.advance(9.9)
    lab.until_idle()
    assert len(outside.of("a")) == 1
    labs.clock.advance(2.2)
    lab.until(lambda: len(outside.of("a")) == 2)
    lab.until_status(run, "waiting")

    lab = labs.again(lab, crash=True)
    labs.clock.advance(25)
    assert lab.end(run) == "succeeded"
    assert [call.attempt for call in outside.of("a")] == [1, 2, 3]
    assert len({call.key for call in outside.of("a")}) == 3
    assert lab.step(run, "a")["attempts"] == 3


def test_a_retry_obeys_the_service_when_it_says_how_long(labs: LabMaker) -> None:
    lab, outside = labs(), labs.outside
    outside.script("a", Fail(RateLimited("slow down", retry_after=300)))
    run = lab.go(flow(job("a", retry=RETRY)))
    lab.until_status(run, "waiting")
    labs.clock.advance(299)
    lab.until_idle()
    assert len(outside.of("a")) == 1
    labs.clock.advance(2)
    assert lab.end(run) == "succeeded"


@pytest.mark.parametrize("retry_after", [float("nan"), float("inf"), -5.0, 1e300])
def test_an_absurd_retry_after_does_not_stop_the_run(lab: Lab, retry_after: float) -> None:
    lab.outside.script("a", Fail(RateLimited("slow down", retry_after=retry_after)))
    run = lab.go(flow(job("a", retry=RETRY, timeout="3h")))
    lab.until_status(run, "waiting")
    lab.clock.advance(3700)
    assert lab.end(run) == "succeeded"


def test_what_is_not_listed_is_not_retried(lab: Lab) -> None:
    lab.outside.script("a", Fail(BadInput("no")))
    run = lab.go(flow(job("a", retry=RETRY)))
    assert lab.end(run) == "failed"
    error = lab.document(run)["error"]
    assert (error["type"], error["step"]) == ("bad_input", "steps[0]")
    assert len(lab.outside.of("a")) == 1


def test_attempts_end_with_the_policy(lab: Lab) -> None:
    lab.outside.script("a", *[Fail(Unavailable("down"))] * 9)
    run = lab.go(flow(job("a", retry={**RETRY, "on": ["unavailable"]})))
    for attempts in (1, 2):
        lab.until(lambda n=attempts: len(lab.outside.of("a")) == n)
        lab.until_status(run, "waiting")
        lab.clock.advance(60)
    assert lab.end(run) == "failed"
    assert len(lab.outside.of("a")) == 3


@pytest.mark.parametrize("effect", ["read", "idempotent", "once"])
def test_a_timeout_stops_the_code(lab: Lab, effect: str) -> None:
    lab.outside.script("a", Hang())
    run = lab.go(flow(job("a", effect, timeout="30s", retry={**RETRY, "on": ["rate_limited"]})))
    lab.until(lambda: lab.outside.hanging("a"))
    lab.clock.advance(29)
    lab.until(lambda: lab.outside.hanging("a"))
    lab.clock.advance(2)
    assert lab.end(run) == "failed"
    lab.until(lambda: lab.outside.stopped == [f"{run}/steps[0]/1"])
    assert lab.document(run)["error"]["code"] == "R205"


def test_the_time_of_a_step_is_for_all_attempts_together(lab: Lab) -> None:
    lab.outside.script("a", Fail(Unavailable("down")), Hang())
    run = lab.go(flow(job("a", timeout="30s", retry={**RETRY, "on": ["unavailable"]})))
    lab.until_status(run, "waiting")
    lab.clock.advance(13)
    lab.until(lambda: lab.outside.hanging("a"))
    lab.clock.advance(18)
    assert lab.end(run) == "failed"
    assert len(lab.outside.of("a")) == 2


def test_a_components_own_timeout_is_not_the_steps(lab: Lab) -> None:
    lab.outside.script("a", Fail(TimeoutError()))
    run = lab.go(flow(job("a", "check", timeout="30s")))
    assert lab.end(run) == "failed"
    error = lab.document(run)["error"]
    assert (error["code"], error["type"]) == ("R301", "internal")


def test_a_parked_action_times_out_and_is_canceled_once(lab: Lab) -> None:
    lab.outside.script("a", Wait(data={"job": 7}))
    run = lab.go(flow(job("a", timeout="1h")))
    lab.until_status(run, "waiting")
    lab.clock.advance(3601)
    assert lab.end(run) == "failed"
    assert lab.document(run)["error"]["code"] == "R205"
    lab.until(lambda: lab.outside.of("a cancel"))
    lab.until_idle()
    assert [call.data for call in lab.outside.of("a cancel")] == [{"job": 7}]


def test_a_container_times_out_with_what_is_in_it(lab: Lab) -> None:
    lab.outside.script("a", Hang())
    loop = {
        "for_each": [1, 2, 3],
        "max_parallel": 2,
        "timeout": "1m",
        "do": [job("a"), {"wait": {"for": "5m"}}],
    }
    run = lab.go(flow(loop))
    lab.until(lambda: lab.outside.hanging("a") and lab.status(run) == "running")
    lab.until(lambda: len(lab.outside.of("a")) == 2)
    lab.clock.advance(61)
    assert lab.end(run) == "failed"
    lab.until(lambda: len(lab.outside.stopped) == 1)
    assert lab.document(run)["error"]["type"] == "timeout"
    lab.until_idle()


def test_the_runs_own_time_ends_everything(lab: Lab) -> None:
    lab.outside.script("a", Hang())
    run = lab.go(flow(job("a"), limits={"timeout": "2m"}, on_error=[job("mop")]))
    lab.until(lambda: lab.outside.hanging("a"))
    lab.clock.advance(121)
    assert lab.end(run) == "failed"
    assert lab.document(run)["error"]["code"] == "R103"
    assert len(lab.outside.of("mop")) == 1


def test_the_runs_deadline_means_nothing_to_what_cleans_up(lab: Lab) -> None:
    """A timer that nobody can answer must not fire again and again."""
    lab.outside.script("a", Fail(BadInput("no")))
    mop = {"wait": {"for": "1h"}}
    run = lab.go(flow(job("a"), limits={"timeout": "2m"}, on_error=[mop]))
    lab.until_status(run, "waiting")
    lab.clock.advance(121)
    lab.until_idle()
    for _ in range(20):
        lab.clock.advance(1)
        lab.until_idle()
    assert lab.kinds(run).count("timer.fired") <= 1
    lab.clock.advance(3600)
    assert lab.end(run) == "failed"
    assert lab.document(run)["error"]["code"] == "C901"


def test_an_unknown_outcome_is_looked_up_and_not_repeated(lab: Lab) -> None:
    lab.outside.script("a", Note({"id": 7}, Fail(OutcomeUnknown("lost"))))
    lab.outside.script("a lookup", Fail(OutcomeUnknown("still")), Give({"found": True}))
    run = lab.go(flow(job("a", "check")))
    lab.until_status(run, "waiting")
    assert lab.step(run, "a")["status"] == "unknown"
    lab.clock.advance(2.1)
    lab.until(lambda: len(lab.outside.of("a lookup")) == 1)
    lab.until_status(run, "waiting")
    lab.clock.advance(5.1)
    assert lab.end(run) == "succeeded"
    assert lab.step(run, "a")["output"] == {"found": True}
    assert len(lab.outside.of("a")) == 1
    assert lab.outside.of("a lookup")[0].notes == {"id": 7}


def test_a_proof_that_nothing_was_done_sends_it_under_the_same_key(lab: Lab) -> None:
    lab.outside.script("a", Fail(OutcomeUnknown("lost")))
    lab.outside.script("a lookup", Give({"value": "nothing was done"}))
    run = lab.go(flow(job("a", "check")))
    lab.until_status(run, "waiting")
    lab.clock.advance(2.1)
    assert lab.end(run) == "succeeded"
    assert {call.key for call in lab.outside.of("a")} == {f"{run}/steps[0]/1"}
    assert len(lab.outside.of("a")) == 2


def test_what_was_cut_off_by_the_timeout_is_looked_up_once(lab: Lab) -> None:
    lab.outside.script("a", Hang())
    lab.outside.script("a lookup", Give({"found": True}))
    run = lab.go(flow(job("a", "check", timeout="30s")))
    lab.until(lambda: lab.outside.hanging("a"))
    lab.clock.advance(31)
    lab.until(lambda: lab.status(run) != "running")
    lab.clock.advance(3)
    assert lab.end(run) == "succeeded"
    assert len(lab.outside.of("a")) == 1


@pytest.mark.parametrize("effect", ["read", "idempotent"])
def test_an_unknown_outcome_of_what_is_harmless_is_repeated(lab: Lab, effect: str) -> None:
    lab.outside.script("a", Fail(OutcomeUnknown("lost")))
    run = lab.go(flow(job("a", effect)))
    lab.until_status(run, "waiting")
    lab.clock.advance(2)
    assert lab.end(run) == "succeeded"
    assert len(lab.outside.of("a")) == 2


def test_an_unknown_outcome_of_what_cannot_be_looked_up_fails(lab: Lab) -> None:
    lab.outside.script("a", Fail(OutcomeUnknown("lost")))
    run = lab.go(flow(job("a", "once")))
    assert lab.end(run) == "failed"
    assert lab.document(run)["error"]["type"] == "unknown"
    assert len(lab.outside.of("a")) == 1


def test_the_unknown_is_repeated_where_the_author_says_so(lab: Lab) -> None:
    lab.outside.script("a", Fail(OutcomeUnknown("lost")))
    run = lab.go(flow(job("a", "once", on_unknown="retry")))
    assert lab.end(run) == "succeeded"
    assert [call.attempt for call in lab.outside.of("a")] == [1, 2]


def test_a_blocking_action_runs_beside_the_others(lab: Lab, labs: LabMaker) -> None:
    lab.outside.script("slow", Hang())
    slow = lab.go(flow(job("slow", "blocking"), name="slow"))
    lab.until(lambda: lab.outside.of("slow"))
    quick = lab.go(flow(job("quick"), name="quick"))
    assert lab.end(quick) == "succeeded"
    lab.outside.release("slow")
    assert lab.end(slow) == "succeeded"


def test_a_blocking_action_that_hangs_times_out(lab: Lab) -> None:
    lab.outside.script("slow", Hang())
    run = lab.go(flow(job("slow", "blocking", timeout="10s")))
    lab.until(lambda: lab.outside.of("slow"))
    lab.clock.advance(11)
    assert lab.end(run) == "failed"
    lab.outside.release("slow")


def test_an_action_may_report_a_timeout_of_its_own_kind(lab: Lab) -> None:
    lab.outside.script("a", Fail(TimedOut("gave up")))
    run = lab.go(flow(job("a", "idempotent", retry={**RETRY, "max_attempts": 2})))
    lab.until_status(run, "waiting")
    lab.clock.advance(13)
    assert lab.end(run) == "succeeded"


def test_the_clock_may_jump(labs: LabMaker, lab: Lab) -> None:
    """A suspended machine: the wall clock has moved on, the time of the loop has not."""
    run = lab.go(flow({"wait": {"for": "1h"}}))
    lab.until_status(run, "waiting")
    labs.clock.jump(3601)
    labs.clock.advance(1.5)
    assert lab.end(run) == "succeeded"


def test_a_clock_that_goes_back_delays_nothing_for_ever(labs: LabMaker, lab: Lab) -> None:
    run = lab.go(flow({"wait": {"for": "1m"}}))
    lab.until_status(run, "waiting")
    labs.clock.jump(-30)
    labs.clock.advance(60)
    lab.until_idle()
    assert lab.status(run) == "waiting"
    labs.clock.advance(31)
    assert lab.end(run) == "succeeded"


def test_an_outside_service_is_called_once_for_each_step(lab: Lab, labs: LabMaker) -> None:
    outside: Outside = lab.outside
    run = lab.go(flow(*(job(name, effect) for name, effect in zip("abcde", EFFECTS, strict=True))))
    assert lab.end(run) == "succeeded"
    assert [len(outside.of(name)) for name in "abcde"] == [1] * 5


EFFECTS = ("read", "idempotent", "check", "once", "blocking")
