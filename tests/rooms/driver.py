"""Plays the engine for one attempt of one action: runs it, parks it, wakes it, kills it, recovers it.

What is durable in the engine is durable here: the notes, the `Park`, the callbacks. A `Crash` can be
set before or after every call an action makes to the outside (a note, a request, a download, a saved
file) and before its result is committed; everything that is not durable is gone then, and
`recover` does what the engine does after a restart.
"""

from __future__ import annotations

import asyncio
import inspect
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from hookline.engine.http import GuardedClient, Policy
from hookline.engine.http.sdk import SdkHttp
from hookline.sdk import (
    Action,
    ActionError,
    ConnectionContext,
    File,
    Leftover,
    NotFound,
    OutcomeUnknown,
    OverBudget,
    Park,
    PastOutput,
    Wake,
)
from hookline.testing.clock import Clock
from hookline.testing.fakes import FakeFiles
from hookline.testing.httpd import Answer, HttpServer, Request, Reset, Response

__all__ = ["Crash", "Driver"]

Json = Any
LOOPBACK = Policy(allow_http=True, allow_networks=("127.0.0.0/8",), ports=None)
MAX_WAKES = 200
"""Above it a test is going in circles."""


class Crash(BaseException):
    """The process died. No component may catch it."""


@dataclass(slots=True)
class Record:
    """What is on disk."""

    notes: dict[str, Json] = field(default_factory=dict)
    park: Park | None = None
    callbacks: deque[tuple[dict[str, str], bytes]] = field(default_factory=deque)
    received: list[Wake] = field(default_factory=list)
    stage: str = "new"
    output: Any = None
    error: ActionError | None = None
    wake_data: Mapping[str, Json] = field(default_factory=dict)

    @property
    def done(self) -> bool:
        return self.output is not None or self.error is not None


