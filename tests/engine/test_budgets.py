"""Budgets with money set aside: what is refused, who is asked, and what the ledger says afterwards."""

from __future__ import annotations

from typing import Any

import pytest
from engine_lab import Fail, Give, Hang, Lab, LabMaker, Reserve, Wait, flow, job
from hypothesis import given, settings
from hypothesis import strategies as st

from hookline.engine.runner import SWEEP_SECONDS
from hookline.sdk import BadInput
from hookline.store.limits import PARTS
from hookline.store.memory import MemoryStore
from hookline.store.port import Accept, Cap, Charge, Claim, Fenced, StoreError
from hookline.testing.store_contract.kit import START, advance, incoming, new_run, write_alone

HOOK = {"uses": "knock", "with": {"path": "in"}}
DAY = 86400.0


def ledger(lab: Lab) -> dict[str, float]:
    now = lab.clock()
    return {row.of: round(row.usd, 6) for row in lab.engine.store.costs(now - 40 * DAY, now)}


def claims(lab: Lab) -> list[Any]:
    rows = lab.engine.store._query("SELECT name, amount FROM claims ORDER BY name")  # type: ignore[attr-defined]
    return [(name, amount / PARTS) for name, amount in rows]


@pytest.mark.parametrize("budget", [{"run": "1 usd"}, {"day": "1 usd"}, {"month": "1 usd"}])
def test_what_may_cost_too_much_is_not_started(lab: Lab, budget: dict[str, str]) -> None:
    lab.outside.script("a", Reserve(1.5))
    run = lab.go(flow(job("a"), limits={"budget": budget}))
    assert lab.end(run) == "failed"
    error = lab.step(run, "steps[0]")["error"]
    assert (error["code"], error["type"]) == ("R212", "insufficient_credit")
    assert f"limits.budget.{next(iter(budget))}" in error["message"]
    assert claims(lab) == []


def test_what_is_under_way_counts_until_it_is_settled(labs: LabMaker) -> None:
    lab = labs()
    labs.outside.script(
        "a", Reserve(0.6, Wait(60)), Reserve(0.6), Give(cost=0.1), Reserve(0.6, Give(cost=0.2))
    )
    first = lab.go(flow(job("a"), limits={"budget": {"day": "1 usd"}}))
    lab.until_status(first, "waiting")
    assert claims(lab) == [("usd/workflow/flow", 0.6)]
    assert lab.end(lab.begin("flow")) == "failed"
    labs.clock.advance(61)
    assert lab.end(first) == "succeeded"
    assert claims(lab) == []
    assert lab.end(lab.begin("flow")) == "succeeded"
    assert ledger(lab) == {"job.once": 0.3}


def test_the_installations_budget_holds_for_all_workflows(labs: LabMaker) -> None:
    lab = labs(environment={"HOOKLINE_BUDGET_DAY": "1 usd"})
    labs.outside.script("a", Reserve(0.6, Wait(60)))
    labs.outside.script("b", Reserve(0.6))
    lab.until_status(lab.go(flow(job("a"))), "waiting")
    other = lab.go({**flow(job("b")), "name": "other"})
    assert lab.end(other) == "failed"
    assert "budget_day" in lab.step(other, "steps[0]")["error"]["message"]


def test_without_a_budget_nothing_is_written(lab: Lab) -> None:
    lab.outside.script("a", Reserve(9.9, Give(cost=0.5, of="owner/model")))
    assert lab.end(lab.go(flow(job("a")))) == "succeeded"
    assert ledger(lab) == {"owner/model": 0.5}


def test_a_failure_settles_what_it_cost_and_frees_the_rest(lab: Lab) -> None:
    lab.outside.script("a", Reserve(0.9, Fail(BadInput("no"), cost=0.2)))
    run = lab.go(flow(job("a"), limits={"budget": {"day": "1 usd"}}))
    assert lab.end(run) == "failed"
    assert (claims(lab), sum(ledger(lab).values())) == ([], 0.2)
    assert lab.document(run)["cost_usd"] == 0.2


def test_a_canceled_run_frees_what_it_has_set_aside(lab: Lab) -> None:
    lab.outside.script("a", Reserve(0.9, Wait(600)))
    run = lab.go(flow(job("a"), limits={"budget": {"day": "1 usd"}}))
    lab.until_status(run, "waiting")
    lab.engine.cancel(run)
    assert lab.end(run) == "canceled"
    lab.until(lambda: claims(lab) == [])


def test_a_crash_frees_nothing_and_takes_nothing_twice(labs: LabMaker) -> None:
    lab = labs()
    labs.outside.script("a", Reserve(0.6, Hang()), Reserve(0.6, Give(cost=0.5)))
    run = lab.go(flow(job("a", "idempotent"), limits={"budget": {"day": "1 usd"}}))
    lab.until(lambda: labs.outside.hanging("a"))
    lab = labs.again(lab, crash=True)
    assert lab.end(run) == "succeeded"
    assert (claims(lab), sum(ledger(lab).values()), lab.document(run)["cost_usd"]) == ([], 0.5, 0.5)


