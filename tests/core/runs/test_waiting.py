"""Steps that wait: for a time, a callback, people, another run, a parked action, a look-up."""

from __future__ import annotations

from typing import Any

import pytest

from hookline.core import events as ev
from hookline.core.approvals import shown_hash
from hookline.core.decide import child_run_id

from .simulator import START, Fail, Note, Park, Simulator, Succeed, Unknown, do, simulate

Json = Any
CALLBACK = {"id": "w", "wait": {"callback": {}}, "timeout": "10m", "on_timeout": "fail"}


def approval(**more: Json) -> Json:
    step = {
        "approve": {"who": ["ann", "bob"], "message": "Ship it?"},
        "timeout": "1h",
        "on_timeout": "reject",
    }
    return {"id": "w", **step, **more}


def waiting(step: Json, **more: Json) -> Simulator:
    sim = simulate(step, output="{{ steps.w }}", **more).start()
    # Who asks people is executed while it asks.
    assert sim.status == ("running" if sim.waiting_calls else "waiting")
    return sim


def test_wait_for_takes_its_time_and_gives_null() -> None:
    sim = waiting({"id": "w", "wait": {"for": "10m"}})
    assert sim.timers() == {"steps[0]": START + 600}
    sim.advance(599)
    assert sim.status == "waiting"
    sim.advance(1)
    assert (sim.status, sim.output) == ("succeeded", None)


def test_a_timer_that_fires_early_or_twice_does_nothing() -> None:
    sim = waiting({"id": "w", "wait": {"for": "10m"}})
    sim.fire("steps[0]", START + 599)
    assert sim.status == "waiting"
    sim.fire("steps[0]", START + 9999)
    sim.fire("steps[0]", START + 9999)
    assert sim.status == "succeeded"
    assert len(sim.kinds("run.finished")) == 1


def test_what_a_timer_says_holds_though_the_clock_is_set_back() -> None:
    sim = waiting({"call": "other", "timeout": "1m", "id": "w"})
    sim.record(ev.TimerFired("steps[0]", START + 60))
    sim.now = START - 3600
    sim.decide()
    assert sim.error["code"] == "R205"


@pytest.mark.parametrize("until", ["1970-01-12T13:56:40Z", "1970-01-12T14:56:40+01:00"])
def test_wait_until_a_time_in_any_zone(until: str) -> None:
    assert waiting({"id": "w", "wait": {"until": until}}).timers() == {"steps[0]": START + 600}


def test_wait_until_a_time_that_is_over_is_done_at_once() -> None:
    sim = simulate({"wait": {"until": "{{ timestamp('1970-01-01T00:00:00Z') }}"}}).start()
    assert sim.status == "succeeded"


@pytest.mark.parametrize(
    "until", ["soon", "1970-01-12T13:56:40", "2026-11-20", 1_000_600, None, "9999-12-31T23:59:59Z"]
)
def test_wait_until_what_is_no_time_is_an_error(until: Json) -> None:
    sim = simulate({"wait": {"until": "{{ trigger.t }}"}}, event={"t": until}).run()
    assert (sim.error["type"], sim.error["code"]) == ("bad_input", "R203")


def test_a_wait_with_a_shorter_timeout_fails() -> None:
    sim = simulate({"wait": {"for": "10m"}, "timeout": "1m"}).run()
    assert (sim.error["type"], sim.now) == ("timeout", START + 60)


def test_a_callback_ends_the_wait_with_its_body() -> None:
    sim = waiting(CALLBACK)
    sim.callback("steps[0]", {"a": 1})
    assert sim.output == {"a": 1}


@pytest.mark.parametrize("body", ["", "plain", "NaN", "1e999", '{"a": Infinity}', "[" * 100_000])
def test_a_callback_that_is_not_json_is_text(body: str) -> None:
    sim = waiting(CALLBACK)
    sim.callback("steps[0]", body)
    assert sim.output == body


def test_a_callback_that_comes_early_is_kept_and_the_first_one_counts() -> None:
    sim = simulate(do(), CALLBACK, output="{{ steps.w }}").start()
    sim.callback("steps[1]", 1)
    sim.callback("steps[1]", 2)
    sim.crash()
    assert sim.run().output == 1


def test_the_address_of_a_wait_is_known_before_it_begins() -> None:
    tell = do(uses="test.tell", **{"with": {"url": "{{ run.callbacks.w.url }}"}})
    sim = simulate(tell, CALLBACK).start()
    sim.settle()
    assert sim.calls[0].input["url"] == "https://hooks.test/run_1/steps[1]/0"


