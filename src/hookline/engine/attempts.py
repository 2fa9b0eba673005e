"""Executing one attempt of an action, and what its end means for the run."""

from __future__ import annotations

import asyncio
import json
import logging
import math
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from hookline.core import events as ev
from hookline.core.plan import Node
from hookline.core.state import StepRecord
from hookline.crashpoints import crashpoint
from hookline.sdk import (
    Action,
    ActionError,
    File,
    OutcomeUnknown,
    Park,
    RateLimited,
    TimedOut,
    Unavailable,
    Wake,
)

from .context import AttemptContext, run_blocking
from .errors import remedy
from .holds import Hold
from .journal import dump_json
from .parameters import checked

__all__ = [
    "LOOKUP_DELAYS",
    "AttemptResult",
    "execute",
    "failure",
    "key_of",
    "lookup_delay",
    "not_json",
    "retried_by_default",
    "storable",
    "to_json",
]

log = logging.getLogger(__name__)

Json = Any
AttemptResult = ev.StepSucceeded | ev.AttemptFailed | ev.AttemptUnknown | ev.StepWaiting
E = TypeVar("E", bound=ev.Event)

LOOKUP_DELAYS = (2.0, 5.0, 15.0, 60.0, 300.0)
"""Seconds between look-ups of an unknown outcome; the last one is repeated until the deadline."""


def lookup_delay(done: int) -> float:
    """How long to wait before the next look-up, after `done` of them."""
    return LOOKUP_DELAYS[min(done, len(LOOKUP_DELAYS) - 1)]


def retried_by_default(action: Action) -> tuple[str, ...]:
    """Error types repeated without the author asking: those after which nothing was done.

    An action that only reads, or is safe to repeat under its key, is also repeated when no answer
    came.
    """
    if action.effect in ("read", "idempotent"):
        return ("rate_limited", "unavailable", "timeout", "unknown")
    return ("rate_limited", "unavailable")


@dataclass(slots=True)
class Mode:
    """How an attempt is gone about: ``start``, ``resume`` (with `wake`) or ``lookup``."""

    kind: str
    wake: Wake | None = None


def mode_of(record: StepRecord, action: Action, *, interrupted: bool) -> Mode:
    """What is to be done for an attempt that the history says is being executed."""
    if record.wake == "lookup":
        return Mode("lookup")
    if record.wake == "start":
        return Mode("lookup" if interrupted and action.lookup is not None else "start")
    body, headers = record.callbacks.get(record.woken_by, ("", {}))
    kind: Any = record.wake
    if interrupted and kind != "callback":
        kind = "recovered"
    return Mode("resume", Wake(kind, record.data or {}, body.encode(), headers))


async def execute(
    node: Node,
    action: Action,
    record: StepRecord,
    context: AttemptContext,
    mode: Mode,
    pool: Executor,
    lookups: int,
) -> AttemptResult:
    """Run the action's code for this attempt.

    Raises:
        RecursionError, ValueError: What it gave is nested too deeply, or in itself.
    """
    path, attempt = record.path, record.attempt
    now = context.clock()
    remaining = None if record.deadline is None else max(record.deadline - now, 0.001)
    limit: asyncio.Timeout | None = None
    try:
        async with asyncio.timeout(remaining) as limit:
            result = await _call(action, record, context, mode, pool)
    except OutcomeUnknown as error:
        if action.effect in ("read", "idempotent"):
            return _failed(action, path, attempt, error, context)
        is_open = action.lookup is not None and not error.final
        until = context.clock() + lookup_delay(lookups) if is_open else None
        return _unknown(path, attempt, failure(error, path), until, context)
    except ActionError as error:
        return _failed(action, path, attempt, error, context)
    except Hold as hold:
        return hold.event(path, attempt, context.spent, context.named)
    except asyncio.CancelledError:
        raise
    except Exception as error:
        if isinstance(error, TimeoutError) and limit is not None and limit.expired():
            return _cut_off(node, action, record, context)
        log.exception("%s (step %s of %s) raised", action.name, path, context.run_id)
        message = f"{action.name} failed with {type(error).__name__}; the log says more"
        hint = "this is a fault in the component: report it, or catch the error"
        raised = {"type": "internal", "code": "R301", "message": message, "hint": hint, "step": path}
        return ev.AttemptFailed(
            path, path, attempt, raised, cost=context.spent, charges=context.named, owes=context.owes
        )
    if isinstance(result, Park):
        until = None if result.until is None else result.until.timestamp()
        return ev.StepWaiting(
            path,
            path,
            attempt,
            "action",
            result.reason,
            until,
            to_json(dict(result.data)),
            cost=context.spent,
            charges=context.named,
        )
    return ev.StepSucceeded(path, path, to_json(result), cost=context.spent, charges=context.named)


