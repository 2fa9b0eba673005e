"""Settlements in the fold: each is opened by one attempt's end, paid once, and outlives the run."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from hookline.core import events as ev
from hookline.core.folding.settlements import LEASE
from hookline.core.records import RunState, settlement_key
from hookline.core.state import evolve

PATH = "steps[0]"
KEY = settlement_key(PATH, 1)
ERROR = {"type": "timeout", "code": "R205", "message": "", "hint": "", "step": PATH}
FINISHED = ev.RunFinished("", "", "canceled", None, None, "enough")


def folded(*events: ev.Event) -> RunState:
    state = RunState()
    begun: list[ev.Event] = [
        ev.RunCreated("", "run_1", "flow", "v1", None, {}, 0.0),
        ev.RunStarted("", 0.0),
        ev.BlockEntered("", "", "steps"),
        ev.StepStarted(PATH, PATH, 1, {"model": "m"}, None),
        ev.StepNoted(PATH, 1, {"intent": 1}),
        ev.StepWaiting(PATH, PATH, 1, "action", "a job", 50.0, {"job": 7}),
    ]
    for at, event in enumerate([*begun, *events]):
        evolve(state, event, float(at))
    return state


CANCELED = ev.StepCanceled(PATH, PATH, "enough")
OPENED = ev.SettlementOpened(PATH, 1, "canceled", "job.run", "main", 100.0)


def closed(cost: float) -> ev.SettlementClosed:
    return ev.SettlementClosed(PATH, 1, "settled", cost=cost, charges={"m": cost})


def test_it_keeps_what_the_attempt_left_though_the_step_begins_anew() -> None:
    failed = ev.AttemptFailed(PATH, PATH, 1, ERROR)
    again = ev.StepRetrying(PATH, PATH, 2, 9.0)
    second = ev.StepStarted(PATH, PATH, 2, {"model": "n"}, None)
    state = folded(failed, OPENED, again, second, ev.StepNoted(PATH, 2, {"intent": 2}))
    left = state.settlements[KEY]
    assert (left.input, left.data, left.notes) == ({"model": "m"}, {"job": 7}, {"intent": 1})
    assert (left.reason, left.uses, left.connection, left.due) == ("canceled", "job.run", "main", 100.0)
    assert state.records[PATH].notes == {"intent": 2}


def test_what_comes_for_it_after_the_runs_end_counts_and_for_nothing_else() -> None:
    state = folded(CANCELED, OPENED, FINISHED)
    record, ready = state.records[PATH], dict(state.ready)
    evolve(state, ev.StepNoted(PATH, 1, {"prediction": "p"}, 0.25, {"m": 0.25}), 20.0)
    evolve(state, ev.SettlementWaiting(PATH, 1, "it to end", 60.0, True, {"looked": 1}), 21.0)
    left = state.settlements[KEY]
    assert left.notes == {"intent": 1, "prediction": "p"}
    assert (left.due, left.is_running, left.is_stopped, left.left) == (60.0, False, True, {"looked": 1})
    evolve(state, ev.TimerFired(KEY, 59.0), 59.0)
    assert not left.is_running, "it is not due"
    evolve(state, ev.TimerFired(KEY, 60.0), 60.0)
    assert (left.is_running, left.looks, left.due) == (True, 2, 60.0 + LEASE)
    evolve(state, closed(0.5), 61.0)
    assert state.settlements == {}
    assert (state.cost, record.cost) == (0.75, 0.75)
    evolve(state, ev.StepSucceeded(PATH, PATH, "late", cost=9.0), 62.0)
    assert (state.cost, record.status, state.status, state.ready) == (0.75, "canceled", "canceled", ready)


def test_a_callback_begins_a_look_and_one_during_a_look_another() -> None:
    state = folded(CANCELED, OPENED, FINISHED)
    left = state.settlements[KEY]
    evolve(state, ev.CallbackReceived(PATH, 1, "c1", "{}", {}), 20.0)
    assert (left.is_running, left.looks) == (True, 1), "somebody is looking"
    evolve(state, ev.SettlementWaiting(PATH, 1, "", 900.0), 21.0)
    assert (left.is_running, left.due) == (False, 21.0), "who may have looked too early"
    evolve(state, ev.TimerFired(KEY, 21.0), 21.0)
    evolve(state, ev.SettlementWaiting(PATH, 1, "", 900.0), 22.0)
    assert left.due == 900.0
    evolve(state, ev.CallbackReceived(PATH, 1, "c2", '{"done": true}', {"a": "b"}), 23.0)
    assert left.is_running
    assert list(left.callbacks.values()) == [("{}", {}), ('{"done": true}', {"a": "b"})]
    evolve(state, ev.SettlementWaiting(PATH, 1, "", 900.0), 24.0)
    evolve(state, ev.CallbackReceived(PATH, 1, "c2", "", {}), 25.0)
    assert not left.is_running, "the same delivery brings nothing"


_OF_IT: list[Any] = [
    OPENED,
    ev.SettlementWaiting(PATH, 1, "", 30.0, cost=0.25),
    ev.StepNoted(PATH, 1, {"a": 1}, 0.125),
    ev.TimerFired(KEY, 1000.0),
    ev.CallbackReceived(PATH, 1, "c", "", {}),
    ev.AttemptInterrupted(KEY, 1),
    ev.AttemptFailed(PATH, PATH, 1, ERROR, cost=64.0),
    ev.RunResumed("", "v1", 0.0),
    FINISHED,
    closed(1.0),
]


@settings(deadline=None, max_examples=300)
@given(events=st.lists(st.sampled_from(_OF_IT), max_size=12))
def test_it_is_paid_once_whatever_comes_in_whatever_order(events: list[ev.Event]) -> None:
    """What ends an attempt that has ended already costs nothing, and nothing costs behind the close."""
    state = folded(CANCELED, OPENED)
    expected, is_open, is_running = 0.0, True, True
    for at, event in enumerate(events, 20):
        if is_open:
            if isinstance(event, ev.SettlementWaiting) and is_running:
                expected, is_running = expected + event.cost, False
            elif isinstance(event, ev.StepNoted):
                expected += event.cost
            elif isinstance(event, ev.SettlementClosed):
                expected, is_open = expected + event.cost, False
            elif isinstance(event, ev.TimerFired) or (
                isinstance(event, ev.CallbackReceived) and event.id not in state.settlements[KEY].callbacks
            ):
                is_running = True
        evolve(state, event, float(at))
        if isinstance(event, ev.SettlementOpened) and not is_open and KEY in state.settlements:
            # The engine writes it with the attempt's end, which there is once.
            is_open, is_running = True, True
        assert state.cost == expected
        assert (KEY in state.settlements) == is_open
        if is_open:
            assert state.settlements[KEY].is_running == is_running
