"""An outside service that does what a test tells it: a script for each name, and a ledger of the calls."""

from __future__ import annotations

import asyncio
import threading
from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from hookline.sdk import (
    Context,
    Park,
    Wake,
)
from hookline.sdk.approvals import Question, QuestionEnded

Json = Any
BOUND = 15.0
"""Seconds after which a test that waits for something is given up."""


@dataclass(frozen=True)
class Give:
    """The call succeeds with `output`; a callable is called with the action's context."""

    output: Json = None
    cost: float = 0.0
    of: str = ""


@dataclass(frozen=True)
class Fail:
    """The call fails; with a `cost` it says that nothing is left to be paid."""

    error: BaseException
    cost: float | None = None


@dataclass(frozen=True)
class Wait:
    """The call parks, `seconds` at most."""

    seconds: float | None = None
    data: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True)
class Hang:
    """The call does not return until `Outside.release`, then goes on with `then`."""

    then: Any = Give()


@dataclass(frozen=True)
class Note:
    values: Mapping[str, Json]
    then: Any = Give()


@dataclass(frozen=True)
class Spend:
    """The call says what something cost, then goes on."""

    usd: float
    then: Any = Give()
    of: str = "model"


@dataclass(frozen=True)
class Reserve:
    """The call sets money aside, then goes on."""

    usd: float
    then: Any = Give()
    of: str = "model"
    firm: bool = False


@dataclass(frozen=True)
class Log:
    message: str
    values: Mapping[str, Json] = field(default_factory=dict)
    then: Any = Give()


@dataclass(frozen=True)
class Recall:
    """Gives what the other steps of the run have noted under `name`."""

    name: str


@dataclass(frozen=True)
class Call:
    """One use of the service. `how` is run, resume, lookup or cancel."""

    how: str
    name: str
    key: str
    attempt: int
    wake: Wake | None = None
    data: Mapping[str, Json] | None = None
    notes: Mapping[str, Json] = field(default_factory=dict)
    callback_url: str = ""


class Outside:
    """What happens when actions call out: a script for each name, and a ledger of the calls."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.stopped: list[str] = []
        self.questions: list[Question] = []
        self.ended: list[QuestionEnded] = []
        self.answered: list[tuple[str, str, str]] = []
        self.groups: dict[str, list[str]] = {}
        self.changed = threading.Condition()
        self._scripts: defaultdict[str, deque[Any]] = defaultdict(deque)
        self._hanging: defaultdict[str, list[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]]]
        self._hanging = defaultdict(list)
        self._blocked: defaultdict[str, threading.Event] = defaultdict(threading.Event)

    def script(self, name: str, *does: Any) -> None:
        """What the next calls under this name do; a name without a script gives its value."""
        self._scripts[name].extend(does)

    def of(self, name: str, how: str | None = None) -> list[Call]:
        return [call for call in self.calls if call.name == name and how in (None, call.how)]

    def hanging(self, name: str) -> int:
        return len(self._hanging[name])

    def release(self, name: str) -> None:
        """Let every call that hangs under this name go on."""
        self._blocked[name].set()
        hanging, self._hanging[name] = self._hanging[name], []
        for loop, future in hanging:
            loop.call_soon_threadsafe(lambda future=future: future.done() or future.set_result(None))

    def enter(self, call: Call) -> Any:
        with self.changed:
            self.calls.append(call)
            self.changed.notify_all()
        script = self._scripts[call.name]
        return script.popleft() if script else None

    async def answer(self, ctx: Context, call: Call, value: Json) -> Any:
        does = self.enter(call)
        while True:
            match does:
                case None:
                    return {"value": value}
                case Give():
                    ctx.cost(does.cost, of=does.of)
                    return {"value": value} if does.output is None else does.output
                case Fail():
                    if does.cost is not None:
                        ctx.cost(does.cost)
                    raise does.error
                case Spend():
                    ctx.cost(does.usd, of=does.of)
                case Reserve():
                    await ctx.reserve(does.usd, of=does.of, firm=does.firm)
                case Wait():
                    until = None if does.seconds is None else ctx.now() + timedelta(seconds=does.seconds)
                    return Park(f"{call.name} to be done", until, does.data)
                case Note():
                    await ctx.note(**does.values)
                case Log():
                    ctx.log(does.message, **does.values)
                case Recall():
                    return ctx.noted(does.name)
                case Hang():
                    await self._hang(call)
                case _:
                    raise AssertionError(does)
            does = does.then

    async def _hang(self, call: Call) -> None:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        with self.changed:
            self._hanging[call.name].append((loop, future))
            self.changed.notify_all()
        try:
            await future
        except asyncio.CancelledError:
            with self.changed:
                self.stopped.append(call.key)
                self._hanging[call.name] = [
                    item for item in self._hanging[call.name] if item[1] is not future
                ]
                self.changed.notify_all()
            raise

    def block(self, name: str) -> None:
        self._blocked[name].wait(BOUND)
