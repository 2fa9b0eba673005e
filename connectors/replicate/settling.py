"""What an attempt of `run` or `train` left at Replicate, and what it cost: see `Action.on_settle`.

A prediction whose step is over (canceled with its run, out of time, given up) goes on unless it is told
to stop, and is billed for the time it ran. So it is looked at until it is over, and charged then, once.
Where only the intent is noted nobody knows whether it exists: it is looked for as after a crash, and
proof that there is none costs nothing. One that is found behind an unknown outcome is not stopped:
somebody may have found it on replicate.com, and be waiting for it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hookline.sdk import Context, Leftover, Park

from .client import ReplicateClient
from .lifecycle import Task, find_intended
from .prices import charge, estimate

__all__ = ["settle"]

_DELAYS = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
"""Seconds before each further look; a webhook brings it forward."""


async def settle(ctx: Context, task: Task[Any], left: Leftover) -> Park | None:
    """Look at what is left; None when it is over and charged, or never was.

    Raises:
        OutcomeUnknown: Whether there is anything cannot be told yet.
        ActionError: It cannot be looked at.
    """
    client: ReplicateClient = ctx.connection
    job = ctx.notes.get("prediction") or left.data.get("prediction")
    intent = ctx.notes.get("intent")
    if job is None and intent is not None:
        found = await find_intended(ctx, task, intent)
        if found is not None:
            await ctx.note(prediction=found.id)
            job = found.id
    if job is None:
        return None
    remote = await client.job(job, task.kind)
    if not remote.done:
        delay = _DELAYS[min(left.looks, len(_DELAYS)) - 1]
        return Park(f"Replicate {task.noun} {job} to end", ctx.now() + timedelta(seconds=delay))
    cost = await estimate(ctx, remote, task.hardware)
    charge(ctx, remote, cost)
    said = "its price is not known" if cost is None else f"{cost:.6g} USD by estimate"
    ctx.log(f"Replicate {task.noun} {job}, which this step left behind, was {remote.status}: {said}")
    return None
