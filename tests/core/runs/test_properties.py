"""Whatever happens to whatever definition, in whatever order, the run stays legal and comes to an end."""

from __future__ import annotations

import json
import zlib
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hookline.core import events as ev
from hookline.core.plan import compile_plan
from hookline.core.records import RunState
from hookline.core.state import evolve, replay

from .generated import EVENTS, definitions, drawn_actions, interleave, loops
from .legality import illegal
from .simulator import Call, Fail, Outcome, Park, Simulator, Succeed

Json = Any

BOUNDED = settings(
    deadline=None,
    max_examples=40,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)


def _simulator(definition: Json, event: Json, data: st.DataObject) -> Simulator:
    return Simulator(compile_plan(definition), drawn_actions(data), event).start()


@BOUNDED
@given(definition=definitions(), event=EVENTS, data=st.data())
def test_every_interleaving_stays_legal_and_ends(definition: Json, event: Json, data: st.DataObject) -> None:
    sim = _simulator(definition, event, data)
    interleave(data, sim, data.draw(st.integers(0, 25), label="moves"))
    sim.decide()
    _bring_to_an_end(sim)
    sim.check()
    before = sim.state
    assert replay(sim.history) == before


@settings(BOUNDED, max_examples=100)
@given(definition=loops(), event=EVENTS, data=st.data())
def test_a_loop_that_is_canceled_and_resumed_stays_legal_and_ends(
    definition: Json, event: Json, data: st.DataObject
) -> None:
    sim = _simulator(definition, event, data)
    for _ in range(data.draw(st.integers(1, 2), label="times")):
        interleave(data, sim, data.draw(st.integers(2, 10), label="moves"))
        sim.cancel()
        sim.settle()
        sim.resume()
        sim.settle()
    _bring_to_an_end(sim)
    sim.check()


def _bring_to_an_end(sim: Simulator) -> None:
    """Everybody who is waited for answers, and time passes: then the run must end."""
    for _ in range(500):
        sim.settle()
        if sim.state.finished is not None:
            return
        for path in sim.open_steps():
            waiting = sim.step(path).waiting if path in sim.state.active else None
            if waiting is not None and waiting.waits_for == "run":
                sim.child(path)
            elif waiting is not None and waiting.waits_for in ("action", "callback"):
                sim.callback(path)
            elif waiting is not None and waiting.waits_for == "approval":
                sim.approve(path, "ann")
                sim.approve(path, "bob")
        timers = sim.timers()
        if timers:
            sim.advance(max(min(timers.values()) - sim.now, 0))
    pytest.fail(f"the run does not end: {sim.statuses()}")


@BOUNDED
@given(definition=definitions(2), event=EVENTS, data=st.data())
def test_deciding_again_says_the_same_and_changes_nothing(
    definition: Json, event: Json, data: st.DataObject
) -> None:
    sim = Simulator(compile_plan(definition), drawn_actions(data), event, pure=True).start()
    interleave(data, sim, data.draw(st.integers(0, 8), label="moves"))
    sim.settle()


@BOUNDED
@given(definition=definitions(), event=EVENTS, data=st.data())
def test_a_prefix_and_then_the_rest_is_everything(definition: Json, event: Json, data: st.DataObject) -> None:
    sim = _simulator(definition, event, data)
    interleave(data, sim, data.draw(st.integers(0, 15), label="moves"))
    cut = data.draw(st.integers(0, len(sim.history)), label="cut")
    state = replay(sim.history[:cut])
    for entry in sim.history[cut:]:
        evolve(state, entry.event, entry.at)
    assert state == replay(sim.history) == sim.state
    assert state.ready == sim.state.ready


@BOUNDED
@given(definition=definitions(), event=EVENTS, data=st.data())
def test_every_event_of_a_history_survives_being_stored(
    definition: Json, event: Json, data: st.DataObject
) -> None:
    sim = _simulator(definition, event, data)
    interleave(data, sim, data.draw(st.integers(0, 15), label="moves"))
    for recorded in sim.events:
        _assert_stored(recorded)


def _assert_stored(event: ev.Event) -> None:
    kind, path, fields = ev.to_record(event)
    assert ev.from_record(kind, path, fields) == event
    assert ev.from_record(kind, path, json.loads(json.dumps(fields))) == event


