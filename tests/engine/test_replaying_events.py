"""Starting events again: what they see, under which version, and how often."""

from __future__ import annotations

from typing import Any

import pytest
from engine_lab import Fail, Lab, LabMaker, flow, job

from hookline.engine import replays
from hookline.engine.engine import EngineError
from hookline.engine.replays import Slice
from hookline.sdk import BadInput, HookRefused
from hookline.store.port import EventFilter

HOOK = {"uses": "knock", "with": {"path": "in"}}
ECHO = {"id": "echo", "uses": "job.pure", "with": {"name": "echo", "value": "{{ trigger }}"}}


def echoing(**trigger: Any) -> dict[str, Any]:
    return flow(ECHO, trigger={**HOOK, **trigger})


def seen_by(lab: Lab, run_id: str | None) -> Any:
    assert run_id is not None
    assert lab.end(run_id) == "succeeded"
    return lab.step(run_id, "echo")["output"]["value"]


def ids(lab: Lab, name: str = "", **where: Any) -> list[str]:
    state, workflow = where.pop("state", None), where.pop("workflow", None)
    return list(lab.engine.replays.select(Slice(state, workflow, EventFilter(**where)), name=name).events)


def test_an_event_is_linked_to_all_its_runs(lab: Lab) -> None:
    lab.deploy(echoing())
    first = lab.hook("in", b"1")
    again = lab.engine.replays.event(first.event_id)
    third = lab.engine.replays.event(first.event_id)
    assert seen_by(lab, again.run_id)["body"] == "1"
    lab.end(third.run_id or "")
    document = lab.engine.event_document(first.event_id)
    assert document["runs"] == [first.run_id, again.run_id, third.run_id]
    assert document["data"]["body"] == "1", "the run has it, and the inbox shows it"
    replay = lab.engine.event_document(again.event_id)
    assert (replay["trigger"], replay["replay_of"]) == ("replay", first.event_id)
    assert lab.document(again.run_id or "")["replay_of"] == first.run_id


def test_the_version_it_had_or_the_newest(lab: Lab) -> None:
    before = lab.deploy(echoing())
    event = lab.hook("in", b"1").event_id
    after = lab.deploy({**echoing(), "description": "newer"})
    replayed = [lab.engine.replays.event(event, version=version).run_id for version in ("original", "latest")]
    assert [lab.document(run or "")["version"] for run in replayed] == [before.version, after.version]


def test_what_was_filtered_can_be_started(lab: Lab) -> None:
    lab.deploy(echoing(when="{{ trigger.body == 'yes' }}"))
    event = lab.hook("in", b"no").event_id
    newer = lab.deploy({**echoing(when=False), "description": "newer"})
    original = lab.engine.replays.event(event)
    assert seen_by(lab, original.run_id)["body"] == "no"
    assert lab.document(original.run_id or "")["version"] != newer.version
    latest = lab.engine.replays.event(event, version="latest")
    assert lab.document(latest.run_id or "")["version"] == newer.version
    assert lab.engine.event_document(event)["runs"] == [original.run_id, latest.run_id]


def test_what_the_workflow_could_not_take_can_be_started_when_it_can(lab: Lab) -> None:
    lab.deploy(echoing(when="{{ trigger.missing }}"))
    with pytest.raises(HookRefused):
        lab.hook("in", b"1")
    (row,) = lab.until(lambda: lab.engine.store.events("rejected", "flow", 9, None).rows)
    lab.deploy(echoing())
    assert seen_by(lab, lab.engine.replays.event(row.id, version="latest").run_id)["body"] == "1"


def test_an_event_in_a_batch_stands_for_its_run(lab: Lab) -> None:
    lab.deploy(echoing(batch={"within": "1m", "max": 2}))
    one, two = lab.hook("in", b"1"), lab.hook("in", b"2")
    lab.until(lambda: lab.runs())
    replayed = lab.engine.replays.event(one.event_id)
    assert [each["body"] for each in seen_by(lab, replayed.run_id)["events"]] == ["1", "2"]
    assert ids(lab) == [two.event_id], "their run is replayed once"
    # A version without a batch takes the event alone, and the other way round.
    lab.deploy(echoing())
    alone = lab.engine.replays.event(one.event_id, version="latest")
    assert seen_by(lab, alone.run_id)["body"] == "1"
    three = lab.hook("in", b"3")
    lab.deploy(echoing(batch={"within": "1m"}))
    wrapped = seen_by(lab, lab.engine.replays.event(three.event_id, version="latest").run_id)
    assert ([each["body"] for each in wrapped["events"]], wrapped["ids"]) == (["3"], [three.event_id])


