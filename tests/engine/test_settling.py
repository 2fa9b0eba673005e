"""What an attempt leaves behind when it is over: stopped, looked at until it is settled, charged once."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest
from engine_lab import Fail, Give, Hang, Lab, LabMaker, Note, Reserve, Spend, Wait, flow, job
from test_budgets import claims, ledger

from hookline.core.folding.settlements import LEASE
from hookline.engine.engine import EngineError
from hookline.engine.settling import GIVE_UP, INTERRUPTIONS
from hookline.sdk import BadInput, OutcomeUnknown, Unavailable
from hookline.store.port import Prune

DAY_OF_ONE = {"limits": {"budget": {"day": "1 usd"}}}


def settled(lab: Lab, run: str) -> list[dict[str, Any]]:
    return [entry["data"] for entry in lab.history(run) if entry["kind"] == "settlement.closed"]


def parked(lab: Lab, *settle: Any, **options: Any) -> str:
    """A run whose step has set 0.6 USD aside, and waits for a job elsewhere."""
    lab.outside.script("a", Reserve(0.6, Note({"job": 7}, Wait(3600, {"job": 7}))))
    lab.outside.script("a settle", *settle)
    run = lab.go(flow(job("a", "owed"), **{**DAY_OF_ONE, **options}))
    lab.until_status(run, "waiting")
    return run


def canceled(lab: Lab, run: str) -> None:
    assert lab.engine.cancel(run)
    assert lab.end(run) == "canceled"


def test_what_a_canceled_prediction_cost_is_charged_to_its_step_and_the_ledger(lab: Lab) -> None:
    run = parked(lab, Spend(0.25))
    canceled(lab, run)
    lab.until(lambda: settled(lab, run))
    assert [call.how for call in lab.outside.calls[1:]] == ["cancel", "settle"]
    asked = lab.outside.of("a settle")[0]
    assert asked.data == {"reason": "canceled", "data": {"job": 7}, "kept": {}}
    assert asked.notes["job"] == 7
    lab.until(lambda: lab.document(run)["cost_usd"] == 0.25)
    assert (lab.step(run, "a")["cost_usd"], lab.step(run, "a")["settling"]) == (0.25, [])
    assert (ledger(lab), claims(lab)) == ({"model": 0.25}, [])
    assert lab.status(run) == "canceled"
    assert lab.finished == [run], "it ends once"


def test_what_was_set_aside_stays_so_until_it_is_settled(labs: LabMaker) -> None:
    lab = labs()
    run = parked(lab, Wait(30, {"looked": 1}), Spend(0.25))
    canceled(lab, run)
    lab.until(lambda: "settlement.waiting steps[0]" in lab.kinds(run))
    lab.until_idle()
    assert claims(lab) == [("usd/workflow/flow", 0.6)]
    [settling] = lab.step(run, "a")["settling"]
    assert (settling["attempt"], settling["reason"]) == (1, "a settle to be done")
    lab.outside.script("a", Reserve(0.6), Reserve(0.6))
    assert lab.end(lab.begin("flow")) == "failed", "0.6 are held, 0.4 are left"
    labs.clock.advance(31)
    lab.until(lambda: settled(lab, run))
    assert lab.outside.of("a settle")[1].data["kept"] == {"looked": 1}  # type: ignore[index]
    assert len(lab.outside.of("a cancel")) == 1, "it is told to stop once"
    lab.until(lambda: claims(lab) == [])
    assert lab.end(lab.begin("flow")) == "succeeded"


@pytest.mark.parametrize("does", [Hang(), Wait(3600)])
def test_a_crash_in_the_middle_settles_it_all_the_same_and_once(labs: LabMaker, does: Any) -> None:
    lab = labs()
    run = parked(lab, does, Spend(0.25), Spend(9.0))
    canceled(lab, run)
    lab.until(lambda: len(lab.outside.of("a settle")) == 1)
    lab = labs.again(lab, crash=True)
    assert claims(lab) == [("usd/workflow/flow", 0.6)]
    labs.clock.advance(max(LEASE, 3600) + 1)
    lab.until(lambda: settled(lab, run))
    lab.until(lambda: claims(lab) == [])
    lab = labs.again(lab, crash=True)
    labs.clock.advance(2 * GIVE_UP)
    lab.until_idle()
    assert (ledger(lab), lab.document(run)["cost_usd"]) == ({"model": 0.25}, 0.25)


def test_a_crash_before_it_began_loses_nothing(labs: LabMaker) -> None:
    """The order is in the same chunk as the end of the attempt."""
    lab = labs()
    run = parked(lab, Spend(0.25))
    lab.engine.performer.settle = lambda run, key: None  # type: ignore[method-assign]
    canceled(lab, run)
    lab = labs.again(lab, crash=True)
    lab.until(lambda: settled(lab, run))
    assert [call.how for call in lab.outside.calls[1:]] == ["cancel", "settle"]
    assert ledger(lab) == {"model": 0.25}


def test_who_shares_the_database_goes_on_when_the_lease_is_over(labs: LabMaker) -> None:
    lab = labs()
    run = parked(lab, Hang(), Spend(0.25))
    other = labs()
    canceled(lab, run)
    lab.until(lambda: lab.outside.hanging("a settle"))
    lab.crash()
    labs.clock.advance(LEASE + 1)
    other.until(lambda: settled(other, run))
    assert ledger(other) == {"model": 0.25}


def test_a_look_that_kills_the_process_is_given_up(labs: LabMaker) -> None:
    lab = labs()
    run = parked(lab, *[Hang()] * 9)
    canceled(lab, run)
    for crashes in range(1, INTERRUPTIONS + 1):
        lab.until(lambda seen=crashes: len(labs.outside.of("a settle")) == seen)
        lab = labs.again(lab, crash=True)
    lab.until(lambda: settled(lab, run))
    [closed] = settled(lab, run)
    assert (closed["outcome"], closed["cost"]) == ("assumed", 0.6)
    lab.until_idle()
    assert len(lab.outside.of("a settle")) == INTERRUPTIONS
    assert ledger(lab) == {"model": 0.6}


def test_stopping_in_order_is_no_interruption(labs: LabMaker) -> None:
    lab = labs()
    run = parked(lab, *[Hang()] * (INTERRUPTIONS + 1), Spend(0.25))
    canceled(lab, run)
    for stops in range(1, INTERRUPTIONS + 2):
        lab.until(lambda seen=stops: len(labs.outside.of("a settle")) == seen)
        lab = labs.again(lab)
    lab.until(lambda: settled(lab, run))
    assert ledger(lab) == {"model": 0.25}


def test_what_was_being_sent_when_the_step_was_canceled_is_settled_by_its_intent(lab: Lab) -> None:
    lab.outside.script("a", Reserve(0.6, Note({"intent": 1}, Hang())))
    lab.outside.script("a settle", Spend(0.25))
    run = lab.go(flow(job("a", "owed"), **DAY_OF_ONE))
    lab.until(lambda: lab.outside.hanging("a"))
    canceled(lab, run)
    lab.until(lambda: settled(lab, run))
    assert lab.outside.stopped == [f"{run}/steps[0]/1"]
    notes = lab.outside.of("a settle")[0].notes
    assert notes["intent"] == 1
    assert ledger(lab) == {"model": 0.25}


def test_what_left_nothing_is_not_settled(lab: Lab) -> None:
    lab.outside.script("a", Hang())
    run = lab.go(flow(job("a", "owed")))
    lab.until(lambda: lab.outside.hanging("a"))
    canceled(lab, run)
    lab.until_idle()
    assert not [kind for kind in lab.kinds(run) if kind.startswith("settlement")]
    assert not lab.outside.of("a settle")


def test_what_a_failed_attempt_left_is_settled_while_the_next_one_runs(labs: LabMaker) -> None:
    lab = labs()
    lab.outside.script("a", Note({"job": 1}, Fail(Unavailable("gone"))), Give(cost=0.5, of="model"))
    lab.outside.script("a settle", Spend(0.25))
    run = lab.go(flow(job("a", "owed", retry={"max_attempts": 2, "delay": "1s", "on": ["unavailable"]})))
    lab.until(lambda: settled(lab, run))
    labs.clock.advance(2)
    assert lab.end(run) == "succeeded"
    assert lab.outside.of("a settle")[0].data["reason"] == "failed"  # type: ignore[index]
    assert lab.step(run, "a")["cost_usd"] == 0.75
    assert ledger(lab) == {"model": 0.75}


def test_an_action_that_says_it_is_over_is_not_asked_again(lab: Lab) -> None:
    """`Context.cost` says that nothing goes on, though it cost nothing."""
    lab.outside.script("a", Note({"job": 1}, Fail(BadInput("no"), cost=0.0)))
    run = lab.go(flow(job("a", "owed")))
    assert lab.end(run) == "failed"
    lab.until_idle()
    assert not lab.outside.of("a settle")
    assert not lab.outside.of("a cancel")


def test_the_timeout_of_a_parked_step_is_settled(labs: LabMaker) -> None:
    lab = labs()
    lab.outside.script("a", Reserve(0.6, Wait(3600, {"job": 7})))
    lab.outside.script("a settle", Spend(0.25))
    run = lab.go(flow(job("a", "owed", timeout="10m"), **DAY_OF_ONE))
    lab.until_status(run, "waiting")
    labs.clock.advance(601)
    assert lab.end(run) == "failed"
    lab.until(lambda: settled(lab, run))
    assert lab.outside.of("a settle")[0].data["reason"] == "failed"  # type: ignore[index]
    assert len(lab.outside.of("a cancel")) == 1
    assert ledger(lab) == {"model": 0.25}


def test_an_unknown_outcome_is_settled_and_not_stopped(lab: Lab) -> None:
    lab.outside.script("a", Reserve(0.6, Note({"intent": 1}, Fail(OutcomeUnknown("?", final=True)))))
    lab.outside.script("a settle", Spend(0.25))
    run = lab.go(flow(job("a", "owed"), **DAY_OF_ONE))
    assert lab.end(run) == "failed"
    lab.until(lambda: settled(lab, run))
    assert lab.outside.of("a settle")[0].data["reason"] == "unknown"  # type: ignore[index]
    assert not lab.outside.of("a cancel")
    assert ledger(lab) == {"model": 0.25}


def test_what_a_look_up_found_and_paid_for_is_paid_for_once(labs: LabMaker) -> None:
    lab = labs()
    lab.outside.script("a", Reserve(0.6, Note({"intent": 1}, Fail(OutcomeUnknown("?")))))
    lab.outside.script("a lookup", Fail(Unavailable("it failed"), cost=0.25))
    lab.outside.script("a settle", Spend(0.25))
    run = lab.go(flow(job("a", "owed", retry={"max_attempts": 1}), **DAY_OF_ONE))
    lab.until_status(run, "waiting")
    labs.clock.advance(3)
    assert lab.end(run) == "failed"
    lab.until_idle()
    assert lab.step(run, "a")["error"]["type"] == "unavailable"
    assert not lab.outside.of("a settle")
    assert sum(ledger(lab).values()) == 0.25


def test_what_nobody_can_find_out_is_taken_to_have_cost_what_was_set_aside(labs: LabMaker) -> None:
    lab = labs()
    run = parked(lab, *[Fail(Unavailable("down"))] * 200)
    canceled(lab, run)
    for _ in range(200):
        lab.until_idle()
        if settled(lab, run):
            break
        labs.clock.advance(3601)
    [closed] = settled(lab, run)
    assert (closed["outcome"], closed["cost"]) == ("assumed", 0.6)
    assert "down" in closed["reason"]
    assert len(lab.outside.of("a settle")) > 10
    assert (ledger(lab), claims(lab)) == ({"model": 0.6}, [])


@pytest.mark.parametrize("error", [Unavailable("down"), BadInput("it is too late")])
def test_what_cannot_be_told_to_stop_is_told_again_if_that_helps(labs: LabMaker, error: Any) -> None:
    lab = labs()
    lab.outside.script("a cancel", Fail(error))
    run = parked(lab, Spend(0.25))
    canceled(lab, run)
    lab.until(lambda: len(lab.outside.of("a cancel")) == 1)
    lab.until_idle()
    labs.clock.advance(6)
    lab.until(lambda: settled(lab, run))
    assert len(lab.outside.of("a cancel")) == (2 if isinstance(error, Unavailable) else 1)
    assert ledger(lab) == {"model": 0.25}


def test_a_service_that_names_a_time_is_not_asked_before_it(labs: LabMaker) -> None:
    lab = labs()
    run = parked(lab, Fail(Unavailable("busy", retry_after=900)), Spend(0.25))
    canceled(lab, run)
    lab.until_idle()
    labs.clock.advance(899)
    lab.until_idle()
    assert len(lab.outside.of("a settle")) == 1
    labs.clock.advance(2)
    lab.until(lambda: settled(lab, run))


@pytest.mark.parametrize("does", [Wait(5, {"no": {1, 2}}), Fail(asyncio.CancelledError())])
def test_a_look_whose_code_is_at_fault_is_a_look_that_failed(labs: LabMaker, does: Any) -> None:
    lab = labs()
    run = parked(lab, does, Spend(0.25))
    canceled(lab, run)
    lab.until(lambda: "settlement.waiting steps[0]" in lab.kinds(run))
    lab.until_idle()
    labs.clock.advance(6)
    lab.until(lambda: settled(lab, run))
    assert ledger(lab) == {"model": 0.25}


def test_code_that_does_not_stop_holds_up_its_settlement_and_not_for_ever(labs: LabMaker) -> None:
    lab = labs()
    lab.outside.script("a", Reserve(0.6, Note({"intent": 1}, Hang())))
    hang = lab.outside._hang

    async def stays(call: Any) -> None:
        # Its run is canceled, its time is over; the third time is the end of the process.
        for _ in range(3):
            with contextlib.suppress(asyncio.CancelledError):
                await hang(call)

    lab.outside._hang = stays  # type: ignore[method-assign]
    run = lab.go(flow(job("a", "owed"), **DAY_OF_ONE))
    lab.until(lambda: lab.outside.hanging("a"))
    lab.engine.cancel(run)
    for _ in range(500):
        if settled(lab, run):
            break
        labs.clock.advance(3600)
        lab.engine._call(lambda: None)
        lab.engine.store.flush()
    [closed] = settled(lab, run)
    assert (closed["outcome"], closed["cost"]) == ("assumed", 0.6)
    assert not lab.outside.of("a cancel")


def token(lab: Lab) -> str:
    return lab.outside.of("a")[0].callback_url.rpartition("/")[2]


def test_a_webhook_that_comes_after_the_runs_end_brings_the_look_forward(labs: LabMaker) -> None:
    lab = labs()
    run = parked(lab, Wait(3600), Spend(0.25))
    canceled(lab, run)
    lab.until(lambda: "settlement.waiting steps[0]" in lab.kinds(run))
    lab.until_idle()
    assert lab.engine.receive_callback(token(lab), {"webhook-id": "1"}, b'{"done": true}')
    lab.until(lambda: settled(lab, run))
    wake = lab.outside.of("a settle")[1].wake
    assert wake is not None
    assert (wake.kind, wake.body) == ("callback", b'{"done": true}')
    lab.until_idle()
    with pytest.raises(EngineError) as refused:
        lab.engine.receive_callback(token(lab), {"webhook-id": "2"}, b"{}")
    assert (refused.value.code, refused.value.status) == ("R407", 410)
    assert ledger(lab) == {"model": 0.25}


def test_a_webhook_that_comes_during_a_look_is_looked_at_too(labs: LabMaker) -> None:
    lab = labs()
    run = parked(lab, Hang(Wait(3600)), Spend(0.25))
    canceled(lab, run)
    lab.until(lambda: lab.outside.hanging("a settle"))
    assert lab.engine.receive_callback(token(lab), {"webhook-id": "1"}, b"{}")
    lab.until(lambda: "callback.received steps[0]" in lab.kinds(run))
    lab.outside.release("a settle")
    lab.until(lambda: labs.clock.advance(0.01) or settled(lab, run))
    assert len(lab.outside.of("a settle")) == 2


def test_a_webhook_that_came_before_the_end_is_known_to_who_settles(lab: Lab) -> None:
    lab.outside.script("a", Note({"intent": 1}, Hang()))
    lab.outside.script("a settle", Spend(0.25))
    run = lab.go(flow(job("a", "owed")))
    lab.until(lambda: lab.outside.hanging("a"))
    assert lab.engine.receive_callback(token(lab), {"webhook-id": "1"}, b'{"done": true}')
    lab.until(lambda: "callback.received steps[0]" in lab.kinds(run))
    canceled(lab, run)
    lab.until(lambda: settled(lab, run))
    wake = lab.outside.of("a settle")[0].wake
    assert wake is not None
    assert wake.body == b'{"done": true}'


def test_what_other_attempts_have_noted_is_known_to_who_settles(labs: LabMaker) -> None:
    lab = labs()
    lab.outside.script("a", Note({"job": 1}, Fail(Unavailable("gone"))), Note({"job": 2}, Hang()))
    lab.outside.script("a settle", Wait(60), Give(lambda ctx: None), Wait(60))
    seen: list[Any] = []
    lab.outside.script("b", Hang())
    steps = {"left": [job("a", "owed", retry={"max_attempts": 2, "delay": "1s"})], "right": [job("b")]}
    run = lab.go(flow({"id": "both", "parallel": steps}))
    lab.until(lambda: len(lab.outside.of("a settle")) == 1)
    labs.clock.advance(2)
    lab.until(lambda: lab.outside.hanging("a"))
    state = lab.engine.runner._live[run]
    path = "steps[0].parallel.left[0]"
    make = lab.engine.performer._context
    action = lab.engine.registry.actions["job.owed"]

    def look() -> None:
        of_first = make(state, action, state.state.settlements[f"{path}!1"], "")
        of_second = make(state, action, state.state.records[path], "")
        seen.extend([of_first.noted("job"), of_second.noted("job")])

    lab.engine._call(look)
    assert seen == [[2], [1]]


def test_a_step_that_is_another_one_in_the_version_of_a_resume_is_settled_too(labs: LabMaker) -> None:
    """What the code has spent is named by the action that the settlement is about."""
    lab = labs()
    lab.outside.script("a settle", Wait(60), Spend(0.25, Note({"seen": 1}), of=""))
    lab.outside.script("a", Reserve(0.6, Note({"job": 7}, Wait(3600, {"job": 7}))))
    run = lab.go(flow(job("first", "read"), job("a", "owed")))
    lab.until_status(run, "waiting")
    canceled(lab, run)
    lab.until(lambda: "settlement.waiting steps[1]" in lab.kinds(run))
    lab.deploy(flow(job("first", "read"), job("b", "read")))
    lab.engine.resume(run, version="latest")
    lab.until_status(run, "succeeded")
    labs.clock.advance(61)
    lab.until(lambda: settled(lab, run))
    assert (lab.status(run), ledger(lab)) == ("succeeded", {"job.owed": 0.25})
    assert lab.kinds(run).count("run.finished") == 2


def test_it_can_be_resumed_meanwhile(labs: LabMaker) -> None:
    lab = labs()
    run = parked(lab, Wait(30), Spend(0.25))
    canceled(lab, run)
    lab.until(lambda: "settlement.waiting steps[0]" in lab.kinds(run))
    lab.outside.script("a", Give(cost=0.5, of="model"))
    lab.engine.resume(run)
    lab.until_status(run, "succeeded")
    labs.clock.advance(31)
    lab.until(lambda: settled(lab, run))
    lab.until(lambda: lab.document(run)["cost_usd"] == 0.75)
    assert ledger(lab) == {"model": 0.75}


def test_a_caller_learns_what_a_called_run_has_cost_after_its_end(labs: LabMaker) -> None:
    lab = labs()
    lab.deploy(flow(job("a", "owed"), name="called"))
    lab.outside.script("a", Note({"job": 7}, Wait(3600, {"job": 7})))
    lab.outside.script("a settle", Spend(0.25))
    run = lab.go(flow({"call": "called"}, name="caller", limits={"budget": {"day": "1 usd"}}))
    lab.until(lambda: lab.children(run) and lab.status(lab.children(run)[0].id) == "waiting")
    canceled(lab, run)
    child = lab.children(run)[0].id
    lab.until(lambda: settled(lab, child))
    lab.until(lambda: lab.document(run)["cost_usd"] == 0.25)
    store = lab.engine.store
    assert ledger(lab) == {"model": 0.25}, "once in the total"
    assert store.spent("caller", lab.clock()) == 0.25, "and for the budgets of its caller"


@pytest.mark.parametrize("ends", ["first", "second"])
def test_a_caller_that_does_not_wait_any_more_learns_what_it_has_cost(labs: LabMaker, ends: str) -> None:
    lab = labs()
    lab.deploy(flow(job("a"), job("b", "owed"), name="called"))
    lab.outside.script("a", Give(cost=0.5, of="model"))
    lab.outside.script("b", Note({"job": 7}, Wait(3600, {"job": 7})), Give(cost=1.0, of="model"))
    lab.outside.script("b settle", Wait(60), Spend(0.25))
    run = lab.go(flow({"call": "called"}, name="caller", limits={"budget": {"day": "9 usd"}}))
    lab.until(lambda: lab.children(run) and lab.status(lab.children(run)[0].id) == "waiting")
    canceled(lab, run)
    child = lab.children(run)[0].id
    lab.until(lambda: lab.document(run)["cost_usd"] == 0.5)
    spent = 0.75
    if ends == "second":
        lab.engine.resume(child)
        lab.until(lambda: lab.document(run)["cost_usd"] == 1.5)
        spent = 1.75
    labs.clock.advance(61)
    lab.until(lambda: settled(lab, child))
    lab.until(lambda: lab.document(run)["cost_usd"] == spent)
    assert ledger(lab) == {"model": spent}
    assert lab.engine.store.spent("caller", lab.clock()) == spent


def test_retention_waits_for_what_is_not_settled(labs: LabMaker) -> None:
    lab = labs()
    run = parked(lab, Wait(60), Spend(0.25))
    canceled(lab, run)
    lab.until(lambda: "settlement.waiting steps[0]" in lab.kinds(run))
    lab.until_idle()

    def prune() -> None:
        lab.engine.store.submit(Prune("flow", None, 0, lab.clock()), lambda answer: None)
        lab.engine.store.flush()

    prune()
    assert lab.engine.store.run(run) is not None
    labs.clock.advance(61)
    lab.until(lambda: settled(lab, run))
    lab.until_idle()
    prune()
    assert lab.engine.store.run(run) is None
    assert ledger(lab) == {"model": 0.25}


def test_what_an_attempt_has_spent_is_on_disk_with_its_next_note(labs: LabMaker) -> None:
    lab = labs()
    lab.outside.script("a", Spend(0.25, Note({"next": 1}, Hang())))
    lab.outside.script("a lookup", Give(cost=0.5, of="model"))
    run = lab.go(flow(job("a", "owed")))
    lab.until(lambda: lab.outside.hanging("a"))
    assert ledger(lab) == {"model": 0.25}
    lab = labs.again(lab, crash=True)
    assert lab.end(run) == "succeeded"
    assert (ledger(lab), lab.document(run)["cost_usd"]) == ({"model": 0.75}, 0.75)


def test_nothing_is_left_in_memory_or_in_the_timers(labs: LabMaker) -> None:
    lab = labs()
    run = parked(lab, Spend(0.25))
    canceled(lab, run)
    lab.until(lambda: settled(lab, run))
    lab.until_idle()
    assert lab.engine.store.next_timer() is None
    assert lab.engine.runner.open_runs == 0
    row = lab.engine.store.run(run)
    assert row is not None
    assert row.owner is None


def test_settling_sets_nothing_aside(lab: Lab) -> None:
    run = parked(lab, Reserve(0.1), Spend(0.25))
    canceled(lab, run)
    lab.until(lambda: "settlement.waiting steps[0]" in lab.kinds(run))
    waiting = next(entry for entry in lab.history(run) if entry["kind"] == "settlement.waiting")
    assert "over" in waiting["data"]["reason"]
