"""``limits.budget.run``: what it stops, and what it lets through."""

from __future__ import annotations

import pytest

from .simulator import Simulator, Succeed, do, simulate


def after_a_dear_step(cost: float, **more: object) -> Simulator:
    def act(call: object) -> Succeed:
        return Succeed({}, cost=cost if getattr(call, "path", "") == "steps[0]" else 0.0)

    budget = {"budget": {"run": "0.50 usd"}}
    return simulate(do("dear"), do("next"), actions={"test.ok": act}, limits=budget, **more).run()


@pytest.mark.parametrize("cost", [0.5, 0.6])
def test_an_action_is_not_started_once_the_budget_is_spent(cost: float) -> None:
    sim = after_a_dear_step(cost)
    assert sim.status == "failed"
    assert sim.state.finished is not None
    assert sim.state.finished.error is not None
    assert sim.state.finished.error["code"] == "R210"
    assert sim.executed() == ["steps[0]"]


def test_people_are_told_although_the_budget_is_spent() -> None:
    sim = after_a_dear_step(0.5, on_error=[do()])
    assert sim.executed() == ["steps[0]", "on_error[0]"]


def test_a_run_below_its_budget_goes_on() -> None:
    sim = after_a_dear_step(0.49)
    assert sim.status == "succeeded"
