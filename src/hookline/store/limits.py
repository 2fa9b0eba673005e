"""Units that ask for a share of what there is only so much of, and their answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

__all__ = [
    "MONEY",
    "Admission",
    "Admit",
    "Cap",
    "Claim",
    "Claimed",
    "TakeTurns",
    "Turns",
]

MONEY = "usd"
"""How the names of all money begin, in US dollars: what is set aside of it may outlast its attempt."""


@dataclass(frozen=True, slots=True)
class Admit:
    """Let a queued run start if the limits of its workflow allow it now.

    Attributes:
        max_running: Most runs with its concurrency key that may be open, None for no limit.
        rate_key: Name of the rate limiter, None for no limit.
        rate: Starts per `rate_per` seconds.

    Answer: an `Admission`.
    """

    run_id: str
    owner: str
    now: float
    max_running: int | None = None
    rate_key: str | None = None
    rate: int = 0
    rate_per: float = 60.0
    is_intake = False


@dataclass(frozen=True, slots=True)
class Admission:
    """Whether the run may start (then under `epoch`), and if not, when to ask again.

    `retry_at` is None when a place has to become free first.
    """

    admitted: bool
    epoch: int = 0
    retry_at: float | None = None


@dataclass(frozen=True, slots=True)
class Cap:
    """A bound that a claim must keep.

    What counts is every claim of `name` (the attempt's own earlier one is replaced), `used`, and
    what the ledger says since the day of `since`: of `workflow`, or of all when that is None.
    """

    name: str
    most: float
    used: float = 0.0
    workflow: str | None = None
    since: float | None = None


PARTS = 1_000_000_000
"""Claims are kept in billionths: whole numbers, whose sum is the same in whatever order they come and go."""

MOST_PARTS = PARTS * PARTS
"""What a single claim counts for at most: the sum of several is still a number of 64 bits."""


def in_parts(amount: float) -> int:
    """An amount as it is kept and added up."""
    return MOST_PARTS if amount * PARTS >= MOST_PARTS else round(amount * PARTS)


@dataclass(frozen=True, slots=True)
class Claim:
    """An attempt lays claim to something that there is only so much of: money, a place, a request.

    It replaces what the attempt claimed before under the same names. It is all granted or all
    refused, and lasts until the attempt or the run ends (`Advance`). It is refused with `Fenced`
    under the same conditions as an `Advance`.

    Attributes:
        epoch: The run's.
        amounts: How much of each name.
        caps: What must hold; claims without a cap are granted.

    Answer: a `Claimed`.
    """

    run_id: str
    path: str
    attempt: int
    epoch: int
    amounts: Mapping[str, float]
    caps: Sequence[Cap] = ()
    is_intake = False


@dataclass(frozen=True, slots=True)
class Claimed:
    """Whether a claim was granted; if not, the first cap in its way and how much of it is taken."""

    granted: bool
    cap: Cap | None = None
    taken: float = 0.0


@dataclass(frozen=True, slots=True)
class TakeTurns:
    """Take the next `count` turns of a rate that is shared by everybody with the same name.

    Generic cell rate algorithm: turns come `spacing` seconds apart, and those that were not used
    may be made up for by a burst of at most `burst`.

    Attributes:
        not_before: Nobody's next turn comes earlier; what a service asks for when it was asked too
            often. It may be given with a `count` of 0.

    Answer: a `Turns`.
    """

    name: str
    now: float
    count: int
    spacing: float
    burst: int = 1
    not_before: float | None = None
    is_intake = False


@dataclass(frozen=True, slots=True)
class Turns:
    """The first turn's time, which may lie in the past; the others follow `TakeTurns.spacing` apart."""

    first: float
