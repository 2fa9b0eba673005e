"""Cog: run a model on a server of your own (https://cog.run), with the result of `replicate.run`.

What happens to one attempt, and what may happen twice:

A Cog server keeps nothing. It answers under an id of our choosing (``PUT /predictions/{id}``), runs
an id that is in flight once, however often it is put, and forgets it with its end: the same PUT then
**runs the model again**. There is no way to ask for a result; it comes by webhook, which is not
signed but goes to an address nobody can guess.

1. The id follows from the attempt. The intent is noted before the first PUT. So a crash leads to a
   look-up: the callback that arrived meanwhile is used first, and only then the id is put again,
   which joins the prediction that runs.
2. When no callback comes, the server is asked how it is, and the id is put again with the connection
   held: a prediction in flight answers with its state, and the wait goes on. Only one whose result is
   lost (the server was restarted, or could not reach us) runs again and answers with its result.
   ``"when_lost": "fail"`` never puts an id twice, and fails the step instead.
3. So the effect is ``check``: it is looked up before anything is repeated, never run twice while it
   runs, and run again only when its result is provably not to be had.
4. Up to Cog 0.16 a webhook names files by their paths on the server's own disk. A model that gives
   files is then waited for on a held connection, whatever ``delivery`` says.
5. A server without a free slot (409, BUSY) or without a working model is `RateLimited` or
   `Unavailable`: nothing was started.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from hookline.sdk import (
    ActionError,
    BadInput,
    Canceled,
    ConnectionContext,
    Connector,
    Context,
    Example,
    Field,
    File,
    MalformedOutput,
    OutcomeUnknown,
    Park,
    RateLimited,
    Recorded,
    TimedOut,
    Unavailable,
    Wake,
)
from hookline.sdk.model_files import ModelSchema, archive
from hookline.sdk.model_inputs import presigned, send_files, tell_of_files
from hookline.sdk.predictions import Prediction, failure, iso, parse_time, succeeded

from .client import BUSY_SECONDS, CogClient, Snapshot, busy, not_working
from .inputs import check_input

Json = Any

INLINE = 20_000_000
"""Bytes up to which a file is sent, inside the request; the server takes 100 MiB in all."""

HOLD = 30 * 60.0
"""Seconds a connection is held at most."""

INTERVAL = 30.0
"""Seconds without a callback until the server is asked."""

SOON = 2.0
"""Seconds a callback is given to be read after a restart, before anything is sent."""

CALLED_BACK_WITHIN = 600.0
"""Seconds an idle server may still be trying to deliver a result (it tries 12 times, 7 minutes)."""

MAX_MISSES = 30
MAX_RESTARTS = 3
"""Times a prediction is started again on a server that was restarted: the input may be what kills it."""

cog = Connector("cog", title="Cog", docs="https://cog.run/http")


@cog.connection(concurrency=1)
def connect(
    ctx: ConnectionContext,
    base_url: Annotated[
        str,
        Field(
            "Address of the Cog server.", format="uri", env="COG_BASE_URL", examples=["http://127.0.0.1:5000"]
        ),
    ],
    token: Annotated[
        str | None,
        Field("Bearer token of a proxy before the server; Cog itself has none.", secret=True, advanced=True),
    ] = None,
    webhook_token: Annotated[
        str | None,
        Field(
            "The server's WEBHOOK_AUTH_TOKEN: callbacks without it are refused.", secret=True, advanced=True
        ),
    ] = None,
) -> CogClient:
    """Open a client."""
    base = base_url.rstrip("/")
    headers = {"Authorization": f"Bearer {token}"} if token else None
    return CogClient(ctx.http(base + "/", headers=headers), base, webhook_token or "")


@cog.on_test
async def check_server(client: CogClient) -> str:
    """Whether the server answers and its model works."""
    health = await client.health()
    if not health.works:
        raise not_working(health.status)
    return f"{client.base_url} ({health.status.lower()})"


@dataclass(frozen=True, slots=True)
class Wanted:
    """The parameters of one step."""

    input: Mapping[str, Json]
    delivery: Literal["callback", "connection"] = "callback"
    when_lost: Literal["run_again", "fail"] = "run_again"
    poll_interval: float | None = None
    usd_per_second: float | None = None
    model: str | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """`Park.data` of a step that waits.

    Attributes:
        job: The id on the server.
        since: When it was first sent.
        boot: The server's start then.
        accepted: Whether the server is known to have taken it.
        idle: Looks in a row at which the server had nothing to do.
        misses: Looks in a row at which the server did not answer.
        restarts: Times it was started again.
        held: Whether its result has to be waited for on a connection: see `Health.is_coglet`.
    """

    job: str
    since: str
    boot: str | None
    accepted: bool = True
    idle: int = 0
    misses: int = 0
    restarts: int = 0
    held: bool = False

    def park(self, ctx: Context, wanted: Wanted, *, seconds: float | None = None) -> Park:
        """Wait for the callback, or ask after some time."""
        delay = seconds if seconds is not None else wanted.poll_interval or INTERVAL
        until = ctx.now() + timedelta(seconds=delay)
        return Park(f"Cog prediction {self.job}", until=until, data=asdict(self))


@cog.action(
    "run",
    effect="check",
    summary="Ran {model_reference}",
    docs="https://cog.run/http#put-predictionsprediction_id",
    examples=[
        Example(
            title="A text model, waiting on the connection",
            input={"input": {"text": "hello"}, "delivery": "connection"},
            responses=[
                Recorded(
                    json={"status": "READY", "setup": {"started_at": "2026-11-18T11:00:00Z"}},
                    expect="GET /health-check",
                ),
                Recorded(
                    json={
                        "openapi": "3.0.2",
                        "components": {
                            "schemas": {
                                "Input": {"type": "object", "properties": {"text": {"type": "string"}}},
                                "Output": {"type": "string", "title": "Output"},
                            }
                        },
                    },
                    expect="GET /openapi.json",
                ),
                Recorded(
                    json={
                        "id": "pred_18e9b4a1d0dd0201",
                        "logs": "got 'hello'\n",
                        "metrics": {"chars": 5, "predict_time": 0.0077},
                        "output": "HELLO",
                        "status": "succeeded",
                    }
                ),
            ],
        )
    ],
)
async def run(
    ctx: Context,
    input: Annotated[
        dict[str, Any],
        Field(
            "The model's inputs, by name. A file reference is sent as a file; file inputs also take an "
            "http(s) address, never a path.",
            examples=[{"text": "hello"}],
        ),
    ],
    delivery: Annotated[
        Literal["callback", "connection"],
        Field(
            "How the result comes.",
            advanced=True,
            options={
                "callback": "The server posts it to HOOKLINE_BASE_URL; nothing is held meanwhile. Up to Cog "
                "0.16, files come on a held connection all the same.",
                "connection": "On a connection held for up to 30 minutes: for a server that cannot reach us.",
            },
        ),
    ] = "callback",
    when_lost: Annotated[
        Literal["run_again", "fail"],
        Field(
            "What to do when the server was restarted, or could not deliver the result.",
            advanced=True,
            options={"run_again": "Run the model again.", "fail": "Fail; the model never runs twice."},
        ),
    ] = "run_again",
    poll_interval: Annotated[
        float | None,
        Field("Seconds without a callback until the server is asked; default 30.", advanced=True, minimum=1),
    ] = None,
    usd_per_second: Annotated[
        float | None,
        Field("Price of one second of the server, to estimate the cost.", advanced=True, minimum=0),
    ] = None,
    model: Annotated[
        str | None,
        Field(
            "What the result calls the model, in the place of the server's address. It chooses nothing: the "
            "server has one model.",
            advanced=True,
            examples=["acme/captioner"],
        ),
    ] = None,
) -> Prediction | Park:
    """Run a model on a Cog server

    Waits for the result without holding anything, and keeps its files. An attempt in flight is never
    started twice. If its result is lost because the server was restarted, the model runs again unless
    when_lost says otherwise.
    """
    wanted = Wanted(input, delivery, when_lost, poll_interval, usd_per_second, model)
    client: CogClient = ctx.connection
    health = await client.health()
    if not health.works:
        raise not_working(health.status)
    if health.status == "BUSY":
        raise busy()
    schema = await client.schema(health.boot)
    # Files of the older generation come on a held connection only.
    held = delivery == "connection" or (not health.is_coglet and schema is not None and schema.gives_files)
    if not held and not ctx.callback_url:
        raise BadInput(
            "there is no callback address", hint='set HOOKLINE_BASE_URL, or "delivery": "connection"'
        )
    body = await _body(ctx, wanted, schema)
    job = f"hl{hashlib.sha256(ctx.idempotency_key.encode()).hexdigest()[:30]}"
    waiting = Waiting(job, iso(ctx.now()), health.boot, accepted=False, held=held)
    if usd_per_second is not None:
        # How long it takes is not known: what a minute costs, or what it cost lately if that is more.
        await ctx.reserve(60.0 * usd_per_second, of=client.base_url)
    await ctx.note(intent=asdict(waiting))
    return await _put(ctx, client, wanted, waiting, body, hold=held)


@run.on_resume
async def resume(ctx: Context, wake: Wake, **values: Json) -> Prediction | Park:
    """A callback, or the time to ask."""
    client: CogClient = ctx.connection
    wanted, waiting = Wanted(**values), Waiting(**wake.data)
    if wake.kind == "callback":
        told = _told(wake, waiting.job)
        if told is not None:
            return await _finish(ctx, client, wanted, waiting, told)
        return waiting.park(ctx, wanted)
    return await _ask(ctx, client, wanted, waiting)


@run.on_lookup
async def lookup(ctx: Context, **values: Json) -> Prediction | Park | None:
    """What became of an attempt that was cut off: first let a callback that came meanwhile be read."""
    if ctx.notes.get("intent") is None:
        return None
    return Waiting(**ctx.notes["intent"]).park(ctx, Wanted(**values), seconds=SOON)


@run.on_cancel
async def cancel(ctx: Context, data: Mapping[str, Json], **values: Json) -> None:
    """Stop the prediction. Cog stops it between two steps of Python, never within one.

    coglet 0.23.1 answers 200 to a cancel in a prediction's first milliseconds, and forgets it.
    """
    client: CogClient = ctx.connection
    await client.cancel(data["job"])


@run.on_verify
async def verify(ctx: Context, headers: Mapping[str, str], body: bytes) -> bool:
    """Whether a callback carries the server's token, where one is configured."""
    client: CogClient = ctx.connection
    if not client.webhook_token:
        return True
    right = f"Bearer {client.webhook_token}".encode()
    return hmac.compare_digest(right, headers.get("authorization", "").encode("utf-8", "replace"))


