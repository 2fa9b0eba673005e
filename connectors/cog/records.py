"""What a step asks for, and what it keeps while it waits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any, Literal

from hookline.sdk import Context, Park

__all__ = ["INTERVAL", "Waiting", "Wanted"]

Json = Any

INTERVAL = 30.0
"""Seconds without a callback until the server is asked."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The parameters of one step."""

    input: Mapping[str, Json]
    delivery: Literal["callback", "connection"] = "callback"
    when_lost: Literal["run_again", "fail"] = "run_again"
    poll_interval: float | None = None
    usd_per_second: float | None = None
    model: str | None = None
    expect: Mapping[str, Json] | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """`Park.data` of a step that waits.

    Attributes:
        job: The id on the server.
        since: When it was first sent.
        boot: The server's start then.
        accepted: Whether the server is known to have taken it.
        idle: Looks in a row at which the server had nothing to do.
        misses: Looks in a row at which the server did not answer.
        restarts: Times it was started again.
        held: Whether its result has to be waited for on a connection: see `Health.is_coglet`.
    """

    job: str
    since: str
    boot: str | None
    accepted: bool = True
    idle: int = 0
    misses: int = 0
    restarts: int = 0
    held: bool = False

    def park(self, ctx: Context, wanted: Wanted, *, seconds: float | None = None) -> Park:
        """Wait for the callback, or ask after some time."""
        delay = seconds if seconds is not None else wanted.poll_interval or INTERVAL
        until = ctx.now() + timedelta(seconds=delay)
        return Park(f"Cog prediction {self.job}", until=until, data=asdict(self))
