"""An engine whose clock is moved by hand, and an outside service that does what a test tells it.

`Clock` is the wall clock and the time of the engine's event loop in one, so that every delay in the
engine (timers, timeouts, sweeps, polling) passes when a test calls `Clock.advance` and not before.
"""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import json
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

from hookline.core.plan import Plan, compile_plan
from hookline.core.state import RunState
from hookline.engine.engine import Engine, open_store
from hookline.engine.loader import load_registry
from hookline.engine.registry import Found, Registry, build_registry
from hookline.engine.settings import load_settings
from hookline.sdk import (
    ActionError,
    Connector,
    Context,
    Field,
    HookContext,
    HookEvent,
    HookRefused,
    HookReply,
    HookRequest,
    Leftover,
    Limit,
    Park,
    Poll,
    RateLimited,
    TriggerContext,
    Wake,
    action,
    retry_after,
    trigger,
)
from hookline.sdk.approvals import Member, PersonAnswer, Question, QuestionEnded
from hookline.store.port import Accepted, RunFilter, StoreError, StoreUnavailable

Json = Any
BOUND = 15.0
"""Seconds after which a test that waits for something is given up."""


class Clock:
    """Wall clock and loop time; `advance` moves both, `jump` only the wall clock."""

    def __init__(self, start: float = 1_795_000_000.0) -> None:
        self._wall = start
        self._elapsed = 1000.0
        self._loops: list[Loop] = []

    def __call__(self) -> float:
        return self._wall

    def elapsed(self) -> float:
        return self._elapsed

    def new_loop(self) -> Loop:
        loop = Loop(self)
        self._loops.append(loop)
        return loop

    def advance(self, seconds: float) -> None:
        self._wall += seconds
        self._elapsed += seconds
        self._loops = [loop for loop in self._loops if not loop.is_closed()]
        for loop in self._loops:
            loop.call_soon_threadsafe(lambda: None)

    def jump(self, seconds: float) -> None:
        self._wall += seconds


class Loop(asyncio.SelectorEventLoop):
    def __init__(self, clock: Clock) -> None:
        self._lab_clock = clock
        super().__init__()

    def time(self) -> float:
        return self._lab_clock.elapsed()


# The outside service ----------------------------------------------------------------------------


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


Name = Annotated[str, Field("Which script.")]
Value = Annotated[Any, Field("Comes back.")]


def pager(outside: Outside) -> Connector:
    """A connection that asks people: questions are in `Outside.questions`, news of the end in `ended`."""
    made = Connector("pager", title="Pager")

    @made.connection
    def connect(ctx: Any) -> str:
        """Open."""
        return "pager"

    @made.on_ask
    async def ask(ctx: Any, client: Any, question: Question) -> dict[str, Json]:
        does = outside.enter(Call("ask", f"ask {question.to}", ctx.key, 0))
        if isinstance(does, Hang):
            await outside._hang(Call("ask", f"ask {question.to}", ctx.key, 0))
        if isinstance(does, Fail):
            raise does.error
        with outside.changed:
            outside.questions.append(question)
            outside.changed.notify_all()
        return {"n": len(outside.questions)}

    @made.on_ask_end
    async def ask_end(ctx: Any, client: Any, ended: QuestionEnded) -> None:
        does = outside.enter(Call("ask_end", f"end {ended.to}", ctx.key, 0))
        if isinstance(does, Hang):
            await outside._hang(Call("ask_end", f"end {ended.to}", ctx.key, 0))
        if isinstance(does, Fail):
            raise does.error
        with outside.changed:
            outside.ended.append(ended)
            outside.changed.notify_all()

    @made.on_members
    async def members(ctx: Any, client: Any, group: str) -> list[Member]:
        does = outside.enter(Call("members", f"members {group}", ctx.key, 0))
        if isinstance(does, Fail):
            raise does.error
        return [Member(each, each.title()) for each in outside.groups[group]]

    @made.on_answer
    def answer(ctx: Any, request: HookRequest) -> PersonAnswer:
        body = json.loads(request.body)
        if body.get("signature") != "good":
            raise HookRefused(401, "not genuine", code="C601")
        return PersonAnswer(body["token"], body["who"], body["decision"], HookReply(body=b"taken"), body)

    @made.on_answered
    async def answered(ctx: Any, client: Any, answer: PersonAnswer, text: str, link: str) -> None:
        with outside.changed:
            outside.answered.append((answer.address, text, link))
            outside.changed.notify_all()

    return made


