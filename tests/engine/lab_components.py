"""What is installed in a lab: actions, triggers and connections that call the outside service."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Annotated, Any

from lab_outside import Call, Fail, Give, Hang, Outside

from hookline.engine.loader import load_registry
from hookline.engine.registry import Found, Registry, build_registry
from hookline.sdk import (
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

Json = Any

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
                wake = ctx.callbacks[-1] if ctx.callbacks else None
                call = Call("settle", f"{name} settle", ctx.idempotency_key, ctx.attempt, wake, data)
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

    @counter.action("leave", effect="check", summary="Left it there")
    async def leave(
        ctx: Context, requests: Annotated[list[str], Field("What it takes to settle what is left.")]
    ) -> Any:
        """Leave something behind"""
        return Park("it to be done", None, {"left": True})

    @leave.on_resume
    async def resume(ctx: Context, wake: Wake, requests: list[str]) -> Any:
        return None

    @leave.on_settle
    async def settle(ctx: Context, left: Leftover, requests: list[str]) -> Park | None:
        await visit.run(ctx, requests)
        ctx.cost(0.25, of="model")
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
