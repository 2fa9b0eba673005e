"""``limits.budget.day``: what it stops, what it lets go on, and that it ends with the day."""

from __future__ import annotations

import pytest
from engine_lab import Give, Lab, LabMaker, flow, job

from hookline.engine.engine import EngineError

HOOK = {"uses": "knock", "with": {"path": "in"}}
DAY = 86400.0


def test_nothing_more_is_started_by_hand_that_day(labs: LabMaker) -> None:
    lab = labs()
    labs.outside.script("a", Give(cost=0.6), Give(cost=0.5))
    lab.deploy(flow(job("a"), limits={"budget": {"day": "1 usd"}}))
    for _ in range(2):
        assert lab.end(lab.begin("flow")) == "succeeded"
    with pytest.raises(EngineError) as refused:
        lab.begin("flow")
    assert refused.value.code == "R415"
    labs.clock.advance(DAY)
    assert lab.end(lab.begin("flow")) == "succeeded"


def test_an_event_is_recorded_with_the_reason(lab: Lab) -> None:
    lab.outside.script("a", Give(cost=1.5))
    lab.deploy(flow(job("a"), trigger=HOOK, limits={"budget": {"day": "1 usd"}}))
    first = lab.hook("in").run_id
    assert lab.end(first) == "succeeded"
    answer = lab.hook("in")
    assert (answer.run_id, answer.state) == (None, "filtered")
    row = lab.engine.store.event(answer.event_id)
    assert row is not None
    assert "day's budget of 1 USD" in row.reason


def test_other_workflows_go_on(lab: Lab) -> None:
    lab.outside.script("a", Give(cost=1.5))
    lab.deploy(flow(job("a"), limits={"budget": {"day": "1 usd"}}), {**flow(job("b")), "name": "other"})
    assert lab.end(lab.begin("flow")) == "succeeded"
    assert lab.end(lab.begin("other")) == "succeeded"
