"""The trigger `replicate.prediction_completed`: predictions that something else made."""

from __future__ import annotations

import json
from typing import Annotated, Any

from hookline.sdk import (
    BadInput,
    Field,
    HookContext,
    HookEvent,
    HookRefused,
    HookRequest,
    MalformedOutput,
    schema_of,
)

from .client import ReplicateClient
from .recorded import FINISHED
from .records import TERMINAL
from .service import replicate
from .shapes import PredictionShape, read_prediction

__all__ = ["prediction_completed"]

Json = Any

MAX_BYTES = 10_000_000
"""Webhooks carry outputs and logs; Replicate names no limit, and 100 kB was too small for others."""


@replicate.trigger(
    "prediction_completed",
    kind="webhook",
    docs="https://replicate.com/docs/topics/webhooks",
    output=schema_of(PredictionShape),
    sample=read_prediction(FINISHED),
)
def prediction_completed(
    ctx: HookContext,
    request: HookRequest,
    path: Annotated[
        str,
        Field("Last part of the address: `replicate` is reached at `/hooks/replicate`.", max_length=200),
        {"pattern": "^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*$"},
    ],
) -> HookEvent:
    """Prediction completed

    Starts a run when a prediction or a training that was made with the webhook address `/hooks/<path>` is
    over, whatever its status. The signature is checked with the webhook_secret of the connection; the same
    message never starts a second run. Output files are deleted an hour after the end. Ask Replicate for the
    event completed only. For one model only, give the trigger a "when" such as
    `{{ trigger.model == 'owner/name' }}`.
    """
    if request.method != "POST":
        raise HookRefused(415, f"Replicate posts; this was a {request.method}", code="C604")
    if len(request.body) > MAX_BYTES:
        raise HookRefused(413, f"the body has {len(request.body)} bytes", code="C607")
    client: ReplicateClient = ctx.connection
    if not client.webhook_secrets:
        raise BadInput(
            "the replicate connection has no webhook_secret, so nobody can be let in",
            hint="set webhook_secret, or REPLICATE_WEBHOOK_SECRET, to the key that Replicate answers to "
            "GET /v1/webhooks/default/secret",
        )
    if not client.is_signed(request.headers, request.body, now=None):
        raise HookRefused(401, "it is not signed with the account's secret", code="C601")
    if not client.is_signed(request.headers, request.body, now=ctx.now()):
        raise HookRefused(401, "its timestamp is too far from now", code="C602")
    prediction = _read(request.body)
    if prediction["status"] not in TERMINAL:
        raise HookRefused(
            422, f"it is {prediction['status']!r}, not over: ask for the event completed only", code="C606"
        )
    return HookEvent(dict(prediction), request.headers["webhook-id"])


def _read(body: bytes) -> PredictionShape:
    try:
        return read_prediction(json.loads(body, parse_constant=_no_constant))
    except (ValueError, RecursionError) as error:
        raise HookRefused(400, "the body is no JSON", code="C605") from error
    except MalformedOutput as error:
        raise HookRefused(422, f"the body is no prediction: {error.message}", code="C606") from error


def _no_constant(text: str) -> Json:
    raise ValueError(f"{text} is not JSON")
