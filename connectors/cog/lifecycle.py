"""From an intent to a result, whatever crashes in between."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from hookline.sdk import (
    ActionError,
    BadInput,
    Context,
    MalformedOutput,
    OutcomeUnknown,
    Park,
    RateLimited,
    TimedOut,
    Unavailable,
    Wake,
)
from hookline.sdk.predictions import Prediction, iso

from .client import CogClient, Health, Published, Snapshot
from .finish import charge, finish
from .input_files import sent_body
from .problems import BUSY_SECONDS, busy, not_working
from .records import INTERVAL, Queued, Waiting, Wanted

__all__ = ["begin", "go_on_after", "look_up", "told_by"]

Json = Any

HOLD = 30 * 60.0
"""Seconds a connection is held for a step without a timeout."""

SOON = 2.0
"""Seconds a callback is given to be read after a restart, before anything is sent."""

CALLED_BACK_WITHIN = 600.0
"""Seconds an idle server may still be trying to deliver a result (it tries 12 times, 7 minutes)."""

_NO_CALLBACK = (
    "no callback came, and the Cog server is ready for others: the model may run a second time; see that the "
    "server reaches HOOKLINE_BASE_URL, or let the step wait on the connection (delivery)"
)
_A_PLACE = "a place on the Cog server"

MAX_FETCHES = 8
"""Times in a row the files of a prediction that is over cannot be fetched: for eight minutes."""

MAX_MISSES = 30
MAX_RESTARTS = 3
"""Times a prediction is started again on a server that was restarted: the input may be what kills it."""


async def begin(ctx: Context, wanted: Wanted) -> Prediction | Park:
    """Start; nothing is sent before the server's state and the input have been looked at."""
    wanted.check()
    return await _start(ctx, wanted, Queued(iso(ctx.now())))


async def _start(ctx: Context, wanted: Wanted, queued: Queued) -> Prediction | Park:
    """Start, or wait for the server to have a place."""
    client: CogClient = ctx.connection
    health = await client.health()
    if health.status == "STARTING":
        return queued.park(ctx, "the Cog server to set up its model", not_working(health.status))
    if not health.works:
        raise not_working(health.status)
    if health.status == "BUSY":
        return queued.park(ctx, _A_PLACE, busy())
    published = await client.published(health.boot)
    schema = published.schema if published else None
    # Files of the older generation come on a held connection only; so does everything if nobody listens.
    files_are_held = not health.is_coglet and schema is not None and schema.gives_files
    held = wanted.delivery == "connection" or not ctx.callback_url or files_are_held
    body = await sent_body(ctx, client, wanted, schema)
    job = f"hl{hashlib.sha256(ctx.idempotency_key.encode()).hexdigest()[:30]}"
    waiting = Waiting(job, iso(ctx.now()), health.boot, accepted=False, held=held)
    if wanted.usd_per_second is not None:
        # How long it takes is not known: what a minute costs, or what it cost lately if that is more.
        await ctx.reserve(60.0 * wanted.usd_per_second, of=wanted.model or client.base_url)
    await ctx.note(intent=asdict(waiting), model=_noted(published, health))
    try:
        return await _put(ctx, client, wanted, waiting, body, hold=held)
    except RateLimited as error:  # Somebody else was quicker; nothing was started.
        await ctx.note(intent=None)
        return queued.park(ctx, _A_PLACE, error)
    except (Unavailable, BadInput):
        ctx.cost(0.0)  # It was refused: nothing was started.
        raise


async def go_on_after(ctx: Context, wanted: Wanted, wake: Wake) -> Prediction | Park:
    """A callback, or the time to ask."""
    is_queued, intent = "job" not in wake.data, ctx.notes.get("intent")
    if is_queued and intent is None:
        return await _start(ctx, wanted, Queued(**wake.data))
    waiting = Waiting(**(intent if is_queued else wake.data))
    if wake.kind == "callback":
        told = told_by(wake, waiting.job)
        if told is not None:
            return await _over(ctx, wanted, waiting, told)
        return waiting.park(ctx, wanted)
    if is_queued:  # Cut off while it took a place: a callback that came meanwhile is read first.
        return waiting.park(ctx, wanted, seconds=SOON)
    if ctx.notes.get("over"):
        return await _over(ctx, wanted, waiting, Snapshot.read(ctx.notes["over"]))
    ends = waiting.must_end(wanted)
    if ends is not None and ctx.now() >= ends:
        raise _overrun(waiting, wanted)
    return await _ask(ctx, ctx.connection, wanted, waiting)


