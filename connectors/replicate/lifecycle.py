"""From an intent to a result, whatever crashes in between: shared by `run` and `train`.

What is noted with the attempt is the truth: `candidate` (which of the alternatives is being tried),
`intent` (about to be sent), `prediction` (its id), `known` (ids that came of earlier candidates). At most
one thing is alive at any moment: the next candidate is tried only when the one before was refused
before it was created, or has reached a final status.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Generic, Literal, TypeVar

from hookline.sdk import (
    ActionError,
    AuthenticationFailed,
    Context,
    InsufficientCredit,
    MalformedOutput,
    OutcomeUnknown,
    OverBudget,
    Park,
    RateLimited,
    TimedOut,
    Unavailable,
    Wake,
)

from .client import ReplicateClient
from .polling import Waiting, callback_for
from .reconcile import Intent, find
from .records import Remote, Target

__all__ = ["FALLBACK_ERRORS", "Order", "Task", "begin", "find_intended", "go_on_after", "look_up", "stop"]

Json = Any
R = TypeVar("R")

MAX_MISSES = 30
"""Failed looks or downloads in a row, at most a minute apart, before the step gives up."""

SHORTEST = 5.0
"""Seconds that must be left for another candidate: Replicate takes no shorter ``Cancel-After``."""

LONGEST = timedelta(hours=25)
"""Without a step timeout. Replicate itself stops a prediction after 30 minutes of running."""

FALLBACK_ERRORS = ("timeout", "unavailable", "rate_limited", "malformed_output")
"""Errors after which the next candidate is tried, if the step does not say."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is about to be sent.

    Attributes:
        body: With ``input``; the webhook is added later.
        secrets: Names of inputs that nothing may be noted of.
    """

    target: Target
    body: dict[str, Json]
    secrets: frozenset[str] = frozenset()


class Task(ABC, Generic[R]):
    """What one step wants.

    Attributes:
        noun: For people: prediction or training.
        candidates: How many alternatives there are.
        run_timeout: Seconds it may run, the start not counted; None for any time.
        hardware: What it runs on, where the step says so.
        longest: When a step without timeout gives up.
    """

    noun: Literal["prediction", "training"] = "prediction"
    kind: Literal["predictions", "trainings"] = "predictions"
    candidates: int = 1
    webhook: Literal["auto", "always", "never"] = "auto"
    poll_interval: float | None = None
    run_timeout: float | None = None
    hardware: str | None = None
    fallback_on: frozenset[str] = frozenset()
    longest: timedelta = LONGEST

    @abstractmethod
    async def prepare(self, ctx: Context, client: ReplicateClient, place: int) -> Order:
        """Everything before the POST of one candidate; raises what is wrong with it."""

    async def reserve(self, ctx: Context, place: int, order: Order) -> None:
        """Set aside what one candidate may cost; raises when a budget does not allow it."""

    @abstractmethod
    def target(self, ctx: Context, place: int) -> Target:
        """Where one candidate is created, from what is noted."""

    @abstractmethod
    async def finish(self, ctx: Context, client: ReplicateClient, remote: Remote) -> R:
        """The result of what is over; raises what went wrong."""


async def begin(ctx: Context, task: Task[R]) -> R | Park:
    """Start, or go on from what is noted."""
    noted = ctx.notes.get("prediction")
    if noted is not None:
        return await _look(ctx, task, _waiting(ctx, noted))
    return await _create(ctx, task, misses=0)


async def go_on_after(ctx: Context, task: Task[R], wake: Wake) -> R | Park:
    """A webhook, or the time for a look."""
    noted = ctx.notes.get("prediction")
    if noted is None:
        intent = ctx.notes.get("intent")
        if intent is not None:  # Cut off while the next candidate was created.
            remote = await find_intended(ctx, task, intent)
            if remote is not None:
                return await _found(ctx, task, remote)
        return await _create(ctx, task, misses=int(wake.data.get("misses", 0)))
    waiting = _waiting(ctx, noted)
    if wake.data.get("prediction") == noted:
        waiting = Waiting.from_json(wake.data)
    if wake.kind == "callback":
        told = await _told(ctx, wake, noted)
        if told is not None:
            return await _go_on(ctx, task, waiting, told)
    return await _look(ctx, task, waiting)


async def look_up(ctx: Context, task: Task[R]) -> R | Park | None:
    """What became of an attempt that was cut off; None when nothing was created."""
    noted = ctx.notes.get("prediction")
    if noted is not None:
        return await _look(ctx, task, _waiting(ctx, noted))
    intent = ctx.notes.get("intent")
    if intent is None:
        return None
    remote = await find_intended(ctx, task, intent)
    if remote is None:
        return None
    return await _found(ctx, task, remote)


async def stop(ctx: Context, task: Task[R], data: Mapping[str, Json]) -> None:
    """Stop what is running, if anything is; what is found is noted.

    Raises:
        OutcomeUnknown: Something may be, and cannot be found (yet).
    """
    client: ReplicateClient = ctx.connection
    job = ctx.notes.get("prediction") or data.get("prediction")
    intent = ctx.notes.get("intent")
    if job is None and intent is not None:
        remote = await find_intended(ctx, task, intent)
        if remote is None:
            await ctx.note(intent=None)
            return
        await ctx.note(prediction=remote.id)
        if not remote.done and (remote.webhook is None or remote.webhook != intent["callback"]):
            # Good enough to wait for, and not to stop: it could be somebody else's.
            ctx.log(
                f"Replicate {task.noun} {remote.id} may be that of this step, and was not stopped: look at "
                "https://replicate.com/predictions"
            )
            return
        job = remote.id
    if job is not None:
        await client.cancel(job, task.kind)


async def _create(ctx: Context, task: Task[R], *, misses: int) -> R | Park:
    """Try candidates from the noted one on: one POST each, its intent on disk before it is sent."""
    client: ReplicateClient = ctx.connection
    cancel_after = _cancel_after(ctx, task)
    place = int(ctx.notes.get("candidate", 0))
    while True:
        try:
            order = await task.prepare(ctx, client, place)
            await task.reserve(ctx, place, order)
            callback = callback_for(task.webhook, ctx.callback_url, client.base_url)
            body = dict(order.body)
            if callback is not None:
                # The start tells when the running time begins; the first look may be half a minute away.
                events = ["completed"] if task.run_timeout is None else ["start", "completed"]
                body |= {"webhook": callback, "webhook_events_filter": events}
            intent = Intent.of(ctx.now(), callback, body, secrets=order.secrets)
            await ctx.note(intent=intent.to_json())
            remote = await client.create(order.target, body, cancel_after=cancel_after)
        except OutcomeUnknown:
            raise
        except ActionError as error:
            ctx.cost(0.0)  # It was refused: nothing goes on, and nothing is to be paid.
            following = await _next(ctx, task, place, error)
            if following is None:
                if place == 0 or not isinstance(error, RateLimited | Unavailable) or misses >= MAX_MISSES:
                    raise
                # To fail here would let the engine begin again with the first candidate, which is paid for.
                await ctx.note(intent=None)
                return _later(ctx, misses, error)
            place = following
            continue
        return await _found(ctx, task, remote)


async def _next(ctx: Context, task: Task[R], place: int, error: ActionError) -> int | None:
    """The place of the next candidate, noted, if there is one and this error moves on."""
    moves_on = error.type in task.fallback_on or (isinstance(error, OverBudget) and error.fallback)
    if place + 1 >= task.candidates or not moves_on:
        return None
    if ctx.deadline is not None and (ctx.deadline - ctx.now()).total_seconds() < SHORTEST:
        return None
    known = list(ctx.notes.get("known") or ())
    ended = ctx.notes.get("prediction")
    if ended is not None:
        known.append(ended)
    ctx.log(
        f"{task.target(ctx, place).short} failed ({error.type}): the next model is tried",
        error=error.message,
    )
    await ctx.note(candidate=place + 1, intent=None, prediction=None, known=known)
    return place + 1


def _later(ctx: Context, misses: int, error: ActionError) -> Park:
    delay = max(min(60.0, 2.0 ** (misses + 1)), error.retry_after or 0.0)
    ctx.log(f"the next model cannot be started yet: {error.message}", misses=misses + 1)
    return Park(
        reason="Replicate to take the next model",
        until=ctx.now() + timedelta(seconds=delay),
        data={"misses": misses + 1},
    )


async def find_intended(ctx: Context, task: Task[R], intent: Mapping[str, Json]) -> Remote | None:
    """What came of a noted intent; None when it is certain that nothing did.

    Raises:
        OutcomeUnknown: It cannot be told (yet).
    """
    place = int(ctx.notes.get("candidate", 0))
    known = list(ctx.notes.get("known") or ())
    # The address is this attempt's alone, so a genuine webhook names what the lost answer did not.
    told = [await _signed(ctx, wake) for wake in ctx.callbacks]
    ours = [remote for remote in told if remote is not None and remote.id not in known]
    if ours:
        return next((remote for remote in ours if remote.done), ours[-1])
    return await find(ctx, Intent.from_json(intent), task.target(ctx, place), known=known)


async def _found(ctx: Context, task: Task[R], remote: Remote) -> R | Park:
    await ctx.note(prediction=remote.id)
    return await _go_on(ctx, task, _waiting(ctx, remote.id), remote)


def _waiting(ctx: Context, job: str) -> Waiting:
    intent = ctx.notes.get("intent") or {}
    return Waiting.on(job, intent.get("callback"))


async def _told(ctx: Context, wake: Wake, job: str) -> Remote | None:
    """What is over, as a webhook tells it; None when it must be asked for."""
    remote = await _signed(ctx, wake)
    return remote if remote is not None and remote.id == job and remote.done else None


async def _signed(ctx: Context, wake: Wake) -> Remote | None:
    """What a webhook says, if it is genuine."""
    client: ReplicateClient = ctx.connection
    try:
        remote = Remote.read(json.loads(wake.body))
    except (ValueError, RecursionError, MalformedOutput):
        return None
    genuine = await client.is_genuine(wake.headers, wake.body, now=ctx.now(), fresh=False)
    return remote if genuine else None


async def _look(ctx: Context, task: Task[R], waiting: Waiting) -> R | Park:
    client: ReplicateClient = ctx.connection
    try:
        remote = await client.job(waiting.prediction, task.kind)
    except ActionError as error:
        return _again(ctx, task, waiting, error)
    return await _go_on(ctx, task, waiting, remote)


async def _go_on(ctx: Context, task: Task[R], waiting: Waiting, remote: Remote) -> R | Park:
    """Finish, move on, or wait on."""
    client: ReplicateClient = ctx.connection
    client.owners.set(remote.id, ctx.idempotency_key)
    ends = _must_end(task, remote)
    overrun = not remote.done and ends is not None and ctx.now() >= ends
    if overrun:
        try:
            await client.cancel(remote.id, task.kind)
            remote = await client.job(remote.id, task.kind)
        except ActionError as error:
            return _again(ctx, task, waiting, error)
    if remote.done:
        return await _finish(ctx, task, waiting, remote)
    if remote.created_at is not None and ctx.now() - remote.created_at > task.longest:
        raise TimedOut(
            f"Replicate {task.noun} {remote.id} is still {remote.status!r} long after its creation",
            hint="look at it on replicate.com; give the step a timeout",
        )
    no_later = None if overrun else ends
    return waiting.looked().park(ctx.now(), every=task.poll_interval, no_later=no_later, noun=task.noun)


async def _finish(ctx: Context, task: Task[R], waiting: Waiting, remote: Remote) -> R | Park:
    client: ReplicateClient = ctx.connection
    try:
        return await task.finish(ctx, client, remote)
    except (RateLimited, Unavailable, OutcomeUnknown) as error:
        return _again(ctx, task, waiting, error)
    except ActionError as error:
        # It is over, so another one can be started without two being alive.
        if await _next(ctx, task, int(ctx.notes.get("candidate", 0)), error) is None:
            raise
    return await _create(ctx, task, misses=0)


def _must_end(task: Task[R], remote: Remote) -> datetime | None:
    """When the running time is over; None while it has not begun."""
    if task.run_timeout is None or remote.started_at is None:
        return None
    return remote.started_at + timedelta(seconds=task.run_timeout)


def _again(ctx: Context, task: Task[R], waiting: Waiting, error: ActionError) -> Park:
    """Look once more: it exists, so its failure to show itself must not start another.

    A refused token too: whoever is changing it has until `MAX_MISSES` to give the new one.
    """
    missed = waiting.missed()
    may_pass = isinstance(
        error, RateLimited | Unavailable | OutcomeUnknown | AuthenticationFailed | InsufficientCredit
    )
    if missed.misses > (MAX_MISSES if may_pass else 5):
        if isinstance(error, RateLimited | Unavailable | OutcomeUnknown):
            raise TimedOut(
                f"Replicate {task.noun} {waiting.prediction} or its files could not be read: {error.message}",
                hint="it may have succeeded and been billed; look at it on replicate.com",
            ) from error
        raise error
    ctx.log(f"Replicate {task.noun} {waiting.prediction}: {error.message}", misses=missed.misses)
    return missed.park(
        ctx.now(),
        every=task.poll_interval,
        at_least=error.retry_after or 0.0,
        noun=task.noun,
        problem=error.message,
    )


def _cancel_after(ctx: Context, task: Task[R]) -> int | None:
    """Seconds until the step ends, within what Replicate takes: 5 s to 24 h. Trainings take none."""
    if ctx.deadline is None:
        return None
    left = int((ctx.deadline - ctx.now()).total_seconds())
    if left <= 0:
        raise TimedOut(f"the step's time was over before the {task.noun} was created")
    return min(max(left, 5), 86_400) if task.kind == "predictions" else None