def test_what_a_model_cost_before_is_set_aside_the_next_time(lab: Lab) -> None:
    lab.outside.script("a", Reserve(0.1, Give(cost=0.7, of="model")), Reserve(0.1), Reserve(0.1, firm=True))
    assert lab.end(lab.go(flow(job("a"), limits={"budget": {"day": "1 usd"}}))) == "succeeded"
    assert lab.end(lab.begin("flow")) == "failed"
    assert lab.end(lab.begin("flow")) == "succeeded"


@pytest.mark.parametrize(
    ("error", "status"),
    [(Fenced("it is in another epoch"), "succeeded"), (StoreError("no number"), "failed")],
)
def test_a_claim_that_the_store_does_not_take_leaves_no_run_behind(
    labs: LabMaker, error: StoreError, status: str
) -> None:
    lab = labs()
    store: Any = lab.engine.store
    submit, refused = store.submit, []

    def refuse_once(unit: Any, done: Any) -> None:
        if isinstance(unit, Claim) and not refused:
            refused.append(unit)
            done(error)
        else:
            submit(unit, done)

    store.submit = refuse_once
    labs.outside.script("a", Reserve(0.1), Reserve(0.1))
    run = lab.go(flow(job("a", "idempotent"), limits={"budget": {"day": "1 usd"}}))
    lab.until(lambda: refused)
    # If nobody else has the run after all, this process goes on with it.
    lab.until(lambda: labs.clock.advance(SWEEP_SECONDS) or lab.status(run) == status)
    assert claims(lab) == []


APPROVE = {"day": "1 usd", "on_over": "approve", "approve": {"who": ["ann"], "timeout": "2h"}}


def test_a_person_is_asked_and_the_step_goes_on(labs: LabMaker) -> None:
    lab = labs()
    labs.outside.script("a", Reserve(1.5), Reserve(1.5, Give({"n": 1}, cost=1.2)))
    run = lab.go(flow({**job("a"), "timeout": "1m"}, limits={"budget": APPROVE}))
    lab.until_status(run, "waiting")
    waiting = lab.step(run, "steps[0]")["waiting_for"]
    assert waiting["kind"] == "approval"
    assert "ann" in waiting["reason"]
    approval = lab.engine.store.approval(waiting["approval"])
    assert approval is not None
    assert (approval.data["who"], approval.data["show"]["usd"]) == (["ann", "operator"], 1.5)
    assert claims(lab) == []
    labs.clock.advance(3600)
    lab = labs.again(lab, crash=True)
    assert lab.engine.decide(approval.id, "approved", by="ann")
    assert lab.end(run) == "succeeded"
    assert lab.step(run, "steps[0]")["attempts"] == 1
    assert (claims(lab), sum(ledger(lab).values())) == ([], 1.2)


def test_a_run_starts_although_the_day_is_spent_when_people_may_allow_more(labs: LabMaker) -> None:
    lab = labs()
    labs.outside.script("a", Give(cost=2.0), Reserve(0.1))
    lab.deploy(flow(job("a"), trigger=HOOK, limits={"budget": APPROVE}))
    assert lab.end(lab.hook("in").run_id) == "succeeded"
    second = lab.hook("in").run_id
    lab.until_status(second, "waiting")
    lab.engine.decide(lab.step(second, "steps[0]")["waiting_for"]["approval"], "rejected", by="ann")
    assert lab.end(second) == "failed"
    assert lab.step(second, "steps[0]")["error"]["code"] == "R213"


def test_what_a_called_run_costs_counts_once(lab: Lab) -> None:
    lab.outside.script("b", Give(cost=0.25))
    lab.deploy({**flow(job("b")), "name": "child"})
    run = lab.go(flow({"call": "child"}))
    assert lab.end(run) == "succeeded"
    now = lab.clock()
    assert lab.document(run)["cost_usd"] == 0.25
    assert [lab.engine.store.spent(name, now) for name in ("flow", "child", None)] == [0.25, 0.25, 0.25]


@settings(deadline=None, max_examples=150)
@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 60)), min_size=1, max_size=12),
    st.lists(st.integers(0, 11), max_size=60),
)
def test_runs_together_pass_a_cap_by_no_more_than_they_underestimated(
    estimates: list[tuple[int, int]], order: list[int]
) -> None:
    """In any order of claims and ends, what is spent stays below the cap and what nobody could know."""
    store, cap = MemoryStore("w", lambda: START), Cap("usd", 100.0, workflow="flow", since=START)
    write_alone(
        store, Accept([incoming(f"e{n}", new_run(f"r{n}", owner="w")) for n in range(len(estimates))])
    )
    underestimated = 0.0
    aside: dict[int, float] = {}
    over: set[int] = set()
    for number in order:
        if number >= len(estimates) or number in over:
            continue
        estimate, cost = map(float, estimates[number])
        run = f"r{number}"
        if number not in aside:
            claim = Claim(run, "p", 1, 1, {"usd": estimate}, [cap])
            if write_alone(store, claim)[0].granted:
                aside[number] = estimate
        else:
            charge = Charge(START, "flow", "m", cost)
            assert write_alone(store, advance(run, 1, owner="w", released=[("p", 1)], charges=[charge])) == [
                True
            ]
            over.add(number)
            underestimated += max(cost - aside.pop(number), 0.0)
        assert store.spent("flow", START) + sum(aside.values()) <= 100.0 + underestimated