async def look_up(ctx: Context, wanted: Wanted) -> Park | None:
    """What became of an attempt that was cut off: first let a callback that came meanwhile be read."""
    if ctx.notes.get("intent") is None:
        return None
    return Waiting(**ctx.notes["intent"]).park(ctx, wanted, seconds=SOON)


def _noted(published: Published | None, health: Health) -> Json:
    """What is noted of the model: by the end the server may be gone, or have another one."""
    if published is None:
        return None
    output = published.schema.for_output()
    return {"digest": published.digest, "output": output, "drops_empty": not health.is_coglet}


async def _put(
    ctx: Context, client: CogClient, wanted: Wanted, waiting: Waiting, body: Mapping[str, Json], *, hold: bool
) -> Prediction | Park:
    """Start, or join. What is started on a held connection calls nobody: its result comes here."""
    if hold:
        snapshot = await _held(ctx, client, wanted, waiting, body)
    else:
        called_back = {"webhook": ctx.callback_url, "webhook_events_filter": ["completed"]}
        snapshot = await client.put(waiting.job, {**body, **called_back}, hold=None)
    taken = replace(waiting, accepted=True, idle=0, busy=0, misses=0)
    if snapshot.done:
        return await _over(ctx, wanted, taken, snapshot)
    return taken.park(ctx, wanted)


async def _held(
    ctx: Context, client: CogClient, wanted: Wanted, waiting: Waiting, body: Mapping[str, Json]
) -> Snapshot:
    """Wait for the result on the connection, as long as the step or the model may last."""
    began = ctx.now()
    ends = [moment for moment in (ctx.deadline, waiting.must_end(wanted)) if moment is not None]
    longest = max((min(ends) - began).total_seconds(), 1.0) if ends else HOLD
    try:
        return await client.put(waiting.job, body, hold=longest)
    except OutcomeUnknown as error:
        if (ctx.now() - began).total_seconds() < longest - 0.5:
            raise
        # To ask again would start it again: a server stops what nobody holds a connection for.
        if wanted.longest_run is not None:
            raise _overrun(waiting, wanted) from error
        raise TimedOut(
            f"Cog prediction {waiting.job} was not over after {longest:.0f} s on a held connection",
            hint='the connection is held as long as the step\'s "timeout"; or let the server call back',
        ) from error


async def _over(ctx: Context, wanted: Wanted, waiting: Waiting, snapshot: Snapshot) -> Prediction | Park:
    """Finish, or come back for files that cannot be had just now: the server does not tell twice."""
    try:
        return await finish(ctx, ctx.connection, wanted, waiting, snapshot)
    except (RateLimited, Unavailable, OutcomeUnknown) as error:
        what = f"an output file of Cog prediction {waiting.job} cannot be fetched"
        again = replace(waiting, misses=waiting.misses + 1 if ctx.notes.get("over") else 1)
        if again.misses > MAX_FETCHES:
            charge(ctx, ctx.connection, wanted, snapshot.predict_seconds)
            raise TimedOut(
                f"{what}: {error.message}", hint="it succeeded: check where the server's --upload-url leads"
            ) from error
        await ctx.note(over=snapshot.to_json())
        ctx.log(f"{what} yet: {error.message}", misses=again.misses)
        return again.park(ctx, wanted, seconds=max(error.retry_after or 0.0, 2.0**again.misses))


