"""What a trigger that looks is given, and what it found."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from .clients import Files, Http

__all__ = [
    "Pause",
    "Poll",
    "TriggerContext",
    "TriggerEvent",
    "Unreadable",
]

Json = Any


@dataclass(frozen=True, slots=True)
class TriggerEvent:
    """Something that happened.

    Attributes:
        key: The event's identity within this trigger: the same key never starts a second run.
        data: The event as expressions see it (``trigger.*``); valid against the output schema.
    """

    key: str
    data: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Something that came in and that nobody can read: kept as a rejected event, to be looked at.

    Attributes:
        key: Its identity; what comes again under it is kept once.
        reason: Why it cannot be read.
        body: What came, cut short where it is large.
    """

    key: str
    reason: str
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Poll:
    """What one look found. Events and cursor are committed together.

    Attributes:
        events: New events; those whose key was seen before are dropped by the engine.
        cursor: Given back at the next look; JSON.
        baseline: Keys to remember as seen without starting anything.
        next_at: When to look again; the trigger's own interval when None.
        skipped: Events that are recorded with a reason and start nothing, as (event, reason).
        unreadable: What is no event and must not be lost; committed with the events.
        acknowledge: Called once everything above is on disk, never before: it tells the source that
            it may forget (deletes messages of a queue). A process that dies before this is given
            the same again, and drops it by its keys; so it may fail, and may happen twice.
        problem: What went wrong while this was found, for people; empty when nothing did.
    """

    events: Sequence[TriggerEvent] = ()
    cursor: Json = None
    baseline: Sequence[str] = ()
    next_at: datetime | None = None
    skipped: Sequence[tuple[TriggerEvent, str]] = ()
    unreadable: Sequence[Unreadable] = ()
    acknowledge: Callable[[], Awaitable[None]] | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Pause:
    """A time during which a schedule starts nothing.

    Attributes:
        until: When it was resumed, None while it is paused.
    """

    since: datetime
    until: datetime | None = None

    def covers(self, moment: datetime) -> bool:
        """Whether what was to happen at this moment does not."""
        return self.since <= moment and (self.until is None or moment < self.until)


class TriggerContext(Protocol):
    """What a polling trigger is given.

    Attributes:
        workflow: The workflow it starts.
        cursor: What the last committed look returned, None at the first.
        interval: Seconds between looks, as the workflow or the trigger says.
        woken: This look was asked for by a request (`Poll.next_at`), and is not the usual one.
        pause: The last time that people paused a trigger that has `ticks`; None when they never did.
    """

    workflow: str
    cursor: Json
    interval: float
    woken: bool
    connection: Any
    http: Http
    files: Files
    pause: Pause | None

    def now(self) -> datetime: ...

    async def open(self, connection: str, *, type: str) -> Any:
        """The opened client of another connection; see `Context.open`.

        Raises:
            BadInput: There is no such connection, or it has another type.
        """

    def seen(self, keys: Iterable[str]) -> set[str]:
        """Which of these keys this trigger has had already."""

    def outcomes(self, keys: Iterable[str]) -> Mapping[str, str]:
        """The status of the run that each of these keys started: ``succeeded``, ``running``, …

        Keys that started none (yet), and those whose run has been forgotten, are left out.
        """