class Driver:
    """One attempt.

    Args:
        connect: Opens the action's connection.
        clock: Shared with the stand-in; advanced while the action is parked.
        crash_at: Numbers of the boundaries at which the process dies, counted over all its lives.
        reachable: Whether there is a callback address.
        timeout: Seconds that no request may exceed, whatever the action asks for.
    """

    def __init__(
        self,
        action: Action,
        parameters: Mapping[str, Json],
        connect: Callable[[ConnectionContext], Any],
        clock: Clock,
        *,
        crash_at: tuple[int, ...] = (),
        deadline: datetime | None = None,
        reachable: bool = True,
        timeout: float = 10.0,
        policy: Policy = LOOPBACK,
        files: FakeFiles | None = None,
    ) -> None:
        self.action = action
        self.parameters = parameters
        self.clock = clock
        self.crash_at = set(crash_at)
        self.record = Record()
        self.deadline = deadline
        self.reachable = reachable
        self.files = files or FakeFiles()
        self.boundaries: list[str] = []
        self.unknown: OutcomeUnknown | None = None
        self.crashes = 0
        self.wakes: list[str] = []
        self.looked_up = 0
        self.settled_looks = 0
        self.refused: list[bytes] = []
        self.shown = ""
        self.budget: float | None = None
        self.charged: list[tuple[str, float]] = []
        self.unsaved: list[tuple[str, float]] = []
        self.owes = True
        self.reserved: list[tuple[str, float, bool]] = []
        self.project: dict[str, bytes] = {}
        self.logged: list[str] = []
        self.other_notes: list[Mapping[str, Json]] = []
        self.past: list[PastOutput] = []
        self.key = "run_1/steps[0]/1"
        self._connect = connect
        self.timeout = timeout
        self.policy = policy
        self._loop: asyncio.AbstractEventLoop | None = None
        self._guarded: GuardedClient | None = None
        self._connection: Any = None
        self._arrived = asyncio.Event()
        self._verifying = asyncio.Lock()
        self._server = HttpServer(name="callbacks")

    # The life of the process

    async def __aenter__(self) -> Driver:
        self._loop = asyncio.get_running_loop()
        self._server.start(self._callback)
        await self._boot()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await asyncio.to_thread(self._server.stop)
        await self._halt()

    async def _boot(self) -> None:
        self._guarded = GuardedClient(self.policy)
        self._connection = self._connect(_ConnectionContext(self))
        self._http = self.open_http()

    def open_http(self, base_url: str = "", headers: Mapping[str, str] | None = None) -> _Http:
        """The engine's own client, with a moment to die before and after each request."""
        assert self._guarded is not None
        files = _Files(self, self.files)
        return _Http(self, SdkHttp(self._guarded, files=files, base_url=base_url, headers=headers))

    async def _halt(self) -> None:
        async with self._verifying:  # Closing the client under a request would leave its socket open.
            if self._guarded is not None:
                await self._guarded.aclose()

    @property
    def callback_url(self) -> str:
        """Address that wakes the attempt."""
        return f"{self._server.origin}/callbacks/3f9c-token" if self.reachable else ""

    def boundary(self, name: str) -> None:
        """A moment at which the process may die."""
        self.boundaries.append(name)
        if len(self.boundaries) - 1 in self.crash_at:
            self.crashes += 1
            raise Crash(name)

    # The protocol

    async def finish(self) -> Record:
        """Run to the end, through every crash, with the clock moved whenever there is only waiting."""
        if self.record.stage == "new":
            await self._survive(self._start)
        for _ in range(MAX_WAKES):
            if self.record.done:
                return self.record
            if self.record.stage == "unknown":
                assert self.unknown is not None
                await self.advance(self.unknown.retry_after or 1.0)
                await self._survive(self._look_up)
            else:
                await self._wait()
                await self._survive(self._wake)
        raise AssertionError(f"not over after {MAX_WAKES} wakes: {self.record}")

    async def start(self) -> Record:
        """Only the first call."""
        await self._survive(self._start)
        return self.record

    async def wake(self) -> Record:
        """Deliver what is there: a callback if one came, the timer otherwise."""
        await self._survive(self._wake)
        return self.record

    async def look_up(self) -> Record:
        """Only a look-up."""
        await self._survive(self._look_up)
        return self.record

    async def advance(self, seconds: float) -> None:
        """Let time pass; the loop stays free for callbacks."""
        await asyncio.to_thread(self.clock.advance, seconds)

    async def callback_arrives(self, timeout: float = 20.0) -> None:
        """Wait, in real time, for a callback that a real server sends."""
        await asyncio.wait_for(self._arrived.wait(), timeout)
        self._arrived.clear()

    async def start_until_crash(self) -> bool:
        """The first call, cut off at the first crash; False when it came to its end before."""
        try:
            await self._start()
        except Crash:
            await self._restart()
            return True
        return False

    async def settle(self, reason: Literal["canceled", "failed", "unknown"] = "canceled") -> None:
        """The attempt is over: stop what it left, and look until it is settled, through every crash."""
        assert self.action.cancel is not None
        assert self.action.settle is not None
        park, since, is_stopped = self.record.park, self.now(), reason == "unknown"
        data: Mapping[str, Json] = park.data if park is not None else {}
        kept: Mapping[str, Json] = {}
        # What came before the end was the attempt's to read.
        self.record.received.clear()
        self.settled_looks = 0
        for _ in range(MAX_WAKES):
            self.settled_looks += 1
            looked: Park | None = None
            try:
                if not is_stopped:
                    await self.action.cancel(self, data, **self._bound())
                    self.boundary("stopped")
                left = Leftover(reason, since, self.settled_looks, data, kept)
                looked = await self.action.settle(self, left, **self._bound())
                self.boundary("commit settlement")
            except Crash:
                await self._restart()
                continue
            except ActionError as error:
                self.log(error.message)
                looked = Park(error.message, self.now() + timedelta(seconds=5), kept)
            else:
                is_stopped = True
            self._save_costs()
            if looked is None:
                return
            kept = looked.data
            if not self.record.callbacks:
                assert looked.until is not None
                await self.advance(max(0.0, (looked.until - self.now()).total_seconds()))
            self.record.callbacks.clear()
        raise AssertionError(f"not settled after {MAX_WAKES} looks: {self.logged}")

    async def cancel(self) -> None:
        """The run is canceled while the step is parked, or waits to be looked up."""
        assert self.record.park is not None or self.record.stage == "unknown"
        assert self.action.cancel is not None
        data = self.record.park.data if self.record.park else {}
        await self.action.cancel(self, data, **self._bound())

    def deliver(self, headers: Mapping[str, str], body: bytes) -> None:
        """Put a callback into the inbox as if it had been verified and stored."""
        self.record.callbacks.append((dict(headers), body))
        self.record.received.append(Wake("callback", {}, body, dict(headers)))

    async def _survive(self, stage: Callable[[], Any]) -> None:
        while True:
            try:
                await stage()
                return
            except Crash:
                await self._restart()
                stage = self._recover

    async def _restart(self) -> None:
        """Another process: what the last one had not put on disk is gone."""
        self.unsaved.clear()
        await self._halt()
        await self._boot()

    def _save_costs(self) -> None:
        self.charged += self.unsaved
        self.unsaved.clear()

    async def _recover(self) -> None:
        match self.record.stage:
            case "new":
                await self._start()
            case "run" | "lookup":
                await self._look_up()
            case "resume":
                await self._call_resume(Wake("recovered", self.record.wake_data))
            case "parked" | "unknown" | "done":
                return

    async def _start(self) -> None:
        self.record.stage = "run"
        await self._settle_outcome(self.action.run(self, **self._bound()))

    async def _look_up(self) -> None:
        self.looked_up += 1
        self.record.stage = "lookup"
        assert self.action.lookup is not None
        found = await self._settle_outcome(self.action.lookup(self, **self._bound()), may_be_none=True)
        if found is None and not self.record.done and self.record.stage == "lookup":
            await self._start()

    async def _wait(self) -> None:
        if self.record.callbacks:
            return
        park = self.record.park
        assert park is not None
        assert park.until is not None, "nothing would ever wake it"
        await self.advance(max(0.0, (park.until - self.now()).total_seconds()))

    async def _wake(self) -> None:
        park = self.record.park
        assert park is not None
        if self.record.callbacks:
            headers, body = self.record.callbacks.popleft()
            wake = Wake("callback", park.data, body, headers)
        else:
            wake = Wake("timer", park.data)
        self.wakes.append(wake.kind)
        self.record.wake_data = park.data
        await self._call_resume(wake)

    async def _call_resume(self, wake: Wake) -> None:
        self.record.stage = "resume"
        assert self.action.resume is not None
        await self._settle_outcome(self.action.resume(self, wake, **self._bound()))

    async def _settle_outcome(self, call: Any, *, may_be_none: bool = False) -> Any:
        try:
            result = await call if inspect.isawaitable(call) else call
            self.boundary("commit")
            self._save_costs()
        except OutcomeUnknown as error:
            self.boundary("commit unknown")
            self.record.stage, self.unknown = "unknown", error
            return None
        except ActionError as error:
            self.boundary("commit error")
            self._save_costs()
            self.record.error, self.record.stage = error, "done"
            return error
        if isinstance(result, Park):
            self.record.park, self.record.stage = result, "parked"
        elif result is not None or not may_be_none:
            self.record.output, self.record.stage = result, "done"
        return result

    def _bound(self) -> dict[str, Json]:
        return self.action.bind(self.parameters)

    def _callback(self, request: Request) -> Answer:
        headers = {name.lower(): value for name, value in request.headers.items()}
        if self.action.verify is not None:
            assert self._loop is not None
            checked = self._verify(headers, request.body)
            try:
                genuine = asyncio.run_coroutine_threadsafe(checked, self._loop).result(20)
            except Crash:
                return Reset()  # Not stored, not acknowledged: the sender tries again, or does not.
            if not genuine:
                self.refused.append(request.body)
                return Response.text(401, "not genuine")
        self.record.callbacks.append((headers, request.body))
        self.record.received.append(Wake("callback", {}, request.body, headers))
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._arrived.set)
        return Response.of(200, {"ok": True})

    async def _verify(self, headers: Mapping[str, str], body: bytes) -> bool:
        assert self.action.verify is not None
        async with self._verifying:
            return bool(await self.action.verify(self, headers, body))

    # hookline.sdk.Context

    run_id = "run_1"
    workflow = "test"
    step = "steps[0]"
    attempt = 1

    @property
    def idempotency_key(self) -> str:
        return self.key

    @property
    def connection(self) -> Any:
        return self._connection

    @property
    def http(self) -> _Http:
        return self._http

    @property
    def notes(self) -> Mapping[str, Json]:
        return dict(self.record.notes)

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.clock.now(), UTC)

    async def note(self, **values: Json) -> None:
        self.boundary(f"before note {sorted(values)}")
        self.record.notes |= values
        self._save_costs()
        self.boundary(f"after note {sorted(values)}")

    @property
    def callbacks(self) -> list[Wake]:
        return self.record.received

    def noted(self, name: str) -> list[Json]:
        return [notes[name] for notes in self.other_notes if name in notes]

    async def past_outputs(
        self, is_wanted: Callable[[Json], bool], *, since: datetime, workflow: str = ""
    ) -> AsyncIterator[PastOutput]:
        for each in self.past:
            if each.at >= since and is_wanted(each.output):
                yield each

    def log(self, message: str, **values: Json) -> None:
        self.logged.append(message)

    def cost(self, usd: float, *, of: str = "") -> None:
        self.owes = False
        if usd:
            self.unsaved.append((of, usd))

    @property
    def usd(self) -> float:
        """What was charged, and is on disk."""
        return sum(usd for _, usd in self.charged)

    async def project_file(self, path: str, *, max_bytes: int) -> bytes:
        if path not in self.project:
            raise NotFound(f"the project has no file {path}")
        return self.project[path]

    def progress(self, text: str, *, replace: bool = False) -> None:
        self.shown = text if replace else self.shown + text

    async def reserve(self, usd: float, *, of: str = "", firm: bool = False) -> None:
        self.boundary(f"before reserve {of}")
        self.owes = True
        self.reserved.append((of, usd, firm))
        if self.budget is not None and self.usd + usd > self.budget:
            raise OverBudget(f"{of} may cost {usd:g} USD", fallback=True)
        self.boundary(f"after reserve {of}")


