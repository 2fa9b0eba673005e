"""The same text and files for everybody who can be told: what `notify` asks of a connection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hookline.sdk import BadInput, Context, File, Http

from .client import SlackClient, text_of
from .limits import check_message, escape
from .uploads import share_file, store_file
from .webhooks import send

__all__ = ["notify_channel", "notify_webhook"]

Json = Any


async def notify_channel(
    ctx: Context, client: SlackClient, to: str, text: str, files: Sequence[File]
) -> Mapping[str, Json]:
    """Post a text to a channel, and the files into its thread.

    Raises:
        ActionError: Slack refused it, or it cannot be known whether it was posted.
    """
    sent = escape(text)
    check_message(sent, [])
    answer = await client.call("chat.postMessage", {"channel": to, "text": sent}, effect="at_least_once")
    channel = text_of(answer, "channel", "chat.postMessage")
    ts = text_of(answer, "ts", "chat.postMessage")
    for file in files:
        file_id = await store_file(ctx, client, file, file.name)
        await share_file(client, file_id, file.name, {"channel_id": channel, "thread_ts": ts})
    return {"channel": channel, "ts": ts}


async def notify_webhook(http: Http, path: str, text: str, files: Sequence[File]) -> Mapping[str, Json]:
    """Post a text.

    Raises:
        BadInput: There are files: an incoming webhook takes none.
    """
    if files:
        raise BadInput(
            "an incoming webhook of Slack takes no files", hint="use a connection of the type slack"
        )
    sent = escape(text)
    check_message(sent, [])
    await send(http, path, {"text": sent})
    return {}
