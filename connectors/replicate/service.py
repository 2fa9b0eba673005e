"""The service itself: its name, its connection, how to prove a token. Actions are in the siblings."""

from __future__ import annotations

from typing import Annotated

from hookline.sdk import ConnectionContext, Connector, Field, Limit

from .client import ReplicateClient
from .problems import told

__all__ = ["connect", "replicate"]

replicate = Connector("replicate", title="Replicate", docs="https://replicate.com/docs/reference/http")

LIMITS = [Limit("creates", 600, ["POST *predictions"]), Limit("reads", 3000)]
"""Requests a minute; "reads" is everything that creates no prediction (documentation, rate limits)."""


@replicate.connection(limits=LIMITS, told=told)
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
            "Signing secret of webhooks (whsec_…). Steps fetch it with the token if it is left out; the "
            "trigger replicate.prediction_completed needs it here.",
            secret=True,
            advanced=True,
            env="REPLICATE_WEBHOOK_SECRET",
        ),
    ] = None,
    previous_webhook_secret: Annotated[
        str | None,
        Field(
            "The one before webhook_secret was changed. It stays valid as long as it stands here.",
            secret=True,
            advanced=True,
            env="REPLICATE_PREVIOUS_WEBHOOK_SECRET",
        ),
    ] = None,
    secret_inputs: Annotated[
        dict[str, dict[str, str]] | None,
        Field(
            "Inputs that are secrets, by model: owner/name, or deployments/owner/name. They go into every "
            "prediction of that model, and stand in no workflow and no history.",
            secret=True,
            advanced=True,
            examples=[{"acme/trainer": {"hf_token": "hf_…"}}],
        ),
    ] = None,
) -> ReplicateClient:
    """Open a client."""
    # One of the official clients wants the /v1 in the same variable, so it may be there.
    base = base_url.rstrip("/").removesuffix("/v1") + "/v1/"
    http = ctx.http(base, headers={"Authorization": f"Bearer {token}"})
    secrets = [each for each in (webhook_secret, previous_webhook_secret) if each]
    return ReplicateClient(http, base, secrets, secret_inputs)


@replicate.on_test
async def check_token(client: ReplicateClient) -> str:
    """Whose token it is."""
    return await client.account()