def test_the_same_delivery_counts_once() -> None:
    sim = simulate(do(uses="test.slow"), actions={"test.slow": Park()}).start()
    sim.settle()
    sim.callback("steps[0]", 1, id="d1")
    sim.settle()
    sim.callback("steps[0]", 1, id="d1")
    assert sim.waiting_calls == {}
    assert len(sim.calls) == 2


@pytest.mark.parametrize(("on_timeout", "status"), [("fail", "failed"), ("continue", "succeeded")])
def test_no_callback_in_time(on_timeout: str, status: str) -> None:
    sim = simulate({**CALLBACK, "on_timeout": on_timeout}, output="{{ steps.w }}").run()
    assert sim.status == status
    assert sim.output is None
    assert sim.now == START + 600


def test_an_approval_says_who_decided_what() -> None:
    sim = waiting(approval())
    sim.approve("steps[0]", "ann", comment="fine")
    assert {key: sim.output[key] for key in ("decision", "by", "comment")} == {
        "decision": "approved",
        "by": "ann",
        "comment": "fine",
    }


def test_what_is_shown_is_rendered_when_it_is_asked() -> None:
    step = approval()
    step["approve"] = {"who": ["ann"], "message": "{{ trigger.n }} files?", "show": {"n": "{{ trigger.n }}"}}
    sim = waiting(step, event={"n": 3})
    assert sim.step("steps[0]").input["message"] == "3 files?"
    assert sim.step("steps[0]").input["show"] == {"n": 3}


def test_a_quorum_needs_that_many_different_people() -> None:
    step = approval()
    step["approve"]["quorum"] = 2
    sim = waiting(step)
    sim.approve("steps[0]", "ann")
    sim.approve("steps[0]", "ann")
    assert sim.status == "waiting"
    assert sim.step("steps[0]").waiting is not None
    assert sim.step("steps[0]").waiting.reason == "1 more decision"  # type: ignore[union-attr]
    sim.crash()
    sim.approve("steps[0]", "bob")
    assert sim.output["by"] == "bob"


def test_the_first_of_two_opposite_decisions_of_one_person_counts() -> None:
    sim = waiting(approval())
    sim.record(ev.ApprovalDecided("steps[0]", "approved", "ann", sim.now))
    sim.record(ev.ApprovalDecided("steps[0]", "rejected", "ann", sim.now))
    sim.decide()
    assert sim.output["decision"] == "approved"


def test_one_rejection_outweighs_the_quorum() -> None:
    step = approval()
    step["approve"]["quorum"] = 2
    sim = waiting(step)
    sim.approve("steps[0]", "ann")
    sim.approve("steps[0]", "bob", decision="rejected")
    assert (sim.status, sim.error["type"], sim.error["code"]) == ("failed", "rejected", "R204")


def test_a_rejection_may_be_an_ordinary_answer() -> None:
    sim = waiting(approval(on_reject="continue"))
    sim.approve("steps[0]", "bob", decision="rejected", comment="ugly")
    assert (sim.output["decision"], sim.output["by"]) == ("rejected", "bob")


@pytest.mark.parametrize(
    ("on_timeout", "on_reject", "outcome"),
    [
        ("reject", "fail", "rejected"),
        ("reject", "continue", "a rejection"),
        ("fail", "fail", "timeout"),
        ("fail", "continue", "timeout"),
    ],
)
@pytest.mark.parametrize("quorum", [1, 2])
def test_no_answer_is_never_a_yes(on_timeout: str, on_reject: str, outcome: str, quorum: int) -> None:
    step = approval(on_timeout=on_timeout, on_reject=on_reject)
    step["approve"]["quorum"] = quorum
    sim = waiting(step)
    if quorum == 2:
        sim.approve("steps[0]", "ann")
    sim.advance(3600)
    if outcome == "a rejection":
        assert (sim.output["decision"], sim.output["by"]) == ("rejected", None)
    else:
        assert sim.error["type"] == outcome


def test_a_yes_behind_the_time_out_comes_too_late() -> None:
    sim = waiting(approval())
    sim.record(ev.TimerFired("steps[0]", sim.now + 3600))
    sim.record(ev.ApprovalDecided("steps[0]", "approved", "ann", sim.now + 3601))
    sim.decide()
    assert sim.error["type"] == "rejected"


def test_an_approval_that_is_asked_again_forgets_the_old_decisions() -> None:
    sim = waiting(approval(retry={"max_attempts": 2, "delay": "1s", "on": ["rejected"]}))
    sim.approve("steps[0]", "ann", decision="rejected")
    sim.advance(5)
    assert sim.status == "waiting"
    sim.approve("steps[0]", "ann")
    assert sim.output["decision"] == "approved"


def asking(**more: Json) -> dict[str, Json]:
    """An approval that tells people."""
    step = approval()
    step["approve"].update({"via": [{"connection": "x"}], **more})
    return step


