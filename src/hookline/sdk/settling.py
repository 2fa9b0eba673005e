"""What an action is told of an attempt whose work it is to settle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

__all__ = ["Leftover"]

Json = Any


@dataclass(frozen=True, slots=True)
class Leftover:
    """What an attempt that is over may have left behind elsewhere.

    Its notes are in `Context.notes`, and what has come to its callback address, also since it ended, in
    `Context.callbacks`.

    Attributes:
        reason: How the attempt ended: ``canceled``; ``failed``, by its own error or because its time was
            over; ``unknown``: nobody could find out whether its request was acted upon.
        since: When it ended.
        looks: How often it was looked at, this time included.
        data: `Park.data` of the attempt, empty when it had not parked.
        kept: `Park.data` of the last look, empty at the first.
    """

    reason: Literal["canceled", "failed", "unknown"]
    since: datetime
    looks: int
    data: Mapping[str, Json]
    kept: Mapping[str, Json]
