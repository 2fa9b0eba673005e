"""Webhooks: the secrets that senders sign with, and sending signed ones."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, TypedDict

from hookline.sdk import (
    BadInput,
    ConnectionContext,
    Connector,
    Context,
    Example,
    Field,
    File,
    Recorded,
    parse_duration,
)

from .send import deliver, message_id

__all__ = ["WebhookSecrets", "connect", "send", "webhook"]

Json = Any

NOTIFY_BYTES = 5_000_000
"""Bytes of all files of a notification together; they travel inside the JSON."""

_TIMEOUT = 15.0
"""Seconds a receiver has to answer, as with Svix."""

webhook = Connector("webhook", title="Webhook", docs="https://www.standardwebhooks.com")


@dataclass(frozen=True, slots=True)
class WebhookSecrets:
    """What a `webhook` trigger checks requests against, and `webhook.send` signs with.

    Attributes:
        secrets: The active secrets, newest first. A request made with any of them is genuine.
        verify_token: What Meta repeats when it asks whether an address is ours.
    """

    secrets: tuple[str, ...] = field(repr=False)
    verify_token: str = field(default="", repr=False)

    async def notify(self, ctx: Context, to: str, text: str, files: Sequence[File]) -> Mapping[str, Json]:
        """Send a text and files to an address, signed; files are in base64."""
        kept: list[Json] = []
        room = NOTIFY_BYTES
        for file in files:
            content = await ctx.files.read(file, max_bytes=room)
            room -= len(content)
            encoded = base64.b64encode(content).decode()
            kept.append({"name": file.name, "mime": file.mime, "content": encoded})
        id = message_id(ctx, f"/notify/{to}")
        return await deliver(ctx, self.secrets, to, {"text": text, "files": kept}, id, _TIMEOUT)


@webhook.connection
def connect(
    ctx: ConnectionContext,
    secret: Annotated[
        str,
        Field(
            "The secret shared with the sender: signing secret, token or password, as the sender shows it.",
            secret=True,
            env="HOOKLINE_WEBHOOK_SECRET",
            examples=["whsec_RXhhbXBsZUV4YW1wbGVFeGFtcGxlRXhhbXBsZSE="],
            min_length=8,
        ),
    ],
    previous_secret: Annotated[
        str,
        Field(
            "The secret before the last rotation. It stays valid as long as it stands here.",
            secret=True,
            advanced=True,
            env="HOOKLINE_WEBHOOK_PREVIOUS_SECRET",
        ),
    ] = "",
    verify_token: Annotated[
        str,
        Field(
            "The verify token of an app at Meta; only `handshake: meta` needs it.",
            secret=True,
            advanced=True,
            env="HOOKLINE_WEBHOOK_VERIFY_TOKEN",
        ),
    ] = "",
) -> WebhookSecrets:
    """Share a secret with a sender of webhooks."""
    if not secret:
        raise BadInput("the webhook connection has no secret", hint="set secret, or HOOKLINE_WEBHOOK_SECRET")
    return WebhookSecrets(tuple(each for each in (secret, previous_secret) if each), verify_token)


class Delivered(TypedDict):
    """A webhook that the receiver took."""

    id: Annotated[str, Field("Its webhook-id, the same for every try.")]
    status: Annotated[int, Field("The receiver's status.")]


@webhook.action(
    "send",
    effect="idempotent",
    summary="Sent a webhook to {url}",
    docs="https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md",
    examples=[
        Example(
            input={
                "url": "https://receiver.example.com/hooks",
                "body": {"type": "order.paid", "timestamp": "2026-03-01T12:00:00Z", "data": {"id": 7}},
            },
            responses=[Recorded(204, expect="POST https://receiver.example.com/hooks")],
        )
    ],
)
async def send(
    ctx: Context,
    url: Annotated[
        str,
        Field(
            "Where to: an https address.",
            min_length=1,
            max_length=2048,
            examples=["https://receiver.example.com/hooks"],
        ),
    ],
    body: Annotated[
        Any, Field("The body, as JSON. Standard Webhooks advises an object with type, timestamp and data.")
    ],
    timeout: Annotated[
        str | int | float, Field("How long the receiver may take.", format="duration", advanced=True)
    ] = "15s",
) -> Delivered:
    """Send a signed webhook

    Signed by Standard Webhooks with the connection's secrets. Every try of a step carries the same
    webhook-id, so that a receiver who remembers them acts once. To try as long as Svix does, give the
    step `"retry": { "max_attempts": 8, "delay": "5s", "backoff": 6, "max_delay": "10h" }`. A receiver who
    answers 410, or `webhook-delivery: abort-message`, is not tried again.
    """
    seconds = parse_duration(timeout, name="timeout")
    secrets: WebhookSecrets = ctx.connection
    done = await deliver(ctx, secrets.secrets, url, body, message_id(ctx), seconds)
    return Delivered(id=done["id"], status=done["status"])
