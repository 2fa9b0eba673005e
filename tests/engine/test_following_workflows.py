"""The ``workflow`` trigger: one run for every end of another workflow's run, stored with that end."""

from __future__ import annotations

from typing import Any

import pytest
from engine_lab import Fail, Hang, Lab, LabMaker, flow, job

from hookline.engine import followers
from hookline.engine.documents import event_document
from hookline.sdk import BadInput
from hookline.store.port import StoreUnavailable

ECHO = {"id": "echo", "uses": "job.pure", "with": {"name": "echo", "value": "{{ trigger }}"}}
HOOK = {"uses": "knock", "with": {"path": "in"}}


def after(
    *names: str,
    status: str = "any",
    name: str = "after",
    step: Any = ECHO,
    limits: Any = None,
    **trigger: Any,
) -> dict[str, Any]:
    given = {"workflow": list(names) if len(names) > 1 else names[0], "status": status}
    return flow(step, name=name, limits=limits or {}, trigger={"uses": "workflow", "with": given, **trigger})


def followed(lab: Lab, workflow: str = "after") -> list[Any]:
    """The runs that followed, oldest first, once nothing moves any more."""
    lab.until_idle()
    return list(reversed(lab.runs(workflow)))


def seen(lab: Lab, workflow: str = "after") -> list[dict[str, Any]]:
    return [lab.step(row.id, "echo")["output"]["value"] for row in followed(lab, workflow)]


@pytest.mark.parametrize("effect", ["pure", "once"])
def test_an_end_starts_one_run(lab: Lab, effect: str) -> None:
    """Whether the run ends in its very first turn, or later."""
    lab.deploy(flow(job("a", effect), output={"n": 1}), after("flow"))
    run = lab.begin("flow", {"x": 1})
    assert lab.end(run) == "succeeded"
    (ended,) = seen(lab)
    document = lab.document(run)
    same = ("workflow", "version", "status", "output", "error", "event", "created_at", "finished_at")
    assert {name: ended[name] for name in same} == {name: document[name] for name in same}
    assert (ended["run"], ended["output"], ended["depth"]) == (run, {"n": 1}, 1)
    (event,) = lab.engine.store.events(None, "after", 9, None).rows
    assert (event.trigger, event.run_id) == ("workflow", followed(lab)[0].id)


def test_only_the_ends_that_were_asked_for(lab: Lab) -> None:
    lab.outside.script("a", Fail(BadInput("no")), Hang())
    lab.deploy(
        flow(job("a")),
        *(after("flow", status=each, name=each) for each in ("failed", "succeeded", "canceled")),
    )
    failed = lab.begin("flow")
    assert lab.end(failed) == "failed"
    canceled = lab.begin("flow")
    lab.until(lambda: lab.outside.hanging("a"))
    lab.engine.cancel(canceled)
    assert lab.end(canceled) == "canceled"
    succeeded = lab.begin("flow")
    assert lab.end(succeeded) == "succeeded"
    assert [each["run"] for each in seen(lab, "failed")] == [failed]
    assert [each["run"] for each in seen(lab, "canceled")] == [canceled]
    assert [each["run"] for each in seen(lab, "succeeded")] == [succeeded]
    assert seen(lab, "failed")[0]["error"]["message"] == "no"
    assert len(lab.engine.store.events(None, "failed", 9, None).rows) == 1, "what does not fit is no event"


def test_several_workflows_and_called_ones(lab: Lab) -> None:
    caller = flow({"id": "c", "call": "inner"}, name="outer")
    lab.deploy(flow(job("a"), name="inner"), caller, after("inner", "outer"))
    run = lab.begin("outer")
    lab.end(run)
    assert [each["workflow"] for each in seen(lab)] == ["inner", "outer"]


def test_a_run_that_is_resumed_ends_once_more(lab: Lab) -> None:
    lab.outside.script("a", Fail(BadInput("no")))
    lab.deploy(flow(job("a")), after("flow"))
    run = lab.begin("flow")
    lab.end(run)
    lab.engine.resume(run)
    lab.until_status(run, "succeeded")
    assert [each["status"] for each in seen(lab)] == ["failed", "succeeded"]


def test_the_filter_and_the_limits_hold(lab: Lab) -> None:
    limits = {"concurrency": {"max": 1}}
    lab.deploy(flow(ECHO), {**after("flow", when="{{ trigger.missing }}"), "limits": limits})
    assert lab.end(lab.begin("flow")) == "succeeded", "whoever follows cannot spoil the end"
    lab.until(lambda: lab.engine.store.events("rejected", "after", 9, None).rows)
    lab.deploy({**after("flow"), "limits": limits})
    lab.end(lab.begin("flow"))
    lab.until(lambda: [row.status for row in lab.runs("after")] == ["succeeded"])