async def _ask(ctx: Context, client: CogClient, wanted: Wanted, waiting: Waiting) -> Prediction | Park:
    """No callback came in time."""
    try:
        health = await client.health()
    except (Unavailable, RateLimited, OutcomeUnknown, MalformedOutput) as error:
        return _missed(ctx, wanted, waiting, error)
    if not health.works:
        return _missed(ctx, wanted, waiting, not_working(health.status))
    waiting = replace(waiting, idle=waiting.idle + 1 if health.status == "READY" else 0)
    restarted = waiting.boot is not None and health.boot != waiting.boot
    if wanted.when_lost == "fail":
        if restarted or waiting.idle * (wanted.poll_interval or INTERVAL) > CALLED_BACK_WITHIN:
            raise _lost(waiting, "the server was restarted" if restarted else "the server did not call back")
        return replace(waiting, misses=0).park(ctx, wanted)
    if not restarted and waiting.accepted and waiting.idle == 1:
        return waiting.park(ctx, wanted)  # It may be on its way: what is over does not run again yet.
    if not restarted and waiting.accepted and not waiting.idle and health.is_coglet:
        # Most likely with this one. To put its id would start it again if it ended just now, so that is
        # done seldom: only in case the result was lost, and it is somebody else who keeps the server busy.
        # (Up to Cog 0.16 what cannot be delivered is still in flight, and keeps the server busy itself.)
        waiting = replace(waiting, busy=waiting.busy + 1, misses=0)
        if waiting.busy * (wanted.poll_interval or INTERVAL) < CALLED_BACK_WITHIN:
            return waiting.park(ctx, wanted)
    if restarted and waiting.restarts >= MAX_RESTARTS:
        raise _lost(waiting, f"the server was restarted {waiting.restarts + 1} times while it ran")
    again = replace(waiting, boot=health.boot, restarts=waiting.restarts + restarted)
    if restarted:
        again = replace(again, began=iso(ctx.now()))
        ctx.log("the Cog server was restarted: the prediction is started again")
    elif waiting.accepted and waiting.idle:
        ctx.log(_NO_CALLBACK)
    # A server that could not deliver the result is asked to hold it out; one that lost it is not at fault.
    hold = again.held or (again.accepted and not restarted)
    try:
        published = await client.published(health.boot)
        if restarted and _is_another(published, ctx.notes.get("model")):
            raise _lost(waiting, "the server was restarted with another model")
        body = await sent_body(ctx, client, wanted, published.schema if published else None)
        return await _put(ctx, client, wanted, again, body, hold=hold)
    except RateLimited:
        return replace(waiting, misses=0).park(ctx, wanted, seconds=BUSY_SECONDS)
    except (Unavailable, OutcomeUnknown, MalformedOutput) as error:
        return _missed(ctx, wanted, replace(again, accepted=again.accepted and hold), error)


def _is_another(published: Published | None, noted: Json) -> bool:
    """Whether the model is seen to be another one than the step began with, which must not answer for it."""
    return bool(published and noted and published.digest != noted["digest"])


def _missed(ctx: Context, wanted: Wanted, waiting: Waiting, error: ActionError) -> Park:
    """Ask once more; the attempt may be running, so this is no reason to start another."""
    missed = replace(waiting, misses=waiting.misses + 1)
    if missed.misses > MAX_MISSES:
        raise _lost(waiting, error.message) from error
    ctx.log(f"Cog prediction {waiting.job}: {error.message}", misses=missed.misses)
    delay = max(wanted.poll_interval or 0.0, min(60.0, 2.0**missed.misses))
    return missed.park(ctx, wanted, seconds=delay)


def told_by(wake: Wake, job: str) -> Snapshot | None:
    """What a callback says, None when it does not end this prediction."""
    try:
        snapshot = Snapshot.read(json.loads(wake.body))
    except (ValueError, RecursionError, MalformedOutput):
        return None
    if snapshot.id not in (None, job) or not snapshot.done:
        return None
    return snapshot


def _overrun(waiting: Waiting, wanted: Wanted) -> TimedOut:
    limit = f"{wanted.longest_run:g} s (run_timeout)"
    return TimedOut(
        f"Cog prediction {waiting.job} was stopped: it was not over after {limit}",
        hint="raise run_timeout, or ask the model for less",
    )


def _lost(waiting: Waiting, reason: str) -> TimedOut:
    return TimedOut(
        f"the result of Cog prediction {waiting.job} is lost: {reason}",
        hint="check that the server can reach HOOKLINE_BASE_URL; start it with "
        "--await-explicit-shutdown True, so that it finishes before it stops; another attempt is a new "
        'prediction: "retry": {"on": ["timeout"]}',
    )
