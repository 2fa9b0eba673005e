"""What an attempt left on a Cog server, and what it cost: see `Action.on_settle`.

A server is asked once more whether it is still at work, for it may have forgotten that it was told to
stop. It keeps nothing, so there is nothing to be read afterwards: a callback says how long the model ran.
Where none comes (the server cannot reach us, or a connection was held) the time until the server is
found idle is charged: an upper bound.
"""

from __future__ import annotations

from datetime import timedelta

from hookline.sdk import (
    Context,
    Leftover,
    MalformedOutput,
    OutcomeUnknown,
    Park,
    RateLimited,
    Unavailable,
)
from hookline.sdk.predictions import parse_time

from .client import CogClient, Snapshot
from .finish import charge
from .lifecycle import MAX_MISSES, SOON, told_by
from .problems import BUSY_SECONDS
from .records import Waiting, Wanted

__all__ = ["settle"]


async def settle(ctx: Context, wanted: Wanted, left: Leftover) -> Park | None:
    """Look whether it is over; None when it is, and was charged where a price is known."""
    kept = left.data if "job" in left.data else ctx.notes.get("intent")
    is_stopped = left.reason != "unknown"
    if kept is None or not (is_stopped or wanted.usd_per_second is not None):
        return None
    client: CogClient = ctx.connection
    waiting = Waiting(**kept)
    over = ctx.notes.get("over")  # Its files could not be fetched yet.
    told = Snapshot.read(over) if over else None
    told = told or next(filter(None, (told_by(wake, waiting.job) for wake in ctx.callbacks)), None)
    if told is not None and told.predict_seconds is not None:
        charge(ctx, client, wanted, told.predict_seconds)
        return None
    try:
        health = await client.health()
        is_busy = health.status == "BUSY" and health.boot == waiting.boot
    except (Unavailable, RateLimited, OutcomeUnknown, MalformedOutput):
        is_busy = False  # A server that is gone computes nothing.
    if told is None and (left.looks == 1 or (is_busy and left.looks < MAX_MISSES)):
        if is_busy and left.looks > 1 and is_stopped:
            # A cancel that comes in a prediction's first milliseconds can be forgotten.
            await client.cancel(waiting.job)
        until = ctx.now() + timedelta(seconds=SOON if left.looks == 1 else BUSY_SECONDS)
        return Park(f"Cog prediction {waiting.job} to stop", until, {"busy": is_busy})
    began = parse_time(waiting.since) or left.since
    ended = ctx.now() if left.kept.get("busy") else left.since
    charge(ctx, client, wanted, max((ended - began).total_seconds(), 0.0))
    return None
