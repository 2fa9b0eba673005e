"""Actions that are held in the middle of an attempt: for their turn, an identical one, or a person's word."""

from __future__ import annotations

import pytest

from .simulator import Fail, Hold, Park, Simulator, Succeed, do, simulate

BUDGET = {"budget": {"run": "1 usd", "on_over": "approve", "approve": {"who": ["ann"]}}}


def held(*outcomes: object, **more: object) -> Simulator:
    sim = simulate(do("a", **more), actions={"test.ok": list(outcomes)}, limits=BUDGET).start()  # type: ignore[arg-type]
    sim.settle()
    return sim


@pytest.mark.parametrize("kind", ["limit", "identical"])
def test_a_held_attempt_begins_again_as_the_same_attempt(kind: str) -> None:
    sim = held(Hold(kind), Hold(kind), Succeed("done"))
    assert sim.step("steps[0]").status == "waiting"
    sim.run()
    assert sim.status == "succeeded"
    assert [(call.wake, call.attempt) for call in sim.calls] == [("start", 1)] * 3


def test_its_turn_may_come_early_and_once() -> None:
    sim = held(Hold(seconds=600.0), Succeed("done"))
    before = sim.now
    sim.turn("steps[0]")
    sim.turn("steps[0]")
    sim.settle()
    assert (sim.status, sim.now, len(sim.calls)) == ("succeeded", before, 2)


def test_the_steps_time_runs_while_it_waits_for_its_turn() -> None:
    sim = held(Hold(seconds=600.0), timeout="1m")
    sim.run()
    assert (sim.error["code"], sim.error["type"], len(sim.calls)) == ("R205", "timeout", 1)


def test_a_callback_that_is_being_looked_at_is_not_forgotten_over_another() -> None:
    sim = held(Park(60.0), Hold(), Succeed("done"))
    sim.callback("steps[0]", "first", id="1")
    sim.settle()
    sim.callback("steps[0]", "second", id="2")
    sim.settle()
    assert len(sim.calls) == 2
    sim.run()
    assert [(call.wake, call.body) for call in sim.calls[1:]] == [("callback", "first")] * 2


def test_a_callback_wakes_what_was_only_about_to_look() -> None:
    sim = held(Park(60.0), Hold(seconds=600.0), Succeed("done"))
    sim.advance(60.0)
    sim.callback("steps[0]", "news", id="1")
    sim.settle()
    assert [call.wake for call in sim.calls] == ["start", "timer", "callback"]


def test_a_person_allows_it_and_the_steps_time_begins_anew() -> None:
    sim = held(Hold("approval", 86400.0), Succeed("done"), timeout="1m")
    sim.advance(3600.0)
    assert sim.step("steps[0]").waiting is not None
    sim.approve("steps[0]")
    assert sim.step("steps[0]").deadline == sim.now + 60
    assert [d.decision for d in sim.step("steps[0]").decisions] == ["approved"]
    sim.run()
    assert (sim.status, len(sim.calls)) == ("succeeded", 2)


@pytest.mark.parametrize("answers", [True, False])
def test_no_answer_is_a_no_and_so_is_a_no(answers: bool) -> None:
    sim = held(Hold("approval", 60.0), retry={"max_attempts": 3})
    if answers:
        sim.approve("steps[0]", decision="rejected")
    sim.run()
    assert (sim.status, sim.error["code"], len(sim.calls)) == ("failed", "R213", 1)


def test_every_attempt_is_asked_about() -> None:
    again = Fail("unavailable", retry_on=("unavailable",))
    sim = held(Hold("approval", 900.0), again, Hold("approval", 900.0), Succeed("done"))
    sim.approve("steps[0]")
    sim.settle()
    sim.advance(30.0)
    assert sim.step("steps[0]").decisions == []
    sim.approve("steps[0]")
    sim.run()
    assert (sim.status, [call.attempt for call in sim.calls]) == ("succeeded", [1, 1, 2, 2])


def test_a_run_is_canceled_although_it_is_held() -> None:
    sim = held(Hold("approval", 900.0))
    sim.cancel()
    assert sim.run().status == "canceled"


def test_a_crash_forgets_nothing() -> None:
    sim = held(Hold("limit", 60.0), Succeed("done"))
    sim.crash()
    sim.run()
    assert (sim.status, [call.wake for call in sim.calls]) == ("succeeded", ["start", "start"])
