"""``cache``: identical steps that run at the same time share one request."""

from __future__ import annotations

from typing import Any

import pytest
from engine_lab import Fail, Give, Hang, Lab, LabMaker, Reserve, Wait, flow, job

from hookline.engine import claims
from hookline.engine import runner as runners
from hookline.sdk import BadInput


def cached(**more: Any) -> dict[str, Any]:
    return flow({**job("a"), "with": {"name": "a", "value": "{{ inputs.v }}"}, "cache": "1h"}, **more)


def waits_for(lab: Lab, run: str) -> str:
    return str((lab.step(run, "steps[0]")["waiting_for"] or {}).get("kind"))


def two_at_once(labs: LabMaker, *does: Any) -> tuple[Lab, str, str]:
    """Two runs of one request: the first has sent it, the second waits for it."""
    lab = labs()
    labs.outside.script("a", *does)
    first = lab.go(cached(), v=1)
    lab.until(lambda: labs.outside.of("a"))
    second = lab.begin("flow", v=1)
    lab.until_status(second, "waiting")
    assert waits_for(lab, second) == "identical"
    return lab, first, second


@pytest.mark.parametrize("parks", [True, False])
def test_the_second_gets_the_firsts_output_and_pays_nothing(labs: LabMaker, parks: bool) -> None:
    output = Give({"n": 1, "cached": False}, cost=0.5)
    lab, first, second = two_at_once(labs, *([Wait(30), output] if parks else [Hang(output)]))
    if parks:
        labs.clock.advance(31)
    labs.outside.release("a")
    assert [lab.end(first), lab.end(second)] == ["succeeded", "succeeded"]
    assert len(labs.outside.of("a", "run")) == 1
    assert lab.step(second, "steps[0]")["output"] == {"n": 1, "cached": True}
    assert (lab.document(first)["cost_usd"], lab.document(second)["cost_usd"]) == (0.5, 0)
    assert lab.step(second, "steps[0]")["attempts"] == 1


def test_many_share_one_request(labs: LabMaker) -> None:
    lab, first, second = two_at_once(labs, Hang(Give({"n": 1})))
    others = [lab.begin("flow", v=1) for _ in range(10)]
    different = lab.begin("flow", v=2)
    assert lab.end(different) == "succeeded"
    for run in others:
        lab.until_status(run, "waiting")
    labs.outside.release("a")
    assert {lab.end(run) for run in (first, second, *others)} == {"succeeded"}
    assert len(labs.outside.of("a")) == 2


def test_when_the_first_fails_the_next_one_goes(labs: LabMaker) -> None:
    lab, first, second = two_at_once(labs, Hang(Fail(BadInput("no"))), Give({"n": 2}))
    third = lab.begin("flow", v=1)
    lab.until_status(third, "waiting")
    labs.outside.release("a")
    assert [lab.end(run) for run in (first, second, third)] == ["failed", "succeeded", "succeeded"]
    assert len(labs.outside.of("a")) == 2
    assert lab.step(third, "steps[0]")["output"] == {"n": 2}


def test_when_the_first_is_canceled_the_next_one_goes(labs: LabMaker) -> None:
    lab, first, second = two_at_once(labs, Wait(600), Give({"n": 2}))
    lab.engine.cancel(first)
    assert [lab.end(first), lab.end(second)] == ["canceled", "succeeded"]


@pytest.mark.parametrize("crash", [True, False])
def test_who_waits_outlives_a_restart(labs: LabMaker, crash: bool) -> None:
    lab, first, second = two_at_once(labs, Wait(60), Give({"n": 1}))
    lab = labs.again(lab, crash=crash)
    labs.clock.advance(6)
    lab.until(lambda: lab.kinds(second).count("step.waiting steps[0]") == 2, "another look")
    labs.clock.advance(55)
    assert lab.end(first) == "succeeded"
    labs.clock.advance(120)
    assert lab.end(second) == "succeeded"
    assert len(labs.outside.of("a", "run")) == 1


def test_another_process_shares_too(labs: LabMaker) -> None:
    lab, first, second = two_at_once(labs, Wait(60), Give({"n": 1}))
    other = labs()
    other.deploy(cached())
    third = other.begin("flow", v=1)
    other.until_status(third, "waiting")
    for _ in range(3):
        labs.clock.advance(61)
        lab.until_idle()
        other.until_idle()
    assert [lab.end(run) for run in (first, second, third)] == ["succeeded"] * 3
    assert len(labs.outside.of("a", "run")) == 1


def test_who_has_to_ask_a_person_holds_nobody_up(labs: LabMaker) -> None:
    budget = {"run": "1 usd", "on_over": "approve", "approve": {"who": ["ann"]}}
    lab = labs()
    labs.outside.script("a", Reserve(9.0), Give({"n": 1}))
    asking = lab.go(cached(limits={"budget": budget}), v=1)
    lab.until_status(asking, "waiting")
    second = lab.begin("flow", v=1)
    assert lab.end(second) == "succeeded"
    lab.engine.decide(lab.step(asking, "steps[0]")["waiting_for"]["approval"], "approved", by="ann")
    assert lab.end(asking) == "succeeded"
    assert len(labs.outside.of("a")) == 2


def test_many_are_woken_with_room_for_others_in_between(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runners, "WOKEN_AT_ONCE", 2)
    runner: Any = lab.engine.runner
    woken: list[str] = []
    others: list[int] = []
    monkeypatch.setattr(runner.performer, "awaited", lambda run, path: [(f"r{n}", "p") for n in range(5)])
    monkeypatch.setattr(runner, "_turn_came", lambda run_id, path: woken.append(run_id))

    def wake() -> int:
        runner.loop.call_soon(lambda: others.append(len(woken)))
        runner._wake_next(None, "p")
        return len(woken)

    assert lab.engine._call(wake) == 2
    lab.until(lambda: len(woken) == 5)
    assert others == [2]
    assert woken == ["r0", "r1", "r2", "r3", "r4"]


def test_who_is_not_remembered_looks_for_himself(labs: LabMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "MOST_REMEMBERED", 1)
    lab, first, second = two_at_once(labs, Hang(Give({"n": 1})))
    third = lab.begin("flow", v=1)
    lab.until_status(third, "waiting")
    labs.outside.release("a")
    assert [lab.end(first), lab.end(second)] == ["succeeded"] * 2
    lab.until_idle()
    assert lab.status(third) == "waiting"
    labs.clock.advance(claims.SHORTEST_LOOK + 0.1)
    assert lab.end(third) == "succeeded"
    assert len(labs.outside.of("a")) == 1
