"""The Slack connector and its two kinds of connection: a bot's token, and an incoming webhook."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from hookline.sdk import BadInput, ConnectionContext, Connector, Context, Field, File, Http, Limit

from .client import SlackClient
from .notify import notify_channel, notify_webhook

__all__ = ["IncomingWebhook", "connect", "connect_webhook", "slack", "slack_webhook"]

Json = Any

slack = Connector("slack", title="Slack", docs="https://docs.slack.dev/apis/web-api/")
slack_webhook = Connector(
    "slack_webhook",
    title="Slack incoming webhook",
    docs="https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks/",
)


class _Client(SlackClient):
    """The client of a connection, which can also be notified through."""

    async def notify(self, ctx: Context, to: str, text: str, files: Sequence[File]) -> Mapping[str, Json]:
        """Post a text and files to a channel."""
        return await notify_channel(ctx, self, to, text, files)


# https://docs.slack.dev/apis/web-api/rate-limits: about one message a second to a channel, and short bursts;
# each method has a limit of its own, of which Slack tells when it is reached.
LIMITS = [Limit("posts", 60, ["POST chat.postMessage"], burst=5, by="channel"), Limit("calls", apart=True)]


@slack.connection(limits=LIMITS)
def connect(
    ctx: ConnectionContext,
    token: Annotated[
        str,
        Field("Bot token (xoxb-…) with the scope chat:write.", secret=True, env="SLACK_BOT_TOKEN"),
    ],
    base_url: Annotated[
        str, Field("Address of the Web API.", format="uri", env="SLACK_BASE_URL", advanced=True)
    ] = "https://slack.com/api/",
    signing_secret: Annotated[
        str | None,
        Field(
            "Signing secret of the app, to check requests that come from Slack.",
            secret=True,
            env="SLACK_SIGNING_SECRET",
        ),
    ] = None,
) -> SlackClient:
    """Open a client."""
    base = base_url.rstrip("/") + "/"
    http = ctx.http(base, headers={"Authorization": f"Bearer {token}"})
    return _Client(http, ctx.http(base), base, signing_secret or "")


@slack.on_test
async def check_token(client: SlackClient) -> str:
    """Whose token it is."""
    answer = await client.call("auth.test", {}, effect="idempotent")
    return f"{answer.get('user', 'bot')} in {answer.get('team', 'Slack')}"


@dataclass(frozen=True, slots=True)
class IncomingWebhook:
    """An address that posts to one channel. Whoever knows it can post, so it is never shown."""

    http: Http = field(repr=False)
    path: str = field(repr=False)

    async def notify(self, ctx: Context, to: str, text: str, files: Sequence[File]) -> Mapping[str, Json]:
        """Post a text; an incoming webhook takes no files."""
        return await notify_webhook(self.http, self.path, text, files)


_ADDRESS = re.compile(r"(https?://[^/?#\s@]+)/([^?#\s]+)")


@slack_webhook.connection
def connect_webhook(
    ctx: ConnectionContext,
    url: Annotated[
        str,
        Field(
            "The address that Slack shows for the incoming webhook. It is the secret.",
            secret=True,
            env="SLACK_WEBHOOK_URL",
            examples=["https://hooks.slack.com/services/T00000000/B00000000/EXAMPLEexampleEXAMPLE00"],
        ),
    ],
) -> IncomingWebhook:
    """Open an incoming webhook."""
    match = _ADDRESS.fullmatch(url)
    if match is None:
        raise BadInput(
            "the connection's url is no address of an incoming webhook",
            hint="copy it from the app's page: https://hooks.slack.com/services/…",
        )
    return IncomingWebhook(ctx.http(match[1]), match[2])