class _ConnectionContext:
    name = "test"

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    def http(self, base_url: str, *, headers: Mapping[str, str] | None = None) -> _Http:
        return self._driver.open_http(base_url, headers)

    def setting(self, name: str, default: str = "") -> str:
        return default


class _Http:
    def __init__(self, driver: Driver, inner: SdkHttp) -> None:
        self._driver = driver
        self._inner = inner

    async def request(self, method: str, url: str, **options: Any) -> Any:
        # A silent server must not cost a test the half minute it costs a user.
        options["timeout"] = min(options.get("timeout") or self._driver.timeout, self._driver.timeout)
        self._driver.boundary(f"before {method} {url}")
        answer = await self._inner.request(method, url, **options)
        self._driver.boundary(f"after {method} {url}")
        return answer

    def stream(self, method: str, url: str, **options: Any) -> Any:
        return self._inner.stream(method, url, **options)

    async def download(self, url: str, *, name: str = "", max_bytes: int | None = None) -> File:
        self._driver.boundary("before download")
        file = await self._inner.download(url, name=name, max_bytes=max_bytes)
        self._driver.boundary("after download")
        return file


class _Files:
    def __init__(self, driver: Driver, inner: FakeFiles) -> None:
        self._driver = driver
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def save(self, content: Any, *, name: str, mime: str = "") -> File:
        self._driver.boundary("before save")
        return await self._inner.save(content, name=name, mime=mime)
