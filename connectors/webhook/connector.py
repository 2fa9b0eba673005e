"""Secrets that senders of webhooks sign with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from hookline.sdk import BadInput, ConnectionContext, Connector, Field

__all__ = ["WebhookSecrets", "connect", "webhook"]

webhook = Connector("webhook", title="Webhook", docs="https://www.standardwebhooks.com")


@dataclass(frozen=True, slots=True)
class WebhookSecrets:
    """What a `webhook` trigger checks requests against.

    Attributes:
        secrets: The active secrets, newest first. A request made with any of them is genuine.
    """

    secrets: tuple[str, ...] = field(repr=False)


@webhook.connection
def connect(
    ctx: ConnectionContext,
    secret: Annotated[
        str,
        Field(
            "The secret shared with the sender: signing secret, token or password, as the sender shows it.",
            secret=True,
            env="HOOKLINE_WEBHOOK_SECRET",
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
) -> WebhookSecrets:
    """Share a secret with a sender of webhooks."""
    if not secret:
        raise BadInput("the webhook connection has no secret", hint="set secret, or HOOKLINE_WEBHOOK_SECRET")
    return WebhookSecrets(tuple(each for each in (secret, previous_secret) if each))