def components(outside: Outside) -> list[Found]:
    """One action of each effect class, one that blocks, one without IO, one with a connection."""
    found: list[Any] = []

    def declare(
        name: str,
        effect: str,
        *,
        with_lookup: bool = False,
        with_key: bool = False,
        with_settle: bool = False,
        connection: str | None = None,
    ) -> None:
        @action(name, effect=effect, summary="Did it", connection=connection)  # type: ignore[arg-type]
        async def run(ctx: Context, name: Name, value: Value = None) -> Any:
            """Call the outside service"""
            call = Call(
                "run", name, ctx.idempotency_key, ctx.attempt, None, None, ctx.notes, ctx.callback_url
            )
            return await outside.answer(ctx, call, value)

        @run.on_resume
        async def resume(ctx: Context, wake: Wake, name: str, value: Json = None) -> Any:
            call = Call("resume", name, ctx.idempotency_key, ctx.attempt, wake, wake.data, ctx.notes)
            return await outside.answer(ctx, call, value)

        @run.on_cancel
        async def cancel(ctx: Context, data: Mapping[str, Json], name: str, value: Json = None) -> None:
            call = Call("cancel", name, ctx.idempotency_key, ctx.attempt, None, data, ctx.notes)
            await outside.answer(ctx, dataclasses.replace(call, name=f"{name} cancel"), value)

        @run.on_verify
        async def verify(ctx: Any, headers: Mapping[str, str], body: bytes) -> bool:
            return headers.get("webhook-signature", "good") == "good"

        if with_lookup:

            @run.on_lookup
            async def lookup(ctx: Context, name: str, value: Json = None) -> Any:
                call = Call("lookup", name, ctx.idempotency_key, ctx.attempt, None, None, ctx.notes)
                found = await outside.answer(ctx, dataclasses.replace(call, name=f"{name} lookup"), value)
                return None if found == {"value": "nothing was done"} else found

        if with_settle:

            @run.on_settle
            async def settle(ctx: Context, left: Leftover, name: str, value: Json = None) -> Any:
                data = {"reason": left.reason, "data": left.data, "kept": left.kept}
                call = Call("settle", f"{name} settle", ctx.idempotency_key, ctx.attempt, left.wake, data)
                found = await outside.answer(ctx, dataclasses.replace(call, notes=ctx.notes), value)
                return found if isinstance(found, Park) else None

        if with_key:

            @run.on_key
            async def key(ctx: Context, name: str, value: Json = None) -> Any:
                call = Call("key", f"{name} key", ctx.idempotency_key, ctx.attempt, None, None, ctx.notes)
                return await outside.answer(ctx, call, value)

        found.append(run)

    declare("job.read", "read")
    declare("job.idempotent", "idempotent")
    declare("job.check", "check", with_lookup=True)
    declare("job.once", "at_least_once")
    declare("job.owed", "check", with_lookup=True, with_settle=True)
    declare("job.keyed", "check", with_lookup=True, with_key=True)

    vault = Connector("vault", title="Vault")

    @vault.connection
    def connect(ctx: Any, token: Annotated[str, Field("A secret.", secret=True)]) -> str:
        """Open."""
        return token

    declare("job.vault", "at_least_once", connection="vault")
    found.append(vault)
    found.append(_counter())

    found.append(pager(outside))

    @action("job.blocking", effect="at_least_once", summary="Did it")
    def blocking(ctx: Context, name: Name, value: Value = None) -> Any:
        """Call the outside service from a thread"""
        call = Call("run", name, ctx.idempotency_key, ctx.attempt)
        match outside.enter(call):
            case Hang():
                outside.block(name)
            case Fail(error):
                raise error
        return {"value": value}

    @action("job.pure", effect="read", summary="Did it", pure=True)
    def pure(ctx: Context, name: Name, value: Value = None) -> Any:
        """Compute"""
        match outside.enter(Call("run", name, "", 0)):
            case Fail(error):
                raise error
            case Give(output):
                return output
        return {"value": value}

    @trigger("feed", kind="poll", interval=60, sample={"n": 1})
    async def feed(ctx: TriggerContext, name: Name = "feed") -> Poll:
        """Look at a list"""
        does = outside.enter(Call("poll", name, "", 0, None, {"cursor": ctx.cursor}))
        match does:
            case Fail(error):
                raise error
            case Poll():
                return does
        return Poll(cursor=ctx.cursor)

    @trigger("told", kind="poll", interval=60, sample={"n": 1}, hook=("push", "path"))
    async def told(ctx: TriggerContext, push: Annotated[Any, Field("Where it is told.")] = None) -> Poll:
        """Look at a list, or be told"""
        data = {"cursor": ctx.cursor, "woken": ctx.woken}
        does = outside.enter(Call("poll", "told", "", 0, None, data))
        return does if isinstance(does, Poll) else Poll(cursor=ctx.cursor)

    @told.on_request
    async def tell(ctx: TriggerContext, request: HookRequest, push: Any = None) -> Any:
        does = outside.enter(Call("request", "told request", "", 0, None, {"body": request.body.decode()}))
        if isinstance(does, Fail):
            raise does.error
        return does

    @trigger("knock", kind="webhook", sample={"n": 1})
    def knock(ctx: HookContext, request: HookRequest, path: Annotated[str, Field("Path.")]) -> HookEvent:
        """Somebody knocks"""
        return HookEvent(
            {"body": request.body.decode(), "query": dict(request.query)}, request.query.get("id", "")
        )

    return [Found(each, "tests") for each in (*found, blocking, pure, feed, told, knock)]


