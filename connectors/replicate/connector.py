"""Replicate: run a model, and never pay for it twice.

What `replicate.run` guarantees:

1. One POST per attempt. Before it, the intent (time, callback address, fingerprint of the input) is
   on disk; after it, the prediction's id is, before anything else happens.
2. `RateLimited` and `Unavailable` mean that nothing was created (429, or not connected). A timeout,
   a lost connection, a 5xx or an unreadable answer to the POST is `OutcomeUnknown`.
3. After a crash the prediction is looked up: by its id, or in the account's list by the callback
   address it echoes, or by model and input. Only a complete list, long enough after the intent,
   proves that there is none. Otherwise the step stays unknown; nothing is sent again.
4. Once created, nothing that fails on our side starts another: a failed look or download is
   repeated. Waiting costs a row. A webhook is a hint; only a signed one about this prediction,
   with a final status, is taken at its word. Duplicates and late ones change nothing.
5. The step's deadline is the prediction's ``Cancel-After``; a canceled run cancels it.
6. Output files are in the artifact store before the step is done. The token goes to the API only.
7. The result has one shape for every provider: `hookline.sdk.predictions.Prediction`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal

from hookline.sdk import (
    ActionError,
    BadInput,
    ConnectionContext,
    Connector,
    Context,
    Example,
    Field,
    MalformedOutput,
    NotFound,
    OutcomeUnknown,
    Park,
    RateLimited,
    Recorded,
    TimedOut,
    Unavailable,
    Wake,
)
from hookline.sdk.model_files import send_files
from hookline.sdk.predictions import Prediction

from .client import MAX_UPLOAD, ReplicateClient
from .finish import finish
from .polling import Waiting, callback_for
from .prices import HARDWARE
from .reconcile import Intent, find
from .records import Remote, Wanted, read_target

Json = Any

INLINE = 256_000
"""Bytes up to which Replicate advises to send a file as a data: URL."""

MAX_MISSES = 30
"""Failed looks or downloads in a row, at most a minute apart, before the step gives up."""

LONGEST = timedelta(hours=25)
"""Without a step timeout. Replicate itself stops a prediction after 30 minutes of running."""

replicate = Connector("replicate", title="Replicate", docs="https://replicate.com/docs/reference/http")


@replicate.connection
def connect(
    ctx: ConnectionContext,
    token: Annotated[
        str,
        Field(
            "API token, from https://replicate.com/account/api-tokens.",
            secret=True,
            env="REPLICATE_API_TOKEN",
        ),
    ],
    base_url: Annotated[
        str,
        Field("Address of the API, without /v1.", format="uri", env="REPLICATE_BASE_URL", advanced=True),
    ] = "https://api.replicate.com",
    webhook_secret: Annotated[
        str | None,
        Field(
            "Signing secret of webhooks (whsec_…). Fetched with the token if left out.",
            secret=True,
            advanced=True,
        ),
    ] = None,
) -> ReplicateClient:
    """Open a client."""
    # One of the official clients wants the /v1 in the same variable, so it may be there.
    base = base_url.rstrip("/").removesuffix("/v1") + "/v1/"
    http = ctx.http(base, headers={"Authorization": f"Bearer {token}"})
    return ReplicateClient(http, base, webhook_secret or "")


@replicate.on_test
async def check_token(client: ReplicateClient) -> str:
    """Whose token it is."""
    return await client.account()


_FINISHED = {
    "id": "gm3qorzdhgbfurvjtvhg6dckhu",
    "model": "replicate/hello-world",
    "version": "5c7d5dc6dd8bf75c1acaa8565735e7986bc5b66206b55cca93cb72c9bf15ccaa",
    "input": {"text": "Alice"},
    "output": "hello Alice",
    "status": "succeeded",
    "error": None,
    "logs": "",
    "data_removed": False,
    "created_at": "2026-11-18T11:06:40.120Z",
    "started_at": "2026-11-18T11:06:40.132Z",
    "completed_at": "2026-11-18T11:06:40.145Z",
    "metrics": {"predict_time": 0.012683, "total_time": 0.025507},
    "urls": {
        "get": "https://api.replicate.com/v1/predictions/gm3qorzdhgbfurvjtvhg6dckhu",
        "cancel": "https://api.replicate.com/v1/predictions/gm3qorzdhgbfurvjtvhg6dckhu/cancel",
        "web": "https://replicate.com/p/gm3qorzdhgbfurvjtvhg6dckhu",
    },
}


@replicate.action(
    "run",
    effect="check",
    summary="Ran {model_reference}",
    docs="https://replicate.com/docs/reference/http#predictions.create",
    examples=[
        Example(
            title="A community model, pinned to a version",
            input={
                "model": f"replicate/hello-world:{_FINISHED['version']}",
                "input": {"text": "Alice"},
                "hardware": "cpu",
            },
            responses=[Recorded(status=201, json=_FINISHED, expect="POST /v1/predictions")],
            output={
                "status": "succeeded",
                "provider": "replicate",
                "provider_job_id": "gm3qorzdhgbfurvjtvhg6dckhu",
                "model_reference": f"replicate/hello-world:{_FINISHED['version']}",
                "output_type": "text",
                "output_text": "hello Alice",
                "files": [],
                "output": "hello Alice",
                "error_type": None,
                "error": None,
                "latency_ms": 25,
                "cost_usd": 0.00000127,
                "attempts": 1,
                "cached": False,
                "created_at": "2026-11-18T11:06:40.120Z",
                "completed_at": "2026-11-18T11:06:40.145Z",
            },
        )
    ],
)
async def run(
    ctx: Context,
    input: Annotated[
        dict[str, Any],
        Field(
            "The model's inputs, by name. A file reference is sent as a file; an http(s) address as it is.",
            examples=[{"prompt": "a watercolour of a lighthouse"}],
        ),
    ],
    model: Annotated[
        str | None,
        Field(
            "owner/name of an official model, else owner/name:version, version being 64 hexadecimal digits.",
            examples=["black-forest-labs/flux-schnell"],
        ),
    ] = None,
    deployment: Annotated[
        str | None,
        Field("owner/name of one of your deployments, in the place of model.", examples=["acme/upscaler"]),
    ] = None,
    hardware: Annotated[
        str | None,
        Field(
            "Hardware the model runs on, to estimate the cost (the API does not tell): one of "
            + ", ".join(sorted(HARDWARE))
            + ".",
            advanced=True,
            examples=["gpu-l40s"],
        ),
    ] = None,
    webhook: Annotated[
        Literal["auto", "always", "never"],
        Field(
            "Whether Replicate tells us when it is done.",
            advanced=True,
            options={
                "auto": "If HOOKLINE_BASE_URL is a public https address.",
                "always": "Always; Replicate refuses addresses it cannot use.",
                "never": "Never: only look.",
            },
        ),
    ] = "auto",
    poll_interval: Annotated[
        float | None,
        Field(
            "Seconds between looks. Default: often at first, then every 10 s; rarely while a webhook is due.",
            advanced=True,
            minimum=0.5,
            maximum=3600,
        ),
    ] = None,
) -> Prediction | Park:
    """Run a model

    Starts a prediction, waits for it without holding anything, and keeps its files before Replicate
    deletes them. A crash at any moment starts no second prediction: the one that was started is
    looked up. A retry that the workflow asks for is a new prediction, and billed again.
    """
    wanted = Wanted(input, model, deployment, hardware, webhook, poll_interval)
    client: ReplicateClient = ctx.connection
    noted = ctx.notes.get("prediction")
    if noted is not None:
        return await _look(ctx, client, wanted, _waiting(ctx, noted))
    target = read_target(wanted)
    if hardware is not None and hardware not in HARDWARE:
        raise BadInput(
            f"no price is known for the hardware {hardware!r}", hint=f"one of {', '.join(sorted(HARDWARE))}"
        )
    sent = await send_files(input, ctx.files, inline=INLINE, largest=MAX_UPLOAD, upload=client.upload)
    callback = callback_for(webhook, ctx.callback_url, client.base_url)
    body: dict[str, Json] = {"input": sent}
    if target.version is not None:
        body["version"] = target.version
    if callback is not None:
        body |= {"webhook": callback, "webhook_events_filter": ["completed"]}
    cancel_after = _cancel_after(ctx)
    await ctx.note(intent=Intent.of(ctx.now(), callback, body).to_json())
    remote = await client.create(target, body, cancel_after=cancel_after)
    await ctx.note(prediction=remote.id)
    return await _go_on(ctx, client, wanted, Waiting(remote.id, webhook=callback is not None), remote)


@run.on_resume
async def resume(ctx: Context, wake: Wake, **values: Json) -> Prediction | Park:
    """A webhook, or the time for a look."""
    client: ReplicateClient = ctx.connection
    waiting = Waiting.from_json(wake.data)
    if wake.kind == "callback":
        told = await _told(ctx, client, wake, waiting.prediction)
        if told is not None:
            return await _go_on(ctx, client, Wanted(**values), waiting, told)
    return await _look(ctx, client, Wanted(**values), waiting)


@run.on_lookup
async def lookup(ctx: Context, **values: Json) -> Prediction | Park | None:
    """What became of an attempt that was cut off."""
    client: ReplicateClient = ctx.connection
    wanted = Wanted(**values)
    noted = ctx.notes.get("prediction")
    if noted is not None:
        return await _look(ctx, client, wanted, _waiting(ctx, noted))
    if ctx.notes.get("intent") is None:
        return None
    intent = Intent.from_json(ctx.notes["intent"])
    remote = await find(client, intent, read_target(wanted), ctx.now())
    if remote is None:
        return None
    await ctx.note(prediction=remote.id)
    return await _go_on(ctx, client, wanted, _waiting(ctx, remote.id), remote)


@run.on_cancel
async def cancel(ctx: Context, data: Mapping[str, Json], **values: Json) -> None:
    """Stop the prediction."""
    client: ReplicateClient = ctx.connection
    job = data.get("prediction") or ctx.notes.get("prediction")
    if job is not None:
        await client.cancel(job)


@run.on_verify
async def verify(ctx: Context, headers: Mapping[str, str], body: bytes) -> bool:
    """Whether a callback is signed by Replicate, and recent."""
    client: ReplicateClient = ctx.connection
    return await client.is_genuine(headers, body, now=ctx.now())


def _waiting(ctx: Context, prediction: str) -> Waiting:
    intent = ctx.notes.get("intent") or {}
    return Waiting(prediction, webhook=intent.get("callback") is not None)


async def _told(ctx: Context, client: ReplicateClient, wake: Wake, prediction: str) -> Remote | None:
    """The prediction as a webhook tells it, None when it must be asked for."""
    try:
        remote = Remote.read(json.loads(wake.body))
    except (ValueError, RecursionError, MalformedOutput):
        return None
    if remote.id != prediction or not remote.done:
        return None
    genuine = await client.is_genuine(wake.headers, wake.body, now=ctx.now(), fresh=False)
    return remote if genuine else None


async def _look(ctx: Context, client: ReplicateClient, wanted: Wanted, waiting: Waiting) -> Prediction | Park:
    try:
        remote = await client.prediction(waiting.prediction)
    except (RateLimited, Unavailable, OutcomeUnknown, MalformedOutput, NotFound) as error:
        return _again(ctx, wanted, waiting, error)
    return await _go_on(ctx, client, wanted, waiting, remote)


async def _go_on(
    ctx: Context, client: ReplicateClient, wanted: Wanted, waiting: Waiting, remote: Remote
) -> Prediction | Park:
    """Finish, or wait on."""
    if remote.done:
        try:
            return await finish(ctx, client, wanted, remote)
        except (RateLimited, Unavailable, OutcomeUnknown) as error:
            return _again(ctx, wanted, waiting, error)
    if remote.created_at is not None and ctx.now() - remote.created_at > LONGEST:
        raise TimedOut(
            f"Replicate prediction {remote.id} is still {remote.status!r} a day after its creation",
            hint="look at it on replicate.com; give the step a timeout",
        )
    return waiting.looked().park(ctx.now(), every=wanted.poll_interval)


def _again(ctx: Context, wanted: Wanted, waiting: Waiting, error: ActionError) -> Park:
    """Look once more: the prediction exists, so its failure to show itself must not start another."""
    missed = waiting.missed()
    limit = 5 if isinstance(error, NotFound | MalformedOutput) else MAX_MISSES
    if missed.misses > limit:
        if isinstance(error, NotFound | MalformedOutput):
            raise error
        raise TimedOut(
            f"Replicate prediction {waiting.prediction} or its files could not be read: {error.message}",
            hint="it may have succeeded and been billed; look at it on replicate.com",
        ) from error
    ctx.log(f"Replicate prediction {waiting.prediction}: {error.message}", misses=missed.misses)
    return missed.park(ctx.now(), every=wanted.poll_interval, at_least=error.retry_after or 0.0)


def _cancel_after(ctx: Context) -> int | None:
    """Seconds until the step ends, within what Replicate takes: 5 s to 24 h."""
    if ctx.deadline is None:
        return None
    left = int((ctx.deadline - ctx.now()).total_seconds())
    if left <= 0:
        raise TimedOut("the step's time was over before the prediction was created")
    return min(max(left, 5), 86_400)