async def _body(ctx: Context, wanted: Wanted, schema: ModelSchema | None) -> Mapping[str, Json]:
    """The input as sent, refused if the server would read its own disk for it."""
    # The server is the operator's own: what it may reach is not ours to judge.
    share = presigned(ctx, public=False)
    sent = await send_files(
        wanted.input, ctx.files, inline=INLINE, largest=INLINE, share=share, tell=tell_of_files(ctx)
    )
    check_input(sent, schema)
    return {"input": sent}


async def _put(
    ctx: Context, client: CogClient, wanted: Wanted, waiting: Waiting, body: Mapping[str, Json], *, hold: bool
) -> Prediction | Park:
    """Start, or join. What is started on a held connection calls nobody: its result comes here."""
    if hold:
        left = HOLD if ctx.deadline is None else (ctx.deadline - ctx.now()).total_seconds()
        snapshot = await client.put(waiting.job, body, hold=min(max(left, 1.0), HOLD))
    else:
        called_back = {"webhook": ctx.callback_url, "webhook_events_filter": ["completed"]}
        snapshot = await client.put(waiting.job, {**body, **called_back}, hold=None)
    taken = replace(waiting, accepted=True, idle=0, misses=0)
    if snapshot.done:
        return await _finish(ctx, client, wanted, taken, snapshot)
    return taken.park(ctx, wanted)


