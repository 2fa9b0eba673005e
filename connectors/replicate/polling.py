"""When to look at a prediction again, and whether a webhook can reach us."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal
from urllib.parse import urlsplit

from hookline.sdk import Park
from hookline.sdk.http import is_public_host

__all__ = ["Waiting", "callback_for"]

Json = Any

_ALONE = (0.5, 0.5, 0.5, 0.5, 1.0, 2.0, 2.0, 5.0, 5.0, 10.0)
"""Seconds before each look when nobody will tell us; reads are cheap (3,000 a minute)."""

_BACKUP = (30.0, 30.0, 60.0, 60.0, 120.0)
"""Seconds before each look while a webhook is expected. Replicate gives up delivering it a minute
after the end, so a lost one is never delivered again."""

_NEAR = (5.0, *_BACKUP)
"""The same with an address on this machine, where nobody may be listening: `hookline run` has no server."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """`Park.data` of a step that waits for a prediction.

    Attributes:
        prediction: Its id.
        webhook: Whether one was asked for.
        polls: Looks so far, the answer to the creation included.
        misses: Failed looks and downloads in a row.
        near: Whether its address is on this machine.
    """

    prediction: str
    webhook: bool
    polls: int = 0
    misses: int = 0
    near: bool = False

    def park(
        self,
        now: datetime,
        *,
        every: float | None,
        at_least: float = 0.0,
        no_later: datetime | None = None,
        noun: str = "prediction",
        problem: str = "",
    ) -> Park:
        """Wait for the webhook or the next look; `problem` is why the last one failed."""
        schedule = _ALONE if not self.webhook else _NEAR if self.near else _BACKUP
        delay = every if every is not None else schedule[min(max(self.polls, 1), len(schedule)) - 1]
        if self.misses:
            delay = max(delay, min(60.0, 2.0**self.misses), at_least)
        until = now + timedelta(seconds=delay)
        if no_later is not None and not self.misses:
            until = max(now, min(until, no_later))
        return Park(
            reason=f"Replicate {noun} {self.prediction}" + (f" ({problem})" if problem else ""),
            until=until,
            data=self.to_json(),
        )

    def looked(self) -> Waiting:
        """After a look that found the prediction unfinished."""
        return replace(self, polls=self.polls + 1, misses=0)

    def missed(self) -> Waiting:
        """After a look or a download that failed."""
        return replace(self, misses=self.misses + 1)

    def to_json(self) -> dict[str, Json]:
        """As kept in the run's record."""
        return {
            "prediction": self.prediction,
            "webhook": self.webhook,
            "polls": self.polls,
            "misses": self.misses,
            "near": self.near,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Json]) -> Waiting:
        """As read from the run's record."""
        near = data.get("near", False)
        return cls(data["prediction"], data["webhook"], data["polls"], data["misses"], near)

    @classmethod
    def on(cls, prediction: str, callback: str | None) -> Waiting:
        """For a prediction that was made with this callback address, or with none."""
        near = callback is not None and _is_loopback(urlsplit(callback).hostname or "")
        return cls(prediction, webhook=callback is not None, near=near)


def callback_for(mode: Literal["auto", "always", "never"], callback_url: str, base_url: str) -> str | None:
    """The callback address to give to Replicate, None when it could not use it.

    Replicate takes public https addresses only. A stand-in on this machine can reach this machine.
    """
    if mode == "never" or not callback_url:
        return None
    if mode == "always":
        return callback_url
    url = urlsplit(callback_url)
    public = url.scheme == "https" and is_public_host(url.hostname or "")
    both_here = _is_loopback(url.hostname or "") and _is_loopback(urlsplit(base_url).hostname or "")
    return callback_url if public or both_here else None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