def test_ends_may_be_gathered(lab: Lab) -> None:
    lab.deploy(flow(ECHO), after("flow", batch={"within": "1m"}))
    runs = [lab.begin("flow") for _ in range(3)]
    lab.until_idle()
    lab.clock.advance(61)
    lab.until(lambda: lab.runs("after"))
    (batch,) = seen(lab)
    assert [each["run"] for each in batch["events"]] == runs


def test_chains_come_to_an_end(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(followers, "MAX_CHAIN", 3)
    # Nobody has checked these together: each starts the other.
    lab.deploy(after("b", name="a"), after("a", name="b"))
    lab.begin("a", {})
    lab.until(lambda: lab.engine.store.events("filtered", None, 9, None).rows)
    lab.until_idle()
    assert len(lab.runs()) == 4
    (stopped,) = lab.engine.store.events("filtered", None, 9, None).rows
    assert "more than 3" in stopped.reason


def test_a_call_in_a_chain_does_not_hide_its_length(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(followers, "MAX_CHAIN", 3)
    lab.deploy(after("inner", name="a", step={"call": "inner"}), flow(ECHO, name="inner"))
    lab.begin("a", {})
    lab.until(lambda: lab.engine.store.events("filtered", None, 9, None).rows)
    lab.until_idle()
    assert len(lab.runs("a")) == 4


def test_gathering_does_not_hide_it_either(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(followers, "MAX_CHAIN", 2)
    lab.deploy(after("a", name="a", batch={"within": "1s", "max": 1}))
    lab.begin("a", {})
    lab.until(lambda: lab.engine.store.events("filtered", None, 9, None).rows)
    assert len(followed(lab, "a")) == 3


def test_what_is_withdrawn_follows_no_more(lab: Lab) -> None:
    lab.deploy(flow(ECHO), after("flow"))
    lab.deploy({**after("flow"), "description": "newer"})
    lab.end(lab.begin("flow"))
    assert len(followed(lab)) == 1
    lab.engine.withdraw("after")
    lab.end(lab.begin("flow"))
    assert len(followed(lab)) == 1


def test_a_crash_between_two_runs_loses_none(labs: LabMaker) -> None:
    """The run that follows is on disk with the end, and goes on with whoever comes next."""
    lab = labs()
    lab.outside.script("b", Hang())
    lab.deploy(flow(job("a")), after("flow", step=job("b")))
    lab.end(lab.begin("flow"))
    lab.until(lambda: lab.outside.hanging("b"))
    lab = labs.again(lab, crash=True)
    lab.until(lambda: [row.status for row in lab.runs("after")] == ["succeeded"])
    assert len(lab.runs("after")) == 1


def test_a_command_leaves_what_follows_to_a_server(labs: LabMaker) -> None:
    command = labs(recover=False)
    command.engine.followers.are_left = True
    command.deploy(flow(ECHO), after("flow"))
    command.end(command.begin("flow"))
    (row,) = command.engine.store.events(None, "after", 9, None).rows
    assert event_document(row)["reason"].startswith("waits for a server")
    command.stop()
    server = labs()
    server.until(lambda: server.runs("after"))
    assert len(seen(server)) == 1


def test_what_follows_begins_though_the_store_could_not_be_read_at_first(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.deploy(flow(job("a"), limits={"concurrency": {"max": 1}}), after("flow", step=job("b")))
    store: Any = lab.engine.store
    event, failed = store.event, []

    def fail_once(event_id: str) -> Any:
        if not failed:
            failed.append(event_id)
            raise StoreUnavailable("disk I/O error")
        return event(event_id)

    monkeypatch.setattr(store, "event", fail_once)
    run = lab.begin("flow")
    lab.until(lambda: failed)
    lab.until_idle()
    assert lab.engine.counts().runs_finished["succeeded"] == 1, "the other effects of the end"
    lab.clock.advance(1.1)
    lab.until(lambda: [row.status for row in lab.runs("after")] == ["succeeded"])
    assert lab.status(run) == "succeeded"


def test_an_end_whose_follower_cannot_be_looked_at_yet_is_followed_later(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.deploy(flow(job("a")), after("flow", limits={"budget": {"day": "1 usd"}}))
    store: Any = lab.engine.store
    spent, failed = store.spent, []

    def fail_once(workflow: str | None, since: float) -> float:
        if not failed:
            failed.append(workflow)
            raise StoreUnavailable("disk I/O error")
        found: float = spent(workflow, since)
        return found

    monkeypatch.setattr(store, "spent", fail_once)
    run = lab.begin("flow")
    assert lab.end(run) == "succeeded"
    assert failed
    lab.until(lambda: lab.clock.advance(1.0) or [row.status for row in lab.runs("after")] == ["succeeded"])
    assert [ended["run"] for ended in seen(lab)] == [run]
    assert [row.state for row in store.events(None, "after", 9, None).rows] == ["received"]
