"""What attempts that are over left behind elsewhere, as the history says: part of `evolve`.

A prediction that was canceled with its run may go on, and is billed. Its **settlement** begins with the
event that ends the attempt, lasts until nothing goes on and what it cost is known, and is done with
regardless of what becomes of the run: it may try again, end, and be resumed. Each says once what was
still to be paid; what comes for one that is closed changes nothing.
"""

from __future__ import annotations

from .. import events as ev
from ..records import RunState, Settlement, settlement_key
from .places import add_cost

__all__ = [
    "LEASE",
    "called_back",
    "child_charged",
    "closed",
    "due",
    "interrupted",
    "noted",
    "opened",
    "waiting",
]

LEASE = 120.0
"""Seconds for which whoever looks at a settlement has it; after that it is due again."""


def opened(state: RunState, event: ev.SettlementOpened, at: float) -> bool:
    """It is about the step's newest attempt, which has just ended."""
    record, key = state.records.get(event.path), settlement_key(event.path, event.attempt)
    if record is None or record.attempt != event.attempt or key in state.settlements:
        return False
    state.settlements[key] = Settlement(
        event.path,
        event.attempt,
        event.reason,
        event.uses,
        event.connection,
        record.input,
        record.data,
        dict(record.notes),
        at,
        event.until,
        callbacks=dict(record.callbacks),
    )
    record.callbacks.clear()
    return True


def waiting(state: RunState, event: ev.SettlementWaiting, at: float) -> bool:
    """A look has ended, and another one is owed."""
    found = state.settlements.get(settlement_key(event.path, event.attempt))
    if found is None or not found.is_running:
        return False
    found.is_running = False
    # Who was told something during the look may have looked too early.
    found.due = at if found.is_told else event.until
    found.waits_for = event.reason
    found.is_stopped = found.is_stopped or event.is_stopped
    found.left = event.data
    add_cost(state, state.records.get(event.path), event.cost)
    return True


def closed(state: RunState, event: ev.SettlementClosed, at: float) -> bool:
    """It is paid for."""
    if state.settlements.pop(settlement_key(event.path, event.attempt), None) is None:
        return False
    add_cost(state, state.records.get(event.path), event.cost)
    return True


def due(state: RunState, event: ev.TimerFired, at: float) -> bool:
    """It is looked at again; also when whoever looked last has not said what was seen."""
    found = state.settlements.get(event.path)
    if found is None or event.at < found.due:
        return False
    _begin(found, at)
    return True


def called_back(state: RunState, event: ev.CallbackReceived, at: float) -> bool:
    """Somebody told the attempt's address something: the reason for a look before its time."""
    found = state.settlements.get(settlement_key(event.path, event.attempt))
    if found is None or event.id in found.callbacks:
        return False
    found.callbacks[event.id] = (event.body, event.headers)
    if found.is_running:
        found.is_told = True
        return True
    _begin(found, at)
    return True


def noted(state: RunState, event: ev.StepNoted, at: float) -> bool:
    """The look keeps something, or the code of the attempt did while it was being stopped."""
    found = state.settlements.get(settlement_key(event.path, event.attempt))
    if found is None:
        return False
    found.notes.update(event.values)
    add_cost(state, state.records.get(event.path), event.cost)
    return True


def interrupted(state: RunState, event: ev.AttemptInterrupted, at: float) -> bool:
    """The process died during a look."""
    found = state.settlements.get(event.path)
    if found is None or not found.is_running:
        return False
    found.interruptions += 1
    return True


def child_charged(state: RunState, event: ev.ChildCharged | ev.ChildFinished, at: float) -> bool:
    """What a called run has cost belongs to the step that called it, also when nobody waits for it any more.

    One that was resumed reports its end, with all that it has cost, a second time.
    """
    known = state.called.get(event.run, 0.0)
    total = event.cost if isinstance(event, ev.ChildFinished) else known + event.cost
    if total > known:
        state.called[event.run] = total
        add_cost(state, state.records.get(event.path), total - known)
    return True


def _begin(found: Settlement, at: float) -> None:
    # Who has a look and has not said what was seen may not have begun: there are only so many at a time.
    found.looks += not found.is_running
    found.is_running = True
    found.is_told = False
    found.due = at + LEASE
