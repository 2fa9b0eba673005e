"""The action `cog.run`."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from hookline.sdk import Context, Example, Field, Leftover, Park, Recorded, Wake
from hookline.sdk.expectations import Expect
from hookline.sdk.predictions import Prediction

from .client import CogClient
from .identity import identity_of
from .lifecycle import begin, go_on_after, look_up
from .recorded import FINISHED, FINISHED_RESULT, READY, SCHEMA
from .records import Wanted
from .service import cog
from .settling import settle

__all__ = ["run"]

Json = Any


@cog.action(
    "run",
    effect="check",
    summary="Ran {model_reference}",
    docs="https://cog.run/http#put-predictionsprediction_id",
    examples=[
        Example(
            title="A text model, waiting on the connection",
            input={
                "input": {"text": "hello"},
                "delivery": "connection",
                "model": "acme/shout",
                "usd_per_second": 0.000225,
            },
            responses=[
                Recorded(json=READY, expect="GET /health-check"),
                Recorded(json=SCHEMA, expect="GET /openapi.json"),
                Recorded(json=FINISHED, expect=f"PUT /predictions/{FINISHED['id']}"),
            ],
            output=FINISHED_RESULT,
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
        {"x-model-schema": "cog.get_schema"},
    ],
    expect: Annotated[
        Expect | None,
        Field("What the output must be; anything else is the error malformed_output."),
    ] = None,
    addresses: Annotated[
        Literal["hookline", "server"],
        Field(
            "Who fetches the http(s) addresses that are given for files.",
            advanced=True,
            options={
                "hookline": "Hookline, where workflows may reach, up to 20 MB each; the server gets bytes.",
                "server": "The server, from where it stands in your network: never for addresses that "
                "strangers give.",
            },
        ),
    ] = "hookline",
    run_timeout: Annotated[
        str | float | None,
        Field(
            "Longest time the model may run; what the step waits for a place, or for the model to be set up, "
            "does not count (the step's timeout counts everything).",
            advanced=True,
            examples=["5m"],
        ),
    ] = None,
    delivery: Annotated[
        Literal["callback", "connection"],
        Field(
            "How the result comes.",
            advanced=True,
            options={
                "callback": "The server posts it to HOOKLINE_BASE_URL; nothing is held meanwhile. Where "
                "nobody listens (hookline run), and for files up to Cog 0.16, the connection is held anyway.",
                "connection": "On a connection held as long as the step's timeout, or 30 minutes: where the "
                "server cannot reach us.",
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
    wanted = Wanted(
        input=input,
        delivery=delivery,
        when_lost=when_lost,
        poll_interval=poll_interval,
        usd_per_second=usd_per_second,
        model=model,
        expect=expect,
        run_timeout=run_timeout,
        addresses=addresses,
    )
    return await begin(ctx, wanted)


@run.on_resume
async def resume(ctx: Context, wake: Wake, **values: Json) -> Prediction | Park:
    """A callback, or the time to ask."""
    return await go_on_after(ctx, Wanted(**values), wake)


@run.on_lookup
async def lookup(ctx: Context, **values: Json) -> Prediction | Park | None:
    """What became of an attempt that was cut off."""
    return await look_up(ctx, Wanted(**values))


@run.on_cancel
async def cancel(ctx: Context, data: Mapping[str, Json], **values: Json) -> None:
    """Stop the prediction. Cog stops it between two steps of Python, never within one.

    On a held connection it is known by its intent; coglet stops it as well when the connection ends, and
    Cog up to 0.16 does not. coglet 0.23.1 answers 200 to a cancel in a prediction's first milliseconds,
    and forgets it: see `settling`.
    """
    client: CogClient = ctx.connection
    job = data.get("job") or (ctx.notes.get("intent") or {}).get("job")
    if job is not None:  # Otherwise it waited for a place, and nothing runs.
        await client.cancel(job)


@run.on_settle
async def settle_run(ctx: Context, left: Leftover, **values: Json) -> Park | None:
    """What a prediction cost that nobody waited for to its end."""
    return await settle(ctx, Wanted(**values), left)


@run.on_key
async def key(ctx: Context, **values: Json) -> Json:
    """The model behind the address, so that another one is not answered with this one's output."""
    return await identity_of(ctx.connection)


@run.on_verify
async def verify(ctx: Context, headers: Mapping[str, str], body: bytes) -> bool:
    """Whether a callback carries the server's token, where one is configured."""
    client: CogClient = ctx.connection
    if not client.webhook_token:
        return True
    right = f"Bearer {client.webhook_token}".encode()
    return hmac.compare_digest(right, headers.get("authorization", "").encode("utf-8", "replace"))