async def key_of(action: Action, record: StepRecord, context: AttemptContext) -> Json:
    """What an identical step must have in common with this one, besides its parameters.

    Raises:
        ActionError: The action cannot tell.
        TimeoutError: The step's time ran out.
    """
    assert action.key is not None
    remaining = None if record.deadline is None else max(record.deadline - context.clock(), 0.001)
    async with asyncio.timeout(remaining):
        return to_json(await action.key(context, **action.bind(checked(action, record.input))))


async def _call(
    action: Action, record: StepRecord, context: AttemptContext, mode: Mode, pool: Executor
) -> Any:
    crashpoint("attempt.begins")
    result = await _run(action, record, context, mode, pool)
    crashpoint("attempt.returned")
    return result


async def _run(
    action: Action, record: StepRecord, context: AttemptContext, mode: Mode, pool: Executor
) -> Any:
    arguments = action.bind(checked(action, record.input))
    if mode.kind == "resume" and action.resume is not None:
        return await action.resume(context, mode.wake, **arguments)
    if mode.kind == "lookup" and action.lookup is not None:
        try:
            found = await action.lookup(context, **arguments)
        except (RateLimited, Unavailable) as error:
            if not context.owes:
                raise  # It was found, and is paid for: that is how it ended.
            # That nothing was done is promised of the look-up, and not of the request it asks about.
            raise OutcomeUnknown(
                f"it could not be looked up: {error.message}", hint=error.hint, retry_after=error.retry_after
            ) from error
        if found is not None:
            return found
        context.log("a look-up proved that nothing was done; it is sent now")
    if action.blocking:
        return await run_blocking(pool, action.run, context, **arguments)
    return await action.run(context, **arguments)


def _cut_off(node: Node, action: Action, record: StepRecord, context: AttemptContext) -> AttemptResult:
    """The step's time ran out while its code ran."""
    error = TimedOut(
        f"{node.label} did not end within {node.timeout or 0:g} s",
        code="R205",
        hint="raise the step's timeout, or look at what it waits for",
    )
    if action.effect == "check" and action.lookup is not None and record.wake == "start":
        # It may have been acted upon. One look-up is owed, however late it is.
        unknown = failure(OutcomeUnknown(error.message, hint=error.hint), record.path)
        until = context.clock() + lookup_delay(0)
        return _unknown(record.path, record.attempt, unknown, until, context)
    return _failed(action, record.path, record.attempt, error, context)


def _failed(
    action: Action, path: str, attempt: int, error: ActionError, context: AttemptContext
) -> ev.AttemptFailed:
    if error.detail:
        log.info("%s at %s: %s (%s)", action.name, path, error.message, error.detail)
    retry_after = error.retry_after
    if retry_after is not None and not math.isfinite(retry_after):
        retry_after = None
    return ev.AttemptFailed(
        path,
        path,
        attempt,
        failure(error, path),
        retry_after,
        retried_by_default(action),
        context.spent,
        context.named,
        context.owes,
    )


def _unknown(
    path: str, attempt: int, error: ev.Error, until: float | None, context: AttemptContext
) -> ev.AttemptUnknown:
    return ev.AttemptUnknown(path, attempt, error, until, context.spent, context.named)


def failure(error: ActionError, path: str) -> ev.Error:
    """The error as the run document gives it."""
    return {
        "type": error.type,
        "code": error.code,
        "message": error.message,
        "hint": error.hint or remedy(error.code),
        "step": path,
    }


def storable(event: E, mask: Callable[[str], str] = str) -> E:
    """The event as the history will have it: with known secrets masked, everywhere the same.

    Raises:
        TypeError, ValueError, RecursionError: A value in it is not JSON.
    """
    kind, path, data = ev.to_record(event)
    text = dump_json(data)
    # Half of a pair that stands for one character: no text can hold it.
    text.encode()
    masked = mask(text)
    if masked == text:
        return event
    stored: Any = ev.from_record(kind, path, json.loads(masked))
    found: E = stored
    return found


def not_json(
    name: str, path: str, attempt: int, error: Exception, cost: float = 0.0, *, owes: bool = False
) -> ev.AttemptFailed:
    """What becomes of an attempt whose result cannot be stored."""
    message = f"{name} gave something that is not JSON: {error}"
    hint = "this is a fault in the component: report it"
    wrong = {"type": "malformed_output", "code": "R302", "message": message, "hint": hint, "step": path}
    return ev.AttemptFailed(path, path, attempt, wrong, cost=cost, owes=owes)


def to_json(value: Any) -> Json:
    """References and times in their JSON form; everything else as it is."""
    if isinstance(value, File):
        return value.to_json()
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, dict):
        return {key: to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    return value