def test_people_are_asked_again_when_it_is_time() -> None:
    sim = waiting(asking(remind=["10m", "40m"], escalate={"after": "20m", "to": ["boss", "ann"]}))
    sim.settle()
    begun = sim.now
    assert sim.timers() == {"steps[0]": begun + 600}
    sim.advance(3599)
    rounds = [(event.round, event.reason) for event in sim.kinds("approval.asking")]  # type: ignore[union-attr]
    assert rounds == [(1, "first"), (2, "reminder"), (3, "escalation"), (4, "reminder")]
    found = sim.step("steps[0]").asking
    assert found is not None
    assert found.who == ["ann", "bob", "boss"], "each of them once"
    assert sim.timers() == {"steps[0]": begun + 3600}, "only the end is left"
    sim.crash()
    sim.settle()
    sim.approve("steps[0]", "boss")
    sim.settle()
    assert sim.output["by"] == "boss"


def test_the_step_ends_once_those_who_were_asked_are_told() -> None:
    sim = waiting(asking())
    sim.settle()
    sim.approve("steps[0]", "ann")
    assert (sim.status, sim.timers()) == ("running", {})
    sim.approve("steps[0]", "bob", decision="rejected")
    sim.crash()
    sim.settle()
    assert (sim.status, sim.output["decision"]) == ("succeeded", "approved")
    assert len(sim.kinds("approval.settled")) == 1


def test_a_decision_in_time_counts_however_late_it_is_heard_of() -> None:
    sim = waiting(approval())
    begun = sim.now
    sim.record(ev.TimerFired("steps[0]", begun + 5000))
    sim.record(ev.ApprovalDecided("steps[0]", "approved", "ann", begun + 3599))
    sim.decide()
    assert sim.output["decision"] == "approved"


def test_a_decision_beside_a_reminder_is_not_lost() -> None:
    sim = waiting(asking(remind="10m"))
    sim.settle()
    sim.record(ev.TimerFired("steps[0]", sim.now + 600))
    sim.record(ev.ApprovalDecided("steps[0]", "approved", "ann", sim.now + 601))
    sim.settle()
    assert sim.output["decision"] == "approved"


@pytest.mark.parametrize(
    ("decisions", "outcome"),
    [
        ("aa", "approved"),
        ("arr", "rejected"),
        ("rar", "rejected"),
        ("raa", "approved"),
        ("ra", ""),
    ],
)
def test_the_first_quorum_decides(decisions: str, outcome: str) -> None:
    step = approval(on_reject="continue")
    step["approve"].update(quorum=2, reject_quorum=2)
    sim = waiting(step)
    for number, letter in enumerate(decisions):
        decision = {"a": "approved", "r": "rejected"}[letter]
        sim.approve("steps[0]", f"p{number}", decision=decision)
    if outcome:
        assert sim.output["decision"] == outcome
        assert [each["by"] for each in sim.output["decisions"]] == [f"p{n}" for n in range(len(decisions))]
    else:
        assert sim.status == "waiting"


def test_what_is_shown_has_a_hash() -> None:
    sim = waiting(approval())
    data = sim.step("steps[0]").input
    assert data["sha256"] == shown_hash("Ship it?", None, None, 0.0)
    assert data["sha256"] != shown_hash("Ship them?", None, None, 0.0)
    assert data["sha256"] != shown_hash("Ship it?", {"$file": "artifact:a", "sha256": "a"}, None, 0.0)


def test_call_gives_the_output_and_the_cost_of_the_other_run() -> None:
    sim = waiting({"id": "w", "call": "other", "with": {"a": "{{ 1 + 1 }}"}})
    asked = sim.step("steps[0]").input
    assert (asked["workflow"], asked["input"]) == ("other", {"a": 2})
    assert asked["run"] == child_run_id("run_1", "steps[0]", 1)
    sim.child("steps[0]", output={"b": 3}, cost=0.5)
    assert sim.output == {"b": 3}
    assert sim.state.cost == 0.5


@pytest.mark.parametrize(("status", "type_"), [("failed", "bad_input"), ("canceled", "canceled")])
def test_call_fails_as_the_other_run_did(status: str, type_: str) -> None:
    sim = waiting({"id": "w", "call": "other"})
    sim.child("steps[0]", status, cost=0.25)
    assert (sim.error["type"], sim.error["step"]) == (type_, "steps[0]")
    assert sim.error["run"] == child_run_id("run_1", "steps[0]", 1)
    assert sim.state.cost == 0.25