async def _ask(ctx: Context, client: CogClient, wanted: Wanted, waiting: Waiting) -> Prediction | Park:
    """No callback came in time."""
    try:
        health = await client.health()
    except (Unavailable, RateLimited, OutcomeUnknown, MalformedOutput) as error:
        return _missed(ctx, wanted, waiting, error)
    if not health.works:
        return _missed(ctx, wanted, waiting, not_working(health.status))
    waiting = replace(waiting, idle=waiting.idle + 1 if health.status == "READY" else 0)
    restarted = waiting.boot is not None and health.boot != waiting.boot
    if wanted.when_lost == "fail":
        if restarted or waiting.idle * (wanted.poll_interval or INTERVAL) > CALLED_BACK_WITHIN:
            raise _lost(waiting, "the server was restarted" if restarted else "the server did not call back")
        return replace(waiting, misses=0).park(ctx, wanted)
    if not restarted and waiting.accepted and waiting.idle == 1:
        return waiting.park(ctx, wanted)  # It may be on its way: what is over does not run again yet.
    if restarted and waiting.restarts >= MAX_RESTARTS:
        raise _lost(waiting, f"the server was restarted {waiting.restarts + 1} times while it ran")
    again = replace(waiting, boot=health.boot, restarts=waiting.restarts + restarted)
    # A server that could not deliver the result is asked to hold it out; one that lost it is not at fault.
    hold = again.held or (again.accepted and not restarted)
    try:
        body = await _body(ctx, wanted, await client.schema(health.boot))
        return await _put(ctx, client, wanted, again, body, hold=hold)
    except RateLimited:
        return replace(waiting, misses=0).park(ctx, wanted, seconds=BUSY_SECONDS)
    except (Unavailable, OutcomeUnknown) as error:
        return _missed(ctx, wanted, replace(again, accepted=again.accepted and hold), error)