def test_an_event_that_was_replaced_is_started_as_itself(lab: Lab) -> None:
    lab.deploy(echoing(debounce={"quiet": "10s"}))
    one = lab.hook("in", b"1")
    lab.hook("in", b"2")
    lab.clock.advance(11)
    lab.until(lambda: lab.runs())
    assert seen_by(lab, lab.engine.replays.event(one.event_id).run_id)["body"] == "1"


@pytest.mark.parametrize("what", ["unknown", "waiting", "duplicate", "rejected"])
def test_what_cannot_be_replayed_says_why(lab: Lab, what: str) -> None:
    lab.deploy(echoing(**({"batch": {"within": "1m"}} if what == "waiting" else {})))
    if what == "waiting":
        event, code, said = lab.hook("in", b"1").event_id, "R418", "waits"
    elif what == "duplicate":
        first = lab.hook("in", b"1", id="x").event_id
        lab.hook("in", b"1", id="x")
        (row,) = lab.engine.store.events("duplicate", None, 9, None).rows
        event, code, said = row.id, "R418", first
    elif what == "rejected":
        lab.engine.refuse_request("in", "bad signature", {})
        lab.engine.store.flush()
        (row,) = lab.engine.store.events("rejected", None, 9, None).rows
        event, code, said = row.id, "R418", "kept"
    else:
        event, code, said = "evt_none", "R414", "evt_none"
    with pytest.raises(EngineError) as caught:
        lab.engine.replays.event(event)
    assert caught.value.code == code
    assert said in caught.value.message
    assert what == "unknown" or event not in ids(lab)


# Slices


def test_a_slice_is_oldest_first_and_without_replays(lab: Lab) -> None:
    lab.outside.script("a", Fail(BadInput("no")), Fail(BadInput("no")))
    lab.deploy(
        flow(job("a"), trigger=HOOK), flow(job("b"), name="other", trigger={**HOOK, "with": {"path": "o"}})
    )
    events = []
    for path in ("in", "in", "in", "o"):
        answer = lab.hook(path, b"1")
        events.append(answer.event_id)
        lab.end(answer.run_id)
        lab.clock.advance(10)
    middle = lab.clock() - 25
    assert ids(lab) == events
    assert ids(lab, run_status="failed") == events[:2]
    assert ids(lab, workflow="flow", since=middle) == events[2:3]
    assert ids(lab, until=middle) == events[:2]
    lab.end(lab.engine.replays.event(events[0]).run_id or "")
    assert ids(lab) == events


def test_under_one_name_an_event_is_started_once(labs: LabMaker) -> None:
    lab = labs()
    lab.deploy(echoing())
    events = [lab.hook("in", b"%d" % number).event_id for number in range(4)]
    first = lab.engine.replays.event(events[0], name="n")
    again = lab.engine.replays.event(events[0], name="n")
    assert (again.state, again.run_id, again.event_id) == ("duplicate", first.run_id, first.event_id)
    assert ids(lab, "n") == events[1:]
    lab.engine.replays.event(events[1], name="n")
    lab = labs.again(lab, crash=True)
    selected = lab.engine.replays.select(Slice(), name="n")
    assert (list(selected.events), selected.matched, selected.already) == (events[2:], 4, 2)
    assert ids(lab, "another") == events
    lab.until_idle()
    assert len(lab.runs()) == 6


def test_a_slice_is_not_endless(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replays, "MAX_SLICE", 2)
    monkeypatch.setattr(replays, "PAGE", 1)
    lab.deploy(echoing())
    events = [lab.hook("in", b"1").event_id for _ in range(2)]
    assert ids(lab) == events
    assert list(lab.engine.replays.select(Slice(), limit=1).events) == events[:1]
    lab.hook("in", b"1")
    with pytest.raises(EngineError) as caught:
        ids(lab)
    assert caught.value.code == "R419"
