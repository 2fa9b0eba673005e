"""What a step asks for, and what it keeps while it waits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from hookline.sdk import ActionError, Context, Park, parse_duration
from hookline.sdk.expectations import check_expect
from hookline.sdk.predictions import parse_time

__all__ = ["INTERVAL", "Queued", "Waiting", "Wanted"]

Json = Any

INTERVAL = 30.0
"""Seconds without a callback until the server is asked."""

LONGEST_QUEUE = 3600.0
"""Seconds a step without a timeout waits for a place."""


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
    run_timeout: str | float | None = None
    addresses: Literal["hookline", "server"] = "hookline"

    @property
    def longest_run(self) -> float | None:
        """Seconds the model may run; None for any time."""
        return None if self.run_timeout is None else parse_duration(self.run_timeout, name="run_timeout")

    def check(self) -> None:
        """What can be known to be wrong before anything is asked.

        Raises:
            BadInput: A parameter cannot be used.
        """
        check_expect(self.expect or {})
        if self.run_timeout is not None:
            parse_duration(self.run_timeout, name="run_timeout")


@dataclass(frozen=True, slots=True)
class Queued:
    """`Park.data` of a step that waits for a place: a Cog server has no queue of its own.

    Attributes:
        queued_since: When it first asked.
    """

    queued_since: str

    def park(self, ctx: Context, reason: str, error: ActionError) -> Park:
        """Look again after a while: at once at first, as a server that calls back is busy a moment longer.

        Raises:
            ActionError: `error`, when a step without a timeout has waited for `LONGEST_QUEUE`.
        """
        waited = (ctx.now() - (parse_time(self.queued_since) or ctx.now())).total_seconds()
        if ctx.deadline is None and waited > LONGEST_QUEUE:
            raise error
        delay = min(0.25 + waited / 2, 15.0)
        return Park(reason, until=ctx.now() + timedelta(seconds=delay), data=asdict(self))


@dataclass(frozen=True, slots=True)
class Waiting:
    """`Park.data` of a step that waits.

    Attributes:
        job: The id on the server.
        since: When it was first sent.
        boot: The server's start then.
        accepted: Whether the server is known to have taken it.
        idle: Looks in a row at which the server had nothing to do.
        busy: Looks since the id was last put, at which the server had something to do.
        misses: Looks in a row at which the server did not answer.
        restarts: Times it was started again.
        held: Whether its result has to be waited for on a connection: see `Health.is_coglet`.
        began: When it was last started; `since` until it was started again.
    """

    job: str
    since: str
    boot: str | None
    accepted: bool = True
    idle: int = 0
    misses: int = 0
    restarts: int = 0
    held: bool = False
    began: str | None = None
    busy: int = 0

    def must_end(self, wanted: Wanted) -> datetime | None:
        """When it has run for as long as it may."""
        began = parse_time(self.began or self.since)
        if wanted.longest_run is None or began is None:
            return None
        return began + timedelta(seconds=wanted.longest_run)

    def park(self, ctx: Context, wanted: Wanted, *, seconds: float | None = None) -> Park:
        """Wait for the callback, or ask after `seconds`; if not given, no later than it must end."""
        delay = seconds if seconds is not None else wanted.poll_interval or INTERVAL
        until = ctx.now() + timedelta(seconds=delay)
        ends = self.must_end(wanted) if seconds is None else None
        until = until if ends is None else min(until, ends)
        return Park(f"Cog prediction {self.job}", until=until, data=asdict(self))