def _missed(ctx: Context, wanted: Wanted, waiting: Waiting, error: ActionError) -> Park:
    """Ask once more; the attempt may be running, so this is no reason to start another."""
    missed = replace(waiting, misses=waiting.misses + 1)
    if missed.misses > MAX_MISSES:
        raise _lost(waiting, error.message) from error
    ctx.log(f"Cog prediction {waiting.job}: {error.message}", misses=missed.misses)
    delay = max(wanted.poll_interval or 0.0, min(60.0, 2.0**missed.misses))
    return missed.park(ctx, wanted, seconds=delay)


def _told(wake: Wake, job: str) -> Snapshot | None:
    """What a callback says, None when it does not end this prediction."""
    try:
        snapshot = Snapshot.read(json.loads(wake.body))
    except (ValueError, RecursionError, MalformedOutput):
        return None
    if snapshot.id not in (None, job) or not snapshot.done:
        return None
    return snapshot


async def _finish(
    ctx: Context, client: CogClient, wanted: Wanted, waiting: Waiting, snapshot: Snapshot
) -> Prediction:
    """The normalised result."""
    cost = None
    if wanted.usd_per_second is not None and snapshot.predict_seconds is not None:
        cost = round(wanted.usd_per_second * snapshot.predict_seconds, 8)
        ctx.cost(cost, of=client.base_url)
    job = f"Cog prediction {waiting.job}"
    if snapshot.status == "canceled":
        raise Canceled(f"{job} was canceled")
    if snapshot.status == "failed":
        raise failure(snapshot.error, job=job)
    completed_at = snapshot.completed_at or ctx.now()

    async def download(url: str, name: str) -> File:
        http = client.http if client.owns(url) else ctx.http
        return await http.download(url, name=name)

    try:
        schema = await client.schema(waiting.boot)
    except ActionError:
        schema = None  # The server is gone, its result is here.
    try:
        output = await archive(
            snapshot.output, files=ctx.files, download=download, schema=schema, addresses="if_declared"
        )
    except (RateLimited, Unavailable, OutcomeUnknown) as error:
        raise TimedOut(
            f"{job} succeeded, and an output file cannot be fetched: {error.message}",
            hint="check where the server's --upload-url leads",
        ) from error
    return succeeded(
        provider="cog",
        job_id=waiting.job,
        model=wanted.model or client.base_url,
        output=output,
        created_at=snapshot.created_at or _time(waiting.since, completed_at),
        completed_at=completed_at,
        attempts=ctx.attempt,
        cost_usd=cost,
    )


def _time(text: str, otherwise: datetime) -> datetime:
    return parse_time(text) or otherwise


def _lost(waiting: Waiting, reason: str) -> TimedOut:
    return TimedOut(
        f"the result of Cog prediction {waiting.job} is lost: {reason}",
        hint="check that the server can reach HOOKLINE_BASE_URL; start it with "
        "--await-explicit-shutdown True, so that it finishes before it stops",
    )