_BUILT_IN: list[Registry] = []


def _counter() -> Connector:
    """A service that counts who comes: 60 sends a minute, 600 looks."""
    counter = Connector("counter", title="Counter")
    limits = [Limit("sends", 60, ["POST *"], burst=2), Limit("looks", 600, burst=5)]

    @counter.connection(limits=limits)
    def connect(
        ctx: Any,
        url: Annotated[str, Field("Where.")],
        token: Annotated[str, Field("A secret.", secret=True)],
        account: Annotated[str, Field("Whose token it is.")] = "",
    ) -> Any:
        """Open."""
        return ctx.http(url, headers={"Authorization": f"Bearer {token}"}, account=account)

    @counter.action("visit", effect="check", summary="Went there")
    async def visit(
        ctx: Context, requests: Annotated[list[str], Field("``METHOD path`` of each request, in order.")]
    ) -> Any:
        """Send requests one after the other"""
        answers = []
        for request in requests:
            method, _, path = request.partition(" ")
            answer = await ctx.connection.request(method, path)
            if answer.status == 429:
                raise RateLimited("too many", retry_after=retry_after(answer.headers))
            answers.append(answer.status)
        return answers

    @visit.on_lookup
    async def lookup(ctx: Context, requests: list[str]) -> Any:
        return None

    return counter


def registry_of(outside: Outside) -> Registry:
    """The built-in components and the test's."""
    if not _BUILT_IN:
        _BUILT_IN.append(load_registry())
    own = build_registry(components(outside))
    built_in = _BUILT_IN[0]
    return dataclasses.replace(
        built_in,
        actions={**built_in.actions, **own.actions},
        triggers={**built_in.triggers, **own.triggers},
        connectors={**built_in.connectors, **own.connectors},
        connection_types={**built_in.connection_types, **own.connection_types},
    )


# The engine -----------------------------------------------------------------------------------------

_workers = itertools.count(1)


