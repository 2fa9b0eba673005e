"""How long events are kept that started no run, and what outlives them."""

from __future__ import annotations

from typing import Any

from engine_lab import Lab, LabMaker, flow

HOOK = {"uses": "knock", "with": {"path": "in"}}
ECHO = {"id": "echo", "uses": "job.pure", "with": {"name": "echo", "value": 1}}


def kept(lab: Lab, state: str | None = None, workflow: str | None = "flow") -> int:
    lab.engine.store.flush()
    return len(lab.engine.store.events(state, workflow, 500, None).rows)


def filtering(**more: Any) -> dict[str, Any]:
    return flow(ECHO, trigger={**HOOK, "when": "{{ trigger.body == 'yes' }}"}, **more)


def test_only_so_many_are_kept(labs: LabMaker) -> None:
    lab = labs(environment={"HOOKLINE_RETENTION_EVENTS_COUNT": "3"})
    plan = lab.deploy(filtering())
    for _ in range(5):
        lab.hook("in", b"no")
    run = lab.hook("in", b"yes").run_id
    lab.end(run or "")
    lab.engine.retain(plan)
    assert (kept(lab, "filtered"), kept(lab, "received")) == (3, 1)


def test_the_workflow_has_the_say(labs: LabMaker) -> None:
    lab = labs(environment={"HOOKLINE_RETENTION_EVENTS_COUNT": "1", "HOOKLINE_RETENTION_EVENTS_AGE": "1s"})
    plan = lab.deploy(filtering(retention={"events_count": 4, "events_age": "1h"}))
    for _ in range(5):
        lab.hook("in", b"no")
        lab.clock.advance(600)
    lab.engine.retain(plan)
    assert kept(lab, "filtered") == 4
    lab.clock.advance(1801)
    lab.engine.retain(plan)
    assert kept(lab, "filtered") == 2


def test_requests_for_no_workflow_are_forgotten_too(labs: LabMaker) -> None:
    lab = labs(environment={"HOOKLINE_RETENTION_EVENTS_AGE": "1h"})
    lab.engine.refuse_request("nowhere", "there is no hook at this address", {})
    assert kept(lab, "rejected", "") == 1
    lab.clock.advance(3601)
    lab.engine.retain(None)
    assert kept(lab, "rejected", "") == 0


def test_a_key_outlives_its_event_and_what_waits_is_not_forgotten(labs: LabMaker) -> None:
    lab = labs(environment={"HOOKLINE_RETENTION_EVENTS_COUNT": "0", "HOOKLINE_RETENTION_COUNT": "0"})
    plan = lab.deploy(filtering())
    lab.hook("in", b"no", id="x")
    lab.engine.retain(plan)
    assert kept(lab) == 0
    assert lab.hook("in", b"no", id="x").state == "duplicate"
    waiting = lab.deploy(flow(ECHO, trigger={**HOOK, "batch": {"within": "1h"}}))
    event = lab.hook("in", b"1").event_id
    lab.engine.retain(waiting)
    assert kept(lab, "received") == 1
    lab.clock.advance(3601)

    def is_gone() -> bool:
        # The engine's own retention may have been here before.
        lab.engine.retain(waiting)
        lab.engine.store.flush()
        return lab.engine.store.event(event) is None

    lab.until(is_gone, "its run, with which it goes")
