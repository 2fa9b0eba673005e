"""`hookline.sdk.Context` as actions and triggers get it from the engine."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from hookline.core import events as ev
from hookline.sdk import File, Files, FileStore, Http, PastOutput, Pause, Unavailable, Wake

from .files import safe_name, stored_file
from .pacing import Pace, Paces
from .past import Past
from .project_files import read_project_file

__all__ = [
    "RESERVED_NOTE",
    "AttemptContext",
    "HookContextImpl",
    "PollContext",
    "PureContext",
    "VerifyContext",
    "run_blocking",
]

Json = Any
T = TypeVar("T")

_PIECE = 256 * 1024
PAST_RUNS = 50
"""Runs whose histories are read on one visit to another thread."""
OpenConnection = Callable[[str, str], Awaitable[Any]]
OpenStore = Callable[[File | str, str], Awaitable[FileStore]]
SetAside = Callable[[float, str, bool], Awaitable[float]]
Keep = Callable[[dict[str, Json], float, "dict[str, float] | None"], Awaitable[None]]

RESERVED_NOTE = "$reserved"
"""The note that keeps what was set aside for the thing that the attempt was about to start."""


@dataclass(slots=True)
class AttemptContext:
    """What one attempt is given.

    `keep` puts a note of the attempt on disk, with what it has cost since the last; `noted` reads those of
    the run's other steps; `say` adds a line to its log; `show` is for live views; `set_aside` lays claim to
    money, and says to how much. `charges` is what makes up `spent`. `owes` is whether something that it
    started may still be to be paid.
    """

    run_id: str
    workflow: str
    step: str
    attempt: int
    idempotency_key: str
    deadline: datetime | None
    callback_url: str
    connection: Any
    http: Http
    files: Files
    notes: Mapping[str, Json]
    callbacks: Sequence[Wake]
    clock: Callable[[], float]
    keep: Keep
    noted: Callable[[str], list[Json]]
    say: Callable[[str, dict[str, Json]], None]
    show: Callable[[str, bool], None]
    open_connection: OpenConnection
    open_file_store: OpenStore
    set_aside: SetAside
    project: Path
    past: Past
    spent: float = 0.0
    charges: dict[str, float] = field(default_factory=dict)
    owes: bool = True
    reserved: dict[str, Json] | None = None

    @property
    def named(self) -> dict[str, float] | None:
        """What makes up the cost, None where the action does not say."""
        return dict(self.charges) if any(self.charges) else None

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.clock(), UTC)

    async def note(self, **values: Json) -> None:
        if self.reserved is not None:
            values[RESERVED_NOTE] = self.reserved
            self.reserved = None
        self.notes = {**self.notes, **values}
        spent, charges = self.spent, self.named
        self.spent, self.charges = 0.0, {}
        await self.keep(values, spent, charges)

    async def open(self, connection: str, *, type: str) -> Any:
        return await self.open_connection(connection, type)

    async def open_store(self, at: File | str, connection: str = "") -> FileStore:
        return await self.open_file_store(at, connection)

    async def project_file(self, path: str, *, max_bytes: int) -> bytes:
        return await asyncio.to_thread(read_project_file, self.project, path, max_bytes)

    async def past_outputs(
        self, is_wanted: Callable[[Json], bool], *, since: datetime, workflow: str = ""
    ) -> AsyncIterator[PastOutput]:
        runs = self.past.runs(is_wanted, since.timestamp(), workflow or None)
        while some := await asyncio.to_thread(list, islice(runs, PAST_RUNS)):
            for run in some:
                if run.problem:
                    self.log("The history of a run cannot be read", run=run.id)
                for output in run.outputs:
                    yield output

    def log(self, message: str, **values: Json) -> None:
        self.say(message, values)

    def cost(self, usd: float, *, of: str = "") -> None:
        if not math.isfinite(usd):
            raise ValueError(f"a cost of {usd} US dollars")
        self.owes = False
        if usd:
            self.spent += usd
            self.charges[of] = self.charges.get(of, 0.0) + usd

    async def reserve(self, usd: float, *, of: str = "", firm: bool = False) -> None:
        if not (math.isfinite(usd) and usd >= 0):
            raise ValueError(f"a reserve of {usd} US dollars")
        self.owes = True
        aside = await self.set_aside(usd + self.spent, of, firm)
        self.reserved = {"usd": aside - self.spent, "of": of}

    def progress(self, text: str, *, replace: bool = False) -> None:
        self.show(text, replace)


@dataclass(slots=True)
class PureContext:
    """What an action that does no IO is given: where it stands, and a place for lines."""

    step: str
    attempt: int
    lines: list[ev.StepLogged] = field(default_factory=list)

    def log(self, message: str, **values: Json) -> None:
        self.lines.append(ev.StepLogged(self.step, message, values))


@dataclass(slots=True)
class VerifyContext:
    """What an action's check of a callback is given: no attempt is under way."""

    connection: Any
    http: Http
    files: Files
    clock: Callable[[], float]

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.clock(), UTC)


@dataclass(slots=True)
class PollContext:
    """What a polling trigger is given."""

    workflow: str
    cursor: Json
    interval: float
    woken: bool
    connection: Any
    http: Http
    files: Files
    clock: Callable[[], float]
    has_seen: Callable[[Iterable[str]], set[str]]
    find_outcomes: Callable[[Iterable[str]], Mapping[str, str]]
    open_connection: Callable[[str, str], Any]
    settings: Mapping[str, str] = field(default_factory=dict)
    pause: Pause | None = None

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.clock(), UTC)

    async def open(self, connection: str, *, type: str) -> Any:
        return self.open_connection(connection, type)

    def seen(self, keys: Iterable[str]) -> set[str]:
        return self.has_seen(keys)

    def outcomes(self, keys: Iterable[str]) -> Mapping[str, str]:
        return self.find_outcomes(keys)


@dataclass(slots=True)
class HookContextImpl:
    """What a webhook trigger is given; it runs on a thread of the server.

    `name` is the one under which `paces` counts its requests.
    """

    workflow: str
    connection: Any
    http: Http | None
    files: Files
    artifacts: Any
    clock: Callable[[], float] = time.time
    paces: Paces | None = None
    name: str = ""
    loop: asyncio.AbstractEventLoop | None = None

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.clock(), UTC)

    def take_turn(self, count: int, seconds: float) -> float:
        return self.paces.take(self.name, Pace(count, seconds)) if self.paces is not None else 0.0

    def ask(self, coroutine: Coroutine[Any, Any, T], *, timeout: float) -> T:
        if self.loop is None:
            coroutine.close()
            raise Unavailable("nothing outside can be asked here")
        asked = asyncio.run_coroutine_threadsafe(coroutine, self.loop)
        try:
            return asked.result(timeout)
        except FutureTimeout as error:
            asked.cancel()
            raise Unavailable(f"there was no answer in {timeout:g} s") from error

    def save_file(self, content: bytes | BinaryIO, *, name: str, mime: str) -> File:
        with self.artifacts.writer() as writer:
            if isinstance(content, bytes):
                writer.write(content)
            else:
                while piece := content.read(_PIECE):
                    writer.write(piece)
        stored = writer.stored
        return stored_file(stored.sha256, stored.size, safe_name(name), mime)


async def run_blocking(pool: Any, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Run a plain function in the bounded pool for blocking work."""
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(pool, lambda: function(*args, **kwargs))