class Lab:
    """One engine on a project folder. Several labs on one folder are several processes, nearly."""

    def __init__(
        self,
        folder: Path,
        clock: Clock,
        outside: Outside,
        *,
        environment: Mapping[str, str] | None = None,
        database: str = "",
    ) -> None:
        self.folder = folder
        self.clock = clock
        self.outside = outside
        environment = {"HOOKLINE_MASTER_KEY": "the-master-key-of-the-tests", **(environment or {})}
        if database:
            environment["HOOKLINE_DATABASE_URL"] = database
        settings = load_settings(folder, environment)
        store = open_store(settings, f"lab-{next(_workers)}", clock)
        self.engine = Engine(settings, registry_of(outside), store, clock=clock, loop_factory=clock.new_loop)
        self.engine.runner.on_events = self._happened
        self.finished: list[str] = []
        self._told = self.engine.runner.on_finished
        self.engine.runner.on_finished = self._on_finished
        self._open = True

    def start(self, *, recover: bool = True, triggers: bool = False) -> Lab:
        self.engine.start(recover=recover, triggers=triggers)
        return self

    def _happened(self, state: RunState, events: Sequence[Any]) -> None:
        with self.outside.changed:
            self.outside.changed.notify_all()

    def _on_finished(self, state: RunState) -> None:
        self._told(state)
        self.finished.append(state.id)

    def stop(self, grace: float = 0.0) -> None:
        if self._open:
            self._open = False
            self.engine.stop(grace)

    def crash(self) -> None:
        """What is not on disk now never gets there; the lock of the process is gone."""
        if self._open:
            self._open = False
            store: Any = self.engine.store
            store.flush()
            store.submit = lambda unit, done: done(StoreUnavailable("the process is dead"))
            self.engine.stop(0.0)

    # Workflows and runs

    def deploy(self, *definitions: Mapping[str, Json]) -> Plan:
        plan = None
        for definition in definitions:
            plan = compile_plan(dict(definition))
            self.engine.deploy(plan)
        assert plan is not None
        return plan

    def go(self, definition: Mapping[str, Json], data: Json = None, **inputs: Json) -> str:
        """Deploy and start."""
        plan = self.deploy(definition)
        return self.begin(plan.name, data, **inputs)

    def begin(self, name: str, data: Json = None, **inputs: Json) -> str:
        accepted: Accepted = self.engine.start_run(name, data, inputs)
        assert accepted.run_id is not None
        return accepted.run_id

    def hook(self, path: str, body: bytes = b"", **query: str) -> Any:
        from datetime import UTC, datetime

        now = datetime.fromtimestamp(self.clock(), UTC)
        return self.engine.receive_hook(HookRequest("POST", path, {}, query, body, now))

    # Looking

    def until(self, condition: Callable[[], Any], what: str = "") -> Any:
        """Wait until something is true; the engine works in other threads."""
        for _ in range(int(BOUND / 0.02)):
            # Not under the lock: what is asked may have to wait for the loop.
            found = condition()
            if found:
                return found
            with self.outside.changed:
                self.outside.changed.wait(0.02)
        raise AssertionError(f"waited in vain{' for ' + what if what else ''}")

    def status(self, run: str) -> str:
        row = self.engine.store.run(run)
        assert row is not None, run
        return row.status

    def until_status(self, run: str, *statuses: str) -> None:
        try:
            self.until(lambda: self.status(run) in statuses)
        except AssertionError:
            raise AssertionError(f"{run} is {self.status(run)}: {self.kinds(run)}") from None

    def end(self, run: str) -> str:
        """Wait for a run's end; its status."""
        self.until_status(run, "succeeded", "failed", "canceled")
        return self.status(run)

    def until_idle(self) -> None:
        """Wait until nothing is queued, executed or on its way to the store."""

        def idle() -> bool:
            # Once more when nobody is at work: what the last of them did must be on disk, too.
            for _ in range(3):
                self.engine.store.flush()
                for _ in range(4):
                    # Whoever was answered goes on to what it does next.
                    self.engine._call(lambda: None)
                if self.engine.runner.open_runs:
                    return False
            return True

        self.until(idle, "quiet")

    def document(self, run: str) -> dict[str, Json]:
        document: dict[str, Json] = self.engine.run_document(run)
        return document

    def step(self, run: str, path: str) -> dict[str, Json]:
        """A step of a run's document, by path or id."""
        steps: list[dict[str, Json]] = self.document(run)["steps"]
        return next(step for step in steps if path in (step["path"], step["id"]))

    def history(self, run: str) -> list[dict[str, Json]]:
        history: list[dict[str, Json]] = self.engine.history(run)
        return history

    def kinds(self, run: str) -> list[str]:
        return [f"{entry['kind']} {entry['path']}".strip() for entry in self.history(run)]

    def runs(self, workflow: str | None = None) -> list[Any]:
        return list(self.engine.store.runs(RunFilter(workflow=workflow), 1000, None).rows)

    def children(self, run: str) -> list[Any]:
        return [row for row in self.runs() if row.parent_run == run]

    def database_bytes(self) -> bytes:
        """Everything in the database's files, and in the artifact store."""
        self.engine.store.flush()
        hookline = self.folder / ".hookline"
        return b"\n".join(path.read_bytes() for path in sorted(hookline.rglob("*")) if path.is_file())


class LabMaker:
    """Makes labs on one folder, with one clock and one outside service, and stops them at the end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = Clock()
        self.outside = Outside()
        self.labs: list[Lab] = []

    def __call__(
        self, *, started: bool = True, triggers: bool = False, recover: bool = True, **options: Any
    ) -> Lab:
        lab = Lab(self.folder, self.clock, self.outside, **options)
        self.labs.append(lab)
        if started:
            lab.start(triggers=triggers, recover=recover)
        return lab

    def again(self, lab: Lab, *, crash: bool = False, **options: Any) -> Lab:
        """Stop or crash a lab, and start another with the same workflows deployed."""
        plans = list(lab.engine.workflows.plans.values())
        if crash:
            lab.crash()
        else:
            lab.stop()
        triggers = options.pop("triggers", False)
        following = self(started=False, **options)
        for plan in plans:
            following.engine.deploy(plan)
        return following.start(triggers=triggers)


@contextmanager
def labs_in(folder: Path) -> Iterator[LabMaker]:
    maker = LabMaker(folder)
    try:
        yield maker
    finally:
        for lab in maker.labs:
            lab.stop()


def job(name: str, effect: str = "once", **options: Any) -> dict[str, Any]:
    """A step that calls the outside service."""
    return {"id": name, "uses": f"job.{effect}", "with": {"name": name, "value": name}, **options}


def flow(*steps: Any, name: str = "flow", **options: Any) -> dict[str, Any]:
    return {"name": name, "steps": list(steps), **options}


__all__ = [
    "BOUND",
    "ActionError",
    "Call",
    "Clock",
    "Fail",
    "Give",
    "Hang",
    "Lab",
    "LabMaker",
    "Log",
    "Note",
    "Outside",
    "Recall",
    "Spend",
    "StoreError",
    "Wait",
    "flow",
    "job",
    "labs_in",
]
