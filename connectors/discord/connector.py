"""Discord: messages through a channel's webhook.

Source: https://docs.discord.com/developers/resources/webhook#execute-webhook
"""

from __future__ import annotations

import json
import re
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
    Http,
    MalformedOutput,
    OutcomeUnknown,
    Recorded,
    raise_for_status,
)

__all__ = ["DiscordWebhook", "connect", "discord", "send"]

Json = Any

MAX_CONTENT = 2000
MAX_FILES = 10
MAX_BYTES = 10_000_000
"""Bytes of all files together, in a server without boosts."""

_ADDRESS = re.compile(r"(https?://[^/?#\s@]+)/([^?#\s]+)")
_LOOK = "look at the channel before repeating the step"

discord = Connector("discord", title="Discord", docs="https://docs.discord.com/developers/resources/webhook")


@dataclass(frozen=True, slots=True)
class DiscordWebhook:
    """An address that posts to one channel. Whoever knows it can post, so it is never shown."""

    http: Http = field(repr=False)
    path: str = field(repr=False)

    async def notify(self, ctx: Context, to: str, text: str, files: Sequence[File]) -> Mapping[str, Json]:
        """Post a text and files."""
        return await post(ctx, self, {"content": text, "allowed_mentions": {"parse": []}}, files)


@discord.connection
def connect(
    ctx: ConnectionContext,
    url: Annotated[
        str,
        Field(
            "Address of the channel's webhook, from its settings under Integrations. It is the secret.",
            secret=True,
            env="DISCORD_WEBHOOK_URL",
            examples=["https://discord.com/api/webhooks/1234567890/EXAMPLEexampleEXAMPLE"],
        ),
    ],
) -> DiscordWebhook:
    """Open a webhook."""
    match = _ADDRESS.fullmatch(url)
    if match is None:
        raise BadInput(
            "the connection's url is no address of a Discord webhook",
            hint="copy it from the channel's settings: https://discord.com/api/webhooks/…",
        )
    return DiscordWebhook(ctx.http(match[1]), match[2])


class Message(TypedDict):
    """A message."""

    id: Annotated[str, Field("Its ID.")]
    channel_id: Annotated[str, Field("ID of the channel.")]


@discord.action(
    "send",
    effect="at_least_once",
    summary="Sent to Discord",
    docs="https://docs.discord.com/developers/resources/webhook#execute-webhook",
    examples=[
        Example(
            input={"content": "Backup is done."},
            responses=[
                Recorded(
                    json={"id": "1234567890123456789", "channel_id": "2345678901234567890", "content": "x"},
                    expect="POST /api/webhooks/1234567890/EXAMPLEexampleEXAMPLE",
                )
            ],
            output={"id": "1234567890123456789", "channel_id": "2345678901234567890"},
        )
    ],
)
async def send(
    ctx: Context,
    content: Annotated[
        str, Field("The message; with files it may be empty.", multiline=True, max_length=MAX_CONTENT)
    ] = "",
    embeds: Annotated[
        list[dict[str, Any]] | None,
        Field("Up to ten embeds, sent as they are.", advanced=True, max_length=10),
    ] = None,
    files: Annotated[list[File] | None, Field("Files, up to 10 MB together.", max_length=MAX_FILES)] = None,
    username: Annotated[str | None, Field("Name to post under.", advanced=True, max_length=80)] = None,
    allow_mentions: Annotated[
        bool, Field("Let @everyone and <@ID> in the message notify people.", advanced=True)
    ] = False,
    thread_id: Annotated[str | None, Field("Post in this thread of the channel.", advanced=True)] = None,
) -> Message:
    """Send a message to Discord

    A webhook gives no way to find a message again: a crash at the wrong moment posts it twice. A lost
    answer is not repeated.
    """
    if not content and not embeds and not files:
        raise BadInput("there is nothing to send", hint="give content, embeds or files")
    body: dict[str, Json] = {"content": content} if content else {}
    if embeds:
        body["embeds"] = embeds
    if username:
        body["username"] = username
    if not allow_mentions:
        # A value from outside must not notify a whole server.
        body["allowed_mentions"] = {"parse": []}
    return await post(ctx, ctx.connection, body, files or [], thread_id)


async def post(
    ctx: Context,
    webhook: DiscordWebhook,
    body: Mapping[str, Json],
    files: Sequence[File],
    thread_id: str | None = None,
) -> Message:
    """One request.

    Raises:
        OutcomeUnknown: It may have been posted.
        ActionError: Discord refused it.
    """
    content = body.get("content", "")
    if len(content) > MAX_CONTENT:
        raise BadInput(f"the message has {len(content)} characters; Discord takes {MAX_CONTENT}")
    if len(files) > MAX_FILES:
        raise BadInput(f"there are {len(files)} files; Discord takes {MAX_FILES} with a message")
    # Without `wait` Discord answers before it has looked at the message.
    params = {"wait": "true"} | ({"thread_id": thread_id} if thread_id else {})
    given: dict[str, Any] = {"json": dict(body)}
    if files:
        parts: dict[str, tuple[str, bytes, str]] = {}
        room = MAX_BYTES
        for place, file in enumerate(files):
            data = await ctx.files.read(file, max_bytes=room)
            room -= len(data)
            parts[f"files[{place}]"] = (file.name, data, file.mime)
        given = {"data": {"payload_json": json.dumps(dict(body))}, "files": parts}
    try:
        answer = await webhook.http.request("POST", webhook.path, params=params, timeout=60.0, **given)
    except (MalformedOutput, OutcomeUnknown) as error:
        raise OutcomeUnknown("Discord's answer was lost", hint=_LOOK) from error
    # A reason could repeat the address, and with it the secret.
    raise_for_status(answer, effect="at_least_once", service="Discord", reason=_reason(answer))
    try:
        found = answer.json()
    except MalformedOutput:
        found = None
    if not isinstance(found, Mapping) or not isinstance(found.get("id"), str):
        raise OutcomeUnknown("Discord answered with something that is no message", hint=_LOOK)
    channel = found.get("channel_id")
    return Message(id=found["id"], channel_id=channel if isinstance(channel, str) else "")


def _reason(answer: Any) -> str:
    """Discord's numeric code for what is wrong: the text beside it can hold what was sent."""
    try:
        found = answer.json()
    except MalformedOutput:
        return "see the status"
    code = found.get("code") if isinstance(found, Mapping) else None
    return f"code {code}" if isinstance(code, int) else "see the status"