PATHS = st.sampled_from(
    [
        "",
        "steps[0]",
        "steps[0].do[0]#0",
        "steps[0].do[0]#1",
        "steps[0].parallel.a[0]",
        "steps[0].then[0]",
        "steps[0].catch[0]",
        "steps[0].finally[0]",
        "steps[1]",
        "on_error[0]",
        "finally[0]",
    ]
)
TEXTS = st.sampled_from(["", "a", "parallel.a", "ann", "bob", "x"])
JSON = st.sampled_from([None, 1, "x", [1, 2], {"run": "x"}])
TIMES = st.sampled_from([0.0, 5.0, 10.0])
ERROR = st.fixed_dictionaries({"type": st.sampled_from(["timeout", "canceled"]), "message": TEXTS})
OF_FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "path": PATHS,
    "cause": PATHS,
    "status": st.sampled_from(["succeeded", "failed", "canceled", "skipped"]),
    "outcome": st.sampled_from(["succeeded", "failed", "canceled"]),
    "decision": st.sampled_from(["approved", "rejected"]),
    "block": st.sampled_from(["steps", "on_error", "finally", "catch", "then", "do", "parallel.a"]),
    "waits_for": st.sampled_from(
        ["action", "timer", "callback", "approval", "run", "lookup", "limit", "identical"]
    ),
    "wake": st.sampled_from(["callback", "timer", "lookup", "recovered", "start"]),
    "attempt": st.integers(0, 2),
    "index": st.integers(-1, 2),
    "max_parallel": st.integers(1, 2),
    "items": st.sampled_from([None, [], [1], [1, 2]]),
    "branches": st.sampled_from([(), ("a",), ("a", "b")]),
    "retry_on": st.sampled_from([(), ("timeout",)]),
    "values": st.dictionaries(TEXTS, JSON, max_size=1),
    "headers": st.just({}),
    "error": ERROR,
    "form": JSON,
    "data": JSON,
    "output": JSON,
    "input": JSON,
    "inputs": JSON,
    "trigger": JSON,
    "body": TEXTS,
    "cost": st.sampled_from([0.0, 0.5]),
    "tolerant": st.booleans(),
    "vars": st.sampled_from([None, {"a": 1}]),
    "parent": st.none(),
    "charges": st.sampled_from([None, {"a model": 0.5}]),
}


def _of_field(name: str, annotation: str) -> st.SearchStrategy[Any]:
    if name in OF_FIELDS:
        return OF_FIELDS[name]
    if "float" in annotation:
        return TIMES | st.none() if "None" in annotation else TIMES
    return TEXTS


ANY_EVENT = st.one_of(
    [
        st.builds(cls, **{field.name: _of_field(field.name, str(field.type)) for field in fields(cls)})
        for cls in ev.KINDS.values()
    ]
)


@settings(BOUNDED, max_examples=250)
@given(events=st.lists(ANY_EVENT, max_size=40))
def test_folding_never_fails_and_every_state_is_legal(events: list[ev.Event]) -> None:
    state = RunState()
    for number, event in enumerate(events):
        evolve(state, event, float(number))
        assert illegal(state) == []


@settings(BOUNDED, max_examples=250)
@given(event=ANY_EVENT)
def test_any_event_survives_being_stored(event: ev.Event) -> None:
    _assert_stored(event)


def _by_name(call: Call) -> Outcome:
    """What an action comes to, decided by where it stands and how often it was tried."""
    turn = zlib.crc32(f"{call.path}/{call.attempt}".encode()) % 8
    if call.wake == "start" and turn == 0:
        return Park(5.0, {"job": call.path})
    if call.wake == "start" and turn == 1:
        return Fail("unavailable", retry_on=("unavailable",))
    return Fail("bad_input") if turn == 2 else Succeed(f"{call.path} by {call.attempt}", 0.5)


def _to_the_end(definition: Json, event: Json, crash_at: set[int]) -> Simulator:
    """A run in which everybody answers at once, and the process dies after some of the executions."""
    actions = dict.fromkeys(["test.a", "test.b", "test.c"], _by_name)
    sim = Simulator(compile_plan(definition), actions, event).start()
    for move in range(2000):
        if sim.state.finished is not None:
            return sim
        if move in crash_at:
            sim.crash()
        if sim.waiting_calls:
            path = min(sim.waiting_calls)
            if -move in crash_at:
                # The code ran, and the process died before anything of it was recorded.
                sim.calls.append(sim.call(path))
                sim.crash()
            sim.execute(path)
            sim.decide()
            continue
        for path in sorted(sim.open_steps()):
            waiting = sim.step(path).waiting if path in sim.state.active else None
            if waiting is not None and waiting.waits_for == "run":
                sim.child(path, output={"path": path})
            elif waiting is not None and waiting.waits_for == "approval":
                sim.approve(path, "ann")
                sim.approve(path, "bob")
        timers = sim.timers()
        if timers and not sim.waiting_calls:
            at, path = min((at, path) for path, at in timers.items())
            sim.now = max(sim.now, at)
            sim.fire(path)
    pytest.fail("the run does not end")


@BOUNDED
@given(definition=definitions(), event=EVENTS, crash_at=st.sets(st.integers(-30, 30), max_size=5))
def test_a_crash_changes_nothing_and_repeats_no_finished_step(
    definition: Json, event: Json, crash_at: set[int]
) -> None:
    quiet = _to_the_end(definition, event, set())
    crashed = _to_the_end(definition, event, crash_at)
    assert crashed.state.finished == quiet.state.finished
    assert crashed.state.cost == quiet.state.cost
    assert crashed.state.vars == quiet.state.vars
    assert crashed.statuses() == quiet.statuses()
    ended: set[tuple[str, int]] = set()
    for event_ in crashed.events:
        if isinstance(event_, ev.StepStarted):
            assert (event_.path, event_.attempt) not in ended, "an attempt is started twice"
            ended.add((event_.path, event_.attempt))
    crash_points = sum(1 for event_ in crashed.events if event_.kind == "attempt.interrupted")
    assert len(crashed.calls) - len(quiet.calls) <= crash_points