def test_the_end_of_another_run_is_not_taken_for_that_of_the_called_one() -> None:
    sim = waiting({"id": "w", "call": "other"})
    sim.record(ev.ChildFinished("steps[0]", "run_x", "succeeded", 1))
    sim.decide()
    assert sim.status == "waiting"


def test_call_that_is_tried_again_starts_another_run() -> None:
    sim = waiting({"id": "w", "call": "other", "retry": {"max_attempts": 2, "on": ["bad_input"]}})
    first = sim.step("steps[0]").input["run"]
    sim.child("steps[0]", "failed")
    sim.advance(5)
    assert sim.step("steps[0]").input["run"] != first
    sim.record(ev.ChildFinished("steps[0]", first, "succeeded", "late"))
    sim.child("steps[0]", output="second")
    assert sim.output == "second"


def test_a_parked_action_goes_on_with_what_it_left() -> None:
    sim = simulate(
        do("a", "test.slow"),
        actions={"test.slow": [Park(None, {"job": 7}), Park(5), Succeed("done")]},
        output="{{ steps.a }}",
    ).start()
    sim.settle()
    assert (sim.status, sim.timers()) == ("waiting", {"steps[0]": START + 3600})
    sim.callback("steps[0]", {"ok": True})
    sim.settle()
    assert (sim.calls[1].wake, sim.calls[1].data, sim.calls[1].body) == (
        "callback",
        {"job": 7},
        '{"ok": true}',
    )
    sim.advance(5)
    assert sim.calls[2].wake == "timer"
    assert sim.output == "done"


def test_a_callback_while_the_action_still_runs_wakes_it_once_it_parks() -> None:
    sim = simulate(do(uses="test.slow"), actions={"test.slow": [Park(), Succeed(1)]}).start()
    sim.callback("steps[0]", 1, attempt=1)
    sim.settle()
    assert (sim.status, sim.calls[1].wake) == ("succeeded", "callback")


def test_a_callback_for_an_old_attempt_is_ignored() -> None:
    sim = simulate(
        do(uses="test.slow", retry={"max_attempts": 2, "delay": "1s", "on": ["unavailable"]}),
        actions={"test.slow": [Fail("unavailable"), Park()]},
    ).start()
    sim.settle()
    sim.advance(5)
    sim.callback("steps[0]", 1, attempt=1)
    assert sim.status == "waiting"
    sim.callback("steps[0]", 1, attempt=2)
    assert sim.status == "running"


def test_a_parked_action_is_given_up_at_its_timeout() -> None:
    sim = simulate(do(uses="test.slow", timeout="1m"), actions={"test.slow": Park(3600)}).run()
    assert (sim.error["type"], sim.error["code"], sim.now) == ("timeout", "R205", START + 60)
    assert len(sim.calls) == 1


def test_what_is_unknown_is_looked_up_and_not_sent_again() -> None:
    sim = simulate(
        do(uses="test.send"),
        actions={"test.send": [Note({"id": 1}, Unknown(60)), Unknown(60), Succeed("it was done")]},
    ).run()
    assert [(call.wake, call.attempt) for call in sim.calls] == [("start", 1), ("lookup", 1), ("lookup", 1)]
    assert sim.calls[1].notes == {"id": 1}
    assert (sim.status, sim.now) == ("succeeded", START + 120)


def test_a_callback_leads_to_the_look_up_at_once() -> None:
    sim = simulate(do(uses="test.send"), actions={"test.send": [Unknown(60), Succeed(1)]}).start()
    sim.settle()
    assert sim.step("steps[0]").status == "unknown"
    sim.callback("steps[0]", 1, attempt=1)
    sim.settle()
    assert (sim.status, sim.calls[1].wake, sim.now) == ("succeeded", "lookup", START)


@pytest.mark.parametrize(("on_unknown", "attempts"), [("retry", 3), ("fail", 1)])
def test_what_to_do_about_the_unknown_can_be_said(on_unknown: str, attempts: int) -> None:
    sim = simulate(do(uses="test.send", on_unknown=on_unknown), actions={"test.send": Unknown(60)}).run()
    assert (sim.error["type"], sim.step("steps[0]").attempt) == ("unknown", attempts)
    assert {call.wake for call in sim.calls} == {"start"}


def test_without_a_way_to_look_the_unknown_is_an_error() -> None:
    sim = simulate(do(uses="test.send"), actions={"test.send": Unknown(None)}).run()
    assert (sim.error["type"], len(sim.calls)) == ("unknown", 1)


def test_one_look_up_is_owed_however_late_it_is() -> None:
    sim = simulate(
        do(uses="test.send", timeout="1m"), actions={"test.send": [Unknown(600), Succeed(1)]}
    ).run()
    assert (sim.status, sim.now) == ("succeeded", START + 60)
